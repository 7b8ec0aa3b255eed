"""Delta conventions, and the Greeks of coin-settled options.

An inverse contract pays its USD value in the coin itself: with V the Black-76 price in USD, its price
in coin is c = V/F. Whoever holds it asks what the coins do, hence three deltas of one option, with
stock_leg and strike_leg as in `greeks.legs_of` (V = stock_leg − strike_leg):

    BLACK             Δ = ∂V/∂F                     coins of forward that hedge the USD value V
    PREMIUM_ADJUSTED  Δ − V/F = F·∂c/∂F             coins of forward that hedge the coin value c:
                        = strike_leg/F              Δ less the premium, itself held in coin
    COIN              ∂c/∂F = (Δ − V/F)/F           coins gained per 1 USD of forward

The premium-adjusted delta is also what c gains per unit of ln F, and times F the USD notional of an
inverse future (worth −N/F in coin, slope N/F²) that offsets the option. Linear contracts, settled in
USD, have the Black delta only.

Venues differ by field: Deribit's ticker publishes the Black delta of each option (the recorded chains
agree with it and not with the others), while its account sum `delta_total` takes "net transaction
delta", Black delta less mark price: the premium-adjusted one. In foreign exchange options quoted in
the foreign currency use the premium-adjusted delta.

Source: Deribit, descriptions of `greeks` and `delta_total`; Reiswich and Wystup, FX volatility smile
construction, 2010, for the names; specs/03-VALU.md.
"""

from __future__ import annotations

from enum import Enum
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
from steelyard.valuation.greeks import HALF_PER_DAY, PER_POINT, legs_of
from steelyard.valuation.intrinsics import fma, sqrt

FIELDS = 9
SMALLEST_FORWARD = 2.0**-300  # its cube must not vanish


class DeltaConvention(Enum):
    """Which slope is called delta; formulas at the head of the module."""

    BLACK = "black"
    PREMIUM_ADJUSTED = "premium_adjusted"
    COIN = "coin"


class CoinGreeks(NamedTuple):
    """Price and sensitivities of coin-settled options in coin, and the three deltas by name.

    price, vega, theta, volga: V/F and its parts, in coin, per vol point, per day, per vol point².
    delta_black, delta_premium_adjusted: per unit of underlying. delta_coin: coin per USD of forward,
    gamma its change per USD, vanna its change per vol point.
    """

    price: Floats
    delta_black: Floats
    delta_premium_adjusted: Floats
    delta_coin: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    vanna: Floats
    volga: Floats


def convert_delta(
    delta: ArrayLike, price: ArrayLike, forward: ArrayLike, convention: DeltaConvention
) -> Floats:
    """Return Black deltas in another convention; arrays of the broadcast shape.

    delta: Black deltas; price: undiscounted, in USD, as `black76_price`; forward in USD. The difference
    Δ − V/F is within 1e-15 of max(1, K/F) of the exact value; `coin_greeks` keeps the digits of far options too. A
    forward of zero or less gives NaN for the two conventions that divide by it.

    >>> float(convert_delta(0.5, 6_000.0, 60_000.0, DeltaConvention.PREMIUM_ADJUSTED))
    0.4
    """
    black, value, f = np.broadcast_arrays(
        *(np.asarray(column, dtype=np.float64) for column in (delta, price, forward))
    )
    if convention is DeltaConvention.BLACK:
        return black.copy()
    divisor = np.where(f > 0.0, f, np.nan)
    adjusted = black - value / divisor
    is_adjusted = convention is DeltaConvention.PREMIUM_ADJUSTED
    return np.asarray(adjusted if is_adjusted else adjusted / divisor)


