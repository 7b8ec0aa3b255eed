"""Tests of past values at risk: Kupiec, Christoffersen, traffic light."""

from __future__ import annotations

from math import log, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.models.risk_measures.coverage import (
    christoffersen_test,
    kupiec_acceptance,
    kupiec_ratio,
    kupiec_test,
    traffic_light,
)
from steelyard.models.risk_measures.distributions import chi_square_quantile
from steelyard.quantities.errors import InputError
from tests.models.risk_measures import reference


@pytest.mark.parametrize(
    ("days", "count", "p"),
    [(250, 10, 0.01), (250, 0, 0.02), (250, 250, 0.02), (250, 249, 0.05), (1, 0, 0.5), (1, 1, 0.01),
     (100_000, 1_010, 0.01), (252, 20, 0.05), (255, 7, 0.01)],
)  # fmt: skip
def test_RISK_030_kupiec_is_its_definition(days: int, count: int, p: float) -> None:
    found = kupiec_test(days, count, p)
    exact = reference.kupiec(days, count, p)
    assert found.likelihood_ratio == pytest.approx(float(exact), rel=1e-11)
    p_value = reference.mp.erfc(reference.mp.sqrt(exact / 2))
    assert found.p_value == pytest.approx(float(p_value), rel=1e-9)
    assert found.reject == (exact > 3.841458820694124)


def test_RISK_030_kupiec_edges() -> None:
    assert kupiec_ratio(250, 0, 0.02) == pytest.approx(-500 * log(0.98), rel=1e-14)
    assert kupiec_ratio(250, 250, 0.02) == pytest.approx(-500 * log(0.02), rel=1e-14)
    exact = kupiec_test(1000, 500, 0.5)
    assert (exact.likelihood_ratio, exact.p_value, exact.reject) == (0.0, 1.0, False)
    assert kupiec_test(250, 6, 0.01, 0.95).reject is False
    assert kupiec_test(250, 6, 0.01, 0.9).reject is True


@pytest.mark.parametrize(
    ("days", "p", "confidence", "accepted"),
    [(510, 0.01, 0.95, (2, 10)), (255, 0.01, 0.95, (1, 6)), (1000, 0.05, 0.95, (38, 64)),
     (1, 0.01, 0.95, (0, 0)), (1, 0.5, 0.95, (0, 1)), (10, 0.99, 0.95, (9, 10)), (3, 0.5, 0.01, None)],
)  # fmt: skip
def test_RISK_031_accepted_numbers(
    days: int, p: float, confidence: float, accepted: tuple[int, int] | None
) -> None:
    assert kupiec_acceptance(days, p, confidence) == accepted


@given(st.integers(1, 400), st.floats(1e-4, 0.9999), st.sampled_from([0.001, 0.5, 0.9, 0.95, 0.99]))
def test_RISK_031_accepted_numbers_are_all_that_are_not_rejected(
    days: int, p: float, confidence: float
) -> None:
    limit = chi_square_quantile(confidence)
    kept = [count for count in range(days + 1) if kupiec_ratio(days, count, p) <= limit]
    assert kupiec_acceptance(days, p, confidence) == ((kept[0], kept[-1]) if kept else None)


@pytest.mark.parametrize(
    "counts",
    [(900, 30, 31, 9), (218, 14, 14, 6), (240, 5, 5, 0), (249, 0, 0, 0), (0, 0, 0, 249), (100, 10, 0, 0),
     (0, 0, 4, 6), (0, 5, 5, 0), (1, 0, 0, 1), (90, 10, 9, 1)],
)  # fmt: skip
def test_RISK_032_christoffersen_is_its_definition(counts: tuple[int, int, int, int]) -> None:
    found = christoffersen_test(*counts)
    n00, n01, n10, n11 = counts
    assert found.pi0 == (n01 / (n00 + n01) if n00 + n01 else 0.0)
    assert found.pi1 == (n11 / (n10 + n11) if n10 + n11 else 0.0)
    assert found.pi == (n01 + n11) / sum(counts)
    exact = float(reference.christoffersen(*counts))
    assert found.lr_independence == pytest.approx(exact, rel=1e-11, abs=1e-15)
    assert found.lr_independence >= 0.0


@pytest.mark.parametrize(
    ("days", "count", "zone", "plus"),
    [(250, 0, "green", 0.0), (250, 4, "green", 0.0), (250, 5, "yellow", 0.4), (250, 6, "yellow", 0.5),
     (250, 7, "yellow", 0.65), (250, 8, "yellow", 0.75), (250, 9, "yellow", 0.85), (250, 10, "red", 1.0),
     (250, 250, "red", 1.0), (500, 8, "green", None), (500, 14, "yellow", None), (500, 15, "red", None),
     (249, 10, "red", None)],
)  # fmt: skip
def test_RISK_033_traffic_light(days: int, count: int, zone: str, plus: float | None) -> None:
    found = traffic_light(days, count, 0.01)
    assert (found.zone, found.plus_factor) == (zone, plus)
    exact = reference.binomial(count, days, 0.01)
    assert found.cumulative_probability == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: kupiec_ratio(250, 251, 0.01), "exceptions"),
        (lambda: kupiec_ratio(250, -1, 0.01), "exceptions"),
        (lambda: kupiec_ratio(250, 2.5, 0.01), "exceptions"),
        (lambda: kupiec_ratio(0, 0, 0.01), "observations"),
        (lambda: kupiec_ratio(nan, 0, 0.01), "observations"),
        (lambda: kupiec_ratio(250, 1, 0.0), "tail_probability"),
        (lambda: kupiec_ratio(250, 1, 1.0), "tail_probability"),
        (lambda: kupiec_test(250, 1, 0.01, 1.0), "test_confidence"),
        (lambda: kupiec_acceptance(250, 0.01, 0.0), "test_confidence"),
        (lambda: christoffersen_test(1, 2, -3, 4), "n10"),
        (lambda: christoffersen_test(0, 0, 0, 0), "n00"),
        (lambda: traffic_light(250, 1, nan), "tail_probability"),
    ],
)
def test_RISK_034_faulty_test_is_named(call: Any, field: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert (raised.value.code, raised.value.where["field"]) == ("RISK-E01", field)
