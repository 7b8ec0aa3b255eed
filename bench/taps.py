"""WebSocket readers that cost next to nothing: of each message they look at the head alone, and keep nothing.

A head is what a payload with deltas begins with: its kind, its change and the one before, its time. A Python
client that decodes every message of every reader would be the limit of a load of hundreds, and not the service.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import time
from typing import Any
from urllib.parse import urlsplit

HEAD_BYTES = 1_024
PING, PONG, TEXT = 0x89, 0x8A, 0x81
_TYPE = re.compile(rb'"type":"(\w+)"')
_CHANGE = re.compile(rb'"change_id":(\d+),"previous_change_id":(\d+|null)')
_TIME_US = re.compile(rb'"time_us":(\d+)')
_TIMESTAMP_MS = re.compile(rb'"timestamp":(\d+)')


class Tally:
    """What the readers of one kind of channel were told."""

    def __init__(self) -> None:
        self.ages_us: list[float] = []
        self.told = self.snapshots = self.gaps = self.closed = 0

    def note(self, head: bytes, last: int | None, *, is_counted: bool) -> int | None:
        """Take the head of a notification; return the change that the next must name."""
        change, kind = _CHANGE.search(head), _TYPE.search(head)
        is_snapshot = kind is not None and kind[1] == b"snapshot"
        if not is_counted:
            return int(change[1]) if change else None
        self.told += 1
        if is_snapshot:
            self.snapshots += 1
        elif change is not None and last is not None and change[2] != b"%d" % last:
            self.gaps += 1
        if not is_snapshot:
            at_us, at_ms = _TIME_US.search(head), _TIMESTAMP_MS.search(head)
            instant_us = int(at_us[1]) if at_us else int(at_ms[1]) * 1_000 if at_ms else 0
            if instant_us:
                self.ages_us.append(time.time() * 1e6 - instant_us)
        return int(change[1]) if change else None


def masked(opcode: int, body: bytes) -> bytes:
    """Return a frame as a client sends it, with a mask of zeros.

    >>> masked(0x81, b"hi").hex()
    '8182000000006869'
    """
    size = len(body)
    if size < 126:
        return bytes((opcode, 0x80 | size)) + bytes(4) + body
    return bytes((opcode, 0xFE)) + size.to_bytes(2, "big") + bytes(4) + body


def upgrade_to(path: str, host: str) -> bytes:
    """Return the request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\n"
        f"connection: upgrade\r\nsec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n"
    ).encode()


class Tap(asyncio.Protocol):
    """One connection: sends requests, counts notifications into a tally. `is_counting` starts the counting."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.is_counting = False
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None
        self._last: int | None = None
        self._held = b""  # the beginning of a message, its frame's head included
        self._left = 0  # of a message whose head is known: bytes to come
        self._head = b""
        self._opcode = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        self.tally.closed += 1

    async def ask(self, method: str, params: Any) -> bytes:
        """Send a request and return its answer's head."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.transport.write(masked(TEXT, json.dumps(asked).encode()))
        return await self.answers.get()

    def data_received(self, data: bytes) -> None:
        place = 0
        if self._left:
            taken = min(self._left, len(data))
            self._take(data, 0, taken)
            place = taken
        if place == len(data):
            return
        held = self._held + data[place:]
        place = 0
        while (begun := self._begin(held, place)) >= 0:
            taken = min(self._left, len(held) - begun)
            self._take(held, begun, taken)
            place = begun + taken
        self._held = held[place:]

    def _begin(self, held: bytes, place: int) -> int:
        """Read the head of a frame; return where its body begins, -1 where the head is not there yet."""
        if len(held) < place + 2:
            return -1
        size = held[place + 1]
        wide = {126: 2, 127: 8}.get(size, 0)
        if len(held) < place + 2 + wide:
            return -1
        self._opcode = held[place]
        self._left = int.from_bytes(held[place + 2 : place + 2 + wide], "big") if wide else size
        self._head = b""
        if self._left == 0:
            self._end()
        return place + 2 + wide

    def _take(self, data: bytes, place: int, count: int) -> None:
        self._left -= count
        if len(self._head) < HEAD_BYTES:
            self._head += data[place : place + min(count, HEAD_BYTES - len(self._head))]
        if self._left == 0 and count:
            self._end()

    def _end(self) -> None:
        if self._opcode == PING:
            self.transport.write(masked(PONG, self._head))
        elif self._opcode == TEXT and self._head.startswith(
            b'{"jsonrpc":"2.0","method":"subscription"'
        ):
            self._last = self.tally.note(self._head, self._last, is_counted=self.is_counting)
        elif self._opcode == TEXT:
            self.answers.put_nowait(self._head)


class _Opening(asyncio.Protocol):
    """Waits for the answer to an upgrade, then hands the connection over."""

    def __init__(self, tap: Tap, upgrade: bytes) -> None:
        self.tap, self.upgrade = tap, upgrade
        self.held = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.upgrade)

    def data_received(self, data: bytes) -> None:
        self.held += data
        end = self.held.find(b"\r\n\r\n")
        if end < 0:
            return
        assert self.held.startswith(b"HTTP/1.1 101"), self.held[:200]
        self.transport.set_protocol(self.tap)
        self.tap.connection_made(self.transport)
        if rest := self.held[end + 4 :]:
            self.tap.data_received(rest)
        self.done.set_result(None)


async def open_tap(url: str, tally: Tally, proof: Any, channels: list[str]) -> Tap:
    """Return a connection that is proven and subscribed."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    tap = Tap(tally)
    _, opening = await asyncio.get_running_loop().create_connection(
        lambda: _Opening(tap, upgrade_to(parts.path, parts.netloc)), parts.hostname, parts.port
    )
    await opening.done
    granted = await tap.ask("public/auth", proof.params())
    assert b'"access_token"' in granted, granted
    await tap.ask("private/subscribe", {"channels": channels})
    return tap
