"""What old prices cost: positions and collateral, the initial requirement only."""

from __future__ import annotations

import pytest

from steelyard.margin.twin import require_unit_twin
from steelyard.terms import AccountRecord
from tests.support.venue import (
    BTC_LINEAR,
    LINEAR_100K,
    SECOND_US,
    USD,
    Venue,
    held,
    market_maker,
    open_venue,
)

ETHER = 10**8


def venue_with_silent_ether() -> Venue:
    """A cross account long a bitcoin with ten ether as collateral, whose price stops coming."""
    venue = open_venue()
    collateral = {"USDC": 50_000 * USD, "ETH": 10 * ETHER}
    venue.open(
        AccountRecord("a", "cross", collateral, [held(BTC_LINEAR, 10_000, LINEAR_100K)]),
        market_maker(),
    )
    for _ in range(24):
        venue.wait(5 * SECOND_US)
        venue.price("BTC", 100_000.0)
    venue.tick()
    return venue


def test_INDX_013_old_collateral_raises_what_opening_needs_and_nothing_else() -> None:
    venue = venue_with_silent_ether()
    market = venue.engine.market
    slot = market.asset_slots["ETH"]
    assert market.is_protected[slot]
    risk = venue.risk("a")
    (part,) = [p for p in risk.initial_parts if p.name == "oracle_age"]
    assert part.scope == "ETH"
    assert part.amount == 40_000 * int(market.age_ppm[slot])  # 40,000 USD of ether, in micro-USD
    assert not [p for p in risk.maintenance_parts if p.name == "oracle_age"]
    assert sum(p.amount for p in risk.initial_parts) == risk.initial_requirement


@pytest.mark.parametrize("account", ["a", "maker"])
def test_INDX_013_the_fast_pass_and_its_twin_charge_the_same(account: str) -> None:
    venue = venue_with_silent_ether()
    shard, row = venue.engine.places[account]
    engine = venue.engine
    twin = require_unit_twin(shard.book, row, engine.market, engine.columns, engine.method)
    assert tuple(shard.results[:, row].tolist()) == twin


def test_INDX_013_an_order_is_charged_for_what_it_would_hold() -> None:
    venue = open_venue()
    venue.open(market_maker())
    for _ in range(2):
        venue.wait(25 * SECOND_US)
        venue.price("ETH", 4_000.0)
    fresh = venue.engine.market.age_ppm[1]
    venue.tick()
    assert venue.engine.market.age_ppm[1] > fresh
    venue.order("maker", "o", BTC_LINEAR, 10_000, 100_000.0)
    before = venue.risk("maker").initial_requirement
    venue.fill(BTC_LINEAR, "maker", "market", 10_000, 100_000.0, "o")
    after = venue.risk("maker")
    assert [p for p in after.initial_parts if p.name == "oracle_age" and p.scope == "BTC"]
    assert after.initial_requirement <= before
