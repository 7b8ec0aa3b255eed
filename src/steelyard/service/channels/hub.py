"""The hub: what is subscribed is computed, encoded once, held until it is durable, and handed to all readers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from steelyard.quantities import SteelyardError
from steelyard.service.access.session import Session
from steelyard.service.channels.names import ChannelName, parse_channel, require_channel
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.channels.publishers import frame, publisher_of, sees_units
from steelyard.service.channels.reader import BYTES_MAX, FRAMES_MAX, Reader
from steelyard.service.host.host import Host, Step
from steelyard.service.host.vitals import ENCODED, HANDED

HELD_FRAMES_MAX = 256
HELD_BYTES_MAX = 32 * 1024 * 1024
HEALTH_EVERY_S = 1.0
TURN_S = 0.002


class Base(NamedTuple):
    """A state that was read: what it is, which change led to it, and after which event."""

    state: Any
    change_id: int
    seq: int
    time_us: int
    position: int


class Held(NamedTuple):
    """A base with the frame that leads to it, None for a first one; it waits for the disk."""

    channel: Channel
    base: Base
    body: bytes | None


class Channel:
    """One channel that somebody reads.

    base: what was read last; released: what readers know or may know, since it is durable. timer: when an
    interval channel speaks next; is_owed: it was not read because too much waits for the disk.
    """

    def __init__(self, name: ChannelName, publisher: Publisher[Any], *, is_named: bool) -> None:
        self.name = name
        self.publisher = publisher
        self.is_named = is_named
        self.readers: dict[Reader, str] = {}
        self.base: Base | None = None
        self.released: Base | None = None
        self.held = 0
        self.is_owed = False
        self.timer: asyncio.TimerHandle | None = None
        self.read_at = float("-inf")
        self._snapshot: bytes | None = None

    def release(self, base: Base) -> None:
        """Let readers know a base."""
        self.released = base
        self._snapshot = None

    def snapshot(self) -> bytes | None:
        """Return the frame of what is released, encoded once for all who need it; None before the first."""
        if self._snapshot is None and self.released is not None:
            base = self.released
            mark = Mark(base.change_id, None, base.seq, base.time_us)
            self._snapshot = frame(self.name.text, self.publisher.whole(base.state, mark))
        return self._snapshot


class Hub:
    """Publishes what a host's engine does to readers. Lives on the host's loop.

    A raw channel is read after each event, an interval channel at most once an interval of wall time and
    always once more after the last event. Reading takes `turn_s` at most before the engine and the others on the
    loop have their turn; what is left is read in the next turn, in order, and tells all events since in one
    change. Nothing is handed out before the journal position of its event
    is durable. While the disk is behind, at most 256 frames of a channel and 32 MiB in all are held; then
    channels are read again only when something became durable, and tell what changed meanwhile at once.
    """

    def __init__(
        self,
        host: Host,
        *,
        frames_max: int = FRAMES_MAX,
        bytes_max: int = BYTES_MAX,
        turn_s: float = TURN_S,
    ) -> None:
        self.host = host
        self.scene = host.scene
        self.encoded = 0
        self.restarted = 0
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._channels: dict[tuple[str, bool], Channel] = {}
        self._held: deque[Held] = deque()
        self._held_bytes = 0
        self._turn_s = turn_s
        self._due: dict[Channel, None] = {}
        self._has_turn = False
        self._beat: asyncio.TimerHandle | None = None
        self._has_failed = False
        host.observe(self._on_step)
        host.observe_durable(self._on_durable)

    def reader(self, session_of: Callable[[], Session]) -> Reader:
        """Return a reader for one connection; session_of says who it is, now."""
        return Reader(self, session_of, self._frames_max, self._bytes_max)

    @property
    def channels(self) -> list[str]:
        """Return the names of what somebody reads."""
        return [name for name, _ in self._channels]

    @property
    def readers(self) -> int:
        """Return how many readers have a subscription."""
        return len({id(r) for channel in self._channels.values() for r in channel.readers})

    @property
    def subscriptions(self) -> int:
        """Return how many subscriptions all readers have."""
        return sum(len(channel.readers) for channel in self._channels.values())

    @property
    def held_bytes(self) -> int:
        """Return the bytes that wait for the disk."""
        return self._held_bytes

    # -- for readers -----------------------------------------------------------------------------

    def open_channel(self, text: str, session: Session) -> tuple[ChannelName, Channel]:
        """Return a channel that a session may read; a new one is due to be read.

        Errors: CHAN-E01, CHAN-E02, and the refusals of access.
        """
        name = parse_channel(text)
        require_channel(session, name)
        key = text, sees_units(session, name)
        channel = self._channels.get(key)
        if channel is None:
            publisher = publisher_of(name, is_named=key[1])
            publisher.check(self.scene)
            channel = Channel(name, publisher, is_named=key[1])
            self._channels[key] = channel
            self._due[channel] = None
            if name.kind == "health" and self._beat is None:
                self._beat = asyncio.get_running_loop().call_later(HEALTH_EVERY_S, self._health)
        return name, channel

    def is_right(self, channel: Channel, session: Session) -> bool:
        """Return whether a session's readers of this channel read this one: with names, or without."""
        return channel.is_named == sees_units(session, channel.name)

    def close_if_unread(self, channel: Channel) -> None:
        """Forget a channel that nobody reads any more: nothing is computed for it."""
        key = channel.name.text, channel.is_named
        if channel.readers or self._channels.get(key) is not channel:
            return
        del self._channels[key]
        self._due.pop(channel, None)
        if channel.timer is not None:
            channel.timer.cancel()

    # -- reading and publishing ------------------------------------------------------------------

    def _on_step(self, step: Step) -> None:
        del step
        for channel in self._channels.values():
            self._changed(channel)
        self.read_due()

    def _changed(self, channel: Channel) -> None:
        """Let a channel be read now, or when its interval is over."""
        if channel.timer is not None:
            return
        interval = channel.name.interval_s
        if interval:
            loop = asyncio.get_running_loop()
            due = channel.read_at + interval
            if due > loop.time():
                channel.timer = loop.call_at(due, self._at_last, channel)
                return
        self._due[channel] = None

    def _at_last(self, channel: Channel) -> None:
        channel.timer = None
        self._due[channel] = None
        self.read_due()

    def read_due(self, *, is_turn: bool = False) -> None:
        """Read what is due, in order, for as long as a turn; ask for another turn for the rest.

        Called after each event, and by readers who have subscribed.
        """
        if self._has_turn and not is_turn:
            return
        self._has_turn = False
        until = perf_counter() + self._turn_s
        while self._due:
            channel = next(iter(self._due))
            del self._due[channel]
            self._publish(channel)
            if self._due and perf_counter() >= until:
                self._has_turn = True
                asyncio.get_running_loop().call_soon(lambda: self.read_due(is_turn=True))
                return

    def _publish(self, channel: Channel) -> None:
        """Read a channel and hold what changed until it is durable."""
        before = channel.base
        if self._has_failed:
            return
        if channel.held >= HELD_FRAMES_MAX or self._held_bytes >= HELD_BYTES_MAX:
            channel.is_owed = True
            return
        channel.read_at = asyncio.get_running_loop().time()
        engine = self.scene.engine
        try:
            state = channel.publisher.read(self.scene, before.state if before else None)
        except SteelyardError:  # what it is of is no longer there: it has nothing more to say
            return
        if before is None:
            self._hold(channel, state, 0, None)
            self._release()
            return
        change_id = before.change_id + 1
        mark = Mark(change_id, before.change_id, engine.seq, engine.market.time_us)
        data = channel.publisher.change(before.state, state, mark)
        if data is None:
            return
        body = frame(channel.name.text, data)
        self.encoded += 1
        self.host.stamps.stamp(engine.seq, ENCODED)
        self._hold(channel, state, change_id, body)
        self._release()

    def _hold(self, channel: Channel, state: Any, change_id: int, body: bytes | None) -> None:
        engine = self.scene.engine
        position = self.host.position
        base = Base(state, change_id, engine.seq, engine.market.time_us, position)
        channel.base = base
        channel.held += 1
        self._held.append(Held(channel, base, body))
        self._held_bytes += len(body or b"")

    def _release(self) -> None:
        """Hand out what is durable, in order."""
        durable = self.host.durable_position
        while self._held and self._held[0].base.position <= durable:
            channel, base, body = self._held.popleft()
            channel.held -= 1
            self._held_bytes -= len(body or b"")
            self._hand(channel, base, body)

    def _hand(self, channel: Channel, base: Base, body: bytes | None) -> None:
        channel.release(base)
        for reader, text in channel.readers.items():
            reader.offer(channel, text, body or b"")
        if body is not None:
            self.host.stamps.stamp(base.seq, HANDED)

    def _on_durable(self) -> None:
        if self.host.failure is not None:
            self._fail(str(self.host.failure))
            return
        self._release()
        for channel in list(self._channels.values()):
            if channel.is_owed:
                channel.is_owed = False
                self._due[channel] = None
        self.read_due()

    def _health(self) -> None:
        """Let health speak once a second though no event came: that is what it is asked for then."""
        self._beat = None
        health = [each for each in self._channels.values() if each.name.kind == "health"]
        for channel in health:
            self._changed(channel)
        self.read_due()
        if health:
            self._beat = asyncio.get_running_loop().call_later(HEALTH_EVERY_S, self._health)

    def _fail(self, failure: str) -> None:
        """Drop what will never be durable, and say in `health` what stopped the host."""
        if self._has_failed:
            return
        self._has_failed = True
        self._held.clear()
        self._held_bytes = 0
        for channel in list(self._channels.values()):
            known = channel.released
            state = None if known is None else channel.publisher.failed(known.state, failure)
            if known is None or state is None:
                continue
            base = known._replace(state=state, change_id=known.change_id + 1)
            mark = Mark(base.change_id, known.change_id, base.seq, base.time_us)
            self._hand(
                channel, base, frame(channel.name.text, channel.publisher.whole(state, mark))
            )
