"""The seed of a smile: the best raw SVI curve over a coarse grid of its two nonlinear parameters.

With x = k − m and r = √(x² + σ²) the curve is linear in three of its five parameters,

    w = a + L·(r − x)/2 + R·(r + x)/2,      L = b(1 − ρ), R = b(1 + ρ) the slopes of its wings,

so for given (m, σ) the best a, L, R solve a small quadratic problem exactly, in closed form and inside
the box 0 ≤ L, R < 2 that Lee's moment formula allows: quasi-explicit calibration (De Marco, Martini and
Zeliade Systems 2009) with the slopes of the wings for coordinates, in which their parallelogram is a square.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.valuation.compiled import routine
from steelyard.valuation.intrinsics import sqrt

CENTRES = (-4.0, -1.2, -0.6, 0.0, 0.6, 1.2, 4.0)  # of the grid, in widths
ROUNDINGS = (0.3, 0.8, 1.8, 4.0)
SLOPE_MAX = 1.99  # Lee: a wing may not rise by 2 or more


@routine
def boxed(value: float, low: float, high: float) -> float:
    """Return the value, moved into [low, high]."""
    return low if value < low else (high if value > high else value)


@routine
def best_slopes(spp: float, sps: float, sss: float, spw: float, ssw: float, high: float) -> Any:
    """Return (L, R) of the box [0, high]² that minimise ½·(L, R)·S·(L, R)ᵀ − (spw, ssw)·(L, R)ᵀ.

    S is positive semidefinite. A convex function of two variables on a box: the free minimum if it
    lies inside, else the best of the four sides' minima.
    """
    determinant = spp * sss - sps * sps
    left = -1.0
    right = -1.0
    if determinant > 1e-14 * spp * sss:
        left = (spw * sss - ssw * sps) / determinant
        right = (ssw * spp - spw * sps) / determinant
    if (left >= 0.0) & (left <= high) & (right >= 0.0) & (right <= high):
        return left, right
    best = np.inf
    for side in range(4):
        fixed = 0.0 if side < 2 else high
        if side % 2 == 0:
            x = fixed
            y = boxed((ssw - sps * x) / sss, 0.0, high) if sss > 0.0 else 0.0
        else:
            y = fixed
            x = boxed((spw - sps * y) / spp, 0.0, high) if spp > 0.0 else 0.0
        cost = 0.5 * (spp * x * x + sss * y * y) + sps * x * y - spw * x - ssw * y
        if cost < best:
            best = cost
            left = x
            right = y
    return left, right


@routine
def linear_part(k: Any, w: Any, q: Any, first: int, last: int, m: float, sigma: float) -> Any:
    """Return (cost, a, L, R): the best curve with this m and σ; q are the squared weights."""
    total = 0.0
    sp = 0.0
    ss = 0.0
    sw = 0.0
    spp = 0.0
    sss = 0.0
    spw = 0.0
    ssw = 0.0
    sww = 0.0
    square = sigma * sigma
    for i in range(first, last):
        x = k[i] - m
        r = sqrt(x * x + square)
        p = 0.5 * (r - x)
        s = 0.5 * (r + x)
        weight = q[i]
        total += weight
        sp += weight * p
        ss += weight * s
        sw += weight * w[i]
        spp += weight * (p * p)
        sss += weight * (s * s)
        spw += weight * (p * w[i])
        ssw += weight * (s * w[i])
        sww += weight * (w[i] * w[i])
    inverse = 1.0 / total
    sps = total * (0.25 * square) - sp * ss * inverse
    spp -= sp * sp * inverse
    sss -= ss * ss * inverse
    spw -= sp * sw * inverse
    ssw -= ss * sw * inverse
    sww -= sw * sw * inverse
    left, right = best_slopes(spp, sps, sss, spw, ssw, SLOPE_MAX)
    a = (sw - left * sp - right * ss) * inverse
    cost = spp * left * left + 2.0 * sps * left * right + sss * right * right
    cost = sww + cost - 2.0 * (spw * left + ssw * right)
    return cost, a, left, right


@routine
def seed(k: Any, w: Any, q: Any, first: int, last: int, width: float) -> Any:
    """Return (a, L, R, m, σ) of the best curve of the grid; width: √w near the money, sets its scale."""
    best = np.inf
    result = (0.0, 0.0, 0.0, 0.0, width)
    for i in range(7):
        m = CENTRES[i] * width
        for j in range(4):
            sigma = ROUNDINGS[j] * width
            cost, a, left, right = linear_part(k, w, q, first, last, m, sigma)
            if cost < best:
                best = cost
                result = (a, left, right, m, sigma)
    return result
