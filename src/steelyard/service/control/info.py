"""The service about itself: what runs, as of which event, and what its journal holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from steelyard import __version__
from steelyard.service.control.answers import as_of, read
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.journal import JournalSpan, span_of
from steelyard.service.control.shapes import Count, Reading
from steelyard.service.control.telling import described

router = APIRouter(route_class=ControlRoute, tags=["service"])
Asks = Annotated[Asking, Depends(asking)]


class ServiceInfo(Reading):
    """What runs. is_stopped: the engine takes no more events. has_impact: it tells what a change would do."""

    title: str
    version: str
    method: str
    method_version: str
    method_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    units: Count
    instruments: Count
    is_stopped: bool
    has_impact: bool


@router.get(
    "/service", openapi_extra=stated("public"),
    **described("getService", "What runs here", ServiceInfo, is_public=True),
)  # fmt: skip
async def get_service(request: Request, asks: Asks) -> Response:
    """Return what the service says of itself to anybody."""
    host = asks.plane.host
    engine = host.engine
    return read(
        request,
        ServiceInfo(
            **as_of(engine), title=host.title, version=__version__, method=engine.method.name,
            method_version=engine.method.version, method_digest=engine.method.digest().hex(),
            units=len(engine.places), instruments=len(engine.market.instruments),
            is_stopped=engine.stopped is not None, has_impact=asks.plane.impact is not None,
        ),
    )  # fmt: skip


@router.get(
    "/journal", openapi_extra=stated("risk", credits=200),
    **described("getJournal", "What the journal holds", JournalSpan),
)  # fmt: skip
async def get_journal(request: Request, asks: Asks) -> Response:
    """Return the first and the last event, what is durable, and the snapshots. Errors: JOUR-…."""
    return read(request, await span_of(asks.plane.host))
