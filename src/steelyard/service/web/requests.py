"""JSON-RPC over HTTP, as an ASGI callable of its own: no routing, no request object.

    POST /api/v2                a request, or a batch
    POST /api/v2/{method}       the same, as Deribit takes it: the body is a request of that method
    GET  /api/v2/{method}?…     a request by its query

The type of the content is not looked at. A body is read up to the limit of who sends it and no further: what goes
on beyond is answered with 413, and read and dropped for a moment, so that the answer arrives. A refusal
of the transport is an error of JSON-RPC as any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.errors import not_proven
from steelyard.service.access.session import ANONYMOUS, SCOPES, Session
from steelyard.service.answers.desk import Desk
from steelyard.service.rpc.dispatch import Answer, Call, Elsewhere, Waiting
from steelyard.service.rpc.limits import check_size
from steelyard.service.rpc.messages import decode_request, is_batch, not_json, not_request
from steelyard.service.web.errors import WebError, not_taken
from steelyard.service.web.guards import SAFE, Guard, Header
from steelyard.service.web.methods import CONNECTION_METHODS, LinkContext
from steelyard.service.web.proofs import token_digest
from steelyard.service.web.service import Service
from steelyard.service.web.wire_http import respond

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PATH = "/api/v2"
PAIRS_MAX = 200
DROPPED_BYTES_MAX = 16 << 20
DROPPED_S_MAX = 5.0
TOO_LARGE, NO_CONTENT, UNPROVEN, TOO_MANY = 413, 204, 401, 429
_JSON: tuple[Header, ...] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    *(each for each in SAFE if each[0] == b"x-content-type-options"),
)
_SHARED: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"600"),
)


class _Gone(Exception):
    """The client went before its request was whole."""


class _Headers:
    """The headers that are looked at, each at most once."""

    __slots__ = ("authorization", "encoding", "host", "is_twice", "length", "origin")

    def __init__(self, headers: list[Header]) -> None:
        self.host = self.origin = self.authorization = self.length = self.encoding = b""
        self.is_twice = False
        for name, value in headers:
            if name == b"host":
                self.is_twice |= bool(self.host)
                self.host = value
            elif name == b"authorization":
                self.is_twice |= bool(self.authorization)
                self.authorization = value
            elif name == b"content-length":
                self.length = value
            elif name == b"origin":
                self.is_twice |= bool(self.origin)
                self.origin = value
            elif name == b"content-encoding":
                self.encoding = value


class _Plain(NamedTuple):
    """What a head says that may come again: its headers, and the digest of its token."""

    headers: _Headers
    token: bytes | None


class _Request:
    """One request, a `Link` for the methods that are answered over HTTP."""

    __slots__ = ("address", "desk", "headers", "is_socket", "name", "scope", "service", "time_us")

    def __init__(
        self, service: Service, headers: _Headers, address: str, scope: Any = None
    ) -> None:
        self.service = service
        self.scope = scope
        self.headers = headers
        self.address = address
        self.name, self.is_socket = "", False
        self.time_us = service.clock()
        self.desk: Desk = service.host.desk

    def context(self, session: Session, desk: Desk, time_us: int) -> LinkContext:
        """Return what handlers are told."""
        return LinkContext(session, desk, time_us, self)

    def refuse(self, error: SteelyardError, raw: bytes = b"") -> Answer:
        """Return the answer of a refusal."""
        service = self.service
        return service.dispatcher.refuse(error, ANONYMOUS, self.desk, service.clock, raw=raw)


class Requests:
    """Answers HTTP requests of JSON-RPC with a service."""

    def __init__(self, service: Service, guard: Guard) -> None:
        self._service = service
        self._guard = guard
        self._widest = service.dispatcher.registry.ceiling(frozenset(SCOPES))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = _Headers(scope["headers"])
        address = scope["client"][0] if scope.get("client") else ""
        request = _Request(self._service, headers, address, scope)
        refusal = self._guard.check(headers.host, headers.origin)
        if refusal is None and headers.is_twice:
            refusal = not_taken("a header is there twice", "a header is there once", "send it once")
        if refusal is not None:
            await self._refuse(request, refusal, send)
            return
        method = scope["method"]
        try:
            if method == "POST":
                answer = await self._posted(request, receive)
            elif method == "GET":
                answer = await self._got(request)
            elif method == "OPTIONS":
                answer = Answer(None, NO_CONTENT)
            else:
                await self._refuse(request, _no_way(method), send, 405)
                return
        except _Gone:
            return
        if answer.http_status == TOO_LARGE:
            await self._drop_rest(answer, receive, send)
            return
        if (
            not headers.origin
            and answer.body is not None
            and answer.http_status < UNPROVEN
            and answer.retry_after_us is None
            and respond(send, answer.http_status, answer.body)
        ):
            return
        await send_answer(send, answer, self._shared(headers))

    def plain(self, headers: list[Header]) -> _Plain | None:
        """Return what the headers of a plain POST say: a host that is served, no origin, nobody or a token."""
        found = _Headers(headers)
        if found.origin or found.encoding or found.is_twice:
            return None
        header = found.authorization.decode("latin-1")
        if (header and header[:7].lower() != "bearer ") or self._guard.check(found.host, b""):
            return None
        return _Plain(found, token_digest(header) if header else None)

    def at_once(self, plain: _Plain, body: bytes, address: str) -> Answer | Waiting:
        """Return the answer to a small plain POST, or what is awaited for it."""
        service = self._service
        request = _Request(service, plain.headers, address)
        session = ANONYMOUS
        try:
            if plain.token is not None:
                session = service.proofs.token(plain.token, request.time_us, address)
            service.charges.body(session, len(body), request.time_us, address)
        except SteelyardError as error:
            return self._faulty(request, error)
        return service.dispatcher.begin(
            body, session, request.desk, service.clock, address=address,
            context_of=request.context, route=service.heavy.route,
        )  # fmt: skip

    def telling(self, found: Answer | Waiting) -> Any:
        """Return an application that sends what was found."""

        async def tell(_scope: Any, _receive: Receive, send: Send) -> None:
            await send_answer(send, found if isinstance(found, Answer) else await found.doing)

        return tell

    async def _refuse(
        self, request: _Request, error: WebError, send: Send, status: int | None = None
    ) -> None:
        try:
            self._service.charges.fault(ANONYMOUS, error, request.time_us, request.address)
            answer = request.refuse(error)
            if status is not None:
                answer = answer._replace(http_status=status)
        except SteelyardError as refused:
            answer = request.refuse(refused)
        allow: tuple[Header, ...] = ((b"allow", b"GET, POST, OPTIONS"),) if status == 405 else ()
        await send_answer(send, answer, (*allow, (b"connection", b"close")))

    def _shared(self, headers: _Headers) -> tuple[Header, ...]:
        """Return the headers by which a page of an allowed origin may read the answer."""
        if not headers.origin or not self._guard.is_shared(headers.origin):
            return ()
        own = ((b"access-control-allow-origin", headers.origin), (b"vary", b"origin"))
        return (*own, *_SHARED)

    async def _posted(self, request: _Request, receive: Receive) -> Answer:
        service = self._service
        try:
            if request.headers.encoding.lower() not in (b"", b"identity"):
                raise not_taken(
                    "the body is compressed", "a body is sent as it is", "do not pack it"
                )
            header = request.headers.authorization.decode("latin-1")
            is_signed = bool(header) and not _is_plain(header)
            session = ANONYMOUS
            if header and not is_signed:
                session = await self._proven(request, header)
            limits = self._widest
            if not is_signed:
                scopes = session.scopes if not session.is_anonymous else frozenset()
                limits = service.dispatcher.registry.ceiling(scopes)
            body = await _read(request, receive, limits.body_bytes_max)
            if is_signed:
                session = self._signed(request, header, body)
            service.charges.body(session, len(body), request.time_us, request.address)
            named = request.scope["path"][len(PATH) :].strip("/")
            if named:
                _check_named(named, body)
        except SteelyardError as error:
            return self._faulty(request, error)
        found = service.dispatcher.begin(
            body, session, request.desk, service.clock, address=request.address,
            context_of=request.context, route=service.heavy.route,
        )  # fmt: skip
        return found if isinstance(found, Answer) else await found.doing

    async def _got(self, request: _Request) -> Answer:
        service, scope = self._service, request.scope
        try:
            header = request.headers.authorization.decode("latin-1")
            session = ANONYMOUS
            if header and _is_plain(header):
                session = await self._proven(request, header)
            elif header:
                session = self._signed(request, header, b"")
            pairs = _pairs(scope["query_string"])
        except SteelyardError as error:
            return self._faulty(request, error)
        found = service.dispatcher.begin_query(
            scope["path"], pairs, session, request.desk, service.clock, address=request.address,
            context_of=request.context, route=self._route_query, waits=CONNECTION_METHODS,
        )  # fmt: skip
        return found if isinstance(found, Answer) else await found.doing

    def _route_query(self, call: Call) -> Elsewhere | None:
        return self._service.heavy.route(call)

    def _faulty(self, request: _Request, error: SteelyardError) -> Answer:
        """Return the answer of a refusal, for which the address pays; proofs have their own price."""
        if not error.code.startswith("ACCS-"):
            try:
                self._service.charges.fault(ANONYMOUS, error, request.time_us, request.address)
            except SteelyardError as refused:
                error = refused
        return request.refuse(error)

    async def _proven(self, request: _Request, header: str) -> Session:
        proofs = self._service.proofs
        if header[:7].lower() == "bearer ":
            return proofs.bearer(header, request.time_us, request.address)
        if header[:6].lower() == "basic ":
            return await proofs.basic(header, request.time_us, request.address)
        raise not_proven()

    def _signed(self, request: _Request, header: str, body: bytes) -> Session:
        scope = request.scope
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return self._service.proofs.signed(
            header, scope["method"], f"{path}?{query}" if query else path, body, request.time_us,
            request.address,
        )  # fmt: skip

    async def _drop_rest(self, answer: Answer, receive: Receive, send: Send) -> None:
        """Send the answer, read what still comes for a moment, and close."""
        body = answer.body or b""
        await send(_start(answer, len(body), ((b"connection", b"close"),)))
        await send({"type": "http.response.body", "body": body, "more_body": True})
        try:
            async with asyncio.timeout(DROPPED_S_MAX):
                dropped = 0
                while dropped < DROPPED_BYTES_MAX:
                    message = await receive()
                    if message["type"] != "http.request" or not message.get("more_body"):
                        break
                    dropped += len(message.get("body", b""))
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})


def _is_plain(header: str) -> bool:
    """Return whether a header is a token or a secret, and no signature."""
    return header[:7].lower().startswith(("bearer ", "basic "))


def _start(answer: Answer, length: int, more: tuple[Header, ...]) -> dict[str, Any]:
    headers = [*_JSON, (b"content-length", b"%d" % length), *more]
    if answer.http_status == UNPROVEN:
        headers.append((b"www-authenticate", b"Bearer"))
    if answer.retry_after_us is not None:
        seconds = -(-answer.retry_after_us // 1_000_000)
        headers.append((b"retry-after", b"%d" % max(1, seconds)))
    return {"type": "http.response.start", "status": answer.http_status, "headers": headers}


async def send_answer(send: Send, answer: Answer, more: tuple[Header, ...] = ()) -> None:
    """Send an answer whole."""
    if answer.body is None:
        await send({"type": "http.response.start", "status": NO_CONTENT, "headers": [*SAFE, *more]})
        await send({"type": "http.response.body", "body": b""})
        return
    await send(_start(answer, len(answer.body), more))
    await send({"type": "http.response.body", "body": answer.body})


async def _read(request: _Request, receive: Receive, bytes_max: int) -> bytes:
    """Return the body, of at most so many bytes. Errors: RPCJ-E01 as soon as it is known to be larger."""
    limits = request.service.dispatcher.registry.ceiling(frozenset())
    said = request.headers.length
    if said.isdigit() and int(said) > bytes_max:
        check_size(int(said), _bounded(limits, bytes_max))
    message = await receive()
    if message["type"] != "http.request":
        raise _Gone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        check_size(len(body), _bounded(limits, bytes_max))
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        check_size(size, _bounded(limits, bytes_max))
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    check_size(size, _bounded(limits, bytes_max))
    return b"".join(parts)


def _bounded(limits: Any, bytes_max: int) -> Any:
    return limits if limits.body_bytes_max == bytes_max else type(limits)(bytes_max)


def _check_named(named: str, body: bytes) -> None:
    """Raise WEBT-E10 where the path names another method than the body."""
    if is_batch(body):
        raise not_request(
            "a batch is sent to one method", "a batch is sent to /api/v2", "send it there"
        )
    method = decode_request(body).method
    if method != named:
        raise WebError(
            "WEBT-E10", f"the path names {named[:80]!r} and the body {method[:80]!r}",
            rule="the body is a request of the method that the path names",
            cure="send it to /api/v2, or to the path of its method",
        )  # fmt: skip


def _pairs(query: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a query. Errors: RPCJ-E04 for what is no UTF-8, or too many."""
    if not query:
        return []
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict",
            max_num_fields=PAIRS_MAX,
        )  # fmt: skip
    except ValueError:
        raise not_json("the query is no UTF-8, percent-encoded, or has too many pairs") from None


def _no_way(method: str) -> WebError:
    return not_taken(
        f"{method[:16]} is not taken", "requests are sent by POST, or by GET with a query",
        "send it by POST",
    )  # fmt: skip
