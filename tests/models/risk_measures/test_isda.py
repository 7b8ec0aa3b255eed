"""The ISDA standard model: dates, curve, integrals, hazard rate, upfront; beside QuantLib where it is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.models.risk_measures.business_days import (
    modified_following,
    plus_business_days,
    plus_months,
    thirty_360_days,
)
from steelyard.models.risk_measures.isda import (
    clean_value,
    coupon_dates,
    credit_swap,
    hazard_rate_of,
    premium_value,
    protection_value,
    upfront,
)
from steelyard.models.risk_measures.rate_curve import RateCurve, fit_rate_curve
from steelyard.quantities.errors import InputError
from tests.models.risk_measures import reference

TRADE = date(2009, 5, 21)
DEPOSITS = (
    (1, 0.003081), (2, 0.005525), (3, 0.007163), (6, 0.012413), (9, 0.014), (12, 0.015488),
)  # fmt: skip
SWAPS = (
    (2, 0.011907),
    (3, 0.01699),
    (4, 0.021198),
    (5, 0.02444),
    (7, 0.028967),
    (10, 0.03279),
    (30, 0.037605),
)
TERMS = {"quoted_spread": 0.03, "running_coupon": 0.05, "recovery": 0.25, "notional": 1e7}


def curve_at(trade: date = TRADE) -> RateCurve:
    return fit_rate_curve(trade, DEPOSITS, SWAPS)


def test_RISK_060_dates() -> None:
    assert plus_business_days(date(2009, 5, 21), 2) == date(2009, 5, 25)
    assert plus_business_days(date(2009, 5, 23), 1) == date(2009, 5, 25)
    assert modified_following(date(2009, 5, 31)) == date(2009, 5, 29)
    assert modified_following(date(2009, 6, 20)) == date(2009, 6, 22)
    assert plus_months(date(2008, 2, 29), 12) == date(2009, 2, 28)
    assert plus_months(date(2008, 12, 31), 2) == date(2009, 2, 28)
    assert thirty_360_days(date(2009, 5, 31), date(2009, 8, 31)) == 90
    assert thirty_360_days(date(2009, 2, 28), date(2009, 3, 31)) == 33


@pytest.mark.parametrize("trade", [TRADE, date(2009, 6, 18), date(2024, 8, 29), date(2009, 6, 20)])
def test_RISK_061_every_quote_is_worth_nothing_on_its_curve(trade: date) -> None:
    curve = curve_at(trade)
    spot = plus_business_days(trade, 2)
    for months, rate in DEPOSITS:
        end = modified_following(plus_months(spot, months))
        growth = curve.discount(spot) / curve.discount(end)
        assert growth == pytest.approx(1 + rate * (end - spot).days / 360, rel=1e-14)
    for years, rate in SWAPS:
        dates = [
            spot,
            *(modified_following(plus_months(spot, 6 * i)) for i in range(1, 2 * years + 1)),
        ]
        fixed = sum(
            rate * thirty_360_days(a, b) / 360 * curve.discount(b) for a, b in pairwise(dates)
        )
        assert fixed == pytest.approx(curve.discount(spot) - curve.discount(dates[-1]), rel=1e-12)
    assert curve.discount(trade) == 1.0
    assert len(curve.days) == 1 + len(DEPOSITS) + len(SWAPS)


def test_RISK_061_curve_of_swaps_or_deposits_alone() -> None:
    swaps = fit_rate_curve(TRADE, (), ((2, 0.02), (0.5, 0.01)))
    assert swaps.discount(date(2009, 11, 25)) == pytest.approx(
        swaps.discount(date(2009, 5, 25)) / 1.005, rel=1e-13
    )
    negative = fit_rate_curve(TRADE, ((3, -0.005),), ((5, -0.002),))
    assert negative.discount(date(2014, 5, 26)) > 1.0
    # after the last node the last piece goes on
    slope = swaps.logs[2] - swaps.logs[1]
    days = swaps.days[2] - swaps.days[1]
    assert swaps.log_discount(swaps.days[2] + days) == pytest.approx(
        swaps.logs[2] + slope, rel=1e-13
    )


@pytest.mark.parametrize(
    ("trade", "maturity", "first"),
    [
        (TRADE, date(2009, 9, 20), ["2009-03-20", "2009-06-22", "2009-09-20"]),
        (date(2009, 6, 20), date(2009, 9, 20), ["2009-03-20", "2009-06-22", "2009-09-20"]),
        (date(2009, 6, 21), date(2009, 9, 20), ["2009-06-22", "2009-09-20"]),
        (date(2009, 6, 22), date(2009, 9, 20), ["2009-06-22", "2009-09-20"]),
        (date(2009, 3, 19), date(2009, 6, 20), ["2009-03-20", "2009-06-20"]),
        (date(2009, 3, 18), date(2009, 6, 20), ["2008-12-22", "2009-03-20", "2009-06-20"]),
        (date(2024, 2, 29), date(2024, 3, 5), ["2023-12-20", "2024-03-05"]),
    ],
)
def test_RISK_062_coupon_dates(trade: date, maturity: date, first: list[str]) -> None:
    assert [day.isoformat() for day in coupon_dates(trade, maturity)] == first


@pytest.mark.parametrize(
    ("trade", "maturity", "changes"),
    [
        (TRADE, date(2011, 6, 20), {"quoted_spread": 0.1, "running_coupon": 0.01, "recovery": 0.4}),
        (
            TRADE,
            date(2010, 6, 20),
            {"quoted_spread": 0.001, "running_coupon": 0.01, "recovery": 0.2},
        ),
        (date(2009, 6, 18), date(2012, 9, 20), {}),
        (date(2009, 6, 20), date(2010, 3, 20), {}),
        (date(2009, 6, 21), date(2009, 12, 20), {"quoted_spread": 0.8}),
        (date(2024, 2, 29), date(2024, 3, 5), {"recovery": 0.0}),
        (date(2009, 6, 18), date(2009, 6, 20), {}),
    ],
)
def test_RISK_063_upfront_is_the_quadrature_of_its_definition(
    trade: date, maturity: date, changes: dict[str, float]
) -> None:
    terms = TERMS | changes
    curve = curve_at(trade)
    exact = float(reference.isda_upfront(curve.log_discount, trade, maturity, terms))
    names = ("quoted_spread", "running_coupon", "recovery", "notional")
    found = upfront(curve, maturity, *(terms[name] for name in names))
    assert found == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(
    ("maturity", "spread", "coupon", "recovery"),
    [(date(2011, 6, 20), 0.1, 0.01, 0.4), (date(2019, 6, 20), 0.001, 0.01, 0.4),
     (date(2014, 9, 20), 0.03, 0.05, 0.25), (date(2009, 12, 20), 0.02, 0.01, 0.4)],
)  # fmt: skip
@pytest.mark.parametrize("trade", [TRADE, date(2009, 6, 18), date(2009, 6, 19)])
def test_RISK_064_curve_and_upfront_beside_quantlib(
    trade: date, maturity: date, spread: float, coupon: float, recovery: float
) -> None:
    ql = pytest.importorskip("QuantLib")
    curve = curve_at(trade)
    peer = quantlib_curve(ql, trade)
    for node in curve.days[1:]:
        day = date.fromordinal(trade.toordinal() + node)
        assert curve.discount(day) == pytest.approx(
            peer.discount(quantlib_date(ql, day)), rel=1e-12
        )
    wanted = quantlib_upfront(ql, trade, maturity, spread, coupon, recovery, peer)
    # Its premium leg differs by up to 1e-7 where a node of the curve falls on a coupon date; a swap of a single
    # coupon is left out, since there it does not count the last day.
    assert upfront(curve, maturity, spread, coupon, recovery, 1e7) == pytest.approx(
        wanted, rel=1e-6
    )


def quantlib_date(ql: Any, day: date) -> Any:
    return ql.Date(day.day, day.month, day.year)


def quantlib_curve(ql: Any, trade: date) -> Any:
    day = quantlib_date(ql, trade)
    ql.Settings.instance().evaluationDate = day
    weekends, follow = ql.WeekendsOnly(), ql.ModifiedFollowing

    def quote(rate: float) -> Any:
        return ql.QuoteHandle(ql.SimpleQuote(rate))

    helpers = [
        ql.DepositRateHelper(
            quote(rate), ql.Period(months, ql.Months), 2, weekends, follow, False, ql.Actual360()
        )
        for months, rate in DEPOSITS
    ]
    index = ql.IborIndex(
        "index",
        ql.Period(3, ql.Months),
        2,
        ql.USDCurrency(),
        weekends,
        follow,
        False,
        ql.Actual360(),
    )
    bond_basis = ql.Thirty360(ql.Thirty360.BondBasis)
    helpers += [
        ql.SwapRateHelper(
            quote(rate),
            ql.Period(years, ql.Years),
            weekends,
            ql.Semiannual,
            follow,
            bond_basis,
            index,
        )
        for years, rate in SWAPS
    ]
    curve = ql.PiecewiseLogLinearDiscount(day, helpers, ql.Actual365Fixed())
    curve.enableExtrapolation()
    return curve


def quantlib_upfront(
    ql: Any, trade: date, maturity: date, spread: float, coupon: float, recovery: float, curve: Any
) -> float:
    day, end = quantlib_date(ql, trade), quantlib_date(ql, maturity)
    weekends = ql.WeekendsOnly()
    schedule = ql.Schedule(
        day, end, ql.Period(3, ql.Months), weekends, ql.Following, ql.Unadjusted,
        ql.DateGeneration.CDS, False,
    )  # fmt: skip
    handle = ql.YieldTermStructureHandle(curve)

    def swap(rate: float) -> Any:
        return ql.CreditDefaultSwap(
            ql.Protection.Buyer, 1e7, 0.0, rate, schedule, ql.Following, ql.Actual360(), True, True,
            day + 1, weekends.advance(day, 3, ql.Days), ql.FaceValueClaim(), ql.Actual360(True), True, day,
        )  # fmt: skip

    hazard = swap(spread).impliedHazardRate(
        0.0, handle, ql.Actual365Fixed(), recovery, 1e-13, ql.CreditDefaultSwap.ISDA
    )
    flat = ql.FlatHazardRate(day, ql.QuoteHandle(ql.SimpleQuote(hazard)), ql.Actual365Fixed())
    valued = swap(coupon)
    engine = ql.IsdaCdsEngine(ql.DefaultProbabilityTermStructureHandle(flat), recovery, handle)
    valued.setPricingEngine(engine)
    return float(valued.fairUpfront() * 1e7)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 0.6), st.floats(1e-4, 0.1), st.floats(0.0, 0.9), st.integers(1, 40))
def test_RISK_065_upfront_rises_with_the_spread(
    spread: float, rise: float, recovery: float, quarters: int
) -> None:
    maturity = plus_months(date(2009, 6, 20), 3 * quarters)
    low, high = (
        upfront(curve_at(), maturity, s, 0.01, recovery, 1e7) for s in (spread, spread + rise)
    )
    assert low < high
    assert upfront(curve_at(), maturity, spread, spread, recovery, 1e7) == pytest.approx(
        0.0, abs=1e-6
    )


def test_RISK_065_no_spread_is_no_default() -> None:
    swap = credit_swap(curve_at(), date(2014, 6, 20), 0.4)
    assert hazard_rate_of(swap, 0.0) == 0.0
    assert protection_value(swap, 0.0) == 0.0
    for spread in (1e-12, 0.01, 1.0, 50.0):
        hazard = hazard_rate_of(swap, spread)
        assert clean_value(swap, hazard, spread) == pytest.approx(0.0, abs=1e-14 * max(spread, 1.0))
    assert upfront(curve_at(), date(2014, 6, 20), 0.02, 0.01, 0.4, 0.0) == 0.0


@pytest.mark.parametrize("rate", [0.0, 1e-14, -1e-14, 1e-9, -0.01])
def test_RISK_066_integrals_hold_where_rates_and_hazard_cancel(rate: float) -> None:
    # hazard and rate of opposite sign, so that w is 0 or next to it on every piece
    days = (0, 30, 365, 4000)
    curve = RateCurve(TRADE, days, tuple(-rate * day / 365 for day in days))
    swap = credit_swap(curve, date(2014, 6, 20), 0.4)
    for hazard in (abs(rate), abs(rate) * (1 + 1e-9), 1e-13):
        split = replace(swap, pieces=tuple(each for piece in swap.pieces for each in halves(piece)))
        coupons = tuple(
            replace(each, pieces=tuple(half for piece in each.pieces for half in halves(piece)))
            for each in swap.coupons
        )
        assert protection_value(split, hazard) == pytest.approx(
            protection_value(swap, hazard), rel=1e-13
        )
        assert premium_value(replace(swap, coupons=coupons), hazard) == pytest.approx(
            premium_value(swap, hazard), rel=1e-13
        )
        term = (date(2014, 6, 20) - TRADE).days / 365
        if hazard == -rate:
            assert protection_value(swap, hazard) == pytest.approx(0.6 * hazard * term, rel=1e-12)


def halves(piece: tuple[int, int, float, float]) -> list[tuple[int, int, float, float]]:
    start, end, log_start, fall = piece
    middle = (start + end) // 2
    if middle == start:
        return [piece]
    share = (middle - start) / (end - start)
    rest = (middle, end, log_start - fall * share, fall * (1 - share))
    return [(start, middle, log_start, fall * share), rest]


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        (lambda: fit_rate_curve(TRADE, (), ()), "RISK-E01", "deposits_months"),
        (lambda: fit_rate_curve(TRADE, ((12, 0.01),), ((1, 0.01),)), "RISK-E01", "swaps_years[0]"),
        (lambda: fit_rate_curve(TRADE, ((1.5, 0.01),), ()), "RISK-E01", "deposits_months[0][0]"),
        (lambda: fit_rate_curve(TRADE, (), ((1, 0.01), (2.3, 0.01))), "RISK-E01", "swaps_years[1][0]"),
        (lambda: fit_rate_curve(TRADE, ((1, -13.0),), ()), "RISK-E02", "deposits_months[0]"),
        (lambda: fit_rate_curve(date(1600, 1, 1), DEPOSITS, ()), "RISK-E01", "trade_date"),
        (lambda: credit_swap(curve_at(), TRADE, 0.4), "RISK-E01", "maturity_date"),
        (lambda: credit_swap(curve_at(), date(2209, 5, 21), 0.4), "RISK-E01", "maturity_date"),
        (lambda: credit_swap(curve_at(), date(2011, 6, 20), 1.0), "RISK-E01", "recovery"),
        (lambda: upfront(curve_at(), date(2011, 6, 20), -0.01, 0.01, 0.4, 1.0), "RISK-E01", "quoted_spread"),
        (lambda: upfront(curve_at(), date(2011, 6, 20), 0.01, -0.01, 0.4, 1.0), "RISK-E01", "running_coupon"),
        (lambda: upfront(curve_at(), date(2011, 6, 20), 0.01, 0.01, 0.4, -1.0), "RISK-E01", "notional"),
        (lambda: upfront(curve_at(), date(2011, 6, 20), 1e9, 0.01, 0.4, 1.0), "RISK-E02", "quoted_spread"),
    ],
)  # fmt: skip
def test_RISK_067_faulty_swap_or_curve_is_named(call: Any, code: str, field: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert (raised.value.code, raised.value.where["field"]) == (code, field)
