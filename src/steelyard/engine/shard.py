"""A shard: the book of some slots, and the verdicts on its units after a pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from steelyard.book import SLOT_COUNT, Book
from steelyard.decisions import decide_states
from steelyard.decisions.states import State
from steelyard.margin import RiskColumns, order_requirements, require_book
from steelyard.marks import MarketState
from steelyard.terms import Method
from steelyard.valuation.columns import ValuationColumns

RESULTS = len(RiskColumns.NAMES)


class Shard:
    """A book, the results of its last pass, and the next state of each unit."""

    def __init__(self, number: int, assets: int) -> None:
        self.number = number
        self.book = Book(assets)
        self.results = np.zeros((RESULTS, 64), np.int64)
        self.next_state = np.zeros(64, np.int8)
        self.rows = np.arange(64, dtype=np.int64)
        self.acting = 0

    def fit(self) -> None:
        """Make room in the result columns for the units of the book."""
        if self.results.shape[1] < self.book.units:
            width = len(self.book.mode)
            wider = np.zeros((RESULTS, width), np.int64)
            wider[:, : self.results.shape[1]] = self.results
            self.results = wider
            self.next_state = np.zeros(width, np.int8)
            self.rows = np.arange(width, dtype=np.int64)

    def require(
        self,
        market: MarketState,
        columns: ValuationColumns,
        method: Method,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Recompute the risk of the given rows, or of all units."""
        self.fit()
        chosen = self.rows[: self.book.units] if rows is None else rows
        require_book(self.book, market, columns, method, self.results, chosen)
        if self.book.orders:
            order_requirements(self.book, market, columns, method, self.results, rows)

    def decide(
        self,
        levels: NDArray[np.int64],
        now_us: int,
        soften: Callable[[Shard], None] | None = None,
    ) -> list[int]:
        """Return the rows that need an instruction: a new state, or an action that is due.

        soften: takes back decisions that a hold or a grace does not allow, in `next_state`.
        """
        book = self.book
        units = book.units
        if not units:
            return []
        changed = decide_states(
            units, book.state, self.results, book.count, levels, self.next_state
        )
        if soften is not None:
            soften(self)
            changed = 1
        next_state = self.next_state[:units]
        # A bankrupt unit has nothing left to act on: it must not cost a pass at every event.
        acting = (next_state >= State.PARTIAL_REDUCTION) & (next_state != State.BANKRUPT)
        self.acting = int(np.count_nonzero(acting))
        if not changed and not self.acting:
            return []
        due = acting & (book.next_action_us[:units] <= now_us)
        rows: list[int] = np.flatnonzero((next_state != book.state[:units]) | due).tolist()
        return rows


def shard_of_slot(slot: int, shards: int) -> int:
    """Return which of `shards` owns a slot: contiguous ranges of the 256.

    >>> [shard_of_slot(s, 8) for s in (0, 31, 32, 255)]
    [0, 0, 1, 7]
    """
    return slot * shards // SLOT_COUNT
