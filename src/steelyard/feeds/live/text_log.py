"""Recorded frames in text files, a line a frame, as other recorders leave them; and any recording by path.

    1633998512.0633569: {"stream": …                seconds, received
    wss://host/path <-> 1633998511.5                a connection was opened
    wss://host/path <- 1633998512.1: {"op": …       sent
    https://host/path?query -> 1633998512.3: {…     fetched
    1723161256172216566 {"stream": …                nanoseconds, received
Plain, .gz or .xz. A line of another form is reported as damage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.messages import Message, Status
from steelyard.feeds.live.raw_log import (
    MARKER,
    PAYLOAD_BYTES_MAX,
    Damage,
    RawFrame,
    not_a_recording,
    read_frames,
    recording_files,
    unpacked,
)
from steelyard.quantities import InputError

_RECEIVED = re.compile(rb"(\d{9,10})\.?(\d{0,9}): ?(.*)", re.DOTALL)
_NANOSECONDS = re.compile(rb"(\d{18,19}) (.*)", re.DOTALL)
_OTHER = re.compile(rb"(\S+) (<->|<-|->) (\d{9,10})\.?(\d{0,9})(?:: ?(.*))?$", re.DOTALL)
_HOST = re.compile(rb"^\w+://[^/]*")
_SNIFFED_BYTES = 4096


def read_text_frames(path: Path, connection: str = "") -> Iterator[RawFrame | Damage]:
    """Yield the frames of a text recording, and the lines that are none. Errors: RAWL-E01.

    connection: the name the frames get, by default the file's up to its first dot.
    """
    name = connection or path.name.split(".")[0]
    offset = 0
    pending = b""
    for chunk in unpacked(path):
        if isinstance(chunk, str):
            yield Damage(path.name, offset, len(pending), chunk, True)
            return
        lines = (pending + chunk).split(b"\n")
        pending = lines.pop()
        for line in lines:
            yield from _frame(line, name, path.name, offset, is_tail=False)
            offset += len(line) + 1
        if len(pending) > PAYLOAD_BYTES_MAX:
            yield Damage(path.name, offset, len(pending), "a line without end", False)
            offset += len(pending)
            pending = b""
    yield from _frame(pending, name, path.name, offset, is_tail=True)


def _frame(
    line: bytes, name: str, file: str, offset: int, *, is_tail: bool
) -> Iterator[RawFrame | Damage]:
    """Yield what one line says; nothing for an empty one."""
    line = line.rstrip(b"\r")
    if not line:
        return
    if match := _RECEIVED.fullmatch(line):
        yield RawFrame(name, "received", _time_us(match[1], match[2]), match[3])
    elif match := _NANOSECONDS.fullmatch(line):
        yield RawFrame(name, "received", int(match[1]) // 1000, match[2])
    elif match := _OTHER.fullmatch(line):
        time_us, payload = _time_us(match[3], match[4]), match[5] or b""
        if match[2] == b"<->":
            yield RawFrame(name, "opened", time_us, match[1])
        elif match[2] == b"<-":
            yield RawFrame(name, "sent", time_us, payload)
        else:
            yield RawFrame(name, "fetched", time_us, _HOST.sub(b"", match[1]) + b"\n" + payload)
    else:
        yield Damage(file, offset, len(line), "a line that is no frame", is_tail)


def _time_us(seconds: bytes, fraction: bytes) -> int:
    """Return microseconds of seconds and their decimals, cut, by integers alone."""
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, b"0"))


def read_recording(path: Path) -> Iterator[RawFrame | Damage]:
    """Yield the frames of a recording: a folder, a .raw file or a text file. Errors: RAWL-E01."""
    if path.is_dir():
        files = recording_files(path)
        if not files:
            raise not_a_recording(path, "the folder has no file of a recording")
        return chain.from_iterable(map(read_frames, files))
    start = b""
    for chunk in unpacked(path):
        start += chunk if isinstance(chunk, bytes) else b""
        if len(start) >= _SNIFFED_BYTES or isinstance(chunk, str):
            break
    line = start[:_SNIFFED_BYTES].split(b"\n")[0].rstrip(b"\r")
    if start.startswith(MARKER) or ".raw" in path.suffixes:
        return read_frames(path)
    if any(form.match(line) for form in (_RECEIVED, _NANOSECONDS, _OTHER)):
        return read_text_frames(path)
    raise not_a_recording(path, "its first line is no frame")


def replay(
    frames: Iterator[RawFrame | Damage],
    make_client: Callable[[str], VenueClient],
    subscriptions: Callable[[str], Sequence[Subscription]],
) -> Iterator[tuple[str, list[Message], int]]:
    """Yield (connection, messages, received_us) as the connection itself gave them.

    A client is made, and told of its subscriptions, for a connection's first frame and after each
    `opened`; both functions get the connection's name. A frame that cannot be read is one Status of kind
    "malformed" (an error of the venue's own: "refused"), a damaged stretch one of kind "gap" of every
    connection.
    """
    clients: dict[str, VenueClient] = {}
    last_us = 0
    for frame in frames:
        if isinstance(frame, Damage):
            words = f"{frame.file}: {frame.reason} at {frame.offset}"
            for name in clients:
                yield name, [Status("", "gap", words)], last_us
            continue
        last_us = frame.time_us
        name = frame.connection
        if frame.direction == "opened" or name not in clients:
            clients[name] = client = make_client(name)
            client.address(subscriptions(name))
            client.opening(subscriptions(name))
        if frame.direction not in ("received", "fetched"):
            continue
        try:
            messages = _messages(clients[name], frame)
        except InputError as error:
            kind = "refused" if error.code == "WIRE-E03" else "malformed"
            messages = [Status("", kind, str(error))]
        if messages:
            yield name, messages, frame.time_us


def _messages(client: VenueClient, frame: RawFrame) -> list[Message]:
    if frame.direction == "received":
        return client.receive(frame.payload, frame.time_us)
    path, _, body = frame.payload.partition(b"\n")
    return client.fetched(path.decode(errors="replace"), body, frame.time_us)
