"""What the engine needs of a journal, whichever store is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from steelyard.journal.reading import Snapshot, SnapshotInfo
from steelyard.journal.record import Record


class Journal(Protocol):
    """An ordered, hash-chained log of records with a few snapshots beside it.

    Used from one thread. Every failure is a JournalError (see `failures`).
    """

    @property
    def metadata(self) -> bytes:
        """Return the bytes given at creation."""

    @property
    def durable_position(self) -> int:
        """Return the last position that outlives a power cut; 0 before the first."""

    @property
    def position(self) -> int:
        """Return the last position appended, durable or not."""

    def append(self, seq: int, kind: int, payload: bytes) -> int:
        """Add a record to the current group and return its position; no disk is touched."""

    def flush(self) -> int:
        """Make everything appended durable and return the durable position."""

    def read(self, from_position: int = 1, to_position: int | None = None) -> Iterator[Record]:
        """Yield durable records in order, checking the chain."""

    def last(self) -> Record | None:
        """Return the last durable record, None for an empty journal."""

    def put_snapshot(self, position: int, seq: int, state_hash: bytes, blob: bytes) -> None:
        """Store a state that belongs to a durable record."""

    def snapshots(self) -> list[SnapshotInfo]:
        """Return the stored snapshots, oldest first."""

    def latest_snapshot(self, max_position: int | None = None) -> Snapshot | None:
        """Return the newest snapshot not beyond `max_position`, checked against its hash."""

    def close(self) -> None:
        """Make everything appended durable and let go of the journal."""
