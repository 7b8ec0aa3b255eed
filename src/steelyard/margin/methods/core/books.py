"""Books: many accounts' positions in columns, as the core works on them.

A leg is a position or a coin balance. Legs are sorted by account, then by instrument, and so by
underlying, expiry and strike; from that order come the segments that features and scans work on:
groups (legs of one account, underlying and expiry) and units (groups of one account and underlying).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.instruments import Floats, Instruments
from steelyard.margin.methods.needs import contracts_of, given
from steelyard.terms.stated import Account

Places = NDArray[np.int64]
POSITION_NAMES = (
    "entry_price", "mark_price", "unrealised_pnl", "unrealised_funding", "stated_delta"
)  # fmt: skip
ACCOUNT_NAMES = ("spot_margin", "mmp_margin", "open_orders_margin", "correlation_contingency")


class Books:
    """Accounts in columns.

    account (L,) int64 ascending; instrument (L,) int32; quantity (L,); stated: name -> (L,), NaN where a
    position does not say; cash (n,); extras: name -> (n,), 0 where not given.
    """

    def __init__(
        self,
        accounts: int,
        account: Places,
        instrument: NDArray[np.int32],
        quantity: Floats,
        cash: Floats,
        stated: dict[str, Floats] | None = None,
        extras: dict[str, Floats] | None = None,
    ) -> None:
        self.size = accounts
        self.account = account
        self.instrument = instrument
        self.quantity = quantity
        self.cash = cash
        self.stated = stated or {}
        self.extras = extras or {}

    def __len__(self) -> int:
        return self.size

    def in_order(self) -> Books:
        """Return the same with legs by account and instrument, which may stand in any order here."""
        order = np.lexsort((self.instrument, self.account))
        stated = {name: column[order] for name, column in self.stated.items()}
        return Books(
            self.size, self.account[order], self.instrument[order], self.quantity[order],
            self.cash, stated, self.extras,
        )  # fmt: skip


class Segments:
    """Where groups and units begin, and who belongs to whom.

    group_start (G+1,) into legs; unit_start (U+1,) into groups; leg_group (L,), group_unit (G,),
    unit_account (U,), unit_underlying (U,); first (G,): the instrument of a group's first leg.
    """

    def __init__(self, books: Books, instruments: Instruments, one_unit_each: bool) -> None:
        legs = books.instrument
        group_of = instruments.group[legs] if len(legs) else np.zeros(0, np.int32)
        under_of = instruments.underlying[legs] if len(legs) else np.zeros(0, np.int32)
        if one_unit_each:
            under_of = np.zeros(len(legs), np.int32)
        new_group = np.ones(len(legs), bool)
        new_unit = np.ones(len(legs), bool)
        if len(legs) > 1:
            same = books.account[1:] == books.account[:-1]
            new_group[1:] = ~(same & (group_of[1:] == group_of[:-1]))
            new_unit[1:] = ~(same & (under_of[1:] == under_of[:-1]))
            new_group |= new_unit
        starts = np.flatnonzero(new_group)
        self.group_start = np.append(starts, len(legs)).astype(np.int64)
        self.leg_group = np.cumsum(new_group) - 1
        self.first = legs[starts]
        group_account = books.account[starts]
        if one_unit_each:
            # Also an account that holds nothing has its unit: some charges fall on coins alone.
            self.unit_account = np.arange(books.size, dtype=np.int64)
            self.group_unit = group_account
            self.unit_start = np.searchsorted(group_account, np.arange(books.size + 1)).astype(
                np.int64
            )
            self.unit_underlying = np.zeros(books.size, np.int64)
        else:
            unit_at = np.flatnonzero(new_unit[starts])
            self.group_unit = np.cumsum(new_unit[starts]) - 1
            self.unit_start = np.append(unit_at, len(starts)).astype(np.int64)
            self.unit_account = group_account[unit_at]
            self.unit_underlying = under_of[starts][unit_at].astype(np.int64)
        self.account_start = np.searchsorted(self.unit_account, np.arange(books.size + 1)).astype(
            np.int64
        )


def book_of(
    account: Account[float], instruments: Instruments, settlement: str, method: str,
    covers: frozenset[str],
) -> Books:  # fmt: skip
    """Return the books of one stated account. Errors: STAT-E02, METH-E03, METH-E04, METH-E05."""
    contracts_of(account, method, covers)
    coins = [
        (name, given(amount, f"account.balances.{name}"))
        for name, amount in account.balances.items()
        if name != settlement
    ]
    names = [position.instrument for position in account.positions] + [name for name, _ in coins]
    quantities = [float(position.quantity) for position in account.positions]
    quantities += [float(amount) for _, amount in coins]
    rows = np.array([instruments.place[name] for name in names], np.int32)
    order = np.argsort(rows, kind="stable")
    stated: dict[str, Floats] = {}
    fields = ("entry_price", "mark_price", "unrealised_pnl", "unrealised_funding", "delta")
    for name, field in zip(POSITION_NAMES, fields, strict=True):
        values = _stated(account.positions, field)
        if values is not None:
            stated[name] = np.array(values + [np.nan] * len(coins))[order]
    extras = {
        name: np.array([getattr(account, name)], np.float64)
        for name in ACCOUNT_NAMES
        if getattr(account, name) is not None
    }
    cash = account.balances.get(settlement, 0.0)
    return Books(
        1,
        np.zeros(len(rows), np.int64),
        rows[order],
        np.array(quantities, np.float64)[order],
        np.array([given(cash, f"account.balances.{settlement}")], np.float64),
        stated,
        extras,
    )


def _stated(positions: Sequence[Any], field: str) -> list[float] | None:
    """Return a field of the positions with NaN where one does not state it; None if none does."""
    values = [getattr(position, field) for position in positions]
    if all(value is None for value in values):
        return None
    return [np.nan if value is None else float(value) for value in values]
