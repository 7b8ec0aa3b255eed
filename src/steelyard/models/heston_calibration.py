"""Calibrate the five Heston parameters to a surface of option quotes.

Cost: ½·Σ w_i·((V_i(parameters) − V_i)/vega_i)², over out-of-the-money prices, each in the volatility
points its difference is worth (vega of Black at the quoted volatility, at least VEGA_FLOOR·F·√T, so
that a far wing cannot outvote the rest). Own Levenberg-Marquardt with the exact slopes of
`heston_greeks`, in the coordinates ln v0, ln κ, ln θ, ln σ, artanh ρ, held inside a box.

Start. v0 and θ from the variance at the money of the first and last expiry; a few combinations of
κ, σ and ρ, the smile's own slope and curvature among them, are priced and tried from the cheapest on.
A second start counts only where the first leaves more than REMAINDER_GOOD.

Deterministic: no chance, sums in a fixed order. Source: own; criteria in specs/18-HEST.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.quantities.errors import InputError
from steelyard.valuation.black76 import Floats, black76_price
from steelyard.valuation.compiled import kernel
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.heston import HestonParameters
from steelyard.valuation.heston_greeks import fill_slopes
from steelyard.valuation.implied_volatility import implied_volatility as volatility_of_price

COUNT = 5
QUOTES_MIN = 5
VEGA_FLOOR = 0.004  # of F·√T; at the money vega is 0.4·F·√T
SEARCH_TOLERANCE = 1e-6  # of the strike, while starts are compared
FIT_TOLERANCE = 1e-12
REMAINDER_GOOD = 2e-4  # root mean square of 0.02 volatility points: no second start
STARTS_MAX = 3
ITERATIONS_MAX = 100
DAMPING_START, DAMPING_LARGEST = 1e-3, 1e12
STEP_SMALL, FALL_SMALL = 1e-13, 1e-14
# The box: v0, κ, θ, σ by their logarithms, ρ by artanh.
LOWEST = np.log([1e-6, 1e-3, 1e-6, 1e-3, math.exp(-math.atanh(0.999))])
HIGHEST = np.log([25.0, 100.0, 25.0, 30.0, math.exp(math.atanh(0.999))])

TABLE = types.Array(types.float64, 2, "C")
ROW = types.Array(types.float64, 1, "C")


@dataclass(frozen=True, slots=True)
class HestonFit:
    """What a calibration found.

    residuals: model less quote in volatility points (1 = 1 %), by vega, in the order of the quotes;
    NaN for quotes that were left out. rmse: their weighted root mean square. has_converged: the last
    step, or what it gained, was below rounding.
    """

    parameters: HestonParameters
    rmse: float
    iterations: int
    has_converged: bool
    residuals: Floats
    is_used: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Quotes:
    """The good quotes, by time: out of the money, with price, vega and root of the weight."""

    order: NDArray[np.int64]
    is_call: NDArray[np.bool_]
    forward: Floats
    strike: Floats
    time_years: Floats
    volatility: Floats
    price: Floats
    scale: Floats  # √weight / vega


@kernel(types.void(TABLE, ROW, ROW, TABLE, ROW))
def fill_normal(slopes: Any, residual: Any, scale: Any, square: Any, right: Any) -> None:
    """Write J·Jᵗ and J·r for J = scale·slopes, summed over the quotes in their order."""
    for a in range(square.shape[0]):
        total = 0.0
        for i in range(residual.shape[0]):
            total += slopes[a, i] * scale[i] * residual[i]
        right[a] = total
        for b in range(a + 1):
            total = 0.0
            for i in range(residual.shape[0]):
                total += (slopes[a, i] * scale[i]) * (slopes[b, i] * scale[i])
            square[a, b] = total
            square[b, a] = total


def to_parameters(x: Floats) -> HestonParameters:
    """Return the parameters of a point of the search."""
    v0, kappa, theta, sigma = (math.exp(value) for value in x[:4].tolist())
    return HestonParameters(v0, kappa, theta, sigma, math.tanh(float(x[4])))


def to_point(parameters: HestonParameters) -> Floats:
    """Return the point of the search, inside the box."""
    v0, kappa, theta, sigma, rho = parameters.as_array().tolist()
    positive = [math.log(max(value, 1e-12)) for value in (v0, kappa, theta, sigma)]
    bounded = math.atanh(min(max(rho, -0.999), 0.999))
    inside: Floats = np.clip(np.array([*positive, bounded]), LOWEST, HIGHEST)
    return inside


def measure(quotes: _Quotes, x: Floats, tolerance: float) -> tuple[Floats, Floats, float]:
    """Return weighted residuals, slopes by the point's coordinates (5 rows) and the cost."""
    parameters = to_parameters(x)
    out = np.empty((1 + COUNT, quotes.price.size))
    fill_slopes(
        parameters.as_array(), tolerance, 0.0, np.arange(quotes.price.size),
        quotes.is_call, quotes.forward, quotes.strike, quotes.time_years, out,
    )  # fmt: skip
    residual = (out[0] - quotes.price) * quotes.scale
    chain = parameters.as_array()
    chain[4] = 1.0 - chain[4] * chain[4]
    slopes = np.ascontiguousarray(out[1:] * chain[:, None])
    cost = 0.5 * math.fsum((residual * residual).tolist())
    return residual, slopes, cost if math.isfinite(cost) else math.inf


