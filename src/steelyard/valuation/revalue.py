"""Revalue, step 3: fresh marks of options and a fresh scenario table for the assets that moved.

Two verbs. `configure` writes what only listings and the method decide; `revalue` writes what prices,
volatilities and time decide, for the named assets and nothing else.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from steelyard.marks import MarketState
from steelyard.quantities import PPM
from steelyard.terms import Method
from steelyard.terms.asset import ACCOUNTING_EXPONENT
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.columns import (
    INVERSE_OPTION,
    INVERSE_PERPETUAL,
    LINEAR_OPTION,
    LINEAR_PERPETUAL,
    TIERS_MAX,
    ValuationColumns,
    tier_columns,
)
from steelyard.valuation.grid import ScenarioColumns
from steelyard.valuation.marks import option_mark_units
from steelyard.valuation.scenarios import fill_linear_rows, fill_option_rows, volatility_multipliers
from steelyard.valuation.settlement_window import variable_part
from steelyard.valuation.surfaces import YEAR_US, refresh_volatilities

OPTION_FEE_CAP = 0.125  # of the premium: a fee on notional would exceed a cheap option's worth


def configure(columns: ValuationColumns, market: MarketState, method: Method) -> ScenarioColumns:
    """Write the columns that listings and the method decide; return the grid's columns."""
    columns.fit(len(market.instruments), len(market.assets))
    for a, asset in enumerate(market.assets):
        step = 10 ** (ACCOUNTING_EXPONENT - asset.price_exponent)
        units = 10**asset.exponent
        columns.units_per_coin[a] = units
        columns.split_divisor[a] = max(1, units // step)
        rules = method.collateral_rules(asset.name)
        columns.haircut_initial[a] = rules.haircut_initial_ppm
        columns.haircut_maintenance[a] = rules.haircut_maintenance_ppm
        _configure_tiers(columns, a, asset.name, method)
    for i, instrument in enumerate(market.instruments):
        settlement = market.assets[int(market.settlement_of[i])]
        rules_of = method.underlying_rules(instrument.underlying)
        depth = float(rules_of.depth_usd)
        if instrument.is_option:
            depth *= rules_of.option_depth_ppm / PPM
            columns.kind[i] = INVERSE_OPTION if instrument.is_inverse else LINEAR_OPTION
            columns.strike[i] = float(Decimal(instrument.strike))
            columns.expiry_us[i] = instrument.expiry_us
            columns.is_call[i] = instrument.is_call
        else:
            columns.kind[i] = INVERSE_PERPETUAL if instrument.is_inverse else LINEAR_PERPETUAL
        columns.half_spread[i] = rules_of.half_spread_ppm / PPM
        columns.slip_max[i] = rules_of.slippage_ppm_max / PPM
        columns.impact[i] = 0.005 / depth  # half of one per cent per depth: the average on the way
        columns.fine_per_unit[i] = instrument.fine_per_unit(settlement)
        columns.coins_per_fine[i] = 1.0 / 10 ** (instrument.lot_exponent + instrument.mark_exponent)
    columns.pack(np.arange(len(market.instruments)))
    return ScenarioColumns(method)


def _configure_tiers(columns: ValuationColumns, a: int, name: str, method: Method) -> None:
    tiers = method.underlying_rules(name).tiers
    assert len(tiers) <= TIERS_MAX
    count = len(tiers)
    bounds = np.array([float(t.notional_usd_max) for t in tiers])
    keep = np.array([t.maintenance_ppm / PPM for t in tiers])
    open_ = np.array([t.initial_ppm / PPM for t in tiers])
    columns.tier_bound[a] = 0.0
    columns.tier_bound[a, :count] = bounds
    columns.tier_maintenance[a, :count] = keep
    columns.tier_initial[a, :count] = open_
    columns.deduct_maintenance[a, :count] = tier_columns(bounds, keep)
    columns.deduct_initial[a, :count] = tier_columns(bounds, open_)


def revalue(
    columns: ValuationColumns,
    market: MarketState,
    method: Method,
    grid: ScenarioColumns,
    assets: list[int],
) -> None:
    """Refresh index, marks, notionals and scenario rows of the named assets at the market's time."""
    for a in assets:
        price = market.index_price(a)
        asset = market.assets[a]
        step = 10 ** (ACCOUNTING_EXPONENT - asset.price_exponent)
        columns.index_usd[a] = price
        columns.price_micro[a] = int(market.index_units[a]) * step
        # The rest of a coin times index units stays in int64: 10^9 units × 9.2·10^9 of price.
        columns.split_multiplier[a] = int(market.index_units[a]) * max(
            1, step // 10**asset.exponent
        )
        multiplier = grid.price_multiplier(method.underlying_rules(asset.name).range_ppm)
        columns.spot_table[a] = grid.weight * (price * (multiplier - 1.0)) if a else 0.0
        if price > 0.0:
            _revalue_perpetuals(columns, market, method, grid, a, price, multiplier)
            _revalue_options(columns, market, method, grid, a, price, multiplier)
            columns.pack(np.array(market.perpetuals_of[a] + market.options_of[a], np.int64))


def _revalue_perpetuals(
    columns: ValuationColumns,
    market: MarketState,
    method: Method,
    grid: ScenarioColumns,
    a: int,
    price: float,
    multiplier: NDArray[np.float64],
) -> None:
    for i in market.perpetuals_of[a]:
        instrument = market.instruments[i]
        lot = 1.0 / 10**instrument.lot_exponent
        if instrument.is_inverse:
            columns.notional[i] = instrument.contract_usd * lot
            columns.table[i] = 0.0
        else:
            columns.notional[i] = price * lot
            mark = float(market.mark_units[i]) * float(columns.coins_per_fine[i])
            fill_linear_rows(
                columns.table,
                np.array([i], np.int32),
                np.array([mark]),
                multiplier,
                grid.weight,
            )
        columns.close_fee[i] = columns.notional[i] * method.liquidation.fee_ppm / PPM


def _revalue_options(
    columns: ValuationColumns,
    market: MarketState,
    method: Method,
    grid: ScenarioColumns,
    a: int,
    price: float,
    multiplier: NDArray[np.float64],
) -> None:
    refresh_volatilities(market, columns, a, method.grid.smile_dynamics)
    slots = market.option_slots(a)
    if not len(slots):
        return
    years = np.maximum(columns.expiry_us[slots] - market.time_us, 0) / YEAR_US
    ratio = market.forward_ratio[slots]
    forward = price * ratio
    volatility = market.volatility[slots]
    is_call = columns.is_call[slots]
    strike, share, certain = variable_part(market, columns, method, a, slots, price)
    premium = share * black76_price(is_call, forward, strike, volatility, years) + certain
    is_inverse = columns.kind[slots] == INVERSE_OPTION
    lots_per_unit = market.lots_per_unit[slots]
    usd_premium = np.where(is_inverse, premium / ratio, premium)
    _write_option_marks(market, slots, premium, forward, is_inverse)
    up, down = volatility_multipliers(
        years,
        method.grid.volatility_range_up,
        method.grid.volatility_range_down,
        method.grid.short_term_power,
        method.grid.long_term_power,
        method.grid.term_floor_days,
    )
    usd_per_lot = share * np.where(is_inverse, 1.0 / ratio, 1.0) / lots_per_unit
    fill_option_rows(
        columns.table, slots, is_call, strike, forward, volatility, years, usd_per_lot,
        multiplier, up, down, grid.volatility_kind, grid.weight, grid.time_shift,
    )  # fmt: skip
    if method.grid.option_model == "heston" and a in market.heston:
        # Imported where it is asked for: its kernels take seconds to compile the first time.
        from steelyard.valuation.heston_scenarios import fill_heston_rows

        fill_heston_rows(
            columns.table, slots, is_call, strike, forward, years, usd_per_lot,
            multiplier, up, down, grid, market.heston[a],
        )  # fmt: skip
    notional = price / lots_per_unit
    value = usd_premium / lots_per_unit
    fee = method.liquidation.fee_ppm / PPM
    columns.notional[slots] = notional
    columns.close_fee[slots] = np.minimum(notional * fee, value * OPTION_FEE_CAP)
    _write_short_option_rates(
        columns, slots, method, price, columns.strike[slots], is_call, notional, value
    )


def _write_option_marks(
    market: MarketState,
    slots: NDArray[np.int32],
    premium: NDArray[np.float64],
    forward: NDArray[np.float64],
    is_inverse: NDArray[np.bool_],
) -> None:
    """Quantise premiums to integer marks; one that does not fit its bound loses its mark."""
    units, fits = option_mark_units(premium, forward, is_inverse, market.mark_scale[slots])
    fits = fits & (units <= market.mark_limit[slots])
    market.mark_units[slots] = np.where(fits, units, market.mark_units[slots])
    market.has_mark[slots] = fits


def _write_short_option_rates(
    columns: ValuationColumns,
    slots: NDArray[np.int32],
    method: Method,
    price: float,
    strike: NDArray[np.float64],
    is_call: NDArray[np.bool_],
    notional: NDArray[np.float64],
    value: NDArray[np.float64],
) -> None:
    """Write the requirement of one lot of each option outside portfolio margin (method, `cross`)."""
    cross = method.cross
    out_of_the_money = np.maximum(np.where(is_call, strike - price, price - strike), 0.0) / price
    opening = np.maximum(
        cross.option_initial_ppm / PPM - out_of_the_money, cross.option_initial_floor_ppm / PPM
    )
    columns.option_long[slots] = value
    columns.option_initial[slots] = value + notional * opening
    columns.option_maintenance[slots] = value + notional * (cross.option_maintenance_ppm / PPM)
