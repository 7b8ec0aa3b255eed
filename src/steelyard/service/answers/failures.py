"""What the answers refuse, each with its rule and cure.

ANSW-E01  too many simulated positions      ANSW-E04  the currency is not one of the account
ANSW-E02  which account is not said         ANSW-E05  a number or text of the question is wrong
ANSW-E03  no such account for this key      ANSW-E06  the method cannot do what is asked
ANSW-E07  no such instrument or index
"""

from __future__ import annotations

from steelyard.quantities.errors import InputError

POSITIONS_MAX = 1_000
"""Simulated positions in one question, at most."""


def too_many(count: int, most: int = POSITIONS_MAX) -> InputError:
    """Return ANSW-E01."""
    return InputError(
        "ANSW-E01", f"{count} simulated positions",
        rule=f"a simulation has at most {most} positions",
        cure="ask for fewer at once, or margin the accounts as a batch", field="simulated_positions",
    )  # fmt: skip


def which_account() -> InputError:
    """Return ANSW-E02."""
    return InputError(
        "ANSW-E02", "the question does not say which account",
        rule="a key of several accounts names the one it asks about",
        cure="state account", field="account",
    )  # fmt: skip


def no_account(name: str) -> InputError:
    """Return ANSW-E03: the same for an account that is not there and for one of somebody else."""
    return InputError(
        "ANSW-E03", f"there is no account {name[:60]!r} for this key",
        rule="a key sees its own accounts", cure="name one of them", field="account",
    )  # fmt: skip


def wrong_currency(currency: str | None, method: str, kept_in: str) -> InputError:
    """Return ANSW-E04; None where the question names no currency and needs one."""
    said = "the question names no currency" if currency is None else f"it asks in {currency[:20]!r}"
    return InputError(
        "ANSW-E04", f"{said}, and {method} keeps this account in {kept_in}",
        rule="a question names the currency that the account is kept in",
        cure=f"ask in {kept_in}", field="currency",
    )  # fmt: skip


def wrong(message: str, rule: str, cure: str, field: str) -> InputError:
    """Return ANSW-E05."""
    return InputError("ANSW-E05", message, rule=rule, cure=cure, field=field)


def cannot(message: str, rule: str, cure: str, field: str) -> InputError:
    """Return ANSW-E06."""
    return InputError("ANSW-E06", message, rule=rule, cure=cure, field=field)


def unknown(what: str, field: str) -> InputError:
    """Return ANSW-E07."""
    return InputError(
        "ANSW-E07", f"there is no {what[:80]}", rule="names are those of the market",
        cure="see public/get_instruments", field=field,
    )  # fmt: skip
