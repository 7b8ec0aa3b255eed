"""Recorded frames of Deribit, Coinbase and Kraken, where the files are at hand."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from steelyard.feeds.live.client import VenueClient
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Message
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.coinbase import CoinbaseClient
from steelyard.feeds.live.venues.deribit import DeribitClient
from steelyard.feeds.live.venues.kraken import KrakenClient
from tests.feeds.live.venues.dckw_roles import NOW_US, started
from tests.feeds.live.venues.test_dckw_fuzz import endure

Subscribed = list[tuple[str, str]]


def session(folder: Path, name: str) -> list[bytes]:
    """The frames that came in during a recorded session; a last one that was cut is left out."""
    path = folder / "raw_messages" / "cryptofeed" / f"{name}.txt.gz"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    frames = [line.partition(b": ")[2] for line in lines if line[:1].isdigit()]
    return [frame for frame in frames if frame.endswith(b"}")]


def samples(folder: Path, venue: str) -> list[bytes]:
    """Samples of single frames of a venue."""
    path = folder / "raw_messages" / "nautilus_api_samples.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no samples at {path}")
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [
        json.dumps(row["payload"]).encode()
        for row in rows
        if row["venue"] == venue and "/ws_" in row["path"] and "ws_futures" not in row["path"]
    ]


def books_of(messages: list[Message]) -> dict[str, OrderBook]:
    """The books that messages make, none of which may break."""
    books: dict[str, OrderBook] = {}
    for message in messages:
        if isinstance(message, BookSnapshot | BookChange):
            held = books.setdefault(message.market, OrderBook(100_000))
            assert held.apply(message) == "applied"
    return books


def deribit(frames: list[bytes]) -> DeribitClient:
    """A client that is subscribed to every instrument of a recording."""
    names = {
        params["data"]["instrument_name"]
        for params in (json.loads(frame).get("params") for frame in frames)
        if params and isinstance(params.get("data"), dict) and "instrument_name" in params["data"]
    }
    wanted: Subscribed = [
        (name, kind) for name in sorted(names) for kind in ("book", "trades", "quotes")
    ]
    wanted += [(name, "options") for name in sorted(names) if name[-2:] in ("-C", "-P")]
    return started(DeribitClient(), *wanted, ("btc_usd", "options"), ("btc_usd", "reference"))


def read(client: VenueClient, frames: list[bytes]) -> list[Message]:
    """What a client says of frames."""
    return [message for frame in frames for message in client.receive(frame, NOW_US)]


def test_DCKW_060_a_session_of_deribit(market_data: Path) -> None:
    # Recorded on the raw channels, which need an account today; the data are the same.
    frames = [each.replace(b".raw", b".100ms") for each in session(market_data, "DERIBIT.ws.1.0")]
    messages = read(deribit(frames), frames[1:])
    counts = Counter(type(each).__name__ for each in messages)
    assert counts == {"OptionTicker": 89, "Quote": 89, "BookSnapshot": 10, "BookChange": 36}
    assert len(books_of(messages)) == 10
    assert not any(held.is_crossed for held in books_of(messages).values())


def test_DCKW_060_a_session_of_coinbase(market_data: Path) -> None:
    frames = session(market_data, "COINBASE.ws.28.0")
    products = sorted({json.loads(frame).get("product_id", "") for frame in frames} - {""})
    wanted: Subscribed = [(name, kind) for name in products for kind in ("book", "trades")]
    messages = read(started(CoinbaseClient(), *wanted), frames)
    books = books_of(messages)
    assert sorted(books) == products
    assert not any(held.is_crossed for held in books.values())
    changes = sum(json.loads(frame)["type"] == "l2update" for frame in frames)
    assert sum(isinstance(each, BookChange) for each in messages) == changes > 1_000


def test_DCKW_060_samples_of_kraken(market_data: Path) -> None:
    frames = samples(market_data, "kraken")
    client = started(KrakenClient(), *(("BTC/USD", kind) for kind in ("trades", "quotes", "book")))
    seen: Counter[str] = Counter()
    for frame in frames:
        if json.loads(frame).get("channel") in ("book", "ticker", "trade"):
            seen.update(type(each).__name__ for each in client.receive(frame, NOW_US))
    assert seen == {"BookSnapshot": 1, "BookChange": 1, "Quote": 1, "Trade": 2}


@pytest.mark.parametrize(("venue", "seed"), [("deribit", 335), ("coinbase", 336), ("kraken", 337)])
def test_DCKW_060_mutants_of_recorded_frames(market_data: Path, venue: str, seed: int) -> None:
    if venue == "kraken":
        frames = samples(market_data, "kraken")
        wanted: Subscribed = [("BTC/USD", kind) for kind in ("trades", "quotes", "book")]
        outcomes = endure(lambda: started(KrakenClient(), *wanted), frames, 5_000, seed)
    elif venue == "coinbase":
        frames = [each for each in session(market_data, "COINBASE.ws.28.0") if len(each) < 5_000][
            :200
        ]
        products = sorted({json.loads(frame).get("product_id", "") for frame in frames} - {""})
        wanted = [(name, kind) for name in products for kind in ("book", "trades", "quotes")]
        outcomes = endure(lambda: started(CoinbaseClient(), *wanted), frames, 5_000, seed)
    else:
        frames = [
            each.replace(b".raw", b".100ms") for each in session(market_data, "DERIBIT.ws.1.0")
        ]
        frames += samples(market_data, "deribit")
        outcomes = endure(lambda: deribit(frames), frames, 5_000, seed)
    assert sum(outcomes.values()) == 5_000
    assert outcomes["messages"] > 0
