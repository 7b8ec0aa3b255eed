"""The pass over all margin units: one compiled function, no branch on who is asked for.

`require_unit` is the whole arithmetic of a requirement; the batch calls it for every row, an
explanation calls it for one row and keeps the scratch, so both show the same numbers.

Scratch `parts` has one row an asset (= underlying) and these columns, USD:
    SCENARIO    worst scenario loss (portfolio), 0 otherwise
    SHORT_MIN   minimum for net short options (portfolio), 0 otherwise
    CLOSE_COST  fee and slippage of closing the positions
    TIER_MAINTENANCE, TIER_INITIAL   tiered and option requirement (cross, isolated), 0 otherwise
    BEST        best scenario gain (filled for protected assets only)
    WORST_AT    column of the worst scenario
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from steelyard.margin.vector import accumulate
from steelyard.valuation.columns import (
    INVERSE_PERPETUAL,
    LINEAR_OPTION,
)
from steelyard.valuation.intrinsics import ceil

SCENARIO, SHORT_MIN, CLOSE_COST, TIER_MAINTENANCE, TIER_INITIAL, BEST, WORST_AT = range(7)
PART_COLUMNS = 7
PORTFOLIO_MODE = 2
MICRO = 1e6
USD_MAX = 4e12  # a requirement beyond this saturates: it is refused whatever the balance

jit = njit(cache=True, nogil=True, error_model="numpy")


@jit
def usd_floor(amount: int, per_coin: int, price_micro: int, multiplier: int, divisor: int) -> int:
    """Return ledger units in micro-USDC, rounded down, exactly and within int64.

    The whole coins and the rest are converted apart: 10^8 units a coin times a price in micro-USDC
    would not fit.
    """
    whole = amount // per_coin
    rest = amount - whole * per_coin
    return whole * price_micro + (rest * multiplier) // divisor


@jit
def haircut(value: int, ppm: int) -> int:
    """Return value·ppm/10^6 rounded up, exactly and within int64; micro-USDC."""
    return (value // 1_000_000) * ppm + ((value % 1_000_000) * ppm + 999_999) // 1_000_000


@jit
def usd_ceil(value: float) -> int:
    """Return USD in micro-USDC, rounded up."""
    return int(ceil(min(value, USD_MAX) * MICRO))


@jit
def _coin_totals(
    row: int, assets: int, book: Any, val: Any, mark_units: Any, settlement: Any,
    coin_units: Any, coin_exposure: Any, mark_value: Any,
) -> None:  # fmt: skip
    """Fill per asset: ledger units held, unrealised included; coins open to price moves."""
    balances, start, count, instrument, quantity, cost = book
    for a in range(assets):
        coin_units[a] = balances[row, a]
        coin_exposure[a] = float(balances[row, a]) / float(val.units_per_coin[a])
        mark_value[a] = 0
    for p in range(start[row], start[row] + count[row]):
        i = instrument[p]
        a = settlement[i]
        unrealised = (quantity[p] * mark_units[i] - cost[p]) // val.fine_per_unit[i]
        coin_units[a] += unrealised
        mark_value[a] += unrealised
        if val.kind[i] == INVERSE_PERPETUAL:
            coin_exposure[a] -= float(cost[p]) * val.coins_per_fine[i]


@jit
def _close_cost(lots: float, i: int, val: Any) -> float:
    """Return USD that closing `lots` of an instrument costs: fee, half spread and impact."""
    notional = lots * val.notional[i]
    slip: float = min(val.half_spread[i] + val.impact[i] * notional, val.slip_max[i])
    cost: float = lots * val.close_fee[i] + notional * slip
    return cost


@jit
def _tier(notional: float, u: int, bounds: Any, rates: Any, deductions: Any) -> float:
    """Return the piecewise-continuous tiered requirement of a notional, USD."""
    k = 0
    while bounds[u, k] > 0.0 and notional > bounds[u, k]:
        k += 1
    required: float = notional * rates[u, k] - deductions[u, k]
    return required


@jit
def _position_parts(
    row: int, mode: int, book: Any, val: Any, underlying: Any, parts: Any, rates: Any
) -> None:
    """Add what each position brings on its own: closing cost, tiers, short options."""
    _, start, count, instrument, quantity, _ = book
    for p in range(start[row], start[row] + count[row]):
        i = instrument[p]
        u = underlying[i]
        lots = abs(float(quantity[p]))
        parts[u, CLOSE_COST] += _close_cost(lots, i, val)
        is_option = val.kind[i] >= LINEAR_OPTION
        if mode == PORTFOLIO_MODE:
            if is_option and quantity[p] < 0:
                parts[u, SHORT_MIN] += lots * val.notional[i] * rates.short_minimum
        elif not is_option:
            notional = lots * val.notional[i]
            parts[u, TIER_MAINTENANCE] += _tier(
                notional, u, val.tier_bound, val.tier_maintenance, val.deduct_maintenance
            )
            parts[u, TIER_INITIAL] += _tier(
                notional, u, val.tier_bound, val.tier_initial, val.deduct_initial
            )
        elif quantity[p] > 0:
            parts[u, TIER_MAINTENANCE] += lots * val.option_long[i]
            parts[u, TIER_INITIAL] += lots * val.option_long[i]
        else:
            parts[u, TIER_MAINTENANCE] += lots * val.option_maintenance[i]
            parts[u, TIER_INITIAL] += lots * val.option_initial[i]


@jit
def _scenario_parts(
    row: int, mode: int, assets: int, book: Any, val: Any, underlying: Any, protected: Any,
    coin_exposure: Any, sums: Any, parts: Any,
) -> None:  # fmt: skip
    """Fill worst loss and best gain per underlying from the scenario table."""
    _, start, count, instrument, quantity, _ = book
    first = start[row]
    end = start[row] + count[row]
    for u in range(1, assets):
        last = first
        while last < end and underlying[instrument[last]] == u:
            last += 1
        holds = last > first or coin_exposure[u] != 0.0
        if holds and (mode == PORTFOLIO_MODE or protected[u]):
            accumulate(
                val.table, instrument, quantity, first, last, val.spot_table, u,
                coin_exposure[u], sums,
            )  # fmt: skip
            low, high, at = 0.0, 0.0, -1
            for s in range(32):
                if sums[s] < low:
                    low, at = sums[s], s
                high = max(high, sums[s])
            if mode == PORTFOLIO_MODE:
                parts[u, SCENARIO] = -low
            parts[u, WORST_AT] = float(at)
            parts[u, BEST] = high if protected[u] else 0.0
        first = last


@jit
def require_unit(
    row: int, mode: int, assets: int, book: Any, val: Any, mark_units: Any, underlying: Any,
    settlement: Any, protected: Any, rates: Any, scratch: Any, out: Any,
) -> None:  # fmt: skip
    """Fill the six results of one unit into `out` and leave the parts in the scratch."""
    coin_units, coin_exposure, mark_value, sums, parts = scratch
    for u in range(assets):
        for k in range(PART_COLUMNS):
            parts[u, k] = 0.0
    _coin_totals(
        row, assets, book, val, mark_units, settlement, coin_units, coin_exposure, mark_value
    )
    _position_parts(row, mode, book, val, underlying, parts, rates)
    _scenario_parts(row, mode, assets, book, val, underlying, protected, coin_exposure, sums, parts)
    equity = 0
    haircut_initial = 0
    haircut_maintenance = 0
    kindness = 0.0
    initial = 0.0
    maintenance = 0.0
    for a in range(assets):
        if coin_units[a] != 0:
            value = usd_floor(
                coin_units[a], val.units_per_coin[a], val.price_micro[a],
                val.split_multiplier[a], val.split_divisor[a],
            )  # fmt: skip
            equity += value
            if value > 0 and (mode != PORTFOLIO_MODE or a == 0):
                haircut_initial += haircut(value, val.haircut_initial[a])
                cut = haircut(value, val.haircut_maintenance[a])
                haircut_maintenance += cut
                if protected[a]:
                    kindness += float(cut) / MICRO
        own_maintenance = (
            parts[a, SCENARIO] * rates.maintenance_factor
            + parts[a, SHORT_MIN]
            + parts[a, CLOSE_COST]
            + parts[a, TIER_MAINTENANCE]
        )
        maintenance += own_maintenance
        initial += (
            parts[a, SCENARIO] * rates.initial_factor
            + parts[a, SHORT_MIN]
            + parts[a, CLOSE_COST]
            + parts[a, TIER_INITIAL]
        )
        if protected[a]:
            kindness += own_maintenance + parts[a, BEST]
    out[0] = equity
    out[1] = equity - haircut_initial
    out[2] = equity - haircut_maintenance
    out[3] = usd_ceil(initial)
    out[4] = usd_ceil(maintenance)
    out[5] = out[2] - out[4] + usd_ceil(kindness)


@jit
def require_rows(
    rows: Any, mode: Any, assets: int, book: Any, val: Any, mark_units: Any, underlying: Any,
    settlement: Any, protected: Any, rates: Any, scratch: Any, results: Any,
) -> None:  # fmt: skip
    """Fill the results of the given rows; `results` is (6, units) int64."""
    out = np.zeros(6, np.int64)
    for k in range(len(rows)):
        row = rows[k]
        require_unit(
            row, mode[row], assets, book, val, mark_units, underlying, settlement, protected,
            rates, scratch, out,
        )  # fmt: skip
        for j in range(6):
            results[j, row] = out[j]
