"""Implied volatility for a reader: one price at a time, the same steps as the kernel, equal bits.

The derivation stands at the head of `implied_volatility`. Read `implied_volatility` here first,
then `deviation_implied`.
"""

from __future__ import annotations

from steelyard.valuation import implied_volatility as table
from steelyard.valuation.black76 import SMALLEST_PRICE
from steelyard.valuation.black76_twin import are_good, log_moneyness
from steelyard.valuation.elementary import MILLS_DENOMINATOR, MILLS_NUMERATOR
from steelyard.valuation.elementary_twin import NAN, fma, log_ratio, polynomial, square_root
from steelyard.valuation.implied_volatility import ROOT_TWO_PI, QuoteStatus

SIXTH, THIRD, TWENTY_FOURTH = 1.0 / 6.0, 1.0 / 3.0, 1.0 / 24.0


def time_value(a: float, b: float, price: float) -> float:
    """Return price − max(a − b, 0) rounded once.

    >>> time_value(1.0, 1e-17, 1.5) == 0.5, time_value(3.0, 5.0, 0.25)
    (True, 0.25)
    """
    gain = a - b
    if gain <= 0.0:
        return price
    back = gain - a
    error = (a - (gain - back)) - (b + back)
    return (price - gain) - error


def seed_near(x: float, logarithm: float) -> float:
    """Return s near the money from ln(1 + (x + x²/2)/p)."""
    above = polynomial(table.NEAR_SEED_ABOVE, logarithm)
    return x * polynomial(table.NEAR_SEED_BELOW, logarithm) / (logarithm * above)


def seed_high(x: float, inflection: float, tail: float, w: float) -> float:
    """Return s above the inflection from w = ln(q_c/q)."""
    u = w * polynomial(table.HIGH_SEED_ABOVE, w) / polynomial(table.HIGH_SEED_BELOW, w)
    far = u + square_root(fma(u, u, 2.0 * x))
    return max(far, fma(fma(2.0, tail, 1.0), u, inflection))


def seed_wing(x: float, tail: float, w: float) -> float:
    """Return s below the inflection, away from the money, from w = ln(p_c/p)."""
    drop = ROOT_TWO_PI * (0.5 - tail)
    twice = 2.0 * w * drop
    below = square_root(fma(twice, drop, 1.0)) + 1.0
    together = below + twice
    inverse = twice / (below * together)
    z, part = together * inverse, below * inverse
    rows = [polynomial(row, drop) for row in table.WING_SEED]
    correction = fma(fma(fma(rows[3], part, rows[2]), part, rows[1]), part, rows[0])
    z = z * fma(correction, part, 1.0)
    return 2.0 * x / (z + square_root(fma(z, z, 2.0 * x)))


def series(s: float, h: float, ratio: float) -> float:
    """Return D/√(2π) from its series in s/2; ratio = M(h)/√(2π)."""
    square, t = h * h, 0.25 * (s * s)
    e = [fma(-h * ROOT_TWO_PI, ratio, 1.0)]
    e.append(fma(square + 3.0, e[0], -1.0))
    for k in range(1, 6):
        e.append(fma(square + float(4 * k + 3), e[k], -float(2 * k * (2 * k + 1)) * e[k - 1]))
    total = table.SERIES[6] * e[6]
    for k in range(5, 0, -1):
        total = fma(total, t, table.SERIES[k] * e[k])
    return s * fma(total, t, e[0]) * (1.0 / ROOT_TWO_PI)


def householder(nu: float, r2: float, r3: float, r4: float) -> float:
    """Return the step of fourth order from Newton's step nu and the ratios f⁽ᵏ⁾/f′."""
    top = fma(nu, fma(nu, r3 * SIXTH, r2), 1.0)
    deep = fma(nu, r4 * TWENTY_FOURTH, fma(0.25 * r2, r2, r3 * THIRD))
    bottom = fma(nu, fma(nu, deep, 1.5 * r2), 1.0)
    return min(max(nu * top / bottom, table.STEP_DOWN), table.STEP_UP)


def mills_parts(z: float) -> tuple[float, float]:
    """Return numerator and denominator of M(z)/√(2π)."""
    return polynomial(MILLS_NUMERATOR, z), polynomial(MILLS_DENOMINATOR, z)


