"""Credits: never more than the burst and the rate, exactly; fair, apart, and the same each time."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.service.access import (
    ANONYMOUS,
    AccessError,
    Credits,
    Decision,
    Limit,
    Policy,
    Session,
    TooManyRequests,
)

DESK = Session("desk", frozenset({"read"}), frozenset())
OTHER = Session("other", frozenset(), None)
UNITS = 1_000_000
LIMITS = st.builds(Limit, rate_per_s=st.integers(1, 50), burst=st.integers(1, 20))
CALLS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 3_000_000) | st.integers(0, 5)), max_size=40
)


def of(limit: Limit, **bounds: int) -> Credits:
    return Credits(Policy(reading=limit, trading=limit, anonymous=limit), **bounds)


def test_ACCS_060_the_worked_bucket() -> None:
    credits = of(Limit(rate_per_s=10, burst=2))
    assert credits.spend(DESK, "reading", 1, 0) == Decision(True, 0, 1)
    assert credits.spend(DESK, "reading", 1, 0) == Decision(True, 0, 0)
    assert credits.spend(DESK, "reading", 1, 0) == Decision(False, 100_000, 0)
    assert credits.spend(DESK, "reading", 1, 99_999) == Decision(False, 1, 0)
    assert credits.spend(DESK, "reading", 1, 100_000) == Decision(True, 0, 0)
    assert credits.spend(DESK, "reading", 0, 100_000) == Decision(True, 0, 0)


def test_ACCS_060_the_defaults_are_deribits() -> None:
    """Reads that cost 500: a hundred at once, then twenty a second; orders: twenty, then five."""
    for name, burst, gap_us in (("reading", 100, 50_000), ("trading", 20, 200_000)):
        kind: Literal["reading", "trading"] = "reading" if name == "reading" else "trading"
        credits = Credits(Policy())
        served = [credits.spend(DESK, kind, 500, 0).is_allowed for _ in range(burst + 1)]
        assert served == [True] * burst + [False]
        assert credits.spend(DESK, kind, 500, 0).retry_after_us == gap_us


@given(LIMITS, CALLS, st.booleans())
def test_ACCS_060_no_window_has_more_than_burst_and_rate(
    limit: Limit, calls: list[tuple[int, int]], is_crowded: bool
) -> None:
    credits = of(limit, buckets_max=2 if is_crowded else 100)
    spent: list[tuple[int, int]] = []
    time_us = 0
    for number, (cost, gap) in enumerate(calls):
        time_us += gap
        if is_crowded:
            credits.spend(Session(f"{number}", frozenset(), None), "reading", 1, time_us)
        if credits.spend(DESK, "reading", min(cost, limit.burst), time_us).is_allowed:
            spent.append((time_us, min(cost, limit.burst)))
    for first in range(len(spent)):
        total = 0
        for at, cost in spent[first:]:
            total += cost
            allowed = limit.burst * UNITS + limit.rate_per_s * (at - spent[first][0])
            assert total * UNITS <= allowed


@given(LIMITS, CALLS, st.integers(0, 20))
def test_ACCS_061_a_refusal_tells_the_microsecond_and_takes_nothing(
    limit: Limit, calls: list[tuple[int, int]], last: int
) -> None:
    def after_calls() -> tuple[Credits, int]:
        credits, time_us = of(limit), 0
        for cost, gap in calls:
            time_us += gap
            credits.spend(DESK, "reading", min(cost, limit.burst), time_us)
        return credits, time_us

    cost = min(last, limit.burst)
    credits, now = after_calls()
    refused = 0
    while (decision := credits.spend(DESK, "reading", cost, now)).is_allowed and cost:
        refused += 1
        assert refused <= limit.burst
    wait = decision.retry_after_us
    if cost == 0:
        assert decision.is_allowed
        return
    assert wait > 0
    for _ in range(3):
        assert credits.spend(DESK, "reading", cost, now).retry_after_us == wait
    early = credits.spend(DESK, "reading", cost, now + wait - 1)
    assert (early.is_allowed, early.retry_after_us) == (False, 1)
    assert credits.spend(DESK, "reading", cost, now + wait).is_allowed


@given(LIMITS, CALLS, st.integers(0, 10**12))
def test_ACCS_062_after_idling_there_is_the_burst_and_no_more(
    limit: Limit, calls: list[tuple[int, int]], more_us: int
) -> None:
    credits, time_us = of(limit), 0
    for cost, gap in calls:
        time_us += gap
        credits.spend(DESK, "reading", min(cost, limit.burst), time_us)
    time_us += limit.fill_us + more_us
    assert credits.spend(DESK, "reading", limit.burst, time_us) == Decision(True, 0, 0)
    assert not credits.spend(DESK, "reading", 1, time_us).is_allowed


def test_ACCS_062_a_bucket_fills_in_its_time_to_the_microsecond() -> None:
    limit = Limit(rate_per_s=3, burst=1)
    assert limit.fill_us == 333_334
    credits = of(limit)
    assert credits.spend(DESK, "reading", 1, 0).is_allowed
    assert not credits.spend(DESK, "reading", 1, 333_333).is_allowed
    assert credits.spend(DESK, "reading", 1, 333_334).is_allowed


@given(CALLS, CALLS)
def test_ACCS_063_nobody_spends_anothers_credits(
    mine: list[tuple[int, int]], theirs: list[tuple[int, int]]
) -> None:
    limit = Limit(rate_per_s=7, burst=20)
    alone, together = of(limit), of(limit)
    time_us = 0
    for index in range(max(len(mine), len(theirs))):
        if index < len(theirs):
            together.spend(OTHER, "reading", theirs[index][0], time_us)
            together.spend(DESK, "trading", theirs[index][0], time_us)
            together.spend(ANONYMOUS, "reading", theirs[index][0], time_us, address="192.0.2.1")
        if index < len(mine):
            cost, gap = mine[index]
            time_us += gap
            expected = alone.spend(DESK, "reading", cost, time_us)
            assert together.spend(DESK, "reading", cost, time_us) == expected


def test_ACCS_063_without_a_key_the_address_counts() -> None:
    limit = Limit(rate_per_s=1, burst=1)
    credits = of(limit)

    def is_served(address: str, kind: Literal["reading", "trading"] = "reading") -> bool:
        return credits.spend(ANONYMOUS, kind, 1, 0, address=address).is_allowed

    assert is_served("192.0.2.1")
    assert not is_served("192.0.2.1")
    assert not is_served("192.0.2.1", "trading"), "one bucket, whatever is asked for"
    assert not is_served("::ffff:192.0.2.1")
    assert is_served("192.0.2.2")
    assert is_served("2001:db8::1")
    assert not is_served("2001:db8::f000:0:0:1"), "the same network of 64 bits"
    assert is_served("2001:db8:0:1::1")
    assert is_served("")
    assert not is_served("a name"), "all that are no addresses share"
    named = Session("", frozenset({"admin"}), None)
    assert not credits.spend(named, "reading", 1, 0, address="192.0.2.1").is_allowed
    assert credits.spend(Session("192.0.2.1", frozenset(), None), "reading", 1, 0).is_allowed


def test_ACCS_063_sessions_of_the_process_have_limits_of_their_own() -> None:
    """Their ids have a colon; a key of a file has none, so nobody else has these limits."""
    limit = Limit(1, 1)
    credits = Credits(Policy(reading=limit, trading=limit, anonymous=limit, own=Limit(1, 5)))
    page = Session("page:1", frozenset({"read"}), None)
    assert [credits.spend(page, "reading", 5, 0).is_allowed for _ in range(2)] == [True, False]
    assert credits.spend(page, "trading", 5, 0).is_allowed
    assert [credits.spend(DESK, "reading", 1, 0).is_allowed for _ in range(2)] == [True, False]


def test_ACCS_063_a_key_may_have_limits_of_its_own() -> None:
    policy = Policy(
        reading=Limit(1, 1), trading=Limit(1, 2), of_key={"desk": {"reading": Limit(5, 3)}}
    )
    credits = Credits(policy)
    served = {
        (session.key_id, kind): sum(credits.spend(session, kind, 1, 0).is_allowed for _ in range(5))
        for session in (DESK, OTHER)
        for kind in ("reading", "trading")
    }
    assert served == {
        ("desk", "reading"): 3, ("desk", "trading"): 2, ("other", "reading"): 1, ("other", "trading"): 2,
    }  # fmt: skip


@given(LIMITS, st.lists(st.tuples(st.integers(0, 20), st.integers(-(10**6), 10**6)), max_size=40))
def test_ACCS_064_the_same_calls_give_the_same_and_a_clock_set_back_gains_nothing(
    limit: Limit, calls: list[tuple[int, int]]
) -> None:
    first, second, steady = of(limit), of(limit), of(limit)
    time_us, latest_us = 10**9, 0
    for cost, step in calls:
        time_us += step
        latest_us = max(latest_us, time_us)
        cost = min(cost, limit.burst)
        decision = first.spend(DESK, "reading", cost, time_us)
        assert second.spend(DESK, "reading", cost, time_us) == decision
        expected = steady.spend(DESK, "reading", cost, latest_us)
        assert decision.is_allowed == expected.is_allowed
        assert decision.credits_left == expected.credits_left
        if not decision.is_allowed:
            assert time_us + decision.retry_after_us == latest_us + expected.retry_after_us


def test_ACCS_065_a_full_table_refuses_newcomers_only() -> None:
    limit = Limit(rate_per_s=1, burst=2)
    credits = of(limit, buckets_max=2)

    def spend(name: str, time_us: int, cost: int = 1) -> Decision:
        return credits.spend(Session(name, frozenset(), None), "reading", cost, time_us)

    assert spend("a", 0).is_allowed
    assert spend("b", 10).is_allowed
    assert spend("c", 20) == Decision(False, 2_000_000 - 20, 0)
    assert spend("c", 20, cost=0).is_allowed
    assert spend("a", 30).is_allowed, "who has a bucket is served as before"
    assert not spend("a", 30).is_allowed
    assert credits.spend(ANONYMOUS, "reading", 1, 30, address="192.0.2.1").is_allowed
    assert spend("c", 2_000_009) == Decision(False, 1, 0)
    assert spend("c", 2_000_010).is_allowed, "b has filled up and is forgotten"
    assert len(credits) == 3


@pytest.mark.parametrize("cost", [1, 2])
def test_ACCS_065_whoever_asked_last_is_forgotten_last(cost: int) -> None:
    """Served (cost 1) or refused (cost 2), a bucket that was looked at is again the youngest."""
    credits = of(Limit(rate_per_s=1, burst=2), buckets_max=2)
    for name, spent, at in (("a", 1, 0), ("b", 1, 10), ("a", cost, 30)):
        credits.spend(Session(name, frozenset(), None), "reading", spent, at)
    newcomer = Session("c", frozenset(), None)
    assert credits.spend(newcomer, "reading", 1, 2_000_009) == Decision(False, 1, 0)
    assert credits.spend(newcomer, "reading", 1, 2_000_010).is_allowed
    assert len(credits) == 2


def test_ACCS_065_a_flood_of_addresses_takes_bounded_memory_and_no_key_down() -> None:
    credits = of(Limit(rate_per_s=1, burst=1), buckets_max=100)
    for number in range(5000):
        address = f"10.{number >> 8}.{number & 255}.1"
        credits.spend(ANONYMOUS, "reading", 1, number, address=address)
    assert len(credits) == 100
    assert credits.spend(DESK, "reading", 1, 5000).is_allowed


@pytest.mark.parametrize("cost", [-1, 3, 10**30])
def test_ACCS_065_a_cost_that_cannot_be_paid_is_refused_for_good(cost: int) -> None:
    credits = of(Limit(rate_per_s=1, burst=2))
    with pytest.raises(AccessError) as caught:
        credits.spend(DESK, "reading", cost, 0)
    assert caught.value.code == "ACCS-E41"
    assert len(credits) == 0


@pytest.mark.parametrize(
    ("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (10**9 + 1, 1), (1, 10**9 + 1)]
)
def test_ACCS_065_a_limit_out_of_bounds_is_refused(rate: int, burst: int) -> None:
    with pytest.raises(AccessError, match="ACCS-E41"):
        Limit(rate, burst)


def test_ACCS_061_a_refusal_can_be_raised_with_its_wait() -> None:
    credits = of(Limit(rate_per_s=4, burst=1))
    assert credits.require(DESK, "reading", 1, 0) == 0
    with pytest.raises(TooManyRequests, match="250000 microseconds") as caught:
        credits.require(DESK, "reading", 1, 0)
    assert (caught.value.code, caught.value.retry_after_us) == ("ACCS-E40", 250_000)
    assert caught.value.reason == "too_many_requests"


@given(LIMITS, CALLS)
def test_ACCS_060_every_number_is_a_whole_one(limit: Limit, calls: list[tuple[int, int]]) -> None:
    credits, time_us = of(limit), 0
    for cost, gap in calls:
        time_us += gap
        decision = credits.spend(DESK, "reading", min(cost, limit.burst), time_us)
        assert type(decision.retry_after_us) is int
        assert type(decision.credits_left) is int
        assert 0 <= decision.credits_left <= limit.burst
