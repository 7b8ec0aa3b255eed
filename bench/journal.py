"""Durable events per second of the journal, beside a plain file and beside bare SQLite.

    python -m bench.journal [--quick] [--folder DIR]

Three stores take the same payloads in the same groups, in turn: the journal (chained, sealed,
SQLite WAL FULL), a plain file with one fdatasync per group, and bare sqlite3 (`executemany`, WAL
FULL, two columns, no chain, no seal). A group counts once it is durable. `--folder`
names where the files go: a figure of a RAM disk is no figure, so it should be a real disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench.machine import ROOT, paired, print_machine, report
from steelyard.journal import GroupCommitter, JournalOptions, SqliteJournal, verify_journal

PAYLOAD_BYTES = 120  # an encoded price tick with room for its outcome


class PlainFile:
    """Appends payloads with a length before each; one write and one fdatasync per group."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def group(self, payloads: list[bytes]) -> None:
        os.write(self.descriptor, b"".join(len(p).to_bytes(4, "little") + p for p in payloads))
        os.fdatasync(self.descriptor)

    def stored(self) -> list[bytes]:
        data = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        found, place = [], 0
        while place < len(data):
            length = int.from_bytes(data[place : place + 4], "little")
            found.append(data[place + 4 : place + 4 + length])
            place += 4 + length
        return found


class BareSqlite:
    """One table, one transaction per group, the log copied by SQLite itself."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("CREATE TABLE records (position INTEGER PRIMARY KEY, payload BLOB)")

    def group(self, payloads: list[bytes]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        rows = ((payload,) for payload in payloads)
        self.connection.executemany("INSERT INTO records (payload) VALUES (?)", rows)
        self.connection.execute("COMMIT")

    def stored(self) -> list[bytes]:
        sql = "SELECT payload FROM records ORDER BY position"
        return [row[0] for row in self.connection.execute(sql)]


class Journalled:
    """The journal, used directly."""

    def __init__(self, path: Path) -> None:
        self.journal = SqliteJournal.create(path)

    def group(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.journal.append(0, 0, payload)
        self.journal.flush()

    def stored(self) -> list[bytes]:
        return [record.payload for record in self.journal.read()]


def timed(
    store: Journalled | PlainFile | BareSqlite, groups: list[list[bytes]], us: list[float]
) -> Callable[[], None]:
    """Return a program that makes the groups durable and notes each one's time."""

    def program() -> None:
        for payloads in groups:
            started = time.perf_counter_ns()
            store.group(payloads)
            us.append((time.perf_counter_ns() - started) / 1000)

    return program


def compare(folder: Path, group: int, groups: int, rounds: int) -> None:
    """Time the three stores in turn at one size of group and report the ratios."""
    random = Random(group)
    work = [[random.randbytes(PAYLOAD_BYTES) for _ in range(group)] for _ in range(groups)]
    for name, peer_class in (("plain file", PlainFile), ("bare SQLite", BareSqlite)):
        stem = f"{group}-{peer_class.__name__}"
        journal = Journalled(folder / f"{stem}-journal.db")
        other = peer_class(folder / f"{stem}.peer")
        journal_us: list[float] = []
        peer_us: list[float] = []
        result = paired(timed(journal, work, journal_us), timed(other, work, peer_us), rounds)
        assert journal.stored() == other.stored()
        events = group * groups
        report(
            f"journal, group {group}: speed against {name}",
            result.ratio,
            "x",
            note=f"quartiles {result.low:.2f} to {result.high:.2f}; {events / result.first_s:,.0f} "
            f"durable events/s against {events / result.second_s:,.0f}",
        )
        print(
            f"    flush p50/p99 us: journal {spread(journal_us)}, {name} {spread(peer_us)}, "
            f"{len(journal_us)} flushes each"
        )
        journal.journal.close()
        if name == "bare SQLite":
            report(f"journal flush p50, group {group}", statistics.median(journal_us), "us")
            report(f"journal flush p99, group {group}", percentile(journal_us, 99), "us")


def percentile(values: list[float], rank: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[rank - 1]


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f}/{percentile(values, 99):,.0f}"


def committer(folder: Path, events: int) -> None:
    """Report what the engine thread pays per append and what the thread behind it sustains."""
    payload = Random(0).randbytes(PAYLOAD_BYTES)
    with GroupCommitter(lambda: SqliteJournal.create(folder / "committer.db")) as behind:
        append_us = []
        started = time.perf_counter()
        for _ in range(events):
            before = time.perf_counter_ns()
            behind.append(0, 0, payload)
            append_us.append((time.perf_counter_ns() - before) / 1000)
        behind.flush()
        elapsed_s = time.perf_counter() - started
        flush_us = [float(us) for us in behind.flush_us]
    report("committer: append in the engine thread, p50", statistics.median(append_us), "us",
           note=f"p99 {percentile(append_us, 99):.1f} us, max {max(append_us):,.0f} us")  # fmt: skip
    report("committer: durable events/s, engine thread at full speed", events / elapsed_s, "1/s",
           note=f"flush p50/p99 {spread(flush_us)} us, {len(flush_us)} groups")  # fmt: skip


def opening(folder: Path, records: int) -> None:
    """Report the time to open a long journal, with and without a snapshot near its end."""
    path = folder / "long.db"
    payload = Random(1).randbytes(PAYLOAD_BYTES)
    options = JournalOptions(seal_interval_ms=10_000)
    with SqliteJournal.create(path, options=options) as journal:
        for number in range(records):
            journal.append(number, 0, payload)
            if number % 10_000 == 9_999:
                journal.flush()
    size = f"{os.path.getsize(path) / 2**20:,.0f} MiB"

    def seconds(call: Callable[[], object]) -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    whole = seconds(lambda: SqliteJournal.open(path, "whole").close())
    without = seconds(lambda: SqliteJournal.open(path).close())
    with SqliteJournal.open(path) as journal:
        position = records - 1_000
        journal.put_snapshot(position, position - 1, b"hash", payload * 1_000)
    report(f"open {records:,} records, snapshot 1,000 back", seconds(lambda: SqliteJournal.open(path).close()), "s", note=size)  # fmt: skip
    report(f"open {records:,} records, no snapshot", without, "s", note="whole chain")
    report(f"open {records:,} records, verify whole", whole, "s")
    report(f"open_reader on {records:,} records", seconds(lambda: SqliteJournal.open_reader(path).close()), "s")  # fmt: skip
    report(f"verify_journal on {records:,} records", seconds(lambda: verify_journal(path)), "s")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, 100,000 records")
    parser.add_argument("--folder", type=Path, default=ROOT, help="on the disk to be measured")
    options = parser.parse_args()
    print_machine()
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-", dir=options.folder))
    print(
        f"SQLite {sqlite3.sqlite_version}, payload {PAYLOAD_BYTES} bytes, files in {folder.parent}"
    )
    try:
        rounds = 4 if options.quick else 30
        compare(folder, 1, 25, rounds)
        compare(folder, 100, 10, rounds)
        compare(folder, 1000, 4, rounds)
        committer(folder, 50_000 if options.quick else 300_000)
        opening(folder, 100_000 if options.quick else 1_000_000)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
