"""The cap of many books at once: what each loses at most from its marks, with each leg's share.

The columns' twin of `defined_risk_cap`: the same minimum over settlement at zero, at every strike and beyond
the last (see `payoff` for the proof), in floats. Sums are fused and in the order of the legs. What a sum of
quantities may miss by rounding is no open end: 0.1 + 0.2 − 0.3 sold calls are none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.valuation.compiled import inline, kernel, routine
from steelyard.valuation.intrinsics import fma

CALL, PUT, LINEAR = 0, 1, 2
UNDATED = -1

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
COLUMN = types.Array(types.float64, 1, "C", readonly=True)
INTS = types.Array(types.int32, 1, "C", readonly=True)
LONGS = types.Array(types.int64, 1, "C", readonly=True)
OUT = types.Array(types.float64, 1, "C")

ROUNDING = 2.0**-51
"""Share of Σ |addends| that each addition may have cost a sum, at most."""


class Settling(NamedTuple):
    """What instruments (I,) pay when they settle.

    kind: CALL, PUT or LINEAR (perpetual, future, coin). underlying: those of one number share the price at
    which they settle. date: of its expiry, UNDATED for what has none. strike: USD. size: units of the
    underlying that one pays for. mark: value of one option in the settlement currency; USD price of the others.
    """

    kind: Ints
    underlying: Ints
    date: Ints
    strike: Floats
    size: Floats
    mark: Floats


@inline
def gain_at(kind: int, strike: float, mark: float, price: float) -> float:
    """Return the USD that one unit of the underlying pays at a price; of linear legs, from the mark."""
    if kind == LINEAR:
        return price - mark
    inside = price - strike if kind == CALL else strike - price
    return inside if inside > 0.0 else 0.0


@inline
def paid_at(kind: int, strike: float, mark: float, price: float, in_coins: bool) -> float:
    """Return what one unit of the underlying pays at a price, in dollars or in coins."""
    if price == np.inf:
        return 0.0 if kind == PUT else 1.0
    gain = gain_at(kind, strike, mark, price)
    return gain / price if in_coins else gain


@routine
def _has_no_end(
    legs: tuple[int, int, int], instrument: Any, quantity: Any, settling: Any, in_coins: bool
) -> bool:
    """Return whether legs of one underlying lose without end, or settle at different times.

    legs: first, end, underlying. The open end is an endless price, in coins a price of zero.
    """
    first, end, own = legs
    kind, underlying, date, strike, size, mark = settling
    together = UNDATED
    is_apart = False
    tail, addends = 0.0, 0.0
    for p in range(first, end):
        i = instrument[p]
        if underlying[i] != own or quantity[p] == 0.0:
            continue
        if date[i] != UNDATED:
            is_apart |= together != UNDATED and together != date[i]
            together = date[i]
        if in_coins:
            each = size[i] * gain_at(kind[i], strike[i], mark[i], 0.0)
        else:
            each = 0.0 if kind[i] == PUT else size[i]
        tail = fma(quantity[p], each, tail)
        addends = fma(abs(quantity[p]), abs(each), addends)
    return is_apart or tail < -(end - first + 1) * ROUNDING * addends


@routine
def _worth(
    legs: tuple[int, int, int], instrument: Any, quantity: Any, settling: Any, price: float, in_coins: bool
) -> float:  # fmt: skip
    """Return what legs of one underlying pay at a price; of linear ones from their marks."""
    first, end, own = legs
    kind, underlying, _, strike, size, mark = settling
    worth = 0.0
    for p in range(first, end):
        i = instrument[p]
        if underlying[i] == own and quantity[p] != 0.0:
            each = paid_at(kind[i], strike[i], mark[i], price, in_coins)
            worth = fma(quantity[p], size[i] * each, worth)
    return worth


@routine
def _worst_price(
    legs: tuple[int, int, int], instrument: Any, quantity: Any, settling: Any, in_coins: bool
) -> float:
    """Return where the payoff is least: in coins of an endless price, else of zero, and of the strikes."""
    first, end, own = legs
    at = np.inf if in_coins else 0.0
    least = _worth(legs, instrument, quantity, settling, at, in_coins)
    for candidate in range(first, end):
        i = instrument[candidate]
        strike = settling[3][i]
        is_knot = settling[0][i] != LINEAR and quantity[candidate] != 0.0 and strike > 0.0
        if settling[1][i] == own and is_knot:
            worth = _worth(legs, instrument, quantity, settling, strike, in_coins)
            if worth < least:
                least, at = worth, strike
    return at


@routine
def _fill_shares(
    legs: tuple[int, int, int], instrument: Any, quantity: Any, settling: Any, in_coins: bool, share: Any
) -> float:  # fmt: skip
    """Write each leg's mark less its payoff at the worst price; return what they lose there."""
    first, end, own = legs
    kind, underlying, _, strike, size, mark = settling
    at = _worst_price(legs, instrument, quantity, settling, in_coins)
    cost, spoilt = 0.0, 0.0
    for p in range(first, end):
        i = instrument[p]
        if underlying[i] == own and quantity[p] != 0.0:
            paid = 0.0 if kind[i] == LINEAR else mark[i]
            share[p] = paid - size[i] * paid_at(kind[i], strike[i], mark[i], at, in_coins)
            cost = fma(quantity[p], paid, cost)
            spoilt += mark[i] * 0.0  # a mark that is no number leaves none
    return cost - _worth(legs, instrument, quantity, settling, at, in_coins) + spoilt


