"""`steelyard margin --cases FILE --cure`: what brings each account back to the margin that is wanted."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from steelyard.cli.case_lines import Answer
from steelyard.cli.left_out import left_out, left_out_lines, number
from steelyard.cli.margin_cases import identity, plain
from steelyard.cli.margin_told import told_cases
from steelyard.margin.methods.cures import cures_of
from steelyard.margin.methods.cures.levels import wanted_of
from steelyard.margin.methods.cures.quotes import charges_of
from steelyard.margin.methods.cures.results import Level
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

BY = {
    "cost": "cheapest first",
    "notional": "nothing is charged, so the least notional first",
}


class Question(NamedTuple):
    """What is wanted: equity over requirement, of which level, and what trading costs."""

    wanted: float = 1.0
    level: str = "initial"
    taker_fee: float = 0.0


def margin_cures_command(
    path: Path,
    question: Question,
    jobs: int = 1,
    folder: Path | None = None,
    *,
    as_json: bool = False,
) -> int:
    """Print what cures each case of a file (`-` is stdin); return 2 if one is an error.

    folder: its documents are known beside those of the package. Errors: METH-E05 for a ratio or a fee
    that is none, TERM-… of a document of the folder.
    """
    wanted_of(question.wanted, cast(Level, question.level))
    charges_of(question.taker_fee, 0.0, 0.0)
    return told_cases(path, _cured, None if as_json else _text, jobs, folder, question)


def _cured(document: MethodDocument, question: Question, case: Case[Any]) -> Answer:
    found = cures_of(
        case,
        document,
        wanted=question.wanted,
        level=cast(Level, question.level),
        taker_fee=question.taker_fee,
    )
    told = {
        "cures": plain(msgspec.to_builtins(found, builtin_types=(Decimal,))),
        "leave_one_out": left_out(case, document),
    }
    return identity(document, document.with_parameters(case.parameters)) | told


def _text(told: dict[str, Any]) -> str:
    """Return one answer as indented lines."""
    head = f"{told['case']}  {told['method']}"
    if "error" in told:
        error = told["error"]
        return f"{head}\n  {error['code']}: {error['message']}. {error['cure']}.\n\n"
    lines = [f"{head} {told['method_version']}"]
    found = told["cures"]
    lines += [f"  {text}" for text in (found["cheapest"], found["reason"]) if text]
    if found["deposits"]:
        lines += _deposits(found) + _reduction(found) + _trades(found)
    lines += left_out_lines(told["leave_one_out"], found["currency"])
    return "\n".join(lines) + "\n\n"


def _deposits(found: dict[str, Any]) -> list[str]:
    lines = ["  deposits"]
    for deposit in found["deposits"]:
        amount, name = deposit["amount"], deposit["asset"]
        said = deposit["reason"] if amount is None else f"{number(amount)} {name}"
        worth = "" if amount is None else f", {number(deposit['value'])} {found['currency']}"
        lines.append(f"    {name}: {said}" if amount is None else f"    {said}{worth}")
    return lines


def _reduction(found: dict[str, Any]) -> list[str]:
    reduction = found["reduction"]
    if reduction["kept"] is None and not reduction["legs"]:
        return []
    lines = ["  reductions"]
    if reduction["kept"] is not None:
        lines.append(f"    keep {number(reduction['kept'])} of every position")
    lines += [f"    {_trade(leg, found)}" for leg in reduction["legs"]]
    return lines


def _trades(found: dict[str, Any]) -> list[str]:
    tried = f"{found['tried']} contract{'' if found['tried'] == 1 else 's'}"
    if not found["trades"]:
        return [f"  no trade of {tried} cures"]
    lines = [f"  trades of {tried}, {BY[found['ranked_by']]}"]
    return lines + [f"    {_trade(trade, found)}" for trade in found["trades"]]


def _trade(trade: dict[str, Any], found: dict[str, Any]) -> str:
    quantity = trade["quantity"]
    verb, size = ("sell", quantity[1:]) if quantity.startswith("-") else ("buy", quantity)
    after = f"requirement {number(trade['requirement_after'])} {found['currency']}"
    notional = "" if trade["notional"] is None else f", notional {number(trade['notional'])}"
    cost = f", cost {number(trade['cost'])}" if trade["cost"] else ""
    return f"{verb} {number(size)} {trade['instrument']}: {after}{notional}{cost}"
