"""SVI smiles against 50-digit arithmetic, and arbitrage that no grid can hide."""

from __future__ import annotations

from math import inf, nan, sqrt
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steelyard.quantities.errors import InputError
from steelyard.valuation.svi import (
    JumpWings,
    SsviSmile,
    SviSmile,
    jump_wings_of,
    raw_smile_of,
    repaired_wing,
    require_smile,
    require_ssvi,
)
from steelyard.valuation.svi_arbitrage import find_butterflies, find_calendar

VOGT = SviSmile(-0.041, 0.1331, 0.306, 0.3586, 0.4153)
REPAIRED = SviSmile(
    -0.03051987832596574,
    0.10271678958363467,
    0.10071761029107318,
    0.27234405325155747,
    0.41239782708728123,
)
BELOW_ZERO = SviSmile(-0.01, 0.1, -0.3, 0.1, 0.05)


@st.composite
def smiles(draw: st.DrawFn, sharpest: float = -8.0) -> SviSmile:
    """A smile whose total variance is positive, rounded or sharp."""
    b = draw(st.floats(0.001, 0.6))
    rho = draw(st.floats(-0.999, 0.999))
    sigma = 10.0 ** draw(st.floats(sharpest, 0.0))
    least = 10.0 ** draw(st.floats(-3.0, -0.5))
    m = draw(st.floats(-0.8, 0.8))
    return SviSmile(least - b * sigma * sqrt(1.0 - rho * rho), b, rho, m, sigma)


def exact(smile: SviSmile, k: float) -> tuple[Any, Any, Any, Any]:
    """w, w', w'' and g with 50 digits; derivatives of w by mpmath, not by our formulas."""
    with mpmath.workdps(50):
        a, b, rho, m, sigma = (
            mpmath.mpf(x) for x in (smile.a, smile.b, smile.rho, smile.m, smile.sigma)
        )

        def w(x: Any) -> Any:
            return a + b * (rho * (x - m) + mpmath.sqrt((x - m) ** 2 + sigma**2))

        x = mpmath.mpf(k)
        value = w(x)
        step = sigma * mpmath.mpf(10) ** -12
        first = (w(x + step) - w(x - step)) / (2 * step)
        second = (w(x + step) - 2 * value + w(x - step)) / step**2
        g = (1 - x * first / (2 * value)) ** 2
        g += -(first**2) / 4 * (1 / value + mpmath.mpf("0.25")) + second / 2
        return value, first, second, g


@given(smiles(sharpest=-2.0), st.floats(-1.5, 1.5))
def test_SVIS_001_formulas_hold(smile: SviSmile, k: float) -> None:
    w, first, second, g = exact(smile, k)
    size = abs(smile.a) + smile.b * (abs(k - smile.m) + smile.sigma)
    assert abs(float(smile.total_variance(k)) - w) <= 1e-13 * size
    assert abs(float(smile.slope(k)) - first) <= 1e-13 * 2 * smile.b
    assert abs(float(smile.curvature(k)) - second) <= 1e-12 * second + 1e-15
    terms = float((1 + abs(k * first / (2 * w))) ** 2 + first**2 * (1 / w + 1) + second)
    assert abs(float(smile.durrleman(k)) - g) <= 1e-11 * terms * max(1.0, size / float(w))


def test_SVIS_001_columns_are_the_single_values() -> None:
    k = np.linspace(-1.5, 1.5, 7)
    for method in (VOGT.total_variance, VOGT.slope, VOGT.curvature, VOGT.durrleman):
        assert method(k).tolist() == [float(method(float(each))) for each in k]
        assert method(k.reshape(7, 1)).shape == (7, 1)
    low = SviSmile(-0.0666, 0.229, 0.439, 0.193, 0.337)
    assert abs(float(low.total_variance(0.193)) - 0.010573) < 1e-15


def test_SVIS_002_degenerate_smiles_have_stated_values() -> None:
    flat = SviSmile(0.04, 0.0, 0.3, 0.1, 0.0)
    for k in (-1.0, 0.1, 0.7):
        assert float(flat.durrleman(k)) == 1.0
        assert float(flat.slope(k)) == float(flat.curvature(k)) == 0.0
    kinked = SviSmile(0.04, 0.1, -0.5, 0.1, 0.0)
    assert float(kinked.total_variance(0.1)) == 0.04
    assert kinked.slope([0.0, 0.1, 0.2]).round(15).tolist() == [-0.15, -0.05, 0.05]
    assert kinked.curvature([0.0, 0.1, 0.2]).tolist() == [0.0, inf, 0.0]
    assert float(kinked.durrleman(0.1)) == inf
    one_wing = SviSmile(0.04, 0.1, 1.0, 0.0, 0.2)
    assert abs(float(one_wing.total_variance(-1e6)) - 0.04) < 1e-8
    assert one_wing.lowest_k == -inf
    assert SviSmile(0.04, 0.1, -1.0, 0.0, 0.2).lowest_k == inf
    assert np.isnan(VOGT.total_variance([0.0, nan])).tolist() == [False, True]
    assert np.isnan(VOGT.durrleman([0.0, nan])).tolist() == [False, True]


