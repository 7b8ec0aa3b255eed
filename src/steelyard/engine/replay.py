"""Replay: the same events through the same engine, compared with what was recorded.

A replay that differs names the first seq at which it does, and what was recorded and recomputed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from steelyard.actions.outcomes import AnyOutcome
from steelyard.engine.engine import (
    KIND_CHECKPOINT,
    KIND_EVENT,
    KIND_OUTCOMES,
    Engine,
    encode_outcomes,
)
from steelyard.engine.snapshot import restore_snapshot, state_hash
from steelyard.journal import JournalReader, Record, Snapshot
from steelyard.quantities import JournalError, SteelyardError
from steelyard.terms import Method
from steelyard.terms.method import check_method
from steelyard.ticks import decode_event

_OUTCOMES: msgspec.msgpack.Decoder[list[AnyOutcome]] = msgspec.msgpack.Decoder(list[AnyOutcome])


ENGINE_FORMAT = 1


class JournalHeader(msgspec.Struct, frozen=True):
    """What a journal of the engine says about itself when it is created."""

    format: int
    version: str
    method: Method


class ReplayReport(msgspec.Struct):
    """Outcome of a replay.

    events: replayed; outcomes_checked, checkpoints_checked: records compared; difference: empty, or
    the first place where the recomputed differs from the recorded.
    """

    journal: str
    events: int = 0
    outcomes_checked: int = 0
    checkpoints_checked: int = 0
    last_seq: int = 0
    state_hash: str = ""
    difference: str = ""
    difference_seq: int = 0


class Replayer:
    """Feeds records to an engine and compares what it does with what the journal says it did."""

    def __init__(self, engine: Engine, report: ReplayReport) -> None:
        self.engine = engine
        self.report = report
        self.expected: bytes | None = None
        self.expected_seq = 0

    def take(self, record: Record) -> bool:
        """Take one record; return False once a difference was found."""
        if record.kind == KIND_EVENT:
            if self.expected is not None:
                return self._differs(self.expected_seq, "outcomes were recomputed, none recorded")
            # Whatever goes wrong here, an engine that wrote this record did not see it go wrong.
            try:
                event = decode_event(record.payload)
                last = self.engine.origin_seqs.get(event.origin, -1)
                if event.origin_seq <= last:
                    return self._differs(
                        record.seq, f"number {event.origin_seq} of {event.origin} after {last}"
                    )
                outcomes = self.engine.apply(event)
            except Exception as error:
                return self._differs(
                    record.seq, f"the event cannot be applied: {type(error).__name__}: {error}"
                )
            if self.engine.seq != record.seq:
                return self._differs(record.seq, f"seq {self.engine.seq} was expected")
            self.expected = encode_outcomes(outcomes) if outcomes else None
            self.expected_seq = record.seq
            self.report.events += 1
            self.report.last_seq = record.seq
        elif record.kind == KIND_OUTCOMES:
            self.report.outcomes_checked += 1
            if record.payload != self.expected:
                return self._differs(record.seq, _describe(record.payload, self.expected))
            self.expected = None
        elif record.kind == KIND_CHECKPOINT:
            self.report.checkpoints_checked += 1
            recomputed = state_hash(self.engine)
            if record.payload != recomputed:
                return self._differs(
                    record.seq,
                    f"state hash {record.payload.hex()[:16]}… recorded, "
                    f"{recomputed.hex()[:16]}… recomputed",
                )
        return True

    def _differs(self, seq: int, how: str) -> bool:
        self.report.difference = how
        self.report.difference_seq = seq
        return False


def decode_outcomes(payload: bytes) -> list[AnyOutcome]:
    """Return the outcomes of a record the engine wrote."""
    return _OUTCOMES.decode(payload)


def engine_of(reader: JournalReader, shards: int) -> Engine:
    """Return a new engine with the method the journal was created with."""
    return Engine(decode_header(reader.metadata).method, shards)


def decode_header(metadata: bytes) -> JournalHeader:
    """Return the engine's header of a journal. Errors: JOUR-E21 when it is not one of an engine."""
    try:
        header = msgspec.msgpack.decode(metadata, type=JournalHeader)
        check_method(header.method)
    except (msgspec.DecodeError, SteelyardError) as error:
        raise _bad_header(f"not one of an engine: {error}") from None
    if header.format != ENGINE_FORMAT:
        raise _bad_header(f"of format {header.format}")
    return header


def _bad_header(what: str) -> JournalError:
    return JournalError(
        "JOUR-E21",
        f"the journal's header is {what}",
        rule=f"an engine writes its format ({ENGINE_FORMAT}), version and method into the header",
        cure="give the path of a journal written by `steelyard run` or `demo`, or run the release "
        "that wrote it",
    )


def restore_checked(engine: Engine, snapshot: Snapshot) -> None:
    """Fill a new engine from a snapshot. Errors: JOUR-E20 when it does not come out as it was."""
    restore_snapshot(engine, snapshot.blob)
    restored = state_hash(engine)
    if restored != snapshot.state_hash:
        raise JournalError(
            "JOUR-E20",
            f"the snapshot restores to state {restored.hex()[:16]}…, not to its own "
            f"{snapshot.state_hash.hex()[:16]}…",
            rule="a restored engine has the state hash of the one that was saved",
            cure="replay the journal from its first record, with the release that wrote it",
            position=snapshot.position,
            seq=snapshot.seq,
        )


def replay_journal(
    path: Path,
    shards: int = 1,
    to_seq: int | None = None,
    from_snapshot: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Engine, ReplayReport]:
    """Return the engine after replaying a journal, and the report of all comparisons.

    to_seq: stop after this event. from_snapshot: begin at the newest snapshot not after it (fast,
    trusts the snapshot's own hash) instead of at the first record.
    """
    with JournalReader.open_reader(path) as reader:
        engine = engine_of(reader, shards)
        report = ReplayReport(str(path))
        replayer = Replayer(engine, report)
        first = 1
        if from_snapshot:
            limit = _position_of(reader, to_seq) if to_seq is not None else None
            snapshot = reader.latest_snapshot(limit)
            if snapshot is not None:
                restore_checked(engine, snapshot)
                first = snapshot.position + 1
        for record in reader.read(first):
            if to_seq is not None and record.seq > to_seq:
                break
            if not replayer.take(record):
                break
            if on_progress is not None and record.kind == KIND_EVENT:
                on_progress(report.events)
    report.last_seq = engine.seq
    report.state_hash = state_hash(engine).hex()
    return engine, report


def _position_of(reader: JournalReader, seq: int) -> int:
    """Return the last position whose seq is not beyond `seq`: binary search over positions."""
    low, high = 0, reader.durable_position
    while low < high:
        middle = (low + high + 1) // 2
        record = next(iter(reader.read(middle, middle)))
        low, high = (middle, high) if record.seq <= seq else (low, middle - 1)
    return low


def _describe(recorded: bytes, recomputed: bytes | None) -> str:
    try:
        was = _OUTCOMES.decode(recorded)
    except msgspec.DecodeError as error:
        return f"the recorded outcomes cannot be read: {error}"
    if recomputed is None:
        return f"recorded {was[:2]}, recomputed none"
    now = _OUTCOMES.decode(recomputed)
    for left, right in zip(was, now, strict=False):
        if left != right:
            return f"recorded {left}, recomputed {right}"
    return f"recorded {len(was)} outcomes, recomputed {len(now)}"
