"""Arbitrage of a surface: found on a dense grid, held off in the fit, mended where the fit leaves some.

A smile allows a butterfly where Durrleman's g is negative; two expiries allow a calendar trade where the
later total variance is below the earlier one at the same log-moneyness. Both are looked for on a dense
grid as far as the correction reaches, and on both wings out to |k| = 2.5 and two widths further, with points
that thin out.

A smile's grid: a (4, size) array of k, ascending, the least w allowed there, the most, and whether the place
is held.
"""

from __future__ import annotations

from typing import Any

from steelyard.models.ssvi_base import HIGHEST, LOWEST, WIDTH
from steelyard.valuation.compiled import routine
from steelyard.valuation.smiles import (
    COEFFICIENTS_MAX,
    COUNT,
    FIRST_COEFFICIENT,
    INVERSE_STEP,
    START,
    durrleman,
    smile_slopes,
    total_variance,
)

REACH = 2.5
WING_CELLS = 12
CELLS = 40  # of the middle part where no correction sets them
GRID_MAX = 2400
LIMITS_MAX = 800
APART = 1.0 - 2e-5  # a later variance counts for a little less: between the points it may be lower
NO_LIMIT = 1e9
CLEAR = 2e-4  # g below this at a grid point counts as broken: between the points it may be lower


@routine
def fill_grid(smiles: Any, i: int, shape: Any, per_cell: int, grid: Any) -> int:
    """Write the grid of smile i, without limits; return its size.

    shape row: lowest and highest quoted k, width. w'' has kinks at the knots of the correction, and g its
    least values there: so the points of the middle part stand on the knots, per_cell to a cell.
    """
    wing = WING_CELLS * per_cell
    left = shape[i, LOWEST] - shape[i, WIDTH]
    right = shape[i, HIGHEST] + shape[i, WIDTH]
    step = (right - left) / (CELLS * per_cell)
    if smiles[i, COUNT] > 0.0:
        step = 1.0 / (smiles[i, INVERSE_STEP] * per_cell)
        left = smiles[i, START]
        right = left + (smiles[i, COUNT] + 3.0) / smiles[i, INVERSE_STEP]
    start = min(-REACH, left - 2.0 * shape[i, WIDTH])
    end = max(REACH, right + 2.0 * shape[i, WIDTH])
    size = 0
    for j in range(wing):
        x = (wing - j) / wing
        grid[0, size] = left - (left - start) * (x * x)
        size += 1
    k = left
    middle = 0
    while (k < right - 0.5 * step) & (size < GRID_MAX - wing):
        k = left + middle * step
        grid[0, size] = k
        size += 1
        middle += 1
    for j in range(wing):
        x = (j + 1) / wing
        grid[0, size] = k + (end - k) * (x * x)
        size += 1
    for j in range(size):
        grid[1, j] = 0.0
        grid[2, j] = NO_LIMIT
        grid[3, j] = 0.0
    return size


@routine
def add_limits(smiles: Any, i: int, grid: Any, size: int, limits: Any, count: int) -> int:
    """Append the places where smile i breaks a rule and is not held yet; return the new count.

    Every such place of the grid counts: held at the worst ones alone, a spline breaks out beside them.
    """
    for j in range(size):
        if (grid[3, j] > 0.0) | (count >= LIMITS_MAX):
            continue
        w, first, second = smile_slopes(smiles, i, grid[0, j])
        is_low = durrleman(grid[0, j], w, first, second) < CLEAR
        if is_low | (w < grid[1, j]) | (w > grid[2, j]):
            for row in range(3):
                limits[row, count] = grid[row, j]
            grid[3, j] = 1.0
            count += 1
    return count


@routine
def least_shape(smiles: Any, i: int, grid: Any, size: int) -> float:
    """Return the least g of smile i on the grid."""
    least = 1e9
    for j in range(size):
        w, first, second = smile_slopes(smiles, i, grid[0, j])
        g = durrleman(grid[0, j], w, first, second)
        if not g >= least:  # a NaN is no proof
            least = g
    return least


@routine
def least_distance(near: Any, i: int, far: Any, j: int, grid: Any, size: int) -> float:
    """Return the least w of smile j of `far` minus smile i of `near` on the grid."""
    least = 1e9
    for n in range(size):
        above = APART * total_variance(far, j, grid[0, n])
        distance = above - total_variance(near, i, grid[0, n])
        if not distance >= least:
            least = distance
    return least


@routine
def soften(smiles: Any, i: int, part: float) -> None:
    """Multiply the correction of smile i."""
    for j in range(COEFFICIENTS_MAX):
        smiles[i, FIRST_COEFFICIENT + j] *= part
