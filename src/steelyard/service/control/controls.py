"""Halts, reduce-only, the kill switch, and overrides by two persons.

One person restricts at once, with a reason; what loosens takes two, and a person is a key. Everything ends
by itself or is ended by an event, and stands in the journal with who and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import Field

from steelyard.service.control.answers import written
from steelyard.service.control.errors import not_fit
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import Asked, Done, ShortText, TimeUs, exampled
from steelyard.service.control.telling import described
from steelyard.terms.controls import HaltKind, KillMode, Scope
from steelyard.ticks import (
    Event,
    KillSwitchPulled,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    TradingRestricted,
    TradingResumed,
)

router = APIRouter(route_class=ControlRoute, tags=["controls"])
Asks = Annotated[Asking, Depends(asking)]
Id = Annotated[str, Path(min_length=1, max_length=96)]
Subject = Annotated[str, Field(min_length=1, max_length=96)]
HoldUs = Annotated[
    TimeUs | None, Field(description="Nobody of the scope is liquidated before then; an hour at most.")
]  # fmt: skip

Making = Callable[[int, str, int, str], Event]
"""(time_us, origin, origin_seq, id) → the event that makes something of this id."""


class Begun(Done):
    """A command that made something with an id, and where it stands in the journal."""

    id: Annotated[str, Field(examples=["halt-17"])]


class Restricted(Asked):
    """A halt (no new orders) or reduce-only (orders that reduce).

    subject: the underlying, instrument or account; left out for the venue. until_us: it ends by itself
    then, left out: when somebody resumes trading.
    """

    model_config = exampled(
        {
            "kind": "halt",
            "scope": "underlying",
            "subject": "BTC",
            "reason": "its index is under attack",
        }
    )

    kind: HaltKind
    scope: Scope
    subject: Subject | None = None
    reason: Annotated[ShortText, Field(examples=["the source of the index is under attack"])]
    until_us: TimeUs | None = None
    liquidations_held_until_us: HoldUs = None


class Why(Asked):
    """Why something ends."""

    model_config = exampled({"reason": "the sources agree again"})

    reason: ShortText


class Pulled(Asked):
    """The kill switch: all orders go, and none comes in (freeze), or only those that reduce."""

    model_config = exampled({"mode": "cancel_and_reduce_only", "reason": "orders of nobody"})

    mode: KillMode
    reason: ShortText
    liquidations_held_until_us: HoldUs = None


class Lifted(Asked):
    """Trading begins again after the kill switch, once another person approves, before until_us."""

    model_config = exampled(
        {"control": "kill-17", "reason": "the cause is found", "until_us": 1767229200000000}
    )

    control: Annotated[Subject, Field(description="The id of the kill switch that was pulled.")]
    reason: ShortText
    until_us: TimeUs


class OverrideAsked(Asked):
    """An exception to the rules: hold_liquidation or withdrawal_hold of an account, protect_asset of an asset.

    It holds once another person approves, and ends at until_us, a day from now at most.
    """

    model_config = exampled(
        {
            "kind": "withdrawal_hold",
            "subject": "alice",
            "reason": "a lost key",
            "until_us": 1767229200000000,
        }
    )

    kind: Literal["hold_liquidation", "withdrawal_hold", "protect_asset"]
    subject: Subject
    reason: ShortText
    until_us: TimeUs


class Agreed(Asked):
    """Nothing more is said."""

    model_config = exampled({})


@router.post(
    "/halts", status_code=201, openapi_extra=stated("risk", "every", credits=10),
    **described("restrictTrading", "Halt trading of a scope, or let only reductions through", Begun),
)  # fmt: skip
async def restrict(body: Restricted, asks: Asks) -> Response:
    """Return the id of the halt. Errors: PLAN-E04, TICK-…, ADMT-…."""
    if (body.subject is None) != (body.scope == "venue"):
        raise not_fit(
            "body.subject", "the venue has no subject, everything else has one",
            "a subject names the underlying, instrument or account of the scope",
        )  # fmt: skip

    def make(time_us: int, origin: str, number: int, name: str) -> Event:
        return TradingRestricted(
            time_us, origin, number, name, body.kind, body.scope, body.subject or "",
            asks.session.key_id, body.reason, body.until_us or 0,
            body.liquidations_held_until_us or 0,
        )  # fmt: skip

    return await begun(asks, "halt", make)


@router.post(
    "/halts/{control}/resume", status_code=201,
    openapi_extra=stated("risk", "every", credits=10),
    **described("resumeTrading", "End a halt or reduce-only"),
)  # fmt: skip
async def resume(control: Id, body: Why, asks: Asks) -> Response:
    """Return where the end of the halt stands in the journal."""
    person = asks.session.key_id
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: TradingResumed(
                time_us, origin, number, control, person, body.reason
            )
        )
    )


@router.post(
    "/kill-switch", status_code=201, openapi_extra=stated("risk", "every", credits=10),
    **described("pullKillSwitch", "Cancel every order and stop trading", Begun),
)  # fmt: skip
async def pull(body: Pulled, asks: Asks) -> Response:
    """Return the id of the kill switch, which lifting it names."""

    def make(time_us: int, origin: str, number: int, name: str) -> Event:
        return KillSwitchPulled(
            time_us, origin, number, name, body.mode, asks.session.key_id, body.reason,
            body.liquidations_held_until_us or 0,
        )  # fmt: skip

    return await begun(asks, "kill", make)


@router.post(
    "/kill-switch/lift", status_code=201, openapi_extra=stated("admin", "every", credits=10),
    **described("proposeLiftingKillSwitch", "Ask to lift the kill switch; another admin approves", Begun),
)  # fmt: skip
async def lift(body: Lifted, asks: Asks) -> Response:
    """Return the id of the override that another person approves."""

    def make(time_us: int, origin: str, number: int, name: str) -> Event:
        return OverrideProposed(
            time_us, origin, number, name, "lift_kill_switch", body.control,
            asks.session.key_id, body.reason, body.until_us,
        )  # fmt: skip

    return await begun(asks, "override", make)


@router.post(
    "/overrides", status_code=201, openapi_extra=stated("risk", "every", credits=10),
    **described("proposeOverride", "Ask for an exception to the rules; another person approves", Begun),
)  # fmt: skip
async def propose_override(body: OverrideAsked, asks: Asks) -> Response:
    """Return the id of the override."""

    def make(time_us: int, origin: str, number: int, name: str) -> Event:
        return OverrideProposed(
            time_us, origin, number, name, body.kind, body.subject, asks.session.key_id, body.reason,
            body.until_us,
        )  # fmt: skip

    return await begun(asks, "override", make)


@router.post(
    "/overrides/{override}/approve", status_code=201,
    openapi_extra=stated("admin", "every", credits=10),
    **described("approveOverride", "Approve an override of another person: it holds from now on"),
)  # fmt: skip
async def approve_override(override: Id, body: Agreed, asks: Asks) -> Response:
    """Return where the approval stands in the journal."""
    person = asks.session.key_id
    del body
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: OverrideApproved(
                time_us, origin, number, override, person
            )
        )
    )


@router.post(
    "/overrides/{override}/withdraw", status_code=201,
    openapi_extra=stated("risk", "every", credits=10),
    **described("withdrawOverride", "End an override before its time; the rules hold again"),
)  # fmt: skip
async def withdraw_override(override: Id, body: Why, asks: Asks) -> Response:
    """Return where the end of the override stands in the journal."""
    person = asks.session.key_id
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: OverrideWithdrawn(
                time_us, origin, number, override, person, body.reason
            )
        )
    )


async def begun(asks: Asking, kind: str, make: Making) -> Response:
    """Return a command's place and the id of what it made: its kind and the number of its event's sender.

    That number rises for good, so an id is never used twice.
    """
    names: list[str] = []

    def named(time_us: int, origin: str, number: int) -> Event:
        names.append(f"{kind}-{number}")
        return make(time_us, origin, number, names[-1])

    found = await asks.plane.command(named)
    return written(
        Begun(seq=found.seq, position=found.position, time_us=found.time_us, id=names[-1])
    )
