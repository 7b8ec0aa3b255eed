"""The reading half of a journal: records and snapshots, checked as they are read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from steelyard.journal import failures
from steelyard.journal.examine import Depth, Examination, examine, one_view
from steelyard.journal.layout import Connection, JournalOptions, prepare_reader
from steelyard.journal.reading import (
    ChainBreak,
    Snapshot,
    SnapshotInfo,
    chain_at,
    chained_records,
    last_position,
    load_snapshot,
    snapshot_infos,
)
from steelyard.journal.record import SEQ_MAX, Record
from steelyard.journal.seal import SealReading, read_seal
from steelyard.quantities.errors import JournalError

Path = str | os.PathLike[str]
# The driver decodes SQLite's own messages, which may quote damaged bytes.
DRIVER_ERRORS = (sqlite3.Error, UnicodeError)


class JournalReader:
    """A journal open for reading; a writer may be at work beside it. Used from one thread.

    No read transaction outlives a call or a chunk of `read`, so a reader never holds back the
    writer's log.
    """

    def __init__(self, path: str, connection: Connection, found: Examination) -> None:
        self.path = path
        self.examination = found
        self._connection = connection
        self._is_open = True

    @classmethod
    def open_reader(cls, path: Path, options: JournalOptions | None = None) -> JournalReader:
        """Return a read-only view of the journal at `path`.

        Checked here: identity, header, and that the record the seal names is there. Each record
        is checked as it is read. Raises JOUR-E01, E02, E05, E06, E08.
        """
        options = options or JournalOptions()
        where = os.path.realpath(path)
        reading = read_seal(where, options.disk)
        found = examine_or_raise(where, reading, "reader", options)
        try:
            connection = connect_reader(where, options)
        except DRIVER_ERRORS as error:
            raise failures.io_failed(where, error) from error
        return JournalReader(where, connection, found)

    @property
    def metadata(self) -> bytes:
        """Return the bytes given at creation."""
        return self.examination.metadata

    @property
    def durable_position(self) -> int:
        """Return the last position a writer has committed by now; 0 before the first."""
        self._check_open()
        try:
            return last_position(self._connection)
        except DRIVER_ERRORS as error:
            raise self._read_failed(error, None) from error

    def read(self, from_position: int = 1, to_position: int | None = None) -> Iterator[Record]:
        """Yield the durable records from `from_position` to `to_position` (inclusive).

        Each one is checked against the chain of the one before. Raises JOUR-E06 at the first bad
        record, JOUR-E09 for a position below 1.
        """
        self._check_open()
        if from_position < 1:
            raise failures.bad_argument("positions count from 1", from_position=from_position)
        last = self.durable_position if to_position is None else to_position
        return self._read(from_position, min(last, self.durable_position))

    def _read(self, first: int, last: int) -> Iterator[Record]:
        reached = first - 1
        if first > last:
            return
        try:
            chain, seq = chain_at(self._connection, first - 1, self.examination.genesis)
            for record in chained_records(self._connection, first, last, chain, seq):
                reached = record.position
                yield record
        except ChainBreak as found:
            good = min(reached, found.position - 1)
            raise failures.damaged(self.path, found.position, good, found.reason, "") from None
        except DRIVER_ERRORS as error:
            raise self._read_failed(error, reached + 1) from error
        if reached < last:
            raise failures.damaged(self.path, reached + 1, reached, "the record is missing", "")

    def last(self) -> Record | None:
        """Return the last durable record, checked against the one before; None when empty."""
        position = self.durable_position
        return next(self.read(position, position)) if position else None

    def snapshots(self) -> list[SnapshotInfo]:
        """Return the stored snapshots, oldest first (at most three)."""
        self._check_open()
        try:
            return snapshot_infos(self._connection)
        except DRIVER_ERRORS as error:
            raise self._read_failed(error, None) from error

    def latest_snapshot(self, max_position: int | None = None) -> Snapshot | None:
        """Return the newest snapshot not beyond `max_position`, or None.

        Its hash and the chain of its record are checked: JOUR-E11 when they are wrong.
        """
        self._check_open()
        bound = SEQ_MAX if max_position is None else max_position
        try:
            with one_view(self._connection):
                infos = snapshot_infos(self._connection)
                positions = [info.position for info in infos if info.position <= bound]
                if not positions:
                    return None
                snapshot = load_snapshot(self._connection, positions[-1])
                chain, _seq = self._chain_at(snapshot.position)
        except DRIVER_ERRORS as error:
            raise self._read_failed(error, None) from error
        if chain != snapshot.chain:
            raise failures.bad_snapshot(
                "it names another chain than the record it belongs to",
                "use an older one or replay from the first record",
                position=snapshot.position,
            )
        return snapshot

    def _chain_at(self, position: int) -> tuple[bytes, int]:
        try:
            return chain_at(self._connection, position, self.examination.genesis)
        except ChainBreak as found:
            good = max(found.position - 1, 0)
            raise failures.damaged(self.path, found.position, good, found.reason, "") from None
        except DRIVER_ERRORS as error:
            raise self._read_failed(error, position) from error

    def _read_failed(self, error: Exception, position: int | None) -> JournalError:
        if failures.sqlite_code(error) in (11, 26) or isinstance(error, UnicodeError):
            good = 0 if position is None else position - 1
            return failures.damaged(self.path, position, good, f"SQLite: {error}", "")
        return failures.io_failed(self.path, error)

    def _check_open(self) -> None:
        if not self._is_open:
            raise failures.not_writable(self.path, "closed")

    def close(self) -> None:
        """Let go of the files; closing twice is fine."""
        if self._is_open:
            self._is_open = False
            with suppress(*DRIVER_ERRORS):
                self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect_reader(path: str, options: JournalOptions) -> Connection:
    """Return a guarded read-only connection."""
    connection = options.connect(path, False)
    try:
        prepare_reader(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def examine_or_raise(
    path: str, seal: SealReading, depth: Depth, options: JournalOptions
) -> Examination:
    """Return the examination of a sound journal, or raise with the place of its damage."""
    if not os.path.exists(path):
        raise failures.not_found(path)

    def connect() -> Connection:
        return connect_reader(path, options)

    found = examine(path, connect, seal, depth, options.check_ms_max)
    if found.damage is None:
        return found
    # The tail alone cannot say which records before it are good: look at all of them.
    whole = examine(path, connect, seal, "whole", None)
    raise _as_error(path, whole if whole.damage is not None else found)


def _as_error(path: str, found: Examination) -> JournalError:
    damage = found.damage
    assert damage is not None
    if damage.code == "JOUR-E01":
        return failures.not_a_journal(path, f"{damage.reason}, {damage.place}")
    if damage.code == "JOUR-E02":
        return failures.unknown_format(path, damage.reason)
    return failures.damaged(
        path, damage.position, damage.last_good, damage.reason, damage.place, damage.code
    )
