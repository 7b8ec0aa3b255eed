"""Copies of an engine: equal, independent, and going on as the original does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steelyard.book import RestingOrder
from steelyard.engine import replay_journal
from steelyard.engine.engine import Engine
from steelyard.engine.replay import Replayer, ReplayReport
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.journal import JournalReader
from steelyard.service.rewind.copies import copy_of, copy_of_units, pack, unpack
from steelyard.ticks import OrderReserved, ParameterChange, TimeTick
from tests.service.rewind.journals import Played


def _engine(path: Path, seq: int, shards: int = 1) -> Engine:
    engine, report = replay_journal(path, shards, to_seq=seq)
    assert not report.difference
    return engine


def _go_on(path: Path, engine: Engine) -> bytes:
    """Replay the rest of a journal and return the state hash."""
    replayer = Replayer(engine, ReplayReport(str(path)))
    start = engine.seq
    with JournalReader.open_reader(path) as reader:
        for record in reader.read(1):
            if record.seq > start:
                assert replayer.take(record), replayer.report
    return state_hash(engine)


@pytest.mark.parametrize("shards", [1, 3])
def test_RWND_001_copy_and_packed_copy_have_the_hash_and_go_on(played: Played, shards: int) -> None:
    at = sorted(played.hashes)[len(played.hashes) // 3]
    engine = _engine(played.path, at, shards)
    packed = pack(engine)
    copies = [copy_of(engine), unpack(packed)]
    assert packed.seq == at
    assert [state_hash(each) for each in copies] == [played.hashes[at]] * 2
    for shard, other in zip(engine.shards, copies[1].shards, strict=True):
        assert np.array_equal(
            shard.results[:, : shard.book.units], other.results[:, : shard.book.units]
        )
    assert [_go_on(played.path, each) for each in copies] == [played.hashes[played.last_seq]] * 2
    assert state_hash(engine) == played.hashes[at]


def test_RWND_001_copy_keeps_resting_orders_and_snapshots_alike(played: Played) -> None:
    engine = _engine(played.path, played.last_seq)
    shard, row = engine.places["long-8"]
    slot = engine.market.instrument_slots["BTC_USDC-PERPETUAL"]
    shard.book.put_order(row, RestingOrder("a", slot, 5, int(engine.market.mark_units[slot])))
    for copied in (copy_of(engine), unpack(pack(engine))):
        assert take_snapshot(copied) == take_snapshot(engine)
        own, at = copied.places["long-8"]
        own.book.drop_order(at, "a")
        own.book.balances[at, 0] += 1
        assert shard.book.orders_of(row)
        assert take_snapshot(copied) != take_snapshot(engine)
    official = Engine(engine.method)
    restore_snapshot(official, take_snapshot(engine))
    assert state_hash(official) == state_hash(copy_of(engine))


def test_RWND_001_copy_keeps_reservations_and_when_they_end(played: Played) -> None:
    engine = _engine(played.path, played.last_seq)
    now_us = engine.market.time_us
    reserve = OrderReserved(
        now_us, "gate", 1, "long-8", "r-1", "BTC_USDC-PERPETUAL", 1, 120_000.0, now_us + 2_000_000
    )
    engine.apply(reserve)
    change = ParameterChange(now_us, "risk", 1, "liquidation.fee_ppm", "9000")
    assert engine.apply(change)
    assert engine.controls.graces
    late = TimeTick(now_us + 3_000_000, "late-clock", 1)
    copies = [copy_of(engine), unpack(pack(engine))]
    told = [str(each.apply(late)) for each in (engine, *copies)]
    assert "ReservationExpired" in told[0]
    assert told == [told[0]] * 3
    assert [state_hash(each) for each in copies] == [state_hash(engine)] * 2


def test_RWND_002_copy_of_units_has_their_risk(played: Played) -> None:
    engine = _engine(played.path, played.last_seq)
    names = [name for name in engine.places if "long" in name or "maker" in name or "alone" in name]
    found = copy_of_units(engine, names)
    assert sorted(found.places) == sorted(names)
    assert [found.risk_of(name) for name in names] == [engine.risk_of(name) for name in names]
    with pytest.raises(KeyError):
        copy_of_units(engine, ["nobody"])
