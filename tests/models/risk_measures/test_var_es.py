"""Value at risk and expected shortfall, of observations and of distributions; volatility updates."""

from __future__ import annotations

from math import ceil, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steelyard.models.risk_measures.historical import historical_risk
from steelyard.models.risk_measures.parametric import (
    ewma_update,
    garch_update,
    parametric_risk,
    standard_deviation,
)
from steelyard.quantities.errors import InputError
from tests.models.risk_measures import reference

PNL = st.lists(st.integers(-10_000, 10_000).map(float), min_size=1, max_size=60)
CONFIDENCE = st.sampled_from([0.0, 0.5, 0.7, 0.9, 0.95, 0.975, 0.99, 1.0])


@pytest.mark.parametrize(
    ("pnl", "confidence", "value_at_risk", "expected_shortfall"),
    [
        ([-10, -8, -7, -3, -1, 0, 2, 4, 5, 9], 0.9, 10, 10),
        ([-10, -8, -7, -7, -7, 0, 2, 4, 5, 9], 0.7, 7, 7.8),  # ties count
        ([-10, -8, -7, -7, -7, 0, 2, 4, 5, 9], 0.8, 8, 9),
        ([-10, -8, -7, -7, -7, 0, 2, 4, 5, 9], 0.75, 7, 7.8),  # ⌈2.5⌉ = 3
        ([5], 0.99, -5, -5),
        ([3, 1, 2], 1.0, -1, -1),
        ([3, 1, 2], 0.0, -3, -2),
        ([0.0] * 4, 0.95, 0, 0),
        ([-1.0, -2.0], 0.5, 2, 2),
        (list(range(-100, 0)), 0.99, 100, 100),  # 0.01·100 is a little more than 1
        (list(range(-100, 0)), 0.93, 94, 97),  # 0.07·100 is a little less than 7
    ],
)
def test_RISK_010_quantile_and_tail_of_observations(
    pnl: list[float], confidence: float, value_at_risk: float, expected_shortfall: float
) -> None:
    found = historical_risk(pnl, confidence)
    assert found.value_at_risk == value_at_risk
    assert found.expected_shortfall == pytest.approx(expected_shortfall, rel=1e-15)


@given(PNL, CONFIDENCE, st.integers(-500, 500), st.sampled_from([0.25, 2.0, 1024.0]))
def test_RISK_011_translation_scaling_and_order(
    pnl: list[float], confidence: float, cash: int, scale: float
) -> None:
    found = historical_risk(pnl, confidence)
    assert found.expected_shortfall >= found.value_at_risk
    richer = historical_risk([x + cash for x in pnl], confidence)
    assert richer.value_at_risk == found.value_at_risk - cash
    assert richer.expected_shortfall == pytest.approx(found.expected_shortfall - cash, abs=1e-9)
    larger = historical_risk([scale * x for x in pnl[::-1]], confidence)
    assert larger.value_at_risk == scale * found.value_at_risk
    assert larger.expected_shortfall == scale * found.expected_shortfall
    worse = historical_risk([x - abs(x) for x in pnl], confidence)
    assert worse.value_at_risk >= found.value_at_risk


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=50),
    CONFIDENCE,
)
def test_RISK_012_shortfall_of_joint_scenarios_is_subadditive(
    scenarios: list[tuple[float, float]], confidence: float
) -> None:
    first, second = (list(column) for column in zip(*scenarios, strict=True))
    both = [x + y for x, y in scenarios]
    assume(all(len(set(each)) == len(each) for each in (first, second, both)))
    parts = [historical_risk(each, confidence).expected_shortfall for each in (first, second, both)]
    assert parts[2] <= parts[0] + parts[1] + 1e-9
    worst = max(1, ceil(round((1 - confidence) * len(both), 9)))
    assert parts[2] == pytest.approx(-np.mean(sorted(both)[:worst]), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("pnl", "confidence", "field"),
    [([], 0.9, "pnl"), ([1.0, nan], 0.9, "pnl"), ([[1.0]], 0.9, "pnl"), ([1.0], 1.1, "confidence"),
     ([1.0], -0.1, "confidence"), ([1.0], nan, "confidence")],
)  # fmt: skip
def test_RISK_013_faulty_observations_are_named(pnl: Any, confidence: float, field: str) -> None:
    with pytest.raises(InputError) as raised:
        historical_risk(pnl, confidence)
    assert (raised.value.code, raised.value.where["field"]) == ("RISK-E01", field)


