"""The seal: a small file beside the database that says how far the journal was acknowledged.

SQLite ends its log at the first frame whose checksum is wrong. That is right for a write that a
power cut tore, and wrong for an acknowledged record that rotted later: both look the same. The
seal tells them apart. After each durable group it names the position and chain reached; a journal
that holds less than its seal was damaged, not interrupted.

Layout: two slots of 4,096 bytes, each

    8 bytes magic ‖ u64 generation ‖ u64 position ‖ 32 bytes chain ‖ u64 snapshot position
    ‖ 16 bytes blake2b-128 of all before ‖ zeros

A write goes to the slot that was not synced last, so that a torn write spoils at most the younger
slot. The file is also what the one writer holds (see `Disk.hold`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from steelyard.journal import failures
from steelyard.journal.disk import Disk

SEAL_SUFFIX = ".seal"
SLOT_BYTES = 4096
_MAGIC = b"STLYSEAL"
_BODY = Struct("<8sQQ32sQ")
_DIGEST_BYTES = 16
_USED_BYTES = _BODY.size + _DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class Seal:
    """What was acknowledged: up to `position`, whose chain is `chain`."""

    generation: int
    position: int
    chain: bytes
    snapshot_position: int


@dataclass(frozen=True, slots=True)
class SealReading:
    """The newest sound slot, or None, and what is wrong with the others, as byte places."""

    newest: Seal | None
    slot: int
    notes: tuple[str, ...]
    is_blank: bool


def encode_seal(seal: Seal) -> bytes:
    """Return the used bytes of a slot (80 bytes)."""
    body = _BODY.pack(_MAGIC, seal.generation, seal.position, seal.chain, seal.snapshot_position)
    return body + blake2b(body, digest_size=_DIGEST_BYTES).digest()


def decode_slot(slot: bytes) -> Seal | None:
    """Return the seal in a slot, or None when its checksum or magic is wrong."""
    body, digest = slot[: _BODY.size], slot[_BODY.size : _USED_BYTES]
    if len(digest) < _DIGEST_BYTES or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    magic, generation, position, chain, snapshot_position = _BODY.unpack(body)
    return Seal(generation, position, chain, snapshot_position) if magic == _MAGIC else None


def decode_seal_file(data: bytes) -> SealReading:
    """Return the reading of a whole seal file; never raises."""
    newest: Seal | None = None
    newest_slot = 0
    notes = []
    for number in range(2):
        slot = data[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]
        seal = decode_slot(slot)
        at = f"seal slot {number} at byte {number * SLOT_BYTES}"
        if seal is None and slot.strip(b"\0"):
            notes.append(f"{at} is damaged or was torn by a power cut")
        elif seal is not None and slot[_USED_BYTES:].strip(b"\0"):
            notes.append(f"{at} has stray bytes after its end")
        if seal is not None and (newest is None or seal.generation > newest.generation):
            newest, newest_slot = seal, number
    if len(data) != 2 * SLOT_BYTES:
        notes.append(f"the seal file has {len(data)} bytes instead of {2 * SLOT_BYTES}")
    return SealReading(newest, newest_slot, tuple(notes), not data.strip(b"\0"))


def read_seal(path: str, disk: Disk) -> SealReading:
    """Return the reading of the seal beside the journal at `path`.

    Raises JournalError JOUR-E01 when neither file is there, JOUR-E05 when only the seal is
    missing, JOUR-E08 when it cannot be read.
    """
    try:
        descriptor = disk.open(path + SEAL_SUFFIX, is_writer=False)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise failures.io_failed(path + SEAL_SUFFIX, error) from error
    try:
        return decode_seal_file(disk.read(descriptor, 4 * SLOT_BYTES, 0))
    except OSError as error:
        raise failures.io_failed(path + SEAL_SUFFIX, error) from error
    finally:
        disk.close(descriptor)


def _missing(path: str) -> Exception:
    return failures.unfinished(path) if os.path.exists(path) else failures.not_found(path)


class SealFile:
    """The writer's handle: the hold on the journal and the two slots."""

    def __init__(self, path: str, disk: Disk, descriptor: int, reading: SealReading) -> None:
        self.reading = reading
        self._path = path
        self._disk = disk
        self._descriptor = descriptor
        self._generation = reading.newest.generation if reading.newest else 0
        self._written_slot = reading.slot
        self._synced_slot = reading.slot
        self.is_synced = False

    @classmethod
    def create(cls, path: str, disk: Disk) -> SealFile:
        """Return the seal of a new journal, held and still blank."""
        try:
            descriptor = disk.create(path + SEAL_SUFFIX)
        except FileExistsError:
            raise failures.exists(path + SEAL_SUFFIX) from None
        except OSError as error:
            raise failures.io_failed(path + SEAL_SUFFIX, error) from error
        # Written out in full once, so that later writes stay in place and need no new space.
        try:
            disk.hold(descriptor)
            disk.write(descriptor, bytes(2 * SLOT_BYTES), 0)
            disk.sync(descriptor)
        except OSError as error:
            disk.close(descriptor)
            raise failures.write_failed(path + SEAL_SUFFIX, error, 0) from error
        return cls(path, disk, descriptor, SealReading(None, 1, (), True))

    @classmethod
    def open(cls, path: str, disk: Disk) -> SealFile:
        """Return the seal of an existing journal, held for writing (JOUR-E03 when taken)."""
        try:
            descriptor = disk.open(path + SEAL_SUFFIX, is_writer=True)
        except FileNotFoundError:
            raise _missing(path) from None
        except OSError as error:
            raise failures.io_failed(path + SEAL_SUFFIX, error) from error
        try:
            if not disk.hold(descriptor):
                raise failures.held(path)
            reading = decode_seal_file(disk.read(descriptor, 4 * SLOT_BYTES, 0))
            return cls(path, disk, descriptor, reading)
        except OSError as error:
            disk.close(descriptor)
            raise failures.io_failed(path + SEAL_SUFFIX, error) from error
        except BaseException:
            disk.close(descriptor)
            raise

    def write(self, position: int, chain: bytes, snapshot_position: int) -> None:
        """Write what was acknowledged; it outlives the process at once, a power cut after sync."""
        self._generation += 1
        self._written_slot = 1 - self._synced_slot
        data = encode_seal(Seal(self._generation, position, chain, snapshot_position))
        self._disk.write(
            self._descriptor, data.ljust(SLOT_BYTES, b"\0"), self._written_slot * SLOT_BYTES
        )
        self.is_synced = False

    def sync(self) -> None:
        """Return when the newest slot is on the disk."""
        if not self.is_synced:
            self._disk.sync(self._descriptor)
            self._synced_slot = self._written_slot
            self.is_synced = True

    def close(self) -> None:
        """Close the file and end the hold."""
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1
