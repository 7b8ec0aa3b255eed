"""Volatilities of options from the surface in use.

A smile gives total variance w from the fit to its expiry, so an option's volatility is √(w/t) with t
counted from the fit: it does not age between two fits. Which log-moneyness counts is the method's choice
(`grid.smile_dynamics`): `sticky_strike` keeps ln(strike/forward at the fit), so that an option keeps its
volatility while the price moves; `sticky_moneyness` takes the live forward.

The forward of an expiry without a smile is on the straight line of forward/index in time between its
neighbours, from 1 at time zero on; behind the last it keeps that smile's carry per year.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.marks import MarketState, SurfaceColumns
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.compiled import kernel
from steelyard.valuation.smile_values import fill_volatilities

Floats = NDArray[np.float64]

COLUMN = types.Array(types.float64, 1, "C", readonly=True)
RESULT = types.Array(types.float64, 1, "C")
YEAR_US = 31_536_000_000_000
STICKY_STRIKE = "sticky_strike"
VOLATILITY_MAX = 50.0


@kernel(types.void(COLUMN, COLUMN, COLUMN, RESULT))
def fill_ratios(times: Any, ratios: Any, t: Any, result: Any) -> None:
    """Write forward/index at each time; times ascend and are above zero."""
    last = times.shape[0] - 1
    for i in range(result.shape[0]):
        j = 0
        while (j < last) & (times[j] < t[i]):
            j += 1
        before = times[j - 1] if j > 0 else 0.0
        ratio = ratios[j - 1] if j > 0 else 1.0
        if t[i] > times[last]:
            before = 0.0
            ratio = 1.0
            j = last
        share = (t[i] - before) / (times[j] - before)
        result[i] = ratio + (ratios[j] - ratio) * share


def surface_volatilities(
    surface: SurfaceColumns,
    columns: ValuationColumns,
    slots: NDArray[np.int32],
    index_price: float,
    dynamics: str,
) -> tuple[Floats, Floats]:
    """Return (volatility, forward/index) of options by a surface of their underlying.

    volatility is NaN where the surface gives none: the option expires before the quotes, or its variance
    there is not above zero. index_price: the live one, USD; dynamics: as `grid.smile_dynamics`.
    """
    start_us = surface.update.exchange_time_us
    times = (surface.expiry_us - start_us) / YEAR_US
    years = (columns.expiry_us[slots] - start_us) / YEAR_US
    ratio = np.empty(len(slots))
    fill_ratios(times, surface.ratio, years, ratio)
    is_live = dynamics != STICKY_STRIKE and index_price > 0.0
    index = index_price if is_live else surface.update.index_price
    volatility = np.empty(len(slots))
    fill_volatilities(
        surface.smiles, times, index * ratio, columns.strike[slots], years, volatility
    )
    good = (volatility > 0.0) & (volatility <= VOLATILITY_MAX) & (ratio > 0.0)
    return np.where(good, volatility, np.nan), ratio


def refresh_volatilities(
    market: MarketState, columns: ValuationColumns, asset: int, dynamics: str
) -> None:
    """Write volatility and forward ratio of an underlying's options, where its surface gives them."""
    surface = market.surfaces.get(asset)
    if surface is None or not market.options_of[asset]:
        return
    slots = np.array(market.options_of[asset], np.int32)
    volatility, ratio = surface_volatilities(
        surface, columns, slots, market.index_price(asset), dynamics
    )
    good = np.isfinite(volatility)
    market.volatility[slots[good]] = volatility[good]
    market.forward_ratio[slots[good]] = ratio[good]
