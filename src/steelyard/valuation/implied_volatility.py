"""Implied volatility of Black-76 prices, in the money, deep in the wings and near the bound.

Formulation. The price gives the out-of-the-money option of the pair: in the money, intrinsic value
is taken off with the rounding error of F − K. With S = min(F, K), x = |ln(F/K)|, s = σ·√τ,
h = x/s, u = s/2 − h, v = s/2 + h and the Mills ratio M,

    p = value / S = φ(u)·D,     D = M(−u) − M(v),    dp/ds = φ(u),
    q = 1 − p     = φ(u)·E,     E = M(u) + M(v),     dq/ds = −φ(u),

and q = (bound − price)/S is known to the last bit of the price even where p has rounded to 1. Three
regions, chosen by x and the price alone, so one option never changes its equation:

    near   x < 0.2 and p < 0.105     ln p, D from its series in s/2 around h
    wing   below the inflection      ln p, D as written (−u ≥ 0)
    high   above the inflection      ln q (u ≥ 0); the inflection is s = √(2x), where u = 0

All three are −u²/2 + ln(D or E) less a constant, without an exponential, so nothing underflows. A
closed form within 6.2 % (wing 1.5 %, near 0.5 %) starts, and Householder's method of fourth order,
each step of which takes an error e to about e⁵, is applied twice: always, whatever the residual, so
the loop has no branch and the bits do not depend on neighbours. A third step moves s by 8e-15 at
most, which is rounding. In the wings ln p is about −h²/2, so an ulp of it moves σ by less than an
ulp, which is why prices of 1e-300 still give all digits.

The series: D = s·(E₀ + E₁t²/3! + E₂t⁴/5! + …), t = s/2, where Eₖ = −M⁽²ᵏ⁺¹⁾(h), E₀ = 1 − h·M(h),
E₁ = (h² + 3)·E₀ − 1 and Eₖ₊₁ = (h² + 4k + 3)·Eₖ − 2k(2k + 1)·Eₖ₋₁. E₀ ≈ 1/h² does lose digits far
out, but an error of D reaches σ multiplied by D/s ≈ E₀, which gives them back; those of the later Eₖ
count (h·t)²ᵏ = (x/2)²ᵏ.

Source: own derivation from Black, The pricing of commodity contracts, 1976; Householder, The
numerical treatment of a single nonlinear equation, 1970. Criteria in specs/17-IMPV.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.valuation.black76 import (
    COLUMN,
    FLAGS,
    RESULT,
    SMALLEST_PRICE,
    Floats,
    broadcast,
    log_moneyness,
    poison,
)
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import (
    log_ratio,
    mills_denominator,
    mills_numerator,
)
from steelyard.valuation.intrinsics import absolute, fma, polynomial, sqrt

STATUSES = types.Array(types.int8, 1, "C")

ROOT_TWO_PI = 2.5066282746310002
NEAR_MONEYNESS = 0.2
NEAR_PRICE = 0.105  # s stays below 0.48, where the series of seven terms ends at 1e-15
SMALLEST_TARGET = 2.0**-1020  # p below this counts as this; it or a value below it is flagged
INFORMATION = 1e-11 * 2.0**53  # half an ulp of the price may move σ by 1e-11 of itself
LEAST_RELATIVE = 1e-6  # the seed near the money takes x as at least this part of p
STEP_DOWN, STEP_UP = -0.75, 3.0  # bounds of a relative step, never reached from the seeds

# The seeds: least squares, reweighted until the largest relative error was even, on points computed
# from s. Two steps later nothing of them is left but rounding, so their digits are few.
# h from ln(1 + (x + x²/2)/p) near the money; largest relative error 6.5e-5
NEAR_SEED_ABOVE = (0.3989182, 0.04740967, 0.006603844, 8.643227e-05, 1.122618e-07)
NEAR_SEED_BELOW = (1.0, 0.1186414, 0.0203411, 0.0007208771, 3.04213e-06, 8.442606e-10)
# u with N(−u) = e^(−w)/2 from w ≤ 38; largest relative error 2.5e-3
HIGH_SEED_ABOVE = (1.2503432, 0.4040097, 0.005007125)
HIGH_SEED_BELOW = (1.0, 0.7894392, 0.05272004)
# Correction of the wing's seed: row i is the factor of ζⁱ⁺¹ as a polynomial in D at the inflection;
# largest relative error of s 1.5e-2.
WING_SEED = (
    (-0.3587839, -7.737197, 25.74116, -17.7349),
    (18.28992, -53.5519, 21.81579, 14.49301),
    (-28.2309, 112.885, -105.5596, 19.4885),
    (10.33628, -51.98213, 58.77294, -16.6399),
)
# 1/(2k + 1)!, for the series of D
SERIES = tuple(1.0 / n for n in (1, 6, 120, 5040, 362880, 39916800, 6227020800))

near_above = polynomial(NEAR_SEED_ABOVE)
near_below = polynomial(NEAR_SEED_BELOW)
high_above = polynomial(HIGH_SEED_ABOVE)
high_below = polynomial(HIGH_SEED_BELOW)
wing_1, wing_2, wing_3, wing_4 = (polynomial(row) for row in WING_SEED)


class QuoteStatus(IntEnum):
    """What a price says about its volatility.

    SOLVED: the volatility is right to 1e-11. AT_INTRINSIC: no time value, volatility 0.
    BELOW_INTRINSIC and ABOVE_BOUND (at the bound F or K, or above): no volatility has this price,
    NaN. NO_INFORMATION: the volatility solves the price as it stands, but half a unit in the last
    place of the price moves it by more than 1e-11 of itself, or the price is so small that it has
    lost digits. BAD_INPUT: NaN, infinite or not positive, NaN.
    """

    SOLVED = 0
    AT_INTRINSIC = 1
    BELOW_INTRINSIC = 2
    ABOVE_BOUND = 3
    NO_INFORMATION = 4
    BAD_INPUT = 5


SOLVED, AT_INTRINSIC = int(QuoteStatus.SOLVED), int(QuoteStatus.AT_INTRINSIC)
BELOW_INTRINSIC, ABOVE_BOUND = int(QuoteStatus.BELOW_INTRINSIC), int(QuoteStatus.ABOVE_BOUND)
NO_INFORMATION, BAD_INPUT = int(QuoteStatus.NO_INFORMATION), int(QuoteStatus.BAD_INPUT)


class ImpliedVolatility(NamedTuple):
    """Volatilities per year (0.65 = 65 %), and of each what its price was good for."""

    volatility: Floats
    status: NDArray[np.int8]  # members of QuoteStatus


@inline
def time_value(gain: float, a: float, b: float, price: float) -> float:
    """Return price − max(a − b, 0) rounded once, with gain = a − b rounded.

    What the rounding of a − b left out is taken off too: it may be most of the time value.
    """
    back = gain - a
    error = (a - (gain - back)) - (b + back)
    return (price - gain) - error if gain > 0.0 else price


@inline
def seed_near(x: float, logarithm: float) -> float:
    """Return s near the money from ln(1 + (x + x²/2)/p): Bachelier's h = x/s, inverted."""
    return x * near_below(logarithm) / (logarithm * near_above(logarithm))


