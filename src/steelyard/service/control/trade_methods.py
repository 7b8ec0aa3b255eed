"""The pre-trade check as methods of the JSON-RPC service: private/reserve, private/confirm, private/release.

They are commands: answered when the journal holds them for good, and sent by POST or over a WebSocket. Twins
of the control plane's reservations, without its idempotency keys: the id of the order does that here, since
an order is reserved once (CTRL-E05).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from steelyard.service.answers.desk import Context
from steelyard.service.answers.scope import named
from steelyard.service.control.commanding import (
    LIFE_US,
    Placed,
    confirm,
    release,
    set_aside,
)
from steelyard.service.control.seams import Host
from steelyard.service.rpc.registry import Method
from steelyard.terms.controls import RESERVATION_US_MAX

CREDITS = 20
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
OrderText = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:@-]{1,64}$")]


class ReserveParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/reserve. quantity: signed units, positive buys. price: USD of a perpetual, premium
    in the settlement asset of an option. life_us: how long margin is set aside. account: left out, the
    only one of the key."""

    order: OrderText
    instrument_name: Text
    quantity: Decimal
    price: Decimal
    life_us: Annotated[int, msgspec.Meta(ge=1, le=RESERVATION_US_MAX)] = LIFE_US
    account: str | None = None


class OrderParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/confirm and private/release."""

    order: OrderText
    account: str | None = None


class Reservation(msgspec.Struct, frozen=True):
    """Margin that is set aside until expires_us; seq and position: where it stands in the journal."""

    account: str
    order: str
    expires_us: int
    seq: int
    position: int
    time_us: int


class Settled(msgspec.Struct, frozen=True):
    """A reservation that was confirmed or released; seq and position: where that stands in the journal."""

    account: str
    order: str
    seq: int
    position: int
    time_us: int


def trade_methods(host: Host) -> tuple[Method, ...]:
    """Return the methods of the pre-trade check, over a host."""

    async def reserve(params: ReserveParams, context: Context) -> Reservation:
        account = named(context, params.account)
        found = await set_aside(
            host, account, params.order, params.instrument_name, str(params.quantity),
            str(params.price), params.life_us,
        )  # fmt: skip
        return Reservation(account, params.order, found.expires_us, *found.placed)

    async def confirmed(params: OrderParams, context: Context) -> Settled:
        account = named(context, params.account)
        return _settled(account, params.order, await confirm(host, account, params.order))

    async def released(params: OrderParams, context: Context) -> Settled:
        account = named(context, params.account)
        return _settled(account, params.order, await release(host, account, params.order))

    return (
        Method(
            name="private/reserve", handler=reserve, params=ReserveParams, result=Reservation,
            scope="trade", credits=CREDITS, is_private=True, touches="one",
            summary="Sets margin aside for an order, or refuses it",
        ),
        Method(
            name="private/confirm", handler=confirmed, params=OrderParams, result=Settled,
            scope="trade", credits=CREDITS, is_private=True, touches="one",
            summary="Lets a reserved order rest: it expires no more",
        ),
        Method(
            name="private/release", handler=released, params=OrderParams, result=Settled,
            scope="trade", credits=CREDITS, is_private=True, touches="one",
            summary="Gives back the margin of a reserved order",
        ),
    )  # fmt: skip


def _settled(account: str, order: str, placed: Placed) -> Settled:
    return Settled(account, order, *placed)
