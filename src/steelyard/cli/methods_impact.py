"""`steelyard methods diff A B --cases FILE`: which accounts a change of a method hits, before it is live.

Every case that names the method of A or of B is margined under both documents, with the case's own
parameters on top of each. Cases of other methods are left out and counted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from steelyard.cli.case_files import Piece, answers_to, worked
from steelyard.cli.case_lines import Answer, Calculation, Family, Heading, each, refuse
from steelyard.cli.margin_cases import LINE_BYTES_MAX, answer_under, plain, rule_of
from steelyard.cli.method_library import found, library
from steelyard.margin.methods.answer import Answer as MarginAnswer
from steelyard.margin.methods.answer import Number
from steelyard.margin.methods.registry import Core, core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

Verdict = Literal["covered", "below initial", "below maintenance"]
COMPARED, LEFT_OUT = "compared", "left out"
SHOWN_MAX = 40
DIGITS = 400  # a float has at most 309 before the point
LEVELS = ("initial", "maintenance")
STYLES = {"covered": "", "below initial": "yellow", "below maintenance": "bold red"}

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Side(NamedTuple):
    """One of the two documents, with what carries it out and what its statements are decoded to."""

    document: MethodDocument
    core: Core
    decoder: msgspec.json.Decoder[Case[Any]]


class Unread(msgspec.Struct):
    """A case of another method: nothing of it is read."""


class Compared(NamedTuple):
    """The rows of a piece, and how many bytes of the file it was."""

    rows: list[dict[str, Any]]
    size: int


def compared(before: str, after: str, cases: Path, folder: Path | None, jobs: int) -> list[Any]:
    """Return one row a case of a file, in its order: compared, left out, or with its error.

    before, after, folder: as `methods diff` has them. Errors: CASE-E10, and those of the documents.
    """
    comparing(before, after, folder)  # a fault of a document is told once
    work = partial(compared_piece, before=before, after=after, folder=folder)
    rows: list[dict[str, Any]] = []
    is_file = cases.is_file()
    bar = Progress(
        TextColumn("margining"), BarColumn(), TextColumn("{task.fields[count]:,} cases"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        disable=not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=cases.stat().st_size if is_file else None, count=0)
        for piece in worked(cases, work, jobs, LINE_BYTES_MAX):
            rows += piece.rows
            bar.update(task, advance=piece.size, count=len(rows))
    return rows


def compared_piece(piece: Piece, before: str, after: str, folder: Path | None) -> Compared:
    """Return the rows of some lines of a file."""
    rows = answers_to(piece, comparing(before, after, folder), LINE_BYTES_MAX)
    return Compared(rows, sum(len(text or b"") for _, text in piece))


@cache
def comparing(before: str, after: str, folder: Path | None) -> Family:
    """Return what reads the cases of the two methods, and compares them."""
    a, b = (_side(found(name, folder=folder)) for name in (before, after))
    # A method of exact decimals reads texts too, and nothing of a number is lost on the way to a float.
    number = Decimal if Decimal in (a.core.number, b.core.number) else float
    names = {a.document.name, b.document.name}
    calculations: dict[str, Calculation] = {
        COMPARED: each(partial(_compare, a, b, number), ""),
        LEFT_OUT: _left_out,
    }
    return Family(
        tuple(sorted({*library(folder).names(), *names})),
        Heading,
        lambda heading: COMPARED if heading.method in names else LEFT_OUT,
        {COMPARED: Case[number], LEFT_OUT: Unread},  # type: ignore[valid-type]
        rule_of,
        calculations,
    )


def _side(document: MethodDocument) -> Side:
    core = core_of(document)
    return Side(document, core, msgspec.json.Decoder(Case[core.number]))  # type: ignore[name-defined]


def _left_out(cases: Sequence[Any]) -> list[Answer]:
    return [{"is_left_out": True} for _ in cases]


def _compare(a: Side, b: Side, number: type[Any], case: Case[Any]) -> Answer:
    """Return equity, requirements and verdict of a case under both documents, and what they change."""
    before, after = (_answer(side, number, case) for side in (a, b))
    if before.currency != after.currency:
        raise refuse(
            "CASE-E12", f"the requirement is in {before.currency} before, in {after.currency} after",
            "requirements of one currency are compared", "compare methods of one currency",
        )  # fmt: skip
    row: dict[str, Any] = {
        "currency": before.currency,
        "equity_before": before.equity,
        "equity_after": after.equity,
    }
    for level in LEVELS:
        old, new = (getattr(side, f"{level}_requirement") for side in (before, after))
        row |= {f"{level}_before": old, f"{level}_after": new, f"{level}_change": change(old, new)}
    row |= {"verdict_before": verdict(before), "verdict_after": verdict(after)}
    row["flips"] = flips(below(before), below(after))
    told: dict[str, Any] = plain(row)
    return told


def _answer(side: Side, number: type[Any], case: Case[Any]) -> MarginAnswer:
    """Return the answer of one side; its error says which of the two documents it comes from."""
    try:
        if side.core.number is not number:
            case = side.decoder.decode(_ENCODER.encode(case))
        return answer_under(side.document, side.core, case)[0]
    except msgspec.MsgspecError as error:
        raise refuse(
            "CASE-E02", f"{side.document.name} cannot read the line: {error}",
            "numbers are JSON numbers of at most 308 digits", "mend the number",
        ) from None  # fmt: skip
    except SteelyardError as error:
        error.where = {"under": f"{side.document.name} {side.document.version}", **error.where}
        raise


def change(before: Number | None, after: Number | None) -> Number | None:
    """Return after − before, exact unless both are floats; None where one of them is nothing.

    >>> change(0.5, 0.75), change(3, 5), change(None, 1.0)
    (0.25, 2, None)
    """
    if before is None or after is None:
        return None
    if isinstance(before, float) and isinstance(after, float):
        return after - before
    if isinstance(before, int) and isinstance(after, int):
        return after - before
    return total([after, -before])


def total(amounts: Sequence[Number]) -> Decimal:
    """Return the exact sum of amounts; a float stands for its shortest decimal.

    >>> total([0.1, 0.2])
    Decimal('0.3')
    """
    with localcontext(prec=DIGITS):
        result = Decimal(0)
        for amount in amounts:
            result += Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)
        return result


def below(answer: MarginAnswer) -> dict[str, bool | None]:
    """Return, by level, whether the equity is below the requirement; None where one is not stated."""
    told: dict[str, bool | None] = {}
    for level in LEVELS:
        required = getattr(answer, f"{level}_requirement")
        is_stated = answer.equity is not None and required is not None
        told[level] = answer.equity < required if is_stated else None
    return told


def verdict(answer: MarginAnswer) -> Verdict | None:
    """Return how an account stands; None where equity or both requirements are not stated."""
    told = below(answer)
    if told["maintenance"]:
        return "below maintenance"
    if told["initial"]:
        return "below initial"
    return None if set(told.values()) == {None} else "covered"


def flips(before: dict[str, bool | None], after: dict[str, bool | None]) -> list[str]:
    """Return what becomes of the two comparisons of an account.

    >>> flips({"initial": False, "maintenance": False}, {"initial": True, "maintenance": False})
    ['newly below initial']
    """
    said = []
    for level in LEVELS:
        old, new = before[level], after[level]
        if old is not None and new is not None and old is not new:
            said.append(f"{'newly' if new else 'no longer'} below {level}")
    return said


class Impact(NamedTuple):
    """Rows of accounts, the largest change of a currency first; of errors; and how many were left out."""

    accounts: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    left_out: int

    def as_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {"summary": self.summary(), "accounts": self.accounts, "errors": self.errors}

    def summary(self) -> dict[str, Any]:
        """Return counts, and the requirements of all accounts by currency."""
        flipped = [flip for row in self.accounts for flip in row["flips"]]
        currencies = dict.fromkeys(row["currency"] for row in self.accounts)
        return {
            "accounts": len(self.accounts),
            "changed": sum(_is_changed(row) for row in self.accounts),
            "newly_below_initial": flipped.count("newly below initial"),
            "newly_below_maintenance": flipped.count("newly below maintenance"),
            "no_longer_below_initial": flipped.count("no longer below initial"),
            "no_longer_below_maintenance": flipped.count("no longer below maintenance"),
            "left_out": self.left_out,
            "errors": len(self.errors),
            "totals": [self._totals(name) for name in currencies if name is not None],
        }

    def _totals(self, currency: str) -> dict[str, Any]:
        """Return the sums over the accounts of a currency whose requirement both methods state."""
        told: dict[str, Any] = {"currency": currency}
        for level in LEVELS:
            rows = [
                row
                for row in self.accounts
                if row["currency"] == currency and row[f"{level}_change"] is not None
            ]
            for side in ("before", "after"):
                amounts = [row[f"{level}_{side}"] for row in rows]
                told[f"{level}_{side}"] = _as_the_first(total(amounts), amounts)
        return told


def _as_the_first(value: Decimal, amounts: Sequence[Any]) -> Any:
    """Return a sum in the kind of its summands: a float, an integer, or a decimal's text."""
    kinds = {type(amount) for amount in amounts}
    if kinds <= {float}:
        return float(value)
    return int(value) if kinds == {int} else f"{value:f}"


