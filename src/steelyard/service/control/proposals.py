"""Changes of parameters: proposed by one person, seen in what they would do, approved by another, applied
at their time."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response
from pydantic import Field, JsonValue

from steelyard.publish.views import money
from steelyard.service.control.answers import done, written
from steelyard.service.control.controls import Agreed, Begun, Id, Why, begun
from steelyard.service.control.errors import no_other_state, not_fit
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import (
    Amount,
    Asked,
    Count,
    Reading,
    ShortText,
    TimeUs,
    Told,
    amount,
    exampled,
)
from steelyard.service.control.telling import described
from steelyard.service.rewind.impact import ImpactReport, UnitImpact
from steelyard.terms.controls import EDITS_MAX, ParameterEdit
from steelyard.ticks import Event, ParameterApproved, ParameterProposed, ParameterRejected

router = APIRouter(route_class=ControlRoute, tags=["parameters"])
Asks = Annotated[Asking, Depends(asking)]
VALUE_LENGTH_MAX = 4_096


class Change(Asked):
    """One parameter and its new value. path: as /v1/parameters names it."""

    path: Annotated[
        str,
        Field(min_length=1, max_length=96, pattern=r"^[A-Za-z0-9_.-]+$",
              examples=["underlying.BTC.range_ppm"]),
    ]  # fmt: skip
    value: Annotated[JsonValue, Field(examples=[180_000])]


class Proposed(Asked):
    """New values of parameters, all or none. effective_us: from when on, left out: from its approval."""

    model_config = exampled(
        {
            "changes": [{"path": "underlying.BTC.range_ppm", "value": 180000}],
            "reason": "a wilder market",
        }
    )

    changes: Annotated[list[Change], Field(min_length=1, max_length=EDITS_MAX)]
    reason: ShortText
    effective_us: TimeUs | None = None


class ImpactAsked(Asked):
    """Changes that nobody has proposed yet."""

    model_config = exampled({"changes": [{"path": "underlying.BTC.range_ppm", "value": 180000}]})

    changes: Annotated[list[Change], Field(min_length=1, max_length=EDITS_MAX)]


class UnitChange(Told):
    """What a change does to one margin unit, amounts in USDC. buffer: maintenance balance less requirement.

    state_without_grace: when the grace that the change gives has ended, prices still.
    """

    unit: str
    account: str
    state_before: str
    state_after: str
    state_without_grace: str
    buffer_before: Amount
    buffer_after: Amount
    buffer_change: Amount
    initial_requirement_before: Amount
    initial_requirement_after: Amount
    maintenance_requirement_before: Amount
    maintenance_requirement_after: Amount


class ValueChange(Told):
    """A parameter before and after; before: null where a table starts as a copy."""

    path: str
    before: JsonValue
    after: JsonValue


class Impact(Reading):
    """What a change would do as of one event, counted in margin units.

    units: all. changed: whose state or buffer is another; `accounts` are the first of them, the worst first.
    moved: of another state. called: newly in a margin call or deeper. liquidatable: newly, once their grace
    has ended. initial_short: that newly miss initial margin.
    """

    method_hash_before: str
    method_hash_after: str
    changes: list[ValueChange]
    units: Count
    changed: Count
    moved: Count
    called: Count
    liquidatable: Count
    initial_short: Count
    accounts: list[UnitChange]


@router.post(
    "/proposals", status_code=201, openapi_extra=stated("risk", "every", credits=20),
    **described("proposeParameters", "Propose new values of parameters; another person approves", Begun),
)  # fmt: skip
async def propose(body: Proposed, asks: Asks) -> Response:
    """Return the id of the proposal. Errors: PLAN-E04, TICK-…, TERM-E03, TERM-E04."""
    edits = edits_of(body.changes)

    def make(time_us: int, origin: str, number: int, name: str) -> Event:
        effective_us = time_us if body.effective_us is None else body.effective_us
        return ParameterProposed(
            time_us, origin, number, name, edits, effective_us, asks.session.key_id, body.reason
        )

    return await begun(asks, "proposal", make)


@router.post(
    "/proposals/{proposal}/approve", status_code=201,
    openapi_extra=stated("admin", "every", credits=10),
    **described("approveProposal", "Approve a proposal of another person: it is applied at its time"),
)  # fmt: skip
async def approve(proposal: Id, body: Agreed, asks: Asks) -> Response:
    """Return where the approval stands in the journal."""
    person = asks.session.key_id
    del body
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: ParameterApproved(
                time_us, origin, number, proposal, person
            )
        )
    )


@router.post(
    "/proposals/{proposal}/reject", status_code=201,
    openapi_extra=stated("risk", "every", credits=10),
    **described("rejectProposal", "Reject a proposal, or withdraw one's own: it is not applied"),
)  # fmt: skip
async def reject(proposal: Id, body: Why, asks: Asks) -> Response:
    """Return where the rejection stands in the journal."""
    person = asks.session.key_id
    return written(
        await asks.plane.command(
            lambda time_us, origin, number: ParameterRejected(
                time_us, origin, number, proposal, person, body.reason
            )
        )
    )


@router.post(
    "/parameters/impact",
    openapi_extra=stated("risk", "every", credits=20_000, **{"x-is-question": True}),
    **described("impactOfParameters", "What new values would do to the accounts, worked out beside the engine", Impact, is_write=True),
)  # fmt: skip
async def impact(body: ImpactAsked, asks: Asks) -> Response:
    """Return what changes would do. Errors: PLAN-E04, PLAN-E14, TERM-E03, TERM-E04."""
    return done(await impact_of(asks, edits_of(body.changes)))


async def impact_of(asks: Asking, edits: list[ParameterEdit]) -> Impact:
    """Return what edits would do. Errors: PLAN-E14, and those of the method for a value that does not fit."""
    method = asks.plane.host.engine.method
    method.with_parameters((edit.path, edit.value_json) for edit in edits)
    if asks.plane.impact is None:
        raise no_other_state()
    return _told(await asks.plane.impact([(edit.path, edit.value_json) for edit in edits]))


def edits_of(changes: list[Change]) -> list[ParameterEdit]:
    """Return changes as the journal keeps them. Errors: PLAN-E04."""
    edits = []
    for row, change in enumerate(changes):
        text = msgspec.json.encode(change.value).decode()
        if len(text) > VALUE_LENGTH_MAX:
            raise not_fit(
                f"body.changes[{row}].value", f"the value has {len(text)} characters",
                f"a value has at most {VALUE_LENGTH_MAX} characters as JSON",
            )  # fmt: skip
        edits.append(ParameterEdit(change.path, text))
    return edits


def _told(found: ImpactReport) -> Impact:
    return Impact(
        as_of_seq=found.as_of_seq, time_us=found.time_us,
        method_hash_before=found.method_hash_before, method_hash_after=found.method_hash_after,
        changes=[
            ValueChange(path=each.path, before=_value(each.before_json), after=_value(each.after_json))
            for each in found.changes
        ],
        units=found.units, changed=found.changed, moved=found.moved, called=found.called,
        liquidatable=found.liquidatable, initial_short=found.initial_short,
        accounts=[_unit(each) for each in found.accounts],
    )  # fmt: skip


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _unit(found: UnitImpact) -> UnitChange:
    before, after = found.buffer_before_micro, found.buffer_after_micro
    return UnitChange(
        unit=found.unit, account=found.account, state_before=found.state_before,
        state_after=found.state_after, state_without_grace=found.state_without_grace,
        buffer_before=_usd(before), buffer_after=_usd(after), buffer_change=_usd(after - before),
        initial_requirement_before=_usd(found.initial_requirement_before_micro),
        initial_requirement_after=_usd(found.initial_requirement_after_micro),
        maintenance_requirement_before=_usd(found.maintenance_requirement_before_micro),
        maintenance_requirement_after=_usd(found.maintenance_requirement_after_micro),
    )  # fmt: skip


def _usd(micro: int) -> str:
    return amount(money(micro))
