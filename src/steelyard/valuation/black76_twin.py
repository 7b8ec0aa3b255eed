"""Black-76 for a reader: one option at a time, the same steps as the kernels, equal bits.

The derivation stands at the head of `black76` and `greeks`. Read `price` first.
"""

from __future__ import annotations

from typing import NamedTuple

from steelyard.valuation.black76 import (
    FARTHEST,
    LARGEST_DEVIATION,
    PRICE_SCALE,
    SMALLEST_DEVIATION,
    SMALLEST_PRICE,
)
from steelyard.valuation.elementary import (
    INVERSE_ROOT_TWO_PI,
    MILLS_DENOMINATOR,
    MILLS_NUMERATOR,
)
from steelyard.valuation.elementary_twin import (
    NAN,
    exp_core,
    fma,
    is_finite,
    log_ratio,
    polynomial,
    square_root,
)
from steelyard.valuation.greeks import HALF_PER_DAY, PER_POINT


def are_good(forward: float, strike: float, volatility: float, time_years: float) -> bool:
    """Return whether all are finite, and the prices so far below the range that nothing overflows."""
    return all(
        map(is_finite, (forward * PRICE_SCALE, strike * PRICE_SCALE, volatility, time_years))
    )


class Parts(NamedTuple):
    """The out-of-the-money option of a pair, and what its Greeks need."""

    value: float
    u: float
    v: float
    bell: float  # S·exp(−u²/2), 0 if the value is certainly 0
    near_tail: float  # S·φ(u)·M(|u|)
    far_tail: float  # S·φ(u)·M(v)


def positive_or_zero(price: float) -> float:
    """Return the price, or 0 if it is below 2⁻¹⁰⁰⁰."""
    return price if price >= SMALLEST_PRICE else 0.0


def log_moneyness(forward: float, strike: float) -> float:
    """Return ln(F/K), or 0 where one of them is 0."""
    return log_ratio(forward, strike) if forward > 0.0 and strike > 0.0 else 0.0


def deviation_of(volatility: float, time_years: float) -> float:
    """Return s = σ·√τ, at least 0."""
    return max(volatility * square_root(max(time_years, 0.0)), 0.0)


def out_of_the_money(smaller: float, x: float, s: float, inverse: float) -> Parts:
    """Return S·N(u) − L·N(−v) with u = s/2 − |x|/s, v = s − u, through the Mills ratio."""
    bounded = min(s, LARGEST_DEVIATION)
    reach = fma(-abs(x), inverse, 0.5 * bounded)
    is_live = reach > FARTHEST and s >= SMALLEST_DEVIATION
    u = max(reach, FARTHEST)
    v = bounded - u
    near_denominator = polynomial(MILLS_DENOMINATOR, abs(u))
    far_denominator = polynomial(MILLS_DENOMINATOR, v)
    bell = smaller * exp_core(-0.5 * (u * u))
    scale = bell / (near_denominator * far_denominator)
    near_part = polynomial(MILLS_NUMERATOR, abs(u)) * far_denominator
    far_part = polynomial(MILLS_NUMERATOR, v) * near_denominator
    if u >= 0.0:
        value = fma(-near_part - far_part, scale, smaller)
    else:
        value = fma(near_part - far_part, scale, 0.0)
    return Parts(
        value if value > 0.0 and is_live else 0.0,
        u,
        v,
        bell if is_live else 0.0,
        near_part * scale,
        far_part * scale,
    )


def price_within_bounds(
    is_call: bool, forward: float, strike: float, s: float, value: float
) -> float:
    """Return intrinsic + value, at most the upper bound (call F, put K); the bound if s ≥ 24."""
    bound = forward if is_call else strike
    if s >= LARGEST_DEVIATION:
        return bound
    gain = forward - strike if is_call else strike - forward
    return min(max(gain, 0.0) + value, bound)


def price_of(
    is_call: bool, forward: float, strike: float, x: float, s: float, inverse: float
) -> float:
    """Return the price for forward, strike ≥ 0, x = ln(F/K), s ≥ 0, inverse = 1/max(s, 1e-18)."""
    parts = out_of_the_money(min(forward, strike), x, s, inverse)
    return price_within_bounds(is_call, forward, strike, s, parts.value)


def price(
    is_call: bool, forward: float, strike: float, volatility: float, time_years: float
) -> float:
    """Return the undiscounted Black-76 price, the bits of `black76_price`.

    >>> price(True, 60_000.0, 60_000.0, 0.65, 30 / 365)
    4454.109024203806
    """
    if not are_good(forward, strike, volatility, time_years):
        return NAN
    f, k = positive_or_zero(forward), positive_or_zero(strike)
    s = deviation_of(volatility, time_years)
    inverse = 1.0 / max(s, SMALLEST_DEVIATION)
    return price_of(is_call, f, k, log_moneyness(f, k), s, inverse)


def greeks(
    is_call: bool, forward: float, strike: float, volatility: float, time_years: float
) -> tuple[float, ...]:
    """Return price, delta, gamma, vega, theta, vanna, volga: the bits of `black76_greeks`."""
    if not are_good(forward, strike, volatility, time_years):
        return (NAN,) * 7
    f, k = positive_or_zero(forward), positive_or_zero(strike)
    s = deviation_of(volatility, time_years)
    inverse = 1.0 / max(s, SMALLEST_DEVIATION)
    x = log_moneyness(f, k)
    parts = out_of_the_money(min(f, k), x, s, inverse)
    is_live = parts.bell > 0.0 and s < LARGEST_DEVIATION
    d1, d2 = (parts.v, -parts.u) if x > 0.0 else (parts.u, -parts.v)
    inverse_forward = 1.0 / f if f > 0.0 else 1.0
    tail = (parts.far_tail if x > 0.0 else parts.near_tail) * inverse_forward
    if s >= LARGEST_DEVIATION and f > 0.0:
        slope = 1.0
    elif is_live:
        slope = 1.0 - tail if d1 >= 0.0 else tail
    else:
        slope = 1.0 if f > k else (0.5 if f == k else 0.0)
    weight = parts.bell * INVERSE_ROOT_TWO_PI if is_live else 0.0
    root = square_root(max(time_years, 0.0))
    inverse_volatility = root * inverse
    density = weight * inverse_forward
    vega = weight * root * PER_POINT
    values = (
        price_within_bounds(is_call, f, k, s, parts.value),
        slope if is_call else slope - 1.0,
        density * inverse_forward * inverse,
        vega,
        weight * (volatility * inverse) * volatility * HALF_PER_DAY,
        -density * d2 * inverse_volatility * PER_POINT,
        vega * d1 * d2 * inverse_volatility * PER_POINT,
    )
    return tuple(value + 0.0 for value in values)  # a zero is positive
