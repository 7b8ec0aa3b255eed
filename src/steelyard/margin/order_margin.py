"""Order margin: what resting orders add to the initial requirement, so that no fill can break it.

Let a set S of the orders fill, each at its limit. What is then missing from the initial margin
balance grows by no more than this, whatever S:

    cost of a fill      what it loses against the mark, its fee, and a rounding; a gain counts nothing,
                        since the mark will have moved before such an order fills
    oracle age          of the larger position, at the age its index has, and of coins that a fill brings in
    closing cost        of the larger of: all buys of the instrument filled, all sells filled
    portfolio units     short-option minimum with all sells filled; and per underlying
                        max(Σ c_o, max_s[−f·P(s) + Σ max(0, c_o − f·r_o(s))]) − f·max(0, −min P)
    other units         initial rate of the larger of: all buys filled, all sells filled

with c_o the cost of order o, f the initial factor, P(s) the unit's P&L in scenario s and r_o(s) that
of the order's lots, paid for in coins where it settles in coins. Per scenario the subsets decouple:
an order makes it worse or it does not, so no subset is ever enumerated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.book import Book, RestingOrder
from steelyard.margin.kernel import PORTFOLIO_MODE, usd_ceil
from steelyard.margin.require import rates_of, scenario_sums
from steelyard.margin.twin import close_cost_twin, position_rates_twin
from steelyard.marks import MarketState
from steelyard.quantities import PPM
from steelyard.terms import Method
from steelyard.valuation.columns import COLUMNS, INVERSE_PERPETUAL, ValuationColumns

ROUNDING_UNITS = 4
"""Ledger units an order may lose to roundings: premium, fee, realised and unrealised value."""

ROUNDING_USD = 4e-6
"""The same for the four roundings to micro-USDC."""


def order_requirements(
    book: Book,
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
    results: NDArray[np.int64],
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Add order margin to the initial requirement of the given rows (all: None), in place."""
    wanted = sorted(book.orders) if rows is None else rows.tolist()
    for row in wanted:
        results[3, row] += order_margin(book, row, market, columns, method)


def order_margin(
    book: Book, row: int, market: MarketState, columns: ValuationColumns, method: Method
) -> int:
    """Return the micro-USDC that a unit's resting orders add to its initial requirement (≥ 0)."""
    orders = book.orders_of(row)
    if not orders:
        return 0
    costs = [_fill_cost(order, market, columns, method) for order in orders]
    extra = _position_extra(book, row, orders, market, columns, method)
    if int(book.mode[row]) == PORTFOLIO_MODE:
        for u in sorted(
            {int(market.underlying_of[o.instrument]) for o in orders}
        ):  # tidy-ok: sorted
            of_u = [
                (order, cost)
                for order, cost in zip(orders, costs, strict=True)
                if market.underlying_of[order.instrument] == u
            ]
            extra += _scenario_extra(book, row, u, of_u, market, columns, method)
    else:
        for cost in costs:
            extra += cost
    return max(0, int(usd_ceil(extra)))


def _fill_cost(
    order: RestingOrder, market: MarketState, columns: ValuationColumns, method: Method
) -> float:
    """Return USD that a fill at the limit costs: loss against the mark, fee, roundings; above zero."""
    slot = order.instrument
    settlement = int(market.settlement_of[slot])
    edge = float(order.quantity * (order.price_mark - int(market.mark_units[slot])))
    unit_usd = float(columns.index_usd[settlement]) / float(columns.units_per_coin[settlement])
    loss = edge * float(columns.coins_per_fine[slot]) * float(columns.index_usd[settlement])
    rounding = ROUNDING_UNITS * unit_usd + ROUNDING_USD
    if settlement and market.age_ppm[settlement] > 0 and market.instruments[slot].is_option:
        premium = abs(float(order.quantity * order.price_mark)) * float(
            columns.coins_per_fine[slot]
        )
        worth = premium * float(columns.index_usd[settlement])
        rounding += worth * float(market.age_ppm[settlement]) / PPM
    return max(0.0, loss) + _fee(order, columns, method) + rounding


