"""Heston prices and Greeks against other methods, at their limits, and bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numba import njit

from bench import coefficients_trigonometry
from steelyard.quantities.errors import InputError
from steelyard.valuation import heston_twin, trigonometry
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.heston import (
    HestonParameters,
    heston_price,
    heston_price_with_error,
)
from steelyard.valuation.heston_greeks import heston_greeks, heston_slopes
from steelyard.valuation.heston_series import INFO, LEFT, WIDTH, find_interval
from steelyard.valuation.implied_volatility import implied_volatility
from tests.valuation import heston_reference as reference

SKEWED = HestonParameters(0.04, 1.5, 0.06, 0.5, -0.7)
PINNED = "cdba10ec8305e53cce90e263c4b62ab9"
needs_long = pytest.mark.skipif(
    not reference.HAS_LONG, reason="this machine has no floats of 64-bit mantissa"
)
CHILD = """
from tests.valuation.test_heston import fingerprint
print(fingerprint())
"""
TARGETS = {
    "generic": ("generic", "-avx,-avx2,-fma,-avx512f"),
    "haswell": ("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,-avx512f"),
}


def random_models(count: int, seed: int) -> list[tuple[tuple[float, ...], float]]:
    """Return models and times, from calm to wild, from a day to ten years."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return [
        (
            (
                between(0.003, 0.8), between(0.05, 10.0), between(0.003, 0.8), between(0.02, 2.5),
                float(rng.uniform(-0.97, 0.97)),
            ),
            between(1.0 / 365.0, 10.0),
        )
        for _ in range(count)
    ]  # fmt: skip


def spread_strikes(model: tuple[float, ...], time: float, steps: Any) -> Any:
    """Return strikes that many standard deviations away from a forward of 100."""
    v0, kappa, theta = model[:3]
    total = theta * time + (v0 - theta) * (1.0 - np.exp(-kappa * time)) / kappa
    return 100.0 * np.exp(np.sqrt(total) * np.asarray(steps))


def fingerprint() -> str:
    """Return the digest of prices, error bounds and all slopes of a fixed set."""
    digest = blake2b(digest_size=16)
    time = np.repeat(np.array([1.0, 7.0, 45.0, 365.0, 3650.0]) / 365.0, 13)
    strike = np.tile(60.0 + 8.0 * np.arange(13.0), 5)
    is_call = np.arange(65) % 3 == 0
    for model in ((0.04, 1.5, 0.06, 0.5, -0.7), (0.5, 2.0, 0.6, 1.5, -0.3), (0.04, 0.0, 0.0, 0.0, 0.0),
                  (0.02, 1.0, 0.04, 2.0, 0.5)):  # fmt: skip
        parameters = HestonParameters(*model)
        found = heston_price_with_error(is_call, 100.0, strike, time, parameters)
        greeks = heston_greeks(is_call, 100.0, strike, time, parameters)
        slopes = heston_slopes(is_call, 100.0, strike, time, parameters)
        for column in (found.price, found.error_bound, *greeks, slopes):
            digest.update(np.ascontiguousarray(column + 0.0, dtype="<f8").tobytes())
    return digest.hexdigest()


@njit(error_model="numpy")
def apply_all(x: Any, y: Any, out: Any) -> None:
    """Write the elementary functions of each pair."""
    for i in range(x.shape[0]):
        out[0, i], out[1, i] = trigonometry.sin_cos(x[i])
        out[2, i] = trigonometry.angle(y[i], x[i])
        out[3, i] = trigonometry.log_of_one_plus(y[i])
        out[4, i], out[5, i] = trigonometry.expm1_core(x[i] * 1e-3)


