"""A full or broken disk stops the engine with a clear error and loses nothing acknowledged."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelyard.journal import Disk, GroupCommitter, JournalOptions, SqliteJournal, verify_journal
from steelyard.quantities import JournalError

LIMITED_CHILD = """
import resource, sys
from steelyard.journal import SqliteJournal
from steelyard.quantities import JournalError
journal = SqliteJournal.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
acknowledged = 0
try:
    while True:
        journal.append(0, 0, b"x" * 1000)
        acknowledged = journal.flush()
except JournalError as error:
    print(error.code, acknowledged, sum(1 for _ in journal.read()))
journal.close()
"""


def fill_until_refused(journal: SqliteJournal) -> tuple[JournalError, int]:
    acknowledged = journal.durable_position
    while True:
        try:
            for _ in range(7):
                journal.append(0, 0, os.urandom(500))
            acknowledged = journal.flush()
        except JournalError as error:
            return error, acknowledged


def check_stopped(journal: SqliteJournal, error: JournalError, acknowledged: int) -> None:
    assert acknowledged > 0
    assert error.where["durable_position"] == acknowledged
    for call in (journal.flush, journal.settle, lambda: journal.append(0, 0, b"")):
        with pytest.raises(JournalError) as again:
            call()
        assert again.value.code == error.code
    assert sum(1 for _ in journal.read()) == acknowledged == journal.durable_position
    journal.close()
    assert verify_journal(journal.path).is_sound


def test_JOUR_030_full_database_stops_and_goes_on_with_room(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal.create(path, options=JournalOptions(bytes_max=200_000))
    error, acknowledged = fill_until_refused(journal)
    assert error.code == "JOUR-E07"
    check_stopped(journal, error, acknowledged)
    with SqliteJournal.open(path, verify="whole") as roomy:
        assert roomy.durable_position == acknowledged
        roomy.append(0, 0, b"room again")
        assert roomy.flush() == acknowledged + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"mount cannot be called: {error}")
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_JOUR_031_full_file_system_stops_and_loses_nothing(small_disk: Path) -> None:
    journal = SqliteJournal.create(small_disk / "journal.db")
    error, acknowledged = fill_until_refused(journal)
    assert error.code == "JOUR-E07"
    check_stopped(journal, error, acknowledged)


def test_JOUR_031_creation_on_a_full_file_system_leaves_nothing(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(590_000))
    with pytest.raises(JournalError) as refused:
        SqliteJournal.create(small_disk / "journal.db")
    assert refused.value.code == "JOUR-E07"
    assert [file.name for file in small_disk.iterdir()] == ["ballast"]


def test_JOUR_032_file_size_limit_is_an_input_output_failure(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    SqliteJournal.create(path).close()
    said = subprocess.run(
        [sys.executable, "-c", LIMITED_CHILD, str(path)], capture_output=True, text=True, check=True
    )
    code, acknowledged, readable = said.stdout.split()
    assert code in ("JOUR-E07", "JOUR-E08")
    assert int(acknowledged) > 10
    assert acknowledged == readable
    with SqliteJournal.open(path, verify="whole") as journal:
        assert journal.durable_position >= int(acknowledged)


class FailingDisk(Disk):
    """A disk whose syncs fail from some moment on."""

    is_broken = False

    def sync(self, descriptor: int) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, "the disk is gone")
        super().sync(descriptor)


def test_JOUR_033_failed_sync_of_the_seal_stops_the_journal(tmp_path: Path) -> None:
    disk = FailingDisk()
    options = JournalOptions(disk=disk, seal_interval_ms=0)
    journal = SqliteJournal.create(tmp_path / "journal.db", options=options)
    journal.append(0, 0, b"first")
    journal.flush()
    disk.is_broken = True
    journal.append(0, 0, b"second")
    with pytest.raises(JournalError) as refused:
        journal.flush()
    assert refused.value.code == "JOUR-E08"
    check_stopped(journal, refused.value, journal.durable_position)


def test_JOUR_034_committer_raises_the_failure_to_the_appender(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    options = JournalOptions(bytes_max=300_000)
    committer = GroupCommitter(
        lambda: SqliteJournal.create(path, options=options), group_records_max=50
    )
    acknowledged, code = 0, ""
    while not code:
        try:
            for _ in range(50):
                committer.append(0, 0, os.urandom(400))
            acknowledged = committer.flush()
        except JournalError as error:
            code = error.code
    assert code == "JOUR-E07"
    with pytest.raises(JournalError):
        committer.append(0, 0, b"")
    with pytest.raises(JournalError):
        committer.wait_durable(committer.position)
    assert committer.wait_durable(acknowledged)
    with pytest.raises(JournalError):
        committer.close()
    with SqliteJournal.open(path, verify="whole") as journal:
        assert journal.durable_position >= acknowledged > 0
