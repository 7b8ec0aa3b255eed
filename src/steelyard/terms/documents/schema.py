"""The published JSON Schema (2020-12) of a document: its ten fields, and what [units] may say."""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.terms.documents.document import FORMS, SCHEMA, MethodDocument
from steelyard.terms.documents.units import CHOICE, UNITS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document_schema() -> dict[str, Any]:
    """Return the schema. That a value fits its unit is beyond it: `steelyard methods lint` checks that.

    >>> document_schema()["$defs"]["shape"]["oneOf"][1]["required"]
    ['list']
    """
    schema = msgspec.json.schema(MethodDocument)
    body = schema["$defs"]["MethodDocument"]
    fields = body["properties"]
    fields["schema"] = {"const": SCHEMA}
    for name, (form, said) in FORMS.items():
        fields[name] = {
            "type": "string",
            "maxLength": 64,
            "pattern": f"^({form.pattern})$",
            "description": said,
        }
    fields["units"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/shape"},
                       "description": "the unit of every parameter"}  # fmt: skip
    fields["parameters"] = {"type": "object", "description": "the venue's own names and numbers"}
    fields["rules"] = {
        "type": "object",
        "properties": {"core": {"type": "string", "description": "what applies the rules"}},
        "description": "how a core puts the parameters together",
    }
    return {
        "$schema": DIALECT,
        "title": "Steelyard margin method document",
        "description": "A margin method as data; TOML holds the same tree.",
        "type": "object",
        "properties": fields,
        "required": body["required"],
        "additionalProperties": False,
        "$defs": {"unit": _unit(), "shape": _shape()},
    }


def schema_bytes() -> bytes:
    """Return the schema as it is published."""
    return msgspec.json.format(msgspec.json.encode(document_schema()), indent=2) + b"\n"


def _unit() -> dict[str, Any]:
    words = "|".join(UNITS)
    said = "; ".join(f"{word}: {meaning}" for word, (meaning, _) in UNITS.items())
    return {
        "type": "string",
        "pattern": rf"^({words}|{CHOICE}[A-Za-z0-9_-]+(\|[A-Za-z0-9_-]+)*)\??$",
        "description": f"{said}; {CHOICE}one|other: one of these; a ? behind it: it may be left out",
    }


def _shape() -> dict[str, Any]:
    shape = {"$ref": "#/$defs/shape"}
    fields = {"type": "object", "additionalProperties": shape}
    forms = {
        "list": (shape, "any number of them"),
        "rows": (
            {"type": "array", "items": {"$ref": "#/$defs/unit"}, "minItems": 1},
            "any number of arrays of this length, one unit a place",
        ),
        "table": (fields, "fixed fields"),
        "keyed": (shape, "one entry an underlying, asset or instrument; default is what an entry leaves out"),
    }  # fmt: skip
    alone = [
        {"type": "object", "properties": {word: of}, "required": [word], "additionalProperties": False,
         "description": said}
        for word, (of, said) in forms.items()
    ]  # fmt: skip
    plain = {
        **fields,
        "propertyNames": {"not": {"enum": list(forms)}},
        "description": "fixed fields",
    }
    return {"oneOf": [{"$ref": "#/$defs/unit"}, *alone, plain]}
