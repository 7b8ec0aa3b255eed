"""Isolated margin of Vega, what trades move into or out of it, and fully collateralised positions.

φ is `margin_factor`, p the position after the trades, p0 the one before them.

    order_margin_buy, _sell   ⌊φ · Σ quantity · max(price, auction price)⌋ of what netting leaves
    order_margin              the larger of the two
    position_margin           ⌊entry price · |p| · φ + ½⌋
    margin_transfer, |p| > |p0|    ⌊φ · Σ |traded| · price⌋, into the margin account
    margin_transfer, else          −⌊(margin balance + p0 · (vwap − mark)) · closed / |p0|⌋, released

closed = Σ |traded|, vwap = ⌊Σ |traded| · price / closed⌋. The first |p| units of the orders opposite to
the position, in the order listed, only close it and need no margin. The formula for a release uses the
signed p0, so gains of a short count with their sign.

Fully collateralised, in a future whose price is capped: entry price · p for a long, (cap − entry
price) · |p| for a short: all that can be lost. The sheet does not round it, nor is it here.

Source: Vega protocol specifications of isolated margin and of capped futures.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.own.vega_market import (
    Open,
    VegaMarket,
    auction_price,
    mark_price,
    market_data,
    markets_of,
    single_market,
)
from steelyard.margin.methods.own.vega_numbers import (
    ZERO,
    exact,
    floored,
    floored_quotient,
    needed,
    not_below_zero,
    parameter_at,
    plain,
    total,
)
from steelyard.terms.stated import Case

HALF = Decimal("0.5")


def isolated_margin(case: Case[Decimal], parameters: dict[str, Any]) -> dict[str, int]:
    """Return the venue's numbers of an account in isolated mode.

    order_margin, order_margin_buy and order_margin_sell always; position_margin where the entry price
    is stated, or nothing is held; margin_transfer where trades are. Errors: METH-E01, METH-E02,
    METH-E04 in several markets, METH-E05, METH-E06 without a margin factor.
    """
    market = single_market(case, "isolated margin")
    factor = parameter_at(parameters, "margin_factor")
    floor = auction_price(case, market)
    bought = side_margin(netted(market.buys, -market.quantity), factor, floor)
    sold = side_margin(netted(market.sells, market.quantity), factor, floor)
    native = {
        "order_margin": floored(max(bought, sold)),
        "order_margin_buy": floored(bought),
        "order_margin_sell": floored(sold),
    }
    if market.entry_price is not None:
        native["position_margin"] = floored(
            market.entry_price * abs(market.quantity) * factor + HALF
        )
    if case.trades is not None or case.position_before is not None:
        native["margin_transfer"] = margin_transfer(case, market, factor)
    return native


def netted(orders: tuple[Open, ...], closing: Decimal) -> Iterator[Open]:
    """Yield what orders may open once the first `closing` units of them have closed the position.

    closing: the units held on the other side; zero or less nets nothing.

    >>> list(netted((Open(Decimal(1), Decimal(50)), Open(Decimal(2), Decimal(40))), Decimal(2)))
    [Open(quantity=Decimal('1'), price=Decimal('40'))]
    """
    left = max(closing, ZERO)
    for order in orders:
        taken = min(left, order.quantity)
        left -= taken
        if order.quantity > taken:
            yield Open(order.quantity - taken, order.price)


def side_margin(orders: Iterator[Open], factor: Decimal, floor: Decimal | None) -> Decimal:
    """Return φ · Σ quantity · max(price, floor), exactly; floor None counts the price alone."""
    notional = total(
        order.quantity * (order.price if floor is None else max(order.price, floor))
        for order in orders
    )
    return factor * notional


def margin_transfer(case: Case[Decimal], market: VegaMarket, factor: Decimal) -> int:
    """Return what trades move into the margin account, negative for what they release.

    Nothing where nothing was traded, or where nothing was held before and nothing is held after. A
    margin balance left out is 0. Errors: METH-E01 without the mark, which a release needs; METH-E02
    without `position_before` or `trades`; METH-E05.
    """
    before = needed(case.position_before, "position_before")
    if case.trades is None:
        refuse(
            "METH-E02", "trades are missing", "position_before is what was held before the trades",
            "state trades, or drop position_before", "trades",
        )  # fmt: skip
    traded = [
        (
            abs(exact(trade.quantity, f"trades[{i}].quantity")),
            not_below_zero(trade.price, f"trades[{i}].price"),
        )
        for i, trade in enumerate(case.trades)
    ]
    closed = total(quantity for quantity, _ in traded)
    cost = total(quantity * price for quantity, price in traded)
    if abs(market.quantity) > abs(before):
        return floored(factor * cost)
    if not closed or not before:
        return 0
    average = floored_quotient(cost, closed)
    stated = case.account.margin_balance
    balance = ZERO if stated is None else exact(stated, "account.margin_balance")
    freed = balance + before * (average - mark_price(case, market))
    return -floored_quotient(freed * closed, abs(before))


def collateralised_margin(case: Case[Decimal]) -> int | float:
    """Return the position margin of fully collateralised positions; open orders are not counted.

    Errors: METH-E01 a short without the cap, METH-E02 a position without entry price, METH-E05 an
    entry price above the cap.
    """
    margins = [_collateral(case, market) for market in markets_of(case)]
    return plain(total(margins))


def _collateral(case: Case[Decimal], market: VegaMarket) -> Decimal:
    if not market.quantity:
        return ZERO
    entry = needed(market.entry_price, f"account.positions: entry_price of {market.instrument}")
    cap = market_data(case, market).max_price
    field = f"market.underlyings.{market.underlying}.max_price"
    if cap is not None and entry > exact(cap, field):
        refuse(
            "METH-E05", f"the entry price of {market.instrument} is {entry}, the cap {cap}",
            "a capped future never trades above its cap", f"mend the entry price or {field}", field,
        )  # fmt: skip
    if market.quantity > 0:
        return entry * market.quantity
    return (needed(cap, field, "METH-E01") - entry) * -market.quantity
