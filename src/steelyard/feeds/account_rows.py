"""Account rows: one row of an account file checked against the listed assets and instruments.

A row is a balance or a position of an account. Numbers are decimals and are taken exactly: a balance and
an isolated margin are whole ledger units, a quantity whole lots. Only the entry price is rounded, half to
even, to the mark it is remembered as:

    linear perpetual, option    price · 10^mark_exponent
    inverse perpetual           −contract_usd · 10^mark_exponent / price
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, cast

from steelyard.book.ledger import SYSTEM_ACCOUNTS
from steelyard.quantities import UNITS_MAX, InputError, from_units, parse_units
from steelyard.terms import (
    FULL_MODES,
    AccountRecord,
    Asset,
    Instrument,
    MarginMode,
    PositionRecord,
)
from steelyard.terms.account import UNIT_SEPARATOR

COLUMNS = ("account", "mode", "kind", "name", "quantity", "entry_price", "isolated_margin")
KINDS = ("balance", "position")
ACCOUNT_LENGTH_MAX = 64
_TEXT_LENGTH_MAX = 64
_EXPONENT_MAX = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read: `place` locates it (row and, in nested JSON, the entry); values may be anything."""

    place: Mapping[str, object]
    values: Mapping[str, Any]


@dataclass(slots=True)
class Draft:
    """An account while its rows are read."""

    mode: MarginMode
    balances: dict[str, int] = field(default_factory=dict)
    positions: dict[str, PositionRecord] = field(default_factory=dict)

    def record(self, account: str) -> AccountRecord:
        """Return the finished record."""
        return AccountRecord(account, self.mode, self.balances, list(self.positions.values()))


def apply_row(
    row: Row,
    drafts: dict[str, Draft],
    assets: Mapping[str, Asset],
    instruments: Mapping[str, Instrument],
) -> None:
    """Add one row to the drafts, or raise the first rule it breaks and add nothing.

    Errors: FEED-E10 account, FEED-E11 mode or kind, FEED-E12 unknown asset or instrument, FEED-E13 a
    number that is none or is too fine, FEED-E14 beyond the bounds, FEED-E15 repeats or contradicts.
    """
    account = _account(row)
    mode = _one_of(row, "mode", FULL_MODES)
    kind = _one_of(row, "kind", KINDS)
    known = drafts.get(account)
    if known is not None and known.mode != mode:
        raise refused(
            "FEED-E15", row, "mode", f"account {account!r} is {known.mode} and {mode}",
            "an account has one margin mode", "give all its rows the same mode",
        )  # fmt: skip
    draft = known or Draft(cast(MarginMode, mode))
    if kind == "balance":
        name, units = _balance(row, draft, assets)
        draft.balances[name] = units
    else:
        position = _position(row, draft, assets, instruments)
        draft.positions[position.instrument] = position
    drafts[account] = draft


def entry_mark(instrument: Instrument, price: Decimal) -> int:
    """Return the mark units of an entry price, rounded half to even.

    >>> from steelyard.terms.listing import inverse_perpetual, linear_perpetual
    >>> entry_mark(linear_perpetual("BTC", 117_000.0), Decimal("116999.125"))
    11699912
    >>> entry_mark(inverse_perpetual("BTC", 117_000.0), Decimal(117_000))
    -854700855
    """
    scale: int = 10**instrument.mark_exponent
    if instrument.kind == "perpetual" and instrument.is_inverse:
        return -round(Fraction(instrument.contract_usd * scale) / Fraction(price))
    return round(Fraction(price) * scale)


def entry_price(instrument: Instrument, mark: int) -> str:
    """Return the decimal text of a mark's price, which `entry_mark` turns into the same mark again.

    Errors: FEED-E14 a mark that no price makes.

    >>> from steelyard.terms.listing import inverse_perpetual
    >>> p = inverse_perpetual("BTC", 117_000.0)
    >>> entry_mark(p, Decimal(entry_price(p, -854700855)))
    -854700855
    """
    is_inverse_perpetual = instrument.kind == "perpetual" and instrument.is_inverse
    low, high = (-instrument.mark_max, -1) if is_inverse_perpetual else (0, instrument.mark_max)
    if not low <= mark <= high:
        raise InputError(
            "FEED-E14",
            f"the entry mark {mark} of {instrument.name} is not one that a price makes",
            rule=f"an entry mark between {low} and {high}",
            cure="correct the record",
            instrument=instrument.name,
            field="entry_mark",
        )
    if is_inverse_perpetual:
        exact = Fraction(instrument.contract_usd * 10**instrument.mark_exponent, -mark)
        # 24 digits after the point: the mark moves by far less than half a unit.
        return plain(Decimal(round(exact * 10**24)).scaleb(-24))
    return plain(from_units(mark, instrument.mark_exponent))


def plain(value: Decimal) -> str:
    """Return a decimal without an exponent and without idle zeros.

    >>> plain(Decimal("1.500")), plain(Decimal("1E+3")), plain(Decimal("-0.00"))
    ('1.5', '1000', '0')
    """
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def refused(code: str, row: Row, field_name: str, message: str, rule: str, cure: str) -> InputError:
    """Return the error of one row; the file is added by who read it."""
    return InputError(code, message, rule=rule, cure=cure, **row.place, field=field_name)


