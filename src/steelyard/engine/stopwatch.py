"""Measured time of each room. Measures the engine; never read by it."""

from __future__ import annotations

from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

ROOMS = ("admit", "journal", "marks", "valuation", "margin", "decisions", "actions")
SAMPLES_MAX = 1_000_000


class Stopwatch:
    """Nanoseconds per room in total, and the tick-to-decision time of each event in µs.

    Tick to decision runs from the event's arrival to the end of its actions, before any flush.
    """

    def __init__(self) -> None:
        self.totals_ns = dict.fromkeys(ROOMS, 0)
        self.samples_us = np.zeros(1024, np.float64)
        self.count = 0
        self._began = 0
        self._mark = 0

    def start(self) -> None:
        """Begin an event."""
        self._began = self._mark = perf_counter_ns()

    def lap(self, room: str) -> None:
        """Charge the time since the last lap to a room."""
        now = perf_counter_ns()
        self.totals_ns[room] += now - self._mark
        self._mark = now

    def stop(self) -> None:
        """End an event and keep its whole time; past a million samples the oldest are replaced."""
        if self.count >= len(self.samples_us) < SAMPLES_MAX:
            self.samples_us = np.concatenate([self.samples_us, np.zeros(len(self.samples_us))])
        self.samples_us[self.count % len(self.samples_us)] = (self._mark - self._began) / 1e3
        self.count += 1

    @property
    def last_us(self) -> float:
        """Return the tick-to-decision time of the last event in µs."""
        return (self._mark - self._began) / 1e3

    def samples(self) -> NDArray[np.float64]:
        """Return the kept tick-to-decision times in µs."""
        return self.samples_us[: min(self.count, len(self.samples_us))]

    def quantiles_us(self) -> dict[str, float]:
        """Return p50, p99 and max of the tick-to-decision time in µs (inverted empirical CDF)."""
        ordered = np.sort(self.samples())
        if not len(ordered):
            return {"p50": 0.0, "p99": 0.0, "max": 0.0}
        last = len(ordered) - 1
        return {
            "p50": round(float(ordered[min(last, len(ordered) // 2)]), 1),
            "p99": round(float(ordered[min(last, len(ordered) * 99 // 100)]), 1),
            "max": round(float(ordered[last]), 1),
        }

    def shares(self) -> dict[str, float]:
        """Return each room's share of the measured time."""
        total = sum(self.totals_ns.values()) or 1
        return {room: round(ns / total, 4) for room, ns in self.totals_ns.items()}

    def reset(self) -> None:
        """Forget everything measured so far."""
        self.__init__()  # type: ignore[misc]
