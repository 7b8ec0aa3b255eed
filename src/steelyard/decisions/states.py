"""The states of a margin unit, in the order they deepen."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """A state; a larger number is a deeper one."""

    HEALTHY = 0
    WARNING = 1
    MARGIN_CALL = 2
    ORDERS_CANCELLED = 3
    PARTIAL_REDUCTION = 4
    FULL_LIQUIDATION = 5
    BANKRUPT = 6


STATE_NAMES = tuple(state.name.lower() for state in State)
