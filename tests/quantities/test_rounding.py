"""Integer divisions, shares of a total, and the shape of an error."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities import (
    InputError,
    InvariantError,
    JournalError,
    LedgerError,
    MarketError,
    SteelyardError,
    TermsError,
    ceil_div,
    largest_remainder,
    mul_div_ceil,
    mul_div_floor,
)

WHOLE = st.integers(-(10**45), 10**45)
AMOUNTS = st.lists(st.floats(0.0, 1e15, allow_nan=False), min_size=1, max_size=30)


@given(WHOLE, WHOLE, st.integers(1, 10**30))
def test_QUAN_006_divisions_round_as_they_are_named(a: int, b: int, divisor: int) -> None:
    assert ceil_div(a, divisor) == math.ceil(Fraction(a, divisor))
    assert mul_div_floor(a, b, divisor) == math.floor(Fraction(a * b, divisor))
    assert mul_div_ceil(a, b, divisor) == math.ceil(Fraction(a * b, divisor))


def test_QUAN_006_worked_numbers() -> None:
    assert (ceil_div(7, 2), ceil_div(-7, 2), ceil_div(-8, 2)) == (4, -3, -4)
    assert mul_div_floor(10**40, 10**40, 7) == int(Fraction(10**80, 7))


def test_QUAN_007_worked_numbers() -> None:
    assert largest_remainder([1.5, 1.5, 1.0], 4) == [2, 1, 1]
    assert largest_remainder([0.25, 0.25], 1) == [1, 0]
    assert largest_remainder([1.0, 1.0], 7) == [4, 3]
    assert largest_remainder([5.0, 5.0], 3) == [2, 1]
    assert largest_remainder([], 0) == []


@given(AMOUNTS)
def test_QUAN_007_a_sum_rounded_up_moves_no_part_by_a_unit(parts: list[float]) -> None:
    total = math.ceil(sum(Fraction(part) for part in parts))
    given_ = largest_remainder(parts, total)
    assert sum(given_) == total
    for part, amount in zip(parts, given_, strict=True):
        assert abs(Fraction(part) - amount) < 1


@given(AMOUNTS, st.integers(-(10**18), 10**18))
def test_QUAN_007_any_total_is_met(parts: list[float], total: int) -> None:
    given_ = largest_remainder(parts, total)
    assert sum(given_) == total
    assert len(given_) == len(parts)


def test_QUAN_008_an_error_says_code_rule_cure_and_place() -> None:
    error = InputError(
        "TICK-E03", "price is -1", rule="above zero", cure="mend it", row=7, field="p"
    )
    assert str(error) == "TICK-E03: price is -1 (row=7, field=p). Rule: above zero. Cure: mend it."
    assert error.as_dict() == {
        "code": "TICK-E03",
        "message": "price is -1",
        "where": {"row": "7", "field": "p"},
        "rule": "above zero",
        "cure": "mend it",
    }


def test_QUAN_008_the_tree_is_closed() -> None:
    kinds = {InputError, TermsError, JournalError, LedgerError, MarketError}
    own = {
        kind
        for kind in SteelyardError.__subclasses__()
        if kind.__module__.startswith("steelyard.quant")
    }
    assert own == kinds
    assert not issubclass(InvariantError, SteelyardError)
    with pytest.raises(TypeError):
        InputError("TICK-E03", "without rule and cure")  # type: ignore[call-arg]
