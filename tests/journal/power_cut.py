"""A recorded disk: what a journal wrote and synced, and what a power cut may leave of it.

The journal runs on SQLite through a file layer that notes each write, truncation, deletion and
sync. `Disk` notes the same for the seal. From that trace `Platter` rebuilds, for any moment, the
bytes that are certainly on the disk and those that may or may not be.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

from steelyard.journal import Disk
from steelyard.journal.layout import SECTOR_PARAMETER

SECTOR = 512
SUFFIXES = ("", "-wal", ".seal", "-journal")
Step = tuple[Any, ...]


def memory_folder(tmp_path: Path) -> Path:
    """Return a folder in RAM when the machine has one: the images need no real disk."""
    shared = Path("/dev/shm")
    if not (shared.is_dir() and os.access(shared, os.W_OK)):
        return tmp_path
    folder = shared / f"steelyard-{os.getpid()}-{tmp_path.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@dataclass
class Trace:
    """The steps in order: writes, syncs, and what the journal acknowledged in between."""

    steps: list[Step] = field(default_factory=list)
    is_recording: bool = True

    def note(self, *step: Any) -> None:
        if self.is_recording:
            self.steps.append(step)


class TraceFile(apsw.VFSFile):
    """An SQLite file whose changes are noted."""

    def __init__(self, trace: Trace, name: Any, flags: list[int], suffix: str) -> None:
        super().__init__("", name, flags)
        self.trace, self.suffix = trace, suffix

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self.trace.note("write", self.suffix, offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self.trace.note("truncate", self.suffix, size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self.trace.note("sync", self.suffix)


class TraceVFS(apsw.VFS):
    """SQLite's own file layer with a note taken of every change."""

    def __init__(self, name: str, base_path: str, trace: Trace) -> None:
        self.vfs_name, self.base_path, self.trace = name, base_path, trace
        super().__init__(name, "")

    def suffix_of(self, filename: str) -> str:
        assert filename.startswith(self.base_path), filename
        return filename[len(self.base_path) :]

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return super().xOpen(name, flags)
        return TraceFile(self.trace, name, flags, self.suffix_of(path))

    def xDelete(self, filename: str, sync_directory: bool) -> None:
        super().xDelete(filename, sync_directory)
        self.trace.note("delete", self.suffix_of(filename))
        if sync_directory:
            self.trace.note("names")

    def connect(self, path: str, is_writer: bool) -> apsw.Connection:
        if not is_writer:  # it changes nothing, so there is nothing to note
            return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE
        return apsw.Connection(f"file:{path}?{SECTOR_PARAMETER}", flags=flags, vfs=self.vfs_name)


class TraceDisk(Disk):
    """The seal's and the log's direct calls, noted."""

    def __init__(self, base_path: str, trace: Trace) -> None:
        self.base_path, self.trace = base_path, trace
        self.suffix_by_descriptor: dict[int, str] = {}

    def create(self, path: str) -> int:
        return self._known(super().create(path), path)

    def open(self, path: str, *, is_writer: bool) -> int:
        return self._known(super().open(path, is_writer=is_writer), path)

    def _known(self, descriptor: int, path: str) -> int:
        self.suffix_by_descriptor[descriptor] = path[len(self.base_path) :]
        return descriptor

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        super().write(descriptor, data, offset)
        self.trace.note("write", self.suffix_by_descriptor[descriptor], offset, bytes(data))

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.trace.note("sync", self.suffix_by_descriptor[descriptor])

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.trace.note("names")

    def sync_path(self, path: str) -> None:
        Disk().sync_path(path)
        if os.path.exists(path):
            self.trace.note("sync", path[len(self.base_path) :])


@dataclass
class FileOnPlatter:
    """One name: the bytes surely there, the changes since, the content a deletion may not reach."""

    durable: bytearray | None = None
    pending: list[Step] = field(default_factory=list)
    previous: bytes | None = None


def apply_step(content: bytearray, step: Step) -> None:
    """Do a write or a truncation to `content`."""
    if step[0] == "truncate":
        size = step[2]
        del content[size:]
        content.extend(bytes(size - len(content)))
    else:
        _write, _suffix, offset, data = step
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data


