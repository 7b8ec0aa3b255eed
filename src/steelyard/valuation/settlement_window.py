"""Options in the last minutes before they expire, while their settlement average is running.

With the share w of the settlement known at the mean A, an option struck at K is worth what 1 − w options
on the rest are worth, struck at K′ = (K − w·A)/(1 − w); a call whose K′ is below zero is exercised for
certain and is worth (1 − w)·(F − K′). Volatility and time stay those of the option, which overstates
what is left of its movement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.marks import MarketState
from steelyard.marks.settlement import known_part
from steelyard.terms import Method
from steelyard.valuation.columns import ValuationColumns

STRIKE_LEAST = 1e-9
"""A strike below zero is priced at this share of the index, which costs a billionth."""

Floats = NDArray[np.float64]


class VariablePart(NamedTuple):
    """What of each option still moves. strike: K′, USD; share: 1 − w; certain: USD of a unit that a call
    holds beyond its variable part, 0 elsewhere."""

    strike: Floats
    share: Floats
    certain: Floats


def variable_part(
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
    asset: int,
    slots: NDArray[np.int32],
    price: float,
) -> VariablePart:
    """Return the variable part of options of one underlying at the market's time."""
    strike = columns.strike[slots]
    share = np.ones(len(slots))
    certain = np.zeros(len(slots))
    window_us = method.index_rules(market.assets[asset].name).settlement_window_us
    near = columns.expiry_us[slots] < market.time_us + window_us
    for i in np.flatnonzero(near):
        known, mean = known_part(market, asset, int(columns.expiry_us[slots[i]]), method)
        if known <= 0.0:
            continue
        rest = 1.0 - known
        struck = (float(strike[i]) - known * mean) / rest
        least = STRIKE_LEAST * price
        if struck < least and columns.is_call[slots[i]]:
            certain[i] = rest * (least - struck)
        strike[i] = max(struck, least)
        share[i] = rest
    return VariablePart(strike, share, certain)