def test_HEST_001_elementary_functions_are_within_three_ulps() -> None:
    rng = np.random.default_rng(181)
    x = rng.normal(size=2500) * 10.0 ** rng.uniform(-10.0, 5.4, 2500)
    y = np.abs(rng.normal(size=2500)) * 10.0 ** rng.uniform(-18.0, 3.0, 2500)
    y[::2] = -np.minimum(y[::2], 0.9999)
    x[:6] = [0.0, 100_000.0, -1.0, 1.0, -1e-15, 5.0]
    y[:6] = [0.0, 1e-20, 1.0, -0.999999, 2.0, 0.0]
    found = np.empty((6, x.size))
    apply_all(x, y, found)
    with mp.workdps(40):
        for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            small = mp.mpf(a * 1e-3)
            exact = [
                (mp.sin(a), 1.0), (mp.cos(a), 1.0), (mp.atan2(b, a), None), (mp.log1p(b), None),
                (mp.exp(small), None), (mp.expm1(small), None),
            ]  # fmt: skip
            for row, (value, scale) in enumerate(exact):
                unit = np.spacing(abs(float(value)) if scale is None else scale)
                assert abs(mp.mpf(found[row, i]) - value) <= 3.0 * unit, (row, a, b)


def test_HEST_002_tables_are_those_of_their_definition() -> None:
    for name, (derived, error) in coefficients_trigonometry.tables().items():
        assert list(getattr(trigonometry, name)) == derived
        assert error < 2e-17
    parts = (trigonometry.HALF_PI_HIGH, trigonometry.HALF_PI_MIDDLE, trigonometry.HALF_PI_LOW)
    assert parts == coefficients_trigonometry.half_pi_parts()


@pytest.mark.slow
@needs_long
def test_HEST_010_price_is_within_its_bound_of_the_exact_one() -> None:
    worst = 0.0
    for model, time in random_models(200, 1810):
        strike = spread_strikes(model, time, [-5.0, -2.0, -0.5, 0.0, 1.0, 3.0])
        calls, puts = reference.prices(model, 100.0, strike, time)
        for is_call, exact in ((True, calls), (False, puts)):
            found = heston_price_with_error(is_call, 100.0, strike, time, HestonParameters(*model))
            apart = np.abs(found.price - exact).astype(float)
            assert found.is_reached.all(), (model, time)
            assert (apart <= found.error_bound).all(), (model, time)
            assert (found.error_bound <= 1.11e-14 * np.maximum(strike, 100.0)).all()
            worst = max(worst, float((apart / np.maximum(strike, 100.0)).max()))
    assert worst <= 1e-14


def test_HEST_010_price_agrees_with_thirty_digits() -> None:
    with mp.workdps(30):
        for strike, model, time in (
            (90.0, (0.04, 1.5, 0.06, 0.5, -0.7), 0.5),
            (130.0, (0.3, 2.0, 0.2, 0.8, 0.4), 1.5),
        ):
            exact = reference.put_of_30_digits(model, 100.0, strike, time)
            found = heston_price(False, 100.0, strike, time, HestonParameters(*model))
            assert abs(mp.mpf(float(found)) - exact) <= 1e-14 * strike


@pytest.mark.parametrize(
    ("model", "is_call", "strike", "rate", "dividend", "expected"),
    [
        ((0.04, 4.0, 0.25, 1.0, -0.5), False, 80.0, 0.01, 0.02, 7.958878113256768),
        ((0.04, 4.0, 0.25, 1.0, -0.5), True, 100.0, 0.01, 0.02, 16.070154917028834),
        ((0.1, 4.0, 0.05, 0.4, -0.75), False, 100.0, 0.05, 0.075, 10.147041515497),
        ((0.04, 4.0, 0.25, 1.0, -0.5), True, 90.0, 0.01, 0.02, 20.933349000596710),
        ((0.04, 4.0, 0.25, 1.0, -0.5), True, 120.0, 0.01, 0.02, 9.024913483457836),
        ((0.0175, 1.5768, 0.0398, 0.5751, -0.5711), True, 100.0, 0.0, 0.0, 5.785155434376),
    ],
)
def test_HEST_011_published_prices(
    model: Any, is_call: bool, strike: float, rate: float, dividend: float, expected: float
) -> None:
    forward = 100.0 * np.exp(rate - dividend)
    found = heston_price(is_call, forward, strike, 1.0, HestonParameters(*model)) * np.exp(-rate)
    assert abs(float(found) - expected) <= 5e-13


