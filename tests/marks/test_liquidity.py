"""The liquidity of markets and assets: depth, flow, open interest, and which books are believed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks.book_health import ramp
from steelyard.marks.liquidity import (
    FAULTS,
    PARTS,
    LiquidityState,
    apply_book,
    apply_open_interest,
    apply_trade,
    read_asset,
)
from steelyard.marks.liquidity_state import MARKETS_MAX
from steelyard.ticks import BookTick, OpenInterestTick, TradeTick
from tests.marks.liquidity_roles import (
    ASKS,
    BIDS,
    QUANTITIES,
    RULES,
    SECOND_US,
    START_US,
    book_tick,
    market,
    rules,
    told,
    unwound,
)

OTHER = [11.0, 21.0, 41.0, 81.0, 161.0]


def test_LIQU_001_depth_and_spread_of_the_worked_book() -> None:
    reading = market(told(book_tick()))
    assert reading.bid_depth == reading.ask_depth == (1_000.0, 3_000.0, 7_000.0, 15_000.0, 31_000.0)
    assert (reading.mid, reading.spread_ppm) == (100.0, 1_250.0)
    assert (reading.faults, reading.reliability, reading.age_us) == ((), 1.0, 0)
    assert reading.parts == dict.fromkeys(PARTS, 1.0)


def test_LIQU_001_both_ends_of_a_band_count() -> None:
    near = {"bid_prices": [99.5, 99.4], "bid_quantities": [1.0, 7.0]}
    reading = market(told(book_tick(**near, ask_prices=[100.5], ask_quantities=[2.0])))
    assert (reading.bid_depth[:2], reading.ask_depth[:2]) == ((0.0, 100.0), (0.0, 200.0))


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=20, unique=True).map(sorted),
    st.lists(st.sampled_from([0.25, 1.0, 3.0, 50.0]), min_size=20, max_size=20),
)
def test_LIQU_001_wider_bands_hold_no_less(steps: list[int], quantities: list[float]) -> None:
    bids = [100.0 - each / 64 for each in steps]
    held = quantities[: len(bids)]
    reading = market(told(book_tick(bid_prices=bids, bid_quantities=held)))
    assert list(reading.bid_depth) == sorted(reading.bid_depth)
    for band, depth in zip(RULES.bands_ppm, reading.bid_depth, strict=True):
        near = [
            q for p, q in zip(bids, held, strict=True) if abs(p - reading.mid) / reading.mid <= band / 1e6
        ]  # fmt: skip
        assert depth == pytest.approx(reading.mid * sum(near))


@pytest.mark.parametrize(
    ("changed", "index", "fault"),
    [
        ({"is_intact": False}, 100.0, "not_intact"),
        ({"bid_prices": [], "bid_quantities": []}, 100.0, "empty_side"),
        ({"ask_prices": [], "ask_quantities": []}, 100.0, "empty_side"),
        ({"bid_prices": [101.0], "bid_quantities": [1.0]}, 100.0, "crossed"),
        ({"bid_prices": [100.0625], "bid_quantities": [1.0]}, 100.0, "crossed"),
        ({"exchange_time_us": START_US - 10 * SECOND_US}, 100.0, "stale"),
        ({}, 103.1, "off_index"),
        ({}, 97.0, "off_index"),
        ({}, 0.0, "off_index"),
        ({"bid_prices": [98.0], "bid_quantities": [1.0]}, 100.0, "wide"),
    ],
)
def test_LIQU_002_book_that_cannot_be_believed_says_why(
    changed: dict[str, object], index: float, fault: str
) -> None:
    state = told(book_tick(**changed), index=index)
    reading = market(state)
    assert fault in reading.faults
    assert reading.reliability == 0.0
    answer = unwound(state, 5_000.0)
    assert (answer.books, answer.book_weight, answer.model) == ("none", 0.0, "linear")
    assert answer.cost_usd > 0.0
    assert dict(zip(FAULTS, reading.parts.values(), strict=True))[fault] == 0.0


def test_LIQU_002_market_never_heard_of_is_absent() -> None:
    reading = market(LiquidityState())
    assert (reading.faults, reading.reliability, reading.mid) == (("absent",), 0.0, 0.0)
    assert reading.bid_depth == (0.0,) * 5


def test_LIQU_003_reliability_is_the_least_of_its_parts_each_a_ramp() -> None:
    assert [ramp(x, 10.0) for x in (0.0, 5.0, 7.5, 10.0, 11.0, float("nan"))] == [
        1.0, 1.0, 0.5, 0.0, 0.0, 0.0,
    ]  # fmt: skip
    state = told(book_tick(), index=102.0)
    reading = market(state, START_US + 8 * SECOND_US)
    assert reading.parts["fresh"] == pytest.approx(0.4)
    assert reading.parts["near_index"] == pytest.approx(2.0 - 2.0 * (2.0 / 102.0) / 0.03)
    assert reading.reliability == pytest.approx(0.4)


def frozen(
    seconds: int, move: float, changed: dict[str, object] | None = None, factor: float = 1.0
) -> LiquidityState:
    """Return the state after a book is repeated each second while the index moves steadily."""
    state = LiquidityState()
    for second in range(seconds + 1):
        at_us = START_US + second * SECOND_US
        scale = factor**second
        tick = book_tick(
            at_us,
            bid_prices=[p * scale for p in BIDS],
            bid_quantities=QUANTITIES,
            ask_prices=[p * scale for p in ASKS],
            ask_quantities=[q + second for q in QUANTITIES],
        )
        tick = msgspec.structs.replace(tick, **(changed or {}))
        apply_book(state, tick, 100.0 * (1.0 + move * second / seconds), RULES)
    return state


@pytest.mark.parametrize(
    ("seconds", "move", "faults"),
    [(31, 0.0, ()), (29, 0.002, ()), (31, 0.0009, ()), (31, 0.0011, ("frozen_depth", "lately_unsound")),
     (31, 0.002, ("frozen_depth", "lately_unsound")),
     (61, -0.002, ("frozen_best", "frozen_depth", "lately_unsound")), (61, 0.0, ())],
)  # fmt: skip
def test_LIQU_004_side_that_stays_while_the_index_moves_is_frozen(
    seconds: int, move: float, faults: tuple[str, ...]
) -> None:
    reading = market(frozen(seconds, move), START_US + seconds * SECOND_US)
    assert reading.faults == faults
    assert reading.level_ages_us == (seconds * SECOND_US, 0, seconds * SECOND_US, 0)


@pytest.mark.parametrize("is_bid", [True, False])
def test_LIQU_004_either_side_can_freeze(is_bid: bool) -> None:
    state = LiquidityState()
    for second in range(62):
        living = [q + second for q in QUANTITIES]
        sides = {"bid_quantities": QUANTITIES, "ask_quantities": living}
        if not is_bid:
            sides = {"bid_quantities": living, "ask_quantities": QUANTITIES}
        tick = book_tick(START_US + second * SECOND_US, **sides)
        apply_book(state, tick, 100.0 - 0.005 * second, RULES)
        faults = market(state, tick.time_us).faults
        assert ("frozen_depth" in faults, "frozen_best" in faults) == (second >= 30, second >= 60)


def test_LIQU_004_level_that_stays_in_a_living_side_is_frozen_too() -> None:
    state = LiquidityState()
    for second in range(62):
        held = [10.0, 20.0 + second, 40.0, 80.0, 160.0]
        tick = book_tick(START_US + second * SECOND_US, bid_quantities=held, ask_quantities=held)
        apply_book(state, tick, 100.0 + 0.01 * second, RULES)
    reading = market(state, START_US + 61 * SECOND_US)
    assert reading.faults == ("frozen_best", "lately_unsound")


def test_LIQU_004_book_converted_at_a_moving_rate_is_seen_to_stand_still() -> None:
    reading = market(frozen(31, 0.002, factor=1.00001), START_US + 31 * SECOND_US)
    assert reading.faults == ("frozen_depth", "lately_unsound")
    quoted = frozen(31, 0.002, {"bid_prices": BIDS, "bid_quantities": OTHER})
    living = book_tick(START_US + 32 * SECOND_US, bid_prices=[p + 0.0625 for p in BIDS])
    apply_book(quoted, living, 100.2, RULES)
    assert market(quoted, START_US + 32 * SECOND_US).faults == ("lately_unsound",)


def test_LIQU_004_a_book_is_believed_again_when_it_was_sound_for_a_while() -> None:
    state = LiquidityState()
    crossed = book_tick(START_US, bid_prices=[p + 5.0 for p in BIDS])
    apply_book(state, crossed, 100.0, RULES)
    assert market(state, START_US).faults[0] == "crossed"
    for second in (1, 150, 299, 300):
        now_us = START_US + second * SECOND_US
        living = [q + second for q in QUANTITIES]
        tick = book_tick(now_us, bid_quantities=living, ask_quantities=living)
        apply_book(state, tick, 100.0, RULES)
        assert market(state, now_us).faults == (() if second == 300 else ("lately_unsound",))


def test_LIQU_004_silent_book_is_stale_not_frozen() -> None:
    state = told(book_tick())
    apply_book(state, book_tick(START_US + SECOND_US), 102.0, RULES)
    assert market(state, START_US + 200 * SECOND_US).faults == ("stale",)


def test_LIQU_005_worked_order_flow() -> None:
    steps = [
        ([99.0], [5.0], [101.0], [5.0], 0.0, 0.0), ([99.0], [8.0], [101.0], [5.0], 3.0, 3.0),
        ([99.5], [2.0], [101.0], [5.0], 5.0, 5.0), ([99.0], [8.0], [101.0], [5.0], 3.0, 7.0),
        ([99.0], [8.0], [100.5], [4.0], -1.0, 11.0), ([99.0], [8.0], [101.0], [5.0], 3.0, 15.0),
        ([], [], [101.0], [5.0], -5.0, 23.0), ([98.0], [1.0], [101.0], [5.0], -4.0, 24.0),
    ]  # fmt: skip
    state = LiquidityState()
    for bids, bid_quantities, asks, ask_quantities, flow, turnover in steps:
        tick = book_tick(
            bid_prices=bids, bid_quantities=bid_quantities,
            ask_prices=asks, ask_quantities=ask_quantities,
        )  # fmt: skip
        assert apply_book(state, tick, 100.0, RULES)
        assert market(state).order_flow == flow
        assert market(state).order_flow_share == (flow / turnover if turnover else 0.0)
    later = market(state, START_US + 60 * SECOND_US)
    assert later.order_flow == -4.0 * 0.4
    assert later.order_flow_share == -4.0 / 24.0


def test_LIQU_005_no_flow_is_read_across_a_gap() -> None:
    state = told(book_tick())
    apply_book(state, book_tick(is_intact=False, bid_quantities=OTHER), 100.0, RULES)
    assert market(state).order_flow == 0.0
    apply_book(state, book_tick(bid_quantities=[q + 5.0 for q in QUANTITIES]), 100.0, RULES)
    assert market(state).order_flow == 0.0
    apply_book(state, book_tick(bid_quantities=OTHER), 100.0, RULES)
    assert market(state).order_flow == -4.0


BOOKS = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(1, 9), st.integers(1, 9), st.integers(0, 90)),
    min_size=2,
    max_size=12,
)


@given(BOOKS)
def test_LIQU_005_flow_of_the_mirrored_market_is_the_opposite(
    books: list[tuple[int, int, int, int]],
) -> None:
    state, mirrored = LiquidityState(), LiquidityState()
    at_us = START_US
    for shift, bid, ask, seconds in books:
        at_us += seconds * SECOND_US
        mid = 100.0 + shift / 8
        sides = [mid - 0.5], [float(bid)], [mid + 0.5], [float(ask)]
        mirror = [200.0 - mid - 0.5], [float(ask)], [200.0 - mid + 0.5], [float(bid)]
        for each, (bids, of_bid, asks, of_ask) in ((state, sides), (mirrored, mirror)):
            tick = book_tick(
                at_us, bid_prices=bids, bid_quantities=of_bid, ask_prices=asks, ask_quantities=of_ask
            )  # fmt: skip
            apply_book(each, tick, 100.0, RULES)
    flow, opposite = market(state, at_us), market(mirrored, at_us)
    assert flow.order_flow == -opposite.order_flow
    assert abs(flow.order_flow_share) <= 1.0


def trade(quantity: float, at_us: int = START_US, source: str = "venue:C") -> TradeTick:
    """Return a trade at 100 USD, of a buyer where the quantity is positive."""
    return TradeTick(at_us, "feed", 1, source, "C", 100.0, quantity, at_us)


def test_LIQU_006_worked_trade_flow() -> None:
    state = LiquidityState()
    for quantity in (2.0, -1.0):
        assert apply_trade(state, trade(quantity), RULES)
    reading = market(state)
    assert (reading.trade_flow, reading.trade_flow_share) == (1.0, 1.0 / 3.0)
    assert reading.trade_value_day == 432_000.0
    assert reading.faults == ("absent",)
    apply_trade(state, trade(1.0, START_US + 60 * SECOND_US), RULES)
    apply_trade(state, trade(0.5, START_US), RULES)
    assert market(state, START_US + 60 * SECOND_US).trade_flow == 0.4 + 1.0 + 0.5
    assert market(state, START_US + 120 * SECOND_US).trade_flow == 1.9 * 0.4


def interest(source: str, units: float, at_us: int, *, is_own: bool = False) -> OpenInterestTick:
    """Return a venue's open interest."""
    return OpenInterestTick(at_us, "feed", 1, source, "C", units, is_own, at_us)


