"""`steelyard surface`: fit the smiles of a chain, print how well, write data and pictures.

Nothing is written to disk unless --out names a folder.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from steelyard.cli.output import console, print_json
from steelyard.cli.surface_all import Tally, print_summary, summarise
from steelyard.cli.surface_curves import number_text
from steelyard.cli.surface_json import (
    day_text,
    rejected_records,
    settings_record,
    surface_record,
)
from steelyard.cli.wiring import parse_time_us, time_text
from steelyard.feeds.option_chain import ChainSnapshot, list_snapshots, read_chain
from steelyard.models.quotes import FitTarget, SurfaceSettings
from steelyard.models.surface import Surface
from steelyard.models.surface_fit import fit_surface
from steelyard.models.surface_report import SliceReport
from steelyard.quantities import InputError, SteelyardError

EXIT_OK, EXIT_BREACH, EXIT_USAGE = 0, 1, 2
SHOWN_MAX = 5
AGE_SECONDS_MAX = 1e9

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for; out None: nothing is written."""

    chain: Path
    snapshot: str | None
    every: bool
    underlying: str | None
    target: str
    time: str | None
    prices: str | None
    stale_after: float | None
    out: Path | None
    png: bool
    html: bool
    as_json: bool
    quotes: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """One moment of a chain: its surfaces, and the underlyings that gave none."""

    snapshot: ChainSnapshot
    surfaces: list[Surface]
    failures: dict[str, SteelyardError]

    @property
    def exit_code(self) -> int:
        """Return 2 if an underlying gave no surface, 1 if a surface allows arbitrage, else 0."""
        if self.failures:
            return EXIT_USAGE
        free = all(surface.is_arbitrage_free for surface in self.surfaces)
        return EXIT_OK if free else EXIT_BREACH


def surface_command(request: Request) -> int:
    """Fit, print and write what is asked for; return the exit code.

    Errors: SCMD-E01 to SCMD-E04; those of reading a chain (FEED) and of the fit (SURF) if it gives nothing.
    """
    settings = _settings(request)
    _check_drawing(request)
    if request.every:
        return _every_snapshot(request, settings)
    fitted = _fit(request, settings, request.snapshot)
    if not fitted.surfaces:
        raise next(iter(fitted.failures.values()))
    document = _document(request, settings, fitted, with_quotes=request.quotes)
    written = _write(request, settings, fitted)
    if request.as_json:
        print_json(document | {"files": [str(path) for path in written]})
    else:
        _print(console(), document, fitted, written)
    return fitted.exit_code


# -- what is asked for ---------------------------------------------------------------------------


def _settings(request: Request) -> SurfaceSettings:
    """Return the settings of the fit; wrong or contradicting options are errors."""
    if request.every and request.snapshot is not None:
        raise _unfit("--snapshot and --all are both given", "one of them", "snapshot")
    if request.every and request.out is not None:
        raise _unfit(
            "--out and --all are both given", "--all writes no files; send --json to one", "out"
        )
    if request.target not in tuple(FitTarget):
        raise _unfit(f"target {request.target!r} is unknown", "mid or mark", "target")
    if request.prices not in (None, "coin", "usd"):
        raise _unfit(f"prices {request.prices!r} are unknown", "coin or usd", "prices")
    settings = SurfaceSettings(target=FitTarget(request.target))
    age = request.stale_after
    if age is None:
        return settings
    if not 0.0 <= age <= AGE_SECONDS_MAX:
        raise _unfit(
            f"an age of {age:g} seconds", f"0 to {AGE_SECONDS_MAX:g} seconds", "stale-after"
        )
    return replace(settings, stale_after_us=round(age * 1e6))


def _check_drawing(request: Request) -> None:
    """Refuse before the work what could not be drawn after it."""
    if request.out is None or request.every:
        return
    for wanted, package, option in (
        (request.png, "matplotlib", "--no-png"),
        (request.html, "plotly", "--no-html"),
    ):
        if wanted and not _is_installed(package):
            raise InputError(
                "SCMD-E03",
                f"{package} is not installed, so there can be no pictures of that kind",
                rule="plots need the optional extra `plots`",
                cure=f"install steelyard[plots], or add {option}",
                package=package,
            )


def _is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None


def _unfit(message: str, rule: str, field: str) -> InputError:
    return InputError(
        "SCMD-E02", message, rule=rule, cure="see steelyard surface --help", field=field
    )


# -- reading and fitting -------------------------------------------------------------------------


