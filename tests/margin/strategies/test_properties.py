"""What holds for every book: the proof of the maximum loss, against the twin and against brute force."""

from __future__ import annotations

import random
from fractions import Fraction
from math import isclose

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.strategies import (
    Leg,
    bound_by_expiry,
    maximum_loss,
    maximum_loss_from_mark,
    payoff_at_expiry,
    payoff_in_coins,
)
from steelyard.margin.strategies.legs import settles_in_coins
from steelyard.margin.strategies.payoff import maximum_loss_exact, rounded
from steelyard.margin.strategies.payoff_twin import exact, maximum_loss_twin, payoff_twin
from tests.margin.strategies.books import FAR, NEAR, STRIKES, books, coin, option

ANY = st.one_of(books(), books(coins=True))
PRICES = st.one_of(st.sampled_from([0.0, *STRIKES]), st.floats(0.0, 1e6), st.floats(1e-6, 1.0))
GRID = np.array(sorted([0.0, *STRIKES, *np.linspace(10.0, 160_000.0, 1_600).tolist()]))


def scaled_book(legs: list[Leg], factor: int) -> list[Leg]:
    """Return the legs with `factor` times the quantity."""
    return [msgspec.structs.replace(leg, quantity=leg.quantity * factor) for leg in legs]


def in_coins(legs: list[Leg]) -> bool:
    """Return whether a drawn book, which settles in one way, settles in coins."""
    return settles_in_coins(legs) is True


@given(ANY, PRICES)
def test_STRT_001_payoff_equals_the_twin(legs: list[Leg], price: float) -> None:
    value = payoff_at_expiry(legs, price)
    assert value.tolist() == rounded(payoff_twin(legs, exact(price)))
    if price > 0.0:
        coins = payoff_in_coins(legs, price)
        assert coins.tolist() == rounded(payoff_twin(legs, exact(price), in_coins=True))


@given(ANY)
def test_STRT_005_maximum_loss_equals_the_twin(legs: list[Leg]) -> None:
    held = [leg for leg in legs if leg.quantity]
    for from_mark in (False, True):
        twin = maximum_loss_twin(held, in_coins=in_coins(legs), from_mark=from_mark)
        assert maximum_loss_exact(legs, from_mark=from_mark) == twin


@given(ANY, PRICES)
def test_STRT_006_no_payoff_is_below(legs: list[Leg], price: float) -> None:
    loss = maximum_loss(legs)
    if loss is None:
        return
    if not in_coins(legs):
        assert payoff_at_expiry(legs, price) >= -loss
    elif price > 0.0:
        assert payoff_in_coins(legs, price) >= -loss


@given(books())
def test_STRT_006_brute_force_over_a_grid_agrees_in_dollars(legs: list[Leg]) -> None:
    values = payoff_at_expiry(legs, GRID)
    loss = maximum_loss(legs)
    if loss is None:
        far = payoff_at_expiry(legs, [1e7, 1e9, 1e12])
        assert far[0] > far[1] > far[2]
    else:
        assert values.min() == -loss


@given(books(coins=True))
def test_STRT_006_brute_force_over_a_grid_agrees_in_coins(legs: list[Leg]) -> None:
    if not in_coins(legs):
        return
    values = payoff_in_coins(legs, [*GRID[1:], 1e30])
    loss = maximum_loss(legs)
    if loss is None:
        near = payoff_in_coins(legs, [1e-3, 1e-5, 1e-8])
        assert near[0] > near[1] > near[2]
    else:
        assert isclose(values.min(), -loss, abs_tol=1e-12)


