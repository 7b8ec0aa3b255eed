"""The steps of `smiles` and `smile_values` in plain Python: the definition the kernels are held to.

A smile is a row of `SMILE_WIDTH` numbers as `smiles` lays it out. The steps are those of the kernels in
the same order; a test demands equal bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.valuation.elementary_twin import NAN, log_ratio, square_root
from steelyard.valuation.smile_values import LARGEST_PRICE, SMALLEST_PRICE
from steelyard.valuation.smiles import (
    COEFFICIENTS_MAX,
    COUNT,
    FIRST_COEFFICIENT,
    INVERSE_STEP,
    RHO,
    SIGMA,
    SIXTH,
    START,
    A,
    B,
    M,
)

Smile = Sequence[float]


def correction_cell(smile: Smile, k: float) -> tuple[int, float]:
    """Return (j, t): the spline cell of k and the place in it, 0 ≤ t < 1; j = −1 outside the reach.

    >>> bent = [0.04, 0.1, 0.0, 0.0, 0.2, -1.0, 2.0, 3.0, *[0.01] * 40]
    >>> correction_cell(bent, 0.3), correction_cell(bent, 2.0)
    ((2, 0.6000000000000001), (-1, 0.0))
    """
    x = (k - smile[START]) * smile[INVERSE_STEP]
    count = smile[COUNT]
    is_inside = count > 0.0 and 0.0 <= x < count + 3.0
    if not is_inside:
        return -1, 0.0
    cell = int(x)
    return cell, x - float(cell)


def coefficient(smile: Smile, j: int) -> float:
    """Return coefficient j, 0 where there is none."""
    return smile[FIRST_COEFFICIENT + j] if 0 <= j < COEFFICIENTS_MAX else 0.0


def total_variance(smile: Smile, k: float) -> float:
    """Return w(k).

    >>> flat = [0.04, 0.0, 0.0, 0.0, 0.1, *[0.0] * 43]
    >>> total_variance(flat, 0.3)
    0.04
    """
    x = k - smile[M]
    root = square_root(x * x + smile[SIGMA] * smile[SIGMA])
    w = smile[A] + smile[B] * (smile[RHO] * x + root)
    j, t = correction_cell(smile, k)
    if j < 0:
        return w
    r = 1.0 - t
    c0 = coefficient(smile, j - 3) * (r * r * r)
    c1 = coefficient(smile, j - 2) * ((3.0 * t - 6.0) * (t * t) + 4.0)
    c2 = coefficient(smile, j - 1) * ((3.0 * r - 6.0) * (r * r) + 4.0)
    c3 = coefficient(smile, j) * (t * t * t)
    return w + ((c0 + c1) + (c2 + c3)) * SIXTH


def smile_slopes(smile: Smile, k: float) -> tuple[float, float, float]:
    """Return (w, w', w'') at k."""
    sigma, b = smile[SIGMA], smile[B]
    x = k - smile[M]
    root = square_root(x * x + sigma * sigma)
    inverse = 1.0 / root if root > 0.0 else 0.0
    w = smile[A] + b * (smile[RHO] * x + root)
    first = b * (smile[RHO] + x * inverse)
    second = b * ((sigma * inverse) * (sigma * inverse) * inverse)
    j, t = correction_cell(smile, k)
    if j < 0:
        return w, first, second
    r = 1.0 - t
    c0, c1, c2, c3 = (coefficient(smile, n) for n in range(j - 3, j + 1))
    scale = smile[INVERSE_STEP]
    value = (c0 * (r * r * r) + c1 * ((3.0 * t - 6.0) * (t * t) + 4.0)) + (
        c2 * ((3.0 * r - 6.0) * (r * r) + 4.0) + c3 * (t * t * t)
    )
    slope = (c3 * (t * t) - c0 * (r * r)) + (
        c1 * ((3.0 * t - 4.0) * t) - c2 * ((3.0 * r - 4.0) * r)
    )
    bend = (c0 * r + c3 * t) + (c1 * (3.0 * t - 2.0) + c2 * (3.0 * r - 2.0))
    return w + value * SIXTH, first + slope * (0.5 * scale), second + bend * (scale * scale)


def durrleman(k: float, w: float, first: float, second: float) -> float:
    """Return g(k), whose sign is that of the implied density; −1 where w is not above zero.

    >>> durrleman(0.3, 0.04, 0.0, 0.0)
    1.0
    """
    if not w > 0.0:
        return -1.0
    inverse = 1.0 / w
    lean = 1.0 - 0.5 * k * first * inverse
    return lean * lean - 0.25 * (first * first) * (inverse + 0.25) + 0.5 * second


def variance_at(smiles: Sequence[Smile], times: Sequence[float], k: float, t: float) -> float:
    """Return w(k, t) of a surface: in proportion before, linear between, in parallel behind its smiles.

    >>> near, far = ([a, 0.0, 0.0, 0.0, 0.1, *[0.0] * 43] for a in (0.04, 0.12))
    >>> [variance_at([near, far], [1.0, 2.0], 0.0, t) for t in (0.5, 1.5, 3.0)]
    [0.02, 0.07999999999999999, 0.18]
    """
    count = len(times)
    if count == 0 or not t > 0.0:
        return NAN
    if t <= times[0]:
        return total_variance(smiles[0], k) * (t / times[0])
    last = count - 1
    if t >= times[last]:
        rate = total_variance(smiles[last], 0.0) / times[last]
        return total_variance(smiles[last], k) + (t - times[last]) * rate
    high = next(i for i in range(count) if times[i] > t)
    near = total_variance(smiles[high - 1], k)
    far = total_variance(smiles[high], k)
    return near + (far - near) * ((t - times[high - 1]) / (times[high] - times[high - 1]))


def volatility_at(
    smiles: Sequence[Smile],
    times: Sequence[float],
    forward: float,
    strike: float,
    time_years: float,
) -> float:
    """Return √(w(ln(strike/forward), t)/t), NaN for a forward, strike or time that is no use.

    >>> flat = [0.04, 0.0, 0.0, 0.0, 0.1, *[0.0] * 43]
    >>> volatility_at([flat], [1.0], 100.0, 90.0, 0.5), volatility_at([flat], [1.0], 100.0, -1.0, 0.5)
    (0.2, nan)
    """
    is_good = all(SMALLEST_PRICE <= price <= LARGEST_PRICE for price in (forward, strike))
    if not is_good or not time_years > 0.0:
        return NAN
    w = variance_at(smiles, times, log_ratio(strike, forward), time_years)
    variance = w / time_years
    return square_root(variance) if variance > 0.0 else NAN
