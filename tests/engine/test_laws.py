"""Laws over any sequence of events: sums, shards, snapshots and replay, by a machine of rules."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from steelyard.actions import Outcome
from steelyard.engine import Engine
from steelyard.engine.engine import encode_outcomes
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.quantities import SteelyardError
from steelyard.ticks import (
    Event,
    Fill,
    Funding,
    OrderCancelled,
    OrderPlaced,
    ParameterChange,
    PriceTick,
    TimeTick,
    Transfer,
    VolatilityUpdate,
)
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    DAY_US,
    ETH_LINEAR,
    MARKET,
    SOURCES,
    STALE_US,
    USD,
    Venue,
    coin_miner,
    fund_with,
    hedger,
    isolated_long,
    market_maker,
    open_venue,
    option_writer,
    over_leveraged_long,
    over_leveraged_short,
)

ACCOUNTS = st.sampled_from(["maker", "hedger", "writer", "long", "short", "iso", "miner"])
INSTRUMENTS = st.sampled_from([BTC_LINEAR, ETH_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT])
ASSETS = st.sampled_from(["BTC", "ETH"])
FACTORS = st.one_of(
    st.floats(0.985, 1.015), st.floats(0.7, 1.4), st.sampled_from([0.2, 0.5, 2.0, 7.0])
)
PAUSES = st.sampled_from([0, 1, 300_000, 1_000_000, 20_000_000, STALE_US + 1, 6 * DAY_US])
PARAMETERS = st.sampled_from(
    [
        ("underlying.BTC.range_ppm", "220000"),
        ("underlying.BTC.range_ppm", "150000"),
        ("underlying.BTC.depth_usd", "60000"),
        ("liquidation.fee_ppm", "20000"),
        ("liquidation.interval_us", "0"),
        ("collateral.BTC.haircut_maintenance_ppm", "99000"),
        ("index.default.quorum_sources", "3"),
        ("index.default.quorum_sources", "1"),
        ("index.default.quorum_operators", "1"),
        ("levels.hysteresis_ppm", "0"),
        ("levels.full_liquidation_ppm", "900000"),
        ("cross.option_maintenance_ppm", "99000"),
        ("portfolio.initial_factor_ppm", "1900000"),
        ("grid.volatility_range_up", "0.9"),
    ]
)


def answer_of(engine: Engine, event: Event) -> list[Outcome] | str:
    """Return the outcomes of an event, or the text of its refusal."""
    try:
        return engine.submit(event).outcomes
    except SteelyardError as error:
        return str(error)


class AnyLife(RuleBasedStateMachine):
    """Three engines of 1, 2 and 8 shards take the same events; one of them is restored at times."""

    def __init__(self) -> None:
        super().__init__()
        self.venue = Venue()
        self.others: list[Engine] = []
        self.outcomes: list[bytes] = []

    @initialize(fund_usd=st.sampled_from([0, 50, 5_000]))
    def begin(self, fund_usd: int) -> None:
        self.venue = open_venue()
        if fund_usd:
            fund_with(self.venue, fund_usd)
        self.venue.open(
            market_maker(), hedger(), option_writer(usd=60_000), over_leveraged_long(),
            over_leveraged_short(), isolated_long(), coin_miner(),
        )  # fmt: skip
        self.others = [Engine(load_method(), shards) for shards in (2, 8)]
        for event in self.venue.events:
            for engine in self.others:
                engine.submit(event)

    def send(self, kind: type[Event], *fields: object) -> None:
        """Submit to all engines: the same outcomes, or the same refusal without a trace."""
        event = self.venue.make(kind, *fields)
        before = self.venue.hash()
        answer = answer_of(self.venue.engine, event)
        for engine in self.others:
            assert answer_of(engine, event) == answer
        if isinstance(answer, str):
            assert "Cure: " in answer
            assert self.venue.hash() == before
        else:
            self.venue.events.append(event)
            self.outcomes.append(encode_outcomes(answer))

    @rule(asset=ASSETS, factor=FACTORS, pause_us=PAUSES)
    def everybody_says_a_price(self, asset: str, factor: float, pause_us: int) -> None:
        self.venue.wait(pause_us)
        market = self.venue.engine.market
        price = market.index_price(market.asset_slots[asset]) * factor
        for source in SOURCES:
            self.send(PriceTick, source, asset, price, self.venue.now_us)

    @rule(asset=ASSETS, source=st.sampled_from(list(SOURCES)), factor=FACTORS, late=PAUSES)
    def one_venue_says_a_price(self, asset: str, source: str, factor: float, late: int) -> None:
        market = self.venue.engine.market
        price = market.index_price(market.asset_slots[asset]) * factor
        self.send(PriceTick, source, asset, price, max(0, self.venue.now_us - late))

    @rule(pause_us=PAUSES)
    def time_passes(self, pause_us: int) -> None:
        self.venue.wait(pause_us)
        self.send(TimeTick)

    @rule(sigma=st.floats(0.05, 2.0), ratio=st.floats(0.9, 1.1))
    def volatility_moves(self, sigma: float, ratio: float) -> None:
        names = [BTC_CALL, BTC_PUT]
        self.send(VolatilityUpdate, "BTC", names, [sigma] * 2, [ratio] * 2, self.venue.now_us)

    def price_of(self, instrument: str, factor: float) -> float:
        """Return the mark of an instrument as a trader would say it, times a factor."""
        slot = self.venue.slot(instrument)
        terms = self.venue.engine.market.instruments[slot]
        mark = self.venue.mark(instrument) / 10**terms.mark_exponent
        return (-terms.contract_usd / mark if terms.contract_usd else mark or 0.01) * factor

    @rule(account=ACCOUNTS, name=st.sampled_from("abc"), instrument=INSTRUMENTS,
          lots=st.integers(-6_000, 6_000).filter(bool), factor=st.floats(0.8, 1.2))  # fmt: skip
    def an_order_is_placed(
        self, account: str, name: str, instrument: str, lots: int, factor: float
    ) -> None:
        price = self.price_of(instrument, factor)
        self.send(OrderPlaced, account, name, instrument, lots, price)

    @rule(account=ACCOUNTS, name=st.sampled_from("abc"))
    def an_order_is_cancelled(self, account: str, name: str) -> None:
        self.send(OrderCancelled, account, name)

    @rule(buyer=ACCOUNTS, seller=ACCOUNTS | st.just(MARKET), instrument=INSTRUMENTS,
          lots=st.integers(1, 9_000), factor=st.floats(0.9, 1.1), order=st.sampled_from("abc"))  # fmt: skip
    def a_trade_happens(
        self, buyer: str, seller: str, instrument: str, lots: int, factor: float, order: str
    ) -> None:
        price = self.price_of(instrument, factor)
        self.send(Fill, instrument, buyer, seller, lots, price, order, order)

    @rule(payer=ACCOUNTS | st.sampled_from(["external", "insurance_fund"]),
          payee=ACCOUNTS | st.sampled_from(["external", "insurance_fund", f"iso/{ETH_LINEAR}"]),
          asset=st.sampled_from(["USDC", "BTC"]), amount=st.integers(1, 5_000 * USD))  # fmt: skip
    def money_moves(self, payer: str, payee: str, asset: str, amount: int) -> None:
        self.send(Transfer, payer, payee, asset, amount)

    @rule(instrument=INSTRUMENTS, rate_ppb=st.integers(-5_000_000, 5_000_000))
    def funding_is_paid(self, instrument: str, rate_ppb: int) -> None:
        self.send(Funding, instrument, rate_ppb)

    @rule(change=PARAMETERS)
    def a_parameter_changes(self, change: tuple[str, str]) -> None:
        self.send(ParameterChange, *change)

    @rule(shards=st.sampled_from([1, 2, 5, 256]))
    def one_engine_is_restored_from_a_snapshot(self, shards: int) -> None:
        copy = Engine(load_method(), shards)
        restore_snapshot(copy, take_snapshot(self.others[0]))
        self.others[0] = copy

    @invariant()
    def all_engines_have_one_hash(self) -> None:
        assert {state_hash(engine) for engine in self.others} <= {self.venue.hash()}

    @invariant()
    def parts_sum_to_totals(self) -> None:
        for unit in self.venue.engine.places:
            risk = self.venue.risk(unit)
            assert sum(p.amount for p in risk.equity_parts) == risk.equity
            assert sum(p.amount for p in risk.initial_parts) == risk.initial_requirement
            assert sum(p.amount for p in risk.maintenance_parts) == risk.maintenance_requirement

    def teardown(self) -> None:
        """Play all events again: the same outcomes, the same hash."""
        again = Engine(load_method(), 3)
        outcomes = [encode_outcomes(again.submit(event).outcomes) for event in self.venue.events]
        assert outcomes[len(outcomes) - len(self.outcomes) :] == self.outcomes
        assert state_hash(again) == self.venue.hash()


def test_ENGN_040_laws_hold_over_any_sequence_of_events() -> None:
    """Sums after every event are checked by the room's own fixture, inside `Engine.apply`."""
    thorough: dict[str, Any] = {"max_examples": 400, "stateful_step_count": 60}
    usual: dict[str, Any] = {"max_examples": 30, "stateful_step_count": 40}
    chosen = thorough if os.environ.get("STEELYARD_HYPOTHESIS") == "thorough" else usual
    run_state_machine_as_test(AnyLife, settings=settings(**chosen))
