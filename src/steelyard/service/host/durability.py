"""Waiting for the disk without a thread: futures by journal position."""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heappop, heappush
from itertools import count


class Durability:
    """What is durable, and who waits for what will be. Lives on one loop.

    position, seq: the last that outlive a power cut. `noted` tells which seq a position belongs to.
    """

    def __init__(self, position: int, seq: int) -> None:
        self.position = position
        self.seq = seq
        self._noted: deque[tuple[int, int]] = deque()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._failure: BaseException | None = None

    def noted(self, position: int, seq: int) -> None:
        """Remember that everything up to `position` is of events up to `seq`."""
        self._noted.append((position, seq))

    def advance(self, position: int) -> None:
        """Let everything up to a position be durable, and wake who waits for it."""
        self.position = max(self.position, position)
        while self._noted and self._noted[0][0] <= self.position:
            self.seq = self._noted.popleft()[1]
        while self._waiting and self._waiting[0][0] <= self.position:
            future = heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    def fail(self, failure: BaseException) -> None:
        """Let everyone fail who waits now or later for what is not durable yet."""
        self._failure = failure
        while self._waiting:
            future = heappop(self._waiting)[2]
            if not future.done():
                future.set_exception(failure)

    async def wait(self, position: int) -> None:
        """Return once `position` is durable. Raises what stopped the journal."""
        if position <= self.position:
            return
        if self._failure is not None:
            raise self._failure
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (position, next(self._numbers), future))
        await future