BOOK = ([3e6, -2e6, 1e6], [0.03, 0.05, 0.01], [[1, 0.8, 0.2], [0.8, 1, 0.1], [0.2, 0.1, 1]])


def test_RISK_020_normal_risk_of_a_book() -> None:
    found = parametric_risk(*BOOK, confidence=0.975, horizon_days=5)
    assert found.standard_deviation == pytest.approx(62928.53089020909, rel=1e-13)
    assert found.value_at_risk == pytest.approx(275791.3788531898, rel=1e-13)
    assert found.expected_shortfall == pytest.approx(328958.01179702184, rel=1e-13)
    covariance = np.outer(BOOK[1], BOOK[1]) * np.array(BOOK[2])
    x = np.array(BOOK[0])
    assert found.standard_deviation == pytest.approx(float(np.sqrt(x @ covariance @ x)), rel=1e-13)


def test_RISK_020_edges_of_a_book() -> None:
    alone = parametric_risk([-10_000], [0.2], confidence=0.9, volatility_days=250)
    assert alone.value_at_risk == pytest.approx(162.10487544302, rel=1e-12)
    assert parametric_risk([-10_000], [0.2], [[1.0]], confidence=0.9, volatility_days=250) == alone
    for nothing in (([], []), ([0.0, 0.0], [0.1, 0.2], [[1, 0.5], [0.5, 1]]), ([5.0], [0.0])):
        found = parametric_risk(*nothing, confidence=0.99)
        assert (found.standard_deviation, found.value_at_risk, found.expected_shortfall) == (
            0,
            0,
            0,
        )
    hedged = parametric_risk([1.0, -1.0], [0.1, 0.1], [[1, 1], [1, 1]], confidence=0.99)
    assert hedged.expected_shortfall == 0.0
    assert parametric_risk([1.0], [0.1], confidence=0.3).value_at_risk < 0.0
    assert parametric_risk([1.0], [0.1], confidence=0.99, horizon_days=0).value_at_risk == 0.0


