"""Programs of the scenario core (specs/63-PROG.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types

from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.columns import round9
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.machine import ENTRIES, program_for
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.core.scan import fill_scan
from steelyard.margin.methods.core.steps import QUANTITY, SELECT
from steelyard.margin.methods.core.tiles import accumulate, accumulate_twin
from steelyard.margin.methods.core.what_if import Margins, margins, plain_margins, traded
from steelyard.terms.documents import documents
from steelyard.terms.stated import (
    Asset,
    Expiry,
    Market,
    Perpetual,
    Underlying,
    parse_contract,
)
from steelyard.valuation.compiled import kernel

STRIKES = ("40000", "55000", "65000", "90000")
DAYS = ("2026-06-02", "2026-06-26", "2026-12-25")
CONTRACTS = [
    "BTC-PERPETUAL",
    *(f"BTC-{d}" for d in ("2JUN26", "26JUN26", "25DEC26")),
    *(f"BTC-{d}-{k}-{r}" for d in ("2JUN26", "26JUN26", "25DEC26") for k in STRIKES for r in "CP"),
]
STATED = ("entry_price", "mark_price", "unrealised_pnl", "unrealised_funding", "stated_delta")


COLLATERAL = {
    "derive-pmrm2": {
        "collateral": {
            "BTC": {"initial_haircut": 0.1, "maintenance_haircut": 0.05, "risk_cancelling": True}
        }
    }
}


@cache
def scenario_methods() -> list[str]:
    """Return the methods of the core that need no parameter of a case."""
    library = documents()
    return [
        name
        for name in library.names()
        if library.get(name).rules.get("core") == "scenario" and name != "span"
    ]


@cache
def prepared(method: str, *coins: str) -> Prepared:
    """Return a method prepared for a market of one underlying and all that it covers there."""
    document = documents().get(method)
    compiled = Compiled(document.with_parameters(COLLATERAL.get(method, {})))
    held = coins if compiled.rules.collateral != "none" else ()
    return Prepared(
        compiled, Instruments(market(), covered(compiled), held, is_single=compiled.is_single)
    )


def market() -> Market[float]:
    expiries = tuple(
        Expiry(
            f"{day}T08:00:00Z", 65_000.0 + 300 * i, implied_volatility=dict.fromkeys(STRIKES, 0.6)
        )
        for i, day in enumerate(DAYS)
    )
    return Market(
        "2026-06-01T08:00:00Z",
        assets={"USDC": Asset(1.0), "BTC": Asset(65_000.0)},
        underlyings={"BTC": Underlying(65_000.0, perpetual=Perpetual(65_010.0), expiries=expiries)},
    )


def covered(compiled: Compiled) -> list[str]:
    """Return the contracts of the market of the kinds that a method covers."""
    return [name for name in CONTRACTS if parse_contract(name).kind in compiled.covers]


def books(method: Prepared, seed: int, accounts: int, stated: Sequence[str]) -> Books:
    """Return random accounts, one in nine of them empty."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, accounts)
    account = np.repeat(np.arange(accounts), counts)
    legs = len(account)
    quantity = np.where(rng.random(legs) < 0.05, 0.0, rng.normal(0, 5, legs))
    columns = {
        name: np.where(rng.random(legs) < 0.3, np.nan, rng.normal(100, 30, legs)) for name in stated
    }
    extras = {"spot_margin": rng.random(accounts)} if stated else {}
    rows = rng.integers(0, len(method.instruments), legs).astype(np.int32)
    cash = rng.normal(0, 1e4, accounts)
    return Books(accounts, account, rows, quantity, cash, columns, extras).in_order()


def part(whole: Books, first: int, end: int) -> Books:
    """Return the books of the accounts first ≤ a < end."""
    legs = slice(*np.searchsorted(whole.account, (first, end)))
    return Books(
        end - first, whole.account[legs] - first, whole.instrument[legs], whole.quantity[legs],
        whole.cash[first:end], {name: column[legs] for name, column in whole.stated.items()},
        {name: column[first:end] for name, column in whole.extras.items()},
    )  # fmt: skip


def same(found: Margins, wanted: Margins) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("stated", [(), ("entry_price",), STATED[1:]])
@pytest.mark.parametrize("method", scenario_methods())
def test_PROG_001_the_program_gives_the_numbers_of_the_evaluation(
    method: str, stated: tuple[str, ...]
) -> None:
    held = prepared(method, "BTC")
    some = books(held, 7, 700, stated)
    assert program_for(held, some.stated, some.extras) is not None
    same(margins(held, some), plain_margins(held, some))
    same(margins(held, some), plain_margins(held, some))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(("derive-pmrm2", "deribit-pm", "paradex-pm")),
    st.integers(0, 1000),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_PROG_002_any_cut_of_a_batch_gives_the_same_bits(
    method: str, seed: int, cuts: list[int]
) -> None:
    held = prepared(method)
    some = books(held, seed, 300, ("entry_price",))
    margins(held, some)
    whole = margins(held, some)
    edges = [0, *sorted(cuts), 300]
    pieces = [margins(held, part(some, a, b)) for a, b in pairwise(edges)]
    same(Margins(*(np.concatenate(columns) for columns in zip(*pieces, strict=True))), whole)


def test_PROG_002_an_account_of_a_thousand_legs_and_one_that_is_no_number() -> None:
    held = prepared("derive-pmrm2")
    rng = np.random.default_rng(3)
    counts = [0, 2 * ENTRIES, 0, 3, 1]
    account = np.repeat(np.arange(5), counts)
    legs = len(account)
    some = Books(
        5, account, rng.integers(0, len(held.instruments), legs).astype(np.int32),
        rng.normal(0, 1, legs), np.zeros(5),
    ).in_order()  # fmt: skip
    some.quantity[-1] = np.nan
    margins(held, some)
    found = margins(held, some)
    same(found, plain_margins(held, some))
    assert np.isnan(found.initial_requirement).tolist() == [False] * 4 + [True]
    assert found.initial_requirement[0] == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 12))
