"""The wings of a chain: slopes that rise with the expiry, so that they do not cross far out.

Few quotes tell the slope of a wing. In widths (√w at the money) it hardly changes from one expiry to the
next, so an expiry that is not quoted far out takes the chain's median instead, in part or wholly. The slopes
of all expiries are then pooled until they rise, each by how far out it is quoted, and a smile's wing is pulled to
its pooled slope. Expiries quoted far out are fitted first, and no wing is steeper than one of a later expiry.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.models.bands import HIGHEST, LOWEST, WIDTH
from steelyard.models.svi_seed import SLOPE_MAX
from steelyard.valuation.compiled import routine
from steelyard.valuation.smiles import RHO, B

FAR = 2.5  # widths from which a wing's quotes tell its slope
SPREAD = 0.15  # of a slope around the one it is pulled to
APART = 0.02  # of a slope, between pooled ones
LESS = 0.98  # of a later slope, at most: wings that rise alike would cross far out
LEAST_WEIGHT = 1e-3

# Columns of `pull`: what a smile's correction and its wings are held by.
RIDGE, LEFT, RIGHT, GRIP_LEFT, GRIP_RIGHT, LEFT_LOW, LEFT_HIGH, RIGHT_LOW, RIGHT_HIGH = range(9)
PULL_COLUMNS = 9


@routine
def sort_first(values: Any, count: int) -> None:
    """Sort the first `count` values in place."""
    for i in range(1, count):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@routine
def told(shape: Any, i: int, side: int) -> float:
    """Return how well the quotes of expiry i tell a wing's slope, 0 to 1. side: 0 left, 1 right."""
    reach = -shape[i, LOWEST] if side == 0 else shape[i, HIGHEST]
    share = reach / (FAR * shape[i, WIDTH])
    share = 0.0 if share < 0.0 else (1.0 if share > 1.0 else share)
    return share * share


@routine
def slope_of(smiles: Any, i: int, side: int) -> float:
    """Return the slope of a wing of smile i."""
    turn = 1.0 - smiles[i, RHO] if side == 0 else 1.0 + smiles[i, RHO]
    return smiles[i, B] * turn


@routine
def typical_slope(smiles: Any, is_live: Any, shape: Any, side: int, work: Any) -> float:
    """Return the median slope in widths of the wings that are told, of all if too few are."""
    for least in (1.0, 0.0):
        count = 0
        for i in range(smiles.shape[0]):
            if (is_live[i] > 0) & (told(shape, i, side) >= least):
                work[0, count] = slope_of(smiles, i, side) / shape[i, WIDTH]
                count += 1
        if (count >= 3) | ((least == 0.0) & (count > 0)):
            sort_first(work[0], count)
            return work[0, (count - 1) // 2]
    return 0.0


@routine
def pool_slopes(smiles: Any, is_live: Any, shape: Any, side: int, work: Any) -> int:
    """Write the pooled slopes of the live expiries into work[0]; return how many."""
    typical = typical_slope(smiles, is_live, shape, side, work)
    blocks = 0
    for i in range(smiles.shape[0]):
        if is_live[i] == 0:
            continue
        share = told(shape, i, side)
        value = share * slope_of(smiles, i, side) + (1.0 - share) * typical * shape[i, WIDTH]
        weight = share * share + LEAST_WEIGHT
        size = 1.0
        while blocks > 0 and work[1, blocks - 1] >= value:
            blocks -= 1
            together = work[2, blocks] + weight
            value = (work[1, blocks] * work[2, blocks] + value * weight) / together
            weight = together
            size += work[3, blocks]
        work[1, blocks] = value
        work[2, blocks] = weight
        work[3, blocks] = size
        blocks += 1
    count = 0
    for block in range(blocks):
        size = int(work[3, block])
        for rank in range(size):
            apart = 1.0 + APART * (rank - 0.5 * (size - 1))
            work[0, count] = min(work[1, block] * apart, SLOPE_MAX)
            count += 1
    return count


@routine
def set_pull(smiles: Any, is_live: Any, shape: Any, pull: Any) -> None:
    """Write where the wings of each smile are pulled, and how hard."""
    work = np.zeros((4, smiles.shape[0]))
    for side in range(2):
        pool_slopes(smiles, is_live, shape, side, work)
        place = 0
        for i in range(smiles.shape[0]):
            if is_live[i] == 0:
                continue
            slope = work[0, place]
            pull[i, LEFT + side] = slope
            pull[i, GRIP_LEFT + side] = 1.0 / (SPREAD * SPREAD * slope * slope + 1e-30)
            place += 1


@routine
def set_slope_bounds(smiles: Any, is_done: Any, i: int, pull: Any) -> None:
    """Write the bounds of the slopes of smile i: between those of the earlier and later smiles done so far."""
    for side in range(2):
        low = 0.0
        high = SLOPE_MAX
        for j in range(smiles.shape[0]):
            if (is_done[j] > 0) & (j < i):
                low = max(low, slope_of(smiles, j, side) / LESS)
            if (is_done[j] > 0) & (j > i):
                high = min(high, slope_of(smiles, j, side) * LESS)
        low = min(low, SLOPE_MAX)
        middle = 0.5 * (low + high)
        pull[i, LEFT_LOW + 2 * side] = low if low <= high else middle
        pull[i, LEFT_HIGH + 2 * side] = high if low <= high else middle
