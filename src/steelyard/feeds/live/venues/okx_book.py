"""OKX: the numbers of one book, which tell whether changes are missing."""

from __future__ import annotations

from collections import deque

TOO_OLD_RETRY_US = 500_000  # until a book older than the changes that wait for it is asked again
JOIN_US_MAX = 10_000_000  # a whole book that joins nothing for so long is no use
WAITING_MAX = 1_000


class BookNumbers:
    """The numbers of one book, and when a whole one has to be fetched.

    held: seqId of the last change that joined, -1 while a whole book is needed. waiting: numbers of the
    changes since, which a whole book has to join.
    """

    __slots__ = ("ask_after_us", "held", "is_fresh", "since_us", "waiting")

    def __init__(self) -> None:
        self.held = -1
        self.is_fresh = False
        self.since_us = 0
        self.ask_after_us = 0
        self.waiting: deque[tuple[int, int]] = deque(maxlen=WAITING_MAX)

    def begin(self, sequence: int, now_us: int) -> None:
        """Start from a whole book that came in the stream."""
        self.held, self.is_fresh, self.since_us = sequence, True, now_us
        self.waiting.clear()

    def joins(self, sequence: int, now_us: int) -> bool:
        """Start from a whole book that was fetched; False if it is older than the changes that wait."""
        waiting = list(self.waiting)
        held, is_fresh = sequence, True
        for previous, number in waiting:
            if previous == held or (is_fresh and previous < held < number):
                held, is_fresh = number, False
            elif not (is_fresh and number <= held):
                self.ask_after_us = now_us + TOO_OLD_RETRY_US
                return False
        self.begin(held, now_us)
        self.is_fresh = is_fresh
        return True

    def follow(self, previous: int, number: int, now_us: int) -> bool:
        """Take the numbers of a change; False if it shows that changes are missing."""
        if self.held < 0:
            self.waiting.append((previous, number))
            return True
        if previous == self.held or (self.is_fresh and previous < self.held < number):
            self.held, self.is_fresh = number, False
            return True
        # A fetched book may be ahead of the stream for a moment; what lies before it is in it already.
        if self.is_fresh and number <= self.held and now_us - self.since_us <= JOIN_US_MAX:
            return True
        self.held = -1
        self.waiting.clear()
        self.waiting.append((previous, number))
        return False
