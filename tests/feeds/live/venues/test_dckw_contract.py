"""Deribit, Coinbase and Kraken as they speak, on loopback: subscribe, snapshot, changes, heartbeat, a gap,
an error, a dropped line and the subscriptions after it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Message, Quote, Status, Trade
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.coinbase import CoinbaseClient
from steelyard.feeds.live.venues.deribit import DeribitClient
from steelyard.feeds.live.venues.kraken import KrakenClient
from steelyard.feeds.live.venues.kraken_checksum import book_checksum
from tests.feeds.live.venues import dckw_roles as roles
from tests.feeds.live.venues.dckw_roles import PERPETUAL, beat, deal, match, packed
from tests.support.live_server import (
    Action,
    Drop,
    LiveServer,
    Route,
    Script,
    Transcript,
    live_server,
    talk,
)

BAD = "BTC-1JAN20"


def hastened(terms: VenueTerms) -> VenueTerms:
    """The terms of a venue without its waits between two frames."""
    return msgspec.structs.replace(terms, send_interval_us=0)


def text(frame: object) -> str:
    return packed(frame).decode()


def statuses(transcript: Transcript, kind: str) -> list[Status]:
    return [each for each in transcript.messages if isinstance(each, Status) and each.kind == kind]


def kept(messages: Iterable[Message]) -> OrderBook:
    """The book that all messages make; a snapshot starts it anew, no change may break it."""
    held = OrderBook()
    for message in messages:
        if isinstance(message, BookSnapshot | BookChange):
            assert held.apply(message) == "applied"
    return held


# ---- Deribit


@dataclass
class DeribitVenue:
    """A server that keeps subscriptions and numbers as Deribit does."""

    connection: int = -1
    subscribed: set[str] = field(default_factory=set)
    beaten: set[int] = field(default_factory=set)
    number: int = 0
    snapshots: int = 0

    def on_frame(self, index: int, frame: str) -> Iterable[Action]:
        if index != self.connection:
            self.connection, self.subscribed = index, set()
        request = json.loads(frame)
        assert request["jsonrpc"] == "2.0"
        method, params = request["method"], request["params"]
        answer = {"jsonrpc": "2.0", "id": request["id"], "usIn": 1, "usOut": 3, "usDiff": 2}
        if method == "public/set_heartbeat":
            assert params["interval"] >= 10
            yield text({**answer, "result": "ok"})
        elif method == "public/test":
            yield text({**answer, "result": {"version": "1.2.26"}})
            yield from self.after_heartbeat(index)
        elif method == "public/unsubscribe":
            self.subscribed -= set(params["channels"])
            yield text({**answer, "result": params["channels"]})
        elif method == "public/subscribe":
            new = [each for each in params["channels"] if BAD not in each]
            self.subscribed |= set(new)
            yield text({**answer, "result": new})
            if any(each.startswith("book.") for each in new):
                yield from self.book()
        else:
            yield text({**answer, "error": {"code": -32601, "message": "Method not found"}})

    def book(self) -> Iterable[Action]:
        self.snapshots += 1
        self.number += 100
        level = [["new", 40_000.0, 40_000.0]]
        yield text(roles.book(PERPETUAL, self.number, bids=level))
        yield text(
            roles.book(PERPETUAL, self.number + 3, self.number, asks=[["new", 40_001.0, 10.0]])
        )
        if self.snapshots == 1:  # one change never arrives
            yield text(roles.book(PERPETUAL, self.number + 9, self.number + 6))
        else:
            yield text(
                {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
            )

    def after_heartbeat(self, index: int) -> Iterable[Action]:
        if index in self.beaten:
            return
        self.beaten.add(index)
        yield text({"jsonrpc": "2.0", "error": {"code": 11051, "message": "system_maintenance"}})
        yield text(roles.deals(PERPETUAL, 10, 11))
        if index == 0:
            yield Drop()
        else:
            yield text(roles.deals(PERPETUAL, 13))  # 12 has to be fetched
            yield text(roles.ticker(PERPETUAL))


def test_DCKW_019_a_conversation_with_deribit() -> None:
    venue = DeribitVenue()
    path = "/api/v2/public/get_last_trades_by_instrument"
    missing = packed(
        {"jsonrpc": "2.0", "result": {"trades": [deal(PERPETUAL, 12)], "has_more": False}}
    )

    class Quick(DeribitClient):
        terms = hastened(DeribitClient.terms)

    wanted = [
        Subscription(PERPETUAL, "book"), Subscription(PERPETUAL, "trades"),
        Subscription(PERPETUAL, "quotes"), Subscription(BAD, "trades"),
    ]  # fmt: skip
    script = Script(on_frame=venue.on_frame, routes={path: Route(missing)})
    with live_server(script) as server:

        def is_done(transcript: Transcript) -> bool:
            trades = [each.trade for each in transcript.messages if isinstance(each, Trade)]
            return "T12" in trades and len(transcript.of(BookChange)) == 4

        transcript = talk(server, Quick, wanted, until=is_done)
    assert [json.loads(each)["method"] for each in server.frames[0]] == [
        "public/set_heartbeat", "public/subscribe", "public/unsubscribe", "public/subscribe", "public/test",
    ]  # fmt: skip
    assert [json.loads(each)["method"] for each in server.frames[1]][:2] == [
        "public/set_heartbeat",
        "public/subscribe",
    ]
    assert venue.snapshots == len(transcript.of(BookSnapshot)) == 4
    assert [each.reason for each in statuses(transcript, "gap")] == [
        "change 109 follows 106, held is 103",
        "trades 12 to 12 are missing",
    ]
    assert [each.split("?")[0] for each in server.requests] == [path]
    assert len(transcript.of(Quote)) == 1
    assert {each.market for each in statuses(transcript, "refused")} - {""} == {BAD}
    assert transcript.health.errors["WIRE-E03"] == 2
    assert transcript.health.connects == 2
    held = kept(transcript.messages)
    assert held.top(1) == ([(40_000.0, 1.0)], [(40_001.0, 10.0 / 40_001.0)])


# ---- Coinbase


@dataclass
class CoinbaseVenue:
    """A server that answers subscriptions as Coinbase does, and drops a match and, once, the line."""

    listed: dict[str, list[str]] = field(default_factory=dict)
    snapshots: int = 0

    def on_frame(self, index: int, frame: str) -> Iterable[Action]:
        request = json.loads(frame)
        if request["channels"] == [{"name": "status"}]:
            self.listed = {"status": []}
            yield self.answer()
            yield text(
                {
                    "type": "status",
                    "products": [{"id": "BTC-USD", "status": "online"}],
                    "currencies": [],
                }
            )
            return
        names = [each["name"] for each in request["channels"]]
        product = request["channels"][0]["product_ids"][0]
        if product == BAD:
            words = f"{BAD} is not a valid product"
            yield text({"type": "error", "message": "Failed to subscribe", "reason": words})
            return
        for name in names:
            if request["type"] == "subscribe":
                self.listed[name] = [product]
            else:
                self.listed.pop(name, None)
        yield self.answer()
        if request["type"] == "subscribe" and "level2_batch" in names:
            yield from self.book(index)

    def answer(self) -> str:
        alias = {"level2_batch": "level2_50"}
        channels = [
            {"name": alias.get(name, name), "product_ids": products, "account_ids": None}
            for name, products in self.listed.items()
        ]
        return text({"type": "subscriptions", "channels": channels})

    def book(self, index: int) -> Iterable[Action]:
        self.snapshots += 1
        yield text(roles.SNAPSHOT)
        yield text(roles.UPDATE)
        if self.snapshots == 1:
            yield text(match(50, type="last_match"))
            yield text(roles.coinbase_ticker(1_050))
            yield text(match(52))  # 51 never arrives
            yield text(roles.UPDATE)
        elif index == 0:
            yield text(beat(52))
            yield text({"type": "error", "message": "ErrSlowConsume"})
            yield Drop()
        else:
            yield text(match(60, type="last_match"))


def test_DCKW_038_a_conversation_with_coinbase() -> None:
    venue = CoinbaseVenue()

    class Quick(CoinbaseClient):
        terms = hastened(CoinbaseClient.terms)

    wanted = [Subscription("BTC-USD", kind) for kind in ("trades", "quotes", "book")]
    wanted.append(Subscription(BAD, "trades"))

    def is_done(transcript: Transcript) -> bool:
        return any(isinstance(each, Trade) and each.trade == "60" for each in transcript.messages)

    with live_server(Script(on_frame=venue.on_frame)) as server:
        transcript = talk(server, Quick, wanted, until=is_done)
    # What heals the gap may overtake the last subscription, which only waits its turn.
    assert Counter(json.loads(each)["type"] for each in server.frames[0]) == {
        "subscribe": 4,
        "unsubscribe": 1,
    }
    assert venue.snapshots == 3
    assert [each.reason for each in statuses(transcript, "gap")] == ["trades 51 to 51 are missing"]
    assert {each.market for each in statuses(transcript, "refused")} - {""} == {BAD}
    assert ("BTC-USD", "level2_batch") in {
        (each.market, each.reason) for each in statuses(transcript, "subscribed")
    }
    assert [each.market for each in statuses(transcript, "heartbeat")] == ["BTC-USD"]
    assert transcript.health.errors["WIRE-E03"] == 1
    # The change that came between the gap and the new snapshot is not handed on.
    assert len(transcript.of(BookSnapshot)) == len(transcript.of(BookChange)) == 3
    held = kept(transcript.messages)
    assert held.top(2) == ([(400.1, 1.0)], [(400.25, 3.5), (400.3, 0.5)])


# ---- Kraken


@dataclass
class KrakenVenue:
    """A server that answers as Kraken does, with checksums of the book it keeps."""

    snapshots: int = 0
    bids: list[tuple[float, float]] = field(default_factory=list)
    asks: list[tuple[float, float]] = field(default_factory=list)

    def on_connect(self, *_: object) -> Iterable[Action]:
        yield text(roles.kraken("status", "update", {"system": "online", "api_version": "v2"}))

    def on_frame(self, index: int, frame: str) -> Iterable[Action]:
        request = json.loads(frame)
        method, params = request["method"], request["params"]
        answer = {"method": method, "req_id": request["req_id"], "time_in": roles.TIME}
        for symbol in params.get("symbol", [""]):
            if symbol == BAD:
                words = f"Currency pair not supported {BAD}"
                yield text({**answer, "success": False, "error": words, "symbol": symbol})
                continue
            result = {"channel": params["channel"], **({"symbol": symbol} if symbol else {})}
            yield text({**answer, "success": True, "result": result})
        if method == "subscribe" and params["channel"] == "instrument":
            yield text(roles.instruments(roles.pair(decimals=(1, 4))))
        if method == "subscribe" and params["channel"] == "book":
            yield from self.book(index)

    def book(self, index: int) -> Iterable[Action]:
        self.snapshots += 1
        self.bids, self.asks = [(100.1, 1.5), (100.0, 2.0)], [(100.2, 0.25)]
        yield self.frame("snapshot", self.bids, self.asks)
        self.bids = [(100.0, 2.0)]
        yield self.frame("update", [(100.1, 0.0)], [])
        if self.snapshots == 1:
            self.asks = [(100.2, 0.25), (100.3, 9.0)]  # which is told to nobody
            yield self.frame("update", [(100.0, 2.0)], [])
            yield self.frame("update", [(100.0, 2.0)], [])
        elif index == 0:
            yield text({"channel": "heartbeat"})
            yield text({"error": "Malformed request", "success": False})
            yield Drop()
        else:
            yield text(roles.kraken("trade", "update", roles.kraken_trade(7)))

    def frame(
        self, kind: str, bids: list[tuple[float, float]], asks: list[tuple[float, float]]
    ) -> str:
        item = {
            "symbol": "BTC/USD",
            "bids": roles.side(*bids),
            "asks": roles.side(*asks),
            "checksum": book_checksum(self.bids, self.asks, 1, 4),
            "timestamp": roles.TIME,
        }
        return text(roles.kraken("book", kind, item))


def test_DCKW_059_a_conversation_with_kraken() -> None:
    venue = KrakenVenue()

    class Quick(KrakenClient):
        terms = hastened(KrakenClient.terms)

    wanted = [Subscription("BTC/USD", kind) for kind in ("trades", "book")]
    wanted.append(Subscription(BAD, "trades"))

    def is_done(transcript: Transcript) -> bool:
        return bool(transcript.of(Trade))

    script = Script(on_connect=venue.on_connect, on_frame=venue.on_frame)
    with live_server(script) as server:
        transcript = talk(server, Quick, wanted, until=is_done)
    assert asked(server, 0) == [
        ("subscribe", "instrument"), ("subscribe", "trade"), ("subscribe", "book"),
        ("unsubscribe", "book"), ("subscribe", "book"),
    ]  # fmt: skip
    assert asked(server, 1) == asked(server, 0)[:3]
    assert venue.snapshots == 3
    assert [each.reason for each in statuses(transcript, "gap")] == [
        "the checksum of the book differs"
    ]
    assert {each.market for each in statuses(transcript, "refused")} - {""} == {BAD}
    assert transcript.health.errors["WIRE-E03"] == 1
    assert len(statuses(transcript, "heartbeat")) == 1
    assert len(transcript.of(BookSnapshot)) == len(transcript.of(BookChange)) == 3
    assert kept(transcript.messages).top(2) == ([(100.0, 2.0)], [(100.2, 0.25)])


def asked(server: LiveServer, index: int) -> list[tuple[str, str]]:
    """Method and channel of the frames a connection sent."""
    frames = [json.loads(each) for each in server.frames[index]]
    return [(each["method"], each["params"]["channel"]) for each in frames]
