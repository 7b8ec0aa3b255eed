"""Liquidity from recorded books: a published depth file that froze, and two markets that did not."""

from __future__ import annotations

import heapq
import json
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.feeds.live.messages import BookChange, BookSnapshot
from steelyard.feeds.live.order_book import OrderBook
from steelyard.marks.liquidity import (
    LiquidityState,
    MarketReading,
    apply_book,
    impact_prices,
    read_asset,
    read_market,
    unwind_cost,
)
from steelyard.terms import load_method
from steelyard.terms.liquidity_rules import HOUSE_LIQUIDITY
from steelyard.ticks import BookTick

FROZEN_FROM = "2025-10-10 15:30:42"
AFTER = 42
SLOW = msgspec.structs.replace(HOUSE_LIQUIDITY, stale_after_us=120_000_000)
BTC = load_method().underlying_rules("BTC")


def side(rows: dict[int, dict[str, Any]], sign: int) -> tuple[list[float], list[float]]:
    """Return the levels of one side, each at the mean price between two percentages."""
    prices, quantities, depth, notional = [], [], 0.0, 0.0
    for step in range(1, 6):
        row = rows.get(sign * step)
        if row is not None and row["depth"] - depth > 1e-9:
            prices.append((row["notional"] - notional) / (row["depth"] - depth))
            quantities.append(row["depth"] - depth)
            depth, notional = row["depth"], row["notional"]
    return prices, quantities


@pytest.fixture(scope="module")
def depth_rows(market_data: Path) -> list[tuple[str, bool, MarketReading, MarketReading]]:
    """Return (time, said to be stale, reading, reading of the same book moved apart) of each row."""
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = market_data / "oct10_2025"
    marks = parquet.read_table(folder / "binance_coinm_BTCUSD_PERP_mark_1m.parquet").to_pylist()
    index = [(round(each["ts"].timestamp() * 1e6) + 60_000_000, each["close"]) for each in marks]
    by_time: dict[Any, dict[int, dict[str, Any]]] = {}
    file = folder / "binance_BTCUSDT_book_depth_pct_30s.parquet"
    for row in parquet.read_table(file).to_pylist():
        by_time.setdefault(row["ts"], {})[row["percentage"]] = row
    readings, at = [], 0
    whole, apart = LiquidityState(), LiquidityState()
    for number, (ts, rows) in enumerate(by_time.items(), 1):
        now_us = round(ts.timestamp() * 1e6)
        while at + 1 < len(index) and index[at + 1][0] <= now_us:
            at += 1
        (bids, of_bid), (asks, of_ask) = side(rows, -1), side(rows, 1)
        tick = BookTick(
            now_us, "file", number, "binance", "BTC", "", bids, of_bid, asks, of_ask, now_us
        )
        apply_book(whole, tick, index[at][1], SLOW)
        # The same bids under asks that are far away: what is frozen must show without being crossed.
        tick = msgspec.structs.replace(tick, ask_prices=[price * 1.06 for price in asks])
        apply_book(apart, tick, index[at][1], SLOW)
        is_stale = any(row["bid_side_stale"] for row in rows.values())
        readings.append((
            f"{ts:%Y-%m-%d %H:%M:%S}", is_stale,
            *(read_market(each, "BTC", "binance", now_us, SLOW) for each in (whole, apart)),
        ))  # fmt: skip
    return readings


def test_LIQU_040_frozen_depth_file_is_refused_from_its_first_bad_row_and_not_before(
    depth_rows: list[tuple[str, bool, MarketReading, MarketReading]],
) -> None:
    assert len(depth_rows) == 2_879
    refused = [time for time, _, reading, _ in depth_rows if reading.reliability == 0.0]
    stale = [time for time, is_stale, _, _ in depth_rows if is_stale]
    assert set(stale) <= set(refused)
    assert (len(stale), refused[0]) == (969, FROZEN_FROM)
    # What looks sound within a minute of a bad row is not believed either.
    after = [time for time in refused if time not in set(stale)]
    assert len(after) == AFTER
    trusted = [r.reliability for time, _, r, _ in depth_rows if time not in set(refused)]
    assert min(trusted) > 0.9
    faults = Counter(fault for _, _, reading, _ in depth_rows for fault in reading.faults)
    assert faults["crossed"] == 969
    assert faults["off_index"] > 300


