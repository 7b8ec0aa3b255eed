"""What readers see of controls: values, words, hashes; and what nobody pays for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steelyard.actions.outcomes import (
    ControlChanged,
    GraceEnded,
    GraceGranted,
    Outcome,
    OverrideChanged,
    ProposalChanged,
    ReservationExpired,
)
from steelyard.engine import create_engine, open_engine, replay_journal
from steelyard.engine.controls import NEVER_US
from steelyard.engine.replay import decode_outcomes
from steelyard.engine.snapshot import global_record, state_hash
from steelyard.publish.control_words import control_words
from steelyard.publish.feed import feed_lines
from steelyard.publish.story import story_lines
from steelyard.terms.controls import Grace, ParameterEdit
from steelyard.ticks import (
    Event,
    KillSwitchPulled,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterProposed,
    ParameterRejected,
    TradingRestricted,
    TradingResumed,
)
from tests.support.method import load_method
from tests.support.script import play, scripted_events
from tests.support.venue import (
    BTC_LINEAR,
    SECOND_US,
    Venue,
    market_maker,
    open_venue,
    over_leveraged_long,
)


def a_day_of_controls(venue: Venue) -> list[Outcome]:
    """Let operators do everything once; return what it caused."""
    now_us = venue.now_us
    minute_us = now_us + 60 * SECOND_US
    told: list[Outcome] = []
    edits = [ParameterEdit("underlying.BTC.range_ppm", "160000")]
    tiers = '[{"notional_usd_max": 0, "maintenance_ppm": 60000, "initial_ppm": 120000}]'
    raise_ = [ParameterEdit("underlying.BTC.tiers", tiers)]
    steps: list[tuple[type[Event], tuple[object, ...]]] = [
        (OrderReserved, ("long", "r", BTC_LINEAR, 5, 99_000.0, now_us + 5 * SECOND_US)),
        (TradingRestricted, ("h1", "halt", "account", "maker", "ann", "keys", minute_us, minute_us)),
        (TradingRestricted, ("h2", "reduce_only", "underlying", "BTC", "ann", "news", 0, 0)),
        (TradingResumed, ("h2", "bob", "calm")),
        (KillSwitchPulled, ("k1", "freeze", "ann", "odd orders", 0)),
        (OverrideProposed, ("o1", "lift_kill_switch", "k1", "ann", "found it", minute_us)),
        (OverrideApproved, ("o1", "bob")),
        (OverrideProposed, ("o2", "hold_liquidation", "long", "ann", "a wire", minute_us)),
        (OverrideWithdrawn, ("o2", "bob", "no wire")),
        (OverrideProposed, ("o3", "protect_asset", "ETH", "ann", "a fork", minute_us)),
        (ParameterProposed, ("p1", edits, now_us, "ann", "wilder")),
        (ParameterRejected, ("p1", "bob", "not now")),
        (ParameterProposed, ("p2", raise_, now_us, "ann", "wilder")),
        (ParameterApproved, ("p2", "bob")),
        (OrderReserved, ("long", "s", BTC_LINEAR, -5, 101_000.0, now_us + 5 * SECOND_US)),
    ]  # fmt: skip
    for kind, fields in steps:
        told += venue.send(kind, *fields)
    venue.wait(59 * SECOND_US)
    told += venue.price("BTC", 100_000.0)
    venue.wait(SECOND_US)
    told += venue.tick()
    for _ in range(72):
        venue.wait(50 * SECOND_US)
        told += venue.price("BTC", 100_000.0)
    return told


def busy_venue(**more: object) -> Venue:
    """Return a venue with a long and a maker."""
    venue = open_venue(**more)  # type: ignore[arg-type]
    venue.open(over_leveraged_long(margin_usd=5_000), market_maker())
    return venue


KINDS = (
    ControlChanged, OverrideChanged, ProposalChanged, GraceGranted, GraceEnded, ReservationExpired
)  # fmt: skip


def test_CTRL_072_every_change_is_an_outcome_with_words() -> None:
    told = [o for o in a_day_of_controls(busy_venue()) if isinstance(o, KINDS)]
    assert {type(o) for o in told} == set(KINDS)
    lines = {f"{line.unit}: {line.kind}: {line.text}" for line in story_lines(told, 7, 0, {})}
    assert len(story_lines(told, 7, 0, {})) == len(told)
    assert feed_lines(told, 7, 0, {}) == story_lines(told, 7, 0, {})
    for expected in (
        "maker: control: trading halt h1 by ann: keys, until 2027-01-15 08:01:00 UTC, no liquidations "
        "until 2027-01-15 08:01:00 UTC",
        "maker: control: trading halt h1 expired",
        "BTC: control: reduce-only h2 resumed by bob: calm",
        "venue: control: kill switch (frozen) k1 by ann: odd orders",
        "venue: control: kill switch (frozen) k1 lifted by ann, bob: found it",
        "long: override: hold of liquidation o2 proposed by ann: a wire, until 2027-01-15 08:01:00 UTC",
        "long: override: hold of liquidation o2 withdrawn by bob: no wire",
        "ETH: override: protection o3 expired",
        "p1: parameters: change of underlying.BTC.range_ppm rejected by bob: not now",
        "p2: parameters: change of underlying.BTC.tiers approved by bob: wilder, from 2027-01-15 "
        "08:00:00 UTC",
        "p2: parameters: change of underlying.BTC.tiers applied",
        "long: grace: grace after a change of parameters is over",
        f"long: reservation: reservation s of {BTC_LINEAR} expired",
    ):  # fmt: skip
        assert expected in lines, (expected, sorted(lines))
    assert any("parameters took" in line and "USDC" in line for line in lines)


def test_CTRL_072_a_hold_that_ends_before_its_halt_is_told() -> None:
    told = ControlChanged("venue", "h", "halt", "active", "", "liquidations go on", 0, 0)
    assert control_words(told) == ("control", "trading halt h goes on: liquidations go on")


def test_CTRL_073_views_are_values_of_their_moment() -> None:
    venue = busy_venue()
    controls = venue.engine.controls
    venue.send(TradingRestricted, "b", "halt", "venue", "", "ann", "x", 0, 0)
    venue.send(TradingRestricted, "a", "halt", "venue", "", "ann", "x", 0, 0)
    seen = controls.active_restrictions
    assert [r.control for r in seen] == ["a", "b"]
    with pytest.raises(AttributeError):
        seen[0].state = "resumed"  # type: ignore[misc]
    venue.send(TradingResumed, "a", "bob", "calm")
    assert [r.state for r in seen] == ["active", "active"]
    past = controls.restriction("a")
    assert past is not None
    assert (past.state, past.ended_by, past.end_reason) == ("resumed", "bob", "calm")
    assert past.since_seq == seen[0].since_seq == venue.engine.seq - 1
    assert controls.restriction("c") is controls.override("c") is controls.proposal("c") is None


def test_CTRL_071_every_record_is_in_the_hash() -> None:
    venue = busy_venue()
    a_day_of_controls(venue)
    controls = venue.engine.controls
    seen = {venue.hash()}
    for name in ("ended_restrictions", "ended_overrides", "ended_proposals"):
        records = getattr(controls, name)
        key = next(iter(records))
        records[key] = msgspec.structs.replace(records[key], ended_by="somebody else")
        assert venue.hash() not in seen
        seen.add(venue.hash())
    controls.graces["long"] = Grace("long", 1, 2, 3, 4)
    assert venue.hash() not in seen
    seen.add(venue.hash())
    controls.holding["h1"] = 5
    assert venue.hash() not in seen


def test_CTRL_071_a_venue_without_controls_has_the_record_it_had() -> None:
    venue = Venue()
    play(venue, scripted_events(300))
    assert "controls" not in global_record(venue.engine)
    venue = Venue(engine=venue.engine)  # at the engine's time
    venue.send(TradingRestricted, "b", "halt", "venue", "", "ann", "x", 0, 0)
    venue.send(TradingResumed, "b", "ann", "x")
    assert "controls" in global_record(venue.engine)


def test_CTRL_070_a_journaled_day_of_controls_replays_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "controls.journal"
    with create_engine(path, load_method(), shards=2) as live:
        venue = busy_venue(engine=live.engine)
        live.snapshot()
        told = a_day_of_controls(venue)
        live.checkpoint()
        digest = state_hash(live.engine)
    assert [o for o in told if isinstance(o, KINDS)]
    for shards in (1, 3):
        for from_snapshot in (False, True):
            engine, report = replay_journal(path, shards, from_snapshot=from_snapshot)
            assert report.difference == ""
            assert state_hash(engine) == digest
    with open_engine(path) as found:
        assert found.engine.controls.record() == venue.engine.controls.record()
    assert decode_outcomes(msgspec.msgpack.encode(told)) == told


def test_CTRL_074_without_controls_nothing_is_due_and_nothing_is_softened() -> None:
    venue = Venue()
    play(venue, scripted_events(200))
    controls = venue.engine.controls
    assert controls.next_due_us == controls.applies_us == NEVER_US
    assert not controls.softens
    assert controls.restrictions == controls.overrides == {}
    busy = busy_venue()
    a_day_of_controls(busy)
    controls = busy.engine.controls
    assert controls.next_due_us == controls.applies_us == NEVER_US
    assert not controls.softens
