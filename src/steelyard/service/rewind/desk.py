"""The desk of an engine that stands at some event: what `EngineDesk` says, and the engine to copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard.engine.engine import Engine
from steelyard.service.answers.desk import Context
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.host.scene import Scene
from steelyard.service.rewind.errors import not_here

KEPT_MAX = 16


class RewindDesk(EngineDesk):
    """A desk of the second process. scene: the engine with its memory, as of the same event."""

    def __init__(self, engine: Engine, scene: Callable[[], Scene]) -> None:
        super().__init__(engine)
        self.engine = engine
        self.scene = scene
        self._kept: dict[object, Any] = {}
        self._kept_seq = -1

    def kept(self, key: object, make: Callable[[], Any]) -> Any:
        """Return what was made for a key as of this event, or make it: a question asked again is no work."""
        if self._kept_seq != self.engine.seq:
            self._kept.clear()
            self._kept_seq = self.engine.seq
        if key not in self._kept:
            found = make()
            if len(self._kept) >= KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = found
        return self._kept[key]


def rewind_desk(context: Context, method: str) -> RewindDesk:
    """Return the desk of a question. Errors: RWND-E09 in the process of the live engine."""
    desk = context.desk
    if not isinstance(desk, RewindDesk):
        raise not_here(method)
    return desk
