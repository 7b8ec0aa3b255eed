"""Bybit: the public streams of its version 5, one connection a category.

The category is in the address: spot, linear (USDT and USDC contracts), inverse (coin-margined) or option.
A subscription becomes one topic; a market is named as there, e.g. BTCUSDT, BTCUSD, BTC-27MAR26-80000-C:

    trades     publicTrade (of an option: of its base coin, what was not asked for is left out)
    quotes     orderbook.1, whole each time; of an option its ticker
    book       orderbook.{depth}: a snapshot and its changes
    reference  tickers of linear and inverse: a snapshot, then only the fields that changed, merged here
    options    tickers of an option, whole each time

Quantities of inverse contracts are US dollars there and units of the base asset here (dollars / price;
open interest / mark price). Block trades are left out: their price was agreed on beside the book.

Book numbers: u rises by one from frame to frame; u = 1 is a fresh start of the venue's service and such a
frame is a whole book. Anything else, and a seq that falls, is a gap: the topic is left and subscribed to
again, which brings a snapshot; changes before it are left out, but the one that shows the gap goes on,
so that whoever keeps the book sees it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from steelyard.feeds.live.client import Channel, Subscription
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Message, Quote, Send, Status
from steelyard.feeds.live.venues.bybit_frames import (
    BOOK,
    ENVELOPE,
    TERMS,
    TICKER,
    TOPICS,
    TRADES,
    VENUE,
    BookRow,
    Category,
    Envelope,
    Ticker,
    merged,
    option_of,
    option_quote_of,
    reference_of,
    trade_of,
)
from steelyard.feeds.live.venues.reading import (
    BASE_UNIT,
    SEQUENCE_MAX,
    TEXT_MAX,
    ContractUnit,
    best_of,
    decode,
    in_requests,
    levels_of,
    other_shape,
    time_us_of,
    venue_error,
    whole_side,
)

PING_US = 20_000_000
RETRY_US = 5_000_000  # until a snapshot that does not come is asked for again
ARGUMENTS_BYTES_MAX = 21_000  # of all topics of one connection
ARGUMENTS_MAX: dict[Category, int] = {"spot": 10, "linear": 200, "inverse": 200, "option": 200}
"""Topics in one request; the venue's own limit is 10 for spot and 2,000 for option on a connection."""

DEPTHS: dict[Category, tuple[int, ...]] = {
    "spot": (1, 50, 200, 1000),
    "linear": (1, 50, 200, 1000),
    "inverse": (1, 50, 200, 1000),
    "option": (25, 100),
}
DEPTH: dict[Category, int] = {"spot": 200, "linear": 200, "inverse": 200, "option": 100}
USD = ContractUnit(1.0, is_inverse=True)

_NAME = re.compile(r"[A-Z0-9][A-Za-z0-9_-]{0,39}")
_TOPIC = re.compile(r"(?:publicTrade|tickers|orderbook)\.[A-Za-z0-9._-]{1,60}")


class _Book:
    """The numbers of one book topic. held: the last update number, -1 while a snapshot is awaited."""

    __slots__ = ("asked_us", "held", "sequence")

    def __init__(self) -> None:
        self.held = -1
        self.sequence = 0
        self.asked_us = 0

    def follow(self, update: int, sequence: int) -> bool:
        """Take the numbers of a change; False if it shows that changes are missing."""
        if update == self.held + 1 and sequence >= self.sequence:
            self.held, self.sequence = update, sequence
            return True
        self.held = -1
        return False


