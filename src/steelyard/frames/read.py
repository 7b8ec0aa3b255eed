"""One column as numpy: numbers, option types and instants, from whatever holds them.

A null becomes NaN, or a flag that it is missing. Text that cannot be read is an error with its row
(counted from 0), since it means that the column is not what its name says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from steelyard.quantities.errors import InputError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TYPES = {"call": True, "c": True, "put": False, "p": False}
NUMBERS = (bool, int, float, Decimal, np.number, np.bool_)
WORDS_MAX = 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def refuse(code: str, message: str, rule: str, cure: str, **where: object) -> InputError:
    """Return an error of a frame or a column."""
    return InputError(code, message, rule=rule, cure=cure, **where)


def is_scalar(raw: object) -> bool:
    """Return whether a value stands for every row."""
    return raw is None or isinstance(raw, (*NUMBERS, str, date, np.datetime64))


def series_of(raw: object) -> nw.Series[Any] | None:
    """Return a pandas or Polars Series or an Arrow array as narwhals has it, None for the rest."""
    if type(raw).__module__.partition(".")[0] == "pyarrow" and hasattr(raw, "cast"):
        import pyarrow as pa

        if isinstance(raw, pa.Array):
            raw = pa.chunked_array([raw])
    found: Any = nw.from_native(raw, allow_series=True, pass_through=True)
    return found if isinstance(found, nw.Series) else None


def items_of(raw: object) -> tuple[Sequence[Any], tuple[int, ...]]:
    """Return the single values of a column, None where one is missing, and the column's shape."""
    series = series_of(raw)
    if series is not None:
        items = series.to_list()
        return [None if _is_missing(item) else item for item in items], (len(items),)
    array = np.asarray(raw, dtype=object)
    return [None if _is_missing(item) else item for item in array.reshape(-1)], array.shape


def _is_missing(item: object) -> bool:
    """Tell None, NaN, NaT and pandas' NA: all but None differ from themselves or refuse to say."""
    if item is None:
        return True
    try:
        return bool(item != item)
    except TypeError:
        return True


def numbers(raw: object, name: str) -> Floats:
    """Return a column of numbers as float64 in its own shape; NaN where there is none."""
    series = series_of(raw)
    if series is not None and series.dtype.is_numeric() and series.dtype != nw.Decimal:
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    array = raw if isinstance(raw, np.ndarray) else None
    if array is not None and array.dtype.kind in "iuf":
        return array.astype(np.float64)
    items, shape = items_of(raw)
    values = [_number(item, name, row) for row, item in enumerate(items)]
    return np.array(values, dtype=np.float64).reshape(shape)


def _number(item: Any, name: str, row: int) -> float:
    if item is None:
        return np.nan
    is_flag = isinstance(item, bool | np.bool_)
    try:
        if not is_flag and isinstance(item, str | Decimal | int | float | np.number):
            return float(item)
    except (ValueError, OverflowError):
        pass
    raise refuse(
        "FRAM-E02", f"{name} is {item!r}, not a number", f"{name} holds numbers",
        "mend the value, or name the right column", row=row, column=name,
    )  # fmt: skip


def types(raw: object, name: str) -> tuple[Flags, Flags]:
    """Return (is_call, is_missing) of a column of option types.

    A type is a boolean (True is a call) or one of the words call, put, C and P in any case.
    """
    array = raw if isinstance(raw, np.ndarray) else None
    if array is not None and array.dtype == np.bool_:
        return array, np.zeros(array.shape, dtype=np.bool_)
    series = series_of(raw)
    whole = None if series is None else _types_at_once(series)
    if whole is not None:
        return whole
    items, shape = items_of(raw)
    known = {item: _is_call(item) for item in {i for i in items if isinstance(i, str)}}
    flags = np.zeros(len(items), dtype=np.bool_)
    missing = np.zeros(len(items), dtype=np.bool_)
    for row, item in enumerate(items):
        is_call = known[item] if isinstance(item, str) else item
        if item is None:
            missing[row] = True
        elif isinstance(is_call, bool | np.bool_):
            flags[row] = is_call
        else:
            raise refuse(
                "FRAM-E02", f"{name} is {item!r}, not an option type",
                "a type is call, put, C or P, or a boolean that is true for a call",
                "mend the value, or name the right column", row=row, column=name,
            )  # fmt: skip
    return flags.reshape(shape), missing.reshape(shape)


def _types_at_once(series: nw.Series[Any]) -> tuple[Flags, Flags] | None:
    """Return what `types` does for a Series of booleans or of few, good words, else None."""
    missing = np.asarray(series.is_null().to_numpy(), dtype=np.bool_)
    if series.dtype == nw.Boolean:
        flags = series.fill_null(False) if missing.any() else series
        return np.asarray(flags.to_numpy(), dtype=np.bool_), missing
    if series.dtype not in (nw.String, nw.Categorical, nw.Enum):
        return None
    texts = series.cast(nw.String)
    words = [word for word in texts.unique().to_list() if not _is_missing(word)]
    if len(words) > WORDS_MAX or any(_is_call(word) is None for word in words):
        return None  # slower, and names the row
    calls = texts.is_in([word for word in words if _is_call(word)])
    return np.asarray(calls.fill_null(False).to_numpy(), dtype=np.bool_), missing


def _is_call(word: str) -> bool | None:
    return TYPES.get(word.strip().lower())


def instants(raw: object, name: str) -> Floats:
    """Return a column of instants as µs since 1970 in UTC; NaN where there is none.

    An instant is a date and time, with its zone or in UTC, or such a text (ISO 8601). Whole numbers
    are refused, since they do not say their unit.
    """
    series = series_of(raw)
    if series is not None and series.dtype == nw.Datetime:
        # Nanoseconds and milliseconds alike come out as µs; a zone is already part of them.
        stamps = series.dt.timestamp("us")
        return np.asarray(stamps.cast(nw.Float64).to_numpy(), dtype=np.float64)
    array = np.asarray(raw) if isinstance(raw, np.ndarray | np.datetime64) else None
    if array is not None and array.dtype.kind == "M":
        stamp = array.astype("datetime64[us]")
        return np.where(np.isnat(stamp), np.nan, stamp.astype(np.int64).astype(np.float64))
    items, shape = items_of(raw)
    values = [_instant(item, name, row) for row, item in enumerate(items)]
    return np.array(values, dtype=np.float64).reshape(shape)


def _instant(item: Any, name: str, row: int) -> float:
    if item is None:
        return np.nan
    moment: Any = item
    if isinstance(item, str):
        try:
            moment = datetime.fromisoformat(item.strip())
        except ValueError:
            moment = None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if isinstance(moment, datetime):
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (zoned - EPOCH).total_seconds() * 1e6
    raise refuse(
        "FRAM-E02", f"{name} is {item!r}, not an instant",
        "an instant is a date and time, or such a text in ISO 8601",
        "convert the column, or give time_years", row=row, column=name,
    )  # fmt: skip
