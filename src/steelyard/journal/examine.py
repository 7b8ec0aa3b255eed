"""One examination of a journal's bytes, used by open (tail), by verify (whole) and by salvage.

It never writes: it works on a read-only connection, so that the evidence of damage stays where it
is. (A writing connection would copy the sound part of a damaged log into the database at its close
and remove the rest.)
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from steelyard.journal import failures
from steelyard.journal.layout import APPLICATION_ID, PAGE_BYTES, SCHEMA, Connection
from steelyard.journal.log_scan import describe_log_damage
from steelyard.journal.reading import (
    ChainBreak,
    chain_at,
    chained_rows,
    last_position,
    load_snapshot,
    snapshot_infos,
)
from steelyard.journal.record import FORMAT_VERSION, Record, genesis_chain
from steelyard.journal.seal import SealReading
from steelyard.quantities.errors import JournalError

Depth = Literal["reader", "tail", "whole"]
_PAGE = re.compile(r"[Pp]age (\d+)")
_INTERRUPT_FROM_PAGES = 4096  # below 16 MiB the check is over before a timer would be set up


@dataclass(frozen=True, slots=True)
class Damage:
    """The first thing found wrong: where, why, and the last record that is still good."""

    code: str
    position: int | None
    last_good: int
    reason: str
    place: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What is in a journal, how much of it was checked, and the damage if there is one."""

    metadata: bytes
    genesis: bytes
    position: int
    seq: int
    chain: bytes
    snapshot_position: int
    records_checked: int
    notes: tuple[str, ...]
    damage: Damage | None