class BybitClient:
    """Reads the public frames of one connection to Bybit and says what to send; see the module's text.

    category: spot, linear, inverse or option. depth: levels a side of books, 200 (100 for option) where
    none is given. Errors: ValueError where the category has no such depth.

    >>> client = BybitClient("inverse")
    >>> client.address([]), client.opening([Subscription("BTCUSD", "trades")])
    ('/v5/public/inverse', ['{"req_id":"1","op":"subscribe","args":["publicTrade.BTCUSD"]}'])
    >>> client.receive(b'{"topic":"publicTrade.BTCUSD","type":"snapshot","ts":1780000000125,"data":[{"T":'
    ...     b'1780000000123,"s":"BTCUSD","S":"Buy","v":"30000","p":"60000","i":"x","BT":false}]}', 0)
    [Trade(market='BTCUSD', price=60000.0, quantity=0.5, is_buy=True, \
exchange_time_us=1780000000123000, trade='x')]
    """

    terms = TERMS

    def __init__(self, category: Category, depth: int | None = None) -> None:
        self._depth = DEPTH[category] if depth is None else depth
        if self._depth not in DEPTHS[category]:
            raise ValueError(f"no book of {depth} levels: {category} has {DEPTHS[category]}")
        self._category: Category = category
        self._unit = USD if category == "inverse" else BASE_UNIT
        self._wanted: dict[str, set[Channel]] = {}
        self._topics: dict[str, str] = {}
        self._books: dict[str, _Book] = {}
        self._tickers: dict[str, Ticker] = {}
        self._asked_tickers: dict[str, int] = {}
        self._requests: dict[str, list[str]] = {}
        self._request_count = 0
        self._pending: list[Message] = []
        self._pinged_us = 0
        self._pings = 0

    # -- what goes out -----------------------------------------------------------------------------

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        """Return the path of the category."""
        return f"/v5/public/{self._category}"

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return the requests that subscribe: at most 10 topics each for spot.

        What the venue has no topic for, or no room (21,000 characters on a connection), is refused in
        the messages of the first frame received.
        """
        length = 0
        for subscription in subscriptions:
            market, channel = subscription.market, subscription.channel
            topic = self._topic(market, channel)
            if not topic:
                reason = f"the category {self._category} has no channel {channel} for such a market"
                self._pending.append(Status(market, "refused", reason))
                continue
            if topic not in self._topics:
                if length + len(topic) + 3 > ARGUMENTS_BYTES_MAX:
                    reason = f"topics of one connection fit {ARGUMENTS_BYTES_MAX} characters"
                    self._pending.append(Status(market, "refused", reason))
                    continue
                length += len(topic) + 3
                self._topics[topic] = market
            self._wanted.setdefault(market, set()).add(channel)
        return self._subscribe(list(self._topics))

    def due(self, now_us: int) -> list[str]:
        """Return a ping every 20 s, and again the request for a snapshot that has not come for 5 s."""
        frames: list[str] = []
        for topic, book in self._books.items():
            if book.held < 0 and now_us - book.asked_us >= RETRY_US:
                book.asked_us = now_us
                frames += self._again(topic)
        if self._pinged_us == 0:
            self._pinged_us = now_us
        if now_us - self._pinged_us >= PING_US:
            self._pinged_us = now_us
            self._pings += 1
            frames.append(f'{{"req_id":"ping-{self._pings}","op":"ping"}}')
        return frames

    def _topic(self, market: str, channel: Channel) -> str:
        """Return the topic of a subscription, empty where there is none."""
        is_option = self._category == "option"
        if not _NAME.fullmatch(market):
            return ""
        if channel == "trades":
            return f"publicTrade.{market.split('-')[0] if is_option else market}"
        if channel == "book":
            return f"orderbook.{self._depth}.{market}"
        if channel == "quotes":
            return f"tickers.{market}" if is_option else f"orderbook.1.{market}"
        if channel == "reference" and self._category in ("linear", "inverse"):
            return f"tickers.{market}"
        return f"tickers.{market}" if channel == "options" and is_option else ""

    def _request(self, op: str, topics: Sequence[str]) -> str:
        self._request_count += 1
        name = str(self._request_count)
        if op == "subscribe":
            self._requests[name] = list(topics)
            while len(self._requests) > 1_000:  # answers that never came
                del self._requests[next(iter(self._requests))]
        listed = msgspec.json.encode(topics).decode()
        return f'{{"req_id":"{name}","op":"{op}","args":{listed}}}'

    def _subscribe(self, topics: Sequence[str]) -> list[str]:
        groups = in_requests(
            [topic.encode() for topic in topics],
            ARGUMENTS_MAX[self._category],
            ARGUMENTS_BYTES_MAX,
        )
        return [self._request("subscribe", [topic.decode() for topic in each]) for each in groups]

    def _again(self, topic: str) -> list[str]:
        """Return the requests that bring a fresh snapshot of a topic."""
        return [self._request("unsubscribe", [topic]), self._request("subscribe", [topic])]

    # -- what comes in -----------------------------------------------------------------------------

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        envelope = decode(ENVELOPE, frame, VENUE)
        if envelope.topic:
            messages = self._push(envelope, received_us)
        else:
            messages = self._answer(envelope)
        if self._pending:
            messages = [*self._pending, *messages]
            self._pending = []
        return messages

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:  # noqa: ARG002
        """Return that nothing was asked: all of the venue's snapshots come in its streams."""
        return [Status("", "malformed", f"nothing was asked of {fetch_path[:60]}")]

    def _push(self, envelope: Envelope, received_us: int) -> list[Message]:
        topic = envelope.topic
        market = self._topics.get(topic)
        if market is None:
            return [Status("", "malformed", f"{topic[:60]} came without a subscription")]
        if not len(envelope.data):
            raise other_shape(VENUE, "a topic without data")
        if topic.startswith("publicTrade."):
            return self._trades(envelope)
        if topic.startswith("orderbook.1."):
            return self._top(market, topic, envelope)
        if topic.startswith("orderbook."):
            return self._book(market, topic, envelope, received_us)
        return self._ticker(market, topic, envelope, received_us)

    def _trades(self, envelope: Envelope) -> list[Message]:
        """Return the trades of the markets asked for, without block trades."""
        trades: list[Message] = []
        for row in decode(TRADES, envelope.data, VENUE):
            trade = trade_of(row, self._unit)
            is_wanted = "trades" in self._wanted.get(row.s, ()) or (
                self._category == "option" and "trades" in self._wanted.get(row.s.split("-")[0], ())
            )
            if is_wanted and not row.BT:
                trades.append(trade)
        return trades

    def _top(self, market: str, topic: str, envelope: Envelope) -> list[Message]:
        """Return the best prices: the book of one level is whole in each frame."""
        row = self._row(market, envelope)
        if envelope.type != "snapshot":
            raise other_shape(VENUE, f"{topic} with the type {envelope.type[:60]!r}")
        messages: list[Message] = [
            Quote(
                market,
                *best_of(row.b, self._unit, VENUE, is_bid=True),
                *best_of(row.a, self._unit, VENUE, is_bid=False),
                time_us_of(envelope.cts or envelope.ts, VENUE),
            )
        ]
        if self._depth == 1 and "book" in self._wanted[market]:
            messages.append(self._snapshot(market, row, envelope))
        return messages if "quotes" in self._wanted[market] else messages[1:]

    def _row(self, market: str, envelope: Envelope) -> BookRow:
        row = decode(BOOK, envelope.data, VENUE)
        if row.s != market:
            raise other_shape(VENUE, f"a book of {row.s[:60]} in the topic of {market}")
        if not (0 < row.u <= SEQUENCE_MAX and 0 <= row.seq <= SEQUENCE_MAX):
            raise other_shape(VENUE, "a number of a book out of bounds")
        return row

    def _snapshot(self, market: str, row: BookRow, envelope: Envelope) -> BookSnapshot:
        return BookSnapshot(
            market,
            whole_side(row.b, self._unit, VENUE, is_bid=True),
            whole_side(row.a, self._unit, VENUE, is_bid=False),
            time_us_of(envelope.cts or envelope.ts, VENUE),
            row.u,
        )

    def _book(self, market: str, topic: str, envelope: Envelope, received_us: int) -> list[Message]:
        """Return a snapshot or a change, a gap and what heals it."""
        row = self._row(market, envelope)
        if envelope.type not in ("snapshot", "delta"):
            raise other_shape(VENUE, f"a book with the type {envelope.type[:60]!r}")
        if envelope.type == "snapshot" or row.u == 1:
            snapshot = self._snapshot(market, row, envelope)
            book = self._books.setdefault(topic, _Book())
            book.held, book.sequence = row.u, row.seq
            return [snapshot]
        change = BookChange(
            market,
            levels_of(row.b, self._unit, VENUE),
            levels_of(row.a, self._unit, VENUE),
            time_us_of(envelope.cts or envelope.ts, VENUE),
            first_sequence=row.u,
            last_sequence=row.u,
        )
        book = self._books.setdefault(topic, _Book())
        held = book.held
        if held < 0 and book.asked_us:
            return []
        if held >= 0 and book.follow(row.u, row.seq):
            return [change]
        book.held, book.asked_us = -1, received_us
        reason = f"change {row.u} came after {held}" if held >= 0 else "a change before a snapshot"
        again: list[Message] = [Send(market, frame) for frame in self._again(topic)]
        return [Status(market, "gap", reason), change, *again]

    def _ticker(
        self, market: str, topic: str, envelope: Envelope, received_us: int
    ) -> list[Message]:
        """Return what a ticker says, its changes merged into what it said before."""
        ticker = decode(TICKER, envelope.data, VENUE)
        if ticker.symbol not in ("", market):
            raise other_shape(VENUE, f"a ticker of {ticker.symbol[:60]} in the topic of {market}")
        time_us = time_us_of(envelope.ts, VENUE)
        channels = self._wanted[market]
        if self._category == "option":
            messages: list[Message] = []
            if "options" in channels:
                messages.append(option_of(market, ticker, time_us))
            if "quotes" in channels:
                messages.append(option_quote_of(market, ticker, time_us))
            return messages
        if envelope.type == "delta":
            before = self._tickers.get(topic)
            if before is None:
                if received_us - self._asked_tickers.get(topic, -RETRY_US) < RETRY_US:
                    return []
                self._asked_tickers[topic] = received_us
                gap = Status(market, "gap", "changes of a ticker before the whole of it")
                return [gap, *(Send(market, frame) for frame in self._again(topic))]
            ticker = merged(before, ticker)
        elif envelope.type != "snapshot":
            raise other_shape(VENUE, f"a ticker with the type {envelope.type[:60]!r}")
        reference = reference_of(market, ticker, time_us, self._unit)
        self._tickers[topic] = ticker
        return [reference]

    # -- answers -----------------------------------------------------------------------------------

    def _answer(self, envelope: Envelope) -> list[Message]:
        """Return what the answer to a request says. Errors: WIRE-E03."""
        if envelope.op in ("ping", "pong") or envelope.ret_msg == "pong":
            return [Status("", "heartbeat")]
        if envelope.type == "COMMAND_RESP":
            return self._topic_by_topic(envelope)
        if envelope.success is None:
            raise other_shape(VENUE, "neither a topic nor the answer to a request")
        if envelope.op == "unsubscribe":
            return []
        topics = self._requests.pop(envelope.req_id, [])
        if envelope.op == "subscribe" and envelope.success:
            return [Status(self._topics.get(topic, ""), "subscribed", topic) for topic in topics]
        if envelope.op == "subscribe" and topics:
            return self._refused(topics, envelope.ret_msg)
        if envelope.success:
            return []
        raise venue_error(VENUE, envelope.op, envelope.ret_msg)

    def _topic_by_topic(self, envelope: Envelope) -> list[Message]:
        said = decode(TOPICS, envelope.data, VENUE) if len(envelope.data) else None
        if said is None:
            raise other_shape(VENUE, "an answer without topics")
        self._requests.pop(envelope.req_id, None)
        taken = [topic for topic in said.success_topics if topic in self._topics]
        failed = [topic for topic in said.fail_topics if topic in self._topics]
        return [
            *(Status(self._topics[topic], "subscribed", topic) for topic in taken),
            *(Status(self._topics[topic], "refused", topic) for topic in failed),
        ]

    def _refused(self, topics: list[str], reason: str) -> list[Message]:
        """Return which topics of a request are refused, and the request for the others.

        The venue turns a whole request away for one topic, which it names; where it names none of them,
        each is asked for by itself.
        """
        named = set(_TOPIC.findall(reason)) & set(topics)
        is_there = "already subscribed" in reason
        kind = "subscribed" if is_there else "refused"
        if not named and len(topics) == 1:
            named = set(topics)
        messages: list[Message] = [
            Status(self._topics[topic], kind, reason[:TEXT_MAX])
            for topic in topics
            if topic in named
        ]
        others = [topic for topic in topics if topic not in named]
        if named:
            frames = self._subscribe(others)
        else:
            frames = [self._request("subscribe", [topic]) for topic in others]
        return [*messages, *(Send("", frame) for frame in frames)]
