"""What a change of parameters would do to the accounts: the change made on a copy, and both compared.

The copy takes the changes as the engine takes `ParameterChange` events: method, grid, bases, marks and
scenario tables follow. Then every unit is required and its next state decided; nobody acts, so what is
told is the step itself and not what liquidations would set off. A change liquidates nobody by itself: whom
it would, has a grace at first, and is told apart from whom prices have brought there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.decisions.states import STATE_NAMES, State
from steelyard.engine.apply import apply_event
from steelyard.engine.engine import Engine
from steelyard.engine.shard import Shard
from steelyard.service.rewind.copies import copy_of
from steelyard.service.rewind.errors import out_of_bounds
from steelyard.service.rewind.moved import states_after
from steelyard.terms.account import owner_of
from steelyard.ticks import ParameterChange

CHANGES_MAX = 50
ROWS, ROWS_MAX = 100, 1_000
EQUITY, INITIAL_BALANCE, MAINTENANCE_BALANCE, INITIAL, MAINTENANCE = range(5)

Ints = NDArray[np.int64]


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter and its new value: a dotted path of the method, and JSON text."""

    path: str
    value_json: str


class ChangedValue(msgspec.Struct, frozen=True):
    """One parameter before and after, as JSON text; before is null where a table starts as a copy."""

    path: str
    before_json: str | None
    after_json: str


class UnitImpact(msgspec.Struct, frozen=True):
    """One margin unit before and after; amounts in micro-USDC, states by name.

    state_after: at once; state_without_grace: when the grace that the change gives has ended, prices still.
    """

    unit: str
    account: str
    state_before: str
    state_after: str
    state_without_grace: str
    equity_micro: int
    initial_requirement_before_micro: int
    initial_requirement_after_micro: int
    maintenance_requirement_before_micro: int
    maintenance_requirement_after_micro: int
    initial_missing_after_micro: int
    buffer_before_micro: int
    buffer_after_micro: int


class ImpactTotals(msgspec.Struct, frozen=True):
    """All units together, micro-USDC, and how many are in each state, by name in order of gravity."""

    equity_micro: int
    initial_requirement_micro: int
    maintenance_requirement_micro: int
    units_by_state: dict[str, int]


class ImpactReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the changes would do as of one event.

    changed: units whose state or maintenance buffer would change; accounts: the first of them, the worst
    first: those that come to a deeper state, then by what the buffer loses. moved: units that would be in
    another state. called: that would come to a margin call or deeper and are not there now; liquidatable: to
    partial reduction or deeper, once their grace has ended; initial_short: that would miss initial margin and
    do not now.
    raised_initial, raised_maintenance: how many requirements rise; highest_initial, highest_maintenance:
    the units whose requirement would rise most. Lists have at most as many rows as were asked for.
    """

    as_of_seq: int
    time_us: int
    currency: str
    method: str
    method_version: str
    method_hash_before: str
    method_hash_after: str
    changes: list[ChangedValue]
    units: int
    before: ImpactTotals
    after: ImpactTotals
    called: int
    liquidatable: int
    initial_short: int
    moved: int
    changed: int
    accounts: list[UnitImpact]
    raised_initial: int
    highest_initial: list[UnitImpact]
    raised_maintenance: int
    highest_maintenance: list[UnitImpact]


class _Side:
    """Every unit of an engine on one side of the change, in one order of rows."""

    def __init__(self, shards: list[Shard], states: list[NDArray[np.int8]]) -> None:
        self.results: Ints = np.hstack([s.results[:, : s.book.units] for s in shards])
        self.states = np.concatenate(states).astype(np.int64)

    @property
    def initial_missing(self) -> Ints:
        """Return what each unit misses of its initial requirement, below zero where it has more."""
        missing: Ints = self.results[INITIAL] - self.results[INITIAL_BALANCE]
        return missing

    @property
    def buffer(self) -> Ints:
        """Return each unit's maintenance balance less its requirement."""
        buffer: Ints = self.results[MAINTENANCE_BALANCE] - self.results[MAINTENANCE]
        return buffer

    def totals(self) -> ImpactTotals:
        """Return the sums; requirements are exact, beyond 64 bits too."""
        counts = np.bincount(self.states, minlength=len(STATE_NAMES)).tolist()
        equity, initial, keep = (
            sum(self.results[line].tolist()) for line in (EQUITY, INITIAL, MAINTENANCE)
        )
        return ImpactTotals(equity, initial, keep, dict(zip(STATE_NAMES, counts, strict=True)))


