"""Channels: what the service tells unasked, from the engine's state to frames that every reader shares.

`names` says which channels there are and who may read them, `payloads` what they carry. A publisher
(`accounts`, `account`, `feed`, `market`, `venue`, `surface`) reads a state of the engine and tells what changed since the
state before; `hub` does that while somebody reads, holds frames until the disk has their event, and hands
them to `reader`s, each of whom sees a snapshot and then every change. `methods` answers what is asked of
the same memory: the history, stories, what is public, and whether the venue is open.
"""

from steelyard.service.channels.hub import Hub
from steelyard.service.channels.names import channel_rows
from steelyard.service.channels.publishers import snapshot_of
from steelyard.service.channels.reader import Reader

__all__ = ["Hub", "Reader", "channel_rows", "snapshot_of"]
