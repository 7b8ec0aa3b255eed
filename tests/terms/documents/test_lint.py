"""The linter: each rule finds what breaks it and passes what keeps it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from steelyard.terms.documents import MethodDocument, documents, lint
from steelyard.terms.documents.lint import RULES
from tests.terms.documents.roles import made, method

ROWS = {"scenarios": {"rows": ["ratio", "direction", "ratio"]}}
MOVES = {"price_moves": {"list": "ratio"}}
TIERS = {
    "tiers": {"list": {"notional_cap": "usd?", "maintenance_rate": "ratio", "deduction": "usd?"}}
}
LEVELS = {"tiers": {"list": {"cap": "usd?", "max_leverage": "number"}}}
GRID = [[0.2, "up", 1], [0, "none", 1], [-0.2, "up", 1]]


class Case(NamedTuple):
    """A rule's code, units, what breaks it and where, and what keeps it."""

    code: str
    units: dict[str, Any]
    breaks: dict[str, Any]
    field: str
    keeps: dict[str, Any]


def one(code: str, name: str, unit: str, breaks: Any, keeps: Any) -> Case:
    """Return the case of a single parameter."""
    return Case(code, {name: unit}, {name: breaks}, name, {name: keeps})


def pair(code: str, a: str, b: str, unit: str, breaks: Any, keeps: Any) -> Case:
    """Return the case of two parameters, of which the first is named."""
    units = {a: unit, b: unit}
    return Case(code, units, dict(zip((a, b), breaks, strict=True)), a, dict(zip((a, b), keeps, strict=True)))  # fmt: skip


def listed(
    code: str, units: dict[str, Any], breaks: list[Any], field: str, keeps: list[Any]
) -> Case:
    """Return the case of one list."""
    [name] = units
    return Case(code, units, {name: breaks}, f"{name}{field}", {name: keeps})


def tier(*places: Any) -> dict[str, Any]:
    return dict(zip(("notional_cap", "maintenance_rate", "deduction"), places, strict=False))


