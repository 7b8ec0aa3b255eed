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
from steelyard.quantities.errors import InputError, TermsError
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


@pytest.mark.parametrize("method", METHODS)
def test_VENM_006_an_empty_account_needs_nothing(method: str) -> None:
    markets: list[dict[str, Any]] = [{"BTC": {"index_price": 60000}}, {"BTC": {}}]
    if not method.startswith("deribit"):  # in which coin would it be?
        markets.append({})
    for market in markets:
        answer = answer_of(stated(method, underlyings=market))
        assert (answer.initial_requirement, answer.maintenance_requirement) == (0.0, 0.0)


def test_VENM_010_a_tie_of_the_two_tables_is_standard() -> None:
    # One move each way and no dampener: the standard table ends where futures are clipped to.
    case = stated(
        "deribit-pm", ("BTC-PERPETUAL", 3.0), underlyings=board(),
        parameters={"extended_dampener": 0, "buckets_count": 1},
    )  # fmt: skip
    native = answer_of(case).native
    assert min(native["extended_risk_vector"]) == min(native["aggregated_risk_vector"]) < 0.0
    assert native["worst_case_source"] == "standard"
    assert_twins_agree(case, "tie")


def test_VENM_011_an_expired_option_is_worth_what_it_pays() -> None:
    past = board(expiry="2026-05-29T08:00:00Z")
    case = stated("deribit-pm", ("BTC-29MAY26-60000-C", -1.0), underlyings=past)
    answer = answer_of(case)
    assert answer.native["worst_case"] == pytest.approx(0.16 / 1.16, rel=1e-14)
    assert answer.initial_requirement == 0.142931034
    assert_twins_agree(case, "expired")


def test_VENM_020_a_stated_delta_is_an_options_and_only_in_the_floor() -> None:
    case = stated(
        "paradex-pm", ("BTC-PERPETUAL", -1.0), (CALL, 1.0), underlyings=board(), delta=0.3
    )
    native = answer_of(case).native
    assert (native["net_delta"], native["gross_delta"]) == (-0.7, 1.3)
    assert native["hedged_delta"] == pytest.approx(0.3, abs=1e-15)
    assert native["minimum_delta_requirement"] == pytest.approx(60000 * (0.014 + 0.003))
    assert_twins_agree(case, "stated delta")


def test_VENM_030_a_combined_commodity_holds_contracts_of_several_names() -> None:
    big, small = "NK-11DEC26", "NKM-11DEC26"
    arrays = {big: [float(i) for i in range(16)], small: [0.1 * i for i in range(16)]}
    case = stated("span", (small, -10.0), (big, 2.0), parameters={"risk_arrays": arrays})
    answer = answer_of(case)
    assert answer.maintenance_requirement == 15.0
    assert answer.native["active_scenario"] == 16
    assert_twins_agree(case, "combined")


def test_VENM_040_brackets_and_shocks_may_be_any_number() -> None:
    market = {name: {"perpetual": {"mark_price": p}} for name, p in (("BTC", 60000), ("ETH", 3000))}
    units = {"BTC": {"spot_shocks": [0.1]}, "ETH": {"spot_shocks": [0.1, 0.6]}}
    for tiers in ([[1000, 1], [2000, 3]], [[None, 3]]):
        case = stated(
            "okx-pm", ("BTC-PERPETUAL", 5.0), ("ETH-PERPETUAL", -500.0), underlyings=market,
            parameters={"risk_units": units, "minimum_charge_tiers": tiers},
        )  # fmt: skip
        assert_twins_agree(case, str(tiers))
        mr1 = {n: u["mr1"] for n, u in answer_of(case).native["risk_units"].items()}
        assert mr1 == {"BTC": 30000.0, "ETH": 900000.0}


