"""Black-76 sensitivities: price and six Greeks of each option in one pass.

The price is computed by the same functions as in `black76`, so it is the same bits. With
B = F·φ(d1) = K·φ(d2) and s = σ·√τ (undiscounted, forward measure):

    delta = N(d1) for a call, N(d1) − 1 for a put             per unit of forward
    gamma = B / (F²·s)                                        delta per unit of forward
    vega  = B·√τ / 100                                        price per volatility point (1 %)
    theta = −B·σ / (2·√τ) / 365                               price per day that passes
    vanna = −B·d2 / (F·σ) / 100                               delta per volatility point
    volga = B·√τ·d1·d2 / σ / 10,000                           vega per volatility point

Edges. Where the price is intrinsic or at its bound (s < 1e-18, s ≥ 24, a zero forward or strike,
beyond 37.6 standard deviations) the curvatures are zero and delta is the slope of that bound; at
F = K with s = 0 it is ±½. A NaN or infinite input gives NaN in all seven.

Source: the derivatives of Black's 1976 formula; specs/03-VALU.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike

from steelyard.valuation.black76 import (
    COLUMN,
    FLAGS,
    LARGEST_DEVIATION,
    RESULT,
    Floats,
    broadcast,
    deviation_of,
    inverse_of,
    log_moneyness,
    out_of_the_money,
    poison,
    positive_or_zero,
    price_within_bounds,
)
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import INVERSE_ROOT_TWO_PI
from steelyard.valuation.intrinsics import sqrt

PER_POINT = 0.01
HALF_PER_DAY = -0.5 / 365.0


class Greeks(NamedTuple):
    """Price and sensitivities, arrays of one shape; units in the module's table."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    vanna: Floats
    volga: Floats


@inline
def delta_of(
    is_call: bool, forward: float, strike: float, s: float, d1: float, tail: float, is_live: bool
) -> float:
    """Return the slope in F; tail = N(−|d1|)."""
    probability = 1.0 - tail if d1 >= 0.0 else tail
    step = 1.0 if forward > strike else (0.5 if forward == strike else 0.0)
    slope = probability if is_live else step
    slope = 1.0 if (s >= LARGEST_DEVIATION) & (forward > 0.0) else slope
    return slope if is_call else slope - 1.0


@inline
def leg_of(is_call: bool, total: float, d: float, tail: float, step: float, is_live: bool) -> float:
    """Return total·N(d) for a call, −total·N(−d) for a put; tail = total·N(−|d|), step = N(d) if dead."""
    is_tail = is_call ^ (d >= 0.0)
    live = tail if is_tail else total - tail
    dead = total * (step if is_call else 1.0 - step)
    leg = live if is_live else dead
    return leg if is_call else -leg


@inline
def legs_of(
    is_call: bool,
    forward: float,
    strike: float,
    x: float,
    s: float,
    u: float,
    v: float,
    near_tail: float,
    far_tail: float,
    is_live: bool,
) -> Any:
    """Return N(d1) and K·N(d2) for a call, −N(−d1) and −K·N(−d2) for a put.

    F times the first less the second is the price. Each comes from its own tail, so it keeps its digits
    however small it is. x to far_tail as `out_of_the_money` takes and gives them.
    """
    is_above = x > 0.0
    step = 1.0 if forward > strike else (0.5 if forward == strike else 0.0)
    is_wide = s >= LARGEST_DEVIATION
    inverse_forward = 1.0 / (forward if forward > 0.0 else 1.0)
    d1, share_tail = (v if is_above else u), (far_tail if is_above else near_tail)
    d2, strike_tail = (-u if is_above else -v), (near_tail if is_above else far_tail)
    share_step = 1.0 if is_wide & (forward > 0.0) else step
    share = leg_of(is_call, 1.0, d1, share_tail * inverse_forward, share_step, is_live)
    return share, leg_of(is_call, strike, d2, strike_tail, 0.0 if is_wide else step, is_live)


@inline
def greeks_of(is_call: bool, forward: float, strike: float, volatility: float, time: float) -> Any:
    """Return the seven values for forward, strike ≥ 0 and finite volatility and time."""
    s = deviation_of(volatility, time)
    inverse = inverse_of(s)
    x = log_moneyness(forward, strike)
    smaller = forward if forward < strike else strike
    value, u, v, bell, near_tail, far_tail = out_of_the_money(smaller, x, s, inverse)
    price = price_within_bounds(is_call, forward, strike, s, value)
    is_live = (bell > 0.0) & (s < LARGEST_DEVIATION)
    is_above = x > 0.0
    d1 = v if is_above else u
    d2 = -u if is_above else -v
    inverse_forward = 1.0 / (forward if forward > 0.0 else 1.0)
    tail = (far_tail if is_above else near_tail) * inverse_forward
    delta = delta_of(is_call, forward, strike, s, d1, tail, is_live)
    weight = bell * INVERSE_ROOT_TWO_PI if is_live else 0.0
    root = sqrt(time if time > 0.0 else 0.0)
    inverse_volatility = root * inverse
    density = weight * inverse_forward
    gamma = density * inverse_forward * inverse
    vega = weight * root * PER_POINT
    theta = weight * (volatility * inverse) * volatility * HALF_PER_DAY
    vanna = -density * d2 * inverse_volatility * PER_POINT
    volga = vega * d1 * d2 * inverse_volatility * PER_POINT
    return price, delta, gamma, vega, theta, vanna, volga


@kernel(types.void(FLAGS, *[COLUMN] * 4, *[RESULT] * 7), vectors=2)
def fill_greeks(
    is_call: Any,
    forward: Any,
    strike: Any,
    volatility: Any,
    time_years: Any,
    price: Any,
    delta: Any,
    gamma: Any,
    vega: Any,
    theta: Any,
    vanna: Any,
    volga: Any,
) -> None:
    """Write the seven values of each option; all arrays flat, contiguous and of one length."""
    for i in range(price.shape[0]):
        f = positive_or_zero(forward[i])
        k = positive_or_zero(strike[i])
        values = greeks_of(is_call[i], f, k, volatility[i], time_years[i])
        bad = poison(forward[i], strike[i], volatility[i], time_years[i])
        price[i] = values[0] + bad
        delta[i] = values[1] + bad
        gamma[i] = values[2] + bad
        vega[i] = values[3] + bad
        theta[i] = values[4] + bad
        vanna[i] = values[5] + bad
        volga[i] = values[6] + bad


def black76_greeks(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    volatility: ArrayLike,
    time_years: ArrayLike,
) -> Greeks:
    """Return price and Greeks of European options on a forward; arguments as `black76_price`.

    Formulas and units stand at the head of the module. The seven arrays have the broadcast shape of
    the arguments; a NaN or infinite input gives NaN in all seven.

    >>> g = black76_greeks(True, 60_000.0, 60_000.0, 0.65, 30 / 365)
    >>> [round(float(value), 6) for value in (g.delta, g.vega, g.theta)]
    [0.537118, 68.326684, -74.020575]
    """
    inputs = broadcast(is_call, forward, strike, volatility, time_years)
    results = tuple(np.empty(inputs[0].shape) for _ in range(7))
    fill_greeks(
        *(column.reshape(-1) for column in inputs), *(result.reshape(-1) for result in results)
    )
    return Greeks(*results)
