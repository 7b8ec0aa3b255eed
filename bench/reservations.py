"""Pre-trade reservations: from the request to the answer, in an engine that holds 10,000 accounts.

A simulated venue runs for a while; then accounts drawn from all of them reserve an order and release it.
Timed are: the engine alone (admission against the free initial margin, journal append, the unit's new
requirement, the decision), the same with the answer durable on the disk, and a refusal. Beside it the
same orders placed and cancelled without a reservation: the peer, since both rest on one check.

    python -m bench.reservations [--quick] [--accounts 10000]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench.machine import paired, print_machine, report
from steelyard.cli.session import Session
from steelyard.cli.wiring import simulated_session
from steelyard.engine import Engine
from steelyard.quantities import InputError
from steelyard.ticks import (
    Event,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    ReservationReleased,
    TimeTick,
)

Draw = tuple[str, str, int, float]
"""(account, instrument, lots, price)."""

SEED = 7
LASTS_US = 10_000_000


class Desk:
    """Sends orders of accounts drawn from the engine's own, each in an instrument it may trade."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.number = 0
        self.random = Random(seed)
        self.units = sorted(engine.places)
        market = engine.market
        self.instruments = [
            i
            for slot, i in enumerate(market.instruments)
            if market.has_mark[slot] and not i.expiry_us
        ]

    def draw(self) -> Draw:
        """Return (account, instrument, lots, price) of a small order near the mark."""
        unit = self.random.choice(self.units)
        account, _, own = unit.partition("/")
        terms = self.random.choice(self.instruments)
        if own:
            slot = self.engine.market.instrument_slots[own]
            terms = self.engine.market.instruments[slot]
        slot = self.engine.market.instrument_slots[terms.name]
        value = int(self.engine.market.mark_units[slot]) / 10**terms.mark_exponent
        price = -terms.contract_usd / value if terms.contract_usd else max(value, 1e-4)
        return account, terms.name, self.random.choice((-1, 1)), price * 0.999

    def send(self, kind: type[Event], *fields: object) -> None:
        """Submit an event of now."""
        self.number += 1
        self.engine.submit(kind(self.engine.market.time_us, "bench", self.number, *fields))

    def sound(self, count: int) -> tuple[list[Draw], list[Draw]]:
        """Return draws that are taken, each checked to need what a placed order needs, and refused ones."""
        taken, refused = [], []
        while len(taken) < count:
            account, name, lots, price = draw = self.draw()
            unit = self.engine.trading_unit(account, name)
            try:
                self.send(OrderPlaced, account, "o", name, lots, price)
            except InputError as error:
                self.number -= 1
                if error.code == "ADMT-E06":
                    refused.append(draw)
                continue
            assert unit is not None
            placed = self.engine.risk_of(unit)
            self.send(OrderCancelled, account, "o")
            self.reserve(draw)
            assert self.engine.risk_of(unit) == placed, "a reservation takes what an order takes"
            self.release(draw)
            taken.append(draw)
        return taken, refused

    def reserve(self, draw: Draw) -> None:
        """Reserve an order for ten seconds."""
        account, name, lots, price = draw
        ends_us = self.engine.market.time_us + LASTS_US
        self.send(OrderReserved, account, "o", name, lots, price, ends_us)

    def release(self, draw: Draw) -> None:
        """Release it."""
        self.send(ReservationReleased, draw[0], "o")

    def expect_refusal(self, draw: Draw) -> None:
        """Reserve an order that is refused."""
        try:
            self.reserve(draw)
        except InputError:
            self.number -= 1
            return
        raise AssertionError("it was refused when it was placed")


def main() -> None:
    """Run the venue, then time reservations on it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    parser.add_argument("--accounts", type=int, default=10_000)
    arguments = parser.parse_args()
    print_machine()
    count = 300 if arguments.quick else 3_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reservations.journal"
        people = f"population:{arguments.accounts}"
        session = simulated_session(SEED, people, 3, "calm", 1, path, None, 5_000_000, print)
        for _ in session.steps():
            pass
        _measure(session, count)
        session.finish()


def _measure(session: Session, count: int) -> None:
    engine, wait = session.engine, session.journaled.wait
    desk = Desk(engine, SEED)
    desk.send(TimeTick)
    taken, refused = desk.sound(count)
    note = f"{session.accounts:,} accounts, {len(engine.places):,} margin units, {count:,} drawn"
    gc.collect()
    gc.disable()
    alone = _timed(taken, desk.reserve, desk.release)
    _tell("reserve → answer, engine", alone, note)
    _tell("release → answer, engine", _timed(taken, desk.release, None, desk.reserve))

    def durably(draw: Draw) -> None:
        desk.reserve(draw)
        wait()

    _tell("reserve → answer, durable", _timed(taken[: count // 3], durably, desk.release))
    if len(refused) > 20:
        _tell("refusal, engine", _timed(refused, desk.expect_refusal, None))
    gc.enable()

    def reserved() -> None:
        for draw in taken[:100]:
            desk.reserve(draw)
            desk.release(draw)

    def placed() -> None:
        for account, name, lots, price in taken[:100]:
            desk.send(OrderPlaced, account, "o", name, lots, price)
            desk.send(OrderCancelled, account, "o")

    both = paired(reserved, placed, 11)
    report(
        "place + cancel / reserve + release", both.ratio, "×", note="1: a reservation is an order"
    )


def _timed(
    draws: list[Draw],
    timed: Callable[[Draw], None],
    after: Callable[[Draw], None] | None,
    before: Callable[[Draw], None] | None = None,
) -> list[tuple[float, float]]:
    """Return (elapsed, own processor time) of each call in µs, what is before and after it left out."""
    found = []
    for draw in draws:
        if before is not None:
            before(draw)
        start, own = time.perf_counter_ns(), time.thread_time_ns()
        timed(draw)
        own = time.thread_time_ns() - own
        found.append(((time.perf_counter_ns() - start) / 1_000, own / 1_000))
        if after is not None:
            after(draw)
    return found


def _tell(name: str, found: list[tuple[float, float]], note: str = "") -> None:
    cuts = statistics.quantiles([elapsed for elapsed, _ in found], n=100, method="inclusive")
    own = statistics.median([processor for _, processor in found])
    report(f"{name} p50", cuts[49], "µs", note=f"{own:.0f} µs of them its own processor time")
    report(f"{name} p99", cuts[98], "µs", note=note)


if __name__ == "__main__":
    main()
