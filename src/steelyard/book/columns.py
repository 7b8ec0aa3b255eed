"""The columns of the book. This module alone knows their layout.

Units (rows): mode, state, slot, next_action_us, balances[unit, asset] in ledger units.
Positions (pool): unit u owns rows start[u] … start[u] + count[u] of a block of capacity[u]; each row
is an instrument slot, signed lots, and its cost in fine units (what was paid for it; 0 for options,
whose premium has already moved in cash). Rows of a unit ascend by (underlying, instrument slot).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from steelyard.book.orders import RestingOrder
from steelyard.book.slots import slot_of
from steelyard.terms import FULL_MODES, MarginMode

Cell = TypeVar("Cell", bound=np.generic)

BLOCK_MIN = 4


class Book:
    """Margin units with their balances, positions and orders. One shard owns one book."""

    def __init__(self, assets: int = 1) -> None:
        self.names: list[str] = []
        self.rows: dict[str, int] = {}
        self.units = 0
        self.asset_count = assets
        self.mode = np.zeros(64, np.int8)
        self.state = np.zeros(64, np.int8)
        self.slot = np.zeros(64, np.int16)
        self.next_action_us = np.zeros(64, np.int64)
        self.balances = np.zeros((64, max(assets, 1)), np.int64)
        self.start = np.zeros(64, np.int64)
        self.count = np.zeros(64, np.int64)
        self.capacity = np.zeros(64, np.int64)
        self.pool_used = 0
        self.instrument = np.zeros(256, np.int32)
        self.quantity = np.zeros(256, np.int64)
        self.cost = np.zeros(256, np.int64)
        self.orders: dict[int, dict[str, RestingOrder]] = {}

    # -- rows ------------------------------------------------------------------------------------

    def add_unit(self, name: str, mode: MarginMode) -> int:
        """Give a margin unit its row and return it."""
        assert name not in self.rows
        row = self.units
        if row >= len(self.mode):
            self._grow_units()
        self.names.append(name)
        self.rows[name] = row
        self.mode[row] = FULL_MODES.index(mode)
        self.slot[row] = slot_of(name)
        self.units += 1
        return row

    def widen_assets(self, assets: int) -> None:
        """Give every unit a zero balance in assets listed since; columns grow in steps of eight."""
        self.asset_count = assets
        if assets > self.balances.shape[1]:
            wider = np.zeros((len(self.balances), -(-assets // 8) * 8), np.int64)
            wider[:, : self.balances.shape[1]] = self.balances
            self.balances = wider

    # -- positions -------------------------------------------------------------------------------

    def positions(self, row: int) -> list[tuple[int, int, int]]:
        """Return the unit's positions as (instrument slot, lots, cost), in their order."""
        first, last = int(self.start[row]), int(self.start[row] + self.count[row])
        return list(
            zip(
                self.instrument[first:last].tolist(),
                self.quantity[first:last].tolist(),
                self.cost[first:last].tolist(),
                strict=True,
            )
        )

    def position(self, row: int, instrument: int) -> tuple[int, int]:
        """Return (lots, cost) of one instrument, zeros when the unit does not hold it."""
        at = self._find(row, instrument)
        return (0, 0) if at < 0 else (int(self.quantity[at]), int(self.cost[at]))

    def set_position(
        self, row: int, instrument: int, quantity: int, cost: int, underlying_of: NDArray[np.int32]
    ) -> None:
        """Write a position; zero lots remove it (and must leave no cost behind)."""
        assert quantity != 0 or cost == 0, "a closed position has no cost left"
        at = self._find(row, instrument)
        if at >= 0 and quantity:
            self.quantity[at] = quantity
            self.cost[at] = cost
        elif at >= 0:
            self._remove(row, at)
        elif quantity:
            self._insert(row, instrument, quantity, cost, underlying_of)

    def _find(self, row: int, instrument: int) -> int:
        first, last = int(self.start[row]), int(self.start[row] + self.count[row])
        for at in range(first, last):
            if self.instrument[at] == instrument:
                return at
        return -1

    def _remove(self, row: int, at: int) -> None:
        last = int(self.start[row] + self.count[row]) - 1
        for column in (self.instrument, self.quantity, self.cost):
            column[at:last] = column[at + 1 : last + 1].copy()
            column[last] = 0
        self.count[row] -= 1

    def _insert(
        self, row: int, instrument: int, quantity: int, cost: int, underlying_of: NDArray[np.int32]
    ) -> None:
        if self.count[row] == self.capacity[row]:
            self._move_block(row)
        first, last = int(self.start[row]), int(self.start[row] + self.count[row])
        key = (int(underlying_of[instrument]), instrument)
        at = first
        while (
            at < last and (int(underlying_of[self.instrument[at]]), int(self.instrument[at])) < key
        ):
            at += 1
        for column, value in (
            (self.instrument, instrument),
            (self.quantity, quantity),
            (self.cost, cost),
        ):
            column[at + 1 : last + 1] = column[at:last].copy()
            column[at] = value
        self.count[row] += 1

    def _move_block(self, row: int) -> None:
        """Give a full unit a block of twice the size at the end of the pool."""
        size = max(BLOCK_MIN, 2 * int(self.capacity[row]))
        while self.pool_used + size > len(self.instrument):
            self.instrument = _doubled(self.instrument)
            self.quantity = _doubled(self.quantity)
            self.cost = _doubled(self.cost)
        old, used = int(self.start[row]), int(self.count[row])
        new = self.pool_used
        for column in (self.instrument, self.quantity, self.cost):
            column[new : new + used] = column[old : old + used]
            column[old : old + used] = 0
        self.start[row] = new
        self.capacity[row] = size
        self.pool_used += size

    # -- orders ----------------------------------------------------------------------------------

    def put_order(self, row: int, order: RestingOrder) -> None:
        """Add a resting order, or replace the one of the same id; zero lots remove it."""
        if order.quantity:
            self.orders.setdefault(row, {})[order.order] = order
            return
        self.drop_order(row, order.order)

    def drop_order(self, row: int, order: str) -> None:
        """Remove a resting order if it is there."""
        of_unit = self.orders.get(row, {})
        of_unit.pop(order, None)
        if not of_unit:
            self.orders.pop(row, None)

    def orders_of(self, row: int) -> list[RestingOrder]:
        """Return a unit's resting orders by id."""
        return [order for _, order in sorted(self.orders.get(row, {}).items())]

    def _grow_units(self) -> None:
        for name in (
            "mode", "state", "slot", "next_action_us", "balances", "start", "count", "capacity",
        ):  # fmt: skip
            setattr(self, name, _doubled(getattr(self, name)))


def _doubled(column: NDArray[Cell]) -> NDArray[Cell]:
    wider = np.zeros((2 * len(column), *column.shape[1:]), column.dtype)
    wider[: len(column)] = column
    return wider
