"""Hosts for tests: the small venue on a journal, and a disk that can be held up or broken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from steelyard.engine import create_engine
from steelyard.engine.recovery import JournaledEngine
from steelyard.journal.store import SqliteJournal
from steelyard.service.host import Host, Step
from tests.support.method import load_method
from tests.support.venue import (
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

Found = TypeVar("Found")
WAIT_S = 20.0


class Hosted(Venue):
    """A venue whose events go through a host once it has one, and are remembered with what became of them."""

    def __init__(self, journaled: JournaledEngine) -> None:
        super().__init__(engine=journaled.engine)
        self.journaled = journaled
        self.host = Host(journaled, title="Test venue")
        self.steps: list[Step] = []
        self.host.observe(self.steps.append)

    def submit(self, event: Any) -> list[Any]:
        """Submit a ready event through the host."""
        outcomes = self.host.submit(event).outcomes
        self.events.append(event)
        return outcomes


def prepared(path: Path, shards: int = 1) -> JournaledEngine:
    """Return an engine on a new journal: the small venue, seven accounts and an insurance fund."""
    journaled = create_engine(path, load_method(), shards)
    venue = open_venue(engine=journaled.engine)
    fund_with(venue, 1_000_000)
    venue.open(
        over_leveraged_long(), over_leveraged_short(), isolated_long(), coin_miner(),
        option_writer("writer", 60_000), hedger(), market_maker(),
    )  # fmt: skip
    return journaled


@asynccontextmanager
async def hosted(path: Path, shards: int = 1) -> AsyncIterator[Hosted]:
    """Return a started host over the small venue; it is closed at the end, whatever stopped it."""
    venue = Hosted(prepared(path, shards))
    await venue.host.start()
    try:
        yield venue
    finally:
        with suppress(Exception):
            await asyncio.wait_for(venue.host.close(), WAIT_S)


def run(work: Callable[[], Any]) -> Any:
    """Run a coroutine function on a loop of its own, within bounds."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work(), 3 * WAIT_S)

    return asyncio.run(bounded())


class Disk:
    """What every journal of the test writes to: it can wait before each flush, or fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        self._error: OSError | None = None
        flush = SqliteJournal.flush

        def held(journal: SqliteJournal, *arguments: Any, **options: Any) -> int:
            assert self._open.wait(3 * WAIT_S)
            if self._error is not None:
                raise self._error
            return flush(journal, *arguments, **options)

        monkeypatch.setattr(SqliteJournal, "flush", held)

    def hold(self) -> None:
        """Let nothing become durable."""
        self._open.clear()

    def release(self) -> None:
        """Let what waits become durable."""
        self._open.set()

    def fail(self) -> None:
        """Let every flush fail from now on, those that wait too."""
        self._error = OSError(28, "No space left on device")
        self._open.set()


@pytest.fixture(name="disk")
def make_disk(monkeypatch: pytest.MonkeyPatch) -> Any:
    disk = Disk(monkeypatch)
    yield disk
    disk.release()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop go on until something holds."""
    for _ in range(int(WAIT_S * 1000)):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never held")
