"""Implied volatility: accuracy by band, named edges, symmetries, pinned bits, the twin bit for bit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numpy.typing import NDArray

from steelyard.valuation import implied_volatility as kernel
from steelyard.valuation import implied_volatility_twin as twin
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.implied_volatility import (
    ImpliedVolatility,
    QuoteStatus,
    implied_volatility,
)
from steelyard.valuation.self_check import spread

NAN, INF = float("nan"), float("inf")
SOLVED, FLAT, BELOW = QuoteStatus.SOLVED, QuoteStatus.AT_INTRINSIC, QuoteStatus.BELOW_INTRINSIC
ABOVE, VAGUE, BAD = QuoteStatus.ABOVE_BOUND, QuoteStatus.NO_INFORMATION, QuoteStatus.BAD_INPUT
PINNED = "b5eaf40b1867f532e2ecad5eaf816885"
QUOTES = 1_003
SOURCE = Path(kernel.__file__).parent.parent.parent
CHILD = """
import json, re, sys
sys.path.insert(0, sys.argv[1])
import test_implied_volatility as test
code = "".join(test.kernel.fill_two.inspect_asm().values())
body = code[code.index("fill_two"):]
print(json.dumps({
    "digest": test.digest(test.implied_volatility(*test.fixed_quotes())),
    "packed_fma": len(re.findall(r"vfn?m(?:add|sub)\\d+pd\\s.*%[yz]mm", body)),
    "calls": len(re.findall(r"movabsq\\s+\\$(?:fma|exp|log|sqrt|rint)\\b", body)),
}))
"""


class Band(NamedTuple):
    """Where x = |ln(F/K)| and the deviation s of a test are drawn: log-uniformly, h = x/s likewise."""

    x: tuple[float, float]
    s: tuple[float, float]
    h: tuple[float, float] = (0.0, 40.0)


BANDS = {
    "at the money, any deviation": Band((0.0, 0.0), (1e-8, 8.0)),
    "moneyness of a few ulps": Band((1e-15, 1e-12), (1e-8, 1.0)),
    "near, short": Band((1e-9, 1e-3), (1e-8, 1e-2)),
    "near, ordinary": Band((1e-4, 0.2), (0.01, 0.5)),
    "border of the near region": Band((0.18, 0.22), (0.02, 0.6)),
    "ordinary": Band((0.01, 1.5), (0.03, 2.0)),
    "wing, 6 to 15 deviations": Band((1e-3, 10.0), (1e-4, 2.0), (6.0, 15.0)),
    "wing, 15 to 37 deviations": Band((1e-3, 30.0), (1e-4, 2.0), (15.0, 37.0)),
    "near wing, to 37 deviations": Band((1e-7, 0.2), (1e-8, 0.02), (3.0, 37.0)),
    "far strikes": Band((10.0, 600.0), (1.0, 20.0)),
    "high volatility": Band((1e-6, 5.0), (2.0, 9.0)),
    "inflection": Band((0.02, 20.0), (0.2, 6.0), (0.1, 1.8)),
}


def black(is_call: bool, f: Any, k: Any, s: Any) -> mp.mpf:
    """Return Black's formula at the working precision."""
    d1 = mp.log(f / k) / s + s / 2
    if is_call:
        return f * mp.ncdf(d1) - k * mp.ncdf(d1 - s)
    return k * mp.ncdf(s - d1) - f * mp.ncdf(-d1)


def exact_deviation(
    is_call: bool, f: float, k: float, price: float, s: float
) -> tuple[mp.mpf, float]:
    """Return the s of a price from a guess within rounding, and price/(s·vega) there."""
    forward, strike, deviation = mp.mpf(f), mp.mpf(k), mp.mpf(s)
    for _ in range(60):
        vega = forward * mp.npdf(mp.log(forward / strike) / deviation + deviation / 2)
        step = (black(is_call, forward, strike, deviation) - mp.mpf(price)) / vega
        step = max(min(step, deviation / 2), -deviation)
        deviation -= step
        if abs(step) < deviation * mp.mpf("1e-25"):
            return deviation, float(mp.mpf(price) / (vega * deviation))
    raise AssertionError("no convergence")


