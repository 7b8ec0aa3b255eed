"""Raw frames on disk: what came, from where, when, byte for byte, so that it can be played again.

A recording is a folder of files NAME-000001.raw, NAME-000002.raw … (with .gz when compressed). A writer
never touches a file that is there: it opens the next number. A file is a run of frames, each

    marker 4 | length u32 | crc32 u32 | direction u8 | name length u8 | time_us i64 | name | payload

little-endian; length and CRC are of everything behind the CRC. The marker lets a reader find the next
frame after damage; a file that was cut anywhere gives every whole frame before the cut.

    RAWL-E01 not a recording, or not to be opened
    RAWL-E02 a frame above the limits of the format
    RAWL-E03 cannot be written
"""

from __future__ import annotations

import lzma
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from steelyard.quantities import InputError

Direction = Literal["opened", "received", "sent", "fetched"]
"""opened: the address of a new connection; fetched: the path, a line feed, the body."""

DIRECTIONS: tuple[Direction, ...] = ("opened", "received", "sent", "fetched")
MARKER = b"\xf5SYR"
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
NAME_BYTES_MAX = 255

_HEAD = struct.Struct("<4sII")
_BODY = struct.Struct("<BBq")
_CHUNK_BYTES = 1 << 18
_FLUSH_US = 1_000_000
_GZIP_WINDOW = 31  # zlib's word for: with a gzip header
_FILE_NAME = re.compile(r"-(\d{6})\.raw(\.gz)?$")


class RawFrame(msgspec.Struct, frozen=True, gc=False):
    """One recorded frame. time_us: when this machine received or sent it."""

    connection: str
    direction: Direction
    time_us: int
    payload: bytes


