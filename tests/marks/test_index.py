"""The index: a weighted median of fresh sources, which no minority can move."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steelyard.marks import pass_time, read_index, weighted_median
from steelyard.marks.index import Readable
from steelyard.marks.sources import NEVER_US
from steelyard.marks.update import reread_index
from tests.marks.roles import (
    COIN,
    LINEAR,
    METHOD,
    STALE_US,
    START_US,
    Sources,
    read,
    speaker,
)

RULES = METHOD.index_rules("default")
UNCAPPED = METHOD.with_parameter("index.default.operator_share_ppm_max", "1000000").index_rules(
    "default"
)
NOW = 10**9
WEIGHTS = st.integers(1, 1_000_000)
HONEST = st.floats(90.0, 110.0)
LIES = st.sampled_from([1e-9, 0.0, 1_000.0, 10.0, 1e12, 99.999, 100.001, -5.0, float("nan")])


@pytest.mark.parametrize(
    ("prices", "weights", "median"),
    [([100.0, 50.0, 101.0], [1, 1, 1], 100.0), ([102.0, 100.0], [1, 1], 101.0),
     ([100.0, 1.0, 101.0], [2, 3, 2], 100.0), ([102.0, 100.0, 104.0], [1, 2, 1], 101.0),
     ([7.0], [5], 7.0), ([7.0, 7.0], [1, 1], 7.0)],
)  # fmt: skip
def test_MARK_001_worked_medians(prices: list[float], weights: list[int], median: float) -> None:
    assert weighted_median(prices, weights) == median


@given(
    st.lists(st.tuples(HONEST, WEIGHTS), min_size=2, max_size=9),
    st.lists(st.tuples(LIES, WEIGHTS), max_size=9),
)
def test_MARK_002_a_minority_cannot_leave_the_honest_range(
    honest: list[tuple[float, int]], liars: list[tuple[float, int]]
) -> None:
    assume(sum(w for _, w in honest) > sum(w for _, w in liars))
    outcome = read(honest + liars, UNCAPPED, NOW)
    prices = [price for price, _ in honest]
    assert min(prices) <= outcome.price <= max(prices)


@pytest.mark.parametrize("lie", [1e-9, 0.0, 1_000.0, 10.0, 1e12, -1.0, float("nan")])
def test_MARK_002_worked_lies(lie: float) -> None:
    honest = [(99.5, 2), (100.0, 2), (100.5, 2)]
    outcome = read([*honest, (lie, 5)], RULES, NOW)
    assert outcome.has_quorum
    assert 99.5 <= outcome.price <= 100.5


@given(
    st.lists(st.tuples(HONEST, WEIGHTS), min_size=1, max_size=9), st.randoms(), st.floats(0.0, 5.0)
)
def test_MARK_003_order_does_not_matter_and_more_is_never_less(
    said: list[tuple[float, int]], rng: random.Random, rise: float
) -> None:
    prices, weights = zip(*said, strict=True)
    median = weighted_median(prices, weights)
    shuffled = said[:]
    rng.shuffle(shuffled)
    assert weighted_median(*zip(*shuffled, strict=True)) == median
    one = rng.randrange(len(said))
    higher = [p + rise if n == one else p for n, p in enumerate(prices)]
    assert weighted_median(higher, weights) >= median


def test_MARK_004_a_price_is_fresh_up_to_its_limit_in_exchange_time() -> None:
    said = Readable(
        [speaker(100.0, 1, n, 0, 60_000_000) for n in (0, 1)], [1.0, 1.0], 0.0, lambda: 1_600, {}
    )
    fresh = read_index(said, 60_000_000, RULES)
    assert (fresh.price, fresh.used, fresh.changes_at_us) == (100.0, 2, 60_000_001)
    assert read_index(said, 60_000_001, RULES)[:7] == (0.0, False, 0, 0, 0, 0, NEVER_US)


def test_MARK_004_a_late_price_is_old_and_an_older_one_changes_nothing() -> None:
    venue = Sources("one", "two", "three")
    for source in range(3):
        venue.say(source, 100.0)
    assert venue.say(0, 200.0, at_us=START_US - 1) == []
    assert venue.index == 100.0
    late = Sources("one", "two")
    late.say(0, 100.0)
    late.say(1, 100.0, at_us=START_US - STALE_US - 1)
    assert late.is_protected


def test_MARK_005_two_sources_of_one_operator_are_no_quorum() -> None:
    venue = Sources("one", "one")
    venue.say(0, 100.0)
    venue.say(1, 101.0)
    assert venue.is_protected
    other = Sources("one", "two")
    other.say(0, 100.0)
    assert other.is_protected
    assert other.say(1, 101.0) == [COIN]
    assert not other.is_protected


def test_MARK_005_without_a_quorum_the_last_good_value_is_kept() -> None:
    venue = Sources("one", "two")
    venue.say(0, 100.0)
    venue.say(1, 100.0)
    assert (venue.index, venue.is_protected) == (100.0, False)
    now = START_US + STALE_US + 1
    assert pass_time(venue.market, now, venue.method) == [COIN]
    assert venue.is_protected
    assert venue.say(0, 50.0) == []
    assert (venue.index, venue.is_protected) == (100.0, True)
    venue.say(1, 51.0)
    assert (venue.index, venue.is_protected) == (50.5, False)


def test_MARK_006_before_the_first_quorum_there_is_an_indication() -> None:
    venue = Sources("one", "two")
    assert not venue.market.has_mark[0]
    assert venue.say(0, 100.0) == [COIN]
    assert (venue.index, venue.is_protected) == (100.0, True)
    assert venue.market.has_mark[0]
    assert venue.say(0, 105.0) == [COIN]
    assert venue.index == 105.0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 70), st.integers(90, 110)), max_size=40)
)
def test_MARK_007_the_clock_is_looked_at_when_it_matters(
    script: list[tuple[int, int, int]],
) -> None:
    lazy, eager = (Sources("one", "two", "three", "one") for _ in range(2))
    for source, wait_s, price in script:
        for step in range(0, wait_s + 1, 5):
            now = max(lazy.market.time_us, eager.market.time_us)
            later = now + (5_000_000 if step else 0) + 1
            pass_time(lazy.market, later, lazy.method)
            eager.market.time_us = later
            reread_index(eager.market, COIN, eager.method)
            assert (lazy.index, lazy.is_protected) == (eager.index, eager.is_protected)
        for venue in (lazy, eager):
            venue.say(source, float(price))
        assert (lazy.index, lazy.is_protected) == (eager.index, eager.is_protected)


def test_MARK_011_an_index_of_no_units_protects() -> None:
    venue = Sources("one", "two", "three")
    for source in (0, 1, 2):
        venue.say(source, 100.0)
    mark = int(venue.market.mark_units[0])
    for price in (0.004, 2e9):
        for source in (0, 1, 2):
            venue.say(source, price)
        assert (venue.index, venue.is_protected) == (100.0, True)
        assert venue.market.mark_units[0] == mark
    for source in (0, 1, 2):
        venue.say(source, 100.0)
    assert not venue.is_protected


def test_MARK_011_a_mark_beyond_its_bound_protects() -> None:
    venue = Sources("one", "two", "three")
    for source in (0, 1, 2):
        venue.say(source, 100.0)
    assert LINEAR.mark_max == 2**62 // 10**6
    mark = int(venue.market.mark_units[0])
    beyond = 4.7e8  # dollars: 4.7·10^12 mark units of 10^-4, where 4.6·10^12 is the end
    for source in (0, 1, 2):
        venue.say(source, beyond)
    assert venue.is_protected
    assert venue.market.mark_units[0] == mark
