"""Smiles: total implied variance as a function of log-moneyness, one row of a table each.

A smile is a raw SVI curve (Gatheral 2004) and a correction of finite reach on top of it:

    w(k) = a + b·(ρ·(k − m) + √((k − m)² + σ²)) + Σ_j c_j·N((k − start)/step − j)

with k = ln(strike/forward), w = volatility² · years, and N the uniform cubic B-spline on [0, 4]. The
correction has two continuous derivatives, so the density that the smile implies is continuous, and it
is zero outside [start, start + (count + 3)·step], so the wings are the straight lines of the SVI.

Layout of a row (`SMILE_WIDTH` float64): a, b, ρ, m, σ, start, 1/step, count, then the coefficients,
zero behind the last one. A table of smiles is C-contiguous, one row an expiry, ascending.

The steps are plain IEEE 754 operations in a fixed order: the same bits on every machine.
"""

from __future__ import annotations

from typing import Any

from steelyard.valuation.compiled import inline, routine
from steelyard.valuation.intrinsics import floor, sqrt

A, B, RHO, M, SIGMA, START, INVERSE_STEP, COUNT = range(8)
FIRST_COEFFICIENT = 8
COEFFICIENTS_MAX = 40
SMILE_WIDTH = FIRST_COEFFICIENT + COEFFICIENTS_MAX

SIXTH = 1.0 / 6.0


@inline
def correction_cell(smiles: Any, i: int, k: float) -> Any:
    """Return (j, t): the spline cell of k and the place in it, 0 ≤ t < 1; j = −1 outside the reach."""
    x = (k - smiles[i, START]) * smiles[i, INVERSE_STEP]
    count = smiles[i, COUNT]
    is_inside = (count > 0.0) & (x >= 0.0) & (x < count + 3.0)
    place = x if is_inside else 0.0
    cell = floor(place)
    return (int(cell) if is_inside else -1), place - cell


@inline
def coefficient(smiles: Any, i: int, j: int) -> Any:
    """Return coefficient j of smile i, 0 where there is none."""
    is_there = (j >= 0) & (j < COEFFICIENTS_MAX)
    return smiles[i, FIRST_COEFFICIENT + j] if is_there else 0.0


@inline
def total_variance(smiles: Any, i: int, k: float) -> Any:
    """Return w(k) of smile i."""
    x = k - smiles[i, M]
    root = sqrt(x * x + smiles[i, SIGMA] * smiles[i, SIGMA])
    w = smiles[i, A] + smiles[i, B] * (smiles[i, RHO] * x + root)
    j, t = correction_cell(smiles, i, k)
    if j >= 0:
        r = 1.0 - t
        c0 = coefficient(smiles, i, j - 3) * (r * r * r)
        c1 = coefficient(smiles, i, j - 2) * ((3.0 * t - 6.0) * (t * t) + 4.0)
        c2 = coefficient(smiles, i, j - 1) * ((3.0 * r - 6.0) * (r * r) + 4.0)
        c3 = coefficient(smiles, i, j) * (t * t * t)
        w += ((c0 + c1) + (c2 + c3)) * SIXTH
    return w


@routine
def smile_slopes(smiles: Any, i: int, k: float) -> Any:
    """Return (w, w', w'') of smile i at k."""
    sigma = smiles[i, SIGMA]
    b = smiles[i, B]
    x = k - smiles[i, M]
    root = sqrt(x * x + sigma * sigma)
    inverse = 1.0 / root if root > 0.0 else 0.0
    w = smiles[i, A] + b * (smiles[i, RHO] * x + root)
    first = b * (smiles[i, RHO] + x * inverse)
    second = b * ((sigma * inverse) * (sigma * inverse) * inverse)
    j, t = correction_cell(smiles, i, k)
    if j >= 0:
        r = 1.0 - t
        c0 = coefficient(smiles, i, j - 3)
        c1 = coefficient(smiles, i, j - 2)
        c2 = coefficient(smiles, i, j - 1)
        c3 = coefficient(smiles, i, j)
        scale = smiles[i, INVERSE_STEP]
        value = (c0 * (r * r * r) + c1 * ((3.0 * t - 6.0) * (t * t) + 4.0)) + (
            c2 * ((3.0 * r - 6.0) * (r * r) + 4.0) + c3 * (t * t * t)
        )
        slope = (c3 * (t * t) - c0 * (r * r)) + (
            c1 * ((3.0 * t - 4.0) * t) - c2 * ((3.0 * r - 4.0) * r)
        )
        bend = (c0 * r + c3 * t) + (c1 * (3.0 * t - 2.0) + c2 * (3.0 * r - 2.0))
        w += value * SIXTH
        first += slope * (0.5 * scale)
        second += bend * (scale * scale)
    return w, first, second


@inline
def durrleman(k: float, w: float, first: float, second: float) -> float:
    """Return g(k), whose sign is that of the implied density; −1 where w is not above zero.

    g = (1 − k·w'/(2w))² − (w'²/4)·(1/w + 1/4) + w''/2. Source: Durrleman; Gatheral and Jacquier 2014.
    """
    inverse = 1.0 / w if w > 0.0 else 0.0
    lean = 1.0 - 0.5 * k * first * inverse
    g = lean * lean - 0.25 * (first * first) * (inverse + 0.25) + 0.5 * second
    return g if w > 0.0 else -1.0
