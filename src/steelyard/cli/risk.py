"""`steelyard risk`: value at risk, coverage tests, bonds and credit default swaps from a file of cases."""

from __future__ import annotations

from pathlib import Path

from steelyard.cli.case_files import Piece, Printed, answered, cases_printed
from steelyard.cli.risk_results import FAMILY

LINE_BYTES_MAX = 1 << 26  # a long history of profits and losses is one line


def risk_command(path: Path, jobs: int = 1) -> int:
    """Print one JSON answer for each case of a file (`-` is stdin); return 2 if one is an error."""
    return cases_printed(path, answer_piece, jobs, LINE_BYTES_MAX)


def answer_piece(piece: Piece) -> Printed:
    """Return the answers to some lines of a file."""
    return answered(piece, FAMILY, LINE_BYTES_MAX)
