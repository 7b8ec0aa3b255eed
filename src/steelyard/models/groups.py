"""Statistics of groups: one value a group of rows, all groups at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def group_median(values: Floats, group_of: Ints, count: int) -> Floats:
    """Return the median of each of `count` groups, NaN of an empty one. NaN values are left out.

    >>> group_median(np.array([3.0, 1.0, 2.0, 7.0]), np.array([0, 0, 0, 2]), 3).tolist()
    [2.0, nan, 7.0]
    """
    good = np.flatnonzero(np.isfinite(values))
    order = good[np.lexsort((values[good], group_of[good]))]
    edges = np.searchsorted(group_of[order], np.arange(count + 1))
    first, last = edges[:-1], edges[1:]
    result = np.full(count, np.nan)
    full = last > first
    low = order[(first + last - 1)[full] // 2]
    high = order[(first + last)[full] // 2]
    result[full] = 0.5 * (values[low] + values[high])
    return result


def group_weighted_median(values: Floats, weights: Floats, group_of: Ints, count: int) -> Floats:
    """Return the least value of each group up to which half of its weight lies, NaN of an empty group.

    weights: above zero.

    >>> group_weighted_median(np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0]), np.zeros(3, int), 1)
    array([3.])
    """
    order = np.lexsort((values, group_of))
    edges = np.searchsorted(group_of[order], np.arange(count + 1))
    result = np.full(count, np.nan)
    full = np.flatnonzero(edges[1:] > edges[:-1])
    if not len(full):
        return result
    heaviest = np.maximum.reduceat(weights[order], edges[full])
    share = weights[order] / np.repeat(heaviest, (edges[1:] - edges[:-1])[full])
    running = np.cumsum(share)
    before = np.concatenate([[0.0], running])[edges[full]]
    total = running[edges[full + 1] - 1] - before
    place = np.searchsorted(running, before + 0.5 * total * (1.0 - 1e-12))
    result[full] = values[order[np.minimum(place, edges[full + 1] - 1)]]
    return result
