"""Which structures make up the legs of one expiry: a bounded search with a proven lower bound.

A decomposition takes whole structures until every lot is used. Of two, the better one has, in this order,

    1. less that is unbounded: Σ over its pieces of max(0, −slope at the open end)
    2. less to lose in total: Σ over its pieces of −(least payoff at the knots)
    3. fewer pieces
    4. of those that the search meets: structures of a lower rank, then of lower slots

The search goes depth first. At each step it takes the first slot that is left (options sold, then
bought, then what is linear) and tries the structures that hold it, each as often as it fits, the most
promising first: least of 1 and 2 for the piece and, as one, for what then remains. Least payoffs add up to
at most the least of the sum, so 1 and 2 of what remains *as one book* bound every way to finish;
a branch that cannot beat the best found is cut. If the best found loses more than the book as one, a second
search tries every structure as often as it fits and less often, too. `NODES` steps, fewer in a large book (`WORK`), and `WIDTH` branches a step are
the limit, shared by the expiries of a book: the work is bounded, and the result says whether the limit was
met or the search is complete. No clock, no chance; floats only rank branches, integers decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.strategies.structures import FULL_SLOTS, Slot, Structure, structures_of

NODES = 120
"""Steps of a search over a whole book, at most."""

WORK = 800
"""Steps × legs of a search over a whole book, at most, beyond the few that any book has."""

NODES_LEAST = 8
"""Steps of a search over one expiry, at least; the first way down is always finished."""

WIDTH = 5
"""Branches tried at a step, of structures taken as often as they fit."""

WIDTH_EVERY = 24
"""Branches tried at a step of the second search."""

LOTS_FEW = 6
SLOTS_FEW = 32
"""The second search is for at most so many lots of a slot, in units of their common divisor, and slots."""

DIGITS = 1e9
"""Amounts closer than this share of the largest rank alike."""


class Piece(NamedTuple):
    """A structure and how many lots of it."""

    structure: Structure
    lots: int


class Decomposition(NamedTuple):
    """The pieces found.

    is_proven_least: no limit cut the search short, or the book as one loses no less in total.
    """

    pieces: list[Piece]
    is_proven_least: bool


Vector = tuple[int, ...]
"""Payoff of one lot at the knots, then the slope at the open end; integers of one scale."""

Score = tuple[int, int, int]
"""What is unbounded, what there is to lose, and the pieces."""

Taken = list[tuple[int, int]]
"""(structure, how often)."""

Found = tuple[Score, Taken]


def slot_vectors(slots: Sequence[Slot], marks: Sequence[int], *, in_coins: bool) -> list[Vector]:
    """Return the payoff of one lot of each slot, signed, at the knots, and its open end.

    In USD: at 0 and the strikes; the open end is the slope beyond the last. In coins: at an endless price
    and the strikes, × the least common multiple of the strikes; the open end is P(0).
    marks: scaled mark of a coin-settled perpetual or future, 0 of others.
    """
    knots = sorted({slot.strike for slot in slots if slot.is_option})
    vectors = []
    scale = lcm(*knots) if in_coins and knots else 1
    for slot, mark in zip(slots, marks, strict=True):
        slope = 1 if slot.is_call or not slot.is_option else 0
        values = [_worth(slot, mark, knot) for knot in [0, *knots]]
        if in_coins:
            at = [value * (scale // knot) for knot, value in zip(knots, values[1:], strict=True)]
            vector = [slope * scale, *at, values[0]]
        else:
            vector = [*values, slope]
        vectors.append(tuple(slot.sign * value for value in vector))
    return vectors


def _worth(slot: Slot, mark: int, price: int) -> int:
    if not slot.is_option:
        return price - mark
    return max(0, price - slot.strike if slot.is_call else slot.strike - price)


def decompose(
    slots: Sequence[Slot],
    lots: Sequence[int],
    vectors: Sequence[Vector],
    *,
    nodes: int = NODES,
    pairs_singles: bool = True,
) -> Decomposition:
    """Return the best decomposition found of `lots` (each above 0) of each slot."""
    if not slots:
        return Decomposition([], True)
    unit = gcd(*lots)
    search = _Search(slots, vectors, pairs_singles=pairs_singles)
    start = tuple(count // unit for count in lots)
    book = search.worth(range(len(start)), start)
    found = search.run(start, book, nodes)
    is_least = found[0][:2] == _bound(book)
    if not is_least and max(start) <= LOTS_FEW and len(start) <= SLOTS_FEW:
        search.tries_every = True
        found = search.run(start, book, nodes)
        is_least = search.is_complete or found[0][:2] == _bound(book)
    times: dict[int, int] = {}
    for i, count in found[1]:
        times[i] = times.get(i, 0) + count
    pieces = [Piece(search.structures[i], count * unit) for i, count in times.items()]
    return Decomposition(pieces, is_least)


class _Search:
    def __init__(
        self, slots: Sequence[Slot], vectors: Sequence[Vector], *, pairs_singles: bool
    ) -> None:
        self.structures = structures_of(slots, pairs_singles=pairs_singles)
        self.vectors = vectors
        self.nodes = 0
        self.tries_every = False
        self.is_complete = True
        self.best: Found | None = None
        self.seen: dict[tuple[int, ...], Score] = {}
        self.order = sorted(
            range(len(slots)), key=lambda i: (not slots[i].is_option, slots[i].sign, i)
        )
        width = 4  # slots of the largest structure
        none = (0,) * width
        self.members = np.array([(s.slots + none)[:width] for s in self.structures], np.int64)
        self.counts = np.array([(s.counts + none)[:width] for s in self.structures], np.int64)
        self._fill_tables(len(slots))

    def _fill_tables(self, slots: int) -> None:
        """Make the float tables that rank branches, and the list of structures of each slot."""
        self.largest = max(1, *(abs(v) for vector in self.vectors for v in vector[:-1]))
        self.end = max(1, *(abs(vector[-1]) for vector in self.vectors))
        self.table = np.array(
            [
                [v / self.largest for v in vector[:-1]] + [vector[-1] / self.end]
                for vector in self.vectors
            ]
        )
        self.payoffs = np.zeros((len(self.structures), self.table.shape[1]))
        for j in range(self.members.shape[1]):
            self.payoffs += self.counts[:, j, None] * self.table[self.members[:, j]]
        size = (self.counts > 0).astype(np.int64)
        self.sizes = np.zeros(len(self.structures), np.int64)
        for j in range(size.shape[1]):
            self.sizes += size[:, j]
        held_by: list[list[int]] = [[] for _ in range(slots)]
        for i, structure in enumerate(self.structures):
            for slot in structure.slots:
                held_by[slot].append(i)
        self.holders = [np.array(indices, np.int64) for indices in held_by]

    def run(self, left: tuple[int, ...], book: Vector, nodes: int) -> Found:
        """Search within a number of steps, starting from the best that an earlier run found."""
        # Of many slots not every structure is listed, so only the bound can prove a result.
        self.nodes, self.is_complete = nodes, len(self.vectors) <= FULL_SLOTS
        self.seen.clear()
        self.visit(left, book, [], (0, 0, 0))
        assert self.best is not None
        return self.best

    def visit(self, left: tuple[int, ...], book: Vector, taken: Taken, score: Score) -> None:
        """Finish every promising way on from `left`, worth `book`; keep the best."""
        first = next((i for i in self.order if left[i]), None)
        if first is None:
            found = (score, sorted(taken))
            self.best = found if self.best is None else min(self.best, found)
            return
        if self.best is not None and self.nodes <= 0:
            self.is_complete = False
            return
        known = self.seen.get(left)
        if known is not None and known <= score:
            return
        self.nodes -= 1
        self.seen[left] = score
        branches = self._branches(first, left, book)
        width = WIDTH_EVERY if self.tries_every else WIDTH
        if len(branches) > width:
            self.is_complete = False
        for i, count in branches[:width]:
            rest = list(left)
            structure = self.structures[i]
            for slot, each in zip(structure.slots, structure.counts, strict=True):
                rest[slot] -= each * count
            piece = self.worth(structure.slots, structure.counts)
            own_end, own_loss = _bound(piece)
            after = (score[0] + own_end * count, score[1] + own_loss * count, score[2] + 1)
            remains = tuple([b - count * p for b, p in zip(book, piece, strict=True)])
            if self._can_beat(remains, after, has_more=any(rest)):
                self.visit(tuple(rest), remains, [*taken, (i, count)], after)

    def worth(self, slots: Iterable[int], counts: Iterable[int]) -> Vector:
        """Return the payoff of lots of slots as one book, exactly."""
        total = [0] * len(self.vectors[0])
        for slot, count in zip(slots, counts, strict=True):
            total = [t + count * v for t, v in zip(total, self.vectors[slot], strict=True)]
        return tuple(total)

    def _can_beat(self, remains: Vector, score: Score, *, has_more: bool) -> bool:
        if self.best is None:
            return True
        open_end, loss = _bound(remains)
        least = (score[0] + open_end, score[1] + loss, score[2] + has_more)
        return least <= self.best[0]

    def _branches(self, first: int, left: tuple[int, ...], book: Vector) -> list[tuple[int, int]]:
        """Return (structure, how often) of those that hold a slot, the best first."""
        holders = self.holders[first]
        have = np.array(left, np.int64)
        counts = self.counts[holders]
        fits = np.where(counts > 0, have[self.members[holders]] // np.maximum(counts, 1), 2**62)
        times = fits.min(axis=1)
        holders, times = holders[times > 0], times[times > 0]
        if self.tries_every:
            most = times
            holders, times = (
                np.repeat(holders, most),
                np.concatenate([np.arange(1, n + 1) for n in most]),
            )
        held = times[:, None].astype(np.float64) * self.payoffs[holders]
        floats = [worth / self.largest for worth in book[:-1]] + [book[-1] / self.end]
        remains = np.array(floats) - held
        open_end = np.maximum(0.0, -held[:, -1]) + np.maximum(0.0, -remains[:, -1])
        loss = -held[:, :-1].min(axis=1) - remains[:, :-1].min(axis=1)
        keys = (holders, -times, -self.sizes[holders], _level(loss), _level(open_end))
        ranked = np.lexsort(keys)
        return [(int(holders[i]), int(times[i])) for i in ranked]


def _bound(worth: Vector) -> tuple[int, int]:
    """Return how unbounded a book is, and what it loses at the knots: the score of it as one."""
    return max(0, -worth[-1]), -min(worth[:-1])


def _level(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values as whole multiples of a 10^-9 of the largest, so that last bits rank nothing."""
    largest = float(np.abs(values).max()) if values.size else 0.0
    return np.rint(values * (DIGITS / largest)) if largest > 0.0 else values
