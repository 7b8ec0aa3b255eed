"""Accounts, their margin mode, and the records they are loaded from."""

from __future__ import annotations

from typing import Literal

import msgspec

MarginMode = Literal["isolated", "cross", "portfolio"]

FULL_MODES: tuple[MarginMode, ...] = ("isolated", "cross", "portfolio")
"""The order gives each mode its number in the columns of the book."""

UNIT_SEPARATOR = "/"
"""An isolated position of account `A` is held by its own margin unit `A/INSTRUMENT`."""


class PositionRecord(msgspec.Struct, frozen=True, array_like=True):
    """A position as it is loaded.

    quantity: signed units of the instrument's lot. entry_mark: mark units at which it was opened
    (for an option: the premium already paid or received in cash, kept for display only).
    isolated_margin: ledger units of the settlement asset set aside for it (isolated mode only).
    """

    instrument: str
    quantity: int
    entry_mark: int
    isolated_margin: int = 0


class AccountRecord(msgspec.Struct, frozen=True, array_like=True):
    """An account as it is loaded: balances in ledger units per asset, positions by instrument."""

    account: str
    mode: MarginMode
    balances: dict[str, int]
    positions: list[PositionRecord]


def unit_name(account: str, instrument: str) -> str:
    """Return the name of the margin unit that holds one isolated position.

    >>> unit_name("maker-7", "BTC_USDC-PERPETUAL")
    'maker-7/BTC_USDC-PERPETUAL'
    """
    return f"{account}{UNIT_SEPARATOR}{instrument}"


def owner_of(unit: str) -> str:
    """Return the account that owns a margin unit.

    >>> owner_of("maker-7/BTC_USDC-PERPETUAL"), owner_of("maker-7")
    ('maker-7', 'maker-7')
    """
    return unit.split(UNIT_SEPARATOR, 1)[0]
