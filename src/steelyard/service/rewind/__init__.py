"""Rewind: the service as it was after any event, answered by a second process that replays the journal.

`rewind` is the side of the engine's process: it starts the other one, asks it, and never waits for it
anywhere but in its own answers. `worker` is the other side: one thread, a `timeline` of engines, the very
methods of the live service. `liquidation`, `impact` and `ahead` work out other states of the world on
copies. See docs/time-travel.md.
"""

from steelyard.service.rewind.methods import REWIND_METHODS, rewind_methods
from steelyard.service.rewind.options import RewindOptions
from steelyard.service.rewind.rewind import Rewind

__all__ = ["REWIND_METHODS", "Rewind", "RewindOptions", "rewind_methods"]
