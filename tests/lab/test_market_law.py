"""The law of the simulated market, measured on long paths."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.lab import LAWS, SimulatedMarket
from steelyard.lab.market import COINS, Floats, LawName, excess_kurtosis, simulate_minutes
from steelyard.lab.path import draw_path

START_US = 1_760_130_000_000_000
MONTH = 43_200
WEEK = 10_080


def months(law: LawName, paths: int, seed: int = 3) -> Floats:
    return simulate_minutes(LAWS[law], COINS[:3], MONTH, seed, paths).log_returns


@pytest.fixture(scope="module")
def calm() -> Floats:
    return months("calm", 12)


@pytest.fixture(scope="module")
def stress() -> Floats:
    return months("stress", 24)


def test_LABS_001_calm_minutes_have_the_stated_spread_and_tails(calm: Floats) -> None:
    btc = calm[:, :, 0]
    assert 0.00040 < np.median(btc.std(axis=1)) < 0.00050
    assert 6.0 < np.median(excess_kurtosis(btc)) < 16.0


@pytest.mark.parametrize("seed", [3, 11])
def test_LABS_002_stressed_weeks_reach_a_kurtosis_of_255(seed: int) -> None:
    btc = months("stress", 24, seed)[:, :, 0]
    weeks = btc[:, : 4 * WEEK].reshape(-1, WEEK)
    assert 0.0010 < np.median(btc.std(axis=1)) < 0.0018
    assert 40.0 < np.median(excess_kurtosis(btc)) < 130.0
    assert 150.0 < np.percentile(excess_kurtosis(weeks), 95.0) < 600.0
    assert excess_kurtosis(weeks).max() > 255.0


def test_LABS_003_worst_minute_of_a_stressed_month_is_several_per_cent(stress: Floats) -> None:
    worst = np.median(stress.min(axis=1), axis=0)
    assert -0.07 < worst[0] < -0.02
    assert worst[1] < worst[0]


@pytest.mark.parametrize("name", ["calm", "stress"])
def test_LABS_004_volatility_clusters_and_is_higher_after_a_fall(
    name: str, calm: Floats, stress: Floats
) -> None:
    btc = (calm if name == "calm" else stress)[:, :, 0]
    magnitude = np.abs(btc)
    for lag, least in ((1, 0.1), (30, 0.05)):
        pairs = [np.corrcoef(row[:-lag], row[lag:])[0, 1] for row in magnitude]
        assert np.median(pairs) > least
    # The spread of a typical minute of the path: from the median square, which jumps do not move.
    spread = 2.0 * np.sqrt(np.median(btc**2, axis=1, keepdims=True) / 0.4549)
    square = np.cumsum(btc**2, axis=1)
    after = square[:, 10:] - square[:, :-10]
    moved = btc[:, :-10]
    fell, rose = moved < -spread, moved > spread
    assert after[fell].mean() > 1.02 * after[rose].mean()


def test_LABS_005_coins_move_together_more_in_a_fall(calm: Floats) -> None:
    btc, eth, sol = (calm[:, :, k].ravel() for k in range(3))
    spread = btc.std()
    fell, rose = btc < -2.0 * spread, btc > 2.0 * spread
    for other in (eth, sol):
        in_fall = np.corrcoef(btc[fell], other[fell])[0, 1]
        in_rise = np.corrcoef(btc[rose], other[rose])[0, 1]
        assert in_fall > in_rise + 0.02


@pytest.mark.parametrize("seed", range(6))
def test_LABS_006_scripted_crash_has_the_stated_worst_moves(seed: int) -> None:
    market = SimulatedMarket(seed, START_US, 900)
    logs = np.log(market.true_prices())
    minute = np.expm1((logs[240:] - logs[:-240]).min(axis=0))
    five = np.expm1((logs[1_200:] - logs[:-1_200]).min(axis=0))
    assert abs(minute[0] + 0.07) < 0.006
    assert abs(minute[1] + 0.09) < 0.008
    assert abs(five[2] + 0.20) < 0.015


@pytest.mark.parametrize("tick_ms", [100, 250, 1_000])
def test_LABS_007_ticks_end_every_minute_where_the_law_says(tick_ms: int) -> None:
    path = draw_path(LAWS["stress"], COINS, 30, seed=5, tick_ms=tick_ms, crash_at_s=400.0)
    law = simulate_minutes(LAWS["stress"], COINS, 30, 5).log_returns[0]
    for minute in range(30):
        ticks = path.minute_log_prices(minute)
        assert ticks.shape == (60_000 // tick_ms, len(COINS))
        assert np.allclose(ticks[-1], path.opens[minute + 1], atol=1e-12)
    unscripted = draw_path(LAWS["stress"], COINS, 30, seed=5, tick_ms=tick_ms, crash_at_s=None)
    assert np.allclose(unscripted.minute_log_returns(), law, atol=1e-12)
    assert np.abs(path.opens - unscripted.opens).max() > 0.2
