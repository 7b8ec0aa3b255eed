"""Deltas: a snapshot of all accounts, then only what changed, each with the number of the one before.

A reader that sees `previous_change_id` differ from its last `change_id` has missed something and asks
for a snapshot again. One channel has one numbering; the engine is never held up by a reader, who is
handed finished values.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.book import Book
from steelyard.publish.views import AccountView, account_view


class AccountSnapshot(msgspec.Struct, frozen=True):
    """All accounts at one seq; deltas with a larger change_id follow it without a gap."""

    change_id: int
    as_of_seq: int
    accounts: list[AccountView]


class AccountDelta(msgspec.Struct, frozen=True):
    """The accounts whose published numbers or state changed since the change before."""

    change_id: int
    previous_change_id: int
    as_of_seq: int
    accounts: list[AccountView]


class AccountChannel:
    """Remembers what was last published of every unit and says what is new.

    Rows are compared on their six risk amounts, their state and their number of positions.
    """

    def __init__(self) -> None:
        self.change_id = 0
        self._sent: dict[int, NDArray[np.int64]] = {}

    def snapshot(
        self, shards: Sequence[tuple[Book, NDArray[np.int64]]], as_of_seq: int
    ) -> AccountSnapshot:
        """Return every account, and begin the numbering of deltas from here."""
        self._sent = {k: _published(book, results) for k, (book, results) in enumerate(shards)}
        views = [
            account_view(book, row, results, as_of_seq)
            for book, results in shards
            for row in range(book.units)
        ]
        return AccountSnapshot(self.change_id, as_of_seq, sorted(views, key=lambda v: v.unit))

    def delta(
        self, shards: Sequence[tuple[Book, NDArray[np.int64]]], as_of_seq: int
    ) -> AccountDelta | None:
        """Return what changed since the last snapshot or delta; None when nothing did."""
        views: list[AccountView] = []
        for k, (book, results) in enumerate(shards):
            now = _published(book, results)
            before = self._sent.get(k, now[:, :0])
            width = before.shape[1]
            changed = (now[:, :width] != before).any(axis=0)
            rows = np.flatnonzero(changed).tolist() + list(range(width, now.shape[1]))
            views += [account_view(book, row, results, as_of_seq) for row in rows]
            self._sent[k] = now
        if not views:
            return None
        previous, self.change_id = self.change_id, self.change_id + 1
        views.sort(key=lambda view: view.unit)
        return AccountDelta(self.change_id, previous, as_of_seq, views)


def _published(book: Book, results: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the columns a reader sees, one column of the array a unit."""
    units = book.units
    return np.vstack([results[:, :units], book.state[:units], book.count[:units]]).astype(np.int64)
