"""The least number of steps at which a condition holds, for many candidates in rounds of one batch.

A candidate's slack is known at step 0, where it is short. Round one tries a grid; the first step of it
that holds is closed in on from below, by interpolation and by cutting the rest into equal pieces. Where
no step of the grid holds, the best one is looked around for a while: slack may peak between two steps.
What holds may stop holding further on, so the result is a step that holds whose predecessor does not,
the first such one that the grid can see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import NamedTuple

from steelyard.margin.methods.cures.levels import SlackOf

PEAK_ROUNDS = 12
ROUNDS_MAX = 200


class Best(NamedTuple):
    """How many of the cheapest are wanted, and the price of a candidate's steps, which rises with them."""

    wanted: int
    price: Callable[[int, int], tuple[float, float]]


class _Hunt:
    """One candidate: what is known of its slack, and where to ask next."""

    def __init__(self, grid: Sequence[int], short: float) -> None:
        self.grid = sorted({step for step in grid if step > 0})
        self.known: dict[int, float] = {0: short}
        self.high: int | None = None
        self.rounds = 0

    @property
    def low(self) -> int:
        """The greatest step known that is short of the first that holds; before the peak, if none holds."""
        if self.high is not None:
            return max(step for step in self.known if step < self.high)
        order = sorted(self.known)
        peak = max(order, key=lambda step: (self.known[step], -step))
        return order[max(0, order.index(peak) - 1)]

    def points(self, width: int) -> list[int]:
        """Return the steps to try next, none where the hunt is over."""
        self.rounds += 1
        if self.rounds == 1:
            return self.grid
        if self.high is None:
            return self._around_peak(width) if self.rounds <= PEAK_ROUNDS else []
        low = self.low
        return [] if self.high - low == 1 else self._between(low, self.high, width)

    def learn(self, steps: Sequence[int], slacks: Sequence[float]) -> None:
        """Take the slack of some steps."""
        for step, slack in zip(steps, slacks, strict=True):
            self.known[step] = slack if isfinite(slack) else -float("inf")
        holding = [step for step, slack in self.known.items() if slack >= 0.0]
        self.high = min(holding, default=None)

    def _between(self, low: int, high: int, width: int) -> list[int]:
        found = {low + (high - low) * place // (width + 1) for place in range(1, width + 1)}
        short, over = self.known[low], self.known[high]
        if isfinite(short) and over > short:
            guess = low + round((high - low) * (-short / (over - short)))
            found |= {guess - 1, guess, guess + 1}
        inside = [step for step in sorted(found) if low < step < high]
        return inside or [low + 1]

    def _around_peak(self, width: int) -> list[int]:
        order = sorted(self.known)
        best = max(order, key=lambda step: (self.known[step], -step))
        place = order.index(best)
        if place in (0, len(order) - 1):
            return []  # it only gets worse, or better without end and never enough
        low, high = order[place - 1], order[place + 1]
        half = max(1, width // 2)
        found = {low + (best - low) * k // (half + 1) for k in range(1, half + 1)}
        found |= {best + (high - best) * k // (half + 1) for k in range(1, half + 1)}
        return [step for step in sorted(found) if low < step < high and step != best]


def least_steps(
    grids: Sequence[Sequence[int]],
    short: Sequence[float],
    slack_of: SlackOf,
    width: int = 7,
    best: Best | None = None,
) -> list[int | None]:
    """Return the least number of steps that holds for each candidate, None where none was found.

    grids: steps to try first, a list a candidate; short: slack at step 0, below zero. slack_of(places,
    steps): slack of candidates at steps, ≥ 0 where it holds, NaN where it cannot be told. width: pieces
    that an interval is cut into a round. best: where only the cheapest are wanted; the others may be None.

    >>> import numpy as np
    >>> slacks = lambda places, steps: np.array([step - 41.5 for step in steps])
    >>> least_steps([[10, 100], [1]], [-41.5, -41.5], slacks)
    [42, None]
    """
    hunts = [_Hunt(grid, each) for grid, each in zip(grids, short, strict=True)]
    active = list(range(len(hunts)))
    for _ in range(ROUNDS_MAX):
        asked = [(place, hunts[place].points(width)) for place in active]
        active = [place for place, steps in asked if steps]
        if not active:
            break
        places = [place for place, steps in asked for _ in steps]
        steps = [step for _, each in asked for step in each]
        slacks = slack_of(places, steps).tolist()
        at = 0
        for place, each in asked:
            if each:
                hunts[place].learn(each, slacks[at : at + len(each)])
                at += len(each)
        if best is not None:
            active = _in_the_race(hunts, active, best)
    return [hunt.high for hunt in hunts]


def _in_the_race(hunts: list[_Hunt], active: list[int], best: Best) -> list[int]:
    """Return the candidates that may still be among the cheapest; the others give up."""
    known = [
        best.price(place, hunt.high) for place, hunt in enumerate(hunts) if hunt.high is not None
    ]
    if len(known) <= best.wanted:
        return active
    dearest = sorted(known)[best.wanted - 1]
    kept = []
    for place in active:
        if best.price(place, hunts[place].low) <= dearest:
            kept.append(place)
        else:
            hunts[place].high = None
    return kept


def doublings(least: int, most: int) -> list[int]:
    """Return least, 2·least, 4·least, … below most, and most.

    >>> doublings(3, 20)
    [3, 6, 12, 20]
    """
    found = []
    step = max(1, least)
    while step < most:
        found.append(step)
        step *= 2
    return [*found, most]
