"""How an expected failure looks: one JSON object with --json, else what, where, rule and cure."""

from __future__ import annotations

import json
import sys

from steelyard.quantities import SteelyardError


def show_error(error: SteelyardError) -> None:
    """Print a failure on stderr; with --json among the arguments also as JSON on stdout."""
    if "--json" in sys.argv:
        print(json.dumps({"error": error.as_dict()}))
    where = ", ".join(f"{key} {value}" for key, value in error.where.items())
    print(f"error {error.code}: {error.message}", file=sys.stderr)
    if where:
        print(f"  where  {where}", file=sys.stderr)
    print(f"  rule   {error.rule}", file=sys.stderr)
    print(f"  cure   {error.cure}", file=sys.stderr)
