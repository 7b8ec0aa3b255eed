"""What a publisher is: a state read from the engine, and what of it goes over the wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from steelyard.service.host.scene import Scene

State = TypeVar("State")


class Mark(NamedTuple):
    """Which change this is, of which event, and when that was."""

    change_id: int
    previous_change_id: int | None
    as_of_seq: int
    time_us: int

    def head(self) -> dict[str, Any]:
        """Return the fields that payloads with deltas begin with."""
        step: Literal["snapshot", "change"] = (
            "snapshot" if self.previous_change_id is None else "change"
        )
        return {"type": step, **self._asdict()}


class Publisher(ABC, Generic[State]):
    """Reads one channel's state; states are values that later events do not change."""

    def check(self, scene: Scene) -> None:
        """Raise CHAN-E02 where what the channel is of is not there; quick, where reading need not be."""
        del scene

    @abstractmethod
    def read(self, scene: Scene, before: State | None) -> State:
        """Return the state now. before: the one read last, whose numbering goes on. Errors: CHAN-E02."""

    @abstractmethod
    def whole(self, state: State, mark: Mark) -> msgspec.Struct:
        """Return the payload that tells all of a state."""

    def change(self, before: State, state: State, mark: Mark) -> msgspec.Struct | None:
        """Return the payload of what differs, None where nothing does; the whole, unless there are deltas."""
        return None if before == state else self.whole(state, mark)

    def failed(self, state: State, failure: str) -> State | None:
        """Return the state with the host's failure in it, None where the channel does not tell."""
        del state, failure
        return None
