"""Greeks of what a margin unit holds, by Black-76 at the engine's own forwards and volatilities.

While a settlement average runs, they are those of the part that still moves, as the marks are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.engine.trial import Trial
from steelyard.margin.methods.core.scan import COLUMN, INTS, LONGS, OUT, OUT2, TABLE
from steelyard.marks import MarketState
from steelyard.marks.settlement import LOOK_AHEAD_US
from steelyard.service.answers.rows import Sums
from steelyard.terms import Method
from steelyard.valuation.columns import INVERSE_PERPETUAL, LINEAR_OPTION, ValuationColumns
from steelyard.valuation.compiled import kernel
from steelyard.valuation.greeks import fill_greeks
from steelyard.valuation.settlement_window import variable_part
from steelyard.valuation.surfaces import YEAR_US

Floats = NDArray[np.float64]
NAMES = ("delta_total", "options_delta", "options_gamma", "options_vega", "options_theta")
KINDS = types.Array(types.int8, 1, "C", readonly=True)
_KEPT = [1, 1, 2, 3, 4]  # of price, delta, gamma, vega, theta, vanna, volga


def greeks_of_slots(
    market: MarketState, columns: ValuationColumns, method: Method, slots: list[int]
) -> Floats:
    """Return delta of any unit of quantity, and delta, gamma, vega, theta of an option, (slots, 5).

    Delta in units of the underlying, gamma that per USD, vega USD a volatility point, theta USD a day. A
    unit of an inverse perpetual is one contract. NaN for an option without a volatility.
    """
    own = np.array(slots, np.int64)
    kind = columns.kind[own]
    found = np.zeros((len(NAMES), len(slots)))
    found[0] = 1.0
    inverse = kind == INVERSE_PERPETUAL
    if inverse.any():
        at = own[inverse]
        found[0, inverse] = market.mark_units[at] / -market.mark_scale[at]
    options = np.flatnonzero(kind >= LINEAR_OPTION)
    if len(options):
        found[:, options] = _of_options(market, columns, method, own[options])
    return np.ascontiguousarray(found.T)


def _of_options(
    market: MarketState, columns: ValuationColumns, method: Method, own: NDArray[np.int64]
) -> Floats:
    """Return the five numbers of options, (5, options)."""
    underlying = market.underlying_of[own]
    price = columns.index_usd[underlying]
    strike, share = columns.strike[own], np.ones(len(own))
    expiry_us = columns.expiry_us[own]
    if int(expiry_us.min()) < market.time_us + LOOK_AHEAD_US:
        for asset in np.unique(underlying).tolist():
            rows = np.flatnonzero(underlying == asset)
            slots = own[rows].astype(np.int32)
            part = variable_part(market, columns, method, asset, slots, market.index_price(asset))
            strike[rows], share[rows] = part.strike, part.share
    volatility = market.volatility[own]
    volatility[volatility <= 0.0] = np.nan
    years = np.maximum(expiry_us - market.time_us, 0) / YEAR_US
    values = np.empty((7, len(own)))
    fill_greeks(
        columns.is_call[own], price * market.forward_ratio[own], strike, volatility, years, *values
    )
    return values[_KEPT] * share


@kernel(types.void(LONGS, COLUMN, LONGS, COLUMN, INTS, KINDS, TABLE, OUT2, OUT))
def _fill_sums(
    own: Any, lots: Any, left_out: Any, lots_per_unit: Any, underlying_of: Any, kind: Any,
    greeks: Any, sums: Any, later: Any,
) -> None:  # fmt: skip
    """Add the Greeks of positions to their underlying's row of `sums`, from the first slot to the last."""
    for p in range(own.shape[0]):
        slot = own[p]
        asset = underlying_of[slot]
        size = lots[p] / lots_per_unit[slot]
        sums[asset, 0] += size * greeks[slot, 0]
        if kind[slot] >= LINEAR_OPTION:
            for k in range(1, greeks.shape[1]):
                sums[asset, k] += size * greeks[slot, k]
        is_left = True
        for g in range(left_out.shape[0]):
            is_left = is_left and left_out[g] != slot
        if is_left:
            later[asset] += size * greeks[slot, 0]


def sums_of_unit(trial: Trial, greeks: Floats, gone: Sequence[int] = ()) -> Sums:
    """Return the Greeks of a unit's positions by underlying.

    greeks: of all instruments, (instruments, 5); gone: slots that `projected` leaves out.
    """
    market = trial.market
    slots = sorted(trial.positions)
    if not slots:
        return Sums([], [], [])
    own = np.array(slots, np.int64)
    lots = np.array([trial.positions[slot][0] for slot in slots], np.float64)
    left_out = np.array([*gone], np.int64)
    sums, later = np.zeros((len(market.assets), len(NAMES))), np.zeros(len(market.assets))
    _fill_sums(
        own, lots, left_out, market.lots_per_unit, market.underlying_of,
        trial.columns.kind, greeks, sums, later,
    )  # fmt: skip
    held = [*dict.fromkeys(market.underlying_of[own].tolist())]
    return Sums(
        [market.assets[asset].name for asset in held], sums[held].tolist(), later[held].tolist()
    )
