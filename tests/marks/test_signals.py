"""Signals: inputs that are no prices, under the guards of a price."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from steelyard.marks.signals import (
    DOUBTFUL,
    FRESH,
    HELD,
    STALE,
    UNKNOWN,
    SignalChange,
    SignalReading,
    SignalState,
    age_signals,
    apply_signal,
    list_signal,
    read_signal,
)
from steelyard.marks.sources import NEVER_US
from steelyard.quantities import MarketError
from steelyard.ticks import SignalListed, SignalTick

SECOND = 1_000_000
START = 1_760_054_400 * SECOND
NAME = "dvol-btc"
JUMP = 0.2


def listing(**terms: object) -> SignalListed:
    values = {
        "signal": NAME, "kind": "volatility_index", "subject": "BTC", "value_min": 0.0,
        "value_max": 5.0, "jump_max": JUMP, "stale_after_us": 60 * SECOND, "confidence_min": 0.5,
        "time_us": START, "origin": "operator", "origin_seq": 1,
    } | terms  # fmt: skip
    return SignalListed(**values)  # type: ignore[arg-type]


class Feed:
    """A signal and those who speak of it; `at_s` seconds after the start."""

    def __init__(self, **terms: object) -> None:
        self.state = SignalState()
        assert list_signal(self.state, listing(**terms)) == []
        self.sent = 0

    def say(
        self,
        value: float,
        at_s: float,
        source: str = "a",
        confidence: float = 0.9,
        said_s: float | None = None,
    ) -> list[SignalChange]:
        self.sent += 1
        now_us = START + round(at_s * SECOND)
        said_us = now_us if said_s is None else START + round(said_s * SECOND)
        tick = SignalTick(now_us, "feed", self.sent, NAME, source, value, confidence, said_us)
        return apply_signal(self.state, tick)

    def age(self, at_s: float) -> list[SignalChange]:
        return age_signals(self.state, START + round(at_s * SECOND))

    def read(self, at_s: float) -> SignalReading:
        return read_signal(self.state, NAME, START + round(at_s * SECOND))

    def shows(self, at_s: float) -> tuple[float | None, str]:
        reading = self.read(at_s)
        return reading.value, reading.state


def spoken(*values: float, **terms: object) -> Feed:
    """Sources a, b, c … said these values, all at the start."""
    feed = Feed(**terms)
    for n, value in enumerate(values):
        feed.say(value, 0.0, "abcdefgh"[n])
    return feed


@pytest.mark.parametrize(
    ("values", "median"),
    [
        ((0.50, 0.58, 0.55), 0.55),
        ((0.54, 0.50), 0.52),
        ((0.5,), 0.5),
        ((0.0, 0.0), 0.0),
        ((5.0,), 5.0),
    ],
)
def test_SIGN_001_the_median(values: tuple[float, ...], median: float) -> None:
    assert spoken(*values).shows(0.0) == (median, FRESH)


def test_SIGN_001_confidence_and_age_are_of_those_that_agree() -> None:
    feed = Feed()
    feed.say(0.50, 1.0, "a", confidence=0.9)
    feed.say(0.52, 3.0, "b", confidence=0.7)
    assert feed.read(10.0) == SignalReading(0.51, FRESH, 9 * SECOND, 0.7, 2)
    feed.say(0.54, 4.0, "c", confidence=0.8)
    feed.say(3.00, 9.0, "d", confidence=0.5)
    assert feed.read(10.0) == SignalReading(0.53, FRESH, 7 * SECOND, 0.7, 3)


def test_SIGN_002_a_majority_must_agree() -> None:
    assert spoken(0.50, 0.55, 3.0).read(0.0) == SignalReading(0.55, FRESH, 0, 0.9, 2)
    two = spoken(0.50)
    two.say(0.71, 1.0, "b")
    assert two.shows(1.0) == (0.50, DOUBTFUL)
    two.say(0.70, 2.0, "b")
    assert two.shows(2.0) == (0.6, FRESH)
    four = spoken(0.50, 0.50)
    for source in "cd":
        four.say(3.0, 1.0, source)
    assert four.shows(1.0) == (0.50, DOUBTFUL)
    assert four.read(1.0).sources == 0


WORDS = st.tuples(
    st.sampled_from("abcde"),
    st.one_of(
        st.floats(0.4, 0.6), st.floats(-1.0, 6.0), st.sampled_from([math.nan, math.inf, 0.0, 5.0])
    ),
    st.sampled_from([0.9, 0.9, 0.9, 0.5, 0.4, math.nan]),
    st.integers(0, 40),  # seconds until it is received
    st.integers(-90, 8),  # its exchange time less its receipt, seconds
)


def played(
    words: list[tuple[str, float, float, int, int]],
) -> tuple[Feed, float, list[SignalChange]]:
    feed, at_s, changes = Feed(), 0.0, list[SignalChange]()
    for source, value, confidence, wait_s, late_s in words:
        at_s += wait_s
        changes += feed.age(at_s)
        changes += feed.say(value, at_s, source, confidence, at_s + late_s)
    return feed, at_s, changes


@given(
    st.lists(st.floats(0.4, 0.6), min_size=1, max_size=5),
    st.lists(st.floats(0.0, 5.0), max_size=4),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=400, deadline=None)
def test_SIGN_003_no_minority_moves_a_value(
    honest: list[float], lies: list[float], silent: int, chance: object
) -> None:
    assume(len(honest) > len(lies))
    silent = min(silent, len(honest))
    feed = Feed(jump_max=0.1)
    late = [(f"h{n}", value, -61.0) for n, value in enumerate(honest[:silent])]
    live = [(f"h{n}", value, 0.0) for n, value in enumerate(honest[silent:], start=silent)]
    words = late + live + [(f"l{n}", value, 0.0) for n, value in enumerate(lies)]
    chance.shuffle(words)  # type: ignore[attr-defined]
    changes = [
        change for source, value, at in words for change in feed.say(value, 0.0, source, 0.9, at)
    ]
    last = [change for change in changes if change.new_state != change.old_state][-1:]
    reading = feed.read(0.0)
    assert [change.new_state for change in last] in ([], [reading.state])
    if reading.state != FRESH:
        return
    assert reading.value is not None
    assert min(abs(reading.value - value) for value in honest) <= 0.05
    if len(live) > len(lies):
        said = [value for _, value, _ in live]
        assert min(said) <= reading.value <= max(said)


@given(st.lists(WORDS, max_size=25))
@settings(max_examples=300, deadline=None)
def test_SIGN_003_a_fresh_value_never_jumps_on_one_word(
    words: list[tuple[str, float, float, int, int]],
) -> None:
    feed, at_s, believed = Feed(), 0.0, None
    jumps_heard = 0
    for source, value, confidence, wait_s, late_s in words:
        at_s += wait_s
        feed.age(at_s)
        before = feed.read(at_s)
        feed.say(value, at_s, source, confidence, at_s + late_s)
        after = feed.read(at_s)
        if (
            before.value is not None
            and after.value is not None
            and abs(after.value - before.value) > JUMP
        ):
            assert after.state == FRESH
            assert after.sources > 1 or jumps_heard >= 1
        jumps_heard = jumps_heard + 1 if after.state == HELD else jumps_heard
        believed = after.value
    assert believed is None or 0.0 <= believed <= 5.0


@pytest.mark.parametrize("bad", [-0.01, 5.01, math.nan, math.inf, -math.inf])
def test_SIGN_004_a_value_out_of_bounds(bad: float) -> None:
    lone = spoken(0.5)
    changes = lone.say(bad, 1.0)
    assert changes == [
        SignalChange(NAME, FRESH, DOUBTFUL, "no source can be used: invalid"),
        SignalChange(NAME, DOUBTFUL, DOUBTFUL, "source a: invalid"),
    ]
    assert lone.shows(1.0) == (0.5, DOUBTFUL)
    assert lone.say(0.5, 2.0)[0].new_state == FRESH
    three = spoken(0.5, 0.5, 0.5)
    three.say(bad, 1.0, "b")
    assert three.read(1.0) == SignalReading(0.5, FRESH, SECOND, 0.9, 2)


@pytest.mark.parametrize("confidence", [0.49, -1.0, 1.01, math.nan, math.inf])
def test_SIGN_004_a_source_that_is_not_sure(confidence: float) -> None:
    lone = spoken(0.5)
    changes = lone.say(0.5, 1.0, confidence=confidence)
    assert changes[0].reason == "no source can be used: unsure"
    lone.say(0.5, 2.0, confidence=0.5)
    assert lone.read(2.0).confidence == 0.5
    lone.say(0.5, 3.0, confidence=1.0)
    assert lone.read(3.0).confidence == 1.0


def test_SIGN_005_age_is_counted_in_exchange_time() -> None:
    feed = spoken(0.5)
    assert feed.shows(60.0) == (0.5, FRESH)
    assert feed.read(60.000001) == SignalReading(0.5, STALE, 60 * SECOND + 1, 0.9, 0)
    assert feed.age(60.0) == []
    assert feed.age(60.000001) == [
        SignalChange(NAME, FRESH, STALE, "every source's last word is too old"),
        SignalChange(NAME, STALE, STALE, "source a: stale"),
    ]
    late = Feed()
    late.say(0.5, 100.0, said_s=39.0)
    assert late.shows(100.0) == (None, UNKNOWN)
    late.say(0.5, 100.0, said_s=40.0)
    assert late.read(100.0).age_us == 60 * SECOND


def test_SIGN_006_an_older_word_changes_nothing() -> None:
    feed = spoken(0.5)
    feed.say(0.6, 10.0)
    assert feed.say(0.7, 11.0, said_s=9.999999) == []
    assert feed.read(11.0) == SignalReading(0.6, FRESH, SECOND, 0.9, 1)
    feed.say(0.65, 12.0, said_s=10.0)
    assert feed.read(12.0) == SignalReading(0.65, FRESH, 2 * SECOND, 0.9, 1)


def test_SIGN_007_a_word_from_the_future() -> None:
    feed = spoken(0.5)
    assert feed.say(0.6, 1.0, said_s=6.000001)[0].reason == "no source can be used: clock"
    assert feed.shows(1.0) == (0.5, DOUBTFUL)
    feed.say(0.6, 2.0)
    assert feed.shows(2.0) == (0.6, FRESH)
    feed.say(0.65, 3.0, said_s=8.0)
    assert feed.read(3.0) == SignalReading(0.65, FRESH, 0, 0.9, 1)
    assert feed.read(4.0).age_us == SECOND
    strange = Feed()
    assert strange.say(0.5, 0.0, said_s=3_600.0) == [
        SignalChange(NAME, UNKNOWN, UNKNOWN, "source a: clock")
    ]
    assert strange.shows(0.0) == (None, UNKNOWN)


def test_SIGN_008_a_jump_waits_for_a_second_word() -> None:
    assert spoken(0.5).say(0.70, 1.0) == []
    assert spoken(0.5, jump_max=0.25).say(0.75, 1.0) == []  # exactly jump_max
    assert spoken(0.5, jump_max=0.25).say(math.nextafter(0.75, 1.0), 1.0) != []
    assert spoken(0.5, 0.75, jump_max=0.25).shows(0.0) == (0.625, FRESH)
    feed = spoken(0.5)
    changes = feed.say(0.71, 1.0)
    assert changes == [
        SignalChange(NAME, FRESH, HELD, "a jump of more than 0.2 that one word says")
    ]
    assert feed.read(2.0) == SignalReading(0.5, HELD, 2 * SECOND, 0.9, 1)
    assert feed.say(0.71, 2.0, said_s=1.0) == []  # the same word again
    assert feed.shows(2.0) == (0.5, HELD)
    assert feed.say(0.80, 3.0) == [SignalChange(NAME, HELD, FRESH, "1 of 1 sources agree")]
    assert feed.shows(3.0) == (0.8, FRESH)


def test_SIGN_008_a_jump_that_is_not_confirmed() -> None:
    feed = spoken(0.5)
    feed.say(0.9, 1.0)
    feed.say(0.55, 2.0)
    assert feed.shows(2.0) == (0.55, FRESH)
    feed.say(0.9, 3.0)  # the first jump was forgotten, so this is a first word
    assert feed.shows(3.0) == (0.55, HELD)
    feed.say(2.0, 4.0)
    assert feed.shows(4.0) == (0.55, HELD)
    feed.say(2.1, 5.0)
    assert feed.shows(5.0) == (2.1, FRESH)
    feed.say(0.5, 6.0)
    feed.say(math.nan, 7.0)
    assert feed.shows(7.0) == (2.1, DOUBTFUL)
    feed.say(0.5, 8.0)
    assert feed.shows(8.0) == (0.5, FRESH)
    feed.say(3.0, 9.0)
    assert feed.shows(69.000001) == (0.5, STALE)


def test_SIGN_009_two_sources_confirm_each_other() -> None:
    feed = spoken(0.5, 0.5, 0.5)
    feed.say(0.90, 1.0, "a")
    assert feed.shows(1.0) == (0.5, FRESH)
    feed.say(0.92, 2.0, "b")
    assert feed.read(2.0) == SignalReading(0.90, FRESH, SECOND, 0.9, 2)


def test_SIGN_010_who_is_silent_still_counts_for_a_while() -> None:
    feed = spoken(0.5, 0.5)
    for at_s in range(50, 651, 50):
        feed.age(at_s)
        feed.say(0.5, at_s, "a")
        expected = FRESH if at_s <= 60 or at_s > 600 else DOUBTFUL
        assert feed.shows(at_s) == (0.5, expected), at_s
    exact = spoken(0.5, 0.5)
    exact.say(0.5, 590.0, "a")
    assert exact.age(600.0) == []
    changes = exact.age(600.000001)
    assert changes == [
        SignalChange(NAME, DOUBTFUL, FRESH, "1 of 1 sources agree"),
        SignalChange(NAME, FRESH, FRESH, "source b: forgotten"),
    ]
    replaying = spoken(0.5, 0.5)
    for at_s in range(50, 2_001, 50):
        replaying.say(0.5, at_s, "a")
        replaying.say(0.9, at_s, "b", said_s=0.0)
    assert replaying.shows(2_000.0) == (0.5, DOUBTFUL)
    silent = spoken(0.5)
    assert silent.age(600.000001)[0].reason == "no source has spoken for long"
    assert silent.shows(10_000.0) == (0.5, STALE)


def test_SIGN_011_before_the_first_majority() -> None:
    feed = Feed()
    assert feed.read(0.0) == SignalReading(None, UNKNOWN, NEVER_US, 0.0, 0)
    feed.say(math.nan, 0.0)
    feed.say(0.5, 1.0, "b")
    assert feed.read(1.0) == SignalReading(None, UNKNOWN, NEVER_US, 0.0, 1)
    assert feed.say(0.5, 2.0)[0] == SignalChange(NAME, UNKNOWN, FRESH, "2 of 2 sources agree")


def test_SIGN_012_listed_again() -> None:
    feed = spoken(0.5)
    narrower = listing(value_max=1.0, time_us=START + SECOND)
    assert list_signal(feed.state, narrower) == []
    assert feed.shows(1.0) == (0.5, FRESH)
    changes = list_signal(feed.state, listing(value_min=1.0, time_us=START + 2 * SECOND))
    assert changes[0][1:3] == (FRESH, UNKNOWN)
    assert feed.shows(2.0) == (None, UNKNOWN)
    assert feed.say(1.5, 3.0)[0].new_state == FRESH  # nothing is believed, so nothing jumps
    shorter = listing(value_min=1.0, stale_after_us=SECOND, time_us=START + 10 * SECOND)
    assert list_signal(feed.state, shorter)[0].new_state == STALE


@given(st.lists(WORDS, max_size=25), st.integers(0, 2_000))
@settings(max_examples=300, deadline=None)
def test_SIGN_013_the_changes_link_up(
    words: list[tuple[str, float, float, int, int]], wait_s: int
) -> None:
    feed, at_s, changes = played(words)
    changes += feed.age(at_s + wait_s)
    state, verdicts = UNKNOWN, dict[str, str]()
    for change in changes:
        assert change.signal == NAME
        assert change.reason
        if change.old_state != change.new_state:
            assert change.old_state == state
            state = change.new_state
        else:
            assert change.new_state == state
            _, source, verdict = change.reason.split(" ")
            assert verdicts.get(source) != verdict
            verdicts[source] = verdict
    assert feed.read(at_s + wait_s).state == state
    known = {word.source: word.verdict for word in feed.state.signals[NAME].words}
    assert {name: said for name, said in verdicts.items() if said != "forgotten"} == {
        f"{name}:": said for name, said in known.items()
    }


def test_SIGN_014_at_most_32_sources() -> None:
    feed = Feed()
    for n in range(32):
        feed.say(0.5, 0.0, f"s{n}")
    assert feed.read(0.0).sources == 32
    beyond = "source more: beyond the limit of 32 sources"
    assert feed.say(0.9, 1.0, "more") == [SignalChange(NAME, FRESH, FRESH, beyond)]
    assert feed.say(0.9, 2.0, "more") == []
    assert feed.say(0.9, 2.0, "another") == []
    assert feed.say(0.5, 3.0, "s31") == []
    changes = feed.say(0.5, 600.000001, "more")
    assert "source s0: forgotten" in {change.reason for change in changes}
    assert {word.source for word in feed.state.signals[NAME].words} == {"s31", "more"}


@given(st.lists(WORDS, max_size=20), st.lists(st.integers(0, 700), max_size=6))
@settings(max_examples=200, deadline=None)
def test_SIGN_015_reading_is_pure_and_time_passes_alike(
    words: list[tuple[str, float, float, int, int]], looks: list[int]
) -> None:
    feed, at_s, _ = played(words)
    twin = SignalState.restore(feed.state.record())
    end_us = START + round(at_s * SECOND)
    for look in sorted(looks):
        now_us = end_us + look * SECOND
        before = repr(feed.state.record())
        unaged = read_signal(feed.state, NAME, now_us)
        assert repr(feed.state.record()) == before
        age_signals(twin, now_us)
        assert read_signal(twin, NAME, now_us) == unaged
    while (due_us := twin.signals[NAME].changes_at_us) < end_us + 800 * SECOND:
        steady = read_signal(twin, NAME, max(end_us, due_us - 1))
        assert steady.state == twin.signals[NAME].state
        age_signals(twin, due_us)
    final_us = end_us + 800 * SECOND
    age_signals(feed.state, final_us)
    age_signals(twin, final_us)
    assert read_signal(feed.state, NAME, final_us) == read_signal(twin, NAME, final_us)


@given(st.lists(WORDS, max_size=25), WORDS)
@settings(max_examples=200, deadline=None)
def test_SIGN_016_a_snapshot_restores_the_same_state(
    words: list[tuple[str, float, float, int, int]], further: tuple[str, float, float, int, int]
) -> None:
    feed, at_s, _ = played(words)
    packed = msgspec.msgpack.encode(feed.state.record())
    other = Feed()
    other.state = SignalState.restore(msgspec.msgpack.decode(packed))
    assert msgspec.msgpack.encode(other.state.record()) == packed
    source, value, confidence, wait_s, late_s = further
    at_s += wait_s
    for one in (feed, other):
        one.age(at_s)
    first, second = (
        one.say(value, at_s, source, confidence, at_s + late_s) for one in (feed, other)
    )
    assert first == second
    assert feed.read(at_s + 30) == other.read(at_s + 30)


def test_SIGN_017_a_signal_that_is_not_listed() -> None:
    state = SignalState()
    tick = SignalTick(START, "feed", 1, NAME, "a", 0.5, 0.9, START)
    for ask in (lambda: apply_signal(state, tick), lambda: read_signal(state, NAME, START)):
        with pytest.raises(MarketError) as caught:
            ask()
        assert caught.value.code == "MARK-E38"
    assert age_signals(state, START) == []
    assert state.record() == []
