"""`events` and `liquidations`: the latest lines, and those that were added."""

from __future__ import annotations

from typing import NamedTuple

from steelyard.publish import StoryLine
from steelyard.service.channels.payloads import (
    EventData,
    EventsData,
    LiquidationData,
    LiquidationsData,
)
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.host.chronicle import Close
from steelyard.service.host.scene import Scene


class EventsState(NamedTuple):
    """How many lines there ever were, and the latest."""

    told: int
    lines: tuple[StoryLine, ...]


class EventsPublisher(Publisher[EventsState]):
    """The feed. More new lines than it keeps are told as far as it keeps them."""

    def read(self, scene: Scene, before: EventsState | None) -> EventsState:
        """Return the feed now."""
        told = scene.chronicle.told
        if before is not None and before.told == told:
            return before
        return EventsState(told, tuple(scene.chronicle.lines))

    def whole(self, state: EventsState, mark: Mark) -> EventsData:
        """Return the latest lines."""
        return EventsData(**mark.head(), events=_events(state.lines))

    def change(self, before: EventsState, state: EventsState, mark: Mark) -> EventsData | None:
        """Return the lines that are new."""
        added = state.told - before.told
        if not added:
            return None
        return EventsData(**mark.head(), events=_events(state.lines[-added:]))


def _events(lines: tuple[StoryLine, ...]) -> list[EventData]:
    return [EventData(each.seq, each.time_us, each.unit, each.kind, each.text) for each in lines]


class ClosesState(NamedTuple):
    """How many closes there ever were, and the latest."""

    closed: int
    closes: tuple[Close, ...]


class LiquidationsPublisher(Publisher[ClosesState]):
    """Closes by the engine. is_named: whether the readers may know the units."""

    def __init__(self, *, is_named: bool) -> None:
        self._is_named = is_named

    def read(self, scene: Scene, before: ClosesState | None) -> ClosesState:
        """Return the closes now."""
        closed = scene.chronicle.closed
        if before is not None and before.closed == closed:
            return before
        return ClosesState(closed, tuple(scene.chronicle.closes))

    def whole(self, state: ClosesState, mark: Mark) -> LiquidationsData:
        """Return the latest closes."""
        return LiquidationsData(**mark.head(), liquidations=self._data(state.closes))

    def change(
        self, before: ClosesState, state: ClosesState, mark: Mark
    ) -> LiquidationsData | None:
        """Return the closes that are new."""
        added = state.closed - before.closed
        if not added:
            return None
        return LiquidationsData(**mark.head(), liquidations=self._data(state.closes[-added:]))

    def _data(self, closes: tuple[Close, ...]) -> list[LiquidationData]:
        return [
            LiquidationData(
                seq=each.seq,
                time_us=each.time_us,
                instrument=each.instrument,
                direction="sell" if each.is_long else "buy",
                quantity=each.quantity,
                price=each.price,
                mark=each.mark,
                is_full=each.is_full,
                unit=each.unit if self._is_named else None,
            )
            for each in closes
        ]
