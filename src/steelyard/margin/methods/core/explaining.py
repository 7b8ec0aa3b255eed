"""Why a requirement is what it is: its parts, what each leg has in them, and the scenarios behind it.

Attribution is Euler's: a leg's share is its quantity times the derivative of the requirement by that
quantity, along the branch of every minimum and maximum that is taken. Where a requirement grows in
proportion with the book, the shares sum to it; what grows faster or slower, and what no position causes,
stands as a leaf of its own, called `size and given amounts`. Amounts are whole units of 10⁻⁹, and each
leaf is rounded by the largest remainder, so that printed leaves sum to the total to the last digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.margin.methods.core.dual import Dual, value_of
from steelyard.margin.methods.core.evaluation import UNDERLYING, Evaluation
from steelyard.margin.methods.core.instruments import Floats
from steelyard.margin.methods.core.what_if import margins, settled, traded
from steelyard.margin.methods.explanation import REST, Explanation, OneMore, ScenarioLine, told

RUNNERS_UP = 3
LEVELS = ("initial_requirement", "maintenance_requirement")


class _Parts(dict[str, Any]):
    """Names of the account's formulas, with each part a variable of its own."""

    def __init__(self, evaluation: Evaluation, parts: tuple[str, ...]) -> None:
        super().__init__()
        self._evaluation = evaluation
        for place, name in enumerate(parts):
            value = np.array(value_of(evaluation.name(name)), np.float64).reshape(1)
            self[name] = Dual(value, np.eye(len(parts))[place : place + 1])

    def __missing__(self, name: str) -> Any:
        own = self._evaluation.compiled.scopes["account"].get(name)
        value = own.value(self) if own is not None else value_of(self._evaluation.name(name))
        self[name] = value
        return value


def explanation(evaluation: Evaluation, currency: str) -> Explanation:
    """Return the explanation of the one account of a dual evaluation."""
    parts = evaluation.compiled.rules.parts
    with np.errstate(all="ignore"):
        weights = {level: _weights(evaluation, parts, level) for level in LEVELS}
    totals = {level: float(evaluation.column(level)[0]) for level in LEVELS}
    names, underlyings = _legs(evaluation)
    shares = [_shares(evaluation, name) for name in parts]
    rows: list[tuple[int, str, str]] = []
    amounts: dict[str, list[float]] = {level: [] for level in LEVELS}
    for place, share in enumerate(shares):
        for leg, value in enumerate(share):
            initial, maintenance = (weights[level][place] * value for level in LEVELS)
            if initial == 0.0 and maintenance == 0.0:
                continue
            rows.append((place, names[leg], underlyings[leg]))
            amounts[LEVELS[0]].append(float(initial))
            amounts[LEVELS[1]].append(float(maintenance))
    return told(
        currency,
        float(evaluation.column("equity")[0]),
        (totals[LEVELS[0]], totals[LEVELS[1]]),
        parts,
        rows,
        (amounts[LEVELS[0]], amounts[LEVELS[1]]),
        _scenarios(evaluation),
        _one_more(evaluation, totals),
    )


def _weights(evaluation: Evaluation, parts: tuple[str, ...], level: str) -> Floats:
    """Return ∂requirement/∂part for each part."""
    value = _Parts(evaluation, parts)[level]
    return value.grad[0] if isinstance(value, Dual) else np.zeros(len(parts))


def _legs(evaluation: Evaluation) -> tuple[list[str], list[str]]:
    instruments = evaluation.instruments
    rows = evaluation.books.instrument
    names = [instruments.names[i] for i in rows]
    return [*names, REST], [*(instruments.underlying_of[i] for i in rows), ""]


def _shares(evaluation: Evaluation, part: str) -> Floats:
    """Return each leg's share of a part, and last what is no leg's."""
    value = evaluation.name(part)
    quantity = evaluation.books.quantity
    if isinstance(value, Dual):
        share = quantity * value.grad[0]
        rest = float(value.value[0])
    else:
        share = np.zeros(len(quantity))
        rest = float(np.asarray(value, np.float64).reshape(-1)[0])
    size = abs(rest)
    for each in share:
        rest -= each
    # A remainder of rounding errors is nobody's: the largest remainder spreads it.
    return np.append(share, rest if abs(rest) > 1e-9 * size else 0.0)


def _scenarios(evaluation: Evaluation) -> tuple[ScenarioLine, ...]:
    """Return the binding scenario of each underlying and the runners-up."""
    scenarios = evaluation.prepared.scenarios
    if not len(scenarios):
        return ()
    evaluation.name("scan_min", UNDERLYING)
    units = _move_units(evaluation)
    found = []
    for unit, pnl in enumerate(evaluation.totals):
        if not pnl.any():
            continue  # nothing moves: no scenario binds
        name = evaluation.instruments.underlyings[evaluation.segments.unit_underlying[unit]]
        order = sorted(range(len(pnl)), key=lambda s: (pnl[s], s))[: RUNNERS_UP + 1]
        found += [
            ScenarioLine(name, s + 1, scenarios.describe(s, units[unit]), float(pnl[s]), place == 0)
            for place, s in enumerate(order)
        ]
    return tuple(found)


def _move_units(evaluation: Evaluation) -> Floats:
    """Return, for each unit of an underlying, the relative move that a move of 1 stands for."""
    compiled = evaluation.compiled
    text = compiled.formulas.of(compiled.rules.move_unit, "rules.move_unit")
    value = value_of(text.value(evaluation.scopes[UNDERLYING]))
    return np.broadcast_to(np.asarray(value, np.float64), (evaluation.length(UNDERLYING),))


def _one_more(evaluation: Evaluation, totals: dict[str, float]) -> tuple[OneMore, ...]:
    """Return what one unit more of each contract held would add, by margining it."""
    instruments = evaluation.instruments
    rows = np.array(
        [i for i, contract in enumerate(instruments.contracts) if contract is not None], np.int32
    )
    if not len(rows):
        return ()
    quantity = np.concatenate([np.ones(len(rows)), -np.ones(len(rows))])
    books = traded(evaluation.prepared, settled(evaluation), np.concatenate([rows, rows]), quantity)
    found = margins(evaluation.prepared, books)
    initial = found.initial_requirement - totals[LEVELS[0]]
    keep = found.maintenance_requirement - totals[LEVELS[1]]
    count = len(rows)
    return tuple(
        OneMore(
            instruments.names[row],
            float(initial[k]),
            float(keep[k]),
            float(initial[count + k]),
            float(keep[count + k]),
        )
        for k, row in enumerate(rows)
    )
