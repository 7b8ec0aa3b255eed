"""Broken frames of Deribit, Coinbase and Kraken: messages or one of the listed errors, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from steelyard.feeds.live.client import VenueClient
from steelyard.feeds.live.messages import Fetch, Message, Send
from steelyard.feeds.live.venues.reading import TEXT_MAX
from steelyard.quantities import InputError
from tests.feeds.live.venues.dckw_roles import (
    INDEX,
    LINEAR,
    MS,
    NOW_US,
    OPTION,
    OPTION_FIELDS,
    PERPETUAL,
    SNAPSHOT,
    SPOT,
    UPDATE,
    beat,
    book,
    coinbase_ticker,
    deal,
    deals,
    everything,
    instruments,
    kraken,
    kraken_trade,
    match,
    notice,
    packed,
    pair,
    side,
    take,
    ticker,
)
from tests.support.mutation import mutants

COUNT = 45_000
CODES = {"WIRE-E01", "WIRE-E02", "WIRE-E03"}
NUMBER_MAX = 1e37  # an amount at its bound over a price at its bound

DERIBIT = [
    book(PERPETUAL, 10, bids=[["new", 40_000.0, 10.0], ["new", 39_999.5, 20.0]], asks=[["new", 40_001.0, 9.0]]),
    book(PERPETUAL, 12, 10, bids=[["delete", 40_000.0, 0.0]], asks=[["change", 40_001.0, 5.0]]),
    book(LINEAR, 10, asks=[["new", 40_001.0, 9.0]]),
    deals(PERPETUAL, 7, 8),
    deals(SPOT, 9),
    ticker(PERPETUAL),
    ticker(LINEAR, state="locked"),
    ticker(OPTION, **OPTION_FIELDS),
    notice("deribit_price_index.btc_usd", {"timestamp": MS, "price": 4e4, "index_name": INDEX}),
    notice("deribit_volatility_index.btc_usd", {"timestamp": MS, "volatility": 52.2, "index_name": INDEX}),
    notice("platform_state", {"price_index": "sol_usdc", "locked": True}),
    notice("platform_state", {"maintenance": True}),
    {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}},
    {"jsonrpc": "2.0", "id": 2, "result": [f"trades.{PERPETUAL}.100ms", "platform_state"], "usDiff": 5},
    {"jsonrpc": "2.0", "id": 2, "error": {"code": 10028, "message": "too_many_requests"}},
    {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Invalid params", "data": {}}},
]  # fmt: skip
COINBASE = [
    match(10),
    match(11, type="last_match"),
    coinbase_ticker(5),
    beat(12),
    SNAPSHOT,
    UPDATE,
    {"type": "subscriptions", "channels": [{"name": "level2_50", "product_ids": ["BTC-USD"]}]},
    {"type": "status", "products": [{"id": "BTC-USD", "status": "online", "post_only": True}]},
    {"type": "error", "message": "Failed to subscribe", "reason": "BTC-USD is not a valid product"},
]
KRAKEN = [
    instruments(pair(), pair("ETH/USD")),
    kraken("book", "snapshot", {"symbol": "BTC/USD", "bids": side((4.5, 0.1)), "asks": side((4.6, 2.0)), "checksum": 0}),
    kraken("book", "update", {"symbol": "BTC/USD", "bids": side((4.5, 0.0)), "asks": [], "checksum": 9, "timestamp": "2026-01-05T08:00:00.123456Z"}),
    kraken("ticker", "update", {"symbol": "BTC/USD", "bid": 4.5, "bid_qty": 0.1, "ask": 4.6, "ask_qty": 2.0, "timestamp": "2026-01-05T08:00:00.1Z"}),
    kraken("trade", "update", kraken_trade(7), kraken_trade(9)),
    kraken("status", "update", {"system": "online", "connection_id": 123, "version": "2.0.0"}),
    {"channel": "heartbeat"},
    {"method": "pong", "req_id": 5, "time_in": "2026-01-05T08:00:00.123456Z"},
    {"method": "subscribe", "req_id": 2, "success": True, "result": {"channel": "trade", "symbol": "BTC/USD"}},
    {"method": "subscribe", "req_id": 3, "success": False, "error": "Exceeded msg rate", "symbol": "BTC/USD"},
]  # fmt: skip
SEEDS = {"deribit": DERIBIT, "coinbase": COINBASE, "kraken": KRAKEN}


def sound(messages: list[Message]) -> int:
    """Count messages, each of them with numbers within bounds and short texts."""
    for message in messages:
        for value in msgspec.structs.astuple(message):
            flat = [value]
            if isinstance(value, list):
                flat = [number for level in value for number in level]
            for each in flat:
                if isinstance(each, float):
                    assert -NUMBER_MAX <= each <= NUMBER_MAX, message
                elif isinstance(each, int):
                    assert -1 <= each <= 2**62, message
                elif isinstance(each, str) and not isinstance(message, (Send, Fetch)):
                    assert len(each) <= TEXT_MAX + 100, message
    return len(messages)


def endure(
    make: Callable[[], VenueClient], seeds: list[bytes], count: int, seed: int
) -> Counter[str]:
    """Count what became of each mutant; a client lives for a hundred of them."""
    outcomes: Counter[str] = Counter()
    client = make()
    for number, frame in enumerate(mutants(seeds, count, seed)):
        if number % 100 == 0:
            client = make()
        try:
            outcomes["messages" if sound(client.receive(frame, NOW_US + number)) else "none"] += 1
        except InputError as error:
            outcomes[error.code] += 1
        if number % 50 == 0:
            client.due(NOW_US + number * 1_000_000)
    assert set(outcomes) <= {"messages", "none", *CODES}
    return outcomes


@pytest.mark.parametrize(("venue", "seed"), [("deribit", 331), ("coinbase", 332), ("kraken", 333)])
def test_DCKW_002_mutants_give_messages_or_listed_errors(venue: str, seed: int) -> None:
    seeds = [packed(frame) for frame in SEEDS[venue]]
    outcomes = endure(lambda: everything(venue), seeds, COUNT, seed)
    assert sum(outcomes.values()) == COUNT
    # Every outcome has its share: the mutants reach what lies behind the decoder.
    assert outcomes["messages"] > COUNT // 20
    assert outcomes["WIRE-E01"] > COUNT // 10
    assert outcomes["WIRE-E02"] > COUNT // 10
    assert outcomes["WIRE-E03"] > 0


def test_DCKW_002_mutants_of_fetched_trades() -> None:
    rows = [deal(PERPETUAL, number) for number in (8, 9)]
    bodies = [
        packed({"jsonrpc": "2.0", "result": {"trades": rows, "has_more": False}}),
        packed({"jsonrpc": "2.0", "error": {"code": 10028, "message": "too_many_requests"}}),
    ]
    outcomes: Counter[str] = Counter()
    for body in mutants(bodies, 5_000, seed=334):
        client = everything("deribit")
        [fetch] = [
            each
            for each in take(client, deals(PERPETUAL, 7), deals(PERPETUAL, 10))
            if isinstance(each, Fetch)
        ]
        try:
            outcomes["messages" if sound(client.fetched(fetch.path, body, NOW_US)) else "none"] += 1
        except InputError as error:
            outcomes[error.code] += 1
    assert set(outcomes) == {"messages", "none", *CODES}
