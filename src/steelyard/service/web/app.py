"""The application: JSON-RPC by HTTP and WebSocket, other routes, and the page for all the rest.

Paths of JSON-RPC are taken before any routing. Other routes (the control plane, metrics) are Starlette's; each
of their answers gets the headers of `guards` where it has none of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from steelyard.service.access.session import ANONYMOUS
from steelyard.service.rpc.dispatch import Answer
from steelyard.service.web.connection import serve_socket
from steelyard.service.web.errors import WebError, too_many_connections
from steelyard.service.web.guards import CLOSED_POLICY, SAFE, Guard
from steelyard.service.web.page import Page
from steelyard.service.web.requests import PATH, Requests, send_answer
from steelyard.service.web.service import Service

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

SOCKET_PATHS = frozenset({"/ws/api/v2", "/ws/api/v2/"})
OWN_PREFIXES = ("/api/", "/v1/", "/ws/", "/metrics")
_BELOW = PATH + "/"


class App(Starlette):
    """Starlette, with JSON-RPC in front of its routes and hosts and origins looked at for all of them."""

    def __init__(self, service: Service, routes: Iterable[BaseRoute]) -> None:
        self.service = service
        self.guard = Guard(service.settings)
        self.requests = Requests(service, self.guard)
        self.page = Page(service.settings)
        super().__init__(routes=[*routes, Mount("/", _Rest(self.page))])

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or serve a connection."""
        kind = scope["type"]
        if kind == "http":
            path = scope["path"]
            if path == PATH or path.startswith(_BELOW):
                await self.requests(scope, receive, send)
                return
            refusal = self._refusal(scope)
            if refusal is not None:
                await send_answer(send, self._refused(refusal), ((b"connection", b"close"),))
                return
            await super().__call__(scope, receive, _with_headers(send))
        elif kind == "websocket" and scope["path"] in SOCKET_PATHS:
            refusal = self._refusal(scope)
            if refusal is not None:
                await _deny(receive, send, self._refused(refusal))
                return
            await serve_socket(self.service, scope, receive, send)
        elif kind == "websocket":
            await _deny(receive, send, Answer(b'"there is no such connection"', 404))
        else:
            await super().__call__(scope, receive, send)

    def _refusal(self, scope: Any) -> WebError | None:
        host = origin = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
        if self.service.is_stopping and scope["type"] == "websocket":
            return too_many_connections("the service stops")
        return self.guard.check(host, origin)

    def _refused(self, error: WebError) -> Answer:
        service = self.service
        return service.dispatcher.refuse(error, ANONYMOUS, service.host.desk, service.clock)


class _Rest:
    """The page, but below paths that belong to interfaces: what is not there is not a place of the page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if (path + "/").startswith(OWN_PREFIXES):
            await send_answer(send, Answer(b'{"error":"there is nothing here"}', 404))
            return
        await self._page(scope, receive, send)


def create_app(service: Service, routes: Iterable[BaseRoute] = ()) -> Starlette:
    """Return the application of a service; routes: what is served beside JSON-RPC and the page."""
    return App(service, routes)


def _with_headers(send: Send) -> Send:
    """Return a send that adds the headers of safety to what has none of its own."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            headers += [each for each in SAFE if each[0] not in names]
            if b"content-security-policy" not in names:
                headers.append((b"content-security-policy", CLOSED_POLICY))
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _deny(receive: Receive, send: Send, answer: Answer) -> None:
    """Refuse a connection before it is one."""
    await receive()
    body = answer.body or b""
    await send({
        "type": "websocket.http.response.start", "status": answer.http_status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
    })  # fmt: skip
    await send({"type": "websocket.http.response.body", "body": body})
