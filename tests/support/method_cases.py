"""Cases of methods: what a line expects, held against an answer under the tolerance of the line.

A tolerance is `exact` or {relative, absolute, fields}: a number x may be off by max(absolute,
relative·|x|), where a missing one counts as 0 and `fields` gives another pair to a single path
(`native.risk_factors.long`). Numbers are compared without binary rounding, and "1.50" is 1.5; texts,
booleans and null are identical, lists are as long and in the same order. What is not expected may stand
in an answer.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from steelyard.margin.methods.answer import Answer
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case

CASES = Path(__file__).resolve().parents[1] / "cases"
PRINTED = ("currency", "equity", "initial_requirement", "maintenance_requirement", "native")


def case_lines(method: str) -> list[dict[str, Any]]:
    """Return the lines of `tests/cases/<method>.jsonl`, with their floats as they are written."""
    text = (CASES / f"{method}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines() if line.strip()]


def own_answer(case: dict[str, Any]) -> Answer:
    """Return the answer to a case of a method whose core is a module of `own`."""
    method = documents().get(case["method"])
    module = import_module(f"steelyard.margin.methods.own.{method.core.replace('-', '_')}")
    stated = msgspec.json.decode(json.dumps(case, default=float), type=Case[module.Number])
    answer = module.answer(stated, method.with_parameters(stated.parameters))
    assert isinstance(answer, Answer)
    return answer


def told(case: dict[str, Any]) -> dict[str, Any]:
    """Return what is printed of a case of a method whose core is a module of `own`."""
    return printed(own_answer(case))


def requirements(case: dict[str, Any]) -> tuple[str, str]:
    """Return the initial and the maintenance requirement of such a case, as they are printed."""
    said = told(case)
    return said["initial_requirement"], said["maintenance_requirement"]


def micros(value: Any) -> int:
    """Return an amount of six decimals as its whole millionths, of any length."""
    text = value if isinstance(value, str) else f"{value:f}"
    whole, _, decimals = text.partition(".")
    assert len(decimals) == 6
    return int(whole + decimals)


def check_case(line: str | bytes | dict[str, Any], answer: Answer | dict[str, Any]) -> None:
    """Raise AssertionError with every path at which an answer misses what its line expects."""
    case = line if isinstance(line, dict) else json.loads(line, parse_float=Decimal)
    found = disagreements(case, printed(answer) if isinstance(answer, Answer) else answer)
    assert not found, f"{case['case']}: " + "; ".join(found)


def disagreements(case: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """Return one sentence for every expected value that an answer misses."""
    found: list[str] = []
    _compare(case["expect"], answer, "", case["tolerance"], found)
    return found


def printed(answer: Answer) -> dict[str, Any]:
    """Return an answer as it is printed: Decimal in plain digits, the parts left out.

    What the method says nothing of is left out; a None among the venue's own numbers is a null.
    """
    values = {name: getattr(answer, name) for name in PRINTED}
    plain = {name: _plain(value) for name, value in values.items() if value is not None}
    if not plain["native"]:
        del plain["native"]
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _compare(want: Any, got: Any, path: str, tolerance: Any, found: list[str]) -> None:
    if isinstance(want, dict):
        if not isinstance(got, dict):
            found.append(f"{path or 'the answer'} is {got!r}, expected a table")
            return
        for name, inner in want.items():
            place = f"{path}.{name}" if path else name
            if name in got:
                _compare(inner, got[name], place, tolerance, found)
            else:
                found.append(f"{place} is missing, expected {inner!r}")
    elif isinstance(want, list):
        if not isinstance(got, list | tuple) or len(got) != len(want):
            found.append(f"{path} is {got!r}, expected {len(want)} values: {want!r}")
            return
        for inner, one in zip(want, got, strict=True):
            _compare(inner, one, path, tolerance, found)
    elif not _agrees(want, got, _allowed(tolerance, path)):
        found.append(f"{path} is {got!r}, expected {want!r} within {_allowed(tolerance, path)}")


def _allowed(tolerance: Any, path: str) -> Any:
    """Return the tolerance of one path."""
    return tolerance.get("fields", {}).get(path, tolerance) if tolerance != "exact" else "exact"


def _agrees(want: Any, got: Any, allowed: Any) -> bool:
    expected, value = _number(want), _number(got)
    if expected is None:
        return type(got) is type(want) and got == want
    if value is None:
        return False
    if allowed == "exact":
        return value == expected
    absolute = _number(allowed.get("absolute", 0)) or Fraction(0)
    relative = _number(allowed.get("relative", 0)) or Fraction(0)
    return abs(value - expected) <= max(absolute, relative * abs(expected))


def _number(value: Any) -> Fraction | None:
    """Return a number, written as one or as a text; None for texts, booleans and null.

    A float stands for the shortest digits that name it, as JSON prints it.
    """
    if (
        isinstance(value, bool)
        or value is None
        or not isinstance(value, int | float | Decimal | str)
    ):
        return None
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        return None
    return Fraction(number) if number.is_finite() else None
