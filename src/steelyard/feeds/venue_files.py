"""Venue files: many markets in one table, a row a bar of trades or a row a trade.

    bars     ts, venue, symbol, base, close, max_feed_delay_ms     their length is in the file's name
    trades   exchange_us, received_us, venue, symbol, price

A bar's price is its close; it was so at the end of the bar and is known after the largest feed delay
seen in the bar. A venue that ends in "-delivery" trades coin-margined perpetuals: its rows are quotes
of that instrument (bid = ask = price) and no source of an index.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelyard.feeds.market import PerpetualPlan
from steelyard.feeds.names import (
    asset_of_symbol,
    interval_us_of,
    is_coin_margined,
    is_name,
    operator_of,
    stale_after_us_for,
    weight_for,
)
from steelyard.feeds.streams import LOOK_BACK_US, QuoteTerms, RawRows, SourceTerms, Stream, clean
from steelyard.feeds.tables import (
    NO_TIME,
    Ints,
    codes,
    column_types,
    floats,
    integers,
    read_table,
    times_us,
    within,
)
from steelyard.quantities import InputError

BAR_COLUMNS = ("ts", "venue", "symbol", "base", "close", "max_feed_delay_ms")
TRADE_COLUMNS = ("exchange_us", "received_us", "venue", "symbol", "price")
TRADE_INTERVAL_US = 1_000_000


def read_venue_bars(
    path: Path, *, keep_bad: bool = False, interval_us: int | None = None
) -> list[Stream]:
    """Return one stream per (venue, symbol) of a bar file, all its rows. Errors: FEED-E01 to E03, E05.

    interval_us: the length of a bar where the file's name does not say it (`1s`, `1m` …).
    """
    length_us = interval_us or interval_us_of(path)
    if length_us is None:
        raise InputError(
            "FEED-E05",
            "the length of the bars is not known",
            rule="the file's name says it, as in trades_1s_2045_2215.parquet",
            cure="rename the file, or describe it in a market.toml",
            file=path.name,
        )
    table = read_table(path, BAR_COLUMNS)
    ts = times_us(path, table, "ts")
    delay_ms = integers(path, table, "max_feed_delay_ms", -1)
    price = floats(path, table, "close")
    exchange_us = np.where(_sane(ts), ts + length_us, NO_TIME)
    # Without a possible delay a row has no known time and is dropped.
    is_possible = (exchange_us != NO_TIME) & (delay_ms >= 0) & (delay_ms <= 86_400_000)
    known_us = np.where(is_possible, exchange_us + 1000 * delay_ms, NO_TIME)
    rows = RawRows(known_us, exchange_us, price, price)
    venue, venues = codes(path, table, "venue")
    symbol, symbols = codes(path, table, "symbol")
    base, bases = codes(path, table, "base")
    key = (venue * len(symbols) + symbol) * len(bases) + base
    streams = []
    for which, index in _groups(key):
        rest, b = divmod(which, len(bases))
        v, s = divmod(rest, len(symbols))
        terms = _terms(path, venues[v], symbols[s], bases[b], length_us)
        streams.append(clean(terms, rows.take(index), one_per_time=True, keep_bad=keep_bad))
    return streams


def read_venue_trades(
    path: Path, from_us: int, to_us: int, *, keep_bad: bool = False
) -> list[Stream]:
    """Return one stream per (venue, symbol) of a trade file, from the look-back to the window's end.

    Errors: FEED-E01 to FEED-E03.
    """
    keep = within(column_types(path), "received_us", from_us - 2 * LOOK_BACK_US, to_us)
    table = read_table(path, TRADE_COLUMNS, where=keep)
    price = floats(path, table, "price")
    rows = RawRows(
        times_us(path, table, "received_us"), times_us(path, table, "exchange_us"), price, price
    )
    venue, venues = codes(path, table, "venue")
    symbol, symbols = codes(path, table, "symbol")
    streams = []
    near = rows.near(from_us, to_us)
    for which, group in _groups(venue * len(symbols) + symbol):
        v, s = divmod(which, len(symbols))
        index = group[near[group]]
        terms = _terms(path, venues[v], symbols[s], None, TRADE_INTERVAL_US)
        streams.append(clean(terms, rows.take(index), one_per_time=False, keep_bad=keep_bad))
    return streams


def perpetuals_for(streams: list[Stream], assets: list[str]) -> list[PerpetualPlan]:
    """Return the plans of a linear perpetual per asset and an inverse one per coin-margined stream."""
    inverse = {
        stream.terms.instrument.removesuffix("-PERPETUAL")
        for stream in streams
        if isinstance(stream.terms, QuoteTerms)
    }
    plans = [PerpetualPlan(asset, is_inverse=False) for asset in sorted(assets)]
    return plans + [PerpetualPlan(asset, is_inverse=True) for asset in sorted(inverse)]


def _terms(
    path: Path, venue: str, symbol: str, base: str | None, length_us: int
) -> SourceTerms | QuoteTerms:
    name = f"{venue}:{symbol}"
    found = asset_of_symbol(symbol)
    asset = base or found
    if not venue or asset is None or found is None or not is_name(name):
        raise InputError(
            "FEED-E07",
            f"venue {venue[:80]!r} and symbol {symbol[:80]!r} name no market in USD",
            rule="a row names its venue, and a symbol priced in USD, USDT or USDC",
            cure="drop the rows of that symbol, or describe the file in a market.toml",
            file=path.name,
            field="symbol",
        )
    if is_coin_margined(venue):
        return QuoteTerms(name, f"{asset}-PERPETUAL", "last trade of a coin-margined perpetual")
    note = "prices in USDT, taken as USD" if symbol.endswith("USDT") else ""
    return SourceTerms(
        name,
        asset,
        operator_of(venue),
        weight_for(length_us),
        stale_after_us_for(length_us),
        note,
    )


def _groups(key: Ints) -> list[tuple[int, Ints]]:
    """Return (key, positions in file order) for each different key, by key."""
    order = np.argsort(key, kind="stable")
    values, starts = np.unique(key[order], return_index=True)
    parts = np.split(order, starts[1:]) if values.size else []
    return [(int(value), part) for value, part in zip(values, parts, strict=True)]


def _sane(times: Ints) -> npt.NDArray[np.bool_]:
    """Return where a time can be added to without leaving int64."""
    return (times > -(2**61)) & (times < 2**61)
