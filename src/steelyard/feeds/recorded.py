"""Recorded: a folder or file of recorded market data, opened as the events of one window."""

from __future__ import annotations

from pathlib import Path

from steelyard.feeds import bar_files, venue_files
from steelyard.feeds.market import (
    PerpetualPlan,
    RecordedMarket,
    Recording,
    SourceDescription,
    assemble,
    check_window,
)
from steelyard.feeds.names import bar_file_name
from steelyard.feeds.october import october_folder, read_october
from steelyard.feeds.own_layout import MARKET_FILE, read_own
from steelyard.feeds.streams import QuoteTerms, SourceTerms, Stream
from steelyard.feeds.tables import column_types, is_table, unreadable
from steelyard.quantities import InputError

__all__ = ["RecordedMarket", "SourceDescription", "open_market"]


def open_market(
    folder: Path, from_us: int, to_us: int, *, keep_bad: bool = False
) -> RecordedMarket:
    """Return the recorded market in `folder` between two times, as listings, warm-up and ticks.

    folder: a folder with a market.toml, the layout of 10 October 2025, a folder of bar or trade files,
    or one such file (docs/recorded-data.md). from_us ≤ known time < to_us, UTC microseconds. keep_bad:
    rows with a bad price become events too, for an engine to refuse; else they are dropped and counted.

    Errors: FEED-E01 unreadable file, FEED-E02 missing column, FEED-E03 wrong type, FEED-E04 empty window,
    FEED-E05 unknown layout, FEED-E06 a market.toml that breaks a rule, FEED-E07 a row that names
    something unknown, TERM-E05 no scale fits.
    """
    check_window(from_us, to_us)
    return assemble(_read(Path(folder), from_us, to_us, keep_bad), from_us, to_us)


def _read(folder: Path, from_us: int, to_us: int, keep_bad: bool) -> Recording:
    if folder.is_file():
        return _read_files(folder.name, [folder], from_us, to_us, keep_bad)
    if not folder.is_dir():
        raise unreadable(
            folder, "there is no such file or folder", "a market is a folder or a file"
        )
    if (folder / MARKET_FILE).is_file():
        return read_own(folder, from_us, to_us, keep_bad=keep_bad)
    october = october_folder(folder)
    if october is not None:
        return read_october(october, from_us, to_us, keep_bad=keep_bad)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and is_table(path))
    return _read_files(folder.name, paths, from_us, to_us, keep_bad)


def _read_files(
    name: str, paths: list[Path], from_us: int, to_us: int, keep_bad: bool
) -> Recording:
    """Return the recording of files that are each recognised by columns and, for bars, by name."""
    streams: list[Stream] = []
    bars: list[Path] = []
    spans: list[tuple[Path, str]] = []
    for path in paths:
        columns = set(column_types(path))
        if columns.issuperset(venue_files.BAR_COLUMNS):
            streams += venue_files.read_venue_bars(path, keep_bad=keep_bad)
            spans.append((path, "ts"))
        elif columns.issuperset(venue_files.TRADE_COLUMNS):
            streams += venue_files.read_venue_trades(path, from_us, to_us, keep_bad=keep_bad)
            spans.append((path, "received_us"))
        elif columns.issuperset(bar_files.BAR_COLUMNS) and bar_file_name(path) is not None:
            bars.append(path)
            spans.append((path, "ts"))
    if not spans:
        raise InputError(
            "FEED-E05",
            "no file of a known layout",
            rule="a market is a market.toml with its files, or bar or trade files with known columns "
            "and, for bars, a name such as binance_spot_BTCUSDT_1m.parquet",
            cure="see docs/recorded-data.md, and describe the files in a market.toml",
            file=name,
        )
    streams += bar_files.read_named_bars(bars, from_us, to_us, keep_bad=keep_bad)
    streams = _unique(name, streams)
    assets = {stream.terms.asset for stream in streams if isinstance(stream.terms, SourceTerms)} | {
        stream.terms.instrument.removesuffix("-PERPETUAL")
        for stream in streams
        if isinstance(stream.terms, QuoteTerms)
    }
    perpetuals: list[PerpetualPlan] = venue_files.perpetuals_for(streams, sorted(assets))
    return Recording(
        name=name,
        streams=streams,
        assets=dict.fromkeys(sorted(assets)),
        perpetuals=perpetuals,
        spans=spans,
    )


def _unique(name: str, streams: list[Stream]) -> list[Stream]:
    """Return the streams if their names differ, else raise FEED-E05."""
    seen: set[str] = set()
    for stream in streams:
        if stream.name in seen:
            raise InputError(
                "FEED-E05",
                f"two files hold the market {stream.name}",
                rule="a market is described by one file of its kind",
                cure="move one file away, or open the file you want by its own path",
                file=name,
                source=stream.name,
            )
        seen.add(stream.name)
    return streams
