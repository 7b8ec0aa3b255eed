"""The stage of the replays: who says what, an engine that hears it, and what the engine then did.

A scene is a choice of speakers for each coin; `perform` lists them in an
engine, loads the accounts, lets everybody speak in the order in which their words were received, and keeps
what became of indices and accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np

from steelyard.actions import BadDebt, Closed, IndexChanged, Outcome, SourceChanged
from steelyard.book import EXTERNAL, INSURANCE_FUND
from steelyard.engine.engine import Engine
from steelyard.feeds import RecordedMarket
from steelyard.lab import PopulationShape, generate_population
from steelyard.marks.guard import TRUSTED, UNSEEN
from steelyard.terms import AccountRecord, Instrument, Method, load_method
from steelyard.terms.account import owner_of
from steelyard.terms.index_rules import IndexRules
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    Event,
    InstrumentsListed,
    PriceTick,
    QuoteTick,
    TimeTick,
    Transfer,
)
from tests.replays.speakers import SECOND_US, Floats, Ints, Speaker, step

FUND_USD = 10_000_000
SEED = 20_251_010


class Closing(NamedTuple):
    """A forced closing: when, of which unit, in which instrument, and whether its asset was protected."""

    time_us: int
    unit: str
    instrument: str
    was_protected: bool


@dataclass(slots=True)
class Performance:
    """What an engine made of a scene.

    indices: by coin (time, USD), conditions: by coin (time, outcome), verdicts likewise, each as it changed.
    moved_in: by coin the conditions in which the index shown moved; an event that first ends a wait and then
    brings a price has two.
    """

    engine: Engine
    from_us: int
    to_us: int
    indices: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    conditions: dict[str, list[tuple[int, IndexChanged]]] = field(default_factory=dict)
    verdicts: dict[str, list[tuple[int, SourceChanged]]] = field(default_factory=dict)
    moved_in: dict[str, set[str]] = field(default_factory=dict)
    closings: list[Closing] = field(default_factory=list)
    bad_debt_usd: float = 0.0
    events: int = 0

    @property
    def liquidated(self) -> dict[str, int]:
        """Return the accounts that were liquidated, each with the time of its first forced closing."""
        first: dict[str, int] = {}
        for closing in self.closings:
            first.setdefault(owner_of(closing.unit), closing.time_us)
        return first

    def index_at(self, coin: str, at_us: Ints) -> Floats:
        """Return the index shown at each instant, NaN before the first."""
        return step([t for t, _ in self.indices[coin]], [p for _, p in self.indices[coin]], at_us)

    def condition_at(self, coin: str, at_us: Ints) -> list[str]:
        """Return the condition at each instant."""
        changes = self.conditions[coin]
        last = np.searchsorted(np.array([t for t, _ in changes]), at_us, side="right") - 1
        return [changes[row][1].condition if row >= 0 else "unseen" for row in last.tolist()]


# -- methods -------------------------------------------------------------------------------------


def house() -> Method:
    """Return the method of the house."""
    return load_method()


def one_of_one(method: Method) -> Method:
    """Return a method that is content with one source of one operator, and guards like ours otherwise."""
    return with_index(method, quorum_sources=1, quorum_operators=1)


def at_once(method: Method) -> Method:
    """Return a method that believes its one source at once, whatever it says."""
    return with_index(
        method, quorum_sources=1, quorum_operators=1, jump_hold_us=0, resume_us=0,
        price_jump_factor=1_000.0, jump_ppm=900_000_000,
    )  # fmt: skip


def with_index(method: Method, **changes: object) -> Method:
    """Return a method whose index rules are changed for every asset."""

    def changed(rules: IndexRules) -> IndexRules:
        return msgspec.structs.replace(rules, **changes)

    index = {name: changed(rules) for name, rules in method.index.items()}
    return msgspec.structs.replace(method, index=index)


# -- the performance -----------------------------------------------------------------------------


def population(market: RecordedMarket, coins: Sequence[str], count: int) -> list[AccountRecord]:
    """Return accounts that hold perpetuals of the coins at the prices of the window's start."""
    assets = [each for each in market.assets if each.name in coins or each.name == "USDC"]
    shape = PopulationShape(leveraged_share=0.7, coin_collateral_share=0.0)
    return generate_population(
        count, SEED, assets, instruments_of(market, coins), market.first_prices, house(),
        time_us=market.from_us, shape=shape,
    )  # fmt: skip


def instruments_of(market: RecordedMarket, coins: Sequence[str]) -> list[Instrument]:
    """Return the perpetuals of the coins."""
    return [each for each in market.instruments if each.underlying in coins]


def listings(market: RecordedMarket, speakers: Mapping[str, Sequence[Speaker]]) -> list[Event]:
    """Return the events that list the coins, their speakers and their perpetuals."""
    at, number = market.from_us, 0
    events: list[Event] = []
    for asset in market.assets:
        if asset.name in speakers:
            number += 1
            events.append(AssetListed(at, "replay", number, asset))
    for coin in speakers:
        for each in speakers[coin]:
            number += 1
            events.append(
                msgspec.structs.replace(each.listed, time_us=at, origin="replay", origin_seq=number)
            )
    listed = instruments_of(market, tuple(speakers))
    return [*events, InstrumentsListed(at, "replay", number + 1, listed)]


