"""What was given, and results in the same shape: a frame, Series, Arrow arrays, numpy, one number.

In Polars and Arrow a result that is not there is null, in pandas, numpy and a single number NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from steelyard.frames.read import is_scalar, refuse, series_of

Results = Mapping[str, NDArray[Any] | str]


class FrameGiven:
    """One frame: arguments name its columns, results are added to it."""

    def __init__(self, frame: nw.DataFrame[Any], is_lazy: bool) -> None:
        self.frame = frame
        self.is_lazy = is_lazy

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape that every column is brought to."""
        return (len(self.frame),)

    def find(self, name: str, given: object) -> object:
        """Return the column for an argument: the one it names, else one of its own name, else None.

        given: None, a value that stands for every row, a column, or the name of a column.
        """
        if given is None:
            return self.frame[name] if name in self.frame.columns else None
        if isinstance(given, str) and given in self.frame.columns:
            return self.frame[given]
        return given

    def missing(self, names: tuple[str, ...]) -> Exception:
        """Return the error for an input that is in none of the columns `names`."""
        columns = [str(column) for column in self.frame.columns]
        near = [hit for name in names for hit in get_close_matches(name, columns, 1, 0.7)]
        wanted = " or ".join(names)
        hint = f"; is it {near[0]!r}?" if near else ""
        return refuse(
            "FRAM-E01", f"there is no column {wanted}{hint}",
            f"an option has a {wanted}",
            f"rename a column, or name it as in {names[0]}={near[0] if near else 'my_column'!r}",
            column=names[0], columns=", ".join(columns),
        )  # fmt: skip

    def answer(self, results: Results, prefix: str) -> Any:
        """Return the frame with the results as further columns; a text stands for every row."""
        frame = self.frame
        for name, values in results.items():
            column = prefix + name
            if column in frame.columns:
                raise refuse(
                    "FRAM-E03", f"the frame has a column {column!r} already",
                    "results do not overwrite columns",
                    'give a prefix, as in prefix="model_", or drop the column', column=column,
                )  # fmt: skip
            if isinstance(values, str):
                frame = frame.with_columns(nw.lit(values, nw.String).alias(column))
                continue
            is_text = values.dtype == object
            dtype: Any = nw.String if is_text else nw.Float64
            if values.dtype == np.bool_:
                is_text, dtype = True, nw.Boolean
            items = values.tolist() if is_text else values
            backend = frame.implementation
            frame = frame.with_columns(nw.new_series(column, items, dtype, backend=backend))
            if not is_text and np.isnan(values).any():
                kept = nw.when(~nw.col(column).is_nan()).then(nw.col(column))
                frame = frame.with_columns(kept.alias(column))
        return frame.lazy().to_native() if self.is_lazy else frame.to_native()


class ColumnsGiven:
    """Columns one by one: results are of the kind of the first that is a Series or an array."""

    def __init__(self, columns: Mapping[str, object]) -> None:
        self.model: Any = None
        self.shape: tuple[int, ...] = ()
        self.is_single = True
        index: Any = None
        for name, raw in columns.items():
            if is_scalar(raw):
                continue
            self.is_single = False
            series = series_of(raw)
            shape = (len(series),) if series is not None else np.shape(np.asarray(raw))
            self._widen(shape, name)
            if series is None:
                continue
            if self.model is None:
                self.model = raw
            if series.implementation.is_pandas():
                index = self._same_index(index, series.to_native().index, name)

    def _widen(self, shape: tuple[int, ...], name: str) -> None:
        try:
            self.shape = np.broadcast_shapes(self.shape, shape)
        except ValueError:
            raise refuse(
                "FRAM-E04", f"{name} has the shape {shape}, the columns before it {self.shape}",
                "columns have one length, or one value for all rows",
                "give columns of one length", column=name,
            ) from None  # fmt: skip

    @staticmethod
    def _same_index(index: Any, other: Any, name: str) -> Any:
        if index is not None and not index.equals(other):
            raise refuse(
                "FRAM-E04", f"{name} has another index than the Series before it",
                "Series of one call have one index", "align them, or give one frame", column=name,
            )  # fmt: skip
        return other

    def find(self, name: str, given: object) -> object:
        """Return what was given."""
        del name
        return given

    def missing(self, names: tuple[str, ...]) -> Exception:
        """Return the error for an input that was not given."""
        wanted = " or ".join(names)
        return refuse(
            "FRAM-E01", f"{wanted} is not given", f"an option has a {wanted}",
            f"pass {names[0]}=…, or a frame with such a column", column=names[0],
        )  # fmt: skip

    def answer_one(self, name: str, values: NDArray[Any]) -> Any:
        """Return one result in the kind of the input."""
        if self.is_single:
            return values.reshape(-1)[0] if values.dtype == object else float(values.reshape(-1)[0])
        if self.model is None:
            return values
        root = type(self.model).__module__.partition(".")[0]
        if root == "pandas":
            return type(self.model)(values, index=self.model.index, name=name)
        holes = [None if item != item else item for item in values.tolist()]
        if root == "pyarrow":
            import pyarrow as pa

            return pa.array(holes)
        dtype = nw.String if values.dtype == object else nw.Float64
        backend = nw.get_native_namespace(self.model)
        return nw.new_series(name, holes, dtype, backend=backend).to_native()


def what_is_given(first: object, others: Mapping[str, object]) -> FrameGiven | ColumnsGiven:
    """Return how the first argument and the others are to be read."""
    found: Any = nw.from_native(first, pass_through=True)
    if isinstance(found, nw.LazyFrame):
        return FrameGiven(found.collect(), True)
    if isinstance(found, nw.DataFrame):
        return FrameGiven(found, False)
    return ColumnsGiven(others)
