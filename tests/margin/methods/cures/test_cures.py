"""Cures of accounts under every method: least, margined anew, in order, and said when there are none."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, inf, nan
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from steelyard.margin.methods.cures import Trade, cured, cures_of
from steelyard.margin.methods.cures.quotes import known_contracts
from steelyard.margin.methods.cures.search import doublings, least_steps
from steelyard.margin.methods.cures.trades import order_of
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Asset, Case, Expiry, Market, Position, Underlying
from tests.margin.methods.cures.books import (
    LEVELS,
    OWN,
    SCENARIO,
    check_cures,
    named,
    open_cases,
    question_of,
    random_case,
    worked,
)

PARADEX = documents().get("paradex-pm")


@pytest.mark.parametrize(
    ("wanted", "amount"), [(1.0, "1200"), (1.2, "3440"), (1.2345678, "3827.159360")]
)
def test_CURE_001_cash_in_closed_form(wanted: float, amount: str) -> None:
    found = cures_of(worked(), PARADEX, wanted=wanted)
    assert [each.asset for each in found.deposits] == ["USDC"]
    assert found.deposits[0].amount == Decimal(amount)
    check_cures(worked(), found)


@given(
    st.sampled_from(("dydx-v4", "vega", "binance-tiers", "okx-pm", "paradex-pm")),
    st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_CURE_001_any_account_whose_requirement_ignores_cash(method: str, seed: int) -> None:
    case = random_case(method, seed)
    answer = margin_of(case, documents().get(method))
    wanted = question_of(case, "maintenance")
    if wanted is None or not answer.maintenance_requirement:
        return
    if method == "okx-pm" and (answer.equity or 0) < 0:
        return  # a debt is required for
    asset = {"vega": "USDT", "binance-tiers": "USDT", "okx-pm": "USDT"}.get(method, "USDC")
    found = cures_of(case, documents().get(method), wanted=wanted, level="maintenance", tradable=())
    if found.is_cured:
        return
    assert found.deposits[0].asset == asset
    short = Fraction(repr(wanted)) * Fraction(answer.maintenance_requirement)
    short -= Fraction(answer.equity or 0)
    if method == "okx-pm":
        price = case.market.assets.get("USDT", Asset(1.0)).price or 1.0
        short /= Fraction(price)
    assert found.deposits[0].amount is not None
    assert abs(found.deposits[0].amount - ceil(short * 10**6) / Decimal(10**6)) <= Decimal("1e-6")


def test_CURE_002_a_coin_counts_net_of_its_own_requirement() -> None:
    case = named("derive-srm-01", "derive-srm")
    found = cures_of(case, documents().get("derive-srm"))
    cash, coin = found.deposits
    assert (cash.asset, coin.asset) == ("USDC", "ETH")
    assert coin.amount == Decimal("2.029144")
    assert float(coin.value or 0) == pytest.approx(2.029144 * 1500)
    assert cash.amount == Decimal("304.371586")


def test_CURE_003_a_coin_that_asks_for_more_than_it_brings_is_said_to() -> None:
    case = named("derive-srm-01", "derive-srm")
    found = cures_of(case, documents().get("derive-srm"), wanted=1.2)
    cash, coin = found.deposits
    assert cash.amount is not None
    assert coin.amount is None
    assert "no deposit of it" in coin.reason


def test_CURE_004_the_kept_fraction_is_the_largest() -> None:
    found = cures_of(worked(), PARADEX)
    assert found.reduction is not None
    assert found.reduction.kept == Decimal("0.892857")
    assert found.reduction.notional == pytest.approx(0.107143 * 70_000)
    check_cures(worked(), found)


def test_CURE_005_one_leg_is_closed_where_one_is_enough() -> None:
    case = worked(12_000.0, ETH=10.0)
    found = cures_of(case, PARADEX, taker_fee=0.0005)
    assert found.reduction is not None
    (leg,) = found.reduction.legs
    assert leg.quantity < 0
    # 4,800 too much at 16 % are 30,000 of notional; the fee of 15 asks for a little more.
    assert leg.notional == pytest.approx(30_000, rel=0.005)
    assert found.reduction.legs_cost == leg.cost == pytest.approx(15.0, rel=0.005)
    check_cures(case, found, taker_fee=0.0005)


def test_CURE_005_several_legs_are_closed_where_one_is_not_enough() -> None:
    case = worked(3_000.0, ETH=10.0, SOL=-100.0)
    found = cures_of(case, PARADEX)
    assert found.reduction is not None
    legs = found.reduction.legs
    assert len(legs) >= 2
    assert [leg.instrument for leg in legs] == sorted(leg.instrument for leg in legs)
    # 19,200 are required, 16,200 too much: 101,250 of notional at 16 %.
    assert found.reduction.legs_notional == pytest.approx(101_250, rel=1e-3)
    assert legs[-1].requirement_after <= 3_000.0
    assert [leg.requirement_before for leg in legs[1:]] == [
        leg.requirement_after for leg in legs[:-1]
    ]
    check_cures(case, found)


@pytest.mark.parametrize(
    ("charges", "quantity", "cost"),
    [
        ({}, "-0.1072", 0.0),
        ({"taker_fee": 0.0005}, "-0.1075", 3.7625),
        ({"taker_fee": 0.0005, "half_spread": 0.001}, "-0.1082", 11.361),
    ],
)
def test_CURE_006_the_smallest_trade_pays_its_cost(
    charges: dict[str, float], quantity: str, cost: float
) -> None:
    found = cures_of(worked(), PARADEX, **charges)  # type: ignore[arg-type]
    assert found.trades[0].instrument == "BTC-PERPETUAL"
    assert found.trades[0].quantity == Decimal(quantity)
    assert found.trades[0].cost == pytest.approx(cost)
    assert found.ranked_by == ("cost" if charges else "notional")
    check_cures(worked(), found, **charges)


@pytest.mark.parametrize("method", [*SCENARIO, *OWN])
def test_CURE_007_open_cases_are_cured(method: str) -> None:
    document, tried = documents().get(method), 0
    for place, case in enumerate(open_cases(method)):
        if len(case.account.positions) > 30:
            continue  # the large ones have a test of their own
        # Where there are many cases, each is asked about one level.
        for level in LEVELS if method != "derive-pmrm2" else LEVELS[place % 2 :][:1]:
            wanted = question_of(case, level)
            if wanted is not None:
                found = cures_of(case, document, wanted=wanted, level=level, runners_up=4)  # type: ignore[arg-type]
                check_cures(case, found)
                tried += not found.is_cured
    assert tried > 0


def test_CURE_007_a_large_open_case_is_cured() -> None:
    case = max(open_cases("derive-pmrm2"), key=lambda each: len(each.account.positions))
    assert len(case.account.positions) > 30
    wanted = question_of(case, "initial")
    assert wanted is not None
    held = [position.instrument for position in case.account.positions[:5]]
    found = cures_of(case, documents().get("derive-pmrm2"), wanted=wanted, tradable=held)
    check_cures(case, found)


@pytest.mark.parametrize("method", [*SCENARIO, "steelyard", *OWN])
def test_CURE_007_random_books_are_cured(method: str) -> None:
    document, tried = documents().get(method), 0
    for seed in range(8):
        case = random_case(method, seed)
        try:
            wanted = question_of(case, LEVELS[seed % 2])
        except InputError:
            continue  # a book that the method refuses
        if wanted is None:
            continue
        charges = {
            "taker_fee": (0.0, 0.0004)[seed % 3 == 0],
            "half_spread": (0.0, 0.001)[seed % 4 == 0],
            "volatility_half_spread": (0.0, 0.02)[seed % 5 == 0],
        }
        found = cures_of(case, document, wanted=wanted, level=LEVELS[seed % 2], **charges)  # type: ignore[arg-type]
        check_cures(case, found, **charges)
        tried += not found.is_cured
    assert tried > 0


@pytest.mark.parametrize("method", ["derive-pmrm", "paradex-pm", "tims", "deribit-pm"])
def test_CURE_008_the_cheapest_is_not_dearer_than_a_runner_up(method: str) -> None:
    document, listed = documents().get(method), 0
    for seed in range(12):
        case = random_case(method, seed)
        wanted = question_of(case, "initial")
        assert wanted is not None
        for fee in (0.0, 0.0005):
            found = cures_of(case, document, wanted=wanted, taker_fee=fee, runners_up=40)
            orders = [order_of(trade) for trade in found.trades]
            assert orders == sorted(orders)
            some = cures_of(case, document, wanted=wanted, taker_fee=fee, runners_up=1)
            assert some.trades == found.trades[:2]  # those that gave up were dearer
            listed += len(found.trades) > 2
    assert listed > 0


def test_CURE_008_an_option_pays_the_fee_of_its_underlying_and_half_its_spread() -> None:
    expiry = Expiry(
        "2026-06-26T08:00:00Z", forward_price=70_000.0, implied_volatility={"60000": 0.5}
    )
    case = worked()
    market = Market(
        "2026-06-01T08:00:00Z",
        underlyings={"BTC": replace(case.market.underlyings["BTC"], expiries=(expiry,))},
    )
    case = replace(case, market=market)
    name = "BTC-26JUN26-60000-P"
    charges = {"taker_fee": 0.0003, "volatility_half_spread": 0.02}
    found = cures_of(case, PARADEX, tradable=(name,), **charges)  # type: ignore[arg-type]
    (trade,) = found.trades
    assert trade.quantity > 0
    held = Account(positions=(Position(name, 1.0),))

    def premium(volatility: float) -> float:
        wider = replace(expiry, implied_volatility={"60000": volatility})
        underlying = Underlying(70_000.0, expiries=(wider,))
        one = Case("one", "paradex-pm", account=held, market=replace(
            market, underlyings={"BTC": underlying}))  # fmt: skip
        return float(margin_of(one, PARADEX).equity or 0)

    each = 70_000 * 0.0003 + premium(0.51) - premium(0.5)
    assert trade.cost == pytest.approx(float(trade.quantity) * each)
    check_cures(case, found, **charges)


def test_CURE_009_a_window_is_cured_at_its_near_end() -> None:
    found = cures_of(worked(), PARADEX)
    (trade,) = found.trades  # buying makes it worse
    assert trade.quantity == Decimal("-0.1072")
    far = cured(worked(), PARADEX, replace(trade, quantity=Decimal("-1.9")))
    assert float(margin_of(far, PARADEX).initial_requirement or 0) > 10_000


@given(st.integers(1, 300_000), st.integers(0, 300), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_CURE_009_windows_between_the_steps_of_a_grid_are_found(
    start: int, width: int, weight: int
) -> None:
    """A tent over its middle: slack grows up to it and falls after it."""
    middle, half = start + width / 2, width / 2

    def slack_of(_places: list[int], steps: list[int]) -> Any:
        return np.array([weight * (half - abs(step - middle)) for step in steps])

    grid = doublings(1, 1 << 20)
    (found,) = least_steps([grid], [weight * (half - middle)], slack_of)
    assert found == start


def test_CURE_009_the_window_of_the_spec() -> None:
    def slack_of(_places: list[int], steps: list[int]) -> Any:
        return np.array([15.0 - abs(step - 1045) for step in steps])

    assert least_steps([doublings(1, 4096)], [-1030.0], slack_of) == [1030]


def test_CURE_010_gains_since_entry_stay_in_equity() -> None:
    case = worked(0.0, entry=60_000.0)
    found = cures_of(case, PARADEX)
    assert found.equity == 10_000.0
    assert found.trades[0].quantity == Decimal("-0.1072")
    after = margin_of(cured(case, PARADEX, found.trades[0]), PARADEX)
    assert after.equity == 10_000.0


@pytest.mark.parametrize("method", [each for each in SCENARIO if each != "span"])
def test_CURE_010_equity_is_what_it_was(method: str) -> None:
    document, tried = documents().get(method), 0
    for seed in range(12):
        case = random_case(method, seed)
        try:
            wanted = question_of(case, "initial")
        except InputError:
            continue
        if wanted is None:
            continue
        for trade in cures_of(case, document, wanted=wanted).trades:
            before = float(margin_of(case, document).equity or 0)
            after = float(margin_of(cured(case, document, trade), document).equity or 0)
            assert after == pytest.approx(before, rel=1e-9, abs=1e-9 * (1 + (trade.notional or 0)))
            tried += 1
    assert tried > 0


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("factor", ["-0.5", "-1", "-1.5", "0.5"])
def test_CURE_010_any_trade_leaves_equity(method: str, factor: str) -> None:
    """Part of a position, all of it, more than it, and some added: at the mark and free of charge."""
    document, tried = documents().get(method), 0
    for seed in range(10):
        case = random_case(method, seed)
        position = case.account.positions[0]
        if position.instrument.count("-") > 2:
            continue  # options are no part of equity here
        quantity = Decimal(str(position.quantity)) * Decimal(factor)
        trade = Trade(position.instrument, quantity, None, 0.0, 0.0, 0.0, None)
        before = margin_of(case, document)
        after = margin_of(cured(case, document, trade), document)
        assert float(after.equity or 0) == pytest.approx(float(before.equity or 0), abs=2e-6)
        tried += 1
    assert tried > 0


def test_CURE_010_bybit_averages_what_is_added_and_settles_what_is_closed() -> None:
    def after(contract: str, entry: float, held: float, traded: str) -> Position[float]:
        account = Account(
            balances={"USDT": 1000.0} if contract == "linear" else {"BTC": 1.0},
            positions=(
                Position(
                    "BTC-PERPETUAL", held, entry_price=entry, mark_price=50_000.0, leverage=10.0,
                    contract=contract,  # type: ignore[arg-type]
                ),
            ),
        )  # fmt: skip
        case: Case[float] = Case("one", "bybit", account=account)
        trade = Trade("BTC-PERPETUAL", Decimal(traded), None, 0.0, 0.0, 0.0, None)
        return cured(case, documents().get("bybit"), trade).account.positions[0]

    assert after("linear", 40_000.0, 1.0, "1").entry_price == 45_000.0
    assert after("linear", 40_000.0, 1.0, "-0.4").entry_price == 40_000.0
    assert after("linear", 40_000.0, 1.0, "-3") == replace(
        after("linear", 50_000.0, 1.0, "-3"), entry_price=50_000.0
    )
    # 40,000 at 40,000 and 50,000 at 50,000 are one coin each: 90,000 for two.
    assert after("inverse", 40_000.0, 40_000.0, "50000").entry_price == pytest.approx(45_000.0)


def test_CURE_010_a_premium_under_span_leaves_cash() -> None:
    case = replace(
        named("span-08", "span"),
        account=Account(
            balances={"USD": 10_000.0},
            positions=(Position("BTC-1JUL26-30000-P", -20.0, mark_price=20.0),),
        ),
    )
    document = documents().get("span")
    found = cures_of(case, document)
    trade = next(each for each in found.trades if each.instrument == "BTC-1JUL26-30000-P")
    after = margin_of(cured(case, document, trade), document)
    assert float(after.equity or 0) == pytest.approx(10_000.0 - 20.0 * float(trade.quantity))
    # Without the mark nothing is known of what it trades at.
    account = replace(case.account, positions=(Position("BTC-1JUL26-30000-P", -20.0),))
    unmarked = cures_of(replace(case, account=account), document)
    assert all(each.instrument != trade.instrument for each in unmarked.trades)


def test_CURE_011_nothing_to_do() -> None:
    found = cures_of(worked(15_000.0), PARADEX)
    assert found.is_cured
    assert found.cheapest.startswith("nothing to do")
    assert (found.deposits, found.trades, found.reduction) == ((), (), None)
    assert found.ratio == 15_000 / 11_200


def test_CURE_011_no_requirement_and_no_cure_are_said() -> None:
    silent = cures_of(open_cases("bitmex-adl")[0], documents().get("bitmex-adl"))
    assert "states no initial requirement" in silent.reason
    tiers = open_cases("binance-tiers")[0]
    assert "states no initial requirement" in cures_of(tiers, documents().get(tiers.method)).reason
    below = cures_of(worked(-1.0), PARADEX)
    assert below.trades == ()
    assert "below zero" in below.reason
    assert below.cheapest == "deposit 11,201 USDC"
    empty = cures_of(replace(worked(-1.0), account=Account(balances={"USDC": -1.0})), PARADEX)
    assert empty.cheapest == "deposit 1 USDC"


@pytest.mark.parametrize(
    ("question", "field"),
    [
        *(({"wanted": wanted}, "wanted") for wanted in (0.0, -1.0, nan, inf)),
        ({"level": "other"}, "level"),
        ({"taker_fee": 1.5}, "taker_fee"),
        ({"half_spread": -0.1}, "half_spread"),
        ({"volatility_half_spread": nan}, "volatility_half_spread"),
        ({"step": 0.0}, "step"),
    ],
)
def test_CURE_012_questions_without_sense_are_refused(question: Any, field: str) -> None:
    with pytest.raises(InputError) as refused:
        cures_of(worked(), PARADEX, **question)
    assert refused.value.code == "METH-E05"
    assert refused.value.where["field"] == field


def test_CURE_012_contracts_that_the_method_does_not_cover_are_refused() -> None:
    case = open_cases("okx-pm")[0]
    with pytest.raises(InputError) as refused:
        cures_of(case, documents().get("okx-pm"), wanted=1e3, tradable=["BTC-26JUN26-60000-C"])
    assert refused.value.code == "METH-E04"


def test_CURE_012_another_underlying_is_refused_where_an_account_has_one() -> None:
    case = named("derive-pmrm-16", "derive-pmrm")
    with pytest.raises(InputError) as refused:
        cures_of(case, documents().get("derive-pmrm"), tradable=["AVAX-PERPETUAL"])
    assert refused.value.code == "METH-E04"
    # Of a contract that the market does not know nothing is bought.
    found = cures_of(case, documents().get("derive-pmrm"), tradable=["ETH-7JAN26-9999-C"])
    assert found.trades == ()


def test_CURE_007_cures_are_plain_data() -> None:
    found = cures_of(worked(), PARADEX)
    assert msgspec.json.decode(msgspec.json.encode(found))["trades"][0]["quantity"] == "-0.1072"


def test_CURE_006_what_the_market_knows_is_traded() -> None:
    expiries = (
        Expiry("2026-05-01T08:00:00Z", forward_price=69_000.0, implied_volatility={"70000": 0.5}),
        Expiry("2026-06-26T08:00:00Z", forward_price=70_500.0, implied_volatility={
            "0d5": 0.9, "70000.0": 0.5, "65000": 0.6, "no strike": 0.5}),
        Expiry("2026-09-25T08:00:00Z", implied_volatility={"70000": 0.5}),
        Expiry("2026-12-25T08:00:00Z", forward_price=72_000.0),
    )  # fmt: skip
    case = worked()
    btc = replace(case.market.underlyings["BTC"], expiries=expiries)
    market = replace(case.market, underlyings={"BTC": btc, "ETH": Underlying(3_500.0)})
    case = replace(case, market=market)
    options = [
        f"BTC-{day}-{strike}-{right}"
        for day, strikes in (("26JUN26", ("0.5", "65000", "70000")), ("25SEP26", ("70000",)))
        for strike in strikes
        for right in "CP"
    ]
    futures = ["BTC-26JUN26", "BTC-25DEC26"]
    assert sorted(known_contracts(case, frozenset({"perpetual", "future", "option"}), True)) == (
        sorted(["BTC-PERPETUAL", *futures, *options])
    )
    assert known_contracts(case, frozenset({"future"}), False) == futures
    assert cures_of(case, PARADEX).tried == 1 + len(options)