def quotes_of(band: Band, count: int, seed: int, *, inside: bool = False) -> Iterator[Any]:
    """Yield (is_call, F, K, price, s of that price, amplification), price the nearest float.

    inside: in-the-money options. Quotes at intrinsic value or at the bound are left out.
    """
    rng = np.random.default_rng(seed)
    found = 0
    while found < count:
        x = float(np.exp(rng.uniform(*np.log(band.x)))) if band.x[1] else 0.0
        s = float(np.exp(rng.uniform(*np.log(band.s))))
        if band.h[0]:
            s = x / rng.uniform(*band.h)
        f = float(np.exp(rng.uniform(0.0, 11.0)))
        k = f * float(np.exp(x if rng.random() < 0.5 else -x))
        is_call = (k >= f) != inside
        if x / s - s / 2 > 36.9:
            continue
        price = float(black(is_call, mp.mpf(f), mp.mpf(k), mp.mpf(s)))
        bound, gain = (f, f - k) if is_call else (k, k - f)
        if not (max(gain, 0.0) < price < bound and price > 1e-300 * f):
            continue
        found += 1
        yield is_call, f, k, price, *exact_deviation(is_call, f, k, price, s)


@pytest.mark.parametrize("name", BANDS)
def test_IMPV_001_solved_to_1e_11_in_every_band(name: str) -> None:
    with mp.workdps(60):
        rows = list(quotes_of(BANDS[name], 60, seed=len(name)))
        found = implied_volatility(*(list(c) for c in list(zip(*rows, strict=True))[:4]), 1.0)
        for row, volatility, status in zip(rows, found.volatility, found.status, strict=True):
            *_, exact, amplification = row
            assert abs(mp.mpf(float(volatility)) / exact - 1) <= 2e-14, row
            assert (status == SOLVED) == (amplification * 2.0**-53 <= 1e-11), row
        assert (found.status == SOLVED).mean() > 0.4


@pytest.mark.parametrize(
    ("is_call", "strike", "forward", "years", "price", "volatility"),
    [
        (True, 100.0, 100.0, 1.0, 7.965567455405797, 0.2),
        (True, 120.0, 100.0, 1.0, 2.147298810578147, 0.2),
        (True, 300.0, 100.0, 0.1, 1.8827225346208673e-08, 0.6),
        (False, 50.0, 100.0, 0.25, 0.014648530816228033, 0.5),
        (True, 61000.0, 60000.0, 0.00022831050228310502, 7.38352778112413, 0.6),
        (True, 100.0001, 100.0, 0.0001, 0.1994210361433463, 0.5),
    ],
)
def test_IMPV_001_worked_numbers(
    is_call: bool, strike: float, forward: float, years: float, price: float, volatility: float
) -> None:
    found = implied_volatility(is_call, forward, strike, price, years)
    assert float(found.volatility) == pytest.approx(volatility, rel=1e-14)
    assert found.status == SOLVED


def test_IMPV_002_in_the_money_is_solved_or_flagged_by_what_the_price_carries() -> None:
    with mp.workdps(60):
        rows = [
            row
            for number, band in enumerate(list(BANDS.values())[3:7])
            for row in quotes_of(band, 60, seed=70 + number, inside=True)
        ]
        found = implied_volatility(*(list(c) for c in list(zip(*rows, strict=True))[:4]), 1.0)
        for row, volatility, status in zip(rows, found.volatility, found.status, strict=True):
            *_, exact, amplification = row
            assert status == (VAGUE if amplification * 2.0**-53 > 1e-11 else SOLVED), row
            # Flagged or not, it is the volatility of the price as it stands.
            assert abs(mp.mpf(float(volatility)) / exact - 1) <= 2e-14, row
    assert {SOLVED, VAGUE} == set(found.status.tolist())


def test_IMPV_002_the_rounding_of_intrinsic_value_is_taken_off() -> None:
    # F − K = 3 − 2⁻⁵² rounds to 3; the next price up has a time value of 1.5 units, not of 1.
    f, k, price = 4.0, 1.0 + 2.0**-52, 3.0 + 2.0**-51
    assert twin.time_value(f, k, price) == 1.5 * 2.0**-51
    found = implied_volatility(True, f, k, [np.nextafter(3.0, 0.0), 3.0, price], 1.0)
    assert found.status.tolist() == [BELOW, FLAT, VAGUE]
    with mp.workdps(60):
        exact, _ = exact_deviation(True, f, k, price, float(found.volatility[2]))
        assert abs(mp.mpf(float(found.volatility[2])) / exact - 1) <= 2e-14


