"""Any life of a journal keeps order and chain; any file is either a journal or a listed error."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from steelyard.journal import (
    JournalOptions,
    Record,
    SqliteJournal,
    genesis_chain,
    next_chain,
    salvage,
    verify_journal,
)
from steelyard.quantities import JournalError
from tests.journal.power_cut import memory_folder, put_image


class JournalLife(RuleBasedStateMachine):
    """Append, flush, snapshot, reopen, read in any order, beside a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = memory_folder(Path(tempfile.mkdtemp()))
        self.path = self.folder / "journal.db"
        self.options = JournalOptions(log_bytes_max=30_000, seal_interval_ms=0)
        self.journal = SqliteJournal.create(self.path, b"meta", self.options)
        self.records: list[Record] = []
        self.durable = 0
        self.snapshot_positions: list[int] = []

    @rule(
        step=st.integers(0, 3),
        kind=st.integers(0, 255),
        payload=st.binary(max_size=3000),
        times=st.integers(1, 20),
    )
    def append(self, step: int, kind: int, payload: bytes, times: int) -> None:
        for _ in range(times):
            last = self.records[-1] if self.records else None
            chain = last.chain if last else genesis_chain(b"meta")
            position, seq = len(self.records) + 1, (last.seq if last else 0) + step
            chain = next_chain(chain, position, seq, kind, payload)
            self.records.append(Record(position, seq, kind, payload, chain))
            assert self.journal.append(seq, kind, payload) == position

    @rule()
    def flush(self) -> None:
        self.durable = len(self.records)
        assert self.journal.flush() == self.durable

    @rule(blob=st.binary(max_size=9000))
    def snapshot(self, blob: bytes) -> None:
        seq = self.records[self.durable - 1].seq if self.durable else 0
        self.journal.put_snapshot(self.durable, seq, b"hash", blob)
        kept = [p for p in self.snapshot_positions if p != self.durable]
        self.snapshot_positions = [*kept, self.durable][-3:]
        newest = self.journal.latest_snapshot()
        assert newest is not None
        assert newest.blob == blob

    @rule(depth=st.sampled_from(["tail", "whole"]))
    def reopen(self, depth: str) -> None:
        self.journal.close()
        self.durable = len(self.records)
        self.journal = SqliteJournal.open(self.path, depth, self.options)  # type: ignore[arg-type]

    @rule()
    def kill(self) -> None:
        # The files as another process would find them if this one stopped now. `cp` copies them:
        # closing a descriptor of the database in this process would drop the writer's locks.
        copy = self.folder / "killed.db"
        put_image(str(copy), {})
        for suffix in ("", "-wal", ".seal"):
            if Path(f"{self.path}{suffix}").exists():
                subprocess.run(["cp", f"{self.path}{suffix}", f"{copy}{suffix}"], check=True)
        with SqliteJournal.open(copy) as found:
            assert list(found.read()) == self.records[: self.durable]

    @precondition(lambda self: self.durable > 0)
    @rule(data=st.data())
    def read_part(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(1, self.durable))
        last = data.draw(st.integers(first, self.durable))
        assert list(self.journal.read(first, last)) == self.records[first - 1 : last]

    @invariant()
    def agrees(self) -> None:
        assert self.journal.durable_position == self.durable
        assert self.journal.position == len(self.records)
        assert [i.position for i in self.journal.snapshots()] == self.snapshot_positions
        last = self.journal.last()
        assert last == (self.records[self.durable - 1] if self.durable else None)

    def teardown(self) -> None:
        self.journal.close()
        assert verify_journal(self.path).is_sound
        with SqliteJournal.open_reader(self.path) as reader:
            assert list(reader.read()) == self.records
        shutil.rmtree(self.folder)


def test_JOUR_050_any_life_keeps_order_and_chain() -> None:
    run_state_machine_as_test(
        JournalLife, settings=settings(max_examples=40, stateful_step_count=25)
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    with SqliteJournal.create(path, b"meta") as journal:
        for number in range(60):
            journal.append(number, 0, b"%d" % number * 20)
        journal.flush()
        journal.put_snapshot(40, 39, b"hash", b"state" * 500)
    return {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", ".seal")}


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["", ".seal"]),
        st.sampled_from(["overwrite", "cut", "insert", "zero"]),
        st.integers(0, 2**16),
        st.binary(min_size=1, max_size=60),
    ),
    min_size=1,
    max_size=4,
)


def edited(image: dict[str, bytes], edits: list[tuple[str, str, int, bytes]]) -> dict[str, bytes]:
    result = dict(image)
    for suffix, kind, place, data in edits:
        content = result[suffix]
        at = place % (len(content) + 1)
        after = {
            "overwrite": data + content[at + len(data) :],
            "cut": b"",
            "insert": data + content[at:],
            "zero": bytes(len(data) * 20) + content[at + len(data) * 20 :],
        }[kind]
        result[suffix] = content[:at] + after
    return result


def only_listed_errors(folder: Path, image: dict[str, bytes]) -> None:
    """Try every way in; anything but a JournalError fails the test."""
    path = str(folder / "fuzzed.db")
    for way in (
        lambda: SqliteJournal.open_reader(path),
        lambda: SqliteJournal.open(path, "whole"),
        lambda: SqliteJournal.open(path),
    ):
        put_image(path, image)
        with suppress(JournalError), way() as journal:
            records = list(journal.read())
            assert [r.position for r in records] == list(range(1, len(records) + 1))
            journal.last()
            journal.latest_snapshot()
    put_image(path, image)
    copy = folder / "fuzzed-copy.db"
    for call in (verify_journal, lambda source: salvage(source, copy)):
        with suppress(JournalError):
            call(path)
    put_image(str(copy), {})


@given(edits=EDITS)
@settings(max_examples=250)
def test_JOUR_051_mutated_journal_gives_only_listed_errors(
    sound: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[str, str, int, bytes]],
) -> None:
    only_listed_errors(tmp_path_factory.getbasetemp(), edited(sound, edits))


@given(
    database=st.binary(max_size=300)
    | st.binary(max_size=300).map(lambda tail: b"SQLite format 3\0" + tail),
    seal=st.none() | st.binary(max_size=300),
    log=st.none() | st.binary(max_size=300),
)
@settings(max_examples=150)
def test_JOUR_051_random_files_give_only_listed_errors(
    tmp_path_factory: pytest.TempPathFactory,
    sound: dict[str, bytes],
    database: bytes,
    seal: bytes | None,
    log: bytes | None,
) -> None:
    image = {"": database, ".seal": sound[".seal"] if seal is None else seal}
    if log is not None:
        image["-wal"] = log
    only_listed_errors(tmp_path_factory.getbasetemp(), image)
