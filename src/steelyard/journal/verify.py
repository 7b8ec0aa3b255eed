"""Verify a whole journal, and copy what is good of a damaged one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

from steelyard.journal import failures
from steelyard.journal.examine import Examination, examine
from steelyard.journal.layout import Connection, JournalOptions
from steelyard.journal.reader import Path, connect_reader
from steelyard.journal.reading import load_snapshot, snapshot_infos
from steelyard.journal.record import Record
from steelyard.journal.seal import SealReading, read_seal
from steelyard.journal.store import SqliteJournal
from steelyard.quantities.errors import JournalError

_SALVAGE_GROUP_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a full verification found.

    `records_checked` counts from the first record; `last_good_position` is the last whose chain is
    whole; `first_bad_position` is None when no record is concerned; `place` is the page or the
    offset where that is known; `notes` are findings that lose nothing (a torn seal slot).
    """

    path: str
    is_sound: bool
    records_checked: int
    last_good_position: int
    first_bad_position: int | None
    code: str
    reason: str
    place: str
    advice: str
    sealed_position: int | None
    snapshots: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the report as a JSON-ready mapping."""
        return asdict(self) | {"notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What a salvage copied, and why it stopped there ("" when the source is sound)."""

    path: str
    records_copied: int
    snapshots_copied: int
    first_lost_position: int | None
    reason: str


def verify_journal(path: Path, options: JournalOptions | None = None) -> VerifyReport:
    """Return what a check of every record, snapshot, page and seal slot finds; writes nothing.

    A writer may be at work beside it: then the records up to now are checked. Raises JOUR-E01
    when nothing is there, JOUR-E05 for an unfinished creation, JOUR-E08 when reading is refused.
    """
    options = options or JournalOptions()
    where = os.path.realpath(path)
    seal = read_seal(where, options.disk)
    if not os.path.exists(where):
        raise failures.not_found(where)
    snapshots = 0

    def connect() -> Connection:
        return connect_reader(where, options)

    found = examine(where, connect, seal, "whole", None)
    damage = found.damage
    if damage is None:
        connection = connect()
        snapshots = len(snapshot_infos(connection))
        connection.close()
    return VerifyReport(
        path=where,
        is_sound=damage is None,
        records_checked=found.records_checked,
        last_good_position=damage.last_good if damage else found.position,
        first_bad_position=damage.position if damage else None,
        code=damage.code if damage else "",
        reason=damage.reason if damage else "",
        place=damage.place if damage else "",
        advice=failures.advice(damage.position, damage.last_good) if damage else "",
        sealed_position=seal.newest.position if seal.newest else None,
        snapshots=snapshots,
        notes=found.notes,
    )


def salvage(path: Path, out: Path, options: JournalOptions | None = None) -> SalvageReport:
    """Copy the good prefix of the journal at `path` into a new journal at `out`.

    Every record up to the first bad one is copied with its chain unchanged, and every snapshot
    that is sound and belongs to a copied record. The source is left as it is. Raises JOUR-E12
    when not even the header is sound, JOUR-E04 when `out` exists, and what `create` raises.
    """
    options = options or JournalOptions()
    where, target = os.path.realpath(path), os.path.realpath(out)
    if not os.path.exists(where):
        raise failures.not_found(where)
    seal = _seal_if_any(where, options)

    def connect() -> Connection:
        return connect_reader(where, options)

    header = examine(where, connect, seal, "reader", None)
    if not header.genesis:
        raise failures.nothing_to_salvage(where, header.damage.reason if header.damage else "")
    with SqliteJournal.create(target, header.metadata, options) as copy:
        found = _copy_records(where, connect, seal, copy)
        snapshots = _copy_snapshots(connect, copy)
        copied = copy.durable_position
    damage = found.damage
    return SalvageReport(
        path=target,
        records_copied=copied,
        snapshots_copied=snapshots,
        first_lost_position=damage.position if damage else None,
        reason=damage.reason if damage else "",
    )


def _seal_if_any(where: str, options: JournalOptions) -> SealReading:
    try:
        return read_seal(where, options.disk)
    except JournalError as error:
        return SealReading(None, 0, (f"no seal: {error.message}",), False)


def _copy_records(
    where: str, connect: Callable[[], Connection], seal: SealReading, copy: SqliteJournal
) -> Examination:
    held_bytes = 0

    def visit(record: Record) -> None:
        nonlocal held_bytes
        copy.append(record.seq, record.kind, record.payload)
        held_bytes += len(record.payload) + 64
        if held_bytes > _SALVAGE_GROUP_BYTES:
            copy.flush()
            held_bytes = 0

    found = examine(where, connect, seal, "whole", None, visit)
    copy.flush()
    return found


def _copy_snapshots(connect: Callable[[], Connection], copy: SqliteJournal) -> int:
    """Copy the sound snapshots of copied records; a damaged one is left behind."""
    copied = 0
    connection = connect()
    try:
        infos = snapshot_infos(connection)
        for info in infos:
            try:
                one = load_snapshot(connection, info.position)
                copy.put_snapshot(one.position, one.seq, one.state_hash, one.blob)
                copied += 1
            except JournalError as error:
                if error.code not in ("JOUR-E09", "JOUR-E11"):
                    raise
    except Exception as error:
        # The snapshots are a convenience, the records are the journal: unreadable pages end this.
        if failures.sqlite_code(error) not in (11, 26) and not isinstance(error, JournalError):
            raise
        if isinstance(error, JournalError) and error.code not in ("JOUR-E11",):
            raise
    finally:
        connection.close()
    return copied
