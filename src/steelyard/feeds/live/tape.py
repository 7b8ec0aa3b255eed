"""What a recording holds beside raw frames, so that a replay gives the very same events.

Frames say what came. What the events were also depends on when the engine was free to take them, on
connections that were lost, on what a connection said by itself, and on the rates books were converted at.
A tape writes each of these as a note between the frames: a frame of no connection, MessagePack.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

import msgspec

from steelyard.feeds.live.config import FeedsConfig
from steelyard.feeds.live.driver import DriverRules, LiveDriver
from steelyard.feeds.live.health import Health
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Message,
    OptionTicker,
    OraclePrice,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.raw_log import Direction, RawFrame
from steelyard.ticks.events import Event

NOTES = ""
"""The connection that notes are recorded under; no connection of a document has this name."""

AnyMessage = (
    Trade | Quote | BookSnapshot | BookChange | Reference | OptionTicker | OraclePrice | Status
)


class Listed(msgspec.Struct, frozen=True, tag=True):
    """The sources were listed: a session begins."""


class Drained(msgspec.Struct, frozen=True, tag=True):
    """The engine took what had gathered. rates: USD per unit of a quote currency, where known."""

    rates: dict[str, float]


class HealthSeen(msgspec.Struct, frozen=True, tag=True):
    """A connection changed its state."""

    health: Health


class Told(msgspec.Struct, frozen=True, tag=True):
    """Messages that no frame holds: what a connection said by itself."""

    connection: str
    received_us: int
    messages: list[AnyMessage]


Note = Listed | Drained | HealthSeen | Told

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Note] = msgspec.msgpack.Decoder(Note)


def owner_of_frames(name: str, connections: Container[str]) -> str:
    """Return the connection of a document that frames belong to.

    Several connections to one network have a number behind its name.

    >>> owner_of_frames("pro/1", {"pro"}), owner_of_frames("pro/1", {"pro", "pro/1"})
    ('pro', 'pro/1')
    """
    return name if name in connections else name.rpartition("/")[0] or name


class FrameLog:
    """A raw log that also knows which frame each connection read last.

    config: whose connections they are. log: where frames go; its errors are those of `write`.
    """

    def __init__(
        self, config: FeedsConfig, log: Callable[[str, Direction, int, bytes], None]
    ) -> None:
        self._names = frozenset(row.name for row in config.connections)
        self._log = log
        self._unread: dict[str, int] = {}
        self.frames = 0
        self.bytes = 0

    def write(self, connection: str, direction: Direction, time_us: int, payload: bytes) -> None:
        """Keep one frame."""
        if direction in ("received", "fetched"):
            self._unread[owner_of_frames(connection, self._names)] = time_us
        self.frames += 1
        self.bytes += len(payload)
        self._log(connection, direction, time_us, payload)

    def note(self, time_us: int, note: Note) -> None:
        """Keep a note."""
        self._log(NOTES, "sent", time_us, _ENCODER.encode(note))

    def is_read_from_frame(self, connection: str, received_us: int) -> bool:
        """Return whether messages of that time come from the connection's last frame; asked once a frame."""
        return self._unread.pop(connection, None) == received_us


class TapedDriver(LiveDriver):
    """A driver whose events can be made again from what it notes.

    rates: USD per unit of the quote currencies, as known now. log: None for no recording.
    """

    def __init__(
        self,
        config: FeedsConfig,
        *,
        rates: Callable[[], Mapping[str, float]] = dict,
        log: FrameLog | None = None,
        rules: DriverRules | None = None,
    ) -> None:
        super().__init__(config, rules=rules, usd_of=self._usd)
        self._rates = rates
        self._rates_now: Mapping[str, float] = {}
        self.log = log

    def _usd(self, quote: str) -> float | None:
        return 1.0 if quote == "USD" else self._rates_now.get(quote)

    def on_messages(self, connection: str, messages: Iterable[Message], received_us: int) -> None:
        """Take messages; those that no recorded frame holds are noted."""
        log = self.log
        if log is not None and not log.is_read_from_frame(connection, received_us):
            messages = list(messages)
            known = [each for each in messages if isinstance(each, AnyMessage)]
            log.note(received_us, Told(connection, received_us, known))
        super().on_messages(connection, messages, received_us)

    def on_health(self, health: Health) -> None:
        """Take a health; a change of state is noted. That we stop says nothing of the sources."""
        if health.state == "stopped":
            self.health[health.name] = health
            return
        if self.log is not None:
            before = self.health.get(health.name)
            if before is None or before.state != health.state:
                self.log.note(self._time_us, HealthSeen(health))
        super().on_health(health)

    def listings(self, now_us: int) -> list[Event]:
        """Return the listings, and note that a session begins."""
        if self.log is not None:
            self.log.note(now_us, Listed())
        return super().listings(now_us)

    def drain(self, now_us: int) -> list[Event]:
        """Return what has gathered, and note when and at which rates it was taken."""
        self._rates_now = dict(self._rates())
        if self.log is not None:
            self.log.note(now_us, Drained(dict(self._rates_now)))
        return super().drain(now_us)


def decode_note(frame: RawFrame) -> Note | None:
    """Return the note of a frame, None for a frame that is none or cannot be read."""
    if frame.connection != NOTES:
        return None
    try:
        return _DECODER.decode(frame.payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
