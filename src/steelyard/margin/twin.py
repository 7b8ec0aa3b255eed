"""The readable twin of the pass: one margin unit in plain Python, equal to the kernel in every bit.

Money is Python integers, so nothing here can overflow and nothing needs to be split. What the model
shapes is floats, added in the kernel's order: positions of an underlying in the order of the book,
underlyings by slot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.book import Book
from steelyard.margin.account_risk import MONEY_MAX, REQUIREMENT_MAX
from steelyard.margin.vector import COLUMNS, fused_exact, worst_twin
from steelyard.marks import MarketState
from steelyard.quantities import PPM
from steelyard.terms import FULL_MODES, Method
from steelyard.valuation.columns import (
    CLOSE_LEAST,
    CLOSE_MOST,
    CLOSE_SLOPE,
    INVERSE_PERPETUAL,
    LINEAR_OPTION,
    ValuationColumns,
)

Column = NDArray[np.float64]

Fused = Callable[[float, float, float], float]
"""a·b + c. `fused_exact` rounds once, as the machine's instruction does."""


def plain(a: float, b: float, c: float) -> float:
    """Return a·b + c rounded twice: what a program without the instruction computes."""
    return a * b + c


class Held(NamedTuple):
    """One position as the twin reads it; lots are signed."""

    slot: int
    lots: int
    cost: int


