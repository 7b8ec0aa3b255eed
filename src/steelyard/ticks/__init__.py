"""Ticks, step 1: every input as one typed event.

Listings, prices, quotes, volatilities, orders, fills, transfers, funding, parameters and the passing
of time enter the engine as these events and as nothing else. One codec reads and writes them; what
does not fit is a listed error, never an exception from the depths.
"""

from steelyard.ticks.checks import check_event
from steelyard.ticks.codec import SCHEMA_VERSION, decode_event, encode_event
from steelyard.ticks.events import (
    AccountsLoaded,
    AssetListed,
    Event,
    Fill,
    Funding,
    HestonUpdate,
    InstrumentsListed,
    OrderCancelled,
    OrderPlaced,
    ParameterChange,
    PriceTick,
    QuoteTick,
    Smile,
    SourceListed,
    SurfaceUpdate,
    TimeTick,
    Transfer,
    VolatilityUpdate,
)

__all__ = [
    "SCHEMA_VERSION",
    "AccountsLoaded",
    "AssetListed",
    "Event",
    "Fill",
    "Funding",
    "HestonUpdate",
    "InstrumentsListed",
    "OrderCancelled",
    "OrderPlaced",
    "ParameterChange",
    "PriceTick",
    "QuoteTick",
    "Smile",
    "SourceListed",
    "SurfaceUpdate",
    "TimeTick",
    "Transfer",
    "VolatilityUpdate",
    "check_event",
    "decode_event",
    "encode_event",
]
