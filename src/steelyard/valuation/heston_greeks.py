"""Heston sensitivities: the derivative of every term of the series, in one pass with the price.

The logarithm of the characteristic function is κθ·G + v0·D (`heston_series`). Its slopes:

    by v0: D            by θ: κG            by T: κθD + v0·(σ²D²/2 − ξD − n/2), Riccati's equation
    by κ:  θG + κθG' + v0·D'                by σ and ρ: κθG' + v0·D'

where a slope (') follows from ξ' and d' = (ξξ' + σσ'n)/d by

    E' = (Te^{−dT} − E)·d'/d      m' = −m(ξ' + d')/(ξ + d)      (mE)' = m'E + mE'
    w' = −σ²(mE)'/2 − σσ'mE       D' = −nE'/(2(1 + w)) − D·w'/(1 + w)
    G' = −m'T + (mE)'/(1 + w) + (2σ'/σ)·mE·(1/(1 + w) − ln(1 + w)/w)

so again nothing grows as σ goes to 0. A coefficient of the price times the slope of the logarithm is
a coefficient of the price's slope. Delta and density come from the price's own coefficients.

    delta = ∂V/∂F                                             per unit of forward
    gamma = (K/F²)·density of ln(F_T/F) at ln(K/F)            delta per unit of forward
    vega, long_run_vega = 2·√v0·∂V/∂v0 / 100, 2·√θ·∂V/∂θ / 100     price per volatility point
    theta = −∂V/∂T / 365                                      price per day that passes

Source: Cui, del Baño Rollin and Germano, Full and fast calibration of the Heston stochastic
volatility model, 2017, for the idea; specs/18-HEST.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike

from steelyard.valuation.black76 import (
    COLUMN,
    FLAGS,
    Floats,
    broadcast,
    log_moneyness,
    poison,
    positive_or_zero,
)
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import exp_core
from steelyard.valuation.greeks import PER_POINT
from steelyard.valuation.heston import (
    INDEX,
    LANES,
    HestonParameters,
    option_price,
    place_in_interval,
    sum_powers,
)
from steelyard.valuation.heston_series import (
    BLOCK,
    DELTA,
    DENSITY,
    ERROR,
    HERE,
    INFO,
    LEFT,
    PARAMETERS,
    PRICE,
    ROW,
    ROWS,
    SMALLEST_RATE,
    STRIDE,
    TABLE,
    TERMS,
    TERMS_MAX,
    TIME,
    TRIGONOMETRY,
    WIDTH,
    characteristic,
    find_interval,
    rest_of_series,
)
from steelyard.valuation.intrinsics import fma
from steelyard.valuation.trigonometry import PI, product, quotient, sin_cos

GREEKS_TOLERANCE = 1e-13
NEAR_ONE = 1e-12  # |w|² below this: 1/(1 + w) − ln(1 + w)/w by its first two powers
PRICING = "steelyard.valuation.heston"


class HestonGreeks(NamedTuple):
    """Price and sensitivities, arrays of one shape; the last five are slopes by the parameters."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    long_run_vega: Floats
    theta: Floats
    by_initial_variance: Floats
    by_mean_reversion: Floats
    by_long_run_variance: Floats
    by_vol_of_vol: Floats
    by_correlation: Floats


@inline
def slopes_of(
    u: float, sigma: float, time: float, xi: Any, turn: Any, own: float, own_turn: Any, parts: Any
) -> Any:
    """Return (G', D') for a parameter with ξ' = turn and σσ' = own; own_turn = its last term of G'.

    parts: as `characteristic` returns them.
    """
    _, (dd_r, dd_i), _, (m_r, m_i), (e_r, e_i), (q_r, q_i), _, (d_r, d_i), (f_r, f_i) = parts
    a_r, a_i = product(xi[0], xi[1], turn[0], turn[1])
    b_r, b_i = quotient(fma(own, u * u, a_r), fma(own, u, a_i), d_r, d_i)  # d'
    c_r, c_i = quotient(fma(time, f_r, -e_r), fma(time, f_i, -e_i), d_r, d_i)
    es_r, es_i = product(c_r, c_i, b_r, b_i)  # E'
    h_r, h_i = quotient(turn[0] + b_r, turn[1] + b_i, xi[0] + d_r, xi[1] + d_i)
    ms_r, ms_i = product(-m_r, -m_i, h_r, h_i)  # m'
    x_r, x_i = product(ms_r, ms_i, e_r, e_i)
    y_r, y_i = product(m_r, m_i, es_r, es_i)
    me_r, me_i = x_r + y_r, x_i + y_i  # (mE)'
    k_r, k_i = product(m_r, m_i, e_r, e_i)
    half = 0.5 * sigma * sigma
    w_r, w_i = fma(-half, me_r, -own * k_r), fma(-half, me_i, -own * k_i)  # w'
    n_r, n_i = product(u * u, u, es_r, es_i)
    v_r, v_i = product(dd_r, dd_i, w_r, w_i)
    down_r, down_i = quotient(fma(-0.5, n_r, -v_r), fma(-0.5, n_i, -v_i), q_r, q_i)
    z_r, z_i = quotient(me_r, me_i, q_r, q_i)
    g_r = fma(-ms_r, time, z_r) + own_turn[0]
    g_i = fma(-ms_i, time, z_i) + own_turn[1]
    return (g_r, g_i), (down_r, down_i)