CASES = [
    pair("LINT-01", "im_factor", "mm_factor", "factor", (0.7, 0.8), (0.8, 0.8)),
    pair("LINT-01", "initial_rate", "maintenance_rate", "decimal", ("0.04", "0.05"), ("0.05", "0.04")),
    pair("LINT-01", "initial", "maintenance", "ratio", (0.01, 0.02), (0.02, 0.01)),
    pair("LINT-01", "initial_asset_weight", "maintenance_asset_weight", "ratio", (0.9, 0.8), (0.8, 0.9)),
    pair("LINT-01", "initial_liability_weight", "maintenance_liability_weight", "ratio", (1.1, 1.2), (1.2, 1.1)),
    Case("LINT-01", {"brackets": {"keyed": {"im_ppm": "ppm", "mm_ppm": "ppm"}}},
         {"brackets": {"default": {"im_ppm": 50_000}, "BTC": {"mm_ppm": 60_000}}}, "brackets.BTC.im_ppm",
         {"brackets": {"default": {"im_ppm": 50_000}, "BTC": {"mm_ppm": 40_000}}}),
    pair("LINT-02", "im_perp_pct", "mm_perp_pct", "ratio", (0.005, 0.015), (0.015, 0.005)),
    pair("LINT-03", "initial_haircut", "maintenance_haircut", "ratio", (0.1, 0.2), (0.2, 0.1)),
    one("LINT-04", "haircut", "ratio", 1.01, 1.0),
    one("LINT-04", "btc_haircut_ppm", "ppm", -1, 1_000_000),
    one("LINT-05", "short_static_discount", "ratio", 0.99, 1.0),
    one("LINT-06", "long_static_discount", "ratio", 1.01, 1.0),
    one("LINT-07", "maintenance_factor", "factor", 0, 0.5),
    one("LINT-07", "maintenance_fraction_ppm", "ppm", 0, 500_000),
    one("LINT-08", "taker_fee_rate", "ratio", 15, 0.15),
    one("LINT-08", "mm_perp_pct", "decimal", "1.5", "0.015"),
    one("LINT-09", "fee_ppm", "ppm", 1, 500),
    one("LINT-10", "funding_provision", "amount", -1, 0),
    one("LINT-10", "taker_fee", "ratio", -0.001, 0.001),
    one("LINT-11", "short_term_power", "power", 2.1, 2.0),
    one("LINT-11", "short_term_power", "power", -0.1, 0.0),
    one("LINT-12", "dte_floor_days", "days", 0, 1),
    one("LINT-13", "initial_liability_weight", "decimal", "0.9", "1"),
    one("LINT-14", "initial_asset_weight", "decimal", "1.1", "1"),
    one("LINT-15", "volatility_shock_down", "ratio", -1, -0.22),
    one("LINT-15", "vol_range_down", "ratio", 1, 0.275),
    one("LINT-16", "volatility_shock_up", "ratio", 0, 0.4),
    pair("LINT-17", "option_im_min", "option_im_max", "ratio", (0.2, 0.15), (0.1, 0.15)),
    pair("LINT-17", "lower_cap", "upper_cap", "decimal", ("2", "1"), ("2", "0")),
    pair("LINT-18", "basis_spot_up", "basis_spot_down", "factor", (0.955, 1.045), (1.045, 0.955)),
    one("LINT-19", "conf_threshold", "ratio", 55, 0.55),
    listed("LINT-20", ROWS, [GRID[0], GRID[2]], "", GRID),
    listed("LINT-20", MOVES, [-0.1, 0.1], "", [-0.1, 0, 0.1]),
    listed("LINT-20", {"spot_shocks": {"list": "factor"}}, [0.8, 1.2], "", [0.8, 1, 1.2]),
    listed("LINT-20", {"spot_shocks": {"list": "ratio"}}, [-0.12, 0.12], "", [0.04, 0.08, 0.12]),
    listed("LINT-21", ROWS, [*GRID, [0.3, "up", 1]], "[3][0]", [*GRID, [0.6, "up", 0.3]]),
    listed("LINT-21", {"moves": {"list": "factor"}}, [0.7, 1, 1.2], "[0]", [0.8, 1, 1.2]),
    listed("LINT-22", MOVES, [-0.05, 0, 0.05], "", [-0.1, 0, 0.1]),
    listed("LINT-22", {"spot_shocks": {"list": "ratio"}}, [0.02, 0.04], "", [0.05, 0.1]),
    listed("LINT-23", ROWS, [*GRID, [-1, "up", 0.1]], "[3][0]", [*GRID, [-0.99, "up", 0.1]]),
    listed("LINT-23", {"tail_moves": {"list": "ratio"}}, [-1.2], "[0]", [-0.9]),
    listed("LINT-23", {"scenarios": {"rows": ["ratio", "number"]}}, [[-1, 0], [1, 0]], "[0][0]", [[0, 0]]),
    listed("LINT-24", ROWS, [*GRID, [0.5, "up", 1.5]], "[3][0]", [*GRID, [0.5, "up", 0.5]]),
    listed("LINT-24", ROWS, [*GRID, [0.5, "up", 0]], "[3][0]", GRID),
    listed("LINT-24", {"tail_weights": {"list": "ratio"}}, [1.2], "[0]", [1]),
    Case("LINT-24", {"scenarios": {"list": {"spot_shock": "factor", "volatility": "direction", "dampening": "ratio?"}}},
         {"scenarios": [{"spot_shock": 1, "volatility": "up", "dampening": 2}]}, "scenarios[0].spot_shock",
         {"scenarios": [{"spot_shock": 1, "volatility": "up"}]}),
    listed("LINT-25", ROWS, [*GRID, [0.2, "up", 0.5]], "[3][0]", [*GRID, [0.2, "down", 1]]),
    listed("LINT-26", ROWS, [GRID[0], GRID[1], [-0.2, "down", 1]], "", [*GRID, [-0.2, "down", 1]]),
    listed("LINT-30", TIERS, [tier(2, 0.1), tier(1, 0.2), tier(None, 0.3)], "[1].notional_cap",
           [tier(1, 0.1), tier(2, 0.2), tier(None, 0.3)]),
    listed("LINT-30", TIERS, [tier(None, 0.1), tier(1, 0.2)], "[0].notional_cap", [tier(None, 0.1)]),
    listed("LINT-30", {"charge_tiers": {"rows": ["usd?", "factor"]}}, [[2, 1], [2, 2], [None, 4]], "[1][0]",
           [[1, 1], [2, 2], [None, 4]]),
    listed("LINT-31", TIERS, [tier(1, 0.2), tier(None, 0.1)], "[1].notional_cap", [tier(1, 0.1), tier(None, 0.1)]),
    listed("LINT-31", LEVELS, [{"cap": 1, "max_leverage": 5}, {"cap": None, "max_leverage": 10}], "[1].cap",
           [{"cap": 1, "max_leverage": 10}, {"cap": None, "max_leverage": 5}]),
    listed("LINT-32", TIERS, [tier(1, 0.1)], "[0].notional_cap", [tier(None, 0.1)]),
    listed("LINT-33", TIERS, [tier(1000, 0.1, 0), tier(None, 0.2, 50)], "[1].notional_cap",
           [tier(1000, 0.1, 0), tier(None, 0.2, 100)]),
    listed("LINT-33", {"tiers": {"list": {"notional_floor": "usd", "notional_cap": "usd?", "rate": "ratio"}}},
           [{"notional_floor": 0, "notional_cap": 10, "rate": 0.1}, {"notional_floor": 11, "rate": 0.2}],
           "[1].notional_cap",
           [{"notional_floor": 0, "notional_cap": 10, "rate": 0.1}, {"notional_floor": 10, "rate": 0.2}]),
]  # fmt: skip


