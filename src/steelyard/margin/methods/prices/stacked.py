"""One account at many prices in one run of the scenario core.

Every moved market becomes a layer of one table of instruments, every moved account a book on its layer.
What an account gets so has the bits that it gets alone: layers share nothing but the method. A layer whose
numbers are no numbers, or whose account cannot be moved, is left to be asked for alone, which says why.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.books import POSITION_NAMES, Books
from steelyard.margin.methods.core.instruments import OPTION, Floats, Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.core.what_if import margins
from steelyard.terms.stated import Case, Market, Position

ROWS_MAX = 20_000  # instruments in one run, so that its tables stay small
FIELDS = ("entry_price", "mark_price", "unrealised_pnl", "unrealised_funding", "delta")


class Layers(Instruments):
    """The instruments of an account in several markets, one layer after the other."""

    def __init__(self, base: Instruments, is_single: bool, layers: list[Instruments]) -> None:
        count, units = len(layers), len(base.underlyings)
        self.market = base.market
        self.underlyings = base.underlyings * count
        self.names = base.names * count
        self.contracts = base.contracts * count
        self.underlying_of = base.underlying_of * count
        self.place = {}
        layer = np.repeat(np.arange(count, dtype=np.int32), len(base))
        within = np.zeros(len(base), np.int32) if is_single else base.underlying
        self.underlying = layer * np.int32(units) + np.tile(within, count)
        groups = int(base.group.max()) + 1 if len(base) else 0
        self.group = layer * np.int32(groups) + np.tile(base.group, count)
        self.kind = np.tile(base.kind, count)
        self.columns = _joined([each.columns for each in layers])
        self.of_underlying = _joined([each.of_underlying for each in layers])


class Stack:
    """An account whose moved cases are margined together."""

    def __init__(self, case: Case[float], compiled: Compiled) -> None:
        evaluation = evaluated(case, compiled)
        self.case = case
        self.base = evaluation.instruments
        self.books = evaluation.books
        self.compiled = copy.copy(compiled)
        # An account stands on one layer, which is all that "one underlying" means to the core.
        self.compiled.is_single = False
        self.is_single = compiled.is_single
        leg = {int(row): place for place, row in enumerate(self.books.instrument)}
        self.legs = [leg[self.base.place[each.instrument]] for each in case.account.positions]
        self.source, self.told = self._told()

    def _told(self) -> tuple[NDArray[np.int64], list[str]]:
        """Return whose expiry each instrument shares, and the names whose columns tell all of them."""
        base = self.base
        source = np.arange(len(base))
        first: dict[int, int] = {}
        told = []
        for i, group in enumerate(base.group.tolist()):
            if base.kind[i] == OPTION:
                source[i] = first.setdefault(group, i)
            if source[i] == i and base.contracts[i] is not None:
                told.append(base.names[i])
        return source, told

    def margins(
        self, cases: list[Case[float]], *, is_smile_kept: bool
    ) -> list[tuple[float, float] | None]:
        """Return (equity, maintenance requirement) of moved cases, None where one is to be asked alone.

        cases: of the contracts of the account, in their order.

        is_smile_kept: no volatility has moved; it is as the account has it.
        """
        found: list[tuple[float, float] | None] = [None] * len(cases)
        cash = self.case.account.balances
        good = [k for k, case in enumerate(cases) if case.account.balances == cash]
        if not len(self.base):
            return found  # nothing that would stand on a layer
        chunk = max(1, ROWS_MAX // len(self.base))
        for start in range(0, len(good), chunk):
            places = good[start : start + chunk]
            values = self._run([cases[k] for k in places], is_smile_kept)
            for k, equity, requirement in zip(places, *values, strict=True):
                if isfinite(equity) and isfinite(requirement):
                    found[k] = equity, requirement
        return found

    def _run(
        self, cases: list[Case[float]], is_smile_kept: bool
    ) -> tuple[list[float], list[float]]:
        layers = [self._layer(case.market, is_smile_kept) for case in cases]
        instruments = Layers(self.base, self.is_single, layers)
        result = margins(Prepared(self.compiled, instruments), self._books(cases))
        return result.equity.tolist(), result.maintenance_requirement.tolist()

    def _layer(self, market: Market[float], is_smile_kept: bool) -> Instruments:
        """Return the account's instruments in a moved market."""
        base = self.base
        coins = [n for n, c in zip(base.names, base.contracts, strict=True) if c is None]
        is_single = self.is_single
        if not is_smile_kept:
            contracts = [c.name for c in base.contracts if c is not None]
            return Instruments(market, contracts, coins, is_single=is_single)
        few = Instruments(market, self.told, coins, is_single=is_single)
        row = np.array([few.place[base.names[i]] for i in self.source], np.int64)
        layer = copy.copy(base)
        layer.of_underlying = few.of_underlying
        kept = ("strike", "volatility", "is_call", "is_base")
        layer.columns = {
            name: base.columns[name] if name in kept else column[row]
            for name, column in few.columns.items()
        }
        return layer

    def _books(self, cases: list[Case[float]]) -> Books:
        base, count, size = self.books, len(cases), len(self.books.quantity)
        quantity = np.tile(base.quantity, (count, 1))
        stated: dict[str, Floats] = {
            name: np.tile(column, (count, 1)) for name, column in base.stated.items()
        }
        for k, case in enumerate(cases):
            for leg, before, after in zip(
                self.legs, self.case.account.positions, case.account.positions, strict=True
            ):
                if after is not before:
                    quantity[k, leg] = after.quantity
                    _restate(stated, k, leg, after, quantity.shape)
        rows = base.instrument[None, :] + np.arange(count)[:, None] * len(self.base)
        return Books(
            count,
            np.repeat(np.arange(count), size).astype(np.int64),
            rows.reshape(-1).astype(np.int32),
            quantity.reshape(-1),
            np.repeat(base.cash, count),
            {name: column.reshape(-1) for name, column in stated.items()},
            {name: np.repeat(column, count) for name, column in base.extras.items()},
        )


def _restate(
    stated: dict[str, Floats], k: int, leg: int, after: Position[float], shape: tuple[int, ...]
) -> None:
    """Write what a moved position states over what it stated before."""
    for name, field in zip(POSITION_NAMES, FIELDS, strict=True):
        value = getattr(after, field)
        if value is None and name not in stated:
            continue
        column = stated.setdefault(name, np.full(shape, np.nan))
        column[k, leg] = np.nan if value is None else value


def _joined(tables: Iterable[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the columns of several tables, one table after the other."""
    several = list(tables)
    return {name: np.concatenate([each[name] for each in several]) for name in several[0]}
