"""A slice gives its smile back, keeps Lee's box, and costs no more than a general least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import least_squares

from steelyard.models.svi_slice import SLOPE_MAX, SviFit, fit_slices, fit_svi
from steelyard.quantities.errors import InputError
from steelyard.valuation.svi import SviSmile

STRIKES = np.linspace(-0.6, 0.6, 25)
WING = SviSmile(0.02, 0.15, -0.35, 0.04, 0.18)


def random_smiles(count: int) -> list[SviSmile]:
    """Return smiles of SVIS-040."""
    rng = np.random.default_rng(40)
    low, high = [0.005, 0.01, -0.95, -0.3, 0.02], [0.05, 0.8, 0.95, 0.3, 0.6]
    return [SviSmile(*row) for row in rng.uniform(low, high, (count, 5)).tolist()]


def noisy_slices(count: int, noise: float = 0.01) -> list[tuple[Any, Any, Any]]:
    """Return (k, w, weights): 30 quotes as a listing has them, with errors that grow on the wings."""
    rng = np.random.default_rng(43)
    slices = []
    for _ in range(count):
        level = rng.uniform(0.005, 0.2)
        width = level**0.5
        smile = SviSmile(
            0.6 * level, 0.5 * width * rng.uniform(0.5, 1.5), rng.uniform(-0.6, 0.3),
            width * rng.uniform(-0.3, 0.3), width * rng.uniform(0.4, 1.5),
        )  # fmt: skip
        k = np.sort(width * rng.uniform(-2.5, 2.5, 30))
        exact = smile.total_variance(k)
        spread = noise * exact * (1.0 + (k / width) ** 2)
        slices.append((k, exact + spread * rng.standard_normal(30), 1.0 / spread**2))
    return slices


def wing_slopes(smile: SviSmile) -> tuple[float, float]:
    """Return (L, R)."""
    return smile.b * (1.0 - smile.rho), smile.b * (1.0 + smile.rho)


def general_fit(k: Any, w: Any, weights: Any, start: list[float]) -> Any:
    """Return MINPACK's least squares over (a, b, ρ, m, σ)."""
    root = np.sqrt(weights)
    return least_squares(
        lambda p: root * (SviSmile(*p).total_variance(k) - w), start, method="lm", x_scale="jac"
    )


def usual_guess(k: Any, w: Any) -> list[float]:
    """Return the guess from the lowest quote and the slopes to the ends."""
    low = int(np.argmin(w))
    left = (w[0] - w[low]) / max(k[low] - k[0], 0.1)
    right = (w[-1] - w[low]) / max(k[-1] - k[low], 0.1)
    b = max(0.5 * (left + right), 1e-3)
    rho = float(np.clip(0.5 * (right - left) / b, -0.9, 0.9))
    sigma = 0.2 * float(k[-1] - k[0])
    return [float(w[low]) - b * sigma * (1.0 - rho * rho) ** 0.5, b, rho, float(k[low]), sigma]


@pytest.mark.parametrize("smile", random_smiles(40))
def test_SVIS_040_quotes_on_a_smile_give_it_back(smile: SviSmile) -> None:
    mixed = np.random.default_rng(1).permutation(len(STRIKES))
    between = np.linspace(-0.6, 0.6, 241)
    for order in (np.arange(len(STRIKES)), mixed):
        fit = fit_svi(STRIKES[order], smile.total_variance(STRIKES[order]))
        miss = fit.smile.total_variance(between) - smile.total_variance(between)
        assert np.abs(miss).max() <= 1e-12
        assert fit.cost <= 1e-24
        assert 1 <= fit.steps <= 100


def test_SVIS_040_five_quotes_are_enough() -> None:
    k = np.array([-0.4, -0.15, 0.0, 0.2, 0.5])
    w = WING.total_variance(k)
    assert np.abs(fit_svi(k, w).smile.total_variance(k) - w).max() <= 1e-8


def test_SVIS_041_steep_quotes_end_at_lees_bound() -> None:
    k = np.linspace(-1.0, 1.0, 21)
    w = 0.05 + 2.5 * np.maximum(k, 0.0)
    left, right = wing_slopes(fit_svi(k, w).smile)
    assert right == pytest.approx(SLOPE_MAX, rel=1e-14)
    assert 0.0 <= left < 0.5


def test_SVIS_041_quotes_that_fall_on_both_sides_give_a_level() -> None:
    k = np.linspace(-0.5, 0.5, 11)
    w = 0.04 - 0.02 * np.abs(k)
    fit = fit_svi(k, w)
    assert fit.smile.b == 0.0
    assert fit.smile.a == pytest.approx(w.mean(), rel=1e-14)
    assert fit.cost == pytest.approx(((w - w.mean()) ** 2).sum(), rel=1e-12)


def test_SVIS_041_no_slice_leaves_the_box() -> None:
    rng = np.random.default_rng(41)
    for _ in range(60):
        k = rng.uniform(-1.0, 1.0, 12)
        fit = fit_svi(k, rng.uniform(0.01, 2.0, 12))
        left, right = wing_slopes(fit.smile)
        assert -1e-15 <= left <= SLOPE_MAX + 1e-14
        assert -1e-15 <= right <= SLOPE_MAX + 1e-14
        assert abs(fit.smile.rho) <= 1.0
        assert fit.smile.sigma > 0.0


def close(fit: SviFit, smile: list[float], cost: float) -> bool:
    """Return whether a fit is the smile with the cost."""
    found = fit.smile
    row = [found.a, found.b, found.rho, found.m, found.sigma]
    return bool(np.allclose(row, smile, rtol=1e-7, atol=1e-10)) and fit.cost == pytest.approx(
        cost, rel=1e-9
    )


