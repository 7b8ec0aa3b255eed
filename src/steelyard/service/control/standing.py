"""What operators have ordered, as it stands: halts, the kill switch, overrides, proposals, reservations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, JsonValue

from steelyard.engine.reservations import reservations_of
from steelyard.quantities import from_units
from steelyard.service.control.accounts import AccountName, require_account, roster_of
from steelyard.service.control.answers import as_of, read
from steelyard.service.control.asking import Paged, page_by
from steelyard.service.control.controls import Id
from steelyard.service.control.errors import is_over, unknown
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.proposals import Impact, impact_of
from steelyard.service.control.shapes import Amount, Page, Reading, Seq, TimeUs, Told, amount
from steelyard.service.control.telling import described
from steelyard.terms.controls import (
    ControlState,
    HaltKind,
    KillMode,
    Override,
    OverrideKind,
    OverrideState,
    Proposal,
    ProposalState,
    Restriction,
    Scope,
)

router = APIRouter(route_class=ControlRoute, tags=["controls"])
Asks = Annotated[Asking, Depends(asking)]


class Ended(Told):
    """How something ended: when, by whom (two persons where both had to agree, empty for time), and why."""

    time_us: TimeUs
    by: str
    reason: str


class RestrictionTold(Told):
    """A halt, reduce-only, or the kill switch (`is_kill_switch`). until_us: null for an open end."""

    id: str
    kind: HaltKind | KillMode
    is_kill_switch: bool
    scope: Scope
    subject: str | None
    state: ControlState
    author: str
    reason: str
    since_us: TimeUs
    since_seq: Seq
    until_us: TimeUs | None
    liquidations_held_until_us: TimeUs | None
    ended: Ended | None


class OverrideTold(Told):
    """An exception to the rules: who asked, who else approved, until when."""

    id: str
    kind: OverrideKind
    subject: str
    state: OverrideState
    author: str
    approver: str | None
    reason: str
    since_us: TimeUs
    since_seq: Seq
    approved_us: TimeUs | None
    until_us: TimeUs
    ended: Ended | None


class ChangeTold(Told):
    """One parameter: its value when it was proposed, and the value proposed."""

    path: str
    base: JsonValue
    value: JsonValue


class ProposalTold(Told):
    """A change of parameters: who proposed it, who else approved it, from when on it holds.

    due_us: when it is applied, or lapses for want of an approval.
    """

    id: str
    state: ProposalState
    changes: list[ChangeTold]
    effective_us: TimeUs
    due_us: TimeUs
    author: str
    approver: str | None
    reason: str
    since_us: TimeUs
    since_seq: Seq
    approved_us: TimeUs | None
    ended: Ended | None


class ReservationTold(Told):
    """Margin set aside for an order: signed units still open, and when that ends."""

    unit: str
    order: str
    instrument: str
    quantity: Amount
    expires_us: TimeUs


class RestrictionPage(Page[RestrictionTold]):
    """A page of the list. next: where it goes on, null at its end."""


class OverridePage(Page[OverrideTold]):
    """A page of the list. next: where it goes on, null at its end."""


class ProposalPage(Page[ProposalTold]):
    """A page of the list. next: where it goes on, null at its end."""


class ReservationPage(Page[ReservationTold]):
    """A page of the list. next: where it goes on, null at its end."""


class KillSwitch(Reading):
    """Whether the kill switch is on, and which one: the strictest, should there be several."""

    is_on: bool
    restriction: RestrictionTold | None


class OneProposal(ProposalTold, Reading):
    """One proposal."""


OpenOrEnded = Literal["open", "ended"]


class StandingAsked(Paged):
    """Which ones, oldest first."""

    standing: Annotated[
        OpenOrEnded | None, Field(description="Only those in force or waiting, or only ended ones.")
    ] = None


@router.get(
    "/halts", openapi_extra=stated("read", credits=20),
    **described("listHalts", "Halts, reduce-only and kill switches, oldest first", RestrictionPage),
)  # fmt: skip
async def list_halts(
    request: Request, asked: Annotated[StandingAsked, Query()], asks: Asks
) -> Response:
    """Return a page of restrictions; of those on accounts, the ones that the key reaches."""
    engine = asks.plane.host.engine
    found = _standing(asked, engine.controls.active_restrictions, engine.controls.past_restrictions)
    mine = [each for each in found if each.scope != "account" or asks.session.reaches(each.subject)]
    page, key = page_by(mine, _since, asked, "halts")
    link = asked.link(request, "halts", key)
    items = [_restriction(each) for each in page]
    return read(request, RestrictionPage(**as_of(engine), items=items, next=link), link=link)


@router.get(
    "/kill-switch", openapi_extra=stated("read", credits=5),
    **described("getKillSwitch", "Whether the kill switch is on", KillSwitch),
)  # fmt: skip
async def get_kill_switch(request: Request, asks: Asks) -> Response:
    """Return the kill switch."""
    engine = asks.plane.host.engine
    on = engine.controls.kill_switch
    told = None if on is None else _restriction(on)
    return read(request, KillSwitch(**as_of(engine), is_on=on is not None, restriction=told))


@router.get(
    "/overrides", openapi_extra=stated("risk", "every", credits=20),
    **described("listOverrides", "Exceptions to the rules, oldest first", OverridePage),
)  # fmt: skip
async def list_overrides(
    request: Request, asked: Annotated[StandingAsked, Query()], asks: Asks
) -> Response:
    """Return a page of overrides."""
    engine = asks.plane.host.engine
    found = _standing(asked, engine.controls.open_overrides, engine.controls.past_overrides)
    page, key = page_by(found, _since, asked, "overrides")
    link = asked.link(request, "overrides", key)
    items = [_override(each) for each in page]
    return read(request, OverridePage(**as_of(engine), items=items, next=link), link=link)


@router.get(
    "/proposals", openapi_extra=stated("risk", "every", credits=20),
    **described("listProposals", "Changes of parameters, oldest first", ProposalPage),
)  # fmt: skip
async def list_proposals(
    request: Request, asked: Annotated[StandingAsked, Query()], asks: Asks
) -> Response:
    """Return a page of proposals."""
    engine = asks.plane.host.engine
    found = _standing(asked, engine.controls.open_proposals, engine.controls.past_proposals)
    page, key = page_by(found, _since, asked, "proposals")
    link = asked.link(request, "proposals", key)
    items = [ProposalTold(**_proposal(each)) for each in page]
    return read(request, ProposalPage(**as_of(engine), items=items, next=link), link=link)


@router.get(
    "/proposals/{proposal}", openapi_extra=stated("risk", "every", credits=5),
    **described("getProposal", "One change of parameters", OneProposal),
)  # fmt: skip
async def get_proposal(request: Request, proposal: Id, asks: Asks) -> Response:
    """Return a proposal. Errors: PLAN-E10."""
    engine = asks.plane.host.engine
    found = _proposal(_known(asks, proposal))
    return read(request, OneProposal(**as_of(engine), **found))


@router.get(
    "/proposals/{proposal}/impact", openapi_extra=stated("risk", "every", credits=20_000),
    **described("impactOfProposal", "What a proposal would do to the accounts now", Impact),
)  # fmt: skip
async def impact_of_proposal(request: Request, proposal: Id, asks: Asks) -> Response:
    """Return what an open proposal would do. Errors: PLAN-E10, PLAN-E14, PLAN-E15."""
    found = _known(asks, proposal)
    if found.state not in ("proposed", "approved"):
        raise is_over("proposal", proposal, found.state)
    return read(request, await impact_of(asks, list(found.changes)))


@router.get(
    "/accounts/{account}/reservations", openapi_extra=stated("read", "one", credits=10),
    **described("listReservations", "The margin that an account has set aside, by unit and order", ReservationPage),
)  # fmt: skip
async def list_reservations(
    request: Request, account: AccountName, asked: Annotated[Paged, Query()], asks: Asks
) -> Response:
    """Return a page of an account's reservations. Errors: PLAN-E10."""
    engine = asks.plane.host.engine
    require_account(engine, account)
    found = [
        ReservationTold(
            unit=each.unit, order=each.order, instrument=each.instrument, expires_us=each.expires_us,
            quantity=amount(from_units(each.quantity, _lot_exponent(engine, each.instrument))),
        )
        for unit in roster_of(asks).of_owner(account)
        for each in reservations_of(engine, unit)
    ]  # fmt: skip
    name = f"reservations of {account}"
    page, key = page_by(found, lambda each: [each.unit, each.order], asked, name)
    link = asked.link(request, name, key)
    return read(request, ReservationPage(**as_of(engine), items=page, next=link), link=link)


