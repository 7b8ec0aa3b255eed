"""Where SQLite's write-ahead log stops being sound, as a byte offset.

SQLite itself only stops reading there. Written from the file format's public description: a
32-byte header (magic, version, page bytes, checkpoint number, two salts, two checksums), then
frames of a 24-byte header (page number, pages after commit, salts, checksums) and one page. Each
checksum covers everything before it since the header; a frame of an earlier round of the log has
other salts.
"""

from __future__ import annotations

import os
from struct import Struct, iter_unpack

LOG_SUFFIX = "-wal"
_HEADER = Struct(">8I")
_FRAME = Struct(">6I")
_MASK = 0xFFFFFFFF
_LOG_BYTES_MAX = 1 << 30


def _checksum(data: bytes, first: int, second: int, order: str) -> tuple[int, int]:
    """Return SQLite's running checksum pair after `data` (a multiple of 8 bytes)."""
    for low, high in iter_unpack(order + "II", data):
        first = (first + low + second) & _MASK
        second = (second + high + first) & _MASK
    return first, second


def describe_log_damage(path: str) -> str:
    """Return where the log beside the journal at `path` stops being sound, "" when it is sound.

    A frame that belongs to this round of the log (its salts match) but fails its checksum is
    damage or a torn write; a frame with other salts is the normal end.
    """
    log_path = path + LOG_SUFFIX
    try:
        if os.path.getsize(log_path) > _LOG_BYTES_MAX:
            return f"log {os.path.basename(log_path)}, too large to scan"
        with open(log_path, "rb") as file:
            return _scan(file.read())
    except FileNotFoundError:
        return "the log file is missing"
    except OSError as error:
        return f"the log file cannot be read: {error}"


def _scan(data: bytes) -> str:
    if len(data) < _HEADER.size:
        return "log header, bytes 0 to 31" if data else ""
    magic, _version, page_bytes, _number, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack_from(data)
    order = ">" if magic & 1 else "<"
    state = _checksum(data[:24], 0, 0, order)
    if magic & ~1 != 0x377F0682 or state != (sum_1, sum_2) or page_bytes < 512:
        return "log header, bytes 0 to 31"
    offset, number = _HEADER.size, 1
    while offset + _FRAME.size + page_bytes <= len(data):
        _page, _pages, frame_salt_1, frame_salt_2, sum_1, sum_2 = _FRAME.unpack_from(data, offset)
        end = offset + _FRAME.size + page_bytes
        state = _checksum(data[offset : offset + 8], *state, order)
        state = _checksum(data[offset + _FRAME.size : end], *state, order)
        if state != (sum_1, sum_2) or (frame_salt_1, frame_salt_2) != (salt_1, salt_2):
            matching = (frame_salt_1 == salt_1) + (frame_salt_2 == salt_2)
            if matching:
                return f"log frame {number}, bytes {offset} to {end - 1}"
            return f"log ends before frame {number}, byte {offset}"
        offset, number = end, number + 1
    return f"log ends at byte {offset}" if offset < len(data) else ""
