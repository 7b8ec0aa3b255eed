"""Deribit: JSON-RPC 2.0 over the public WebSocket of its API version 2.

A subscription becomes these channels; a market is named by its instrument (BTC-PERPETUAL, BTC-25JUN27,
BTC_USDC-PERPETUAL, BTC-25JUN27-100000-C, ETH_BTC) or, in small letters, by its index (btc_usd):

    trades     trades.{i}.100ms
    quotes     ticker.{i}.100ms
    book       book.{i}.100ms: a snapshot, then changes that name the change before
    reference  ticker.{i}.100ms; of an index deribit_price_index.{index}
    options    ticker.{i}.100ms; of an index deribit_volatility_index.{index}, as mark_volatility

`platform_state` comes with them. The raw channels need an account and are not used. Combinations of
instruments, whose prices may be negative, are refused.

Amounts of inverse futures and perpetuals are USD there and units of the base asset here: divided by the
price of the level or trade, open interest by the mark price. A name without an underscore and with two
parts is inverse; everything else counts in the base asset. Volatilities are per cent there, decimals here.
The funding rate is `current_funding`, of eight hours.

Gaps: prev_change_id has to be the change_id before it, else the book is subscribed anew. trade_seq rises
by one; trades that are missing are fetched, the last 1,000 of them, and the book is subscribed anew
with them. A halted instrument is said to be
halted, and subscribed once it is open again.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Fetch, Message, Send, Status
from steelyard.feeds.live.venues.awaited import Awaited
from steelyard.feeds.live.venues.deribit_frames import (
    ANY_FRAME,
    FRAME,
    NAMES,
    TRADES,
    VENUE,
    Data,
    Frame,
    Market,
    Params,
    RpcError,
    TradeRow,
    channel_of,
    index_of,
    levels_of,
    platform_of,
    ticker_of,
    trade_of,
)
from steelyard.feeds.live.venues.reading import TEXT_MAX, decode, other_shape, venue_error
from steelyard.quantities import InputError

HEARTBEAT_S = 10  # the least the venue takes
TERMS = VenueTerms(
    name=VENUE,
    operator="deribit",
    websocket_url="wss://www.deribit.com/ws/api/v2",
    rest_url="https://www.deribit.com",
    # A subscribe costs 3,000 of 30,000 credits and 10,000 come back a second: 3.3 a second.
    send_interval_us=310_000,
    subscriptions_max=500,
    silence_us=25_000_000,  # two heartbeats and a half
    documentation="https://docs.deribit.com",
    source="API reference 2.1.1 and its AsyncAPI description of subscriptions, as of May 2026",
)

CHANNELS_PER_REQUEST = 100
RETRY_US = 5_000_000
TRADES_FETCHED_MAX = 1_000
PLATFORM = "platform_state"
TOO_MANY_REQUESTS = 10028
NOT_ASKED_FOR = "was not asked for"


class DeribitClient:
    """Reads Deribit's public feed; one instance a connection.

    >>> client = DeribitClient()
    >>> client.opening([Subscription("BTC-PERPETUAL", "book")])[1]
    '{"jsonrpc":"2.0","id":2,"method":"public/subscribe","params":{"channels":["platform_state",\
"book.BTC-PERPETUAL.100ms"]}}'
    >>> client.receive(b'{"method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms","data":'
    ...     b'{"type":"snapshot","instrument_name":"BTC-PERPETUAL","timestamp":1700000000000,"change_id":7,'
    ...     b'"bids":[["new",40000.0,10000.0]],"asks":[]}}}', 0)[0].bids
    [(40000.0, 0.25)]
    """

    terms = TERMS

    def __init__(self) -> None:
        self._markets: dict[str, Market] = {}
        self._channels: dict[str, Market | None] = {}
        self._asked: dict[int, list[str]] = {}
        self._again: list[str] = []
        self._again_us = 0
        self._awaited = Awaited()
        self._fetching: dict[str, tuple[Market, int, int]] = {}
        self._pending: list[Message] = []
        self._ids = 0
        self._is_closed = False

    # -- what goes out -----------------------------------------------------------------------------

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        """Return nothing: all is said in frames."""
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return the frames that set the heartbeat and subscribe, at most 100 channels each."""
        channels: dict[str, Market | None] = {PLATFORM: None}
        for subscription in subscriptions:
            market = self._markets.setdefault(subscription.market, Market(subscription.market))
            channel = channel_of(market, subscription.channel)
            if channel is None:
                reason = f"no {subscription.channel} of it on this venue"
                self._pending.append(Status(market.name, "refused", reason))
                continue
            market.wants.add(subscription.channel)
            channels[channel] = market
            if subscription.channel == "book":
                self._awaited.expect(market.name)
        self._channels = channels
        frames = [self._request("public/set_heartbeat", {"interval": HEARTBEAT_S})]
        names = list(channels)
        frames.extend(
            self._subscribe(names[start : start + CHANNELS_PER_REQUEST])
            for start in range(0, len(names), CHANNELS_PER_REQUEST)
        )
        return frames

    def due(self, now_us: int) -> list[str]:
        """Return new questions for books and channels that stay away."""
        frames = []
        for name in self._awaited.overdue(now_us):
            self._markets[name].change_id = -1
            frames.extend(self._renewal(name))
        if self._again:
            if self._again_us == 0:
                self._again_us = now_us + RETRY_US
            elif now_us >= self._again_us:
                frames.append(self._subscribe(self._again))
                self._again, self._again_us = [], 0
        return frames

    def resubscribe(self, market: str) -> None:
        """Ask for a fresh snapshot of a book: the next `due` sends it."""
        if f"book.{market}.100ms" in self._channels:
            self._awaited.want(market)

    def _request(self, method: str, params: dict[str, object]) -> str:
        self._ids += 1
        request = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        return msgspec.json.encode(request).decode()

    def _subscribe(self, channels: list[str]) -> str:
        frame = self._request("public/subscribe", {"channels": channels})
        self._asked[self._ids] = channels
        return frame

    def _renewal(self, name: str) -> list[str]:
        channels = [f"book.{name}.100ms"]
        return [
            self._request("public/unsubscribe", {"channels": channels}),
            self._subscribe(channels),
        ]

    # -- what comes in -----------------------------------------------------------------------------

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        try:
            whole = decode(FRAME, frame, VENUE)
        except InputError as error:
            return self._unfit(frame, error)
        messages = self._said(whole, received_us)
        if self._pending:
            messages = [*self._pending, *messages]
            self._pending = []
        return messages

    def _said(self, whole: Frame, received_us: int) -> list[Message]:
        params = whole.params
        if whole.method == "subscription" and params is not None:
            return self._notice(params, received_us)
        if whole.method == "heartbeat" and params is not None:
            beat: list[Message] = [Status("", "heartbeat", params.type[:TEXT_MAX])]
            if params.type == "test_request":
                beat.append(Send("", self._request("public/test", {})))
            return beat
        if whole.error is not None:
            return self._failed(whole.id, whole.error)
        if whole.result is not msgspec.UNSET:
            return self._replied(whole.id, whole.result)
        raise other_shape(VENUE, "neither a reply nor a notification")

    def _unfit(self, frame: bytes, error: InputError) -> list[Message]:
        """Leave a notification of a channel nobody asked for alone, whatever it holds."""
        if error.code == "WIRE-E02":
            try:
                other = decode(ANY_FRAME, frame, VENUE)
            except InputError:
                raise error from None
            if other.method == "subscription" and other.params is not None:
                channel = other.params.channel
                if channel and channel not in self._channels:
                    return [_unknown(channel)]
        raise error

    def _notice(self, params: Params, received_us: int) -> list[Message]:
        channel, data = params.channel, params.data
        if channel not in self._channels:
            return [_unknown(channel)]
        market = self._channels[channel]
        if isinstance(data, list):
            if market is None or not channel.startswith("trades."):
                raise other_shape(VENUE, f"a list on {channel}")
            return self._trades(market, data, received_us)
        if data is None:
            raise other_shape(VENUE, f"no data on {channel}")
        if market is None:
            return self._platform(data)
        if data.timestamp is None:
            raise other_shape(VENUE, f"no timestamp on {channel}")
        time_us = data.timestamp * 1_000
        if market.is_index:
            return index_of(market, channel, data, time_us)
        if data.instrument_name != market.name:
            raise other_shape(VENUE, f"{data.instrument_name[:TEXT_MAX]} on {channel}")
        if channel.startswith("book."):
            return self._book(market, data, time_us, received_us)
        if channel.startswith("ticker."):
            return ticker_of(market, data, time_us)
        raise other_shape(VENUE, f"an object on {channel}")

    def _platform(self, data: Data) -> list[Message]:
        """Return what the platform says; where it opens again, what is halted by itself is said again."""
        messages = platform_of(data)
        if data.maintenance is not None:
            self._is_closed = data.maintenance
        if data.maintenance is False:
            messages += [
                Status(market.name, "halted", market.state[:TEXT_MAX])
                for market in self._markets.values()
                if market.state != "open"
            ]
        return messages

    # -- books and trades --------------------------------------------------------------------------

    def _book(self, market: Market, data: Data, time_us: int, received_us: int) -> list[Message]:
        number, previous = data.change_id, data.prev_change_id
        if number is None or data.bids is None or data.asks is None:
            raise other_shape(VENUE, "a book without change_id, bids or asks")
        bids = levels_of(data.bids, market.is_inverse)
        asks = levels_of(data.asks, market.is_inverse)
        if data.type == "snapshot":
            bids.sort(reverse=True)
            asks.sort()
            market.change_id = number
            self._awaited.came(market.name)
            return [BookSnapshot(market.name, bids, asks, time_us, number)]
        if data.type != "change" or previous is None:
            raise other_shape(VENUE, "a book that is neither a snapshot nor a change")
        held = market.change_id
        if held < 0 or number <= held:
            return []  # the snapshot is on its way and newer, or all of it is known
        if previous != held:
            reason = f"change {number} follows {previous}, held is {held}"
            return self._gap(market, reason, received_us)
        market.change_id = number
        return [BookChange(market.name, bids, asks, time_us, number, number, previous)]

    def _gap(self, market: Market, reason: str, received_us: int) -> list[Message]:
        """Take nothing of the book until the next snapshot, which is asked for."""
        gap: list[Message] = [Status(market.name, "gap", reason)]
        if "book" in market.wants:
            market.change_id = -1
            if self._awaited.ask(market.name, received_us):
                gap.extend(Send(market.name, frame) for frame in self._renewal(market.name))
        return gap

    def _trades(self, market: Market, rows: list[TradeRow], received_us: int) -> list[Message]:
        messages: list[Message] = []
        if len(rows) > 1:
            rows.sort(key=lambda row: row.trade_seq)
        for row in rows:
            if row.instrument_name != market.name:
                raise other_shape(VENUE, f"a trade of another instrument than {market.name}")
        for row in rows:
            held = market.trade_seq
            if row.trade_seq <= held:
                continue
            if 0 <= held < row.trade_seq - 1:
                first, last = held + 1, row.trade_seq - 1
                missing = f"trades {first} to {last} are missing"
                messages += self._gap(market, missing, received_us)
                messages.append(
                    self._fetch(market, max(first, last + 1 - TRADES_FETCHED_MAX), last)
                )
            market.trade_seq = row.trade_seq
            messages.append(trade_of(market, row))
        return messages

    def _fetch(self, market: Market, first: int, last: int) -> Message:
        path = (
            f"/api/v2/public/get_last_trades_by_instrument?instrument_name={quote(market.name)}"
            f"&start_seq={first}&end_seq={last}&count={TRADES_FETCHED_MAX}&sorting=asc"
        )
        self._fetching[path] = (market, first, last)
        return Fetch(market.name, path)

    def fetched(
        self,
        fetch_path: str,
        body: bytes,
        received_us: int,  # noqa: ARG002
    ) -> list[Message]:
        """Return the trades that were missing. Errors: as `receive`."""
        asked = self._fetching.pop(fetch_path, None)
        if asked is None:
            return [Status("", "malformed", f"{fetch_path[:TEXT_MAX]} {NOT_ASKED_FOR}")]
        market, first, last = asked
        reply = decode(TRADES, body, VENUE)
        if reply.error is not None:
            raise venue_error(VENUE, reply.error.code, reply.error.message)
        if reply.result is None:
            raise other_shape(VENUE, "trades without a result")
        rows = {row.trade_seq: row for row in reply.result.trades if first <= row.trade_seq <= last}
        if any(row.instrument_name != market.name for row in rows.values()):
            raise other_shape(VENUE, f"a trade of another instrument than {market.name}")
        return [trade_of(market, rows[number]) for number in sorted(rows)]

    # -- replies -----------------------------------------------------------------------------------

    def _replied(self, number: int | str | None, result: msgspec.Raw) -> list[Message]:
        """Compare what is subscribed with what was asked for: the venue leaves out what it has not."""
        asked = self._asked.pop(number, None) if isinstance(number, int) else None
        if asked is None:
            return []
        taken: list[str] = decode(NAMES, result, VENUE)
        messages: list[Message] = []
        for channel in asked:
            if channel in taken:
                market = self._channels.get(channel)
                # While it is halted, this would read as the end of the halt.
                if not self._is_closed and (market is None or market.state == "open"):
                    messages.append(Status(self._name(channel), "subscribed", channel))
            else:
                messages.append(self._refused(channel, "left out of the venue's answer"))
        return messages

    def _failed(self, number: int | str | None, error: RpcError) -> list[Message]:
        """Ask again what came too fast, halve what is refused as a whole until the bad channel is found."""
        asked = self._asked.pop(number, None) if isinstance(number, int) else None
        if asked is None:
            raise venue_error(VENUE, error.code, error.message)
        reason = f"{error.code} {error.message}"[:TEXT_MAX]
        if error.code == TOO_MANY_REQUESTS:
            self._again.extend(asked)
            return [Status(self._name(channel), "refused", reason) for channel in asked]
        if len(asked) > 1:
            middle = len(asked) // 2
            return [Send("", self._subscribe(part)) for part in (asked[:middle], asked[middle:])]
        return [self._refused(channel, reason) for channel in asked]

    def _refused(self, channel: str, reason: str) -> Message:
        name = self._name(channel)
        if channel.startswith("book."):
            self._awaited.came(name)
        return Status(name, "refused", f"{channel}: {reason}"[:TEXT_MAX])

    def _name(self, channel: str) -> str:
        market = self._channels.get(channel)
        return "" if market is None else market.name


def _unknown(channel: str) -> Message:
    return Status("", "malformed", f"channel {channel[:TEXT_MAX]!r} {NOT_ASKED_FOR}")
