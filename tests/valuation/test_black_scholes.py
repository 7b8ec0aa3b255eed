"""Black-Scholes-Merton and discounted Black-76: references, exact derivatives, edges, the twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from steelyard.valuation import black_scholes_twin as twin
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.black_scholes import BlackScholes, black76_discounted, black_scholes
from steelyard.valuation.greeks import black76_greeks

NAN, INF = float("nan"), float("inf")
EXTREMES = [0.0, -1.0, 5e-324, 2.0**-1001, 1e-300, 1e-18, 1.0, 24.0, 700.0, 1e300, INF, -INF, NAN]

# Published: option, field, value, half a unit of its last place. Haug, The complete guide to option
# pricing formulas, 2007, chapters 1 and 2; Hull, Options, futures and other derivatives.
PUBLISHED: list[tuple[tuple[Any, ...], str, float]] = [
    ((True, 60, 65, 0.08, 0.0, 0.3, 0.25), "price", 2.1334),
    ((False, 100, 95, 0.1, 0.05, 0.2, 0.5), "price", 2.4648),
    ((True, 110, 100, 0.1, 0.1, 0.35, 0.1), "price", 11.1381),
    ((False, 90, 100, 0.1, 0.1, 0.35, 0.5), "price", 14.4452),
    ((False, 105, 100, 0.1, 0.1, 0.36, 0.5), "delta", -0.3566),
    ((False, 105, 100, 0.1, 0.1, 0.36, 0.5), "elasticity", -4.8775),
    ((False, 55, 60, 0.1, 0.0, 0.3, 0.75), "gamma", 0.0278),
    ((False, 55, 60, 0.1, 0.0, 0.3, 0.75), "vega", 18.9358),
    ((False, 430, 405, 0.07, 0.05, 0.2, 1 / 12), "theta", -31.1924),
    ((True, 72, 75, 0.09, 0.0, 0.19, 1.0), "rho", 38.7325),
    ((False, 500, 490, 0.08, 0.05, 0.15, 0.25), "dividend_rho", 42.2254),
]
Columns = tuple[NDArray[Any], ...]


def options(count: int, seed: int) -> Columns:
    """Return random options: near and far strikes, hours to years, rates of either sign."""
    rng = np.random.default_rng(seed)
    time_years = np.exp(rng.uniform(-7.0, 1.0, count))
    volatility = np.exp(rng.normal(-0.7, 0.6, count))
    spot = np.exp(rng.uniform(0.0, 11.0, count))
    strike = spot * np.exp(rng.normal(0.0, 2.0, count) * volatility * np.sqrt(time_years))
    rate, dividend = rng.uniform(-0.1, 0.2, (2, count))
    return rng.random(count) < 0.5, spot, strike, rate, dividend, volatility, time_years


def exact_price(is_call: bool, *values: Any) -> mp.mpf:
    """Return the price from its textbook formula at the working precision."""
    spot, strike, r, q, sigma, t = (mp.mpf(value) for value in values)
    s = sigma * mp.sqrt(t)
    d1 = (mp.log(spot / strike) + (r - q) * t) / s + s / 2
    side = 1 if is_call else -1
    stock = spot * mp.exp(-q * t) * mp.ncdf(side * d1)
    return side * (stock - strike * mp.exp(-r * t) * mp.ncdf(side * (d1 - s)))


def exact_values(is_call: bool, *values: Any) -> BlackScholes:
    """Return all raw values from textbook formulas at the working precision."""
    spot, strike, r, q, sigma, t = (mp.mpf(value) for value in values)
    root = mp.sqrt(t)
    d1 = (mp.log(spot / strike) + (r - q) * t) / (sigma * root) + sigma * root / 2
    d2 = d1 - sigma * root
    side = 1 if is_call else -1
    paid, held = strike * mp.exp(-r * t), mp.exp(-q * t)
    stock, cash = side * mp.ncdf(side * d1), side * paid * mp.ncdf(side * d2)
    price, density = exact_price(is_call, *values), held * mp.npdf(d1)
    vega = spot * density * root
    return BlackScholes(
        price,
        held * stock,
        density / (spot * sigma * root),
        vega,
        -spot * density * sigma / (2 * root) - r * cash + q * spot * held * stock,
        t * cash,
        -t * spot * held * stock,
        -density * d2 / sigma,
        vega * d1 * d2 / sigma,
        held * stock * spot / price,
    )


def same_bits(found: Any, expected: Any) -> bool:
    """Return whether two arrays have the same bits, any NaN being the same."""
    left, right = np.asarray(found, float), np.ascontiguousarray(expected, float)
    equal = left.view(np.int64) == right.view(np.int64)
    return bool((equal | (np.isnan(left) & np.isnan(right))).all())


@pytest.mark.parametrize(("option", "field", "value"), PUBLISHED)
def test_VALU_060_published_values_to_their_last_digit(
    option: tuple[Any, ...], field: str, value: float
) -> None:
    found = getattr(black_scholes(*option, raw=True), field)
    assert float(found) == pytest.approx(value, abs=0.6e-4)


def test_VALU_060_discounted_black_76_worked_numbers() -> None:
    put = black76_discounted(False, 60_000, 55_000, 0.04, 0.7, 0.25, raw=True)
    expected = [5673.789266582768, -0.3325848098975536, 1.7194235142335977e-05]
    expected += [10832.368139671666, -14938.36382487702]
    assert [float(value) for value in put[:5]] == pytest.approx(expected, rel=1e-14)
    assert float(put.rho) == pytest.approx(-0.25 * 5673.789266582768, rel=1e-14)


def test_VALU_061_values_are_exact_to_the_stated_digits() -> None:
    columns = options(700, 61)
    found = black_scholes(*columns, raw=True)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    with mp.workdps(45):
        for i, (is_call, *values) in enumerate(rows):
            spot, strike, r, q, sigma, t = values
            exact = exact_values(is_call, *values)
            stock, cash = spot * np.exp(-q * t), strike * np.exp(-r * t)
            assert abs(found.price[i] - exact.price) <= 4e-15 * max(stock, cash)
            # Beyond ten deviations the error of d, times d, is what a tail can keep.
            s = sigma * t**0.5
            d = abs(np.log(stock / cash) / s) + s
            loss = 1e-14 * (1.0 + d * d + d * abs(np.log(spot / strike)) / s + d / s)
            for name in ("delta", "gamma", "vega", "rho", "dividend_rho"):
                value, truth = getattr(found, name)[i], getattr(exact, name)
                assert abs(value - truth) <= loss * abs(truth), name
            scale = abs(exact.vega) * sigma / t + (abs(r) + abs(q)) * (stock + cash)
            assert abs(found.theta[i] - exact.theta) <= loss * scale
            for name, unit in (("vanna", exact.vega / (spot * s)), ("volga", exact.vega / sigma)):
                size = unit * (1.0 + d * d)
                assert abs(getattr(found, name)[i] - getattr(exact, name)) <= loss * size, name


def test_VALU_061_formulas_are_the_derivatives_of_the_price() -> None:
    option = (105.0, 100.0, 0.07, 0.03, 0.36, 0.5)
    orders = {
        "delta": (1, 0, 0, 0, 0, 0), "gamma": (2, 0, 0, 0, 0, 0), "vega": (0, 0, 0, 0, 1, 0),
        "rho": (0, 0, 1, 0, 0, 0), "dividend_rho": (0, 0, 0, 1, 0, 0),
        "vanna": (1, 0, 0, 0, 1, 0), "volga": (0, 0, 0, 0, 2, 0), "theta": (0, 0, 0, 0, 0, 1),
    }  # fmt: skip
    with mp.workdps(40):
        for is_call in (True, False):
            found = black_scholes(is_call, *option, raw=True)
            for name, order in orders.items():
                slope = mp.diff(lambda *v, c=is_call: exact_price(c, *v), option, order)
                expected = float(-slope if name == "theta" else slope)
                assert float(getattr(found, name)) == pytest.approx(expected, rel=1e-12), name


def test_VALU_061_far_options_keep_their_digits() -> None:
    found = black_scholes(False, 100.0, 20.0, 0.05, 0.01, 0.2, 0.5, raw=True)
    with mp.workdps(45):
        exact = exact_values(False, 100.0, 20.0, 0.05, 0.01, 0.2, 0.5)
    assert -1e-29 < float(found.delta) < -1e-31
    for name in ("price", "delta", "rho", "dividend_rho", "elasticity"):
        value = float(getattr(found, name))
        assert value == pytest.approx(float(getattr(exact, name)), rel=1e-11), name


def test_VALU_062_units_are_points_and_days_unless_raw() -> None:
    columns = options(200, 62)
    market, raw = black_scholes(*columns), black_scholes(*columns, raw=True)
    per = {"vega": 100, "rho": 100, "dividend_rho": 100, "vanna": 100, "volga": 1e4, "theta": 365}
    for name in BlackScholes._fields:
        expected = getattr(raw, name) / per.get(name, 1)
        np.testing.assert_allclose(getattr(market, name), expected, rtol=1e-15)


def test_VALU_063_without_rates_it_is_black_76() -> None:
    is_call, f, k, _, _, sigma, t = options(500, 63)
    for found in (
        black_scholes(is_call, f, k, 0.0, 0.0, sigma, t),
        black76_discounted(is_call, f, k, 0.0, sigma, t),
    ):
        black = black76_greeks(is_call, f, k, sigma, t)
        assert same_bits(found.price, black.price)
        for name in ("delta", "gamma", "vega", "theta", "vanna", "volga"):
            value, expected = getattr(found, name), getattr(black, name)
            np.testing.assert_allclose(value, expected, rtol=1e-14, atol=2e-16)


def test_VALU_063_discounting_is_one_factor_and_rho_is_minus_time_times_price() -> None:
    is_call, f, k, r, _, sigma, t = options(500, 64)
    found = black76_discounted(is_call, f, k, r, sigma, t, raw=True)
    discount = np.exp(-r * t)
    np.testing.assert_allclose(
        found.price, discount * black76_price(is_call, f, k, sigma, t), rtol=1e-15
    )
    assert same_bits(found.rho, found.price * -t + 0.0)
    undiscounted = black76_discounted(is_call, f, k, 0.0, sigma, t, raw=True).theta
    expected = discount * undiscounted + r * found.price
    np.testing.assert_allclose(found.theta, expected, rtol=1e-12, atol=1e-15 * f.max())


def test_VALU_064_call_less_put_is_the_discounted_forward() -> None:
    _, spot, strike, r, q, sigma, t = options(2000, 65)
    call, put = (black_scholes(c, spot, strike, r, q, sigma, t, raw=True) for c in (True, False))
    stock, cash = spot * np.exp(-q * t), strike * np.exp(-r * t)
    scale = np.maximum(stock, cash)
    assert (np.abs(call.price - put.price - (stock - cash)) <= 4e-15 * scale).all()
    assert (np.abs(call.delta - put.delta - np.exp(-q * t)) <= 2e-15).all()
    assert (np.abs(call.rho - put.rho - t * cash) <= 4e-15 * scale * np.maximum(t, 1.0)).all()
    assert same_bits(call.gamma, put.gamma)
    assert same_bits(call.vega, put.vega)


@pytest.mark.parametrize(
    ("option", "price", "delta", "rho"),
    [
        ((110.0, 100.0, 0.0, 0.0, 0.5, 0.0), (10.0, 0.0), (1.0, 0.0), (0.0, 0.0)),
        ((110.0, 100.0, 0.0, 0.0, 0.5, -2.0), (10.0, 0.0), (1.0, 0.0), (0.0, 0.0)),
        ((100.0, 100.0, 0.0, 0.0, 0.0, 1.0), (0.0, 0.0), (0.5, -0.5), (50.0, -50.0)),
        ((90.0, 100.0, 0.0, 0.0, 0.0, 2.0), (0.0, 10.0), (0.0, -1.0), (0.0, -200.0)),
        ((0.0, 100.0, 0.0, 0.0, 0.5, 1.0), (0.0, 100.0), (0.0, -1.0), (0.0, -100.0)),
        ((-5.0, 100.0, 0.0, 0.0, 0.5, 1.0), (0.0, 100.0), (0.0, -1.0), (0.0, -100.0)),
        ((100.0, 0.0, 0.0, 0.0, 0.5, 1.0), (100.0, 0.0), (1.0, 0.0), (0.0, 0.0)),
        ((90.0, 100.0, 0.0, 0.0, 30.0, 1.0), (90.0, 100.0), (1.0, 0.0), (0.0, -100.0)),
    ],
)
def test_VALU_065_edges_have_their_values(
    option: tuple[float, ...],
    price: tuple[float, float],
    delta: tuple[float, float],
    rho: tuple[float, float],
) -> None:
    found = black_scholes([True, False], *option, raw=True)
    assert tuple(found.price) == price
    assert tuple(found.delta) == delta
    assert tuple(found.rho) == rho
    assert not found.gamma.any()
    assert not found.vega.any()
    assert (np.isnan(found.elasticity) == (found.price == 0.0)).all()


def test_VALU_065_without_volatility_the_forward_decides() -> None:
    # Out of the money on the spot, in the money on the forward: 100·e^0.2 against 110.
    call = black_scholes(True, 100.0, 110.0, 0.2, 0.0, 0.0, 1.0, raw=True)
    assert float(call.price) == pytest.approx(100.0 - 110.0 * np.exp(-0.2), rel=1e-14)
    assert float(call.delta) == pytest.approx(1.0, rel=1e-15)
    assert float(call.theta) == pytest.approx(-0.2 * 110.0 * np.exp(-0.2), rel=1e-15)


@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_VALU_066_bad_input_is_nan_in_its_own_place_only(column: int, bad: float) -> None:
    columns = [np.full(11, value) for value in (100.0, 90.0, 0.05, 0.01, 0.4, 0.5)]
    columns[column][7] = bad
    found = [*black_scholes(True, *columns)]
    if column != 3:
        found += black76_discounted(True, *columns[:3], *columns[4:])
    for values in found:
        assert np.isnan(values[7])
        assert len(set(np.delete(values, 7).tolist())) == 1
        assert np.isfinite(np.delete(values, 7)).all()


def test_VALU_066_factors_out_of_range_are_nan_and_arguments_broadcast() -> None:
    assert np.isnan(black_scholes(True, 100.0, 90.0, 900.0, 0.0, 0.4, 1.0)).all()
    assert np.isnan(black_scholes(True, 100.0, 90.0, -900.0, 0.0, 0.4, 1.0)).all()
    ladder = black_scholes([True, False], 100.0, [[90.0], [100.0], [110.0]], 0.05, 0.0, 0.4, 0.5)
    assert {values.shape for values in ladder} == {(3, 2)}
    forward = black76_discounted([True, False], 100.0, [[90.0], [110.0]], 0.05, 0.4, 0.5)
    assert {values.shape for values in forward} == {(2, 2)}
    assert black_scholes(True, 100.0, 90.0, 0.05, 0.0, 0.4, 0.5).price.shape == ()


def twin_values(columns: Columns) -> NDArray[np.float64]:
    """Return the twin's ten values, one row each."""
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return np.array([twin.black_scholes(*row) for row in rows]).T


