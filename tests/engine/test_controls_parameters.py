"""Proposals of parameters, and the grace that a change of parameters gives."""

from __future__ import annotations

import pytest

from steelyard.actions import GraceEnded, GraceGranted, ProposalChanged
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.engine.snapshot import restore_snapshot, take_snapshot
from steelyard.terms import AccountRecord
from steelyard.terms.controls import APPROVAL_US_MAX, PARAMETER_GRACE_US, ParameterEdit
from steelyard.ticks import (
    OverrideApproved,
    OverrideProposed,
    ParameterApproved,
    ParameterProposed,
    ParameterRejected,
)
from tests.support.method import load_method
from tests.support.venue import (
    BTC_LINEAR,
    COIN,
    ETH_LINEAR,
    LINEAR_100K,
    SECOND_US,
    USD,
    Venue,
    fund_with,
    held,
    isolated_long,
    market_maker,
    open_venue,
    option_writer,
    over_leveraged_long,
)

MINUTE_US = 60 * SECOND_US
RANGE = "underlying.BTC.range_ppm"


def a_venue() -> Venue:
    """Return a venue with an option writer, a long and a fund."""
    venue = open_venue()
    fund_with(venue, 50_000)
    venue.open(option_writer(usd=60_000), over_leveraged_long(margin_usd=5_000), market_maker())
    return venue


def propose(
    venue: Venue, *changes: tuple[str, str], proposal: str = "p-1", in_us: int = MINUTE_US
) -> list[object]:
    """Let ann propose changes from some time on."""
    edits = [ParameterEdit(*change) for change in changes]
    effective_us = venue.now_us + in_us
    return list(
        venue.send(ParameterProposed, proposal, edits, effective_us, "ann", "a wilder market")
    )


def approve(venue: Venue, proposal: str = "p-1", approver: str = "bob") -> list[object]:
    """Let another person approve."""
    return list(venue.send(ParameterApproved, proposal, approver))


def value(venue: Venue, path: str = RANGE) -> str:
    """Return a parameter in force."""
    return venue.engine.method.parameter_json(path)


def keep_alive(venue: Venue, until_us: int, price: float = 100_000.0) -> None:
    """Let prices come until a time, so that none is stale then."""
    while venue.now_us + 50 * SECOND_US < until_us:
        venue.wait(50 * SECOND_US)
        venue.price("BTC", price)
    venue.now_us = until_us


# -- proposals -------------------------------------------------------------------------------------


def test_CTRL_040_it_is_applied_at_the_first_event_at_its_time_and_not_before() -> None:
    venue = a_venue()
    effective_us = venue.now_us + MINUTE_US
    told = ("proposed", "ann", "a wilder market", effective_us, [RANGE])
    assert propose(venue, (RANGE, "160000")) == [ProposalChanged("p-1", *told)]
    assert approve(venue)[0].state == "approved"  # type: ignore[attr-defined]
    venue.now_us = effective_us - 1
    venue.tick()
    assert value(venue) == "150000"
    venue.now_us = effective_us
    outcomes = venue.order("maker", "o", BTC_LINEAR, -1, 100_000.0)  # any event will do
    assert ProposalChanged("p-1", "applied", "", "", effective_us, [RANGE]) in outcomes
    assert value(venue) == "160000"
    proposal = venue.engine.controls.proposal("p-1")
    assert proposal is not None
    assert (proposal.state, proposal.author, proposal.approver) == ("applied", "ann", "bob")
    assert proposal.bases == ("150000",)


def test_CTRL_040_without_an_approval_nothing_is_applied() -> None:
    venue = a_venue()
    propose(venue, (RANGE, "160000"), in_us=0)
    venue.tick(MINUTE_US)
    assert value(venue) == "150000"


