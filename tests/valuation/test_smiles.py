"""Smiles and the surface between them: against 40 digits, scipy, a readable twin, and themselves in pieces."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from steelyard.quantities.errors import InvariantError
from steelyard.valuation import smiles_twin
from steelyard.valuation.smile_values import (
    fill_total_variances,
    fill_volatilities,
    smile_columns,
)
from steelyard.valuation.smiles import COEFFICIENTS_MAX, FIRST_COEFFICIENT, SMILE_WIDTH

Floats = NDArray[np.float64]

PINNED_DIGEST = "4380e727110e1762dca11654d508e48d"
DENSE = np.linspace(-3.0, 3.0, 3001)


def bare(a: float, b: float = 0.0, rho: float = 0.0, m: float = 0.0, sigma: float = 0.1) -> Floats:
    """A smile without a correction."""
    row = np.zeros(SMILE_WIDTH)
    row[:5] = a, b, rho, m, sigma
    return row


def bent(row: Floats, start: float, step: float, coefficients: Any) -> Floats:
    """A smile with a correction."""
    result = row.copy()
    values = np.atleast_1d(np.asarray(coefficients, float))
    result[5:8] = start, 1.0 / step, len(values)
    result[FIRST_COEFFICIENT : FIRST_COEFFICIENT + len(values)] = values
    return result


def random_smiles(count: int, seed: int) -> Floats:
    """Smiles of every kind: with and without a correction, narrow and wide, also unsound ones."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        width = 10.0 ** random.uniform(-2.0, 0.3)
        row = bare(
            width**2 * random.uniform(0.2, 1.0),
            width * random.uniform(0.0, 1.0),
            random.uniform(-1.0, 1.0),
            width * random.normal(),
            width * random.uniform(0.05, 3.0),
        )
        size = int(random.integers(0, COEFFICIENTS_MAX + 1))
        if size:
            row = bent(
                row, -3.0 * width, width * 0.2, width**2 * 0.05 * random.normal(0.0, 1.0, size)
            )
        rows.append(row)
    return np.array(rows)


def knots(row: Floats) -> Floats:
    """The places where a smile's correction changes its cubic."""
    return row[5] + np.arange(int(row[7]) + 4) / row[6]


def volatilities(smiles: Floats, times: Any, forward: Any, strike: Any, years: Any) -> Floats:
    """What the kernel makes of the columns."""
    columns = [
        np.ascontiguousarray(each, dtype=np.float64)
        for each in np.broadcast_arrays(*(np.atleast_1d(c) for c in (forward, strike, years)))
    ]
    result = np.empty(len(columns[0]))
    fill_volatilities(smiles, np.asarray(times, float), *columns, result)
    return result


def variances(smiles: Floats, times: Any, k: Any, years: Any) -> Floats:
    """Total variance at each k and time."""
    columns = [
        np.ascontiguousarray(each, dtype=np.float64)
        for each in np.broadcast_arrays(*(np.atleast_1d(c) for c in (k, years)))
    ]
    result = np.empty(len(columns[0]))
    fill_total_variances(smiles, np.asarray(times, float), *columns, result)
    return result


def exact_smile(row: Floats, k: float) -> list[tuple[Any, Any]]:
    """(value, size of its terms) of w, w' and w'' in 40 digits."""
    with mpmath.workdps(40):
        a, b, rho, m, sigma, start, inverse = (mpmath.mpf(float(x)) for x in row[:7])
        x = mpmath.mpf(float(k)) - m
        r = mpmath.sqrt(x * x + sigma * sigma)
        found = []
        for order, terms in enumerate(
            ([a, b * rho * x, b * r], [b * rho, b * x / r], [b * sigma * sigma / r**3])
        ):
            value, size = sum(terms), sum(abs(each) for each in terms)
            for j in range(int(row[7])):
                y = (mpmath.mpf(float(k)) - start) * inverse - j
                if 0 <= y <= 4:
                    scaled = row[FIRST_COEFFICIENT + j] * inverse**order
                    degree = 3 - order
                    powers = ((1, 0), (-4, 1), (6, 2), (-4, 3))
                    part = sum(s * mpmath.mpf(max(y - n, 0)) ** degree for s, n in powers)
                    value += scaled * part / mpmath.factorial(degree)
                    # The place in a cell is known to an ulp of its distance from the start.
                    size += abs(scaled) * (y + j + 4)
            found.append((value, size))
        return found


