"""Value at risk and expected shortfall of positions whose returns are normal or Student-t; volatility updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Literal

import numpy as np

from steelyard.models.risk_measures.distributions import (
    normal_density,
    normal_quantile,
    student_t_density,
    student_t_quantile,
)
from steelyard.models.risk_measures.rules import broken, require

SLACK = 1e-12  # of a symmetric entry, of the diagonal
EIGENVALUE_MIN = -1e-8  # published correlations are rounded

Matrix = Sequence[Sequence[float]]


@dataclass(frozen=True)
class ParametricRisk:
    """Amounts of money: the deviation over volatility_days, the losses over horizon_days."""

    standard_deviation: float
    value_at_risk: float
    expected_shortfall: float


@dataclass(frozen=True)
class VolatilityUpdate:
    """The next day's variance and volatility; the long-run variance is None where there is none."""

    variance: float
    volatility: float
    long_run_variance: float | None = None


def standard_deviation(
    positions: Sequence[float], volatilities: Sequence[float], correlations: Matrix | None = None
) -> float:
    """Return √(x'Σx), an amount: x the positions, Σᵢⱼ = ρᵢⱼσᵢσⱼ; no positions have a deviation of 0.

    positions: (n,) signed amounts. volatilities: (n,), at least 0. correlations: (n, n), symmetric, ones on
    the diagonal, without negative eigenvalues; may be left out for one position. Errors: RISK-E01.

    >>> standard_deviation([300.0, -400.0], [0.01, 0.01], [[1, 0], [0, 1]])
    5.0
    """
    count = len(positions)
    if len(volatilities) != count:
        raise broken(
            "volatilities", f"{len(volatilities)} volatilities for {count} positions",
            "every position has its volatility",
        )  # fmt: skip
    for i, (amount, volatility) in enumerate(zip(positions, volatilities, strict=True)):
        require(True, f"positions[{i}]", float(amount), "an amount is finite")
        rule = "a volatility is at least 0"
        require(volatility >= 0.0, f"volatilities[{i}]", float(volatility), rule)
    _require_correlations(correlations, count)
    risks = [x * v for x, v in zip(positions, volatilities, strict=True)]
    largest = max((abs(risk) for risk in risks), default=0.0)
    if largest == 0.0:
        return 0.0
    shares = [risk / largest for risk in risks]
    terms = [share * share for share in shares]
    for i in range(count):
        for j in range(i):
            rho = correlations[i][j] if correlations is not None else 0.0
            terms.append(2.0 * rho * (shares[i] * shares[j]))
    return largest * sqrt(max(0.0, fsum(terms)))


def _require_correlations(correlations: Matrix | None, count: int) -> None:
    field = "correlations"
    if correlations is None:
        if count > 1:
            raise broken(
                field, f"correlations are missing for {count} positions",
                "correlations may be left out for one position only", "add correlations",
            )  # fmt: skip
        return
    if len(correlations) != count or any(len(row) != count for row in correlations):
        raise broken(
            field, f"correlations are not {count} rows of {count}",
            "the matrix has a row and a column for every position",
        )  # fmt: skip
    for i, row in enumerate(correlations):
        for j, value in enumerate(row):
            place = f"{field}[{i}][{j}]"
            require(abs(value) <= 1.0, place, value, "a correlation lies between −1 and 1")
            if i == j:
                require(abs(value - 1.0) <= SLACK, place, value, "the diagonal is 1")
            elif abs(value - correlations[j][i]) > SLACK:
                raise broken(
                    place, f"{place} is {value}, its mirror {correlations[j][i]}",
                    "the matrix is symmetric",
                )  # fmt: skip
    least = float(np.linalg.eigvalsh(np.asarray(correlations, float)).min()) if count else 0.0
    if least < EIGENVALUE_MIN:
        raise broken(
            field, f"correlations have the eigenvalue {least:.6g}",
            "a correlation matrix has no negative eigenvalue",
            "take the correlations from the same observations, or repair the matrix",
        )  # fmt: skip


