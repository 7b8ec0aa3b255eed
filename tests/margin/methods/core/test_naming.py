"""The strategies of stated books: names, marks, settlement, and what cannot be named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steelyard.margin.methods.core.naming import strategies_of
from steelyard.margin.methods.explanation import Explanation
from steelyard.margin.methods.registry import explanation_of
from steelyard.margin.strategies import Recognition
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Expiry, Market, Position, Underlying
from tests.support.method_cases import CASES

NEAR, FAR = "26JUN26", "25SEP26"


def market(volatility: float = 0.5, **named: str) -> Market[float]:
    smile = {str(k): volatility for k in range(40_000, 100_000, 5_000)}
    expiries = tuple(
        Expiry(at, forward_price=70_000.0, implied_volatility=smile)
        for at in ("2026-06-26T08:00:00Z", "2026-09-25T08:00:00Z")
    )
    btc = Underlying(70_000.0, expiries=expiries)
    return Market("2026-06-01T08:00:00Z", underlyings={"BTC": btc}, **named)  # type: ignore[arg-type]


def book(method: str, held: dict[str, float], marks: dict[str, float] | None = None) -> Case[float]:
    positions = tuple(
        Position(f"BTC-{name}", q, mark_price=(marks or {}).get(name)) for name, q in held.items()
    )
    return Case("book", method, market=market(), account=Account(positions=positions))


def named(stated: Case[float]) -> Recognition:
    document = documents().get(stated.method).with_parameters(stated.parameters)
    found, why = strategies_of(stated, document)
    assert found is not None, why
    return found


def explained(stated: Case[Any], **asked: bool) -> Explanation:
    found = explanation_of(stated, documents().get(stated.method), **asked)
    assert found is not None
    return found


def of_file(method: str, name: str) -> Case[float]:
    decoder = msgspec.json.Decoder(Case[float])
    lines = (CASES / f"{method}.jsonl").read_bytes().splitlines()
    return next(case for case in map(decoder.decode, lines) if case.case == name)


def test_WFAL_010_legs_are_named_with_their_proven_maximum_loss() -> None:
    condor = {f"{NEAR}-60000-P": 1.0, f"{NEAR}-65000-P": -1.0,
              f"{NEAR}-75000-C": -1.0, f"{NEAR}-80000-C": 1.0}  # fmt: skip
    found = named(book("paradex-pm", condor))
    [strategy] = found.strategies
    assert (strategy.name, strategy.side, strategy.width) == ("iron condor", "short", 5_000.0)
    assert strategy.maximum_loss == pytest.approx(5_000.0 + strategy.cost)
    assert found.maximum_loss == strategy.maximum_loss
    assert found.rest == ()
    assert strategy.is_defined_risk


def test_WFAL_011_calendars_and_coin_settled_put_spreads_are_not_defined_risk() -> None:
    calendar = {f"{NEAR}-70000-P": -1.0, f"{FAR}-70000-P": 1.0}
    [strategy] = named(book("paradex-pm", calendar)).strategies
    assert (strategy.name, strategy.is_defined_risk) == ("put calendar", False)
    assert strategy.maximum_loss is None
    spread = {f"{NEAR}-70000-P": -1.0, f"{NEAR}-65000-P": 1.0}
    [in_dollars] = named(book("paradex-pm", spread)).strategies
    [in_coins] = named(book("deribit-pm", spread)).strategies
    assert in_dollars.name == in_coins.name == "bull put spread"
    assert in_dollars.is_defined_risk
    assert not in_coins.is_defined_risk
    assert in_coins.currency == "BTC"
    assert "5,000/S BTC" in in_coins.reason
    calls = {f"{NEAR}-70000-C": -1.0, f"{NEAR}-75000-C": 1.0}
    [bounded] = named(book("deribit-pm", calls)).strategies
    assert bounded.is_defined_risk
    assert bounded.maximum_loss == pytest.approx(1 / 15 + bounded.cost)


def test_WFAL_012_a_stated_mark_counts_before_the_models() -> None:
    spread = {f"{NEAR}-70000-C": 1.0, f"{NEAR}-75000-C": -1.0}
    model = named(book("paradex-pm", spread))
    stated = named(
        book("paradex-pm", spread, {f"{NEAR}-70000-C": 2_900.0, f"{NEAR}-75000-C": 1_700.0})
    )
    assert stated.maximum_loss == 1_200.0
    assert model.maximum_loss != stated.maximum_loss


def test_WFAL_012_contracts_count_in_units_of_the_underlying() -> None:
    found = named(of_file("tims", "tims-02"))
    [collar] = found.strategies
    assert (collar.name, collar.quantity) == ("collar", 1_000.0)
    assert sorted(leg.quantity for leg in collar.legs) == [-1_000.0, 1_000.0, 1_000.0]


def test_WFAL_013_what_cannot_be_named_says_why_and_stops_nothing() -> None:
    unpriced = of_file("deribit-sm", "deribit-sm-07")
    [position] = unpriced.account.positions
    bare = msgspec.structs.replace(position, instrument="BTC-26JUN26-90000-C", quantity=1.0, mark_price=None)  # fmt: skip
    account = msgspec.structs.replace(unpriced.account, positions=(position, bare))
    stated = msgspec.structs.replace(unpriced, account=account)
    found = explained(stated, names_strategies=True)
    assert found.strategies is None
    assert found.strategies_missing.startswith("BTC-26JUN26-90000-C has no mark")
    assert found.initial == explained(unpriced).initial


def test_WFAL_013_quantities_of_seventeen_digits_are_named_too() -> None:
    stated = of_file("derive-pmrm2", "derive-pmrm2-063")
    found = named(stated)
    held = {position.instrument: position.quantity for position in stated.account.positions}
    used: dict[str, float] = {}
    for leg in [*(leg for each in found.strategies for leg in each.legs), *found.rest]:
        used[leg.instrument] = used.get(leg.instrument, 0.0) + leg.quantity
    options = {name: q for name, q in held.items() if name.count("-") == 3}
    assert len(options) > 30
    for name, quantity in options.items():
        assert used[name] == pytest.approx(quantity, abs=1e-11)


def test_WFAL_014_strategies_are_named_only_where_asked_for() -> None:
    stated = book("paradex-pm", {f"{NEAR}-70000-C": 1.0})
    plain, full = explained(stated), explained(stated, names_strategies=True)
    assert plain.strategies is None
    assert full.strategies is not None
    assert msgspec.structs.replace(full, strategies=None) == plain
    perpetual = of_file("derive-pmrm", "derive-pmrm-16")
    assert explained(perpetual, names_strategies=True).strategies is None  # no option, no strategy
    exact = documents().get("dydx-v4")
    assert exact.rules["core"] != "scenario"
