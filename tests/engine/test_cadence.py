"""What is recomputed when, as it was measured."""

from __future__ import annotations

from steelyard.engine.cadence import Intervals
from steelyard.ticks import Fill
from tests.support.venue import BTC_LINEAR, MARKET, SECOND_US, market_maker, open_venue


def test_INDX_024_every_kind_runs_when_the_table_says() -> None:
    venue = open_venue()
    venue.open(market_maker())
    before = {kind: each["runs"] for kind, each in venue.engine.cadence.report().items()}
    venue.wait()
    venue.price("BTC", 100_100.0)  # two of three sources move the median
    venue.tick(SECOND_US)
    venue.volatility(0.6)
    venue.send(Fill, BTC_LINEAR, "maker", MARKET, 10, 100_000.0)
    after = venue.engine.cadence.report()
    runs = {kind: after[kind]["runs"] - before[kind] for kind in before}
    assert runs["delta"] >= 1
    assert runs["gamma"] == runs["delta"] + 2
    assert runs["theta"] == runs["delta"] + 2
    assert after["vega"]["runs"] == 1  # the interval between the first and this one
    assert venue.engine.cadence.last_us["fill"] == venue.now_us
    assert after["mark_age"]["longest_us"] == 2 * SECOND_US


def test_INDX_024_quantiles_are_within_a_factor_of_two() -> None:
    seen = Intervals()
    assert seen.quantile_us(0.5) == 0
    for each in range(1, 1001):
        seen.add(each)
    assert 500 <= seen.quantile_us(0.5) <= 1_000
    assert 990 <= seen.quantile_us(0.99) <= 1_980
    assert seen.quantile_us(1.0) == 1_000
