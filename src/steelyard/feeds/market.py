"""Market: streams of rows and what is to be listed, put together as the events of one window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from steelyard.feeds.names import operator_of
from steelyard.feeds.streams import (
    ORIGIN_PREFIX,
    SourceTerms,
    Stream,
    events,
    merged,
)
from steelyard.feeds.tables import NO_TIME, Ints, column_types, read_table, times_us
from steelyard.quantities import InputError
from steelyard.terms import Asset, Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET, USDC
from steelyard.terms.listing import asset_for, inverse_perpetual, linear_perpetual
from steelyard.ticks import AssetListed, Event, InstrumentsListed, SourceListed
from steelyard.ticks.bounds import PRICE_MAX, TIME_US_MAX

LISTING_ORIGIN = ORIGIN_PREFIX + "listing"


@dataclass(frozen=True, slots=True)
class PerpetualPlan:
    """A perpetual that is listed with scales chosen from the asset's reference price."""

    asset: str
    is_inverse: bool
    contract_usd: int | None = None

    def listed(self, price: float) -> Instrument:
        """Return the instrument, scaled at a reference price in USD."""
        if self.is_inverse:
            return inverse_perpetual(self.asset, price, self.contract_usd)
        return linear_perpetual(self.asset, price)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a layout found in its files, before a window is cut from it.

    streams: in any order. assets: their stated scales, or None to choose them from a price.
    perpetuals and instruments: what is listed. backfill: coarser rows by stream name, which warm up a
    stream that has no row of its own yet. primary: streams of which at least one must have a row in the
    window (empty: any). spans: (file, time column) pairs that say what the recording covers.
    """

    name: str
    streams: Sequence[Stream]
    assets: dict[str, Asset | None]
    perpetuals: Sequence[PerpetualPlan] = ()
    instruments: Sequence[Instrument] = ()
    backfill: dict[str, Stream] = field(default_factory=dict)
    primary: frozenset[str] = frozenset()
    spans: Sequence[tuple[Path, str]] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """One stream as it is used: who, how trusted, and what was found.

    tick_count: rows in the window. late: of these, rows older in exchange time than one that came
    before. skipped: rows dropped, by reason. reordered: rows that stood after a later one in the file.
    """

    name: str
    asset: str
    instrument: str
    operator: str
    weight: int
    stale_after_us: int
    tick_count: int
    late: int
    skipped: dict[str, int]
    reordered: int
    note: str


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """A window of a recorded market as events; `ticks` may be walked more than once.

    listings and warm_up have the time of the window's start. first_prices: USD per asset, the median of
    the sources' warm-up prices (without one: the first price in the window). unlisted: assets without
    any price in reach, which have no scale and are left out. skipped: rows dropped, by reason.
    """

    name: str
    from_us: int
    to_us: int
    listings: list[Event]
    warm_up: list[Event]
    tick_count: int
    first_prices: dict[str, float]
    assets: list[Asset]
    instruments: list[Instrument]
    sources: list[SourceDescription]
    skipped: dict[str, int]
    unlisted: list[str]
    _streams: list[Stream]
    _plan: tuple[Ints, Ints, Ints]
    _first_seq: list[int]

    def ticks(self) -> Iterator[Event]:
        """Return the events of the window by known time; ties by stream name, then exchange time."""
        return events(self._streams, self._plan, self._first_seq)


def check_window(from_us: int, to_us: int) -> None:
    """Raise FEED-E04 unless 0 ≤ from < to ≤ the year 2100."""
    if not 0 <= from_us < to_us <= TIME_US_MAX:
        raise InputError(
            "FEED-E04",
            f"the window from {from_us} to {to_us} is empty or out of bounds",
            rule="a window starts before it ends, between 1970 and 2100",
            cure="give from and to in UTC, from before to",
            field="from_us",
        )


def assemble(recording: Recording, from_us: int, to_us: int) -> RecordedMarket:
    """Return the window of a recording as listings, warm-up and ticks.

    Errors: FEED-E04 no row in the window (says what the recording covers), TERM-E05 no scale fits.
    """
    check_window(from_us, to_us)
    prices = _reference_prices(recording, from_us, to_us)
    unlisted = sorted(
        name for name, asset in recording.assets.items() if name not in prices and asset is None
    )
    assets = [USDC] + [
        recording.assets[name] or asset_for(name, prices[name])
        for name in sorted(recording.assets)
        if name not in unlisted and name != ACCOUNTING_ASSET
    ]
    instruments = [
        plan.listed(prices[plan.asset]) for plan in recording.perpetuals if plan.asset in prices
    ] + [each for each in recording.instruments if each.underlying not in unlisted]
    instruments.sort(key=lambda each: each.name)
    streams = _used(recording, assets, instruments)
    plan = merged(streams, from_us, to_us)
    _require_rows(recording, streams, plan, from_us, to_us)
    warm_up, first_seq = _warm_up(recording, streams, from_us)
    sources = [_described(stream, from_us, to_us) for stream in streams]
    return RecordedMarket(
        name=recording.name,
        from_us=from_us,
        to_us=to_us,
        listings=_listings(assets, streams, instruments, from_us),
        warm_up=warm_up,
        tick_count=int(plan[0].size),
        first_prices=prices,
        assets=assets,
        instruments=instruments,
        sources=sources,
        skipped=_total(source.skipped for source in sources),
        unlisted=unlisted,
        _streams=streams,
        _plan=plan,
        _first_seq=first_seq,
    )


def time_text(time_us: int) -> str:
    """Return a time as ISO 8601 UTC.

    >>> time_text(1_760_130_600_000_000)
    '2025-10-10T21:10:00Z'
    """
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(
        microsecond=time_us % 1_000_000
    )
    return moment.isoformat().replace("+00:00", "Z")


def _reference_prices(recording: Recording, from_us: int, to_us: int) -> dict[str, float]:
    """Return each asset's first price: warm-up median, else first in the window, else of a quote."""
    warm: dict[str, list[float]] = {}
    first: dict[str, tuple[int, str, float]] = {}
    quoted: dict[str, tuple[int, str, float]] = {}
    underlying = {plan.listed(1.0).name: plan.asset for plan in recording.perpetuals}
    underlying.update({each.name: each.underlying for each in recording.instruments})
    for stream in recording.streams:
        terms = stream.terms
        row = _warm_row(recording, stream, from_us)
        if isinstance(terms, SourceTerms) and row is not None:
            warm.setdefault(terms.asset, []).append(float(row[0].rows.bid[row[1]]))
            continue
        candidate = _first_in(stream, from_us, to_us) if row is None else (
            from_us, stream.name, float(row[0].rows.bid[row[1]])
        )  # fmt: skip
        if candidate is not None:
            into, name = (
                (first, terms.asset)
                if isinstance(terms, SourceTerms)
                else (quoted, underlying.get(terms.instrument, ""))
            )
            into[name] = min(candidate, into.get(name, candidate))
    prices = {name: found[2] for name, found in (quoted | first).items()}
    prices.update({name: float(median(found)) for name, found in warm.items()})
    return {name: prices[name] for name in sorted(prices) if name in recording.assets}


