"""Results as tables of the kind that was given: pandas, Polars, lazy, Arrow, or a dict of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pyarrow as pa

EXACT = pa.decimal128(38, 9)
FEW = 1000  # rows below which a plain list is the shorter way to Arrow


class FrameKind(NamedTuple):
    """A frame of a library (lazy or not); library None is a dict of lists."""

    library: Any
    is_lazy: bool


def kind_of(frame: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> FrameKind:
    """Return what kind of frame one is."""
    return FrameKind(frame.implementation, isinstance(frame, nw.LazyFrame))


def table_of(kind: FrameKind, columns: Mapping[str, Any]) -> Any:
    """Return columns as one table of a kind.

    A column is an array of numbers (NaN becomes null, in pandas NaN), of booleans, or a sequence of texts,
    decimals, names or None.
    """
    table = pa.table({name: _array(name, column) for name, column in columns.items()})
    if kind.library is None:
        return table.to_pydict()
    if kind.library.is_pandas_like():
        return table.to_pandas()
    frame = nw.from_arrow(table, backend=kind.library)
    return frame.lazy().to_native() if kind.is_lazy else frame.to_native()


def _array(name: str, column: Any) -> Any:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        return pa.array(column, from_pandas=True)
    if isinstance(column, np.ndarray) and column.dtype != object:
        return pa.array(column)
    items = list(column)
    if any(isinstance(item, Decimal) for item in items):
        return pa.array(items, EXACT)
    if name in TEXTS or not items:
        return pa.array(items, pa.string())
    return pa.array(items)


TEXTS = frozenset(
    "underlying method version hash currency error part leaf words instrument scenario horizon "
    "side kind".split()
)


def taken(values: Sequence[Any], places: Any) -> Any:
    """Return values[places] as an Arrow array: names repeated without a Python object each.

    >>> taken(["a", "b"], np.array([1, 1, 0])).to_pylist()
    ['b', 'b', 'a']
    """
    if 0 < len(places) < FEW:
        found = [values[i] for i in places.tolist()]
        return pa.array(found, pa.string() if set(found) == {None} else None)
    known = pa.array(list(values)) if len(values) else pa.array([], pa.string())
    return known.take(pa.array(places, pa.int64()))


def constant(text: str, count: int) -> Any:
    """Return a text in every row.

    >>> constant("x", 2).to_pylist()
    ['x', 'x']
    """
    return taken([text], np.zeros(count, np.int64))
