"""A session: a market, an option chain and accounts, wired to a journaled engine, event by event.

`run` and `demo` are the same session over different markets. A session prepares the engine (listings,
first prices, options, insurance fund, accounts), then yields one `Step` an input event; whoever
watches (terminal view, progress, report) looks at the engine between steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import Protocol

from steelyard.actions import Outcome
from steelyard.book import EXTERNAL, INSURANCE_FUND
from steelyard.engine.recovery import JournaledEngine
from steelyard.publish import StoryLine, Tally, story_lines
from steelyard.quantities import SteelyardError, from_units
from steelyard.terms import AccountRecord, Instrument
from steelyard.terms.asset import USDC
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    Event,
    InstrumentsListed,
    TimeTick,
    Transfer,
    VolatilityUpdate,
)

ACCOUNTS_PER_EVENT = 1_000
CLOCK_EVERY_US = 1_000_000
SNAPSHOT_EVERY_EVENTS = 25_000
SESSION_ORIGIN = "session"


class Market(Protocol):
    """What a session needs of a market, recorded or simulated."""

    @property
    def listings(self) -> list[Event]:
        """Return the events that list assets, sources and instruments."""

    @property
    def warm_up(self) -> list[Event]:
        """Return the last known price of every source before the first tick."""

    @property
    def tick_count(self) -> int:
        """Return how many events `ticks` yields."""

    def ticks(self) -> Iterator[Event]:
        """Yield the market's events by the time they are known."""


def opening_events(market: Market) -> list[Event]:
    """Return a market's listings and first prices, less what an engine knows from the start.

    That is the accounting asset, which a market lists like any other.
    """
    return [
        event
        for event in (*market.listings, *market.warm_up)
        if not (isinstance(event, AssetListed) and event.asset == USDC)
    ]


@dataclass
class Step:
    """One input event and what became of it. error: why it was refused, if it was."""

    event: Event
    seq: int
    outcomes: list[Outcome] = field(default_factory=list)
    story: list[StoryLine] = field(default_factory=list)
    error: SteelyardError | None = None


