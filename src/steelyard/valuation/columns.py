"""What the margin pass needs to know of every instrument and asset, in columns.

The engine owns one of these; `revalue` refreshes the rows of the assets that moved. Instruments and
assets keep the slots the market gave them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLUMNS = 32
TIERS_MAX = 8

LINEAR_PERPETUAL, INVERSE_PERPETUAL, LINEAR_OPTION, INVERSE_OPTION = range(4)
"""Kinds; the odd ones settle in the coin of their underlying."""

CLOSE_LEAST, CLOSE_SLOPE, CLOSE_MOST, SHORT_NOTIONAL, ENTRY_COINS, UNITS_PER_FINE = range(6)
"""Columns of `per_lot`: side by side in one cache line, since a pass reads them for each position."""

PER_LOT = 8
CACHE_LINE = 64


def aligned(rows: int, width: int) -> NDArray[np.float64]:
    """Return zeros (rows × width) that begin at a cache line: a row of eight lies in one.

    >>> aligned(3, 8).ctypes.data % CACHE_LINE
    0
    """
    spare = CACHE_LINE // 8
    flat = np.zeros(rows * width + spare)
    skip = -flat.ctypes.data % CACHE_LINE // 8
    return flat[skip : skip + rows * width].reshape(rows, width)


class ValuationColumns:
    """Columns of valuation.

    Per instrument: table (rows × 32, USD P&L of one lot per scenario, weights applied), kind,
    notional (USD of one lot at index), close_fee (USD of one lot), half_spread and slip_max (ratios),
    impact (ratio per USD closed: half of what moves the price), fine_per_unit (fine units in one
    ledger unit), coins_per_fine (coins in one fine unit), option_long, option_initial,
    option_maintenance (USD of one lot, for units outside portfolio margin), and per_lot (rows × 8),
    what `pack` derives of these for the pass: closing n lots costs n·min(CLOSE_LEAST + CLOSE_SLOPE·n,
    CLOSE_MOST) USD; SHORT_NOTIONAL is half an option's notional, else 0; ENTRY_COINS are the coins in
    one fine unit of an inverse perpetual's cost, else 0; UNITS_PER_FINE is 1/fine_per_unit.
    Per asset: spot_table (rows × 32, USD P&L of one coin), index_usd, price_micro (micro-USDC of one
    whole coin), split_multiplier, split_divisor, units_per_coin, haircuts (ppm), tier columns.
    """

    def __init__(self, instruments: int = 64, assets: int = 16) -> None:
        self.table = aligned(instruments, COLUMNS)
        self.kind = np.zeros(instruments, np.int8)
        self.per_lot = aligned(instruments, PER_LOT)
        self.notional = np.zeros(instruments)
        self.close_fee = np.zeros(instruments)
        self.half_spread = np.zeros(instruments)
        self.impact = np.zeros(instruments)
        self.slip_max = np.zeros(instruments)
        self.option_long = np.zeros(instruments)
        self.option_initial = np.zeros(instruments)
        self.option_maintenance = np.zeros(instruments)
        self.fine_per_unit = np.ones(instruments, np.int64)
        self.coins_per_fine = np.zeros(instruments)
        self.strike = np.zeros(instruments)
        self.expiry_us = np.zeros(instruments, np.int64)
        self.is_call = np.zeros(instruments, np.bool_)
        self.spot_table = aligned(assets, COLUMNS)
        self.index_usd = np.zeros(assets)
        self.price_micro = np.zeros(assets, np.int64)
        self.split_multiplier = np.zeros(assets, np.int64)
        self.split_divisor = np.ones(assets, np.int64)
        self.units_per_coin = np.ones(assets, np.int64)
        self.haircut_initial = np.zeros(assets, np.int64)
        self.haircut_maintenance = np.zeros(assets, np.int64)
        self.tier_bound = np.zeros((assets, TIERS_MAX))
        self.tier_maintenance = np.zeros((assets, TIERS_MAX))
        self.tier_initial = np.zeros((assets, TIERS_MAX))
        self.deduct_maintenance = np.zeros((assets, TIERS_MAX))
        self.deduct_initial = np.zeros((assets, TIERS_MAX))

    def pack(self, rows: NDArray[np.int64]) -> None:
        """Derive `per_lot` of the named instruments from their columns."""
        notional, kind = self.notional[rows], self.kind[rows]
        self.per_lot[rows, CLOSE_LEAST] = self.close_fee[rows] + notional * self.half_spread[rows]
        self.per_lot[rows, CLOSE_SLOPE] = self.impact[rows] * notional * notional
        self.per_lot[rows, CLOSE_MOST] = self.close_fee[rows] + notional * self.slip_max[rows]
        self.per_lot[rows, SHORT_NOTIONAL] = np.where(kind >= LINEAR_OPTION, 0.5 * notional, 0.0)
        entry = np.where(kind == INVERSE_PERPETUAL, self.coins_per_fine[rows], 0.0)
        self.per_lot[rows, ENTRY_COINS] = entry
        self.per_lot[rows, UNITS_PER_FINE] = 1.0 / self.fine_per_unit[rows]

    def fit(self, instruments: int, assets: int) -> None:
        """Make room for more instruments and assets, keeping what is there."""
        for name, column in list(vars(self).items()):
            per_asset = name in _PER_ASSET
            wanted = assets if per_asset else instruments
            if len(column) < wanted:
                rows = max(wanted, 2 * len(column))
                if column.ndim == 2:
                    wider = aligned(rows, column.shape[1])
                else:
                    wider = np.zeros(rows, column.dtype)
                wider[: len(column)] = column
                setattr(self, name, wider)


_PER_ASSET = frozenset(
    {
        "spot_table",
        "index_usd",
        "price_micro",
        "split_multiplier",
        "split_divisor",
        "units_per_coin",
        "haircut_initial",
        "haircut_maintenance",
        "tier_bound",
        "tier_maintenance",
        "tier_initial",
        "deduct_maintenance",
        "deduct_initial",
    }
)


def tier_columns(bounds: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the deductions that make a tiered requirement continuous in the notional.

    requirement(n) = rate[k]·n − deduction[k] on tier k, and deduction[k] =
    deduction[k−1] + bound[k−1]·(rate[k] − rate[k−1]). Units USD. Source: the maintenance amount of
    venues with tiered margin (Binance).

    >>> tier_columns(np.array([100.0, 0.0]), np.array([0.01, 0.02])).tolist()
    [0.0, 1.0]
    """
    deductions = np.zeros(len(rates))
    for k in range(1, len(rates)):
        deductions[k] = deductions[k - 1] + bounds[k - 1] * (rates[k] - rates[k - 1])
    return deductions
