"""The history of a session as its report tells it, and the feed of what happened last.

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
from steelyard.decisions import State
from steelyard.publish import story_lines
from steelyard.publish.feed import protection_words
from steelyard.publish.story import quoted_price
from steelyard.publish.views import money
from steelyard.quantities import from_units
from steelyard.service.host import figures
from steelyard.service.host.history import SAMPLES_MAX, STATE_COUNT
from steelyard.service.host.history import History as EngineHistory
from steelyard.service.host.vitals import quantile_rank, recent_quantiles
from steelyard.terms.account import owner_of

__all__ = [
    "STATE_COUNT",
    "Feed",
    "FeedEntry",
    "History",
    "quantile_rank",
    "recent_quantiles",
    "units_by_state",
]

FEED_MAX = 60


class History(EngineHistory):
    """The history of a session's engine, with what its report says beyond the tally."""

    def __init__(
        self, session: Session, sample_every_us: int = 1_000_000, samples_max: int = SAMPLES_MAX
    ) -> None:
        super().__init__(
            session.engine, session.tally, session.start_us, sample_every_us, samples_max
        )
        self.session = session

    def observe(self, step: Step) -> None:
        """Take note of one step; call it after every event."""
        self.take(step.event.time_us, step.outcomes)

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
    word = "PROTECTED" if outcome.is_protected else "back"
    return FeedEntry(time_us, word, outcome.subject, protection_words(outcome))


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


def units_by_state(session: Session) -> NDArray[np.int64]:
    """Return how many margin units are in each of the seven states now."""
    return np.array(list(figures.units_by_state(session.engine).values()), np.int64)
