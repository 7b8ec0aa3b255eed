"""Speakers: who says what a coin costs, when it was so, and when it was heard; and the median of them.

A speaker is a source as it is listed, with all its words. What is *known* at an instant is the newest word, by
exchange time, of those received by then; what was *true* is the last word by exchange time, whenever it was received.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.feeds import RecordedMarket
from steelyard.ticks import PriceTick, QuoteTick, SourceListed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SECOND_US = 1_000_000
DAY_START_US = 1_760_054_400_000_000  # 2025-10-10T00:00:00Z
STALE_US = 60 * SECOND_US
COINS = ("AAVE", "ATOM", "AVAX", "BCH", "DOGE", "LINK", "POL", "SKY")
"""The coins that several independent spot venues traded."""
BESIDE = ("AAVE", "ATOM", "AVAX", "BCH")
"""Of these, the ones with a coin-margined perpetual of another operator beside them."""


def clock(hours: int, minutes: int, seconds: int = 0) -> int:
    """Return an instant of 10 October 2025, UTC.

    >>> clock(21, 10)
    1760130600000000
    """
    return DAY_START_US + (3600 * hours + 60 * minutes + seconds) * SECOND_US


class Word(NamedTuple):
    """A price: when it was known here, when it was so there, USD."""

    known_us: int
    exchange_us: int
    price: float


class Speaker(NamedTuple):
    """A source as it is listed, and all its words in the order in which they were received."""

    listed: SourceListed
    words: list[Word]

    @property
    def operator(self) -> str:
        """Return who runs it."""
        return self.listed.operator


def spot_speakers(market: RecordedMarket, coins: Sequence[str]) -> dict[str, list[Speaker]]:
    """Return the spot venues of each coin with their words in the window, the last one before it first."""
    speakers: dict[str, list[Speaker]] = {coin: [] for coin in coins}
    words: dict[str, list[Word]] = {}
    for event in market.listings:
        if isinstance(event, SourceListed) and event.asset in speakers:
            words[event.source] = []
            speakers[event.asset].append(Speaker(event, words[event.source]))
    for event in (*market.warm_up, *market.ticks()):
        if isinstance(event, PriceTick) and event.source in words:
            words[event.source].append(Word(event.time_us, event.exchange_time_us, event.price))
    return speakers


def derivative_speakers(market: RecordedMarket, coins: Sequence[str]) -> dict[str, Speaker]:
    """Return the coin-margined perpetual of each coin as the source it could be, with its trades as words."""
    streams = {
        "recorded:" + each.name: each
        for each in market.sources
        if each.instrument.removesuffix("-PERPETUAL") in coins
    }
    speakers = {
        origin: Speaker(
            SourceListed(
                market.from_us, "replay", 1, each.name, each.instrument.removesuffix("-PERPETUAL"),
                each.operator, 3, STALE_US, kind="derivative",
            ),
            [],
        )
        for origin, each in streams.items()
    }  # fmt: skip
    for event in (*market.warm_up, *market.ticks()):
        if isinstance(event, QuoteTick) and event.origin in speakers:
            word = Word(event.time_us, event.exchange_time_us, 0.5 * (event.bid + event.ask))
            speakers[event.origin].words.append(word)
    return {each.listed.asset: each for each in speakers.values()}


def lone_speaker(
    name: str, coin: str, words: Iterable[Word], stale_after_us: int = STALE_US
) -> Speaker:
    """Return somebody who is the only source of a coin."""
    listed = SourceListed(0, "replay", 1, name, coin, name, 1, stale_after_us)
    return Speaker(listed, list(words))


# -- medians -------------------------------------------------------------------------------------


def heard(speaker: Speaker, at_us: Ints, *, by_exchange: bool = False) -> Floats:
    """Return a speaker's price at each instant, NaN while it is silent or stale.

    By knowledge: the newest word, by exchange time, of those received. by_exchange: what was so, whenever it
    was received.
    """
    known = np.array([word.known_us for word in speaker.words], np.int64)
    exchange = np.array([word.exchange_us for word in speaker.words], np.int64)
    price = np.array([word.price for word in speaker.words], np.float64)
    if by_exchange:
        order = np.argsort(exchange, kind="stable")
        known, exchange, price = exchange[order], exchange[order], price[order]
    else:
        newest = exchange >= np.maximum.accumulate(exchange)
        known, exchange, price = known[newest], exchange[newest], price[newest]
    last = np.searchsorted(known, at_us, side="right") - 1
    is_fresh = (last >= 0) & (at_us - exchange[last] <= speaker.listed.stale_after_us)
    return np.where(is_fresh, price[last], np.nan)


def spot_median(
    speakers: Sequence[Speaker], at_us: Ints, *, by_exchange: bool = False, least: int = 1
) -> Floats:
    """Return the median of the speakers that are fresh at each instant, NaN where fewer than `least` are."""
    prices = np.sort([heard(each, at_us, by_exchange=by_exchange) for each in speakers], axis=0)
    count = np.isfinite(prices).sum(axis=0)
    row = np.arange(at_us.size)
    low, high = prices[np.maximum(count - 1, 0) // 2, row], prices[count // 2 % len(prices), row]
    middle = np.where(count % 2 == 1, low, 0.5 * (low + high))
    return np.where(count >= least, middle, np.nan)


def instants(speakers: Sequence[Speaker], from_us: int, to_us: int) -> Ints:
    """Return every instant at which somebody said something, and every whole second."""
    said = [word.known_us for each in speakers for word in each.words]
    every = np.concatenate([np.array(said, np.int64), np.arange(from_us, to_us + 1, SECOND_US)])
    return np.unique(every[(every >= from_us) & (every <= to_us)])


def median_speaker(coin: str, speakers: Sequence[Speaker], from_us: int, to_us: int) -> Speaker:
    """Return somebody who says the median of the spot venues at once whenever it changes, and every second."""
    at_us = instants(speakers, from_us, to_us)
    prices = spot_median(speakers, at_us)
    words = [
        Word(at, at, price)
        for at, price in zip(at_us.tolist(), prices.tolist(), strict=True)
        if price == price
    ]
    return lone_speaker("spot-median", coin, words)


def step(times: Sequence[int], values: Sequence[float], at_us: Ints) -> Floats:
    """Return the last of `values` at each instant, NaN before the first."""
    if not times:
        return np.full(at_us.shape, np.nan)
    last = np.searchsorted(np.array(times, np.int64), at_us, side="right") - 1
    return np.where(last >= 0, np.array(values, np.float64)[last], np.nan)
