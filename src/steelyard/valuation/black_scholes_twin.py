"""Black-Scholes-Merton and coin-settled Greeks for a reader: one option, the kernels' steps and bits.

The formulas stand at the heads of `black_scholes` and `conventions`.
"""

from __future__ import annotations

from steelyard.valuation.black76 import LARGEST_DEVIATION, SMALLEST_DEVIATION
from steelyard.valuation.black76_twin import (
    Parts,
    are_good,
    deviation_of,
    log_moneyness,
    out_of_the_money,
    positive_or_zero,
    price_within_bounds,
)
from steelyard.valuation.conventions import SMALLEST_FORWARD
from steelyard.valuation.elementary import INVERSE_ROOT_TWO_PI
from steelyard.valuation.elementary_twin import NAN, exp, fma, square_root
from steelyard.valuation.greeks import HALF_PER_DAY, PER_POINT


def is_live(parts: Parts, s: float) -> bool:
    """Return whether the option's value depends on volatility."""
    return parts.bell > 0.0 and s < LARGEST_DEVIATION


def deviates(parts: Parts, x: float) -> tuple[float, float]:
    """Return d1 and d2."""
    return (parts.v, -parts.u) if x > 0.0 else (parts.u, -parts.v)


def leg(is_call: bool, total: float, d: float, tail: float) -> float:
    """Return total·N(d) for a call, −total·N(−d) for a put; tail = total·N(−|d|)."""
    if is_call:
        return total - tail if d >= 0.0 else tail
    return -(tail if d >= 0.0 else total - tail)


def legs(
    is_call: bool, forward: float, strike: float, x: float, s: float, parts: Parts
) -> tuple[float, float]:
    """Return N(d1) and K·N(d2) for a call, −N(−d1) and −K·N(−d2) for a put."""
    if is_live(parts, s):
        tails = (parts.far_tail, parts.near_tail)
        stock_tail, strike_tail = tails if x > 0.0 else tails[::-1]
        d1, d2 = deviates(parts, x)
        share = leg(is_call, 1.0, d1, stock_tail * (1.0 / forward))
        return share, leg(is_call, strike, d2, strike_tail)
    step = 1.0 if forward > strike else (0.5 if forward == strike else 0.0)
    is_wide = s >= LARGEST_DEVIATION
    share, strike_step = 1.0 if is_wide and forward > 0.0 else step, 0.0 if is_wide else step
    if is_call:
        return share, strike * strike_step
    return share - 1.0, -(strike * (1.0 - strike_step))


def black_scholes(
    is_call: bool,
    spot: float,
    strike: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    time_years: float,
) -> tuple[float, ...]:
    """Return the ten raw values, the bits of `black_scholes(…, raw=True)`.

    >>> round(black_scholes(True, 60.0, 65.0, 0.08, 0.0, 0.3, 0.25)[0], 4)
    2.1334
    """
    time = max(time_years, 0.0)
    growth, discount = exp((rate - dividend_yield) * time), exp(-rate * time)
    forward, slope = spot * growth, discount * growth
    if not are_good(forward, strike, volatility, time_years):
        return (NAN,) * 10
    if not are_good(discount, slope, rate, dividend_yield):
        return (NAN,) * 10
    f, k = positive_or_zero(forward), positive_or_zero(strike)
    s, x = deviation_of(volatility, time), log_moneyness(f, k)
    inverse = 1.0 / max(s, SMALLEST_DEVIATION)
    parts = out_of_the_money(min(f, k), x, s, inverse)
    undiscounted = price_within_bounds(is_call, f, k, s, parts.value)
    share, strike_leg = legs(is_call, f, k, x, s, parts)
    stock_leg = f * share
    d1, d2 = deviates(parts, x)
    inverse_forward = 1.0 / f if f > 0.0 else 1.0
    weight = parts.bell * INVERSE_ROOT_TWO_PI if is_live(parts, s) else 0.0
    root = square_root(time)
    inverse_volatility = root * inverse
    density = weight * inverse_forward
    vega = discount * (weight * root)
    decay = (weight * (volatility * inverse)) * (volatility * -0.5)
    carried = fma(dividend_yield, stock_leg, fma(-rate, strike_leg, decay))
    values = (
        discount * undiscounted,
        slope * share,
        (slope * growth) * (density * inverse_forward * inverse),
        vega,
        discount * carried,
        (time * discount) * strike_leg,
        (-time * discount) * stock_leg,
        -slope * density * d2 * inverse_volatility,
        vega * d1 * d2 * inverse_volatility,
        stock_leg / undiscounted if undiscounted > 0.0 else NAN,
    )
    return tuple(value + 0.0 for value in values)  # a zero is positive


def coin_greeks(
    is_call: bool, forward: float, strike: float, volatility: float, time_years: float
) -> tuple[float, ...]:
    """Return the nine values of `conventions.coin_greeks`, the same bits.

    >>> round(coin_greeks(True, 60_000.0, 60_000.0, 0.65, 30 / 365)[0], 6)
    0.074235
    """
    if not (are_good(forward, strike, volatility, time_years) and forward >= SMALLEST_FORWARD):
        return (NAN,) * 9
    k = positive_or_zero(strike)
    s, x = deviation_of(volatility, time_years), log_moneyness(forward, k)
    inverse = 1.0 / max(s, SMALLEST_DEVIATION)
    parts = out_of_the_money(min(forward, k), x, s, inverse)
    share, strike_leg = legs(is_call, forward, k, x, s, parts)
    d1, d2 = deviates(parts, x)
    per_forward = 1.0 / forward
    weight = parts.bell * INVERSE_ROOT_TWO_PI if is_live(parts, s) else 0.0
    root = square_root(max(time_years, 0.0))
    inverse_volatility = root * inverse
    density = weight * per_forward
    adjusted = strike_leg * per_forward
    slope = adjusted * per_forward
    vega = density * root * PER_POINT
    values = (
        price_within_bounds(is_call, forward, k, s, parts.value) * per_forward,
        share,
        adjusted,
        slope,
        fma(density, inverse * per_forward, -2.0 * slope) * per_forward,
        vega,
        density * (volatility * inverse) * volatility * HALF_PER_DAY,
        -density * d1 * inverse_volatility * per_forward * PER_POINT,
        vega * d1 * d2 * inverse_volatility * PER_POINT,
    )
    return tuple(value + 0.0 for value in values)
