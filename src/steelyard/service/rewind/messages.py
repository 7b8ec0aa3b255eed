"""What the two processes say to each other: msgpack arrays, each behind its length of four bytes."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import msgspec

from steelyard.quantities.errors import (
    InputError,
    JournalError,
    LedgerError,
    MarketError,
    SteelyardError,
    TermsError,
)
from steelyard.service.access.errors import AccessError
from steelyard.service.access.session import Session
from steelyard.service.rewind.errors import RewindError

FRAME_BYTES_MAX = 256 * 1024 * 1024
LENGTH = Struct(">I")


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What all messages share: the number of the question that they belong to, 0 for none."""

    number: int


class Ask(Message, frozen=True, array_like=True, tag=True):
    """A request of JSON-RPC, as of an event, the last durable one if None. us_in: when it came in."""

    raw: bytes
    session: Session
    as_of_seq: int | None
    address: str
    us_in: int


class Call(Message, frozen=True, array_like=True, tag=True):
    """One method with its params in JSON; answered with the JSON of its result alone."""

    method: str
    params: bytes
    session: Session
    as_of_seq: int | None
    us_in: int


class ChannelOf(Message, frozen=True, array_like=True, tag=True):
    """The snapshot notification of a channel, as of an event."""

    name: str
    session: Session
    as_of_seq: int


class SeqAt(Message, frozen=True, array_like=True, tag=True):
    """The last durable event at or before an instant; answered with a JSON integer."""

    time_us: int


class SpanOf(Message, frozen=True, array_like=True, tag=True):
    """What can be gone to; answered with the JSON of a `Span`."""


class Cancel(Message, frozen=True, array_like=True, tag=True):
    """Nobody waits for the answer to this question any more."""


class Answer(Message, frozen=True, array_like=True, tag=True):
    """The answer to a question; body is None where none is wanted. seq: as of which event."""

    body: bytes | None
    seq: int


class Progress(Message, frozen=True, array_like=True, tag=True):
    """A long replay goes on: the fraction done."""

    fraction: float


class Refusal(Message, frozen=True, array_like=True, tag=True):
    """An expected failure, field by field."""

    kind: str
    code: str
    message: str
    rule: str
    cure: str
    where: dict[str, str | int]


class Incident(Message, frozen=True, array_like=True, tag=True):
    """An unexpected failure within a method, for those who run the service."""

    name: str
    method: str
    key_id: str
    time_us: int
    said: str


class Alive(Message, frozen=True, array_like=True, tag=True):
    """The second process works. resident_bytes: its memory."""

    resident_bytes: int


ToWorker = Ask | Call | ChannelOf | SeqAt | SpanOf | Cancel
FromWorker = Answer | Progress | Refusal | Incident | Alive
Question = Ask | Call | ChannelOf | SeqAt | SpanOf

_encode = msgspec.msgpack.Encoder().encode
_KINDS: dict[str, type[SteelyardError]] = {
    each.__name__: each
    for each in (
        RewindError, AccessError, JournalError, LedgerError, MarketError, TermsError, InputError,
    )
}  # fmt: skip


def framed(message: Message) -> bytes:
    """Return a message behind its length."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body


class Frames:
    """Bytes as they come, cut into the bodies of frames.

    >>> frames = Frames()
    >>> whole = framed(SeqAt(7, 1))
    >>> list(frames.cut(whole[:5])), len(list(frames.cut(whole[5:] + whole)))
    ([], 2)
    """

    def __init__(self) -> None:
        self._held = bytearray()

    def cut(self, more: bytes) -> Iterator[bytes]:
        """Yield the whole frames; what is left waits for more. ValueError for one that is too long."""
        held = self._held
        held += more
        while len(held) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(held)
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"a frame of {length} bytes")
            end = LENGTH.size + length
            if len(held) < end:
                return
            body = bytes(held[LENGTH.size : end])
            del held[:end]
            yield body


def refusal_of(number: int, error: SteelyardError) -> Refusal:
    """Return an expected failure as a message."""
    kind = next((name for name, each in _KINDS.items() if isinstance(error, each)), "InputError")
    where = {
        name: place if type(place) is int and abs(place) < 2**63 else str(place)
        for name, place in error.where.items()
    }
    return Refusal(number, kind, error.code, error.message, error.rule, error.cure, where)


def error_of(refusal: Refusal) -> SteelyardError:
    """Return the failure that a message tells of, of the same kind.

    >>> from steelyard.service.rewind.errors import no_event
    >>> error_of(refusal_of(1, no_event(9, 4))).where["last_seq"]
    4
    """
    where: dict[str, object] = dict(refusal.where.items())
    for taken in ("code", "message", "rule", "cure"):
        where.pop(taken, None)
    return _KINDS[refusal.kind](
        refusal.code, refusal.message, rule=refusal.rule, cure=refusal.cure, **where
    )
