"""The scan: each unit's P&L in every scenario, and the worst of them.

For a group (one expiry of one underlying) with values V[i, s], unmoved values M[i] and discounts d⁺, d⁻:

    y = Σ quantity·V[i, s],   z = (y·(d⁺ if y ≥ 0 else d⁻) − Σ quantity·M[i])·weight[s]

and −|z| where the scenario folds. A unit's P&L in a scenario is the sum over its groups. Undated groups
have d⁺ = d⁻ = 1 and their table holds P&L, so M = 0 there. The order of additions is that of the legs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.margin.methods.core.instruments import Floats
from steelyard.valuation.compiled import kernel
from steelyard.valuation.intrinsics import fma

LANES = 16
TABLE = types.Array(types.float64, 2, "C", readonly=True)
OUT2 = types.Array(types.float64, 2, "C")
COLUMN = types.Array(types.float64, 1, "C", readonly=True)
OUT = types.Array(types.float64, 1, "C")
LONGS = types.Array(types.int64, 1, "C", readonly=True)
INTS = types.Array(types.int32, 1, "C", readonly=True)
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)


@kernel(
    types.void(
        TABLE, COLUMN, INTS, COLUMN, LONGS, LONGS, COLUMN, COLUMN, COLUMN, FLAGS, FLAGS,
        types.int64, OUT2, OUT, OUT,
    ),
    "steelyard.margin.methods.core.scan",
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
    is_dated: Any,
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
        for c in range(width):
            total[c] = 0.0
        for g in range(unit_start[u], unit_start[u + 1]):
            for c in range(width):
                sums[c] = 0.0
            unmoved = 0.0
            for p in range(group_start[g], group_start[g + 1]):
                i = instrument[p]
                q = quantity[p]
                row = table[i]
                for c in range(width):
                    sums[c] = fma(q, row[c], sums[c])
                unmoved = fma(q, base[i], unmoved)
            first = instrument[group_start[g]]
            up, down = discount_long[first], discount_short[first]
            if is_dated[first]:
                for c in range(width):
                    y = sums[c]
                    z = (y * (up if y >= 0.0 else down) - unmoved) * weight[c]
                    folded = -z if z > 0.0 else z
                    total[c] += folded if folds[c] else z
            else:
                for c in range(width):
                    total[c] += sums[c]
        least = np.inf
        place = 0
        spoilt = 0.0
        for c in range(scenarios):
            spoilt += total[c] * 0.0
            if total[c] < least:
                least = total[c]
                place = c
        worst[u] = (least if scenarios > 0 else 0.0) + spoilt
        where[u] = place
        if keeps:
            for c in range(scenarios):
                totals[u, c] = total[c]


@kernel(types.void(COLUMN, INTS, COLUMN, LONGS, OUT), "steelyard.margin.methods.core.scan")
def fill_group_sums(value: Any, instrument: Any, quantity: Any, group_start: Any, out: Any) -> None:
    """Write Σ quantity·value[instrument] of each group."""
    for g in range(group_start.shape[0] - 1):
        total = 0.0
        for p in range(group_start[g], group_start[g + 1]):
            total = fma(quantity[p], value[instrument[p]], total)
        out[g] = total


def group_sums(
    value: Floats, instrument: NDArray[np.int32], quantity: Floats, group_start: NDArray[np.int64]
) -> Floats:
    """Return Σ quantity·value[instrument] over the legs of each group, in their order."""
    out = np.empty(len(group_start) - 1)
    fill_group_sums(value, instrument, quantity, group_start, out)
    return out