def test_SVIS_042_other_units_give_the_same_slice() -> None:
    for k, w, weights in noisy_slices(8, 0.001):
        fit = fit_svi(k, w, weights)
        s = fit.smile
        same = [s.a, s.b, s.rho, s.m, s.sigma]
        scaled = [4.0 * s.a, 2.0 * s.b, s.rho, 2.0 * s.m, 2.0 * s.sigma]
        assert close(fit_svi(2.0 * k, 4.0 * w, weights), scaled, 16.0 * fit.cost)
        assert close(fit_svi(k, w, 2.0 * weights), same, 2.0 * fit.cost)


def test_SVIS_042_weight_counts_as_repetition() -> None:
    k, w, _ = noisy_slices(1, 0.001)[0]
    twice = np.where(np.arange(30) % 3 == 0, 2.0, 1.0)
    fit, repeated = (
        fit_svi(k, w, twice),
        fit_svi(*(np.repeat(x, twice.astype(int)) for x in (k, w))),
    )
    s = repeated.smile
    assert close(fit, [s.a, s.b, s.rho, s.m, s.sigma], repeated.cost)
    without = twice * (np.arange(30) != 7)
    s = fit_svi(np.delete(k, 7), np.delete(w, 7), np.delete(twice, 7)).smile
    assert fit_svi(k, w, without).smile.total_variance(k) == pytest.approx(
        s.total_variance(k), rel=1e-6
    )


def test_SVIS_043_cost_is_no_higher_than_of_a_general_least_squares() -> None:
    lawful = 0
    for k, w, weights in noisy_slices(48):
        fit = fit_svi(k, w, weights)
        s = fit.smile
        assert fit.cost == pytest.approx(float((weights * (s.total_variance(k) - w) ** 2).sum()))
        theirs = general_fit(k, w, weights, usual_guess(k, w))
        _, b, rho, _, _ = theirs.x
        if b >= 0.0 and abs(rho) <= 1.0 and b * (1.0 + abs(rho)) <= SLOPE_MAX:
            lawful += 1
            assert fit.cost <= 1.001 * 2.0 * theirs.cost
        if min(wing_slopes(s)) > 1e-9 and max(wing_slopes(s)) < SLOPE_MAX - 1e-9:
            again = general_fit(k, w, weights, [s.a, s.b, s.rho, s.m, s.sigma])
            assert 2.0 * again.cost >= (1.0 - 1e-3) * fit.cost
    assert lawful >= 40


def changed(column: int, value: float) -> tuple[Any, ...]:
    """Return a slice of five quotes with one value replaced."""
    k = np.linspace(-0.2, 0.2, 5)
    columns = (k, WING.total_variance(k), np.ones(5))
    columns[column][2] = value
    return columns


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        (([0.0, 0.1, 0.2, 0.3], [0.04] * 4, None), "weights"),
        (([], [], None), "weights"),
        (changed(2, 0.0), "weights"),
        (changed(0, np.nan), "log_moneyness"),
        (changed(0, np.inf), "log_moneyness"),
        (changed(1, np.nan), "total_variance"),
        (changed(1, np.inf), "total_variance"),
        (changed(1, 0.0), "total_variance"),
        (changed(2, np.nan), "weights"),
        (changed(2, -1.0), "weights"),
        ((np.arange(6.0) / 10, [0.04, 0.05] * 3, [1e308] * 6), "weights"),
        ((np.arange(6.0), [0.04] * 5, None), "total_variance"),
        ((np.arange(6.0), [0.04] * 6, [1.0] * 7), "weights"),
        ((np.zeros((2, 3)), [0.04] * 6, None), "log_moneyness"),
    ],
)
def test_SVIS_044_slices_that_are_none_are_refused(columns: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InputError) as raised:
        fit_svi(*columns)
    assert (raised.value.code, raised.value.where["field"]) == ("SVIS-E05", field)


def test_SVIS_045_many_slices_are_the_single_ones() -> None:
    slices = noisy_slices(6)
    bad_w = slices[2][1].copy()
    bad_w[4] = np.nan
    slices[2] = (slices[2][0], bad_w, slices[2][2])
    slices[4] = tuple(x[:4] for x in slices[4])
    offsets = np.cumsum([0, *(len(each[0]) for each in slices)])
    k, w, weights = (np.concatenate(parts) for parts in zip(*slices, strict=True))
    fits = fit_slices(k, w, weights, offsets)
    for i, each in enumerate(slices):
        if i in (2, 4):
            assert np.isnan(fits.parameters[i]).all()
            assert np.isnan(fits.cost[i])
            assert fits.steps[i] == 0
            continue
        fit = fit_svi(*each)
        assert SviSmile(*fits.parameters[i].tolist()) == fit.smile
        assert (fits.cost[i], fits.steps[i]) == (fit.cost, fit.steps)
    assert fit_slices(*slices[0], [0]).parameters.shape == (0, 5)


@pytest.mark.parametrize("offsets", [[0, 31], [-1, 30], [0, 20, 10], [], [[0, 30]]])
def test_SVIS_045_offsets_that_divide_nothing_are_refused(offsets: Any) -> None:
    with pytest.raises(InputError) as raised:
        fit_slices(*noisy_slices(1)[0], offsets=offsets)
    assert (raised.value.code, raised.value.where["field"]) == ("SVIS-E05", "offsets")
