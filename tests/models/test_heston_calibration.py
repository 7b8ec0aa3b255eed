"""A calibration gives parameters back, leaves bad quotes out and repeats itself to the byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steelyard.models.heston_calibration import calibrate_heston
from steelyard.quantities.errors import InputError
from steelyard.valuation.heston import HestonParameters, heston_price
from steelyard.valuation.implied_volatility import implied_volatility

TIMES = np.array([7.0, 14.0, 30.0, 60.0, 90.0, 180.0, 270.0, 365.0, 545.0, 730.0]) / 365.0
SKEWED = HestonParameters(0.04, 1.5, 0.06, 0.5, -0.7)


def surface(parameters: HestonParameters, strikes: int = 30) -> tuple[Any, ...]:
    """Return time, strike, is_call (out of the money) and price of an exact surface."""
    v0, kappa, theta = parameters.as_array()[:3]
    time = np.repeat(TIMES, strikes)
    total = theta * time + (v0 - theta) * (1.0 - np.exp(-kappa * time)) / kappa
    steps = np.tile(np.linspace(-2.0, 1.8, strikes), TIMES.size)
    strike = 100.0 * np.exp(np.sqrt(total) * steps)
    is_call = strike >= 100.0
    return time, strike, is_call, heston_price(is_call, 100.0, strike, time, parameters)


def random_parameters(count: int) -> list[HestonParameters]:
    """Return parameters as crypto and equity surfaces have them."""
    rng = np.random.default_rng(1833)
    low, high = np.log([0.01, 0.3, 0.01, 0.15]), np.log([0.8, 6.0, 0.8, 2.0])
    return [
        HestonParameters(*np.exp(rng.uniform(low, high)).tolist(), float(rng.uniform(-0.9, 0.6)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("parameters", random_parameters(12))
def test_HEST_033_exact_surface_gives_its_parameters_back(parameters: HestonParameters) -> None:
    time, strike, is_call, price = surface(parameters)
    fit = calibrate_heston(time, 100.0, strike, is_call, price=price)
    found, exact = fit.parameters.as_array(), parameters.as_array()
    assert fit.has_converged
    assert np.abs(found / exact - 1.0).max() <= 1e-8
    assert fit.rmse <= 1e-8
    assert fit.is_used.all()


def test_HEST_033_volatilities_and_shuffled_quotes_do_as_well() -> None:
    time, strike, is_call, price = surface(SKEWED, 12)
    mixed = np.random.default_rng(1).permutation(time.size)
    time, strike, is_call, price = (c[mixed] for c in (time, strike, is_call, price))
    volatility = implied_volatility(is_call, 100.0, strike, price, time).volatility
    fit = calibrate_heston(time, 100.0, strike, is_call, implied_volatility=volatility)
    assert np.abs(fit.parameters.as_array() / SKEWED.as_array() - 1.0).max() <= 1e-8
    again = calibrate_heston(
        time, 100.0, strike, is_call, implied_volatility=volatility, start=fit.parameters
    )
    assert again.iterations <= 3


def test_HEST_034_useless_quotes_are_left_out_and_named() -> None:
    time, strike, is_call, price = surface(SKEWED, 8)
    weights = np.ones(time.size)
    price[3], price[10], weights[20] = np.nan, -1.0, 0.0
    price[40] = 0.0
    fit = calibrate_heston(time, 100.0, strike, is_call, price=price, weights=weights)
    assert np.flatnonzero(~fit.is_used).tolist() == [3, 10, 20, 40]
    assert np.flatnonzero(np.isnan(fit.residuals)).tolist() == [3, 10, 20, 40]
    assert np.abs(fit.parameters.as_array() / SKEWED.as_array() - 1.0).max() <= 1e-8


def test_HEST_034_too_few_quotes_are_an_error() -> None:
    time, strike, is_call, price = surface(SKEWED, 8)
    price[4:] = np.nan
    with pytest.raises(InputError, match="HEST-E07"):
        calibrate_heston(time, 100.0, strike, is_call, price=price)
    with pytest.raises(InputError, match="HEST-E08"):
        calibrate_heston(time, 100.0, strike, is_call)
    with pytest.raises(InputError, match="HEST-E08"):
        calibrate_heston(time, 100.0, strike, is_call, price=price, implied_volatility=price)


def test_HEST_034_weights_decide_between_two_surfaces() -> None:
    time, strike, is_call, price = surface(SKEWED, 10)
    other = HestonParameters(0.09, 2.0, 0.09, 0.4, -0.3)
    both = np.concatenate([price, heston_price(is_call, 100.0, strike, time, other)])
    weights = np.repeat([1e-12, 1.0], price.size)
    fit = calibrate_heston(
        np.tile(time, 2),
        100.0,
        np.tile(strike, 2),
        np.tile(is_call, 2),
        price=both,
        weights=weights,
    )
    assert np.abs(fit.parameters.as_array() / other.as_array() - 1.0).max() <= 1e-4


def test_HEST_035_noise_leaves_a_residual_of_its_size() -> None:
    time, strike, is_call, price = surface(SKEWED)
    volatility = implied_volatility(is_call, 100.0, strike, price, time).volatility
    noisy = volatility + np.where(np.arange(time.size) % 2 == 0, 0.002, -0.002)
    fits = [
        calibrate_heston(time, 100.0, strike, is_call, implied_volatility=noisy) for _ in range(2)
    ]
    assert fits[0].has_converged
    assert 0.15 <= fits[0].rmse <= 0.2
    assert fits[0].parameters.as_array().tobytes() == fits[1].parameters.as_array().tobytes()
    assert fits[0].residuals.tobytes() == fits[1].residuals.tobytes()
    own = np.sqrt(np.square(fits[0].residuals).sum() / time.size)
    assert abs(own - fits[0].rmse) <= 1e-12
