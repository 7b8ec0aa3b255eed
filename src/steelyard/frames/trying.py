"""`what_if`: trades tried on the accounts of a frame, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np

from steelyard.frames.accounts import Book, check_columns, encoded, frame_of, stated_columns
from steelyard.frames.kinds import FrameGiven
from steelyard.frames.margining import with_cash
from steelyard.frames.markets import library_of, market_of, method_of
from steelyard.frames.read import numbers, refuse
from steelyard.margin.methods.batch import Batch, BatchMargins, margins_of
from steelyard.margin.methods.batch.alone import of_account
from steelyard.margin.methods.batch.columns import (
    STATED_NUMBERS,
    STATED_TEXTS,
    Floats,
    Places,
    contracts_named,
)
from steelyard.margin.methods.batch.trades import Trades, traded
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Market

LEVELS = ("equity", "initial_requirement", "maintenance_requirement")
LEGS_AT_ONCE = 4_000_000  # positions of all the copies of accounts that are held at once


def what_if(
    positions: Any,
    market: Any,
    trades: Any,
    method: Any,
    *,
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return the trades, each tried on its own, with what it does to its account's margin.

    trades: a frame or dict with `instrument`, `quantity` (signed) and, as needed, `account` (of several),
    `price` (the mark otherwise: then equity stays what it was) and what a position that the trade opens
    states, such as `leverage`. The rest is as `margin`. A price is in USD a unit of the underlying; of an
    option under a coin-settled method in the coin. How a fill is booked: `margin.methods.batch.trades`.

    The trades come back with these columns: equity_before, equity_after, and of both requirements before,
    after and change (initial_requirement_change …); is_affordable, whether equity covers the initial
    requirement afterwards (false where the method states none); error. Where ledgers stand apart the
    numbers are those of the traded ledger.

    Errors: as `margin`; FRAM-E02 for an account that holds nothing.

    >>> market = {"as_of": "2026-06-01T08:00:00Z",
    ...           "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}}
    >>> held = {"instrument": ["BTC-PERPETUAL"], "quantity": [1.0]}
    >>> tried = {"instrument": ["BTC-PERPETUAL"] * 2, "quantity": [-0.5, 0.5]}
    >>> found = what_if(held, market, tried, "paradex-pm", balances={"USDC": 14_000})
    >>> found["initial_requirement_change"], found["is_affordable"]
    ([-5600.0, 5600.0], [True, False])
    """
    book = Book(positions, balances, accounts)
    document = method_of(method, library_of(methods_folder), version, at)
    desk = Desk(with_cash(book.batch, document), market_of(market), document, parameters)
    frame, kind = frame_of(trades, "trades")
    results = _told(desk.tried(_trades_of(frame, book)))
    found = FrameGiven(frame, kind.is_lazy).answer(results, "")
    return found.to_pydict() if kind.library is None else found


class Tried(NamedTuple):
    """Of K trades: equity and both requirements before and after (K,), and errors by trade."""

    before: list[Floats]
    after: list[Floats]
    errors: dict[int, SteelyardError]

    @property
    def is_affordable(self) -> np.ndarray[Any, Any]:
        """Whether equity covers the initial requirement afterwards (K,); False for an error."""
        return np.asarray(self.after[0] >= self.after[1])


class Desk:
    """Accounts to try trades on, with what they need before."""

    def __init__(
        self,
        batch: Batch,
        market: Market[Any],
        document: MethodDocument,
        parameters: Mapping[str, Any] | None,
    ) -> None:
        self.batch = batch
        self.market = market
        self.document = document
        self.parameters = parameters
        self.before = margins_of(batch, market, document, parameters)

    def tried(self, trades: Trades) -> Tried:
        """Return what each trade does; many trades on large accounts are tried in pieces."""
        count = len(trades.account)
        held = len(self.batch.account) / max(1, len(self.batch)) + 1.0
        piece = max(1, int(LEGS_AT_ONCE / held))
        if count <= piece:
            return self._tried(trades)
        found = [
            self._tried(part_of(trades, np.arange(start, min(start + piece, count))))
            for start in range(0, count, piece)
        ]
        errors = {
            k + piece * number: error
            for number, each in enumerate(found)
            for k, error in each.errors.items()
        }
        return Tried(
            [np.concatenate(levels) for levels in zip(*(f.before for f in found), strict=True)],
            [np.concatenate(levels) for levels in zip(*(f.after for f in found), strict=True)],
            errors,
        )

    def _tried(self, trades: Trades) -> Tried:
        done = traded(self.batch, trades, self.market, self.document, self.parameters)
        found = margins_of(done.batch, self.market, self.document, self.parameters)
        ledger = [None if c is None else c.underlying for c in contracts_named(trades.instruments)]
        wanted = [ledger[i] for i in trades.instrument.tolist()]
        before, was = levels_of(self.before, trades.account, wanted)
        after, now = levels_of(found, np.arange(len(trades.account)), wanted)
        holders = self.batch.accounts
        errors = {
            k: of_account(error, holders[int(trades.account[k])])
            for k, error in done.errors.items()
        }
        for rows, known in ((now, found.errors), (was, self.before.errors)):
            if known:
                for k in np.flatnonzero(np.isin(rows, list(known))).tolist():
                    error = known[int(rows[k])]
                    errors.setdefault(k, of_account(error, holders[int(trades.account[k])]))
        for level in after:
            level[list(errors)] = np.nan
        return Tried(before, after, errors)


