"""A bond with fixed coupons and a zero bond between dates: price, continuous yield, duration."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import exp, fsum, log

from steelyard.models.risk_measures.rules import broken, require, whole

PERIODS_MAX = 40_000
TIME_SLACK = 1e-9
TEXT_SLACK = 5e-4  # a time as text has at least three decimals
BASIS_POINT = 1e-4
STEPS_MAX = 200


@dataclass(frozen=True)
class BondValue:
    """What a bond is worth and how it moves; rate_01: the fall of the price for +1 bp of the yield."""

    price: float
    yield_continuous: float
    duration: float
    rate_01: float


@dataclass(frozen=True)
class Payments:
    """Amounts, at least 0 and one above it, with their times in years, ascending."""

    times: tuple[float, ...]
    amounts: tuple[float, ...]


def bond_payments(
    face: float, coupon_rate: float, coupon_frequency: float, time_to_maturity: float
) -> Payments:
    """Return face·coupon_rate/coupon_frequency at k/coupon_frequency years, and the face at the end.

    time_to_maturity: years, a whole number of periods; with a frequency of 0 there is only the face, at any
    time. Errors: RISK-E01.

    >>> bond_payments(100.0, 0.05, 2, 1.0)
    Payments(times=(0.5, 1.0), amounts=(2.5, 102.5))
    """
    require(face > 0.0, "face", face, "face is above 0")
    require(coupon_rate >= 0.0, "coupon_rate", coupon_rate, "coupon_rate is at least 0")
    frequency = whole("coupon_frequency", coupon_frequency, 0, 366)
    rule = "time_to_maturity is above 0"
    require(time_to_maturity > 0.0, "time_to_maturity", time_to_maturity, rule)
    if frequency == 0:
        return Payments((time_to_maturity,), (face,))
    periods = time_to_maturity * frequency
    count = round(periods) if periods <= PERIODS_MAX else 0
    rule = f"time_to_maturity is a whole number of periods, 1 to {PERIODS_MAX}"
    is_whole = count >= 1 and abs(periods - count) <= TIME_SLACK * max(1.0, periods)
    require(is_whole, "time_to_maturity", time_to_maturity, rule)
    coupon = face * coupon_rate / frequency
    times = tuple(k / frequency for k in range(1, count + 1))
    return Payments(times, (coupon,) * (count - 1) + (coupon + face,))


def zero_rates_at(times: tuple[float, ...], zero_rates: Mapping[str, float]) -> tuple[float, ...]:
    """Return the zero rate of every payment; zero_rates: years as text → continuous rate.

    A text may be rounded to three decimals (0.083 is a month); rates of other times are left alone.
    Errors: RISK-E01 for a text that is no time, for one time written twice, for a payment without its rate.

    >>> zero_rates_at((0.5, 1.0), {"0.5": 0.02, "1": 0.03})
    (0.02, 0.03)
    """
    given: dict[float, float] = {}
    for text, rate in zero_rates.items():
        try:
            time = float(text)
        except ValueError:
            time = -1.0
        field = f"zero_rates.{text}"
        is_time = 0.0 <= time < float("inf")
        require(is_time, field, text, "a zero rate stands under its time in years")
        require(True, field, float(rate), "a rate is finite")
        if time in given:
            raise broken(field, f"the time {text} is there twice", "a time has one zero rate")
        given[time] = float(rate)
    known = sorted(given)
    found = []
    for time in times:
        place = bisect_left(known, time)
        around = known[max(place - 1, 0) : place + 1]
        near = min((abs(at - time), at) for at in around)[1] if around else -1.0
        if abs(near - time) > TEXT_SLACK:
            raise broken(
                "zero_rates", f"zero_rates has no rate for the payment at {time:g} years",
                "every payment has its zero rate", f"add the rate of {time:g} years",
            )  # fmt: skip
        found.append(given[near])
    return tuple(found)


def bond_value(payments: Payments, rates: tuple[float, ...]) -> BondValue:
    """Return price, yield, duration and rate_01 of payments, each discounted at its continuous rate.

    price = Σ c·e^(−r·t); yield_continuous: the one rate y with Σ c·e^(−y·t) = price, which lies between the least
    and the largest of the rates; duration (Macaulay) = Σ t·c·e^(−y·t)/price; rate_01 = duration·price·1e-4.
    Rates may be negative. Source: Hull, Options, Futures, and Other Derivatives, chapter 4.

    >>> value = bond_value(bond_payments(1000, 0.045, 2, 5), (0.038,) * 10)
    >>> round(value.price, 10), round(value.duration, 10)
    (1029.9354038111, 4.5411409184)
    """
    for rate in rates:
        require(True, "rate", float(rate), "a rate is finite")
    pairs = list(zip(payments.times, payments.amounts, rates, strict=True))
    price = fsum(amount * exp(-rate * time) for time, amount, rate in pairs)
    found = _one_yield(payments, rates)
    duration = _log_price(payments, found)[1]
    return BondValue(price, found, duration, duration * price * BASIS_POINT)


def _values(payments: Payments, rates: Sequence[float]) -> tuple[float, list[float]]:
    """Return the largest power −r·t, and the payments' values divided by its exponential."""
    powers = [-rate * time for time, rate in zip(payments.times, rates, strict=True)]
    largest = max(powers)
    pairs = zip(powers, payments.amounts, strict=True)
    return largest, [amount * exp(power - largest) for power, amount in pairs]


def _log_price(payments: Payments, rate: float) -> tuple[float, float]:
    """Return ln Σ c·e^(−y·t) and the duration, which is minus its slope; no rate overflows."""
    largest, parts = _values(payments, [rate] * len(payments.times))
    total = fsum(parts)
    moment = fsum(time * part for time, part in zip(payments.times, parts, strict=True))
    return largest + log(total), moment / total


def _one_yield(payments: Payments, rates: tuple[float, ...]) -> float:
    """Return the yield by Newton on the log price, which is convex, inside the bracket of the rates."""
    low, high = min(rates), max(rates)
    if low == high or len(rates) == 1:
        return low
    largest, parts = _values(payments, rates)
    target = largest + log(fsum(parts))
    rate = 0.5 * (low + high)
    for _ in range(STEPS_MAX):
        value, duration = _log_price(payments, rate)
        error = value - target
        if error > 0.0:
            low = rate
        else:
            high = rate
        following = rate + error / duration
        if not low <= following <= high:
            following = 0.5 * (low + high)
        if abs(following - rate) <= 1e-16 * max(abs(following), 1e-3):
            return following
        rate = following
    return rate


def zero_bond_price(
    redemption: float, settlement_date: date, payment_date: date, flat_rate: float
) -> float:
    """Return redemption·e^(−rate·days/360), days counted from settlement to the day the money comes.

    That day may differ from the maturity date, which does not matter then. Errors: RISK-E01 for a payment before
    the settlement, a redemption not above 0, a rate that is not finite.

    >>> round(zero_bond_price(100.0, date(2026, 3, 2), date(2027, 3, 1), 0.042), 12)
    95.842241240224
    """
    require(redemption > 0.0, "redemption", redemption, "redemption is above 0")
    require(True, "flat_rate", flat_rate, "a rate is finite")
    days = (payment_date - settlement_date).days
    rule = "payment_date is not before settlement_date"
    require(days >= 0, "payment_date", payment_date.isoformat(), rule)
    return redemption * exp(-flat_rate * days / 360.0)
