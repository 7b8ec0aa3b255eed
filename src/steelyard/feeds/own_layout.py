"""The own layout: a folder with a `market.toml` that says what each of its files holds.

    name = "example"
    [[assets]]        name; exponent and price_exponent (both, or neither: chosen from the first price)
    [[sources]]       name, asset, operator, weight, stale_after_s
    [[perpetuals]]    underlying, is_inverse; contract_usd; lot_exponent, mark_exponent and
                      position_limit (all three, or none: chosen from the first price)
    [[files]]         path, kind = "trades" | "bars" | "quotes"
                      bars: source or instrument, bar_s; delay_ms where the file has no such column

    trades   exchange_us, received_us, source, asset or instrument (or both columns), price, amount
    bars     ts, open, high, low, close, volume[, delay_ms]
    quotes   exchange_us, received_us, instrument, bid, ask

Options are not described here: they come with a chain snapshot (`load_chain`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from steelyard.feeds.bar_files import read_bars
from steelyard.feeds.market import PerpetualPlan, Recording
from steelyard.feeds.names import is_name
from steelyard.feeds.streams import LOOK_BACK_US, QuoteTerms, RawRows, SourceTerms, clean
from steelyard.feeds.tables import (
    codes,
    column_types,
    floats,
    is_table,
    read_table,
    times_us,
    unreadable,
    within,
)
from steelyard.quantities import InputError
from steelyard.terms import Asset, Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET

MARKET_FILE = "market.toml"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class AssetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One asset; its scales are both stated, or both chosen from the first price."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    exponent: int | None = None
    price_exponent: int | None = None


class SourceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of index prices."""

    name: Name
    asset: str
    operator: Name
    weight: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    stale_after_s: Seconds


class PerpetualTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One perpetual, named by its underlying: X_USDC-PERPETUAL, or X-PERPETUAL if it is inverse."""

    underlying: str
    is_inverse: bool = False
    contract_usd: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    lot_exponent: int | None = None
    mark_exponent: int | None = None
    position_limit: int | None = None


class FileTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of rows."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    kind: Literal["trades", "bars", "quotes"]
    source: str = ""
    instrument: str = ""
    bar_s: Seconds | None = None
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=1_800_000)] = 0


class MarketTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole market.toml."""

    name: Name
    assets: list[AssetTable]
    sources: list[SourceTable]
    files: list[FileTable]
    perpetuals: list[PerpetualTable] = []


def read_own(folder: Path, from_us: int, to_us: int, *, keep_bad: bool = False) -> Recording:
    """Return the recording that a folder's market.toml describes. Errors: FEED-E01 to E03, E06, E07."""
    market = _decoded(folder / MARKET_FILE)
    assets = _assets(market)
    sources = {source.name: _source_terms(source) for source in market.sources}
    plans, instruments = _perpetuals(market)
    listed = {plan.listed(1.0).name for plan in plans} | {each.name for each in instruments}
    parts: dict[tuple[str, bool], list[RawRows]] = {}
    spans: list[tuple[Path, str]] = []
    for entry in market.files:
        path = _inside(folder, entry.path)
        spans.append((path, "ts" if entry.kind == "bars" else "received_us"))
        for name, rows in _rows_of(path, entry, sources, listed, from_us, to_us):
            parts.setdefault((name, entry.kind == "bars"), []).append(rows)
    streams = []
    for (name, is_bars), found in parts.items():
        if (name, not is_bars) in parts:
            raise _broken(
                f"{name!r} has both bars and trades", "files", "a stream has rows of one kind"
            )
        terms = sources.get(name) or QuoteTerms(f"{market.name}:{name}", name)
        joined = RawRows.joined(found)
        streams.append(clean(terms, joined, one_per_time=is_bars, keep_bad=keep_bad))
    # A source without a row is listed all the same: it is silent, and that counts against a quorum.
    silent = [terms for name, terms in sources.items() if name not in {s.name for s in streams}]
    nothing = RawRows(*(np.zeros(0, dtype=np.int64),) * 2, *(np.zeros(0),) * 2)
    streams += [clean(terms, nothing, one_per_time=True) for terms in silent]
    return Recording(market.name, streams, assets, plans, instruments, spans=spans)


