"""Overrides: asked for by one person, approved by another, ended by time."""

from __future__ import annotations

import pytest

from steelyard.actions import OverrideChanged, ProtectionChanged, Settled
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.engine.snapshot import restore_snapshot, take_snapshot
from steelyard.terms.controls import OPEN_MAX
from steelyard.ticks import OrderCancelled, OverrideApproved, OverrideProposed, OverrideWithdrawn
from tests.support.method import load_method
from tests.support.venue import (
    BTC_LINEAR,
    ETH_LINEAR,
    EXPIRY_US,
    SECOND_US,
    USD,
    Venue,
    fund_with,
    isolated_long,
    market_maker,
    open_venue,
    over_leveraged_long,
)

MINUTE_US = 60 * SECOND_US


def a_venue() -> Venue:
    """Return a venue with a long, an isolated long and a rich maker."""
    venue = open_venue()
    fund_with(venue, 50_000)
    venue.open(over_leveraged_long(margin_usd=5_000), isolated_long(), market_maker())
    return venue


def propose(
    venue: Venue, kind: str, subject: str, override: str = "o-1", lasts_us: int = MINUTE_US
) -> list[object]:
    """Let ann ask for an override."""
    until_us = venue.now_us + lasts_us
    return list(
        venue.send(OverrideProposed, override, kind, subject, "ann", "a late wire", until_us)
    )


def approve(venue: Venue, override: str = "o-1", approver: str = "bob") -> list[object]:
    """Let another person approve it."""
    return list(venue.send(OverrideApproved, override, approver))


def agreed(venue: Venue, kind: str, subject: str, override: str = "o-1") -> None:
    """Let two persons agree on an override of a minute."""
    propose(venue, kind, subject, override)
    approve(venue, override)


def test_CTRL_030_nothing_holds_until_another_person_approves() -> None:
    venue = a_venue()
    ends_us = venue.now_us + MINUTE_US
    proposed = ("o-1", "hold_liquidation", "proposed", "ann", "a late wire", ends_us)
    assert propose(venue, "hold_liquidation", "long") == [OverrideChanged("long", *proposed)]
    for same in ("ann", "ANN", " Ann "):
        with venue.refuses("CTRL-E06"):
            approve(venue, approver=same)
    with venue.refuses("CTRL-E04"):
        approve(venue, "o-2")
    venue.price("BTC", 94_000.0)
    assert venue.position("long", BTC_LINEAR) == (0, 0)


def test_CTRL_030_it_is_approved_once_and_its_id_used_once() -> None:
    venue = a_venue()
    propose(venue, "withdrawal_hold", "long")
    with venue.refuses("CTRL-E05"):
        propose(venue, "withdrawal_hold", "maker")
    approve(venue)
    with venue.refuses("CTRL-E07"):
        approve(venue, approver="cid")
    (override,) = venue.engine.controls.open_overrides
    assert (override.author, override.approver, override.state) == ("ann", "bob", "active")
    for subject in ("nobody", f"iso/{BTC_LINEAR}"):
        with venue.refuses("ADMT-E03"):
            propose(venue, "hold_liquidation", subject, "o-2")


def test_CTRL_030_a_thousand_are_open_at_most() -> None:
    venue = a_venue()
    for k in range(OPEN_MAX):
        propose(venue, "withdrawal_hold", "long", f"o-{k}")
    with venue.refuses("CTRL-E10"):
        propose(venue, "withdrawal_hold", "long", "more")


def test_CTRL_031_a_held_account_stops_at_cancelled_orders_until_the_end() -> None:
    venue = a_venue()
    venue.order("long", "rests", BTC_LINEAR, 100, 90_000.0)
    agreed(venue, "hold_liquidation", "long")
    ends_us = venue.now_us + MINUTE_US
    venue.price("BTC", 94_000.0)
    assert venue.state("long") is State.ORDERS_CANCELLED
    assert venue.orders("long") == {}
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    venue.now_us = ends_us - 10
    venue.price("BTC", 93_500.0)
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    venue.now_us = ends_us - 1
    venue.tick()
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    outcomes = venue.tick(1)
    assert isinstance(outcomes[0], OverrideChanged)
    assert outcomes[0].state == "expired"
    assert venue.position("long", BTC_LINEAR) == (0, 0)


