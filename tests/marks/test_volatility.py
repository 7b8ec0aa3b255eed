"""The volatility state as a whole: what a move does, what a reading says, and that it restarts."""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks.garch import Garch, GarchParameters, mean_variance, next_variance
from steelyard.marks.regime import Regime
from steelyard.marks.volatility import (
    VolatilityReading,
    VolatilityState,
    drift_ppm,
    implied_at,
    observe_index,
    read_correlation,
    read_volatility,
    set_garch,
    set_implied,
)
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import Horizon
from tests.marks.volatility_roles import (
    MINUTE_US,
    RULES,
    SECOND_US,
    START_US,
    brownian,
    feed,
)

DAY_US = 86_400_000_000
SIGMA = 0.8
GARCH = GarchParameters(2e-8, 0.1, 0.88, MINUTE_US)

MOVE = st.tuples(
    st.integers(1, 3),
    st.one_of(st.floats(0.9, 1.1), st.floats(0.999, 1.001), st.sampled_from([1.0, 0.5, 1e6])),
    st.one_of(st.integers(0, 3 * SECOND_US), st.integers(-(10**9), 10**12)),
)


def walking(count: int = 900, seed: int = 1, sigma: float = SIGMA) -> VolatilityState:
    """Return the state of one asset that moved every second."""
    state = VolatilityState()
    times = np.arange(1, count + 1, dtype=np.int64) * SECOND_US
    feed(state, 1, brownian(sigma, times, seed), (times + START_US).tolist())
    return state


def reading_of(state: VolatilityState, now_us: int | None = None) -> VolatilityReading:
    """Return the reading of asset 1 at its last move or at now_us."""
    now_us = state.assets[1].time_us if now_us is None else now_us
    reading = read_volatility(state, 1, now_us, RULES)
    assert reading is not None
    return reading


def wandered(moves: list[tuple[int, float, int]], state: VolatilityState | None = None) -> Any:
    """Return the state after moves (slot, factor, microseconds); late ones among them."""
    state = VolatilityState() if state is None else state
    now_us = max([START_US, *(asset.time_us for asset in state.assets.values())])
    for slot, factor, later in moves:
        known = state.assets.get(slot)
        price = min(1e12, max(1e-12, (known.price if known else 100.0) * factor))
        now_us = max(now_us, now_us + later)
        observe_index(state, slot, price, now_us + min(0, later), RULES)
    return state


def said(state: VolatilityState) -> list[object]:
    """Return everything the state says an hour after its last move."""
    now_us = max((a.time_us for a in state.assets.values()), default=START_US) + 3_600_000_000
    readings = [read_volatility(state, slot, now_us, RULES) for slot in (1, 2, 3, 4)]
    drifts = [drift_ppm(state, slot, 10**7, RULES) for slot in (1, 2, 3, 4)]
    return [*readings, read_correlation(state, now_us, RULES), *drifts]


def test_VOLA_050_garch_is_its_recursion() -> None:
    assert next_variance(GARCH, 1e-6, 0.003) == pytest.approx(2e-8 + 9e-7 + 8.8e-7, rel=1e-14)
    garch = Garch(GARCH)
    assert garch.variance == pytest.approx(1e-6, rel=1e-14)
    garch.add(0.003, MINUTE_US)
    assert garch.variance == pytest.approx(1.8e-6, rel=1e-14)
    garch.add(0.5, 2 * MINUTE_US)  # not a bar of these parameters
    assert garch.variance == pytest.approx(1.8e-6, rel=1e-14)
    assert garch.volatility() == pytest.approx(math.sqrt(1.8e-6 * 525_600), rel=1e-14)


@given(st.floats(1e-8, 1e-4), st.integers(1, 400))
def test_VOLA_050_the_forecast_is_the_mean_of_its_steps(variance: float, bars: int) -> None:
    total, step = 0.0, variance
    for _ in range(bars):
        total += step
        step = GARCH.omega + (GARCH.alpha + GARCH.beta) * step
    assert mean_variance(GARCH, variance, bars) == pytest.approx(total / bars, rel=1e-10)


