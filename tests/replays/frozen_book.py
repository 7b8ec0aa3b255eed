"""The published depth file of 10 October 2025 as books in an engine: how the mark and the costs take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from steelyard.engine.engine import Engine
from steelyard.marks.liquidity import read_market, unwind_cost
from steelyard.terms.listing import asset_for, linear_perpetual
from steelyard.ticks import (
    AssetListed,
    BookTick,
    Event,
    InstrumentsListed,
    PriceTick,
    SourceListed,
    TimeTick,
)
from tests.marks.test_liquidity_recorded import side
from tests.replays.speakers import SECOND_US, clock
from tests.replays.stage import house, one_of_one

FOLDER = "oct10_2025"
FROM_US, TO_US = clock(14, 0), clock(17, 0)
MINUTE_US = 60 * SECOND_US
NOTIONAL_USD = 250_000.0


class Seen(NamedTuple):
    """After one book: its time, whether the file calls it stale, how the basis moved with it, and what is said of it."""

    time_us: int
    is_stale: bool
    basis_before_ppb: int
    basis_ppb: int
    reliability: float
    faults: tuple[str, ...]
    books: str
    model: str
    book_weight: float


def drive(folder: Path, *, has_clock: bool) -> list[Seen]:
    """Return what an engine made of every book from 14:00 to 17:00; the index is the venue's mark price."""
    engine = Engine(one_of_one(house()))
    method = engine.method
    rules, terms = method.liquidity_rules("BTC"), method.underlying_rules("BTC")
    events = _events(folder, has_clock)
    engine.submit(AssetListed(FROM_US, "replay", 1, asset_for("BTC", 120_000.0)))
    engine.submit(SourceListed(FROM_US, "replay", 2, "mark", "BTC", "binance", 1, 150 * SECOND_US))
    perpetual = linear_perpetual("BTC", 120_000.0)
    engine.submit(InstrumentsListed(FROM_US, "replay", 3, [perpetual]))
    market = engine.market
    seen = []
    for event, is_stale in events:
        before = int(market.basis_ppb[0])
        engine.submit(event)
        if isinstance(event, BookTick):
            at_us = event.time_us
            reading = read_market(market.liquidity, "BTC", event.source, at_us, rules)
            index = market.index_price(1)
            cost = unwind_cost(
                market.liquidity, "BTC", NOTIONAL_USD, True, at_us, rules, terms, index_price=index
            )
            seen.append(
                Seen(
                    at_us, is_stale, before, int(market.basis_ppb[0]), reading.reliability,
                    reading.faults, cost.books, cost.model, cost.book_weight,
                )
            )  # fmt: skip
    return seen


def _events(folder: Path, has_clock: bool) -> list[tuple[Event, bool]]:
    """Return marks, books and a clock in order, with whether the file calls a book stale."""
    events: list[tuple[Event, bool]] = []
    path = folder / FOLDER / "binance_coinm_BTCUSD_PERP_mark_1m.parquet"
    for number, bar in enumerate(pq.read_table(path).to_pylist(), 1):
        at = round(bar["ts"].timestamp()) * SECOND_US + MINUTE_US
        events.append((PriceTick(at, "mark", number, "mark", "BTC", bar["close"], at), False))
    books: dict[Any, dict[int, dict[str, Any]]] = {}
    path = folder / FOLDER / "binance_BTCUSDT_book_depth_pct_30s.parquet"
    for row in pq.read_table(path).to_pylist():
        books.setdefault(row["ts"], {})[row["percentage"]] = row
    for number, (ts, rows) in enumerate(books.items(), 1):
        at = round(ts.timestamp()) * SECOND_US
        columns = *side(rows, -1), *side(rows, 1)
        tick = BookTick(at, "depth", number, "binance", "BTC", "BTC_USDC-PERPETUAL", *columns, at)
        events.append((tick, any(row["bid_side_stale"] for row in rows.values())))
    if has_clock:
        for number, at in enumerate(range(FROM_US, TO_US, SECOND_US), 1):
            events.append((TimeTick(at, "clock", number), False))
    events = [each for each in events if FROM_US <= each[0].time_us < TO_US]
    return sorted(events, key=lambda each: each[0].time_us)
