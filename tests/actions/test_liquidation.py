"""From instruction to outcome: reductions, full liquidations, fees and who pays in the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.actions import (
    BadDebt,
    Closed,
    FundDraw,
    OrdersCancelled,
    Outcome,
    StateChanged,
)
from steelyard.book import BAD_DEBT, INSURANCE_FUND
from steelyard.decisions import State
from steelyard.quantities import ceil_div
from steelyard.terms import AccountRecord
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    COIN,
    INVERSE_100K,
    LINEAR_100K,
    MARKET,
    SECOND_US,
    USD,
    Venue,
    coin_miner,
    fund_with,
    hedger,
    held,
    isolated_long,
    open_venue,
    over_leveraged_long,
)


def of_kind(outcomes: list[Outcome], kind: type[Outcome], subject: str = "") -> list[Outcome]:
    """Return the outcomes of one kind, about one subject if it is named."""
    return [o for o in outcomes if type(o) is kind and (not subject or o.subject == subject)]


def venue_with(*records: AccountRecord, fund_usd: int = 0) -> Venue:
    """Return a venue with accounts and a fund."""
    venue = open_venue()
    if fund_usd:
        fund_with(venue, fund_usd)
    venue.open(*records)
    return venue


# -- reductions ----------------------------------------------------------------------------------


def test_ACTN_020_a_reduction_brings_the_ratio_to_its_target() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    outcomes = venue.price("BTC", 98_880.0)
    (closed,) = of_kind(outcomes, Closed)
    assert isinstance(closed, Closed)
    assert not closed.is_full
    # balance 880, requirement 0.4 % + 0.5 % + slippage = 900.976…; target 1.1:
    # shortfall 111.07, freed by closing all 991.07 − 505.456: a share of 22.9 %
    assert 2_200 < closed.lots < 2_400
    risk = venue.risk("long")
    ratio = risk.maintenance_balance / risk.maintenance_requirement
    assert 1.099 < ratio < 1.105
    assert of_kind(outcomes, StateChanged)[0].current == State.PARTIAL_REDUCTION  # type: ignore[attr-defined]


def test_ACTN_020_a_reduction_closes_at_most_a_step_and_then_pauses() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    first = of_kind(venue.price("BTC", 98_650.0), Closed)
    assert [o.lots for o in first] == [2_500]  # type: ignore[attr-defined]
    assert venue.state("long") is State.PARTIAL_REDUCTION
    assert of_kind(venue.tick(SECOND_US - 1), Closed) == []
    second = of_kind(venue.tick(1), Closed)
    assert [o.lots for o in second] == [1_875]  # type: ignore[attr-defined]


def test_ACTN_020_reductions_end_in_health_not_in_a_closed_account() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    venue.price("BTC", 98_650.0)
    for _ in range(20):
        venue.tick(SECOND_US)
    assert venue.state("long") < State.PARTIAL_REDUCTION
    assert venue.position("long", BTC_LINEAR)[0] > 1_000


def test_ACTN_021_a_hedged_book_is_scaled_whole() -> None:
    venue = venue_with(hedger(usd=1_000))
    outcomes = venue.tick()
    closed = of_kind(outcomes, Closed) or of_kind(venue.tick(SECOND_US), Closed)
    shares = {o.instrument: o.lots for o in closed}  # type: ignore[attr-defined]
    assert set(shares) <= {BTC_LINEAR, BTC_INVERSE}
    long_left = venue.position("hedger", BTC_LINEAR)[0] / 10_000
    short_left = -venue.position("hedger", BTC_INVERSE)[0] / 1_000
    assert abs(long_left - short_left) <= 0.002
    assert long_left < 1


def test_ACTN_022_orders_are_cancelled_before_anything_is_closed() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    venue.order("long", "more", BTC_LINEAR, 500, 99_000.0)
    outcomes = venue.price("BTC", 98_930.0)
    assert of_kind(outcomes, OrdersCancelled) == [OrdersCancelled("long", 1)]
    assert of_kind(outcomes, Closed) == []
    assert venue.orders("long") == {}
    assert venue.state("long") is State.ORDERS_CANCELLED


def test_ACTN_022_a_jump_cancels_and_liquidates_in_this_order() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    venue.order("long", "more", BTC_LINEAR, 500, 99_000.0)
    kinds = [type(o) for o in venue.price("BTC", 98_400.0)]
    assert kinds[:3] == [StateChanged, OrdersCancelled, Closed]


# -- full liquidation ----------------------------------------------------------------------------


def test_ACTN_023_full_liquidation_from_worked_numbers() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    outcomes = venue.price("BTC", 98_400.0)
    # offset 50 + 1 %·49,200/8,000,000 = 111 ppm; 98,400 less that is 98,389.07 (rounded down)
    (closed,) = of_kind(outcomes, Closed)
    cash = 2_000 * USD - 10_000 * (LINEAR_100K - 9_838_907)
    assert cash == 389_070_000
    # the fee, 0.5 % of 98,400 = 492, is more than is left: it takes what there is
    assert closed == Closed("long", BTC_LINEAR, 10_000, 9_838_907, 9_840_000, cash, True)
    assert venue.balance("long") == 0
    assert venue.balance(INSURANCE_FUND) == cash
    assert of_kind(outcomes, BadDebt) == []
    venue.tick()
    assert venue.state("long") is State.HEALTHY


def test_ACTN_024_the_fee_is_whole_where_there_is_equity() -> None:
    # Requirement far above fee and loss: the account is liquidated with money left.
    venue = open_venue()
    venue.parameter("levels.full_liquidation_ppm", "999999")
    venue.open(over_leveraged_long(margin_usd=2_000))
    (closed,) = of_kind(venue.price("BTC", 98_870.0), Closed)
    assert closed.fee == 494_350_000  # type: ignore[attr-defined]
    assert venue.balance(INSURANCE_FUND) == 494_350_000


def test_ACTN_025_the_fee_of_an_option_is_capped_by_its_premium() -> None:
    venue = open_venue()
    venue.volatility(0.03)
    premium = venue.mark(BTC_CALL)
    buyer = AccountRecord(
        "buyer", "cross", {"USDC": 1_500 * USD},
        [held(BTC_CALL, 100), held(BTC_LINEAR, 10_000, LINEAR_100K)],
    )  # fmt: skip
    venue.open(buyer)
    assert premium > 0
    closed = [o for o in of_kind(venue.price("BTC", 95_000.0), Closed) if isinstance(o, Closed)]
    (option,) = [o for o in closed if o.instrument == BTC_CALL]
    received = 100 * option.price_mark // 100  # fine units are a hundredth of a ledger unit
    assert option.fee <= ceil_div(received, 8) + 1


def test_ACTN_026_a_fee_never_makes_a_debt() -> None:
    # Collateral in dollars, losses and fee in coins: equity is thin, and the fee yields.
    for cents in range(0, 12_000, 400):
        venue = open_venue()
        fund_with(venue, 1_000)
        position = held(BTC_INVERSE, 1_000, INVERSE_100K)
        venue.open(AccountRecord("a", "cross", {"USDC": 2_000 * USD}, [position]))
        outcomes = venue.price("BTC", 98_000.0 + cents / 100)
        fees = sum(o.fee for o in of_kind(outcomes, Closed))  # type: ignore[attr-defined]
        if fees:
            assert of_kind(outcomes, BadDebt) == []


def test_ACTN_026_the_equity_left_after_a_close_is_never_made_negative_by_its_fee() -> None:
    for price in range(97_000, 98_400, 97):
        venue = venue_with(over_leveraged_long(margin_usd=2_000), fund_usd=1)
        outcomes = venue.price("BTC", float(price))
        (closed,) = of_kind(outcomes, Closed)
        assert isinstance(closed, Closed)
        assert (closed.fee > 0) == (of_kind(outcomes, BadDebt) == [])


# -- the waterfall -------------------------------------------------------------------------------

# A long of one BTC with 2,000 at 97,000: offset 110 ppm, closed at 96,989.33, cash −1,010.67.
DEBT = 1_010_670_000


def test_ACTN_030_the_fund_pays_what_an_account_cannot() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000), fund_usd=5_000)
    outcomes = venue.price("BTC", 97_000.0)
    assert of_kind(outcomes, FundDraw) == [FundDraw("long", DEBT)]
    assert of_kind(outcomes, BadDebt) == [BadDebt("long", DEBT, 0)]
    assert venue.balance(INSURANCE_FUND) == 5_000 * USD - DEBT
    assert venue.balance(BAD_DEBT) == 0
    assert venue.balance("long") == 0
    assert venue.state("long") is State.BANKRUPT


def test_ACTN_031_what_no_resource_covers_is_bad_debt() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000), fund_usd=500)
    outcomes = venue.price("BTC", 97_000.0)
    assert of_kind(outcomes, FundDraw) == [FundDraw("long", 500 * USD)]
    assert of_kind(outcomes, BadDebt) == [BadDebt("long", DEBT, DEBT - 500 * USD)]
    assert venue.balance(INSURANCE_FUND) == 0
    assert venue.balance(BAD_DEBT) == -(DEBT - 500 * USD)
    assert venue.balance("long") == 0


def test_ACTN_031_an_empty_fund_pays_nothing_and_says_nothing() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    outcomes = venue.price("BTC", 97_000.0)
    assert of_kind(outcomes, FundDraw) == []
    assert of_kind(outcomes, BadDebt) == [BadDebt("long", DEBT, DEBT)]


@pytest.mark.parametrize("fund_usd", [0, 1, 500, 1_999, 50_000])
def test_ACTN_032_a_debt_in_coins_is_bought_by_the_fund(fund_usd: int) -> None:
    venue = venue_with(coin_miner(), fund_usd=fund_usd)
    outcomes = venue.price("BTC", 70_000.0)
    (closed,) = of_kind(outcomes, Closed)
    assert isinstance(closed, Closed)
    owed = -(COIN // 10 + (300 * closed.price_mark - 300 * INVERSE_100K) // 10_000)
    price = 70_000 * USD
    whole = ceil_div(owed * price, COIN)
    assert 1_900 * USD < whole < 2_100 * USD
    (bad,) = of_kind(outcomes, BadDebt)
    assert isinstance(bad, BadDebt)
    assert bad.amount == whole
    if fund_usd == 50_000:
        assert of_kind(outcomes, FundDraw) == [FundDraw("miner", whole)]
        assert venue.balance(INSURANCE_FUND) == fund_usd * USD - whole
        assert bad.uncovered == 0
    else:
        bought = owed * fund_usd * USD // whole
        assert venue.balance(BAD_DEBT, "BTC") == -(owed - bought)
        assert bad.uncovered == ceil_div((owed - bought) * price, COIN)
        assert 0 <= venue.balance(INSURANCE_FUND) <= price // COIN + 1
    assert venue.balance("miner", "BTC") == 0


def test_ACTN_033_own_coins_pay_before_the_fund_at_half_a_spread() -> None:
    record = AccountRecord(
        "mixed", "cross", {"USDC": 500 * USD, "ETH": COIN // 2},
        [held(BTC_LINEAR, 10_000, LINEAR_100K)],
    )  # fmt: skip
    venue = venue_with(record, fund_usd=5_000)
    outcomes = venue.price("BTC", 98_100.0)
    (closed,) = of_kind(outcomes, Closed)
    assert isinstance(closed, Closed)
    owed = 10_000 * (LINEAR_100K - closed.price_mark) - 500 * USD + closed.fee
    coins = ceil_div(ceil_div(owed * COIN, 4_000 * USD) * 1_000_060, 1_000_000)
    assert coins <= COIN // 2
    assert venue.balance("mixed", "ETH") == COIN // 2 - coins
    assert venue.balance("mixed") == 0
    assert of_kind(outcomes, FundDraw) == []


def test_ACTN_034_an_isolated_loss_never_touches_its_owner() -> None:
    venue = venue_with(isolated_long(margin_usd=2_000), fund_usd=100)
    unit = f"iso/{BTC_LINEAR}"
    outcomes = venue.price("BTC", 97_000.0)
    assert of_kind(outcomes, BadDebt) == [BadDebt(unit, DEBT, DEBT - 100 * USD)]
    assert venue.balance("iso") == 8_000 * USD
    assert venue.balance(unit) == 0
    assert venue.state("iso") is State.HEALTHY
    assert venue.state(unit) is State.BANKRUPT


def test_ACTN_035_a_deposit_ends_bankruptcy() -> None:
    venue = venue_with(over_leveraged_long(margin_usd=2_000))
    venue.price("BTC", 97_000.0)
    assert venue.state("long") is State.BANKRUPT
    venue.tick(SECOND_US)
    assert venue.state("long") is State.BANKRUPT
    outcomes = venue.transfer("external", "long", "USDC", 5 * USD)
    assert [type(o) for o in outcomes] == [StateChanged]
    assert venue.state("long") is State.HEALTHY


def test_ACTN_036_several_failing_accounts_share_one_fund_in_order_of_name() -> None:
    venue = venue_with(
        over_leveraged_long("b"), over_leveraged_long("a"), over_leveraged_long("c"), fund_usd=1_500
    )
    bad = [o for o in of_kind(venue.price("BTC", 97_000.0), BadDebt) if isinstance(o, BadDebt)]
    assert [o.subject for o in bad] == ["a", "b", "c"]
    assert bad[0].uncovered == 0
    assert 0 < bad[1].uncovered < bad[1].amount
    assert bad[2].uncovered == bad[2].amount


@settings(max_examples=25)
@given(
    st.integers(60_000, 99_500),
    st.integers(100, 4_000),
    st.integers(0, 3_000),
    st.integers(1, 12),
)
def test_ACTN_037_no_path_of_a_crash_leaves_a_debt_or_a_negative_fund(
    price: int, margin_usd: int, fund_usd: int, steps: int
) -> None:
    venue = venue_with(
        over_leveraged_long("long", margin_usd), coin_miner("miner", COIN // 20), fund_usd=fund_usd
    )
    for k in range(1, steps + 1):
        venue.wait(SECOND_US)
        venue.price("BTC", 100_000 + (price - 100_000) * k / steps)
    for _ in range(10):
        venue.tick(SECOND_US)
    for unit in ("long", "miner"):
        risk = venue.risk(unit)
        assert venue.position(unit, BTC_LINEAR)[0] >= 0
        assert risk.equity >= 0
        if venue.state(unit) is State.BANKRUPT:
            assert risk.equity == 0
    assert venue.balance(MARKET) != 0 or price > 99_000