def test_VOLA_050_garch_reads_the_bars_that_follow_one_another() -> None:
    state = VolatilityState()
    set_garch(state, 1, GARCH)
    closes = [100.0, 100.3, 100.1, 100.4]
    for number, close in enumerate(closes):
        for price in (close * 1.001, close):
            at_us = START_US + number * MINUTE_US + (SECOND_US if price == close else 0)
            observe_index(state, 1, price, at_us, RULES)
    variance = 1e-6
    for before, close in itertools.pairwise(closes[:3]):
        variance = next_variance(GARCH, variance, math.log(close / before))
    assert state.garch[1].variance == pytest.approx(variance, rel=1e-12)
    observe_index(state, 1, 500.0, START_US + 100 * MINUTE_US, RULES)  # closes the last bar
    variance = next_variance(GARCH, variance, math.log(closes[3] / closes[2]))
    assert state.garch[1].variance == pytest.approx(variance, rel=1e-12)
    observe_index(state, 1, 100.0, START_US + 101 * MINUTE_US, RULES)  # the silence is no bar
    assert state.garch[1].variance == pytest.approx(variance, rel=1e-12)
    assert reading_of(state).garch_volatility == state.garch[1].volatility()
    set_garch(state, 1, GARCH)
    assert state.garch[1].variance == pytest.approx(variance, rel=1e-12)
    set_garch(state, 1, None)
    assert reading_of(state).garch_volatility is None


@pytest.mark.parametrize(
    "wrong", [(0.0, 0.1, 0.8), (1e-8, -0.1, 0.8), (1e-8, 0.2, 0.8), (math.nan, 0.1, 0.8)]
)
def test_VOLA_050_parameters_that_explode_are_impossible(wrong: tuple[float, ...]) -> None:
    with pytest.raises(AssertionError):
        set_garch(VolatilityState(), 1, GarchParameters(*wrong, MINUTE_US))


def test_VOLA_060_implied_is_linear_in_total_variance() -> None:
    term = [(START_US + 30 * DAY_US, 0.5), (START_US + 10 * DAY_US, 0.8)]
    state = walking(2)
    set_implied(state, 1, term)
    implied = reading_of(state, START_US).implied
    assert implied is not None
    assert implied.term == tuple(sorted(term))
    assert implied.short == 0.8  # seven days: before the first expiry
    assert implied.long == pytest.approx(0.5, rel=1e-15)
    middle = (0.64 * 10 + (0.25 * 30 - 0.64 * 10) / 2) / 20  # at 20 days
    assert implied_at(implied.term, START_US, 20 * DAY_US) == pytest.approx(math.sqrt(middle))
    assert math.sqrt(middle) == pytest.approx(0.58949, abs=1e-5)
    assert implied_at(implied.term, START_US, 900 * DAY_US) == 0.5
    later = reading_of(state, START_US + 10 * DAY_US).implied
    assert later is not None
    assert later.short == 0.5
    assert reading_of(state, START_US + 30 * DAY_US).implied is None
    set_implied(state, 1, [])
    assert reading_of(state).implied is None


def test_VOLA_060_implied_may_come_before_the_index() -> None:
    state = VolatilityState()
    set_implied(state, 1, [(START_US + DAY_US, 0.4)])
    assert read_volatility(state, 1, START_US, RULES) is None
    observe_index(state, 1, 100.0, START_US, RULES)
    implied = reading_of(state).implied
    assert implied is not None
    assert implied.short == implied.long == 0.4


def test_VOLA_070_drift_is_z_sigma_root_age_rounded_up() -> None:
    state = walking()
    both = [each.robust_volatility for each in reading_of(state).horizons[:2]]
    assert None not in both
    robust = max(each for each in both if each is not None)
    assert robust == pytest.approx(SIGMA, rel=0.5)
    for age_us in (1, 999, SECOND_US, 60 * SECOND_US, 10**9):
        exact = 3.0 * robust * math.sqrt(age_us / YEAR_US) * 1e6
        drift = drift_ppm(state, 1, age_us, RULES)
        assert isinstance(drift, int)
        assert exact <= drift < exact + 1.0
    assert drift_ppm(state, 1, 0, RULES) == 0
    assert drift_ppm(state, 1, 10**18, RULES) == RULES.drift_ppm_max


def test_VOLA_070_floor_ceiling_and_the_unknown() -> None:
    second = math.sqrt(SECOND_US / YEAR_US) * 3.0 * 1e6
    assert drift_ppm(VolatilityState(), 1, SECOND_US, RULES) == math.ceil(3.0 * second)
    assert drift_ppm(walking(9), 1, SECOND_US, RULES) == math.ceil(3.0 * second)
    assert drift_ppm(walking(sigma=0.01), 1, SECOND_US, RULES) == math.ceil(0.2 * second) == 107
    assert drift_ppm(walking(sigma=90.0), 1, SECOND_US, RULES) == math.ceil(50.0 * second)


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_VOLA_070_drift_never_falls_with_age(first: int, second: int) -> None:
    state = walking(300)
    low, high = sorted((first, second))
    assert drift_ppm(state, 1, low, RULES) <= drift_ppm(state, 1, high, RULES)


