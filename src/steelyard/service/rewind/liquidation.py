"""The liquidation map: what would be liquidatable if prices moved, from the engine's own pass.

For every move of an index the whole book is required anew, by the kernels and integers that decide live,
on a copy. A margin unit is liquidatable where the engine would take it to partial reduction or further.

    at           what is liquidatable at this move, prices having jumped there
    bucket       what is liquidatable here and was not at any move nearer to zero on this side
    cumulative   all buckets from zero out to here: what a walk of the price to here would have met

Held still: everything but the index of the underlyings moved, and what is valued by it. Volatilities stay
with their strikes, time stands, and nobody has acted yet: closing moves no price here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.decisions.states import State
from steelyard.engine.engine import Engine
from steelyard.engine.shard import Shard
from steelyard.service.rewind.copies import copy_of
from steelyard.service.rewind.errors import out_of_bounds
from steelyard.service.rewind.moved import (
    Indices,
    hold_volatilities,
    slot_named,
    states_after,
    underlyings_of,
)

EQUITY = 0
LEVELS, REACH_PPM = 49, 600_000
LEVELS_MAX = 201
REACH_PPM_MAX = 950_000
HELD_STILL = "volatilities, time, resting orders and what others do"

Ints = NDArray[np.int64]


class Liquidatable(msgspec.Struct, frozen=True):
    """Margin units that would be liquidatable, and what they hold.

    units: how many; full_units: of these beyond partial reduction. long_usd_micro, short_usd_micro: gross
    notional of their longs (to be sold) and shorts (to be bought) in the underlyings moved, at the moved
    index; notional_usd_micro: of all their positions. shortfall_micro: what their equity is below zero,
    summed: bad debt if they were closed at the moved marks, without costs. Micro-USD, micro-USDC.
    """

    units: int = 0
    full_units: int = 0
    long_usd_micro: int = 0
    short_usd_micro: int = 0
    notional_usd_micro: int = 0
    shortfall_micro: int = 0


class LiquidationLevel(msgspec.Struct, frozen=True):
    """One move. move_ppm: millionths of the index, signed. index_prices: USD, of the underlyings moved.

    unfit: contracts whose mark would not fit its bound at this move; they keep the mark they had.
    """

    move_ppm: int
    index_prices: dict[str, float]
    at: Liquidatable
    bucket: Liquidatable
    cumulative: Liquidatable
    unfit: list[str]


class LiquidationMap(msgspec.Struct, frozen=True, kw_only=True):
    """The map of some underlyings moved together; levels ascend by move, zero among them.

    units: margin units that hold something or owe. currency: of the amounts in micro units. protected:
    underlyings on whose prices nobody is liquidated now, nor in this map.
    """

    as_of_seq: int
    time_us: int
    currency: str
    method: str
    method_version: str
    method_hash: str
    underlyings: list[str]
    protected: list[str]
    held_still: str
    units: int
    levels: list[LiquidationLevel]


class _Found(NamedTuple):
    """The liquidatable units of one move, over all shards: their numbers, and what each has."""

    rows: Ints
    full: NDArray[np.bool_]
    amounts: Ints


def moves_of(levels: int = LEVELS, reach_ppm: int = REACH_PPM) -> list[int]:
    """Return evenly spaced moves in ppm from −reach to +reach, zero in the middle. Errors: RWND-E07.

    >>> moves_of(5, 100_000)
    [-100000, -50000, 0, 50000, 100000]
    """
    if not (3 <= levels <= LEVELS_MAX and levels % 2):
        raise out_of_bounds(
            "levels", f"there are {levels} levels", f"levels are odd, from 3 to {LEVELS_MAX}"
        )
    if not 0 < reach_ppm <= REACH_PPM_MAX:
        raise out_of_bounds(
            "reach_ppm", f"the reach is {reach_ppm} ppm", f"the reach is 1 to {REACH_PPM_MAX} ppm"
        )
    half = levels // 2
    return [
        k * reach_ppm // half if k >= 0 else -(-k * reach_ppm // half)
        for k in range(-half, half + 1)
    ]


def liquidation_map(
    engine: Engine, underlyings: Sequence[str] = (), moves_ppm: Sequence[int] = ()
) -> LiquidationMap:
    """Return the map of some underlyings moved together; all of them, and the usual moves, where none is named.

    The engine is not changed. moves_ppm: ascending, above −1,000,000, zero among them.
    Errors: RWND-E07 for an underlying without a price, or for moves out of order.
    """
    moves = list(moves_ppm) or moves_of()
    if 0 not in moves or moves != sorted(set(moves)) or moves[0] <= -1_000_000:
        raise out_of_bounds(
            "moves_ppm", "the moves are not in order", "moves ascend, above −100 %, zero among them"
        )
    names = list(dict.fromkeys(underlyings)) or underlyings_of(engine)
    there = copy_of(engine)
    hold_volatilities(there)
    indices = Indices(there, [slot_named(there, name) for name in names])
    found: dict[int, tuple[_Found, list[str], dict[str, float]]] = {}
    for move in moves:
        unfit = indices.move(move)
        prices = {
            name: there.market.index_price(a) for name, a in zip(names, indices.assets, strict=True)
        }
        found[move] = _liquidatable(there, indices.assets), unfit, prices
    buckets = _buckets({move: each[0] for move, each in found.items()})
    method = engine.method
    return LiquidationMap(
        as_of_seq=engine.seq,
        time_us=engine.market.time_us,
        currency=method.currency,
        method=method.name,
        method_version=method.version,
        method_hash=method.digest().hex(),
        underlyings=names,
        protected=[n for n in names if engine.market.is_protected[engine.market.asset_slots[n]]],
        held_still=HELD_STILL,
        units=sum(_at_stake(shard) for shard in engine.shards),
        levels=[
            LiquidationLevel(move, prices, _sum(each), *buckets[move], unfit)
            for move, (each, unfit, prices) in found.items()
        ],
    )


def _at_stake(shard: Shard) -> int:
    book = shard.book
    count = book.units
    owes = (book.balances[:count] < 0).any(axis=1)
    return int(np.count_nonzero((book.count[:count] > 0) | owes))


def _liquidatable(engine: Engine, assets: list[int]) -> _Found:
    """Return the units that the engine would reduce or liquidate as the copy stands."""
    rows, full, amounts, before = [], [], [], 0
    for shard, states in zip(engine.shards, states_after(engine), strict=True):
        chosen = np.flatnonzero((states >= State.PARTIAL_REDUCTION) & (states != State.BANKRUPT))
        rows.append(chosen + before)
        full.append(states[chosen] == State.FULL_LIQUIDATION)
        shortfall = np.maximum(-shard.results[EQUITY, chosen], 0)
        amounts.append(np.vstack([_notionals(engine, shard, chosen, assets), shortfall[None, :]]))
        before += shard.book.units
    return _Found(np.concatenate(rows), np.concatenate(full), np.hstack(amounts))


def _notionals(engine: Engine, shard: Shard, rows: Ints, assets: list[int]) -> Ints:
    """Return (longs moved, shorts moved, all) for each row, micro-USD; each position is rounded once."""
    book, market = shard.book, engine.market
    counts = book.count[rows]
    total = int(counts.sum())
    of = np.repeat(np.arange(len(rows)), counts)
    first = np.repeat(book.start[rows] - np.cumsum(counts) + counts, counts)
    at = first + np.arange(total)
    slots, lots = book.instrument[at], book.quantity[at]
    value = np.abs(lots).astype(np.float64) * engine.columns.notional[slots]
    micro = np.rint(value * 1e6).astype(np.int64)
    is_moved = np.isin(market.underlying_of[slots], assets)
    found = np.zeros((3, len(rows)), np.int64)
    for line, kept in enumerate((is_moved & (lots > 0), is_moved & (lots < 0), slots >= 0)):
        np.add.at(found[line], of[kept], micro[kept])
    return found


def _sum(found: _Found, kept: NDArray[np.bool_] | None = None) -> Liquidatable:
    """Return the totals of the units found, or of some of them."""
    full, amounts = found.full, found.amounts
    if kept is not None:
        full, amounts = full[kept], amounts[:, kept]
    totals = [int(each) for each in amounts.sum(axis=1)]
    return Liquidatable(len(full), int(full.sum()), *totals)


def _buckets(found: dict[int, _Found]) -> dict[int, tuple[Liquidatable, Liquidatable]]:
    """Return (bucket, cumulative) of every move, walking outwards from zero on both sides."""
    centre = _sum(found[0])
    told = {0: (centre, centre)}
    for side in (
        sorted(m for m in found if m > 0),
        sorted((m for m in found if m < 0), reverse=True),
    ):
        seen, total = found[0].rows, centre
        for move in side:
            is_new = ~np.isin(found[move].rows, seen)
            bucket = _sum(found[move], is_new)
            total = Liquidatable(
                *(a + b for a, b in zip(_fields(total), _fields(bucket), strict=True))
            )
            told[move] = bucket, total
            seen = np.concatenate([seen, found[move].rows[is_new]])
    return told


def _fields(found: Liquidatable) -> tuple[int, ...]:
    return tuple(getattr(found, name) for name in Liquidatable.__struct_fields__)
