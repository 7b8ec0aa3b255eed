"""Channels: what a change of all accounts costs, what 200 readers cost, and from a tick to what is told of it.

    python -m bench.channels [--quick]

The engine has 10,000 generated accounts. A change in which the row of every margin unit differs is worked
out from the columns and encoded; so is one after a tick. A frame is handed to 200 readers, who read it.
Against both stands the naive way: a dictionary an account, and `json.dumps` once a subscriber (ours is
checked to carry the same numbers). Then 20 prices a second are played into the engine with its journal on
disk, and of each the time is told until its deltas lie before the readers: deciding, encoding, the disk,
handing over; once more with the journal in memory, which tells what of it is the disk's, and beside a thread
that never rests, as a long answer's. What the disk needs for one write of a journal's size is told beside.
There is no socket in it. While other work runs on the machine, latencies are of that work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from threading import Event as Over
from threading import Thread
from time import perf_counter, sleep
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.machine import paired, print_machine, report
from steelyard.cli.session import Session as VenueSession
from steelyard.cli.wiring import simulated_session
from steelyard.decisions import STATE_NAMES
from steelyard.margin import RiskColumns
from steelyard.service.access.session import Session
from steelyard.service.channels.accounts import AMOUNTS, AccountsPublisher, AccountsState
from steelyard.service.channels.hub import Hub
from steelyard.service.channels.publisher import Mark
from steelyard.service.channels.publishers import frame
from steelyard.service.channels.reader import Reader
from steelyard.service.host import Host
from steelyard.ticks import Event, PriceTick

ACCOUNTS = 10_000
READERS = 200
TICKS_A_SECOND = 20
DESK = Session("bench", frozenset({"read", "risk"}), None)
MEMORY = Path("/dev/shm")
STAGES = ("deciding", "encoding", "the disk", "handing over")


def prepared(folder: Path) -> VenueSession:
    """Return the simulated venue with its accounts, at its first event."""
    return simulated_session(
        1, f"population:{ACCOUNTS}", 3_600, "crash", 1, folder / "bench.journal", None, 1_000_000,
        lambda _: None,
    )  # fmt: skip


@asynccontextmanager
async def hosted(folder: Path) -> AsyncIterator[tuple[VenueSession, Host, Hub]]:
    """Return a started host over the venue, and its hub."""
    session = prepared(folder)
    host = Host(session.journaled, tally=session.tally)
    await host.start()
    try:
        yield session, host, Hub(host)
    finally:
        await host.close()


# -- a change of the accounts --------------------------------------------------------------------


def naive(host: Host) -> bytes:
    """Return all accounts as a list of dictionaries, as a service without columns has them."""
    rows = []
    for shard in host.engine.shards:
        book, results = shard.book, shard.results
        for row in range(book.units):
            told: dict[str, Any] = {
                "unit": book.names[row],
                "state": STATE_NAMES[int(book.state[row])],
                "positions": int(book.count[row]),
            }
            for name in AMOUNTS:
                told[f"{name}_micro"] = int(results[RiskColumns.NAMES.index(name), row])
            rows.append(told)
    return json.dumps(
        {"jsonrpc": "2.0", "method": "subscription",
         "params": {"channel": "accounts.200ms", "data": {"type": "snapshot", "accounts": rows}}}
    ).encode()  # fmt: skip


def changes(host: Host, rounds: int) -> None:
    """Report a change of every row, and one after a tick, against the naive way."""
    publisher, mark = AccountsPublisher(), Mark(1, 0, 9, 9)
    now = publisher.read(host.scene, None)
    other = now._replace(columns=now.columns + 1)

    def change(before: AccountsState) -> bytes:
        state = publisher.read(host.scene, before)
        data = publisher.change(before, state, mark)
        assert data is not None
        return frame("accounts.200ms", data)

    told = msgspec.json.decode(change(other))["params"]["data"]
    rows = json.loads(naive(host))["params"]["data"]["accounts"]
    assert told["equity_micro"] == [each["equity_micro"] for each in rows]
    assert [told["states"][k] for k in told["state"]] == [each["state"] for each in rows]
    every = paired(lambda: change(other), lambda: naive(host), rounds)
    size = len(change(other)) / 1e6
    report(
        f"change of all {len(rows):,} units, worked out and encoded", every.first_s * 1e3, "ms",
        goal="<= 5", note=f"{size:.2f} MB",
    )  # fmt: skip
    report("the same against dictionaries and json.dumps", every.ratio, "×", goal=">= 5")


# -- 200 readers ---------------------------------------------------------------------------------


async def fan_out(host: Host, hub: Hub, rounds: int) -> None:
    """Report what one event costs for 200 readers of the accounts, against dumping for each."""
    readers = [hub.reader(lambda: DESK) for _ in range(READERS)]
    for reader in readers:
        reader.subscribe(["accounts.raw"])
    await host.durable(host.position)
    await asyncio.sleep(0.05)
    for reader in readers:
        await reader.next()
    channel = hub._channels["accounts.raw", False]
    body = channel.snapshot()
    assert body is not None
    rows = json.loads(naive(host))

    def ours() -> None:
        for reader in readers:
            reader.offer(channel, "accounts.raw", body)
        for reader in readers:
            reader._take()

    def theirs() -> None:
        for _ in range(READERS // 10):
            json.dumps(rows)

    found = paired(ours, theirs, rounds, warm_up=1)
    report(f"a frame to {READERS} readers, handed over and read", found.first_s * 1e3, "ms")
    report(f"the same against json.dumps for each of {READERS}", found.ratio * 10, "×", goal=">= 100",
           note=f"timed for {READERS // 10} of them")  # fmt: skip
    for reader in readers:
        reader.close()


# -- from a tick to its delta --------------------------------------------------------------------


def twenty_a_second(session: VenueSession, seconds: int) -> Iterator[Event]:
    """Yield prices of the simulated market, spaced to twenty a second."""
    found = (event for event in session.market.ticks() if isinstance(event, PriceTick))
    start_us = session.engine.market.time_us + 1_000_000
    for number, tick in enumerate(islice(found, seconds * TICKS_A_SECOND)):
        time_us = start_us + number * 1_000_000 // TICKS_A_SECOND
        yield msgspec.structs.replace(tick, time_us=time_us, exchange_time_us=time_us)


async def latency(
    folder: Path, seconds: int, what: str, names: Callable[[list[str]], list[str]]
) -> None:
    """Report p50 and p99 from a tick to the deltas of it before the readers, and each stage's share."""
    async with hosted(folder) as (session, host, hub):
        book = session.engine.shards[0].book
        units = [name for name in book.names if book.count[book.rows[name]] > 2]
        wanted = names(units)
        readers = [hub.reader(lambda: DESK) for _ in range(READERS)]

        async def read(reader: Reader) -> None:
            while await reader.next():
                pass

        for number, reader in enumerate(readers):
            reader.subscribe([wanted[number % len(wanted)]])
        tasks = [asyncio.create_task(read(reader)) for reader in readers]
        await host.drive(twenty_a_second(session, 2), speed=1.0)
        host.stamps.__init__()  # type: ignore[misc]
        await host.drive(twenty_a_second(session, seconds), speed=1.0)
        await host.durable(host.position)
        await asyncio.sleep(0.05)
        stamps = host.stamps.rows()
        for reader in readers:
            reader.close()
        await asyncio.gather(*tasks)
    tell(stamps, what)


