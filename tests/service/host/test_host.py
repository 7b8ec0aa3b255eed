"""The host: events, commands, the disk, and what is remembered."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from steelyard.actions import OrdersCancelled
from steelyard.engine import open_engine
from steelyard.engine.snapshot import state_hash, take_snapshot
from steelyard.journal import JournalReader
from steelyard.quantities import InputError, JournalError
from steelyard.service.host import Host, SnapshotPolicy
from steelyard.service.host.chronicle import CLOSES_MAX, FEED_MAX, STORY_LINES_MAX, Chronicle
from steelyard.service.host.copies import copy_state, prove
from steelyard.service.host.history import History
from steelyard.service.host.recall import recall
from steelyard.service.host.vitals import DURABLE, HANDED, Rate, Stamps
from steelyard.ticks import PriceTick, TimeTick, Transfer
from tests.service.host.hosts import Disk, Hosted, hosted, make_disk, prepared, run, until
from tests.support.venue import BTC_LINEAR, SECOND_US

__all__ = ["make_disk"]


@pytest.fixture(name="path")
def make_path(tmp_path: Path) -> Path:
    return tmp_path / "host.journal"


# -- events and commands -------------------------------------------------------------------------


def test_HOST_001_observers_are_told_every_event_in_order(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            before = venue.engine.seq
            venue.price("BTC", 97_000.0)
            with venue.refuses("ADMT-E03"):
                venue.quote("nobody", "BTC", 1.0)
            venue.tick(SECOND_US)
            told = [(s.receipt.seq if s.receipt else None, s.error is None) for s in venue.steps]
            assert told == [
                (before + 1, True),
                (before + 2, True),
                (before + 3, True),
                (None, False),
                (before + 4, True),
            ]
            assert venue.engine.seq == before + 4
            assert venue.host.chronicle.refused == {"ADMT-E03": 1}
            assert venue.steps[1].receipt is not None
            assert {o.subject for o in venue.steps[1].receipt.outcomes} >= {"long"}

    run(work)


def test_HOST_004_a_command_is_stamped_and_durable_when_it_returns(path: Path, disk: Disk) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            host = venue.host
            venue.tick(SECOND_US)
            await host.durable(host.position)
            disk.hold()
            task = asyncio.create_task(host.command(_deposit("maker", 5)))
            await asyncio.sleep(0.05)
            assert not task.done()
            assert venue.balance("maker") == 5_000_000 * 10**6 + 5
            disk.release()
            receipt = await task
            assert host.durable_position >= receipt.position
            event = venue.steps[-1].event
            assert (event.time_us, event.origin, event.origin_seq) == (venue.now_us, "operator", 1)
            with pytest.raises(InputError, match="ADMT-E03"):
                await host.command(_deposit("nobody", 5))
            assert (await host.command(_deposit("maker", 1))).seq == receipt.seq + 1
            assert venue.steps[-1].event.origin_seq == 2

    run(work)
    with open_engine(path) as journaled:
        assert journaled.engine.origin_seqs["operator"] == 2
        assert Host(journaled).next_seq("operator") == 3


def _deposit(account: str, units: int) -> Any:
    return lambda time_us, origin, seq: Transfer(
        time_us, origin, seq, "external", account, "USDC", units
    )


# -- the disk ------------------------------------------------------------------------------------


def test_HOST_015_threads_give_way_soon_while_a_host_runs(path: Path) -> None:
    before = sys.getswitchinterval()

    async def work() -> None:
        async with hosted(path):
            assert sys.getswitchinterval() == pytest.approx(0.0005)

    run(work)
    assert sys.getswitchinterval() == before


def test_HOST_002_a_thousand_waits_need_no_thread(path: Path, disk: Disk) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            host = venue.host
            await host.durable(host.position)
            disk.hold()
            positions = []
            for _ in range(50):
                venue.tick(1)
                positions.append(host.position)
            threads = threading.active_count()
            waits = [asyncio.create_task(host.durable(p)) for p in positions * 20]
            await asyncio.sleep(0.02)
            assert threading.active_count() == threads
            assert not any(each.done() for each in waits)
            assert host.durable_position < positions[0]
            disk.release()
            await asyncio.gather(*waits)
            assert host.durable_position >= positions[-1]
            assert host.vitals().durable_seq == venue.engine.seq
            await host.durable(positions[0])

    run(work)


def test_HOST_002_waiters_are_woken_by_their_own_position() -> None:
    async def work() -> None:
        from steelyard.service.host.durability import Durability

        durability = Durability(3, 1)
        durability.noted(5, 2)
        durability.noted(9, 4)
        first, second = (asyncio.create_task(durability.wait(p)) for p in (5, 6))
        third = asyncio.create_task(durability.wait(9))
        await asyncio.sleep(0)
        third.cancel()
        durability.advance(5)
        await first
        assert (durability.position, durability.seq, second.done()) == (5, 2, False)
        durability.advance(8)
        await second
        assert durability.seq == 2
        durability.advance(9)
        assert durability.seq == 4
        durability.fail(JournalError("JOUR-E07", "full", rule="r", cure="c"))
        await durability.wait(9)
        with pytest.raises(JournalError):
            await durability.wait(10)

    run(work)


def test_HOST_003_a_failed_journal_stops_the_host_loudly(path: Path, disk: Disk) -> None:
    async def work() -> None:
        venue = Hosted(prepared(path))
        host = venue.host
        await host.start()
        await host.durable(host.position)
        disk.hold()
        venue.tick(1)
        waits = [asyncio.create_task(host.durable(host.position)) for _ in range(3)]
        command = asyncio.create_task(host.command(_deposit("maker", 1)))
        await asyncio.sleep(0.02)
        disk.fail()
        for each in (*waits, command):
            with pytest.raises(JournalError):
                await each
        assert isinstance(host.failure, JournalError)
        assert host.vitals().failure.startswith(host.failure.code)
        assert host.vitals().is_stale
        with pytest.raises(JournalError):
            venue.tick(1)
        with pytest.raises(JournalError):
            await host.command(_deposit("maker", 1))
        with pytest.raises(JournalError):
            await host.drive(iter([TimeTick(venue.now_us, "x", 1)]), speed=None)
        with pytest.raises(JournalError):
            await host.close()

    run(work)


def test_HOST_003_a_journal_that_failed_before_the_host_started_is_told(
    path: Path, disk: Disk
) -> None:
    async def work() -> None:
        venue = Hosted(prepared(path))
        disk.fail()
        venue.tick(1)
        with pytest.raises(JournalError):
            venue.journaled.wait()
        with pytest.raises(JournalError):
            await venue.host.start()
        assert isinstance(venue.host.failure, JournalError)

    run(work)


def test_HOST_003_an_impossible_state_stops_the_host(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            book, row = venue.engine.venue.find("maker")
            book.balances[row, 0] += 1
            with pytest.raises(AssertionError, match="USDC sums to 1"):
                venue.host.snapshot()
            with pytest.raises(AssertionError):
                venue.tick(1)
            assert "USDC sums to 1" in venue.host.vitals().failure

    run(work)


# -- snapshots -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3])
def test_HOST_009_a_copy_is_the_snapshot_of_its_event(path: Path, shards: int) -> None:
    with prepared(path, shards) as journaled:
        venue = Hosted(journaled)
        venue.order("maker", "rests", BTC_LINEAR, 5, 90_000.0)
        blob, digest, seq = take_snapshot(venue.engine), state_hash(venue.engine), venue.engine.seq
        copy = copy_state(venue.engine, 7)
        venue.price("BTC", 90_000.0)
        venue.order("maker", "rests", BTC_LINEAR, 9, 80_000.0)
        venue.tick(SECOND_US)
        assert state_hash(venue.engine) != digest
        assert prove(copy) == (seq, 7, digest, blob)
        assert prove(copy_state(venue.engine, 8)).blob == take_snapshot(venue.engine)


def test_HOST_009_snapshots_are_written_by_policy_and_opened_from(path: Path) -> None:
    seen: list[tuple[int, str]] = []

    async def work() -> None:
        async with hosted(path) as venue:
            venue.host.snapshots = SnapshotPolicy(every_events=20, apart_s=0.0)
            first = venue.host.scene.checkpoint
            assert first.seq == venue.engine.seq
            assert first.state_hash == venue.hash().hex()
            for _ in range(20):
                venue.price("BTC", 97_000.0)
            expected = venue.hash().hex()
            due = venue.engine.seq
            for _ in range(20 - (due - first.seq) % 20):
                venue.tick(1)
            await until(lambda: venue.host.scene.checkpoint.seq > first.seq)
            proof = venue.host.scene.checkpoint
            assert proof.sums_are_zero
            seen.append((proof.seq, proof.state_hash))
            assert expected
            await venue.host.durable(venue.host.position)
            await until(lambda: _latest(path)[0] == proof.seq)
            assert _latest(path) == (proof.seq, proof.state_hash)

    run(work)
    assert seen
    with open_engine(path) as journaled:
        assert journaled.replayed == 0, "the last snapshot is that of the end"


def _latest(path: Path) -> tuple[int, str]:
    with JournalReader.open_reader(path) as reader:
        snapshot = reader.latest_snapshot()
        assert snapshot is not None
        return snapshot.seq, snapshot.state_hash.hex()


def test_HOST_009_what_was_copied_can_be_opened_after_a_crash(path: Path, tmp_path: Path) -> None:

    async def work() -> None:
        async with hosted(path) as venue:
            venue.host.snapshots = SnapshotPolicy(every_events=10, apart_s=0.0)
            first = venue.host.scene.checkpoint.seq
            for _ in range(10):
                venue.price("BTC", 96_000.0)
            await until(lambda: venue.host.scene.checkpoint.seq > first)
            venue.price("BTC", 95_000.0)
            digest = venue.hash()
            await venue.host.durable(venue.host.position)
            copied = tmp_path / "copied.journal"
            for each in path.parent.glob(path.name + "*"):
                (tmp_path / each.name.replace("host", "copied")).write_bytes(each.read_bytes())
            with open_engine(copied) as journaled:
                assert state_hash(journaled.engine) == digest
                assert 0 < journaled.replayed < 40

    run(work)


# -- memory --------------------------------------------------------------------------------------


def test_HOST_010_what_is_remembered_has_bounds(path: Path) -> None:
    with prepared(path) as journaled:
        venue = Hosted(journaled)
        chronicle = venue.host.chronicle
        prices = [99_000.0, 97_500.0, 101_000.0, 102_900.0]
        for number in range(150):
            venue.price("BTC", prices[number % 4])
            venue.wait(SECOND_US)
        for _ in range(FEED_MAX + 50):
            with pytest.raises(InputError):
                venue.quote("nobody", "BTC", 1.0)
        assert len(chronicle.lines) == FEED_MAX
        assert chronicle.told > FEED_MAX
        assert len(chronicle.closes) <= CLOSES_MAX
        assert chronicle.refused["ADMT-E03"] == FEED_MAX + 50
        stories = [chronicle.story(name) for name in ("long", "iso", "hedger")]
        assert 0 < max(len(each) for each in stories) <= STORY_LINES_MAX
        assert all(line.unit == "long" for line in stories[0])


def test_HOST_010_stories_are_of_those_to_whom_something_happened_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steelyard.service.host.chronicle.STORIES_LINES_MAX", 120)
    chronicle = Chronicle()

    def happen(unit: str, count: int) -> None:
        for seq in range(count):
            event = TimeTick(seq, "clock", seq)
            chronicle.take(event, seq, [OrdersCancelled(unit, 1)], {})

    happen("first", 60)
    happen("second/BTC-PERPETUAL", 60)
    assert len(chronicle.story("first")) == STORY_LINES_MAX
    happen("first", 1)
    happen("third", 30)
    assert chronicle.story("second") == [], "nothing had happened to it for longest"
    assert len(chronicle.story("first")) == STORY_LINES_MAX
    assert len(chronicle.story("third")) == 30
    for number in range(500):
        happen(f"crowd-{number}", 1)
    kept = sum(len(chronicle.story(f"crowd-{number}")) for number in range(500))
    assert 100 <= kept <= 120
    assert chronicle.story("first") == []


def test_HOST_010_memory_is_flat_over_many_events(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand events leave what ten thousand left: rings are full, nothing else grows."""
    from steelyard.service.host import chronicle, history, vitals

    monkeypatch.setattr(history, "SAMPLES_MAX", 64)
    monkeypatch.setattr(vitals, "STAMPS_MAX", 256)
    monkeypatch.setattr(vitals, "RATE_EVENTS_MAX", 500)
    monkeypatch.setattr(chronicle, "FEED_MAX", 50)
    sizes: list[int] = []

    async def work() -> None:
        async with hosted(path) as venue:
            venue.steps.clear()
            venue.host._observers.clear()
            venue.engine.stopwatch.samples_us = venue.engine.stopwatch.samples_us[:1024]
            monkeypatch.setattr("steelyard.engine.stopwatch.SAMPLES_MAX", 1024)
            host = venue.host

            async def play(count: int) -> None:
                for number in range(count):
                    venue.wait(SECOND_US // 20)
                    price = 99_000.0 + 10.0 * (number % 7)
                    venue.number += 1
                    host.submit(
                        PriceTick(
                            venue.now_us, "test", venue.number, "alpha", "BTC", price, venue.now_us
                        )
                    )
                    if number % 100 == 0:
                        await host.durable(host.position)
                await host.durable(host.position)

            await play(2_000)
            tracemalloc.start()
            for _ in range(3):
                await play(2_000)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()

    run(work)
    # Flush times are kept of 65,536 flushes: some tens of bytes a commit until then.
    assert sizes[2] - sizes[1] < 100_000, sizes


def test_HOST_011_a_chronicle_is_recalled_from_the_journal(path: Path) -> None:
    with prepared(path) as journaled:
        venue = Hosted(journaled)
        middle = 0
        for number, price in enumerate((98_500.0, 97_000.0, 90_000.0, 103_500.0, 110_000.0)):
            venue.price("BTC", price)
            venue.tick(SECOND_US)
            if number == 1:
                middle = venue.engine.seq
                then = list(venue.host.chronicle.lines)
        journaled.wait()
        seen = venue.host.chronicle
        assert seen.tally.closes > 0
        again, instruments = Chronicle(), venue.host.scene.instruments()
        assert recall(path, again, instruments) == venue.engine.seq
        assert list(again.lines)[-len(seen.lines) :] == list(seen.lines)
        assert list(again.closes) == list(seen.closes)
        assert _met(again) == _met(seen)
        assert again.story("long")[-3:] == seen.story("long")[-3:]
        past = Chronicle()
        assert recall(path, past, instruments, middle) == middle
        assert list(past.lines)[-len(then) :] == then

    async def again_from_disk() -> None:
        host = Host(open_engine(path))
        await host.start()
        assert _met(host.chronicle) == _met(seen)
        await host.close()
        counted = Host(open_engine(path), tally=seen.tally)
        await counted.start()
        assert not counted.chronicle.lines, "whoever counted has the past already"
        await counted.close()

    run(again_from_disk)


def test_HOST_012_stages_are_measured_of_the_latest_events() -> None:
    stamps = Stamps(4)
    for seq in range(1, 7):
        stamps.begin(seq, 1)
        for stage in (2, DURABLE, HANDED):
            if seq != 4:
                stamps.stamp(seq, stage)
    kept = stamps.rows()
    assert len(kept) == 3, "3, 5 and 6: 1 and 2 are forgotten, 4 went nowhere"
    assert (kept[:, 1:] >= kept[:, :-1]).all()
    first = int(kept[0, HANDED])
    stamps.stamp(3, HANDED)
    stamps.stamp(1, HANDED)
    assert int(stamps.rows()[0, HANDED]) == first, "the first stamp counts"


def test_HOST_012_only_events_from_outside_make_a_market_lively(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("steelyard.service.host.vitals.perf_counter", lambda: now[0])
    rate = Rate()
    for _ in range(10):
        now[0] += 0.5
        rate.count()
    assert rate.per_second() == pytest.approx(2.0)
    assert rate.silent_us() == 0
    for _ in range(12):
        now[0] += 0.5
        rate.count(is_own=True)
    assert rate.silent_us() == 6_000_000
    assert rate.per_second() == pytest.approx(11 / 5)


def test_HOST_013_history_has_the_event_of_each_row(path: Path) -> None:
    with prepared(path) as journaled:
        venue = Hosted(journaled)
        history: History = venue.host.scene.history
        prices = {history.time_us[0]: 100_000.0}
        seqs = [venue.engine.seq]
        for number in range(1, 5):
            venue.price("BTC", 100_000.0 + number)
            venue.wait(SECOND_US)
            venue.tick()
            prices[venue.now_us] = 100_000.0 + number
            seqs.append(venue.engine.seq)
        assert history.count == 5
        assert history.column("seq").tolist() == seqs
        slot = history.assets.index("BTC")
        rows = dict(
            zip(history.time_us[:5].tolist(), history.index[slot, :5].tolist(), strict=True)
        )
        assert rows == prices
        assert history.column("full_liquidations")[-1] == len(venue.host.tally.liquidated)


def _met(chronicle: Chronicle) -> dict[str, Any]:
    """Return the tally but for protection, of which the listings before the host began told."""
    return {name: found for name, found in vars(chronicle.tally).items() if name != "protected"}
