"""The library of margin methods: every document by name and version, with its hash."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from steelyard.service.control.answers import as_of, read
from steelyard.service.control.asking import Paged, Question, page_by
from steelyard.service.control.guard import Asking, ControlRoute, asking, stated
from steelyard.service.control.shapes import Page, Reading, Told
from steelyard.service.control.telling import described
from steelyard.terms.documents import MethodDocument, documents

router = APIRouter(route_class=ControlRoute, tags=["methods"])
Asks = Annotated[Asking, Depends(asking)]
MethodName = Annotated[str, Path(min_length=1, max_length=64, examples=["paradex-pm"])]


class MethodTold(Told):
    """A document of a margin method. digest: SHA-256 of its canonical encoding, which a signature signs."""

    name: str
    version: str
    valid_from: str
    title: str
    currency: str
    core: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class MethodRead(MethodTold, Reading):
    """A whole document: the units of its parameters, their values, and how a core puts them together."""

    source: str
    units: dict[str, Any]
    parameters: dict[str, Any]
    rules: dict[str, Any]


class MethodPage(Page[MethodTold]):
    """A page of the list. next: where it goes on, null at its end."""


class Versions(Reading):
    """Every version of a method, the one that holds last at the end."""

    items: list[MethodTold]


class MethodAsked(Question):
    """Which version."""

    version: Annotated[
        Annotated[str, Field(min_length=1, max_length=64)] | None,
        Field(description="The newest where it is left out."),
    ] = None


@router.get(
    "/methods", openapi_extra=stated("read", credits=50),
    **described("listMethods", "The newest version of every margin method", MethodPage),
)  # fmt: skip
async def list_methods(request: Request, asked: Annotated[Paged, Query()], asks: Asks) -> Response:
    """Return a page of methods by name."""
    library = documents()
    page, key = page_by(library.names(), str, asked, "methods")
    link = asked.link(request, "methods", key)
    items = [_told(library.get(name)) for name in page]
    engine = asks.plane.host.engine
    found = MethodPage(**as_of(engine), items=items, next=link)
    return read(request, found, link=link)


@router.get(
    "/methods/{method}", openapi_extra=stated("read", credits=20),
    **described("getMethod", "A margin method as a document", MethodRead),
)  # fmt: skip
async def get_method(
    request: Request, method: MethodName, asked: Annotated[MethodAsked, Query()], asks: Asks
) -> Response:
    """Return a document. Errors: TERM-E16."""
    document = documents().get(method, asked.version)
    plain: dict[str, Any] = msgspec.to_builtins(document)
    whole = {name: plain[name] for name in ("source", "units", "parameters", "rules")}
    told = _told(document).model_dump()
    return read(request, MethodRead(**as_of(asks.plane.host.engine), **told, **whole))


@router.get(
    "/methods/{method}/versions", openapi_extra=stated("read", credits=20),
    **described("listMethodVersions", "The versions of a margin method", Versions),
)  # fmt: skip
async def list_versions(request: Request, method: MethodName, asks: Asks) -> Response:
    """Return the versions of a method. Errors: TERM-E16."""
    items = [_told(each) for each in documents().versions(method)]
    return read(request, Versions(**as_of(asks.plane.host.engine), items=items))


def _told(document: MethodDocument) -> MethodTold:
    return MethodTold(
        name=document.name, version=document.version, valid_from=document.valid_from,
        title=document.title, currency=document.currency, core=document.core,
        digest=document.digest(),
    )  # fmt: skip