def test_SVIS_003_g_is_nan_where_variance_is_not_positive() -> None:
    assert float(BELOW_ZERO.total_variance(0.1)) == pytest.approx(-0.005)
    assert np.isnan(BELOW_ZERO.durrleman([0.1, 1.0])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("field", "value"), [("b", -0.1), ("rho", 1.01), ("sigma", -0.1), ("m", nan)]
)
def test_SVIS_004_parameters_out_of_range_are_refused(field: str, value: float) -> None:
    parameters = {"a": 0.04, "b": 0.1, "rho": 0.0, "m": 0.0, "sigma": 0.1} | {field: value}
    with pytest.raises(InputError) as raised:
        require_smile(SviSmile(**parameters))
    assert (raised.value.code, raised.value.where["field"]) == ("SVIS-E01", field)
    with pytest.raises(InputError):
        find_butterflies(SviSmile(**parameters))


def test_SVIS_010_vogt_smile_is_found_and_its_repair_passes() -> None:
    found = find_butterflies(VOGT)
    assert found.is_arbitrage
    assert found.negative_interval is not None
    lowest = found.argmin_k
    assert abs(found.min_g - exact(VOGT, lowest)[3]) < 1e-14
    assert min(exact(VOGT, lowest - 1e-7)[3], exact(VOGT, lowest + 1e-7)[3]) > found.min_g - 1e-15
    for end, inside in zip(found.negative_interval, (1e-12, -1e-12), strict=True):
        assert exact(VOGT, end + inside)[3] < 0 < exact(VOGT, end - inside)[3]
    assert found.negative_interval == pytest.approx((0.6424078779, 1.2569129920), abs=1e-9)
    assert found.wing_slope == pytest.approx(0.1738286, abs=1e-12)
    repaired = find_butterflies(REPAIRED)
    assert not repaired.is_arbitrage
    assert repaired.negative_interval is None
    assert repaired.min_g == pytest.approx(0.008118320036463744, abs=1e-13)


@given(smiles())
def test_SVIS_011_no_grid_finds_a_lower_g(smile: SviSmile) -> None:
    found = find_butterflies(smile)
    across = smile.sigma * np.linspace(-50.0, 50.0, 20_001)
    for centre in (0.0, smile.m, smile.lowest_k, found.argmin_k):
        k = np.clip(centre + across, -1.5, 1.5)
        assert found.min_g <= smile.durrleman(k).min() + 1e-12 * max(1.0, abs(found.min_g))
    k = np.linspace(-1.5, 1.5, 60_001)
    values = smile.durrleman(k)
    assert found.min_g <= values.min() + 1e-12
    if found.negative_interval is not None:
        low, high = found.negative_interval
        assert found.min_g < 0.0
        assert low <= found.argmin_k <= high
        negative = k[values < 0.0]
        assert not negative.size or (low <= negative[0] and negative[-1] <= high)


def test_SVIS_012_touching_zero_is_no_butterfly() -> None:
    # Lift a between a smile with a butterfly and one without until g just touches zero.
    low, high = 0.0, 0.02
    for _ in range(200):
        middle = (low + high) / 2.0
        smile = SviSmile(VOGT.a + middle, VOGT.b, VOGT.rho, VOGT.m, VOGT.sigma)
        lowest = np.nanmin(smile.durrleman(np.array([find_butterflies(smile).argmin_k])))
        if -1e-12 < lowest < 0.0:
            break
        low, high = (middle, high) if lowest < 0.0 else (low, middle)
    else:
        pytest.fail("no smile of the family touches zero")
    found = find_butterflies(smile)
    assert (found.is_arbitrage, found.min_g, found.negative_interval) == (False, 0.0, None)


def test_SVIS_013_variance_that_is_not_positive_is_an_arbitrage() -> None:
    found = find_butterflies(BELOW_ZERO)
    k = np.linspace(-1.5, 1.5, 3001)
    below = k[BELOW_ZERO.total_variance(k) <= 0.0]
    assert found.is_arbitrage
    assert found.min_total_variance < 0.0
    assert found.negative_interval is not None
    assert found.negative_interval[0] <= below[0] <= below[-1] <= found.negative_interval[1]
    with pytest.raises(InputError, match="SVIS-E04"):
        find_butterflies(SviSmile(-1.0, 0.1, 0.0, 0.0, 0.1))


