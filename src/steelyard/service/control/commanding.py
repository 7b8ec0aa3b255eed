"""Commands to the engine, for whoever brings them: where they stand once they are durable."""

from __future__ import annotations

from typing import NamedTuple

from steelyard.engine.engine import Engine
from steelyard.quantities import InvariantError, parse_units
from steelyard.quantities.errors import SteelyardError
from steelyard.service.control.errors import Stopped, not_fit
from steelyard.service.control.seams import Host, Make
from steelyard.ticks import Event, OrderReserved, ReservationConfirmed, ReservationReleased

LIFE_US = 10_000_000
"""How long margin is set aside for an order where nobody says."""


class Placed(NamedTuple):
    """Where an event stands in the journal, and the engine's time that it was stamped with."""

    seq: int
    position: int
    time_us: int


class SetAside(NamedTuple):
    """A reservation: where its event stands, and when it ends by itself."""

    placed: Placed
    expires_us: int


async def commanded(host: Host, make: Make) -> Placed:
    """Return where an event stands in the journal, once it is durable there.

    Errors: what refuses the event; JOUR-… when the journal cannot be written; PLAN-E13 when the engine has
    stopped.
    """
    times: list[int] = []

    def made(time_us: int, origin: str, number: int) -> Event:
        times.append(time_us)
        return make(time_us, origin, number)

    try:
        receipt = await host.command(made)
    except SteelyardError:
        raise
    except Exception as error:
        if host.engine.stopped is None and not isinstance(error, InvariantError):
            raise
        raise Stopped() from error
    return Placed(receipt.seq, receipt.position, times[-1])


async def set_aside(
    host: Host, account: str, order: str, instrument: str, quantity: str, price: str, life_us: int
) -> SetAside:
    """Return a reservation of margin for an order, once it is durable.

    quantity: signed units of the instrument, price: as of an order, both as text of a decimal. Errors:
    PLAN-E04, QUAN-E01 … E03, TICK-…, ADMT-…, CTRL-….
    """
    lots = lots_of(host.engine, instrument, quantity)
    paid = float(price)
    ends: list[int] = []

    def make(time_us: int, origin: str, number: int) -> Event:
        ends.append(time_us + life_us)
        return OrderReserved(
            time_us, origin, number, account, order, instrument, lots, paid, ends[-1]
        )

    return SetAside(await commanded(host, make), ends[-1])


async def confirm(host: Host, account: str, order: str) -> Placed:
    """Return where the confirmation of a reservation stands: the order rests from now on."""
    return await commanded(
        host, lambda time_us, origin, n: ReservationConfirmed(time_us, origin, n, account, order)
    )


async def release(host: Host, account: str, order: str) -> Placed:
    """Return where the release of a reservation stands: its margin is free again."""
    return await commanded(
        host, lambda time_us, origin, n: ReservationReleased(time_us, origin, n, account, order)
    )


def lots_of(engine: Engine, instrument: str, quantity: str) -> int:
    """Return a signed quantity in lots. Errors: PLAN-E04, QUAN-E01 … E03."""
    slot = engine.market.instrument_slots.get(instrument)
    if slot is None:
        raise not_fit(
            "instrument", f"instrument {instrument[:64]} is not listed",
            "instruments are those listed", "see the list of instruments",
        )  # fmt: skip
    exponent = engine.market.instruments[slot].lot_exponent
    lots = parse_units(quantity, exponent, field="quantity")
    if not lots:
        raise not_fit("quantity", "the quantity is zero", "an order buys or sells something")
    return lots
