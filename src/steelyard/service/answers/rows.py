"""A simulation in rows of a prepared table: the fast way to the numbers that `margin_of` gives.

What an account states is read into rows once (`Standing`); a simulation is then merged into them, paid for,
and margined as two books in one run: the account, and the account without its next expiry. Whatever is out
of the ordinary gives None: the account is then asked for as a case, which knows every rule and says what
is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.machine import carried_out, program_for
from steelyard.margin.methods.core.rules import checked
from steelyard.margin.methods.core.steps import Program
from steelyard.margin.methods.core.what_if import margins
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.after import Sizes, filled
from steelyard.service.answers.desk import Context
from steelyard.service.answers.merging import CONTRACTS, PROJECTED, Floats, Room, fill_books
from steelyard.service.answers.scope import Scope, case_of
from steelyard.service.answers.tables import Table, counting, reads_marks
from steelyard.terms.stated import Position, parse_contract

Rows = NDArray[np.int64]


class Sums(NamedTuple):
    """Greeks of a book by underlying: names, (U, 5) in the order of GREEKS, and the delta projected."""

    underlyings: list[str]
    amounts: list[list[float]]
    projected: list[float]


class Levels(NamedTuple):
    """Numbers of an account in the method's currency; None where the method states none."""

    balance: float
    equity: float | None
    initial: float | None
    maintenance: float | None
    projected_initial: float | None
    projected_maintenance: float | None
    sums: Sums


@dataclass(slots=True)
class Standing:
    """An account in rows of a table, valid for the statement it was read from.

    rows (P,) rising, quantity (P,): its legs; names, stated (S, P): what they state; mark, delta: which of
    those are marks and deltas, −1 for none; extras: given amounts. entered: linear positions that state an entry
    price, with their places among the legs. program: of the method for such an account, once it pays; chosen: which
    of `names` it reads, None for all in their order. rooms: those of the table that nobody is in.
    """

    rows: Rows
    quantity: Floats
    names: tuple[str, ...]
    stated: Floats
    mark: int
    delta: int
    cash: float
    extras: dict[str, float]
    entered: dict[str, tuple[Position[float], int]]
    rooms: list[Room]
    program: Program | None = None
    chosen: list[int] | None = None


def levels_of(context: Context, scope: Scope, sizes: Sizes) -> Levels | None:
    """Return the numbers of an account after trades at the mark; None where only a case can tell."""
    table = _table(context, scope, sizes)
    if table is None:
        return None
    standing = _standing(context, scope, table)
    if standing is None:
        return None
    names, amounts = zip(*sizes, strict=True) if sizes else ((), ())
    try:
        at = np.fromiter(map(table.place.__getitem__, names), np.int64, len(names))
    except KeyError:
        return None
    if len(at) > len(table.value):
        return None  # a contract is there twice
    traded = np.fromiter(amounts, np.float64, len(names))
    # Whoever is given a room is alone in it: threads and answers within answers find another, or a new one.
    rooms = standing.rooms
    room = rooms.pop() if rooms else _room(table, standing)
    try:
        return _merged(table, standing, room, at, traded, sizes)
    finally:
        rooms.append(room)


def _table(context: Context, scope: Scope, sizes: Sizes) -> Table | None:
    """Return the table that holds what an account and its trades are in."""
    document = scope.document
    if document.core != "scenario":
        return None
    rules = checked(document).rules
    underlying = ""
    if rules.underlyings == "one":
        held = scope.account.positions
        first = held[0].instrument if held else (sizes[0][0] if sizes else "")
        try:
            underlying = parse_contract(first).underlying
        except SteelyardError:
            return None
    elif rules.underlyings == "combined" and rules.by:
        return None  # what it reads of an underlying depends on which ones are held
    desk = context.desk
    return desk.tables.table(desk.market(), document, underlying, desk.instruments)


def _standing(context: Context, scope: Scope, table: Table) -> Standing | None:
    """Return an account in rows, kept until the account changes; None where it cannot be."""
    key = scope.name, scope.currency, bool(scope.account.positions)
    known = table.standings.get(key)
    if known is not None and (known[0] is scope.account or known[0] == scope.account):
        found: Standing | None = known[1]
        return found
    found = _read(context, scope, table)
    table.keep(key, (scope.account, found))
    return found


