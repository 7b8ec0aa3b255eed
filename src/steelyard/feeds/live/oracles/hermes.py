"""Hermes, the HTTP service that hands out Pyth's signed updates: its documents and its event stream.

A document holds the signed bytes (`binary`, hexadecimal or base64) and may hold the same prices in
plain words (`parsed`). Only the signed bytes are believed. The plain words are read for one purpose: a
server whose words differ from what was signed is broken or lies, and its document is refused.

Paths: `/v2/updates/price/latest` (one document) and `/v2/updates/price/stream` (server-sent events,
one document each; the server ends a stream after 24 hours). Source: the service's own documentation
and the upgrade notes of August 2026 (new address, access token; routes and answers unchanged), read
November 2026.

    PYTH-E01 … PYTH-E05  as of `pyth`, and a document that is none
    PYTH-E06  a price in plain words is not the signed one
"""

from __future__ import annotations

import binascii
from collections.abc import Collection, Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec

from steelyard.feeds.live.messages import Message, Status
from steelyard.feeds.live.oracles.pyth import (
    PRICE_MESSAGE,
    UPDATE_BYTES_MAX,
    SignedPrice,
    decode_price,
    not_asked_for,
    parse_update,
    to_message,
    verify_update,
)
from steelyard.feeds.live.oracles.wormhole import Trust, malformed
from steelyard.quantities import InputError

PUBLIC_ADDRESS = "https://pyth.dourolabs.app/hermes"
LATEST_PATH = "/v2/updates/price/latest"
STREAM_PATH = "/v2/updates/price/stream"
DOCUMENT_BYTES_MAX = 4 * UPDATE_BYTES_MAX
_FEED_DIGITS = 64
_HEX = frozenset("0123456789abcdef")

Encoding = Literal["hex", "base64"]
DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec may raise, whatever the bytes are; broken UTF-8 is a ValueError."""


class _Binary(msgspec.Struct):
    encoding: Encoding
    data: list[str]


class _Words(msgspec.Struct):
    price: int
    conf: int
    expo: int
    publish_time: int


class _Parsed(msgspec.Struct):
    id: str
    price: _Words
    ema_price: _Words | None = None


class _Document(msgspec.Struct):
    binary: _Binary
    parsed: list[_Parsed] | None = None


_DECODER = msgspec.json.Decoder(_Document, strict=False)


class ServerEvent(msgspec.Struct, frozen=True):
    """One server-sent event. kind: its name, `message` where it has none."""

    kind: str
    data: bytes


class EventStream:
    """Cuts a stream of server-sent events into events, wherever its pieces are cut.

    A line ends with CR, LF or both; an empty line ends an event; a line that begins with a colon is a
    comment, which servers send to keep a connection alive; of several data lines each is a line.
    Source: the HTML standard, 9.2.
    """

    def __init__(self, bytes_max: int = DOCUMENT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._rest = b""
        self._is_after_return = False
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Return the events that this piece completes.

        Errors: PYTH-E01 for an event beyond the limit; the stream is of no use then.

        >>> stream = EventStream()
        >>> stream.feed(b": hello\\r\\ndata:{")
        []
        >>> stream.feed(b"}\\r\\n\\r\\n")
        [ServerEvent(kind='message', data=b'{}')]
        """
        events: list[ServerEvent] = []
        for line in self._lines(piece):
            if line:
                self._take(line)
            elif (event := self._finish()) is not None:
                events.append(event)
        if self._size + len(self._rest) > self._bytes_max:
            raise malformed("an event is no longer than four mebibytes")
        return events

    def _lines(self, piece: bytes) -> list[bytes]:
        """Return whole lines; what is left waits. A line feed behind a carriage return is no line."""
        if self._is_after_return and piece:
            piece = piece.removeprefix(b"\n")
            self._is_after_return = False
        text = self._rest + piece
        if b"\n" not in piece and b"\r" not in piece:
            self._rest = text
            return []
        self._is_after_return = text.endswith(b"\r")
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()
        return lines

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > self._bytes_max:
                raise malformed("an event is no longer than four mebibytes")
        elif name == b"event":
            self._kind = value.decode(errors="replace")

    def _finish(self) -> ServerEvent | None:
        kind, data = self._kind, self._data
        self._kind, self._data, self._size = "", [], 0
        return ServerEvent(kind or "message", b"\n".join(data)) if data else None


