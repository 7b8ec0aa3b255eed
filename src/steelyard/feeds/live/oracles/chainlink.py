"""Chainlink Data Streams: requests are signed, reports are verified, prices come out.

Frames are `{"report": {"feedID", "validFromTimestamp", "observationsTimestamp", "fullReport"}}`; answers
to REST requests are the same or `{"reports": […]}`. Every request, the WebSocket's too, carries three
headers: Authorization (the key), X-Authorization-Timestamp (milliseconds, at most 5 s off) and
X-Authorization-Signature-SHA256, the HMAC-SHA256 in hexadecimal of
"METHOD path sha256(body) key timestamp" under the secret.

Errors, all InputError: CHLK-E01 a frame that cannot be read, CHLK-E02 another shape than the protocol's,
CHLK-E03 the server's own error, CHLK-E04 configuration, CHLK-E05 no connection, CHLK-E06 a clock that is
off. A report whose signatures, feed or times do not hold is no error: it is a Status `unverified`.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.chainlink_report import (
    REPORT_BYTES_MAX,
    SCHEMAS,
    OracleSet,
    Report,
    decode_report,
    decode_signed_report,
    malformed,
    why_unverified,
)
from steelyard.quantities import InputError

CHAINLINK = VenueTerms(
    name="chainlink",
    operator="chainlink",
    websocket_url="wss://ws.dataengine.chain.link",
    rest_url="https://api.dataengine.chain.link",
    send_interval_us=100_000,
    subscriptions_max=256,
    silence_us=10_000_000,
    documentation="https://docs.chain.link/data-streams/reference/data-streams-api",
    source="Data Streams API and report schemas v2, v3, v4, v8, v10, v11; November 2026",
)

FRAME_BYTES_MAX = 4 * 1024 * 1024
PRICE_MAX = 1e12
FUTURE_US = 5_000_000
REASON_LENGTH_MAX = 200
FEEDS_PATH = "/api/v1/feeds"
_FEED = re.compile(r"0x[0-9a-f]{64}")
_SECRET = re.compile(r"[!-~]{1,512}")


class StreamTerms(msgspec.Struct, frozen=True):
    """One stream that is followed.

    feed: its id, 0x and 64 hexadecimal digits. decimals: of its prices, 18 or, in some old streams, 8.
    reads: which price of a tokenised asset (schema 10) counts. open_statuses: values of the market
    status at which the price is alive; not looked at for `tokenized_price`, which trades at all hours.
    """

    feed: str
    decimals: int = 18
    reads: Literal["price", "tokenized_price"] = "price"
    open_statuses: tuple[int, ...] = (2,)


class Credentials:
    """A key and its secret; neither is ever shown."""

    __slots__ = ("key", "secret")

    def __init__(self, key: str, secret: str) -> None:
        for what, value in (("key", key), ("secret", secret)):
            if not _SECRET.fullmatch(value):
                raise InputError(
                    "CHLK-E04", f"the {what} is empty or no plain text",
                    rule="1 to 512 printable ASCII characters without a space",
                    cure="set the environment variables that the configuration names",
                )  # fmt: skip
        self.key = key
        self.secret = secret

    def __repr__(self) -> str:
        return "Credentials(key=…, secret=…)"


def read_credentials(
    key_variable: str, secret_variable: str, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """Return the credentials that two environment variables hold.

    Errors: CHLK-E04 naming the variable that is not set, or where a value is no plain text.
    """
    for variable in (key_variable, secret_variable):
        if not environment.get(variable):
            raise InputError(
                "CHLK-E04", f"the environment variable {variable} is not set",
                rule="key and secret come from the environment", cure="set the variable",
                variable=variable,
            )  # fmt: skip
    return Credentials(environment[key_variable], environment[secret_variable])


def sign_request(
    credentials: Credentials, method: str, path: str, now_us: int, body: bytes = b""
) -> dict[str, str]:
    """Return the three headers of a request. path: with its query, exactly as it is sent.

    >>> headers = sign_request(Credentials("clientId", "userSecret"), "GET", "/api/v1/feeds",
    ...                        1_718_885_772_000)
    >>> headers["X-Authorization-Signature-SHA256"][:8]
    'e9b2aa1d'
    """
    milliseconds = now_us // 1_000
    parts = (method, path, hashlib.sha256(body).hexdigest(), credentials.key, str(milliseconds))
    text = " ".join(parts).encode()
    signature = hmac.new(credentials.secret.encode(), text, hashlib.sha256).hexdigest()
    return {
        "Authorization": credentials.key,
        "X-Authorization-Timestamp": str(milliseconds),
        "X-Authorization-Signature-SHA256": signature,
    }


def latest_path(feed: str) -> str:
    """Return the request of a feed's latest report."""
    return f"/api/v1/reports/latest?feedID={feed}"


