"""Halts, reduce-only and the kill switch: what they refuse, what they let through, and how they end."""

from __future__ import annotations

import pytest

from steelyard.actions import ControlChanged, OrdersCancelled, ReservationExpired
from steelyard.book import INSURANCE_FUND, MARKET
from steelyard.decisions import State
from steelyard.engine.reservations import reservations_of
from steelyard.quantities import InputError
from steelyard.terms.controls import KEPT_MAX, OPEN_MAX
from steelyard.ticks import (
    Funding,
    KillSwitchPulled,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    ReservationConfirmed,
    ReservationReleased,
    TradingRestricted,
    TradingResumed,
)
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
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
    over_leveraged_short,
)

HOUR_US = 3_600 * SECOND_US


def a_venue() -> Venue:
    """Return a venue with a long, a short and a rich maker, orders resting in two instruments."""
    venue = open_venue()
    fund_with(venue, 10_000)
    venue.open(
        over_leveraged_long(margin_usd=5_000), over_leveraged_short(margin_usd=5_000),
        market_maker(), isolated_long(),
    )  # fmt: skip
    venue.order("maker", "rests", BTC_LINEAR, 10, 99_000.0)
    venue.order("long", "rests", ETH_LINEAR, 10, 3_900.0)
    return venue


def restrict(
    venue: Venue, kind: str, scope: str, subject: str = "", control: str = "c-1",
    until_us: int = 0, held_until_us: int = 0,
) -> list[object]:  # fmt: skip
    """Put a restriction on a scope."""
    return list(
        venue.send(
            TradingRestricted,
            control,
            kind,
            scope,
            subject,
            "ann",
            "a test",
            until_us,
            held_until_us,
        )
    )


def pull(venue: Venue, mode: str, control: str = "k-1", held_until_us: int = 0) -> list[object]:
    """Pull the kill switch."""
    return list(venue.send(KillSwitchPulled, control, mode, "ann", "a test", held_until_us))


def is_taken(venue: Venue, account: str, instrument: str, lots: int, price: float) -> bool:
    """Return whether an order and a reservation of it are taken, both the same; they leave again."""
    taken = []
    for kind, more in ((OrderPlaced, ()), (OrderReserved, (venue.now_us + SECOND_US,))):
        try:
            venue.send(kind, account, "probe", instrument, lots, price, *more)
        except InputError as error:
            if error.code not in ("CTRL-E01", "CTRL-E02", "CTRL-E03") or "a test" not in error.rule:
                raise
            venue.number -= 1
            taken.append(False)
        else:
            venue.send(OrderCancelled, account, "probe")
            taken.append(True)
    assert taken[0] == taken[1]
    return taken[0]


PROBES = {
    ("long", BTC_LINEAR): 90_000.0,
    ("long", ETH_LINEAR): 3_500.0,
    ("maker", BTC_LINEAR): 90_000.0,
    ("maker", BTC_INVERSE): 90_000.0,
    ("maker", BTC_CALL): 0.01,
    ("maker", ETH_LINEAR): 3_500.0,
}


def taken(venue: Venue, lots: int = 1) -> set[tuple[str, str]]:
    """Return which probes are taken."""
    return {
        (account, instrument)
        for (account, instrument), price in PROBES.items()
        if is_taken(venue, account, instrument, lots, price)
    }


# -- halts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "subject", "covered"),
    [("venue", "", set(PROBES)),
     ("underlying", "BTC", {p for p in PROBES if p[1] != ETH_LINEAR}),
     ("underlying", "ETH", {p for p in PROBES if p[1] == ETH_LINEAR}),
     ("instrument", BTC_LINEAR, {p for p in PROBES if p[1] == BTC_LINEAR}),
     ("account", "long", {p for p in PROBES if p[0] == "long"})],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["halt", "reduce_only"])
