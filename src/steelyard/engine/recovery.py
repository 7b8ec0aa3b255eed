"""Creating an engine with a journal, and opening one after a stop or a crash: one path for both."""

from __future__ import annotations

from pathlib import Path

import msgspec

from steelyard import __version__
from steelyard.engine.engine import KIND_CHECKPOINT, KIND_OUTCOMES, Engine
from steelyard.engine.replay import (
    ENGINE_FORMAT,
    JournalHeader,
    Replayer,
    ReplayReport,
    engine_of,
    restore_checked,
)
from steelyard.engine.snapshot import state_hash, take_snapshot
from steelyard.journal import GroupCommitter, JournalReader, SqliteJournal
from steelyard.quantities import JournalError
from steelyard.terms import Method


class JournaledEngine:
    """An engine and the committer that makes its events durable.

    `submit` through `engine`; `wait` returns once everything submitted is on the disk: only then may
    anyone outside be told. Use as a context manager.
    """

    def __init__(
        self, engine: Engine, committer: GroupCommitter, path: Path, replayed: int = 0
    ) -> None:
        self.path = path
        self.engine = engine
        self.committer = committer
        self.replayed = replayed

    def wait(self) -> int:
        """Return the durable position, once all that was submitted, and every snapshot, is durable."""
        return self.committer.flush()

    def checkpoint(self) -> bytes:
        """Prove that everything sums to zero, write the state hash into the journal, return it."""
        self.engine.check_sums()
        digest = state_hash(self.engine)
        self.committer.append(self.engine.seq, KIND_CHECKPOINT, digest)
        return digest

    def snapshot(self) -> bytes:
        """Write a checkpoint and a snapshot behind it; return the state hash."""
        digest = self.checkpoint()
        blob = take_snapshot(self.engine)
        self.committer.put_snapshot(self.committer.position, self.engine.seq, digest, blob)
        return digest

    def close(self) -> None:
        """Make everything durable and close the journal."""
        self.committer.close()

    def __enter__(self) -> JournaledEngine:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def create_engine(path: Path, method: Method, shards: int = 1) -> JournaledEngine:
    """Return a new engine on a new journal. Errors: JournalError when the file is there already."""
    header = JournalHeader(ENGINE_FORMAT, __version__, method)
    metadata = msgspec.msgpack.encode(header, order="deterministic")
    committer = GroupCommitter(lambda: SqliteJournal.create(path, metadata))
    return JournaledEngine(Engine(method, shards, committer.append), committer, path)


def open_engine(path: Path, shards: int = 1) -> JournaledEngine:
    """Return the engine of a journal as it was: newest snapshot, then every event after it.

    Outcomes of the last event that a crash kept from the disk are recomputed and appended. Errors:
    JournalError when the journal is damaged, in use, or disagrees with this release.
    """
    committer = GroupCommitter(lambda: SqliteJournal.open(path))
    try:
        with JournalReader.open_reader(path) as reader:
            engine = engine_of(reader, shards)
            snapshot = reader.latest_snapshot()
            first = 1
            if snapshot is not None:
                restore_checked(engine, snapshot)
                first = snapshot.position + 1
            report = ReplayReport(str(path))
            replayer = Replayer(engine, report)
            for record in reader.read(first):
                if not replayer.take(record):
                    raise JournalError(
                        "JOUR-E22",
                        f"replay differs: {report.difference}",
                        rule="the engine recomputes what the journal recorded",
                        cure="run the release that wrote it; `steelyard replay --verify` shows more",
                        seq=report.difference_seq,
                    )
    except BaseException:
        committer.close()
        raise
    if replayer.expected is not None:
        committer.append(engine.seq, KIND_OUTCOMES, replayer.expected)
    engine.append = committer.append
    engine.stopwatch.reset()
    return JournaledEngine(engine, committer, path, report.events)
