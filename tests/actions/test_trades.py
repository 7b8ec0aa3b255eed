"""Fills: what a trade realises, what it costs, and where the last fraction goes."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from steelyard.actions.venue import realised_fine
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    COIN,
    ETH_LINEAR,
    MARKET,
    USD,
    Venue,
    market_maker,
    open_venue,
)

START = 5_000_000 * USD


def trading_venue() -> Venue:
    """Return a venue with a rich, flat account."""
    venue = open_venue()
    venue.open(market_maker())
    return venue


def test_ACTN_010_opening_costs_the_fee_alone() -> None:
    venue = trading_venue()
    venue.fill(BTC_LINEAR, "maker", MARKET, 10_000, 100_000.0)
    assert venue.position("maker", BTC_LINEAR) == (10_000, 10_000 * 10_000_000)
    assert venue.balance("maker") == START - 50 * USD  # 0.05 % of 100,000
    assert venue.balance("fees") == 50 * USD


def test_ACTN_011_a_partial_close_realises_its_share() -> None:
    venue = trading_venue()
    venue.fill(BTC_LINEAR, "maker", MARKET, 10_000, 100_000.0)
    venue.fill(BTC_LINEAR, MARKET, "maker", 4_000, 101_000.0)
    assert venue.position("maker", BTC_LINEAR) == (6_000, 6_000 * 10_000_000)
    assert venue.balance("maker") == START - 50 * USD + 400 * USD - 20 * USD


def test_ACTN_012_a_flip_closes_then_opens_at_the_fill() -> None:
    venue = trading_venue()
    venue.fill(BTC_LINEAR, "maker", MARKET, 6_000, 100_000.0)
    venue.fill(BTC_LINEAR, MARKET, "maker", 10_000, 99_000.0)
    assert venue.position("maker", BTC_LINEAR) == (-4_000, -4_000 * 9_900_000)
    assert venue.balance("maker") == START - 30 * USD - 600 * USD - 50 * USD


def test_ACTN_013_an_inverse_contract_pays_in_coins() -> None:
    venue = trading_venue()
    venue.fill(BTC_INVERSE, "maker", MARKET, 1_000, 100_000.0)
    venue.fill(BTC_INVERSE, MARKET, "maker", 1_000, 125_000.0)
    # 100,000 USD · (1/100,000 − 1/125,000) = 0.2 coins; each fee is 50 USD = 0.0005 coins
    assert venue.position("maker", BTC_INVERSE) == (0, 0)
    assert venue.balance("maker", "BTC") == 10 * COIN + COIN // 5 - 2 * 50_000


def test_ACTN_014_an_option_moves_its_premium() -> None:
    venue = trading_venue()
    venue.fill(BTC_CALL, "maker", MARKET, 200, 0.05)
    # two options at 0.05 coins; fee 0.05 % of 200,000 USD = 0.001 coins
    assert venue.position("maker", BTC_CALL) == (200, 0)
    assert venue.balance("maker", "BTC") == 10 * COIN - COIN // 10 - COIN // 1_000
    venue.fill(BTC_CALL, MARKET, "maker", 300, 0.06)
    assert venue.position("maker", BTC_CALL) == (-100, 0)


def test_ACTN_015_cash_is_rounded_against_the_account_and_the_rest_is_dust() -> None:
    venue = trading_venue()
    venue.fill(BTC_INVERSE, "maker", MARKET, 1, 99_999.0)
    venue.fill(BTC_INVERSE, MARKET, "maker", 1, 98_765.0)
    bought, sold = round(-100 * 10**12 / 99_999), round(-100 * 10**12 / 98_765)
    loss = Fraction(sold - bought, 10_000)  # fine units a ledger unit
    assert loss.denominator != 1
    fees = 2 * 50  # 0.05 USD at 100,000 USD a coin
    assert venue.balance("maker", "BTC") == 10 * COIN - fees + loss.__floor__()
    assert venue.balance("dust", "BTC") == 1


def test_ACTN_016_a_fill_uses_up_the_orders_it_names() -> None:
    venue = trading_venue()
    venue.order("maker", "bid", BTC_LINEAR, 500, 99_000.0)
    venue.order("maker", "ask", BTC_LINEAR, -300, 101_000.0)
    venue.fill(BTC_LINEAR, "maker", MARKET, 200, 99_000.0, buy_order="bid")
    assert venue.orders("maker") == {"ask": -300, "bid": 300}
    venue.fill(BTC_LINEAR, MARKET, "maker", 300, 101_000.0, sell_order="ask")
    assert venue.orders("maker") == {"bid": 300}
    # more than rests: the order is gone, and never turns round
    venue.fill(BTC_LINEAR, "maker", MARKET, 900, 99_000.0, buy_order="bid")
    assert venue.orders("maker") == {}


def test_ACTN_016_an_order_gone_before_its_fill_is_no_error() -> None:
    venue = trading_venue()
    venue.fill(BTC_LINEAR, "maker", MARKET, 200, 99_000.0, buy_order="gone")
    assert venue.position("maker", BTC_LINEAR)[0] == 200


def test_ACTN_017_two_accounts_and_the_market_sum_to_zero() -> None:
    venue = trading_venue()
    venue.open(market_maker("other"))
    venue.fill(ETH_LINEAR, "maker", "other", 7_777, 4_001.37)
    slot = venue.slot(ETH_LINEAR)
    assert venue.position("maker", ETH_LINEAR)[0] == 7_777
    assert venue.position("other", ETH_LINEAR)[0] == -7_777
    assert venue.engine.ledger.market_quantity[slot] == 0
    assert venue.engine.ledger.market_cost[slot] == 0


@given(
    st.lists(
        st.tuples(st.integers(-(10**6), 10**6).filter(bool), st.integers(-(10**10), 10**10)),
        min_size=1,
        max_size=30,
    )
)
def test_ACTN_018_realised_and_cost_account_for_every_trade(trades: list[tuple[int, int]]) -> None:
    lots, cost, cash, paid = 0, 0, 0, 0
    for quantity, price in trades:
        received = realised_fine(lots, cost, quantity, price)
        cost += quantity * price + received
        lots += quantity
        cash += received
        paid += quantity * price
        assert cash == cost - paid  # value at any mark: cash + lots·m − cost = Σ q·(m − p)
        assert lots != 0 or cost == 0
