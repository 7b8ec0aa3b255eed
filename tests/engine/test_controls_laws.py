"""Laws of controls and reservations over any sequence of events."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from steelyard.actions import Closed
from steelyard.decisions import State
from steelyard.engine.replay import decode_outcomes
from steelyard.engine.reservations import reservations_of
from steelyard.quantities import SteelyardError
from steelyard.terms.account import owner_of
from steelyard.terms.controls import ParameterEdit
from steelyard.ticks import (
    KillSwitchPulled,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterProposed,
    ParameterRejected,
    ReservationConfirmed,
    ReservationReleased,
    TradingRestricted,
    TradingResumed,
)
from tests.engine.test_laws import ACCOUNTS, ASSETS, INSTRUMENTS, PARAMETERS, AnyLife
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    ETH_LINEAR,
    MARKET,
    SECOND_US,
    Venue,
    coin_miner,
    hedger,
    isolated_long,
    open_venue,
    option_writer,
    over_leveraged_long,
)

SOON = st.sampled_from([1, 300_000, 20_000_000, 60_000_000])
IDS = st.sampled_from(["1", "2", "3"])
PERSONS = st.sampled_from(["ann", "bob"])
SCOPES = st.one_of(
    st.just(("venue", "")), ASSETS.map(lambda a: ("underlying", a)),
    INSTRUMENTS.map(lambda i: ("instrument", i)), ACCOUNTS.map(lambda a: ("account", a)),
)  # fmt: skip
OVERRIDES = st.one_of(
    ACCOUNTS.map(lambda a: ("hold_liquidation", a)), ACCOUNTS.map(lambda a: ("withdrawal_hold", a)),
    ASSETS.map(lambda a: ("protect_asset", a)), IDS.map(lambda i: ("lift_kill_switch", i)),
)  # fmt: skip


class OperatedLife(AnyLife):
    """Any life, with operators at work; ids may be taken, persons the same, times over: refused alike."""

    def send(self, kind: type[Any], *fields: object) -> None:
        """Submit to all engines, then look at what it did."""
        controls, before = self.venue.engine.controls, len(self.outcomes)
        held = controls.held_accounts if not controls.holds_venue else None
        ends_us = min(
            [o.until_us for o in controls.open_overrides] + list(controls.holding.values()),
            default=2**62,
        )
        super().send(kind, *fields)
        is_taken = len(self.outcomes) > before
        if is_taken and self.venue.now_us < ends_us and kind not in ENDS_HOLDS:
            for outcome in self.caused():
                is_held = held is None or owner_of(outcome.subject) in held
                assert not (isinstance(outcome, Closed) and is_held)
        if is_taken and kind is OrderReserved:
            self.check_covered(str(fields[0]), str(fields[2]), int(str(fields[3])))

    def caused(self) -> list[Any]:
        """Return the outcomes of the last event."""
        return list(decode_outcomes(self.outcomes[-1]))

    def check_covered(self, account: str, instrument: str, lots: int) -> None:
        """After a reservation that was taken the initial requirement is covered, unless it reduces."""
        unit = self.venue.engine.trading_unit(account, instrument)
        if unit is None or self.venue.orders(unit) == {}:
            return  # cancelled in the same event: the unit was in danger
        book, row = self.venue.engine.venue.find(unit)
        held = book.position(row, self.venue.slot(instrument))[0]
        risk = self.venue.risk(unit)
        assert held * lots < 0 or risk.initial_balance >= risk.initial_requirement

    @rule(account=ACCOUNTS, name=st.sampled_from("abc"), instrument=INSTRUMENTS,
          lots=st.integers(-6_000, 6_000).filter(bool), factor=st.floats(0.8, 1.2), lasts_us=SOON)  # fmt: skip
    def an_order_is_reserved(
        self, account: str, name: str, instrument: str, lots: int, factor: float, lasts_us: int
    ) -> None:
        price = self.price_of(instrument, factor)
        ends_us = self.venue.now_us + lasts_us
        self.send(OrderReserved, account, name, instrument, lots, price, ends_us)

    @rule(account=ACCOUNTS, name=st.sampled_from("abc"),
          kind=st.sampled_from([ReservationConfirmed, ReservationReleased]))  # fmt: skip
    def a_reservation_ends(self, account: str, name: str, kind: type[Any]) -> None:
        self.send(kind, account, name)

    @rule(number=IDS, kind=st.sampled_from(["halt", "reduce_only"]), scope=SCOPES,
          lasts_us=st.just(0) | SOON, held_us=st.just(0) | SOON)  # fmt: skip
    def trading_is_restricted(
        self, number: str, kind: str, scope: tuple[str, str], lasts_us: int, held_us: int
    ) -> None:
        now_us = self.venue.now_us
        until_us, held_until_us = (now_us + us if us else 0 for us in (lasts_us, held_us))
        self.send(TradingRestricted, number, kind, *scope, "ann", "a test", until_us, held_until_us)

    @rule(number=IDS)
    def trading_resumes(self, number: str) -> None:
        self.send(TradingResumed, number, "bob", "a test")

    @rule(number=IDS, mode=st.sampled_from(["cancel_and_reduce_only", "freeze"]),
          held_us=st.just(0) | SOON)  # fmt: skip
    def the_kill_switch_is_pulled(self, number: str, mode: str, held_us: int) -> None:
        held_until_us = self.venue.now_us + held_us if held_us else 0
        self.send(KillSwitchPulled, number, mode, "ann", "a test", held_until_us)

    @rule(number=IDS, what=OVERRIDES, lasts_us=SOON, person=PERSONS)
    def an_override_is_proposed(
        self, number: str, what: tuple[str, str], lasts_us: int, person: str
    ) -> None:
        ends_us = self.venue.now_us + lasts_us
        self.send(OverrideProposed, number, *what, person, "a test", ends_us)

    @rule(number=IDS, person=PERSONS)
    def an_override_is_approved(self, number: str, person: str) -> None:
        self.send(OverrideApproved, number, person)

    @rule(number=IDS)
    def an_override_is_withdrawn(self, number: str) -> None:
        self.send(OverrideWithdrawn, number, "ann", "a test")

    @rule(number=IDS, changes=st.lists(PARAMETERS, min_size=1, max_size=2, unique_by=lambda c: c[0]),
          in_us=st.just(0) | SOON, person=PERSONS)  # fmt: skip
    def parameters_are_proposed(
        self, number: str, changes: list[tuple[str, str]], in_us: int, person: str
    ) -> None:
        edits = [ParameterEdit(*change) for change in changes]
        effective_us = self.venue.now_us + in_us
        self.send(ParameterProposed, number, edits, effective_us, person, "a test")

    @rule(number=IDS, person=PERSONS, approves=st.booleans())
    def a_proposal_is_decided(self, number: str, person: str, approves: bool) -> None:
        if approves:
            self.send(ParameterApproved, number, person)
        else:
            self.send(ParameterRejected, number, person, "a test")

    @invariant()
    def views_are_the_same_everywhere(self) -> None:
        controls, seen = self.venue.engine.controls, reservations_of(self.venue.engine)
        for engine in self.others:
            assert engine.controls.record() == controls.record()
            assert engine.controls.next_due_us <= engine.market.time_us or seen == reservations_of(
                engine
            )
        assert all(r.expires_us > self.venue.engine.market.time_us for r in seen)


ENDS_HOLDS = (TradingResumed, OverrideWithdrawn, OverrideApproved)


def test_CTRL_070_laws_hold_with_operators_at_work() -> None:
    """All engines alike, restored or not; replay ends alike; nobody held is closed; the rest of ENGN-040."""
    thorough: dict[str, Any] = {"max_examples": 400, "stateful_step_count": 60}
    usual: dict[str, Any] = {"max_examples": 25, "stateful_step_count": 40}
    chosen = thorough if os.environ.get("STEELYARD_HYPOTHESIS") == "thorough" else usual
    run_state_machine_as_test(OperatedLife, settings=settings(**chosen))


# -- reservations never commit more than there is ---------------------------------------------------

PRICES = {
    BTC_LINEAR: 100_000.0, ETH_LINEAR: 4_000.0, BTC_INVERSE: 100_000.0, BTC_CALL: 0.06, BTC_PUT: 6_000.0
}  # fmt: skip
REQUESTS = st.tuples(
    st.sampled_from(["long", "hedger", "writer", "iso", "miner"]),
    st.sampled_from(sorted(PRICES)),
    st.integers(-9_000, 9_000).filter(bool),
    st.floats(0.95, 1.05),
)


def roomy_venue() -> Venue:
    """Return a venue whose accounts can carry some of the requests, never all."""
    venue = open_venue()
    venue.open(
        over_leveraged_long(margin_usd=4_000), hedger(usd=9_000), option_writer(usd=90_000),
        isolated_long(margin_usd=4_000), coin_miner(coins=COIN // 2),
    )  # fmt: skip
    return venue


def is_reserved(venue: Venue, name: str, request: tuple[str, str, int, float]) -> bool:
    """Return whether a reservation was taken."""
    account, instrument, lots, factor = request
    ends_us = venue.now_us + SECOND_US
    price = PRICES[instrument] * factor
    try:
        venue.send(OrderReserved, account, name, instrument, lots, price, ends_us)
    except SteelyardError:
        venue.number -= 1
        return False
    return True


def over_committed(venue: Venue) -> list[str]:
    """Return the units whose initial requirement is not covered."""
    risks = {unit: venue.risk(unit) for unit in venue.engine.places}
    return [u for u, r in risks.items() if r.initial_balance < r.initial_requirement]


@given(st.lists(REQUESTS, min_size=1, max_size=8), st.data())
def test_CTRL_065_reservations_in_any_order_never_over_commit(
    requests: list[tuple[str, str, int, float]], data: st.DataObject
) -> None:
    named = [(f"r{k}", request) for k, request in enumerate(requests)]
    venue = roomy_venue()
    assert over_committed(venue) == []
    kept: dict[str, tuple[str, str, int, float]] = {}
    for name, request in data.draw(st.permutations(named)):
        if is_reserved(venue, name, request):
            kept[name] = request
        assert over_committed(venue) == []
        if kept and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(sorted(kept)))
            kind = data.draw(st.sampled_from([OrderCancelled, ReservationReleased]))
            venue.send(kind, kept.pop(gone)[0], gone)
    # What is held is exactly what the same orders would take, and to release all is to have had none.
    plain = roomy_venue()
    for name, (account, instrument, lots, factor) in kept.items():
        unit = plain.engine.trading_unit(account, instrument)
        assert unit is not None
        plain.send(OrderPlaced, account, name, instrument, lots, PRICES[instrument] * factor)
    none = roomy_venue()
    for unit in venue.engine.places:
        assert venue.risk(unit) == plain.risk(unit)
        assert venue.state(unit) is State.HEALTHY or venue.state(unit) is none.state(unit)
    for name, request in kept.items():
        venue.send(ReservationReleased, request[0], name)
    assert all(venue.risk(unit) == none.risk(unit) for unit in venue.engine.places)


@given(st.lists(REQUESTS, min_size=1, max_size=5))
def test_CTRL_065_no_fills_of_what_is_reserved_break_the_requirement(
    requests: list[tuple[str, str, int, float]],
) -> None:
    venue = roomy_venue()
    for k, request in enumerate(requests):
        if not is_reserved(venue, f"r{k}", request):
            continue
        account, instrument, lots, factor = request
        buyer, seller = (account, MARKET) if lots > 0 else (MARKET, account)
        names = (f"r{k}", "") if lots > 0 else ("", f"r{k}")
        if k % 2:  # every other one fills, whatever else is reserved
            price = PRICES[instrument] * factor
            venue.fill(instrument, buyer, seller, abs(lots), price, *names)
        assert over_committed(venue) == []
