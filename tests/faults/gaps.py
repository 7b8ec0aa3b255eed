"""A restart after a gap: the state of a snapshot, a jump of the market meanwhile, sources one after another."""

from __future__ import annotations

import random
from typing import NamedTuple

from steelyard.actions import Closed, StateChanged
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.terms import AccountRecord
from steelyard.ticks import AccountsLoaded, TimeTick
from tests.faults.stage import (
    BTC_LINEAR,
    LAYOUTS,
    METHOD,
    Clerk,
    Role,
    Speaker,
    calibrated,
    opened,
)
from tests.faults.words import SECOND_US, START_US, Word

GAPS_S = (1, 10, 60, 600, 3_600, 8 * 3_600)
JUMPS = (-0.5, -0.2, 0.2, 0.5)
PRICE = 100_000.0
SAFE, NOISE = 0.005, 0.001
ROUNDS = 8
RULES = METHOD.index_rules("BTC")


class Reopened(NamedTuple):
    """What was seen after a restart, in microseconds from the first word: when sources of more than half of the
    listed weight had spoken, when the due account was acted on; and how many events there were."""

    quorum_us: int
    due_us: int
    events: int


def records_of(jump: float, speakers: tuple[Speaker, ...]) -> list[AccountRecord]:
    """Return one account that the jump makes due, two that it nearly does, and one it favours."""
    side = 1 if jump < 0 else -1
    end = PRICE * (1.0 + jump)
    roles = [
        Role("due", BTC_LINEAR, side * 10_000, 0, PRICE * (1.0 + 0.7 * jump)),
        Role("near", BTC_LINEAR, side * 10_000, 0, end * (1.0 - side * SAFE)),
        Role("small", BTC_LINEAR, side * 2_000, 0, end * (1.0 - side * SAFE)),
        Role("favoured", BTC_LINEAR, -side * 10_000, 0, PRICE * (1.0 + side * SAFE)),
    ]
    return [calibrated(role, "BTC", {"BTC": speakers}) for role in roles]


def restart(gap_s: int, jump: float, seed: int, liars: int = 0) -> Reopened:
    """Run to a snapshot, restore it, let the sources speak after the gap; judge every event.

    liars: so many sources, of less than half of the weight, speak first and say half of the truth.
    """
    rng = random.Random(f"{gap_s}/{jump}/{seed}/{liars}")
    speakers = LAYOUTS[seed % 2 if not liars else 0]
    before = opened({"BTC": speakers})
    for one in speakers:
        before.say("BTC", Word(START_US, START_US, one.name, PRICE))
    before.send(AccountsLoaded, START_US, records_of(jump, speakers))
    engine = Engine(METHOD)
    restore_snapshot(engine, take_snapshot(before.engine))
    assert state_hash(engine) == state_hash(before.engine)
    clerk = Clerk(engine)
    return _reopen(clerk, gap_s, jump, liars, list(speakers), rng)


def _reopen(
    clerk: Clerk, gap_s: int, jump: float, liars: int, speakers: list[Speaker], rng: random.Random
) -> Reopened:
    market = clerk.engine.market
    reopened_us = START_US + gap_s * SECOND_US
    truth = PRICE * (1.0 + jump)
    rng.shuffle(speakers)
    total = sum(one.weight for one in speakers)
    told: dict[str, int] = {}
    events = due_us = quorum_us = 0
    for turn in range(ROUNDS):
        at_us = reopened_us + turn * SECOND_US
        for number, one in enumerate(speakers):
            at_us += rng.randint(20_000, 150_000)
            lies = number < liars
            price = truth * (0.5 if lies else 1.0 + rng.uniform(-NOISE, NOISE))
            outcomes = clerk.send(TimeTick, at_us - 10_000) if rng.random() < 0.2 else []
            outcomes += clerk.say("BTC", Word(at_us, at_us - 5_000, one.name, price))
            events += 1
            told[one.name] = one.weight
            if not quorum_us and 2 * sum(told.values()) > total:
                quorum_us = at_us
            for each in outcomes:
                acted = isinstance(each, Closed) or (
                    isinstance(each, StateChanged) and each.current >= State.PARTIAL_REDUCTION
                )
                if not acted:
                    continue
                where = f"gap {gap_s} s, jump {jump:+.0%}: {each.subject} at turn {turn}"
                assert each.subject == "due", f"{where} was touched"
                assert quorum_us, f"{where} before a fresh quorum"
                assert not market.is_protected[1], f"{where} while protected"
                due_us = due_us or at_us
    clerk.engine.check_sums()
    return Reopened(quorum_us - reopened_us, due_us - reopened_us if due_us else 0, events)
