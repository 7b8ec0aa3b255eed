"""A simulation in rows of a prepared table: the fast way to the numbers that `margin_of` gives.

What an account states is read into rows once (`Standing`); a simulation is then merged into them, paid for,
and margined as two books in one run: the account, and the account without its next expiry. Whatever is out
of the ordinary gives None: the account is then asked for as a case, which knows every rule and says what
is wrong.
"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.rules import checked
from steelyard.margin.methods.core.what_if import margins
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.after import Sizes, filled
from steelyard.service.answers.desk import Context
from steelyard.service.answers.merging import IS_GOOD, LATER, LEGS, fill_books
from steelyard.service.answers.scope import Scope, case_of
from steelyard.service.answers.tables import GREEKS, Table, counting, reads_marks
from steelyard.terms.stated import Position, parse_contract

Floats = NDArray[np.float64]
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


class Standing(NamedTuple):
    """An account in rows of a table, valid for the statement it was read from.

    rows (P,) rising, quantity (P,): its legs; names, stated (S, P): what they state; extras: given amounts.
    entered: linear positions that state an entry price, with their places among the legs.
    """

    rows: Rows
    quantity: Floats
    names: tuple[str, ...]
    stated: Floats
    cash: float
    extras: dict[str, Floats]
    entered: dict[str, tuple[Position[float], int]]


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
        at = np.array([*map(table.place.__getitem__, names)], np.int64)
    except KeyError:
        return None
    traded = np.array(amounts, np.float64)
    return _merged(table, standing, at, traded, sizes)


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
    return Standing(
        rows, books.quantity, tuple(stated), columns, float(books.cash[0]), books.extras, entered
    )


def _merged(
    table: Table, standing: Standing, at: Rows, traded: Floats, sizes: Sizes
) -> Levels | None:
    """Return the numbers after the trades; None where they are none."""
    names, stated = standing.names, standing.stated
    gained = np.zeros(len(at))
    if standing.entered:
        stated = _filled(table, standing, sizes, gained)
    room = 2 * (len(standing.rows) + len(at))
    account, rows = np.empty(room, np.int64), np.empty(room, np.int32)
    amounts, columns = np.empty(room), np.empty((len(names), room))
    count, width = len(table.underlyings), len(GREEKS)
    sums, projected, counts = np.zeros((count, width + 1)), np.zeros(count), np.zeros(3, np.int64)
    size = len(table.value)
    paid = fill_books(
        standing.rows, standing.quantity, stated, at, traded, gained, table.value, table.is_option,
        table.is_dated, table.seconds, table.underlying, table.greeks,
        names.index("mark_price") if reads_marks(table.document) else -1,
        names.index("stated_delta") if "stated_delta" in names else -1,
        np.full(size, -1, np.int32), np.full(size, np.nan), account, rows, amounts, columns, sums,
        projected, counts,
    )  # fmt: skip
    legs, later, is_good = int(counts[LEGS]), int(counts[LATER]), bool(counts[IS_GOOD])
    if not is_good or not legs:
        return None
    books_count, used = (1, legs) if later == legs else (2, legs + later)
    cash = standing.cash - paid
    books = Books(
        books_count, account[:used], rows[:used], amounts[:used], np.full(books_count, cash),
        {name: columns[s, :used] for s, name in enumerate(names)},
        {name: np.repeat(column, books_count) for name, column in standing.extras.items()},
    )  # fmt: skip
    found = margins(table.prepared, books)
    equity: float | None = found.equity.item(0)
    initial, keep = found.initial_requirement.tolist(), found.maintenance_requirement.tolist()
    if not (isfinite(initial[0]) and isfinite(keep[0]) and isfinite(initial[-1] + keep[-1])):
        return None
    if equity is not None and not isfinite(equity):
        if table.prepared.rules.is_equity_asked:
            return None
        equity = None
    by_underlying = sums.tolist()
    held = [u for u, row in enumerate(by_underlying) if row[width]]
    told = Sums(
        [table.underlyings[u] for u in held],
        [by_underlying[u][:width] for u in held],
        [projected.item(u) for u in held],
    )
    return Levels(cash, equity, initial[0], keep[0], initial[-1], keep[-1], told)


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
