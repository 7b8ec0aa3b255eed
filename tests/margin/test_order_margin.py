"""Order margin, against every subset of fills."""

from __future__ import annotations

import copy
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.actions.depth import DepthState
from steelyard.actions.flows import apply_fill
from steelyard.actions.venue import Venue
from steelyard.book import RestingOrder, SystemLedger
from steelyard.margin import order_requirements
from steelyard.margin.order_margin import order_margin
from steelyard.ticks import Fill
from tests.margin.roles import (
    BTC_INVERSE,
    BTC_LINEAR,
    COIN,
    ETH_INVERSE,
    ETH_LINEAR,
    MODES,
    NOW_US,
    USD,
    Desk,
)

ONE_BTC = 10**4
INITIAL_BALANCE, INITIAL = 1, 3
ORDERED = [BTC_LINEAR, BTC_INVERSE, ETH_LINEAR, ETH_INVERSE, *range(5, 33)]


def place(desk: Desk, row: int, *orders: tuple[int, int, float]) -> None:
    """Rest orders (slot, lots, price over the mark's price) on a unit."""
    for number, (slot, lots, ratio) in enumerate(orders):
        terms, mark = desk.market.instruments[slot], int(desk.market.mark_units[slot])
        price_mark = round(mark / ratio) if terms.contract_usd else round(mark * ratio)
        desk.book.put_order(row, RestingOrder(f"o{number}", slot, lots, price_mark))


def margin(desk: Desk, row: int) -> int:
    """Return the order margin of a unit, micro-USDC."""
    return order_margin(desk.book, row, desk.market, desk.columns, desk.method)


def near(micro: int, usd: float, cents: float = 2.0) -> bool:
    """Return whether an amount is `usd` and at most some cents of rounding more."""
    return usd * USD <= micro + 1 <= (usd + cents / 100) * USD + 1


def test_MARG_021_a_flat_account_and_one_order() -> None:
    desk = Desk()
    for lots in (ONE_BTC, -ONE_BTC):
        row = desk.unit("cross", {0: 10**12})
        place(desk, row, (BTC_LINEAR, lots, 1.0))
        assert near(margin(desk, row), 800.0 + 515.0 + 50.0)


def test_MARG_021_both_sides_cost_the_larger_and_both_fees() -> None:
    desk = Desk()
    row = desk.unit("cross", {0: 10**12})
    place(desk, row, (BTC_LINEAR, ONE_BTC, 1.0), (BTC_LINEAR, -ONE_BTC, 1.0))
    assert near(margin(desk, row), 800.0 + 515.0 + 100.0)


def test_MARG_021_a_reduction_costs_its_fee_or_nothing() -> None:
    desk = Desk()
    row = desk.unit("cross", {0: 10**12}, {BTC_LINEAR: ONE_BTC})
    place(desk, row, (BTC_LINEAR, -ONE_BTC, 1.0))
    assert near(margin(desk, row), 50.0)
    row = desk.unit("portfolio", {0: 10**12}, {BTC_LINEAR: ONE_BTC})
    place(desk, row, (BTC_LINEAR, -ONE_BTC, 1.0))
    assert margin(desk, row) == 0


def test_MARG_021_a_loss_against_the_mark_counts_and_a_gain_does_not() -> None:
    desk = Desk()
    rows = [desk.unit("cross", {0: 10**12}) for _ in range(3)]
    for row, ratio in zip(rows, (1.01, 1.0, 0.5), strict=True):
        place(desk, row, (BTC_LINEAR, ONE_BTC, ratio))
    worse, at_mark, better = (margin(desk, row) for row in rows)
    assert worse - at_mark == 1_000 * USD
    assert better == at_mark


def test_MARG_021_a_portfolio_order_adds_its_worst_scenario() -> None:
    desk = Desk()
    row = desk.unit("portfolio", {0: 10**12})
    place(desk, row, (BTC_LINEAR, ONE_BTC, 1.0))
    assert near(margin(desk, row), 1.3 * 15_000.0 + 515.0 + 50.0)
    hedged = desk.unit("portfolio", {0: 10**12}, {BTC_LINEAR: -ONE_BTC})
    place(desk, hedged, (BTC_LINEAR, ONE_BTC, 1.0))
    assert margin(desk, hedged) == 0


