"""What differs between two documents: header, units, parameters and rules, path by path."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

import msgspec

from steelyard.terms.documents.document import TEXTS, MethodDocument
from steelyard.terms.documents.shapes import Keyed, Leaf, Listed, Rows, Shape, Table


class Change(msgspec.Struct, frozen=True):
    """One difference. before, after: the values; absent stands for None.

    is_added, is_removed: the value stands in one document only. relative_change: after/before − 1 of
    two numbers, None if there is none. unit: of the value, or "" outside the parameters.
    """

    path: str
    before: Any
    after: Any
    relative_change: float | None
    unit: str
    is_added: bool = False
    is_removed: bool = False


class _Absent:
    """The side on which a value does not stand."""


ABSENT = _Absent()


def difference(a: MethodDocument, b: MethodDocument) -> list[Change]:
    """Return what changes from a to b, in the order header, parameters, units, rules.

    Rows of lists are matched: a row that was put in or taken out is one change and does not shift
    those behind it. A path holds the place in `a`, and for what was added that in `b`.

    >>> from steelyard.terms.documents import documents
    >>> method = documents().get("paradex-pm")
    >>> [each] = difference(method, method.with_parameters({"net_delta_rate": 0.03}))
    >>> each.path, each.before, each.after, round(each.relative_change, 3), each.unit
    ('parameters.net_delta_rate', 0.02, 0.03, 0.5, 'ratio')
    """
    changes: list[Change] = []
    for name in TEXTS:
        changes += _changes(name, getattr(a, name), getattr(b, name), None)
    left, right = a.shape, b.shape
    units = Table({}, "units", 0)
    units.fields = {**right.fields, **left.fields}
    changes += _changes("parameters", a.parameters, b.parameters, units)
    changes += _changes("units", a.units, b.units, None)
    changes += _changes("rules", a.rules, b.rules, None)
    return changes


def _changes(path: str, before: Any, after: Any, shape: Shape | None) -> Iterator[Change]:
    if before is not ABSENT and after is not ABSENT and _same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _changes(
                f"{path}.{name}",
                before.get(name, ABSENT),
                after.get(name, ABSENT),
                _field(shape, name),
            )
    elif isinstance(before, list) and isinstance(after, list):
        yield from _rows(path, before, after, shape)
    else:
        yield Change(
            path,
            None if before is ABSENT else before,
            None if after is ABSENT else after,
            _relative(before, after, shape),
            shape.unit if isinstance(shape, Leaf) else "",
            before is ABSENT,
            after is ABSENT,
        )


def _rows(path: str, before: list[Any], after: list[Any], shape: Shape | None) -> Iterator[Change]:
    """Yield the changes of a list: rows in one place compared field by field, others put in or out."""
    old, new = [repr(_number(row)) for row in before], [repr(_number(row)) for row in after]
    for tag, i0, i1, j0, j1 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        paired = min(i1 - i0, j1 - j0)
        for k in range(paired):
            yield from _row(f"{path}[{i0 + k}]", before[i0 + k], after[j0 + k], shape)
        of = shape.of if isinstance(shape, Listed) else None
        for i in range(i0 + paired, i1):
            yield from _changes(f"{path}[{i}]", before[i], ABSENT, of)
        for j in range(j0 + paired, j1):
            yield from _changes(f"{path}[{j}]", ABSENT, after[j], of)


def _row(path: str, before: Any, after: Any, shape: Shape | None) -> Iterator[Change]:
    """Yield the changes between two rows; those of fixed length place by place."""
    if isinstance(shape, Rows):
        # Another document may have given the parameter another shape.
        are_rows = isinstance(before, list) and isinstance(after, list)
        if are_rows and len(before) == len(after) == len(shape.leaves):
            for i, leaf in enumerate(shape.leaves):
                yield from _changes(f"{path}[{i}]", before[i], after[i], leaf)
        else:
            yield Change(path, before, after, None, "")
    else:
        yield from _changes(path, before, after, shape.of if isinstance(shape, Listed) else None)


def _field(shape: Shape | None, name: str) -> Shape | None:
    if isinstance(shape, Table):
        return shape.fields.get(name)
    return shape.of if isinstance(shape, Keyed) else None


def _number(value: Any) -> Any:
    """Return a tree in which 1 and 1.0 are the same."""
    if isinstance(value, list):
        return [_number(each) for each in value]
    if isinstance(value, dict):
        return {name: _number(each) for name, each in sorted(value.items())}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and value == int(value) else value


def _same(before: Any, after: Any) -> bool:
    # A bool equals 0 or 1 in Python, and is another value in a document.
    return before is after or repr(_number(before)) == repr(_number(after))


def _relative(before: Any, after: Any, shape: Shape | None) -> float | None:
    if isinstance(shape, Leaf) and shape.unit == "decimal":
        if not (isinstance(before, str) and isinstance(after, str)):
            return None
        before, after = Decimal(before), Decimal(after)
    for each in (before, after):
        if isinstance(each, bool) or not isinstance(each, int | float | Decimal):
            return None
    if before == 0:
        return None
    return float(after) / float(before) - 1.0
