"""Copies of a market and of valuation columns with a few instruments in them, or with all.

What a copy is asked, it answers with the bits of the whole: every kernel works on each instrument alone.
Instruments are numbered anew in their order; assets keep their slots. The copy may be revalued and its
prices moved; what belongs to sources, books and signals is shared with the market and only read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.marks import MarketState
from steelyard.valuation.columns import ValuationColumns

MARKET_ASSETS = ("index_units", "is_protected", "age_ppm", "implied_age_ppm", "quote_rate")
MARKET_INSTRUMENTS = (
    "underlying_of", "settlement_of", "mark_units", "has_mark", "is_settled", "basis_ppb",
    "volatility", "forward_ratio", "lots_per_unit", "mark_scale", "mark_limit",
)  # fmt: skip
COLUMNS_ASSETS = (
    "spot_table", "index_usd", "price_micro", "split_multiplier", "split_divisor",
    "units_per_coin", "haircut_initial", "haircut_maintenance", "tier_bound", "tier_maintenance",
    "tier_initial", "deduct_maintenance", "deduct_initial",
)  # fmt: skip
COLUMNS_INSTRUMENTS = (
    "table", "kind", "per_lot", "notional", "close_fee", "half_spread", "impact", "slip_max",
    "option_long", "option_initial", "option_maintenance", "fine_per_unit", "coins_per_fine",
    "strike", "expiry_us", "is_call",
)  # fmt: skip

Slots = NDArray[np.int64]


def narrow_market(market: MarketState, slots: Slots) -> MarketState:
    """Return a copy of a market with the instruments of ascending slots alone."""
    found = MarketState.__new__(MarketState)
    vars(found).update(vars(market))
    for name in MARKET_ASSETS:
        setattr(found, name, getattr(market, name).copy())
    for name in MARKET_INSTRUMENTS:
        setattr(found, name, getattr(market, name).take(slots))
    found.assets = list(market.assets)
    found.asset_slots = dict(market.asset_slots)
    found.indices = list(market.indices)
    found.averages = dict(market.averages)
    found.expiring = list(market.expiring)
    found.surfaces = dict(market.surfaces)
    found.heston = dict(market.heston)
    found.instruments = [market.instruments[slot] for slot in slots.tolist()]
    found.instrument_slots = {terms.name: place for place, terms in enumerate(found.instruments)}
    found.perpetuals_of = [[] for _ in found.assets]
    found.options_of = [[] for _ in found.assets]
    for place, underlying in enumerate(found.underlying_of.tolist()):
        is_option = found.instruments[place].is_option
        (found.options_of if is_option else found.perpetuals_of)[underlying].append(place)
    found._option_slots = {}
    return found


def narrow_columns(columns: ValuationColumns, slots: Slots) -> ValuationColumns:
    """Return a copy of valuation columns with the instruments of ascending slots alone."""
    found = ValuationColumns.__new__(ValuationColumns)
    vars(found).update(vars(columns))
    for name in COLUMNS_ASSETS:
        setattr(found, name, getattr(columns, name).copy())
    for name in COLUMNS_INSTRUMENTS:
        setattr(found, name, getattr(columns, name).take(slots, 0))
    return found
