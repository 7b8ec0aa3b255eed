"""Realised volatility of one horizon: its average, its bias, jumps and silence."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks.realised import MEDIAN_FACTOR, Realised
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import Horizon
from tests.marks.volatility_roles import MINUTE, MINUTE_US, SECOND_US, brownian

SIGMA = 0.8


def sampled(prices: list[float], times_us: list[int], horizon: Horizon = MINUTE) -> Realised:
    """Return the sums after these prices, the first of which starts it."""
    realised = Realised(prices[0], times_us[0])
    for price, time_us in zip(prices[1:], times_us[1:], strict=True):
        realised.sample(price, time_us, horizon)
    return realised


def variances(realised: Realised) -> tuple[float, float]:
    """Return the variance with and without jumps."""
    return realised.total / realised.weight, realised.robust / realised.robust_weight


def seconds(count: int) -> list[int]:
    """Return times a second apart."""
    return [k * SECOND_US for k in range(1, count + 1)]


def test_VOLA_010_worked_numbers() -> None:
    # ln 1.01 in a minute, then ln 1.02 in the next: half-life a minute, so weights 1/4 and 1/2.
    realised = sampled([100.0, 101.0, 103.02], [0, MINUTE_US, 2 * MINUTE_US])
    first, second = math.log(1.01) ** 2, math.log(1.02) ** 2
    expected = (first / 4 + second / 2) / 0.75 * YEAR_US / MINUTE_US
    assert realised.weight == 0.75
    assert realised.total / realised.weight == pytest.approx(expected, rel=1e-12)
    assert math.sqrt(expected) == pytest.approx(12.44, abs=1e-4)  # 1,244 % a year
    assert realised.robust_weight == 0.0  # five returns make a median


def test_VOLA_010_the_factor_of_the_median_is_its_integral() -> None:
    from scipy.integrate import quad
    from scipy.special import erfinv

    def integrand(p: float) -> float:
        return float(2.0 * erfinv(p) ** 2 * 30.0 * p * p * (1.0 - p) ** 2)

    value = quad(integrand, 0.0, 0.5)[0] + quad(integrand, 0.5, 1.0)[0]
    assert pytest.approx(1.0 / value, rel=1e-10) == MEDIAN_FACTOR


@pytest.mark.parametrize("horizon", [MINUTE, Horizon(5 * MINUTE_US, SECOND_US)])
def test_VOLA_011_on_a_regular_grid_it_is_the_exponential_average_of_pandas(
    horizon: Horizon,
) -> None:
    times = seconds(2_000)
    prices = brownian(SIGMA, np.array(times), 3)
    rates = pd.Series(np.diff(np.log(prices)) ** 2 * (YEAR_US / SECOND_US))
    half_life = horizon.half_life_us / SECOND_US
    expected = rates.ewm(halflife=half_life, adjust=True).mean()
    medians = rates.rolling(5).median() * MEDIAN_FACTOR
    robust = medians.dropna().ewm(halflife=half_life, adjust=True).mean()
    for count in (10, 100, 2_000):
        total, without = variances(sampled(prices[:count], times[:count], horizon))
        assert total == pytest.approx(expected.iloc[count - 2], rel=1e-9)
        assert without == pytest.approx(robust.iloc[count - 6], rel=1e-9)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12), st.floats(1e-4, 1e-2))
def test_VOLA_012_a_constant_rate_gives_itself_however_time_is_cut(
    spans: list[int], step: float
) -> None:
    realised = Realised(100.0, 0)
    time_us, price, kept = 0, 100.0, 1.0
    for number, span in enumerate(spans):
        time_us += span * SECOND_US
        price *= math.exp((-1.0) ** number * step * math.sqrt(span))
        realised.sample(price, time_us, MINUTE)
        kept *= 2.0 ** (-span / 60.0)
    rate = step * step * YEAR_US / SECOND_US
    assert realised.total / realised.weight == pytest.approx(rate, rel=1e-9)
    assert realised.weight == pytest.approx(1.0 - kept, rel=1e-12)
    if len(spans) >= 5:
        assert realised.robust / realised.robust_weight == pytest.approx(
            MEDIAN_FACTOR * rate, rel=1e-9
        )


@pytest.mark.parametrize("is_regular", [True, False])
def test_VOLA_013_unbiased_for_a_brownian_logarithm(is_regular: bool) -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(1_000 + seed)
        spans = rng.integers(SECOND_US, 4 * SECOND_US, 2_000)
        times = np.cumsum(np.full(2_000, SECOND_US) if is_regular else spans)
        prices = brownian(SIGMA, times, seed)
        realised = Realised(100.0, 0)
        for number, (price, time_us) in enumerate(zip(prices, times.tolist(), strict=True)):
            realised.sample(price, time_us, MINUTE)
            if number >= 500 and number % 200 == 0:
                found.append(variances(realised))
    ratios = np.array(found) / SIGMA**2
    error = ratios.std(0) / math.sqrt(len(ratios))
    assert np.all(error < 0.02)
    assert np.all(abs(ratios.mean(0) - 1.0) < 3.0 * error)
    if is_regular:
        # 2/n_effective, n = (1 + λ)/(1 − λ): 10.7 %; the median pays half as much again
        deviation = ratios.std(0)
        assert deviation[0] == pytest.approx(math.sqrt(2 * math.log(2) / 2 / 60), rel=0.15)
        assert 1.15 < deviation[1] / deviation[0] < 1.7


@given(st.integers(-40, 40))
def test_VOLA_014_prices_times_a_power_of_two_give_the_same_bits(power: int) -> None:
    times = seconds(80)
    prices = brownian(SIGMA, np.array(times), 5)
    scaled = [price * 2.0**power for price in prices]
    assert sampled(prices, times).record()[2] == sampled(scaled, times).record()[2]


@given(st.floats(1e-6, 1e6), st.integers(2, 1_000))
def test_VOLA_014_any_factor_of_price_and_any_clock(factor: float, slower: int) -> None:
    times = seconds(80)
    prices = brownian(SIGMA, np.array(times), 6)
    before = variances(sampled(prices, times))
    after = variances(sampled([price * factor for price in prices], times))
    assert after == pytest.approx(before, rel=1e-8)
    slow = Horizon(slower * MINUTE_US, slower * SECOND_US)
    stretched = variances(sampled(prices, [slower * at for at in times], slow))
    assert [slower * value for value in stretched] == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("jump", [0.7, 1.3])
@pytest.mark.parametrize("is_wick", [False, True])
def test_VOLA_015_a_jump_of_30_per_cent_hardly_moves_the_robust_volatility(
    jump: float, is_wick: bool
) -> None:
    times = seconds(600)
    prices = brownian(SIGMA, np.array(times), 8)
    hit = [p * jump if k == 580 or (k > 580 and not is_wick) else p for k, p in enumerate(prices)]
    calm, quiet = variances(sampled(prices, times))
    wild, robust = variances(sampled(hit, times))
    assert wild > 5_000 * calm
    assert 0.8 < robust / quiet < 1.25
    reading = sampled(hit, times).read(hit[-1], times[-1], MINUTE, 0.1)
    assert reading.jump_share is not None
    assert reading.jump_share > 0.999


def test_VOLA_016_silence_decays_nothing_and_counts_as_one_half_life_at_most() -> None:
    times = seconds(600)
    prices = brownian(SIGMA, np.array(times), 9)
    realised = sampled(prices, times)
    total, weight = realised.total, realised.weight
    before = total / weight
    for later in (1, 10**6, 10**9, 10**13):
        assert realised.variance(prices[-1], times[-1] + later, MINUTE) == before
    silence = 8 * 3_600 * SECOND_US
    realised.sample(prices[-1] * (1.0 + 1e-12), times[-1] + silence, MINUTE)
    assert realised.total == pytest.approx(total / 2.0, rel=1e-9)
    assert realised.weight == pytest.approx(weight / 2.0 + 0.5, rel=1e-12)
    # a move of 50 % in eight hours is a rate of 1,342 % a year, and it has half of the weight
    moved = sampled(prices, times)
    moved.sample(prices[-1] * 1.5, times[-1] + silence, MINUTE)
    rate = math.log(1.5) ** 2 * YEAR_US / silence
    assert math.sqrt(rate) == pytest.approx(13.417, abs=1e-3)
    assert moved.total == pytest.approx(total / 2.0 + rate / 2.0, rel=1e-9)


@given(st.floats(0.5, 2.0), st.integers(1, 10**10))
def test_VOLA_017_the_move_since_the_last_sample_can_only_raise(factor: float, span: int) -> None:
    times = seconds(200)
    prices = brownian(SIGMA, np.array(times), 11)
    realised = sampled(prices, times)
    record = realised.record()
    closed = realised.total / realised.weight
    price, at_us = prices[-1] * factor, times[-1] + span
    read = realised.read(price, at_us, MINUTE, 0.1)
    assert realised.record() == record
    assert read.volatility is not None
    realised.sample(price, at_us, MINUTE)
    after = realised.total / realised.weight
    assert read.volatility**2 == pytest.approx(max(closed, after), rel=1e-12)


def test_VOLA_018_too_little_seen_is_none() -> None:
    assert Realised(100.0, 0).read(100.0, 0, MINUTE, 0.1)[1:] == (None, None, None, 0.0)
    few = sampled([100.0, 100.1, 100.0], seconds(3))
    assert few.read(100.0, 3 * SECOND_US, MINUTE, 0.1).volatility is None
    assert few.read(100.0, 3 * SECOND_US, MINUTE, 0.02).volatility is not None
