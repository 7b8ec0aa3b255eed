"""Scales: asset, perpetuals and options from one reference price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds.names import bar_file_name, stale_after_us_for, weight_for
from steelyard.quantities import UNITS_MAX, TermsError
from steelyard.terms import Instrument
from steelyard.terms.asset import USDC
from steelyard.terms.listing import (
    asset_for,
    inverse_perpetual,
    linear_perpetual,
)
from steelyard.terms.listing import (
    option as option_at,
)

PRICES = st.floats(min_value=1e-6, max_value=1e9)


@pytest.mark.parametrize(
    ("price", "lot_exponent", "mark_exponent"),
    [(117_000.0, 4, 2), (4_100.0, 3, 4), (259.75, 2, 5), (20.0, 1, 6), (15.0, 0, 6), (0.065, 0, 8)],
)
def test_FEED_010_linear_perpetual_has_the_worked_scales(
    price: float, lot_exponent: int, mark_exponent: int
) -> None:
    found = linear_perpetual("AAVE", price)
    assert (found.lot_exponent, found.mark_exponent) == (lot_exponent, mark_exponent)


@given(PRICES)
def test_FEED_010_linear_scales_keep_their_rules_at_any_price(price: float) -> None:
    found = linear_perpetual("AAVE", price).check(USDC)
    assert found.lot_exponent + found.mark_exponent >= 6
    lot_usd = price / 10**found.lot_exponent
    assert lot_usd <= 15.0 or found.lot_exponent == 6
    assert lot_usd > 1.4 or found.lot_exponent == 0


@pytest.mark.parametrize(
    ("asset", "price", "contract_usd", "mark_exponent", "mark"),
    [
        ("BTC", 117_000.0, 100, 12, 854_700_855),
        ("AAVE", 259.75, 10, 10, 384_985_563),
        ("TRX", 0.32, 10, 8, 3_125_000_000),
    ],
)
def test_FEED_011_inverse_perpetual_has_the_worked_scales(
    asset: str, price: float, contract_usd: int, mark_exponent: int, mark: int
) -> None:
    found = inverse_perpetual(asset, price)
    assert (found.contract_usd, found.mark_exponent) == (contract_usd, mark_exponent)
    assert round(found.contract_usd * 10**found.mark_exponent / price) == mark
    assert found.lot_exponent == 0


@given(PRICES)
def test_FEED_011_inverse_scales_keep_their_rules_at_any_price(price: float) -> None:
    found = inverse_perpetual("AAVE", price).check(asset_for("AAVE", price))
    mark = 10 / price * 10**found.mark_exponent
    assert mark >= 1e8 * (1 - 1e-9) or found.mark_exponent == 12
    assert mark < 1e9 * (1 + 1e-9) or found.mark_exponent == 8


@given(PRICES, st.floats(min_value=0.05, max_value=20.0))
def test_FEED_012_a_mark_64_times_the_reference_fits_at_the_limit(
    price: float, money: float
) -> None:
    strike = f"{price * money:.6f}"
    listed: list[tuple[Instrument, float]] = [
        (linear_perpetual("X", price), price),
        (inverse_perpetual("X", price), 10 / price),
    ]
    if float(strike) > 0:
        option = option_at("X", "X-1JAN26-1-C", strike, price, 1, is_call=True)
        listed.append((option.check(asset_for("X", price)), max(1.0, float(strike) / price)))
    for instrument, mark in listed:
        units = mark * 10**instrument.mark_exponent
        assert instrument.position_limit * units * 64 < UNITS_MAX
        assert instrument.position_limit <= 2**40
        # It is the largest such limit, up to the rounding of the reference mark to a whole unit.
        if instrument.position_limit < 2**40:
            assert (instrument.position_limit + 1) * (units + 1) * 64 >= UNITS_MAX * (1 - 1e-9)
        assert instrument.mark_max >= 64 * units * (1 - 1e-9)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 1e-7, 2e9])
def test_FEED_012_a_price_without_a_scale_is_refused(price: float) -> None:
    for make in (asset_for, linear_perpetual, inverse_perpetual):
        with pytest.raises(TermsError) as caught:
            make("X", price)
        assert caught.value.code == "TERM-E05"


def test_FEED_009_weight_and_staleness_follow_the_length_of_a_bar() -> None:
    lengths = [1, 60, 300, 3_600, 86_400]
    assert [weight_for(s * 1_000_000) for s in lengths] == [3, 2, 1, 1, 1]
    stale = [stale_after_us_for(s * 1_000_000) // 1_000_000 for s in lengths]
    assert stale == [60, 150, 660, 7_920, 86_400]


@pytest.mark.parametrize(
    ("file", "source", "asset", "operator"),
    [
        ("2021-05_binance_spot_BTCUSDT_1m.parquet", "binance:BTCUSDT-spot-1m", "BTC", "binance"),
        ("2020-03-13_binance_perp_BTCUSDT_1m_0139_0401.parquet", "binance:BTCUSDT-perp-1m", "BTC", "binance"),
        ("binance_perp_ETHUSDT_1h_last_and_mark.parquet", "binance:ETHUSDT-perp-1h", "ETH", "binance"),
        ("binance_coinm_BTCUSD_PERP_mark_1m.parquet", "binance:BTCUSD-coinm-mark-1m", "BTC", "binance"),
        ("2022-01_btc_perp_1m.parquet", "unstated:BTCUSD-perp-1m", "BTC", "unstated"),
    ],
)  # fmt: skip
def test_FEED_019_a_bar_file_name_says_operator_symbol_and_length(
    tmp_path, file: str, source: str, asset: str, operator: str
) -> None:
    named = bar_file_name(tmp_path / file)
    assert named is not None
    assert (named.source, named.asset, named.operator) == (source, asset, operator)


@pytest.mark.parametrize("file", ["bars.csv", "binance_spot_BTCUSDT.csv", "notes_1m.parquet"])
def test_FEED_019_a_name_without_symbol_or_length_is_no_bar_file(tmp_path, file: str) -> None:
    assert bar_file_name(tmp_path / file) is None
