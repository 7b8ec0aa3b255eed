"""Surfaces and models of the market, as the engine holds them between two fits.

A fit is slow model work and comes as an event. Here it is kept, in the columns that `valuation` reads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.marks.implied_guard import (
    ABSURD_LEVEL,
    ImpliedGuard,
    is_even,
    level_of_surface,
    level_of_volatilities,
)
from steelyard.marks.market import ImpliedNotice, MarketState
from steelyard.terms import Method
from steelyard.terms.implied_rules import ImpliedRules
from steelyard.ticks import HestonUpdate, SurfaceUpdate, VolatilityUpdate

SMILE_HEAD = 8
SMILE_COLUMNS = SMILE_HEAD + 40


class SurfaceColumns:
    """A surface in columns: one row an expiry, ascending.

    update: the event it came with. expiry_us (int64); ratio: forward over index at the fit; smiles
    (rows, 48): a, b, ρ, m, σ, start, 1/step and count of the correction, then its coefficients.
    """

    def __init__(self, update: SurfaceUpdate) -> None:
        count = len(update.smiles)
        self.update = update
        self.expiry_us = np.array([smile.expiry_us for smile in update.smiles], np.int64)
        forwards = np.array([smile.forward for smile in update.smiles])
        self.ratio: NDArray[np.float64] = forwards / update.index_price
        self.smiles = np.zeros((count, SMILE_COLUMNS))
        for row, smile in enumerate(update.smiles):
            self.smiles[row, :SMILE_HEAD] = (
                smile.a, smile.b, smile.rho, smile.m, smile.sigma,
                smile.start, smile.inverse_step, float(len(smile.coefficients)),
            )  # fmt: skip
            self.smiles[row, SMILE_HEAD : SMILE_HEAD + len(smile.coefficients)] = smile.coefficients


FORWARD_MOVE_MAX = 0.15
"""How far the forward over index of an option may move from one update to the next."""


def apply_surface(market: MarketState, update: SurfaceUpdate, method: Method) -> list[int]:
    """Take a fitted surface: the underlying's options take their volatility from it from now on.

    A surface of quotes older than those of its fitter's last one, or one that is not believed
    (implied_guard), changes no volatility.
    """
    asset = market.asset_slots[update.underlying]
    level = level_of_surface(update)
    known = market.surfaces.get(asset)
    if known is not None and not is_even(
        update, known.update, method.implied_rules(update.underlying)
    ):
        level = ABSURD_LEVEL
    if not believes(market, update, level, method):
        return []
    market.surfaces[asset] = SurfaceColumns(update)
    return [asset]


def apply_volatilities(market: MarketState, update: VolatilityUpdate, method: Method) -> list[int]:
    """Take the implied volatilities and forward ratios of options of one underlying, if they are believed.

    They end the use of a surface, which would write over them.
    """
    asset = market.asset_slots[update.underlying]
    before = market.implied[asset].level if asset in market.implied else 0.0
    if not believes(market, update, level_of_volatilities(update), method):
        return []
    market.surfaces.pop(asset, None)
    common = market.implied[asset].level / before if before > 0.0 else 1.0
    slots = np.array([market.instrument_slots[name] for name in update.instruments], np.int64)
    volatilities = np.array(update.implied_volatilities)
    ratios = np.array(update.forward_ratios)
    is_held = _held_options(market, asset, slots, volatilities, ratios, common, method)
    used = slots[~is_held]
    market.volatility[used] = volatilities[~is_held]
    market.forward_ratio[used] = ratios[~is_held]
    return [asset]


def _held_options(
    market: MarketState,
    asset: int,
    slots: NDArray[np.int64],
    volatilities: NDArray[np.float64],
    ratios: NDArray[np.float64],
    common: float,
    method: Method,
) -> NDArray[np.bool_]:
    """Return which options of a believed update keep what they have: those that jump on their own.

    One whose volatility is beyond jump_factor of its last times the common move of all (`common`), or whose forward is 15 % off its last (a factor
    of two off the index at first), waits until an update hold_us later says the same; beyond
    absurd_factor it never comes.
    """
    rules = method.implied_rules(market.assets[asset].name)
    guard = market.implied[asset]
    known = market.volatility[slots]
    is_known = known > 0.0
    move = np.ones(len(slots))
    np.divide(volatilities, known * common, out=move, where=is_known)
    apart = np.abs(ratios / market.forward_ratio[slots] - 1.0)
    bent = np.where(is_known, apart > FORWARD_MOVE_MAX, (ratios < 0.5) | (ratios > 2.0))
    is_odd = (move > rules.jump_factor) | (move * rules.jump_factor < 1.0) | bent
    is_held = np.zeros(len(slots), np.bool_)
    for i in np.flatnonzero(is_odd).tolist():
        worst = max(float(move[i]), 1.0 / float(move[i]))
        said = float(volatilities[i]), float(ratios[i])
        is_held[i] = not guard.says_again(
            int(slots[i]), *said, worst <= rules.absurd_factor, market.time_us, rules
        )
    for slot in slots[~is_odd].tolist() if guard.held else ():
        guard.held.pop(slot, None)
    return is_held


def believes(
    market: MarketState, update: SurfaceUpdate | VolatilityUpdate, level: float, method: Method
) -> bool:
    """Return whether an update is to be used, and note what its guard makes of it."""
    asset = market.asset_slots[update.underlying]
    guard = market.implied.setdefault(asset, ImpliedGuard())
    before = guard.condition
    rules = method.implied_rules(update.underlying)
    is_used = guard.offer(update.origin, level, update.exchange_time_us, market.time_us, rules)
    note_implied(market, asset, before, rules)
    return is_used


def age_implied(market: MarketState, method: Method) -> None:
    """Let time pass for volatilities: words go stale, and age is charged."""
    for asset in sorted(market.implied):
        guard = market.implied[asset]
        before = guard.condition
        rules = method.implied_rules(market.assets[asset].name)
        guard.judge(market.time_us, rules)
        note_implied(market, asset, before, rules)


def note_implied(market: MarketState, asset: int, before: str, rules: ImpliedRules) -> None:
    """Write what follows from a guard: protection, what age adds, and a notice of a new condition."""
    guard = market.implied[asset]
    market.protect(asset)
    age_ppm = guard.age_ppm(market.time_us, rules)
    if age_ppm != market.implied_age_ppm[asset]:
        market.implied_age_ppm[asset] = age_ppm
        market.has_aged = True
    if guard.condition != before:
        market.notices.append(ImpliedNotice(asset, guard.condition, guard.level, len(guard.words)))


def apply_heston(market: MarketState, update: HestonUpdate) -> list[int]:
    """Take the Heston parameters of an underlying; older ones than those in use change nothing."""
    asset = market.asset_slots[update.underlying]
    known = market.heston.get(asset)
    if known is not None and update.exchange_time_us < known.exchange_time_us:
        return []
    market.heston[asset] = update
    return [asset]
