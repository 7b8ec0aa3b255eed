"""Frames of Deribit, Coinbase and Kraken as the venues send them, and what their tests share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar

import pytest

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.messages import Message, Send, Status
from steelyard.feeds.live.venues.coinbase import CoinbaseClient
from steelyard.feeds.live.venues.deribit import DeribitClient
from steelyard.feeds.live.venues.kraken import KrakenClient
from steelyard.quantities import InputError

AnyClient = TypeVar("AnyClient", bound=VenueClient)

NOW_US = 1_767_600_000_000_000
MS = 1_767_600_000_123
TIME = "2026-01-05T08:00:00.123456Z"
TIME_US = 1_767_600_000_123_456
PERPETUAL, LINEAR, FUTURE = "BTC-PERPETUAL", "BTC_USDC-PERPETUAL", "BTC-25JUN27"
OPTION, SPOT, INDEX = "BTC-25JUN27-100000-C", "ETH_BTC", "btc_usd"


def packed(frame: object) -> bytes:
    """A frame as bytes."""
    return json.dumps(frame, separators=(",", ":")).encode()


def started(client: AnyClient, *subscriptions: tuple[str, str]) -> AnyClient:
    """A client that has sent its opening."""
    client.opening([Subscription(market, kind) for market, kind in subscriptions])  # type: ignore[arg-type]
    return client


def take(client: VenueClient, *frames: object, at_us: int = NOW_US) -> list[Message]:
    """What a client says of frames, one after the other."""
    messages: list[Message] = []
    for frame in frames:
        messages += client.receive(frame if isinstance(frame, bytes) else packed(frame), at_us)
    return messages


def refusal(client: VenueClient, frame: object) -> str:
    """The code a frame is refused with."""
    with pytest.raises(InputError) as caught:
        take(client, frame)
    return caught.value.code


def sent(messages: Sequence[Message]) -> list[dict[str, object]]:
    """The frames that messages send."""
    return [json.loads(each.frame) for each in messages if isinstance(each, Send)]


def kinds(messages: Sequence[Message]) -> list[str]:
    """The kinds of the statuses among messages."""
    return [each.kind for each in messages if isinstance(each, Status)]


# ---- Deribit


def notice(channel: str, data: object) -> dict[str, object]:
    return {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {"channel": channel, "data": data},
    }


def book(
    market: str, number: int, previous: int | None = None, **sides: object
) -> dict[str, object]:
    data: dict[str, object] = {
        "type": "change" if previous is not None else "snapshot",
        "timestamp": MS,
        "instrument_name": market,
        "change_id": number,
        "bids": sides.get("bids", []),
        "asks": sides.get("asks", []),
    }
    if previous is not None:
        data["prev_change_id"] = previous
    return notice(f"book.{market}.100ms", data)


def deal(market: str, number: int, price: float = 40_000.0, **fields: object) -> dict[str, object]:
    return {
        "trade_seq": number,
        "trade_id": f"T{number}",
        "timestamp": MS + number,
        "tick_direction": 0,
        "price": price,
        "mark_price": price,
        "instrument_name": market,
        "index_price": price,
        "direction": "sell",
        "contracts": 1.0,
        "amount": 10_000.0,
        **fields,
    }


def deals(market: str, *numbers: int) -> dict[str, object]:
    return notice(f"trades.{market}.100ms", [deal(market, number) for number in numbers])


def ticker(market: str, **fields: object) -> dict[str, object]:
    data: dict[str, object] = {
        "timestamp": MS,
        "state": "open",
        "stats": {"high": None, "low": None, "price_change": None, "volume": 0.0},
        "settlement_price": 39_990.0,
        "open_interest": 8_000_000.0,
        "min_price": 39_000.0,
        "max_price": 41_000.0,
        "mark_price": 40_000.0,
        "last_price": 40_001.0,
        "instrument_name": market,
        "index_price": 39_998.5,
        "funding_8h": 0.00001,
        "current_funding": -0.0002,
        "estimated_delivery_price": 39_998.5,
        "best_bid_price": 39_999.5,
        "best_bid_amount": 79_999.0,
        "best_ask_price": 40_000.0,
        "best_ask_amount": 10_000.0,
        **fields,
    }
    return notice(f"ticker.{market}.100ms", data)


OPTION_FIELDS: dict[str, object] = {
    "open_interest": 12.5,
    "mark_price": 0.0432,
    "best_bid_price": 0.043,
    "best_bid_amount": 5.1,
    "best_ask_price": 0.0,
    "best_ask_amount": 0.0,
    "bid_iv": 51.25,
    "ask_iv": 0.0,
    "mark_iv": 52.5,
    "underlying_price": 41_234.5,
    "underlying_index": "BTC-25JUN27",
    "interest_rate": 0.0,
    "greeks": {"vega": 1.0, "theta": -1.0, "rho": 1.0, "gamma": 0.0, "delta": 0.5},
}

# ---- Coinbase


def match(number: int, **fields: object) -> dict[str, object]:
    return {
        "type": "match",
        "trade_id": number,
        "sequence": 1_000 + number,
        "maker_order_id": "ac928c66-ca53-498f-9c13-a110027a60e8",
        "taker_order_id": "132fb6ae-456b-4654-b4e0-d681ac05cea1",
        "time": TIME,
        "product_id": "BTC-USD",
        "size": "0.5",
        "price": "400.25",
        "side": "sell",
        **fields,
    }


def coinbase_ticker(sequence: int, **fields: object) -> dict[str, object]:
    return {
        "type": "ticker",
        "sequence": sequence,
        "product_id": "BTC-USD",
        "price": "400.25",
        "open_24h": "395.5",
        "volume_24h": "245532.7926",
        "best_bid": "400.20",
        "best_bid_size": "1.25",
        "best_ask": "400.30",
        "best_ask_size": "2.5",
        "side": "buy",
        "time": TIME,
        "trade_id": 20,
        "last_size": "0.5",
        **fields,
    }


def beat(last_trade_id: int) -> dict[str, object]:
    return {
        "type": "heartbeat",
        "sequence": 90,
        "last_trade_id": last_trade_id,
        "product_id": "BTC-USD",
        "time": TIME,
    }


SNAPSHOT: dict[str, object] = {
    "type": "snapshot",
    "product_id": "BTC-USD",
    "bids": [["400.10", "1"], ["400.20", "2"]],
    "asks": [["400.30", "0.5"], ["400.40", "4"]],
}
UPDATE: dict[str, object] = {
    "type": "l2update",
    "product_id": "BTC-USD",
    "changes": [["buy", "400.20", "0.00"], ["sell", "400.25", "3.5"]],
    "time": TIME,
}

# ---- Kraken


def kraken(channel: str, kind: str, *items: object) -> dict[str, object]:
    return {"channel": channel, "type": kind, "data": list(items)}


def side(*levels: tuple[float, float]) -> list[dict[str, float]]:
    return [{"price": price, "qty": quantity} for price, quantity in levels]


def pair(
    symbol: str = "BTC/USD", status: str = "online", decimals: tuple[int, int] = (1, 8)
) -> object:
    return {
        "symbol": symbol,
        "base": "BTC",
        "quote": "USD",
        "status": status,
        "price_precision": decimals[0],
        "qty_precision": decimals[1],
        "price_increment": 0.1,
        "marginable": True,
    }


def instruments(*pairs: object) -> dict[str, object]:
    data = {"assets": [{"id": "BTC", "status": "enabled", "precision": 10}], "pairs": list(pairs)}
    return {"channel": "instrument", "type": "snapshot", "data": data}


def kraken_trade(number: int, **fields: object) -> dict[str, object]:
    return {
        "symbol": "BTC/USD",
        "side": "buy",
        "price": 45_283.5,
        "qty": 0.25,
        "ord_type": "market",
        "trade_id": number,
        "timestamp": TIME,
        **fields,
    }


def everything(venue: str) -> VenueClient:
    """A client of a venue that is subscribed to all there is."""
    if venue == "coinbase":
        return started(CoinbaseClient(), *(("BTC-USD", k) for k in ("trades", "quotes", "book")))
    if venue == "kraken":
        return started(KrakenClient(), *(("BTC/USD", k) for k in ("trades", "quotes", "book")))
    four = ("trades", "quotes", "book", "reference")
    subscriptions = [(market, kind) for market in (PERPETUAL, LINEAR, SPOT) for kind in four]
    subscriptions += [(OPTION, kind) for kind in (*four, "options")]
    return started(DeribitClient(), *subscriptions, (INDEX, "reference"), (INDEX, "options"))
