"""Batches: every account gets the numbers it would get alone, in any company and in any order."""

from __future__ import annotations

import dataclasses
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from steelyard.margin.methods.batch import Batch, account_of, failing, margins_of
from steelyard.margin.methods.batch.columns import batch_of, selected
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.registry import core_of, margin_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Position
from tests.margin.methods.batch_books import BAD, PARAMETERS, market, random_batch

SCENARIO = [name for name in documents().names() if documents().get(name).core == "scenario"]
OWN = ["dydx-v4", "drift-v2", "vega", "binance-tiers", "hyperliquid-tiers", "bybit"]
ROOT = Path(__file__).resolve().parents[3]
LEVELS = ("equity", "initial_requirement", "maintenance_requirement")


def bits(value: Any) -> bytes:
    """The bits of a number, all NaN alike; no number is NaN."""
    number = float("nan") if value is None else float(value)
    return b"nan" if number != number else struct.pack(">d", number)


def is_split(batch: Batch, place: int, method: str) -> bool:
    """Whether a method of one underlying holds an account in several units because of its coins."""
    rules = documents().get(method).rules
    if rules.get("underlyings") != "one" or rules.get("collateral") == "any":
        return False
    if batch.twice[place]:
        return False
    names = {p.instrument for p in account_of(batch, place).positions}
    coins = set(account_of(batch, place).balances) - {str(rules["settlement"])}
    if "nonsense" in names:
        return False
    own = {name.split("-")[0] for name in names} or {"BTC"}
    listed = coins if rules["settlement"] == "underlying" else coins & {"BTC", "ETH"}
    return rules.get("collateral", "none") != "none" and bool(listed - own)


def told(error: SteelyardError) -> dict[str, Any]:
    """An error without what locates it in the batch."""
    found = error.as_dict()
    where: Any = found["where"]
    return found | {"where": {k: v for k, v in where.items() if k not in ("account", "underlying")}}


def alone(batch: Batch, place: int, method: str) -> tuple[bytes, ...] | dict[str, Any]:
    """What margin_of says of one account."""
    document = documents().get(method)
    core = core_of(document)
    try:
        account = account_of(batch, place, core.number)
        case = Case(
            "one", method, parameters=PARAMETERS.get(method, {}),
            market=market_in(market(), core.number), account=account,
        )  # fmt: skip
        answer = margin_of(case, document)
    except SteelyardError as error:
        return told(error)
    return tuple(bits(getattr(answer, name)) for name in LEVELS)


def rows(batch: Batch, method: str) -> list[tuple[bytes, ...] | dict[str, Any]]:
    """What the batch says, row by row."""
    found = margins_of(batch, market(), documents().get(method), PARAMETERS.get(method))
    assert found.account.tolist() == list(range(len(batch)))
    return [
        told(found.errors[i])
        if i in found.errors
        else tuple(bits(getattr(found, name)[i]) for name in LEVELS)
        for i in range(len(batch))
    ]


WRONG = [
    (method, wrong)
    for method in SCENARIO + OWN
    for wrong in (0.0, 0.15)
    # With other coins an account is several ledgers: SYMG-004.
    if not (wrong and documents().get(method).rules.get("settlement") == "underlying")
]


@pytest.mark.parametrize(("method", "wrong"), WRONG)
def test_SYMG_001_an_account_in_a_batch_has_the_bits_it_has_alone(
    method: str, wrong: float
) -> None:
    is_one = documents().get(method).rules.get("underlyings") == "one"
    for seed in range(3):
        under = (("BTC",), ("ETH",))[seed % 2 if not wrong else 0] if is_one else ("BTC", "ETH")
        batch = random_batch(method, seed, 25, under, wrong, same=is_one)
        found = rows(batch, method)
        assert sum(isinstance(row, tuple) for row in found) > (20 if wrong == 0.0 else 5)
        for place, row in enumerate(found):
            if not is_split(batch, place, method):
                assert row == alone(batch, place, method), (method, seed, place)


def open_cases() -> list[Case[Any]]:
    """The open cases of methods that are asked for an account's requirements, without orders."""
    found = []
    for method in (*SCENARIO, *OWN):
        file = ROOT / "tests" / "cases" / f"{method}.jsonl"
        for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
            case = msgspec.json.decode(line, type=Case[core_of(documents().get(method)).number])
            if case.method == method and not case.account.orders:
                found.append(case)
    return found


