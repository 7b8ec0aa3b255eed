"""What a method needs of a statement: the value, or an error that names the field and the cure.

Nothing that decides a risk number has a silent default: where a sheet gives one (a settlement asset is
worth 1), the caller states it.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, NoReturn, TypeVar

from steelyard.quantities.errors import InputError
from steelyard.terms.stated import Account, Case, Contract, Underlying, parse_contract

N = TypeVar("N", float, Decimal)
T = TypeVar("T")


def refuse(code: str, message: str, rule: str, cure: str, field: str) -> NoReturn:
    """Raise an InputError with a field."""
    raise InputError(code, message, rule=rule, cure=cure, field=field)


def given(value: N | None, field: str, why: str = "the method is worked out from it") -> N:
    """Return the value, or raise METH-E01 if it is not there and METH-E05 if it is not finite."""
    if value is None:
        refuse("METH-E01", f"{field} is missing", why, f"state {field}", field)
    if not (isfinite(value) if isinstance(value, float) else value.is_finite()):
        refuse("METH-E05", f"{field} is {value}", "a number is finite", "mend the value", field)
    return value


def required(value: T | None, field: str, why: str) -> T:
    """Return a field of the account, of a position or a question. Errors: METH-E02.

    >>> required(310.0, "account.positions[0].entry_price", "a short option needs its entry")
    310.0
    """
    if value is None:
        refuse("METH-E02", f"{field} is missing", why, f"state {field}", field)
    return value


def required_number(value: N | None, field: str, why: str) -> N:
    """Return a finite field of the account or of a position. Errors: METH-E02, METH-E05."""
    return given(required(value, field, why), field)


def bounded(value: float, field: str, of: str) -> float:
    """Return an amount worked out from a field, if it is still a number. Errors: METH-E05.

    >>> bounded(1e300, "account.positions[0].quantity", "the notional")
    1e+300
    """
    if not isfinite(value):
        refuse(
            "METH-E05", f"{of} of {field} overflows", "every amount is a finite number",
            "mend the quantity or the price", field,
        )  # fmt: skip
    return value


def underlying_of(case: Case[N], name: str) -> Underlying[N]:
    """Return the market of an underlying. Errors: METH-E01."""
    found = case.market.underlyings.get(name)
    if found is None:
        field = f"market.underlyings.{name}"
        refuse(
            "METH-E01", f"{field} is missing", "a position needs the market of its underlying",
            f"state {field}", field,
        )  # fmt: skip
    return found


def index_price(case: Case[N], name: str) -> N:
    """Return the index price of an underlying, above zero. Errors: METH-E01, METH-E05."""
    field = f"market.underlyings.{name}.index_price"
    return above_zero(given(underlying_of(case, name).index_price, field), field)


def perpetual_mark(case: Case[N], name: str) -> N:
    """Return the mark price of an underlying's perpetual, above zero. Errors: METH-E01, METH-E05."""
    field = f"market.underlyings.{name}.perpetual.mark_price"
    perpetual = underlying_of(case, name).perpetual
    return above_zero(given(None if perpetual is None else perpetual.mark_price, field), field)


def above_zero(value: N, field: str) -> N:
    """Return a value above zero. Errors: METH-E05."""
    if not value > 0:
        refuse(
            "METH-E05", f"{field} is {value}", "it is above zero", "mend or drop the case", field
        )
    return value


def parameter(parameters: dict[str, Any], name: str) -> Any:
    """Return a parameter of the method. Errors: METH-E06 where no value is known."""
    value = parameters.get(name)
    if value is None:
        refuse(
            "METH-E06", f"the parameter {name} has no value",
            "the method publishes no default for it", f"state parameters.{name}",
            f"parameters.{name}",
        )  # fmt: skip
    return value


def only_balance(account: Account[float], currency: str, method: str) -> float:
    """Return the balance of the only asset in which a method keeps an account; 0 where none is stated.

    A balance of nothing in another asset is none. Errors: METH-E04 for any other, METH-E05.
    """
    for name, held in account.balances.items():
        if name != currency and held != 0.0:
            field = f"account.balances.{name}"
            refuse(
                "METH-E04", f"{field} is {held}, and {method} does not say what {name} counts",
                f"method {method} keeps this account in {currency} alone",
                f"state what it is worth as a balance of {currency}, or choose another method", field,
            )  # fmt: skip
    return given(account.balances.get(currency, 0.0), f"account.balances.{currency}")


def contracts_of(account: Account[N], method: str, covers: frozenset[str]) -> list[Contract]:
    """Return the contracts of an account's positions, in their order.

    covers: which of perpetual, future, option the method knows. Errors: STAT-E02, METH-E03 for a
    contract that stands there twice, METH-E04 for one that the method does not cover, METH-E05.
    """
    contracts = []
    seen: set[str] = set()
    for i, position in enumerate(account.positions):
        contract = parse_contract(position.instrument)
        field = f"account.positions[{i}]"
        if contract.kind not in covers:
            refuse(
                "METH-E04", f"{method} does not cover {position.instrument}",
                f"it covers {', '.join(sorted(covers))}",
                "drop the position or choose another method", f"{field}.instrument",
            )  # fmt: skip
        if position.instrument in seen:
            refuse(
                "METH-E03", f"{position.instrument} stands there twice",
                "an account holds one position in a contract",
                "add the quantities up", f"{field}.instrument",
            )  # fmt: skip
        seen.add(position.instrument)
        given(position.quantity, f"{field}.quantity")
        contracts.append(contract)
    return contracts
