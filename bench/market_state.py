"""Frames in, indices and marks out: the cost of a message, and its latency at ten thousand a second.

    python -m bench.market_state [--quick]

Trades of six markets stand for the sources of four coins: each frame is read by its venue's client, goes
through the driver into events, and the market state answers with verdicts, index, marks and volatility. Cost: all
of that as fast as it goes, against bare `msgspec.json` decoding of the same frames into the types the clients read.
Latency: messages are due at a steady ten thousand a second; each is timed from when it was due until the index
that knows it stands (nothing is forgiven for having been late), the driver conflating what waits.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterator

import numpy as np

from bench import feed_frames, feed_frames_usd
from bench.feed_frames import MS, Case
from bench.machine import paired, print_machine, report
from steelyard.feeds.live.client import VenueClient
from steelyard.feeds.live.config import decode_feeds
from steelyard.feeds.live.driver import LiveDriver
from steelyard.marks import MarketState, apply_batch, apply_price, apply_status, pass_time
from steelyard.terms import load_method
from steelyard.terms.listing import asset_for, linear_perpetual
from steelyard.ticks import Event, PriceBatch, PriceTick, SourceStatus

ASSETS = ("BTC", "ETH", "SOL", "XRP")
RATE = 10_000
BASE_US = (MS + 4_000) * 1_000
METHOD = load_method()
VENUE_NAMES = ("binance-usdm", "okx", "bybit-linear", "deribit", "coinbase", "kraken")


def trade_cases() -> list[Case]:
    """Return one market of trades a venue."""
    cases = [
        case
        for make in (
            feed_frames.binance, feed_frames.okx, feed_frames.bybit,
            feed_frames_usd.deribit, feed_frames_usd.coinbase, feed_frames_usd.kraken,
        )
        for case in make()
        if case.kind == "trades"
    ]  # fmt: skip
    wanted = {}
    for case in cases:
        operator = case.venue.split("-")[0]
        if operator != "binance" or case.venue == "binance-usdm":
            wanted.setdefault(operator, case)
    assert len(wanted) == len(VENUE_NAMES), sorted(wanted)
    return list(wanted.values())


class Pipeline:
    """Clients, driver and market state of all coins; every coin has every venue's trades."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases = cases
        rows = []
        for number, case in enumerate(cases):
            venue = VENUE_NAMES[number]
            for asset in ASSETS:
                name = f"{venue}-{asset}"
                market = case.subscription.market
                rows.append(
                    f'[[connections]]\nname = "{name}"\nvenue = "{venue}"\n'
                    f'markets = [{{ market = "{market}", channels = ["trades"] }}]\n'
                    f'[[sources]]\nname = "{name}"\nasset = "{asset}"\nconnection = "{name}"\n'
                    f'market = "{market}"\nprice = "trade"\nweight = 1\noperator = "{venue}"\n'
                    "stale_after_ms = 60000\n"
                )
        self.driver = LiveDriver(decode_feeds("\n".join(rows), 2, 2))
        self.names = [[f"{VENUE_NAMES[n]}-{a}" for a in ASSETS] for n in range(len(cases))]
        self.clients: list[list[VenueClient]] = [
            [self._client(case) for _ in ASSETS] for case in cases
        ]
        self.market = MarketState()
        self.market.time_us = BASE_US
        for asset in ASSETS:
            self.market.list_asset(asset_for(asset, 64_000.0))
            self.market.list_instrument(linear_perpetual(asset, 64_000.0))
        for event in self.driver.listings(BASE_US):
            self.market.list_source(event)

    @staticmethod
    def _client(case: Case) -> VenueClient:
        client = case.make_client()
        client.address([case.subscription])
        client.opening([case.subscription])
        case.start(client)
        return client

    def take(self, number: int, asset: int, frame: bytes, now_us: int) -> None:
        """Read one frame and hand what it says to the driver."""
        messages = self.clients[number][asset].receive(frame, now_us)
        self.driver.on_messages(self.names[number][asset], messages, now_us)

    def apply(self, now_us: int) -> None:
        """Let the market state take what has gathered."""
        for event in self.driver.drain(now_us):
            self._apply_one(event)

    def _apply_one(self, event: Event) -> None:
        market = self.market
        pass_time(market, event.time_us, METHOD)
        if isinstance(event, PriceBatch):
            apply_batch(market, event, METHOD)
        elif isinstance(event, PriceTick):
            apply_price(market, event, METHOD)
        elif isinstance(event, SourceStatus):
            apply_status(market, event, METHOD)
        market.notices.clear()

    def check(self) -> None:
        """Every index is trusted and every perpetual has its mark."""
        assert not self.market.is_protected[1 : len(ASSETS) + 1].any()
        assert self.market.has_mark[: len(ASSETS)].all()


