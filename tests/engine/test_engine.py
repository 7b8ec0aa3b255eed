"""The short loop: one result for any number of shards, snapshots that go on, and a stop that holds."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.actions import AccountLoaded, ProtectionChanged, StateChanged
from steelyard.book import slot_of
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.engine.engine import encode_outcomes
from steelyard.engine.shard import shard_of_slot
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.quantities import InvariantError, JournalError
from steelyard.terms import AccountRecord, Asset, Instrument
from steelyard.ticks import AssetListed, Event, Funding, InstrumentsListed, OrderCancelled
from tests.support.method import load_method
from tests.support.script import outcomes_and_hashes, play, scripted_events
from tests.support.venue import (
    BTC_LINEAR,
    COIN,
    DAY_US,
    ETH_LINEAR,
    LINEAR_100K,
    MARKET,
    SECOND_US,
    USD,
    Venue,
    held,
    market_maker,
    open_venue,
    option_writer,
    over_leveraged_long,
    over_leveraged_short,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> list[Event]:
    return scripted_events(1_200)


# -- determinism ---------------------------------------------------------------------------------


def test_ENGN_020_any_number_of_shards_gives_the_same_outcomes_and_hash(
    script: list[Event],
) -> None:
    alone = outcomes_and_hashes(script, every=100)
    for shards in (2, 8, 256):
        assert outcomes_and_hashes(script, every=100, shards=shards) == alone


def test_ENGN_020_the_slots_are_shared_out_evenly_and_never_move() -> None:
    for shards in (1, 2, 3, 8, 256):
        owners = [shard_of_slot(slot, shards) for slot in range(256)]
        assert owners == sorted(owners)
        assert set(owners) == set(range(shards))
    assert slot_of("maker-7") == hashlib.blake2b(b"maker-7", digest_size=1).digest()[0]


def test_ENGN_021_another_process_gives_the_same_hash(script: list[Event]) -> None:
    program = (
        "from tests.support.script import *\n"
        "print(outcomes_and_hashes(scripted_events(400), every=400)[1][400].hex())"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "HOME": "/tmp"},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found == [outcomes_and_hashes(script[:400], every=400)[1][400].hex()] * 2


def test_ENGN_022_the_order_of_loading_does_not_matter_to_the_hash() -> None:
    records = [market_maker("a"), option_writer("b", 60_000), over_leveraged_long("c")]
    hashes = set()
    for order in (records, records[::-1]):
        venue = open_venue()
        venue.open(*order)
        hashes.add(venue.hash())
    assert len(hashes) == 1


def test_ENGN_022_every_part_of_the_state_is_in_the_hash() -> None:
    venue = open_venue()
    venue.open(market_maker(), over_leveraged_long())
    seen = {venue.hash()}
    engine = venue.engine
    book, row = engine.venue.find("long")
    for change in (
        lambda: venue.order("long", "o", BTC_LINEAR, 1, 90_000.0),
        lambda: setattr(engine, "needs_pass", not engine.needs_pass),
        lambda: engine.depth.taken.update({("BTC", False, True): (5, venue.now_us)}),
        lambda: engine.ledger.balances["dust"].__setitem__(0, 1),
        lambda: engine.ledger.market_cost.__setitem__(0, 1),
        lambda: book.balances.__setitem__((row, 0), 1),
        lambda: book.state.__setitem__(row, 3),
        lambda: book.next_action_us.__setitem__(row, 3),
        lambda: engine.market.basis_ppb.__setitem__(0, 3),
        lambda: setattr(engine.market.indices[1], "good_price", 0.0),
        lambda: engine.market.volatility.__setitem__(3, 0.500001),
        lambda: engine.expiries.pop(),
        lambda: engine.valued_at_us.update({1: 5}),
        lambda: engine.origin_seqs.update({"z": 5}),
    ):
        change()
        digest = state_hash(engine)
        assert digest not in seen
        seen.add(digest)


# -- snapshots -----------------------------------------------------------------------------------


def restored(engine: Engine, shards: int) -> Venue:
    """Return a venue on an engine restored from a snapshot of another."""
    copy = Engine(load_method(), shards)
    restore_snapshot(copy, take_snapshot(engine))
    return Venue(engine=copy)


@pytest.mark.parametrize("shards", [1, 3])
def test_ENGN_023_a_restored_engine_goes_on_bit_for_bit(script: list[Event], shards: int) -> None:
    outcomes, hashes = outcomes_and_hashes(script, every=50)
    venue = Venue()
    for at in range(0, len(script), 50):
        if at:
            venue = restored(venue.engine, shards)
            assert venue.hash() == hashes[at]
        for k in range(at, min(at + 50, len(script))):
            caused = venue.submit(script[k])
            assert (encode_outcomes(caused) if caused else b"") == outcomes[k]
    assert venue.hash() == hashes[len(script)]


def test_ENGN_023_a_snapshot_of_a_snapshot_is_the_same_bytes(script: list[Event]) -> None:
    venue = Venue()
    play(venue, script)
    blob = take_snapshot(venue.engine)
    assert take_snapshot(restored(venue.engine, 4).engine) == blob


def test_ENGN_023_an_order_of_one_name_in_two_positions_is_found_alike() -> None:
    first, second = f"iso/{ETH_LINEAR}", f"iso/{BTC_LINEAR}"  # opened against the alphabet
    venue = open_venue()
    venue.open(AccountRecord("iso", "isolated", {"USDC": 9_000 * USD}, []))
    for unit, instrument, price in ((first, ETH_LINEAR, 3_000.0), (second, BTC_LINEAR, 90_000.0)):
        venue.transfer("iso", unit, "USDC", 1_000 * USD)
        venue.order("iso", "same", instrument, 10, price)
    other = restored(venue.engine, 1)
    for one in (venue, other):
        one.now_us = venue.now_us
        one.number = venue.number
        one.send(OrderCancelled, "iso", "same")
        assert one.orders(second) == {}
        assert one.orders(first) == {"same": 10}
        one.number -= 1
    assert venue.hash() == other.hash()


def test_ENGN_024_a_damaged_snapshot_is_refused_with_a_cure() -> None:
    blob = take_snapshot(open_venue().engine)
    for broken in (
        b"",
        b"nonsense",
        blob[:-1],
        blob.replace(b"BTC", b"BTD", 1),
        b"\x93\x02\x80\x90",
    ):
        with pytest.raises(JournalError, match="JOUR-E20"):
            restore_snapshot(Engine(load_method()), broken)


# -- the loop ------------------------------------------------------------------------------------


def test_ENGN_025_a_receipt_names_seq_and_outcomes() -> None:
    venue = open_venue()
    seq = venue.engine.seq
    receipt = venue.engine.submit(venue.make(Funding, BTC_LINEAR, 1))
    assert receipt.seq == seq + 1 == venue.engine.seq
    assert len(receipt.outcomes) == 1


def test_ENGN_026_the_event_is_appended_before_it_is_applied() -> None:
    log: list[tuple[int, int, bool]] = []
    venue = Venue()

    def append(seq: int, kind: int, payload: bytes) -> int:
        log.append((seq, kind, venue.engine.seq == seq))
        return len(log)

    venue.engine.append = append
    for event in scripted_events(60):
        venue.submit(event)
    events = [entry for entry in log if entry[1] == 0]
    assert events == [(k, 0, False) for k in range(1, 61)]
    outcomes = [entry for entry in log if entry[1] == 1]
    assert outcomes
    assert all(entry[2] for entry in outcomes)


def test_ENGN_027_a_journal_that_refuses_leaves_the_engine_as_it_was() -> None:
    venue = open_venue()
    before = venue.hash()

    def refuse(seq: int, kind: int, payload: bytes) -> int:
        raise JournalError("JOUR-E07", "full", rule="r", cure="c")

    venue.engine.append = refuse
    with pytest.raises(JournalError, match="JOUR-E07"):
        venue.price("BTC", 90_000.0)
    assert venue.hash() == before


def test_ENGN_028_an_engine_that_failed_half_way_takes_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    venue = open_venue()

    def fail(*_: object) -> None:
        raise InvariantError("money does not sum to zero")

    with monkeypatch.context() as patch:
        patch.setattr("steelyard.engine.apply.apply_funding", fail)
        with pytest.raises(InvariantError, match="sum to zero"):
            venue.send(Funding, BTC_LINEAR, 1)
    before = venue.hash()
    with pytest.raises(InvariantError, match="stopped at seq"):
        venue.tick()
    assert venue.hash() == before


def test_ENGN_029_sums_that_do_not_hold_are_found() -> None:
    for break_it in (
        lambda e: e.ledger.balances["dust"].__setitem__(0, 1),
        lambda e: e.ledger.market_quantity.__setitem__(0, 1),
        lambda e: e.ledger.market_cost.__setitem__(0, -1),
        lambda e: e.shards[0].book.balances.__setitem__((0, 1), 5),
    ):
        venue = open_venue()
        venue.open(market_maker())
        venue.engine.check_sums()
        break_it(venue.engine)
        with pytest.raises(InvariantError, match="sums to"):
            venue.engine.check_sums()


# -- what a pass sees ----------------------------------------------------------------------------


def test_ENGN_030_listing_something_new_moves_nobodys_equity() -> None:
    venue = open_venue()
    balances = {"USDC": 1_234_567, "BTC": COIN // 3}
    venue.open(AccountRecord("saver", "cross", balances, []), over_leveraged_long())
    before = {unit: venue.risk(unit) for unit in ("saver", "long")}
    assert before["saver"].equity == 1_234_567 + COIN // 3 * 1_000
    venue.send(AssetListed, Asset("SOL", 8, 4))
    venue.send(InstrumentsListed, [Instrument("S", "perpetual", "SOL", "USDC", False, 2, 4, 10**9)])
    assert {unit: venue.risk(unit) for unit in before} == before


def test_ENGN_031_a_raise_of_a_range_moves_requirements_at_once() -> None:
    venue = open_venue()
    venue.open(option_writer(usd=60_000))
    before = venue.risk("writer").maintenance_requirement
    outcomes = venue.parameter("underlying.BTC.range_ppm", "250000")
    after = venue.risk("writer").maintenance_requirement
    assert after > before * 1.2
    assert [type(o) for o in outcomes] == [StateChanged]
    assert venue.state("writer") > State.HEALTHY
    venue.parameter("underlying.BTC.range_ppm", "150000")
    assert venue.risk("writer").maintenance_requirement == before


def test_ENGN_031_haircuts_and_levels_count_from_the_event_on() -> None:
    venue = open_venue()
    position = [held(BTC_LINEAR, 10_000, LINEAR_100K)]
    venue.open(AccountRecord("a", "cross", {"ETH": COIN // 2}, position))
    assert venue.state("a") is State.HEALTHY
    venue.parameter("collateral.ETH.haircut_initial_ppm", "500000")
    venue.parameter("collateral.ETH.haircut_maintenance_ppm", "500000")
    assert venue.risk("a").maintenance_balance == 1_000 * USD
    assert venue.state("a") is State.MARGIN_CALL


def test_ENGN_032_stored_results_equal_a_fresh_computation_after_every_event(
    script: list[Event],
) -> None:
    venue = Venue(shards=2)
    for event in script[:600]:
        venue.submit(event)
        if venue.engine.needs_pass:
            continue  # an action of this event is seen by the next one's pass
        for shard in venue.engine.shards:
            for row in range(shard.book.units):
                risk = venue.engine.risk_of(shard.book.names[row])
                assert shard.results[:, row].tolist() == [
                    risk.equity, risk.initial_balance, risk.maintenance_balance,
                    risk.initial_requirement, risk.maintenance_requirement, risk.certain_buffer,
                ]  # fmt: skip


def test_ENGN_033_a_bankrupt_unit_does_not_cost_a_pass_at_every_event() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long(), market_maker())
    venue.price("BTC", 97_000.0)
    assert venue.state("long") is State.BANKRUPT
    venue.send(Funding, ETH_LINEAR, 1)
    assert not venue.engine.needs_pass
    assert [shard.acting for shard in venue.engine.shards] == [0]


def test_ENGN_033_deciding_on_the_touched_alone_changes_nothing(
    script: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = outcomes_and_hashes(script, every=20)
    with monkeypatch.context() as patch:
        patch.setattr("steelyard.engine.pass_.TOUCHED_MAX", -1)
        assert outcomes_and_hashes(script, every=20) == short


def test_ENGN_034_protection_is_told_when_it_begins_and_when_it_ends() -> None:
    venue = open_venue()
    assert ProtectionChanged("ETH", True) in venue.protect("ETH")
    told = [o for o in venue.price("ETH", 4_100.0) if isinstance(o, ProtectionChanged)]
    assert told == [ProtectionChanged("ETH", False)]


def test_ENGN_035_a_name_is_free_for_the_first_who_opens_it() -> None:
    venue = open_venue()
    assert venue.open(over_leveraged_short("x", 5_000)) == [AccountLoaded("x", 1)]
    assert venue.engine.balance("unknown", 0) == 0
    with pytest.raises(KeyError):
        venue.engine.risk_of("unknown")


def test_ENGN_036_time_alone_can_change_a_state() -> None:
    venue = open_venue()
    venue.open(option_writer(usd=60_000))
    before = venue.risk("writer").equity
    for _ in range(5):
        venue.wait(5 * DAY_US)
        venue.price("BTC", 100_000.0)
    venue.tick(SECOND_US)
    assert venue.risk("writer").equity > before  # the writer earns the decay
    assert venue.balance(MARKET) == 0


def test_ENGN_037_a_fall_into_full_liquidation_does_not_wait_for_a_reductions_pause() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long())
    venue.price("BTC", 98_650.0)
    assert venue.state("long") is State.PARTIAL_REDUCTION
    venue.wait(1_000)
    venue.price("BTC", 98_000.0)
    assert venue.position("long", BTC_LINEAR) == (0, 0)
