"""The way of a request to its handler, the same for every route.

    proof → scope and account → credits → idempotency key → limits of the body → JSON → handler → problem

What is refused has touched no engine. A write runs on to its end, and keeps its answer for its idempotency
key, even if whoever sent it is gone: an event that was submitted is in the journal.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.access.matrix import PUBLIC, Matrix, Row, Touches
from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.control.commanding import commanded
from steelyard.service.control.errors import not_fit
from steelyard.service.control.idempotency import Idempotency, Stored
from steelyard.service.control.problems import (
    no_json,
    of_http,
    of_validation,
    problem_of,
    unexpected,
)
from steelyard.service.control.seams import Host, Impacting, Make, Service
from steelyard.service.control.shapes import Done
from steelyard.service.rpc.dispatch import Incident
from steelyard.service.rpc.limits import Limits, check_limits, check_size

BODY_LIMITS = Limits(body_bytes_max=1 << 18, depth_max=8, elements_max=10_000)
IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,128}")
Handled = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(slots=True)
class Plane:
    """What the routes share: the service, the clock, the access matrix and the stores of this process.

    clock: UTC microseconds. impact: works out what a change would do, None where nothing can. on_incident:
    is told of unexpected failures.
    """

    service: Service
    host: Host
    clock: Callable[[], int]
    impact: Impacting | None
    on_incident: Callable[[Incident], object]
    matrix: Matrix = field(default_factory=lambda: Matrix(()))
    idempotency: Idempotency = field(default_factory=Idempotency)
    stores: dict[str, Any] = field(default_factory=dict)
    tasks: set[asyncio.Task[Response]] = field(default_factory=set)
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def command(self, make: Make) -> Done:
        """Return where a command stands in the journal, once it is durable there.

        Errors: what refuses the event, PLAN-E13 when the engine has stopped.
        """
        return Done(**(await commanded(self.host, make))._asdict())


class Cost(NamedTuple):
    """What is charged for: a scope and credits, as of a method."""

    scope: str
    credits: int


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and on which plane."""

    plane: Plane
    session: Session


async def asking(request: Request) -> Asking:
    """Return who asks: a dependency of every handler, set before it by the route."""
    found: Asking = request.state.asking
    return found


def endpoint(method: str, path: str) -> str:
    """Return the name of an endpoint in the access matrix.

    >>> endpoint("GET", "/accounts")
    'GET /v1/accounts'
    """
    return f"{method} /v1{path}"


