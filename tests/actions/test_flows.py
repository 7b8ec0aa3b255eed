"""Funding, transfers, expiry and loading: flows that arrive as events."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.actions import AccountLoaded, FundingPaid, ProtectionChanged, Settled
from steelyard.actions.settlement import payoff_mark
from steelyard.terms import AccountRecord
from steelyard.ticks import Funding
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    DAY_US,
    EXPIRY_US,
    INSTRUMENTS,
    INVERSE_100K,
    LINEAR_100K,
    MARKET,
    USD,
    Venue,
    coin_miner,
    held,
    isolated_long,
    market_maker,
    open_venue,
    over_leveraged_long,
    over_leveraged_short,
)

MILLE_PPB = 1_000_000  # 0.1 %


# -- funding -------------------------------------------------------------------------------------


def test_ACTN_050_longs_pay_a_positive_rate_and_shorts_a_negative_one() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long("long", 50_000), over_leveraged_short("short", 50_000))
    outcomes = venue.send(Funding, BTC_LINEAR, MILLE_PPB)
    assert outcomes == [FundingPaid(BTC_LINEAR, MILLE_PPB, 2)]
    assert venue.balance("long") == (50_000 - 100) * USD
    assert venue.balance("short") == (50_000 + 100) * USD
    venue.send(Funding, BTC_LINEAR, -2 * MILLE_PPB)
    assert venue.balance("long") == (50_000 + 100) * USD


def test_ACTN_050_inverse_funding_is_paid_in_coins() -> None:
    venue = open_venue()
    venue.open(coin_miner("miner", COIN, 1_000))
    venue.send(Funding, BTC_INVERSE, MILLE_PPB)
    # 0.1 % of 100,000 USD at 100,000 USD a coin
    assert venue.balance("miner", "BTC") == COIN - 100_000
    assert venue.balance(MARKET, "BTC") == 100_000


@settings(max_examples=30)
@given(
    st.lists(st.integers(-9_999, 9_999).filter(bool), min_size=1, max_size=8),
    st.integers(-50_000_000, 50_000_000),
    st.floats(90_000, 110_000),
)
def test_ACTN_051_funding_sums_to_zero_and_rounds_against_each_unit(
    lots: list[int], rate_ppb: int, price: float
) -> None:
    venue = open_venue()
    venue.open(
        *[
            AccountRecord(f"u{k}", "cross", {"USDC": 10**6 * USD}, [held(BTC_LINEAR, q, 10**7)])
            for k, q in enumerate(lots)
        ]
    )
    venue.price("BTC", price)
    venue.send(Funding, BTC_LINEAR, rate_ppb)
    index = int(venue.engine.market.index_units[1])  # cents
    for k, quantity in enumerate(lots):
        due = -quantity * index * rate_ppb  # in 10^-4 · 10^-2 · 10^-9 USD
        assert venue.balance(f"u{k}") == 10**6 * USD + due // 10**9
    assert 0 <= venue.balance("dust") <= len(lots) + 1


def test_ACTN_051_funding_of_an_instrument_nobody_holds_moves_nothing() -> None:
    venue = open_venue()
    assert venue.send(Funding, BTC_LINEAR, MILLE_PPB) == [FundingPaid(BTC_LINEAR, MILLE_PPB, 0)]
    assert venue.balance(MARKET) == 0


# -- transfers -----------------------------------------------------------------------------------


def test_ACTN_052_a_transfer_moves_money_and_nothing_else() -> None:
    venue = open_venue()
    venue.open(market_maker("a"), market_maker("b"))
    venue.transfer("a", "b", "USDC", 7)
    assert (venue.balance("a"), venue.balance("b")) == (5_000_000 * USD - 7, 5_000_000 * USD + 7)
    venue.transfer("b", "external", "BTC", COIN)
    assert venue.balance("external", "BTC") == -20 * COIN + COIN


def test_ACTN_053_a_transfer_opens_an_isolated_position() -> None:
    venue = open_venue()
    venue.open(AccountRecord("iso", "isolated", {"USDC": 5_000 * USD}, []))
    with venue.refuses("ADMT-E03"):
        venue.fill(BTC_LINEAR, "iso", MARKET, 100, 100_000.0)
    venue.transfer("iso", f"iso/{BTC_LINEAR}", "USDC", 1_000 * USD)
    venue.fill(BTC_LINEAR, "iso", MARKET, 100, 100_000.0)
    assert venue.position(f"iso/{BTC_LINEAR}", BTC_LINEAR)[0] == 100
    assert venue.risk(f"iso/{BTC_LINEAR}").mode == "isolated"
    assert venue.balance("iso") == 4_000 * USD


# -- expiry --------------------------------------------------------------------------------------


def test_ACTN_055_payoffs_from_worked_numbers() -> None:
    from fractions import Fraction

    call, put = INSTRUMENTS[3], INSTRUMENTS[4]
    assert payoff_mark(call, Fraction(120_000)) == 16_666_666  # 20,000 / 120,000 coins, down
    assert payoff_mark(call, Fraction(100_000)) == 0
    assert payoff_mark(put, Fraction(80_000)) == 20_000 * 10**6
    assert payoff_mark(put, Fraction(120_000)) == 0
    assert payoff_mark(put, Fraction("99999.99")) == 10_000


def at_expiry(price: float, shards: int = 1) -> Venue:
    """Return a venue at the expiry of its options, with a buyer and a writer of both."""
    venue = open_venue(shards)
    venue.open(
        AccountRecord(
            "buyer", "portfolio", {"USDC": 10**6 * USD}, [held(BTC_CALL, 200), held(BTC_PUT, 100)]
        ),
        AccountRecord(
            "writer", "portfolio", {"USDC": 10**6 * USD, "BTC": COIN},
            [held(BTC_CALL, -200), held(BTC_PUT, -100)],
        ),
    )  # fmt: skip
    venue.wait(30 * DAY_US - 1)
    venue.price("BTC", price)
    venue.price("ETH", 4_000.0)
    return venue


def test_ACTN_055_an_expired_option_pays_its_intrinsic_value_and_leaves() -> None:
    venue = at_expiry(120_000.0)
    outcomes = venue.tick(1)
    assert outcomes[:2] == [Settled(BTC_CALL, 16_666_666, 2), Settled(BTC_PUT, 0, 2)]
    assert venue.balance("buyer", "BTC") == 33_333_332
    assert venue.balance("writer", "BTC") == COIN - 33_333_332
    assert venue.position("buyer", BTC_CALL) == (0, 0)
    assert venue.position("writer", BTC_PUT) == (0, 0)
    assert venue.tick(1) == []


def test_ACTN_055_a_put_in_the_money_pays_dollars() -> None:
    venue = at_expiry(80_000.0)
    before = venue.balance("buyer")
    venue.tick(1)
    assert venue.balance("buyer") == before + 20_000 * USD
    assert venue.balance("buyer", "BTC") == 0


def test_ACTN_056_a_protected_underlying_postpones_its_expiries() -> None:
    venue = at_expiry(120_000.0)
    venue.protect("BTC")
    assert venue.now_us > EXPIRY_US
    venue.tick(DAY_US)
    assert venue.position("buyer", BTC_CALL)[0] == 200
    venue.quote("alpha", "BTC", 110_000.0)
    outcomes = venue.quote("beta", "BTC", 110_000.0)
    assert [o for o in outcomes if isinstance(o, ProtectionChanged)]
    assert [o.payoff_mark for o in outcomes if isinstance(o, Settled)] == [9_090_909, 0]
    assert venue.position("buyer", BTC_CALL) == (0, 0)


@pytest.mark.parametrize("shards", [1, 2, 8, 256])
def test_ACTN_057_expiry_drops_every_resting_order_of_the_option(shards: int) -> None:
    venue = at_expiry(100_000.0, shards)
    bidders = [f"bidder{k}" for k in range(12)]
    venue.open(*[market_maker(name) for name in bidders])
    for name in bidders:
        venue.order(name, "bid", BTC_CALL, 10, 0.01)
        venue.order(name, "other", BTC_LINEAR, 10, 90_000.0)
    venue.tick(1)
    for name in bidders:
        assert venue.orders(name) == {"other": 10}


# -- loading -------------------------------------------------------------------------------------


def test_ACTN_058_loading_takes_positions_from_the_market_at_their_entry() -> None:
    venue = open_venue()
    outcomes = venue.open(isolated_long(), coin_miner())
    assert outcomes == [AccountLoaded("iso", 1), AccountLoaded("miner", 1)]
    assert venue.balance("iso") == 8_000 * USD
    assert venue.balance(f"iso/{BTC_LINEAR}") == 2_000 * USD
    assert venue.position(f"iso/{BTC_LINEAR}", BTC_LINEAR) == (10_000, 10_000 * LINEAR_100K)
    assert venue.position("miner", BTC_INVERSE) == (300, 300 * INVERSE_100K)
    ledger = venue.engine.ledger
    assert ledger.market_quantity[venue.slot(BTC_LINEAR)] == -10_000
    assert venue.balance("external") == -10_000 * USD


def test_ACTN_058_an_option_is_loaded_without_cost() -> None:
    venue = open_venue()
    venue.open(AccountRecord("w", "portfolio", {"USDC": 10**6 * USD}, [held(BTC_CALL, -100, 5)]))
    assert venue.position("w", BTC_CALL) == (-100, 0)
    assert venue.balance("w", "BTC") == 0
