"""The hub: what readers see is what the engine is, without gaps, durable, and nobody holds up another."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.quantities import SteelyardError
from steelyard.service.access.session import Session
from steelyard.service.channels import hub as hubs
from steelyard.service.channels import publishers
from steelyard.service.channels.hub import Hub
from steelyard.service.channels.names import parse_channel
from steelyard.service.channels.reader import CHANNELS_MAX, Reader
from tests.service.channels.readers import ALICE, EVERY, NOBODY, RISK, Known, same, truth
from tests.service.host.hosts import Disk, Hosted, hosted, make_disk, run, until
from tests.support.venue import BTC_LINEAR, SECOND_US, over_leveraged_long

__all__ = ["make_disk"]

RAW = [name for name in EVERY if parse_channel(name).interval_s == 0.0]


@pytest.fixture(name="path")
def make_path(tmp_path: Path) -> Path:
    return tmp_path / "hub.journal"


@pytest.fixture(name="quick", autouse=True)
def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let intervals be short: what is tested is not how long they are."""
    shorter = {"raw": 0.0, "100ms": 0.002, "200ms": 0.004, "500ms": 0.008, "1000ms": 0.01}
    monkeypatch.setattr("steelyard.service.channels.names.INTERVALS", shorter)


def reader_of(hub: Hub, session: Session = RISK) -> Reader:
    return hub.reader(lambda: session)


async def settle(hub: Hub) -> None:
    """Wait until everything is durable, published and handed out."""
    await hub.host.durable(hub.host.position)
    await until(lambda: not hub._due and all(c.timer is None for c in hub._channels.values()))
    await until(lambda: not hub._held)


async def read_all(reader: Reader, known: Known) -> None:
    """Read what is ready."""
    while reader._queue or any(s.channel.released is not None for s in reader._owed.values()):
        known.take(await reader.next())


def rattle(venue: Hosted, draw: Random) -> None:
    """Let something happen at the venue."""
    what = draw.randrange(7)
    if what == 0:
        venue.tick(draw.randrange(1, 3 * SECOND_US))
    elif what == 1:
        venue.volatility(draw.uniform(0.3, 0.9))
    elif what == 2:
        number = draw.randrange(10**9)
        venue.open(over_leveraged_long(f"late-{number}", 20_000))
    elif what == 3:
        venue.transfer("external", "maker", "USDC", draw.randrange(1, 10**9))
    elif what == 4:
        with pytest.raises(SteelyardError):
            venue.quote("nobody", "BTC", 1.0)
    else:
        asset = draw.choice(["BTC", "ETH"])
        index = 100_000.0 if asset == "BTC" else 4_000.0
        venue.price(asset, index * draw.uniform(0.9, 1.1))


# -- what readers see ----------------------------------------------------------------------------


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["event", "event", "read", "subscribe", "unsubscribe", "pause"]),
        st.integers(0, 2),
        st.integers(0, 2**32),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.sampled_from([1, 3]), st.sampled_from([1, 3, 1000]), st.sampled_from([0.0, 0.002]))
def test_CHAN_004_every_reader_ends_with_the_engines_state(
    steps: list[tuple[str, int, int]], shards: int, frames_max: int, turn_s: float
) -> None:
    """Any interleaving; small queues drop and are made good by snapshots."""

    async def work(path: Path) -> None:
        async with hosted(path, shards) as venue:
            hub = Hub(venue.host, frames_max=frames_max, turn_s=turn_s)
            readers = [(reader_of(hub), Known()) for _ in range(3)]
            for what, which, number in steps:
                reader, known = readers[which]
                draw = Random(number)
                names = draw.sample(EVERY, draw.randrange(1, len(EVERY)))
                if what == "event":
                    rattle(venue, draw)
                elif what == "read":
                    await read_all(reader, known)
                elif what == "subscribe":
                    assert reader.subscribe(names) == names
                elif what == "unsubscribe":
                    for name in reader.unsubscribe(names):
                        known.forget(name)
                else:
                    await asyncio.sleep(0.003)
            await settle(hub)
            for reader, known in readers:
                await read_all(reader, known)
                assert set(known.channels) == set(reader.channels)
                for name in reader.channels:
                    assert same(known.channels[name], truth(name, venue.host.scene)), name
                reader.close()
            assert not hub.channels

    with TemporaryDirectory() as folder:
        run(lambda: work(Path(folder) / "any.journal"))


