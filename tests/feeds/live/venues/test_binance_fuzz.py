"""Whatever bytes come, Binance's clients say something sound or raise one of the three listed errors."""

from __future__ import annotations

import lzma
from collections import Counter
from math import inf
from pathlib import Path

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Message, Quote, Reference, Trade
from steelyard.feeds.live.venues.binance import BinanceCoinmClient, BinanceSpotClient
from steelyard.feeds.live.venues.binance_client import BinanceClient
from steelyard.quantities import InputError
from steelyard.ticks.bounds import PRICE_MAX, TIME_US_MAX
from tests.feeds.live.venues.binance_roles import (
    CLIENTS,
    NOW_MS,
    NOW_US,
    SYMBOLS,
    aggregate_trade,
    book_ticker,
    depth,
    kinds,
    listing,
    mark_price,
    ready,
    snapshot,
)
from tests.support.mutation import mutants

COUNT = 45_000
ANSWERS = 9_000
RECORDED = {
    "spot_btcusdt": BinanceSpotClient,
    "usdm_btcusdt": CLIENTS[1],
    "cm_btcusd_perp": BinanceCoinmClient,
}
LEVELS = [["64000.1", "0.5"], ["63999.0", "0"], ["63000", "12"]], [["64001.0", "7.25"]]


def own_frames(kind: type[BinanceClient]) -> list[bytes]:
    """Return one frame of every sort."""
    symbol, is_spot = SYMBOLS[kind], kind is BinanceSpotClient
    previous = None if is_spot else 90
    return [
        aggregate_trade(symbol),
        book_ticker(symbol, T=NOW_MS, E=NOW_MS),
        depth(symbol, 100, 120, previous, *LEVELS),
        depth(symbol, 121, 140, None if is_spot else 120, *LEVELS),
        mark_price(symbol),
        listing(f"{symbol.lower()}@aggTrade", f"{symbol.lower()}@depth@100ms"),
        b'{"result":null,"id":2}',
        b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":3}',
        b'{"code":3,"msg":"Invalid JSON","id":4}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ]


def own_answers(kind: type[BinanceClient]) -> list[bytes]:
    """Return one answer of every sort."""
    symbol = SYMBOLS[kind]
    interest = f'{{"openInterest":"10659.5","symbol":"{symbol}","time":{NOW_MS}}}'
    return [
        snapshot(110, *LEVELS, time_ms=NOW_MS),
        interest.encode(),
        b'{"code":-1121,"msg":"Invalid symbol."}',
        b'{"code":-1003,"msg":"Too many requests."}',
    ]


def check(message: Message) -> None:
    """Fail unless the numbers of a message are within bounds."""
    if isinstance(message, Trade):
        prices, quantities = [message.price], [message.quantity]
        assert message.price > 0.0
        assert message.quantity > 0.0
    elif isinstance(message, Quote):
        prices, quantities = (
            [message.bid, message.ask],
            [message.bid_quantity, message.ask_quantity],
        )
    elif isinstance(message, (BookSnapshot, BookChange)):
        levels = message.bids + message.asks
        prices, quantities = [level[0] for level in levels], [level[1] for level in levels]
        assert all(price > 0.0 for price in prices)
    elif isinstance(message, Reference):
        prices = [p for p in (message.index_price, message.mark_price) if p is not None]
        quantities = [] if message.open_interest is None else [message.open_interest]
        assert message.funding_rate is None or abs(message.funding_rate) <= 10.0
        assert all(price > 0.0 for price in prices)
    else:
        return
    assert all(0.0 <= price <= PRICE_MAX for price in prices)
    assert all(0.0 <= quantity < inf for quantity in quantities)
    assert 0 <= message.exchange_time_us <= TIME_US_MAX


def all_channels(kind: type[BinanceClient]) -> BinanceClient:
    """Return a client of one place that reads all it can, whatever place serves it."""
    together = type("Together", (kind,), {"routes": {}})
    subscriptions = [Subscription(SYMBOLS[kind], channel) for channel in kind.suffixes]
    return ready(together(), *subscriptions)


def endure(
    kind: type[BinanceClient], frames: list[bytes], answers: list[bytes], count: int
) -> None:
    """Fail if a mutant leads to anything but sound messages or a listed error, or leaves a client ill."""
    client, outcomes = all_channels(kind), Counter[str]()
    paths = [*client._snapshots, *client._open_interest, "/nobody/asked"]
    received = count - ANSWERS * count // COUNT
    read = 0
    for number, frame in enumerate(mutants(frames, received, seed=20_260_921)):
        if number % 2_000 == 0:
            client = all_channels(kind)
            for whole in frames[:4]:
                client.receive(whole, NOW_US)
        outcomes.update(_outcome(client, frame, None, NOW_US + number * 10_000))
    for number, body in enumerate(mutants(answers, count - received, seed=20_260_922)):
        if number % 50 == 0:
            client = all_channels(kind)
            for whole in frames[:5]:
                client.receive(whole, NOW_US)
        path = paths[number % len(paths)]
        outcomes.update(_outcome(client, body, path, NOW_US + number))
    assert kinds(client.receive(frames[0], NOW_US))[:1] == ["Trade"]
    read = count - sum(outcomes[code] for code in ("WIRE-E01", "WIRE-E02", "WIRE-E03"))
    assert min(outcomes["WIRE-E01"], outcomes["WIRE-E02"], outcomes["WIRE-E03"]) > count // 100
    assert read > count // 20
    assert set(outcomes) <= {"WIRE-E01", "WIRE-E02", "WIRE-E03", "read"}


def _outcome(client: BinanceClient, sent: bytes, path: str | None, at_us: int) -> list[str]:
    try:
        out = client.receive(sent, at_us) if path is None else client.fetched(path, sent, at_us)
    except InputError as error:
        str(error).encode()
        return [error.code]
    for message in out:
        check(message)
    return ["read"]


@pytest.mark.parametrize("kind", CLIENTS)
def test_BINW_040_forty_five_thousand_mutants_lead_to_listed_errors_or_sound_messages(
    kind: type[BinanceClient],
) -> None:
    endure(kind, own_frames(kind), own_answers(kind), COUNT)


@pytest.mark.parametrize("name", RECORDED)
def test_BINW_040_mutants_of_recorded_frames_do_too(market_data: Path, name: str) -> None:
    kind = RECORDED[name]
    path = market_data / "raw_messages" / f"binance_{name}_20240808.txt.xz"
    frames: dict[bytes, bytes] = {}
    answers: list[bytes] = []
    with lzma.open(path) as lines:
        for line in lines:
            frame = line.rstrip().partition(b" ")[2]
            if frame.startswith(b'{"lastUpdateId"'):
                answers.append(frame[:2_000])
            elif len(frame) < 1_500:
                frame = frame.replace(b"@0ms", b"@100ms")
                frames.setdefault(frame[10:40], frame)
            if len(frames) == 3 and answers:
                break
    seeds = [aggregate_trade(SYMBOLS[kind]), *frames.values(), *own_frames(kind)[4:]]
    assert len(frames) == 3
    endure(kind, seeds, own_answers(kind) + answers, 10_000)
