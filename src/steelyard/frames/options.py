"""The options of one call as columns: what was given, checked row by row.

A row with a bad value keeps its place, gets a status that names the column and the fault, and NaN
for every result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steelyard.frames.kinds import ColumnsGiven, FrameGiven, what_is_given
from steelyard.frames.read import Flags, Floats, instants, numbers, refuse, types

MICROS_PER_YEAR = 365.0 * 86_400e6
ABOVE_ZERO = frozenset({"forward", "spot", "strike"})
FREE = frozenset({"rate", "dividend_yield"})
OK = "ok"


class Options:
    """The options of one call.

    given: what holds them and takes the results. is_call, strike, time_years and level (the forward,
    or the spot) as arrays of one shape; rate and dividend_yield are None where they are not given.
    status: a code a row, 0 is good; `words` says what the others mean.
    """

    def __init__(
        self, first: object, arguments: Mapping[str, object], *, quoted: bool = False
    ) -> None:
        columns = dict(arguments)
        self.given: FrameGiven | ColumnsGiven = what_is_given(first, columns)
        if isinstance(self.given, ColumnsGiven):
            if first is not None and columns["is_call"] is not None:
                raise refuse(
                    "FRAM-E04", "the types are given twice",
                    "the first argument or is_call holds the types", "drop one", column="is_call",
                )  # fmt: skip
            columns["is_call"] = first if first is not None else columns["is_call"]
            self.given = ColumnsGiven(columns)
        self._columns = columns
        self.words = [OK]
        self.status = np.zeros(self.given.shape, dtype=np.intp)
        self.is_call = self._types()
        self.is_on_forward = self._raw("forward") is not None
        if not self.is_on_forward and self._raw("spot") is None:
            raise self.given.missing(("forward", "spot"))
        self.level = self._need("forward" if self.is_on_forward else "spot")
        self.strike = self._need("strike")
        self.measure = self._need("price" if quoted else "volatility")
        self.time_years = self._time()
        self.rate = self._maybe("rate")
        self.dividend_yield = None if self.is_on_forward else self._maybe("dividend_yield")

    @property
    def is_good(self) -> Flags:
        """Return which rows have no fault so far."""
        result: Flags = self.status == 0
        return result

    def fault(self, where: Flags, word: str) -> None:
        """Give the rows `where` a status, unless they have one already."""
        hit = where & self.is_good
        if hit.any():
            if word not in self.words:
                self.words.append(word)
            self.status[hit] = self.words.index(word)

    def status_words(self) -> np.ndarray[Any, Any]:
        """Return the status of every row in words."""
        return np.asarray(np.array(self.words, dtype=object)[self.status], dtype=object)

    def status_column(self) -> np.ndarray[Any, Any] | str:
        """Return the status of every row, or the one word for all of them if all are good."""
        return self.status_words() if self.status.any() else OK

    def kept(self, values: Floats) -> Floats:
        """Return the results with NaN in the rows that have a fault."""
        return np.where(self.is_good, values, np.nan)

    def _raw(self, name: str) -> object:
        return self.given.find(name, self._columns.get(name))

    def _spread(self, array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        try:
            return np.array(np.broadcast_to(array, self.given.shape), order="C")
        except ValueError:
            raise refuse(
                "FRAM-E04", f"{name} has {array.size} values for {self.given.shape} rows",
                "a column has a value for every row, or one for all", "give one for every row",
                column=name,
            ) from None  # fmt: skip

    def _types(self) -> Flags:
        for name in ("is_call", "type"):
            raw = self._raw(name)
            if raw is not None:
                flags, missing = types(raw, "type")
                self.fault(self._spread(missing, "type"), "type: missing")
                found: Flags = self._spread(flags, "type")
                return found
        raise self.given.missing(("type", "is_call"))

    def _need(self, name: str) -> Floats:
        values = self._maybe(name)
        if values is None:
            raise self.given.missing((name,))
        return values

    def _maybe(self, name: str) -> Floats | None:
        raw = self._raw(name)
        if raw is None:
            return None
        values: Floats = self._spread(numbers(raw, name), name)
        self._check(values, name)
        return values

    def _check(self, values: Floats, name: str) -> None:
        self.fault(np.isnan(values), f"{name}: missing")
        self.fault(np.isinf(values), f"{name}: not finite")
        if name in ABOVE_ZERO:
            self.fault(values <= 0.0, f"{name}: not above zero")
        elif name not in FREE:
            self.fault(values < 0.0, f"{name}: below zero")

    def _time(self) -> Floats:
        raw = self._raw("time_years")
        if raw is not None:
            values: Floats = self._spread(numbers(raw, "time_years"), "time_years")
            self.fault(np.isnan(values), "time_years: missing")
            self.fault(np.isinf(values), "time_years: not finite")
            self.fault(values < 0.0, "time_years: expiry is past")
            return values
        ends: list[Floats] = []
        for name in ("expiry", "as_of"):
            raw = self._raw(name)
            if raw is None:
                raise self.given.missing(("time_years", name) if name == "expiry" else (name,))
            ends.append(self._spread(instants(raw, name), name))
            self.fault(np.isnan(ends[-1]), f"{name}: missing")
        time: Floats = (ends[0] - ends[1]) / MICROS_PER_YEAR
        self.fault(time < 0.0, "expiry: past")
        return time