def test_CTRL_041_a_late_approval_applies_at_once_up_to_a_day_and_then_it_lapses() -> None:
    for late_us in (0, 1, APPROVAL_US_MAX - 1):
        venue = a_venue()
        propose(venue, (RANGE, "160000"), in_us=MINUTE_US)
        venue.wait(MINUTE_US + late_us)
        states = [o.state for o in approve(venue) if isinstance(o, ProposalChanged)]
        assert states == ["approved", "applied"]
        assert value(venue) == "160000"
    venue = a_venue()
    propose(venue, (RANGE, "160000"))
    venue.wait(MINUTE_US + APPROVAL_US_MAX)
    with venue.refuses("CTRL-E04"):
        approve(venue)
    (lapsed,) = (o for o in venue.tick() if isinstance(o, ProposalChanged))
    assert (lapsed.state, lapsed.person) == ("lapsed", "")
    assert venue.engine.controls.open_proposals == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [([("underlying.BTC.rangeppm", "1")], "TERM-E04"),
     ([(RANGE, "900000")], "TERM-E03"),
     ([(RANGE, '"many"')], "TERM-E03"),
     ([(RANGE, "{")], "TERM-E03"),
     ([(RANGE, "160000"), ("levels.margin_call_ppm", "1400000")], "TERM-E03")],
)  # fmt: skip
def test_CTRL_042_it_is_checked_when_it_is_proposed(
    changes: list[tuple[str, str]], code: str
) -> None:
    venue = a_venue()
    with venue.refuses(code):
        propose(venue, *changes)


def test_CTRL_042_parameters_that_only_fit_together_are_changed_together() -> None:
    venue = a_venue()
    both = (("levels.margin_call_ppm", "1400000"), ("levels.warning_ppm", "1600000"))
    with venue.refuses("TERM-E03"):
        propose(venue, both[0])
    propose(venue, *both, in_us=0)
    approve(venue)
    assert venue.engine.method.levels.margin_call_ppm == 1_400_000
    assert venue.engine.method.levels.warning_ppm == 1_600_000


def test_CTRL_042_one_that_breaks_the_method_in_force_by_then_is_void() -> None:
    venue = a_venue()
    propose(venue, ("levels.margin_call_ppm", "1250000"), (RANGE, "160000"))
    approve(venue)
    venue.parameter("levels.warning_ppm", "1200000")
    (told,) = (o for o in venue.tick(MINUTE_US) if isinstance(o, ProposalChanged))
    assert told.state == "voided"
    assert told.reason.startswith("TERM-E03")
    assert venue.engine.method.levels.margin_call_ppm == 1_150_000
    assert value(venue) == "150000"


def test_CTRL_042_one_whose_parameter_was_changed_meanwhile_is_void() -> None:
    venue = a_venue()
    propose(venue, (RANGE, "160000"), ("liquidation.step_ppm", "300000"), proposal="p-1")
    propose(venue, (RANGE, "170000"), proposal="p-2")
    propose(venue, ("levels.hysteresis_ppm", "40000"), proposal="p-3")
    for proposal in ("p-1", "p-2", "p-3"):
        approve(venue, proposal)
    told = [o for o in venue.tick(MINUTE_US) if isinstance(o, ProposalChanged)]
    assert [(o.subject, o.state) for o in told] == [
        ("p-1", "applied"), ("p-2", "voided"), ("p-3", "applied"),
    ]  # fmt: skip
    assert "was changed after it was proposed" in told[1].reason
    assert (value(venue), value(venue, "liquidation.step_ppm")) == ("160000", "300000")


def test_CTRL_042_a_change_in_the_same_event_comes_first() -> None:
    venue = a_venue()
    propose(venue, (RANGE, "160000"))
    approve(venue)
    venue.wait(MINUTE_US)
    (told,) = (o for o in venue.parameter(RANGE, "155000") if isinstance(o, ProposalChanged))
    assert told.state == "voided"
    assert value(venue) == "155000"


def test_CTRL_043_another_rejects_it_and_its_author_withdraws_it() -> None:
    for approved in (False, True):
        for person, state in (("bob", "rejected"), (" ANN", "withdrawn")):
            venue = a_venue()
            propose(venue, (RANGE, "160000"))
            if approved:
                approve(venue)
            (told,) = venue.send(ParameterRejected, "p-1", person, "too far")
            assert isinstance(told, ProposalChanged)
            assert (told.state, told.person) == (state, person)
            assert venue.tick(MINUTE_US) == []
            assert value(venue) == "150000"
            with venue.refuses("CTRL-E04"):
                venue.send(ParameterRejected, "p-1", person, "again")
            with venue.refuses("CTRL-E05"):
                propose(venue, (RANGE, "160000"))