def _first_in(stream: Stream, from_us: int, to_us: int) -> tuple[int, str, float] | None:
    rows = stream.rows
    usable = (rows.known_us >= from_us) & (rows.known_us < to_us)
    usable &= (rows.bid > 0.0) & (rows.bid <= PRICE_MAX)
    found = np.flatnonzero(usable)
    if not found.size:
        return None
    return int(rows.known_us[found[0]]), stream.name, float(rows.bid[found[0]])


def _warm_row(recording: Recording, stream: Stream, from_us: int) -> tuple[Stream, int] | None:
    """Return the stream (itself or its backfill) and the row that warm it up, or None."""
    for candidate in (stream, recording.backfill.get(stream.name)):
        row = candidate.last_before(from_us) if candidate is not None else None
        if candidate is not None and row is not None:
            return candidate, row
    return None


def _used(
    recording: Recording, assets: Sequence[Asset], instruments: Sequence[Instrument]
) -> list[Stream]:
    """Return the streams of listed assets and instruments, by name."""
    known = {asset.name for asset in assets} | {each.name for each in instruments}
    used = [
        stream
        for stream in recording.streams
        if (
            stream.terms.asset if isinstance(stream.terms, SourceTerms) else stream.terms.instrument
        )
        in known
    ]
    return sorted(used, key=lambda stream: stream.name)