def _account(row: Row) -> str:
    value = row.values.get("account")
    name = value if isinstance(value, str) else ""
    is_sound = 0 < len(name) <= ACCOUNT_LENGTH_MAX and name.isprintable() and name == name.strip()
    if not is_sound or UNIT_SEPARATOR in name or name in SYSTEM_ACCOUNTS:
        raise refused(
            "FEED-E10", row, "account", f"{shown(value)} cannot name an account",
            f"1 to {ACCOUNT_LENGTH_MAX} printable characters of text, no {UNIT_SEPARATOR!r}, no space "
            f"around it, and none of {', '.join(SYSTEM_ACCOUNTS)}",
            "rename the account",
        )  # fmt: skip
    return name


def _one_of(row: Row, name: str, allowed: tuple[str, ...]) -> str:
    value = row.values.get(name)
    if value not in allowed:
        raise refused(
            "FEED-E11", row, name, f"{shown(value)} is no {name}", f"{name} is one of {', '.join(allowed)}",
            "use one of these words",
        )  # fmt: skip
    return cast(str, value)


def _named(row: Row, what: str, listed: Mapping[str, Any]) -> str:
    value = row.values.get("name")
    if not isinstance(value, str) or value not in listed:
        raise refused(
            "FEED-E12", row, "name", f"{shown(value)} is not a listed {what}",
            f"a {'balance' if what == 'asset' else 'position'} names a listed {what}",
            f"list the {what}, or correct the name; {len(listed)} are listed",
        )  # fmt: skip
    return value


def _balance(row: Row, draft: Draft, assets: Mapping[str, Asset]) -> tuple[str, int]:
    name = _named(row, "asset", assets)
    for column in ("entry_price", "isolated_margin"):
        _blank(row, column, "a balance")
    if name in draft.balances:
        raise refused(
            "FEED-E15", row, "name", f"a second balance of {name}",
            "an account has one balance of an asset", "add the two up or drop one",
        )  # fmt: skip
    return name, _units(row, "quantity", assets[name].exponent)


def _position(
    row: Row, draft: Draft, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
) -> PositionRecord:
    name = _named(row, "instrument", instruments)
    instrument = instruments[name]
    if name in draft.positions:
        raise refused(
            "FEED-E15", row, "name", f"a second position in {name}",
            "an account has one position in an instrument", "net the two or drop one",
        )  # fmt: skip
    lots = _units(row, "quantity", instrument.lot_exponent)
    if not 0 < abs(lots) <= instrument.position_limit:
        raise refused(
            "FEED-E14", row, "quantity", f"{lots} lots of {name}",
            f"a position has 1 to {instrument.position_limit} lots of either sign",
            "drop an empty position, or split it over accounts",
        )  # fmt: skip
    mark = _entry_mark(row, instrument)
    margin = 0
    if draft.mode == "isolated":
        if row.values.get("isolated_margin") not in (None, ""):
            margin = _units(row, "isolated_margin", assets[instrument.settlement].exponent)
        if margin < 0:
            raise refused(
                "FEED-E14", row, "isolated_margin", "the margin is negative",
                "a margin set aside is zero or more", "correct the margin",
            )  # fmt: skip
    else:
        _blank(row, "isolated_margin", f"a position in {draft.mode} mode", zero_is_blank=True)
    return PositionRecord(name, lots, mark, margin)


def _entry_mark(row: Row, instrument: Instrument) -> int:
    price = _decimal(row, "entry_price")
    if price < 0 or (price == 0 and not instrument.is_option):
        raise refused(
            "FEED-E14", row, "entry_price", f"the entry price is {shown(price)}",
            "a perpetual was entered above zero, an option at zero or more", "correct the price",
        )  # fmt: skip
    mark = entry_mark(instrument, price)
    if abs(mark) > instrument.mark_max or (mark == 0 and not instrument.is_option):
        raise refused(
            "FEED-E14", row, "entry_price", f"the entry price {shown(price)} makes a mark of {mark} units",
            f"the mark of {instrument.name} has 1 to {instrument.mark_max} units", "correct the price",
        )  # fmt: skip
    return mark


def _units(row: Row, name: str, exponent: int) -> int:
    value = _decimal(row, name)
    try:
        return parse_units(value, exponent, field=name)
    except InputError as error:
        code = "FEED-E14" if error.code == "QUAN-E03" else "FEED-E13"
        raise refused(code, row, name, error.message, error.rule, error.cure) from None


def _decimal(row: Row, name: str) -> Decimal:
    """Return a value as a decimal of a sane length; a float by its shortest text."""
    value = row.values.get(name)
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise ValueError
        text = repr(value) if isinstance(value, float) else str(value).strip()
        if not 0 < len(text) <= _TEXT_LENGTH_MAX or "_" in text or not text.isascii():
            raise ValueError
        number = Decimal(text)
        if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX:
            raise ValueError
    except (InvalidOperation, ValueError):
        raise refused(
            "FEED-E13", row, name, f"{shown(value)} is not a finite decimal number",
            f"{name} is a finite decimal of at most {_TEXT_LENGTH_MAX} characters",
            "write digits with an optional sign and point",
        ) from None  # fmt: skip
    assert abs(number) < 10 ** (_EXPONENT_MAX + 1) < UNITS_MAX**3
    return number


def _blank(row: Row, name: str, what: str, *, zero_is_blank: bool = False) -> None:
    value = row.values.get(name)
    if value in (None, "") or (zero_is_blank and _decimal(row, name) == 0):
        return
    # A Parquet file of numbers has NaN where a value is missing.
    if isinstance(value, float) and value != value:
        return
    raise refused(
        "FEED-E15", row, name, f"{what} states {name} {shown(value)}",
        f"{what} has no {name}", "leave the field empty",
    )  # fmt: skip


def shown(value: object) -> str:
    """Return a value for a message, at most 60 characters."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
