"""`steelyard run`: which session its options ask for, a recorded market's or live feeds'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from steelyard.cli.run import run_session
from steelyard.cli.wiring import parse_speed, parse_time_us, recorded_session, required


class Asked(NamedTuple):
    """The options of the command, as `steelyard run --help` states them."""

    market: Path | None
    from_: str | None
    to: str | None
    live: Path | None
    for_seconds: float | None
    record: Path | None
    chain: Path | None
    surface: bool
    accounts: str
    seed: int
    shards: int
    speed: str
    journal: Path | None
    method: Path | None
    insurance_fund: int
    plot: Path | None
    view: bool | None
    as_json: bool


def run_command(asked: Asked, say: Callable[[str], None]) -> None:
    """Run a session to its end. Errors: CLIC-E08 an option that is needed, FCLI-E07 one too many."""
    a = asked
    if a.live is not None:
        _run_live(a, a.live, say)
        return
    factor = parse_speed(a.speed)
    session = recorded_session(
        required(a.market, "market"), a.chain, a.accounts, a.seed,
        parse_time_us(required(a.from_, "from"), "from"), parse_time_us(required(a.to, "to"), "to"),
        a.shards, a.journal, a.method, a.insurance_fund, say, is_fitted=a.surface,
    )  # fmt: skip
    title = f"recorded market {a.market}"
    run_session(session, title, factor, a.as_json, a.plot, is_live=bool(a.view))


def _run_live(a: Asked, document: Path, say: Callable[[str], None]) -> None:
    from steelyard.cli.feeds_board import require_extra

    require_extra()
    from steelyard.cli.run_live import check_live_options, live_session

    check_live_options(a.market, a.from_, a.to, a.chain, a.surface, a.speed)
    session = live_session(
        document, a.accounts, a.seed, a.shards, a.journal, a.method, a.insurance_fund,
        a.for_seconds, a.record, say,
    )  # fmt: skip
    with session.stack:
        title = f"live feeds {document}"
        run_session(session, title, None, a.as_json, a.plot, is_live=a.view is not False)
