"""Frames of a WebSocket as bytes: where they end, and the one that most packets are (RFC 6455, 5.2).

A client's question is one masked frame of text in a packet of its own. Its text is taken from it here; whatever
else comes goes to the protocol's parser, which keeps all the rules. `Boundaries` knows whether that parser is
between two frames, so that a packet does begin with one.
"""

from __future__ import annotations

from websockets.frames import apply_mask  # type: ignore[attr-defined]

WHOLE_TEXT = 0x81  # FIN and the opcode of text
MASKED, LENGTH = 0x80, 0x7F
SHORT_MAX, MEDIUM, LONG = 125, 126, 127
MASK_BYTES = 4


def text_of(data: bytes, bytes_max: int) -> bytes | None:
    """Return the text of a packet that is one whole frame of at most so much ASCII, None of any other.

    >>> text_of(b"\\x81\\x82\\0\\0\\0\\0{}", 100), text_of(b"\\x81\\x82\\1\\2\\3\\4z\\x7f", 100)
    (b'{}', b'{}')
    >>> [text_of(each, 100) for each in (b"\\x01\\x82\\0\\0\\0\\0{}", b"\\x81\\x02{}", b"\\x81\\x82\\0\\0\\0\\0{")]
    [None, None, None]
    """
    size = len(data)
    if size < 2 + MASK_BYTES or data[0] != WHOLE_TEXT or not data[1] & MASKED:
        return None
    length, begin = data[1] & LENGTH, 2
    if length == MEDIUM:
        length, begin = int.from_bytes(data[2:4], "big"), 4
        if length <= SHORT_MAX:
            return None
    elif length == LONG:
        return None
    begin += MASK_BYTES
    if size != begin + length or length > bytes_max:
        return None
    text = apply_mask(data[begin:], data[begin - MASK_BYTES : begin])
    return text if text.isascii() else None


class Boundaries:
    """Follows the frames of a stream through packets that end anywhere.

    >>> ends = Boundaries()
    >>> for packet in (b"\\x81", b"\\x83\\0\\0\\0\\0a", b"bc"):
    ...     ends.pass_by(packet)
    ...     ends.is_between
    False
    False
    True
    """

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def is_between(self) -> bool:
        """Return whether the next byte begins a frame."""
        return not self._left and not self._head

    def pass_by(self, data: bytes) -> None:
        """Take note of the next bytes."""
        data, place = self._head + data, 0
        self._head = b""
        while True:
            step = min(self._left, len(data) - place)
            place += step
            self._left -= step
            if self._left or place == len(data):
                return
            begin, length = _head_of(data, place)
            if begin > len(data):
                self._head = data[place:]
                return
            place, self._left = begin, length


def _head_of(data: bytes, place: int) -> tuple[int, int]:
    """Return where the payload of a frame begins and how long it is; beyond the data where that is cut."""
    if len(data) < place + 2:
        return len(data) + 1, 0
    second = data[place + 1]
    length, more = second & LENGTH, 0
    if length >= MEDIUM:
        more = 2 if length == MEDIUM else 8
        length = int.from_bytes(data[place + 2 : place + 2 + more], "big")
    return place + 2 + more + (MASK_BYTES if second & MASKED else 0), length
