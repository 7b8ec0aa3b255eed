"""Uvicorn's two protocols with the bounds that a service on the open net needs.

Of HTTP: the time from a request's first byte to its last, the bytes and the number of its headers, connections in
all and of an address. Of WebSocket: fragments of a message, and how long what was written stays unread; whoever
does not read is closed and then cut off. Frames go to the transport as they are, without a queue in between:
what waits, waits in `connection`, which knows an answer from a notification.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Protocol, cast

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from steelyard.service.rpc.dispatch import Answer, Waiting
from steelyard.service.web.heads import Known, known_of
from steelyard.service.web.settings import Settings

WIRE = "steelyard.wire"
DIRECT_PATH = b"/api/v2"
DIRECT_BYTES_MAX = 65_536
DIRECT_MAX = 4  # requests that are answered where they end, of those that come at once
PLAIN_MAX = 401  # from here on an answer has headers of its own
JSON_LINES = b"content-type: application/json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
CUT_S = 2.0  # after which a connection that was closed is cut off
TEXT = 0x81  # a whole message of text, RFC 6455, 5.2
COPIED_MAX = 65_536  # bytes; a longer message is handed over in two parts, uncopied
GOING_AWAY, POLICY, TOO_BIG, INVALID_TEXT, INTERNAL = 1001, 1008, 1009, 1007, 1011


class Gate:
    """Counts connections, in all and by address.

    >>> gate = Gate(2, 1)
    >>> gate.enter("192.0.2.1"), gate.enter("192.0.2.1"), gate.enter("192.0.2.2")
    (True, False, True)
    >>> gate.leave("192.0.2.1"); gate.enter("192.0.2.1")
    True
    """

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._of: dict[str, int] = {}
        self.held = 0

    def enter(self, address: str) -> bool:
        """Return whether one more connection of an address is let in."""
        of_address = self._of.get(address, 0)
        if self.held >= self._most or of_address >= self._most_of_address:
            return False
        self.held += 1
        self._of[address] = of_address + 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection that went."""
        self.held -= 1
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]


class Direct(Protocol):
    """Who answers a small request of JSON-RPC as soon as it is whole."""

    def plain(self, headers: list[tuple[bytes, bytes]]) -> Any | None:
        """Return what headers say, None of a request that goes the usual way."""

    def at_once(self, plain: Any, body: bytes, address: str) -> Answer | Waiting:
        """Return the answer, or what is awaited for it."""

    def telling(self, found: Answer | Waiting) -> Any:
        """Return an application that sends what was found."""


