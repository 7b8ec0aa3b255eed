"""Venues on loopback that speak the documented protocols and tell prices until the test ends.

Each teller is a `Script` of `tests.support.live_server`: it acknowledges subscriptions as its venue does and
sends a trade every few milliseconds. `price(n)` and `time_us(now)` make liars and clocks that are off.
"""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from tests.feeds.live.oracles import chainlink_reports as chainlink
from tests.support import pyth
from tests.support.live_server import Action, Drop, Pause, Route, Script, now_us

EVERY_S = 0.02
GREETING_S = 0.05
E18 = 10**18

Price = Callable[[int], float]
Time = Callable[[int], int]


def steady(value: float, step: float = 0.0) -> Price:
    """A price that moves a little with every trade, so that it is never frozen."""
    return lambda number: value + step * (number % 5)


def right_time(now: int) -> int:
    return now


def iso(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(
        microsecond=time_us % 1_000_000
    )
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def told(frame: Callable[[int], str | bytes], count: int = 100_000) -> Iterator[Action]:
    yield Pause(GREETING_S)
    for number in itertools.islice(itertools.count(1), count):
        yield frame(number)
        yield Pause(EVERY_S)


def coinbase(
    price: Price,
    when: Time = right_time,
    lives: int = 100_000,
    pause_after: int = 100_000,
    junk: Iterable[Action] = (),
) -> Script:
    """Coinbase: matches of BTC-USD. After `lives` trades the first connection is cut, after `pause_after`
    trades every one is silent; junk: what comes after a connection's first three trades."""

    def trade(number: int) -> str:
        return json.dumps(
            {"type": "match", "trade_id": number, "sequence": 1_000 + number, "side": "sell",
             "time": iso(when(now_us())), "product_id": "BTC-USD", "size": "0.5",
             "price": str(price(number)), "maker_order_id": "a", "taker_order_id": "b"}
        )  # fmt: skip

    def connect(index: int, path: str) -> Iterator[Action]:
        if junk:
            yield from told(trade, 3)
            yield from junk
            yield Pause(EVERY_S)
            yield Drop()
            return
        yield from told(trade, min(pause_after, lives if index == 0 else 100_000))
        yield Pause(60.0) if pause_after < lives else Drop()

    def answer(_index: int, frame: str) -> Iterable[Action]:
        request = json.loads(frame)
        if request["type"] != "subscribe":
            return
        names = [each["name"] for each in request["channels"]]
        wanted = request["channels"][0].get("product_ids", ["BTC-USD"])
        if wanted != ["BTC-USD"]:
            yield json.dumps({"type": "error", "message": "Failed to subscribe",
                              "reason": f"{wanted[0]} is not a valid product"})  # fmt: skip
            return
        channels = [{"name": name, "product_ids": wanted, "account_ids": None} for name in names]
        yield json.dumps({"type": "subscriptions", "channels": channels})

    return Script(on_connect=connect, on_frame=answer)


def kraken(when: Time = right_time, **prices: Price) -> Script:
    """Kraken: trades of these bases against USD; another symbol is refused."""
    symbols = [f"{base}/USD" for base in prices]

    def trade(number: int) -> str:
        symbol = symbols[number % len(symbols)]
        item = {"symbol": symbol, "side": "buy", "qty": 0.25, "ord_type": "market",
                "price": prices[symbol.partition("/")[0]](number),
                "trade_id": number // len(symbols), "timestamp": iso(when(now_us()))}  # fmt: skip
        return json.dumps({"channel": "trade", "type": "update", "data": [item]})

    def answer(_index: int, frame: str) -> Iterable[Action]:
        request = json.loads(frame)
        if request["method"] != "subscribe":
            return
        said = {"method": "subscribe", "req_id": request["req_id"], "time_in": iso(now_us())}
        for symbol in request["params"].get("symbol", [""]):
            if symbol and symbol not in symbols:
                words = f"Currency pair not supported {symbol}"
                yield json.dumps({**said, "success": False, "error": words, "symbol": symbol})
                continue
            result = {
                "channel": request["params"]["channel"],
                **({"symbol": symbol} if symbol else {}),
            }
            yield json.dumps({**said, "success": True, "result": result})

    return Script(on_connect=lambda _index, _path: told(trade), on_frame=answer)


def okx(price: Price, when: Time = right_time, junk: Iterable[Action] = ()) -> Script:
    """OKX: trades and a book of BTC-USDT. junk: what follows the first trades for ever."""

    def trade(number: int) -> str:
        if number % 5 == 0:  # the book moves with every fifth word
            at = number // 5
            change = {"asks": [[f"{price(0) + 1}", f"{1 + at % 3}", "0", "1"]], "bids": [],
                      "ts": str(when(now_us()) // 1_000), "checksum": 0,
                      "seqId": 10 + at, "prevSeqId": 9 + at}  # fmt: skip
            argument = {"channel": "books", "instId": "BTC-USDT"}
            return json.dumps({"arg": argument, "action": "update", "data": [change]})
        row = {"instId": "BTC-USDT", "tradeId": str(number), "px": str(price(number)), "sz": "0.25",
               "side": "sell", "ts": str(when(now_us()) // 1_000), "count": "1", "source": "0",
               "seqId": number}  # fmt: skip
        return json.dumps({"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [row]})

    def connect(_index: int, _path: str) -> Iterator[Action]:
        spoilt = list(junk)
        yield from told(trade, 3 if spoilt else 100_000)
        for action in itertools.cycle(spoilt):
            yield action
            yield Pause(EVERY_S)

    def answer(_index: int, frame: str) -> Iterable[Action]:
        if frame == "ping":
            yield "pong"
            return
        for wanted in json.loads(frame)["args"]:
            yield json.dumps({"event": "subscribe", "arg": wanted, "connId": "a4d3ae55"})
            if wanted["channel"] == "books":
                yield json.dumps({"arg": wanted, "action": "snapshot", "data": [book()]})

    def book() -> dict[str, object]:
        middle = price(0)
        return {"asks": [[f"{middle + n}", "2", "0", "1"] for n in range(1, 9)],
                "bids": [[f"{middle - n}", "2", "0", "1"] for n in range(1, 9)],
                "ts": str(when(now_us()) // 1_000), "checksum": 0, "seqId": 10, "prevSeqId": -1}  # fmt: skip

    return Script(on_connect=connect, on_frame=answer)


# ---- oracle networks


def chainlink_streams(price: Price) -> Script:
    """Data Streams: a signed report of the BTC feed every few milliseconds, the time of each a new second."""

    def report(number: int) -> bytes:
        observed = now_us() // 1_000_000
        value = int(price(number)) * E18
        body = chainlink.report_bytes(
            valid_from=observed - 1, observed=observed, expires=observed + 3_600, price=value,
            bid=value - 5 * E18, ask=value + 5 * E18, updated_ns=observed * 10**9,
        )  # fmt: skip
        return chainlink.frame(chainlink.full_report(body))

    return Script(on_connect=lambda _index, _path: told(report))


def hermes(attester: pyth.Attester, price: Price) -> Script:
    """Hermes: the newest document; its stream has nothing to tell."""

    def document() -> str:
        now_s = int(time.time())
        message = pyth.price_message(
            price=int(price(now_s) * 10**8), confidence=10**9, publish_s=now_s, previous_s=now_s - 1
        )
        blob = pyth.update(attester, [message], slot=now_s, time_s=now_s)
        coded = base64.b64encode(blob).decode()
        return json.dumps({"binary": {"encoding": "base64", "data": [coded]}})

    return Script(
        routes={
            "/v2/updates/price/latest": lambda _path: Route(document()),
            "/v2/updates/price/stream": Route(delay_s=60.0),
        }
    )


def pyth_pro(price: Price) -> Script:
    """Pyth Pro: signed updates of feed 1."""

    def update(number: int) -> str:
        signer = pyth.key(90)
        at_us = now_us()
        return json.dumps(pyth.pro_frame([(1, int(price(number) * 10**8))], at_us, signer=signer))

    def answer(_index: int, frame: str) -> Iterable[Action]:
        assert json.loads(frame)["priceFeedIds"] == [1]
        yield json.dumps({"type": "subscribed", "subscriptionId": 1})

    return Script(on_connect=lambda _index, _path: told(update), on_frame=answer)
