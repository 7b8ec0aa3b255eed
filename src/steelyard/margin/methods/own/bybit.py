"""Bybit: liquidation and bankruptcy prices of linear and inverse contracts, margin of short options.

Each position is answered on its own: s = ±1 is its side, Q its quantity without sign, E its entry, L its
leverage. B = coin balance − `account.order_margin`; S is the index price, m the option's mark, K its strike.

    linear             bankruptcy  = E·(1 − s/L)
    inverse (Q in USD) v = Q/E coins, initial = v/L, maintenance = v·maintenance_rate
      isolated         liquidation = Q/(v + s·(initial − maintenance))
      cross            bankruptcy  = (1 + s·taker_fee_rate)·Q/(v + s·B)
    short option       maintenance = max(factor·S, factor·m) + m + liquidation_fee·S
      (a unit)         initial     = max(max(im_max·S − otm, im_min·S) + max(E, m), maintenance)
                       otm = max(K − S, 0) of a call, max(S − K, 0) of a put
    long option        nothing

What the rules leave open: an account is isolated where its mode says so, else cross. Options are refused
where it is isolated, since the venue has none there. Linear contracts and inverse ones held cross have the
two margins of the isolated inverse ones, of their own value at entry (Q·E, or v): initial is None where
a cross inverse one states no leverage. A price at which the denominator is not above zero (a short whose
coins cover it) or that would be below zero is None, and so is every price of an empty position.

Several positions are answered one by one and their requirements summed; each number of the venue is then
given per instrument. An inverse contract still counts the whole balance for itself. One answer has one
currency: USDT for linear contracts and options, the coin for inverse ones, so a book of both is refused, and
so is a balance of any other asset.

Equity is the currency's balance and the P&L of contracts at their marks (`mark_price`, else that of the
market's perpetual); None where a mark is missing. No option counts in it: a short's mark stands in its
requirement, and a long serves as no margin.

Source: Bybit's help centre on liquidation and bankruptcy prices and on margin of options.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from steelyard.margin.methods.answer import Answer, Part
from steelyard.margin.methods.needs import (
    above_zero,
    bounded,
    contracts_of,
    given,
    index_price,
    only_balance,
    parameter,
    refuse,
    required_number,
)
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, Contract, Position

Number = float
COVERS = frozenset({"perpetual", "future", "option"})


class Rates(NamedTuple):
    """The method's parameters."""

    maintenance_rate: float
    taker_fee_rate: float
    option_maintenance_factor: float
    option_liquidation_fee: float
    option_im_max: float
    option_im_min: float


class Outcome(NamedTuple):
    """What one position requires; None where nothing is said of it. `pnl` is at its mark."""

    position: Position[float]
    contract: Contract
    currency: str
    initial: float | None
    maintenance: float
    pnl: float | None
    native: dict[str, float | None]
    note: str


def answer(case: Case[float], document: MethodDocument) -> Answer:
    """Return the requirements of each position, their sums, and the venue's prices.

    Errors: METH-E01 to METH-E06 and STAT-E02, each with the field.

    >>> rates = Rates(0.005, 0.00075, 0.03, 0.002, 0.15, 0.10)
    >>> short_option(20250.0, 260.0, 310.0, 22000.0, True, rates)
    (2335.0, 908.0)
    """
    rates = Rates(*(float(parameter(document.parameters, name)) for name in Rates._fields))
    contracts = contracts_of(case.account, document.name, COVERS)
    outcomes = [
        _outcome(case, i, contract, document, rates) for i, contract in enumerate(contracts)
    ]
    currency = _one_currency(outcomes) if outcomes else document.currency
    initial: float | None = 0.0
    maintenance = 0.0
    for each in outcomes:
        maintenance += each.maintenance
        initial = None if initial is None or each.initial is None else initial + each.initial
    bounded(maintenance, "account", "the maintenance requirement")
    return Answer(
        currency=currency,
        equity=_equity(only_balance(case.account, currency, document.name), outcomes),
        initial_requirement=initial,
        maintenance_requirement=maintenance,
        native=_native(outcomes),
        parts=tuple(_part(each, is_summed=initial is not None) for each in outcomes),
    )


def linear_bankruptcy_price(side: float, entry_price: float, leverage: float) -> float | None:
    """Return entry·(1 − side/leverage), None below zero or without a side.

    >>> linear_bankruptcy_price(-1.0, 3000.0, 20.0)
    3150.0
    """
    price = entry_price * (1.0 - side / leverage)
    return price if side and price >= 0.0 else None


