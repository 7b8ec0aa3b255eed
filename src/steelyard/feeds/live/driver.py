"""The messages of all connections become the events of one engine.

Connections hand in messages and health at any time; the engine takes what has gathered when it is free.
What came while it was busy is conflated: of each source, quote and book the last word stays, prices
become one PriceBatch, trades are kept or added up so that no volume is lost. Nothing here waits, and
nothing is thrown away without being counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

import msgspec

from steelyard.feeds.live.config import BookRow, FeedsConfig, InstrumentRow, operator_of_source
from steelyard.feeds.live.health import Health
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Message,
    OraclePrice,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.order_book import Level, OrderBook
from steelyard.feeds.live.skew import SkewRules
from steelyard.feeds.live.source_state import Fault, SourceState
from steelyard.feeds.live.trade_sums import TradeSums
from steelyard.ticks.bounds import PRICE_MAX, REASON_LENGTH_MAX, TIME_US_MAX
from steelyard.ticks.events import (
    BookTick,
    Event,
    OpenInterestTick,
    PriceBatch,
    PriceTick,
    QuoteTick,
    SourceListed,
    SourcePrice,
    SourceStatus,
)

NO_PRICE = 0.0  # said in place of a mid that is not there: it makes the source invalid
_ALIVE = frozenset({"open", "up"})
# Venues that show a book through a window of so many levels, and send a level again when it is back in
# it: such a book is kept exactly as deep as its window.
_WINDOW_LEVELS = {"kraken": 500}
_STATUS_FAULTS: dict[str, Fault] = {
    "halted": "halted",
    "gap": "gap",
    "clock": "clock",
    "unverified": "unverified",
    "malformed": "malformed",
    "refused": "down",
}


def usd_only(quote: str) -> float | None:
    """Return 1 for USD and None for every other currency: what is known without an index."""
    return 1.0 if quote == "USD" else None


class DriverRules(msgspec.Struct, frozen=True):
    """malformed_in_row: so many unreadable frames in a row make all sources of a connection malformed.
    trades_max: trades that may wait; more are added up by market and side. skew: bounds of the clocks."""

    malformed_in_row: int = 3
    trades_max: int = 1_000
    skew: SkewRules = SkewRules()


class DriverCounts(msgspec.Struct):
    """What went through. conflated: prices whose place a newer one of their source took before the engine
    was free. trades_merged: trades that were added up. unusable: quotes, levels, trades and open interest
    that no event can state. unknown: messages about a market nobody configured."""

    messages: int = 0
    prices: int = 0
    conflated: int = 0
    batches: int = 0
    events: int = 0
    statuses: int = 0
    quotes_conflated: int = 0
    books_conflated: int = 0
    trades_merged: int = 0
    unusable: int = 0
    unknown: int = 0


@dataclass(slots=True)
class _Book:
    """A book that is followed: dirty when something changed since it was told."""

    row: BookRow
    book: OrderBook
    is_dirty: bool = False
    told_us: int = -(1 << 62)
    told_intact: bool | None = None


@dataclass(slots=True)
class _Market:
    """Who wants to know of one market of one connection."""

    trades: list[SourceState] = field(default_factory=list)
    mids: list[SourceState] = field(default_factory=list)
    references: list[SourceState] = field(default_factory=list)
    oracles: list[SourceState] = field(default_factory=list)
    instruments: list[InstrumentRow] = field(default_factory=list)
    book: _Book | None = None

    def sources(self) -> Iterator[SourceState]:
        yield from self.trades
        yield from self.mids
        yield from self.references
        yield from self.oracles


class LiveDriver:
    """Takes messages and health in, gives events out.

    origin: of all events; first_seq: the number of the first one, above every number this origin has sent
    before. usd_of: USD per unit of a quote currency, None while it is not known; books, trades and quotes of
    such a currency are not told. Prices of sources stay in their own currency: the index converts them.
    """

    def __init__(
        self,
        config: FeedsConfig,
        *,
        origin: str = "live",
        first_seq: int = 1,
        rules: DriverRules | None = None,
        usd_of: Callable[[str], float | None] = usd_only,
    ) -> None:
        self.config = config
        self.rules = rules or DriverRules()
        self.counts = DriverCounts()
        self.health: dict[str, Health] = {}
        self.sources = [SourceState(row, self.rules.skew) for row in config.sources]
        self._origin = origin
        self._seq = first_seq
        self._usd_of = usd_of
        self._time_us = 0
        self._markets: dict[tuple[str, str], _Market] = {}
        self._in_row: dict[str, int] = {}
        self._prices: dict[tuple[str, str], SourcePrice] = {}
        self._quotes: dict[str, tuple[InstrumentRow, Quote, int]] = {}
        self._open_interest: dict[tuple[str, str], tuple[BookRow, float, int]] = {}
        self._trades = TradeSums(self.rules.trades_max)
        self._touched: dict[int, SourceState] = {id(state): state for state in self.sources}
        self._plan()

    def _plan(self) -> None:
        """Lay out who wants to know of which market."""
        venues = {row.name: row.venue for row in self.config.connections}

        def market(connection: str, name: str) -> _Market:
            return self._markets.setdefault((connection, name), _Market())

        for connection in self.config.connections:
            for row in connection.markets:
                market(connection.name, row.market)
        for state in self.sources:
            wanted = market(state.row.connection, state.row.market)
            {
                "trade": wanted.trades,
                "mid": wanted.mids,
                "index": wanted.references,
                "mark": wanted.references,
                "oracle": wanted.oracles,
            }[state.row.price].append(state)
        for instrument in self.config.instruments:
            market(instrument.connection, instrument.market).instruments.append(instrument)
        for followed in self.config.books:
            window = _WINDOW_LEVELS.get(venues[followed.connection], 0)
            book = OrderBook(window or followed.depth, is_windowed=window > 0)
            market(followed.connection, followed.market).book = _Book(followed, book)

    # -- in ----------------------------------------------------------------------------------------

    def on_messages(self, connection: str, messages: Iterable[Message], received_us: int) -> None:
        """Take what a frame of a connection says."""
        counts = self.counts
        for message in messages:
            counts.messages += 1
            if isinstance(message, Status):
                self._status(connection, message)
                continue
            self._in_row[connection] = 0
            market = self._markets.get((connection, message.market))
            if market is None:
                counts.unknown += 1
                continue
            if isinstance(message, Trade):
                self._trade(market, message, received_us)
            elif isinstance(message, Quote):
                self._quote(market, message, received_us)
            elif isinstance(message, BookSnapshot | BookChange):
                self._book(market, message, received_us)
            elif isinstance(message, Reference):
                self._reference(market, message, received_us)
            elif isinstance(message, OraclePrice):
                for state in market.oracles:
                    self._price(state, message.price, message, received_us, message.confidence)

    def on_health(self, health: Health) -> None:
        """Take the health of a connection; one that is not alive takes its sources and books down."""
        before = self.health.get(health.name)
        self.health[health.name] = health
        if health.state in _ALIVE or (before is not None and before.state not in _ALIVE):
            return
        reason = f"no connection: {health.last_error or health.state}"
        self._in_row[health.name] = 0
        for market in self._of(health.name):
            for state in market.sources():
                state.disconnected(reason)
                self._touched[id(state)] = state
            if market.book is not None:
                market.book.book.lose("no connection")
                market.book.is_dirty = True

    def _of(self, connection: str) -> Iterator[_Market]:
        return (market for (name, _), market in self._markets.items() if name == connection)

    def _status(self, connection: str, status: Status) -> None:
        """Note what a status says of the sources it is about: one market's, or the whole connection's."""
        fault = _STATUS_FAULTS.get(status.kind)
        if not status.market:
            if fault == "down":
                return  # something was refused, but not what
            if fault == "malformed":
                self._in_row[connection] = self._in_row.get(connection, 0) + 1
                if self._in_row[connection] < self.rules.malformed_in_row:
                    return
            markets = list(self._of(connection))
        else:
            market = self._markets.get((connection, status.market))
            markets = [market] if market is not None else []
            self.counts.unknown += market is None
        for market in markets:
            if fault == "gap" and market.book is not None:
                market.book.book.lose("gap")
                market.book.is_dirty = True
            for state in market.sources():
                if status.kind == "subscribed":
                    state.faults.pop("halted", None)
                elif fault is not None:
                    state.faults[fault] = status.reason or status.kind
                self._touched[id(state)] = state

    def _price(
        self,
        state: SourceState,
        price: float,
        message: Trade | Quote | Reference | OraclePrice,
        received_us: int,
        confidence: float = 0.0,
        quantity: float = 0.0,
    ) -> None:
        """Keep a price as the last word of its source."""
        stated_us = message.exchange_time_us
        if not 0 <= stated_us <= TIME_US_MAX:
            state.faults["malformed"] = f"exchange time {stated_us}"
            self._touched[id(state)] = state
            return
        had_faults = bool(state.faults)
        state.price_seen(received_us, stated_us)
        if had_faults or state.faults:
            self._touched[id(state)] = state
        self.counts.prices += 1
        key = (state.row.name, state.row.asset)
        earlier = self._prices.pop(key, None)  # taken out, so that the order is that of last words
        if earlier is not None:
            self.counts.conflated += 1
            state.conflated += 1
            quantity += earlier.quantity
        self._prices[key] = SourcePrice(*key, price, stated_us or received_us, confidence, quantity)

    def _trade(self, market: _Market, trade: Trade, received_us: int) -> None:
        is_sound = 0.0 < trade.price <= PRICE_MAX and 0.0 < trade.quantity <= PRICE_MAX
        for state in market.trades:
            quantity = trade.quantity if is_sound else 0.0
            self._price(state, trade.price, trade, received_us, quantity=quantity)
        if market.book is None:
            return
        if not is_sound or not 0 <= trade.exchange_time_us <= TIME_US_MAX:
            self.counts.unusable += 1
            return
        self.counts.trades_merged += self._trades.add(market.book.row, trade, received_us)

    def _quote(self, market: _Market, quote: Quote, received_us: int) -> None:
        """A mid needs two sides that do not cross; without one its source has no price."""
        is_sound = 0.0 < quote.bid <= quote.ask <= PRICE_MAX
        for state in market.mids:
            mid = 0.5 * (quote.bid + quote.ask) if is_sound else NO_PRICE
            half_spread = 0.5 * (quote.ask - quote.bid) if is_sound else 0.0
            self._price(state, mid, quote, received_us, half_spread)
        for row in market.instruments:
            if not is_sound or not 0 <= quote.exchange_time_us <= TIME_US_MAX:
                self.counts.unusable += 1
                continue
            self.counts.quotes_conflated += row.instrument in self._quotes
            self._quotes.pop(row.instrument, None)
            self._quotes[row.instrument] = (row, quote, quote.exchange_time_us or received_us)

    def _book(self, market: _Market, message: BookSnapshot | BookChange, received_us: int) -> None:
        if market.book is None:
            return
        market.book.book.apply(message, received_us)
        self.counts.books_conflated += market.book.is_dirty
        market.book.is_dirty = True

    def _reference(self, market: _Market, message: Reference, received_us: int) -> None:
        for state in market.references:
            price = message.index_price if state.row.price == "index" else message.mark_price
            if price is not None:
                self._price(state, price, message, received_us)
        if market.book is None or message.open_interest is None:
            return
        row = market.book.row
        is_sound = 0.0 <= message.open_interest <= PRICE_MAX
        if not is_sound or not 0 <= message.exchange_time_us <= TIME_US_MAX:
            self.counts.unusable += 1
            return
        at_us = message.exchange_time_us or received_us
        self._open_interest[row.name, row.asset] = (row, message.open_interest, at_us)

    # -- out ---------------------------------------------------------------------------------------

    def listings(self, now_us: int) -> list[Event]:
        """Return a SourceListed for every source: what the engine takes before anything else."""
        return [
            SourceListed(
                *self._stamp(now_us),
                row.name,
                row.asset,
                operator_of_source(row, self.config),
                row.weight,
                row.stale_after_ms * 1000,
                row.kind,
                row.quote,
                row.tier,
                row.resells,
                row.frozen_after_ms * 1000,
            )
            for row in self.config.sources
        ]

    def drain(self, now_us: int) -> list[Event]:
        """Return what has gathered since the last time, in the order to be taken: what is known of the
        sources, books, quotes, trades, open interest, and the prices last, to be decided on once."""
        events: list[Event] = [
            *self._drain_statuses(now_us),
            *self._drain_books(now_us),
            *self._drain_quotes(now_us),
            *self._trades.drain(lambda: self._stamp(now_us), self._rate),
        ]
        self.counts.unusable += self._trades.left_out
        self._trades.left_out = 0
        for row, open_interest, at_us in self._open_interest.values():
            stamp = self._stamp(now_us)
            events.append(
                OpenInterestTick(*stamp, row.name, row.asset, open_interest, row.is_own, at_us)
            )
        self._open_interest.clear()
        prices = list(self._prices.values())
        self._prices.clear()
        if len(prices) == 1:
            events.append(PriceTick(*self._stamp(now_us), *msgspec.structs.astuple(prices[0])))
        elif prices:
            self.counts.batches += 1
            events.append(PriceBatch(*self._stamp(now_us), prices))
        self.counts.events += len(events)
        return events

    def _stamp(self, now_us: int) -> tuple[int, str, int]:
        """Return time, origin and number of the next event: time never falls, numbers rise."""
        self._time_us = max(self._time_us, now_us)
        seq = self._seq
        self._seq += 1
        return self._time_us, self._origin, seq

    def _rate(self, quote: str) -> float | None:
        """Return USD per unit of a quote currency, None if it cannot be used."""
        rate = self._usd_of(quote)
        return rate if rate is not None and 0.0 < rate < inf else None

    def _drain_statuses(self, now_us: int) -> Iterator[Event]:
        touched, self._touched = self._touched, {}
        for state in touched.values():
            now = state.now()
            if state.told is not None and state.told[0] == now[0]:
                continue
            state.told = now
            self.counts.statuses += 1
            stamp = self._stamp(now_us)
            reason = now[1][:REASON_LENGTH_MAX]
            yield SourceStatus(*stamp, state.row.name, state.row.asset, now[0], reason, stamp[0])

    def _drain_quotes(self, now_us: int) -> Iterator[Event]:
        quotes, self._quotes = self._quotes, {}
        for row, quote, at_us in quotes.values():
            rate = self._rate(row.quote)
            if rate is None or not quote.ask * rate <= PRICE_MAX:
                self.counts.unusable += 1
                continue
            stamp = self._stamp(now_us)
            yield QuoteTick(*stamp, row.instrument, quote.bid * rate, quote.ask * rate, at_us)

    def _drain_books(self, now_us: int) -> Iterator[Event]:
        """Tell the books that changed, each at most once in its interval, and at once when it broke."""
        for market in self._markets.values():
            kept = market.book
            if kept is None or not kept.is_dirty:
                continue
            is_due = now_us - kept.told_us >= kept.row.interval_ms * 1000
            if not is_due and kept.book.is_intact == kept.told_intact:
                continue
            rate = self._rate(kept.row.quote)
            if rate is None:
                self.counts.unusable += 1
                kept.is_dirty = False
                continue
            kept.is_dirty = False
            kept.told_us, kept.told_intact = now_us, kept.book.is_intact
            yield self._book_tick(kept, rate, now_us)

    def _book_tick(self, kept: _Book, rate: float, now_us: int) -> BookTick:
        bids, asks = (self._sound(side, rate) for side in kept.book.top(kept.row.levels))
        at_us = kept.book.exchange_time_us
        row, stamp = kept.row, self._stamp(now_us)
        time_us = at_us if 0 <= at_us <= TIME_US_MAX else stamp[0]
        return BookTick(
            *stamp,
            row.name,
            row.asset,
            row.instrument,
            [price for price, _ in bids],
            [quantity for _, quantity in bids],
            [price for price, _ in asks],
            [quantity for _, quantity in asks],
            time_us,
            kept.book.is_intact,
        )

    def _sound(self, levels: list[Level], rate: float) -> list[Level]:
        """Return the levels in USD, without those that no event can state or that rounding made one."""
        sound: list[Level] = []
        for price, quantity in levels:
            usd = price * rate
            if (
                0.0 < usd <= PRICE_MAX
                and quantity <= PRICE_MAX
                and not (sound and usd == sound[-1][0])
            ):
                sound.append((usd, quantity))
            else:
                self.counts.unusable += 1
        return sound
