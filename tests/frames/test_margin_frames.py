"""`sy.margin` and its sisters: the frame's own kind back, the method's own numbers, a word for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import steelyard as sy
from steelyard.margin.methods.registry import explanation_of, margin_of
from steelyard.quantities.errors import InputError, SteelyardError, TermsError
from steelyard.terms.documents import documents, load_document
from steelyard.terms.stated import Account, Case, Position
from tests.margin.methods.batch_books import market

ROOT = Path(__file__).resolve().parents[2]
HARBOUR = ROOT / "docs" / "examples" / "harbour-pm.toml"
CALL, PUT, PERPETUAL = "BTC-26JUN26-77000-C", "BTC-26JUN26-63000-P", "BTC-PERPETUAL"
BOOK: dict[str, list[Any]] = {
    "account": ["amy", "amy", "bob", "amy", "cleo"],
    "instrument": [PERPETUAL, CALL, PERPETUAL, PUT, "ETH-PERPETUAL"],
    "quantity": [0.5, -2.0, -1.0, 1.0, 10.0],
    "entry_price": [69_000.0, None, None, None, 3_900.0],
}
BALANCES = {"USDC": 50_000.0}
KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "lazy": lambda columns: pl.DataFrame(columns).lazy(),
    "arrow": pa.table,
    "dict": dict,
}
LEVELS = ("equity", "initial_requirement", "maintenance_requirement")


def columns(frame: Any) -> dict[str, list[Any]]:
    """Any table as lists, what is missing as None."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, dict):
        found = frame
    elif isinstance(frame, pa.Table):
        found = frame.to_pydict()
    elif isinstance(frame, pl.DataFrame):
        found = frame.to_dict(as_series=False)
    else:
        found = {name: frame[name].tolist() for name in frame.columns}
    return {n: [None if x != x else x for x in column] for n, column in found.items()}


def account_of(name: str, balances: dict[str, float] = BALANCES) -> Account[float]:
    """An account of the book as a statement."""
    rows = [i for i, each in enumerate(BOOK["account"]) if each == name]
    return Account(
        balances=balances,
        positions=tuple(
            Position(BOOK["instrument"][i], BOOK["quantity"][i], entry_price=BOOK["entry_price"][i])
            for i in rows
        ),
    )


def case_of(name: str, method: str, balances: dict[str, float] = BALANCES) -> Case[float]:
    return Case("one", method, market=market(), account=account_of(name, balances))


@pytest.mark.parametrize("kind", KINDS)
def test_SYMG_030_the_same_kind_comes_back_with_the_methods_numbers(kind: str) -> None:
    frame = KINDS[kind](BOOK)
    answer = sy.margin(frame, market(), "derive-srm", balances=BALANCES)
    assert type(answer) is type(frame)
    found = columns(answer)
    assert list(found) == [
        "account", "underlying", "method", "version", "hash", "currency", *LEVELS,
        "initial_ratio", "margin_ratio", "error",
    ]  # fmt: skip
    assert found["account"] == ["amy", "bob", "cleo"]
    document = documents().get("derive-srm")
    assert found["hash"] == [document.digest()] * 3
    assert found["error"] == found["underlying"] == [None] * 3
    for i, name in enumerate(found["account"]):
        expected = margin_of(case_of(name, "derive-srm"), document)
        for level in LEVELS:
            assert found[level][i] == getattr(expected, level)
        assert found["margin_ratio"][i] == found["equity"][i] / found["maintenance_requirement"][i]
        assert found["initial_ratio"][i] == found["equity"][i] / found["initial_requirement"][i]


def test_SYMG_030_accounts_are_of_any_name_and_type() -> None:
    book = {
        "account": [7, 3, 7],
        "instrument": [PERPETUAL, PERPETUAL, CALL],
        "quantity": [1, 2, -1],
    }
    for make in (pd.DataFrame, pl.DataFrame, pa.table):
        assert columns(sy.margin(make(book), market(), "paradex-pm"))["account"] == [7, 3]
    frame = pd.DataFrame(BOOK).astype({"account": "category", "instrument": "category"})
    plain = columns(sy.margin(pd.DataFrame(BOOK), market(), "paradex-pm"))
    assert columns(sy.margin(frame, market(), "paradex-pm")) == plain
    nobody = sy.margin({"instrument": [PERPETUAL], "quantity": [1.0]}, market(), "paradex-pm")
    assert nobody["account"] == ["account"]
    empty = sy.margin({"instrument": [], "quantity": []}, market(), "paradex-pm", balances=BALANCES)
    assert empty["equity"] == [50_000.0]