@pytest.mark.parametrize("nu", [2.5, 3, 4, 12.5, 1e4])
@pytest.mark.parametrize("confidence", [0.3, 0.5, 0.95, 0.999])
def test_RISK_021_student_t_risk_is_the_mean_beyond_the_quantile(
    nu: float, confidence: float
) -> None:
    found = parametric_risk(
        [10_000], [0.02], confidence=confidence, distribution="student_t", degrees_of_freedom=nu,
        horizon_days=4,
    )  # fmt: skip
    unit = 400.0 * sqrt((nu - 2) / nu)
    t = reference.mp.mpf(found.value_at_risk) / unit
    assert float(reference.student_tail(abs(t), nu)) == pytest.approx(
        min(confidence, 1 - confidence), rel=1e-11
    )
    # the mean beyond t is the quantile plus the integral of the tail
    # over the tail's probability; its antiderivative comes from t·f(t)
    density = reference.student_density(t, nu)
    mean = density * (nu + t * t) / (nu - 1) / (1 - confidence)
    by_parts = reference.mp.quad(
        lambda x: x * reference.student_density(x, nu),
        [t, t + 5, t + 50, t + 5000, reference.mp.inf],
    ) / (1 - confidence)
    assert float(mean) == pytest.approx(float(by_parts), rel=1e-8 if nu > 2.5 else 1e-3)
    assert found.expected_shortfall == pytest.approx(float(unit * mean), rel=1e-12)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    st.sampled_from(["normal", "student_t"]),
    st.sampled_from([0.9, 0.975, 0.999]),
)
def test_RISK_022_risk_scales_and_diversifies(
    positions: list[float], distribution: Any, confidence: float
) -> None:
    def risk(amounts: list[float], days: float = 1.0) -> Any:
        return parametric_risk(
            amounts, BOOK[1], BOOK[2], confidence=confidence, distribution=distribution,
            degrees_of_freedom=5, horizon_days=days,
        )  # fmt: skip

    whole = risk(positions)
    assert whole.expected_shortfall >= whole.value_at_risk >= 0.0
    assert risk([4 * x for x in positions]).expected_shortfall == 4 * whole.expected_shortfall
    assert risk(positions, 16.0).value_at_risk == pytest.approx(4 * whole.value_at_risk, rel=1e-14)
    assert risk([-x for x in positions]) == whole
    parts = sum(
        risk([x if i == j else 0.0 for j, x in enumerate(positions)]).expected_shortfall
        for i in range(3)
    )
    assert whole.expected_shortfall <= parts * (1 + 1e-12)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"correlations": None}, "correlations"),
        ({"correlations": [[1, 0.5], [0.5, 1]]}, "correlations"),
        ({"correlations": [[1, 0.5, 0], [0.5, 1], [0, 0, 1]]}, "correlations"),
        ({"correlations": [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]}, "correlations"),
        ({"correlations": [[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]]}, "correlations[0][1]"),
        ({"correlations": [[1, 0, 0], [0, 0.9, 0], [0, 0, 1]]}, "correlations[1][1]"),
        ({"correlations": [[1, 1.5, 0], [1.5, 1, 0], [0, 0, 1]]}, "correlations[0][1]"),
        ({"volatilities": [0.1, 0.1]}, "volatilities"),
        ({"volatilities": [0.1, -0.1, 0.1]}, "volatilities[1]"),
        ({"positions": [1.0, 2.0, nan]}, "positions[2]"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": 0.0}, "confidence"),
        ({"volatility_days": 0.0}, "volatility_days"),
        ({"horizon_days": -1.0}, "horizon_days"),
        ({"distribution": "student_t"}, "degrees_of_freedom"),
        ({"distribution": "student_t", "degrees_of_freedom": 2.0}, "degrees_of_freedom"),
    ],
)
def test_RISK_023_faulty_book_is_named(changes: dict[str, Any], field: str) -> None:
    names = ("positions", "volatilities", "correlations")
    arguments: dict[str, Any] = dict(zip(names, BOOK, strict=True)) | {"confidence": 0.99}
    with pytest.raises(InputError) as raised:
        parametric_risk(**(arguments | changes))
    assert (raised.value.code, raised.value.where["field"]) == ("RISK-E01", field)


def test_RISK_023_rounded_correlations_are_taken() -> None:
    # the smallest eigenvalue of three equal correlations of −½ is 0, here minus a rounding
    rho = -0.5 - 1e-10
    book = [[1, rho, rho], [rho, 1, rho], [rho, rho, 1]]
    assert standard_deviation([1.0, 1.0, 1.0], [1.0] * 3, book) == pytest.approx(0.0, abs=1e-4)


def test_RISK_024_volatility_updates() -> None:
    assert ewma_update(0.01, 0.02, 0.9).variance == pytest.approx(1.3e-4, rel=1e-15)
    assert ewma_update(0.01, -0.02, 0.9).long_run_variance is None
    assert ewma_update(0.01, -0.02, 1.0).volatility == 0.01
    assert ewma_update(0.01, -0.02, 0.0).volatility == 0.02
    garch = garch_update(0.016, -0.01, 2e-6, 0.13, 0.86)
    assert garch.variance == pytest.approx(2.3516e-4, rel=1e-14)
    assert garch.volatility == pytest.approx(sqrt(2.3516e-4), rel=1e-14)
    assert garch.long_run_variance == pytest.approx(2e-4, rel=1e-13)
    assert garch_update(0.016, 0.01, 2e-6, 0.25, 0.75).long_run_variance is None
    for call, field in [
        (lambda: ewma_update(0.01, 0.02, 1.1), "lambda"),
        (lambda: ewma_update(-0.01, 0.02, 0.9), "previous_volatility"),
        (lambda: ewma_update(0.01, nan, 0.9), "return"),
        (lambda: garch_update(0.01, 0.02, -1e-6, 0.1, 0.8), "omega"),
        (lambda: garch_update(0.01, 0.02, 1e-6, -0.1, 0.8), "alpha"),
        (lambda: garch_update(0.01, 0.02, 1e-6, 0.1, -0.8), "beta"),
    ]:
        with pytest.raises(InputError) as raised:
            call()
        assert raised.value.where["field"] == field
