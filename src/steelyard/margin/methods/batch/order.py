"""Sorting legs by account and then by instrument, in time that grows with their number alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.valuation.compiled import kernel

Places = NDArray[np.int64]
LONGS = types.Array(types.int64, 1, "C", readonly=True)
OUT = types.Array(types.int64, 1, "C")


@kernel(types.void(LONGS, LONGS, OUT, OUT))
def fill_sorted(key: Any, order: Any, start: Any, out: Any) -> None:
    """Write the places `order` stably sorted by their key; `start` has one more entry than keys."""
    for k in range(start.shape[0]):
        start[k] = 0
    for i in range(key.shape[0]):
        start[key[i] + 1] += 1
    for k in range(1, start.shape[0]):
        start[k] += start[k - 1]
    for i in range(order.shape[0]):
        at = order[i]
        out[start[key[at]]] = at
        start[key[at]] += 1


def sorted_by(account: Places, rank: Places, accounts: int, ranks: int) -> Places | None:
    """Return the order of legs by account, then by rank, equal ones as they stand; None if they are so.

    account (L,) below `accounts`, rank (L,) below `ranks`.

    >>> sorted_by(np.array([1, 0, 1]), np.array([5, 3, 2]), 2, 6).tolist()
    [1, 2, 0]
    """
    if len(account) < 2 or bool(
        (
            (account[1:] > account[:-1]) | ((account[1:] == account[:-1]) & (rank[1:] >= rank[:-1]))
        ).all()
    ):
        return None
    first, second = np.empty(len(account), np.int64), np.empty(len(account), np.int64)
    fill_sorted(rank, np.arange(len(rank)), np.empty(ranks + 1, np.int64), first)
    fill_sorted(account, first, np.empty(accounts + 1, np.int64), second)
    return second
