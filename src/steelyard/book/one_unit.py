"""One margin unit as a book of its own: a row that no engine owns, for asking what would be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steelyard.book.columns import Book
from steelyard.book.orders import RestingOrder

Positions = Sequence[tuple[int, int, int]]
"""(instrument slot, lots, cost), ascending by (underlying, slot), as a book has them."""

# What no question about one unit writes: shared by all of them. The
# kernel takes `start`, whose type would be another one if it could not be written.
_STATE, _SLOT = np.zeros(1, np.int8), np.zeros(1, np.int16)
_TIME_US, _START = np.zeros(1, np.int64), np.zeros(1, np.int64)
for _shared in (_STATE, _SLOT, _TIME_US):
    _shared.flags.writeable = False


class OneUnit(Book):
    """A book of one row, exactly as long as what it holds; `mode` is its number in FULL_MODES.

    >>> book = OneUnit("amy", 2, [5_000_000], [(3, -2, 700)], [])
    >>> book.positions(0), book.position(0, 3), book.orders_of(0)
    ([(3, -2, 700)], (-2, 700), [])
    """

    def __init__(
        self,
        name: str,
        mode: int,
        balances: Sequence[int],
        positions: Positions,
        orders: Sequence[RestingOrder],
    ) -> None:
        self.names = [name]
        self.rows = {name: 0}
        self.units = 1
        self.asset_count = len(balances)
        self.mode = np.array([mode], np.int8)
        self.state = _STATE
        self.slot = _SLOT
        self.next_action_us = _TIME_US
        self.balances = np.array([balances], np.int64)
        self.start = _START
        self.count = self.capacity = np.array([len(positions)], np.int64)
        self.pool_used = len(positions)
        slots, lots, costs = zip(*positions, strict=True) if positions else ((), (), ())
        self.instrument = np.array(slots, np.int32)
        self.quantity = np.array(lots, np.int64)
        self.cost = np.array(costs, np.int64)
        self.orders = {0: {order.order: order for order in orders}} if orders else {}