def _read(context: Context, scope: Scope, table: Table) -> Standing | None:
    document, account = scope.document, scope.account
    compiled = table.prepared.compiled
    try:
        evaluation = evaluated(case_of(context, scope), compiled)
    except (SteelyardError, ArithmeticError):
        return None
    books = evaluation.books
    names = [evaluation.instruments.names[int(i)] for i in books.instrument]
    if any(name not in table.place for name in names):
        return None
    coins = [name for name in names if name in account.balances]
    is_any = compiled.rules.collateral == "any" and compiled.is_single
    if not is_any and any(name not in table.underlyings for name in coins):
        return None
    rows = np.array([table.place[name] for name in names], np.int64)
    if len(rows) and not (rows[1:] > rows[:-1]).all():
        return None
    stated = dict(books.stated)
    if reads_marks(document) and "mark_price" not in stated:
        stated["mark_price"] = np.full(len(rows), np.nan)
    at = {name: i for i, name in enumerate(names)}
    entered = {
        each.instrument: (each, at[each.instrument])
        for each in account.positions
        if each.entry_price is not None and not table.is_option[table.place[each.instrument]]
    }
    columns = np.array([*stated.values()]).reshape(len(stated), len(rows))
    places = {name: s for s, name in enumerate(stated)}
    return Standing(
        rows, books.quantity, tuple(stated), columns,
        places["mark_price"] if reads_marks(document) else -1, places.get("stated_delta", -1),
        float(books.cash[0]), {name: float(each[0]) for name, each in books.extras.items()}, entered,
        table.rooms.setdefault(len(stated), []),
    )  # fmt: skip


def _room(table: Table, standing: Standing) -> Room:
    return Room(len(table.value), len(table.underlyings), len(standing.names))


def _merged(
    table: Table, standing: Standing, room: Room, at: Rows, traded: Floats, sizes: Sizes
) -> Levels | None:
    """Return the numbers after the trades; None where they are none."""
    stated, gained = standing.stated, table.nothing[: len(at)]
    if standing.entered:
        gained = np.zeros(len(at))
        stated = _filled(table, standing, sizes, gained)
    paid = fill_books(
        standing.rows, standing.quantity, stated, at, traded, gained, table.value, table.is_option,
        table.is_dated, table.seconds, table.underlying, table.greeks, standing.mark, standing.delta,
        room.order, room.unit, room.starts, room.rows, room.amounts, room.stated, room.sums,
    )  # fmt: skip
    _, legs, both = room.starts.tolist()
    if not isfinite(paid) or not legs:
        return None
    cash = standing.cash - paid
    (equity, *_), initial, keep = _margined(
        table, standing, room, 1 if both == 2 * legs else 2, cash
    )
    if not (isfinite(initial[0]) and isfinite(keep[0]) and isfinite(initial[-1] + keep[-1])):
        return None
    known: float | None = equity
    if not isfinite(equity):
        if table.prepared.rules.is_equity_asked:
            return None
        known = None
    told = Sums([], [], [])
    for name, sums in zip(table.underlyings, room.sums.tolist(), strict=True):
        if sums[CONTRACTS]:
            told.underlyings.append(name)
            told.amounts.append(sums[:CONTRACTS])
            told.projected.append(sums[PROJECTED])
    return Levels(cash, known, initial[0], keep[0], initial[-1], keep[-1], told)


def _margined(
    table: Table, standing: Standing, room: Room, books: int, cash: float
) -> list[list[float]]:
    """Return equity and the two requirements of the first, or of both books in a room."""
    program = standing.program
    if program is None:
        return _margined_as_any(table, standing, room, books, cash)
    stated = room.stated if standing.chosen is None else room.stated[standing.chosen]
    given = [cash if name == "cash" else standing.extras[name] for name in program.account]
    found = carried_out(
        table.prepared, program, room.one if books == 1 else room.starts, room.rows, room.amounts, stated,
        np.array([[each] * books for each in given]),
    )  # fmt: skip
    told: list[list[float]] = found.tolist()
    return told


def _margined_as_any(
    table: Table, standing: Standing, room: Room, books: int, cash: float
) -> list[list[float]]:
    """Return the same as for any books, and know the program of such accounts once there are any."""
    prepared, names = table.prepared, standing.names
    starts = room.starts[: books + 1]
    used = int(starts[-1])
    found = margins(
        prepared,
        Books(
            books, np.repeat(np.arange(books), np.diff(starts)), room.rows[:used], room.amounts[:used],
            np.full(books, cash), {name: room.stated[s, :used] for s, name in enumerate(names)},
            {name: np.full(books, each) for name, each in standing.extras.items()},
        ),
    )  # fmt: skip
    if prepared.programs:
        program = standing.program = program_for(prepared, names, standing.extras)
        if program is not None and program.stated != names:
            standing.chosen = [names.index(name) for name in program.stated]
    return [column.tolist() for column in found]


def _filled(table: Table, standing: Standing, sizes: Sizes, gained: Floats) -> Floats:
    """Return what legs state once linear positions with an entry are traded, and write what that pays."""
    places = {name: i for i, (name, _) in enumerate(sizes)}
    market = table.prepared.instruments.market
    stated = standing.stated
    for name, (position, leg) in standing.entered.items():
        i = places.get(name)
        if i is None:
            continue
        changed, gained[i] = filled(position, sizes[i][1], market, counting(table.document))
        if stated is standing.stated:
            stated = stated.copy()
        entry = changed.entry_price
        stated[standing.names.index("entry_price"), leg] = np.nan if entry is None else entry
    return stated
