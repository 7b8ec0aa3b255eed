"""The liquidity curve: what closing costs, what it leaves behind, and how it refills."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steelyard.actions import Closed, DepthState
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_LINEAR,
    LINEAR_100K,
    SECOND_US,
    held,
    open_venue,
    over_leveraged_long,
    over_leveraged_short,
)

BTC = load_method().underlying_rules("BTC")  # depth 8,000,000, half spread 50 ppm, 60 s, 15 %
SELL, BUY = ("BTC", False, True), ("BTC", False, False)
OPTION_SELL = ("BTC", True, True)
MILLION = 1_000_000
SHALLOW = load_method().with_parameter("underlying.BTC.depth_usd", "100000")


def test_ACTN_001_offset_of_an_untouched_book() -> None:
    depth = DepthState()
    assert depth.offset_ppm(SELL, 0, 0, BTC) == 50
    assert depth.offset_ppm(SELL, 8 * MILLION, 0, BTC) == 50 + 5_000
    assert depth.offset_ppm(SELL, 98_400, 0, BTC) == 50 + 61


def test_ACTN_001_an_option_book_is_a_tenth_as_deep() -> None:
    assert DepthState().offset_ppm(OPTION_SELL, 8 * MILLION, 0, BTC) == 50 + 50_000


def test_ACTN_002_a_cascade_finds_an_emptier_book() -> None:
    depth = DepthState()
    depth.take(SELL, 8 * MILLION, 0, BTC)
    assert depth.offset_ppm(SELL, 8 * MILLION, 0, BTC) == 50 + 15_000
    assert depth.offset_ppm(BUY, 8 * MILLION, 0, BTC) == 50 + 5_000
    assert depth.offset_ppm(OPTION_SELL, 0, 0, BTC) == 50


def test_ACTN_003_the_book_refills_linearly() -> None:
    depth = DepthState()
    depth.take(SELL, 8 * MILLION, 0, BTC)
    assert depth.taken_usd(SELL, 30 * SECOND_US, BTC) == 4 * MILLION
    assert depth.taken_usd(SELL, 60 * SECOND_US, BTC) == 0
    depth.take(SELL, 2 * MILLION, 30 * SECOND_US, BTC)
    assert depth.taken_usd(SELL, 30 * SECOND_US, BTC) == 6 * MILLION
    assert depth.taken_usd(SELL, 45 * SECOND_US, BTC) == 4 * MILLION


def test_ACTN_004_room_ends_at_the_largest_slippage() -> None:
    depth = DepthState()
    # (15 % − 0.005 %) / 1 % × 8,000,000
    assert depth.room_usd(SELL, 0, BTC) == 119_960_000
    depth.take(SELL, 119 * MILLION, 0, BTC)
    assert depth.room_usd(SELL, 0, BTC) == 960_000
    depth.take(SELL, 10 * MILLION, 0, BTC)
    assert depth.room_usd(SELL, 0, BTC) == 0
    assert depth.offset_ppm(SELL, MILLION, 0, BTC) == 150_000


@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(0, 120 * SECOND_US)), min_size=1, max_size=20
    )
)
def test_ACTN_003_taken_is_never_negative_and_never_grows_by_itself(
    takes: list[tuple[int, int]],
) -> None:
    depth, now_us = DepthState(), 0
    for notional, pause_us in takes:
        depth.take(SELL, notional, now_us, BTC)
        before = depth.taken_usd(SELL, now_us, BTC)
        now_us += pause_us
        assert 0 <= depth.taken_usd(SELL, now_us, BTC) <= before
        assert BTC.half_spread_ppm <= depth.offset_ppm(SELL, notional, now_us, BTC) <= 150_000


def test_ACTN_002_the_second_account_of_a_cascade_fills_worse() -> None:
    venue = open_venue(method=SHALLOW)
    venue.open(over_leveraged_long("first", 6_000), over_leveraged_long("second", 6_000))
    closed = [o for o in venue.price("BTC", 94_500.0) if isinstance(o, Closed)]
    assert [o.subject for o in closed] == ["first", "second"]
    assert closed[0].price_mark > closed[1].price_mark
    # 50 + 1 % · (94,500/2) / 100,000, then 50 + 1 % · (94,500 + 94,500/2) / 100,000
    assert closed[0].price_mark == 9_450_000 * (10**6 - 4_775) // 10**6
    assert closed[1].price_mark == 9_450_000 * (10**6 - 14_225) // 10**6


def test_ACTN_005_fills_are_rounded_against_the_account_on_both_sides() -> None:
    venue = open_venue(method=SHALLOW)
    venue.open(over_leveraged_short("short", 6_000))
    (closed,) = [o for o in venue.price("BTC", 105_500.0) if isinstance(o, Closed)]
    offset = 50 + 10_000 * 105_500 // 200_000
    assert closed.price_mark == -(-10_550_000 * (10**6 + offset) // 10**6)
    assert closed.lots == -10_000


def test_ACTN_004_what_finds_no_room_waits_for_the_book_to_refill() -> None:
    venue = open_venue(method=SHALLOW)
    venue.open(over_leveraged_long("whale", 600_000, btc=30))
    closed = [o for o in venue.price("BTC", 80_000.0) if isinstance(o, Closed)]
    # room is 14.995 × 100,000 = 1,499,500 USD: 18.7437 BTC at 80,000
    assert [o.lots for o in closed] == [187_437]
    assert venue.position("whale", BTC_LINEAR)[0] == 300_000 - 187_437
    venue.tick(SECOND_US)
    assert venue.position("whale", BTC_LINEAR)[0] < 300_000 - 187_437
    # 9 depths are missing, and one refills in a minute.
    for _ in range(10):
        venue.wait(59 * SECOND_US)
        venue.price("BTC", 80_000.0)
    assert venue.position("whale", BTC_LINEAR) == (0, 0)


def test_ACTN_004_room_counts_lots_finer_than_a_micro_dollar() -> None:
    from steelyard.terms import AccountRecord, Asset, Instrument
    from steelyard.ticks import AssetListed, InstrumentsListed, SourceListed
    from tests.support.venue import SOURCES, STALE_US, USD

    venue = open_venue()
    venue.send(AssetListed, Asset("PEPE", 2, 6))
    for source, operator in SOURCES.items():
        venue.send(SourceListed, source, "PEPE", operator, 1, STALE_US)
    name = "PEPE_USDC-PERPETUAL"
    fine = Instrument(name, "perpetual", "PEPE", "USDC", False, 4, 6, 10**12)
    venue.send(InstrumentsListed, [fine])
    venue.price("PEPE", 0.001)  # a lot is 10^-7 USD
    venue.parameter("underlying.PEPE.depth_usd", "10000")  # room for 249,600 USD
    lots = 10**12  # 100,000 USD
    venue.open(AccountRecord("a", "cross", {"USDC": 20_000 * USD}, [held(name, lots, 1_000)]))
    outcomes = venue.price("PEPE", 0.000_8)
    closed = [o for o in outcomes if isinstance(o, Closed)]
    assert [o.lots for o in closed] == [lots]


def test_ACTN_006_an_option_is_sold_at_its_premium_less_an_offset_of_the_index() -> None:
    from steelyard.actions.execute import fill_mark

    venue = open_venue()
    slot = venue.slot(BTC_CALL)
    mark = venue.mark(BTC_CALL)
    # 1,000 ppm of the index is 0.001 coins: 100,000 mark units
    assert fill_mark(venue.engine.venue, slot, 1_000, is_sell=True) == mark - 100_000
    assert fill_mark(venue.engine.venue, slot, 1_000, is_sell=False) == mark + 100_000
    assert fill_mark(venue.engine.venue, slot, 150_000, is_sell=True) == 0
    assert venue.mark(BTC_LINEAR) == LINEAR_100K
