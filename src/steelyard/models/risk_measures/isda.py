"""The upfront amount of a credit default swap by the ISDA standard model: one hazard rate, quarterly coupons.

Days are counted from the trade date; survival to the end of day d is e^(−h·d/365). Integrals are split at the
nodes of the discount curve, so on every piece both logarithms are straight lines and the integrals are exact:
with f = ln D(x)/D(y), g = h(y − x)/365, w = f + g and B = D(x)·Q(x) at the piece's start,

    ∫ −D dQ = B·g·(1 − e^(−w))/w,    ∫ −u·D dQ = B·g·((1 − e^(−w))/w − e^(−w))/w,  u from 0 to 1 on the piece,

both of which stay exact as w goes to 0. Source: the ISDA CDS Standard Model, with half a day of accrual counted
on top and its forward-piecewise integrals; own code. Criteria in specs/43-RISK.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import exp, fsum

from steelyard.models.risk_measures.business_days import (
    DAY,
    following,
    plus_business_days,
    quarter_days,
)
from steelyard.models.risk_measures.distributions import mean_of_decay, mean_of_rising_decay
from steelyard.models.risk_measures.rate_curve import RateCurve, require_date
from steelyard.models.risk_measures.roots import bracketed_root
from steelyard.models.risk_measures.rules import require, unsolved

DAYS_PER_YEAR, DAYS_PER_COUPON_YEAR = 365.0, 360.0
SETTLEMENT_DAYS = 3
HALF_A_DAY = 1.0 / 730.0  # years
YEARS_MAX = 100
HAZARD_MAX = 1e5  # a year

Piece = tuple[int, int, float, float]  # from day, to day, ln D at the start, its fall f


@dataclass(frozen=True)
class Coupon:
    """One coupon period in days from the trade date.

    end: the last day whose default still owes the accrued part; discount: of the day it is paid;
    share: of a year of 360 days; pieces: of the accrual integral.
    """

    start: int
    end: int
    share: float
    discount: float
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class CreditSwap:
    """A bought protection, laid out on a curve and ready to be valued at any hazard rate and coupon."""

    recovery: float
    coupons: tuple[Coupon, ...]
    pieces: tuple[Piece, ...]
    accrued_share: float  # of a year of 360 days, to the day after the trade
    settlement_discount: float


def coupon_dates(trade_date: date, maturity_date: date) -> list[date]:
    """Return the ends of the coupon periods, before them the start of the first; maturity unmoved, last.

    Quarter days moved to the following business day; the first is the last such on or before the day after
    the trade.

    >>> [day.isoformat() for day in coupon_dates(date(2009, 5, 21), date(2009, 9, 20))]
    ['2009-03-20', '2009-06-22', '2009-09-20']
    """
    earlier = trade_date.replace(year=trade_date.year - 1, day=1)
    moved = [following(day) for day in quarter_days(earlier, maturity_date)]
    moved = [day for day in moved if day < maturity_date]
    start = max(day for day in moved if day <= trade_date + DAY)
    return [start, *(day for day in moved if day > start), maturity_date]


def credit_swap(curve: RateCurve, maturity_date: date, recovery: float) -> CreditSwap:
    """Return the swap's periods and integration pieces on a curve.

    Errors: RISK-E01 for a maturity that is not after the trade or more than a hundred years away, or a recovery
    outside [0, 1).
    """
    trade = curve.trade_date
    require_date("maturity_date", maturity_date)
    rule = f"maturity_date is after the trade date, by at most {YEARS_MAX} years"
    term = (maturity_date - trade).days
    require(0 < term <= 366 * YEARS_MAX, "maturity_date", maturity_date.isoformat(), rule)
    require(0.0 <= recovery < 1.0, "recovery", recovery, "recovery is at least 0 and below 1")
    dates = coupon_dates(trade, maturity_date)
    coupons = []
    for start_date, end_date in pairwise(dates):
        is_last = end_date == maturity_date
        start, end = (start_date - trade).days, (end_date - trade).days
        paid = curve.discount(following(end_date))
        covered = end if is_last else end - 1
        share = (end - start + is_last) / DAYS_PER_COUPON_YEAR
        pieces = _pieces(curve, max(start - 1, 0), covered)
        coupons.append(Coupon(start, covered, share, paid, pieces))
    accrued = (trade - dates[0]).days + 1
    settlement = curve.discount(plus_business_days(trade, SETTLEMENT_DAYS))
    pieces = _pieces(curve, 0, term)
    return CreditSwap(
        recovery, tuple(coupons), pieces, accrued / DAYS_PER_COUPON_YEAR, settlement
    )  # fmt: skip


def _pieces(curve: RateCurve, start: int, end: int) -> tuple[Piece, ...]:
    """Return the pieces of [start, end] between the curve's nodes."""
    places = [start, *(day for day in curve.days if start < day < end), end]
    logs = [curve.log_discount(place) for place in places]
    return tuple(
        (x, y, at_x, at_x - at_y)
        for (x, y), (at_x, at_y) in zip(pairwise(places), pairwise(logs), strict=True)
        if y > x
    )


