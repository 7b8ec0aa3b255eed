"""Look ahead: what an account will need later, if prices stay or move once, in the engine's own integers.

For every horizon and move a copy with the account's units alone is moved: first the price, at once, then
the clock. Prices and volatilities stay where they are from then on; what expires on the way is paid out at
the index, an average that is under way included; funding is not foreseen. Horizons are written as in
`steelyard.look_ahead`: "30m", "1h", "1d", "2w", or "expiry", the next one of what a unit itself holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from steelyard.decisions.states import STATE_NAMES
from steelyard.engine.engine import Engine
from steelyard.publish.views import margin_ratio
from steelyard.service.answers.failures import no_account
from steelyard.service.rewind.copies import copy_of_units
from steelyard.service.rewind.errors import out_of_bounds
from steelyard.service.rewind.moved import (
    Indices,
    hold_volatilities,
    pass_time_still,
    slot_named,
    states_after,
    underlyings_of,
)
from steelyard.terms.account import UNIT_SEPARATOR, owner_of

NOW, EXPIRY = "now", "expiry"
HORIZONS = ("1h", "1d", EXPIRY)
MOVES_PPM = (-200_000, -100_000, -50_000, 0, 50_000, 100_000, 200_000)
HORIZONS_MAX, MOVES_MAX, UNITS_MAX = 16, 41, 100
MOVE_PPM_MAX = 5_000_000
LATER_US_MAX = 366 * 86_400_000_000
HELD_STILL = "prices after the move, volatilities, funding, resting orders and what others do"
_HORIZON = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNITS_US = {
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}


class AheadRow(msgspec.Struct, frozen=True):
    """One unit at one horizon after one move; amounts in micro-USDC.

    at_us: the instant. profit_micro: equity less that of now at unmoved prices. state: the one that the
    engine would take it to. margin_ratio: maintenance balance / requirement, four decimals rounded down,
    null without a requirement, liquidatable below 1. settled: contracts held that were paid out on the way.
    unfit: contracts held whose mark would not fit its bound; they keep the mark they had.
    """

    unit: str
    horizon: str
    at_us: int
    move_ppm: int
    state: str
    equity_micro: int
    profit_micro: int
    initial_balance_micro: int
    initial_requirement_micro: int
    maintenance_balance_micro: int
    maintenance_requirement_micro: int
    buffer_micro: int
    margin_ratio: str | None
    settled: list[str]
    unfit: list[str]


class LookAhead(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by unit, horizon and move, "now" first; `without_expiry`: units that hold nothing that expires."""

    as_of_seq: int
    time_us: int
    account: str
    currency: str
    method: str
    method_version: str
    method_hash: str
    underlyings: list[str]
    held_still: str
    without_expiry: list[str]
    rows: list[AheadRow]


def later_us(horizon: str) -> int:
    """Return the microseconds of a horizon. Errors: RWND-E07.

    >>> later_us("1.5h")
    5400000000
    """
    found = _HORIZON.fullmatch(horizon.strip())
    span = round(float(found[1]) * _UNITS_US[found[2]]) if found else -1
    if not 0 < span <= LATER_US_MAX:
        raise out_of_bounds(
            "horizons", f"{horizon[:40]!r} is no horizon",
            'a horizon is like 30m, 1h, 1d, 2w, up to a year, or "expiry"',
        )  # fmt: skip
    return span


