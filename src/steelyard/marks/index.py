"""The index price: weighted median of the sources that are fresh in exchange time.

Bound: with sources of positive weight, let the honest ones carry more than half of the fresh weight.
Then the weighted median lies between the lowest and the highest honest price, whatever the others
say, because neither the half below nor the half above can be made of liars alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from steelyard.terms.method import IndexRules


class SourceReading(NamedTuple):
    """The last word of one source: price in USD, the exchange time it holds for, its terms."""

    price: float
    exchange_time_us: int
    weight: int
    operator: int
    stale_after_us: int


class IndexReading(NamedTuple):
    """Outcome of reading an index.

    price: USD, or 0.0 when no source is fresh. has_quorum: enough fresh sources and operators.
    fresh: how many sources were used. changes_at_us: first instant at which the oldest of them goes
    stale (2^62 when none is fresh), so that nobody has to look again before.
    """

    price: float
    has_quorum: bool
    fresh: int
    changes_at_us: int


NEVER_US = 2**62


def weighted_median(prices: Sequence[float], weights: Sequence[int]) -> float:
    """Return the weighted median; where the weight splits in two equal halves, their midpoint.

    prices in any order, positive; weights positive integers. Ties are broken by price alone, so the
    order of the sources does not matter.

    >>> weighted_median([100.0, 50.0, 101.0], [1, 1, 1])
    100.0
    >>> weighted_median([100.0, 102.0], [1, 1])
    101.0
    """
    assert prices
    assert len(prices) == len(weights)
    ordered = sorted(zip(prices, weights, strict=True))
    total = sum(weights)  # tidy-ok: integers
    reached = 0
    for position, (price, weight) in enumerate(ordered):
        reached += weight
        if 2 * reached > total:
            return price
        if 2 * reached == total:
            return 0.5 * (price + ordered[position + 1][0])
    raise AssertionError("weights are positive, so half of them is always reached")


def read_index(sources: Sequence[SourceReading], now_us: int, rules: IndexRules) -> IndexReading:
    """Return the index of one asset at `now_us` from the last words of its sources.

    A source is fresh while now − exchange time ≤ its own stale_after_us; age is counted in exchange
    time because a feed can be late by minutes and still arrive.
    """
    fresh = [
        s for s in sources if s.price > 0.0 and now_us - s.exchange_time_us <= s.stale_after_us
    ]
    if not fresh:
        return IndexReading(0.0, False, 0, NEVER_US)
    price = weighted_median([s.price for s in fresh], [s.weight for s in fresh])
    operators = len({s.operator for s in fresh})  # tidy-ok: only counted, never iterated
    has_quorum = len(fresh) >= rules.quorum_sources and operators >= rules.quorum_operators
    changes_at = min(s.exchange_time_us + s.stale_after_us for s in fresh) + 1
    return IndexReading(price, has_quorum, len(fresh), changes_at)