def test_PROG_007_a_trade_is_added_to_the_leg_held_or_as_a_leg_of_its_own(
    seed: int, legs: int
) -> None:
    held = prepared("derive-pmrm2")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(held.instruments), legs, replace=False)).astype(np.int32)
    book = Books(
        1, np.zeros(legs, np.int64), rows, rng.normal(0, 1, legs), np.array([100.0]),
        {"entry_price": rng.random(legs)}, {"spot_margin": np.array([2.0])},
    )  # fmt: skip
    trades = rng.integers(0, len(held.instruments), 5).astype(np.int32)
    sizes = rng.normal(0, 1, 5)
    found = traded(held, book, trades, sizes)
    assert found.size == 5
    assert found.extras["spot_margin"].tolist() == [2.0] * 5
    for k in range(5):
        wanted = dict(zip(rows.tolist(), book.quantity.tolist(), strict=True))
        wanted[int(trades[k])] = wanted.get(int(trades[k]), 0.0) + float(sizes[k])
        one = part(found, k, k + 1)
        assert list(zip(one.instrument.tolist(), one.quantity.tolist(), strict=True)) == sorted(
            wanted.items()
        )
        entries = dict(zip(rows.tolist(), book.stated["entry_price"].tolist(), strict=True))
        for row, entry in zip(one.instrument.tolist(), one.stated["entry_price"], strict=True):
            assert entries.get(row, np.nan) == entry or (row not in entries and np.isnan(entry))
        is_option = held.instruments.names[trades[k]][-1] in "CP"
        premium = sizes[k] * held.model_value[trades[k]] if is_option else 0.0
        assert one.cash[0] == 100.0 - premium


def test_PROG_003_without_coins_in_the_market_no_step_is_about_coins() -> None:
    with_coins, without = prepared("derive-pmrm2", "BTC"), prepared("derive-pmrm2")
    long, short = (program_for(each, (), ()) for each in (with_coins, without))
    assert long is not None
    assert short is not None
    assert len(short.code) < len(long.code)
    assert sum(short.code[:, 0] == SELECT) < sum(long.code[:, 0] == SELECT)
    assert sum(short.code[:, 0] == QUANTITY) == 1


def test_PROG_004_what_no_step_can_do_is_left_to_the_evaluation() -> None:
    document = documents().get("paradex-pm")
    rules = {**document.rules, "leg": {**document.rules["leg"], "gross": "exp(quantity)"}}
    changed = msgspec.structs.replace(document, rules=rules)
    compiled = Compiled(changed)
    held = Prepared(compiled, Instruments(market(), covered(compiled), (), is_single=False))
    some = books(held, 2, 50, ())
    assert program_for(held, some.stated, some.extras) is None
    same(margins(held, some), plain_margins(held, some))
    assert np.isfinite(margins(held, some).initial_requirement).all()


@settings(max_examples=500, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_PROG_005_rounding_is_that_of_the_exact_decimal(x: float) -> None:
    assert float(round9(x)) == round(x, 9)


def test_PROG_005_halves_go_by_the_exact_value_of_the_float() -> None:
    rng = np.random.default_rng(5)
    near = (rng.integers(-(10**9), 10**9, 20_000) + 0.5) / 1e9
    exact = rng.integers(-(10**6), 10**6, 20_000) / 2.0**10
    for values in (near, exact, near * 4096):
        assert round9(values).tolist() == [round(x, 9) for x in values.tolist()]
    some = [5e-10, 1.5e-9, 2.0**-10, 8_388_608.3]
    assert round9(some).tolist() == [1e-9, 1e-9, 0.000976562, 8_388_608.3]


TABLE = types.Array(types.float64, 2, "C", readonly=True)
COLUMN = types.Array(types.float64, 1, "C", readonly=True)
INTS = types.Array(types.int32, 1, "C", readonly=True)


@kernel(
    types.void(TABLE, INTS, COLUMN, types.int64, types.int64, types.Array(types.float64, 1, "C"))
)
def _fill_sums(table, instrument, quantity, first, last, out):  # type: ignore[no-untyped-def]
    accumulate(table, instrument, quantity, first, last, out)


@pytest.mark.parametrize("width", [8, 16, 24, 32, 40, 64])
def test_PROG_006_tiles_are_the_sums_of_the_twin(width: int) -> None:
    rng = np.random.default_rng(width)
    table = rng.normal(0, 1, (9, width))
    rows, sizes = rng.integers(0, 9, 12).astype(np.int32), rng.normal(0, 1e3, 12)
    out = np.empty(width)
    _fill_sums(table, rows, sizes, 2, 11, out)
    assert out.tolist() == accumulate_twin(table, rows, sizes, 2, 11)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_PROG_006_a_pnl_that_is_no_number_spoils_its_unit_alone(spoilt: float) -> None:
    table = np.zeros((2, 16))
    table[0, :3], table[1, :3] = (1.0, -2.0, 0.5), (1.0, spoilt, 0.5)
    one, none = np.ones(2), np.zeros(16, bool)
    worst, where = np.empty(2), np.empty(2)
    fill_scan(
        table, np.zeros(2), np.array([0, 1], np.int32), one, np.arange(3), np.arange(3), one, one,
        np.ones(16), none, np.zeros(2, bool), 3, np.empty((0, 0)), worst, where,
    )  # fmt: skip
    assert worst[0] == -2.0
    assert where[0] == 1
    assert np.isnan(worst[1])