def test_CTRL_031_a_hold_stops_a_reduction_that_has_begun() -> None:
    venue = a_venue()
    venue.price("BTC", 95_600.0)
    assert venue.state("long") is State.PARTIAL_REDUCTION
    held = venue.position("long", BTC_LINEAR)[0]
    assert 0 < held < 10_000
    agreed(venue, "hold_liquidation", "long")
    assert venue.state("long") is State.ORDERS_CANCELLED
    for _ in range(3):
        venue.wait(2 * SECOND_US)
        venue.price("BTC", 95_000.0)
    assert venue.position("long", BTC_LINEAR)[0] == held


def test_CTRL_031_a_held_account_holds_its_isolated_positions() -> None:
    venue = a_venue()
    agreed(venue, "hold_liquidation", "iso")
    venue.price("BTC", 94_000.0)
    assert venue.state(f"iso/{BTC_LINEAR}") is State.ORDERS_CANCELLED
    assert venue.position(f"iso/{BTC_LINEAR}", BTC_LINEAR)[0] == 10_000
    assert venue.position("long", BTC_LINEAR) == (0, 0)


def test_CTRL_032_what_is_held_stays_in_and_more_may_come() -> None:
    venue = a_venue()
    agreed(venue, "withdrawal_hold", "iso")
    for source in ("iso", f"iso/{BTC_LINEAR}"):
        for target in ("external", "maker"):
            with venue.refuses("CTRL-E08"):
                venue.transfer(source, target, "USDC", USD)
    venue.transfer("iso", f"iso/{BTC_LINEAR}", "USDC", USD)
    venue.transfer("external", "iso", "USDC", USD)
    venue.transfer("maker", "external", "USDC", USD)
    venue.order("iso", "o", BTC_LINEAR, 1, 90_000.0)
    venue.wait(MINUTE_US - 1)
    with venue.refuses("CTRL-E08"):
        venue.transfer("iso", "external", "USDC", USD)
    venue.wait(1)
    venue.price("BTC", 100_000.0)
    venue.transfer("iso", "external", "USDC", USD)


def test_CTRL_033_a_protected_asset_liquidates_nobody_and_takes_no_new_risk() -> None:
    venue = a_venue()
    propose(venue, "protect_asset", "BTC")
    assert ProtectionChanged("BTC", True) in approve(venue)
    venue.price("BTC", 94_000.0)
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    with venue.refuses("ADMT-E07"):
        venue.order("maker", "o", BTC_LINEAR, 1, 90_000.0)
    with venue.refuses("ADMT-E07"):
        venue.transfer("long", "external", "USDC", 1)
    venue.order("maker", "o", ETH_LINEAR, 1, 3_000.0)
    venue.send(OrderCancelled, "maker", "o")
    venue.wait(50 * SECOND_US)
    venue.price("BTC", 94_000.0)
    outcomes = venue.tick(10 * SECOND_US)
    assert ProtectionChanged("BTC", False) in outcomes
    assert venue.position("long", BTC_LINEAR) == (0, 0)


def test_CTRL_033_an_order_to_protect_never_frees_an_asset_without_a_quorum() -> None:
    venue = a_venue()
    agreed(venue, "protect_asset", "BTC")
    venue.protect("BTC")
    assert venue.engine.market.is_protected[venue.engine.market.asset_slots["BTC"]]
    assert venue.engine.controls.open_overrides == ()