def impact(engine: Engine, changes: Sequence[Change], rows: int = ROWS) -> ImpactReport:
    """Return what changes of parameters would do to the margin units as of the engine's last event.

    The engine is not changed. Errors: TERM-E04 for a parameter that is not there, TERM-E03 for a value
    that breaks a rule of the method, RWND-E07 for no or too many changes.
    """
    if not 1 <= len(changes) <= CHANGES_MAX:
        raise out_of_bounds(
            "changes",
            f"there are {len(changes)} changes",
            f"a proposal has 1 to {CHANGES_MAX} changes",
        )
    if not 0 <= rows <= ROWS_MAX:
        raise out_of_bounds("rows", f"{rows} rows are asked for", f"rows are 0 to {ROWS_MAX}")
    told = _values(engine, changes)
    there = copy_of(engine)
    # Both sides are valued at this instant, so that what time did is not taken for the change.
    there.revalue(list(range(len(there.market.assets))))
    for shard in there.shards:
        shard.require(there.market, there.columns, there.method)
    states = [shard.book.state[: shard.book.units].copy() for shard in there.shards]
    before = _Side(there.shards, states)
    origin = "\0impact"  # no feed can be called so
    for number, change in enumerate(changes, 1):
        event = ParameterChange(
            there.market.time_us, origin, number, change.path, change.value_json
        )
        apply_event(there, event)
    after = _Side(there.shards, states_after(there))
    later = _Side(there.shards, states_after(there, is_softened=False))
    return _report(engine, there, told, (before, after, later), rows)


def _values(engine: Engine, changes: Sequence[Change]) -> list[ChangedValue]:
    """Return each parameter before and after. Errors: TERM-E03, TERM-E04, before anything is copied."""
    method, told = engine.method, []
    for change in changes:
        changed = method.with_parameter(change.path, change.value_json)
        told.append(
            ChangedValue(change.path, _read(method, change.path), _read(changed, change.path) or "")
        )
        method = changed
    return told


def _read(method: msgspec.Struct, path: str) -> str | None:
    node = msgspec.to_builtins(method)
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            return None
        node = node[key]
    return msgspec.json.encode(node).decode()


def _report(
    engine: Engine,
    there: Engine,
    changes: list[ChangedValue],
    sides: tuple[_Side, _Side, _Side],
    rows: int,
) -> ImpactReport:
    before, after, later = sides
    names = [name for shard in engine.shards for name in shard.book.names]
    order = np.argsort(np.array(names)) if names else np.zeros(0, np.int64)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))

    def listed(chosen: Ints, *by: Ints) -> list[UnitImpact]:
        """Return the chosen rows, the greatest first by the last of the columns, and so on; then by name."""
        keys = (rank[chosen], *(-column[chosen] for column in by))
        kept = chosen[np.lexsort(keys)][:rows].tolist()
        return [_unit(names[row], row, sides) for row in kept]

    moved = before.states != after.states
    deeper = np.where(later.states > before.states, later.states, 0)
    lost = before.buffer - after.buffer
    changed = np.flatnonzero(moved | (lost != 0))
    raise_of = {line: after.results[line] - before.results[line] for line in (INITIAL, MAINTENANCE)}
    raised = {line: np.flatnonzero(more > 0) for line, more in raise_of.items()}
    method = engine.method
    return ImpactReport(
        as_of_seq=engine.seq,
        time_us=engine.market.time_us,
        currency=method.currency,
        method=method.name,
        method_version=method.version,
        method_hash_before=method.digest().hex(),
        method_hash_after=there.method.digest().hex(),
        changes=changes,
        units=len(names),
        before=before.totals(),
        after=after.totals(),
        called=_newly(before, after, State.MARGIN_CALL),
        liquidatable=_newly(before, later, State.PARTIAL_REDUCTION),
        initial_short=int(
            np.count_nonzero((before.initial_missing <= 0) & (after.initial_missing > 0))
        ),
        moved=int(np.count_nonzero(moved)),
        changed=len(changed),
        accounts=listed(changed, lost, deeper),
        raised_initial=len(raised[INITIAL]),
        highest_initial=listed(raised[INITIAL], raise_of[INITIAL]),
        raised_maintenance=len(raised[MAINTENANCE]),
        highest_maintenance=listed(raised[MAINTENANCE], raise_of[MAINTENANCE]),
    )


def _newly(before: _Side, after: _Side, state: State) -> int:
    return int(np.count_nonzero((before.states < state) & (after.states >= state)))


def _unit(name: str, row: int, sides: tuple[_Side, _Side, _Side]) -> UnitImpact:
    before, after, later = sides
    now = before.results[:, row].tolist()
    then = after.results[:, row].tolist()
    return UnitImpact(
        unit=name,
        account=owner_of(name),
        state_before=STATE_NAMES[int(before.states[row])],
        state_after=STATE_NAMES[int(after.states[row])],
        state_without_grace=STATE_NAMES[int(later.states[row])],
        equity_micro=then[EQUITY],
        initial_requirement_before_micro=now[INITIAL],
        initial_requirement_after_micro=then[INITIAL],
        maintenance_requirement_before_micro=now[MAINTENANCE],
        maintenance_requirement_after_micro=then[MAINTENANCE],
        initial_missing_after_micro=max(0, then[INITIAL] - then[INITIAL_BALANCE]),
        buffer_before_micro=now[MAINTENANCE_BALANCE] - now[MAINTENANCE],
        buffer_after_micro=then[MAINTENANCE_BALANCE] - then[MAINTENANCE],
    )