def test_CHAN_004_each_change_leads_to_the_state_of_its_event(path: Path) -> None:
    """Read after every event, snapshot and changes together are the engine as of each as_of_seq."""

    async def work() -> None:
        async with hosted(path) as venue:
            hub, draw = Hub(venue.host), Random(3)
            reader, known = reader_of(hub), Known()
            reader.subscribe(RAW)
            await settle(hub)
            await read_all(reader, known)
            for _ in range(60):
                rattle(venue, draw)
                await settle(hub)
                await read_all(reader, known)
                for name in RAW:
                    assert same(known.channels[name], truth(name, venue.host.scene)), name
            told = [data["as_of_seq"] for _, data in known.frames if "as_of_seq" in data]
            assert told == sorted(told)
            assert max(told) <= venue.engine.seq
            assert {name for name, _ in known.frames} == set(RAW)
            assert all(count == 1 for count in known.snapshots.values())

    run(work)


def test_CHAN_007_interval_channels_tell_the_last_state_and_no_more_often(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals = {"raw": 0.0, "100ms": 0.1, "200ms": 0.2, "500ms": 0.5, "1000ms": 1.0}
    monkeypatch.setattr("steelyard.service.channels.names.INTERVALS", intervals)

    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host, turn_s=60.0)
            reader, known = reader_of(hub), Known()
            reader.subscribe(["accounts.100ms", "deribit_price_index.btc_usd"])
            await settle(hub)
            await read_all(reader, known)
            loop = asyncio.get_running_loop()
            began = loop.time()
            prices: list[float] = []
            slot = venue.engine.market.asset_slots["BTC"]
            venue.host.observe(lambda _: prices.append(venue.engine.market.index_price(slot)))
            for number in range(100):
                venue.price("BTC", 99_000.0 + number)
                await asyncio.sleep(0.003)
            took = loop.time() - began
            await settle(hub)
            await read_all(reader, known)
            told = [name for name, _ in known.frames]
            changes = sum(a != b for a, b in zip([100_000.0, *prices], prices, strict=False))
            assert told.count("deribit_price_index.btc_usd") == 1 + changes > 100
            assert 2 <= told.count("accounts.100ms") <= 3 + took / 0.1
            assert same(known.channels["accounts.100ms"], truth("accounts.raw", venue.host.scene))
            assert known.channels["deribit_price_index.btc_usd"]["price"] == 99_099.0

    run(work)


def test_CHAN_008_a_frame_is_encoded_once_and_only_what_is_read_is_computed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[str] = []
    encode = publishers.frame

    def counted(channel: str, data: Any) -> bytes:
        frames.append(channel)
        return encode(channel, data)

    monkeypatch.setattr(hubs, "frame", counted)

    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host, turn_s=60.0)
            readers = [reader_of(hub) for _ in range(20)]
            for reader in readers:
                reader.subscribe(["accounts.raw"])
            venue.price("BTC", 98_000.0)
            await settle(hub)
            bodies = [await reader.next() for reader in readers]
            count = 1 + hub.encoded
            assert frames == ["accounts.raw"] * count, "one snapshot for all twenty"
            assert 2 <= count <= 4, "three prices came"
            assert all(body[0] is bodies[0][0] for body in bodies)
            for reader in readers[1:]:
                reader.close()
            assert hub.channels == ["accounts.raw"]
            readers[0].unsubscribe(["accounts.raw"])
            venue.price("BTC", 97_000.0)
            await settle(hub)
            assert not hub.channels
            assert len(frames) == count

    run(work)


def test_CHAN_016_many_channels_leave_the_engine_its_turns(path: Path) -> None:
    """One channel a turn: between any two of them the loop goes on, and all end with the same state."""

    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host, turn_s=0.0)
            reader, known = reader_of(hub), Known()
            reader.subscribe(RAW)
            await settle(hub)
            await read_all(reader, known)
            known.frames.clear()
            left: list[int] = []
            venue.price("BTC", 90_000.0)
            while hub._due:
                left.append(len(hub._due))
                await asyncio.sleep(0)
            assert left[0] == len(RAW), "one was read after the first price, and is due again"
            assert left == sorted(left, reverse=True)
            assert len(set(left)) == len(left)
            await settle(hub)
            await read_all(reader, known)
            for name in RAW:
                assert same(known.channels[name], truth(name, venue.host.scene)), name
            told = [name for name, data in known.frames]
            assert told.count("accounts.raw") == 1, "three prices in one change"

    run(work)


# -- the disk ------------------------------------------------------------------------------------


