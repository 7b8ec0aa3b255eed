"""Rules of scenario lists: the centre, both sides, how far they reach, weights, rows that stand twice.

A list is one of scenarios if its name says `scenario`, `grid`, `moves` or `shocks`. Its move is the
first number of a row, or the field named `shock`, `move`, `spot` or `price`: a ratio is relative to
the price, any other unit counts in ranges. Moves that are all above 0 and stand on both sides of 1
multiply the price, so their centre is 1; all above 0 and below 1 they are widths, meant both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from steelyard.terms.documents.findings import Found, Rule, Sequence, Value, View

LISTS = ("scenario", "grid", "moves", "shocks")
MOVES = frozenset({"shock", "move", "spot", "price"})
WEIGHTS = frozenset({"weight", "weights", "dampening", "damp", "damping"})
REACH_MIN = 0.1
CLOSE = 1e-9


class Scenario(NamedTuple):
    """One row: the relative move from the centre, its direction of volatility and its weight."""

    path: str
    move: float
    direction: str | None
    weight: float | None
    rest: tuple[float | None, ...]


class Grid(NamedTuple):
    """The scenarios of one list. is_relative: moves are shares of the price, not of a range."""

    path: str
    is_relative: bool
    is_widths: bool
    scenarios: list[Scenario]

    def full(self) -> list[Scenario]:
        """Return the scenarios that count in full."""
        return [each for each in self.scenarios if each.weight is None or each.weight >= 1.0]


def grids(seen: View) -> Iterator[Grid]:
    """Yield every list of scenarios."""
    for sequence in seen.sequences:
        if any(word in sequence.name.lower() for word in LISTS) and "tail" not in sequence.name:
            grid = _grid(sequence)
            if grid is not None:
                yield grid


def _grid(sequence: Sequence) -> Grid | None:
    first = sequence.rows[0]
    move = next((name for name, each in first.items() if each.words & MOVES), None)
    if move is None:
        move = next((name for name, each in first.items() if each.number is not None), None)
    if move is None:
        return None
    weight = _weight_name(first, move)
    raw = [row[move].number for row in sequence.rows]
    moves = [number for number in raw if number is not None]
    if len(moves) < len(raw):
        return None
    is_positive = min(moves) > 0.0
    centre = 1.0 if is_positive and min(moves) < 1.0 + CLOSE and max(moves) > 1.0 else 0.0
    scenarios = []
    for row, number in zip(sequence.rows, moves, strict=True):
        said = [each.unit for each in row.values() if each.unit.startswith("direction=")]
        scenarios.append(
            Scenario(
                row[move].path,
                number - centre,
                said[0].partition("=")[2] if said else None,
                row[weight].number if weight is not None else None,
                tuple(each.number for name, each in row.items() if name not in (move, weight)),
            )
        )
    is_relative = centre == 1.0 or first[move].unit in ("ratio", "ppm", "decimal")
    return Grid(sequence.path, is_relative, is_positive and centre == 0.0, scenarios)


def _weight_name(row: dict[str, Value], move: str) -> str | None:
    """Return the field of the weight: by its name, or the number that follows a row's direction."""
    named = next((name for name, each in row.items() if each.words & WEIGHTS), None)
    if named is not None:
        return named
    names = list(row)
    turn = next((i for i, n in enumerate(names) if row[n].unit.startswith("direction=")), None)
    if turn is None or any(row[name].name for name in names):
        return None
    return next((n for n in names[turn + 1 :] if n != move and row[n].number is not None), None)


def without_centre(seen: View) -> Found:
    """A grid holds the market as it is."""
    for grid in grids(seen):
        if not grid.is_widths and all(abs(each.move) > CLOSE for each in grid.scenarios):
            yield grid.path, "no scenario leaves the price where it is"


def not_symmetric(seen: View) -> Found:
    """A full-weight move has its counterpart."""
    for grid in grids(seen):
        moves = [each.move for each in grid.full()]
        for each in grid.full():
            if not grid.is_widths and all(abs(each.move + other) > CLOSE for other in moves):
                yield each.path, f"the move {each.move:+g} has none of {-each.move:+g} against it"


def reaches_too_little(seen: View) -> Found:
    """A grid reaches ten per cent each way."""
    for grid in grids(seen):
        if not grid.is_relative:
            continue
        widest = max(each.move for each in grid.scenarios)
        deepest = -widest if grid.is_widths else min(each.move for each in grid.scenarios)
        if widest < REACH_MIN - CLOSE or deepest > -REACH_MIN + CLOSE:
            yield grid.path, f"prices move from {deepest:+.1%} to {widest:+.1%} only"


def below_nothing(seen: View) -> Found:
    """A price does not fall by all of itself."""
    for grid in grids(seen):
        for each in grid.scenarios:
            if grid.is_relative and each.move <= -1.0:
                yield each.path, f"the price falls by {-each.move * 100:g} %"
    for value in seen.values:
        tail = {"tail", "moves"} <= value.words
        if tail and value.unit == "ratio" and value.number is not None and value.number <= -1.0:
            yield value.path, f"the price falls by {-value.number * 100:g} %"


def weight_outside(seen: View) -> Found:
    """A loss counts in part or in full."""
    for grid in grids(seen):
        for each in grid.scenarios:
            if each.weight is not None and not 0.0 < each.weight <= 1.0:
                yield each.path, f"the loss counts with {each.weight:g}"
    in_grids = {grid.path for grid in grids(seen)}
    for value in seen.values:
        if value.words & (WEIGHTS - {"weight"}) and value.number is not None:
            inside = any(value.path.startswith(f"{path}[") for path in in_grids)
            if not inside and not 0.0 < value.number <= 1.0:
                yield value.path, f"the loss counts with {value.number:g}"


def duplicates(seen: View) -> Found:
    """The same move, volatility and rest twice: the smaller weight never binds."""
    for grid in grids(seen):
        known: dict[tuple[object, ...], str] = {}
        for each in grid.scenarios:
            key = (each.move, each.direction, each.rest)
            if key in known:
                yield each.path, f"the scenario stands already at {known[key]}"
            known.setdefault(key, each.path)


def no_rise_in_the_fall(seen: View) -> Found:
    """Volatility rises when a price falls the furthest."""
    for grid in grids(seen):
        full = grid.full()
        if not full or all(each.direction is None for each in full) or grid.is_widths:
            continue
        deepest = min(each.move for each in full)
        rises = any(each.direction == "up" for each in full if each.move <= deepest + CLOSE)
        if deepest < -CLOSE and not rises:
            yield grid.path, f"the deepest full fall, {deepest:+g}, has no rise of volatility"


RULES = (
    Rule("LINT-20", "error", "a grid holds its centre", "add a scenario that does not move the price",
         without_centre),
    Rule("LINT-21", "warning", "moves that count in full stand on both sides", "add the counterpart",
         not_symmetric),
    Rule("LINT-22", "warning", f"a grid reaches {REACH_MIN:.0%} up and down at least",
         "widen the grid", reaches_too_little),
    Rule("LINT-23", "error", "a price falls by less than all of itself", "state a move above −1",
         below_nothing),
    Rule("LINT-24", "error", "a scenario's weight lies in (0, 1]", "correct the weight",
         weight_outside),
    Rule("LINT-25", "warning", "a scenario stands once", "remove it, or state the one that was meant",
         duplicates),
    Rule("LINT-26", "warning", "the deepest fall comes with a rise of volatility",
         "add the scenario with volatility up", no_rise_in_the_fall),
)  # fmt: skip
