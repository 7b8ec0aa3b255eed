"""Whose clock is off: what the time from exchange to receipt says, source by source.

A message needs some time to arrive, never less than none. The shortest way of a stretch of time is
therefore what the two clocks differ by, and little more. One message with a wild time must not decide, so
the stretch is cut into pieces and the median of their shortest ways is read.
"""

from __future__ import annotations

from collections import deque

import msgspec


class SkewRules(msgspec.Struct, frozen=True):
    """bound_us: a clock further off is not believed. piece_us: length of a piece. pieces: how many are
    kept, and pieces_min how many say something. keep_us: a piece older than this is forgotten."""

    bound_us: int = 5_000_000
    piece_us: int = 1_000_000
    pieces: int = 20
    pieces_min: int = 3
    keep_us: int = 600_000_000


class SkewEstimator:
    """The difference between our clock and a source's, from pairs of receive and exchange time.

    skew_us: median over the pieces of the least (received − exchange), None before pieces_min of them;
    below zero the source's clock is ahead of ours. Each message costs O(1) amortised.
    is_off: the source's clock is ahead by more than the bound by that median, or every message since the
    first piece kept is older than the bound: a clock that is behind, or a recording played again. Once off,
    a clock is taken for mended when it is within half the bound.

    >>> clock = SkewEstimator(SkewRules(bound_us=1_000_000))
    >>> for second in range(5):
    ...     clock.add(second * 1_000_000, second * 1_000_000 + 3_600_000_000)
    >>> clock.skew_us, clock.is_off
    (-3600000000, True)
    """

    def __init__(self, rules: SkewRules | None = None) -> None:
        self.rules = rules or SkewRules()
        self.is_off = False
        self.skew_us: int | None = None
        self._pieces: deque[tuple[int, int]] = deque(maxlen=self.rules.pieces)
        self._from_us = 0
        self._least_us: int | None = None
        self._last_us = 0

    def add(self, received_us: int, exchange_time_us: int) -> None:
        """Take a pair of times; an exchange time of 0 says nothing."""
        if exchange_time_us <= 0:
            return
        if received_us < self._last_us - self.rules.piece_us:
            self._forget()  # our own clock was set back: what it said before holds no longer
        self._last_us = received_us
        way_us = received_us - exchange_time_us
        if self._least_us is None:
            self._from_us, self._least_us = received_us, way_us
            return
        if received_us - self._from_us < self.rules.piece_us:
            if way_us < self._least_us:
                self._least_us = way_us
            return
        self._pieces.append((self._from_us, self._least_us))
        self._from_us, self._least_us = received_us, way_us
        self._decide(received_us)

    def _decide(self, received_us: int) -> None:
        """Read the closed pieces: at most `pieces` of them, once a piece."""
        rules, pieces = self.rules, self._pieces
        while pieces and received_us - pieces[0][0] > rules.keep_us:
            pieces.popleft()
        if len(pieces) < rules.pieces_min:
            self.skew_us, self.is_off = None, False
            return
        ways = sorted(way_us for _, way_us in pieces)
        self.skew_us = ways[(len(ways) - 1) // 2]
        bound_us = rules.bound_us // 2 if self.is_off else rules.bound_us
        is_ahead = self.skew_us < -bound_us
        believed = [way_us for way_us in ways if way_us >= -bound_us]
        is_behind = bool(believed) and believed[0] > bound_us
        self.is_off = is_ahead or is_behind

    def _forget(self) -> None:
        self._pieces.clear()
        self._least_us = None
        self.skew_us, self.is_off = None, False
