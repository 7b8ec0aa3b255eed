"""Black-Scholes-Merton with a rate and a dividend yield, and Black-76 discounted: price and Greeks.

An option on a spot S with rate r and yield q is D·B, D = e^(−rτ), where B is the undiscounted Black-76
price on the forward F = S·e^((r−q)τ). All derivatives follow by the chain rule from the two legs of
B = stock_leg − strike_leg and from W = F·φ(d1) = K·φ(d2), with s = σ·√τ and n = e^(−qτ) = D·F/S:

    call: stock_leg = F·N(d1),  strike_leg = K·N(d2);   put: −F·N(−d1),  −K·N(−d2)

    name          formula                                    in market units    raw
    price         D·B                                        unit of spot       the same
    delta         n·stock_leg/F                              per unit of spot   the same
    gamma         n²·W/(D·F²·s)                              delta per unit     the same
    vega          D·W·√τ                                     per vol point      per 1.00
    theta         D·(−W·σ/(2√τ) − r·strike_leg + q·stock_leg)  per day (1/365)  per year
    rho           τ·D·strike_leg                             per point of r     per 1.00
    dividend_rho  −τ·D·stock_leg                             per point of q     per 1.00
    vanna         −n·(W/F)·d2/σ                              delta per vol pt   per 1.00
    volga         D·W·√τ·d1·d2/σ                             vega per vol pt    per 1.00²
    elasticity    stock_leg/B = delta·S/price                no unit            the same

A point is 0.01: of volatility one vol point, of a rate or yield one percentage point. Theta is ∂V/∂t at
a fixed spot, what passing time does to the holder. Market units are the units of the whole library;
`raw=True` gives derivatives per 1.00 and per year.

Black-76 discounted at the rate r is the case S = F, q = r: delta and gamma are by the forward, theta is
at a fixed forward and holds the term r·V, rho is ∂V/∂r at a fixed forward, −τ·V.

Accuracy. Each leg has the relative accuracy of its own probability, so deltas and rhos of far options
keep their digits. The price is within 4e-15 of max(S·e^(−qτ), K·D) while |r|·τ and |q|·τ are at most 2.

Edges are those of `black76`, on F: τ below zero counts as zero, σ = 0 or τ = 0 gives the discounted
intrinsic value of the forward and its slopes (half of them at F = K). Elasticity is NaN where the price
is zero. A NaN or infinite input, or a discount or growth factor out of range, gives NaN in all fields.

Source: Black and Scholes 1973, Merton 1973, Black 1976; specs/03-VALU.md.
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
from steelyard.valuation.elementary import INVERSE_ROOT_TWO_PI, exp
from steelyard.valuation.greeks import PER_POINT, legs_of
from steelyard.valuation.intrinsics import fma, sqrt

PER_DAY = 1.0 / 365.0
FIELDS = 10


class BlackScholes(NamedTuple):
    """Price and sensitivities by the spot, arrays of one shape; units in the module's table."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    dividend_rho: Floats
    vanna: Floats
    volga: Floats
    elasticity: Floats