def test_CTRL_010_CTRL_011_a_restriction_refuses_new_risk_of_its_scope_alone(
    kind: str, scope: str, subject: str, covered: set[tuple[str, str]]
) -> None:
    venue = a_venue()
    assert taken(venue) == set(PROBES)
    restrict(venue, kind, scope, subject)
    assert taken(venue) == set(PROBES) - covered
    # The long and the short hold BTC: what reduces passes a reduce-only, and no halt.
    for account, lots in (("long", -100), ("short", 100)):
        is_covered = scope == "venue" or subject in ("BTC", BTC_LINEAR, account)
        passes = kind == "reduce_only" or not is_covered
        assert is_taken(venue, account, BTC_LINEAR, lots, 100_000.0) == passes


def test_CTRL_010_a_halted_account_is_its_isolated_positions_too() -> None:
    venue = a_venue()
    restrict(venue, "halt", "account", "iso")
    for account in ("iso", f"iso/{BTC_LINEAR}"):
        with venue.refuses("CTRL-E01"):
            venue.order(account, "o", BTC_LINEAR, 1, 90_000.0)


def test_CTRL_010_a_confirmation_is_a_new_order_and_a_release_is_none() -> None:
    for kind, code in (("halt", "CTRL-E01"), ("reduce_only", "CTRL-E02")):
        venue = a_venue()
        for order in ("a", "b"):
            ends_us = venue.now_us + SECOND_US
            venue.send(OrderReserved, "maker", order, BTC_LINEAR, 5, 99_000.0, ends_us)
        restrict(venue, kind, "underlying", "BTC")
        with venue.refuses(code):
            venue.send(ReservationConfirmed, "maker", "a")
        venue.send(ReservationReleased, "maker", "a")
        assert venue.tick(SECOND_US) == [ReservationExpired("maker", "b", BTC_LINEAR, 5)]


def test_CTRL_011_a_reducing_reservation_is_confirmed_under_reduce_only() -> None:
    venue = a_venue()
    venue.send(OrderReserved, "long", "a", BTC_LINEAR, -100, 101_000.0, venue.now_us + SECOND_US)
    restrict(venue, "reduce_only", "venue")
    venue.send(ReservationConfirmed, "long", "a")
    assert venue.orders("long")["a"] == -100


def test_CTRL_011_orders_that_together_go_through_zero_do_not_reduce() -> None:
    venue = a_venue()
    restrict(venue, "reduce_only", "account", "long")
    venue.order("long", "a", BTC_LINEAR, -6_000, 101_000.0)
    venue.order("long", "b", BTC_LINEAR, -4_000, 101_000.0)
    with venue.refuses("CTRL-E02"):
        venue.order("long", "c", BTC_LINEAR, -1, 101_000.0)


def test_CTRL_012_a_halt_refuses_no_facts_and_no_way_out() -> None:
    venue = a_venue()
    restrict(venue, "halt", "venue")
    assert venue.orders("maker") == {"rests": 10}
    venue.fill(BTC_LINEAR, "maker", "short", 4, 99_000.0, "rests")
    assert venue.orders("maker") == {"rests": 6}
    venue.send(OrderCancelled, "maker", "rests")
    venue.transfer("external", "long", "USDC", 5 * USD)
    venue.transfer("maker", "external", "USDC", 5 * USD)
    venue.send(Funding, BTC_LINEAR, 1_000)
    venue.price("BTC", 99_900.0)


def test_CTRL_012_a_settlement_comes_under_a_halt() -> None:
    venue = a_venue()
    restrict(venue, "halt", "venue")
    venue.wait(EXPIRY_US - venue.now_us - 60 * SECOND_US)
    told: set[str] = set()
    for _ in range(7):
        told |= {type(o).__name__ for o in venue.price("BTC", 100_000.0)}
        venue.wait(10 * SECOND_US)
    assert "Settled" in told


