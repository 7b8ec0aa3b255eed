"""The guard of an index: which readings become the index, and when an asset is protected.

    unseen        there never was a quorum: an indication is shown, nobody is liquidated on it
    healthy       the first tier agrees          second_tier   the first does not, both tiers together do
    decided       no quorum; two persons set a price for a stated time
    no_quorum     too few sources can be used    disagreement  enough can, but no majority agrees
    jump          a majority agrees on a sudden large jump; believed when it has held for a while
    resuming      sources that disagreed agree again, for a while yet: the longer the more often they disagreed
    unfit         the price does not fit the integers of the asset

Only healthy, second_tier and decided are not protected. A protected asset keeps its last good value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from steelyard.marks.index import Heard, IndexReading
from steelyard.marks.sources import NEVER_US, Source, SourceTerms, drift_ppm
from steelyard.quantities import PPM
from steelyard.terms.index_rules import IndexRules
from steelyard.ticks import PriceDecision

UNSEEN, HEALTHY, SECOND_TIER, DECIDED = "unseen", "healthy", "second_tier", "decided"
NO_QUORUM, DISAGREEMENT, JUMP, RESUMING, UNFIT = (
    "no_quorum", "disagreement", "jump", "resuming", "unfit",
)  # fmt: skip
AGE_STEP_PPM = 100
RELAPSE_FACTOR = 10
TRUSTED = frozenset({HEALTHY, SECOND_TIER, DECIDED})


class AssetIndex:
    """The sources of one asset and the state of its guard.

    heard: what the last reading used, kept while every source is used and quotes in USD, so that the next
    word of one of them is one step and not all. good_price: USD, last accepted; price_time_us: exchange time it held for.
    has_unfit_mark: a perpetual's mark is beyond its bound. resume_hold_us: how long the
    next agreement has to last after a disagreement; disagreed_us: when the last one began. spoken_us: when a source last
    said something; spoke_again_us: the end of the last silence of all. hold_price, hold_since_us: a jump that waits. agreed_since_us: −1 while there is no quorum.
    """

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.numbers: dict[str, int] = {}
        self.weights: dict[tuple[int, ...], list[int]] = {}
        self.condition = UNSEEN
        self.reading = IndexReading(0.0, False, 0, 0, 0, 0, NEVER_US)
        self.good_price = 0.0
        self.price_time_us = 0
        self.hold_price = 0.0
        self.hold_since_us = 0
        self.agreed_since_us = -1
        self.decision: PriceDecision | None = None
        self.tiers = 1
        self.has_unfit_mark = False
        self.resume_hold_us = 0
        self.disagreed_us = 0
        self.spoken_us = 0
        self.spoke_again_us = 0
        self.heard: Heard | None = None

    @property
    def has_second_tier(self) -> bool:
        """Return whether any source stands by for the others."""
        return self.tiers > 1

    def list_source(self, name: str, terms: SourceTerms) -> None:
        """Add a source, or change the terms of one; its last word is kept."""
        known = self.source(name)
        if known is None:
            self.numbers[name] = len(self.sources)
            self.sources.append(Source(name, terms))
        else:
            known.terms = terms
        self.weights.clear()
        self.heard = None
        self.tiers = max(source.terms.tier for source in self.sources)

    def source(self, name: str) -> Source | None:
        """Return a source by its name, or None."""
        number = self.numbers.get(name)
        return None if number is None else self.sources[number]

    def spoke(self, now_us: int, rules: IndexRules) -> None:
        """Note that a source said something; after a silence of all there is nothing to jump from."""
        if now_us - self.spoken_us > rules.jump_reference_us:
            self.spoke_again_us = now_us
        self.spoken_us = now_us

    def judge(
        self, reading: IndexReading, tier: int, now_us: int, rules: IndexRules
    ) -> tuple[str, float, int]:
        """Return (condition, price to show or 0.0, when to look again whatever comes)."""
        if not reading.has_quorum:
            return self._without_quorum(reading, now_us, rules)
        if self.agreed_since_us < 0:
            self.agreed_since_us = now_us
        if self._jumps(reading.price, self.good_price, rules) and (
            self.price_time_us >= self.spoke_again_us
        ):
            if self.hold_price == 0.0 or self._jumps(reading.price, self.hold_price, rules):
                self.hold_price, self.hold_since_us = reading.price, now_us
            if now_us - self.hold_since_us < rules.jump_hold_us:
                return JUMP, 0.0, self.hold_since_us + rules.jump_hold_us
        elif self.condition in (DISAGREEMENT, RESUMING):
            hold_us = max(rules.resume_us, self.resume_hold_us)
            if self.agreed_since_us - self.disagreed_us > rules.jump_reference_us:
                # After so long, to stand near the last good index is no evidence either.
                hold_us = max(hold_us, rules.jump_hold_us)
            resumes_us = self.agreed_since_us + hold_us
            if now_us < resumes_us:
                return RESUMING, 0.0, resumes_us
        return HEALTHY if tier == 1 else SECOND_TIER, reading.price, NEVER_US

    def _disagree(self, now_us: int, rules: IndexRules) -> None:
        """Begin a disagreement; one soon after the last asks for twice as long an agreement, up to 16 times."""
        hold_us = max(rules.resume_us, self.resume_hold_us)
        is_soon = now_us - self.disagreed_us < RELAPSE_FACTOR * hold_us
        self.resume_hold_us = min(16 * rules.resume_us, 2 * hold_us) if is_soon else rules.resume_us
        self.disagreed_us = now_us

    def _without_quorum(
        self, reading: IndexReading, now_us: int, rules: IndexRules
    ) -> tuple[str, float, int]:
        self.agreed_since_us = -1
        self.hold_price = 0.0
        if self.decision is not None and now_us < self.decision.until_us:
            return DECIDED, self.decision.price, self.decision.until_us
        self.decision = None
        if self.good_price == 0.0:
            return UNSEEN, reading.price, NEVER_US
        if reading.is_enough and self.condition not in (DISAGREEMENT, RESUMING):
            self._disagree(now_us, rules)
        return DISAGREEMENT if reading.is_enough else NO_QUORUM, 0.0, NEVER_US

    def accept(self, condition: str, price: float, price_time_us: int) -> None:
        """Keep a price that became the index; a decided one is believable, but makes nothing younger."""
        self.hold_price = 0.0
        self.good_price = price
        if condition != DECIDED:
            self.decision = None
            self.price_time_us = price_time_us

    def age_ppm(self, now_us: int, drift_rate_ppm: Callable[[], int], rules: IndexRules) -> int:
        """Return what the age of the last good price adds to the initial requirement, in ppm.

        In whole steps, rounded up, so that not every microsecond is a new requirement.
        """
        if self.good_price == 0.0:
            return 0
        age_us = now_us - self.price_time_us
        if age_us <= rules.age_free_us:
            return 0
        steps = -(-drift_ppm(age_us, drift_rate_ppm()) // AGE_STEP_PPM)
        return min(rules.age_ppm_max, steps * AGE_STEP_PPM)

    @staticmethod
    def _jumps(price: float, against: float, rules: IndexRules) -> bool:
        return against > 0.0 and abs(price - against) * PPM > rules.jump_ppm * against

    def record(self) -> list[object]:
        """Return the index as plain values, for a snapshot."""
        return [
            [source.record() for source in self.sources], self.condition, list(self.reading),
            self.good_price, self.price_time_us, self.hold_price, self.hold_since_us,
            self.agreed_since_us, self.has_unfit_mark, self.resume_hold_us, self.disagreed_us, self.spoken_us, self.spoke_again_us, self.decision,
        ]  # fmt: skip

    @staticmethod
    def restore(record: list[Any]) -> AssetIndex:
        """Return the index of a record."""
        index = AssetIndex()
        sources, condition, reading, *numbers, decision = record
        index.sources = [Source.restore(each) for each in sources]
        index.numbers = {source.name: i for i, source in enumerate(index.sources)}
        index.tiers = max((source.terms.tier for source in index.sources), default=1)
        index.condition = condition
        index.reading = IndexReading(*reading)
        (
            index.good_price, index.price_time_us, index.hold_price,
            index.hold_since_us, index.agreed_since_us, index.has_unfit_mark, index.resume_hold_us, index.disagreed_us, index.spoken_us, index.spoke_again_us,
        ) = numbers  # fmt: skip
        index.decision = None if decision is None else msgspec.convert(decision, PriceDecision)
        return index
