"""Time- and volume-weighted averages of a source's prices over a sliding window, O(1) a price.

The window is cut into SLICES of equal length on the exchange's clock; a slice leaves the window as a whole,
so the average covers between SLICES − 1 and SLICES slices. Within a slice sums are exact up to float64.
"""

from __future__ import annotations

from typing import Any

from steelyard.terms.index_rules import IndexRules

SLICES = 30


class Average:
    """Sums of price × weight and of weight by slice of time; the weight is microseconds or quantity."""

    __slots__ = ("kind", "last_price", "last_us", "length", "slices")

    def __init__(self) -> None:
        self.kind = ""
        self.length = 1
        self.slices: list[list[float]] = []  # [number of the slice, Σ price·weight, Σ weight]
        self.last_price = 0.0
        self.last_us = 0

    def add(self, price: float, quantity: float, at_us: int, rules: IndexRules) -> None:
        """Count a price from `at_us` on (twap), or its quantity at `at_us` (vwap)."""
        self._follow(rules)
        if self.kind == "vwap":
            if quantity > 0.0:
                self._put(at_us // self.length, price, quantity)
        elif self.last_price > 0.0:
            self._hold(at_us)
        self.last_price, self.last_us = price, at_us
        self._drop(at_us)

    def read(self, price: float, now_us: int, rules: IndexRules) -> float:
        """Return the average up to now; the price itself while there is nothing to average."""
        self._follow(rules)
        if self.kind == "twap" and self.last_price > 0.0 and now_us > self.last_us:
            self._hold(now_us)
            self.last_us = now_us
        self._drop(now_us)
        above = below = 0.0
        for _, weighted, weight in self.slices:
            above += weighted
            below += weight
        return above / below if below > 0.0 else price

    def _follow(self, rules: IndexRules) -> None:
        """Begin anew when the rules ask for another average than the one kept."""
        length = max(1, rules.averaging_window_us // SLICES)
        if (self.kind, self.length) != (rules.averaging, length):
            self.kind, self.length = rules.averaging, length
            self.slices = []
            self.last_price, self.last_us = 0.0, 0

    def _hold(self, until_us: int) -> None:
        """Count the last price for the time since it came, slice by slice."""
        length = self.length
        begin = max(self.last_us, until_us - SLICES * length)
        while begin < until_us:
            end = min(until_us, (begin // length + 1) * length)
            self._put(begin // length, self.last_price, float(end - begin))
            begin = end

    def _put(self, number: int, price: float, weight: float) -> None:
        if not self.slices or self.slices[-1][0] < number:
            self.slices.append([float(number), 0.0, 0.0])
        self.slices[-1][1] += price * weight
        self.slices[-1][2] += weight

    def _drop(self, now_us: int) -> None:
        oldest = now_us // self.length - SLICES
        while self.slices and self.slices[0][0] <= oldest:
            self.slices.pop(0)

    def record(self) -> list[object]:
        """Return the average as plain values, for a snapshot."""
        slices = [list(each) for each in self.slices]
        return [self.kind, self.length, slices, self.last_price, self.last_us]

    @staticmethod
    def restore(record: list[Any]) -> Average:
        """Return the average of a record."""
        average = Average()
        average.kind, average.length, slices, average.last_price, average.last_us = record
        average.slices = [list(each) for each in slices]
        return average
