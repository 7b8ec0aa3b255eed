"""All smiles of one underlying in one pass: alone, then against each other, then certified.

1. Every expiry with enough quotes is fitted alone, free of butterflies.
2. Where neighbours cross, those that leave their bands (`bands`) are fitted again inside of them: a crossing
   is removed jointly.
3. First so for the bare curves, then for the corrections on top. The result is certified on a finer grid; what
   fails is softened, and if that is not enough raised, or replaced by the smile before it.
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
from steelyard.models.bands import HIGHEST, LOWEST, WIDTH, set_band
from steelyard.models.smile_fit import BASE, PARAMETERS_MAX, cost_of, minimise, read_row, write_row
from steelyard.models.svi_seed import SLOPE_MAX, seed
from steelyard.models.wings import (
    LEFT_HIGH,
    LEFT_LOW,
    RIGHT_HIGH,
    RIGHT_LOW,
    set_pull,
    set_slope_bounds,
    told,
)
from steelyard.valuation.compiled import kernel, routine
from steelyard.valuation.elementary import log
from steelyard.valuation.smiles import COUNT, A, total_variance

PER_CELL_FIT: Any = np.int64(8)  # grid points to a cell of the correction while fitting
PER_CELL_PROOF: Any = np.int64(32)  # and when the result is certified
ROUNDS_MAX = 8
FORCE_GROWTH = 6.0
ASTRAY = 400.0  # times the cost of the free fit: the quotes are lost
NUDGE = 2e-3  # of the variance: a breach so small is mended by lifting the later smile
# As numpy integers: a literal would make numba compile its callees once more for each value.
NONE: Any = np.int64(0)
STEPS_BARE: Any = np.int64(15)
STEPS_FREE: Any = np.int64(4)
STEPS_HELD: Any = np.int64(6)
FORCE = 1e3
MARGIN = 2e-3  # g is held above this, so that it stays above zero between the points
ENOUGH = 1e-3  # of the cost; a step that gains less is the last
SOFTENINGS_MAX = 10
BEYOND = 6.0  # widths beyond the quotes that the centre of a curve may lie
SIGMA_LEAST, SIGMA_MOST = 0.05, 20.0  # of the width

ALONE, JOINT, LIFTED, SOFTENED, REPLACED = range(5)

DATA = types.Array(types.float64, 2, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C")
WHOLE = types.Array(types.int64, 1, "C")
BUILT_FROM = tuple(
    f"steelyard.{name}"
    for name in (
        "valuation.smiles",
        "models.svi_seed",
        "models.smile_fit",
        "models.arbitrage",
        "models.bands",
        "models.wings",
    )
)


@routine
def hold(
    smiles: Any, i: int, part: Any, pull: Any, grid: Any, size: int, steps: int, space: Any
) -> None:  # fmt: skip
    """Improve smile i; while a rule is broken on the grid, hold it there and improve again.

    If that drives it away from its quotes, it stays as it was before it was held.
    """
    data, first, last = part
    limits, bounds, scratch = space
    n = int(smiles[i, COUNT])
    left, right, grip_left, grip_right = pull[i, 1], pull[i, 2], pull[i, 3], pull[i, 4]
    free = (MARGIN, 0.0, pull[i, 0], left, right, grip_left, grip_right)
    minimise(smiles, i, n, data, first, last, limits, NONE, free, bounds, steps, ENOUGH, scratch)
    before = smiles[i].copy()
    cost = cost_of(smiles, i, n, data, first, last, limits, NONE, free)
    force = FORCE
    count: Any = np.int64(NONE)
    for _ in range(ROUNDS_MAX):
        more = add_limits(smiles, i, grid, size, limits, count)
        if more == count:
            break
        count = more
        held = (MARGIN, force, pull[i, 0], left, right, grip_left, grip_right)
        minimise(
            smiles, i, n, data, first, last, limits, count, held, bounds, STEPS_HELD, ENOUGH, scratch
        )  # fmt: skip
        force *= FORCE_GROWTH
    if count > 0:
        reached = cost_of(smiles, i, n, data, first, last, limits, NONE, free)
        if not reached < ASTRAY * (cost + float(last - first)):
            for j in range(smiles.shape[1]):
                smiles[i, j] = before[j]


@routine
def set_bounds(shape: Any, pull: Any, i: int, bounds: Any) -> None:
    """Write the bounds of a, L, R, m and ln σ of smile i."""
    width = shape[i, WIDTH]
    bounds[0, 0] = -NO_LIMIT
    bounds[0, 1] = NO_LIMIT
    bounds[1, 0] = pull[i, LEFT_LOW]
    bounds[1, 1] = pull[i, LEFT_HIGH]
    bounds[2, 0] = pull[i, RIGHT_LOW]
    bounds[2, 1] = pull[i, RIGHT_HIGH]
    bounds[3, 0] = shape[i, LOWEST] - BEYOND * width
    bounds[3, 1] = shape[i, HIGHEST] + BEYOND * width
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
def neighbour(is_live: Any, i: int, step: int) -> int:
    """Return the nearest expiry with a fit before (step −1) or after (+1) i, −1 if there is none."""
    j = i + step
    while (j >= 0) & (j < is_live.shape[0]):
        if is_live[j] > 0:
            return j
        j += step
    return -1


@routine
def is_crossing(smiles: Any, is_live: Any, shape: Any, grid: Any) -> Any:
    """Return whether any two neighbours touch or cross."""
    for i in range(smiles.shape[0]):
        j = neighbour(is_live, i, 1)
        if (is_live[i] > 0) & (j >= 0):
            size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
            if not least_distance(smiles, i, smiles, j, grid, size) > 0.0:
                return True
            size = fill_grid(smiles, j, shape, PER_CELL_FIT, grid)
            if not least_distance(smiles, i, smiles, j, grid, size) > 0.0:
                return True
    return False


@routine
def uncross(
    smiles: Any, is_live: Any, shape: Any, pull: Any, parts: Any, grid: Any, space: Any,
    is_fixed: bool, outcome: Any,
) -> None:  # fmt: skip
    """Fit again, each in its band, the smiles that leave theirs; is_fixed: only their corrections move."""
    data, offsets = parts
    if not is_crossing(smiles, is_live, shape, grid):
        return
    alone = smiles.copy()
    work = np.zeros((4, smiles.shape[0]))
    for i in range(smiles.shape[0]):
        if (is_live[i] == 0) | (is_fixed & (smiles[i, COUNT] == 0.0)):
            continue
        size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
        if set_band(alone, is_live, shape, i, grid, size, work):
            if is_fixed:
                set_fixed(smiles, i, space[1], space[2][3][2])
            else:
                set_bounds(shape, pull, i, space[1])
            part = (data, offsets[i], offsets[i + 1])
            hold(smiles, i, part, pull, grid, size, NONE, space)
            outcome[i] = JOINT


@routine
def fit_curves(
    smiles: Any, is_live: Any, asked: Any, shape: Any, pull: Any, parts: Any, grid: Any, space: Any
) -> None:  # fmt: skip
    """Fit the bare curves, each by itself and free of butterflies."""
    data, offsets = parts
    for i in range(smiles.shape[0]):
        if (is_live[i] > 0) & (asked[i] > 0):
            pull[i, LEFT_LOW] = 0.0
            pull[i, LEFT_HIGH] = SLOPE_MAX
            pull[i, RIGHT_LOW] = 0.0
            pull[i, RIGHT_HIGH] = SLOPE_MAX
            set_bounds(shape, pull, i, space[1])
            fit_base(smiles, i, (data, offsets[i], offsets[i + 1]), shape, space)
    set_pull(smiles, is_live, shape, pull)
    is_done = np.zeros(smiles.shape[0], np.int64)
    for i in range(smiles.shape[0]):
        is_done[i] = 1 if (is_live[i] > 0) & (asked[i] == 0) else 0
    for told_only in (True, False):
        for reverse in range(smiles.shape[0]):
            i = smiles.shape[0] - 1 - reverse
            is_told = told(shape, i, 0) + told(shape, i, 1) >= 1.0
            if (is_live[i] == 0) | (is_done[i] > 0) | (told_only & (not is_told)):
                continue
            size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
            set_slope_bounds(smiles, is_done, i, pull)
            set_bounds(shape, pull, i, space[1])
            hold(smiles, i, (data, offsets[i], offsets[i + 1]), pull, grid, size, STEPS_BARE, space)
            is_done[i] = 1


@routine
def add_corrections(
    smiles: Any, is_live: Any, asked: Any, counts: Any, shape: Any, pull: Any,
    parts: Any, grid: Any, space: Any,
) -> None:  # fmt: skip
    """Fit the corrections on top of the curves, each by itself."""
    data, offsets = parts
    for i in range(smiles.shape[0]):
        smiles[i, COUNT] = counts[i]
        if (asked[i] > 0) & (is_live[i] > 0) & (smiles[i, COUNT] > 0.0):
            size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
            set_fixed(smiles, i, space[1], space[2][3][2])
            hold(smiles, i, (data, offsets[i], offsets[i + 1]), pull, grid, size, STEPS_FREE, space)


@routine
def settle(smiles: Any, is_live: Any, shape: Any, grids: Any, outcome: Any) -> None:
    """In order of expiry, raise each smile that is not sound, or put the one before in its place."""
    grid, other = grids
    others = 0
    before = -1
    for i in range(smiles.shape[0]):
        if is_live[i] > 0:
            size = fill_grid(smiles, i, shape, PER_CELL_PROOF, grid)
            mended = lift(smiles, i, before, shape, grid, size, other, others)
            if mended > 0:
                outcome[i] = LIFTED if mended == 1 else REPLACED
                size = fill_grid(smiles, i, shape, PER_CELL_PROOF, grid)
            before = i
            others = size
            for j in range(size):
                other[0, j] = grid[0, j]


@routine
def judge(smiles: Any, near: int, far: int, breach: float, bent: Any, height: Any) -> None:
    """Note what a breach between two neighbours asks for: a small lift of the later, or softer corrections."""
    if not breach < 0.0:
        level = total_variance(smiles, far, 0.0)
        if breach < NUDGE * level:
            height[far] = max(height[far], 1.1 * breach + 1e-6 * level)
        else:
            bent[near] = 1
            bent[far] = 1


@routine
def certify(smiles: Any, is_live: Any, shape: Any, grid: Any, outcome: Any) -> Any:
    """Soften corrections until no smile allows a butterfly and no two neighbours touch, on the fine grid.

    Returns whether that was reached. A smile is looked at again only when it or a neighbour changed.
    """
    expiries = smiles.shape[0]
    is_due = np.ones(expiries, np.int64)
    for turn in range(SOFTENINGS_MAX):
        part = 0.6 if turn < SOFTENINGS_MAX - 1 else 0.0
        bent = np.zeros(expiries, np.int64)
        height = np.zeros(expiries)
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
                bent[i] = 1
            if before >= 0:
                breach = -least_distance(smiles, before, smiles, i, grid, size)
                judge(smiles, before, i, breach, bent, height)
            if after >= 0:
                breach = -least_distance(smiles, i, smiles, after, grid, size)
                judge(smiles, i, after, breach, bent, height)
        is_done = True
        for i in range(expiries):
            is_due[i] = 1 if (bent[i] > 0) | (height[i] > 0.0) else 0
            if bent[i] > 0:
                soften(smiles, i, part)
                outcome[i] = SOFTENED
            elif height[i] > 0.0:
                smiles[i, A] += height[i]
                outcome[i] = JOINT if outcome[i] == ALONE else outcome[i]
            is_done &= is_due[i] == 0
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
    ascending. shape (expiries, 4): lowest and highest k quoted, √w
    near the money, and the precision of the quotes, Σ (w/uncertainty)². pull (expiries, 9):
    ridge comes in, where the wings are pulled goes out (`wings`). is_live: 1 for an expiry to fit. asked: 1 for an
    expiry to fit anew, 0 to keep the row that came in. outcome: ALONE, JOINT, LIFTED, SOFTENED or REPLACED.
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
    for i in range(smiles.shape[0]):
        outcome[i] = ALONE
    fit_curves(smiles, is_live, asked, shape, pull, parts, grids[0], space)
    uncross(smiles, is_live, shape, pull, parts, grids[0], space, False, outcome)
    add_corrections(smiles, is_live, asked, counts, shape, pull, parts, grids[0], space)
    uncross(smiles, is_live, shape, pull, parts, grids[0], space, True, outcome)
    if not certify(smiles, is_live, shape, grids[0], outcome):
        settle(smiles, is_live, shape, grids, outcome)
