"""Double entry, integer bounds, zero sums, and the hash of a slot."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.book import Book, RestingOrder, SystemLedger, slot_hash, slot_of
from steelyard.book.ledger import SYSTEM_ACCOUNTS, check_balanced, check_bounds
from steelyard.book.state_hash import slot_hashes
from steelyard.marks import MarketState
from steelyard.quantities import InvariantError, LedgerError
from steelyard.terms import Asset, Instrument

LINEAR = Instrument("C_USDC-PERPETUAL", "perpetual", "C", "USDC", False, 2, 4, 10**6)


def make_market() -> MarketState:
    """Return a market with one coin and three instruments."""
    market = MarketState()
    market.list_asset(Asset("C", 8, 2))
    for number in range(3):
        market.list_instrument(msgspec.structs.replace(LINEAR, name=f"I{number}"))
    return market


def test_BOOK_004_postings_that_do_not_sum_to_zero_stop_the_engine() -> None:
    check_balanced([("a", 1, 5), ("market", 1, -4), ("dust", 1, -1), ("a", 2, 0)])
    with pytest.raises(InvariantError, match="asset slot 1 sum to 1"):
        check_balanced([("a", 1, 5), ("market", 1, -4)])
    with pytest.raises(InvariantError):
        check_balanced([("a", 1, 5), ("market", 2, -5)])


def test_BOOK_005_a_balance_beyond_the_bounds_names_the_account() -> None:
    for balance in (2**62, -(2**62), 0):
        check_bounds("fund", balance)
    for balance in (2**62 + 1, -(2**62) - 1):
        with pytest.raises(LedgerError, match="LEDG-E01") as caught:
            check_bounds("fund", balance)
        assert caught.value.where == {"account": "fund"}


@given(
    st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(-(2**62), 2**62)), max_size=20),
    st.integers(-(2**62), 2**62),
    st.sampled_from([1, 10, 10_000]),
)
def test_BOOK_006_values_of_positions_that_sum_to_zero_sum_to_zero(
    positions: list[tuple[int, int]], mark: int, fine_per_unit: int
) -> None:
    lots, costs = sum(q for q, _ in positions), sum(c for _, c in positions)
    everyone = [*positions, (-lots, -costs)]
    fine = [q * mark - c for q, c in everyone]
    assert sum(fine) == 0
    rounded = sum(value // fine_per_unit for value in fine)
    assert -(len(everyone) - 1) <= rounded <= 0


def small_book(build: Callable[[Book], None]) -> bytes:
    """Return the hash of slot of unit `a` in a book that `build` wrote."""
    book = Book(2)
    build(book)
    return slot_hash(book, make_market(), slot_of("a"))


def plain(book: Book) -> None:
    """One unit with two positions, a balance and an order."""
    underlying = np.ones(3, np.int32)
    row = book.add_unit("a", "cross")
    book.set_position(row, 0, 5, 50, underlying)
    book.set_position(row, 2, -1, -7, underlying)
    book.balances[row, 1] = 9
    book.put_order(row, RestingOrder("o", 1, 3, 4))


def with_history(book: Book) -> None:
    """The same unit, after neighbours, moves, closings and a cancelled order."""
    underlying = np.ones(3, np.int32)
    other = next(n for n in map(str, range(10_000)) if slot_of(n) != slot_of("a"))
    book.set_position(book.add_unit(other, "portfolio"), 1, 8, 8, underlying)
    row = book.add_unit("a", "cross")
    for slot in (2, 1, 0):
        book.set_position(row, slot, 99, 1, underlying)
    book.set_position(row, 1, 0, 0, underlying)
    book.set_position(row, 2, -1, -7, underlying)
    book.set_position(row, 0, 5, 50, underlying)
    book.put_order(row, RestingOrder("gone", 1, 3, 4))
    book.put_order(row, RestingOrder("o", 1, 3, 4))
    book.drop_order(row, "gone")
    book.balances[row, 1] = 9


def test_BOOK_007_the_hash_does_not_remember_how_it_came_to_be() -> None:
    assert small_book(plain) == small_book(with_history)
    assert len(small_book(plain)) == 32


@pytest.mark.parametrize(
    "change",
    [
        "state",
        "mode",
        "next_action_us",
        "quantity",
        "cost",
        "balances",
        "order",
        "position",
        "name",
    ],
)
def test_BOOK_007_the_hash_sees_every_field(change: str) -> None:
    def changed(book: Book) -> None:
        plain(book)
        if change in ("state", "mode", "next_action_us"):
            getattr(book, change)[0] += 1
        elif change in ("quantity", "cost"):
            getattr(book, change)[int(book.start[0])] += 1
        elif change == "balances":
            book.balances[0, 0] = 1
        elif change == "order":
            book.put_order(0, RestingOrder("o", 1, 3, 5))
        elif change == "position":
            book.set_position(0, 1, 1, 0, np.ones(3, np.int32))
        else:
            book.names[0] = "b"

    assert small_book(changed) != small_book(plain)


def test_BOOK_007_row_order_does_not_matter_and_slots_cover_all() -> None:
    market, names = make_market(), [f"account-{n}" for n in range(300)]
    books = []
    for order in (names, names[::-1]):
        book = Book(2)
        for name in order:
            row = book.add_unit(name, "cross")
            book.set_position(row, 0, len(name) + 1, 3, market.underlying_of)
        books.append(book)
    one, two = (slot_hashes(book, market) for book in books)
    assert one == two
    assert set(one) == {slot_of(name) for name in names}
    assert all(one[slot] == slot_hash(books[0], market, slot) for slot in one)


def test_BOOK_009_a_ledger_widens_without_touching_what_is_there() -> None:
    ledger = SystemLedger()
    ledger.widen(1, 0)
    ledger.post("market", 0, -5)
    ledger.widen(3, 2)
    ledger.market_quantity[1] = 4
    ledger.widen(3, 5)
    assert ledger.balances["market"] == [-5, 0, 0]
    assert set(ledger.balances) == set(SYSTEM_ACCOUNTS)
    assert ledger.market_quantity == [0, 4, 0, 0, 0]
