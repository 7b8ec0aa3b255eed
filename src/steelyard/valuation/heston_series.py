"""Heston's law of the log-price as a cosine series on an interval that is known to be wide enough.

The variance follows dv = κ(θ − v)dt + σ√v dW, the forward dF = F√v dB, dW·dB = ρ dt, and
X = ln(F_T/F_0). With n = u² + iu, ξ = κ − iρσu, d = √(ξ² + σ²n), E = (1 − e^{−dT})/d,
m = n/(ξ + d) and w = −σ²mE/2 the characteristic function is

    E[e^{iuX}] = exp(κθ·m·(E·ln(1 + w)/w − T) − v0·n·E/(2(1 + w))).

This is the branch that stays continuous in u, rearranged so that nothing is divided by σ: it holds
its digits down to σ = 0, where the price is Black's for the mean variance, and for κ = 0.

Interval. For every p inside the strip where moments exist, P(X < a) ≤ E[e^{−pX}]·e^{pa} and
P(X > b) ≤ E[e^{pX}]·e^{−pb}. The best p of each side gives a and b with either probability below a
quarter of the tolerance. That is a bound, not an estimate: a series with the whole characteristic
function as coefficients is the expectation of the payoff folded back into [a, b], so a put, worth at
most K, is wrong by at most K·P(X outside). Far left the put is flat, and folding at a changes it by no
more than K·min(1, e^y) with y = 2a − X − k and k = ln(K/F), which is at most K·e^{py} for p ≤ 1. In
units of the larger of F and K that is E[e^{−pX}]·e^{2pa}: where the left tail is so heavy that its best
p is below one, half the way is enough.

Terms. Coefficients are made in blocks until the rest of the series, continued at the fall of the
last block, is below half of the tolerance, or TERMS_MAX is reached; what is then left is told.

Source: Fang and Oosterlee, A novel pricing method for European options based on Fourier-cosine
series expansions, 2008; Albrecher, Mayer, Schoutens and Tistaert, The little Heston trap, 2007;
Andersen and Piterbarg, Moment explosions in stochastic volatility models, 2007; specs/18-HEST.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from steelyard.valuation.compiled import inline, kernel, routine
from steelyard.valuation.elementary import exp, exp_core, log
from steelyard.valuation.intrinsics import absolute, fma, sqrt
from steelyard.valuation.trigonometry import (
    PI,
    angle,
    expm1_core,
    log_of_one_plus,
    product,
    quotient,
    root_right,
    sin_cos,
)

HERE = "steelyard.valuation.heston_series"
TRIGONOMETRY = "steelyard.valuation.trigonometry"

BLOCK = 16  # terms made at once; a multiple of every vector width
TERMS_MAX = 1 << 18
STRIDE = TERMS_MAX + 136  # length of a row; at a power of two all rows would share cache places
PARAMETERS = 5
# Rows of coefficients: the price, its slope by each parameter and by time, delta, density.
PRICE, TIME, DELTA, DENSITY, ROWS = 0, 6, 7, 8, 9
# What `info` holds of a series.
LEFT, WIDTH, ERROR, TERMS, INFO = 0, 1, 2, 3, 4

SMALLEST_VARIANCE = 1e-24  # a mean total variance below this counts as none
LARGEST_VARIANCE = 1e4  # above these no price is given: the error is told as infinite
LARGEST_TIME = 1e4
SMALLEST_RATE = 1e-30  # a mean reversion of 0 counts as this, which moves no bit of a price
SMALLEST_SQUARE = 1e-60  # |w|² below this: ln(1 + w)/w is 1
LOWEST_EXPONENT = -700.0
HEAVY_REACH = 12.0  # a left end further out than this may be one with p below one
HALF_OF_ONE = 0.496  # `reach` looks up to e^0.7 times its start, which is then below one
GOLDEN = 0.6180339887498949
NARROWINGS = 9  # golden sections of the search for p; the interval is then within 1 % of its best

ROW = types.Array(types.float64, 1, "C")
TABLE = types.Array(types.float64, 2, "C")


@inline
def characteristic(
    u: float, v0: float, kappa: float, theta: float, sigma: float, rho: float, time: float
) -> Any:
    """Return the parts of ln E[e^{iuX}], each a pair: logarithm, D, m, E, 1 + w, ln(1 + w), d, e^{−dT}.

    The logarithm is κθ·G + v0·D. A caller that leaves parts unused pays nothing for them.
    """
    su = sigma * u
    xi_i = -(rho * su)
    d_r, d_i = root_right(
        fma(su * su, (1.0 - rho) * (1.0 + rho), kappa * kappa),
        su * fma(-2.0 * kappa, rho, sigma),
    )
    fall = -(d_r * time)
    decay, decay_less_one = expm1_core(fall if fall > LOWEST_EXPONENT else LOWEST_EXPONENT)
    half_sine, half_cosine = sin_cos(0.5 * d_i * time)
    bend = 2.0 * half_sine * half_sine
    e_r, e_i = decay * (1.0 - bend), -decay * (2.0 * half_sine * half_cosine)
    top = fma(-decay_less_one, 1.0 - bend, bend)
    mean_r, mean_i = quotient(top, -e_i, d_r, d_i)
    m_r, m_i = quotient(u * u, u, kappa + d_r, xi_i + d_i)
    me_r, me_i = product(m_r, m_i, mean_r, mean_i)
    half = -0.5 * sigma * sigma
    w_r, w_i = half * me_r, half * me_i
    square = fma(w_r, w_r, w_i * w_i)
    log_r = 0.5 * log_of_one_plus(fma(2.0, w_r, square))
    log_i = angle(w_i, 1.0 + w_r)
    is_small = square < SMALLEST_SQUARE
    share_r, share_i = quotient(log_r, log_i, 1.0 if is_small else w_r, 0.0 if is_small else w_i)
    share_r = 1.0 if is_small else share_r
    share_i = 0.0 if is_small else share_i
    span_r, span_i = product(mean_r, mean_i, share_r, share_i)
    g_r, g_i = product(m_r, m_i, span_r - time, span_i)
    ne_r, ne_i = product(u * u, u, mean_r, mean_i)
    d0_r, d0_i = quotient(-0.5 * ne_r, -0.5 * ne_i, 1.0 + w_r, w_i)
    level = kappa * theta
    real = fma(level, g_r, v0 * d0_r)
    imaginary = fma(level, g_i, v0 * d0_i)
    return (
        (real if real > LOWEST_EXPONENT else LOWEST_EXPONENT, imaginary),
        (d0_r, d0_i),
        (g_r, g_i),
        (m_r, m_i),
        (mean_r, mean_i),
        (1.0 + w_r, w_i),
        (log_r, log_i),
        (d_r, d_i),
        (e_r, e_i),
    )


@routine
def log_moment(
    p: float, v0: float, kappa: float, theta: float, sigma: float, rho: float, time: float
) -> float:
    """Return ln E[e^{pX}], or inf where that moment is infinite: the same formula at u = −ip."""
    n = p - p * p
    xi = fma(-rho * sigma, p, kappa)
    square = fma(sigma * sigma, n, xi * xi)
    level = kappa * theta
    if square >= 0.0:
        d = sqrt(square if square > SMALLEST_SQUARE else SMALLEST_SQUARE)
        fall = -(d * time)
        decay, decay_less_one = expm1_core(fall if fall > LOWEST_EXPONENT else LOWEST_EXPONENT)
        mean = -decay_less_one / d
        if xi >= 0.0:
            both = 0.5 * fma(xi, mean, 1.0 + decay)
            slope = -n / (xi + d)
            w = 0.5 * sigma * sigma * slope * mean
            share = log_of_one_plus(w) / w if absolute(w) > SMALLEST_RATE else 1.0
            fixed = level * slope * (time - mean * share) if both > 0.0 else np.inf
        else:
            # 1 + ξ/d cancels, and (ξ − d)/σ² does not.
            both = 0.5 * fma(decay, 1.0 - xi / d, sigma * sigma * n / (d * (d - xi)))
            slope = (xi - d) / (sigma * sigma)
            turned = log(both if both > 0.0 else 1.0)
            fixed = level * fma(slope, time, -2.0 * turned / (sigma * sigma))
        return fixed - 0.5 * v0 * n * mean / both if both > 0.0 else np.inf
    d = sqrt(-square)
    turn = 0.5 * d * time
    if turn >= PI:
        return np.inf
    sine, cosine = sin_cos(turn)
    both = fma(xi / d, sine, cosine)
    if both <= 0.0:
        return np.inf
    drift = level / (sigma * sigma) * fma(xi, time, -2.0 * log(both))
    return drift - v0 * n * sine / (d * both)


@routine
def reach(
    sign: float, needed: float, start: float, lowest: float, v0: float, kappa: float,
    theta: float, sigma: float, rho: float, time: float,
) -> float:  # fmt: skip
    """Return x with P(sign·X > x) ≤ e^{−needed}: the smallest (ln E[e^{sign·pX}] + needed)/p found.

    That quotient falls and then rises in p, so sections of the golden kind close in on ln p.
    start: where a normal law would have it; lowest: the smallest p allowed.
    """
    high = log(start if start > lowest else lowest) + 0.7
    low = high - 4.0
    floor = log(lowest)
    best = np.inf
    while best == np.inf:
        low = low if low > floor else floor
        left = high - GOLDEN * (high - low)
        right = low + GOLDEN * (high - low)
        p = exp(left)
        at_left = (log_moment(sign * p, v0, kappa, theta, sigma, rho, time) + needed) / p
        p = exp(right)
        at_right = (log_moment(sign * p, v0, kappa, theta, sigma, rho, time) + needed) / p
        for _ in range(NARROWINGS):
            if at_left <= at_right and at_left < np.inf:
                high, right, at_right = right, left, at_left
                left = high - GOLDEN * (high - low)
                p = exp(left)
                at_left = (log_moment(sign * p, v0, kappa, theta, sigma, rho, time) + needed) / p
            elif at_right < at_left:
                low, left, at_left = left, right, at_right
                right = low + GOLDEN * (high - low)
                p = exp(right)
                at_right = (log_moment(sign * p, v0, kappa, theta, sigma, rho, time) + needed) / p
            else:  # both infinite: the strip ends further down
                high, right, at_right = right, left, at_left
                left = high - GOLDEN * (high - low)
                p = exp(left)
                at_left = (log_moment(sign * p, v0, kappa, theta, sigma, rho, time) + needed) / p
        best = at_left if at_left < at_right else at_right
        if best == np.inf and low <= floor:
            p = lowest
            best = (log_moment(sign * p, v0, kappa, theta, sigma, rho, time) + needed) / p
            break
        low = low - 4.0
    return best


@inline
def mean_variance(v0: float, kappa: float, theta: float, time: float) -> float:
    """Return the mean of the variance summed over the time: θT + (v0 − θ)(1 − e^{−κT})/κ."""
    rate = kappa if kappa > SMALLEST_RATE else SMALLEST_RATE
    fall = -(rate * time)
    less_one = expm1_core(fall if fall > LOWEST_EXPONENT else LOWEST_EXPONENT)[1]
    mean = -less_one / rate
    return fma(theta, time - mean, v0 * mean)


@kernel(types.boolean(*[types.float64] * 7, ROW), TRIGONOMETRY)
def find_interval(
    v0: float, kappa: float, theta: float, sigma: float, rho: float, time: float,
    tolerance: float, info: Any,
) -> bool:  # fmt: skip
    """Write LEFT and WIDTH of the interval; return False where the price is certain to stand still."""
    rate = kappa if kappa > SMALLEST_RATE else SMALLEST_RATE
    total = mean_variance(v0, rate, theta, time)
    info[LEFT], info[WIDTH], info[ERROR], info[TERMS] = 0.0, 0.0, 0.0, 0.0
    if not (time > 0.0) & (total > SMALLEST_VARIANCE):
        return False
    if not (time < LARGEST_TIME) & (total < LARGEST_VARIANCE):
        info[ERROR] = np.inf
        return False
    needed = -log(0.25 * tolerance)
    start = sqrt(2.0 * needed / total)
    down = reach(-1.0, needed, start, 1e-3, v0, rate, theta, sigma, rho, time)
    if down > HEAVY_REACH:
        below_one = start if start < HALF_OF_ONE else HALF_OF_ONE
        half = 0.5 * reach(-1.0, needed, below_one, 1e-3, v0, rate, theta, sigma, rho, time)
        down = half if half < down else down
    up = reach(1.0, needed, start, 1.0, v0, rate, theta, sigma, rho, time)
    if not down + up < np.inf:
        info[ERROR] = np.inf
        return False
    info[LEFT] = -down
    info[WIDTH] = down + up
    return True


@inline
def rest_of_series(
    before: float, last: float, u: float, width: float, density_weight: float
) -> float:
    """Return what the terms beyond u may add: twice the geometric sum at the last block's rate.

    A price coefficient is at most 2/u² of the density's. Where the size falls slowly the integral of
    1/u² is the better bound.
    """
    price_weight = 2.0 / (u * u)
    weight = price_weight if price_weight > density_weight else density_weight
    ratio = last / before if before > 0.0 else 0.0
    rate = -log(ratio if ratio > SMALLEST_SQUARE else SMALLEST_SQUARE) / BLOCK
    by_blocks = (4.0 / width) * weight * last / rate
    by_integral = (4.0 / PI) * last / u
    is_falling = ratio < 1.0
    bound = by_blocks if is_falling else np.inf
    return by_integral if (by_integral < bound) & (density_weight == 0.0) else bound


@kernel(types.int64(*[types.float64] * 7, TABLE, TABLE, ROW), TRIGONOMETRY)
def fill_series(
    v0: float, kappa: float, theta: float, sigma: float, rho: float, time: float,
    tolerance: float, real: Any, imaginary: Any, info: Any,
) -> int:  # fmt: skip
    """Write the coefficients of the price in row 0 and what is left out in `info`; return how many.

    real[0, j − 1] = A_j = 2/W·Re(E[e^{iuX}]·e^{−iua})/(1 + u²) with u = jπ/W; imaginary = A_j/u.
    """
    rate = kappa if kappa > SMALLEST_RATE else SMALLEST_RATE
    size = np.empty(BLOCK)
    left, width = info[LEFT], info[WIDTH]
    step = PI / width
    before, terms, rest = 1.0, 0, np.inf
    while terms < TERMS_MAX and rest > 0.5 * tolerance:
        # Slices, so that the indices count from zero: only then is the loop vectorised.
        upper, lower = real[0, terms : terms + BLOCK], imaginary[0, terms : terms + BLOCK]
        for i in range(BLOCK):
            u = step * float(terms + i + 1)
            parts = characteristic(u, v0, rate, theta, sigma, rho, time)
            size[i] = exp_core(parts[0][0])
            turn = sin_cos(fma(-u, left, parts[0][1]))
            value = (2.0 / width) * size[i] * turn[1] / fma(u, u, 1.0)
            upper[i] = value
            lower[i] = value / u
        terms += BLOCK
        rest = rest_of_series(before, size[BLOCK - 1], step * float(terms), width, 0.0)
        before = size[BLOCK - 1]
    info[ERROR] = 0.5 * tolerance + rest
    info[TERMS] = float(terms)
    return terms