def test_CTRL_013_a_halted_account_keeps_its_money_and_other_halts_do_not() -> None:
    venue = a_venue()
    for control, scope, subject in (
        ("a", "venue", ""), ("b", "underlying", "BTC"), ("c", "instrument", BTC_LINEAR),
        ("d", "account", "maker"),
    ):  # fmt: skip
        restrict(venue, "halt", scope, subject, control)
        if scope != "account":
            venue.transfer("maker", "external", "USDC", USD)
    with venue.refuses("CTRL-E01"):
        venue.transfer("maker", "external", "USDC", USD)
    with venue.refuses("CTRL-E01"):
        venue.transfer("maker", "long", "USDC", USD)
    venue.transfer("external", "maker", "USDC", USD)
    venue.transfer("long", "maker", "USDC", USD)
    restrict(venue, "halt", "account", "iso", "e")
    venue.transfer("iso", f"iso/{BTC_LINEAR}", "USDC", USD)
    restrict(venue, "reduce_only", "account", "long", "f")
    venue.transfer("long", "external", "USDC", USD)


@pytest.mark.parametrize("kind", ["halt", "reduce_only"])
def test_CTRL_014_it_ends_at_its_time_for_the_event_at_that_time_already(kind: str) -> None:
    venue = a_venue()
    ends_us = venue.now_us + 5 * SECOND_US
    restrict(venue, kind, "venue", until_us=ends_us)
    venue.now_us = ends_us - 1
    with venue.refuses("CTRL-E01" if kind == "halt" else "CTRL-E02"):
        venue.order("maker", "o", BTC_LINEAR, 1, 90_000.0)
    venue.now_us = ends_us
    outcomes = venue.order("maker", "o", BTC_LINEAR, 1, 90_000.0)
    assert outcomes == [ControlChanged("venue", "c-1", kind, "expired", "", "", ends_us, 0)]
    assert venue.engine.controls.active_restrictions == ()
    (past,) = venue.engine.controls.past_restrictions
    assert (past.state, past.ended_us, past.ended_by) == ("expired", ends_us, "")


def test_CTRL_014_one_person_resumes_and_nobody_resumes_what_has_ended() -> None:
    venue = a_venue()
    restrict(venue, "halt", "venue", until_us=venue.now_us + SECOND_US)
    restrict(venue, "halt", "underlying", "BTC", "c-2")
    venue.wait(SECOND_US)
    with venue.refuses("CTRL-E04"):  # it is over by then
        venue.send(TradingResumed, "c-1", "bob", "again")
    outcomes = venue.send(TradingResumed, "c-2", "bob", "calm again")
    assert ControlChanged("BTC", "c-2", "halt", "resumed", "bob", "calm again", 0, 0) in outcomes
    with venue.refuses("CTRL-E04"):
        venue.send(TradingResumed, "c-2", "bob", "again")
    with venue.refuses("CTRL-E04"):
        venue.send(TradingResumed, "c-3", "bob", "again")
    assert taken(venue) == set(PROBES)


def test_CTRL_015_liquidations_go_on_under_a_halt() -> None:
    for scope, subject in (("venue", ""), ("account", "long"), ("underlying", "BTC")):
        venue = a_venue()
        restrict(venue, "halt", scope, subject)
        venue.price("BTC", 94_000.0)
        assert venue.position("long", BTC_LINEAR) == (0, 0)


@pytest.mark.parametrize(("scope", "subject"), [("venue", ""), ("account", "long")])
def test_CTRL_015_held_liquidations_wait_to_the_microsecond(scope: str, subject: str) -> None:
    venue = a_venue()
    ends_us = venue.now_us + 10 * SECOND_US
    restrict(venue, "halt", scope, subject, held_until_us=ends_us)
    venue.price("BTC", 94_000.0)
    assert venue.state("long") is State.ORDERS_CANCELLED
    assert venue.orders("long") == {}
    venue.now_us = ends_us - 1
    venue.tick()
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    outcomes = venue.tick(1)
    held_over = ControlChanged(
        subject or "venue", "c-1", "halt", "active", "", "liquidations go on", 0, 0
    )
    assert outcomes[0] == held_over
    assert venue.position("long", BTC_LINEAR) == (0, 0)
    assert venue.engine.controls.active_restrictions[0].state == "active"


def test_CTRL_015_resuming_ends_the_hold_too_and_others_are_not_held() -> None:
    venue = a_venue()
    venue.open(over_leveraged_long("twin", margin_usd=5_000))
    restrict(venue, "halt", "account", "long", held_until_us=venue.now_us + HOUR_US)
    venue.price("BTC", 94_000.0)
    assert venue.position("twin", BTC_LINEAR) == (0, 0)
    assert venue.position("long", BTC_LINEAR)[0] == 10_000
    venue.send(TradingResumed, "c-1", "bob", "calm")
    assert venue.position("long", BTC_LINEAR) == (0, 0)


