"""Vega's risk factors, held against mpmath."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Any

import mpmath
import pytest

from steelyard.margin.methods.own.vega_risk_factors import (
    WORKING,
    normal,
    normal_quantile,
    risk_factors,
)
from steelyard.quantities import SteelyardError
from tests.margin.methods.own.vega_twin import ask

AVERSIONS = (
    "1e-40",
    "1e-12",
    "1e-9",
    "1e-6",
    "0.01",
    "0.3",
    "0.5",
    "0.7",
    "0.99",
    "0.999999999999",
)
SPREADS = ("1e-15", "1e-9", "1e-4", "0.0316", "0.5", "1", "5", "30", "1000")


def quantile(p: mpmath.mpf) -> mpmath.mpf:
    """Return N⁻¹(p) by bisection: slow, and sure."""
    low, high = mpmath.mpf(-15), mpmath.mpf(15)
    for _ in range(400):
        middle = (low + high) / 2
        low, high = (middle, high) if mpmath.ncdf(middle) < p else (low, middle)
    return low


def ulps(found: float, exact: mpmath.mpf) -> float:
    return float(abs(mpmath.mpf(found) - exact) / mpmath.mpf(math.ulp(float(exact))))


@pytest.mark.parametrize("aversion", AVERSIONS)
def test_VEGA_002_factors_are_correct_to_the_last_digit(aversion: str) -> None:
    with mpmath.workdps(120):
        level = mpmath.mpf(aversion)
        z = quantile(level)
        for spread in SPREADS:
            s = mpmath.mpf(spread)
            for drift in ("0", "-0.25", "0.75"):
                growth = mpmath.exp(mpmath.mpf(drift) * 4)
                long = 1 - growth * mpmath.ncdf(z - s) / level
                short = growth * mpmath.ncdf(z + s) / level - 1
                # τ = 4 years and σ = s/2
                half = Decimal(spread) / 2
                found = risk_factors(Decimal(aversion), Decimal(4), Decimal(drift), half)
                assert ulps(found.long, long) <= 1, (spread, drift)
                assert ulps(found.short, short) <= 1, (spread, drift)


def test_VEGA_002_worked_numbers() -> None:
    model = {"risk_aversion": 1e-06, "tau": 0.001, "drift": 0, "volatility": 1}
    found = ask(parameters={"risk_model": model})
    expected = {"long": 0.14526373516285412, "short": 0.16882368853754368}
    assert found.native == {"risk_factors": expected}
    assert found.maintenance_requirement is None
    del model["drift"]
    assert ask(parameters={"risk_model": model}).native == {"risk_factors": expected}


def test_VEGA_003_without_a_spread_only_the_drift_is_left() -> None:
    for tau, volatility in (("2", "0"), ("0", "3")):
        found = risk_factors(Decimal("0.01"), Decimal(tau), Decimal(0), Decimal(volatility))
        assert found == (0.0, 0.0)
    found = risk_factors(Decimal("0.01"), Decimal(2), Decimal("0.5"), Decimal(0))
    assert found == (-float(mpmath.expm1(1)), float(mpmath.expm1(1)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"risk_aversion": 0}, r"METH-E05: parameters\.risk_model\.risk_aversion is 0"),
        ({"risk_aversion": 1}, r"METH-E05: parameters\.risk_model\.risk_aversion is 1"),
        ({"tau": -1}, r"METH-E05: parameters\.risk_model\.tau is -1"),
        ({"volatility": -1}, r"METH-E05: parameters\.risk_model\.volatility is -1"),
        ({"drift": 900, "tau": 1}, r"METH-E05: the risk factors of parameters\.risk_model"),
        ({"drift": 1e30, "tau": 1}, r"METH-E05: the risk factors of parameters\.risk_model"),
        ({"tau": None}, r"METH-E06: the parameter risk_model\.tau has no value"),
        ({"risk_aversion": None}, r"METH-E06: the parameter risk_model\.risk_aversion"),
        ({"volatility": None}, r"METH-E06: the parameter risk_model\.volatility"),
        ({"tau": "soon"}, r"TERM-E13: parameters\.risk_model\.tau"),
    ],
)
def test_VEGA_004_a_model_out_of_range_is_refused_by_name(change: Any, match: str) -> None:
    model = {"risk_aversion": 0.01, "tau": 0.1, "volatility": 1} | change
    stated = {name: value for name, value in model.items() if value is not None}
    with pytest.raises(SteelyardError, match=match):
        ask(parameters={"risk_model": stated})


def test_VEGA_005_series_and_fraction_meet() -> None:
    with mpmath.workdps(110), localcontext(WORKING):
        for text in ("-40", "-12.5", "-5.0000001", "-5", "-4.9", "-1", "0", "0.5", "3", "5", "5.1"):
            exact = mpmath.ncdf(mpmath.mpf(text))
            found = mpmath.mpf(str(normal(Decimal(text))))
            assert abs(found / exact - 1) < mpmath.mpf("1e-65"), text
        for text in ("1e-300", "1e-40", "1e-7", "0.02275", "0.4999999999", "0.5", "0.8", "0.99999"):
            z = mpmath.mpf(str(normal_quantile(Decimal(text))))
            assert abs(mpmath.ncdf(z) / mpmath.mpf(text) - 1) < mpmath.mpf("1e-65"), text
