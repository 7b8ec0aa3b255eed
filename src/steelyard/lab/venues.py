"""The venues of the simulated market: how often each speaks, how late it is heard, how it fails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.lab.market import Floats

Integers = NDArray[np.int64]
DELAY_US_MAX = 8_000_000
BREAK_SLIDE_S = 45.0
BREAK_DEPTH = (0.2, 0.7)
SPELL_S = (4.0, 12.0, 180.0)


@dataclass(frozen=True)
class Venue:
    """A source of prices of every coin.

    activity: chance that a coin's price is published in one tick. noise: sd of its price around the
    mid, a fraction. delay_us: least, mean of the exponential on top, mean of a rare spike.
    spike_rate: chance of such a spike a message; all later messages wait behind it.
    """

    name: str
    operator: str
    weight: int
    activity: float
    noise: float
    delay_us: tuple[int, int, int]
    spike_rate: float
    stale_after_us: int


VENUES: tuple[Venue, ...] = (
    Venue("north", "north-markets", 3, 0.9, 0.00006, (2_000, 2_500, 60_000), 0.004, 5_000_000),
    Venue("east", "east-exchange", 3, 0.7, 0.00009, (25_000, 22_000, 250_000), 0.004, 5_000_000),
    Venue("south", "south-trading", 2, 0.5, 0.00015, (12_000, 9_000, 120_000), 0.004, 8_000_000),
    Venue("west", "west-house", 2, 0.2, 0.0002, (120_000, 180_000, 2_500_000), 0.002, 15_000_000),
)
"""Delays after the recorded ones: 3 to 5 ms and 41 ms at the median, and a slow one with seconds."""

BREAKING_VENUE = "south"


@dataclass(frozen=True)
class Spell:
    """A silence of one venue: seconds from the start of the market."""

    venue: int
    begin_s: float
    end_s: float


def stale_spells(
    seed: int, duration_s: int, venues: tuple[Venue, ...], each_s: float
) -> list[Spell]:
    """Return the silences: about one every `each_s` seconds, never two at once.

    Lengths are 4 s plus an exponential of mean 12 s, at most 180 s. The breaking venue has none:
    its failure is another one.

    >>> [s.venue for s in stale_spells(7, 600, VENUES, 150.0)] != []
    True
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    able = [row for row, venue in enumerate(venues) if venue.name != BREAKING_VENUE]
    least, mean, most = SPELL_S
    spells: list[Spell] = []
    clock = float(rng.uniform(0.4, 1.0)) * each_s
    while clock < duration_s:
        length = min(least + float(rng.exponential(mean)), most)
        spells.append(Spell(able[int(rng.integers(len(able)))], clock, clock + length))
        clock += length + float(rng.uniform(0.5, 1.5)) * each_s
    return spells


def break_factor(seconds: Floats, begin_s: float, end_s: float, seed: int) -> Floats:
    """Return what a broken venue's price is of the true one, at `seconds` of the market.

    One outside [begin, end); inside, after a slide of 45 s, between 0.3 and 0.8: a slow wander of
    three incommensurate waves with seeded phases, the same for every split of the time.

    >>> f = break_factor(np.array([0.0, 200.0, 900.0]), 100.0, 800.0, 1)
    >>> float(f[0]), bool(0.3 <= f[1] <= 0.8), float(f[2])
    (1.0, True, 1.0)
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    phases = rng.uniform(0.0, 2.0 * np.pi, 3)
    periods = (97.0, 241.0, 613.0)
    wave = sum(
        np.sin(2.0 * np.pi * seconds / period + phase) / 3.0
        for period, phase in zip(periods, phases, strict=True)
    )
    least, most = BREAK_DEPTH
    depth = 0.5 * (least + most) + 0.5 * (most - least) * wave
    slide = np.clip((seconds - begin_s) / BREAK_SLIDE_S, 0.0, 1.0)
    inside = (seconds >= begin_s) & (seconds < end_s)
    return np.where(inside, 1.0 - slide * depth, 1.0)


def arrival_times(exchange_us: Integers, venue: Venue, rng: np.random.Generator) -> Integers:
    """Return when messages sent at `exchange_us` (ascending) are received, in the order sent.

    Delay = least + exponential, now and then a spike; a late message holds back those behind it.
    """
    least, mean, spike = venue.delay_us
    count = len(exchange_us)
    delay = least + rng.exponential(mean, count)
    delay += (rng.uniform(size=count) < venue.spike_rate) * rng.exponential(spike, count)
    arrived = exchange_us + np.minimum(delay, DELAY_US_MAX).astype(np.int64)
    return np.maximum.accumulate(arrived)
