"""The scenarios of a method: blocks of the document made into columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steelyard.margin.methods.core.instruments import Floats
from steelyard.margin.methods.core.rules import Block, Compiled, Probe
from steelyard.quantities.errors import TermsError

DIRECTIONS = ("none", "up", "down", "linear", "abs")
FOLDS = ("linear", "abs")


class Scenarios:
    """Columns over S scenarios.

    m: relative move (S,); s: multiplier (S,); move: m as linear legs take it (S,); direction: names;
    weight: of linear legs, option_weight: of options (S,); folds (S,) bool; tags: names.
    """

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.m = np.array([row["m"] for row in rows], np.float64)
        self.s = np.array([row["s"] for row in rows], np.float64)
        self.move = np.array([row["move"] for row in rows], np.float64)
        self.weight = np.array([row["weight"] for row in rows], np.float64)
        self.option_weight = np.array([row["option_weight"] for row in rows], np.float64)
        self.direction = [str(row["direction"]) for row in rows]
        self.tags = [str(row["tag"]) for row in rows]
        self.folds = np.array([d in FOLDS for d in self.direction], bool)

    def __len__(self) -> int:
        return len(self.m)

    def columns(self) -> dict[str, Any]:
        """Return what formulas may call a scenario's numbers, each of shape (1, S)."""
        return {name: getattr(self, name)[None, :] for name in ("m", "s", "move")} | {
            f"is_{tag}": np.array([t == tag for t in self.tags])[None, :]
            for tag in dict.fromkeys(self.tags)
        }

    def option_columns(self) -> dict[str, Any]:
        """Return what formulas of options may call a scenario's numbers.

        A skew turns the smile at the price as it stands: the move is left to linear legs and coins.
        """
        still = {"m": np.where(self.folds, 0.0, self.m), "s": np.where(self.folds, 1.0, self.s)}
        return self.columns() | {name: column[None, :] for name, column in still.items()}

    def describe(self, place: int, unit: float = 1.0) -> str:
        """Return the words for a scenario; `unit` is the relative move that a move of 1 stands for.

        >>> row = dict(m=0.1, s=1.1, move=0.1, weight=1.0, option_weight=1.0, direction="up", tag="x")
        >>> Scenarios([row]).describe(0)
        'price +10 %, volatility up'
        """
        words = (
            f"price {100 * unit * self.m[place]:+.6g} %, volatility {_SAID[self.direction[place]]}"
        )
        weight = self.option_weight[place]
        return words if weight == 1.0 else f"{words}, weight {weight:.4g}"


_SAID = {
    "none": "unchanged", "up": "up", "down": "down",
    "linear": "skewed", "abs": "skewed on both sides",
}  # fmt: skip


class ScenarioSet(NamedTuple):
    """The scenarios of a document, and its probes by name, each as one scenario."""

    scenarios: Scenarios
    probes: dict[str, Scenarios]


def scenario_set(compiled: Compiled) -> ScenarioSet:
    """Return the scenarios of a document, which keeps them. Errors: TERM-E23."""
    store = compiled.document.__dict__
    known: ScenarioSet | None = store.get("scenarios_known")
    if known is None:
        rules = compiled.rules
        known = ScenarioSet(
            scenarios_of(rules.scenarios, compiled), probe_moves(rules.probes, compiled)
        )
        store["scenarios_known"] = known
    return known


def scenarios_of(blocks: tuple[Block, ...], compiled: Compiled) -> Scenarios:
    """Return the scenarios of a document's blocks, in their order. Errors: TERM-E23."""
    rows: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        field = f"rules.scenarios[{number}]"
        for place, (move, direction, weight) in enumerate(_bare(block, compiled, field)):
            m, s = (move - 1.0, move) if block.is_multiplier else (move, 1.0 + move)
            moved = {"m": m, "s": s}
            if weight is None:
                weight = _number(_each(block.weight, place), compiled, f"{field}.weight", moved)
            option = block.option_weight
            rows.append(
                {
                    "m": m,
                    "s": s,
                    "move": _number(block.linear_move, compiled, f"{field}.linear_move", moved),
                    "direction": direction,
                    "weight": weight,
                    "option_weight": _number(option, compiled, f"{field}.option_weight", moved)
                    if option
                    else weight,
                    "tag": block.tag,
                }
            )
    return Scenarios(rows)


