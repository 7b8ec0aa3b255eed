"""`steelyard margin --cases FILE --explain --html PAGE`: the explanations of a file as one page."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from steelyard.cli.case_files import EXIT_OK, EXIT_USAGE, Piece, answers_to, worked
from steelyard.cli.case_lines import Answer, refuse
from steelyard.cli.margin_cases import LINE_BYTES_MAX, plain
from steelyard.cli.margin_explain import explained
from steelyard.cli.margin_page import page
from steelyard.cli.margin_told import family_of
from steelyard.cli.output import console
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

CASES_MAX = 500
"""Cases of one page at most: a browser holds them all."""


def margin_page_command(path: Path, out: Path, jobs: int = 1, folder: Path | None = None) -> int:
    """Write the page of a file of cases (`-` is stdin); return 2 if a case is an error.

    Errors: CASE-E10 for no such file, CASE-E12 for more than CASES_MAX cases, CASE-E13 where the page cannot
    be written, TERM-… of a document in `folder`. Nothing is written then.
    """
    family_of(_with_book, folder)
    told: list[dict[str, Any]] = []
    for answers in worked(path, partial(told_piece, folder=folder), jobs, LINE_BYTES_MAX):
        told += answers
        if len(told) > CASES_MAX:
            raise refuse(
                "CASE-E12", f"{path} holds more than {CASES_MAX} cases", f"a page shows at most {CASES_MAX} cases",
                "split the file, or take --json", "cases",
            )  # fmt: skip
    source = "standard input" if str(path) == "-" else path.name
    try:
        out.write_text(page(told, source), encoding="utf-8")
    except OSError as error:
        raise InputError(
            "CASE-E13",
            f"{out} cannot be written: {error.strerror or error}",
            rule="a page goes to a file that can be written",
            cure="choose another path for --html, or free space",
            path=str(out),
        ) from error
    faults = sum("error" in answer for answer in told)
    said = f"wrote {out}: {len(told)} cases, {faults} of them errors"
    console().print(said, markup=False, highlight=False, soft_wrap=True)
    return EXIT_USAGE if faults else EXIT_OK


def told_piece(piece: Piece, folder: Path | None = None) -> list[dict[str, Any]]:
    """Return the explanations of some lines of a file, each with the book it is of."""
    return answers_to(piece, family_of(_with_book, folder), LINE_BYTES_MAX)


def _with_book(document: MethodDocument, case: Case[Any]) -> Answer:
    told = explained(document, case)
    book = {
        "as_of": case.market.as_of,
        "balances": [[name, _amount(value)] for name, value in case.account.balances.items()],
        "positions": [[each.instrument, _amount(each.quantity)] for each in case.account.positions],
    }
    return told if not isinstance(told, dict) else told | {"book": book}


def _amount(value: Any) -> str:
    """Return a quantity in plain digits."""
    told = plain(value)
    return told if isinstance(told, str) else f"{Decimal(repr(told)):,f}".removesuffix(".0")
