"""Recalling what happened from a journal: the chronicle of an engine that was opened again, or of the past."""

from __future__ import annotations

from pathlib import Path

from steelyard.engine.engine import KIND_EVENT, KIND_OUTCOMES
from steelyard.engine.replay import decode_outcomes
from steelyard.journal import JournalReader
from steelyard.service.host.chronicle import Chronicle
from steelyard.terms import Instrument
from steelyard.ticks import Event, decode_event


def recall(
    path: Path,
    chronicle: Chronicle,
    instruments: dict[str, Instrument],
    until_seq: int | None = None,
) -> int:
    """Let a new chronicle take note of all that a journal has, up to an event; return that event's seq.

    Nothing is applied: the outcomes are those on record. Refused events are in no journal. instruments: at
    least those listed by then. Errors: JournalError where the journal is damaged.
    """
    seq = 0
    event: Event | None = None
    with JournalReader.open_reader(path) as reader:
        for record in reader.read(1):
            if until_seq is not None and record.seq > until_seq:
                break
            if record.kind == KIND_EVENT:
                event, seq = decode_event(record.payload), record.seq
            elif record.kind == KIND_OUTCOMES and event is not None:
                chronicle.take(
                    event, record.seq, list(decode_outcomes(record.payload)), instruments
                )
    return seq
