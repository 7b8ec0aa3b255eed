"""A market with one coin, its sources and both its perpetuals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from steelyard.marks import (
    IndexReading,
    MarketState,
    Source,
    SourceTerms,
    apply_price,
    apply_quote,
    read_index,
)
from steelyard.marks.index import Readable
from steelyard.terms import Asset, Instrument, Method, load_method
from steelyard.terms.index_rules import IndexRules
from steelyard.ticks import PriceTick, QuoteTick, SourceListed

SECOND_US = 1_000_000
STALE_US = 60 * SECOND_US
START_US = 1_000 * SECOND_US
METHOD = load_method()
LINEAR = Instrument("C_USDC-PERPETUAL", "perpetual", "C", "USDC", False, 2, 4, 10**6)
INVERSE = Instrument("C-PERPETUAL", "perpetual", "C", "C", True, 0, 12, 10**6, contract_usd=10)
COIN = 1


def listed(
    source: str,
    asset: str,
    operator: str,
    weight: int = 1,
    stale_after_us: int = STALE_US,
    **terms: Any,
) -> SourceListed:
    """Return the listing of a source; `terms` as those of the event."""
    return SourceListed(
        START_US, "venue", 1, source, asset, operator, weight, stale_after_us, **terms
    )


def read(
    said: Iterable[tuple[float, int]], rules: IndexRules, at_us: int, limit_us: int = 1
) -> IndexReading:
    """Return the reading of fresh (price, weight) words, each of its own operator, now."""
    sources = [speaker(price, weight, n, at_us, limit_us) for n, (price, weight) in enumerate(said)]
    return read_index(Readable(sources, [1.0] * len(sources), 0.0, lambda: 1_600, {}), at_us, rules)


def speaker(price: float, weight: int, operator: int, at_us: int, limit_us: int = 1) -> Source:
    """Return a source of one operator that has said one price."""
    source = Source(f"s{operator}", SourceTerms(operator, weight, limit_us, "spot", -1, 1, (), 0))
    source.take(price, at_us, at_us, 0.0, 0.0, METHOD.index_rules("default"))
    return source


class Sources:
    """The market of coin C, told prices and quotes in short words."""

    def __init__(
        self, *operators: str, weights: tuple[int, ...] = (), method: Method = METHOD
    ) -> None:
        self.method = method
        self.market = MarketState()
        self.market.time_us = START_US
        assert self.market.list_asset(Asset("C", 8, 2)) == COIN
        for instrument in (LINEAR, INVERSE):
            self.market.list_instrument(instrument)
        for number, operator in enumerate(operators):
            weight = weights[number] if weights else 1
            self.market.list_source(listed(f"s{number}", "C", operator, weight))

    def say(self, source: int, price: float, at_us: int | None = None) -> list[int]:
        """Let a source say a price that holds at `at_us` (default: now)."""
        at = self.market.time_us if at_us is None else at_us
        tick = PriceTick(self.market.time_us, "feed", 1, f"s{source}", "C", price, at)
        return apply_price(self.market, tick, self.method)

    def quote(
        self, bid: float, ask: float, at_us: int | None = None, name: str = LINEAR.name
    ) -> list[int]:
        """Let the venue of a perpetual quote; the clock is then at least that late."""
        at = self.market.time_us if at_us is None else at_us
        self.market.time_us = max(self.market.time_us, at)
        tick = QuoteTick(self.market.time_us, "feed", 1, name, bid, ask, at)
        return apply_quote(self.market, tick, self.method)

    @property
    def index(self) -> float:
        """Return the index price now."""
        return self.market.index_price(COIN)

    @property
    def is_protected(self) -> bool:
        """Return whether the coin is protected now."""
        return bool(self.market.is_protected[COIN])
