"""Option chains as quotes: what a surface is fitted to.

A chain file is a table of one row an option: `instrument` (as on Deribit, BTC-27MAR26-70000-C), `bid`,
`ask`, and where the venue gives them `snapshot` (YYYYMMDDTHHMMSSZ), `underlying_price` (the future of the
expiry), `underlying_name` (SYN.… when there is no such future), `mark_iv` (0.45 = 45 %), `mark`,
`index_price` and `quote_time` (UTC). A row whose name is no option's is left out and reported; numbers are
judged where they are used, so that each row keeps its own verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.feeds.chains import chain_files, option_parts, snapshot_time_us, snapshots_in
from steelyard.feeds.tables import NO_TIME, codes, column_types, floats, read_table, times_us
from steelyard.quantities import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUMBERS = ("bid", "ask", "mark", "mark_iv", "underlying_price", "index_price")
OPTIONAL = (
    "snapshot",
    "mark",
    "mark_iv",
    "underlying_price",
    "underlying_name",
    "index_price",
    "quote_time",
)
LINEAR_SUFFIXES = ("_USDC", "_USDT", "_USD")
SYNTHETIC_PREFIX = "SYN."


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of a file that is no option: its number from 1 in the file, the field, and why."""

    row: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChainQuotes:
    """The quotes of one underlying at one moment, one entry an option, in the order they came.

    Prices are per unit of the underlying: in coin if `is_inverse`, else in the unit of the strike. A missing
    number is NaN, a missing time NO_TIME. row: number from 1 in the source. forward: the venue's price of
    the expiry's future; is_synthetic: the venue made it up, since it lists no such future.
    """

    underlying: str
    time_us: int
    is_inverse: bool
    row: Ints
    expiry_us: Ints
    strike: Floats
    is_call: NDArray[np.bool_]
    bid: Floats
    ask: Floats
    mark_volatility: Floats
    forward: Floats
    is_synthetic: NDArray[np.bool_]
    index: Floats
    quote_time_us: Ints

    def __len__(self) -> int:
        return len(self.strike)

    def select(self, rows: NDArray[Any]) -> ChainQuotes:
        """Return the chosen rows (indices or flags)."""
        columns = {
            name: getattr(self, name)[rows] for name in self.__slots__ if name not in _NOT_COLUMNS
        }
        return ChainQuotes(self.underlying, self.time_us, self.is_inverse, **columns)


_NOT_COLUMNS = ("underlying", "time_us", "is_inverse")


@dataclass(frozen=True, slots=True)
class ChainSnapshot:
    """One moment of a chain file. chains: by underlying, in order of their names."""

    snapshot: str
    time_us: int
    chains: dict[str, ChainQuotes]
    rejected: list[RejectedRow]


def list_snapshots(folder_or_file: Path) -> list[str]:
    """Return the names of the snapshots that a chain file, or a folder of them, holds, in order.

    A file without the column `snapshot` has one, named "". Errors: FEED-E01 to FEED-E03, FEED-E09.
    """
    path = Path(folder_or_file)
    if path.is_file() and "snapshot" not in column_types(path):
        return [""]
    return sorted(snapshots_in(chain_files(path)))