def _require_rows(
    recording: Recording,
    streams: Sequence[Stream],
    plan: tuple[Ints, Ints, Ints],
    from_us: int,
    to_us: int,
) -> None:
    present = {streams[int(number)].name for number in np.unique(plan[0])}
    if present & recording.primary if recording.primary else present:
        return
    raise InputError(
        "FEED-E04",
        f"no row was known between {time_text(from_us)} and {time_text(to_us)}",
        rule="the window overlaps the recording",
        cure=f"choose a window in it: {_span_text(recording)}",
        file=recording.name,
    )


def _span_text(recording: Recording) -> str:
    low, high = TIME_US_MAX, 0
    for path, column in recording.spans:
        table = read_table(path, [column])
        assert column in column_types(path)
        times = times_us(path, table, column)
        times = times[(times != NO_TIME) & (times >= 0) & (times <= TIME_US_MAX)]
        if times.size:
            low, high = min(low, int(times.min())), max(high, int(times.max()))
    if low > high:
        return "it has no rows at all"
    return f"{time_text(low)} to {time_text(high)}"


def _warm_up(
    recording: Recording, streams: Sequence[Stream], from_us: int
) -> tuple[list[Event], list[int]]:
    """Return the warm-up events by known time, and the number of each stream's first tick."""
    found: list[tuple[int, int, Event]] = []
    first_seq = [1] * len(streams)
    for number, stream in enumerate(streams):
        warm = _warm_row(recording, stream, from_us)
        if warm is not None:
            holder, row = warm
            known_us = int(holder.rows.known_us[row])
            found.append((known_us, number, holder.event(row, from_us, 1)))
            first_seq[number] = 2
    found.sort(key=lambda each: each[:2])
    return [event for _, _, event in found], first_seq


def _listings(
    assets: Sequence[Asset],
    streams: Sequence[Stream],
    instruments: Sequence[Instrument],
    from_us: int,
) -> list[Event]:
    listings: list[Event] = []
    for asset in assets:
        listings.append(AssetListed(from_us, LISTING_ORIGIN, len(listings) + 1, asset))
    for stream in streams:
        terms = stream.terms
        if isinstance(terms, SourceTerms):
            listings.append(
                SourceListed(
                    time_us=from_us,
                    origin=LISTING_ORIGIN,
                    origin_seq=len(listings) + 1,
                    source=terms.source,
                    asset=terms.asset,
                    operator=terms.operator,
                    weight=terms.weight,
                    stale_after_us=terms.stale_after_us,
                )
            )
    if instruments:
        by_name = {asset.name: asset for asset in assets}
        checked = [each.check(by_name[each.settlement]) for each in instruments]
        listings.append(InstrumentsListed(from_us, LISTING_ORIGIN, len(listings) + 1, checked))
    return listings


def _described(stream: Stream, from_us: int, to_us: int) -> SourceDescription:
    terms, rows = stream.terms, stream.rows
    start, end = np.searchsorted(rows.known_us, [from_us, to_us], side="left")
    exchange = rows.exchange_us[start:end]
    late = int(np.count_nonzero(exchange < np.maximum.accumulate(exchange))) if exchange.size else 0
    is_source = isinstance(terms, SourceTerms)
    return SourceDescription(
        name=stream.name,
        asset=terms.asset if isinstance(terms, SourceTerms) else "",
        instrument="" if isinstance(terms, SourceTerms) else terms.instrument,
        operator=terms.operator
        if isinstance(terms, SourceTerms)
        else operator_of(stream.name.split(":")[0]),
        weight=terms.weight if isinstance(terms, SourceTerms) else 0,
        stale_after_us=terms.stale_after_us if isinstance(terms, SourceTerms) else 0,
        tick_count=int(end - start),
        late=late,
        skipped=dict(stream.skipped),
        reordered=stream.reordered,
        note=terms.note or ("index source" if is_source else "quotes of a perpetual"),
    )


def _total(parts: Iterator[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for reason, count in part.items():
            total[reason] = total.get(reason, 0) + count
    return dict(sorted(total.items()))
