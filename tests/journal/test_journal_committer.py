"""Group commit behind the engine's back: order, bounds, back-pressure, and its own failures."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from steelyard.journal import GroupCommitter, JournalReader, SqliteJournal
from steelyard.quantities import JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


class SlowJournal(SqliteJournal):
    """A journal on a disk that waits for a permit before each commit."""

    permits = threading.Semaphore(0)

    def flush(self, *, is_followed_by_settle: bool = False) -> int:
        self.permits.acquire()
        return super().flush(is_followed_by_settle=is_followed_by_settle)


def test_JOUR_040_committed_order_is_the_order_of_append(path: Path) -> None:
    with GroupCommitter(lambda: SqliteJournal.create(path), group_records_max=100) as committer:
        for number in range(1, 5001):
            assert committer.append(number // 5, number % 2, b"%d" % number) == number
        assert committer.flush() == 5000
        assert committer.durable_position == committer.position == 5000
        assert len(committer.flush_us) >= 50
        assert all(flush_us > 0 for flush_us in committer.flush_us)
    with SqliteJournal.open(path, verify="whole") as journal:
        assert [int(record.payload) for record in journal.read()] == list(range(1, 5001))
    with GroupCommitter(lambda: SqliteJournal.open(path)) as committer:
        assert committer.append(1000, 0, b"more") == 5001


def test_JOUR_041_group_is_committed_within_the_wait(path: Path) -> None:
    with GroupCommitter(lambda: SqliteJournal.create(path), group_wait_ms=20.0) as committer:
        committer.append(0, 0, b"alone")
        deadline = time.monotonic() + 10
        while committer.durable_position == 0 and time.monotonic() < deadline:
            time.sleep(0.001)  # nobody asks: the wait alone must end the group
        assert committer.durable_position == 1


def test_JOUR_041_after_a_pause_nothing_waits(path: Path) -> None:
    committer = GroupCommitter(lambda: SqliteJournal.create(path), group_wait_ms=10_000.0)
    committer.append(0, 0, b"alone")
    deadline = time.monotonic() + 5
    while committer.durable_position == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert committer.durable_position == 1
    committer.append(1, 0, b"close")
    committer.append(2, 0, b"together")
    time.sleep(0.1)
    assert committer.durable_position == 1  # the disk has not rested for so long
    committer.close()
    assert committer.flushes == 2


def test_JOUR_042_full_queue_makes_the_appender_wait(path: Path) -> None:
    SlowJournal.permits = threading.Semaphore(0)
    committer = GroupCommitter(
        lambda: SlowJournal.create(path),
        group_records_max=4,
        queue_records_max=8,
        group_wait_ms=0,
    )
    appended: list[int] = []

    def engine() -> None:
        appended.extend(committer.append(0, 0, b"x") for _ in range(40))

    thread = threading.Thread(target=engine)
    thread.start()
    time.sleep(0.2)
    assert 8 <= len(appended) <= 12  # eight in the queue, at most a group on its way
    assert committer.durable_position == 0
    for _ in range(60):
        SlowJournal.permits.release()
    thread.join(10)
    assert len(appended) == 40
    assert committer.flush() == 40
    committer.close()


def test_JOUR_042_bytes_bound_the_queue_too(path: Path) -> None:
    SlowJournal.permits = threading.Semaphore(0)
    committer = GroupCommitter(
        lambda: SlowJournal.create(path), group_records_max=1, queue_bytes_max=1000
    )
    appended: list[int] = []

    def engine() -> None:
        appended.extend(committer.append(0, 0, bytes(400)) for _ in range(10))

    thread = threading.Thread(target=engine)
    thread.start()
    time.sleep(0.2)
    assert len(appended) <= 3
    for _ in range(20):
        SlowJournal.permits.release()
    thread.join(10)
    assert committer.flush() == 10
    committer.close()


def test_JOUR_043_snapshot_follows_the_records_before_it(path: Path) -> None:
    with GroupCommitter(lambda: SqliteJournal.create(path)) as committer:
        for _ in range(30):
            committer.append(3, 0, b"event")
        committer.put_snapshot(30, 3, b"hash", b"state")
        committer.append(4, 0, b"later")
        with pytest.raises(JournalError) as refused:
            committer.put_snapshot(99, 3, b"hash", b"state")
        assert refused.value.code == "JOUR-E11"
        with pytest.raises(JournalError) as refused:
            committer.append(3, 0, b"goes back")
        assert refused.value.code == "JOUR-E09"
        committer.flush()
    with SqliteJournal.open(path) as journal:
        newest = journal.latest_snapshot()
        assert newest is not None
        assert (newest.position, newest.blob) == (30, b"state")
        assert journal.durable_position == 31


def test_JOUR_043_a_flush_waits_for_the_snapshot(path: Path) -> None:
    with GroupCommitter(lambda: SqliteJournal.create(path)) as committer:
        committer.append(1, 0, b"event")
        committer.flush()
        with JournalReader.open_reader(path) as reader:
            for seq in range(1, 4):
                committer.put_snapshot(seq, seq, b"hash", b"state" * 200_000)
                assert committer.flush() == seq
                assert [each.seq for each in reader.snapshots()][-1] == seq
                committer.append(seq + 1, 0, b"event")
                committer.flush()


def test_JOUR_044_wait_ends_with_its_time(path: Path) -> None:
    SlowJournal.permits = threading.Semaphore(0)
    committer = GroupCommitter(lambda: SlowJournal.create(path))
    position = committer.append(0, 0, b"x")
    started = time.monotonic()
    assert committer.wait_durable(position, timeout_s=0.05) is False
    assert time.monotonic() - started < 5
    with pytest.raises(JournalError) as refused:
        committer.wait_durable(position + 1)
    assert refused.value.code == "JOUR-E09"
    for _ in range(5):
        SlowJournal.permits.release()
    assert committer.wait_durable(position, timeout_s=10) is True
    committer.close()
    committer.close()
    with pytest.raises(JournalError) as refused:
        committer.append(0, 0, b"")
    assert refused.value.code == "JOUR-E10"


def test_JOUR_045_journal_that_cannot_be_opened_is_refused_at_once(path: Path) -> None:
    with pytest.raises(JournalError) as refused:
        GroupCommitter(lambda: SqliteJournal.open(path))
    assert refused.value.code == "JOUR-E01"
    with pytest.raises(JournalError) as refused:
        GroupCommitter(lambda: SqliteJournal.create(path), group_records_max=0)
    assert refused.value.code == "JOUR-E09"


def test_JOUR_046_the_thread_says_what_became_durable(path: Path) -> None:
    said: list[tuple[int, str]] = []
    failures: list[BaseException] = []
    with GroupCommitter(lambda: SqliteJournal.create(path), group_records_max=10) as committer:
        committer.watch(
            lambda position: said.append((position, threading.current_thread().name)),
            failures.append,
        )
        for number in range(1, 101):
            committer.append(number, 0, b"x")
        assert committer.flush() == 100
    positions = [position for position, _ in said]
    assert positions == sorted(set(positions))
    assert positions[-1] == 100
    assert len(positions) >= 10, "each group of ten"
    assert {name for _, name in said} == {"journal-committer"}
    assert not failures


def test_JOUR_046_the_failure_is_said_once_or_at_once(path: Path) -> None:
    class BrokenJournal(SqliteJournal):
        def flush(self, *, is_followed_by_settle: bool = False) -> int:
            raise OSError(28, f"No space left on device, {is_followed_by_settle}")

    committer = GroupCommitter(lambda: BrokenJournal.create(path), group_wait_ms=0)
    first: list[BaseException] = []
    committer.watch(lambda _: None, first.append)
    committer.append(0, 0, b"lost")
    with pytest.raises(JournalError) as caught:
        committer.flush()
    deadline = time.monotonic() + 10
    while not first and time.monotonic() < deadline:
        time.sleep(0.001)
    assert first == [caught.value]
    later: list[BaseException] = []
    committer.watch(lambda _: None, later.append)
    assert later == first
    with pytest.raises(JournalError):
        committer.close()
