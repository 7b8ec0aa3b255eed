"""Uvicorn's WebSocket with the bounds that a service on the open net needs, and a short way for questions.

The bounds: fragments of a message, and how long what was written stays unread; whoever does not read is closed and
then cut off. Frames go to the transport as they are, without a queue in between: what waits, waits in
`connection`, which knows an answer from a notification.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, ClassVar, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from steelyard.service.web.framing import WHOLE_TEXT, Boundaries, text_of
from steelyard.service.web.gate import CUT_S, DIRECT_S, Deadline, Gate
from steelyard.service.web.settings import Settings

WIRE = "steelyard.wire"
COPIED_MAX = 65_536  # bytes; a longer message is handed over in two parts, uncopied
GOING_AWAY, POLICY, TOO_BIG, INVALID_TEXT, INTERNAL = 1001, 1008, 1009, 1007, 1011


class GuardedSocket(WebSocketsSansIOProtocol):
    """WebSocket within bounds, and a way to write that does not wait.

    heard: is given a whole message first, and says whether it was taken; what it does not take waits in the queue.
    """

    gate: ClassVar[Gate]
    settings: ClassVar[Settings]

    def connection_made(self, transport: Any) -> None:
        """Take over a connection that HTTP has let in."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._unread = Deadline(self.loop, self.settings.unread_s_max, self._not_read)
        self.heard: Callable[[bytes], bool] | None = None
        self._boundaries = Boundaries()
        self._direct_until_s = 0.0

    def data_received(self, data: bytes) -> None:
        """Take bytes; of the messages that end with them a few may be answered at once."""
        if self.heard is not None and self._is_quiet():
            text = text_of(data, self.settings.message_bytes_max)
            if text is not None and self.heard(text):
                return
        self._direct_until_s = perf_counter() + DIRECT_S
        if self.handshake_initiated:
            self._boundaries.pass_by(data)
        super().data_received(data)

    def _is_quiet(self) -> bool:
        """Return whether the connection is open and the parser is between two messages."""
        return (
            self._boundaries.is_between
            and not self.frames
            and self.conn.state is State.OPEN
            and not (self.close_sent or self.disconnected)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.gate.leave(self._address)
        self._unread.end()
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
            head = bytes((WHOLE_TEXT, size))
        elif size < 65_536:
            head = bytes((WHOLE_TEXT, 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((WHOLE_TEXT, 127)) + size.to_bytes(8, "big")
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
        is_time_left = perf_counter() < self._direct_until_s
        if self.heard is not None and is_time_left and self.heard(bytes(data)):
            return
        self.hand_on({"type": "websocket.receive", "bytes": bytes(data)})

    def hand_on(self, message: Any) -> None:
        """Have a message read in its turn, and nothing more meanwhile."""
        self.queue.put_nowait(message)
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
        self._unread.begin()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._unread.end()
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    def _not_read(self) -> None:
        self.close_now(POLICY, "what is sent is not read")
        self.transport.abort()
