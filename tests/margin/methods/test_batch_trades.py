"""Trades on copies of accounts: booked so that equity changes by the difference to the mark alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steelyard.margin.methods.batch import Batch, account_of, margins_of
from steelyard.margin.methods.batch.columns import selected
from steelyard.margin.methods.batch.trades import Trades, traded
from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.core.what_if import margins, settled
from steelyard.margin.methods.core.what_if import traded as traded_one
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.margin.methods.batch_books import (
    PARAMETERS,
    contracts,
    kinds_of,
    market,
    random_batch,
)

NAN = float("nan")
LINEAR_MARK = 70_000.0 * 1.0003
USD = ["paradex-pm", "derive-pmrm", "derive-pmrm2", "derive-srm", "okx-pm", "tims", "steelyard"]
OWN = ["dydx-v4", "drift-v2", "binance-tiers", "hyperliquid-tiers", "bybit", "vega"]


def trades_on(
    batch: Batch, names: list[str], quantity: list[float], price: float = NAN, **stated: float
) -> Trades:
    """Each of the trades on every account in turn."""
    count, accounts = len(names), len(batch)
    whole = count * accounts
    known = list(dict.fromkeys(names))
    return Trades(
        known, np.repeat(np.arange(accounts), count),
        np.tile([known.index(name) for name in names], accounts), np.tile(quantity, accounts),
        np.full(whole, price), {n: np.full(whole, x) for n, x in stated.items()}, {},
    )  # fmt: skip


def held(batch: Batch, place: int = 0) -> dict[str, Any]:
    """The positions of an account by name."""
    return {p.instrument: p for p in account_of(batch, place).positions}


def one(
    quantity: float = 2.0, cash: float = 1_000.0, asset: str = "USDC", **stated: float
) -> Batch:
    """An account with one perpetual."""
    return Batch(
        ["a"], ["BTC-PERPETUAL"], np.zeros(1, np.int64), np.zeros(1, np.int64),
        np.array([quantity]), [asset], np.zeros(1, np.int64), np.zeros(1, np.int64),
        np.array([cash]), {name: np.array([value]) for name, value in stated.items()},
    )  # fmt: skip


def after(batch: Batch, method: str, quantity: float, price: float = NAN, **stated: float) -> Batch:
    """The account after a trade in its perpetual."""
    done = traded(
        batch, trades_on(batch, ["BTC-PERPETUAL"], [quantity], price, **stated), market(1.0),
        documents().get(method), PARAMETERS.get(method),
    )  # fmt: skip
    assert done.errors == {}
    return done.batch


@pytest.mark.parametrize("method", USD + OWN)
def test_SYMG_010_a_trade_at_the_mark_leaves_equity(method: str) -> None:
    document = documents().get(method)
    batch = random_batch(method, 11, 12, ("BTC",))
    names = contracts("BTC", kinds_of(document))
    names = [names[0], names[-1], names[len(names) // 2]]
    extra = {"leverage": 10.0} if method == "bybit" else {}
    trades = trades_on(batch, names, [1.5, -2.25, 4.0], **extra)
    done = traded(batch, trades, market(1.0), document, PARAMETERS.get(method))
    assert done.errors == {}
    before = margins_of(batch, market(1.0), document, PARAMETERS.get(method))
    found = margins_of(done.batch, market(1.0), document, PARAMETERS.get(method))
    good = [k for k in range(len(trades.account)) if k not in found.errors]
    assert len(good) > 20
    for k in good:
        row = int(trades.account[k])
        if row in before.errors:
            continue
        assert found.equity[k] == pytest.approx(before.equity[row], rel=1e-9, abs=2e-5)


@pytest.mark.parametrize("method", ["paradex-pm", "derive-pmrm2", "derive-srm", "deribit-pm"])
def test_SYMG_010_requirements_are_those_of_the_one_account_core(method: str) -> None:
    document = documents().get(method)
    batch = random_batch(method, 12, 6, ("BTC",))
    names = contracts("BTC", kinds_of(document))[:9]
    quantity = [(-1.0) ** i * (0.5 + i) for i in range(9)]
    for place in range(len(batch)):
        single = selected(batch, np.array([place]))
        if not len(single.account):
            continue
        found = traded(single, trades_on(single, names, quantity), market(1.0), document)
        several = margins_of(found.batch, market(1.0), document)
        account = account_of(single, 0)
        case = Case("one", method, market=market(1.0), account=account)
        extended = evaluated(case, Compiled(document))
        place_of = extended.instruments.place
        for k, name in enumerate(names):
            if name not in place_of:
                continue
            books = traded_one(
                extended.prepared, settled(extended), np.array([place_of[name]], np.int32),
                np.array([quantity[k]]),
            )  # fmt: skip
            expected = margins(extended.prepared, books)
            assert several.initial_requirement[k] == expected.initial_requirement[0]
            assert several.maintenance_requirement[k] == expected.maintenance_requirement[0]


@pytest.mark.parametrize(
    "method", ["paradex-pm", "derive-srm", "drift-v2", "binance-tiers", "dydx-v4"]
)
@pytest.mark.parametrize("quantity", [1.0, -0.5, -2.0, -3.0])
@pytest.mark.parametrize("stated", [{}, {"entry_price": 60_000.0}, {"unrealised_pnl": 55.0}])
def test_SYMG_011_a_price_is_gained_or_lost_at_once(
    method: str, quantity: float, stated: dict[str, float]
) -> None:
    document = documents().get(method)
    asset = str(document.rules.get("settlement", document.currency))
    batch = one(cash=1e6, asset=asset, **stated)
    parameters = PARAMETERS.get(method)
    mark = 70_000.0 if method in ("dydx-v4", "drift-v2") else LINEAR_MARK
    before = margins_of(batch, market(1.0), document, parameters).equity[0]
    found = margins_of(after(batch, method, quantity, 69_000.0), market(1.0), document, parameters)
    assert found.errors == {}
    gain = quantity * (mark - 69_000.0)
    assert found.equity[0] - before == pytest.approx(gain, rel=1e-7, abs=1e-4)


def test_SYMG_011_coins_are_gained_under_coin_settlement() -> None:
    document = documents().get("deribit-pm")
    for quantity in (1.0, -0.5, -3.0):
        for stated in ({}, {"entry_price": 60_000.0}, {"unrealised_pnl": 0.25}):
            batch = one(cash=5.0, asset="BTC", **stated)
            before = margins_of(batch, market(1.0), document).equity[0]
            found = margins_of(
                after(batch, "deribit-pm", quantity, 69_000.0), market(1.0), document
            ).equity[0]
            gain = quantity * (LINEAR_MARK / 69_000.0 - 1.0)
            assert found - before == pytest.approx(gain, rel=1e-9)


def test_SYMG_012_entries_are_averaged_closed_and_turned() -> None:
    batch = one(quantity=2.0, cash=1_000.0, entry_price=60_000.0)
    grown = after(batch, "paradex-pm", 2.0, 66_000.0)
    assert held(grown)["BTC-PERPETUAL"].entry_price == 63_000.0
    assert account_of(grown, 0).balances == {"USDC": 1_000.0}
    shrunk = after(batch, "paradex-pm", -0.5, 66_000.0)
    assert held(shrunk)["BTC-PERPETUAL"].entry_price == 60_000.0
    assert held(shrunk)["BTC-PERPETUAL"].quantity == 1.5
    assert account_of(shrunk, 0).balances == {"USDC": 1_000.0 + 0.5 * 6_000.0}
    turned = after(batch, "paradex-pm", -3.0, 66_000.0)
    assert held(turned)["BTC-PERPETUAL"].entry_price == 66_000.0
    assert held(turned)["BTC-PERPETUAL"].quantity == -1.0
    assert account_of(turned, 0).balances == {"USDC": 1_000.0 + 2.0 * 6_000.0}
    with_profit = after(one(unrealised_pnl=5.0), "paradex-pm", 1.0, LINEAR_MARK - 10.0)
    assert held(with_profit)["BTC-PERPETUAL"].unrealised_pnl == pytest.approx(15.0, abs=1e-9)


def test_SYMG_012_inverse_contracts_count_in_coins() -> None:
    batch = one(quantity=60_000.0, cash=2.0, asset="BTC", entry_price=60_000.0, leverage=10.0)
    texts = {"contract": np.array(["inverse"], dtype=object)}
    batch = Batch(**{**batch.__dict__, "texts": texts})
    grown = after(batch, "bybit", 30_000.0, 50_000.0)
    # 1 coin at 60,000 and 0.6 at 50,000: 90,000 dollars for 1.6 coins.
    assert held(grown)["BTC-PERPETUAL"].entry_price == pytest.approx(56_250.0)
    shrunk = after(batch, "bybit", -30_000.0, 50_000.0)
    # Half was worth 0.5 coins and is bought back for 0.6.
    cash = account_of(shrunk, 0).balances
    assert cash == {"BTC": 2.0} | ({"USDT": cash["USDT"]} if "USDT" in cash else {})


def test_SYMG_013_premiums_are_paid_from_cash() -> None:
    name = "BTC-26JUN26-70000-C"
    batch = one(cash=9_000.0)
    trades = trades_on(batch, [name], [2.0], price=3_000.0)
    done = traded(batch, trades, market(1.0), documents().get("paradex-pm"))
    assert account_of(done.batch, 0).balances == {"USDC": 3_000.0}
    assert held(done.batch)[name].quantity == 2.0
    sold = traded(
        batch, trades_on(batch, [name], [-2.0], 3_000.0), market(1.0), documents().get("paradex-pm")
    )
    assert account_of(sold.batch, 0).balances == {"USDC": 15_000.0}


def test_SYMG_013_marks_count_where_the_method_reads_them() -> None:
    name = "BTC-26JUN26-70000-C"
    batch = Batch(
        ["a"], [name], np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([1.0]), ["BTC"],
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([1.0]),
        {"mark_price": np.array([0.05])},
    )  # fmt: skip
    for method in ("deribit-pm", "deribit-sm"):
        done = traded(batch, trades_on(batch, [name], [2.0]), market(1.0), documents().get(method))
        assert account_of(done.batch, 0).balances["BTC"] == pytest.approx(1.0 - 2.0 * 0.05)
        other = "BTC-26JUN26-77000-C"
        done = traded(
            batch, trades_on(batch, [other], [2.0], 0.02), market(1.0), documents().get(method)
        )
        assert held(done.batch)[other].mark_price == 0.02
        assert margins_of(done.batch, market(1.0), documents().get(method)).errors == {}


def test_SYMG_014_a_trade_without_a_price_or_a_mark_is_an_error() -> None:
    batch = one()
    done = traded(
        batch, trades_on(batch, ["XRP-PERPETUAL", "BTC-PERPETUAL"], [1.0, 1.0]), market(1.0),
        documents().get("paradex-pm"),
    )  # fmt: skip
    assert list(done.errors) == [0]
    assert done.errors[0].code == "METH-E02"
    assert done.errors[0].where["field"] == "trades.price"
