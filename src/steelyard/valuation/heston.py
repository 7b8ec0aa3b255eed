"""Heston prices of European options on a forward, by the cosine series, to a stated tolerance.

With the series of `heston_series` on [a, b], W = b − a, k = ln(K/F), d = k − a and u = jπ/W

    put/K = e^{−d}·ΣA_j − Σ A_j·cos(ud) + Σ A_j/u·sin(ud) + (d − 1 + e^{−d})/W,   call by parity.

Only d depends on the strike, so one series serves every strike of an expiry and every forward a
scenario moves it to. The two sums are the real part of one polynomial in z = e^{iπd/W}, which is
evaluated from its highest power down, many strikes side by side.

Every strike is computed by itself in the same order, and the series depends on the parameters, the
time and the tolerance alone: the same bits for every split of a batch.

Error. In units of the larger of forward and strike: what lies outside [a, b], the rest of the series,
and 1e-15 for rounding. A strike beyond the interval is at its bound, with the same error.

Edges are those of `black76`: NaN or infinite input gives NaN in its place; a forward or strike
below 2⁻¹⁰⁰⁰ counts as zero, a time below zero as zero; without variance the price is intrinsic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.quantities.errors import InputError
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
from steelyard.valuation.heston_series import (
    ERROR,
    HERE,
    INFO,
    LEFT,
    LOWEST_EXPONENT,
    PRICE,
    ROW,
    STRIDE,
    TERMS,
    TRIGONOMETRY,
    WIDTH,
    fill_series,
    find_interval,
)
from steelyard.valuation.intrinsics import fma
from steelyard.valuation.trigonometry import PI, sin_cos

DEFAULT_TOLERANCE = 1e-14
SMALLEST_TOLERANCE = 1e-15
LANES = 16  # strikes side by side; a multiple of every vector width
CHUNK = 256  # strikes whose sums stay in the nearest cache
UNROLLED = 4  # powers of z per pass over the lanes
ROUNDING = 1e-15
USABLE_ERROR = 1e-9  # `heston_price` gives NaN rather than a price less certain than this

INDEX = types.Array(types.int64, 1, "C", readonly=True)
BOOLS = types.Array(types.boolean, 1, "C")
SERIES = types.Array(types.float64, 2, "C", readonly=True)


@dataclass(frozen=True, slots=True)
class HestonParameters:
    """The five numbers of the model: dv = κ(θ − v)dt + σ√v dW, correlation ρ with the price.

    initial_variance v0 ≥ 0 and long_run_variance θ ≥ 0 per year (0.04 is 20 % volatility),
    mean_reversion κ ≥ 0 per year, vol_of_vol σ ≥ 0, correlation −1 ≤ ρ ≤ 1. The Feller condition
    2κθ ≥ σ² need not hold. Raises InputError (HEST-E01 to HEST-E05) naming the field.

    >>> HestonParameters(0.04, 4.0, 0.25, 1.0, -0.5).correlation
    -0.5
    """

    initial_variance: float
    mean_reversion: float
    long_run_variance: float
    vol_of_vol: float
    correlation: float

    def __post_init__(self) -> None:
        """Refuse what no such process has."""
        limits = (100.0, 1e3, 100.0, 100.0, 1.0)
        for number, (name, limit) in enumerate(zip(self.__slots__, limits, strict=True), start=1):
            value = getattr(self, name)
            lowest = -1.0 if name == "correlation" else 0.0
            if not lowest <= value <= limit:
                raise InputError(
                    f"HEST-E0{number}",
                    f"{name} is {value}",
                    rule=f"{name} lies between {lowest:g} and {limit:g}",
                    cure="give decimals: a variance of 0.04 per year, a correlation of -0.7",
                    field=name,
                )

    def as_array(self) -> Floats:
        """Return the five numbers in the order of the fields."""
        return np.array([getattr(self, name) for name in self.__slots__], dtype=np.float64)


class HestonPrices(NamedTuple):
    """Prices, the largest error each may have, and whether the tolerance was reached."""

    price: Floats
    error_bound: Floats
    is_reached: NDArray[np.bool_]


@inline
def place_in_interval(k: float, info: Any) -> Any:
    """Return (d, cos and sin of πd/W, e^{−d}) with d = k − a held inside [0, W]."""
    width = info[WIDTH]
    d = k - info[LEFT]
    d = d if d > 0.0 else 0.0
    d = d if d < width else width
    sine, cosine = sin_cos(PI * (d / width))
    fall = -d
    return d, cosine, sine, exp_core(fall if fall > LOWEST_EXPONENT else LOWEST_EXPONENT)


@kernel(types.void(SERIES, SERIES, *[types.int64] * 2, *[ROW] * 4))
def sum_powers(
    real: Any, imaginary: Any, row: int, terms: int, z_r: Any, z_i: Any, sum_r: Any, sum_i: Any
) -> None:
    """Write Σ c_j·z^j for j = 1 … terms, c = real + i·imaginary, from the highest power down.

    The z and the sums come in rows of LANES; terms is a multiple of UNROLLED.
    """
    for first in range(0, z_r.shape[0], CHUNK):
        last = min(first + CHUNK, z_r.shape[0])
        # Slices, so that the inner loops count from zero: only then are they vectorised.
        along, across, upper, lower = (
            z_r[first:last], z_i[first:last], sum_r[first:last], sum_i[first:last]
        )  # fmt: skip
        for i in range(upper.shape[0]):
            upper[i] = 0.0
            lower[i] = 0.0
        for j in range(terms - UNROLLED, -1, -UNROLLED):
            # Read before the inner loop, which could not otherwise tell that its sums leave them alone.
            c3, c2, c1, c0 = real[row, j + 3], real[row, j + 2], real[row, j + 1], real[row, j]
            d3, d2 = imaginary[row, j + 3], imaginary[row, j + 2]
            d1, d0 = imaginary[row, j + 1], imaginary[row, j]
            for i in range(upper.shape[0]):
                a, b = along[i], across[i]
                x, y = upper[i] + c3, lower[i] + d3
                x, y = fma(x, a, fma(-y, b, c2)), fma(x, b, fma(y, a, d2))
                x, y = fma(x, a, fma(-y, b, c1)), fma(x, b, fma(y, a, d1))
                x, y = fma(x, a, fma(-y, b, c0)), fma(x, b, fma(y, a, d0))
                upper[i] = fma(x, a, -(y * b))
                lower[i] = fma(x, b, y * a)


@inline
def option_price(
    is_call: bool, forward: float, strike: float, k: float, put_share: float, info: Any
) -> float:
    """Return the price from put/K, between intrinsic value and bound; at its edge outside [a, b]."""
    intrinsic = strike - forward if strike > forward else 0.0
    put = strike * put_share
    is_inside = (info[WIDTH] > 0.0) & (k > info[LEFT]) & (k < info[LEFT] + info[WIDTH])
    put = put if is_inside else intrinsic
    put = put if put > intrinsic else intrinsic
    put = put if put < strike else strike
    # By parity; the difference of the two intrinsic values is exact, so a call out of the money is
    # what the put is worth above its own.
    call = (put - intrinsic) + (forward - strike if forward > strike else 0.0)
    return call if is_call else put


@kernel(
    types.void(SERIES, SERIES, ROW, INDEX, FLAGS, *[COLUMN] * 3, types.float64, *[ROW] * 2, BOOLS),
    TRIGONOMETRY,
    HERE,
)
def fill_heston(
    real: Any, imaginary: Any, info: Any, rows: Any,
    is_call: Any, forward: Any, strike: Any, time_years: Any, tolerance: float,
    price: Any, error: Any, is_reached: Any,
) -> None:  # fmt: skip
    """Write price, error bound and whether it is as asked, of the options listed in `rows`, all of the expiry of the series.

    The forward may be any: the law of ln(F_T/F) does not depend on it.
    """
    terms = int(info[TERMS])
    width = info[WIDTH] if info[WIDTH] > 0.0 else 1.0
    total = 0.0
    for j in range(terms - 1, -1, -1):
        total += real[PRICE, j]
    lanes = np.zeros((6, (rows.shape[0] + LANES - 1) // LANES * LANES))
    z_r, z_i, sum_r, sum_i, bottom = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    for i in range(rows.shape[0]):
        f = positive_or_zero(forward[rows[i]])
        s = positive_or_zero(strike[rows[i]])
        k = log_moneyness(s, f)
        lanes[5, i] = k
        d, z_r[i], z_i[i], decay = place_in_interval(k, info)
        bottom[i] = fma(decay, total, ((d - 1.0) + decay) / width)
    sum_powers(real, imaginary, PRICE, terms, z_r, z_i, sum_r, sum_i)
    for i in range(rows.shape[0]):
        row = rows[i]
        f = positive_or_zero(forward[row])
        s = positive_or_zero(strike[row])
        value = option_price(is_call[row], f, s, lanes[5, i], bottom[i] - sum_r[i], info)
        bad = poison(forward[row], strike[row], 0.0, time_years[row])
        price[row] = value + bad
        larger = f if f > s else s
        error[row] = larger * (info[ERROR] + ROUNDING) + bad
        is_reached[row] = error[row] <= larger * (tolerance + ROUNDING)


@kernel(
    types.void(ROW, types.float64, INDEX, FLAGS, *[COLUMN] * 3, *[ROW] * 2, BOOLS),
    TRIGONOMETRY,
    HERE,
)
def fill_surface(
    model: Any, tolerance: float, order: Any,
    is_call: Any, forward: Any, strike: Any, time_years: Any,
    price: Any, error: Any, is_reached: Any,
) -> None:  # fmt: skip
    """Write price, error bound and whether it is as asked of every option; `order` lists them by time, one series a time."""
    real, imaginary, info = np.empty((1, STRIDE)), np.empty((1, STRIDE)), np.empty(INFO)
    v0, kappa, theta, sigma, rho = model[0], model[1], model[2], model[3], model[4]
    first = 0
    while first < order.shape[0]:
        time = time_years[order[first]]
        last = first + 1
        while last < order.shape[0] and time_years[order[last]] == time:
            last += 1
        is_moving = find_interval(v0, kappa, theta, sigma, rho, time, tolerance, info)
        if is_moving:
            fill_series(v0, kappa, theta, sigma, rho, time, tolerance, real, imaginary, info)
        rows = order[first:last]
        fill_heston(
            real, imaginary, info, rows, is_call, forward, strike, time_years, tolerance,
            price, error, is_reached,
        )  # fmt: skip
        first = last


def heston_price_with_error(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    time_years: ArrayLike,
    parameters: HestonParameters,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
) -> HestonPrices:
    """Return undiscounted Heston prices, the error each may have, and whether it is as asked.

    Arguments broadcast to one shape, which the three results have. tolerance: in units of the larger
    of forward and strike, at least 1e-15, before rounding adds 1e-15. is_reached is False where
    TERMS_MAX terms were too few (correlation of ±1, hardly any variance left) or the input is NaN.

    >>> model = HestonParameters(0.04, 4.0, 0.25, 1.0, -0.5)
    >>> found = heston_price_with_error(False, 100.0, [80.0, 120.0], 1.0, model)
    >>> found.price.round(9).tolist(), bool(found.is_reached.all())
    ([7.833239934, 29.545045589], True)
    """
    if not SMALLEST_TOLERANCE <= tolerance <= 1e-3:
        raise InputError(
            "HEST-E06",
            f"tolerance is {tolerance}",
            rule="a tolerance lies between 1e-15 and 1e-3 of the strike",
            cure="leave it out for 1e-14",
            field="tolerance",
        )
    inputs = broadcast(is_call, forward, strike, time_years)
    flat = [column.reshape(-1) for column in inputs]
    shape = inputs[0].shape
    price, error, is_reached = np.empty(shape), np.empty(shape), np.empty(shape, np.bool_)
    order = np.argsort(flat[3], kind="stable")
    fill_surface(
        parameters.as_array(), tolerance, order, *flat,
        price.reshape(-1), error.reshape(-1), is_reached.reshape(-1),
    )  # fmt: skip
    return HestonPrices(price, error, is_reached)


def heston_price(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    time_years: ArrayLike,
    parameters: HestonParameters,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Floats:
    """Return undiscounted Heston prices in the unit of the forward, per unit of the underlying.

    Arguments broadcast to one shape, which the result has. Times are years of 365 days. The error
    is below `tolerance` + 1e-15 of the larger of forward and strike; where that cannot be reached
    within TERMS_MAX terms and the error may pass 1e-9, the price is NaN (`heston_price_with_error`
    tells it all). Edges: see the module.

    >>> model = HestonParameters(0.04, 1.15, 0.04, 0.2, -0.4)
    >>> heston_price(True, 100.0, [80.0, 100.0, 120.0], 0.5, model).round(9).tolist()
    [20.453110037, 5.537140146, 0.534950237]
    """
    found = heston_price_with_error(
        is_call, forward, strike, time_years, parameters, tolerance=tolerance
    )
    if not found.is_reached.all():
        scale = np.maximum(np.broadcast_to(forward, found.price.shape), strike)
        found.price[~(found.error_bound <= USABLE_ERROR * scale)] = np.nan
    return found.price
