"""Prices and Greeks: accuracy, edges, bad input, and the readable twin bit for bit."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.quantities.errors import InvariantError
from steelyard.valuation import black76_twin as twin
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.greeks import Greeks, black76_greeks

Columns = tuple[NDArray[np.bool_], Any, Any, Any, Any]
NAN, INF = float("nan"), float("inf")
MONTH = 30 / 365
EXTREMES = [
    0.0, -0.0, -1.0, 5e-324, 1e-310, 2.0**-1001, 2.0**-1000, 1e-300, 1e-20, 1e-18, 1.0, 1.0 + 2.0**-52,
    24.0, 60_000.0, 1e300, 2.0**1000, 1.7e308, INF, -INF, NAN,
]  # fmt: skip


def options(count: int, seed: int, *, width: float = 0.5) -> Columns:
    """Return random options: forwards over six decades, deviations from tiny to large."""
    rng = np.random.default_rng(seed)
    forward = np.exp(rng.uniform(-2.0, 12.0, count))
    strike = forward * np.exp(rng.normal(0.0, width, count))
    volatility = np.exp(rng.normal(-0.5, 0.8, count))
    time_years = np.exp(rng.normal(-3.0, 2.5, count))
    return rng.random(count) < 0.5, forward, strike, volatility, time_years


def same_bits(found: Any, expected: Any) -> bool:
    """Return whether two arrays have the same bits, any NaN being the same."""
    left, right = np.asarray(found, float), np.asarray(expected, float)
    equal = left.view(np.int64) == np.ascontiguousarray(right).view(np.int64)
    return bool((equal | (np.isnan(left) & np.isnan(right))).all())


def exact_price(is_call: bool, f: float, k: float, sigma: float, t: float) -> mp.mpf:
    """Return Black's formula at the working precision."""
    f, k, s = mp.mpf(f), mp.mpf(k), mp.mpf(sigma) * mp.sqrt(mp.mpf(t))
    d1 = mp.log(f / k) / s + s / 2
    if is_call:
        return f * mp.ncdf(d1) - k * mp.ncdf(d1 - s)
    return k * mp.ncdf(s - d1) - f * mp.ncdf(-d1)


@pytest.mark.parametrize("width", [0.01, 0.3, 1.5])
def test_VALU_010_price_is_within_2e_15_of_the_exact_value(width: float) -> None:
    columns = options(1300, seed=int(width * 100), width=width)
    found = black76_price(*columns).tolist()
    worst = 0.0
    with mp.workdps(45):
        for price, call, f, k, sigma, t in zip(found, *(c.tolist() for c in columns), strict=True):
            if sigma * t**0.5 >= 24.0:
                continue
            scale = f if call else max(f, k)
            worst = max(
                worst, float(abs(mp.mpf(price) - exact_price(call, f, k, sigma, t)) / scale)
            )
    assert worst <= 2e-15


def test_VALU_010_worked_numbers() -> None:
    prices = black76_price([True, False, False], 6e4, [6e4, 6e4, 5.4e4], 0.65, MONTH)
    assert prices.tolist() == pytest.approx(
        [4454.109024203806, 4454.109024203806, 1887.61043226816], abs=6e4 * 2e-15
    )


def test_VALU_011_price_lies_between_its_bounds() -> None:
    for seed, width in ((1, 1e-9), (2, 0.3), (3, 5.0)):
        is_call, f, k, sigma, t = options(20_000, seed, width=width)
        price = black76_price(is_call, f, k, sigma, t)
        assert (price >= np.maximum(np.where(is_call, f - k, k - f), 0.0)).all()
        assert (price <= np.where(is_call, f, k)).all()


def test_VALU_011_VALU_012_price_reaches_its_bound_exactly() -> None:
    # (F − K) + K is often a unit away from F: the bound must not come from adding up.
    is_call, f, k, _, _ = options(20_000, 4, width=1.0)
    rng = np.random.default_rng(5)
    bound = np.where(is_call, f, k)
    assert (black76_price(is_call, f, k, rng.uniform(24.0, 1e3, 20_000), 1.0) == bound).all()
    price = black76_price(is_call, f, k, rng.uniform(14.0, 24.0, 20_000), 1.0)
    assert (price <= bound).all()
    assert (price == bound).mean() > 0.3