def test_SMIL_001_worked_numbers() -> None:
    row = bare(0.04, 0.1, -0.5, 0.0, 0.2)
    found = smile_columns(row[None], 0, 0.0)
    assert [float(each) for each in found[:3]] == pytest.approx([0.06, -0.05, 0.5], abs=1e-16)
    one = bent(row, -2.0, 1.0, 0.006)
    assert float(smile_columns(one[None], 0, 0.0).total_variance) == pytest.approx(0.064, abs=1e-16)


@given(st.integers(0, 10**6), st.floats(-4.0, 4.0))
def test_SMIL_001_against_forty_digits(seed: int, widths: float) -> None:
    smiles = random_smiles(1, seed)
    k = widths * float(smiles[0, 4])
    found = smile_columns(smiles, 0, k)
    for (value, size), got in zip(exact_smile(smiles[0], k), found[:3], strict=True):
        assert abs(mpmath.mpf(float(got)) - value) <= 1e-14 * size


def test_SMIL_001_correction_is_the_b_spline_of_scipy() -> None:
    random = np.random.default_rng(3)
    values = random.normal(0.0, 1e-3, 12)
    flat = bare(0.09)
    row = bent(flat, -0.7, 0.1, values)
    reference = BSpline(-0.7 + 0.1 * np.arange(16), values, 3, extrapolate=False)
    k = np.linspace(-0.7, 0.7999, 997)
    found = smile_columns(row[None], 0, k)
    # scipy wants full knots at both ends: its base is complete from the third to the fourth last knot.
    inside = (k > -0.4) & (k < 0.5)
    for order, column in enumerate(found[:3]):
        expected = reference.derivative(order)(k) if order else reference(k) + 0.09
        assert np.abs(column - expected)[inside].max() <= 1e-13 * np.abs(expected[inside]).max()


def test_SMIL_002_no_step_at_any_knot() -> None:
    smiles = random_smiles(200, 17)
    step = 1e-9
    for i in range(len(smiles)):
        row = smiles[i]
        if not row[7] > 0.0:
            continue
        places = knots(row)
        below, above = (smile_columns(smiles, i, places + s) for s in (-step, step))
        slope = 4.0 * np.abs(row[8:]).max() * row[6] ** 3
        curve = 6.0 * row[1] / row[4] ** 2 + slope
        bounds = (
            np.abs(above.first) + 1e-6,
            np.abs(above.second) + 1e-6,
            np.full(len(places), curve) + 1e-6,
        )
        for order in range(3):
            jump = np.abs(above[order] - below[order])
            scale = np.abs(above[order]).max() + np.abs(row[8:]).max() * row[6] ** order
            assert (jump <= 4.0 * step * bounds[order] + 1e-12 * scale).all(), (i, order)


def test_SMIL_003_outside_its_reach_the_bare_curve() -> None:
    smiles = random_smiles(100, 5)
    bare_ones = smiles.copy()
    bare_ones[:, 7] = 0.0
    for i in range(len(smiles)):
        if smiles[i, 7] > 0.0:
            ends = knots(smiles[i])[[0, -1]]
            reach = ends[1] - ends[0]
            k = np.concatenate(
                [ends[0] - reach * np.array([1e-6, 1, 9]), ends[1] + reach * np.array([1e-6, 9])]
            )
            for one, other in zip(
                smile_columns(smiles, i, k), smile_columns(bare_ones, i, k), strict=True
            ):
                assert one.tobytes() == other.tobytes()