def inverse_liquidation_price(
    side: float, size: float, value: float, initial: float, maintenance: float
) -> float | None:
    """Return Q/(v + s·(initial − maintenance)) of an isolated inverse position, or None.

    >>> round(inverse_liquidation_price(1.0, 60000.0, 1.2, 0.12, 0.006), 6)
    45662.100457
    """
    return _price(size, value + side * (initial - maintenance))


def inverse_bankruptcy_price(
    side: float, size: float, value: float, balance: float, taker_fee_rate: float
) -> float | None:
    """Return (1 + s·fee)·Q/(v + s·B) of an inverse position held cross, or None.

    >>> round(inverse_bankruptcy_price(1.0, 10000.0, 1.25, 0.5, 0.00075), 2)
    5718.57
    """
    return _price((1.0 + side * taker_fee_rate) * size, value + side * balance)


def short_option(
    index: float, mark: float, entry_price: float, strike: float, is_call: bool, rates: Rates
) -> tuple[float, float]:
    """Return the initial and the maintenance requirement of one unit sold.

    >>> rates = Rates(0.005, 0.00075, 0.03, 0.002, 0.15, 0.10)
    >>> short_option(20250.0, 20100.0, 18000.0, 40000.0, False, rates)
    (23137.5, 20748.0)
    """
    factor = rates.option_maintenance_factor
    maintenance = max(factor * index, factor * mark) + mark + rates.option_liquidation_fee * index
    otm = max(strike - index, 0.0) if is_call else max(index - strike, 0.0)
    base = max(rates.option_im_max * index - otm, rates.option_im_min * index)
    return max(base + max(entry_price, mark), maintenance), maintenance


def _outcome(
    case: Case[float], i: int, contract: Contract, document: MethodDocument, rates: Rates
) -> Outcome:
    position = case.account.positions[i]
    field = f"account.positions[{i}]"
    if contract.kind == "option":
        found = _option(case, position, contract, document, rates, field)
    elif position.contract == "inverse":
        found = _inverse(case, position, contract, rates, field)
    else:
        found = _linear(case, position, contract, document.currency, rates, field)
    bounded(found.maintenance, f"{field}.quantity", "the maintenance requirement")
    for amount, name in ((found.initial, "initial requirement"), (found.pnl, "P&L")):
        bounded(0.0 if amount is None else amount, f"{field}.quantity", f"the {name}")
    return found


def _linear(
    case: Case[float],
    position: Position[float],
    contract: Contract,
    currency: str,
    rates: Rates,
    field: str,
) -> Outcome:
    entry, leverage = _entry(position, field), _leverage(position, field)
    value = bounded(abs(position.quantity) * entry, f"{field}.quantity", "the value")
    mark = _mark(case, position, contract, field)
    return Outcome(
        position,
        contract,
        currency,
        value / leverage,
        value * rates.maintenance_rate,
        None if mark is None else position.quantity * (mark - entry),
        {"bankruptcy_price": linear_bankruptcy_price(_side(position), entry, leverage)},
        f"linear: {value:.12g} at entry, leverage {leverage:.12g}",
    )


def _inverse(
    case: Case[float],
    position: Position[float],
    contract: Contract,
    rates: Rates,
    field: str,
) -> Outcome:
    account, coin = case.account, contract.underlying
    entry, side, size = _entry(position, field), _side(position), abs(position.quantity)
    value = bounded(size / entry, f"{field}.quantity", "the value")
    maintenance = value * rates.maintenance_rate
    native: dict[str, float | None] = {"position_value": value}
    initial: float | None = None
    if account.mode == "isolated" or position.leverage is not None:
        initial = value / _leverage(position, field)
    if account.mode == "isolated" and initial is not None:
        native["liquidation_price"] = inverse_liquidation_price(
            side, size, value, initial, maintenance
        )
    else:
        native["bankruptcy_price"] = inverse_bankruptcy_price(
            side, size, value, _free_coins(account, coin), rates.taker_fee_rate
        )
    mark = _mark(case, position, contract, field)
    pnl = None if mark is None else position.quantity / entry - position.quantity / mark
    note = f"inverse: {value:.12g} {coin} at entry"
    return Outcome(position, contract, coin, initial, maintenance, pnl, native, note)


