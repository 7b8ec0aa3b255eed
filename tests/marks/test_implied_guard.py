"""Fitters that lie, fall silent, jump or send yesterday's volatilities."""

from __future__ import annotations

import pytest

from steelyard.actions import ImpliedChanged
from steelyard.marks import MarketState, apply_volatilities
from steelyard.marks.implied_guard import ImpliedGuard
from steelyard.terms import AccountRecord, Asset, Instrument
from steelyard.ticks import VolatilityUpdate
from tests.marks.roles import METHOD, SECOND_US
from tests.support.method import load_method
from tests.support.venue import BTC_CALL, BTC_PUT, Venue, held, market_maker, open_venue

RULES = METHOD.implied_rules("BTC")
NOW = 1_000 * SECOND_US
HOUR_US = 3_600 * SECOND_US


def guard(level: float = 0.5) -> ImpliedGuard:
    made = ImpliedGuard()
    assert made.offer("a", level, NOW, NOW, RULES)
    return made


def test_IMPG_001_an_older_word_of_the_same_fitter_changes_nothing() -> None:
    made = guard()
    assert not made.offer("a", 0.6, NOW - 1, NOW + SECOND_US, RULES)
    assert (made.level, made.condition) == (0.5, "believed")
    assert made.offer("a", 0.6, NOW + 1, NOW + SECOND_US, RULES)
    assert made.level == 0.6


def test_IMPG_002_a_jump_is_believed_when_it_is_said_again_later() -> None:
    made = guard()
    assert not made.offer("a", 0.9, NOW + 1, NOW + 1, RULES)
    assert (made.level, made.condition) == (0.5, "jump")
    assert not made.offer("a", 0.9, NOW + 2, NOW + RULES.hold_us, RULES)
    assert made.offer("a", 0.88, NOW + 3, NOW + 1 + RULES.hold_us, RULES)
    assert (made.level, made.condition) == (0.88, "believed")


def test_IMPG_002_one_that_flips_back_is_never_believed() -> None:
    made = guard()
    for step in range(1, 20):
        now = NOW + step * 10 * SECOND_US
        is_used = made.offer("a", 0.9 if step % 2 else 0.5, now, now, RULES)
        assert is_used == (step % 2 == 0)
        assert made.level == 0.5


def test_IMPG_003_beyond_the_absurd_it_is_never_believed() -> None:
    made = guard()
    for step in range(1, 20):
        now = NOW + step * 10 * SECOND_US
        assert not made.offer("a", 5.0, now, now, RULES)
        assert (made.level, made.condition) == (0.5, "absurd")
    assert made.offer("a", 0.5, NOW + 10**9, NOW + 10**9, RULES)


def test_IMPG_004_a_minority_of_fitters_is_not_heard_and_halves_are_nobody() -> None:
    made = guard()
    for fitter in ("b", "c"):
        assert made.offer(fitter, 0.51, NOW, NOW, RULES)
    assert not made.offer("c", 0.8, NOW + 1, NOW + 1, RULES)
    assert made.condition == "believed"
    assert made.offer("a", 0.52, NOW + 2, NOW + 2, RULES)
    assert not made.offer("d", 0.8, NOW + 3, NOW + 3, RULES)
    assert made.condition == "disagreement"
    assert made.level == pytest.approx(0.51, abs=0.011)
    assert made.offer("d", 0.52, NOW + 4, NOW + 4, RULES)
    assert made.condition == "believed"


def test_IMPG_005_a_word_from_ahead_counts_from_its_receipt() -> None:
    made = guard()
    assert made.offer("a", 0.55, NOW + 4 * SECOND_US, NOW + 1, RULES)
    assert made.offer("a", 0.56, NOW + 2, NOW + 2, RULES)


def test_IMPG_006_age_is_charged_in_steps_by_the_root_of_hours() -> None:
    made = guard()
    assert made.age_ppm(NOW + RULES.age_free_us, RULES) == 0
    assert made.age_ppm(NOW + HOUR_US, RULES) == 1_000
    assert made.age_ppm(NOW + 4 * HOUR_US, RULES) == 2_000
    assert made.age_ppm(NOW + 1_000 * 24 * HOUR_US, RULES) == RULES.age_ppm_max


def test_IMPG_007_a_record_is_the_guard() -> None:
    made = guard()
    made.offer("b", 0.9, NOW + 1, NOW + 1, RULES)
    assert ImpliedGuard.restore(made.record()).record() == made.record()


