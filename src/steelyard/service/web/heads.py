"""A head that a connection sends again: all of it but the length of the body is as it was.

A client that keeps its connection sends the same head with each request. Once the parser has read one, the next
of the same bytes means the same, so that its body is found by two comparisons. Whatever differs goes
to the parser as ever.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

HEAD_BYTES_MAX = 4_096
BODY_BYTES_MAX = 65_536
DIGITS_MAX = 5
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,5})(?=\r\n)", re.IGNORECASE)


class Known(NamedTuple):
    """The bytes before and after the digits of the length, and what the head was read as."""

    before: bytes
    after: bytes
    read: Any

    def taken(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return the body of a whole request with this head that data begins with, and the bytes behind it.

        None where data begins with anything else, or the body is not all there, or long.

        >>> first = b"POST /a HTTP/1.1\\r\\nContent-Length: 2\\r\\nhost: b\\r\\n\\r\\n{}"
        >>> known = known_of(first, 2, "read")
        >>> known.taken(first.replace(b"2", b"12") + b" " * 10 + b"GET")
        (b'{}          ', b'GET')
        >>> [known.taken(each) for each in (first[:-1], first.replace(b"b", b"c"))]
        [None, None]
        """
        if not data.startswith(self.before):
            return None
        begin = len(self.before)
        end = data.find(b"\r", begin, begin + DIGITS_MAX + 1)
        digits = data[begin:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self.after, end):
            return None
        body = end + len(self.after)
        behind = body + int(digits)
        if len(data) < behind or behind - body > BODY_BYTES_MAX:
            return None
        return data[body:behind], data[behind:]


def known_of(data: bytes, length: int, read: Any) -> Known | None:
    """Return the head of a packet that is one whole request with a body of so many bytes, as the parser found.

    None where it is longer, is not all there, or states its length in an unusual way.
    """
    size = len(data) - length
    if size > HEAD_BYTES_MAX or data.find(_END) != size - len(_END):
        return None
    lengths = [*_LENGTH.finditer(data, 0, size - 2)]
    if len(lengths) != 1 or int(lengths[0][1]) != length:
        return None
    return Known(data[: lengths[0].start(1)], data[lengths[0].end(1) : size], read)