def test_CTRL_016_ids_are_used_once_and_scopes_exist() -> None:
    venue = a_venue()
    restrict(venue, "halt", "venue")
    with venue.refuses("CTRL-E05"):
        restrict(venue, "halt", "venue")
    venue.send(TradingResumed, "c-1", "bob", "calm")
    with venue.refuses("CTRL-E05"):
        restrict(venue, "halt", "venue")
    with venue.refuses("CTRL-E05"):
        pull(venue, "freeze", "c-1")
    for scope, subject in (
        ("underlying", "DOGE"), ("instrument", "DOGE"), ("account", "nobody"),
        ("account", f"iso/{BTC_LINEAR}"), ("account", INSURANCE_FUND),
    ):  # fmt: skip
        with venue.refuses("ADMT-E03"):
            restrict(venue, "halt", scope, subject, "c-2")


def test_CTRL_016_a_thousand_at_once_and_a_thousand_kept() -> None:
    venue = open_venue()
    for k in range(OPEN_MAX):
        restrict(venue, "halt", "underlying", "BTC", f"c-{k}", venue.now_us + SECOND_US + k)
    with venue.refuses("CTRL-E10"):
        restrict(venue, "halt", "venue", control="more")
    pull(venue, "freeze", "always")
    venue.tick(2 * SECOND_US)
    for k in range(5):
        restrict(venue, "halt", "venue", control=f"d-{k}")
        venue.send(TradingResumed, f"d-{k}", "bob", "calm")
    past = venue.engine.controls.past_restrictions
    assert len(past) == KEPT_MAX
    assert past[-1].control == "d-4"
    assert venue.engine.controls.restriction("c-0") is None
    assert venue.engine.controls.restriction("c-999") is not None


# -- the kill switch -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["cancel_and_reduce_only", "freeze"])
@pytest.mark.parametrize("shards", [1, 8])
def test_CTRL_020_the_kill_switch_cancels_every_order_and_reservation(
    mode: str, shards: int
) -> None:
    venue = open_venue(shards)
    venue.open(market_maker("z"), market_maker("a"), over_leveraged_long(margin_usd=5_000))
    for account, order in (("z", "1"), ("z", "2"), ("a", "1")):
        venue.order(account, order, BTC_LINEAR, 10, 99_000.0)
    venue.send(OrderReserved, "long", "r", BTC_LINEAR, 10, 99_000.0, venue.now_us + SECOND_US)
    held = venue.risk("long").initial_requirement
    assert pull(venue, mode) == [
        ControlChanged("venue", "k-1", mode, "active", "ann", "a test", 0, 0),
        OrdersCancelled("a", 1), OrdersCancelled("long", 1), OrdersCancelled("z", 2),
    ]  # fmt: skip
    assert venue.risk("long").initial_requirement < held
    assert reservations_of(venue.engine) == ()
    assert [o for o in venue.tick(SECOND_US) if isinstance(o, ReservationExpired)] == []


def test_CTRL_021_its_modes_take_what_reduces_or_nothing() -> None:
    for mode in ("cancel_and_reduce_only", "freeze"):
        venue = a_venue()
        pull(venue, mode)
        with venue.refuses("CTRL-E03"):
            venue.order("maker", "o", BTC_LINEAR, 1, 90_000.0)
        assert taken(venue) == set()
        reduces = is_taken(venue, "long", BTC_LINEAR, -100, 101_000.0)
        assert reduces == (mode == "cancel_and_reduce_only")


