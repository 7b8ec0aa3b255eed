"""The timeline: any event, in any order, is as a fresh replay has it; what is wrong is said."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from steelyard.engine import replay_journal
from steelyard.engine.engine import KIND_CHECKPOINT
from steelyard.engine.snapshot import state_hash
from steelyard.quantities import JournalError
from steelyard.service.rewind.errors import RewindError
from steelyard.service.rewind.timeline import Going, Timeline, TimelineOptions
from steelyard.service.rewind.walker import Walker
from tests.service.rewind.journals import Played, begun, play, tick


def arrive(going: Going) -> Walker:
    """Go all the way and return the walker."""
    while True:
        try:
            next(going)
        except StopIteration as there:
            walker: Walker = there.value
            return walker


def hash_at(timeline: Timeline, seq: int | None) -> bytes:
    """Return the state hash as of an event."""
    walker = arrive(timeline.go(seq))
    assert seq is None or walker.seq == seq
    timeline.release(walker)
    return state_hash(walker.engine)


def settle(timeline: Timeline) -> None:
    """Follow and fill until there is no more of it, as the worker does: past what is wrong."""
    has_more = True
    while has_more:
        has_more = False
        with suppress(JournalError):
            has_more = timeline.follow() or timeline.fill()


def copied(played: Played, folder: Path) -> Path:
    """Return a journal of one's own to damage."""
    target = folder / "copy.journal"
    for suffix in ("", ".seal"):
        shutil.copy(f"{played.path}{suffix}", f"{target}{suffix}")
    return target


def damage(path: Path, seq: int) -> None:
    """Change a byte of an event's record on the disk."""
    with sqlite3.connect(path) as connection:
        row = connection.execute(
            "SELECT position, payload FROM records WHERE seq = ? AND kind = 0", (seq,)
        ).fetchone()
        payload = bytearray(row[1])
        payload[-1] ^= 1
        connection.execute(
            "UPDATE records SET payload = ? WHERE position = ?", (bytes(payload), row[0])
        )
    connection.close()


@pytest.mark.parametrize("seed", range(3))
def test_RWND_003_any_order_of_events_gives_the_states_of_the_run(
    played: Played, seed: int
) -> None:
    draw = Random(seed)
    options = TimelineOptions(draw.choice([16, 64, 5_000]), walkers_max=draw.choice([1, 2, 4]))
    timeline = Timeline(played.path, options)
    seqs = [seq for seq in played.hashes for _ in range(2)]
    draw.shuffle(seqs)
    for seq in seqs[:40]:
        if draw.random() < 0.5:
            timeline.follow()
            timeline.fill()
        assert hash_at(timeline, seq) == played.hashes[seq], seq
        assert len(timeline.walkers) <= options.walkers_max
    assert hash_at(timeline, None) == played.hashes[played.last_seq]
    assert hash_at(timeline, 0) == state_hash(replay_journal(played.path, to_seq=0)[0])
    timeline.close()


def test_RWND_003_shards_do_not_matter(played: Played) -> None:
    timeline = Timeline(played.path, TimelineOptions(100), shards=4)
    for seq in list(played.hashes)[::5]:
        assert hash_at(timeline, seq) == played.hashes[seq]
    timeline.close()


