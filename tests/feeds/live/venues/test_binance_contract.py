"""Binance's clients over a real socket, against a server on this machine that speaks the documented protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import msgspec
import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Message,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.binance import BinanceUsdmClient
from steelyard.feeds.live.venues.binance_client import BinanceClient
from tests.feeds.live.venues.binance_roles import (
    CLIENTS,
    NOW_MS,
    NOW_US,
    SYMBOLS,
    Venue,
    aggregate_trade,
    book_ticker,
    kinds,
    levels_of,
    mark_price,
)
from tests.support.live_server import (
    Action,
    Drop,
    Pause,
    Ping,
    Route,
    Script,
    Transcript,
    live_server,
    talk,
)


def quick(kind: type[BinanceClient]) -> type[BinanceClient]:
    """Return the client with a shorter pause between frames, and open as one place serves all."""
    terms = msgspec.structs.replace(kind.terms, send_interval_us=1_000)
    return type("Quick", (kind,), {"terms": terms, "routes": {}})


class Exchange:
    """A server with one book: it acknowledges, lists, and after the list streams `stream()`.

    lost: numbers of the frames of changes that get lost on the way.
    """

    def __init__(self, kind: type[BinanceClient], lost: Iterable[int] = ()) -> None:
        self.symbol = SYMBOLS[kind]
        self.venue = Venue(self.symbol, 7, is_futures=kind is not CLIENTS[0])
        self.lost = frozenset(lost)
        self.names: list[str] = []
        self.changes = 0
        self.snapshots = 0
        api = kind.api
        self.script = Script(
            on_connect=self.connect,
            on_frame=self.answer,
            routes={
                f"{api}/depth": self.depth,
                f"{api}/openInterest": Route(
                    msgspec.json.encode(
                        {"symbol": self.symbol, "openInterest": "640.1025", "time": NOW_MS}
                    )
                ),
            },
        )

    def depth(self, _: str) -> Route:
        self.snapshots += 1
        return Route(self.venue.snapshot())

    def connect(self, _: int, path: str) -> Iterable[Action]:
        assert path.startswith("/stream?streams=")
        self.names = path.partition("=")[2].split("/")
        yield Ping(b"1770123456789")

    def answer(self, index: int, frame: str) -> Iterable[Action]:
        request = json.loads(frame)
        if request["method"] == "SUBSCRIBE":
            self.names += request["params"]
            yield json.dumps({"result": None, "id": request["id"]})
            return
        yield json.dumps({"result": self.names, "id": request["id"]})
        yield from self.stream(index)

    def stream(self, _: int) -> Iterable[Action]:
        for _ in range(40):
            self.changes += 1
            if self.changes not in self.lost:
                yield self.venue.change().decode()
                yield Pause(0.002)
                continue
            while not self.snapshots:  # what is lost before the book stands is no gap
                yield Pause(0.002)
            yield Pause(0.25)
            self.venue.change()


def book_subscription(kind: type[BinanceClient]) -> list[Subscription]:
    return [Subscription(SYMBOLS[kind], "book")]


def rebuilt(messages: list[Message]) -> OrderBook:
    """Return the book that the messages make; none of them may fail to join."""
    book = OrderBook()
    for message in messages:
        if isinstance(message, (BookSnapshot, BookChange)):
            assert book.apply(message, NOW_US) == "applied"
    return book


def until_number(exchange: Exchange, changes: int) -> Callable[[Transcript], bool]:
    """Return whether the last of so many changes has come through."""

    def is_there(transcript: Transcript) -> bool:
        seen = [m for m in transcript.messages if isinstance(m, (BookSnapshot, BookChange))]
        if exchange.changes < changes or not seen:
            return False
        last = seen[-1]
        number = last.sequence if isinstance(last, BookSnapshot) else last.last_sequence
        return number == exchange.venue.sequence

    return is_there


@pytest.mark.parametrize("kind", CLIENTS[:2])
def test_BINW_030_a_book_over_the_socket_is_the_venues_own(kind: type[BinanceClient]) -> None:
    exchange = Exchange(kind)
    with live_server(exchange.script) as server:
        done = until_number(exchange, 40)
        heard = talk(
            server,
            quick(kind),
            book_subscription(kind),
            until=lambda transcript: done(transcript) and bool(server.pongs),
        )
    book = rebuilt(heard.messages)
    assert levels_of(book) == exchange.venue.truth[book.sequence]
    assert kinds(heard.of(Status)) == ["subscribed"]
    assert len(server.requests) == 1
    assert server.pongs == [b"1770123456789"]


@pytest.mark.parametrize("kind", CLIENTS[:2])
def test_BINW_030_a_lost_frame_is_a_gap_and_the_book_comes_back_whole(
    kind: type[BinanceClient],
) -> None:
    exchange = Exchange(kind, lost=[15])
    with live_server(exchange.script) as server:
        done = until_number(exchange, 40)
        heard = talk(server, quick(kind), book_subscription(kind), until=done)
    assert kinds(heard.of(Status)) == ["subscribed", "gap"]
    assert len(heard.of(BookSnapshot)) == 2
    assert len(server.requests) == 2
    gap = next(n for n, m in enumerate(heard.messages) if isinstance(m, Status) and m.kind == "gap")
    before, after = rebuilt(heard.messages[:gap]), rebuilt(heard.messages[gap:])
    assert levels_of(before) == exchange.venue.truth[before.sequence]
    assert levels_of(after) == exchange.venue.truth[after.sequence]
    assert heard.health.gaps == 1


def test_BINW_030_a_snapshot_from_before_the_stream_is_asked_for_again() -> None:
    kind = CLIENTS[0]
    exchange = Exchange(kind)
    old = exchange.venue.snapshot()
    exchange.venue.change()
    asked: list[str] = []

    def answer(path: str) -> Route:
        asked.append(path)
        return Route(old if len(asked) == 1 else exchange.venue.snapshot())

    exchange.script.routes[f"{kind.api}/depth"] = answer
    with live_server(exchange.script) as server:
        done = until_number(exchange, 40)
        heard = talk(server, quick(kind), book_subscription(kind), until=done)
    assert len(asked) >= 2
    book = rebuilt(heard.messages)
    assert levels_of(book) == exchange.venue.truth[book.sequence]


class Cut(Exchange):
    """Cuts the line of the first connection in the middle of the stream."""

    def stream(self, index: int) -> Iterable[Action]:
        for number, action in enumerate(super().stream(index)):
            if index == 0 and number == 20:
                yield Drop()
                return
            yield action


def test_BINW_031_after_a_cut_line_everything_starts_afresh() -> None:
    kind = BinanceUsdmClient
    exchange = Cut(kind)

    def again(transcript: Transcript) -> bool:
        return len(transcript.of(BookSnapshot)) == 2 and transcript.health.connects == 2

    with live_server(exchange.script) as server:
        heard = talk(server, quick(kind), book_subscription(kind), until=again)
    assert server.handshakes == 2
    assert server.paths == ["/stream?streams=btcusdt@depth@100ms"] * 2
    assert kinds(heard.of(Status)).count("subscribed") == 2
    assert heard.health.errors == {"CONN-E03": 1}


class Leaving(Exchange):
    """Says on the first connection that it is about to shut down."""

    def stream(self, index: int) -> Iterable[Action]:
        if index == 0:
            shutdown = {"e": "serverShutdown", "E": NOW_MS}
            yield json.dumps({"stream": "!serverShutdown", "data": shutdown})
            return
        yield aggregate_trade(self.symbol).decode()


def test_BINW_031_a_server_that_is_about_to_shut_down_is_left_at_once() -> None:
    kind = CLIENTS[0]
    wanted = [Subscription(SYMBOLS[kind], "trades")]
    with live_server(Leaving(kind).script) as server:
        heard = talk(server, quick(kind), wanted, until=lambda t: bool(t.of(Trade)))
    assert (server.handshakes, heard.health.restarts, heard.health.errors) == (2, 1, {})


class Everything(Exchange):
    """Streams one frame of each sort, an error and half a frame among them."""

    def stream(self, _: int) -> Iterable[Action]:
        yield aggregate_trade(self.symbol, p="50000").decode()
        yield '{"error":{"code":2,"msg":"Invalid request"},"id":9}'
        yield aggregate_trade(self.symbol).decode()[:40]
        yield book_ticker(self.symbol).decode()
        yield aggregate_trade(self.symbol, q="nan").decode()
        yield mark_price(self.symbol).decode()


@pytest.mark.parametrize("kind", CLIENTS[1:])
def test_BINW_032_what_cannot_be_read_is_left_out_and_named_and_the_rest_goes_on(
    kind: type[BinanceClient],
) -> None:
    wanted = [Subscription(SYMBOLS[kind], each) for each in ("trades", "quotes", "reference")]
    with live_server(Everything(kind).script) as server:
        heard = talk(server, quick(kind), wanted, until=lambda t: len(t.of(Reference)) == 2)
    assert heard.health.errors == {"WIRE-E01": 1, "WIRE-E02": 1, "WIRE-E03": 1}
    assert (len(heard.of(Trade)), len(heard.of(Quote))) == (1, 1)
    mark, interest = heard.of(Reference)
    assert isinstance(mark, Reference)
    assert isinstance(interest, Reference)
    assert mark.mark_price == 64010.25
    units = 640.1025 if kind is BinanceUsdmClient else 640.1025 * 100.0 / 64010.25
    assert interest.open_interest == units
    assert server.requests == [f"{kind.api}/openInterest?symbol={SYMBOLS[kind]}"]


def test_BINW_033_more_streams_than_an_address_holds_are_all_asked_for() -> None:
    kind = CLIENTS[0]
    exchange = Exchange(kind)
    wanted = [Subscription(f"C{number}USDT", "quotes") for number in range(350)]

    def is_listed(transcript: Transcript) -> bool:
        return kinds(transcript.of(Status)).count("subscribed") == 350

    with live_server(exchange.script) as server:
        talk(server, quick(kind), wanted, until=is_listed)
    assert [json.loads(each)["method"] for each in server.frames[0][:3]] == [
        "SUBSCRIBE",
        "SUBSCRIBE",
        "LIST_SUBSCRIPTIONS",
    ]
