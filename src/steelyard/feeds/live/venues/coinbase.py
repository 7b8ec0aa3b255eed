"""Coinbase: the public market data WebSocket of its exchange, without an account.

A subscription becomes these channels; a market is named by its product, e.g. BTC-USD:

    trades     matches
    quotes     ticker: best bid and ask as of the last trade, it is silent between trades
    book       level2_batch: the whole book, then what changed, every 50 ms; and matches, see below

`heartbeat` of every market and `status` come with them. A spot exchange has no `reference` and no
`options`: refused. Each market is subscribed by a frame of its own, since one bad name has the venue
refuse the whole frame it is in.

Gaps: level2_batch is numbered by nothing, so what tells is trade_id, which rises by one. A match that
leaves some out, or a whole heartbeat's time without a match that the heartbeat before named, means that
messages were dropped: trades are missing, and the book is subscribed anew, as it is after a frame that
cannot be read. Tickers and matches that come
late (by sequence, by trade_id) are left out.

The side of a match is the maker's: `sell` means that the taker bought.
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
from steelyard.feeds.live.venues.awaited import Awaited
from steelyard.feeds.live.venues.bounded import (
    Counter,
    Instant,
    Price,
    PriceOrZero,
    Quantity,
    instant_us,
)
from steelyard.feeds.live.venues.reading import (
    PRICE_MIN,
    TEXT_MAX,
    decode,
    other_shape,
    venue_error,
)
from steelyard.quantities import InputError

VENUE = "coinbase"
TERMS = VenueTerms(
    name=VENUE,
    operator="coinbase",
    websocket_url="wss://ws-feed.exchange.coinbase.com",
    rest_url="https://api.exchange.coinbase.com",
    send_interval_us=20_000,  # the venue takes 100 frames a second
    # Not bounded by the venue, which advises one connection for a few busy markets.
    subscriptions_max=100,
    silence_us=10_000_000,  # heartbeats come every second
    documentation="https://docs.cdp.coinbase.com/exchange/websocket-feed",
    source="Exchange WebSocket feed: overview, channels and rate limits, as of May 2026",
)

BOOK_CHANNEL = "level2_batch"  # confirmed as level2_50, for its 50 ms
_CHANNELS = frozenset(("heartbeat", "matches", "ticker", BOOK_CHANNEL))

_Side = Literal["buy", "sell"]
_Level = tuple[Price, Quantity]


class _Listed(msgspec.Struct, gc=False):
    name: str = ""
    product_ids: list[str] | None = None


class _Product(msgspec.Struct, gc=False):
    id: str = ""
    status: str = ""
    cancel_only: bool = False
    post_only: bool = False
    auction_mode: bool = False


class _Frame(msgspec.Struct, gc=False):
    """What a frame of any type may hold: one pass reads it, the type says what of."""

    type: str
    product_id: str = ""
    sequence: Counter | None = None
    time: Instant | None = None
    trade_id: Counter | None = None
    last_trade_id: Counter | None = None
    price: Price | None = None
    size: Quantity | None = None
    side: _Side | None = None
    best_bid: PriceOrZero | None = None
    best_bid_size: Quantity | None = None
    best_ask: PriceOrZero | None = None
    best_ask_size: Quantity | None = None
    bids: list[_Level] | None = None
    asks: list[_Level] | None = None
    changes: list[tuple[_Side, Price, Quantity]] | None = None
    channels: list[_Listed] | None = None
    products: list[_Product] | None = None
    message: str = ""
    reason: str = ""


class _AnyFrame(msgspec.Struct, gc=False):
    type: str
    product_id: str = ""


_FRAME = msgspec.json.Decoder(_Frame, strict=False)
_ANY_FRAME = msgspec.json.Decoder(_AnyFrame)
_TYPES = frozenset(
    "ticker match last_match l2update snapshot heartbeat status subscriptions error".split()
)


_OF_BOOKS = frozenset(("l2update", "snapshot"))


class _Market:
    """What is known of one market; -1 for a number that is not known yet.

    sequence: of the last ticker. trade_id: of the last match. beat_trade_id: what the last heartbeat
    named. has_book: the snapshot is there.
    """

    __slots__ = ("beat_trade_id", "halted", "has_book", "name", "sequence", "trade_id", "wants")

    def __init__(self, name: str) -> None:
        self.name = name
        self.wants: set[str] = set()
        self.sequence = -1
        self.trade_id = -1
        self.beat_trade_id = -1
        self.has_book = False
        self.halted = ""


class CoinbaseClient:
    """Reads Coinbase's public feed; one instance a connection.

    >>> client = CoinbaseClient()
    >>> client.opening([Subscription("BTC-USD", "trades")])[1]
    '{"type":"subscribe","channels":[{"name":"heartbeat","product_ids":["BTC-USD"]},\
{"name":"matches","product_ids":["BTC-USD"]}]}'
    >>> client.receive(b'{"type":"match","trade_id":10,"sequence":50,"side":"sell","size":"0.5","price":'
    ...     b'"400.25","product_id":"BTC-USD","time":"2026-01-05T08:19:27.028459Z"}', 0)[0]
    Trade(market='BTC-USD', price=400.25, quantity=0.5, is_buy=True, \
exchange_time_us=1767601167028459, trade='10')
    """

    terms = TERMS

    def __init__(self) -> None:
        self._markets: dict[str, _Market] = {}
        self._awaited = Awaited()
        self._confirmed: set[tuple[str, str]] = set()
        self._pending: list[Message] = []

    # -- what goes out -----------------------------------------------------------------------------

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        """Return nothing: all is said in frames."""
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return the frames that subscribe: one for the status, one for each market."""
        for subscription in subscriptions:
            name, kind = subscription.market, subscription.channel
            if kind in ("reference", "options"):
                self._pending.append(Status(name, "refused", f"a spot exchange has no {kind}"))
                continue
            self._markets.setdefault(name, _Market(name)).wants.add(kind)
            if kind == "book":
                self._awaited.expect(name)
        frames = [_encoded("subscribe", [{"name": "status"}])]
        for name, market in self._markets.items():
            channels = ["heartbeat"]
            if market.wants & {"trades", "book"}:
                channels.append("matches")
            if "quotes" in market.wants:
                channels.append("ticker")
            if "book" in market.wants:
                channels.append(BOOK_CHANNEL)
            frames.append(
                _encoded("subscribe", [{"name": c, "product_ids": [name]} for c in channels])
            )
        return frames

    def due(self, now_us: int) -> list[str]:
        """Return new questions for books that stay away."""
        frames = []
        for name in self._awaited.overdue(now_us):
            self._markets[name].has_book = False
            frames.extend(_renewal(name))
        return frames

    def resubscribe(self, market: str) -> None:
        """Ask for a fresh snapshot of a book: the next `due` sends it."""
        if market in self._markets and "book" in self._markets[market].wants:
            self._awaited.want(market)

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
            if whole.type in _OF_BOOKS:
                self._lose([whole.product_id])
            raise
        if self._pending:
            messages = [*self._pending, *messages]
            self._pending = []
        return messages

    def _unfit(self, frame: bytes, error: InputError) -> list[Message]:
        """Leave a type that is not known alone, whatever it holds: the venue says that there may be new ones.

        Of a book a change that cannot be read is a change that is missing, and nothing later would tell.
        """
        try:
            other = decode(_ANY_FRAME, frame, VENUE)
        except InputError:
            self._lose(self._markets)
            raise error from None
        if other.type in _OF_BOOKS:
            self._lose([other.product_id] if other.product_id in self._markets else self._markets)
        elif error.code == "WIRE-E02" and other.type and other.type not in _TYPES:
            return []
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
        kind = whole.type
        if kind not in _TYPES:
            return []
        if kind == "error":
            return self._failed(whole)
        if kind == "subscriptions":
            return self._confirm(whole.channels)
        if kind == "status":
            return self._statuses(whole.products)
        market = self._markets.get(whole.product_id)
        if market is None:
            name = whole.product_id[:TEXT_MAX]
            return [Status("", "malformed", f"product {name!r} was not asked for")]
        if kind == "l2update":
            return self._change(market, whole)
        if kind == "snapshot":
            return self._snapshot(market, whole)
        if kind == "ticker":
            return _ticker(market, whole)
        if kind == "heartbeat":
            return self._beat(market, whole, received_us)
        return self._match(market, whole, received_us)

    def _snapshot(self, market: _Market, whole: _Frame) -> list[Message]:
        bids, asks = whole.bids, whole.asks
        if bids is None or asks is None:
            raise other_shape(VENUE, "a snapshot without bids or asks")
        bids.sort(reverse=True)
        asks.sort()
        market.has_book = True
        self._awaited.came(market.name)
        time_us = 0 if whole.time is None else instant_us(whole.time, VENUE)
        return [BookSnapshot(market.name, bids, asks, time_us)]

    def _change(self, market: _Market, whole: _Frame) -> list[Message]:
        if whole.changes is None:
            raise other_shape(VENUE, "an l2update without changes")
        time_us = _time_us(whole)
        if not market.has_book:
            return []
        bids = [(price, size) for side, price, size in whole.changes if side == "buy"]
        asks = [(price, size) for side, price, size in whole.changes if side == "sell"]
        return [BookChange(market.name, bids, asks, time_us)]

    def _match(self, market: _Market, whole: _Frame, received_us: int) -> list[Message]:
        number, price, size = whole.trade_id, whole.price, whole.size
        if number is None or price is None or size is None or whole.side is None:
            raise other_shape(VENUE, "a match without trade_id, price, size or side")
        time_us = _time_us(whole)
        held = market.trade_id
        if number <= held:
            return []
        messages: list[Message] = []
        if 0 <= held < number - 1:
            messages = self._gap(market, held + 1, number - 1, received_us)
        market.trade_id = number
        if "trades" in market.wants:
            is_buy = whole.side == "sell"
            messages.append(Trade(market.name, price, size, is_buy, time_us, str(number)))
        return messages

    def _beat(self, market: _Market, whole: _Frame, received_us: int) -> list[Message]:
        """Miss the matches up to the one that the heartbeat before this one named."""
        named = whole.last_trade_id
        if named is None:
            raise other_shape(VENUE, "a heartbeat without last_trade_id")
        messages: list[Message] = [Status(market.name, "heartbeat")]
        if 0 <= market.trade_id < market.beat_trade_id:
            messages += self._gap(market, market.trade_id + 1, market.beat_trade_id, received_us)
            market.trade_id = market.beat_trade_id
        market.beat_trade_id = named
        return messages

    def _gap(self, market: _Market, first: int, last: int, received_us: int) -> list[Message]:
        gap: list[Message] = [Status(market.name, "gap", f"trades {first} to {last} are missing")]
        if "book" in market.wants:
            market.has_book = False
            if self._awaited.ask(market.name, received_us):
                gap.extend(Send(market.name, frame) for frame in _renewal(market.name))
        return gap

    # -- replies -----------------------------------------------------------------------------------

    def _failed(self, whole: _Frame) -> list[Message]:
        """Give an error to the one market it names. Errors: WIRE-E03 where it names none or several."""
        words = f"{whole.message}: {whole.reason}" if whole.reason else whole.message
        named = [name for name in self._markets if name in whole.reason.split()]
        if whole.message != "Failed to subscribe" or len(named) != 1:
            raise venue_error(VENUE, whole.message[:TEXT_MAX], words)
        self._awaited.came(named[0])
        return [Status(named[0], "refused", words[:TEXT_MAX])]

    def _confirm(self, channels: list[_Listed] | None) -> list[Message]:
        """Say once of each channel of each market that it is subscribed: the venue lists all each time."""
        if channels is None:
            raise other_shape(VENUE, "subscriptions without channels")
        messages: list[Message] = []
        for channel in channels:
            name = BOOK_CHANNEL if channel.name.startswith("level2") else channel.name
            if name not in _CHANNELS:
                continue
            for product in channel.product_ids or []:
                if product in self._markets and (name, product) not in self._confirmed:
                    self._confirmed.add((name, product))
                    # While it is halted, this would read as the end of the halt.
                    if not self._markets[product].halted:
                        messages.append(Status(product, "subscribed", name))
        return messages

    def _statuses(self, products: list[_Product] | None) -> list[Message]:
        if products is None:
            raise other_shape(VENUE, "a status without products")
        messages: list[Message] = []
        for product in products:
            market = self._markets.get(product.id)
            if market is None:
                continue
            halted = "" if product.status == "online" else product.status[:TEXT_MAX] or "no status"
            for mode in ("cancel_only", "post_only", "auction_mode"):
                if not halted and getattr(product, mode):
                    halted = mode
            if halted != market.halted:
                market.halted = halted
                kind = "halted" if halted else "subscribed"
                messages.append(Status(market.name, kind, halted or "online"))
        return messages

    def fetched(
        self,
        fetch_path: str,
        body: bytes,  # noqa: ARG002
        received_us: int,  # noqa: ARG002
    ) -> list[Message]:
        """Return that nothing was asked for: this client fetches nothing."""
        return [Status("", "malformed", f"{fetch_path[:TEXT_MAX]} was not asked for")]


