"""Reading rows out of SQLite without trusting them: order, types and the hash chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from steelyard.journal import failures
from steelyard.journal.layout import Connection
from steelyard.journal.record import CHAIN_BYTES, Record, next_chain

_CHUNK_ROWS = 1000
_CHUNK_BYTES = 8 * 1024 * 1024
_SELECT = (
    "SELECT position, seq, kind, payload, chain FROM records "
    f"WHERE position >= ? AND position <= ? ORDER BY position LIMIT {_CHUNK_ROWS}"
)
Row = tuple[int, int, int, bytes, bytes]
_SNAPSHOT_HEAD = Struct("<QQQQ")
STATE_HASH_BYTES_MAX = 64
SNAPSHOT_BYTES_MAX = 512 * 1024 * 1024


class ChainBreak(Exception):
    """The first record that is not what the chain says; an inner signal, never seen outside."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A stored snapshot without its content."""

    position: int
    seq: int
    state_hash: bytes
    chain: bytes
    blob_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state saved after the record at `position` was applied (position 0: before the first)."""

    position: int
    seq: int
    state_hash: bytes
    chain: bytes
    blob: bytes


def snapshot_digest(position: int, seq: int, chain: bytes, state_hash: bytes, blob: bytes) -> bytes:
    """Return the 32-byte hash over all fields of a snapshot."""
    head = _SNAPSHOT_HEAD.pack(position, seq, len(state_hash), len(blob))
    digest = blake2b(head + chain + state_hash, digest_size=CHAIN_BYTES)
    digest.update(blob)
    return digest.digest()


def select_rows(connection: Connection, first: int, last: int) -> Iterator[tuple[object, ...]]:
    """Yield the raw rows from `first` to `last`, in chunks bounded in rows and bytes.

    No read transaction is open while a row is out: a slow reader never pins the log.
    """
    while first <= last:
        cursor = connection.execute(_SELECT, (first, last))
        rows: list[tuple[object, ...]] = []
        held_bytes = 0
        try:
            for row in cursor:
                rows.append(row)
                held_bytes += len(row[3]) if isinstance(row[3], bytes) else 0
                if held_bytes > _CHUNK_BYTES:
                    break
        finally:
            cursor.close()
        if not rows:
            return
        yield from rows
        final = rows[-1][0]
        if not isinstance(final, int):
            return
        first = final + 1


def chained_rows(
    connection: Connection, first: int, last: int, chain: bytes, seq: int
) -> Iterator[Row]:
    """Yield the rows of the records from `first` on, given chain and seq of the record before.

    Ends at `last` or at the last row. Raises ChainBreak at the first record that is missing,
    has a wrong type, or does not match its hash.
    """
    position = first
    for row in select_rows(connection, first, last):
        found, row_seq, kind, payload, stored = row
        if found != position:
            raise ChainBreak(position, f"the record is missing; the next one found is {found}")
        if (
            type(row_seq) is not int
            or type(kind) is not int
            or type(payload) is not bytes
            or type(stored) is not bytes
        ):
            raise ChainBreak(position, "a field of the record has a wrong type")
        if row_seq < seq or not 0 <= kind <= 255:
            raise ChainBreak(position, f"seq {row_seq} after {seq}, kind {kind} is out of bounds")
        chain = next_chain(chain, position, row_seq, kind, payload)
        if chain != stored:
            raise ChainBreak(
                position,
                f"chain mismatch, stored {stored.hex()[:16]}…, content gives {chain.hex()[:16]}…",
            )
        yield position, row_seq, kind, payload, chain
        seq = row_seq
        position += 1


def chained_records(
    connection: Connection, first: int, last: int, chain: bytes, seq: int
) -> Iterator[Record]:
    """Yield the records that `chained_rows` checks."""
    for row in chained_rows(connection, first, last, chain, seq):
        yield Record(*row)


def chain_at(connection: Connection, position: int, genesis: bytes) -> tuple[bytes, int]:
    """Return the stored chain and seq at `position` (0: genesis and 0), unchecked.

    Raises ChainBreak when there is no such record or its fields have wrong types.
    """
    if position == 0:
        return genesis, 0
    row = connection.execute(
        "SELECT chain, seq FROM records WHERE position = ?", (position,)
    ).fetchone()
    if row is None:
        raise ChainBreak(position, "the record is missing")
    if type(row[0]) is not bytes or type(row[1]) is not int or row[1] < 0:
        raise ChainBreak(position, "a field of the record has a wrong type")
    return row[0], row[1]


def last_position(connection: Connection) -> int:
    """Return the highest position stored, 0 for none."""
    row = connection.execute("SELECT max(position) FROM records").fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else 0


def snapshot_infos(connection: Connection) -> list[SnapshotInfo]:
    """Return the stored snapshots, oldest first, without reading their content.

    Raises JournalError JOUR-E11 for a row whose fields have wrong types.
    """
    infos = []
    sql = "SELECT position, seq, state_hash, chain, length(blob) FROM snapshots ORDER BY position"
    for row in connection.execute(sql).fetchall():
        position, seq, state_hash, chain, blob_bytes = row
        if type(seq) is not int or type(state_hash) is not bytes or type(chain) is not bytes:
            raise _damaged_snapshot(position, "a field has a wrong type")
        infos.append(SnapshotInfo(position, seq, state_hash, chain, int(blob_bytes or 0)))
    return infos


def load_snapshot(connection: Connection, position: int) -> Snapshot:
    """Return the snapshot at `position`; raise JournalError JOUR-E11 unless its hash is right."""
    row = connection.execute(
        "SELECT seq, chain, state_hash, digest, blob FROM snapshots WHERE position = ?",
        (position,),
    ).fetchone()
    if row is None:
        raise _damaged_snapshot(position, "it is not there")
    seq, chain, state_hash, digest, blob = row
    if type(seq) is not int or seq < 0 or position < 0:
        raise _damaged_snapshot(position, "a field has a wrong type")
    if not all(type(field) is bytes for field in (chain, state_hash, digest, blob)):
        raise _damaged_snapshot(position, "a field has a wrong type")
    if snapshot_digest(position, seq, chain, state_hash, blob) != digest:
        raise _damaged_snapshot(position, "its content does not match its hash")
    return Snapshot(position, seq, state_hash, chain, blob)


def _damaged_snapshot(position: object, reason: str) -> Exception:
    return failures.bad_snapshot(
        reason,
        "use an older one (latest_snapshot(max_position=…)) or replay from the first record; "
        "salvage copies the journal without it",
        position=position,
    )
