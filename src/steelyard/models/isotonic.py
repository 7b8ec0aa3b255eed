"""Pooling adjacent violators: the nearest rising sequence, one value pushed after the other.

Source: Ayer, Brunk, Ewing, Reid and Silverman 1955.
"""

from __future__ import annotations

from typing import Any

from steelyard.valuation.compiled import routine

VALUE, WEIGHT, SIZE = range(3)


@routine
def push(blocks: Any, count: int, value: float, weight: float) -> Any:
    """Add a value behind `count` rising blocks, pool while it is not above the last, return the new count.

    blocks (3, capacity): value, weight and number of members of each block.
    """
    size = 1.0
    while count > 0 and blocks[VALUE, count - 1] >= value:
        count -= 1
        together = blocks[WEIGHT, count] + weight
        value = (blocks[VALUE, count] * blocks[WEIGHT, count] + value * weight) / together
        weight = together
        size += blocks[SIZE, count]
    blocks[VALUE, count] = value
    blocks[WEIGHT, count] = weight
    blocks[SIZE, count] = size
    return count + 1