def solve(square: Floats, right: Floats, damping: float) -> list[float] | None:
    """Return the damped step, by Cholesky's factors in a fixed order; None where they fail."""
    n = right.size
    matrix = square.tolist()
    for a in range(n):
        matrix[a][a] += damping * max(matrix[a][a], 1e-300)
    factor = [[0.0] * n for _ in range(n)]
    for a in range(n):
        for b in range(a + 1):
            rest = matrix[a][b]
            for c in range(b):
                rest -= factor[a][c] * factor[b][c]
            if a == b:
                if not rest > 0.0:
                    return None
                factor[a][a] = math.sqrt(rest)
            else:
                factor[a][b] = rest / factor[b][b]
    step = [-value for value in right.tolist()]
    for a in range(n):
        for c in range(a):
            step[a] -= factor[a][c] * step[c]
        step[a] /= factor[a][a]
    for a in reversed(range(n)):
        for c in range(a + 1, n):
            step[a] -= factor[c][a] * step[c]
        step[a] /= factor[a][a]
    return step


def search(quotes: _Quotes, start: Floats) -> tuple[Floats, float, int, bool]:
    """Return the point of least cost found from `start`, its cost, iterations, and convergence."""
    x = start
    residual, slopes, cost = measure(quotes, x, FIT_TOLERANCE)
    square, right = np.empty((COUNT, COUNT)), np.empty(COUNT)
    damping, growth = DAMPING_START, 2.0
    for iteration in range(1, ITERATIONS_MAX + 1):
        fill_normal(slopes, residual, quotes.scale, square, right)
        while True:
            step = solve(square, right, damping)
            if step is not None:
                trial = np.clip(x + np.array(step), LOWEST, HIGHEST)
                moved = float(np.abs(trial - x).max())
                if moved <= STEP_SMALL:
                    return x, cost, iteration, True
                result = measure(quotes, trial, FIT_TOLERANCE)
                if result[2] < cost:
                    break
            damping *= growth
            growth *= 2.0
            if damping > DAMPING_LARGEST:
                return x, cost, iteration, cost < math.inf
        gained = cost - result[2]
        x, (residual, slopes, cost) = trial, result
        damping, growth = max(damping * 0.1, 1e-15), 2.0
        if gained <= FALL_SMALL * cost:
            return x, cost, iteration, True
    return x, cost, ITERATIONS_MAX, False


def at_the_money(quotes: _Quotes, time: float) -> tuple[float, float, float]:
    """Return volatility at the forward, slope and half curvature in ln(K/F) of one expiry.

    A parabola through the quotes, weighted towards the money; flat where they are fewer than three.
    """
    chosen = quotes.time_years == time
    k = np.log(quotes.strike[chosen] / quotes.forward[chosen])
    y = quotes.volatility[chosen]
    nearest = float(y[np.argmin(np.abs(k))])
    width = nearest * math.sqrt(time)
    if k.size < 3 or width <= 0.0:
        return nearest, 0.0, 0.0
    weight = np.exp(-0.5 * (k / width) ** 2) + 1e-9
    powers = np.stack([np.ones_like(k), k / width, (k / width) ** 2])
    square, right = np.empty((3, 3)), np.empty(3)
    fill_normal(powers, -y * weight, weight, square, right)
    found = solve(square, right, 1e-12)
    if found is None or not found[0] > 0.0:
        return nearest, 0.0, 0.0
    return found[0], found[1] / width, found[2] / (width * width)


def starting_points(quotes: _Quotes) -> list[Floats]:
    """Return points to start from, cheapest first."""
    times = np.unique(quotes.time_years)
    level, slope, bend = at_the_money(quotes, float(times[0]))
    last = at_the_money(quotes, float(times[-1]))[0]
    v0, theta = level * level, last * last
    # For short times the volatility is √v0 + ρσ/(4√v0)·k + (2 − 5ρ²)σ²/(48·v0^{3/2})·k².
    square = 24.0 * v0 * level * bend + 40.0 * v0 * slope * slope
    own = math.sqrt(min(max(square, 0.01 * v0), 16.0))
    rho = min(max(4.0 * level * slope / own, -0.9), 0.9)
    points = [
        to_point(HestonParameters(min(v0, 25.0), kappa, min(far, 25.0), sigma, rho))
        for kappa in (0.5, 2.0, 6.0)
        for sigma in (own, 0.4, 1.0, 2.0)
        for far in ((theta,) if kappa > 1.0 else (theta, 1.5 * theta))
    ]
    costs = [measure(quotes, point, SEARCH_TOLERANCE)[2] for point in points]
    return [points[i] for i in sorted(range(len(points)), key=lambda i: (costs[i], i))]