def part_of(trades: Trades, places: Places) -> Trades:
    """Return some of the trades, in the order given."""
    return Trades(
        trades.instruments, trades.account[places], trades.instrument[places],
        trades.quantity[places], trades.price[places],
        {name: column[places] for name, column in trades.stated.items()},
        {name: column[places] for name, column in trades.texts.items()},
    )  # fmt: skip


def levels_of(
    found: BatchMargins, account: Places, ledger: Sequence[str | None]
) -> tuple[list[Floats], Places]:
    """Return equity and requirements of accounts, or of their ledgers where these stand apart, and the rows.

    A ledger that is not there is empty: zeros, and the row −1.
    """
    rows = np.searchsorted(found.account, account)
    is_apart = any(name is not None for name in found.underlying)
    if is_apart:
        known = {
            (int(a), u): row
            for row, (a, u) in enumerate(zip(found.account.tolist(), found.underlying, strict=True))
        }
        rows = np.array(
            [known.get((int(a), u), -1) for a, u in zip(account.tolist(), ledger, strict=True)],
            np.int64,
        )
    levels = [np.where(rows >= 0, getattr(found, name)[rows], 0.0) for name in LEVELS]
    return levels, rows


def _trades_of(frame: nw.DataFrame[Any], book: Book) -> Trades:
    check_columns(
        frame, ("instrument", "quantity"), ("account", "price", *STATED_NUMBERS, *STATED_TEXTS)
    )
    codes, instruments = encoded(frame["instrument"])
    count = len(codes)
    price = numbers(frame["price"], "price") if "price" in frame.columns else np.full(count, np.nan)
    stated, texts, _ = stated_columns(frame)
    return Trades(
        instruments, accounts_named(frame, book), codes, numbers(frame["quantity"], "quantity"), price,
        stated, texts,
    )  # fmt: skip


def accounts_named(frame: nw.DataFrame[Any], book: Book) -> Places:
    """Return the places of the accounts that trades name. Errors: FRAM-E01, FRAM-E02."""
    if "account" not in frame.columns:
        if len(book.batch) == 1:
            return np.zeros(len(frame), np.int64)
        raise refuse(
            "FRAM-E01", "trades do not say whose they are",
            "a trade of several accounts names one", "add the column account to trades",
            column="account",
        )  # fmt: skip
    codes, names = encoded(frame["account"], is_text=False)
    places = np.array([book.names.place.get(name, -1) for name in names] + [-1], np.int64)[codes]
    if (places < 0).any():
        row = int(np.flatnonzero(places < 0)[0])
        raise refuse(
            "FRAM-E02", f"the account {frame['account'][row]!r} is not among the positions",
            "a trade is tried on an account that is there",
            "name one of the positions' accounts, or list it with a balance", row=row,
            column="account",
        )  # fmt: skip
    return places


def _told(tried: Tried) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns that trades come back with."""
    count = len(tried.after[0])
    columns: dict[str, np.ndarray[Any, Any]] = {
        "equity_before": tried.before[0], "equity_after": tried.after[0]
    }  # fmt: skip
    for name, before, after in zip(LEVELS[1:], tried.before[1:], tried.after[1:], strict=True):
        columns[f"{name}_before"] = before
        columns[f"{name}_after"] = after
        columns[f"{name}_change"] = after - before
    columns["is_affordable"] = tried.is_affordable
    errors = np.full(count, None, dtype=object)
    for row, error in tried.errors.items():
        errors[row] = str(error)
    columns["error"] = errors
    return columns
