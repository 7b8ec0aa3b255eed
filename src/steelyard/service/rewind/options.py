"""How the second process is run."""

from __future__ import annotations

import msgspec


class RewindOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What bounds the second process, and what it answers with.

    spacing: events between waypoints in memory; waypoint_bytes_max: when they would be more, the spacing
    doubles. walkers_max: engines kept besides the one at the journal's end. memory_bytes_max: the process
    is ended and started again beyond it. is_following: whether it keeps up with the journal unasked; is_filling:
    whether it then goes through the past as well, newest part first, to leave waypoints there.
    nice: by how much it yields to the engine's process. testnet: as the live service says.
    title: what the venue is called. methods: `module:name` of a function that returns the methods.

    Measured for 10,000 accounts (15,000 margin units), seconds of one core: an event is replayed in 3 to 4.6 ms, a
    waypoint of 0.7 MB is written in 40 ms and opened in 37 ms, a snapshot of the journal is restored and
    checked in 1.2 s. So any event is about 40 ms + spacing·4 ms away at most (0.9 s at 250, 0.6 s in the
    median), and 128 MiB hold 180 of them: 45,000 events, before their spacing doubles.
    """

    spacing: int = 250
    waypoint_bytes_max: int = 128 * 1024 * 1024
    walkers_max: int = 3
    memory_bytes_max: int = 2 * 1024 * 1024 * 1024
    is_following: bool = True
    is_filling: bool = True
    nice: int = 5
    testnet: bool = False
    title: str = ""
    methods: str = "steelyard.service.rewind.methods:all_methods"
