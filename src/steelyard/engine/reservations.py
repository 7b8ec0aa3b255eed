"""Reservations: margin set aside for an order before it is sent, held as a resting order that expires.

    reserve → confirm     it rests on the venue and expires no more
            → release     what it took is free again, to the unit
            → fill        as of any resting order; what is left stays reserved
            → expiry      at the first event at or after its time, before that event is applied

Admission sees the book as it will be then: what is due by an event's time is set aside while the event
is judged, so that nothing waits for a reservation that has ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from steelyard.actions import Outcome, ReservationExpired
from steelyard.book import RestingOrder
from steelyard.engine.apply_market import Applied
from steelyard.terms.controls import Reservation
from steelyard.ticks import ReservationConfirmed, ReservationReleased

if TYPE_CHECKING:
    from steelyard.book import Book
    from steelyard.engine.engine import Engine


def reservations_of(engine: Engine, unit: str | None = None) -> tuple[Reservation, ...]:
    """Return what is reserved now, of one margin unit or of all, by unit and order."""
    places = [engine.locate(unit)] if unit is not None else []
    if unit is None:
        places += [(s.book, row) for s in engine.shards for row in sorted(s.book.orders)]
    found = [
        Reservation(
            book.names[row], o.order, engine.market.instruments[o.instrument].name, o.quantity,
            o.price_mark, o.expires_us,
        )
        for book, row in filter(None, places)
        for o in book.orders_of(row)
        if o.expires_us
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (each.unit, each.order)))


@contextmanager
def due_set_aside(engine: Engine, time_us: int) -> Iterator[None]:
    """Let the books be without the reservations that have ended by a time; put them back after."""
    aside: list[tuple[Book, int, RestingOrder]] = []
    for expires_us, unit, order_id in sorted(
        e for e in engine.controls.expiries if e[0] <= time_us
    ):  # tidy-ok: sorted
        book, row = engine.venue.find(unit)
        order = book.orders.get(row, {}).get(order_id)
        if order is not None and order.expires_us == expires_us:
            book.drop_order(row, order_id)
            aside.append((book, row, order))
    try:
        yield
    finally:
        for book, row, order in aside:
            book.put_order(row, order)


def expire_reservations(engine: Engine) -> list[Outcome]:
    """Take what has ended out of the books; return it in order of time, unit and order."""
    outcomes: list[Outcome] = []
    expiries, now_us = engine.controls.expiries, engine.market.time_us
    while expiries and expiries[0][0] <= now_us:
        expires_us, unit, order_id = heapq.heappop(expiries)
        book, row = engine.venue.find(unit)
        order = book.orders.get(row, {}).get(order_id)
        if order is not None and order.expires_us == expires_us:
            book.drop_order(row, order_id)
            engine.touch(unit)
            name = engine.market.instruments[order.instrument].name
            outcomes.append(ReservationExpired(unit, order_id, name, order.quantity))
    return outcomes


def confirm_reservation(engine: Engine, event: ReservationConfirmed) -> Applied:
    """Let a reserved order rest."""
    book, row, order = _reserved(engine, event)
    book.put_order(row, msgspec.structs.replace(order, expires_us=0))
    engine.touch(book.names[row])
    return [], []


def release_reservation(engine: Engine, event: ReservationReleased) -> Applied:
    """Take a reserved order out of the book."""
    book, row, order = _reserved(engine, event)
    book.drop_order(row, order.order)
    engine.touch(book.names[row])
    return [], []


def _reserved(
    engine: Engine, event: ReservationConfirmed | ReservationReleased
) -> tuple[Book, int, RestingOrder]:
    unit = engine.locate_order(event.account, event.order)
    assert unit is not None
    book, row = engine.venue.find(unit)
    return book, row, book.orders[row][event.order]