@pytest.mark.parametrize(
    ("is_call", "f", "k", "price", "volatility", "status"),
    [
        (True, 110.0, 100.0, 10.0, 0.0, FLAT),
        (False, 90.0, 100.0, 10.0, 0.0, FLAT),
        (True, 90.0, 100.0, 0.0, 0.0, FLAT),
        (True, 100.0, 100.0, -0.0, 0.0, FLAT),
        (True, 1.0, 1e-300, 1.0, 0.0, FLAT),
        (True, 110.0, 100.0, 9.999, NAN, BELOW),
        (True, 90.0, 100.0, -1e-9, NAN, BELOW),
        (False, 90.0, 100.0, 10.0 - 2e-15, NAN, BELOW),
        (True, 110.0, 100.0, 110.0, NAN, ABOVE),
        (True, 90.0, 100.0, 90.0, NAN, ABOVE),
        (False, 90.0, 100.0, 100.0, NAN, ABOVE),
        (False, 90.0, 100.0, 1e300, NAN, ABOVE),
    ],
)
def test_IMPV_003_edges_have_stated_answers(
    is_call: bool, f: float, k: float, price: float, volatility: float, status: QuoteStatus
) -> None:
    found = implied_volatility(is_call, f, k, price, 0.25)
    assert QuoteStatus(int(found.status)) is status
    assert same_bits(found.volatility, volatility)


def test_IMPV_003_next_to_an_edge_there_is_a_volatility() -> None:
    floor, bound = np.nextafter(10.0, INF), np.nextafter(110.0, 0.0)
    found = implied_volatility(True, 110.0, 100.0, [floor, bound], 1.0)
    assert (found.volatility > [0.01, 10.0]).all()
    assert found.status.tolist() == [VAGUE, VAGUE]
    tiny = implied_volatility(True, 100.0, 120.0, [5e-324, 1e-310, 1e-305], 1.0)
    assert tiny.status.tolist() == [VAGUE, VAGUE, SOLVED]
    assert (np.diff(tiny.volatility) >= 0.0).all()
    assert (tiny.volatility > 0.0).all()


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("bad", [NAN, INF, -INF, 2.0**1000, 0.0, -1.0, 2.0**-1001])
def test_IMPV_004_bad_input_is_flagged_in_its_own_place_only(column: int, bad: float) -> None:
    columns = [np.full(11, value) for value in (100.0, 120.0, 2.5, 0.5)]
    columns[column][7] = bad
    found = implied_volatility(True, *columns)
    others = np.delete(found.volatility, 7)
    assert len(set(others.tolist())) == 1
    assert np.isfinite(others).all()
    assert (np.delete(found.status, 7) == SOLVED).all()
    if column < 2 or not np.isfinite(bad) or (column == 3 and bad <= 0.0):
        assert found.status[7] == BAD
        assert np.isnan(found.volatility[7])
    elif column == 3:
        assert found.status[7] == SOLVED
    else:
        assert found.status[7] == {0.0: FLAT, -1.0: BELOW, 2.0**1000: ABOVE}.get(bad, SOLVED)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def another_step(x: Any, p: Any, q: Any, found: Any, again: Any) -> None:
    """Write s as the kernel gives it, and after one step more."""
    for i in range(x.shape[0]):
        root = np.sqrt(2.0 * x[i])
        tail = kernel.mills_numerator(root) / kernel.mills_denominator(root)
        is_near = (x[i] < kernel.NEAR_MONEYNESS) & (p[i] < kernel.NEAR_PRICE)
        is_high = (p[i] >= 0.5 - tail) & (not is_near)
        quote = (x[i], p[i], q[i], 1.0)
        s = kernel.two_deviations(quote, quote)[0][0]
        found[i] = s
        target = q[i] if is_high else p[i]
        parts = kernel.ratios(s, x[i], is_near)
        density, residual = kernel.measure(s, target, is_near, is_high, parts)
        again[i] = kernel.advance(s, parts, density, residual)[0]


