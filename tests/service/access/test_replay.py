"""Nonces: served once, under any clock, within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.service.access import AccessError, ReplayCache
from tests.service.access.roles import NOW


def code_of(cache: ReplayCache, key: str, nonce: str, sent_us: int, time_us: int) -> str:
    try:
        cache.admit(key, nonce, sent_us, time_us)
    except AccessError as error:
        return error.code
    return "served"


@pytest.mark.parametrize("window_us", [5_000_000, 1, 0])
def test_ACCS_044_a_timestamp_counts_within_the_window(window_us: int) -> None:
    for off, code in (
        (0, "served"),
        (window_us, "served"),
        (-window_us, "served"),
        (window_us + 1, "ACCS-E21"),
        (-window_us - 1, "ACCS-E21"),
    ):
        cache = ReplayCache(window_us=window_us)
        assert code_of(cache, "k", "n", NOW + off, NOW) == code
        assert len(cache) == (code == "served")


def test_ACCS_045_a_nonce_is_served_once_by_each_key() -> None:
    cache = ReplayCache()
    assert code_of(cache, "k", "n", NOW, NOW) == "served"
    assert code_of(cache, "k", "n", NOW, NOW) == "ACCS-E23"
    assert code_of(cache, "k", "n", NOW + 1, NOW + 5_000_000) == "ACCS-E23"
    assert code_of(cache, "other", "n", NOW, NOW) == "served"
    assert code_of(cache, "k", "n", NOW + 5_000_001, NOW + 5_000_000) == "ACCS-E23"
    assert code_of(cache, "k", "n", NOW + 5_000_001, NOW + 5_000_001) == "served"


def test_ACCS_046_a_full_cache_refuses_and_recovers() -> None:
    cache = ReplayCache(entries_max=5, entries_per_key_max=3)
    assert [code_of(cache, "a", f"{n}", NOW + n, NOW) for n in range(4)] == [
        "served", "served", "served", "ACCS-E24"]  # fmt: skip
    assert code_of(cache, "a", "0", NOW, NOW) == "ACCS-E23", "a replay is still told"
    assert [code_of(cache, "b", f"{n}", NOW + n, NOW) for n in range(3)] == [
        "served", "served", "ACCS-E24"]  # fmt: skip
    assert len(cache) == 5
    at = NOW + 5_000_000
    assert code_of(cache, "a", "new", at, at) == "ACCS-E24", "all five may still be replayed"
    assert code_of(cache, "a", "new", at, at + 1) == "served", "the oldest is refused by its time"
    assert code_of(cache, "c", "new", at, at + 1) == "served"
    assert code_of(cache, "c", "more", at, at + 1) == "ACCS-E24"
    assert code_of(cache, "c", "late", at + 9_000_000, at + 9_000_000) == "served"
    assert len(cache) == 1


def test_ACCS_046_a_clock_set_back_opens_nothing_and_closes_nothing() -> None:
    cache = ReplayCache()
    assert code_of(cache, "k", "n", NOW, NOW) == "served"
    hour = NOW + 3_600_000_000
    assert code_of(cache, "k", "m", hour, hour) == "served"
    assert len(cache) == 1, "n is forgotten"
    assert code_of(cache, "k", "n", NOW, NOW) == "ACCS-E21"
    assert code_of(cache, "k", "n", NOW + 1, NOW + 1) == "served", "a request signed since then"
    assert code_of(cache, "k", "m", hour, hour) == "ACCS-E23"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 3).map(str),
        st.integers(-12, 12),
        st.integers(-15, 15),
    ),
    max_size=60,
)


@given(EVENTS, st.integers(1, 6), st.integers(1, 4), st.integers(0, 5))
def test_ACCS_046_no_request_is_ever_served_twice(
    events: list[tuple[str, str, int, int]], entries: int, per_key: int, window: int
) -> None:
    cache = ReplayCache(window_us=window, entries_max=entries, entries_per_key_max=per_key)
    served: dict[tuple[str, str, int], int] = {}
    clock = 100
    for key, nonce, off, step in events:
        clock += step
        request = (key, nonce, clock + off)
        if code_of(cache, *request, clock) == "served":
            assert request not in served
            assert abs(off) <= window
            served[request] = clock
        assert len(cache) <= entries
        for old in served:
            assert code_of(cache, *old, clock) != "served"


@given(EVENTS)
def test_ACCS_045_a_clock_that_runs_refuses_nothing_but_repeats(
    events: list[tuple[str, str, int, int]],
) -> None:
    """Against a model that forgets nothing and looks at every nonce whose time is still in the window."""
    cache = ReplayCache(window_us=5)
    served: list[tuple[str, str, int]] = []
    clock = 100
    for key, nonce, off, step in events:
        clock += abs(step)
        sent = clock + off
        is_seen = any(old[:2] == (key, nonce) and clock - old[2] <= 5 for old in served)
        expected = "ACCS-E21" if abs(off) > 5 else "ACCS-E23" if is_seen else "served"
        assert code_of(cache, key, nonce, sent, clock) == expected
        if expected == "served":
            served.append((key, nonce, sent))
