"""From a cell to the stage that judges it."""

from __future__ import annotations

from tests.faults.cells import Cell
from tests.faults.funding import judge_funding
from tests.faults.volatilities import judge_volatility
from tests.faults.watch import Tally, judge_cell


def judge_row(cell: Cell, seed: int) -> Tally:
    """Play one seed of a cell, whatever its target."""
    if cell.target == "volatility":
        return judge_volatility(cell, seed)
    if cell.target == "funding":
        return judge_funding(cell, seed)
    return judge_cell(cell, seed)