def test_SYMG_031_balances_for_all_for_each_or_as_a_frame() -> None:
    each = {"amy": {"USDC": 1.0}, "bob": {"USDC": 2.0}, "dora": {"USDC": 3.0}}
    rows = pd.DataFrame(
        {"account": ["amy", "bob", "dora"], "asset": ["USDC"] * 3, "amount": [1.0, 2.0, 3.0]}
    )
    first = columns(sy.margin(BOOK, market(), "derive-srm", balances=each))
    assert first["account"] == ["amy", "bob", "cleo", "dora"]
    assert first["equity"][3] == 3.0
    assert columns(sy.margin(BOOK, market(), "derive-srm", balances=rows)) == first
    none = columns(sy.margin(BOOK, market(), "derive-srm"))
    assert [first["equity"][i] - none["equity"][i] for i in range(3)] == pytest.approx(
        [1.0, 2.0, 0.0]
    )
    for_all = {"asset": ["USDC", "ETH"], "amount": [5.0, 1.0]}
    account = msgspec.structs.replace(account_of("amy"), balances={"USDC": 5.0, "ETH": 1.0})
    case = Case("one", "derive-srm", market=market(), account=account)
    found = columns(sy.margin(BOOK, market(), "derive-srm", balances=for_all))
    assert found["equity"][0] == margin_of(case, documents().get("derive-srm")).equity
    assert columns(sy.margin(BOOK, market(), "paradex-pm", balances={"cash": 7.0})) == columns(
        sy.margin(BOOK, market(), "paradex-pm", balances={"USDC": 7.0})
    )


def test_SYMG_031_accounts_state_modes_and_amounts() -> None:
    facts = {"account": ["amy"], "mode": ["cross"], "spot_margin": [0.5]}
    book = {"account": ["amy"], "instrument": [PERPETUAL], "quantity": [1.0]}
    plain = columns(sy.margin(book, market(), "deribit-pm"))
    more = columns(sy.margin(book, market(), "deribit-pm", accounts=facts))
    assert more["initial_requirement"][0] == pytest.approx(plain["initial_requirement"][0] + 0.5)
    with pytest.raises(InputError, match=r"FRAM-E02.*mode is 'crossed'"):
        sy.margin(book, market(), "deribit-pm", accounts={"account": ["amy"], "mode": ["crossed"]})
    with pytest.raises(InputError, match="FRAM-E04"):
        sy.margin(
            book, market(), "deribit-pm", accounts={"account": ["amy"] * 2, "mode": ["cross"] * 2}
        )


def test_SYMG_032_the_market_in_every_form(tmp_path: Path) -> None:
    tree = msgspec.to_builtins(market())
    text = json.dumps(tree)
    file = tmp_path / "market.json"
    file.write_text(text, encoding="utf-8")
    whole = {"case": "one", "method": "derive-srm", "market": tree}
    forms = [tree, text, file, str(file), whole, case_of("amy", "derive-srm")]
    expected = columns(sy.margin(BOOK, market(), "derive-srm", balances=BALANCES))
    for form in forms:
        assert columns(sy.margin(BOOK, form, "derive-srm", balances=BALANCES)) == expected
    numbers = {"as_of": pd.Timestamp("2026-06-01T08:00:00Z"), "underlyings": {"BTC": {
        "index_price": np.float64(70_000), "expiries": [{
            "expiry": pd.Timestamp("2026-06-26T08:00:00Z"), "forward_price": "70100.5",
            "implied_volatility": {77000: 0.5}}]}}}  # fmt: skip
    held = {"instrument": [CALL], "quantity": [-1.0]}
    assert sy.margin(held, numbers, "paradex-pm")["error"] == [None]
    for bad in (
        '{"underlyings": 7}',
        "[1]",
        "nowhere.json",
        7,
        {"underlyings": {"BTC": {"index_price": "x"}}},
    ):
        with pytest.raises(InputError, match="FRAM-E05"):
            sy.margin(held, bad, "paradex-pm")