def _option(
    case: Case[float],
    position: Position[float],
    contract: Contract,
    document: MethodDocument,
    rates: Rates,
    field: str,
) -> Outcome:
    if position.contract == "inverse" or case.account.mode == "isolated":
        kind = "inverse" if position.contract == "inverse" else "isolated"
        refuse(
            "METH-E04", f"{document.name} does not cover {position.instrument} as {kind}",
            f"method {document.name} covers options settled in {document.currency} and held cross",
            "drop the position, or state account.mode as cross", f"{field}.instrument",
        )  # fmt: skip
    if position.quantity >= 0.0:
        note = "long option: nothing is required"
        return Outcome(position, contract, document.currency, 0.0, 0.0, 0.0, {}, note)
    at = f"{field}.mark_price"
    mark = given(position.mark_price, at, "a short option is margined by its mark")
    if mark < 0.0:
        above_zero(mark, at)
    why = "a short option's initial requirement holds what it was sold for"
    entry = required_number(position.entry_price, f"{field}.entry_price", why)
    index = index_price(case, contract.underlying)
    initial, maintenance = short_option(
        index, mark, entry, contract.strike, contract.is_call, rates
    )
    sold = -position.quantity
    note = f"short option: {sold:.12g} × {maintenance:.12g} to keep, × {initial:.12g} to open"
    return Outcome(
        position, contract, document.currency, initial * sold, maintenance * sold, 0.0, {}, note
    )


def _entry(position: Position[float], field: str) -> float:
    at = f"{field}.entry_price"
    return above_zero(
        required_number(position.entry_price, at, "a contract is margined by its entry"), at
    )


def _leverage(position: Position[float], field: str) -> float:
    at = f"{field}.leverage"
    return above_zero(
        required_number(position.leverage, at, "its margin is its value over leverage"), at
    )


def _side(position: Position[float]) -> float:
    return float((position.quantity > 0.0) - (position.quantity < 0.0))


def _free_coins(account: Account[float], coin: str) -> float:
    balance = given(account.balances.get(coin, 0.0), f"account.balances.{coin}")
    return balance - given(
        0.0 if account.order_margin is None else account.order_margin, "account.order_margin"
    )


def _mark(
    case: Case[float], position: Position[float], contract: Contract, field: str
) -> float | None:
    """Return the mark of a contract: the position's, else its perpetual's; None where neither is."""
    at, mark = f"{field}.mark_price", position.mark_price
    if mark is None and contract.kind == "perpetual":
        underlying = case.market.underlyings.get(contract.underlying)
        perpetual = None if underlying is None else underlying.perpetual
        at = f"market.underlyings.{contract.underlying}.perpetual.mark_price"
        mark = None if perpetual is None else perpetual.mark_price
    return None if mark is None else above_zero(given(mark, at), at)


def _price(numerator: float, denominator: float) -> float | None:
    if not (numerator > 0.0 and denominator > 0.0):
        return None
    price = numerator / denominator
    return price if price < inf else None


def _one_currency(outcomes: list[Outcome]) -> str:
    first = outcomes[0]
    for i, each in enumerate(outcomes):
        if each.currency != first.currency:
            refuse(
                "METH-E04",
                f"{each.position.instrument} is margined in {each.currency},"
                f" {first.position.instrument} in {first.currency}",
                "one answer has one currency",
                "state the positions of each currency as an account of its own",
                f"account.positions[{i}].instrument",
            )
    return first.currency


def _equity(balance: float, outcomes: list[Outcome]) -> float | None:
    equity = balance
    for each in outcomes:
        if each.pnl is None:
            return None
        equity += each.pnl
    return bounded(equity, "account", "the equity")


def _native(outcomes: list[Outcome]) -> dict[str, Any]:
    if len(outcomes) == 1:
        return dict(outcomes[0].native)
    native: dict[str, Any] = {}
    for each in outcomes:
        for name, value in each.native.items():
            native.setdefault(name, {})[each.position.instrument] = value
    return native


def _part(each: Outcome, is_summed: bool) -> Part:
    return Part(
        name="short_option" if each.contract.kind == "option" else "position",
        initial=each.initial if is_summed and each.initial is not None else 0.0,
        maintenance=each.maintenance,
        instrument=each.position.instrument,
        underlying=each.contract.underlying,
        note=each.note,
    )
