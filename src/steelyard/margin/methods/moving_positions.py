"""Positions in a moved market: what is stated of them moves as the market does.

Of a perpetual or future with the old mark m and the new one m':

- a stated mark moves by m'/m; a stated profit by q·(m' − m), of an inverse contract (q in USD, the profit
  in coins) by q/m − q/m';
- a profit that follows from the entry price is left to do so; one that is stated nowhere was nothing at
  the old mark, so the position is given m as its entry price, or the amount as its profit, whichever the
  method reads;
- under a method settled in the coin the contract is a constant amount of USD that the statement counts in
  coins: q becomes q·m/m', the profit moves by q·(1 − m/m') coins.

Of an option a stated mark moves by its Black-76 value, so that mark − value stays, and is at least 0; a
stated delta by its Black-76 delta, inside [0, 1] for a call and [−1, 0] for a put. So nothing jumps at
the first step away from the market as stated. Where the volatility of a marked option is not stated, the
one that its mark implies is used; where nothing tells a value, a mark that the method does not read is
left out, and one that it reads is an error.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Any

import msgspec
import numpy as np

from steelyard.margin.methods.core.instruments import Floats, Instruments
from steelyard.margin.methods.moving_counting import Counting
from steelyard.quantities.errors import InputError
from steelyard.terms.stated import (
    Case,
    Contract,
    Expiry,
    Market,
    Position,
    instant_text,
    instant_us,
    parse_contract,
)
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.implied_volatility import implied_volatility

EXACT = Context(prec=400)
replace = msgspec.structs.replace


def moved_positions(
    case: Case[Any],
    market: Market[Any],
    moves: dict[str, Any],
    volatility: float,
    is_later: bool,
    counting: Counting,
) -> tuple[Position[Any], ...]:
    """Return the positions of a case as they stand in the moved market. Errors: METH-E01, STAT-E02."""
    positions = list(case.account.positions)
    optional: list[int] = []
    for i, position in enumerate(positions):
        contract = parse_contract(position.instrument)
        if contract.kind == "option":
            is_moved = contract.underlying in moves or volatility != 1.0 or is_later
            is_stated = position.mark_price is not None or position.delta is not None
            if is_moved and is_stated:
                optional.append(i)
        elif contract.underlying in moves:
            positions[i] = _linear(position, contract, case.market, market, moves, counting)
    if optional:
        _reprice(positions, optional, case.market, market, volatility, counting)
    return tuple(positions)


def mark_of(
    position: Position[Any], contract: Contract, market: Market[Any], counting: Counting
) -> Any:
    """Return the mark of a perpetual or future that the method counts by; None where none is stated."""
    stated = market.underlyings.get(contract.underlying)
    if stated is None:
        return None
    perpetual = None if stated.perpetual is None else stated.perpetual.mark_price
    known = {
        "position": position.mark_price,
        "perpetual": perpetual,
        "stated": stated.mark_price,
        "index": stated.index_price,
    }
    places: tuple[str, ...] = counting.marks
    if contract.kind == "future":
        expiry = expiry_of(contract, market)
        known["forward"] = None if expiry is None else expiry.forward_price
        places = tuple("forward" if place == "perpetual" else place for place in places)
    return next((known[place] for place in places if known[place] is not None), None)


def expiry_of(contract: Contract, market: Market[Any]) -> Expiry[Any] | None:
    """Return what the market states of a dated contract's expiry, None of what it does not list."""
    stated = market.underlyings.get(contract.underlying)
    if stated is None or not contract.day:
        return None
    for expiry in stated.expiries:
        # The UTC day of the instant, which is what the names of contracts carry.
        text = expiry.expiry
        if not text.endswith("Z"):
            text = instant_text(instant_us(text, "expiry"))
        if text[:10] == contract.day:
            return expiry
    return None


def gain_of(quantity: Any, old: Any, new: Any, is_inverse: bool) -> Any:
    """Return the profit of a contract between two marks: q·(new − old), or q/old − q/new in coins.

    >>> gain_of(2.0, 100.0, 50.0, False), gain_of(100.0, 100.0, 50.0, True)
    (-100.0, -1.0)
    """
    if not isinstance(quantity, Decimal):
        return quantity / old - quantity / new if is_inverse else quantity * (new - old)
    with localcontext(EXACT):
        return +(quantity / old - quantity / new) if is_inverse else quantity * (new - old)


