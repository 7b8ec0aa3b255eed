"""10 October 2025: the engine stops at 21:14 in the middle of the fall and is back at 21:17."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.actions import IndexChanged, Outcome
from steelyard.decisions import State
from steelyard.engine.engine import Engine
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.marks.guard import TRUSTED
from steelyard.ticks import AccountsLoaded, Event, PriceTick
from tests.replays import scenes
from tests.replays.figures import compare
from tests.replays.speakers import COINS, clock
from tests.replays.stage import Performance, house, listings, opened, play, script

DOWN_US, UP_US = clock(21, 14), clock(21, 17)


class Witness:
    """What is due after each event, judged anew from every account; and when each coin was first heard of."""

    def __init__(self) -> None:
        self.first_word_us: dict[str, int] = {}
        self.quorum_us: dict[str, int] = {}
        self.left_due: list[tuple[int, str]] = []
        self.judged = 0

    def look(self, run: Performance, event: Event, outcomes: list[Outcome]) -> None:
        """Note what a coin said first; where one has its quorum back, judge all accounts."""
        if isinstance(event, PriceTick):
            self.first_word_us.setdefault(event.asset, event.time_us)
        back = [o for o in outcomes if isinstance(o, IndexChanged) and o.condition in TRUSTED]
        for outcome in back:
            self.quorum_us.setdefault(outcome.subject, event.time_us)
        if back:
            self._judge(run, event.time_us)

    def _judge(self, run: Performance, time_us: int) -> None:
        engine = run.engine
        market = engine.market
        for unit, (shard, row) in engine.places.items():
            held = {int(market.underlying_of[slot]) for slot, _, _ in shard.book.positions(row)}
            is_known = held and not any(market.is_protected[asset] for asset in held)
            if is_known and int(shard.book.state[row]) < State.PARTIAL_REDUCTION:
                risk = engine.risk_of(unit)
                self.judged += 1
                if risk.maintenance_balance < risk.maintenance_requirement:
                    self.left_due.append((time_us, unit))


@pytest.fixture(scope="module")
def restarted(market_data: Path) -> tuple[Performance, Performance, Witness]:
    """Return the engine that stopped, the one that went on, and who watched that one."""
    if not (market_data / "oct10_2025").is_dir():
        pytest.skip("no recording of 10 October 2025")
    scene = scenes.crash(market_data)
    before = opened(Engine(house()), scene.market, listings(scene.market, scene.spot))
    events = script(scene.market, scene.spot)
    at_start = [event for event in events if event.time_us == scenes.FROM_US]
    play(before, at_start)
    play(before, [AccountsLoaded(scenes.FROM_US, "accounts", 1, scene.accounts)])
    play(before, [event for event in events if scenes.FROM_US < event.time_us <= DOWN_US])
    engine = Engine(house(), shards=2)
    restore_snapshot(engine, take_snapshot(before.engine))
    assert state_hash(engine) == state_hash(before.engine)
    after, witness = Performance(engine, UP_US, scenes.TO_US), Witness()
    play(after, [event for event in events if event.time_us >= UP_US], witness.look)
    engine.check_sums()
    return before, after, witness


def test_OCTB_015_nobody_is_liquidated_before_a_fresh_quorum(
    restarted: tuple[Performance, Performance, Witness],
) -> None:
    _, after, witness = restarted
    market = after.engine.market
    assert not [closing for closing in after.closings if closing.was_protected]
    for closing in after.closings:
        asset = market.instruments[market.instrument_slots[closing.instrument]].underlying
        assert closing.time_us >= witness.quorum_us[asset]
    first = {coin: changes[0][1].condition for coin, changes in after.conditions.items()}
    assert len(first) == len(COINS)
    # A coin whose sources were apart when it stopped goes from disagreement to none; no coin starts trusted.
    assert not TRUSTED & set(first.values())


def test_OCTB_016_all_that_is_due_happens_with_the_fresh_quorum(
    restarted: tuple[Performance, Performance, Witness], market_data: Path
) -> None:
    before, after, witness = restarted
    assert witness.judged > 1_000
    assert witness.left_due == []
    soon = [at for at in after.liquidated.values() if at < UP_US + 30_000_000]
    assert len(soon) > 10
    due = scenes.by_median(market_data)
    assert compare(due, after).wrongful == []
    assert compare(due, before).wrongful == []