def test_SMIL_004_durrleman_is_its_formula() -> None:
    smiles = random_smiles(100, 6)
    for i in range(len(smiles)):
        w, first, second, g = smile_columns(smiles, i, DENSE)
        good = w > 0.0
        k, w, first, second, g_good = (x[good] for x in (DENSE, w, first, second, g))
        lean = (1.0 - k * first / (2.0 * w)) ** 2
        slope = first**2 / 4.0 * (1.0 / w + 0.25)
        expected = lean - slope + second / 2.0
        assert (np.abs(g_good - expected) <= 1e-14 * (lean + slope + np.abs(second) + 1.0)).all()
        assert (g[~good] == -1.0).all()
    assert float(smile_columns(bare(0.04)[None], 0, 0.3).durrleman) == 1.0
    assert float(smile_columns(bare(-0.01)[None], 0, 0.3).durrleman) == -1.0
    assert float(smile_columns(bare(0.0)[None], 0, 0.3).durrleman) == -1.0


def test_SMIL_005_twin_has_the_same_bits_on_one_smile() -> None:
    smiles = random_smiles(60, 7)
    random = np.random.default_rng(8)
    for i in range(len(smiles)):
        k = np.concatenate([random.normal(0.0, 2.0, 20), [0.0, -0.0, 1e8, -1e8, np.nan]])
        if smiles[i, 7] > 0.0:
            at = knots(smiles[i])
            k = np.concatenate([k, at, np.nextafter(at, 9.0), np.nextafter(at, -9.0)])
        found = smile_columns(smiles, i, k)
        row = smiles[i].tolist()
        for n, place in enumerate(k.tolist()):
            w, first, second = smiles_twin.smile_slopes(row, place)
            twin = (w, first, second, smiles_twin.durrleman(place, w, first, second))
            assert np.array(twin).tobytes() == np.array([c[n] for c in found]).tobytes(), (i, place)


def test_SMIL_005_twin_has_the_same_bits_on_a_surface() -> None:
    smiles = random_smiles(7, 9)
    times = [0.01, 0.05, 0.1, 0.5, 1.0, 1.5, 3.0]
    random = np.random.default_rng(10)
    years = np.concatenate([10.0 ** random.uniform(-3.0, 1.0, 400), times, [0.0, -1.0, np.nan]])
    strike = 100.0 * np.exp(random.normal(0.0, 0.6, len(years)))
    forward = 100.0 * np.exp(random.normal(0.0, 0.1, len(years)))
    found = volatilities(smiles, times, forward, strike, years)
    k = np.log(strike / forward)
    levels = variances(smiles, times, k, years)
    rows = [row.tolist() for row in smiles]
    for n in range(len(years)):
        one = smiles_twin.volatility_at(
            rows, times, float(forward[n]), float(strike[n]), float(years[n])
        )
        assert np.float64(one).tobytes() == found[n].tobytes() or (
            one != one and found[n] != found[n]
        )
        w = smiles_twin.variance_at(rows, times, float(k[n]), float(years[n]))
        assert np.float64(w).tobytes() == levels[n].tobytes() or (w != w and levels[n] != levels[n])


def digest_of(piece: int) -> str:
    """The digest of 4,096 volatilities and smile columns computed in pieces."""
    smiles = random_smiles(64, 11)
    times = np.sort(10.0 ** np.random.default_rng(12).uniform(-2.0, 0.5, 64))
    random = np.random.default_rng(13)
    years = 10.0 ** random.uniform(-2.5, 0.7, 4096)
    strike = 100.0 * np.exp(random.normal(0.0, 0.5, 4096))
    k = random.normal(0.0, 0.5, 4096)
    parts: list[list[Floats]] = []
    for first in range(0, 4096, piece):
        mine = slice(first, first + piece)
        parts.append(
            [
                volatilities(smiles, times, 100.0, strike[mine], years[mine]),
                variances(smiles, times, k[mine], years[mine]),
                *smile_columns(smiles, 5, k[mine]),
            ]
        )
    digest = blake2b(digest_size=16)
    for column in zip(*parts, strict=True):
        values = np.concatenate(column)
        digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("piece", [1, 3, 17, 512, 4096])