class GuardedHttp(HttpToolsProtocol):
    """HTTP within bounds. `bounded` makes the class of a server, with its gate and settings.

    A small POST of JSON-RPC is answered where it ends, without a task, a scope and a queue of its own, which
    take as long as a simulation does; but a few at a time, so that a pipeline does not hold the loop. Where its
    head is that of the one before (`heads`), the parser does not read it again.
    """

    gate: ClassVar[Gate]
    settings: ClassVar[Settings]
    direct: ClassVar[Direct | None] = None
    _heads: ClassVar[Heads]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a connection in, or refuse it with 503."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._is_in = self.gate.enter(self._address)
        self._is_open, self._in_headers, self._is_upgraded = True, True, False
        self._header_bytes = self._header_count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._body: bytes | None = None
        self._direct_left = 0
        self._known: Known | None = None
        self._plain: Any = None
        self._length = 0
        self._found: Answer | Waiting | None = None
        self._idle_since_s = 0.0
        if not self._is_in:
            self._end(503, b"too many connections")
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._is_in:
            self.gate.leave(self._address)
        self._unwatch()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and hold the request they belong to against its bounds."""
        if not self._is_in or self.transport.is_closing():
            return
        known = self._known
        if known is not None and self._is_free():
            body = known.body_of(data)
            if body is not None and self._answered_again(known, body):
                return
        was_open, was_in_headers = self._is_open, self._is_open and self._in_headers
        self._direct_left = DIRECT_MAX
        super().data_received(data)
        if self._is_upgraded or self.transport.is_closing():
            return
        if self._is_open and self._in_headers and was_in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > self.settings.header_bytes_max:
                self._end(431, b"the headers are too long")
                return
        if self._is_open:
            self._watch()
            return
        self._unwatch()
        if self._is_free() and self.timeout_keep_alive_task is None:  # after an empty line
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if not was_open and self._plain is not None and self._direct_left == DIRECT_MAX - 1:
            self._known = known_of(data, self._length, self._plain)

    def _is_free(self) -> bool:
        """Return whether no request is being read or answered, and what is written goes out."""
        return not (
            self._is_open
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
        )

    def _answered_again(self, known: Known, body: bytes) -> bool:
        """Answer a request with a head that is known; False has it read, where something is awaited for it."""
        assert self.direct is not None
        found = self.direct.at_once(known.read, body, self._address)
        if self._written(found):
            self._idle_since_s = self.loop.time()
            self.server_state.total_requests += 1
            return True
        self._found = found
        return False

    def _written(self, found: Answer | Waiting) -> bool:
        """Write an answer that needs no headers of its own; False of any other."""
        if not isinstance(found, Answer) or found.body is None or found.http_status >= PLAIN_MAX:
            return False
        head = self._heads.get(found.http_status, self.server_state.default_headers)
        self.transport.write(b"%b%d\r\n\r\n%b" % (head, len(found.body), found.body))
        return True

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for its time; requests with a known head leave the timer as it is."""
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0.0:
            self.timeout_keep_alive_task = self.loop.call_later(
                left_s, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_open = self._in_headers = True
        self._header_bytes = self._header_count = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._header_count += 1
        self._count_header(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the headers."""
        self._in_headers = False
        if self._found is not None or (self.url == DIRECT_PATH and self._may_be_direct()):
            self._body = b""
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._body is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """End a request; a small one is answered here."""
        self._is_open = False
        body, self._body = self._body, None
        found, self._found = self._found, None
        if body is None or self.direct is None:
            super().on_message_complete()
            return
        if found is None:
            found = self.direct.at_once(self._plain, body, self._address)
        self._length = len(body)
        if self._written(found):
            self.on_response_complete()
            return
        app = self.app
        self.app = self.direct.telling(found)
        super().on_headers_complete()
        self.app = app
        super().on_body(body)
        super().on_message_complete()

    def _may_be_direct(self) -> bool:
        """Return whether a request is small and plain, and nothing before it waits; note what its head says."""
        self._plain = None
        if (
            self.direct is None
            or self._direct_left <= 0
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or self.parser.should_upgrade()
            or self.expect_100_continue
            or self.flow.write_paused
        ):
            return False
        for name, value in self.headers:
            if name == b"content-length":
                self._direct_left -= 1
                if len(value) <= 5 and value.isdigit() and int(value) <= DIRECT_BYTES_MAX:
                    self._plain = self.direct.plain(self.headers)
                break
        return self._plain is not None

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with its place at the gate."""
        self._is_upgraded = True
        self._unwatch()
        super().handle_websocket_upgrade()

    def send_400_response(self, _msg: str) -> None:
        """Refuse bytes that are no HTTP, or headers beyond their bounds."""
        if self._header_bytes > self.settings.header_bytes_max or (
            self._header_count > self.settings.headers_max
        ):
            self._end(431, b"the headers are too long")
            return
        self._end(400, b"this is no HTTP")

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.settings.unread_s_max, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.settings.header_bytes_max or (
            self._header_count > self.settings.headers_max
        ):
            raise ValueError("the headers are too long")  # the parser stops: send_400_response

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.settings.request_s_max, self._too_slow)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._end(408, b"the request is too slow")

    def _end(self, status: int, said: bytes) -> None:
        """Say why, close, and cut off whoever does not go."""
        self._unwatch()
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(
                STATUS_LINE[status] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
                + b"content-length: %d\r\n\r\n" % len(said) + said
            )  # fmt: skip
        self.transport.close()
        self.loop.call_later(CUT_S, self.transport.abort)


class Heads:
    """Heads of answers up to the length of the body; they change once a second, with the date.

    >>> heads = Heads()
    >>> heads.get(200, [(b"date", b"today")]).split(b"\\r\\n")[-2:]
    [b'date: today', b'content-length: ']
    """

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._made: dict[int, bytes] = {}

    def get(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the head of a status; headers: of every answer, a new list where they change."""
        if headers is not self._headers:
            self._headers = headers
            self._made = {}
        head = self._made.get(status)
        if head is None:
            lines = b"".join(b"%b: %b\r\n" % each for each in headers)
            head = b"".join((STATUS_LINE[status], JSON_LINES, lines, b"content-length: "))
            self._made[status] = head
        return head


def _lines(body: bytes, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the lines that every answer ends its head with."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"content-length: %d\r\n\r\n" % len(body))
    return parts


def respond(send: Any, status: int, headers: bytes, body: bytes) -> bool:
    """Return whether an answer was written whole, in one piece; False has it sent by the usual way.

    send: the callable of the request. headers: lines with their ends. What uvicorn does in two messages, two writes
    and a look at each header is done here at once, for answers that are made of known parts.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle):
        return False
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    parts = [STATUS_LINE[status], headers]
    if not cycle.keep_alive:
        parts.append(b"connection: close\r\n")
    parts += (*_lines(body, cycle.default_headers), body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join(parts))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


class GuardedSocket(WebSocketsSansIOProtocol):
    """WebSocket within bounds, and a way to write that does not wait."""

    gate: ClassVar[Gate]
    settings: ClassVar[Settings]

    def connection_made(self, transport: Any) -> None:
        """Take over a connection that HTTP has let in."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._unread: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.gate.leave(self._address)
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        """Run the application, which finds this protocol in its scope."""
        extensions = cast(dict[str, Any], self.scope["extensions"])
        extensions[WIRE] = self
        await super().run_asgi()

    @property
    def is_writable(self) -> bool:
        """Return whether the client has read enough for more to be written."""
        return self.writable.is_set()

    async def drained(self) -> None:
        """Wait until more may be written."""
        await self.writable.wait()

    def write_text(self, data: bytes) -> None:
        """Write a message of text; without effect on a connection that is closed."""
        if self.close_sent or self.disconnected or self.conn.state is not State.OPEN:
            return
        if self.conn.extensions:
            self.conn.send_text(data)
            self.transport.write(b"".join(self.conn.data_to_send()))
            return
        size = len(data)
        if size < 126:
            head = bytes((TEXT, size))
        elif size < 65_536:
            head = bytes((TEXT, 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((TEXT, 127)) + size.to_bytes(8, "big")
        if size < COPIED_MAX:
            self.transport.write(head + data)
        else:
            self.transport.writelines((head, data))

    def close_now(self, code: int, reason: str) -> None:
        """Say why and close; whoever does not go is cut off."""
        if self.close_sent or self.disconnected:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.stop_keepalive()
        self.close_sent = True
        self.read_paused = False
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CUT_S, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Hand on a whole message as its bytes; text that is no UTF-8 closes the connection."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text" and not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError:
                self.close_now(INVALID_TEXT, "text is UTF-8")
                return
        self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data), "text": None})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_cont(self, event: Frame) -> None:
        """Take a part of a message, of which there may be so many."""
        if len(self.frames) >= self.settings.fragments_max:
            self.frames = []
            self.close_now(TOO_BIG, "a message has too many fragments")
            return
        super().handle_cont(event)

    def keepalive_timeout(self) -> None:
        """Close a connection that does not answer a ping, and cut it off."""
        super().keepalive_timeout()
        self.loop.call_later(CUT_S, self.transport.abort)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read; nothing is read from it meanwhile."""
        super().pause_writing()
        self.transport.pause_reading()
        if self._unread is None:
            self._unread = self.loop.call_later(self.settings.unread_s_max, self._not_read)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    def _not_read(self) -> None:
        self._unread = None
        self.close_now(POLICY, "what is sent is not read")
        self.transport.abort()


def bounded(
    settings: Settings, direct: Direct | None = None
) -> tuple[type[GuardedHttp], type[GuardedSocket], Gate]:
    """Return the protocols of one server, which share its gate, and the gate."""
    gate = Gate(settings.connections_max, settings.connections_per_address_max)
    held: dict[str, Any] = {"gate": gate, "settings": settings}
    http = type("BoundedHttp", (GuardedHttp,), held | {"direct": direct, "_heads": Heads()})
    socket = type("BoundedSocket", (GuardedSocket,), dict(held))
    return http, socket, gate
