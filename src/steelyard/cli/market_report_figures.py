"""Figures over sampled instants: words of sources, the reference, errors, falls, lags, spells.

The *reference* of a second is the median over operators of their spot sources, in exchange time: what was so on the
exchanges, whenever it became known. A word counts in it for a sixth of the time after which its source is
stale, ten seconds at most. There is none where fewer than two operators speak, or where no majority of them stands within
the method's agreement of the median: nobody can say then what was right. Columns are float64 over the grid, NaN
for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from steelyard.cli.market_report_run import SECOND_US, Bools, Change, Floats, Ints, SourceLog
from steelyard.cli.market_report_scenes import SPOT
from steelyard.ticks.bounds import PRICE_MAX

FRESH_SHARE = 6
FRESH_US_MAX = 10 * SECOND_US
NEAR_S = 60
SEEN_BEFORE_US = 10 * SECOND_US
LAG_MOVES_MIN = 100
LAG_CORRELATION_MIN = 0.1
FALL_LEAST = 0.02
LEVELS = tuple(step / 10 for step in range(1, 10))
LAG_S_MAX = 60
MOVE_WINDOWS_S = (1, 10, 60, 300, 3600)


class Track(NamedTuple):
    """A source's price at each instant of the grid, and how old it was then, µs (−1: nothing yet)."""

    price: Floats
    age_us: Ints

    def fresh(self, age_us_max: int) -> Floats:
        """Return the price where it is at most so old, else NaN."""
        keep = (self.age_us >= 0) & (self.age_us <= age_us_max)
        return np.where(keep, self.price, np.nan)


class Fall(NamedTuple):
    """The deepest fall of a path: rows of its high and low, both prices, and its depth as a share."""

    start: int
    end: int
    high: float
    low: float
    depth: float


class Spell(NamedTuple):
    """A stretch of time in which something kept one value."""

    value: str
    start_us: int
    end_us: int


def known_path(source: SourceLog, grid: Ints) -> Track:
    """Return the newest word by exchange time of those known at each instant: what an engine could have."""
    known, exchange, price = _words(source)
    if not known.size:
        return _silence(grid)
    newest = np.maximum.accumulate(exchange)
    kept = exchange >= newest  # a word older than one before it changes nothing
    return _step(known[kept], exchange[kept], price[kept], grid)


def exchange_path(source: SourceLog, grid: Ints) -> Track:
    """Return the last word of each instant in exchange time, whenever it became known."""
    known, exchange, price = _words(source)
    if not known.size:
        return _silence(grid)
    order = np.lexsort((known, exchange))
    return _step(exchange[order], exchange[order], price[order], grid)


def _words(source: SourceLog) -> tuple[Ints, Ints, Floats]:
    known = np.array(source.known_us, np.int64)
    exchange = np.minimum(np.array(source.exchange_us, np.int64), known)
    price = np.array(source.prices, np.float64)
    sound = (price > 0.0) & (price <= PRICE_MAX)
    return known[sound], exchange[sound], price[sound]


def _step(at_us: Ints, exchange_us: Ints, price: Floats, grid: Ints) -> Track:
    last = np.searchsorted(at_us, grid, side="right") - 1
    said = last >= 0
    return Track(np.where(said, price[last], np.nan), np.where(said, grid - exchange_us[last], -1))


def _silence(grid: Ints) -> Track:
    return Track(np.full(len(grid), np.nan), np.full(len(grid), -1, np.int64))


def reference(
    sources: Iterable[SourceLog],
    grid: Ints,
    agreement: float,
    *,
    operators: int = 2,
    without: str = "",
) -> Floats:
    """Return the median over operators of their spot sources; NaN where fewer than `operators` speak or agree.

    agreement: how far from the median, as a share, one may stand that agrees; more than half must. without: an operator that
    is left out, so that its own price can be judged.
    """
    voices: dict[str, list[Floats]] = {}
    for source in sources:
        if source.kind == SPOT and source.operator != without:
            fresh = exchange_path(source, grid).fresh(fresh_us(source))
            voices.setdefault(source.operator, []).append(fresh)
    if not voices:
        return np.full(len(grid), np.nan)
    columns = np.array([median_of(each) for each in voices.values()])
    median = median_of(columns)
    speaking = np.sum(np.isfinite(columns), axis=0)
    agreeing = np.sum(np.abs(columns - median) <= agreement * median, axis=0)
    return np.where((speaking >= operators) & (2 * agreeing > speaking), median, np.nan)


