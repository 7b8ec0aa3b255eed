"""The pre-trade check: margin set aside for an order before it is sent, or the refusal that it is not there.

    reserve → confirm (the order rests on the venue) or release (it was not sent); else it expires by itself

One event decides and sets aside at once, so two orders can never count on the same free margin; and who gets
no answer has nothing: a reservation that nobody confirms ends at its time.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import Field, StringConstraints

from steelyard.service.control.accounts import AccountName
from steelyard.service.control.answers import done, written
from steelyard.service.control.commanding import LIFE_US, confirm, release, set_aside
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import Amount, Asked, Done, Positive, TimeUs, exampled
from steelyard.service.control.telling import described
from steelyard.terms.controls import RESERVATION_US_MAX

router = APIRouter(route_class=ControlRoute, tags=["reservations"])
Asks = Annotated[Asking, Depends(asking)]
ORDER_PATTERN = r"^[A-Za-z0-9._:@-]{1,64}$"
OrderName = Annotated[str, Path(max_length=64, pattern=ORDER_PATTERN, examples=["o-1001"])]


class Reserved(Done):
    """Margin that is set aside: the order counts as resting until expires_us."""

    account: str
    order: str
    expires_us: TimeUs


class ReserveAsked(Asked):
    """An order that is about to be sent. quantity: signed units, positive buys. price: USD of a perpetual,
    premium in the settlement asset of an option. life_us: how long margin is set aside for it."""

    model_config = exampled(
        {
            "order": "o-1001",
            "instrument": "BTC_USDC-PERPETUAL",
            "quantity": "-0.5",
            "price": "120950.5",
        }
    )

    order: Annotated[str, StringConstraints(pattern=ORDER_PATTERN), Field(examples=["o-1001"])]
    instrument: Annotated[
        Annotated[str, Field(min_length=1, max_length=64)], Field(examples=["BTC_USDC-PERPETUAL"])
    ]
    quantity: Annotated[Amount, Field(examples=["-0.5"])]
    price: Annotated[Positive, Field(examples=["120950.5"])]
    life_us: Annotated[int, Field(ge=1, le=RESERVATION_US_MAX)] = LIFE_US


@router.post(
    "/accounts/{account}/reservations", status_code=201,
    openapi_extra=stated("trade", "one", credits=5),
    **described("reserve", "Set margin aside for an order, or refuse it", Reserved),
)  # fmt: skip
async def reserve_order(account: AccountName, body: ReserveAsked, asks: Asks) -> Response:
    """Return the reservation. Errors: as of `commanding.set_aside`."""
    found = await set_aside(
        asks.plane.host, account, body.order, body.instrument, body.quantity, body.price,
        body.life_us,
    )  # fmt: skip
    return written(
        Reserved(
            **found.placed._asdict(), account=account, order=body.order,
            expires_us=found.expires_us,
        )
    )  # fmt: skip


@router.post(
    "/accounts/{account}/reservations/{order}/confirm", status_code=201,
    openapi_extra=stated("trade", "one", credits=5),
    **described("confirmReservation", "The reserved order rests on the venue: it expires no more"),
)  # fmt: skip
async def confirm_order(account: AccountName, order: OrderName, asks: Asks) -> Response:
    """Return where the confirmation stands in the journal. Errors: CTRL-E04."""
    found = await confirm(asks.plane.host, account, order)
    return written(Done(**found._asdict()))


@router.delete(
    "/accounts/{account}/reservations/{order}", openapi_extra=stated("trade", "one", credits=5),
    **described("releaseReservation", "The reserved order was not sent: its margin is free again"),
)  # fmt: skip
async def release_order(account: AccountName, order: OrderName, asks: Asks) -> Response:
    """Return where the release stands in the journal. Errors: CTRL-E04."""
    found = await release(asks.plane.host, account, order)
    return done(Done(**found._asdict()))
