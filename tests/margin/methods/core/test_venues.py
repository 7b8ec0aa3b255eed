"""Deribit, OKX, Paradex, SPAN and TIMS under the scenario core, against a second implementation."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from random import Random
from typing import Any

import msgspec
import pytest

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.registry import margin_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.margin.methods.core.random_venues import RANDOM
from tests.margin.methods.core.twins_venues import TWINS
from tests.support.method_cases import case_lines, check_case, printed

METHODS = tuple(TWINS)
READ = msgspec.json.Decoder(Case[float])
CALL = "BTC-26JUN26-60000-C"


def answer_of(case: dict[str, Any]) -> Answer:
    """Return what the engine says of a case."""
    return margin_of(READ.decode(json.dumps(case, default=float)), documents().get(case["method"]))


def stated(
    method: str, *held: tuple[str, float], underlyings: Any = None, as_of: str = "2026-06-01T08:00:00Z",
    parameters: Any = None, balances: Any = None, **fields: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return a case of positions; `fields` go to each of them."""
    return {
        "case": "own", "method": method, "parameters": parameters or {},
        "market": {"as_of": as_of, "underlyings": underlyings or {}},
        "account": {
            "balances": balances or {},
            "positions": [{"instrument": name, "quantity": q, **fields} for name, q in held],
        },
    }  # fmt: skip


def board(index: float | None = 60000, **expiry: Any) -> dict[str, Any]:
    """Return BTC with one expiry of 26 June 2026; None drops a field."""
    entry = {"expiry": "2026-06-26T08:00:00Z", "forward_price": 60000,
             "implied_volatility": {"60000": 0.5}, **expiry}  # fmt: skip
    found = {"index_price": index, "expiries": [{k: v for k, v in entry.items() if v is not None}]}
    return {"BTC": {name: value for name, value in found.items() if value is not None}}


def scale(case: dict[str, Any]) -> float:
    """Return the sum of the absolute values of the legs, at least 1."""
    parameters = case["parameters"]
    units = sum(abs(x["quantity"]) for x in case["account"].get("positions", []))
    if case["method"].startswith("deribit"):
        return max(1.0, units)
    market = case["market"].get("underlyings", {})
    prices = [x.get("index_price") or x["perpetual"]["mark_price"] for x in market.values()]
    multiplier = parameters.get("multiplier", 100.0 if case["method"] == "tims" else 1.0)
    return max(1.0, units * max([60000.0, *prices]) * max(1.0, multiplier))


def assert_near(got: Any, want: Any, allowed: float, where: str) -> None:
    """Raise AssertionError at the first number that is off; tables and lists are the same."""
    if isinstance(want, dict):
        assert isinstance(got, dict), where
        assert sorted(got) == sorted(want), where
        for name in want:
            assert_near(got[name], want[name], allowed, f"{where}.{name}")
    elif isinstance(want, list):
        assert len(got) == len(want), where
        for i, (one, other) in enumerate(zip(got, want, strict=True)):
            assert_near(one, other, allowed, f"{where}[{i}]")
    elif isinstance(want, int | float) and not isinstance(want, bool):
        assert math.isclose(got, want, rel_tol=1e-9, abs_tol=allowed), f"{where}: {got} {want}"
    else:
        assert got == want, f"{where}: {got} {want}"


def assert_twins_agree(case: dict[str, Any], where: str) -> None:
    """Raise AssertionError where the two implementations differ."""
    want = TWINS[case["method"]](deepcopy(case))
    got = printed(answer_of(case))
    # Twelve digits of what the legs are worth; a rounding to nine decimals may fall either way.
    allowed = 1e-12 * scale(case) + (1.001e-9 if case["method"] == "deribit-pm" else 0.0)
    assert_near({name: got.get(name) for name in want}, want, allowed, where)


@pytest.mark.parametrize("method", METHODS)
def test_VENM_001_open_cases_hold_under_the_engine_and_the_twin(method: str) -> None:
    lines = case_lines(method)
    assert lines
    for line in lines:
        check_case(line, answer_of(line))
        check_case(line, TWINS[method](json.loads(json.dumps(line, default=float))))