def require_unit_twin(
    book: Book,
    row: int,
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
    *,
    fused: Fused = fused_exact,
) -> tuple[int, int, int, int, int, int]:
    """Return the six results of one unit in the order of `RiskColumns.NAMES`, micro-USDC.

    equity = Σ floor(units·price); balances = equity − Σ ceil(value·haircut) over assets worth more
    than nothing (portfolio units: over the accounting asset alone, coins lie in the grid).
    requirement = ceil(Σ over underlyings of worst loss·factor + short-option minimum + closing cost
    + tiers), the initial one + gross notional·age of index and volatilities. certain buffer = buffer + ceil(what protected assets could be kinder by).
    """
    mode = FULL_MODES[int(book.mode[row])]
    positions = [Held(*position) for position in book.positions(row)]
    equity = cut_initial = cut_maintenance = kind_cut = 0
    initial = maintenance = kindness = 0.0
    for a in [*range(1, len(market.assets)), 0]:
        units = int(book.balances[row, a]) + _unrealised(positions, a, market, columns)
        value = usd_floor_twin(units, a, columns)
        equity = clamp(equity + value)
        if value > 0 and (mode != "portfolio" or a == 0):
            cut = -(-value * int(columns.haircut_maintenance[a]) // PPM)
            cut_initial = clamp(cut_initial - (-value * int(columns.haircut_initial[a]) // PPM))
            cut_maintenance = clamp(cut_maintenance + cut)
            kind_cut = clamp(kind_cut + cut) if market.is_protected[a] else kind_cut
        own = [p for p in positions if market.underlying_of[p.slot] == a]
        loss, gain = _extremes(own, a, book, row, columns, fused)
        scenario = loss if mode == "portfolio" else 0.0
        minimum, closing, keep, open_ = _parts(own, mode, a, columns, method)
        factor = method.portfolio.maintenance_factor_ppm / PPM
        own_maintenance = scenario * factor + (minimum + closing) + keep
        maintenance += own_maintenance
        factor = method.portfolio.initial_factor_ppm / PPM
        initial += scenario * factor + (minimum + closing) + open_
        if a and (market.age_ppm[a] > 0 or market.implied_age_ppm[a] > 0):
            coins = float(book.balances[row, a]) / float(columns.units_per_coin[a])
            gross = max(0.0, coins * (float(columns.price_micro[a]) / 1e6))
            options = 0.0
            for held in own:
                notional = abs(float(held.lots)) * float(columns.notional[held.slot])
                gross += notional
                options += notional if columns.kind[held.slot] >= LINEAR_OPTION else 0.0
            initial += gross * (float(market.age_ppm[a]) / 1e6) + options * (
                float(market.implied_age_ppm[a]) / 1e6
            )
        if market.is_protected[a]:
            kindness += own_maintenance + gain
    initial_balance, maintenance_balance = equity - cut_initial, equity - cut_maintenance
    kept = usd_ceil_twin(maintenance)
    certain = maintenance_balance - kept + kind_cut + usd_ceil_twin(kindness)
    return equity, initial_balance, maintenance_balance, usd_ceil_twin(initial), kept, certain


def usd_floor_twin(units: int, a: int, columns: ValuationColumns) -> int:
    """Return ledger units of an asset in micro-USDC, rounded down, within ±MONEY_MAX."""
    return clamp(units * int(columns.price_micro[a]) // int(columns.units_per_coin[a]))


def usd_ceil_twin(value: float) -> int:
    """Return USD in micro-USDC, rounded up; REQUIREMENT_MAX for what is larger, and for NaN."""
    scaled = value * 1e6
    if not scaled < float(REQUIREMENT_MAX):
        return REQUIREMENT_MAX
    whole = int(scaled)
    return whole + 1 if whole < scaled else whole


def clamp(value: int) -> int:
    """Return the value within ±MONEY_MAX."""
    return max(-MONEY_MAX, min(MONEY_MAX, value))


def _unrealised(
    positions: list[Held], a: int, market: MarketState, columns: ValuationColumns
) -> int:
    """Return the ledger units of asset `a` that the positions settled in it are worth."""
    total = 0
    for slot, lots, cost in positions:
        if market.settlement_of[slot] == a:
            fine = lots * int(market.mark_units[slot]) - cost
            total += fine // int(columns.fine_per_unit[slot])
    return total


def _extremes(
    own: list[Held], a: int, book: Book, row: int, columns: ValuationColumns, fused: Fused
) -> tuple[float, float]:
    """Return the worst loss and the best gain over the scenarios, both zero or more, USD."""
    coins = float(book.balances[row, a]) / float(columns.units_per_coin[a])
    for slot, _, cost in own:
        if columns.kind[slot] == INVERSE_PERPETUAL:
            coins -= float(cost) * float(columns.coins_per_fine[slot])
    if a == 0 or (not own and coins == 0.0):
        return 0.0, 0.0
    sums = [fused(coins, spot, 0.0) for spot in columns.spot_table[a].tolist()]
    for slot, lots, _ in own:
        size = float(lots)
        sums = [fused(size, v, t) for v, t in zip(columns.table[slot].tolist(), sums, strict=True)]
    assert len(sums) == COLUMNS
    return -min(0.0, worst_twin(sums)), max(0.0, *sums)


def close_cost_twin(lots: float, slot: int, columns: ValuationColumns) -> float:
    """Return USD that closing `lots` (unsigned) costs: fee, half spread and impact, at most capped."""
    least, slope, most = columns.per_lot[slot, [CLOSE_LEAST, CLOSE_SLOPE, CLOSE_MOST]].tolist()
    return lots * float(min(least + slope * lots, most))


def position_rates_twin(
    signed: int, slot: int, u: int, columns: ValuationColumns
) -> tuple[float, float]:
    """Return maintenance and initial of a position outside portfolio margin, USD."""
    lots = abs(float(signed))
    if columns.kind[slot] < LINEAR_OPTION:
        notional = lots * float(columns.notional[slot])
        bounds = columns.tier_bound[u]
        keep = tier_twin(
            notional, bounds, columns.tier_maintenance[u], columns.deduct_maintenance[u]
        )
        return keep, tier_twin(notional, bounds, columns.tier_initial[u], columns.deduct_initial[u])
    if signed > 0:
        return (lots * float(columns.option_long[slot]),) * 2
    return (
        lots * float(columns.option_maintenance[slot]),
        lots * float(columns.option_initial[slot]),
    )


def tier_twin(notional: float, bounds: Column, rates: Column, deductions: Column) -> float:
    """Return rate·notional − deduction of the first tier that reaches the notional, USD."""
    k = next(k for k, end in enumerate(bounds.tolist()) if end <= 0.0 or notional <= end)
    return notional * float(rates[k]) - float(deductions[k])


def _parts(
    own: list[Held], mode: str, a: int, columns: ValuationColumns, method: Method
) -> tuple[float, float, float, float]:
    """Return short-option minimum, closing cost, and both tiered requirements of an underlying."""
    minimum = closing = keep = open_ = 0.0
    for slot, signed, _ in own:
        lots = abs(float(signed))
        closing += close_cost_twin(lots, slot, columns)
        if mode == "portfolio":
            if columns.kind[slot] >= LINEAR_OPTION and signed < 0:
                minimum += lots * float(columns.notional[slot])
        else:
            kept, opened = position_rates_twin(signed, slot, a, columns)
            keep += kept
            open_ += opened
    share = method.portfolio.short_option_minimum_ppm / PPM
    return minimum * share, closing, keep, open_
