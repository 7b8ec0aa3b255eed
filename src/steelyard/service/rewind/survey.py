"""The survey of a journal for a scrubber: what it spans, and the marks worth looking at.

Marks are gathered as the journal grows, by reading it once beside the replay and applying nothing. There
are never more than `MARKS_MAX`: when there would be, neighbours of a kind are put together.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from steelyard.actions import BadDebt, Closed, ProtectionChanged
from steelyard.engine.engine import KIND_EVENT, KIND_OUTCOMES
from steelyard.engine.replay import decode_outcomes
from steelyard.journal import JournalReader, Record
from steelyard.ticks import ParameterChange, decode_event

MARKS_MAX = 1_000
LIQUIDATION, REDUCTION, DEBT, PROTECTION, METHOD = (
    "liquidation", "reduction", "debt", "protection", "method",
)  # fmt: skip
_TAG = ParameterChange.__name__.encode()


class Mark(msgspec.Struct, frozen=True):
    """A place worth looking at: the first event of it, its instant, what, and how often until the next."""

    seq: int
    time_us: int
    kind: str
    count: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What can be gone to, as of now.

    first, last: events and their instants, 0 of an empty journal. snapshots: events with a snapshot in the
    journal; waypoints: with one in memory, which makes going there fast. marks: by event, known up to
    `marks_to_seq`. difference: what a replay found to differ from the journal, empty if nothing, from
    `difference_seq` on; damages: records that could not be read, by the first event that they make untold;
    unusable_snapshots: those passed over, and why.
    event_s, waypoint_s, snapshot_s: measured seconds to replay an event, to open a waypoint, a snapshot.
    """

    first_seq: int
    first_us: int
    last_seq: int
    last_us: int
    snapshots: list[int]
    waypoints: list[int]
    marks: list[Mark]
    marks_to_seq: int
    difference: str
    difference_seq: int
    damages: dict[int, str]
    unusable_snapshots: dict[int, str]
    event_s: float
    waypoint_s: float
    snapshot_s: float


class Survey:
    """Marks of the journal so far. `more` reads on; reading the same journal twice gives the same marks."""

    def __init__(self, reader: JournalReader) -> None:
        self.reader = reader
        self.position = 0
        self.seq = 0
        self.width = 1
        self._event: Record | None = None
        self._marks: dict[tuple[int, str], Mark] = {}

    def more(self, records_max: int = 200) -> bool:
        """Read some more records; return whether there may be others."""
        last = self.reader.durable_position
        if self.position >= last:
            return False
        for record in self.reader.read(self.position + 1, min(last, self.position + records_max)):
            self._take(record)
            self.position, self.seq = record.position, record.seq
        return self.position < last

    def marks(self) -> list[Mark]:
        """Return the marks by event."""
        return sorted(self._marks.values(), key=lambda mark: (mark.seq, mark.kind))

    def _take(self, record: Record) -> None:
        if record.kind == KIND_EVENT:
            self._event = record
            if _TAG in record.payload[:32]:
                self._add(record.seq, METHOD, 1)
        elif record.kind == KIND_OUTCOMES:
            for kind, count in _kinds(record.payload):
                self._add(record.seq, kind, count)

    def _add(self, seq: int, kind: str, count: int) -> None:
        key = seq // self.width, kind
        known = self._marks.get(key)
        if known is not None:
            self._marks[key] = msgspec.structs.replace(known, count=known.count + count)
            return
        assert self._event is not None, "outcomes follow their event"
        time_us = decode_event(self._event.payload).time_us
        self._marks[key] = Mark(seq, time_us, kind, count)
        while len(self._marks) > MARKS_MAX:
            self._widen()

    def _widen(self) -> None:
        """Put two neighbours of a kind together, throughout."""
        self.width *= 2
        wider: dict[tuple[int, str], Mark] = {}
        for mark in self.marks():
            key = mark.seq // self.width, mark.kind
            known = wider.get(key)
            count = mark.count + (known.count if known is not None else 0)
            wider[key] = msgspec.structs.replace(known or mark, count=count)
        self._marks = wider


def _kinds(payload: bytes) -> Iterator[tuple[str, int]]:
    """Yield what outcomes are marked for, and how often."""
    counts: dict[str, int] = {}
    for outcome in decode_outcomes(payload):
        kind = ""
        if isinstance(outcome, Closed):
            kind = LIQUIDATION if outcome.is_full else REDUCTION
        elif isinstance(outcome, BadDebt):
            kind = DEBT
        elif isinstance(outcome, ProtectionChanged):
            kind = PROTECTION
        if kind:
            counts[kind] = counts.get(kind, 0) + 1
    return iter(counts.items())


def seq_at(reader: JournalReader, time_us: int) -> int:
    """Return the last durable event at or before an instant, 0 where there is none.

    Time never goes backwards in a journal, so halving finds it: some twenty records for a million.
    """
    low, high = 0, reader.durable_position
    while low < high:
        middle = (low + high + 1) // 2
        event = event_before(reader, middle)
        if event is None or decode_event(event.payload).time_us <= time_us:
            low = middle
        else:
            high = event.position - 1
    found = event_before(reader, low) if low else None
    return 0 if found is None else found.seq


def event_before(reader: JournalReader, position: int) -> Record | None:
    """Return the last event at a position or before it; outcomes and checkpoints follow their event."""
    for at in range(position, 0, -1):
        record = next(reader.read(at, at))
        if record.kind == KIND_EVENT:
            return record
    return None
