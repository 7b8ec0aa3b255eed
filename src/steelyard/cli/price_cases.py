"""One line of a case file of `steelyard price`: read, checked, calculated, answered.

A line is a JSON object with an id (`case`), a `method` (bsm, black76, implied-volatility, heston or
svi) and the inputs of that method; keys it does not know are left alone. The answer carries the same
id and the results by name. A line that cannot be answered gets an error instead that names the line
and the field, and the lines beside it are answered all the same: lines of one method are calculated
together, and what is wrong with one is found before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Annotated, Any, Literal

import msgspec

from steelyard.quantities.errors import InputError, SteelyardError

OptionType = Literal["call", "put"]
PLACE = re.compile(r"(?: of)?(?: - at)? `\$\.?(?P<path>[^`]*)`$")
MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


class SpotOption(msgspec.Struct, frozen=True):
    """A European option on a spot price."""

    type: OptionType
    strike: float
    spot: float
    time_to_expiry: float
    volatility: float
    rate: float = 0.0
    dividend_yield: float = 0.0


class ForwardOption(msgspec.Struct, frozen=True):
    """A European option on a forward, discounted with `rate`."""

    type: OptionType
    strike: float
    forward: float
    time_to_expiry: float
    volatility: float
    rate: float = 0.0
    settlement: Literal["linear", "inverse"] = "linear"


class QuotedOption(msgspec.Struct, frozen=True):
    """A European option on a forward with its undiscounted price."""

    type: OptionType
    strike: float
    forward: float
    time_to_expiry: float
    price: float


class ModelOption(msgspec.Struct, frozen=True):
    """A European option on a spot price whose volatility a model gives."""

    type: OptionType
    strike: float
    spot: float
    time_to_expiry: float
    rate: float = 0.0
    dividend_yield: float = 0.0


class HestonModel(msgspec.Struct, frozen=True):
    """dv = κ(θ − v)dt + σ√v dW, correlated with the price."""

    initial_variance: float
    mean_reversion: float
    long_run_variance: float
    vol_of_vol: float
    correlation: float


class Smile(msgspec.Struct, frozen=True):
    """Raw SVI parameters."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float


