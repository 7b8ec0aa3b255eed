"""Risk factors of Vega's log-normal risk model: what a market move may cost, as a share of the mark.

With λ the risk aversion, τ the horizon in years, μ the drift and σ the volatility of a year,
s = σ√τ and z = N⁻¹(λ), the expected shortfall at λ of one unit held long, and held short, is

    long  = 1 − e^{μτ}·N(z − s)/λ          short = e^{μτ}·N(z + s)/λ − 1

Both are differences of nearly equal numbers where s is small, so they are worked out in decimal
arithmetic of 80 digits and rounded once to float: correct to one unit in the last place for every
λ, σ and τ that leaves them in the range of a float64 (held against mpmath with 120 digits for λ from
1e-40 to 1 − 1e-12 and s from 1e-15 to 1,000). Decimal's exp, ln and square root are correctly
rounded, so the bits are the same on every machine.

N: its power series up to |x| = 5, beyond it the continued fraction of the Mills ratio. N⁻¹: Newton's
method on ln N, which is concave and rises, so from the left it converges without ever overshooting.

Source: Vega protocol specification of its risk models; Artzner and others 1999 for the measure.
"""

from __future__ import annotations

from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    localcontext,
)
from typing import Any, NamedTuple

from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.own.vega_numbers import ZERO, exact, parameter_at

DIGITS = 80
WORKING = Context(
    prec=DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation, DivisionByZero]
)
SMALLEST_STEP = Decimal("1e-70")
SERIES_TO = Decimal(5)
FRACTION_DEPTH = 400  # from x = 5 on the continued fraction then ends below 1e-75
NEWTON_MAX = 200
LARGEST_EXPONENT = Decimal(800)  # e^800 is above the largest float64
ROOT_TWO_PI = Decimal(
    "2.50662827463100050241576528481104525300698674060993831662992357634229365460784197494659583"
)
ONE, HALF = Decimal(1), Decimal("0.5")


class RiskFactors(NamedTuple):
    """Shares of the mark that a unit held long, and held short, may lose."""

    long: float
    short: float


def is_stated(parameters: dict[str, Any]) -> bool:
    """Return whether the parameters ask for risk factors: any of λ, τ and σ is there."""
    model = parameters.get("risk_model") or {}
    return any(model.get(name) is not None for name in ("risk_aversion", "tau", "volatility"))


def stated_risk_factors(parameters: dict[str, Any]) -> RiskFactors:
    """Return the risk factors of `parameters.risk_model`; a drift left out is 0.

    Errors: METH-E06 where one of λ, τ, σ is missing, METH-E05 outside 0 < λ < 1, τ ≥ 0, σ ≥ 0, and
    where a factor is beyond float64.
    """
    aversion = parameter_at(parameters, "risk_model.risk_aversion")
    tau = parameter_at(parameters, "risk_model.tau")
    volatility = parameter_at(parameters, "risk_model.volatility")
    drift = exact(parameters["risk_model"].get("drift") or 0, "parameters.risk_model.drift")
    if not 0 < aversion < 1:
        field = "parameters.risk_model.risk_aversion"
        refuse(
            "METH-E05", f"{field} is {aversion}", "it lies between 0 and 1, both left out",
            "state the share of outcomes that are looked at, as 0.000001", field,
        )  # fmt: skip
    return risk_factors(aversion, tau, drift, volatility)


def risk_factors(
    risk_aversion: Decimal, tau: Decimal, drift: Decimal, volatility: Decimal
) -> RiskFactors:
    """Return the two factors for 0 < λ < 1, τ ≥ 0 years, σ ≥ 0. Errors: METH-E05 beyond float64.

    >>> f = risk_factors(Decimal("1e-6"), Decimal("0.001"), Decimal(0), Decimal(1))
    >>> f"{f.long:.9f} {f.short:.12f}"
    '0.145263735 0.168823688538'
    """
    with localcontext(WORKING):
        growth = (drift * tau).min(LARGEST_EXPONENT).exp()
        s = volatility * tau.sqrt()
        z = normal_quantile(risk_aversion)
        # Without a spread N(z)/λ is 1, which the quotient of two series would miss in its last digit.
        down = normal(z - s) / risk_aversion if s else ONE
        up = normal(z + s) / risk_aversion if s else ONE
        long = ONE - growth * down
        short = growth * up - ONE
        factors = RiskFactors(float(long), float(short))
    if not all(-1e308 < factor < 1e308 for factor in factors):
        field = "parameters.risk_model"
        refuse(
            "METH-E05", f"the risk factors of {field} are {factors.long} and {factors.short}",
            "they are numbers that a float64 holds", "lower the drift or the term", field,
        )  # fmt: skip
    return factors


def normal(x: Decimal) -> Decimal:
    """Return the standard normal distribution N(x) to 70 digits, under the working context."""
    if abs(x) <= SERIES_TO:
        return HALF + _from_zero(x)
    return ONE - _tail(x) if x > 0 else _tail(-x)


def normal_quantile(p: Decimal) -> Decimal:
    """Return z with N(z) = p for 0 < p < 1, to 68 digits, under the working context."""
    if p == HALF:
        return ZERO
    if p > HALF:
        return -normal_quantile(ONE - p)
    target = p.ln()
    # N(−x) < e^(−x²/2)/2, so the start lies left of the root.
    z = -(-2 * target).sqrt()
    for _ in range(NEWTON_MAX):
        below = normal(z)
        step = (target - below.ln()) * below / _density(z)
        z += step
        if abs(step) < SMALLEST_STEP:
            break
    return z


def _density(x: Decimal) -> Decimal:
    """Return the standard normal density."""
    return (-x * x / 2).exp() / ROOT_TWO_PI


def _from_zero(x: Decimal) -> Decimal:
    """Return N(x) − ½ = φ(x)·(x + x³/3 + x⁵/(3·5) + …), all terms of one sign."""
    square = x * x
    term = x
    value = x
    odd = 1
    while abs(term) > SMALLEST_STEP * SMALLEST_STEP and abs(term) > abs(value) * Decimal("1e-79"):
        odd += 2
        term *= square / odd
        value += term
    return value * _density(x)


def _tail(x: Decimal) -> Decimal:
    """Return N(−x) for x > 5: φ(x) / (x + 1/(x + 2/(x + 3/(x + …))))."""
    level = x
    for k in range(FRACTION_DEPTH, 0, -1):
        level = x + k / level
    return _density(x) / level