def probe_moves(probes: dict[str, Probe], compiled: Compiled) -> dict[str, Scenarios]:
    """Return each probe as one scenario."""
    return {
        name: scenarios_of(
            (
                Block(
                    moves=[probe.move],
                    direction=probe.direction,
                    is_multiplier=probe.is_multiplier,
                ),
            ),
            compiled,
        )
        for name, probe in probes.items()
    }


def _bare(block: Block, compiled: Compiled, field: str) -> list[tuple[float, str, float | None]]:
    """Return (move, direction, weight or None) of each scenario of a block."""
    if block.product is not None:
        moves, directions = (_resolved(each, compiled, field) for each in block.product)
        return [(float(m), _direction(d, field), None) for m in moves for d in directions]
    if block.rows is not None:
        return _rows(block, compiled, field)
    if block.ladder is not None:
        reach, buckets, directions = block.ladder
        width = _number(reach, compiled, field)
        count = int(_number(buckets, compiled, field))
        if count < 1:
            raise _refused(f"parameters.{buckets}", f"a ladder has at least one rung, not {count}")
        return [
            (i * width / count, _direction(d, field), None)
            for i in range(-count, count + 1)
            for d in directions
        ]
    if block.moves is not None:
        moves = _resolved(block.moves, compiled, field)
        return [
            (_number(m, compiled, field), _direction(_each(block.direction, i), field), None)
            for i, m in enumerate(moves)
        ]
    raise _refused(field, "it names none of product, rows, ladder, moves")


def _rows(block: Block, compiled: Compiled, field: str) -> list[tuple[float, str, float | None]]:
    columns = block.columns or ["move", "volatility", "weight"]
    found: list[tuple[float, str, float | None]] = []
    for row in _resolved(block.rows, compiled, field):
        if isinstance(columns, dict):
            named = {meaning: row.get(key) for meaning, key in columns.items()}
        else:
            named = dict(zip(columns, row, strict=True))
        weight = named.get("weight")
        found.append(
            (
                float(named["move"]),
                _direction(named.get("volatility") or "none", field),
                1.0 if weight is None else float(weight),
            )
        )
    return found


def _resolved(value: Any, compiled: Compiled, field: str) -> list[Any]:
    """Return a list: itself, or the parameter that "$name" refers to."""
    if isinstance(value, str):
        name = value.removeprefix("$")
        found = compiled.parameters.get(name)
        if not value.startswith("$") or not isinstance(found, list | tuple):
            raise _refused(field, f"{value!r} is no list parameter")
        return list(found)
    return list(value)


def _each(value: Any, place: int) -> Any:
    return value[place] if isinstance(value, list) else value


def _number(
    value: Any, compiled: Compiled, field: str, moved: dict[str, float] | None = None
) -> float:
    """Return a number: itself, or the value of a formula over parameters."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(
            compiled.formulas.of(str(value), field).value({**compiled.parameters, **(moved or {})})
        )
    except KeyError as error:
        raise _refused(field, f"{error.args[0]!r} is no parameter") from None


def _direction(value: Any, field: str) -> str:
    if value not in DIRECTIONS:
        raise _refused(field, f"{value!r} is no direction of volatility")
    return str(value)


def _refused(field: str, why: str) -> TermsError:
    return TermsError(
        "TERM-E23",
        f"{field} makes no scenarios: {why}",
        rule=f"a scenario has a move and a direction among {', '.join(DIRECTIONS)}",
        cure="mend the document or the parameter",
        field=field,
    )


def padded(column: Floats, width: int) -> Floats:
    """Return the column with zeros behind it up to a width."""
    out = np.zeros(width)
    out[: len(column)] = column
    return out
