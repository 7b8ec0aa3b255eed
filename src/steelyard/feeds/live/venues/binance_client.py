"""What Binance's three markets share: which streams to ask for, and what their frames say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

import msgspec

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Fetch,
    Message,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.venues import binance_frames as frames
from steelyard.feeds.live.venues.binance_book import BookAlignment, Place
from steelyard.feeds.live.venues.reading import (
    PRICE_MIN,
    decode,
    other_shape,
    unreadable,
    venue_error,
)
from steelyard.quantities import InputError

STREAMS_IN_ADDRESS_MAX = 100
STREAMS_IN_FRAME_MAX = 200
RENEWAL_US = 85_800_000_000  # 23 h 50 min; the venue ends a connection at 24 h
PROBE_US = 15_000_000
OPEN_INTEREST_US = 60_000_000
LIST_ID = 1
UNKNOWN_SYMBOL = "-1121"

_NAME_AT = len(b'{"stream":"')
_NAME_START = b'{"stream":"'
_CONTROL = frames.decoder(frames.Other)
_EVENT = frames.decoder(frames.EventType)
_NAMES = frames.decoder(list[str])
_ERROR = frames.decoder(frames.VenueError)
_SNAPSHOT = frames.decoder(frames.DepthSnapshot)
_OPEN_INTEREST = frames.decoder(frames.OpenInterest)
_AGGREGATE_TRADE = frames.decoder(frames.AggregateTradeFrame)
_SINGLE_TRADE = frames.decoder(frames.SingleTradeFrame)
_BOOK_TICKER = frames.decoder(frames.BookTickerFrame)
_MARK_PRICE = frames.decoder(frames.MarkPriceFrame)


class Stream(NamedTuple):
    """What a stream's name leads to. contract_size: 0 where quantities are in units of the base asset."""

    market: str
    symbol: str
    contract_size: float
    decode: Callable[[bytes], Any]
    read: Callable[[Stream, Any, int], list[Message]]


