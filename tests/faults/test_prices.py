"""The fault matrix of prices: the index of an underlying, of collateral, and of a quote currency."""

from __future__ import annotations

import pytest

from tests.faults.cells import CANNOT_OCCUR, FAULTS, PRICED, SHARES, Cell, every_cell, seeds
from tests.faults.watch import judge_cell, judge_cliff

MINORITY = ("one", "minority")


def cells(target: str, shares: tuple[str, ...]) -> list[Cell]:
    return [
        cell
        for cell in every_cell()
        if cell.target == target and cell.share in shares and cell not in CANNOT_OCCUR
    ]


def judge(cell: Cell) -> None:
    for seed in seeds():
        assert judge_cell(cell, seed).events > 30


@pytest.mark.parametrize("cell", cells("index", MINORITY), ids=str)
def test_FALT_001_FALT_002_a_minority_moves_no_index_and_delays_no_liquidation(cell: Cell) -> None:
    judge(cell)


@pytest.mark.parametrize("cell", cells("collateral", MINORITY), ids=str)
def test_FALT_001_FALT_002_a_minority_moves_no_collateral(cell: Cell) -> None:
    judge(cell)


@pytest.mark.parametrize("cell", cells("fx", MINORITY), ids=str)
def test_FALT_001_FALT_002_a_minority_moves_no_quote_currency(cell: Cell) -> None:
    judge(cell)


@pytest.mark.parametrize("cell", cells("index", ("half", "all")), ids=str)
def test_FALT_003_FALT_004_half_and_all_liquidate_nobody_who_is_safe(cell: Cell) -> None:
    judge(cell)


@pytest.mark.parametrize("cell", cells("collateral", ("half", "all")), ids=str)
def test_FALT_003_FALT_004_half_and_all_of_the_sources_of_collateral(cell: Cell) -> None:
    judge(cell)


@pytest.mark.parametrize("cell", cells("fx", ("half", "all")), ids=str)
def test_FALT_003_FALT_004_half_and_all_of_the_sources_of_a_quote_currency(cell: Cell) -> None:
    judge(cell)


@pytest.mark.parametrize("cell", cells("index", MINORITY), ids=str)
def test_FALT_002_a_jump_under_a_minority_is_followed_within_the_stated_lag(cell: Cell) -> None:
    for seed in list(seeds())[:2]:
        assert judge_cliff(cell, seed).protected_us > 0


def test_FALT_001_every_priced_cell_is_judged() -> None:
    judged = [c for target in PRICED for c in cells(target, SHARES)]
    assert len(judged) == len(set(judged)) == len(FAULTS) * len(SHARES) * len(PRICED)
