"""The host of an engine: takes events on one loop, tells observers, and says when events are durable."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from time import perf_counter, perf_counter_ns
from typing import NamedTuple

from steelyard.engine.engine import Receipt
from steelyard.engine.recovery import JournaledEngine
from steelyard.publish import Tally
from steelyard.quantities import InvariantError, JournalError, SteelyardError
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.host.chronicle import Chronicle
from steelyard.service.host.copies import Proven, copy_state, prove
from steelyard.service.host.durability import Durability
from steelyard.service.host.playing import JOINED_ORIGIN, paced
from steelyard.service.host.recall import recall
from steelyard.service.host.scene import Checkpoint, Scene
from steelyard.service.host.vitals import (
    DURABLE,
    LATEST,
    STALE_AFTER_US,
    STAMPS_MAX,
    Rate,
    Stamps,
    Vitals,
    latest_quantiles,
    recent_quantiles,
)
from steelyard.ticks import Event, TimeTick

CLOCK_ORIGIN = "host:clock"
OPERATOR = "operator"
TICK_S = 1.0
SWITCH_S = 0.0005  # Python's own 5 ms are what a tick would wait for each thread that works
BACKLOG_MAX = 20_000


class SnapshotPolicy(NamedTuple):
    """When the state is written: after so many events, but not oftener than `apart_s`, or after `every_s`.

    A snapshot of 10,000 accounts has 1.5 MB, costs the loop some 7 ms and a thread 0.2 s of a core in slices.
    """

    every_events: int = 10_000
    every_s: float = 300.0
    apart_s: float = 60.0


class Step(NamedTuple):
    """An event and what became of it: its receipt, or why it was refused."""

    event: Event
    receipt: Receipt | None = None
    error: SteelyardError | None = None


class Host:
    """Owns a journaled engine; everything is called on the loop that `start` ran on.

    An event is applied at once and durable soon after: whoever tells of it to the outside waits with
    `durable`. What the engine or its journal cannot survive ends the host: `failure` says what it was, and
    every call raises it from then on. title: what the venue is called. tally: counts of events before. snapshots:
    when the state is written.
    """

    def __init__(
        self,
        journaled: JournaledEngine,
        *,
        title: str = "Steelyard",
        tally: Tally | None = None,
        snapshots: SnapshotPolicy | None = None,
    ) -> None:
        self.snapshots = snapshots or SnapshotPolicy()
        self.journaled = journaled
        self.engine = journaled.engine
        self.desk = EngineDesk(self.engine)
        self.title = title
        self.chronicle = Chronicle(tally)
        self.tally = self.chronicle.tally
        self.scene = Scene(self.engine, title, self.chronicle, self.desk, self.vitals)
        self.stamps = Stamps()
        self.failure: BaseException | None = None
        self._durability = Durability(0, 0)
        self._observers: list[Callable[[Step], None]] = []
        self._on_durable: list[Callable[[], None]] = []
        self._rate = Rate()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock: asyncio.Task[None] | None = None
        self._drivers = 0
        self._snapshot_seq = 0
        self._snapshot_at = 0.0
        self._copying: asyncio.Future[Proven] | None = None
        self._last_position = 0
        self._joined_seq = 0
        self._switched_s: float | None = None

    # -- living ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind to the running loop, write a snapshot, and put what is loaded out of the collector's reach.

        Threads of this process that hold the interpreter give way after half a millisecond from now on.
        Where the tally has counted nothing of an engine that has a past, what happened is read from the journal.
        """
        self._loop = asyncio.get_running_loop()
        committer = self.journaled.committer
        self._last_position = committer.position
        self._durability.noted(committer.position, self.engine.seq)
        committer.watch(self._say_durable, self._say_failure)
        self._now_durable(committer.durable_position)
        if self.engine.seq and vars(self.tally) == vars(Tally()):
            self._recall()
        self.snapshot()
        self.engine.stopwatch.reset()
        committer.flush_us.clear()
        self._switched_s = sys.getswitchinterval()
        sys.setswitchinterval(min(SWITCH_S, self._switched_s))
        gc.collect()
        gc.freeze()

    def keep_time(self) -> None:
        """Submit a TimeTick a second from now on whenever nobody drives; a drive that ends calls it."""
        if self._clock is None:
            self._clock = asyncio.get_running_loop().create_task(self._tick())

    def _recall(self) -> None:
        """Remember what the journal tells of the time before."""
        try:
            self.journaled.wait()
            path, instruments = self.journaled.path, self.scene.instruments()
            recall(path, self.chronicle, instruments, self.engine.seq)
        except JournalError as error:
            self._fail(error)
            raise

    async def close(self) -> None:
        """Write a last snapshot, wait for the disk and close the journal. Raises what stopped it."""
        if self._clock is not None:
            self._clock.cancel()
        loop = asyncio.get_running_loop()
        if self._copying is not None:
            await asyncio.wait([self._copying])
        if self.failure is None:
            self.snapshot()
        await loop.run_in_executor(None, self.journaled.close)
        self._now_durable(self.journaled.committer.durable_position)
        gc.unfreeze()
        if self._switched_s is not None:
            sys.setswitchinterval(self._switched_s)

    # -- taking events ---------------------------------------------------------------------------

    def submit(self, event: Event) -> Receipt:
        """Take an event and tell the observers; it is durable later.

        Errors: those of admission (told too), and what ended the host.
        """
        return self._submit(event)

    async def command(
        self, make: Callable[[int, str, int], Event], *, origin: str = OPERATOR
    ) -> Receipt:
        """Return what became of make(time_us, origin, origin_seq), once it is durable.

        It is stamped with the engine's own time and the next number of its origin, which goes on after a
        restart. Errors: those of admission, and what ended the host.
        """
        await self.room()
        receipt = self._submit(make(self.engine.market.time_us, origin, self.next_seq(origin)))
        await self.durable(self.journaled.committer.position)
        return receipt

    def next_seq(self, origin: str) -> int:
        """Return the next number of an origin."""
        return self.engine.origin_seqs.get(origin, 0) + 1

    def next_joined_seq(self) -> int:
        """Return a number for joined prices, above those given before though none is submitted yet."""
        self._joined_seq = max(self._joined_seq + 1, self.next_seq(JOINED_ORIGIN))
        return self._joined_seq

    def observe(self, observer: Callable[[Step], None]) -> None:
        """Have an observer called after every event, refused ones too, on the loop's thread."""
        self._observers.append(observer)

    def observe_durable(self, observer: Callable[[], None]) -> None:
        """Have an observer called when more is durable, or when the host has failed."""
        self._on_durable.append(observer)

    async def drive(
        self, events: Iterator[Event] | AsyncIterator[Event], *, speed: float | None
    ) -> None:
        """Play a market: each event when it is due, refused ones told and passed over.

        speed: market seconds a wall second, None for as fast as it goes; an async iterator comes at its own
        pace. Requests are answered between two events. The disk may be behind by 20,000 records, then the
        market waits. When the market ends, the host keeps time itself.
        """
        self._drivers += 1
        played = (
            events
            if isinstance(events, AsyncIterator)
            else paced(events, speed, self.next_joined_seq)
        )
        try:
            async for event in played:
                await self.room()
                self._raise_failure()
                try:
                    self._submit(event)
                except JournalError:
                    raise
                except SteelyardError:
                    continue
        finally:
            self._drivers -= 1
            if self.failure is None:
                self.keep_time()

    async def room(self) -> None:
        """Wait while the disk is so far behind that the engine's next append might have to wait."""
        behind = self.journaled.committer.position - self._durability.position
        if behind > BACKLOG_MAX:
            await self.durable(self.journaled.committer.position - BACKLOG_MAX // 2)

    def _submit(self, event: Event) -> Receipt:
        self._raise_failure()
        arrived_ns = perf_counter_ns()
        try:
            receipt = self.engine.submit(event)
        except JournalError as error:
            self._fail(error)
            raise
        except SteelyardError as error:
            self.chronicle.refuse(event, self.engine.seq, error)
            self._tell(Step(event, error=error))
            raise
        except BaseException as error:
            self._fail(error)
            raise
        self.stamps.begin(receipt.seq, arrived_ns)
        self._last_position = self.journaled.committer.position
        self._durability.noted(self._last_position, receipt.seq)
        self._rate.count(is_own=event.origin == CLOCK_ORIGIN)
        self.scene.take(event, receipt.outcomes)
        self._tell(Step(event, receipt))
        if self._is_snapshot_due():
            self._begin_snapshot()
        return receipt

    def _tell(self, step: Step) -> None:
        for observer in self._observers:
            observer(step)

    async def _tick(self) -> None:
        """Let a second pass in the market with every second of the wall, unless a market does that."""
        last = perf_counter()
        while True:
            await asyncio.sleep(TICK_S)
            if self.failure is not None:
                return
            now = perf_counter()
            passed_us, last = int((now - last) * 1e6), now
            if not self._drivers:
                await self.room()
                time_us = self.engine.market.time_us + passed_us
                tick = TimeTick(time_us, CLOCK_ORIGIN, self.next_seq(CLOCK_ORIGIN))
                with suppress(JournalError, InvariantError):  # they stopped the host, which tells
                    self._submit(tick)

    # -- the disk --------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Return the journal position of the last event with its outcomes."""
        return self._last_position

    @property
    def durable_position(self) -> int:
        """Return the last position that outlives a power cut, as the loop knows it."""
        return self._durability.position

    async def durable(self, position: int) -> None:
        """Return once a position is durable; holds up neither the loop nor a thread. Raises what ended the host."""
        await self._durability.wait(position)

    def snapshot(self) -> None:
        """Prove the sums and write a checkpoint and a snapshot, on the loop. InvariantError ends the host."""
        self._snapshot_seq, self._snapshot_at = self.engine.seq, perf_counter()
        try:
            digest = self.journaled.snapshot()
        except BaseException as error:
            self._fail(error)
            raise
        self._last_position = self.journaled.committer.position
        self._durability.noted(self._last_position, self.engine.seq)
        self.scene.checkpoint = Checkpoint(self.engine.seq, digest.hex(), True)

    def _is_snapshot_due(self) -> bool:
        if self._loop is None or self._copying is not None:
            return False
        since, age_s = self.engine.seq - self._snapshot_seq, perf_counter() - self._snapshot_at
        policy = self.snapshots
        return age_s >= policy.every_s or (since >= policy.every_events and age_s >= policy.apart_s)

    def _begin_snapshot(self) -> None:
        """Copy the state now; a thread encodes and proves it, and the journal gets it behind the loop's back."""
        self._snapshot_seq, self._snapshot_at = self.engine.seq, perf_counter()
        assert self._loop is not None
        state = copy_state(self.engine, self._last_position)
        self._copying = self._loop.run_in_executor(None, prove, state)
        self._copying.add_done_callback(self._end_snapshot)

    def _end_snapshot(self, proving: asyncio.Future[Proven]) -> None:
        self._copying = None
        if proving.cancelled() or self.failure is not None:
            return
        error = proving.exception()
        if error is None:
            seq, position, digest, blob = proving.result()
            try:
                self.journaled.committer.put_snapshot(position, seq, digest, blob)
            except JournalError as refused:
                error = refused
            else:
                self.scene.checkpoint = Checkpoint(seq, digest.hex(), True)
        if error is not None:
            self._fail(error)

    def _say_durable(self, position: int) -> None:
        self._call(self._now_durable, position)

    def _say_failure(self, error: BaseException) -> None:
        self._call(self._fail, error)

    def _call(self, what: Callable[..., None], *arguments: object) -> None:
        """Have the loop call something, from the committer's thread."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:  # the loop has ended: nobody waits any more
            return

    def _now_durable(self, position: int) -> None:
        before = self._durability.seq
        self._durability.advance(position)
        after = self._durability.seq
        for seq in range(max(before, after - STAMPS_MAX) + 1, after + 1):
            self.stamps.stamp(seq, DURABLE)
        for observer in self._on_durable:
            observer()

    def _fail(self, error: BaseException) -> None:
        if self.failure is not None:
            return
        self.failure = error
        self._durability.fail(error)
        for observer in self._on_durable:
            observer()

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    # -- reading ---------------------------------------------------------------------------------

    def vitals(self) -> Vitals:
        """Return how the engine is doing, by the wall clock."""
        watch = self.engine.stopwatch
        return Vitals(
            durable_seq=self._durability.seq,
            is_stale=self._rate.silent_us() > STALE_AFTER_US or self.failure is not None,
            events_per_second=round(self._rate.per_second(), 2),
            decision_us=recent_quantiles(watch.samples(), watch.count, LATEST),
            flush_us=latest_quantiles(self.journaled.committer.flush_us),
            shares=watch.shares(),
            failure=str(self.failure or ""),
        )