def test_SYMG_032_decimals_are_exact_for_exact_methods() -> None:
    tree = {"underlyings": {"BTC": {"index_price": "70000.000000000000000001"}}}
    held = {"instrument": [PERPETUAL], "quantity": [Decimal("1")]}
    found = sy.margin(held, tree, "dydx-v4", balances={"USDC": Decimal("-69999.5")})
    assert found["equity"] == [0.5]
    texts = {"instrument": [PERPETUAL], "quantity": ["1"]}
    assert sy.margin(texts, tree, "dydx-v4", balances={"USDC": "-69999.5"}) == found


def test_SYMG_033_methods_by_name_path_document_version_and_instant() -> None:
    by_path = sy.margin(BOOK, market(), str(HARBOUR), balances=BALANCES)
    document = load_document(HARBOUR)
    assert sy.margin(BOOK, market(), document, balances=BALANCES) == by_path
    in_folder = sy.margin(
        BOOK,
        market(),
        "harbour-pm",
        version="2026.1",
        methods_folder=HARBOUR.parent,
        balances=BALANCES,
    )
    assert in_folder == by_path
    assert by_path["method"] == ["harbour-pm"] * 3
    found = sy.margin(BOOK, market(), "paradex-pm", version="2026.1", at="2026-03-01T00:00:00Z")
    assert found["version"] == ["2026.1"] * 3
    with pytest.raises(TermsError, match="TERM-E16"):
        sy.margin(BOOK, market(), "paradex-pm", at="2019-01-01T00:00:00Z")
    with pytest.raises(TermsError, match="TERM-E16"):
        sy.margin(BOOK, market(), "paradex")
    with pytest.raises(TermsError, match="TERM-E14"):
        sy.margin(BOOK, market(), "paradex-pm", parameters={"fee": 1})


def test_SYMG_034_columns_that_are_missing_or_slip_are_named() -> None:
    book = {"instrument": [PERPETUAL], "quantity": [1.0]}
    with pytest.raises(InputError, match=r"FRAM-E01.*is it 'quantitiy'"):
        sy.margin({"instrument": [PERPETUAL], "quantitiy": [1.0]}, market(), "paradex-pm")
    with pytest.raises(
        InputError, match=r"FRAM-E01.*entry_pirce is not known; is it 'entry_price'"
    ):
        sy.margin(book | {"entry_pirce": [1.0]}, market(), "paradex-pm")
    with pytest.raises(InputError, match=r"FRAM-E02.*not a frame"):
        sy.margin([1, 2], market(), "paradex-pm")
    with pytest.raises(InputError, match=r"FRAM-E02.*row=1, column=account"):
        sy.margin({"account": ["a", None], "instrument": [PERPETUAL] * 2, "quantity": [1, 2]},
                  market(), "paradex-pm")  # fmt: skip
    with pytest.raises(InputError, match=r"FRAM-E01.*whose they are"):
        sy.margin(book, market(), "paradex-pm", balances={"a": {"USDC": 1}, "b": {"USDC": 1}})
    with pytest.raises(InputError, match="FRAM-E04"):
        sy.margin({"instrument": [PERPETUAL], "quantity": [1.0, 2.0]}, market(), "paradex-pm")
    with pytest.raises(InputError, match=r"FRAM-E02.*contract is 'perp'"):
        sy.margin(book | {"contract": ["perp"]}, market(), "bybit")


def test_SYMG_034_a_wrong_account_says_why_and_costs_nobody_else() -> None:
    good = columns(sy.margin(BOOK, market(), "derive-srm", balances=BALANCES))
    wrong = {
        "account": ["x", "x", "y", "z", "w"],
        "instrument": [PERPETUAL, PERPETUAL, "BTC-26JUN26-71234-C", "nonsense", PERPETUAL],
        "quantity": [1.0, 1.0, 1.0, 1.0, None],
        "entry_price": [None] * 5,
    }
    book = {name: [*BOOK[name], *wrong[name]] for name in BOOK}
    for make in KINDS.values():
        found = columns(sy.margin(make(book), market(), "derive-srm", balances=BALANCES))
        assert {name: column[:3] for name, column in found.items()} == good
        codes = [None if text is None else text[:8] for text in found["error"]]
        assert codes == [None, None, None, "METH-E03", "METH-E01", "STAT-E02", "METH-E05"]
        assert found["equity"][3:] == [None] * 4
        assert "Cure:" in found["error"][4]
        assert "account=y" in found["error"][4]


