"""Executing instructions: cancel, reduce, liquidate; fees, debts, the insurance fund, bad debt."""

from __future__ import annotations

from typing import NamedTuple

from steelyard.actions.outcomes import (
    BadDebt,
    Closed,
    FundDraw,
    OrdersCancelled,
    Outcome,
    StateChanged,
)
from steelyard.actions.venue import Venue
from steelyard.book import BAD_DEBT, INSURANCE_FUND, MARKET
from steelyard.decisions import CancelOrders, Instruction, Liquidate, Reduce, State, StateChange
from steelyard.quantities import PPM, ceil_div
from steelyard.valuation.revalue import OPTION_FEE_CAP

OPTION_FEE_CAP_PPM = int(OPTION_FEE_CAP * PPM)


def execute(venue: Venue, instruction: Instruction) -> list[Outcome]:
    """Carry out one instruction and return what happened."""
    if isinstance(instruction, StateChange):
        return [_change_state(venue, instruction)]
    if isinstance(instruction, CancelOrders):
        return _cancel(venue, instruction.unit)
    if isinstance(instruction, Reduce):
        return _reduce(venue, instruction)
    assert isinstance(instruction, Liquidate)
    return _liquidate(venue, instruction.unit)


def _change_state(venue: Venue, change: StateChange) -> Outcome:
    book, row = venue.find(change.unit)
    book.state[row] = change.current
    return StateChanged(
        change.unit,
        change.previous,
        change.current,
        change.maintenance_balance,
        change.maintenance_requirement,
    )


def _cancel(venue: Venue, unit: str) -> list[Outcome]:
    book, row = venue.find(unit)
    orders = book.orders_of(row)
    for order in orders:
        book.drop_order(row, order.order)
    return [OrdersCancelled(unit, len(orders))] if orders else []


def _paused(venue: Venue, unit: str, outcomes: list[Outcome]) -> list[Outcome]:
    """Return the outcomes, and begin the pause if there are any: doing nothing costs no time."""
    if outcomes:
        book, row = venue.find(unit)
        pause_us = venue.method.liquidation.interval_us
        book.next_action_us[row] = venue.market.time_us + pause_us
    return outcomes


def _liquidate(venue: Venue, unit: str) -> list[Outcome]:
    """Close all that can be closed now; once nothing is left, settle the debts.

    Fees come after all closes: a fee must not take what a later close turns out to need.
    """
    book, row = venue.find(unit)
    market = venue.market
    closes: list[_Close] = []
    for slot, lots, _ in book.positions(row):
        if not market.is_protected[int(market.underlying_of[slot])] and market.has_mark[slot]:
            closes += _trade_out(venue, unit, slot, abs(lots))
    outcomes = [_take_fee(venue, unit, close, True) for close in closes]
    if book.count[row] == 0:
        outcomes += _settle_debts(venue, unit)
    return _paused(venue, unit, outcomes)


class _Close(NamedTuple):
    """A closing trade: instrument slot, lots signed as held, fill and mark, the fee it should pay."""

    slot: int
    lots: int
    price_mark: int
    mark: int
    fee_micro: int


def _reduce(venue: Venue, reduce: Reduce) -> list[Outcome]:
    closes = _trade_out(venue, reduce.unit, reduce.instrument, reduce.lots)
    outcomes = [_take_fee(venue, reduce.unit, close, False) for close in closes]
    return _paused(venue, reduce.unit, outcomes)


