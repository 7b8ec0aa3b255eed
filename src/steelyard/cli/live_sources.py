"""What the live view says of an asset's sources."""

from __future__ import annotations

from steelyard.marks import MarketState
from steelyard.marks.sources import DEVIATING, SILENT, STALE, USED

OFF_SHARE = 0.05
"""A source further than this from the index is named."""


def source_words(market: MarketState, slot: int, price: float) -> tuple[str, str]:
    """Return what is to be said of an asset's sources: protected, one off, one silent, or fine."""
    index = market.indices[slot]
    fresh, off, silent, doubted = 0, ("", 0.0), ("", 0.0), ("", "")
    for source in index.sources:
        age_us = market.time_us - source.exchange_time_us
        verdict = source.obstacle(market.time_us)
        if verdict in (STALE, SILENT):
            silent = max(silent, (source.name, age_us / 1e6), key=lambda each: each[1])
            continue
        if verdict or source.verdict not in (USED, DEVIATING):
            doubted = source.name, verdict or source.verdict
            continue
        fresh += 1
        rate = market.quote_rate[source.terms.quote] if source.terms.quote >= 0 else 1.0
        apart = source.price * float(rate) / price - 1
        if abs(apart) > max(OFF_SHARE, abs(off[1])):
            off = source.name, apart
    known = len(index.sources)
    if market.is_protected[slot]:
        return f" ■ PROTECTED {fresh}/{known} ", "flag"
    if off[0]:
        return f"! {off[1]:+.0%} off: ".replace("-", "−") + off[0], "warn"
    if doubted[0]:
        return f"! {doubted[0]} {doubted[1]}", "warn"
    if silent[0]:
        age = f" {silent[1]:.0f} s" if silent[1] < 3600 else ""
        return f"! {silent[0]} silent{age}", "warn"
    return f"{fresh}/{known} sources", "dim"
