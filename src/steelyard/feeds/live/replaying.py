"""A recording played again: through the same clients and the same driver into events.

With the notes of a tape the events are those of the recorded session, bit for bit. A recording without
notes, such as one of another recorder, gives the events of an engine that is free after every frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.config import FeedsConfig
from steelyard.feeds.live.driver import DriverRules
from steelyard.feeds.live.raw_log import Damage, RawFrame
from steelyard.feeds.live.tape import (
    NOTES,
    Drained,
    HealthSeen,
    Listed,
    TapedDriver,
    Told,
    decode_note,
    owner_of_frames,
)
from steelyard.feeds.live.text_log import read_recording, replay
from steelyard.quantities import InputError
from steelyard.ticks.events import Event

MakeClient = Callable[[], VenueClient]


class ReplayCounts(msgspec.Struct):
    """frames: recorded ones by direction. notes: of the tape. damage: stretches that give no frame.
    cut: files that end within a frame. unknown: frames of connections that the document does not have, by name."""

    frames: dict[str, int] = {}
    notes: int = 0
    damage: int = 0
    cut: int = 0
    unknown: dict[str, int] = {}
    first_us: int = 0
    last_us: int = 0


class Replay:
    """A recording under a document; `events` may be walked once.

    clients: what makes each connection's client, by its name. rates: for a recording without notes.
    """

    def __init__(
        self,
        path: Path,
        config: FeedsConfig,
        clients: Mapping[str, MakeClient],
        *,
        rules: DriverRules | None = None,
        rates: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.path = path
        self.config = config
        self.counts = ReplayCounts()
        self.has_notes = False
        self.driver = TapedDriver(config, rules=rules, rates=self._rates)
        self._own_rates = rates
        self._noted_rates: Mapping[str, float] = {}
        self._clients = clients
        self._rows = {row.name: row for row in config.connections}
        self._taken: deque[list[Event]] = deque()

    def events(self) -> Iterator[list[Event]]:
        """Yield the events of every time the engine took some. Errors: RAWL-E01, FCLI-E05."""
        started = False
        for name, messages, received_us in replay(self._frames(), self._client, self._subscribed):
            if not started and not self.has_notes:
                yield self.driver.listings(received_us)
            started = True
            while self._taken:
                yield self._taken.popleft()
            self.driver.on_messages(self._owner(name), messages, received_us)
            if not self.has_notes and (some := self.driver.drain(received_us)):
                yield some
        while self._taken:
            yield self._taken.popleft()
        if self.counts.unknown and not any(self._owner(name) in self._rows for name in self._seen):
            raise InputError(
                "FCLI-E05",
                f"the recording has no connection of this document, but {', '.join(sorted(self.counts.unknown))}",
                rule="a recording is replayed under the document it was made with",
                cure="give the document whose connections have these names",
                recording=self.path,
            )

    # -- frames and notes --------------------------------------------------------------------------

    def _frames(self) -> Iterator[RawFrame | Damage]:
        """Yield the frames for the clients; notes are acted on where they stand between them."""
        self._seen: set[str] = set()
        counts = self.counts
        for frame in read_recording(self.path):
            if isinstance(frame, Damage):
                if frame.is_tail:  # as after a crash: all before it holds
                    counts.cut += 1
                else:
                    counts.damage += 1
                yield frame
                continue
            counts.first_us = counts.first_us or frame.time_us
            counts.last_us = max(counts.last_us, frame.time_us)
            if frame.connection == NOTES:
                self._act(frame)
                continue
            self._seen.add(frame.connection)
            if self._owner(frame.connection) not in self._rows:
                counts.unknown[frame.connection] = counts.unknown.get(frame.connection, 0) + 1
                continue
            counts.frames[frame.direction] = counts.frames.get(frame.direction, 0) + 1
            yield frame

    def _act(self, frame: RawFrame) -> None:
        """Do what a note says was done."""
        note = decode_note(frame)
        self.counts.notes += 1
        self.has_notes = True
        match note:
            case Listed():
                self._taken.append(self.driver.listings(frame.time_us))
            case Drained():
                self._noted_rates = note.rates
                if some := self.driver.drain(frame.time_us):
                    self._taken.append(some)
            case HealthSeen():
                self.driver.on_health(note.health)
            case Told():
                self.driver.on_messages(note.connection, note.messages, note.received_us)

    def _rates(self) -> Mapping[str, float]:
        return self._noted_rates if self.has_notes else self._own_rates()

    # -- connections -------------------------------------------------------------------------------

    def _owner(self, name: str) -> str:
        return owner_of_frames(name, self._rows)

    def _client(self, name: str) -> VenueClient:
        return self._clients[self._owner(name)]()

    def _subscribed(self, name: str) -> list[Subscription]:
        return self._rows[self._owner(name)].subscriptions()
