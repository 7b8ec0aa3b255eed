"""All smiles of one underlying in one pass: bases in order, corrections on top, then a certificate.

1. The bases (`ssvi_base`) allow no arbitrage among themselves, whatever the quotes.
2. Every expiry with enough quotes gets a correction, held where it would allow a butterfly.
3. Where corrected neighbours cross, those that leave their bands (`bands`) are fitted again inside of them:
   a crossing is removed jointly.
4. The result is looked at on a finer grid. What is not sound there is fitted again, held there; and if that
   does not help it is softened: its correction, and its neighbour's if they cross, is made smaller, down to
   the base if need be. That ends, and it ends sound.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from steelyard.models.arbitrage import (
    GRID_MAX,
    LIMITS_MAX,
    add_limits,
    fill_grid,
    least_distance,
    least_shape,
    soften,
)
from steelyard.models.bands import set_band
from steelyard.models.correction_fit import minimise
from steelyard.models.ssvi_base import fit_bases
from steelyard.valuation.compiled import kernel, routine
from steelyard.valuation.smiles import COEFFICIENTS_MAX, COUNT

PER_CELL_FIT: Any = np.int64(8)  # grid points to a cell of the correction while fitting
PER_CELL_PROOF: Any = np.int64(32)  # and when the result is certified
# As numpy integers: a literal would make numba compile its callees once more for each value.
NONE: Any = np.int64(0)
STEPS_FREE: Any = np.int64(2)
STEPS_HELD: Any = np.int64(6)
ROUNDS_MAX = 8
FORCE, FORCE_GROWTH = 1e3, 6.0
MARGIN = 2e-3  # g is held above this, so that it stays above zero between the points
SOUND = 1e-4  # least g at the points of the proof: between them it may be lower
ENOUGH = 1e-3  # of the cost; a step that gains less is the last
SOFTENINGS_MAX = 24
SOFTER = 0.85
REFITS = 4

ALONE, JOINT, SOFTENED = range(3)

DATA = types.Array(types.float64, 2, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C")
WHOLE = types.Array(types.int64, 1, "C")
BUILT_FROM = tuple(
    f"steelyard.{name}"
    for name in (
        "valuation.smiles",
        "models.isotonic",
        "models.ssvi_base",
        "models.correction_fit",
        "models.arbitrage",
        "models.bands",
    )
)


@routine
def hold(smiles: Any, i: int, part: Any, stiff: Any, grid: Any, size: int, space: Any) -> None:
    """Fit the correction of smile i; while a rule is broken on the grid, hold it there and fit again."""
    data, first, last = part
    limits, scratch = space
    for j in range(size):
        grid[3, j] = 0.0
    free = (MARGIN, 0.0, stiff[i, 0], stiff[i, 1])
    minimise(smiles, i, data, first, last, limits, NONE, free, STEPS_FREE, ENOUGH, scratch)
    force = FORCE
    count: Any = np.int64(NONE)
    for _ in range(ROUNDS_MAX):
        more = add_limits(smiles, i, grid, size, limits, count)
        if more == count:
            break
        count = more
        held = (MARGIN, force, stiff[i, 0], stiff[i, 1])
        minimise(smiles, i, data, first, last, limits, count, held, STEPS_HELD, ENOUGH, scratch)
        force *= FORCE_GROWTH


@routine
def neighbour(is_live: Any, i: int, step: int) -> Any:
    """Return the nearest expiry with a smile before (step −1) or after (+1) i, −1 if there is none."""
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
    smiles: Any, is_live: Any, shape: Any, stiff: Any, parts: Any, grid: Any, space: Any, outcome: Any
) -> None:  # fmt: skip
    """Fit again, each in its band, the corrections of smiles that leave theirs."""
    data, offsets = parts
    if not is_crossing(smiles, is_live, shape, grid):
        return
    alone = smiles.copy()
    work = np.zeros((4, smiles.shape[0]))
    for i in range(smiles.shape[0]):
        if (is_live[i] > 0) & (smiles[i, COUNT] > 0.0):
            size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
            if set_band(alone, is_live, shape, i, grid, size, work):
                hold(smiles, i, (data, offsets[i], offsets[i + 1]), stiff, grid, size, space)
                outcome[i] = JOINT


@routine
def certify(
    smiles: Any, is_live: Any, shape: Any, stiff: Any, parts: Any, grid: Any, space: Any, outcome: Any
) -> None:  # fmt: skip
    """Mend what allows a butterfly, or touches a neighbour, until nothing does on the fine grid.

    The first turns fit again, held at what the fine grid shows, in the bands of the moment; the later ones
    soften, and the last ones leave the bases. A smile is looked at only when it or a neighbour changed.
    """
    data, offsets = parts
    expiries = smiles.shape[0]
    work = np.zeros((4, expiries))
    is_due = np.ones(expiries, np.int64)
    for turn in range(SOFTENINGS_MAX + expiries):
        part = SOFTER if turn < SOFTENINGS_MAX else 0.0
        bent = np.zeros(expiries, np.int64)
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
            if is_due[i] > 0 and not least_shape(smiles, i, grid, size) > SOUND:
                bent[i] = 1
            if before >= 0 and not least_distance(smiles, before, smiles, i, grid, size) > 0.0:
                bent[i] = 1
                bent[before] = 1
            if after >= 0 and not least_distance(smiles, i, smiles, after, grid, size) > 0.0:
                bent[i] = 1
                bent[after] = 1
        is_done = True
        alone = smiles.copy() if turn < REFITS else smiles
        for i in range(expiries):
            is_due[i] = bent[i]
            if (bent[i] > 0) & (smiles[i, COUNT] > 0.0):
                is_done = False
                if turn < REFITS:
                    size = fill_grid(smiles, i, shape, PER_CELL_PROOF, grid)
                    set_band(alone, is_live, shape, i, grid, size, work)
                    hold(smiles, i, (data, offsets[i], offsets[i + 1]), stiff, grid, size, space)
                    outcome[i] = JOINT
                else:
                    soften(smiles, i, part)
                    outcome[i] = SOFTENED
        if is_done:
            break


@kernel(types.void(TABLE, DATA, WHOLE, WHOLE, DATA, DATA, WHOLE), *BUILT_FROM)
def fit_chain(
    smiles: Any, data: Any, offsets: Any, is_live: Any, shape: Any, stiff: Any, outcome: Any
) -> None:
    """Fit the live expiries of a chain, in place.

    smiles (expiries, SMILE_WIDTH): start, 1/step and count of each correction come in, all else goes out.
    data (3, quotes): k, w, 1/uncertainty² of w; offsets (expiries + 1): its part for each expiry, k
    ascending. shape (expiries, 4): lowest and highest k quoted, √w near the money, and how many quotes as
    good as can be those of the expiry are worth. stiff (expiries, 2): ridge and bend. is_live: 1 for an
    expiry to fit. outcome: ALONE, JOINT or SOFTENED.
    """
    scratch = (
        np.zeros((3, 4)),
        np.zeros((COEFFICIENTS_MAX, 4)),
        np.zeros((COEFFICIENTS_MAX, 4)),
        np.zeros((3, COEFFICIENTS_MAX)),
    )
    space = (np.zeros((3, LIMITS_MAX)), scratch)
    grid = np.zeros((4, GRID_MAX))
    parts = (data, offsets)
    counts = smiles[:, COUNT].copy()
    fit_bases(is_live, data, offsets, shape, smiles)
    for i in range(smiles.shape[0]):
        outcome[i] = ALONE
        smiles[i, COUNT] = counts[i]
        if (is_live[i] > 0) & (counts[i] > 0.0):
            size = fill_grid(smiles, i, shape, PER_CELL_FIT, grid)
            hold(smiles, i, (data, offsets[i], offsets[i + 1]), stiff, grid, size, space)
    uncross(smiles, is_live, shape, stiff, parts, grid, space, outcome)
    certify(smiles, is_live, shape, stiff, parts, grid, space, outcome)
