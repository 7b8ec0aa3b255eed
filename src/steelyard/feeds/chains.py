"""Chains: a recorded option chain carried to another day by tenor and moneyness.

    expiry'        = anchor + (expiry − snapshot time)          the same time to run
    strike'        = strike × index(anchor) / index(snapshot)   the same moneyness, to two decimals
    implied vol    = as it was
    forward/index  = median over the expiry of underlying_price / index_price

index(snapshot) is the median of the snapshot's `index_price` of that underlying: rows were fetched one
after the other, and strikes must stay one lattice for calls and puts. All expiries shift by the same
time, so their dates stay distinct and so do the names made from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from steelyard.feeds.streams import ORIGIN_PREFIX
from steelyard.feeds.tables import codes, column_types, floats, is_table, read_table, unreadable
from steelyard.quantities import InputError
from steelyard.terms import Instrument
from steelyard.terms.instrument import MONTHS, option_name
from steelyard.terms.listing import option
from steelyard.ticks import VolatilityUpdate
from steelyard.ticks.bounds import PRICE_MAX, TIME_US_MAX
from steelyard.ticks.checks import FORWARD_RATIO_MAX, VOLATILITY_MAX

COLUMNS = ("snapshot", "instrument", "underlying_price", "mark_iv", "index_price")
EXPIRY_HOUR = 8
ORIGIN = ORIGIN_PREFIX + "chain:"

_NAME = re.compile(
    r"^([A-Z0-9_]{1,24})-(\d{1,2})([A-Z]{3})(\d{2})-(\d{1,9}(?:[.d]\d{1,6})?)-([CP])$"
)
_SNAPSHOT = re.compile(r"^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$")


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One usable row of a snapshot."""

    underlying: str
    expiry_us: int
    strike: Decimal
    is_call: bool
    implied_volatility: float
    forward_ratio: float
    index_price: float


@dataclass(frozen=True, slots=True)
class TransportedChain:
    """A chain on its new day. instruments are sorted by (underlying, expiry, strike, call before put).

    updates: one VolatilityUpdate per underlying, in its instruments' order. dropped: rows left out, by
    reason. index_at_snapshot: USD per underlying.
    """

    snapshot: str
    snapshot_us: int
    anchor_us: int
    instruments: list[Instrument]
    updates: list[VolatilityUpdate]
    dropped: dict[str, int]
    row_count: int
    index_at_snapshot: dict[str, float]


def load_chain(
    folder_or_file: Path, anchor_us: int, index: dict[str, float], snapshot: str | None = None
) -> TransportedChain:
    """Return a recorded chain carried to `anchor_us`, where the index prices are `index` (USD).

    snapshot: as in the files (`20251230T173115Z`); the first one without it. Options settle in their
    coin and expire at 08:00 UTC before they are carried. Rows of an underlying without a price in
    `index` are dropped, and so are expired rows and rows without a usable volatility or price; each is
    counted. Errors: FEED-E01 to FEED-E03; FEED-E09 no such snapshot, or no row left.
    """
    if not 0 <= anchor_us <= TIME_US_MAX:
        raise _refused(
            f"the anchor {anchor_us} is out of bounds", "a day between 1970 and 2100", "", {}
        )
    path = Path(folder_or_file)
    holders = snapshots_in(chain_files(path))
    chosen = min(holders) if snapshot is None else snapshot
    if chosen not in holders:
        shown = ", ".join(sorted(holders)[:5])
        raise _refused(
            f"there is no snapshot {chosen!r}",
            f"one of {len(holders)}, first {shown}",
            path.name,
            {},
        )
    snapshot_us = snapshot_time_us(chosen, path)
    dropped: dict[str, int] = {}
    rows: list[ChainRow] = []
    row_count = 0
    for holder in holders[chosen]:
        found = _read_rows(holder, chosen)
        row_count += len(found)
        rows += _usable(found, snapshot_us, index, dropped)
    instruments, updates, prices = _transported(
        rows, anchor_us - snapshot_us, anchor_us, index, dropped
    )
    if not instruments:
        raise _refused(
            "no row of the snapshot can be used", "at least one usable row", path.name, dropped
        )
    return TransportedChain(
        chosen, snapshot_us, anchor_us, instruments, updates, dict(sorted(dropped.items())),
        row_count, prices,
    )  # fmt: skip


