"""The market over time: a venue breaks, a feed freezes, quotes reach a bound, volatilities arrive."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks import (
    MarketState,
    apply_volatilities,
    pass_time,
    perpetual_mark,
    read_index,
    weighted_median,
)
from steelyard.marks.index import Readable
from steelyard.marks.sources import NEVER_US
from steelyard.terms import Asset, Instrument
from steelyard.ticks import VolatilityUpdate
from tests.marks.roles import (
    COIN,
    INVERSE,
    LINEAR,
    METHOD,
    SECOND_US,
    STALE_US,
    START_US,
    Sources,
    listed,
    speaker,
)

RULES = METHOD.index_rules("default")
SAID = st.lists(st.tuples(st.floats(1e-6, 1e9), st.integers(1, 10**6)), min_size=1, max_size=9)


@given(
    st.lists(st.tuples(st.floats(90.0, 110.0), st.integers(1, 100)), min_size=1, max_size=6),
    st.lists(st.sampled_from([10.0, 0.1, 1e-11, 1e9]), min_size=1, max_size=6),
    st.data(),
)
def test_MARK_002_liars_of_any_scale_with_just_under_half_the_weight(
    honest: list[tuple[float, int]], factors: list[float], data: st.DataObject
) -> None:
    """The liars carry as much weight as the law allows: one unit less than the honest."""
    honest_weight = sum(w for _, w in honest) + len(factors)
    honest = [(honest[0][0], honest[0][1] + len(factors)), *honest[1:]]
    cuts = sorted(data.draw(st.sets(
        st.integers(1, max(1, honest_weight - 2)), max_size=min(len(factors) - 1, honest_weight - 2)
    )))  # fmt: skip
    bounds = [0, *cuts, honest_weight - 1]
    shares = [b - a for a, b in pairwise(bounds) if b > a]
    assert sum(shares) == honest_weight - 1
    lies = [(100.0 * f, w) for f, w in zip(factors, shares, strict=False)]
    said = data.draw(st.permutations(honest + lies))
    median = weighted_median([p for p, _ in said], [w for _, w in said])
    assert min(p for p, _ in honest) <= median <= max(p for p, _ in honest)


@given(SAID, st.integers(-40, 40))
def test_MARK_013_a_power_of_two_scales_the_index(
    said: list[tuple[float, int]], power: int
) -> None:
    prices, weights = [p for p, _ in said], [w for _, w in said]
    scale = 2.0**power
    scaled = weighted_median([p * scale for p in prices], weights)
    assert scaled == weighted_median(prices, weights) * scale


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), max_size=6))
def test_MARK_007_the_next_change_is_the_first_instant_a_source_is_lost(
    times: list[tuple[int, int]],
) -> None:
    sources = Readable(
        [speaker(100.0, 1, n, at, limit) for n, (at, limit) in enumerate(times)],
        [1.0] * len(times), 0.0, lambda: 1_600, {},
    )  # fmt: skip
    reading = read_index(sources, 1_000, RULES)
    if not reading.used:
        assert reading.changes_at_us == NEVER_US
        return
    assert reading.changes_at_us > 1_000
    assert read_index(sources, reading.changes_at_us - 1, RULES).used == reading.used
    assert read_index(sources, reading.changes_at_us, RULES).used < reading.used


def test_MARK_004_a_frozen_source_ages_out_however_often_it_repeats_itself() -> None:
    """Two of five hang; when they are stale, what the other three say is a jump that has to hold."""
    venue = Sources("one", "two", "three", "four", "five")
    for source in range(5):
        venue.say(source, 100.0)
    for second in range(5, 61, 5):
        pass_time(venue.market, START_US + second * SECOND_US, venue.method)
        for source in (0, 1):
            venue.say(source, 100.0, at_us=START_US)  # arrives now, holds for then
        for source, price in ((2, 100.0), (3, 80.0), (4, 80.0)):
            venue.say(source, price)
        assert (venue.index, venue.is_protected) == (100.0, False)
    stale_us = START_US + STALE_US + 1
    assert pass_time(venue.market, stale_us, venue.method) == [COIN]
    assert (venue.index, venue.is_protected) == (100.0, True)  # two of five are no quorum
    venue.say(2, 80.0)
    assert venue.is_protected
    pass_time(venue.market, stale_us + RULES.jump_hold_us - 1, venue.method)
    assert venue.is_protected
    pass_time(venue.market, stale_us + RULES.jump_hold_us, venue.method)
    assert (venue.index, venue.is_protected) == (80.0, False)


def test_MARK_014_passing_time_names_the_assets_that_aged_and_no_other() -> None:
    venue = Sources("one", "two")
    other = venue.market.list_asset(Asset("D", 8, 2))
    for source in ("s0", "s1"):
        venue.market.list_source(listed(source, "D", source, stale_after_us=2 * STALE_US))
        spoken = venue.market.indices[other].source(source)
        assert spoken is not None
        spoken.take(7.0, START_US, START_US, 0.0, 0.0, RULES)
    venue.market.changes_at_us[other] = START_US
    venue.say(0, 100.0)
    venue.say(1, 100.0)
    assert pass_time(venue.market, START_US, METHOD) == [other]  # its first reading
    assert pass_time(venue.market, START_US + STALE_US, METHOD) == []
    assert pass_time(venue.market, START_US + STALE_US + 1, METHOD) == [COIN]
    assert pass_time(venue.market, START_US + 2 * STALE_US, METHOD) == []
    assert pass_time(venue.market, START_US + 2 * STALE_US + 1, METHOD) == [other]
    assert venue.market.is_protected[[COIN, other]].all()
    assert not venue.market.is_protected[0]
    assert pass_time(venue.market, START_US + 10**12, METHOD) == []


def test_MARK_015_one_venue_of_four_that_breaks_does_not_move_the_index() -> None:
    """Five minutes of a falling market; for three of them the last venue prints 60 % below."""
    venue = Sources("one", "two", "three", "four")
    for second in range(300):
        pass_time(venue.market, START_US + second * SECOND_US, METHOD)
        fair = 100.0 - second / 60
        sound = [fair - 0.05, fair, fair + 0.05]
        for source, price in enumerate(sound):
            venue.say(source, price)
        is_broken = 60 <= second < 240
        venue.say(3, 0.4 * fair if is_broken else fair)
        assert not venue.is_protected or second == 0
        # The index is counted in cents, so half a cent is its rounding.
        assert sound[0] - 0.005 <= venue.index <= sound[2] + 0.005
        if is_broken:
            assert venue.index == pytest.approx(fair - 0.025, abs=0.00501)


@given(
    st.integers(1, 10**9), st.integers(1, 10**9), st.integers(-9 * 10**8, 10**9),
    st.integers(0, 6), st.integers(0, 12), st.integers(1, 10**4),
)  # fmt: skip
def test_MARK_009_a_higher_price_never_lowers_a_mark_and_inverse_marks_are_not_positive(
    index: int, rise: int, basis: int, price_exponent: int, mark_exponent: int, dollars: int
) -> None:
    for is_inverse in (False, True):
        low, high = (
            perpetual_mark(
                units, price_exponent, basis, is_inverse=is_inverse,
                contract_usd=dollars, mark_exponent=mark_exponent,
            )
            for units in (index, index + rise)
        )  # fmt: skip
        assert low <= high
        assert (high <= 0) if is_inverse else (low >= 0)


def test_MARK_008_a_wick_of_half_the_price_moves_both_marks_by_at_most_the_bound() -> None:
    venue = Sources("one", "two")
    for source in (0, 1):
        venue.say(source, 100.0)
    inverse_before = int(venue.market.mark_units[1])
    assert inverse_before == -(10**11)  # 10 USD at 100, in 10^-12 coins
    for name in (LINEAR.name, INVERSE.name):
        venue.quote(100.0, 100.0, name=name)
    for name in (LINEAR.name, INVERSE.name):
        venue.quote(50.0, 50.0, START_US + 10 * SECOND_US, name)
    # −0.5 % held for 10 s with a time constant of 30 s: a quarter of it.
    assert venue.market.basis_ppb[:2].tolist() == [-1_250_000, -1_250_000]
    assert venue.market.mark_units[0] == 998_750
    assert venue.market.mark_units[1] == round(Fraction(-10 * 10**12 * 1_000, 99_875))
    for name in (LINEAR.name, INVERSE.name):
        venue.quote(50.0, 50.0, START_US + 10**15, name)
    assert venue.market.mark_units[0] >= 995_000
    assert venue.market.mark_units[1] >= -(10**11) * 1000 // 995


def test_MARK_011_a_quote_that_lifts_a_mark_beyond_its_bound_protects() -> None:
    venue = Sources("one", "two")
    price = 4.61e8  # 4.61·10^12 mark units, just under 2^62/10^6 = 4.6117·10^12
    for source in (0, 1):
        venue.say(source, price)
    mark = int(venue.market.mark_units[0])
    assert mark < LINEAR.mark_max
    assert (mark, venue.is_protected) == (4_610_000_000_000, False)
    venue.quote(price, price)
    venue.quote(1.005 * price, 1.005 * price, START_US + 10**12)
    assert (int(venue.market.mark_units[0]), venue.is_protected) == (mark, True)


def test_MARK_016_volatilities_and_forwards_are_kept_for_the_options_they_name() -> None:
    market = MarketState()
    market.list_asset(Asset("C", 8, 2))
    names = ["C-14FEB27-90-C", "C-14FEB27-100-C", "C-14FEB27-110-C"]
    for name, strike in zip(names, ("90", "100", "110"), strict=True):
        market.list_instrument(
            Instrument(
                name, "option", "C", "C", True, 2, 8, 10**6,
                strike=strike, expiry_us=START_US * 2, is_call=True,
            )
        )  # fmt: skip
    assert market.option_slots(COIN).tolist() == []
    update = VolatilityUpdate(
        START_US, "feed", 1, "C", [names[2], names[0]], [0.75, 0.5], [1.25, 1.0], START_US
    )
    assert apply_volatilities(market, update, METHOD) == [COIN]
    assert market.volatility[:3].tolist() == [0.5, 0.0, 0.75]
    assert market.forward_ratio[:3].tolist() == [1.0, 1.0, 1.25]
    assert market.option_slots(COIN).tolist() == [0, 2]
    market.is_settled[0] = True
    assert market.option_slots(COIN).tolist() == [2]