@inline
def seed_apart(x: float, inflection: float, tail: float, w: float, is_high: bool) -> float:
    """Return s away from the money, from w = ln(q_c/q) if high, else w = ln(p_c/p).

    inflection: √(2x); tail: φ(0)·M there. High: the larger of two lines of thought, a normal tail
    in u, exact far out, and a tangent at the inflection, exact there. Wing: −u from
    u²/2 − u/D_c = w, that is ln D taken as a straight line, and a correction.
    """
    u = w * high_above(w) / high_below(w)
    far = u + sqrt(fma(u, u, 2.0 * x))
    close = fma(fma(2.0, tail, 1.0), u, inflection)
    high = far if far > close else close
    drop = ROOT_TWO_PI * (0.5 - tail)
    twice = 2.0 * w * drop
    below = sqrt(fma(twice, drop, 1.0)) + 1.0
    together = below + twice
    inverse = twice / (below * together)
    z = together * inverse
    part = below * inverse
    inner = fma(fma(wing_4(drop), part, wing_3(drop)), part, wing_2(drop))
    z = z * fma(fma(inner, part, wing_1(drop)), part, 1.0)
    wing = 2.0 * x / (z + sqrt(fma(z, z, 2.0 * x)))
    return high if is_high else wing


@inline
def series(s: float, h: float, ratio: float) -> float:
    """Return D/√(2π) near the money from its series in s/2; ratio = M(h)/√(2π)."""
    square = h * h
    t = 0.25 * (s * s)
    e0 = fma(-h * ROOT_TWO_PI, ratio, 1.0)
    e1 = fma(square + 3.0, e0, -1.0)
    e2 = fma(square + 7.0, e1, -6.0 * e0)
    e3 = fma(square + 11.0, e2, -20.0 * e1)
    e4 = fma(square + 15.0, e3, -42.0 * e2)
    e5 = fma(square + 19.0, e4, -72.0 * e3)
    e6 = fma(square + 23.0, e5, -110.0 * e4)
    total = fma(SERIES[6] * e6, t, SERIES[5] * e5)
    total = fma(total, t, SERIES[4] * e4)
    total = fma(total, t, SERIES[3] * e3)
    total = fma(total, t, SERIES[2] * e2)
    total = fma(total, t, SERIES[1] * e1)
    return s * fma(total, t, e0) * (1.0 / ROOT_TWO_PI)


