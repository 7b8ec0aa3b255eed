"""Frames of Deribit, Coinbase and Kraken for `bench.feed_decode`; see `bench.feed_frames`."""

from __future__ import annotations

import importlib
import json
from functools import partial
from typing import Any

from bench.feed_frames import (
    MS,
    TIME,
    VENUES,
    Case,
    decoder,
    nothing,
    price,
    quantity,
    side,
)
from steelyard.feeds.live.client import Subscription, VenueClient

TIME_US = 1_780_000_000_123_456
LINEAR, COINBASE, KRAKEN = "BTC_USDC-PERPETUAL", "BTC-USD", "BTC/USD"


def time_us(text: str) -> int:
    """Return the microseconds of the text, as people read it."""
    from datetime import UTC, datetime

    parsed = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    return round(parsed.timestamp() * 1_000_000)


# ---- Deribit: numbers are numbers


def deribit_frame(channel: str, data: Any) -> dict[str, Any]:
    params = {"channel": f"{channel}.{LINEAR}.100ms", "data": data}
    return {"jsonrpc": "2.0", "method": "subscription", "params": params}


def deribit_trade(n: int) -> dict[str, Any]:
    row = {"trade_seq": n, "trade_id": f"T{n}", "timestamp": MS + n, "tick_direction": 0}
    row |= {"price": float(price(n)), "mark_price": 64_000.5, "instrument_name": LINEAR}
    row |= {"index_price": 64_001.25, "direction": ("buy", "sell")[n % 2], "contracts": 10.0}
    return deribit_frame("trades", [row | {"amount": float(quantity(n))}])


def deribit_ticker(n: int) -> dict[str, Any]:
    data: dict[str, Any] = {"timestamp": MS + n, "state": "open", "settlement_price": 63_990.5}
    data |= {"stats": {"high": 65_000.0, "low": 63_000.0, "price_change": 0.5, "volume": 1_234.5}}
    data |= {"open_interest": 812.25, "min_price": 63_000.0, "max_price": 65_000.0}
    data |= {"mark_price": 64_000.5, "last_price": 64_001.0, "instrument_name": LINEAR}
    data |= {"index_price": 64_001.25, "funding_8h": 0.00001, "current_funding": -0.0002}
    data |= {"best_bid_price": float(price(n)), "best_bid_amount": float(quantity(n))}
    data |= {"best_ask_price": float(price(n + 1)), "best_ask_amount": float(quantity(n + 3))}
    return deribit_frame("ticker", data)


def deribit_change(n: int) -> dict[str, Any]:
    bids, asks = ([["change", float(p), float(q)] for p, q in side(n, step)] for step in (-1, 1))
    data = {"type": "change", "timestamp": MS + n, "instrument_name": LINEAR, "change_id": n}
    return deribit_frame("book", data | {"prev_change_id": n - 1, "bids": bids, "asks": asks})


def deribit_start(client: VenueClient) -> None:
    data = {"type": "snapshot", "timestamp": MS, "instrument_name": LINEAR, "change_id": 0}
    frame = deribit_frame("book", data | {"bids": [], "asks": []})
    client.receive(json.dumps(frame).encode(), 0)


def deribit_read_trade(frame: bytes) -> Any:
    d = json.loads(frame)["params"]["data"][0]
    is_buy = d["direction"] == "buy"
    return d["price"], d["amount"], is_buy, d["timestamp"] * 1000, d["trade_id"]


def deribit_read_ticker(frame: bytes) -> Any:
    d = json.loads(frame)["params"]["data"]
    bid, ask = d["best_bid_price"], d["best_ask_price"]
    return bid, d["best_bid_amount"], ask, d["best_ask_amount"], d["timestamp"] * 1000


def deribit_read_change(frame: bytes) -> Any:
    d = json.loads(frame)["params"]["data"]
    bids = [(p, 0.0 if action == "delete" else q) for action, p, q in d["bids"]]
    asks = [(p, 0.0 if action == "delete" else q) for action, p, q in d["asks"]]
    return bids, asks, d["timestamp"] * 1000, d["change_id"]


def deribit() -> list[Case]:
    client = importlib.import_module(VENUES + "deribit").DeribitClient
    shape = importlib.import_module(VENUES + "deribit_frames").Frame
    decode = decoder(shape, is_strict=True)
    return [
        Case("deribit", channel, client, Subscription(LINEAR, channel), start, frame, decode, read)  # type: ignore[arg-type]
        for channel, start, frame, read in (
            ("trades", nothing, deribit_trade, deribit_read_trade),
            ("quotes", nothing, deribit_ticker, deribit_read_ticker),
            ("book", deribit_start, deribit_change, deribit_read_change),
        )
    ]


# ---- Coinbase: the side is that of the waiting order, times are texts


def coinbase_trade(n: int) -> dict[str, Any]:
    frame = {"type": "match", "trade_id": n, "sequence": n, "time": TIME, "product_id": COINBASE}
    frame |= {"maker_order_id": "ac928c66-ca53-498f-9c13-a110027a60e8"}
    frame |= {"taker_order_id": "132fb6ae-456b-4654-b4e0-d681ac05cea1"}
    return frame | {"size": quantity(n), "price": price(n), "side": ("buy", "sell")[n % 2]}


