"""Pyth Pro (once Lazer): a WebSocket with a token, several endpoints at once, one stream out of them.

Sent: {"type":"subscribe","subscriptionId":1,"priceFeedIds":[1,2],"properties":["price",…],
"formats":["leEcdsa"],"channel":"fixed_rate@200ms",…}. Received: `subscribed`, `subscriptionError`,
`error`, and `streamUpdated` with `parsed` (plain numbers) and, per format asked for, signed bytes.
Every endpoint sends the same updates; the operator asks to be connected to all of them.

**What is verified.** With `signers` in the terms, a price is believed when the signed bytes that carry
it were signed (secp256k1 over keccak256 of the payload, formats `leEcdsa` and `evm`) by one of them, in
force; `parsed` must say the same (PYTH-E06). One signature of the operator is all there is: no quorum,
no proof of who published what. Without `signers` a price rests on TLS and the token alone, and a
Status of kind "unverified" says so at the start of every connection. The format `solana` (Ed25519) is
not read.

Times: the time of a price is `feedUpdateTimestamp`, when it was last made, not `timestampUs`, when the
frame was: a feed that stands still goes on being sent with a fresh `timestampUs`.
Source: the developer hub of Pyth (subscribe to prices, payload reference), read November 2026.

    WIRE-E01  a frame that is not readable
    WIRE-E02  another shape than the protocol's
    WIRE-E03  the service's own error
    PYTH-E02, PYTH-E05, PYTH-E06 stand in the reason of a Status of kind "unverified"
"""

from __future__ import annotations

import binascii
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.hermes import DECODE_ERRORS, as_status
from steelyard.feeds.live.oracles.pyth import not_asked_for, scaled
from steelyard.feeds.live.oracles.pyth_pro_payload import (
    ProPrice,
    ProSigner,
    SignedFormat,
    check_number,
    open_payload,
    wrong_shape,
)
from steelyard.quantities import InputError

PUBLIC_ENDPOINTS = tuple(f"wss://pyth-lazer-{n}.dourolabs.app/v1/stream" for n in range(3))
Channel = Literal[
    "real_time", "fixed_rate@1ms", "fixed_rate@50ms", "fixed_rate@200ms", "fixed_rate@1000ms"
]
_PROPERTIES = ("price", "exponent", "confidence", "feedUpdateTimestamp")
_FRAME_BYTES_MAX = 4_194_304
_KEPT = 4_096
_SUBSCRIPTION_ID = 1
_AHEAD_US_MAX = 60_000_000  # a frame from further ahead would make the merger forget what is sound
_TIME_US_MAX = 253_402_300_799_999_999

VENUE = VenueTerms(
    name="pyth-pro",
    operator="pyth",
    websocket_url=PUBLIC_ENDPOINTS[0],
    rest_url="",
    send_interval_us=0,
    subscriptions_max=1_000,
    silence_us=30_000_000,
    documentation="https://docs.pyth.network/price-feeds/pro/subscribe-to-prices",
    source="documents of November 2026",
)


class ProTerms(msgspec.Struct, frozen=True):
    """What to ask for, and where.

    feeds: the service's numbers. endpoints: all are connected at once. channel: how often. signers:
    whose signed bytes are believed; without any, prices are not verified. format: of the signed bytes.
    token_variable: the environment variable that holds the access token, empty for none.
    """

    feeds: tuple[int, ...]
    endpoints: tuple[str, ...] = PUBLIC_ENDPOINTS
    channel: Channel = "fixed_rate@200ms"
    signers: tuple[ProSigner, ...] = ()
    format: SignedFormat = "leEcdsa"
    token_variable: str = "PYTH_API_KEY"

    def __post_init__(self) -> None:
        for holds, field, rule in (
            (bool(self.feeds), "feeds", "at least one feed is asked for"),
            (len(set(self.feeds)) == len(self.feeds), "feeds", "no feed stands twice"),
            (all(0 < feed < 2**32 for feed in self.feeds), "feeds", "a feed is a number from 1"),
            (bool(self.endpoints), "endpoints", "at least one endpoint is named"),
            (
                len(set(self.endpoints)) == len(self.endpoints),
                "endpoints",
                "no endpoint stands twice",
            ),
        ):
            if not holds:
                raise InputError(
                    "PYTH-E08",
                    "the terms of Pyth Pro break a rule",
                    rule=rule,
                    cure="mend the configuration",
                    field=field,
                )


