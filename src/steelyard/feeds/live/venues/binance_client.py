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


class _Stream(NamedTuple):
    """What a stream's name leads to."""

    market: str
    symbol: str
    decode: Callable[[bytes], Any]
    read: Callable[[str, Any, int], list[Message]]


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
        self._streams: dict[bytes, _Stream] = {}
        self._books: dict[str, BookAlignment] = {}
        self._snapshots: dict[str, str] = {}
        self._open_interest: dict[str, str] = {}
        self._contract_sizes: Mapping[str, float] | None = None
        self._size_of: dict[str, float] = {}
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
        for each in subscriptions:
            groups.setdefault(self.routes.get(each.channel, ""), []).append(each)
        most = self.terms.subscriptions_max
        return [
            group[start : start + most]
            for group in groups.values()
            for start in range(0, len(group), most)
        ]

    def address(self, subscriptions: Sequence[Subscription]) -> str:
        """Return the path with the names of the first streams, e.g. /stream?streams=btcusdt@aggTrade."""
        names = self._take(subscriptions)[:STREAMS_IN_ADDRESS_MAX]
        route = self.routes.get(subscriptions[0].channel, "") if subscriptions else ""
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
        if frame.startswith(_NAME_START):
            stream = self._streams.get(frame[_NAME_AT : frame.find(b'"', _NAME_AT)])
            if stream is not None:
                try:
                    data = stream.decode(frame).data
                    if data.symbol != stream.symbol:
                        why = f"symbol {data.symbol[:32]!r} on a stream of {stream.symbol}"
                        raise other_shape(self.terms.name, why)
                    out = stream.read(stream.market, data, received_us)
                except msgspec.ValidationError as error:
                    raise other_shape(self.terms.name, str(error)) from None
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise unreadable(self.terms.name, str(error)) from None
                return self._aged(out, received_us)
        return self._aged(self._other(frame, received_us), received_us)

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
        try:
            answer = self._answer(_SNAPSHOT, body)
            snapshot = BookSnapshot(
                book.market,
                self._levels(symbol, answer.bids),
                self._levels(symbol, answer.asks),
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
        if self._contract_sizes is not None:
            size = self._contract_sizes.get(symbol.partition("_")[0], self._contract_sizes.get("*"))
            if size is None:
                return "no contract size is stated for this pair"
            self._size_of[symbol] = size
        return ""

    def _quantity(self, symbol: str, quantity: float, price: float) -> float:
        """Return a quantity in units of the base asset: contracts of S dollars are S / price each."""
        size = self._size_of.get(symbol)
        return quantity if size is None else quantity * size / price

    def _levels(self, symbol: str, levels: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return levels with quantities in units of the base asset."""
        size = self._size_of.get(symbol)
        if size is None:
            return levels
        return [(price, quantity * size / price) for price, quantity in levels]

    def _take(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Set up what is subscribed and return the names of the streams, each once."""
        route = self.routes.get(subscriptions[0].channel, "") if subscriptions else ""
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
            self._streams[name.encode()] = self._stream(each, suffix)
        return list(self._expected)

    def _stream(self, subscription: Subscription, suffix: str) -> _Stream:
        market, symbol = subscription.market, subscription.market.upper()
        query = quote(symbol, safe="_")
        if suffix == "@aggTrade":
            return _Stream(market, symbol, _AGGREGATE_TRADE.decode, self._read_trade)
        if suffix == "@trade":
            return _Stream(market, symbol, _SINGLE_TRADE.decode, self._read_single)
        if suffix == "@bookTicker":
            return _Stream(market, symbol, _BOOK_TICKER.decode, self._read_ticker)
        if suffix.startswith("@depth"):
            path = f"{self.api}/depth?symbol={query}&limit={self.snapshot_levels}"
            self._snapshots[path] = symbol
            self._books[symbol] = BookAlignment(market, path, type(self).place)
            decode = frames.decoder(self.depth_frame).decode
            return _Stream(market, symbol, decode, self._read_depth)
        self._open_interest[f"{self.api}/openInterest?symbol={query}"] = market
        return _Stream(market, symbol, _MARK_PRICE.decode, self._read_mark)

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
            stream = self._streams.get(other.stream.encode("utf-8", "replace"))
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

    def _read_trade(self, market: str, trade: frames.AggregateTrade, _: int) -> list[Message]:
        price = trade.price
        quantity = self._quantity(trade.symbol, trade.quantity, price)
        return [
            Trade(
                market,
                price,
                quantity,
                not trade.buyer_is_maker,
                trade.time_ms * 1000,
                str(trade.number),
            )
        ]

    def _read_single(self, market: str, trade: frames.SingleTrade, _: int) -> list[Message]:
        price = trade.price
        if trade.origin != "MARKET" or price < PRICE_MIN or not trade.quantity:
            return []  # a transfer to the insurance fund or between accounts: nobody traded at it
        quantity = self._quantity(trade.symbol, trade.quantity, price)
        number, is_buy = str(trade.number), not trade.buyer_is_maker
        return [Trade(market, price, quantity, is_buy, trade.time_ms * 1000, number)]

    def _read_ticker(self, market: str, ticker: frames.BookTicker, _: int) -> list[Message]:
        bid, bid_quantity = self._side(ticker.symbol, ticker.bid, ticker.bid_quantity)
        ask, ask_quantity = self._side(ticker.symbol, ticker.ask, ticker.ask_quantity)
        time_us = (ticker.time_ms or ticker.event_ms) * 1000
        return [Quote(market, bid, bid_quantity, ask, ask_quantity, time_us)]

    def _side(self, symbol: str, price: float, quantity: float) -> tuple[float, float]:
        if price < PRICE_MIN or quantity == 0.0:
            return 0.0, 0.0
        return price, self._quantity(symbol, quantity, price)

    def _read_depth(self, market: str, depth: Any, received_us: int) -> list[Message]:
        symbol = depth.symbol
        if depth.first > depth.last or depth.previous >= depth.first:
            numbers = f"{depth.previous}, {depth.first}, {depth.last}"
            raise msgspec.ValidationError(f"numbers out of order: {numbers}")
        change = BookChange(
            market,
            self._levels(symbol, depth.bids),
            self._levels(symbol, depth.asks),
            depth.time_ms * 1000,
            depth.first,
            depth.last,
            depth.previous,
        )
        return self._books[symbol].change(change, received_us)

    def _read_mark(self, market: str, mark: frames.MarkPrice, received_us: int) -> list[Message]:
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
