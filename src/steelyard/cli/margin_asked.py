"""What `steelyard margin` is asked of cases: its options, and the command that answers each question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

Cases = Annotated[
    Path | None,
    typer.Option(
        "--cases", help="Cases of any venue's method, JSON lines; - for stdin. One answer a line."
    ),
]
Processes = Annotated[int, typer.Option("--jobs", min=1, help="Processes, with --cases.")]
Explain = Annotated[bool, typer.Option("--explain", help="With --cases: part by part, leg by leg.")]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", help="With --explain: write one page that opens offline, and print nothing else."
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--methods", help="With --cases: also know the documents of this folder."),
]
Prices = Annotated[
    bool, typer.Option("--prices", help="With --cases: what price, time, volatility liquidates.")
]
Cure = Annotated[
    bool, typer.Option("--cure", help="With --cases: what brings back the wanted ratio.")
]
Wanted = Annotated[
    float, typer.Option("--wanted", help="With --cure: equity over requirement that is wanted.")
]
Level = Annotated[
    str, typer.Option("--level", help="With --cure: initial or maintenance requirement.")
]
TakerFee = Annotated[
    float, typer.Option("--taker-fee", help="With --cure: fee, a fraction of the notional.")
]


class Asked(NamedTuple):
    """The questions beside the plain one: the margin."""

    explain: bool
    html: Path | None
    methods: Path | None
    prices: bool
    cure: bool
    wanted: float
    level: str
    taker_fee: float


def refuse_without_cases(asked: Asked) -> None:
    """Raise typer.BadParameter for a question that is about cases alone."""
    for name, is_asked in (
        ("--methods goes with --cases", asked.methods is not None),
        ("--html goes with --cases FILE --explain", asked.html is not None),
        ("--cure goes with --cases, without --explain", asked.cure),
        ("--prices goes with --cases, without --explain and --cure", asked.prices),
    ):
        if is_asked:
            raise typer.BadParameter(name)


def cases_command(cases: Path, asked: Asked, jobs: int, *, as_json: bool) -> int:
    """Answer what is asked of the cases of a file; return 2 if one is an error."""
    if asked.html is not None and not asked.explain:
        raise typer.BadParameter("--html goes with --cases FILE --explain")
    if asked.cure:
        if asked.explain:
            raise typer.BadParameter("--cure goes with --cases, without --explain")
        from steelyard.cli.margin_cures import Question, margin_cures_command

        question = Question(asked.wanted, asked.level, asked.taker_fee)
        return margin_cures_command(cases, question, jobs, asked.methods, as_json=as_json)
    if asked.prices:
        if asked.explain:
            raise typer.BadParameter("--prices goes with --cases, without --explain and --cure")
        from steelyard.cli.margin_prices import margin_prices_command

        return margin_prices_command(cases, jobs, asked.methods, as_json=as_json)
    if asked.html is not None:
        from steelyard.cli.margin_page_run import margin_page_command

        return margin_page_command(cases, asked.html, jobs, asked.methods)
    if asked.explain:
        from steelyard.cli.margin_explain import margin_explain_command

        return margin_explain_command(cases, jobs, asked.methods, as_json=as_json)
    from steelyard.cli.margin_cases import margin_cases_command

    return margin_cases_command(cases, jobs, asked.methods)
