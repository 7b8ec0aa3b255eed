"""Who the generated accounts are: size, leverage, class and mode, before they hold anything.

Every quantile is drawn by strata, one draw in each of n equal slices of probability, so that the
stated percentiles hold for every seed and not just on average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from steelyard.lab.market import Floats
from steelyard.lab.venues import Integers

TAKER, OPTION_BOOK, MARKET_MAKER = range(3)
ISOLATED, CROSS, PORTFOLIO = range(3)


@dataclass(frozen=True)
class PopulationShape:
    """The stated shape of a population; docs/lab.md has its sources and what is achieved.

    size_median_usd, size_spread, size_spread_below: median equity and log spreads above and below
    it. tail_from, tail_power, size_max_usd: the Pareto tail begins at this quantile.
    leveraged_share: accounts with a leverage (gross notional over equity) above one;
    leverage_power: Pareto power above one; leverage_least, leverage_max: its ends.
    portfolio_leverage_max: takers beyond it choose another mode. headroom: margin balance over the
    estimated initial requirement, at least. The other shares are of accounts or of positions.
    """

    size_median_usd: float = 1_500.0
    size_spread: float = 3.27
    size_spread_below: float = 1.5
    size_least_usd: float = 30.0
    tail_from: float = 0.99
    tail_power: float = 0.9
    size_max_usd: float = 250_000_000.0
    leveraged_share: float = 0.45
    leverage_least: float = 0.03
    leverage_power: float = 1.05
    leverage_max: float = 50.0
    portfolio_leverage_max: float = 2.5
    isolated_share: float = 0.20
    portfolio_share: float = 0.25
    option_book_share: float = 0.06
    option_book_least_usd: float = 15_000.0
    market_maker_share: float = 0.01
    market_maker_ranks: tuple[float, float] = (0.95, 0.997)
    long_share: float = 0.62
    same_side: float = 0.85
    coin_collateral_share: float = 0.30
    inverse_share: float = 0.12
    inverse_least_usd: float = 2_000.0
    position_counts: tuple[float, ...] = (0.34, 0.25, 0.15, 0.10, 0.07, 0.04, 0.03, 0.02)
    headroom: float = 1.15


@dataclass(frozen=True)
class People:
    """Columns over accounts: equity in USD, leverage, class, mode, whether inverse."""

    equity: Floats
    leverage: Floats
    kind: Integers
    mode: Integers
    is_inverse: Integers


def strata(rng: np.random.Generator, count: int) -> Floats:
    """Return `count` numbers in (0, 1), one in each of `count` equal slices, shuffled.

    >>> sorted((strata(np.random.default_rng(1), 4) * 4).astype(int).tolist())
    [0, 1, 2, 3]
    """
    inside = 0.001 + 0.998 * rng.uniform(size=count)
    return np.asarray((rng.permutation(count) + inside) / count)


def size_of(quantile: Floats, shape: PopulationShape) -> Floats:
    """Return the equity in USD at a quantile: log-normal body, Pareto tail.

    >>> at = size_of(np.array([0.5, 0.99]), PopulationShape())
    >>> round(float(at[1] / at[0]))
    2013
    """
    normal = NormalDist()
    # The quantile function on a fine grid of its argument: no libm call an account.
    z = np.linspace(-4.5, 4.5, 4_001)
    probability = np.array([normal.cdf(float(x)) for x in z])
    spread = np.interp(quantile, probability, z)
    spread = spread * np.where(spread > 0.0, shape.size_spread, shape.size_spread_below)
    edge = normal.inv_cdf(shape.tail_from) * shape.size_spread
    beyond = np.maximum((1.0 - quantile) / (1.0 - shape.tail_from), 1e-12)
    logs = np.where(quantile > shape.tail_from, edge - np.log(beyond) / shape.tail_power, spread)
    size = shape.size_median_usd * np.exp(logs)
    return np.clip(size, shape.size_least_usd, shape.size_max_usd)


def leverage_of(quantile: Floats, shape: PopulationShape) -> Floats:
    """Return the leverage at a quantile: log-uniform up to one, a truncated Pareto beyond.

    >>> at = leverage_of(np.array([0.5, 0.55, 1.0]), PopulationShape())
    >>> [round(float(x), 2) for x in at]
    [0.73, 1.0, 50.0]
    """
    calm = 1.0 - shape.leveraged_share
    below = np.exp((1.0 - np.minimum(quantile / calm, 1.0)) * math.log(shape.leverage_least))
    share = np.clip((quantile - calm) / shape.leveraged_share, 0.0, 1.0)
    rest = shape.leverage_max**-shape.leverage_power
    above = (1.0 - share * (1.0 - rest)) ** (-1.0 / shape.leverage_power)
    return np.asarray(np.where(quantile < calm, below, above))


def draw_people(
    count: int, rng: np.random.Generator, shape: PopulationShape, *, options: bool, inverse: bool
) -> People:
    """Return the accounts' columns. options, inverse: whether such instruments are listed."""
    rank = strata(rng, count)
    equity = size_of(rank, shape)
    leverage = leverage_of(strata(rng, count), shape)
    kind = np.full(count, TAKER, dtype=np.int64)
    if options:
        low, high = shape.market_maker_ranks
        _assign(rng, kind, (rank >= low) & (rank < high), shape.market_maker_share, MARKET_MAKER)
        able = (equity >= shape.option_book_least_usd) & (kind == TAKER)
        _assign(rng, kind, able, shape.option_book_share, OPTION_BOOK)
    mode = np.where(kind == TAKER, CROSS, PORTFOLIO)
    missing = shape.portfolio_share - float(np.mean(mode == PORTFOLIO))
    able = (kind == TAKER) & (leverage <= shape.portfolio_leverage_max)
    _assign(rng, mode, able, missing, PORTFOLIO)
    _assign(rng, mode, mode == CROSS, shape.isolated_share, ISOLATED)
    is_inverse = np.zeros(count, dtype=np.int64)
    if inverse:
        able = (kind == TAKER) & (equity >= shape.inverse_least_usd)
        _assign(rng, is_inverse, able, shape.inverse_share, 1)
    return People(equity, leverage, kind, mode, is_inverse)


def _assign(
    rng: np.random.Generator,
    column: Integers,
    able: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    share: float,
    value: int,
) -> None:
    """Write `value` into a share of all rows of the column, drawn among the able ones."""
    rows = rng.permutation(np.flatnonzero(able))
    column[rows[: max(0, round(share * len(column)))]] = value