def _linear(
    position: Position[Any],
    contract: Contract,
    before: Market[Any],
    after: Market[Any],
    moves: dict[str, Any],
    counting: Counting,
) -> Position[Any]:
    """Return a perpetual or future after a move of its price."""
    move = moves[contract.underlying]
    changes: dict[str, Any] = {}
    old = mark_of(position, contract, before, counting)
    new = mark_of(position, contract, after, counting)
    if position.mark_price is not None:
        changes["mark_price"] = move.of(position.mark_price)
        if "position" in counting.marks:
            new = changes["mark_price"]
    if old is None or new is None or not old > 0:
        return replace(position, **changes)
    if counting.is_coin_settled:
        kept = position.quantity * (old / new)
        gain = position.quantity - kept
        changes["quantity"] = kept
    else:
        gain = gain_of(position.quantity, old, new, position.contract == "inverse")
    is_by_entry = contract.kind in counting.by_entry and position.entry_price is not None
    if position.unrealised_pnl is not None:
        changes["unrealised_pnl"] = added(position.unrealised_pnl, gain)
    elif counting.fills == "profit" and not is_by_entry:
        changes["unrealised_pnl"] = gain
    elif counting.fills == "entry" and not is_by_entry:
        changes["entry_price"] = old
    return replace(position, **changes)


def added(first: Any, second: Any) -> Any:
    """Return the sum of two amounts, of decimals exactly."""
    if not isinstance(first, Decimal):
        return first + second
    with localcontext(EXACT):
        return first + second


def _reprice(
    positions: list[Position[Any]],
    places: list[int],
    before: Market[Any],
    after: Market[Any],
    volatility: float,
    counting: Counting,
) -> None:
    """Put moved marks and deltas of options in place."""
    names = [positions[i].instrument for i in places]
    old, new = Instruments(before, names, ()), Instruments(after, names, ())
    rows = np.array([old.place[name] for name in names])
    marks = np.array([_float(positions[i].mark_price) for i in places])
    is_call = old.columns["is_call"][rows]
    strike = old.columns["strike"][rows]
    columns = []
    implied: Floats | None = None
    for instruments in (old, new):
        forward = _forwards(instruments)[rows]
        tau = instruments.columns["tau"][rows]
        sigma = instruments.columns["volatility"][rows]
        if np.isnan(sigma).any():
            if implied is None:
                priced = marks * forward if counting.is_coin_settled else marks
                implied = implied_volatility(is_call, forward, strike, priced, tau).volatility
                said = implied
            else:
                said = implied * volatility
            sigma = np.where(np.isnan(sigma), np.where(tau == 0.0, 0.0, said), sigma)
        value = black76_price(is_call, forward, strike, sigma, tau)
        delta = black76_greeks(is_call, forward, strike, sigma, tau).delta
        columns.append((value / forward if counting.is_coin_settled else value, delta))
    (value, delta), (moved_value, moved_delta) = columns
    mark_moves, delta_moves = moved_value - value, moved_delta - delta
    for k, i in enumerate(places):
        changes: dict[str, Any] = {}
        position = positions[i]
        if mark_moves[k] != mark_moves[k]:
            if counting.reads_marks == "all" or (
                counting.reads_marks == "short" and position.quantity < 0
            ):
                raise _lacking(old, int(rows[k]))
            positions[i] = replace(position, mark_price=None, delta=None)
            continue
        if position.mark_price is not None:
            moved = max(0.0, float(marks[k] + mark_moves[k]))
            is_exact = isinstance(position.mark_price, Decimal)
            changes["mark_price"] = Decimal(repr(moved)) if is_exact else moved
        if position.delta is not None:
            low, high = (0.0, 1.0) if is_call[k] else (-1.0, 0.0)
            stated = float(position.delta)
            bounds = min(low, stated), max(high, stated)
            changes["delta"] = min(max(stated + float(delta_moves[k]), bounds[0]), bounds[1])
        positions[i] = replace(position, **changes)


def _forwards(instruments: Instruments) -> Floats:
    """Return the forwards, the index where none is stated."""
    forward = instruments.columns["forward_price"]
    return np.where(np.isnan(forward), instruments.columns["index"], forward)


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _lacking(instruments: Instruments, row: int) -> InputError:
    """Return the error of an option whose stated mark or delta cannot be moved."""
    asked = ["tau", "volatility"]
    if instruments.columns["index"][row] != instruments.columns["index"][row]:
        asked.append("forward_price")
    found = instruments.missing([row], asked)
    if found is not None:
        return found
    name = instruments.names[row]
    return InputError(
        "METH-E05",
        f"the value of {name} is no number",
        rule="a stated mark or delta moves with the option's Black-76 value",
        cure="mend its forward, its volatility or its expiry",
        field=f"account.positions[{name}]",
    )