def _decoded(path: Path) -> MarketTable:
    try:
        market = msgspec.toml.decode(path.read_bytes(), type=MarketTable)
    except OSError as error:
        raise unreadable(path, str(error)) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _broken(
            str(error), MARKET_FILE, "the file is TOML with the published fields"
        ) from None
    if not is_name(market.name):
        raise _broken(f"the name {market.name!r} is not printable", "name", "names are printable")
    for field in ("assets", "sources", "files"):
        names = [
            each.path if isinstance(each, FileTable) else each.name
            for each in getattr(market, field)
        ]
        if not names or len(set(names)) != len(names):
            raise _broken(
                f"{field} is empty or repeats a name", field, "one entry or more, each once"
            )
    return market


def _assets(market: MarketTable) -> dict[str, Asset | None]:
    assets: dict[str, Asset | None] = {}
    for table in market.assets:
        if (table.exponent is None) != (table.price_exponent is None):
            raise _broken(
                f"asset {table.name!r} states one scale of two",
                "assets",
                "exponent and price_exponent are both stated, or neither",
            )
        if table.exponent is None or table.price_exponent is None:
            assets[table.name] = None
        else:
            assets[table.name] = Asset(table.name, table.exponent, table.price_exponent).check()
    if ACCOUNTING_ASSET in assets:
        raise _broken(
            f"{ACCOUNTING_ASSET} is always listed", "assets", "assets are those with prices"
        )
    for source in market.sources:
        if source.asset not in assets:
            raise _broken(
                f"source {source.name!r} prices the unknown asset {source.asset!r}",
                "sources",
                "a source prices an asset of the list",
            )
        if not (is_name(source.name) and is_name(source.operator)):
            raise _broken(f"{source.name!r} is not printable", "sources", "names are printable")
    return assets


def _source_terms(table: SourceTable) -> SourceTerms:
    return SourceTerms(
        table.name, table.asset, table.operator, table.weight, table.stale_after_s * 1_000_000
    )


def _perpetuals(market: MarketTable) -> tuple[list[PerpetualPlan], list[Instrument]]:
    plans: list[PerpetualPlan] = []
    stated: list[Instrument] = []
    names: set[str] = set()
    assets = {table.name for table in market.assets}
    for table in market.perpetuals:
        plan = PerpetualPlan(table.underlying, table.is_inverse, table.contract_usd)
        template = plan.listed(1.0)
        if table.contract_usd is not None and not table.is_inverse:
            raise _broken(
                f"{template.name!r} is linear and states contract_usd",
                "perpetuals",
                "contract_usd goes with is_inverse = true",
            )
        if table.underlying not in assets or template.name in names:
            raise _broken(
                f"{template.name!r} repeats, or its underlying is not an asset of the list",
                "perpetuals",
                "a perpetual of a listed asset, once",
            )
        names.add(template.name)
        lot, mark, limit = table.lot_exponent, table.mark_exponent, table.position_limit
        if lot is None and mark is None and limit is None:
            plans.append(plan)
        elif lot is None or mark is None or limit is None:
            raise _broken(
                f"{template.name!r} states some scales only",
                "perpetuals",
                "lot_exponent, mark_exponent and position_limit are all stated, or none",
            )
        else:
            changed = msgspec.structs.replace(
                template, lot_exponent=lot, mark_exponent=mark, position_limit=limit
            )
            stated.append(changed)
    return plans, stated


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not is_table(path) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise _broken(
            f"file {name!r} is not a .parquet, .csv or .csv.gz file in the folder",
            "files",
            "a path below the folder of market.toml, ending in .parquet, .csv or .csv.gz",
        )
    return path


def _rows_of(
    path: Path,
    entry: FileTable,
    sources: dict[str, SourceTerms],
    listed: set[str],
    from_us: int,
    to_us: int,
) -> list[tuple[str, RawRows]]:
    """Return (source or instrument, rows) of one file."""
    if entry.kind == "bars":
        name = entry.source or entry.instrument
        if bool(entry.source) == bool(entry.instrument) or entry.bar_s is None:
            raise _broken(
                f"file {entry.path!r} lacks bar_s, or names not exactly one source or instrument",
                "files",
                "bars state bar_s and either source or instrument",
            )
        if name not in (sources if entry.source else listed):
            raise _unknown(path, None, "source" if entry.source else "instrument", name)
        reach = max(LOOK_BACK_US, sources[name].stale_after_us if name in sources else 0)
        rows = read_bars(
            path,
            entry.bar_s * 1_000_000,
            from_us,
            to_us,
            look_back_us=reach,
            delay_us=entry.delay_ms * 1000,
        )
        return [(name, rows)]
    if entry.kind == "quotes":
        return _read_quotes(path, listed, from_us, to_us)
    return _read_trades(path, sources, listed, from_us, to_us)


