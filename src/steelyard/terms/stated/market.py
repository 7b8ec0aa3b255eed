"""The market as stated: prices, expiries and volatilities at one instant.

Prices in USD (or the quote asset) per unit of the underlying, volatilities and rates as decimals a
year, confidences in [0, 1]. What a method needs and the statement leaves out is an error of the method
that needs it, never a default of its own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

N = TypeVar("N", float, Decimal)


class Asset(msgspec.Struct, Generic[N], frozen=True):
    """Cash or collateral: its price in USD, the confidence of that price, and units deposited."""

    price: N | None = None
    confidence: float = 1.0
    total_deposits: N | None = None


class Perpetual(msgspec.Struct, Generic[N], frozen=True):
    """The perpetual of an underlying."""

    mark_price: N | None = None
    confidence: float = 1.0


class Svi(msgspec.Struct, frozen=True):
    """A raw SVI slice as its feed states it, with the feed's own forward and term in years."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    forward: float
    tau: float


class Expiry(msgspec.Struct, Generic[N], frozen=True):
    """One expiry: its forward, rate and volatilities (by strike, or a slice) with their confidences.

    forward_fixed: the part of the forward that settlement averaging has fixed already.
    """

    expiry: str
    forward_price: N | None = None
    forward_fixed: float = 0.0
    rate: float = 0.0
    implied_volatility: dict[str, float] | None = None
    svi: Svi | None = None
    confidence: float = 1.0
    forward_confidence: float = 1.0
    rate_confidence: float = 1.0
    volatility_confidence: float = 1.0


class Underlying(msgspec.Struct, Generic[N], frozen=True):
    """One underlying: its index (spot), perpetual, expiries, and what single methods ask for.

    open_interest in units of the underlying; funding_payment: amount a unit of position, longs pay if
    positive; mark_price, auction_price and max_price in the settlement asset's own unit.
    """

    index_price: N | None = None
    confidence: float = 1.0
    perpetual: Perpetual[N] | None = None
    expiries: tuple[Expiry[N], ...] = ()
    open_interest: N | None = None
    mark_price: N | None = None
    auction_price: N | None = None
    max_price: N | None = None
    funding_payment: N | None = None


class Market(msgspec.Struct, Generic[N], frozen=True):
    """The market at the instant `as_of`."""

    as_of: str = ""
    assets: dict[str, Asset[N]] = {}
    underlyings: dict[str, Underlying[N]] = {}
