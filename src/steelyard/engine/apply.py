"""What each event does before the pass: the hand-over to marks, book and actions."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from steelyard.actions import (
    Outcome,
    ProtectionChanged,
    apply_fill,
    apply_funding,
    apply_transfer,
    load_account,
    settle_expired,
)
from steelyard.actions.load import units_of
from steelyard.book import EXTERNAL, RestingOrder
from steelyard.engine.apply_controls import CONTROL_VERBS, apply_proposals, end_due
from steelyard.engine.apply_market import MARKET_VERBS, Applied, notices
from steelyard.engine.prices import price_to_mark
from steelyard.engine.reservations import confirm_reservation, release_reservation
from steelyard.marks import pass_time
from steelyard.marks.funding import funding_due
from steelyard.marks.settlement import forget_expiry, note_expiry
from steelyard.marks.update import remark_perpetuals
from steelyard.terms.account import UNIT_SEPARATOR
from steelyard.ticks import (
    AccountsLoaded,
    Event,
    Fill,
    Funding,
    InstrumentsListed,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    ReservationConfirmed,
    ReservationReleased,
    Transfer,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


def apply_event(engine: Engine, event: Event) -> list[Outcome]:
    """Move the clock, apply the event, revalue what moved; return outcomes so far."""
    market = engine.market
    before = market.is_protected[: len(market.assets)].copy()
    moved = pass_time(market, event.time_us, engine.method)
    ended = end_due(engine) if market.time_us >= engine.controls.next_due_us else []
    outcomes, also = _VERBS[type(event)](engine, event)
    outcomes = ended + outcomes
    if market.time_us >= engine.controls.applies_us:
        told, all_assets = apply_proposals(engine)
        outcomes += told
        also = also + all_assets
    engine.stopwatch.lap("marks")
    moved = sorted({*moved, *also})  # tidy-ok: sorted
    if moved:
        engine.revalue(moved)
        engine.cadence.revalued(event)
        engine.needs_pass = True
    outcomes += notices(market)
    engine.needs_pass |= market.has_aged
    market.has_aged = False
    for asset, was in enumerate(before.tolist()):
        if bool(market.is_protected[asset]) != was:
            engine.needs_pass = True
            name = market.assets[asset].name
            outcomes.append(ProtectionChanged(name, bool(market.is_protected[asset])))
    outcomes += _fund_due(engine, event)
    outcomes += _settle_due(engine)
    engine.stopwatch.lap("valuation")
    return outcomes


def _instruments_listed(engine: Engine, event: InstrumentsListed) -> Applied:
    market = engine.market
    touched: dict[int, None] = {}
    for instrument in event.instruments:
        slot = market.list_instrument(instrument)
        touched[int(market.underlying_of[slot])] = None
        if instrument.expiry_us:
            insort(engine.expiries, (instrument.expiry_us, slot))
            note_expiry(market, int(market.underlying_of[slot]), instrument.expiry_us)
    engine.widen()
    for asset in touched:
        market.protect(asset)
        remark_perpetuals(market, asset)
    return [], list(touched)


def _accounts_loaded(engine: Engine, event: AccountsLoaded) -> Applied:
    outcomes: list[Outcome] = []
    for record in event.accounts:
        for unit in units_of(record):
            engine.add_unit(unit, record.mode)
        outcomes.append(load_account(engine.venue, record))
    engine.needs_pass = True
    return outcomes, []


def _order_placed(engine: Engine, event: OrderPlaced | OrderReserved) -> Applied:
    slot = engine.market.instrument_slots[event.instrument]
    unit = engine.trading_unit(event.account, event.instrument)
    assert unit is not None
    book, row = engine.venue.find(unit)
    mark = price_to_mark(engine.market.instruments[slot], event.price)
    expires_us = event.expires_us if isinstance(event, OrderReserved) else 0
    book.put_order(row, RestingOrder(event.order, slot, event.quantity, mark, expires_us))
    if expires_us:
        engine.controls.reserve(unit, event.order, expires_us)
    engine.touch(unit)
    return [], []


def _order_cancelled(engine: Engine, event: OrderCancelled) -> Applied:
    unit = engine.locate_order(event.account, event.order)
    assert unit is not None
    book, row = engine.venue.find(unit)
    book.drop_order(row, event.order)
    engine.touch(unit)
    return [], []


def _fill(engine: Engine, event: Fill) -> Applied:
    slot = engine.market.instrument_slots[event.instrument]
    mark = price_to_mark(engine.market.instruments[slot], event.price)
    buyer = engine.trading_unit(event.buyer, event.instrument) or event.buyer
    seller = engine.trading_unit(event.seller, event.instrument) or event.seller
    outcomes = apply_fill(engine.venue, event, slot, mark, buyer, seller)
    for unit in (buyer, seller):
        engine.touch(unit)
    return outcomes, []


def _transfer(engine: Engine, event: Transfer) -> Applied:
    target = event.target_account
    if UNIT_SEPARATOR in target and engine.locate(target) is None:
        engine.add_unit(target, "isolated")
    outcomes = apply_transfer(engine.venue, event)
    for unit in (event.source_account, target):
        if unit != EXTERNAL:
            engine.touch(unit)
    return outcomes, []


def _funding(engine: Engine, event: Funding) -> Applied:
    engine.needs_pass = True
    return apply_funding(engine.venue, event, [s.book for s in engine.shards]), []


_VERBS: dict[type[Event], Callable[[Engine, Any], Applied]] = {
    **MARKET_VERBS,
    **CONTROL_VERBS,
    InstrumentsListed: _instruments_listed,
    AccountsLoaded: _accounts_loaded,
    OrderPlaced: _order_placed,
    OrderCancelled: _order_cancelled,
    OrderReserved: _order_placed,
    ReservationConfirmed: confirm_reservation,
    ReservationReleased: release_reservation,
    Fill: _fill,
    Transfer: _transfer,
    Funding: _funding,
}


def _fund_due(engine: Engine, event: Event) -> list[Outcome]:
    """Exchange the funding of intervals that are over."""
    market = engine.market
    outcomes: list[Outcome] = []
    for slot, rate_ppb in funding_due(market, engine.method) if market.premiums else ():
        name = market.instruments[slot].name
        funding = Funding(event.time_us, event.origin, event.origin_seq, name, rate_ppb)
        outcomes += apply_funding(engine.venue, funding, [s.book for s in engine.shards])
        engine.needs_pass = True
    return outcomes


def _settle_due(engine: Engine) -> list[Outcome]:
    """Settle what has expired, unless its underlying is protected: that waits for a quorum."""
    market = engine.market
    if not engine.expiries or engine.expiries[0][0] > market.time_us:
        return []
    due: list[tuple[int, int]] = []
    waiting: list[tuple[int, int]] = []
    for expiry_us, slot in engine.expiries:
        if expiry_us > market.time_us:
            break
        blocked = market.is_protected[market.underlying_of[slot]]
        (waiting if blocked else due).append((expiry_us, slot))
    if not due:
        return []
    engine.expiries = waiting + engine.expiries[len(due) + len(waiting) :]
    engine.needs_pass = True
    books = [s.book for s in engine.shards]
    outcomes = settle_expired(engine.venue, books, [slot for _, slot in due])
    for expiry_us, slot in due:
        forget_expiry(market, int(market.underlying_of[slot]), expiry_us)
    return outcomes