def test_LIQU_007_open_interest_over_venues_and_our_share() -> None:
    state = LiquidityState()
    assert read_asset(state, "C", START_US, RULES).own_share == 0.0
    old_us = START_US - RULES.open_interest_stale_after_us - 1
    for tick in (
        interest("ours", 100.0, START_US, is_own=True), interest("a", 999.0, START_US - 5),
        interest("a", 300.0, START_US), interest("b", 400.0, old_us),
    ):  # fmt: skip
        assert apply_open_interest(state, tick)
    assert not apply_open_interest(state, interest("a", 7.0, START_US - 1))
    reading = read_asset(state, "C", START_US, RULES)
    assert (reading.open_interest, reading.own_share) == (400.0, 0.25)


def test_LIQU_008_asset_is_read_over_its_markets() -> None:
    other = {"source": "other:C", "instrument": ""}
    state = told(book_tick(**other))
    reading = read_asset(state, "C", START_US, RULES)
    assert (reading.source, reading.books, reading.books_reliable) == ("other_books", 1, 1)
    assert reading.bid_depth == pytest.approx((100.0, 300.0, 700.0, 1_500.0, 3_100.0))
    apply_book(state, book_tick(), 100.0, RULES)
    apply_book(state, book_tick(source="venue:C2", ask_quantities=OTHER), 100.0, RULES)
    reading = read_asset(state, "C", START_US, RULES)
    assert (reading.source, reading.books, reading.books_reliable) == ("own_books", 3, 3)
    assert reading.bid_depth == (2_000.0, 6_000.0, 14_000.0, 30_000.0, 62_000.0)
    assert reading.ask_depth == (2_100.0, 6_200.0, 14_300.0, 30_400.0, 62_500.0)
    apply_trade(state, trade(3.0), RULES)
    apply_trade(state, trade(-1.0, source="other:C"), RULES)
    assert read_asset(state, "C", START_US, RULES).trade_flow_share == 0.5


