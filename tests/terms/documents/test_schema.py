"""The published JSON Schema: it is current, documents satisfy it, and damaged ones do not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from steelyard.terms.documents import document_schema, documents
from steelyard.terms.documents.schema import schema_bytes
from steelyard.terms.documents.units import UNITS
from tests.terms.documents.roles import tree

PUBLISHED = Path(__file__).parents[3] / "docs" / "method-document.schema.json"
KINDS = {"object": dict, "string": str, "array": list, "integer": int}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "items", "const",
    "additionalProperties", "oneOf", "enum", "not", "pattern", "maxLength", "minItems", "propertyNames",
}  # fmt: skip


def satisfies(value: Any, schema: Any, whole: dict[str, Any]) -> bool:
    """Return whether a value satisfies a schema made of the words in KNOWN."""
    if isinstance(schema, bool):
        return schema
    assert set(schema) <= KNOWN
    if "$ref" in schema:
        return satisfies(value, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], whole)
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, KINDS[kind]) or isinstance(value, bool)):
        return False
    if "const" in schema and (value != schema["const"] or isinstance(value, bool)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "not" in schema and satisfies(value, schema["not"], whole):
        return False
    if "oneOf" in schema and sum(satisfies(value, each, whole) for each in schema["oneOf"]) != 1:
        return False
    if isinstance(value, str):
        return bool(re.search(schema.get("pattern", ""), value)) and len(value) <= schema.get(
            "maxLength", 10**9
        )
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(
            satisfies(each, schema.get("items", True), whole) for each in value
        )
    if isinstance(value, dict):
        own = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        return set(schema.get("required", ())) <= set(value) and all(
            satisfies(name, schema.get("propertyNames", True), whole)
            and satisfies(each, own.get(name, rest), whole)
            for name, each in value.items()
        )
    return True


def is_document(value: Any) -> bool:
    schema = document_schema()
    return satisfies(value, schema, schema)


def test_DOCU_060_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_bytes() == schema_bytes(), (
        "run `steelyard methods schema > docs/method-document.schema.json`"
    )
    schema = json.loads(PUBLISHED.read_text())
    assert set(schema["required"]) == set(schema["properties"]) == set(tree())
    assert all(f"{unit}:" in schema["$defs"]["unit"]["description"] for unit in UNITS)


@pytest.mark.parametrize("name", documents().names())
def test_DOCU_060_the_packages_documents_satisfy_it(name: str) -> None:
    for document in documents().versions(name):
        assert is_document(json.loads(document.canonical()))


@pytest.mark.parametrize(
    "shape",
    [
        "ratio", "days?", "choice:a|b-c", {"list": "usd"}, {"rows": ["ratio", "text?"]}, {"keyed": {"a": "ppm"}},
        {"table": {"list": "ratio"}}, {"a": {"b": {"list": {"c": "decimal"}}}}, {},
    ],
)  # fmt: skip
def test_DOCU_060_every_shape_satisfies_it(shape: Any) -> None:
    assert is_document(tree(units={"x": shape}))


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": 2}, {"schema": True}, {"name": "Paradex PM"}, {"valid_from": "2026-01-01"}, {"currency": "us dollars"},
        {"notes": ""}, {"rules": []}, {"units": {"x": "percent"}}, {"units": {"x": {"rows": []}}},
        {"units": {"x": {"list": "ratio", "rows": ["ratio"]}}}, {"units": {"x": 3}}, {"version": "x" * 65},
    ],
)  # fmt: skip
def test_DOCU_060_a_damaged_document_does_not_satisfy_it(fields: dict[str, Any]) -> None:
    assert is_document(tree())
    assert not is_document(tree(**fields))
    for name in tree():
        assert not is_document({key: each for key, each in tree().items() if key != name})
