"""Which input is missing where a requirement is no number: found by walking its formulas down.

A formula that is NaN on some rows is followed into the names it is made of, on those rows alone, until
a name is an input: of the market, of a position, or a parameter without a value. A name that its formula
tests against itself (`x if x == x else y`) has a fallback: the fallback is what is missing, unless it is
a parameter, for a parameter may always be stated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.books import POSITION_NAMES
from steelyard.margin.methods.core.dual import value_of
from steelyard.margin.methods.core.evaluation import ACCOUNT, LEG, Evaluation
from steelyard.margin.methods.core.rules import SCOPES
from steelyard.quantities.errors import InputError

Rows = NDArray[np.bool_]
_FIELDS = {"stated_delta": "delta"}
# What names of the scan and of models are made of is known to the prepared tables, not to formulas.
_OF_TABLES = frozenset(("scan_min", "maximum_loss", "delta", "model_value", "model_delta"))


def missing_input(evaluation: Evaluation) -> InputError | None:
    """Return METH-E01 or METH-E06 for the input that a requirement lacks; None if all are there."""
    walk = _Walk(evaluation)
    asked = ("equity",) if evaluation.compiled.rules.is_equity_asked else ()
    for name in ("initial_requirement", "maintenance_requirement", *asked):
        walk.down(name, ACCOUNT, None, has_fallback=False)
    return walk.sure or walk.unsure


class _Walk:
    """sure: the first input found that nothing stands in for; unsure: the first that has a fallback."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.sure: InputError | None = None
        self.unsure: InputError | None = None
        self._seen: set[tuple[str, int]] = set()

    def down(self, name: str, scope: int, rows: Rows | None, *, has_fallback: bool) -> None:
        """Follow a name of a scope, on the rows of that scope where its user is NaN."""
        evaluation = self.evaluation
        if self.sure is not None or (name, scope) in self._seen:
            return
        home = evaluation.home(name, scope)
        if home is None:
            if _is_nan(evaluation.name(name, scope), rows).any():
                self._found(_parameter(evaluation, name), is_sure=True)
            return
        here = rows if home == scope else None
        nan = _is_nan(evaluation.name(name, home), here)
        if not nan.any():
            return
        self._seen.add((name, scope))
        own = evaluation.compiled.scopes[SCOPES[home]].get(name)
        if own is None and home == LEG:
            own = evaluation.compiled.market.get(name)
        if own is None:
            self._found(_input(evaluation, name, home, nan), is_sure=not has_fallback)
            return
        for part in own.names:
            tested = f"{part} == {part}" in own.text
            self.down(part, home, nan if len(nan) > 1 else None, has_fallback=tested)

    def _found(self, error: InputError | None, *, is_sure: bool) -> None:
        if is_sure:
            self.sure = self.sure or error
        else:
            self.unsure = self.unsure or error


def _is_nan(value: Any, rows: Rows | None) -> Rows:
    """Return where a value is NaN, among the rows if there are any."""
    try:
        nan = np.isnan(np.atleast_1d(np.asarray(value_of(value), np.float64)))
    except (TypeError, ValueError):
        return np.zeros(1, bool)  # lists and texts are never missing here
    return nan & rows if rows is not None and nan.shape in (rows.shape, (1,)) else nan


def _input(evaluation: Evaluation, name: str, home: int, nan: Rows) -> InputError | None:
    """Return the error of an input of the market or of a position."""
    instruments = evaluation.instruments
    rows = [int(i) for i in evaluation.books.instrument]
    if home == LEG and len(nan) == len(rows):
        rows = [i for i, is_nan in zip(rows, nan, strict=True) if is_nan]
    if name in POSITION_NAMES and rows:
        field = f"account.positions[{instruments.names[rows[0]]}].{_FIELDS.get(name, name)}"
        return _error("METH-E01", field, f"{instruments.names[rows[0]]} needs it")
    is_table = name in _OF_TABLES or name in evaluation.prepared.probes
    asked = sorted(evaluation.prepared.asked) if is_table else [name]
    found = instruments.missing(rows, asked)
    if (
        found is not None
        and not instruments.market.as_of
        and ".expiries[" in str(found.where.get("field"))
    ):
        return _error("METH-E01", "market.as_of", "times to expiry are counted from it")
    return found


def _parameter(evaluation: Evaluation, name: str) -> InputError:
    """Return the error of a parameter that has no value."""
    field = name
    for table, shape in evaluation.compiled.document.units.items():
        fields = shape.get("table") if isinstance(shape, dict) else None
        if isinstance(fields, dict) and name in {f"{table}_{each}" for each in fields}:
            field = f"{table}.{name.removeprefix(f'{table}_')}"
    return _error("METH-E06", f"parameters.{field}", "the method publishes no default for it")


def _error(code: str, field: str, why: str) -> InputError:
    return InputError(
        code,
        f"{field} is missing or no usable number",
        rule=f"a number that decides a requirement is stated, never guessed: {why}",
        cure=f"state {field}",
        field=field,
    )
