"""Roles for the volatility tests: short rules, and markets that walk at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.marks.volatility import VolatilityState, observe_index
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import Horizon, VolatilityRules

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
START_US = 1_700_000_100_000_000  # where a bar of five minutes begins
RULES = VolatilityRules()
MINUTE = Horizon(MINUTE_US, SECOND_US)


def brownian(
    volatility: float, times_us: NDArray[np.int64], seed: int, start: float = 100.0
) -> list[float]:
    """Return prices at the times, whose logarithm is a Brownian motion that starts at time 0."""
    steps = np.diff(times_us, prepend=0) / YEAR_US
    noise = np.random.default_rng(seed).standard_normal(len(times_us))
    prices: list[float] = (start * np.exp(np.cumsum(volatility * np.sqrt(steps) * noise))).tolist()
    return prices


def correlated(
    matrix: NDArray[np.float64], volatility: float, step_us: int, count: int, seed: int
) -> NDArray[np.float64]:
    """Return prices (count, assets) at steps of step_us with the correlations of `matrix`."""
    noise = np.random.default_rng(seed).standard_normal((count, len(matrix)))
    moves = noise @ np.linalg.cholesky(matrix).T * volatility * np.sqrt(step_us / YEAR_US)
    prices: NDArray[np.float64] = 100.0 * np.exp(np.cumsum(moves, axis=0))
    return prices


def feed(
    state: VolatilityState,
    slot: int,
    prices: list[float],
    times_us: list[int],
    rules: VolatilityRules = RULES,
) -> None:
    """Let the state observe the prices of one asset."""
    for price, time_us in zip(prices, times_us, strict=True):
        observe_index(state, slot, price, time_us, rules)


def feed_all(
    state: VolatilityState,
    prices: NDArray[np.float64],
    step_us: int,
    rules: VolatilityRules = RULES,
    start_us: int = START_US,
) -> int:
    """Let the state observe rows of prices of assets 1, 2 …, NaN for none; return the last time."""
    time_us = start_us
    for row in prices.tolist():
        time_us += step_us
        for slot, price in enumerate(row, start=1):
            if price == price:
                observe_index(state, slot, price, time_us, rules)
    return time_us
