"""Where a verdict flips on a line of whole numbers: a scan, a closer look, and bisection to neighbours.

The scan sees every flip between two points of different verdicts. Between points of one verdict a pair of
flips may hide; where the amount behind the verdict comes nearest to zero, that stretch is searched for its
extremum. A line may have stretches of which the method says nothing: nothing flips across those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from steelyard.margin.methods.prices.standing import Prober, Shift, Standing

FLAT = (
    1.0 - 1e-9
)  # distances that agree so far are one: nothing hides where the amount stands still
NEAR = 0.25  # a stretch is searched if a convex distance could fall to this part of the scanned one


class Crossing(NamedTuple):
    """Two neighbours of different verdicts; `is_low_bad`: the lower one is liquidated, or bankrupt."""

    low: int
    high: int
    is_low_bad: bool


class Verdict(NamedTuple):
    """Which of a standing's two verdicts is meant: the places of the flag and of its amount."""

    flag: int
    amount: int

    def is_bad(self, standing: Standing) -> bool:
        """Tell whether an account in this standing is liquidated, or bankrupt."""
        return bool(standing[self.flag])

    def distance(self, standing: Standing) -> float:
        """Return how far the amount is from flipping, on the side that it is on."""
        amount = float(standing[self.amount])
        return -amount if self.is_bad(standing) else amount


LIQUIDATION = Verdict(0, 2)
BANKRUPTCY = Verdict(1, 3)


class Line:
    """Standings by whole number, each worked out once; a text where the method says nothing."""

    def __init__(self, at: Callable[[int], Standing | str]) -> None:
        self._at = at
        self.known: dict[int, Standing | str] = {}

    def learn(self, numbers: Sequence[int], standings: Sequence[Standing | None]) -> None:
        """Take standings that were worked out together; None is left to be asked for alone."""
        for n, standing in zip(numbers, standings, strict=True):
            if standing is not None:
                self.known[n] = standing

    def at(self, n: int) -> Standing | str:
        """Return the standing at a number."""
        found = self.known.get(n)
        if found is None:
            found = self.known[n] = self._at(n)
        return found


def line_of(prober: Prober, points: Sequence[int], shift_of: Callable[[int], Shift]) -> Line:
    """Return the line of an account's standings under shifts, those of the points worked out together."""
    line = Line(lambda n: prober.moved(shift_of(n)))
    line.learn(points, prober.together([shift_of(n) for n in points]))
    return line


def runs_of(line: Line, points: Iterable[int]) -> list[list[int]]:
    """Return the points in stretches of which the method says something, each to its last number."""
    runs: list[list[int]] = []
    last: int | None = None
    is_open = False
    for n in sorted(set(points)):
        if isinstance(line.at(n), str):
            if is_open and last is not None:
                runs[-1].append(_edge(line, last, n))
            is_open = False
        else:
            if not is_open:
                runs.append([] if last is None else [_edge(line, n, last)])
                is_open = True
            runs[-1].append(n)
        last = n
    return [sorted(set(run)) for run in runs]


def first_silence(line: Line, points: Iterable[int]) -> str:
    """Return why the method says nothing at the first point of which it says nothing, else ""."""
    return next((each for each in map(line.at, points) if isinstance(each, str)), "")


def _edge(line: Line, sound: int, silent: int) -> int:
    """Return the last number with a standing on the way from one that has it to one that has not."""
    while abs(silent - sound) > 1:
        middle = (sound + silent) // 2
        if isinstance(line.at(middle), str):
            silent = middle
        else:
            sound = middle
    return sound


def crossings(line: Line, runs: Iterable[list[int]], verdict: Verdict) -> list[Crossing]:
    """Return where the verdict flips, in rising order."""
    found: set[Crossing] = set()
    for run in runs:
        points = sorted({*run, *_hidden(line, run, verdict)})
        for low, high in pairwise(points):
            crossing = _between(line, low, high, verdict)
            if crossing is not None:
                found.add(crossing)
    return sorted(found)


def _standing(line: Line, n: int) -> Standing | None:
    found = line.at(n)
    return None if isinstance(found, str) else found


