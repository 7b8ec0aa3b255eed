"""The scan: each unit's P&L in every scenario, and the worst of them.

For a group (one expiry of one underlying) with values V[i, s], unmoved values M[i] and discounts d⁺, d⁻:

    y = Σ quantity·V[i, s],   z = (y·(d⁺ if y ≥ 0 else d⁻) − Σ quantity·M[i])·weight[s]

and −|z| where the scenario folds. Groups that are not discounted hold P&L in the table; those that follow
each other are one sum, y alone. A unit's P&L in a scenario is the sum over these, and the order of
additions is that of the legs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from steelyard.margin.methods.core.tiles import accumulate, lowest
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.intrinsics import fma

SCAN_MODULES = (f"{__package__}.scan", f"{__package__}.tiles", "steelyard.margin.vector")
TABLE = types.Array(types.float64, 2, "C", readonly=True)
OUT2 = types.Array(types.float64, 2, "C")
COLUMN = types.Array(types.float64, 1, "C", readonly=True)
OUT = types.Array(types.float64, 1, "C")
LONGS = types.Array(types.int64, 1, "C", readonly=True)
INTS = types.Array(types.int32, 1, "C", readonly=True)
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)


@inline
def worst_total(total: Any, scenarios: int) -> float:
    """Return the least of the first columns, NaN if one is NaN, 0 without scenarios; uses up the rest."""
    for c in range(scenarios, total.shape[0]):
        total[c] = np.inf
    return lowest(total, total.shape[0]) if scenarios > 0 else 0.0


@inline
def unit_totals(
    table: Any,
    base: Any,
    instrument: Any,
    quantity: Any,
    group_start: Any,
    first_group: int,
    end_group: int,
    discount_long: Any,
    discount_short: Any,
    weight: Any,
    folds: Any,
    is_discounted: Any,
    sums: Any,
    total: Any,
) -> None:
    """Write the P&L of one unit in each column; NaN where it is no finite number."""
    width = table.shape[1]
    for c in range(width):
        total[c] = 0.0
    g = first_group
    while g < end_group:
        start = group_start[g]
        first = instrument[start]
        g += 1
        if not is_discounted[first]:
            while g < end_group and not is_discounted[instrument[group_start[g]]]:
                g += 1
        end = group_start[g]
        accumulate(table, instrument, quantity, start, end, sums)
        if is_discounted[first]:
            unmoved = 0.0
            for p in range(start, end):
                unmoved = fma(quantity[p], base[instrument[p]], unmoved)
            up, down = discount_long[first], discount_short[first]
            for c in range(width):
                y = sums[c]
                z = (y * (up if y >= 0.0 else down) - unmoved) * weight[c]
                folded = -z if z > 0.0 else z
                total[c] += folded if folds[c] else z
        else:
            for c in range(width):
                total[c] += sums[c]
    for c in range(width):
        total[c] += total[c] * 0.0


@kernel(
    types.void(
        TABLE, COLUMN, INTS, COLUMN, LONGS, LONGS, COLUMN, COLUMN, COLUMN, FLAGS, FLAGS,
        types.int64, OUT2, OUT, OUT,
    ),
    *SCAN_MODULES,
)  # fmt: skip
def fill_scan(
    table: Any,
    base: Any,
    instrument: Any,
    quantity: Any,
    group_start: Any,
    unit_start: Any,
    discount_long: Any,
    discount_short: Any,
    weight: Any,
    folds: Any,
    is_discounted: Any,
    scenarios: int,
    totals: Any,
    worst: Any,
    where: Any,
) -> None:
    """Write the worst P&L of each unit, its scenario, and all of them if `totals` has a row a unit."""
    width = table.shape[1]
    sums = np.empty(width)
    total = np.empty(width)
    keeps = totals.shape[0] > 0
    for u in range(unit_start.shape[0] - 1):
        unit_totals(
            table, base, instrument, quantity, group_start, unit_start[u], unit_start[u + 1],
            discount_long, discount_short, weight, folds, is_discounted, sums, total,
        )  # fmt: skip
        worst[u] = worst_total(total, scenarios)
        where[u] = 0
        for c in range(scenarios):
            if total[c] == worst[u]:
                where[u] = c
                break
        if keeps:
            for c in range(scenarios):
                totals[u, c] = total[c]