class DiscountedBlack(NamedTuple):
    """Price and sensitivities by the forward, arrays of one shape; units in the module's table."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    volga: Floats
    elasticity: Floats


@inline
def black_scholes_of(
    is_call: bool,
    spot: float,
    strike: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    time_years: float,
) -> Any:
    """Return the ten values in raw units."""
    time = time_years if time_years > 0.0 else 0.0
    growth = exp((rate - dividend_yield) * time)
    discount = exp(-rate * time)
    forward = spot * growth
    f, k = positive_or_zero(forward), positive_or_zero(strike)
    s = deviation_of(volatility, time)
    inverse = inverse_of(s)
    x = log_moneyness(f, k)
    parts = out_of_the_money(f if f < k else k, x, s, inverse)
    value, u, v, bell = parts[0], parts[1], parts[2], parts[3]
    undiscounted = price_within_bounds(is_call, f, k, s, value)
    is_live = (bell > 0.0) & (s < LARGEST_DEVIATION)
    share, strike_leg = legs_of(is_call, f, k, x, s, u, v, parts[4], parts[5], is_live)
    stock_leg = f * share
    d1 = v if x > 0.0 else u
    d2 = -u if x > 0.0 else -v
    inverse_forward = 1.0 / (f if f > 0.0 else 1.0)
    weight = bell * INVERSE_ROOT_TWO_PI if is_live else 0.0
    root = sqrt(time)
    inverse_volatility = root * inverse
    slope = discount * growth
    density = weight * inverse_forward
    vega = discount * (weight * root)
    decay = (weight * (volatility * inverse)) * (volatility * -0.5)
    carried = fma(dividend_yield, stock_leg, fma(-rate, strike_leg, decay))
    bad = poison(forward, strike, volatility, time_years)
    bad += poison(discount, slope, rate, dividend_yield)
    return (
        discount * undiscounted + bad,
        slope * share + bad,
        (slope * growth) * (density * inverse_forward * inverse) + bad,
        vega + bad,
        discount * carried + bad,
        (time * discount) * strike_leg + bad,
        (-time * discount) * stock_leg + bad,
        -slope * density * d2 * inverse_volatility + bad,
        vega * d1 * d2 * inverse_volatility + bad,
        stock_leg / (undiscounted if undiscounted > 0.0 else np.nan) + bad,
    )


@kernel(
    types.void(FLAGS, *[COLUMN] * 6, types.float64, types.float64, *[RESULT] * FIELDS),
    "steelyard.valuation.greeks",
    vectors=2,
)
def fill_black_scholes(
    is_call: Any,
    spot: Any,
    strike: Any,
    rate: Any,
    dividend_yield: Any,
    volatility: Any,
    time_years: Any,
    point: float,
    day: float,
    price: Any,
    delta: Any,
    gamma: Any,
    vega: Any,
    theta: Any,
    rho: Any,
    dividend_rho: Any,
    vanna: Any,
    volga: Any,
    elasticity: Any,
) -> None:
    """Write the ten values of each option, vega, vanna and rhos times point, theta times day."""
    for i in range(price.shape[0]):
        values = black_scholes_of(
            is_call[i], spot[i], strike[i], rate[i], dividend_yield[i], volatility[i], time_years[i]
        )
        price[i] = values[0]
        delta[i] = values[1]
        gamma[i] = values[2]
        vega[i] = values[3] * point
        theta[i] = values[4] * day
        rho[i] = values[5] * point
        dividend_rho[i] = values[6] * point
        vanna[i] = values[7] * point
        volga[i] = (values[8] * point) * point
        elasticity[i] = values[9]


def black_scholes(
    is_call: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    volatility: ArrayLike,
    time_years: ArrayLike,
    *,
    raw: bool = False,
) -> BlackScholes:
    """Return price and Greeks of European options on a spot; formulas and units at the module's head.

    Rate and dividend yield are continuous, per year (0.05 = 5 %); volatility per year, time in years of
    365 days. Arguments broadcast to one shape, which every field has. By default vega, vanna and volga
    are per volatility point, rho and dividend_rho per percentage point and theta per day; `raw=True`
    gives all of them per 1.00 and theta per year. A bad option is NaN in its place, never an exception.

    >>> put = black_scholes(False, 500.0, 490.0, 0.08, 0.05, 0.15, 0.25, raw=True)
    >>> [round(float(value), 4) for value in (put.price, put.delta, put.dividend_rho)]
    [8.8056, -0.3378, 42.2254]
    """
    inputs = broadcast(is_call, spot, strike, rate, dividend_yield, volatility, time_years)
    results = [np.empty(inputs[0].shape) for _ in range(FIELDS)]
    flat = [column.reshape(-1) for column in inputs]
    units = (1.0, 1.0) if raw else (PER_POINT, PER_DAY)
    fill_black_scholes(*flat, *units, *(result.reshape(-1) for result in results))
    return BlackScholes(*results)


def black76_discounted(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    time_years: ArrayLike,
    *,
    raw: bool = False,
) -> DiscountedBlack:
    """Return discounted Black-76 price and Greeks by the forward; units as `black_scholes`.

    price = e^(−rτ)·B; delta = e^(−rτ)·∂B/∂F; theta at a fixed forward, e^(−rτ)·∂B/∂t + r·price; rho at a
    fixed forward, −τ·price. With premiums margined like futures nothing is discounted: rate 0, whose
    price and delta are those of `black76_greeks`, and whose rho says what a first rate would cost.

    >>> put = black76_discounted(False, 60_000.0, 55_000.0, 0.04, 0.7, 0.25, raw=True)
    >>> [round(float(value), 6) for value in (put.price, put.delta, put.theta, put.rho)]
    [5673.789267, -0.332585, -14938.363825, -1418.447317]
    """
    full = black_scholes(is_call, forward, strike, rate, rate, volatility, time_years, raw=raw)
    time = np.maximum(np.asarray(time_years, dtype=np.float64), 0.0)
    rho = np.asarray(full.price * (-time * (1.0 if raw else PER_POINT)) + 0.0)
    return DiscountedBlack(*full[:5], rho, *full[7:])
