"""The listed failures of the journal, one function each, so that codes and cures stay in one place.

JOUR-E01  not a journal          JOUR-E07  disk full, or the journal's own byte limit reached
JOUR-E02  unknown format         JOUR-E08  input/output failed
JOUR-E03  held by another engine JOUR-E09  an argument breaks a stated bound
JOUR-E04  exists already         JOUR-E10  closed, read-only or stopped
JOUR-E05  creation not finished  JOUR-E11  a snapshot is damaged or not allowed
JOUR-E06  damaged                JOUR-E12  nothing to read or to salvage
"""

from __future__ import annotations

from steelyard.quantities.errors import JournalError

_SQLITE_FULL = 13
_SQLITE_NO_ROOM_FOR_INDEX = 10 + 19 * 256  # the log's index file could not grow
_NO_SPACE, _QUOTA_REACHED = 28, 122


def sqlite_code(error: BaseException) -> int:
    """Return SQLite's primary result code of an exception of its driver, 0 when it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        code = getattr(error, "result", 0)
    return int(code) & 0xFF if isinstance(code, int) else 0


def not_found(path: str) -> JournalError:
    """Return the failure for a path without a journal."""
    return JournalError(
        "JOUR-E01",
        "there is no journal at this path",
        rule="a journal is two files, <path> and <path>.seal, made by SqliteJournal.create",
        cure="check the path, create a journal, or restore both files from a backup",
        path=path,
    )


def not_a_journal(path: str, reason: str) -> JournalError:
    """Return the failure for a file that is something else."""
    return JournalError(
        "JOUR-E01",
        f"the file is not a Steelyard journal: {reason}",
        rule="the file is an SQLite database with the journal's application id and schema",
        cure="check the path; if it was a journal, restore it from a backup",
        path=path,
    )


def unknown_format(path: str, version: object) -> JournalError:
    """Return the failure for a format this version does not read."""
    return JournalError(
        "JOUR-E02",
        "the journal has a format this version does not read",
        rule="the format version is 1",
        cure="open it with the version of steelyard that wrote it, or restore the file",
        path=path,
        format_version=version,
    )


def held(path: str) -> JournalError:
    """Return the failure for a journal that another engine writes."""
    return JournalError(
        "JOUR-E03",
        "another engine writes this journal",
        rule="one writer at a time",
        cure="stop the other engine (the hold ends with its process), "
        "or use open_reader to read beside it",
        path=path,
    )


def exists(path: str) -> JournalError:
    """Return the failure for a creation that would overwrite."""
    return JournalError(
        "JOUR-E04",
        "a file exists already at this path",
        rule="create never overwrites",
        cure="choose another path, open the journal, or move the files away",
        path=path,
    )


def unfinished(path: str) -> JournalError:
    """Return the failure for a journal whose creation was interrupted."""
    return JournalError(
        "JOUR-E05",
        "the creation of this journal was interrupted, or its seal file is lost",
        rule="a journal is complete once its seal is written; before that it acknowledged nothing",
        cure="if it never ran, remove <path>, <path>-wal, <path>-shm and <path>.seal and create "
        "it again; otherwise run salvage",
        path=path,
    )


def damaged(
    path: str, position: int | None, last_good: int, reason: str, place: str, code: str = "JOUR-E06"
) -> JournalError:
    """Return the failure for a journal with a damaged byte, located as well as it can be."""
    return JournalError(
        code,
        f"the journal is damaged: {reason}",
        rule="every acknowledged record is present and its hash chain is whole",
        cure=advice(position, last_good),
        path=path,
        position="none" if position is None else position,
        last_good_position=last_good,
        place=place or "see position",
    )


def advice(position: int | None, last_good: int) -> str:
    """Return the cure for damage whose first bad record is at `position`."""
    if position is None:
        return (
            "keep both files as they are, run `steelyard replay JOURNAL --verify` for the full "
            "list, restore from a backup, or `steelyard replay JOURNAL --salvage OUT`"
        )
    if last_good == 0:
        return (
            "keep both files as they are, run `steelyard replay JOURNAL --verify` for the full "
            "list, and restore from a backup: no record stands before the damage"
        )
    return (
        "keep both files as they are, run `steelyard replay JOURNAL --verify` for the full list, "
        f"restore from a backup, or keep positions 1 to {last_good} with `steelyard replay JOURNAL "
        f"--salvage OUT` (this gives up "
        f"everything from position {position} on)"
    )


def write_failed(path: str, error: BaseException, durable_position: int) -> JournalError:
    """Return the failure for a commit that the disk refused: full (E07) or broken (E08)."""
    is_full = (
        sqlite_code(error) == _SQLITE_FULL
        or getattr(error, "sqlite_errorcode", 0) == _SQLITE_NO_ROOM_FOR_INDEX
        or getattr(error, "errno", 0) in (_NO_SPACE, _QUOTA_REACHED)
    )
    if is_full:
        return JournalError(
            "JOUR-E07",
            f"the disk, or the journal's own byte limit, is full: {error}",
            rule="a record is acknowledged only when it is on the disk",
            cure="free or add space, then open the journal again; everything up to "
            "durable_position is safe and readable now",
            path=path,
            durable_position=durable_position,
        )
    return io_failed(path, error, durable_position=durable_position)


def io_failed(path: str, error: BaseException, **where: object) -> JournalError:
    """Return the failure for an input/output error that is not a full disk."""
    return JournalError(
        "JOUR-E08",
        f"input/output failed: {error}",
        rule="after a failed write or sync nothing more is written by this process",
        cure="stop the engine, check the disk, its limits and the permissions, then open again",
        path=path,
        **where,
    )


def bad_argument(rule: str, **where: object) -> JournalError:
    """Return the failure for an argument out of its bounds; nothing was changed."""
    return JournalError(
        "JOUR-E09",
        "an argument breaks a bound",
        rule=rule,
        cure="mend the caller; the journal is unchanged",
        **where,
    )


def not_writable(path: str, state: str) -> JournalError:
    """Return the failure for a write to a journal that is closed, read-only or stopped."""
    return JournalError(
        "JOUR-E10",
        f"the journal is {state}",
        rule="only an open journal that has not failed is used",
        cure="open the journal again",
        path=path,
    )


def bad_snapshot(reason: str, cure: str, **where: object) -> JournalError:
    """Return the failure for a snapshot that is damaged or may not be stored."""
    return JournalError(
        "JOUR-E11",
        f"the snapshot cannot be used: {reason}",
        rule="a snapshot belongs to a durable record and matches its own hash",
        cure=cure,
        **where,
    )


def nothing_to_salvage(path: str, reason: str) -> JournalError:
    """Return the failure for a journal of which not even the header can be trusted."""
    return JournalError(
        "JOUR-E12",
        f"nothing can be salvaged: {reason}",
        rule="salvage starts from a header whose hash is right",
        cure="restore from a backup",
        path=path,
    )
