"""The index price: weighted median of the sources that may be used, and whether enough of them agree.

Three bounds hold, whatever some sources say (proved in docs/market-state.md, tested in tests/marks):

    median       let honest sources hold more than half of the used weight: the index lies between the
                 lowest and the highest honest price
    agreement    an index is trusted only if sources with more than half of the used weight, and of the
                 listed weight, stand within their width of it; if one of them is honest, its error is at most that one's width
    independence weights are scaled so that no operator, with everything that resells its prices, holds
                 more than the share the method allows (or an equal share, where there are too few)

A source that deviates is reported, not removed: after a true jump those that are right first would be
the ones removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from steelyard.marks.sources import (
    ABSURD,
    DEVIATING,
    NEVER_US,
    QUOTE,
    STANDBY,
    UNCERTAIN,
    USED,
    Source,
    width_ppm,
)
from steelyard.quantities import PPM
from steelyard.terms.index_rules import IndexRules

WEIGHT_ONE = 1_000_000
CAP_ROUNDS = 64


class IndexReading(NamedTuple):
    """Outcome of reading an index.

    price: USD, or 0.0 when no source can be used. has_quorum: enough of them agree. used: sources that
    count; agreeing: those that agree; operators: independent operators among these. price_time_us:
    median exchange time of the agreeing ones. changes_at_us: the first instant at which one of the used
    sources goes stale (2^62 for never), so that nobody has to look again before.
    is_enough: if all of them agreed it would be a quorum.
    """

    price: float
    has_quorum: bool
    used: int
    agreeing: int
    operators: int
    price_time_us: int
    changes_at_us: int
    is_enough: bool = False


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


def capped_weights(sources: Sequence[Source], share_ppm_max: int) -> list[int]:
    """Return whole weights in which no operator holds more than its share; 0 for what adds nothing.

    An operator's exposure is the weight of its own sources and of all that resell it. Exposures above the
    share are scaled down, largest first, until none is; with n independent operators the share is at least
    1/n. A reseller whose operators are all present already loses weight first: it says nothing new.

    >>> from steelyard.marks.sources import SourceTerms
    >>> def source(operator, weight, resells=()):
    ...     return Source("s", SourceTerms(operator, weight, 1, "spot", -1, 1, resells, 0))
    >>> capped_weights([source(0, 9), source(1, 1), source(2, 1)], 400_000)   # 40 %, 30 %, 30 %
    [1333333, 1000000, 1000000]
    >>> capped_weights([source(0, 1), source(1, 1), source(9, 1, (0, 1))], 400_000)
    [1000000, 1000000, 0]
    """
    weights = [float(source.terms.weight) for source in sources]
    groups = []
    for operator in sorted({source.terms.operator for source in sources}):  # tidy-ok: sorted
        own = [i for i, s in enumerate(sources) if s.terms.operator == operator]
        resold = [i for i, s in enumerate(sources) if operator in s.terms.resells and i not in own]
        groups.append((own, resold))
    share = max(share_ppm_max / PPM, 1.0 / max(1, independent_operators(sources)))
    if share >= 1.0:
        return [int(weight) * WEIGHT_ONE for weight in weights]
    for _ in range(CAP_ROUNDS):
        total = _added(weights, range(len(weights)))
        worst, most = -1, share * total * (1.0 + 1e-9)
        for number, (own, resold) in enumerate(groups):
            exposure = _added(weights, own) + _added(weights, resold)
            if exposure > most:
                worst, most = number, exposure
        if worst < 0:
            break
        _bring_down(weights, *groups[worst], share, total)
    return [int(weight * WEIGHT_ONE + 0.5) for weight in weights]  # tidy-ok: the one border


def _bring_down(
    weights: list[float], own: list[int], resold: list[int], share: float, total: float
) -> None:
    """Scale an operator's exposure down to its share: first what resells it, then its own sources."""
    direct, passed_on = _added(weights, own), _added(weights, resold)
    if passed_on > 0.0:
        # direct + f·passed_on = share·(total − passed_on + f·passed_on)
        kept = (share * (total - passed_on) - direct) / (1.0 - share)
        factor = max(0.0, kept / passed_on)
        for i in resold:
            weights[i] *= factor
        if factor > 0.0:
            return
        total -= passed_on
    if direct > share * total:
        factor = share * (total - direct) / ((1.0 - share) * direct)
        for i in own:
            weights[i] *= factor


def _added(weights: list[float], indices: Sequence[int]) -> float:
    total = 0.0
    for i in indices:
        total += weights[i]
    return total


class Readable(NamedTuple):
    """What an index is read from. usd_rates: USD of one unit of each source's quote currency, 0.0 for
    one that cannot be converted. last_good: USD, 0.0 before there was one. drift_rate_ppm: gives how far the
    price may move in a second. weights: cache of `capped_weights` by the numbers of the used sources."""

    sources: Sequence[Source]
    usd_rates: Sequence[float]
    last_good: float
    drift_rate_ppm: Callable[[], int]
    weights: dict[tuple[int, ...], list[int]]


