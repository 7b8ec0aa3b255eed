"""Isolated margin of Vega, transfers of trades, fully collateralised positions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.quantities import InputError
from tests.margin.methods.own.vega_twin import account, ask, market, order_margins

BUYS = [("buy", 1, 50), ("buy", 2, 40), ("buy", 3, 20)]
SELLS = [("sell", 1, 20), ("sell", 2, 40), ("sell", 3, 50)]


def isolated(quantity: Any = 0, orders: Any = (), factor: Any = 0.5, **fields: Any) -> Any:
    """Return what the venue says of an isolated account; `prices` are further ones of the market."""
    top = {name: fields.pop(name) for name in ("trades", "position_before") if name in fields}
    prices = fields.pop("prices", {"mark": 12})
    return ask(
        parameters={"margin_factor": factor},
        market=market(**prices),
        account=account("isolated", quantity, orders, **fields),
        **top,
    ).native


def sides(native: dict[str, Any]) -> tuple[int, int, int]:
    return native["order_margin"], native["order_margin_buy"], native["order_margin_sell"]


def test_VEGA_020_order_margin_is_that_of_the_larger_side() -> None:
    assert sides(isolated(0, BUYS)) == (95, 95, 0)
    assert sides(isolated(0, SELLS)) == (125, 0, 125)
    assert sides(isolated(0, BUYS + SELLS)) == (125, 95, 125)
    assert sides(isolated(0)) == (0, 0, 0)
    assert sides(isolated(0, [("buy", 1, 0.9), ("sell", 1, 5)])) == (2, 0, 2), "floored each"


def test_VEGA_020_order_margin_needs_no_mark() -> None:
    orders = [{"side": "buy", "quantity": 2, "price": 10}]
    found = ask(parameters={"margin_factor": 1}, account={"mode": "isolated", "orders": orders})
    assert found.native["order_margin"] == 20
    assert found.maintenance_requirement is None, "the sheet gives an isolated account no levels"


def test_VEGA_021_opposite_orders_are_netted_in_the_order_listed() -> None:
    assert sides(isolated(-2, BUYS)) == (50, 50, 0)
    assert sides(isolated(-2, BUYS[::-1])) == (75, 75, 0), "2 of 3@20 are netted: 1@20 2@40 1@50"
    assert sides(isolated(-6, BUYS)) == (0, 0, 0)
    assert sides(isolated(-60, BUYS)) == (0, 0, 0)
    assert sides(isolated(2, BUYS)) == (95, 95, 0)
    assert sides(isolated(2, BUYS + SELLS)) == (95, 95, 95), "of the sells 1@40 and 3@50 are left"
    assert sides(isolated(-2, BUYS + SELLS)) == (125, 50, 125)
    assert sides(isolated("-0.5", BUYS)) == (82, 82, 0), "half a unit is netted too"


HUNDREDTHS = st.integers(1, 400).map(lambda n: Fraction(n, 100))
ORDERS = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), HUNDREDTHS, HUNDREDTHS), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=100)
@given(st.integers(-900, 900).map(lambda n: Fraction(n, 100)), ORDERS, HUNDREDTHS)
def test_VEGA_021_netting_equals_the_twin_and_never_falls_below_zero(
    position: Fraction, orders: list[tuple[str, Fraction, Fraction]], factor: Fraction
) -> None:
    stated = [(side, str(float(q)), str(float(p))) for side, q, p in orders]
    native = isolated(str(float(position)), stated, factor=str(float(factor)))
    expected = order_margins(position, orders, factor)
    assert sides(native) == (max(expected), *expected)
    assert min(sides(native)) >= 0


def test_VEGA_022_an_auction_price_is_the_least_an_order_counts_at() -> None:
    auction = {"mark": 12, "auction_price": 42}
    assert sides(isolated(0, BUYS, prices=auction)) == (130, 130, 0)
    assert sides(isolated(0, SELLS, prices=auction)) == (138, 0, 138)
    assert sides(isolated(-2, BUYS, prices=auction)) == (84, 84, 0)
    assert sides(isolated(0, BUYS, prices={"mark": 12, "auction_price": 0})) == (95, 95, 0)


@pytest.mark.parametrize(
    ("entry", "quantity", "factor", "expected"),
    [
        (95, 3, 0.4, 114),
        (5, 1, 0.5, 3),
        (5, -1, 0.5, 3),
        (1, 1, 0.49, 0),
        (1, 1, 0.5, 1),
        (1.5, "0.5", 0.6, 0),
        (0, 3, 0.5, 0),
    ],
)
def test_VEGA_023_position_margin_is_rounded_at_the_half_upwards(
    entry: float, quantity: Any, factor: float, expected: int
) -> None:
    native = isolated(quantity, factor=factor, entry_price=entry)
    assert native["position_margin"] == expected


def test_VEGA_023_without_entry_price_there_is_no_position_margin() -> None:
    assert "position_margin" not in isolated(3)


def test_VEGA_024_trades_that_enlarge_the_position_move_margin_in() -> None:
    trades = [{"quantity": 2, "price": 21}, {"quantity": 1, "price": 19}]
    native = isolated(4, factor=0.25, trades=trades, position_before=1)
    assert native["margin_transfer"] == 15
    sold = [{"quantity": -2, "price": 21}, {"quantity": -1, "price": 19}]
    native = isolated(-4, factor=0.25, trades=sold, position_before=-1)
    assert native["margin_transfer"] == 15
    native = isolated(-3, factor=0.25, trades=sold, position_before=0)
    assert native["margin_transfer"] == 15
    native = isolated(-3, factor=0.25, trades=sold, position_before=1)
    assert native["margin_transfer"] == 15, "a turned position that is larger counts as enlarged"


REDUCED = [{"quantity": -3, "price": 25}, {"quantity": -1, "price": 24}]


@pytest.mark.parametrize(
    ("before", "after", "balance", "mark", "trades", "expected"),
    [
        (10, 6, 300, 20, REDUCED, -136),
        (10, 6, 10, 30, REDUCED, 20),
        (10, 6, None, 20, REDUCED, -16),
        (10, 0, 300, 20, [{"quantity": -10, "price": 25}], -350),
        (10, 6, 1, 25, REDUCED, 4),  # (1 − 10)·0.4 = −3.6, released ⌊−3.6⌋ = −4
        (-10, -6, 300, 20, [{"quantity": 4, "price": 18}], -128),  # (300 − 10·(18 − 20))·0.4
        (5, 5, 300, 20, [], 0),
        (0, 0, 300, 20, [{"quantity": 2, "price": 5}, {"quantity": -2, "price": 5}], 0),
        (5, 5, 300, 20, [{"quantity": 0, "price": 5}], 0),
    ],
)
def test_VEGA_025_trades_that_reduce_release_in_proportion(
    before: int, after: int, balance: int | None, mark: int, trades: Any, expected: int
) -> None:
    fields: dict[str, Any] = {} if balance is None else {"margin_balance": balance}
    native = isolated(
        after, factor=0.25, prices={"mark": mark}, trades=trades, position_before=before, **fields
    )
    assert native["margin_transfer"] == expected


def test_VEGA_025_trades_need_what_was_held_before_and_the_mode() -> None:
    with pytest.raises(InputError, match="METH-E02: position_before is missing"):
        isolated(6, trades=REDUCED)
    with pytest.raises(InputError, match="METH-E02: trades are missing"):
        isolated(6, position_before=3)
    with pytest.raises(InputError, match="METH-E04: trades are stated"):
        ask(account=account("cross", 3), market=market(), trades=REDUCED, position_before=7)


def capped(quantity: Any, entry: Any = 250, cap: Any = 400) -> Any:
    prices = {} if cap is None else {"max_price": cap}
    fields = {} if entry is None else {"entry_price": entry}
    found = ask(
        market=market(250, **prices), account=account("fully_collateralised", quantity, **fields)
    )
    assert found.maintenance_requirement is None
    return found.native["position_margin"]


def test_VEGA_026_a_position_holds_all_that_it_can_lose() -> None:
    assert capped(4) == 1000
    assert capped(4, cap=None) == 1000, "a long loses no more than its price, whatever the cap"
    assert capped(-4) == 600
    assert capped(-4, entry=400) == 0
    assert capped("-0.5", entry=250.5) == 74.75
    assert isinstance(capped(-4), int)
    assert capped(0) == 0


def test_VEGA_026_what_is_missing_or_above_the_cap_is_named() -> None:
    with pytest.raises(InputError, match=r"METH-E01: market\.underlyings\.BTC\.max_price"):
        capped(-4, cap=None)
    with pytest.raises(InputError, match=r"METH-E02: account\.positions: entry_price"):
        capped(4, entry=None)
    with pytest.raises(InputError, match="METH-E05: the entry price"):
        capped(-4, entry=401)