def _fit(request: Request, settings: SurfaceSettings, name: str | None) -> Fitted:
    """Return the surfaces of one snapshot; an underlying that gives none is kept with its error."""
    inverse = None if request.prices is None else request.prices == "coin"
    time_us = None if request.time is None else parse_time_us(request.time, "time")
    snapshot = read_chain(request.chain, name, time_us=time_us, is_inverse=inverse)
    if time_us is not None and snapshot.snapshot:
        raise _unfit(
            f"--time is given, but the file names its snapshots, here {snapshot.snapshot}",
            "--time is for a file without the column snapshot",
            "time",
        )
    chains = snapshot.chains
    if request.underlying is not None:
        if request.underlying not in chains and not request.every:
            raise _no_underlying(request, list(chains))
        chains = {key: value for key, value in chains.items() if key == request.underlying}
    surfaces: list[Surface] = []
    failures: dict[str, SteelyardError] = {}
    for underlying, quotes in chains.items():
        try:
            surfaces.append(fit_surface(quotes, settings))
        except SteelyardError as error:
            failures[underlying] = error
    return Fitted(snapshot, surfaces, failures)


def _no_underlying(request: Request, present: list[str]) -> InputError:
    return InputError(
        "SCMD-E01",
        f"the chain has no underlying {request.underlying!r}",
        rule="one of those that the snapshot quotes",
        cure=f"write one of {', '.join(present)}" if present else "see what the chain quotes",
        field="underlying",
    )


def _every_snapshot(request: Request, settings: SurfaceSettings) -> int:
    """Fit every snapshot; print the distribution of errors, or one line of JSON for each."""
    names = list_snapshots(request.chain)
    tallies: dict[str, Tally] = {}
    code = EXIT_OK
    for name in _with_progress(names):
        fitted = _fit(request, settings, name or None)
        code = max(code, fitted.exit_code)
        for surface in fitted.surfaces:
            tallies.setdefault(surface.underlying, Tally()).add(surface)
        if request.as_json:
            _print_line(_document(request, settings, fitted, with_quotes=request.quotes))
        for underlying, error in fitted.failures.items():
            print(f"steelyard: {name} {underlying}: {error}", file=sys.stderr)
    if not tallies and code == EXIT_OK:
        raise _no_underlying(request, [])
    summary = summarise(tallies, len(names))
    if request.as_json:
        _print_line({"summary": summary})
    else:
        print_summary(console(), summary, request.target)
    return code