def impact_of(rows: Sequence[dict[str, Any]]) -> Impact:
    """Return the rows in order: by currency, then the largest change of maintenance, then the file's."""
    accounts = [row for row in rows if "flips" in row]
    accounts.sort(key=_rank)
    errors = [row for row in rows if "error" in row]
    return Impact(accounts, errors, sum("is_left_out" in row for row in rows))


def _rank(row: dict[str, Any]) -> tuple[str, bool, Decimal]:
    moved = row["maintenance_change"]
    return row["currency"] or "", moved is None, -abs(total([moved or 0.0]))


def _is_changed(row: dict[str, Any]) -> bool:
    return any(row[f"{name}_before"] != row[f"{name}_after"] for name in ("equity", *LEVELS))


def print_impact(out: Console, impact: Impact) -> None:
    """Print a table of the accounts hit the most, the errors and the summary."""
    shown = impact.accounts[:SHOWN_MAX]
    if shown:
        out.print(_table(shown))
    if len(impact.accounts) > len(shown):
        out.print(f"and {len(impact.accounts) - len(shown):,} more accounts, all with --json")
    for row in impact.errors[:SHOWN_MAX]:
        error = row["error"]
        where = ", ".join(f"{name} {value}" for name, value in error["where"].items())
        out.print(
            f"[bold red]error {error['code']}[/] {escape(str(row['case']))}: "
            f"{escape(error['message'])} ({escape(where)}). {escape(error['cure'])}.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if len(impact.errors) > SHOWN_MAX:
        out.print(f"and {len(impact.errors) - SHOWN_MAX:,} more errors")
    told = impact.summary()
    counts = {
        "accounts": "accounts", "changed": "changed", "newly_below_initial": "newly below initial",
        "newly_below_maintenance": "newly below maintenance",
        "no_longer_below_initial": "no longer below initial",
        "no_longer_below_maintenance": "no longer below maintenance",
        "left_out": "cases of other methods", "errors": "errors",
    }  # fmt: skip
    # Nobody misses a word that things got better, or went well, where they did not.
    told |= {name: None for name in list(counts)[4:] if not told[name]}
    said = [f"{label} {told[name]:,}" for name, label in counts.items() if told[name] is not None]
    out.print(", ".join(said), soft_wrap=True)
    for totals in told["totals"]:
        said = [
            f"{level} {_moved(totals[f'{level}_before'], totals[f'{level}_after'])}"
            for level in LEVELS
        ]
        out.print(f"all {totals['currency']}: {', '.join(said)}", soft_wrap=True)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("case", "", "equity", "initial", "change", "maintenance", "change", "verdict"):
        is_text = head in ("case", "", "verdict")
        table.add_column(head, justify="left" if is_text else "right", overflow="fold")
    for row in rows:
        table.add_row(
            escape(str(row["case"])),
            row["currency"] or "",
            _moved(row["equity_before"], row["equity_after"]),
            _moved(row["initial_before"], row["initial_after"]),
            _amount(row["initial_change"], "+"),
            _moved(row["maintenance_before"], row["maintenance_after"]),
            _amount(row["maintenance_change"], "+"),
            _verdicts(row["verdict_before"], row["verdict_after"]),
        )
    return table


def _verdicts(before: Verdict | None, after: Verdict | None) -> str:
    words = f"[{STYLES[after]}]{after}[/]" if after and STYLES[after] else after or "–"
    return words if before == after else f"{before or '–'} → {words}"


def _moved(before: Any, after: Any) -> str:
    said = _amount(before)
    return said if before == after else f"{said} → {_amount(after)}"


def _amount(value: Any, sign: str = "") -> str:
    """Return an amount as a person reads it: grouped, six decimals at most."""
    if value is None:
        return "–"
    text = f"{total([value]):{sign},.6f}"
    return text.rstrip("0").rstrip(".")
