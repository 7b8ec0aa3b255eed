"""The pass over all margin units: one compiled function, no branch on who is asked for.

`require_unit` is the whole arithmetic of a requirement; the batch calls it for every row, an
explanation calls it for one row and keeps the scratch, so both show the same numbers. Readable twin:
`require_unit_twin`.

Positions of a unit are ordered by underlying, so a unit is walked once: all positions of one
underlying, then what they bring together. What settles in coins settles in the underlying itself,
all else in the accounting asset (slot 0), so two sums of ledger units suffice on the way.

Scratch `parts` has one row an asset (= underlying) and these columns, USD, filled where a unit holds
something:
    SCENARIO    worst scenario loss (portfolio), 0 otherwise
    SHORT_MIN   minimum for net short options (portfolio), 0 otherwise
    CLOSE_COST  fee and slippage of closing the positions
    TIER_MAINTENANCE, TIER_INITIAL   tiered and option requirement (cross, isolated), 0 otherwise
    ORACLE_AGE  surcharge on the initial requirement while the underlying's index or volatilities are old
    EXPOSURE    coins open to price moves: the balance less what inverse perpetuals cost
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.margin.account_risk import MONEY_MAX, REQUIREMENT_MAX
from steelyard.margin.compiled import inline, jit
from steelyard.margin.vector import COLUMNS, accumulate, peek, worst
from steelyard.valuation.columns import (
    CLOSE_LEAST,
    CLOSE_MOST,
    CLOSE_SLOPE,
    ENTRY_COINS,
    LINEAR_OPTION,
    PER_LOT,
    SHORT_NOTIONAL,
    UNITS_PER_FINE,
)
from steelyard.valuation.intrinsics import ceil

SCENARIO, SHORT_MIN, CLOSE_COST, TIER_MAINTENANCE, TIER_INITIAL, EXPOSURE, ORACLE_AGE = range(7)
PART_COLUMNS = 7
PPM_FLOAT = 1e6
PORTFOLIO_MODE = 2
MICRO = 1e6
_CEILING = float(REQUIREMENT_MAX)
_BEYOND = 1.5 * MONEY_MAX
_UNITS_END = 2**62 - 1
_NEAR = 2.0**49
_ROUNDER = 1.5 * 2.0**52


@inline
def clamp(value: int, bound: int) -> int:
    """Return the value within ±bound."""
    return min(max(value, -bound), bound)


@inline
def nearest_below(amount: int, divisor: int, estimate: float) -> int:
    """Return amount/divisor rounded down, exactly, given a float estimate below 2^49 of the quotient.

    A hardware division costs as much as the rest of a position. Adding and subtracting 1.5·2^52
    rounds the estimate to a whole number; it is off by less than 0.2, so that number is the quotient
    rounded to nearest within 0.7, and the sign of the remainder tells whether it is one too many.
    """
    whole = int((estimate + _ROUNDER) - _ROUNDER)
    return whole + ((amount - whole * divisor) >> 63)


@jit
def usd_floor(amount: int, per_coin: int, price_micro: int, multiplier: int, divisor: int) -> int:
    """Return ledger units in micro-USDC, rounded down, exactly, within ±MONEY_MAX.

    The whole coins and the rest are converted apart: 10^8 units a coin times a price in micro-USDC
    would not fit. An estimate in floats catches what would not fit even so.
    """
    coins = float(amount) / float(per_coin)
    if not abs(coins * float(price_micro)) < _BEYOND:
        return MONEY_MAX if amount > 0 else -MONEY_MAX
    if not abs(coins) < _NEAR:
        whole = amount // per_coin
    else:
        whole = nearest_below(amount, per_coin, coins)
    rest = (amount - whole * per_coin) * multiplier
    part = float(rest) / float(divisor)
    below = nearest_below(rest, divisor, part) if part < _NEAR else rest // divisor
    value: int = clamp(whole * price_micro + below, MONEY_MAX)
    return value


@jit
def haircut(value: int, ppm: int) -> int:
    """Return value·ppm/10^6 rounded up, exactly and within int64; micro-USDC."""
    return (value // 1_000_000) * ppm + ((value % 1_000_000) * ppm + 999_999) // 1_000_000


@jit
def usd_ceil(value: float) -> int:
    """Return USD in micro-USDC, rounded up; REQUIREMENT_MAX for what is larger, and for NaN."""
    scaled = value * MICRO
    return int(ceil(scaled)) if scaled < _CEILING else REQUIREMENT_MAX


@inline
def tier(notional: float, u: int, bounds: Any, rates: Any, deductions: Any) -> float:
    """Return the piecewise-continuous tiered requirement of a notional, USD."""
    k = 0
    while bounds[u, k] > 0.0 and notional > bounds[u, k]:
        k += 1
    required: float = notional * rates[u, k] - deductions[u, k]
    return required


@inline
def position_rates(lots: int, i: int, u: int, val: Any) -> tuple[float, float]:
    """Return maintenance and initial of a position outside portfolio margin, USD."""
    size = abs(float(lots))
    if val.kind[i] < LINEAR_OPTION:
        notional = size * val.notional[i]
        keep = tier(notional, u, val.tier_bound, val.tier_maintenance, val.deduct_maintenance)
        return keep, tier(notional, u, val.tier_bound, val.tier_initial, val.deduct_initial)
    if lots > 0:
        return size * val.option_long[i], size * val.option_long[i]
    return size * val.option_maintenance[i], size * val.option_initial[i]


@inline
def _walk_underlying(
    first: int, end: int, u: int, instrument: Any, quantity: Any, cost: Any, val: Any,
    mark_units: Any, underlying: Any, parts: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Walk the positions of one underlying from row `first` on, filling its parts.

    Return the row behind them, and the ledger units they are worth in the underlying's own coin and
    in the accounting asset. The loop has no branch: signs and kinds are random to a processor.
    """
    own = total = 0
    shorts = closing = largest = 0.0
    coins = parts[u, EXPOSURE]
    p = first
    while p < end:
        i = np.int64(peek(instrument, p))
        if peek(underlying, i) != u:
            break
        at = i * PER_LOT
        paid = peek(cost, p)
        fine = peek(quantity, p) * peek(mark_units, i) - paid
        estimate = float(fine) * peek(val.per_lot, at + UNITS_PER_FINE)
        value = nearest_below(fine, peek(val.fine_per_unit, i), estimate)
        largest += abs(estimate)
        total += value
        own += value & -np.int64(peek(val.kind, i) & 1)
        coins -= float(paid) * peek(val.per_lot, at + ENTRY_COINS)
        lots = float(peek(quantity, p))
        size = abs(lots)
        shorts += (size - lots) * peek(val.per_lot, at + SHORT_NOTIONAL)
        least = peek(val.per_lot, at + CLOSE_LEAST) + peek(val.per_lot, at + CLOSE_SLOPE) * size
        most = peek(val.per_lot, at + CLOSE_MOST)
        closing += size * (least if least < most else most)
        p += 1
    parts[u, EXPOSURE] = coins
    parts[u, SHORT_MIN] = shorts
    parts[u, CLOSE_COST] = closing
    if largest < _NEAR:
        return p, own, total - own
    own, settled = _sum_far(first, p, instrument, quantity, cost, val, mark_units)
    return p, own, settled


