"""kill -9 at random points, a full disk, a second engine, a corrupt byte: nothing acknowledged lost."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from steelyard.engine import create_engine, open_engine, replay_journal
from steelyard.engine.engine import KIND_EVENT, KIND_OUTCOMES
from steelyard.engine.recovery import JournaledEngine
from steelyard.engine.snapshot import state_hash
from steelyard.journal import JournalReader, verify_journal
from steelyard.quantities import JournalError
from steelyard.ticks import Event, encode_event
from tests.engine.crash_server import COUNT
from tests.support.method import load_method
from tests.support.script import outcomes_and_hashes, scripted_events

ROOT = Path(__file__).resolve().parents[2]
KILLS, KILLS_A_LIFE = 50, 10


class Reference:
    """The script, played without interruption: events, outcome bytes, and the hash at every seq."""

    def __init__(self, count: int) -> None:
        self.events: list[Event] = scripted_events(count)
        self.outcomes, self.hashes = outcomes_and_hashes(self.events)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(COUNT)


class Server:
    """The other side of `crash_server`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/engine/crash_server.py")],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.buffer = b""

    def line(self, timeout_s: float = 60.0) -> list[str]:
        """Return the words of the next line, [] when none comes in time."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self.buffer:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self.process.stdout], [], [], left_s)[0]:
                return []
            data = os.read(self.process.stdout.fileno(), 65_536)
            assert data, "the server ended"
            self.buffer += data
        first, self.buffer = self.buffer.split(b"\n", 1)
        return first.decode().split()

    def start(self, path: Path, shards: int, pace_us: int = 0, limit_bytes: int = 0) -> None:
        """Start a driver."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{path} {shards} {pace_us} {limit_bytes}\n".encode())
        self.process.stdin.flush()

    def run(self, path: Path, shards: int, life_s: float, pace_us: int = 0) -> int:
        """Let a driver live for a while, kill it, and return the last seq it acknowledged."""
        self.start(path, shards, pace_us)
        acknowledged, pid, kill_at = 0, 0, float("inf")
        while True:
            words = self.line(max(0.0, min(60.0, kill_at - time.monotonic())))
            if not words:
                assert pid
                os.kill(pid, signal.SIGKILL)
                kill_at = float("inf")
            elif words[0] == "p":
                pid, kill_at = int(words[1]), time.monotonic() + life_s
            elif words[0] == "a":
                acknowledged = int(words[1])
            elif words[0] == "x":
                return acknowledged

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    assert server.line() == ["ready"]
    yield server
    server.close()


@contextmanager
def sure_of(
    path: Path, acknowledged: int, reference: Reference, shards: int
) -> Iterator[JournaledEngine]:
    """Open a journal after a bad end and hold it against the uninterrupted run."""
    with open_engine(path, shards) as found:
        engine = found.engine
        assert engine.seq >= acknowledged, "an acknowledged event is lost"
        assert found.replayed <= 400, "a snapshot was not used"
        assert state_hash(engine) == reference.hashes[engine.seq]
        engine.check_sums()
        found.wait()
        yield found


def refusal_of(path: Path) -> str:
    """Return the code with which opening a journal is refused, empty when it opens."""
    try:
        open_engine(path).close()
    except JournalError as error:
        return error.code
    return ""


def check_records(path: Path, reference: Reference) -> int:
    """Check that a journal holds the script from its first event, each with its outcomes; return seq."""
    seq, outcomes = 0, {}
    with JournalReader.open_reader(path) as reader:
        for record in reader.read():
            if record.kind == KIND_EVENT:
                seq += 1
                assert record.seq == seq
            elif record.kind == KIND_OUTCOMES:
                assert record.seq not in outcomes
                outcomes[record.seq] = record.payload
    assert outcomes == {k + 1: o for k, o in enumerate(reference.outcomes[:seq]) if o}
    return seq