def fields(document: MethodDocument, code: str) -> list[str]:
    return [finding.field for finding in lint(document) if finding.code == code]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.field}")
def test_DOCU_030_a_rule_finds_what_breaks_it_and_passes_what_keeps_it(case: Case) -> None:
    assert f"parameters.{case.field}" in fields(method(case.units, case.breaks), case.code)
    assert fields(method(case.units, case.keeps), case.code) == []


USED = {
    "floor": "days", "borrow": {"table": {"rate": "ratio"}}, "per_asset": {"keyed": {"charge": "ratio"}},
    "kind": "choice:a|b", "grid": {"rows": ["ratio"]},
}  # fmt: skip
RULED = {
    "core": "scenario", "leg": {"x": "max(floor, 1) + borrow_rate"}, "assets": ["charge * value"],
    "choice": {"kind": {"a": 1}}, "scenarios": [{"rows": "$grid"}],
}  # fmt: skip
WHOLE: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("LINT-40", {"source": " "}, "source", {"source": "the venue"}),
    ("LINT-41", {"title": ""}, "title", {"title": "A method"}),
    ("LINT-42", {"valid_from": "2008-01-01T00:00:00Z"}, "valid_from", {"valid_from": "2009-01-03T00:00:00Z"}),
    ("LINT-42", {"valid_from": "2100-01-01T00:00:00Z"}, "valid_from", {"valid_from": "2099-12-31T23:59:59Z"}),
    ("LINT-42", {"valid_from": "2026-01-01T00:00:00.5Z"}, "valid_from", {}),
    ("LINT-43", {"rules": {}}, "rules.core", {"rules": {"core": "own"}}),
    ("LINT-44", {"rules": {"core": "scenario"}}, "parameters.maintenance_factor", {"rules": {"core": "own"}}),
    ("LINT-44", {"units": {"floors": "days"}, "parameters": {}, "rules": RULED}, "parameters.floors",
     {"units": USED, "parameters": {}, "rules": RULED}),
    ("LINT-45", {"units": {"x": {"keyed": "ratio"}}, "parameters": {"x": {"BTC": 1}}}, "parameters.x",
     {"units": {"x": {"keyed": "ratio"}}, "parameters": {"x": {"default": 1, "BTC": 1}}}),
    ("LINT-46", {"units": {"x": "ratio"}, "parameters": {}}, "parameters.x",
     {"units": {"x": "ratio?"}, "parameters": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "breaks", "field", "keeps"), WHOLE)
def test_DOCU_030_a_rule_of_the_whole_document(
    code: str, breaks: dict[str, Any], field: str, keeps: dict[str, Any]
) -> None:
    assert field in fields(made(**breaks), code)
    assert fields(made(**keeps), code) == []


def test_DOCU_030_every_rule_has_a_case_and_a_code_of_its_own() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert {case.code for case in CASES} | {case[0] for case in WHOLE} == set(codes)


def test_DOCU_030_a_venue_that_adds_its_charges_is_warned_of_and_not_refused() -> None:
    findings = lint(documents().get("derive-pmrm2"))
    assert {each.code for each in findings} == {"LINT-02"}
    assert {each.severity for each in findings} == {"warning"}


def test_DOCU_030_a_haircut_of_nothing_keeps_a_position_too() -> None:
    name = "haircut_maintenance_ppm"
    assert fields(method({name: "ppm"}, {name: 0}), "LINT-07") == []


def test_DOCU_031_findings_say_all_and_errors_come_first() -> None:
    document = made(title="", rules={}).with_parameters({"maintenance_factor": 0})
    findings = lint(document)
    order = [("error", "warning", "note").index(each.severity) for each in findings]
    assert order == sorted(order)
    assert {"error", "warning", "note"} == {each.severity for each in findings}
    for each in findings:
        assert re.fullmatch(r"LINT-\d\d", each.code)
        assert each.field
        assert each.message
        assert each.rule
        assert each.cure
