"""What it costs to trade through a book: curves of cost over notional, and the models without a book.

Distances are shares of the mid, notionals are USD at the mid. The cost of a notional n is the integral of
the distance of the marginal unit from 0 to n; that distance never falls, so every cost here is convex in n
and starts at 0: costs add up to no more than the cost of the sum.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from operator import mul
from typing import Final

PERCENT: Final = 0.01
DAYS_A_YEAR: Final = 365.0


class BookCurve:
    """One side of a book: distances of its levels, rising, with notional and cost up to each."""

    __slots__ = ("costs", "distances", "notionals")

    def __init__(self, distances: list[float], notionals: list[float], costs: list[float]) -> None:
        self.distances = distances
        self.notionals = notionals
        self.costs = costs

    @property
    def notional(self) -> float:
        """All that the book shows, USD."""
        return self.notionals[-1] if self.notionals else 0.0

    def depth(self, share: float) -> float:
        """Return the notional no further than `share` from the mid, USD.

        >>> book_curve(100.0, [99.0, 98.0], [2.0, 3.0]).depth(0.015)
        200.0
        """
        count = bisect_right(self.distances, share)
        return self.notionals[count - 1] if count else 0.0

    def cost(self, notional: float) -> float:
        """Return what trading a notional costs, USD, of what the book shows at most.

        >>> book_curve(100.0, [99.0, 98.0], [2.0, 3.0]).cost(400.0)
        6.0
        """
        level = bisect_left(self.notionals, notional)
        if level >= len(self.notionals):
            return self.costs[-1] if self.costs else 0.0
        if level == 0:
            return notional * self.distances[0]
        rest = notional - self.notionals[level - 1]
        return self.costs[level - 1] + rest * self.distances[level]


def book_curve(mid: float, prices: Sequence[float], quantities: Sequence[float]) -> BookCurve:
    """Return the curve of one side of the mid, best level first; distances are |price − mid|/mid."""
    if prices and prices[0] < mid:
        distances = [(mid - price) / mid for price in prices]
    else:
        distances = [(price - mid) / mid for price in prices]
    return _curve(distances, [quantity * mid for quantity in quantities])


def _curve(distances: list[float], sizes: list[float]) -> BookCurve:
    # accumulate adds one by one from the left, in plain floats.
    return BookCurve(
        distances, list(accumulate(sizes)), list(accumulate(map(mul, sizes, distances)))
    )


def merged_curve(parts: Sequence[tuple[BookCurve, float]]) -> BookCurve:
    """Return the curve of several books traded at once, each with the share of it that is reached."""
    if len(parts) == 1 and parts[0][1] == 1.0:
        return parts[0][0]
    levels: list[tuple[float, float]] = []
    for curve, share in parts:
        before = 0.0
        for distance, notional in zip(curve.distances, curve.notionals, strict=True):
            levels.append((distance, share * (notional - before)))
            before = notional
    levels.sort()
    return _curve([distance for distance, _ in levels], [size for _, size in levels])


def capped_line_cost(notional: float, start: float, slope: float, cap: float) -> float:
    """Return ∫ min(start + slope·x, cap) dx from 0 to `notional`; start ≤ cap, slope ≥ 0.

    >>> capped_line_cost(3.0, 1.0, 1.0, 3.0)
    7.0
    """
    reach = (cap - start) / slope if slope > 0.0 else notional
    if notional <= reach:
        return notional * (start + 0.5 * slope * notional)
    return reach * (start + 0.5 * slope * reach) + (notional - reach) * cap


def linear_cost(notional: float, half_spread: float, depth: float, cap: float) -> float:
    """Return the cost in a linear book: half spread plus 1 % for every `depth` USD taken.

    Source: the curve of the venue's own liquidations (actions.depth): an average distance of
    half_spread + 1 %·(n/2)/depth. Bound: nothing trades further than `cap`.

    >>> round(linear_cost(8_000_000.0, 0.00005, 20_000_000.0, 1.0), 6)
    16400.0
    """
    return capped_line_cost(notional, min(half_spread, cap), PERCENT / depth, cap)


def square_root_cost(
    notional: float, half_spread: float, volume: float, volatility: float, factor: float, cap: float
) -> float:
    """Return the cost by the square-root law: the price moves by Y·σ·√(n/V).

    σ: volatility of a day, from the annual one by √365. V: `volume` of a day, USD. Y: `factor`. The cost is
    n·(half_spread + ⅔·Y·σ·√(n/V)), the integral of the move. Bound: nothing trades further than `cap`.
    Source: Tóth, Lempérière, Deremble, de Lataillade, Kockelkoren, Bouchaud, Anomalous price impact and the
    critical nature of liquidity in financial markets, Phys. Rev. X 1 (2011); the law is measured for n
    from 10^-5 to some 10^-1 of V.

    >>> round(square_root_cost(1e6, 0.0, 1e8, 19.1049731745428 * 0.03, 1.0, 1.0), 6)
    2000.0
    """
    start = min(half_spread, cap)
    pace = factor * volatility / sqrt(DAYS_A_YEAR) / sqrt(volume)
    edge = (cap - start) / pace if pace > 0.0 else 0.0
    reach = edge * edge if pace > 0.0 else notional
    within = min(notional, reach)
    cost = within * (start + 2.0 / 3.0 * pace * sqrt(within))
    return cost + (notional - within) * cap


def walked_cost(
    curve: BookCurve, notional: float, density: float, half_spread: float, depth: float, cap: float
) -> float:
    """Return the cost of a notional in a book and, where it is larger, beyond the book's last level.

    Beyond it the distance goes on from the last level's, d, with `density` times the mean density of the
    book, Q/d: d + x·d/(Q·density) at x USD further; and it costs no less than those x USD would in the
    linear book from Q on, so that a book of one deep level promises nothing behind it.

    >>> curve = book_curve(100.0, [99.0, 98.0], [2.0, 3.0])
    >>> walked_cost(curve, 600.0, 0.5, 0.0, 1e9, 1.0)
    10.4
    """
    shown = curve.notional
    if notional <= shown:
        return curve.cost(notional)
    last = curve.distances[-1]
    cap = max(cap, last)
    further = notional - shown
    onwards = capped_line_cost(further, last, last / (shown * density), cap)
    linear = linear_cost(notional, half_spread, depth, cap) - linear_cost(
        shown, half_spread, depth, cap
    )
    return curve.costs[-1] + max(onwards, linear)