def test_MARG_021_no_orders_no_margin_and_rows_are_chosen() -> None:
    desk = Desk()
    rows = [desk.unit("cross", {0: 10**12}) for _ in range(3)]
    for row in rows[1:]:
        place(desk, row, (BTC_LINEAR, ONE_BTC, 1.0))
    assert margin(desk, rows[0]) == 0
    plain, every, chosen = desk.results(), desk.results(), desk.results()
    order_requirements(desk.book, desk.market, desk.columns, desk.method, every)
    assert (every - plain)[INITIAL].tolist() == [margin(desk, row) for row in rows]
    order_requirements(
        desk.book, desk.market, desk.columns, desk.method, chosen, np.array([0, 2], np.int64)
    )
    assert (chosen - plain)[INITIAL].tolist() == [0, 0, margin(desk, rows[2])]
    assert np.array_equal(np.delete(every, INITIAL, 0), np.delete(plain, INITIAL, 0))


def missing_after(desk: Desk, row: int, filled: tuple[RestingOrder, ...]) -> int:
    """Return the initial requirement less the initial balance after some orders filled, orders gone."""
    book = copy.deepcopy(desk.book)
    ledger = SystemLedger()
    ledger.widen(desk.assets, len(desk.market.instruments))
    places = {name: (book, at) for name, at in book.rows.items()}
    venue = Venue(desk.market, ledger, DepthState(), desk.method, places.get, lambda _: 0)
    unit = book.names[row]
    for order in filled:
        side = (unit, "market") if order.quantity > 0 else ("market", unit)
        terms = desk.market.instruments[order.instrument]
        fill = Fill(NOW_US, "t", 1, terms.name, *side, abs(order.quantity), 1.0)
        apply_fill(venue, fill, order.instrument, order.price_mark, *side)
    now = Desk.__new__(Desk)
    now.__dict__ = desk.__dict__ | {"book": book}
    results = now.results()
    return int(results[INITIAL, row] - results[INITIAL_BALANCE, row])


ORDER = st.tuples(
    st.sampled_from(ORDERED),
    st.integers(1, 5_000),
    st.booleans(),
    st.sampled_from([0.8, 0.99, 1.0, 1.002, 1.3]),
)
HELD = st.dictionaries(
    st.sampled_from(ORDERED), st.integers(-5_000, 5_000).filter(bool), max_size=4
)


@pytest.mark.parametrize("mode", MODES)
@given(st.lists(ORDER, min_size=1, max_size=6), HELD, st.integers(-3 * COIN, 3 * COIN))
@settings(max_examples=60)
def test_MARG_022_no_subset_of_fills_misses_more_than_was_held(
    mode: str, orders: list[tuple[int, int, bool, float]], held: dict[int, int], coins: int
) -> None:
    desk = Desk()
    row = desk.unit(mode, {0: 10**11, 1: coins, 2: 2 * coins}, held)  # type: ignore[arg-type]
    place(desk, row, *[(s, q if buys else -q, ratio) for s, q, buys, ratio in orders])
    resting = desk.book.orders_of(row)
    extra = margin(desk, row)
    before = missing_after(desk, row, ())
    for count in range(1, len(resting) + 1):
        for subset in combinations(resting, count):
            assert missing_after(desk, row, subset) <= before + extra


def test_MARG_022_the_bound_is_reached() -> None:
    desk = Desk()
    for mode in ("cross", "portfolio"):
        row = desk.unit(mode, {0: 10**12})
        place(desk, row, (BTC_LINEAR, ONE_BTC, 1.01))
        (order,) = desk.book.orders_of(row)
        grown = missing_after(desk, row, (order,)) - missing_after(desk, row, ())
        assert grown <= margin(desk, row) <= grown * 1.02