def test_CHAN_005_nothing_is_told_before_the_disk_has_it(path: Path, disk: Disk) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host, turn_s=60.0)
            reader, known = reader_of(hub), Known()
            await venue.host.durable(venue.host.position)
            reader.subscribe(list(EVERY))
            await read_all(reader, known)
            durable = venue.host.durable_position
            durable_seq = venue.engine.seq
            disk.hold()
            told = len(known.frames)
            for price in (98_500.0, 97_000.0, 90_000.0):
                venue.price("BTC", price)
            late, late_known = reader_of(hub), Known()
            late.subscribe(["accounts.500ms", "events.raw"])
            waiting = asyncio.create_task(reader.next())
            late_waiting = asyncio.create_task(late.next())
            await asyncio.sleep(0.1)
            assert not waiting.done()
            assert venue.host.durable_position == durable
            assert len(known.frames) == told
            late_frames = late_waiting.result() if late_waiting.done() else []
            late_known.take(late_frames)
            assert all(data["as_of_seq"] <= durable_seq for _, data in late_known.frames)
            assert "accounts.500ms" not in late_known.channels, "it was read after the disk stopped"
            disk.release()
            known.take(await waiting)
            if not late_waiting.done():
                late_known.take(await late_waiting)
            await settle(hub)
            await read_all(reader, known)
            await read_all(late, late_known)
            for name in EVERY:
                assert same(known.channels[name], truth(name, venue.host.scene)), name
            for name in late.channels:
                assert same(late_known.channels[name], truth(name, venue.host.scene)), name

    run(work)


def test_CHAN_005_frames_go_out_in_order_of_their_events(path: Path, disk: Disk) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host, turn_s=60.0)
            reader, known = reader_of(hub), Known()
            reader.subscribe(RAW)
            await settle(hub)
            await read_all(reader, known)
            known.frames.clear()
            disk.hold()
            for price in (98_500.0, 97_000.0, 90_000.0):
                venue.price("BTC", price)
            disk.release()
            await settle(hub)
            await read_all(reader, known)
            seqs = [data["as_of_seq"] for _, data in known.frames if "as_of_seq" in data]
            assert len(set(seqs)) >= 6
            assert seqs == sorted(seqs)

    run(work)


def test_CHAN_013_what_waits_for_the_disk_has_bounds(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "HELD_FRAMES_MAX", 10)

    async def work() -> None:
        async with hosted(path) as venue:
            hub, draw = Hub(venue.host, turn_s=60.0), Random(8)
            reader, known = reader_of(hub), Known()
            reader.subscribe(RAW)
            await settle(hub)
            disk.hold()
            for _ in range(200):
                rattle(venue, draw)
            assert len(hub._held) <= 10 * len(RAW)
            encoded = hub.encoded
            disk.release()
            await settle(hub)
            await read_all(reader, known)
            assert hub.encoded <= encoded + len(RAW)
            for name in RAW:
                assert same(known.channels[name], truth(name, venue.host.scene)), name

    run(work)


def test_CHAN_014_health_says_that_the_journal_failed(path: Path, disk: Disk) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host)
            reader, known = reader_of(hub, NOBODY), Known()
            reader.subscribe(["health.raw", "deribit_price_index.btc_usd", "liquidations.raw"])
            await settle(hub)
            await read_all(reader, known)
            durable_seq, said = venue.engine.seq, len(known.frames)
            disk.hold()
            venue.price("BTC", 90_000.0)
            disk.fail()
            await until(lambda: venue.host.failure is not None)
            known.take(await reader.next())
            (channel, data), *rest = known.frames[said:]
            assert (channel, rest) == ("health.raw", [])
            assert data["failure"].startswith("JOUR")
            assert data["is_stale"]
            assert data["as_of_seq"] == durable_seq
            assert data["assets"][0]["index_price"] == 100_000.0, "what is on the disk"
            assert hub.held_bytes == 0

    run(work)


# -- slow readers --------------------------------------------------------------------------------


def test_CHAN_006_a_reader_that_never_reads_delays_nobody(path: Path) -> None:
    """200 readers: one never reads, some read now and then; the others have each change at once."""

    async def work() -> None:
        async with hosted(path) as venue:
            hub, draw = Hub(venue.host, frames_max=40, bytes_max=100_000), Random(2)
            readers = [(reader_of(hub), Known()) for _ in range(200)]
            names = ["accounts.raw", "events.raw", "deribit_price_index.btc_usd"]
            for reader, _ in readers:
                reader.subscribe(names)
            stuck = readers[0]
            await settle(hub)
            for reader, known in readers:
                await read_all(reader, known)
            for number in range(150):
                rattle(venue, draw)
                await settle(hub)
                for place, (reader, known) in enumerate(readers[1:], start=1):
                    if place > 20 or number % (10 * place) == 0:
                        await read_all(reader, known)
                seqs = {known.change_ids["accounts.raw"] for _, known in readers[21:]}
                assert seqs == {hub._channels["accounts.raw", False].base.change_id}  # type: ignore[union-attr]
                assert stuck[0].queued_bytes <= 100_000
                assert len(stuck[0]._queue) <= 40
            assert stuck[0].dropped > 0
            for reader, known in readers:
                await read_all(reader, known)
                for name in names:
                    assert same(known.channels[name], truth(name, venue.host.scene)), name
            assert all(known.snapshots["accounts.raw"] == 1 for _, known in readers[21:])
            assert stuck[1].snapshots["accounts.raw"] == 2
            assert any(known.snapshots["accounts.raw"] > 1 for _, known in readers[1:21])

    run(work)