def test_SYMG_001_open_cases_are_margined_as_batches() -> None:
    margined_ = 0
    for case in open_cases():
        document = documents().get(case.method)
        under = {p.instrument.split("-")[0] for p in case.account.positions}
        if len(under) > 1 and document.rules.get("underlyings") == "one":
            continue
        try:
            answer = margin_of(case, document)
        except SteelyardError:
            continue
        batch = batch_of(["one"], [case.account])
        found = margins_of(batch, case.market, document, case.parameters)
        if answer.initial_requirement is None or len(found.account) != 1:
            continue
        assert found.errors == {}, case.case
        for name in LEVELS:
            assert bits(getattr(found, name)[0]) == bits(getattr(answer, name)), case.case
        margined_ += 1
    assert margined_ > 60


def restricted(account: Account[Any], names: set[str], cash: str) -> Account[Any]:
    """An account's positions in some underlyings, with the balances that go with them."""
    return msgspec.structs.replace(
        account,
        positions=tuple(p for p in account.positions if p.instrument.split("-")[0] in names),
        balances={a: x for a, x in account.balances.items() if a in names or a == cash},
    )


def margined(account: Account[float], method: str) -> tuple[float, ...]:
    """Equity and requirements that margin_of states, NaN for none."""
    case = Case("one", method, market=market(), account=account)
    answer = margin_of(case, documents().get(method))
    return tuple(
        float("nan") if x is None else float(x) for x in (getattr(answer, name) for name in LEVELS)
    )


@pytest.mark.parametrize("method", SCENARIO)
def test_SYMG_001_errors_told_together_are_those_told_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_one = documents().get(method).rules.get("underlyings") == "one"
    kinds = set()
    for seed in range(3):
        under = ("BTC",) if is_one else ("BTC", "ETH")
        batch = random_batch(method, 40 + seed, 30, under, 0.3, same=is_one)
        if method.startswith("deribit"):
            unmarked = batch.stated["mark_price"].copy()
            unmarked[::7] = np.nan
            stated = batch.stated | {"mark_price": unmarked}
            batch = dataclasses.replace(batch, stated=stated)
        alone_ = margins_of(batch, market(), documents().get(method), PARAMETERS.get(method))
        with monkeypatch.context() as together:
            together.setattr(failing, "ALONE_MAX", 0)
            found = margins_of(batch, market(), documents().get(method), PARAMETERS.get(method))
        assert {i: e.as_dict() for i, e in found.errors.items()} == {
            i: e.as_dict() for i, e in alone_.errors.items()
        }
        kinds |= {error.code for error in found.errors.values()}
    assert len(kinds) >= 3


@pytest.mark.parametrize("method", OWN)
def test_SYMG_001_own_cores_refuse_together_what_they_refuse_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "ALONE_MAX", 0)
    same = 0
    for seed in range(4):
        batch = random_batch("span", 60 + seed, 30, ("BTC",), 0.2 if seed % 2 else 0.0)
        few = np.flatnonzero(batch.account % 3 == 0)[::4]
        keep = np.sort(np.append(few, np.flatnonzero(batch.account % 3)))
        batch = dataclasses.replace(
            batch, account=batch.account[keep], instrument=batch.instrument[keep],
            quantity=batch.quantity[keep], stated={n: c[keep] for n, c in batch.stated.items()},
        )  # fmt: skip
        found = rows(batch, method)
        for place, row in enumerate(found):
            assert row == alone(batch, place, method), (method, seed, place)
        same += sum(not isinstance(row, tuple) for row in found)
    assert same > 20


@pytest.mark.parametrize("method", ["paradex-pm", "derive-pmrm", "deribit-pm", "dydx-v4"])
def test_SYMG_002_order_and_split_change_no_bit(method: str) -> None:
    under = ("BTC", "ETH")
    batch = random_batch(method, 7, 30, under, 0.1)
    document = documents().get(method)
    whole = margins_of(batch, market(), document, PARAMETERS.get(method))
    draw = np.random.default_rng(8)
    order = draw.permutation(len(batch))
    shuffled = selected(batch, order)
    legs = draw.permutation(len(shuffled.account))
    shuffled = dataclasses.replace(
        shuffled, account=shuffled.account[legs], instrument=shuffled.instrument[legs],
        quantity=shuffled.quantity[legs], stated={n: c[legs] for n, c in shuffled.stated.items()},
    )  # fmt: skip
    pieces = [margins_of(shuffled, market(), document, PARAMETERS.get(method))]
    pieces += [
        margins_of(selected(batch, part), market(), document, PARAMETERS.get(method))
        for part in np.array_split(np.arange(len(batch)), 4)
    ]
    expected = {
        (batch.accounts[int(a)], u): tuple(bits(getattr(whole, n)[i]) for n in LEVELS)
        for i, (a, u) in enumerate(zip(whole.account, whole.underlying, strict=True))
    }
    sources = [shuffled, *(selected(batch, p) for p in np.array_split(np.arange(len(batch)), 4))]
    seen = 0
    for piece, source in zip(pieces, sources, strict=True):
        for i, (a, u) in enumerate(zip(piece.account, piece.underlying, strict=True)):
            found = tuple(bits(getattr(piece, n)[i]) for n in LEVELS)
            assert found == expected[source.accounts[int(a)], u]
            seen += 1
    assert seen == 2 * len(expected)


