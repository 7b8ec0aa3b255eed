"""One root of a continuous function between two places where its signs differ."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, sqrt

STEPS_MAX = 200


def bracketed_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return x in [low, high] with function(x) = 0, to the last bits of x.

    Ridders' way: the function times the exponential that makes three points of it straight, then the line
    through them; the root stays bracketed at every step. Raises ValueError if the signs do not differ.

    >>> round(bracketed_root(lambda x: x * x - 2.0, 0.0, 2.0), 15)
    1.414213562373095
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0.0 or at_high == 0.0:
        return low if at_low == 0.0 else high
    if not (at_low < 0.0 < at_high or at_high < 0.0 < at_low):
        raise ValueError("a root needs two places where the signs differ")
    for _ in range(STEPS_MAX):
        middle = 0.5 * (low + high)
        at_middle = function(middle)
        if at_middle == 0.0 or middle in (low, high):
            return middle
        # as multiples of the value in the middle, so that tiny values have no product of 0
        share = copysign(1.0, at_middle) / sqrt(1.0 - (at_low / at_middle) * (at_high / at_middle))
        x = middle + (middle - low) * copysign(1.0, at_low - at_high) * share
        at_x = function(x)
        if at_x == 0.0:
            return x
        if (at_middle < 0.0) != (at_x < 0.0):
            (low, at_low), (high, at_high) = sorted(((middle, at_middle), (x, at_x)))
        elif (at_low < 0.0) != (at_x < 0.0):
            high, at_high = x, at_x
        else:
            low, at_low = x, at_x
        if high - low <= 4e-16 * max(abs(low), abs(high)):
            break
    return low if abs(at_low) < abs(at_high) else high
