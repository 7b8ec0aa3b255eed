"""Bare SVI slices in one compiled call: what the surface's fit does first, on its own for its bench."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from steelyard.models.smile_fit import BASE, PARAMETERS_MAX, cost_of, minimise, write_row
from steelyard.models.svi_seed import SLOPE_MAX, seed
from steelyard.valuation.compiled import kernel
from steelyard.valuation.elementary import log
from steelyard.valuation.smiles import COUNT

NO_LIMIT = 1e9
STEPS = 60
DATA = types.Array(types.float64, 2, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C")
COLUMN = types.Array(types.float64, 1, "C")
WHOLE = types.Array(types.int64, 1, "C")


@kernel(
    types.void(DATA, WHOLE, COLUMN, types.float64, types.int64, TABLE, COLUMN),
    "steelyard.valuation.smiles",
    "steelyard.models.svi_seed",
    "steelyard.models.smile_fit",
)
def fit_slices(
    data: Any, offsets: Any, width: Any, enough: float, steps: int, smiles: Any, cost: Any
) -> None:
    """Fit each slice by the seed's grid and Levenberg-Marquardt; write its row and its cost.

    data (3, quotes): k, w, squared weight; width: √w near the money; enough: of the cost, the least gain.
    """
    scratch = (
        np.zeros((3, 9)),
        np.zeros((PARAMETERS_MAX, PARAMETERS_MAX)),
        np.zeros((PARAMETERS_MAX, PARAMETERS_MAX)),
        np.zeros((4, PARAMETERS_MAX)),
    )
    limits, bounds = np.zeros((3, 1)), np.zeros((BASE, 2))
    none = np.int64(0)
    free = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for i in range(smiles.shape[0]):
        first, last = offsets[i], offsets[i + 1]
        for a in range(BASE):
            bounds[a, 0] = 0.0 if 0 < a < 3 else -NO_LIMIT
            bounds[a, 1] = SLOPE_MAX if 0 < a < 3 else NO_LIMIT
        bounds[4, 0] = log(1e-3 * width[i])
        bounds[4, 1] = log(1e3 * width[i])
        p = scratch[3][2]
        p[0], p[1], p[2], p[3], sigma = seed(data[0], data[1], data[2], first, last, width[i])
        p[4] = log(sigma)
        smiles[i, COUNT] = 0.0
        write_row(p, none, smiles, i)
        minimise(
            smiles, i, none, data, first, last, limits, none, free, bounds, steps, enough, scratch
        )
        cost[i] = cost_of(smiles, i, none, data, first, last, limits, none, free)
