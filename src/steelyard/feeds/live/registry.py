"""The venues by name. A client's module is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import cast

from steelyard.feeds.live.client import VenueClient, VenueTerms
from steelyard.quantities import InputError

_VENUES = "steelyard.feeds.live.venues."

CLIENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "deribit": ("deribit", "DeribitClient", ()),
    "binance-spot": ("binance", "BinanceSpotClient", ()),
    "binance-usdm": ("binance", "BinanceUsdmClient", ()),
    "binance-coinm": ("binance", "BinanceCoinmClient", ()),
    "okx": ("okx", "OkxClient", ()),
    "bybit-spot": ("bybit", "BybitClient", ("spot",)),
    "bybit-linear": ("bybit", "BybitClient", ("linear",)),
    "bybit-inverse": ("bybit", "BybitClient", ("inverse",)),
    "bybit-option": ("bybit", "BybitClient", ("option",)),
    "coinbase": ("coinbase", "CoinbaseClient", ()),
    "kraken": ("kraken", "KrakenClient", ()),
}
"""Module, class and what the class is made with, by name."""

ORACLES: dict[str, VenueTerms] = {
    name: VenueTerms(
        name, operator, websocket_url, rest_url, 0, subscriptions_max, silence_us, documentation, source
    )
    for name, operator, websocket_url, rest_url, subscriptions_max, silence_us, documentation, source in (
        ("pyth-hermes", "pyth", "", "https://pyth.dourolabs.app/hermes", 1_000, 45_000_000,
         "https://docs.pyth.network/price-feeds/core/how-pyth-works/hermes", "documents of November 2026"),
        ("pyth-pro", "pyth", "wss://pyth-lazer-0.dourolabs.app/v1/stream", "", 1_000, 30_000_000,
         "https://docs.pyth.network/price-feeds/pro/subscribe-to-prices", "documents of November 2026"),
        ("chainlink-streams", "chainlink", "wss://ws.dataengine.chain.link", "https://api.dataengine.chain.link",
         256, 10_000_000, "https://docs.chain.link/data-streams/reference/data-streams-api",
         "Data Streams API, November 2026"),
        ("ccxt", "the exchange named in its table", "", "", 200, 120_000_000,
         "https://docs.ccxt.com", "ccxt.pro 4.5.90, in a process of its own"),
    )
}  # fmt: skip
"""Oracle networks and ccxt, which are read by runners of their own; here only for who runs them."""

VENUES = frozenset({*CLIENTS, *ORACLES})
"""Every name that a connection may have."""


def client_maker(venue: str) -> Callable[[], VenueClient]:
    """Return what makes a client of a venue. Errors: LIVE-E04 for a name that is not listed.

    >>> client_maker("mtgox")
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: LIVE-E04: there is no client of this name (venue=mtgox). \
Rule: an exchange is one of binance-coinm, binance-spot, binance-usdm, bybit-inverse, bybit-linear, \
bybit-option, bybit-spot, coinbase, deribit, kraken, okx. Cure: use one of these names.
    """
    if venue not in CLIENTS:
        raise InputError(
            "LIVE-E04",
            "there is no client of this name",
            rule=f"an exchange is one of {', '.join(sorted(CLIENTS))}",
            cure="use one of these names",
            venue=venue,
        )
    module, name, arguments = CLIENTS[venue]
    return partial(
        cast("Callable[..., VenueClient]", getattr(import_module(_VENUES + module), name)),
        *arguments,
    )


def venue_terms(venue: str) -> VenueTerms:
    """Return what is public about a venue's or an oracle network's feed. Errors: LIVE-E04."""
    if venue in ORACLES:
        return ORACLES[venue]
    return client_maker(venue)().terms
