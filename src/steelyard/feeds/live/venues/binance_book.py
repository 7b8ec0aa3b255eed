"""How the changes of a book join its snapshot: Binance numbers them, spot and futures in two ways.

Changes come over the stream, the snapshot over HTTP, so what comes before the snapshot is kept. A spot
change covers the numbers first … last, and the next begins at last + 1. A futures change covers first …
last too, but numbers are shared by all markets and leave holes: each states `previous`, the last number
of the change before. The snapshot's number may stand in the middle of the first change that is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from steelyard.feeds.live.messages import BookChange, BookSnapshot, Fetch, Message, Status

KEPT_MAX = 3_000
OLD_MAX = 1_000
RETRY_US = 500_000
RETRY_DOUBLINGS_MAX = 5
STOOD_US = 10_000_000
ANSWER_US = 30_000_000

Place = Literal["next", "old", "gap"]


def place_spot(change: BookChange, held: int, *, is_fresh: bool) -> Place:
    """Return where a spot change stands to the number held: first ≤ held + 1 ≤ last is next.

    Once a change has joined (not `is_fresh`), only the very same one again is old: numbers that run
    backwards are a gap, since a venue that counts anew would be ignored for ever.

    >>> place_spot(BookChange("X", [], [], 0, 157, 160), 158, is_fresh=True)
    'next'
    >>> place_spot(BookChange("X", [], [], 0, 157, 160), 150, is_fresh=True)
    'gap'
    """
    if change.last_sequence <= held:
        return "old" if is_fresh or change.last_sequence == held else "gap"
    return "next" if change.first_sequence <= held + 1 else "gap"


def place_futures(change: BookChange, held: int, *, is_fresh: bool) -> Place:
    """Return where a futures change stands to the number held: previous = held is next.

    Right after a snapshot previous ≤ held < last is next: no change lies between previous and first.

    >>> place_futures(BookChange("X", [], [], 0, 157, 160, 149), 149, is_fresh=False)
    'next'
    >>> place_futures(BookChange("X", [], [], 0, 157, 160, 149), 158, is_fresh=True)
    'next'
    >>> place_futures(BookChange("X", [], [], 0, 157, 160, 149), 148, is_fresh=True)
    'gap'
    """
    if change.last_sequence <= held:
        return "old" if is_fresh or change.last_sequence == held else "gap"
    if change.previous_sequence == held or (is_fresh and change.previous_sequence < held):
        return "next"
    return "gap"


class BookAlignment:
    """One market's book between stream and snapshot: messages in, messages out in the order to apply.

    A snapshot that is too old for what was kept is asked for again, at once the first time and then at
    growing intervals; so is one that is not answered. At a gap a Status says so and a Fetch goes out, unless
    the book stood for less than STOOD_US: then the request waits too, since a venue counts what it is asked.
    """

    def __init__(self, market: str, path: str, place: Callable[..., Place]) -> None:
        self.market = market
        self.path = path
        self.place = place
        self.held = -1
        self.is_fresh = False
        self.is_refused = False
        self.kept: deque[BookChange] = deque(maxlen=KEPT_MAX)
        self.old = 0
        self.attempts = 0
        self.ask_at_us = 0
        self.stands_since_us = 0

    def ask(self, now_us: int) -> Fetch:
        """Return the request of a snapshot."""
        self.ask_at_us = now_us + ANSWER_US
        return Fetch(self.market, self.path)

    def begin(self, now_us: int) -> list[Message]:
        """Return a request if none is on its way and no snapshot has come."""
        if self.held >= 0 or self.is_refused or self.ask_at_us:
            return []
        return [self.ask(now_us)]

    def change(self, change: BookChange, now_us: int) -> list[Message]:
        """Return what a change leads to: itself, nothing while it is kept, or a gap."""
        if self.held < 0:
            return self._keep(change, now_us)
        place = self.place(change, self.held, is_fresh=self.is_fresh)
        if place == "next":
            self.held = change.last_sequence
            self.is_fresh = False
            return [change]
        if place == "old":
            self.old += 1
            if self.old < OLD_MAX:
                return []
        return self._lose(change, now_us)

    def snapshot(self, snapshot: BookSnapshot, now_us: int) -> list[Message]:
        """Return the snapshot and the changes that follow on it, or a new request if it is too old."""
        if self.held >= 0:
            return []
        kept, self.kept = self.kept, deque(maxlen=KEPT_MAX)
        self.held, self.is_fresh, self.old = snapshot.sequence, True, 0
        out: list[Message] = [snapshot]
        for change in kept:
            place = self.place(change, self.held, is_fresh=self.is_fresh)
            if place == "next":
                self.held, self.is_fresh = change.last_sequence, False
                out.append(change)
            elif place == "gap":
                # Kept changes follow on each other, so it is the first one that the snapshot misses.
                self.held, self.kept = -1, kept
                return self._ask_again(now_us)
        self.stands_since_us = now_us
        return out

    def failed(self, now_us: int) -> None:
        """Take note that a request brought nothing of use: the next one goes out after a while."""
        self.attempts += 1
        self.ask_at_us = now_us + (RETRY_US << min(self.attempts, RETRY_DOUBLINGS_MAX))

    def refuse(self) -> None:
        """Take note that the venue does not know the market."""
        self.is_refused = True
        self.kept.clear()

    def _keep(self, change: BookChange, now_us: int) -> list[Message]:
        if self.is_refused:
            return []
        if self.kept:
            place = self.place(change, self.kept[-1].last_sequence, is_fresh=False)
            if place == "old":
                return []
            if place == "gap":
                self.kept.clear()
        self.kept.append(change)
        return [self.ask(now_us)] if now_us >= self.ask_at_us else []

    def _lose(self, change: BookChange, now_us: int) -> list[Message]:
        reason = f"held {self.held}, then {change.first_sequence} to {change.last_sequence}"
        if change.previous_sequence >= 0:
            reason += f" after {change.previous_sequence}"
        self.held, self.is_fresh, self.old = -1, False, 0
        self.kept.clear()
        self.kept.append(change)
        if now_us - self.stands_since_us >= STOOD_US:
            self.attempts = 0
        return [Status(self.market, "gap", reason), *self._ask_again(now_us)]

    def _ask_again(self, now_us: int) -> list[Message]:
        """Return a request the first time; later ones go out after a while, with the next change."""
        if self.attempts == 0:
            self.attempts = 1
            return [self.ask(now_us)]
        self.failed(now_us)
        return []
