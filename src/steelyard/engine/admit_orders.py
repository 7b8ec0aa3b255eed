"""Admission of orders, reservations and fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.book import FEES, MARKET, RestingOrder
from steelyard.engine.admit_controls import check_index_known, check_unrestricted
from steelyard.engine.prices import price_to_mark
from steelyard.engine.refusals import (
    check_bounded,
    open_trading_unit,
    refuse,
    traded_instrument,
)
from steelyard.terms import FULL_MODES
from steelyard.ticks import (
    Event,
    Fill,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    ReservationConfirmed,
    ReservationReleased,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

ORDERS_PER_UNIT_MAX = 1_000


def check_order_placed(engine: Engine, event: OrderPlaced | OrderReserved) -> None:
    """Raise unless no restriction is in its way, and it fits its limits and is covered, or only reduces.

    An order reduces when all resting orders of its side together do not go through zero: such an
    order is admitted whatever the margin, and on a protected asset too; in a portfolio unit only where it
    leaves no more missing than now, since a position that hedges another is no risk to be rid of.
    """
    slot = traded_instrument(engine, event, event.instrument)
    unit = open_trading_unit(engine, event, "account", event.account, event.instrument)
    price_mark = _mark_in_bounds(engine, event, slot, event.price, "mend the price")
    book, row = engine.venue.find(unit)
    held = book.position(row, slot)[0]
    resting = book.orders.get(row, {})
    same_side = _same_side(resting, event.order, slot, event.quantity)
    if abs(held + same_side) > engine.market.instruments[slot].position_limit:
        refuse(
            "ADMT-E08", event, "quantity", "a position stays in its limit with its orders filled",
            "place a smaller one",
        )  # fmt: skip
    if len(resting) >= ORDERS_PER_UNIT_MAX and event.order not in resting:
        refuse("ADMT-E08", event, "order", f"at most {ORDERS_PER_UNIT_MAX} orders", "cancel some")
    reduces = _reduces(held, same_side)
    if engine.controls.restrictions:
        check_unrestricted(engine, event, slot, event.account, reduces=reduces)
    if reduces:
        if FULL_MODES[int(book.mode[row])] == "portfolio":
            _check_hedge_kept(engine, event, unit, slot, price_mark)
        return
    if isinstance(event, OrderReserved):
        check_index_known(engine, event, slot)
    if engine.market.is_protected[engine.market.underlying_of[slot]]:
        refuse(
            "ADMT-E07", event, "instrument", "a protected asset takes no new risk",
            "wait for its quorum, or reduce",
        )  # fmt: skip
    short = engine.margin_missing_with_order(unit, event.order, slot, event.quantity, price_mark)
    if short > 0:
        refuse(
            "ADMT-E06", event, "quantity", f"the initial requirement is covered; {short} micro-USDC "
            "are missing", "deposit, reduce, or place a smaller order",
        )  # fmt: skip


def _same_side(resting: dict[str, RestingOrder], order: str, slot: int, quantity: int) -> int:
    """Return the lots of an order and of all others of its instrument and side."""
    return quantity + sum(  # tidy-ok: integers
        o.quantity
        for o in resting.values()
        if o.instrument == slot and o.order != order and o.quantity * quantity > 0
    )


def _reduces(held: int, same_side: int) -> bool:
    """Return whether orders of one side, all filled, bring a position nearer to zero and not through it."""
    return held * same_side < 0 and abs(same_side) <= abs(held)


def _check_hedge_kept(
    engine: Engine, event: OrderPlaced | OrderReserved, unit: str, slot: int, price_mark: int
) -> None:
    """Raise where an order reduces a position and yet leaves more missing than now: it sells a hedge."""
    short = engine.margin_missing_with_order(unit, event.order, slot, event.quantity, price_mark)
    if short <= 0:
        return
    risk = engine.risk_of(unit)
    if short > max(0, risk.initial_requirement - risk.initial_balance):
        refuse(
            "ADMT-E06", event, "quantity", "an order that reduces a hedge is covered as any "
            f"other; {short} micro-USDC would be missing", "deposit, or place a smaller order",
        )  # fmt: skip


def check_order_reserved(engine: Engine, event: OrderReserved) -> None:
    """Raise unless the id is free, and an order of these terms could be placed at this time."""
    if engine.locate_order(event.account, event.order) is not None:
        refuse("CTRL-E05", event, "order", "an order of this id rests already", "choose another id")
    check_order_placed(engine, event)


def check_reservation_confirmed(engine: Engine, event: ReservationConfirmed) -> None:
    """Raise unless the order is reserved, and no restriction is in its way."""
    unit, order = _reservation(engine, event)
    if not engine.controls.restrictions:
        return
    book, row = engine.venue.find(unit)
    held = book.position(row, order.instrument)[0]
    same_side = _same_side(book.orders[row], order.order, order.instrument, order.quantity)
    reduces = _reduces(held, same_side)
    check_unrestricted(engine, event, order.instrument, event.account, reduces=reduces)


def check_reservation_released(engine: Engine, event: ReservationReleased) -> None:
    """Raise unless the order is reserved."""
    _reservation(engine, event)


def _reservation(
    engine: Engine, event: ReservationConfirmed | ReservationReleased
) -> tuple[str, RestingOrder]:
    """Return the unit and the order of a reservation. Errors: CTRL-E04 when it is none, or has ended."""
    unit = engine.locate_order(event.account, event.order)
    order = None
    if unit is not None:
        book, row = engine.venue.find(unit)
        order = book.orders[row][event.order]
    if unit is None or order is None or not order.expires_us:
        refuse(
            "CTRL-E04", event, "order", "the order is reserved: not released, not confirmed, not "
            "expired", "reserve it again",
        )  # fmt: skip
    return unit, order


def check_order_cancelled(engine: Engine, event: OrderCancelled) -> None:
    """Raise unless the order rests."""
    if engine.locate_order(event.account, event.order) is None:
        refuse("ADMT-E03", event, "order", "the order rests", "drop the event")


def check_fill(engine: Engine, event: Fill) -> None:
    """Raise unless both sides may hold what they trade and every balance stays an integer."""
    slot = traded_instrument(engine, event, event.instrument)
    price_mark = _mark_in_bounds(engine, event, slot, event.price, "bust the trade")
    market_cash = 0
    for field, account, lots, order in (
        ("buyer", event.buyer, event.quantity, event.buy_order),
        ("seller", event.seller, -event.quantity, event.sell_order),
    ):
        if account == MARKET:
            continue
        unit = open_trading_unit(engine, event, field, account, event.instrument)
        _named_order(engine, event, unit, slot, lots, order)
        market_cash += _check_side(engine, event, unit, slot, lots, price_mark)
    asset = int(engine.market.settlement_of[slot])
    for system in (MARKET, FEES):
        check_bounded(event, "price", abs(engine.balance(system, asset)) + market_cash)


def _check_side(
    engine: Engine, event: Fill, unit: str, slot: int, lots: int, price_mark: int
) -> int:
    """Raise unless a side stays in its limits; return the most ledger units it can move."""
    terms = engine.market.instruments[slot]
    book, row = engine.venue.find(unit)
    held, cost = book.position(row, slot)
    if abs(held + lots) > terms.position_limit:
        refuse("ADMT-E08", event, "quantity", "a position stays in its limit", "bust the trade")
    asset = int(engine.market.settlement_of[slot])
    fine = terms.fine_per_unit(engine.market.assets[asset])
    fee = engine.venue.to_units_up(engine.venue.trade_fee_micro(slot, lots), asset)
    cash = (abs(lots * price_mark) + abs(cost)) // fine + fee + 1
    check_bounded(event, "price", abs(engine.balance(unit, asset)) + cash)
    return cash


def _named_order(
    engine: Engine, event: Fill, unit: str, slot: int, lots: int, order_id: str
) -> None:
    """Raise if the order a fill names is of another instrument or side; it may be gone already."""
    book, row = engine.venue.find(unit)
    order = book.orders.get(row, {}).get(order_id)
    if order is not None and (order.instrument != slot or order.quantity * lots < 0):
        field = "buy_order" if lots > 0 else "sell_order"
        refuse(
            "ADMT-E03", event, field, f"{order_id} rests on this side of {event.instrument}",
            "name the order that traded, or none",
        )  # fmt: skip


def _mark_in_bounds(engine: Engine, event: Event, slot: int, price: float, cure: str) -> int:
    """Return a price in mark units. Errors: ADMT-E05 beyond the scale of its instrument."""
    terms = engine.market.instruments[slot]
    price_mark = price_to_mark(terms, price)
    if not 0 < abs(price_mark) <= terms.mark_max:
        refuse("ADMT-E05", event, "price", "a price fits the instrument's scale", cure)
    return price_mark