def test_CTRL_043_once_its_time_has_come_what_was_approved_is_applied() -> None:
    venue = a_venue()
    propose(venue, (RANGE, "160000"))
    approve(venue)
    venue.wait(MINUTE_US)
    with venue.refuses("CTRL-E07"):
        venue.send(ParameterRejected, "p-1", "cid", "too late")
    venue.tick()
    assert value(venue) == "160000"


def test_CTRL_044_its_author_does_not_approve_it_and_nobody_twice() -> None:
    venue = a_venue()
    propose(venue, (RANGE, "160000"))
    for same in ("ann", "Ann", "ANN "):
        with venue.refuses("CTRL-E06"):
            approve(venue, approver=same)
    with venue.refuses("CTRL-E04"):
        approve(venue, "p-2")
    approve(venue)
    with venue.refuses("CTRL-E07"):
        approve(venue, approver="cid")


# -- grace -----------------------------------------------------------------------------------------


def thin(name: str = "thin", usd: int = 1_320) -> AccountRecord:
    """Return a long of one BTC at 100,000 just above cancelled orders."""
    return AccountRecord(
        name, "cross", {"USDC": usd * USD}, [held(BTC_LINEAR, 10_000, LINEAR_100K)]
    )


TIERS = "underlying.BTC.tiers"


def raised(factor: int) -> str:
    """Return one tier with a maintenance rate in ppm."""
    return f'[{{"notional_usd_max": 0, "maintenance_ppm": {factor}, "initial_ppm": {2 * factor}}}]'


@pytest.mark.parametrize("by_proposal", [False, True])
def test_CTRL_050_a_raise_liquidates_nobody_by_itself(by_proposal: bool) -> None:
    venue = a_venue()
    before = venue.risk("long")
    assert venue.state("long") is State.HEALTHY
    if by_proposal:
        propose(venue, (TIERS, raised(60_000)), in_us=0)
        outcomes = approve(venue)
    else:
        outcomes = list(venue.parameter(TIERS, raised(60_000)))
    after = venue.risk("long")
    assert after.maintenance_balance < after.maintenance_requirement
    assert venue.state("long") is State.ORDERS_CANCELLED
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    (grace,) = venue.engine.controls.running_graces
    took = after.maintenance_requirement - before.maintenance_requirement
    assert (grace.unit, grace.balance_micro) == ("long", took)
    assert grace.until_us == venue.now_us + PARAMETER_GRACE_US
    assert GraceGranted("long", grace.until_us, took) in outcomes


@pytest.mark.parametrize(
    ("path", "value_json"),
    [(TIERS, raised(60_000)), (TIERS, raised(200_000)), (RANGE, "300000"),
     ("levels.partial_reduction_ppm", "1040000"), ("levels.full_liquidation_ppm", "990000"),
     ("collateral.ETH.haircut_maintenance_ppm", "990000"),
     ("liquidation.fee_ppm", "100000"), ("cross.option_maintenance_ppm", "99000"),
     ("index.default.quorum_sources", "9")],
)  # fmt: skip
def test_CTRL_050_no_change_deepens_anybody_beyond_cancelled_orders(
    path: str, value_json: str
) -> None:
    venue = open_venue()
    fund_with(venue, 50_000)
    coins = AccountRecord("coins", "cross", {"ETH": COIN}, [held(BTC_LINEAR, 10_000, LINEAR_100K)])
    debtor = AccountRecord("debtor", "cross", {"ETH": COIN, "USDC": -2_500 * USD}, [])
    venue.open(
        option_writer(usd=40_000), thin(), thin("safe", 50_000), isolated_long(), coins, debtor,
        *(thin(f"thin{k}", 640 + 100 * k) for k in range(8)), market_maker(),
    )  # fmt: skip
    venue.tick()
    was = {unit: venue.state(unit) for unit in venue.engine.places}
    positions = {unit: venue.risk(unit).equity for unit in was}
    if path == "collateral.ETH.haircut_maintenance_ppm":
        venue.parameter("collateral.ETH.haircut_initial_ppm", "990000")
    venue.parameter(path, value_json)
    for unit, state in was.items():
        assert venue.state(unit) <= max(state, State.ORDERS_CANCELLED), unit
        if state <= State.ORDERS_CANCELLED:
            assert venue.risk(unit).equity == positions[unit]
    venue.tick()
    for unit, state in was.items():
        assert venue.state(unit) <= max(state, State.ORDERS_CANCELLED), unit


