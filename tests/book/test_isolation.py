"""What a write leaves alone: the rows of other units, the hash; and zero sums in int64 columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steelyard.book import Book, slot_hash, slot_of
from steelyard.marks import MarketState
from steelyard.quantities import UNITS_MAX
from steelyard.terms import Asset, Instrument

INSTRUMENTS = 6
UNDERLYING_OF = np.array([2, 1, 2, 1, 3, 1], np.int32)


def record(book: Book, row: int) -> tuple[object, ...]:
    """Return all bytes of a unit, with the place of its block and the spare rows of it."""
    first, last = int(book.start[row]), int(book.start[row] + book.capacity[row])
    columns = (book.mode, book.state, book.slot, book.next_action_us, book.start, book.count)
    return (
        book.names[row],
        *(int(column[row]) for column in (*columns, book.capacity)),
        book.balances[row].tobytes(),
        *(c[first:last].tobytes() for c in (book.instrument, book.quantity, book.cost)),
    )


WRITES = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, INSTRUMENTS - 1), st.integers(-3, 3)), max_size=80
)


@given(WRITES)
def test_BOOK_010_a_write_touches_no_row_of_another_unit(
    writes: list[tuple[int, int, int]],
) -> None:
    book = Book(2)
    for n in range(10):
        row = book.add_unit(f"unit-{n}", "cross")
        book.balances[row] = n, -n
    before = [record(book, row) for row in range(10)]
    for row, instrument, lots in writes:
        book.set_position(row, instrument, lots, 7 * lots, UNDERLYING_OF)
        after = [record(book, r) for r in range(10)]
        assert [r for r in range(10) if after[r] != before[r] and r != row] == []
        before = after


def test_BOOK_010_blocks_that_move_and_a_pool_that_grows_leave_the_others_whole() -> None:
    book = Book(1)
    rows = [book.add_unit(f"unit-{n}", "cross") for n in range(200)]
    pool = len(book.quantity)
    for instrument in range(INSTRUMENTS):  # five positions a unit: every block moves once
        for row in rows:
            book.set_position(row, instrument, row + 1, -row, UNDERLYING_OF)
    assert len(book.quantity) > pool
    assert len(book.mode) >= 200
    expected = sorted(range(INSTRUMENTS), key=lambda i: (int(UNDERLYING_OF[i]), i))
    for row in rows:
        assert book.positions(row) == [(i, row + 1, -row) for i in expected]


@st.composite
def trades(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Return trades (lots, entry mark) and a mark, up to the largest that a listing allows."""
    limit = draw(st.integers(1, 2**40))
    sign = draw(st.sampled_from([1, -1]))  # marks of inverse perpetuals are negative
    marks = st.integers(1, UNITS_MAX // limit).map(lambda m: sign * m)
    sized = st.one_of(st.sampled_from([limit, -limit]), st.integers(-limit, limit))
    lots = st.tuples(sized.filter(bool), marks)
    return draw(st.lists(lots, min_size=1, max_size=12)), draw(marks)


@given(trades())
def test_BOOK_006_columns_of_int64_hold_the_exact_values_and_they_sum_to_zero(
    drawn: tuple[list[tuple[int, int]], int],
) -> None:
    deals, mark = drawn
    book, underlying_of = Book(), np.ones(1, np.int32)
    exact = []
    for n, (lots, entry) in enumerate(deals):
        for side, signed in (("buyer", lots), ("seller", -lots)):
            row = book.add_unit(f"{side}-{n}", "cross")
            book.set_position(row, 0, signed, signed * entry, underlying_of)
            exact.append(signed * (mark - entry))
    at = book.start[: book.units]
    fine = book.quantity[at] * np.int64(mark) - book.cost[at]
    assert fine.dtype == np.int64
    assert fine.tolist() == exact
    assert sum(fine.tolist()) == 0


def test_BOOK_003_worked_slots() -> None:
    assert slot_of("maker-7") == 223
    assert slot_of("maker-7/BTC_USDC-PERPETUAL") == 223
    assert slot_of("a") == 222


def test_BOOK_009_listing_an_asset_changes_no_hash_until_it_is_held() -> None:
    market = MarketState()
    market.list_asset(Asset("C", 8, 2))
    market.list_instrument(Instrument("I", "perpetual", "C", "USDC", False, 2, 4, 10**6))
    book = Book(2)
    row = book.add_unit("a", "cross")
    book.balances[row, 1] = 5
    book.set_position(row, 0, 3, 4, market.underlying_of)
    before = slot_hash(book, market, slot_of("a"))
    for n in range(9):
        market.list_asset(Asset(f"N{n}", 8, 2))
    book.widen_assets(11)
    assert slot_hash(book, market, slot_of("a")) == before
    book.balances[row, 10] = 1
    assert slot_hash(book, market, slot_of("a")) != before
