"""Sources of prices: what each last said, and whether that may be used.

Every source has one verdict at any time:

    used         its price counts
    deviating    its price counts, and stands further from the index than it should
    silent       it has not said anything yet
    stale        its last word is older, in exchange time, than it may be
    frozen       it repeats one price for longer than it may
    invalid      its last word was no price (zero, negative, not a number, beyond all bounds)
    clock        its last word came from the future
    uncertain    it says itself that it does not know well enough
    absurd       its price is beyond the largest believable multiple of the last good index
    quote        the currency it quotes in has no trusted price, or has lost its peg
    standby      of the second tier, while the first has a quorum
    down … halted   what its feed says of it (ticks.SourceStatus)
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steelyard.marks.averages import Average
from steelyard.quantities import PPM
from steelyard.terms.index_rules import IndexRules
from steelyard.ticks.bounds import PRICE_MAX

USED, DEVIATING, SILENT, STALE, FROZEN = "used", "deviating", "silent", "stale", "frozen"
INVALID, CLOCK, UNCERTAIN, ABSURD, QUOTE, STANDBY, UP = (
    "invalid", "clock", "uncertain", "absurd", "quote", "standby", "up",
)  # fmt: skip

AHEAD_US_MAX = 5_000_000
"""How far a source's clock may be ahead of the receiver's."""

NEVER_US = 2**62


class SourceTerms(NamedTuple):
    """What a source was listed with. operator and resells are numbers; quote: an asset slot, −1 for USD."""

    operator: int
    weight: int
    stale_after_us: int
    kind: str
    quote: int
    tier: int
    resells: tuple[int, ...]
    frozen_after_us: int


class Source:
    """A source of one asset: its terms, its last word and its verdict.

    price, confidence: in its quote currency; 0.0 before its first price. exchange_time_us: of its last
    word, never after its receipt. changed_us: exchange time of the last price that differed. fault: why
    its last word is no price, or empty. feed_state: as its feed says.
    """

    __slots__ = (
        "average", "changed_us", "confidence", "exchange_time_us", "fault", "feed_state", "name",
        "price", "terms", "verdict",
    )  # fmt: skip

    def __init__(self, name: str, terms: SourceTerms) -> None:
        self.name = name
        self.terms = terms
        self.price = 0.0
        self.confidence = 0.0
        self.exchange_time_us = 0
        self.changed_us = 0
        self.fault = ""
        self.feed_state = UP
        self.verdict = SILENT
        self.average = Average()

    def take(
        self,
        price: float,
        exchange_time_us: int,
        received_us: int,
        confidence: float,
        quantity: float,
        rules: IndexRules,
    ) -> bool:
        """Take a price; return whether anything changed. One older than the last word changes nothing."""
        if exchange_time_us > received_us + AHEAD_US_MAX:
            self.fault = CLOCK
            return True
        at_us = min(exchange_time_us, received_us)
        if at_us < self.exchange_time_us:
            return False
        # The comparisons are written so that a NaN fails them.
        if not (0.0 < price <= PRICE_MAX and 0.0 <= confidence <= PRICE_MAX):
            self.fault = INVALID
            self.exchange_time_us = at_us
            return True
        if rules.averaging != "last":
            self.average.add(price, quantity, at_us, rules)
        if price != self.price or self.fault:
            self.changed_us = at_us
        self.fault = ""
        self.price = price
        self.confidence = confidence
        self.exchange_time_us = at_us
        return True

    def value(self, now_us: int, rules: IndexRules) -> float:
        """Return the price that counts, in the quote currency: the last, or its average up to now."""
        if rules.averaging == "last":
            return self.price
        return self.average.read(self.price, now_us, rules)

    def obstacle(self, now_us: int) -> str:
        """Return why the source cannot be used whatever its price is, or an empty text."""
        terms = self.terms
        if self.feed_state != UP:
            return self.feed_state
        if self.fault:
            return self.fault
        if self.price == 0.0:
            return SILENT
        if now_us - self.exchange_time_us > terms.stale_after_us:
            return STALE
        frozen_us = self.exchange_time_us - self.changed_us
        if terms.frozen_after_us and frozen_us > terms.frozen_after_us:
            return FROZEN
        return ""

    def stale_at_us(self) -> int:
        """Return the first instant at which the source's last word is stale."""
        return self.exchange_time_us + self.terms.stale_after_us + 1

    def record(self) -> list[object]:
        """Return the source as plain values, for a snapshot."""
        return [
            self.name, list(self.terms[:6]), list(self.terms.resells), self.terms.frozen_after_us,
            self.price, self.confidence, self.exchange_time_us, self.changed_us, self.fault,
            self.feed_state, self.verdict, self.average.record(),
        ]  # fmt: skip

    @staticmethod
    def restore(record: list[Any]) -> Source:
        """Return the source of a record."""
        name, head, resells, frozen_after_us, *state, average = record
        terms = SourceTerms._make([*head, tuple(resells), frozen_after_us])
        source = Source(name, terms)
        for field, value in zip(
            ("price", "confidence", "exchange_time_us", "changed_us", "fault", "feed_state", "verdict"),
            state,
            strict=True,
        ):  # fmt: skip
            setattr(source, field, value)
        source.average = Average.restore(average)
        return source


def drift_ppm(age_us: int, rate_ppm: int) -> int:
    """Return how far a price may have moved in `age_us`, ppm; rate_ppm: in one second, growing with √age.

    >>> drift_ppm(4_000_000, 1_500)
    3000
    """
    return rate_ppm * math.isqrt(max(0, age_us)) // 1_000


def width_ppm(source: Source, newest_us: int, rate_ppm: int, rules: IndexRules) -> int:
    """Return how far from the index a source may stand and still agree with it, in ppm.

    newest_us: exchange time of the newest word of all: a source that spoke before may have missed a move.
    """
    stated = int(source.confidence / source.price * PPM) if source.confidence else 0
    return rules.agreement_ppm + stated + drift_ppm(newest_us - source.exchange_time_us, rate_ppm)