@pytest.mark.parametrize(
    ("strike", "time", "expected"),
    [(80.0, 0.1, 0.22360758200372477), (120.0, 5.0, 0.18955229722896752)],
)
def test_HEST_011_published_volatilities(strike: float, time: float, expected: float) -> None:
    model = HestonParameters(0.04, 1.15, 0.04, 0.2, -0.4)
    price = heston_price(strike > 100.0, 100.0, strike, time, model)
    found = implied_volatility(strike > 100.0, 100.0, strike, price, time)
    assert abs(float(found.volatility) - expected) <= 1e-12


def test_HEST_012_without_volatility_of_variance_it_is_black() -> None:
    strike = np.linspace(50.0, 200.0, 31)
    for kappa, variance in ((2.0, 0.09 - 0.05 * (1.0 - np.exp(-2.0)) / 2.0), (0.0, 0.04)):
        for is_call in (True, False):
            black = black76_price(is_call, 100.0, strike, np.sqrt(variance), 1.0)
            found = heston_price(
                is_call, 100.0, strike, 1.0, HestonParameters(0.04, kappa, 0.09, 0.0, 0.5)
            )
            assert np.abs(found - black).max() <= 1e-14 * 200.0
            near = heston_price(
                is_call, 100.0, strike, 1.0, HestonParameters(0.04, kappa, 0.09, 1e-9, 0.5)
            )
            assert np.abs(near - black).max() <= 1e-8


def test_HEST_013_bad_input_has_a_defined_answer() -> None:
    nan, inf = float("nan"), float("inf")
    time = heston_price(True, 100.0, 90.0, [0.0, -1.0, nan, inf, 0.5], SKEWED)
    assert time[:2].tolist() == [10.0, 10.0]
    assert np.isnan(time[2:4]).all()
    assert time[4] == heston_price(True, 100.0, 90.0, 0.5, SKEWED)
    assert heston_price([True, False], 100.0, 0.0, 0.5, SKEWED).tolist() == [100.0, 0.0]
    assert heston_price([True, False], 0.0, 90.0, 0.5, SKEWED).tolist() == [0.0, 90.0]
    bad = heston_price(True, [nan, inf, 100.0, 1e302], [90.0, 90.0, nan, 90.0], 0.5, SKEWED)
    assert np.isnan(bad).all()
    still = HestonParameters(0.0, 0.0, 0.3, 0.0, 0.0)
    assert heston_price(True, 100.0, [90.0, 110.0], 1.0, still).tolist() == [10.0, 0.0]
    greeks = heston_greeks([True, True, False], 100.0, [90.0, nan, 90.0], [1.0, 1.0, 0.0], SKEWED)
    assert all(np.isnan(column[1]) for column in greeks)
    assert [float(column[2]) for column in greeks] == [0.0] * 11
    far = heston_price(True, 100.0, [1e-9, 1e9], 0.02, SKEWED)
    assert far.tolist() == [100.0 - 1e-9, 0.0]


def test_HEST_014_unreached_tolerance_is_told() -> None:
    wild = HestonParameters(0.01, 0.1, 0.04, 3.0, -0.95)
    found = heston_price_with_error(True, 100.0, [90.0, 100.0], [10.0, 0.1], wild)
    assert found.is_reached.tolist() == [False, True]
    assert found.error_bound[0] > 1e-6
    exact = reference.prices((0.01, 0.1, 0.04, 3.0, -0.95), 100.0, [90.0], 10.0)[0]
    assert abs(found.price[0] - exact[0]) <= found.error_bound[0]  # the bound holds even so
    prices = heston_price(True, 100.0, [90.0, 100.0], [10.0, 0.1], wild)
    assert np.isnan(prices[0])
    assert prices[1] == found.price[1]


