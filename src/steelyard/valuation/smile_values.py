"""Values of a surface: smiles evaluated at any strike and time, strictly.

Between two expiries total variance is linear in time at the same log-moneyness; before the first it
falls to zero in proportion; behind the last it grows as at the money of the last, w_n(k) + (t − t_n)·w_n(0)/t_n.
If the smiles allow no arbitrage, neither does the first rule nor the second, and the third no calendar trade.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.quantities.errors import InvariantError
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import log_ratio
from steelyard.valuation.intrinsics import sqrt
from steelyard.valuation.smiles import SMILE_WIDTH, durrleman, smile_slopes, total_variance

Floats = NDArray[np.float64]

SMILES = types.Array(types.float64, 2, "C", readonly=True)
COLUMN = types.Array(types.float64, 1, "C", readonly=True)
RESULT = types.Array(types.float64, 1, "C")
BUILT_FROM = "steelyard.valuation.smiles"
LARGEST_PRICE = 2.0**900
SMALLEST_PRICE = 2.0**-900


class SmileColumns(NamedTuple):
    """Total variance, its first and second derivative in k, and Durrleman's g, arrays of one shape."""

    total_variance: Floats
    first: Floats
    second: Floats
    durrleman: Floats


@inline
def variance_at(smiles: Any, times: Any, k: float, t: float) -> Any:
    """Return w(k, t) by the rules of the module; NaN without a smile or for a time that is not above 0."""
    count = times.shape[0]
    if (count == 0) | (not t > 0.0):
        return np.nan
    if t <= times[0]:
        return total_variance(smiles, 0, k) * (t / times[0])
    if t >= times[count - 1]:
        last = count - 1
        rate = total_variance(smiles, last, 0.0) / times[last]
        return total_variance(smiles, last, k) + (t - times[last]) * rate
    low = 0
    high = count - 1
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= t:
            low = middle
        else:
            high = middle
    near = total_variance(smiles, low, k)
    far = total_variance(smiles, high, k)
    return near + (far - near) * ((t - times[low]) / (times[high] - times[low]))


@kernel(types.void(SMILES, COLUMN, COLUMN, COLUMN, COLUMN, RESULT), BUILT_FROM)
def fill_volatilities(
    smiles: Any, times: Any, forward: Any, strike: Any, time_years: Any, volatility: Any
) -> None:
    """Write √(w(ln(K/F), t)/t) of each option; NaN for a forward, strike or time that is no use."""
    for i in range(volatility.shape[0]):
        f = forward[i]
        s = strike[i]
        is_good = (
            (f >= SMALLEST_PRICE)
            & (f <= LARGEST_PRICE)
            & (s >= SMALLEST_PRICE)
            & (s <= LARGEST_PRICE)
        )
        k = log_ratio(s if is_good else 1.0, f if is_good else 1.0)
        w = variance_at(smiles, times, k, time_years[i])
        variance = w / time_years[i]
        volatility[i] = sqrt(variance) if is_good & (variance > 0.0) else np.nan


@kernel(types.void(SMILES, COLUMN, COLUMN, COLUMN, RESULT), BUILT_FROM)
def fill_total_variances(smiles: Any, times: Any, k: Any, t: Any, result: Any) -> None:
    """Write w(k, t) of each pair."""
    for i in range(result.shape[0]):
        result[i] = variance_at(smiles, times, k[i], t[i])


@kernel(types.void(SMILES, types.int64, COLUMN, RESULT, RESULT, RESULT, RESULT), BUILT_FROM)
def fill_smile(smiles: Any, row: int, k: Any, w: Any, first: Any, second: Any, g: Any) -> None:
    """Write w, w', w'' and g of one smile at each k."""
    for i in range(k.shape[0]):
        w[i], first[i], second[i] = smile_slopes(smiles, row, k[i])
        g[i] = durrleman(k[i], w[i], first[i], second[i])


def smile_columns(smiles: Floats, row: int, k: ArrayLike) -> SmileColumns:
    """Return total variance, its derivatives and Durrleman's g of row `row` at log-moneyness k.

    smiles: a table of `SMILE_WIDTH` columns, laid out as in `smiles`. Where w is not above zero, g is −1.

    >>> flat = np.zeros((1, SMILE_WIDTH))
    >>> flat[0, :5] = 0.04, 0.0, 0.0, 0.0, 0.1
    >>> [float(column) for column in smile_columns(flat, 0, 0.3)]
    [0.04, 0.0, 0.0, 1.0]
    """
    if smiles.ndim != 2 or smiles.shape[1] != SMILE_WIDTH or not 0 <= row < len(smiles):
        raise InvariantError(f"smiles must have {SMILE_WIDTH} columns and a row {row}")
    places = np.asarray(k, dtype=np.float64)
    flat = np.ascontiguousarray(places).reshape(-1)
    columns = [np.empty(len(flat)) for _ in range(4)]
    fill_smile(smiles, row, flat, *columns)
    return SmileColumns(*(column.reshape(places.shape) for column in columns))