def test_LIQU_040_its_frozen_level_is_found_by_its_age_too(
    depth_rows: list[tuple[str, bool, MarketReading, MarketReading]],
) -> None:
    frozen = [
        (number, time) for number, (time, _, _, reading) in enumerate(depth_rows)
        if "frozen_best" in reading.faults
    ]  # fmt: skip
    first = next(n for n, (time, _, _, _) in enumerate(depth_rows) if time == FROZEN_FROM)
    assert all("crossed" not in reading.faults for _, _, _, reading in depth_rows[:first])
    assert all(depth_rows[number][1] for number, _ in frozen)
    assert (frozen[0][0] - first, len(frozen)) == (9, 874)


def binance_lines(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield (receive time µs, file, frame) of a recorded feed."""
    with lzma.open(path, "rt") as lines:
        for line in lines:
            received, payload = line.split(" ", 1)
            frame = json.loads(payload)
            yield int(received) // 1_000, path.name, frame.get("data", frame)


def message(frame: dict[str, Any]) -> BookSnapshot | BookChange | None:
    """Return what a frame says of the book."""

    def levels(rows: list[list[str]]) -> list[tuple[float, float]]:
        return [(float(price), float(quantity)) for price, quantity in rows]

    if "lastUpdateId" in frame:
        bids, asks = levels(frame["bids"]), levels(frame["asks"])
        return BookSnapshot("X", bids, asks, 0, frame["lastUpdateId"])
    if frame.get("e") != "depthUpdate":
        return None
    return BookChange(
        "X", levels(frame["b"]), levels(frame["a"]), 0, frame["U"], frame["u"], frame.get("pu", -1)
    )


def test_LIQU_041_living_books_are_believed_and_deep(market_data: Path) -> None:
    paths = [
        market_data / "raw_messages" / f"binance_{name}_btcusdt_20240808.txt.xz"
        for name in ("usdm", "spot")
    ]
    if not all(path.is_file() for path in paths):
        pytest.skip("no recorded feeds of 8 August 2024")
    state, seen, costs = LiquidityState(), 0, []
    books = {path.name: OrderBook() for path in paths}
    streams = [binance_lines(path) for path in paths]
    for now_us, name, frame in heapq.merge(*streams, key=lambda each: each[0]):
        said = message(frame)
        if said is None:
            continue
        books[name].apply(said)
        spot = books[paths[1].name]
        if not (books[name].is_intact and spot.is_intact):
            continue
        index = 0.5 * (spot.best_bid + spot.best_ask)
        own = "" if books[name] is spot else "BTC-PERPETUAL"
        columns = books[name].columns(50)
        seen += 1
        tick = BookTick(now_us, name, seen, name, "BTC", own, *columns, now_us)
        assert apply_book(state, tick, index, HOUSE_LIQUIDITY)
        if seen % 20:
            continue
        reading = read_market(state, "BTC", name, now_us, HOUSE_LIQUIDITY)
        assert (reading.faults, reading.reliability > 0.99) == ((), True)
        assert abs(reading.order_flow_share) <= 1.0
        if own:
            answer = unwind_cost(
                state, "BTC", 250_000.0, True, now_us, HOUSE_LIQUIDITY, BTC, index_price=index
            )
            assert (answer.books, answer.model) == ("own_books", "linear")
            costs.append(answer.cost_ppm)
            impact = impact_prices(state, "BTC", name, 25_000.0, now_us, HOUSE_LIQUIDITY)
            assert 0.999 < impact.bid / reading.mid <= 1.0 <= impact.ask / reading.mid < 1.001
    whole = read_asset(state, "BTC", now_us, HOUSE_LIQUIDITY)
    assert (whole.books_reliable, whole.source) == (2, "own_books")
    assert seen == 9_995
    assert 0.5 < sorted(costs)[len(costs) // 2] < 20.0
