"""The columns against a dictionary, under any sequence of writes."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from steelyard.book import Book, RestingOrder, slot_of

UNDERLYING_OF = np.array([3, 1, 2, 1, 3, 2, 1, 1, 2, 3, 3, 1], np.int32)
INSTRUMENTS = len(UNDERLYING_OF)
MODES = ("isolated", "cross", "portfolio")
LOTS = st.integers(-(2**40), 2**40)
COSTS = st.integers(-(2**62), 2**62)


class BookAgainstDictionary(RuleBasedStateMachine):
    """Every write goes to a book and to dictionaries; every read must agree."""

    units: Bundle[int] = Bundle("units")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(2)
        self.modes: dict[int, int] = {}
        self.held: dict[int, dict[int, tuple[int, int]]] = {}
        self.cash: dict[int, list[int]] = {}
        self.orders: dict[int, dict[str, RestingOrder]] = {}

    @rule(target=units, mode=st.sampled_from(MODES))
    def open_unit(self, mode: str) -> int:
        row = self.book.add_unit(f"unit-{len(self.held)}", mode)  # type: ignore[arg-type]
        assert row == len(self.held)
        self.modes[row] = MODES.index(mode)
        self.held[row], self.orders[row] = {}, {}
        self.cash[row] = [0] * self.book.asset_count
        return row

    @rule(count=st.integers(30, 100))
    def open_many(self, count: int) -> None:
        for _ in range(count):
            self.open_unit("cross")

    @rule(row=units, slot=st.integers(0, INSTRUMENTS - 1), lots=LOTS, cost=COSTS)
    def write_position(self, row: int, slot: int, lots: int, cost: int) -> None:
        self.book.set_position(row, slot, lots, cost if lots else 0, UNDERLYING_OF)
        if lots:
            self.held[row][slot] = lots, cost
        else:
            self.held[row].pop(slot, None)

    @rule(row=units, slot=st.integers(0, INSTRUMENTS - 1))
    def close_position(self, row: int, slot: int) -> None:
        self.write_position(row, slot, 0, 0)

    @rule(row=units)
    def fill_up(self, row: int) -> None:
        for slot in range(INSTRUMENTS):
            self.write_position(row, slot, slot + 1, -slot)

    @rule(row=units, asset=st.integers(0, 30), units=COSTS)
    def write_balance(self, row: int, asset: int, units: int) -> None:
        asset %= self.book.asset_count
        self.book.balances[row, asset] = units
        self.cash[row][asset] = units

    @rule(more=st.integers(1, 10))
    def list_assets(self, more: int) -> None:
        self.book.widen_assets(min(40, self.book.asset_count + more))
        for row in self.cash.values():
            row.extend([0] * (self.book.asset_count - len(row)))

    @rule(row=units, name=st.sampled_from("zyxab"), lots=st.integers(-2, 2))
    def write_order(self, row: int, name: str, lots: int) -> None:
        order = RestingOrder(name, 1, lots, 5)
        self.book.put_order(row, order)
        if lots:
            self.orders[row][name] = order
        else:
            self.orders[row].pop(name, None)

    @rule(row=units, name=st.sampled_from("zyxab"))
    def drop_order(self, row: int, name: str) -> None:
        self.book.drop_order(row, name)
        self.orders[row].pop(name, None)

    @invariant()
    def reads_agree(self) -> None:
        book = self.book
        assert book.units == len(self.held) == len(book.names)
        for row, held in self.held.items():
            expected = sorted(held, key=lambda slot: (int(UNDERLYING_OF[slot]), slot))
            assert book.positions(row) == [(slot, *held[slot]) for slot in expected]
            assert book.balances[row, : book.asset_count].tolist() == self.cash[row]
            assert book.orders_of(row) == [o for _, o in sorted(self.orders[row].items())]
            assert int(book.mode[row]) == self.modes[row]
        assert set(book.orders) == {row for row, orders in self.orders.items() if orders}

    @invariant()
    def single_reads_agree(self) -> None:
        for row, held in list(self.held.items())[-3:]:
            for slot in range(INSTRUMENTS):
                assert self.book.position(row, slot) == held.get(slot, (0, 0))

    @invariant()
    def nothing_is_left_behind(self) -> None:
        book = self.book
        used = np.zeros(len(book.quantity), np.bool_)
        for row in range(book.units):
            first, last = int(book.start[row]), int(book.start[row] + book.count[row])
            assert not used[first:last].any()
            used[first:last] = True
            assert book.count[row] <= book.capacity[row]
        assert not book.quantity[~used].any()
        assert not book.cost[~used].any()
        assert not book.balances[book.units :].any()
        assert not book.balances[:, book.asset_count :].any()


BookAgainstDictionary.TestCase.settings = settings(max_examples=25, stateful_step_count=30)


class test_BOOK_001_BOOK_002_BOOK_008_columns_equal_a_dictionary(
    BookAgainstDictionary.TestCase  # type: ignore[misc]
):
    """The columns hold, order and drop what a dictionary would."""


def test_BOOK_002_positions_ascend_by_underlying_then_slot() -> None:
    book = Book()
    row = book.add_unit("a", "cross")
    for slot in (4, 0, 11, 2, 1, 9):
        book.set_position(row, slot, 1, 0, UNDERLYING_OF)
    assert [slot for slot, _, _ in book.positions(row)] == [1, 11, 2, 0, 4, 9]


def test_BOOK_003_a_slot_is_the_digest_of_the_owner() -> None:
    expected = hashlib.blake2b(b"maker-7", digest_size=1).digest()[0]
    assert slot_of("maker-7") == slot_of("maker-7/BTC_USDC-PERPETUAL") == expected
    book = Book()
    assert book.slot[book.add_unit("maker-7", "cross")] == expected
    assert len({slot_of(f"account-{n}") for n in range(5_000)}) == 256


def test_BOOK_003_a_slot_does_not_change_from_process_to_process() -> None:
    program = "from steelyard.book import slot_of; print([slot_of(f'a{n}') for n in range(50)])"
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin"}
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == str([slot_of(f"a{n}") for n in range(50)])


def test_BOOK_009_new_assets_leave_balances_untouched() -> None:
    book = Book(2)
    row = book.add_unit("a", "cross")
    book.balances[row, :2] = 5, -7
    for assets in (3, 9, 17, 17):
        book.widen_assets(assets)
        assert book.balances[row, :assets].tolist() == [5, -7] + [0] * (assets - 2)
