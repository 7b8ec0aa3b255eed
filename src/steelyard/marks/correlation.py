"""Correlations of assets from the returns of synchronised bars, positive definite by construction.

Bars. All assets close their bars at the same instants, each at the last index before it. A bar of minutes
is long against the time between moves, so that returns of unequal ticks do not bring the correlation down
(Epps 1979); we take that over the sum of Hayashi and Yoshida (2005), which needs no bars but the moves of
every pair, and gives no matrix that is positive definite. An asset's return counts if its index moved in
this bar and in the one before; otherwise the bar says nothing of its pairs, and they keep what they have.

Averages. A return beyond `clip` of the asset's own standard deviations counts as that many. For each pair, over
the bars that have both: Q = mean of r_i·r_j, A of r_i², B of r_j², weights 2^(−age/half-life) in bars that
count; ρ = Q/√(A·B), between −1 and 1 by Cauchy and Schwarz.

Matrix. R = (1 − δ)·ρ + δ·T, with T the constant correlation: the mean ρ̄ of the known pairs, kept in
[0, correlation_max], which also stands for the unknown pairs. T is positive definite, and so is R if every asset
has every bar. Unequal bars can break that: then δ goes up in sixteenths until a Cholesky factorisation
succeeds, at the latest at δ = 1. Stressed towards one (1 − s)·R + s, towards zero (1 − s)·R + s·I:
a positive definite matrix plus a positive semidefinite one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from steelyard.marks.logarithms import forgotten, log_ratio
from steelyard.terms.volatility_rules import VolatilityRules

PIVOT_MIN = 1e-6
LADDER = 16

Matrix = tuple[tuple[float, ...], ...]


class CorrelationReading(NamedTuple):
    """slots: assets in ascending order; matrix, to_one, to_zero: symmetric, one on the diagonal.

    shrinkage: the δ that was used. mean: ρ̄. known: pairs that were seen, of n·(n − 1)/2. age_us: since the
    last bar closed, or since the start. left_out: assets beyond the limit of the rules.
    """

    slots: tuple[int, ...]
    matrix: Matrix
    to_one: Matrix
    to_zero: Matrix
    shrinkage: float
    mean: float
    known: int
    age_us: int
    left_out: int


class Correlations:
    """The averages. Assets in order of first appearance; pair (i, j), i < j, at j·(j − 1)/2 + i."""

    __slots__ = ("bases", "own", "own_weight", "pairs", "slots", "was_moved")

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.bases: list[float] = []  # the price at the start of the bar
        self.was_moved: list[bool] = []  # in the bar before
        self.own: list[float] = []
        self.own_weight: list[float] = []
        self.pairs: list[list[float]] = []  # weight, Q, A, B

    def add_asset(self, slot: int, price: float) -> None:
        """Take an asset that starts at `price`; its pairs are unknown."""
        self.pairs.extend([0.0, 0.0, 0.0, 0.0] for _ in self.slots)
        self.slots.append(slot)
        self.bases.append(price)
        self.was_moved.append(False)
        self.own.append(0.0)
        self.own_weight.append(0.0)

    def close_bar(
        self, prices: Sequence[float], moved: Sequence[bool], skipped: bool, rules: VolatilityRules
    ) -> None:
        """Close a bar. prices and moved: of each asset; skipped: whole bars lie between it and the next."""
        gain = forgotten(rules.correlation_bars * rules.bar_us / rules.correlation_half_life_us)
        present: list[int] = []
        returns: list[float] = []
        for i, price in enumerate(prices):
            if moved[i] and self.was_moved[i]:
                present.append(i)
                returns.append(self._clipped(i, log_ratio(price, self.bases[i]), gain, rules))
            self.bases[i] = price
            self.was_moved[i] = moved[i] and not skipped
        kept = 1.0 - gain
        for second, j in enumerate(present):
            row = j * (j - 1) // 2
            b = returns[second]
            for first in range(second):
                a = returns[first]
                pair = self.pairs[row + present[first]]
                pair[0] = pair[0] * kept + gain
                pair[1] = pair[1] * kept + a * b * gain
                pair[2] = pair[2] * kept + a * a * gain
                pair[3] = pair[3] * kept + b * b * gain

    def _clipped(self, i: int, move: float, gain: float, rules: VolatilityRules) -> float:
        """Return the return of asset i within the clip of its own standard deviation, and count it."""
        weight = self.own_weight[i]
        if weight >= rules.weight_min and self.own[i] > 0.0:
            limit = rules.correlation_clip * sqrt(self.own[i] / weight)
            move = limit if move > limit else -limit if move < -limit else move
        self.own[i] = self.own[i] * (1.0 - gain) + move * move * gain
        self.own_weight[i] = weight * (1.0 - gain) + gain
        return move

    def read(self, age_us: int, left_out: int, rules: VolatilityRules) -> CorrelationReading:
        """Return the matrix and its stressed forms."""
        count = len(self.slots)
        order = sorted(range(count), key=self.slots.__getitem__)
        known = [[self._pair(i, j, rules) for j in order] for i in order]
        mean, number = _mean_of_known(known)
        mean = rules.correlation_unknown if number == 0 else mean
        mean = max(0.0, min(rules.correlation_max, mean))
        matrix: Matrix | None = None
        shrinkage = rules.correlation_shrinkage
        for step in range(LADDER + 1):
            start = rules.correlation_shrinkage
            shrinkage = start + (1.0 - start) * step / LADDER
            matrix = _shrunk(known, mean, shrinkage)
            if cholesky(matrix) is not None:
                break
        assert matrix is not None
        one, zero = rules.correlation_to_one, rules.correlation_to_zero
        return CorrelationReading(
            tuple(self.slots[i] for i in order),
            matrix,
            _drawn(matrix, 1.0, one),
            _drawn(matrix, 0.0, zero),
            shrinkage,
            mean,
            number,
            age_us,
            left_out,
        )

    def _pair(self, i: int, j: int, rules: VolatilityRules) -> float | None:
        """Return ρ of a pair, or None while it is unknown or one of the two never moves."""
        if i == j:
            return 1.0
        low, high = (i, j) if i < j else (j, i)
        weight, product, first, second = self.pairs[high * (high - 1) // 2 + low]
        scale = sqrt(first) * sqrt(second)
        if weight < rules.weight_min or scale <= 0.0:
            return None
        return max(-1.0, min(1.0, product / scale))

    def record(self) -> list[object]:
        """Return the averages as plain values, for a snapshot."""
        pairs = [list(each) for each in self.pairs]
        sums = [list(self.own), list(self.own_weight), pairs]
        return [list(self.slots), list(self.bases), list(self.was_moved), sums]

    @staticmethod
    def restore(record: Sequence[Any]) -> Correlations:
        """Return the averages of a record."""
        restored = Correlations()
        slots, bases, was_moved, sums = record
        own, own_weight, pairs = sums
        restored.slots, restored.bases = list(slots), list(bases)
        restored.was_moved = list(was_moved)
        restored.own, restored.own_weight = list(own), list(own_weight)
        restored.pairs = [list(each) for each in pairs]
        return restored


def cholesky(matrix: Sequence[Sequence[float]]) -> Matrix | None:
    """Return the lower factor L with L·Lᵀ = matrix, or None where a pivot is below 1e-6.

    >>> cholesky(((1.0, 0.6), (0.6, 1.0)))
    ((1.0,), (0.6, 0.8))
    >>> cholesky(((1.0, 1.0), (1.0, 1.0))) is None
    True
    """
    factor: list[list[float]] = []
    for i, source in enumerate(matrix):
        row: list[float] = []
        for j in range(i + 1):
            left = source[j]
            other = factor[j] if j < i else row
            for k in range(j):
                left -= row[k] * other[k]
            if j < i:
                row.append(left / other[j])
            elif left >= PIVOT_MIN:
                row.append(sqrt(left))
            else:
                return None
        factor.append(row)
    return tuple(tuple(row) for row in factor)


def _mean_of_known(known: list[list[float | None]]) -> tuple[float, int]:
    """Return the mean over the pairs that are known, in order, and how many they are."""
    total, number = 0.0, 0
    for i, row in enumerate(known):
        for value in row[:i]:
            if value is not None:
                total += value
                number += 1
    return (total / number if number else 0.0), number


def _shrunk(known: list[list[float | None]], mean: float, shrinkage: float) -> Matrix:
    own = 1.0 - shrinkage
    return tuple(
        tuple(
            1.0 if i == j else own * (mean if value is None else value) + shrinkage * mean
            for j, value in enumerate(row)
        )
        for i, row in enumerate(known)
    )


def _drawn(matrix: Matrix, towards: float, share: float) -> Matrix:
    """Return the matrix with its pairs drawn towards a value, 0 or 1."""
    return tuple(
        tuple(
            1.0 if i == j else (1.0 - share) * value + share * towards
            for j, value in enumerate(row)
        )
        for i, row in enumerate(matrix)
    )