class _Found(Exception):
    """Carries the damage out of the walk."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage)
        self.damage = damage


class _Walk:
    """The state of one examination; `run` fills it in and keeps what was reached on damage."""

    def __init__(self, path: str, connection: Connection, seal: SealReading) -> None:
        self.path = path
        self.connection = connection
        self.seal = seal
        self.metadata = b""
        self.genesis = b""
        self.position = 0
        self.seq = 0
        self.chain = b""
        self.snapshot_position = 0
        self.checked = 0
        self.notes: list[str] = list(seal.notes)

    def fail(self, reason: str, position: int | None, place: str = "", code: str = "") -> _Found:
        damage = Damage(code or "JOUR-E06", position, self.position, reason, place)
        return _Found(damage)

    def identity(self) -> None:
        """Check application id, format and schema."""
        found = self.connection.execute("PRAGMA application_id").fetchone()
        if found is None or found[0] != APPLICATION_ID:
            raise self.fail(
                "the application id is not the journal's", None, "database page 1, byte 68",
                "JOUR-E01",
            )  # fmt: skip
        version = self.connection.execute("PRAGMA user_version").fetchone()
        if version is None or version[0] != FORMAT_VERSION:
            raise self.fail(
                f"the format version is {version and version[0]}, not {FORMAT_VERSION}",
                None, "database page 1, byte 60", "JOUR-E02",
            )  # fmt: skip
        sql = "SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema ORDER BY name"
        rows = [tuple(row) for row in self.connection.execute(sql).fetchall()]
        if rows != [(name.encode(), text.encode()) for name, text in SCHEMA]:
            raise self.fail("the schema is not the journal's", None, "database page 1", "JOUR-E01")

    def header(self) -> None:
        """Check the header row against its own hash."""
        rows = self.connection.execute("SELECT id, format, metadata, chain FROM header").fetchall()
        if len(rows) != 1 or type(rows[0][2]) is not bytes or rows[0][1] != FORMAT_VERSION:
            raise self.fail("the header row is missing or malformed", None, "table header")
        _id, version, metadata, chain = rows[0]
        if genesis_chain(metadata, version) != chain:
            raise self.fail("the metadata do not match the header's hash", None, "table header")
        self.metadata, self.genesis, self.chain = metadata, chain, chain

    def anchor(self) -> None:
        """Start at the newest snapshot instead of the first record, once it proved sound."""
        infos = snapshot_infos(self.connection)
        if not infos:
            return
        snapshot = load_snapshot(self.connection, infos[-1].position)
        chain, seq = chain_at(self.connection, snapshot.position, self.genesis)
        if chain != snapshot.chain:
            raise self.fail(
                f"the newest snapshot (position {snapshot.position}) names another chain than the "
                "record it belongs to", snapshot.position,
            )  # fmt: skip
        self.position, self.chain, self.seq = snapshot.position, chain, seq

    def reached(self) -> None:
        """Look only at the last record and at the one the seal names."""
        self.position = last_position(self.connection)
        self.chain, self.seq = chain_at(self.connection, self.position, self.genesis)
        seal = self.seal.newest
        if seal is not None and seal.position <= self.position:
            chain, _seq = chain_at(self.connection, seal.position, self.genesis)
            self.match_seal(seal.position, chain)
        self.end()

    def records(self, visit: Callable[[Record], object] | None) -> None:
        """Walk the chain from where we are to the last record."""
        seal = self.seal.newest
        sealed = seal.position if seal else -1
        if seal is not None and sealed <= self.position:
            chain, _seq = chain_at(self.connection, sealed, self.genesis)
            self.match_seal(sealed, chain)
        # Taken before the walk: a live writer may add records meanwhile, which are not ours to see.
        highest = last_position(self.connection)
        rows = chained_rows(self.connection, self.position + 1, highest, self.chain, self.seq)
        for row in rows:
            # Kept on the walk at each step: what was reached matters when the next row is bad.
            self.position, self.seq, _kind, _payload, self.chain = row
            self.checked += 1
            if self.position == sealed:  # a mismatch makes this record the first bad one
                self.position -= 1
                self.match_seal(sealed, self.chain)
                self.position = sealed
            if visit is not None:
                visit(Record(*row))
        if highest != self.position:
            raise ChainBreak(self.position + 1, f"the scan ends, yet position {highest} is stored")

    def match_seal(self, position: int, chain: bytes) -> None:
        """Check the chain that the seal names for this position."""
        seal = self.seal.newest
        if seal is not None and chain != seal.chain:
            raise self.fail(
                f"the seal names chain {seal.chain.hex()[:16]}… here, the record has "
                f"{chain.hex()[:16]}…", max(position, 1), "seal file or record",
            )  # fmt: skip

    def end(self) -> None:
        """Check that nothing acknowledged is missing at the end."""
        seal = self.seal.newest
        if seal is not None and seal.position > self.position:
            raise self.fail(
                f"the acknowledged records {self.position + 1} to {seal.position} are missing",
                self.position + 1, describe_log_damage(self.path),
            )  # fmt: skip

    def snapshots(self, depth: Depth) -> None:
        """Check the stored snapshots (newest only when `depth` is "tail")."""
        infos = snapshot_infos(self.connection)
        for info in infos if depth == "whole" else infos[-1:]:
            snapshot = load_snapshot(self.connection, info.position)
            chain, seq = chain_at(self.connection, info.position, self.genesis)
            if chain != snapshot.chain or (seq != snapshot.seq and info.position > 0):
                raise self.fail(
                    f"the snapshot at {info.position} names another chain or seq than its record",
                    None, "table snapshots", "JOUR-E11",
                )  # fmt: skip
        self.snapshot_position = infos[-1].position if infos else 0
        seal = self.seal.newest
        if seal is not None and seal.snapshot_position > self.snapshot_position:
            raise self.fail(
                f"the snapshot at position {seal.snapshot_position} is missing", None,
                describe_log_damage(self.path) or "table snapshots", "JOUR-E11",
            )  # fmt: skip

    def structure(self, check_ms_max: int | None) -> None:
        """Run SQLite's own structure check, within the time given."""
        lines = _quick_check(self.connection, check_ms_max)
        if lines is None:
            self.notes.append(f"the structure check was stopped after {check_ms_max} ms")
        elif lines != ["ok"]:
            reason = "; ".join(lines[:3])
            raise self.fail(f"SQLite finds its file malformed: {reason}", None, _page_place(reason))


def examine(
    path: str,
    connect: Callable[[], Connection],
    seal: SealReading,
    depth: Depth,
    check_ms_max: int | None,
    visit: Callable[[Record], object] | None = None,
) -> Examination:
    """Return what the journal at `path` holds and its first damage; writes nothing.

    `connect` gives a read-only connection, closed here. `depth` "tail" walks the chain from the
    newest snapshot, "whole" from the first record. `visit` is called with each good record.
    Raises JournalError JOUR-E05 for an unfinished creation and JOUR-E08 when reading is refused.
    """
    if seal.newest is None and seal.is_blank:
        raise failures.unfinished(path)
    connection: Connection | None = None
    walk: _Walk | None = None
    damage: Damage | None = None
    try:
        connection = connect()
        walk = _Walk(path, connection, seal)
        _run(walk, depth, check_ms_max, visit)
    except _Found as found:
        damage = found.damage
    except ChainBreak as found:
        last_good = min(walk.position, max(found.position - 1, 0)) if walk else 0
        damage = Damage("JOUR-E06", max(found.position, 1), last_good, found.reason, "")
    except JournalError as error:
        if error.code == "JOUR-E05":
            raise
        damage = Damage(
            error.code, None, walk.position if walk else 0, error.message,
            f"snapshot {error.where.get('position', '')}".strip(),
        )  # fmt: skip
    except Exception as error:
        damage = _driver_damage(path, walk, connection, error)
    finally:
        if connection is not None:
            connection.close()
    if damage is not None and seal.newest is not None and not (walk and walk.genesis):
        damage = _lost_head(path, damage)
    if walk is None:
        return Examination(b"", b"", 0, 0, b"", 0, 0, seal.notes, damage)
    return Examination(
        walk.metadata, walk.genesis, walk.position, walk.seq, walk.chain,
        walk.snapshot_position, walk.checked, tuple(walk.notes), damage,
    )  # fmt: skip


