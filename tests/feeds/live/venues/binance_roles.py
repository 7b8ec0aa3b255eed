"""Binance for tests: clients that are set up, frames as the venue sends them, a venue that keeps a book."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import Message
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.binance import (
    BinanceCoinmClient,
    BinanceSpotClient,
    BinanceUsdmClient,
)
from steelyard.feeds.live.venues.binance_client import BinanceClient

NOW_US = 1_726_000_000_000_000
NOW_MS = NOW_US // 1000

SYMBOLS: dict[type[BinanceClient], str] = {
    BinanceSpotClient: "BTCUSDT",
    BinanceUsdmClient: "BTCUSDT",
    BinanceCoinmClient: "BTCUSD_PERP",
}
CLIENTS = list(SYMBOLS)


def ready(client: BinanceClient, *subscriptions: Subscription) -> BinanceClient:
    """Return the client after it has said what to send."""
    client.address(subscriptions)
    client.opening(subscriptions)
    return client


def reader(kind: type[BinanceClient], *channels: Any) -> BinanceClient:
    """Return a client of a market that reads these channels of its bitcoin market."""
    return ready(kind(), *(Subscription(SYMBOLS[kind], each) for each in channels))


def frame(stream: str, **data: object) -> bytes:
    """Return the frame of a combined stream."""
    return msgspec.json.encode({"stream": stream, "data": data})


def aggregate_trade(symbol: str, **changed: object) -> bytes:
    """Return a frame of a trade; `changed` replaces or adds fields."""
    data = {"e": "aggTrade", "E": NOW_MS + 4, "s": symbol, "a": 26129, "p": "64000.50"}
    data |= {"q": "0.250", "f": 100, "l": 105, "T": NOW_MS, "m": True}
    return frame(f"{symbol.lower()}@aggTrade", **(data | changed))


def book_ticker(symbol: str, **changed: object) -> bytes:
    """Return a frame of the best bid and ask."""
    data = {"u": 400900217, "s": symbol, "b": "64000.0", "B": "3.5", "a": "64000.1", "A": "2"}
    return frame(f"{symbol.lower()}@bookTicker", **(data | changed))


def mark_price(symbol: str, **changed: object) -> bytes:
    """Return a frame of mark and index price."""
    data = {"e": "markPriceUpdate", "E": NOW_MS, "s": symbol, "p": "64010.25", "i": "64005.5"}
    data |= {"P": "64000.0", "r": "-0.00038167", "T": NOW_MS + 3_600_000}
    return frame(f"{symbol.lower()}@markPrice@1s", **(data | changed))


def depth(
    symbol: str,
    first: int,
    last: int,
    previous: int | None = None,
    bids: Any = (),
    asks: Any = (),
    time_ms: int = NOW_MS,
) -> bytes:
    """Return a frame of changed levels; `previous` makes it one of the futures markets."""
    data: dict[str, object] = {"e": "depthUpdate", "E": time_ms + (previous is not None)}
    data |= {"s": symbol, "U": first, "u": last, "b": bids, "a": asks}
    if previous is not None:
        data |= {"T": time_ms, "pu": previous}
    return frame(f"{symbol.lower()}@depth@100ms", **data)


def snapshot(last: int, bids: Any = (), asks: Any = (), time_ms: int = 0) -> bytes:
    """Return the answer to a request for the book."""
    answer: dict[str, object] = {"lastUpdateId": last, "bids": bids, "asks": asks}
    return msgspec.json.encode(answer | ({"E": time_ms, "T": time_ms} if time_ms else {}))


def listing(*streams: str) -> bytes:
    """Return the answer to LIST_SUBSCRIPTIONS."""
    return msgspec.json.encode({"result": streams, "id": 1})


class Venue:
    """A venue that keeps one book and numbers its changes by the spot or by the futures rule.

    truth: by number, the book as (bids, asks) at that number.
    """

    def __init__(self, symbol: str, seed: int, *, is_futures: bool) -> None:
        self.symbol = symbol
        self.is_futures = is_futures
        self.random = random.Random(seed)
        self.sequence = 1_000
        self.bids: dict[int, int] = {100 - step: 1 + step for step in range(6)}
        self.asks: dict[int, int] = {101 + step: 1 + step for step in range(6)}
        self.truth: dict[int, tuple[dict[float, float], dict[float, float]]] = {}
        self._note()

    def change(self) -> bytes:
        """Change a few levels and return the frame that says so."""
        choose = self.random
        changed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        hole = choose.choice((0, 0, 3, 40)) if self.is_futures else 0
        previous, first = self.sequence, self.sequence + 1 + hole
        self.sequence = first - 1
        for _ in range(choose.randint(1, 5)):
            self.sequence += 1
            side = choose.randrange(2)
            book = (self.bids, self.asks)[side]
            price = 100 - choose.randrange(6) if side == 0 else 101 + choose.randrange(6)
            quantity = choose.choice((0, 0, 1, 2, 3, 50))
            changed[side][price] = quantity
            if quantity:
                book[price] = quantity
            else:
                book.pop(price, None)
            self._note()
        levels = [[[str(p), str(q)] for p, q in side.items()] for side in changed]
        return depth(
            self.symbol, first, self.sequence, previous if self.is_futures else None, *levels
        )

    def snapshot(self) -> bytes:
        """Return the whole book as it is now."""
        bids = [[str(p), str(self.bids[p])] for p in sorted(self.bids, reverse=True)]
        asks = [[str(p), str(self.asks[p])] for p in sorted(self.asks)]
        return snapshot(self.sequence, bids, asks)

    def _note(self) -> None:
        self.truth[self.sequence] = (
            {float(p): float(q) for p, q in self.bids.items()},
            {float(p): float(q) for p, q in self.asks.items()},
        )


def levels_of(book: OrderBook) -> tuple[dict[float, float], dict[float, float]]:
    """Return all levels of a book."""
    bids, asks = book.top(book.levels_max)
    return dict(bids), dict(asks)


def kinds(messages: list[Message]) -> list[str]:
    """Return the names of messages, of a Status its kind."""
    return [getattr(each, "kind", type(each).__name__) for each in messages]
