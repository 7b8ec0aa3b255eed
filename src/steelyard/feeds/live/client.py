"""The face of a venue's client: it reads frames and says what to send, and has no socket and no clock.

One instance serves one connection; after a reconnect a new one starts afresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from steelyard.feeds.live.messages import Message

Channel = Literal["trades", "quotes", "book", "reference", "options"]


class Subscription(msgspec.Struct, frozen=True):
    """A channel of a market. market: the venue's own symbol, e.g. BTC-PERPETUAL or btcusdt."""

    market: str
    channel: Channel


class VenueTerms(msgspec.Struct, frozen=True):
    """What is public about a venue's feed.

    operator: who runs it. websocket_url, rest_url: the public addresses, which a configuration may
    replace. send_interval_us: least time between two frames sent. subscriptions_max: at most so many on
    one connection. silence_us: without a frame for so long the connection is taken for dead.
    documentation: where its protocol is described. source: date of the documents it follows.
    """

    name: str
    operator: str
    websocket_url: str
    rest_url: str
    send_interval_us: int
    subscriptions_max: int
    silence_us: int
    documentation: str
    source: str


class VenueClient(Protocol):
    """Bytes in, messages out.

    Whatever a frame holds, `receive` and `fetched` return messages or raise one of these InputErrors:
    WIRE-E01 not readable (not JSON, broken compression, half a frame), WIRE-E02 another shape than the
    protocol's (missing field, wrong type, number that is none or out of bounds), WIRE-E03 the venue
    reports an error of its own. Nothing else is ever raised, and after an error the client goes on.
    """

    terms: VenueTerms

    def address(self, subscriptions: Sequence[Subscription]) -> str:
        """Return what is put behind the WebSocket address, e.g. a path with stream names, or empty."""
        ...

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        """Return the frames to send once connected: log-in, heartbeat, subscriptions."""
        ...

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        """Return what one frame says. Errors: WIRE-E01, WIRE-E02, WIRE-E03."""
        ...

    def due(self, now_us: int) -> list[str]:
        """Return the frames that keep the connection alive and are due now."""
        ...

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:
        """Return what the answer to a Fetch says. Errors: as `receive`."""
        ...
