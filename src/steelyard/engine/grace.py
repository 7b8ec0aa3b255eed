"""What keeps a unit from being liquidated for other reasons than its price: holds, and grace after a change.

A change of parameters liquidates nobody by itself. Each unit is judged before and after the change, at the
same marks; where only the change takes it deeper than cancelled orders, what the change took is noted and
added back in its decisions for an hour:

    balance   distance to the state it would fall into, before − after      (balance − level × requirement)
    certain   certain buffer before − after, where that is positive

So it is decided on as far from liquidation as it stood, and no further: when prices take that too, or its
equity falls below zero (for sure: without a protected asset), it is acted on within the hour as anybody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.actions import GraceEnded, GraceGranted, Outcome
from steelyard.decisions import decide_states
from steelyard.decisions.machine import level_columns, next_state
from steelyard.decisions.states import State
from steelyard.engine.shard import Shard
from steelyard.marks.update import follow_parameters
from steelyard.quantities import PPM, ceil_div
from steelyard.terms import Method
from steelyard.terms.account import owner_of
from steelyard.terms.controls import PARAMETER_GRACE_US, Grace
from steelyard.terms.method import Levels

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

EQUITY, BALANCE, REQUIREMENT, CERTAIN = 0, 2, 4, 5
NONE = Grace("", 0, 0, 0, 0)


class Judged(NamedTuple):
    """Results of a pass over one shard's units, the states they lead to, and the levels that were used."""

    results: NDArray[np.int64]
    states: NDArray[np.int8]
    levels: Levels


def soften(engine: Engine, shard: Shard) -> None:
    """Take back decisions that a hold or a grace does not allow; `shard.next_state` is changed in place."""
    controls, states = engine.controls, shard.next_state[: shard.book.units]
    deep = np.flatnonzero((states > State.ORDERS_CANCELLED) & (states != State.BANKRUPT)).tolist()
    for row in deep:
        unit = shard.book.names[row]
        if controls.holds_venue or owner_of(unit) in controls.held_accounts:
            states[row] = State.ORDERS_CANCELLED
        elif unit in controls.graces and _may_be_given(engine, shard, row, shard.results):
            levels, grace = engine.method.levels, controls.graces[unit]
            kinder = _state_with(shard, row, shard.results, levels, grace)
            states[row] = min(int(states[row]), max(kinder, State.ORDERS_CANCELLED))


def change_method(engine: Engine, method: Method) -> list[Outcome]:
    """Let another method hold from now on, and give grace to the units that it alone would liquidate."""
    before = _judge(engine)
    engine.set_method(method)
    follow_parameters(engine.market, method)
    after = _judge(engine)
    outcomes: list[Outcome] = []
    graces = engine.controls.graces
    found = [
        grace
        for shard, old, new in zip(engine.shards, before, after, strict=True)
        for grace in _graces(engine, shard, old, new)
    ]
    for grace in sorted(found, key=lambda each: each.unit):
        if grace.balance_micro or grace.certain_micro:
            graces[grace.unit] = grace
            outcomes.append(GraceGranted(grace.unit, grace.until_us, grace.balance_micro))
        else:
            del graces[grace.unit]
            outcomes.append(GraceEnded(grace.unit))
    engine.controls.refresh()
    return outcomes


def _judge(engine: Engine) -> list[Judged]:
    """Return what a pass over all units finds under the method in force."""
    engine.revalue(list(range(len(engine.market.assets))))
    levels = level_columns(engine.method.levels)
    judged = []
    for shard in engine.shards:
        shard.require(engine.market, engine.columns, engine.method)
        book = shard.book
        states = np.zeros(max(1, book.units), np.int8)
        decide_states(book.units, book.state, shard.results, book.count, levels, states)
        judged.append(
            Judged(
                shard.results[:, : book.units].copy(), states[: book.units], engine.method.levels
            )
        )
    return judged


def _graces(engine: Engine, shard: Shard, old: Judged, new: Judged) -> list[Grace]:
    """Return the graces of one shard's units that are new or changed; one with nothing in it is over.

    Another raise within the hour adds to a grace and begins a new hour; what is lowered again is taken off.
    """
    found = []
    graces = engine.controls.graces
    deep = (new.states > State.ORDERS_CANCELLED) & (new.states != State.BANKRUPT)
    rows = {*np.flatnonzero(deep).tolist(), *_rows_of(shard, graces)}
    for row in sorted(rows):  # tidy-ok: sorted
        unit = shard.book.names[row]
        given = graces.get(unit, NONE)
        was = max(_state_with(shard, row, old.results, old.levels, given), State.ORDERS_CANCELLED)
        deepens = _state_with(shard, row, new.results, new.levels, given) > was
        if was >= State.FULL_LIQUIDATION or not (deepens or unit in graces):
            continue
        if not _may_be_given(engine, shard, row, new.results):
            continue
        deeper = State(was + 1)
        took = _distance(shard, row, old, deeper) - _distance(shard, row, new, deeper)
        balance = max(0, given.balance_micro + took)
        certain = max(
            0, given.certain_micro + int(old.results[CERTAIN, row] - new.results[CERTAIN, row])
        )
        if (balance, certain) == (given.balance_micro, given.certain_micro):
            continue
        since_us, until_us = given.since_us, given.until_us
        if balance > given.balance_micro or certain > given.certain_micro:
            since_us = engine.market.time_us
            until_us = since_us + PARAMETER_GRACE_US
        found.append(Grace(unit, since_us, until_us, balance, certain))
    return found


def _rows_of(shard: Shard, graces: dict[str, Grace]) -> list[int]:
    """Return the rows of a shard's units that have a grace."""
    return [shard.book.rows[unit] for unit in graces if unit in shard.book.rows]


def _may_be_given(engine: Engine, shard: Shard, row: int, results: NDArray[np.int64]) -> bool:
    """Return whether a unit's equity is not negative, or not known for sure."""
    return results[EQUITY, row] >= 0 or engine.leans_on_protected(shard.book.names[row])


def _state_with(
    shard: Shard, row: int, results: NDArray[np.int64], levels: Levels, grace: Grace
) -> State:
    """Return the state a unit's results lead to when its grace is added back.

    Where equity is negative only what is certain counts.
    """
    equity = int(results[EQUITY, row])
    return next_state(
        State(int(shard.book.state[row])),
        maintenance_balance=int(results[BALANCE, row])
        + (grace.balance_micro if equity >= 0 else 0),
        maintenance_requirement=int(results[REQUIREMENT, row]),
        equity=equity,
        certain_buffer=int(results[CERTAIN, row]) + grace.certain_micro,
        has_positions=bool(shard.book.count[row]),
        levels=levels,
    )


def _distance(shard: Shard, row: int, judged: Judged, state: State) -> int:
    """Return how far the maintenance balance stands above where a state begins, micro-USDC."""
    begins_ppm = level_columns(judged.levels).tolist()
    level_ppm = begins_ppm[state - 1]
    if shard.book.state[row] >= state:
        level_ppm += judged.levels.hysteresis_ppm
    required = ceil_div(int(judged.results[REQUIREMENT, row]) * level_ppm, PPM)
    return int(judged.results[BALANCE, row]) - required
