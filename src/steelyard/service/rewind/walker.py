"""A walker: an engine that goes forward through the journal, with what is remembered beside it."""

from __future__ import annotations

import pickle
import zlib
from typing import NamedTuple

from steelyard.actions import Outcome
from steelyard.engine.engine import KIND_CHECKPOINT, KIND_EVENT, Engine
from steelyard.engine.replay import Replayer, ReplayReport, decode_outcomes
from steelyard.journal import Record
from steelyard.service.host.chronicle import Chronicle
from steelyard.service.host.scene import Checkpoint, Scene
from steelyard.service.rewind.copies import Packed, pack, unpack
from steelyard.service.rewind.desk import RewindDesk
from steelyard.terms import Instrument
from steelyard.ticks import decode_event

_FAST = 1  # of zlib


class Walker:
    """An engine that stands behind all records up to `position`.

    chronicle: what happened from the first event on; refused events are in no journal. checkpoint: the last
    that it passed, or began at. is_busy: somebody is asking it.
    """

    def __init__(
        self, path: str, title: str, engine: Engine, position: int, chronicle: Chronicle
    ) -> None:
        self.engine = engine
        self.position = position
        self.chronicle = chronicle
        self.checkpoint = Checkpoint()
        self.replayer = Replayer(engine, ReplayReport(path))
        self.desk = RewindDesk(engine, self.scene)
        self.is_busy = False
        self._title = title
        self._scene: Scene | None = None
        self._instruments: dict[str, Instrument] = {}

    @property
    def seq(self) -> int:
        """Return the event after which it stands."""
        return self.engine.seq

    def take(self, record: Record) -> bool:
        """Take the next record; return False where it differs from what is recomputed."""
        if not self.replayer.take(record):
            return False
        self.position = record.position
        caused = self.replayer.expected
        if record.kind == KIND_EVENT and caused is not None:
            event = decode_event(record.payload)
            outcomes: list[Outcome] = list(decode_outcomes(caused))
            self.chronicle.take(event, record.seq, outcomes, self._listed())
        elif record.kind == KIND_CHECKPOINT:
            self.checkpoint = Checkpoint(record.seq, record.payload.hex(), True)
        return True

    def scene(self) -> Scene:
        """Return the scene as of now, for channels and for what is asked of the memory."""
        if self._scene is None:
            self._scene = Scene(self.engine, self._title, self.chronicle, self.desk)
        self._scene.checkpoint = self.checkpoint
        return self._scene

    def _listed(self) -> dict[str, Instrument]:
        listed = self.engine.market.instruments
        if len(self._instruments) != len(listed):
            self._instruments = {each.name: each for each in listed}
        return self._instruments


class Waypoint(NamedTuple):
    """A walker as bytes, to come back to: its engine, where it stood, and its memory."""

    packed: Packed
    position: int
    memory: bytes

    @classmethod
    def of(cls, walker: Walker) -> Waypoint:
        """Return a waypoint where a walker stands between two events."""
        assert walker.replayer.expected is None
        memory = pickle.dumps((walker.chronicle, walker.checkpoint), pickle.HIGHEST_PROTOCOL)
        return cls(pack(walker.engine), walker.position, zlib.compress(memory, _FAST))

    @property
    def size_bytes(self) -> int:
        """Return what it holds."""
        return len(self.packed.content) + len(self.memory)

    def walker(self, path: str, title: str) -> Walker:
        """Return a walker that stands there."""
        chronicle, checkpoint = pickle.loads(zlib.decompress(self.memory))
        found = Walker(path, title, unpack(self.packed), self.position, chronicle)
        found.checkpoint = checkpoint
        return found
