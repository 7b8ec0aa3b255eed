"""Books whose snapshot is on its way: asked for again when it stays away, and never too often."""

from __future__ import annotations

PATIENCE_US = 10_000_000  # a snapshot asked for is there within so long, or is asked for again
OPENING_PATIENCE_US = 60_000_000  # subscriptions of the opening queue up behind each other
PAUSE_US = 2_000_000  # between two questions for the same book
_UNKNOWN = -1


class Awaited:
    """Which markets wait for a snapshot, and when to ask for it again.

    >>> awaited = Awaited()
    >>> awaited.ask("BTC-USD", 0), awaited.ask("BTC-USD", 1_000_000)
    (True, False)
    >>> awaited.overdue(1_500_000), awaited.overdue(2_000_000), awaited.overdue(2_000_001)
    ([], ['BTC-USD'], [])
    """

    def __init__(self) -> None:
        self._due_us: dict[str, int] = {}
        self._asked_us: dict[str, int] = {}

    def __contains__(self, market: object) -> bool:
        return market in self._due_us

    def expect(self, market: str) -> None:
        """Note that the opening asks for a snapshot; when it went out is not known."""
        self._due_us[market] = _UNKNOWN

    def ask(self, market: str, now_us: int) -> bool:
        """Note that a snapshot is needed; True where it may be asked for at once, else `overdue` tells."""
        asked_us = self._asked_us.get(market, _UNKNOWN)
        # A clock set back counts as time enough: waiting for it could take hours.
        if asked_us != _UNKNOWN and 0 <= now_us - asked_us < PAUSE_US:
            self._due_us[market] = asked_us + PAUSE_US
            return False
        self._asked_us[market] = now_us
        self._due_us[market] = now_us + PATIENCE_US
        return True

    def want(self, market: str) -> None:
        """Note that a snapshot is needed; the next `overdue` tells, or one soon after the last question."""
        asked_us = self._asked_us.get(market, _UNKNOWN)
        self._due_us[market] = 0 if asked_us == _UNKNOWN else asked_us + PAUSE_US

    def came(self, market: str) -> None:
        """Note that the snapshot is there, or that none will come."""
        self._due_us.pop(market, None)

    def overdue(self, now_us: int) -> list[str]:
        """Return the markets to ask for now, and take it that they are asked for."""
        asked = []
        for market, due_us in self._due_us.items():
            if due_us == _UNKNOWN:
                self._due_us[market] = now_us + OPENING_PATIENCE_US
            elif due_us <= now_us or due_us - now_us > OPENING_PATIENCE_US:
                asked.append(market)
        for market in asked:
            self._asked_us[market] = now_us
            self._due_us[market] = now_us + PATIENCE_US
        return asked