SCAN = {"price_scan_range": 6000, "volatility_scan_range": 0.12}
EXPIRY = "market.underlyings.BTC.expiries[2026-06-26]"
SOL = {"SOL": {"index_price": 140}}
MISSING = [
    ("deribit-pm", CALL, {"underlyings": board(None)}, "market.underlyings.BTC.index_price"),
    ("deribit-pm", CALL, {"underlyings": board(forward_price=None)}, f"{EXPIRY}.forward_price"),
    (
        "deribit-pm", CALL, {"underlyings": board(implied_volatility={})},
        f"{EXPIRY}.implied_volatility[60000]",
    ),
    ("deribit-pm", CALL, {"underlyings": board(), "as_of": ""}, "market.as_of"),
    ("deribit-pm", "BTC-27JUN26", {"underlyings": board()},
     "market.underlyings.BTC.expiries[2026-06-27].expiry"),
    ("deribit-sm", "SOL-PERPETUAL", {"underlyings": SOL}, "parameters.futures.increase_per_coin"),
    ("deribit-sm", "SOL-PERPETUAL",
     {"underlyings": SOL, "parameters": {"futures": {"initial": 0.03}}},
     "parameters.futures.increase_per_coin"),
    ("deribit-sm", CALL, {"underlyings": board()}, f"account.positions[{CALL}].mark_price"),
    ("deribit-sm", CALL, {"underlyings": board(forward_price=None), "mark_price": 0.1},
     f"{EXPIRY}.forward_price"),
    ("okx-pm", "BTC-PERPETUAL", {"underlyings": board()},
     "market.underlyings.BTC.perpetual.mark_price"),
    ("okx-pm", "BTC-PERPETUAL", {}, "market.underlyings.BTC.perpetual.mark_price"),
    ("paradex-pm", CALL, {"underlyings": board(None)}, "market.underlyings.BTC.index_price"),
    ("paradex-pm", CALL, {"underlyings": board(implied_volatility={}), "delta": 0.3},
     f"{EXPIRY}.implied_volatility[60000]"),
    ("paradex-pm", "BTC-PERPETUAL", {}, "market.underlyings.BTC.index_price"),
    ("span", CALL, {"parameters": SCAN}, f"{EXPIRY}.forward_price"),
    ("span", CALL, {"underlyings": board()}, "parameters.price_scan_range"),
    ("span", CALL, {"underlyings": board(), "parameters": {"price_scan_range": 1}},
     "parameters.volatility_scan_range"),
    ("tims", CALL, {"underlyings": board(None)}, "market.underlyings.BTC.index_price"),
    ("tims", CALL, {"underlyings": board(implied_volatility=None)},
     f"{EXPIRY}.implied_volatility[60000]"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "held", "given", "field"), MISSING)
def test_VENM_050_what_is_missing_is_named(
    method: str, held: str, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError) as error:
        answer_of(stated(method, (held, -1.0), **given))
    assert error.value.where["field"] == field
    assert error.value.code in {"METH-E01", "METH-E06"}


def test_VENM_051_what_is_not_needed_is_not_asked_for() -> None:
    assert answer_of(stated("deribit-sm", (CALL, 2.0))).initial_requirement == 0.0
    assert answer_of(stated("deribit-sm", ("BTC-PERPETUAL", 5.0))).initial_requirement == 0.10125
    future = stated("span", ("BTC-26JUN26", -1.0), parameters={"price_scan_range": 6000})
    assert answer_of(future).initial_requirement == 6000.0
    market = board(forward_price=None)
    market["BTC"]["expiries"][0].pop("implied_volatility")
    dated = answer_of(stated("deribit-pm", ("BTC-26JUN26", -1.0), underlyings=market))
    assert dated.native["worst_case"] == pytest.approx(0.16 / 1.16, rel=1e-14)


def test_VENM_052_what_a_method_does_not_cover_is_refused() -> None:
    for method, held in (("okx-pm", CALL), ("paradex-pm", "BTC-26JUN26"), ("tims", "BTC-26JUN26")):
        with pytest.raises(InputError) as error:
            answer_of(stated(method, (held, 1.0), underlyings=board()))
        assert error.value.code == "METH-E04"
    for method in ("deribit-pm", "deribit-sm"):
        with pytest.raises(InputError) as error:
            answer_of(stated(method, ("BTC-PERPETUAL", 1.0), ("ETH-PERPETUAL", 1.0)))
        assert error.value.code == "METH-E04"
    ladder = stated(
        "deribit-pm", ("BTC-PERPETUAL", 1.0), underlyings=board(), parameters={"buckets_count": 0}
    )
    with pytest.raises(TermsError) as refused:
        answer_of(ladder)
    assert refused.value.where["field"] == "parameters.buckets_count"
