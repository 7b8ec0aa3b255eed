"""Elementary functions against 40-digit values and, bit for bit, against their readable twin."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from bench import coefficients
from steelyard.valuation import elementary as kernel
from steelyard.valuation import elementary_twin as twin

EXTREMES = [
    0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 1.0, 1.0 - 2.0**-53, 1.0 + 2.0**-52,
    2.0**1000, 1.7976931348623157e308, 709.782712893384, 709.7827128933841, -745.1332191019411,
    -745.1332191019412, -708.3964185322641, -720.0, float("inf"), float("-inf"), float("nan"),
]  # fmt: skip


@njit(error_model="numpy")
def apply_all(x: Any, y: Any, out: Any) -> None:
    """Write exp, log, power, mills and log_ratio of each pair."""
    for i in range(x.shape[0]):
        out[0, i] = kernel.exp(x[i])
        out[1, i] = kernel.log(x[i])
        out[2, i] = kernel.power(x[i], y[i])
        out[3, i] = kernel.mills(abs(y[i]))
        out[4, i] = kernel.log_ratio(abs(x[i]) + 1e-300, abs(y[i]) + 1e-300)


def values(x: Any, y: Any = 1.0) -> NDArray[np.float64]:
    """Return the five functions of the given numbers, one row each."""
    left, right = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    out = np.empty((5, left.size))
    apply_all(left.ravel().copy(), right.ravel().copy(), out)
    return out


def ulps(found: float, exact: mp.mpf) -> float:
    """Return the distance in units in the last place of the exact value."""
    return float(abs(mp.mpf(found) - exact) / mp.mpf(np.spacing(abs(float(exact)))))


def is_same(a: float, b: float) -> bool:
    """Return whether two floats have the same bits, any NaN being the same."""
    return (a != a and b != b) or np.float64(a).tobytes() == np.float64(b).tobytes()


def test_VALU_001_exp_is_within_one_ulp() -> None:
    rng = np.random.default_rng(11)
    x = np.concatenate(
        [rng.uniform(-745.0, 709.7, 3000), rng.normal(0.0, 1.0, 3000), [1e-300, 0.0]]
    )
    with mp.workdps(40):
        worst = max(
            ulps(f, mp.exp(mp.mpf(v))) for v, f in zip(x.tolist(), values(x)[0], strict=True)
        )
    assert worst <= 1.0


def test_VALU_001_log_is_within_two_ulps() -> None:
    rng = np.random.default_rng(12)
    near_one = 1.0 + rng.normal(0.0, 1.0, 2000) * 10.0 ** rng.uniform(-15.0, -0.6, 2000)
    x = np.concatenate(
        [
            np.exp(rng.uniform(-744.0, 709.0, 2000)),
            near_one[near_one > 0.0],
            rng.uniform(0.5, 2.0, 2000),
        ]
    )
    x = x[x != 1.0]
    with mp.workdps(40):
        worst = max(
            ulps(f, mp.log(mp.mpf(v))) for v, f in zip(x.tolist(), values(x)[1], strict=True)
        )
    assert worst <= 2.0


def test_VALU_001_log_ratio_is_within_two_ulps_near_one_and_far() -> None:
    rng = np.random.default_rng(13)
    a = np.exp(rng.uniform(-20.0, 20.0, 3000))
    b = a * np.exp(rng.normal(0.0, 1.0, 3000) * 10.0 ** rng.uniform(-12.0, 1.0, 3000))
    out = np.empty((5, a.size))
    apply_all(a, b, out)
    with mp.workdps(60):
        worst = max(
            ulps(f, mp.log((mp.mpf(p) + mp.mpf(0)) / mp.mpf(q)))
            for p, q, f in zip(a.tolist(), b.tolist(), out[4], strict=True)
            if p != q
        )
    assert worst <= 2.0


@pytest.mark.parametrize(
    ("x", "exp_of", "log_of"),
    [
        (1.0, 2.718281828459045, 0.0),
        (10.0, 22026.465794806718, 2.302585092994046),
        (0.0, 1.0, float("-inf")),
        (-1.0, 0.36787944117144233, float("nan")),
        (710.0, float("inf"), 6.5652649700353614),
        (-746.0, 0.0, float("nan")),
        (5e-324, 1.0, -744.4400719213812),
        (1.7976931348623157e308, float("inf"), 709.782712893384),
        (float("inf"), float("inf"), float("inf")),
        (float("nan"), float("nan"), float("nan")),
    ],
)
def test_VALU_001_exp_and_log_of_the_worked_numbers(x: float, exp_of: float, log_of: float) -> None:
    found = values([x])
    for value, expected, units in ((found[0, 0], exp_of, 1), (found[1, 0], log_of, 2)):
        if is_same(float(value), expected):
            continue
        assert np.isfinite(expected)
        assert abs(value - expected) <= units * np.spacing(abs(expected))


def test_VALU_002_mills_ratio_is_within_four_ulps() -> None:
    rng = np.random.default_rng(14)
    z = np.concatenate([[0.0, 62.0], rng.uniform(0.0, 62.0, 1000), rng.exponential(1.0, 2000)])
    with mp.workdps(40):
        worst = max(
            ulps(f, mp.exp(mp.mpf(v) ** 2 / 2) * mp.erfc(mp.mpf(v) / mp.sqrt(2)) / 2)
            for v, f in zip(z.tolist(), values(1.0, z)[3], strict=True)
        )
        scaled = float(mp.mpf(twin.mills(0.0)) * mp.sqrt(2 * mp.pi))
    assert worst <= 4.0
    assert scaled == pytest.approx(1.2533141373155003, rel=1e-15)


def test_VALU_003_power_is_one_at_one_and_close_elsewhere() -> None:
    rng = np.random.default_rng(15)
    powers = rng.uniform(-3.0, 3.0, 500)
    assert set(values(1.0, powers)[2].tolist()) == {1.0}
    x = np.exp(rng.uniform(-4.0, 4.0, 500))
    with mp.workdps(40):
        for base, exponent, found in zip(
            x.tolist(), powers.tolist(), values(x, powers)[2], strict=True
        ):
            exact = mp.mpf(base) ** mp.mpf(exponent)
            allowed = 2.0 + 4.0 * abs(exponent * float(mp.log(base)))
            assert ulps(found, exact) <= allowed
    assert abs(twin.power(4.0, 0.5) - 2.0) <= 2.0**-51


def test_VALU_004_tables_are_those_that_the_script_derives() -> None:
    for name, (derived, error) in coefficients.tables().items():
        assert getattr(kernel, name) == tuple(derived), name
        assert error < 2e-17
    for name, value in coefficients.constants().items():
        assert getattr(kernel, name) == value, name


def test_VALU_005_twin_rounds_fma_once() -> None:
    assert twin.fma(0.1, 10.0, -1.0) == 5.551115123125783e-17
    assert twin.fma(1e308, 10.0, -1e308) == float("inf")
    assert twin.fma(1e308, 1.5, -1e308) == 5e307
    assert twin.fma(1e308, 10.0, float("-inf")) == float("-inf")
    assert twin.fma(5e-324, 0.5, 0.0) == 0.0
    assert twin.fma(5e-324, 0.5, 5e-324) == 1e-323
    assert is_same(twin.fma(-1.0, 0.0, -0.0), -0.0)
    assert is_same(twin.fma(1.0, -1.0, 1.0), 0.0)


@given(st.floats(min_value=0.0, allow_infinity=False))
@example(2.0)
@example(5e-324)
@example(1.7976931348623157e308)
def test_VALU_005_twin_square_root_is_the_nearest_float(x: float) -> None:
    # numpy's square root is the processor's instruction, which IEEE 754 requires to be exact.
    assert twin.square_root(x) == float(np.sqrt(np.float64(x)))
    assert twin.square_root(-1.0) != twin.square_root(-1.0)


def twin_values(x: float, y: float) -> list[float]:
    """Return what the twin makes of one pair, in the order of `apply_all`."""
    return [
        twin.exp(x),
        twin.log(x),
        twin.power(x, y),
        twin.mills(abs(y)),
        twin.log_ratio(abs(x) + 1e-300, abs(y) + 1e-300),
    ]


def test_VALU_006_kernels_equal_the_twin_on_extremes() -> None:
    for x in EXTREMES:
        found = values([x], [0.3])[:3, 0].tolist()
        expected = [twin.exp(x), twin.log(x), twin.power(x, 0.3)]
        assert all(map(is_same, found, expected)), x


@given(st.floats(-760.0, 760.0), st.floats(0.0, 62.0))
@example(1.0, 0.0)
def test_VALU_006_kernels_equal_the_twin_in_every_bit(x: float, y: float) -> None:
    found = values([x], [y])[:, 0].tolist()
    assert all(map(is_same, found, twin_values(x, y)))


@given(st.floats(min_value=0.0, allow_infinity=False), st.floats(-2.0, 2.0))
def test_VALU_006_log_and_power_equal_the_twin_over_the_whole_range(x: float, y: float) -> None:
    found = values([x], [y])[1:3, 0].tolist()
    assert all(map(is_same, found, [twin.log(x), twin.power(x, y)]))
