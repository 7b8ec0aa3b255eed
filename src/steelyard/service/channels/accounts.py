"""`accounts`: every margin unit in columns, and the rows that changed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.decisions import STATE_NAMES
from steelyard.margin import RiskColumns
from steelyard.service.channels.digits import json_of
from steelyard.service.channels.payloads import AccountsData
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.host.scene import Scene
from steelyard.terms import FULL_MODES
from steelyard.terms.account import owner_of

AMOUNTS = (
    "equity", "initial_balance", "initial_requirement", "maintenance_balance",
    "maintenance_requirement",
)  # fmt: skip
FIELDS = ("state", "positions", *(f"{name}_micro" for name in AMOUNTS))
_RESULTS = [RiskColumns.NAMES.index(name) for name in AMOUNTS]


class Units(NamedTuple):
    """The units in the order of their numbering: names, owners, modes, and where each shard's rows stand."""

    names: list[str]
    owners: list[str]
    modes: list[str]
    places: tuple[NDArray[np.int64], ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Return how many units each shard has."""
        return tuple(len(each) for each in self.places)


class AccountsState(NamedTuple):
    """The units and their columns, (fields, units), in the order of `FIELDS`."""

    units: Units
    columns: NDArray[np.int64]


class AccountsPublisher(Publisher[AccountsState]):
    """Compares columns: what a reader sees of a row is what decides whether it changed."""

    def read(self, scene: Scene, before: AccountsState | None) -> AccountsState:
        """Return the columns of every unit now; units since `before` stand behind the others."""
        shards = scene.engine.shards
        units = _numbered(scene, None if before is None else before.units)
        columns = np.empty((len(FIELDS), len(units.names)), np.int64)
        for shard, places in zip(shards, units.places, strict=True):
            count = len(places)
            columns[0, places] = shard.book.state[:count]
            columns[1, places] = shard.book.count[:count]
            columns[2:, places] = shard.results[_RESULTS, :count]
        return AccountsState(units, columns)

    def whole(self, state: AccountsState, mark: Mark) -> AccountsData:
        """Return every row."""
        return _data(state, mark, 0, None, state.columns)

    def change(
        self, before: AccountsState, state: AccountsState, mark: Mark
    ) -> AccountsData | None:
        """Return the rows that are new or differ."""
        known, count = before.columns.shape[1], state.columns.shape[1]
        differs = np.ones(count, np.bool_)
        differs[:known] = (before.columns != state.columns[:, :known]).any(axis=0)
        rows = np.flatnonzero(differs)
        if not len(rows):
            return None
        is_all = len(rows) == count
        chosen = state.columns if is_all else state.columns[:, rows]
        return _data(state, mark, known, rows, chosen)


def _data(
    state: AccountsState, mark: Mark, first: int, rows: NDArray[np.int64] | None,
    columns: NDArray[np.int64],
) -> AccountsData:  # fmt: skip
    """Return the payload, its columns of numbers as JSON already."""
    units = state.units
    named: dict[str, Any] = dict(zip(FIELDS, map(json_of, columns), strict=True))
    named["rows"] = None if rows is None else json_of(rows)
    return AccountsData(
        **mark.head(),
        states=list(STATE_NAMES),
        units=units.names[first : columns_of(state)],
        owners=units.owners[first : columns_of(state)],
        modes=units.modes[first : columns_of(state)],
        **named,
    )


def columns_of(state: AccountsState) -> int:
    """Return how many units a state has."""
    return int(state.columns.shape[1])


def _numbered(scene: Scene, before: Units | None) -> Units:
    """Return the numbering with the units opened since, shard by shard, behind the others."""
    books = [shard.book for shard in scene.engine.shards]
    counts = tuple(book.units for book in books)
    if before is None:
        before = Units([], [], [], tuple(np.zeros(0, np.int64) for _ in books))
    if counts == before.counts:
        return before
    names, owners, modes = list(before.names), list(before.owners), list(before.modes)
    places = []
    for book, known in zip(books, before.places, strict=True):
        more = np.arange(len(names), len(names) + book.units - len(known))
        places.append(np.concatenate([known, more]))
        names += book.names[len(known) : book.units]
        owners += [owner_of(name) for name in book.names[len(known) : book.units]]
        modes += [FULL_MODES[mode] for mode in book.mode[len(known) : book.units].tolist()]
    return Units(names, owners, modes, tuple(places))
