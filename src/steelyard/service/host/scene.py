"""A scene: an engine and what is remembered beside it, as of one event. Channels and methods read it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from steelyard.actions import Outcome
from steelyard.engine.engine import Engine
from steelyard.publish.control_words import KIND_WORDS, at_words
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.host.chronicle import Chronicle
from steelyard.service.host.history import History
from steelyard.service.host.vitals import Vitals
from steelyard.terms import Instrument
from steelyard.terms.account import owner_of
from steelyard.ticks import Event

Found = TypeVar("Found")


class Checkpoint(NamedTuple):
    """A proof of state: the hash that a replay must come to at `seq`, and whether everything summed to zero."""

    seq: int = 0
    state_hash: str = ""
    sums_are_zero: bool = False


class Scene:
    """What channels are computed from. vitals: how the engine is doing; replayed engines have none.

    Everything is of the engine's last event and changes with the next one.
    """

    def __init__(
        self,
        engine: Engine,
        title: str,
        chronicle: Chronicle | None = None,
        desk: EngineDesk | None = None,
        vitals: Callable[[], Vitals] = Vitals,
        history: History | None = None,
    ) -> None:
        self.engine = engine
        self.title = title
        self.chronicle = chronicle or Chronicle()
        self.desk = desk or EngineDesk(engine)
        self.vitals = vitals
        self.history = history or History(engine, self.chronicle.tally, engine.market.time_us)
        self.checkpoint = Checkpoint()
        self._instruments: dict[str, Instrument] = {}
        self._owners: set[str] = set()
        self._owned = 0
        self._once_seq = -1
        self._once: dict[str, Any] = {}

    def once(self, name: str, work: Callable[[Engine], Found]) -> Found:
        """Return work(engine), done once an event for all who ask under that name."""
        if self._once_seq != self.engine.seq:
            self._once_seq = self.engine.seq
            self._once.clear()
        if name not in self._once:
            self._once[name] = work(self.engine)
        found: Found = self._once[name]
        return found

    def take(self, event: Event, outcomes: list[Outcome]) -> None:
        """Remember an event that the engine took."""
        self.chronicle.take(event, self.engine.seq, outcomes, self.instruments())
        self.history.take(event.time_us, outcomes)

    def instruments(self) -> dict[str, Instrument]:
        """Return what is listed, by name."""
        listed = self.engine.market.instruments
        if len(self._instruments) != len(listed):
            self._instruments = {each.name: each for each in listed}
        return self._instruments

    def owners(self) -> int:
        """Return how many accounts own the margin units; units are only ever added."""
        places = self.engine.places
        for unit in islice(places, self._owned, None):
            self._owners.add(owner_of(unit))
        self._owned = len(places)
        return len(self._owners)

    def controls(self) -> list[str]:
        """Return what operators have ordered and is in force now, in words: restrictions, then overrides."""
        controls, now_us = self.engine.controls, self.engine.market.time_us
        restrictions = [
            _ordered(each.kind, each.control, each.subject, each.until_us)
            for each in controls.active_restrictions
            if each.holds(now_us)
        ]
        return restrictions + [
            _ordered(each.kind, each.override, each.subject, each.until_us)
            for each in controls.open_overrides
            if each.holds(now_us)
        ]


def _ordered(kind: str, name: str, subject: str, until_us: int) -> str:
    until = f", until {at_words(until_us)}" if until_us else ""
    return f"{KIND_WORDS[kind]} {name} on {subject or 'the venue'}{until}"
