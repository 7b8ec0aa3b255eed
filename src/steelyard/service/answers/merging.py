"""One simulation's legs in one pass: what is held and what is traded, merged in the order of the rows.

The kernel writes two books one behind the other, the account and the account without its next expiry, what
the trades pay, and the sums of the Greeks by underlying, into a `Room` that a table keeps for it: to allocate
a dozen small arrays takes longer than to fill them. Its readable twin is `after`, by way of a case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.margin.methods.core.scan import COLUMN, FLAGS, INTS, LONGS, OUT, OUT2, TABLE
from steelyard.valuation.compiled import kernel, routine

Floats = NDArray[np.float64]
OUT_LONGS = types.Array(types.int64, 1, "C")
OUT_INTS = types.Array(types.int32, 1, "C")
SUMS = 7  # of an underlying: five Greeks, how many contracts, and the delta without the next expiry
CONTRACTS, PROJECTED = 5, 6


class Room:
    """Where one simulation at a time is merged: for a table of I rows of U underlyings, and S stated columns.

    starts (3,): where the legs of each book begin; rows, amounts (2 I,), stated (S, 2 I): the legs of both
    books; sums (U, SUMS). order, unit (I,): scratch, −1 and NaN between two simulations.
    """

    __slots__ = ("amounts", "one", "order", "rows", "starts", "stated", "sums", "unit")

    def __init__(self, size: int, underlyings: int, stated: int) -> None:
        self.starts = np.zeros(3, np.int64)
        self.one = self.starts[:2]
        self.rows = np.empty(2 * size, np.int32)
        self.amounts = np.empty(2 * size)
        self.stated = np.empty((stated, 2 * size))
        self.sums = np.empty((underlyings, SUMS))
        self.order = np.full(size, -1, np.int32)
        self.unit = np.full(size, np.nan)


@routine
def _paid(
    at: Any, traded: Any, gained: Any, value: Any, is_option: Any, stated: Any, mark_place: int,
    order: Any,
) -> float:  # fmt: skip
    """Return what the trades pay: premiums at the stated mark, else at the method's value, and gains."""
    total = 0.0
    for k in range(at.shape[0]):
        i = at[k]
        if is_option[i]:
            price = value[i]
            p = order[i]
            if mark_place >= 0 and p >= 0 and stated[mark_place, p] == stated[mark_place, p]:
                price = stated[mark_place, p]
            total += traded[k] * price
        else:
            total += gained[k]
    return total


@routine
def _second_book(
    n: int, nearest: float, is_option: Any, is_dated: Any, seconds: Any, underlying: Any,
    greeks: Any, delta_place: int, rows: Any, amounts: Any, stated_out: Any, sums: Any,
) -> int:  # fmt: skip
    """Add up the Greeks of the n legs, and write behind them those that do not expire next."""
    m = n
    sums[:] = 0.0
    for j in range(n):
        i, quantity = rows[j], amounts[j]
        u = underlying[i]
        delta = quantity * greeks[i, 0]
        option_delta = quantity * greeks[i, 1]
        if delta_place >= 0 and stated_out[delta_place, j] == stated_out[delta_place, j]:
            delta = quantity * stated_out[delta_place, j]
            option_delta = delta if is_option[i] else 0.0
        sums[u, 0] += delta
        sums[u, 1] += option_delta
        for g in range(2, greeks.shape[1]):
            sums[u, g] += quantity * greeks[i, g]
        is_contract = is_option[i] or greeks[i, 0] != 0.0
        sums[u, CONTRACTS] += 1.0 if is_contract else 0.0
        if not is_dated[i] or seconds[i] != nearest:
            sums[u, PROJECTED] += delta
            rows[m], amounts[m] = i, quantity
            for s in range(stated_out.shape[0]):
                stated_out[s, m] = stated_out[s, j]
            m += 1
    return m


@kernel(
    types.float64(
        LONGS, COLUMN, TABLE, LONGS, COLUMN, COLUMN, COLUMN, FLAGS, FLAGS, COLUMN, INTS, TABLE,
        types.int64, types.int64, OUT_INTS, OUT, OUT_LONGS, OUT_INTS, OUT, OUT2, OUT2,
    ),
    allocates=False,
)  # fmt: skip
def fill_books(
    held: Any, sizes: Any, stated: Any, at: Any, traded: Any, gained: Any, value: Any,
    is_option: Any, is_dated: Any, seconds: Any, underlying: Any, greeks: Any, mark_place: int,
    delta_place: int, order: Any, unit: Any, starts: Any, rows: Any, amounts: Any,
    stated_out: Any, sums: Any,
) -> float:  # fmt: skip
    """Write the legs of both books and their Greeks; return what the trades pay in all.

    held (P,) rising rows, sizes (P,), stated (S, P); at (K,) rows of the trades, traded (K,), gained (K,)
    what a linear trade pays; value, is_option, is_dated, seconds, underlying, greeks: of the table.
    mark_place, delta_place: rows of `stated` that hold marks and deltas, −1 for none. order to sums: of a
    `Room`. NaN where a contract is traded twice or an amount is no number.
    """
    is_good = True
    for p in range(held.shape[0]):
        order[held[p]] = p
    total = _paid(at, traded, gained, value, is_option, stated, mark_place, order)
    n = 0
    size = is_option.shape[0]
    for k in range(at.shape[0]):
        # A size that is no number, or a second one in a contract, is for the case to refuse.
        is_good = is_good and traded[k] == traded[k] and unit[at[k]] != unit[at[k]]
        unit[at[k]] = traded[k]
    nearest = np.inf
    for i in range(size):
        p, more = order[i], unit[i]
        is_traded = more == more
        if p < 0 and not is_traded:
            continue
        quantity = sizes[p] if p >= 0 else 0.0
        if is_traded:
            quantity = quantity + more
        rows[n], amounts[n] = i, quantity
        is_good = is_good and np.isfinite(quantity)
        for s in range(stated_out.shape[0]):
            stated_out[s, n] = stated[s, p] if p >= 0 else np.nan
        if is_traded and is_option[i] and mark_place >= 0:
            mark = stated_out[mark_place, n]
            stated_out[mark_place, n] = mark if mark == mark else value[i]
        if is_dated[i] and seconds[i] < nearest:
            nearest = seconds[i]
        n += 1
        order[i], unit[i] = -1, np.nan
    starts[1] = n
    starts[2] = _second_book(
        n, nearest, is_option, is_dated, seconds, underlying, greeks, delta_place, rows, amounts,
        stated_out, sums,
    )  # fmt: skip
    return total if is_good and np.isfinite(total) else np.nan
