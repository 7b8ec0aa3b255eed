"""Uvicorn's HTTP with the bounds that a service on the open net needs, and a short way for small requests.

The bounds: the time from a request's first byte to its last, the bytes and the number of its headers, connections
in all and of an address.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any, ClassVar, Protocol

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from steelyard.service.rpc.dispatch import Answer, Waiting
from steelyard.service.web.gate import CUT_S, DIRECT_S, Deadline, Gate
from steelyard.service.web.heads import BODY_BYTES_MAX, Known, known_of
from steelyard.service.web.settings import Settings

DIRECT_PATH = b"/api/v2"
PLAIN_MAX = 401  # from here on an answer has headers of its own
JSON_LINES = b"content-type: application/json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"


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
    take as long as a simulation does; but for a moment, so that a pipeline does not hold the loop. Where its
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
        self._whole = Deadline(self.loop, self.settings.request_s_max, self._too_slow)
        self._unread = Deadline(self.loop, self.settings.unread_s_max, transport.abort)
        self._body: bytes | None = None
        self._direct_until_s = 0.0
        self._directs = 0
        self._known: Known | None = None
        self._plain: Any = None
        self._length = 0
        self._found: Answer | Waiting | None = None
        self._idle_since_s = 0.0
        if not self._is_in:
            self._end(503, b"too many connections")
            return
        self._whole.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._is_in:
            self.gate.leave(self._address)
        self._whole.end()
        self._unread.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and hold the request they belong to against its bounds."""
        if not self._is_in or self.transport.is_closing():
            return
        self._direct_until_s = perf_counter() + DIRECT_S
        self._directs = 0
        if self._known is not None:
            data = self._behind(data, self._known)
            if not data:
                return
        was_in_headers = self._is_open and self._in_headers
        was_between = not self._is_open or self.scope is None
        super().data_received(data)
        if self._is_upgraded or self.transport.is_closing():
            return
        if self._is_open and self._in_headers and was_in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > self.settings.header_bytes_max:
                self._end(431, b"the headers are too long")
                return
        if self._is_open:
            self._whole.begin()
            return
        self._whole.end()
        if self._is_clear() and self.timeout_keep_alive_task is None:  # after an empty line
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if was_between and self._plain is not None and self._directs == 1:
            self._known = known_of(data, self._length, self._plain)

    def _behind(self, data: bytes, known: Known) -> bytes:
        """Answer the requests with a head that is known, and return what is left for the parser."""
        while data and not self._is_open and self._is_clear():
            if perf_counter() >= self._direct_until_s:
                break
            taken = known.taken(data)
            if taken is None or not self._answered_again(known, taken[0]):
                break
            data = taken[1]
        return data

    def _is_clear(self) -> bool:
        """Return whether no request before is being answered, and what is written goes out."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return is_answered and not self.flow.write_paused

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
            or perf_counter() >= self._direct_until_s
            or not self._is_clear()
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or self.parser.should_upgrade()
            or self.expect_100_continue
        ):
            return False
        for name, value in self.headers:
            if name == b"content-length":
                self._directs += 1
                if len(value) <= 5 and value.isdigit() and int(value) <= BODY_BYTES_MAX:
                    self._plain = self.direct.plain(self.headers)
                break
        return self._plain is not None

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with its place at the gate."""
        self._is_upgraded = True
        self._whole.end()
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
        self._unread.begin()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._unread.end()
        super().resume_writing()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.settings.header_bytes_max or (
            self._header_count > self.settings.headers_max
        ):
            raise ValueError("the headers are too long")  # the parser stops: send_400_response

    def _too_slow(self) -> None:
        self._end(408, b"the request is too slow")

    def _end(self, status: int, said: bytes) -> None:
        """Say why, close, and cut off whoever does not go."""
        self._whole.end()
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
            head = self._made[status] = _head(status, headers)
        return head


def _head(status: int, headers: list[tuple[bytes, bytes]], close: bytes = b"") -> bytes:
    """Return the head of an answer up to the length of its body; headers: of every answer."""
    lines = b"".join(b"%b: %b\r\n" % each for each in headers)
    return b"".join((STATUS_LINE[status], JSON_LINES, close, lines, b"content-length: "))


def respond(send: Any, status: int, body: bytes) -> bool:
    """Return whether an answer was written whole, in one piece; False has it sent by the usual way.

    send: the callable of the request. What uvicorn does in two messages, two writes and a look at each header is
    done here at once, for answers that are made of known parts.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle):
        return False
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    head = _head(
        status, cycle.default_headers, b"" if cycle.keep_alive else b"connection: close\r\n"
    )
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
