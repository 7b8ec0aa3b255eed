"""Bonds: price, continuous yield, duration; zero bonds between dates; the yearly credit default swap."""

from __future__ import annotations

from datetime import date
from math import exp, inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.models.risk_measures.bonds import (
    Payments,
    bond_payments,
    bond_value,
    zero_bond_price,
    zero_rates_at,
)
from steelyard.models.risk_measures.credit import annual_swap
from steelyard.quantities.errors import InputError
from tests.models.risk_measures import reference

RATES = st.lists(st.floats(-0.05, 0.25), min_size=1, max_size=40)


def test_RISK_040_flat_rate_is_the_yield() -> None:
    found = bond_value(bond_payments(1000, 0.045, 2, 5), (0.038,) * 10)
    assert found.price == pytest.approx(1029.9354038110594, rel=1e-14)
    assert found.yield_continuous == 0.038
    assert found.duration == pytest.approx(4.5411409184310285, rel=1e-14)
    assert found.rate_01 == pytest.approx(0.4677081805587186, rel=1e-14)


def test_RISK_041_yield_of_zero_rates() -> None:
    payments = bond_payments(100, 0.03, 1, 4)
    rates = zero_rates_at(payments.times, {"1": 0.02, "2": 0.025, "3": 0.028, "4": 0.03, "9": 0.5})
    found = bond_value(payments, rates)
    assert found.price == pytest.approx(99.905383043575, rel=1e-14)
    assert found.yield_continuous == pytest.approx(0.02980605347468037, rel=1e-13)
    assert found.duration == pytest.approx(3.8285190234067583, rel=1e-13)


@given(RATES, st.floats(0.0, 0.3), st.sampled_from([1, 2, 4, 12]))
def test_RISK_041_yield_gives_the_price(
    rates: list[float], coupon_rate: float, frequency: int
) -> None:
    payments = bond_payments(100, coupon_rate, frequency, len(rates) / frequency)
    found = bond_value(payments, tuple(rates))
    assert min(rates) <= found.yield_continuous <= max(rates)
    y = reference.mp.mpf(found.yield_continuous)
    pairs = list(zip(payments.times, payments.amounts, strict=True))
    parts = [amount * reference.mp.exp(-y * time) for time, amount in pairs]
    slack = 1e-14 * (1.0 + found.duration)
    assert float(sum(parts) / reference.mp.mpf(found.price) - 1) == pytest.approx(0.0, abs=slack)
    moment = sum(time * part for (time, _), part in zip(pairs, parts, strict=True))
    assert found.duration == pytest.approx(float(moment / sum(parts)), rel=1e-12)
    assert found.rate_01 == pytest.approx(found.duration * found.price * 1e-4, rel=1e-14)


@given(RATES, st.floats(1e-4, 0.05))
def test_RISK_042_price_falls_with_the_rate(rates: list[float], rise: float) -> None:
    payments = bond_payments(100, 0.04, 2, len(rates) / 2)
    low = bond_value(payments, tuple(rates))
    high = bond_value(payments, tuple(rate + rise for rate in rates))
    assert high.price < low.price
    assert high.yield_continuous > low.yield_continuous
    assert high.duration <= low.duration * (1 + 1e-12)


def test_RISK_043_edges_of_a_bond() -> None:
    zero = bond_value(bond_payments(100, 0.0, 0, 7.3), (0.05,))
    assert zero.price == pytest.approx(100 * exp(-0.365), rel=1e-15)
    assert (zero.yield_continuous, zero.duration) == (0.05, 7.3)
    no_coupon = bond_value(bond_payments(100, 0.0, 2, 3), (0.01, 0.02, 0.03, 0.04, 0.05, 0.06))
    assert no_coupon.yield_continuous == pytest.approx(0.06, rel=1e-14)
    assert no_coupon.duration == 3.0
    century = bond_value(
        bond_payments(100, 0.05, 12, 100), tuple(-0.01 + i / 20_000 for i in range(1200))
    )
    assert 0.0 < century.yield_continuous < 0.05
    negative = bond_value(bond_payments(100, 0.01, 1, 30), (-0.02,) * 30)
    assert negative.price > 100 * exp(0.6)
    assert bond_payments(100, 0.05, 4, 0.25) == Payments((0.25,), (101.25,))
    assert len(bond_payments(100, 0.05, 12, 7 / 12).times) == 7


def test_RISK_044_rounded_times_find_their_payment() -> None:
    times = bond_payments(100, 0.05, 12, 0.25).times
    assert zero_rates_at(times, {"0.083": 0.01, "0.1667": 0.02, "0.25": 0.03}) == (0.01, 0.02, 0.03)


