"""The SQLite side: the schema, the settings of a connection, the options of a journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from steelyard.journal.disk import Disk

APPLICATION_ID = 0x53544C59  # "STLY"
PAGE_BYTES = 4096
SNAPSHOTS_KEPT = 3

# The text is compared byte for byte when a journal is opened: a damaged or altered schema is found.
SCHEMA: tuple[tuple[str, str], ...] = (
    (
        "header",
        "CREATE TABLE header (id INTEGER PRIMARY KEY, format INTEGER NOT NULL, "
        "metadata BLOB NOT NULL, chain BLOB NOT NULL)",
    ),
    (
        "records",
        "CREATE TABLE records (position INTEGER PRIMARY KEY, seq INTEGER NOT NULL, "
        "kind INTEGER NOT NULL, payload BLOB NOT NULL, chain BLOB NOT NULL)",
    ),
    (
        "snapshots",
        "CREATE TABLE snapshots (position INTEGER PRIMARY KEY, seq INTEGER NOT NULL, "
        "chain BLOB NOT NULL, state_hash BLOB NOT NULL, digest BLOB NOT NULL, blob BLOB NOT NULL)",
    ),
)

# A group is inserted by few large statements: each one lets go of the interpreter lock once, so a
# busy engine thread cannot stretch a commit by a switch interval per record.
INSERT_COLUMNS = 5
INSERT_BY_ROWS: tuple[tuple[int, str], ...] = tuple(
    (rows, "INSERT INTO records VALUES " + ",".join(["(?,?,?,?,?)"] * rows))
    for rows in (256, 16, 1)
)


class Cursor(Protocol):
    """The part of a DB-API cursor that the journal uses."""

    def fetchone(self) -> Any:
        """Return the next row or None."""

    def fetchall(self) -> list[Any]:
        """Return all rows left."""

    def close(self) -> object:
        """End the statement, and with it its read transaction."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The part of an SQLite driver's connection that the journal uses."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Run one statement."""

    def interrupt(self) -> None:
        """Make the running statement fail, from another thread."""

    def close(self) -> object:
        """Close; the last connection to close copies the log into the database."""


# Tells SQLite not to trust that a torn write spares its neighbours in the same sector: each commit
# then ends on a sector boundary of the log, and the next cannot hurt it.
SECTOR_PARAMETER = "psow=0"
Connect = Callable[[str, bool], Connection]


def connect_sqlite(path: str, is_writer: bool) -> Connection:
    """Return a connection in autocommit mode to an existing file."""
    mode = "rw" if is_writer else "ro"
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode={mode}&{SECTOR_PARAMETER}",
        uri=True,
        isolation_level=None,
        timeout=5.0,
    )
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """The limits and the outside world of a journal.

    `log_bytes_max`: the write-ahead log is copied into the database when it passes this;
    `bytes_max`: the database refuses to grow beyond this (None: only the disk bounds it);
    `seal_interval_ms`: how long the seal may stay unsynced while groups keep coming;
    `check_ms_max`: the time the structure check at opening may take.
    """

    log_bytes_max: int = 8 * 1024 * 1024
    bytes_max: int | None = None
    seal_interval_ms: int = 250
    check_ms_max: int = 2_000
    disk: Disk = field(default_factory=Disk)
    connect: Connect = connect_sqlite


def prepare_reader(connection: Connection) -> None:
    """Set what protects a reader from a damaged or hostile file."""
    connection.execute("PRAGMA trusted_schema=OFF").close()
    connection.execute("PRAGMA cell_size_check=ON").close()
    connection.execute("PRAGMA mmap_size=0").close()


def prepare_writer(connection: Connection, options: JournalOptions) -> str:
    """Set durability, and return the journal mode that SQLite reports (must be "wal").

    FULL syncs the log at each commit. The log is copied by the journal itself, after the
    acknowledgement, so that a commit never pays for it. `fullfsync` matters on macOS only.
    """
    prepare_reader(connection)
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    for pragma in (
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "fullfsync=ON",
        "checkpoint_fullfsync=ON",
        "temp_store=MEMORY",
        "cache_size=-8192",
        f"journal_size_limit={2 * options.log_bytes_max}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    if options.bytes_max is not None:
        pages = max(1, options.bytes_max // PAGE_BYTES)
        connection.execute(f"PRAGMA max_page_count={pages}").close()
    return str(mode[0]).lower()


def write_schema(connection: Connection, metadata: bytes, chain: bytes, version: int) -> None:
    """Create the tables and the header row of a new journal in one transaction."""
    connection.execute("BEGIN IMMEDIATE").close()
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}").close()
    connection.execute(f"PRAGMA user_version={version}").close()
    for _name, sql in SCHEMA:
        connection.execute(sql).close()
    row = (1, version, metadata, chain)
    connection.execute("INSERT INTO header VALUES (?,?,?,?)", row).close()
    connection.execute("COMMIT").close()