def improve(s: float, x: float, target: float, is_near: bool, is_high: bool) -> tuple[float, float]:
    """Return the next s, and D/s (−E/s if high) at this one."""
    inverse_s = 1.0 / s
    h, half = x * inverse_s, 0.5 * s
    u, v = half - h, half + h
    above, below = mills_parts(h if is_near else abs(u))
    far_above, far_below = mills_parts(v)
    inverse = 1.0 / (below * far_below)
    left, right = above * far_below, far_above * below
    if is_near:
        spread = series(s, h, left * inverse)
    else:
        spread = (-left - right if is_high else left - right) * inverse
    residual = fma(-0.5 * u, u, log_ratio(abs(spread), target))
    density = spread * ROOT_TWO_PI
    a = s / density
    growth = density * inverse_s
    square, quarter = h * h, half * half
    r2 = (square - quarter) - a
    rise = fma(-3.0, square, -quarter) - a * r2
    bend = fma(12.0, square, -a * fma(r2, r2, rise))
    r3 = fma(r2, r2, rise)
    r4 = fma(r2, fma(r2, r2, 3.0 * rise), bend)
    step = householder(-residual * growth, r2, r3, r4)
    return fma(step, s, s), growth


def first_guess(
    x: float, target: float, tail: float, inflection: float, is_near: bool, is_high: bool
) -> float:
    """Return the seed of the region."""
    if is_near:
        kept = max(x, table.LEAST_RELATIVE * target)
        w = log_ratio(fma(kept, fma(0.5, kept, 1.0), target), target)
        return seed_near(kept, max(w, 0.0))
    w = max(log_ratio(0.5 + tail if is_high else 0.5 - tail, target), 0.0)
    return seed_high(x, inflection, tail, w) if is_high else seed_wing(x, tail, w)


def deviation_implied(
    x: float, value: float, gap: float, smaller: float
) -> tuple[float, float, float]:
    """Return s, D/s (or E/s), and the p (or q) that was solved for."""
    inflection = square_root(2.0 * x)
    above, below = mills_parts(inflection)
    tail = above / below
    is_near = x < table.NEAR_MONEYNESS and value < table.NEAR_PRICE * smaller
    is_high = value >= (0.5 - tail) * smaller and not is_near
    target = max((gap if is_high else value) / smaller, table.SMALLEST_TARGET)
    s = first_guess(x, target, tail, inflection, is_near, is_high)
    s, _ = improve(s, x, target, is_near, is_high)
    s, growth = improve(s, x, target, is_near, is_high)
    return s, abs(growth), target


def status_of(price: float, floor: float, bound: float) -> QuoteStatus:
    """Return where a price stands between intrinsic value and bound; SOLVED if inside."""
    if price < floor:
        return QuoteStatus.BELOW_INTRINSIC
    if price == floor:
        return QuoteStatus.AT_INTRINSIC
    return QuoteStatus.ABOVE_BOUND if price >= bound else QuoteStatus.SOLVED


def implied_volatility(
    is_call: bool, forward: float, strike: float, price: float, time_years: float
) -> tuple[float, QuoteStatus]:
    """Return volatility and status of one price, the bits of `implied_volatility`.

    >>> implied_volatility(True, 100.0, 120.0, 2.147298810578147, 1.0)
    (0.2, <QuoteStatus.SOLVED: 0>)
    """
    if not (are_good(forward, strike, price, time_years) and time_years > 0.0):
        return NAN, QuoteStatus.BAD_INPUT
    if forward < SMALLEST_PRICE or strike < SMALLEST_PRICE:
        return NAN, QuoteStatus.BAD_INPUT
    bound, other = (forward, strike) if is_call else (strike, forward)
    status = status_of(price, max(bound - other, 0.0), bound)
    if status is not QuoteStatus.SOLVED:
        return (0.0 if status is QuoteStatus.AT_INTRINSIC else NAN), status
    smaller = min(forward, strike)
    value = time_value(bound, other, price)
    x = abs(log_moneyness(forward, strike))
    s, growth, target = deviation_implied(x, value, bound - price, smaller)
    is_vague = price * growth > table.INFORMATION * (smaller * target)
    if is_vague or min(value, target) <= table.SMALLEST_TARGET:
        status = QuoteStatus.NO_INFORMATION
    return s / square_root(time_years), status