def _trade_out(venue: Venue, unit: str, slot: int, lots_wanted: int) -> list[_Close]:
    """Close up to `lots_wanted` lots against the depth of the venue; return the trade, if any."""
    market = venue.market
    book, row = venue.find(unit)
    held = book.position(row, slot)[0]
    terms = market.instruments[slot]
    rules = venue.method.underlying_rules(terms.underlying)
    key = (terms.underlying, terms.is_option, held > 0)
    # A lot can be worth less than a micro-dollar: count in whole units of quantity.
    unit_lots = int(10**terms.lot_exponent)
    unit_micro = max(1, venue.notional_micro(slot, unit_lots))
    room_micro = venue.depth.room_usd(key, market.time_us, rules) * 1_000_000
    lots = min(abs(held), lots_wanted, room_micro * unit_lots // unit_micro)
    if lots <= 0:
        return []
    notional_usd = ceil_div(venue.notional_micro(slot, lots), 1_000_000)
    offset = venue.depth.offset_ppm(key, notional_usd, market.time_us, rules)
    mark = int(market.mark_units[slot])
    price = fill_mark(venue, slot, offset, is_sell=held > 0)
    signed = lots if held > 0 else -lots
    venue.trade(unit, slot, -signed, price)
    venue.depth.take(key, notional_usd, market.time_us, rules)
    return [_Close(slot, signed, price, mark, _fee_micro(venue, slot, lots, price))]


def _take_fee(venue: Venue, unit: str, close: _Close, is_full: bool) -> Outcome:
    """Take the liquidation fee of a close, as far as the unit can pay it, and report the close."""
    asset = int(venue.market.settlement_of[close.slot])
    units = min(
        venue.to_units_up(close.fee_micro, asset),
        venue.to_units_down(_affordable_micro(venue, unit, asset, close.fee_micro), asset),
    )
    if units:
        venue.post([(unit, asset, -units), (INSURANCE_FUND, asset, units)])
    name = venue.market.instruments[close.slot].name
    return Closed(unit, name, close.lots, close.price_mark, close.mark, units, is_full)


def _affordable_micro(venue: Venue, unit: str, asset: int, fee_micro: int) -> int:
    """Return how much of its equity a unit can spend on a fee without ending in debt.

    All of it, unless something must be exchanged to pay: then the spread, and three units of each
    asset for rounding, stay behind.
    """
    equity = max(0, venue.equity_of(unit))
    balances = [(a, venue.balance(unit, a)) for a in range(len(venue.market.assets))]
    held = [a for a, units in balances if units]
    debts = [venue.to_micro_up(-units, a) for a, units in balances if units < 0]
    owed = sum(debts)  # tidy-ok: integers
    own = max(0, venue.to_micro_down(venue.balance(unit, asset), asset))
    owed += max(0, min(fee_micro, equity) - own)
    if not owed:
        return equity
    spreads = [venue.half_spread_ppm(a) for a in {*held, asset} if a]  # tidy-ok: only the largest
    behind = ceil_div(owed * max(spreads, default=0), PPM)
    behind += 3 * sum(venue.to_micro_up(1, a) for a in held)  # tidy-ok: integers
    return max(0, equity - behind)


def fill_mark(venue: Venue, slot: int, offset_ppm: int, *, is_sell: bool) -> int:
    """Return the mark units at which a closing trade fills, rounded against the account.

    A perpetual fills at price·(1 ∓ offset); an option at premium ∓ offset of the index, at least 0.
    """
    market = venue.market
    terms = market.instruments[slot]
    mark = int(market.mark_units[slot])
    sign = -1 if is_sell else 1
    if terms.is_option:
        if terms.is_inverse:
            step = ceil_div(offset_ppm * 10**terms.mark_exponent, PPM)
        else:
            price = venue.price_micro(int(market.underlying_of[slot]))
            step = ceil_div(offset_ppm * price * 10**terms.mark_exponent, PPM * 1_000_000)
        return max(0, mark + sign * step)
    if terms.is_inverse:
        exact = mark * PPM, PPM + sign * offset_ppm
    else:
        exact = mark * (PPM + sign * offset_ppm), PPM
    return exact[0] // exact[1] if is_sell else ceil_div(*exact)


def _fee_micro(venue: Venue, slot: int, lots: int, price_mark: int) -> int:
    """Return the liquidation fee in micro-USDC; an option's is capped by a share of its premium."""
    fee = ceil_div(venue.notional_micro(slot, lots) * venue.method.liquidation.fee_ppm, PPM)
    terms = venue.market.instruments[slot]
    if not terms.is_option:
        return fee
    settlement = int(venue.market.settlement_of[slot])
    fine = terms.fine_per_unit(venue.market.assets[settlement])
    premium = venue.to_micro_up(ceil_div(lots * price_mark, fine), settlement)
    return min(fee, ceil_div(premium * OPTION_FEE_CAP_PPM, PPM))


def _settle_debts(venue: Venue, unit: str) -> list[Outcome]:
    """Pay what a unit without positions owes: from its other assets, then from the insurance fund.

    Coins are exchanged with the market at the index less half a spread. A protected coin has no
    price to be exchanged at: while one is owed or could pay, the rest of the debt waits.
    """
    assets = range(len(venue.market.assets))
    protected = venue.market.is_protected
    debts = [a for a in assets if venue.balance(unit, a) < 0]
    for debt in debts:
        for own in assets:
            can_pay = venue.balance(unit, own) > 0 and venue.balance(unit, debt) < 0
            if can_pay and not protected[own] and not protected[debt]:
                _exchange(venue, unit, own, debt)
    owed = [(a, -venue.balance(unit, a)) for a in debts if venue.balance(unit, a) < 0]
    if not owed or any(protected[a] for a in assets if venue.balance(unit, a)):
        return []
    outcomes: list[Outcome] = []
    total, uncovered = 0, 0
    for asset, units in owed:
        micro = venue.to_micro_up(units, asset)
        paid = _draw(venue, unit, asset, units)
        rest = units - paid
        if rest:
            venue.post([(unit, asset, rest), (BAD_DEBT, asset, -rest)])
        total += micro
        uncovered += venue.to_micro_up(rest, asset)
    if total > uncovered:
        outcomes.append(FundDraw(unit, total - uncovered))
    outcomes.append(BadDebt(unit, total, uncovered))
    book, row = venue.find(unit)
    previous = int(book.state[row])
    book.state[row] = int(State.BANKRUPT)
    outcomes.append(StateChanged(unit, previous, int(State.BANKRUPT), -total, 0))
    return outcomes


def _exchange(venue: Venue, unit: str, own: int, debt: int) -> None:
    """Give `own` to the market for just enough of `debt`, or for as much as there is."""
    spread = venue.half_spread_ppm(own or debt)
    owed, have = -venue.balance(unit, debt), venue.balance(unit, own)
    cost = venue.to_units_up(venue.to_micro_up(owed, debt), own)
    cost = ceil_div(cost * (PPM + spread), PPM)
    if cost > have:
        owed = min(owed, owed * have // cost)
        cost = have
    venue.post([(unit, own, -cost), (MARKET, own, cost), (unit, debt, owed), (MARKET, debt, -owed)])


def _draw(venue: Venue, unit: str, asset: int, units: int) -> int:
    """Let the insurance fund pay up to `units` of an asset; return the units paid.

    It pays from what it holds of that asset first, then exchanges USDC with the market at the index.
    """
    own = min(units, max(0, venue.balance(INSURANCE_FUND, asset)))
    if own:
        venue.post([(INSURANCE_FUND, asset, -own), (unit, asset, own)])
    rest = units - own
    if asset == 0 or rest == 0:
        return own
    cash = max(0, venue.balance(INSURANCE_FUND, 0))
    micro = venue.to_micro_up(rest, asset)
    bought = rest if micro <= cash else rest * cash // micro
    price = min(cash, venue.to_micro_up(bought, asset))
    if bought:
        venue.post(
            [
                (INSURANCE_FUND, 0, -price),
                (MARKET, 0, price),
                (MARKET, asset, -bought),
                (unit, asset, bought),
            ]
        )
    return own + bought