@given(ANY, st.integers(1, 50), st.randoms(use_true_random=False))
def test_STRT_007_scaling_and_order(legs: list[Leg], factor: int, chance: random.Random) -> None:
    shuffled = list(legs)
    chance.shuffle(shuffled)
    assert maximum_loss_from_mark(shuffled) == maximum_loss_from_mark(legs)
    assert bound_by_expiry(shuffled) == bound_by_expiry(legs)
    assert payoff_at_expiry(shuffled, GRID).tobytes() == payoff_at_expiry(legs, GRID).tobytes()
    # Tenths times an integer may leave the shortest decimal; whole contracts do not.
    whole = [msgspec.structs.replace(leg, quantity=float(round(leg.quantity * 10))) for leg in legs]
    once = maximum_loss_exact(whole, from_mark=True)
    many = maximum_loss_exact(scaled_book(whole, factor), from_mark=True)
    assert many == (None if once is None else factor * once)


@given(st.booleans().flatmap(lambda c: st.tuples(books(coins=c), books(coins=c))))
def test_STRT_008_two_books_together(pair: tuple[list[Leg], list[Leg]]) -> None:
    marks = {leg.instrument: leg.mark for book in pair for leg in book}
    first, second = (
        [msgspec.structs.replace(leg, mark=marks[leg.instrument]) for leg in book] for book in pair
    )
    if not in_coins(first) == in_coins(second) == in_coins([*first, *second]):
        return  # coins alone count dollars, beside what settles in coins they count coins
    apart = [maximum_loss_exact(book, from_mark=False) for book in (first, second)]
    if None not in apart:
        together = maximum_loss_exact([*first, *second], from_mark=False)
        assert together is not None
        assert together <= apart[0] + apart[1]  # type: ignore[operator]


@given(ANY, st.sampled_from(STRIKES), st.sampled_from("CP"), st.integers(1, 30))
def test_STRT_008_a_long_option_never_raises_the_loss(
    legs: list[Leg], strike: float, letter: str, tenths: int
) -> None:
    bought = option(
        strike, letter, tenths / 10, expiry=NEAR, coins=any(x.is_coin_settled for x in legs)
    )
    bought = msgspec.structs.replace(bought, instrument="bought")
    before = maximum_loss_exact(legs, from_mark=False)
    if before is not None and in_coins(legs) == in_coins([*legs, bought]):
        after = maximum_loss_exact([*legs, bought], from_mark=False)
        assert after is not None
        assert after <= before


@given(st.sampled_from(STRIKES), st.integers(1, 400), st.integers(1, 30), books(linear=False))
def test_STRT_009_parity_books_lose_the_same(
    strike: float, mark: int, tenths: int, legs: list[Leg]
) -> None:
    call, spot, quantity = mark * 12.5, 60_000.0, tenths / 10
    put = call - spot + strike  # parity: C − P = S − K
    covered = [coin(quantity, spot), option(strike, "C", -quantity, call)]
    short_put = [option(strike, "P", -quantity, put)]
    named = [msgspec.structs.replace(x, instrument=f"other {x.instrument}") for x in legs]
    losses = [maximum_loss_exact([*named, *book], from_mark=True) for book in (covered, short_put)]
    assert losses[0] == losses[1]


@given(books(expiries=(NEAR, FAR)), st.integers(0, 20), st.integers(0, 20))
def test_STRT_015_no_share_of_the_coins_bounds_less(
    legs: list[Leg], near_tenths: int, far_tenths: int
) -> None:
    options = [leg for leg in legs if leg.is_option]
    near = [leg for leg in options if leg.expiry_us == NEAR]
    far = [leg for leg in options if leg.expiry_us == FAR]
    shares = [coin(near_tenths / 10), coin(far_tenths / 10)]
    apart = [
        maximum_loss_exact([*group, share], from_mark=True)
        for group, share in zip((near, far), shares, strict=True)
    ]
    held = [*options, coin((near_tenths + far_tenths) / 10)]
    bound = bound_by_expiry(held)
    if None in apart:
        return
    assert bound is not None
    total = Fraction(0)
    for loss in apart:
        total += loss  # type: ignore[operator]
    assert bound <= rounded(total)


@given(books())
def test_STRT_015_of_one_expiry_it_is_the_maximum(legs: list[Leg]) -> None:
    assert bound_by_expiry(legs) == maximum_loss_from_mark(legs)