@pytest.mark.parametrize(
    ("f", "k", "sigma", "t", "call", "put"),
    [
        (0.0, 100.0, 0.5, 1.0, 0.0, 100.0),
        (-5.0, 100.0, 0.5, 1.0, 0.0, 100.0),
        (100.0, 0.0, 0.5, 1.0, 100.0, 0.0),
        (100.0, -5.0, 0.5, 1.0, 100.0, 0.0),
        (-1.0, -1.0, 0.5, 1.0, 0.0, 0.0),
        (2.0**-1001, 100.0, 0.5, 1.0, 0.0, 100.0),
        (110.0, 100.0, 0.5, 0.0, 10.0, 0.0),
        (110.0, 100.0, 0.5, -3.0, 10.0, 0.0),
        (110.0, 100.0, 0.0, 1.0, 10.0, 0.0),
        (90.0, 100.0, -0.5, 1.0, 0.0, 10.0),
        (100.0, 100.0, 1e-19, 1.0, 0.0, 0.0),
        (110.0, 100.0, 24.0, 1.0, 110.0, 100.0),
        (90.0, 100.0, 12.0, 4.0, 90.0, 100.0),
        (90.0, 100.0, 1e200, 1e200, 90.0, 100.0),
        (100.0, 1000.0, 0.05, 1.0, 0.0, 900.0),
    ],
)
def test_VALU_012_edges_have_their_values(
    f: float, k: float, sigma: float, t: float, call: float, put: float
) -> None:
    assert black76_price([True, False], f, k, sigma, t).tolist() == [call, put]
    greeks = black76_greeks([True, False], f, k, sigma, t)
    assert greeks.price.tolist() == [call, put]
    assert all((value == 0.0).all() for value in greeks[2:])
    assert (greeks.delta[0] - greeks.delta[1]) == 1.0


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("bad", [NAN, INF, -INF, 2.0**1000])
def test_VALU_013_bad_input_gives_nan_in_its_own_place_only(column: int, bad: float) -> None:
    good = [60_000.0, 54_000.0, 0.65, MONTH]
    columns = [np.full(11, value) for value in good]
    columns[column][7] = bad
    is_bad_at_all = column < 2 or not np.isfinite(bad)
    for values in (black76_price(False, *columns), *black76_greeks(False, *columns)):
        assert bool(np.isnan(values[7])) is is_bad_at_all
        assert len(set(np.delete(values, 7).tolist())) == 1
        assert np.isfinite(np.delete(values, 7)).all()


def exact_greeks(is_call: bool, f: float, k: float, sigma: float, t: float) -> list[mp.mpf]:
    """Return the six derivatives at the working precision, in the stated units."""
    f, k, sigma, t = (mp.mpf(v) for v in (f, k, sigma, t))
    s = sigma * mp.sqrt(t)
    d1 = mp.log(f / k) / s + s / 2
    d2 = d1 - s
    density = mp.npdf(d1)
    vega = f * density * mp.sqrt(t) / 100
    return [
        mp.ncdf(d1) - (0 if is_call else 1),
        density / (f * s),
        vega,
        -f * density * sigma / (2 * mp.sqrt(t)) / 365,
        -density * d2 / sigma / 100,
        vega * d1 * d2 / sigma / 100,
    ]


def test_VALU_014_greeks_are_the_exact_derivatives() -> None:
    rng = np.random.default_rng(21)
    count = 800
    forward = np.exp(rng.uniform(0.0, 11.0, count))
    strike = forward * np.exp(rng.uniform(-1.0, 1.0, count))
    t = np.exp(rng.uniform(-6.0, 1.0, count))
    volatility = np.exp(rng.uniform(-4.6, 1.1, count)) / np.sqrt(t)
    is_call = rng.random(count) < 0.5
    found = np.array(black76_greeks(is_call, forward, strike, volatility, t)[1:]).T.tolist()
    columns = (is_call, forward, strike, volatility, t)
    with mp.workdps(45):
        for values, *option in zip(found, *(c.tolist() for c in columns), strict=True):
            exact = exact_greeks(*option)
            _, f, k, sigma, years = option
            s = sigma * years**0.5
            # |d|·φ(d) is where a relative error of d² shows; it is below 1 for every d.
            d = max(1.0, abs(np.log(f / k) / s) + s)
            density = 0.4
            scale = [1.0, density / (f * s), f * density * years**0.5 / 100]
            scale += [f * density * sigma / years**0.5 / 730, density * d / sigma / 100]
            scale += [f * density * years**0.5 * d * d / sigma / 10_000]
            for value, expected, unit in zip(values, exact, scale, strict=True):
                assert abs(mp.mpf(value) - expected) <= 1e-13 * unit


