"""The method the worked numbers of the specs are of; the house may tune its own at any time."""

from __future__ import annotations

from pathlib import Path

from steelyard.terms import Method
from steelyard.terms import load_method as load_method_file

WORKED = Path(__file__).with_name("worked.toml")


def load_method() -> Method:
    """Return the method of the worked numbers."""
    return load_method_file(WORKED)