@pytest.mark.parametrize(("low", "high"), [(1.0, -1.0), (0.0, 0.0), (0.0, inf), (nan, 1.0)])
def test_SVIS_014_interval_without_extent_is_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match="SVIS-E04"):
        find_butterflies(VOGT, low, high)
    with pytest.raises(InputError, match="SVIS-E04"):
        find_calendar(VOGT, VOGT, low, high)


def test_SVIS_020_lower_level_is_a_calendar() -> None:
    near = SviSmile(0.02, 0.1, -0.4, 0.0, 0.2)
    found = find_calendar(near, SviSmile(0.016, 0.1, -0.4, 0.0, 0.2))
    assert found.is_arbitrage
    assert found.min_difference == pytest.approx(-0.004, abs=1e-15)
    apart = find_calendar(near, SviSmile(0.05, 0.1, -0.4, 0.0, 0.2))
    assert not apart.is_arbitrage
    assert apart.min_difference == pytest.approx(0.03, abs=1e-15)


@given(smiles(), smiles())
def test_SVIS_020_no_grid_finds_a_lower_difference(near: SviSmile, far: SviSmile) -> None:
    found = find_calendar(near, far)
    even = np.linspace(-1.0, 1.0, 20_001)
    points = [1.5 * even, near.m + 50.0 * near.sigma * even, far.m + 50.0 * far.sigma * even]
    k = np.clip(np.concatenate(points), -1.5, 1.5)
    difference = far.total_variance(k) - near.total_variance(k)
    assert found.min_difference <= difference.min() + 1e-13
    at_found = float(far.total_variance(found.argmin_k) - near.total_variance(found.argmin_k))
    assert found.min_difference == pytest.approx(at_found, abs=1e-14)
    assert found.is_arbitrage == (found.min_difference < 0.0)


def test_SVIS_021_difference_within_rounding_is_zero() -> None:
    assert find_calendar(VOGT, VOGT)[:2] == (False, 0.0)
    wings = jump_wings_of(VOGT, 0.7)
    again = find_calendar(
        VOGT, SviSmile(VOGT.a, VOGT.b * (1 + 2**-52), VOGT.rho, VOGT.m, VOGT.sigma)
    )
    assert not again.is_arbitrage
    assert raw_smile_of(wings) != VOGT  # rounded on the way, so the check is not an empty one
    real = find_calendar(VOGT, SviSmile(VOGT.a - 1e-12, VOGT.b, VOGT.rho, VOGT.m, VOGT.sigma))
    assert real.is_arbitrage


def test_SVIS_030_jump_wings_of_the_vogt_smile() -> None:
    wings = jump_wings_of(VOGT, 1.0)
    expected = (0.01742625, -0.1752111, 0.6997381, 1.316798, 0.0116249)
    found = (wings.v, wings.psi, wings.p, wings.c, wings.v_tilde)
    assert found == pytest.approx(expected, abs=1e-6)
    for smile, field in [
        (SviSmile(-1.0, 0.1, 0.0, 0.0, 0.1), "a"),
        (SviSmile(0.04, 0.1, 0.0, 0.0, 0.0), "sigma"),
    ]:
        with pytest.raises(InputError) as raised:
            jump_wings_of(smile, 1.0)
        assert (raised.value.code, raised.value.where["field"]) == ("SVIS-E02", field)
    with pytest.raises(InputError, match="SVIS-E02"):
        jump_wings_of(VOGT, 0.0)
    flat = jump_wings_of(SviSmile(0.04, 0.0, 0.0, 0.0, 0.0), 2.0)
    assert (flat.v, flat.psi, flat.p, flat.c, flat.v_tilde) == (0.02, 0.0, 0.0, 0.0, 0.02)


@given(smiles(sharpest=-1.5), st.floats(0.01, 5.0))
def test_SVIS_031_raw_parameters_come_back(smile: SviSmile, time_years: float) -> None:
    beta = smile.m / sqrt(smile.m**2 + smile.sigma**2)
    assume(abs(beta - smile.rho) > 0.01)
    assume(smile.least_total_variance() > 0.005)
    back = raw_smile_of(jump_wings_of(smile, time_years))
    # v − v_tilde, a difference, carries the scale: relative to it the rounding is this large.
    lift = float(smile.total_variance(0.0)) / (
        float(smile.total_variance(0.0)) - smile.least_total_variance()
    )
    slack = 1e-12 * max(lift, 1.0) / min(1.0, 1 - abs(beta), 1 - abs(smile.rho))
    for name in ("a", "b", "rho", "m", "sigma"):
        assert getattr(back, name) == pytest.approx(getattr(smile, name), abs=slack, rel=slack)


