"""What a program with ccxt and ccxt.pro asks of a service in Deribit's place; run by an interpreter that has them.

ccxt_story.py BASE KEY, the secret in STORY_SECRET; prints what was answered as JSON.
"""

import asyncio
import json
import os
import sys

import ccxt
import ccxt.pro

LINEAR, INVERSE = "BTC/USDC:USDC", "BTC/USD:BTC"
WAIT_S = 30


def addressed(exchange, base):
    """Return a client with our address in place of Deribit's; nothing else of it is changed."""
    exchange.urls["api"]["rest"] = base
    exchange.urls["api"]["ws"] = base.replace("http", "ws", 1) + "/ws/api/v2"
    return exchange


def plain(base, login):
    """Return what the synchronous client reads."""
    exchange = addressed(ccxt.deribit(login), base)
    markets = exchange.load_markets()
    option = next(name for name in markets if markets[name]["option"])
    try:
        exchange.create_order(LINEAR, "limit", "buy", 0.01, 100_000)
        refused = ""
    except ccxt.BaseError as error:
        refused = str(error)
    return {
        "time": exchange.fetch_time(),
        "status": exchange.fetch_status()["status"],
        "currencies": sorted(exchange.fetch_currencies()),
        "markets": {name: markets[name]["id"] for name in (LINEAR, INVERSE, option)},
        "is_linear": [markets[name]["linear"] for name in (LINEAR, INVERSE)],
        "index": exchange.publicGetGetIndexPrice({"index_name": "btc_usd"})["result"],
        "ticker": exchange.fetch_ticker(LINEAR),
        "tickers": len(exchange.fetch_tickers(None, {"code": "BTC"})),
        "book": exchange.fetch_order_book(LINEAR),
        "greeks": exchange.fetch_greeks(option),
        "chain": len(exchange.fetch_option_chain("BTC")),
        "balance": exchange.fetch_balance()["USDC"],
        "of_one": exchange.fetch_balance({"code": "USDC"})["USDC"],
        "positions": exchange.fetch_positions(),
        "position": exchange.fetch_position(LINEAR),
        "margins": exchange.privateGetGetMargins(
            {"instrument_name": markets[LINEAR]["id"], "amount": 1, "price": 100_000}
        )["result"],
        "open_orders": exchange.fetch_open_orders(),
        "open_orders_of_one": exchange.fetch_open_orders(LINEAR),
        "refused": refused,
    }


async def streamed(base, login):
    """Return what the client of the WebSocket is told."""
    exchange = addressed(ccxt.pro.deribit(login), base)
    try:
        async with asyncio.timeout(WAIT_S):
            first = await exchange.watch_ticker(LINEAR)
            second = await exchange.watch_ticker(LINEAR)
            raw = await exchange.watch_ticker(INVERSE, {"interval": "raw"})  # proves the key
            many = await exchange.watch_tickers(["ETH/USDC:USDC"])
            return {"first": first, "second": second, "raw": raw, "many": list(many)}
    finally:
        await exchange.close()


if __name__ == "__main__":
    _, base, key = sys.argv
    login = {"apiKey": key, "secret": os.environ["STORY_SECRET"]}
    told = plain(base, login)
    told["streamed"] = asyncio.run(streamed(base, login))
    print(json.dumps(told))
