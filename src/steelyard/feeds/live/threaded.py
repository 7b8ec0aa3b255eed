"""Live feeds in a thread of their own: they read on while the engine works, and hand over when asked.

The thread owns all sockets and the driver. It connects at the first `take`. The driver is drained only
when the engine's thread asks with `take`, so what came in the meantime has been conflated.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping

from steelyard.feeds.live.connection import ConnectionRules, RawLog
from steelyard.feeds.live.driver import LiveDriver
from steelyard.feeds.live.stream import Runner, live_events
from steelyard.ticks.events import Event

_JOIN_S = 10.0


class LiveFeeds:
    """Use as a context manager: the connections live as long as the block.

    What a connection raises (an error of the configuration, or a fault) is raised by `take`.
    """

    def __init__(
        self,
        driver: LiveDriver,
        *,
        clock: Callable[[], int],
        runners: Mapping[str, Runner] | None = None,
        rules: ConnectionRules | None = None,
        raw_log: RawLog | None = None,
    ) -> None:
        self.driver = driver
        self._clock = clock
        self._runners = runners
        self._rules = rules
        self._raw_log = raw_log
        self._filled: queue.SimpleQueue[list[Event] | BaseException | None] = queue.SimpleQueue()
        self._is_asked = False
        self._is_ended = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="live-feeds", daemon=True)

    def __enter__(self) -> LiveFeeds:
        self._thread.start()
        self._ready.wait(_JOIN_S)
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def take(self, timeout_s: float) -> list[Event]:
        """Return the events that have gathered, at most so long after asking; empty if none have."""
        if not self._is_asked and not self._is_ended:
            self._is_asked = True
            self._call(self._wanted.set)
        try:
            found = self._filled.get(timeout=timeout_s)
        except queue.Empty:
            return []
        self._is_asked = False
        if found is None:
            self._is_ended = True
            return []
        if isinstance(found, BaseException):
            self._is_ended = True
            raise found
        return found

    def close(self) -> list[list[Event]]:
        """End all connections; return the events that had not been taken. May be called again."""
        if self._thread.is_alive():
            self._call(self._stop_all)
            self._thread.join(_JOIN_S)
        rest = []
        while not self._filled.empty():
            found = self._filled.get()
            if isinstance(found, list):
                rest.append(found)
        self._is_ended = True
        return rest

    # -- the thread's own --------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            asyncio.run(self._follow())
            self._filled.put(None)
        except BaseException as error:
            self._ready.set()
            self._filled.put(error)

    async def _follow(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._wanted = asyncio.Event(), asyncio.Event()
        self._ready.set()
        await self._wanted.wait()
        self._wanted.clear()
        async for events in live_events(
            self.driver,
            clock=self._clock,
            stop=self._stop,
            raw_log=self._raw_log,
            rules=self._rules,
            runners=self._runners,
        ):
            self._filled.put(events)
            if not self._stop.is_set():  # the driver is drained again when asked, not before
                await self._wanted.wait()
                self._wanted.clear()

    def _stop_all(self) -> None:
        self._stop.set()
        self._wanted.set()

    def _call(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop has ended by itself: what it left is in the queue
            return
