"""What is pinned of an engine: copies that stay as of one event, to be asked from another thread.

`pin` is called between two events; afterwards the engine goes on, and what was pinned does not change.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from steelyard.book import Book
from steelyard.book.one_unit import OneUnit
from steelyard.engine.narrow import narrow_columns, narrow_market
from steelyard.engine.trial import Source
from steelyard.marks import MarketState
from steelyard.terms import Method
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.grid import ScenarioColumns


class Pinned:
    """An engine's market and some of its margin units as of one event; a `Source` of trials.

    places: by unit, a book of that unit alone and its row, 0.
    """

    def __init__(
        self,
        market: MarketState,
        columns: ValuationColumns,
        method: Method,
        grid: ScenarioColumns,
        seq: int,
        places: dict[str, tuple[Book, int]],
    ) -> None:
        self.market = market
        self.columns = columns
        self.method = method
        self.grid = grid
        self.seq = seq
        self.places = places

    def locate(self, unit: str) -> tuple[Book, int] | None:
        """Return the book and row of a pinned unit, or None."""
        return self.places.get(unit)

    def take(self, engine: Source, units: Iterable[str]) -> None:
        """Copy units that are open, and nothing else of the book."""
        assets = len(self.market.assets)
        for unit in units:
            place = engine.locate(unit)
            if place is not None:
                book, row = place
                alone = OneUnit(
                    unit, int(book.mode[row]), book.balances[row, :assets].tolist(),
                    book.positions(row), book.orders_of(row),
                )  # fmt: skip
                alone.state = book.state[row : row + 1].copy()
                alone.next_action_us = book.next_action_us[row : row + 1].copy()
                self.places[unit] = alone, 0


def pin(engine: Source, units: Iterable[str]) -> Pinned:
    """Return copies of the whole market's columns and of the units that are open."""
    every = np.arange(len(engine.market.instruments))
    found = Pinned(
        narrow_market(engine.market, every), narrow_columns(engine.columns, every), engine.method,
        engine.grid, engine.seq, {},
    )  # fmt: skip
    found.take(engine, units)
    return found
