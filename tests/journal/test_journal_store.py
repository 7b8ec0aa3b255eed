"""The journal's everyday promises: order, chain, one writer, readers, snapshots, bounds."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from steelyard.journal import (
    PAYLOAD_BYTES_MAX,
    JournalOptions,
    SqliteJournal,
    salvage,
    verify_journal,
)
from steelyard.quantities import JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> SqliteJournal:
    return SqliteJournal.create(path, b"venue=demo")


def fill(journal: SqliteJournal, count: int) -> None:
    for _ in range(count):
        position = journal.position + 1
        journal.append(position // 2, position % 3, b"payload %d" % position)
    journal.flush()


def code_of(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises(JournalError) as refused:
        call(*arguments, **named)  # type: ignore[operator]
    assert refused.value.cure
    return refused.value.code


def test_JOUR_001_chain_is_the_stated_hash(journal: SqliteJournal) -> None:
    journal.append(7, 0, b"price")
    journal.append(7, 1, b"")
    journal.flush()
    chain = hashlib.blake2b(
        b"STEELYARD-JOURNAL\0" + struct.pack("<IQ", 1, 10) + b"venue=demo", digest_size=32
    ).digest()
    for record, (kind, payload) in zip(journal.read(), [(0, b"price"), (1, b"")], strict=True):
        head = struct.pack("<QQBI", record.position, 7, kind, len(payload))
        chain = hashlib.blake2b(chain + head + payload, digest_size=32).digest()
        assert record.chain == chain
        assert (record.seq, record.kind, record.payload) == (7, kind, payload)
    assert journal.chain == chain


def test_JOUR_002_positions_count_from_one_without_gaps(journal: SqliteJournal) -> None:
    assert [journal.append(0, 0, b"") for _ in range(600)] == list(range(1, 601))
    assert journal.durable_position == 0
    assert list(journal.read()) == []
    assert journal.flush() == 600
    assert [record.position for record in journal.read()] == list(range(1, 601))
    assert [record.position for record in journal.read(590, 593)] == [590, 591, 592, 593]


def test_JOUR_003_refused_argument_changes_nothing(journal: SqliteJournal) -> None:
    fill(journal, 4)
    assert code_of(journal.append, 1, 0, b"seq goes back") == "JOUR-E09"
    assert code_of(journal.append, -1, 0, b"") == "JOUR-E09"
    assert code_of(journal.append, 2**63, 0, b"") == "JOUR-E09"
    assert code_of(journal.append, 9, 256, b"") == "JOUR-E09"
    assert code_of(journal.append, 9, 0, "text") == "JOUR-E09"
    assert code_of(journal.append, 9.0, 0, b"") == "JOUR-E09"
    assert code_of(journal.append, 9, 0, bytes(PAYLOAD_BYTES_MAX + 1)) == "JOUR-E09"
    assert code_of(journal.read, 0) == "JOUR-E09"
    assert journal.append(2**63 - 1, 255, b"") == 5
    assert journal.flush() == 5


def test_JOUR_003_largest_payload_is_kept(journal: SqliteJournal, path: Path) -> None:
    payload = os.urandom(1024) * (PAYLOAD_BYTES_MAX // 1024)
    journal.append(1, 0, payload)
    journal.append(1, 0, b"after")
    journal.close()
    with SqliteJournal.open(path) as again:
        first, second = again.read()
    assert first.payload == payload
    assert second.payload == b"after"


def test_JOUR_004_second_writer_is_refused_until_the_first_ends(
    journal: SqliteJournal, path: Path
) -> None:
    fill(journal, 3)
    assert code_of(SqliteJournal.open, path) == "JOUR-E03"
    program = (
        "import sys; from steelyard.journal import SqliteJournal\n"
        "from steelyard.quantities import JournalError\n"
        "try: SqliteJournal.open(sys.argv[1])\nexcept JournalError as e: print(e.code)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "JOUR-E03"
    journal.close()
    with SqliteJournal.open(path) as again:
        assert again.durable_position == 3


def test_JOUR_005_reader_follows_a_live_writer(journal: SqliteJournal, path: Path) -> None:
    fill(journal, 5)
    with SqliteJournal.open_reader(path) as reader:
        assert reader.durable_position == 5
        walk = reader.read()
        assert next(walk).position == 1
        fill(journal, 2500)
        assert reader.durable_position == 2505
        assert sum(1 for _ in reader.read()) == 2505
        assert [record.position for record in walk] == [2, 3, 4, 5]
        last = reader.last()
        assert last is not None
        assert last.payload == b"payload 2505"
        assert reader.metadata == b"venue=demo"
        assert not hasattr(reader, "append")


def test_JOUR_006_slow_reader_does_not_hold_the_log(tmp_path: Path) -> None:
    options = JournalOptions(log_bytes_max=200_000)
    path = tmp_path / "bounded.db"
    with SqliteJournal.create(path, options=options) as journal:
        fill(journal, 2000)
        with SqliteJournal.open_reader(path) as reader:
            walk = reader.read()
            next(walk)  # a reader in the middle of its walk, for the whole life of the writer
            largest = 0
            for _ in range(60):
                fill(journal, 500)
                largest = max(largest, os.path.getsize(f"{path}-wal"))
            assert largest < 600_000
            assert sum(1 for _ in walk) == 1999


def test_JOUR_007_newest_three_snapshots_are_kept_and_checked(
    journal: SqliteJournal, path: Path
) -> None:
    fill(journal, 50)
    assert journal.latest_snapshot() is None
    for position in (0, 10, 20, 30, 30, 40):
        journal.put_snapshot(position, position // 2, b"hash %d" % position, b"state" * position)
    assert [info.position for info in journal.snapshots()] == [20, 30, 40]
    newest = journal.latest_snapshot()
    assert newest is not None
    assert (newest.position, newest.seq) == (40, 20)
    assert (newest.state_hash, newest.blob) == (b"hash 40", b"state" * 40)
    assert newest.chain == list(journal.read())[39].chain
    older = journal.latest_snapshot(max_position=39)
    assert older is not None
    assert older.position == 30
    assert journal.latest_snapshot(max_position=19) is None
    journal.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE snapshots SET blob = blob || x'00' WHERE position = 40")
    database.commit()
    database.close()
    assert code_of(SqliteJournal.open, path) == "JOUR-E11"
    report = verify_journal(path)
    assert (report.is_sound, report.code, report.last_good_position) == (False, "JOUR-E11", 50)
    copied = salvage(path, path.with_name("copy.db"))
    assert (copied.records_copied, copied.snapshots_copied) == (50, 2)
    with SqliteJournal.open(path.with_name("copy.db")) as copy:
        assert [info.position for info in copy.snapshots()] == [20, 30]


def test_JOUR_008_snapshot_of_what_is_not_durable_is_refused(journal: SqliteJournal) -> None:
    fill(journal, 10)
    journal.append(5, 0, b"not yet")
    assert code_of(journal.put_snapshot, 11, 5, b"h", b"") == "JOUR-E11"
    assert code_of(journal.put_snapshot, 10, 4, b"h", b"") == "JOUR-E11"
    journal.put_snapshot(10, 5, b"h", b"")
    assert code_of(journal.put_snapshot, 9, 4, b"h", b"") == "JOUR-E11"
    assert code_of(journal.put_snapshot, 10, 5, b"", b"") == "JOUR-E09"
    assert code_of(journal.put_snapshot, 10, 5, b"h", "text") == "JOUR-E09"
    assert journal.flush() == 11


def test_JOUR_009_files_belong_to_the_owner_alone(journal: SqliteJournal, path: Path) -> None:
    fill(journal, 1)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert len(list(path.parent.iterdir())) == 4


def test_JOUR_010_wrong_paths_are_listed_errors(journal: SqliteJournal, path: Path) -> None:
    other = path.with_name("other.db")
    assert code_of(SqliteJournal.create, path) == "JOUR-E04"
    assert code_of(SqliteJournal.open, other) == "JOUR-E01"
    assert code_of(SqliteJournal.open_reader, other) == "JOUR-E01"
    assert code_of(verify_journal, other) == "JOUR-E01"
    assert code_of(salvage, other, path) == "JOUR-E01"
    other.write_bytes(b"something else")
    assert code_of(SqliteJournal.create, other) == "JOUR-E04"
    assert code_of(SqliteJournal.open, other) == "JOUR-E05"
    assert other.read_bytes() == b"something else"
    assert code_of(SqliteJournal.create, path.parent / "no" / "folder.db") == "JOUR-E08"
    journal.close()
    path.unlink()
    assert code_of(SqliteJournal.open, path) == "JOUR-E01"


def test_JOUR_011_closed_journal_refuses_everything(journal: SqliteJournal) -> None:
    fill(journal, 2)
    journal.close()
    journal.close()
    assert code_of(journal.append, 1, 0, b"") == "JOUR-E10"
    assert code_of(journal.flush) == "JOUR-E10"
    assert code_of(journal.settle) == "JOUR-E10"
    assert code_of(journal.put_snapshot, 1, 0, b"h", b"") == "JOUR-E10"
    assert code_of(journal.read) == "JOUR-E10"
    assert code_of(journal.snapshots) == "JOUR-E10"
    assert journal.durable_position == 2


def test_JOUR_012_unknown_format_is_refused(journal: SqliteJournal, path: Path) -> None:
    fill(journal, 2)
    journal.close()
    for pragma, code in (("user_version=2", "JOUR-E02"), ("application_id=1", "JOUR-E01")):
        database = sqlite3.connect(path)
        database.execute(f"PRAGMA {pragma}")
        database.commit()
        database.close()
        assert code_of(SqliteJournal.open, path) == code


def test_JOUR_013_damage_before_the_snapshot_needs_the_whole_check(
    journal: SqliteJournal, path: Path
) -> None:
    fill(journal, 40)
    journal.put_snapshot(30, 15, b"h", b"state")
    journal.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE records SET payload = x'00' WHERE position = 12")
    database.commit()
    database.close()
    with SqliteJournal.open(path) as tail:
        assert tail.examination.records_checked == 10
        with pytest.raises(JournalError) as refused:
            list(tail.read())
        assert refused.value.where["position"] == 12
    with pytest.raises(JournalError) as refused:
        SqliteJournal.open(path, verify="whole")
    assert refused.value.code == "JOUR-E06"
    assert refused.value.where["position"] == 12
    assert refused.value.where["last_good_position"] == 11
    assert "salvage" in refused.value.cure


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("DELETE FROM records WHERE position = 20", 20),
        ("DELETE FROM records WHERE position > 35", 36),
        ("UPDATE records SET seq = seq + 1 WHERE position = 5", 5),
        ("UPDATE records SET kind = 9 WHERE position = 6", 6),
        ("UPDATE records SET chain = x'00' WHERE position = 7", 7),
        ("UPDATE records SET payload = 'text' WHERE position = 8", 8),
        ("UPDATE records SET seq = 'text' WHERE position = 9", 9),
        ("UPDATE header SET metadata = x'00'", None),
        ("DELETE FROM header", None),
        ("CREATE TABLE more (a)", None),
    ],
)
def test_JOUR_014_tampering_is_found_and_salvage_keeps_what_is_before(
    journal: SqliteJournal, path: Path, statement: str, first_bad: int | None
) -> None:
    fill(journal, 40)
    journal.put_snapshot(4, 2, b"h", b"state")
    journal.close()
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
    before = path.read_bytes()
    report = verify_journal(path)
    assert not report.is_sound
    assert report.first_bad_position == first_bad
    code_of(SqliteJournal.open, path, verify="whole")
    copy = path.with_name("copy.db")
    if first_bad is None:
        assert code_of(salvage, path, copy) == "JOUR-E12"
        assert not copy.exists()
        return
    copied = salvage(path, copy)
    assert copied.records_copied == report.last_good_position == first_bad - 1
    assert copied.first_lost_position == first_bad
    assert copied.snapshots_copied == 1
    assert path.read_bytes() == before
    with SqliteJournal.open(copy, verify="whole") as good:
        assert good.append(10**6, 0, b"life goes on") == first_bad


def test_JOUR_015_lost_seal_is_refused_and_salvaged(journal: SqliteJournal, path: Path) -> None:
    fill(journal, 40)
    journal.close()
    seal = Path(f"{path}.seal")
    seal.write_bytes(os.urandom(8192))
    assert code_of(SqliteJournal.open, path) == "JOUR-E06"
    seal.unlink()
    assert code_of(SqliteJournal.open, path) == "JOUR-E05"
    assert salvage(path, path.with_name("copy.db")).records_copied == 40


def test_JOUR_016_older_database_under_a_newer_seal_is_refused(
    journal: SqliteJournal, path: Path
) -> None:
    fill(journal, 10)
    journal.close()
    older = path.read_bytes()
    with SqliteJournal.open(path) as again:
        fill(again, 10)
    path.write_bytes(older)
    with pytest.raises(JournalError) as refused:
        SqliteJournal.open(path)
    assert refused.value.where["position"] == 11
    assert "records 11 to 20 are missing" in refused.value.message


def test_JOUR_017_verify_beside_a_live_writer_finds_nothing(
    journal: SqliteJournal, path: Path
) -> None:
    stop = threading.Event()
    reports = []

    def look() -> None:
        while not stop.is_set():
            reports.append(verify_journal(path))

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(60):
        fill(journal, 30)
        journal.put_snapshot(journal.position, journal.position // 2, b"h", os.urandom(5000))
    stop.set()
    watcher.join()
    assert len(reports) > 3
    assert all(report.is_sound for report in reports), [r for r in reports if not r.is_sound][:1]
