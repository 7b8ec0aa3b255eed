"""History: what a venue looked like every second, within bounds, each row with its event.

It only reads the engine; nothing in the engine depends on it. The page's curves are drawn from it, and the
command line's view, plots and report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.actions import Closed, Outcome, ProtectionChanged
from steelyard.decisions import STATE_NAMES
from steelyard.engine.engine import Engine
from steelyard.publish import Tally
from steelyard.service.host.figures import fund_micro, units_by_state
from steelyard.service.host.vitals import recent_quantiles

SAMPLES_MAX = 4096
SPANS_MAX = 1000
LIQUIDATIONS_MAX = 20_000
STATE_COUNT = len(STATE_NAMES)

_LEVELS = (
    "seq",
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
    """Samples of an engine, one every `sample_every_us` of market time.

    Row k of a column is taken after the first event at or after the end of interval k; row 0 is the
    start. Columns: time_us; seq (the event after which the row was so); index (assets × rows, USD, NaN without a price); protected (assets × rows);
    units_by_state (7 × rows, margin units); fund_micro, bad_debt_micro, uncovered_micro (micro-USDC);
    margin_calls, partial_reductions, full_liquidations, bankruptcies (distinct accounts so far);
    closed_micro, closes, events (of the interval alone); decision_p50_us, decision_p99_us (of the
    interval's events; 0 without one). At `samples_max` rows neighbours are merged and the interval
    doubles: levels keep the later value, sums add, the latencies keep the worse one.
    """

    def __init__(
        self,
        engine: Engine,
        tally: Tally,
        start_us: int,
        sample_every_us: int = 1_000_000,
        samples_max: int = SAMPLES_MAX,
    ) -> None:
        assert sample_every_us > 0
        assert samples_max >= 4
        assert samples_max % 2 == 0
        self.engine = engine
        self.tally = tally
        self.start_us = start_us
        self.sample_every_us = sample_every_us
        self.samples_max = samples_max
        self.count = 0
        self.assets = [asset.name for asset in self.engine.market.assets]
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
        self.fund_micro_before = fund_micro(self.engine)
        self._open_spans: dict[str, ProtectedSpan] = {}
        self._interval = [0, 0, 0]
        self._watched = 0
        self._last_us = start_us
        self._begin()

    # -- watching --------------------------------------------------------------------------------

    def take(self, time_us: int, outcomes: Sequence[Outcome]) -> None:
        """Take note of one event and its outcomes; call it after every event."""
        self._interval[2] += 1
        self._last_us = time_us
        for outcome in outcomes:
            self._note(outcome, time_us)
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
        market = self.engine.market
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
        engine = self.engine
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
        row = self.count
        market, tally = self.engine.market, self.tally
        if len(market.assets) > len(self.assets):
            self._widen([asset.name for asset in market.assets])
        self.time_us[row] = self._last_us
        units = market.index_units[: len(self.assets)]
        self.index[:, row] = np.where(units > 0, units / self._scales, np.nan)
        self.protected[:, row] = market.is_protected[: len(self.assets)]
        self.units_by_state[:, row] = list(units_by_state(self.engine).values())
        p50, p99 = self._latency()
        values = (
            self.engine.seq,
            fund_micro(self.engine),
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
        passed = (self._last_us - self.start_us) // self.sample_every_us + 1
        self._next_us = self.start_us + passed * self.sample_every_us

    def _latency(self) -> tuple[float, float]:
        """Return p50 and p99 of tick to decision since the last sample."""
        watch = self.engine.stopwatch
        # The watch is reset when a stream begins: then all of it is new.
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
        return np.array([10.0**a.price_exponent for a in self.engine.market.assets])

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