def transported_strike(strike: Decimal, index_then: float, index_now: float) -> str:
    """Return strike × now / then, rounded half-even to two decimals, as text without idle zeros.

    >>> transported_strike(Decimal(82000), 88_519.4, 117_000.0), transported_strike(Decimal(100), 2.0, 1.0)
    ('108383.02', '50')
    """
    exact = strike * Decimal(repr(index_now)) / Decimal(repr(index_then))
    rounded = exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
    return f"{rounded:f}".rstrip("0").rstrip(".")


def chain_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise unreadable(
            path, "there is no such file or folder", "a chain is a file or a folder of them"
        )
    tables = sorted(each for each in path.iterdir() if each.is_file() and is_table(each))
    chains = [each for each in tables if set(COLUMNS) <= set(column_types(each))]
    if not chains:
        raise _refused("no file of the layout", f"files with {', '.join(COLUMNS)}", path.name, {})
    return chains


def snapshots_in(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the files that hold each snapshot; one column is read."""
    holders: dict[str, list[Path]] = {}
    for path in paths:
        _, names = codes(path, read_table(path, ("snapshot",)), "snapshot")
        for name in names:
            if name:
                holders.setdefault(name, []).append(path)
    if not holders:
        raise _refused("there is no snapshot at all", "a snapshot or more", paths[0].name, {})
    return holders


def snapshot_time_us(snapshot: str, path: Path) -> int:
    parts = _SNAPSHOT.match(snapshot)
    try:
        if parts is None:
            raise ValueError
        moment = datetime(*(int(part) for part in parts.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        raise _refused(
            f"snapshot {snapshot[:40]!r} is not a time", "YYYYMMDDTHHMMSSZ, UTC", path.name, {}
        ) from None
    return round(moment.timestamp()) * 1_000_000


def _read_rows(path: Path, snapshot: str) -> list[tuple[str, float, float, float]]:
    """Return (instrument, underlying_price, mark_iv, index_price) of a snapshot's rows."""
    kind = column_types(path).get("snapshot")
    plain = kind.value_type if kind is not None and pa.types.is_dictionary(kind) else kind
    is_text = plain is not None and (pa.types.is_string(plain) or pa.types.is_large_string(plain))
    table: Any = read_table(
        path, COLUMNS, where=pc.field("snapshot") == snapshot if is_text else None
    )
    snapshot_code, snapshots = codes(path, table, "snapshot")
    instrument, names = codes(path, table, "instrument")
    columns = [floats(path, table, each) for each in ("underlying_price", "mark_iv", "index_price")]
    rows = zip(
        snapshot_code.tolist(), instrument.tolist(), *(c.tolist() for c in columns), strict=True
    )
    return [
        (names[name], forward, volatility, price)
        for code, name, forward, volatility, price in rows
        if snapshots[code] == snapshot
    ]


def _usable(
    found: Iterable[tuple[str, float, float, float]],
    snapshot_us: int,
    index: dict[str, float],
    dropped: dict[str, int],
) -> list[ChainRow]:
    """Return the rows that can be carried; count the others by reason."""
    rows: list[ChainRow] = []
    for name, forward, volatility, price in found:
        parts = option_parts(name)
        ratio = forward / price if 0.0 < price <= PRICE_MAX and 0.0 < forward <= PRICE_MAX else 0.0
        # The comparisons are written so that a NaN fails them.
        if parts is None:
            reason = "name is not an option's"
        elif parts[0] not in index or not 0.0 < index[parts[0]] <= PRICE_MAX:
            reason = f"no index price of {parts[0]} on the new day"
        elif parts[1] <= snapshot_us:
            reason = "expired at the snapshot"
        elif not 0.0 < volatility <= VOLATILITY_MAX:
            reason = "no usable mark_iv"
        elif not 0.0 < ratio <= FORWARD_RATIO_MAX:
            reason = "no usable underlying_price or index_price"
        else:
            # Stored as 32-bit floats of a percentage with two decimals: six decimals bring it back.
            rows.append(ChainRow(*parts, round(volatility, 6) or volatility, ratio, price))
            continue
        dropped[reason] = dropped.get(reason, 0) + 1
    return rows


def option_parts(name: str) -> tuple[str, int, Decimal, bool] | None:
    """Return (underlying, expiry, strike, is_call) of an instrument's name, or None."""
    found = _NAME.match(name)
    if found is None or found[3] not in MONTHS:
        return None
    try:
        day = datetime(2000 + int(found[4]), MONTHS.index(found[3]) + 1, int(found[2]), tzinfo=UTC)
    except ValueError:
        return None
    strike = Decimal(found[5].replace("d", "."))
    expiry = day + timedelta(hours=EXPIRY_HOUR)
    return (
        (found[1], round(expiry.timestamp()) * 1_000_000, strike, found[6] == "C")
        if strike
        else None
    )


def _transported(
    rows: Sequence[ChainRow],
    shift_us: int,
    anchor_us: int,
    index: dict[str, float],
    dropped: dict[str, int],
) -> tuple[list[Instrument], list[VolatilityUpdate], dict[str, float]]:
    prices: dict[str, list[float]] = {}
    ratios: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        prices.setdefault(row.underlying, []).append(row.index_price)
        ratios.setdefault((row.underlying, row.expiry_us), []).append(row.forward_ratio)
    then = {name: float(median(found)) for name, found in sorted(prices.items())}
    forwards = {key: float(median(found)) for key, found in ratios.items()}
    instruments: list[Instrument] = []
    updates: list[VolatilityUpdate] = []
    seen: set[str] = set()
    order = sorted(rows, key=lambda r: (r.underlying, r.expiry_us, r.strike, not r.is_call))
    for underlying in then:
        names: list[str] = []
        volatilities: list[float] = []
        forward_ratios: list[float] = []
        for row in order:
            if row.underlying != underlying:
                continue
            option = _option(row, shift_us, then[underlying], index[underlying])
            if option is None or option.name in seen:
                reason = "strike or expiry out of bounds" if option is None else "name repeated"
                dropped[reason] = dropped.get(reason, 0) + 1
                continue
            seen.add(option.name)
            instruments.append(option)
            names.append(option.name)
            volatilities.append(row.implied_volatility)
            forward_ratios.append(forwards[underlying, row.expiry_us])
        if names:
            origin = ORIGIN + underlying
            updates.append(
                VolatilityUpdate(
                    anchor_us, origin, 1, underlying, names, volatilities, forward_ratios, anchor_us
                )
            )
    return instruments, updates, then


def _option(row: ChainRow, shift_us: int, then: float, now: float) -> Instrument | None:
    expiry_us = row.expiry_us + shift_us
    strike = transported_strike(row.strike, then, now)
    if not 0 < expiry_us <= TIME_US_MAX or Decimal(strike) <= 0 or Decimal(strike) > 10**12:
        return None
    day = datetime.fromtimestamp(expiry_us // 1_000_000, UTC)
    name = option_name(row.underlying, day.day, day.month, day.year, strike, row.is_call)
    return option(row.underlying, name, strike, now, expiry_us, is_call=row.is_call)


def _refused(message: str, rule: str, file: str, dropped: dict[str, int]) -> InputError:
    return InputError(
        "FEED-E09",
        message,
        rule=rule,
        cure="choose a snapshot that the files hold, with index prices of its underlyings",
        file=file,
        **{f"dropped_{reason.replace(' ', '_')}": count for reason, count in dropped.items()},
    )
