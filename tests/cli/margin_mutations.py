"""Damaged case lines: one or a few values of a published case dropped, replaced or moved, by seed."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

NUMBERS: list[Any] = [
    None, "x", "1.5", "NaN", "1e400", 1e308, -1e308, 1e300, 1e150, -1e150, -1e-300, 1e-320, 1e20, 1e9, -1e9,
    10**30, 2**63, -1, 0, -0.0, 0.5, 1, 2, True, [], {},
]  # fmt: skip
TEXTS: list[Any] = [
    "", "ETH-PERPETUAL", "BTC-PERPETUAL", "ETH-31FEB26-1-C", "ETH-7JAN26-1500-C", "ETH-7JAN26", "PERPETUAL",
    "A-1JAN26-0-C", "BTC-1JAN26-" + "9" * 400 + "-P", "2026-13-01", "2026-01-01", "2026-W01-1",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "\U0001f600", "é\u202e",
    "USDC", "ETH", "BTC", "down", "0", "1e5", None, 5, 1e308,
]  # fmt: skip
KEYS = ("BTC", "ETH", "USDC", "zzz", "", "\U0001f600")

Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> list[Path]:
    """Return the path of every value within a tree."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found: list[Path] = []
    for name, inner in pairs:
        found += [(*path, name), *places(inner, (*path, name))]
    return found


def holder_of(tree: Any, path: Path) -> Any:
    """Return what holds the value at a path."""
    for name in path[:-1]:
        tree = tree[name]
    return tree


def mutated(seed: int, cases: list[dict[str, Any]], methods: tuple[str, ...]) -> bytes:
    """Return the line of a damaged case; the same for the same seed."""
    draw = random.Random(seed)
    tree = copy.deepcopy(draw.choice(cases))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        free = [path for path in places(tree) if path[0] not in ("case", "method")]
        if not free:
            break
        _damage(draw, tree, draw.choice(free), methods)
    line = json.dumps(tree).encode()
    return line[: draw.randrange(len(line))] if draw.random() < 0.03 else line


def _damage(draw: random.Random, tree: Any, path: Path, methods: tuple[str, ...]) -> None:
    holder, name = holder_of(tree, path), path[-1]
    value, how = holder[name], draw.random()
    if how < 0.25:
        del holder[name]
    elif how < 0.30:
        tree["method"] = draw.choice((*methods, "unheard-of"))
    elif how < 0.35 and isinstance(holder, list):
        holder.append(copy.deepcopy(value))
    elif how < 0.40 and isinstance(holder, dict):
        holder[draw.choice(KEYS)] = copy.deepcopy(value)
    elif isinstance(value, dict | list):
        holder[name] = draw.choice([None, [], {}, 0, "x", [value], [{}], {"x": value}])
    elif isinstance(value, str):
        holder[name] = draw.choice([*TEXTS, "-" + value, value + "0" * 40, value.lower()])
    elif isinstance(value, bool) or value is None:
        holder[name] = draw.choice(NUMBERS)
    else:
        holder[name] = draw.choice([*NUMBERS, -value, value * 1e12, value * 1e-12, value * 1e100])
