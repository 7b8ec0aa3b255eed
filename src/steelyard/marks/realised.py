"""Realised volatility of one asset for one horizon, from irregular moves of its index, O(1) a move.

A return is taken when the index moves at least sample_us after the last one was; it spans Δt and has the
annual rate x = r²·year/Δt. With g = 1 − 2^(−min(Δt, H)/H), H the half-life:

    total   S ← S·(1 − g) + x·g      weight  W ← W·(1 − g) + g      σ² = S/W
    robust  the same with c·median(x of the last five) in place of x

σ² is exact for a constant rate, however the time is cut, and unbiased for a Brownian logarithm. The median of
five squares leaves out up to two jumps in any five returns (a wick, there and back, is two). c makes it unbiased
for a constant volatility. It is the nearest-neighbour truncation of Andersen, Dobrev and Schaumburg (2012)
carried from three returns to five.

Silence: time without a move of the index is not an observation. Nothing decays while the index stands still,
be it calm, frozen or lost, and when it moves again the silence counts as at most one half-life at the rate
of the move: silence alone can halve a variance, never more.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from steelyard.marks.logarithms import forgotten, log_ratio
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import Horizon

WINDOW = 5
MEDIAN_FACTOR = 1.6235967205469134
"""1/E[median of five Z²] = 1/∫₀¹ q(p)²·30·p²·(1 − p)² dp, q the quantile of |Z|, Z standard normal."""


class HorizonReading(NamedTuple):
    """One horizon: annual volatilities, None while too little was seen.

    volatility: with jumps, and with the move since the last sample where that raises it.
    robust_volatility: without jumps. jump_share: the part of the variance that jumps made, in [0, 1].
    weight: share of the average that rests on observations.
    """

    half_life_us: int
    volatility: float | None
    robust_volatility: float | None
    jump_share: float | None
    weight: float


class Realised:
    """The sums of one horizon; price and time are those of its last sample."""

    __slots__ = ("price", "recent", "robust", "robust_weight", "time_us", "total", "weight")

    def __init__(self, price: float, time_us: int) -> None:
        self.price = price
        self.time_us = time_us
        self.total = 0.0
        self.weight = 0.0
        self.robust = 0.0
        self.robust_weight = 0.0
        self.recent: list[float] = []

    def sample(self, price: float, time_us: int, horizon: Horizon) -> float:
        """Take the return since the last sample, and return its annual rate r²·year/Δt."""
        spans = time_us - self.time_us
        assert spans > 0
        move = log_ratio(price, self.price)
        rate = move * move * (YEAR_US / spans)
        life = horizon.half_life_us
        gain = forgotten((spans if spans < life else life) / life)
        kept = 1.0 - gain
        self.total = self.total * kept + rate * gain
        self.weight = self.weight * kept + gain
        recent = self.recent
        recent.append(rate)
        if len(recent) >= WINDOW:
            if len(recent) > WINDOW:
                del recent[0]
            self.robust = self.robust * kept + MEDIAN_FACTOR * sorted(recent)[2] * gain
            self.robust_weight = self.robust_weight * kept + gain
        self.price = price
        self.time_us = time_us
        return rate

    def variance(self, price: float, time_us: int, horizon: Horizon) -> float:
        """Return σ² a year, with the move to `price` at `time_us` where that raises it; 0.0 without any."""
        closed = self.total / self.weight if self.weight > 0.0 else 0.0
        spans = time_us - self.time_us
        if spans <= 0:
            return closed
        move = log_ratio(price, self.price)
        life = horizon.half_life_us
        gain = forgotten((spans if spans < life else life) / life)
        kept = 1.0 - gain
        total = self.total * kept + move * move * (YEAR_US / spans) * gain
        moved = total / (self.weight * kept + gain)
        return moved if moved > closed else closed

    def read(
        self, price: float, time_us: int, horizon: Horizon, weight_min: float
    ) -> HorizonReading:
        """Return the reading, the index having last moved to `price` at `time_us`."""
        volatility = robust = share = None
        if self.weight >= weight_min:
            volatility = sqrt(self.variance(price, time_us, horizon))
        if self.robust_weight >= weight_min:
            variance = self.robust / self.robust_weight
            closed = self.total / self.weight
            robust = sqrt(variance)
            share = 1.0 - variance / closed if closed > variance else 0.0
        return HorizonReading(horizon.half_life_us, volatility, robust, share, self.weight)

    def record(self) -> list[object]:
        """Return the sums as plain values, for a snapshot."""
        sums = [self.total, self.weight, self.robust, self.robust_weight]
        return [self.price, self.time_us, sums, list(self.recent)]

    @staticmethod
    def restore(record: Sequence[Any]) -> Realised:
        """Return the sums of a record."""
        price, time_us, sums, recent = record
        realised = Realised(price, time_us)
        realised.total, realised.weight, realised.robust, realised.robust_weight = sums
        realised.recent = list(recent)
        return realised
