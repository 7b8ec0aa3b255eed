"""One WebSocket connection: who it is, what it subscribed, and what waits to be written to it.

The task of the server reads: a question is answered at once, a method of the connection before the next message
is read, and what takes longer (commands, heavy calls, the past) in tasks of its own, so its answer may come
later than that of the request after it; the ids say which is which. While that task has nothing to do, a message
is answered where it ends, without waking it (`_heard`). A second task writes: all answers before any
notification. A third takes notifications from the hub, and no more before those are written.

What is bounded: answers that wait (reading stops until there is room), calls in flight (too_many_requests), and the
time that a client leaves what was written unread (`wire_socket` closes it).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.access.tokens import Tokens, digest_of
from steelyard.service.answers.desk import Desk
from steelyard.service.rewind.methods import REWIND_METHODS
from steelyard.service.rewind.whole import WHOLE_METHODS
from steelyard.service.rpc.discover import DISCOVER
from steelyard.service.rpc.dispatch import Answer, Call, Elsewhere, Waiting
from steelyard.service.rpc.errors import body_of
from steelyard.service.rpc.messages import encode
from steelyard.service.web.errors import no_past, too_much
from steelyard.service.web.log import tell
from steelyard.service.web.methods import CONNECTION_METHODS, LinkContext
from steelyard.service.web.seams import ReaderSeam
from steelyard.service.web.service import Service
from steelyard.service.web.wire_socket import GOING_AWAY, INTERNAL, POLICY, WIRE, GuardedSocket

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Work = Callable[[], Coroutine[Any, Any, None]]

HEARTBEAT = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}'
TEST_REQUEST = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
NORMAL, TRY_LATER = 1000, 1013
HERE = CONNECTION_METHODS | WHOLE_METHODS
"""The methods that are the same whatever instant a connection is at."""

_numbers = count(1)


class Connection:
    """A WebSocket connection, a `Socket` for the methods. `run` lives as long as it does."""

    is_socket = True

    def __init__(self, service: Service, wire: GuardedSocket, address: str) -> None:
        self.service = service
        self.address = address
        self.name = f"ws:{next(_numbers)}"
        self.as_of: int | None = None
        self._wire = wire
        self._token = ""
        self._digest = b""
        self._is_idle = False
        self._reader: ReaderSeam | None = None
        self._channels: dict[str, None] = {}
        self._answers: deque[bytes] = deque()
        self._answer_bytes = 0
        self._notes: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._past: asyncio.Task[None] | None = None
        self._is_leaving = False
        self._heartbeat_s: int | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._was_heard = False
        self._is_tested = False

    # Reading

    async def run(self, receive: Receive) -> None:
        """Answer what comes until the connection ends."""
        service = self.service
        service.connections.add(self)
        self._start(self._write)
        self._wire.heard = self._heard
        try:
            while True:
                self._is_idle = True
                message = await receive()
                self._is_idle = False
                if message["type"] != "websocket.receive":
                    return
                self._was_heard = True
                await self._answer(message.get("found") or self._begun(message["bytes"]))
                if self._is_leaving:
                    self.close(NORMAL, "logged out")
                    return
        finally:
            self._wire.heard = None
            service.connections.discard(self)
            self._end()

    def _heard(self, raw: bytes) -> bool:
        """Answer a message where it ends; False where it is read in its turn, after others or with no room."""
        if not self._is_idle or self._is_full() or not self._wire.queue.empty():
            return False
        self._was_heard = True
        found = self._begun(raw)
        if isinstance(found, Answer):
            self._say(found.body)
        else:
            self._wire.hand_on({"type": "websocket.receive", "bytes": raw, "found": found})
        return True

    def _begun(self, raw: bytes) -> Answer | Waiting:
        """Return the answer to a message, or what is to be awaited for it."""
        service = self.service
        session, time_us = self.session(), service.clock()
        desk: Desk = service.host.desk
        try:
            service.charges.body(session, len(raw), time_us, self.address)
        except SteelyardError as error:
            return service.dispatcher.refuse(error, session, desk, service.clock, raw=raw)
        return service.dispatcher.begin(
            raw, session, desk, service.clock, address=self.address, context_of=self._context,
            route=self._route,
        )  # fmt: skip

    async def _answer(self, found: Answer | Waiting) -> None:
        if isinstance(found, Answer):
            self._say(found.body)
        elif found.name in CONNECTION_METHODS or not found.name:
            self._say((await found.doing).body)
        else:
            task = asyncio.get_running_loop().create_task(self._later(found))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
            if len(self._in_flight) >= self.service.settings.in_flight_max:
                await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        while self._is_full():
            self._room.clear()
            await self._room.wait()

    async def _later(self, waiting: Waiting) -> None:
        self._say((await waiting.doing).body)

    def _context(self, session: Session, desk: Desk, time_us: int) -> LinkContext:
        return LinkContext(session, desk, time_us, self)

    def _route(self, call: Call) -> Elsewhere | None:
        """Say where a call is served: in the past, in a thread, or here (None)."""
        method = call.entry.method
        if method.name in HERE or method.name == DISCOVER:
            return None
        if self.as_of is None:
            return self.service.heavy.route(call)
        # What only the second process answers is awaited there as well, and changes nothing.
        is_command = call.entry.is_command and method.name not in REWIND_METHODS
        if is_command or method.scope in ("trade", "admin"):
            raise no_past(
                f"{method.name} changes something, and the connection is at event {self.as_of}",
                "the past is read, not changed", "private/set_as_of with null first",
            )  # fmt: skip
        if len(self._in_flight) >= self.service.settings.in_flight_max // 2:
            raise too_much(method.credits)
        rewind, seq, raw = self.service.rewind, self.as_of, call.raw or b""
        if rewind is None:
            raise AssertionError("a connection is in the past of a service without one")
        asked = rewind
        session = self.session()

        async def make() -> bytes:
            return await asked.ask(raw, session, seq, self.address, reader=self.name) or b""

        return Elsewhere(make, None)

    # Writing

    def _is_full(self) -> bool:
        settings = self.service.settings
        return (
            len(self._answers) >= settings.answers_max
            or self._answer_bytes >= settings.answer_bytes_max
        ) and not self._wire.disconnected

    def _say(self, body: bytes | None) -> None:
        """Write an answer now, or have it wait its turn."""
        if body is None:
            return
        if not self._answers and self._wire.is_writable:
            self._wire.write_text(body)
            return
        self._answers.append(body)
        self._answer_bytes += len(body)
        self._wake.set()

    async def _write(self) -> None:
        """Write what waits, answers first."""
        wire = self._wire
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._answers or self._notes:
                if not wire.is_writable:
                    await wire.drained()
                    continue
                if self._answers:
                    body = self._answers.popleft()
                    self._answer_bytes -= len(body)
                else:
                    body = self._notes.popleft()
                wire.write_text(body)
                self._room.set()
            self._room.set()

    def _tell(self, body: bytes) -> None:
        """Have a notification wait its turn."""
        self._notes.append(body)
        self._wake.set()

    # Who it is

    def session(self) -> Session:
        """Return what the connection may do now: nobody, once its token or its key has ended."""
        if not self._token:
            return ANONYMOUS
        try:
            return self.service.tokens.session_of(
                self._digest, self.service.clock(), connection=self.name, address=self.address
            )
        except SteelyardError:
            return ANONYMOUS

    def authenticate(self, tokens: Tokens) -> None:
        """Be the session of these tokens from now on."""
        self._token = tokens.access_token
        self._digest = digest_of(self._token)

    def log_out(self, is_revoked: bool) -> None:
        """Be nobody, and close once the answer is sent."""
        if is_revoked:
            self.service.tokens.revoke(self._token)
        self._token = ""
        self._is_leaving = True

    # Signs of life

    def set_heartbeat(self, interval_s: int | None) -> None:
        """Send heartbeats each interval, or no more."""
        if self._beat_timer is not None:
            self._beat_timer.cancel()
            self._beat_timer = None
        self._heartbeat_s, self._is_tested = interval_s, False
        self._await_beat()

    def _await_beat(self) -> None:
        if self._heartbeat_s is not None:
            loop = asyncio.get_running_loop()
            self._beat_timer = loop.call_later(self._heartbeat_s, self._beat)

    def _beat(self) -> None:
        """Say that we live; ask a client that was silent, and close on one that stayed so."""
        if self._was_heard:
            self._is_tested = False
            self._tell(HEARTBEAT)
        elif self._is_tested:
            self.close(POLICY, "test_request was not answered")
            return
        else:
            self._is_tested = True
            self._tell(TEST_REQUEST)
        self._was_heard = False
        self._await_beat()

    # Subscriptions and the past

    def subscribe(self, channels: list[str]) -> list[str]:
        """Return the names that are now subscribed; in the past each is told once. Errors: CHAN-E…"""
        reader = self._reader
        if reader is None:
            reader = self._reader = self.service.hub.reader(self.session)
            self._start(lambda: self._listen(reader))
        found = reader.subscribe(channels)
        self._channels |= dict.fromkeys(channels)
        if self.as_of is not None:
            reader.unsubscribe(None)
            self._look_back([*dict.fromkeys(channels)])
        return found

    def unsubscribe(self, channels: list[str] | None) -> list[str]:
        """Return the names that are no longer subscribed; None is all."""
        named = [*self._channels] if channels is None else channels
        gone = [name for name in dict.fromkeys(named) if name in self._channels]
        for name in gone:
            del self._channels[name]
        if self._reader is not None and self.as_of is None:
            self._reader.unsubscribe(channels)
        return gone

    def go_to(self, as_of_seq: int | None) -> None:
        """Be at an event of the past, or at the present; subscriptions follow, each with a snapshot."""
        if self._past is not None:
            self._past.cancel()
            self._past = None
        was, self.as_of = self.as_of, as_of_seq
        names = [*self._channels]
        if as_of_seq is None:
            if was is not None and self._reader is not None and names:
                self._resume(self._reader, names)
            return
        if self._reader is not None:
            self._reader.unsubscribe(None)
        self._notes.clear()
        self._look_back(names)

    def _resume(self, reader: ReaderSeam, names: list[str]) -> None:
        """Subscribe anew; a channel that may no longer be read is dropped."""
        for name in names:
            try:
                reader.subscribe([name])
            except SteelyardError:
                del self._channels[name]

    def _look_back(self, names: list[str]) -> None:
        before, seq = self._past, self.as_of

        async def tell_past() -> None:
            if before is not None:
                await asyncio.wait([before])
            for name in names:
                if seq is None or self.service.rewind is None or self.as_of != seq:
                    return
                try:
                    note = await self.service.rewind.channel(
                        name, self.session(), seq, reader=self.name,
                        on_progress=lambda done: self._tell_as_of(seq, fraction=round(done, 3)),
                    )  # fmt: skip
                except SteelyardError as error:
                    tell("past_channel_refused", connection=self.name, code=error.code)
                    self._tell_as_of(seq, channel=name, error=body_of(error))
                    continue
                if note is not None and self.as_of == seq:
                    self._tell(note)

        if names:
            self._past = asyncio.get_running_loop().create_task(self._guarded(tell_past))

    def _tell_as_of(self, seq: int, **what: Any) -> None:
        """Tell how far a replay to an event is, or which channel cannot be told as of it."""
        if self.as_of == seq:
            params = {"as_of_seq": seq, **what}
            self._tell(encode({"jsonrpc": "2.0", "method": "as_of", "params": params}))

    async def _listen(self, reader: ReaderSeam) -> None:
        """Take notifications; no more before those are written."""
        while True:
            frames = await reader.next()
            if not frames:  # the hub has closed it: nothing will be told any more
                self.close(TRY_LATER, "nothing is published any more")
                return
            if self.as_of is None:
                self._notes.extend(frames)
                self._wake.set()
            while self._notes:
                self._room.clear()
                await self._room.wait()

    # Ending

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        self._wire.close_now(code, reason)

    def go_away(self) -> None:
        """Close the connection since the service stops."""
        self.close(GOING_AWAY, "the service stops")

    def _start(self, work: Work) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._guarded(work)))

    async def _guarded(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:
            tell("connection_failed", level=logging.ERROR, connection=self.name,
                 kind=type(error).__name__)  # fmt: skip
            self.close(INTERNAL, "the service failed")

    def _end(self) -> None:
        """Let go of all that the connection holds; calls in flight end by themselves."""
        self.set_heartbeat(None)
        for task in (*self._tasks, self._past):
            if task is not None:
                task.cancel()
        if self._reader is not None:
            self._reader.close()
        self.service.tokens.close(self.name)


async def serve_socket(service: Service, scope: Any, receive: Receive, send: Send) -> None:
    """Serve a WebSocket connection whose host and origin were looked at."""
    wire: GuardedSocket | None = scope.get("extensions", {}).get(WIRE)
    if wire is None:
        raise RuntimeError(
            "WebSocket connections are served by the server of steelyard.service.web"
        )
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    address = scope["client"][0] if scope.get("client") else ""
    await Connection(service, wire, address).run(receive)
