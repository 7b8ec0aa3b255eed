"""Decimals become integers at one border, with a named rounding and no digit lost on the way."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities import (
    UNITS_MAX,
    InputError,
    from_units,
    parse_units,
    quantise,
)

UNITS = st.integers(-UNITS_MAX, UNITS_MAX)
EXPONENTS = st.integers(0, 12)
DECIMALS = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=14)


def refused(code: str, amount: object, exponent: int = 6) -> InputError:
    """Return the error that both readers raise for an amount."""
    with pytest.raises(InputError) as caught:
        parse_units(amount, exponent, field="size")  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.where == {"field": "size"}
    return caught.value


def test_QUAN_001_a_decimal_becomes_units_exactly() -> None:
    assert parse_units("1.25", 6) == 1_250_000
    assert parse_units(0.1, 8) == 10_000_000
    assert parse_units(np.float64(0.1), 8) == 10_000_000
    assert parse_units(np.int64(3), 2) == 300
    assert parse_units(Decimal("-2.50"), 2) == -250


@pytest.mark.parametrize("amount", ["0.0000001", "1." + "0" * 60 + "1", "1e-90", 1e-7])
def test_QUAN_001_a_digit_below_the_unit_is_refused(amount: str | float) -> None:
    refused("QUAN-E02", amount)


def test_QUAN_002_roundings_are_what_they_are_called() -> None:
    assert [quantise(1.26, 1, r) for r in ("floor", "ceiling")] == [12, 13]
    assert [quantise("-1.26", 1, r) for r in ("floor", "ceiling")] == [-13, -12]
    assert [quantise(x, 0, "half_even") for x in ("0.5", "1.5", "2.5")] == [0, 2, 2]


def test_QUAN_002_no_digit_is_lost_on_the_way() -> None:
    nines = "0." + "9" * 70
    assert [quantise(nines, 0, r) for r in ("floor", "ceiling")] == [0, 1]
    assert [quantise("1e-90", 0, r) for r in ("floor", "ceiling")] == [0, 1]
    assert quantise("0.5" + "0" * 70 + "1", 0, "half_even") == 1


@given(DECIMALS, EXPONENTS)
def test_QUAN_002_roundings_equal_those_of_fractions(amount: Decimal, exponent: int) -> None:
    exact = Fraction(amount) * 10**exponent
    assert quantise(amount, exponent, "floor") == math.floor(exact)
    assert quantise(amount, exponent, "ceiling") == math.ceil(exact)
    assert quantise(amount, exponent, "half_even") == round(exact)


@pytest.mark.parametrize(
    "amount",
    [float("nan"), math.inf, -math.inf, "nan", "Infinity", True, None, "", "1_000", "1,5", "٣",
     "1" * 101, "1e101", "1e999999999", "1e-999999999", Decimal("sNaN"), np.float64("nan")],
)  # fmt: skip
def test_QUAN_003_what_is_not_a_plain_decimal_is_refused(amount: object) -> None:
    refused("QUAN-E01", amount)
    with pytest.raises(InputError):
        quantise(amount, 6, "floor")  # type: ignore[arg-type]


@pytest.mark.parametrize("sign", [1, -1])
def test_QUAN_003_an_integer_too_long_to_write_is_refused(sign: int) -> None:
    error = refused("QUAN-E01", sign * 10**5_000)
    assert len(str(error)) < 400
    with pytest.raises(InputError, match="QUAN-E01"):
        quantise(sign * 10**5_000, 6, "floor")


def test_QUAN_004_an_amount_lies_within_its_bounds() -> None:
    assert parse_units("4611686018427387904", 0) == UNITS_MAX == 4_611_686_018_427_387_904
    assert parse_units("-4611686018427387904", 0) == -UNITS_MAX
    for amount in ("4611686018427387905", "-4611686018427387905", "1e60"):
        refused("QUAN-E03", amount, 0)
    with pytest.raises(InputError, match="QUAN-E03"):
        quantise("4611686018427387904.1", 0, "ceiling")


@given(UNITS, EXPONENTS)
def test_QUAN_005_units_come_back_from_their_decimal(units: int, exponent: int) -> None:
    decimal = from_units(units, exponent)
    assert Fraction(decimal) == Fraction(units, 10**exponent)
    assert parse_units(decimal, exponent) == units
    assert parse_units(str(decimal), exponent) == units
