"""Contracts past their expiry: the payoff goes to cash, the position is gone.

The settlement price is the forward of the expiry, the index where no forward is stated. An option pays
max(0, ±(F − K)) a unit, times the method's multiplier, and in the coin of a coin-settled method that
over F. A future pays what the method counts as its profit, at F where that follows from its entry price.
Unrealised funding of it is paid too. An expiry that the market does not list does not pass.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from steelyard.margin.methods.moving_counting import Counting
from steelyard.margin.methods.moving_positions import added, expiry_of, gain_of
from steelyard.margin.methods.needs import above_zero, given, refuse
from steelyard.terms.documents import documents
from steelyard.terms.stated import (
    Case,
    Contract,
    Expiry,
    Position,
    instant_us,
    parse_contract,
)

replace = msgspec.structs.replace


def settled(case: Case[Any], counting: Counting) -> Case[Any]:
    """Return the case with every contract whose expiry is not after `as_of` paid out.

    Errors: METH-E01 where no price settles a contract, METH-E02 where the asset that is cash is unknown.
    """
    now = instant_us(case.market.as_of, "market.as_of")
    balances = dict(case.account.balances)
    kept: list[Position[Any]] = []
    last = ""
    for position in case.account.positions:
        contract = parse_contract(position.instrument)
        expiry = expiry_of(contract, case.market)
        if expiry is None or instant_us(expiry.expiry, "expiry") > now:
            kept.append(position)
            continue
        last = contract.underlying
        asset = _cash(case, contract, position, counting)
        paid = _payoff(case, contract, position, expiry, counting)
        balances[asset] = added(balances[asset], paid) if asset in balances else paid
    if len(kept) == len(case.account.positions):
        return case
    account = replace(case.account, balances=balances, positions=tuple(kept))
    market = case.market
    if counting.is_coin_settled and not kept:
        # What is left is an account in this coin: it is the only underlying that says so.
        market = replace(market, underlyings={last: market.underlyings[last]})
    return replace(case, account=account, market=market)


def _payoff(
    case: Case[Any],
    contract: Contract,
    position: Position[Any],
    expiry: Expiry[Any],
    counting: Counting,
) -> Any:
    """Return what a contract pays at its settlement price, in the asset of `_cash`."""
    quantity = position.quantity
    if contract.kind == "option":
        price = float(_price(case, contract, expiry))
        gain = price - contract.strike if contract.is_call else contract.strike - price
        unit = counting.multiplier * max(0.0, gain)
        amount = float(quantity) * (unit / price if counting.is_coin_settled else unit)
        return Decimal(repr(amount)) if isinstance(quantity, Decimal) else amount
    paid: Any = position.unrealised_pnl
    if paid is None:
        paid = quantity * 0
        entry = position.entry_price
        if entry is not None and contract.kind in counting.by_entry:
            price = _price(case, contract, expiry)
            paid = gain_of(quantity, entry, price, position.contract == "inverse")
    if position.unrealised_funding is not None:
        paid = added(paid, position.unrealised_funding)
    return paid


def _price(case: Case[Any], contract: Contract, expiry: Expiry[Any]) -> Any:
    field = f"market.underlyings.{contract.underlying}.expiries[{contract.day}].forward_price"
    price = expiry.forward_price
    if price is None:
        price = case.market.underlyings[contract.underlying].index_price
    return above_zero(given(price, field, "a contract past its expiry pays at it"), field)


def _cash(case: Case[Any], contract: Contract, position: Position[Any], counting: Counting) -> str:
    """Return the asset that a contract pays in."""
    if counting.is_coin_settled or position.contract == "inverse":
        return contract.underlying
    if counting.settlement:
        return counting.settlement
    # A market of Vega settles in the only asset held, if that has no price of its own.
    held = list(case.account.balances)
    if len(held) == 1 and held[0] not in case.market.underlyings:
        asset = case.market.assets.get(held[0])
        if asset is None or asset.price is None:
            return held[0]
    if case.method in documents().names():
        return documents().get(case.method).currency
    return refuse(
        "METH-E02", f"{case.method} does not say which asset is cash",
        "a contract past its expiry pays in the account's settlement asset",
        "name a method of the library, or state one balance", "account.balances",
    )  # fmt: skip
