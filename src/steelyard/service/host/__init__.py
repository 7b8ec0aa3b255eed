"""The host: one engine in one asyncio loop, its journal, its clock, and what is remembered of it.

`host` takes events and says when they are durable; `playing` paces a market and joins prices when it is
behind; `chronicle` and `history` keep, within bounds, what happened; `vitals` measures how the engine is
doing; `scene` is all of that as of one event, which channels and methods are computed from.
"""

from steelyard.service.host.host import Host, SnapshotPolicy, Step
from steelyard.service.host.scene import Checkpoint, Scene

__all__ = ["Checkpoint", "Host", "Scene", "SnapshotPolicy", "Step"]