def test_LIQU_009_older_books_change_nothing_and_no_clock_makes_one_younger() -> None:
    state = told(book_tick(exchange_time_us=START_US + 3_600 * SECOND_US))
    assert market(state).age_us == 0
    assert market(state, START_US + 10 * SECOND_US).faults == ("stale",)
    late = book_tick(START_US + SECOND_US, exchange_time_us=START_US - 1, bid_quantities=OTHER)
    assert not apply_book(state, late, 100.0, RULES)
    assert market(state).bid_depth[0] == 1_000.0
    next_us = START_US + SECOND_US
    ahead = book_tick(next_us, exchange_time_us=START_US + 7_200 * SECOND_US)
    assert apply_book(state, ahead, 100.0, RULES)
    assert market(state, next_us).age_us == 0
    assert apply_book(state, book_tick(next_us + 1), 100.0, RULES)


def test_LIQU_009_number_of_markets_of_an_asset_is_bounded() -> None:
    state = LiquidityState()
    for number in range(MARKETS_MAX):
        assert apply_book(state, book_tick(source=f"m{number}"), 100.0, RULES)
        assert apply_trade(state, trade(1.0, source=f"m{number}"), RULES)
        assert apply_open_interest(state, interest(f"m{number}", 1.0, START_US))
    assert not apply_book(state, book_tick(source="one more"), 100.0, RULES)
    assert not apply_trade(state, trade(1.0, source="one more"), RULES)
    assert not apply_open_interest(state, interest("one more", 1.0, START_US))
    assert apply_book(state, book_tick(source="m0"), 100.0, RULES)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["book", "trade", "interest"]), st.sampled_from(["a", "b", "venue:C"]),
        st.integers(0, 20), st.integers(1, 9), st.integers(1, 9),
    ),
    max_size=25,
)  # fmt: skip


