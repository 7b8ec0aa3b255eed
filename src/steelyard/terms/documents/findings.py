"""What a linter says, and what its rules look at: a document's values with their names, units and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

from steelyard.terms.documents.document import MethodDocument
from steelyard.terms.documents.shapes import DEFAULT, Keyed, Leaf, Listed, Rows, Shape, Table

Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that a rule has to say about one field."""

    code: str
    severity: Severity
    field: str
    message: str
    rule: str
    cure: str


class Value(NamedTuple):
    """A value with a unit: where it stands, the words of its name, and the number if it is one.

    number: ppm are given as shares, exact decimals as floats; None if it is no number.
    """

    path: str
    name: str
    words: frozenset[str]
    unit: str
    number: float | None


class Group(NamedTuple):
    """The values of one table, by name."""

    path: str
    values: dict[str, Value]


class Sequence(NamedTuple):
    """A list: rows or tables of values, each as name → value; the names of rows are their places."""

    path: str
    name: str
    rows: list[dict[str, Value]]


class View(NamedTuple):
    """A document as the rules see it."""

    document: MethodDocument
    values: list[Value]
    groups: list[Group]
    sequences: list[Sequence]


Found = Iterator[tuple[str, str]]


class Rule(NamedTuple):
    """One rule: find yields (field, message) for everything that breaks it."""

    code: str
    severity: Severity
    rule: str
    cure: str
    find: Callable[[View], Found]


def view(document: MethodDocument) -> View:
    """Return what the rules look at."""
    seen = View(document, [], [], [])
    _see(seen, document.shape, document.parameters, "parameters", "")
    return seen


def applied(rules: Iterable[Rule], seen: View) -> list[Finding]:
    """Return what the rules find, in the order of the rules."""
    return [
        Finding(rule.code, rule.severity, field, message, rule.rule, rule.cure)
        for rule in rules
        for field, message in rule.find(seen)
    ]


def shown(number: float | None) -> str:
    """Return a number as a message shows it."""
    return "none" if number is None else f"{number:g}"


def _see(seen: View, shape: Shape, value: Any, path: str, name: str) -> None:
    if value is None:
        return
    if isinstance(shape, Leaf):
        seen.values.append(_value(shape, value, path, name))
    elif isinstance(shape, Table):
        _see_table(seen, shape, value, path)
    elif isinstance(shape, Keyed):
        for key, each in value.items():
            entry = shape.completed(each, value.get(DEFAULT))
            _see(seen, shape.of, entry, f"{path}.{key}", name)
    else:
        _see_list(seen, shape, value, path, name)


def _see_table(seen: View, shape: Table, value: dict[str, Any], path: str) -> None:
    own = {
        field: _value(of, value[field], f"{path}.{field}", field)
        for field, of in shape.fields.items()
        if isinstance(of, Leaf) and value.get(field) is not None
    }
    seen.groups.append(Group(path, own))
    for field, of in shape.fields.items():
        if field in value:
            _see(seen, of, value[field], f"{path}.{field}", field)


def _see_list(seen: View, shape: Rows | Listed, value: list[Any], path: str, name: str) -> None:
    rows: list[dict[str, Value]] = []
    for i, item in enumerate(value):
        place = f"{path}[{i}]"
        if isinstance(shape, Rows):
            row = {
                str(j): _value(leaf, item[j], f"{place}[{j}]", "")
                for j, leaf in enumerate(shape.leaves)
            }
            seen.values.extend(row.values())
            rows.append(row)
        elif isinstance(shape.of, Table):
            rows.append(
                {
                    field: _value(of, item.get(field), f"{place}.{field}", field)
                    for field, of in shape.of.fields.items()
                    if isinstance(of, Leaf)
                }
            )
            _see_table(seen, shape.of, item, place)
        elif isinstance(shape.of, Leaf):
            one = _value(shape.of, item, place, name)
            seen.values.append(one)
            rows.append({"0": one})
        else:
            _see(seen, shape.of, item, place, name)
    if rows:
        seen.sequences.append(Sequence(path, name, rows))


def _value(leaf: Leaf, value: Any, path: str, name: str) -> Value:
    number: float | None = None
    if leaf.unit == "ppm" and value is not None:
        number = value / 1_000_000
    elif leaf.unit == "decimal" and value is not None:
        number = float(Decimal(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    unit = f"{leaf.unit}={value}" if leaf.unit == "direction" else leaf.unit
    return Value(path, name, frozenset(name.lower().split("_")), unit, number)
