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

(
    NOTIONAL,
    CLOSE_FEE,
    HALF_SPREAD,
    IMPACT,
    SLIP_MAX,
    OPTION_LONG,
    OPTION_INITIAL,
    OPTION_MAINTENANCE,
) = range(8)
"""Columns of `per_lot`: side by side, since the pass reads them together for each position."""


class ValuationColumns:
    """Columns of valuation.

    Per instrument: table (rows × 32, USD P&L of one lot per scenario, weights applied), kind,
    fine_per_unit (fine units in one ledger unit), coins_per_fine (coins in one fine unit), and
    per_lot (rows × 8): notional (USD of one lot at index), close_fee (USD of one lot), half_spread
    and slip_max (ratios), impact (ratio per USD closed: half of what moves the price), option_long,
    option_initial, option_maintenance (USD of one lot, for units outside portfolio margin).
    Per asset: spot_table (rows × 32, USD P&L of one coin), index_usd, price_micro (micro-USDC of one
    whole coin), split_multiplier, split_divisor, units_per_coin, haircuts (ppm), tier columns.
    """

    def __init__(self, instruments: int = 64, assets: int = 16) -> None:
        self.table = np.zeros((instruments, COLUMNS))
        self.kind = np.zeros(instruments, np.int8)
        self.per_lot = np.zeros((instruments, 8))
        self.fine_per_unit = np.ones(instruments, np.int64)
        self.coins_per_fine = np.zeros(instruments)
        self.strike = np.zeros(instruments)
        self.expiry_us = np.zeros(instruments, np.int64)
        self.is_call = np.zeros(instruments, np.bool_)
        self.spot_table = np.zeros((assets, COLUMNS))
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

    @property
    def notional(self) -> NDArray[np.float64]:
        """Return USD of one lot at the index, a column to read and write."""
        return self.per_lot[:, NOTIONAL]

    @property
    def close_fee(self) -> NDArray[np.float64]:
        """Return USD that closing one lot pays in fees, a column to read and write."""
        return self.per_lot[:, CLOSE_FEE]

    @property
    def half_spread(self) -> NDArray[np.float64]:
        """Return half the spread, as a ratio, a column to read and write."""
        return self.per_lot[:, HALF_SPREAD]

    @property
    def impact(self) -> NDArray[np.float64]:
        """Return slippage per USD closed, as a ratio, a column to read and write."""
        return self.per_lot[:, IMPACT]

    @property
    def slip_max(self) -> NDArray[np.float64]:
        """Return largest slippage, as a ratio, a column to read and write."""
        return self.per_lot[:, SLIP_MAX]

    @property
    def option_long(self) -> NDArray[np.float64]:
        """Return USD a long option of one lot requires outside portfolio margin, a column to read and write."""
        return self.per_lot[:, OPTION_LONG]

    @property
    def option_initial(self) -> NDArray[np.float64]:
        """Return USD a short option of one lot requires to open, a column to read and write."""
        return self.per_lot[:, OPTION_INITIAL]

    @property
    def option_maintenance(self) -> NDArray[np.float64]:
        """Return USD a short option of one lot requires to keep, a column to read and write."""
        return self.per_lot[:, OPTION_MAINTENANCE]

    def fit(self, instruments: int, assets: int) -> None:
        """Make room for more instruments and assets, keeping what is there."""
        for name, column in list(vars(self).items()):
            per_asset = name in _PER_ASSET
            wanted = assets if per_asset else instruments
            if len(column) < wanted:
                wider = np.zeros((max(wanted, 2 * len(column)), *column.shape[1:]), column.dtype)
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
