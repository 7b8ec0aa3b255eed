"""A library that looks like ccxt.pro to the worker, for interpreters that do not have it."""

import asyncio
from typing import ClassVar


class BaseError(Exception):
    pass


class BadSymbol(BaseError):
    pass


class NotSupported(BaseError):
    pass


class AuthenticationError(BaseError):
    pass


class NetworkError(BaseError):
    pass


class RateLimitExceeded(BaseError):
    pass


__version__ = "0.0.stand-in"
exchanges = ["plain", "mute"]

MARKETS = {
    "BTC/USD": {"contract": False, "contractSize": None, "inverse": None},
    "BTC/USD:BTC": {"contract": True, "contractSize": 100.0, "inverse": True},
    "ETH/USD:ETH": {"contract": True, "contractSize": None, "inverse": True},
}


class plain:
    has: ClassVar[dict[str, bool]] = {
        "watchTrades": True,
        "watchTicker": True,
        "watchOrderBook": True,
        "watchFundingRate": True,
    }

    def __init__(self, options):
        self.urls = {"api": {"ws": "wss://plain.example", "rest": "https://plain.example"}}
        self.options = options
        self.calls = {}

    @staticmethod
    def deep_extend(first, second):
        return {**first, **second}

    async def load_markets(self):
        if self.urls["api"]["rest"] == "https://closed.example":
            raise NetworkError("no route")

    def market(self, symbol):
        if symbol not in MARKETS:
            raise BadSymbol(f"plain does not have market symbol {symbol}")
        return MARKETS[symbol]

    async def turn(self, name):
        """Return how often a thing was watched before."""
        await asyncio.sleep(0.01)
        count = self.calls.get(name, 0)
        self.calls[name] = count + 1
        return count

    async def watch_trades(self, symbol):
        count = await self.turn("trades " + symbol)
        if count == 1:
            raise NetworkError("connection lost")
        if count == 2:
            raise RateLimitExceeded("too many requests")
        if count > 3:
            await asyncio.sleep(60)
        price = float("nan") if count == 3 else 60000.0
        trade = {"price": price, "amount": 30.0, "side": "buy", "timestamp": 1780000000123}
        return [{**trade, "id": count}]

    async def watch_order_book(self, symbol):
        count = await self.turn("book " + symbol)
        bids = [[50000.0 - n, 10.0 + count] for n in range(100)]
        return {"bids": bids, "asks": [[62500.0, 5.0, 1]], "timestamp": None, "nonce": 7 + count}

    async def watch_ticker(self, symbol):
        await self.turn("ticker " + symbol)
        ticker = {"bid": 59999.0, "bidVolume": 6.0, "ask": 60001.0, "askVolume": None}
        return {**ticker, "timestamp": 1780000000123, "markPrice": 60000.5, "indexPrice": 60000.25}

    async def watch_funding_rate(self, symbol):
        if await self.turn("funding " + symbol):
            raise NotSupported("plain has no funding any more")
        return {"fundingRate": 0.0001, "timestamp": 1780000000123}

    async def close(self):
        pass


class mute(plain):
    has: ClassVar[dict[str, bool]] = {}
