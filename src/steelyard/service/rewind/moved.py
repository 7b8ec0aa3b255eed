"""Moving the world of a copy: an index by a fraction, the clock to a later instant.

    index price → index·(1 + move), rounded to the asset's own integers
    marks of perpetuals follow with the same basis; options are revalued at the volatility they have now
    time passes with prices still: what expires settles as the engine settles it

Only for copies (`copies`): what is done here is never told to anybody and never undone.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from steelyard.actions import settle_expired
from steelyard.decisions.machine import level_columns
from steelyard.engine.engine import Engine
from steelyard.engine.grace import soften
from steelyard.marks.settlement import accrue_settlement, forget_expiry
from steelyard.marks.update import remark_perpetuals
from steelyard.quantities import PPM
from steelyard.service.rewind.errors import out_of_bounds


def hold_volatilities(engine: Engine) -> None:
    """Let every option keep the volatility and the forward ratio that it has now, whatever moves.

    Where the method lets a fitted surface move with the price (`grid.smile_dynamics`), the engine itself
    would read other volatilities after a move.
    """
    engine.market.surfaces.clear()


def underlyings_of(engine: Engine) -> list[str]:
    """Return the names of the assets with a price of their own and something listed on them."""
    market = engine.market
    return [
        asset.name
        for slot, asset in enumerate(market.assets)
        if slot and market.index_units[slot] > 0
        and (market.perpetuals_of[slot] or market.options_of[slot])
    ]  # fmt: skip


def slot_named(engine: Engine, underlying: str) -> int:
    """Return the slot of an underlying that can be moved. Errors: RWND-E07."""
    if underlying not in underlyings_of(engine):
        raise out_of_bounds(
            "underlyings", f"{underlying[:60]!r} is no underlying with a price",
            "underlyings are those that have an index price and contracts",
        )  # fmt: skip
    return engine.market.asset_slots[underlying]


class Indices:
    """The indices of some assets of a copy as they were, to be moved from there again and again."""

    def __init__(self, engine: Engine, assets: list[int]) -> None:
        self.engine = engine
        self.assets = assets
        self.units = [int(engine.market.index_units[asset]) for asset in assets]

    def move(self, move_ppm: int) -> list[str]:
        """Move the indices by so many millionths, and what is valued by them.

        Return the names of contracts whose mark would not fit its bound: they keep the mark they had.
        """
        market, engine = self.engine.market, self.engine
        for asset, units in zip(self.assets, self.units, strict=True):
            moved = max(1, units + round_half_away(units * move_ppm, PPM))
            market.index_units[asset] = min(moved, market.assets[asset].index_units_max)
            remark_perpetuals(market, asset)
        engine.revalue(self.assets)
        return [
            market.instruments[slot].name
            for asset in self.assets
            for slot in (*market.perpetuals_of[asset], *market.options_of[asset])
            if _is_unfit(engine, asset, slot)
        ]


def round_half_away(numerator: int, denominator: int) -> int:
    """Return the quotient rounded to nearest, halves away from zero.

    >>> [round_half_away(n, 10) for n in (14, 15, -15, -14)]
    [1, 2, -2, -1]
    """
    whole, rest = divmod(abs(numerator), denominator)
    whole += 2 * rest >= denominator
    return whole if numerator >= 0 else -whole


def _is_unfit(engine: Engine, asset: int, slot: int) -> bool:
    market = engine.market
    if market.is_settled[slot]:
        return False
    if market.instruments[slot].is_option:
        return bool(market.volatility[slot] > 0.0 and not market.has_mark[slot])
    return market.indices[asset].has_unfit_mark


def pass_time_still(engine: Engine, until_us: int) -> list[int]:
    """Let time pass with prices still, and settle what expires on the way; return the settled slots.

    An average that is under way goes on at the index; what is on a protected asset waits, as it does live.
    """
    market = engine.market
    accrue_settlement(market, until_us, engine.method)
    market.time_us = until_us
    due = [
        (expiry_us, slot)
        for expiry_us, slot in engine.expiries
        if expiry_us <= until_us and not market.is_protected[market.underlying_of[slot]]
    ]
    engine.expiries = [each for each in engine.expiries if each not in due]
    slots = [slot for _, slot in due]
    settle_expired(engine.venue, [shard.book for shard in engine.shards], slots)
    for expiry_us, slot in due:
        forget_expiry(market, int(market.underlying_of[slot]), expiry_us)
    engine.revalue(list(range(1, len(market.assets))))
    return slots


def states_after(engine: Engine, *, is_softened: bool = True) -> list[NDArray[np.int8]]:
    """Return, for each shard, the state that every unit would be taken to; requirements are fresh after it.

    is_softened: as holds and graces allow; else as ratios alone would have it.
    """
    levels = level_columns(engine.method.levels)
    softens = is_softened and engine.controls.softens
    found = []
    for shard in engine.shards:
        shard.require(engine.market, engine.columns, engine.method)
        shard.decide(levels, engine.market.time_us, partial(soften, engine) if softens else None)
        found.append(shard.next_state[: shard.book.units].copy())
    return found
