"""`SqliteJournal`: the journal in one SQLite database (WAL, FULL) with a seal beside it."""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic
from typing import Any

from steelyard.journal import failures
from steelyard.journal.examine import Depth, Examination
from steelyard.journal.layout import (
    INSERT_BY_ROWS,
    INSERT_COLUMNS,
    PAGE_BYTES,
    SNAPSHOTS_KEPT,
    Connection,
    JournalOptions,
    prepare_writer,
    write_schema,
)
from steelyard.journal.log_scan import LOG_SUFFIX
from steelyard.journal.reader import DRIVER_ERRORS, JournalReader, Path, examine_or_raise
from steelyard.journal.reading import (
    SNAPSHOT_BYTES_MAX,
    STATE_HASH_BYTES_MAX,
    snapshot_digest,
)
from steelyard.journal.record import (
    FORMAT_VERSION,
    METADATA_BYTES_MAX,
    SEQ_MAX,
    check_fields,
    genesis_chain,
    next_chain,
)
from steelyard.journal.seal import SealFile
from steelyard.quantities.errors import JournalError

_ROW_BYTES = 64  # chain, integers and cell overhead of a record beside its payload


class SqliteJournal(JournalReader):
    """A `Journal` in a file; made by `create`, `open` or `open_reader`, used from one thread.

    A position counts as durable once SQLite has synced its log and the seal names it. After a
    failed write the journal is *stopped*: it can still be read and closed, nothing more is
    written, and a new `open` shows everything that was acknowledged.
    """

    def __init__(
        self,
        path: str,
        connection: Connection,
        seal: SealFile,
        found: Examination,
        options: JournalOptions,
    ) -> None:
        super().__init__(path, connection, found)
        self._seal = seal
        self._options = options
        self._position = self._durable = found.position
        self._seq = found.seq
        self._chain = found.chain
        self._durable_chain = found.chain
        self._snapshot_position = found.snapshot_position
        self._pending: list[Any] = []
        self._pending_bytes = 0
        self._log_bytes = 0
        self._sealed_at = monotonic()
        self._stopped: JournalError | None = None

    # ---- making ----------------------------------------------------------------------------

    @classmethod
    def create(
        cls, path: Path, metadata: bytes = b"", options: JournalOptions | None = None
    ) -> SqliteJournal:
        """Return a new, empty journal open for writing; its files are readable by the owner only.

        `metadata` (at most 1 MiB) goes into chain_0. When this returns, the empty journal is on
        the disk, names included. Raises JOUR-E04 when a file is there, JOUR-E07 and JOUR-E08 from
        the disk (what was begun is removed), JOUR-E09 for metadata out of bounds.
        """
        options = options or JournalOptions()
        where = os.path.realpath(path)
        if type(metadata) is not bytes or len(metadata) > METADATA_BYTES_MAX:
            raise failures.bad_argument(f"metadata is bytes, at most {METADATA_BYTES_MAX}")
        if os.path.lexists(where):
            raise failures.exists(where)
        seal = SealFile.create(where, options.disk)
        made = [".seal"]
        connection: Connection | None = None
        try:
            options.disk.close(options.disk.create(where))
            made += ["", LOG_SUFFIX, "-shm", "-journal"]
            connection = options.connect(where, True)
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}").close()
            mode = prepare_writer(connection, options)
            if mode != "wal":
                raise OSError(f"the file system does not allow a write-ahead log (mode {mode})")
            chain = genesis_chain(metadata)
            write_schema(connection, metadata, chain, FORMAT_VERSION)
            options.disk.sync_directory(where)
            seal.write(0, chain, 0)
            seal.sync()
        except BaseException as error:
            if connection is not None:
                connection.close()
            seal.close()
            for suffix in made:
                with suppress(OSError):
                    os.unlink(where + suffix)
            if isinstance(error, Exception) and not isinstance(error, JournalError):
                raise failures.write_failed(where, error, 0) from error
            raise
        found = Examination(metadata, chain, 0, 0, chain, 0, 0, (), None)
        return cls(where, connection, seal, found, options)

    @classmethod
    def open(
        cls, path: Path, verify: Depth = "tail", options: JournalOptions | None = None
    ) -> SqliteJournal:
        """Return the journal open for writing, as the only writer.

        Checked first, without writing: seal, identity, header, the chain since the newest
        snapshot ("whole": since the first record), the snapshot's hash, and SQLite's structure
        for at most `check_ms_max`. What is found is synced before it counts as durable. Raises
        JOUR-E01…E03, E05, E06, E08, E11; a damaged journal is left as it is.
        """
        options = options or JournalOptions()
        where = os.path.realpath(path)
        seal = SealFile.open(where, options.disk)
        connection: Connection | None = None
        try:
            found = examine_or_raise(where, seal.reading, verify, options)
            # A killed writer leaves valid bytes that only the page cache holds.
            options.disk.sync_path(where + LOG_SUFFIX)
            connection = options.connect(where, True)
            if prepare_writer(connection, options) != "wal":
                raise failures.not_a_journal(where, "it is not in write-ahead mode")
            connection.execute("BEGIN IMMEDIATE").close()
            connection.execute("ROLLBACK").close()
            journal = cls(where, connection, seal, found, options)
            # The next commit starts the log afresh, on a sector that holds nothing still needed.
            journal._log_bytes = options.log_bytes_max
            journal._copy_log()
            seal.write(found.position, found.chain, found.snapshot_position)
            seal.sync()
            return journal
        except BaseException as error:
            if connection is not None:
                connection.close()
            seal.close()
            if isinstance(error, (OSError, *DRIVER_ERRORS)):
                raise failures.io_failed(where, error) from error
            raise

    # ---- writing ---------------------------------------------------------------------------

    def append(self, seq: int, kind: int, payload: bytes) -> int:
        """Add a record to the current group and return its position; no disk is touched.

        Raises JOUR-E09 when an argument is out of bounds (nothing changes) and JOUR-E10, or the
        failure that stopped the journal, when it cannot be written.
        """
        if self._stopped is not None or not self._is_open:
            self._refuse_write()
        check_fields(self._seq, seq, kind, payload)
        position = self._position + 1
        chain = next_chain(self._chain, position, seq, kind, payload)
        self._pending += (position, seq, kind, payload, chain)
        self._pending_bytes += len(payload) + _ROW_BYTES
        self._position, self._chain, self._seq = position, chain, seq
        return position

    def flush(self, *, is_followed_by_settle: bool = False) -> int:
        """Commit everything appended in one synced transaction; return the durable position.

        Also does what is due afterwards (see `settle`), unless the caller says it will. Raises
        JOUR-E07 (full) or JOUR-E08; then nothing of this group counts and the journal is stopped.
        """
        if self._stopped is not None or not self._is_open:
            self._refuse_write()
        if self._pending:
            self._commit(self._insert_pending, self._position, self._chain)
            self._pending = []
            self._log_bytes += self._pending_bytes + 3 * PAGE_BYTES
            self._pending_bytes = 0
        if not is_followed_by_settle:
            self.settle()
        return self._durable

    def settle(self, *, is_idle: bool = False) -> None:
        """Do what may wait until after an acknowledgement: sync the seal, bound the log.

        The seal is synced when `is_idle` or when `seal_interval_ms` have passed; the log is
        copied into the database when it has grown beyond `log_bytes_max`.
        """
        if self._stopped is not None or not self._is_open:
            self._refuse_write()
        try:
            age_ms = (monotonic() - self._sealed_at) * 1000
            if not self._seal.is_synced and (is_idle or age_ms >= self._options.seal_interval_ms):
                self._seal.sync()
                self._sealed_at = monotonic()
            if self._log_bytes > self._options.log_bytes_max:
                self._copy_log()
        except Exception as error:
            raise self._stop(error) from error

    def put_snapshot(self, position: int, seq: int, state_hash: bytes, blob: bytes) -> None:
        """Store the state after the record at `position`, durably; the newest three are kept.

        `seq` is that record's (any for position 0, the state before the first record).
        `state_hash` has 1 to 64 bytes, `blob` at most 512 MiB. Raises JOUR-E11 when the position
        is not durable or not newer than the last snapshot, JOUR-E07 and E08 like `flush`.
        """
        if self._stopped is not None or not self._is_open:
            self._refuse_write()
        chain = self._snapshot_chain(position, seq, state_hash, blob)
        digest = snapshot_digest(position, seq, chain, state_hash, blob)
        row = (position, seq, chain, state_hash, digest, blob)
        others = [info.position for info in self.snapshots() if info.position != position]
        kept = others[1 - SNAPSHOTS_KEPT :]

        def write() -> None:
            execute = self._connection.execute
            execute("DELETE FROM snapshots WHERE position < ?", (min(kept, default=0),)).close()
            execute("INSERT OR REPLACE INTO snapshots VALUES (?,?,?,?,?,?)", row).close()

        self._snapshot_position = position
        self._commit(write, self._durable, self._durable_chain)
        self._log_bytes += len(blob) + 4 * PAGE_BYTES
        self.settle(is_idle=True)

    def _snapshot_chain(self, position: int, seq: int, state_hash: bytes, blob: bytes) -> bytes:
        """Return the chain at the snapshot's position after checking every argument."""
        cure = "flush first and give the position and seq of a durable record"
        if type(position) is not int or not 0 <= position <= self._durable:
            reason = f"its position is not durable (durable: {self._durable})"
            raise failures.bad_snapshot(reason, cure, position=position)
        if position < self._snapshot_position:
            reason = f"a newer one exists at position {self._snapshot_position}"
            raise failures.bad_snapshot(reason, cure, position=position)
        if type(seq) is not int or not 0 <= seq <= SEQ_MAX:
            raise failures.bad_argument(f"a seq is an integer from 0 to {SEQ_MAX}", seq=seq)
        if type(state_hash) is not bytes or not 1 <= len(state_hash) <= STATE_HASH_BYTES_MAX:
            raise failures.bad_argument(f"a state hash is 1 to {STATE_HASH_BYTES_MAX} bytes")
        if type(blob) is not bytes or len(blob) > SNAPSHOT_BYTES_MAX:
            raise failures.bad_argument(f"a snapshot is bytes, at most {SNAPSHOT_BYTES_MAX}")
        chain, row_seq = self._chain_at(position)
        if position > 0 and row_seq != seq:
            reason = f"its seq {seq} is not the record's seq {row_seq}"
            raise failures.bad_snapshot(reason, cure, position=position)
        return chain

    def _insert_pending(self) -> None:
        pending, start = self._pending, 0
        for rows, sql in INSERT_BY_ROWS:
            width = rows * INSERT_COLUMNS
            while len(pending) - start >= width:
                self._connection.execute(sql, pending[start : start + width]).close()
                start += width

    def _commit(self, write: Any, position: int, chain: bytes) -> None:
        """Run `write` in one synced transaction, then let the seal name what is durable."""
        try:
            self._connection.execute("BEGIN IMMEDIATE").close()
            write()
            self._connection.execute("COMMIT").close()
            self._seal.write(position, chain, self._snapshot_position)
        except Exception as error:
            raise self._stop(error) from error
        self._durable, self._durable_chain = position, chain

    def _copy_log(self) -> None:
        """Copy the log into the database; the next commit then starts the log afresh."""
        row = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        _busy, frames, copied = row
        # A reader in the middle of a chunk may hold back some frames: try again next time.
        if copied >= frames:
            self._log_bytes = 0

    def _stop(self, error: Exception) -> JournalError:
        """Return the failure and remember it: nothing more is written through this object."""
        with suppress(Exception):
            self._connection.execute("ROLLBACK").close()
        self._stopped = failures.write_failed(self.path, error, self._durable)
        return self._stopped

    def _refuse_write(self) -> None:
        if self._stopped is not None:
            raise self._stopped
        raise failures.not_writable(self.path, "closed")

    @property
    def position(self) -> int:
        """Return the last position appended, durable or not."""
        return self._position

    @property
    def chain(self) -> bytes:
        """Return the chain at `position`."""
        return self._chain

    @property
    def durable_position(self) -> int:
        """Return the last position that outlives a power cut; 0 before the first."""
        return self._durable

    # ---- ending ----------------------------------------------------------------------------

    def close(self) -> None:
        """Flush, sync the seal and let go; closing twice is fine.

        A stopped journal is let go without writing. Raises what the last flush raises, after
        everything is let go.
        """
        if not self._is_open:
            return
        try:
            if self._stopped is None:
                self.flush(is_followed_by_settle=True)
                self.settle(is_idle=True)
        finally:
            super().close()
            self._seal.close()
