"""Traced lives of a journal: groups, snapshots, log copies, reopenings, killed processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from steelyard.journal import JournalOptions, Record, SqliteJournal, genesis_chain, next_chain
from tests.journal.power_cut import Platter, Trace, TraceDisk, TraceVFS, put_image

METADATA = b"venue=test"


@dataclass(frozen=True)
class Style:
    """What a life is made of."""

    groups: int = 45
    records_max: int = 8
    payload_max: int = 200
    log_bytes_max: int = 60_000
    seal_interval_ms: int = 10_000
    snapshot_rate: float = 0.0
    snapshot_bytes_max: int = 3_000
    reopen_rate: float = 0.0
    kills: int = 0


STYLES = (
    Style(),
    Style(records_max=1, payload_max=60, groups=70, log_bytes_max=150_000),
    Style(records_max=30, payload_max=900, groups=14, seal_interval_ms=0),
    Style(payload_max=12_000, records_max=3, groups=22),
    Style(snapshot_rate=0.2, groups=35),
    Style(snapshot_rate=0.2, reopen_rate=0.15, groups=30, seal_interval_ms=0),
    Style(kills=4, groups=36, log_bytes_max=1_000_000),
    Style(kills=4, groups=36, snapshot_rate=0.15, reopen_rate=0.1),
)


class Life:
    """One traced life; `trace` is its disk, `records` every record it may hold in the end."""

    def __init__(self, folder: Path, name: str, style: Style, random: Random) -> None:
        self.style, self.random = style, random
        self.trace = Trace()
        self.records: list[Record] = []
        self.chain = genesis_chain(METADATA)
        self.folder, self.name, self.births = folder, name, 0
        self.journal = self._open(SqliteJournal.create, METADATA)
        self.trace.note("created")

    def _open(self, how: object, *arguments: object) -> SqliteJournal:
        """Open in a path and a file layer of its own, as a new process would."""
        self.path = str(self.folder / f"{self.name}-{self.births}.db")
        self.vfs = TraceVFS(f"{self.name}-{self.births}", self.path, self.trace)
        self.births += 1
        self.options = JournalOptions(
            log_bytes_max=self.style.log_bytes_max,
            seal_interval_ms=self.style.seal_interval_ms,
            disk=TraceDisk(self.path, self.trace),
            connect=self.vfs.connect,
        )
        return how(self.path, *arguments, options=self.options)  # type: ignore[operator,no-any-return]

    def run(self) -> None:
        """Live: the groups of the style, killed `kills` times on the way."""
        style, random = self.style, self.random
        kills = set(random.sample(range(3, style.groups), style.kills))
        for group in range(style.groups):
            self._group()
            if random.random() < style.snapshot_rate and self.records:
                self._snapshot()
            if group in kills:
                self._kill()
            elif random.random() < style.reopen_rate:
                self.journal.close()
                self.journal = SqliteJournal.open(self.path, options=self.options)
                self._acknowledge(self.journal.durable_position)
        self.journal.close()

    def _acknowledge(self, position: int) -> None:
        """Note what the journal promised: this position, and by its chain all before it."""
        self.trace.note("ack", position, self.records[position - 1].chain if position else b"")

    def _group(self) -> None:
        random, style = self.random, self.style
        for _ in range(random.randint(1, style.records_max)):
            position = len(self.records) + 1
            seq = (self.records[-1].seq if self.records else 0) + random.randint(0, 2)
            payload = random.randbytes(random.randint(0, style.payload_max))
            self.chain = next_chain(self.chain, position, seq, 0, payload)
            self.records.append(Record(position, seq, 0, payload, self.chain))
            assert self.journal.append(seq, 0, payload) == position
        self._acknowledge(self.journal.flush())

    def _snapshot(self) -> None:
        position = self.random.randint(max(1, len(self.records) - 5), len(self.records))
        newest = self.journal.latest_snapshot()
        if newest is not None and newest.position > position:
            return
        blob = self.random.randbytes(self.random.randint(0, self.style.snapshot_bytes_max))
        seq = self.records[position - 1].seq
        self.journal.put_snapshot(position, seq, b"state", blob)
        self.trace.note("snapshot", position)

    def _kill(self) -> None:
        """End the process at one of its last steps; a new one goes on with what it finds.

        What was written and not synced is seen by the new process, yet a power cut can still take
        it: the new process must make it durable before it builds on it.
        """
        steps = self.trace.steps
        self.trace.is_recording = False
        self.journal.close()
        floor = next(i for i, step in enumerate(steps) if step[0] == "created") + 1
        end = len(steps) - self.random.randint(0, 12)
        if self.random.random() < 0.5:  # just after a sync: the commit is there, its padding not
            end = max(i for i, step in enumerate(steps) if step[:2] == ("sync", "-wal")) + 1
        del steps[max(floor, end) :]
        platter = Platter()
        for step in steps:
            platter.advance(step)
        self.trace.is_recording = True
        path = str(self.folder / f"{self.name}-{self.births}.db")
        put_image(path, platter.after_kill())
        self.journal = self._open(SqliteJournal.open)
        found = self.journal.durable_position
        assert platter.acknowledged <= found <= len(self.records)
        del self.records[found:]
        self.chain = self.records[-1].chain if self.records else genesis_chain(METADATA)
        self._acknowledge(found)
