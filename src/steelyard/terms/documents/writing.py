"""Writing documents: TOML that reads back as the same document."""

from __future__ import annotations

import json
import re
from typing import Any

from steelyard.terms.documents.document import TEXTS, MethodDocument
from steelyard.terms.documents.faults import refused
from steelyard.terms.documents.shapes import Keyed, Leaf, Listed, Rows, Shape, Table
from steelyard.terms.documents.units import NUMBERS

HEADER = ("schema", *TEXTS)
WIDTH_MAX = 100

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(document: MethodDocument) -> str:
    """Return a document as TOML; it has the same hash when it is read back.

    Errors: TERM-E10 if it holds a null that TOML cannot write, in a text or in its rules.

    >>> from steelyard.terms.documents import documents, parse_document
    >>> method = documents().get("paradex-pm")
    >>> parse_document(toml_text(method).encode(), "toml").digest() == method.digest()
    True
    """
    lines = [f"{name} = {_inline(getattr(document, name), name)}" for name in HEADER]
    lines += ["", "[units]", *_lines(document.units, "units", None)]
    lines += ["", "[parameters]", *_lines(document.parameters, "parameters", document.shape)]
    lines += ["", "[rules]", *_lines(document.rules, "rules", None)]
    return "\n".join(lines) + "\n"


def _lines(table: dict[str, Any], path: str, shape: Shape | None) -> list[str]:
    """Return a table's lines; a long list has a line for each item."""
    lines = []
    for name, each in table.items():
        of = _of(shape, name)
        text = f"{_key(name)} = {_inline(each, f'{path}.{name}', of)}"
        if len(text) > WIDTH_MAX and isinstance(each, list):
            items = [
                f"  {_inline(item, f'{path}.{name}[{i}]', _of(of, i))},"
                for i, item in enumerate(each)
            ]
            lines += [f"{_key(name)} = [", *items, "]"]
        else:
            lines.append(text)
    return lines


def _inline(value: Any, path: str, shape: Shape | tuple[Leaf, ...] | None = None) -> str:
    if value is None:
        if isinstance(shape, Leaf) and shape.unit in (*NUMBERS, "decimal"):
            return '"none"'
        raise refused(
            "TERM-E10", f"{path} is null", "TOML holds no null", "leave it out, or write JSON", path
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        items = [_inline(each, f"{path}[{i}]", _of(shape, i)) for i, each in enumerate(value)]
        return f"[{', '.join(items)}]"
    if isinstance(value, dict):
        fields = [
            f"{_key(name)} = {_inline(each, f'{path}.{name}', _of(shape, name))}"
            for name, each in value.items()
        ]
        return f"{{ {', '.join(fields)} }}" if fields else "{}"
    return repr(value)


def _of(shape: Shape | tuple[Leaf, ...] | None, name: str | int) -> Any:
    if isinstance(shape, Table):
        return shape.fields.get(str(name))
    if isinstance(shape, Keyed | Listed):
        return shape.of
    if isinstance(shape, Rows):
        return shape.leaves
    return shape[int(name)] if isinstance(shape, tuple) and int(name) < len(shape) else None


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for the delete character, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
