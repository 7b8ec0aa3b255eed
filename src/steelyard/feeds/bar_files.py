"""Bar files: one market in one table, `ts, open, high, low, close, volume[, delay_ms]`.

A row's price is its close: it was so at the end of the bar (ts plus its length) and is known after the
stated delay, or `delay_ms` where the file has that column.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steelyard.feeds.names import (
    BarFileName,
    bar_file_name,
    stale_after_us_for,
    weight_for,
)
from steelyard.feeds.streams import LOOK_BACK_US, QuoteTerms, RawRows, SourceTerms, Stream, clean
from steelyard.feeds.tables import (
    NO_TIME,
    column_types,
    floats,
    integers,
    read_table,
    times_us,
    within,
)

BAR_COLUMNS = ("ts", "close")
BAR_DELAY_US = 1_000_000
"""Time from the end of a bar until it is known, where no file says it: the slowest 1 % of messages of
the exchange that these bars come from took 0.03 to 0.19 s, so a second is on the safe side."""

DELAY_MS_MAX = 86_400_000


def read_bars(
    path: Path,
    interval_us: int,
    from_us: int,
    to_us: int,
    *,
    look_back_us: int = LOOK_BACK_US,
    delay_us: int = BAR_DELAY_US,
) -> RawRows:
    """Return the rows of a bar file that a window and its warm-up may need. Errors: FEED-E01 to E03.

    Read are bars that opened from two look-backs and a length before the window until its end.
    """
    low_us = from_us - look_back_us - LOOK_BACK_US - interval_us
    keep = within(column_types(path), "ts", low_us, to_us)
    table = read_table(path, BAR_COLUMNS, optional=("delay_ms",), where=keep)
    ts = times_us(path, table, "ts")
    exchange_us = np.where((ts > -(2**61)) & (ts < 2**61), ts + interval_us, NO_TIME)
    known_us = np.where(exchange_us != NO_TIME, exchange_us + delay_us, NO_TIME)
    if "delay_ms" in table.column_names:
        delay_ms = integers(path, table, "delay_ms", -1)
        is_possible = (exchange_us != NO_TIME) & (delay_ms >= 0) & (delay_ms <= DELAY_MS_MAX)
        known_us = np.where(is_possible, exchange_us + 1000 * delay_ms, NO_TIME)
    price = floats(path, table, "close")
    # A CSV file is read whole: rows far from the window go here, those without a time stay to be counted.
    near = np.flatnonzero((ts == NO_TIME) | ((ts >= low_us) & (ts < to_us)) | (ts < 0))
    return RawRows(known_us, exchange_us, price, price).take(near)


def read_named_bars(
    paths: list[Path], from_us: int, to_us: int, *, keep_bad: bool = False
) -> list[Stream]:
    """Return the streams of bar files whose names say what they hold; files of one market are joined.

    A file without a row near the window gives nothing. Errors: FEED-E01 to FEED-E03.
    """
    parts: dict[str, tuple[BarFileName, list[RawRows]]] = {}
    for path in sorted(paths):
        named = bar_file_name(path)
        if named is None:
            continue
        look_back_us = max(LOOK_BACK_US, stale_after_us_for(named.interval_us))
        rows = read_bars(path, named.interval_us, from_us, to_us, look_back_us=look_back_us)
        if rows.known_us.size:
            parts.setdefault(named.source, (named, []))[1].append(rows)
    return [
        clean(terms_of(named), RawRows.joined(rows), one_per_time=True, keep_bad=keep_bad)
        for named, rows in parts.values()
    ]


def terms_of(named: BarFileName) -> SourceTerms | QuoteTerms:
    """Return the terms of a bar file by its name.

    A coin-margined market's last price is a quote of its perpetual; its mark price (which follows an
    index of several exchanges) is a source, and so are spot bars and the bars of linear perpetuals.
    """
    if named.market == "coinm" and not named.is_mark:
        return QuoteTerms(
            named.source, f"{named.asset}-PERPETUAL", "coin-margined perpetual's bars"
        )
    notes = []
    if named.symbol.endswith("USDT"):
        notes.append("prices in USDT, taken as USD")
    if named.is_mark:
        notes.append("mark price of a perpetual")
    elif named.market == "perp":
        notes.append("last price of a perpetual, taken as a source")
    return SourceTerms(
        named.source,
        named.asset,
        named.operator,
        weight_for(named.interval_us),
        stale_after_us_for(named.interval_us),
        "; ".join(notes),
    )