def admit_quotes(
    time_years: Floats, forward: Floats, strike: Floats, is_call: Any, quoted: Floats,
    weights: Floats, *, is_price: bool,
) -> tuple[_Quotes, NDArray[np.int64]]:  # fmt: skip
    """Return the usable quotes by time, and their places; raise where they are too few."""
    if is_price:
        volatility = volatility_of_price(is_call, forward, strike, quoted, time_years).volatility
    else:
        volatility = quoted
    with np.errstate(invalid="ignore"):
        is_good = (
            np.isfinite(volatility) & (volatility > 1e-4) & (volatility < 20.0)
            & np.isfinite(forward) & (forward > 0.0) & np.isfinite(strike) & (strike > 0.0)
            & np.isfinite(time_years) & (time_years > 0.0) & np.isfinite(weights) & (weights > 0.0)
        )  # fmt: skip
    places = np.flatnonzero(is_good)
    if places.size < QUOTES_MIN:
        raise InputError(
            "HEST-E07",
            f"{places.size} of {volatility.size} quotes can be used",
            rule=f"a calibration needs {QUOTES_MIN} quotes with forward, strike, time and "
            "weight above zero and a volatility between 0.0001 and 20",
            cure="add quotes, or mend those whose price is at or below its intrinsic value",
        )
    places = places[np.argsort(time_years[places], kind="stable")]
    f, k, t, v = (column[places] for column in (forward, strike, time_years, volatility))
    call = k >= f
    vega = black76_greeks(call, f, k, v, t).vega * 100.0
    vega = np.maximum(vega, VEGA_FLOOR * f * np.sqrt(t))
    scale = np.sqrt(weights[places]) / vega
    price = black76_price(call, f, k, v, t)
    order = np.arange(places.size)
    return _Quotes(order, call, f, k, t, v, price, scale), places


def calibrate_heston(
    time_years: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    is_call: ArrayLike,
    *,
    implied_volatility: ArrayLike | None = None,
    price: ArrayLike | None = None,
    weights: ArrayLike = 1.0,
    start: HestonParameters | None = None,
) -> HestonFit:
    """Return the Heston parameters that fit the quotes best, with residuals in their order.

    Give either implied_volatility (decimals) or undiscounted prices; the arguments broadcast to one
    flat shape. weights: relative importance of each quote, 0 leaves it out. start: where to begin,
    for example the last fit; by itself it begins at several places. Quotes that no volatility
    belongs to are left out, and said so in is_used. Raises InputError HEST-E07 for fewer than five
    usable quotes, HEST-E08 unless exactly one of volatility and price is given.

    >>> t, k = np.repeat([0.25, 1.0], 3), np.tile([80.0, 100.0, 120.0], 2)
    >>> from steelyard.valuation.heston import heston_price
    >>> model = HestonParameters(0.04, 1.5, 0.06, 0.5, -0.7)
    >>> fit = calibrate_heston(t, 100.0, k, True, price=heston_price(True, 100.0, k, t, model))
    >>> fit.has_converged, [round(float(value), 6) for value in fit.parameters.as_array()]
    (True, [0.04, 1.5, 0.06, 0.5, -0.7])
    """
    if (implied_volatility is None) == (price is None):
        raise InputError(
            "HEST-E08",
            "quotes are given both ways or not at all",
            rule="give implied_volatility or price",
            cure="leave one of them out",
        )
    quoted: Any = implied_volatility if price is None else price
    columns = np.broadcast_arrays(time_years, forward, strike, quoted, weights)
    t, f, k, q, w = (np.array(column, dtype=np.float64).reshape(-1) for column in columns)
    call = np.broadcast_to(np.asarray(is_call, dtype=np.bool_), columns[0].shape).reshape(-1)
    quotes, places = admit_quotes(t, f, k, call, q, w, is_price=price is not None)
    starts = starting_points(quotes) if start is None else [to_point(start)]
    total = math.fsum(w[places].tolist())
    best: tuple[Floats, float, int, bool] | None = None
    iterations = 0
    for point in starts[:STARTS_MAX]:
        found = search(quotes, point)
        iterations += found[2]
        if best is None or found[1] < best[1]:
            best = found
        if math.sqrt(2.0 * best[1] / total) <= REMAINDER_GOOD:
            break
    assert best is not None
    residuals = np.full(t.size, np.nan)
    weighted = measure(quotes, best[0], FIT_TOLERANCE)[0]
    residuals[places] = 100.0 * weighted / np.sqrt(w[places])
    is_used = np.zeros(t.size, dtype=np.bool_)
    is_used[places] = True
    rmse = 100.0 * math.sqrt(2.0 * best[1] / total)
    return HestonFit(to_parameters(best[0]), rmse, iterations, best[3], residuals, is_used)
