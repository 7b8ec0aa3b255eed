"""Tests of past values at risk: how often losses went beyond them, and whether they did so in clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from steelyard.models.risk_measures.distributions import (
    binomial_cumulative,
    chi_square_quantile,
    chi_square_tail,
    deviance,
)
from steelyard.models.risk_measures.rules import broken, require, whole

COUNT_MAX = 10**9
YELLOW_FROM, RED_FROM = 0.95, 0.9999
BASEL_OBSERVATIONS = 250
PLUS_FACTORS = (
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.4,
    0.5,
    0.65,
    0.75,
    0.85,
    1.0,
)  # by exceptions, 10 and more


@dataclass(frozen=True)
class KupiecTest:
    """The likelihood ratio, how likely a larger one is, and whether the model is rejected."""

    likelihood_ratio: float
    p_value: float
    reject: bool


@dataclass(frozen=True)
class ChristoffersenTest:
    """The share of exceptions after a quiet day, after an exception and of all days, and the ratio."""

    pi0: float
    pi1: float
    pi: float
    lr_independence: float


@dataclass(frozen=True)
class TrafficLight:
    """The zone; plus_factor is None unless there are 250 observations."""

    cumulative_probability: float
    zone: Literal["green", "yellow", "red"]
    plus_factor: float | None


def _require_counts(
    observations: float, exceptions: float, tail_probability: float
) -> tuple[int, int]:
    days = whole("observations", observations, 1, COUNT_MAX)
    count = whole("exceptions", exceptions, 0, COUNT_MAX)
    require(count <= days, "exceptions", count, f"exceptions are at most the {days} observations")
    rule = "tail_probability lies between 0 and 1"
    require(0.0 < tail_probability < 1.0, "tail_probability", tail_probability, rule)
    return days, count


def _require_confidence(test_confidence: float) -> None:
    rule = "test_confidence lies between 0 and 1"
    require(0.0 < test_confidence < 1.0, "test_confidence", test_confidence, rule)


def kupiec_ratio(observations: float, exceptions: float, tail_probability: float) -> float:
    """Return −2·ln of the likelihood of x exceptions in T days at p, over that at x/T; 0·ln 0 is 0.

    −2·ln[(1 − p)^(T−x) p^x / ((1 − x/T)^(T−x) (x/T)^x)], as the sum of two deviances, so it is never negative.
    0 < p < 1. Errors: RISK-E01. Source: Kupiec 1995.

    >>> round(kupiec_ratio(250, 10, 0.01), 12)
    12.955491062356
    """
    days, count = _require_counts(observations, exceptions, tail_probability)
    return _ratio(days, count, tail_probability)


def _ratio(days: int, count: int, p: float) -> float:
    return 2.0 * (deviance(count, days * p) + deviance(days - count, days * (1.0 - p)))


def kupiec_test(
    observations: float, exceptions: float, tail_probability: float, test_confidence: float = 0.95
) -> KupiecTest:
    """Return the ratio, p_value = P(χ²(1) > ratio), and whether it is above the quantile at test_confidence.

    Errors: RISK-E01.

    >>> kupiec_test(250, 0, 0.02).reject
    True
    """
    _require_confidence(test_confidence)
    ratio = kupiec_ratio(observations, exceptions, tail_probability)
    return KupiecTest(ratio, chi_square_tail(ratio), ratio > chi_square_quantile(test_confidence))


def kupiec_acceptance(
    observations: float, tail_probability: float, test_confidence: float = 0.95
) -> tuple[int, int] | None:
    """Return the smallest and the largest number of exceptions that is not rejected, None if all are.

    All are rejected only where test_confidence is so small that even the nearest whole number is too far.
    Errors: RISK-E01.

    >>> kupiec_acceptance(510, 0.01)
    (2, 10)
    """
    days, _ = _require_counts(observations, 0, tail_probability)
    _require_confidence(test_confidence)
    quantile = chi_square_quantile(test_confidence)
    below = int(days * tail_probability)

    def is_accepted(count: int) -> bool:
        return _ratio(days, count, tail_probability) <= quantile

    # The ratio falls up to T·p and rises from there.
    least = _first(is_accepted, 0, below)
    most = _first(lambda back: is_accepted(days - back), 0, days - below - 1)
    if least is None and most is None:
        return None
    return (
        below + 1 if least is None else least,
        below if most is None else days - most,
    )


def _first(is_true: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the first number from low to high for which it is true, and stays true; None if none is."""
    if low > high or not is_true(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_true(middle) else (middle + 1, high)
    return low


def christoffersen_test(n00: float, n01: float, n10: float, n11: float) -> ChristoffersenTest:
    """Return the test of independence; n_ij: days in state j after a day in state i, 1 an exception.

    pi0 = n01/(n00 + n01), pi1 = n11/(n10 + n11), 0 if there is no such day, pi = (n01 + n11)/all;
    the ratio −2·[ln L(pi) − ln L(pi0, pi1)] as a sum of deviances from what pi lets expect.
    Errors: RISK-E01. Source: Christoffersen 1998.

    >>> round(christoffersen_test(900, 30, 31, 9).lr_independence, 10)
    19.3677754075
    """
    counts = [
        [whole(f"n{i}{j}", value, 0, COUNT_MAX) for j, value in enumerate(row)]
        for i, row in enumerate(((n00, n01), (n10, n11)))
    ]
    after = [sum(row) for row in counts]
    total = sum(after)
    if total == 0:
        raise broken("n00", "there is no transition", "at least one day follows another")
    pi = (counts[0][1] + counts[1][1]) / total
    quiet = (counts[0][0] + counts[1][0]) / total
    ratio = sum(
        deviance(count, days * share)
        for row, days in zip(counts, after, strict=True)
        for count, share in zip(row, (quiet, pi), strict=True)
    )
    shares = [row[1] / days if days else 0.0 for row, days in zip(counts, after, strict=True)]
    return ChristoffersenTest(shares[0], shares[1], pi, 2.0 * ratio)


def traffic_light(observations: float, exceptions: float, tail_probability: float) -> TrafficLight:
    """Return the zone of a number of exceptions, by P(X ≤ exceptions) of a binomial X.

    green below 0.95, yellow below 0.9999, else red. plus_factor, for 250 observations only: 0 up to four
    exceptions, 0.4, 0.5, 0.65, 0.75, 0.85 for five to nine, 1 from ten. Errors: RISK-E01.
    Source: Basel Committee 1996, supervisory framework for backtesting.

    >>> traffic_light(250, 7, 0.01).zone, traffic_light(250, 7, 0.01).plus_factor
    ('yellow', 0.65)
    """
    days, count = _require_counts(observations, exceptions, tail_probability)
    cumulative = binomial_cumulative(count, days, tail_probability)
    zone: Literal["green", "yellow", "red"] = "red"
    if cumulative < RED_FROM:
        zone = "green" if cumulative < YELLOW_FROM else "yellow"
    is_basel = days == BASEL_OBSERVATIONS
    plus_factor = PLUS_FACTORS[min(count, len(PLUS_FACTORS) - 1)] if is_basel else None
    return TrafficLight(cumulative, zone, plus_factor)