def test_SMIL_006_any_split_gives_the_pinned_bits(piece: int) -> None:
    assert digest_of(piece) == PINNED_DIGEST


@pytest.mark.parametrize(
    ("shape", "row"),
    [((3, SMILE_WIDTH - 1), 0), ((3, SMILE_WIDTH), 3), ((3, SMILE_WIDTH), -1), ((48,), 0)],
)
def test_SMIL_007_another_shape_is_refused(shape: tuple[int, ...], row: int) -> None:
    with pytest.raises(InvariantError, match="48 columns"):
        smile_columns(np.zeros(shape), row, 0.0)


def test_SMIL_007_the_shape_of_the_places_is_kept() -> None:
    found = smile_columns(bare(0.04)[None], 0, np.zeros((2, 3)))
    assert all(column.shape == (2, 3) for column in found)


PAIR = np.array([bare(0.04), bare(0.12)])


def test_SMIL_010_linear_between() -> None:
    assert variances(PAIR, [1.0, 2.0], [0.0, 0.5], 1.5).tolist() == pytest.approx(
        [0.08, 0.08], abs=1e-16
    )
    found = volatilities(PAIR, [1.0, 2.0], 100.0, [80.0, 100.0], 1.5)
    assert found.tolist() == pytest.approx([(0.08 / 1.5) ** 0.5] * 2, abs=1e-15)
    smiles, times = random_smiles(4, 21), np.array([0.1, 0.2, 0.7, 2.0])
    k = np.random.default_rng(22).normal(0.0, 0.5, 200)
    for i, share in ((0, 0.25), (1, 0.5), (2, 0.9)):
        near, far = (smile_columns(smiles, j, k).total_variance for j in (i, i + 1))
        t = times[i] + share * (times[i + 1] - times[i])
        expected = (1.0 - share) * near + share * far
        assert np.abs(variances(smiles, times, k, t) - expected).max() < 1e-14
        at = variances(smiles, times, k, times[i])
        assert np.abs(at - near).max() < 1e-15


def test_SMIL_011_in_proportion_before() -> None:
    assert variances(PAIR, [1.0, 2.0], 0.3, [0.5, 1e-6]).tolist() == pytest.approx(
        [0.02, 4e-8], rel=1e-15
    )
    years = [1e-9, 0.1, 0.5, 1.0]
    assert volatilities(PAIR, [1.0, 2.0], 100.0, 90.0, years).tolist() == pytest.approx(
        [0.2] * 4, rel=1e-15
    )


def test_SMIL_012_in_parallel_behind() -> None:
    pair = np.array([bare(0.04), bare(0.11, 0.1, 0.0, 0.0, 0.1)])
    k = np.array([-1.0, -0.1, 0.0, 0.4])
    at = smile_columns(pair, 1, k).total_variance
    behind = variances(pair, [1.0, 2.0], k, 3.0)
    assert at[2] == pytest.approx(0.12, abs=1e-16)
    assert (behind - at).tolist() == pytest.approx([0.06] * 4, abs=1e-15)
    assert np.abs(variances(pair, [1.0, 2.0], k, 2.0) - at).max() < 1e-16


def sound_pair(seed: int) -> Floats | None:
    """Two smiles without a butterfly that do not cross on the dense grid, or None."""
    smiles = random_smiles(2, seed)
    for i in range(2):
        for _ in range(12):
            if smile_columns(smiles, i, DENSE).durrleman.min() >= 0.0:
                break
            smiles[i, FIRST_COEFFICIENT:] *= 0.5
        else:
            return None
    levels = [smile_columns(smiles, i, DENSE).total_variance for i in range(2)]
    smiles[1, 0] += 1e-6 + max(0.0, float((levels[0] - levels[1]).max()))
    return smiles if smile_columns(smiles, 1, DENSE).durrleman.min() >= 0.0 else None