@inline
def ratios(s: float, x: float, is_near: bool) -> Any:
    """Return 1/s, h, u and the products whose difference over the last value is D/√(2π)."""
    inverse_s = 1.0 / s
    h = x * inverse_s
    u = 0.5 * s - h
    v = 0.5 * s + h
    first = h if is_near else absolute(u)
    above, below = mills_numerator(first), mills_denominator(first)
    far_above, far_below = mills_numerator(v), mills_denominator(v)
    return inverse_s, h, u, above * far_below, far_above * below, below * far_below


@inline
def measure(s: float, target: float, is_near: bool, is_high: bool, parts: Any) -> Any:
    """Return D (−E if high) and ln p or ln q less that of the target."""
    _, h, u, left, right, scale = parts
    inverse = 1.0 / scale
    apart = (-left - right if is_high else left - right) * inverse
    spread = series(s, h, left * inverse) if is_near else apart
    return spread * ROOT_TWO_PI, fma(-0.5 * u, u, log_ratio(absolute(spread), target))


@inline
def advance(s: float, parts: Any, density: float, residual: float) -> Any:
    """Return the next s, and D/s (−E/s if high) at this one, by Householder's fourth order.

    The relative derivatives of f = ln p or ln q by s: f' = a/s, f''/f' = r₂/s, f‴/f' = r₃/s², and
    so on.
    """
    inverse_s, h = parts[0], parts[1]
    a = s / density
    growth = density * inverse_s
    square = h * h
    quarter = 0.25 * (s * s)
    r2 = (square - quarter) - a
    rise = fma(-3.0, square, -quarter) - a * r2
    bend = fma(12.0, square, -a * fma(r2, r2, rise))
    r3 = fma(r2, r2, rise)
    r4 = fma(r2, fma(r2, r2, 3.0 * rise), bend)
    nu = -residual * growth
    top = fma(nu, fma(nu, r3 * (1.0 / 6.0), r2), 1.0)
    deep = fma(nu, r4 * (1.0 / 24.0), fma(0.25 * r2, r2, r3 * (1.0 / 3.0)))
    bottom = fma(nu, fma(nu, deep, 1.5 * r2), 1.0)
    step = nu * top / bottom
    step = STEP_DOWN if step < STEP_DOWN else (STEP_UP if step > STEP_UP else step)
    return fma(step, s, s), growth


