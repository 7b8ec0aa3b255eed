"""Recognise: a book of options, coins, perpetuals and futures as named strategies and a rest.

1. Positions of one instrument are netted, in whole lots.
2. Legs are grouped by underlying, settlement and expiry. Coins and perpetuals may cover any
   expiry, futures theirs; groups with calls sold and not covered by calls choose first, then the near ones.
3. Each group is decomposed (see `search`) with what linear positions are left.
4. Single options that remain in different expiries, one bought and one sold of a type, become a calendar
   (one strike) or a diagonal, the nearest strikes first; then single calls and puts of one expiry and
   sign become straddles, strangles or guts.

Every lot is used once: the legs of the strategies and the rest add up to the netted book. What remains
outright (coins, perpetuals, futures) is the rest. The order of the legs changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from steelyard.margin.strategies.expiries import bound_by_expiry
from steelyard.margin.strategies.legs import (
    Leg,
    check_legs,
    decimals_of,
    lots_of,
    quantity_of,
    scaled,
)
from steelyard.margin.strategies.payoff import Profile, maximum_loss_from_mark, rounded
from steelyard.margin.strategies.search import NODES, NODES_LEAST, WORK, decompose, slot_vectors
from steelyard.margin.strategies.structures import Listed, Slot, nearest_pairs, pair_name
from steelyard.quantities import TermsError

LEGS_MAX = 10_000
"""Legs of one book at most; beyond it the book is a mistake."""

LOT = 1e-8


class Strategy(msgspec.Struct, frozen=True):
    """Legs that make a known shape together. Amounts in `currency` (USD or the coin) from the marks.

    side: long when it is the form that is paid for, short the sold one, flat when it is neither.
    quantity: how many of it. width: USD between the strikes that bound its result, else 0. cost:
    Σ quantity·mark, negative when it was received. maximum_loss, maximum_gain: None when there is
    none. break_evens: settlement prices, USD, at which it gains nothing. bound: of several
    expiries, the sum of what each loses at most alone; of one, the maximum loss. reason: why the
    risk is not defined, else empty.
    """

    name: str
    side: str
    underlying: str
    currency: str
    quantity: float
    legs: tuple[Leg, ...]
    width: float
    cost: float
    is_defined_risk: bool
    maximum_loss: float | None
    maximum_gain: float | None
    break_evens: tuple[float, ...]
    bound: float | None
    reason: str


class Recognition(msgspec.Struct, frozen=True):
    """A book as strategies and a rest.

    is_proven_least: whether no limit of the search was met, so that no decomposition into whole
    structures loses less in total. maximum_loss: of the whole book from its marks, never more than
    that of all strategies together; None: there is none.
    """

    strategies: tuple[Strategy, ...]
    rest: tuple[Leg, ...]
    is_proven_least: bool
    maximum_loss: float | None


class _Found(NamedTuple):
    """A strategy before it is measured: legs with the lots used of each."""

    name: str
    side: str
    lots: int
    used: tuple[tuple[Leg, int], ...]
    width: float


def recognise(legs: Iterable[Leg], *, lot: float = LOT) -> Recognition:
    """Return the strategies that a book is made of, and the rest.

    lot: the step of which every quantity is a whole multiple. Of several decompositions the one with the least
    unbounded, then the least total maximum loss (see `search` for the order and the limits). Errors:
    TERM-E44 (a leg), TERM-E45 (a quantity that is no multiple), TERM-E47 (too many legs).

    >>> buy = Leg("C60", "option", "BTC", 1, 60000.0, True, 2.0, mark=2900.0)
    >>> sell = Leg("C65", "option", "BTC", 1, 65000.0, True, -2.0, mark=1700.0)
    >>> [found] = recognise([sell, buy]).strategies
    >>> found.name, found.quantity, found.maximum_loss, found.maximum_gain, found.break_evens
    ('bull call spread', 2.0, 2400.0, 7600.0, (61200.0,))
    """
    held = _netted(legs, lot)
    found: list[_Found] = []
    rest: list[Leg] = []
    is_proven = True
    for underlying in sorted({leg.underlying for leg, _ in held}):
        own = [(leg, count) for leg, count in held if leg.underlying == underlying]
        steps = min(NODES, WORK // len(held))
        nodes = max(NODES_LEAST, steps * len(own) // len(held))
        pieces, left, complete = _decompose_underlying(own, nodes)
        found += pieces
        rest += [_with_lots(leg, count, lot) for leg, count in left]
        is_proven = is_proven and complete
    whole = [_with_lots(leg, count, lot) for leg, count in held]
    return Recognition(
        tuple(_measured(piece, lot) for piece in found),
        tuple(rest),
        is_proven,
        maximum_loss_from_mark(whole),
    )


Held = list[tuple[Leg, int]]


def _netted(legs: Iterable[Leg], lot: float) -> Held:
    """Return one leg an instrument with its lots, in one order; those that net to zero drop out."""
    counts: dict[str, int] = {}
    terms: dict[str, Leg] = {}
    for leg in check_legs(legs):
        counts[leg.instrument] = counts.get(leg.instrument, 0) + lots_of(leg, lot)
        terms.setdefault(leg.instrument, leg)
    if len(terms) > LEGS_MAX:
        raise TermsError(
            "TERM-E47",
            f"a book of {len(terms)} instruments",
            rule=f"a book has at most {LEGS_MAX} instruments",
            cure="split it by underlying",
        )
    return [(leg, counts[name]) for name, leg in terms.items() if counts[name]]


def _with_lots(leg: Leg, lots: int, lot: float) -> Leg:
    return msgspec.structs.replace(leg, quantity=quantity_of(lots, lot))


def _decompose_underlying(held: Held, nodes: int) -> tuple[list[_Found], Held, bool]:
    """Return strategies, what is left outright, and whether no limit was met."""
    groups: dict[tuple[int, bool], Held] = {}
    undated: Held = []
    futures: dict[tuple[int, bool], Held] = {}
    for leg, count in held:
        key = (leg.expiry_us, leg.is_coin_settled)
        if leg.is_option:
            groups.setdefault(key, []).append((leg, count))
        elif leg.expiry_us:
            futures.setdefault(key, []).append((leg, count))
        else:
            undated.append((leg, count))
    found: list[_Found] = []
    is_proven = True
    several = len(groups) > 1
    for key in sorted(groups, key=lambda k: (not _sells_calls(groups[k]), k)):
        usable = [
            (leg, n) for leg, n in undated if leg.kind == "coin" or leg.is_coin_settled == key[1]
        ]
        others = [(leg, n) for leg, n in undated if (leg, n) not in usable]
        share = max(NODES_LEAST, nodes * len(groups[key]) // len(held))
        members = [*groups[key], *futures.pop(key, []), *usable]
        pieces, left, complete = _decompose_group(members, share, pairs_singles=not several)
        found += pieces
        undated = sorted(
            [*others, *((leg, n) for leg, n in left if not leg.expiry_us)], key=_by_name
        )
        dated = [(leg, n) for leg, n in left if leg.expiry_us]
        if dated:
            futures[key] = dated
        is_proven = is_proven and complete
    if several:
        # How coins are shared among expiries is a rule here, not a search.
        is_proven = is_proven and all(leg.expiry_us for leg, _ in held)
        found = _across(found)
    left = [*undated, *(entry for key in sorted(futures) for entry in futures[key])]
    return sorted(found, key=_by_place), sorted(left, key=_by_name), is_proven


def _by_name(entry: tuple[Leg, int]) -> str:
    return entry[0].instrument


def _by_place(piece: _Found) -> tuple[object, ...]:
    first = next(leg for leg, _ in piece.used if leg.is_option)
    strikes = sorted(leg.strike for leg, _ in piece.used)
    names = [leg.instrument for leg, _ in piece.used]
    return first.expiry_us, first.is_coin_settled, piece.name, piece.side, strikes, names


def _sells_calls(group: Held) -> bool:
    net = 0
    for leg, count in group:
        net += count if leg.is_call else 0
    return net < 0


def _decompose_group(
    members: Held, nodes: int, *, pairs_singles: bool
) -> tuple[list[_Found], Held, bool]:
    decimals = decimals_of(
        value for leg, _ in members for value in (leg.strike, 0.0 if leg.is_option else leg.mark)
    )
    in_coins = any(leg.is_coin_settled for leg, _ in members)
    slots, marks = [], []
    for leg, count in members:
        sign = 1 if count > 0 else -1
        strike = scaled(leg.strike, decimals)
        slots.append(Slot(leg.is_option, leg.is_call, strike, sign, leg.instrument))
        is_inverse = leg.is_coin_settled and not leg.is_option
        marks.append(scaled(leg.mark, decimals) if is_inverse else 0)
    vectors = slot_vectors(slots, marks, in_coins=in_coins)
    lots = [abs(count) for _, count in members]
    result = decompose(slots, lots, vectors, nodes=nodes, pairs_singles=pairs_singles)
    found: list[_Found] = []
    left: Held = []
    for piece in result.pieces:
        shape = piece.structure
        used = tuple(
            (members[i][0], slots[i].sign * each * piece.lots)
            for i, each in zip(shape.slots, shape.counts, strict=True)
        )
        if shape.name == "outright":
            left += used
        else:
            width = shape.width / int(10**decimals)
            found.append(_Found(shape.name, shape.side, piece.lots, used, width))
    return found, left, result.is_proven_least


def _across(found: list[_Found]) -> list[_Found]:
    """Return the pieces with single options paired: over expiries, then calls with puts."""
    singles = [piece for piece in found if len(piece.used) == 1]
    result = [piece for piece in found if len(piece.used) > 1]
    for is_calendar in (True, False):
        entries = [(piece.used[0][0], piece.used[0][1]) for piece in singles]
        pairs, entries = _paired(entries, is_calendar=is_calendar)
        result += pairs
        singles = [_single(leg, count) for leg, count in entries]
    return result + singles


def _single(leg: Leg, count: int) -> _Found:
    kind = "call" if leg.is_call else "put"
    name = f"long {kind}" if count > 0 else f"naked short {kind}"
    return _Found(name, "long" if count > 0 else "short", abs(count), ((leg, count),), 0.0)


def _paired(entries: Held, *, is_calendar: bool) -> tuple[list[_Found], Held]:
    """Pair single options, the nearest strikes first; return pairs and what is left."""
    decimals = decimals_of(leg.strike for leg, _ in entries)
    lots = [count for _, count in entries]
    first: Listed = []
    second: Listed = []
    for i, (leg, count) in enumerate(entries):
        is_first = count > 0 if is_calendar else leg.is_call
        (first if is_first else second).append((scaled(leg.strike, decimals), i))
    pairs = []
    for a, b in nearest_pairs(first, second):
        one, other = entries[a][0], entries[b][0]
        same_type, same_date = one.is_call == other.is_call, one.expiry_us == other.expiry_us
        fits = same_type and not same_date if is_calendar else same_date and lots[a] * lots[b] > 0
        count = min(abs(lots[a]), abs(lots[b]))
        if not fits or not count or one.is_coin_settled != other.is_coin_settled:
            continue
        used = tuple((entries[i][0], count if lots[i] > 0 else -count) for i in (a, b))
        pairs.append(_pair_found(used, count, is_calendar=is_calendar))
        for i in (a, b):
            lots[i] -= count if lots[i] > 0 else -count
    return pairs, [(leg, n) for (leg, _), n in zip(entries, lots, strict=True) if n]


def _pair_found(used: tuple[tuple[Leg, int], ...], count: int, *, is_calendar: bool) -> _Found:
    (one, lots), (other, _) = used
    decimals = decimals_of([one.strike, other.strike])
    apart = scaled(one.strike, decimals) - scaled(other.strike, decimals)
    width = abs(apart) / int(10**decimals)
    if not is_calendar:
        name, _ = pair_name(int(one.strike > other.strike), int(other.strike > one.strike))
        return _Found(name, "long" if lots > 0 else "short", count, used, width)
    kind = "call" if one.is_call else "put"
    shape = "calendar" if one.strike == other.strike else "diagonal"
    side = "long" if one.expiry_us > other.expiry_us else "short"  # `one` is the bought leg
    return _Found(f"{kind} {shape}", side, count, used, width)


def _measured(piece: _Found, lot: float) -> Strategy:
    legs = tuple(_with_lots(leg, count, lot) for leg, count in piece.used)
    profile = Profile(legs)
    dates = {leg.expiry_us for leg in legs if leg.expiry_us}
    least, most = profile.extremes() if len(dates) == 1 else (None, None)
    loss = None if least is None else rounded(profile.cost - least)
    return Strategy(
        name=piece.name,
        side=piece.side,
        underlying=legs[0].underlying,
        currency=legs[0].underlying if profile.is_in_coins else "USD",
        quantity=quantity_of(piece.lots, lot),
        legs=legs,
        width=piece.width,
        cost=rounded(profile.cost),
        is_defined_risk=loss is not None,
        maximum_loss=loss,
        maximum_gain=None if most is None else rounded(most - profile.cost),
        break_evens=_roots(profile) if len(dates) == 1 else (),
        bound=loss if len(dates) == 1 else bound_by_expiry(legs),
        reason="" if loss is not None else _reason(legs, profile, is_one_date=len(dates) == 1),
    )


def _roots(profile: Profile) -> tuple[float, ...]:
    return tuple(rounded(root) for root in profile.break_evens())


def _reason(legs: Sequence[Leg], profile: Profile, *, is_one_date: bool) -> str:
    """Return why there is no maximum loss."""
    if not is_one_date:
        return (
            "its legs settle at different times: when the near one settles, the far one is worth "
            "what the market then says"
        )
    if profile.is_in_coins:
        owed = rounded(-profile.at(0.0))
        return (
            f"near a price of zero it owes {owed:,.10g}/S {legs[0].underlying}, without bound: what "
            "is worth a fixed number of dollars is worth ever more coins"
        )
    short = -profile.slope / (profile.whole // profile.unit)
    return f"beyond the last strike it loses {short:,.10g} USD for each dollar of the price"
