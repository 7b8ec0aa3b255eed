"""The decomposition: every lot once, in any order, and none better than one that says so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.strategies import Leg, Recognition, recognise
from steelyard.margin.strategies.legs import lots_of
from steelyard.margin.strategies.payoff import maximum_loss_exact
from steelyard.margin.strategies.search import NODES, _Search, decompose, slot_vectors
from steelyard.margin.strategies.structures import Slot, structures_of
from tests.margin.strategies.books import FAR, NEAR, books, coin, option

ANY = st.one_of(
    books(),
    books(coins=True),
    books(expiries=(NEAR, FAR), legs_max=10),
    books(expiries=(NEAR, FAR), coins=True, legs_max=10),
)
Cost = tuple[int, int]


def lots(legs: Sequence[Leg]) -> Counter[str]:
    """Return lots by instrument; none of it zero."""
    count: Counter[str] = Counter()
    for leg in legs:
        count[leg.instrument] += lots_of(leg, 1e-8)
    return Counter({name: n for name, n in count.items() if n})


def used(found: Recognition) -> list[Leg]:
    """Return every leg of the strategies, and the rest."""
    return [*(leg for s in found.strategies for leg in s.legs), *found.rest]


@given(ANY)
def test_STRT_030_every_lot_is_used_once(legs: list[Leg]) -> None:
    assert lots(used(recognise(legs))) == lots(legs)


@given(ANY, ANY)
def test_STRT_030_positions_of_one_instrument_are_netted(one: list[Leg], more: list[Leg]) -> None:
    marks = {leg.instrument: leg.mark for leg in [*one, *more]}
    both = [msgspec.structs.replace(leg, mark=marks[leg.instrument]) for leg in [*one, *more]]
    assert lots(used(recognise(both))) == lots(both)


@given(ANY, st.integers(2, 9), st.randoms(use_true_random=False))
def test_STRT_031_order_and_scale(legs: list[Leg], factor: int, chance: random.Random) -> None:
    whole = [msgspec.structs.replace(leg, quantity=float(round(leg.quantity * 10))) for leg in legs]
    once = recognise(whole)
    shuffled = list(whole)
    chance.shuffle(shuffled)
    assert recognise(shuffled) == once
    many = recognise([msgspec.structs.replace(x, quantity=x.quantity * factor) for x in whole])
    assert [(s.name, s.side, s.quantity) for s in many.strategies] == [
        (s.name, s.side, factor * s.quantity) for s in once.strategies
    ]
    assert many.is_proven_least == once.is_proven_least


@given(st.one_of(books(), books(coins=True)))
def test_STRT_033_the_strategies_lose_at_least_what_the_book_does(legs: list[Leg]) -> None:
    found = recognise(legs)
    if any(not s.is_defined_risk for s in found.strategies):
        return
    parts = [*(list(s.legs) for s in found.strategies), *([leg] for leg in found.rest)]
    settles_in_coins = any(leg.is_coin_settled for leg in used(found))
    total = Fraction(0)
    for part in parts:
        is_coin = settles_in_coins and all(leg.kind == "coin" for leg in part)
        loss = Fraction(0) if is_coin else maximum_loss_exact(part, from_mark=True)
        if loss is None:
            return
        total += loss
    whole = maximum_loss_exact(used(found), from_mark=True)
    assert whole is not None
    assert whole <= total


@given(st.one_of(books(), books(coins=True)))
def test_STRT_033_each_strategy_is_its_own_proof(legs: list[Leg]) -> None:
    for strategy in recognise(legs).strategies:
        exact = maximum_loss_exact(strategy.legs, from_mark=True)
        assert strategy.is_defined_risk == (exact is not None)
        assert bool(strategy.reason) == (exact is None)
        if exact is not None:
            assert strategy.maximum_loss == exact.numerator / exact.denominator
            assert strategy.maximum_gain is None or strategy.maximum_gain >= -exact


class Exhaustive:
    """Every decomposition of a book into known structures, one at a time."""

    def __init__(self, slots: list[Slot], vectors: list[tuple[int, ...]]) -> None:
        self.vectors = vectors
        self.structures = structures_of(slots, pairs_singles=True)
        self.costs = [self.cost(s.slots, s.counts) for s in self.structures]
        self.known: dict[tuple[int, ...], Cost] = {}

    def cost(self, slots: Sequence[int], counts: Sequence[int]) -> Cost:
        """Return what is unbounded and what there is to lose."""
        knots = zip(*(self.vectors[i] for i in slots), strict=True)
        worth = [sum(n * v for n, v in zip(counts, knot, strict=True)) for knot in knots]
        return max(0, -worth[-1]), -min(worth[:-1])

    def least(self, left: tuple[int, ...]) -> Cost:
        """Return the least cost of what is left."""
        if not any(left):
            return 0, 0
        if left not in self.known:
            first = next(i for i, n in enumerate(left) if n)
            ways = []
            for structure, cost in zip(self.structures, self.costs, strict=True):
                rest = list(left)
                for slot, each in zip(structure.slots, structure.counts, strict=True):
                    rest[slot] -= each
                if first in structure.slots and min(rest) >= 0:
                    more = self.least(tuple(rest))
                    ways.append((cost[0] + more[0], cost[1] + more[1]))
            self.known[left] = min(ways)
        return self.known[left]


def drawn_slots(seed: int) -> tuple[list[Slot], list[int], bool]:
    """Return slots of a random book of one expiry, their lots, and whether it settles in coins."""
    chance = random.Random(seed)
    terms = [(strike, is_call) for strike in (45, 50, 55, 60, 66) for is_call in (True, False)]
    drawn = sorted(chance.sample(terms, chance.randint(1, 6)))
    slots = [
        Slot(True, is_call, k, chance.choice((1, -1)), f"{k}{is_call}") for k, is_call in drawn
    ]
    if chance.random() < 0.4:
        slots.append(Slot(False, False, 0, chance.choice((1, -1)), "BTC"))
    return slots, [chance.randint(1, 3) for _ in slots], chance.random() < 0.3


@pytest.mark.parametrize("block", range(4))
def test_STRT_032_none_loses_less(block: int) -> None:
    proven = 0
    for seed in range(50 * block, 50 * block + 50):
        slots, held, in_coins = drawn_slots(seed)
        vectors = slot_vectors(slots, [0] * len(slots), in_coins=in_coins)
        every = Exhaustive(slots, vectors)
        found = decompose(slots, held, vectors)
        costs = [
            every.cost(p.structure.slots, [p.lots * n for n in p.structure.counts])
            for p in found.pieces
        ]
        total = (sum(c[0] for c in costs), sum(c[1] for c in costs))
        if found.is_proven_least:
            proven += 1
            assert total == every.least(tuple(held)), seed
        assert total >= every.least(tuple(held))
    assert proven >= 45


def test_STRT_032_structures_may_be_taken_less_often_than_they_fit() -> None:
    # Covering 60,000 and leaving all three at 45,000 naked owes 15,000 more at 60,000.
    legs = [option(45_000, "C", -3), option(55_000, "P", 2), option(60_000, "C", -3), coin(3)]
    found = recognise(legs)
    assert found.is_proven_least
    assert [(s.name, s.quantity, max(leg.strike for leg in s.legs)) for s in found.strategies] == [
        ("collar", 2.0, 60_000),
        ("covered call", 1.0, 45_000),
        ("naked short call", 2.0, 45_000),
        ("naked short call", 1.0, 60_000),
    ]


def test_STRT_036_steps_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [0]
    visit = _Search._branches

    def counted(self: _Search, *args: object) -> object:
        steps[0] += 1
        return visit(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(_Search, "_branches", counted)
    proven = set()
    for seed in range(4):
        steps[0] = 0
        chance = random.Random(seed)
        legs = [
            option(30_000.0 + 1_000 * k, letter, chance.choice((-3, -2, -1, 1, 2, 3)))
            for k in range(30)
            for letter in "CP"
        ]
        found = recognise([*legs, coin(2)])
        assert lots(used(found)) == lots([*legs, coin(2)])
        proven.add(found.is_proven_least)
        # Two searches of at most NODES steps; each may finish the first way down, a step a piece.
        assert 0 < steps[0] <= 2 * NODES + 61
    assert False in proven  # the limit was met, and said so
