"""The order book of one market, kept from its snapshots and changes.

Each side is a list of keys in rising order with the best at its end, so that what happens near the best
price moves few of them; a bid's key is its price, an ask's its price negated. Numbers of messages are held
against each other: after a gap the book is not intact until the next snapshot joins what came since.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Literal

from steelyard.feeds.live.messages import BookChange, BookSnapshot

Level = tuple[float, float]
"""(price, quantity)."""

Outcome = Literal["applied", "old", "waiting", "gap", "checksum", "malformed"]
"""applied; old (nothing new in it); waiting (kept for the next snapshot); or why the book broke."""

LEVELS_MAX = 5_000
WAITING_MAX = 1_000


class _Side:
    """One side: keys rising, best last; level and time of last change by key.

    horizon: the best key that was ever let go for want of room. What lies at or behind it is not known
    whole, so nothing is taken there until a snapshot.
    """

    __slots__ = ("changed_us", "horizon", "keys", "levels", "sign")

    def __init__(self, sign: float) -> None:
        self.sign = sign
        self.keys: list[float] = []
        self.levels: dict[float, Level] = {}
        self.changed_us: dict[float, int] = {}
        self.horizon = -inf

    def replace(self, levels: Sequence[Level], time_us: int, levels_max: int) -> bool:
        """Take a whole side; a level that stays as it was keeps its time. False if a number is none."""
        held: dict[float, Level] = {}
        changed_us: dict[float, int] = {}
        before, since = self.levels, self.changed_us
        for level in levels:
            price, quantity = level
            if not (0.0 < price < inf and 0.0 <= quantity < inf):
                return False
            key = self.sign * price
            if quantity == 0.0:
                held.pop(key, None)
                continue
            held[key] = level
            changed_us[key] = since[key] if before.get(key) == level else time_us
        self.keys = sorted(held)
        self.levels, self.horizon = held, -inf
        self.changed_us = {key: changed_us[key] for key in self.keys}
        self.bound(levels_max, keeps_horizon=True)
        return True

    def merge(self, levels: Sequence[Level], time_us: int) -> bool:
        """Take changed levels, quantity 0 removes one. False if a number is none."""
        keys, held, changed_us = self.keys, self.levels, self.changed_us
        sign, horizon = self.sign, self.horizon
        for level in levels:
            price, quantity = level
            key = sign * price
            before = held.get(key)
            if before == level:
                continue
            # A price that is held is sound, so only one that is not has to be looked at.
            if before is None and not 0.0 < price < inf:
                return False
            if 0.0 < quantity < inf:
                if before is None:
                    if key <= horizon:
                        continue
                    insort(keys, key)
                held[key] = level
                changed_us[key] = time_us
            elif quantity != 0.0:
                return False
            elif before is not None:
                del held[key], changed_us[key], keys[bisect_left(keys, key)]
        return True

    def bound(self, levels_max: int, *, keeps_horizon: bool) -> None:
        """Let the worst levels go beyond `levels_max`."""
        excess = len(self.keys) - levels_max
        if excess <= 0:
            return
        for key in self.keys[:excess]:
            del self.levels[key], self.changed_us[key]
        if keeps_horizon:
            self.horizon = max(self.horizon, self.keys[excess - 1])
        del self.keys[:excess]

    def best(self, count: int) -> list[float]:
        """Return the best keys, best first."""
        return self.keys[: -count - 1 : -1]


class OrderBook:
    """The levels of one market, and whether they can be trusted.

    levels_max: kept on each side, the best ones. is_windowed: the venue itself shows that many and sends a
    level again when it comes back into sight (Kraken); otherwise what was let go stays unknown until a
    snapshot. checksum: what the venue's checksum of this book would be; a change that states another one
    breaks the book.

    is_intact: a snapshot came and every message since. broken_by: why not, empty at first and while intact.
    sequence: number of the last message, -1 if the venue states none. exchange_time_us: of the last message.
    gaps: how often the book broke.

    >>> book = OrderBook()
    >>> book.apply(BookSnapshot("X", [(99.0, 1.0)], [(101.0, 2.0), (102.0, 3.0)], 5, sequence=7))
    'applied'
    >>> book.apply(BookChange("X", [(99.5, 4.0)], [(101.0, 0.0)], 6, first_sequence=8, last_sequence=9))
    'applied'
    >>> book.top(1)
    ([(99.5, 4.0)], [(102.0, 3.0)])
    >>> book.apply(BookChange("X", [], [], 7, first_sequence=11, last_sequence=11)), book.is_intact
    ('gap', False)
    """

    def __init__(
        self,
        levels_max: int = LEVELS_MAX,
        *,
        is_windowed: bool = False,
        checksum: Callable[[OrderBook], int] | None = None,
    ) -> None:
        assert levels_max > 0
        self.levels_max = levels_max
        self.is_windowed = is_windowed
        self.checksum = checksum
        self.is_intact = False
        self.broken_by: str = ""
        self.sequence = -1
        self.exchange_time_us = 0
        self.gaps = 0
        self._bids, self._asks = _Side(1.0), _Side(-1.0)
        self._is_fresh = False
        self._waiting: deque[tuple[BookChange, int]] = deque(maxlen=WAITING_MAX)

    def apply(self, message: BookSnapshot | BookChange, received_us: int = 0) -> Outcome:
        """Take a message in and return what became of it; `received_us` stands in for a missing time."""
        if isinstance(message, BookSnapshot):
            return self._begin(message, received_us)
        if not self.is_intact:
            if message.last_sequence < 0:
                return "old"
            self._waiting.append((message, received_us))
            return "waiting"
        return self._change(message, received_us)

    def _begin(self, snapshot: BookSnapshot, received_us: int) -> Outcome:
        """Start from a snapshot, then take what waited for it."""
        time_us = snapshot.exchange_time_us or received_us
        # Numbers below those already seen: the venue counts afresh, what waited is of the old count.
        if snapshot.sequence < self.sequence or snapshot.sequence < 0:
            self._waiting.clear()
        if not (
            self._bids.replace(snapshot.bids, time_us, self.levels_max)
            and self._asks.replace(snapshot.asks, time_us, self.levels_max)
        ):
            return self._break("malformed")
        self._bound()
        self.is_intact, self.broken_by, self._is_fresh = True, "", True
        self.sequence, self.exchange_time_us = snapshot.sequence, time_us
        waiting = list(self._waiting)
        self._waiting.clear()
        for position, (change, at_us) in enumerate(waiting):
            outcome = self._change(change, at_us)
            if not self.is_intact:
                # Where the snapshot is older than what waited, the next one may join the rest.
                self._waiting.extend(waiting[position + 1 :])
                return outcome
        return "applied"

    def _change(self, change: BookChange, received_us: int) -> Outcome:
        """Take a change if it joins what the book holds."""
        joins = self._joins(change)
        if joins != "applied":
            return joins if joins == "old" else self._break("gap", change, received_us)
        time_us = change.exchange_time_us or received_us
        if not (self._bids.merge(change.bids, time_us) and self._asks.merge(change.asks, time_us)):
            return self._break("malformed")
        self._bound()
        self._is_fresh = False
        if change.last_sequence >= 0:
            self.sequence = change.last_sequence
        self.exchange_time_us = time_us
        if self.checksum is None or change.checksum is None:
            return "applied"
        return "applied" if self.checksum(self) == change.checksum else self._break("checksum")

    def _joins(self, change: BookChange) -> Outcome:
        """Return whether the numbers of a change follow on the book's: applied, old or gap.

        Where the number of the change before is stated it has to be the book's own; right after a snapshot,
        which may stand in the middle of a change, it may be below it. Where only a range is stated it has to
        reach back to the number that comes next.
        """
        last, previous, held = change.last_sequence, change.previous_sequence, self.sequence
        if last < 0 or held < 0 or previous == held:
            return "applied"
        if last <= held:
            return "old"
        if previous >= 0:
            return "applied" if self._is_fresh and previous < held else "gap"
        first = change.first_sequence if change.first_sequence >= 0 else last
        return "applied" if first <= held + 1 else "gap"

    def _break(
        self, reason: Outcome, change: BookChange | None = None, received_us: int = 0
    ) -> Outcome:
        self.is_intact, self.broken_by = False, reason
        self.gaps += 1
        self._waiting.clear()
        if change is not None:
            self._waiting.append((change, received_us))
        return reason

    def lose(self, reason: str) -> None:
        """Say that messages are missing, as a feed knows after a reconnect: a snapshot is needed."""
        if self.is_intact:
            self._break("gap")
        self._waiting.clear()
        self.broken_by = reason

    def _bound(self) -> None:
        keeps = not self.is_windowed
        if len(self._bids.keys) > self.levels_max:
            self._bids.bound(self.levels_max, keeps_horizon=keeps)
        if len(self._asks.keys) > self.levels_max:
            self._asks.bound(self.levels_max, keeps_horizon=keeps)

    @property
    def best_bid(self) -> float:
        """Best bid, 0 where there is none."""
        return self._bids.keys[-1] if self._bids.keys else 0.0

    @property
    def best_ask(self) -> float:
        """Best ask, 0 where there is none."""
        return -self._asks.keys[-1] if self._asks.keys else 0.0

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        return bool(self._bids.keys and self._asks.keys) and self.best_bid >= self.best_ask

    @property
    def is_thin(self) -> bool:
        """Whether a side ran down towards what was let go, so that a fresh snapshot is due."""
        return any(
            side.horizon > -inf and 4 * len(side.keys) < self.levels_max
            for side in (self._bids, self._asks)
        )

    @property
    def level_counts(self) -> tuple[int, int]:
        """How many bids and asks are held."""
        return len(self._bids.keys), len(self._asks.keys)

    def top(self, n: int) -> tuple[list[Level], list[Level]]:
        """Return the n best (price, quantity) of each side, best first: (bids, asks)."""
        bids, asks = self._bids.levels, self._asks.levels
        return [bids[key] for key in self._bids.best(n)], [asks[key] for key in self._asks.best(n)]

    def columns(self, n: int) -> tuple[list[float], list[float], list[float], list[float]]:
        """Return the n best as a BookTick has them: bid prices, quantities, ask prices, quantities."""
        bids, asks = self.top(n)
        return (
            [price for price, _ in bids],
            [quantity for _, quantity in bids],
            [price for price, _ in asks],
            [quantity for _, quantity in asks],
        )

    def changed_us(self, n: int) -> tuple[list[int], list[int]]:
        """Return when each of the n best levels last changed its quantity: (bids, asks)."""
        return (
            [self._bids.changed_us[key] for key in self._bids.best(n)],
            [self._asks.changed_us[key] for key in self._asks.best(n)],
        )

    def levels_within(self, share: float) -> tuple[list[Level], list[Level]]:
        """Return the levels no further than `share` of the mid from it, best first: (bids, asks).

        Without a mid, because a side is empty, there are none.

        >>> book = OrderBook()
        >>> _ = book.apply(BookSnapshot("X", [(99.0, 1.0), (90.0, 1.0)], [(101.0, 2.0)], 5))
        >>> book.levels_within(0.05)
        ([(99.0, 1.0)], [(101.0, 2.0)])
        """
        if not (self._bids.keys and self._asks.keys):
            return [], []
        mid = 0.5 * (self.best_bid + self.best_ask)
        bids = len(self._bids.keys) - bisect_left(self._bids.keys, mid * (1.0 - share))
        asks = len(self._asks.keys) - bisect_left(self._asks.keys, -mid * (1.0 + share))
        return self.top(bids)[0], self.top(asks)[1]
