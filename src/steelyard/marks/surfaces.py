"""Surfaces and models of the market, as the engine holds them between two fits.

A fit is slow model work and comes as an event. Here it is kept, in the columns that `valuation` reads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.marks.market import MarketState
from steelyard.ticks import HestonUpdate, SurfaceUpdate

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


def apply_surface(market: MarketState, update: SurfaceUpdate) -> list[int]:
    """Take a fitted surface: the underlying's options take their volatility from it from now on.

    A surface of quotes older than those of the one in use changes nothing.
    """
    asset = market.asset_slots[update.underlying]
    known = market.surfaces.get(asset)
    if known is not None and update.exchange_time_us < known.update.exchange_time_us:
        return []
    market.surfaces[asset] = SurfaceColumns(update)
    return [asset]


def apply_heston(market: MarketState, update: HestonUpdate) -> list[int]:
    """Take the Heston parameters of an underlying; older ones than those in use change nothing."""
    asset = market.asset_slots[update.underlying]
    known = market.heston.get(asset)
    if known is not None and update.exchange_time_us < known.exchange_time_us:
        return []
    market.heston[asset] = update
    return [asset]