class Damage(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a file that gives no frame. offset, length: bytes of the uncompressed file, -1 when
    not known. is_tail: it reaches the end of the file, as after a crash."""

    file: str
    offset: int
    length: int
    reason: str
    is_tail: bool


def encode_frame(frame: RawFrame) -> bytes:
    """Return a frame as it stands in the file. Errors: RAWL-E02.

    >>> encode_frame(RawFrame("a", "received", 7, b"{}")).hex(" ", -4)
    'f5535952 0d000000 40ca16cb 01010700 00000000 0000617b 7d'
    """
    name = frame.connection.encode()
    if len(name) > NAME_BYTES_MAX or len(frame.payload) > PAYLOAD_BYTES_MAX:
        raise InputError(
            "RAWL-E02",
            f"a name of {len(name)} and a frame of {len(frame.payload)} bytes",
            rule=f"a name has at most {NAME_BYTES_MAX} bytes, a frame {PAYLOAD_BYTES_MAX}",
            cure="lower frame_bytes_max of the connection",
            connection=frame.connection[:40],
        )
    body = (
        _BODY.pack(DIRECTIONS.index(frame.direction), len(name), frame.time_us)
        + name
        + frame.payload
    )
    return _HEAD.pack(MARKER, len(body), zlib.crc32(body)) + body


class RawLogWriter:
    """Appends frames; a file that has reached `bytes_max` (as it stands on disk) is followed by the next.

    is_compressed: gzip, level 1. Frames reach the disk's cache at least once a second of frame time, and
    on `flush` and `close`.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "frames",
        *,
        bytes_max: int = 256 * 1024 * 1024,
        is_compressed: bool = False,
    ) -> None:
        self.folder = folder
        self.name = name
        self.bytes_max = bytes_max
        self.is_compressed = is_compressed
        self.frames = 0
        self._file: BinaryIO | None = None
        self._squeeze: zlib._Compress | None = None
        self._flushed_us = 0

    def write(self, connection: str, direction: Direction, time_us: int, payload: bytes) -> None:
        """Append a frame. Errors: RAWL-E02, RAWL-E03 (the next frame then begins a new file)."""
        data = encode_frame(RawFrame(connection, direction, time_us, payload))
        try:
            file = self._file or self._open()
            file.write(self._squeeze.compress(data) if self._squeeze else data)
            if abs(time_us - self._flushed_us) >= _FLUSH_US:
                self._flushed_us = time_us
                self.flush()
            if file.tell() >= self.bytes_max:
                self.close()
        except OSError as error:
            self._abandon()
            raise InputError(
                "RAWL-E03",
                f"a recording cannot be written: {error.strerror or error}",
                rule="the folder of a recording has room and may be written",
                cure="free space, or record elsewhere",
                folder=self.folder,
            ) from error
        self.frames += 1

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._file is None:
            return
        if self._squeeze is not None:
            self._file.write(self._squeeze.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def close(self) -> None:
        """End the file; a later frame begins the next one."""
        if self._file is None:
            return
        try:
            if self._squeeze is not None:
                self._file.write(self._squeeze.flush(zlib.Z_FINISH))
        finally:
            self._abandon()

    def _open(self) -> BinaryIO:
        """Open the file after the last that is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = [number for number, _ in _numbered(self.folder, self.name)]
        suffix = ".raw.gz" if self.is_compressed else ".raw"
        path = self.folder / f"{self.name}-{max(numbers, default=0) + 1:06}{suffix}"
        self._file = path.open("xb")
        self._squeeze = (
            zlib.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW) if self.is_compressed else None
        )
        return self._file

    def _abandon(self) -> None:
        file, self._file, self._squeeze = self._file, None, None
        if file is not None:
            file.close()


def recording_files(folder: Path) -> list[Path]:
    """Return the files of a recording in the order they were written."""
    return [
        path for _, path in sorted(_numbered(folder, None), key=lambda each: (each[0], each[1]))
    ]


def _numbered(folder: Path, name: str | None) -> Iterator[tuple[int, Path]]:
    for path in folder.iterdir():
        match = _FILE_NAME.search(path.name)
        if match and (name is None or path.name[: match.start()] == name):
            yield int(match[1]), path


def read_frames(path: Path) -> Iterator[RawFrame | Damage]:
    """Yield the frames of one recorded file, and where it is damaged. Errors: RAWL-E01.

    A frame that fails its CRC, or is cut, is damage up to the next frame that holds.
    """
    buffer = bytearray()
    base = 0  # offset of the buffer's start in the uncompressed file
    lost_from = -1
    stream = unpacked(path)
    is_ended = False
    cut = ""
    while True:
        at = 0
        while True:
            found = _frame_at(buffer, at)
            if found is None and not is_ended:
                break  # more bytes may complete it
            if isinstance(found, tuple):
                frame, length = found
                if lost_from >= 0:
                    yield Damage(path.name, lost_from, base + at - lost_from, "no frame", False)
                    lost_from = -1
                yield frame
                at += length
                continue
            if at >= len(buffer):
                break
            if lost_from < 0:
                lost_from = base + at
            following = buffer.find(MARKER, at + 1)
            keep = 0 if is_ended else len(MARKER) - 1  # a marker may be cut by the buffer's end
            at = following if following >= 0 else max(len(buffer) - keep, at + 1)
        del buffer[:at]
        base += at
        if is_ended:
            break
        chunk = next(stream, None)
        if isinstance(chunk, str):
            cut, chunk = chunk, None
        is_ended = chunk is None
        buffer += chunk or b""
    if lost_from >= 0:
        yield Damage(path.name, lost_from, base - lost_from, cut or "cut in a frame", True)
    elif cut:
        yield Damage(path.name, base, -1, cut, True)


def _frame_at(buffer: bytearray, at: int) -> tuple[RawFrame, int] | bool | None:
    """Return the frame at a place and its length, None where bytes are missing, False where none is."""
    head = buffer[at : at + _HEAD.size]
    if not MARKER.startswith(head[: len(MARKER)]) and not head.startswith(MARKER):
        return False
    if len(head) < _HEAD.size:
        return None
    _, length, crc = _HEAD.unpack(head)
    if not _BODY.size <= length <= PAYLOAD_BYTES_MAX + NAME_BYTES_MAX + _BODY.size:
        return False
    start = at + _HEAD.size
    if len(buffer) < start + length:
        return None
    body = bytes(buffer[start : start + length])
    if zlib.crc32(body) != crc:
        return False
    direction, name_length, time_us = _BODY.unpack_from(body)
    if direction >= len(DIRECTIONS) or _BODY.size + name_length > length:
        return False
    end = _BODY.size + name_length
    try:
        name = body[_BODY.size : end].decode()
    except UnicodeDecodeError:
        return False
    return RawFrame(name, DIRECTIONS[direction], time_us, body[end:]), _HEAD.size + length


def unpacked(path: Path) -> Iterator[bytes | str]:
    """Yield the bytes of a plain, .gz or .xz file in pieces; last a str if its packing is broken or cut.

    Errors: RAWL-E01 when it cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise not_a_recording(path, error.strerror or str(error)) from None
    with file:
        if path.suffix == ".gz":
            yield from _gunzip(file)
        elif path.suffix == ".xz":
            yield from _unxz(file)
        else:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def _gunzip(file: BinaryIO) -> Iterator[bytes | str]:
    """Unpack one gzip member after the other; the gzip module would lose what stands before a cut."""
    stream = zlib.decompressobj(_GZIP_WINDOW)
    is_begun = False
    data = b""
    try:
        while True:
            data = data or file.read(_CHUNK_BYTES)
            if not data:
                break
            is_begun = True
            piece = stream.decompress(data, _CHUNK_BYTES)
            data = stream.unconsumed_tail or stream.unused_data
            if piece:
                yield piece
            if stream.eof:
                stream, is_begun = zlib.decompressobj(_GZIP_WINDOW), False
    except zlib.error as error:
        yield f"broken gzip: {error}"
        return
    if is_begun:
        yield "gzip cut short"


def _unxz(file: BinaryIO) -> Iterator[bytes | str]:
    stream = lzma.LZMADecompressor()
    try:
        while not stream.eof:
            data = file.read(_CHUNK_BYTES) if stream.needs_input else b""
            if stream.needs_input and not data:
                yield "xz cut short"
                return
            piece = stream.decompress(data, _CHUNK_BYTES)
            if piece:
                yield piece
    except lzma.LZMAError as error:
        yield f"broken xz: {error}"


def not_a_recording(path: Path, reason: str) -> InputError:
    """Return RAWL-E01."""
    return InputError(
        "RAWL-E01",
        f"no recording can be read: {reason}",
        rule="a recording is a .raw file or lines of `time: payload`, plain, .gz or .xz",
        cure="check the path and what wrote the file",
        path=path,
    )
