"""Instructions: what shall happen to a margin unit, as data."""

from __future__ import annotations

import msgspec


class Instruction(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What all instructions share: the margin unit they are for."""

    unit: str


class StateChange(Instruction, frozen=True, array_like=True, tag=True):
    """The unit enters another state. Amounts in micro-USDC say why."""

    previous: int
    current: int
    maintenance_balance: int
    maintenance_requirement: int


class CancelOrders(Instruction, frozen=True, array_like=True, tag=True):
    """All resting orders of the unit leave the book."""


class Reduce(Instruction, frozen=True, array_like=True, tag=True):
    """Close this many lots of one position (positive), towards zero, never through it."""

    instrument: int
    lots: int


class Liquidate(Instruction, frozen=True, array_like=True, tag=True):
    """Close every position that may be closed, and settle what the account then owes."""
