"""The regime: up at once, down slowly, never flapping."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks.regime import Regime, next_regime
from tests.marks.volatility_roles import RULES

HOUR_US = 3_600_000_000
RATIOS = st.floats(0.01, 20.0)


def walked(ratios: list[float], step_us: int = HOUR_US, regime: int = -1) -> list[int]:
    """Return the regimes after short-over-long ratios at equal steps of time."""
    since_us, found = 0, []
    for number, ratio in enumerate(ratios, start=1):
        now_us = number * step_us
        after = next_regime(regime, since_us, ratio * ratio, 1.0, now_us, RULES)
        if after != regime:
            regime, since_us = after, now_us
        found.append(regime)
    return found


def test_VOLA_040_worked_numbers() -> None:
    assert walked([0.59, 0.6, 1.99, 2.0, 4.0]) == [0, 1, 1, 2, 3]
    assert walked([1.0, 5.0]) == [Regime.NORMAL, Regime.CRISIS]
    # leaves crisis below 3.2, stressed below 1.6, normal below 0.48; a level at a time
    assert walked([5.0, 3.3, 3.1, 1.7, 1.5, 0.5, 0.47]) == [3, 3, 2, 2, 1, 1, 0]
    assert walked([5.0, 0.1, 0.1, 0.1]) == [3, 2, 1, 0]


def test_VOLA_040_a_regime_lasts_its_dwell_before_a_calmer_one() -> None:
    minutes = walked([5.0] + [0.1] * 200, 60_000_000)
    assert [minutes.count(level) for level in (3, 2, 1)] == [60, 60, 60]


@given(st.lists(RATIOS, min_size=1, max_size=60), st.integers(1, 2 * HOUR_US))
def test_VOLA_041_never_late_upwards_never_two_steps_down_never_too_soon(
    ratios: list[float], step_us: int
) -> None:
    regimes = walked(ratios, step_us)
    changed_us = 0
    for number, (ratio, level) in enumerate(zip(ratios, regimes, strict=True)):
        assert level >= sum(ratio * ratio >= bound * bound for bound in RULES.regime_ratios)
        now_us = (number + 1) * step_us
        before = regimes[number - 1] if number else level
        if level < before:
            assert level == before - 1
            assert now_us - changed_us >= RULES.regime_dwell_us
        if level != before or number == 0:
            changed_us = now_us


@given(st.lists(st.floats(0.97, 1.03), min_size=2, max_size=60), st.sampled_from([0.6, 2.0, 4.0]))
def test_VOLA_041_a_ratio_around_a_bound_changes_the_regime_once(
    noise: list[float], bound: float
) -> None:
    regimes = walked([bound * each for each in noise], 10 * HOUR_US)
    changes = sum(a != b for a, b in itertools.pairwise(regimes))
    assert changes <= 1
