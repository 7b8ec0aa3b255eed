"""Greeks of what a margin unit holds, by Black-76 at the engine's own forwards and volatilities.

While a settlement average runs, they are those of the part that still moves, as the marks are.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from steelyard.engine.trial import Trial
from steelyard.marks import MarketState
from steelyard.service.answers.rows import Sums
from steelyard.terms import Method
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.settlement_window import variable_part
from steelyard.valuation.surfaces import YEAR_US

Floats = NDArray[np.float64]
NAMES = ("delta_total", "options_delta", "options_gamma", "options_vega", "options_theta")


def greeks_of_slots(
    market: MarketState, columns: ValuationColumns, method: Method, slots: list[int]
) -> Floats:
    """Return delta of any unit of quantity, and delta, gamma, vega, theta of an option, (slots, 5).

    Delta in units of the underlying, gamma that per USD, vega USD a volatility point, theta USD a day. A
    unit of an inverse perpetual is one contract. NaN for an option without a volatility.
    """
    found = np.zeros((len(slots), len(NAMES)))
    of: dict[int, list[int]] = {}
    for row, slot in enumerate(slots):
        terms = market.instruments[slot]
        if terms.is_option:
            of.setdefault(int(market.underlying_of[slot]), []).append(row)
        elif terms.contract_usd:
            found[row, 0] = -int(market.mark_units[slot]) / 10**terms.mark_exponent
        else:
            found[row, 0] = 1.0
    for asset, rows in of.items():
        price = market.index_price(asset)
        own = np.array([slots[row] for row in rows])
        part = variable_part(market, columns, method, asset, own.astype(np.int32), price)
        years = np.maximum(columns.expiry_us[own] - market.time_us, 0) / YEAR_US
        volatility = market.volatility[own]
        greeks = black76_greeks(
            columns.is_call[own], price * market.forward_ratio[own], part.strike,
            np.where(volatility > 0.0, volatility, np.nan), years,
        )  # fmt: skip
        delta = greeks.delta * part.share
        found[rows] = np.stack(
            [delta, delta, greeks.gamma * part.share, greeks.vega * part.share,
             greeks.theta * part.share], 1,
        )  # fmt: skip
    return found


def sums_of_unit(trial: Trial, gone: Iterable[int] = ()) -> Sums:
    """Return the Greeks of a unit's positions by underlying; gone: slots that `projected` leaves out."""
    market = trial.market
    slots = sorted(trial.positions, key=lambda slot: (int(market.underlying_of[slot]), slot))
    greeks = greeks_of_slots(market, trial.columns, trial.method, slots).tolist()
    left = frozenset(gone)
    amounts: dict[str, list[float]] = {}
    later: dict[str, float] = {}
    for slot, unit in zip(slots, greeks, strict=True):
        terms = market.instruments[slot]
        size = trial.positions[slot][0] / 10**terms.lot_exponent
        total = amounts.setdefault(terms.underlying, [0.0] * len(NAMES))
        for k, each in enumerate(unit):
            total[k] += size * each
        kept = 0.0 if slot in left else size * unit[0]
        later[terms.underlying] = later.get(terms.underlying, 0.0) + kept
    return Sums([*amounts], [*amounts.values()], [*later.values()])