def _lot_exponent(engine: Any, instrument: str) -> int:
    slot = engine.market.instrument_slots[instrument]
    exponent: int = engine.market.instruments[slot].lot_exponent
    return exponent


def _standing(asked: StandingAsked, standing: tuple[Any, ...], ended: tuple[Any, ...]) -> list[Any]:
    """Return the records asked for, by the event that began them."""
    chosen = {"open": standing, "ended": ended}.get(asked.standing or "", (*standing, *ended))
    return sorted(chosen, key=_since)


def _since(record: Restriction | Override | Proposal) -> int:
    return record.since_seq


def _known(asks: Asking, proposal: str) -> Proposal:
    found = asks.plane.host.engine.controls.proposal(proposal)
    if found is None:
        raise unknown("proposal", proposal, "see /v1/proposals")
    return found


def _ended(record: Restriction | Override | Proposal) -> Ended | None:
    if not record.ended_us:
        return None
    return Ended(time_us=record.ended_us, by=record.ended_by, reason=record.end_reason)


def _restriction(found: Restriction) -> RestrictionTold:
    return RestrictionTold(
        id=found.control, kind=found.kind, is_kill_switch=found.is_kill_switch, scope=found.scope,
        subject=found.subject or None, state=found.state, author=found.author, reason=found.reason,
        since_us=found.since_us, since_seq=found.since_seq, until_us=found.until_us or None,
        liquidations_held_until_us=found.liquidations_held_until_us or None, ended=_ended(found),
    )  # fmt: skip


def _override(found: Override) -> OverrideTold:
    return OverrideTold(
        id=found.override, kind=found.kind, subject=found.subject, state=found.state,
        author=found.author, approver=found.approver or None, reason=found.reason,
        since_us=found.since_us, since_seq=found.since_seq, approved_us=found.approved_us or None,
        until_us=found.until_us, ended=_ended(found),
    )  # fmt: skip


def _proposal(found: Proposal) -> dict[str, Any]:
    changes = [
        ChangeTold(path=edit.path, base=msgspec.json.decode(base or "null"),
                   value=msgspec.json.decode(edit.value_json))
        for edit, base in zip(found.changes, found.bases, strict=True)
    ]  # fmt: skip
    return {
        "id": found.proposal, "state": found.state, "changes": changes,
        "effective_us": found.effective_us, "due_us": found.due_us, "author": found.author,
        "approver": found.approver or None, "reason": found.reason, "since_us": found.since_us,
        "since_seq": found.since_seq, "approved_us": found.approved_us or None,
        "ended": _ended(found),
    }  # fmt: skip
