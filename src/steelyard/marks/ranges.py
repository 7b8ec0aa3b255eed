"""Volatility from the ranges of closed bars: open, high, low and close, O(1) a bar.

With h = ln(high/open), l = ln(low/open), c = ln(close/open), o = ln(open/close of the bar before):

    Parkinson (1980)               (h − l)²/(4·ln 2)
    Garman and Klass (1980)        (h − l)²/2 − (2·ln 2 − 1)·c²
    Rogers and Satchell (1991)     h·(h − c) + l·(l − c)
    Yang and Zhang (2000)          var o + k·var c + (1 − k)·mean of Rogers–Satchell,
                                   k = 0.34/(1.34 + (n + 1)/(n − 1))

each a mean with weights 2^(−age/half-life), age counted in bars; n = (Σw)²/Σw² is the effective number of
bars, and var divides by 1 − 1/n. The first two want no drift, the third bears one, the fourth also jumps
between bars. A high seen at m moves a bar is too low by 0.58·σ·√(bar/m) (Broadie, Glasserman and Kou 1997),
and so Parkinson's variance is low by 1.34/√m of itself, the next two by 1.86/√m. A bar of too few moves is
left out, and Yang–Zhang takes only bars that follow one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from steelyard.marks.logarithms import LN2, forgotten, log_ratio
from steelyard.terms.checks import YEAR_US

PARKINSON = 0.25 / LN2
CLOSE_FACTOR = 2.0 * LN2 - 1.0
SUMS = 11


class Bar(NamedTuple):
    """A closed bar; before: the close of the bar that ended where this one begins, or 0.0."""

    open: float
    high: float
    low: float
    close: float
    before: float


class RangeReading(NamedTuple):
    """Annual volatilities of the range estimators, None while no bar counts, and how many count."""

    parkinson: float | None
    garman_klass: float | None
    rogers_satchell: float | None
    yang_zhang: float | None
    bars: float


class Ranges:
    """Weighted sums over bars: 0 Σw, 1 Parkinson, 2 Garman–Klass, 3 Rogers–Satchell; of adjacent bars 4 Σw,
    5 Σw², 6 Σw·o, 7 Σw·o², 8 Σw·c, 9 Σw·c², 10 Rogers–Satchell."""

    __slots__ = ("sums",)

    def __init__(self) -> None:
        self.sums = [0.0] * SUMS

    def add(self, bar: Bar, bar_half_lives: float) -> None:
        """Count a bar; bar_half_lives: the length of a bar over the half-life."""
        kept = 1.0 - forgotten(bar_half_lives)
        s = self.sums
        high, low = log_ratio(bar.high, bar.open), log_ratio(bar.low, bar.open)
        close = log_ratio(bar.close, bar.open)
        squared = (high - low) * (high - low)
        rogers = high * (high - close) + low * (low - close)
        s[0] = s[0] * kept + 1.0
        s[1] = s[1] * kept + PARKINSON * squared
        s[2] = s[2] * kept + (0.5 * squared - CLOSE_FACTOR * close * close)
        s[3] = s[3] * kept + rogers
        if bar.before > 0.0:
            opening = log_ratio(bar.open, bar.before)
            s[4] = s[4] * kept + 1.0
            s[5] = s[5] * kept * kept + 1.0
            s[6] = s[6] * kept + opening
            s[7] = s[7] * kept + opening * opening
            s[8] = s[8] * kept + close
            s[9] = s[9] * kept + close * close
            s[10] = s[10] * kept + rogers

    def read(self, bar_us: int) -> RangeReading:
        """Return the annual volatilities for bars of `bar_us`."""
        s = self.sums
        if s[0] == 0.0:
            return RangeReading(None, None, None, None, 0.0)
        year = YEAR_US / bar_us
        parkinson, garman, rogers = (_root(each / s[0] * year) for each in s[1:4])
        return RangeReading(parkinson, garman, rogers, self._yang_zhang(year), s[0])

    def _yang_zhang(self, year: float) -> float | None:
        weight = self.sums[4]
        n = weight * weight / self.sums[5] if weight > 0.0 else 0.0
        if n < 2.0:
            return None
        opening, opening_squared, close, close_squared, rogers = (
            each / weight for each in self.sums[6:]
        )
        spread = 1.0 - 1.0 / n
        between = (opening_squared - opening * opening) / spread
        within = (close_squared - close * close) / spread
        k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0))
        return _root((between + k * within + (1.0 - k) * rogers) * year)

    def record(self) -> list[float]:
        """Return the sums as plain values, for a snapshot."""
        return list(self.sums)

    @staticmethod
    def restore(record: Sequence[float]) -> Ranges:
        """Return the sums of a record."""
        ranges = Ranges()
        ranges.sums = list(record)
        return ranges


def _root(variance: float) -> float:
    """Return √variance; rounding may leave a variance of nothing just below zero."""
    return sqrt(variance) if variance > 0.0 else 0.0
