"""The state of every unit after a pass, in one compiled loop and in a readable twin.

A level is a margin ratio: maintenance balance below level × maintenance requirement means the state
begins. It ends when the balance is back above (level + hysteresis) × requirement. Comparison is by
cross-multiplication in integers, exact within int64.

Two guards. A unit is not taken beyond "orders cancelled" while its certain buffer (every protected
asset seen at its kindest) is not negative. And a unit that holds nothing and owes nothing is healthy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steelyard.decisions.states import State
from steelyard.terms.method import Levels

DEEPEST_BY_RATIO = int(State.FULL_LIQUIDATION)
_CANCELLED = int(State.ORDERS_CANCELLED)
_FULL = int(State.FULL_LIQUIDATION)
_BANKRUPT = int(State.BANKRUPT)


def level_columns(levels: Levels) -> NDArray[np.int64]:
    """Return, per state 1 … 5, the ratio in ppm at which it begins, and the hysteresis last."""
    return np.array(
        [
            levels.warning_ppm,
            levels.margin_call_ppm,
            levels.orders_cancelled_ppm,
            levels.partial_reduction_ppm,
            levels.full_liquidation_ppm,
            levels.hysteresis_ppm,
        ],
        np.int64,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _share(requirement: int, ppm: int) -> int:
    """Return requirement·ppm/10^6 rounded up, exact within int64 for requirements below 4·10^18."""
    whole = requirement // 1_000_000
    return whole * ppm + ((requirement - whole * 1_000_000) * ppm + 999_999) // 1_000_000


@njit(cache=True, nogil=True, error_model="numpy")
def _decide(
    previous: int, balance: int, requirement: int, equity: int, certain: int, has_positions: bool,
    levels: Any,
) -> int:  # fmt: skip
    """Return the next state of one unit."""
    if not has_positions and balance >= 0:
        return _BANKRUPT if previous == _BANKRUPT and equity == 0 else 0
    # Most units are far from the first level, and no other level is above it.
    if equity >= 0 and balance >= _share(requirement, levels[0] + levels[DEEPEST_BY_RATIO]):
        return 0
    state = 0
    for depth in range(1, DEEPEST_BY_RATIO + 1):
        level = levels[depth - 1]
        if previous >= depth:
            level += levels[DEEPEST_BY_RATIO]
        if balance < _share(requirement, level):
            state = depth
    if equity < 0 or (not has_positions and balance < 0):
        state = _FULL
    if state > _CANCELLED and certain >= 0:
        state = _CANCELLED
    return state


@njit(cache=True, nogil=True, error_model="numpy")
def decide_states(units: int, state: Any, results: Any, count: Any, levels: Any, out: Any) -> int:
    """Fill `out` with every unit's next state; return how many changed.

    results: (6, units) int64 in the order of RiskColumns.NAMES; count: positions of each unit.
    """
    changed = 0
    for row in range(units):
        out[row] = _decide(
            state[row], results[2, row], results[4, row], results[0, row], results[5, row],
            count[row] > 0, levels,
        )  # fmt: skip
        if out[row] != state[row]:
            changed += 1
    return changed


def next_state(
    previous: State,
    *,
    maintenance_balance: int,
    maintenance_requirement: int,
    equity: int,
    certain_buffer: int,
    has_positions: bool,
    levels: Levels,
) -> State:
    """Return the next state of one unit, in plain Python (the readable twin of the loop).

    >>> from steelyard.terms import load_method
    >>> next_state(State.HEALTHY, maintenance_balance=99, maintenance_requirement=100, equity=99,
    ...            certain_buffer=-1, has_positions=True, levels=load_method().levels).name
    'PARTIAL_REDUCTION'
    """
    if not has_positions and maintenance_balance >= 0:
        stays = previous is State.BANKRUPT and equity == 0
        return State.BANKRUPT if stays else State.HEALTHY
    begins = {
        State.WARNING: levels.warning_ppm,
        State.MARGIN_CALL: levels.margin_call_ppm,
        State.ORDERS_CANCELLED: levels.orders_cancelled_ppm,
        State.PARTIAL_REDUCTION: levels.partial_reduction_ppm,
        State.FULL_LIQUIDATION: levels.full_liquidation_ppm,
    }
    state = State.HEALTHY
    for depth, level_ppm in begins.items():
        ends_ppm = level_ppm + (levels.hysteresis_ppm if previous >= depth else 0)
        if maintenance_balance * 1_000_000 < maintenance_requirement * ends_ppm:
            state = depth
    if equity < 0 or not has_positions:
        state = State.FULL_LIQUIDATION
    if state > State.ORDERS_CANCELLED and certain_buffer >= 0:
        state = State.ORDERS_CANCELLED
    return state
