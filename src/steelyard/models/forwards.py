"""The forward of each expiry: the venue's future, put-call parity, or the carry of its neighbours.

Parity: a call bought and a put sold at one strike K are the forward bought at K, so every strike that
quotes both bounds it, K + (call bid − put ask) ≤ F ≤ K + (call ask − put bid) (undiscounted). In coin the
difference c − p is 1 − K/F, so F = K/(1 − (c − p)). The estimate is the median of the strikes' mid values
weighted by 1/width²: one wild quote moves it nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.groups import group_median, group_weighted_median

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_STRIKES = 2  # with both a call and a put, for parity to say anything


class ForwardSource(StrEnum):
    """Where a forward comes from; VENUE is the venue's own synthetic, CARRY a neighbour's ratio to the index."""

    FUTURE = "future"
    PARITY = "parity"
    VENUE = "venue"
    CARRY = "carry"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Forwards:
    """One entry an expiry, ascending. value: NaN with source NONE. width: of the parity bounds, else NaN."""

    expiry_us: Ints
    value: Floats
    source: list[ForwardSource]
    parity: Floats
    width: Floats


def find_forwards(quotes: ChainQuotes, expiry_us: Ints, expiry_of: Ints) -> Forwards:
    """Return the forward of each expiry; expiry_of: the place in expiry_us of each quote.

    A listed future comes first, then parity, then the venue's synthetic, then the nearest expiry's ratio to
    the index. The venue's number is the median over the expiry's rows.
    """
    count = len(expiry_us)
    value = np.full(count, np.nan)
    source = [ForwardSource.NONE] * count
    prices = quotes.index[quotes.index > 0.0]
    index = float(np.median(prices)) if len(prices) else float("nan")
    given = np.where(quotes.forward > 0.0, quotes.forward, np.nan)
    venue = group_median(given, expiry_of, count)
    is_made_up = np.zeros(count, np.bool_)
    is_made_up[expiry_of[quotes.is_synthetic]] = True
    parity, width = parity_forwards(quotes, expiry_of, count)
    choices = (
        (ForwardSource.FUTURE, np.where(is_made_up, np.nan, venue)),
        (ForwardSource.PARITY, parity),
        (ForwardSource.VENUE, venue),
    )
    for kind, found in choices:
        for i in np.flatnonzero(~(value > 0.0) & (found > 0.0)).tolist():
            value[i], source[i] = found[i], kind
    known = np.flatnonzero(value > 0.0)
    for i in np.flatnonzero(~(value > 0.0)).tolist():
        if len(known) and index > 0.0:
            nearest = known[np.argmin(np.abs(expiry_us[known] - expiry_us[i]))]
            value[i], source[i] = value[nearest], ForwardSource.CARRY
        elif index > 0.0:
            value[i], source[i] = index, ForwardSource.CARRY
    return Forwards(expiry_us, value, source, parity, width)


def parity_forwards(quotes: ChainQuotes, expiry_of: Ints, count: int) -> tuple[Floats, Floats]:
    """Return (forward, width of the tightest bounds) of each expiry by parity; NaN where nothing tells.

    Only strikes whose call and put are quoted on both sides, uncrossed, count, and two of them are needed.
    """
    bid, ask = quotes.bid, quotes.ask
    good = np.flatnonzero((bid > 0.0) & (ask >= bid) & np.isfinite(ask) & (quotes.strike > 0.0))
    order = good[np.lexsort((quotes.is_call[good], quotes.strike[good], expiry_of[good]))]
    put, call = order[:-1], order[1:]
    is_pair = (
        (expiry_of[put] == expiry_of[call])
        & (quotes.strike[put] == quotes.strike[call])
        & ~quotes.is_call[put]
        & quotes.is_call[call]
    )
    put, call = put[is_pair], call[is_pair]
    strike = quotes.strike[call]
    low, high = bid[call] - ask[put], ask[call] - bid[put]
    if quotes.is_inverse:
        sound = high < 1.0
        put, call, strike, low, high = (
            put[sound],
            call[sound],
            strike[sound],
            low[sound],
            high[sound],
        )
        lowest, highest = strike / (1.0 - low), strike / (1.0 - high)
    else:
        lowest, highest = strike + low, strike + high
    width = np.maximum(highest - lowest, 1e-9 * strike)
    of = expiry_of[call]
    enough = np.bincount(of, minlength=count) >= LEAST_STRIKES
    forward = group_weighted_median(0.5 * (lowest + highest), 1.0 / (width * width), of, count)
    tightest = np.full(count, np.inf)
    np.minimum.at(tightest, of, width)
    return np.where(enough, forward, np.nan), np.where(enough, tightest, np.nan)