@pytest.mark.parametrize("method", ["derive-pmrm", "derive-pmrm2", "tims"])
def test_SYMG_003_one_underlying_at_a_time_adds_up(method: str) -> None:
    batch = random_batch(method, 3, 25, ("BTC", "ETH"))
    found = margins_of(batch, market(), documents().get(method))
    cash = str(documents().get(method).rules["settlement"])
    several = 0
    for place in range(len(batch)):
        account = account_of(batch, place)
        names = sorted({p.instrument.split("-")[0] for p in account.positions})
        parts = [
            margined(restricted(account, {n}, "" if i else cash), method)
            for i, n in enumerate(names)
        ]
        several += len(parts) > 1
        if not parts:
            parts = [margined(account, method)]
        total = parts[0]
        for part in parts[1:]:
            total = tuple(x + y for x, y in zip(total, part, strict=True))
        assert tuple(bits(x) for x in total) == tuple(
            bits(getattr(found, n)[place]) for n in LEVELS
        )
    assert several > 5


def test_SYMG_003_a_coin_is_margined_with_its_own_underlying() -> None:
    coins = {"USDC": 1_000.0, "ETH": 3.0, "BTC": 0.5}
    held = Account(balances=coins, positions=(Position("BTC-PERPETUAL", -1.0),))
    batch = batch_of(["a"], [held])
    found = margins_of(batch, market(), documents().get("derive-pmrm"))
    with_btc = {name: coins[name] for name in ("USDC", "BTC")}
    first = margined(msgspec.structs.replace(held, balances=with_btc), "derive-pmrm")
    second = margined(Account(balances={"ETH": 3.0}), "derive-pmrm")
    assert [getattr(found, n)[0] for n in LEVELS] == [
        x + y for x, y in zip(first, second, strict=True)
    ]
    assert second[1] > 0.0
    # Where any coin is collateral, a coin without contracts is the first margin account's.
    parameters = {"collateral": {"ETH": {"initial_haircut": 0.1, "maintenance_haircut": 0.05},
                                 "BTC": {"initial_haircut": 0.1, "maintenance_haircut": 0.05}}}  # fmt: skip
    document = documents().get("derive-pmrm2")
    any_coin = margins_of(batch, market(), document, parameters)
    case = Case("one", "derive-pmrm2", parameters, market(), held)
    answer = margin_of(case, document)
    assert [getattr(any_coin, n)[0] for n in LEVELS] == [getattr(answer, n) for n in LEVELS]


@pytest.mark.parametrize("method", ["deribit-pm", "deribit-sm"])
def test_SYMG_004_ledgers_stand_apart(method: str) -> None:
    batch = random_batch(method, 5, 25, ("BTC", "ETH"), 0.2)
    bad = np.isin(batch.instrument, [i for i, n in enumerate(batch.instruments) if n in BAD])
    keep = ~bad & np.isfinite(batch.quantity)
    batch = dataclasses.replace(
        batch, account=batch.account[keep], instrument=batch.instrument[keep],
        quantity=batch.quantity[keep], stated={n: c[keep] for n, c in batch.stated.items()},
    )  # fmt: skip
    found = margins_of(batch, market(), documents().get(method))
    ledgers = 0
    for i, (place, name) in enumerate(zip(found.account.tolist(), found.underlying, strict=True)):
        account = account_of(batch, place)
        if name in ("SOL", "USDC"):
            assert found.errors[i].code == "METH-E04"
            assert name in str(found.errors[i])
            assert account.balances[name] != 0.0
            continue
        if name is None:
            continue
        own = restricted(account, {name}, "")
        if i in found.errors:
            assert found.errors[i].where["underlying"] == name
            assert found.errors[i].code == "METH-E03"
            continue
        assert found.currency[i] == name
        if own.positions:
            assert tuple(bits(x) for x in margined(own, method)) == tuple(
                bits(getattr(found, n)[i]) for n in LEVELS
            )
            ledgers += 1
        else:
            assert found.equity[i] == own.balances[name]
            assert found.initial_requirement[i] == 0.0
    assert ledgers > 20