def test_HEST_014_the_bound_is_found_where_the_right_tail_barely_has_a_mean() -> None:
    for model in ((0.04, 0.1, 0.04, 1.5, 0.95), (0.04, 0.5, 0.04, 2.0, 0.95)):
        found = heston_price_with_error(True, 100.0, [80.0, 120.0], 30.0, HestonParameters(*model))
        exact = reference.prices(model, 100.0, [80.0, 120.0], 30.0)[0]
        assert found.is_reached.all()
        assert (np.abs(found.price - exact) <= found.error_bound + 1e-12).all()


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ((-0.01, 1.0, 0.04, 0.5, 0.0), "HEST-E01", "initial_variance"),
        ((0.04, float("nan"), 0.04, 0.5, 0.0), "HEST-E02", "mean_reversion"),
        ((0.04, 1.0, float("inf"), 0.5, 0.0), "HEST-E03", "long_run_variance"),
        ((0.04, 1.0, 0.04, -0.5, 0.0), "HEST-E04", "vol_of_vol"),
        ((0.04, 1.0, 0.04, 0.5, -1.2), "HEST-E05", "correlation"),
    ],
)
def test_HEST_015_impossible_parameters_are_refused(values: Any, code: str, field: str) -> None:
    with pytest.raises(InputError) as raised:
        HestonParameters(*values)
    assert (raised.value.code, raised.value.where["field"]) == (code, field)


def test_HEST_015_impossible_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match="HEST-E06"):
        heston_price(True, 100.0, 100.0, 1.0, SKEWED, tolerance=1e-18)


def test_HEST_016_kernel_agrees_with_its_twin() -> None:
    info = np.empty(INFO)
    for model, time in random_models(12, 1816):
        if model[3] < 0.1:
            continue  # the textbook's formula loses digits there
        assert find_interval(*model, time, 1e-13, info)
        strike = spread_strikes(model, time, [-1.0, 0.4])
        for k in strike.tolist():
            twin = heston_twin.price(
                True, 100.0, k, time, HestonParameters(*model), info[LEFT], info[WIDTH], 3000
            )
            found = heston_price(True, 100.0, k, time, HestonParameters(*model), tolerance=1e-13)
            assert abs(float(found) - twin) <= 1e-12 * max(k, 100.0)


def test_HEST_016_kernel_agrees_with_quantlib() -> None:
    library = pytest.importorskip("QuantLib")
    bench = pytest.importorskip("bench.heston")
    for model in bench.MODELS.values():
        columns = bench.surface(model)
        _, options = bench.quantlib_options(library, model, columns)
        found = heston_price(columns[0], 100.0, columns[1], columns[2], HestonParameters(*model))
        assert np.abs(found - [option.NPV() for option in options]).max() <= 1e-8


def test_HEST_017_parity_monotony_and_convexity() -> None:
    strike = np.linspace(40.0, 250.0, 211)
    for model, time in random_models(20, 1817):
        parameters = HestonParameters(*model)
        call = heston_price(True, 100.0, strike, time, parameters)
        put = heston_price(False, 100.0, strike, time, parameters)
        assert np.abs(call - put - (100.0 - strike)).max() <= 4e-14 * 250.0
        assert (np.diff(put) >= -1e-14 * 250.0).all()
        assert (np.diff(put, 2) >= -1e-12 * 250.0).all()


@pytest.mark.parametrize("piece", [1, 3, 17, 64])
def test_HEST_020_any_split_gives_the_same_bits(piece: int) -> None:
    rng = np.random.default_rng(1820)
    time = rng.choice([0.02, 0.3, 1.0], 150)
    strike, is_call = rng.uniform(50.0, 180.0, 150), rng.random(150) < 0.5
    whole = heston_price(is_call, 100.0, strike, time, SKEWED)
    slopes = heston_slopes(is_call, 100.0, strike, time, SKEWED)
    parts, slope_parts = [], []
    for first in range(0, 150, piece):
        part = slice(first, first + piece)
        parts.append(heston_price(is_call[part], 100.0, strike[part], time[part], SKEWED))
        slope_parts.append(heston_slopes(is_call[part], 100.0, strike[part], time[part], SKEWED))
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert np.concatenate(slope_parts, axis=1).tobytes() == slopes.tobytes()


