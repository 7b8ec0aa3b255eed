"""One reader of a channel: what came and is not read yet, and whether something is missing.

A channel with `change_id`s is read as a snapshot and every change after it. Where the change before one is not
the last that was read, or more waits than `queue_max`, what waits is dropped and the channel is subscribed to
again: its reader goes on with a new snapshot. Of other channels, whose data is whole, the oldest goes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Self, TypeVar

import msgspec

from steelyard.service.client.errors import no_sense

Data = TypeVar("Data")


class _Step(msgspec.Struct, frozen=True):
    type: str = ""
    change_id: int | None = None
    previous_change_id: int | None = None


_decode_step = msgspec.json.Decoder(_Step).decode


class Subscription(Generic[Data]):
    """The data of a channel, in order, as `async for` gives it; `close` ends it.

    restarts: how often it went on with a new snapshot since something was missing, for whatever reason.
    """

    def __init__(
        self, channel: str, kind: type[Data], queue_max: int,
        begin: Callable[[Subscription[Any]], Awaitable[None]],
        end: Callable[[Subscription[Any]], Awaitable[None]],
        again: Callable[[Subscription[Any]], None],
    ) -> None:  # fmt: skip
        self.channel = channel
        self.restarts = 0
        self._decode = msgspec.json.Decoder(kind).decode
        self._queue_max = queue_max
        self._begin, self._close, self._again = begin, end, again
        self._queue: deque[msgspec.Raw] = deque()
        self._last: int | None = None
        self._is_waiting = True  # for a snapshot
        self._is_over = False  # more came than was read; subscribed again once it reads
        self._has_begun = False
        self._is_closed = False
        self._error: Exception | None = None
        self._is_ready = asyncio.Event()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __aenter__(self) -> Self:
        """Subscribe. Errors: the refusals of the channel, CLNT-E02 … E04."""
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Unsubscribe."""
        await self.close()

    async def __anext__(self) -> Data:
        """Return the next data, once there is some. Errors: those of `__aenter__`, CLNT-E01."""
        await self._start()
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._is_closed:
                raise StopAsyncIteration
            if self._is_over:
                self._is_over = False
                self._again(self)
            self._is_ready.clear()
            await self._is_ready.wait()
        raw = self._queue.popleft()
        try:
            return self._decode(raw)
        except msgspec.MsgspecError as error:
            raise no_sense(f"{self.channel}: {error}") from None

    async def close(self) -> None:
        """Unsubscribe, and end the loop over it."""
        if not self._is_closed:
            self._is_closed = True
            self._is_ready.set()
            if self._has_begun:
                await self._close(self)

    async def _start(self) -> None:
        if not self._has_begun and not self._is_closed:
            self._has_begun = True
            try:
                await self._begin(self)
            except BaseException:
                self._is_closed = True
                raise

    # -- the client's side -----------------------------------------------------------------------

    def put(self, raw: msgspec.Raw) -> None:
        """Take what came."""
        try:
            step = _decode_step(raw)
        except msgspec.ValidationError:
            step = _Step()
        is_of_changes = step.change_id is not None
        if is_of_changes and not self._is_next(step):
            return
        if len(self._queue) >= self._queue_max:
            if is_of_changes:
                self.restart()
                self._is_over = True
                return
            self._queue.popleft()
        self._queue.append(raw)
        self._is_ready.set()

    def _is_next(self, step: _Step) -> bool:
        if step.type == "snapshot":
            if self._is_over:
                return False  # its reader does not read; it asks for one when it does
            self._is_waiting = False
        elif self._is_waiting:
            return False
        elif step.previous_change_id != self._last:
            self.restart()
            self._again(self)
            return False
        self._last = step.change_id
        return True

    def restart(self) -> None:
        """Drop what waits, and take nothing before the next snapshot."""
        if not self._is_waiting:
            self.restarts += 1
        self._queue.clear()
        self._is_waiting = True

    def fail(self, error: Exception) -> None:
        """Raise an error to the reader, once it has read what waits."""
        self._error = self._error or error
        self._is_ready.set()