def test_VALU_014_greeks_are_the_slopes_of_the_price() -> None:
    f, k, sigma, t = 60_000.0, 66_000.0, 0.65, MONTH
    with mp.workdps(45):
        h = mp.mpf("1e-12")

        def slope(move: Any) -> mp.mpf:
            return (exact_price(True, *move(+h)) - exact_price(True, *move(-h))) / (2 * h)

        delta = slope(lambda e: (f + e, k, sigma, t))
        vega = slope(lambda e: (f, k, sigma + e, t)) / 100
        theta = -slope(lambda e: (f, k, sigma, t + e)) / 365
    greeks = black76_greeks(True, f, k, sigma, t)
    assert float(greeks.delta) == pytest.approx(float(delta), rel=1e-12)
    assert float(greeks.vega) == pytest.approx(float(vega), rel=1e-12)
    assert float(greeks.theta) == pytest.approx(float(theta), rel=1e-12)
    e = 0.01
    up, down = (black76_greeks(True, f, k, sigma + x, t) for x in (e, -e))
    right, left = (black76_greeks(True, f + x, k, sigma, t) for x in (1.0, -1.0))
    assert float(greeks.gamma) == pytest.approx(float(right.delta - left.delta) / 2, rel=1e-6)
    assert float(greeks.vanna) == pytest.approx(float(up.delta - down.delta) / 2, rel=1e-3)
    assert float(greeks.volga) == pytest.approx(float(up.vega - down.vega) / 2, rel=1e-2)


def twin_greeks(columns: Columns) -> NDArray[np.float64]:
    """Return the twin's seven values, one row each."""
    rows = zip(*(c.tolist() for c in columns), strict=True)
    return np.array([twin.greeks(*row) for row in rows]).T


def test_VALU_015_kernels_equal_the_twin_on_random_input() -> None:
    columns = options(1200, seed=31)
    assert same_bits(np.array(black76_greeks(*columns)), twin_greeks(columns))
    prices = black76_price(*columns)
    assert same_bits(prices, black76_greeks(*columns).price)
    rows = zip(*(c.tolist() for c in columns), strict=True)
    assert same_bits(prices, [twin.price(*row) for row in rows])


def test_VALU_015_kernels_equal_the_twin_on_extreme_input() -> None:
    rng = np.random.default_rng(32)
    is_call, *columns = options(1500, seed=33)
    for column in columns:
        where = rng.random(1500) < 0.4
        column[where] = rng.choice(EXTREMES, int(where.sum()))
    mixed = (is_call, *columns)
    assert same_bits(np.array(black76_greeks(*mixed)), twin_greeks(mixed))  # type: ignore[arg-type]
    assert same_bits(black76_price(*mixed), black76_greeks(*mixed).price)  # type: ignore[arg-type]


@given(
    st.booleans(),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
)
@example(True, 100.0, 100.0, 0.5, 1.0)
@example(False, 100.0, 100.0, 48.0, 0.25)
@example(True, 2.0**-1000, 2.0**-1000, 1.0, 1.0)
def test_VALU_015_kernels_equal_the_twin_on_any_input(
    is_call: bool, f: float, k: float, sigma: float, t: float
) -> None:
    found = [float(value) for value in black76_greeks(is_call, f, k, sigma, t)]
    assert same_bits(found, twin.greeks(is_call, f, k, sigma, t))


def test_VALU_016_call_less_put_is_forward_less_strike() -> None:
    _, f, k, sigma, t = options(20_000, seed=41)
    call = black76_price(True, f, k, sigma, t)
    put = black76_price(False, f, k, sigma, t)
    assert (np.abs((call - put) - (f - k)) <= 2.0**-52 * np.maximum(f, k)).all()


def test_VALU_017_a_column_of_one_broadcasts_with_numbers_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        price = black76_price([True], 6e4, [6e4], 0.65, 0.1)
    assert price.shape == (1,)


def test_VALU_017_arguments_broadcast() -> None:
    strikes, years = np.array([54_000.0, 60_000.0, 66_000.0]), np.array([[0.1], [0.2]])
    ladder = black76_price(True, 60_000.0, strikes, 0.65, years)
    assert ladder.shape == (2, 3)
    assert ladder[1, 2] == black76_price(True, 60_000.0, 66_000.0, 0.65, 0.2)
    assert black76_price(True, 1.0, 1.0, 0.5, 1.0).shape == ()
    assert black76_price([], 1.0, 1.0, 0.5, 1.0).shape == (0,)
    greeks = black76_greeks(True, 60_000.0, strikes, 0.65, years)
    assert isinstance(greeks, Greeks)
    assert {value.shape for value in greeks} == {(2, 3)}
    backwards = black76_price(True, 60_000.0, strikes[::-1], 0.65, years)
    assert same_bits(backwards, ladder[:, ::-1].copy())


def test_VALU_017_result_array_is_filled_or_refused() -> None:
    out = np.zeros(3)
    result = black76_price(True, 100.0, [90.0, 100.0, 110.0], 0.5, 1.0, out=out)
    assert result is out
    assert (out > 0.0).all()
    for wrong in (np.zeros(2), np.zeros(3, np.float32), np.zeros(6)[::2]):
        with pytest.raises(InvariantError, match="shape"):
            black76_price(True, 100.0, [90.0, 100.0, 110.0], 0.5, 1.0, out=wrong)
