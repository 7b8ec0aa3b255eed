"""Leave-one-out as it is printed, beside cures and beside explanations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from steelyard.cli.margin_cases import plain
from steelyard.margin.methods.cures import leave_one_out
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case


def left_out(case: Case[Any], document: MethodDocument) -> list[dict[str, Any]]:
    """Return what the requirements fall by without each leg and underlying, ready for JSON."""
    found: list[dict[str, Any]] = plain(
        msgspec.to_builtins(leave_one_out(case, document), builtin_types=(Decimal,))
    )
    return found


def left_out_lines(rows: list[dict[str, Any]], currency: str) -> list[str]:
    """Return leave-one-out as indented lines, none where the method states no requirement."""
    if not rows:
        return []
    head = f"leave-one-out, {currency} (does not sum)"
    lines = [f"  {head:<42}  {'initial':>20}  {'maintenance':>20}"]
    for row in rows:
        name = row["name"] if row["kind"] != "underlying" else f"all of {row['name']}"
        initial, maintenance = (number(row[level]) for level in ("initial", "maintenance"))
        lines.append(f"    {name:<40}  {initial:>20}  {maintenance:>20}")
    return lines


def number(value: Any) -> str:
    """Return an amount with at most six decimals, a text being an exact decimal; - for none.

    >>> number("1200.500000"), number(-0.0000000001), number(None)
    ('1,200.5', '0', '-')
    """
    if value is None:
        return "-"
    text = f"{Decimal(value) if isinstance(value, str) else value:,.6f}"
    text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
