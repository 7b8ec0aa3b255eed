"""What answers about margin units cost: an engine of many accounts, one unit asked about, one core, warm.

The unit holds a perpetual, ten options and coins; a simulation adds 50 options. Each answer is the handler of
the catalogue, without JSON. The peer is `Engine.risk_of`, which is what a summary's numbers must equal. Then
the heavy answers, which run in a worker thread; what a pin for that thread costs on the loop; and what the
statement of the market for the library costs after an event, against reading it afresh.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from bench.machine import paired, print_machine, report
from steelyard.cli.session import opening_events
from steelyard.engine.engine import Engine
from steelyard.engine.trial import Trial
from steelyard.lab import SimulatedMarket, generate_population
from steelyard.service.answers import Context
from steelyard.service.answers.catalog import methods
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.answers.engine_market import MarketReader
from steelyard.terms import AccountRecord, load_method
from steelyard.terms.account import PositionRecord
from steelyard.ticks import AccountsLoaded

START_US = 1_760_130_000_000_000
ACCOUNTS = 10_000
OPTIONS = 50
HELD = 10


class Everyone(msgspec.Struct, frozen=True):
    """Who asks: a key of every account."""

    accounts: frozenset[str] | None = None


def _engine(accounts: int) -> tuple[Engine, SimulatedMarket, list[str]]:
    """Return an engine with a population and the unit `asked`, its market, and names of BTC options."""
    engine = Engine(load_method())
    market = SimulatedMarket(7, START_US, 30)
    for event in opening_events(market):
        engine.submit(event)
    state = engine.market
    options = [i for i in state.instruments if i.is_option and i.underlying == "BTC"]
    draw = np.random.default_rng(5)

    def held(name: str, lots: int) -> PositionRecord:
        return PositionRecord(name, lots, int(state.mark_units[state.instrument_slots[name]]))

    own = [held("BTC_USDC-PERPETUAL", 2_000)]
    own += [
        held(options[i].name, int(draw.integers(-50, 50)) or 1) for i in range(0, 10 * HELD, 10)
    ]
    records = [AccountRecord("asked", "portfolio", {"USDC": 10**13, "BTC": 10**9}, own)]
    prices = {
        asset.name: state.index_price(slot) for slot, asset in enumerate(state.assets) if slot
    }
    perpetuals = [terms for terms in state.instruments if not terms.is_option]
    records += generate_population(
        accounts, 7, state.assets, perpetuals, prices, engine.method, time_us=state.time_us
    )
    engine.load_only(AccountsLoaded(state.time_us, "file", 0, records))
    names = [option.name for option in options]
    return engine, market, [names[i] for i in draw.choice(len(names), OPTIONS, replace=False)]


def _asking(desk: EngineDesk, name: str, **params: Any) -> Callable[[], Any]:
    method = next(each for each in methods() if each.name == name)
    asked = method.params(account="asked", **params)
    context = Context(Everyone(), desk, 0)
    return lambda: method.handler(asked, context)


def bench_UNIT_030_light_answers(engine: Engine, names: list[str], rounds: int) -> None:
    """Check a summary against the engine, then time what runs on the loop."""
    desk = EngineDesk(engine)
    sizes = dict.fromkeys(names, 0.5)
    risk = engine.risk_of("asked")
    summary = _asking(desk, "private/get_account_summary")
    assert summary().unit.initial_requirement_micro == risk.initial_requirement

    def by_engine() -> object:
        return engine.risk_of("asked")

    for title, run in (
        ("summary of a unit with 11 positions", summary),
        ("simulation of 50 options beside them",
         _asking(desk, "private/simulate_portfolio", simulated_positions=sizes)),
        ("positions of the unit", _asking(desk, "private/get_positions")),
        ("an order's margin",
         _asking(desk, "private/get_margins", instrument_name=names[0], amount=1.0)),
    ):  # fmt: skip
        pair = paired(run, by_engine, rounds)
        report(f"{title}, against risk_of", 1.0 / pair.ratio, "x its time")
        report(title, 1e6 * pair.first_s, "us", goal="<= 300")

    def tried() -> object:
        return Trial(engine, "asked").numbers()

    pair = paired(tried, by_engine, rounds)
    report("a trial made and asked for its numbers", 1e6 * pair.first_s, "us")


def bench_UNIT_042_heavy_answers(engine: Engine, names: list[str], rounds: int) -> None:
    """Time what runs in a worker thread, and the pin for it, which runs on the loop."""
    desk = EngineDesk(engine)
    for name, params in (
        ("private/explain", {}),
        ("private/pme/simulate", {"simulated_positions": dict.fromkeys(names, 0.5)}),
        ("private/critical_prices", {}),
        ("private/cure", {"wanted": 50.0}),
    ):
        pair = paired(_asking(desk, name, **params), _nothing, max(3, rounds // 5))
        report(f"{name} of the unit", 1e3 * pair.first_s, "ms")
    trial = Trial(engine, "asked").keep()
    index = int(trial.market.index_units[1])
    steps = iter(range(1, 1_000_000))

    def moved() -> object:
        trial.move("BTC", index + next(steps))
        return trial.numbers()

    pair = paired(moved, _nothing, rounds)
    report("a price moved and the unit asked", 1e6 * pair.first_s, "us")

    def pinned() -> object:
        desk.units.forget()
        return desk.pinned(["asked"])

    pair = paired(pinned, _nothing, rounds)
    report("pinning the market and one unit", 1e6 * pair.first_s, "us")


def bench_UNIT_070_statement(engine: Engine, market: SimulatedMarket, rounds: int) -> None:
    """Time reading the market for the library after an event, kept against afresh."""
    reader = MarketReader()
    reader.market(engine.market, engine.method)
    ticks = market.ticks()
    kept, afresh = [], []
    for number in range(20 * rounds):
        engine.submit(next(ticks))
        start = perf_counter()
        reader.market(engine.market, engine.method)
        kept.append(perf_counter() - start)
        if number % 20 == 0:
            start = perf_counter()
            MarketReader().market(engine.market, engine.method)
            afresh.append(perf_counter() - start)
    report("stating the market after an event, p50", 1e6 * float(np.median(kept)), "us")
    report("stating the market afresh, p50", 1e6 * float(np.median(afresh)), "us")


def _nothing() -> None:
    """The peer of what has none."""


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about ten seconds")
    rounds = 31 if parser.parse_args().quick else 101
    print_machine()
    engine, market, names = _engine(ACCOUNTS)
    bench_UNIT_030_light_answers(engine, names, rounds)
    bench_UNIT_042_heavy_answers(engine, names, rounds)
    bench_UNIT_070_statement(engine, market, rounds)


if __name__ == "__main__":
    main()