def test_VOLA_071_a_frozen_index_keeps_its_volatility_and_its_drift() -> None:
    state = walking()
    before, drift = reading_of(state), drift_ppm(state, 1, 10**7, RULES)
    price, at_us = state.assets[1].price, state.assets[1].time_us
    for k in range(1, 5_000):  # the same price again and again for three days
        observe_index(state, 1, price, at_us + k * MINUTE_US, RULES)
    after = reading_of(state, at_us)
    assert after == before
    assert drift_ppm(state, 1, 10**7, RULES) == drift
    assert reading_of(state, at_us + 10**12).age_us == 10**12


def test_VOLA_071_a_thaw_at_the_old_price_halves_a_variance_at_most() -> None:
    state = walking()
    asset = state.assets[1]
    before = [each.total for each in asset.horizons]
    observe_index(state, 1, asset.price * (1 + 1e-13), asset.time_us + 30 * DAY_US, RULES)
    assert asset.horizons[0].total == pytest.approx(0.5 * before[0], rel=1e-9)
    for total, realised in zip(before, asset.horizons, strict=True):
        assert realised.total >= 0.5 * total * (1.0 - 1e-9)


def test_VOLA_072_a_jump_is_noted_once_with_its_move_and_its_time() -> None:
    state = walking(300)
    assert reading_of(state).jump.number == 0
    asset = state.assets[1]
    price, at_us = asset.price, asset.time_us + SECOND_US
    robust = reading_of(state).horizons[0].robust_volatility
    observe_index(state, 1, 0.7 * price, at_us, RULES)
    jump = reading_of(state).jump
    assert jump == (pytest.approx(math.log(0.7), rel=1e-12), at_us, 1)
    after = reading_of(state).horizons[0]
    assert after.robust_volatility == pytest.approx(robust, rel=0.1)
    assert after.volatility is not None
    assert after.volatility > 100.0
    for k in range(1, 20):
        observe_index(state, 1, 0.7 * price * (1 + 1e-6 * k), at_us + k * SECOND_US, RULES)
    assert reading_of(state).jump.number == 1
    # a move after a silence is none
    observe_index(state, 1, price, at_us + 1_000 * SECOND_US, RULES)
    assert reading_of(state).jump.number == 1


def test_VOLA_073_moves_between_two_samples_only_widen_the_bar() -> None:
    state = walking(100)
    realised = [each.record() for each in state.assets[1].horizons]
    at_us = state.assets[1].time_us
    for k in range(1, 1_000):
        observe_index(state, 1, 200.0 if k % 2 else 50.0, at_us + k, RULES)
    asset = state.assets[1]
    assert [each.record() for each in asset.horizons] == realised
    assert (asset.high, asset.low, asset.price) == (200.0, 50.0, 200.0)
    reading = reading_of(state).horizons[0]  # but the reading has seen the doubling
    assert reading.volatility is not None
    assert reading.volatility > 100.0


def test_VOLA_073_a_late_price_is_the_newest_word_at_the_last_time() -> None:
    state = walking(100)
    at_us = state.assets[1].time_us
    observe_index(state, 1, 90.0, at_us - 10**9, RULES)
    assert (state.assets[1].price, state.assets[1].time_us) == (90.0, at_us)


def test_VOLA_074_the_regime_follows_its_two_horizons() -> None:
    rules = msgspec.structs.replace(RULES, regime_short=0, regime_long=2)
    state = VolatilityState()
    times = np.arange(1, 3_001, dtype=np.int64) * SECOND_US
    feed(state, 1, brownian(SIGMA, times, 2), (times + START_US).tolist(), rules)
    assert reading_of(state).regime in (Regime.CALM, Regime.NORMAL)
    asset = state.assets[1]
    wild = brownian(10 * SIGMA, times[:60], 3, asset.price)
    feed(state, 1, wild, (times[:60] + asset.time_us).tolist(), rules)
    reading = reading_of(state)
    assert reading.regime == Regime.CRISIS
    assert asset.time_us - 60 * SECOND_US < reading.regime_since_us <= asset.time_us
    assert reading_of(walking(900)).regime == Regime.UNKNOWN  # ten days are not known yet


