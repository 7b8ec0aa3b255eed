"""Positions and balances of accounts, from frames and dicts, as a batch in columns.

Names are looked at once each, whatever the number of rows. Accounts stand in the order in which they
first appear: among the positions, then the balances, then the accounts' own frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from steelyard.frames.read import numbers, refuse
from steelyard.frames.tables import FrameKind, kind_of
from steelyard.margin.methods.batch.columns import (
    GIVEN_AMOUNTS,
    STATED_NUMBERS,
    STATED_TEXTS,
    Batch,
    Floats,
    Objects,
    Places,
)

MODES = ("portfolio", "cross", "isolated", "fully_collateralised")
CONTRACTS = ("linear", "inverse")
ONE = "account"  # the name of the only account where none is named


class Book:
    """A batch, the kind of frame it came in, and whether its accounts have names."""

    def __init__(self, positions: object, balances: object = None, accounts: object = None) -> None:
        self.kind: FrameKind
        frame, self.kind = frame_of(positions, "positions")
        check_columns(
            frame, ("instrument", "quantity"), ("account", *STATED_NUMBERS, *STATED_TEXTS)
        )
        self.names = _Names()
        self.is_named = "account" in frame.columns
        account = self.names.codes(frame["account"]) if self.is_named else None
        cash = _Balances(balances, self.names)
        facts, modes = _facts(accounts, self.names)
        if not self.is_named and not len(self.names):
            self.names.add(ONE)
        if account is None and len(self.names) > 1:
            raise refuse(
                "FRAM-E01", "positions do not say whose they are",
                "positions of several accounts have a column account",
                "add the column account to positions", column="account",
            )  # fmt: skip
        if account is None:
            account = np.zeros(len(frame), np.int64)
        count = len(self.names)
        codes, instruments = encoded(frame["instrument"])
        stated, texts, exact = stated_columns(frame)
        quantity, exact_quantity = _number_column(frame, "quantity")
        if exact_quantity is not None:
            exact["quantity"] = exact_quantity
        balance_account, balance_asset, amount = cash.rows(count)
        if cash.exact is not None:
            exact["amount"] = cash.exact
        given = {name: _spread(column, places, count) for name, (places, column) in facts.items()}
        stated_modes = None
        if modes is not None:
            stated_modes = [modes.get(i) for i in range(count)]
        texts.pop("account", None)
        self.batch = Batch(
            self.names.found, instruments, account, codes, quantity, cash.assets,
            balance_account, balance_asset, amount, stated, texts, stated_modes, given, exact,
        )  # fmt: skip


class _Names:
    """The names of accounts, each once, in the order of their first appearance."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.place: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self.found)

    def add(self, name: Any) -> int:
        place = self.place.setdefault(name, len(self.found))
        if place == len(self.found):
            self.found.append(name)
        return place

    def codes(self, column: nw.Series[Any]) -> Places:
        """Return the places of a column's accounts. Errors: FRAM-E02 for a row without one."""
        codes, names = encoded(column, is_text=False)
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            raise refuse(
                "FRAM-E02", "account is missing", "a row belongs to an account", "name the account",
                row=row, column="account",
            )  # fmt: skip
        if not self.found:
            self.found = names
            self.place = dict(zip(names, range(len(names)), strict=True))
            return codes
        places = np.array([self.add(name) for name in names], np.int64)
        return places[codes] if len(places) else codes


