"""Marks as integers: the one place where a model price becomes a number of the ledger.

A mark is rounded once, half to even, to whole units of 1/scale of its settlement asset; from there
on profit and loss is integer. What cannot be rounded is not guessed: its units are 0 and it is not
among those that fit, so the caller decides (a protected market, a named error), not an exception
in a loop. A mark does not fit if

- an input is NaN or infinite,
- a price of a perpetual, a forward, an index or a scale is not above zero,
- an option price is negative,
- the units would exceed 2⁵³, above which float64 does not hold every whole number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.valuation.black76 import COLUMN, FLAGS, Floats, broadcast
from steelyard.valuation.compiled import kernel
from steelyard.valuation.intrinsics import absolute, rint

UNITS_MAX = 2.0**53

Units = NDArray[np.int64]
Fits = NDArray[np.bool_]


@kernel(types.void(COLUMN, FLAGS, types.int64[::1], types.boolean[::1]))
def fill_units(value: Any, is_sound: Any, units: Any, fits: Any) -> None:
    """Write each sound value rounded half to even, or 0 if it is NaN or beyond 2⁵³."""
    for i in range(units.shape[0]):
        good = is_sound[i] and absolute(value[i]) <= UNITS_MAX
        fits[i] = good
        units[i] = np.int64(rint(value[i])) if good else 0


def round_to_units(value: Floats, is_sound: Fits) -> tuple[Units, Fits]:
    """Return the rounded values and whether each fits, in the shape of `value`."""
    units = np.empty(value.shape, dtype=np.int64)
    fits = np.empty(value.shape, dtype=np.bool_)
    fill_units(value.reshape(-1), is_sound.reshape(-1), units.reshape(-1), fits.reshape(-1))
    return units, fits


def option_mark_units(
    price_usd_per_unit: ArrayLike,
    forward_or_index: ArrayLike,
    is_inverse: ArrayLike,
    mark_scale: ArrayLike,
) -> tuple[Units, Fits]:
    """Return option marks in units of 1/mark_scale, int64, and whether each fits.

    linear = rint(price·scale) in USD; inverse = rint((price/forward)·scale) in coins. Arguments
    broadcast. What does not fit is 0; see the module for the rule.

    >>> units, fits = option_mark_units([1905.736, 1905.736, np.nan], 60_000.0,
    ...                                 [False, True, False], [1e2, 1e6, 1e2])
    >>> units.tolist(), fits.tolist()
    ([190574, 31762, 0], [True, True, False])
    """
    inverse, price, forward, scale = broadcast(
        is_inverse, price_usd_per_unit, forward_or_index, mark_scale
    )
    is_sound = (price >= 0.0) & (forward > 0.0) & (scale > 0.0)
    is_sound &= np.isfinite(price) & np.isfinite(forward) & np.isfinite(scale)
    with np.errstate(all="ignore"):  # what overflows or divides by zero does not fit
        value = np.where(inverse, price / forward, price) * scale
    return round_to_units(value, is_sound)


def perpetual_mark_units(
    mark_price: ArrayLike,
    contract_usd: ArrayLike,
    is_inverse: ArrayLike,
    scale: ArrayLike,
) -> tuple[Units, Fits]:
    """Return marks of perpetuals in units of 1/scale, int64, and whether each fits.

    linear = rint(price·scale) in USD; inverse = −rint(contract_usd·scale/price) in coins. The sign
    makes quantity × (mark − entry) the profit of both kinds: a coin-settled contract is worth
    contract_usd/price coins to whoever is short of it. Arguments broadcast; contract_usd plays no
    part for linear ones. What does not fit is 0; see the module for the rule.

    >>> units, fits = perpetual_mark_units([60_000.5, 60_000.0, 0.0], 100.0,
    ...                                    [False, True, True], [10.0, 1e8, 1e8])
    >>> units.tolist(), fits.tolist()
    ([600005, -166667, 0], [True, True, False])
    """
    inverse, price, contract, factor = broadcast(is_inverse, mark_price, contract_usd, scale)
    is_sound = (price > 0.0) & (factor > 0.0) & np.isfinite(price) & np.isfinite(factor)
    is_sound &= ~inverse | ((contract > 0.0) & np.isfinite(contract))
    with np.errstate(all="ignore"):  # what overflows or divides by zero does not fit
        value = np.where(inverse, -((contract * factor) / price), price * factor)
    return round_to_units(value, is_sound)