class Session:
    """A prepared engine and the stream of events to come.

    has_clock: the market sends TimeTicks itself. tally counts what accounts met, refused counts refusals by code, started is the wall-clock second
    at which the stream began, applied the input events applied since.
    """

    def __init__(
        self,
        journaled: JournaledEngine,
        market: Market,
        start_us: int,
        end_us: int,
        *,
        has_clock: bool = False,
    ) -> None:
        self.has_clock = has_clock
        self.journaled = journaled
        self.engine = journaled.engine
        self.market = market
        self.start_us = start_us
        self.end_us = end_us
        self.tally = Tally()
        self.refused: Counter[str] = Counter()
        self.applied = 0
        self.started = 0.0
        self.elapsed_s = 0.0
        self.accounts = 0
        self.by_name: dict[str, Instrument] = {}
        self._seq = 0
        self._clock_us = start_us

    # -- preparing -------------------------------------------------------------------------------

    def prepare(self, events: Iterable[Event]) -> None:
        """Submit set-up events; the first refusal is raised."""
        for event in events:
            receipt = self.engine.submit(event)
            self.tally.count(receipt.outcomes, receipt.seq)

    def list_market(self) -> None:
        """List assets, sources and instruments, and give every source its first price."""
        self.prepare(opening_events(self.market))

    def list_options(self, instruments: list[Instrument], updates: list[VolatilityUpdate]) -> None:
        """List a transported option chain and its volatilities."""
        self.prepare([InstrumentsListed(self.start_us, "chain", 1, instruments)])
        self.prepare(updates)

    def fund(self, usd: int) -> None:
        """Endow the insurance fund from outside."""
        if usd:
            amount = usd * 1_000_000
            origin = (self.start_us, SESSION_ORIGIN, self._next())
            self.prepare([Transfer(*origin, EXTERNAL, INSURANCE_FUND, "USDC", amount)])

    def load(self, accounts: list[AccountRecord]) -> None:
        """Load accounts, a thousand an event."""
        for first in range(0, len(accounts), ACCOUNTS_PER_EVENT):
            batch = accounts[first : first + ACCOUNTS_PER_EVENT]
            self.prepare([AccountsLoaded(self.start_us, SESSION_ORIGIN, self._next(), batch)])
        self.accounts += len(accounts)
        self.by_name = {i.name: i for i in self.engine.market.instruments}
        self.engine.check_sums()

    # -- running ---------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Yield the events to come: the market's, and one TimeTick a second unless it has its own clock."""
        if self.has_clock:
            yield from self.market.ticks()
            return
        next_us = self.start_us + CLOCK_EVERY_US
        for event in self.market.ticks():
            while next_us <= event.time_us:
                yield TimeTick(next_us, "clock", next_us)
                next_us += CLOCK_EVERY_US
            yield event
        while next_us <= self.end_us:
            yield TimeTick(next_us, "clock", next_us)
            next_us += CLOCK_EVERY_US

    def steps(self, speed: float | None = None) -> Iterator[Step]:
        """Yield a step an event, the clock's own ticks among them.

        speed: market seconds a wall second; None: as fast as it goes. Refused events are counted and
        shown, and the session goes on; a JournalError or InvariantError ends it.
        """
        self.journaled.snapshot()
        self.engine.stopwatch.reset()
        self.journaled.committer.flush_us.clear()
        self.started = perf_counter()
        for event in self.events():
            if speed is not None:
                self._pace(event.time_us, speed)
            yield self._step(event)
            self.elapsed_s = perf_counter() - self.started

    def finish(self) -> bytes:
        """Prove the sums, write a last snapshot, wait for the disk; return the state hash."""
        self.engine.check_sums()
        digest = self.journaled.snapshot()
        self.journaled.wait()
        return digest

    def _step(self, event: Event) -> Step:
        try:
            receipt = self.engine.submit(event)
        except SteelyardError as error:
            if error.code.startswith("JOUR"):
                raise
            self.refused[error.code] += 1
            return Step(event, self.engine.seq, error=error)
        self.applied += 1
        step = Step(event, receipt.seq, receipt.outcomes)
        if receipt.outcomes:
            self.tally.count(receipt.outcomes, receipt.seq)
            step.story = story_lines(receipt.outcomes, receipt.seq, event.time_us, self.by_name)
        if self.applied % SNAPSHOT_EVERY_EVENTS == 0:
            self.journaled.snapshot()
        return step

    def _pace(self, time_us: int, speed: float) -> None:
        due = self.started + (time_us - self.start_us) / 1e6 / speed
        wait = due - perf_counter()
        if wait > 0:
            sleep(wait)

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    # -- reading ---------------------------------------------------------------------------------

    def event_count(self) -> int:
        """Return how many events the session will take in all, for a progress bar."""
        clock = 0 if self.has_clock else (self.end_us - self.start_us) // CLOCK_EVERY_US
        return self.market.tick_count + clock

    def prices(self) -> dict[str, float]:
        """Return the index of every asset that has one, USD."""
        market = self.engine.market
        return {
            asset.name: market.index_price(slot)
            for slot, asset in enumerate(market.assets)
            if market.index_units[slot] > 0
        }

    def option_marks(self) -> dict[str, float]:
        """Return the premium of every marked option in its settlement asset."""
        market = self.engine.market
        return {
            terms.name: float(from_units(int(market.mark_units[slot]), terms.mark_exponent))
            for slot, terms in enumerate(market.instruments)
            if terms.is_option and market.has_mark[slot]
        }

    def option_volatilities(self) -> dict[str, float]:
        """Return the implied volatility of every marked option."""
        market = self.engine.market
        return {
            terms.name: float(market.volatility[slot])
            for slot, terms in enumerate(market.instruments)
            if terms.is_option and market.has_mark[slot]
        }

    def fund_micro(self) -> int:
        """Return what the insurance fund holds, micro-USDC at index, each asset rounded down."""
        venue = self.engine.venue
        balances = self.engine.ledger.balances[INSURANCE_FUND]
        return sum(
            venue.to_micro_down(units, asset) for asset, units in enumerate(balances) if units
        )


def journal_path(wanted: Path | None, folder: str, stem: str) -> Path:
    """Return where the journal goes: as asked, or the first free numbered name in a folder."""
    if wanted is not None:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return wanted
    base = Path(folder)
    base.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := base / f"{stem}-{number}.journal").exists():
        number += 1
    return path