def read_chain(
    folder_or_file: Path,
    snapshot: str | None = None,
    *,
    time_us: int | None = None,
    is_inverse: bool | None = None,
) -> ChainSnapshot:
    """Return one snapshot of a chain, the first one if none is named.

    time_us: the moment of a file without the column `snapshot`. is_inverse: whether prices are in coin; if
    not said, they are, except for underlyings named like BTC_USDC, as Deribit names its linear options.
    Errors: FEED-E01 to FEED-E03; FEED-E09 no such snapshot, no time, or no option in it.
    """
    path = Path(folder_or_file)
    if path.is_file() and "snapshot" not in column_types(path):
        if time_us is None:
            raise _refused("the file does not say when its quotes were", "a time for them", path)
        name, files, at_us = "", [path], time_us
    else:
        holders = snapshots_in(chain_files(path))
        name = min(holders) if snapshot is None else snapshot
        if name not in holders:
            shown = ", ".join(sorted(holders)[:5])
            raise _refused(
                f"there is no snapshot {name!r}", f"one of {len(holders)}, first {shown}", path
            )
        files, at_us = holders[name], snapshot_time_us(name, path)
    rejected: list[RejectedRow] = []
    parts = [_columns(file, name, rejected) for file in files]
    merged = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    chains = {}
    for underlying in sorted(set(merged["underlying"].tolist())):
        mine = merged["underlying"] == underlying
        columns = {key: value[mine] for key, value in merged.items() if key != "underlying"}
        linear = underlying.endswith(LINEAR_SUFFIXES)
        chains[underlying] = ChainQuotes(
            underlying, at_us, (not linear) if is_inverse is None else is_inverse, **columns
        )
    if not chains:
        raise _refused("no row is an option", "names like BTC-27MAR26-70000-C", path)
    return ChainSnapshot(name, at_us, chains, rejected)


def _columns(path: Path, snapshot: str, rejected: list[RejectedRow]) -> dict[str, NDArray[Any]]:
    """Return the columns of one file's rows of the snapshot."""
    table: Any = read_table(path, ("instrument", "bid", "ask"), optional=OPTIONAL)
    present = set(table.column_names)
    name_code, names = codes(path, table, "instrument")
    numbers = {
        each: floats(path, table, each) if each in present else np.full(len(name_code), np.nan)
        for each in NUMBERS
    }
    chosen = np.ones(len(name_code), np.bool_)
    if "snapshot" in present and snapshot:
        snapshot_code, snapshots = codes(path, table, "snapshot")
        chosen = snapshot_code == snapshots.index(snapshot)
    options = [option_parts(name) for name in names]
    is_option = np.array([part is not None for part in options], np.bool_)[name_code]
    rejected += [
        RejectedRow(
            int(i) + 1, "instrument", f"{names[name_code[i]][:60]!r} is not an option's name"
        )
        for i in np.flatnonzero(chosen & ~is_option)
    ]
    keep = np.flatnonzero(chosen & is_option)
    code = name_code[keep]
    synthetic = np.zeros(len(keep), np.bool_)
    if "underlying_name" in present:
        label_code, labels = codes(path, table, "underlying_name")
        is_made_up = np.array([label.startswith(SYNTHETIC_PREFIX) for label in labels], np.bool_)
        synthetic = is_made_up[label_code[keep]]
    quote_time = np.full(len(keep), NO_TIME)
    if "quote_time" in present:
        quote_time = times_us(path, table, "quote_time")[keep]
    return {
        "underlying": _looked_up(options, code, 0, object),
        "row": keep + 1,
        "expiry_us": _looked_up(options, code, 1, np.int64),
        "strike": _looked_up(options, code, 2, np.float64),
        "is_call": _looked_up(options, code, 3, np.bool_),
        "bid": numbers["bid"][keep],
        "ask": numbers["ask"][keep],
        "mark_volatility": np.round(numbers["mark_iv"][keep], 6),
        "forward": numbers["underlying_price"][keep],
        "is_synthetic": synthetic,
        "index": numbers["index_price"][keep],
        "quote_time_us": quote_time,
    }


def _looked_up(options: Sequence[Any], code: Ints, part: int, kind: Any) -> NDArray[Any]:
    """Return one part of each row's name, through the list of different names."""
    values = np.empty(len(options), kind)
    for i, option in enumerate(options):
        if option is not None:
            values[i] = option[part]
    picked: NDArray[Any] = values[code]
    return picked


def _refused(message: str, rule: str, path: Path) -> InputError:
    return InputError(
        "FEED-E09",
        message,
        rule=rule,
        cure="choose a snapshot that the files hold, or say the time of the quotes",
        file=path.name,
    )