def test_SYMG_035_compare_has_every_method_and_says_what_is_not_covered() -> None:
    found = columns(
        sy.compare(pd.DataFrame(BOOK), market(), balances={"cash": 50_000.0, "BTC": 2.0})
    )
    names = [n for n in documents().names() if n not in ("bitmex-adl", "derive-auction")]
    assert list(dict.fromkeys(found["method"])) == names
    rows = list(zip(found["account"], found["method"], found["error"], strict=True))
    errors = {(a, m): e for a, m, e in rows}
    assert "does not cover" in errors["amy", "okx-pm"]
    assert "does not cover BTC-PERPETUAL" in errors["bob", "tims"]
    for method in ("derive-pmrm", "derive-srm"):
        alone = columns(
            sy.margin(pd.DataFrame(BOOK), market(), method, balances={"cash": 50_000.0, "BTC": 2.0})
        )
        at = [i for i, each in enumerate(found["method"]) if each == method]
        assert {name: [column[i] for i in at] for name, column in found.items()} == alone
    some = sy.compare(
        BOOK, market(), ["paradex-pm", "nowhere", "paradex-pm"], balances=BALANCES,
        parameters={"paradex-pm": {"fee_provision": 7.0}},
    )  # fmt: skip
    assert "TERM-E16" in some["error"][3]
    own = sy.margin(
        BOOK, market(), "paradex-pm", balances=BALANCES, parameters={"fee_provision": 7.0}
    )
    assert some["initial_requirement"][:3] == own["initial_requirement"]
    assert sy.compare(BOOK, market(), "derive-srm") == sy.compare(BOOK, market(), ["derive-srm"])
    ledgers = [i for i, m in enumerate(found["method"]) if m == "deribit-pm"]
    assert [found["underlying"][i] for i in ledgers] == ["BTC", "BTC", "BTC", "ETH"]


@pytest.mark.parametrize("kind", KINDS)
def test_SYMG_040_what_if_tries_each_trade_on_its_account(kind: str) -> None:
    trades = {"account": ["bob", "amy", "amy"], "instrument": [PERPETUAL, PERPETUAL, CALL],
              "quantity": [1.0, -0.5, 2.0]}  # fmt: skip
    frame = KINDS[kind](trades)
    answer = sy.what_if(KINDS[kind](BOOK), market(), frame, "derive-srm", balances=BALANCES)
    assert type(answer) is type(frame)
    found = columns(answer)
    assert {name: found[name] for name in trades} == trades
    before = columns(sy.margin(BOOK, market(), "derive-srm", balances=BALANCES))
    assert found["initial_requirement_before"] == [
        before["initial_requirement"][i] for i in (1, 0, 0)
    ]
    assert found["initial_requirement_after"][0] == 0.0  # bob is out
    assert found["equity_after"] == pytest.approx(found["equity_before"], rel=1e-12)
    amy = account_of("amy")
    positions = (msgspec.structs.replace(amy.positions[0], quantity=0.0), *amy.positions[1:])
    case = Case("one", "derive-srm", market=market(),
                account=msgspec.structs.replace(amy, positions=positions))  # fmt: skip
    expected = margin_of(case, documents().get("derive-srm"))
    assert found["initial_requirement_after"][1] == expected.initial_requirement
    for k in range(3):
        change = found["initial_requirement_after"][k] - found["initial_requirement_before"][k]
        assert found["initial_requirement_change"][k] == change
        enough = found["equity_after"][k] >= found["initial_requirement_after"][k]
        assert found["is_affordable"][k] == enough
    assert found["error"] == [None] * 3


