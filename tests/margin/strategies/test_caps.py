"""The caps of many books at once against the exact one of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.strategies import Leg, defined_risk_cap
from steelyard.margin.strategies.caps import (
    CALL,
    LINEAR,
    PUT,
    UNDATED,
    Settling,
    maximum_losses,
)
from tests.margin.strategies.books import FAR, NEAR, books, coin, future, option, perpetual


def settling(legs: Sequence[Leg], size: float = 1.0) -> Settling:
    kinds = [(CALL if leg.is_call else PUT) if leg.is_option else LINEAR for leg in legs]
    names = sorted({leg.underlying for leg in legs})
    dates = sorted({leg.expiry_us for leg in legs if leg.expiry_us})
    return Settling(
        np.array(kinds, np.int32),
        np.array([names.index(leg.underlying) for leg in legs], np.int32),
        np.array(
            [dates.index(leg.expiry_us) if leg.expiry_us else UNDATED for leg in legs], np.int32
        ),
        np.array([leg.strike for leg in legs], np.float64),
        np.array([size if leg.is_option else 1.0 for leg in legs]),
        np.array([leg.mark * (size if leg.is_option else 1.0) for leg in legs]),
    )


def caps(books_of_legs: Sequence[Sequence[Leg]], *, coins: bool = False) -> tuple[list[float], list[float]]:  # fmt: skip
    """Return the losses of several books asked for at once, and Σ quantity·share of each."""
    legs = [leg for each in books_of_legs for leg in each]
    starts = np.cumsum([0, *(len(each) for each in books_of_legs)])
    quantity = np.array([leg.quantity for leg in legs], np.float64)
    rows = np.arange(len(legs), dtype=np.int32)
    found, share = maximum_losses(rows, quantity, starts, settling(legs), in_coins=coins)
    sums = [float(np.dot(quantity[a:b], share[a:b])) for a, b in pairwise(starts)]
    return found.tolist(), sums


def agrees(found: float, exact: float | None, scale: float) -> bool:
    if exact is None:
        return found == float("inf")
    return abs(found - exact) <= 1e-12 * scale


@given(st.lists(books(expiries=(NEAR,)) | books(expiries=(NEAR, FAR)), min_size=1, max_size=4))
def test_STRT_050_caps_of_books_are_the_exact_ones_in_dollars(held: list[list[Leg]]) -> None:
    found, sums = caps(held)
    for legs, cap, total in zip(held, found, sums, strict=True):
        exact = defined_risk_cap(legs)
        assert agrees(cap, exact, 1e6), legs
        if exact:
            assert total == pytest.approx(exact, rel=1e-9, abs=1e-6)


@given(st.lists(books(coins=True, linear=False), min_size=1, max_size=4), st.integers(-30, 30))
def test_STRT_050_caps_of_books_are_the_exact_ones_in_coins(
    held: list[list[Leg]], tenths: int
) -> None:
    held = [[*legs, perpetual(tenths / 10, 61_250.5, coins=True)] for legs in held]
    found, sums = caps(held, coins=True)
    for legs, cap, total in zip(held, found, sums, strict=True):
        exact = defined_risk_cap(legs)
        assert agrees(cap, exact, 1e3), legs
        if exact:
            assert total == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_STRT_051_worked_caps() -> None:
    bought = [option(60e3, "C", 1.0, 2_900.0), option(65e3, "C", -1.0, 1_700.0)]
    box = [option(55e3, "C", 1.0, 3_000.0), option(60e3, "C", -1.0, 1_000.0),
           option(60e3, "P", 1.0, 3_000.0), option(55e3, "P", -1.0, 1_000.0)]  # fmt: skip
    covered = [perpetual(1.0), option(65e3, "C", -1.0, 900.0)]
    dated = [future(1.0), option(65e3, "C", -1.0, 900.0)]
    two = [option(60e3, "P", -1.0), option(3_000.0, "P", -1.0, underlying="ETH")]
    calendar = [option(60e3, "P", -1.0, 1e3), option(60e3, "P", 1.0, 2.5e3, expiry=FAR)]
    naked = [option(60e3, "C", -1.0)]
    found, _ = caps([bought, box, covered, dated, two, calendar, naked, [], [coin(-1.0)]])
    assert found == [
        1_200.0, 0.0, 59_100.0, 59_100.0, 63_000.0, float("inf"), float("inf"), 0.0, float("inf"),
    ]  # fmt: skip
    sold = [option(60e3, "P", -1.0, 0.05, coins=True), option(50e3, "P", 1.0, 0.02, coins=True)]
    assert caps([sold, [option(60e3, "C", -1.0, 0.05, coins=True)]], coins=True)[0] == [
        float("inf"), 0.95,
    ]  # fmt: skip


def test_STRT_051_contracts_of_several_units_lose_so_many_times() -> None:
    legs = [option(60e3, "C", 1.0, 29.0), option(65e3, "C", -1.0, 17.0)]
    rows, quantity = np.arange(2, dtype=np.int32), np.array([2.0, -2.0])
    found, _ = maximum_losses(rows, quantity, np.array([0, 2]), settling(legs, 100.0))
    assert found.tolist() == [2_400.0]


def test_STRT_052_the_rounding_of_sums_is_no_open_end() -> None:
    rest = 0.1 + 0.2 - 0.3
    assert rest > 0.0
    sold = [option(60e3, "C", -0.1), option(65e3, "C", -0.2), option(70e3, "C", 0.3)]
    assert caps([sold])[0] == pytest.approx([0.1 * 10e3 + 0.2 * 5e3])
    open_end = [*sold[:2], option(70e3, "C", 0.3 - 1e-12)]
    assert caps([open_end])[0] == [float("inf")]


def test_STRT_052_a_quantity_of_zero_is_no_leg_and_a_missing_mark_spoils_its_book_alone() -> None:
    held = [option(60e3, "C", 1.0, 500.0), option(60e3, "C", 0.0, float("nan"), expiry=FAR)]
    spoilt = [option(60e3, "P", 1.0, float("nan"))]
    open_end = [option(60e3, "C", -1.0, float("nan"))]
    found, sums = caps([held, spoilt, open_end, held])
    assert found[0] == found[3] == 500.0
    assert np.isnan(found[1])
    assert found[2] == float("inf")
    assert sums[2] == 0.0
