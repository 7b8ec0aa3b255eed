"""Engine: the short loop of a tick, the shards, the sequencer, snapshots and replay.

    admit → append → marks → valuation → margin → decisions → actions → outcomes appended

One sequencer owns everything global; shards own the margin units of their slots and return verdicts.
The same events give the same state hash on every machine and for every number of shards.
"""

from steelyard.engine.engine import Engine, Receipt
from steelyard.engine.recovery import create_engine, open_engine
from steelyard.engine.replay import ReplayReport, replay_journal

__all__ = [
    "Engine",
    "Receipt",
    "ReplayReport",
    "create_engine",
    "open_engine",
    "replay_journal",
]
