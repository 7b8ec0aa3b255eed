"""Prices decided by persons: one proposes, another approves, and then the engine is told.

The engine takes a `PriceDecision` of two persons as one event. Until the second has spoken nothing has been
decided, so a proposal is kept here alone, for as long as its own end: a restart forgets it, and it is made
again.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from steelyard.engine.admission import admit
from steelyard.service.control.answers import as_of, done, read, written
from steelyard.service.control.asking import Paged, page_by
from steelyard.service.control.controls import Agreed, Id
from steelyard.service.control.errors import refuse_too_many, same_person, unknown
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import (
    Asked,
    AssetName,
    Page,
    Positive,
    Reading,
    ShortText,
    TimeUs,
    Told,
    exampled,
)
from steelyard.service.control.telling import described
from steelyard.terms.controls import is_same_person
from steelyard.ticks import PriceDecision
from steelyard.ticks.events import DecisionBasis

router = APIRouter(route_class=ControlRoute, tags=["controls"])
Asks = Annotated[Asking, Depends(asking)]
OPEN_MAX = 100


class DecisionAsked(Asked):
    """A price of a protected asset in USD, until until_us (a day at most) or until its sources agree again."""

    model_config = exampled(
        {
            "asset": "BTC",
            "price": "120950.50",
            "basis": "judgement",
            "reason": "two venues are down",
            "until_us": 1767229200000000,
        }
    )

    asset: AssetName
    price: Annotated[Positive, Field(examples=["120950.50"])]
    basis: DecisionBasis
    reason: ShortText
    until_us: TimeUs


class DecisionTold(Told):
    """A price that waits for another person's approval."""

    id: str
    asset: str
    price: str
    basis: DecisionBasis
    author: str
    reason: str
    until_us: TimeUs


class DecisionProposed(DecisionTold, Reading):
    """A proposal that was taken. It is in no journal before somebody approves it."""


class DecisionPage(Page[DecisionTold]):
    """A page of the list. next: where it goes on, null at its end."""


class Waiting:
    """The proposals that wait, by id."""

    def __init__(self) -> None:
        self.number = 0
        self.open: dict[str, DecisionTold] = {}

    def forget(self, time_us: int) -> None:
        """Drop the proposals whose end has come."""
        self.open = {name: each for name, each in self.open.items() if each.until_us > time_us}


@router.get(
    "/price-decisions", openapi_extra=stated("risk", "every", credits=10),
    **described("listPriceDecisions", "Prices that wait for an approval", DecisionPage),
)  # fmt: skip
async def list_decisions(
    request: Request, asked: Annotated[Paged, Query()], asks: Asks
) -> Response:
    """Return a page of open proposals by id."""
    found = sorted(_waiting(asks).open.values(), key=_number)
    page, key = page_by(found, _number, asked, "price-decisions")
    link = asked.link(request, "price-decisions", key)
    engine = asks.plane.host.engine
    return read(request, DecisionPage(**as_of(engine), items=page, next=link), link=link)


@router.post(
    "/price-decisions", status_code=202, openapi_extra=stated("risk", "every", credits=10),
    **described("proposePriceDecision", "Propose a price of a protected asset; another person approves", DecisionProposed, is_write=True),
)  # fmt: skip
async def propose_decision(body: DecisionAsked, asks: Asks) -> Response:
    """Return the id of the proposal; what the engine would refuse is refused now."""
    waiting, engine = _waiting(asks), asks.plane.host.engine
    if len(waiting.open) >= OPEN_MAX:
        refuse_too_many("price decisions", OPEN_MAX)
    author = asks.session.key_id
    proposal = DecisionTold(
        id=f"decision-{waiting.number + 1}", asset=body.asset, price=body.price, basis=body.basis,
        author=author, reason=body.reason, until_us=body.until_us,
    )  # fmt: skip
    origin = "price decision"
    admit(
        engine,
        _event(proposal, "another person", engine.market.time_us, origin, 1),
    )
    waiting.number += 1
    waiting.open[proposal.id] = proposal
    return done(DecisionProposed(**as_of(engine), **proposal.model_dump()), 202)


@router.post(
    "/price-decisions/{decision}/approve", status_code=201,
    openapi_extra=stated("admin", "every", credits=10),
    **described("approvePriceDecision", "Approve a price of another person: it holds from now on"),
)  # fmt: skip
async def approve_decision(decision: Id, body: Agreed, asks: Asks) -> Response:
    """Return where the decision stands in the journal. Errors: PLAN-E10, PLAN-E11, TICK-…, ADMT-…."""
    del body
    waiting = _waiting(asks)
    proposal = waiting.open.get(decision)
    if proposal is None:
        raise unknown("price decision", decision, "see /v1/price-decisions, or propose it again")
    person = asks.session.key_id
    if is_same_person(proposal.author, person):
        raise same_person("price", person)
    found = await asks.plane.command(
        lambda time_us, origin, number: _event(proposal, person, time_us, origin, number)
    )
    waiting.open.pop(decision, None)
    return written(found)


@router.delete(
    "/price-decisions/{decision}", openapi_extra=stated("risk", "every", credits=10),
    **described("withdrawPriceDecision", "Drop a price that waits for an approval", DecisionProposed, is_write=True),
)  # fmt: skip
async def withdraw_decision(decision: Id, asks: Asks) -> Response:
    """Return the proposal that was dropped. Errors: PLAN-E10."""
    proposal = _waiting(asks).open.pop(decision, None)
    if proposal is None:
        raise unknown("price decision", decision, "see /v1/price-decisions")
    engine = asks.plane.host.engine
    return done(DecisionProposed(**as_of(engine), **proposal.model_dump()))


def _waiting(asks: Asking) -> Waiting:
    found: Waiting = asks.plane.stores.setdefault("price decisions", Waiting())
    found.forget(asks.plane.host.engine.market.time_us)
    return found


def _number(each: DecisionTold) -> int:
    return int(each.id.rpartition("-")[2])


def _event(
    proposal: DecisionTold, approver: str, time_us: int, origin: str, number: int
) -> PriceDecision:
    return PriceDecision(
        time_us, origin, number, proposal.asset, float(proposal.price), proposal.basis,
        [proposal.author, approver], proposal.reason, proposal.until_us,
    )  # fmt: skip
