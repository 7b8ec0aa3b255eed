"""Figures of a performance: errors against the median, lags of a fall, protected time, whom it liquidated.

Errors are shares of the median. Lags are in seconds, at the instants at which somebody said something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from steelyard.marks.guard import TRUSTED
from tests.replays.speakers import SECOND_US, Floats, Speaker, instants, spot_median
from tests.replays.stage import Performance


class Errors(NamedTuple):
    """How far a path stood from the median, as a share of it: worst, and 99th percentile of the seconds."""

    worst: float
    p99: float


class Lag(NamedTuple):
    """When one level of a fall was passed, seconds after it was true: known_s by the median of what was
    known, index_s by the index (None: never). is_trusted: whether the asset was trusted when it was known."""

    level: float
    known_s: float
    index_s: float | None
    is_trusted: bool


class Comparison(NamedTuple):
    """Whom a way to make an index liquidated, against whom the median would have.

    wrongful: not due within the window. missed: due, and not liquidated. late_s: of the others, ascending.
    """

    due: int
    liquidated: int
    wrongful: list[str]
    missed: list[str]
    late_s: list[float]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile (inverted empirical CDF), NaN of nothing.

    >>> quantile([3.0, 1.0, 2.0], 0.5), quantile([], 0.5)
    (2.0, nan)
    """
    if not values:
        return float("nan")
    return float(np.quantile(values, share, method="inverted_cdf"))


def compare(due: Performance, run: Performance) -> Comparison:
    """Return whom a run liquidated against whom it should have."""
    should, did = due.liquidated, run.liquidated
    late = sorted((did[name] - should[name]) / SECOND_US for name in should.keys() & did.keys())
    return Comparison(
        len(should), len(did), sorted(did.keys() - should.keys()),
        sorted(should.keys() - did.keys()), late,
    )  # fmt: skip


def protected_shares(run: Performance, coin: str) -> dict[str, float]:
    """Return the share of the seconds in which each condition protected a coin."""
    at_us = np.arange(run.from_us, run.to_us, SECOND_US, dtype=np.int64)
    counts = Counter(run.condition_at(coin, at_us))
    return {
        name: count / at_us.size
        for name, count in sorted(counts.items(), key=lambda each: -each[1])
        if name not in TRUSTED
    }


def errors(
    run: Performance,
    coin: str,
    speakers: Sequence[Speaker],
    *,
    by_exchange: bool = False,
    only_trusted: bool = True,
    least: int = 1,
) -> Errors:
    """Return how far the index stood from the median of the spot speakers.

    by_exchange: against what was true, else against what was known. least: fewer fresh speakers make no median.
    """
    every = instants(speakers, run.from_us, run.to_us)
    seconds = np.arange(run.from_us, run.to_us, SECOND_US, dtype=np.int64)
    found: list[Floats] = []
    for at_us in (every, seconds):
        median = spot_median(speakers, at_us, by_exchange=by_exchange, least=least)
        apart = np.abs(run.index_at(coin, at_us) / median - 1.0)
        keep = np.isfinite(apart)
        if only_trusted:
            keep &= np.isin(run.condition_at(coin, at_us), list(TRUSTED))
        found.append(apart[keep])
    return Errors(float(found[0].max(initial=0.0)), quantile(found[1].tolist(), 0.99))


def lags(run: Performance, coin: str, speakers: Sequence[Speaker]) -> list[Lag]:
    """Return the lag of each whole per cent of the deepest fall of what was true.

    A level below which what was known, or the index, stood already when the fall began has nothing to follow.
    """
    exchange = np.array([w.exchange_us for each in speakers for w in each.words], np.int64)
    shown = np.array([time_us for time_us, _ in run.indices[coin]], np.int64)
    at_us = np.unique(np.concatenate([instants(speakers, run.from_us, run.to_us), exchange, shown]))
    at_us = at_us[(at_us >= run.from_us) & (at_us < run.to_us)]
    true = spot_median(speakers, at_us, by_exchange=True)
    fall = deepest_fall(true)
    levels = percent_levels(fall)
    paths = (true, spot_median(speakers, at_us), run.index_at(coin, at_us))
    conditions = run.condition_at(coin, at_us)
    told = []
    for level, was, known, ours in zip(
        levels, *(first_below(path, fall, levels) for path in paths), strict=True
    ):
        assert was is not None
        if known is None or any(path[fall.start] <= level for path in paths):
            continue
        start = int(at_us[was])
        told.append(
            Lag(
                level,
                (int(at_us[known]) - start) / SECOND_US,
                None if ours is None else (int(at_us[ours]) - start) / SECOND_US,
                conditions[known] in TRUSTED,
            )
        )
    return told


def held_assets(run: Performance, accounts: Mapping[str, Sequence[str]], account: str) -> set[str]:
    """Return the underlyings of an account's positions."""
    market = run.engine.market
    return {
        market.instruments[market.instrument_slots[name]].underlying for name in accounts[account]
    }


def was_protected(run: Performance, coins: set[str], at_us: int) -> bool:
    """Return whether any of some coins was protected at an instant."""
    at = np.array([at_us], np.int64)
    return any(run.condition_at(coin, at)[0] not in TRUSTED for coin in coins)


class Fall(NamedTuple):
    """The deepest fall of a path: rows of its high and low, and both prices."""

    start: int
    end: int
    high: float
    low: float


def deepest_fall(path: Floats) -> Fall:
    """Return the deepest fall from a high to a later low.

    >>> deepest_fall(np.array([90.0, 100.0, np.nan, 50.0, 80.0]))
    Fall(start=1, end=3, high=100.0, low=50.0)
    """
    filled = np.where(np.isfinite(path), path, -np.inf)
    high = np.maximum.accumulate(filled)
    end = int(np.nanargmin(path / high))
    start = int(np.argmax(filled[: end + 1]))
    return Fall(start, end, float(path[start]), float(path[end]))


def first_below(path: Floats, fall: Fall, levels: Sequence[float]) -> list[int | None]:
    """Return the first row from the high on at which a path is at or below each level.

    >>> first_below(np.array([100.0, 60.0, 50.0]), Fall(0, 2, 100.0, 50.0), [90.0, 55.0, 10.0])
    [1, 2, None]
    """
    rows: list[int | None] = []
    for level in levels:
        below = np.flatnonzero(path[fall.start :] <= level)
        rows.append(int(below[0]) + fall.start if below.size else None)
    return rows


def percent_levels(fall: Fall) -> list[float]:
    """Return every whole per cent below the high that the fall reaches.

    >>> percent_levels(Fall(0, 1, 100.0, 96.5))
    [99.0, 98.0, 97.0]
    """
    steps = int(100.0 * (1.0 - fall.low / fall.high))
    return [fall.high * (100 - part) / 100 for part in range(1, steps + 1)]