def fresh_us(source: SourceLog) -> int:
    """Return for how long a word of a source counts in the reference."""
    return min(FRESH_US_MAX, source.stale_after_us // FRESH_SHARE)


def median_of(columns: Sequence[Floats] | Floats) -> Floats:
    """Return the median of those that are there, instant by instant; NaN where none is.

    >>> median_of([np.array([1.0, np.nan, np.nan]), np.array([2.0, 5.0, np.nan])]).tolist()
    [1.5, 5.0, nan]
    """
    ordered = np.sort(np.array(columns), axis=0)  # NaN go last
    count = np.sum(np.isfinite(ordered), axis=0)
    at = np.arange(ordered.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, at]
    high = ordered[count // 2, at]
    return np.where(count > 0, 0.5 * (low + high), np.nan)


def quantile(values: Floats, share: float) -> float:
    """Return the quantile (inverted empirical CDF), NaN of nothing.

    >>> quantile(np.array([3.0, 1.0, 2.0]), 0.5), quantile(np.array([]), 0.5)
    (2.0, nan)
    """
    if not values.size:
        return float("nan")
    return float(np.quantile(values, share, method="inverted_cdf"))


def relative(path: Floats, to: Floats) -> Floats:
    """Return how far a path stands from another, as a share of it; NaN where either is missing."""
    is_there = (path > 0.0) & (to > 0.0)
    out = np.full(len(path), np.nan)
    out[is_there] = path[is_there] / to[is_there] - 1.0
    return out


def trailing(values: Floats, width: int, *, lowest: bool) -> Floats:
    """Return the lowest or highest of the last `width` values, this one included; NaN are passed over.

    >>> trailing(np.array([3.0, 1.0, 2.0, 5.0]), 2, lowest=True).tolist()
    [3.0, 1.0, 1.0, 2.0]
    """
    pick = np.fmin if lowest else np.fmax
    out, span = values.copy(), 1
    while span < min(width, len(values)):
        step = min(span, width - span)
        out[step:] = pick(out[step:], out[:-step].copy())
        span += step
    return out


def around(values: Floats, reach: int, *, lowest: bool) -> Floats:
    """Return the lowest or highest value within `reach` instants on either side."""
    before = trailing(values, reach + 1, lowest=lowest)
    after = trailing(values[::-1], reach + 1, lowest=lowest)[::-1]
    return np.fmin(before, after) if lowest else np.fmax(before, after)


def wrong_falls(path: Floats, others: Floats, reach: int) -> Floats:
    """Return how far a path stands below all that the others said within `reach` instants, as a share.

    Being late is not wrong: only a price that the others have at no time near is. NaN where they say nothing then.
    """
    below = -relative(path, around(others, reach, lowest=True))
    return np.where(np.isfinite(others), np.maximum(0.0, below), np.nan)


def wrong_rises(path: Floats, others: Floats, reach: int) -> Floats:
    """Return how far a path stands above all that the others said within `reach` instants, as a share."""
    above = relative(path, around(others, reach, lowest=False))
    return np.where(np.isfinite(others), np.maximum(0.0, above), np.nan)


def deepest_fall(path: Floats) -> Fall | None:
    """Return the deepest fall of a path from a high to a later low, or None where it is under 2 %.

    >>> deepest_fall(np.array([90.0, 100.0, np.nan, 50.0, 80.0]))
    Fall(start=1, end=3, high=100.0, low=50.0, depth=0.5)
    """
    rows = np.flatnonzero(np.isfinite(path))
    if not rows.size:
        return None
    values = path[rows]
    high = np.maximum.accumulate(values)
    end = int(np.argmin(values / high))
    depth = float(1.0 - values[end] / high[end])
    if depth < FALL_LEAST:
        return None
    start = int(np.argmax(values[: end + 1]))
    return Fall(int(rows[start]), int(rows[end]), float(high[end]), float(values[end]), depth)


def crossings(path: Floats, fall: Fall) -> list[int | None]:
    """Return the first row from the fall's high on at which a path is at or below each tenth of the fall.

    >>> crossings(np.array([100.0, 60.0, 50.0]), Fall(0, 2, 100.0, 50.0, 0.5))[:2]
    [1, 1]
    """
    rows: list[int | None] = []
    after = path[fall.start :]
    for part in LEVELS:
        below = np.flatnonzero(after <= fall.high - part * (fall.high - fall.low))
        rows.append(int(below[0]) + fall.start if below.size else None)
    return rows


def is_observed(path: Floats, row: int, step_us: int) -> bool:
    """Return whether a crossing was seen: the path was there within the ten seconds before it."""
    reach = max(1, SEEN_BEFORE_US // step_us)
    return bool(np.isfinite(path[max(0, row - reach) : row]).any())


def correlated_lag(index: Floats, source: Floats, step_s: int) -> tuple[int, float] | None:
    """Return by how many seconds the index's moves follow a source's, and the correlation there.

    Positive: the source moves first. None where one of them moves too rarely, or they have little in common.
    """
    moves = [np.nan_to_num(np.diff(np.log(np.where(p > 0.0, p, np.nan)))) for p in (index, source)]
    ours, theirs = moves
    scale = float(np.sqrt(np.sum(ours * ours) * np.sum(theirs * theirs)))
    reach = min(LAG_S_MAX // step_s, len(ours) - 1)
    if reach < 1 or min(map(np.count_nonzero, moves)) < LAG_MOVES_MIN:
        return None
    lags = range(-reach, reach + 1)
    found = [
        float(np.sum(ours[max(0, n) : len(ours) + min(0, n)] * theirs[max(0, -n) : len(theirs) - max(0, n)]))
        for n in lags
    ]  # fmt: skip
    best = int(np.argmax(found))
    correlation = found[best] / scale
    return (lags[best] * step_s, correlation) if correlation >= LAG_CORRELATION_MIN else None


def worst_moves(path: Floats, step_s: int) -> list[tuple[int, float, int, float, int]]:
    """Return (window in seconds, worst fall, its row, worst rise, its row) over windows that fit."""
    found = []
    for window_s in MOVE_WINDOWS_S:
        width = window_s // step_s
        if not 0 < width < len(path):
            continue
        move = relative(path[width:], path[:-width])
        if np.isfinite(move).any():
            low, high = int(np.nanargmin(move)), int(np.nanargmax(move))
            found.append((window_s, float(move[low]), low + width, float(move[high]), high + width))
    return found


def spells(changes: Sequence[Change], end_us: int) -> list[Spell]:
    """Return the stretches between changes up to the end, without empty ones; repeats are joined."""
    told: list[Spell] = []
    for change, after in pairwise([*changes, Change(end_us, "")]):
        if after.time_us <= change.time_us:
            continue
        if told and told[-1].value == change.value:
            told[-1] = told[-1]._replace(end_us=after.time_us)
        else:
            told.append(Spell(change.value, change.time_us, after.time_us))
    return told


def values_at(changes: Sequence[Change], grid: Ints) -> list[str]:
    """Return the value that held at each instant."""
    last = np.searchsorted(np.array([each.time_us for each in changes]), grid, side="right") - 1
    return [changes[int(row)].value for row in last]


def bound_of(
    path: Floats, ages_us: Ints, agreement: float, hold_us: int, step_us: int
) -> tuple[Floats, Floats]:
    """Return the band in which a trusted index must lie, instant by instant.

    path: the reference. ages_us: the longest age that a counting source may have at each instant. The band is all
    that the reference was over so long and the holds of the guard, widened by the agreement.
    """
    low, high = np.full(len(path), np.nan), np.full(len(path), np.nan)
    for age_us in np.unique(ages_us):
        width = 1 + int((age_us + hold_us + step_us - 1) // step_us)
        here: Bools = ages_us == age_us
        low[here] = trailing(path, width, lowest=True)[here]
        high[here] = trailing(path, width, lowest=False)[here]
    return low * (1.0 - agreement), high * (1.0 + agreement)


def seconds(duration_us: int) -> float:
    """Return microseconds as seconds.

    >>> seconds(1_500_000)
    1.5
    """
    return duration_us / SECOND_US