class Heard:
    """The sources that are used, side by side: prices in USD, weights, exchange times, and the first
    instant at which each is stale. numbers: which of the asset's sources they are. listed: weight, as listed, of
    all that could have been used."""

    __slots__ = ("listed", "numbers", "prices", "sources", "stale_us", "times_us", "weights")

    def __init__(self) -> None:
        self.listed = 0
        self.numbers: list[int] = []
        self.sources: list[Source] = []
        self.prices: list[float] = []
        self.weights: list[int] = []
        self.times_us: list[int] = []
        self.stale_us: list[int] = []

    def add(self, number: int, source: Source, price: float) -> None:
        """Add a source that is used."""
        self.numbers.append(number)
        self.sources.append(source)
        self.prices.append(price)
        self.times_us.append(source.exchange_time_us)
        self.stale_us.append(source.stale_at_us())

    def replace(self, number: int, source: Source) -> None:
        """Take the new word of a source that quotes in USD and was used; every source is."""
        self.prices[number] = source.price
        self.times_us[number] = source.exchange_time_us
        self.stale_us[number] = source.stale_at_us()

    def is_believable(self, last_good: float, factor: float) -> bool:
        """Return whether no price is beyond a multiple of the last good index."""
        return last_good <= min(self.prices) * factor and max(self.prices) <= last_good * factor


def read_index(of: Readable, now_us: int, rules: IndexRules, tier: int = 2) -> IndexReading:
    """Return the index of one asset at `now_us` from its sources up to a tier, and set their verdicts.

    A source is fresh while now − exchange time ≤ its own stale_after_us; age is counted in exchange
    time because a feed can be late by minutes and still arrive.
    """
    return read_heard(hear(of, now_us, rules, tier), of.drift_rate_ppm, rules)


def hear(of: Readable, now_us: int, rules: IndexRules, tier: int) -> Heard:
    """Return the sources that may be used; the others get the verdict that says why not."""
    heard = Heard()
    last_tier = min(tier, max((source.terms.tier for source in of.sources), default=1))
    for number, source in enumerate(of.sources):
        if source.terms.tier == last_tier:
            heard.listed += source.terms.weight
        if source.terms.tier > tier:
            source.verdict = STANDBY
            continue
        price = 0.0
        verdict = source.obstacle(now_us)
        if not verdict:
            price = source.value(now_us, rules) * of.usd_rates[number]
            verdict = doubt(source, price, of.last_good, rules)
        if verdict:
            source.verdict = verdict
        else:
            heard.add(number, source, price)
            if source.terms.tier < last_tier:
                heard.listed += source.terms.weight
    key = tuple(heard.numbers)
    weights = of.weights.get(key)
    if weights is None:
        weights = of.weights[key] = capped_weights(heard.sources, rules.operator_share_ppm_max)
    heard.weights = weights
    return heard


def doubt(source: Source, usd: float, last_good: float, rules: IndexRules) -> str:
    """Return why a price is not used though its source is fresh, or an empty text."""
    if not usd > 0.0:
        return QUOTE
    if source.confidence and source.confidence * PPM > rules.confidence_ppm_max * source.price:
        return UNCERTAIN
    factor = rules.price_jump_factor
    if last_good > 0.0:
        # One that was absurd does not come back by the market drifting towards it.
        if source.verdict == ABSURD and abs(usd - last_good) * PPM > rules.jump_ppm * last_good:
            return ABSURD
        if not (last_good <= usd * factor and usd <= last_good * factor):
            return ABSURD
    return ""


def read_heard(heard: Heard, drift_rate_ppm: Callable[[], int], rules: IndexRules) -> IndexReading:
    """Return the weighted median of what is heard, and judge who agrees with it."""
    if not heard.prices:
        return IndexReading(0.0, False, 0, 0, 0, 0, NEVER_US)
    median = _median_of(heard)
    total = reached = backing = rate_ppm = newest_us = 0
    agreeing: list[Source] = []
    times: list[int] = []
    near = rules.agreement_ppm * median
    rows = zip(heard.sources, heard.prices, heard.weights, heard.times_us, strict=True)
    for source, price, weight, time_us in rows:
        total += weight
        apart = abs(price - median) * PPM
        if apart > near:  # most stand within the part of their width that needs no root
            if not newest_us:
                newest_us, rate_ppm = max(heard.times_us), drift_rate_ppm()
            if apart > width_ppm(source, newest_us, rate_ppm, rules) * median:
                source.verdict = DEVIATING
                continue
        source.verdict = USED
        reached += weight
        backing += source.terms.weight
        agreeing.append(source)
        times.append(time_us)
    operators = independent_operators(agreeing)
    bar = rules.quorum_weight_ppm * heard.listed
    in_use = sum([source.terms.weight for source in heard.sources])  # tidy-ok: integers
    is_enough = in_use * PPM > bar and len(heard.sources) >= rules.quorum_sources
    has_quorum = (
        2 * reached > total
        and backing * PPM > bar
        and len(agreeing) >= rules.quorum_sources
        and operators >= rules.quorum_operators
    )
    times.sort()
    middle = times[(len(times) - 1) // 2] if times else 0
    return IndexReading(
        median, has_quorum, len(heard.prices), len(agreeing), operators, middle, min(heard.stale_us),
        is_enough,
    )  # fmt: skip


def _median_of(heard: Heard) -> float:
    """Return the weighted median of what is heard; a source of no weight has no say."""
    if 0 not in heard.weights:
        return weighted_median(heard.prices, heard.weights)
    pairs = [(p, w) for p, w in zip(heard.prices, heard.weights, strict=True) if w]
    return weighted_median([p for p, _ in pairs], [w for _, w in pairs])


def independent_operators(sources: Sequence[Source]) -> int:
    """Return how many operators speak for themselves.

    One that resells prices of an operator that is present, or of one that another counted reseller passes
    on too, does not.
    """
    heard = {s.terms.operator for s in sources if not s.terms.resells}  # tidy-ok: only counted
    resellers = [s for s in sources if s.terms.resells]
    count = len(heard)
    for source in sorted(resellers, key=lambda each: each.terms.operator):
        terms = source.terms
        if terms.operator not in heard and heard.isdisjoint(terms.resells):
            count += 1
            heard.update(terms.resells, (terms.operator,))
    return count
