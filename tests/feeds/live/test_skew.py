"""Whose clock is off, from receive and exchange times."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds.live.skew import SkewEstimator, SkewRules

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
RULES = SkewRules(bound_us=5 * SECOND_US, pieces=20, pieces_min=3)


def watch(estimator: SkewEstimator, from_s: int, seconds: int, skew_us: int, seed: int = 1) -> None:
    """Ten messages a second with latencies from 20 ms, our clock ahead by skew_us."""
    chance = random.Random(seed)
    for tick in range(from_s * 10, (from_s + seconds) * 10):
        exchange_us = tick * SECOND_US // 10 + HOUR_US
        latency_us = 20_000 + int(chance.expovariate(1 / 30_000))
        estimator.add(exchange_us + latency_us + skew_us, exchange_us)


def test_CONN_040_the_skew_is_the_shortest_way_of_the_middle_piece() -> None:
    estimator = SkewEstimator(RULES)
    watch(estimator, 0, 2, 0)
    assert estimator.skew_us is None
    watch(estimator, 2, 30, 0)
    assert estimator.skew_us is not None
    assert 20_000 <= estimator.skew_us < 40_000
    assert not estimator.is_off


def test_CONN_041_a_clock_an_hour_off_is_found_and_its_mending_too() -> None:
    for skew_us in (HOUR_US, -HOUR_US):
        estimator = SkewEstimator(RULES)
        watch(estimator, 0, 10, 0)
        watch_own = [estimator.is_off]
        for second in range(10, 40):
            # Exchange times shift by an hour; our own clock runs on.
            received_us = second * SECOND_US + HOUR_US
            estimator.add(received_us, received_us - skew_us)
            watch_own.append(estimator.is_off)
        assert not watch_own[0]
        assert watch_own[-1]
        assert estimator.skew_us == skew_us
        for second in range(40, 55):
            received_us = second * SECOND_US + HOUR_US
            estimator.add(received_us, received_us - 20_000)
        assert not estimator.is_off


def test_CONN_042_one_message_with_a_wild_time_changes_nothing() -> None:
    estimator, calm = SkewEstimator(RULES), SkewEstimator(RULES)
    watch(calm, 0, 30, 0)
    watch(estimator, 0, 15, 0)
    estimator.add(15 * SECOND_US + HOUR_US, 15 * SECOND_US + 9 * HOUR_US)
    estimator.add(15 * SECOND_US + HOUR_US, 1)
    watch(estimator, 15, 15, 0)
    assert estimator.skew_us is not None
    assert calm.skew_us is not None
    assert abs(estimator.skew_us - calm.skew_us) < 20_000
    assert not estimator.is_off


def test_CONN_043_a_source_that_plays_yesterday_again_is_off() -> None:
    estimator = SkewEstimator(RULES)
    watch(estimator, 0, 6, 24 * HOUR_US)
    assert estimator.is_off


def test_CONN_044_old_trades_before_live_ones_do_not_hold_a_source_back() -> None:
    estimator = SkewEstimator(RULES)
    for second in range(10):  # a quiet market repeats what happened long ago
        estimator.add((second + 20_000) * SECOND_US, 5 * SECOND_US)
    assert estimator.is_off
    for second in range(10, 13):
        estimator.add((second + 20_000) * SECOND_US, (second + 20_000) * SECOND_US - 9_000)
    assert not estimator.is_off


def test_CONN_045_our_own_clock_set_back_starts_afresh() -> None:
    estimator = SkewEstimator(RULES)
    watch(estimator, 7200, 10, HOUR_US)
    assert estimator.is_off
    watch(estimator, 7210, 1, 0)
    assert (estimator.skew_us, estimator.is_off) == (None, False)


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(-1, 10**15)), max_size=300))
def test_CONN_046_any_times_give_a_state_and_no_more_pieces_than_stated(
    pairs: list[tuple[int, int]],
) -> None:
    estimator = SkewEstimator(RULES)
    for received_us, exchange_us in pairs:
        estimator.add(received_us, exchange_us)
        assert len(estimator._pieces) <= RULES.pieces
        assert estimator.skew_us is not None or not estimator.is_off
