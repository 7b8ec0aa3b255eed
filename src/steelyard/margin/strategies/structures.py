"""Structures: the shapes that legs of one expiry can take together, each with its name.

A slot is one instrument's position of one sign; strikes are compared, so that a name says how the legs lie:

    vertical     one strike bought, one sold, same type: bull and bear call, bull and bear put
    butterfly    1, 2, 1 of one type; broken-wing when the wings differ
    condor       1, 1, 1, 1 of one type; broken-wing when the wings differ
    iron         a put vertical below a call vertical: condor, or butterfly at one body strike
    box          a bull call and a bear put of the same strikes: pays their distance, whatever the price
    with coins   (or perpetuals, or futures of the expiry): covered call, protective put, collar,
                 conversion, and their mirror images
    the rest     straddle, strangle, guts, risk reversal, synthetic forward, ratio and backspread, one leg

`rank` orders structures that fit equally well; a lower one is taken first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FULL_SLOTS = 20
"""Up to as many option slots of an expiry, every set of three and four is looked at."""

NEAR = 2
"""Beyond that, each next strike of three or four is one of the 2 nearest that would do."""

RATIOS = ((1, 2), (1, 3), (2, 3))
"""Bought and sold (a ratio spread), or sold and bought (a backspread), in lowest terms."""


class Slot(NamedTuple):
    """A position that structures draw on. strike: scaled, 0 when linear; sign: 1 or −1."""

    is_option: bool
    is_call: bool
    strike: int
    sign: int
    instrument: str


class Structure(NamedTuple):
    """A named way to put slots together: `counts` lots of each of `slots` make one of it.

    side: long when it is the bought form (paid for), short the sold one. width: scaled; between
    the strikes that bound its result, 0 when there is no such pair.
    """

    name: str
    side: str
    slots: tuple[int, ...]
    counts: tuple[int, ...]
    width: int
    rank: int


Listed = list[tuple[int, int]]
"""(strike, slot) of one type and sign, ascending."""


def structures_of(slots: Sequence[Slot], *, pairs_singles: bool) -> list[Structure]:
    """Return every structure that the slots can make, in an order that depends on nothing else.

    pairs_singles: whether straddles, strangles and guts are among them.
    """
    calls = {sign: _listed(slots, sign, is_call=True) for sign in (1, -1)}
    puts = {sign: _listed(slots, sign, is_call=False) for sign in (1, -1)}
    linear = [i for i, slot in enumerate(slots) if not slot.is_option]
    options = len(slots) - len(linear)
    near = options if options <= FULL_SLOTS else NEAR
    found = [*_boxes(calls, puts), *_irons(calls, puts, near)]
    for is_call, listed in ((True, calls), (False, puts)):
        found += _condors(listed, near, is_call=is_call)
        found += _butterflies(listed, near, is_call=is_call)
        found += _verticals(listed, is_call=is_call)
        found += _ratios(listed, is_call=is_call)
    for i in linear:
        found += _with_linear(slots, i, calls, puts)
    found += _mixed(calls, puts, pairs_singles=pairs_singles)
    found += [_single(i, slot) for i, slot in enumerate(slots)]
    return sorted(found, key=lambda s: (s.rank, s.width, s.slots, s.counts, s.name))


def _listed(slots: Sequence[Slot], sign: int, *, is_call: bool) -> Listed:
    return sorted(
        (slot.strike, i)
        for i, slot in enumerate(slots)
        if slot.is_option and slot.is_call == is_call and slot.sign == sign
    )


def _above(listed: Listed, strike: int, near: int, *, or_at: bool = False) -> Listed:
    """Return the entries above (or at) a strike, at most `near` of them."""
    start = bisect_left(listed, (strike if or_at else strike + 1, -1))
    return listed[start : start + near]


def _boxes(calls: dict[int, Listed], puts: dict[int, Listed]) -> Iterator[Structure]:
    """A long box buys the call and sells the put of the low strike, and the reverse above."""
    for sign, side in ((1, "long"), (-1, "short")):
        low_put = _by_strike(puts[-sign])
        high_put = _by_strike(puts[sign])
        for low, a in calls[sign]:
            for high, b in _above(calls[-sign], low, len(calls[-sign])):
                for c in low_put.get(low, ()):
                    for d in high_put.get(high, ()):
                        yield Structure("box", side, (a, b, c, d), (1,) * 4, high - low, 0)


def _by_strike(listed: Listed) -> dict[int, list[int]]:
    result: dict[int, list[int]] = {}
    for strike, i in listed:
        result.setdefault(strike, []).append(i)
    return result


def _irons(calls: dict[int, Listed], puts: dict[int, Listed], near: int) -> Iterator[Structure]:
    """The short form sells the body and buys the wings."""
    for sign, side in ((1, "short"), (-1, "long")):  # the sign of the wings
        for k1, a in puts[sign]:
            for k2, b in _above(puts[-sign], k1, near):
                for k3, c in _above(calls[-sign], k2, near, or_at=True):
                    for k4, d in _above(calls[sign], k3, near):
                        shape, rank = ("butterfly", 2) if k2 == k3 else ("condor", 3)
                        broken = "" if k2 - k1 == k4 - k3 else "broken-wing "
                        name, width = f"{broken}iron {shape}", max(k2 - k1, k4 - k3)
                        yield Structure(name, side, (a, b, c, d), (1,) * 4, width, rank)


def _condors(listed: dict[int, Listed], near: int, *, is_call: bool) -> Iterator[Structure]:
    """The long form buys the wings."""
    kind = "call" if is_call else "put"
    for sign, side in ((1, "long"), (-1, "short")):
        for k1, a in listed[sign]:
            for k2, b in _above(listed[-sign], k1, near):
                for k3, c in _above(listed[-sign], k2, near):
                    for k4, d in _above(listed[sign], k3, near):
                        broken = "" if k2 - k1 == k4 - k3 else "broken-wing "
                        name, width = f"{broken}{kind} condor", max(k2 - k1, k4 - k3)
                        yield Structure(name, side, (a, b, c, d), (1,) * 4, width, 4)


def _butterflies(listed: dict[int, Listed], near: int, *, is_call: bool) -> Iterator[Structure]:
    """The long form buys the wings; a body of two instruments at one strike is one of a condor's."""
    kind = "call" if is_call else "put"
    for sign, side in ((1, "long"), (-1, "short")):
        wings = listed[sign]
        for k2, b in listed[-sign]:
            above = _above(wings, k2, near)
            for k1, a in wings[: bisect_left(wings, (k2, -1))][-near:]:
                for k3, c in above:
                    broken = "" if k2 - k1 == k3 - k2 else "broken-wing "
                    width = max(k2 - k1, k3 - k2)
                    name = f"{broken}{kind} butterfly"
                    yield Structure(name, side, (a, b, c), (1, 2, 1), width, 1)


