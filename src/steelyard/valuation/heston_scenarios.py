"""Scenario rows of options by the Heston model, for methods that ask for it.

The scenario P&L of a lot is weight·usd·(H(F·m, moved parameters, τ − shift) − H(F, parameters, τ)). A move of
volatility by the multiple c moves the whole path of volatility: v → c²v is again a Heston process, with
c²·v0, c²·θ and c·σ in place of v0, θ and σ. Options keep their marks from Black; only what a scenario adds
to them comes from here. A row that Heston cannot value to `heston.USABLE_ERROR` keeps the values of Black.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.ticks import HestonUpdate
from steelyard.valuation.grid import ScenarioColumns
from steelyard.valuation.heston import HestonParameters, heston_price

Floats = NDArray[np.float64]

TOLERANCE = 1e-11  # of the larger of forward and strike


def fill_heston_rows(
    table: Floats,
    rows: NDArray[np.int32],
    is_call: NDArray[np.bool_],
    strike: Floats,
    forward: Floats,
    time_years: Floats,
    usd_per_lot: Floats,
    price_multiplier: Floats,
    volatility_up: Floats,
    volatility_down: Floats,
    grid: ScenarioColumns,
    model: HestonUpdate,
) -> None:
    """Write the rows of one underlying's options into the scenario table; arguments as `fill_option_rows`.

    The volatility multiples depend on the time to expiry alone, so one series serves an expiry under one
    move of volatility and time; the price moves share it.
    """
    base = heston_price(
        is_call, forward, strike, time_years, _moved(model, 1.0), tolerance=TOLERANCE
    )
    part = np.zeros((len(rows), table.shape[1]))
    used = np.arange(grid.used)
    for years in np.unique(grid.years[used]).tolist():
        for kind in (-1, 0, 1):
            mine = used[(grid.volatility_kind[used] == kind) & (grid.years[used] == years)]
            if not len(mine):
                continue
            multiple = (
                volatility_up if kind > 0 else (volatility_down if kind < 0 else np.ones(len(rows)))
            )
            multiple = np.maximum(multiple, 0.0)
            for c in np.unique(multiple).tolist():
                chosen = np.flatnonzero(multiple == c)
                moved = np.maximum(forward[chosen, None] * price_multiplier[mine], 0.0)
                value = heston_price(
                    is_call[chosen, None], moved, strike[chosen, None],
                    time_years[chosen, None] - years, _moved(model, c), tolerance=TOLERANCE,
                )  # fmt: skip
                gain = value - base[chosen, None]
                part[np.ix_(chosen, mine)] = grid.weight[mine] * usd_per_lot[chosen, None] * gain
    usable = np.isfinite(part).all(axis=1)
    table[rows[usable]] = part[usable]


def _moved(model: HestonUpdate, multiple: float) -> HestonParameters:
    """Return the parameters of the process whose volatility is `multiple` times the calibrated one."""
    square = multiple * multiple
    return HestonParameters(
        square * model.initial_variance,
        model.mean_reversion,
        square * model.long_run_variance,
        multiple * model.vol_of_vol,
        model.correlation,
    )