def schedule(count: int, venues: int) -> Iterator[tuple[int, int, int]]:
    """Yield (venue, coin, number of the frame) of each message in turn."""
    for message in range(count):
        turn, venue = divmod(message, venues)
        number, asset = divmod(turn, len(ASSETS))
        yield venue, asset, number


def measure_cost(frames: list[list[bytes]], cases: list[Case], rounds: int, together: int) -> None:
    """Report the cost of a message when `together` are decided on at once, and its ratio to decoding."""
    count = len(frames[0]) * len(cases) * len(ASSETS)
    order = list(schedule(count, len(cases)))

    def whole() -> None:
        line = Pipeline(cases)
        for message, (venue, asset, number) in enumerate(order):
            line.take(venue, asset, frames[venue][number], BASE_US + message)
            if message % together == together - 1:
                line.apply(BASE_US + message)
        line.apply(BASE_US + count)
        line.check()

    def bare() -> None:
        for venue, _, number in order:
            cases[venue].decode(frames[venue][number])

    pair = paired(whole, bare, rounds)
    report(f"a message, {together} decided at once", pair.first_s / count * 1e6, "us")
    report(f"  the same over bare decoding, {together} at once", pair.first_s / pair.second_s, "x")


def measure_latency(frames: list[list[bytes]], cases: list[Case], seconds: float) -> None:
    """Report the latency from when a message was due to the index that knows it."""
    line = Pipeline(cases)
    count = min(int(RATE * seconds), len(frames[0]) * len(cases) * len(ASSETS))
    order = list(schedule(count, len(cases)))
    waits = np.zeros(count)
    first = np.zeros(count)
    taken = batches = 0
    gc.collect()
    gc.freeze()  # as a live engine does once it is loaded
    began = time.perf_counter()
    while taken < count:
        now = time.perf_counter() - began
        due = min(count, int(now * RATE) + 1)
        if due == taken:
            continue
        now_us = BASE_US + int(now * 1e6)
        for message in range(taken, due):
            venue, asset, number = order[message]
            line.take(venue, asset, frames[venue][number], now_us)
        line.apply(now_us)
        done = time.perf_counter() - began
        waits[taken:due] = done - np.arange(taken, due) / RATE
        first[taken:due] = due - taken
        taken = due
        batches += 1
    line.check()
    waits = np.sort(waits) * 1e3
    report("latency at 10,000 messages a second, p50", float(waits[count // 2]), "ms")
    report("  p99", float(waits[count * 99 // 100]), "ms", goal="<= 5")
    report("  longest", float(waits[-1]), "ms")
    report("  messages decided at once, mean", count / batches, "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    print_machine()
    cases = trade_cases()
    few = 400 if quick else 1_500
    frames = [case.frames(few) for case in cases]
    for together in (1, 10, 100):
        measure_cost(frames, cases, 3 if quick else 9, together)
    seconds = 2.0 if quick else 8.0
    many = int(RATE * seconds / len(cases) / len(ASSETS)) + 1
    measure_latency([case.frames(many) for case in cases], cases, seconds)


if __name__ == "__main__":
    main()
