"""`surface`: the smiles of an asset by expiry, as received and as fitted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.engine.engine import Engine
from steelyard.service.channels.names import ChannelName, no_subject
from steelyard.service.channels.payloads import SmileData, SurfaceData
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.host.scene import Scene
from steelyard.terms.checks import YEAR_US
from steelyard.valuation.smile_values import fill_volatilities
from steelyard.valuation.surfaces import STICKY_STRIKE

CURVE_POINTS = 41
CURVE_REACH = 1.25
"""How far the curve goes beyond the outer strikes, as a factor."""


class SurfaceState(NamedTuple):
    """The index, why volatilities are believed, and the smiles by expiry."""

    index_price: float
    condition: str
    smiles: dict[int, SmileData]


class SurfacePublisher(Publisher[SurfaceState]):
    """Tells the smiles that differ: a forward moves with the index, the volatilities with their updates."""

    def __init__(self, name: ChannelName) -> None:
        self._name = name

    def check(self, scene: Scene) -> None:
        """Raise CHAN-E02 for an asset that is not listed, and for the accounting asset."""
        if not scene.engine.market.asset_slots.get(self._name.subject, 0):
            raise no_subject(self._name)

    def read(self, scene: Scene, before: SurfaceState | None) -> SurfaceState:
        """Return the smiles now. Errors: CHAN-E02 for an asset that is not listed."""
        del before
        self.check(scene)
        engine = scene.engine
        slot = engine.market.asset_slots[self._name.subject]
        guard = engine.market.implied.get(slot)
        condition = guard.condition if guard is not None else "none"
        return SurfaceState(engine.market.index_price(slot), condition, smiles_of(engine, slot))

    def whole(self, state: SurfaceState, mark: Mark) -> SurfaceData:
        """Return every smile."""
        return self._data(state, mark, list(state.smiles.values()), [])

    def change(self, before: SurfaceState, state: SurfaceState, mark: Mark) -> SurfaceData | None:
        """Return the smiles that are new or differ, and the expiries that are gone."""
        if before == state:
            return None
        told = [each for key, each in state.smiles.items() if before.smiles.get(key) != each]
        gone = [key for key in before.smiles if key not in state.smiles]
        return self._data(state, mark, told, gone)

    def _data(
        self, state: SurfaceState, mark: Mark, smiles: list[SmileData], gone: list[int]
    ) -> SurfaceData:
        return SurfaceData(
            **mark.head(),
            asset=self._name.subject,
            index_price=state.index_price,
            condition=state.condition,
            smiles=smiles,
            gone=gone,
        )


def smiles_of(engine: Engine, asset: int) -> dict[int, SmileData]:
    """Return the smiles of an asset's options that have not expired, by expiry, ascending.

    Of a call and a put of one strike the one out of the money is told, the other where it has no volatility.
    """
    market, columns = engine.market, engine.columns
    slots = market.option_slots(asset)
    slots = slots[(columns.expiry_us[slots] > market.time_us) & ~market.is_settled[slots]]
    index = market.index_price(asset)
    expiries = columns.expiry_us[slots]
    found = {}
    for expiry_us in np.unique(expiries).tolist():
        rows = slots[expiries == expiry_us]
        forward = index * float(market.forward_ratio[rows[0]])
        told = _by_strike(engine, rows, forward)
        strikes = sorted(told)
        curve_strikes, curve = _curve(engine, asset, expiry_us, index, strikes)
        found[expiry_us] = SmileData(
            expiry_us=expiry_us,
            forward_price=forward,
            strikes=strikes,
            implied_volatilities=[told[strike] for strike in strikes],
            curve_strikes=curve_strikes,
            curve_volatilities=curve,
        )
    return found


def _by_strike(
    engine: Engine, rows: NDArray[np.int32], forward: float
) -> dict[float, float | None]:
    market = engine.market
    told: dict[float, float | None] = {}
    for slot in rows.tolist():
        terms, volatility = market.instruments[slot], float(market.volatility[slot])
        strike = float(engine.columns.strike[slot])
        is_out = terms.is_call == (strike >= forward)
        known = volatility if volatility > 0.0 else None
        if told.get(strike) is None or (is_out and known is not None):
            told[strike] = known
    return told


def _curve(
    engine: Engine, asset: int, expiry_us: int, index: float, strikes: list[float]
) -> tuple[list[float], list[float]]:
    """Return strikes and volatilities of the fitted smile as options are valued by it; empty without one."""
    surface = engine.market.surfaces.get(asset)
    if surface is None or not strikes or expiry_us not in surface.expiry_us:
        return [], []
    start_us = surface.update.exchange_time_us
    is_live = engine.method.grid.smile_dynamics != STICKY_STRIKE and index > 0.0
    anchor = index if is_live else surface.update.index_price
    row = int(np.searchsorted(surface.expiry_us, expiry_us))
    points = np.geomspace(strikes[0] / CURVE_REACH, strikes[-1] * CURVE_REACH, CURVE_POINTS)
    forward = np.full(CURVE_POINTS, anchor * float(surface.ratio[row]))
    years = np.full(CURVE_POINTS, (expiry_us - start_us) / YEAR_US)
    volatility = np.empty(CURVE_POINTS)
    times = (surface.expiry_us - start_us) / YEAR_US
    fill_volatilities(surface.smiles, times, forward, points, years, volatility)
    good = np.isfinite(volatility)
    return points[good].tolist(), volatility[good].tolist()