@inline
def coin_greeks_of(
    is_call: bool, forward: float, strike: float, volatility: float, time: float
) -> Any:
    """Return the nine values for forward, strike ≥ 0 and finite volatility and time."""
    s = deviation_of(volatility, time)
    inverse = inverse_of(s)
    x = log_moneyness(forward, strike)
    parts = out_of_the_money(forward if forward < strike else strike, x, s, inverse)
    value, u, v, bell = parts[0], parts[1], parts[2], parts[3]
    price = price_within_bounds(is_call, forward, strike, s, value)
    is_live = (bell > 0.0) & (s < LARGEST_DEVIATION)
    legs = legs_of(is_call, forward, strike, x, s, u, v, parts[4], parts[5], is_live)
    d1 = v if x > 0.0 else u
    d2 = -u if x > 0.0 else -v
    per_forward = 1.0 / forward
    weight = bell * INVERSE_ROOT_TWO_PI if is_live else 0.0
    root = sqrt(time if time > 0.0 else 0.0)
    inverse_volatility = root * inverse
    density = weight * per_forward
    adjusted = legs[1] * per_forward
    slope = adjusted * per_forward
    vega = density * root * PER_POINT
    return (
        price * per_forward,
        legs[0],
        adjusted,
        slope,
        fma(density, inverse * per_forward, -2.0 * slope) * per_forward,
        vega,
        density * (volatility * inverse) * volatility * HALF_PER_DAY,
        -density * d1 * inverse_volatility * per_forward * PER_POINT,
        vega * d1 * d2 * inverse_volatility * PER_POINT,
    )


@kernel(
    types.void(FLAGS, *[COLUMN] * 4, *[RESULT] * FIELDS), "steelyard.valuation.greeks", vectors=2
)
def fill_coin_greeks(
    is_call: Any,
    forward: Any,
    strike: Any,
    volatility: Any,
    time_years: Any,
    price: Any,
    delta_black: Any,
    delta_premium_adjusted: Any,
    delta_coin: Any,
    gamma: Any,
    vega: Any,
    theta: Any,
    vanna: Any,
    volga: Any,
) -> None:
    """Write the nine values of each option; all arrays flat, contiguous and of one length."""
    for i in range(price.shape[0]):
        is_priced = forward[i] >= SMALLEST_FORWARD
        f = forward[i] if is_priced else 1.0
        k = positive_or_zero(strike[i])
        values = coin_greeks_of(is_call[i], f, k, volatility[i], time_years[i])
        bad = poison(forward[i], strike[i], volatility[i], time_years[i])
        bad = bad if is_priced else np.nan
        price[i] = values[0] + bad
        delta_black[i] = values[1] + bad
        delta_premium_adjusted[i] = values[2] + bad
        delta_coin[i] = values[3] + bad
        gamma[i] = values[4] + bad
        vega[i] = values[5] + bad
        theta[i] = values[6] + bad
        vanna[i] = values[7] + bad
        volga[i] = values[8] + bad


def coin_greeks(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    volatility: ArrayLike,
    time_years: ArrayLike,
) -> CoinGreeks:
    """Return price and Greeks in coin of European options settled in the coin, at price V/F.

    Arguments as `black76_price`, forward and strike in USD. Formulas, with W = F·φ(d1), s = σ·√τ:

        price V/F    vega W·√τ/F/100    theta −W·σ/(2√τ)/F/365    volga W·√τ·d1·d2/(σ·F)/10,000
        delta_coin ∂c/∂F = strike_leg/F²    gamma ∂²c/∂F² = (W/s − 2·strike_leg)/F³
        vanna ∂²c/∂F∂σ = −W·d1/(σ·F²)/100

    A gamma may be negative: a call in coin is worth at most one coin. A forward below 2⁻³⁰⁰ (zero and
    negative included) has no coin price and gives NaN, as does a NaN or infinite input.

    >>> c = coin_greeks(True, 60_000.0, 60_000.0, 0.65, 30 / 365)
    >>> [round(float(value), 6) for value in (c.price, c.delta_black, c.delta_premium_adjusted)]
    [0.074235, 0.537118, 0.462882]
    """
    inputs = broadcast(is_call, forward, strike, volatility, time_years)
    results = [np.empty(inputs[0].shape) for _ in range(FIELDS)]
    flat = [column.reshape(-1) for column in inputs]
    fill_coin_greeks(*flat, *(result.reshape(-1) for result in results))
    return CoinGreeks(*results)
