"""`steelyard market-report`: how a recording's index stood against its sources, with figures and pictures.

Nothing is written to disk unless --out names a folder.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from steelyard.cli.market_report_figures import known_path
from steelyard.cli.market_report_record import (
    Record,
    View,
    alone_record,
    asset_record,
    changes_record,
    variant_record,
    view_of,
)
from steelyard.cli.market_report_run import SECOND_US, Run, Scene, SourceLog, drive
from steelyard.cli.market_report_scenes import (
    Cast,
    alone_method,
    alone_scenes,
    cast_of,
    derivative_scene,
    recorded_scene,
)
from steelyard.cli.output import console, print_json
from steelyard.cli.wiring import parse_time_us, time_text
from steelyard.feeds import RecordedMarket, open_market
from steelyard.quantities import InputError
from steelyard.terms import Method, load_method
from steelyard.ticks import QuoteTick, SourceListed

EXIT_OK, EXIT_BREACH, EXIT_STALE = 0, 1, 3

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for; out None: nothing is written, only None: every source is compared."""

    market: Path
    from_: str
    to: str
    asset: str | None
    method: Path | None
    out: Path | None
    as_json: bool
    with_derivatives: bool
    only: str | None


def market_report_command(request: Request) -> int:
    """Run, print and write what is asked for; return the exit code.

    1: an index left its bound; 3: no asset asked for ever had a trusted index. Errors: MKTR-E01 to MKTR-E05, those of
    reading a recording (FEED), a method (TERM) or a time (CLIC-E01).
    """
    from_us, to_us = parse_time_us(request.from_, "from"), parse_time_us(request.to, "to")
    _check_drawing(request)
    method = load_method(request.method)
    market = open_market(request.market, from_us, to_us)
    _check_length(market)
    cast = cast_of(market, _assets(request, market))
    chosen = _compared(request, cast)
    with _progress() as advance:
        views, document = _report(request, cast, chosen, method, advance)
    written = _write(request, document, views)
    if request.as_json:
        print_json(document | {"files": [str(path) for path in written]})
    else:
        from steelyard.cli.market_report_tables import print_report

        print_report(console(), document, written)
    return exit_code(document)


def exit_code(document: Record) -> int:
    """Return 1 if an index left its bound, 3 if none was ever trusted, else 0.

    >>> exit_code({"left_bound": [], "trusted": ["BTC"]}), exit_code({"left_bound": [], "trusted": []})
    (0, 3)
    """
    if document["left_bound"]:
        return EXIT_BREACH
    return EXIT_OK if document["trusted"] else EXIT_STALE


# -- what is asked for ---------------------------------------------------------------------------


def _check_drawing(request: Request) -> None:
    """Refuse before the work what could not be drawn after it."""
    if request.out is None or "matplotlib" in sys.modules:
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(
            "MKTR-E03",
            "matplotlib is not installed, so there can be no pictures",
            rule="plots need the optional extra `plots`",
            cure="install steelyard[plots], or leave out --out",
            package="matplotlib",
        )


def _check_length(market: RecordedMarket) -> None:
    if market.to_us - market.from_us < 2 * SECOND_US:
        raise InputError(
            "MKTR-E05",
            "the window is shorter than two seconds",
            rule="figures are taken every second",
            cure="give --from and --to further apart",
            field="to",
        )


def _assets(request: Request, market: RecordedMarket) -> tuple[str, ...]:
    """Return the assets asked for, in the order given; without a wish all that have a source. Errors: MKTR-E01."""
    listed = {event.asset for event in market.listings if isinstance(event, SourceListed)}
    has_source = [asset.name for asset in market.assets[1:] if asset.name in listed]
    if request.asset is None and has_source:
        return tuple(has_source)
    wanted = (request.asset or "").split(",")
    names = tuple(dict.fromkeys(part.strip() for part in wanted))
    for name in names:
        if name not in has_source:
            raise InputError(
                "MKTR-E01",
                f"the recording has no index source of {name!r} in this window"
                if name
                else "the recording has no index source in this window",
                rule="assets that have a source, separated by commas",
                cure=f"choose of {', '.join(has_source)}"
                if has_source
                else "record prices of sources too; quotes of perpetuals alone make no index",
                file=request.market,
                field="asset",
            )
    return names


def _compared(request: Request, cast: Cast) -> dict[str, list[SourceListed]]:
    """Return by asset the sources that are compared alone. Errors: MKTR-E02."""
    every = {
        name: [
            *cast.sources[name],
            *(cast.derivatives.get(name, []) if request.with_derivatives or request.only else []),
        ]
        for name in cast.assets
    }
    if request.only is None:
        return every
    wanted = {part.strip() for part in request.only.split(",")}
    known = {each.source for listed in every.values() for each in listed}
    for name in sorted(wanted - known):
        raise InputError(
            "MKTR-E02",
            f"no asset of the report has a source {name!r}",
            rule="names of sources, separated by commas",
            cure=f"choose of {', '.join(sorted(known))}",
            file=request.market,
            field="only",
        )
    kept = {name: [s for s in listed if s.source in wanted] for name, listed in every.items()}
    return {name: listed for name, listed in kept.items() if listed}