def protection_value(swap: CreditSwap, hazard_rate: float) -> float:
    """Return the value of what is paid at default, per 1 of notional."""
    yearly = hazard_rate / DAYS_PER_YEAR
    total = fsum(
        exp(log_x - yearly * x) * yearly * (y - x) * mean_of_decay(fall + yearly * (y - x))
        for x, y, log_x, fall in swap.pieces
    )
    return (1.0 - swap.recovery) * total


def premium_value(swap: CreditSwap, hazard_rate: float) -> float:
    """Return the clean value of the premiums per 1 of notional and of spread.

    Coupons that are survived, the accrued part of the one that a default cuts short (half a day counted on
    top), less the rebate of what has accrued before the trade.
    """
    yearly = hazard_rate / DAYS_PER_YEAR
    terms = [-swap.accrued_share * swap.settlement_discount]
    for coupon in swap.coupons:
        terms.append(coupon.share * coupon.discount * exp(-yearly * coupon.end))
        for x, y, log_x, fall in coupon.pieces:
            g = yearly * (y - x)
            w = fall + g
            before = (x - coupon.start + 1) / DAYS_PER_YEAR + HALF_A_DAY
            within = (y - x) / DAYS_PER_YEAR * mean_of_rising_decay(w)
            owed = before * mean_of_decay(w) + within
            terms.append(exp(log_x - yearly * x) * g * owed * DAYS_PER_YEAR / DAYS_PER_COUPON_YEAR)
    return fsum(terms)


def clean_value(swap: CreditSwap, hazard_rate: float, spread: float) -> float:
    """Return the value to the buyer of protection, who pays the spread, at the trade date."""
    return protection_value(swap, hazard_rate) - spread * premium_value(swap, hazard_rate)


def hazard_rate_of(swap: CreditSwap, quoted_spread: float) -> float:
    """Return the hazard rate, at least 0, at which the swap is worth nothing at a spread.

    Errors: RISK-E01 for a spread below 0; RISK-E02 if no rate gives it.
    """
    require(quoted_spread >= 0.0, "quoted_spread", quoted_spread, "quoted_spread is at least 0")
    if quoted_spread == 0.0:
        return 0.0
    low, high = 0.0, quoted_spread / (1.0 - swap.recovery)
    while clean_value(swap, high, quoted_spread) < 0.0 and high < HAZARD_MAX:
        low, high = high, 2.0 * high
    try:
        return bracketed_root(lambda h: clean_value(swap, h, quoted_spread), low, high)
    except ValueError:
        raise unsolved(
            "quoted_spread", f"no hazard rate gives the spread {quoted_spread}",
            "a spread is what some probability of default makes fair",
        ) from None  # fmt: skip


def upfront(
    curve: RateCurve,
    maturity_date: date,
    quoted_spread: float,
    running_coupon: float,
    recovery: float,
    notional: float,
) -> float:
    """Return what the buyer of protection pays upfront, accrued premium not in it, in the notional's unit.

    notional·V(h, running_coupon)/D(three business days after the trade), h from the quoted spread.
    Errors: RISK-E01, RISK-E02 as above.

    >>> from steelyard.models.risk_measures.rate_curve import fit_rate_curve
    >>> curve = fit_rate_curve(date(2009, 5, 21), ((6, 0.012413),), ((2, 0.011907),))
    >>> round(upfront(curve, date(2011, 6, 20), 0.01, 0.01, 0.4, 1e7), 6) + 0.0
    0.0
    """
    require(running_coupon >= 0.0, "running_coupon", running_coupon, "running_coupon is at least 0")
    require(notional >= 0.0, "notional", notional, "notional is at least 0")
    swap = credit_swap(curve, maturity_date, recovery)
    hazard_rate = hazard_rate_of(swap, quoted_spread)
    value = clean_value(swap, hazard_rate, running_coupon)
    return notional * value / swap.settlement_discount
