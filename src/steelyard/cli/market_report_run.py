"""Driving the market state over a recording, and keeping what it did second by second.

A `Scene` is what one run is fed: listings, first prices and ticks. A run has no accounts: the engine admits every
event, makes indices and marks, and decides on nobody. What it held is sampled after every second's clock tick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.actions import IndexChanged, Outcome, SourceChanged
from steelyard.engine.engine import Engine
from steelyard.marks.guard import TRUSTED, UNSEEN
from steelyard.marks.sources import SILENT
from steelyard.marks.volatility import VolatilityReading, read_volatility
from steelyard.quantities import SteelyardError
from steelyard.terms import Method
from steelyard.ticks import Event, PriceTick, SourceListed, TimeTick

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SECOND_US = 1_000_000
SAMPLES_MAX = 100_000
CLOCK = "clock"


class Change(NamedTuple):
    """From `time_us` on something was `value`; price: what its source said then (0.0 for a condition)."""

    time_us: int
    value: str
    price: float = 0.0


class Scene(NamedTuple):
    """What one run is fed. ticks: a fresh walk over the events of the window at every call."""

    name: str
    opening: list[Event]
    ticks: Callable[[], Iterator[Event]]
    event_count: int


@dataclass(slots=True)
class SourceLog:
    """A source as it was listed, every word it said, and its verdicts in order.

    known_us, exchange_us, prices: one entry a word, in the order they were known.
    """

    name: str
    operator: str
    kind: str
    weight: int
    stale_after_us: int
    known_us: list[int] = field(default_factory=list)
    exchange_us: list[int] = field(default_factory=list)
    prices: list[float] = field(default_factory=list)
    verdicts: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class AssetLog:
    """What one asset's index was, sampled: USD (0.0: none yet), age in µs, regime, widest basis of its marks.

    conditions: every change, exact. sources: by name, in order of listing. volatility: at the end.
    """

    name: str
    index: Floats
    is_trusted: Bools
    age_us: Ints
    regime: Ints
    basis_ppb: Ints
    conditions: list[Change]
    sources: dict[str, SourceLog] = field(default_factory=dict)
    volatility: VolatilityReading | None = None


@dataclass(slots=True)
class Run:
    """A run over a window: the sampled instants and a log for each asset.

    cadence: as `Cadence.report` gives it. refused: refusals by code.
    """

    name: str
    from_us: int
    to_us: int
    step_us: int
    grid: Ints
    assets: dict[str, AssetLog]
    events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    cadence: dict[str, dict[str, int]] = field(default_factory=dict)


def sample_times(from_us: int, to_us: int) -> tuple[Ints, int]:
    """Return the instants that are sampled, and the step: whole seconds, at most 100,000 instants.

    >>> times, step_us = sample_times(0, 3_500_000)
    >>> times.tolist(), step_us
    ([1000000, 2000000, 3000000], 1000000)
    """
    seconds = (to_us - from_us) // SECOND_US
    step_us = SECOND_US * max(1, -(-seconds // SAMPLES_MAX))
    return np.arange(from_us + step_us, to_us + 1, step_us, dtype=np.int64), step_us


def drive(
    scene: Scene, method: Method, from_us: int, to_us: int, advance: Callable[[int], None]
) -> Run:
    """Return what the market state did with a scene between two times; `advance` is told of progress.

    An event that admission refuses is counted and costs the others nothing.
    """
    grid, step_us = sample_times(from_us, to_us)
    run = Run(scene.name, from_us, to_us, step_us, grid, {})
    engine = Engine(method)
    for event in scene.opening:
        _listen(run, event)
        _submit(engine, run, event)
    slots = {name: engine.market.asset_slots[name] for name in run.assets}
    next_us, row, waiting = from_us + SECOND_US, 0, 0
    for event in _then_end(scene.ticks(), to_us):
        while next_us < event.time_us:  # what is known at a second counts in its sample
            _submit(engine, run, TimeTick(next_us, CLOCK, next_us))
            if row < len(grid) and next_us == grid[row]:
                _sample(engine, run, slots, row)
                row += 1
            next_us += SECOND_US
        if event.origin == CLOCK:
            break
        _listen(run, event)
        _submit(engine, run, event)
        waiting += 1
        if waiting == 256:
            advance(waiting)
            waiting = 0
    advance(waiting)
    run.cadence = engine.cadence.report()
    for name, slot in slots.items():
        log = run.assets[name]
        log.volatility = read_volatility(
            engine.market.volatilities, slot, to_us, engine.method.volatility
        )
    return run


def _then_end(ticks: Iterator[Event], to_us: int) -> Iterator[Event]:
    """Yield the ticks, then an instant past the window, so that its last seconds pass too."""
    yield from ticks
    yield TimeTick(to_us + 1, CLOCK, to_us + 1)


def _submit(engine: Engine, run: Run, event: Event) -> None:
    run.events += 1
    try:
        outcomes = engine.submit(event).outcomes
    except SteelyardError as error:
        run.refused[error.code] += 1
        return
    for outcome in outcomes:
        _note(run, outcome, event.time_us)


def _listen(run: Run, event: Event) -> None:
    """Keep what a source says, whatever the engine makes of it."""
    if isinstance(event, PriceTick):
        source = run.assets[event.asset].sources[event.source]
        source.known_us.append(event.time_us)
        source.exchange_us.append(event.exchange_time_us)
        source.prices.append(event.price)
    elif isinstance(event, SourceListed):
        log = run.assets.get(event.asset) or _log(run, event.asset)
        log.sources[event.source] = SourceLog(
            event.source, event.operator, event.kind, event.weight, event.stale_after_us,
            verdicts=[Change(run.from_us, SILENT)],
        )  # fmt: skip


def _log(run: Run, name: str) -> AssetLog:
    count = len(run.grid)
    run.assets[name] = AssetLog(
        name,
        index=np.zeros(count),
        is_trusted=np.zeros(count, bool),
        age_us=np.zeros(count, np.int64),
        regime=np.full(count, -1, np.int64),
        basis_ppb=np.zeros(count, np.int64),
        conditions=[Change(run.from_us, UNSEEN)],
    )
    return run.assets[name]


def _note(run: Run, outcome: Outcome, time_us: int) -> None:
    if isinstance(outcome, SourceChanged):
        source = run.assets[outcome.subject].sources[outcome.source]
        source.verdicts.append(Change(time_us, outcome.verdict, outcome.price))
    elif isinstance(outcome, IndexChanged):
        log = run.assets.get(outcome.subject)
        if log is not None:
            log.conditions.append(Change(time_us, outcome.condition))


def _sample(engine: Engine, run: Run, slots: dict[str, int], row: int) -> None:
    market = engine.market
    for name, slot in slots.items():
        log, index = run.assets[name], market.indices[slot]
        log.index[row] = market.index_price(slot)
        log.is_trusted[row] = index.condition in TRUSTED and not market.is_protected[slot]
        log.age_us[row] = market.time_us - index.price_time_us if index.good_price > 0.0 else -1
        seen = market.volatilities.assets.get(slot)
        log.regime[row] = -1 if seen is None else seen.regime
        bases = [int(market.basis_ppb[each]) for each in market.perpetuals_of[slot]]
        log.basis_ppb[row] = max(bases, key=abs, default=0)
