"""`steelyard feeds check`: connect for a while, and say of every source whether its price counts, and why not."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from steelyard.cli.feeds_board import (
    DRIVER_RULES,
    Board,
    clock_us,
    health_rows,
    quote_rates,
    read_document,
)
from steelyard.cli.output import console, print_json
from steelyard.feeds.live.config import FeedsConfig, SourceRow, operator_of_source
from steelyard.feeds.live.connection import ConnectionRules
from steelyard.feeds.live.driver import LiveDriver
from steelyard.feeds.live.oracles.runners import oracle_runners
from steelyard.feeds.live.source_state import SourceState
from steelyard.feeds.live.tape import TapedDriver
from steelyard.feeds.live.threaded import LiveFeeds
from steelyard.marks.sources import DEVIATING, FROZEN, STALE, STANDBY, USED
from steelyard.terms import Method, load_method

CONNECTION_RULES: ConnectionRules | None = None
LISTING_WAIT_SHARE = 0.5
"""Of the time of the check: so long an asset waits for all of its sources."""

GOOD = frozenset({USED, STANDBY})
OLD = frozenset({STALE, FROZEN})

CURES: dict[str, str] = {
    "used": "",
    "standby": "none needed: it counts when the first tier has no quorum",
    "deviating": "compare it with the other sources: wrong market, wrong quote currency, or a venue that lies",
    "silent": "none came: check the market's name, its channels, and whether it trades",
    "stale": "raise stale_after_ms for a market that trades rarely, or use its mid in place of its trades",
    "frozen": "one price is being repeated: look at the venue; raise frozen_after_ms for a quiet market",
    "invalid": "its last word was no price: an empty side of the book, or a fault of the venue",
    "clock": "set this machine's clock, or leave the venue out until its own is right",
    "uncertain": "it states a confidence too wide to count: wait, or choose another feed",
    "absurd": "its price is beyond belief beside the others: wrong market, or a venue that lies",
    "quote": "add sources of its quote currency, or wait until that has its peg again",
    "down": "check the address, the market's name and the network; the connection is tried again by itself",
    "unverified": "check the signers that the document names, and whether they have been replaced",
    "malformed": "compare recorded frames (feeds record) with the venue's documents",
    "gap": "none needed: a fresh snapshot is on its way; if it stays, fewer markets a connection",
    "halted": "the venue has halted the market: wait",
    "unlisted": "no source of this asset has a price: mend its sources first",
}
"""What to do about each verdict."""


def check_command(path: Path, seconds: float, method: Path | None, as_json: bool) -> int:
    """Check a document and what it names; return the exit code. Errors: FCLI, LIVE, PYTH-E08, CHLK-E04."""
    terms = load_method(method)
    config = read_document(path, terms)
    report = check_feeds(config, path.parent, terms, seconds, is_told=sys.stderr.isatty())
    if as_json:
        print_json(report)
    else:
        _print(report)
    return int(report["exit_code"])


def check_feeds(
    config: FeedsConfig, folder: Path, method: Method, seconds: float, *, is_told: bool = False
) -> dict[str, Any]:
    """Return what was seen in so many seconds: sources, indices, connections, and the exit code.

    folder: where the paths of the document start from.
    """
    board = Board(config, method, wait_us=int(seconds * LISTING_WAIT_SHARE * 1e6))
    driver = TapedDriver(config, rates=board.rates, rules=DRIVER_RULES)
    runners = oracle_runners(config, folder)
    end_us = clock_us() + int(seconds * 1e6)
    with LiveFeeds(driver, clock=clock_us, runners=runners, rules=CONNECTION_RULES) as feeds:
        while (now_us := clock_us()) < end_us:
            board.take(feeds.take(min(0.25, (end_us - now_us) / 1e6)))
            board.idle(clock_us())
            if is_told:
                left = max(0.0, (end_us - now_us) / 1e6)
                print(f"\rlistening, {left:5.1f} s left ", end="", file=sys.stderr, flush=True)
        sources = source_rows(board, driver, clock_us())
        connections = health_rows(config, driver.health)
    if is_told:
        print("\r\033[K", end="", file=sys.stderr)
    indices = board.indices()
    return {
        "seconds": seconds,
        "sources": sources,
        "indices": indices,
        "connections": connections,
        "counts": dict(sorted(board.counts.items())),
        "refused": dict(sorted(board.refused.items())),
        "exit_code": exit_code(sources, indices),
    }


def source_rows(board: Board, driver: LiveDriver, now_us: int) -> list[dict[str, Any]]:
    """Return every source with its last word, its delays, its connection's troubles and its verdict."""
    market = board.engine.market
    rows = []
    for state in driver.sources:
        row = state.row
        heard = board.heard[row.name, row.asset]
        health = driver.health.get(row.connection)
        verdict, reason = _verdict(board, state, now_us)
        last = heard.last
        rates = {"USD": 1.0} | quote_rates(market, [row.quote])
        slot = market.asset_slots.get(row.asset)
        index = market.index_price(slot) if slot is not None else 0.0
        usd = last.price * rates.get(row.quote, 0.0) if last is not None else 0.0
        rows.append(
            {
                "asset": row.asset,
                "source": row.name,
                "operator": operator_of_source(row, board.config),
                "connection": row.connection,
                "state": health.state if health is not None else "connecting",
                "prices": heard.prices,
                "last_price": last.price if last is not None else None,
                "quote": row.quote,
                "from_index_ppm": round((usd / index - 1.0) * 1e6)
                if usd > 0.0 and index > 0.0
                else None,
                "age_ms": round((now_us - last.exchange_time_us) / 1_000) if last else None,
                "receive_delay_ms": median(heard.delays_us) / 1_000 if heard.delays_us else None,
                "clock_skew_ms": state.skew_us / 1_000 if state.skew_us is not None else None,
                "gaps": health.gaps if health is not None else 0,
                "errors": dict(sorted(health.errors.items())) if health is not None else {},
                "verdict": verdict,
                "reason": reason,
                "cure": CURES.get(verdict, ""),
            }
        )
    return rows


