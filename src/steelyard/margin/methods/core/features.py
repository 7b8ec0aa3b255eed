"""Features of a group of options that no sum over its legs can say.

Each comes with the share that a leg has in it (`…_shares`): what the feature is worth per unit of the
leg's quantity, so that Σ quantity·share is the feature again, and an explanation can attribute it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.margin.methods.core.instruments import Floats
from steelyard.margin.methods.core.scan import COLUMN, FLAGS, INTS, LONGS, OUT
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.intrinsics import fma


@inline
def price_gain(price: float, strike: float, is_call: bool) -> float:
    """Return what one option pays at a settlement price."""
    gain = price - strike if is_call else strike - price
    return gain if gain > 0.0 else 0.0


@inline
def strike_shorts(
    instrument: Any, quantity: Any, p: int, end: int, strike: Any, is_option: Any
) -> tuple[int, float, float]:
    """Return the leg behind those at the strike of leg p, their naked shorts, and each one's share."""
    last = p
    net, shorts = 0.0, 0.0
    has_long = False
    while last < end and strike[instrument[last]] == strike[instrument[p]]:
        if is_option[instrument[last]]:
            q = quantity[last]
            net += q
            has_long |= q > 0.0
            shorts -= q if q < 0.0 else 0.0
        last += 1
    if has_long:
        shorts = -net if net < 0.0 else 0.0
    return last, shorts, -1.0 if (net < 0.0 or not has_long) else 0.0


@inline
def group_naked_shorts(
    instrument: Any, quantity: Any, start: int, end: int, strike: Any, is_option: Any
) -> float:
    """Return the naked shorts of the legs of one group, which stand in strike order."""
    total = 0.0
    p = start
    while p < end:
        p, shorts, _ = strike_shorts(instrument, quantity, p, end, strike, is_option)
        total += shorts
    return total


@inline
def group_worst_payoff(
    instrument: Any, quantity: Any, start: int, end: int, strike: Any, is_call: Any, is_option: Any
) -> tuple[float, float]:
    """Return min(0, payoff) over settlement at 0 and at every strike, and where it is (−1: nowhere)."""
    least, at = 0.0, -1.0
    for candidate in range(start - 1, end):
        price = 0.0 if candidate < start else strike[instrument[candidate]]
        total = 0.0
        for p in range(start, end):
            i = instrument[p]
            if is_option[i]:
                gain = price - strike[i] if is_call[i] else strike[i] - price
                total = fma(quantity[p], gain if gain > 0.0 else 0.0, total)
        if total < least:
            least, at = total, price
    return least, at


@kernel(types.void(INTS, COLUMN, LONGS, COLUMN, FLAGS, OUT, OUT))
def fill_naked_shorts(
    instrument: Any,
    quantity: Any,
    group_start: Any,
    strike: Any,
    is_option: Any,
    out: Any,
    share: Any,
) -> None:
    """Write the naked shorts of each group and each leg's share."""
    for g in range(group_start.shape[0] - 1):
        total = 0.0
        p, end = group_start[g], group_start[g + 1]
        while p < end:
            last, shorts, each = strike_shorts(instrument, quantity, p, end, strike, is_option)
            total += shorts
            for at in range(p, last):
                share[at] = each if is_option[instrument[at]] else 0.0
            p = last
        out[g] = total


@kernel(types.void(INTS, COLUMN, LONGS, COLUMN, FLAGS, FLAGS, OUT, OUT))
def fill_worst_payoff(
    instrument: Any,
    quantity: Any,
    group_start: Any,
    strike: Any,
    is_call: Any,
    is_option: Any,
    out: Any,
    share: Any,
) -> None:
    """Write the worst payoff of each group and each leg's share."""
    for g in range(group_start.shape[0] - 1):
        first, end = group_start[g], group_start[g + 1]
        least, at = group_worst_payoff(instrument, quantity, first, end, strike, is_call, is_option)
        for p in range(first, end):
            i = instrument[p]
            gain = price_gain(at, strike[i], is_call[i])
            share[p] = gain if (is_option[i] and at >= 0.0) else 0.0
        out[g] = least


def naked_shorts(
    instrument: NDArray[np.int32],
    quantity: Floats,
    group_start: NDArray[np.int64],
    strike: Floats,
    is_option: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return the naked shorts of each group (units of the underlying), and the shares of the legs.

    At a strike with a long and a short leg they are max(0, −Σ quantities), else the short quantities;
    strikes add up. Source: the contracts of Derive's portfolio margin.
    """
    out, share = np.empty(len(group_start) - 1), np.zeros(len(quantity))
    fill_naked_shorts(instrument, quantity, group_start, strike, is_option, out, share)
    return out, share


def worst_payoff(
    instrument: NDArray[np.int32],
    quantity: Floats,
    group_start: NDArray[np.int64],
    strike: Floats,
    is_call: NDArray[np.bool_],
    is_option: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return min(0, Σ quantity·payoff) over settlement at 0 and at every strike, and the shares."""
    out, share = np.empty(len(group_start) - 1), np.zeros(len(quantity))
    fill_worst_payoff(instrument, quantity, group_start, strike, is_call, is_option, out, share)
    return out, share