class ControlRoute(APIRoute):
    """A route whose `openapi_extra` states its scope, what it touches and what it costs."""

    def row(self) -> Row | None:
        """Return the row of the access matrix, None where the route states none."""
        extra = self.openapi_extra or {}
        if "x-scope" not in extra:
            return None
        (method,) = self.methods or {""}
        return Row(endpoint(method, self.path_format), extra["x-scope"], extra["x-touches"])

    def cost(self) -> Cost:
        """Return what the route costs, and of which scope it is."""
        extra = self.openapi_extra or {}
        return Cost(extra.get("x-scope", ""), extra.get("x-credits", 0))

    def get_route_handler(self) -> Handled:
        """Return what leads a request to the handler and every failure to a problem."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            plane: Plane = request.app.state.plane
            time_us = plane.clock()
            instance = f"urn:steelyard:request:{time_us:x}-{next(plane.numbers)}"
            person = ""
            try:
                session = await self._admitted(plane, request, time_us)
                person = session.key_id
                request.state.asking = Asking(plane, session)
                if (self.openapi_extra or {}).get("x-is-question"):
                    _checked_json(request, await _body(request))
                    return await _answered(plane, inner, request, instance, person)
                if request.method == "GET":
                    return await _answered(plane, inner, request, instance, person)
                return await self._written(plane, inner, request, instance, session, time_us)
            except Exception as error:
                return _failed(plane, error, request, instance, person)

        return handle

    async def _admitted(self, plane: Plane, request: Request, time_us: int) -> Session:
        """Return the session of a request that may reach its handler, and take its credits."""
        address = request.client.host if request.client else ""
        charges, cost = plane.service.charges, self.cost()
        is_public = cost.scope == PUBLIC
        session = ANONYMOUS if is_public else await _session(plane, request, address, time_us)
        try:
            name = endpoint(request.method, self.path_format)
            plane.matrix.require(session, name, request.path_params.get("account"))
        except SteelyardError as error:
            charges.fault(session, error, time_us, address)
            raise
        charges.method(session, cost, time_us, address)
        if request.scope["query_string"] and not self.dependant.query_params:
            raise not_fit("query", "the route takes no query", "what is asked stands in path and body",
                          "leave the query out")  # fmt: skip
        return session

    async def _written(
        self, plane: Plane, inner: Handled, request: Request, instance: str, session: Session,
        time_us: int,
    ) -> Response:  # fmt: skip
        """Return the answer of a write, the stored one where it was done before."""
        key = request.headers.get(IDEMPOTENCY_KEY, "")
        if not _KEY.fullmatch(key):
            raise _no_key(key)
        body = await _body(request)
        if body:
            address = request.client.host if request.client else ""
            plane.service.charges.body(session, len(body), time_us, address)
            _checked_json(request, body)
        raw_path = request.scope.get("raw_path", b"") + b"?" + request.scope["query_string"]
        asked = request.method.encode() + b" " + raw_path + b"\n" + body
        route = self.operation_id or self.unique_id
        stored = plane.idempotency.begin(session.key_id, route, key, asked, time_us)
        if stored is not None:
            headers = {"Idempotent-Replayed": "true"}
            return Response(stored.body, stored.status, headers, media_type=stored.media_type)

        async def do() -> Response:
            kept: Stored | None = None
            try:
                answer = await inner(request)
            except Exception as error:
                answer = _failed(plane, error, request, instance, session.key_id)
                if _has_begun(error, answer):
                    kept = _stored(answer)
            else:
                kept = _stored(answer)
            finally:
                plane.idempotency.finish(session.key_id, route, key, kept)
            return answer

        task = asyncio.get_running_loop().create_task(do())
        plane.tasks.add(task)
        task.add_done_callback(plane.tasks.discard)
        return await asyncio.shield(task)


def _has_begun(error: Exception, answer: Response) -> bool:
    """Return whether a write that failed stays so under its key: its fields fitted, and something decided."""
    code = error.code if isinstance(error, SteelyardError) else ""
    is_unfit = isinstance(error, RequestValidationError) or code.startswith(("PLAN-E04", "QUAN-"))
    return not is_unfit and answer.status_code != 503


def _stored(answer: Response) -> Stored:
    media_type = answer.headers.get("content-type", "")
    return Stored(answer.status_code, bytes(answer.body), media_type)


async def _session(plane: Plane, request: Request, address: str, time_us: int) -> Session:
    """Return who asks: by a token, a secret or a signature, or nobody."""
    header = request.headers.get("authorization", "")
    if not header:
        return ANONYMOUS
    proofs = plane.service.proofs
    kind = header.partition(" ")[0].lower()
    if kind == "bearer":
        return proofs.bearer(header, time_us, address)
    if kind == "basic":
        return await proofs.basic(header, time_us, address)
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
    body = await _body(request)
    return proofs.signed(
        header, request.method, f"{path}?{query}" if query else path, body, time_us, address
    )


async def _body(request: Request) -> bytes:
    """Return the bytes of a body, read no further than its limit. Errors: RPCJ-E01."""
    known: bytes | None = getattr(request, "_body", None)
    if known is not None:
        return known
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        check_size(length, BODY_LIMITS)
        parts.append(part)
    body = request._body = b"".join(parts)
    return body


def _checked_json(request: Request, body: bytes) -> None:
    """Decode a body as strict JSON, where the handler finds it. Errors: PLAN-E03, PLAN-E05, RPCJ-E02 …"""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InputError(
            "PLAN-E05", "the body is not said to be JSON", rule="a body is application/json",
            cure="send Content-Type: application/json", field="Content-Type",
        )  # fmt: skip
    check_limits(body, BODY_LIMITS)
    try:
        request._json = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise no_json("the body is no JSON") from None


async def _answered(
    plane: Plane, inner: Handled, request: Request, instance: str, person: str
) -> Response:
    """Return the answer of the handler, or the problem that it ran into."""
    try:
        return await inner(request)
    except Exception as error:
        return _failed(plane, error, request, instance, person)


def _failed(
    plane: Plane, error: Exception, request: Request, instance: str, person: str
) -> Response:
    """Return the problem of a failure, and tell of the unexpected ones."""
    if isinstance(error, RequestValidationError):
        refused, faults = of_validation(error)
        return problem_of(refused, instance, faults)
    if isinstance(error, HTTPException):
        return problem_of(of_http(error, request), instance)
    if isinstance(error, SteelyardError):
        return problem_of(error, instance)
    tell(plane, error, request, instance, person)
    return problem_of(unexpected(instance), instance)


def tell(plane: Plane, error: Exception, request: Request, instance: str, person: str) -> None:
    """Tell of an unexpected failure; the answer does not hang on whoever writes the log."""
    name = f"{request.method} {request.scope.get('path', '')}"[:128]
    try:
        plane.on_incident(Incident(instance, name, person, plane.clock(), error))
    except Exception:  # the incident has its name in the answer
        return


def _no_key(key: str) -> InputError:
    return InputError(
        "PLAN-E06", f"the {IDEMPOTENCY_KEY} is {'not well formed' if key else 'missing'}",
        rule="every write carries an Idempotency-Key of 1 to 128 visible ASCII characters",
        cure="draw a new key for each request, and send it again when you repeat it",
        field=IDEMPOTENCY_KEY,
    )  # fmt: skip


def stated(
    scope: str, touches: Touches = "none", *, credits: int = 1, **more: Any
) -> dict[str, Any]:
    """Return the `openapi_extra` of a route: who may call it, about whom, and what it costs."""
    return {"x-scope": scope, "x-touches": touches, "x-credits": credits, **more}
