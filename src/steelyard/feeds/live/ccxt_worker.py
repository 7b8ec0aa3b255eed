"""The other process of `ccxt_process`: drives ccxt.pro and prints one JSON object a line.

It is run by its path with an interpreter of its own, which needs ccxt and nothing else, so it imports
nothing of this package. The first line of its standard input says what to do; when that input ends, so
does the process. Each line out has a `kind`:

    starting, ready, alive (once a second), fatal (the last one: cause, reason)
    market     what a contract of it stands for: contract_size (null for spot), is_inverse
    trade, quote, book, reference, option   numbers as the library has them, times in milliseconds
    status     subscribed, refused or gap of a market
    error      an error of the venue: code is the library's name of it
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

ALIVE_S = 1.0
FIRST_WAIT_S, WAIT_S_MAX = 0.25, 30.0
BOOK_INTERVAL_S = 0.1

IMPORT_FAILED, BAD_REQUEST, NO_MARKETS = 3, 4, 5


def say(kind: str, **fields: Any) -> None:
    """Print one line; a number that is none becomes an error line."""
    try:
        line = json.dumps({"kind": kind, **fields}, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError) as error:
        line = json.dumps(
            {"kind": "error", "market": "", "code": "line", "reason": str(error)[:200]}
        )
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def fatal(cause: str, error: BaseException | str, status: int) -> int:
    """Say why the process ends and return its exit status."""
    name = "" if isinstance(error, str) else type(error).__name__ + ": "
    say("fatal", cause=cause, reason=(name + str(error))[:500])
    return status


def levels(rows: Any, depth: int) -> list[list[float]]:
    """Return price and quantity of the best levels; what a venue adds to them is left out."""
    return [[row[0], row[1]] for row in list(rows)[:depth]]


class Worker:
    """One exchange of the library and what is watched of it."""

    def __init__(self, ccxt: Any, exchange: Any, depth: int) -> None:
        self.ccxt = ccxt
        self.exchange = exchange
        self.depth = depth

    def has(self, name: str) -> bool:
        """Whether the library has a way to watch something of this exchange."""
        return bool(self.exchange.has.get(name))

    def watchers(self, market: str, channel: str) -> list[Callable[[], Awaitable[None]]]:
        """Return what is to be called over and over for a subscription; none where nothing serves."""

        def one(watch: Callable[[str], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
            return lambda: watch(market)

        if channel == "trades" and self.has("watchTrades"):
            return [one(self.trades)]
        if channel == "book" and self.has("watchOrderBook"):
            return [one(self.book)]
        if channel == "quotes":
            for name, watch in (
                ("watchBidsAsks", self.bids_asks),
                ("watchTicker", self.ticker_quote),
                ("watchOrderBook", self.book_quote),
            ):
                if self.has(name):
                    return [one(watch)]
        if channel == "options" and self.has("watchTicker"):
            return [one(self.option)]
        if channel == "reference":
            found = []
            if self.has("watchMarkPrice"):
                found.append(one(self.mark_price))
            elif self.has("watchTicker"):
                found.append(one(self.ticker_reference))
            if self.has("watchFundingRate"):
                found.append(one(self.funding_rate))
            return found
        return []

    async def trades(self, market: str) -> None:
        for trade in await self.exchange.watch_trades(market):
            say(
                "trade",
                market=market,
                price=trade["price"],
                quantity=trade["amount"],
                side=trade["side"],
                time_ms=trade["timestamp"],
                trade="" if trade["id"] is None else str(trade["id"]),
            )

    async def book(self, market: str) -> None:
        book = await self.exchange.watch_order_book(market)
        say(
            "book",
            market=market,
            bids=levels(book["bids"], self.depth),
            asks=levels(book["asks"], self.depth),
            time_ms=book["timestamp"],
            sequence=book["nonce"] if isinstance(book["nonce"], int) else None,
        )
        await asyncio.sleep(
            BOOK_INTERVAL_S
        )  # the library keeps the book: what comes between is in the next

    async def bids_asks(self, market: str) -> None:
        self.quote(market, (await self.exchange.watch_bids_asks([market]))[market])

    async def ticker_quote(self, market: str) -> None:
        self.quote(market, await self.exchange.watch_ticker(market))

    def quote(self, market: str, ticker: Any) -> None:
        say(
            "quote",
            market=market,
            bid=ticker.get("bid"),
            bid_quantity=ticker.get("bidVolume"),
            ask=ticker.get("ask"),
            ask_quantity=ticker.get("askVolume"),
            time_ms=ticker.get("timestamp"),
        )

    async def book_quote(self, market: str) -> None:
        book = await self.exchange.watch_order_book(market)
        bid, ask = levels(book["bids"], 1), levels(book["asks"], 1)
        say(
            "quote",
            market=market,
            bid=bid[0][0] if bid else None,
            bid_quantity=bid[0][1] if bid else None,
            ask=ask[0][0] if ask else None,
            ask_quantity=ask[0][1] if ask else None,
            time_ms=book["timestamp"],
        )

    async def mark_price(self, market: str) -> None:
        self.reference(market, await self.exchange.watch_mark_price(market))

    async def ticker_reference(self, market: str) -> None:
        self.reference(market, await self.exchange.watch_ticker(market))

    def reference(self, market: str, ticker: Any) -> None:
        say(
            "reference",
            market=market,
            index_price=ticker.get("indexPrice"),
            mark_price=ticker.get("markPrice"),
            time_ms=ticker.get("timestamp"),
        )

    async def funding_rate(self, market: str) -> None:
        funding = await self.exchange.watch_funding_rate(market)
        say(
            "reference",
            market=market,
            index_price=funding.get("indexPrice"),
            mark_price=funding.get("markPrice"),
            funding_rate=funding.get("fundingRate"),
            time_ms=funding.get("timestamp"),
        )

    async def option(self, market: str) -> None:
        ticker = await self.exchange.watch_ticker(market)
        say(
            "option",
            market=market,
            bid=ticker.get("bid"),
            ask=ticker.get("ask"),
            mark=ticker.get("markPrice"),
            index_price=ticker.get("indexPrice"),
            time_ms=ticker.get("timestamp"),
        )

    async def watch(self, market: str, watch: Callable[[], Awaitable[None]]) -> None:
        """Watch for ever; after an error wait, longer each time in a row."""
        final = (self.ccxt.BadSymbol, self.ccxt.NotSupported, self.ccxt.AuthenticationError)
        failures = 0
        while True:
            try:
                await watch()
            except final as error:
                say("status", market=market, status="refused", reason=str(error)[:200])
                return
            except self.ccxt.NetworkError as error:
                say("status", market=market, status="gap", reason=str(error)[:200])
            except Exception as error:
                name = type(error).__name__
                say("error", market=market, code=name, reason=str(error)[:200])
            else:
                failures = 0
                await asyncio.sleep(
                    0
                )  # what has its answer at once must not keep the others waiting
                continue
            await asyncio.sleep(min(FIRST_WAIT_S * 2**failures, WAIT_S_MAX))
            failures = min(failures + 1, 20)

    async def run(self, subscriptions: list[dict[str, str]]) -> None:
        """Watch everything asked for."""
        work = []
        known: set[str] = set()
        for subscription in subscriptions:
            market, channel = subscription["market"], subscription["channel"]
            try:
                terms = self.exchange.market(market)
            except self.ccxt.BaseError as error:
                say("status", market=market, status="refused", reason=str(error)[:200])
                continue
            watchers = self.watchers(market, channel)
            if not watchers:
                reason = f"the library has no way to watch {channel} of this exchange"
                say("status", market=market, status="refused", reason=reason)
                continue
            if market not in known:
                known.add(market)
                say(
                    "market",
                    market=market,
                    contract_size=terms.get("contractSize") if terms.get("contract") else None,
                    is_contract=bool(terms.get("contract")),
                    is_inverse=bool(terms.get("inverse")),
                )
            say("status", market=market, status="subscribed", reason=channel)
            work += [self.watch(market, watch) for watch in watchers]
        await asyncio.gather(*work)


async def live(request: dict[str, Any], ccxt: Any) -> int:
    """Do what is asked until the input ends; return the exit status."""
    if request["exchange"] not in ccxt.exchanges:
        reason = f"the library has no exchange {request['exchange']!r} with a live feed"
        return fatal("exchange", reason, BAD_REQUEST)
    exchange = getattr(ccxt, request["exchange"])(request.get("options") or {})
    if request.get("urls"):
        exchange.urls["api"] = exchange.deep_extend(exchange.urls["api"], request["urls"])

    async def alive() -> None:
        while True:
            say("alive")
            await asyncio.sleep(ALIVE_S)

    async def work() -> int:
        try:
            await exchange.load_markets()
        except Exception as error:
            return fatal("markets", error, NO_MARKETS)
        say("ready", version=ccxt.__version__, exchange=request["exchange"])
        await Worker(ccxt, exchange, request["depth"]).run(request["subscriptions"])
        await asyncio.Event().wait()
        return 0

    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    tasks = [asyncio.ensure_future(alive()), asyncio.ensure_future(work()), ended]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[1].result() if tasks[1].done() else 0
    finally:
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        await exchange.close()


def main() -> int:
    """Read the request, import the library, work."""
    say("starting")
    try:
        request = json.loads(sys.stdin.readline())
    except ValueError as error:
        return fatal("request", error, BAD_REQUEST)
    try:
        ccxt = importlib.import_module("ccxt.pro")
    except ImportError as error:
        return fatal("import", error, IMPORT_FAILED)
    return asyncio.run(live(request, ccxt))


if __name__ == "__main__":
    sys.stdout.flush()
    # A thread may still wait for input: the process must not wait for it.
    status = main()
    sys.stdout.flush()
    importlib.import_module("os")._exit(status)
