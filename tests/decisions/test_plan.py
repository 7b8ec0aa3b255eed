"""What a unit's state asks for: the share to close, the steps, and what may be closed."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.decisions import CancelOrders, Instruction, Liquidate, Reduce, State, plan_unit
from steelyard.decisions.plan import reduction_share_ppm
from tests.support.method import load_method

RULES = load_method().liquidation
BTC, ETH = 1, 2
POSITIONS = [(0, 10_000, BTC), (2, -900, BTC), (1, 7, ETH)]
REQUIRES = {BTC: 1_000, ETH: 400}
COSTS = {BTC: 100, ETH: 50}
OPEN = [True, True, True]


def plan(
    state: State,
    *,
    has_orders: bool = False,
    is_due: bool = True,
    shortfall: int = 100,
    positions: list[tuple[int, int, int]] = POSITIONS,
    requires: dict[int, int] = REQUIRES,
    closable: list[bool] = OPEN,
) -> list[Instruction]:
    """Plan for a unit named u."""
    return plan_unit(
        "u", state, has_orders, is_due, shortfall, positions, requires, COSTS, closable, RULES
    )


@pytest.mark.parametrize("state", [State.HEALTHY, State.WARNING, State.MARGIN_CALL, State.BANKRUPT])
def test_DECI_020_the_milder_states_ask_for_nothing(state: State) -> None:
    assert plan(state, has_orders=state < State.ORDERS_CANCELLED) == []


def test_DECI_020_cancel_comes_first_and_needs_orders() -> None:
    assert plan(State.ORDERS_CANCELLED, has_orders=True) == [CancelOrders("u")]
    assert plan(State.ORDERS_CANCELLED, has_orders=False) == []
    assert plan(State.FULL_LIQUIDATION, has_orders=True) == [CancelOrders("u"), Liquidate("u")]


def test_DECI_021_the_pause_holds_back_reductions_and_not_cancels() -> None:
    for state in (State.PARTIAL_REDUCTION, State.FULL_LIQUIDATION):
        assert plan(state, is_due=False) == []
        assert plan(state, is_due=False, has_orders=True) == [CancelOrders("u")]


def test_DECI_022_share_from_worked_numbers() -> None:
    # 11 / (1.1·100 − 10) = 0.11
    assert reduction_share_ppm(11, 100, 10, 1_100_000, 250_000) == 110_000
    # 100 / (1.1·1,000 − 100) = 0.1
    assert reduction_share_ppm(100, 1_000, 100, 1_100_000, 250_000) == 100_000
    # rounded up: 1 / 3 = 0.333334
    assert reduction_share_ppm(1, 3, 0, 1_000_000, 1_000_000) == 333_334


def test_DECI_022_share_is_at_most_one_step_and_more_than_nothing() -> None:
    assert reduction_share_ppm(10**15, 100, 10, 1_100_000, 250_000) == 250_000
    assert reduction_share_ppm(1, 10**15, 10, 1_100_000, 250_000) == 1
    assert reduction_share_ppm(5, 100, 110, 1_100_000, 250_000) == 250_000


def test_DECI_023_the_underlying_that_needs_most_is_scaled_whole() -> None:
    # One tenth of both legs: the hedge keeps its proportion.
    assert plan(State.PARTIAL_REDUCTION) == [Reduce("u", 0, 1_000), Reduce("u", 2, 90)]


def test_DECI_023_a_tie_goes_to_the_lower_slot() -> None:
    chosen = plan(State.PARTIAL_REDUCTION, requires={ETH: 500, BTC: 500})
    assert [i.instrument for i in chosen if isinstance(i, Reduce)] == [0, 2]


def test_DECI_024_what_cannot_be_closed_is_left_out() -> None:
    only_eth = plan(State.PARTIAL_REDUCTION, closable=[False, True, False])
    assert [i.instrument for i in only_eth if isinstance(i, Reduce)] == [1]
    assert plan(State.PARTIAL_REDUCTION, closable=[False] * 3) == []


def test_DECI_025_nothing_is_closed_once_the_target_is_met() -> None:
    assert plan(State.PARTIAL_REDUCTION, shortfall=0) == []
    assert plan(State.PARTIAL_REDUCTION, shortfall=-1) == []
    assert plan(State.PARTIAL_REDUCTION, shortfall=1) != []


LOTS = st.integers(-(10**9), 10**9).filter(bool)


@given(
    st.lists(LOTS, min_size=1, max_size=6),
    st.integers(1, 10**12),
    st.integers(1, 10**12),
    st.integers(0, 10**12),
    st.integers(1, 1_000_000),
)
def test_DECI_026_a_reduction_never_goes_through_zero_nor_beyond_a_step(
    lots: list[int], shortfall: int, requires: int, cost: int, step_ppm: int
) -> None:
    rules = msgspec.structs.replace(RULES, step_ppm=step_ppm)
    positions = [(i, q, BTC) for i, q in enumerate(lots)]
    chosen = plan_unit(
        "u", State.PARTIAL_REDUCTION, False, True, shortfall, positions, {BTC: requires},
        {BTC: cost}, [True] * len(lots), rules,
    )  # fmt: skip
    assert len(chosen) == len(lots)
    for instruction, held in zip(chosen, lots, strict=True):
        assert isinstance(instruction, Reduce)
        assert 1 <= instruction.lots <= abs(held)
        # At most the step, but for the one lot that rounding up may add.
        assert instruction.lots < Fraction(abs(held) * step_ppm, 1_000_000) + 1


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(0, 10**15))
def test_DECI_022_closing_the_share_frees_what_is_missing(
    shortfall: int, requires: int, cost: int
) -> None:
    share = reduction_share_ppm(shortfall, requires, cost, 1_100_000, 1_000_000)
    frees = requires * 1_100_000 // 1_000_000 - cost
    if 0 < share < 1_000_000 and frees > 0:
        assert Fraction(share * frees, 1_000_000) >= shortfall
        assert Fraction((share - 1) * frees, 1_000_000) < shortfall or share == 1
