"""One question about every case of a file, told as lines of JSON or as text: `--explain`, `--prices`, `--cure`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from steelyard.cli.case_files import Piece, Printed, answered, cases_printed
from steelyard.cli.case_lines import Answer, Calculation, Family, each
from steelyard.cli.margin_cases import LINE_BYTES_MAX, family
from steelyard.cli.method_library import library

Answering = Callable[..., Answer]
"""(document, case), or (document, question, case) where a question comes with it."""

Text = Callable[[dict[str, Any]], str]


def told_cases(
    path: Path,
    answer: Answering,
    text: Text | None,
    jobs: int,
    folder: Path | None,
    *question: Any,
) -> int:
    """Print an answer for each case of a file (`-` is stdin); return 2 if one is an error.

    text: what makes an answer readable, None for JSON. folder: its documents are known beside those of
    the package. question: hashable. Errors: TERM-… of a document of the folder.
    """
    if folder is not None:
        family_of(answer, folder, *question)  # a fault is told once, before the first answer
    piece = partial(told_piece, answer=answer, text=text, folder=folder, question=question)
    return cases_printed(path, piece, jobs, LINE_BYTES_MAX)


def told_piece(
    piece: Piece,
    answer: Answering,
    text: Text | None,
    folder: Path | None,
    question: tuple[Any, ...],
) -> Printed:
    """Return the answers to some lines of a file."""
    printed = answered(piece, family_of(answer, folder, *question), LINE_BYTES_MAX)
    if text is None:
        return printed
    told = [msgspec.json.decode(line) for line in printed.text.splitlines()]
    return Printed("".join(text(line) for line in told), printed.is_sound)


@cache
def family_of(answer: Answering, folder: Path | None = None, *question: Any) -> Family:
    """Return the methods of the library with what answers their cases."""
    answering, known = family(folder), library(folder)
    calculations: dict[str, Calculation] = {
        name: each(partial(answer, known.get(name), *question), "") for name in answering.methods
    }
    return replace(answering, calculations=calculations)