@pytest.mark.parametrize(
    "smile",
    [
        SviSmile(0.04, 0.1, -0.5, 0.0, 0.2),
        SviSmile(0.04, 0.1, 1.0, 0.1, 0.2),
        SviSmile(0.04, 0.1, -1.0, 0.1, 0.2),
        SviSmile(0.04, 0.1, 0.3, 0.1, 0.0),
    ],
)
def test_SVIS_031_limits_come_back(smile: SviSmile) -> None:
    back = raw_smile_of(jump_wings_of(smile, 0.5))
    for name in ("a", "b", "rho", "m", "sigma"):
        assert getattr(back, name) == pytest.approx(getattr(smile, name), abs=2e-8)


@pytest.mark.parametrize(
    ("field", "value"),
    [("v", 0.0), ("v", nan), ("time_years", 0.0), ("p", -0.1), ("c", -0.1), ("psi", 0.5),
     ("psi", -0.4), ("psi", 0.0), ("psi", 1e-200), ("v_tilde", 0.05), ("v_tilde", 0.04)],
)  # fmt: skip
def test_SVIS_032_jump_wings_without_a_smile_are_refused(field: str, value: float) -> None:
    sound = {"v": 0.04, "psi": -0.1, "p": 0.6, "c": 0.5, "v_tilde": 0.03, "time_years": 1.0}
    raw_smile_of(JumpWings(**sound))
    with pytest.raises(InputError) as raised:
        raw_smile_of(JumpWings(**(sound | {field: value})))
    named = "time_to_expiry" if field == "time_years" else field
    assert (raised.value.code, raised.value.where["field"]) == ("SVIS-E02", named)


def test_SVIS_032_wings_without_slope_are_refused() -> None:
    with pytest.raises(InputError, match="SVIS-E02"):
        raw_smile_of(JumpWings(0.04, 0.0, 0.0, 0.0, 0.03, 1.0))


def test_SVIS_033_repaired_wing_is_free_of_butterflies() -> None:
    v, psi, p = 0.01742625, -0.1752111, 0.6997381
    c, v_tilde = repaired_wing(v, psi, p)
    assert c == pytest.approx(0.3493159, abs=1e-12)
    assert v_tilde == pytest.approx(0.01548182, abs=1e-8)
    repaired = raw_smile_of(JumpWings(v, psi, p, c, v_tilde, 1.0))
    assert not find_butterflies(repaired).is_arbitrage
    assert find_butterflies(VOGT).is_arbitrage
    for bad in ((0.0, psi, p), (v, -0.5, p), (v, psi, -1.0), (v, 0.0, 0.0), (nan, psi, p)):
        with pytest.raises(InputError, match="SVIS-E02"):
            repaired_wing(*bad)


def test_SVIS_034_ssvi_is_that_of_the_formulas() -> None:
    smile = SsviSmile(0.25, -0.3, 2.0, 0.5)
    assert smile.conditions == pytest.approx((1.3, 5.2), rel=1e-14)
    assert not smile.is_butterfly_free
    expected = [0.5112474899497184, 0.25, 0.2936698586202241]
    assert smile.total_variance([-0.5, 0.0, 0.5]).tolist() == pytest.approx(expected, rel=1e-13)
    k = np.linspace(-1.5, 1.5, 31)
    assert smile.raw().total_variance(k) == pytest.approx(smile.total_variance(k), rel=1e-13)
    for theta in (0.01, 0.04, 0.05, 0.3, 0.7):
        assert SsviSmile(theta, 0.0, 2.0, 0.5).is_butterfly_free  # the second is exactly 4
        assert not SsviSmile(theta, 0.0, 2.0 + 1e-9, 0.5).is_butterfly_free
    assert not SsviSmile(4.0, 0.0, 1.0, 0.0).is_butterfly_free  # the first is exactly 4
    assert SsviSmile(3.999, 0.0, 1.0, 0.0).is_butterfly_free


@pytest.mark.parametrize(
    ("field", "value"), [("theta", 0.0), ("rho", -1.5), ("eta", -1.0), ("gamma", inf)]
)
def test_SVIS_035_ssvi_parameters_out_of_range_are_refused(field: str, value: float) -> None:
    parameters = {"theta": 0.25, "rho": -0.3, "eta": 2.0, "gamma": 0.5} | {field: value}
    with pytest.raises(InputError) as raised:
        require_ssvi(SsviSmile(**parameters))
    assert (raised.value.code, raised.value.where["field"]) == ("SVIS-E03", field)
