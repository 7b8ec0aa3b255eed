"""Running a session to its end: progress or live view while it runs, a report at the end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from steelyard import __version__
from steelyard.cli.history import History
from steelyard.cli.output import print_json
from steelyard.cli.session import Session, Step
from steelyard.cli.wiring import time_text
from steelyard.publish.views import money


def run_session(
    session: Session,
    title: str,
    speed: float | None,
    as_json: bool,
    plot: Path | None,
    *,
    is_live: bool,
) -> None:
    """Run a session to its end and print its report; Ctrl-C ends it early, with everything kept."""
    history = History(session)
    fund_before = session.fund_micro()
    try:
        watcher = _live(session, history, title) if is_live and not as_json else _progress(session)
        with _interruptible() as was_interrupted, watcher as watch:
            for step in session.steps(speed):
                history.observe(step)
                watch(step)
                if was_interrupted():
                    break
        interrupted = was_interrupted()
        history.close()
        digest = session.finish()
        report = build_report(session, title, digest, fund_before, interrupted) | history.facts()
    finally:
        session.journaled.close()
    page = plot or _default_plot(report["journal"], as_json)
    if page is not None:
        from steelyard.cli.plots import plot_page

        plot_page(history, report, page)
        report["plots"] = str(page)
    if as_json:
        print_json(report)
    else:
        from steelyard.cli.summary import print_summary

        print_summary(Console(), report, session)


def build_report(
    session: Session, title: str, digest: bytes, fund_before: int, interrupted: bool
) -> dict[str, Any]:
    """Return the report of a session as ordered plain data; amounts in USDC, exact."""
    engine, tally, watch = session.engine, session.tally, session.engine.stopwatch
    seconds = session.elapsed_s
    return {
        "title": title,
        "version": __version__,
        "from": time_text(session.start_us),
        "to": time_text(engine.market.time_us),
        "is_interrupted": interrupted,
        "ticks": session.applied,
        "refused": dict(sorted(session.refused.items())),
        "accounts": session.accounts,
        "margin_units": len(engine.places),
        "instruments": len(engine.market.instruments),
        "shards": len(engine.shards),
        "margin_calls": len(tally.margin_called),
        "partial_reductions": len(tally.reduced),
        "full_liquidations": len(tally.liquidated),
        "bankruptcies": len(tally.bankrupt),
        "closes": tally.closes,
        "currency": engine.method.currency,
        "bad_debt": money(tally.bad_debt),
        "bad_debt_uncovered": money(tally.bad_debt_uncovered),
        "insurance_fund": money(session.fund_micro()),
        "insurance_fund_before": money(fund_before),
        "insurance_fund_draws": money(tally.fund_draws),
        "protected": sorted(
            asset.name
            for slot, asset in enumerate(engine.market.assets)
            if engine.market.is_protected[slot]
        ),
        "method": f"{engine.method.name} {engine.method.version}",
        "method_hash": engine.method.digest().hex(),
        "seq": engine.seq,
        "state_hash": digest.hex(),
        "sums_are_zero": True,
        "elapsed_s": round(seconds, 3),
        "ticks_per_second": round(session.applied / seconds, 1) if seconds else 0.0,
        "tick_to_decision_us": watch.quantiles_us(),
        "room_shares": watch.shares(),
        "cadence": engine.cadence.report(),
        "journal_flush_us": flush_quantiles(list(session.journaled.committer.flush_us)),
        "journal": str(session.journaled.path),
    }


def flush_quantiles(samples: list[int]) -> dict[str, float]:
    """Return p50, p99, max and count of flush durations in µs (inverted empirical CDF).

    >>> flush_quantiles([3, 1, 2])
    {'p50': 2, 'p99': 3, 'max': 3, 'flushes': 3}
    """
    if not samples:
        return {"p50": 0, "p99": 0, "max": 0, "flushes": 0}
    ordered = sorted(samples)
    last = len(ordered) - 1
    return {
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[min(last, len(ordered) * 99 // 100)],
        "max": ordered[last],
        "flushes": len(ordered),
    }


def _default_plot(journal: str, as_json: bool) -> Path | None:
    """Return where the page of plots goes unasked: beside the journal, unless JSON was wanted."""
    if as_json:
        return None
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return None
    return Path(journal).with_suffix(".png")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end the session between two events, never within one; a second one is the usual."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _live(session: Session, history: History, title: str) -> Iterator[Any]:
    from steelyard.cli.live import LiveView

    hints = [
        "afterwards: steelyard explain   why the worst-off account was liquidated",
        f"steelyard replay {session.journaled.path} --verify   the same events, the same hash",
    ]
    with LiveView(session, history, console=Console(), title=title, hints=hints) as view:
        yield view.update


@contextmanager
def _progress(session: Session) -> Iterator[Any]:
    """Show a bar on stderr while the session runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} ticks"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("running", total=session.event_count())
        waiting = 0

        def advance(step: Step) -> None:
            nonlocal waiting
            waiting += 1
            if waiting >= 64:
                shown = time_text(step.event.time_us)[11:19]
                hit = len(session.tally.liquidated)
                progress.update(task, advance=waiting, description=f"{shown} {hit} liquidated")
                waiting = 0

        yield advance
        progress.update(task, advance=waiting)
