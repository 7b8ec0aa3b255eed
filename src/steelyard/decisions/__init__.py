"""Decisions, step 6: from risk and state to instructions. A pure state machine.

    healthy → warning → margin call → orders cancelled → partial reduction → full liquidation → bankrupt

States deepen at once and ease with hysteresis. Instructions say what shall happen; the next room
makes it happen. Nothing here reads a clock, a file or a random number.
"""

from steelyard.decisions.instructions import (
    CancelOrders,
    Instruction,
    Liquidate,
    Reduce,
    StateChange,
)
from steelyard.decisions.machine import decide_states
from steelyard.decisions.plan import plan_unit
from steelyard.decisions.states import STATE_NAMES, State

__all__ = [
    "STATE_NAMES",
    "CancelOrders",
    "Instruction",
    "Liquidate",
    "Reduce",
    "State",
    "StateChange",
    "decide_states",
    "plan_unit",
]