class TermSmile(msgspec.Struct, frozen=True):
    """Raw SVI parameters of a known term."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    time_to_expiry: float


class Wings(msgspec.Struct, frozen=True):
    """Jump-wings parameters."""

    v: float
    psi: float
    p: float
    c: float
    v_tilde: float
    time_to_expiry: float


class PutWing(msgspec.Struct, frozen=True):
    """The jump-wings parameters that a repair keeps."""

    v: float
    psi: float
    p: float


class Ssvi(msgspec.Struct, frozen=True):
    """One expiry of an SSVI surface."""

    theta: float
    rho: float
    eta: float
    gamma: float


class BsmCase(msgspec.Struct, frozen=True):
    """Method bsm."""

    option: SpotOption


class Black76Case(msgspec.Struct, frozen=True):
    """Method black76."""

    option: ForwardOption


class VolatilityCase(msgspec.Struct, frozen=True):
    """Method implied-volatility."""

    option: QuotedOption


class HestonCase(msgspec.Struct, frozen=True):
    """Method heston."""

    model: HestonModel
    option: ModelOption
    outputs: Annotated[
        tuple[Literal["price", "implied_volatility"], ...], msgspec.Meta(min_length=1)
    ] = ("price",)


class ButterflyCase(msgspec.Struct, frozen=True):
    """Method svi, check butterfly."""

    smile: Smile


class TotalVarianceCase(msgspec.Struct, frozen=True):
    """Method svi, check total_variance."""

    smile: Smile
    log_moneyness: float


class JumpWingsCase(msgspec.Struct, frozen=True):
    """Method svi, check jump_wings."""

    smile: TermSmile


class ToRawCase(msgspec.Struct, frozen=True):
    """Method svi, check jump_wings_to_raw."""

    jump_wings: Wings


class RepairCase(msgspec.Struct, frozen=True):
    """Method svi, check jump_wings_repair."""

    jump_wings: PutWing


class CalendarCase(msgspec.Struct, frozen=True):
    """Method svi, check calendar."""

    near: Smile
    far: Smile


class SsviCase(msgspec.Struct, frozen=True):
    """Method svi, check ssvi."""

    smile: Ssvi
    log_moneyness: tuple[float, ...]


CASES: dict[str, type[msgspec.Struct]] = {
    "bsm": BsmCase,
    "black76": Black76Case,
    "implied-volatility": VolatilityCase,
    "heston": HestonCase,
    "svi butterfly": ButterflyCase,
    "svi total_variance": TotalVarianceCase,
    "svi jump_wings": JumpWingsCase,
    "svi jump_wings_to_raw": ToRawCase,
    "svi jump_wings_repair": RepairCase,
    "svi calendar": CalendarCase,
    "svi ssvi": SsviCase,
}
METHODS = tuple(dict.fromkeys(name.split()[0] for name in CASES))
CHECKS = tuple(name.split()[1] for name in CASES if " " in name)
ABOVE_ZERO = frozenset({"strike", "spot", "forward"})
NOT_BELOW_ZERO = frozenset(
    "time_to_expiry volatility price initial_variance mean_reversion long_run_variance vol_of_vol".split()
)


class Heading(msgspec.Struct):
    """What every line begins with."""

    method: str
    case: str | int
    check: str | None = None


class Name(msgspec.Struct):
    """The id alone, of whatever kind it is."""

    case: Any = None


_HEADING = msgspec.json.Decoder(Heading)
_NAME = msgspec.json.Decoder(Name)
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in CASES.items()}


class Line(msgspec.Struct):
    """One line of a file: either a case to calculate, or what is wrong with it."""

    number: int
    case: str | int | None
    method: str | None
    kind: str = ""
    inputs: msgspec.Struct | None = None
    error: SteelyardError | None = None


def refuse(code: str, message: str, rule: str, cure: str, field: str = "") -> InputError:
    """Return an error of a case; `field` is the path of the value, if there is one."""
    where = {"field": field} if field else {}
    return InputError(code, message, rule=rule, cure=cure, **where)


def read_line(text: bytes, number: int) -> Line:
    """Return the case of one line, or the line with its error; never raises for its content."""
    line = Line(number, None, None)
    try:
        line.case, line.method, line.kind, line.inputs = _decode(text, line)
        _check_values(line.inputs, "")
    except InputError as error:
        line.error = error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        line.error = _explained(error)
    return line


def _decode(text: bytes, line: Line) -> tuple[str | int, str, str, msgspec.Struct]:
    """Return (id, method, kind, inputs); notes on `line` whatever is known before a failure."""
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
    heading = _HEADING.decode(text) if tree is None else msgspec.convert(tree, Heading)
    line.method = heading.method
    kind = _kind_of(heading)
    if tree is None:
        inputs: msgspec.Struct = _DECODERS[kind].decode(text)
    else:
        inputs = msgspec.convert(tree, CASES[kind])
    return heading.case, heading.method, kind, inputs


def _kind_of(heading: Heading) -> str:
    if heading.method not in METHODS:
        raise refuse(
            "CASE-E03", f"method {heading.method!r} is not known here",
            f"a method is one of {', '.join(METHODS)}",
            "give the file to the command that knows the method", "method",
        )  # fmt: skip
    if heading.method != "svi":
        return heading.method
    if heading.check not in CHECKS:
        said = "is missing" if heading.check is None else f"{heading.check!r} is not known"
        raise refuse(
            "CASE-E03", f"the check {said}",
            f"a check of an svi case is one of {', '.join(CHECKS)}",
            "name the question in `check`", "check",
        )  # fmt: skip
    return f"svi {heading.check}"


def _explained(error: Exception) -> InputError:
    """Return the error of a line that could not be decoded."""
    text = str(error)
    place = PLACE.search(text)
    missing = MISSING.search(text)
    if not (isinstance(error, msgspec.ValidationError) and (place or missing)):
        said = "it is nested too deeply" if isinstance(error, RecursionError) else text
        return refuse(
            "CASE-E01", f"the line is not a JSON object: {said}",
            "a line holds one JSON object", "mend the line",
        )  # fmt: skip
    path = place["path"] if place else ""
    if missing:
        field = f"{path}.{missing['name']}" if path else missing["name"]
        return refuse(
            "CASE-E02", f"{field} is missing", "a case states every input of its method",
            f"add {field}", field,
        )  # fmt: skip
    said = text[: place.start()] if place else text
    return refuse(
        "CASE-E02", f"{path or 'the line'}: {said[:1].lower()}{said[1:]}",
        "numbers are JSON numbers, names are among those of the method",
        "write the value as the method's description says", path,
    )  # fmt: skip


def _check_values(value: object, path: str) -> None:
    """Raise CASE-E04 at the first number that its field cannot have."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _check_values(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for i, each in enumerate(value):
            _check_values(each, f"{path}[{i}]")
    elif isinstance(value, float):
        _check_number(value, path)


def _check_number(value: float, path: str) -> None:
    name = path.rpartition(".")[2]
    if not isfinite(value):
        rule = "a number is finite"
    elif name in ABOVE_ZERO and value <= 0.0:
        rule = f"{name} is above 0"
    elif name in NOT_BELOW_ZERO and value < 0.0:
        rule = f"{name} is at least 0"
    elif name == "correlation" and abs(value) > 1.0:
        rule = "correlation lies between −1 and 1"
    else:
        return
    raise refuse("CASE-E04", f"{path} is {value}", rule, "mend or drop the case", path)


Answer = dict[str, Any] | SteelyardError
Calculation = Callable[[Sequence[Any]], list[Answer]]


def answers(lines: Iterable[Line], calculations: dict[str, Calculation]) -> list[dict[str, Any]]:
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
        results = calculations[kind]([lines[i].inputs for i in places])
        found.update(zip(places, results, strict=True))
    return [_told(line, found[i]) for i, line in enumerate(lines)]


def _told(line: Line, answer: Answer) -> dict[str, Any]:
    """Return what is printed for a line."""
    told: dict[str, Any] = {"case": line.case, "method": line.method}
    if isinstance(answer, SteelyardError):
        return told | {"error": answer.as_dict() | {"where": {"line": line.number, **answer.where}}}
    for name, value in answer.items():
        values = value if isinstance(value, list | tuple) else [value]
        if not all(isfinite(each) for each in values if isinstance(each, float)):
            error = refuse(
                "CASE-E05", f"{name} is not a finite number here",
                "a result is a finite number", "bring the inputs nearer to what a market shows",
                name,
            )  # fmt: skip
            return _told(line, error)
    return told | answer
