"""Funding from the premium: what longs pay shorts so that a perpetual stays near its index.

    premium  = (max(0, impact bid − index) − max(0, index − impact ask)) / index, held from quote to quote
    rate     = P + clamp(interest − P, ±damper), within ±limit;  P the time-weighted mean of the interval

in billionths, integers throughout. Source: the form used by venues with impact prices (Binance, BitMEX).
"""

from __future__ import annotations

from typing import Any

from steelyard.marks.market import MarketState
from steelyard.marks.perpetuals import PPB
from steelyard.terms import Method
from steelyard.terms.index_rules import IndexRules


class Premium:
    """The premium of one perpetual in the running interval.

    last_ppb has held since since_us; total (ppb·µs) and covered (µs) are what the interval has so far.
    """

    __slots__ = ("covered_us", "last_ppb", "next_us", "since_us", "total")

    def __init__(self, now_us: int, interval_us: int) -> None:
        self.last_ppb = 0
        self.since_us = now_us
        self.total = 0
        self.covered_us = 0
        self.next_us = (now_us // interval_us + 1) * interval_us

    def hold(self, until_us: int) -> None:
        """Count the last premium up to a time."""
        if until_us > self.since_us:
            self.total += self.last_ppb * (until_us - self.since_us)
            self.covered_us += until_us - self.since_us
            self.since_us = until_us

    def record(self) -> list[object]:
        """Return the premium as plain values, for a snapshot; the total as text, since it may be long."""
        return [self.last_ppb, self.since_us, str(self.total), self.covered_us, self.next_us]

    @staticmethod
    def restore(record: list[Any]) -> Premium:
        """Return the premium of a record."""
        premium = Premium(0, 1)
        premium.last_ppb, premium.since_us, total, premium.covered_us, premium.next_us = record
        premium.total = int(str(total))
        return premium


def premium_ppb(bid: float, ask: float, index_price: float, limit_ppb: int) -> int:
    """Return the premium of impact prices over the index in ppb, within ±limit.

    >>> premium_ppb(100.2, 100.4, 100.0, 20_000_000), premium_ppb(99.9, 100.1, 100.0, 20_000_000)
    (2000000, 0)
    """
    above, below = max(0.0, bid - index_price), max(0.0, index_price - ask)
    ratio = (above - below) / index_price * PPB
    return int(
        max(-float(limit_ppb), min(float(limit_ppb), round(ratio)))
    )  # tidy-ok: the one border


def funding_rate_ppb(mean_premium_ppb: int, rules: IndexRules) -> int:
    """Return the rate of an interval in ppb; positive: longs pay.

    >>> from steelyard.terms import load_method
    >>> rules = load_method().index_rules("default")     # interest 0.01 %, damper 0.05 %
    >>> funding_rate_ppb(0, rules), funding_rate_ppb(2_000_000, rules), funding_rate_ppb(-900_000, rules)
    (100000, 1500000, -400000)
    """
    damper = rules.funding_damper_ppb
    pull = max(-damper, min(damper, rules.funding_interest_ppb - mean_premium_ppb))
    limit = rules.funding_limit_ppb
    return max(-limit, min(limit, mean_premium_ppb + pull))


def observe_premium(market: MarketState, slot: int, bid: float, ask: float, method: Method) -> None:
    """Note the premium of a perpetual's quote; it holds until the next."""
    asset = int(market.underlying_of[slot])
    rules = method.index_rules(market.assets[asset].name)
    if rules.funding_interval_us == 0 or market.is_protected[asset]:
        return
    premium = market.premiums.get(slot)
    if premium is None:
        premium = market.premiums[slot] = Premium(market.time_us, rules.funding_interval_us)
    premium.hold(market.time_us)
    premium.last_ppb = premium_ppb(bid, ask, market.index_price(asset), rules.funding_limit_ppb)


def funding_due(market: MarketState, method: Method) -> list[tuple[int, int]]:
    """Return (slot, rate in ppb) of every perpetual whose interval is over, and begin the next.

    Where the asset is protected it waits: the interval goes on until the index can be trusted again.
    """
    due = []
    for slot in sorted(market.premiums):
        premium = market.premiums[slot]
        asset = int(market.underlying_of[slot])
        if market.time_us < premium.next_us or market.is_protected[asset]:
            continue
        rules = method.index_rules(market.assets[asset].name)
        premium.hold(market.time_us)
        mean = premium.total // premium.covered_us if premium.covered_us else 0
        begun = Premium(market.time_us, max(1, rules.funding_interval_us))
        begun.last_ppb = premium.last_ppb
        if rules.funding_interval_us == 0:
            del market.premiums[slot]
            continue
        market.premiums[slot] = begun
        due.append((slot, funding_rate_ppb(mean, rules)))
    return due
