"""A Data Streams server on loopback: it checks every signature by its own arithmetic, drops and refuses."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

from aiohttp import web

KEY, SECRET = "8ad1f8f4-0000-4000-8000-0123456789ab", "a-secret-of-this-test-alone"
WINDOW_MS = 5_000


class Server:
    """What it was asked, and how it behaves.

    reports: feed -> seconds -> the report's envelope. refuse_next: so many handshakes get status 503.
    silent_next: so many connections get no frame at all. frames_a_connection: after so many frames of a WebSocket it is dropped. frames: what is still to be
    sent over WebSockets, in order.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self.now_us = now_us
        self.reports: dict[str, dict[int, dict[str, object]]] = {}
        self.frames: list[bytes] = []
        self.frames_a_connection = 1_000
        self.refuse_next = 0
        self.silent_next = 0
        self.asked: list[str] = []
        self.signatures: list[str] = []
        self.prefix = ""
        self.url = ""

    def why_refused(self, request: web.Request) -> str:
        key = request.headers.get("Authorization", "")
        stated = request.headers.get("X-Authorization-Timestamp", "")
        signature = request.headers.get("X-Authorization-Signature-SHA256", "")
        self.asked.append(request.raw_path)
        self.signatures.append(signature)
        if key != KEY:
            return "unknown key"
        if not stated.isdigit() or abs(int(stated) - self.now_us() // 1_000) > WINDOW_MS:
            return "timestamp out of window"
        empty = hashlib.sha256().hexdigest()
        text = f"{request.method} {request.raw_path} {empty} {key} {stated}"
        right = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
        return "" if hmac.compare_digest(right, signature) else "HMAC does not match"

    def answer(self, status: int, body: dict[str, object]) -> web.Response:
        date = formatdate(self.now_us() / 1e6, usegmt=True)
        return web.json_response(body, status=status, headers={"Date": date})

    async def rest(self, request: web.Request) -> web.Response:
        refusal = self.why_refused(request)
        if refusal:
            return self.answer(401, {"error": refusal})
        known = self.reports.get(request.query.get("feedID", ""), {})
        if not known:
            return self.answer(404, {"message": "report not found"})
        which = request.path.removeprefix(self.prefix)
        if which == "/api/v1/reports/latest":
            return self.answer(200, {"report": known[max(known)]})
        if which == "/api/v1/reports":
            report = known.get(int(request.query["timestamp"]))
            return (
                self.answer(200, {"report": report})
                if report
                else self.answer(404, {"message": "none"})
            )
        start, limit = int(request.query["startTimestamp"]), int(request.query["limit"])
        rows = [known[at] for at in sorted(known) if at >= start][:limit]
        return self.answer(200, {"reports": rows})

    async def moved(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        raise web.HTTPFound("/api/v1/reports/latest")

    async def socket(self, request: web.Request) -> web.StreamResponse:
        refusal = self.why_refused(request)
        if refusal:
            return self.answer(401, {"error": refusal})
        if self.refuse_next:
            self.refuse_next -= 1
            return self.answer(503, {"error": "busy"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.silent_next:
            self.silent_next -= 1
            await socket.receive()  # the client's farewell
            return socket
        for _ in range(self.frames_a_connection):
            if not self.frames:
                await asyncio.sleep(0.01)
                continue
            await socket.send_str(self.frames.pop(0).decode("latin-1"))
        assert request.transport is not None
        request.transport.abort()  # no farewell: the line is cut
        return socket


@asynccontextmanager
async def serving(now_us: Callable[[], int], prefix: str = "") -> AsyncIterator[Server]:
    """A server that lives as long as the block."""
    server = Server(now_us)
    server.prefix = prefix
    app = web.Application()
    for path in ("/api/v1/reports/latest", "/api/v1/reports", "/api/v1/reports/page"):
        app.router.add_get(prefix + path, server.rest)
    app.router.add_get("/moved/api/v1/reports/latest", server.moved)
    app.router.add_get(prefix + "/api/v1/ws", server.socket)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def as_json(envelope: dict[str, object]) -> bytes:
    return json.dumps({"report": envelope}).encode()