def test_RWND_004_going_stopped_in_the_middle_leaves_good_engines(played: Played) -> None:
    timeline = Timeline(played.path, TimelineOptions(1_000, walkers_max=2))
    middle = sorted(played.hashes)[len(played.hashes) // 4]
    last = 0.0
    for stop in (1, 30, 200):
        going = timeline.go(middle)
        for _, fraction in zip(range(stop), going, strict=False):
            assert 0.0 <= fraction <= 1.0
            last = fraction
        going.close()
    assert last > 0.0
    assert not any(walker.is_busy for walker in timeline.walkers)
    assert hash_at(timeline, middle) == played.hashes[middle]
    timeline.close()


def test_RWND_005_events_that_are_not_there_are_refused(played: Played) -> None:
    timeline = Timeline(played.path)
    for seq in (-1, played.last_seq + 1, 2**62):
        with pytest.raises(RewindError, match="RWND-E01"):
            next(timeline.go(seq))
    timeline.close()


def test_RWND_006_following_leaves_waypoints_and_filling_those_of_the_past(played: Played) -> None:
    timeline = Timeline(played.path, TimelineOptions(spacing=100))
    while timeline.follow():
        pass
    assert timeline.head is not None
    assert timeline.head.seq == played.last_seq
    before = set(timeline.waypoints)
    while timeline.fill():
        pass
    wanted = set(range(100, played.last_seq, 100))
    assert before < set(timeline.waypoints) == wanted
    assert not timeline.fill()
    for seq in played.hashes:
        walker = arrive(timeline.go(seq))
        assert state_hash(walker.engine) == played.hashes[seq]
        timeline.release(walker)
    timeline.close()


def test_RWND_007_full_waypoints_are_thinned_by_doubling(played: Played) -> None:
    one = Timeline(played.path, TimelineOptions(spacing=50))
    arrive(one.go(200))
    size = one.waypoint_bytes // len(one.waypoints)
    one.close()
    few = TimelineOptions(spacing=50, waypoint_bytes_max=5 * size)
    timeline = Timeline(played.path, few)
    assert hash_at(timeline, played.last_seq) == played.hashes[played.last_seq]
    while timeline.follow() or timeline.fill():
        assert timeline.waypoint_bytes <= few.waypoint_bytes_max
    assert timeline.spacing >= 200
    assert timeline.spacing % 50 == 0
    assert all(seq % timeline.spacing == 0 for seq in timeline.waypoints)
    seq = sorted(played.hashes)[3]
    assert hash_at(timeline, seq) == played.hashes[seq]
    timeline.shrink()
    assert timeline.walkers == []
    assert hash_at(timeline, seq) == played.hashes[seq]
    timeline.close()


def test_RWND_008_growing_journal_is_read_to_its_durable_end(tmp_path: Path) -> None:
    session = begun(tmp_path / "growing.journal", population=10)
    session.journaled.snapshot()
    session.journaled.wait()
    timeline = Timeline(session.journaled.path, TimelineOptions(spacing=32))
    steps = session.steps()
    for count, step in enumerate(steps):
        if count % 40 == 0:
            session.journaled.wait()
            assert timeline.last_seq() == step.seq
            timeline.follow()
            walker = arrive(timeline.go(None))
            assert walker.seq == step.seq
            assert state_hash(walker.engine) == state_hash(session.engine)
            timeline.release(walker)
        if count > 240:
            break
    tick(session, 1)
    assert timeline.last_seq() <= session.engine.seq
    session.journaled.wait()
    assert hash_at(timeline, None) == state_hash(session.engine)
    timeline.close()
    session.journaled.close()


def test_RWND_009_difference_is_refused_from_there_on_and_kept(tmp_path: Path) -> None:
    session = begun(tmp_path / "false.journal", population=5)
    session.journaled.snapshot()
    good = session.engine.seq
    seqs = [tick(session, number) for number in range(1, 30)]
    session.journaled.committer.append(seqs[-1], KIND_CHECKPOINT, bytes(32))
    later = [tick(session, number) for number in range(30, 40)]
    honest = state_hash(session.engine)
    session.journaled.snapshot()
    session.journaled.close()
    timeline = Timeline(session.journaled.path, TimelineOptions(spacing=8))
    for _ in range(2):
        with pytest.raises(RewindError, match=r"RWND-E06.*recorded"):
            arrive(timeline.go(later[-1] - 1))
    assert timeline.difference is not None
    assert timeline.difference_seq == seqs[-1]
    with pytest.raises(RewindError, match="RWND-E06"):
        hash_at(timeline, later[-1])
    assert hash_at(timeline, seqs[-2]) != honest
    assert hash_at(timeline, good) != honest
    assert not timeline.follow()
    assert not timeline.fill()
    timeline.close()


def test_RWND_010_damaged_record_is_passed_only_from_a_snapshot_behind(
    played: Played, tmp_path: Path
) -> None:
    path = copied(played, tmp_path)
    timeline = Timeline(path, TimelineOptions(spacing=100))
    snapshots = [info.seq for info in timeline.snapshots()]
    bad = next(seq for seq in sorted(played.hashes) if seq > snapshots[0] + 20) + 3
    assert bad < snapshots[-1]
    damage(path, bad)
    before = max(seq for seq in played.hashes if seq < bad)
    assert hash_at(timeline, before) == played.hashes[before]
    within = next(seq for seq in sorted(played.hashes) if seq > bad)
    for _ in range(2):
        with pytest.raises(JournalError, match="JOUR-E06"):
            hash_at(timeline, within)
    assert list(timeline.damages) == [bad]
    assert hash_at(timeline, None) == played.hashes[played.last_seq]
    settle(timeline)
    settle(timeline)
    assert list(timeline.damages) == [bad]
    assert hash_at(timeline, before) == played.hashes[before]
    timeline.close()


def test_RWND_011_unusable_snapshot_is_passed_over(played: Played, tmp_path: Path) -> None:
    path = copied(played, tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE snapshots SET blob = CAST(blob || x'00' AS BLOB)")
    connection.close()
    timeline = Timeline(path, TimelineOptions(spacing=200))
    settle(timeline)
    settle(timeline)
    for seq in list(played.hashes)[::9]:
        assert hash_at(timeline, seq) == played.hashes[seq]
    assert timeline.unusable
    timeline.close()


def test_RWND_012_memory_as_of_then_is_that_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "memory.journal"
    session = begun(path)
    tallies: dict[int, tuple[int, int, int]] = {}
    for step in session.steps():
        tally = session.tally
        tallies[step.seq] = tally.closes, len(tally.liquidated), tally.bad_debt
    session.finish()
    session.journaled.close()
    timeline = Timeline(path, TimelineOptions(spacing=64))
    draw = Random(2)
    for seq in draw.sample(sorted(tallies), 25):
        walker = arrive(timeline.go(seq))
        tally = walker.scene().chronicle.tally
        assert (tally.closes, len(tally.liquidated), tally.bad_debt) == tallies[seq]
        timeline.release(walker)
    assert max(closes for closes, _, _ in tallies.values()) > 0
    timeline.close()


def test_RWND_013_checkpoint_of_the_scene_is_the_last_one_passed(tmp_path: Path) -> None:
    played = play(tmp_path / "proofs.journal", checkpoint_every=60)
    timeline = Timeline(played.path, TimelineOptions(spacing=64))
    recorded = {
        record.seq: record.payload.hex()
        for record in timeline.reader.read()
        if record.kind == KIND_CHECKPOINT
    }
    for seq in list(played.hashes)[::4]:
        walker = arrive(timeline.go(seq))
        proof = walker.scene().checkpoint
        latest = max((at for at in recorded if at <= seq), default=0)
        assert proof.seq == latest
        assert proof.state_hash == recorded.get(latest, "")
        timeline.release(walker)
    timeline.close()
