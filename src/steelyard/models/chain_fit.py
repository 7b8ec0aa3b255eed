"""All smiles of one underlying in one pass: alone, then against each other, then certified.

1. Every expiry with enough quotes is fitted alone, free of butterflies.
2. Where two neighbours cross, both are fitted again, each on its side of the curve half-way between their
   first fits: a crossing is removed jointly, and each expiry still depends on its neighbours only.
3. In order of expiry each smile is checked on a fine grid against the one before, and mended if needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from steelyard.models.arbitrage import (
    GRID_MAX,
    LIMITS_MAX,
    NO_LIMIT,
    add_limits,
    fill_grid,
    least_distance,
    least_shape,
    lift,
    soften,
)
from steelyard.models.smile_fit import BASE, PARAMETERS_MAX, minimise, read_row, write_row
from steelyard.models.svi_seed import SLOPE_MAX, seed
from steelyard.valuation.compiled import kernel, routine
from steelyard.valuation.elementary import log
from steelyard.valuation.smiles import COUNT, RHO, B, total_variance

PER_CELL_FIT: Any = np.int64(8)  # grid points to a cell of the correction while fitting
PER_CELL_PROOF: Any = np.int64(32)  # and when the result is certified
ROUNDS_MAX = 6
# As numpy integers: a literal would make numba compile its callees once more for each value.
NONE: Any = np.int64(0)
STEPS_BARE: Any = np.int64(15)
STEPS_FREE: Any = np.int64(4)
STEPS_HELD: Any = np.int64(6)
FORCE = 1e3
MARGIN = 2e-3  # g is held above this, so that it stays above zero between the points
ENOUGH = 1e-3  # of the cost; a step that gains less is the last
FAR = 2.5  # widths
SOFTENINGS_MAX = 10
SPREAD = 0.15  # of a wing's slope around the chain's
LESS = 0.98  # of the next expiry's slopes: wings that rise alike would cross far out
GAP = 1e-4  # neighbours keep this part of the variance between them
SIGMA_LEAST, SIGMA_MOST = 0.05, 20.0  # of the width

LOWEST, HIGHEST, WIDTH = range(3)
ALONE, JOINT, LIFTED, SOFTENED = range(4)

DATA = types.Array(types.float64, 2, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C")
WHOLE = types.Array(types.int64, 1, "C")
BUILT_FROM = tuple(
    f"steelyard.{name}"
    for name in ("valuation.smiles", "models.svi_seed", "models.smile_fit", "models.arbitrage")
)


@routine
def hold(
    smiles: Any, i: int, part: Any, pull: Any, grid: Any, size: int, steps: int, space: Any
) -> Any:
    """Improve smile i; while a rule is broken on the grid, hold it there and improve again.

    Returns how many places are held.
    """
    data, first, last = part
    limits, bounds, scratch = space
    n = int(smiles[i, COUNT])
    free = (MARGIN, 0.0, pull[i, 0], pull[i, 1], pull[i, 2], pull[i, 3], pull[i, 4])
    minimise(smiles, i, n, data, first, last, limits, NONE, free, bounds, steps, ENOUGH, scratch)
    force = FORCE
    count: Any = np.int64(NONE)
    for _ in range(ROUNDS_MAX):
        more = add_limits(smiles, i, grid, size, limits, count)
        if more == count:
            break
        count = more
        held = (MARGIN, force, pull[i, 0], pull[i, 1], pull[i, 2], pull[i, 3], pull[i, 4])
        minimise(
            smiles,
            i,
            n,
            data,
            first,
            last,
            limits,
            count,
            held,
            bounds,
            STEPS_HELD,
            ENOUGH,
            scratch,
        )
        force *= 10.0
    return count


@routine
def set_bounds(smiles: Any, i: int, after: int, shape: Any, bounds: Any) -> None:
    """Write the bounds of a, L, R, m and ln σ; the wings rise no faster than those of `after`."""
    width = shape[i, WIDTH]
    left = SLOPE_MAX
    right = SLOPE_MAX
    if after >= 0:
        left = LESS * (smiles[after, B] * (1.0 - smiles[after, RHO]))
        right = LESS * (smiles[after, B] * (1.0 + smiles[after, RHO]))
    bounds[0, 0] = -NO_LIMIT
    bounds[0, 1] = NO_LIMIT
    bounds[1, 0] = 0.0
    bounds[1, 1] = left
    bounds[2, 0] = 0.0
    bounds[2, 1] = right
    bounds[3, 0] = shape[i, LOWEST]
    bounds[3, 1] = shape[i, HIGHEST]
    bounds[4, 0] = log(SIGMA_LEAST * width)
    bounds[4, 1] = log(SIGMA_MOST * width)


@routine
def set_fixed(smiles: Any, i: int, bounds: Any, p: Any) -> None:
    """Write bounds that leave the bare curve of smile i as it is."""
    read_row(smiles, i, 0, p)
    for a in range(BASE):
        bounds[a, 0] = p[a]
        bounds[a, 1] = p[a]


@routine
def fit_base(smiles: Any, i: int, part: Any, shape: Any, space: Any) -> None:
    """Fit the bare curve of smile i, whatever arbitrage it allows: the start of its fit."""
    data, first, last = part
    limits, bounds, scratch = space
    a, left, right, m, sigma = seed(data[0], data[1], data[2], first, last, shape[i, WIDTH])
    p = scratch[3][2]
    p[0] = a
    p[1] = left
    p[2] = right
    p[3] = m
    p[4] = log(sigma)
    smiles[i, COUNT] = 0.0
    write_row(p, 0, smiles, i)
    free = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    minimise(
        smiles, i, NONE, data, first, last, limits, NONE, free, bounds, STEPS_BARE, ENOUGH, scratch
    )


@routine
def middle_of(values: Any, count: int) -> float:
    """Return the median (the lower of two) of the first `count` values, which it sorts; 0 of none."""
    for i in range(1, count):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    return values[(count - 1) // 2] if count > 0 else 0.0


@routine
def set_pull(smiles: Any, is_live: Any, shape: Any, pull: Any) -> None:
    """Write where the wings of each smile are pulled: to the chain's median slope, in widths.

    Only smiles quoted far enough out, FAR widths, tell of their wings. The slope of a wing in widths hardly
    changes from one expiry to the next; so slopes that follow it grow with the width, as they must if far
    wings are not to cross.
    """
    expiries = smiles.shape[0]
    found = np.zeros((2, expiries))
    for side in range(2):
        count = 0
        for nearer in (FAR, 0.0):
            for i in range(expiries):
                reach = -shape[i, LOWEST] if side == 0 else shape[i, HIGHEST]
                if (count < 3) & (is_live[i] > 0) & (reach >= nearer * shape[i, WIDTH]):
                    turn = 1.0 - smiles[i, RHO] if side == 0 else 1.0 + smiles[i, RHO]
                    found[side, count] = smiles[i, B] * turn / shape[i, WIDTH]
                    count += 1
            if count >= 3:
                break
            count = 0 if nearer > 0.0 else count
        typical = middle_of(found[side], count)
        for i in range(expiries):
            slope = typical * shape[i, WIDTH]
            pull[i, 1 + side] = slope
            pull[i, 3 + side] = 1.0 / (SPREAD * SPREAD * slope * slope) if slope > 0.0 else 0.0


@routine
def set_midway(alone: Any, i: int, before: int, after: int, grid: Any, size: int) -> None:
    """Write as limits of smile i the curves half-way to its neighbours (−1: none)."""
    for j in range(size):
        k = grid[0, j]
        own = total_variance(alone, i, k)
        if before >= 0:
            grid[1, j] = (0.5 + GAP) * (own + total_variance(alone, before, k))
        if after >= 0:
            grid[2, j] = (0.5 - GAP) * (own + total_variance(alone, after, k))


@routine
def neighbour(is_live: Any, i: int, step: int) -> int:
    """Return the nearest expiry with a fit before (step −1) or after (+1) i, −1 if there is none."""
    j = i + step
    while (j >= 0) & (j < is_live.shape[0]):
        if is_live[j] > 0:
            return j
        j += step
    return -1


@routine
def mark_crossings(smiles: Any, is_live: Any, shape: Any, grid: Any, outcome: Any) -> None:
    """Mark neighbours JOINT whose total variances touch or cross somewhere."""
    for i in range(smiles.shape[0]):
        j = neighbour(is_live, i, 1)
        if (is_live[i] > 0) & (j >= 0):
            size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
            least = least_distance(smiles, i, smiles, j, grid, size)
            size = fill_grid(smiles, j, shape, PER_CELL_FIT, grid)
            least = min(least, least_distance(smiles, i, smiles, j, grid, size))
            if not least > 0.0:
                outcome[i] = JOINT
                outcome[j] = JOINT


@routine
def fit_curves(
    smiles: Any,
    is_live: Any,
    asked: Any,
    shape: Any,
    pull: Any,
    parts: Any,
    grid: Any,
    space: Any,
    outcome: Any,
) -> None:
    """Fit the bare curves: alone, then jointly where they cross."""
    data, offsets = parts
    expiries = smiles.shape[0]
    for i in range(expiries):
        outcome[i] = ALONE
        if (is_live[i] > 0) & (asked[i] > 0):
            set_bounds(smiles, i, -1, shape, space[1])
            fit_base(smiles, i, (data, offsets[i], offsets[i + 1]), shape, space)
    set_pull(smiles, is_live, shape, pull)
    for joint in range(2):
        alone = smiles.copy()
        for reverse in range(expiries):
            i = expiries - 1 - reverse
            is_due = (outcome[i] == JOINT) if joint else (asked[i] > 0)
            if (is_live[i] > 0) & is_due:
                size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
                if joint:
                    set_midway(
                        alone, i, neighbour(is_live, i, -1), neighbour(is_live, i, 1), grid, size
                    )
                set_bounds(smiles, i, neighbour(is_live, i, 1), shape, space[1])
                hold(
                    smiles,
                    i,
                    (data, offsets[i], offsets[i + 1]),
                    pull,
                    grid,
                    size,
                    STEPS_BARE,
                    space,
                )
        if not joint:
            mark_crossings(smiles, is_live, shape, grid, outcome)


@routine
def lift_all(
    smiles: Any, is_live: Any, shape: Any, per_cell: int, grids: Any, outcome: Any
) -> None:
    """In order of expiry, lift each smile that is not sound on the grids of itself and of the one before."""
    grid, other = grids
    others = 0
    before = -1
    for i in range(smiles.shape[0]):
        if is_live[i] > 0:
            size = fill_grid(smiles, i, shape, per_cell, grid)
            if lift(smiles, i, before, shape, grid, size, other, others):
                outcome[i] = LIFTED
            before = i
            others = size
            for j in range(size):
                other[0, j] = grid[0, j]


@routine
def add_corrections(
    smiles: Any,
    is_live: Any,
    asked: Any,
    counts: Any,
    shape: Any,
    pull: Any,
    parts: Any,
    grid: Any,
    space: Any,
    crossed: Any,
) -> None:
    """Fit the corrections on top of sound curves: alone, then half-way where the smiles then cross."""
    data, offsets = parts
    expiries = smiles.shape[0]
    for i in range(expiries):
        smiles[i, COUNT] = counts[i]
        crossed[i] = ALONE
    for joint in range(2):
        alone = smiles.copy()
        for i in range(expiries):
            is_due = (crossed[i] == JOINT) if joint else (asked[i] > 0)
            if is_due & (is_live[i] > 0) & (smiles[i, COUNT] > 0.0):
                size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
                if joint:
                    set_midway(
                        alone, i, neighbour(is_live, i, -1), neighbour(is_live, i, 1), grid, size
                    )
                set_fixed(smiles, i, space[1], space[2][3][2])
                hold(
                    smiles,
                    i,
                    (data, offsets[i], offsets[i + 1]),
                    pull,
                    grid,
                    size,
                    STEPS_FREE,
                    space,
                )
        if not joint:
            mark_crossings(smiles, is_live, shape, grid, crossed)


@routine
def certify(smiles: Any, is_live: Any, shape: Any, grid: Any, outcome: Any) -> Any:
    """Soften corrections until no smile allows a butterfly and no two neighbours touch, on the fine grid.

    Returns whether that was reached. A smile is looked at again only when it or a neighbour changed.
    """
    expiries = smiles.shape[0]
    is_due = np.ones(expiries, np.int64)
    for turn in range(SOFTENINGS_MAX):
        part = 0.6 if turn < SOFTENINGS_MAX - 1 else 0.0
        changed = np.zeros(expiries, np.int64)
        for i in range(expiries):
            before = neighbour(is_live, i, -1)
            after = neighbour(is_live, i, 1)
            is_near = is_due[i] > 0
            if before >= 0:
                is_near |= is_due[before] > 0
            if after >= 0:
                is_near |= is_due[after] > 0
            if (is_live[i] == 0) | (not is_near):
                continue
            size = fill_grid(smiles, i, shape, PER_CELL_PROOF, grid)
            if is_due[i] > 0 and not least_shape(smiles, i, grid, size) > 0.0:
                changed[i] = 1
            if before >= 0 and not least_distance(smiles, before, smiles, i, grid, size) > 0.0:
                changed[i] = 1
                changed[before] = 1
            if after >= 0 and not least_distance(smiles, i, smiles, after, grid, size) > 0.0:
                changed[i] = 1
                changed[after] = 1
        is_done = True
        for i in range(expiries):
            is_due[i] = changed[i]
            if changed[i] > 0:
                soften(smiles, i, part)
                outcome[i] = SOFTENED
                is_done = False
        if is_done:
            return True
    return False


@kernel(types.void(TABLE, DATA, WHOLE, WHOLE, DATA, TABLE, WHOLE, WHOLE), *BUILT_FROM)
def fit_chain(
    smiles: Any,
    data: Any,
    offsets: Any,
    is_live: Any,
    shape: Any,
    pull: Any,
    asked: Any,
    outcome: Any,
) -> None:
    """Fit the live expiries of a chain, in place.

    smiles (expiries, SMILE_WIDTH): start, 1/step and count of each correction come in, all else goes out.
    data (3, quotes): k, w, 1/uncertainty² of w; offsets (expiries + 1): its part for each expiry, k
    ascending. shape (expiries, 3): lowest and highest k quoted, √w near the money. pull (expiries, 5):
    ridge comes in, where the wings are pulled goes out. is_live: 1 for an expiry to fit. asked: 1 for an
    expiry to fit anew, 0 to keep the row that came in. outcome: ALONE, JOINT, LIFTED or SOFTENED.
    """
    scratch = (
        np.zeros((3, 9)),
        np.zeros((PARAMETERS_MAX, PARAMETERS_MAX)),
        np.zeros((PARAMETERS_MAX, PARAMETERS_MAX)),
        np.zeros((4, PARAMETERS_MAX)),
    )
    space = (np.zeros((3, LIMITS_MAX)), np.zeros((BASE, 2)), scratch)
    grids = (np.zeros((3, GRID_MAX)), np.zeros((3, GRID_MAX)))
    parts = (data, offsets)
    counts = smiles[:, COUNT].copy()
    for i in range(smiles.shape[0]):
        if asked[i] > 0:
            smiles[i, COUNT] = 0.0
    crossed = np.zeros(smiles.shape[0], np.int64)
    fit_curves(smiles, is_live, asked, shape, pull, parts, grids[0], space, outcome)
    lift_all(smiles, is_live, shape, PER_CELL_FIT, grids, outcome)
    add_corrections(smiles, is_live, asked, counts, shape, pull, parts, grids[0], space, crossed)
    if not certify(smiles, is_live, shape, grids[0], outcome):
        lift_all(smiles, is_live, shape, PER_CELL_PROOF, grids, outcome)
    for i in range(smiles.shape[0]):
        if (outcome[i] == ALONE) & (crossed[i] == JOINT):
            outcome[i] = JOINT
