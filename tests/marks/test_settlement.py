"""Settlement averages, the variable part of an option, and funding from the premium."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.actions import FundingPaid, Settled
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.marks import MarketState
from steelyard.marks.funding import funding_rate_ppb, premium_ppb
from steelyard.marks.settlement import accrue_settlement, known_part, note_expiry, settlement_price
from steelyard.terms import Asset, Method
from steelyard.ticks import QuoteTick
from steelyard.valuation.black76 import black76_price
from tests.marks.roles import METHOD
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_LINEAR,
    EXPIRY_US,
    SECOND_US,
    Venue,
    hedger,
    market_maker,
    open_venue,
)

MINUTE_US = 60 * SECOND_US
WINDOW_US = 30 * MINUTE_US
HOUR_US = 60 * MINUTE_US
END_US = 2_000 * HOUR_US


def averaged(path: list[tuple[int, int]], until_us: int = END_US) -> MarketState:
    """Return a market whose index (units) held from each time on, up to a time."""
    market = MarketState()
    market.list_asset(Asset("C", 8, 2))
    note_expiry(market, 1, END_US)
    market.is_protected[1] = False
    for at_us, units in path:
        accrue_settlement(market, at_us, METHOD)
        market.time_us = at_us
        market.index_units[1] = units
    accrue_settlement(market, until_us, METHOD)
    market.time_us = until_us
    return market


def test_INDX_020_a_half_hour_of_two_prices() -> None:
    market = averaged([(END_US - HOUR_US, 10_000), (END_US - WINDOW_US // 2, 20_000)])
    assert settlement_price(market, 1, END_US) == 150
    late = averaged(
        [(END_US - HOUR_US, 10_000), (END_US - WINDOW_US // 2, 20_000)], END_US + HOUR_US
    )
    assert settlement_price(late, 1, END_US) == 150


def test_INDX_020_time_without_trust_does_not_count() -> None:
    market = averaged([(END_US - WINDOW_US, 10_000)], END_US - WINDOW_US // 2)
    market.is_protected[1] = True
    market.index_units[1] = 90_000
    accrue_settlement(market, END_US, METHOD)
    assert settlement_price(market, 1, END_US) == 100
    never = averaged([])
    never.index_units[1] = 7_700
    assert settlement_price(never, 1, END_US) == 77


@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(1, 10**9)), min_size=1, max_size=20))
def test_INDX_020_the_mean_is_exact_and_within_the_prices_seen(path: list[tuple[int, int]]) -> None:
    """Against a sum over every second of the window."""
    steps = sorted((END_US - 4_000 * SECOND_US + s * SECOND_US, units) for s, units in path)
    market = averaged(steps)
    seconds = []
    for second in range(1_800):
        at_us = END_US - WINDOW_US + second * SECOND_US
        held = [units for t, units in steps if t <= at_us]
        if held:
            seconds.append(held[-1])
    if seconds:
        assert settlement_price(market, 1, END_US) == Fraction(sum(seconds), 100 * len(seconds))
    else:
        assert settlement_price(market, 1, END_US) == Fraction(int(market.index_units[1]), 100)


def test_INDX_021_the_known_part_grows_from_nothing_to_all() -> None:
    for minute, share in ((-1, 0.0), (0, 0.0), (15, 0.5), (30, 1.0 - 1e-6)):
        market = averaged([(END_US - HOUR_US, 10_000)], END_US - WINDOW_US + minute * MINUTE_US)
        known, mean = known_part(market, 1, END_US, METHOD)
        assert known == share
        assert mean == (100.0 if share else 0.0)


def in_window(window_us: int = WINDOW_US) -> Method:
    return load_method().with_parameter("index.default.settlement_window_us", str(window_us))


def test_INDX_021_only_the_variable_part_moves() -> None:
    """Half way at a mean of 100,000 a call struck there moves as half a call struck there."""
    venue = open_venue(method=in_window())
    venue.open(market_maker())
    slot = venue.slot(BTC_CALL)
    venue.now_us = EXPIRY_US - WINDOW_US
    for minute in range(16):
        venue.price("BTC", 100_000.0)
        if minute < 15:
            venue.wait(MINUTE_US)
    venue.volatility(0.5)
    years = (EXPIRY_US - venue.now_us) / 31_536_000_000_000
    half = 0.5 * float(black76_price(True, 100_000.0, 100_000.0, 0.5, years))
    assert venue.mark(BTC_CALL) == round(half / 100_000.0 * 10**8)
    row = venue.engine.columns.table[slot]
    spot = float(np.max(row))
    full = open_venue(method=in_window(0))
    full.now_us = venue.now_us
    full.price("BTC", 100_000.0)
    full.volatility(0.5)
    assert spot == pytest.approx(0.5 * float(np.max(full.engine.columns.table[slot])), rel=1e-9)


def test_INDX_021_a_strike_that_is_passed_for_certain_leaves_a_line() -> None:
    venue = open_venue(method=in_window())
    venue.now_us = EXPIRY_US - WINDOW_US
    for _ in range(45):
        venue.price("BTC", 150_000.0)
        venue.wait(30 * SECOND_US)
    venue.price("BTC", 150_000.0)
    venue.volatility(0.5)
    # w = 3/4, A = 150,000, K = 100,000: K' = −50,000, worth 1/4·(F + 50,000) = 50,000 dollars.
    assert venue.mark(BTC_CALL) == pytest.approx(50_000 / 150_000 * 10**8, rel=1e-6)


def test_INDX_020_an_option_settles_at_its_average() -> None:
    venue = open_venue(method=in_window())
    venue.open(market_maker(), hedger())
    venue.volatility(0.5)
    venue.now_us = EXPIRY_US - WINDOW_US
    for minute in range(30):
        venue.price("BTC", 100_000.0 if minute < 15 else 110_000.0)
        venue.wait(MINUTE_US)
    settled = [o for o in venue.price("BTC", 130_000.0) if isinstance(o, Settled)]
    # The mean is 105,000: a coin-settled call struck at 100,000 pays 5,000/105,000 coins.
    assert {o.subject: o.payoff_mark for o in settled}[BTC_CALL] == 10**8 * 5_000 // 105_000


# -- funding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("premium", "rate"),
    [(0, 100_000), (2_000_000, 1_500_000), (-900_000, -400_000), (10**9, 20_000_000),
     (-(10**9), -20_000_000), (100_000, 100_000)],
)  # fmt: skip
def test_INDX_022_worked_rates(premium: int, rate: int) -> None:
    assert funding_rate_ppb(premium, METHOD.index_rules("C")) == rate


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**8))
def test_INDX_022_a_higher_premium_never_lowers_the_rate(premium: int, rise: int) -> None:
    rules = METHOD.index_rules("C")
    low, high = (funding_rate_ppb(p, rules) for p in (premium, premium + rise))
    assert low <= high
    assert abs(high) <= rules.funding_limit_ppb


def test_INDX_022_the_premium_is_zero_between_the_impact_prices() -> None:
    assert premium_ppb(99.9, 100.1, 100.0, 10**8) == 0
    assert premium_ppb(100.5, 100.6, 100.0, 10**8) == 5_000_000
    assert premium_ppb(99.0, 99.2, 100.0, 10**8) == -8_000_000


def funded(hours: int = 8) -> Venue:
    method = load_method().with_parameter("index.default.funding_interval_us", str(hours * HOUR_US))
    venue = open_venue(method=method)
    venue.open(market_maker(), hedger())
    return venue


def test_INDX_022_an_interval_pays_its_mean_premium() -> None:
    venue = funded()
    venue.now_us = (venue.now_us // (8 * HOUR_US) + 1) * 8 * HOUR_US
    paid: list[FundingPaid] = []
    for minute in range(8 * 60 + 1):
        outcomes = venue.price("BTC", 100_000.0)
        # Half the time 0.4 % above the index, half of it at the index.
        bid = 100_400.0 if minute < 240 else 100_000.0
        outcomes += venue.send(QuoteTick, BTC_LINEAR, bid, bid, venue.now_us)
        paid += [o for o in outcomes if isinstance(o, FundingPaid)]
        venue.wait(MINUTE_US)
    (first,) = paid
    assert first.subject == BTC_LINEAR
    assert first.rate_ppb == pytest.approx(1_500_000, abs=10_000)
    venue.engine.check_sums()


def test_INDX_023_funding_waits_for_a_trusted_index() -> None:
    venue = funded(1)
    venue.price("BTC", 100_000.0)
    venue.send(QuoteTick, BTC_LINEAR, 100_000.0, 100_000.0, venue.now_us)
    venue.wait(HOUR_US)
    assert not [o for o in venue.tick() if isinstance(o, FundingPaid)]
    assert [o for o in venue.price("BTC", 100_000.0) if isinstance(o, FundingPaid)]
    venue.engine.check_sums()


def test_INDX_018_everything_kept_survives_a_snapshot() -> None:
    """Averages, premiums, holds and words: an engine restored in the middle goes on bit for bit."""
    venue = funded(1)
    venue.engine.set_method(venue.engine.method.with_parameter("index.default.averaging", '"twap"'))
    venue.now_us = EXPIRY_US - WINDOW_US - HOUR_US
    other: Venue | None = None
    for step in range(240):
        for twin in (venue, other) if other else (venue,):
            draw = random.Random(step)
            twin.wait(20 * SECOND_US)
            price = 100_000.0 * (1 + draw.uniform(-0.01, 0.01))
            twin.price("BTC", price)
            twin.send(QuoteTick, BTC_LINEAR, price, price * 1.001, twin.now_us)
        if step == 200:
            copy = Venue(shards=3, method=venue.engine.method)
            restore_snapshot(copy.engine, take_snapshot(venue.engine))
            other = Venue(engine=copy.engine)
            other.now_us, other.number = venue.now_us, venue.number
    assert other is not None
    assert state_hash(other.engine) == state_hash(venue.engine)