def _between(line: Line, low: int, high: int, verdict: Verdict) -> Crossing | None:
    """Return the neighbours between two numbers of different verdicts, None where they agree."""
    first, last = _standing(line, low), _standing(line, high)
    if first is None or last is None or verdict.is_bad(first) == verdict.is_bad(last):
        return None
    is_low_bad = verdict.is_bad(first)
    is_straight = True
    while high - low > 1:
        # A straight line between the two amounts lands near the flip; every other step halves.
        middle = (low + high) // 2
        if is_straight:
            share = verdict.distance(first) + verdict.distance(last)
            if share > 0.0:
                step = int((high - low) * (verdict.distance(first) / share))
                middle = min(max(low + step, low + 1), high - 1)
        is_straight = not is_straight
        found = _standing(line, middle)
        if found is None:
            return None
        if verdict.is_bad(found) == is_low_bad:
            low, first = middle, found
        else:
            high, last = middle, found
    return Crossing(low, high, is_low_bad)


def _hidden(line: Line, run: list[int], verdict: Verdict) -> list[int]:
    """Return numbers inside a run whose verdict is not that of the scanned points around them."""
    found: list[int] = []
    known = [line.at(n) for n in run]
    sound = [each for each in known if isinstance(each, Standing)]
    if len(sound) < len(run):
        return found  # a run has none that is not
    distances = [verdict.distance(each) for each in sound]
    for i in range(1, len(run) - 1):
        is_bad = verdict.is_bad(sound[i])
        if not verdict.is_bad(sound[i - 1]) == is_bad == verdict.is_bad(sound[i + 1]):
            continue
        here = distances[i]
        is_low = here <= distances[i - 1] and here <= distances[i + 1]
        is_flat = here >= FLAT * max(distances[i - 1], distances[i + 1])
        if is_low and not is_flat and _bound(run, distances, i) < NEAR * here:
            hidden = _searched(line, run[i - 1], run[i], run[i + 1], verdict)
            if hidden is not None:
                found.append(hidden)
    return found


def _bound(run: list[int], distances: list[float], i: int) -> float:
    """Return how low the distance can go around a point if it is convex there.

    The lines through the two points before and the two behind meet below every convex function; without
    two points on both sides there is no bound.
    """
    if i < 2 or i + 2 >= len(run):
        return -float("inf")
    falls = (distances[i - 2] - distances[i - 1]) / (run[i - 1] - run[i - 2])
    rises = (distances[i + 2] - distances[i + 1]) / (run[i + 2] - run[i + 1])
    if not falls + rises > 0.0:
        return -float("inf")
    width = run[i + 1] - run[i - 1]
    step = (distances[i - 1] - distances[i + 1] + rises * width) / (falls + rises)
    return distances[i - 1] - falls * min(max(step, 0.0), float(width))


def _searched(line: Line, low: int, here: int, high: int, verdict: Verdict) -> int | None:
    """Return a number between low and high whose verdict is not that of `here`, the nearest so far.

    The golden section of the wider side is tried, and the bracket narrows around the nearest. It ends
    where a distance that is convex in the bracket cannot fall to NEAR of the nearest.
    """
    ends = [_standing(line, n) for n in (low, here, high)]
    near = [verdict.distance(each) for each in ends if each is not None]
    first = ends[1]
    if first is None or len(near) < 3:
        return None
    is_bad = verdict.is_bad(first)
    while high - low > 2:
        fall = (near[0] - near[1]) / (here - low) * (high - here)
        rise = (near[2] - near[1]) / (high - here) * (here - low)
        if near[1] - max(fall, rise) > NEAR * near[1]:
            return None
        is_right = high - here > here - low
        step = max(1, (high - here if is_right else here - low) * 382 // 1000)
        n = here + step if is_right else here - step
        found = _standing(line, n)
        if found is None or verdict.is_bad(found) != is_bad:
            return None if found is None else n
        distance = verdict.distance(found)
        if distance < near[1]:
            (low, near[0]) = (here, near[1]) if is_right else (low, near[0])
            (high, near[2]) = (high, near[2]) if is_right else (here, near[1])
            here, near[1] = n, distance
        elif is_right:
            high, near[2] = n, distance
        else:
            low, near[0] = n, distance
    return None
