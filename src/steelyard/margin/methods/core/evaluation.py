"""A method applied to books: every name of every scope, worked out when a formula first asks for it.

The same evaluation runs on plain columns for many accounts, or on dual numbers for one (`Dual`). It is
the readable twin of the program (`tracing`, `machine`) that margins many accounts fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.books import POSITION_NAMES, Books, Segments
from steelyard.margin.methods.core.columns import row_sums, sums
from steelyard.margin.methods.core.dual import Dual, value_of
from steelyard.margin.methods.core.features import naked_shorts, worst_payoff
from steelyard.margin.methods.core.instruments import EXPIRY_NAMES, Floats
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.resolving import (
    ACCOUNT,
    BUILT_IN,
    EXPIRY,
    LEG,
    UNDERLYING,
    Resolver,
)
from steelyard.margin.methods.core.rules import circular
from steelyard.margin.methods.core.scan import fill_scan
from steelyard.margin.methods.core.settlement import losses
from steelyard.quantities.errors import InputError

__all__ = ["ACCOUNT", "EXPIRY", "LEG", "UNDERLYING", "Evaluation"]
_EMPTY = np.empty((0, 0))


class Evaluation(Resolver):
    """One run of a prepared method over books; `name(scope, …)` gives any number of it.

    totals (U, S): the P&L of each unit in each scenario, kept if asked for; where (U,): the scenario
    that binds each unit.
    """

    def __init__(
        self, prepared: Prepared, books: Books, *, keeps: bool = False, is_dual: bool = False
    ) -> None:
        super().__init__(prepared)
        self.books = books
        self.segments = Segments(books, prepared.instruments, prepared.compiled.is_single)
        self.keeps = keeps or is_dual
        self.is_dual = is_dual
        self.totals: Floats = _EMPTY
        self.where: NDArray[np.int64] = np.zeros(0, np.int64)
        if not any(self.instruments.underlyings) and self.compiled.rules.settlement == "underlying":
            raise _without_currency(self.compiled.document.name)

    def name(self, name: str, scope: int = ACCOUNT) -> Any:
        """Return a name in a scope: a column, or dual numbers."""
        with np.errstate(all="ignore"):
            try:
                return self.scopes[scope][name]
            except RecursionError:
                raise circular(self.compiled.document, name) from None

    def column(self, name: str, scope: int = ACCOUNT) -> Floats:
        """Return a name in a scope as a plain column."""
        value = value_of(self.name(name, scope))
        column, shape = np.asarray(value, np.float64), (self.length(scope),)
        return column if column.shape == shape else np.broadcast_to(column, shape)

    def length(self, scope: int) -> int:
        """Return how many entries a scope has."""
        parts = self.segments
        return (
            len(self.books.quantity), len(parts.group_unit), len(parts.unit_account),
            self.books.size,
        )[scope]  # fmt: skip

    # What a value is

    def whole(self, value: Any, scope: int) -> Any:
        if isinstance(value, Dual):
            return value
        column, shape = np.asarray(value), (self.length(scope),)
        return column if column.shape == shape else np.broadcast_to(column, shape)

    def summed(self, value: Any, scope: int) -> Any:
        parts = self.segments
        starts = (parts.group_start, parts.unit_start, parts.account_start)[scope]
        if isinstance(value, Dual):
            grad = row_sums(value.grad, starts)
            return Dual(sums(value.value, starts), grad)
        return sums(np.asarray(value, np.float64), starts)

    def repeated(self, value: Any, scope: int) -> Any:
        parts = self.segments
        index = (parts.leg_group, parts.group_unit, parts.unit_account)[scope]
        if isinstance(value, Dual):
            return Dual(value.value[index], value.grad[index])
        return np.asarray(value)[index]

    def parameter(self, name: str, scope: int) -> Any:
        instruments = self.instruments
        if scope == LEG:
            value = self.prepared.names[name]
            if isinstance(value, np.ndarray) and value.ndim == 1:
                return value[self.books.instrument]
            return value
        # An account without contracts may stand beside a market without underlyings.
        known = instruments.underlyings or [""]
        names = [known[u] for u in self.segments.unit_underlying]
        value = self.prepared.parameter(name, names, names)
        if isinstance(value, np.ndarray) and scope == EXPIRY:
            return value[self.segments.group_unit]
        return value

    # Numbers of the market and of the books

    def given(self, name: str, scope: int) -> Any:
        if name == "maximum_loss":
            return self._maximum_loss(scope)
        if scope == LEG:
            return self._given_leg(name)
        if scope == EXPIRY:
            if name in EXPIRY_NAMES:
                return self.instruments.columns[name][self.segments.first]
            return self._feature(name)
        if scope == UNDERLYING:
            if name == "scan_min":
                return self._scan()
            column = self.instruments.of_underlying[name]
            at = self.segments.unit_underlying
            return column[at] if len(column) else np.full(len(at), np.nan)
        if name == "settlement_price":
            return self.prepared.settlement_price
        if name == "cash":
            return self.books.cash
        return self.books.extras.get(name, 0.0)

    def _given_leg(self, name: str) -> Any:
        rows = self.books.instrument
        if name == "quantity":
            quantity = self.books.quantity
            return Dual(quantity, np.eye(len(quantity))) if self.is_dual else quantity
        if name in POSITION_NAMES:
            return self.books.stated.get(name, np.nan)
        if name in self.prepared.probes:
            return self.prepared.probes[name][rows] * self.scopes[LEG]["quantity"]
        if name in BUILT_IN:
            found = BUILT_IN[name].value(self.scopes[LEG])
            return self._with_stated(found) if name == "pnl" and self.is_dual else found
        value = self.prepared.names[name]
        return value[rows] if isinstance(value, np.ndarray) else value

    def _with_stated(self, pnl: Any) -> Dual:
        """Return profit with what a stated amount comes to for one unit of its leg in the gradient."""
        quantity = self.books.quantity
        stated = np.broadcast_to(self.scopes[LEG]["unrealised_pnl"], quantity.shape)
        each = np.where(np.isnan(stated), 0.0, stated / np.where(quantity == 0.0, 1.0, quantity))
        grad = pnl.grad if isinstance(pnl, Dual) else 0.0
        return Dual(value_of(pnl), grad + np.diag(each))

    def _feature(self, name: str) -> Any:
        books, columns = self.books, self.instruments.columns
        starts = self.segments.group_start
        if name == "naked_shorts":
            value, share = naked_shorts(
                books.instrument, books.quantity, starts, columns["strike"], columns["is_option"]
            )
        else:
            value, share = worst_payoff(
                books.instrument, books.quantity, starts, columns["strike"], columns["is_call"],
                columns["is_option"],
            )  # fmt: skip
        if not self.is_dual:
            return value
        grad = np.zeros((len(value), len(share)))
        grad[self.segments.leg_group, np.arange(len(share))] = share
        return Dual(value, grad)

    def _maximum_loss(self, scope: int) -> Any:
        """Return what the legs of each expiry, or of each unit, lose at most from their marks."""
        parts = self.segments
        starts = parts.group_start if scope == EXPIRY else parts.group_start[parts.unit_start]
        value, share = losses(self.prepared, self.books, starts)
        if not self.is_dual:
            return value
        owner = parts.leg_group if scope == EXPIRY else parts.group_unit[parts.leg_group]
        grad = np.zeros((len(value), len(share)))
        grad[owner, np.arange(len(share))] = share
        return Dual(value, grad)

    # The scan

    def _scan(self) -> Any:
        prepared, books, parts = self.prepared, self.books, self.segments
        units, count = len(parts.unit_account), len(prepared.scenarios)
        steps = self.compiled.rules.scan
        keeps = self.keeps or bool(steps)
        self.totals = np.zeros((units, count)) if keeps else _EMPTY
        worst, where = np.zeros(units), np.zeros(units)
        fill_scan(
            prepared.table, prepared.base, books.instrument, books.quantity, parts.group_start,
            parts.unit_start, prepared.discount_long, prepared.discount_short, prepared.weight,
            prepared.folds, prepared.is_discounted, count, self.totals, worst, where,
        )  # fmt: skip
        self.where = where.astype(np.int64)
        if not steps:
            return Dual(worst, self._scan_shares(None)) if self.is_dual else worst
        raw = self.totals
        for number, text in enumerate(steps):
            self.totals = self._stepped(text, number)
        self.where = np.argmin(self.totals, axis=1) if count else self.where
        worst = self.totals[np.arange(units), self.where] + _spoilt(self.totals)
        return Dual(worst, self._scan_shares(raw)) if self.is_dual else worst

    def _stepped(self, text: str, number: int) -> Floats:
        """Return the totals after one formula in x, the scenario's numbers and the underlying's."""
        names: dict[str, Any] = {"x": self.totals, **self.prepared.scenarios.columns()}
        step = self.compiled.formulas.of(text, f"rules.scan[{number}]")
        for name in step.names:
            if name not in names:
                value = value_of(self.scopes[UNDERLYING][name])
                names[name] = value[:, None] if isinstance(value, np.ndarray) else value
        return np.asarray(np.broadcast_to(step.value(names), self.totals.shape))

    def _scan_shares(self, raw: Floats | None) -> Floats:
        """Return what one unit of each leg adds to the worst P&L of its unit, (U, L)."""
        prepared, books, parts = self.prepared, self.books, self.segments
        rows, group = books.instrument, parts.leg_group
        unit = parts.group_unit[group]
        s = self.where[unit]
        gain = prepared.table[rows, s]
        if prepared.has_discounts:
            value = sums(books.quantity * gain, parts.group_start)[group]
            unmoved = sums(books.quantity * prepared.base[rows], parts.group_start)[group]
            discount = np.where(
                value >= 0.0, prepared.discount_long[rows], prepared.discount_short[rows]
            )
            share = (gain * discount - prepared.base[rows]) * prepared.weight[s]
            folds = prepared.folds[s] & ((value * discount - unmoved) * prepared.weight[s] > 0.0)
            gain = np.where(prepared.is_discounted[rows], np.where(folds, -share, share), gain)
        if raw is not None:
            before, after = raw[unit, s], self.totals[unit, s]
            gain = np.where(before != 0.0, gain * (after / before), 0.0)
        grad = np.zeros((len(parts.unit_account), len(rows)))
        grad[unit, np.arange(len(rows))] = gain
        return grad


def _without_currency(method: str) -> InputError:
    """Return the error of an account settled in its underlying's coin where there is no underlying."""
    return InputError(
        "METH-E01",
        "market.underlyings is empty, and the account holds nothing",
        rule=f"an account under {method} is kept in the coin of its underlying",
        cure="state market.underlyings",
        field="market.underlyings",
    )


def _spoilt(totals: Floats) -> Floats:
    """Return 0 for each row of numbers, NaN for a row that holds a NaN or infinity."""
    return np.where(np.isfinite(totals).all(axis=1), 0.0, np.nan)
