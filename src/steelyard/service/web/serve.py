"""Uvicorn in a loop that already runs: it takes no signals, and it stops as told.

Stopping: no more connections are let in; those that are open are closed with 1001, and requests in progress
get so long to end; then whatever is left is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette

from steelyard.service.web.errors import WebError
from steelyard.service.web.gate import Gate
from steelyard.service.web.service import Service
from steelyard.service.web.settings import Settings
from steelyard.service.web.wire_http import Direct, GuardedHttp, Heads
from steelyard.service.web.wire_socket import GuardedSocket

BACKLOG = 2_048
UVICORN_LOGS = ("uvicorn", "uvicorn.error", "uvicorn.access")


class _Quiet(uvicorn.Server):
    """A server that leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


class WebServer:
    """An application on an address. `start`, then `url`; `stop` ends it."""

    def __init__(self, app: Starlette, service: Service) -> None:
        self._app = app
        self._service = service
        self._server: _Quiet | None = None
        self._task: asyncio.Task[None] | None = None
        self.host, self.port = service.settings.host, service.settings.port
        self.gate: Gate | None = None

    @property
    def url(self) -> str:
        """Return the address of the page, once it is served."""
        scheme = "https" if self._service.settings.tls_certificate else "http"
        named = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{named}:{self.port}"

    async def start(self) -> None:
        """Listen, and return when connections are let in. Errors: WEBT-E08."""
        settings = self._service.settings
        for name in UVICORN_LOGS:  # below this level they write frames, paths and queries
            logging.getLogger(name).setLevel(logging.ERROR)
        listener = _listener(settings.host, settings.port)
        self.host, self.port = listener.getsockname()[:2]
        http, web_socket, self.gate = bounded(settings, getattr(self._app, "requests", None))
        try:
            config = uvicorn.Config(
                self._app, http=http, ws=web_socket, lifespan="off", access_log=False,
                log_config=None, proxy_headers=False, server_header=False, date_header=True,
                ws_max_size=settings.message_bytes_max, ws_per_message_deflate=False,
                ws_ping_interval=settings.ping_s, ws_ping_timeout=settings.ping_s,
                timeout_keep_alive=settings.keep_alive_s, backlog=BACKLOG,
                ssl_certfile=settings.tls_certificate or None, ssl_keyfile=settings.tls_key or None,
                ssl_ca_certs=settings.tls_client_authority or None,
                ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_authority else ssl.CERT_NONE,
            )  # fmt: skip
            config.load()
        except (OSError, ssl.SSLError, ValueError) as error:
            listener.close()
            raise _cannot_listen(f"TLS cannot be set up: {type(error).__name__}") from None
        for name in UVICORN_LOGS:
            logging.getLogger(name).setLevel(logging.ERROR)
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        self._server = _Quiet(config)
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listener]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise _cannot_listen("the server ended before it began")
            await asyncio.sleep(0.001)

    async def wait(self) -> None:
        """Wait until the server ends."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Let nobody in, close connections with 1001, and wait for what is in progress, but not for long."""
        server, task, service = self._server, self._task, self._service
        if server is None or task is None:
            return
        service.is_stopping = True
        for each in server.servers:
            each.close()
        for connection in tuple(service.connections):
            connection.go_away()
        server.config.timeout_graceful_shutdown = max(1, round(service.settings.stop_s_max))
        server.should_exit = True
        try:
            async with asyncio.timeout(service.settings.stop_s_max + 2.0):
                await asyncio.shield(task)
        except TimeoutError:
            task.cancel()
        for protocol in tuple(server.server_state.connections):
            transport: Any = protocol.transport
            transport.abort()
        service.close()
        self._server = self._task = None


def bounded(
    settings: Settings, direct: Direct | None = None
) -> tuple[type[GuardedHttp], type[GuardedSocket], Gate]:
    """Return the protocols of one server, which share its gate, and the gate."""
    gate = Gate(settings.connections_max, settings.connections_per_address_max)
    held: dict[str, Any] = {"gate": gate, "settings": settings}
    http = type("BoundedHttp", (GuardedHttp,), held | {"direct": direct, "_heads": Heads()})
    socket = type("BoundedSocket", (GuardedSocket,), dict(held))
    return http, socket, gate


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that is bound. Errors: WEBT-E08."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(f"{host}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _cannot_listen(f"{host} port {port}: {error.strerror or error}") from None
    return listener


def _cannot_listen(said: str) -> WebError:
    return WebError(
        "WEBT-E08", f"the service cannot listen: {said}", reason="",
        rule="the address is one of this machine's and its port is free",
        cure="state another server.host or server.port, or mend the TLS files",
    )  # fmt: skip