def _encoded(kind: str, channels: list[dict[str, object]]) -> str:
    return msgspec.json.encode({"type": kind, "channels": channels}).decode()


def _renewal(name: str) -> list[str]:
    channels: list[dict[str, object]] = [{"name": BOOK_CHANNEL, "product_ids": [name]}]
    return [_encoded("unsubscribe", channels), _encoded("subscribe", channels)]


def _time_us(whole: _Frame) -> int:
    if whole.time is None:
        raise other_shape(VENUE, f"no time in a {whole.type}")
    return instant_us(whole.time, VENUE)


def _ticker(market: _Market, whole: _Frame) -> list[Message]:
    if whole.sequence is None or whole.best_bid is None or whole.best_ask is None:
        raise other_shape(VENUE, "a ticker without sequence, best_bid or best_ask")
    time_us = _time_us(whole)
    if whole.sequence <= market.sequence or "quotes" not in market.wants:
        return []
    market.sequence = whole.sequence
    bid, bid_quantity = _best(whole.best_bid, whole.best_bid_size)
    ask, ask_quantity = _best(whole.best_ask, whole.best_ask_size)
    return [Quote(market.name, bid, bid_quantity, ask, ask_quantity, time_us)]


def _best(price: float, size: float | None) -> tuple[float, float]:
    """Return price and quantity of one side, (0, 0) where it is empty. Errors: WIRE-E02."""
    if size is None:
        raise other_shape(VENUE, "a ticker without best_bid_size or best_ask_size")
    return (price, size) if price >= PRICE_MIN and size > 0.0 else (0.0, 0.0)
