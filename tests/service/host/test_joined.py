"""Joined prices of one run, several batches of them: each has a number of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import sleep

from steelyard.service.host.playing import JOINED_ORIGIN
from steelyard.ticks import Event, PriceBatch, PriceTick, TimeTick
from tests.service.host.hosts import hosted, run
from tests.support.venue import START_US

MARKET_US = 60_000_000


def late(runs: int) -> Iterator[Event]:
    """Yield one event in time, then runs of prices with clock ticks between that are all overdue."""
    base = START_US + MARKET_US
    yield TimeTick(base, "late:clock", 1)
    sleep(0.3)
    number = 0
    for turn in range(1, runs + 1):
        for _ in range(3):
            number += 1
            at = base + turn * 1_000 + number
            yield PriceTick(at, "late:prices", number, "alpha", "BTC", 99_000.0 + number, at)
        yield TimeTick(base + turn * 1_000 + number, "late:clock", turn + 1)


def test_HOST_006_batches_of_one_run_have_rising_numbers(tmp_path: Path) -> None:
    async def work() -> None:
        async with hosted(tmp_path / "late.journal") as venue:
            await asyncio.wait_for(venue.host.drive(late(4), speed=1.0), 10)
            batches = [s.event for s in venue.steps if isinstance(s.event, PriceBatch)]
            assert [s.error for s in venue.steps if s.error is not None] == []
            assert len(batches) == 4
            assert [b.origin_seq for b in batches] == [1, 2, 3, 4]
            assert venue.engine.origin_seqs[JOINED_ORIGIN] == 4

    run(work)
