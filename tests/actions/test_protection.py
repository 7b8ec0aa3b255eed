"""Protected assets: nobody is liquidated on a price that is not known, and nobody hides behind one."""

from __future__ import annotations

from steelyard.actions import BadDebt, Closed, Outcome, ProtectionChanged, SourceChanged
from steelyard.decisions import State
from steelyard.terms import AccountRecord
from tests.support.venue import (
    BTC_LINEAR,
    COIN,
    ETH_LINEAR,
    LINEAR_100K,
    USD,
    Venue,
    fund_with,
    held,
    open_venue,
    over_leveraged_long,
)

ETH_4000 = 4_000 * 10_000


def closed(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    """Return (unit, instrument) of every close."""
    return [(o.subject, o.instrument) for o in outcomes if isinstance(o, Closed)]


def two_legged(btc_lots: int, eth_lots: int, usd: int) -> AccountRecord:
    """Cross; long both perpetuals at the opening marks."""
    positions = [held(BTC_LINEAR, btc_lots, LINEAR_100K), held(ETH_LINEAR, eth_lots, ETH_4000)]
    return AccountRecord("a", "cross", {"USDC": usd * USD}, positions)


def test_ACTN_040_one_venue_alone_liquidates_nobody() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long())
    told = venue.quote("alpha", "BTC", 50_000.0)
    assert told == [SourceChanged("BTC", "alpha", "deviating", 50_000.0)]
    assert venue.state("long") is State.HEALTHY
    outcomes = venue.protect("BTC")
    assert ProtectionChanged("BTC", True) in outcomes
    told = venue.quote("alpha", "BTC", 50_000.0)
    assert {type(outcome) for outcome in told} == {SourceChanged}
    assert venue.mark(BTC_LINEAR) == LINEAR_100K


def test_ACTN_041_liquidation_resumes_with_the_quorum() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long())
    venue.protect("BTC")
    venue.quote("alpha", "BTC", 98_400.0)
    outcomes = venue.quote("beta", "BTC", 98_400.0)
    assert ProtectionChanged("BTC", False) in outcomes
    assert closed(outcomes) == [("long", BTC_LINEAR)]


def test_ACTN_042_a_unit_that_a_kind_price_would_save_is_not_liquidated() -> None:
    venue = open_venue()
    # Long 1 BTC and 5 ETH: a rise of ETH within its grid would bring thousands.
    venue.open(two_legged(10_000, 5_000, 3_000))
    venue.order("a", "bid", BTC_LINEAR, 10, 90_000.0)
    venue.protect("ETH")
    outcomes = venue.price("BTC", 97_500.0)
    risk = venue.risk("a")
    assert risk.buffer < 0 <= risk.certain_buffer
    assert venue.state("a") is State.ORDERS_CANCELLED
    assert closed(outcomes) == []
    assert venue.orders("a") == {}


def test_ACTN_043_a_dust_position_in_a_protected_coin_immunises_nobody() -> None:
    venue = open_venue()
    venue.open(two_legged(10_000, 1, 2_000))
    fund_with(venue, 5_000)
    venue.protect("ETH")
    outcomes = venue.price("BTC", 97_000.0)
    assert closed(outcomes) == [("a", BTC_LINEAR)]
    # The dust stays until ETH has a price again; only then is the debt settled.
    assert venue.position("a", ETH_LINEAR)[0] == 1
    assert venue.balance("a") < 0
    later = venue.tick(2_000_000)
    assert closed(later) == []
    assert [o for o in later if isinstance(o, BadDebt)] == []
    outcomes = venue.price("ETH", 4_000.0)
    assert closed(outcomes) == [("a", ETH_LINEAR)]
    assert [o.subject for o in outcomes if isinstance(o, BadDebt)] == ["a"]
    assert venue.balance("a") == 0
    assert venue.state("a") is State.BANKRUPT


def failing_with_eth() -> Venue:
    """Return a venue whose account closed at a loss that only its protected ETH could pay."""
    venue = open_venue()
    fund_with(venue, 50_000)
    positions = [held(BTC_LINEAR, 10_000, LINEAR_100K)]
    venue.open(AccountRecord("a", "cross", {"USDC": 1_000 * USD, "ETH": COIN}, positions))
    venue.protect("ETH")
    outcomes = venue.price("BTC", 85_000.0)
    assert closed(outcomes) == [("a", BTC_LINEAR)]
    return venue


def test_ACTN_044_a_protected_coin_is_not_exchanged() -> None:
    venue = failing_with_eth()
    assert venue.balance("a", "ETH") == COIN
    assert venue.balance("a") < -13_000 * USD
    assert venue.state("a") is State.FULL_LIQUIDATION
    venue.tick(1_500_000)
    assert venue.balance("a", "ETH") == COIN
    assert venue.balance("insurance_fund") == 50_000 * USD
    outcomes = venue.price("ETH", 3_000.0)
    assert venue.balance("a", "ETH") == 0
    assert venue.balance("a") == 0
    assert [type(o) for o in outcomes if isinstance(o, BadDebt)] == [BadDebt]


def test_ACTN_044_a_waiting_debt_can_still_be_paid_by_a_deposit() -> None:
    venue = failing_with_eth()
    venue.transfer("external", "a", "USDC", 20_000 * USD)
    assert venue.balance("a", "ETH") == COIN
    assert venue.state("a") is State.HEALTHY
