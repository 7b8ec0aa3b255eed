"""Kraken: the public WebSocket of its spot exchange, version 2.

A subscription becomes these channels; a market is named by its pair, e.g. BTC/USD (never XBT):

    trades     trade, without the last fifty
    quotes     ticker, at every change of the best bid or ask
    book       book, 500 levels a side unless told otherwise (10, 25, 100, 500 or 1000)

`instrument` comes with them: the state of a pair, and the decimals of its prices and quantities, which
the checksum of a book needs. `status` and `heartbeat` come unasked. Derivatives have another address
there; this one has no `reference` and no `options`: refused.

Gaps: a book has no numbers, only a checksum after each change. So the client keeps the levels to compare
(`verifies_books`); where they differ the book is subscribed anew. Until the decimals of a pair are known
its changes go out without a checksum. Only the ten best levels a side are compared: what is missed
behind them shows when it comes there. trade_id rises by one; trades that are left out are a gap, and the
book is subscribed anew with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Message,
    Quote,
    Send,
    Status,
    Trade,
)
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.awaited import Awaited
from steelyard.feeds.live.venues.bounded import (
    Checksum,
    Counter,
    Decimals,
    Instant,
    Price,
    PriceOrZero,
    Quantity,
    instant_us,
)
from steelyard.feeds.live.venues.kraken_checksum import book_checksum, checksum_of
from steelyard.feeds.live.venues.reading import (
    PRICE_MIN,
    TEXT_MAX,
    decode,
    other_shape,
    venue_error,
)
from steelyard.quantities import InputError

VENUE = "kraken"
TERMS = VenueTerms(
    name=VENUE,
    operator="kraken",
    websocket_url="wss://ws.kraken.com/v2",
    rest_url="https://api.kraken.com",
    # No figure is documented for subscriptions; too many at once are refused with "Exceeded msg rate".
    send_interval_us=200_000,
    subscriptions_max=200,
    silence_us=10_000_000,  # a heartbeat every second in which nothing else is sent
    documentation="https://docs.kraken.com/exchange/api-reference/spot-websocket",
    source="Spot WebSocket v2 reference and guide to its book checksum, as of May 2026",
)

BOOK_DEPTHS = (10, 25, 100, 500, 1000)
PING_US = 20_000_000
RETRY_US = 5_000_000
TOO_FAST = "Exceeded msg rate"
_HALTING = frozenset("cancel_only delisted maintenance post_only work_in_progress".split())
_CHANNELS = {"trades": "trade", "quotes": "ticker", "book": "book"}
_READ = frozenset("trade ticker book instrument status heartbeat".split())


class _Level(msgspec.Struct, gc=False):
    price: Price
    qty: Quantity


class _Item(msgspec.Struct, gc=False):
    """What one entry of the data of any channel may hold: one pass reads it, the channel says what of."""

    symbol: str = ""
    timestamp: Instant | None = None
    bids: list[_Level] | None = None
    asks: list[_Level] | None = None
    checksum: Checksum | None = None
    side: Literal["buy", "sell"] | None = None
    price: Price | None = None
    qty: Quantity | None = None
    trade_id: Counter | None = None
    bid: PriceOrZero | None = None
    bid_qty: Quantity | None = None
    ask: PriceOrZero | None = None
    ask_qty: Quantity | None = None
    system: str = ""


class _Pair(msgspec.Struct, gc=False):
    symbol: str
    status: str
    price_precision: Decimals
    qty_precision: Decimals


class _Instruments(msgspec.Struct, gc=False):
    pairs: list[_Pair] = []


class _Result(msgspec.Struct, gc=False):
    channel: str = ""
    symbol: str = ""


class _Frame(msgspec.Struct, gc=False):
    channel: str = ""
    type: str = ""
    data: list[_Item] | _Instruments | None = None
    method: str = ""
    success: bool | None = None
    error: str = ""
    symbol: str = ""
    req_id: int | None = None
    result: _Result | None = None


class _AnyFrame(msgspec.Struct, gc=False):
    channel: str = ""


_FRAME = msgspec.json.Decoder(_Frame, strict=False)
_ANY_FRAME = msgspec.json.Decoder(_AnyFrame)


class _Market:
    """What is known of one market. trade_id: -1 at first. decimals: of price and quantity."""

    __slots__ = ("book", "decimals", "halted", "has_book", "name", "trade_id", "wants")

    def __init__(self, name: str) -> None:
        self.name = name
        self.wants: set[str] = set()
        self.trade_id = -1
        self.decimals: tuple[int, int] | None = None
        self.has_book = False
        self.book: OrderBook | None = None
        self.halted = ""


class KrakenClient:
    """Reads Kraken's public spot feed; one instance a connection.

    book_depth: levels a side, one of BOOK_DEPTHS. verifies_books: hold each book against its checksum.

    >>> client = KrakenClient(book_depth=25)
    >>> client.opening([Subscription("BTC/USD", "book")])[1]
    '{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":25},"req_id":2}'
    >>> client.receive(b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":'
    ...     b'[{"price":45283.5,"qty":0.1}],"asks":[],"checksum":0}]}', 0)[0].bids
    [(45283.5, 0.1)]
    """

    terms = TERMS

    def __init__(self, *, book_depth: int = 500, verifies_books: bool = True) -> None:
        assert book_depth in BOOK_DEPTHS
        self.book_depth = book_depth
        self.verifies_books = verifies_books
        self._markets: dict[str, _Market] = {}
        self._asked: dict[int, tuple[str, list[str]]] = {}
        self._again: list[tuple[str, list[str]]] = []
        self._again_us = 0
        self._awaited = Awaited()
        self._pending: list[Message] = []
        self._ids = 0
        self._ping_us = 0
        self._system = "online"

    # -- what goes out -----------------------------------------------------------------------------

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        """Return nothing: all is said in frames."""
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return the frames that subscribe: one for the instruments, one for each channel."""
        symbols: dict[str, list[str]] = {}
        for subscription in subscriptions:
            name, kind = subscription.market, subscription.channel
            if kind not in _CHANNELS:
                reason = f"the spot exchange has no {kind}"
                self._pending.append(Status(name, "refused", reason))
                continue
            market = self._markets.setdefault(name, _Market(name))
            if kind not in market.wants:
                market.wants.add(kind)
                symbols.setdefault(_CHANNELS[kind], []).append(name)
            if kind == "book":
                self._awaited.expect(name)
        frames = [self._request("subscribe", "instrument", [])]
        frames.extend(
            self._request("subscribe", channel, names) for channel, names in symbols.items()
        )
        return frames

    def due(self, now_us: int) -> list[str]:
        """Return a ping every 20 s, and new questions for what stays away."""
        frames = []
        if not 0 <= now_us - self._ping_us < PING_US:
            if self._ping_us:
                self._ids += 1
                ping = {"method": "ping", "req_id": self._ids}
                frames.append(msgspec.json.encode(ping).decode())
            self._ping_us = now_us
        for name in self._awaited.overdue(now_us):
            self._markets[name].has_book = False
            frames.extend(self._renewal(name))
        if self._again:
            if self._again_us == 0:
                self._again_us = now_us + RETRY_US
            elif now_us >= self._again_us:
                frames += [self._request("subscribe", *asked) for asked in self._again]
                self._again, self._again_us = [], 0
        return frames

    def resubscribe(self, market: str) -> None:
        """Ask for a fresh snapshot of a book: the next `due` sends it."""
        if market in self._markets and "book" in self._markets[market].wants:
            self._awaited.want(market)

    def decimals(self, market: str) -> tuple[int, int] | None:
        """Return the decimals of a market's prices and quantities once the venue has told them."""
        known = self._markets.get(market)
        return None if known is None else known.decimals

    def _request(self, method: str, channel: str, symbols: list[str]) -> str:
        params: dict[str, object] = {"channel": channel}
        if symbols:
            params["symbol"] = symbols
        if channel == "book":
            params["depth"] = self.book_depth
        if method == "subscribe" and channel == "trade":
            params["snapshot"] = False
        if method == "subscribe" and channel == "ticker":
            params["event_trigger"] = "bbo"
        self._ids += 1
        if method == "subscribe":
            self._asked[self._ids] = (channel, symbols)
        request = {"method": method, "params": params, "req_id": self._ids}
        return msgspec.json.encode(request).decode()

    def _renewal(self, name: str) -> list[str]:
        return [
            self._request("unsubscribe", "book", [name]),
            self._request("subscribe", "book", [name]),
        ]

    # -- what comes in -----------------------------------------------------------------------------

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        try:
            whole = decode(_FRAME, frame, VENUE)
        except InputError as error:
            return self._unfit(frame, error)
        try:
            messages = self._said(whole, received_us)
        except InputError:
            if whole.channel == "book" and isinstance(whole.data, list):
                self._lose([item.symbol for item in whole.data])
            raise
        if self._pending:
            messages = [*self._pending, *messages]
            self._pending = []
        return messages

    def _unfit(self, frame: bytes, error: InputError) -> list[Message]:
        """Leave a channel nobody asked for alone, whatever it holds.

        Of a book a change that cannot be read is a change that is missing; where it is not among the ten
        best levels, no checksum tells.
        """
        try:
            channel = decode(_ANY_FRAME, frame, VENUE).channel
        except InputError:
            self._lose(self._markets)
            raise error from None
        if channel == "book":
            self._lose(self._markets)
        elif error.code == "WIRE-E02" and channel and channel not in _READ:
            return [_unknown("channel", channel)]
        raise error

    def _lose(self, names: Iterable[str]) -> None:
        """Take nothing of these books until the next snapshot, which `due` asks for."""
        for name in names:
            market = self._markets.get(name)
            if market is not None and market.has_book:
                market.has_book = False
                self._awaited.want(name)
                self._pending.append(Status(name, "gap", "a frame of the book cannot be read"))

    def _said(self, whole: _Frame, received_us: int) -> list[Message]:
        channel, data = whole.channel, whole.data
        if not channel:
            return self._replied(whole)
        if channel == "heartbeat":
            return [Status("", "heartbeat")]
        if channel not in _READ:
            return [_unknown("channel", channel)]
        if channel == "instrument":
            if not isinstance(data, _Instruments):
                raise other_shape(VENUE, "instruments without pairs")
            return self._instruments(data.pairs)
        if not isinstance(data, list):
            raise other_shape(VENUE, f"no list of data on {channel}")
        messages: list[Message] = []
        for item in data:
            if channel == "status":
                messages += self._status(item)
                continue
            market = self._markets.get(item.symbol)
            if market is None:
                messages.append(_unknown("symbol", item.symbol))
            elif channel == "book":
                messages += self._book(market, whole.type, item, received_us)
            elif channel == "ticker":
                messages.append(_quote(market, item))
            else:
                messages += self._trade(market, item, received_us)
        return messages

    def _book(self, market: _Market, kind: str, item: _Item, received_us: int) -> list[Message]:
        if item.bids is None or item.asks is None or item.checksum is None:
            raise other_shape(VENUE, "a book without bids, asks or checksum")
        bids = [(level.price, level.qty) for level in item.bids]
        asks = [(level.price, level.qty) for level in item.asks]
        time_us = 0 if item.timestamp is None else instant_us(item.timestamp, VENUE)
        if kind == "snapshot":
            bids.sort(reverse=True)
            asks.sort()
            return self._snapshot(market, bids, asks, time_us, item.checksum, received_us)
        if kind != "update":
            raise other_shape(VENUE, "a book that is neither a snapshot nor an update")
        if not market.has_book:
            return []  # of the old subscription: the snapshot is on its way
        stated = None if market.decimals is None else item.checksum
        change = BookChange(market.name, bids, asks, time_us, checksum=stated)
        if market.book is not None and market.book.apply(change, received_us) != "applied":
            return self._gap(market, received_us)
        return [change]

    def _snapshot(
        self,
        market: _Market,
        bids: list[tuple[float, float]],
        asks: list[tuple[float, float]],
        time_us: int,
        checksum: int,
        received_us: int,
    ) -> list[Message]:
        if market.decimals is not None and book_checksum(bids, asks, *market.decimals) != checksum:
            return self._gap(market, received_us)
        self._awaited.came(market.name)
        market.has_book = True
        snapshot = BookSnapshot(market.name, bids, asks, time_us)
        if self.verifies_books:
            rule = None if market.decimals is None else checksum_of(*market.decimals)
            market.book = OrderBook(self.book_depth, is_windowed=True, checksum=rule)
            market.book.apply(snapshot, received_us)
        return [snapshot]

    def _gap(
        self, market: _Market, received_us: int, reason: str = "the checksum of the book differs"
    ) -> list[Message]:
        """Take nothing of a book with a gap until the next snapshot, which is asked for."""
        gap: list[Message] = [Status(market.name, "gap", reason)]
        if "book" in market.wants:
            market.has_book = False
            if self._awaited.ask(market.name, received_us):
                gap.extend(Send(market.name, frame) for frame in self._renewal(market.name))
        return gap

    def _trade(self, market: _Market, item: _Item, received_us: int) -> list[Message]:
        number, price, quantity, side = item.trade_id, item.price, item.qty, item.side
        if number is None or price is None or quantity is None or side is None:
            raise other_shape(VENUE, "a trade without trade_id, price, qty or side")
        if item.timestamp is None:
            raise other_shape(VENUE, "a trade without its time")
        time_us = instant_us(item.timestamp, VENUE)
        held = market.trade_id
        if number <= held:
            return []
        market.trade_id = number
        trade = Trade(market.name, price, quantity, side == "buy", time_us, str(number))
        if 0 <= held < number - 1:
            missing = f"trades {held + 1} to {number - 1} are missing"
            return [*self._gap(market, received_us, missing), trade]
        return [trade]

    def _instruments(self, pairs: list[_Pair]) -> list[Message]:
        messages: list[Message] = []
        for pair in pairs:
            market = self._markets.get(pair.symbol)
            if market is None:
                continue
            decimals = (pair.price_precision, pair.qty_precision)
            if decimals != market.decimals:
                market.decimals = decimals
                if market.book is not None:
                    market.book.checksum = checksum_of(*decimals)
            halted = pair.status if pair.status in _HALTING else ""
            if halted != market.halted:
                market.halted = halted
                kind = "halted" if halted else "subscribed"
                messages.append(Status(market.name, kind, halted or pair.status[:TEXT_MAX]))
        return messages

    def _status(self, item: _Item) -> list[Message]:
        """Return a change of the trading engine's state: anything but online is a halt."""
        if not item.system:
            raise other_shape(VENUE, "a status without system")
        if item.system == self._system:
            return []
        self._system = item.system
        if item.system != "online":
            return [Status("", "halted", item.system[:TEXT_MAX])]
        halted = [each for each in self._markets.values() if each.halted]
        return [
            Status("", "subscribed", item.system),
            *(Status(each.name, "halted", each.halted) for each in halted),
        ]

    # -- replies -----------------------------------------------------------------------------------

    def _replied(self, whole: _Frame) -> list[Message]:
        if whole.method == "pong":
            return [Status("", "heartbeat", "pong")]
        if not whole.method and not whole.error:
            raise other_shape(VENUE, "neither a channel nor a reply")
        if whole.error or whole.success is False:
            return self._failed(whole)
        result = whole.result
        self._question(whole.req_id)
        if whole.method != "subscribe" or result is None:
            return []
        if result.channel != "instrument" and result.symbol not in self._markets:
            return [_unknown("symbol", result.symbol)]
        market = self._markets.get(result.symbol)
        if self._system != "online" or (market is not None and market.halted):
            return []  # it would read as the end of the halt
        return [Status(result.symbol, "subscribed", result.channel[:TEXT_MAX])]

    def _question(self, number: int | None) -> tuple[str, list[str]] | None:
        """Return what a reply answers, and forget it if that was about one pair: no other reply comes."""
        asked = None if number is None else self._asked.get(number)
        if number is not None and asked is not None and len(asked[1]) <= 1:
            del self._asked[number]
        return asked

    def _failed(self, whole: _Frame) -> list[Message]:
        """Give an error to the pairs it is about. Errors: WIRE-E03 where it is about none."""
        words = whole.error[:TEXT_MAX] or "refused without a reason"
        asked = self._question(whole.req_id)
        if whole.method != "subscribe" or (asked is None and whole.symbol not in self._markets):
            raise venue_error(VENUE, whole.method[:TEXT_MAX], words)
        channel, names = asked or ("", [])
        if whole.symbol in self._markets:
            names = [whole.symbol]
        if whole.error == TOO_FAST and channel:
            self._again.append((channel, names))
        elif channel in ("", "book"):
            for name in names:
                self._awaited.came(name)
        return [Status(name, "refused", f"{channel}: {words}"[:TEXT_MAX]) for name in names or [""]]

    def fetched(
        self,
        fetch_path: str,
        body: bytes,  # noqa: ARG002
        received_us: int,  # noqa: ARG002
    ) -> list[Message]:
        """Return that nothing was asked for: this client fetches nothing."""
        return [_unknown("path", fetch_path)]


def _unknown(what: str, name: str) -> Message:
    return Status("", "malformed", f"{what} {name[:TEXT_MAX]!r} was not asked for")


def _quote(market: _Market, item: _Item) -> Message:
    if item.bid is None and item.ask is None:
        raise other_shape(VENUE, "a ticker without bid and ask")
    bid, bid_quantity = _best(item.bid, item.bid_qty)
    ask, ask_quantity = _best(item.ask, item.ask_qty)
    time_us = 0 if item.timestamp is None else instant_us(item.timestamp, VENUE)
    return Quote(market.name, bid, bid_quantity, ask, ask_quantity, time_us)


def _best(price: float | None, quantity: float | None) -> tuple[float, float]:
    """Return price and quantity of one side, (0, 0) where it is empty."""
    if price is None or quantity is None or price < PRICE_MIN or quantity == 0.0:
        return 0.0, 0.0
    return price, quantity
