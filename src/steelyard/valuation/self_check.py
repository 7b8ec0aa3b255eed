"""One digest over all kernels on fixed inputs: does this machine compute what we all compute?

Keepers on different machines must sign the same number. So before an engine decides anything it
values a fixed set of options, ordinary and extreme, with every kernel of this room and compares the
digest of all result bits with the one pinned here. A processor, a compiler version or a stale cache
that changes a single bit is found at start, in about a millisecond, rather than in a dispute.

Change the pinned digest only together with the formula, and say so in the changelog: it is a new
version of the number that keepers sign.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from steelyard.quantities.errors import InvariantError
from steelyard.valuation.black76 import Floats, black76_price
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.marks import option_mark_units, perpetual_mark_units
from steelyard.valuation.scenarios import (
    SCENARIO_COLUMNS,
    fill_linear_rows,
    fill_option_rows,
    volatility_multipliers,
)

PINNED_FINGERPRINT = "8f724dc60dba174d2b51716f1839b232"
OPTIONS = 1_003  # not a multiple of any vector width, so that loop remainders count too
EXTREMES = (0.0, -1.0, 2.0**-1001, 1e-300, 1e-18, 24.0, 1e300, float("inf"), float("nan"))


def spread(count: int, start: int) -> Floats:
    """Return evenly scattered numbers in [0, 1), the same ones everywhere (a Weyl sequence)."""
    steps = np.arange(start, start + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    result: Floats = (steps >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return result


def sample_options() -> tuple[NDArray[np.bool_], Floats, Floats, Floats, Floats]:
    """Return is_call, forward, strike, volatility and time_years of the fixed set.

    Most are ordinary; every eighth has an extreme value in one of its columns. Only exact
    arithmetic is used, so the set itself is the same everywhere.
    """
    is_call = spread(OPTIONS, 1) < 0.5
    forward = 100.0 + 100_000.0 * spread(OPTIONS, 10_000)
    strike = forward * (0.25 + 2.5 * spread(OPTIONS, 20_000))
    volatility = 0.05 + 2.0 * spread(OPTIONS, 30_000)
    time_years = 2.0 * spread(OPTIONS, 40_000) * spread(OPTIONS, 50_000)
    columns = (forward, strike, volatility, time_years)
    for place, i in enumerate(range(0, OPTIONS, 8)):
        columns[place % 4][i] = EXTREMES[(place // 4) % len(EXTREMES)]
    return is_call, forward, strike, volatility, time_years


def kernel_results() -> list[NDArray[np.float64] | NDArray[np.int64]]:
    """Return what every kernel of the room makes of the fixed set."""
    is_call, forward, strike, volatility, time_years = options = sample_options()
    price = black76_price(*options)
    up, down = volatility_multipliers(time_years, 0.4, 0.3, 0.3, 0.13, 1.0)
    rows = np.arange(OPTIONS, dtype=np.int32)
    lots = 0.1 + spread(OPTIONS, 60_000)
    move = 0.7 + 0.6 * spread(SCENARIO_COLUMNS, 70_000)
    kind = (np.arange(SCENARIO_COLUMNS) % 3 - 1).astype(np.int8)
    weight = spread(SCENARIO_COLUMNS, 80_000)
    table = np.zeros((OPTIONS, SCENARIO_COLUMNS))
    fill_option_rows(
        table, rows, is_call, strike, forward, volatility, time_years, lots,
        move, up, down, kind, weight,
    )  # fmt: skip
    linear = np.zeros((OPTIONS, SCENARIO_COLUMNS))
    fill_linear_rows(linear, rows, forward, move, weight)
    option_units, _ = option_mark_units(price, forward, is_call, 1e6)
    perpetual_units, _ = perpetual_mark_units(forward, 100.0, is_call, 1e8)
    greeks = black76_greeks(*options)
    return [price, *greeks, up, down, table, linear, option_units, perpetual_units]


def kernel_fingerprint() -> str:
    """Return the digest (blake2b, 128 bits, hexadecimal) of all kernels on the fixed set.

    Every NaN counts as the same one: its sign and payload are the processor's choice.
    """
    digest = blake2b(digest_size=16)
    for result in kernel_results():
        if result.dtype == np.float64:
            result = np.where(np.isnan(result), np.nan, result)
        digest.update(result.astype(result.dtype.newbyteorder("<"), order="C").tobytes())
    return digest.hexdigest()


def require_exact_kernels() -> None:
    """Raise InvariantError unless this machine computes exactly the pinned results."""
    found = kernel_fingerprint()
    if found != PINNED_FINGERPRINT:
        raise InvariantError(
            f"the valuation kernels give {found}, not the pinned {PINNED_FINGERPRINT}: "
            "this processor, compiler or kernel cache computes other bits; remove the cached "
            "kernels (__pycache__ of steelyard/valuation) and start again, and sign nothing"
        )