@kernel(
    types.void(
        INTS, COLUMN, LONGS, INTS, INTS, INTS, COLUMN, COLUMN, COLUMN, types.boolean, OUT, OUT
    )
)
def fill_maximum_losses(
    instrument: Any, quantity: Any, starts: Any, kind: Any, underlying: Any, date: Any, strike: Any,
    size: Any, mark: Any, in_coins: bool, out: Any, share: Any,
) -> None:  # fmt: skip
    """Write the maximum loss of each book and the shares of its legs; infinity where there is none."""
    settling = (kind, underlying, date, strike, size, mark)
    for b in range(starts.shape[0] - 1):
        begin, end = starts[b], starts[b + 1]
        total = 0.0
        underlyings = 0
        is_open = False
        for p in range(begin, end):
            share[p] = 0.0
        for first in range(begin, end):
            own = underlying[instrument[first]]
            is_seen = quantity[first] == 0.0
            for p in range(begin, first):
                is_seen |= quantity[p] != 0.0 and underlying[instrument[p]] == own
            if not is_seen:
                legs = (first, end, own)
                underlyings += 1
                is_open |= _has_no_end(legs, instrument, quantity, settling, in_coins)
                if not is_open:
                    total += _fill_shares(legs, instrument, quantity, settling, in_coins, share)
        if is_open or (in_coins and underlyings > 1):
            total = np.inf
        if not 0.0 < total < np.inf:
            total = 0.0 if total < 0.0 else total
            for p in range(begin, end):
                share[p] = 0.0
        out[b] = total


def maximum_losses(
    instrument: Ints,
    quantity: Floats,
    starts: NDArray[np.int64],
    settling: Settling,
    *,
    in_coins: bool = False,
) -> tuple[Floats, Floats]:
    """Return what each book loses at most from its marks, at least 0, and each leg's share.

    instrument (L,) rows of `settling`; quantity (L,) signed; starts (n + 1,): where books begin. Infinity
    where there is no maximum (an open end, several expiries of one underlying, in coins several
    underlyings), NaN where a mark is none. Shares (L,) are per unit of quantity: Σ quantity·share is the
    loss, where it is above zero and finite.

    >>> calls = Settling(np.zeros(2, np.int32), np.zeros(2, np.int32), np.ones(2, np.int32),
    ...                  np.array([60_000.0, 65_000.0]), np.ones(2), np.array([2_900.0, 1_700.0]))
    >>> rows, starts = np.array([0, 1, 0], np.int32), np.array([0, 2, 3])
    >>> maximum_losses(rows, np.array([1.0, -1.0, -1.0]), starts, calls)[0].tolist()
    [1200.0, inf]
    """
    out, share = np.empty(len(starts) - 1), np.empty(len(quantity))
    fill_maximum_losses(instrument, quantity, starts, *settling, in_coins, out, share)
    return out, share