def test_CHAN_006_memory_of_readers_that_never_read_has_bounds(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host, frames_max=20, bytes_max=50_000)
            for _ in range(100):
                reader = reader_of(hub)
                reader.subscribe(["accounts.raw", "account.long.raw", "health.raw"])
                await reader.next()
            sizes = []
            draw = Random(4)
            for _ in range(3):
                for _ in range(60):
                    venue.price("BTC", 100_000.0 * draw.uniform(0.99, 1.01))
                await settle(hub)
                gc.collect()
                if not tracemalloc.is_tracing():
                    tracemalloc.start()
                sizes.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            assert sizes[2] - sizes[1] < 400_000, sizes
            assert hub.held_bytes == 0

    run(work)


# -- who may read --------------------------------------------------------------------------------


def test_CHAN_003_a_subscription_is_whole_or_refused(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host)
            for session, name, code in (
                (ALICE, "account.maker.raw", "ACCS-E51"),
                (ALICE, "account.nobody.raw", "ACCS-E51"),
                (RISK, "account.nobody.raw", "CHAN-E02"),
                (NOBODY, "account.long.raw", "ACCS-E50"),
                (NOBODY, "overview.raw", "ACCS-E50"),
                (ALICE, "accounts.raw", "ACCS-E53"),
                (
                    Session("some", frozenset({"risk"}), frozenset({"long"})),
                    "events.raw",
                    "ACCS-E51",
                ),
                (NOBODY, "surface.DOGE.raw", "CHAN-E02"),
                (NOBODY, "surface.USDC.raw", "CHAN-E02"),
                (NOBODY, "ticker.BTC-1JAN70-1-C.raw", "CHAN-E02"),
                (NOBODY, "deribit_price_index.doge_usd", "CHAN-E02"),
                (RISK, "account.long", "CHAN-E01"),
            ):
                reader = reader_of(hub, session)
                with pytest.raises(SteelyardError) as caught:
                    reader.subscribe(["transparency.raw", "health.raw", name])
                assert caught.value.code == code, name
                assert caught.value.cure
                assert reader.channels == []
                assert hub.channels == []
            alice = reader_of(hub, ALICE)
            assert alice.subscribe(["account.long.raw", "account.long.raw"]) == ["account.long.raw"]
            assert alice.subscribe(["account.long.raw"]) == ["account.long.raw"]
            assert alice.unsubscribe(["events.raw", "account.long.raw"]) == ["account.long.raw"]
            many = [f"ticker.{BTC_LINEAR}.raw"] + [f"account.a{k}.raw" for k in range(CHANNELS_MAX)]
            with pytest.raises(SteelyardError, match="CHAN-E03"):
                reader_of(hub).subscribe(many)

    run(work)


def test_CHAN_010_units_of_closes_are_named_to_the_risk_desk_alone(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host)
            desk, anybody = (reader_of(hub), Known()), (reader_of(hub, ALICE), Known())
            for reader, _ in (desk, anybody):
                reader.subscribe(["liquidations.raw"])
            venue.price("BTC", 90_000.0)
            venue.tick(SECOND_US)
            await settle(hub)
            for reader, known in (desk, anybody):
                await read_all(reader, known)
            seen = desk[1].channels["liquidations.raw"]["lines"]
            assert {each["unit"] for each in seen} >= {"long"}
            hidden = anybody[1].channels["liquidations.raw"]["lines"]
            assert hidden == [each | {"unit": None} for each in seen]

    run(work)


def test_CHAN_010_a_session_that_ends_takes_its_channels_along(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            hub = Hub(venue.host)
            session = [RISK]
            reader, known = hub.reader(lambda: session[0]), Known()
            reader.subscribe(["accounts.raw", "liquidations.raw", "deribit_price_index.btc_usd"])
            await settle(hub)
            await read_all(reader, known)
            venue.price("BTC", 98_000.0)
            await settle(hub)
            session[0] = NOBODY
            said = len(known.frames)
            known.take(await reader.next())
            assert "accounts.raw" not in {name for name, _ in known.frames[said:]}
            assert reader.channels == ["deribit_price_index.btc_usd", "liquidations.raw"]
            venue.price("BTC", 90_000.0)
            await settle(hub)
            await read_all(reader, known)
            lines = known.channels["liquidations.raw"]["lines"]
            assert lines
            assert {each["unit"] for each in lines} == {None}
            reader.close()
            assert await reader.next() == []
            assert hub.readers == 0

    run(work)
