"""The volatility state on recorded markets: against pandas, and when the regime turns."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from steelyard.marks.realised import MEDIAN_FACTOR
from steelyard.marks.regime import Regime
from steelyard.marks.volatility import (
    VolatilityState,
    drift_ppm,
    observe_index,
    read_correlation,
    read_volatility,
)
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import Horizon
from tests.marks.volatility_roles import MINUTE_US, RULES, SECOND_US

CALM = "stress_1m/2025-06_calm_binance_spot_{}USDT_1m.parquet"
MAY = "stress_1m/2021-05_binance_spot_{}USDT_1m.parquet"
OCTOBER = "stress_5m/2025-09_2025-10_binance_spot_{}USDT_5m.parquet"


def closes(folder: Path, name: str) -> pd.Series[float]:
    """Return the closes of a recorded file by the time at which their bars end."""
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not among the recorded markets")
    table = parquet.read_table(path)
    starts = table["ts"].to_numpy().astype("datetime64[us]").astype(np.int64)
    length = (5 if "5m" in name else 1) * MINUTE_US
    return pd.Series(table["close"].to_numpy(), index=starts + length)


def micros(text: str) -> int:
    """Return a UTC time in microseconds."""
    return int(pd.Timestamp(text, tz="UTC").value) // 1_000


def regimes(prices: pd.Series[float]) -> pd.Series[int]:
    """Return the regime after each price."""
    state = VolatilityState()
    found = []
    for at_us, price in zip(prices.index.tolist(), prices.tolist(), strict=True):
        observe_index(state, 1, price, at_us, RULES)
        found.append(state.assets[1].regime)
    return pd.Series(found, index=prices.index)


@pytest.mark.parametrize("name", [CALM, MAY])
def test_VOLA_090_on_bars_of_a_minute_it_is_the_average_of_pandas(
    market_data: Path, name: str
) -> None:
    prices = closes(market_data, name.format("BTC")).iloc[:20_000]
    prices = prices[prices.diff() != 0.0]  # a price that stands still is no observation
    horizons = (Horizon(60 * MINUTE_US, MINUTE_US), Horizon(1_440 * MINUTE_US, MINUTE_US))
    rules = msgspec.structs.replace(RULES, horizons=horizons, regime_short=0, regime_long=1)
    state = VolatilityState()
    for at_us, price in zip(prices.index.tolist(), prices.tolist(), strict=True):
        observe_index(state, 1, price, at_us, rules)
    reading = read_volatility(state, 1, int(prices.index[-1]), rules)
    assert reading is not None
    spans = pd.Series(prices.index, prices.index).diff()
    rates = (np.log(prices).diff() ** 2 * (YEAR_US / spans)).dropna()
    medians = (rates.rolling(5).median() * MEDIAN_FACTOR).dropna()
    for horizon, read in zip(horizons, reading.horizons, strict=True):
        half_life = pd.Timedelta(microseconds=horizon.half_life_us)
        if (spans.dropna() == MINUTE_US).all():
            average = rates.ewm(halflife=horizon.half_life_us / MINUTE_US).mean().iloc[-1]
            robust = medians.ewm(halflife=horizon.half_life_us / MINUTE_US).mean().iloc[-1]
            tolerance = 1e-9
        else:  # pandas weighs uneven times by age alone, we by age and span
            ages = pd.to_datetime(rates.index, unit="us")
            average = rates.ewm(halflife=half_life, times=ages).mean().iloc[-1]
            ages = pd.to_datetime(medians.index, unit="us")
            robust = medians.ewm(halflife=half_life, times=ages).mean().iloc[-1]
            tolerance = 0.02
        assert read.volatility == pytest.approx(average**0.5, rel=tolerance)
        assert read.robust_volatility == pytest.approx(robust**0.5, rel=tolerance)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_VOLA_091_a_calm_month_is_calm(market_data: Path, coin: str) -> None:
    # but for ether on the night of 21 June, when its volatility of the hour was 4.4 times its usual
    found = regimes(closes(market_data, CALM.format(coin)))
    share = found.value_counts(normalize=True)
    crisis = found[found == Regime.CRISIS].index
    assert len(crisis) < (0.01 * len(found) if coin == "ETH" else 1)
    assert all(micros("2025-06-21 21:00") < at < micros("2025-06-22 02:00") for at in crisis)
    assert share[Regime.STRESSED] < 0.08
    assert share[Regime.NORMAL] > 0.6
    assert (found.diff().fillna(0) != 0).sum() < 100  # in 43,200 bars


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_VOLA_091_19_may_2021_is_stressed_before_noon_and_a_crisis_within_the_hour(
    market_data: Path, coin: str
) -> None:
    # BTC fell 9.7 % and rose 9.4 % in five minutes between 12:30 and 13:30
    found = regimes(closes(market_data, MAY.format(coin)))
    day = found[(found.index > micros("2021-05-19")) & (found.index <= micros("2021-05-20"))]
    assert day.iloc[0] == Regime.NORMAL
    stressed = day[day >= Regime.STRESSED].index
    noon = stressed[stressed > micros("2021-05-19 09:00")]
    assert noon[0] <= micros("2021-05-19 11:35")
    crisis = day[day == Regime.CRISIS]
    assert micros("2021-05-19 12:30") <= crisis.index[0] <= micros("2021-05-19 12:55")
    assert crisis.index[-1] >= micros("2021-05-19 15:00")


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_VOLA_091_10_october_2025_is_a_crisis_before_the_cascade(
    market_data: Path, coin: str
) -> None:
    # liquidations ran from 21:15 to 21:27
    found = regimes(closes(market_data, OCTOBER.format(coin)))
    day = found[(found.index > micros("2025-10-10")) & (found.index <= micros("2025-10-11"))]
    crisis = day[day == Regime.CRISIS]
    assert micros("2025-10-10 20:50") <= crisis.index[0] <= micros("2025-10-10 21:05")
    assert not (found[found.index < micros("2025-09-20")] == Regime.CRISIS).any()


def test_VOLA_092_bitcoin_and_ether_go_together_in_the_recorded_month(market_data: Path) -> None:
    both = pd.concat([closes(market_data, CALM.format(c)) for c in ("BTC", "ETH")], axis=1).dropna()
    state = VolatilityState()
    for at_us, first, second in both.itertuples():
        observe_index(state, 1, first, at_us - 1, RULES)  # just before the bar ends
        observe_index(state, 2, second, at_us - 1, RULES)
    reading = read_correlation(state, int(both.index[-1]), RULES)
    bars = np.log(both[both.index % (5 * MINUTE_US) == 0]).diff().dropna()
    bars = bars.clip(-6 * bars.std(), 6 * bars.std(), axis=1)
    average = bars.ewm(halflife=3 * 288)
    expected = average.cov(bias=True).iloc[-2:].to_numpy()
    rho = expected[0, 1] / np.sqrt(expected[0, 0] * expected[1, 1])
    assert reading.matrix[0][1] == pytest.approx(rho, abs=0.01)
    assert reading.matrix[0][1] > 0.7


def beyond(prices: pd.Series[float], age_us: int, tolerance_us: int) -> float:
    """Return the share of moves over an age that go beyond the drift stated at their start."""
    state = VolatilityState()
    times, values = prices.index.to_numpy(), prices.to_numpy()
    ends = np.searchsorted(times, times + age_us).tolist()
    outside, count = 0, 0
    for number, (at_us, price) in enumerate(prices.items()):
        observe_index(state, 1, price, at_us, RULES)
        end = ends[number]
        if number < 60 or end == len(times) or times[end] - at_us > age_us + tolerance_us:
            continue
        drift = drift_ppm(state, 1, int(times[end] - at_us), RULES)
        outside += bool(abs(values[end] / price - 1.0) * 1e6 > drift)
        count += 1
    assert count > 1_000
    return outside / count


@pytest.mark.parametrize("name", [CALM, MAY])
@pytest.mark.parametrize("minutes", [1, 5])
def test_VOLA_093_few_moves_of_minutes_go_beyond_the_drift(
    market_data: Path, name: str, minutes: int
) -> None:
    assert beyond(closes(market_data, name.format("BTC")), minutes * MINUTE_US, 0) < 0.022


def test_VOLA_093_few_moves_of_the_cascade_go_beyond_the_drift(market_data: Path) -> None:
    path = market_data / "oct10_2025" / "trades_1s_2045_2215.parquet"
    if not path.exists():
        pytest.skip("the seconds of 10 October 2025 are not among the recorded markets")
    table = parquet.read_table(path, filters=[("venue", "=", "coinbase"), ("base", "=", "DOGE")])
    ends = table["ts"].to_numpy().astype("datetime64[us]").astype(np.int64) + SECOND_US
    prices = pd.Series(table["close"].to_numpy(), index=ends).sort_index()
    assert beyond(prices, 5 * SECOND_US, SECOND_US) < 0.025
