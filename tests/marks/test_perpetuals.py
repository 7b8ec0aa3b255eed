"""The mark of a perpetual: the index, a bounded basis, one rounding."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks import observe_basis, perpetual_mark, smoothed_basis
from steelyard.marks.perpetuals import round_half_even
from steelyard.marks.update import follow_parameters, reread_index
from tests.marks.roles import COIN, INVERSE, METHOD, START_US, Sources

BOUND_PPB = 1_000 * METHOD.index_rules("C").basis_bound_ppm
PRICES = st.floats(1e-3, 1e6)
BASES = st.integers(-500_000_000, 500_000_000)


def healthy(price: float = 100.0) -> Sources:
    """Return a market with a quorum at a price."""
    venue = Sources("one", "two")
    for source in (0, 1):
        venue.say(source, price)
    return venue


def test_MARK_008_worked_numbers() -> None:
    assert observe_basis(99.0, 103.0, 100.0, 5_000) == 5_000_000
    assert observe_basis(98.0, 101.0, 100.0, 5_000) == -5_000_000
    assert observe_basis(100.0, 100.2, 100.0, 5_000) == 1_000_000
    assert smoothed_basis(0, 5_000_000, 30_000_000, 30_000_000) == 2_500_000


def test_MARK_008_a_basis_builds_up_over_exchange_time() -> None:
    venue = healthy()
    venue.quote(101.0, 101.0)
    assert venue.market.basis_ppb[0] == 0
    venue.quote(101.0, 101.0)  # the same microsecond: nothing moves
    assert venue.market.basis_ppb[0] == 0
    assert venue.quote(101.0, 101.0, START_US + 30_000_000) == [COIN]
    assert venue.market.basis_ppb[0] == 2_500_000
    assert venue.market.mark_units[0] == 1_002_500
    assert venue.quote(500.0, 500.0, START_US + 29_000_000) == []


@given(BASES, BASES, st.integers(0, 10**13), st.integers(1, 86_400_000_000))
def test_MARK_008_the_average_never_overshoots(
    before: int, observed: int, elapsed_us: int, smoothing_us: int
) -> None:
    after = smoothed_basis(before, observed, elapsed_us, smoothing_us)
    assert min(before, observed) <= after <= max(before, observed)
    if elapsed_us == 0:
        assert after == before


@given(st.lists(st.tuples(PRICES, st.floats(1.0, 2.0), st.integers(0, 10**9)), max_size=30))
def test_MARK_008_no_quotes_move_a_mark_beyond_the_bound(
    quotes: list[tuple[float, float, int]],
) -> None:
    venue, at_us = healthy(), START_US
    for bid, spread, elapsed in quotes:
        at_us += elapsed
        venue.quote(bid, bid * spread, at_us)
        assert abs(int(venue.market.basis_ppb[0])) <= BOUND_PPB
        assert abs(int(venue.market.mark_units[0]) - 1_000_000) <= 5_000


@given(
    st.integers(1, 9 * 10**10), st.integers(0, 6), BASES, st.integers(0, 12), st.integers(1, 10**6)
)
def test_MARK_009_a_mark_is_the_exact_value_rounded_half_to_even(
    index: int, price_exponent: int, basis: int, mark_exponent: int, dollars: int
) -> None:
    price = Fraction(index, 10**price_exponent) * (1 + Fraction(basis, 10**9))
    linear, inverse = (
        perpetual_mark(
            index, price_exponent, basis, is_inverse=is_inverse,
            contract_usd=dollars, mark_exponent=mark_exponent,
        )
        for is_inverse in (False, True)
    )  # fmt: skip
    assert linear == round(price * 10**mark_exponent)
    assert inverse == -round(dollars * 10**mark_exponent / price)


def test_MARK_009_worked_numbers() -> None:
    def mark(index: int, exponent: int, *, inverse: bool, dollars: int = 0, digits: int = 1) -> int:
        return perpetual_mark(
            index, exponent, 0, is_inverse=inverse, contract_usd=dollars, mark_exponent=digits
        )

    assert mark(125, 2, inverse=False) == 12
    assert mark(135, 2, inverse=False) == 14
    assert mark(12_500_000, 2, inverse=True, dollars=100, digits=12) == -800_000_000
    assert mark(800, 2, inverse=True, dollars=1, digits=2) == -12
    assert [round_half_even(n, 2) for n in (1, 3, 5)] == [0, 2, 2]


def test_MARK_010_a_narrower_bound_holds_at_once() -> None:
    venue = healthy()
    venue.quote(110.0, 110.0)
    venue.quote(110.0, 110.0, START_US + 10**15)
    assert int(venue.market.basis_ppb[0]) >= 4_999_000
    venue.method = venue.method.with_parameter("index.default.basis_bound_ppm", "1000")
    follow_parameters(venue.market, venue.method)
    assert venue.market.basis_ppb[0] == 1_000_000
    assert venue.market.mark_units[0] == 1_001_000
    assert not reread_index(venue.market, COIN, venue.method)


def test_MARK_012_a_protected_asset_takes_no_quote() -> None:
    venue = Sources("one", "two")
    venue.say(0, 100.0)
    assert venue.is_protected
    venue.quote(100.4, 100.4)
    assert venue.quote(100.4, 100.4, START_US + 10**9) == []
    assert venue.market.basis_ppb[0] == 0
    assert venue.quote(100.4, 100.4, START_US + 2 * 10**9, INVERSE.name) == []
