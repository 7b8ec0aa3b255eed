"""Tables: a Parquet or CSV file as checked columns, or a listed error that names file, row and field.

Times come out as int64 microseconds of UTC, numbers as float64, names as codes into a short list. A
missing number is NaN and a missing time is `NO_TIME`: whether such a row is dropped is decided by who
reads it, and counted there. Errors of this file: FEED-E01 unreadable file, FEED-E02 missing column,
FEED-E03 a column or a cell of the wrong type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from steelyard.quantities import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NO_TIME = -(2**62)
"""Stands for a missing time: before any window, and outside the bounds of every event."""

TABLE_SUFFIXES = (".parquet", ".csv", ".csv.gz")

_READ_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError)


def is_table(path: Path) -> bool:
    """Return whether the file's name says that it is one of the tables we read.

    >>> is_table(Path("a/bars.csv.gz")), is_table(Path("notes.md"))
    (True, False)
    """
    return path.name.lower().endswith(TABLE_SUFFIXES)


def column_types(path: Path) -> dict[str, Any]:
    """Return the Arrow type of every column; those of a CSV file are all text.

    Errors: FEED-E01.
    """
    with _reading(path):
        if _is_parquet(path):
            schema = pq.read_schema(path)
            return dict(zip(schema.names, schema.types, strict=True))
        with pacsv.open_csv(path) as reader:
            return {name: pa.string() for name in reader.schema.names}


def read_table(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = (), where: Any = None
) -> Any:
    """Return the Arrow table of the named columns; `optional` ones come if the file has them.

    `where` is an Arrow expression that keeps rows (pushed down to the row groups of a Parquet file,
    not used for CSV, whose cells are still text). Errors: FEED-E01, FEED-E02.
    """
    present = column_types(path)
    for name in columns:
        if name not in present:
            raise missing_column(path, name, list(present))
    wanted = list(columns) + [name for name in optional if name in present]
    with _reading(path):
        if _is_parquet(path):
            return pq.read_table(
                path,
                columns=wanted,
                filters=where,
                use_threads=False,
                page_checksum_verification=True,
            )
        options = pacsv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())
        )
        return pacsv.read_csv(path, convert_options=options)


def within(types: dict[str, Any], name: str, low_us: int, high_us: int) -> Any:
    """Return an expression that keeps rows with about low ≤ time < high, or without a time.

    Loose by a second on both sides, so that a coarser time unit loses no row; the exact choice is the
    reader's. A CSV column (text) gives no expression: its rows are chosen after they are read.
    """
    kind = types.get(name)
    if kind is None or not (pa.types.is_timestamp(kind) or pa.types.is_int64(kind)):
        return None
    low = pa.scalar(low_us - 1_000_000, pa.int64())
    high = pa.scalar(high_us + 1_000_000, pa.int64())
    if pa.types.is_timestamp(kind):
        exact = pa.timestamp("us", kind.tz)
        low = low.cast(exact).cast(kind, safe=False)
        high = high.cast(exact).cast(kind, safe=False)
    field = pc.field(name)
    return ((field >= low) & (field < high)) | field.is_null()


def times_us(path: Path, table: Any, name: str) -> Ints:
    """Return a column of times as microseconds of UTC; integers are taken to be that already.

    A timestamp without a zone is UTC. Text is digits (microseconds) or ISO 8601. Errors: FEED-E03.
    """
    column = table.column(name)
    kind = column.type
    if _is_text(kind):
        return _times_of_text(path, column, name)
    if pa.types.is_timestamp(kind):
        with _converting(path, name, kind, "a timestamp or int64 microseconds"):
            column = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
    elif not pa.types.is_integer(kind):
        raise wrong_type(path, name, kind, "a timestamp or int64 microseconds")
    return _integers(path, column, name, NO_TIME)


def integers(path: Path, table: Any, name: str, missing: int) -> Ints:
    """Return a column of whole numbers, with `missing` where there is none. Errors: FEED-E03."""
    column = table.column(name)
    if _is_text(column.type):
        column = _parsed(path, column, name, pa.int64(), "a whole number")
    elif not pa.types.is_integer(column.type):
        raise wrong_type(path, name, column.type, "whole numbers")
    return _integers(path, column, name, missing)


def floats(path: Path, table: Any, name: str) -> Floats:
    """Return a column of numbers as float64, NaN where there is none. Errors: FEED-E03."""
    column = table.column(name)
    kind = column.type
    if _is_text(kind):
        column = _parsed(path, column, name, pa.float64(), "a number")
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise wrong_type(path, name, kind, "numbers")
    with _converting(path, name, kind, "numbers"):
        filled = column.cast(pa.float64(), safe=False).fill_null(float("nan"))
        return np.asarray(filled.to_numpy(), dtype=np.float64)


def codes(path: Path, table: Any, name: str) -> tuple[Ints, list[str]]:
    """Return a column of names as codes into the sorted list of its different values.

    A missing name is the empty one. Errors: FEED-E03.
    """
    column = table.column(name)
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return np.zeros(len(column), dtype=np.int64), [""]
    if not _is_text(kind):
        raise wrong_type(path, name, kind, "text")
    with _converting(path, name, kind, "text"):
        column = column.cast(pa.string()).fill_null("")
        encoded = column.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        values = encoded.dictionary.to_pylist()
        order = sorted(range(len(values)), key=values.__getitem__)
        rank = np.empty(len(values), dtype=np.int64)
        rank[order] = np.arange(len(values))
        indices = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
        return (rank[indices] if len(values) else indices), [values[i] for i in order]


def missing_column(path: Path, name: str, present: Sequence[str]) -> InputError:
    """Return FEED-E02: the file lacks a column."""
    shown = ", ".join(sorted(present)[:20]) or "none"
    return InputError(
        "FEED-E02",
        f"column {name!r} is missing",
        rule="the file has the columns of its layout",
        cure=f"add or rename it; the file has: {shown}",
        file=path.name,
        field=name,
    )


def wrong_type(path: Path, name: str, kind: object, wanted: str) -> InputError:
    """Return FEED-E03: a column has a type that cannot hold what its layout says."""
    return InputError(
        "FEED-E03",
        f"column {name!r} has the type {kind}",
        rule=f"the column holds {wanted}",
        cure="write the file with the types of its layout",
        file=path.name,
        field=name,
    )


def unreadable(
    path: Path, what: str, rule: str = "the file is whole and of its stated format"
) -> InputError:
    """Return FEED-E01: the file cannot be read."""
    first_line = what.strip().splitlines()[0][:300] if what.strip() else "no further detail"
    return InputError(
        "FEED-E01",
        f"cannot read the file: {first_line}",
        rule=rule,
        cure="check the path, and copy or write the file again",
        file=str(path),
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise unreadable(path, "there is no such file", "a file exists and can be read")
    try:
        yield
    except InputError:
        raise
    except _READ_ERRORS as error:
        raise unreadable(path, str(error)) from None


@contextmanager
def _converting(path: Path, name: str, kind: object, wanted: str) -> Iterator[None]:
    try:
        yield
    except _READ_ERRORS:
        raise wrong_type(path, name, kind, wanted) from None


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _integers(path: Path, column: Any, name: str, missing: int) -> Ints:
    with _converting(path, name, column.type, "whole numbers of 64 bits"):
        filled = column.cast(pa.int64()).fill_null(missing)
        return np.asarray(filled.to_numpy(), dtype=np.int64)


def _blank_to_null(column: Any) -> Any:
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)


def _parsed(path: Path, column: Any, name: str, kind: Any, wanted: str) -> Any:
    with _converting(path, name, column.type, wanted):
        column = _blank_to_null(column)
    try:
        return column.cast(kind)
    except _READ_ERRORS:
        row, text = _first_bad(column, kind)
        raise _bad_cell(path, name, row, text, wanted) from None


def _times_of_text(path: Path, column: Any, name: str) -> Ints:
    wanted = "ISO 8601 text or whole microseconds"
    with _converting(path, name, column.type, wanted):
        column = _blank_to_null(column)
    kinds = (pa.int64(), pa.timestamp("us", "UTC"), pa.timestamp("us"))
    for kind in kinds:
        try:
            return _integers(path, column.cast(kind).cast(pa.int64()), name, NO_TIME)
        except _READ_ERRORS:
            continue
    # No one kind fits the whole column: name the first cell that the kind of the first cell refuses.
    bad = [_first_bad(column, kind) for kind in kinds]
    row, text = max(bad)
    raise _bad_cell(path, name, row, text, wanted)


def _first_bad(column: Any, kind: Any) -> tuple[int, str]:
    """Return (row from 1, text) of the first cell that cannot be cast, by halving the column."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(kind)
            low = middle
        except _READ_ERRORS:
            high = middle
    return low + 1, str(column[low].as_py())


def _bad_cell(path: Path, name: str, row: int, text: str, wanted: str) -> InputError:
    return InputError(
        "FEED-E03",
        f"{text[:80]!r} is not {wanted}",
        rule=f"every cell of the column is {wanted}",
        cure="mend or remove the row",
        file=path.name,
        row=row,
        field=name,
    )