class Platter:
    """The disk after the first steps of a trace; `advance` moves on, `image` cuts the power."""

    def __init__(self) -> None:
        self.files = {suffix: FileOnPlatter() for suffix in SUFFIXES}
        self.created = False
        self.acknowledged, self.chain = 0, b""
        self.snapshot = 0

    def advance(self, step: Step) -> None:
        kind = step[0]
        if kind in ("write", "truncate"):
            self.files[step[1]].pending.append(step)
        elif kind == "sync":
            file = self.files[step[1]]
            content = bytearray() if file.durable is None else file.durable
            for change in file.pending:
                apply_step(content, change)
            self.files[step[1]] = FileOnPlatter(content)
        elif kind == "delete":
            old = self.files[step[1]]
            gone = None if old.durable is None else bytes(old.durable)
            self.files[step[1]] = FileOnPlatter(previous=gone)
        elif kind == "names":
            for file in self.files.values():
                file.previous = None
        elif kind == "created":
            self.created = True
        elif kind == "ack":
            self.acknowledged, self.chain = step[1], step[2]
        elif kind == "snapshot":
            self.snapshot = step[1]

    def after_kill(self) -> dict[str, bytes]:
        """Return the files as the next process sees them: everything written, synced or not."""
        image = {}
        for suffix, file in self.files.items():
            if file.durable is not None or file.pending:
                content = bytearray(file.durable or b"")
                for change in file.pending:
                    apply_step(content, change)
                image[suffix] = bytes(content)
        return image

    def image(self, random: Random) -> dict[str, bytes]:
        """Return the files a power cut may leave: each unsynced change kept, lost or spoiled."""
        image = {}
        for suffix, file in self.files.items():
            if file.durable is None:
                if file.previous is not None and random.random() < 0.5:
                    image[suffix] = file.previous
                    continue
                if not file.pending or random.random() < 0.3:
                    continue
            image[suffix] = spoil(file, random)
        return image


def spoil(file: FileOnPlatter, random: Random) -> bytes:
    """Return the durable bytes with the pending changes partly, wrongly or not at all done."""
    content = bytearray(file.durable or b"")
    changes = list(file.pending)
    style = random.randrange(4)
    if style == 0 or not changes:
        return bytes(content)
    if style == 1:  # written in order up to some point, the last one torn
        changes = changes[: random.randint(1, len(changes))]
        for change in changes[:-1]:
            apply_step(content, change)
        spoil_one(content, changes[-1], random, random.choice(("torn", "keep", "flip")))
        return bytes(content)
    if style == 2:
        random.shuffle(changes)
    actions = random.choices(
        ("keep", "drop", "torn", "flip", "garbage"), (35, 25, 20, 12, 8), k=len(changes)
    )
    for change, action in zip(changes, actions, strict=True):
        spoil_one(content, change, random, action)
    return bytes(content)


def spoil_one(content: bytearray, change: Step, random: Random, action: str) -> None:
    """Do one unsynced change the way `action` says."""
    if action == "drop":
        return
    if change[0] == "truncate" or action == "keep":
        apply_step(content, change)
        return
    _write, suffix, offset, data = change
    end = offset + len(data)
    if action == "flip":
        wrong = bytearray(data)
        for _ in range(random.randint(1, 6)):
            wrong[random.randrange(len(wrong))] ^= random.randint(1, 255)
        apply_step(content, ("write", suffix, offset, bytes(wrong)))
        return
    first, last = offset // SECTOR, (end - 1) // SECTOR
    for sector in range(first, last + 1):
        start, stop = max(offset, sector * SECTOR), min(end, (sector + 1) * SECTOR)
        if action == "torn":
            if random.random() < 0.5:
                apply_step(content, ("write", suffix, start, data[start - offset : stop - offset]))
        elif random.random() < 0.5:
            # The whole sector is spoiled, with whatever an earlier write had put beside ours.
            apply_step(content, ("write", suffix, sector * SECTOR, random.randbytes(SECTOR)))
        else:
            apply_step(content, ("write", suffix, start, data[start - offset : stop - offset]))


def put_image(base_path: str, image: dict[str, bytes]) -> None:
    """Make the files of an image, and nothing else, stand at `base_path`."""
    for suffix in (*SUFFIXES, "-shm"):
        content = image.get(suffix)
        if content is None:
            with suppress(FileNotFoundError):
                os.unlink(base_path + suffix)
        else:
            descriptor = os.open(base_path + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(descriptor, content)
            os.close(descriptor)
