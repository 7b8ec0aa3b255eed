"""History: what a session looked like every second, and what happened last; bounded in size.

The live view draws its curves from it, the page of plots and the report are made of it. It only
reads the session; nothing in the engine depends on it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.actions import (
    BadDebt,
    Closed,
    FundDraw,
    OrdersCancelled,
    Outcome,
    ProtectionChanged,
    StateChanged,
)
from steelyard.cli.session import Session, Step
from steelyard.cli.wiring import time_text
from steelyard.decisions import STATE_NAMES, State
from steelyard.publish import story_lines
from steelyard.publish.story import quoted_price
from steelyard.publish.views import money
from steelyard.quantities import from_units
from steelyard.terms.account import owner_of

SAMPLES_MAX = 4096
SPANS_MAX = 1000
LIQUIDATIONS_MAX = 20_000
FEED_MAX = 60
STATE_COUNT = len(STATE_NAMES)

_LEVELS = (
    "fund_micro",
    "bad_debt_micro",
    "uncovered_micro",
    "margin_calls",
    "partial_reductions",
    "full_liquidations",
    "bankruptcies",
)
_SUMS = ("closed_micro", "closes", "events")
_WORST = ("decision_p50_us", "decision_p99_us")


@dataclass
class ProtectedSpan:
    """A time in which an asset was protected; end_us None: it still is."""

    asset: str
    begin_us: int
    end_us: int | None = None


@dataclass
class Liquidation:
    """What a full liquidation closed of one position so far.

    lots: signed as held; notional_micro: at index; price_sum, mark_sum: Σ |lots|·mark units.
    """

    unit: str
    instrument: str
    first_us: int
    lots: int = 0
    notional_micro: int = 0
    price_sum: int = 0
    mark_sum: int = 0
    closes: int = 0


class History:
    """Samples of a session, one every `sample_every_us` of market time.

    Row k of a column is taken after the first event at or after the end of interval k; row 0 is the
    start. Columns: time_us; index (assets × rows, USD, NaN without a price); protected (assets × rows);
    units_by_state (7 × rows, margin units); fund_micro, bad_debt_micro, uncovered_micro (micro-USDC);
    margin_calls, partial_reductions, full_liquidations, bankruptcies (distinct accounts so far);
    closed_micro, closes, events (of the interval alone); decision_p50_us, decision_p99_us (of the
    interval's events; 0 without one). At `samples_max` rows neighbours are merged and the interval
    doubles: levels keep the later value, sums add, the latencies keep the worse one.
    """

    def __init__(
        self, session: Session, sample_every_us: int = 1_000_000, samples_max: int = SAMPLES_MAX
    ) -> None:
        assert sample_every_us > 0
        assert samples_max >= 4
        assert samples_max % 2 == 0
        self.session = session
        self.sample_every_us = sample_every_us
        self.samples_max = samples_max
        self.count = 0
        self.assets = [asset.name for asset in session.engine.market.assets]
        self._scales = self._price_scales()
        self.time_us = np.zeros(samples_max, np.int64)
        self.index = np.full((len(self.assets), samples_max), np.nan)
        self.protected = np.zeros((len(self.assets), samples_max), np.bool_)
        self.units_by_state = np.zeros((STATE_COUNT, samples_max), np.int64)
        self._columns: dict[str, NDArray[Any]] = {
            name: np.zeros(samples_max, np.float64 if name in _WORST else np.int64)
            for name in _LEVELS + _SUMS + _WORST
        }
        self.spans: list[ProtectedSpan] = []
        self.spans_dropped = 0
        self.liquidations: dict[tuple[str, str], Liquidation] = {}
        self.closed_micro = 0
        self.fees_micro = 0
        self.fund_micro_before = session.fund_micro()
        self._open_spans: dict[str, ProtectedSpan] = {}
        self._interval = [0, 0, 0]
        self._watched = 0
        self._last_us = session.start_us
        self._begin()

    # -- watching --------------------------------------------------------------------------------

    def observe(self, step: Step) -> None:
        """Take note of one step; call it after every event."""
        self._interval[2] += 1
        self._last_us = step.event.time_us
        if step.outcomes:
            for outcome in step.outcomes:
                self._note(outcome, step.event.time_us)
        if self._last_us >= self._next_us:
            self._sample()

    def close(self) -> None:
        """Add the last, shorter interval; nothing happens when there was no event since.

        Events of the very instant of the last row are added to it.
        """
        if not self._interval[2]:
            return
        self._sample()
        last = self.count - 1
        if last > 1 and self.time_us[last] == self.time_us[last - 1]:
            self._merge(np.r_[np.arange(last - 1), last])

    def _begin(self) -> None:
        market = self.session.engine.market
        for slot, name in enumerate(self.assets):
            if market.is_protected[slot]:
                self._protect(name, True, self._last_us)
        self._sample()

    def _note(self, outcome: Outcome, time_us: int) -> None:
        if isinstance(outcome, ProtectionChanged):
            self._protect(outcome.subject, outcome.is_protected, time_us)
        elif isinstance(outcome, Closed):
            self._note_close(outcome, time_us)

    def _note_close(self, closed: Closed, time_us: int) -> None:
        engine = self.session.engine
        slot = engine.market.instrument_slots[closed.instrument]
        notional = engine.venue.notional_micro(slot, closed.lots)
        settlement = int(engine.market.settlement_of[slot])
        self.closed_micro += notional
        self.fees_micro += engine.venue.to_micro_down(closed.fee, settlement)
        self._interval[0] += notional
        self._interval[1] += 1
        if not closed.is_full:
            return
        key = closed.subject, closed.instrument
        found = self.liquidations.get(key)
        if found is None:
            if len(self.liquidations) >= LIQUIDATIONS_MAX:
                self._forget_small()
            found = self.liquidations[key] = Liquidation(*key, time_us)
        found.lots += closed.lots
        found.notional_micro += notional
        found.price_sum += abs(closed.lots) * closed.price_mark
        found.mark_sum += abs(closed.lots) * closed.mark
        found.closes += 1

    def _forget_small(self) -> None:
        """Keep the larger half of the liquidations: only the largest are ever shown."""
        kept = self.largest_liquidations(LIQUIDATIONS_MAX // 2)
        self.liquidations = {(each.unit, each.instrument): each for each in kept}

    def _protect(self, asset: str, is_protected: bool, time_us: int) -> None:
        span = self._open_spans.pop(asset, None)
        if span is not None:
            span.end_us = time_us
        if not is_protected:
            return
        self._open_spans[asset] = span = ProtectedSpan(asset, time_us)
        if len(self.spans) < SPANS_MAX:
            self.spans.append(span)
        else:
            self.spans_dropped += 1

    # -- sampling --------------------------------------------------------------------------------

    def _sample(self) -> None:
        if self.count == self.samples_max:
            self._thin()
        row, session = self.count, self.session
        market, tally = session.engine.market, session.tally
        if len(market.assets) > len(self.assets):
            self._widen([asset.name for asset in market.assets])
        self.time_us[row] = self._last_us
        units = market.index_units[: len(self.assets)]
        self.index[:, row] = np.where(units > 0, units / self._scales, np.nan)
        self.protected[:, row] = market.is_protected[: len(self.assets)]
        self.units_by_state[:, row] = units_by_state(session)
        p50, p99 = self._latency()
        values = (
            session.fund_micro(),
            tally.bad_debt,
            tally.bad_debt_uncovered,
            len(tally.margin_called),
            len(tally.reduced),
            len(tally.liquidated),
            len(tally.bankrupt),
            *self._interval,
            p50,
            p99,
        )
        for name, value in zip(_LEVELS + _SUMS + _WORST, values, strict=True):
            self._columns[name][row] = value
        self._interval = [0, 0, 0]
        self.count += 1
        passed = (self._last_us - session.start_us) // self.sample_every_us + 1
        self._next_us = session.start_us + passed * self.sample_every_us

    def _latency(self) -> tuple[float, float]:
        """Return p50 and p99 of tick to decision since the last sample."""
        watch = self.session.engine.stopwatch
        # A session resets the watch when its stream begins: then all of it is new.
        since = self._watched if self._watched <= watch.count else 0
        self._watched = watch.count
        return recent_quantiles(watch.samples(), watch.count, watch.count - since)

    def _thin(self) -> None:
        """Merge neighbouring rows, row 0 staying the start, and double the interval."""
        self._merge(np.r_[0, np.arange(2, self.count, 2), self.count - 1])
        self.sample_every_us *= 2

    def _merge(self, later: NDArray[np.int64]) -> None:
        """Keep the rows `later`, each with the sums and the worst of those dropped before it."""
        count, kept = self.count, len(later)
        for column in (self.time_us, self.index, self.protected, self.units_by_state):
            column[..., :kept] = column[..., later]
        starts = np.r_[0, later[:-1] + 1]
        for name, column in self._columns.items():
            if name in _LEVELS:
                column[:kept] = column[later]
            elif name in _SUMS:
                column[:kept] = np.add.reduceat(column[:count], starts)
            else:
                column[:kept] = np.maximum.reduceat(column[:count], starts)
        self.count = kept

    def _widen(self, names: list[str]) -> None:
        """Give assets listed since the start their rows, empty so far."""
        more = len(names) - len(self.assets)
        self.index = np.vstack([self.index, np.full((more, self.samples_max), np.nan)])
        unseen = np.zeros((more, self.samples_max), np.bool_)
        self.protected = np.vstack([self.protected, unseen])
        self.assets = names
        self._scales = self._price_scales()

    def _price_scales(self) -> NDArray[np.float64]:
        """Return the index units of one USD, per asset."""
        return np.array([10.0**a.price_exponent for a in self.session.engine.market.assets])

    # -- reading ---------------------------------------------------------------------------------

    def column(self, name: str) -> NDArray[Any]:
        """Return the rows so far of a column of one number a row. KeyError for an unknown name."""
        return self._columns[name][: self.count]

    def largest_liquidations(self, count: int) -> list[Liquidation]:
        """Return the positions of which full liquidations closed the most, by notional, then name."""
        ordered = sorted(
            self.liquidations.values(),
            key=lambda each: (-each.notional_micro, each.unit, each.instrument),
        )
        return ordered[:count]

    def facts(self) -> dict[str, Any]:
        """Return what a report says beyond the tally, as plain data; amounts in USDC, exact."""
        terms_of = self.session.by_name
        largest = []
        for each in self.largest_liquidations(5):
            terms = terms_of[each.instrument]
            lots = abs(each.lots)
            price, mark = (
                Decimal(f"{quoted_price(terms, round(Fraction(total, lots))):.10g}")
                for total in (each.price_sum, each.mark_sum)
            )
            largest.append(
                {
                    "account": owner_of(each.unit),
                    "unit": each.unit,
                    "instrument": each.instrument,
                    "quantity": from_units(each.lots, terms.lot_exponent),
                    "notional": money(each.notional_micro),
                    "price": price,
                    "mark": mark,
                    "at": time_text(each.first_us),
                }
            )
        spans = [
            {
                "asset": span.asset,
                "from": time_text(span.begin_us),
                "to": None if span.end_us is None else time_text(span.end_us),
                "seconds": round(((span.end_us or self._last_us) - span.begin_us) / 1e6, 3),
            }
            for span in self.spans
        ]
        return {
            "closed_notional": money(self.closed_micro),
            "liquidation_fees": money(self.fees_micro),
            "protected_spans": spans,
            "protected_spans_dropped": self.spans_dropped,
            "largest_liquidations": largest,
        }


# -- the feed ------------------------------------------------------------------------------------


@dataclass
class FeedEntry:
    """One thing that happened, in words. count: how many of the same kind it stands for."""

    time_us: int
    word: str
    unit: str
    text: str
    count: int = 1

    def words(self) -> str:
        """Return who, what, and how many before it."""
        more = f" (and {self.count - 1:,} before it)" if self.count > 1 else ""
        return f"{self.unit}{more}: {self.text}"


class Feed:
    """The last entries, newest first; a rush of the same kind becomes one entry with a count."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.entries: deque[FeedEntry] = deque(maxlen=FEED_MAX)

    def take(self, step: Step) -> list[FeedEntry]:
        """Add what of a step is worth an entry (calls, closes, debts, payments, protection).

        Calls of one second are joined, and so are closes of one account. Returns the step's own.
        """
        entries = []
        for outcome in step.outcomes:
            if isinstance(outcome, ProtectionChanged):
                entries.append(_protection_entry(outcome, step.event.time_us))
            elif _is_worth_an_entry(outcome):
                time_us = step.event.time_us
                lines = story_lines([outcome], step.seq, time_us, self.session.by_name)
                entries += [_entry(outcome, line.text, time_us) for line in lines]
        for entry in entries:
            self._add(entry)
        return entries

    def _add(self, entry: FeedEntry) -> None:
        last = self.entries[0] if self.entries else None
        if last is not None and _joins(last, entry):
            self.entries.popleft()
            self.entries.appendleft(replace(entry, count=last.count + entry.count))
        else:
            self.entries.appendleft(entry)


def _joins(last: FeedEntry, entry: FeedEntry) -> bool:
    if last.word != entry.word:
        return False
    if entry.word in ("called", "orders"):
        return last.time_us // 1_000_000 == entry.time_us // 1_000_000
    return entry.word in ("reduced", "liquidated") and last.unit == entry.unit


def _is_worth_an_entry(outcome: Outcome) -> bool:
    if isinstance(outcome, StateChanged):
        told = (State.MARGIN_CALL, State.FULL_LIQUIDATION)
        return outcome.current > outcome.previous and outcome.current in told
    return isinstance(outcome, Closed | FundDraw | BadDebt | OrdersCancelled)


def _protection_entry(outcome: ProtectionChanged, time_us: int) -> FeedEntry:
    if outcome.is_protected:
        text = "no quorum of fresh sources, nobody is liquidated on it"
        return FeedEntry(time_us, "PROTECTED", outcome.subject, text)
    return FeedEntry(time_us, "back", outcome.subject, "its index has a quorum again")


def _entry(outcome: Outcome, text: str, time_us: int) -> FeedEntry:
    unit = outcome.subject
    if isinstance(outcome, Closed):
        word, _, told = text.partition(": ")
        return FeedEntry(time_us, word, owner_of(unit), told)
    if isinstance(outcome, StateChanged):
        told = text.partition(" → ")[2]
        if outcome.current == State.MARGIN_CALL:
            return FeedEntry(time_us, "called", unit, told.partition(", ")[2] or told)
        return FeedEntry(time_us, "breached", unit, told)
    words = {FundDraw: "fund paid", BadDebt: "bad debt", OrdersCancelled: "orders"}
    return FeedEntry(time_us, words[type(outcome)], unit, text)


# -- figures -------------------------------------------------------------------------------------


def units_by_state(session: Session) -> NDArray[np.int64]:
    """Return how many margin units are in each of the seven states now."""
    counts = np.zeros(STATE_COUNT, np.int64)
    for shard in session.engine.shards:
        book = shard.book
        counts += np.bincount(book.state[: book.units], minlength=STATE_COUNT)
    return counts


def recent_quantiles(samples: NDArray[np.float64], total: int, wanted: int) -> tuple[float, float]:
    """Return p50 and p99 (inverted empirical CDF) of the last `wanted` of a ring of samples.

    samples: what is kept; total: how many there ever were, so the newest lies at (total − 1) mod
    len(samples). (0, 0) without a sample.

    >>> recent_quantiles(np.array([4.0, 5.0, 1.0, 2.0, 3.0]), 7, 3)
    (4.0, 5.0)
    """
    kept = min(wanted, len(samples))
    if kept <= 0:
        return 0.0, 0.0
    last = total % len(samples)
    first = last - kept
    part = samples[first:last] if first >= 0 else np.r_[samples[first:], samples[:last]]
    middle, high = quantile_rank(kept, 50), quantile_rank(kept, 99)
    ordered = np.partition(part, (middle, high))
    return float(ordered[middle]), float(ordered[high])


def quantile_rank(count: int, percent: int) -> int:
    """Return the place, from 0, of the inverted-CDF quantile among `count` sorted values.

    >>> [quantile_rank(100, 50), quantile_rank(3, 99), quantile_rank(1, 50)]
    [49, 2, 0]
    """
    return max(0, -(-count * percent // 100) - 1)
