"""The settlement average: an expiry settles at the mean index of its last minutes, not at its last tick.

The mean is over time, in integers, and only over time in which the index could be trusted. While it runs,
a part of the settlement price is known and only the rest still moves:

    settlement = w·A + (1 − w)·(mean of what is to come),  w = elapsed / window

so an option on it is 1 − w options on the rest, struck at (K − w·A)/(1 − w).
"""

from __future__ import annotations

from bisect import insort
from fractions import Fraction

from steelyard.marks.market import MarketState
from steelyard.terms import Method

NEVER_US = 2**62


def note_expiry(market: MarketState, asset: int, expiry_us: int) -> None:
    """Remember that something of an asset expires, so that its average is kept in time."""
    key = (expiry_us, asset)
    if key not in market.expiring:
        insort(market.expiring, key)


def accrue_settlement(market: MarketState, until_us: int, method: Method) -> None:
    """Count the index shown since the last event into the averages of what is about to expire."""
    since_us = market.time_us
    for expiry_us, asset in market.expiring:
        window_us = method.index_rules(market.assets[asset].name).settlement_window_us
        begin_us = max(since_us, expiry_us - window_us)
        end_us = min(until_us, expiry_us)
        if begin_us < end_us and not market.is_protected[asset] and market.index_units[asset] > 0:
            total, covered = market.averages.get((expiry_us, asset), (0, 0))
            span = end_us - begin_us
            market.averages[expiry_us, asset] = (
                total + int(market.index_units[asset]) * span, covered + span,
            )  # fmt: skip
        if expiry_us > until_us + LOOK_AHEAD_US:
            break


LOOK_AHEAD_US = 86_400_000_000
"""The longest window a method may state: what expires later has no average yet."""


def settlement_price(market: MarketState, asset: int, expiry_us: int) -> Fraction:
    """Return the price an expiry settles at, USD: its average, or the index where there is none."""
    scale = int(10 ** market.assets[asset].price_exponent)
    total, covered = market.averages.get((expiry_us, asset), (0, 0))
    if covered == 0:
        return Fraction(int(market.index_units[asset]), scale)
    return Fraction(total, covered * scale)


def known_part(
    market: MarketState, asset: int, expiry_us: int, method: Method
) -> tuple[float, float]:
    """Return (w, A): the share of the settlement that is known and its mean so far, USD.

    (0.0, 0.0) before the window. At the end w is 1 less a millionth, so that what is left stays priced.
    """
    window_us = method.index_rules(market.assets[asset].name).settlement_window_us
    elapsed_us = market.time_us - (expiry_us - window_us)
    if elapsed_us <= 0 or window_us == 0:
        return 0.0, 0.0
    mean = settlement_price(market, asset, expiry_us)
    share = min(elapsed_us / window_us, 1.0 - 1e-6)
    return share, mean.numerator / mean.denominator


def forget_expiry(market: MarketState, asset: int, expiry_us: int) -> None:
    """Drop the average of an expiry that has settled."""
    market.averages.pop((expiry_us, asset), None)
    if (expiry_us, asset) in market.expiring:
        market.expiring.remove((expiry_us, asset))
