"""Quantiles, tails and binomial probabilities against fifty digits; the integrals of a decay; the root."""

from __future__ import annotations

from math import comb, cos, exp

import mpmath as mp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.models.risk_measures.distributions import (
    binomial_cumulative,
    binomial_probability,
    chi_square_quantile,
    chi_square_tail,
    deviance,
    mean_of_decay,
    mean_of_rising_decay,
    normal_density,
    normal_quantile,
    student_t_density,
    student_t_quantile,
)
from steelyard.models.risk_measures.roots import bracketed_root
from tests.models.risk_measures import reference

PROBABILITIES = (
    1e-300, 1e-20, 1e-6, 0.01, 0.05, 0.24, 0.26, 0.4, 0.49999, 0.500001, 0.6, 0.75, 0.7500001,
    0.9, 0.95, 0.975, 0.99, 0.999, 0.9999999, 1 - 1e-15,
)  # fmt: skip


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_RISK_001_normal_quantile(probability: float) -> None:
    z = normal_quantile(probability)
    assert (z > 0) == (probability > 0.5)
    wanted = min(mp.mpf(probability), 1 - mp.mpf(probability))
    density = mp.npdf(z)
    assert float(abs(normal_density(z) / density - 1)) < 1e-12
    assert reference.quantile_miss(reference.tail_of_normal(abs(z)), wanted, density, z) < 1e-14


def test_RISK_001_middle_is_exact() -> None:
    assert normal_quantile(0.5) == 0.0
    assert student_t_quantile(0.5, 3.0) == 0.0
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054, rel=1e-15)
    assert student_t_quantile(0.95, 4.0) == pytest.approx(2.1318467863266495, rel=1e-14)


@pytest.mark.parametrize("nu", [0.5, 1.0, 2.0001, 3, 4, 5.5, 29, 59, 61, 100, 1000])
def test_RISK_001_student_t_quantile(nu: float) -> None:
    for probability in (
        1e-12,
        1e-4,
        0.01,
        0.2,
        0.26,
        0.4999,
        0.51,
        0.74,
        0.76,
        0.95,
        0.99,
        1 - 1e-12,
    ):
        t = student_t_quantile(probability, nu)
        assert (t > 0) == (probability > 0.5)
        wanted = min(mp.mpf(probability), 1 - mp.mpf(probability))
        density = reference.student_density(t, nu)
        assert float(abs(student_t_density(t, nu) / density - 1)) < 1e-13
        tail = reference.student_tail(abs(t), nu)
        assert reference.quantile_miss(tail, wanted, density, t) < 1e-12


def test_RISK_001_student_t_becomes_normal() -> None:
    # Cauchy has its quantile in closed form, and the expansion takes over without a step.
    assert student_t_quantile(0.75, 1.0) == pytest.approx(1.0, rel=1e-15)
    below, above = student_t_quantile(0.99, 99_999.0), student_t_quantile(0.99, 100_001.0)
    assert 0.0 < below - above < 2.0 * 0.99 * (below - normal_quantile(0.99)) / 49_000
    assert student_t_quantile(0.99, 1e300) == pytest.approx(normal_quantile(0.99), rel=1e-15)


@pytest.mark.parametrize(
    "probability", [1e-10, 1e-3, 0.1, 0.49, 0.5, 0.51, 0.9, 0.95, 0.99, 0.9999]
)
def test_RISK_001_chi_square_quantile(probability: float) -> None:
    value = chi_square_quantile(probability)
    root = mp.sqrt(mp.mpf(value) / 2)
    assert float(abs(mp.erf(root) - mp.mpf(probability))) < 1e-15 * probability
    assert chi_square_tail(value) == pytest.approx(float(mp.erfc(root)), rel=1e-14)


@pytest.mark.parametrize(
    ("trials", "count", "p"),
    [(250, 3, 0.01), (250, 7, 0.01), (250, 0, 0.01), (250, 249, 0.99), (1000, 10, 0.01),
     (1000, 30, 0.01), (10, 5, 0.5), (5, 4, 0.999), (1000, 500, 0.5), (15, 1, 0.01), (33, 17, 0.2)],
)  # fmt: skip
def test_RISK_002_binomial(trials: int, count: int, p: float) -> None:
    exact = reference.binomial(count, trials, p)
    assert binomial_cumulative(count, trials, p) == pytest.approx(exact, rel=1e-12)
    one = float(comb(trials, count) * mp.mpf(p) ** count * (1 - mp.mpf(p)) ** (trials - count))
    assert binomial_probability(count, trials, p) == pytest.approx(one, rel=1e-12)


def test_RISK_002_binomial_ends_at_one() -> None:
    assert binomial_cumulative(7, 7, 0.3) == 1.0
    assert binomial_probability(7, 7, 0.3) == pytest.approx(0.3**7, rel=1e-14)
    assert binomial_cumulative(0, 4, 0.5) == pytest.approx(0.0625, rel=1e-15)
    assert binomial_cumulative(10**7, 10**9, 0.01) == pytest.approx(0.5, abs=1e-4)


@given(st.floats(-300, 300))
def test_RISK_003_integrals_of_a_decay(w: float) -> None:
    exact = mp.mpf(w)
    assert mean_of_decay(w) == pytest.approx(
        float(mp.expm1(-exact) / -exact) if w else 1.0, rel=1e-14
    )
    with mp.workdps(700 if 0 < abs(w) < 1e-20 else 80):
        rising = (1 - mp.exp(-exact) * (1 + exact)) / exact**2 if abs(w) > 1e-30 else mp.mpf(1) / 2
    assert mean_of_rising_decay(w) == pytest.approx(float(rising), rel=1e-14)


@given(st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_RISK_003_deviance_is_not_cancelled(count: float, mean: float) -> None:
    with mp.workdps(60):
        x, m = mp.mpf(count), mp.mpf(mean)
        exact = float((x * mp.log(x / m) if x else 0) + m - x)
    assert deviance(count, mean) == pytest.approx(exact, rel=1e-12)
    assert deviance(count, mean) >= 0.0


def test_RISK_003_root_is_found_to_the_last_bits() -> None:
    assert bracketed_root(lambda x: cos(x) - x, 0.0, 1.0) == pytest.approx(
        0.7390851332151607, rel=1e-15
    )
    assert bracketed_root(lambda x: x**9, -1.0, 3.0) == pytest.approx(0.0, abs=1e-3)
    assert bracketed_root(lambda x: exp(x) - 1e-9, -40.0, 3.0) == pytest.approx(
        -20.72326583694641, rel=1e-15
    )
    assert bracketed_root(lambda x: x, 0.0, 1.0) == 0.0
    assert bracketed_root(lambda x: x - 1, 0.0, 1.0) == 1.0
    with pytest.raises(ValueError, match="signs differ"):
        bracketed_root(lambda x: x + 2.0, 0.0, 1.0)
