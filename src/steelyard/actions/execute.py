"""Executing instructions: cancel, reduce, liquidate; fees, debts, the insurance fund, bad debt."""

from __future__ import annotations

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
        _pause(venue, instruction.unit)
        return _close(venue, instruction.unit, instruction.instrument, instruction.lots, False)
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


def _pause(venue: Venue, unit: str) -> None:
    book, row = venue.find(unit)
    book.next_action_us[row] = venue.market.time_us + venue.method.liquidation.interval_us


def _liquidate(venue: Venue, unit: str) -> list[Outcome]:
    """Close all that can be closed now; once nothing is left, settle the debts."""
    _pause(venue, unit)
    book, row = venue.find(unit)
    market = venue.market
    outcomes: list[Outcome] = []
    for slot, lots, _ in book.positions(row):
        if not market.is_protected[int(market.underlying_of[slot])] and market.has_mark[slot]:
            outcomes += _close(venue, unit, slot, abs(lots), True)
    if book.count[row] == 0:
        outcomes += _settle_debts(venue, unit)
    return outcomes


def _close(venue: Venue, unit: str, slot: int, lots_wanted: int, is_full: bool) -> list[Outcome]:
    """Close up to `lots_wanted` lots against the depth of the venue and take the liquidation fee."""
    market = venue.market
    book, row = venue.find(unit)
    held = book.position(row, slot)[0]
    terms = market.instruments[slot]
    rules = venue.method.underlying_rules(terms.underlying)
    key = (terms.underlying, terms.is_option, held > 0)
    lot_micro = max(1, venue.notional_micro(slot, 1))
    room = venue.depth.room_usd(key, market.time_us, rules) * 1_000_000 // lot_micro
    lots = min(abs(held), lots_wanted, room)
    if lots <= 0:
        return []
    notional_usd = ceil_div(venue.notional_micro(slot, lots), 1_000_000)
    offset = venue.depth.offset_ppm(key, notional_usd, market.time_us, rules)
    mark = int(market.mark_units[slot])
    price = fill_mark(venue, slot, offset, is_sell=held > 0)
    signed = lots if held > 0 else -lots
    venue.trade(unit, slot, -signed, price)
    venue.depth.take(key, notional_usd, market.time_us, rules)
    fee = min(_fee_micro(venue, slot, lots, price), max(0, venue.equity_of(unit)))
    units = venue.charge(unit, INSURANCE_FUND, int(market.settlement_of[slot]), fee)
    return [Closed(unit, terms.name, signed, price, mark, units, is_full)]


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

    Coins are exchanged with the market at the index less half a spread.
    """
    assets = range(len(venue.market.assets))
    debts = [a for a in assets if venue.balance(unit, a) < 0]
    for debt in debts:
        for own in assets:
            if venue.balance(unit, own) > 0 and venue.balance(unit, debt) < 0:
                _exchange(venue, unit, own, debt)
    owed = [(a, -venue.balance(unit, a)) for a in debts if venue.balance(unit, a) < 0]
    if not owed:
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
    spread = venue.method.underlying_rules(venue.market.assets[own or debt].name).half_spread_ppm
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
