"""The correlation matrix: recovered, definite whatever comes in, and stressed both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.marks.correlation import CorrelationReading, Correlations, Matrix, cholesky
from steelyard.marks.volatility import VolatilityState, read_correlation
from tests.marks.volatility_roles import MINUTE_US, RULES, START_US, correlated, feed_all

NAN = float("nan")
TRUE = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, -0.2], [0.3, -0.2, 1.0]])
BAR_US = RULES.correlation_bars * RULES.bar_us
BARE = msgspec.structs.replace(
    RULES, correlation_shrinkage=0.01, correlation_half_life_us=30 * 86_400_000_000, weight_min=0.01
)


def definite(matrix: Matrix) -> float:
    """Return the least eigenvalue, having checked form, diagonal and our own factorisation."""
    array = np.array(matrix)
    assert np.array_equal(array, array.T)
    assert np.all(np.diag(array) == 1.0)
    assert np.all(abs(array) <= 1.0)
    factor = cholesky(matrix)
    assert factor is not None
    square = np.zeros_like(array)
    for i, row in enumerate(factor):
        square[i, : i + 1] = row
    assert np.allclose(square @ square.T, array, atol=1e-12)
    assert np.allclose(square, np.linalg.cholesky(array), atol=1e-6)
    return float(np.linalg.eigvalsh(array).min())


def sound(reading: CorrelationReading) -> float:
    """Return the least eigenvalue of the matrix, and check that the stressed ones are definite."""
    definite(reading.to_one)
    definite(reading.to_zero)
    return definite(reading.matrix)


def observed(
    prices: NDArray[np.float64], step_us: int, rules: object = RULES
) -> CorrelationReading:
    """Return the reading after rows of prices of assets 1, 2 …"""
    state = VolatilityState()
    end = feed_all(state, prices, step_us, rules)  # type: ignore[arg-type]
    return read_correlation(state, end, rules)  # type: ignore[arg-type]


def closed(rows: Sequence[Sequence[float]], rules: object = RULES) -> Correlations:
    """Return the averages after bars with these prices; NaN: the asset did not move in the bar."""
    averages = Correlations()
    last = [100.0] * len(rows[0])
    for slot in range(len(last)):
        averages.add_asset(slot + 1, 100.0)
    for row in rows:
        moved = [not math.isnan(price) for price in row]
        last = [p if m else before for p, m, before in zip(row, moved, last, strict=True)]
        averages.close_bar(last, moved, False, rules)  # type: ignore[arg-type]
    return averages


def test_VOLA_030_correlations_of_a_simulated_market_come_back() -> None:
    prices = correlated(TRUE, 0.8, MINUTE_US, 20_000, 30)
    reading = observed(prices, MINUTE_US, BARE)
    assert reading.slots == (1, 2, 3)
    assert (reading.known, reading.shrinkage) == (3, 0.01)
    expected = 0.99 * TRUE + 0.01 * reading.mean
    np.fill_diagonal(expected, 1.0)
    # 4,000 bars: a standard error of at most 1/√3,500
    assert np.abs(np.array(reading.matrix) - expected).max() < 3.0 / math.sqrt(3_500)
    assert reading.mean == pytest.approx(0.3, abs=0.03)
    assert sound(reading) > 0.05


def test_VOLA_030_minutes_are_long_enough_where_ticks_are_not_simultaneous() -> None:
    # each asset moves at instants of its own, every 2 s on average: no Epps effect in 5 minutes
    prices = correlated(TRUE, 0.8, 1_000_000, 120_000, 31)
    rng = np.random.default_rng(32)
    prices[rng.random(prices.shape) < 0.5] = NAN
    reading = observed(prices, 1_000_000, BARE)
    assert reading.matrix[0][1] == pytest.approx(0.8, abs=0.06)


def test_VOLA_031_worked_numbers_of_the_shrinkage() -> None:
    up, down = 101.0, 100.0
    state = closed([[up, up], [down, down]] * 70)
    reading = state.read(0, 0, RULES)
    # ρ̂ = 1; the constant correlation is cut to 0.95: 0.9·1 + 0.1·0.95
    assert reading.mean == 0.95
    assert reading.matrix[0][1] == pytest.approx(0.995, abs=1e-12)
    assert reading.to_one[0][1] == pytest.approx(0.9975, abs=1e-12)
    assert reading.to_zero[0][1] == pytest.approx(0.4975, abs=1e-12)
    assert sound(reading) > 0.002


def test_VOLA_031_the_average_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(33)
    moves = np.clip(rng.standard_normal((200, 2)), -2.0, 2.0) * 0.001
    prices = 100.0 * np.exp(np.cumsum(moves, axis=0))
    reading = closed(prices.tolist(), BARE).read(0, 0, BARE)
    ages = np.arange(198, -1, -1)  # the first bar has no bar before it
    weights = 2.0 ** (-ages * BAR_US / BARE.correlation_half_life_us)
    a, b = moves[1:].T
    rho = (weights * a * b).sum() / math.sqrt((weights * a * a).sum() * (weights * b * b).sum())
    assert reading.known == 1
    assert reading.matrix[0][1] == pytest.approx(0.99 * rho + 0.01 * max(0.0, rho), abs=1e-12)
    # under the house rules unknown until a tenth of the weight rests on bars: 132 of them
    assert closed(prices[:132].tolist()).read(0, 0, RULES).known == 0
    assert closed(prices[:133].tolist()).read(0, 0, RULES).known == 1


MOVES = st.one_of(
    st.floats(-0.7, 2.0), st.sampled_from([0.0, 0.0, 1e-12, -1e-12, 1.0, -0.5, NAN, NAN])
)


@given(st.integers(2, 7), st.data())
def test_VOLA_031_definite_whatever_comes_in(assets: int, data: st.DataObject) -> None:
    # huge and tiny moves, constants, missing bars, repeated and opposite assets
    rows = data.draw(st.lists(st.lists(MOVES, min_size=assets, max_size=assets), max_size=40))
    if data.draw(st.booleans()):
        rows = [[row[0]] * assets for row in rows]
    rules = msgspec.structs.replace(
        RULES, correlation_half_life_us=5 * BAR_US, correlation_shrinkage=0.01, weight_min=0.001
    )
    prices, last = [], [100.0] * assets
    for row in rows:
        last = [p if math.isnan(m) else p * (1.0 + m) for p, m in zip(last, row, strict=True)]
        prices.append([NAN if math.isnan(m) else p for p, m in zip(last, row, strict=True)])
        if max(last) > 1e100 or min(last) < 1e-100:
            break
    if not prices:
        prices = [[NAN] * assets]
    reading = closed(prices, rules).read(0, 0, rules)
    assert sound(reading) > 1e-7
    assert rules.correlation_shrinkage <= reading.shrinkage <= 1.0


def test_VOLA_031_pairs_that_contradict_one_another_are_shrunk_until_definite() -> None:
    # 1 and 2 alike, 2 and 3 alike, 1 and 3 opposite, each seen in bars of its own
    rows: list[list[float]] = []
    for first, second, sign in ((0, 1, 1.0), (1, 2, 1.0), (0, 2, -1.0)):
        for step in range(40):
            row = [NAN] * 3
            row[first] = 100.0 + step % 2
            row[second] = 100.0 * (1.01 ** (sign * (step % 2)))
            rows.append(row)
    rules = msgspec.structs.replace(RULES, weight_min=0.01)
    reading = closed(rows, rules).read(0, 0, rules)
    assert reading.known == 3
    assert reading.shrinkage > RULES.correlation_shrinkage
    assert sound(reading) > 1e-7
    assert reading.matrix[0][2] < 0.0 < reading.matrix[0][1]


def test_VOLA_032_a_missing_asset_says_nothing_and_forgets_nothing() -> None:
    prices = correlated(TRUE, 0.8, MINUTE_US, 3_000, 34)
    state = VolatilityState()
    end = feed_all(state, prices, MINUTE_US)
    before = read_correlation(state, end, RULES)
    later = correlated(np.eye(3), 0.8, MINUTE_US, 3_000, 35)
    later[:, 2] = NAN
    end = feed_all(state, later, MINUTE_US, start_us=end)
    after = read_correlation(state, end, RULES)
    pairs = state.correlations
    low, high = pairs._pair(0, 2, RULES), pairs._pair(1, 2, RULES)
    assert low == pytest.approx((before.matrix[0][2] - 0.1 * before.mean) / 0.9, abs=0.02)
    assert high == pytest.approx((before.matrix[1][2] - 0.1 * before.mean) / 0.9, abs=0.02)
    assert after.matrix[0][1] < before.matrix[0][1] - 0.1
    sound(after)


def test_VOLA_032_unknown_pairs_take_the_mean_of_the_known_or_the_rule() -> None:
    assert observed(np.full((1, 1), 100.0), MINUTE_US).matrix == ((1.0,),)
    nothing = observed(np.full((1, 3), 100.0), MINUTE_US)
    assert (nothing.known, nothing.matrix[0][1]) == (0, 0.5)
    prices = correlated(TRUE, 0.8, MINUTE_US, 3_000, 36)
    with_new = np.column_stack([prices, np.full(3_000, NAN)])
    with_new[-1, 3] = 5.0
    reading = observed(with_new, MINUTE_US)
    assert reading.known == 3
    assert reading.matrix[3][:3] == pytest.approx((reading.mean,) * 3, abs=1e-15)
    sound(reading)
    assert VolatilityState().correlations.read(0, 0, RULES).matrix == ()


def test_VOLA_032_after_a_silence_the_first_bar_does_not_count() -> None:
    prices = correlated(TRUE, 0.8, MINUTE_US, 600, 37)
    state = VolatilityState()
    end = feed_all(state, prices, MINUTE_US)
    resumed = end // BAR_US * BAR_US + 100 * BAR_US
    feed_all(state, prices[:1], MINUTE_US, start_us=resumed)  # closes the bar that was open
    before = [list(pair) for pair in state.correlations.pairs]
    # up 50 % over the silence, all three: no correlation may be learnt from it
    feed_all(state, 1.5 * prices[1:6], MINUTE_US, start_us=resumed + MINUTE_US)
    assert state.bar_start_us == resumed + BAR_US
    assert [list(pair) for pair in state.correlations.pairs] == before


@given(st.floats(0.0, 0.99), st.floats(0.0, 1.0))
def test_VOLA_033_stressed_between_the_matrix_and_one_or_zero(one: float, zero: float) -> None:
    rules = msgspec.structs.replace(RULES, correlation_to_one=one, correlation_to_zero=zero)
    prices = correlated(TRUE, 0.8, BAR_US, 400, 38)
    reading = closed(prices.tolist(), rules).read(0, 0, rules)
    sound(reading)
    for i in range(3):
        for j in range(i):
            at = reading.matrix[i][j]
            assert reading.to_one[i][j] == pytest.approx(at + one * (1.0 - at), abs=1e-12)
            assert reading.to_zero[i][j] == pytest.approx(at - zero * at, abs=1e-12)


def test_VOLA_034_one_wild_bar_counts_as_six_deviations() -> None:
    prices = correlated(TRUE, 0.8, BAR_US, 800, 39)
    wild = prices.copy()
    wild[700:, :] *= np.array([1.5, 1.0, 0.5])  # opposite jumps of assets that go together
    calm = closed(prices.tolist()).read(0, 0, RULES).matrix[0][2]
    hit = closed(wild.tolist()).read(0, 0, RULES).matrix[0][2]
    unclipped = msgspec.structs.replace(RULES, correlation_clip=1_000.0)
    bare = closed(wild.tolist(), unclipped).read(0, 0, unclipped).matrix[0][2]
    assert abs(hit - calm) < 0.12
    assert bare < -0.5


def test_VOLA_035_the_order_of_first_appearance_does_not_matter() -> None:
    prices = correlated(TRUE, 0.8, BAR_US, 300, 40)
    forward, backward = Correlations(), Correlations()
    for slot in (1, 2, 3):
        forward.add_asset(slot, 100.0)
        backward.add_asset(4 - slot, 100.0)
    for row in prices.tolist():
        forward.close_bar(row, [True] * 3, False, RULES)
        backward.close_bar(row[::-1], [True] * 3, False, RULES)
    assert forward.read(0, 0, RULES) == backward.read(0, 0, RULES)


def test_VOLA_035_age_counts_from_the_last_bar() -> None:
    state = VolatilityState()
    end = feed_all(state, correlated(TRUE, 0.8, MINUTE_US, 12, 41), MINUTE_US)
    assert end == START_US + 12 * MINUTE_US
    assert read_correlation(state, end, RULES).age_us == (end - START_US) % BAR_US


def test_VOLA_036_assets_beyond_the_limit_are_counted_and_left_out() -> None:
    rules = msgspec.structs.replace(RULES, correlation_assets_max=2)
    prices = correlated(TRUE, 0.8, MINUTE_US, 1_000, 42)
    full, limited = observed(prices, MINUTE_US), observed(prices, MINUTE_US, rules)
    assert (full.slots, full.left_out) == ((1, 2, 3), 0)
    assert (limited.slots, limited.left_out) == ((1, 2), 1)
    assert limited.known == 1
    sound(limited)
