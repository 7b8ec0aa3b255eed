"""Marks become integers once; what cannot is said not to fit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steelyard.valuation.marks import option_mark_units, perpetual_mark_units

NAN, INF = float("nan"), float("inf")


def test_VALU_040_halves_go_to_even() -> None:
    units, fits = option_mark_units([0.125, 0.375, 0.115, 0.0], 1.0, False, 100.0)
    assert units.tolist() == [12, 38, 12, 0]
    assert units.dtype == np.int64
    assert fits.all()


def test_VALU_040_linear_and_coin_settled_marks() -> None:
    units, fits = option_mark_units(1887.61043226816, 60_000.0, [False, True], [1e2, 1e6])
    assert units.tolist() == [188761, 31460]
    assert fits.all()
    units, fits = perpetual_mark_units([60_000.5, 60_000.0], 100.0, [False, True], [10.0, 1e8])
    assert units.tolist() == [600_005, -166_667]
    assert fits.all()


@given(st.integers(0, 2**53), st.sampled_from([1.0, 2.0, 1024.0]))
def test_VALU_040_whole_units_survive(units: int, scale: float) -> None:
    price = units / scale
    found, fits = option_mark_units(price, 1.0, False, scale)
    assert int(found) == units
    assert bool(fits)
    if units:
        found, fits = perpetual_mark_units(price, NAN, False, scale)
        assert int(found) == units
        assert bool(fits)


def test_VALU_040_a_coin_settled_mark_rises_with_the_price() -> None:
    units, _ = perpetual_mark_units([50_000.0, 60_000.0, 70_000.0], 100.0, True, 1e8)
    assert units.tolist() == sorted(units.tolist())
    assert (units < 0).all()


def test_VALU_041_options_that_do_not_fit() -> None:
    price = [1.0, NAN, INF, -1.0, 1e10, 1.0, 1.0, 1.0]
    forward = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, NAN, 5e-324]
    for is_inverse in (False, True):
        units, fits = option_mark_units(price, forward, is_inverse, 1e8)
        expected = [True, False, False, False, False, False, False, not is_inverse]
        assert fits.tolist() == expected
        assert units.tolist() == [100_000_000 if fit else 0 for fit in expected]


def test_VALU_041_perpetuals_that_do_not_fit() -> None:
    units, fits = perpetual_mark_units([2.0, NAN, INF, 0.0, -1.0, 1e10], 100.0, False, 1e8)
    assert fits.tolist() == [True, False, False, False, False, False]
    assert units.tolist() == [200_000_000, 0, 0, 0, 0, 0]
    units, fits = perpetual_mark_units(100.0, [100.0, 0.0, -1.0, NAN, 1e300], True, 1e8)
    assert fits.tolist() == [True, False, False, False, False]
    assert units.tolist() == [-100_000_000, 0, 0, 0, 0]


def test_VALU_041_scales_that_do_not_fit() -> None:
    for scale in (0.0, -1.0, NAN, INF):
        for _, fits in (
            option_mark_units(1.0, 1.0, [False, True], scale),
            perpetual_mark_units(1.0, 1.0, [False, True], scale),
        ):
            assert not fits.any()


def test_VALU_041_two_to_the_53_is_the_last_that_fits() -> None:
    units, fits = option_mark_units([2.0**53, 2.0**53 + 2], 1.0, False, 1.0)
    assert fits.tolist() == [True, False]
    assert units.tolist() == [2**53, 0]