@inline
def _sum_far(
    first: int, last: int, instrument: Any, quantity: Any, cost: Any, val: Any, mark_units: Any
) -> tuple[int, int]:
    """Return the two sums of a walk for amounts beyond the estimate's reach: slow, saturating."""
    own = settled = 0
    for p in range(first, last):
        i = instrument[p]
        value = (quantity[p] * mark_units[i] - cost[p]) // val.fine_per_unit[i]
        if val.kind[i] & 1:
            own = clamp(own + value, _UNITS_END)
        else:
            settled = clamp(settled + value, _UNITS_END)
    return own, settled


@inline
def _walk_rates(first: int, last: int, u: int, book: Any, val: Any, parts: Any) -> None:
    """Fill the tiered and option requirements of one underlying, outside portfolio margin."""
    keep = open_ = 0.0
    for p in range(first, last):
        kept, opened = position_rates(book[4][p], book[3][p], u, val)
        keep += kept
        open_ += opened
    parts[u, TIER_MAINTENANCE] = keep
    parts[u, TIER_INITIAL] = open_


@inline
def _age_charge(
    first: int, last: int, held: int, u: int, ages_ppm: Any, book: Any, val: Any
) -> float:
    """Return what old prices add to the initial requirement of what rests on them, USD.

    The age of the index is charged on every position and on coins held, that of the volatilities on options.
    """
    if ages_ppm[0][u] <= 0 and ages_ppm[1][u] <= 0:
        return 0.0
    coins = float(held) / float(val.units_per_coin[u])
    gross = max(0.0, coins * (float(val.price_micro[u]) / MICRO))
    options = 0.0
    for p in range(first, last):
        notional = abs(float(book[4][p])) * val.notional[book[3][p]]
        gross += notional
        if val.kind[book[3][p]] >= LINEAR_OPTION:
            options += notional
    return gross * (float(ages_ppm[0][u]) / PPM_FLOAT) + options * (
        float(ages_ppm[1][u]) / PPM_FLOAT
    )


@jit
def accumulate_row(
    table: Any, instrument: Any, quantity: Any, first: int, last: int, spot: Any, u: int,
    coins: float, sums: Any,
) -> None:  # fmt: skip
    """Write a unit's P&L per scenario in one underlying into `sums`; arguments as `accumulate`."""
    accumulate(table, instrument, quantity, first, last, spot, u, coins, sums)


