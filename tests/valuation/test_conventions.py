"""The three deltas of an option, and coin-settled Greeks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steelyard.valuation import black_scholes_twin as twin
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.conventions import DeltaConvention, coin_greeks, convert_delta
from steelyard.valuation.greeks import black76_greeks

NAN, INF = float("nan"), float("inf")
MONTH = 30 / 365
EXTREMES = [0.0, -1.0, 5e-324, 2.0**-1001, 2.0**-300, 1e-18, 1.0, 24.0, 1e300, INF, NAN]
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()


def options(count: int, seed: int) -> tuple[Any, ...]:
    """Return random options, near and far."""
    rng = np.random.default_rng(seed)
    time_years = np.exp(rng.uniform(-7.0, 1.0, count))
    volatility = np.exp(rng.normal(-0.7, 0.6, count))
    forward = np.exp(rng.uniform(0.0, 11.0, count))
    strike = forward * np.exp(rng.normal(0.0, 2.0, count) * volatility * np.sqrt(time_years))
    return rng.random(count) < 0.5, forward, strike, volatility, time_years


def same_bits(found: Any, expected: Any) -> bool:
    """Return whether two arrays have the same bits, any NaN being the same."""
    left, right = np.asarray(found, float), np.ascontiguousarray(expected, float)
    equal = left.view(np.int64) == right.view(np.int64)
    return bool((equal | (np.isnan(left) & np.isnan(right))).all())


def exact_coin_price(is_call: bool, *values: Any) -> mp.mpf:
    """Return V/F from the textbook formula at the working precision."""
    f, k, sigma, t = (mp.mpf(value) for value in values)
    s = sigma * mp.sqrt(t)
    d1 = mp.log(f / k) / s + s / 2
    side = 1 if is_call else -1
    return side * (mp.ncdf(side * d1) - k / f * mp.ncdf(side * (d1 - s)))


def test_VALU_070_worked_numbers() -> None:
    expected = [
        0.037887238110267, 0.33786920594964, 0.29998196783937, 4.9996994639896e-6,
        3.7820637752524e-10, 0.0010479283410413, -0.0011352557027947, 3.9203565062583e-8,
        4.0774069590481e-6,
    ]  # fmt: skip
    found = [float(value) for value in coin_greeks(True, 60_000.0, 66_000.0, 0.65, MONTH)]
    assert found == pytest.approx(expected, rel=1e-12)


def test_VALU_070_coin_values_are_derivatives_of_the_coin_price() -> None:
    option = (60_000.0, 66_000.0, 0.65, MONTH)
    orders = {
        "price": ((0, 0, 0, 0), 1), "delta_coin": ((1, 0, 0, 0), 1), "gamma": ((2, 0, 0, 0), 1),
        "vega": ((0, 0, 1, 0), 0.01), "theta": ((0, 0, 0, 1), -1 / 365),
        "vanna": ((1, 0, 1, 0), 0.01), "volga": ((0, 0, 2, 0), 1e-4),
    }  # fmt: skip
    with mp.workdps(40):
        for is_call in (True, False):
            found = coin_greeks(is_call, *option)
            for name, (order, unit) in orders.items():
                slope = mp.diff(lambda *v, c=is_call: exact_coin_price(c, *v), option, order)
                assert float(getattr(found, name)) == pytest.approx(float(slope) * unit, rel=1e-12)


def test_VALU_071_three_deltas_of_one_option() -> None:
    columns = options(1000, 71)
    forward = columns[1]
    coin, black = coin_greeks(*columns), black76_greeks(*columns)
    np.testing.assert_allclose(coin.delta_black, black.delta, rtol=0, atol=3e-16)
    adjusted = black.delta - black.price / forward
    np.testing.assert_allclose(coin.delta_premium_adjusted, adjusted, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(coin.delta_coin * forward, coin.delta_premium_adjusted, rtol=1e-15)
    for convention, expected in (
        (DeltaConvention.BLACK, black.delta),
        (DeltaConvention.PREMIUM_ADJUSTED, adjusted),
        (DeltaConvention.COIN, adjusted / forward),
    ):
        assert same_bits(convert_delta(black.delta, black.price, forward, convention), expected)


def test_VALU_071_far_options_keep_their_digits() -> None:
    put = coin_greeks(False, 100.0, 20.0, 0.2, 0.5)
    with mp.workdps(45):
        slope = mp.diff(lambda f: exact_coin_price(False, f, 20.0, 0.2, 0.5), 100.0)
    assert float(slope) < 0.0
    assert float(put.delta_coin) == pytest.approx(float(slope), rel=1e-11)


def test_VALU_071_an_inverse_future_of_that_notional_offsets_the_option() -> None:
    f, k, h = 60_000.0, 66_000.0, 1.0
    notional = float(coin_greeks(True, f, k, 0.65, MONTH).delta_premium_adjusted) * f

    def book(forward: float) -> float:
        option = float(black76_price(True, forward, k, 0.65, MONTH)) / forward
        return option - notional * (1.0 / f - 1.0 / forward)  # short the future

    moved = abs(book(f + h) - book(f - h))
    assert moved < 1e-6 * notional / f / f * 2.0 * h


def test_VALU_071_a_deep_call_is_a_coin() -> None:
    deep = coin_greeks(True, 60_000.0, 1.0, 0.65, MONTH)
    assert float(deep.price) == pytest.approx(1.0, abs=2e-5)
    assert float(deep.delta_black) == pytest.approx(1.0, abs=1e-15)
    assert float(deep.delta_premium_adjusted) == pytest.approx(1.0 / 60_000.0, rel=1e-12)


def test_VALU_072_bad_input_is_nan_in_its_own_place() -> None:
    for column in range(4):
        for bad in (NAN, INF, 0.0 if column == 0 else NAN, -1.0 if column == 0 else NAN):
            columns = [np.full(7, value) for value in (60_000.0, 54_000.0, 0.65, MONTH)]
            columns[column][3] = bad
            for values in coin_greeks(False, *columns):
                assert np.isnan(values[3])
                assert np.isfinite(np.delete(values, 3)).all()
    for convention in (DeltaConvention.PREMIUM_ADJUSTED, DeltaConvention.COIN):
        found = convert_delta([0.5, 0.5, 0.5], 1.0, [0.0, -1.0, 4.0], convention)
        assert np.isnan(found).tolist() == [True, True, False]
    assert float(convert_delta(0.5, 1.0, 0.0, DeltaConvention.BLACK)) == 0.5


def test_VALU_073_the_kernel_equals_its_twin() -> None:
    rng = np.random.default_rng(73)
    for seed, share in ((73, 0.0), (74, 0.3)):
        is_call, *others = options(800, seed)
        for column in others:
            where = rng.random(800) < share
            column[where] = rng.choice(EXTREMES, int(where.sum()))
        rows = zip(is_call.tolist(), *(column.tolist() for column in others), strict=True)
        expected = np.array([twin.coin_greeks(*row) for row in rows]).T
        assert same_bits(np.array(coin_greeks(is_call, *others)), expected)


@given(st.booleans(), st.tuples(*[st.floats(allow_nan=True)] * 4))
@example(True, (2.0**-300, 1.0, 0.5, 1.0))
def test_VALU_073_the_kernel_equals_its_twin_on_any_input(
    is_call: bool, values: tuple[float, ...]
) -> None:
    found = [float(value) for value in coin_greeks(is_call, *values)]
    assert same_bits(found, twin.coin_greeks(is_call, *values))


@pytest.mark.parametrize("piece", [1, 3, 8, 17])
def test_VALU_020_any_split_of_coin_greeks_gives_the_same_bits(piece: int) -> None:
    columns = options(211, 75)
    whole = coin_greeks(*columns)
    parts = [
        coin_greeks(*(column[first : first + piece] for column in columns))
        for first in range(0, 211, piece)
    ]
    for number, values in enumerate(whole):
        assert same_bits(np.concatenate([part[number] for part in parts]), values)


def seconds_to_expiry(instrument: str, snapshot: str) -> float:
    """Return the seconds from a snapshot to the expiry (08:00 UTC) in an instrument's name."""
    day = instrument.split("-")[1]
    month = MONTHS.index(day[-5:-2]) + 1
    expiry = datetime(2000 + int(day[-2:]), month, int(day[:-5]), 8, tzinfo=UTC)
    taken = datetime.strptime(snapshot, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return (expiry - taken).total_seconds()


def test_VALU_074_the_recorded_venue_publishes_the_black_delta(market_data: Path) -> None:
    folder = market_data / "deribit_chains"
    names = ["snapshot", "instrument", "underlying_price", "mark", "mark_iv", "delta"]
    files = sorted(folder.glob("deribit_btc_eth_chains_*.parquet"))
    if not files:
        pytest.skip("the recorded option chains are not at hand")
    rows = pq.read_table(files[0], columns=names).slice(0, 20_000).to_pylist()
    rows = [row for row in rows if row["mark_iv"] and row["delta"] is not None]
    for row in rows:
        row["time_years"] = seconds_to_expiry(row["instrument"], row["snapshot"]) / 86_400 / 365
    rows = [row for row in rows if row["time_years"] > 3 / 365]
    assert len(rows) > 10_000
    column = {name: np.array([row[name] for row in rows]) for name in (*names[2:], "time_years")}
    parts = [row["instrument"].split("-") for row in rows]
    is_call = np.array([part[3] == "C" for part in parts])
    strike = np.array([float(part[2]) for part in parts])
    forward, published = column["underlying_price"], column["delta"]
    found = coin_greeks(is_call, forward, strike, column["mark_iv"], column["time_years"])
    assert np.median(np.abs(found.delta_black - published)) < 1e-3
    assert np.quantile(np.abs(found.delta_black - published), 0.95) < 0.01
    assert np.median(np.abs(found.delta_premium_adjusted - published)) > 0.02
    assert np.quantile(np.abs(found.price - column["mark"]), 0.95) < 1e-4
