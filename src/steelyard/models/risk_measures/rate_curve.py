"""A discount curve from deposits and swaps: the logarithm of the discount factor is linear between nodes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from math import exp, isfinite

from steelyard.models.risk_measures.business_days import (
    modified_following,
    plus_business_days,
    plus_months,
    thirty_360_days,
)
from steelyard.models.risk_measures.rules import broken, require, unsolved, whole

SPOT_DAYS = 2
MONTHS_MAX = 1200
HALF_YEAR_MONTHS = 6
STEPS_MAX = 100
FIRST_YEAR, LAST_YEAR = 1900, 2300

Quotes = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class RateCurve:
    """Nodes in days from the trade date, ascending from 0, with ln of the discount factor there.

    Before the first and after the last node the nearest piece goes on.
    """

    trade_date: date
    days: tuple[int, ...]
    logs: tuple[float, ...]

    def log_discount(self, day: float) -> float:
        """Return ln of the discount factor so many days after the trade date."""
        i = min(max(bisect_left(self.days, day), 1), len(self.days) - 1)
        low, high = self.days[i - 1], self.days[i]
        share = (day - low) / (high - low)
        return self.logs[i - 1] + share * (self.logs[i] - self.logs[i - 1])

    def discount(self, day: date) -> float:
        """Return the discount factor of a date; 1 on the trade date."""
        return exp(self.log_discount((day - self.trade_date).days))


@dataclass(frozen=True)
class _Instrument:
    """A par rate from the spot date to its end; payments: (date, share of a year) of its fixed side."""

    field: str
    rate: float
    payments: tuple[tuple[date, float], ...]

    @property
    def end(self) -> date:
        return self.payments[-1][0]


def require_date(field: str, day: date) -> None:
    """Raise RISK-E01 for a date outside the years 1900 to 2300."""
    rule = f"a date lies in the years {FIRST_YEAR} to {LAST_YEAR}"
    require(FIRST_YEAR <= day.year <= LAST_YEAR, field, day.isoformat(), rule)


@lru_cache(maxsize=64)
def fit_rate_curve(trade_date: date, deposits_months: Quotes, swaps_years: Quotes) -> RateCurve:
    """Return the curve on which every deposit and every swap is worth nothing.

    deposits_months: (months, rate): end = spot + months, modified following; D(spot)/D(end) = 1 + rate·days/360.
    swaps_years: (years, rate): fixed payments every six months from spot, modified following, 30/360;
    Σ rate·share·D(payment) = D(spot) − D(end). Spot: two business days after the trade date. Nodes at the ends,
    solved in the order of the ends. Errors: RISK-E01 for no quote at all, two of one end, terms that are not
    whole months or half-years; RISK-E02 for rates that no curve fits.
    Source: the ISDA standard model's interest-rate curve.

    >>> curve = fit_rate_curve(date(2009, 5, 21), ((6, 0.012413),), ((2, 0.011907),))
    >>> round(curve.discount(date(2011, 5, 25)), 10)
    0.9764065377
    """
    require_date("trade_date", trade_date)
    spot = plus_business_days(trade_date, SPOT_DAYS)
    instruments = [_deposit(i, spot, *quote) for i, quote in enumerate(deposits_months)]
    instruments += [_swap(i, spot, *quote) for i, quote in enumerate(swaps_years)]
    instruments.sort(key=lambda each: each.end)
    if not instruments:
        raise broken(
            "deposits_months", "the curve has no quote", "a curve has a deposit or a swap",
            "add deposits_months or swaps_years",
        )  # fmt: skip
    for first, second in pairwise(instruments):
        if first.end == second.end:
            raise broken(
                second.field, f"{second.field} ends on {second.end} as {first.field} does",
                "a day has one quote that ends on it", "drop one of the two",
            )  # fmt: skip
    days, logs = [0], [0.0]
    for instrument in instruments:
        days.append((instrument.end - trade_date).days)
        logs.append(_solve(instrument, trade_date, spot, days, logs))
    return RateCurve(trade_date, tuple(days), tuple(logs))


def _deposit(place: int, spot: date, months: float, rate: float) -> _Instrument:
    field = f"deposits_months[{place}]"
    end = modified_following(plus_months(spot, whole(f"{field}[0]", months, 1, MONTHS_MAX)))
    require(True, f"{field}[1]", rate, "a rate is finite")
    return _Instrument(field, rate, ((end, (end - spot).days / 360.0),))


def _swap(place: int, spot: date, years: float, rate: float) -> _Instrument:
    field = f"swaps_years[{place}]"
    halves = 2.0 * years
    is_whole = isfinite(halves) and halves == int(halves)
    rule = "a swap lasts a whole number of half-years, at most 100 years"
    require(is_whole and 1.0 <= halves <= 200.0, f"{field}[0]", years, rule)
    require(True, f"{field}[1]", rate, "a rate is finite")
    dates = [spot]
    dates += [
        modified_following(plus_months(spot, HALF_YEAR_MONTHS * i))
        for i in range(1, int(halves) + 1)
    ]
    payments = tuple((end, thirty_360_days(start, end) / 360.0) for start, end in pairwise(dates))
    return _Instrument(field, rate, payments)


def _solve(
    instrument: _Instrument, trade_date: date, spot: date, days: list[int], logs: list[float]
) -> float:
    """Return ln D at the instrument's end, days[-1]; logs are those of the nodes before.

    Every discount factor it needs is e^(c + s·x) of the unknown x, s the share of the way to the end; Newton on
    Σ rate·share·D + D(end) − D(spot), started from the rate itself.
    """
    known = RateCurve(trade_date, tuple(days[:-1]), tuple(logs)) if len(logs) > 1 else None
    last, end = days[-2], days[-1]

    def line(day: date) -> tuple[float, float]:
        at = (day - trade_date).days
        if known is not None and at <= last:
            return known.log_discount(at), 0.0
        share = (at - last) / (end - last)
        return (1.0 - share) * logs[-1], share

    rate = instrument.rate
    terms = [(rate * share, *line(day)) for day, share in instrument.payments]
    terms += [(1.0, 0.0, 1.0), (-1.0, *line(spot))]
    x = -rate * end / 365.0
    for _ in range(STEPS_MAX):
        parts = [(weight * exp(start + share * x), share) for weight, start, share in terms]
        slope = sum(part * share for part, share in parts)
        if not slope > 0.0:
            break
        step = sum(part for part, _ in parts) / slope
        x -= step
        if abs(step) <= 1e-15 * max(1.0, abs(x)):
            return x
    raise unsolved(
        instrument.field, f"no discount factor fits the rate {rate}", "a curve fits its rates"
    )