@inline
def _best(
    first: int, last: int, u: int, book: Any, val: Any, coins: float, sums: Any
) -> float:  # fmt: skip
    """Return the best gain of one underlying over the scenarios, USD, at least zero."""
    accumulate(val.table, book[3], book[4], first, last, val.spot_table, u, coins, sums)
    high = 0.0
    for s in range(COLUMNS):
        high = max(high, sums[s])
    return high


@inline
def _collateral(a: int, units: int, mode: int, val: Any) -> tuple[int, int, int]:
    """Return an asset's value and its two haircuts, micro-USDC (portfolio: coins have none)."""
    if units == 0:
        return 0, 0, 0
    value = usd_floor(
        units, val.units_per_coin[a], val.price_micro[a], val.split_multiplier[a],
        val.split_divisor[a],
    )  # fmt: skip
    if value <= 0 or (mode == PORTFOLIO_MODE and a > 0):
        return value, 0, 0
    return value, haircut(value, val.haircut_initial[a]), haircut(value, val.haircut_maintenance[a])


@inline
def require_unit(
    row: int, mode: int, assets: int, book: Any, val: Any, mark_units: Any, underlying: Any,
    protected: Any, age_ppm: Any, rates: Any, scratch: Any, out: Any,
) -> None:  # fmt: skip
    """Fill the six results of one unit into `out` and leave the parts in the scratch."""
    balances, start, count, instrument, quantity, cost = book
    coin_units, mark_value, sums, parts, _ = scratch
    p = start[row]
    end = p + count[row]
    equity = cut_initial = cut_maintenance = kind_cut = cash_value = 0
    initial = maintenance = kindness = 0.0
    for u in range(1, assets):
        held = balances[row, u]
        if held == 0 and (p == end or underlying[instrument[p]] != u):
            continue
        first = p
        parts[u, EXPOSURE] = float(held) / float(val.units_per_coin[u])
        p, own, settled = _walk_underlying(
            first, end, u, instrument, quantity, cost, val, mark_units, underlying, parts
        )
        parts[u, TIER_MAINTENANCE] = parts[u, TIER_INITIAL] = 0.0
        if mode != PORTFOLIO_MODE:
            parts[u, SHORT_MIN] = 0.0
            _walk_rates(first, p, u, book, val, parts)
        cash_value = clamp(cash_value + settled, _UNITS_END)
        coin_units[u] = clamp(held + own, _UNITS_END)
        mark_value[u] = own
        coins = parts[u, EXPOSURE]
        loss = 0.0
        if mode == PORTFOLIO_MODE and (p > first or coins != 0.0):
            low = worst(val.table, instrument, quantity, first, p, val.spot_table, u, coins)
            loss = 0.0 if low > 0.0 else -low
        parts[u, SCENARIO] = loss
        parts[u, SHORT_MIN] *= rates.short_minimum
        rest = parts[u, SHORT_MIN] + parts[u, CLOSE_COST]
        own_maintenance = loss * rates.maintenance_factor + rest + parts[u, TIER_MAINTENANCE]
        maintenance += own_maintenance
        initial += loss * rates.initial_factor + rest + parts[u, TIER_INITIAL]
        parts[u, ORACLE_AGE] = _age_charge(first, p, held, u, age_ppm, book, val)
        initial += parts[u, ORACLE_AGE]
        value, first_cut, second_cut = _collateral(u, coin_units[u], mode, val)
        equity = clamp(equity + value, MONEY_MAX)
        cut_initial = clamp(cut_initial + first_cut, MONEY_MAX)
        cut_maintenance = clamp(cut_maintenance + second_cut, MONEY_MAX)
        if protected[u]:
            kind_cut = clamp(kind_cut + second_cut, MONEY_MAX)
            kindness += own_maintenance + _best(first, p, u, book, val, coins, sums)
    coin_units[0] = clamp(balances[row, 0] + cash_value, _UNITS_END)
    mark_value[0] = cash_value
    value, first_cut, second_cut = _collateral(0, coin_units[0], mode, val)
    equity = clamp(equity + value, MONEY_MAX)
    out[0] = equity
    out[1] = equity - clamp(cut_initial + first_cut, MONEY_MAX)
    out[2] = equity - clamp(cut_maintenance + second_cut, MONEY_MAX)
    out[3] = usd_ceil(initial)
    out[4] = usd_ceil(maintenance)
    out[5] = out[2] - out[4] + kind_cut + usd_ceil(kindness)


@jit
def require_rows(
    rows: Any, mode: Any, assets: int, book: Any, val: Any, mark_units: Any, underlying: Any,
    protected: Any, age_ppm: Any, rates: Any, scratch: Any, results: Any,
) -> None:  # fmt: skip
    """Fill the results of the given rows; `results` is (6, units) int64.

    The scratch is left as the last row filled it, which is how one unit is explained.
    """
    out = scratch[4]
    for k in range(len(rows)):
        row = rows[k]
        require_unit(
            row, mode[row], assets, book, val, mark_units, underlying, protected, age_ppm, rates,
            scratch, out,
        )  # fmt: skip
        for j in range(6):
            results[j, row] = out[j]
