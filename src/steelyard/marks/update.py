"""The verbs of a tick: a price, a quote, a volatility or the clock changes the market state.

Each returns the slots of the assets whose marks may have moved, so that the engine revalues those
and nothing else. Admission has already refused what is malformed.
"""

from __future__ import annotations

import numpy as np

from steelyard.marks.index import read_index
from steelyard.marks.market import MarketState
from steelyard.marks.perpetuals import observe_basis, perpetual_mark, smoothed_basis
from steelyard.terms import Method
from steelyard.ticks import PriceTick, QuoteTick, VolatilityUpdate


def apply_price(market: MarketState, tick: PriceTick, method: Method) -> list[int]:
    """Take a source's price; a price older than the source's last word changes nothing."""
    asset = market.asset_slots[tick.asset]
    known = market.readings[asset][tick.source]
    if tick.exchange_time_us < known.exchange_time_us:
        return []
    market.readings[asset][tick.source] = known._replace(
        price=tick.price, exchange_time_us=tick.exchange_time_us
    )
    return [asset] if reread_index(market, asset, method) else []


def apply_quote(market: MarketState, tick: QuoteTick, method: Method) -> list[int]:
    """Fold a quote into the bounded basis of its perpetual. On a protected asset nothing moves."""
    slot = market.instrument_slots[tick.instrument]
    asset = int(market.underlying_of[slot])
    last_us = market.quote_time_us.get(slot, 0)
    if tick.exchange_time_us < last_us or market.is_protected[asset]:
        return []
    index_price = market.index_price(asset)
    rules = method.index
    observed = observe_basis(tick.bid, tick.ask, index_price, rules.basis_bound_ppm)
    elapsed = tick.exchange_time_us - last_us if last_us else 0
    market.basis_ppb[slot] = smoothed_basis(
        int(market.basis_ppb[slot]), observed, elapsed, rules.basis_smoothing_us
    )
    market.quote_time_us[slot] = tick.exchange_time_us
    return [asset] if _remark(market, slot) else []


def apply_volatilities(market: MarketState, update: VolatilityUpdate) -> list[int]:
    """Take the implied volatilities and forward ratios of options of one underlying.

    They end the use of a surface, which would write over them.
    """
    market.surfaces.pop(market.asset_slots[update.underlying], None)
    slots = np.array([market.instrument_slots[name] for name in update.instruments], np.int64)
    market.volatility[slots] = update.implied_volatilities
    market.forward_ratio[slots] = update.forward_ratios
    return [market.asset_slots[update.underlying]]


def pass_time(market: MarketState, time_us: int, method: Method) -> list[int]:
    """Move the clock; return the assets whose fresh sources changed because one of them aged."""
    assert time_us >= market.time_us
    market.time_us = time_us
    moved = []
    for asset, changes_at in enumerate(market.changes_at_us):
        if time_us >= changes_at and reread_index(market, asset, method):
            moved.append(asset)
    return moved


def reread_index(market: MarketState, asset: int, method: Method) -> bool:
    """Recompute one index and its perpetuals' marks; return whether anything changed.

    Without a quorum, or when the price does not fit the integers of the asset, it is protected and
    keeps its last good value. Before it ever had a
    quorum it shows the median of what there is: an indication to value positions by, on which
    nobody is liquidated.
    """
    reading = read_index(list(market.readings[asset].values()), market.time_us, method.index)
    market.changes_at_us[asset] = reading.changes_at_us
    was = int(market.index_units[asset]), bool(market.is_protected[asset])
    fits = False
    if reading.has_quorum or (reading.fresh and not market.had_quorum[asset]):
        scale = 10 ** market.assets[asset].price_exponent
        units = round(reading.price * scale)
        fits = 0 < units <= market.assets[asset].index_units_max
        if fits:
            market.index_units[asset] = units
    market.is_protected[asset] = not (reading.has_quorum and fits)
    market.had_quorum[asset] |= not market.is_protected[asset]
    is_clamped = _clamp_bases(market, asset, 1_000 * method.index.basis_bound_ppm)
    if not is_clamped and was == (int(market.index_units[asset]), bool(market.is_protected[asset])):
        return False
    remark_perpetuals(market, asset)
    return True


def _clamp_bases(market: MarketState, asset: int, bound_ppb: int) -> bool:
    """Bring the bases of an asset within the bound, which a parameter may have narrowed."""
    is_clamped = False
    for slot in market.perpetuals_of[asset]:
        basis = int(market.basis_ppb[slot])
        kept = max(-bound_ppb, min(bound_ppb, basis))
        if kept != basis:
            market.basis_ppb[slot] = kept
            is_clamped = True
    return is_clamped


def remark_perpetuals(market: MarketState, asset: int) -> None:
    """Set the mark of every perpetual of an asset from its index and basis."""
    for slot in market.perpetuals_of[asset]:
        _remark(market, slot)


def _remark(market: MarketState, slot: int) -> bool:
    """Set the mark of a perpetual from index and basis; return whether it moved.

    A mark beyond the bound at which a position could overflow protects the asset instead.
    """
    instrument = market.instruments[slot]
    asset = int(market.underlying_of[slot])
    if market.index_units[asset] <= 0:
        return False
    mark = perpetual_mark(
        int(market.index_units[asset]),
        market.assets[asset].price_exponent,
        int(market.basis_ppb[slot]),
        is_inverse=instrument.is_inverse,
        contract_usd=instrument.contract_usd,
        mark_exponent=instrument.mark_exponent,
    )
    if not 0 < abs(mark) <= instrument.mark_max:
        market.is_protected[asset] = True
        return False
    moved = mark != market.mark_units[slot] or not market.has_mark[slot]
    market.mark_units[slot] = mark
    market.has_mark[slot] = True
    return bool(moved)