def test_SYMG_005_what_stops_a_table_stops_its_holders_alone() -> None:
    document = documents().get("span")
    arrays = {"BTC-PERPETUAL": [1.0, 2.0]}
    batch = Batch(
        ["a", "b", "c"], ["BTC-PERPETUAL", "BTC-26JUN26"], np.array([0, 1, 2]),
        np.array([0, 1, 1]), np.array([1.0, 1.0, -2.0]),
    )  # fmt: skip
    found = margins_of(batch, market(), document, PARAMETERS["span"] | {"risk_arrays": arrays})
    assert list(found.errors) == [0]
    assert found.errors[0].code == "METH-E05"
    assert "risk_arrays" in str(found.errors[0])
    alone_b = margins_of(selected(batch, np.array([1, 2])), market(), document, PARAMETERS["span"])
    assert found.initial_requirement[1:].tolist() == alone_b.initial_requirement.tolist()


def test_SYMG_005_a_parameter_that_all_lack_is_said_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = random_batch("span", 4, 12)
    alone_ = margins_of(batch, market(), documents().get("span"))
    monkeypatch.setattr(failing, "ALONE_MAX", 0)
    found = margins_of(batch, market(), documents().get("span"))
    assert {i: e.as_dict() for i, e in found.errors.items()} == {
        i: e.as_dict() for i, e in alone_.errors.items()
    }
    assert {error.code for error in found.errors.values()} == {"METH-E06"}


def test_SYMG_005_two_balances_of_one_asset_are_refused() -> None:
    batch = Batch(
        ["a", "b"], ["BTC-PERPETUAL"], np.array([0, 1]), np.array([0, 0]), np.array([1.0, 1.0]),
        ["USDC"], np.array([0, 0, 1]), np.array([0, 0, 0]), np.array([1.0, 2.0, 3.0]),
    )  # fmt: skip
    for method in ("paradex-pm", "derive-pmrm", "dydx-v4", "deribit-pm"):
        found = margins_of(batch, market(), documents().get(method))
        assert found.errors[0].code == "METH-E03"
        assert found.errors[0].where["field"] == "account.balances.USDC"


def test_SYMG_005_modes_and_given_amounts_reach_the_method() -> None:
    base = random_batch("deribit-pm", 1, 3, ("ETH",))
    given = {"spot_margin": np.array([0.5, np.nan, 0.25])}
    found = margins_of(
        dataclasses.replace(base, given=given), market(), documents().get("deribit-pm")
    )
    for place in range(3):
        account = account_of(dataclasses.replace(base, given=given), place)
        assert account.spot_margin == (None if place == 1 else given["spot_margin"][place])
        assert tuple(bits(x) for x in margined(account, "deribit-pm")) == tuple(
            bits(getattr(found, n)[place]) for n in LEVELS
        )
    batch = dataclasses.replace(random_batch("paradex-pm", 1, 2), modes=["isolated", None])
    document = documents().get("paradex-pm")
    refusing = msgspec.structs.replace(document, rules=document.rules | {"refuses": ["isolated"]})
    told_ = margins_of(batch, market(), refusing)
    assert list(told_.errors) == [0]
    assert "isolated" in str(told_.errors[0])


def test_SYMG_006_decimals_stay_decimals() -> None:
    exact = np.array([Decimal("0.1234567890123456789"), Decimal("-2.5")], dtype=object)
    batch = Batch(
        ["a"], ["BTC-PERPETUAL", "ETH-PERPETUAL"], np.array([0, 0]), np.array([0, 1]),
        exact.astype(np.float64), exact={"quantity": exact},
    )  # fmt: skip
    assert [p.quantity for p in account_of(batch, 0, Decimal).positions] == exact.tolist()
    assert [p.quantity for p in account_of(batch, 0).positions] == [0.12345678901234568, -2.5]
    found = margins_of(batch, market(), documents().get("dydx-v4"))
    assert found.answers is not None
    answer = found.answers[0]
    assert answer is not None
    assert isinstance(answer.equity, Decimal)
    assert float(answer.equity) == found.equity[0]
