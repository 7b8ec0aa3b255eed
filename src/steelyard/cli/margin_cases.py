"""`steelyard margin --cases`: the margin of stated books under the methods that they name."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

from steelyard.cli.case_files import Piece, Printed, answered, cases_printed
from steelyard.cli.case_lines import Answer, Calculation, Family, Heading, each
from steelyard.margin.methods.answer import Answer as MarginAnswer
from steelyard.margin.methods.core.rules import hand_on
from steelyard.margin.methods.registry import Core, core_of
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.stated import Case, instant_us

LINE_BYTES_MAX = 1 << 26  # a large book with its chains is one line
PRINTED = ("currency", "equity", "initial_requirement", "maintenance_requirement", "native")


def margin_cases_command(path: Path, jobs: int = 1) -> int:
    """Print one JSON answer for each case of a file (`-` is stdin); return 2 if one is an error."""
    return cases_printed(path, answer_piece, jobs, LINE_BYTES_MAX)


def answer_piece(piece: Piece) -> Printed:
    """Return the answers to some lines of a file."""
    return answered(piece, family(), LINE_BYTES_MAX)


@cache
def family() -> Family:
    """Return the methods of the library, each with the form of its cases and what answers them."""
    library = documents()
    names = tuple(library.names())
    kinds: dict[str, Any] = {}
    calculations: dict[str, Calculation] = {}
    for name in names:
        core = core_of(library.get(name))
        kinds[name] = Case[core.number]  # type: ignore[name-defined]
        calculations[name] = each(partial(_answer, name, core), "")
    return Family(names, Heading, lambda heading: str(heading.method), kinds, _rule, calculations)


def _answer(method: str, core: Core, case: Case[Any]) -> Answer:
    document = _document(method, case)
    changed = document.with_parameters(case.parameters)
    hand_on(document, changed)
    return printed(core.answer(case, changed), document)


def _document(method: str, case: Case[Any]) -> MethodDocument:
    """Return the newest version of the method: a case states a question to it, not to its past."""
    if case.market.as_of:
        instant_us(case.market.as_of, "market.as_of")
    return documents().get(method)


def _rule(path: str, value: float) -> str | None:
    """Return the rule of the form that a number breaks; what a method needs, it asks for itself."""
    if path.endswith("confidence") and path.startswith("market.") and not 0.0 <= value <= 1.0:
        return "a confidence lies between 0 and 1"
    if path.endswith((".entry_price", ".mark_price")) and value < 0.0:
        return "a price is at least 0"
    return None


def printed(answer: MarginAnswer, document: MethodDocument) -> dict[str, Any]:
    """Return an answer as it is printed, with the version and hash of the method it comes from.

    What the method says nothing of is left out; exact decimals are texts in plain digits, integers stay integers.
    """
    told: dict[str, Any] = {}
    for name in PRINTED:
        value = getattr(answer, name)
        if value is not None and value != {}:
            told[name] = plain(value)
    return told | {"method_version": document.version, "method_hash": document.digest()}


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