class HermesReader:
    """Documents in, verified prices out; remembers the newest of each feed.

    One reader serves one source for as long as it runs, over all its connections.
    """

    def __init__(self, trust: Trust, feeds: Collection[str]) -> None:
        self.trust = trust
        self.feeds = frozenset(plain_feed(feed) for feed in feeds)
        self._newest: dict[str, tuple[int, int]] = {}
        self.repeats = 0

    def receive(self, document: bytes, received_us: int) -> list[Message]:
        """Return what a document says, every price in it verified.

        A price is emitted once: the same one again (publish time and slot) is counted and left out, an
        older one becomes a Status of kind "clock", a feed that was not asked for one of kind
        "unverified" (PYTH-E05), a signed price that is not above zero one of kind "malformed".
        Errors: PYTH-E01 … PYTH-E04, PYTH-E06: then nothing of the document is believed.
        """
        decoded = _decode(document)
        signed: dict[str, tuple[SignedPrice, int]] = {}
        for text in decoded.binary.data:
            update = parse_update(_bytes_of(text, decoded.binary.encoding))
            verify_update(update, self.trust, received_us)
            for each in update.messages:
                if each.message[:1] != bytes((PRICE_MESSAGE,)):
                    continue
                price = decode_price(each.message)
                if price.feed in signed:
                    raise malformed("a document has a feed once", feed=price.feed)
                signed[price.feed] = (price, update.slot)
        for words in decoded.parsed or ():
            _compare(words, signed)
        messages = (self._message(price, slot) for price, slot in signed.values())
        return [message for message in messages if message is not None]

    def _message(self, price: SignedPrice, slot: int) -> Message | None:
        """Return what one verified price becomes, None for one that was there before."""
        if price.feed not in self.feeds:
            return as_status(not_asked_for(price.feed), price.feed)
        try:
            message = to_message(price)
        except InputError as error:
            return as_status(error, price.feed)
        order = (price.publish_time_s, slot)
        newest = self._newest.get(price.feed, (-1, -1))
        if order < newest:
            reason = f"published at {order[0]} s in slot {order[1]}, after {newest}"
            return Status(price.feed, "clock", reason)
        if order == newest:
            self.repeats += 1
            return None
        self._newest[price.feed] = order
        return message


def event_message(event: ServerEvent) -> Status:
    """Return what an event that is no document says: the server ends the stream, or missed something."""
    reason = event.data[:200].decode(errors="replace")
    return Status("", "restart" if "timeout" in reason.lower() else "gap", reason)


def as_status(error: InputError, market: str = "") -> Status:
    """Return a refusal as a message: bytes of another form are malformed, all else is unverified."""
    kind = "malformed" if error.code == "PYTH-E01" else "unverified"
    return Status(market, kind, str(error)[:500])


def plain_feed(feed: str) -> str:
    """Return a feed's 64 hexadecimal digits in small letters, without 0x. Errors: PYTH-E08.

    >>> plain_feed("0x" + "E6" * 32) == "e6" * 32
    True
    """
    plain = feed.lower().removeprefix("0x")
    if len(plain) != _FEED_DIGITS or not _HEX.issuperset(plain):
        raise InputError(
            "PYTH-E08",
            "this is no feed",
            rule="a feed is 64 hexadecimal digits",
            cure="look the feed up in the network's list",
            feed=feed[:100],
        )
    return plain


def query(feeds: Sequence[str], encoding: Encoding) -> str:
    """Return the query of both paths.

    >>> query(["ab"], "hex")
    'ids%5B%5D=ab&encoding=hex&parsed=true'
    """
    pairs = [*(("ids[]", feed) for feed in feeds), ("encoding", encoding), ("parsed", "true")]
    return urlencode(pairs)


def _decode(document: bytes) -> _Document:
    """Errors: PYTH-E01."""
    if len(document) > DOCUMENT_BYTES_MAX:
        raise malformed("a document is no longer than four mebibytes", length=len(document))
    try:
        return _DECODER.decode(document)
    except DECODE_ERRORS as error:
        raise malformed(f"a document has `binary` and `parsed`: {str(error)[:200]}") from None


def _bytes_of(text: str, encoding: Encoding) -> bytes:
    """Errors: PYTH-E01."""
    try:
        if encoding == "hex":
            return binascii.unhexlify(text)
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise malformed(f"an update is {encoding}: {error}") from None


def _compare(words: _Parsed, signed: dict[str, tuple[SignedPrice, int]]) -> None:
    """Refuse a price in plain words that is not the signed one. Errors: PYTH-E06."""
    feed = words.id.lower().removeprefix("0x")
    if feed not in signed:
        raise _differs("a price in plain words has no signed one", feed=feed[:100])
    price = signed[feed][0]
    stated = (words.price.price, words.price.conf, words.price.expo, words.price.publish_time)
    if stated != (price.price, price.confidence, price.exponent, price.publish_time_s):
        raise _differs("a price in plain words is not the signed one", feed=feed)
    average = words.ema_price
    if average is not None and (average.price, average.conf, average.expo) != (
        price.average_price,
        price.average_confidence,
        price.exponent,
    ):
        raise _differs("an average in plain words is not the signed one", feed=feed)


def _differs(message: str, **where: object) -> InputError:
    return InputError(
        "PYTH-E06",
        message,
        rule="what a server says in plain words is what was signed",
        cure="do not use this server",
        **where,
    )
