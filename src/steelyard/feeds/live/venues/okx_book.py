"""OKX: the numbers of one book, which tell whether changes are missing, and what waits for a whole book."""

from __future__ import annotations

from collections import deque

from steelyard.feeds.live.messages import BookChange, BookSnapshot

TOO_OLD_RETRY_US = 500_000  # until a book older than the changes that wait for it is asked again
OVERLAP_US = 1_000_000  # changes that lie before a fetched book are at most so much newer than it
WAITING_MAX = 1_000


class BookTrack:
    """Where one book is in the venue's count.

    held: seqId of the last change that joined, -1 while a whole book is needed. waiting: the changes
    since then, oldest first. is_fresh: nothing has joined the last whole book yet, which may stand in
    the middle of a change or be ahead of the stream. ask_after_us: no fetch before.
    """

    __slots__ = ("ask_after_us", "begun_us", "held", "is_fresh", "waiting")

    def __init__(self) -> None:
        self.held = -1
        self.is_fresh = False
        self.begun_us = 0
        self.ask_after_us = 0
        self.waiting: deque[BookChange] = deque(maxlen=WAITING_MAX)

    def begin(self, whole: BookSnapshot) -> None:
        """Start from a whole book that came in the stream."""
        self.held, self.is_fresh, self.begun_us = whole.sequence, True, whole.exchange_time_us
        self.waiting.clear()

    def join(self, whole: BookSnapshot, now_us: int) -> list[BookChange] | None:
        """Start from a whole book that was fetched and return the waiting changes that follow on it.

        None if it is older than what waits: then it has to be fetched again.
        """
        waiting = list(self.waiting)
        # What came before the venue began a count afresh is no part of a book from after that.
        for at in range(len(waiting) - 1, -1, -1):
            change = waiting[at]
            is_restart = change.last_sequence < change.previous_sequence
            if is_restart and change.exchange_time_us <= whole.exchange_time_us:
                waiting = waiting[at:]
                break
        held, is_fresh = whole.sequence, True
        joined: list[BookChange] = []
        for change in waiting:
            previous, number = change.previous_sequence, change.last_sequence
            if previous == held or (is_fresh and previous < held < number):
                held, is_fresh = number, False
                joined.append(change)
            elif not (is_fresh and number <= held):
                self.ask_after_us = now_us + TOO_OLD_RETRY_US
                return None
        self.begin(whole)
        self.held, self.is_fresh = held, is_fresh
        return joined

    def follow(self, change: BookChange) -> bool:
        """Take a change; False if its numbers show that others are missing."""
        previous, number = change.previous_sequence, change.last_sequence
        if self.held >= 0:
            if previous == self.held or (self.is_fresh and previous < self.held < number):
                self.held, self.is_fresh = number, False
                return True
            is_before = number <= self.held
            is_near = change.exchange_time_us <= self.begun_us + OVERLAP_US
            if self.is_fresh and is_before and is_near:
                return True
        is_missing = self.held >= 0
        self.held = -1
        self.waiting.append(change)
        return not is_missing