def tell(stamps: NDArray[np.int64], what: str) -> None:
    """Report the quantiles of the whole and of its stages."""
    # The disk is often done before the encoding is: it is charged what it keeps the frame waiting.
    at = np.maximum.accumulate(stamps, axis=1) / 1e6
    parts = np.diff(at, axis=1)
    whole = at[:, -1] - at[:, 0]
    p50, p99 = np.quantile(whole, [0.5, 0.99], method="inverted_cdf")
    shares = ", ".join(
        f"{name} {share:.0%}"
        for name, share in zip(STAGES, parts.mean(0) / whole.mean(), strict=True)
    )
    report(f"tick to delta, {what}: p50", float(p50), "ms", note=f"{len(whole)} ticks; {shares}")
    report(f"tick to delta, {what}: p99", float(p99), "ms", goal="<= 20")
    for name, part in zip(STAGES, parts.T, strict=True):
        low, high = np.quantile(part, [0.5, 0.99], method="inverted_cdf")
        report(f"  {name}: p99", float(high), "ms", note=f"p50 {low:.3f} ms")


def sync_times(folder: Path) -> None:
    """Report what one appended and synced write costs on the disk, with pauses as between ticks."""
    took_ms = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(200):
            begun = perf_counter()
            probe.write(bytes(2 * 4_096))
            os.fdatasync(probe.fileno())
            took_ms.append((perf_counter() - begun) * 1e3)
            sleep(0.02)
    p50, p99 = np.quantile(took_ms, [0.5, 0.99], method="inverted_cdf")
    report(
        "the disk alone, 8 KiB appended and synced: p50", float(p50), "ms", note=f"p99 {p99:.1f} ms"
    )


@contextmanager
def busy_thread(*, is_on: bool) -> Iterator[None]:
    """Keep the interpreter busy from another thread."""
    is_over = Over()

    def work() -> None:
        while not is_over.is_set():
            sum(number * number for number in range(20_000))

    thread = Thread(target=work)
    if is_on:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        if is_on:
            thread.join()


def ten(units: list[str]) -> list[str]:
    """Return the channels of ten units."""
    return [f"account.{unit}.raw" for unit in units[:10]]


async def measure(rounds: int, seconds: int) -> None:
    """Run every part on one loop."""
    with tempfile.TemporaryDirectory() as folder:
        async with hosted(Path(folder)) as (_, host, hub):
            changes(host, rounds)
            await fan_out(host, hub, max(3, rounds // 5))
        sync_times(Path(folder))
    for what, names, is_kept, is_busy in (
        ("ten units watched by 200", ten, True, False),
        (
            "a unit each for 200",
            lambda units: [f"account.{unit}.raw" for unit in units[:READERS]],
            True,
            False,
        ),
        ("all accounts for 200", lambda _: ["accounts.raw"], True, False),
        ("ten units, journal in memory", ten, False, False),
        ("ten units, journal in memory, beside a busy thread", ten, False, True),
    ):
        if not is_kept and not MEMORY.is_dir():
            continue
        with (
            tempfile.TemporaryDirectory(dir=None if is_kept else MEMORY) as folder,
            busy_thread(is_on=is_busy),
        ):
            await latency(Path(folder), seconds, what, names)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and seconds")
    options = parser.parse_args()
    print_machine()
    asyncio.run(measure(11 if options.quick else 31, 5 if options.quick else 30))


if __name__ == "__main__":
    main()
