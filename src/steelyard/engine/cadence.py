"""How often each kind of recomputation really happens, in event time. Measures; never read by the engine.

    delta    index and marks of perpetuals        every price, book, quote or status that moves them
    gamma    scenario tables                      with delta, and at every second of the clock
    vega     volatilities of options              every surface, volatility update or trusted book
    theta    marks of options                     with delta, and at every second of the clock
    margin   requirements and decisions           after all of these, and for the touched accounts at a fill

Intervals fall into buckets that double, so a quantile is exact to a factor of two at most; the longest is
exact. The mark's age is what its index had when it was used for a decision.
"""

from __future__ import annotations

from steelyard.ticks import (
    BookTick,
    Event,
    Fill,
    HestonUpdate,
    PriceBatch,
    PriceTick,
    QuoteTick,
    SurfaceUpdate,
    TimeTick,
    VolatilityUpdate,
)

KINDS = ("delta", "gamma", "vega", "theta", "margin", "fill")
BUCKETS = 48

_DRIVES: dict[type[Event], tuple[str, ...]] = {
    PriceTick: ("delta", "gamma", "theta"),
    PriceBatch: ("delta", "gamma", "theta"),
    QuoteTick: ("delta", "gamma", "theta"),
    BookTick: ("delta", "gamma", "theta"),
    VolatilityUpdate: ("vega", "gamma", "theta"),
    SurfaceUpdate: ("vega", "gamma", "theta"),
    HestonUpdate: ("gamma",),
    TimeTick: ("gamma", "theta"),
}


class Intervals:
    """Counts of intervals by their length: bucket k holds those of 2^(k−1) to 2^k − 1 microseconds."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0
        self.longest_us = 0

    def add(self, interval_us: int) -> None:
        """Count one interval."""
        self.counts[min(BUCKETS - 1, interval_us.bit_length())] += 1
        self.total += 1
        self.longest_us = max(self.longest_us, interval_us)

    def quantile_us(self, share: float) -> int:
        """Return the upper end of the bucket in which the quantile lies, 0 where nothing was counted.

        >>> seen = Intervals()
        >>> for each in (900, 1_000, 1_100, 40_000): seen.add(each)
        >>> seen.quantile_us(0.5), seen.quantile_us(0.99), seen.longest_us
        (1023, 40000, 40000)
        """
        reached = 0
        for bucket, count in enumerate(self.counts):
            reached += count
            if count and reached >= share * self.total:
                return min(self.longest_us, (1 << bucket) - 1)
        return 0


class Cadence:
    """When each kind last ran, and how long it had waited; the ages of marks when they decided."""

    def __init__(self) -> None:
        self.last_us: dict[str, int] = {}
        self.intervals = {kind: Intervals() for kind in KINDS}
        self.mark_age = Intervals()

    def ran(self, kind: str, time_us: int) -> None:
        """Note that a kind of recomputation ran."""
        last_us = self.last_us.get(kind)
        if last_us is not None:
            self.intervals[kind].add(time_us - last_us)
        self.last_us[kind] = time_us

    def revalued(self, event: Event) -> None:
        """Note what an event that moved something had recomputed."""
        for kind in _DRIVES.get(type(event), ()):
            self.ran(kind, event.time_us)

    def decided(self, event: Event, ages_us: list[int]) -> None:
        """Note a pass over the accounts, and the ages of the trusted indices it used."""
        self.ran("fill" if isinstance(event, Fill) else "margin", event.time_us)
        for age_us in ages_us:
            self.mark_age.add(max(0, age_us))

    def report(self) -> dict[str, dict[str, int]]:
        """Return runs, and p50, p99 and longest interval in µs, by kind; `mark_age` in the same form."""
        rows = {**self.intervals, "mark_age": self.mark_age}
        return {
            kind: {
                "runs": seen.total,
                "p50_us": seen.quantile_us(0.5),
                "p99_us": seen.quantile_us(0.99),
                "longest_us": seen.longest_us,
            }
            for kind, seen in rows.items()
        }
