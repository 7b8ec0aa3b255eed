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
    value, parity, width = (np.full(count, np.nan) for _ in range(3))
    source = [ForwardSource.NONE] * count
    index = _median(quotes.index[quotes.index > 0.0])
    for i in range(count):
        rows = np.flatnonzero(expiry_of == i)
        given = quotes.forward[rows]
        venue = _median(given[given > 0.0])
        is_listed = venue > 0.0 and not quotes.is_synthetic[rows].any()
        parity[i], width[i] = parity_forward(quotes, rows)
        for kind, found in (
            (ForwardSource.FUTURE, venue if is_listed else np.nan),
            (ForwardSource.PARITY, parity[i]),
            (ForwardSource.VENUE, venue),
        ):
            if found > 0.0:
                value[i], source[i] = found, kind
                break
    known = np.flatnonzero(value > 0.0)
    for i in np.flatnonzero(~(value > 0.0)).tolist():
        if len(known) and index > 0.0:
            nearest = known[np.argmin(np.abs(expiry_us[known] - expiry_us[i]))]
            value[i], source[i] = value[nearest], ForwardSource.CARRY
        elif index > 0.0:
            value[i], source[i] = index, ForwardSource.CARRY
    return Forwards(expiry_us, value, source, parity, width)


def parity_forward(quotes: ChainQuotes, rows: Ints) -> tuple[float, float]:
    """Return (forward, width of the tightest bounds) of one expiry by parity; NaN if nothing tells.

    Only strikes whose call and put are quoted on both sides, uncrossed, count.
    """
    bid, ask = quotes.bid[rows], quotes.ask[rows]
    good = rows[(bid > 0.0) & (ask >= bid) & np.isfinite(ask) & (quotes.strike[rows] > 0.0)]
    calls, puts = good[quotes.is_call[good]], good[~quotes.is_call[good]]
    strikes, at_call, at_put = np.intersect1d(
        quotes.strike[calls], quotes.strike[puts], return_indices=True
    )
    if len(strikes) < LEAST_STRIKES:
        return np.nan, np.nan
    call, put = calls[at_call], puts[at_put]
    low = quotes.bid[call] - quotes.ask[put]
    high = quotes.ask[call] - quotes.bid[put]
    if quotes.is_inverse:
        sound = high < 1.0
        strikes, low, high = strikes[sound], low[sound], high[sound]
        lowest, highest = strikes / (1.0 - low), strikes / (1.0 - high)
    else:
        lowest, highest = strikes + low, strikes + high
    width = highest - lowest
    width = np.maximum(width, 1e-9 * strikes)
    if len(width) < LEAST_STRIKES:
        return np.nan, np.nan
    middle = 0.5 * (lowest + highest)
    order = np.argsort(middle, kind="stable")
    weight = np.cumsum((1.0 / (width * width))[order])
    place = int(np.searchsorted(weight, 0.5 * weight[-1]))
    return float(middle[order[place]]), float(width.min())


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")
