"""The pass: shards compute verdicts, the sequencer turns them into actions in order of unit name.

A pass runs over all units when a mark, the method or the clock changed something for everyone, and
over the touched ones when an event was about them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steelyard.actions import Outcome, execute
from steelyard.decisions import StateChange, plan_unit
from steelyard.decisions.machine import level_columns, next_state
from steelyard.decisions.states import State
from steelyard.engine.grace import soften as soften_states
from steelyard.engine.shard import Shard
from steelyard.margin import explain_unit
from steelyard.quantities import PPM, ceil_div

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

EQUITY, BALANCE, REQUIREMENT, CERTAIN = 0, 2, 4, 5
TOUCHED_MAX = 64
"""As many units are decided on one by one; more, in one pass over all."""


def run_pass(engine: Engine) -> list[Outcome]:
    """Require, decide and act; return what happened."""
    watch = engine.stopwatch
    acting = any(shard.acting for shard in engine.shards)
    touched, engine.touched = engine.touched, {}
    if engine.needs_pass or acting:
        engine.needs_pass = False
        for shard in engine.shards:
            shard.require(engine.market, engine.columns, engine.method)
    elif touched:
        places = list(touched.values())
        _require_rows(engine, places)
        watch.lap("margin")
        if len(places) <= TOUCHED_MAX and _all_stay(engine, places):
            watch.lap("decisions")
            return []
    else:
        return []
    watch.lap("margin")
    levels = level_columns(engine.method.levels)
    soften = partial(soften_states, engine) if engine.controls.softens else None
    verdicts: list[tuple[str, Shard, int]] = []
    for shard in engine.shards:
        rows = shard.decide(levels, engine.market.time_us, soften)
        verdicts += [(shard.book.names[row], shard, row) for row in rows]
    verdicts.sort(key=lambda verdict: verdict[0])
    watch.lap("decisions")
    outcomes: list[Outcome] = []
    closable = engine.closable() if verdicts else ()
    for unit, shard, row in verdicts:
        outcomes += _act(engine, unit, shard, row, closable)
    # What is published after this event shows the units as the actions left them.
    _require_rows(engine, [(shard, row) for _, shard, row in verdicts])
    watch.lap("actions")
    return outcomes


def _all_stay(engine: Engine, places: list[tuple[Shard, int]]) -> bool:
    """Return whether touched units stay in states that ask for nothing: then nobody else moves either.

    The others were decided on when they were last required, and deciding twice changes nothing.
    """
    for shard, row in places:
        book, results = shard.book, shard.results[:, row].tolist()
        previous = State(int(book.state[row]))
        state = next_state(
            previous,
            maintenance_balance=results[BALANCE],
            maintenance_requirement=results[REQUIREMENT],
            equity=results[EQUITY],
            certain_buffer=results[CERTAIN],
            has_positions=bool(book.count[row]),
            levels=engine.method.levels,
        )
        if state != previous or State.PARTIAL_REDUCTION <= state < State.BANKRUPT:
            return False
    return True


def _require_rows(engine: Engine, places: list[tuple[Shard, int]]) -> None:
    """Recompute the risk of some units."""
    for shard in engine.shards:
        rows = [row for owner, row in places if owner is shard]
        if rows:
            shard.require(engine.market, engine.columns, engine.method, np.array(rows, np.int64))


def _act(
    engine: Engine, unit: str, shard: Shard, row: int, closable: Sequence[bool]
) -> list[Outcome]:
    """Carry a unit into its next state and do what that state asks for."""
    book = shard.book
    state, previous = State(int(shard.next_state[row])), int(book.state[row])
    outcomes: list[Outcome] = []
    if engine.on_decision is not None:
        engine.on_decision(unit, engine.risk_of(unit))
    if state != previous:
        change = StateChange(
            unit, previous, int(state), int(shard.results[BALANCE, row]),
            int(shard.results[REQUIREMENT, row]),
        )  # fmt: skip
        outcomes += execute(engine.venue, change)
    has_orders = row in book.orders
    acts = state >= State.PARTIAL_REDUCTION or (state is State.ORDERS_CANCELLED and has_orders)
    if state is State.BANKRUPT or not acts:
        return outcomes
    # Who falls from a reduction into full liquidation does not wait for the reduction's pause.
    falls = state is State.FULL_LIQUIDATION and previous != state
    is_due = falls or int(book.next_action_us[row]) <= engine.market.time_us
    shortfall, requires, costs = _needs(engine, shard, row, state)
    market = engine.market
    plan = plan_unit(
        unit,
        state,
        has_orders,
        is_due,
        shortfall,
        [(i, lots, int(market.underlying_of[i])) for i, lots, _ in book.positions(row)],
        requires,
        costs,
        closable,
        engine.method.liquidation,
    )
    for instruction in plan:
        outcomes += execute(engine.venue, instruction)
    if plan:
        engine.needs_pass = True
    return outcomes


def _needs(
    engine: Engine, shard: Shard, row: int, state: State
) -> tuple[int, dict[int, int], dict[int, int]]:
    """Return what a partial reduction goes by; for other states nothing is needed.

    The shortfall against the target ratio, and per underlying slot what it requires to keep and what
    closing it whole would cost, micro-USDC.
    """
    requires: dict[int, int] = {}
    costs: dict[int, int] = {}
    if state is not State.PARTIAL_REDUCTION:
        return 0, requires, costs
    market = engine.market
    risk = explain_unit(shard.book, row, market, engine.columns, engine.method)
    for part in risk.maintenance_parts:
        slot = market.asset_slots[part.scope]
        requires[slot] = requires.get(slot, 0) + part.amount
        if part.name == "liquidation_cost":
            costs[slot] = costs.get(slot, 0) + part.amount
    target = ceil_div(
        risk.maintenance_requirement * engine.method.liquidation.target_ratio_ppm, PPM
    )
    return target - risk.maintenance_balance, requires, costs
