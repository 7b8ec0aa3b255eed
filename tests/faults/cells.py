"""The cells of the fault matrix: which fault, at which share of the sources, of which input.

A cell that cannot occur is on record with its reason; one whose fault cannot be known while it lasts
says why not, and what holds all the same.
"""

from __future__ import annotations

import itertools
import os
from typing import NamedTuple

FAULTS = (
    "stale", "frozen", "zero", "negative", "nan", "times ten", "over ten", "flip-flop", "late",
    "out of order", "duplicate", "future time", "forged signature",
)  # fmt: skip
SHARES = ("one", "minority", "half", "all")
TARGETS = ("index", "volatility", "funding", "collateral", "fx")
PRICED = ("index", "collateral", "fx")

SEEDS_DEFAULT = 4


class Cell(NamedTuple):
    """One fault of one share of the sources of one input."""

    fault: str
    share: str
    target: str

    def __str__(self) -> str:
        return f"{self.fault} · {self.share} · {self.target}"


def every_cell() -> list[Cell]:
    """Return all cells, those that cannot occur included."""
    return [Cell(*each) for each in itertools.product(FAULTS, SHARES, TARGETS)]


ONE_VENUE = (
    "the premium and the basis of a perpetual come from the market it trades on, and its funding from "
    "there too: one source, which is all there are"
)
UNSIGNED_FIT = (
    "a fit of volatilities is an event of a worker of the venue, which signs nothing; a feed that cannot "
    "verify what it fits from sends no fit, which is the cell of the stale one"
)
UNSIGNED_VENUE = "the venue's own quotes and funding come from inside it and carry no signature"


def _impossible() -> dict[Cell, str]:
    reasons: dict[Cell, str] = {}
    for fault, share in itertools.product(FAULTS, SHARES):
        if share != "all":
            reasons[Cell(fault, share, "funding")] = ONE_VENUE
    for share in SHARES:
        reasons[Cell("forged signature", share, "volatility")] = UNSIGNED_FIT
    reasons[Cell("forged signature", "all", "funding")] = UNSIGNED_VENUE
    return reasons


CANNOT_OCCUR = _impossible()
"""Why a cell cannot occur."""

FOLLOWED = "all sources agree on it and nothing contradicts them: it cannot be told from the truth"
UNKNOWABLE = {
    **{
        Cell(
            "late", "all", target
        ): f"{FOLLOWED}, until it is stale; its age raises what opening needs"
        for target in PRICED
    },
    **{
        Cell(
            fault, "all", "volatility"
        ): f"{FOLLOWED}; the age of volatilities raises what opening needs"
        for fault in ("stale", "frozen", "late")
    },
    **{
        Cell(
            fault, "all", "funding"
        ): "a market may rightly stand still; its basis and premium are bounded"
        for fault in ("stale", "frozen", "late")
    },
}
"""Why a fault cannot be known while it lasts. What is asserted of these is that nobody safe is touched."""


class Known(NamedTuple):
    """When a fault can be known. how: by its word, its age, or the others; or it does no harm."""

    how: str
    when: str


KNOWN = {
    "stale": Known("age", "stale_after from the last word"),
    "frozen": Known("age", "the first repeat that is older than frozen_after"),
    "zero": Known("word", "at once"),
    "negative": Known("word", "at once"),
    "nan": Known("word", "at once"),
    "times ten": Known("word", "at once: beyond the largest believable multiple"),
    "over ten": Known("word", "at once: beyond the largest believable multiple"),
    "flip-flop": Known(
        "contradiction", "at once: no majority stands together for as long as the guard waits"
    ),
    "late": Known(
        "age", "stale_after; a shorter delay is a lag, and harmless to those who are safe"
    ),
    "out of order": Known("harmless", "an older word changes nothing"),
    "duplicate": Known("harmless", "a word said twice changes nothing"),
    "future time": Known("word", "at once, beyond five seconds; below, it counts from its receipt"),
    "forged signature": Known("word", "at once: its feed says unverified"),
}


def seeds() -> range:
    """Return the seeds of each cell; STEELYARD_FAULT_SEEDS says how many."""
    return range(int(os.environ.get("STEELYARD_FAULT_SEEDS", str(SEEDS_DEFAULT))))
