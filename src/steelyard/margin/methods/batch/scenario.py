"""The scenario core over all units at once: one table of instruments, one run over the books.

Units whose numbers depend on one underlying (methods of one underlying, and coins that lie beside it) are
run with those of the same underlying. A unit that breaks a rule of statements, or whose numbers are no
numbers, is asked for on its own as a case, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from steelyard.margin.methods.batch.alone import Alone
from steelyard.margin.methods.batch.columns import Batch, Flags, Floats, Places
from steelyard.margin.methods.batch.failing import Failing, Found
from steelyard.margin.methods.batch.faults import faults_of, is_cash
from steelyard.margin.methods.batch.order import sorted_by
from steelyard.margin.methods.batch.units import Units, units_of
from steelyard.margin.methods.core.books import ACCOUNT_NAMES, POSITION_NAMES, Books
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.core.what_if import Margins, margins
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Market

STATED_FIELDS = ("entry_price", "mark_price", "unrealised_pnl", "unrealised_funding", "delta")


class UnitMargins(NamedTuple):
    """Equity and requirements of units (S,), NaN where there is none; currencies; errors by unit."""

    units: Units
    equity: Floats
    initial: Floats
    maintenance: Floats
    currency: list[str]
    errors: dict[int, SteelyardError]


def unit_margins(batch: Batch, market: Market[float], document: MethodDocument) -> UnitMargins:
    """Return the margins of all units under a scenario document that has the parameters in it.

    Errors: TERM-… for a document that does not hold together.
    """
    run = _Run(batch, market, document)
    faults = faults_of(batch, run.units, run.compiled, market, run.is_cash)
    faulty = faults.units(run.units)
    run.take(run.failing.of_statements(np.flatnonzero(faulty), faults))
    for places in run.buckets(~faulty):
        run.together(places)
    units = run.units
    currency = [document.currency] * len(units)
    if document.currency == "underlying":
        currency = [units.names[i] for i in units.base.tolist()]
    equity, initial, maintenance = run.found
    return UnitMargins(units, equity, initial, maintenance, currency, run.errors)


class _Run:
    """One run of a document over a batch; found: equity, initial and maintenance requirement (S,) each."""

    def __init__(self, batch: Batch, market: Market[float], document: MethodDocument) -> None:
        self.batch = batch
        self.market = market
        self.compiled = Compiled(document)
        self.rules = self.compiled.rules
        self.units = units_of(batch, self.rules, market)
        self.found = Margins(*(np.full(len(self.units), np.nan) for _ in range(3)))
        self.errors: dict[int, SteelyardError] = {}
        self.alone = Alone(batch, market, document, self.units, self.rules)
        self.failing = Failing(batch, self.units, self.compiled, document, self.alone)
        self.is_cash = is_cash(batch, self.units, self.rules.settlement, market)
        self.is_foreign = np.array(
            [n not in market.underlyings and n != self.rules.settlement for n in batch.assets], bool
        )

    def take(self, answers: Found) -> None:
        """Keep the answers to units that were asked for on their own."""
        for unit, answer in answers.items():
            if isinstance(answer, SteelyardError):
                self.errors[unit] = answer
                continue
            for column, value in zip(self.found, answer, strict=True):
                column[unit] = value

    def buckets(self, good: Flags) -> list[Places]:
        """Return the good units that are run together."""
        places = np.flatnonzero(good)
        is_apart = self.rules.underlyings != "many" or bool(self.is_foreign.any())
        if not len(places) or not is_apart:
            return [places] if len(places) else []
        order = places[np.argsort(self.units.base[places], kind="stable")]
        base = self.units.base[order]
        return np.split(order, np.flatnonzero(base[1:] != base[:-1]) + 1)

    def together(self, places: Places) -> None:
        """Margin units of one bucket in one run; ask for those alone that have no numbers then."""
        try:
            found = margins(*self._prepared(places))
        except (SteelyardError, ArithmeticError):
            # A number that belongs to one instrument stops them all: find whose it is.
            self._apart(places)
            return
        for column, values in zip(self.found, found, strict=True):
            column[places] = values
        is_usable = np.isfinite(found.initial_requirement) & np.isfinite(
            found.maintenance_requirement
        )
        if self.rules.is_equity_asked:
            is_usable &= np.isfinite(found.equity)
        else:
            self.found.equity[places] = np.where(np.isfinite(found.equity), found.equity, np.nan)
        for column in self.found:
            column[places[~is_usable]] = np.nan
        self.take(self.failing.of_numbers(places[~is_usable]))

    def _apart(self, places: Places) -> None:
        stops = self.alone.stopping(places) if len(places) > 1 else np.zeros(1, bool)
        if not stops.any():
            self.take(self.failing.one_by_one(places))
            return
        self.take(self.failing.of_stopped(places[stops]))
        if not stops.all():
            self.together(places[~stops])

    def _prepared(self, places: Places) -> tuple[Prepared, Books]:
        """Return the market's tables for the units of a bucket, and their books."""
        batch, units = self.batch, self.units
        local = np.full(len(units) + 1, -1, np.int64)
        local[places] = np.arange(len(places))
        order = batch.order
        unit = local[units.leg_unit[order]]
        if len(places) < len(units):
            order, unit = order[unit >= 0], unit[unit >= 0]
        code = batch.instrument[order]
        balance_unit = local[units.balance_unit]
        coins = np.flatnonzero((balance_unit >= 0) & ~self.is_cash)
        names = [batch.instruments[i] for i in _distinct(code, len(batch.instruments))]
        assets = [batch.assets[i] for i in _distinct(batch.balance_asset[coins], len(batch.assets))]
        market = self.market
        if not names and self.rules.underlyings == "one":
            market = self.alone.market_of(int(places[0]))
        instruments = self._instruments(market, names, assets)
        row = _rows(batch.instruments, instruments)[code]
        coin_row = _rows(batch.assets, instruments)[batch.balance_asset[coins]]
        books = self._books(places, (order, unit, row), (coins, balance_unit[coins], coin_row))
        cash = np.zeros(len(places))
        held = np.flatnonzero((balance_unit >= 0) & self.is_cash)
        cash[balance_unit[held]] = batch.amount[held]
        books.cash = cash
        return Prepared(self.compiled, instruments), books

    def _instruments(
        self, market: Market[float], names: list[str], assets: list[str]
    ) -> Instruments:
        """Return the table of instruments and coins, as another method had it of the same market."""
        key = (id(market), tuple(names), tuple(assets), self.compiled.is_single)
        known = self.batch.tables.get(key)
        if known is None:
            found = Instruments(market, names, assets, is_single=self.compiled.is_single)
            # The market stands beside its table, so that its identity is nobody else's.
            known = self.batch.tables[key] = (market, found)
        table: Instruments = known[1]
        return table

    def _books(
        self,
        places: Places,
        legs: tuple[Places, Places, Places],
        coins: tuple[Places, Places, Places],
    ) -> Books:
        """Return the books of units from (rows of the batch, unit, instrument) of positions and of coins."""
        batch = self.batch
        stated = {}
        for name, field in zip(POSITION_NAMES, STATED_FIELDS, strict=True):
            column = batch.stated.get(field)
            if column is not None:
                stated[name] = np.append(column[legs[0]], np.full(len(coins[0]), np.nan))
        quantity = np.append(batch.quantity[legs[0]], batch.amount[coins[0]])
        unit, row = np.append(legs[1], coins[1]), np.append(legs[2], coins[2])
        order = sorted_by(unit, row, len(places), int(row.max()) + 1 if len(row) else 0)
        if order is not None:
            unit, row, quantity = unit[order], row[order], quantity[order]
            stated = {name: column[order] for name, column in stated.items()}
        extras = {}
        account = self.units.account[places]
        is_first = self.units.start[account] == places
        for name in ACCOUNT_NAMES:
            given = batch.given.get(name)
            if given is not None:
                here = given[account]
                extras[name] = np.where(is_first & (here == here), here, 0.0)
        return Books(
            len(places), unit, row.astype(np.int32), quantity, np.zeros(len(places)), stated, extras
        )


def _rows(names: Sequence[str], instruments: Instruments) -> Places:
    """Return the row of each name among the instruments, −1 where it is not there."""
    place = instruments.place
    return np.array([place.get(name, -1) for name in names], np.int64)


def _distinct(code: Places, size: int) -> list[int]:
    """Return the codes that occur, rising; each is below `size`."""
    occurs = np.zeros(size, bool)
    occurs[code] = True
    found: list[int] = np.flatnonzero(occurs).tolist()
    return found
