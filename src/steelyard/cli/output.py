"""JSON on stdout: exact decimals as numbers, keys in the order they were put."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def print_json(value: Any) -> None:
    """Print a value as one indented JSON document."""
    text = msgspec.json.format(_ENCODER.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()
