"""The layout of 10 October 2025: one-second bars of trades, with marks and longer bars beside them.

    oct10_2025/trades_1s*.parquet      spot trades: index sources; coin-margined trades: quotes
    oct10_2025/trades_1m*.parquet      (optional) minute bars of the same markets: warm-up before the
                                       first second of the recording
    oct10_2025/*_mark_1m.parquet       (optional) marks of coin-margined perpetuals: index sources
    stress_5m/*_5m.parquet             (optional) five-minute bars that cover the window: index sources

The folder is the one that holds `oct10_2025`, or `oct10_2025` itself (`stress_5m` is then beside it).
"""

from __future__ import annotations

from pathlib import Path

from steelyard.feeds.bar_files import read_named_bars
from steelyard.feeds.market import PerpetualPlan, Recording
from steelyard.feeds.names import bar_file_name
from steelyard.feeds.streams import QuoteTerms, SourceTerms, Stream
from steelyard.feeds.venue_files import perpetuals_for, read_venue_bars

FOLDER = "oct10_2025"


def october_folder(folder: Path) -> Path | None:
    """Return the folder of the one-second bars if this is the layout of 10 October 2025, else None."""
    for candidate in (folder / FOLDER, folder):
        if candidate.is_dir() and any(candidate.glob("trades_1s*.parquet")):
            return candidate
    return None


def read_october(folder: Path, from_us: int, to_us: int, *, keep_bad: bool = False) -> Recording:
    """Return the recording in `folder` (as `october_folder` found it). Errors: FEED-E01 to E03, E05."""
    seconds = sorted(folder.glob("trades_1s*.parquet"))[0]
    streams = read_venue_bars(seconds, keep_bad=keep_bad)
    primary = frozenset(stream.name for stream in streams)
    marks = sorted(folder.glob("*_mark_1m.parquet"))
    beside = sorted((folder.parent / "stress_5m").glob("*_5m.parquet"))
    traded = {_asset(stream) for stream in streams}
    for stream in read_named_bars([*marks, *beside], from_us, to_us, keep_bad=keep_bad):
        if _asset(stream) in traded:
            streams.append(stream)
    assets = {_asset(stream) for stream in streams}
    perpetuals = perpetuals_for(streams, sorted(assets))
    inverse = {plan.asset for plan in perpetuals if plan.is_inverse}
    for path in marks:
        named = bar_file_name(path)
        # The marks are those of a perpetual without recorded trades: it is listed, its mark the index.
        if named and named.market == "coinm" and named.asset in assets - inverse:
            perpetuals.append(PerpetualPlan(named.asset, is_inverse=True))
            inverse.add(named.asset)
    return Recording(
        name=folder.name,
        streams=streams,
        assets=dict.fromkeys(sorted(assets)),
        perpetuals=perpetuals,
        backfill=_backfill(folder, seconds, streams, from_us, keep_bad),
        primary=primary,
        spans=[(seconds, "ts")],
    )


def _backfill(
    folder: Path, seconds: Path, streams: list[Stream], from_us: int, keep_bad: bool
) -> dict[str, Stream]:
    """Return minute bars for the streams that have no second bar before the window yet."""
    bare = {stream.name: stream.terms for stream in streams if stream.last_before(from_us) is None}
    minutes = [path for path in sorted(folder.glob("trades_1m*.parquet")) if path != seconds]
    if not bare or not minutes:
        return {}
    return {
        stream.name: Stream(bare[stream.name], stream.rows, stream.skipped, stream.reordered)
        for stream in read_venue_bars(minutes[0], keep_bad=keep_bad)
        if stream.name in bare
    }


def _asset(stream: Stream) -> str:
    terms = stream.terms
    if isinstance(terms, SourceTerms):
        return terms.asset
    assert isinstance(terms, QuoteTerms)
    return terms.instrument.removesuffix("-PERPETUAL")
