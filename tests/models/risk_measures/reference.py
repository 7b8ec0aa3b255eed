"""The formulas once more, straight from their definitions, with fifty digits and by quadrature."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from math import comb
from typing import Any

import mpmath as mp

mp.mp.dps = 40
ONE_DAY = timedelta(days=1)


def tail_of_normal(z: float) -> Any:
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


def student_density(t: Any, nu: float) -> Any:
    n = mp.mpf(nu)
    front = mp.gamma((n + 1) / 2) / (mp.gamma(n / 2) * mp.sqrt(n * mp.pi))
    return front * (1 + mp.mpf(t) ** 2 / n) ** (-(n + 1) / 2)


def student_tail(t: Any, nu: float) -> Any:
    n = mp.mpf(nu)
    x = n / (n + mp.mpf(t) ** 2)
    return mp.betainc(n / 2, mp.mpf(1) / 2, 0, x, regularized=True) / 2


def quantile_miss(tail: Any, wanted: Any, density: Any, value: float) -> float:
    """Return how far a quantile is off, relative to itself, from how far its tail is off."""
    return float(abs((tail - wanted) / density / mp.mpf(value)))


def times_log(count: Any, argument: Any) -> Any:
    return count * mp.log(argument) if count else mp.mpf(0)


def kupiec(days: int, count: int, p: float) -> Any:
    share = mp.mpf(count) / days
    p = mp.mpf(p)
    null = times_log(days - count, 1 - p) + times_log(count, p)
    free = times_log(days - count, 1 - share) + times_log(count, share)
    return -2 * (null - free)


def christoffersen(n00: int, n01: int, n10: int, n11: int) -> Any:
    total = n00 + n01 + n10 + n11
    pi = mp.mpf(n01 + n11) / total
    pi0 = mp.mpf(n01) / (n00 + n01) if n00 + n01 else mp.mpf(0)
    pi1 = mp.mpf(n11) / (n10 + n11) if n10 + n11 else mp.mpf(0)
    null = times_log(n00 + n10, 1 - pi) + times_log(n01 + n11, pi)
    free = times_log(n00, 1 - pi0) + times_log(n01, pi0)
    free += times_log(n10, 1 - pi1) + times_log(n11, pi1)
    return -2 * (null - free)


def binomial(count: int, trials: int, p: float) -> float:
    exact = Fraction(p)
    terms = (comb(trials, k) * exact**k * (1 - exact) ** (trials - k) for k in range(count + 1))
    return float(sum(terms, Fraction(0)))


def moved(day: date) -> date:
    while day.weekday() > 4:
        day += ONE_DAY
    return day


def isda_upfront(log_discount: Any, trade: date, maturity: date, terms: dict[str, float]) -> Any:
    """Return the upfront amount by quadrature of the definitions, day after day, on a given curve.

    log_discount: (days from the trade) → ln D, straight between whole days. Within a day both logarithms are
    straight lines, and a Gauss rule takes the integrals over it.
    """
    mp.mp.dps = 25
    try:
        return _isda_upfront(log_discount, trade, maturity, terms)
    finally:
        mp.mp.dps = 40


def _isda_upfront(log_discount: Any, trade: date, maturity: date, terms: dict[str, float]) -> Any:
    points = [(mp.mpf(1) - mp.sqrt(mp.mpf(3) / 5)) / 2, mp.mpf(1) / 2]
    points.append(1 - points[0])
    weights = [mp.mpf(5) / 18, mp.mpf(8) / 18, mp.mpf(5) / 18]
    quarters = [
        date(y, m, 20) for y in range(trade.year - 1, maturity.year + 1) for m in (3, 6, 9, 12)
    ]
    ends = [moved(day) for day in quarters if moved(day) < maturity]
    first = max(day for day in ends if day <= trade + ONE_DAY)
    ends = [day for day in ends if day > first] + [maturity]
    starts = [first, *ends[:-1]]
    term = (maturity - trade).days
    logs = [mp.mpf(log_discount(day)) for day in range(term + 5)]

    def discount(day: date) -> Any:
        return mp.exp(logs[(day - trade).days])

    settlement = trade
    for _ in range(3):
        settlement = moved(settlement + ONE_DAY)

    def value(hazard: Any, spread: Any) -> Any:
        yearly = hazard / 365
        protection = accrued = coupons = mp.mpf(0)
        for start, end in zip(starts, ends, strict=True):
            is_last = end == maturity
            last = (end - trade).days - (not is_last)
            share = mp.mpf((end - start).days + is_last) / 360
            coupons += share * discount(moved(end)) * mp.exp(-yearly * last)
            from_day = max((start - trade).days - 1, 0)
            for day in range(from_day, last):
                for point, weight in zip(points, weights, strict=True):
                    at = day + point
                    log_at = logs[day] + point * (logs[day + 1] - logs[day])
                    density = weight * yearly * mp.exp(log_at - yearly * at)
                    protection += density
                    owed = (at - ((start - trade).days - 1)) / 365 + mp.mpf(1) / 730
                    accrued += density * owed * 365 / 360
        rebate = mp.mpf((trade - first).days + 1) / 360 * discount(settlement)
        return (1 - mp.mpf(terms["recovery"])) * protection - spread * (coupons + accrued - rebate)

    quoted, running = mp.mpf(terms["quoted_spread"]), mp.mpf(terms["running_coupon"])
    start = quoted / (1 - mp.mpf(terms["recovery"]))
    hazard = mp.findroot(lambda h: value(h, quoted), (start, start * 1.01), tol=1e-30)
    return mp.mpf(terms["notional"]) * value(hazard, running) / discount(settlement)
