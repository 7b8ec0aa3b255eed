"""What a size costs: convex in the size, alike on both sides, and never without an answer."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.actions.depth import DepthState
from steelyard.marks.liquidity import (
    LiquidityState,
    apply_book,
    apply_open_interest,
    impact_prices,
)
from steelyard.ticks import OpenInterestTick
from tests.marks.liquidity_roles import (
    ASKS,
    BIDS,
    BTC,
    QUANTITIES,
    RULES,
    SECOND_US,
    START_US,
    TERMS,
    book_tick,
    rules,
    told,
    unwound,
)

NEAR = 1e-12
STEPS = st.lists(st.integers(1, 3_000), min_size=1, max_size=15, unique=True).map(sorted)
SIZES = st.lists(st.sampled_from([0.25, 1.0, 3.0, 50.0, 800.0]), min_size=15, max_size=15)
NOTIONALS = st.just(0.0) | st.floats(1e-6, 1e8)


def with_interest(units: float, state: LiquidityState | None = None) -> LiquidityState:
    """Return a state that knows the open interest of the coin."""
    state = state or LiquidityState()
    tick = OpenInterestTick(START_US, "feed", 1, "venue", "C", units, False, START_US)
    apply_open_interest(state, tick)
    return state


def drawn(steps: list[int], sizes: list[float], *, scale: float = 1.0) -> LiquidityState:
    """Return a state with a drawn book of two like sides at a mid of 100, and open interest."""
    held = [scale * each for each in sizes[: len(steps)]]
    tick = book_tick(
        bid_prices=[100.0 - each / 64 for each in steps], bid_quantities=held,
        ask_prices=[100.0 + each / 64 for each in steps], ask_quantities=held,
    )  # fmt: skip
    return with_interest(scale * 5_000.0, told(tick))


@pytest.mark.parametrize(
    ("notional", "cost"),
    [(500.0, 0.3125), (1_000.0, 0.625), (5_000.0, 20.625), (31_000.0, 795.625),
     (40_000.0, 795.625 + 360.0 + 81e6 * 0.04 / 31_000.0)],
)  # fmt: skip
def test_LIQU_020_worked_walks_within_and_beyond_the_book(notional: float, cost: float) -> None:
    for is_sell in (True, False):
        answer = unwound(told(book_tick()), notional, is_sell=is_sell, terms=BTC)
        assert answer.cost_usd == pytest.approx(cost, rel=NEAR)
        assert answer.cost_ppm == pytest.approx(1e6 * cost / notional, rel=NEAR)
        assert (answer.books, answer.book_weight) == ("own_books", 1.0)
        assert answer.shown == min(1.0, 31_000.0 / notional)


def test_LIQU_021_behind_one_deep_level_stands_the_linear_book() -> None:
    tick = book_tick(
        bid_prices=[99.99], bid_quantities=[1e4], ask_prices=[100.01], ask_quantities=[1e4]
    )
    answer = unwound(told(tick), 3_000_000.0)
    linear = [n * (0.0004 + 0.005 * n / 700_000.0) for n in (3e6, 1e6)]
    assert answer.cost_usd == pytest.approx(1e6 * 0.0001 + linear[0] - linear[1], rel=1e-9)


def test_LIQU_022_without_a_book_the_linear_model_is_that_of_liquidations() -> None:
    answer = unwound(LiquidityState(), 8_000_000.0, terms=BTC)
    assert answer.cost_ppm == pytest.approx(2_050.0, rel=NEAR)
    assert answer.cost_ppm == DepthState().offset_ppm(("C", False, True), 8_000_000, 0, BTC)
    assert (answer.books, answer.book_weight, answer.shown, answer.model) == (
        "none", 0.0, 0.0, "linear",
    )  # fmt: skip


def test_LIQU_023_worked_square_root_law() -> None:
    known = {"index_price": 100.0, "volatility": 0.05 * math.sqrt(365.0)}
    answer = unwound(with_interest(10_000.0), 10_000.0, **known)
    assert answer.cost_usd == pytest.approx(4.0 + 10_000.0 * 2.0 / 3.0 * 0.005, rel=NEAR)
    assert answer.model == "square_root"
    twice = unwound(with_interest(10_000.0), 10_000.0, by=rules(turnover_ppm=4_000_000), **known)
    assert twice.cost_usd == pytest.approx(4.0 + 10_000.0 * 2.0 / 3.0 * 0.0025, rel=NEAR)
    for lacking in ({}, {"index_price": 100.0}, {"volatility": 1.0}):
        assert unwound(with_interest(10_000.0), 10_000.0, **lacking).model == "linear"
    assert unwound(LiquidityState(), 10_000.0, **known).model == "linear"


def test_LIQU_023_nothing_sells_for_less_than_nothing() -> None:
    known = {"index_price": 100.0, "volatility": 5.0}
    for state in (LiquidityState(), with_interest(1.0), told(book_tick())):
        for notional in (1e6, 1e9, 1e15):
            answer = unwound(state, notional, **known)
            assert 0.0 < answer.cost_usd <= notional
            assert unwound(state, 2.0 * notional, **known).cost_usd > answer.cost_usd


def test_LIQU_024_half_believed_book_answers_half() -> None:
    state = told(book_tick())
    later_us = START_US + 6_250_000
    whole, model = unwound(state, 5_000.0), unwound(LiquidityState(), 5_000.0)
    answer = unwound(state, 5_000.0, now_us=later_us)
    assert answer.book_weight == pytest.approx(0.5)
    assert answer.cost_usd == pytest.approx(0.5 * (whole.cost_usd + model.cost_usd))
    assert unwound(state, 5_000.0, now_us=START_US + 7_500_000).books == "none"


def test_LIQU_024_weight_falls_to_the_model_without_a_step() -> None:
    state, last = told(book_tick()), None
    for millisecond in range(0, 9_000, 25):
        cost = unwound(state, 20_000.0, now_us=START_US + 1_000 * millisecond).cost_usd
        assert last is None or abs(cost - last) <= 0.011 * 600.0
        last = cost


def test_LIQU_025_own_books_first_then_a_part_of_others() -> None:
    other = {"source": "other:C", "instrument": ""}
    state = told(book_tick(**other))
    answer = unwound(state, 500.0)
    assert (answer.books, answer.cost_usd) == ("other_books", pytest.approx(0.0625 + 0.5 + 1.5))
    apply_book(state, book_tick(), 100.0, RULES)
    assert unwound(state, 500.0).books == "own_books"
    assert unwound(state, 500.0).cost_usd == pytest.approx(0.3125)
    apply_book(state, book_tick(is_intact=False), 100.0, RULES)
    assert unwound(state, 500.0).books == "other_books"


def test_LIQU_025_two_own_books_are_one_of_both() -> None:
    state = told(book_tick(), book_tick(source="venue:C2"))
    assert unwound(state, 10_000.0).cost_usd == pytest.approx(2.0 * 20.625, rel=NEAR)
    apply_book(state, book_tick(START_US + 1, source="venue:C2", bid_prices=BIDS[:1],
                                bid_quantities=[1.0]), 100.0, RULES)  # fmt: skip
    later = unwound(state, 1_900.0, now_us=START_US + 1)
    assert later.cost_usd == pytest.approx(1_100.0 * 0.000625 + 800.0 * 0.0025, rel=NEAR)


def test_LIQU_025_books_weigh_by_what_they_show() -> None:
    now_us = START_US + 6_250_000
    old = book_tick(source="venue:C2", bid_quantities=[3.0 * q for q in QUANTITIES])
    state = told(old, book_tick(now_us))
    assert unwound(state, 100.0, now_us=now_us).book_weight == pytest.approx(0.25 + 0.75 * 0.5)
    assert unwound(state, 100.0, now_us=now_us, is_sell=False).book_weight == pytest.approx(0.75)


@given(STEPS, SIZES, st.permutations(range(4)), st.floats(1.0, 1e6))
def test_LIQU_025_order_in_which_markets_came_does_not_matter(
    steps: list[int], sizes: list[float], order: list[int], notional: float
) -> None:
    answers = []
    for numbers in (range(4), order):
        ticks = [
            book_tick(
                START_US - 1_500_000 * number, source=f"m{number}",
                bid_prices=[100.0 - each / (61 + number) for each in steps],
                bid_quantities=[q / (3 + number) for q in sizes[: len(steps)]],
            )
            for number in numbers
        ]  # fmt: skip
        answers.append(unwound(told(*ticks), notional))
    assert answers[0] == answers[1]


def test_LIQU_026_asks_further_than_the_bound_of_all_models_still_cost_what_they_say() -> None:
    tick = book_tick(ask_prices=[100.0625, 400.0], ask_quantities=[10.0, 10.0])
    cost = [unwound(told(tick), n, is_sell=False).cost_usd for n in (2_000.0, 3_000.0, 4_000.0)]
    assert cost[0] == pytest.approx(0.625 + 3_000.0)
    assert cost[1] - cost[0] == pytest.approx(3_000.0)
    assert cost[2] - cost[1] == pytest.approx(3_000.0)


@given(STEPS, SIZES, NOTIONALS, NOTIONALS, st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_LIQU_026_cost_rises_is_convex_and_no_less_than_that_of_the_parts(
    steps: list[int], sizes: list[float], one: float, other: float, age_ms: int, volatility: float
) -> None:
    state, now_us = drawn(steps, sizes), START_US + 1_000 * age_ms

    def cost(notional: float) -> float:
        return unwound(
            state, notional, now_us=now_us, index_price=100.0, volatility=volatility
        ).cost_usd

    low, high = min(one, other), max(one, other)
    slack = 1e-9 * cost(high) + 1e-9
    assert 0.0 <= cost(low) <= cost(high) + slack
    assert cost(0.5 * (low + high)) <= 0.5 * (cost(low) + cost(high)) + slack
    assert cost(low) + cost(high) <= cost(low + high) + 3.0 * slack


@given(STEPS, SIZES, NOTIONALS)
def test_LIQU_027_mirrored_book_costs_the_same_the_other_way(
    steps: list[int], sizes: list[float], notional: float
) -> None:
    held = sizes[: len(steps)]
    bids, asks = [100.0 - each / 64 for each in steps], [100.0 + each / 64 for each in steps]
    thin = [each / 2 for each in held]
    state = told(book_tick(
        bid_prices=bids, bid_quantities=held, ask_prices=asks, ask_quantities=thin))  # fmt: skip
    mirror = told(book_tick(
        bid_prices=bids, bid_quantities=thin, ask_prices=asks, ask_quantities=held))  # fmt: skip
    for is_sell in (True, False):
        answer = unwound(state, notional, is_sell=is_sell)
        assert answer == unwound(mirror, notional, is_sell=not is_sell)


@given(STEPS, SIZES, NOTIONALS, st.integers(0, 10_000), st.integers(-3, 6))
def test_LIQU_028_everything_times_a_power_of_two_costs_that_power(
    steps: list[int], sizes: list[float], notional: float, age_ms: int, power: int
) -> None:
    scale = 2.0**power
    terms = msgspec.structs.replace(TERMS, depth_usd=8_000_000)
    scaled = msgspec.structs.replace(TERMS, depth_usd=int(8_000_000 * scale))
    known = {"index_price": 100.0, "volatility": 0.75}
    now_us = START_US + 1_000 * age_ms
    plain = unwound(drawn(steps, sizes), notional, terms=terms, now_us=now_us, **known)
    wide = unwound(
        drawn(steps, sizes, scale=scale), scale * notional, terms=scaled, now_us=now_us, **known
    )
    # The square root of a volume times an odd power of two is not exact, a number of ulps apart.
    assert wide.cost_usd == pytest.approx(scale * plain.cost_usd, rel=1e-13, abs=0.0)
    assert wide[2:] == plain[2:]


@given(STEPS, SIZES, st.integers(-20, 20))
def test_LIQU_028_price_of_the_coin_does_not_matter(
    steps: list[int], sizes: list[float], power: int
) -> None:
    scale, held = 2.0**power, sizes[: len(steps)]
    bids, asks = [100.0 - each / 64 for each in steps], [100.0 + each / 64 for each in steps]
    plain = told(book_tick(
        bid_prices=bids, bid_quantities=held, ask_prices=asks, ask_quantities=held))  # fmt: skip
    priced = told(book_tick(
        bid_prices=[scale * p for p in bids], bid_quantities=[q / scale for q in held],
        ask_prices=[scale * p for p in asks], ask_quantities=[q / scale for q in held],
    ), index=100.0 * scale)  # fmt: skip
    assert unwound(plain, 5_000.0) == unwound(priced, 5_000.0)


def test_LIQU_029_worked_impact_prices() -> None:
    state = told(book_tick())
    impact = impact_prices(state, "C", "venue:C", 5_000.0, START_US, RULES)
    assert impact == pytest.approx((99.5875, 100.4125, 1.0), rel=NEAR)
    assert impact_prices(state, "C", "venue:C", 500.0, START_US, RULES)[:2] == (BIDS[0], ASKS[0])


def test_LIQU_029_side_that_is_not_deep_enough_has_no_impact_price() -> None:
    tick = book_tick(bid_prices=BIDS[:1], bid_quantities=QUANTITIES[:1])
    impact = impact_prices(told(tick), "C", "venue:C", 5_000.0, START_US, RULES)
    assert impact.bid == 0.0
    assert impact.ask > 100.0
    for asset, notional in (("D", 5_000.0), ("C", 0.0), ("C", float("nan"))):
        nothing = impact_prices(told(tick), asset, "venue:C", notional, START_US, RULES)
        assert nothing == (0.0, 0.0, 0.0)
    crossed = told(book_tick(bid_prices=[101.0], bid_quantities=[1e6]))
    assert impact_prices(crossed, "C", "venue:C", 1.0, START_US, RULES) == (0.0, 0.0, 0.0)


@given(STEPS, SIZES, st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_LIQU_029_larger_notionals_have_wider_impact_prices(
    steps: list[int], sizes: list[float], one: float, other: float
) -> None:
    state = drawn(steps, sizes)
    near = impact_prices(state, "C", "venue:C", min(one, other), START_US, RULES)
    far = impact_prices(state, "C", "venue:C", max(one, other), START_US, RULES)
    if far.bid > 0.0:
        assert far.bid <= near.bid * (1.0 + NEAR) <= 100.0
        assert far.ask >= near.ask * (1.0 - NEAR) >= 100.0


def test_LIQU_030_nothing_costs_nothing_and_many_sizes_leave_the_state_as_it_is() -> None:
    state = with_interest(10.0, told(book_tick()))
    before = state.record()
    assert unwound(state, 0.0)[:2] == (0.0, 0.0)
    costs = [unwound(state, 100.0 * n).cost_usd for n in range(1, 500)]
    assert costs == [unwound(state, 100.0 * n).cost_usd for n in range(1, 500)]
    assert state.record() == before
    later = START_US + SECOND_US
    apply_book(state, book_tick(later, bid_quantities=[5.0, *QUANTITIES[1:]]), 100.0, RULES)
    assert unwound(state, 1_000.0, now_us=later).cost_usd == pytest.approx(0.3125 + 1.25)
