"""Serve the built page over the made-up venue: python dashboard/dev/serve.py [--port 8399].

It speaks the protocol of the real service over HTTP and WebSocket, with the same content policy, and does
on request what a service should not: POST /dev/drop closes every connection, /dev/gap leaves out a change,
/dev/stale and /dev/live stop and start the venue. For building and testing the page; no part of a release.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

sys.path.insert(0, str(Path(__file__).parent))
from venue import Venue

STATIC = Path(__file__).resolve().parents[2] / "src/steelyard/service/web/static"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'"
PRIVATE = ("private/",)
encode = msgspec.json.encode


class Stage:
    """The venue with its connections."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.connections: set[Connection] = set()
        self.is_gap_due = False

    async def play(self) -> None:
        """Move the venue and tell every connection, five times a second."""
        beat = 0
        while True:
            await asyncio.sleep(0.2)
            beat += 1
            before = self.venue.seq
            rows = self.venue.step()
            lost, self.is_gap_due = self.is_gap_due, False
            for connection in list(self.connections):
                await connection.tell(rows, before, beat, lost)


class Connection:
    """One WebSocket with what it has subscribed to: channel → the last change."""

    def __init__(self, socket: WebSocket, stage: Stage) -> None:
        self.socket = socket
        self.stage = stage
        self.changes: dict[str, int] = {}
        self.is_proven = False

    async def send(self, channel: str, data: Any) -> None:
        """Send a notification."""
        params = {"channel": channel, "data": data}
        text = encode({"jsonrpc": "2.0", "method": "subscription", "params": params})
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self.socket.send_text(text.decode())

    async def tell(self, rows: list[int], before: int, beat: int, lost: bool) -> None:
        """Send what has changed; lost: count it without sending."""
        venue = self.stage.venue
        for channel in list(self.changes):
            kind = channel.split(".")[0]
            if kind == "accounts" and rows:
                self.changes[channel] += 1
                if not lost:
                    await self.send(channel, venue.accounts(rows, self.changes[channel]))
            elif kind == "events" and venue.seq > before:
                found = venue.told_events(self.changes[channel] + 1, before)
                if found.events:
                    self.changes[channel] += 1
                    await self.send(channel, found)
            elif beat % 5 == 0 or (kind == "overview" and rows):
                await self.whole(channel)

    async def whole(self, channel: str) -> None:
        """Send what is told whole each time, or the snapshot of what has changes."""
        venue, kind = self.stage.venue, channel.split(".")[0]
        if kind == "overview":
            await self.send(channel, venue.overview())
        elif kind == "transparency":
            await self.send(channel, venue.transparency())
        elif kind == "health":
            await self.send(channel, venue.health())

    async def begin(self, channel: str) -> None:
        """Subscribe, with the snapshot."""
        self.changes[channel] = 100
        if channel.startswith("accounts."):
            await self.send(channel, self.stage.venue.accounts(None, 100))
        elif channel.startswith("events."):
            await self.send(channel, self.stage.venue.told_events(100, None))
        else:
            await self.whole(channel)


def answer(stage: Stage, method: str, params: dict[str, Any], is_proven: bool) -> Any:
    """Return the result of a method, or an error body."""
    if method == "public/auth":
        code = params.get("code", params.get("client_secret", params.get("refresh_token", "")))
        if code == "wrong":
            return refusal(13004, "invalid_credentials", "the proof is wrong", "ACCS-E10")
        scope = "read simulate trade risk admin"
        return {"access_token": "a" * 43, "refresh_token": "r" * 43, "expires_in": 900,
                "scope": scope, "token_type": "bearer"}  # fmt: skip
    if method.startswith(PRIVATE) and not is_proven:
        return refusal(13009, "unauthorized", "nobody is proven to ask", "RPCJ-E09")
    if method == "private/get_history":
        return stage.venue.past()
    if method in ("public/set_heartbeat", "public/test", "private/logout", "private/set_as_of"):
        return "ok"
    return refusal(-32601, "Method not found", f"there is no method '{method}'", "RPCJ-E07")


def refusal(code: int, message: str, reason: str, stable: str) -> msgspec.Struct:
    """Return an error body."""
    from steelyard.service.rpc.messages import ErrorBody, ErrorData

    data = ErrorData(reason=reason, code=stable, rule="private methods answer proven callers",
                     cure="call public/auth first, or sign the request")  # fmt: skip
    return ErrorBody(code, message, data)


def whole_answer(identity: Any, found: Any, seq: int) -> bytes:
    """Return the answer as it stands on the wire."""
    from steelyard.service.rpc.messages import ErrorBody

    key = "error" if isinstance(found, ErrorBody) else "result"
    return encode({"jsonrpc": "2.0", "id": identity, key: found, "as_of_seq": seq})


def create_app(stage: Stage) -> Starlette:
    """Return the application."""

    async def over_http(request: Request) -> Response:
        asked = msgspec.json.decode(await request.body())
        is_proven = "authorization" in request.headers
        found = answer(stage, asked["method"], asked.get("params", {}), is_proven)
        body = whole_answer(asked.get("id"), found, stage.venue.seq)
        return Response(body, media_type="application/json")

    async def over_socket(socket: WebSocket) -> None:
        await socket.accept()
        connection = Connection(socket, stage)
        stage.connections.add(connection)
        try:
            while True:
                asked = msgspec.json.decode(await socket.receive_text())
                method, params = asked["method"], asked.get("params", {})
                if method.endswith("/subscribe"):
                    for channel in params["channels"]:
                        await connection.begin(channel)
                    found: Any = params["channels"]
                elif method.endswith("/unsubscribe"):
                    for channel in params["channels"]:
                        connection.changes.pop(channel, None)
                    found = params["channels"]
                else:
                    found = answer(stage, method, params, connection.is_proven)
                    if method == "public/auth" and isinstance(found, dict):
                        connection.is_proven = True
                body = whole_answer(asked.get("id"), found, stage.venue.seq)
                await socket.send_text(body.decode())
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            stage.connections.discard(connection)

    async def misbehave(request: Request) -> Response:
        deed = request.path_params["deed"]
        if deed == "drop":
            for connection in list(stage.connections):
                with contextlib.suppress(RuntimeError):
                    await connection.socket.close(1012)
        elif deed == "gap":
            stage.is_gap_due = True
        elif deed in ("stale", "live"):
            stage.venue.is_stale = deed == "stale"
        return Response(status_code=204)

    async def page(request: Request) -> Response:
        path = (STATIC / request.path_params["path"]).resolve()
        is_asset = path.is_relative_to(STATIC) and path.is_file()
        found = FileResponse(path if is_asset else STATIC / "index.html")
        found.headers["content-security-policy"] = POLICY
        return found

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> Any:
        playing = asyncio.create_task(stage.play())
        yield
        playing.cancel()

    return Starlette(
        routes=[
            Route("/api/v2", over_http, methods=["POST"]),
            WebSocketRoute("/ws/api/v2", over_socket),
            Route("/dev/{deed}", misbehave, methods=["POST"]),
            Route("/{path:path}", page),
        ],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8399)
    parser.add_argument("--units", type=int, default=10_000)
    chosen = parser.parse_args()
    app = create_app(Stage(Venue(chosen.units)))
    uvicorn.run(app, host="127.0.0.1", port=chosen.port, log_level="warning")