def test_IMPV_005_a_further_step_moves_nothing() -> None:
    # The residual is proven by IMPV-001; here, that no corner of the plane is left unconverged.
    rng = np.random.default_rng(5)
    n = 400_000
    x = 10 ** rng.uniform(-15.0, 3.1, n)
    x[: n // 4] = rng.uniform(0.0, 2.0, n // 4)
    x[: n // 8] = 0.2 * np.exp(rng.normal(0.0, 0.02, n // 8))
    x[:100] = 0.0
    p = 10 ** rng.uniform(-2.0, 0.0, n)
    p[::5] = 10 ** rng.uniform(-306.0, 0.0, n // 5)
    p[1::5] = 0.105 * np.exp(rng.normal(0.0, 0.02, n // 5))
    q = 1.0 - p
    q[2::5] = 10 ** rng.uniform(-15.9, 0.0, n // 5)
    p[2::5] = 1.0 - q[2::5]
    inside = (p > 0.0) & (q > 0.0)
    found, again = np.empty(int(inside.sum())), np.empty(int(inside.sum()))
    another_step(x[inside], p[inside], q[inside], found, again)
    assert (found > 0.0).all()
    assert np.abs(again / found - 1.0).max() <= 1.5e-14


def market(count: int, seed: int) -> tuple[NDArray[Any], ...]:
    """Return is_call, forward, strike, volatility, time_years of an ordinary market."""
    rng = np.random.default_rng(seed)
    forward = np.exp(rng.uniform(-3.0, 11.0, count))
    strike = forward * np.exp(0.35 * rng.standard_normal(count))
    years = rng.uniform(1.0, 365.0, count) / 365.0
    return rng.random(count) < 0.5, forward, strike, rng.uniform(0.3, 1.2, count), years


def test_IMPV_006_a_price_gives_back_its_volatility() -> None:
    is_call, f, k, sigma, years = market(50_000, 6)
    price = black76_price(is_call, f, k, sigma, years)
    found = implied_volatility(is_call, f, k, price, years)
    solved = found.status == SOLVED
    assert solved.mean() > 0.95
    # The price is within 2e-15 of its bound, not within half an ulp: hence times 40.
    assert (np.abs(found.volatility / sigma - 1.0)[solved] <= 4e-10).all()
    outside = solved & (is_call == (k > f))
    assert np.quantile(np.abs(found.volatility / sigma - 1.0)[outside], 0.999) <= 1e-11
    back = black76_price(is_call, f, k, found.volatility, years)[solved]
    assert (np.abs(back - price[solved]) <= 4e-15 * np.maximum(f, k)[solved]).all()


def test_IMPV_007_volatility_rises_with_the_price() -> None:
    for strike in (100.0, 100.0 + 1e-9, 100.5, 119.0, 122.2, 170.0, 1e4, 1e40):
        far = 100.0 * 10.0 ** np.linspace(-300.0, -2.0, 4_000)
        rest = 100.0 * np.linspace(0.0101, 0.9999, 20_000)
        fine = 10.5 * (1.0 + np.linspace(-1e-9, 1e-9, 2_001))  # across the border of `near`
        for price in (far, rest, fine):
            found = implied_volatility(True, 100.0, strike, price, 0.7)
            assert (found.status == SOLVED).all()
            assert (np.diff(found.volatility) > 0.0).all()


def test_IMPV_008_powers_of_two_change_no_bit() -> None:
    is_call, f, k, sigma, years = market(20_000, 8)
    price = black76_price(is_call, f, k, sigma, years)
    found = implied_volatility(is_call, f, k, price, years)
    for power in (-300, -7, 1, 40, 900):
        factor = 2.0**power
        other = implied_volatility(is_call, f * factor, k * factor, price * factor, years)
        normal = price * factor > 1e-290
        assert other.volatility[normal].tobytes() == found.volatility[normal].tobytes()
        assert other.status[normal].tobytes() == found.status[normal].tobytes()
        assert normal.mean() > 0.99
    # Four times the time is half the volatility.
    longer = implied_volatility(is_call, f, k, price, 4.0 * years)
    assert same_bits(longer.volatility * 2.0, found.volatility)


def test_IMPV_009_call_and_put_agree() -> None:
    _, f, k, sigma, years = market(20_000, 9)
    is_call = k > f
    price = black76_price(is_call, f, k, sigma, years)
    found = implied_volatility(is_call, f, k, price, years)
    # A call on F struck at K is a put on K struck at F.
    mirror = implied_volatility(~is_call, k, f, price, years)
    live = found.status == SOLVED
    assert (np.abs(mirror.volatility / found.volatility - 1.0)[live] <= 1e-14).all()
    assert (mirror.volatility == found.volatility)[live].mean() > 0.99
    # The other option of the pair costs |F − K| more, as far as that sum carries the digits.
    inside = price + np.abs(f - k)
    pair = implied_volatility(~is_call, f, k, inside, years)
    both = live & (pair.status == SOLVED)
    assert both.mean() > 0.8
    assert (np.abs(pair.volatility / found.volatility - 1.0)[both] <= 5e-11).all()


def fixed_quotes() -> tuple[Any, ...]:
    """Return quotes made by exact arithmetic alone: the same everywhere, edges among them."""
    is_call = spread(QUOTES, 1) < 0.5
    forward = 100.0 + 100_000.0 * spread(QUOTES, 10_000)
    strike = forward * (0.25 + 2.5 * spread(QUOTES, 20_000))
    strike[::3] = forward[::3] * (1.0 + 0.01 * (spread(QUOTES, 30_000)[::3] - 0.5))
    smaller, gain = np.minimum(forward, strike), forward - strike
    part = spread(QUOTES, 40_000) * spread(QUOTES, 50_000)
    places = -(1_000.0 * spread(QUOTES, 60_000)[1::4]).astype(np.int64)
    part[1::4] = np.ldexp(part[1::4], places)
    price = np.maximum(np.where(is_call, gain, -gain), 0.0) + smaller * part
    years = 2.0 * spread(QUOTES, 70_000) + 2.0**-20
    edges = (0.0, -1.0, 1e-300, 2.0**-1001, 1e300, INF, NAN)
    columns = (forward, strike, price, years)
    for place, i in enumerate(range(0, QUOTES, 16)):
        columns[place % 4][i] = edges[(place // 4) % len(edges)]
    return is_call, *columns


def digest(found: ImpliedVolatility) -> str:
    """Return a digest of the bits; every NaN counts as the same one."""
    volatility = np.where(np.isnan(found.volatility), NAN, found.volatility)
    text = blake2b(volatility.astype("<f8").tobytes(), digest_size=16)
    text.update(found.status.tobytes())
    return text.hexdigest()


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 17, 64])
def test_IMPV_010_any_split_gives_the_same_bits(piece: int) -> None:
    quotes = fixed_quotes()
    parts = [
        implied_volatility(*(column[first : first + piece] for column in quotes))
        for first in range(0, QUOTES, piece)
    ]
    volatility, status = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert digest(ImpliedVolatility(volatility, status)) == PINNED


def test_IMPV_010_the_digest_is_pinned() -> None:
    found = implied_volatility(*fixed_quotes())
    assert set(found.status.tolist()) == set(QuoteStatus)
    assert digest(found) == PINNED


@pytest.mark.slow
def test_IMPV_010_IMPV_013_processor_targets_agree(tmp_path: Path) -> None:
    none = "-avx,-avx2,-fma,-avx512f"
    targets = {"nehalem": f"+sse4.2,{none}"}
    if get_host_cpu_features().get("avx2") and get_host_cpu_features().get("fma"):
        targets["haswell"] = "+avx,+avx2,+fma,+bmi,+bmi2,-avx512f"
    for name, features in targets.items():
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        clean |= {"NUMBA_CACHE_DIR": str(tmp_path / name), "PYTHONPATH": str(SOURCE)}
        clean |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
        command = [sys.executable, "-c", CHILD, str(Path(__file__).parent)]
        done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["digest"] == PINNED, name
        if name == "haswell":
            # Five Mills ratios of 21 fused multiply-adds each, four logarithms, the seed.
            assert result["packed_fma"] >= 150
            assert result["calls"] == 0


def same_bits(found: Any, expected: Any) -> bool:
    """Return whether two arrays have the same bits, any NaN being the same."""
    left, right = np.asarray(found, float), np.asarray(expected, float)
    equal = left.view(np.int64) == np.ascontiguousarray(right).view(np.int64)
    return bool((equal | (np.isnan(left) & np.isnan(right))).all())


def equals_twin(quotes: tuple[Any, ...]) -> bool:
    """Return whether kernel and twin agree in every bit."""
    found = implied_volatility(*quotes)
    rows = [
        twin.implied_volatility(*row) for row in zip(*(c.tolist() for c in quotes), strict=True)
    ]
    is_same = same_bits(found.volatility, [volatility for volatility, _ in rows])
    return is_same and found.status.tolist() == [status for _, status in rows]


def test_IMPV_011_kernel_equals_the_twin_on_the_fixed_quotes() -> None:
    assert equals_twin(fixed_quotes())


def test_IMPV_011_kernel_equals_the_twin_on_random_and_extreme_input() -> None:
    rng = np.random.default_rng(11)
    extremes = [0.0, -1.0, 5e-324, 1e-310, 2.0**-1001, 2.0**-1000, 1e-300, 1.0, 1e300, INF, NAN]
    is_call, f, k, sigma, years = market(1_000, 12)
    f[::2] = k[::2] * (1.0 + rng.normal(0.0, 1e-4, 500))
    price = black76_price(is_call, f, k, sigma * rng.choice([0.01, 0.2, 1.0, 9.0], 1_000), years)
    for column in (f, k, price, years):
        where = rng.random(1_000) < 0.1
        column[where] = rng.choice(extremes, int(where.sum()))
    assert equals_twin((is_call, f, k, price, years))


@given(st.booleans(), st.floats(), st.floats(), st.floats(), st.floats())
@example(True, 100.0, 100.0, 8.0, 1.0)
@example(False, 2.0**-1000, 2.0**-1000, 2.0**-1002, 1.0)
@example(True, 1e300, 1e-300, 9e299, 5e-324)
def test_IMPV_011_kernel_equals_the_twin_on_any_input(
    is_call: bool, f: float, k: float, price: float, years: float
) -> None:
    found = implied_volatility(is_call, f, k, price, years)
    volatility, status = twin.implied_volatility(is_call, f, k, price, years)
    assert same_bits(found.volatility, volatility)
    assert found.status == status


@given(
    st.booleans(),
    st.floats(1e-3, 1e6),
    st.floats(-3.0, 3.0),
    st.floats(0.0, 1.0, exclude_min=True, exclude_max=True),
    st.floats(1e-6, 30.0),
)
def test_IMPV_003_every_price_between_floor_and_bound_has_a_volatility(
    is_call: bool, f: float, log_moneyness: float, part: float, years: float
) -> None:
    k = f * float(np.exp(log_moneyness))
    bound, gain = (f, f - k) if is_call else (k, k - f)
    floor = max(gain, 0.0)
    price = floor + part * (bound - floor)
    found = implied_volatility(is_call, f, k, price, years)
    if floor < price < bound:
        assert float(found.volatility) > 0.0
        assert np.isfinite(found.volatility)
        assert found.status in (SOLVED, VAGUE)


def test_IMPV_012_arguments_broadcast() -> None:
    found = implied_volatility(True, 100.0, [90.0, 100.0, 110.0], [[15.0], [20.0]], 1.0)
    assert found.volatility.shape == found.status.shape == (2, 3)
    assert found.status.dtype == np.int8
    single = implied_volatility(True, 100.0, 110.0, 20.0, 1.0)
    assert single.volatility.shape == ()
    assert float(single.volatility) == found.volatility[1, 2]
    assert implied_volatility([], 1.0, 1.0, 0.5, 1.0).volatility.shape == (0,)


def test_IMPV_012_the_specification_names_every_status() -> None:
    path = Path(__file__).parents[2] / "specs" / "17-IMPV.md"
    text = path.read_text(encoding="utf-8")
    assert {status.name for status in QuoteStatus} <= set(re.findall(r"[A-Z_]{3,}", text))