def _fee(order: RestingOrder, columns: ValuationColumns, method: Method) -> float:
    """Return the fee of a fill, USD."""
    notional = abs(float(order.quantity)) * float(columns.notional[order.instrument])
    return notional * method.liquidation.taker_fee_ppm / PPM


def _position_extra(
    book: Book,
    row: int,
    orders: list[RestingOrder],
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
) -> float:
    """Return what positions may come to require on their own: closing cost, and rates or minima."""
    is_portfolio = int(book.mode[row]) == PORTFOLIO_MODE
    minimum = rates_of(method).short_minimum
    extra = 0.0
    for slot in sorted({o.instrument for o in orders}):  # tidy-ok: sorted
        held = book.position(row, slot)[0]
        of_slot = [o.quantity for o in orders if o.instrument == slot]
        bought = held + sum(lots for lots in of_slot if lots > 0)  # tidy-ok: integers
        sold = held + sum(lots for lots in of_slot if lots < 0)  # tidy-ok: integers
        now, *ends = (close_cost_twin(abs(float(q)), slot, columns) for q in (held, bought, sold))
        extra += max(ends) - now
        u = int(market.underlying_of[slot])
        more = max(abs(bought), abs(sold)) - abs(held)
        age = float(market.age_ppm[u]) / PPM
        if market.instruments[slot].is_option:
            age += float(market.implied_age_ppm[u]) / PPM
        extra += max(0, more) * float(columns.notional[slot]) * age
        if not is_portfolio:
            now, *ends = (position_rates_twin(q, slot, u, columns)[1] for q in (held, bought, sold))
            extra += max(ends) - now
        elif market.instruments[slot].is_option:
            shorts = float(max(0, -sold) - max(0, -held))
            extra += shorts * float(columns.notional[slot]) * minimum
    return extra


def _scenario_extra(
    book: Book,
    row: int,
    u: int,
    orders: list[tuple[RestingOrder, float]],
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
) -> float:
    """Return what the orders of one underlying add over the worst subset of fills, USD."""
    factor = rates_of(method).initial_factor
    coins = exposure_of(book, row, u, market, columns)
    now = scenario_sums(book, row, u, market, columns, coins) * -factor
    after, costs = now.copy(), 0.0
    for order, cost in orders:
        gain = _scenario_row(order, market, columns, method)
        after += np.maximum(0.0, cost - factor * gain)
        costs += cost
    return max(costs, float(after.max())) - max(0.0, float(now.max()))


def _scenario_row(
    order: RestingOrder, market: MarketState, columns: ValuationColumns, method: Method
) -> NDArray[np.float64]:
    """Return the USD P&L of a filled order per scenario, from the moment it is filled.

    What settles in coins is paid for in coins: premium, entry value and fee leave the unit's coins
    and move with the spot. The accounting asset has a spot row of zeros.
    """
    slot = order.instrument
    settlement = int(market.settlement_of[slot])
    price = float(columns.index_usd[settlement])
    paid = _fee(order, columns, method) / price
    if market.instruments[slot].is_inverse:
        paid += float(order.quantity * order.price_mark) * float(columns.coins_per_fine[slot])
    lots = columns.table[slot] * float(order.quantity)
    row: NDArray[np.float64] = lots - columns.spot_table[settlement] * paid
    assert row.shape == (COLUMNS,)
    return row


def exposure_of(
    book: Book, row: int, u: int, market: MarketState, columns: ValuationColumns
) -> float:
    """Return the coins of an underlying that are open to its price, as the pass counts them."""
    coins = float(book.balances[row, u]) / float(columns.units_per_coin[u])
    for slot, _, cost in book.positions(row):
        if columns.kind[slot] == INVERSE_PERPETUAL and market.underlying_of[slot] == u:
            coins -= float(cost) * float(columns.coins_per_fine[slot])
    return coins
