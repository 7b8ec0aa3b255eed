"""What the tests of documents share: a small document, and one with changes."""

from __future__ import annotations

import json
from typing import Any

from steelyard.quantities import TermsError
from steelyard.terms.documents import MethodDocument, parse_document

TREE: dict[str, Any] = {
    "schema": 1,
    "name": "small-pm",
    "version": "2026.1",
    "valid_from": "2026-01-01T00:00:00Z",
    "title": "A small method",
    "source": "a test",
    "currency": "USD",
    "units": {
        "scenarios": {"rows": ["ratio", "direction", "ratio"]},
        "maintenance_factor": "factor",
        "floor": "days?",
        "fee": "decimal",
        "share_ppm": "ppm",
        "risk_units": {"keyed": {"move": "ratio", "rate": "ratio"}},
        "weights": {"keyed": {"initial": "decimal", "cap": "usd?"}},
        "style": "choice:european|american",
        "given": {"table": {"a": "integer", "b": "text"}},
    },
    "parameters": {
        "scenarios": [[0.1, "up", 1], [0, "down", 1.0], [-0.1, "up", 0.5]],
        "maintenance_factor": 0.5,
        "fee": "0.050",
        "share_ppm": 250_000,
        "risk_units": {
            "default": {"move": 0.5, "rate": 0.008},
            "BTC": {"move": 0.24, "rate": 0.002},
            "ETH": {"rate": 0.004},
        },
        "style": "european",
        "given": {"a": 1},
    },
    "rules": {"core": "scenario", "parts": ["scan", 1.0], "on": True},
}


def tree(**fields: Any) -> dict[str, Any]:
    """Return the small document's tree with fields replaced."""
    return json.loads(json.dumps(TREE)) | fields


def made(**fields: Any) -> MethodDocument:
    """Return the small document with fields replaced."""
    return parse_document(json.dumps(tree(**fields)).encode(), "json")


def method(units: Any, parameters: Any, **rules: Any) -> MethodDocument:
    """Return a document of these units and parameters, by an own core that needs no rules."""
    return made(units=units, parameters=parameters, rules={"core": "own", **rules})


def fault_of(error: TermsError) -> tuple[str, object]:
    """Return the code and the field of an error that says a rule and a cure."""
    assert error.rule
    assert error.cure
    return error.code, error.where["field"]
