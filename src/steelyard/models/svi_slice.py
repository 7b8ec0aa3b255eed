"""One expiry as a raw SVI smile: the weighted least squares of its total variances.

With x = k − m and r = √(x² + σ²) the smile is linear in three of its five parameters,

    w = a + L·(r − x)/2 + R·(r + x)/2,      L = b(1 − ρ), R = b(1 + ρ) the slopes of its wings,

so for given (m, σ) the best a, L, R solve a small quadratic problem exactly, in closed form and inside
the box 0 ≤ L, R < 2 that Lee's moment formula allows: quasi-explicit calibration (De Marco, Martini and
Zeliade Systems 2009) with the slopes of the wings for coordinates, in which their parallelogram is a square.

The best point of a coarse grid of (m, σ) is improved by Gauss-Newton steps in (m, ln σ) alone: a, L, R are
eliminated from the normal equations (variable projection), the two equations left are damped as
Levenberg and Marquardt do, and after each step a, L, R are exact again. Nothing is random and every sum
has one order.

Butterflies and calendars are not looked at: `valuation.svi_arbitrage` finds them, and `surface_fit` is
free of both. No start is asked for, and none can fail.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.quantities.errors import InputError
from steelyard.valuation.compiled import kernel, routine
from steelyard.valuation.elementary import exp, log
from steelyard.valuation.intrinsics import absolute, sqrt
from steelyard.valuation.svi import SviSmile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CENTRES = (-4.0, -1.2, -0.6, 0.0, 0.6, 1.2, 4.0)  # of the grid, in widths
ROUNDINGS = (0.3, 0.8, 1.8, 4.0)
POINTS_LEAST = 5  # as many as parameters
SLOPE_MAX = 1.99  # Lee: a wing may not rise by 2 or more
REACH = 1e3  # widths: the most of |m| and σ
SHARPEST = 1e-3  # widths: the least of σ
STEPS_MAX = 100
ENOUGH = 1e-6  # of the cost: a step that gains less is the last
DAMPING_START, DAMPING_LEAST, DAMPING_MOST = 1e-2, 1e-10, 1e6
STRETCH = 0.5  # most change of ln σ, and of m in units of σ, in a step
ROUNDING = 1e-14  # relative: less than this is left of a sum of squares by rounding alone
LEVEL, LEFT, RIGHT, CENTRE, ROUND = range(5)

COLUMN = types.Array(types.float64, 1, "C", readonly=True)
OFFSETS = types.Array(types.int64, 1, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C")
COSTS = types.Array(types.float64, 1, "C")
COUNTS = types.Array(types.int64, 1, "C")


class SviFit(NamedTuple):
    """A fitted smile, its cost Σ weight·(w(k) − w)², and the Gauss-Newton steps taken."""

    smile: SviSmile
    cost: float
    steps: int


class SliceFits(NamedTuple):
    """Fits of many slices: parameters (slices, 5) in the order a, b, ρ, m, σ; cost and steps (slices,)."""

    parameters: Floats
    cost: Floats
    steps: Ints


@routine
def boxed(value: float, low: float, high: float) -> float:
    """Return the value, moved into [low, high]."""
    return low if value < low else (high if value > high else value)


@routine
def best_slopes(spp: float, sps: float, sss: float, spw: float, ssw: float) -> Any:
    """Return (L, R) of the box [0, SLOPE_MAX]² that minimise ½·(L, R)·S·(L, R)ᵀ − (spw, ssw)·(L, R)ᵀ.

    S is positive semidefinite. A convex function of two variables on a box: the free minimum if it
    lies inside, else the best of the four sides' minima.
    """
    determinant = spp * sss - sps * sps
    left = -1.0
    right = -1.0
    if determinant > ROUNDING * spp * sss:
        left = (spw * sss - ssw * sps) / determinant
        right = (ssw * spp - spw * sps) / determinant
    if (left >= 0.0) & (left <= SLOPE_MAX) & (right >= 0.0) & (right <= SLOPE_MAX):
        return left, right
    best = np.inf
    for side in range(4):
        fixed = 0.0 if side < 2 else SLOPE_MAX
        if side % 2 == 0:
            x = fixed
            y = boxed((ssw - sps * x) / sss, 0.0, SLOPE_MAX) if sss > 0.0 else 0.0
        else:
            y = fixed
            x = boxed((spw - sps * y) / spp, 0.0, SLOPE_MAX) if spp > 0.0 else 0.0
        cost = 0.5 * (spp * x * x + sss * y * y) + sps * x * y - spw * x - ssw * y
        if cost < best:
            best = cost
            left = x
            right = y
    return left, right


@routine
def linear_part(k: Any, w: Any, q: Any, first: int, last: int, m: float, sigma: float) -> Any:
    """Return (cost, a, L, R) of the best smile with this m and σ; the cost is a difference of sums."""
    total = sp = ss = sw = 0.0
    spp = sss = spw = ssw = sww = 0.0
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
    sps = total * (0.25 * square) - sp * ss * inverse  # because p·s = σ²/4
    spp -= sp * sp * inverse
    sss -= ss * ss * inverse
    spw -= sp * sw * inverse
    ssw -= ss * sw * inverse
    sww -= sw * sw * inverse
    left, right = best_slopes(spp, sps, sss, spw, ssw)
    a = (sw - left * sp - right * ss) * inverse
    cost = spp * left * left + 2.0 * sps * left * right + sss * right * right
    cost = sww + cost - 2.0 * (spw * left + ssw * right)
    return cost, a, left, right


@routine
def exact_cost(
    k: Any, w: Any, q: Any, first: int, last: int, a: float, left: float, right: float,
    m: float, sigma: float,
) -> float:  # fmt: skip
    """Return Σ q·(w(k) − w)², residual by residual: true to the last digits where the fit is exact."""
    total = 0.0
    square = sigma * sigma
    for i in range(first, last):
        x = k[i] - m
        r = sqrt(x * x + square)
        miss = w[i] - (a + 0.5 * (left * (r - x) + right * (r + x)))
        total += q[i] * (miss * miss)
    return total


@routine
def seed(k: Any, w: Any, q: Any, first: int, last: int, width: float) -> Any:
    """Return (m, σ) of the best smile of the grid."""
    best = np.inf
    centre = 0.0
    rounding = width
    for each in CENTRES:
        for other in ROUNDINGS:
            m = each * width
            sigma = other * width
            cost, _, _, _ = linear_part(k, w, q, first, last, m, sigma)
            if cost < best:
                best = cost
                centre = m
                rounding = sigma
    return centre, rounding


@routine
def fill_normal(
    k: Any, w: Any, q: Any, first: int, last: int, a: float, left: float, right: float,
    m: float, sigma: float, h: Any,
) -> Any:  # fmt: skip
    """Write the normal matrix of (a, L, R, m, ln σ), its lower triangle, and return the last two of its right side."""
    h10 = h11 = h20 = h22 = total = 0.0
    h30 = h31 = h32 = h33 = 0.0
    h40 = h41 = h42 = h43 = h44 = 0.0
    by_centre = by_rounding = 0.0
    square = sigma * sigma
    for i in range(first, last):
        x = k[i] - m
        r = sqrt(x * x + square)
        inverse = 1.0 / r
        p = 0.5 * (r - x)
        s = 0.5 * (r + x)
        dm = (left * p - right * s) * inverse
        dz = 0.5 * (left + right) * square * inverse
        weight = q[i]
        miss = weight * (w[i] - (a + left * p + right * s))
        wm = weight * dm
        wz = weight * dz
        total += weight
        h10 += weight * p
        h11 += weight * p * p
        h20 += weight * s
        h22 += weight * s * s
        h30 += wm
        h31 += wm * p
        h32 += wm * s
        h33 += wm * dm
        h40 += wz
        h41 += wz * p
        h42 += wz * s
        h43 += wz * dm
        h44 += wz * dz
        by_centre += miss * dm
        by_rounding += miss * dz
    h[LEVEL, LEVEL] = total
    h[LEFT, LEVEL], h[LEFT, LEFT] = h10, h11
    h[RIGHT, LEVEL], h[RIGHT, LEFT], h[RIGHT, RIGHT] = h20, total * (0.25 * square), h22
    h[CENTRE, LEVEL], h[CENTRE, LEFT], h[CENTRE, RIGHT], h[CENTRE, CENTRE] = h30, h31, h32, h33
    h[ROUND, LEVEL], h[ROUND, LEFT], h[ROUND, RIGHT], h[ROUND, CENTRE] = h40, h41, h42, h43
    h[ROUND, ROUND] = h44
    return by_centre, by_rounding


@routine
def eliminate_linear(h: Any, left: float, right: float) -> None:
    """Eliminate a, L, R from the normal matrix, but not a slope that stands at a bound of its box.

    Their own right sides are zero, because a, L, R are the best for the (m, σ) at hand.
    """
    least_slopes = (0.0, ROUNDING * h[LEFT, LEFT], ROUNDING * h[RIGHT, RIGHT])
    least_centre = ROUNDING * h[CENTRE, CENTRE]
    least_round = ROUNDING * h[ROUND, ROUND]
    slopes = (0.5 * SLOPE_MAX, left, right)
    for c in range(3):
        if (slopes[c] <= 0.0) | (slopes[c] >= SLOPE_MAX) | (h[c, c] <= least_slopes[c]):
            continue
        for i in range(c + 1, 5):
            factor = h[i, c] / h[c, c]
            for j in range(c + 1, i + 1):
                h[i, j] -= factor * h[j, c]
    h[CENTRE, CENTRE] = max(h[CENTRE, CENTRE], least_centre)
    h[ROUND, ROUND] = max(h[ROUND, ROUND], least_round)


@routine
def damped_step(h: Any, by_centre: float, by_rounding: float, damping: float) -> Any:
    """Return the steps of m and ln σ of the two equations left; of zero length where they tell nothing."""
    d = h[CENTRE, CENTRE] * (1.0 + damping)
    e = h[ROUND, CENTRE]
    f = h[ROUND, ROUND] * (1.0 + damping)
    determinant = d * f - e * e
    if not determinant > ROUNDING * d * f:
        return 0.0, 0.0
    centre = (by_centre * f - by_rounding * e) / determinant
    rounding = (by_rounding * d - by_centre * e) / determinant
    return centre, rounding


@routine
def polish(
    k: Any, w: Any, q: Any, first: int, last: int, m: float, sigma: float, width: float, h: Any
) -> Any:
    """Return (cost, a, L, R, m, σ, steps) of the local minimum below the start (m, σ)."""
    reach = REACH * width
    low = log(SHARPEST * width)
    high = log(REACH * width)
    z = log(sigma)
    _, a, left, right = linear_part(k, w, q, first, last, m, sigma)
    cost = exact_cost(k, w, q, first, last, a, left, right, m, sigma)
    damping = DAMPING_START
    taken = 0
    while taken < STEPS_MAX:
        taken += 1
        by_m, by_z = fill_normal(k, w, q, first, last, a, left, right, m, sigma, h)
        eliminate_linear(h, left, right)
        # A parameter that is pushed against its bound takes no part in the step.
        if ((m <= -reach) & (by_m <= 0.0)) | ((m >= reach) & (by_m >= 0.0)):
            h[CENTRE, CENTRE], h[ROUND, CENTRE], by_m = 1.0, 0.0, 0.0
        if ((z <= low) & (by_z <= 0.0)) | ((z >= high) & (by_z >= 0.0)):
            h[ROUND, ROUND], h[ROUND, CENTRE], by_z = 1.0, 0.0, 0.0
        gain = 0.0
        while damping < DAMPING_MOST:
            step_m, step_z = damped_step(h, by_m, by_z, damping)
            new_m = boxed(m + boxed(step_m, -STRETCH * sigma, STRETCH * sigma), -reach, reach)
            new_z = boxed(z + boxed(step_z, -STRETCH, STRETCH), low, high)
            new_sigma = exp(new_z)
            _, level, one, other = linear_part(k, w, q, first, last, new_m, new_sigma)
            reached = exact_cost(k, w, q, first, last, level, one, other, new_m, new_sigma)
            if reached < cost:
                gain = cost - reached
                cost = reached
                a, left, right = level, one, other
                m, z, sigma = new_m, new_z, new_sigma
                damping = max(0.1 * damping, DAMPING_LEAST)
                break
            damping = max(10.0 * damping, 1e-3)
        if not gain > ENOUGH * cost:
            break
    return cost, a, left, right, m, sigma, taken


@routine
def width_of(k: Any, w: Any, q: Any, first: int, last: int) -> float:
    """Return √w of the quote nearest the money, the scale of the smile; NaN of a slice that is no slice."""
    count = 0
    nearest = np.inf
    width = np.nan
    for i in range(first, last):
        is_sound = (w[i] > 0.0) & (w[i] < np.inf) & (q[i] >= 0.0) & (q[i] < np.inf)
        if not (is_sound & (absolute(k[i]) < np.inf)):
            return np.nan
        if q[i] > 0.0:
            count += 1
            if absolute(k[i]) < nearest:
                nearest = absolute(k[i])
                width = sqrt(w[i])
    return width if count >= POINTS_LEAST else np.nan


@kernel(types.void(COLUMN, COLUMN, COLUMN, OFFSETS, TABLE, COSTS, COUNTS))
def fill_fits(
    k: Any, w: Any, q: Any, offsets: Any, parameters: Any, costs: Any, steps: Any
) -> None:
    """Fit each slice and write a, b, ρ, m, σ, its cost and its steps."""
    h = np.zeros((5, 5))
    for i in range(parameters.shape[0]):
        first, last = offsets[i], offsets[i + 1]
        width = width_of(k, w, q, first, last)
        if not width > 0.0:
            parameters[i] = np.nan
            costs[i] = np.nan
            steps[i] = 0
            continue
        m, sigma = seed(k, w, q, first, last, width)
        cost, a, left, right, m, sigma, taken = polish(k, w, q, first, last, m, sigma, width, h)
        b = 0.5 * (left + right)
        parameters[i, 0] = a
        parameters[i, 1] = b
        parameters[i, 2] = boxed(0.5 * (right - left) / b, -1.0, 1.0) if b > 0.0 else 0.0
        parameters[i, 3] = m
        parameters[i, 4] = sigma
        costs[i] = cost
        steps[i] = taken


def _refuse(message: str, rule: str, field: str) -> InputError:
    return InputError(
        "SVIS-E05", message, rule=rule, cure="mend or leave out these quotes", field=field
    )


def _column(values: ArrayLike, field: str) -> Floats:
    column = np.ascontiguousarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise _refuse(f"{field} has {column.ndim} dimensions", "a slice is one column", field)
    return column


def _columns(k: ArrayLike, w: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, ...]:
    moneyness = _column(k, "log_moneyness")
    variance = _column(w, "total_variance")
    weight = np.ones(len(moneyness)) if weights is None else _column(weights, "weights")
    for column, field in ((variance, "total_variance"), (weight, "weights")):
        if len(column) != len(moneyness):
            message = f"{field} has {len(column)} values, log_moneyness {len(moneyness)}"
            raise _refuse(message, "the columns of a slice are of one length", field)
    return moneyness, variance, weight


def fit_slices(
    log_moneyness: ArrayLike,
    total_variance: ArrayLike,
    weights: ArrayLike | None,
    offsets: ArrayLike,
) -> SliceFits:
    """Return the raw SVI smile of each slice: slice i holds the quotes offsets[i] to offsets[i + 1] − 1.

    log_moneyness: k = ln(K/F), (quotes,), in any order; total_variance: σ²τ, (quotes,), above 0; weights:
    (quotes,) of at least 0, 1/uncertainty² of w, None: all alike; offsets: (slices + 1,), not falling.
    A slice with a value out of range, or with fewer than five quotes of positive weight, gives NaN.

    Errors: InputError SVIS-E05 for columns of different lengths and offsets beyond them.

    >>> k = np.linspace(-0.4, 0.4, 9)
    >>> near, far = SviSmile(0.01, 0.1, -0.3, 0.05, 0.2), SviSmile(0.03, 0.2, -0.4, 0.1, 0.3)
    >>> w = np.concatenate([near.total_variance(k), far.total_variance(k)])
    >>> fit_slices(np.tile(k, 2), w, None, [0, 9, 18]).parameters.round(6).tolist()
    [[0.01, 0.1, -0.3, 0.05, 0.2], [0.03, 0.2, -0.4, 0.1, 0.3]]
    """
    k, w, q = _columns(log_moneyness, total_variance, weights)
    bounds = np.ascontiguousarray(offsets, dtype=np.int64)
    is_sound = bounds.ndim == 1 and len(bounds) > 0
    if not is_sound or bounds[0] < 0 or bounds[-1] > len(k) or (np.diff(bounds) < 0).any():
        rule = "offsets rise from 0 or more to the number of quotes or less"
        raise _refuse("offsets do not divide the quotes", rule, "offsets")
    count = len(bounds) - 1
    fits = SliceFits(np.empty((count, 5)), np.empty(count), np.empty(count, np.int64))
    fill_fits(k, w, q, bounds, *fits)
    return fits


def fit_svi(
    log_moneyness: ArrayLike, total_variance: ArrayLike, weights: ArrayLike | None = None
) -> SviFit:
    """Return the raw SVI smile of least Σ weight·(w(k) − w)² with wing slopes b(1 ± ρ) of at most 1.99.

    Arguments as in `fit_slices`. Fewer than five different k leave the smile undetermined: then it is one
    of those that fit best.

    Errors: InputError SVIS-E05 with the column as `field`: lengths or dimensions, a value that is not
    finite, w ≤ 0, a negative weight, fewer than five quotes of positive weight, weights beyond floats.

    Source: De Marco, Martini and Zeliade Systems, Quasi-explicit calibration of Gatheral's SVI model, 2009.

    >>> k = np.linspace(-0.5, 0.5, 11)
    >>> fit = fit_svi(k, SviSmile(0.04, 0.1, -0.4, 0.1, 0.2).total_variance(k))
    >>> round(fit.smile.a, 6), round(fit.smile.rho, 6), fit.cost < 1e-18
    (0.04, -0.4, True)
    >>> fit_svi([0.0, 0.1], [0.04, 0.05])
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: SVIS-E05: 2 quotes of positive weight (field=weights). \
Rule: a smile has five parameters and asks for as many quotes. Cure: mend or leave out these quotes.
    """
    k, w, q = _columns(log_moneyness, total_variance, weights)
    for column, field in ((k, "log_moneyness"), (w, "total_variance"), (q, "weights")):
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            raise _refuse(f"{field}[{bad[0]}] is {column[bad[0]]}", "quotes are finite", field)
    if not (w > 0.0).all():
        message = f"total_variance[{int(np.argmin(w))}] is {w.min()}"
        raise _refuse(message, "total variance is above 0", "total_variance")
    if not (q >= 0.0).all():
        message = f"weights[{int(np.argmin(q))}] is {q.min()}"
        raise _refuse(message, "a weight is at least 0", "weights")
    count = int(np.count_nonzero(q))
    if count < POINTS_LEAST:
        rule = "a smile has five parameters and asks for as many quotes"
        raise _refuse(f"{count} quotes of positive weight", rule, "weights")
    fits = fit_slices(k, w, q, (0, len(k)))
    if not (np.isfinite(fits.parameters).all() and np.isfinite(fits.cost[0])):
        raise _refuse("the sums of squares overflow", "weights·w² stays a float", "weights")
    return SviFit(SviSmile(*fits.parameters[0].tolist()), float(fits.cost[0]), int(fits.steps[0]))