def spoken(speakers: Iterable[Speaker]) -> list[Event]:
    """Return the words of speakers as events."""
    return [
        PriceTick(
            word.known_us, f"{each.listed.asset}:{each.listed.source}", number, each.listed.source,
            each.listed.asset, word.price, word.exchange_us,
        )
        for each in speakers
        for number, word in enumerate(each.words, 1)
    ]  # fmt: skip


def script(
    market: RecordedMarket, speakers: Mapping[str, Sequence[Speaker]], *, has_quotes: bool = True
) -> list[Event]:
    """Return the words of all speakers, the quotes of our perpetuals and a clock, as they were received."""
    names = {each.name for each in instruments_of(market, tuple(speakers))} if has_quotes else set()
    events = spoken(each for coin in speakers for each in speakers[coin])
    events += [
        event
        for event in (*market.warm_up, *market.ticks())
        if isinstance(event, QuoteTick) and event.instrument in names
    ]
    seconds = range(market.from_us + SECOND_US, market.to_us, SECOND_US)
    events += [TimeTick(at, "clock", number) for number, at in enumerate(seconds, 1)]
    events.sort(key=attrgetter("time_us"))  # stable: each speaker's words stay in their order
    return events


def opened(engine: Engine, market: RecordedMarket, events: Iterable[Event]) -> Performance:
    """Return a performance that begins: the listings are admitted, and the fund is endowed."""
    for event in events:
        engine.submit(event)
    amount = FUND_USD * 10**6
    engine.submit(Transfer(market.from_us, "treasury", 1, EXTERNAL, INSURANCE_FUND, "USDC", amount))
    return Performance(engine, market.from_us, market.to_us)


def play(
    performance: Performance,
    events: Iterable[Event],
    after: Callable[[Performance, Event, list[Outcome]], None] | None = None,
) -> None:
    """Let an engine hear events, and note what became of them; after: called after each."""
    engine = performance.engine
    market = engine.market
    shown = b""
    for event in events:
        outcomes = engine.submit(event).outcomes
        performance.events += 1
        units = market.index_units[: len(market.assets)].tobytes()
        if units != shown:
            shown = units
            _note_indices(performance, event.time_us, outcomes)
        for outcome in outcomes:
            _note(performance, event.time_us, outcome)
        if after is not None:
            after(performance, event, outcomes)


def perform(
    market: RecordedMarket,
    speakers: Mapping[str, Sequence[Speaker]],
    method: Method,
    accounts: Sequence[AccountRecord] = (),
    *,
    has_quotes: bool = True,
    after: Callable[[Performance, Event, list[Outcome]], None] | None = None,
) -> Performance:
    """Return what an engine made of a scene from its start to its end; after: called after each event.

    The accounts enter after the words that were known at the start, so that they meet a market with prices.
    """
    performance = opened(Engine(method), market, listings(market, speakers))
    events = script(market, speakers, has_quotes=has_quotes)
    first = next(n for n, event in enumerate(events) if event.time_us > market.from_us)
    play(performance, events[:first])
    if accounts:
        play(performance, [AccountsLoaded(market.from_us, "accounts", 1, list(accounts))])
    play(performance, events[first:], after)
    performance.engine.check_sums()
    return performance


def _note_indices(performance: Performance, time_us: int, outcomes: list[Outcome]) -> None:
    market = performance.engine.market
    for slot, asset in enumerate(market.assets[1:], 1):
        price = market.index_price(slot)
        told = performance.indices.setdefault(asset.name, [])
        if price > 0.0 and (not told or told[-1][1] != price):
            told.append((time_us, price))
            moved = performance.moved_in.setdefault(asset.name, set())
            said = [
                o.condition
                for o in outcomes
                if isinstance(o, IndexChanged) and o.subject == asset.name
            ]
            moved.add(
                next(
                    iter({*said, market.indices[slot].condition} & (TRUSTED | {UNSEEN})),
                    "protected",
                )
            )


def _note(performance: Performance, time_us: int, outcome: Outcome) -> None:
    if isinstance(outcome, IndexChanged):
        performance.conditions.setdefault(outcome.subject, []).append((time_us, outcome))
    elif isinstance(outcome, SourceChanged):
        performance.verdicts.setdefault(outcome.subject, []).append((time_us, outcome))
    elif isinstance(outcome, Closed):
        market = performance.engine.market
        asset = market.underlying_of[market.instrument_slots[outcome.instrument]]
        was_protected = bool(market.is_protected[asset])
        performance.closings.append(
            Closing(time_us, outcome.subject, outcome.instrument, was_protected)
        )
    elif isinstance(outcome, BadDebt):
        performance.bad_debt_usd += outcome.amount / 1e6