@inline
def region_of(x: float, value: float, gap: float, smaller: float) -> Any:
    """Return (is_near, is_high, target p or q, √(2x), φ(0)·M of it, the least x, the seed's log)."""
    inflection = sqrt(2.0 * x)
    tail = mills_numerator(inflection) / mills_denominator(inflection)
    bend = 0.5 - tail  # p at the inflection
    is_near = (x < NEAR_MONEYNESS) & (value < NEAR_PRICE * smaller)
    is_high = (value >= bend * smaller) & (not is_near)
    ratio = (gap if is_high else value) / smaller
    target = ratio if ratio > SMALLEST_TARGET else SMALLEST_TARGET
    least = LEAST_RELATIVE * target
    kept = x if x > least else least
    reference = 0.5 + tail if is_high else bend
    reference = fma(kept, fma(0.5, kept, 1.0), target) if is_near else reference
    w = log_ratio(reference, target)
    return is_near, is_high, target, inflection, tail, kept, w if w > 0.0 else 0.0


@inline
def seed(x: float, region: Any) -> float:
    """Return the first s."""
    is_near, is_high, _, inflection, tail, kept, w = region
    apart = seed_apart(x, inflection, tail, w, is_high)
    return seed_near(kept, w) if is_near else apart


@inline
def two_deviations(one: Any, two: Any) -> Any:
    """Return s, D/s or E/s, and p or q, of two (x, value, bound − price, min(F, K)).

    One option is a chain of some eight hundred cycles in which each step waits for the one before.
    With two side by side the processor works on one while the other waits, in half the time.
    """
    here, there = region_of(*one), region_of(*two)
    s, t = seed(one[0], here), seed(two[0], there)
    a, b = ratios(s, one[0], here[0]), ratios(t, two[0], there[0])
    c, d = measure(s, here[2], here[0], here[1], a), measure(t, there[2], there[0], there[1], b)
    s, _ = advance(s, a, *c)
    t, _ = advance(t, b, *d)
    a, b = ratios(s, one[0], here[0]), ratios(t, two[0], there[0])
    c, d = measure(s, here[2], here[0], here[1], a), measure(t, there[2], there[0], there[1], b)
    s, growth = advance(s, a, *c)
    t, rise = advance(t, b, *d)
    return (s, absolute(growth), here[2]), (t, absolute(rise), there[2])


@inline
def status_of(is_good: bool, price: float, floor: float, bound: float, is_vague: bool) -> int:
    """Return the QuoteStatus of a price between floor and bound, the first that holds from below."""
    code = NO_INFORMATION if is_vague else SOLVED
    code = ABOVE_BOUND if price >= bound else code
    code = AT_INTRINSIC if price == floor else code
    code = BELOW_INTRINSIC if price < floor else code
    return code if is_good else BAD_INPUT


@inline
def read_quote(is_call: bool, f: float, k: float, price: float, time: float) -> Any:
    """Return (x, value, bound − price, min(F, K)), and the facts that `answer` needs."""
    is_good = (f >= SMALLEST_PRICE) & (k >= SMALLEST_PRICE) & (time > 0.0)
    is_good = is_good & (poison(f, k, price, time) == 0.0)
    forward, strike = f if is_good else 1.0, k if is_good else 1.0
    bound = forward if is_call else strike
    other = strike if is_call else forward
    smaller = forward if forward < strike else strike
    gain = bound - other
    floor = gain if gain > 0.0 else 0.0
    is_open = is_good & (price > floor) & (price < bound)
    value = time_value(gain, bound, other, price)
    quote = (
        absolute(log_moneyness(forward, strike)),
        value if is_open else 0.25 * smaller,
        bound - price if is_open else 0.75 * smaller,
        smaller,
    )
    return quote, (smaller, floor, bound, is_good, value <= SMALLEST_TARGET)