def test_CTRL_021_it_takes_prices_facts_and_deposits_and_lets_nothing_out() -> None:
    for mode in ("cancel_and_reduce_only", "freeze"):
        venue = a_venue()
        pull(venue, mode)
        venue.price("BTC", 100_100.0)
        venue.volatility(0.6)
        venue.fill(BTC_LINEAR, "maker", MARKET, 3, 100_000.0, "rests")
        venue.send(Funding, BTC_LINEAR, 1_000)
        venue.transfer("external", "maker", "USDC", USD)
        venue.parameter("underlying.BTC.range_ppm", "151000")
        for source, target in (
            ("maker", "external"), ("maker", "long"), (INSURANCE_FUND, "maker"),
            (INSURANCE_FUND, "external"),
        ):  # fmt: skip
            with venue.refuses("CTRL-E03"):
                venue.transfer(source, target, "USDC", USD)
        with venue.refuses("CTRL-E03"):
            venue.open(over_leveraged_long("new"))
        own = ("iso", f"iso/{BTC_LINEAR}", "USDC", USD)
        if mode == "freeze":
            with venue.refuses("CTRL-E03"):
                venue.transfer(*own)
        else:
            venue.transfer(*own)


def test_CTRL_022_two_persons_lift_it() -> None:
    venue = a_venue()
    pull(venue, "freeze")
    with venue.refuses("CTRL-E06"):
        venue.send(TradingResumed, "k-1", "bob", "calm")
    day = venue.now_us + 24 * HOUR_US
    venue.send(OverrideProposed, "o-1", "lift_kill_switch", "k-1", "bob", "all clear", day)
    assert taken(venue) == set()
    for same in ("bob", "Bob", " BOB "):
        with venue.refuses("CTRL-E06"):
            venue.send(OverrideApproved, "o-1", same)
    outcomes = venue.send(OverrideApproved, "o-1", "cid")
    lifted = ControlChanged("venue", "k-1", "freeze", "lifted", "bob, cid", "all clear", 0, 0)
    assert lifted in outcomes
    assert taken(venue) == set(PROBES)
    assert venue.engine.controls.kill_switch is None
    override = venue.engine.controls.override("o-1")
    assert override is not None
    assert override.state == "done"


def test_CTRL_022_a_lift_names_a_kill_switch_that_is_on() -> None:
    venue = a_venue()
    restrict(venue, "halt", "venue")
    day = venue.now_us + HOUR_US
    for subject in ("c-1", "k-9"):
        with venue.refuses("CTRL-E04"):
            venue.send(OverrideProposed, "o", "lift_kill_switch", subject, "bob", "x", day)
    pull(venue, "freeze")
    for override in ("o-1", "o-2"):
        venue.send(OverrideProposed, override, "lift_kill_switch", "k-1", "bob", "x", day)
    venue.send(OverrideApproved, "o-1", "cid")
    with venue.refuses("CTRL-E04"):
        venue.send(OverrideApproved, "o-2", "cid")


def test_CTRL_022_each_of_two_switches_is_lifted_by_itself_and_the_stricter_rules() -> None:
    venue = a_venue()
    pull(venue, "cancel_and_reduce_only", "k-1")
    pull(venue, "freeze", "k-2")
    switch = venue.engine.controls.kill_switch
    assert switch is not None
    assert switch.control == "k-2"
    assert not is_taken(venue, "long", BTC_LINEAR, -100, 101_000.0)
    day = venue.now_us + HOUR_US
    venue.send(OverrideProposed, "o-2", "lift_kill_switch", "k-2", "bob", "x", day)
    venue.send(OverrideApproved, "o-2", "ann")  # who pulled it may be one of the two
    assert is_taken(venue, "long", BTC_LINEAR, -100, 101_000.0)
    assert taken(venue) == set()


def test_CTRL_023_liquidations_go_on_unless_it_says_until_when_not() -> None:
    for held in (False, True):
        venue = a_venue()
        pull(venue, "freeze", held_until_us=venue.now_us + HOUR_US if held else 0)
        venue.price("BTC", 94_000.0)
        assert (venue.position("long", BTC_LINEAR)[0] == 10_000) == held
        if held:
            for _ in range(3_601 // 50 + 1):
                venue.wait(50 * SECOND_US)
                venue.price("BTC", 94_000.0)
            assert venue.position("long", BTC_LINEAR) == (0, 0)
            assert venue.engine.controls.kill_switch is not None
