"""The scenario table: what one lot of each instrument gains in each scenario, in USD.

The table has one row per instrument and `SCENARIO_COLUMNS` = 32 columns, float64, C-contiguous. A
grid with fewer scenarios pads with columns of weight 0 and multiplier 1; the literal width lets the
loop over a row vectorise. A scenario multiplies the forward by `price_multiplier`, the volatility by the row's
`volatility_up` (kind +1), `volatility_down` (kind −1) or 1 (kind 0), lets `time_shift` h pass (0 unless
given), and multiplies its profit by `weight` (below 1 for extended tails):

    option   table[r, s] = weight[s]·usd_per_lot·(V(F·m[s], σ·v[s], τ − h[s]) − V(F, σ, τ))
    linear   table[r, s] = weight[s]·usd_per_lot·(m[s] − 1)

`usd_per_lot` carries everything else: the lot for a linear option, lot × index/forward for a
coin-settled one (its value in USD is V·index/forward), lot × index for a perpetual. A coin-settled
perpetual has no row of its own: its exposure is a coin amount that the caller carries.

Filling writes only the rows named, so a tick of one underlying refreshes that underlying alone.
The k-th entry of each option column belongs to table row rows[k].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.quantities.errors import InvariantError
from steelyard.valuation.black76 import (
    COLUMN,
    FLAGS,
    RESULT,
    Floats,
    deviation_of,
    inverse_of,
    log_moneyness,
    poison,
    positive_or_zero,
    price_of,
)
from steelyard.valuation.compiled import inline, kernel
from steelyard.valuation.elementary import power
from steelyard.valuation.intrinsics import fma

SCENARIO_COLUMNS = 32
BLOCK_ROWS = 64  # rows prepared at a time; 8 columns of them stay in the first-level cache
THRESHOLD_DAYS = 30.0
DAYS_PER_YEAR = 365.0

TABLE = types.Array(types.float64, 2, "C")
ROWS = types.Array(types.int32, 1, "C", readonly=True)
KINDS = types.Array(types.int8, 1, "C", readonly=True)


@inline
def prepare_grid(price_multiplier: Any, weight: Any, log_multiplier: Any) -> float:
    """Fill ln(multiplier) of each column; return 0, or NaN if a multiplier or weight is not finite.

    A multiplier of zero or less has the logarithm of one: its forward counts as zero, and then the
    logarithm plays no part.
    """
    bad = 0.0
    for c in range(SCENARIO_COLUMNS):
        m = positive_or_zero(price_multiplier[c])
        log_multiplier[c] = log_moneyness(m, 1.0)
        bad += poison(price_multiplier[c], 0.0, weight[c], 0.0)
    return bad


@inline
def prepare_rows(
    is_call: Any,
    strike: Any,
    forward: Any,
    volatility: Any,
    time_years: Any,
    scenario_years: Any,
    volatility_up: Any,
    volatility_down: Any,
    scratch: Any,
    grid_bad: float,
) -> None:
    """Fill the scratch columns of a block of rows: what does not depend on the scenario."""
    for i in range(strike.shape[0]):
        f = positive_or_zero(forward[i])
        k = positive_or_zero(strike[i])
        s = deviation_of(volatility[i], time_years[i])
        moved = deviation_of(volatility[i], scenario_years[i])
        up = moved * (volatility_up[i] if volatility_up[i] > 0.0 else 0.0)
        down = moved * (volatility_down[i] if volatility_down[i] > 0.0 else 0.0)
        x = log_moneyness(f, k)
        inverse = inverse_of(s)
        bad = poison(forward[i], strike[i], volatility[i], time_years[i])
        bad = fma(volatility_up[i], 0.0, fma(volatility_down[i], 0.0, bad)) + grid_bad
        bad = fma(scenario_years[i], 0.0, bad)
        scratch[0, i] = x
        scratch[1, i] = moved
        scratch[2, i] = up
        scratch[3, i] = down
        scratch[4, i] = inverse_of(moved)
        scratch[5, i] = inverse_of(up)
        scratch[6, i] = inverse_of(down)
        scratch[7, i] = price_of(is_call[i], f, k, x, s, inverse) + bad


@kernel(types.void(TABLE, ROWS, FLAGS, *[COLUMN] * 9, KINDS, COLUMN), vectors=2)
def fill_option_columns(
    table: Any,
    rows: Any,
    is_call: Any,
    strike: Any,
    forward: Any,
    volatility: Any,
    time_years: Any,
    scenario_years: Any,
    usd_per_lot: Any,
    price_multiplier: Any,
    volatility_up: Any,
    volatility_down: Any,
    volatility_kind: Any,
    weight: Any,
) -> None:
    """Write the option rows; arguments as `fill_option_rows`, already checked."""
    scratch = np.empty((8, BLOCK_ROWS))
    log_multiplier = np.empty(SCENARIO_COLUMNS)
    grid_bad = prepare_grid(price_multiplier, weight, log_multiplier)
    total = rows.shape[0]
    for first in range(0, total, BLOCK_ROWS):
        # A slice is indexed from 0. An index `first + j` might be negative for all the compiler
        # knows, and the code for counting from the end would make every load a scalar one.
        part = slice(first, min(first + BLOCK_ROWS, total))
        calls, strikes, forwards = is_call[part], strike[part], forward[part]
        prepare_rows(
            calls, strikes, forwards, volatility[part], time_years[part], scenario_years[part],
            volatility_up[part], volatility_down[part], scratch, grid_bad,
        )  # fmt: skip
        numbers, lots = rows[part], usd_per_lot[part]
        for i in range(numbers.shape[0]):
            call, f, usd = calls[i], forwards[i], lots[i]
            k = positive_or_zero(strikes[i])
            x, s, up, down = scratch[0, i], scratch[1, i], scratch[2, i], scratch[3, i]
            same_inverse, up_inverse, down_inverse = scratch[4, i], scratch[5, i], scratch[6, i]
            base = scratch[7, i]
            row = table[numbers[i]]
            for c in range(SCENARIO_COLUMNS):
                kind = volatility_kind[c]
                moved = positive_or_zero(f * price_multiplier[c])
                spread = up if kind > 0 else (down if kind < 0 else s)
                inverse = up_inverse if kind > 0 else (down_inverse if kind < 0 else same_inverse)
                value = price_of(call, moved, k, x + log_multiplier[c], spread, inverse)
                row[c] = (weight[c] * usd) * (value - base)


def fill_option_rows(
    table: Floats,
    rows: NDArray[np.int32],
    is_call: NDArray[np.bool_],
    strike: Floats,
    forward: Floats,
    volatility: Floats,
    time_years: Floats,
    usd_per_lot: Floats,
    price_multiplier: Floats,
    volatility_up: Floats,
    volatility_down: Floats,
    volatility_kind: NDArray[np.int8],
    weight: Floats,
    time_shift: Floats | None = None,
) -> None:
    """Write the rows of European options into the scenario table; formula at the module's head.

    `rows` (int32) names rows of `table`; the option columns and the two volatility multipliers are
    as long as `rows`, the three grid columns are 32 long. Volatilities per year, time in years of
    365 days, forwards and strikes in USD. `time_shift`: years that pass in each scenario, none if left
    out; every further value in it costs one more pass. A scenario that moves nothing is exactly 0. A
    multiplier of zero or less means a forward of zero. A NaN or infinite input makes its row NaN (in
    the grid: every row named). Rows not named stay as they are. Wrong shapes are an InvariantError.

    >>> table, ones = np.zeros((2, SCENARIO_COLUMNS)), np.ones(SCENARIO_COLUMNS)
    >>> def one(value): return np.array([value])
    >>> fill_option_rows(table, np.array([1], dtype=np.int32), one(True), one(60_000.0),
    ...                  one(60_000.0), one(0.65), one(30 / 365), one(0.1), ones * 1.1, one(1.4),
    ...                  one(0.7), np.zeros(SCENARIO_COLUMNS, np.int8), ones)
    >>> table[:, 0].round(6).tolist()
    [0.0, 381.912526]
    """
    columns = (is_call, strike, forward, volatility, time_years)
    moves = (usd_per_lot, price_multiplier, volatility_up, volatility_down, volatility_kind)
    check_rows(table, rows, *columns, usd_per_lot, volatility_up, volatility_down)
    check_grid(price_multiplier, volatility_kind, weight)
    if time_shift is None:
        fill_option_columns(table, rows, *columns, time_years, *moves, weight)
        return
    check_grid(time_shift)
    weight = weight + time_shift * 0.0  # a NaN or infinite shift spoils the grid like any other
    shift = np.where(np.isfinite(time_shift), time_shift, 0.0)
    first, *others = np.unique(shift)
    fill_option_columns(table, rows, *columns, time_years - first, *moves, weight)
    numbers = np.arange(rows.size, dtype=np.int32)
    for later in others:
        part = np.empty((rows.size, SCENARIO_COLUMNS))
        fill_option_columns(part, numbers, *columns, time_years - later, *moves, weight)
        table[rows] = np.where(shift == later, part, table[rows])


def check_rows(table: Floats, rows: NDArray[np.int32], *columns: NDArray[Any]) -> None:
    """Raise InvariantError unless the table is 32 wide, rows fit it and columns fit rows."""
    if table.ndim != 2 or table.shape[1] != SCENARIO_COLUMNS or not table.flags.c_contiguous:
        raise InvariantError(f"the table is (rows, {SCENARIO_COLUMNS}) and C-contiguous")
    if rows.ndim != 1 or any(column.shape != rows.shape for column in columns):
        raise InvariantError("every option column is as long as rows")
    if rows.size and (int(rows.min()) < 0 or int(rows.max()) >= table.shape[0]):
        raise InvariantError("rows names a row that the table does not have")


def check_grid(*columns: NDArray[Any]) -> None:
    """Raise InvariantError unless each grid column has 32 entries."""
    if any(column.shape != (SCENARIO_COLUMNS,) for column in columns):
        raise InvariantError(f"every grid column has {SCENARIO_COLUMNS} entries")


@kernel(types.void(TABLE, ROWS, COLUMN, COLUMN, COLUMN))
def fill_linear_columns(
    table: Any, rows: Any, usd_per_lot: Any, price_multiplier: Any, weight: Any
) -> None:
    """Write the linear rows; arguments as `fill_linear_rows`, already checked."""
    for i in range(rows.shape[0]):
        usd = usd_per_lot[i]
        row = table[rows[i]]
        for c in range(SCENARIO_COLUMNS):
            row[c] = (weight[c] * usd) * (price_multiplier[c] - 1.0)


def fill_linear_rows(
    table: Floats,
    rows: NDArray[np.int32],
    usd_per_lot_at_index: Floats,
    price_multiplier: Floats,
    weight: Floats,
) -> None:
    """Write the rows of linear perpetuals and spot: weight·usd·(multiplier − 1).

    A NaN input makes its entries NaN. Rows not named stay
    as they are; wrong shapes are an InvariantError.

    >>> table, weight = np.zeros((3, SCENARIO_COLUMNS)), np.ones(SCENARIO_COLUMNS)
    >>> moves = np.linspace(0.75, 1.25, SCENARIO_COLUMNS)
    >>> fill_linear_rows(table, np.array([2], np.int32), np.array([60_000.0]), moves, weight)
    >>> table[1:, [0, 31]].tolist()
    [[0.0, 0.0], [-15000.0, 15000.0]]
    """
    check_rows(table, rows, usd_per_lot_at_index)
    check_grid(price_multiplier, weight)
    fill_linear_columns(table, rows, usd_per_lot_at_index, price_multiplier, weight)


@kernel(types.void(COLUMN, *[types.float64] * 5, RESULT, RESULT))
def fill_volatility_multipliers(
    time_years: Any,
    range_up: float,
    range_down: float,
    short_term_power: float,
    long_term_power: float,
    floor_days: float,
    up: Any,
    down: Any,
) -> None:
    """Write the two multipliers of each time; see `volatility_multipliers`."""
    for i in range(up.shape[0]):
        days = time_years[i] * DAYS_PER_YEAR
        bounded = days if days > floor_days else floor_days
        exponent = short_term_power if days <= THRESHOLD_DAYS else long_term_power
        m = power(THRESHOLD_DAYS / bounded, exponent) + time_years[i] * 0.0
        fall = 1.0 - range_down * m
        up[i] = 1.0 + range_up * m
        down[i] = 0.0 if fall < 0.0 else fall


def volatility_multipliers(
    time_years: Floats,
    range_up: float,
    range_down: float,
    short_term_power: float,
    long_term_power: float,
    floor_days: float,
) -> tuple[Floats, Floats]:
    """Return the up and down multipliers of volatility for each time to expiry.

    m = (30 d / max(t, floor))^p, p = short_term_power if t ≤ 30 d else long_term_power; up =
    1 + range_up·m, down = max(0, 1 − range_down·m). Time in years of 365 days, one axis; a NaN time gives
    NaN in both. Not finite parameters or floor_days ≤ 0 are an InvariantError.

    >>> years = np.array([7.5, 30.0, 120.0]) / 365
    >>> up, down = volatility_multipliers(years, 0.4, 0.3, 0.5, 0.25, 1.0)
    >>> up.round(6).tolist(), down.round(6).tolist()
    ([1.8, 1.4, 1.282843], [0.4, 0.7, 0.787868])
    """
    parameters = (range_up, range_down, short_term_power, long_term_power, floor_days)
    if not (all(np.isfinite(parameters)) and floor_days > 0.0):
        raise InvariantError("volatility parameters are finite and floor_days is above zero")
    up, down = np.empty(time_years.shape), np.empty(time_years.shape)
    fill_volatility_multipliers(time_years, *parameters, up, down)
    return up, down