def test_SYMG_040_trades_that_cannot_be_done_say_so() -> None:
    trades = {"account": ["bob", "bob", "bob"], "instrument": ["BTC-26JUN26-71234-C", "nonsense", PERPETUAL],
              "quantity": [1.0, 1.0, 1.0]}  # fmt: skip
    found = sy.what_if(BOOK, market(), trades, "derive-srm", balances=BALANCES)
    assert [None if e is None else e[:8] for e in found["error"]] == ["METH-E02", "STAT-E02", None]
    assert found["equity_after"][0] is None
    assert found["is_affordable"] == [False, False, True]
    assert "account=bob" in found["error"][1]
    with pytest.raises(InputError, match="FRAM-E01"):
        sy.what_if(BOOK, market(), {"instrument": [PERPETUAL], "quantity": [1]}, "derive-srm")
    with pytest.raises(InputError, match="FRAM-E02"):
        sy.what_if(BOOK, market(), {"account": ["eve"], "instrument": [PERPETUAL], "quantity": [1]},
                   "derive-srm")  # fmt: skip


def test_SYMG_040_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trades = {"account": ["bob", "amy", "cleo"] * 4, "instrument": [PERPETUAL, "nonsense", CALL] * 4,
              "quantity": [0.1 * k for k in range(12)]}  # fmt: skip
    whole = sy.what_if(BOOK, market(), trades, "derive-srm", balances=BALANCES)
    monkeypatch.setattr("steelyard.frames.trying.LEGS_AT_ONCE", 13)
    assert sy.what_if(BOOK, market(), trades, "derive-srm", balances=BALANCES) == whole
    assert [error is None for error in whole["error"]] == [True, False, True] * 4


def test_SYMG_041_ledgers_are_tried_on_their_own() -> None:
    book = {
        "account": ["a", "a"],
        "instrument": [PERPETUAL, "ETH-PERPETUAL"],
        "quantity": [1.0, 20.0],
    }
    trades = {"account": ["a"] * 3, "instrument": ["ETH-PERPETUAL", PERPETUAL, "BTC-3JUN26-70000-C"],
              "quantity": [5.0, -1.0, 1.0]}  # fmt: skip
    coins = {"BTC": 3.0, "ETH": 30.0}
    found = sy.what_if(book, market(), trades, "deribit-pm", balances=coins)
    before = sy.margin(book, market(), "deribit-pm", balances=coins)
    assert before["underlying"] == ["BTC", "ETH"]
    assert found["equity_before"] == [30.0, 3.0, 3.0]
    assert found["initial_requirement_before"] == [
        before["initial_requirement"][i] for i in (1, 0, 0)
    ]
    assert found["initial_requirement_after"][1] == 0.0


@pytest.mark.parametrize("method", ["paradex-pm", "derive-srm", "deribit-pm"])
def test_SYMG_042_one_step_more_is_not_affordable(method: str) -> None:
    coins = {"BTC": 1.0} if method == "deribit-pm" else BALANCES
    book = {name: [column[i] for i in (0, 1, 3)] for name, column in BOOK.items()}
    names = [PERPETUAL, PUT, "BTC-25SEP26-98000-C"]
    found = sy.affordable(book, market(), names, method, step=0.1, balances=coins)
    assert found["instrument"] == [name for name in names for _ in range(2)]
    assert found["side"] == ["buy", "sell"] * 3
    trades: dict[str, list[Any]] = {"account": [], "instrument": [], "quantity": []}
    bounded = [k for k in range(6) if not found["is_unbounded"][k]]
    assert len(bounded) >= 4
    for k in bounded:
        sign = 1.0 if found["side"][k] == "buy" else -1.0
        for more in (0.0, 0.1):
            trades["account"].append("amy")
            trades["instrument"].append(found["instrument"][k])
            trades["quantity"].append(sign * round(found["quantity"][k] + more, 6))
    tried = sy.what_if(book, market(), trades, method, balances=coins)
    assert tried["is_affordable"] == [True, False] * len(bounded)