def test_HEST_021_this_process_computes_the_pinned_digest() -> None:
    assert fingerprint() == PINNED


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_HEST_021_one_digest_over_processor_targets(target: str, tmp_path: Path) -> None:
    name, features = TARGETS[target]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    clean |= {
        "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == PINNED


def test_HEST_022_moved_forwards_are_each_alone() -> None:
    forward = 100.0 * np.linspace(0.7, 1.3, 33)
    strike = np.linspace(60.0, 150.0, 10)
    table = heston_price(True, forward[:, None], strike, 0.25, SKEWED)
    for row, moved in zip(table, forward.tolist(), strict=True):
        assert row.tobytes() == heston_price(True, moved, strike, 0.25, SKEWED).tobytes()


@needs_long
def test_HEST_030_delta_and_gamma_are_the_exact_slopes() -> None:
    for model, time in random_models(30, 1830):
        strike = spread_strikes(model, time, [-1.5, -0.3, 0.0, 1.0])
        delta, gamma = reference.delta_and_gamma(model, 100.0, strike, time)
        calls = heston_greeks(True, 100.0, strike, time, HestonParameters(*model))
        puts = heston_greeks(False, 100.0, strike, time, HestonParameters(*model))
        assert np.abs(calls.delta - delta).max() <= 1e-12
        assert np.abs(calls.delta - puts.delta - 1.0).max() <= 1e-15
        assert (np.abs(calls.gamma - gamma) <= 1e-11 * (calls.gamma + 0.01)).all()
        assert np.abs(calls.price - reference.prices(model, 100.0, strike, time)[0]).max() <= 1e-10


@needs_long
def test_HEST_031_slopes_are_those_of_exact_prices() -> None:
    for model, time in random_models(10, 1831):
        strike = spread_strikes(model, time, [-1.0, 0.0, 0.8])
        found = heston_greeks(False, 100.0, strike, time, HestonParameters(*model))
        values = [*model, time]
        rows = [*found[6:], found.theta * -365.0]
        for place, row in enumerate(rows):
            step = 2e-4 * abs(values[place])

            def moved(
                shift: float, place: int = place, step: float = step, base: Any = values,
                strike: Any = strike,
            ) -> Any:  # fmt: skip
                here = [reference.Long(value) for value in base]
                here[place] += reference.Long(shift) * reference.Long(step)
                return reference.prices(here[:5], 100.0, strike, here[5])[1]

            exact = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)
            assert np.abs(row - exact).max() * abs(values[place]) <= 1e-7, (place, model, time)
        vega = 2.0 * np.sqrt(model[0]) * found.by_initial_variance / 100.0
        assert np.allclose(found.vega, vega, rtol=1e-14)
        vega = 2.0 * np.sqrt(model[2]) * found.by_long_run_variance / 100.0
        assert np.allclose(found.long_run_vega, vega, rtol=1e-14)


def test_HEST_031_slopes_are_those_of_thirty_digits() -> None:
    model, step = (0.04, 1.5, 0.06, 0.5, -0.7), mp.mpf(10) ** -6
    found = heston_greeks(False, 100.0, 90.0, 0.5, SKEWED)
    with mp.workdps(30):
        for place, name in ((1, "by_mean_reversion"), (3, "by_vol_of_vol"), (4, "by_correlation")):
            ends = []
            for sign in (1, -1):
                here = [mp.mpf(value) for value in model]
                here[place] += sign * step
                ends.append(reference.put_of_30_digits(here, 100.0, 90.0, 0.5))
            exact = (ends[0] - ends[1]) / (2 * step)
            assert abs(mp.mpf(float(getattr(found, name))) - exact) <= 1e-10


def test_HEST_032_slopes_stay_exact_without_volatility_of_variance() -> None:
    strike = np.linspace(70.0, 150.0, 9)

    def slope(sigma: float) -> Any:
        return heston_greeks(
            True, 100.0, strike, 1.0, HestonParameters(0.04, 2.0, 0.09, sigma, 0.5)
        ).by_vol_of_vol

    assert np.abs(slope(1e-8) - slope(0.0)).max() <= 1e-5
    assert np.abs(slope(1e-5) - slope(0.0)).max() <= 1e-3
    assert np.abs(slope(0.0)).max() > 1.0
