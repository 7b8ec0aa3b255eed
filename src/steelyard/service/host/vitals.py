"""How the engine is doing: latencies, events a second, stages. Measures; nothing is decided by it."""

from __future__ import annotations

from collections import deque
from itertools import islice
from time import perf_counter, perf_counter_ns

import msgspec
import numpy as np
from numpy.typing import NDArray

STALE_AFTER_US = 5_000_000
RATE_OVER_S = 5.0
RATE_EVENTS_MAX = 20_000
LATEST = 2_000
STAMPS_MAX = 8_192
STAGES = ("arrived", "decided", "encoded", "durable", "handed")
ARRIVED, DECIDED, ENCODED, DURABLE, HANDED = range(5)


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What of an engine's health is not in its state; all zero for one that is only replayed."""

    durable_seq: int = 0
    is_stale: bool = False
    stale_after_us: int = STALE_AFTER_US
    events_per_second: float = 0.0
    decision_us: tuple[float, float] = (0.0, 0.0)
    flush_us: tuple[float, float] = (0.0, 0.0)
    shares: dict[str, float] = {}
    failure: str = ""


class Rate:
    """Events a second over the last five seconds, and when the last one came."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=RATE_EVENTS_MAX)
        self._last = perf_counter()

    def count(self, *, is_own: bool = False) -> None:
        """Count an event; one of the host's own clock does not make a market less silent."""
        now = perf_counter()
        self._times.append(now)
        if not is_own:
            self._last = now

    def per_second(self) -> float:
        """Return the events of the last seconds, a second."""
        since = perf_counter() - RATE_OVER_S
        while self._times and self._times[0] < since:
            self._times.popleft()
        full = len(self._times) == RATE_EVENTS_MAX
        over = perf_counter() - self._times[0] if full else RATE_OVER_S
        return len(self._times) / over

    def silent_us(self) -> int:
        """Return how long no event came from outside, of wall time."""
        return int((perf_counter() - self._last) * 1e6)


class Stamps:
    """When each of the latest events reached each stage, by seq; nanoseconds of the performance counter.

    The first stamp of a stage counts: the first frame encoded, the first handed to readers.
    """

    def __init__(self, size: int = STAMPS_MAX) -> None:
        self._seqs = np.full(size, -1, np.int64)
        self._at_ns = np.zeros((size, len(STAGES)), np.int64)

    def begin(self, seq: int, arrived_ns: int) -> None:
        """Note that an event arrived then and is decided now."""
        row = seq % len(self._seqs)
        self._seqs[row] = seq
        self._at_ns[row] = 0
        self._at_ns[row, ARRIVED] = arrived_ns
        self._at_ns[row, DECIDED] = perf_counter_ns()

    def stamp(self, seq: int, stage: int) -> None:
        """Note that an event has reached a stage, unless it had or is forgotten."""
        row = seq % len(self._seqs)
        if self._seqs[row] == seq and not self._at_ns[row, stage]:
            self._at_ns[row, stage] = perf_counter_ns()

    def rows(self) -> NDArray[np.int64]:
        """Return the stamps of events that reached every stage, (events, stages), by seq."""
        whole = np.flatnonzero((self._at_ns > 0).all(axis=1))
        found: NDArray[np.int64] = self._at_ns[whole[np.argsort(self._seqs[whole])]]
        return found


def latest_quantiles(samples: deque[int]) -> tuple[float, float]:
    """Return p50 and p99 (inverted empirical CDF) of the latest 2,000 samples; zeros without one.

    >>> latest_quantiles(deque([3, 1, 2]))
    (2.0, 3.0)
    """
    kept = sorted(islice(reversed(samples.copy()), LATEST))
    if not kept:
        return 0.0, 0.0
    middle, high = quantile_rank(len(kept), 50), quantile_rank(len(kept), 99)
    return float(kept[middle]), float(kept[high])


def recent_quantiles(samples: NDArray[np.float64], total: int, wanted: int) -> tuple[float, float]:
    """Return p50 and p99 (inverted empirical CDF) of the last `wanted` of a ring of samples.

    samples: what is kept; total: how many there ever were, so the newest lies at (total − 1) mod
    len(samples). (0, 0) without a sample.

    >>> recent_quantiles(np.array([4.0, 5.0, 1.0, 2.0, 3.0]), 7, 3)
    (4.0, 5.0)
    """
    kept = min(wanted, len(samples))
    if kept <= 0:
        return 0.0, 0.0
    last = total % len(samples)
    first = last - kept
    part = samples[first:last] if first >= 0 else np.r_[samples[first:], samples[:last]]
    middle, high = quantile_rank(kept, 50), quantile_rank(kept, 99)
    ordered = np.partition(part, (middle, high))
    return float(ordered[middle]), float(ordered[high])


def quantile_rank(count: int, percent: int) -> int:
    """Return the place, from 0, of the inverted-CDF quantile among `count` sorted values.

    >>> [quantile_rank(100, 50), quantile_rank(3, 99), quantile_rank(1, 50)]
    [49, 2, 0]
    """
    return max(0, -(-count * percent // 100) - 1)
