"""The timeline: an engine as it was after any event, by the nearest place to start from.

    walkers      engines that stand somewhere in the journal; they only go forward
    waypoints    packed engines, one every `spacing` events that any walker has passed
    snapshots    those that the journal itself keeps, and its beginning

To go to an event the cheapest start not behind it is taken, by the times measured so far, and the records
between are replayed by `Replayer`: what is recomputed is compared with what was recorded, outcomes at every
event and the state hash at every checkpoint. A difference is kept and refused from there on, never hidden;
a damaged record is passed only from a snapshot behind it.
Waypoints have a budget of bytes: when it is full their spacing doubles.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from time import perf_counter

import msgspec

from steelyard.engine.engine import KIND_EVENT
from steelyard.engine.replay import ReplayReport, engine_of, restore_checked
from steelyard.journal import JournalReader, SnapshotInfo
from steelyard.quantities import JournalError, SteelyardError
from steelyard.service.host.chronicle import Chronicle
from steelyard.service.host.recall import recall
from steelyard.service.host.scene import Checkpoint
from steelyard.service.rewind.errors import RewindError, differs, no_event
from steelyard.service.rewind.walker import Walker, Waypoint

DAMAGED = "JOUR-E06"
NO_SNAPSHOT = frozenset({"JOUR-E11", "JOUR-E20"})
RECORDS_AN_EVENT = 3  # an event, its outcomes, now and then a checkpoint
CHUNK_RECORDS = 500
Going = Generator[float, None, "Walker"]
"""Yields the fraction done after every event; returns the walker that stands there."""


class TimelineOptions(msgspec.Struct, frozen=True):
    """How much may be kept.

    spacing: events between waypoints. waypoint_bytes_max: all of them. walkers_max: engines held besides
    the one at the journal's end. title: of the venue.
    """

    spacing: int = 250
    waypoint_bytes_max: int = 128 * 1024 * 1024
    walkers_max: int = 3
    title: str = ""


class Measured:
    """The seconds that something takes, averaged over the last ten or so times."""

    def __init__(self, first_s: float) -> None:
        self.seconds = first_s

    def add(self, seconds: float) -> None:
        """Count one more time."""
        self.seconds += 0.1 * (seconds - self.seconds)


class Timeline:
    """Engines as of any durable event of one journal; used from one thread.

    Errors of opening: those of `JournalReader.open_reader`.
    """

    def __init__(self, path: Path, options: TimelineOptions | None = None, shards: int = 1) -> None:
        self.options = options or TimelineOptions()
        self.path = path
        self.shards = shards
        self.reader = JournalReader.open_reader(path)
        self.waypoints: dict[int, Waypoint] = {}
        self.spacing = self.options.spacing
        self.walkers: list[Walker] = []
        self.head: Walker | None = None
        self.filler: Walker | None = None
        self.difference: RewindError | None = None
        self.difference_seq = 0
        self.damages: dict[int, SteelyardError] = {}
        self.unusable: dict[int, SteelyardError] = {}
        self.event_cost = Measured(0.002)
        self.unpack_cost = Measured(0.03)
        self.restore_cost = Measured(0.5)
        self._last = 0, 0

    def close(self) -> None:
        """Let go of the journal."""
        self.reader.close()

    # -- where things are ------------------------------------------------------------------------

    def last_seq(self) -> int:
        """Return the last durable event, 0 before the first."""
        position = self.reader.durable_position
        if position != self._last[0]:
            record = next(iter(self.reader.read(position, position)), None)
            self._last = position, 0 if record is None else record.seq
        return self._last[1]

    def cost_s(self, seq: int | None) -> float:
        """Return about how many seconds it takes to go to an event, the last durable one if None."""
        try:
            return self._start(self.last_seq() if seq is None else seq)[0]
        except SteelyardError:
            return 0.0  # going there says what is wrong

    def _start(self, seq: int) -> tuple[float, str, int]:
        """Return (seconds, kind, seq) of the cheapest start: a walker, a waypoint or a snapshot.

        Errors: the damage that lies between every start and the event.
        """
        event_s = self.event_cost.seconds
        found = [(self.restore_cost.seconds * 0.1 + seq * event_s, "beginning", 0)]
        found += [
            ((seq - walker.seq) * event_s, "walker", walker.seq)
            for walker in self._all()
            if walker.seq <= seq and not walker.is_busy
        ]
        near = max((at for at in self.waypoints if at <= seq), default=-1)
        if near >= 0:
            found.append((self.unpack_cost.seconds + (seq - near) * event_s, "waypoint", near))
        for info in self.snapshots():
            if info.seq <= seq and info.seq not in self.unusable:
                cost = self.restore_cost.seconds + (seq - info.seq) * event_s
                found.append((cost, "snapshot", info.seq))
        damaged = max((at for at in self.damages if at <= seq), default=0)
        found = [start for start in found if start[2] >= damaged]
        if not found:
            raise self.damages[damaged]
        return min(found)

    def _all(self) -> list[Walker]:
        return self.walkers if self.head is None else [*self.walkers, self.head]

    def snapshots(self) -> list[SnapshotInfo]:
        """Return the snapshots of the journal, oldest first; none where their list cannot be read."""
        try:
            return self.reader.snapshots()
        except JournalError as error:
            if error.code in NO_SNAPSHOT:
                return []
            raise

    # -- going -----------------------------------------------------------------------------------

    def go(self, seq: int | None = None) -> Going:
        """Go to an event, the last durable one if None; yields the fraction done, returns the walker.

        The walker is busy until `release`. Stop by closing the generator: what was replayed is kept.
        Errors: RWND-E01, RWND-E06, and JOUR-E06, E11, E20 of a damaged journal.
        """
        last = self.last_seq()
        seq = last if seq is None else seq
        if not 0 <= seq <= last:
            raise no_event(seq, last)
        if self.difference is not None and seq >= self.difference_seq:
            raise self.difference
        walker = self._walker_for(seq)
        walker.is_busy = True
        try:
            first = walker.seq
            for _ in self._advance(walker, seq):
                yield (walker.seq - first) / max(1, seq - first)
        except BaseException:
            self.release(walker)
            raise
        return walker

    def release(self, walker: Walker) -> None:
        """Let a walker be used, moved or forgotten again."""
        walker.is_busy = False
        free = [each for each in self.walkers if not each.is_busy]
        while len(self.walkers) > self.options.walkers_max and free:
            self.walkers.remove(free.pop(0))

    def follow(self) -> bool:
        """Take the walker at the journal's end one event further; return whether there may be more."""
        if self.difference is not None:
            return False
        last = self.last_seq()
        if self.head is None:
            usable = [info.seq for info in self.snapshots() if info.seq not in self.unusable]
            newest = max(usable, default=0)
            if any(newest < at <= last for at in self.damages):
                return False
            self.head = self._restored(newest) if usable else self._beginning()
        if self.head.is_busy or self.head.seq >= last:
            return False
        next(self._advance(self.head, self.head.seq + 1), None)
        return True

    def fill(self) -> bool:
        """Go one event on in a part of the past that has no waypoints; return whether there is more.

        The newest part comes first. What it passes is compared like everything that is replayed.
        """
        if self.difference is not None or self.head is None:
            return False
        if self.filler is None:
            start = self._unfilled()
            if start < 0:
                return False
            self.filler = self._walker_for(start)
            if self.filler in self.walkers:
                self.walkers.remove(self.filler)
        filler = self.filler
        next(self._advance(filler, filler.seq + 1), None)
        due = filler.seq + 1
        if filler.seq >= self.head.seq or (due % self.spacing == 0 and due in self.waypoints):
            self.filler = None
        return True

    def _unfilled(self) -> int:
        """Return a start from which waypoints are missing, −1 where none are."""
        assert self.head is not None
        starts = {0, *(info.seq for info in self.snapshots() if info.seq not in self.unusable)}
        end = self.head.seq
        for start in sorted(starts, reverse=True):
            first = (start // self.spacing + 1) * self.spacing
            missing = next(
                (m for m in range(first, end, self.spacing) if m not in self.waypoints), 0
            )
            damaged = any(start < at <= missing for at in self.damages)
            if missing and not damaged:
                return max(start, missing - self.spacing)
            end = min(end, start)
        return -1

    def _walker_for(self, seq: int) -> Walker:
        """Return a walker at or before an event, by the cheapest start."""
        _, kind, at = self._start(seq)
        if kind == "walker":
            walker = next(w for w in self._all() if w.seq == at and not w.is_busy)
            if walker is not self.head:
                self.walkers.remove(walker)
                self.walkers.append(walker)
            return walker
        if kind == "waypoint":
            begun = perf_counter()
            walker = self.waypoints[at].walker(str(self.path), self.options.title)
            self.unpack_cost.add(perf_counter() - begun)
        elif kind == "snapshot":
            try:
                walker = self._restored(at)
            except JournalError:
                if at not in self.unusable:
                    raise
                return self._walker_for(seq)
        else:
            walker = self._beginning()
        self.walkers.append(walker)
        return walker

    def _beginning(self) -> Walker:
        """Return a walker before the first event."""
        engine = engine_of(self.reader, self.shards)
        return Walker(str(self.path), self.options.title, engine, 0, Chronicle())

    def _restored(self, seq: int) -> Walker:
        """Return a walker at a snapshot of the journal; one that cannot be used is not tried again."""
        engine = engine_of(self.reader, self.shards)
        begun = perf_counter()
        info = next(info for info in self.snapshots() if info.seq == seq)
        try:
            snapshot = self.reader.latest_snapshot(info.position)
            assert snapshot is not None
            restore_checked(engine, snapshot)
        except JournalError as error:
            if error.code in NO_SNAPSHOT:
                self.unusable[seq] = error
            raise
        chronicle = Chronicle()
        named = {each.name: each for each in engine.market.instruments}
        try:
            recall(self.path, chronicle, named, seq)
        except JournalError as error:
            # A damaged record before a good snapshot: what was remembered up to it is all there is.
            if error.code != DAMAGED:
                raise
        self.restore_cost.add(perf_counter() - begun)
        walker = Walker(str(self.path), self.options.title, engine, snapshot.position, chronicle)
        walker.checkpoint = Checkpoint(seq, snapshot.state_hash.hex(), True)
        return walker

    def _advance(self, walker: Walker, seq: int) -> Generator[None, None, None]:
        """Replay until a walker has taken all records of an event; yields after each event."""
        try:
            while walker.seq < seq or walker.replayer.expected is not None:
                wanted = walker.position + RECORDS_AN_EVENT * (seq - walker.seq + 1)
                stop = min(wanted, walker.position + CHUNK_RECORDS)
                before = walker.position
                for record in self.reader.read(walker.position + 1, stop):
                    if record.seq > seq:
                        return
                    begun = perf_counter()
                    if record.kind == KIND_EVENT:
                        self._leave_waypoint(walker)
                    if not walker.take(record):
                        raise _difference(walker.replayer.report)
                    if record.kind == KIND_EVENT:
                        self.event_cost.add(perf_counter() - begun)
                        yield
                if walker.position == before:
                    return
        except SteelyardError as error:
            self._forget(walker)
            if isinstance(error, RewindError):
                if self.difference is None or walker.seq < self.difference_seq:
                    self.difference = error
                    self.difference_seq = walker.replayer.report.difference_seq
            elif error.code == DAMAGED:
                self.damages[walker.seq + 1] = error
            raise

    def _forget(self, walker: Walker) -> None:
        """Drop a walker that must not be built on."""
        if walker is self.head:
            self.head = None
        elif walker is self.filler:
            self.filler = None
        elif walker in self.walkers:
            self.walkers.remove(walker)

    # -- waypoints -------------------------------------------------------------------------------

    def _leave_waypoint(self, walker: Walker) -> None:
        """Pack a walker that stands between two events, where one is due."""
        seq = walker.seq
        if seq == 0 or seq % self.spacing or seq in self.waypoints:
            return
        if walker.replayer.expected is not None:
            return  # the next record will say that outcomes are missing
        self.waypoints[seq] = Waypoint.of(walker)
        while self.waypoint_bytes > self.options.waypoint_bytes_max and len(self.waypoints) > 1:
            self.thin()

    @property
    def waypoint_bytes(self) -> int:
        """Return what the waypoints hold."""
        return sum(waypoint.size_bytes for waypoint in self.waypoints.values())

    def thin(self) -> None:
        """Double the spacing of the waypoints and drop those between."""
        self.spacing *= 2
        for seq in [seq for seq in self.waypoints if seq % self.spacing]:
            del self.waypoints[seq]

    def shrink(self) -> None:
        """Give up what can be made again: free walkers, and every second waypoint."""
        self.walkers = [walker for walker in self.walkers if walker.is_busy]
        self.filler = None
        self.thin()


def _difference(report: ReplayReport) -> RewindError:
    """Return what a replay that differs is refused with; want of memory is no difference."""
    if "MemoryError" in report.difference:
        raise MemoryError(report.difference)
    return differs(report.difference_seq, report.difference)