def look_ahead(
    engine: Engine,
    account: str,
    horizons: Sequence[str] = HORIZONS,
    moves_ppm: Sequence[int] = MOVES_PPM,
    underlyings: Sequence[str] = (),
) -> LookAhead:
    """Return what an account, or one margin unit of it, will need at later instants.

    moves_ppm: of the named underlyings together, all where none is named. The engine is not changed.
    Errors: ANSW-E03 for an account that is not there, RWND-E07 for a horizon, a move or an underlying.
    """
    _check(horizons, moves_ppm)
    units = _units_of(engine, account)
    names = list(dict.fromkeys(underlyings)) or underlyings_of(engine)
    slots = [slot_named(engine, name) for name in names]
    later = {horizon: later_us(horizon) for horizon in dict.fromkeys(horizons) if horizon != EXPIRY}
    now_us = engine.market.time_us
    whole = copy_of_units(engine, units)
    rows: list[AheadRow] = []
    without: list[str] = []
    for unit in units:
        ahead = {NOW: now_us}
        for horizon in dict.fromkeys(horizons):
            end_us = _next_expiry(whole, unit) if horizon == EXPIRY else now_us + later[horizon]
            if end_us is None:
                without.append(unit)
            else:
                ahead[horizon] = end_us
        equity = int(whole.equity_of(unit))
        for horizon, at_us in ahead.items():
            rows += [
                _row(engine, unit, horizon, at_us, move, slots, equity)
                for move in dict.fromkeys(moves_ppm)
            ]
    method = engine.method
    return LookAhead(
        as_of_seq=engine.seq,
        time_us=now_us,
        account=account,
        currency=method.currency,
        method=method.name,
        method_version=method.version,
        method_hash=method.digest().hex(),
        underlyings=names,
        held_still=HELD_STILL,
        without_expiry=without,
        rows=rows,
    )


def _check(horizons: Sequence[str], moves_ppm: Sequence[int]) -> None:
    for field, count, most in (
        ("horizons", len(horizons), HORIZONS_MAX),
        ("moves_ppm", len(moves_ppm), MOVES_MAX),
    ):
        if not 1 <= count <= most:
            raise out_of_bounds(field, f"there are {count} {field}", f"there are 1 to {most}")
    for move in moves_ppm:
        if not -1_000_000 < move <= MOVE_PPM_MAX:
            raise out_of_bounds(
                "moves_ppm",
                f"a move of {move} ppm",
                f"a move is above −100 %, at most {MOVE_PPM_MAX} ppm",
            )


def _units_of(engine: Engine, account: str) -> list[str]:
    """Return the units of an account by name, or the one that is named. Errors: ANSW-E03, RWND-E07."""
    if UNIT_SEPARATOR in account:
        found = [account] if account in engine.places else []
    else:
        found = sorted(name for name in engine.places if owner_of(name) == account)
    if not found:
        raise no_account(account)
    if len(found) > UNITS_MAX:
        raise out_of_bounds(
            "account", f"the account has {len(found)} margin units",
            f"at most {UNITS_MAX} at once: name one of them",
        )  # fmt: skip
    return found


def _held(engine: Engine, unit: str) -> list[int]:
    shard, row = engine.places[unit]
    return [slot for slot, _, _ in shard.book.positions(row)]


def _next_expiry(engine: Engine, unit: str) -> int | None:
    """Return when the first of what a unit holds expires, None where nothing does later than now."""
    ends = [engine.market.instruments[slot].expiry_us for slot in _held(engine, unit)]
    return min((end for end in ends if end > engine.market.time_us), default=None)


def _row(
    engine: Engine,
    unit: str,
    horizon: str,
    at_us: int,
    move_ppm: int,
    slots: list[int],
    equity: int,
) -> AheadRow:
    there = copy_of_units(engine, [unit])
    hold_volatilities(there)
    held = _held(there, unit)
    names = [each.name for each in there.market.instruments]
    unfit = Indices(there, slots).move(move_ppm)
    settled = pass_time_still(there, at_us) if horizon != NOW else []
    shard, row = there.places[unit]
    state = next(
        int(states[row])
        for owner, states in zip(there.shards, states_after(there), strict=True)
        if owner is shard
    )
    found = shard.results[:5, row].tolist()
    then, initial_balance, balance, initial, keep = found
    ratio = margin_ratio(balance, keep)
    return AheadRow(
        unit=unit,
        horizon=horizon,
        at_us=at_us,
        move_ppm=move_ppm,
        state=STATE_NAMES[state],
        equity_micro=then,
        profit_micro=then - equity,
        initial_balance_micro=initial_balance,
        initial_requirement_micro=initial,
        maintenance_balance_micro=balance,
        maintenance_requirement_micro=keep,
        buffer_micro=balance - keep,
        margin_ratio=None if ratio is None else str(ratio),
        settled=[names[slot] for slot in held if slot in settled],
        unfit=[names[slot] for slot in held if names[slot] in unfit],
    )