@inline
def bend_of(sigma: float, parts: Any) -> Any:
    """Return (2/σ)·mE·(1/(1 + w) − ln(1 + w)/w), the last term of ∂G/∂σ."""
    _, _, _, (m_r, m_i), (e_r, e_i), (q_r, q_i), (l_r, l_i), _, _ = parts
    k_r, k_i = product(m_r, m_i, e_r, e_i)
    half = -0.5 * sigma * sigma
    w_r, w_i = half * k_r, half * k_i
    is_near = fma(w_r, w_r, w_i * w_i) < NEAR_ONE
    one_r, one_i = quotient(1.0, 0.0, q_r, q_i)
    log_r, log_i = quotient(l_r, l_i, 1.0 if is_near else w_r, 0.0 if is_near else w_i)
    square_r, square_i = product(w_r, w_i, w_r, w_i)
    x = fma(-0.5, w_r, 2.0 / 3.0 * square_r) if is_near else one_r - log_r
    y = fma(-0.5, w_i, 2.0 / 3.0 * square_i) if is_near else one_i - log_i
    scale = 2.0 / sigma
    b_r, b_i = product(k_r, k_i, x, y)
    return scale * b_r, scale * b_i


@inline
def log_slopes(
    u: float, v0: float, kappa: float, theta: float, sigma: float, rho: float, time: float,
    parts: Any,
) -> Any:  # fmt: skip
    """Return the slopes of the logarithm by v0, κ, θ, σ, ρ and T, each a pair."""
    d0, g = parts[1], parts[2]
    level = kappa * theta
    xi = (kappa, -(rho * sigma * u))
    none = (0.0, 0.0)
    gk, dk = slopes_of(u, sigma, time, xi, (1.0, 0.0), 0.0, none, parts)
    gs, ds = slopes_of(u, sigma, time, xi, (0.0, -(rho * u)), sigma, bend_of(sigma, parts), parts)
    gr, dr = slopes_of(u, sigma, time, xi, (0.0, -(sigma * u)), 0.0, none, parts)
    square_r, square_i = product(d0[0], d0[1], d0[0], d0[1])
    pull_r, pull_i = product(xi[0], xi[1], d0[0], d0[1])
    half = 0.5 * sigma * sigma
    t_r = fma(half, square_r, fma(-0.5, u * u, -pull_r))
    t_i = fma(half, square_i, fma(-0.5, u, -pull_i))
    return (
        d0,
        (
            fma(theta, g[0], fma(level, gk[0], v0 * dk[0])),
            fma(theta, g[1], fma(level, gk[1], v0 * dk[1])),
        ),
        (kappa * g[0], kappa * g[1]),
        (fma(level, gs[0], v0 * ds[0]), fma(level, gs[1], v0 * ds[1])),
        (fma(level, gr[0], v0 * dr[0]), fma(level, gr[1], v0 * dr[1])),
        (fma(level, d0[0], v0 * t_r), fma(level, d0[1], v0 * t_i)),
    )