def test_CTRL_051_what_prices_take_on_top_is_acted_on_within_the_hour() -> None:
    """The same long without the raise: both are reduced at the same price, to the tick."""
    raised_one, plain = a_venue(), a_venue()
    raised_one.parameter(TIERS, raised(60_000))
    falls: dict[str, float] = {}
    for name, venue in (("raised", raised_one), ("plain", plain)):
        price = 100_000.0
        while venue.position("long", BTC_LINEAR)[0] == 10_000:
            price -= 25.0
            venue.price("BTC", price)
        falls[name] = price
    # The raise grows with the notional, so it took a little less at the lower price: never earlier.
    assert falls["plain"] - 300.0 <= falls["raised"] <= falls["plain"]


def test_CTRL_051_negative_equity_is_acted_on_whatever_the_grace() -> None:
    venue = a_venue()
    venue.parameter(TIERS, raised(60_000))
    venue.price("BTC", 94_900.0)
    assert venue.position("long", BTC_LINEAR) == (0, 0)


def test_CTRL_051_a_debtor_with_negative_equity_settles_whatever_the_grace() -> None:
    """4,000 USD of ETH against 2,500: half of it counts no more, and then it falls to 2,490."""
    venue = open_venue()
    fund_with(venue, 50_000)
    venue.open(AccountRecord("debtor", "cross", {"ETH": COIN, "USDC": -2_500 * USD}, []))
    for level in ("initial", "maintenance"):
        venue.parameter(f"collateral.ETH.haircut_{level}_ppm", "500000")
    assert venue.state("debtor") is State.ORDERS_CANCELLED
    for price in (3_300.0, 2_800.0, 2_510.0):
        venue.price("ETH", price)
        assert venue.balance("debtor") == -2_500 * USD
    venue.price("ETH", 2_490.0)
    assert venue.balance("debtor") == 0
    assert venue.state("debtor") is State.BANKRUPT


def test_CTRL_051_what_is_certain_without_a_protected_asset_is_added_back_too() -> None:
    """Below its requirement for BTC alone, which is protected; then the rules for ETH are raised."""
    venue = open_venue()
    venue.open(
        AccountRecord(
            "both", "cross", {"USDC": 8_000 * USD},
            [held(BTC_LINEAR, 10_000, LINEAR_100K), held(ETH_LINEAR, 20_000, 4_000 * 10_000)],
        ),
        market_maker(),
    )  # fmt: skip
    until_us = venue.now_us + 3_600 * SECOND_US
    venue.send(OverrideProposed, "o", "protect_asset", "BTC", "ann", "odd prices", until_us)
    venue.send(OverrideApproved, "o", "bob")
    venue.price("BTC", 93_500.0)
    risk = venue.risk("both")
    assert risk.maintenance_balance < risk.maintenance_requirement
    assert risk.certain_buffer > 0
    assert venue.state("both") is State.ORDERS_CANCELLED
    venue.parameter("underlying.ETH.tiers", raised(250_000))
    after = venue.risk("both")
    assert after.certain_buffer < 0
    assert venue.state("both") is State.ORDERS_CANCELLED
    (grace,) = venue.engine.controls.running_graces
    assert grace.certain_micro == risk.certain_buffer - after.certain_buffer
    price = 4_000.0
    while venue.position("both", ETH_LINEAR)[0] == 20_000:
        assert venue.risk("both").certain_buffer + grace.certain_micro >= 0
        price -= 20.0
        venue.price("ETH", price)
    assert price < 3_500.0


def test_CTRL_051_a_reduction_that_has_begun_becomes_no_full_liquidation_by_a_raise() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long(margin_usd=5_000), market_maker())
    venue.parameter("liquidation.interval_us", "86400000000")  # one reduction, then a pause
    venue.price("BTC", 95_600.0)
    left = venue.position("long", BTC_LINEAR)[0]
    assert venue.state("long") is State.PARTIAL_REDUCTION
    venue.parameter(TIERS, raised(200_000))
    risk = venue.risk("long")
    assert risk.maintenance_balance * 10 < risk.maintenance_requirement
    assert venue.state("long") is State.PARTIAL_REDUCTION
    assert venue.position("long", BTC_LINEAR)[0] == left > 0


