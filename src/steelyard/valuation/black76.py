"""Black-76 prices and Greeks of European options on a forward: the strict kernel.

Formulation. With x = ln(F/K), s = σ·√τ, u = s/2 − |x|/s and v = s − u, the out-of-the-money option
(call if F ≤ K, else put) is worth

    value = S·N(u) − L·N(−v),   S = min(F, K),  L = max(F, K),  S·φ(u) = L·φ(v) = B,

so one exponential serves both terms, and with the Mills ratio M(z) = N(−z)/φ(z)

    value = S·[u ≥ 0] ∓ B·M(|u|) − B·M(v)      (− for u ≥ 0).

The other option of the pair follows by parity: it is worth |F − K| more. M is one rational function
of z, so the two ratios share one division. Nothing here calls a mathematical library, every
operation is exactly rounded and the order is fixed: the same bits on every machine and for every
split of a batch. `black76_twin` is the same text for a reader.

Edges. A NaN or infinite input gives NaN, and so does a forward or strike of 2¹⁰⁰⁰ or more. One
below 2⁻¹⁰⁰⁰ (zero and negative included) counts as zero. A time below zero counts as zero. s < 1e-18 gives the intrinsic value;
s ≥ 24 gives the upper bound (call F, put K); more than 37.6 standard deviations out of the money
gives the intrinsic value. Every price lies between intrinsic value and upper bound.

Source: Black, The pricing of commodity contracts, 1976; methods and limits as in specs/03-VALU.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.quantities.errors import InvariantError
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import (
    exp_core,
    log_ratio,
    mills_denominator,
    mills_numerator,
)
from steelyard.valuation.intrinsics import absolute, fma, sqrt

Floats = NDArray[np.float64]

SMALLEST_PRICE = 2.0**-1000
PRICE_SCALE = 2.0**24  # a price of 2^1000 or more overflows by it and becomes NaN
SMALLEST_DEVIATION = 1e-18  # s below this: intrinsic value
LARGEST_DEVIATION = 24.0  # s from here on: the upper bound
FARTHEST = -37.6  # u below this: B would be under 1e-307, the value counts as zero

# Kernel arguments. Declared read-only, so that one compilation takes writable arrays too.
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
COLUMN = types.Array(types.float64, 1, "C", readonly=True)
RESULT = types.Array(types.float64, 1, "C")


@inline
def positive_or_zero(price: float) -> float:
    """Return the price, or 0 if it is below 2⁻¹⁰⁰⁰ (or NaN, which `poison` brings back)."""
    return price if price >= SMALLEST_PRICE else 0.0


@inline
def log_moneyness(forward: float, strike: float) -> float:
    """Return ln(F/K), or 0 if one of them is 0 (the value is then 0 whatever x is)."""
    is_priced = (forward > 0.0) & (strike > 0.0)
    return log_ratio(forward if is_priced else 1.0, strike if is_priced else 1.0)


@inline
def deviation_of(volatility: float, time_years: float) -> float:
    """Return s = σ·√max(τ, 0), at least 0."""
    s = volatility * sqrt(time_years if time_years > 0.0 else 0.0)
    return s if s > 0.0 else 0.0


@inline
def inverse_of(s: float) -> float:
    """Return 1 / max(s, 1e-18)."""
    return 1.0 / (s if s > SMALLEST_DEVIATION else SMALLEST_DEVIATION)


@inline
def poison(forward: float, strike: float, volatility: float, time_years: float) -> float:
    """Return 0 if all four are good, else NaN: added to a result, it lets no bad input pass.

    Good are finite numbers, and a forward and a strike below 2¹⁰⁰⁰: times 2²⁴, others overflow.
    The last addition makes the zero a positive one, so no result is −0.
    """
    prices = fma(forward * PRICE_SCALE, 0.0, (strike * PRICE_SCALE) * 0.0)
    return fma(volatility, 0.0, fma(time_years, 0.0, prices)) + 0.0


@inline
def out_of_the_money(smaller: float, x: float, s: float, inverse: float) -> Any:
    """Return (value, u, v, S·exp(−u²/2), near tail, far tail), all but the value unmasked.

    The tails are B·M(|u|) and B·M(v). A caller that leaves some of them unused pays nothing.
    """
    bounded = s if s < LARGEST_DEVIATION else LARGEST_DEVIATION
    reach = fma(-absolute(x), inverse, 0.5 * bounded)
    is_live = (reach > FARTHEST) & (s >= SMALLEST_DEVIATION)
    u = reach if reach > FARTHEST else FARTHEST
    v = bounded - u
    near = absolute(u)
    near_denominator = mills_denominator(near)
    far_denominator = mills_denominator(v)
    bell = smaller * exp_core(-0.5 * (u * u))
    scale = bell / (near_denominator * far_denominator)
    near_part = mills_numerator(near) * far_denominator
    far_part = mills_numerator(v) * near_denominator
    is_inside = u >= 0.0
    signed = -near_part if is_inside else near_part
    value = fma(signed - far_part, scale, smaller if is_inside else 0.0)
    kept = value if (value > 0.0) & is_live else 0.0
    return kept, u, v, bell if is_live else 0.0, near_part * scale, far_part * scale


@inline
def price_within_bounds(
    is_call: bool, forward: float, strike: float, s: float, value: float
) -> float:
    """Return intrinsic + value, at most the upper bound; the bound itself if s ≥ 24."""
    gain = forward - strike if is_call else strike - forward
    bound = forward if is_call else strike
    price = (gain if gain > 0.0 else 0.0) + value
    capped = price if price < bound else bound
    return bound if s >= LARGEST_DEVIATION else capped


@inline
def price_of(
    is_call: bool, forward: float, strike: float, x: float, s: float, inverse: float
) -> float:
    """Return the price for forward, strike ≥ 0, x = ln(F/K), s ≥ 0, inverse = 1/max(s, 1e-18)."""
    smaller = forward if forward < strike else strike
    parts = out_of_the_money(smaller, x, s, inverse)
    return price_within_bounds(is_call, forward, strike, s, parts[0])


@kernel(types.void(FLAGS, *[COLUMN] * 4, RESULT), vectors=2)
def fill_prices(
    is_call: Any, forward: Any, strike: Any, volatility: Any, time_years: Any, price: Any
) -> None:
    """Write the price of each option; all arrays flat, contiguous and of one length."""
    for i in range(price.shape[0]):
        f = positive_or_zero(forward[i])
        k = positive_or_zero(strike[i])
        s = deviation_of(volatility[i], time_years[i])
        value = price_of(is_call[i], f, k, log_moneyness(f, k), s, inverse_of(s))
        price[i] = value + poison(forward[i], strike[i], volatility[i], time_years[i])


def black76_price(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    volatility: ArrayLike,
    time_years: ArrayLike,
    out: Floats | None = None,
) -> Floats:
    """Return undiscounted Black-76 prices in the unit of the forward, per unit of the underlying.

    call = F·N(d1) − K·N(d2), put by parity, d1 = (ln(F/K) + s²/2)/s, d2 = d1 − s, s = σ·√τ.

    Arguments broadcast to one shape, which the result has (a new array, or `out`, which must be
    float64, C-contiguous and of that shape). Volatility is per year (0.65 = 65 %), time in years of
    365 days. The largest error is 2e-15 of F for calls and of max(F, K) for puts. Edges: see the
    module; a NaN or infinite input gives NaN in its place, never an exception.

    >>> prices = black76_price([True, False], 60_000.0, [60_000.0, 54_000.0], 0.65, 30 / 365)
    >>> prices.round(6).tolist()
    [4454.109024, 1887.610432]
    """
    inputs = broadcast(is_call, forward, strike, volatility, time_years)
    shape = inputs[0].shape
    result = np.empty(shape) if out is None else out
    if result.shape != shape or result.dtype != np.float64 or not result.flags.c_contiguous:
        raise InvariantError(f"out must be float64, C-contiguous and of shape {shape}")
    fill_prices(*(column.reshape(-1) for column in inputs), result.reshape(-1))
    return result


def broadcast(is_call: ArrayLike, *columns: ArrayLike) -> tuple[NDArray[Any], ...]:
    """Return the flags as bool and the columns as float64, all C-contiguous and of one shape."""
    arrays = [np.asarray(is_call, dtype=np.bool_)]
    arrays += [np.asarray(column, dtype=np.float64) for column in columns]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return tuple(np.asarray(np.broadcast_to(array, shape), order="C") for array in arrays)
