"""Journal: what the engine did, on disk, in order, and provably whole.

A write-ahead log of records (position, seq, kind, payload) chained by blake2b, with a few state
snapshots beside it, in one SQLite database and a small seal file. This room knows bytes and
sequence numbers, not their meaning. `SqliteJournal` writes and reads, `GroupCommitter` commits in
groups behind the engine's back, `verify_journal` finds the first bad byte and `salvage` copies
what stands before it. The format and the promise are in docs/journal.md.
"""

from steelyard.journal.committer import GroupCommitter
from steelyard.journal.disk import Disk
from steelyard.journal.layout import JournalOptions
from steelyard.journal.protocol import Journal
from steelyard.journal.reader import JournalReader
from steelyard.journal.reading import Snapshot, SnapshotInfo
from steelyard.journal.record import PAYLOAD_BYTES_MAX, Record, genesis_chain, next_chain
from steelyard.journal.store import SqliteJournal
from steelyard.journal.verify import SalvageReport, VerifyReport, salvage, verify_journal

__all__ = [
    "PAYLOAD_BYTES_MAX",
    "Disk",
    "GroupCommitter",
    "Journal",
    "JournalOptions",
    "JournalReader",
    "Record",
    "SalvageReport",
    "Snapshot",
    "SnapshotInfo",
    "SqliteJournal",
    "VerifyReport",
    "genesis_chain",
    "next_chain",
    "salvage",
    "verify_journal",
]
