"""Sources that lie, break, jump or disagree, and what the guard makes of them."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.marks import Source, SourceTerms, apply_batch, decay_bases, pass_time
from steelyard.marks.index import Readable, capped_weights, read_index
from steelyard.marks.sources import DEVIATING, USED
from steelyard.ticks import PriceBatch, PriceDecision, PriceTick, SourcePrice, SourceStatus
from tests.marks.roles import (
    COIN,
    LINEAR,
    METHOD,
    SECOND_US,
    STALE_US,
    START_US,
    Sources,
    listed,
)

RULES = METHOD.index_rules("default")
FIVE = ("one", "two", "three", "four", "five")


def source(operator: int, weight: int, resells: tuple[int, ...] = (), price: float = 0.0) -> Source:
    """Return a source; one with a price has just said it."""
    kind = "oracle" if resells else "spot"
    made = Source(f"s{operator}", SourceTerms(operator, weight, STALE_US, kind, -1, 1, resells, 0))
    if price:
        made.take(price, START_US, START_US, 0.0, 0.0, RULES)
    return made


def ready(*operators: str, price: float = 100.0, **terms: Any) -> Sources:
    """Return a coin whose sources all say one price."""
    venue = Sources(*operators, **terms)
    for number in range(len(operators)):
        venue.say(number, price)
    return venue


def all_say(venue: Sources, price: float) -> None:
    """Let every source say a price now."""
    for number in range(len(venue.market.indices[COIN].sources)):
        venue.say(number, price)


def condition(venue: Sources) -> str:
    return venue.market.indices[COIN].condition


def verdict(venue: Sources, number: int) -> str:
    return venue.market.indices[COIN].sources[number].verdict


def wait(venue: Sources, microseconds: int) -> list[int]:
    return pass_time(venue.market, venue.market.time_us + microseconds, venue.method)


# -- weights -------------------------------------------------------------------------------------


def test_INDX_001_worked_weights() -> None:
    assert capped_weights([source(0, 9), source(1, 1), source(2, 1)], 400_000) == [
        1_333_333, 10**6, 10**6,
    ]  # fmt: skip
    both = [source(0, 1), source(1, 1), source(9, 1, (0, 1))]
    assert capped_weights(both, 400_000) == [10**6, 10**6, 0]
    three = [source(0, 1), source(1, 1), source(2, 1), source(9, 3, (0, 1, 2))]
    assert capped_weights(three, 400_000) == [10**6, 10**6, 10**6, 333_333]


PARTIES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 1000), st.sets(st.integers(0, 5), max_size=3)),
    min_size=1, max_size=10,
)  # fmt: skip


@given(PARTIES)
def test_INDX_001_no_exposure_is_above_its_share(
    parties: list[tuple[int, int, set[int]]],
) -> None:
    sources = [
        source(100 + n if resells else operator, weight, tuple(sorted(resells)))
        for n, (operator, weight, resells) in enumerate(parties)
    ]
    weights = capped_weights(sources, 400_000)
    direct = {s.terms.operator for s in sources if not s.terms.resells}
    total = sum(weights)
    assert total > 0
    if len(direct) >= 3:
        for operator in direct:
            exposed = sum(
                w
                for s, w in zip(sources, weights, strict=True)
                if s.terms.operator == operator or operator in s.terms.resells
            )
            assert exposed <= 0.4 * total + len(sources)


@given(st.integers(3, 7), st.floats(1e-6, 1e9), st.randoms(use_true_random=False))
def test_INDX_002_one_operator_cannot_leave_the_range_of_the_others(
    operators: int, lie: float, rng: random.Random
) -> None:
    """A liar with any weight, three markets of its own and an oracle that resells it."""
    honest = [
        source(n, rng.randint(1, 100), (), rng.uniform(99.0, 101.0)) for n in range(operators)
    ]
    liar = rng.randrange(operators)
    sources = [s for n, s in enumerate(honest) if n != liar]
    sources += [source(liar, rng.randint(1, 10**6), (), lie) for _ in range(3)]
    sources.append(source(99, rng.randint(1, 10**6), (liar,), lie))
    rng.shuffle(sources)
    of = Readable(sources, [1.0] * len(sources), 0.0, lambda: 1_603, {})
    reading = read_index(of, START_US, RULES)
    others = [s.price for n, s in enumerate(honest) if n != liar]
    assert min(others) <= reading.price <= max(others)


# -- agreement -----------------------------------------------------------------------------------


def test_INDX_003_two_against_two_is_nobody() -> None:
    venue = ready("one", "two", "three", "four")
    venue.say(2, 110.0)
    assert (condition(venue), venue.index) == ("healthy", 100.0)
    assert venue.say(3, 110.0) == [COIN]
    assert (condition(venue), venue.index, venue.is_protected) == ("disagreement", 100.0, True)


@given(
    st.lists(st.floats(50.0, 200.0), min_size=2, max_size=9),
    st.floats(0.0, 0.05),
)
def test_INDX_003_a_trusted_index_has_a_majority_within_its_width(
    prices: list[float], confidence: float
) -> None:
    sources = [source(n, 1, (), price) for n, price in enumerate(prices)]
    for each in sources:
        each.confidence = confidence * each.price
    of = Readable(sources, [1.0] * len(sources), 0.0, lambda: 1_603, {})
    reading = read_index(of, START_US, RULES)
    near = [
        s for s in sources
        if abs(s.price - reading.price) <= (0.02 + confidence) * reading.price * (1 + 1e-6)
    ]  # fmt: skip
    if reading.has_quorum:
        assert 2 * len(near) > len(sources)
    assert reading.agreeing <= len(near)


def test_INDX_004_the_first_to_be_right_is_not_locked_out() -> None:
    venue = ready("one", "two", "three")
    venue.say(0, 95.0)
    assert (venue.index, verdict(venue, 0)) == (100.0, DEVIATING)
    venue.say(1, 95.0)
    assert (venue.index, venue.is_protected) == (95.0, False)
    assert [verdict(venue, n) for n in range(3)] == [USED, USED, DEVIATING]


# -- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [math.nan, 0.0, -0.0, -1.0, math.inf, -math.inf, 1.1e12])
def test_INDX_005_what_is_no_price_makes_its_source_invalid_at_once(price: float) -> None:
    venue = ready("one", "two", "three")
    venue.say(0, price)
    assert (verdict(venue, 0), venue.index, venue.is_protected) == ("invalid", 100.0, False)
    venue.say(1, price)
    assert (condition(venue), venue.index) == ("no_quorum", 100.0)
    venue.say(0, 100.0)
    assert (verdict(venue, 0), venue.is_protected) == (USED, False)


def test_INDX_005_other_obstacles() -> None:
    venue = ready("one", "two", "three")
    venue.say(0, 100.0, at_us=START_US + 6 * SECOND_US)
    assert verdict(venue, 0) == "clock"
    venue.say(0, 900.0)
    assert verdict(venue, 0) == "absurd"
    market, method = venue.market, venue.method
    from steelyard.marks import apply_price, apply_status

    unsure = PriceTick(START_US, "feed", 1, "s0", "C", 100.0, START_US, 6.0)
    apply_price(market, unsure, method)
    assert verdict(venue, 0) == "uncertain"
    venue.say(0, 100.0)
    apply_status(market, SourceStatus(START_US, "feed", 2, "s0", "C", "down", "", START_US), method)
    assert verdict(venue, 0) == "down"
    apply_status(market, SourceStatus(START_US, "feed", 3, "s0", "C", "up", "", START_US), method)
    assert verdict(venue, 0) == USED
    assert venue.say(0, 50.0, at_us=START_US - 1) == []
    assert verdict(venue, 0) == USED


def test_INDX_006_a_price_from_ahead_counts_from_its_receipt() -> None:
    venue = ready("one", "two")
    venue.say(0, 101.0, at_us=START_US + 4 * SECOND_US)
    assert venue.index == 100.5
    wait(venue, SECOND_US)
    venue.say(0, 102.0, at_us=START_US + 2 * SECOND_US)
    assert venue.index == 101.0


def test_INDX_007_a_frozen_source_is_told_from_one_that_is_silent() -> None:
    venue = Sources("one", "two", "three")
    venue.market.list_source(listed("s0", "C", "one", frozen_after_us=30 * SECOND_US))
    all_say(venue, 100.0)
    for _ in range(3):
        wait(venue, 10 * SECOND_US)
        all_say(venue, 100.0)
    assert verdict(venue, 0) == USED
    wait(venue, SECOND_US)
    all_say(venue, 100.0)
    assert [verdict(venue, n) for n in range(3)] == ["frozen", USED, USED]
    venue.say(0, 100.01)
    assert verdict(venue, 0) == USED


# -- jumps, resuming -----------------------------------------------------------------------------


def test_INDX_008_a_jump_is_believed_when_it_has_held() -> None:
    venue = ready("one", "two", "three")
    wait(venue, SECOND_US)
    all_say(venue, 80.0)
    assert (condition(venue), venue.index, venue.is_protected) == ("jump", 100.0, True)
    assert wait(venue, RULES.jump_hold_us - 1) == []
    all_say(venue, 79.0)
    assert venue.is_protected
    assert wait(venue, 1) == [COIN]
    assert (condition(venue), venue.index, venue.is_protected) == ("healthy", 79.0, False)


def test_INDX_008_one_that_flips_back_is_never_believed() -> None:
    venue = ready("one", "two", "three")
    for _ in range(20):
        wait(venue, SECOND_US)
        all_say(venue, 80.0)
        assert (condition(venue), venue.index) == ("jump", 100.0)
        wait(venue, SECOND_US)
        all_say(venue, 100.0)
        assert (condition(venue), venue.index) == ("healthy", 100.0)


def test_INDX_008_after_a_silence_there_is_nothing_to_jump_from() -> None:
    venue = ready("one", "two", "three")
    wait(venue, 11 * SECOND_US)
    all_say(venue, 80.0)
    assert (condition(venue), venue.index, venue.is_protected) == ("healthy", 80.0, False)


def test_INDX_009_agreement_has_to_last_after_a_disagreement() -> None:
    venue = ready("one", "two")
    venue.say(0, 110.0)
    assert condition(venue) == "disagreement"
    venue.say(1, 110.0)
    assert (condition(venue), venue.index) == ("resuming", 100.0)
    assert wait(venue, RULES.resume_us - 1) == []
    assert wait(venue, 1) == [COIN]
    assert (condition(venue), venue.index) == ("healthy", 110.0)


# -- tiers, decisions, quotes, age ---------------------------------------------------------------


def test_INDX_010_the_second_tier_stands_by() -> None:
    venue = Sources("one", "two")
    for number, operator in ((2, "three"), (3, "four")):
        venue.market.list_source(listed(f"s{number}", "C", operator, tier=2))
    all_say(venue, 100.0)
    assert [verdict(venue, n) for n in range(4)] == [USED, USED, "standby", "standby"]
    wait(venue, STALE_US + 1)
    for number in (2, 3):
        venue.say(number, 101.0)
    assert (condition(venue), venue.index, venue.is_protected) == ("second_tier", 101.0, False)
    for number in (0, 1):
        venue.say(number, 102.0)
    assert (condition(venue), venue.index) == ("healthy", 102.0)
    assert verdict(venue, 2) == "standby"


def test_INDX_011_a_decision_ends_at_its_time_or_when_the_sources_agree() -> None:
    from steelyard.marks import apply_decision

    venue = ready("one", "two")
    wait(venue, STALE_US + 1)
    assert venue.is_protected
    now = venue.market.time_us
    decision = PriceDecision(
        now, "desk", 1, "C", 90.0, "judgement", ["ann", "bob"], "halted", now + 10 * SECOND_US
    )
    assert apply_decision(venue.market, decision, venue.method) == [COIN]
    assert (condition(venue), venue.index, venue.is_protected) == ("decided", 90.0, False)
    assert venue.market.age_ppm[COIN] > 0  # nothing is younger for it
    assert wait(venue, 10 * SECOND_US) == [COIN]
    assert (condition(venue), venue.index, venue.is_protected) == ("no_quorum", 90.0, True)
    decision = PriceDecision(
        now, "desk", 2, "C", 91.0, "settlement", ["ann", "bob"], "halted", now + 60 * SECOND_US
    )
    apply_decision(venue.market, decision, venue.method)
    all_say(venue, 91.5)
    assert (condition(venue), venue.index) == ("healthy", 91.5)
    wait(venue, STALE_US + 1)
    assert condition(venue) == "no_quorum"  # the decision is over for good


def test_INDX_012_a_quote_currency_converts_by_its_own_index() -> None:
    from steelyard.terms import Asset

    venue = Sources("one", "two")
    tether = venue.market.list_asset(Asset("T", 6, 6))
    for operator in ("four", "five"):
        venue.market.list_source(listed(operator, "T", operator))
    venue.market.list_source(listed("s2", "C", "three", quote="T"))

    def peg(rate: float) -> list[int]:
        prices = [SourcePrice(o, "T", rate, venue.market.time_us) for o in ("four", "five")]
        return apply_batch(
            venue.market, PriceBatch(venue.market.time_us, "f", 1, prices), venue.method
        )

    venue.say(0, 98.0)
    venue.say(1, 100.0)
    venue.say(2, 100.0)
    assert verdict(venue, 2) == "quote"
    assert peg(0.99) == [tether]  # 98, 99, 100: the median is 99 as before
    assert (verdict(venue, 2), venue.index) == (USED, 99.0)
    wait(venue, SECOND_US)
    peg(0.96)
    assert (verdict(venue, 2), venue.index) == ("quote", 99.0)  # (98 + 100) / 2
    wait(venue, SECOND_US)
    peg(0.98)
    assert (verdict(venue, 2), venue.index) == (USED, 98.0)


def test_INDX_013_age_is_charged_in_steps_of_the_drift() -> None:
    venue = ready("one", "two")
    from steelyard.marks import age_indices

    assert venue.market.age_ppm[COIN] == 0
    wait(venue, 2 * SECOND_US)
    age_indices(venue.market, venue.method)
    assert venue.market.age_ppm[COIN] == 0
    wait(venue, 28 * SECOND_US)
    age_indices(venue.market, venue.method)
    assert venue.market.age_ppm[COIN] == 8_800
    assert not venue.is_protected


# -- averages ------------------------------------------------------------------------------------


def averaging(kind: str) -> Any:
    return METHOD.with_parameter("index.default.averaging", f'"{kind}"')


@pytest.mark.parametrize("kind", ["twap", "vwap"])
def test_INDX_014_averages_keep_the_bound(kind: str) -> None:
    venue = Sources("one", "two", "three", method=averaging(kind))
    rng = random.Random(14)
    for second in range(90):
        wait(venue, SECOND_US)
        for number in range(3):
            price = 1000.0 if number == 2 else 100.0 + rng.uniform(-0.5, 0.5)
            quantity = 1e6 if number == 2 else rng.uniform(0.1, 2.0)
            prices = [SourcePrice(f"s{number}", "C", price, venue.market.time_us, 0.0, quantity)]
            batch = PriceBatch(venue.market.time_us, "f", second * 3 + number, prices)
            apply_batch(venue.market, batch, venue.method)
    assert 99.5 <= venue.index <= 100.5
    assert not venue.is_protected


def test_INDX_015_worked_averages() -> None:
    rules = averaging("twap").index_rules("C")
    spoken = source(0, 1)
    for price, at_s in ((100.0, 0), (200.0, 30)):
        at_us = START_US + at_s * SECOND_US
        spoken.take(price, at_us, at_us, 0.0, 0.0, rules)
    # The slice in which the first price came is left out once the window has passed it.
    at_us = START_US + 60 * SECOND_US
    assert spoken.value(at_us, rules) == pytest.approx(150.0, rel=0.02)
    volume = averaging("vwap").index_rules("C")
    traded = source(1, 1)
    traded.take(100.0, START_US, START_US, 0.0, 1.0, volume)
    traded.take(200.0, START_US, START_US, 0.0, 3.0, volume)
    assert traded.value(START_US, volume) == 175.0


# -- batches, bases ------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(80.0, 120.0)), min_size=1, max_size=12))
def test_INDX_016_a_batch_is_one_reading(said: list[tuple[int, float]]) -> None:
    one, many = ready(*FIVE), ready(*FIVE)
    for venue in (one, many):
        wait(venue, 20 * SECOND_US)
    for number, price in said:
        one.say(number, price)
    prices = [SourcePrice(f"s{n}", "C", p, many.market.time_us) for n, p in said]
    apply_batch(many.market, PriceBatch(many.market.time_us, "f", 1, prices), many.method)
    readings = [venue.market.indices[COIN].reading for venue in (one, many)]
    assert readings[0] == readings[1]
    verdicts = [[s.verdict for s in venue.market.indices[COIN].sources] for venue in (one, many)]
    assert verdicts[0] == verdicts[1]


def test_INDX_017_a_basis_decays_when_nobody_quotes() -> None:
    venue = ready("one", "two")
    venue.quote(100.0, 100.0)
    slot = venue.market.instrument_slots[LINEAR.name]
    venue.market.basis_ppb[slot] = 4_000_000
    for second in range(0, 61, 10):
        pass_time(venue.market, START_US + second * SECOND_US, venue.method)
        all_say(venue, 100.0)
        assert decay_bases(venue.market, venue.method) == []
    wait(venue, 30 * SECOND_US)
    all_say(venue, 100.0)
    assert decay_bases(venue.market, venue.method) == [COIN]
    assert venue.market.basis_ppb[slot] == 2_000_000
    assert venue.market.mark_units[slot] == 1_002_000


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from([99.0, 99.5, 100.0, 100.5, 101.0, 130.0, 900.0, 0.0, math.nan, 11.0]),
            st.sampled_from([0, 1, 400_000, 5_000_000, 61_000_000]),
        ),
        max_size=40,
    )
)
def test_INDX_025_the_shortcut_is_the_whole_reading(script: list[tuple[int, float, int]]) -> None:
    """The market that keeps what it heard, and one that forgets it before every word, are one."""
    quick, whole = ready(*FIVE), ready(*FIVE)
    for number, price, wait_us in script:
        states = []
        for venue in (quick, whole):
            if venue is whole:
                venue.market.indices[COIN].heard = None
            wait(venue, wait_us)
            if venue is whole:
                venue.market.indices[COIN].heard = None
            venue.say(number, price)
            index = venue.market.indices[COIN]
            states.append(
                (
                    venue.index, index.condition, index.reading, index.good_price,
                    [s.verdict for s in index.sources], venue.market.changes_at_us[COIN],
                    int(venue.market.age_ppm[COIN]),
                )
            )  # fmt: skip
        assert states[0] == states[1]


def test_INDX_026_a_few_that_speak_alone_are_no_quorum() -> None:
    """Two liars of six speak first after a long gap: a third of the listed weight is nobody."""
    venue = ready("one", "two", "three", "four", "five", "six")
    wait(venue, 3_600 * SECOND_US)
    for number in (0, 1):
        venue.say(number, 50.0)
    assert (condition(venue), venue.index) == ("no_quorum", 100.0)
    for number in (2, 3):
        venue.say(number, 120.0)
    assert (condition(venue), venue.index) == ("disagreement", 100.0)
    for number in (4, 5):
        venue.say(number, 120.0)
    wait(venue, RULES.resume_us)
    assert (condition(venue), venue.index) == ("healthy", 120.0)


def test_INDX_027_an_absurd_source_does_not_come_back_by_drift() -> None:
    venue = ready("one", "two", "three")
    for number in range(3):
        venue.say(number, 1_000.0)
    assert (condition(venue), venue.index) == ("no_quorum", 100.0)
    for price in (900.0, 799.0, 700.0, 300.0, 116.0):
        wait(venue, 20 * SECOND_US)
        all_say(venue, price)
        assert (condition(venue), venue.index) == ("no_quorum", 100.0)
    all_say(venue, 114.0)
    assert (condition(venue), venue.index) == ("healthy", 114.0)


def test_INDX_028_a_hold_is_not_outlived_by_its_reference() -> None:
    """Sources that disagree for ten seconds were not silent: the jump still has to hold."""
    venue = ready("one", "two", "three")
    for second in range(1, 19):
        wait(venue, SECOND_US // 2)
        for number, price in ((0, 60.0), (1, 100.0 if second % 2 else 60.0), (2, 80.0)):
            venue.say(number, price)
        assert venue.index in (100.0, 80.0)
    shown = venue.index
    all_say(venue, 60.0)
    wait(venue, RULES.resume_us + 1)
    all_say(venue, 60.0)
    assert (venue.index, venue.is_protected) == (shown, True)
    wait(venue, RULES.jump_hold_us)
    assert (venue.index, venue.is_protected) == (60.0, False)


def test_INDX_029_sources_that_disagree_again_and_again_must_agree_for_longer() -> None:
    venue = ready("one", "two")
    waits = []
    for _ in range(7):
        venue.say(0, 110.0)
        assert condition(venue) == "disagreement"
        venue.say(0, 100.0)
        began = venue.market.time_us
        while condition(venue) == "resuming":
            wait(venue, SECOND_US // 2)
            all_say(venue, 100.0)
        waits.append((venue.market.time_us - began) // SECOND_US)
    assert waits == [1, 2, 4, 8, 16, 16, 16]
    for _ in range(400):
        wait(venue, SECOND_US)
        all_say(venue, 100.0)
    venue.say(0, 110.0)
    venue.say(0, 100.0)
    assert wait(venue, SECOND_US) == [COIN]
    assert condition(venue) == "healthy"


@pytest.mark.parametrize("gap_s", [1, 9, 11, 61, 3_600, 8 * 3_600])
@pytest.mark.parametrize("jump", [0.5, 0.8, 1.2, 1.5])
def test_INDX_019_after_a_gap_nothing_is_believed_before_a_quorum_of_fresh_words(
    gap_s: int, jump: float
) -> None:
    venue = ready("one", "two", "three")
    wait(venue, gap_s * SECOND_US)
    for number in range(3):
        if number < 2:
            assert venue.is_protected or venue.index == 100.0
        venue.say(number, 100.0 * jump)
        wait(venue, 50_000)
    is_jump = abs(jump - 1.0) > 0.15 and gap_s <= 10
    assert venue.is_protected == is_jump
    wait(venue, RULES.jump_hold_us)
    assert (venue.index, venue.is_protected) == (100.0 * jump, False)


def test_INDX_012_the_accounting_asset_is_converted_too_once_it_has_sources() -> None:
    venue = Sources("one", "two")
    assert venue.market.quote_rate[0] == 1.0
    for operator in ("four", "five"):
        venue.market.list_source(listed(operator, "USDC", operator))
    venue.market.list_source(listed("s2", "C", "three", quote="USDC"))

    def peg(rate: float) -> list[int]:
        prices = [SourcePrice(o, "USDC", rate, venue.market.time_us) for o in ("four", "five")]
        return apply_batch(
            venue.market, PriceBatch(venue.market.time_us, "f", 1, prices), venue.method
        )

    peg(0.98)
    venue.say(0, 97.0)
    venue.say(1, 99.0)
    venue.say(2, 100.0)
    assert venue.index == 98.0
    wait(venue, SECOND_US)
    assert peg(0.99) == [COIN]
    assert venue.index == 99.0
    wait(venue, SECOND_US)
    peg(0.9)
    assert (verdict(venue, 2), venue.index) == ("quote", 98.0)
    assert venue.market.index_units[0] == 10**6  # in the ledger a dollar stays a dollar
    wait(venue, STALE_US + 1)
    assert venue.market.quote_rate[0] == 0.0
    assert not venue.market.is_protected[0]
