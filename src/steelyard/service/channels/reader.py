"""A reader: one connection's channels, its bounded queue, and the snapshots it is owed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from steelyard.quantities import SteelyardError
from steelyard.service.access.session import Session
from steelyard.service.channels.names import ChannelName, require_channel, too_many_channels

if TYPE_CHECKING:
    from steelyard.service.channels.hub import Channel, Hub

FRAMES_MAX = 1_000
BYTES_MAX = 8 * 1024 * 1024
CHANNELS_MAX = 500


class Subscription:
    """A channel as one reader has it. is_owed: the reader gets a snapshot next, and no change before it."""

    __slots__ = ("channel", "is_owed", "name")

    def __init__(self, name: ChannelName, channel: Channel) -> None:
        self.name = name
        self.channel = channel
        self.is_owed = True


class Queued(NamedTuple):
    """A frame that waits for its reader."""

    channel: Channel
    body: bytes


class Reader:
    """What one connection reads. Its queue holds at most `frames_max` frames and `bytes_max` bytes.

    When a frame does not fit, what the queue has of its channel is dropped and the reader is owed a
    snapshot: it gets the newest when it reads again, and then every change after it. So what is read is
    always a snapshot, then changes without a gap. session_of: who asks, looked at again at every read.
    """

    def __init__(
        self, hub: Hub, session_of: Callable[[], Session], frames_max: int, bytes_max: int
    ) -> None:
        self._hub = hub
        self._session_of = session_of
        self._session = session_of()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._subscriptions: dict[str, Subscription] = {}
        self._queue: deque[Queued] = deque()
        self._queued_bytes = 0
        self._owed: dict[str, Subscription] = {}
        self._is_ready = asyncio.Event()
        self.is_closed = False
        self.dropped = 0

    @property
    def channels(self) -> list[str]:
        """Return the names of what is subscribed, in order of subscription."""
        return list(self._subscriptions)

    @property
    def queued_bytes(self) -> int:
        """Return the bytes that wait to be read."""
        return self._queued_bytes

    def subscribe(self, channels: list[str]) -> list[str]:
        """Subscribe to all of the channels or, where one cannot be read, to none; return their names, each once.

        A channel that is subscribed already stays as it is. Errors: CHAN-E01, CHAN-E02, CHAN-E03, and the
        refusals of access, ACCS-E50 to ACCS-E53.
        """
        session = self._session_of()
        wanted = list(dict.fromkeys(channels))
        more = [name for name in wanted if name not in self._subscriptions]
        if len(self._subscriptions) + len(more) > CHANNELS_MAX:
            raise too_many_channels(len(self._subscriptions) + len(more), CHANNELS_MAX)
        found: list[tuple[ChannelName, Channel]] = []
        try:
            for text in more:  # what was opened before a refusal is closed again
                found.append(self._hub.open_channel(text, session))  # noqa: PERF401
        except BaseException:
            for _, channel in found:
                self._hub.close_if_unread(channel)
            raise
        for name, channel in found:
            self._add(Subscription(name, channel))
        self._hub.read_due()
        return wanted

    def unsubscribe(self, channels: list[str] | None) -> list[str]:
        """Return the names that are no longer read; None: all. What is queued of them is dropped."""
        wanted = list(self._subscriptions) if channels is None else list(dict.fromkeys(channels))
        gone = [name for name in wanted if name in self._subscriptions]
        for name in gone:
            self._remove(name)
        return gone

    async def next(self) -> list[bytes]:
        """Return the frames that are ready, in order, once there is one; an empty list once closed.

        Channels that the session may no longer read end here, without a word.
        """
        while not self.is_closed:
            found = self._take()
            if found:
                return found
            self._is_ready.clear()
            await self._is_ready.wait()
        return []

    def close(self) -> None:
        """End every subscription and wake who waits in `next`."""
        self.is_closed = True
        self.unsubscribe(None)
        self._is_ready.set()

    # -- the hub's side --------------------------------------------------------------------------

    def offer(self, channel: Channel, text: str, body: bytes) -> None:
        """Queue a frame, or owe the reader a snapshot of its channel."""
        subscription = self._subscriptions[text]
        if not subscription.is_owed:
            is_over = (
                len(self._queue) >= self._frames_max
                or self._queued_bytes + len(body) > self._bytes_max
            )
            if not is_over:
                self._queue.append(Queued(channel, body))
                self._queued_bytes += len(body)
            else:
                self.dropped += 1 + self._drop(channel)
                self._hub.restarted += 1
                self._owe(subscription)
        self._is_ready.set()

    def _owe(self, subscription: Subscription) -> None:
        subscription.is_owed = True
        self._owed[subscription.name.text] = subscription
        if subscription.channel.released is not None:
            self._is_ready.set()

    def _add(self, subscription: Subscription) -> None:
        text = subscription.name.text
        self._subscriptions[text] = subscription
        subscription.channel.readers[self] = text
        self._owe(subscription)

    def _remove(self, text: str) -> None:
        subscription = self._subscriptions.pop(text)
        self._owed.pop(text, None)
        channel = subscription.channel
        self._drop(channel)
        channel.readers.pop(self, None)
        self._hub.close_if_unread(channel)

    def _drop(self, channel: Channel) -> int:
        """Drop what the queue has of a channel; return how many frames that were."""
        kept = deque(each for each in self._queue if each.channel is not channel)
        dropped = len(self._queue) - len(kept)
        if dropped:
            self._queue = kept
            self._queued_bytes = sum(len(each.body) for each in kept)
        return dropped

    def _take(self) -> list[bytes]:
        self._check_session()
        found = [each.body for each in self._queue]
        self._queue.clear()
        self._queued_bytes = 0
        for text, subscription in list(self._owed.items()):
            body = subscription.channel.snapshot()
            if body is not None:
                found.append(body)
                subscription.is_owed = False
                del self._owed[text]
        return found

    def _check_session(self) -> None:
        """End what the session of now may not read; a public channel with names goes on without them."""
        session = self._session_of()
        if session is self._session or session == self._session:
            return
        self._session = session
        for text, subscription in list(self._subscriptions.items()):
            try:
                require_channel(session, subscription.name)
            except SteelyardError:
                self._remove(text)
                continue
            if not self._hub.is_right(subscription.channel, session):
                self._remove(text)
                self._add(Subscription(*self._hub.open_channel(text, session)))
                self._hub.read_due()
