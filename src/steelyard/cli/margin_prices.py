"""`steelyard margin --cases FILE --prices`: what liquidates each case: a price, time, volatility."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from steelyard.cli.case_lines import Answer
from steelyard.cli.margin_cases import identity, plain
from steelyard.cli.margin_told import told_cases
from steelyard.margin.methods.prices import (
    critical_prices,
    liquidation_times,
    liquidation_volatility,
)
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

HEAD = ("price now", "the account is", "liquidation", "liquidation", "bankruptcy", "bankruptcy")
NOTHING = "the account holds nothing that a price moves"
COLUMNS = (
    "reference",
    "liquidation_below",
    "liquidation_above",
    "bankruptcy_below",
    "bankruptcy_above",
)


def margin_prices_command(
    path: Path, jobs: int = 1, folder: Path | None = None, *, as_json: bool = False
) -> int:
    """Print what liquidates each case of a file (`-` is stdin); return 2 if one is an error.

    folder: its documents are known beside those of the package. Errors: TERM-… of a document there.
    """
    return told_cases(path, priced, None if as_json else _text, jobs, folder)


def priced(document: MethodDocument, case: Case[Any]) -> Answer:
    """Return critical prices, times and volatilities of a case as they are printed: prices as texts."""
    found = {
        "prices": critical_prices(case, document),
        "times": liquidation_times(case, document),
        "volatilities": liquidation_volatility(case, document),
    }
    tree: dict[str, Any] = plain(msgspec.to_builtins(found, builtin_types=(Decimal,)))
    return tree | identity(document, document.with_parameters(case.parameters))


def _text(told: dict[str, Any]) -> str:
    """Return one answer as a table and sentences."""
    lines = [f"{told['case']}  {told['method']}"]
    if "error" in told:
        error = told["error"]
        lines.append(f"  {error['code']}: {error['message']}. {error['cure']}.")
        return "\n".join(lines) + "\n\n"
    lines[0] += f" {told['method_version']}"
    prices = [line for line in told["prices"] if not line["reason"]]
    if prices:
        lines.append(_row("", *HEAD))
        lines.append(_row("", "", "", "below", "above", "below", "above"))
    for line in prices:
        first, *others = (_price(line[name]) for name in COLUMNS)
        lines.append(_row(_name(line), first, _verdict(line), *others))
    if not told["prices"]:
        lines.append(f"  {NOTHING}")
    for group in ("prices", "times", "volatilities"):
        for line in told[group]:
            within = _name(line) if line.get("underlying") or line["instrument"] else ""
            head = f"{within}: " if within and line["reason"] else ""
            lines += [f"  {head}{sentence}" for sentence in line["words"] or (line["reason"],)]
    return "\n".join(dict.fromkeys(lines)) + "\n\n"


def _verdict(line: dict[str, Any]) -> str:
    if line["is_bankrupt"]:
        return "bankrupt"
    return "liquidated" if line["is_liquidatable"] else "held"


def _name(line: dict[str, Any]) -> str:
    return str(line["instrument"] or line.get("underlying") or "")


def _row(name: str, *cells: str) -> str:
    return f"  {name:<14}" + "".join(f"{cell:>16}" for cell in cells)


def _price(text: str | None) -> str:
    return "—" if text is None else f"{Decimal(text):,f}"
