"""The one codec of events: a schema byte, then a msgpack array tagged with the event's name."""

from __future__ import annotations

import msgspec

from steelyard.quantities import InputError
from steelyard.ticks.events import AnyEvent, Event

SCHEMA_VERSION = 1
EVENT_BYTES_MAX = 64 * 1024 * 1024

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODER: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)
_PREFIX = bytes([SCHEMA_VERSION])


def encode_event(event: Event) -> bytes:
    """Return the bytes of an event; equal events have equal bytes. Errors: TICK-E01 for text that
    is not Unicode, such as half of a pair.

    >>> from steelyard.ticks import TimeTick
    >>> decode_event(encode_event(TimeTick(5, "clock", 1)))
    TimeTick(time_us=5, origin='clock', origin_seq=1)
    """
    try:
        return _PREFIX + _ENCODER.encode(event)
    except UnicodeEncodeError as error:
        raise _malformed(str(error), "text is valid Unicode") from None


def decode_event(data: bytes) -> AnyEvent:
    """Return the event that `data` holds.

    Errors: TICK-E01 (empty, too long, not an event, wrong type or missing field, integers beyond 64
    bits), TICK-E02 (another schema version). Nothing else is ever raised for any bytes.
    """
    if not data or len(data) > EVENT_BYTES_MAX:
        raise _malformed(f"{len(data)} bytes", f"an event has 2 to {EVENT_BYTES_MAX} bytes")
    if data[0] != SCHEMA_VERSION:
        raise InputError(
            "TICK-E02",
            f"schema version {data[0]} is not known",
            rule=f"events are written in schema version {SCHEMA_VERSION}",
            cure="read it with the release that wrote it",
        )
    try:
        return _DECODER.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise _malformed(str(error), "an event is a tagged array of the published fields") from None


def _malformed(what: str, rule: str) -> InputError:
    return InputError(
        "TICK-E01",
        f"not an event: {what}",
        rule=rule,
        cure="compare it with the schema of its name",
    )