def guarded() -> Venue:
    """A venue whose method guards volatilities as the house does."""
    method = load_method()
    for path, value in (("jump_factor", "1.5"), ("absurd_factor", "5.0"), ("age_ppm", "1000")):
        method = method.with_parameter(f"implied.BTC.{path}", value)
    return open_venue(method=method)


def test_IMPG_008_doubted_volatilities_protect_an_underlying_with_options() -> None:
    venue = guarded()
    mark = venue.mark(BTC_CALL)
    (told,) = [o for o in venue.volatility(1.0) if isinstance(o, ImpliedChanged)]
    assert (told.subject, told.condition, told.level) == ("BTC", "jump", 0.5)
    assert venue.mark(BTC_CALL) == mark
    assert venue.engine.market.is_protected[1]
    venue.wait(2 * SECOND_US)
    assert [o.condition for o in venue.volatility(1.0) if isinstance(o, ImpliedChanged)] == [
        "believed"
    ]
    assert venue.mark(BTC_CALL) > mark
    assert not venue.engine.market.is_protected[1]


def test_IMPG_009_old_volatilities_raise_the_initial_requirement_of_options_alone() -> None:
    venue = guarded()
    short = AccountRecord("short", "portfolio", {"USDC": 10**12}, [held(BTC_PUT, -100)])
    venue.open(short, market_maker())
    before = venue.risk("short")
    for _ in range(240):
        venue.wait(15 * SECOND_US)
        venue.price("BTC", 100_000.0)
        venue.price("ETH", 4_000.0)
    venue.tick()
    after = venue.risk("short")
    (part,) = [p for p in after.initial_parts if p.name == "oracle_age"]
    assert part.amount == 100_000 * 10**6 // 1_000  # one option on 100,000 USD, a thousandth
    assert not [p for p in before.initial_parts if p.name == "oracle_age"]
    assert not [p for p in after.maintenance_parts if p.name == "oracle_age"]


def test_IMPG_010_yesterdays_update_does_not_overwrite_todays() -> None:
    venue = open_venue()
    mark = venue.mark(BTC_CALL)
    names = [BTC_CALL, BTC_PUT]
    old_us = venue.now_us - 24 * HOUR_US
    venue.send(VolatilityUpdate, "BTC", names, [0.9] * 2, [1.0] * 2, old_us)
    assert venue.mark(BTC_CALL) == mark


def test_IMPG_011_one_option_that_jumps_on_its_own_keeps_its_volatility() -> None:
    market = MarketState()
    market.time_us = NOW
    market.list_asset(Asset("C", 8, 2))
    names = [f"C-14FEB27-{strike}-C" for strike in (90, 100, 110)]
    for name, strike in zip(names, ("90", "100", "110"), strict=True):
        market.list_instrument(
            Instrument(
                name, "option", "C", "C", True, 2, 8, 10**6, strike=strike, expiry_us=NOW * 2,
                is_call=True,
            )
        )  # fmt: skip

    def say(third: float, ratio: float = 1.0, all_of: float = 0.5) -> tuple[float, float]:
        market.time_us += SECOND_US
        update = VolatilityUpdate(
            market.time_us, "fit", 1, "C", names, [all_of, all_of, third], [1.0, 1.0, ratio],
            market.time_us,
        )  # fmt: skip
        apply_volatilities(market, update, METHOD)
        return float(market.volatility[2]), float(market.forward_ratio[2])

    assert say(0.5) == (0.5, 1.0)
    for _ in range(4):
        assert say(5.0) == (0.5, 1.0)  # ten times: never
    assert say(1.0) == (0.5, 1.0)
    assert say(1.0) == (1.0, 1.0)  # twice: when it is said again
    assert say(1.0, ratio=0.5) == (1.0, 1.0)
    assert say(1.0) == (1.0, 1.0)
    assert say(1.0, ratio=1.01) == (1.0, 1.01)
    assert say(1.4, all_of=0.7) == (1.4, 1.0)  # all move by as much: nobody is odd


def test_IMPG_002_a_disagreement_in_between_ends_the_hold() -> None:
    made = guard()
    for fitter in ("b", "c"):
        made.offer(fitter, 0.5, NOW, NOW, RULES)
    for fitter in ("b", "c"):
        assert not made.offer(fitter, 0.9, NOW + 1, NOW + 1, RULES)
    assert made.condition == "jump"
    made.offer("d", 0.5, NOW + 2, NOW + 2, RULES)
    assert made.condition == "disagreement"
    made.offer("a", 0.9, NOW + 3, NOW + 3 * SECOND_US, RULES)
    assert made.condition == "jump"  # its hold begins anew
