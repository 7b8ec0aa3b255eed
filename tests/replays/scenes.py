"""The scenes of 10 October 2025, 21:10 to 21:20: one population under the index of each way to make one.

median          one speaker that says the median of the spot venues known, at once: what was due
ours            the spot venues as they are, under the method of the house
alone           one venue, with a quorum of one (ours where the venue does not trade the coin: the median)
beside          ours, with the coin-margined perpetuals as sources of the kind derivative
naive           the mean of the last minute's trades of all markets, weighted by their volume
"""

from __future__ import annotations

from collections import deque
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from steelyard.feeds import RecordedMarket, open_market
from steelyard.terms import AccountRecord
from tests.replays.speakers import (
    BESIDE,
    COINS,
    SECOND_US,
    Speaker,
    Word,
    clock,
    derivative_speakers,
    lone_speaker,
    median_speaker,
    spot_speakers,
)
from tests.replays.stage import Performance, at_once, house, one_of_one, perform, population

FROM_US, TO_US = clock(21, 10), clock(21, 20)
ACCOUNTS = 800
VOLUME_WINDOW_US = 60 * SECOND_US
CONTRACT_USD = 10
VENUES = ("coinbase", "gemini", "binance")
BARS = "oct10_2025/trades_1s_2045_2215.parquet"


class Crash(NamedTuple):
    """The ten minutes: who spoke of each coin, the coin-margined markets, the median, the accounts."""

    market: RecordedMarket
    spot: dict[str, list[Speaker]]
    derivative: dict[str, Speaker]
    median: dict[str, Speaker]
    accounts: list[AccountRecord]


@cache
def crash(folder: Path) -> Crash:
    """Return the ten minutes of the recording in `folder`."""
    market = open_market(folder, FROM_US, TO_US)
    spot = spot_speakers(market, COINS)
    median = {coin: median_speaker(coin, spot[coin], FROM_US, TO_US) for coin in COINS}
    accounts = population(market, COINS, ACCOUNTS)
    return Crash(market, spot, derivative_speakers(market, BESIDE), median, accounts)


@cache
def by_median(folder: Path) -> Performance:
    """Return what is due: the median of the spot venues, believed at once."""
    scene = crash(folder)
    return perform(
        scene.market,
        {coin: [scene.median[coin]] for coin in COINS},
        at_once(house()),
        scene.accounts,
    )


@cache
def by_ours(folder: Path) -> Performance:
    """Return what our index did."""
    scene = crash(folder)
    return perform(scene.market, scene.spot, house(), scene.accounts)


@cache
def by_venue(folder: Path, operator: str) -> Performance:
    """Return what one spot venue alone would have done; coins that it does not trade follow the median."""
    scene = crash(folder)
    speakers = {
        coin: [
            _from_the_start(scene, each) for each in scene.spot[coin] if each.operator == operator
        ]
        or [scene.median[coin]]
        for coin in COINS
    }
    return perform(scene.market, speakers, one_of_one(house()), scene.accounts)


@cache
def by_derivative(folder: Path) -> Performance:
    """Return what the coin-margined perpetuals alone would have done."""
    scene = crash(folder)
    speakers = {
        coin: [_from_the_start(scene, scene.derivative[coin])]
        if coin in BESIDE
        else [scene.median[coin]]
        for coin in COINS
    }
    return perform(scene.market, speakers, one_of_one(house()), scene.accounts)


@cache
def by_ours_beside(folder: Path) -> Performance:
    """Return what our index would have done with the coin-margined perpetuals among its sources."""
    scene = crash(folder)
    speakers = {
        coin: [*scene.spot[coin], scene.derivative[coin]] if coin in BESIDE else scene.spot[coin]
        for coin in COINS
    }
    return perform(scene.market, speakers, house(), scene.accounts)


@cache
def by_volume(folder: Path) -> Performance:
    """Return what the mean of all markets by volume would have done; other coins follow the median."""
    scene = crash(folder)
    naive = {
        coin: lone_speaker("all-markets", coin, volume_weighted(folder, coin)) for coin in BESIDE
    }
    speakers = {
        coin: [_from_the_start(scene, naive[coin])] if coin in BESIDE else [scene.median[coin]]
        for coin in COINS
    }
    return perform(scene.market, speakers, one_of_one(house()), scene.accounts)


def volume_weighted(folder: Path, coin: str) -> list[Word]:
    """Return the mean price of the last minute's trades of all markets by volume, as each bar was known."""
    columns = ["ts", "venue", "base", "vwap", "volume", "max_feed_delay_ms"]
    table = pq.read_table(folder / BARS, columns=columns, filters=[("base", "==", coin)])
    rows = []
    for row in table.to_pylist():
        exchange_us = round(row["ts"].timestamp()) * SECOND_US + SECOND_US
        known_us = exchange_us + 1_000 * row["max_feed_delay_ms"]
        units = row["volume"]
        if row["venue"].endswith("-delivery"):
            units *= CONTRACT_USD / row["vwap"]
        rows.append((known_us, exchange_us, row["vwap"], units))
    rows.sort()
    words: list[Word] = []
    window: deque[tuple[int, float, float]] = deque()
    usd = units_in = 0.0
    for known_us, exchange_us, price, units in rows:
        window.append((known_us, price * units, units))
        usd, units_in = usd + price * units, units_in + units
        while window[0][0] < known_us - VOLUME_WINDOW_US:
            _, old_usd, old_units = window.popleft()
            usd, units_in = usd - old_usd, units_in - old_units
        if FROM_US <= known_us < TO_US and units_in > 0.0:
            words.append(Word(known_us, exchange_us, usd / units_in))
    return words


def _from_the_start(scene: Crash, speaker: Speaker) -> Speaker:
    """Return a speaker that opens with the median, where it has no fresh word when the window opens."""
    listed, words = speaker
    if (
        words
        and words[0].known_us == FROM_US
        and FROM_US - words[0].exchange_us <= listed.stale_after_us
    ):
        return speaker
    opening = Word(FROM_US, FROM_US, scene.median[listed.asset].words[0].price)
    return Speaker(listed, [opening, *words])