class _Balances:
    """Balances as they were given: a frame, a dict of columns, amounts for all, or a dict an account."""

    def __init__(self, given: object, names: _Names) -> None:
        self.assets: list[str] = []
        self.exact: Objects | None = None
        self.account: Places | None = None
        self.asset = np.zeros(0, np.int64)
        self.amount = np.zeros(0)
        if given is None or (isinstance(given, Mapping) and not given):
            return
        if isinstance(given, Mapping) and all(isinstance(v, Mapping) for v in given.values()):
            rows = [(name, a, x) for name, held in given.items() for a, x in held.items()]
            given = {
                "account": [row[0] for row in rows], "asset": [row[1] for row in rows],
                "amount": [row[2] for row in rows],
            }  # fmt: skip
        elif isinstance(given, Mapping) and not {"asset", "amount"} <= set(given):
            given = {"asset": [str(name) for name in given], "amount": list(given.values())}
        frame, _ = frame_of(given, "balances")
        check_columns(frame, ("asset", "amount"), ("account",))
        if "account" in frame.columns:
            self.account = names.codes(frame["account"])
        self.asset, self.assets = encoded(frame["asset"])
        self.amount, self.exact = _number_column(frame, "amount")

    def rows(self, accounts: int) -> tuple[Places, Places, Floats]:
        """Return the balances' accounts, assets and amounts; without accounts every one has them."""
        if self.account is not None:
            return self.account, self.asset, self.amount
        if self.exact is not None:
            self.exact = np.tile(self.exact, accounts)
        return (
            np.repeat(np.arange(accounts), len(self.asset)),
            np.tile(self.asset, accounts),
            np.tile(self.amount, accounts),
        )


def _facts(
    given: object, names: _Names
) -> tuple[dict[str, tuple[Places, Floats]], dict[int, str] | None]:
    """Return amounts given with accounts (places and values) and modes by account."""
    if given is None:
        return {}, None
    frame, _ = frame_of(given, "accounts")
    check_columns(frame, (), ("account", "mode", *GIVEN_AMOUNTS))
    if "account" in frame.columns:
        places = names.codes(frame["account"])
    else:
        places = np.array([names.add(ONE)] * len(frame), np.int64)
    if len(np.unique(places)) != len(places):
        raise refuse(
            "FRAM-E04", "an account stands twice in accounts", "an account has one row",
            "drop one", column="account",
        )  # fmt: skip
    amounts = {
        name: (places, numbers(frame[name], name))
        for name in GIVEN_AMOUNTS
        if name in frame.columns
    }
    if "mode" not in frame.columns:
        return amounts, None
    words = _words(frame["mode"], "mode", MODES)
    return amounts, {
        int(place): word for place, word in zip(places, words, strict=True) if word is not None
    }


def _spread(column: Floats, places: Places, count: int) -> Floats:
    whole = np.full(count, np.nan)
    whole[places] = column
    return whole


def frame_of(given: object, what: str) -> tuple[nw.DataFrame[Any], FrameKind]:
    """Return a frame, a lazy frame or a dict of columns as a narwhals frame, and what kind it was."""
    if isinstance(given, Mapping):
        try:
            table = pa.table({str(name): _arrow(column) for name, column in given.items()})
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
            raise refuse(
                "FRAM-E04", f"{what} is no set of columns: {error}",
                "columns have one length and one kind of value each", "give lists of one length",
            ) from None  # fmt: skip
        return nw.from_native(table, eager_only=True), FrameKind(None, False)
    found: Any = nw.from_native(given, pass_through=True)
    if isinstance(found, nw.LazyFrame):
        return found.collect(), kind_of(found)
    if isinstance(found, nw.DataFrame):
        return found, kind_of(found)
    raise refuse(
        "FRAM-E02", f"{what} is {type(given).__name__}, not a frame",
        f"{what} is a frame of pandas, Polars or Arrow, or a dict of columns", "give a frame",
        column=what,
    )  # fmt: skip


def _arrow(column: object) -> Any:
    if isinstance(column, np.ndarray) and column.dtype.kind in "OU":
        return column.tolist()
    if isinstance(column, Sequence | np.ndarray) and not isinstance(column, str):
        return column
    return pa.array(column)