def test_ENGN_060_fifty_kills_lose_nothing_acknowledged(
    server: Server, reference: Reference, tmp_path: Path
) -> None:
    random = Random(11)
    reached: list[int] = []
    interrupted = 0
    begun: set[int] = set()
    for kill in range(KILLS):
        life, turn = divmod(kill, KILLS_A_LIFE)
        path = tmp_path / f"life{life}.journal"
        # The first kill of a life falls into the creation, the others anywhere after the opening.
        life_s = random.uniform(0.0, 0.02) if turn == 0 else random.uniform(0.0, 0.3)
        shards = random.choice((1, 2, 8))
        acknowledged = server.run(path, shards, life_s, random.choice((0, 0, 2_000)))
        # On a slow machine a later kill may fall into the creation as well, where none was finished yet.
        if acknowledged == 0 and life not in begun:
            code = refusal_of(path)
            if code:
                # Creation was interrupted: it acknowledged nothing, and says how to begin again.
                assert code in ("JOUR-E01", "JOUR-E05")
                for suffix in ("", "-wal", "-shm", "-journal", ".seal"):
                    Path(f"{path}{suffix}").unlink(missing_ok=True)
                interrupted += 1
                continue
        begun.add(life)
        with sure_of(path, acknowledged, reference, random.choice((1, 3))) as found:
            reached.append(found.engine.seq)
            assert verify_journal(path).is_sound
            # This engine goes on a little itself: the next driver finds its events too.
            for event in reference.events[found.engine.seq : found.engine.seq + 3]:
                found.engine.submit(event)
        assert check_records(path, reference) == min(reached[-1] + 3, COUNT)
    assert len(reached) + interrupted == KILLS
    assert len(set(reached)) > KILLS // 3, "the kills fell on the same points"
    for life in range(KILLS // KILLS_A_LIFE):
        path = tmp_path / f"life{life}.journal"
        if path.exists():
            _, report = replay_journal(path)
            assert report.difference == ""
            assert report.state_hash == reference.hashes[report.last_seq].hex()


def test_ENGN_061_outcomes_that_a_crash_kept_from_the_disk_are_completed(
    reference: Reference, tmp_path: Path
) -> None:
    at = next(k for k, o in enumerate(reference.outcomes) if o and k > 100)
    path = tmp_path / "cut.journal"
    with create_engine(path, load_method()) as live:
        for event in reference.events[:at]:
            live.engine.submit(event)
        live.committer.append(at + 1, KIND_EVENT, encode_event(reference.events[at]))
    with sure_of(path, at + 1, reference, 1):
        pass
    assert check_records(path, reference) == at + 1
    assert replay_journal(path)[1].difference == ""


@pytest.mark.parametrize("limit_bytes", [60_000, 200_000, 400_000])
def test_ENGN_062_a_full_disk_stops_the_engine_and_loses_nothing(
    server: Server, reference: Reference, tmp_path: Path, limit_bytes: int
) -> None:
    path = tmp_path / "full.journal"
    server.start(path, 1, 0, limit_bytes)
    said: dict[str, str] = {}
    while (words := server.line()) != ["x"]:
        assert words, "the driver hangs"
        said[words[0]] = words[1]
    assert said["e"] in ("JOUR-E07", "JOUR-E08")
    assert "d" not in said
    acknowledged = int(said.get("a", "0"))
    with sure_of(path, acknowledged, reference, 2) as found:
        for event in reference.events[found.engine.seq : found.engine.seq + 50]:
            found.engine.submit(event)
        reached = found.engine.seq
    assert acknowledged > 0
    assert check_records(path, reference) == reached


def test_ENGN_063_a_second_engine_on_the_same_journal_is_refused(
    reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "one.journal"
    with create_engine(path, load_method()) as first:
        with pytest.raises(JournalError, match="JOUR-E03") as caught:
            open_engine(path)
        assert "stop the other engine" in caught.value.cure
        with pytest.raises(JournalError, match=r"JOUR-E0[34]"):
            create_engine(path, load_method())
        for event in reference.events[:30]:
            first.engine.submit(event)
        first.wait()
        assert replay_journal(path)[1].events == 30  # reading beside it is allowed
    with sure_of(path, 30, reference, 1):
        pass


def test_ENGN_064_a_corrupt_byte_is_found_located_and_advised_about(
    reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "bad.journal"
    with create_engine(path, load_method()) as live:
        for event in reference.events[:120]:
            live.engine.submit(event)
    with JournalReader.open_reader(path) as reader:
        record = list(reader.read())[60]
    content = bytearray(path.read_bytes())
    content[content.index(record.payload) + 3] ^= 64
    path.write_bytes(content)
    kept = path.read_bytes()
    with pytest.raises(JournalError, match="JOUR-E06") as caught:
        open_engine(path)
    assert caught.value.where["position"] == record.position
    assert caught.value.where["last_good_position"] == record.position - 1
    for advice in ("keep both files", "verify", "salvage"):
        assert advice in caught.value.cure
    assert path.read_bytes() == kept, "a refusal changes nothing"


def test_ENGN_065_an_engine_whose_disk_failed_acknowledges_nothing_more(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gone.journal"
    live = create_engine(path, load_method())
    for event in reference.events[:40]:
        live.engine.submit(event)
    live.wait()

    def fail(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("steelyard.journal.store.SqliteJournal._insert_pending", fail)
        live.engine.submit(reference.events[40])
        with pytest.raises(JournalError, match="JOUR-E07"):
            live.wait()
        with pytest.raises(JournalError, match="JOUR-E07"):
            live.engine.submit(reference.events[41])
    with pytest.raises(JournalError, match="JOUR-E07"):
        live.close()
    with sure_of(path, 40, reference, 1) as found:
        assert found.engine.seq == 40
