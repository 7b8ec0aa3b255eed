"""What waits to be sent on one connection, let out no faster than the venue allows."""

from __future__ import annotations

import asyncio
from collections import deque

from steelyard.feeds.live.troubles import trouble


class Outbox:
    """Two queues: answers and keep-alives go before subscriptions, each in its own order.

    interval_us: least time between two frames, kept over reconnects too. queue_max: frames that may
    wait; one more is CONN-E08.
    """

    def __init__(self, interval_us: int, queue_max: int) -> None:
        self._interval_s = interval_us / 1e6
        self._queue_max = queue_max
        self._urgent: deque[tuple[bytes, bool]] = deque()
        self._patient: deque[tuple[bytes, bool]] = deque()
        self._is_filled = asyncio.Event()
        self._free_s = 0.0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._patient)

    def clear(self) -> None:
        """Forget what waits: it was meant for a connection that has ended."""
        self._urgent.clear()
        self._patient.clear()
        self._is_filled.clear()

    def put(self, frame: str, *, is_urgent: bool = False) -> None:
        """Queue a text frame. Errors: CONN-E08 when the queue is full."""
        self._append(self._urgent if is_urgent else self._patient, (frame.encode(), False))

    def put_pong(self, payload: bytes) -> None:
        """Queue the answer to a ping. Errors: CONN-E08 when the queue is full."""
        self._append(self._urgent, (bytes(payload), True))

    def _append(self, queue: deque[tuple[bytes, bool]], frame: tuple[bytes, bool]) -> None:
        if len(self) >= self._queue_max:
            raise trouble(
                "CONN-E08",
                f"{len(self)} frames wait to be sent",
                "what waits fits queue_max",
                "split the subscriptions over more connections",
            )
        queue.append(frame)
        self._is_filled.set()

    async def get(self) -> tuple[bytes, bool]:
        """Return the next frame and whether it is a pong, once it may go out."""
        loop = asyncio.get_running_loop()
        while True:
            await self._is_filled.wait()
            wait_s = self._free_s - loop.time()
            if wait_s > 0.0:
                await asyncio.sleep(wait_s)
                continue  # something more urgent may have come meanwhile
            queue = self._urgent or self._patient
            frame = queue.popleft()
            if not len(self):
                self._is_filled.clear()
            self._free_s = loop.time() + self._interval_s
            return frame
