"""Streams: the rows of one source or one instrument as columns, cleaned, cut to a window and merged.

A row has the time it was known (received), the time it was so on its exchange, and a bid and an ask
(a lone price has both equal). Cleaning drops and counts what cannot be an event; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from steelyard.feeds.tables import NO_TIME, Floats, Ints
from steelyard.ticks import Event, PriceTick, QuoteTick
from steelyard.ticks.bounds import PRICE_MAX, TIME_US_MAX

LOOK_BACK_US = 1_800_000_000
"""A row that came later than this after its time is dropped, and a warm-up row is at most this old
(or as old as its source's stale_after, if that is longer: hourly bars)."""

AHEAD_US_MAX = 5_000_000
"""Clocks differ: a row may seem known this long before it happened; beyond, its time is wrong."""

ORIGIN_PREFIX = "recorded:"
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class SourceTerms:
    """What a source of index prices is listed with; `note` says what a reader should know of it."""

    source: str
    asset: str
    operator: str
    weight: int
    stale_after_us: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class QuoteTerms:
    """The rows of this stream are bids and asks of one perpetual, not prices of an index source."""

    name: str
    instrument: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows as read: times in microseconds (or NO_TIME), prices as float64 (or NaN)."""

    known_us: Ints
    exchange_us: Ints
    bid: Floats
    ask: Floats

    def take(self, index: Ints) -> RawRows:
        """Return the rows at these positions, in this order."""
        return RawRows(
            self.known_us[index], self.exchange_us[index], self.bid[index], self.ask[index]
        )

    def near(self, from_us: int, to_us: int) -> npt.NDArray[np.bool_]:
        """Return which rows a window may need: known from two look-backs before it to its end.

        Rows whose time cannot be used stay in, to be counted.
        """
        known = self.known_us
        return (known < 0) | ((known >= from_us - 2 * LOOK_BACK_US) & (known < to_us))

    @staticmethod
    def joined(parts: Sequence[RawRows]) -> RawRows:
        """Return the rows of all parts, one after the other."""
        return RawRows(
            np.concatenate([part.known_us for part in parts]),
            np.concatenate([part.exchange_us for part in parts]),
            np.concatenate([part.bid for part in parts]),
            np.concatenate([part.ask for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """Clean rows of one source or instrument in order of known time, then exchange time.

    skipped: rows dropped, by reason. reordered: rows that stood after a later one in the file.
    """

    terms: SourceTerms | QuoteTerms
    rows: RawRows
    skipped: dict[str, int] = field(default_factory=dict)
    reordered: int = 0

    @property
    def name(self) -> str:
        """Return the stream's name, e.g. `coinbase:AAVE-USD`."""
        return self.terms.source if isinstance(self.terms, SourceTerms) else self.terms.name

    @property
    def origin(self) -> str:
        """Return the origin of its events, e.g. `recorded:coinbase:AAVE-USD`."""
        return ORIGIN_PREFIX + self.name

    def event(self, row: int, time_us: int, origin_seq: int) -> Event:
        """Return one row as an event that is known at `time_us`."""
        rows = self.rows
        return _event(
            self.terms, self.origin, time_us, origin_seq,
            float(rows.bid[row]), float(rows.ask[row]), int(rows.exchange_us[row]),
        )  # fmt: skip

    def last_before(self, from_us: int) -> int | None:
        """Return the row with the latest exchange time that was known before `from_us`, or None.

        Only rows whose exchange time lies within the look-back count, and whose price is usable.
        """
        rows = self.rows
        reach = LOOK_BACK_US
        if isinstance(self.terms, SourceTerms):
            reach = max(reach, self.terms.stale_after_us)
        usable = (
            (rows.known_us < from_us)
            & (rows.exchange_us >= from_us - reach)
            & (rows.bid > 0.0)
            & (rows.ask <= PRICE_MAX)
        )
        found = np.flatnonzero(usable)
        if not found.size:
            return None
        return int(found[np.lexsort((found, rows.exchange_us[found]))[-1]])


def clean(
    terms: SourceTerms | QuoteTerms, raw: RawRows, *, one_per_time: bool, keep_bad: bool = False
) -> Stream:
    """Return the stream of the rows that can be events, with the others counted by reason.

    one_per_time: the rows are bars, so a second row of one exchange time is a repeat (the one known
    first stays); for trades and quotes only a row equal in everything is. keep_bad: rows whose price
    is bad stay, so that an engine meets them; a row without a usable time never does.
    """
    skipped: dict[str, int] = {}
    keep = np.ones(raw.known_us.size, dtype=bool)

    def drop(reason: str, bad: npt.NDArray[np.bool_]) -> None:
        count = int(np.count_nonzero(bad & keep))
        if count:
            skipped[reason] = skipped.get(reason, 0) + count
        keep[bad] = False

    drop("no time", (raw.exchange_us == NO_TIME) | (raw.known_us == NO_TIME))
    for column in (raw.exchange_us, raw.known_us):
        drop("time outside 1970 to 2100", (column < 0) | (column > TIME_US_MAX))
    drop("known over 5 s before it happened", raw.exchange_us - raw.known_us > AHEAD_US_MAX)
    drop("known over 30 minutes late", raw.known_us - raw.exchange_us > LOOK_BACK_US)
    if not keep_bad:
        drop("price is not a number", ~(np.isfinite(raw.bid) & np.isfinite(raw.ask)))
        drop("price is not above zero", (raw.bid <= 0.0) | (raw.ask <= 0.0))
        drop("price is beyond 1e12", (raw.bid > PRICE_MAX) | (raw.ask > PRICE_MAX))
        drop("bid is above the ask", raw.bid > raw.ask)
    rows = raw.take(np.flatnonzero(keep))
    order_key = rows.exchange_us if one_per_time else rows.known_us
    before = np.maximum.accumulate(order_key) if order_key.size else order_key
    reordered = int(np.count_nonzero(order_key < before))
    rows = _without_repeats(rows, one_per_time, skipped)
    return Stream(terms, rows, skipped, reordered)


def merged(streams: Sequence[Stream], from_us: int, to_us: int) -> tuple[Ints, Ints, Ints]:
    """Return (stream number, row, rank in its stream) of every row with from ≤ known < to, in order.

    Order: known time, then the stream's place in the sequence given, then exchange time. The rank of
    a stream's first row in the window is zero.
    """
    numbers, rows, ranks, known = [], [], [], []
    for place, stream in enumerate(streams):
        start, end = np.searchsorted(stream.rows.known_us, [from_us, to_us], side="left")
        count = int(end - start)
        numbers.append(np.full(count, place, dtype=np.int64))
        rows.append(np.arange(start, end, dtype=np.int64))
        ranks.append(np.arange(count, dtype=np.int64))
        known.append(stream.rows.known_us[start:end])
    if not numbers:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    number, row, rank = np.concatenate(numbers), np.concatenate(rows), np.concatenate(ranks)
    order = np.lexsort((rank, number, np.concatenate(known)))
    return number[order], row[order], rank[order]


def events(
    streams: Sequence[Stream], plan: tuple[Ints, Ints, Ints], first_seq: Sequence[int]
) -> Iterator[Event]:
    """Yield the rows of a plan of `merged` as events; `first_seq` is each stream's first number."""
    number, row, rank = plan
    origins = [stream.origin for stream in streams]
    seqs = np.asarray(first_seq, dtype=np.int64)
    for start in range(0, number.size, _CHUNK):
        numbers, rows = number[start : start + _CHUNK], row[start : start + _CHUNK]
        known = np.empty(numbers.size, dtype=np.int64)
        exchange = np.empty(numbers.size, dtype=np.int64)
        bid = np.empty(numbers.size, dtype=np.float64)
        ask = np.empty(numbers.size, dtype=np.float64)
        for code in np.unique(numbers):
            here = numbers == code
            source, at = streams[int(code)].rows, rows[here]
            known[here], exchange[here] = source.known_us[at], source.exchange_us[at]
            bid[here], ask[here] = source.bid[at], source.ask[at]
        seq = seqs[numbers] + rank[start : start + _CHUNK]
        columns: Iterable[tuple[int, int, int, float, float, int]] = zip(
            numbers.tolist(), known.tolist(), seq.tolist(), bid.tolist(), ask.tolist(),
            exchange.tolist(), strict=True,
        )  # fmt: skip
        for which, time_us, origin_seq, low, high, exchange_us in columns:
            terms = streams[which].terms
            yield _event(terms, origins[which], time_us, origin_seq, low, high, exchange_us)


def _event(
    terms: SourceTerms | QuoteTerms,
    origin: str,
    time_us: int,
    origin_seq: int,
    bid: float,
    ask: float,
    exchange_us: int,
) -> Event:
    if isinstance(terms, SourceTerms):
        return PriceTick(time_us, origin, origin_seq, terms.source, terms.asset, bid, exchange_us)
    return QuoteTick(time_us, origin, origin_seq, terms.instrument, bid, ask, exchange_us)


def _without_repeats(rows: RawRows, one_per_time: bool, skipped: dict[str, int]) -> RawRows:
    """Return the rows by (known, exchange) time with repeats dropped and counted."""
    place = np.arange(rows.known_us.size)
    if one_per_time:
        order = np.lexsort((place, rows.known_us, rows.exchange_us))
        exchange = rows.exchange_us[order]
        repeat = exchange[1:] == exchange[:-1]
    else:
        order = np.lexsort((place, rows.ask, rows.bid, rows.exchange_us, rows.known_us))
        columns = (rows.known_us, rows.exchange_us, rows.bid, rows.ask)
        repeat = np.ones(max(0, place.size - 1), dtype=bool)
        for column in columns:
            sorted_column = column[order]
            repeat &= sorted_column[1:] == sorted_column[:-1]
    fresh = order[np.concatenate(([True], ~repeat))] if place.size else order
    if fresh.size < place.size:
        skipped["repeated row"] = int(place.size - fresh.size)
    # Rows of one instant keep the order of the file: the last trade of a microsecond stays last.
    final = np.lexsort((fresh, rows.exchange_us[fresh], rows.known_us[fresh]))
    return rows.take(fresh[final])
