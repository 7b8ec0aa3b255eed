"""`steelyard margin --cases FILE --explain`: why each case's requirement is what it is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from steelyard.cli.case_lines import Answer
from steelyard.cli.left_out import left_out, left_out_lines
from steelyard.cli.margin_cases import identity, plain
from steelyard.cli.margin_told import told_cases
from steelyard.margin.methods.registry import explanation_of
from steelyard.publish.strategies import describe
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

NONE = "the method states no requirement of the account in this case"


def margin_explain_command(
    path: Path, jobs: int = 1, folder: Path | None = None, *, as_json: bool = False
) -> int:
    """Print one explanation for each case of a file (`-` is stdin); return 2 if one is an error.

    folder: its documents are known beside those of the package. Errors: TERM-… of a document there.
    """
    return told_cases(path, explained, None if as_json else _text, jobs, folder)


def explained(document: MethodDocument, case: Case[Any]) -> Answer:
    """Return the explanation of a case as it is printed, with the strategies of its account."""
    found = explanation_of(case, document, names_strategies=True)
    told = identity(document, document.with_parameters(case.parameters))
    if found is None:
        return told | {"explanation": None}
    bare = msgspec.structs.replace(found, strategies=None)
    tree = plain(msgspec.to_builtins(bare, builtin_types=(Decimal,)))
    if found.strategies is not None:
        tree["strategies"] = describe(found.strategies)
    return told | {"explanation": tree, "leave_one_out": left_out(case, document)}


def _text(told: dict[str, Any]) -> str:
    """Return one answer as indented lines."""
    lines = [f"{told['case']}  {told['method']}"]
    if "error" in told:
        error = told["error"]
        lines.append(f"  {error['code']}: {error['message']}. {error['cure']}.")
        return "\n".join(lines) + "\n\n"
    found = told["explanation"]
    lines[0] += f" {told['method_version']}"
    if found is None:
        return f"{lines[0]}\n  {NONE}\n\n"
    currency = found["currency"]
    equity = "" if found["equity"] is None else f"equity {found['equity']:,.6f} {currency}"
    lines.append(f"  {equity}".rstrip())
    lines.append(_row(1, f"requirement, {currency}", "initial", "maintenance"))
    lines.append(_row(1, "total", found["initial"], found["maintenance"]))
    for part in found["parts"]:
        lines.append(_row(2, part["name"], part["initial"], part["maintenance"]))
        lines += [
            _row(3, leaf["name"], leaf["initial"], leaf["maintenance"]) for leaf in part["leaves"]
        ]
    for scenario in found["scenarios"]:
        said = "binds" if scenario["is_binding"] else "next"
        words = f"{scenario['underlying']} {scenario['number']:>2}: {scenario['words']}"
        lines.append(f"  {said:<6}{words}, P&L {scenario['pnl']:,.6f}")
    for more in found["one_more"]:
        bought, sold = more["bought_initial"], more["sold_initial"]
        lines.append(
            f"  one more {more['instrument']}: bought {bought:+,.6f}, sold {sold:+,.6f} initial"
        )
    lines += left_out_lines(told["leave_one_out"], currency)
    lines += _strategies(found)
    return "\n".join(lines) + "\n\n"


def _strategies(found: dict[str, Any]) -> list[str]:
    """Return a line for each named strategy and one for the book; why there are none, if that is told."""
    told = found["strategies"]
    if told is None:
        missing = found["strategies_missing"]
        return [f"  strategies are not named: {missing}"] if missing else []
    return [f"  {each['sentence']}" for each in told["strategies"]] + [f"  {told['sentence']}"]


def _row(depth: int, name: str, initial: str, maintenance: str) -> str:
    head = "  " * depth + name.replace("_", " ")
    return f"{head:<44}{_grouped(initial):>26}{_grouped(maintenance):>26}"


def _grouped(amount: str) -> str:
    try:
        return f"{Decimal(amount):,f}"
    except ArithmeticError:
        return amount
