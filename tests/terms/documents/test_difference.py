"""Differences of two documents, path by path."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.terms.documents import Change, difference, documents
from tests.terms.documents.roles import TREE, made, method


def paths(changes: list[Change]) -> list[str]:
    return [each.path for each in changes]


def test_DOCU_040_a_number_is_compared_with_its_unit_and_its_relative_change() -> None:
    document = documents().get("paradex-pm")
    [change] = difference(document, document.with_parameters({"maintenance_factor": 0.6}))
    assert change.path == "parameters.maintenance_factor"
    assert (change.before, change.after, change.unit) == (0.5, 0.6, "factor")
    assert change.relative_change == pytest.approx(0.2, abs=1e-12)
    [change] = difference(made(), made().with_parameters({"fee": "0.06"}))
    assert change.relative_change == pytest.approx(0.2, abs=1e-12)
    [change] = difference(document, document.with_parameters({"fee_provision": 3}))
    assert change.relative_change is None


def test_DOCU_040_a_row_put_in_is_one_change_and_a_changed_place_is_one() -> None:
    document = documents().get("paradex-pm")
    rows = document.parameters["scenarios"]
    longer = [*rows[:3], [0.1, "none", 1.0], *rows[3:]]
    [change] = difference(document, document.with_parameters({"scenarios": longer}))
    assert (change.path, change.is_added, change.after) == (
        "parameters.scenarios[3]",
        True,
        [0.1, "none", 1.0],
    )
    [change] = difference(document.with_parameters({"scenarios": longer}), document)
    assert (change.path, change.is_removed, change.before) == (
        "parameters.scenarios[3]",
        True,
        [0.1, "none", 1.0],
    )
    changed = [list(row) for row in rows]
    changed[16][2] = 0.3
    [change] = difference(document, document.with_parameters({"scenarios": changed}))
    assert (change.path, change.before, change.after, change.unit) == (
        "parameters.scenarios[16][2]",
        0.24,
        0.3,
        "ratio",
    )
    assert change.relative_change == pytest.approx(0.25, abs=1e-12)


def test_DOCU_040_header_units_and_rules_are_compared() -> None:
    a = made()
    b = made(
        version="2026.2",
        units={**TREE["units"], "extra": "ratio"},
        parameters={**TREE["parameters"], "extra": 1},
        rules={"core": "own", "parts": ["scan", "more", 1]},
    )
    changes = difference(a, b)
    assert paths(changes) == [
        "version", "parameters.extra", "units.extra", "rules.core", "rules.parts[1]", "rules.on",
    ]  # fmt: skip
    assert [each.path for each in changes if each.is_added] == [
        "parameters.extra",
        "units.extra",
        "rules.parts[1]",
    ]
    assert [each.path for each in changes if each.is_removed] == ["rules.on"]
    assert changes[1].unit == "ratio"
    back = difference(b, a)
    assert {each.path for each in back if each.is_removed} == {
        "parameters.extra",
        "units.extra",
        "rules.parts[1]",
    }


def test_DOCU_040_keyed_entries_and_lists_of_tables_are_compared_by_field() -> None:
    a = made()
    b = a.with_parameters({"risk_units": {"SOL": {"move": 0.6}, "BTC": {"rate": 0.003}}})
    assert paths(difference(a, b)) == [
        "parameters.risk_units.BTC.rate",
        "parameters.risk_units.SOL",
    ]
    units = {"tiers": {"list": {"cap": "usd?", "rate": "ratio"}}}
    tiers = [{"cap": 1, "rate": 0.1}, {"cap": 2, "rate": 0.2}, {"rate": 0.3}]
    c = method(units, {"tiers": tiers})
    d = method(units, {"tiers": [tiers[0], {"cap": 2, "rate": 0.25}, tiers[2]]})
    [change] = difference(c, d)
    assert (change.path, change.unit) == ("parameters.tiers[1].rate", "ratio")


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        (None, 0, False),
        ([1], [1.0], True),
    ],
)
def test_DOCU_040_what_is_the_same_in_a_document_is_no_change(
    before: Any, after: Any, is_same: bool
) -> None:
    a = method({}, {}, k=before)
    b = method({}, {}, k=after)
    assert (difference(a, b) == []) == is_same
    assert (a.digest() == b.digest()) == is_same


def test_DOCU_040_any_two_documents_can_be_compared() -> None:
    known = [documents().get(name) for name in documents().names()]
    for a in known:
        for b in known:
            assert (difference(a, b) == []) == (a is b)


@pytest.mark.parametrize("name", documents().names())
def test_DOCU_040_a_document_does_not_differ_from_itself(name: str) -> None:
    assert difference(documents().get(name), documents().get(name)) == []
