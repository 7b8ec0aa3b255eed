"""JSON on stdout: exact decimals as numbers, keys in the order they were put."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from rich.console import Console

WIDTH_UNASKED = 120

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def console() -> Console:
    """Return where tables and trees are printed: the terminal, or 120 columns into a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH_UNASKED)


def print_json(value: Any) -> None:
    """Print a value as one indented JSON document."""
    text = msgspec.json.format(_ENCODER.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()