def test_SYMG_042_unbounded_and_nothing_are_said() -> None:
    book = {"instrument": [PERPETUAL], "quantity": [1.0]}
    nothing = sy.affordable(book, market(), PERPETUAL, "paradex-pm", balances={"USDC": 0.0})
    assert nothing["quantity"][0] == 0.0
    assert nothing["is_unbounded"] == [False, False]
    rich = sy.affordable(
        book, market(), [PERPETUAL], "paradex-pm", step=1e6, balances={"USDC": 1e15}
    )
    assert rich["is_unbounded"] == [True, True]
    assert rich["quantity"] == [float("inf")] * 2
    # A short account without equity cannot sell, but buying cures it: found beyond what is not affordable.
    short = {"instrument": [PERPETUAL], "quantity": [-10.0]}
    cured = sy.affordable(
        short, market(), [PERPETUAL], "paradex-pm", step=1.0, balances={"USDC": 20_000.0}
    )
    assert cured["quantity"] == [11.0, 0.0]
    bad = sy.affordable(book, market(), ["nonsense"], "paradex-pm")
    assert bad["quantity"] == [None, None]
    assert all("STAT-E02" in text for text in bad["error"])
    silent = sy.affordable(book, market(), [PERPETUAL], "binance-tiers", balances={"cash": 1e6})
    assert silent["quantity"] == [None, None]
    assert "states no initial requirement" in silent["error"][0]
    with pytest.raises(InputError, match=r"FRAM-E02.*step"):
        sy.affordable(book, market(), [PERPETUAL], "paradex-pm", step=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_SYMG_050_leaves_sum_to_the_requirements(kind: str) -> None:
    table = sy.explain(KINDS[kind](BOOK), market(), "derive-pmrm2", balances=BALANCES)
    if kind != "dict":
        assert type(table) is type(KINDS[kind](BOOK))
    found = columns(table)
    for name in ("amy", "bob", "cleo"):
        told = explanation_of(case_of(name, "derive-pmrm2"), documents().get("derive-pmrm2"))
        assert told is not None
        at = [i for i, each in enumerate(found["account"]) if each == name]
        assert sum(found["initial"][i] for i in at) == told.initial
        assert sum(found["maintenance"][i] for i in at) == told.maintenance
        leaves = [(part.name, leaf.name) for part in told.parts for leaf in part.leaves]
        assert [(found["part"][i], found["leaf"][i]) for i in at] == leaves
    assert isinstance(found["initial"][0], Decimal)


def test_SYMG_050_several_underlyings_are_told_one_by_one() -> None:
    book = {"instrument": [PERPETUAL, "ETH-PERPETUAL"], "quantity": [1.0, 10.0]}
    found = sy.explain(book, market(), "derive-pmrm2", balances=BALANCES)
    whole = sy.margin(book, market(), "derive-pmrm2", balances=BALANCES)
    assert list(dict.fromkeys(found["ledger"])) == ["BTC", "ETH"]
    assert float(sum(found["initial"])) == pytest.approx(whole["initial_requirement"][0], abs=1e-8)


def test_SYMG_051_scenarios_and_one_more_and_errors() -> None:
    scenarios = sy.explain(BOOK, market(), "paradex-pm", what="scenarios", balances=BALANCES)
    assert scenarios["is_binding"][0]
    assert scenarios["account"].count("bob") == 4
    more = sy.explain(BOOK, market(), "paradex-pm", what="one_more", balances=BALANCES)
    assert more["instrument"][0] == PERPETUAL
    own = sy.explain(BOOK, market(), "dydx-v4")
    assert "METH-E04" in own["error"][0]
    assert own["part"][1] == "position"
    with pytest.raises(InputError, match="FRAM-E02"):
        sy.explain(BOOK, market(), "paradex-pm", what="tree")
    rank = sy.explain(BOOK, market(), "bitmex-adl")
    assert all(rank["error"])


@pytest.mark.parametrize("kind", KINDS)
def test_SYMG_060_stress_moves_the_market_for_everybody(kind: str) -> None:
    moves = {"name": ["crash", "crash", "calm"], "underlying": ["BTC", "ETH", None],
             "price_move": [-0.1, -0.2, 0.0], "volatility_move": [1.5, 1.5, 0.5], "days": [1.0, 1.0, 0.0]}  # fmt: skip
    table = sy.stress(
        KINDS[kind](BOOK), market(), KINDS[kind](moves), "derive-srm", balances=BALANCES
    )
    assert type(table) is type(KINDS[kind](BOOK))
    found = columns(table)
    assert found["scenario"] == ["crash"] * 3 + ["calm"] * 3
    assert found["account"] == ["amy", "bob", "cleo"] * 2
    before = columns(sy.margin(BOOK, market(), "derive-srm", balances=BALANCES))["equity"]
    assert found["profit"] == [e - before[i % 3] for i, e in enumerate(found["equity"])]
    mark = 70_000.0 * 1.0003
    assert found["profit"][1] == pytest.approx(0.1 * mark)
    assert found["profit"][2] == pytest.approx(-0.2 * 4_000.0 * 1.0003 * 10.0)
    assert found["profit"][4] == 0.0


def test_SYMG_060_scenarios_that_contradict_are_refused() -> None:
    base = {"name": ["a", "a"], "underlying": ["BTC", "BTC"], "price_move": [0.1, 0.2]}
    with pytest.raises(InputError, match=r"FRAM-E04.*moves BTC twice"):
        sy.stress(BOOK, market(), base, "paradex-pm")
    two = {"name": ["a", "a"], "underlying": ["BTC", "ETH"], "volatility_move": [1.0, 2.0]}
    with pytest.raises(InputError, match=r"FRAM-E04.*two volatility moves"):
        sy.stress(BOOK, market(), two, "paradex-pm")
    with pytest.raises(SteelyardError, match="METH-E01"):
        sy.stress(BOOK, market(), {"underlying": ["XRP"], "price_move": [0.1]}, "paradex-pm")
    with pytest.raises(InputError, match="FRAM-E02"):
        sy.stress(BOOK, market(), {"price_move": [np.inf]}, "paradex-pm")


def test_SYMG_061_look_ahead_and_settlement_at_the_next_expiry() -> None:
    book = {"account": ["a", "a", "b"], "instrument": ["BTC-3JUN26-63000-C", CALL, PERPETUAL],
            "quantity": [1.0, -1.0, 1.0]}  # fmt: skip
    found = sy.look_ahead(
        book, market(), "paradex-pm", ("1h", timedelta(days=1), "expiry"), balances=BALANCES
    )
    assert found["horizon"] == ["1h", "1h", "1 day, 0:00:00", "1 day, 0:00:00", "expiry", "expiry"]
    assert found["profit"][1] == found["profit"][3] == 0.0
    assert found["error"][4] is None
    assert "FRAM-E02" in found["error"][5]
    call = {"account": ["a"], "instrument": [CALL], "quantity": [-1.0]}
    # At the expiry of the first call it is paid: 70,000 − 63,000; the second has two days less.
    after = sy.look_ahead(call, market(), "paradex-pm", "2d", balances={"USDC": 57_000.0})
    assert found["equity"][4] == pytest.approx(after["equity"][0], rel=1e-12)
    assert found["initial_requirement"][4] == after["initial_requirement"][0]
    with pytest.raises(InputError, match=r"FRAM-E02.*horizon"):
        sy.look_ahead(book, market(), "paradex-pm", ["soon"])


def test_SYMG_062_ledgers_move_on_their_own() -> None:
    book = {
        "account": ["a", "a"],
        "instrument": [PERPETUAL, "ETH-PERPETUAL"],
        "quantity": [1.0, 20.0],
    }
    coins = {"BTC": 3.0, "ETH": 30.0}
    found = sy.stress(book, market(), {"name": ["down"], "underlying": ["ETH"], "price_move": [-0.1]},
                      "deribit-pm", balances=coins)  # fmt: skip
    assert found["underlying"] == ["BTC", "ETH"]
    assert found["profit"][0] == 0.0
    assert found["profit"][1] == pytest.approx(20.0 * (1.0 - 1.0 / 0.9))


def test_SYMG_070_the_room_of_the_same_name_stays_a_room() -> None:
    import steelyard.margin.methods as methods

    assert sy.margin.methods is methods
    assert callable(sy.margin)
    held = {"instrument": [PERPETUAL], "quantity": [1.0]}
    assert sy.margin(held, market(), "paradex-pm")["error"] == [None]
