"""Frames of eight markets for `bench.feed_decode`: what each venue sends, and what people write to read it.

Prices move in tenths around 64,000 and every frame differs, so that nothing is remembered. Numbers rise
as a book needs them to. Each reading is plain `json.loads` and member access, and returns what the
client's message holds of the frame, in tuples.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from steelyard.feeds.live.client import Subscription, VenueClient

MS = 1_780_000_000_123
TIME = "2026-05-28T20:26:40.123456Z"
LEVELS = 5
VENUES = "steelyard.feeds.live.venues."

Reading = Callable[[bytes], Any]


@dataclass(frozen=True)
class Case:
    """Frames of one kind of one market.

    start: what a client takes before. decode: bare decoding into the types that the client reads. read:
    json.loads and member access.
    """

    venue: str
    kind: str
    make_client: Callable[[], VenueClient]
    subscription: Subscription
    start: Callable[[VenueClient], object]
    frame: Callable[[int], dict[str, Any]]
    decode: Reading
    read: Reading

    def frames(self, count: int) -> list[bytes]:
        """Return so many frames."""
        return [
            json.dumps(self.frame(number), separators=(",", ":")).encode()
            for number in range(1, count + 1)
        ]


def price(number: int) -> str:
    return f"{64_000 + number % 97 / 10:.1f}"


def quantity(number: int) -> str:
    return f"{(1 + number * 7 % 5_000) / 1_000:.3f}"


def side(number: int, step: int) -> list[list[str]]:
    return [[price(number + step * level), quantity(number + level)] for level in range(LEVELS)]


def nothing(client: VenueClient) -> None:
    """Start from the beginning."""


def decoder(shape: Any, *, is_strict: bool = False) -> Reading:
    return msgspec.json.Decoder(shape, strict=is_strict).decode


def pairs(levels: list[list[str]]) -> list[tuple[float, float]]:
    return [(float(level[0]), float(level[1])) for level in levels]


# ---- Binance


def binance_frame(stream: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"stream": stream, "data": data}


def binance_trade(symbol: str, n: int) -> dict[str, Any]:
    data = {"e": "aggTrade", "E": MS + n, "s": symbol, "a": n, "p": price(n), "q": quantity(n)}
    data |= {"f": n, "l": n, "T": MS + n, "m": n % 2 == 0, "M": True}
    return binance_frame(f"{symbol.lower()}@aggTrade", data)


def binance_quote(symbol: str, n: int) -> dict[str, Any]:
    data = {"e": "bookTicker", "u": n, "s": symbol, "b": price(n), "B": quantity(n)}
    data |= {"a": price(n + 1), "A": quantity(n + 3), "T": MS + n, "E": MS + n}
    return binance_frame(f"{symbol.lower()}@bookTicker", data)


def binance_change(symbol: str, n: int) -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": MS + n, "T": MS + n, "s": symbol, "U": n, "u": n, "pu": n - 1}
    return binance_frame(
        f"{symbol.lower()}@depth@100ms", data | {"b": side(n, -1), "a": side(n, 1)}
    )


def binance_start(path: str, client: VenueClient) -> None:
    client.fetched(path, b'{"lastUpdateId":0,"bids":[],"asks":[]}', 0)


def binance_read_trade(size: float, frame: bytes) -> Any:
    d = json.loads(frame)["data"]
    at, amount = float(d["p"]), float(d["q"])
    amount = amount * size / at if size else amount
    return at, amount, not d["m"], d["T"] * 1000, str(d["a"])


def binance_read_quote(size: float, frame: bytes) -> Any:
    d = json.loads(frame)["data"]
    bid, ask, bid_amount, ask_amount = float(d["b"]), float(d["a"]), float(d["B"]), float(d["A"])
    if size:
        bid_amount, ask_amount = bid_amount * size / bid, ask_amount * size / ask
    return bid, bid_amount, ask, ask_amount, d["T"] * 1000


def binance_read_change(size: float, frame: bytes) -> Any:
    d = json.loads(frame)["data"]
    bids, asks = pairs(d["b"]), pairs(d["a"])
    if size:
        bids = [(p, q * size / p) for p, q in bids]
        asks = [(p, q * size / p) for p, q in asks]
    return bids, asks, d.get("T", d["E"]) * 1000, d["u"]


def binance() -> list[Case]:
    module = importlib.import_module(VENUES + "binance")
    frames = importlib.import_module(VENUES + "binance_frames")
    cases = []
    for name, kind, symbol, size in (
        ("binance-spot", module.BinanceSpotClient, "BTCUSDT", 0.0),
        ("binance-usdm", module.BinanceUsdmClient, "BTCUSDT", 0.0),
        ("binance-coinm", module.BinanceCoinmClient, "BTCUSD_PERP", 100.0),
    ):
        path = f"{kind.api}/depth?symbol={symbol}&limit={kind.snapshot_levels}"
        rows = (
            ("trades", nothing, binance_trade, frames.AggregateTradeFrame, binance_read_trade),
            ("quotes", nothing, binance_quote, frames.BookTickerFrame, binance_read_quote),
            ("book", partial(binance_start, path), binance_change, kind.depth_frame, binance_read_change),
        )  # fmt: skip
        for channel, start, frame, shape, read in rows:
            cases.append(
                Case(
                    name,
                    channel,
                    kind,
                    Subscription(symbol, channel),  # type: ignore[arg-type]
                    start,
                    partial(frame, symbol),
                    decoder(shape),
                    partial(read, size),
                )
            )
    return cases


# ---- OKX and Bybit: an envelope around rows


def okx_frame(channel: str, row: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"arg": {"channel": channel, "instId": "BTC-USDT"}, **more, "data": [row]}


def okx_trade(n: int) -> dict[str, Any]:
    row = {"instId": "BTC-USDT", "tradeId": str(n), "px": price(n), "sz": quantity(n)}
    return okx_frame(
        "trades", row | {"side": ("buy", "sell")[n % 2], "ts": str(MS + n), "count": "1"}
    )


def okx_quote(n: int) -> dict[str, Any]:
    ask, bid = [price(n + 1), quantity(n + 3), "0", "1"], [price(n), quantity(n), "0", "1"]
    return okx_frame("bbo-tbt", {"asks": [ask], "bids": [bid], "ts": str(MS + n), "seqId": n})


def okx_change(n: int) -> dict[str, Any]:
    bids, asks = ([[*level, "0", "1"] for level in side(n, step)] for step in (-1, 1))
    row = {"asks": asks, "bids": bids, "ts": str(MS + n), "checksum": 0, "seqId": n}
    return okx_frame("books", row | {"prevSeqId": n - 1}, action="update")


def okx_start(client: VenueClient) -> None:
    row = {"asks": [], "bids": [], "ts": str(MS), "checksum": 0, "seqId": 0, "prevSeqId": -1}
    client.receive(json.dumps(okx_frame("books", row, action="snapshot")).encode(), 0)


def okx_read_trade(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    is_buy = d["side"] == "buy"
    return float(d["px"]), float(d["sz"]), is_buy, int(d["ts"]) * 1000, d["tradeId"]


def okx_read_quote(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    bid, ask = d["bids"][0], d["asks"][0]
    return float(bid[0]), float(bid[1]), float(ask[0]), float(ask[1]), int(d["ts"]) * 1000


def okx_read_change(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    return pairs(d["bids"]), pairs(d["asks"]), int(d["ts"]) * 1000, d["seqId"]


def okx() -> list[Case]:
    client = importlib.import_module(VENUES + "okx").OkxClient
    frames = importlib.import_module(VENUES + "okx_frames")
    cases = []
    for channel, start, frame, row, read in (
        ("trades", nothing, okx_trade, frames.TradeRow, okx_read_trade),
        ("quotes", nothing, okx_quote, frames.TopRow, okx_read_quote),
        ("book", okx_start, okx_change, frames.BookRow, okx_read_change),
    ):
        fields = [("arg", frames.Argument), ("data", list[row]), ("action", str, "")]
        shape = msgspec.defstruct("Push", fields)
        market = Subscription("BTC-USDT", channel)  # type: ignore[arg-type]
        cases.append(Case("okx", channel, client, market, start, frame, decoder(shape), read))
    return cases


def bybit_frame(topic: str, data: Any, kind: str = "snapshot") -> dict[str, Any]:
    return {"topic": topic, "type": kind, "ts": MS, "data": data, "cts": MS - 3}


def bybit_trade(n: int) -> dict[str, Any]:
    row = {"T": MS + n, "s": "BTCUSDT", "S": ("Buy", "Sell")[n % 2], "v": quantity(n)}
    row |= {"p": price(n), "L": "PlusTick", "i": f"20f43950-d8dd-5b31-9112-{n:012d}", "BT": False}
    return bybit_frame("publicTrade.BTCUSDT", [row])


def bybit_quote(n: int) -> dict[str, Any]:
    bid, ask = [price(n), quantity(n)], [price(n + 1), quantity(n + 3)]
    return bybit_frame(
        "orderbook.1.BTCUSDT", {"s": "BTCUSDT", "b": [bid], "a": [ask], "u": n, "seq": n}
    )


def bybit_change(n: int) -> dict[str, Any]:
    data = {"s": "BTCUSDT", "b": side(n, -1), "a": side(n, 1), "u": n + 1, "seq": n}
    return bybit_frame("orderbook.200.BTCUSDT", data, "delta")


def bybit_start(client: VenueClient) -> None:
    data = {"s": "BTCUSDT", "b": [], "a": [], "u": 1, "seq": 0}
    client.receive(json.dumps(bybit_frame("orderbook.200.BTCUSDT", data)).encode(), 0)


def bybit_read_trade(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    return float(d["p"]), float(d["v"]), d["S"] == "Buy", d["T"] * 1000, d["i"]


def bybit_read_quote(frame: bytes) -> Any:
    whole = json.loads(frame)
    bid, ask = whole["data"]["b"][0], whole["data"]["a"][0]
    return float(bid[0]), float(bid[1]), float(ask[0]), float(ask[1]), whole["cts"] * 1000


def bybit_read_change(frame: bytes) -> Any:
    whole = json.loads(frame)
    d = whole["data"]
    return pairs(d["b"]), pairs(d["a"]), whole["cts"] * 1000, d["u"]


def bybit() -> list[Case]:
    make_client = partial(importlib.import_module(VENUES + "bybit").BybitClient, "spot")
    frames = importlib.import_module(VENUES + "bybit_frames")
    cases = []
    for channel, start, frame, data, read in (
        ("trades", nothing, bybit_trade, list[frames.TradeRow], bybit_read_trade),
        ("quotes", nothing, bybit_quote, frames.BookRow, bybit_read_quote),
        ("book", bybit_start, bybit_change, frames.BookRow, bybit_read_change),
    ):
        fields = [("topic", str), ("type", str), ("ts", int), ("data", data), ("cts", int, 0)]
        shape = msgspec.defstruct("Push", fields)
        market = Subscription("BTCUSDT", channel)  # type: ignore[arg-type]
        cases.append(
            Case("bybit", channel, make_client, market, start, frame, decoder(shape), read)
        )
    return cases