@inline
def answer(price: float, time: float, facts: Any, solution: Any) -> Any:
    """Return (volatility, status) of a quote from s, D/s or E/s, and p or q.

    The price moves s by price·2⁻⁵³/(S·φ(u)·s) of itself, and φ(u) = p/D = q/E.
    """
    smaller, floor, bound, is_good, is_small = facts
    s, growth, target = solution
    is_vague = is_small | (target <= SMALLEST_TARGET)
    is_vague = is_vague | (price * growth > INFORMATION * (smaller * target))
    code = status_of(is_good, price, floor, bound, is_vague)
    is_open = (code == SOLVED) | (code == NO_INFORMATION)
    closed = 0.0 if code == AT_INTRINSIC else np.nan
    return s / sqrt(time) if is_open else closed, code


@kernel(types.void(*[FLAGS, *[COLUMN] * 4, RESULT, STATUSES] * 2))
def fill_two(
    is_call: Any, forward: Any, strike: Any, price: Any, time: Any, volatility: Any, status: Any,
    is_call_2: Any, forward_2: Any, strike_2: Any, price_2: Any, time_2: Any, volatility_2: Any,
    status_2: Any,
) -> None:  # fmt: skip
    """Write volatility and status of two sets of quotes of one length."""
    for i in range(volatility.shape[0]):
        one, facts = read_quote(is_call[i], forward[i], strike[i], price[i], time[i])
        two, facts_2 = read_quote(is_call_2[i], forward_2[i], strike_2[i], price_2[i], time_2[i])
        solution, solution_2 = two_deviations(one, two)
        volatility[i], status[i] = answer(price[i], time[i], facts, solution)
        volatility_2[i], status_2[i] = answer(price_2[i], time_2[i], facts_2, solution_2)


def fill_implied_volatilities(
    is_call: NDArray[np.bool_],
    forward: Floats,
    strike: Floats,
    price: Floats,
    time_years: Floats,
    volatility: Floats,
    status: NDArray[np.int8],
) -> None:
    """Write volatility and status of each quote; all arrays flat, contiguous and of one length."""
    columns = (is_call, forward, strike, price, time_years, volatility, status)
    half = len(volatility) // 2
    if half:
        fill_two(*(c[:half] for c in columns), *(c[half : 2 * half] for c in columns))
    if len(volatility) % 2:
        last = [column[-1:] for column in columns]
        fill_two(*last, *last)


def implied_volatility(
    is_call: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    price: ArrayLike,
    time_years: ArrayLike,
) -> ImpliedVolatility:
    """Return the Black-76 volatilities of undiscounted prices, and the status of each.

    price: in the unit of the forward, per unit of the underlying; time in years of 365 days.
    Arguments broadcast to one shape, which both results have. Where the status is SOLVED the
    volatility is within 1e-11 of the exact one, relatively; the other cases are named by
    `QuoteStatus`, never by an exception. Forward and strike from 2⁻¹⁰⁰⁰ to below 2¹⁰⁰⁰.

    >>> found = implied_volatility(True, 100.0, [100.0, 90.0], [7.965567455405797, 10.0], 1.0)
    >>> found.volatility.round(12).tolist(), [QuoteStatus(c).name for c in found.status.tolist()]
    ([0.2, 0.0], ['SOLVED', 'AT_INTRINSIC'])
    """
    inputs = broadcast(is_call, forward, strike, price, time_years)
    shape = inputs[0].shape
    volatility, status = np.empty(shape), np.empty(shape, np.int8)
    columns: list[Any] = [column.reshape(-1) for column in (*inputs, volatility, status)]
    fill_implied_volatilities(*columns)
    return ImpliedVolatility(volatility, status)
