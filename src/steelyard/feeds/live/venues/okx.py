"""OKX: the public WebSocket of its version 5.

A subscription becomes these channels; a market is named by its instrument, e.g. BTC-USDT (spot),
BTC-USDT-SWAP, BTC-USD-260327, BTC-USD-260327-80000-C, and a family of options by BTC-USD:

    trades     trades
    quotes     bbo-tbt (or tickers)
    book       books: a snapshot and its changes, 400 levels a side
    reference  index-tickers, mark-price, open-interest, and funding-rate of a perpetual
    options    opt-summary of the family; for one option also tickers, mark-price, open-interest, index-tickers

Quantities of derivatives are contracts there and units of the base asset here: the value of a contract
comes from the table given, and where it is missing from the venue's list of instruments, which is
fetched; until it is known, messages with quantities are held back and said to be unverified.

Book numbers: prevSeqId has to be the seqId before it, also when the venue counts afresh (seqId below
prevSeqId). Anything else is a gap, and a whole book is fetched over HTTP, as it is where no snapshot
opens the stream (the venue has announced its end). The change that shows the gap goes on, so that whoever
keeps the book sees it too; the others wait and follow the fetched book, which has to reach them by its
number. The checksum is 0 since June 2026 and not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from steelyard.feeds.live.client import Channel, Subscription
from steelyard.feeds.live.messages import (
    Fetch,
    Message,
    OptionTicker,
    Quote,
    Reference,
    Status,
)
from steelyard.feeds.live.venues.okx_book import BookTrack
from steelyard.feeds.live.venues.okx_frames import (
    ANSWER,
    BOOKS,
    ENVELOPE,
    FUNDINGS,
    INDICES,
    INSTRUMENT,
    INSTRUMENTS,
    INTERESTS,
    MARKS,
    NAME,
    SUMMARIES,
    TERMS,
    TICKERS,
    TOPS,
    TRADES,
    VENUE,
    Argument,
    BookRow,
    Envelope,
    IndexRow,
    InstrumentRow,
    InterestRow,
    MarkRow,
    SummaryRow,
    TickerRow,
    change_of,
    family_of,
    kind_of,
    snapshot_of,
    tops_of,
    trades_of,
)
from steelyard.feeds.live.venues.reading import (
    BASE_UNIT,
    SEQUENCE_MAX,
    TEXT_MAX,
    ContractUnit,
    decode,
    funding_or_none,
    in_requests,
    other_shape,
    price_of,
    price_or_none,
    quantity_or_none,
    time_us_of,
    venue_error,
    volatility_or_none,
)

PING_AFTER_US = 15_000_000  # without a frame for so long; the venue hangs up after 30 s
REQUEST_BYTES_MAX = 60_000
RETRY_US = 5_000_000  # until a fetch without an answer is asked again
SERVICE_UPGRADE = "64008"
NO_SUCH_CHANNEL = "60018"


class OkxClient:
    """Reads the public frames of one connection to OKX and says what to send; see the module's text.

    contract_values: value of one contract by market, for those the caller knows. quotes_channel: bbo-tbt
    (every change of the best prices, at most each 10 ms) or tickers (at most each 100 ms).

    >>> client = OkxClient()
    >>> client.opening([Subscription("BTC-USDT", "trades")])
    ['{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}']
    >>> client.receive(b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",'
    ...     b'"tradeId":"7","px":"60000.5","sz":"0.25","side":"sell","ts":"1780000000123"}]}', 0)
    [Trade(market='BTC-USDT', price=60000.5, quantity=0.25, is_buy=False, \
exchange_time_us=1780000000123000, trade='7')]
    """

    terms = TERMS

    def __init__(
        self,
        contract_values: Mapping[str, ContractUnit] | None = None,
        *,
        quotes_channel: Literal["bbo-tbt", "tickers"] = "bbo-tbt",
    ) -> None:
        self._units: dict[str, ContractUnit] = dict(contract_values or {})
        self._quotes_channel = quotes_channel
        self._channels: dict[str, set[Channel]] = {}
        self._of_index: dict[str, list[str]] = {}
        self._tracks: dict[str, BookTrack] = {}
        self._options: dict[str, OptionTicker] = {}
        self._asked: dict[str, str] = {}
        self._ask_units_after_us: dict[str, int] = {}
        self._withheld: set[str] = set()
        self._pending: list[Message] = []
        self._heard_us = 0

    # -- what goes out -----------------------------------------------------------------------------

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        """Return nothing: all public channels are behind one address."""
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return the requests that subscribe, each below the venue's 64 KiB.

        What the venue has no channel for is refused in the messages of the first frame received.
        """
        arguments: dict[bytes, None] = {}
        for subscription in subscriptions:
            market, channel = subscription.market, subscription.channel
            wanted = self._arguments(market, channel)
            if not wanted:
                reason = f"there is no channel {channel} for such a market"
                self._pending.append(Status(market, "refused", reason))
                continue
            self._channels.setdefault(market, set()).add(channel)
            listed = self._of_index.setdefault(family_of(market), [])
            if market not in listed:
                listed.append(market)
            arguments.update(dict.fromkeys(msgspec.json.encode(each) for each in wanted))
        requests = in_requests(arguments, len(arguments) or 1, REQUEST_BYTES_MAX)
        return [f'{{"op":"subscribe","args":[{b",".join(each).decode()}]}}' for each in requests]

    def due(self, now_us: int) -> list[str]:
        """Return a ping when no frame came for 15 s."""
        if self._heard_us == 0:
            self._heard_us = now_us
        if now_us - self._heard_us < PING_AFTER_US:
            return []
        self._heard_us = now_us
        return ["ping"]

    def _arguments(self, market: str, channel: Channel) -> list[dict[str, str]]:
        """Return the channels of a subscription, none where the venue has none."""
        if not NAME.fullmatch(market) or "-" not in market:
            return []
        kind, family = kind_of(market), family_of(market)
        one = {"instId": market}
        if channel == "trades":
            return [{"channel": "trades", **one}]
        if channel == "quotes":
            return [{"channel": self._quotes_channel, **one}]
        if channel == "book":
            return [{"channel": "books", **one}]
        index = {"channel": "index-tickers", "instId": family}
        if channel == "reference":
            names = ["mark-price", "open-interest"] if kind in ("SWAP", "FUTURES") else []
            names += ["funding-rate"] if kind == "SWAP" else []
            names += ["open-interest"] if kind == "OPTION" else []
            return [index, *({"channel": name, **one} for name in names)]
        summary = {"channel": "opt-summary", "instFamily": family}
        if kind == "SPOT":
            return [summary]
        if kind != "OPTION":
            return []
        names = ["tickers", "mark-price", "open-interest"]
        return [summary, index, *({"channel": name, **one} for name in names)]

    # -- what comes in -----------------------------------------------------------------------------

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        self._heard_us = received_us
        if frame == b"pong":
            messages: list[Message] = [Status("", "heartbeat")]
        else:
            messages = self._read(decode(ENVELOPE, frame, VENUE), received_us)
        if self._pending:
            messages = [*self._pending, *messages]
            self._pending = []
        return messages

    def _read(self, envelope: Envelope, received_us: int) -> list[Message]:
        if envelope.event:
            return self._control(envelope, received_us)
        argument, data = envelope.arg, envelope.data
        if argument is None or not len(data):
            raise other_shape(VENUE, "neither an event nor data of a channel")
        market = argument.inst_id or argument.inst_family
        channel = argument.channel
        if channel == "opt-summary":
            return self._summary(decode(SUMMARIES, data, VENUE))
        if channel == "index-tickers":
            return self._index(market, decode(INDICES, data, VENUE))
        channels = self._channels.get(market)
        if channels is None:
            reason = f"{channel[:60]} of {market[:60]} came without a subscription"
            return [Status("", "malformed", reason)]
        if channel == "mark-price":
            return self._mark(market, channels, decode(MARKS, data, VENUE))
        if channel == "funding-rate":
            return [
                Reference(
                    market,
                    time_us_of(row.ts, VENUE),
                    funding_rate=funding_or_none(row.funding_rate, VENUE),
                )
                for row in decode(FUNDINGS, data, VENUE)
            ]
        if channel == "open-interest":
            return self._interest(market, channels, decode(INTERESTS, data, VENUE))
        return self._with_quantities(market, channel, envelope.action, data, received_us)

    def _with_quantities(
        self, market: str, channel: str, action: str, data: msgspec.Raw, received_us: int
    ) -> list[Message]:
        """Return what the channels say whose quantities are contracts."""
        unit = self._unit(market)
        if channel == "trades":
            trades = decode(TRADES, data, VENUE)
            return (
                self._withhold(market, received_us)
                if unit is None
                else trades_of(market, trades, unit)
            )
        if channel == "bbo-tbt":
            tops = decode(TOPS, data, VENUE)
            return (
                self._withhold(market, received_us) if unit is None else tops_of(market, tops, unit)
            )
        if channel == "tickers":
            return self._ticker(market, unit, decode(TICKERS, data, VENUE), received_us)
        if channel == "books":
            rows = decode(BOOKS, data, VENUE)
            if unit is None:
                return self._withhold(market, received_us)
            return self._book(market, action, rows, unit, received_us)
        return [Status(market, "malformed", f"unknown channel {channel[:60]}")]

    def _control(self, envelope: Envelope, received_us: int) -> list[Message]:
        """Return what an event says. Errors: WIRE-E03."""
        event, reason = envelope.event, envelope.msg[:TEXT_MAX]
        argument = envelope.arg or Argument()
        market = argument.inst_id or argument.inst_family
        if event == "subscribe":
            messages: list[Message] = [Status(market[:60], "subscribed", argument.channel[:60])]
            if argument.channel in ("trades", "bbo-tbt", "books") and market in self._channels:
                messages += self._ask_unit(market, received_us)
            return messages
        if event == "notice":
            if str(envelope.code) == SERVICE_UPGRADE:
                return [Status("", "restart", reason)]
            return [Status("", "malformed", f"unknown notice: {reason}")]
        if event == "error":
            if str(envelope.code) != NO_SUCH_CHANNEL and envelope.arg is None:
                raise venue_error(VENUE, envelope.code, reason)
            if not market:
                found = INSTRUMENT.search(reason)
                market = found[1] if found else ""
            return [Status(market[:60], "refused", reason)]
        if event in ("unsubscribe", "login", "channel-conn-count"):
            return []
        if event == "channel-conn-count-error":
            return [Status("", "refused", "too many connections to one channel")]
        return [Status("", "malformed", f"unknown event {event[:60]}")]

    # -- contract units ----------------------------------------------------------------------------

    def _unit(self, market: str) -> ContractUnit | None:
        return BASE_UNIT if kind_of(market) == "SPOT" else self._units.get(market)

    def _ask_unit(self, market: str, received_us: int) -> list[Message]:
        """Return the fetch of a market's contract value, unless it is known or was just asked for."""
        if self._unit(market) is not None:
            return []
        kind, family = kind_of(market), family_of(market)
        which = f"instFamily={family}" if kind == "OPTION" else f"instId={market}"
        path = f"/api/v5/public/instruments?instType={kind}&{which}"
        if received_us < self._ask_units_after_us.get(path, 0):
            return []
        self._ask_units_after_us[path] = received_us + RETRY_US
        self._asked[path] = ""
        return [Fetch(market, path)]

    def _withhold(self, market: str, received_us: int) -> list[Message]:
        """Return the fetch of what is missing and, the first time, that quantities are held back."""
        messages = self._ask_unit(market, received_us)
        if market not in self._withheld:
            self._withheld.add(market)
            reason = "the value of a contract is not known yet: quantities are held back"
            messages.append(Status(market, "unverified", reason))
        return messages

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:
        """Return what the answer to a Fetch says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        if fetch_path not in self._asked:
            return [Status("", "malformed", f"nothing was asked of {fetch_path[:60]}")]
        answer = decode(ANSWER, body, VENUE)
        if str(answer.code) != "0":
            raise venue_error(VENUE, answer.code, answer.msg)
        if not len(answer.data):
            raise other_shape(VENUE, "an answer without data")
        market = self._asked[fetch_path]
        if market:
            rows = decode(BOOKS, answer.data, VENUE)
            if len(rows) != 1:
                raise other_shape(VENUE, f"{len(rows)} books where one was asked for")
            return self._whole_book(market, rows[0], received_us)
        return self._learn_units(decode(INSTRUMENTS, answer.data, VENUE))

    def _learn_units(self, rows: list[InstrumentRow]) -> list[Message]:
        for row in rows:
            if row.inst_id not in self._channels or row.inst_id in self._units:
                continue
            value = price_or_none(row.ct_val, VENUE)
            many = price_or_none(row.ct_mult, VENUE)
            if value is None or many is None:
                raise other_shape(VENUE, f"{row.inst_id} has no contract value")
            unit = ContractUnit(price_of(value * many, VENUE), row.ct_type == "inverse")
            self._units[row.inst_id] = unit
            self._withheld.discard(row.inst_id)
        return []

    # -- books -------------------------------------------------------------------------------------

    def _book(
        self,
        market: str,
        action: str,
        rows: list[BookRow],
        unit: ContractUnit,
        received_us: int,
    ) -> list[Message]:
        """Return snapshots and changes, gaps and what heals them."""
        if action not in ("snapshot", "update"):
            raise other_shape(VENUE, f"a book with the action {action[:60]!r}")
        for row in rows:  # all numbers before any is used: a frame counts whole or not at all
            if not (0 <= row.seq_id <= SEQUENCE_MAX and -1 <= row.prev_seq_id <= SEQUENCE_MAX):
                raise other_shape(VENUE, "a number of a book out of bounds")
        if action == "snapshot":
            snapshots = [snapshot_of(market, row, unit) for row in rows]
            track = self._tracks.setdefault(market, BookTrack())
            for snapshot in snapshots:
                track.begin(snapshot)
            return [*snapshots]
        changes = [change_of(market, row, unit) for row in rows]
        track = self._tracks.setdefault(market, BookTrack())
        messages: list[Message] = []
        for change in changes:
            held = track.held
            if not track.follow(change):
                reason = f"a change follows on {change.previous_sequence}, the book is at {held}"
                messages += [Status(market, "gap", reason), change]
            elif track.held < 0:
                continue  # it waits for a whole book
            elif change.last_sequence == change.previous_sequence and not (
                change.bids or change.asks
            ):
                messages.append(Status(market, "heartbeat", "the book has not changed"))
            else:
                messages.append(change)
        if track.held < 0:
            messages += self._ask_book(market, track, received_us)
        return messages

    def _ask_book(self, market: str, track: BookTrack, received_us: int) -> list[Message]:
        """Return the fetch of a whole book, unless one was just asked for."""
        if received_us < track.ask_after_us:
            return []
        track.ask_after_us = received_us + RETRY_US
        path = f"/api/v5/market/books?instId={market}&sz=400&source=0"
        self._asked[path] = market
        return [Fetch(market, path)]

    def _whole_book(self, market: str, row: BookRow, received_us: int) -> list[Message]:
        """Return a fetched book and the changes that waited for it, if it is needed and they join."""
        track = self._tracks[market]
        if not 0 <= row.seq_id <= SEQUENCE_MAX:
            raise other_shape(VENUE, "a number of a book out of bounds")
        snapshot = snapshot_of(market, row, self._unit(market) or BASE_UNIT)
        joined = track.join(snapshot, received_us) if track.held < 0 else None
        return [] if joined is None else [snapshot, *joined]

    # -- references and options --------------------------------------------------------------------

    def _ticker(
        self, market: str, unit: ContractUnit | None, rows: list[TickerRow], received_us: int
    ) -> list[Message]:
        messages: list[Message] = []
        channels = self._channels[market]
        for row in rows:
            time_us = time_us_of(row.ts, VENUE)
            bid, ask = price_or_none(row.bid_px, VENUE), price_or_none(row.ask_px, VENUE)
            bid_quantity = quantity_or_none(row.bid_sz, VENUE) or 0.0
            ask_quantity = quantity_or_none(row.ask_sz, VENUE) or 0.0
            if "options" in channels and kind_of(market) == "OPTION":
                messages.append(self._option(market, time_us, bid=bid, ask=ask))
            if "quotes" not in channels or self._quotes_channel != "tickers":
                continue
            if unit is None:
                messages += self._withhold(market, received_us)
                continue
            messages.append(
                Quote(
                    market,
                    bid or 0.0,
                    unit.base(bid_quantity, bid) if bid else 0.0,
                    ask or 0.0,
                    unit.base(ask_quantity, ask) if ask else 0.0,
                    time_us,
                )
            )
        return messages

    def _index(self, index: str, rows: list[IndexRow]) -> list[Message]:
        """Return the index price for every market that has this index."""
        messages: list[Message] = []
        markets = self._of_index.get(index)
        if markets is None:
            return [Status("", "malformed", f"index {index[:60]} came without a subscription")]
        for row in rows:
            price, time_us = price_of(row.idx_px, VENUE), time_us_of(row.ts, VENUE)
            for market in markets:
                channels = self._channels[market]
                if "reference" in channels:
                    messages.append(Reference(market, time_us, index_price=price))
                if "options" in channels and kind_of(market) == "OPTION":
                    # Said with the option's next frame: an index moves many times as often.
                    self._option(market, time_us, index_price=price)
        return messages

    def _mark(self, market: str, channels: set[Channel], rows: list[MarkRow]) -> list[Message]:
        messages: list[Message] = []
        for row in rows:
            time_us = time_us_of(row.ts, VENUE)
            if kind_of(market) == "OPTION":
                messages.append(
                    self._option(market, time_us, mark=price_or_none(row.mark_px, VENUE))
                )
            elif "reference" in channels:
                mark = price_of(row.mark_px, VENUE)
                messages.append(Reference(market, time_us, mark_price=mark))
        return messages

    def _interest(
        self, market: str, channels: set[Channel], rows: list[InterestRow]
    ) -> list[Message]:
        """Return open interest, which the venue also states in units of the asset."""
        messages: list[Message] = []
        for row in rows:
            time_us = time_us_of(row.ts, VENUE)
            interest = quantity_or_none(row.oi_ccy, VENUE)
            if "options" in channels and kind_of(market) == "OPTION":
                messages.append(self._option(market, time_us, open_interest=interest))
            if "reference" in channels:
                messages.append(Reference(market, time_us, open_interest=interest))
        return messages

    def _summary(self, rows: list[SummaryRow]) -> list[Message]:
        """Return the volatilities of the options asked for, one by one or by their family."""
        messages: list[Message] = []
        for row in rows:
            time_us = time_us_of(row.ts, VENUE)
            found = {
                "bid_volatility": volatility_or_none(row.bid_vol, VENUE),
                "ask_volatility": volatility_or_none(row.ask_vol, VENUE),
                "mark_volatility": volatility_or_none(row.mark_vol, VENUE),
                "forward": price_or_none(row.fwd_px, VENUE),
            }
            market = row.inst_id
            if not NAME.fullmatch(market) or kind_of(market) != "OPTION":
                raise other_shape(VENUE, f"{market[:60]} is no option")
            if "options" in self._channels.get(market, ()):
                messages.append(self._option(market, time_us, **found))
            elif "options" in self._channels.get(family_of(market), ()):
                messages.append(OptionTicker(market, time_us, **found))
        return messages

    def _option(self, market: str, time_us: int, **found: float | None) -> OptionTicker:
        """Return all that is known of an option: each of its channels says a part of it."""
        before = self._options.get(market)
        if before is None:
            ticker = OptionTicker(market, time_us, **found)
        else:
            latest_us = max(time_us, before.exchange_time_us)
            ticker = msgspec.structs.replace(before, exchange_time_us=latest_us, **found)
        self._options[market] = ticker
        return ticker
