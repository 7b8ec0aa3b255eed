"""A stage of funding: the quotes of a perpetual, of which there is one venue, with a fault.

The premium and the basis are bounded, so the bound is theirs: a mark stays within the basis bound of its index,
an interval's rate within its limit, and nobody is touched who is safe beyond both.
"""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

from steelyard.actions import Closed, FundingPaid, StateChanged
from steelyard.decisions import State
from steelyard.quantities import InputError
from steelyard.terms import AccountRecord
from steelyard.ticks import AccountsLoaded, ParameterChange, QuoteTick, TimeTick
from tests.faults.cells import Cell
from tests.faults.stage import BTC_LINEAR, METHOD, WIDE, Clerk, Role, Speaker, calibrated, opened
from tests.faults.watch import SOURCE_LAG_US, Tally
from tests.faults.words import SECOND_US, START_US, Path, Word, falling, faulty_words, honest_words

SPEAKERS = tuple(Speaker(f"s{n}", f"o{n}", 1) for n in range(3))
QUOTED = "quotes"
END_US = START_US + 64 * SECOND_US
SPREAD = 0.0002
REFUSED = ("zero", "negative", "nan", "future time")
RULES = METHOD.index_rules("BTC")
BASIS, LIMIT = RULES.basis_bound_ppm / 1e6, RULES.funding_limit_ppb / 1e9
assert BASIS + LIMIT < WIDE, "the safe are safe beyond both bounds"


class Stage(NamedTuple):
    """Everything of one seed but the fault."""

    seed: int
    path: Path
    words: list[Word]
    quotes: list[Word]
    records: list[AccountRecord]
    due_at: float


@cache
def stage(seed: int) -> Stage:
    """Return the stage of a seed: a fall, and calm until the first interval of funding is over."""
    rng = random.Random(f"funding/{seed}")
    path = falling(100_000.0, rng)._replace(end_us=END_US)
    premium = 1.0 + rng.uniform(-0.002, 0.002)
    words = [w for one in SPEAKERS for w in honest_words(one.name, path.at, END_US, rng)]
    quotes = honest_words(
        QUOTED, lambda at_us: premium * path.at(at_us), END_US, rng, SECOND_US // 2
    )
    due_at = path.start * (1.0 - path.depth * rng.uniform(0.3, 0.8))
    roles = [
        Role("due", BTC_LINEAR, 10_000, 0, due_at),
        Role("safe long", BTC_LINEAR, 10_000, 0, path.bottom * (1.0 - WIDE)),
        Role("safe short", BTC_LINEAR, -10_000, 0, path.start * (1.0 + WIDE)),
    ]
    records = [calibrated(role, "BTC", {"BTC": SPEAKERS}) for role in roles]
    return Stage(seed, path, words, quotes, records, due_at)


def quote(clerk: Clerk, word: Word) -> list[object]:
    """Let the venue of the perpetual quote around a price."""
    bid, ask = word.price * (1.0 - SPREAD), word.price * (1.0 + SPREAD)
    return clerk.send(
        QuoteTick, word.received_us, BTC_LINEAR.name, min(bid, ask), max(bid, ask), word.exchange_us
    )


class Watch:
    """The assertions on one run. paid: intervals of funding; refused: quotes."""

    def __init__(self, on: Stage, fault: str, clerk: Clerk) -> None:
        self.on, self.fault, self.market = on, fault, clerk.engine.market
        self.slot = self.market.instrument_slots[BTC_LINEAR.name]
        self.events = self.due_us = self.paid = self.refused = 0
        self.is_loaded = False

    def judge(self, outcomes: list[object]) -> None:
        """Judge what an event caused, and the mark after it."""
        self.events += 1
        market = self.market
        where = (
            f"{self.fault} seed {self.on.seed} at {(market.time_us - START_US) / SECOND_US:.3f} s"
        )
        for each in outcomes:
            if isinstance(each, FundingPaid):
                self.paid += 1
                assert abs(each.rate_ppb) <= RULES.funding_limit_ppb, where
            if isinstance(each, Closed) or (
                isinstance(each, StateChanged) and each.current >= State.PARTIAL_REDUCTION
            ):
                assert each.subject == "due", f"{where}: {each.subject} was touched"
                self.due_us = self.due_us or market.time_us
                lowest = self.on.path.at(market.time_us) * (1.0 - 2 * BASIS)
                assert lowest <= self.on.due_at, f"{where}: the due one was touched too early"
        assert not self.is_loaded or not market.is_protected[1], where
        if market.has_mark[self.slot]:
            off = abs(int(market.mark_units[self.slot]) / 100.0 / market.index_price(1) - 1.0)
            assert off <= BASIS + 1e-6, f"{where}: the mark is {off:.3%} off"

    def refuse(self, error: InputError) -> None:
        """Judge a refusal: of a quote that is none, or comes from the future."""
        self.refused += 1
        assert self.fault in REFUSED
        expected = "ADMT-E05" if self.fault == "future time" else "TICK-E03"
        assert error.code == expected, str(error)


def play(on: Stage, fault: str) -> Tally:
    """Play a stage with a fault of the quotes, or without; judge every event."""
    quotes = on.quotes
    if fault:
        rng = random.Random(f"funding/{on.seed}/{fault}")
        from_us = START_US + rng.randint(1_600_000, 5 * SECOND_US)
        quotes = faulty_words(fault, quotes, from_us, rng)
    said = sorted(
        [w for w in on.words + quotes if w.received_us <= END_US],
        key=lambda w: (w.received_us, w.source, w.exchange_us),
    )
    clerk = opened({"BTC": SPEAKERS})
    clerk.send(ParameterChange, START_US, "index.default.funding_interval_us", str(60 * SECOND_US))
    watch = Watch(on, fault, clerk)
    tick_us = START_US + SECOND_US
    for word in said:
        while tick_us <= word.received_us:
            watch.judge(clerk.send(TimeTick, tick_us))
            tick_us += SECOND_US
        if not watch.is_loaded and word.received_us > START_US:
            clerk.send(AccountsLoaded, START_US, on.records)
            watch.is_loaded = True
        try:
            outcomes = quote(clerk, word) if word.source == QUOTED else clerk.say("BTC", word)
        except InputError as error:
            watch.refuse(error)
        else:
            watch.judge(outcomes)
    watch.judge(clerk.send(TimeTick, END_US + SECOND_US))
    assert watch.paid == 1, f"{fault} seed {on.seed}: funding was paid {watch.paid} times"
    assert watch.refused > 0 or fault not in ("zero", "negative", "nan")
    clerk.engine.check_sums()
    return Tally(watch.events, watch.due_us, 0, 0.0)


@cache
def clean_tally(seed: int) -> Tally:
    """Return the clean run of a stage."""
    return play(stage(seed), "")


def judge_funding(cell: Cell, seed: int) -> Tally:
    """Play one seed of a cell and hold it against the clean run: the due one waits no longer than the mark
    may be off, at the speed of the fall, and a source's lag."""
    on = stage(seed)
    against, tally = clean_tally(seed), play(on, cell.fault)
    assert tally.due_us, f"{cell} seed {seed}: the due one was missed"
    speed = on.path.depth / on.path.fall_us
    lag_us = SOURCE_LAG_US + 2 * BASIS / ((1.0 - on.path.depth) * speed)
    assert tally.due_us <= against.due_us + lag_us, f"{cell} seed {seed}: too late"
    return tally
