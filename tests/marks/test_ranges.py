"""The range estimators: their formulas, their bias and how efficient they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.marks.ranges import Bar, Ranges
from steelyard.marks.volatility import VolatilityState, observe_index, read_volatility
from steelyard.terms.checks import YEAR_US
from tests.marks.volatility_roles import MINUTE_US, RULES, SECOND_US, START_US

SIGMA = 0.8
YEAR = YEAR_US / MINUTE_US
BAR_DEVIATION = SIGMA / math.sqrt(YEAR)


def simulated(
    bars: int, moves: int, seed: int, drift: float = 0.0, opening: float = 0.0
) -> list[Bar]:
    """Return bars of a Brownian logarithm; drift and opening jump in deviations of a bar."""
    rng = np.random.default_rng(seed)
    before, out = 100.0, []
    for _ in range(bars):
        steps = rng.standard_normal(moves) / math.sqrt(moves) + drift / moves
        path = np.concatenate(([0.0], np.cumsum(steps))) * BAR_DEVIATION
        path += math.log(before) + opening * BAR_DEVIATION * rng.standard_normal()
        start, high, low, end = np.exp([path[0], path.max(), path.min(), path[-1]]).tolist()
        out.append(Bar(start, high, low, end, before))
        before = end
    return out


def of_each(bars: list[Bar]) -> NDArray[np.float64]:
    """Return each bar's Parkinson, Garman–Klass, Rogers–Satchell and c² over the true variance."""
    rows = []
    for bar in bars:
        one = Ranges()
        one.add(bar, 1 / 60)
        rows.append([one.sums[1], one.sums[2], one.sums[3], math.log(bar.close / bar.open) ** 2])
    return np.array(rows) / BAR_DEVIATION**2


def averaged(bars: list[Bar], half_lives: float = 1e-4) -> tuple[float | None, ...]:
    """Return the annual volatilities after these bars."""
    ranges = Ranges()
    for bar in bars:
        ranges.add(bar, half_lives)
    return ranges.read(MINUTE_US)[:4]


def test_VOLA_020_worked_numbers() -> None:
    bar = Bar(100.0, 102.0, 99.0, 101.0, 0.0)
    high, low, close = math.log(1.02), math.log(0.99), math.log(1.01)
    parkinson, garman, rogers, yang = averaged([bar])
    assert parkinson == pytest.approx(math.sqrt((high - low) ** 2 / (4 * math.log(2)) * YEAR))
    assert parkinson == pytest.approx(12.9976, abs=1e-3)
    expected = 0.5 * (high - low) ** 2 - (2 * math.log(2) - 1) * close**2
    assert garman == pytest.approx(math.sqrt(expected * YEAR))
    expected = high * (high - close) + low * (low - close)
    assert rogers == pytest.approx(math.sqrt(expected * YEAR))
    assert yang is None  # no bar before it


def test_VOLA_020_yang_zhang_is_its_formula_with_equal_weights() -> None:
    bars = simulated(50, 20, 4, drift=0.3, opening=0.5)
    opening = np.log([bar.open / bar.before for bar in bars])
    close = np.log([bar.close / bar.open for bar in bars])
    high = np.log([bar.high / bar.open for bar in bars])
    low = np.log([bar.low / bar.open for bar in bars])
    rogers = np.mean(high * (high - close) + low * (low - close))
    k = 0.34 / (1.34 + 51 / 49)
    variance = np.var(opening, ddof=1) + k * np.var(close, ddof=1) + (1 - k) * rogers
    assert averaged(bars, 1e-12)[3] == pytest.approx(math.sqrt(variance * YEAR), rel=1e-9)


@pytest.mark.parametrize("moves", [60, 600])
def test_VOLA_021_bias_is_that_of_seeing_the_extremes_at_moves_only(moves: int) -> None:
    ratios = of_each(simulated(6_000, moves, 21))
    error = ratios.std(0) / math.sqrt(len(ratios))
    low = 1.0 / math.sqrt(moves)
    expected = 1.0 - np.array([1.34, 1.86, 1.86, 0.0]) * low
    assert np.all(abs(ratios.mean(0) - expected) < 3.0 * error + 1.2 / moves)


def test_VOLA_021_garman_klass_before_rogers_satchell_before_parkinson_before_the_close() -> None:
    parkinson, garman, rogers, close = of_each(simulated(6_000, 600, 22)).var(0)
    assert garman < rogers < parkinson < close
    assert close / garman == pytest.approx(7.4, rel=0.25)
    assert close / rogers == pytest.approx(6.0, rel=0.25)
    assert close / parkinson == pytest.approx(4.9, rel=0.25)


def test_VOLA_022_drift_moves_only_those_that_do_not_bear_it() -> None:
    still = averaged(simulated(4_000, 300, 23))
    driven = averaged(simulated(4_000, 300, 23, drift=1.5))
    assert None not in still + driven
    parkinson, garman, rogers, yang = (
        b / a for a, b in zip(still, driven, strict=True) if a is not None and b is not None
    )
    assert parkinson > 1.25
    assert garman > 1.05
    assert rogers == pytest.approx(1.0, abs=0.03)
    assert yang == pytest.approx(1.0, abs=0.03)


def test_VOLA_022_only_yang_zhang_counts_what_happens_between_bars() -> None:
    bars = simulated(4_000, 300, 24, opening=1.0)
    _, _, rogers, yang = averaged(bars)
    assert rogers == pytest.approx(SIGMA, rel=0.08)
    assert yang == pytest.approx(SIGMA * math.sqrt(2.0), rel=0.05)


@given(st.floats(1e-3, 1e6))
def test_VOLA_020_ranges_do_not_depend_on_the_unit_of_price(factor: float) -> None:
    bars = simulated(20, 20, 5)
    scaled = [Bar(*(factor * price for price in bar)) for bar in bars]
    assert averaged(scaled) == pytest.approx(averaged(bars), rel=1e-8)


def test_VOLA_023_a_thin_bar_and_a_gap_between_bars_are_left_out() -> None:
    state = VolatilityState()
    rng = np.random.default_rng(6)

    def minute(number: int, moves: int) -> None:
        for k in range(moves):
            at_us = START_US + number * MINUTE_US + k * SECOND_US
            observe_index(state, 1, 100.0 * math.exp(0.001 * rng.standard_normal()), at_us, RULES)

    def bars() -> tuple[float, float]:
        sums = state.assets[1].ranges.sums
        return sums[0], sums[4]

    minute(0, 6)
    assert bars() == (0.0, 0.0)
    minute(1, 4)  # closes bar 0, the first: none before it
    assert bars() == (1.0, 0.0)
    minute(2, 6)  # bar 1 had four moves
    assert bars() == (1.0, 0.0)
    minute(3, 6)
    kept = 2.0 ** (-1 / 60)
    assert bars() == (1.0 + kept, 1.0)
    minute(5, 6)  # closes bar 3, which follows bar 2
    assert bars()[1] == pytest.approx(1.0 + kept)
    minute(6, 1)  # bar 5 has no neighbour before it
    assert bars()[1] == pytest.approx(1.0 + kept)
    reading = read_volatility(state, 1, START_US + 10**9, RULES)
    assert reading is not None
    assert reading.ranges.bars == pytest.approx(1.0 + kept + kept**2 + kept**3)