@given(st.lists(MOVE, max_size=80), st.lists(MOVE, max_size=80), st.booleans())
def test_VOLA_080_a_restart_from_the_record_goes_on_bit_for_bit(
    first: list[tuple[int, float, int]], second: list[tuple[int, float, int]], has_more: bool
) -> None:
    state = wandered(first)
    if has_more:
        set_garch(state, 1, GARCH)
        set_implied(state, 2, [(START_US + 10**14, 0.3), (START_US + 10**13, 0.4)])
    packed = msgspec.msgpack.encode(state.record())
    restored = VolatilityState.restore(msgspec.msgpack.decode(packed))
    assert msgspec.msgpack.encode(restored.record()) == packed
    assert said(restored) == said(state)
    wandered(second, state)
    assert msgspec.msgpack.encode(restored.record()) == packed  # nothing is shared
    wandered(second, restored)
    assert restored.record() == state.record()
    assert said(restored) == said(state)


def test_VOLA_080_a_variance_of_garch_that_has_moved_is_restored() -> None:
    state = VolatilityState()
    set_garch(state, 1, GARCH)
    times = np.arange(1, 301, dtype=np.int64) * SECOND_US
    feed(state, 1, brownian(SIGMA, times, 4), (times + START_US).tolist())
    assert state.garch[1].variance != Garch(GARCH).variance
    restored = VolatilityState.restore(state.record())
    assert restored.garch[1].variance == state.garch[1].variance
    assert restored.garch[1].parameters == GARCH


def test_VOLA_080_changed_horizons_begin_anew_where_they_are_new() -> None:
    state = walking(300)
    kept = state.assets[1].horizons[0].record()[2]
    horizons = (*RULES.horizons[:2], Horizon(900 * SECOND_US, SECOND_US))
    rules = msgspec.structs.replace(RULES, horizons=horizons, regime_short=0, regime_long=2)
    asset = state.assets[1]
    observe_index(state, 1, asset.price * 1.001, asset.time_us + 1, RULES)
    assert asset.horizons[0].record()[2] == kept
    observe_index(state, 1, asset.price * 1.001, asset.time_us + SECOND_US, rules)
    assert len(asset.horizons) == 3
    reading = read_volatility(state, 1, asset.time_us, rules)
    assert reading is not None
    assert len(reading.horizons) == 3
    observe_index(state, 1, asset.price * 1.001, asset.time_us + SECOND_US, RULES)
    assert [each.weight > 0.0 for each in asset.horizons] == [True, True, True, False, False]


DIGEST = "0bf2043614a67eb1"


def test_VOLA_081_one_digest_on_every_machine() -> None:
    # prices from integers alone, so that nothing but the state itself can differ
    state = VolatilityState()
    set_garch(state, 1, GARCH)
    seed, at_us = 12_345, START_US
    for _ in range(6_000):
        seed = (seed * 1_103_515_245 + 12_345) % 2**31
        at_us += seed % 900_000
        slot = 1 + seed // 7 % 3
        known = state.assets.get(slot)
        price = (known.price if known else 100.0) * (1.0 + (seed // 11 % 2_001 - 1_000) / 1e6)
        observe_index(state, slot, price, at_us, RULES)
    rules = msgspec.structs.replace(RULES, weight_min=0.001)
    correlation = read_correlation(state, at_us, rules)
    assert correlation.known == 3
    packed = msgspec.msgpack.encode([state.record(), correlation.matrix])
    assert hashlib.blake2b(packed, digest_size=8).hexdigest() == DIGEST


@given(st.lists(MOVE, max_size=120))
def test_VOLA_082_whatever_moves_every_number_is_finite_and_in_its_range(
    moves: list[tuple[int, float, int]],
) -> None:
    state = wandered(moves)
    for slot in state.assets:
        reading = read_volatility(state, slot, START_US + 10**14, RULES)
        assert reading is not None
        values = [*reading.ranges]
        for horizon in reading.horizons:
            values += [horizon.volatility, horizon.robust_volatility]
            assert horizon.jump_share is None or 0.0 <= horizon.jump_share <= 1.0
            assert 0.0 <= horizon.weight <= 1.0
        assert all(value is None or 0.0 <= value < math.inf for value in values)
        assert 0 < drift_ppm(state, slot, 1, RULES) <= RULES.drift_ppm_max


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_VOLA_082_a_price_that_is_none_is_impossible(price: float) -> None:
    with pytest.raises(AssertionError):
        observe_index(VolatilityState(), 1, price, START_US, RULES)