def _read_quotes(
    path: Path, listed: set[str], from_us: int, to_us: int
) -> list[tuple[str, RawRows]]:
    keep = within(column_types(path), "received_us", from_us - 2 * LOOK_BACK_US, to_us)
    wanted = ("exchange_us", "received_us", "instrument", "bid", "ask")
    table = read_table(path, wanted, where=keep)
    rows = RawRows(
        times_us(path, table, "received_us"),
        times_us(path, table, "exchange_us"),
        floats(path, table, "bid"),
        floats(path, table, "ask"),
    )
    near = rows.near(from_us, to_us)
    instrument, instruments = codes(path, table, "instrument")
    found = []
    for code, name in enumerate(instruments):
        at = np.flatnonzero((instrument == code) & near)
        if at.size and name not in listed:
            raise _unknown(path, int(rows.known_us[at[0]]), "instrument", name)
        found.append((name, rows.take(at)))
    return [(name, part) for name, part in found if part.known_us.size]


def _read_trades(
    path: Path, sources: dict[str, SourceTerms], listed: set[str], from_us: int, to_us: int
) -> list[tuple[str, RawRows]]:
    """Return the rows by source where a row names an asset, by instrument where it names one of those."""
    types = column_types(path)
    named = [column for column in ("asset", "instrument") if column in types]
    keep = within(types, "received_us", from_us - 2 * LOOK_BACK_US, to_us)
    wanted = ["exchange_us", "received_us", "source", "price", *(named or ["asset"])]
    table = read_table(path, wanted, where=keep)
    price = floats(path, table, "price")
    rows = RawRows(
        times_us(path, table, "received_us"), times_us(path, table, "exchange_us"), price, price
    )
    near = rows.near(from_us, to_us)
    empty = np.zeros(price.size, dtype=np.int64), [""]
    source, source_names = codes(path, table, "source")
    asset, asset_names = codes(path, table, "asset") if "asset" in named else empty
    traded, traded_names = codes(path, table, "instrument") if "instrument" in named else empty
    found: list[tuple[str, RawRows]] = []
    key = (source * len(asset_names) + asset) * len(traded_names) + traded
    for which in np.unique(key):
        at = np.flatnonzero((key == which) & near)
        if not at.size:
            continue
        rest, t = divmod(int(which), len(traded_names))
        s, a = divmod(rest, len(asset_names))
        received_us, instrument = int(rows.known_us[at[0]]), traded_names[t]
        if bool(instrument) == bool(asset_names[a]):
            raise _unknown(path, received_us, "asset", asset_names[a] + instrument)
        if instrument:
            if instrument not in listed:
                raise _unknown(path, received_us, "instrument", instrument)
            found.append((instrument, rows.take(at)))
            continue
        terms = sources.get(source_names[s])
        if terms is None or terms.asset != asset_names[a]:
            raise _unknown(path, received_us, "source", f"{source_names[s]} of {asset_names[a]}")
        found.append((terms.source, rows.take(at)))
    return found


def _unknown(path: Path, received_us: int | None, field: str, value: str) -> InputError:
    # The row is named by its time: a Parquet file is read in part, so its row numbers are not known.
    place = {} if received_us is None else {"received_us": received_us}
    return InputError(
        "FEED-E07",
        f"{field} {value[:80]!r} is not described in {MARKET_FILE}, or a row names none or two things",
        rule="a row names one listed source with its asset, or one listed instrument",
        cure=f"add it to {MARKET_FILE} or mend the row",
        file=path.name,
        **place,
        field=field,
    )


def _broken(message: str, field: str, rule: str) -> InputError:
    return InputError(
        "FEED-E06",
        message[:400],
        rule=rule,
        cure="correct market.toml; docs/recorded-data.md shows one",
        file=MARKET_FILE,
        field=field,
    )