def test_SMIL_013_no_arbitrage_between_sound_smiles() -> None:
    pairs = [pair for seed in range(200) if (pair := sound_pair(seed)) is not None]
    assert len(pairs) >= 150
    step = DENSE[1] - DENSE[0]
    for pair in pairs:
        before = np.zeros(len(DENSE))
        for t in (0.1, 0.5, 0.7, 1.2, 1.5, 1.9, 2.0, 2.5, 6.0):
            w = variances(pair, [0.5, 2.0], DENSE, t)
            assert (w >= before - 1e-15).all()
            before = w
            if t <= 2.0:  # the derivatives from the smiles, by the rule itself
                share = min(max((t - 0.5) / 1.5, 0.0), 1.0)
                scale = min(t / 0.5, 1.0)
                near, far = (smile_columns(pair, i, DENSE) for i in range(2))
                first, second = (scale * ((1.0 - share) * near[n] + share * far[n]) for n in (1, 2))
                lean = (1.0 - DENSE * first / (2.0 * w)) ** 2
                g = lean - first**2 / 4.0 * (1.0 / w + 0.25) + second / 2.0
                assert g.min() >= 0.0
                chord = np.diff(w) / step
                assert np.abs(chord - 0.5 * (first[1:] + first[:-1])).max() < 1e-2 * (
                    1 + np.abs(first).max()
                )


def test_SMIL_014_bad_values_give_nan_in_their_place() -> None:
    good = volatilities(PAIR, [1.0, 2.0], 100.0, [90.0, 110.0], 1.5)
    for bad in (np.nan, np.inf, -np.inf, 0.0, -1.0, 5e-324):
        for name in ("forward", "strike", "years"):
            columns = {"forward": [100.0] * 3, "strike": [90.0, 100.0, 110.0], "years": [1.5] * 3}
            columns[name][1] = bad
            found = volatilities(PAIR, [1.0, 2.0], **columns)
            assert found[[0, 2]].tobytes() == good.tobytes()
            is_defined = name == "years" and bad == 5e-324
            assert np.isnan(found[1]) or is_defined, (name, bad)
    for bad in (np.nan, np.inf, -np.inf):
        found = variances(
            np.array([bare(0.04, 0.1), bare(0.12, 0.2)]), [1.0, 2.0], [0.0, bad, 0.1], 1.5
        )
        assert not np.isfinite(found[1])
        assert np.isfinite(found[[0, 2]]).all()
        assert not np.isfinite(variances(PAIR, [1.0, 2.0], [0.0], bad)).any()
    for bad in (0.0, -1.0):
        assert np.isnan(variances(PAIR, [1.0, 2.0], [0.0], bad)).all()
    assert np.isnan(variances(PAIR[:0], [], [0.0], 1.0)).all()
    assert np.isnan(volatilities(PAIR[:0], [], 100.0, 100.0, 1.0)).all()
    assert np.isnan(volatilities(np.array([bare(-0.01)]), [1.0], 100.0, 100.0, 1.0)).all()


@pytest.mark.parametrize("power", [-800, -1, 1, 40, 800])
def test_SMIL_015_only_the_ratio_of_strike_and_forward_counts(power: int) -> None:
    smiles, times = random_smiles(3, 23), [0.1, 0.5, 1.0]
    random = np.random.default_rng(24)
    strike = 100.0 * np.exp(random.normal(0.0, 0.5, 300))
    years = 10.0 ** random.uniform(-2.0, 0.3, 300)
    one = volatilities(smiles, times, 100.0, strike, years)
    scale = 2.0**power
    assert (
        volatilities(smiles, times, 100.0 * scale, strike * scale, years).tobytes() == one.tobytes()
    )
