"""The margin units of an engine in columns, to be filtered, sorted and told page by page.

Names are gathered again when a unit was opened, numbers at each event that is asked about: of ten thousand
units a page is a few array operations.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from steelyard.decisions import STATE_NAMES
from steelyard.engine.engine import Engine
from steelyard.margin import RiskColumns
from steelyard.service.control.errors import bad_cursor
from steelyard.terms import FULL_MODES
from steelyard.terms.account import owner_of

Sort = Literal["name", "margin_ratio", "buffer", "equity"]
Ints = NDArray[np.int64]
EQUITY, BALANCE, REQUIREMENT = (
    RiskColumns.NAMES.index(name)
    for name in ("equity", "maintenance_balance", "maintenance_requirement")
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which units: those of a state, a mode, an owner, and of the accounts that a key reaches."""

    state: str | None = None
    mode: str | None = None
    owner: str | None = None
    reached: frozenset[str] | None = None


class Roster:
    """The units of one engine. sort: by name, or ascending by a number and then by name.

    margin_ratio: a unit without a requirement comes last.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._units = -1
        self._names: list[str] = []
        self._owners: list[str] = []
        self._sorted: list[str] = []
        self._units_of: dict[str, list[str]] = {}
        self._rank: Ints = np.zeros(0, np.int64)

    def page(
        self, chosen: Filter, sort: Sort, after: tuple[Any, ...] | None, limit: int
    ) -> tuple[list[str], tuple[Any, ...] | None]:
        """Return the names of a page, and the sort key of its last unit where more follow.

        after: the key of the last unit of the page before. Errors: PLAN-E09 for what is no key.
        """
        self._gather()
        values = self._values(sort)
        mask = self._mask(chosen)
        if after is not None:
            mask &= self._after(sort, values, after)
        rows = np.flatnonzero(mask)
        rows = rows[np.lexsort((self._rank[rows], values[rows]))]
        told = rows[:limit].tolist()
        names = [self._names[row] for row in told]
        if len(rows) <= limit:
            return names, None
        return names, self._key(sort, values, told[-1])

    def of_owner(self, account: str) -> list[str]:
        """Return the names of an account's units: itself, then its isolated positions by name."""
        self._gather()
        return self._units_of.get(account, [])

    def _gather(self) -> None:
        shards = self._engine.shards
        units = sum(shard.book.units for shard in shards)
        if units == self._units:
            return
        self._units = units
        self._names = [name for shard in shards for name in shard.book.names]
        self._owners = [owner_of(name) for name in self._names]
        order = sorted(range(units), key=self._names.__getitem__)
        self._sorted = [self._names[row] for row in order]
        self._units_of = {}
        for row in order:
            self._units_of.setdefault(self._owners[row], []).append(self._names[row])
        self._rank = np.empty(units, np.int64)
        self._rank[order] = np.arange(units)

    def _column(self, index: int) -> Ints:
        return np.concatenate([s.results[index, : s.book.units] for s in self._engine.shards])

    def _values(self, sort: Sort) -> NDArray[Any]:
        """Return what units are sorted by: integers, or the ratio in float64."""
        if sort == "name":
            return np.zeros(len(self._names), np.int64)
        if sort == "equity":
            return self._column(EQUITY)
        balance, requirement = self._column(BALANCE), self._column(REQUIREMENT)
        if sort == "buffer":
            return balance - requirement
        found = np.full(len(balance), np.inf)
        np.divide(balance, requirement, out=found, where=requirement > 0)
        return found

    def _mask(self, chosen: Filter) -> NDArray[np.bool_]:
        shards = self._engine.shards
        mask = np.ones(len(self._names), np.bool_)
        if chosen.state is not None:
            states = np.concatenate([s.book.state[: s.book.units] for s in shards])
            mask &= states == STATE_NAMES.index(chosen.state)
        if chosen.mode is not None:
            modes = np.concatenate([s.book.mode[: s.book.units] for s in shards])
            mask &= modes == list(FULL_MODES).index(chosen.mode)  # type: ignore[arg-type]
        wanted = chosen.reached
        if chosen.owner is not None:
            own = frozenset({chosen.owner})
            wanted = own if wanted is None else own & wanted
        if wanted is not None:
            mask &= np.fromiter((name in wanted for name in self._owners), np.bool_, len(mask))
        return mask

    def _after(self, sort: Sort, values: NDArray[Any], after: tuple[Any, ...]) -> NDArray[np.bool_]:
        """Return which units stand behind a key, whether its own unit is still there or not."""
        *number, name = after or (None,)
        is_sound = isinstance(name, str) and len(number) == (sort != "name")
        if not is_sound or not all(isinstance(each, int | float) for each in number):
            raise bad_cursor()
        behind = self._rank >= bisect.bisect_right(self._sorted, name)
        if sort == "name":
            return behind
        larger: NDArray[np.bool_] = (values > number[0]) | ((values == number[0]) & behind)
        return larger

    def _key(self, sort: Sort, values: NDArray[Any], row: int) -> tuple[Any, ...]:
        name = self._names[row]
        return (name,) if sort == "name" else (values[row].item(), name)
