"""The few system calls the journal makes beside SQLite, in one place so that they can be observed.

A test replaces `Disk` and SQLite's file layer by recording ones and rebuilds what a power cut
would have left behind.
"""

from __future__ import annotations

import fcntl
import os


class Disk:
    """Plain system calls; every failure is an OSError."""

    def create(self, path: str) -> int:
        """Return a descriptor of a new file that only the owner may read (mode 0600)."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, path: str, *, is_writer: bool) -> int:
        """Return a descriptor of an existing file."""
        return os.open(path, (os.O_RDWR if is_writer else os.O_RDONLY) | os.O_CLOEXEC)

    def hold(self, descriptor: int) -> bool:
        """Return whether the exclusive lock was won; the kernel drops it when the process ends.

        flock, not fcntl: it also excludes a second writer inside the same process, and closing
        another descriptor of the same file does not drop it.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        return os.pread(descriptor, length, offset)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on the disk."""
        os.fsync(descriptor)

    def sync_path(self, path: str) -> None:
        """Return when the bytes of the file at `path` are on the disk; a missing file is fine.

        Never call this on the database file itself: closing a descriptor of it would drop
        SQLite's own locks in this process.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: str) -> None:
        """Return when the names in the directory that holds `path` are on the disk."""
        descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Close the descriptor and with it the hold."""
        os.close(descriptor)
