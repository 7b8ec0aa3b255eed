"""Going back in time: how long until an engine stands at any event, and what other worlds cost there.

    python -m bench.rewind [--quick] [--accounts 10000]

A simulated session is journaled. Then a timeline goes to random events with waypoints at several spacings,
and with the journal's own snapshots alone; each time from a waypoint, never from an engine that happens to
stand near. Beside it: what a waypoint costs, the liquidation map, the impact of a change, a look ahead, and
questions to the second process. Seconds of one core (processor time), but for the last, which are by the
clock. That an engine at an event has the state hash of the run is checked on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench.machine import print_machine, report
from steelyard.cli.wiring import simulated_session
from steelyard.engine.engine import Engine
from steelyard.engine.snapshot import state_hash, take_snapshot
from steelyard.service.rewind.ahead import look_ahead
from steelyard.service.rewind.copies import copy_of, pack, unpack
from steelyard.service.rewind.impact import Change, impact
from steelyard.service.rewind.liquidation import liquidation_map
from steelyard.service.rewind.options import RewindOptions
from steelyard.service.rewind.rewind import Rewind
from steelyard.service.rewind.timeline import Going, Timeline, TimelineOptions
from steelyard.service.rewind.walker import Walker

FINEST = 100
SPACINGS = (100, 250, 500, 1_000, 2_500)


def main(arguments: list[str] | None = None) -> None:
    """Write a journal and go about in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a shorter journal, fewer journeys")
    parser.add_argument("--accounts", type=int, default=10_000)
    options = parser.parse_args(arguments)
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.journal"
        hashes = write(path, options.accounts, 15 if options.quick else 75)
        timeline = Timeline(path, TimelineOptions(FINEST, 1 << 40))
        engine = travel(timeline, hashes, 5 if options.quick else 25)
        worlds(engine, 3 if options.quick else 11)
        timeline.close()
        asyncio.run(across(path, 20 if options.quick else 200))


def write(path: Path, accounts: int, seconds: int) -> dict[int, bytes]:
    """Journal a session; return the state hashes of some of its events."""
    session = simulated_session(
        7, f"population:{accounts}", seconds, "crash", 1, path, None, 5_000_000, print
    )
    hashes: dict[int, bytes] = {}
    for step in session.steps():
        if step.seq % 997 == 0:
            hashes[step.seq] = state_hash(session.engine)
    session.finish()
    session.journaled.close()
    units, last = len(session.engine.places), session.engine.seq
    report("events in the journal", last, "events", note=f"{accounts:,} accounts, {units:,} units")
    return hashes


def arrive(going: Going) -> Walker:
    """Go all the way."""
    while True:
        try:
            next(going)
        except StopIteration as there:
            walker: Walker = there.value
            return walker


def travel(timeline: Timeline, hashes: dict[int, bytes], journeys: int) -> Engine:
    """Report what it takes to go anywhere; return the engine at the end."""
    begun, start = time.process_time(), timeline.snapshots()[0].seq
    head = arrive(timeline.go(timeline.snapshots()[-1].seq - 1))
    spent, passed = time.process_time() - begun, head.seq - start
    spent -= timeline.restore_cost.seconds
    timeline.release(head)
    for seq, wanted in hashes.items():
        walker = arrive(timeline.go(seq))
        assert state_hash(walker.engine) == wanted, seq
        timeline.release(walker)
    whole, last = dict(timeline.waypoints), timeline.last_seq()
    note = f"{passed:,} events, a waypoint at every {FINEST} of them included"
    report("replay an event", 1e3 * spent / passed, "ms", note=note)
    size = statistics.mean(waypoint.size_bytes for waypoint in whole.values())
    report("a waypoint holds", size / 1e6, "MB")
    report("write a waypoint", 1e3 * taken(lambda: pack(head.engine), 9), "ms")
    packed = pack(head.engine)
    report("open a waypoint", 1e3 * taken(lambda: unpack(packed), 9), "ms")
    report("copy an engine", 1e3 * taken(lambda: copy_of(head.engine), 9), "ms")
    report(
        "write a snapshot of the journal", 1e3 * taken(lambda: take_snapshot(head.engine), 3), "ms"
    )
    snapshot = timeline.snapshots()[0].seq
    restore = taken(lambda: timeline._restored(snapshot), 3)
    report("restore and check a snapshot of the journal", 1e3 * restore, "ms")
    draw = Random(1)
    for spacing in SPACINGS:
        timeline.spacing = 1 << 60  # no more of them
        timeline.waypoints = {seq: each for seq, each in whole.items() if seq % spacing == 0}
        starts = [seq for seq in timeline.waypoints if seq + spacing <= last]
        if not starts:
            continue
        # Evenly from just behind a waypoint to just before the next one.
        offsets = [int((k + 0.5) / journeys * spacing) for k in range(journeys)]
        seconds = [gone(timeline, draw.choice(starts) + offset) for offset in offsets]
        note = f"longest {max(seconds):.2f} s, {journeys} journeys"
        report(
            f"to any event, waypoints every {spacing:,}", statistics.median(seconds), "s", note=note
        )
    return head.engine


def gone(timeline: Timeline, seq: int) -> float:
    """Return the seconds of one core that going to an event takes from its waypoint."""
    timeline.walkers.clear()
    begun = time.process_time()
    timeline.release(arrive(timeline.go(seq)))
    return time.process_time() - begun


def taken(work: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of one core."""
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)


def worlds(engine: Engine, rounds: int) -> None:
    """Report what other states of the world cost."""
    units = f"{len(engine.places):,} units"
    seconds = taken(lambda: liquidation_map(engine, ["BTC"]), rounds)
    report("liquidation map, one underlying, 49 levels", seconds, "s", goal="<= 1", note=units)
    seconds = taken(lambda: liquidation_map(engine), rounds)
    report("liquidation map, all underlyings together", seconds, "s", note=units)
    change = [Change("underlying.BTC.range_ppm", "200000")]
    report("impact of a change", taken(lambda: impact(engine, change), rounds), "s", note=units)
    unit = max(
        engine.places,
        key=lambda name: int(engine.places[name][0].book.count[engine.places[name][1]]),
    )
    seconds = taken(lambda: look_ahead(engine, unit), rounds)
    report("look ahead, 3 horizons, 7 moves", seconds, "s", note="the unit with the most positions")


async def across(path: Path, rounds: int) -> None:
    """Report what a question to the second process takes by the clock, the process idle otherwise."""
    options = RewindOptions(is_filling=False, nice=0)
    async with Rewind(path, options) as rewind:
        begun = time.perf_counter()
        last = (await rewind.span()).last_seq
        report("the second process is ready after", time.perf_counter() - begun, "s")
        for name, ask in (
            ("span", rewind.span),
            ("event at an instant", lambda: rewind.seq_at(1)),
            ("map asked again", lambda: rewind.liquidation_map(as_of_seq=last)),
        ):
            await ask()
            seconds = []
            for _ in range(rounds):
                begun = time.perf_counter()
                await ask()
                seconds.append(time.perf_counter() - begun)
            report(f"across two processes: {name}", 1e3 * statistics.median(seconds), "ms")
        resident = rewind.process.resident_bytes / 2**20
        report("memory of the second process", resident, "MiB")


if __name__ == "__main__":
    main()