def _verdict(board: Board, state: SourceState, now_us: int) -> tuple[str, str]:
    """Return what the engine says of a source, and what its feed adds; the feed's word where none is listed."""
    row: SourceRow = state.row
    market = board.engine.market
    feed, reason = state.now()
    slot = market.asset_slots.get(row.asset)
    source = market.indices[slot].source(row.name) if slot is not None else None
    if source is None:
        return (feed, reason) if feed != "up" else ("unlisted", "its asset is not listed yet")
    verdict = source.obstacle(max(now_us, market.time_us)) or source.verdict
    return verdict, reason if verdict == feed else ""


def exit_code(sources: list[dict[str, Any]], indices: list[dict[str, Any]]) -> int:
    """Return 0 if all is well, 3 if prices are merely old, otherwise 1.

    >>> exit_code([{"verdict": "used"}, {"verdict": "stale"}], [{"is_trusted": True}])
    3
    >>> exit_code([{"verdict": "down"}, {"verdict": "stale"}], [{"is_trusted": True}])
    1
    """
    bad = {row["verdict"] for row in sources} - GOOD
    if bad and bad <= OLD:
        return 3
    return int(bool(bad) or not all(row["is_trusted"] for row in indices))


# -- on the terminal -------------------------------------------------------------------------------


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in (
        "asset",
        "source",
        "state",
        "last price",
        "ppm off",
        "age ms",
        "delay ms",
        "skew ms",
        "gaps",
        "errors",
        "verdict",
    ):
        is_number = head in ("last price", "ppm off", "age ms", "delay ms", "skew ms", "gaps")
        table.add_column(head, justify="right" if is_number else "left", overflow="fold")  # fmt: skip
    for row in report["sources"]:
        style = (
            ""
            if row["verdict"] in GOOD
            else "yellow"
            if row["verdict"] in OLD | {DEVIATING}
            else "red"
        )
        table.add_row(
            row["asset"], row["source"], row["state"],
            f"{_number(row['last_price'], '.8g')} {row['quote']}",
            _number(row["from_index_ppm"], "+d"), _number(row["age_ms"], ",d"),
            _number(row["receive_delay_ms"], ",.1f"), _number(row["clock_skew_ms"], ",.1f"),
            str(row["gaps"]), " ".join(f"{code}×{count}" for code, count in row["errors"].items()),
            row["verdict"], style=style,
        )  # fmt: skip
    out.print(table)
    for row in report["sources"]:
        if row["verdict"] not in GOOD:
            why = f" ({row['reason']})" if row["reason"] else ""
            out.print(f"{row['source']} {row['asset']}: {row['verdict']}{why}", style="bold")
            out.print(f"  cure  {row['cure']}")
    for row in report["connections"]:
        if row["last_error"]:
            out.print(f"{row['connection']}: last error {row['last_error']}", style="dim")
    for row in report["indices"]:
        out.print(
            f"{row['asset']}: index {_number(row['index'], '.8g')} USD, {row['condition']}, "
            f"{row['used']} sources of {row['operators']} operators"
        )
