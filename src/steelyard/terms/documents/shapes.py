"""Shapes: [units] compiled into what checks a tree of parameters and what merges overrides into it.

"ratio"               a value of that unit
{ list = SHAPE }      any number of them
{ rows = [u1, u2] }   any number of arrays of that length, one unit a place
{ table = { … } }     fixed fields; a table without one of these four words is the same
{ keyed = SHAPE }     one entry an underlying, asset or instrument; "default" is what an entry leaves out
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from steelyard.quantities import TermsError
from steelyard.terms.documents.faults import refused, unknown_name
from steelyard.terms.documents.units import NUMBERS, Unfit, admitting, plain_text

WORDS = ("list", "rows", "table", "keyed")
DEPTH_MAX = 16
ITEMS_MAX = 10_000
DEFAULT = "default"


class Leaf:
    """One value of one unit."""

    __slots__ = ("admits", "is_optional", "unit")

    def __init__(self, unit: str, field: str) -> None:
        self.unit: str
        self.is_optional: bool
        self.admits: Callable[[Any], Any]
        self.unit, self.is_optional, self.admits = admitting(unit, field)

    def check(self, value: Any, path: str) -> Any:
        """Return the value in the form of its unit. Errors: TERM-E13."""
        if value is None and self.is_optional:
            return None
        try:
            return self.admits(value)
        except Unfit as error:
            # TOML has no null: a number that may be missing says "none".
            if self.is_optional and value == "none" and self.unit in (*NUMBERS, "decimal"):
                return None
            raise _unfit(value, path, self.unit, str(error)) from None

    def merge(self, base: Any, value: Any, path: str) -> Any:  # noqa: ARG002  # one signature for all
        """Return the new value in its form. Errors: TERM-E13."""
        if isinstance(value, float) and self.unit == "decimal":
            # A case's number was written in decimal: its shortest text is what was written.
            value = Decimal(repr(value))
        return self.check(value, path)


class Rows:
    """Arrays of fixed length."""

    __slots__ = ("admits", "leaves")
    is_optional = False

    def __init__(self, units: Any, field: str) -> None:
        if not isinstance(units, list) or not units or not all(isinstance(u, str) for u in units):
            raise _no_shape(f"{field}.rows", "rows = [unit, unit, …]")
        self.leaves = tuple(Leaf(u, f"{field}.rows[{i}]") for i, u in enumerate(units))
        self.admits = tuple(leaf.admits for leaf in self.leaves)

    def check(self, value: Any, path: str) -> Any:
        """Return the rows, each place in the form of its unit. Errors: TERM-E13."""
        items = _items(value, path)
        try:
            # Sound rows need no names of their places.
            return [self._sound(row) for row in items]
        except Unfit:
            return [self._named(row, f"{path}[{i}]") for i, row in enumerate(items)]

    def _sound(self, row: Any) -> list[Any]:
        if not isinstance(row, list | tuple) or len(row) != len(self.admits):
            raise Unfit
        return [admits(each) for admits, each in zip(self.admits, row, strict=True)]

    def _named(self, row: Any, path: str) -> list[Any]:
        """Return a row place by place, so that a fault says where it stands."""
        width = len(self.leaves)
        if not isinstance(row, list | tuple) or len(row) != width:
            said = " and ".join(leaf.unit for leaf in self.leaves)
            raise _unfit(row, path, "row", f"an array of {width}: {said}")
        return [leaf.check(row[j], f"{path}[{j}]") for j, leaf in enumerate(self.leaves)]

    def merge(self, base: Any, value: Any, path: str) -> Any:  # noqa: ARG002  # one signature for all
        """Return the new rows: a list replaces the whole list."""
        return self.check(value, path)


class Listed:
    """Any number of one shape."""

    __slots__ = ("of",)
    is_optional = False

    def __init__(self, of: Any, field: str, depth: int) -> None:
        self.of = compile_shape(of, f"{field}.list", depth + 1)

    def check(self, value: Any, path: str) -> Any:
        """Return the items in their form, tables complete. Errors: TERM-E13, TERM-E14."""
        of = self.of
        items = [of.check(each, f"{path}[{i}]") for i, each in enumerate(_items(value, path))]
        if isinstance(of, Table):
            for i, item in enumerate(items):
                of.require(item, f"{path}[{i}]")
        return items

    def merge(self, base: Any, value: Any, path: str) -> Any:  # noqa: ARG002  # one signature for all
        """Return the new items: a list replaces the whole list."""
        return self.check(value, path)


class Table:
    """Fixed fields; one that is left out is asked for when the method needs it."""

    __slots__ = ("fields",)
    is_optional = False

    def __init__(self, fields: Any, field: str, depth: int) -> None:
        if not isinstance(fields, dict):
            raise _no_shape(field, "table = { name = SHAPE }")
        self.fields: dict[str, Shape] = {
            name: compile_shape(each, f"{field}.{name}", depth + 1) for name, each in fields.items()
        }

    def check(self, value: Any, path: str) -> Any:
        """Return the fields in their form. Errors: TERM-E13, TERM-E14."""
        fields = self.fields
        checked = {}
        for name, each in _entries(value, path):
            if name not in fields:
                raise unknown_name(name, fields, path)
            checked[name] = fields[name].check(each, f"{path}.{name}")
        return checked

    def require(self, value: dict[str, Any], path: str) -> None:
        """Raise TERM-E13 if a field is missing that may not be left out."""
        for name, shape in self.fields.items():
            if name not in value and not shape.is_optional:
                field = f"{path}.{name}"
                raise refused(
                    "TERM-E13", f"{field} is missing", "a table within a list is complete",
                    f"add {name}, or put a ? behind its unit", field,
                )  # fmt: skip

    def merge(self, base: Any, value: Any, path: str) -> Any:
        """Return the table with the fields given put over those it has."""
        fields = self.fields
        merged = dict(base) if isinstance(base, dict) else {}
        for name, each in _entries(value, path):
            if name not in fields:
                raise unknown_name(name, fields, path)
            merged[name] = fields[name].merge(merged.get(name), each, f"{path}.{name}")
        return merged


class Keyed:
    """One entry an underlying, asset or instrument."""

    __slots__ = ("of",)
    is_optional = False

    def __init__(self, of: Any, field: str, depth: int) -> None:
        self.of = compile_shape(of, f"{field}.keyed", depth + 1)

    def check(self, value: Any, path: str) -> Any:
        """Return the entries in their form. Errors: TERM-E13, TERM-E14."""
        return {name: self.of.check(each, f"{path}.{name}") for name, each in _entries(value, path)}

    def merge(self, base: Any, value: Any, path: str) -> Any:
        """Return the entries with those given put over theirs, a new one over `default`."""
        merged = dict(base) if isinstance(base, dict) else {}
        of = self.of
        given = dict(_entries(value, path))
        if DEFAULT in given:
            merged[DEFAULT] = of.merge(merged.get(DEFAULT), given.pop(DEFAULT), f"{path}.default")
        for name, each in given.items():
            merged[name] = of.merge(merged.get(name, merged.get(DEFAULT)), each, f"{path}.{name}")
        return merged

    def completed(self, entry: Any, default: Any) -> Any:
        """Return the entry with what it leaves out taken from the default entry."""
        if not isinstance(entry, dict) or not isinstance(default, dict):
            return entry
        if all(name in entry for name in default):
            return entry
        return {**default, **entry}


Shape = Leaf | Rows | Listed | Table | Keyed


def compile_shape(units: Any, field: str, depth: int = 0) -> Shape:
    """Return the shape that a tree of units describes. Errors: TERM-E12 with the field.

    >>> compile_shape({"rows": ["ratio", "direction"]}, "units.moves").check([[1, "up"]], "moves")
    [[1.0, 'up']]
    """
    if depth > DEPTH_MAX:
        raise _no_shape(field, f"tables within tables at most {DEPTH_MAX} deep")
    if isinstance(units, str):
        return Leaf(units, field)
    if not isinstance(units, dict):
        raise _no_shape(field, 'a unit as "ratio", or one of list, rows, table, keyed')
    for name in units:
        _checked_name(name, field)
    found = [word for word in WORDS if word in units]
    if found and len(units) > 1:
        raise _no_shape(
            field, f"{found[0]} stands alone; a field of that name goes into table = {{ … }}"
        )
    if "list" in units:
        return Listed(units["list"], field, depth)
    if "rows" in units:
        return Rows(units["rows"], field)
    if "keyed" in units:
        return Keyed(units["keyed"], field, depth)
    return Table(units.get("table", units), field, depth)


def _items(value: Any, path: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple) or len(value) > ITEMS_MAX:
        raise _unfit(value, path, "list", f"a list of at most {ITEMS_MAX}")
    return value


def _entries(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise _unfit(value, path, "table", "a table")
    for name in value:
        _checked_name(name, path)
    return list(value.items())


def _checked_name(name: Any, path: str) -> None:
    try:
        if isinstance(name, str) and name:
            plain_text(name)
            return
    except Unfit:
        pass
    raise refused(
        "TERM-E13", f"{path} has a name that cannot be used: {str(name)[:40]!r}",
        "a name is a text with at least one character", "rename it", path,
    )  # fmt: skip


def _unfit(value: Any, path: str, unit: str, asked: str) -> TermsError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    cure = "write the number, not its text" if isinstance(value, str) and unit in NUMBERS else (
        f"correct the value, or its unit ({unit})"
    )  # fmt: skip
    return refused("TERM-E13", f"{path} is {shown}", f"{unit}: {asked}", cure, path)


def _no_shape(field: str, rule: str) -> TermsError:
    return refused(
        "TERM-E12", f"{field} does not describe a shape", rule,
        "see the published schema: steelyard methods schema", field,
    )  # fmt: skip
