"""`steelyard margin --cases`: the margin of stated books under the methods that they name."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

from steelyard.cli.case_files import Piece, Printed, answered, cases_printed
from steelyard.cli.case_lines import Answer, Calculation, Family, Heading, each
from steelyard.cli.method_library import library
from steelyard.margin.methods.answer import Answer as MarginAnswer
from steelyard.margin.methods.core.rules import hand_on
from steelyard.margin.methods.registry import Core, core_of
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, instant_us

LINE_BYTES_MAX = 1 << 26  # a large book with its chains is one line
PRINTED = ("currency", "equity", "initial_requirement", "maintenance_requirement", "native")


def margin_cases_command(path: Path, jobs: int = 1, folder: Path | None = None) -> int:
    """Print one JSON answer for each case of a file (`-` is stdin); return 2 if one is an error.

    folder: its documents are known beside those of the package. Errors: TERM-… of a document there.
    """
    if folder is not None:
        family(folder)  # a fault of a document is told once, before the first answer
    return cases_printed(path, partial(answer_piece, folder=folder), jobs, LINE_BYTES_MAX)


def answer_piece(piece: Piece, folder: Path | None = None) -> Printed:
    """Return the answers to some lines of a file."""
    return answered(piece, family(folder), LINE_BYTES_MAX)


@cache
def family(folder: Path | None = None) -> Family:
    """Return the methods of the library, each with the form of its cases and what answers them."""
    known = library(folder)
    names = tuple(known.names())
    kinds: dict[str, Any] = {}
    calculations: dict[str, Calculation] = {}
    for name in names:
        document = known.get(name)
        core = core_of(document)
        kinds[name] = Case[core.number]  # type: ignore[name-defined]
        calculations[name] = each(partial(_answer, document, core), "")
    return Family(names, Heading, lambda heading: str(heading.method), kinds, rule_of, calculations)


def _answer(document: MethodDocument, core: Core, case: Case[Any]) -> Answer:
    """Return the answer of the newest version: a case states a question to it, not to its past."""
    answer, changed = answer_under(document, core, case)
    return printed(answer) | identity(document, changed)


def answer_under(
    document: MethodDocument, core: Core, case: Case[Any]
) -> tuple[MarginAnswer, MethodDocument]:
    """Return what a document says of a case, and the document with the case's parameters in it."""
    if case.market.as_of:
        instant_us(case.market.as_of, "market.as_of")
    changed = document.with_parameters(case.parameters)
    hand_on(document, changed)
    return core.answer(case, changed), changed


def rule_of(path: str, value: float) -> str | None:
    """Return the rule of the form that a number breaks; what a method needs, it asks for itself."""
    if path.endswith("confidence") and path.startswith("market.") and not 0.0 <= value <= 1.0:
        return "a confidence lies between 0 and 1"
    if path.endswith((".entry_price", ".mark_price")) and value < 0.0:
        return "a price is at least 0"
    return None


def printed(answer: MarginAnswer) -> dict[str, Any]:
    """Return an answer as it is printed.

    What the method says nothing of is left out; exact decimals are texts in plain digits, integers stay integers.
    """
    told: dict[str, Any] = {}
    for name in PRINTED:
        value = getattr(answer, name)
        if value is not None and value != {}:
            told[name] = plain(value)
    return told


def identity(document: MethodDocument, changed: MethodDocument) -> dict[str, Any]:
    """Return which method answered: the version and hash of the document as it is published.

    Where a case states parameters, `parameters_hash` is that of the document with these in it.
    """
    told = {"method_version": document.version, "method_hash": document.digest()}
    return told if changed is document else told | {"parameters_hash": changed.digest()}


def plain(value: Any) -> Any:
    """Return a tree ready for JSON: exact decimals as texts in plain digits, no float −0.0."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return value + 0.0  # a loss of nothing is no −0.0
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
