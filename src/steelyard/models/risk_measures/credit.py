"""The fair spread of a credit default swap when defaults happen in the middle of a year."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum

from steelyard.models.risk_measures.rules import require, unsolved, whole

YEARS_MAX = 1000


@dataclass(frozen=True)
class AnnualSwap:
    """Present values per 1 of notional, the premiums also per 1 of spread."""

    payments: float
    payoff: float
    accrual: float
    fair_spread: float


def annual_swap(
    default_probability: float, recovery: float, rate: float, time_to_maturity: float
) -> AnnualSwap:
    """Return the values of both sides of a swap with premiums once a year in arrears.

    With p the probability of default in a year that began without one, R the recovery, r the continuous rate,
    k = 1 … n: payments = Σ(1 − p)^k e^(−rk), payoff = Σ p(1 − p)^(k−1)(1 − R)e^(−r(k − ½)), accrual =
    Σ p(1 − p)^(k−1)·½·e^(−r(k − ½)), fair_spread = payoff/(payments + accrual).
    time_to_maturity: whole years. Errors: RISK-E01; RISK-E02 if the premiums are worth nothing.
    Source: Hull, Options, Futures, and Other Derivatives, chapter 25.

    >>> round(annual_swap(0.02, 0.4, 0.05, 5).fair_spread, 4)
    0.0124
    """
    p = default_probability
    rule = "default_probability lies between 0 and 1"
    require(0.0 <= p <= 1.0, "default_probability", p, rule)
    require(0.0 <= recovery <= 1.0, "recovery", recovery, "recovery lies between 0 and 1")
    require(True, "rate", rate, "a rate is finite")
    years = range(1, whole("time_to_maturity", time_to_maturity, 1, YEARS_MAX) + 1)
    payments = fsum((1.0 - p) ** k * exp(-rate * k) for k in years)
    defaults = fsum(p * (1.0 - p) ** (k - 1) * exp(-rate * (k - 0.5)) for k in years)
    accrual, payoff = 0.5 * defaults, (1.0 - recovery) * defaults
    if not payments + accrual > 0.0:
        raise unsolved("rate", "the premiums are worth nothing", "premiums have a value")
    return AnnualSwap(payments, payoff, accrual, payoff / (payments + accrual))
