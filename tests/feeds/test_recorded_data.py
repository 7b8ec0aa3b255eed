"""The recorded 10 October 2025 and the recorded chains, where the files are at hand."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from steelyard.feeds import RecordedMarket, load_chain, open_market
from steelyard.ticks import PriceTick, QuoteTick, SourceListed, check_event

FROM_US = 1_760_130_600_000_000  # 2025-10-10T21:10:00Z
TO_US = FROM_US + 600_000_000
COINS = "AAVE ADA ATOM AVAX BCH BTC DOGE ETC ETH LINK LTC POL SKY SOL TRX XLM XRP".split()
COIN_MARGINED = "AAVE ATOM AVAX BCH ETC TRX XLM".split()


@pytest.fixture(scope="module")
def crash(market_data: Path) -> RecordedMarket:
    """Ten minutes around the fall of 10 October 2025."""
    return open_market(market_data, FROM_US, TO_US)


def test_FEED_020_ten_minutes_of_the_crash_have_the_counted_rows(crash: RecordedMarket) -> None:
    counts = {source.name: source.tick_count for source in crash.sources}
    assert crash.tick_count == sum(counts.values()) == 12_194
    assert counts["coinbase:AAVE-USD"] == 510
    assert counts["gemini:BTCUSD"] == 147
    assert counts["binance-delivery:AVAXUSD_PERP"] == 563
    assert counts["binance:BTCUSD-coinm-mark-1m"] == 10
    assert counts["binance:SOLUSDT-perp-5m"] == 2
    assert crash.skipped == {}
    assert crash.unlisted == []


def test_FEED_020_coins_instruments_and_operators_are_those_of_the_record(
    crash: RecordedMarket,
) -> None:
    assert [asset.name for asset in crash.assets[1:]] == COINS
    linear = [f"{coin}_USDC-PERPETUAL" for coin in COINS]
    inverse = [f"{coin}-PERPETUAL" for coin in (*COIN_MARGINED, "BTC")]
    assert sorted(each.name for each in crash.instruments) == sorted(linear + inverse)
    operators = {e.operator for e in crash.listings if isinstance(e, SourceListed)}
    assert operators == {"coinbase", "gemini", "binance"}
    quoted = {e.instrument for e in crash.ticks() if isinstance(e, QuoteTick)}
    assert quoted == {f"{coin}-PERPETUAL" for coin in COIN_MARGINED}


def test_FEED_020_every_event_is_sound_and_in_order(crash: RecordedMarket) -> None:
    last_us, numbers = 0, Counter[str]()
    for event in [*crash.listings, *crash.warm_up, *crash.ticks()]:
        check_event(event)
        assert last_us <= event.time_us < TO_US
        assert event.origin_seq > numbers[event.origin]
        last_us, numbers[event.origin] = event.time_us, event.origin_seq
        if isinstance(event, (PriceTick, QuoteTick)):
            assert event.exchange_time_us <= event.time_us
    assert len(crash.warm_up) == len(crash.sources) == 38
    assert crash.first_prices["BTC"] == 114_528.0


def test_FEED_020_the_window_opens_in_under_a_second(market_data: Path) -> None:
    open_market(market_data, FROM_US, TO_US)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        list(open_market(market_data, FROM_US, TO_US).ticks())
        took.append(time.perf_counter() - start)
    assert min(took) < 1.0


def test_FEED_021_the_first_second_of_the_record_has_first_prices(market_data: Path) -> None:
    start_us = FROM_US - 1_500_000_000  # 20:45, where the second bars begin
    market = open_market(market_data / "oct10_2025", start_us, start_us + 60_000_000)
    warm = {e.source for e in market.warm_up if isinstance(e, PriceTick)}
    assert {"coinbase:AAVE-USD", "coinbase:ADA-USD", "gemini:XRPUSD"} <= warm
    assert sorted(market.first_prices) == COINS


@pytest.mark.parametrize(
    ("folder", "from_us", "sources"),
    [
        ("stress_1m", 1_621_425_600_000_000, 5),  # 2021-05-19T12:00Z: BTC, ETH, AAVE, ADA, DOGE
        ("stress_5m", 1_652_227_200_000_000, 2),  # 2022-05-11T00:00Z: BTC, ETH
        ("hourly", 1_583_996_400_000_000, 7),  # 2020-03-12T07:00Z: five coins, two perpetuals
    ],
)
def test_FEED_019_folders_of_bars_open_by_their_names(
    market_data: Path, folder: str, from_us: int, sources: int
) -> None:
    market = open_market(market_data / folder, from_us, from_us + 6 * 3_600_000_000)
    assert len(market.sources) == sources
    assert market.tick_count >= 6 * sources


def test_FEED_019_a_file_of_trades_opens_alone(market_data: Path) -> None:
    path = market_data / "oct10_2025" / "trade_ticks_2110_2130.parquet"
    market = open_market(path, FROM_US + 60_000_000, FROM_US + 120_000_000)
    assert {source.asset for source in market.sources} - {""} == {
        "ATOM",
        "AVAX",
        "BCH",
        "BTC",
        "ETH",
        "SOL",
    }
    assert market.tick_count > 1_000


def test_FEED_035_the_first_recorded_chain_is_carried_whole(
    market_data: Path, crash: RecordedMarket
) -> None:
    chain = load_chain(market_data / "deribit_chains", FROM_US, crash.first_prices)
    assert chain.snapshot == "20251230T173115Z"
    assert (chain.row_count, len(chain.instruments), chain.dropped) == (1_304, 1_304, {})
    assert chain.index_at_snapshot == {"BTC": 88_524.21, "ETH": 2_978.74}
    expiries = {(each.underlying, each.expiry_us) for each in chain.instruments}
    assert len(expiries) == 24
    for update in chain.updates:
        check_event(update)
        assert 0.99 < min(update.forward_ratios) < max(update.forward_ratios) < 1.06
        assert 0.1 < min(update.implied_volatilities) < max(update.implied_volatilities) < 4.0
    # 16 January 2026 08:00, 82,000: 16 days 14 h 28 min 45 s to run, 92.63 % of the index.
    moved = next(each for each in chain.instruments if each.name.startswith("BTC-27OCT25-106087"))
    assert moved.expiry_us - FROM_US == (16 * 86_400 + 14 * 3_600 + 28 * 60 + 45) * 1_000_000
    assert float(moved.strike) / 114_528.0 == pytest.approx(82_000 / 88_524.21, abs=1e-7)