def check_columns(frame: nw.DataFrame[Any], needs: Sequence[str], knows: Sequence[str]) -> None:
    """Raise FRAM-E01 for a column that is missing, or that seems to be a known one with a slip."""
    columns = [str(name) for name in frame.columns]
    for name in needs:
        if name not in columns:
            near = get_close_matches(name, columns, 1, 0.7)
            hint = f"; is it {near[0]!r}?" if near else ""
            raise refuse(
                "FRAM-E01", f"there is no column {name}{hint}", f"a row has a {name}",
                "rename the column", column=name, columns=", ".join(columns),
            )  # fmt: skip
    known = [*needs, *knows]
    for column in columns:
        near = [] if column in known else get_close_matches(column, known, 1, 0.9)
        if near and near[0] not in columns:
            raise refuse(
                "FRAM-E01", f"the column {column} is not known; is it {near[0]!r}?",
                "a column that counts has its own name", f"rename it to {near[0]}, or drop it",
                column=column,
            )  # fmt: skip


def encoded(column: nw.Series[Any], *, is_text: bool = True) -> tuple[Places, list[Any]]:
    """Return each row's place among the distinct values, and these in the order of first appearance.

    Of texts a missing one is "", else its place is −1.
    """
    found = column.to_arrow()
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.string())
    if is_text:
        if not (pa.types.is_dictionary(array.type) or _is_text(array.type)):
            array = array.cast(pa.string())
        array = array.fill_null("") if array.null_count and _is_text(array.type) else array
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary.to_pylist()
    indices = array.indices
    codes = np.asarray(indices.fill_null(-1) if indices.null_count else indices, np.int64)
    if is_text and (codes < 0).any():
        codes = np.where(codes < 0, len(values), codes)
        values.append("")
    return _by_appearance(codes, values)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _by_appearance(codes: Places, values: list[Any]) -> tuple[Places, list[Any]]:
    """Return the codes renumbered so that values stand in the order of their first row."""
    first = np.full(len(values), -1, np.int64)
    rows = np.flatnonzero(codes >= 0)[::-1]
    first[codes[rows]] = rows  # written last to first: what stays is the first row
    used = np.flatnonzero(first >= 0)
    order = used[np.argsort(first[used], kind="stable")]
    place = np.full(len(values) + 1, -1, np.int64)
    place[order] = np.arange(len(order))
    if (order == np.arange(len(values))).all() if len(order) == len(values) else False:
        return codes, values
    return place[codes], [values[i] for i in order.tolist()]


def stated_columns(
    frame: nw.DataFrame[Any],
) -> tuple[dict[str, Floats], dict[str, Objects], dict[str, Objects]]:
    """Return the stated numbers, texts and decimals of positions; what no row states is left out."""
    stated: dict[str, Floats] = {}
    texts: dict[str, Objects] = {}
    exact: dict[str, Objects] = {}
    for name in STATED_NUMBERS:
        if name not in frame.columns:
            continue
        column, decimals = _number_column(frame, name)
        if not np.isnan(column).all():
            stated[name] = column
            if decimals is not None:
                exact[name] = decimals
    if "contract" in frame.columns:
        words = _words(frame["contract"], "contract", CONTRACTS)
        texts["contract"] = np.array([*words, None], dtype=object)[:-1]
    return stated, texts, exact


def _words(column: nw.Series[Any], name: str, known: Sequence[str]) -> list[str | None]:
    codes, values = encoded(column)
    for place, value in enumerate(values):
        if value and value not in known:
            raise refuse(
                "FRAM-E02", f"{name} is {value!r}", f"a {name} is one of {', '.join(known)}",
                "mend the value", row=int(np.flatnonzero(codes == place)[0]), column=name,
            )  # fmt: skip
    words = [value or None for value in values]
    return [words[code] for code in codes.tolist()]


def _number_column(frame: nw.DataFrame[Any], name: str) -> tuple[Floats, Objects | None]:
    """Return a column as floats, and as decimals where it holds decimals or texts."""
    series = frame[name]
    column = numbers(series, name)
    if series.dtype == nw.Decimal or series.dtype == nw.String or series.dtype == nw.Object:
        items = [_decimal(item) for item in series.to_list()]
        if any(item is not None for item in items):
            return column, np.array([*items, None], dtype=object)[:-1]
    return column, None


def _decimal(item: Any) -> Decimal | None:
    if isinstance(item, str):
        return Decimal(item.strip())
    return item if isinstance(item, Decimal) else None
