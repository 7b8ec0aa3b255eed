"""The venues by name. A client's module is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from steelyard.feeds.live.client import VenueClient, VenueTerms
from steelyard.quantities import InputError

_VENUES = "steelyard.feeds.live.venues."

CLIENTS: dict[str, tuple[str, str]] = {
    "deribit": (_VENUES + "deribit", "DeribitClient"),
    "binance-spot": (_VENUES + "binance", "BinanceSpotClient"),
    "binance-usdm": (_VENUES + "binance", "BinanceUsdmClient"),
    "binance-coinm": (_VENUES + "binance", "BinanceCoinmClient"),
    "okx": (_VENUES + "okx", "OkxClient"),
    "bybit": (_VENUES + "bybit", "BybitClient"),
    "coinbase": (_VENUES + "coinbase", "CoinbaseClient"),
    "kraken": (_VENUES + "kraken", "KrakenClient"),
}
"""Module and class by name."""

ORACLES: dict[str, VenueTerms] = {
    name: VenueTerms(name, operator, url, url, 0, subscriptions_max, silence_us, documentation, "")
    for name, operator, url, subscriptions_max, silence_us, documentation in (
        ("pyth-hermes", "pyth", "https://hermes.pyth.network", 1_000, 45_000_000,
         "docs.pyth.network, Hermes"),
        ("chainlink-streams", "chainlink", "https://api.dataengine.chain.link", 1_000, 45_000_000,
         "docs.chain.link, Data Streams"),
    )
}  # fmt: skip
"""Oracle networks, which are read by runners of their own; here only for who runs them."""

VENUES = frozenset({*CLIENTS, *ORACLES})
"""Every name that a connection may have."""


def client_class(venue: str) -> Callable[[], VenueClient]:
    """Return the class of a venue's client. Errors: LIVE-E04 for a name that is not listed.

    >>> client_class("mtgox")
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: LIVE-E04: there is no venue of this name (venue=mtgox). \
Rule: a venue is one of binance-coinm, binance-spot, binance-usdm, bybit, coinbase, deribit, kraken, okx. \
Cure: use one of these names.
    """
    if venue not in CLIENTS:
        raise InputError(
            "LIVE-E04",
            "there is no venue of this name",
            rule=f"a venue is one of {', '.join(sorted(CLIENTS))}",
            cure="use one of these names",
            venue=venue,
        )
    module, name = CLIENTS[venue]
    return cast("Callable[[], VenueClient]", getattr(import_module(module), name))


def venue_terms(venue: str) -> VenueTerms:
    """Return what is public about a venue's or an oracle network's feed. Errors: LIVE-E04."""
    if venue in ORACLES:
        return ORACLES[venue]
    return client_class(venue)().terms
