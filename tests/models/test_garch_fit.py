"""The fit of GARCH(1,1): the likelihood against its sum, and parameters that come back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.marks.garch import Garch, GarchParameters, is_stationary
from steelyard.models.garch_fit import fill_likelihood, fit_garch, garch_log_likelihood
from steelyard.quantities.errors import InputError

BAR_US = 60_000_000
TRUE = GarchParameters(1e-6, 0.1, 0.85, BAR_US)


def simulated(parameters: GarchParameters, count: int, seed: int) -> NDArray[np.float64]:
    """Return returns that follow the recursion."""
    noise = np.random.default_rng(seed).standard_normal(count + 500).tolist()
    garch = Garch(parameters)
    returns = []
    for each in noise:
        returns.append(math.sqrt(garch.variance) * each)
        garch.add(returns[-1], parameters.bar_us)
    return np.array(returns[500:])


def plain(returns: NDArray[np.float64], omega: float, alpha: float, beta: float) -> float:
    """Return the log likelihood by its definition, term by term."""
    variance = math.fsum(r * r for r in returns.tolist()) / len(returns)
    terms = []
    for r in returns.tolist():
        terms.append(math.log(2 * math.pi) + math.log(variance) + r * r / variance)
        variance = omega + alpha * r * r + beta * variance
    return -0.5 * math.fsum(terms)


@given(st.floats(1e-8, 1e-4), st.floats(0.0, 0.5), st.floats(0.0, 0.49), st.integers(0, 9))
def test_VOLA_051_the_likelihood_is_its_sum(
    omega: float, alpha: float, beta: float, seed: int
) -> None:
    returns = simulated(TRUE, 300, seed)
    exact = plain(returns, omega, alpha, beta)
    got = garch_log_likelihood(returns, GarchParameters(omega, alpha, beta, BAR_US))
    assert got == pytest.approx(exact, rel=1e-11)


def test_VOLA_051_slopes_and_information_are_those_of_the_likelihood() -> None:
    returns = simulated(TRUE, 500, 3)
    start = float(np.mean(returns**2))
    at = np.array([1.3e-6, 0.12, 0.8])
    out, up, down = np.zeros(11), np.zeros(11), np.zeros(11)
    fill_likelihood(returns, start, *at.tolist(), out)
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5 * at[k]
        fill_likelihood(returns, start, *(at + step).tolist(), up)
        fill_likelihood(returns, start, *(at - step).tolist(), down)
        assert out[1 + k] == pytest.approx((up[0] - down[0]) / (2 * step[k]), rel=1e-5)
    information = np.array([[out[4], out[5], out[7]], [out[5], out[6], out[8]], out[7:10]])
    scaled = information * np.outer(at, at)
    assert np.linalg.eigvalsh(scaled).min() > 0.0


@pytest.mark.parametrize(
    "parameters",
    [
        TRUE,
        GarchParameters(1e-8, 0.05, 0.94, BAR_US),
        GarchParameters(1e-5, 0.3, 0.3, BAR_US),
        GarchParameters(1e-6, 0.2, 0.79, BAR_US),
    ],
)
def test_VOLA_052_parameters_come_back_within_three_standard_errors(
    parameters: GarchParameters,
) -> None:
    returns = simulated(parameters, 10_000, 7)
    fit = fit_garch(returns, BAR_US)
    found = fit.parameters
    assert fit.is_converged
    assert is_stationary(found)
    out = np.zeros(11)
    fill_likelihood(returns, float(np.mean(returns**2)), found.omega, found.alpha, found.beta, out)
    information = np.array([[out[4], out[5], out[7]], [out[5], out[6], out[8]], out[7:10]])
    scale = np.array(found[:3])
    errors = np.sqrt(np.diag(np.linalg.inv(information * np.outer(scale, scale)))) * scale
    assert np.all(abs(np.array(found[:3]) - np.array(parameters[:3])) < 3.0 * errors)
    slopes = out[1:4] * errors  # nothing left to climb
    assert np.all(abs(slopes) < 1e-2)
    assert fit.log_likelihood == pytest.approx(plain(returns, *found[:3]), rel=1e-11)
    assert fit.next_variance == pytest.approx(out[10], rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_VOLA_052_no_general_search_finds_a_better_place(seed: int) -> None:
    from scipy.optimize import minimize

    returns = simulated(TRUE, 1_000, 20 + seed)
    scaled = returns / returns.std()

    def cost(at: NDArray[np.float64]) -> float:
        if min(at) < 0.0 or at[1] + at[2] >= 0.99999 or at[0] == 0.0:
            return 1e10
        return -garch_log_likelihood(scaled, GarchParameters(*at.tolist(), BAR_US))

    best = min(
        minimize(cost, start, method="Nelder-Mead", options={"maxiter": 600, "fatol": 1e-9}).fun
        for start in ([0.05, 0.1, 0.8], [0.5, 0.05, 0.4], [0.02, 0.2, 0.7])
    )
    fit = fit_garch(scaled, BAR_US)
    assert fit.log_likelihood >= -best - 1e-5


@given(st.floats(1e-6, 1e6))
def test_VOLA_052_returns_times_a_constant_give_the_same_fit(factor: float) -> None:
    returns = simulated(TRUE, 500, 5)
    one, other = fit_garch(returns, BAR_US), fit_garch(factor * returns, BAR_US)
    assert other.parameters.omega == pytest.approx(factor**2 * one.parameters.omega, rel=1e-3)
    assert other.parameters[1:3] == pytest.approx(one.parameters[1:3], abs=1e-4)


def test_VOLA_052_noise_without_clusters_keeps_its_variance() -> None:
    noise = 0.01 * np.random.default_rng(9).standard_normal(5_000)
    found = fit_garch(noise, BAR_US).parameters
    assert found.alpha < 3.0 / math.sqrt(5_000)
    assert found.omega / (1.0 - found.alpha - found.beta) == pytest.approx(1e-4, rel=0.06)


@pytest.mark.parametrize(
    "returns",
    [[], [0.01] * 99, [0.0] * 200, [0.01] * 150 + [math.nan], [[0.01] * 200], [math.inf] * 200],
)
def test_VOLA_053_returns_that_cannot_be_fitted_are_named(returns: list[float]) -> None:
    with pytest.raises(InputError) as caught:
        fit_garch(returns, BAR_US)
    assert caught.value.code == "VOLA-E01"