def _with_progress(names: list[str]) -> Iterator[str]:
    """Yield the names, with a bar on stderr where a person looks."""
    bar = Progress(
        TextColumn("fitting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("snapshots"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        yield from bar.track(names)


def _print_line(record: dict[str, Any]) -> None:
    sys.stdout.write(_ENCODER.encode(record).decode() + "\n")
    sys.stdout.flush()


# -- data and pictures ---------------------------------------------------------------------------


def _document(
    request: Request, settings: SurfaceSettings, fitted: Fitted, *, with_quotes: bool
) -> dict[str, Any]:
    surfaces = [surface_record(each, with_quotes=with_quotes) for each in fitted.surfaces]
    return {
        "chain": str(request.chain),
        "snapshot": fitted.snapshot.snapshot or None,
        "time": time_text(fitted.snapshot.time_us),
        "settings": settings_record(settings),
        "rejected_rows": rejected_records(fitted.snapshot.rejected),
        "surfaces": surfaces,
        "failures": {name: error.as_dict() for name, error in fitted.failures.items()},
    }


def _write(request: Request, settings: SurfaceSettings, fitted: Fitted) -> list[Path]:
    """Write a folder of files for each underlying; return their paths. Errors: SCMD-E04."""
    if request.out is None:
        return []
    written: list[Path] = []
    try:
        for surface in fitted.surfaces:
            folder = request.out / surface.underlying
            folder.mkdir(parents=True, exist_ok=True)
            only = Fitted(fitted.snapshot, [surface], {})
            document = _document(request, settings, only, with_quotes=True)
            path = folder / "surface.json"
            path.write_bytes(msgspec.json.format(_ENCODER.encode(document), indent=1) + b"\n")
            written.append(path)
            if request.png:
                from steelyard.cli.surface_plots import write_pictures

                written += write_pictures(surface, folder)
            if request.html:
                from steelyard.cli.surface_page import write_page

                written.append(write_page(surface, folder / "surface.html"))
    except OSError as error:
        raise InputError(
            "SCMD-E04",
            f"a result cannot be written: {error.strerror or error}",
            rule="results go to a folder that can be written",
            cure="choose another folder for --out, or free space",
            path=error.filename or request.out,
        ) from error
    return written


# -- what is printed -----------------------------------------------------------------------------


def _print(out: Console, document: dict[str, Any], fitted: Fitted, written: list[Path]) -> None:
    for surface, record in zip(fitted.surfaces, document["surfaces"], strict=True):
        out.print(_table(surface, document["time"]))
        out.print(verdict_line(record["verdicts"]))
        out.print(
            arbitrage_line(record["arbitrage"]),
            style="" if surface.is_arbitrage_free else "bold red",
        )
        out.print()
    for underlying, error in fitted.failures.items():
        out.print(f"{underlying} gave no surface: {error}", style="bold red", markup=False)
    rejected = document["rejected_rows"]
    if rejected:
        out.print(f"{len(rejected):,} rows are left out:")
        for each in rejected[:SHOWN_MAX]:
            out.print(f"  row {each['row']}, {each['field']}: {each['reason']}", markup=False)
        if len(rejected) > SHOWN_MAX:
            out.print(f"  … and {len(rejected) - SHOWN_MAX:,} more")
    for path in written:
        out.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _table(surface: Surface, time: str) -> Table:
    """Return the fit table of one surface, one row an expiry."""
    target = surface.settings.target.value
    unit = "coin" if surface.quotes.is_inverse else "USD"
    index = f"index {surface.index:,.2f}, " if surface.index > 0.0 else ""
    table = Table(
        title=f"{surface.underlying} at {time}: {index}prices in {unit}, fitted to {target}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
        pad_edge=False,
    )
    for head, side in (
        ("expiry", "left"),
        ("days", "right"),
        ("forward", "right"),
        ("from", "left"),
        ("vol %\nATM", "right"),
        ("smile", "left"),
        ("quotes\nused/all", "right"),
        (f"RMSE\n{target}" if target != "mark" else "RMSE", "right"),
        ("RMSE\nmark", "right"),
        ("inside\n%", "right"),
        ("least\ng", "right"),
        ("calendar\ndistance", "right"),
        ("wing slopes\nleft right", "right"),
    ):
        table.add_column(head, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for each in surface.slices:
        table.add_row(*_cells(each))
    return table


def _cells(each: SliceReport) -> list[str]:
    left, right = (number_text(slope, ".2f") for slope in each.wings)
    return [
        day_text(each.expiry_us),
        number_text(each.time_years * 365.0, ".1f"),
        number_text(each.forward, ",.2f" if each.forward < 10_000.0 else ",.1f"),
        each.forward_source.value,
        number_text(100.0 * each.volatility_at_money, ".2f"),
        each.source.value,
        f"{each.used}/{each.quotes}",
        number_text(each.rmse, ".2f"),
        number_text(each.rmse_mark, ".2f"),
        number_text(100.0 * each.inside, ".1f"),
        number_text(each.least_durrleman, ".4f"),
        number_text(each.calendar_distance, ".1e"),
        f"{left} {right}" if each.row >= 0 else "–",
    ]


def verdict_line(verdicts: dict[str, int]) -> str:
    """Return how many quotes serve and why the others do not.

    >>> verdict_line({"used": 5, "wide": 1, "no_volatility": 3})
    '5 of 9 quotes serve the fit; left out: 3 no volatility, 1 wide'
    """
    total = sum(verdicts.values())
    rest = sorted(
        ((count, name) for name, count in verdicts.items() if name != "used"), key=lambda e: -e[0]
    )
    why = ", ".join(f"{count:,} {name.replace('_', ' ')}" for count, name in rest)
    return f"{verdicts['used']:,} of {total:,} quotes serve the fit" + (
        f"; left out: {why}" if why else ""
    )


def arbitrage_line(found: dict[str, Any]) -> str:
    """Return the verdict on arbitrage, with every place where there is some.

    >>> arbitrage_line({"butterflies": [], "calendars": []})
    'no butterfly, no calendar arbitrage on the dense grid'
    """
    told = [
        f"butterfly in {each['expiry']} at log-moneyness {each['log_moneyness']:.4f} (g {each['g']:.2e})"
        for each in found["butterflies"]
    ]
    told += [
        f"calendar: {each['expiry']} lies below {each['before']} by {-each['distance']:.2e}"
        for each in found["calendars"]
    ]
    if told:
        return "ARBITRAGE: " + "; ".join(told)
    return "no butterfly, no calendar arbitrage on the dense grid"
