"""A file or a stream of cases: read in pieces, answered in order, by one process or by several.

The memory needed depends on the length of a piece and on the number of processes, never on that of the
file. An answer to a piece is printed when it and all before it are there.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgspec

from steelyard.cli.case_lines import Family, Line, answers, read_line, refuse
from steelyard.quantities.errors import InputError

EXIT_OK, EXIT_USAGE = 0, 2
LINE_BYTES_MAX = 1 << 20
CASES_AT_ONCE = 4096
CASES_A_JOB = 256
BYTES_AT_ONCE = 1 << 24  # long lines: fewer cases are held at once
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PIECES_AHEAD = 2  # a process

T = TypeVar("T")
Piece = list[tuple[int, bytes | None]]  # (number, text) of each line; None is one that is too long

_ENCODER = msgspec.json.Encoder()


class Printed(NamedTuple):
    """The answers to a piece as they are printed, and whether none is an error."""

    text: str
    is_sound: bool


def cases_printed(
    path: Path,
    answer_piece: Callable[[Piece], Printed],
    jobs: int = 1,
    line_bytes_max: int = LINE_BYTES_MAX,
) -> int:
    """Print one JSON answer for each case of a file (`-` is stdin); return 2 if one is an error.

    answer_piece: a function of a module, so that another process finds it (see `answered`). The order
    of the answers is that of the lines for every number of jobs. Errors: CASE-E10 for no such file.
    """
    is_sound = True
    for text, is_piece_sound in worked(path, answer_piece, jobs, line_bytes_max):
        is_sound = is_sound and is_piece_sound
        sys.stdout.write(text)
        sys.stdout.flush()
    return EXIT_OK if is_sound else EXIT_USAGE


def worked(
    path: Path, work: Callable[[Piece], T], jobs: int = 1, line_bytes_max: int = LINE_BYTES_MAX
) -> Iterator[T]:
    """Yield what `work` makes of each piece of a file (`-` is stdin), in order. Errors: CASE-E10."""
    if str(path) != "-" and not path.is_file():
        raise refuse(
            "CASE-E10", f"{path} is not a file", "--cases names a file of JSON lines, or -",
            "check the path", "cases",
        )  # fmt: skip
    with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as stream:
        pieces = _pieces(stream, CASES_AT_ONCE if jobs == 1 else CASES_A_JOB, line_bytes_max)
        yield from map(work, pieces) if jobs == 1 else _shared(pieces, work, jobs)


def answered(piece: Piece, family: Family, line_bytes_max: int = LINE_BYTES_MAX) -> Printed:
    """Return the answers to a piece, one line of JSON each, in order."""
    told = answers_to(piece, family, line_bytes_max)
    text = "".join(_ENCODER.encode(each).decode() + "\n" for each in told)
    return Printed(text, not any("error" in each for each in told))


def answers_to(
    piece: Piece, family: Family, line_bytes_max: int = LINE_BYTES_MAX
) -> list[dict[str, Any]]:
    """Return one answer a line of a piece, in order, by name."""
    lines = [_line_of(number, text, family, line_bytes_max) for number, text in piece]
    return answers(lines, family)


def _line_of(number: int, text: bytes | None, family: Family, line_bytes_max: int) -> Line:
    if text is not None:
        return read_line(text, number, family)
    error: InputError = refuse(
        "CASE-E06", f"the line has more than {line_bytes_max} bytes",
        f"a line has at most {line_bytes_max} bytes", "split the case",
    )  # fmt: skip
    return Line(number, None, None, error=error)


def _shared(pieces: Iterator[Piece], work: Callable[[Piece], T], jobs: int) -> Iterator[T]:
    """Yield the answers to the pieces, in order, worked out by so many processes."""
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    waiting: deque[Future[T]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) >= PIECES_AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _pieces(stream: BinaryIO, cases_max: int, line_bytes_max: int) -> Iterator[Piece]:
    """Yield the lines of a stream in pieces; blank ones are counted and left out."""
    piece: Piece = []
    held = 0
    for number, text in _lines(stream, line_bytes_max):
        if text is None or text.strip():
            piece.append((number, text))
            held += len(text or b"")
        if len(piece) >= cases_max or held >= BYTES_AT_ONCE:
            yield piece
            piece, held = [], 0
    if piece:
        yield piece


def _lines(stream: BinaryIO, line_bytes_max: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, text) of every line; of one that is too long, None."""
    number = 0
    while text := stream.readline(line_bytes_max + 1):
        number += 1
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        if len(text) <= line_bytes_max:
            yield number, text
            continue
        while text and not text.endswith(b"\n"):
            text = stream.readline(line_bytes_max)
        yield number, None
