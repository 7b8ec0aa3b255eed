"""One line of a case file: read, checked, calculated, answered; shared by the commands with --cases.

A line is a JSON object with an id (`case`), a `method` and the inputs of that method; keys it does not
know are left alone. The answer carries the same id and the results by name. A line that cannot be
answered gets an error instead that names the line and the field, and the lines beside it are answered
all the same: lines of one kind are calculated together, and what is wrong with one is found before.

What a command knows is its `Family`: the methods, the kinds of a method, the inputs of a kind, what a
number must be, and the calculation of each kind. `case_files` takes a file or a stream through it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec

from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.terms.decoding import fault_of

Answer = dict[str, Any] | SteelyardError
Calculation = Callable[[Sequence[Any]], list[Answer]]


class Heading(msgspec.Struct):
    """What every line begins with; a family adds the fields that tell the kinds of a method apart."""

    method: str
    case: str | int


class Name(msgspec.Struct):
    """The id alone, of whatever kind it is."""

    case: Any = None


@dataclass(frozen=True)
class Family:
    """The methods of one command.

    kind_of: the kind of a heading whose method is known; raises CASE-E03 if there is none.
    cases: kind → its inputs, a frozen struct. rule_of: (path, finite number) → the rule that the number
    breaks, None if it is sound. calculations: kind → what answers the inputs of many cases, in order.
    """

    methods: tuple[str, ...]
    heading: type[Heading]
    kind_of: Callable[[Any], str]
    cases: Mapping[str, Any]
    rule_of: Callable[[str, float], str | None]
    calculations: Mapping[str, Calculation]

    def __post_init__(self) -> None:
        decoders = {name: msgspec.json.Decoder(kind) for name, kind in self.cases.items()}
        object.__setattr__(self, "_decoders", decoders)
        object.__setattr__(self, "_heading", msgspec.json.Decoder(self.heading))

    def decode_heading(self, text: bytes) -> Any:
        """Return the heading of a line."""
        return self._heading.decode(text)  # type: ignore[attr-defined]

    def decode_inputs(self, kind: str, text: bytes) -> Any:
        """Return the inputs of a line of this kind."""
        return self._decoders[kind].decode(text)  # type: ignore[attr-defined]


class Line(msgspec.Struct):
    """One line of a file: either a case to calculate, or what is wrong with it."""

    number: int
    case: str | int | None
    method: str | None
    kind: str = ""
    inputs: Any = None
    error: SteelyardError | None = None


_NAME = msgspec.json.Decoder(Name)


def refuse(code: str, message: str, rule: str, cure: str, field: str = "") -> InputError:
    """Return an error of a case; `field` is the path of the value, if there is one."""
    where = {"field": field} if field else {}
    return InputError(code, message, rule=rule, cure=cure, **where)


def read_line(text: bytes, number: int, family: Family) -> Line:
    """Return the case of one line, or the line with its error; never raises for its content."""
    line = Line(number, None, None)
    try:
        _decode(text, line, family)
        _check_values(line.inputs, "", family.rule_of)
    except InputError as error:
        line.error = error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        line.error = _explained(error)
    return line


def _decode(text: bytes, line: Line, family: Family) -> None:
    """Fill the line; what is known before a failure is on it by then."""
    try:
        name = _NAME.decode(text)
        tree = None
    except msgspec.ValidationError:
        raise
    except msgspec.MsgspecError:
        # NaN and Infinity are no JSON, but many programs write them: name the field that has one.
        tree = json.loads(text)
        name = msgspec.convert(tree, Name)
    line.case = name.case if isinstance(name.case, str | int) else None
    heading = family.decode_heading(text) if tree is None else msgspec.convert(tree, family.heading)
    line.method = heading.method
    if heading.method not in family.methods:
        raise refuse(
            "CASE-E03", f"method {heading.method!r} is not known here",
            f"a method is one of {', '.join(family.methods)}",
            "give the file to the command that knows the method", "method",
        )  # fmt: skip
    kind = family.kind_of(heading)
    if tree is None:
        line.inputs = family.decode_inputs(kind, text)
    else:
        line.inputs = msgspec.convert(tree, family.cases[kind])
    line.case, line.kind = heading.case, kind


def one_of(value: str | None, field: str, known: Sequence[str], method: str) -> str:
    """Return the value if it is known; else raise CASE-E03, with the field that tells the kind."""
    if value is not None and value in known:
        return value
    said = "is missing" if value is None else f"{value!r} is not known"
    raise refuse(
        "CASE-E03", f"the {field} {said}",
        f"a {field} of {method} is one of {', '.join(known)}", f"name the {field} in `{field}`",
        field,
    )  # fmt: skip


def _explained(error: Exception) -> InputError:
    """Return the error of a line that could not be decoded."""
    fault = fault_of(error)
    is_placed = bool(fault.missing) or fault.said != str(error)
    if not (isinstance(error, msgspec.ValidationError) and is_placed):
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return refuse(
            "CASE-E01", f"the line is not a JSON object: {said}",
            "a line holds one JSON object", "mend the line",
        )  # fmt: skip
    if fault.missing:
        field = fault.field()
        return refuse(
            "CASE-E02", f"{field} is missing", "a case states every input of its method",
            f"add {field}", field,
        )  # fmt: skip
    return refuse(
        "CASE-E02", f"{fault.path or 'the line'}: {fault.said[:1].lower()}{fault.said[1:]}",
        "numbers are JSON numbers, names are among those of the method",
        "write the value as the method's description says", fault.path,
    )  # fmt: skip


def _check_values(value: object, path: str, rule_of: Callable[[str, float], str | None]) -> None:
    """Raise CASE-E04 at the first number that its field cannot have."""
    if isinstance(value, msgspec.Struct):
        # a field may be called otherwise in the file: `return`, `lambda`
        for field, name in zip(
            value.__struct_fields__, value.__struct_encode_fields__, strict=True
        ):
            _check_values(getattr(value, field), f"{path}.{name}" if path else name, rule_of)
    elif isinstance(value, dict):
        for name, each in value.items():
            _check_values(each, f"{path}.{name}" if path else str(name), rule_of)
    elif isinstance(value, tuple | list):
        for i, each in enumerate(value):
            _check_values(each, f"{path}[{i}]", rule_of)
    elif isinstance(value, float | int) and not isinstance(value, bool):
        _check_number(value, path, rule_of)


def _check_number(value: float, path: str, rule_of: Callable[[str, float], str | None]) -> None:
    is_sound = isinstance(value, int) or isfinite(value)
    rule = rule_of(path, value) if is_sound else "a number is finite"
    if rule is not None:
        raise refuse("CASE-E04", f"{path} is {value}", rule, "mend or drop the case", path)


def guarded(calculation: Callable[[Any], Answer], case: Any, within: str) -> Answer:
    """Return what a calculation gives, or its error with the path of the field from the line."""
    try:
        return calculation(case)
    except SteelyardError as error:
        if "field" in error.where and within:
            error.where["field"] = f"{within}.{error.where['field']}"
        return error
    except ArithmeticError:
        return refuse(
            "CASE-E05", "a result is beyond what a number can hold", "a result is a finite number",
            "bring the inputs nearer to what a market shows",
        )  # fmt: skip


def each(calculation: Callable[[Any], Answer], within: str) -> Calculation:
    """Return the calculation of many cases from that of one, guarded."""
    return lambda cases: [guarded(calculation, case, within) for case in cases]


def answers(lines: Iterable[Line], family: Family) -> list[dict[str, Any]]:
    """Return one answer a line, in their order; lines of one kind are calculated together."""
    lines = list(lines)
    found: dict[int, Answer] = {}
    by_kind: dict[str, list[int]] = {}
    for i, line in enumerate(lines):
        if line.error is not None:
            found[i] = line.error
        else:
            by_kind.setdefault(line.kind, []).append(i)
    for kind, places in by_kind.items():
        results = family.calculations[kind]([lines[i].inputs for i in places])
        found.update(zip(places, results, strict=True))
    return [_told(line, found[i]) for i, line in enumerate(lines)]


def _told(line: Line, answer: Answer) -> dict[str, Any]:
    """Return what is printed for a line."""
    told: dict[str, Any] = {"case": line.case, "method": line.method}
    if isinstance(answer, SteelyardError):
        return told | {"error": answer.as_dict() | {"where": {"line": line.number, **answer.where}}}
    name = _not_finite(answer, "")
    if name is None:
        return told | answer
    error = refuse(
        "CASE-E05", f"{name} is not a finite number here", "a result is a finite number",
        "bring the inputs nearer to what a market shows", name,
    )  # fmt: skip
    return _told(line, error)


def _not_finite(value: Any, path: str) -> str | None:
    """Return the path of the first result that is no finite number, None if all are."""
    if isinstance(value, float):
        return None if isfinite(value) else path
    if isinstance(value, dict):
        for name, inner in value.items():
            found = _not_finite(inner, f"{path}.{name}" if path else str(name))
            if found is not None:
                return found
    elif isinstance(value, list | tuple):
        for inner in value:
            found = _not_finite(inner, path)
            if found is not None:
                return found
    return None
