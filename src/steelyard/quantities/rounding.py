"""Named roundings on integers of any length (Python integers: no overflow, no float)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm


def ceil_div(numerator: int, denominator: int) -> int:
    """Return numerator/denominator rounded to plus infinity; the denominator is positive.

    >>> ceil_div(7, 2), ceil_div(-7, 2)
    (4, -3)
    """
    assert denominator > 0
    return -((-numerator) // denominator)


def mul_div_floor(a: int, b: int, denominator: int) -> int:
    """Return a·b/denominator rounded to minus infinity, exact in between.

    >>> mul_div_floor(10**18, 3, 10**18), mul_div_floor(-1, 1, 2)
    (3, -1)
    """
    assert denominator > 0
    return (a * b) // denominator


def mul_div_ceil(a: int, b: int, denominator: int) -> int:
    """Return a·b/denominator rounded to plus infinity, exact in between.

    >>> mul_div_ceil(1, 1, 2), mul_div_ceil(-1, 1, 2)
    (1, 0)
    """
    return ceil_div(a * b, denominator)


def largest_remainder(
    parts: Sequence[float | Fraction | Decimal], total: int, scale: int = 1
) -> list[int]:
    """Return integers near `parts`·scale that sum to `total` exactly.

    Each part is rounded down; the units still missing go to the largest remainders, ties to the
    earlier part. A difference larger than the number of parts (the parts did not sum to the total
    to begin with) is spread the same way, whole rounds first, so the sum always holds.

    Units: those of `parts` times `scale`. Source: Hamilton's method of apportionment.

    >>> largest_remainder([1.5, 1.5, 1.0], 4)
    [2, 1, 1]
    >>> largest_remainder([0.25, 0.25], 1)
    [1, 0]
    >>> largest_remainder([0.5, 0.25], 75, scale=100)
    [50, 25]
    """
    if not parts:
        assert total == 0, "nothing to spread a total over"
        return []
    ratios = [part.as_integer_ratio() for part in parts]
    common = lcm(*(denominator for _, denominator in ratios))
    split = [divmod(n * scale * (common // d), common) for n, d in ratios]
    whole = [floor for floor, _ in split]
    order = sorted(range(len(parts)), key=lambda i: (-split[i][1], i))
    rounds, missing = divmod(total - sum(whole), len(parts))
    for position, index in enumerate(order):
        whole[index] += rounds + (1 if position < missing else 0)
    assert sum(whole) == total
    return whole