@pytest.mark.parametrize("method", METHODS)
def test_VENM_002_random_cases_agree_with_the_twin(method: str) -> None:
    for seed in range(250):
        assert_twins_agree(RANDOM[method](Random(seed)), f"{method} {seed}")


def _branches(method: str) -> dict[str, int]:
    """Count what the random cases of a method reach."""
    seen: dict[str, int] = {}
    for seed in range(250):
        case = RANDOM[method](Random(seed))
        answer = TWINS[method](case)
        native = answer.get("native", {})
        found = {
            "deribit-pm": lambda n=native: {
                n["worst_case_source"]: True,
                "gain offset": max(n["aggregated_risk_vector"]) > 0.0,
                "liquidity": n["delta_shock"] > 0.0,
            },
            "deribit-sm": lambda a=answer: {
                "nothing": a["initial_requirement"] == 0.0,
                "needed": 0.0 < a["maintenance_requirement"] < a["initial_requirement"],
            },
            "okx-pm": lambda a=answer, n=native: {
                "debt": a["equity"] < 0.0,
                **_units(n["risk_units"]),
            },
            "paradex-pm": lambda n=native: {
                "scan": n["scan_risk"] > n["minimum_delta_requirement"],
                "delta": n["scan_risk"] < n["minimum_delta_requirement"],
            },
            "span": lambda a=answer, n=native: {
                "negative": a["maintenance_requirement"] < 0.0,
                "minimum": n["short_option_minimum"] > n["scan_risk"],
                "no loss": n["active_scenario"] is None,
                "extreme": n["active_scenario"] in (15, 16),
            },
            "tims": lambda a=answer, n=native: {
                "minimum": a["initial_requirement"] == n["minimum_requirement"] > 0.0,
                "scan": a["initial_requirement"] > n["minimum_requirement"],
            },
        }[method]()
        for name, is_seen in found.items():
            seen[name] = seen.get(name, 0) + bool(is_seen)
    return seen


def _units(units: dict[str, Any]) -> dict[str, bool]:
    return {
        "minimum": any(u["maintenance_requirement"] == u["mr7"] > 0.0 for u in units.values()),
        "extreme": any(u["mr6"] > u["mr1"] for u in units.values()),
        "shock": any(u["mr1"] > u["mr6"] for u in units.values()),
    }


@pytest.mark.parametrize("method", METHODS)
def test_VENM_003_random_cases_reach_both_sides_of_every_choice(method: str) -> None:
    seen = _branches(method)
    assert min(seen.values()) >= 3, seen


@pytest.mark.parametrize("method", METHODS)
def test_VENM_004_order_of_positions_changes_no_bit(method: str) -> None:
    for seed in range(40):
        case = RANDOM[method](Random(seed))
        turned = deepcopy(case)
        Random(seed).shuffle(turned["account"]["positions"])
        assert msgspec.json.encode(answer_of(case)) == msgspec.json.encode(answer_of(turned))


@pytest.mark.parametrize("method", ["paradex-pm", "span", "tims"])
def test_VENM_005_twice_the_account_needs_twice_the_margin(method: str) -> None:
    for seed in range(40):
        case = RANDOM[method](Random(seed))
        for name in ("fee_provision", "funding_provision", "intra_commodity_charge"):
            case["parameters"].pop(name, None)
        for name in ("delivery_charge", "inter_commodity_credit"):
            case["parameters"].pop(name, None)
        double = deepcopy(case)
        for position in double["account"]["positions"]:
            position["quantity"] *= 2.0
        for coin in double["account"].get("balances", {}):
            double["account"]["balances"][coin] *= 2.0
        once, twice = answer_of(case), answer_of(double)
        assert twice.initial_requirement == 2.0 * once.initial_requirement
        assert twice.maintenance_requirement == 2.0 * once.maintenance_requirement
