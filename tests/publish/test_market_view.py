"""What is published of the market: every source, and every state beside the index."""

from __future__ import annotations

import msgspec
import pytest

from steelyard.engine.snapshot import state_hash
from steelyard.publish.market_view import MarketView, market_view
from steelyard.ticks import BookTick, OpenInterestTick, SignalListed, SignalTick, TradeTick
from tests.support.venue import BTC_LINEAR, EXPIRY_US, SECOND_US, Venue, open_venue


def view_of(venue: Venue, asset: str) -> MarketView:
    engine = venue.engine
    return market_view(engine.market, engine.columns, engine.method, asset, engine.seq)


def busy() -> Venue:
    """A venue with a book, trades, open interest and a signal."""
    venue = open_venue()
    for second in range(30):
        venue.wait()
        venue.price("BTC", 100_000.0 + 10 * (second % 3))
    now = venue.now_us
    bids, asks = [99_990.0, 99_980.0, 99_900.0], [100_010.0, 100_020.0, 100_100.0]
    venue.send(
        BookTick, "own:BTC", "BTC", BTC_LINEAR, bids, [1.0, 2.0, 50.0], asks, [1.0, 2.0, 50.0], now
    )
    venue.send(TradeTick, "own:BTC", "BTC", 100_010.0, 0.5, now)
    venue.send(OpenInterestTick, "own", "BTC", 100.0, True, now)
    venue.send(OpenInterestTick, "other", "BTC", 300.0, False, now)
    venue.send(SignalListed, "dvol", "volatility_index", "BTC", 0.05, 3.0, 0.5, 60 * SECOND_US, 0.1)
    for source in ("a", "b", "c"):
        venue.send(SignalTick, "dvol", source, 0.5, 0.9, now)
    return venue


def test_PUBL_020_everything_that_is_known_of_an_asset_stands_in_its_view() -> None:
    venue = busy()
    view = view_of(venue, "BTC")
    assert (view.condition, view.is_protected, view.implied_condition) == (
        "healthy",
        False,
        "believed",
    )
    assert [s.verdict for s in view.sources] == ["used"] * 3
    assert view.index_price == pytest.approx(100_010.0, abs=11)
    assert view.marks[BTC_LINEAR] == pytest.approx(view.index_price, rel=0.005)
    assert view.liquidity.source == "own_books"
    assert view.liquidity.own_share == 0.25
    costs = [view.unwind[size].cost_ppm for size in ("100000", "1000000", "10000000")]
    assert costs == sorted(costs)
    assert view.volatility is not None
    assert view.volatility.implied is not None
    assert view.volatility.implied.term == ((EXPIRY_US, 0.5),)
    assert view.signals["dvol"].value == 0.5
    assert msgspec.json.decode(msgspec.json.encode(view))["asset"] == "BTC"


def test_PUBL_021_a_view_of_a_silent_asset_is_honest() -> None:
    venue = open_venue()
    venue.protect("ETH")
    view = view_of(venue, "ETH")
    assert (view.condition, view.is_protected) == ("no_quorum", True)
    assert {s.verdict for s in view.sources} == {"stale"}
    assert view.age_us > 60 * SECOND_US
    assert view.age_ppm > 0
    assert view.liquidity.source == "none"
    assert view.unwind["100000"].model == "linear"


def test_PUBL_022_looking_changes_no_decision() -> None:
    venue = busy()
    view_of(venue, "BTC")
    before = state_hash(venue.engine)
    for asset in ("BTC", "ETH"):
        view_of(venue, asset)
    assert state_hash(venue.engine) == before