def parametric_risk(
    positions: Sequence[float],
    volatilities: Sequence[float],
    correlations: Matrix | None = None,
    *,
    confidence: float,
    distribution: Literal["normal", "student_t"] = "normal",
    degrees_of_freedom: float | None = None,
    horizon_days: float = 1.0,
    volatility_days: float = 1.0,
) -> ParametricRisk:
    """Return the risk of positions over horizon_days, mean 0, losses positive.

    With h = standard_deviation·√(horizon_days/volatility_days) and quantile and density at the confidence α:
    normal: VaR = h·z, ES = h·n(z)/(1 − α). student_t with ν > 2, scaled to unit variance: c = √((ν − 2)/ν),
    VaR = h·c·t, ES = h·c·f(t)/(1 − α)·(ν + t²)/(ν − 1). A confidence below ½ gives a negative value at risk.
    Errors: RISK-E01. Source: McNeil, Frey and Embrechts, Quantitative Risk Management, section 2.3.

    >>> risk = parametric_risk([10_000], [0.2], confidence=0.9, volatility_days=250)
    >>> round(risk.value_at_risk, 1), round(risk.expected_shortfall, 1)
    (162.1, 222.0)
    """
    require(0.0 < confidence < 1.0, "confidence", confidence, "confidence lies between 0 and 1")
    require(horizon_days >= 0.0, "horizon_days", horizon_days, "horizon_days is at least 0")
    require(volatility_days > 0.0, "volatility_days", volatility_days, "volatility_days is above 0")
    deviation = standard_deviation(positions, volatilities, correlations)
    over_horizon = deviation * sqrt(horizon_days / volatility_days)
    if distribution == "normal":
        quantile = normal_quantile(confidence)
        shortfall = normal_density(quantile) / (1.0 - confidence)
    else:
        nu = degrees_of_freedom
        if nu is None:
            raise broken(
                "degrees_of_freedom", "degrees_of_freedom is missing",
                "student_t has degrees_of_freedom", "add degrees_of_freedom",
            )  # fmt: skip
        rule = "degrees_of_freedom is above 2, so that there is a variance"
        require(nu > 2.0, "degrees_of_freedom", float(nu), rule)
        over_horizon *= sqrt((nu - 2.0) / nu)
        quantile = student_t_quantile(confidence, nu)
        shortfall = student_t_density(quantile, nu) / (1.0 - confidence)
        shortfall *= (nu + quantile * quantile) / (nu - 1.0)
    return ParametricRisk(deviation, over_horizon * quantile, over_horizon * shortfall)


def ewma_update(previous_volatility: float, day_return: float, decay: float) -> VolatilityUpdate:
    """Return the exponentially weighted variance after a day: λv² + (1 − λ)r², λ from 0 to 1.

    Errors: RISK-E01. Source: RiskMetrics technical document, 1996.

    >>> ewma_update(0.01, 0.02, 0.9).variance
    0.00013
    """
    _require_day(previous_volatility, day_return)
    require(0.0 <= decay <= 1.0, "lambda", decay, "lambda lies between 0 and 1")
    variance = decay * previous_volatility**2 + (1.0 - decay) * day_return**2
    return VolatilityUpdate(variance, sqrt(variance))


def garch_update(
    previous_volatility: float, day_return: float, omega: float, alpha: float, beta: float
) -> VolatilityUpdate:
    """Return the GARCH(1,1) variance after a day: ω + αr² + βv², all daily, parameters at least 0.

    long_run_variance = ω/(1 − α − β); None if α + β is 1 or more, where the variance has no mean.
    Errors: RISK-E01. Source: Bollerslev 1986.

    >>> garch_update(0.016, 0.01, 2e-6, 0.13, 0.86).variance
    0.00023516
    """
    _require_day(previous_volatility, day_return)
    for name, value in (("omega", omega), ("alpha", alpha), ("beta", beta)):
        require(value >= 0.0, name, value, f"{name} is at least 0")
    variance = omega + alpha * day_return**2 + beta * previous_volatility**2
    pull = fsum((1.0, -alpha, -beta))
    return VolatilityUpdate(variance, sqrt(variance), omega / pull if pull > 0.0 else None)


def _require_day(previous_volatility: float, day_return: float) -> None:
    rule = "previous_volatility is at least 0"
    require(previous_volatility >= 0.0, "previous_volatility", previous_volatility, rule)
    require(True, "return", day_return, "a return is finite")