def at_path(feed: str, seconds: int) -> str:
    """Return the request of a feed's report at a time, UTC seconds."""
    return f"/api/v1/reports?feedID={feed}&timestamp={seconds}"


def page_path(feed: str, start_seconds: int, limit: int) -> str:
    """Return the request of up to `limit` reports of a feed from a time on, oldest first."""
    return f"/api/v1/reports/page?feedID={feed}&startTimestamp={start_seconds}&limit={limit}"


class _Envelope(msgspec.Struct):
    feed: str = msgspec.field(name="feedID")
    full: str = msgspec.field(name="fullReport")
    valid_from: int | None = msgspec.field(name="validFromTimestamp", default=None)
    observed: int | None = msgspec.field(name="observationsTimestamp", default=None)


class _Frame(msgspec.Struct):
    report: _Envelope | None = None
    reports: list[_Envelope] | None = None
    error: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


_FRAMES = msgspec.json.Decoder(_Frame)


class ChainlinkClient:
    """Frames and answers in, verified prices out; one instance a connection.

    sets: the oracle sets whose reports are believed. streams: the feeds that are followed; a report of
    another feed is refused. A report not newer than the feed's last is left out: the network sends each
    one over several ways. Errors: CHLK-E04 where a stream or an oracle set is stated twice, or a feed is
    no id of a known schema.
    """

    terms = CHAINLINK

    def __init__(
        self,
        sets: Iterable[OracleSet],
        streams: Sequence[StreamTerms],
        credentials: Credentials | None = None,
    ) -> None:
        believed = list(sets)
        self._sets = {one.config_digest: one for one in believed}
        self._streams = {stream.feed: stream for stream in streams}
        self._credentials = credentials
        self._newest_us: dict[str, int] = {}
        if len(self._sets) != len(believed) or len(self._streams) != len(streams):
            raise _unfit("an oracle set or a stream is stated twice", "each is stated once")
        for stream in streams:
            known = _FEED.fullmatch(stream.feed) and int(stream.feed[2:6], 16) in SCHEMAS
            if not known or not 0 <= stream.decimals <= 18:
                rule = "0x and 64 small hexadecimal digits, of a known schema, 0 to 18 decimals"
                raise _unfit(f"{stream.feed!r} cannot be followed", rule)

    def address(self, subscriptions: Sequence[Subscription]) -> str:
        """Return the path of the WebSocket. Errors: CHLK-E04 for a feed that is not configured."""
        for subscription in subscriptions:
            if subscription.market not in self._streams:
                raise _unfit(f"{subscription.market!r} is not configured", "a configured stream")
        return "/api/v1/ws?feedIDs=" + ",".join(wanted.market for wanted in subscriptions)

    def headers(self, method: str, path: str, now_us: int, body: bytes = b"") -> dict[str, str]:
        """Return the headers that a request or a connection needs; none without credentials."""
        if self._credentials is None:
            return {}
        return sign_request(self._credentials, method, path, now_us, body)

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:  # noqa: ARG002
        """Return nothing: what is wanted stands in the address."""
        return []

    def due(self, now_us: int) -> list[str]:  # noqa: ARG002
        """Return nothing: the WebSocket's own ping keeps the connection alive."""
        return []

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: CHLK-E01, CHLK-E02, CHLK-E03."""
        decoded = _decode(frame)
        if decoded.report is not None:
            return self._judge(decoded.report, received_us)
        if decoded.reports is not None:
            return [said for one in decoded.reports for said in self._judge(one, received_us)]
        problem = bytes(decoded.error) or bytes(decoded.message)
        if problem:
            raise malformed(
                "CHLK-E03", problem[:REASON_LENGTH_MAX].decode("utf-8", "replace"),
                "the server answers with reports",
            )  # fmt: skip
        raise malformed("CHLK-E02", "neither report nor reports", "a frame holds a report")

    def fetched(
        self,
        fetch_path: str,  # noqa: ARG002
        body: bytes,
        received_us: int,
    ) -> list[Message]:
        """Return what the answer to a REST request says. Errors: as `receive`."""
        return self.receive(body, received_us)

    def _judge(self, envelope: _Envelope, received_us: int) -> list[Message]:
        """Return the price of one report, or why there is none."""
        stream = self._streams.get(envelope.feed.lower())
        if stream is None:
            return [Status("", "refused", f"{envelope.feed[:66]!r} is not followed")]
        signed = decode_signed_report(_bytes_of(envelope.full))
        report = decode_report(signed.report)
        reason = _contradiction(envelope, report)
        if not reason and report.observed_us <= self._newest_us.get(stream.feed, -1):
            return []
        reason = reason or _outside(report, received_us) or why_unverified(signed, self._sets)
        if reason:
            return [Status(stream.feed, "unverified", reason)]
        message = _price_of(report, stream)
        self._newest_us[stream.feed] = report.observed_us
        return [message]


def _decode(frame: bytes) -> _Frame:
    if len(frame) > FRAME_BYTES_MAX:
        rule = f"at most {FRAME_BYTES_MAX} bytes"
        raise malformed("CHLK-E01", f"a frame of {len(frame)} bytes", rule)
    try:
        return _FRAMES.decode(frame)
    except msgspec.ValidationError as wrong:
        raise malformed(
            "CHLK-E02", str(wrong)[:REASON_LENGTH_MAX], "the documented fields"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise malformed("CHLK-E01", str(wrong)[:REASON_LENGTH_MAX], "a frame is JSON") from None


def _bytes_of(text: str) -> bytes:
    rule = f"0x and an even number of hexadecimal digits, at most {REPORT_BYTES_MAX} bytes"
    if not text.startswith("0x") or len(text) > 2 * REPORT_BYTES_MAX + 2:
        raise malformed("CHLK-E02", "fullReport is no report", rule, field="fullReport")
    try:
        return binascii.unhexlify(text[2:])
    except ValueError:  # a digit that is none, or half a byte
        raise malformed(
            "CHLK-E02", "fullReport is not hexadecimal", rule, field="fullReport"
        ) from None


def _contradiction(envelope: _Envelope, report: Report) -> str:
    """Return where the frame around a report says something else than what was signed."""
    if report.feed != envelope.feed.lower():
        return f"the frame is of {envelope.feed[:10]}…, the signed report of {report.feed[:10]}…"
    for name, said in (("valid_from", envelope.valid_from), ("observed", envelope.observed)):
        if said is not None and said != report.fields[name]:
            return f"the frame states another {name} time than the signed report"
    return ""


def _outside(report: Report, received_us: int) -> str:
    """Return why a report does not count at the time it came."""
    fields = report.fields
    if report.observed_us > received_us + FUTURE_US:
        return "observed in the future"
    if fields["valid_from"] > fields["observed"]:
        return "valid only after it was observed"
    if received_us > fields["expires"] * 1_000_000:
        return "expired"
    return ""


def _price_of(report: Report, stream: StreamTerms) -> Message:
    """Return the price of a verified report, or that its market is closed."""
    fields = report.fields
    reads = stream.reads if report.schema == 10 else "price"
    updated_us = report.observed_us
    if reads == "price":
        status = fields.get("market_status")
        if status is not None and status not in stream.open_statuses:
            return Status(stream.feed, "halted", f"market status {status}")
        # A price can be older than the report that repeats it: the older time counts for its age.
        updated_us = min(updated_us, fields.get("updated_ns", 2**63) // 1_000)
    scale = 10**stream.decimals
    price = fields[reads] / scale
    bid, ask = fields.get("bid"), fields.get("ask")
    width = (ask - bid) / scale if bid is not None and ask is not None else 0.0
    if not 0.0 < price <= PRICE_MAX or not 0.0 <= width <= PRICE_MAX:
        rule = f"above zero and at most {PRICE_MAX:g}, bid at most ask"
        raise malformed("CHLK-E02", f"a price of {price:g}, {width:g} wide", rule, feed=stream.feed)
    return OraclePrice(stream.feed, price, 0.5 * width, updated_us)


def _unfit(message: str, rule: str) -> InputError:
    return InputError("CHLK-E04", message, rule=rule, cure="mend the feed's configuration")
