"""What is known of one source beyond its prices, from its connection, its venue and its clock."""

from __future__ import annotations

from typing import Literal

from steelyard.feeds.live.config import SourceRow
from steelyard.feeds.live.skew import SkewEstimator, SkewRules
from steelyard.ticks.events import FeedState

Fault = Literal["down", "unverified", "malformed", "halted", "clock", "gap"]

FAULTS: tuple[Fault, ...] = ("down", "unverified", "malformed", "halted", "clock", "gap")
"""Worst first: of several, the first is told."""

# What the next price of the source itself shows to be over. A halt ends when the venue says so.
_ENDED_BY_A_PRICE: tuple[Fault, ...] = ("down", "unverified", "malformed", "gap")


class SourceState:
    """The faults of one source, each with its reason; without any it is up.

    A source is down until its own first price on a connection, so that a market the venue has dropped is
    not taken for alive because others on its connection are.

    >>> row = SourceRow("a", "BTC", "one", "BTC-USD", "trade")
    >>> state = SourceState(row, SkewRules())
    >>> state.now()
    ('down', 'no price yet')
    >>> state.price_seen(5_000_000, 4_990_000); state.now()
    ('up', '')
    """

    def __init__(self, row: SourceRow, rules: SkewRules) -> None:
        self.row = row
        self.faults: dict[Fault, str] = {"down": "no price yet"}
        self.told: tuple[FeedState, str] | None = None
        self.conflated = 0
        self._rules = rules
        self._skew = SkewEstimator(rules)

    @property
    def skew_us(self) -> int | None:
        """How far the source's clock is behind ours, None before enough was seen."""
        return self._skew.skew_us

    def now(self) -> tuple[FeedState, str]:
        """Return the state to be told and its reason."""
        for fault in FAULTS:
            if fault in self.faults:
                return fault, self.faults[fault]
        return "up", ""

    def price_seen(self, received_us: int, exchange_time_us: int) -> None:
        """A price came: what a price ends is over, and the clocks are compared."""
        faults = self.faults
        if faults:
            for fault in _ENDED_BY_A_PRICE:
                faults.pop(fault, None)
        self._skew.add(received_us, exchange_time_us)
        if self._skew.is_off:
            faults["clock"] = "the exchange time is further from ours than the bound"
        elif faults:
            faults.pop("clock", None)

    def disconnected(self, reason: str) -> None:
        """The connection ended: nothing that was known of the source holds any longer."""
        self.faults = {"down": reason}
        self._skew = SkewEstimator(self._rules)
