"""A surface that follows its quotes, and the event by which the engine takes it.

An edge runs one `LiveSurface` an underlying: it offers quotes as they come and submits the events it gets
back. Replay reads the events; no fit is ever done again.
"""

from __future__ import annotations

import msgspec
import numpy as np

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.quotes import SurfaceSettings
from steelyard.models.surface import Surface
from steelyard.models.surface_fit import fit_surface
from steelyard.quantities import InputError
from steelyard.ticks import Smile, SurfaceUpdate
from steelyard.valuation.smiles import (
    COUNT,
    FIRST_COEFFICIENT,
    INVERSE_STEP,
    RHO,
    SIGMA,
    START,
    A,
    B,
    M,
)

ORIGIN = "surface:"


def surface_event(surface: Surface, time_us: int, origin: str, origin_seq: int) -> SurfaceUpdate:
    """Return the event that brings a surface into an engine at `time_us`, as the n-th of its sender.

    Errors: SURF-E03 the surface knows no index price, which its forwards are held against.

    >>> from steelyard.models.example import START_US, example_chain
    >>> event = surface_event(fit_surface(example_chain()), START_US, "surface:BTC", 1)
    >>> event.underlying, len(event.smiles), event.smiles[0].origin
    ('BTC', 6, 'fitted')
    """
    if not surface.index > 0.0:
        raise InputError(
            "SURF-E03",
            f"the quotes of {surface.underlying} give no index price",
            rule="a surface enters an engine with the index its forwards are held against",
            cure="give the column index_price",
            field="index_price",
        )
    smiles = []
    for place in np.flatnonzero(surface.row_of >= 0).tolist():
        row = surface.smiles[surface.row_of[place]]
        count = int(row[COUNT])
        a, b, rho, m, sigma = (float(row[each]) for each in (A, B, RHO, M, SIGMA))
        smiles.append(
            Smile(
                int(surface.points.expiry_us[place]), float(surface.forwards.value[place]),
                surface.sources[place].value, a, b, rho, m, sigma,
                float(row[START]), float(row[INVERSE_STEP]),
                row[FIRST_COEFFICIENT : FIRST_COEFFICIENT + count].tolist(),
            )
        )  # fmt: skip
    return SurfaceUpdate(
        time_us, origin, origin_seq, surface.underlying, surface.index, smiles, surface.time_us
    )


def carried_event(event: SurfaceUpdate, anchor_us: int, index_price: float) -> SurfaceUpdate:
    """Return a surface carried to another moment and index price, by tenor and moneyness.

    As `feeds.chains` carries a chain: expiries move with the time, forwards with the index, smiles stay.

    >>> from steelyard.models.example import START_US, example_chain
    >>> event = surface_event(fit_surface(example_chain()), START_US, "surface:BTC", 1)
    >>> carried_event(event, START_US + 1_000_000, 120_000.0).smiles[0].forward / event.smiles[0].forward
    2.0
    """
    shift_us, factor = anchor_us - event.exchange_time_us, index_price / event.index_price
    smiles = [
        msgspec.structs.replace(
            smile, expiry_us=smile.expiry_us + shift_us, forward=smile.forward * factor
        )
        for smile in event.smiles
    ]
    return msgspec.structs.replace(
        event, time_us=anchor_us, exchange_time_us=anchor_us, index_price=index_price, smiles=smiles
    )


class LiveSurface:
    """One underlying's surface, refitted as its quotes change.

    surface: the last one, None before the first. carried: how often quotes gave none, so that the last one
    stays in use. number: of the last event.
    """

    def __init__(self, settings: SurfaceSettings | None = None, number: int = 0) -> None:
        self.settings = settings or SurfaceSettings()
        self.surface: Surface | None = None
        self.number = number
        self.carried = 0

    def offer(self, quotes: ChainQuotes, time_us: int | None = None) -> SurfaceUpdate | None:
        """Return the event of the surface of these quotes, or None if they give none (SURF-E01).

        time_us: when the engine gets it, the time of
        the quotes if not said. Errors: SURF-E02, SURF-E03.
        """
        try:
            self.surface = fit_surface(quotes, self.settings)
        except InputError as error:
            if error.code != "SURF-E01":
                raise
            self.carried += 1
            return None
        self.number += 1
        at_us = quotes.time_us if time_us is None else time_us
        return surface_event(self.surface, at_us, ORIGIN + quotes.underlying, self.number)