def test_CTRL_052_after_the_hour_the_rules_hold_to_the_microsecond() -> None:
    venue = a_venue()
    venue.parameter(TIERS, raised(60_000))
    ends_us = venue.now_us + PARAMETER_GRACE_US
    keep_alive(venue, ends_us - 1)
    venue.price("BTC", 100_000.0)
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    outcomes = venue.tick(1)
    assert outcomes[0] == GraceEnded("long")
    assert venue.position("long", BTC_LINEAR)[0] < 10_000
    assert venue.engine.controls.running_graces == ()


def test_CTRL_052_a_deposit_in_time_is_enough() -> None:
    venue = a_venue()
    venue.parameter(TIERS, raised(60_000))
    risk = venue.risk("long")
    venue.transfer("external", "long", "USDC", 2 * risk.maintenance_requirement)
    assert venue.state("long") is State.HEALTHY
    keep_alive(venue, venue.now_us + PARAMETER_GRACE_US)
    venue.price("BTC", 100_000.0)
    assert venue.position("long", BTC_LINEAR)[0] == 10_000


def test_CTRL_053_a_second_raise_within_the_hour_adds_and_begins_its_own_hour() -> None:
    venue = a_venue()
    before = venue.risk("long").maintenance_requirement
    venue.parameter(TIERS, raised(60_000))
    venue.wait(30 * SECOND_US)
    venue.parameter(TIERS, raised(70_000))
    assert venue.state("long") is State.ORDERS_CANCELLED
    (grace,) = venue.engine.controls.running_graces
    assert grace.balance_micro == venue.risk("long").maintenance_requirement - before
    assert grace.since_us == venue.now_us


def test_CTRL_053_what_is_lowered_again_is_taken_off() -> None:
    venue = a_venue()
    before, tiers = venue.risk("long").maintenance_requirement, value(venue, TIERS)
    venue.parameter(TIERS, raised(70_000))
    ends_us = venue.engine.controls.running_graces[0].until_us
    venue.wait(30 * SECOND_US)
    venue.parameter(TIERS, raised(60_000))
    (grace,) = venue.engine.controls.running_graces
    assert grace.balance_micro == venue.risk("long").maintenance_requirement - before
    assert grace.until_us == ends_us
    assert GraceEnded("long") in venue.parameter(TIERS, tiers)
    assert venue.engine.controls.running_graces == ()


def test_CTRL_053_a_lowering_or_a_change_elsewhere_gives_none() -> None:
    venue = a_venue()
    for path, value_json in (
        (RANGE, "140000"), ("underlying.ETH.range_ppm", "210000"), ("liquidation.step_ppm", "1"),
    ):  # fmt: skip
        venue.parameter(path, value_json)
    assert venue.engine.controls.running_graces == ()


def test_CTRL_053_who_was_liquidatable_before_is_given_nothing() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long(margin_usd=5_000), market_maker())
    venue.parameter("liquidation.interval_us", "86400000000")  # one reduction, then a pause
    venue.price("BTC", 95_600.0)
    assert venue.state("long") is State.PARTIAL_REDUCTION
    venue.parameter("underlying.BTC.half_spread_ppm", "201")
    assert venue.engine.controls.running_graces == ()


@pytest.mark.parametrize("shards", [1, 4])
def test_CTRL_071_proposals_and_graces_go_on_after_a_restoration(shards: int) -> None:
    venue = a_venue()
    venue.parameter(TIERS, raised(60_000))
    propose(venue, (RANGE, "160000"), proposal="p-1")
    propose(venue, (RANGE, "170000"), proposal="p-2")
    approve(venue, "p-1")
    copy = Engine(load_method(), shards)
    restore_snapshot(copy, take_snapshot(venue.engine))
    again = Venue(engine=copy)
    again.number, again.now_us = venue.number, venue.now_us
    assert again.hash() == venue.hash()
    assert again.engine.controls.open_proposals == venue.engine.controls.open_proposals
    told = [[*one.price("BTC", 99_900.0), *one.tick(MINUTE_US)] for one in (venue, again)]
    assert told[0] == told[1]
    assert value(again) == "160000"
    assert again.hash() == venue.hash()
    assert take_snapshot(again.engine) == take_snapshot(venue.engine)
