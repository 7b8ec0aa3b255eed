"""Windows of recorded markets: order, time of knowing, warm-up, counts, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from steelyard.feeds import RecordedMarket, open_market
from steelyard.quantities import InputError
from steelyard.ticks import (
    AssetListed,
    Event,
    InstrumentsListed,
    PriceTick,
    QuoteTick,
    SourceListed,
    check_event,
)
from tests.feeds.roles import EXAMPLE, MINUTE_US, START_US, write_minutes, write_seconds

SECOND_US = 1_000_000


@pytest.fixture
def example() -> RecordedMarket:
    """The market of tests/feeds/example_market in its one minute."""
    return open_market(EXAMPLE, START_US, START_US + MINUTE_US)


@pytest.fixture
def october(tmp_path: Path) -> Path:
    """A small 10 October: three markets of AAVE, one of them coin-margined, one bar very late."""
    write_seconds(
        tmp_path / "oct10_2025",
        [
            (-3, "coinbase", "AAVE-USD", "AAVE", 250.0, 40),
            (-2, "gemini", "AAVEUSD", "AAVE", 252.0, 100),
            (-4, "gemini", "AAVEUSD", "AAVE", 249.0, 2_500),
            (0, "coinbase", "AAVE-USD", "AAVE", 251.0, 40),
            (0, "gemini", "AAVEUSD", "AAVE", 250.5, 40),
            (1, "coinbase", "AAVE-USD", "AAVE", 200.0, 30_000),
            (2, "coinbase", "AAVE-USD", "AAVE", 248.0, 40),
            (2, "binance-delivery", "AAVEUSD_PERP", "AAVE", 120.0, 5),
        ],
    )
    return tmp_path


def refusal(folder: Path, from_us: int = START_US, to_us: int = START_US + MINUTE_US) -> InputError:
    with pytest.raises(InputError) as caught:
        open_market(folder, from_us, to_us)
    return caught.value


def every_event(market: RecordedMarket) -> list[Event]:
    return [*market.listings, *market.warm_up, *market.ticks()]


def test_FEED_001_listings_then_warm_up_then_ticks_by_known_time(example: RecordedMarket) -> None:
    kinds = [type(event) for event in example.listings]
    assert kinds == [AssetListed] * 3 + [SourceListed] * 3 + [InstrumentsListed]
    ticks = list(example.ticks())
    assert [event.time_us for event in ticks] == sorted(event.time_us for event in ticks)
    assert len(ticks) == example.tick_count == 6
    for event in every_event(example):
        check_event(event)
    assert {event.time_us for event in example.listings + example.warm_up} == {START_US}


def test_FEED_002_a_bar_is_known_at_its_end_plus_its_delay(october: Path) -> None:
    market = open_market(october, START_US, START_US + MINUTE_US)
    late = next(e for e in market.ticks() if isinstance(e, PriceTick) and e.price == 200.0)
    assert late.exchange_time_us == START_US + 2 * SECOND_US
    assert late.time_us == START_US + 32 * SECOND_US
    source = next(s for s in market.sources if s.name == "coinbase:AAVE-USD")
    assert (source.tick_count, source.late) == (3, 1)


def test_FEED_002_a_named_bar_file_has_the_stated_delay(tmp_path: Path) -> None:
    path = write_minutes(tmp_path / "acme_spot_BTCUSDT_1m.parquet", [100.0, 101.0, 102.0])
    market = open_market(path, START_US, START_US + 3 * MINUTE_US)
    first = next(iter(market.ticks()))
    assert isinstance(first, PriceTick)
    assert (first.price, first.exchange_time_us) == (100.0, START_US + MINUTE_US)
    assert first.time_us == START_US + MINUTE_US + 1_000_000
    assert market.sources[0].note == "prices in USDT, taken as USD"


def test_FEED_003_the_window_holds_its_start_and_not_its_end(october: Path) -> None:
    known = START_US + SECOND_US + 40_000
    inside = open_market(october, known, known + 1)
    assert {event.time_us for event in inside.ticks()} == {known}
    assert all(e.exchange_time_us < START_US for e in inside.warm_up if isinstance(e, PriceTick))
    with pytest.raises(InputError, match="FEED-E04"):
        open_market(october, known + 1, known + 2)


def test_FEED_004_rows_of_one_instant_are_ordered_by_stream_name(october: Path) -> None:
    ticks = list(open_market(october, START_US, START_US + 2 * SECOND_US).ticks())
    assert [event.origin for event in ticks] == [
        "recorded:coinbase:AAVE-USD",
        "recorded:gemini:AAVEUSD",
    ]
    assert ticks[0].time_us == ticks[1].time_us


def test_FEED_005_numbers_rise_per_origin_and_a_second_walk_is_equal(
    example: RecordedMarket,
) -> None:
    last: dict[str, int] = {}
    for event in every_event(example):
        assert event.origin_seq > last.get(event.origin, 0)
        last[event.origin] = event.origin_seq
    assert list(example.ticks()) == list(example.ticks())
    assert last["recorded:alpha:BTC-USD"] == 3


def test_FEED_006_the_row_with_the_latest_exchange_time_warms_up(october: Path) -> None:
    # Gemini's older bar came after the newer one; the newer one is what is known.
    market = open_market(october, START_US, START_US + MINUTE_US)
    warm = {event.source: event for event in market.warm_up if isinstance(event, PriceTick)}
    assert warm["gemini:AAVEUSD"].price == 252.0
    assert warm["gemini:AAVEUSD"].exchange_time_us == START_US - SECOND_US
    assert warm["gemini:AAVEUSD"].time_us == START_US
    assert [event.origin for event in market.warm_up] == [
        "recorded:coinbase:AAVE-USD",
        "recorded:gemini:AAVEUSD",
    ]


def test_FEED_006_warm_up_looks_back_thirty_minutes(tmp_path: Path) -> None:
    path = write_minutes(tmp_path / "acme_spot_BTCUSDT_1m.parquet", [100.0])
    late = write_minutes(
        tmp_path / "acme_spot_ETHUSDT_1m.parquet", [5.0], start_us=START_US + 31 * MINUTE_US
    )
    end = START_US + MINUTE_US
    assert late.exists()
    for age_us, found in ((30 * MINUTE_US, 1), (30 * MINUTE_US + 1, 0)):
        market = open_market(path.parent, end + age_us, end + 40 * MINUTE_US)
        assert len(market.warm_up) == found
        assert market.unlisted == ([] if found else ["BTC"])


def test_FEED_006_hourly_bars_warm_up_as_long_as_they_are_fresh(tmp_path: Path) -> None:
    hour_us = 60 * MINUTE_US
    path = write_minutes(tmp_path / "acme_spot_BTCUSDT_1h.parquet", [100.0, 101.0], step_us=hour_us)
    market = open_market(path, START_US + hour_us + 50 * MINUTE_US, START_US + 3 * hour_us)
    assert [event.price for event in market.warm_up if isinstance(event, PriceTick)] == [100.0]


def test_FEED_007_the_first_price_is_the_median_of_the_warm_up(example: RecordedMarket) -> None:
    assert example.first_prices == {"BTC": (90_000.0 + 90_004.0) / 2, "ETH": 3_000.0}


def test_FEED_007_without_warm_up_the_first_price_of_the_window_counts(tmp_path: Path) -> None:
    path = write_minutes(tmp_path / "acme_spot_BTCUSDT_1m.parquet", [100.0, 250.0])
    market = open_market(path, START_US, START_US + 3 * MINUTE_US)
    assert market.warm_up == []
    assert market.first_prices == {"BTC": 100.0}


def test_FEED_008_coin_margined_trades_are_quotes_of_an_instrument(october: Path) -> None:
    market = open_market(october, START_US, START_US + MINUTE_US)
    quotes = [event for event in market.ticks() if isinstance(event, QuoteTick)]
    assert [(q.instrument, q.bid, q.ask) for q in quotes] == [("AAVE-PERPETUAL", 120.0, 120.0)]
    sources = {event.source for event in market.listings if isinstance(event, SourceListed)}
    assert sources == {"coinbase:AAVE-USD", "gemini:AAVEUSD"}
    assert [each.name for each in market.instruments] == ["AAVE-PERPETUAL", "AAVE_USDC-PERPETUAL"]


def test_FEED_008_a_coin_margined_mark_is_a_source_and_lists_its_perpetual(october: Path) -> None:
    folder = october / "oct10_2025"
    write_seconds(folder, [(0, "gemini", "BTCUSD", "BTC", 100_000.0, 10)])
    write_minutes(
        folder / "binance_coinm_BTCUSD_PERP_mark_1m.parquet",
        [100_100.0],
        start_us=START_US - MINUTE_US,
    )
    (october / "stress_5m").mkdir()
    write_minutes(
        october / "stress_5m" / "binance_spot_BTCUSDT_5m.parquet",
        [99_900.0],
        start_us=START_US - 5 * MINUTE_US,
        step_us=5 * MINUTE_US,
    )
    # A coin that the trades do not have gets no sources from the bars beside them.
    write_minutes(
        october / "stress_5m" / "binance_spot_XRPUSDT_5m.parquet",
        [2.0],
        start_us=START_US - 5 * MINUTE_US,
        step_us=5 * MINUTE_US,
    )
    for root in (october, folder):
        market = open_market(root, START_US, START_US + MINUTE_US)
        listed = {e.source: e for e in market.listings if isinstance(e, SourceListed)}
        assert {
            name: (e.operator, e.weight, e.stale_after_us // SECOND_US)
            for name, e in listed.items()
        } == {
            "gemini:BTCUSD": ("gemini", 3, 60),
            "binance:BTCUSD-coinm-mark-1m": ("binance", 2, 150),
            "binance:BTCUSDT-spot-5m": ("binance", 1, 660),
        }
        assert [each.name for each in market.instruments] == ["BTC-PERPETUAL", "BTC_USDC-PERPETUAL"]
        assert market.tick_count == 3


def test_FEED_013_rows_that_cannot_be_events_are_counted_by_reason(example: RecordedMarket) -> None:
    assert example.skipped == {
        "bid is above the ask": 1,
        "price is not a number": 1,
        "price is not above zero": 1,
        "repeated row": 1,
    }


def test_FEED_013_bad_prices_become_events_on_request(tmp_path: Path) -> None:
    path = write_minutes(
        tmp_path / "acme_spot_BTCUSDT_1m.parquet", [100.0, float("nan"), 0.0, -5.0, 101.0]
    )
    window = START_US, START_US + 6 * MINUTE_US
    strict, open_ended = open_market(path, *window), open_market(path, *window, keep_bad=True)
    assert strict.tick_count == 2
    assert strict.skipped == {"price is not a number": 1, "price is not above zero": 2}
    assert (open_ended.tick_count, open_ended.skipped) == (5, {})
    bad = [
        event
        for event in open_ended.ticks()
        if isinstance(event, PriceTick) and not event.price > 0
    ]
    assert len(bad) == 3
    for event in bad:
        check_event(event)  # it is the market state that judges a price, on record


def test_FEED_013_impossible_times_and_delays_are_counted(october: Path) -> None:
    write_seconds(
        october / "oct10_2025",
        [
            (0, "coinbase", "AAVE-USD", "AAVE", 250.0, 40),
            (1, "coinbase", "AAVE-USD", "AAVE", 250.0, None),
            (2, "coinbase", "AAVE-USD", "AAVE", 250.0, -1),
            (3, "coinbase", "AAVE-USD", "AAVE", 250.0, 1_800_001),
        ],
    )
    market = open_market(october, START_US, START_US + MINUTE_US)
    assert market.skipped == {"known over 30 minutes late": 1, "no time": 2}


def test_FEED_014_unsorted_rows_are_sorted_and_counted_and_repeats_pass_once(october: Path) -> None:
    row = (5, "coinbase", "AAVE-USD", "AAVE", 250.0, 40)
    write_seconds(october / "oct10_2025", [row, (3, *row[1:]), (4, *row[1:]), row])
    market = open_market(october, START_US, START_US + MINUTE_US)
    assert [e.time_us for e in market.ticks()] == [
        START_US + s * SECOND_US + 40_000 for s in (4, 5, 6)
    ]
    assert market.sources[0].reordered == 2
    assert market.skipped == {"repeated row": 1}


def test_FEED_015_a_window_outside_the_recording_says_what_it_covers(october: Path) -> None:
    error = refusal(october, START_US + 10 * MINUTE_US, START_US + 20 * MINUTE_US)
    assert error.code == "FEED-E04"
    assert "2026-01-04T23:59:56Z to 2026-01-05T00:00:02Z" in error.cure


@pytest.mark.parametrize(("from_us", "to_us"), [(5, 5), (6, 5), (-1, 5), (0, 2**62)])
def test_FEED_015_a_window_that_is_none_is_refused(from_us: int, to_us: int) -> None:
    assert refusal(EXAMPLE, from_us, to_us).code == "FEED-E04"


def test_FEED_016_a_truncated_parquet_file_is_named(october: Path) -> None:
    path = next((october / "oct10_2025").glob("*.parquet"))
    whole = path.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        error = refusal(october)
        assert error.code == "FEED-E01"
        assert error.where["file"] == str(path)


def test_FEED_016_a_missing_column_and_a_wrong_type_are_named(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "m")
    bars = tmp_path / "m" / "beta_minutes.csv"
    text = bars.read_text()
    bars.write_text(text.replace("close", "last"))
    error = refusal(tmp_path / "m")
    assert (error.code, error.where["field"]) == ("FEED-E02", "close")
    bars.write_text(text.replace("90020,11", "dear,11"))
    error = refusal(tmp_path / "m")
    assert (error.code, error.where) == (
        "FEED-E03",
        {"file": "beta_minutes.csv", "row": 2, "field": "close"},
    )


def test_FEED_016_no_folder_and_no_known_file_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").code == "FEED-E01"
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    assert refusal(tmp_path).code == "FEED-E05"


def test_FEED_016_a_symbol_not_priced_in_dollars_is_refused(october: Path) -> None:
    write_seconds(october / "oct10_2025", [(0, "coinbase", "ETH-BTC", "ETH", 0.03, 40)])
    error = refusal(october)
    assert (error.code, error.where["field"]) == ("FEED-E07", "symbol")


def test_FEED_021_minute_bars_warm_up_before_the_first_second(october: Path) -> None:
    folder = october / "oct10_2025"
    seconds = write_seconds(folder, [(0, "coinbase", "AAVE-USD", "AAVE", 251.0, 40)])
    held = seconds.read_bytes()
    write_seconds(folder, [(-120, "coinbase", "AAVE-USD", "AAVE", 240.0, 40)])
    seconds.rename(folder / "trades_1m_full_day.parquet")
    seconds.write_bytes(held)
    market = open_market(october, START_US, START_US + MINUTE_US)
    (warm,) = market.warm_up
    assert isinstance(warm, PriceTick)
    assert (warm.price, warm.exchange_time_us) == (240.0, START_US - MINUTE_US)
    assert warm.origin == "recorded:coinbase:AAVE-USD"
    assert [event.origin_seq for event in market.ticks()] == [2]


def test_FEED_022_two_files_of_one_market_are_refused(tmp_path: Path) -> None:
    rows = [(0, "coinbase", "AAVE-USD", "AAVE", 251.0, 40)]
    held = write_seconds(tmp_path, rows)
    shutil.copy(held, tmp_path / "more_1s.parquet")
    held.rename(tmp_path / "bars_1s.parquet")
    error = refusal(tmp_path)
    assert (error.code, error.where["source"]) == ("FEED-E05", "coinbase:AAVE-USD")
