"""The markets that a statement speaks of: position, orders and prices of each, for the method `vega`.

A market is one perpetual or dated future. An order that names no instrument belongs to the only
market there is: that of the only position, or the only underlying stated.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from steelyard.margin.methods.needs import contracts_of, refuse, underlying_of
from steelyard.margin.methods.own.vega_numbers import (
    ZERO,
    exact,
    needed,
    not_below_zero,
    total,
)
from steelyard.terms.stated import Case, Contract, Order, Underlying, parse_contract

COVERS = frozenset({"perpetual", "future"})


class Open(NamedTuple):
    """What is left of an order: units above zero, at a price."""

    quantity: Decimal
    price: Decimal


class VegaMarket(NamedTuple):
    """One market of the account: `quantity` is the signed position; orders in the order listed."""

    instrument: str
    underlying: str
    quantity: Decimal = ZERO
    entry_price: Decimal | None = None
    buys: tuple[Open, ...] = ()
    sells: tuple[Open, ...] = ()

    def bought(self) -> Decimal:
        """Return the units that open orders may buy."""
        return total(order.quantity for order in self.buys)

    def sold(self) -> Decimal:
        """Return the units that open orders may sell."""
        return total(order.quantity for order in self.sells)


def markets_of(case: Case[Decimal]) -> tuple[VegaMarket, ...]:
    """Return the account's markets: those of the positions in their order, then those of orders alone.

    Errors: METH-E02 an order that does not say which of several markets it is in; METH-E03 a position
    that stands there twice; METH-E04 an option; METH-E05 an order without a quantity above zero, a
    price below zero; STAT-E02.
    """
    contracts = contracts_of(case.account, "vega", COVERS)
    markets = {
        contract.name: VegaMarket(
            contract.name,
            contract.underlying,
            exact(position.quantity, f"account.positions[{i}].quantity"),
            None
            if position.entry_price is None
            else not_below_zero(position.entry_price, f"account.positions[{i}].entry_price"),
        )
        for i, (contract, position) in enumerate(
            zip(contracts, case.account.positions, strict=True)
        )
    }
    for i, order in enumerate(case.account.orders):
        if order.instrument is not None:
            contract = _covered(order.instrument, f"account.orders[{i}].instrument")
            markets.setdefault(contract.name, VegaMarket(contract.name, contract.underlying))
    for i, order in enumerate(case.account.orders):
        market = _market_of(case, order, markets, i)
        opened = _opened(order, f"account.orders[{i}]")
        if order.side == "buy":
            market = market._replace(buys=(*market.buys, opened))
        else:
            market = market._replace(sells=(*market.sells, opened))
        markets[market.instrument] = market
    return tuple(markets.values())


def single_market(case: Case[Decimal], question: str) -> VegaMarket:
    """Return the account's only market; without position and order that of the only underlying.

    Errors: METH-E04 where the account is in several, and those of `markets_of`.
    """
    markets = markets_of(case)
    if len(markets) > 1:
        names = ", ".join(market.instrument for market in markets)
        refuse(
            "METH-E04", f"the account is in several markets: {names}",
            f"{question} is a question about one market",
            "state one market a case", "account.positions",
        )  # fmt: skip
    return markets[0] if markets else VegaMarket("", _only_underlying(case))


def mark_price(case: Case[Decimal], market: VegaMarket) -> Decimal:
    """Return the mark of a market, at least 0.

    It is the underlying's `mark_price`; a general statement that leaves it out gives the contract's
    own: `perpetual.mark_price`, or `forward_price` of the expiry on the future's day.
    Errors: METH-E01, METH-E05.
    """
    stated = market_data(case, market)
    value = stated.mark_price
    if value is None and market.instrument:
        contract = parse_contract(market.instrument)
        if contract.kind == "perpetual" and stated.perpetual is not None:
            value = stated.perpetual.mark_price
        for expiry in stated.expiries if contract.kind == "future" else ():
            if expiry.expiry.startswith(contract.day):
                value = expiry.forward_price
    field = f"market.underlyings.{market.underlying}.mark_price"
    return not_below_zero(needed(value, field, "METH-E01"), field)


def auction_price(case: Case[Decimal], market: VegaMarket) -> Decimal | None:
    """Return the price an auction would uncross at, None outside auctions. Errors: METH-E05."""
    found = case.market.underlyings.get(market.underlying)
    if found is None or found.auction_price is None:
        return None
    return not_below_zero(
        found.auction_price, f"market.underlyings.{market.underlying}.auction_price"
    )


def funding_payment(case: Case[Decimal], market: VegaMarket) -> Decimal:
    """Return what a unit of a long position pays at the next funding, 0 where none is stated."""
    value = market_data(case, market).funding_payment
    field = f"market.underlyings.{market.underlying}.funding_payment"
    return ZERO if value is None else exact(value, field)


def market_data(case: Case[Decimal], market: VegaMarket) -> Underlying[Decimal]:
    """Return what is stated of a market's underlying. Errors: METH-E01."""
    if not market.underlying:
        refuse(
            "METH-E01", "market.underlyings is empty", "a position needs the market of its underlying",
            "state market.underlyings", "market.underlyings",
        )  # fmt: skip
    return underlying_of(case, market.underlying)


def _covered(name: str, field: str) -> Contract:
    contract = parse_contract(name)
    if contract.kind not in COVERS:
        refuse(
            "METH-E04", f"vega does not cover {name}", "it covers future, perpetual",
            "drop the order or choose another method", field,
        )  # fmt: skip
    return contract


def _market_of(
    case: Case[Decimal], order: Order[Decimal], markets: dict[str, VegaMarket], index: int
) -> VegaMarket:
    if order.instrument is not None:
        return markets[order.instrument]
    if len(markets) > 1:
        field = f"account.orders[{index}].instrument"
        refuse(
            "METH-E02", f"{field} is missing", "with several markets an order says which it is in",
            f"state {field}", field,
        )  # fmt: skip
    return next(iter(markets.values())) if markets else VegaMarket("", _only_underlying(case))


def _only_underlying(case: Case[Decimal]) -> str:
    """Return the only underlying stated, "" where none is. Errors: METH-E02 where several are."""
    names = list(case.market.underlyings)
    if len(names) > 1:
        refuse(
            "METH-E02", f"{', '.join(names)}: the market cannot be told",
            "a question that names no instrument is about the only underlying stated",
            "state the instrument, or one underlying", "market.underlyings",
        )  # fmt: skip
    return names[0] if names else ""


def _opened(order: Order[Decimal], field: str) -> Open:
    quantity = exact(order.quantity, f"{field}.quantity")
    if quantity <= 0:
        refuse(
            "METH-E05", f"{field}.quantity is {quantity}", "an order has a quantity above zero",
            "state the side in `side`, or drop the order", f"{field}.quantity",
        )  # fmt: skip
    return Open(quantity, not_below_zero(order.price, f"{field}.price"))