def test_VALU_067_the_kernel_equals_its_twin_on_random_and_extreme_input() -> None:
    columns = options(900, 67)
    assert same_bits(np.array(black_scholes(*columns, raw=True)), twin_values(columns))
    rng = np.random.default_rng(68)
    is_call, *others = options(900, 68)
    for column in others:
        where = rng.random(900) < 0.3
        column[where] = rng.choice(EXTREMES, int(where.sum()))
    mixed = (is_call, *others)
    assert same_bits(np.array(black_scholes(*mixed, raw=True)), twin_values(mixed))


@given(st.booleans(), st.tuples(*[st.floats(allow_nan=True)] * 6))
@example(True, (100.0, 100.0, 0.0, 0.0, 0.5, 1.0))
@example(False, (100.0, 100.0, 0.1, -0.1, 48.0, 0.25))
@example(True, (1e-300, 1e290, 700.0, 0.0, 1.0, 1.0))
def test_VALU_067_the_kernel_equals_its_twin_on_any_input(
    is_call: bool, values: tuple[float, ...]
) -> None:
    found = [float(value) for value in black_scholes(is_call, *values, raw=True)]
    assert same_bits(found, twin.black_scholes(is_call, *values))


@pytest.mark.parametrize("piece", [1, 3, 8, 17])
def test_VALU_020_any_split_of_black_scholes_gives_the_same_bits(piece: int) -> None:
    columns = options(211, 69)
    whole = black_scholes(*columns)
    parts = [
        black_scholes(*(column[first : first + piece] for column in columns))
        for first in range(0, 211, piece)
    ]
    for number, values in enumerate(whole):
        assert same_bits(np.concatenate([part[number] for part in parts]), values)


CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize("family", ["bsm", "black76"])
def test_VALU_060_open_cases(family: str) -> None:
    for line in (CASES / f"{family}.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        option, given_tolerance = case["option"], case["tolerance"]
        head = (option["type"] == "call", option.get("spot", option.get("forward")))
        tail = (option["volatility"], option["time_to_expiry"])
        rates = [option.get("rate", 0.0)]
        if family == "bsm":
            rates.append(option.get("dividend_yield", 0.0))
        function: Any = black_scholes if family == "bsm" else black76_discounted
        found = function(*head, option["strike"], *rates, *tail, raw=True)._asdict()
        found["theta_per_day"] = found["theta"] / 365
        found["price_coin"] = found["price"] / head[1]
        for name, value in case["expect"].items():
            room = max(
                given_tolerance.get("absolute", 0.0),
                given_tolerance.get("relative", 0) * abs(value),
            )
            assert abs(float(found[name]) - value) <= room, (case["case"], name)
