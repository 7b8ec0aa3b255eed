"""`steelyard feeds record` and `feeds replay`: raw frames to disk, and from there into the same events."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rich.table import Table

from steelyard.cli.feeds_board import (
    DRIVER_RULES,
    Board,
    clock_us,
    health_rows,
    read_document,
)
from steelyard.cli.output import console, print_json
from steelyard.feeds.live.config import FeedsConfig
from steelyard.feeds.live.connection import ConnectionRules
from steelyard.feeds.live.oracles.runners import oracle_runners, replay_client
from steelyard.feeds.live.raw_log import RawLogWriter, recording_files
from steelyard.feeds.live.replaying import Replay
from steelyard.feeds.live.tape import FrameLog, TapedDriver
from steelyard.feeds.live.threaded import LiveFeeds
from steelyard.quantities import InputError
from steelyard.terms import Method, load_method

CONNECTION_RULES: ConnectionRules | None = None
DOCUMENT = "feeds.toml"
"""Beside the frames stands a copy of the document they were recorded with."""


def new_recording(folder: Path, document: Path, *, is_compressed: bool = False) -> RawLogWriter:
    """Return the writer of a new recording. Errors: FCLI-E02 where one is there, FCLI-E03."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if recording_files(folder):
            raise InputError(
                "FCLI-E02", "the folder holds a recording already",
                rule="a recording is one session", cure="name another folder", folder=folder,
            )  # fmt: skip
        shutil.copyfile(document, folder / DOCUMENT)
    except OSError as error:
        raise InputError(
            "FCLI-E03", f"nothing can be recorded there: {error.strerror or error}",
            rule="the folder of a recording may be written", cure="name another folder", folder=folder,
        ) from None  # fmt: skip
    return RawLogWriter(folder, is_compressed=is_compressed)


def record_command(
    path: Path, out: Path, seconds: float, is_compressed: bool, method: Path | None, as_json: bool
) -> int:
    """Record for so long, or until Ctrl-C; return the exit code. Errors: FCLI, LIVE, PYTH-E08, CHLK-E04."""
    terms = load_method(method)
    config = read_document(path, terms)
    runners = oracle_runners(config, path.parent)
    board = Board(config, terms)
    writer = new_recording(out, path, is_compressed=is_compressed)
    log = FrameLog(config, writer.write)
    driver = TapedDriver(config, rates=board.rates, log=log, rules=DRIVER_RULES)
    feeds = LiveFeeds(driver, clock=clock_us, runners=runners, rules=CONNECTION_RULES, raw_log=log)
    began_us = told_us = clock_us()
    end_us = began_us + int(seconds * 1e6)
    try:
        with feeds:
            try:
                while (now_us := clock_us()) < end_us:
                    board.take(feeds.take(min(0.25, (end_us - now_us) / 1e6)))
                    if now_us - told_us >= 1_000_000:
                        told_us = now_us
                        _tell(now_us - began_us, log, board, driver)
            except KeyboardInterrupt:
                print("steelyard: recording ends", file=sys.stderr)
            connections = health_rows(config, driver.health)
            for events in feeds.close():
                board.take(events)
    finally:
        writer.close()
    report = {
        "recording": str(out),
        "files": [file.name for file in recording_files(out)],
        "seconds": round((clock_us() - began_us) / 1e6, 3),
        "frames": log.frames,
        "bytes": log.bytes,
        "connections": connections,
        **board_facts(board),
    }
    _show(report, as_json)
    return 0 if report["prices"] else 3


def replay_command(recording: Path, path: Path, method: Path | None, as_json: bool) -> int:
    """Replay a recording; return the exit code. Errors: FCLI, LIVE, RAWL-E01, PYTH-E08, CHLK-E04."""
    terms = load_method(method)
    config = read_document(path, terms)
    report = replay_recording(recording, config, path.parent, terms)[1]
    _show(report, as_json)
    return 4 if report["damage"] else 0


def replay_recording(
    recording: Path, config: FeedsConfig, folder: Path, method: Method
) -> tuple[Board, dict[str, Any]]:
    """Return the engine a recording leads to, and what went through."""
    board = Board(config, method)
    clients = {row.name: replay_client(row, folder) for row in config.connections}
    replay = Replay(recording, config, clients, rules=DRIVER_RULES, rates=board.rates)
    for events in replay.events():
        board.take(events)
    counts = replay.counts
    return board, {
        "recording": str(recording),
        "seconds": round((counts.last_us - counts.first_us) / 1e6, 3),
        "frames": sum(counts.frames.values()),
        "frames_by_direction": dict(sorted(counts.frames.items())),
        "frames_of_others": dict(sorted(counts.unknown.items())),
        "damage": counts.damage,
        "cut_at_the_end": counts.cut,
        "is_same_session": replay.has_notes,
        **board_facts(board),
    }


def board_facts(board: Board) -> dict[str, Any]:
    """Return what an engine took and made: events, their digest, indices and marks."""
    return {
        "prices": sum(heard.prices for heard in board.heard.values()),
        "events": sum(count for name, count in board.counts.items() if name != "TimeTick"),
        "events_by_type": dict(sorted(board.counts.items())),
        "events_digest": board.digest,
        "refused": dict(sorted(board.refused.items())),
        "indices": board.indices(),
        "marks": board.marks(),
    }


def _tell(elapsed_us: int, log: FrameLog, board: Board, driver: TapedDriver) -> None:
    """Say on stderr how it goes."""
    up = sum(health.state == "up" for health in driver.health.values())
    errors = sum(sum(health.errors.values()) for health in driver.health.values())
    prices = sum(heard.prices for heard in board.heard.values())
    print(
        f"steelyard: {elapsed_us / 1e6:,.0f} s, {log.frames:,} frames, {log.bytes:,} bytes, "
        f"{prices:,} prices, {up}/{len(driver.config.connections)} connections up, {errors} errors",
        file=sys.stderr,
    )


def _show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    out = console()
    pairs = Table.grid(padding=(0, 2))
    for name in (
        "recording",
        "seconds",
        "frames",
        "bytes",
        "damage",
        "prices",
        "events",
        "events_digest",
    ):
        if name in report:
            value = report[name]
            pairs.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))  # fmt: skip
    for name, count in report["events_by_type"].items():
        pairs.add_row(f"  {name}", f"{count:,}")
    out.print(pairs)
    for row in report["indices"]:
        index = "–" if row["index"] is None else f"{row['index']:.8g}"
        out.print(f"{row['asset']}: index {index} USD, {row['condition']}")
    for row in report["marks"]:
        out.print(f"{row['instrument']}: mark {row['mark']:.8g} USD")
    for row in report.get("connections", ()):
        errors = " ".join(f"{code}×{count}" for code, count in row["errors"].items())
        out.print(f"{row['connection']}: {row['frames']:,} frames, {row['gaps']} gaps {errors}")