# -- running -------------------------------------------------------------------------------------


Advance = Callable[[str, int, int], None]
"""(what runs, events done in this call, events of it in all)."""


def _report(
    request: Request,
    cast: Cast,
    chosen: dict[str, list[SourceListed]],
    method: Method,
    advance: Advance,
) -> tuple[dict[str, View], Record]:
    """Return the columns of every asset, and the document."""

    def run(scene: Scene, rules: Method) -> Run:
        def told(count: int) -> None:
            advance(scene.name, count, scene.event_count)

        return drive(scene, rules, cast.market.from_us, cast.market.to_us, told)

    main = run(recorded_scene(cast), method)
    views = {name: view_of(main, name, method.index_rules(name)) for name in cast.assets}
    if request.with_derivatives or request.only:
        _add_derivatives(cast, views)
    records = {
        name: asset_record(view, method.index_rules(name), method) for name, view in views.items()
    }
    for record in records.values():
        record["alone"] = []
    for scene in alone_scenes(cast, chosen):
        one = run(scene, alone_method(method))
        for name in one.assets:
            rules = method.index_rules(name)
            records[name]["alone"].append(alone_record(one, name, views[name], rules))
    if request.with_derivatives:
        _compare_derivatives(run(derivative_scene(cast), method), views, records, method)
    return views, _document(request, cast, method, main, records)


def _add_derivatives(cast: Cast, views: dict[str, View]) -> None:
    """Give each asset the prices of its perpetuals beside its sources; they do not enter its index."""
    words: dict[str, SourceLog] = {}
    for listed in cast.derivatives.values():
        for each in listed:
            words[each.origin] = SourceLog(
                each.source, each.operator, each.kind, each.weight, each.stale_after_us
            )
    for event in [*cast.market.warm_up, *cast.market.ticks()]:
        source = cast.streams.get(event.origin)
        if source is not None and isinstance(event, QuoteTick):
            log = words[source.origin]
            log.known_us.append(event.time_us)
            log.exchange_us.append(event.exchange_time_us)
            log.prices.append(0.5 * (event.bid + event.ask))
    for name, listed in cast.derivatives.items():
        view = views[name]
        for each in listed:
            log = words[each.origin]
            view.derivatives[each.source] = log, known_path(log, view.run.grid)


def _compare_derivatives(
    run: Run, views: dict[str, View], records: dict[str, Record], method: Method
) -> None:
    """Add to each asset with perpetuals what its index would have been with them as sources."""
    for name in run.assets:
        rules = method.index_rules(name)
        other = view_of(run, name, rules)
        records[name]["with_derivatives"] = variant_record(other, rules)
        views[name].variant = other


def _document(
    request: Request, cast: Cast, method: Method, run: Run, records: dict[str, Record]
) -> Record:
    return {
        "recording": str(request.market),
        "from": time_text(run.from_us),
        "to": time_text(run.to_us),
        "step_s": run.step_us // SECOND_US,
        "method": f"{method.name} {method.version}",
        "method_hash": method.digest().hex(),
        "events": run.events,
        "refused": dict(sorted(run.refused.items())),
        "skipped_rows": cast.market.skipped,
        "unlisted": cast.market.unlisted,
        "left_bound": [n for n, each in records.items() if each["bound"]["seconds_left"]],
        "trusted": [n for n, each in records.items() if each["trusted_share"] > 0.0],
        "cadence": run.cadence,
        "assets": records,
    }


@contextmanager
def _progress() -> Iterator[Advance]:
    """Show a bar for each run on stderr, where a person looks."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    tasks: dict[str, Any] = {}
    with bar:

        def advance(name: str, count: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], advance=count)

        yield advance


# -- writing -------------------------------------------------------------------------------------


def _write(request: Request, document: Record, views: dict[str, View]) -> list[Path]:
    """Write market.json, a picture an asset and the page; return their paths. Errors: MKTR-E04."""
    if request.out is None:
        return []
    from steelyard.cli.market_report_page import write_page
    from steelyard.cli.market_report_plots import write_picture

    written: list[Path] = []
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        for name, view in views.items():
            path = request.out / f"{name}.png"
            written.append(write_picture(view, document["assets"][name], document, path))
        pictures = dict(zip(views, written, strict=True))
        page = write_page(document, pictures, request.out / "market.html")
        changes = {name: changes_record(view) for name, view in views.items()}
        path = request.out / "market.json"
        path.write_bytes(
            msgspec.json.format(_ENCODER.encode(document | {"changes": changes}), indent=1) + b"\n"
        )
    except OSError as error:
        raise InputError(
            "MKTR-E04",
            f"a result cannot be written: {error.strerror or error}",
            rule="results go to a folder that can be written",
            cure="choose another folder for --out, or free space",
            path=error.filename or request.out,
        ) from error
    return [page, path, *written]
