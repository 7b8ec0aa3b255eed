"""Order margin: what resting orders add to the initial requirement.

Portfolio units: over the worst subset of fills. Per scenario the subsets decouple, since an order
worsens a scenario or it does not: min over subsets and scenarios of P&L equals the minimum over
scenarios of P(s) + Σ min(0, p_o(s)), with p_o(s) the P&L of order o filled at its limit, fee paid,
and marked in scenario s. Other units: per instrument the worse of all buys or all sells filled, at
the tiered or option initial rate, plus what the fills lose against the mark, plus fees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steelyard.book import Book, RestingOrder
from steelyard.margin.kernel import PORTFOLIO_MODE, _tier, usd_ceil
from steelyard.margin.require import rates_of
from steelyard.margin.vector import accumulate
from steelyard.marks import MarketState
from steelyard.quantities import PPM
from steelyard.terms import Method
from steelyard.valuation.columns import COLUMNS, INVERSE_PERPETUAL, ValuationColumns


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
    if int(book.mode[row]) == PORTFOLIO_MODE:
        extra = _portfolio_extra(book, row, orders, market, columns, method)
    else:
        extra = _rate_extra(book, row, orders, market, columns, method)
    return max(0, int(usd_ceil(extra)))


def _order_loss(
    order: RestingOrder, market: MarketState, columns: ValuationColumns, method: Method
) -> float:
    """Return USD that a fill at the limit loses against the mark, fee included."""
    slot = order.instrument
    edge = float(order.quantity * (order.price_mark - int(market.mark_units[slot])))
    coins = edge * float(columns.coins_per_fine[slot])
    usd = coins * float(columns.index_usd[int(market.settlement_of[slot])])
    fee = abs(float(order.quantity)) * float(columns.notional[slot])
    return usd + fee * method.liquidation.taker_fee_ppm / PPM


def _scenario_row(
    order: RestingOrder, market: MarketState, columns: ValuationColumns
) -> NDArray[np.float64]:
    """Return the USD P&L of the order's quantity per scenario, marked from today's mark.

    An inverse perpetual moves through the coins it costs: entered at the mark, −mark coins a lot.
    """
    slot = order.instrument
    if int(columns.kind[slot]) == INVERSE_PERPETUAL:
        mark = float(market.mark_units[slot]) * float(columns.coins_per_fine[slot])
        row = columns.spot_table[int(market.underlying_of[slot])] * -mark
    else:
        row = columns.table[slot]
    scaled: NDArray[np.float64] = row * float(order.quantity)
    return scaled


def _portfolio_extra(
    book: Book,
    row: int,
    orders: list[RestingOrder],
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
) -> float:
    """Return factor·(worst with orders − worst without) over the underlyings, plus short minima."""
    rates = rates_of(method)
    extra = 0.0
    touched = sorted({int(market.underlying_of[o.instrument]) for o in orders})  # tidy-ok: sorted
    for u in touched:
        sums = _position_sums(book, row, u, market, columns)
        with_orders = sums.copy()
        for order in orders:
            slot = order.instrument
            if int(market.underlying_of[slot]) != u:
                continue
            loss = _order_loss(order, market, columns, method)
            with_orders += np.minimum(0.0, _scenario_row(order, market, columns) - loss)
            if market.instruments[slot].is_option and order.quantity < 0:
                lots = -float(order.quantity)
                extra += lots * float(columns.notional[slot]) * rates.short_minimum
        before = max(0.0, -float(sums.min()))
        after = max(0.0, -float(with_orders.min()))
        extra += (after - before) * rates.initial_factor
    return extra


def _position_sums(
    book: Book, row: int, u: int, market: MarketState, columns: ValuationColumns
) -> NDArray[np.float64]:
    """Return the unit's P&L per scenario in one underlying, coins included, as the kernel sums it."""
    first = int(book.start[row])
    end = first + int(book.count[row])
    coins = float(book.balances[row, u]) / float(columns.units_per_coin[u])
    for p in range(first, end):
        slot = int(book.instrument[p])
        if int(columns.kind[slot]) == INVERSE_PERPETUAL and int(market.underlying_of[slot]) == u:
            coins -= float(book.cost[p]) * float(columns.coins_per_fine[slot])
    while first < end and int(market.underlying_of[book.instrument[first]]) != u:
        first += 1
    last = first
    while last < end and int(market.underlying_of[book.instrument[last]]) == u:
        last += 1
    sums = np.zeros(COLUMNS)
    _accumulate(
        columns.table,
        book.instrument,
        book.quantity,
        first,
        last,
        columns.spot_table,
        u,
        coins,
        sums,
    )
    return sums


@njit(cache=True, nogil=True, error_model="numpy")
def _accumulate(
    table: Any, instrument: Any, quantity: Any, first: int, last: int, spot: Any, u: int,
    coins: float, sums: Any,
) -> None:  # fmt: skip
    accumulate(table, instrument, quantity, first, last, spot, u, coins, sums)


def _rate_extra(
    book: Book,
    row: int,
    orders: list[RestingOrder],
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
) -> float:
    """Return Σ per instrument of initial(worse side filled) − initial(now), plus losses of fills."""
    extra = 0.0
    by_instrument: dict[int, list[RestingOrder]] = {}
    for order in orders:
        by_instrument.setdefault(order.instrument, []).append(order)
    for slot, group in sorted(by_instrument.items()):
        held = book.position(row, slot)[0]
        sides = []
        for sign in (1, -1):
            side = [o for o in group if o.quantity * sign > 0]
            filled = held + sum(o.quantity for o in side)  # tidy-ok: integers
            needed = _initial_rate(filled, slot, market, columns)
            for order in side:
                needed += max(0.0, _order_loss(order, market, columns, method))
            sides.append(needed)
        extra += max(0.0, max(sides) - _initial_rate(held, slot, market, columns))
    return extra


def _initial_rate(lots: int, slot: int, market: MarketState, columns: ValuationColumns) -> float:
    """Return USD initial requirement of a position outside portfolio margin."""
    size = abs(float(lots))
    if market.instruments[slot].is_option:
        per_lot = columns.option_long[slot] if lots > 0 else columns.option_initial[slot]
        return size * float(per_lot)
    u = int(market.underlying_of[slot])
    notional = size * float(columns.notional[slot])
    return float(
        _tier(notional, u, columns.tier_bound, columns.tier_initial, columns.deduct_initial)
    )