def test_CTRL_033_of_two_orders_the_later_end_counts() -> None:
    venue = a_venue()
    agreed(venue, "protect_asset", "ETH")
    propose(venue, "protect_asset", "ETH", "o-2", 10 * SECOND_US)
    approve(venue, "o-2")
    slot = venue.engine.market.asset_slots["ETH"]
    venue.wait(10 * SECOND_US)
    venue.price("ETH", 4_000.0)
    assert venue.engine.market.is_protected[slot]
    venue.send(OverrideWithdrawn, "o-1", "cid", "seen to")
    assert not venue.engine.market.is_protected[slot]


def test_CTRL_033_neither_the_accounting_asset_nor_an_unlisted_one_is_protected() -> None:
    venue = a_venue()
    for subject in ("USDC", "DOGE"):
        with venue.refuses("ADMT-E03"):
            propose(venue, "protect_asset", subject)


def test_CTRL_033_an_expiry_waits_for_the_end_of_the_protection() -> None:
    venue = a_venue()
    venue.wait(EXPIRY_US - venue.now_us - 20 * SECOND_US)
    venue.price("BTC", 100_000.0)
    agreed(venue, "protect_asset", "BTC")
    venue.wait(30 * SECOND_US)
    assert not [o for o in venue.price("BTC", 100_000.0) if isinstance(o, Settled)]
    venue.wait(30 * SECOND_US)
    assert [o for o in venue.price("BTC", 100_000.0) if isinstance(o, Settled)]


@pytest.mark.parametrize("approves", [False, True])
def test_CTRL_034_it_ends_at_its_time_approved_or_not(approves: bool) -> None:
    venue = a_venue()
    propose(venue, "hold_liquidation", "long")
    if approves:
        approve(venue)
    venue.wait(MINUTE_US)
    with venue.refuses("CTRL-E04"):
        approve(venue, approver="cid")
    with venue.refuses("CTRL-E04"):
        venue.send(OverrideWithdrawn, "o-1", "ann", "no more")
    (ended,) = (o for o in venue.price("BTC", 100_000.0) if isinstance(o, OverrideChanged))
    assert (ended.state, ended.person) == ("expired", "")
    assert venue.engine.controls.open_overrides == ()
    (past,) = venue.engine.controls.past_overrides
    assert past.approver == ("bob" if approves else "")


def test_CTRL_034_one_person_ends_an_exception_at_once() -> None:
    venue = a_venue()
    agreed(venue, "hold_liquidation", "long")
    venue.price("BTC", 94_000.0)
    venue.send(OverrideWithdrawn, "o-1", "cid", "the wire did not come")
    assert venue.position("long", BTC_LINEAR) == (0, 0)
    with venue.refuses("CTRL-E04"):
        venue.send(OverrideWithdrawn, "o-1", "cid", "again")


@pytest.mark.parametrize("shards", [1, 5])
def test_CTRL_071_overrides_hold_after_a_restoration(shards: int) -> None:
    venue = a_venue()
    agreed(venue, "hold_liquidation", "long", "o-1")
    agreed(venue, "protect_asset", "ETH", "o-2")
    propose(venue, "withdrawal_hold", "maker", "o-3")
    copy = Engine(load_method(), shards)
    restore_snapshot(copy, take_snapshot(venue.engine))
    again = Venue(engine=copy)
    again.number, again.now_us = venue.number, venue.now_us
    assert again.hash() == venue.hash()
    for one in (venue, again):
        one.price("BTC", 94_000.0)
        one.price("ETH", 3_990.0)
        assert one.position("long", BTC_LINEAR)[0] == 10_000
        assert one.engine.market.is_protected[one.engine.market.asset_slots["ETH"]]
        approve(one, "o-3")
        with one.refuses("CTRL-E08"):
            one.transfer("maker", "external", "USDC", 1)
        one.tick(MINUTE_US)
    assert again.hash() == venue.hash()
    assert take_snapshot(again.engine) == take_snapshot(venue.engine)
