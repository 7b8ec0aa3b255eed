"""What a book is worth at settlement, and its maximum loss, with the worked numbers."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

from steelyard.margin.strategies import (
    Leg,
    bound_by_expiry,
    defined_risk_cap,
    maximum_loss,
    maximum_loss_from_mark,
    payoff_at_expiry,
    payoff_in_coins,
)
from steelyard.margin.strategies.payoff import maximum_loss_exact
from steelyard.quantities import InputError, TermsError
from tests.margin.strategies.books import FAR, coin, future, option, perpetual

CALL_SPREAD = [option(60_000, "C", 1, 2_900), option(65_000, "C", -1, 1_700)]


def test_STRT_001_worked_payoffs() -> None:
    assert payoff_at_expiry(CALL_SPREAD, [50_000, 62_500, 80_000]).tolist() == [0, 2_500, 5_000]
    covered = [coin(1), option(65_000, "C", -1)]
    assert payoff_at_expiry(covered, [[50_000], [80_000]]).tolist() == [[50_000], [65_000]]
    twice = [coin(0.1), perpetual(0.2)]
    assert payoff_at_expiry(twice, 1.0).tolist() == 0.3
    assert payoff_at_expiry([], [1.0, 0.0]).tolist() == [0.0, 0.0]


def test_STRT_001_legs_that_do_not_settle_together_are_refused() -> None:
    calendar = [option(60_000, "C", -1), option(60_000, "C", 1, expiry=FAR)]
    with pytest.raises(TermsError, match="TERM-E46"):
        payoff_at_expiry(calendar, 1.0)
    with pytest.raises(TermsError, match="TERM-E46"):
        payoff_at_expiry([coin(1), coin(1, underlying="ETH")], 1.0)
    with pytest.raises(InputError, match="TICK-E03"):
        payoff_at_expiry(CALL_SPREAD, "high")


def test_STRT_002_prices_that_are_none() -> None:
    values = payoff_at_expiry(CALL_SPREAD, [nan, -1.0, inf, 70_000.0])
    assert np.isnan(values[:3]).all()
    assert values[3] == 5_000
    assert np.isnan(payoff_in_coins(CALL_SPREAD, [0.0, nan, -1.0, inf])).all()


def test_STRT_003_worked_losses_in_dollars() -> None:
    assert maximum_loss([option(65_000, "C", 1), option(60_000, "C", -1)]) == 5_000
    assert maximum_loss([option(60_000, "C", -1)]) is None
    assert maximum_loss([option(60_000, "P", -1)]) == 60_000
    assert maximum_loss([option(60_000, "C", 1)]) == 0
    assert maximum_loss([]) == 0
    for linear in (future, perpetual, coin):
        assert maximum_loss_from_mark([linear(1.0)]) == 60_000
        assert maximum_loss_from_mark([linear(-1.0)]) is None
    assert maximum_loss_from_mark([perpetual(-1), option(65_000, "C", 1, 900)]) == 5_900


def test_STRT_004_the_vertical_bought_for_1200() -> None:
    assert maximum_loss_from_mark(CALL_SPREAD) == 1_200
    assert maximum_loss(CALL_SPREAD) == 0


def test_STRT_004_decimals_stay_decimals() -> None:
    spread = [option(0.3, "P", -0.1, 0.02), option(0.1, "P", 0.1, 0.01)]
    assert maximum_loss_exact(spread, from_mark=True) == Fraction(19, 1000)
    assert maximum_loss_from_mark(spread) == 0.019


def test_STRT_009_covered_call_and_short_put() -> None:
    covered = [coin(1), option(65_000, "C", -1, 900)]
    short_put = [option(65_000, "P", -1, 5_900)]
    assert maximum_loss_from_mark(covered) == maximum_loss_from_mark(short_put) == 59_100


def test_STRT_010_underlyings_add_up() -> None:
    puts = [option(60_000, "P", -1), option(3_000, "P", -1, underlying="ETH")]
    assert maximum_loss(puts) == 63_000
    assert maximum_loss([puts[0], option(3_000, "C", -1, underlying="ETH")]) is None


def test_STRT_011_payoffs_in_coins() -> None:
    assert payoff_in_coins([option(60_000, "C", 1, coins=True)], 80_000.0).tolist() == 0.25
    assert payoff_in_coins([option(60_000, "P", 1, coins=True)], 20_000.0).tolist() == 2.0
    assert maximum_loss([option(60_000, "C", -1, coins=True)]) == 1.0
    assert maximum_loss([option(60_000, "P", -1, coins=True)]) is None
    # An inverse perpetual: q·(1 − mark/S); sold, it loses its coins at an endless price.
    assert payoff_in_coins([perpetual(2, coins=True)], [80_000, 30_000]).tolist() == [0.5, -2.0]
    assert maximum_loss_from_mark([perpetual(-2, coins=True)]) == 2.0
    assert maximum_loss_from_mark([perpetual(2, coins=True)]) is None
    assert maximum_loss_from_mark([coin(1), perpetual(-1, coins=True)]) == 1.0


def test_STRT_012_put_spreads_in_coins() -> None:
    sold = [option(60_000, "P", -1, 0.05, coins=True), option(50_000, "P", 1, 0.02, coins=True)]
    owed = payoff_in_coins(sold, [60_000, 50_000, 10_000, 1_000, 1e-3])
    assert owed.tolist() == [0.0, -0.2, -1.0, -10.0, -1e7]
    assert maximum_loss(sold) is None
    assert defined_risk_cap(sold) is None
    in_dollars = [option(60_000, "P", -1), option(50_000, "P", 1)]
    assert maximum_loss(in_dollars) == 10_000
    bought = [option(60_000, "P", 1, 0.05, coins=True), option(50_000, "P", -1, 0.02, coins=True)]
    assert maximum_loss_from_mark(bought) == 0.03
    calls = [option(60_000, "C", -1, 0.05, coins=True), option(65_000, "C", 1, 0.02, coins=True)]
    assert maximum_loss_exact(calls, from_mark=True) == Fraction(1, 13) - Fraction(3, 100)


def test_STRT_013_covered_call_in_coins() -> None:
    covered = [coin(1), option(60_000, "C", -1, 0.05, coins=True)]
    assert maximum_loss_from_mark(covered) == 0.95
    assert maximum_loss(covered) == 0.0


def test_STRT_014_no_common_settlement_no_maximum() -> None:
    calendar = [option(60_000, "C", -1), option(60_000, "C", 1, expiry=FAR)]
    both = [option(60_000, "P", 1), option(60_000, "P", 1, coins=True)]
    dollars_and_coins = [
        option(60_000, "C", 1, coins=True),
        option(3_000, "C", 1, underlying="ETH"),
    ]
    dated = [option(60_000, "C", -1), future(1.0, expiry=FAR)]
    for book in (calendar, both, dollars_and_coins, dated):
        assert maximum_loss(book) is None
        assert maximum_loss_from_mark(book) is None
        assert defined_risk_cap(book) is None
    # What is held zero times settles nothing.
    assert maximum_loss([option(60_000, "P", -1), option(60_000, "P", 0, expiry=FAR)]) == 60_000


def test_STRT_015_worked_bounds() -> None:
    puts = [option(60_000, "P", -1, 1_000), option(60_000, "P", 1, 2_500, expiry=FAR)]
    assert bound_by_expiry(puts) == 61_500
    calls = [option(60_000, "C", -1, 1_000), option(60_000, "C", -1, 2_500, expiry=FAR)]
    assert bound_by_expiry([*calls, coin(2)]) == 116_500
    assert bound_by_expiry([*calls, coin(1)]) is None
    assert bound_by_expiry([coin(1)]) == 60_000
    assert bound_by_expiry([]) == 0
    assert bound_by_expiry(CALL_SPREAD) == 1_200
    # A far call does not lend itself to the near one: it would have to be traded when that settles.
    assert bound_by_expiry([calls[0], option(60_000, "C", 1, 2_500, expiry=FAR)]) is None
    # A sold perpetual stands with the expiry that holds the call.
    hedged = [perpetual(-1), option(65_000, "C", 1, 900, expiry=FAR), option(50_000, "P", 1, 100)]
    assert bound_by_expiry(hedged) == 6_000
    assert bound_by_expiry([perpetual(-2), *hedged[1:]]) is None


def test_STRT_015_bounds_in_coins() -> None:
    spreads = [
        option(strike, "C", quantity, mark, expiry=expiry, coins=True)
        for expiry, mark in ((1, 0.05), (2, 0.06))
        for strike, quantity in ((60_000, -1.0), (75_000, 1.0))
    ]
    assert bound_by_expiry([*spreads, coin(3)]) == pytest.approx(0.4)
    # The sold perpetual loses one coin at an endless price, where the spread beside it loses none.
    with_perpetual = [*spreads, perpetual(-1, coins=True)]
    assert bound_by_expiry(with_perpetual) == pytest.approx(1.2)
    assert bound_by_expiry([*spreads, perpetual(1, coins=True)]) is None


def test_STRT_016_caps() -> None:
    condor = [
        option(50_000, "P", 1, 300),
        option(55_000, "P", -1, 800),
        option(65_000, "C", -1, 900),
        option(70_000, "C", 1, 400),
    ]
    assert defined_risk_cap(condor) == 4_000
    box = [
        option(55_000, "C", 1, 4_400),
        option(60_000, "C", -1, 900),
        option(55_000, "P", -1, 300),
        option(60_000, "P", 1, 800),
    ]
    assert maximum_loss_from_mark(box) == -1_000
    assert defined_risk_cap(box) == 0
    assert defined_risk_cap([option(60_000, "C", -1)]) is None


@pytest.mark.parametrize(
    ("field", "leg"),
    [
        ("quantity", option(60_000, "C", nan)),
        ("quantity", option(60_000, "C", 1e19)),
        ("mark", option(60_000, "C", 1, inf)),
        ("strike", option(0.0, "C", 1)),
        ("strike", option(nan, "C", 1)),
        ("expiry_us", option(60_000, "C", 1, expiry=0)),
        ("expiry_us", Leg("X", "perpetual", "BTC", 5, 0.0, False, 1.0)),
        ("expiry_us", future(1.0, expiry=-5)),
        ("kind", Leg("X", "swap", "BTC", 0, 0.0, False, 1.0)),  # type: ignore[arg-type]
        ("is_coin_settled", Leg("BTC", "coin", "BTC", 0, 0.0, False, 1.0, True)),
        ("mark", perpetual(1.0, 0.0, coins=True)),
    ],
)
def test_STRT_035_a_wrong_leg_is_named(field: str, leg: Leg) -> None:
    with pytest.raises(TermsError) as caught:
        maximum_loss([leg])
    assert caught.value.code == "TERM-E44"
    assert caught.value.where == {"instrument": leg.instrument, "field": field}


def test_STRT_035_one_instrument_has_one_set_of_terms() -> None:
    with pytest.raises(TermsError, match="TERM-E44"):
        maximum_loss([option(60_000, "C", 1, 100), option(60_000, "C", 1, 101)])