def run(state: LiquidityState, events: list[tuple[str, str, int, int, int]], at_us: int) -> int:
    """Apply drawn events from a time on; return the time of the last."""
    for kind, source, seconds, first, second in events:
        at_us += seconds * SECOND_US
        if kind == "book":
            quantities = [q + first for q in QUANTITIES]
            tick = book_tick(at_us, source=source, bid_quantities=quantities)
            apply_book(state, tick, 100.0 + second / 8, RULES)
        elif kind == "trade":
            apply_trade(state, trade(float(first - second), at_us, source), RULES)
        else:
            apply_open_interest(state, interest(source, 7.0 * first, at_us, is_own=source == "a"))
    return at_us


@given(EVENTS, EVENTS)
def test_LIQU_010_state_that_was_recorded_goes_on_to_the_same_bits(
    before: list[tuple[str, str, int, int, int]], after: list[tuple[str, str, int, int, int]]
) -> None:
    state = LiquidityState()
    at_us = run(state, before, START_US)
    unwound(state, 5_000.0, now_us=at_us)
    packed = msgspec.msgpack.encode(state.record())
    restored = LiquidityState.restore(msgspec.msgpack.decode(packed))
    assert msgspec.msgpack.encode(restored.record()) == packed
    at_us = run(state, after, at_us)
    run(restored, after, at_us - sum(seconds * SECOND_US for _, _, seconds, _, _ in after))
    for name in ("a", "b", "venue:C"):
        assert market(state, at_us) == market(restored, at_us), name
    assert read_asset(state, "C", at_us, RULES) == read_asset(restored, "C", at_us, RULES)
    for notional in (1.0, 5_000.0, 90_000.0):
        sold = unwound(state, notional, now_us=at_us, index_price=100.0, volatility=0.5)
        again = unwound(restored, notional, now_us=at_us, index_price=100.0, volatility=0.5)
        assert sold == again
    assert msgspec.msgpack.encode(state.record()) == msgspec.msgpack.encode(restored.record())


def test_LIQU_010_events_are_kept_as_they_came() -> None:
    tick = book_tick()
    told(tick, book_tick(START_US + 1))
    assert tick == book_tick()
    assert isinstance(tick, BookTick)


def test_LIQU_011_narrower_rules_hold_from_the_next_reading() -> None:
    state = told(book_tick(), index=101.0)
    assert market(state).reliability == 1.0
    assert market(state, by=rules(mid_bound_ppm=5_000)).faults == ("off_index",)
