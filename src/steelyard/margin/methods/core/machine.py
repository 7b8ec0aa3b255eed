"""The machine: carries out a program (`steps`, `tracing`) for blocks of accounts whose numbers stay in the cache.

Per block it finds groups and units of the legs, then takes one step after the other, each a loop over
the entries of its scope. Every step does what the evaluation does with columns, in the same order, so
the bits are the same for any cut into blocks. Its readable twin is `Evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.margin.methods.core import steps
from steelyard.margin.methods.core.books import Books, Places
from steelyard.margin.methods.core.columns import round9_of
from steelyard.margin.methods.core.features import group_naked_shorts, group_worst_payoff
from steelyard.margin.methods.core.instruments import Floats
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.scan import (
    COLUMN,
    FLAGS,
    INTS,
    LONGS,
    SCAN_MODULES,
    unit_totals,
    worst_total,
)
from steelyard.margin.methods.core.tracing import Untraceable, program_of
from steelyard.valuation.compiled import kernel, routine

ENTRIES = 512  # legs, accounts or scenarios of units in a block, if one account has not more
MODULES = (
    *SCAN_MODULES,
    *(f"{__package__}.{name}" for name in ("steps", "columns", "features", "machine")),
)
CODE = types.Array(types.int32, 2, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C", readonly=True)
OUT2 = types.Array(types.float64, 2, "C")
OUT_LONGS = types.Array(types.int64, 1, "C")
GIVEN = types.Array(types.float64, 2, "A", readonly=True)  # rows may lie anywhere in a larger table
GROUP_START, UNIT_START, ACCOUNT_START, FIRST_LEG, UNDER = range(5)

ADD, SUB, MUL, DIV, MIN, MAX = (
    steps.ADD, steps.SUB, steps.MUL, steps.DIV, steps.MIN, steps.MAX,
)  # fmt: skip
LT, LE, GT, GE, EQ, NE, AND, OR = (
    steps.LT, steps.LE, steps.GT, steps.GE, steps.EQ, steps.NE, steps.AND, steps.OR,
)  # fmt: skip
NEG, ABS, SQRT, NOT, ROUND9, SELECT = (
    steps.NEG, steps.ABS, steps.SQRT, steps.NOT, steps.ROUND9, steps.SELECT,
)  # fmt: skip
QUANTITY, STATED, ACCOUNT_INPUT, GATHER, SUM, REPEAT = (
    steps.QUANTITY, steps.STATED, steps.ACCOUNT_INPUT, steps.GATHER, steps.SUM, steps.REPEAT,
)  # fmt: skip
NAKED_SHORTS, WORST_PAYOFF, SCAN, TOTALS, LOWEST, OUTPUT = (
    steps.NAKED_SHORTS, steps.WORST_PAYOFF, steps.SCAN, steps.TOTALS, steps.LOWEST, steps.OUTPUT,
)  # fmt: skip


@routine
def _arithmetic(what: int, n: int, x: Any, y: Any, out: Any) -> None:
    if what == ADD:
        for k in range(n):
            out[k] = x[k] + y[k]
    elif what == SUB:
        for k in range(n):
            out[k] = x[k] - y[k]
    elif what == MUL:
        for k in range(n):
            out[k] = x[k] * y[k]
    elif what == DIV:
        for k in range(n):
            out[k] = x[k] / y[k]
    elif what == MIN:
        for k in range(n):
            a, b = x[k], y[k]
            out[k] = a if (a < b) | (a != a) else b
    else:
        for k in range(n):
            a, b = x[k], y[k]
            out[k] = a if (a > b) | (a != a) else b


@routine
def _comparison(what: int, n: int, x: Any, y: Any, out: Any) -> None:
    if what == LT:
        for k in range(n):
            out[k] = 1.0 if x[k] < y[k] else 0.0
    elif what == LE:
        for k in range(n):
            out[k] = 1.0 if x[k] <= y[k] else 0.0
    elif what == GT:
        for k in range(n):
            out[k] = 1.0 if x[k] > y[k] else 0.0
    elif what == GE:
        for k in range(n):
            out[k] = 1.0 if x[k] >= y[k] else 0.0
    elif what == EQ:
        for k in range(n):
            out[k] = 1.0 if x[k] == y[k] else 0.0
    elif what == NE:
        for k in range(n):
            out[k] = 1.0 if x[k] != y[k] else 0.0
    elif what == AND:
        for k in range(n):
            out[k] = 1.0 if (x[k] != 0.0) & (y[k] != 0.0) else 0.0
    else:
        for k in range(n):
            out[k] = 1.0 if (x[k] != 0.0) | (y[k] != 0.0) else 0.0


@routine
def _of_one(what: int, n: int, x: Any, out: Any) -> None:
    if what == NEG:
        for k in range(n):
            out[k] = -x[k]
    elif what == ABS:
        for k in range(n):
            out[k] = abs(x[k])
    elif what == SQRT:
        for k in range(n):
            out[k] = np.sqrt(x[k])
    elif what == NOT:
        for k in range(n):
            out[k] = 1.0 if x[k] == 0.0 else 0.0
    else:
        for k in range(n):
            out[k] = round9_of(x[k])


@routine
def _chosen(n: int, condition: Any, yes: Any, no: Any, out: Any) -> None:
    for k in range(n):
        a, b = yes[k], no[k]
        out[k] = a if condition[k] != 0.0 else b


@routine
def _sums(n: int, starts: Any, x: Any, out: Any) -> None:
    for g in range(n):
        total = 0.0
        for k in range(starts[g], starts[g + 1]):
            total += x[k]
        out[g] = total


@routine
def _spread(n: int, starts: Any, x: Any, out: Any) -> None:
    """Write each of the n coarser entries to those of the finer scope that belong to it."""
    for g in range(n):
        value = x[g]
        for k in range(starts[g], starts[g + 1]):
            out[k] = value


@routine
def _gathered(n: int, column: Any, at: Any, out: Any) -> None:
    for k in range(n):
        out[k] = column[at[k]]


@routine
def _lowest_rows(units: int, count: int, x: Any, out: Any) -> None:
    for u in range(units):
        least, spoilt = np.inf, 0.0
        for k in range(u * count, (u + 1) * count):
            spoilt += x[k] * 0.0
            least = x[k] if x[k] < least else least
        out[u] = least + spoilt


@routine
def _cut(
    leg_start: Any, held: Any, group_of: Any, underlying_of: Any, is_single: bool, counts: Any,
    places: Any,
) -> None:  # fmt: skip
    """Write where the groups, units and accounts of a block begin, and how many there are.

    GROUP_START counts legs of the block, UNIT_START groups and ACCOUNT_START units; FIRST_LEG holds a
    group's first instrument, UNDER a unit's underlying.
    """
    groups, units, accounts = 0, 0, leg_start.shape[0] - 1
    for a in range(accounts):
        places[ACCOUNT_START, a] = units
        begin, end = leg_start[a] - leg_start[0], leg_start[a + 1] - leg_start[0]
        if is_single:
            # Also an account that holds nothing has its unit: some charges fall on coins alone.
            places[UNIT_START, units] = groups
            places[UNDER, units] = 0
            units += 1
        group, underlying = -1, -1
        for p in range(begin, end):
            # What is no beginning is written over by the next one: a branch would be mispredicted.
            i = held[p]
            is_unit = (not is_single) & (underlying_of[i] != underlying)
            is_group = is_unit | (group_of[i] != group)
            group, underlying = group_of[i], underlying_of[i]
            if not is_single:
                places[UNIT_START, units] = groups
                places[UNDER, units] = underlying
                units += is_unit
            places[GROUP_START, groups] = p
            places[FIRST_LEG, groups] = i
            groups += is_group
    places[GROUP_START, groups] = held.shape[0]
    places[UNIT_START, units] = groups
    places[ACCOUNT_START, accounts] = units
    counts[0], counts[1], counts[2], counts[3] = held.shape[0], groups, units, accounts


@routine
def _block_end(a0: int, leg_start: Any, scenarios: int) -> int:
    """Return the account behind a block that begins at one: as many as fit, and one at least."""
    accounts = leg_start.shape[0] - 1
    a = a0 + 1
    while a < accounts:
        legs, held = leg_start[a + 1] - leg_start[a0], a + 1 - a0
        if legs > ENTRIES or held > ENTRIES or held * scenarios > 2 * ENTRIES:
            break
        a += 1
    return a


@routine
def _read(
    step: Any, n: int, counts: Any, scenarios: int, places: Any, held: Any, sizes: Any,
    stated: Any, inputs: Any, of_instruments: Any, of_underlyings: Any, of_scenarios: Any, out: Any,
) -> None:  # fmt: skip
    """Take a number of the books or of the market."""
    what, scope, k = step[0], step[1], step[3]
    if what == QUANTITY:
        out[:n] = sizes
    elif what == STATED:
        out[:n] = stated[k]
    elif what == ACCOUNT_INPUT:
        out[:n] = inputs[k]
    elif scope == 0:
        _gathered(n, of_instruments[k], held, out)
    elif scope == 1:
        _gathered(n, of_instruments[k], places[FIRST_LEG], out)
    elif scope == 2:
        _gathered(n, of_underlyings[k], places[UNDER], out)
    else:
        for u in range(counts[2]):
            out[u * scenarios : (u + 1) * scenarios] = of_scenarios[k]


@routine
def _between(
    what: int, scope: int, counts: Any, scenarios: int, places: Any, x: Any, out: Any
) -> None:
    """Add up for a coarser scope, or repeat for a finer one."""
    if what == SUM:
        _sums(counts[scope], places[scope - 1], x, out)
    elif scope < 3:
        _spread(counts[scope + 1], places[scope], x, out)
    else:
        for u in range(counts[2]):
            out[u * scenarios : (u + 1) * scenarios] = x[u]


@routine
def _of_groups(
    what: int, n: int, counts: Any, scenarios: int, places: Any, held: Any, sizes: Any,
    table: Any, base: Any, discount_long: Any, discount_short: Any, weight: Any, folds: Any,
    is_discounted: Any, strike: Any, is_call: Any, is_option: Any, sums: Any, total: Any, x: Any,
    out: Any,
) -> None:  # fmt: skip
    """Work out what is no sum over legs: scans and features of an expiry."""
    starts, units = places[GROUP_START], places[UNIT_START]
    if what == NAKED_SHORTS:
        for g in range(n):
            out[g] = group_naked_shorts(held, sizes, starts[g], starts[g + 1], strike, is_option)
    elif what == WORST_PAYOFF:
        for g in range(n):
            least, _ = group_worst_payoff(
                held, sizes, starts[g], starts[g + 1], strike, is_call, is_option
            )
            out[g] = least
    elif what == LOWEST:
        _lowest_rows(n, scenarios, x, out)
    else:
        for u in range(counts[2]):
            unit_totals(
                table, base, held, sizes, starts, units[u], units[u + 1], discount_long,
                discount_short, weight, folds, is_discounted, sums, total,
            )  # fmt: skip
            if what == SCAN:
                out[u] = worst_total(total, scenarios)
            else:
                out[u * scenarios : (u + 1) * scenarios] = total[:scenarios]


@routine
def _width(leg_start: Any, is_single: bool, rows: int) -> int:
    """Return how many entries the largest scope of any block has."""
    accounts = leg_start.shape[0] - 1
    width, a0 = 1, 0
    while a0 < accounts:
        a1 = _block_end(a0, leg_start, rows)
        most = max(leg_start[a1] - leg_start[a0], a1 - a0)
        width = max(width, most, (a1 - a0 if is_single else most) * rows)
        a0 = a1
    return width


@kernel(
    types.void(
        CODE, COLUMN, types.int64, TABLE, TABLE, TABLE, LONGS, INTS, COLUMN, GIVEN, GIVEN,
        INTS, INTS, types.boolean, TABLE, COLUMN, COLUMN, COLUMN, COLUMN, FLAGS, FLAGS,
        types.int64, types.boolean, COLUMN, FLAGS, FLAGS, OUT2,
    ),
    *MODULES,
)  # fmt: skip
def run(
    code: Any, constants: Any, registers: int, of_instruments: Any, of_underlyings: Any,
    of_scenarios: Any, leg_start: Any, instrument: Any, quantity: Any, stated: Any, inputs: Any,
    group_of: Any, underlying_of: Any, is_single: bool, table: Any, base: Any, discount_long: Any,
    discount_short: Any, weight: Any, folds: Any, is_discounted: Any, scenarios: int,
    has_rows: bool, strike: Any, is_call: Any, is_option: Any, outputs: Any,
) -> None:  # fmt: skip
    """Write the wanted numbers of every account."""
    accounts = leg_start.shape[0] - 1
    rows = scenarios if has_rows else 0
    width = _width(leg_start, is_single, rows)
    values = np.empty((registers, width))
    for c in range(constants.shape[0]):
        values[c, :] = constants[c]
    counts, places = np.zeros(5, np.int64), np.empty((5, width + 1), np.int64)
    sums, total = np.empty(table.shape[1]), np.empty(table.shape[1])
    a0 = 0
    while a0 < accounts:
        a1 = _block_end(a0, leg_start, rows)
        first, end = leg_start[a0], leg_start[a1]
        held, sizes = instrument[first:end], quantity[first:end]
        _cut(leg_start[a0 : a1 + 1], held, group_of, underlying_of, is_single, counts, places)
        counts[4] = counts[2] * scenarios
        for at in range(code.shape[0]):
            step = code[at]
            what, scope, out, n = step[0], step[1], values[step[2]], counts[step[1]]
            if what <= MAX:
                _arithmetic(what, n, values[step[3]], values[step[4]], out)
            elif what <= OR:
                _comparison(what, n, values[step[3]], values[step[4]], out)
            elif what <= ROUND9:
                _of_one(what, n, values[step[3]], out)
            elif what == SELECT:
                _chosen(n, values[step[3]], values[step[4]], values[step[5]], out)
            elif what <= GATHER:
                _read(
                    step, n, counts, scenarios, places, held, sizes, stated[:, first:end],
                    inputs[:, a0:a1], of_instruments, of_underlyings, of_scenarios, out,
                )  # fmt: skip
            elif what <= REPEAT:
                _between(what, scope, counts, scenarios, places, values[step[3]], out)
            elif what == OUTPUT:
                outputs[step[4], a0:a1] = values[step[3]][:n]
            else:
                _of_groups(
                    what, n, counts, scenarios, places, held, sizes, table, base, discount_long,
                    discount_short, weight, folds, is_discounted, strike, is_call, is_option, sums,
                    total, values[step[3]], out,
                )  # fmt: skip
        a0 = a1


@kernel(types.void(LONGS, OUT_LONGS))
def _fill_starts(account: Any, out: Any) -> None:
    """Write where the legs of each account begin; `account` ascends."""
    accounts = out.shape[0] - 1
    p = 0
    for a in range(accounts + 1):
        while p < account.shape[0] and account[p] < a:
            p += 1
        out[a] = p


def program_for(
    prepared: Prepared, stated: Iterable[str], extras: Iterable[str]
) -> steps.Program | None:
    """Return the program of a prepared method for what some books state and give; None if there is none."""
    key = (frozenset(stated), frozenset(extras))
    known: dict[Any, steps.Program | None] = prepared.programs
    if key not in known:
        try:
            known[key] = program_of(prepared, *key)
        except Untraceable:
            known[key] = None
    return known[key]


def outputs_of(prepared: Prepared, books: Books, program: steps.Program) -> Floats:
    """Return the wanted numbers of every account, (3, n): equity and the two requirements."""
    leg_start = np.empty(books.size + 1, np.int64)
    _fill_starts(books.account, leg_start)
    stated = [books.stated[name] for name in program.stated]
    inputs = [books.cash if name == "cash" else books.extras[name] for name in program.account]
    return carried_out(
        prepared, program, leg_start, books.instrument, books.quantity,
        np.array(stated) if stated else np.empty((0, len(books.quantity))), np.array(inputs),
    )  # fmt: skip


def carried_out(
    prepared: Prepared, program: steps.Program, leg_start: Places, instrument: NDArray[np.int32],
    quantity: Floats, stated: Floats, inputs: Floats,
) -> Floats:  # fmt: skip
    """Return the same of books that are laid out: account k has the legs leg_start[k] to leg_start[k + 1].

    leg_start (n+1,); instrument, quantity: of at least as many legs; stated: a row for each name of
    program.stated, of the legs; inputs: a row for each name of program.account, of the accounts.
    """
    instruments = prepared.instruments
    columns = instruments.columns
    outputs = np.empty((len(steps.WANTED), len(leg_start) - 1))
    run(
        program.code, program.constants, program.registers, program.of_instruments,
        program.of_underlyings, program.of_scenarios, leg_start, instrument, quantity, stated, inputs,
        instruments.group, instruments.underlying, prepared.compiled.is_single, prepared.table,
        prepared.base, prepared.discount_long, prepared.discount_short, prepared.weight, prepared.folds,
        prepared.is_discounted, len(prepared.scenarios), program.has_rows, columns["strike"],
        columns["is_call"], columns["is_option"], outputs,
    )  # fmt: skip
    return outputs
