"""What makes a file from the code does it in one way: write it, or with --check say that it is stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def make(
    what: str, module: str, render: Callable[[], str], target: Path, arguments: list[str] | None
) -> int:
    """Write or check a made file; return 1 when it is stale.

    what: in words, for --help. module: that makes it, for the cure. arguments: those of the command line if None.
    """
    parser = argparse.ArgumentParser(description=f"write {what}")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    is_check = parser.parse_args(arguments).check
    wanted = render()
    if not is_check:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if target.exists() and target.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{target.name} is stale: run python -m {module}", file=sys.stderr)
    return 1
