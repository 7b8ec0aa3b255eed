"""The state machine: every transition, the way back, protection, and the compiled loop's twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.decisions import State, decide_states
from steelyard.decisions.machine import level_columns, next_state
from steelyard.quantities import TermsError
from steelyard.terms.method import Levels
from tests.support.method import load_method

METHOD = load_method()
LEVELS = METHOD.levels
REQUIREMENT = 1_000_000  # so that a balance in micro-USDC reads as a ratio in ppm
DEPTHS = tuple(s for s in State if s is not State.BANKRUPT)

Unit = tuple[State, int, int, int, int, bool]
"""(previous, balance, requirement, equity, certain, has_positions)."""


def after(
    previous: State,
    balance: int,
    requirement: int = REQUIREMENT,
    *,
    equity: int | None = None,
    certain: int = -1,
    has_positions: bool = True,
) -> State:
    """Return the next state, from the loop and from its twin, which must agree."""
    unit = (
        previous, balance, requirement, balance if equity is None else equity, certain,
        has_positions,
    )  # fmt: skip
    (fast,) = decided([unit])
    assert fast is readable(unit)
    return fast


def decided(units: list[Unit], levels: Levels = LEVELS) -> list[State]:
    """Return what the compiled loop says of several units."""
    state = np.array([u[0] for u in units], np.int8)
    results = np.zeros((6, len(units)), np.int64)
    results[2] = [u[1] for u in units]
    results[4] = [u[2] for u in units]
    results[0] = [u[3] for u in units]
    results[5] = [u[4] for u in units]
    count = np.array([int(u[5]) for u in units], np.int64)
    out = np.zeros(len(units), np.int8)
    changed = decide_states(len(units), state, results, count, level_columns(levels), out)
    assert changed == int(np.count_nonzero(out != state))
    return [State(s) for s in out.tolist()]


def readable(unit: Unit, levels: Levels = LEVELS) -> State:
    """Return what the readable twin says of one unit."""
    previous, balance, requirement, equity, certain, has_positions = unit
    return next_state(
        previous,
        maintenance_balance=balance,
        maintenance_requirement=requirement,
        equity=equity,
        certain_buffer=certain,
        has_positions=has_positions,
        levels=levels,
    )


BEGINS = {
    State.WARNING: 1_300_000,
    State.MARGIN_CALL: 1_150_000,
    State.ORDERS_CANCELLED: 1_050_000,
    State.PARTIAL_REDUCTION: 1_000_000,
    State.FULL_LIQUIDATION: 600_000,
}


@pytest.mark.parametrize(("state", "level"), list(BEGINS.items()))
def test_DECI_001_a_state_begins_below_its_level(state: State, level: int) -> None:
    assert after(State.HEALTHY, level - 1) is state
    assert after(State.HEALTHY, level) is State(state - 1)


@pytest.mark.parametrize("previous", DEPTHS)
@pytest.mark.parametrize(("state", "level"), list(BEGINS.items()))
def test_DECI_001_a_state_deepens_at_once_from_any_shallower_one(
    previous: State, state: State, level: int
) -> None:
    if previous <= state:
        assert after(previous, level - 1) is state


@pytest.mark.parametrize("previous", list(State))
def test_DECI_002_a_jump_goes_straight_to_full_liquidation(previous: State) -> None:
    assert after(previous, 599_999) is State.FULL_LIQUIDATION
    assert after(previous, -1) is State.FULL_LIQUIDATION


@pytest.mark.parametrize(("state", "level"), list(BEGINS.items()))
def test_DECI_003_a_state_ends_only_above_level_plus_hysteresis(state: State, level: int) -> None:
    assert after(state, level) is state
    assert after(state, level + 49_999) is state
    assert after(state, level + 50_000) is State(state - 1)


def test_DECI_003_the_way_back_may_jump_too() -> None:
    assert after(State.FULL_LIQUIDATION, 1_349_999) is State.WARNING
    assert after(State.FULL_LIQUIDATION, 1_350_000) is State.HEALTHY


@pytest.mark.parametrize("previous", list(State))
def test_DECI_004_deciding_twice_changes_nothing(previous: State) -> None:
    for balance, equity, certain, has_positions in itertools.product(
        range(-50_000, 1_500_000, 25_000), (-1, 0, 1), (-1, 0), (True, False)
    ):
        state = after(
            previous, balance, equity=equity, certain=certain, has_positions=has_positions
        )
        again = after(state, balance, equity=equity, certain=certain, has_positions=has_positions)
        assert again is state


@pytest.mark.parametrize("previous", list(State))
def test_DECI_005_protection_stops_short_of_liquidation(previous: State) -> None:
    assert after(previous, 599_999, certain=0) is State.ORDERS_CANCELLED
    assert after(previous, -5, equity=-5, certain=0) is State.ORDERS_CANCELLED
    assert after(previous, 599_999, certain=-1) is State.FULL_LIQUIDATION


def test_DECI_005_protection_does_not_stop_the_milder_states() -> None:
    assert after(State.HEALTHY, 1_299_999, certain=10**9) is State.WARNING
    assert after(State.HEALTHY, 1_049_999, certain=10**9) is State.ORDERS_CANCELLED


def test_DECI_006_negative_equity_is_full_liquidation_whatever_the_ratio() -> None:
    assert after(State.HEALTHY, 0, 0, equity=-1) is State.FULL_LIQUIDATION
    assert after(State.HEALTHY, 0, 0, equity=0) is State.HEALTHY


def test_DECI_007_nothing_held_and_nothing_owed_is_healthy() -> None:
    for previous in DEPTHS:
        assert after(previous, 0, 0, has_positions=False) is State.HEALTHY
        assert after(previous, 7, 0, has_positions=False) is State.HEALTHY


def test_DECI_007_a_debt_without_positions_is_full_liquidation() -> None:
    assert after(State.HEALTHY, -1, 0, equity=5, has_positions=False) is State.FULL_LIQUIDATION


def test_DECI_008_bankrupt_lasts_until_there_is_equity_again() -> None:
    assert after(State.BANKRUPT, 0, 0, has_positions=False) is State.BANKRUPT
    assert after(State.BANKRUPT, 1, 0, has_positions=False) is State.HEALTHY
    assert after(State.BANKRUPT, 1_349_999) is State.WARNING


def test_DECI_008_the_ratio_alone_never_makes_a_unit_bankrupt() -> None:
    for previous in DEPTHS:
        for balance in range(-2_000_000, 2_000_000, 50_000):
            for held in (True, False):
                assert after(previous, balance, has_positions=held) is not State.BANKRUPT


AMOUNTS = st.one_of(
    st.integers(-(4 * 10**18), 4 * 10**18), st.integers(-2_000_000, 2_000_000), st.just(0)
)
REQUIREMENTS = st.one_of(st.integers(0, 4 * 10**18), st.integers(0, 2_000_000))
UNITS = st.tuples(
    st.sampled_from(list(State)), AMOUNTS, REQUIREMENTS, AMOUNTS, AMOUNTS, st.booleans()
)


@st.composite
def near_a_level(draw: st.DrawFn) -> Unit:
    """Draw a unit within a few micro-USDC of where a state begins or ends."""
    requirement = draw(st.integers(1, 4 * 10**18))
    ppm = draw(st.sampled_from([p + h for p in BEGINS.values() for h in (0, 50_000)]))
    balance = requirement * ppm // 1_000_000 + draw(st.integers(-2, 2))
    return draw(st.sampled_from(list(State))), balance, requirement, balance, -1, True


@st.composite
def levels(draw: st.DrawFn) -> Levels:
    """Draw a descending ladder of levels."""
    ladder = sorted(draw(st.lists(st.integers(1, 2_000_000), min_size=5, max_size=5)), reverse=True)
    return Levels(*ladder, hysteresis_ppm=draw(st.integers(0, 200_000)))


@given(st.lists(st.one_of(UNITS, near_a_level()), min_size=1, max_size=40), levels())
def test_DECI_009_the_loop_equals_its_readable_twin(units: list[Unit], drawn: Levels) -> None:
    for ladder in (LEVELS, drawn):
        assert decided(units, ladder) == [readable(unit, ladder) for unit in units]


@given(UNITS, levels())
def test_DECI_004_deciding_twice_changes_nothing_for_any_method(unit: Unit, drawn: Levels) -> None:
    state = readable(unit, drawn)
    assert readable((state, *unit[1:]), drawn) is state


@given(UNITS, st.integers(0, 10**12), levels())
def test_DECI_010_more_balance_never_deepens_a_state(unit: Unit, more: int, drawn: Levels) -> None:
    richer = (unit[0], unit[1] + more, *unit[2:])
    if unit[0] is not State.BANKRUPT:
        assert readable(richer, drawn) <= readable(unit, drawn)


def test_DECI_011_levels_that_would_overflow_are_refused() -> None:
    for path, value in (
        ("levels.hysteresis_ppm", "-1"),
        ("levels.hysteresis_ppm", "200001"),
        ("levels.warning_ppm", "2000001"),
    ):
        with pytest.raises(TermsError, match="TERM-E03"):
            METHOD.with_parameter(path, value)