def _run(
    walk: _Walk, depth: Depth, check_ms_max: int | None, visit: Callable[[Record], object] | None
) -> None:
    walk.identity()
    walk.header()
    if depth == "reader":
        walk.reached()
        return
    if depth == "tail":
        with one_view(walk.connection):
            walk.anchor()
    walk.records(visit)
    walk.end()
    with one_view(walk.connection):
        walk.snapshots(depth)
    walk.structure(check_ms_max)
    if walk.seal.newest is None and walk.position == 0:
        raise failures.unfinished(walk.path)
    if walk.seal.newest is None:
        raise walk.fail("both slots of the seal are damaged", None, "seal file")


@contextmanager
def one_view(connection: Connection) -> Iterator[None]:
    """Hold one read transaction: a live writer may replace snapshots between two statements."""
    connection.execute("BEGIN").close()
    try:
        yield
    finally:
        with suppress(Exception):
            connection.execute("ROLLBACK").close()


def _lost_head(path: str, damage: Damage) -> Damage:
    """Return the damage of a journal whose very head cannot be read, blamed on the log if it is.

    The seal says it was a journal: without its log it may look like an empty or foreign file.
    """
    place = describe_log_damage(path)
    if not place.startswith(("log header", "log frame")):
        return damage
    return replace(damage, code="JOUR-E06", position=1, place=place)


def _driver_damage(
    path: str, walk: _Walk | None, connection: Connection | None, error: Exception
) -> Damage:
    """Return the damage behind an exception of the driver; re-raise what is no damage."""
    code = failures.sqlite_code(error)
    is_refusal = code in (3, 5, 6, 8, 13, 14, 23) or (code == 10 and not _is_short_read(error))
    if isinstance(error, OSError) or is_refusal:
        raise failures.io_failed(path, error) from error
    if type(error).__module__ not in ("sqlite3", "apsw") and not isinstance(error, UnicodeError):
        raise error
    place = "database page 1" if walk is None or not walk.genesis else ""
    if connection is not None and not place:
        try:
            place = _page_place("; ".join(_quick_check(connection, None) or []))
        except Exception:
            place = "SQLite cannot walk its pages"
    at = None if walk is None or not walk.genesis else walk.position + 1
    return Damage(
        "JOUR-E06", at, walk.position if walk else 0, f"SQLite cannot read its file: {error}", place
    )


def _is_short_read(error: BaseException) -> bool:
    extended = getattr(error, "sqlite_errorcode", None) or getattr(error, "extendedresult", 0)
    return extended in (522, 33 * 256 + 10)


def _page_place(text: str) -> str:
    """Return "database page N, byte offset …" for the first page named in SQLite's message."""
    found = _PAGE.search(text)
    if found is None:
        return text[:120]
    page = int(found.group(1))
    return f"database page {page}, bytes {(page - 1) * PAGE_BYTES} to {page * PAGE_BYTES - 1}"


def _quick_check(connection: Connection, check_ms_max: int | None) -> list[str] | None:
    """Return the lines of PRAGMA quick_check, or None when it did not end within the time."""
    timer: threading.Timer | None = None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    if check_ms_max is not None and pages > _INTERRUPT_FROM_PAGES:
        timer = threading.Timer(check_ms_max / 1000, connection.interrupt)
        timer.daemon = True
        timer.start()
    try:
        rows = connection.execute("PRAGMA quick_check(10)").fetchall()
    except Exception as error:
        if failures.sqlite_code(error) == 9:
            return None
        raise
    finally:
        if timer is not None:
            timer.cancel()
            timer.join()
    return [str(row[0]) for row in rows]