class BinanceClient:
    """What the three markets share; each of them is a class of its own in `binance`.

    api: first part of the REST paths. routes: part of the address where a channel is served. suffixes:
    the stream of a channel. depth_frame, place: how a book's changes look and join.
    """

    terms: VenueTerms
    api: ClassVar[str]
    snapshot_levels: ClassVar[int]
    suffixes: ClassVar[Mapping[str, str]]
    routes: ClassVar[Mapping[str, str]] = {}
    depth_frame: ClassVar[type[msgspec.Struct]]
    place: ClassVar[Callable[..., Place]]

    def __init__(self) -> None:
        self._streams: dict[bytes, Stream] = {}
        self._books: dict[str, BookAlignment] = {}
        self._snapshots: dict[str, str] = {}
        self._open_interest: dict[str, str] = {}
        self._contract_sizes: Mapping[str, float] | None = None
        self._open_interest_due_us: dict[str, int] = {}
        self._expected: dict[str, str] = {}
        self._refused: list[Message] = []
        self._has_list = False
        self._renew_at_us = 0
        self._last_us = 0

    # -- what to send ------------------------------------------------------------------------------

    def split(self, subscriptions: Sequence[Subscription]) -> list[list[Subscription]]:
        """Return the subscriptions in groups that one connection each can carry."""
        groups: dict[str, list[Subscription]] = {}
        elsewhere = self._route(subscriptions)
        for each in subscriptions:
            groups.setdefault(self.routes.get(each.channel, elsewhere), []).append(each)
        most = self.terms.subscriptions_max
        return [
            group[start : start + most]
            for group in groups.values()
            for start in range(0, len(group), most)
        ]

    def address(self, subscriptions: Sequence[Subscription]) -> str:
        """Return the path with the names of the first streams, e.g. /stream?streams=btcusdt@aggTrade."""
        names = self._take(subscriptions)[:STREAMS_IN_ADDRESS_MAX]
        route = self._route(subscriptions)
        streams = "/".join(quote(name, safe="@!_") for name in names)
        return f"{route}/stream?streams={streams}" if streams else f"{route}/stream"

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return SUBSCRIBE frames for the streams that the address left out, then LIST_SUBSCRIPTIONS."""
        names = self._take(subscriptions)[STREAMS_IN_ADDRESS_MAX:]
        sent: list[str] = []
        for start in range(0, len(names), STREAMS_IN_FRAME_MAX):
            request = {
                "method": "SUBSCRIBE",
                "params": names[start : start + STREAMS_IN_FRAME_MAX],
                "id": LIST_ID + 1 + len(sent),
            }
            sent.append(msgspec.json.encode(request).decode())
        return [*sent, self._list_frame()]

    def due(self, now_us: int) -> list[str]:
        """Return LIST_SUBSCRIPTIONS after fifteen silent seconds, so that a quiet market is told from a
        dead connection. Ping frames of the server are the socket's to answer."""
        if self._last_us == 0:
            self._last_us = now_us
        if now_us - self._last_us < PROBE_US:
            return []
        self._last_us = now_us
        return [self._list_frame()]

    # -- what comes in -----------------------------------------------------------------------------

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        self._last_us = received_us
        # The stream's name is the first that a frame says: it tells the types to decode it into.
        stream = self._streams.get(frame[: frame.find(b'"', _NAME_AT)])
        if stream is None:
            return self._aged(self._other(frame, received_us), received_us)
        try:
            data = stream.decode(frame).data
            if data.symbol != stream.symbol:
                why = f"symbol {data.symbol[:32]!r} on a stream of {stream.symbol}"
                raise other_shape(self.terms.name, why)
            out = stream.read(stream, data, received_us)
        except msgspec.ValidationError as error:
            raise other_shape(self.terms.name, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(self.terms.name, str(error)) from None
        return out if received_us < self._renew_at_us else self._aged(out, received_us)

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:
        """Return what a snapshot or an open interest says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        market = self._open_interest.get(fetch_path)
        if market is not None:
            interest = self._answer(_OPEN_INTEREST, body)
            if interest.symbol != market.upper():
                why = f"symbol {interest.symbol[:32]!r} for {market}"
                raise other_shape(self.terms.name, why)
            return self._read_open_interest(market, interest)
        symbol = self._snapshots.get(fetch_path, "")
        book = self._books.get(symbol)
        if book is None:
            raise other_shape(self.terms.name, f"nobody asked for {fetch_path[:80]!r}")
        size = self._contract_size(symbol)
        try:
            answer = self._answer(_SNAPSHOT, body)
            snapshot = BookSnapshot(
                book.market,
                in_base(answer.bids, size),
                in_base(answer.asks, size),
                answer.time_ms * 1000,
                answer.last,
            )
        except InputError as error:
            if error.where.get("venue_code") == UNKNOWN_SYMBOL:
                book.refuse()
                return [Status(book.market, "refused", f"book: {error.args[0][:200]}")]
            book.failed(received_us)
            raise
        return book.snapshot(snapshot, received_us)

    # -- inside ------------------------------------------------------------------------------------

    def _route(self, subscriptions: Sequence[Subscription]) -> str:
        """Return where the first subscription is served that is served at a place of its own."""
        return next((self.routes[s.channel] for s in subscriptions if s.channel in self.routes), "")

    def _refusal(self, subscription: Subscription, route: str) -> str:
        """Return why a subscription cannot be served, empty if it can."""
        symbol = subscription.market.upper()
        if not symbol.replace("_", "").isalnum():
            return "no symbol of this venue"
        if subscription.channel not in self.suffixes:
            return "no such channel here"
        served = self.routes.get(subscription.channel, "")
        if served != route:
            return f"served at {served}: needs a connection of its own"
        if self._contract_sizes is not None and not self._contract_size(symbol):
            return "no contract size is stated for this pair"
        return ""

    def _contract_size(self, symbol: str) -> float:
        """Return the dollars a contract is worth, 0 where none is stated."""
        sizes = self._contract_sizes or {}
        return sizes.get(symbol.partition("_")[0], sizes.get("*", 0.0))

    def _take(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Set up what is subscribed and return the names of the streams, each once."""
        route = self._route(subscriptions)
        self._streams.clear()
        self._books.clear()
        self._snapshots.clear()
        self._open_interest.clear()
        self._expected.clear()
        self._refused.clear()
        for each in subscriptions:
            why = self._refusal(each, route)
            if why:
                self._refused.append(Status(each.market, "refused", f"{each.channel}: {why}"))
                continue
            suffix = self.suffixes[each.channel]
            name = each.market.lower() + suffix
            self._expected[name] = each.market
            self._streams[_NAME_START + name.encode()] = self._stream(each, suffix)
        return list(self._expected)

    def _stream(self, subscription: Subscription, suffix: str) -> Stream:
        market, symbol = subscription.market, subscription.market.upper()
        size = self._contract_size(symbol)
        query = quote(symbol, safe="_")
        if suffix == "@aggTrade":
            return Stream(market, symbol, size, _AGGREGATE_TRADE.decode, self._read_trade)
        if suffix == "@trade":
            return Stream(market, symbol, size, _SINGLE_TRADE.decode, self._read_single)
        if suffix == "@bookTicker":
            return Stream(market, symbol, size, _BOOK_TICKER.decode, self._read_ticker)
        if suffix.startswith("@depth"):
            path = f"{self.api}/depth?symbol={query}&limit={self.snapshot_levels}"
            self._snapshots[path] = symbol
            self._books[symbol] = BookAlignment(market, path, type(self).place)
            decode = frames.decoder(self.depth_frame).decode
            return Stream(market, symbol, size, decode, self._read_depth)
        self._open_interest[f"{self.api}/openInterest?symbol={query}"] = market
        return Stream(market, symbol, size, _MARK_PRICE.decode, self._read_mark)

    def _aged(self, out: list[Message], received_us: int) -> list[Message]:
        """Add what could not be asked for to the first frame, and the wish for a new connection in time."""
        if received_us < self._renew_at_us:
            return out
        if self._renew_at_us == 0:
            out = [*out, *self._refused]
        else:
            out = [*out, Status("", "restart", "the venue ends a connection after 24 hours")]
        self._renew_at_us = received_us + RENEWAL_US
        return out

    def _list_frame(self) -> str:
        return f'{{"method":"LIST_SUBSCRIPTIONS","id":{LIST_ID}}}'

    def _other(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what a frame says that is of no stream of ours."""
        venue = self.terms.name
        other = decode(_CONTROL, frame, venue)
        if other.stream:
            stream = self._streams.get(_NAME_START + other.stream.encode("utf-8", "replace"))
            if stream is not None:
                # The same frame in another order or spelling than the venue's own.
                whole = msgspec.json.encode({"stream": other.stream, "data": other.data})
                if whole != frame and whole.startswith(_NAME_START):
                    return self.receive(whole, received_us)
            kind = decode(_EVENT, other.data, venue).e
        else:
            kind = other.e
        if kind == "serverShutdown":
            return [Status("", "restart", "the venue is about to shut this server down")]
        if other.stream:
            return [Status("", "malformed", f"stream nobody asked for: {other.stream[:64]}")]
        if other.error is not None:
            raise venue_error(venue, other.error.code, other.error.msg)
        if other.code is not None:
            raise venue_error(venue, other.code, other.msg)
        if bytes(other.result) == b"":
            raise other_shape(venue, "neither stream nor answer")
        if other.id == LIST_ID:
            return self._listed(decode(_NAMES, other.result, venue), received_us)
        return []

    def _listed(self, names: list[str], received_us: int) -> list[Message]:
        """Return which streams the server took, and which it did not; books then want a snapshot."""
        taken = set(names)
        out: list[Message] = []
        for name, market in self._expected.items():
            if name not in taken:
                out.append(Status(market, "refused", f"{name}: not among the subscriptions"))
            elif not self._has_list:
                out.append(Status(market, "subscribed", name))
        if not self._has_list:
            for book in self._books.values():
                out += book.begin(received_us)
        self._has_list = True
        return out or [Status("", "heartbeat")]

    def _read_trade(self, stream: Stream, trade: Any, _: int) -> list[Message]:
        price, quantity, size = trade.price, trade.quantity, stream.contract_size
        if size:
            quantity = quantity * size / price
        is_buy, time_us = not trade.buyer_is_maker, trade.time_ms * 1000
        return [Trade(stream.market, price, quantity, is_buy, time_us, str(trade.number))]

    def _read_single(self, stream: Stream, trade: frames.SingleTrade, now_us: int) -> list[Message]:
        if trade.origin != "MARKET" or trade.price < PRICE_MIN or not trade.quantity:
            return []  # a transfer to the insurance fund or between accounts: nobody traded at it
        return self._read_trade(stream, trade, now_us)

    def _read_ticker(self, stream: Stream, ticker: frames.BookTicker, _: int) -> list[Message]:
        bid, bid_quantity, size = ticker.bid, ticker.bid_quantity, stream.contract_size
        ask, ask_quantity = ticker.ask, ticker.ask_quantity
        if bid < PRICE_MIN or not bid_quantity:
            bid = bid_quantity = 0.0
        elif size:
            bid_quantity = bid_quantity * size / bid
        if ask < PRICE_MIN or not ask_quantity:
            ask = ask_quantity = 0.0
        elif size:
            ask_quantity = ask_quantity * size / ask
        time_us = (ticker.time_ms or ticker.event_ms) * 1000
        return [Quote(stream.market, bid, bid_quantity, ask, ask_quantity, time_us)]

    def _read_depth(self, stream: Stream, depth: Any, received_us: int) -> list[Message]:
        if depth.first > depth.last or depth.previous >= depth.first:
            numbers = f"{depth.previous}, {depth.first}, {depth.last}"
            raise msgspec.ValidationError(f"numbers out of order: {numbers}")
        change = BookChange(
            stream.market,
            in_base(depth.bids, stream.contract_size),
            in_base(depth.asks, stream.contract_size),
            depth.time_ms * 1000,
            depth.first,
            depth.last,
            depth.previous,
        )
        return self._books[stream.symbol].change(change, received_us)

    def _read_mark(self, stream: Stream, mark: frames.MarkPrice, received_us: int) -> list[Message]:
        market = stream.market
        out: list[Message] = [
            Reference(
                market,
                mark.time_ms * 1000,
                index_price=mark.index or None,
                mark_price=mark.mark or None,
                funding_rate=frames.funding_of(mark.funding),
            )
        ]
        if received_us >= self._open_interest_due_us.get(market, 0):
            self._open_interest_due_us[market] = received_us + OPEN_INTEREST_US
            query = quote(mark.symbol, safe="_")
            out.append(Fetch(market, f"{self.api}/openInterest?symbol={query}"))
        return out

    def _read_open_interest(self, market: str, answer: frames.OpenInterest) -> list[Message]:
        return [Reference(market, answer.time_ms * 1000, open_interest=answer.quantity)]

    def _answer(self, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        """Return the answer to a Fetch; what is none may be an error of the venue."""
        venue = self.terms.name
        try:
            return decode(decoder, body, venue)
        except InputError as error:
            try:
                said = decode(_ERROR, body, venue)
            except InputError:
                raise error from None
            raise venue_error(venue, said.code, said.msg) from None


def in_base(levels: list[tuple[float, float]], size: float) -> list[tuple[float, float]]:
    """Return levels in units of the base asset: contracts of `size` dollars are size / price units each.

    >>> in_base([(40_000.0, 8.0)], 100.0), in_base([(40_000.0, 8.0)], 0.0)
    ([(40000.0, 0.02)], [(40000.0, 8.0)])
    """
    if not size:
        return levels
    return [(price, quantity * size / price) for price, quantity in levels]
