"""Drift v2 weights: what the size of a balance or position does to its weight.

Weights and ratios count 10⁻⁴, imf factors 10⁻⁶, sizes 10⁻⁹. Assets lose weight with their size,
liabilities and perpetuals gain it. All divisions floor. Source: Drift Labs, protocol-v2, margin maths.
"""

from __future__ import annotations

from math import isqrt


def size_premium(size: int, imf_factor: int, weight: int) -> int:
    """Return the weight of a liability or perpetual of a size: not below its own weight.

    max(w, w − ⌊w/5⌋ + ⌊√(10·size + 1)·imf/10⁷⌋) with the integer root; w where imf is 0.

    1,000 units at 1.1 and 0.01: √(10¹³ + 1) = 3,162,277, so 8,800 + 3,162 = 11,962.

    >>> size_premium(1_000 * 10**9, 10_000, 11_000)
    11962
    """
    if imf_factor == 0:
        return weight
    return max(weight, weight - weight // 5 + isqrt(10 * size + 1) * imf_factor // 10**7)


def size_discount(size: int, imf_factor: int, weight: int) -> int:
    """Return the weight of an asset of a size: not above its own weight.

    min(w, ⌊1.1·10¹⁰ / (10⁶ + ⌊√(10·size + 1)·imf/10⁵⌋)⌋) with the integer root; w where imf is 0.

    >>> size_discount(10**9 * 10**9, 10, 9_000)
    8357
    """
    if imf_factor == 0:
        return weight
    return min(weight, 11 * 10**9 // (10**6 + isqrt(10 * size + 1) * imf_factor // 10**5))


def scaled_weight(weight: int, deposits_value: int, start: int) -> int:
    """Return an asset's weight when all its deposits are worth so much: ⌊w·start/v⌋ from the start on.

    Both values in 10⁻⁶ USD. A start of 0 is none, as on the venue.

    >>> scaled_weight(9_000, 600_000 * 10**6, 500_000 * 10**6), scaled_weight(9_000, 10**6, 10**7)
    (7500, 9000)
    """
    return weight if start == 0 or deposits_value < start else weight * start // deposits_value
