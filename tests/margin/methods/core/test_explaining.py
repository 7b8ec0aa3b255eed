"""Explanations of stated books: exact sums, derivatives, scenarios, one more of each."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.explanation import REST, Explanation
from steelyard.margin.methods.registry import core_of, explanation_of, margin_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.support.method_cases import CASES

SCENARIO = (
    "derive-pmrm", "derive-pmrm2", "derive-srm", "deribit-pm", "deribit-sm", "okx-pm", "paradex-pm",
    "span", "tims",
)  # fmt: skip
OWN = ("dydx-v4", "drift-v2", "vega", "binance-tiers", "bybit")
LEVELS = ("initial_requirement", "maintenance_requirement")


def cases_of(method: str) -> list[Case[Any]]:
    number = core_of(documents().get(method)).number
    decoder: Any = msgspec.json.Decoder(Case[number])
    lines = (CASES / f"{method}.jsonl").read_bytes().splitlines()
    return [decoder.decode(line) for line in lines]


def case_named(name: str, method: str) -> Case[Any]:
    return next(case for case in cases_of(method) if case.case == name)


def explained(name: str, method: str) -> Explanation:
    found = explanation_of(case_named(name, method), documents().get(method))
    assert found is not None
    return found


@pytest.mark.parametrize("method", [*SCENARIO, *OWN])
def test_EXPL_001_leaves_sum_to_the_requirements(method: str) -> None:
    document = documents().get(method)
    told = 0
    for case in cases_of(method):
        found = explanation_of(case, document)
        answer = margin_of(case, document)
        if found is None:
            assert answer.initial_requirement is None or not answer.parts
            continue
        told += 1
        for level, total in (("initial", found.initial), ("maintenance", found.maintenance)):
            leaves = [Fraction(getattr(leaf, level)) for p in found.parts for leaf in p.leaves]
            parts = [Fraction(getattr(part, level)) for part in found.parts]
            assert sum(leaves) == sum(parts) == Fraction(total)
            stated = getattr(answer, f"{level}_requirement")
            if stated is not None:
                assert abs(Fraction(total) - Fraction(stated)) <= Fraction(1, 10**9)
    assert told > 0


@pytest.mark.parametrize("method", SCENARIO)
def test_EXPL_002_explaining_changes_no_bit(method: str) -> None:
    document = documents().get(method)
    for case in cases_of(method):
        compiled = Compiled(document.with_parameters(case.parameters))
        dual = evaluated(case, compiled, is_dual=True)
        plain = evaluated(case, compiled)
        for name in ("equity", *LEVELS):
            assert dual.column(name).tobytes() == plain.column(name).tobytes(), (case.case, name)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("derive-pmrm-14", "derive-pmrm"), ("derive-pmrm2-063", "derive-pmrm2"),
        ("derive-pmrm2-105", "derive-pmrm2"), ("paradex-pm-02", "paradex-pm"),
        ("deribit-pm-15", "deribit-pm"), ("deribit-pm-14", "deribit-pm"), ("tims-02", "tims"),
    ],
)  # fmt: skip
def test_EXPL_003_a_share_is_quantity_times_derivative(name: str, method: str) -> None:
    case = case_named(name, method)
    document = documents().get(method)
    compiled = Compiled(document.with_parameters(case.parameters))
    dual = evaluated(case, compiled, is_dual=True)
    for level in LEVELS:
        slopes = dual.name(level).grad[0]
        size = float(dual.column(level)[0])
        for leg, row in enumerate(dual.books.instrument):
            contract = dual.instruments.names[row]
            step = 1e-3 * abs(float(dual.books.quantity[leg]))
            up, down = (
                float(evaluated(_moved(case, contract, sign * step), compiled).column(level)[0])
                for sign in (1.0, -1.0)
            )
            slope = (up - down) / (2.0 * step)
            assert abs(slope - slopes[leg]) * abs(dual.books.quantity[leg]) < 1e-5 * size


def _moved(case: Case[float], contract: str, step: float) -> Case[float]:
    positions = tuple(
        msgspec.structs.replace(each, quantity=each.quantity + step)
        if each.instrument == contract
        else each
        for each in case.account.positions
    )
    balances = {
        name: amount + (step if name == contract else 0.0)
        for name, amount in case.account.balances.items()
    }
    account = msgspec.structs.replace(case.account, positions=positions, balances=balances)
    return msgspec.structs.replace(case, account=account)


def test_EXPL_004_the_worst_scenario_binds_and_others_follow() -> None:
    found = explained("derive-pmrm-16", "derive-pmrm")
    told = [(line.number, round(line.pnl, 9), line.is_binding) for line in found.scenarios]
    assert told == [
        (19, -225.75, True), (20, -225.75, False), (21, -225.75, False), (16, -150.5, False),
    ]  # fmt: skip
    assert found.scenarios[0].words == "price -15 %, volatility up"
    for method in SCENARIO:
        for case in cases_of(method):
            lines = explanation_of(case, documents().get(method)).scenarios  # type: ignore[union-attr]
            pnl = [line.pnl for line in lines if line.underlying == lines[0].underlying]
            assert pnl == sorted(pnl)


@pytest.mark.parametrize("method", SCENARIO)
def test_EXPL_005_one_more_is_what_the_changed_book_costs(method: str) -> None:
    document = documents().get(method)
    for case in cases_of(method)[:3]:
        found = explanation_of(case, document)
        base = margin_of(case, document)
        assert found is not None
        for more in found.one_more[:4]:
            changed = margin_of(_moved(case, more.instrument, 1.0), document)
            for level, told in zip(
                LEVELS, (more.bought_initial, more.bought_maintenance), strict=True
            ):
                cost = getattr(changed, level) - getattr(base, level)
                size = abs(getattr(base, level)) + abs(getattr(changed, level))
                assert told == pytest.approx(cost, abs=1e-9 * (1.0 + size)), case.case
    more = explained("derive-pmrm-16", "derive-pmrm").one_more[0]
    assert (more.bought_initial, more.sold_initial) == pytest.approx((332.475, -332.475))


def test_EXPL_007_exact_methods_keep_their_digits() -> None:
    found = explained("dydx-v4-margin-01", "dydx-v4")
    assert [(leaf.name, leaf.initial) for leaf in found.parts[0].leaves] == [
        ("BTC-PERPETUAL", Decimal("38.885"))
    ]
    assert f"{found.maintenance:f}" == "19.442500000"


def test_EXPL_008_given_amounts_are_leaves_of_their_own() -> None:
    found = explained("paradex-pm-06", "paradex-pm")
    leaves = {leaf.name: leaf for part in found.parts for leaf in part.leaves}
    assert leaves[REST].initial == leaves[REST].maintenance == Decimal("47.5")
    shares = np.array([float(leaf.initial) for leaf in leaves.values()])
    assert shares.size == len(leaves) > 1
