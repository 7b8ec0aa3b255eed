"""Playing a market into an engine: at its pace, with prices joined while the engine is behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from threading import Thread
from time import perf_counter

from steelyard.ticks import Event, PriceBatch, PriceTick, QuoteTick, SourcePrice

BEHIND_S = 0.1
JOINED_MAX = 5_000
GATHERED_MAX = 256
JOINED_ORIGIN = "host:joined"

NextSeq = Callable[[], int]
"""Returns the next number of the origin of joined prices."""


def joined(events: Iterable[Event], next_seq: NextSeq) -> list[Event]:
    """Return the events with each run of prices and quotes as one PriceBatch and each perpetual's last quote.

    Prices keep their order; only runs are joined, so nothing else changes its place.
    """
    found: list[Event] = []
    prices: list[PriceTick] = []
    quotes: dict[str, QuoteTick] = {}

    def end_run() -> None:
        run: list[Event] = list(quotes.values())
        if len(prices) > 1:
            said = [
                SourcePrice(
                    p.source, p.asset, p.price, p.exchange_time_us, p.confidence, p.quantity
                )
                for p in prices
            ]
            run.append(PriceBatch(prices[-1].time_us, JOINED_ORIGIN, next_seq(), said))
        else:
            run += prices
        found.extend(sorted(run, key=lambda event: event.time_us))
        prices.clear()
        quotes.clear()

    for event in events:
        if isinstance(event, PriceTick):
            prices.append(event)
        elif isinstance(event, QuoteTick):
            quotes.pop(event.instrument, None)
            quotes[event.instrument] = event
        else:
            end_run()
            found.append(event)
    end_run()
    return found


async def paced(
    events: Iterator[Event], speed: float | None, next_seq: NextSeq
) -> AsyncIterator[Event]:
    """Yield the events when they are due: `speed` market seconds a wall second, None for at once.

    Yields to the loop before each. When a tenth of a second behind, what is due by now is joined.
    """
    first_us, began = -1, perf_counter()
    held: Event | None = None
    while (event := held or next(events, None)) is not None:
        held = None
        if speed is None:
            await asyncio.sleep(0)
            yield event
            continue
        if first_us < 0:
            first_us = event.time_us

        def due(each: Event) -> float:
            return began + (each.time_us - first_us) / 1e6 / speed  # noqa: B023

        late = perf_counter() - due(event)
        if late <= BEHIND_S:
            await asyncio.sleep(max(0.0, -late))
            yield event
            continue
        run = [event]
        now = perf_counter()
        while len(run) < JOINED_MAX and (held := next(events, None)) is not None:
            if due(held) > now:
                break
            run.append(held)
            held = None
        for each in joined(run, next_seq):
            await asyncio.sleep(0)
            yield each


async def from_thread(events: Iterator[Event], next_seq: NextSeq) -> AsyncIterator[Event]:
    """Yield the events of an iterator that waits (live feeds), read by a thread of its own.

    The thread is at most 256 events ahead, then it waits, so that feeds join what comes meanwhile; what
    has gathered is joined too. Raises what the iterator raises. Closing it ends the thread at its next event.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue(GATHERED_MAX)
    is_closed = False

    def work() -> None:
        said: BaseException | None = None
        try:
            for event in events:
                if is_closed:
                    return
                asyncio.run_coroutine_threadsafe(queue.put(event), loop).result()
        except BaseException as error:
            said = error
        try:
            asyncio.run_coroutine_threadsafe(queue.put(said), loop).result()
        except BaseException:  # the loop is gone: nobody is left to be told
            return

    Thread(target=work, name="market", daemon=True).start()
    try:
        while True:
            gathered: deque[Event | BaseException | None] = deque([await queue.get()])
            while not queue.empty():
                gathered.append(queue.get_nowait())
            ready = [each for each in gathered if isinstance(each, Event)]
            for event in joined(ready, next_seq) if len(ready) > 1 else ready:
                yield event
                await asyncio.sleep(0)
            last = gathered[-1]
            if last is None:
                return
            if isinstance(last, BaseException):
                raise last
    finally:
        is_closed = True
        while not queue.empty():
            queue.get_nowait()