class EndpointCounts(msgspec.Struct):
    """What one endpoint brought.

    first: updates it was first with. repeats: ones that were there before; differing: those of them that
    say other numbers. too_late: ones no newer than what was forgotten. unverified: refused ones.
    """

    first: int = 0
    repeats: int = 0
    differing: int = 0
    too_late: int = 0
    unverified: int = 0
    last_timestamp_us: int = 0


class Merger:
    """Lets each update pass once, from the endpoint that brings it first.

    An update is (feed, timestampUs). Of each feed the last 4,096 are remembered; what is no newer than one
    that was forgotten cannot be told from a repeat and does not pass. Endpoints make their numbers each for
    itself, so a repeat may differ a little and the first stands; where two prices lie further apart than
    both their confidences, one endpoint lies or is broken, and a Status says so.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._seen: dict[int, OrderedDict[int, tuple[ProPrice, str]]] = {}
        self._forgotten_us: dict[int, int] = {}  # of a feed: the newest that was forgotten
        self.counts: dict[str, EndpointCounts] = {}

    def take(self, endpoint: str, price: ProPrice) -> Message | None:
        """Return what an update becomes: its price the first time, None or a Status after that."""
        counts = self.counts.setdefault(endpoint, EndpointCounts())
        counts.last_timestamp_us = max(counts.last_timestamp_us, price.timestamp_us)
        seen = self._seen.setdefault(price.feed, OrderedDict())
        before = seen.get(price.timestamp_us)
        if before is not None:
            counts.repeats += 1
            if before[0] == price:
                return None
            counts.differing += 1
            if not _are_apart(before[0], price):
                return None
            counts.unverified += 1
            reason = f"{endpoint} and {before[1]} are apart at {price.timestamp_us} us"
            return Status(str(price.feed), "unverified", reason)
        if price.timestamp_us <= self._forgotten_us.get(price.feed, -1):
            counts.too_late += 1
            return None
        if len(seen) >= self._kept:
            oldest_us, _ = seen.popitem(last=False)
            self._forgotten_us[price.feed] = max(
                oldest_us, self._forgotten_us.get(price.feed, oldest_us)
            )
        seen[price.timestamp_us] = (price, endpoint)
        counts.first += 1
        return to_message(price)


class ProClient:
    """One connection to one endpoint: a `VenueClient`. All endpoints share a `Merger`."""

    terms = VENUE

    def __init__(self, endpoint: str, stated: ProTerms, merger: Merger) -> None:
        self.endpoint = endpoint
        self.stated = stated
        self.merger = merger
        self._feeds = frozenset(stated.feeds)
        self._without_price: set[int] = set()

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        """Return nothing: an endpoint's address is whole."""
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:  # noqa: ARG002
        """Return the frame that subscribes to the feeds of the terms."""
        frame = {
            "type": "subscribe",
            "subscriptionId": _SUBSCRIPTION_ID,
            "priceFeedIds": list(self.stated.feeds),
            "properties": _PROPERTIES,
            "formats": [self.stated.format] if self.stated.signers else [],
            "deliveryFormat": "json",
            "jsonBinaryEncoding": "hex",
            "parsed": True,
            "channel": self.stated.channel,
            "ignoreInvalidFeeds": True,
        }
        return [msgspec.json.encode(frame).decode()]

    def due(self, now_us: int) -> list[str]:  # noqa: ARG002
        """Return nothing: the service keeps the connection alive by its updates and by pings."""
        return []

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:  # noqa: ARG002
        """Return nothing: there is nothing to fetch."""
        return []

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says, each update once over all endpoints.

        Errors: WIRE-E01, WIRE-E02, WIRE-E03.
        """
        if len(frame) > _FRAME_BYTES_MAX:
            raise _unreadable("a frame is no longer than four mebibytes")
        try:
            decoded = _DECODER.decode(frame)
        except msgspec.ValidationError as error:
            raise wrong_shape(str(error)[:200]) from None
        except DECODE_ERRORS as error:
            raise _unreadable(str(error)[:200]) from None
        match decoded.type:
            case "streamUpdated":
                return self._updated(decoded, received_us)
            case "subscribed" | "subscribedWithInvalidFeedIdsIgnored":
                return self._subscribed(decoded)
            case "subscriptionError":
                return [Status("", "refused", decoded.error[:500])]
            case "unsubscribed":
                return [Status("", "refused", "the service ended the subscription")]
            case "error":
                raise InputError(
                    "WIRE-E03",
                    f"the service reports an error: {decoded.error[:500]}",
                    rule="the service answers what it is asked",
                    cure="check the access token and what is asked for",
                )
        return [Status("", "malformed", f"a frame of the unknown type {decoded.type[:100]}")]

    def _subscribed(self, frame: _Frame) -> list[Message]:
        messages: list[Message] = [Status("", "subscribed", self.stated.channel)]
        if not self.stated.signers:
            reason = "prices rest on the endpoint alone: no signer is named in the terms"
            messages.append(Status("", "unverified", reason))
        ignored = frame.ignored
        if ignored is not None:
            for reason, feeds in (
                ("the service does not know this feed", ignored.unknown),
                ("the feed is not on this channel", ignored.channels),
                ("the feed is not stable", ignored.unstable),
                ("the token does not allow this feed", ignored.entitled),
            ):
                messages += [Status(str(feed), "refused", reason) for feed in feeds]
        return messages

    def _updated(self, frame: _Frame, received_us: int) -> list[Message]:
        if frame.subscription_id != _SUBSCRIPTION_ID:
            return [Status("", "malformed", "an update for a subscription that is none of ours")]
        try:
            prices = self._believed(frame, received_us)
        except InputError as error:
            if error.code.startswith("WIRE"):
                raise
            self.merger.counts.setdefault(self.endpoint, EndpointCounts()).unverified += 1
            return [as_status(error)]
        messages = (self._message(price, received_us) for price in prices)
        return [message for message in messages if message is not None]

    def _believed(self, frame: _Frame, received_us: int) -> list[ProPrice]:
        """Return the prices of an update that may be believed, in words of our own.

        Errors: WIRE-E02, PYTH-E02, PYTH-E06.
        """
        words = _in_words(frame.parsed) if frame.parsed is not None else None
        if not self.stated.signers:
            if words is None:
                raise wrong_shape("an update without `parsed`")
            return words
        coded = frame.le_ecdsa if self.stated.format == "leEcdsa" else frame.evm
        if coded is None:
            raise InputError(
                "PYTH-E02",
                "an update without the signed bytes that were asked for",
                rule=f"an update carries {self.stated.format}",
                cure="do not use this endpoint",
            )
        signed = open_payload(
            _bytes_of(coded), self.stated.format, self.stated.signers, received_us
        )
        if words is not None:
            _compare(words, signed)
        return signed

    def _message(self, price: ProPrice, received_us: int) -> Message | None:
        """Return what one update of a feed becomes."""
        if price.feed not in self._feeds:
            return as_status(not_asked_for(str(price.feed)), str(price.feed))
        if price.timestamp_us > received_us + _AHEAD_US_MAX:
            ahead_us = price.timestamp_us - received_us
            return Status(str(price.feed), "clock", f"{self.endpoint} is {ahead_us} us ahead")
        if price.price is None or price.confidence is None:
            if price.feed in self._without_price:
                return None
            self._without_price.add(price.feed)
            return Status(str(price.feed), "halted", "the feed has no price and confidence now")
        self._without_price.discard(price.feed)
        if price.price <= 0:
            return Status(str(price.feed), "malformed", "a price is above zero")
        return self.merger.take(self.endpoint, price)


def _are_apart(first: ProPrice, second: ProPrice) -> bool:
    """Return whether two prices of one moment lie further apart than both confidences, exactly."""
    distance = _exact(first.price, first) - _exact(second.price, second)
    return abs(distance) > _exact(first.confidence, first) + _exact(second.confidence, second)


def _exact(number: int | None, price: ProPrice) -> Fraction:
    return (number or 0) * Fraction(10) ** (price.exponent or 0)


def to_message(price: ProPrice) -> OraclePrice:
    """Return the update as a message; a price, a confidence and an exponent are there.

    Its market is the feed's number, its time the one when the price was made.
    """
    assert price.price is not None
    assert price.confidence is not None
    assert price.exponent is not None
    return OraclePrice(
        market=str(price.feed),
        price=scaled(price.price, price.exponent),
        confidence=scaled(price.confidence, price.exponent),
        exchange_time_us=price.made_us or price.timestamp_us,
    )


# ---- frames


class _Coded(msgspec.Struct):
    encoding: Literal["hex", "base64"]
    data: str


class _Feed(msgspec.Struct, rename="camel"):
    price_feed_id: int
    price: int | None = None
    exponent: int | None = None
    confidence: int | None = None
    feed_update_timestamp: int | None = None


class _Parsed(msgspec.Struct, rename="camel"):
    timestamp_us: int
    price_feeds: list[_Feed]


class _Ignored(msgspec.Struct):
    unknown: list[int] = msgspec.field(name="unknownIds", default_factory=list)
    channels: list[int] = msgspec.field(name="unsupportedChannels", default_factory=list)
    unstable: list[int] = msgspec.field(name="unstable", default_factory=list)
    entitled: list[int] = msgspec.field(name="unentitled", default_factory=list)


class _Frame(msgspec.Struct):
    type: str
    subscription_id: int = msgspec.field(name="subscriptionId", default=0)
    error: str = ""
    parsed: _Parsed | None = None
    evm: _Coded | None = None
    le_ecdsa: _Coded | None = msgspec.field(name="leEcdsa", default=None)
    ignored: _Ignored | None = msgspec.field(name="ignoredInvalidFeedIds", default=None)


_DECODER = msgspec.json.Decoder(_Frame, strict=False)


def _in_words(parsed: _Parsed) -> list[ProPrice]:
    """Return what `parsed` says. Errors: WIRE-E02."""
    check_number("timestampUs", parsed.timestamp_us, 0, _TIME_US_MAX)
    return [
        ProPrice(
            feed=each.price_feed_id,
            timestamp_us=parsed.timestamp_us,
            price=each.price or None,
            exponent=each.exponent,
            confidence=each.confidence or None,
            made_us=each.feed_update_timestamp,
        ).checked()
        for each in parsed.price_feeds
    ]


def _compare(words: list[ProPrice], signed: list[ProPrice]) -> None:
    """Refuse plain numbers that are not the signed ones. Errors: PYTH-E06."""
    by_feed = {each.feed: each for each in signed}
    for each in words:
        other = by_feed.get(each.feed)
        if other is None or other != each:
            raise InputError(
                "PYTH-E06",
                "a price in plain words is not the signed one",
                rule="what an endpoint says in plain words is what was signed",
                cure="do not use this endpoint",
                feed=each.feed,
                timestamp_us=each.timestamp_us,
            )


def _bytes_of(coded: _Coded) -> bytes:
    """Errors: WIRE-E02."""
    try:
        if coded.encoding == "hex":
            return binascii.unhexlify(coded.data)
        return binascii.a2b_base64(coded.data, strict_mode=True)
    except ValueError as error:
        raise wrong_shape(f"signed bytes are {coded.encoding}: {error}") from None


def _unreadable(reason: str) -> InputError:
    return InputError(
        "WIRE-E01",
        f"a frame cannot be read: {reason}",
        rule="a frame is one JSON object",
        cure="none needed if it is rare",
    )
