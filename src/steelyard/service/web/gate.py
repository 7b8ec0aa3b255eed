"""What connections are held to: how many are let in, and how long each may take, or keep others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DIRECT_S = (
    0.002  # in which requests of a packet are answered where they end, the rest in turn with others
)
CUT_S = 2.0  # after which a connection that was closed is cut off


class Gate:
    """Counts connections, in all and by address.

    >>> gate = Gate(2, 1)
    >>> gate.enter("192.0.2.1"), gate.enter("192.0.2.1"), gate.enter("192.0.2.2")
    (True, False, True)
    >>> gate.leave("192.0.2.1"); gate.enter("192.0.2.1")
    True
    """

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._of: dict[str, int] = {}
        self.held = 0

    def enter(self, address: str) -> bool:
        """Return whether one more connection of an address is let in."""
        of_address = self._of.get(address, 0)
        if self.held >= self._most or of_address >= self._most_of_address:
            return False
        self.held += 1
        self._of[address] = of_address + 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection that went."""
        self.held -= 1
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]


class Deadline:
    """What is done where something does not come in its time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, then: Callable[[], object]
    ) -> None:
        self._loop, self._seconds, self._then = loop, seconds, then
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin the time; one that runs goes on."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._passed)

    def end(self) -> None:
        """End the time: it came, or is no longer waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _passed(self) -> None:
        self._timer = None
        self._then()
