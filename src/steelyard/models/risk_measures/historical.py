"""Value at risk and expected shortfall of observed or simulated profits and losses."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, fsum

import numpy as np
from numpy.typing import ArrayLike

from steelyard.models.risk_measures.rules import broken, require


@dataclass(frozen=True)
class Risk:
    """Losses, positive: what is lost at the quantile, and on average from the quantile on."""

    value_at_risk: float
    expected_shortfall: float


def historical_risk(pnl: ArrayLike, confidence: float) -> Risk:
    """Return the risk of equally likely profits and losses (losses negative), in their unit.

    With n values in ascending order and j = max(1, ⌈(1 − confidence)·n⌉), where (1 − confidence)·n is rounded to
    nine decimals first (0.1·10 is 1, not a little less): q = the j-th value, the inverted empirical
    distribution; value_at_risk = −q, expected_shortfall = −mean of all values ≤ q, ties included.
    pnl: (n,), at least one, finite. confidence: 0 to 1; 1 asks for the worst value. Errors: RISK-E01.
    Source: the inclusive mean of scenarios, as risk engines for historical simulation report it.

    >>> historical_risk([-10, -8, -7, -7, -7, 0, 2, 4, 5, 9], 0.7)
    Risk(value_at_risk=7.0, expected_shortfall=7.8)
    """
    values = np.sort(np.asarray(pnl, dtype=np.float64))
    if values.ndim != 1 or len(values) == 0:
        raise broken("pnl", f"pnl has the shape {values.shape}", "pnl is a list of at least one")
    if not np.isfinite(values).all():
        raise broken("pnl", "pnl holds a value that is not finite", "profits and losses are finite")
    require(0.0 <= confidence <= 1.0, "confidence", confidence, "confidence lies between 0 and 1")
    place = max(1, ceil(round((1.0 - confidence) * len(values), 9)))
    quantile = float(values[place - 1])
    beyond = values[: np.searchsorted(values, quantile, side="right")].tolist()
    return Risk(0.0 - quantile, 0.0 - fsum(beyond) / len(beyond))