@kernel(types.int64(*[types.float64] * 8, TABLE, TABLE, ROW), TRIGONOMETRY, HERE)
def fill_slope_series(
    v0: float, kappa: float, theta: float, sigma: float, rho: float, time: float,
    tolerance: float, density_weight: float, real: Any, imaginary: Any, info: Any,
) -> int:  # fmt: skip
    """Write all ROWS of coefficients; return how many terms. As `fill_series` in row 0."""
    rate = kappa if kappa > SMALLEST_RATE else SMALLEST_RATE
    noise = sigma if sigma > SMALLEST_RATE else SMALLEST_RATE
    size = np.empty(BLOCK)
    left, width = info[LEFT], info[WIDTH]
    step = PI / width
    before, terms, rest = 1.0, 0, np.inf
    while terms < TERMS_MAX and rest > 0.5 * tolerance:
        # Slices, so that the indices count from zero: only then is the loop vectorised.
        upper, lower = real[:, terms : terms + BLOCK], imaginary[:, terms : terms + BLOCK]
        for i in range(BLOCK):
            u = step * float(terms + i + 1)
            parts = characteristic(u, v0, rate, theta, noise, rho, time)
            slopes = log_slopes(u, v0, rate, theta, noise, rho, time, parts)
            size[i] = exp_core(parts[0][0])
            sine, cosine = sin_cos(fma(-u, left, parts[0][1]))
            density = (2.0 / width) * size[i]
            scale = density / fma(u, u, 1.0)
            x, y = scale * cosine, scale * sine
            inverse = 1.0 / u
            upper[0, i] = x
            lower[0, i] = x * inverse
            upper[1, i] = fma(x, slopes[0][0], -(y * slopes[0][1]))
            upper[2, i] = fma(x, slopes[1][0], -(y * slopes[1][1]))
            upper[3, i] = fma(x, slopes[2][0], -(y * slopes[2][1]))
            upper[4, i] = fma(x, slopes[3][0], -(y * slopes[3][1]))
            upper[5, i] = fma(x, slopes[4][0], -(y * slopes[4][1]))
            upper[6, i] = fma(x, slopes[5][0], -(y * slopes[5][1]))
            lower[1, i] = upper[1, i] * inverse
            lower[2, i] = upper[2, i] * inverse
            lower[3, i] = upper[3, i] * inverse
            lower[4, i] = upper[4, i] * inverse
            lower[5, i] = upper[5, i] * inverse
            lower[6, i] = upper[6, i] * inverse
            upper[7, i] = x
            lower[7, i] = -x * u
            upper[8, i] = density * cosine
            lower[8, i] = 0.0
        terms += BLOCK
        rest = rest_of_series(before, size[BLOCK - 1], step * float(terms), width, density_weight)
        before = size[BLOCK - 1]
    info[ERROR] = 0.5 * tolerance + rest
    info[TERMS] = float(terms)
    return terms


