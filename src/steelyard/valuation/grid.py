"""The scenario grid of a method as 32 columns, and what each column means in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.quantities import PPM
from steelyard.terms import Method
from steelyard.valuation.columns import COLUMNS

YEAR_DAYS = 365.0
VOLATILITY_NAMES = {-1: "down", 0: "same", 1: "up"}


class ScenarioColumns:
    """Columns of the grid: move (fraction of the range), volatility_kind (−1, 0, 1), years, weight.

    For each time, the price moves under three volatility moves, then the tails with volatility up at the
    last time; unused columns have weight zero, so that their P&L is zero. years: how much later; `time_shift`
    is the same, or None where no time passes in any scenario.
    """

    def __init__(self, method: Method) -> None:
        grid = method.grid
        self.move = np.zeros(COLUMNS)
        self.volatility_kind = np.zeros(COLUMNS, np.int8)
        self.weight = np.zeros(COLUMNS)
        self.years = np.zeros(COLUMNS)
        column = 0
        for days in grid.horizon_days:
            for move in grid.price_moves:
                for kind in (-1, 0, 1):
                    self.move[column] = move
                    self.volatility_kind[column] = kind
                    self.weight[column] = 1.0
                    self.years[column] = days / YEAR_DAYS
                    column += 1
        for move, weight in zip(grid.tail_moves, grid.tail_weights, strict=True):
            self.move[column] = move
            self.volatility_kind[column] = 1
            self.weight[column] = weight
            self.years[column] = grid.horizon_days[-1] / YEAR_DAYS
            column += 1
        self.used = column
        self.time_shift = self.years if grid.horizon_days[-1] > 0.0 else None

    def price_multiplier(self, range_ppm: int) -> NDArray[np.float64]:
        """Return price after the move over price before, per column, for a range in ppm."""
        return 1.0 + self.move * (range_ppm / PPM)

    def describe(self, column: int, range_ppm: int) -> str:
        """Return a scenario in words.

        >>> from steelyard.terms import load_method
        >>> ScenarioColumns(load_method()).describe(2, 150_000)
        'price −15.00 %, volatility up'
        """
        if not 0 <= column < self.used:
            return "no loss in any scenario"
        percent = float(self.move[column]) * range_ppm / 1e4
        sign = "−" if percent < 0 else "+"
        name = VOLATILITY_NAMES[int(self.volatility_kind[column])]
        share = float(self.weight[column])
        tail = f", {share:.0%} of the loss counts" if share < 1.0 else ""
        days = float(self.years[column]) * YEAR_DAYS
        later = f", {days:g} days later" if days > 0.0 else ""
        return f"price {sign}{abs(percent):.2f} %, volatility {name}{later}{tail}"
