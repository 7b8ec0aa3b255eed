"""Bands: between which curves each smile may lie so that no two of them cross.

At every k the total variances of all expiries are pooled until they rise with the expiry: the isotonic
regression (pool adjacent violators, Ayer et al. 1955), which is the nearest rising sequence in weighted squares.
A smile's band reaches half-way to the pooled values of its neighbours, so neighbours share one edge and a
crossing is settled by all expiries that take part in it, each by its weight: the precision of its quotes
over the strikes they cover, and less the further k lies beyond them. Pooled values stand a little apart.
"""

from __future__ import annotations

from typing import Any

from steelyard.models.arbitrage import NO_LIMIT
from steelyard.models.isotonic import push
from steelyard.models.ssvi_base import HIGHEST, LOWEST, PRECISION, WIDTH
from steelyard.valuation.compiled import routine
from steelyard.valuation.smiles import total_variance

GAP = 1e-3  # of the variance, between pooled values
INSET = 2e-4  # of twice the variance: each keeps off the edge it shares, since limits are soft
OUTSIDE = 2e-5  # of the variance: what counts as outside of a band


@routine
def weight_at(shape: Any, i: int, k: float) -> Any:
    """Return how much expiry i counts at k."""
    beyond = 0.0
    if k < shape[i, LOWEST]:
        beyond = (shape[i, LOWEST] - k) / shape[i, WIDTH]
    if k > shape[i, HIGHEST]:
        beyond = (k - shape[i, HIGHEST]) / shape[i, WIDTH]
    fall = 1.0 + beyond * beyond
    return shape[i, PRECISION] / (fall * fall) + 1e-12


@routine
def pool(smiles: Any, is_live: Any, shape: Any, k: float, work: Any) -> int:
    """Write the pooled variances at k into work[0], one a live expiry in order; return how many.

    work (4, expiries): pooled value of each, then of the blocks their values, weights and sizes.
    """
    blocks = 0
    count = 0
    for i in range(smiles.shape[0]):
        if is_live[i] == 0:
            continue
        value = total_variance(smiles, i, k)
        blocks = push(work[1:], blocks, value, weight_at(shape, i, k))
        count += 1
    place = 0
    for block in range(blocks):
        size = int(work[3, block])
        for rank in range(size):
            work[0, place] = work[1, block] * (1.0 + GAP * (2.0 * rank - (size - 1)))
            place += 1
    return count


@routine
def set_band(
    smiles: Any, is_live: Any, shape: Any, i: int, grid: Any, size: int, work: Any
) -> bool:
    """Write the band of smile i into grid[1] and grid[2]; return whether the smile leaves it."""
    place = 0
    for j in range(i):
        place += 1 if is_live[j] > 0 else 0
    leaves = False
    for j in range(size):
        k = grid[0, j]
        count = pool(smiles, is_live, shape, k, work)
        own = total_variance(smiles, i, k)
        grid[1, j] = 0.0
        grid[2, j] = NO_LIMIT
        if place > 0:
            grid[1, j] = (0.5 + INSET) * (work[0, place - 1] + work[0, place])
            leaves |= own < grid[1, j] * (1.0 - OUTSIDE)
        if place < count - 1:
            grid[2, j] = (0.5 - INSET) * (work[0, place] + work[0, place + 1])
            leaves |= own > grid[2, j] * (1.0 + OUTSIDE)
    return leaves
