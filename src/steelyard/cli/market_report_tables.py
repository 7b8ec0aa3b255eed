"""The report in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from steelyard.cli.market_report_sheets import PROSE, Sheet, headline, sheets, verdict


def print_report(out: Console, document: dict[str, Any], written: Sequence[Path]) -> None:
    """Print every sheet, the verdict and what was written."""
    out.print(f"Steelyard · market report of {document['recording']}", style="bold", markup=False)
    out.print(headline(document), markup=False, highlight=False)
    out.print()
    for sheet in sheets(document):
        out.print(_table(sheet))
        out.print(sheet.note, style="dim", markup=False, highlight=False)
        out.print()
    style = "bold red" if document["left_bound"] else "bold"
    out.print(verdict(document), style=style, markup=False, highlight=False)
    for path in written:
        out.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _table(sheet: Sheet) -> Table:
    table = Table(
        title=sheet.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
        show_edge=False, collapse_padding=True, pad_edge=False,
    )  # fmt: skip
    for head, is_word in sheet.heads:
        table.add_column(head, justify="left" if is_word else "right", no_wrap=head != PROSE)
    before = ""
    for row in sheet.rows:
        table.add_row(*(("", *row[1:]) if row[0] == before else row))
        before = row[0]
    return table