@kernel(
    types.void(TABLE, TABLE, ROW, INDEX, FLAGS, *[COLUMN] * 3, TABLE), TRIGONOMETRY, HERE, PRICING
)
def fill_rows(
    real: Any, imaginary: Any, info: Any, rows: Any,
    is_call: Any, forward: Any, strike: Any, time_years: Any, out: Any,
) -> None:  # fmt: skip
    """Write price, slopes by the parameters and, if `out` has ROWS rows, by T, delta and density.

    All options of `rows` are of the expiry of the series; the density is that of ln(F_T/F).
    """
    terms = int(info[TERMS])
    width = info[WIDTH] if info[WIDTH] > 0.0 else 1.0
    count = rows.shape[0]
    lanes = np.zeros((6, (count + LANES - 1) // LANES * LANES))
    z_r, z_i, sum_r, sum_i, depth = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    decay = lanes[5]
    k = np.empty(count)
    for i in range(count):
        f = positive_or_zero(forward[rows[i]])
        s = positive_or_zero(strike[rows[i]])
        k[i] = log_moneyness(s, f)
        depth[i], z_r[i], z_i[i], decay[i] = place_in_interval(k[i], info)
    for series in range(out.shape[0]):
        total = 0.0
        for j in range(terms - 1, -1, -1):
            total += real[series, j]
        sum_powers(real, imaginary, series, terms, z_r, z_i, sum_r, sum_i)
        for i in range(count):
            row = rows[i]
            f = positive_or_zero(forward[row])
            s = positive_or_zero(strike[row])
            is_inside = (info[WIDTH] > 0.0) & (k[i] > info[LEFT]) & (k[i] < info[LEFT] + width)
            if series == PRICE:
                share = fma(decay[i], total, ((depth[i] - 1.0) + decay[i]) / width) - sum_r[i]
                value = option_price(is_call[row], f, s, k[i], share, info)
            elif series <= TIME:
                value = s * fma(decay[i], total, -sum_r[i]) if is_inside else 0.0
            elif series == DELTA:
                slope = sum_r[i] + (1.0 - decay[i]) / width
                inner = -(s / f) * fma(-decay[i], total, slope)
                edge = -1.0 if s > f else (-0.5 if s == f else 0.0)
                value = (inner if is_inside else edge) + (1.0 if is_call[row] else 0.0)
            else:
                value = sum_r[i] + 1.0 / width if is_inside else 0.0
            out[series, row] = value + poison(forward[row], strike[row], 0.0, time_years[row])


@kernel(
    types.void(ROW, *[types.float64] * 2, INDEX, FLAGS, *[COLUMN] * 3, TABLE),
    TRIGONOMETRY, HERE, PRICING,
)  # fmt: skip
def fill_slopes(
    model: Any, tolerance: float, density_weight: float, order: Any,
    is_call: Any, forward: Any, strike: Any, time_years: Any, out: Any,
) -> None:  # fmt: skip
    """Write the rows of every option; `order` lists them by time, one series a time."""
    real, imaginary, info = np.empty((ROWS, STRIDE)), np.empty((ROWS, STRIDE)), np.empty(INFO)
    v0, kappa, theta, sigma, rho = model[0], model[1], model[2], model[3], model[4]
    first = 0
    while first < order.shape[0]:
        time = time_years[order[first]]
        last = first + 1
        while last < order.shape[0] and time_years[order[last]] == time:
            last += 1
        if find_interval(v0, kappa, theta, sigma, rho, time, tolerance, info):
            fill_slope_series(
                v0, kappa, theta, sigma, rho, time, tolerance, density_weight, real, imaginary, info
            )
        rows = order[first:last]
        fill_rows(real, imaginary, info, rows, is_call, forward, strike, time_years, out)
        first = last


def heston_slopes(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    time_years: ArrayLike,
    parameters: HestonParameters,
    *,
    tolerance: float = GREEKS_TOLERANCE,
) -> Floats:
    """Return prices (row 0) and their slopes by v0, κ, θ, σ, ρ (rows 1 to 5), options flattened.

    This is what a calibration needs. Arguments as `heston_price`.

    >>> model = HestonParameters(0.04, 1.15, 0.04, 0.2, -0.4)
    >>> heston_slopes(True, 100.0, [100.0], 0.5, model)[:, 0].round(6).tolist()
    [5.53714, 53.776, 0.028138, 17.228441, -0.878085, 0.055976]
    """
    inputs = [c.reshape(-1) for c in broadcast(is_call, forward, strike, time_years)]
    out = np.empty((1 + PARAMETERS, inputs[0].size))
    order = np.argsort(inputs[3], kind="stable")
    fill_slopes(parameters.as_array(), tolerance, 0.0, order, *inputs, out)
    return out


def heston_greeks(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    time_years: ArrayLike,
    parameters: HestonParameters,
    *,
    tolerance: float = GREEKS_TOLERANCE,
) -> HestonGreeks:
    """Return price and Greeks of European options on a forward; arguments as `heston_price`.

    Formulas and units stand at the head of the module. The arrays have the broadcast shape of the
    arguments; NaN or infinite input gives NaN in all. The series runs until the rest of the density,
    not only of the price, is below the tolerance. Without variance the curvatures are zero.

    >>> model = HestonParameters(0.04, 1.15, 0.04, 0.2, -0.4)
    >>> g = heston_greeks(True, 100.0, 100.0, 0.5, model)
    >>> [round(float(value), 6) for value in (g.delta, g.gamma, g.vega, g.theta)]
    [0.551607, 0.029163, 0.215104, -0.014778]
    """
    inputs = broadcast(is_call, forward, strike, time_years)
    shape = inputs[0].shape
    flat = [column.reshape(-1) for column in inputs]
    out = np.empty((ROWS, flat[0].size))
    order = np.argsort(flat[3], kind="stable")
    fill_slopes(parameters.as_array(), tolerance, 1.0, order, *flat, out)
    rows = [row.reshape(shape) for row in out]
    by_variance = np.sqrt([parameters.initial_variance, parameters.long_run_variance])
    squared = np.where(inputs[1] > 0.0, inputs[1], 1.0) * np.where(inputs[1] > 0.0, inputs[1], 1.0)
    return HestonGreeks(
        rows[PRICE],
        rows[DELTA],
        rows[DENSITY] * inputs[2] / squared,
        rows[1] * (2.0 * PER_POINT * by_variance[0]),
        rows[3] * (2.0 * PER_POINT * by_variance[1]),
        rows[TIME] * (-1.0 / 365.0),
        *rows[1 : 1 + PARAMETERS],
    )