def coinbase_ticker(n: int) -> dict[str, Any]:
    frame = {"type": "ticker", "sequence": n, "product_id": COINBASE, "price": price(n)}
    frame |= {"open_24h": "63950.5", "volume_24h": "245532.7926", "low_24h": "63000"}
    frame |= {"best_bid": price(n), "best_bid_size": quantity(n), "best_ask": price(n + 1)}
    frame |= {"best_ask_size": quantity(n + 3), "side": "buy", "time": TIME, "trade_id": n}
    return frame | {"last_size": "0.5"}


def coinbase_change(n: int) -> dict[str, Any]:
    changes = [["buy", *level] for level in side(n, -1)] + [
        ["sell", *level] for level in side(n, 1)
    ]
    return {"type": "l2update", "product_id": COINBASE, "changes": changes, "time": TIME}


def coinbase_start(client: VenueClient) -> None:
    snapshot = {"type": "snapshot", "product_id": COINBASE, "bids": [], "asks": []}
    client.receive(json.dumps(snapshot).encode(), 0)


def coinbase_read_trade(frame: bytes) -> Any:
    d = json.loads(frame)
    is_buy = d["side"] == "sell"
    return float(d["price"]), float(d["size"]), is_buy, time_us(d["time"]), str(d["trade_id"])


def coinbase_read_ticker(frame: bytes) -> Any:
    d = json.loads(frame)
    bid, bid_amount = float(d["best_bid"]), float(d["best_bid_size"])
    return bid, bid_amount, float(d["best_ask"]), float(d["best_ask_size"]), time_us(d["time"])


def coinbase_read_change(frame: bytes) -> Any:
    d = json.loads(frame)
    bids = [(float(p), float(q)) for which, p, q in d["changes"] if which == "buy"]
    asks = [(float(p), float(q)) for which, p, q in d["changes"] if which == "sell"]
    return bids, asks, time_us(d["time"]), -1


def coinbase() -> list[Case]:
    module = importlib.import_module(VENUES + "coinbase")
    decode = decoder(module._Frame)
    return [
        Case(
            "coinbase",
            channel,
            module.CoinbaseClient,
            Subscription(COINBASE, channel),  # type: ignore[arg-type]
            start,
            frame,
            decode,
            read,
        )
        for channel, start, frame, read in (
            ("trades", nothing, coinbase_trade, coinbase_read_trade),
            ("quotes", nothing, coinbase_ticker, coinbase_read_ticker),
            ("book", coinbase_start, coinbase_change, coinbase_read_change),
        )
    ]


# ---- Kraken: lists of items


def kraken_frame(channel: str, item: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    return {"channel": channel, "type": kind, "data": [{"symbol": KRAKEN, **item}]}


def kraken_trade(n: int) -> dict[str, Any]:
    item = {"side": ("buy", "sell")[n % 2], "price": float(price(n)), "qty": float(quantity(n))}
    return kraken_frame("trade", item | {"ord_type": "market", "trade_id": n, "timestamp": TIME})


def kraken_ticker(n: int) -> dict[str, Any]:
    item = {"bid": float(price(n)), "bid_qty": float(quantity(n)), "ask": float(price(n + 1))}
    item |= {"ask_qty": float(quantity(n + 3)), "last": 64_000.5, "volume": 1_234.5}
    item |= {"vwap": 63_900.25, "low": 63_000.0, "high": 65_000.0, "change": 12.5}
    return kraken_frame("ticker", item | {"change_pct": 0.02, "timestamp": TIME})


def kraken_change(n: int) -> dict[str, Any]:
    bids, asks = ([{"price": float(p), "qty": float(q)} for p, q in side(n, s)] for s in (-1, 1))
    item = {"bids": bids, "asks": asks, "checksum": 2_439_117_997, "timestamp": TIME}
    return kraken_frame("book", item)


def kraken_start(client: VenueClient) -> None:
    item: dict[str, Any] = {"bids": [], "asks": [], "checksum": 0, "timestamp": TIME}
    client.receive(json.dumps(kraken_frame("book", item, "snapshot")).encode(), 0)


def kraken_read_trade(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    is_buy = d["side"] == "buy"
    return d["price"], d["qty"], is_buy, time_us(d["timestamp"]), str(d["trade_id"])


def kraken_read_ticker(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    return d["bid"], d["bid_qty"], d["ask"], d["ask_qty"], time_us(d["timestamp"])


def kraken_read_change(frame: bytes) -> Any:
    d = json.loads(frame)["data"][0]
    bids = [(level["price"], level["qty"]) for level in d["bids"]]
    asks = [(level["price"], level["qty"]) for level in d["asks"]]
    return bids, asks, time_us(d["timestamp"]), -1


def kraken() -> list[Case]:
    """Without its checksum, which nobody's `json.loads` holds a book against."""
    module = importlib.import_module(VENUES + "kraken")
    make_client = partial(module.KrakenClient, verifies_books=False)
    decode = decoder(module._Frame)
    return [
        Case(
            "kraken",
            channel,
            make_client,
            Subscription(KRAKEN, channel),  # type: ignore[arg-type]
            start,
            frame,
            decode,
            read,
        )
        for channel, start, frame, read in (
            ("trades", nothing, kraken_trade, kraken_read_trade),
            ("quotes", nothing, kraken_ticker, kraken_read_ticker),
            ("book", kraken_start, kraken_change, kraken_read_change),
        )
    ]
