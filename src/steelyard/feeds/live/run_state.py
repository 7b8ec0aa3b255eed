"""What every run of a feed keeps: its health, told at every change, its errors, its raw frames, its waits."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

import msgspec

from steelyard.feeds.live.health import ConnectionState, Health
from steelyard.feeds.live.raw_log import Direction
from steelyard.quantities import SteelyardError


class RawLog(Protocol):
    """Where raw frames go; `fetched` payloads are the path, a line feed and the body."""

    def write(self, connection: str, direction: Direction, time_us: int, payload: bytes) -> None:
        """Keep one frame."""
        ...


class WaitRules(Protocol):
    """The wait before attempt n is first_wait_us·2ⁿ, at most wait_us_max, less up to the share `jitter`."""

    @property
    def first_wait_us(self) -> int: ...
    @property
    def wait_us_max(self) -> int: ...
    @property
    def jitter(self) -> float: ...
    @property
    def seed(self) -> int: ...


class RunState:
    """The state that one attempt leaves to the next.

    recorded: what a raw frame is called where it could not be kept. failures: attempts that failed in a row.
    """

    on_health: Callable[[Health], None] | None = None
    raw_log: RawLog | None = None
    recorded = "raw frame"

    def __init__(self, name: str, venue: str, clock: Callable[[], int], waits: WaitRules) -> None:
        self.name = name
        self.clock = clock
        self.health = Health(name, venue)
        self.failures = 0
        self._waits = waits
        self._random = random.Random(f"{waits.seed}:{name}")

    def wait_s(self) -> float:
        """Return the wait before the next attempt: doubling, bounded, spread."""
        waits = self._waits
        doubled_us = waits.first_wait_us * (1 << min(self.failures, 40))
        spread = 1.0 - waits.jitter * self._random.random()
        return min(doubled_us, waits.wait_us_max) / 1e6 * spread

    def record(self, direction: Direction, time_us: int, payload: bytes) -> None:
        """Keep a raw frame; a recording that fails is counted and never stops the feed."""
        if self.raw_log is None:
            return
        try:
            self.raw_log.write(self.name, direction, time_us, payload)
        except (SteelyardError, OSError) as error:
            self._count("CONN-E09", f"CONN-E09: a {self.recorded} could not be recorded: {error}")

    def note(self, error: SteelyardError) -> None:
        """Count an error, and keep its words."""
        self._count(error.code, str(error))

    def _count(self, code: str, words: str) -> None:
        health = self.health
        health.errors[code] = health.errors.get(code, 0) + 1
        health.last_error = words
        health.last_error_us = self.clock()

    def change_state(self, state: ConnectionState) -> None:
        """Enter a state and tell of it."""
        self.health.state = state
        self.report()

    def report(self) -> None:
        """Hand out a copy of the health."""
        if self.on_health is not None:
            self.on_health(msgspec.structs.replace(self.health, errors=dict(self.health.errors)))
