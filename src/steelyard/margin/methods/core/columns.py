"""Functions over columns for formulas: our own exp, log and power, and a few of the field's.

Each takes numbers or arrays and keeps their shape. numpy's own exp and log may differ in their last
bit from machine to machine, so the kernels of `valuation.elementary` serve here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.valuation.black76 import COLUMN, RESULT
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import exp as exp_of
from steelyard.valuation.elementary import log as log_of
from steelyard.valuation.elementary import power as power_of
from steelyard.valuation.intrinsics import fma, rint

INDEX = types.Array(types.int64, 1, "C", readonly=True)
TABLE = types.Array(types.float64, 2, "C", readonly=True)
TABLE_OUT = types.Array(types.float64, 2, "C")


@kernel(types.void(COLUMN, RESULT))
def _fill_exp(x: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = exp_of(x[i])


@kernel(types.void(COLUMN, RESULT))
def _fill_log(x: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = log_of(x[i])


@kernel(types.void(COLUMN, COLUMN, RESULT))
def _fill_power(x: Any, y: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = power_of(x[i], y[i])


@kernel(types.void(COLUMN, INDEX, RESULT))
def _fill_sums(values: Any, starts: Any, out: Any) -> None:
    for g in range(starts.shape[0] - 1):
        total = 0.0
        for i in range(starts[g], starts[g + 1]):
            total += values[i]
        out[g] = total


@kernel(types.void(TABLE, INDEX, TABLE_OUT))
def _fill_row_sums(rows: Any, starts: Any, out: Any) -> None:
    for g in range(starts.shape[0] - 1):
        for c in range(rows.shape[1]):
            out[g, c] = 0.0
        for i in range(starts[g], starts[g + 1]):
            for c in range(rows.shape[1]):
                out[g, c] += rows[i, c]


def exp(value: ArrayLike) -> NDArray[np.float64]:
    """Return e^x.

    >>> float(exp(0.0))
    1.0
    """
    x = np.asarray(value, np.float64)
    out = np.empty(x.size)
    _fill_exp(np.ascontiguousarray(x.reshape(-1)), out)
    return out.reshape(x.shape)


def log(value: ArrayLike) -> NDArray[np.float64]:
    """Return ln x; NaN below zero.

    >>> float(log(1.0))
    0.0
    """
    x = np.asarray(value, np.float64)
    out = np.empty(x.size)
    _fill_log(np.ascontiguousarray(x.reshape(-1)), out)
    return out.reshape(x.shape)


def power(base: ArrayLike, exponent: ArrayLike) -> NDArray[np.float64]:
    """Return base^exponent for base > 0.

    >>> float(power(4.0, 0.5))
    2.0
    """
    x, y = np.broadcast_arrays(np.asarray(base, np.float64), np.asarray(exponent, np.float64))
    out = np.empty(x.size)
    _fill_power(np.ascontiguousarray(x.reshape(-1)), np.ascontiguousarray(y.reshape(-1)), out)
    return out.reshape(x.shape)


@inline
def round9_of(x: float) -> float:
    """Return x rounded to nine decimals, as the correctly rounded decimal of the float: Python's round.

    x·10⁹ is known exactly as p + e; where p lies half way between two integers, e decides. From 2²³ on
    a float's neighbours are further apart than the decimals, and x stays as it is.
    """
    p = x * 1e9
    e = fma(x, 1e9, -p)
    n = rint(p)
    d = p - n
    n += 1.0 if (d == 0.5 and e > 0.0) else 0.0
    n -= 1.0 if (d == -0.5 and e < 0.0) else 0.0
    return n / 1e9 if (x < 8_388_608.0 and x > -8_388_608.0) else x


@kernel(types.void(COLUMN, RESULT))
def _fill_round9(x: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = round9_of(x[i])


def round9(value: ArrayLike) -> NDArray[np.float64]:
    """Return the value rounded to nine decimals, as the correctly rounded decimal of the float.

    >>> float(round9(0.15246412672881357))
    0.152464127
    """
    x = np.asarray(value, np.float64)
    out = np.empty(x.size)
    _fill_round9(np.ascontiguousarray(x.reshape(-1)), out)
    return out.reshape(x.shape)


def brackets(value: Any, table: Sequence[Sequence[float | None]]) -> Any:
    """Return Σ (the part of the value inside each bracket)·(its multiplier), like a tax.

    table: rows [upper bound, multiplier] in rising order; the last bound is null, without end.

    >>> float(brackets(300_000.0, [[250_000, 1], [None, 2]]))
    350000.0
    """
    lower = 0.0
    total: Any = 0.0
    for bound, multiplier in table:
        inside = value if bound is None else _least(value, float(bound))
        total = total + _most(inside - lower, 0.0) * float(multiplier or 0.0)
        if bound is None:
            break
        lower = float(bound)
    return total


def _least(value: Any, bound: float) -> Any:
    return (
        value.picked("min", value, bound) if hasattr(value, "picked") else np.minimum(value, bound)
    )


def _most(value: Any, bound: float) -> Any:
    return (
        value.picked("max", value, bound) if hasattr(value, "picked") else np.maximum(value, bound)
    )


class Lists(list[Any]):
    """A list parameter of several underlyings, one list each."""


def largest(values: Any) -> Any:
    """Return the largest absolute value of a list, or of each of several lists.

    >>> largest([-0.2, 0.1]), largest(Lists([[0.1], [0.3, -0.4]])).tolist()
    (0.2, [0.1, 0.4])
    """
    if isinstance(values, Lists):
        return np.array([largest(each) for each in values])
    return max((abs(float(each)) for each in values), default=0.0)


def sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of each segment values[starts[g]:starts[g+1]], added in order.

    >>> sums(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 1, 3])).tolist()
    [1.0, 0.0, 6.0]
    """
    out = np.empty(len(starts) - 1)
    _fill_sums(np.ascontiguousarray(values, np.float64), starts, out)
    return out


def row_sums(rows: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of the rows of each segment rows[starts[g]:starts[g+1]], added in order.

    >>> row_sums(np.array([[1.0, 2.0], [4.0, 8.0]]), np.array([0, 2])).tolist()
    [[5.0, 10.0]]
    """
    out = np.empty((len(starts) - 1, rows.shape[1]))
    _fill_row_sums(np.ascontiguousarray(rows), starts, out)
    return out