def test_RISK_045_zero_bond_between_dates() -> None:
    price = zero_bond_price(100, date(2026, 3, 2), date(2027, 3, 1), 0.042)
    assert price == pytest.approx(95.84224124022427, rel=1e-15)
    assert zero_bond_price(100, date(2024, 2, 28), date(2024, 3, 1), -0.36) == pytest.approx(
        100 * exp(0.002), rel=1e-15
    )
    assert zero_bond_price(50, date(2026, 3, 2), date(2026, 3, 2), 0.5) == 50.0


def test_RISK_050_yearly_swap() -> None:
    found = annual_swap(0.035, 0.25, 0.03, 3)
    assert found.payments == pytest.approx(2.6347625407853545, rel=1e-14)
    assert found.payoff == pytest.approx(0.07275417023774317, rel=1e-14)
    assert found.accrual == pytest.approx(0.04850278015849544, rel=1e-14)
    assert found.fair_spread == pytest.approx(0.027114042606920276, rel=1e-14)
    assert annual_swap(0.0, 0.4, 0.05, 5).fair_spread == 0.0
    assert annual_swap(1.0, 0.4, 0.05, 5).fair_spread == pytest.approx(1.2, rel=1e-14)
    assert annual_swap(0.02, 1.0, 0.05, 5).payoff == 0.0


@given(st.floats(0.001, 0.9), st.floats(0.0, 0.9), st.floats(-0.02, 0.2), st.integers(1, 40))
def test_RISK_051_fair_spread_rises_with_the_default_probability(
    p: float, recovery: float, rate: float, years: int
) -> None:
    spread = annual_swap(p, recovery, rate, years).fair_spread
    assert annual_swap(p * 1.05, recovery, rate, years).fair_spread > spread
    # with no curve in it, the spread does not depend on the term: p(1 − R)·e^(r/2)/((1 − p) + p·e^(r/2)/2)
    half = exp(rate / 2)
    assert spread == pytest.approx(p * (1 - recovery) * half / (1 - p + p * half / 2), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: bond_payments(0.0, 0.05, 2, 1), "face"),
        (lambda: bond_payments(100, -0.05, 2, 1), "coupon_rate"),
        (lambda: bond_payments(100, 0.05, 1.5, 1), "coupon_frequency"),
        (lambda: bond_payments(100, 0.05, -1, 1), "coupon_frequency"),
        (lambda: bond_payments(100, 0.05, 2, 1.3), "time_to_maturity"),
        (lambda: bond_payments(100, 0.05, 2, 0.0), "time_to_maturity"),
        (lambda: bond_payments(100, 0.05, 2, 1e9), "time_to_maturity"),
        (lambda: bond_payments(100, 0.05, 2, inf), "time_to_maturity"),
        (lambda: zero_rates_at((1.0, 2.0), {"1": 0.02}), "zero_rates"),
        (lambda: zero_rates_at((1.0,), {}), "zero_rates"),
        (lambda: zero_rates_at((1.0,), {"one": 0.02}), "zero_rates.one"),
        (lambda: zero_rates_at((1.0,), {"nan": 0.02}), "zero_rates.nan"),
        (lambda: zero_rates_at((1.0,), {"1": 0.02, "1.0": 0.03}), "zero_rates.1.0"),
        (lambda: zero_rates_at((1.0,), {"1": nan}), "zero_rates.1"),
        (lambda: bond_value(Payments((1.0,), (1.0,)), (nan,)), "rate"),
        (lambda: zero_bond_price(100, date(2026, 3, 2), date(2026, 3, 1), 0.01), "payment_date"),
        (lambda: zero_bond_price(0, date(2026, 3, 2), date(2026, 3, 3), 0.01), "redemption"),
        (lambda: annual_swap(1.1, 0.4, 0.05, 5), "default_probability"),
        (lambda: annual_swap(0.1, 1.4, 0.05, 5), "recovery"),
        (lambda: annual_swap(0.1, 0.4, nan, 5), "rate"),
        (lambda: annual_swap(0.1, 0.4, 0.05, 2.5), "time_to_maturity"),
        (lambda: annual_swap(0.1, 0.4, 0.05, 0), "time_to_maturity"),
    ],
)
def test_RISK_046_faulty_bond_or_swap_is_named(call: Any, field: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert (raised.value.code, raised.value.where["field"]) == ("RISK-E01", field)


def test_RISK_046_premiums_without_value_have_no_spread() -> None:
    with pytest.raises(InputError, match="RISK-E02"):
        annual_swap(0.0, 0.4, 1e4, 5)
