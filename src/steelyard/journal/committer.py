"""Group commit in a background thread: the engine appends, the thread pays for the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from types import TracebackType
from typing import Self

from steelyard.journal import failures
from steelyard.journal.record import check_fields
from steelyard.journal.store import SqliteJournal
from steelyard.quantities.errors import JournalError

_IDLE_S = 0.02  # a pause this long is used to sync the seal
_Item = tuple[int, int, bytes] | tuple[int, int, bytes, bytes]


class GroupCommitter:
    """Appends from one engine thread, committed in groups by a thread of its own.

    The thread opens the journal itself (`open_journal`), so SQLite is used from one thread only.
    A group is committed at once when it has `group_records_max` records, when records piled up during the
    commit before, or when the disk has rested for `group_wait_ms`: after a pause nothing waits, and records that
    follow each other closely are committed together. `append` only
    waits when the queue is at `queue_records_max` or `queue_bytes_max` (back-pressure).

    A failure of the disk stops the thread and is raised to the caller at every later call; what
    `durable_position` said before stays true. Failures of opening are raised by the constructor.
    """

    def __init__(
        self,
        open_journal: Callable[[], SqliteJournal],
        *,
        group_records_max: int = 1000,
        group_wait_ms: float = 2.0,
        queue_records_max: int = 65_536,
        queue_bytes_max: int = 256 * 1024 * 1024,
        flushes_remembered: int = 65_536,
    ) -> None:
        if group_records_max < 1 or queue_records_max < group_records_max or group_wait_ms < 0:
            raise failures.bad_argument(
                "1 <= group_records_max <= queue_records_max and group_wait_ms >= 0",
                group_records_max=group_records_max,
                queue_records_max=queue_records_max,
                group_wait_ms=group_wait_ms,
            )
        self.flush_us: deque[int] = deque(maxlen=flushes_remembered)
        self.flushes = 0
        self._open_journal = open_journal
        self._group_records_max = group_records_max
        self._group_wait_s = group_wait_ms / 1000
        self._queue_records_max = queue_records_max
        self._queue_bytes_max = queue_bytes_max
        self._queue: deque[_Item] = deque()
        self._queue_bytes = 0
        self._position = self._durable = self._seq = 0
        self._items = self._items_done = 0  # records and snapshots, queued ever and written
        self._rests_since = float("-inf")
        self._state = threading.Condition()
        self._is_ready = self._is_closing = self._is_hurried = False
        self._failure: BaseException | None = None
        self._on_durable: Callable[[int], None] | None = None
        self._on_failure: Callable[[BaseException], None] | None = None
        self._thread = threading.Thread(target=self._run, name="journal-committer", daemon=True)
        self._thread.start()
        with self._state:
            self._state.wait_for(lambda: self._is_ready or self._failure is not None)
            self._raise_failure()

    # ---- the engine's side -----------------------------------------------------------------

    @property
    def position(self) -> int:
        """Return the last position appended."""
        return self._position

    @property
    def durable_position(self) -> int:
        """Return the last position that outlives a power cut."""
        return self._durable

    def watch(
        self, on_durable: Callable[[int], None], on_failure: Callable[[BaseException], None]
    ) -> None:
        """Have the thread say each durable position after its commit, and the failure that stops it.

        Called by the committer's thread, outside its lock: what is called must return at once and not
        raise. A failure from before is said at once, by the caller's thread.
        """
        with self._state:
            self._on_durable, self._on_failure = on_durable, on_failure
            failure = self._failure
        if failure is not None:
            on_failure(failure)

    def append(self, seq: int, kind: int, payload: bytes) -> int:
        """Return the position this record will have; it is queued, not yet durable.

        Raises JOUR-E09 for an argument out of bounds, or the failure that stopped the thread.
        """
        check_fields(self._seq, seq, kind, payload)
        with self._state:
            self._enqueue((seq, kind, payload), len(payload))
            self._position += 1
            self._seq = seq
            return self._position

    def put_snapshot(self, position: int, seq: int, state_hash: bytes, blob: bytes) -> None:
        """Queue a snapshot behind the records appended so far; see `SqliteJournal.put_snapshot`.

        Its commit holds up the groups behind it for as long as writing the blob takes. A snapshot
        that is refused stops the thread, since the engine has lost its footing.
        """
        with self._state:
            if position > self._position:
                raise failures.bad_snapshot(
                    f"nothing was appended at its position (last: {self._position})",
                    "give the position and seq of a record that was appended",
                    position=position,
                )
            self._enqueue((position, seq, state_hash, blob), len(blob))

    def wait_durable(self, position: int, timeout_s: float | None = None) -> bool:
        """Return True once `position` is durable, False when the time is over first.

        Ends the gathering of the current group. Raises the failure that stopped the thread.
        """
        with self._state:
            if position > self._position:
                raise failures.bad_argument(
                    "only an appended position can become durable",
                    position=position,
                    position_last=self._position,
                )
            return self._hurried_until(lambda: self._durable >= position, timeout_s)

    def flush(self) -> int:
        """Return the durable position once all that was queued so far, snapshots too, is durable.

        Ends the gathering of the current group. Raises the failure that stopped the thread.
        """
        with self._state:
            items = self._items
            self._hurried_until(lambda: self._items_done >= items)
            return self._durable

    def close(self) -> None:
        """Commit what is queued, close the journal and end the thread; twice is fine.

        Raises the failure that stopped the thread, once.
        """
        with self._state:
            was_closing, self._is_closing = self._is_closing, True
            self._state.notify_all()
        self._thread.join()
        if not was_closing and self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _hurried_until(
        self, is_written: Callable[[], bool], timeout_s: float | None = None
    ) -> bool:
        """End the gathering and wait, the lock held by the caller; False when the time is over first."""
        if not is_written():
            self._is_hurried = True
            self._state.notify_all()
        self._state.wait_for(lambda: is_written() or self._failure is not None, timeout_s)
        # What became durable before the thread stopped stays durable.
        if not is_written():
            self._raise_failure()
        return is_written()

    def _enqueue(self, item: _Item, item_bytes: int) -> None:
        """Add an item, waiting for room; the lock is held by the caller."""
        self._raise_failure()
        while self._queue and (
            len(self._queue) >= self._queue_records_max
            or self._queue_bytes + item_bytes > self._queue_bytes_max
        ):
            self._state.wait()
            self._raise_failure()
        self._queue.append(item)
        self._items += 1
        self._queue_bytes += item_bytes
        if len(self._queue) in (1, self._group_records_max):
            self._state.notify_all()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_closing:
            raise failures.not_writable("committer", "closed")

    # ---- the thread's side -----------------------------------------------------------------

    def _run(self) -> None:
        journal: SqliteJournal | None = None
        try:
            journal = self._open_journal()
            with self._state:
                found = journal.examination
                self._position = self._durable = journal.durable_position
                self._seq = found.seq
                self._is_ready = True
                self._state.notify_all()
            while self._commit_next(journal):
                pass
        except BaseException as error:
            self._fail(error)
        finally:
            if journal is not None:
                try:
                    journal.close()
                except BaseException as error:
                    self._fail(error)

    def _commit_next(self, journal: SqliteJournal) -> bool:
        """Gather and commit one group; return False when closing and nothing is left."""
        group = self._gather(journal)
        if not group:
            return False
        started_ns = perf_counter_ns()
        for item in group:
            if len(item) == 3:
                journal.append(*item)
            else:
                journal.flush(is_followed_by_settle=True)
                journal.put_snapshot(*item)
        durable = journal.flush(is_followed_by_settle=True)
        self.flush_us.append((perf_counter_ns() - started_ns) // 1000)
        self.flushes += 1
        with self._state:
            self._durable = durable
            self._items_done += len(group)
            self._queue_bytes -= sum(len(item[-1]) for item in group)
            if not self._queue:
                self._is_hurried = False
            self._state.notify_all()
            on_durable = self._on_durable
        if on_durable is not None:
            on_durable(durable)
        journal.settle()
        self._rests_since = monotonic()
        return True

    def _gather(self, journal: SqliteJournal) -> list[_Item]:
        """Return the next group, [] when closing; syncs the seal in a pause."""
        state, queue = self._state, self._queue
        with state:
            if not queue and not self._is_closing:
                if not state.wait_for(lambda: queue or self._is_closing, _IDLE_S):
                    state.release()
                    try:
                        journal.settle(is_idle=True)
                    finally:
                        state.acquire()
                    state.wait_for(lambda: queue or self._is_closing)
                deadline = self._rests_since + self._group_wait_s
                while (
                    len(queue) < self._group_records_max
                    and not (self._is_closing or self._is_hurried)
                    and (left_s := deadline - monotonic()) > 0
                ):
                    state.wait(left_s)
            group: list[_Item] = []
            while queue and len(group) < self._group_records_max:
                group.append(queue.popleft())
            return group

    def _fail(self, error: BaseException) -> None:
        with self._state:
            is_first = self._failure is None
            if is_first:
                if not isinstance(error, JournalError):
                    wrapped = failures.io_failed("committer", error)
                    wrapped.__cause__ = error
                    error = wrapped
                self._failure = error
            self._state.notify_all()
            on_failure = self._on_failure
        if is_first and on_failure is not None:
            on_failure(error)
