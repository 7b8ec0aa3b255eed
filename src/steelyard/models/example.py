"""A small chain made by formula, for examples, tests and a first look without any data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.feeds.tables import NO_TIME
from steelyard.valuation.black76 import black76_price

Floats = NDArray[np.float64]

START_US = 1_767_254_400_000_000  # 2026-01-01 08:00 UTC
DAY_US = 86_400_000_000
DAYS = (1, 7, 30, 90, 180, 360)
INDEX = 60_000.0
CARRY = 0.05
TICK = 1e-4  # of a coin


def example_volatility(k: ArrayLike, years: float) -> Floats:
    """Return the volatility that the example's quotes are made from.

    >>> float(example_volatility(0.0, 1.0).round(3))
    0.55
    """
    z = np.asarray(k, dtype=np.float64) / np.sqrt(years)
    return np.asarray(0.50 + 0.05 * np.sqrt(years) - 0.04 * z + 0.12 * (np.sqrt(1.0 + z * z) - 1.0))


def example_chain(spread: float = 0.02, is_inverse: bool = True) -> ChainQuotes:
    """Return quotes of an underlying at 60,000, six expiries of 17 strikes, in coin or in USD.

    spread: the relative width of a quote; bids are rounded down to a tick, asks up.

    >>> chain = example_chain()
    >>> len(chain), chain.underlying
    (204, 'BTC')
    """
    rows = []
    for days in DAYS:
        years = days / 365.0
        forward = INDEX * float(np.exp(CARRY * years))
        width = 0.5 * np.sqrt(years)
        for z in np.linspace(-2.4, 2.4, 17):
            strike = float(np.round(forward * np.exp(width * z), -1))
            rows += [(days, forward, strike, is_call) for is_call in (True, False)]
    term, ahead, strikes = (np.array([row[j] for row in rows], np.float64) for j in range(3))
    calls = np.array([row[3] for row in rows], np.bool_)
    volatility = np.empty(len(rows))
    for day in DAYS:
        mine = term == day
        volatility[mine] = example_volatility(np.log(strikes[mine] / ahead[mine]), day / 365.0)
    price = black76_price(calls, ahead, strikes, volatility, term / 365.0)
    unit, tick = (ahead, TICK) if is_inverse else (np.ones(len(rows)), 1.0)
    fair = price / unit
    bid = np.floor(fair * (1.0 - 0.5 * spread) / tick) * tick
    ask = np.ceil(fair * (1.0 + 0.5 * spread) / tick) * tick
    expiry_us = START_US + np.round(term * DAY_US).astype(np.int64)
    count = len(rows)
    return ChainQuotes(
        "BTC", START_US, is_inverse, np.arange(1, count + 1), expiry_us, strikes, calls, bid, ask,
        volatility, ahead, np.zeros(count, np.bool_), np.full(count, INDEX), np.full(count, NO_TIME),
    )  # fmt: skip