def _verticals(listed: dict[int, Listed], *, is_call: bool) -> Iterator[Structure]:
    """Bull buys the lower strike; paid for when it is calls, and bear when it is puts."""
    kind = "call" if is_call else "put"
    for bought, a in listed[1]:
        for sold, b in listed[-1]:
            if bought == sold:
                yield Structure(f"offset {kind}s", "flat", (a, b), (1, 1), 0, 0)
                continue
            way = "bull" if bought < sold else "bear"
            side = "long" if (bought < sold) == is_call else "short"
            width = abs(sold - bought)
            yield Structure(f"{way} {kind} spread", side, (a, b), (1, 1), width, 6)


def _ratios(listed: dict[int, Listed], *, is_call: bool) -> Iterator[Structure]:
    """More sold than bought further out of the money: ratio spread; more bought: backspread."""
    kind = "call" if is_call else "put"
    for bought, a in listed[1]:
        for sold, b in listed[-1]:
            if bought == sold:
                continue
            sells_outer = (sold > bought) == is_call
            width = abs(sold - bought)
            for few, many in RATIOS:
                if sells_outer:
                    name, side, counts = f"{kind} ratio spread", "short", (few, many)
                else:
                    name, side, counts = f"{kind} backspread", "long", (many, few)
                yield Structure(name, side, (a, b), counts, width, 9)


def _with_linear(
    slots: Sequence[Slot], i: int, calls: dict[int, Listed], puts: dict[int, Listed]
) -> Iterator[Structure]:
    """What a coin, a perpetual or a future makes with options of its expiry."""
    sign = slots[i].sign
    side = "long" if sign > 0 else "short"
    covered = calls[-1] if sign > 0 else puts[-1]
    protective = puts[1] if sign > 0 else calls[1]
    for _, a in covered:
        name = "covered call" if sign > 0 else "covered put"
        yield Structure(name, side, (i, a), (1, 1), 0, 8)
    for _, a in protective:
        name = "protective put" if sign > 0 else "protective call"
        yield Structure(name, side, (i, a), (1, 1), 0, 7)
    for k, a in protective:
        for c, b in covered:
            if c == k:
                name = "conversion" if sign > 0 else "reversal"
                yield Structure(name, "flat", (i, a, b), (1, 1, 1), 0, 5)
            elif (c > k) == (sign > 0):
                yield Structure("collar", side, (i, a, b), (1, 1, 1), abs(c - k), 5)


def _mixed(
    calls: dict[int, Listed], puts: dict[int, Listed], *, pairs_singles: bool
) -> Iterator[Structure]:
    """A call and a put: with one sign a straddle or its like, else a synthetic or a reversal."""
    for sign, side in ((1, "long"), (-1, "short")):
        for call, a in calls[sign]:
            for put, b in puts[-sign]:
                if call == put:
                    yield Structure("synthetic forward", side, (a, b), (1, 1), 0, 10)
                else:
                    width = abs(call - put)
                    yield Structure("risk reversal", side, (a, b), (1, 1), width, 13)
            for put, b in puts[sign] if pairs_singles else ():
                name, rank = pair_name(call, put)
                yield Structure(name, side, (a, b), (1, 1), abs(call - put), rank)


def pair_name(call: int, put: int) -> tuple[str, int]:
    """Return the name and rank of a call and a put of one sign by their strikes.

    >>> pair_name(60, 60), pair_name(65, 55), pair_name(55, 65)
    (('straddle', 11), ('strangle', 12), ('guts', 14))
    """
    if call == put:
        return "straddle", 11
    return ("strangle", 12) if put < call else ("guts", 14)


def _single(i: int, slot: Slot) -> Structure:
    """One leg alone."""
    side = "long" if slot.sign > 0 else "short"
    if not slot.is_option:
        return Structure("outright", side, (i,), (1,), 0, 16)
    kind = "call" if slot.is_call else "put"
    name = f"long {kind}" if slot.sign > 0 else f"naked short {kind}"
    return Structure(name, side, (i,), (1,), 0, 15)


def nearest_pairs(first: Listed, second: Listed) -> list[tuple[int, int]]:
    """Return all pairs of slots, those of the nearest strikes first."""
    ordered = sorted((abs(k - m), k, m, a, b) for k, a in first for m, b in second)
    return [(a, b) for _, _, _, a, b in ordered]


__all__ = [
    "FULL_SLOTS",
    "Listed",
    "Slot",
    "Structure",
    "nearest_pairs",
    "pair_name",
    "structures_of",
]
