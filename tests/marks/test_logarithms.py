"""Logarithms of price ratios and the weights of half-lives, against 40-digit arithmetic."""

from __future__ import annotations

import mpmath
from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks.logarithms import POWERS, forgotten, log_ratio

PRICES = st.floats(1e-30, 1e30)


@given(PRICES, st.floats(0.2, 5.0))
def test_VOLA_001_a_logarithm_is_within_1e_15_of_its_size(price: float, factor: float) -> None:
    for other in (price * factor, price * (1.0 + 1e-9 * factor), price * (1.0 + factor / 100)):
        with mpmath.workdps(40):
            true = mpmath.log(mpmath.mpf(other) / mpmath.mpf(price))
            assert abs(log_ratio(other, price) - true) <= 1e-15 * abs(true)


@given(PRICES, PRICES)
def test_VOLA_001_far_prices_too_and_the_sign_turns_with_the_ratio(a: float, b: float) -> None:
    with mpmath.workdps(40):
        true = mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))
        assert abs(log_ratio(a, b) - true) <= 1e-15 * abs(true)
    assert log_ratio(b, a) == -log_ratio(a, b)
    assert log_ratio(a, a) == 0.0


def test_VOLA_001_worked_numbers() -> None:
    assert log_ratio(8.0, 1.0) == 3.0 * log_ratio(2.0, 1.0)
    assert abs(log_ratio(101.0, 100.0) - 0.00995033085316808) < 1e-17


@given(st.one_of(st.floats(1e-300, 1e-2), st.floats(1e-3, 70.0)))
def test_VOLA_002_a_weight_is_within_4e_14_of_its_size(half_lives: float) -> None:
    with mpmath.workdps(40):
        true = -mpmath.expm1(-mpmath.mpf(half_lives) * mpmath.ln2)
        assert abs(forgotten(half_lives) - true) <= 4e-14 * abs(true)


def test_VOLA_002_worked_numbers() -> None:
    assert [forgotten(x) for x in (0.0, 1.0, 2.0, 10.0)] == [0.0, 0.5, 0.75, 1.0 - 2.0**-10]
    assert forgotten(1e9) == 1.0
    assert abs(forgotten(0.5) - 0.2928932188134524) < 1e-16


def test_VOLA_002_the_weight_never_falls_with_time_across_its_pieces() -> None:
    places = [k / 128 for k in range(2 * 128 + 1)]
    for at in places:
        below, here, above = (forgotten(at + shift) for shift in (-1e-9 * (at > 0), 0.0, 1e-9))
        assert below <= here < above
    assert len(POWERS) == 65
