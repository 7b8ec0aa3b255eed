"""`margin` and `compare`: what methods require of the accounts of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from steelyard.frames.accounts import Book
from steelyard.frames.markets import library_of, market_of, method_of
from steelyard.frames.tables import FrameKind, table_of, taken
from steelyard.margin.methods.batch import Batch, BatchMargins, margins_of
from steelyard.margin.methods.batch.columns import Floats, Places
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Market

CASH = "cash"
# Methods that state no requirement of an account: a rank of holders, and the price of an auction.
WITHOUT_REQUIREMENT = frozenset({"bitmex-adl", "derive-auction"})


def margin(
    positions: Any,
    market: Any,
    method: Any,
    *,
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return equity and requirements of every account under one method: a row an account.

    positions: a frame (pandas, Polars, lazy, Arrow) or a dict of columns: `instrument` (BTC-PERPETUAL,
    BTC-26JUN26, BTC-26JUN26-70000-C), `quantity` (in units of the underlying, short is negative) and, as
    the method needs them, `account`, `entry_price`, `mark_price`, `unrealised_pnl`, `unrealised_funding`,
    `isolated_margin`, `leverage`, `contract`, `bankruptcy_price`, `delta`. Under dydx-v4 the USDC balance
    is what is left after paying for the positions, as the venue counts it: an entry price changes nothing.
    market: a `Market`, a `Case`, or a dict, JSON text or file in the form of a case's market.
    method: a name, the path of a document, or a `MethodDocument`; `version` or `at` choose one of its
    versions (the newest otherwise), `methods_folder` adds documents, `parameters` overrides parameters.
    balances: a frame with `asset`, `amount` and, if not for all, `account`; or {asset: amount} for all, or
    {account: {asset: amount}}. The asset "cash" is the settlement currency of the method, whichever.
    accounts: a frame with `account` and its `mode` or given amounts, such as `spot_margin`.

    The answer is of the kind of `positions`, accounts in the order of their first rows: account,
    underlying, method, version, hash, currency, equity, initial_requirement, maintenance_requirement,
    initial_ratio and margin_ratio (equity over initial and maintenance requirement: short of margin below
    1; null where nothing is required), error. An account that is wrong has null numbers and says why.
    Where a method keeps a ledger for each coin there is a row a ledger, and `underlying` is its coin. One
    that margins a single underlying at a time margins each of an account's alone, and adds up; cash
    counts once. Numbers are those of the method for that account alone, bit for bit; exact decimals of
    exact methods as the nearest floats.

    Errors: FRAM-E01 a column is missing, FRAM-E02 a value that is none, FRAM-E04 columns that do not go
    together, FRAM-E05 the market; TERM-… the method or its parameters.

    >>> market = {"as_of": "2026-06-01T08:00:00Z",
    ...           "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}}
    >>> held = {"account": ["a", "b"], "instrument": ["BTC-PERPETUAL"] * 2, "quantity": [1.0, -0.5]}
    >>> found = margin(held, market, "paradex-pm", balances={"USDC": 14_000})
    >>> found["initial_requirement"], found["margin_ratio"]
    ([11200.0, 5600.0], [2.5, 5.0])
    """
    book = Book(positions, balances, accounts)
    document = method_of(method, library_of(methods_folder), version, at)
    found = margins_of(with_cash(book.batch, document), market_of(market), document, parameters)
    rows = _Rows(book.batch)
    rows.add(document, found)
    return rows.table(book.kind)


def compare(
    positions: Any,
    market: Any,
    methods: Sequence[Any] | None = None,
    *,
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return the rows of `margin` under several methods, method after method: account × method.

    methods: names, paths or documents; None is every method of the library that states a requirement of
    an account. parameters: overrides by the method's name. The rest is as `margin`. A method that does
    not cover an account, or cannot be applied at all, says so in `error` in every row it concerns.

    >>> market = {"as_of": "2026-06-01T08:00:00Z",
    ...           "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}}
    >>> held = {"instrument": ["BTC-PERPETUAL"], "quantity": [1.0]}
    >>> found = compare(held, market, ["paradex-pm", "tims"], balances={"cash": 20_000})
    >>> found["initial_requirement"], found["error"][1][:46]
    ([11200.0, None], 'METH-E04: tims does not cover BTC-PERPETUAL (f')
    """
    book = Book(positions, balances, accounts)
    library = library_of(methods_folder)
    if isinstance(methods, str | Path | MethodDocument):
        methods = [methods]
    if methods is None:
        methods = [name for name in library.names() if name not in WITHOUT_REQUIREMENT]
    stated = market_of(market)
    forms: dict[type[Any], Market[Any]] = {}
    rows = _Rows(book.batch)
    for method in methods:
        name = method.name if isinstance(method, MethodDocument) else str(method)
        try:
            document = method_of(method, library, None, at)
            own = (parameters or {}).get(document.name)
            number = core_of(document).number
            if number not in forms:
                forms[number] = market_in(stated, number)
            found = margins_of(with_cash(book.batch, document), forms[number], document, own)
        except SteelyardError as error:
            rows.refuse(name, error)
            continue
        rows.add(document, found)
    return rows.table(book.kind)


def with_cash(batch: Batch, document: MethodDocument) -> Batch:
    """Return the batch with the asset "cash" under its name in a method; left out of coins' ledgers."""
    if CASH not in batch.assets:
        return batch
    name = str(document.rules.get("settlement", document.currency))
    if name == "underlying":
        keep = batch.balance_asset != list(batch.assets).index(CASH)
        exact = {k: v[keep] if k == "amount" else v for k, v in batch.exact.items()}
        return batch.with_balances(
            balance_account=batch.balance_account[keep], balance_asset=batch.balance_asset[keep],
            amount=batch.amount[keep], exact=exact,
        )  # fmt: skip
    assets = [name if asset == CASH else asset for asset in batch.assets]
    if assets.count(name) == 1:
        return batch.with_balances(assets=assets)
    # Cash and the settlement asset beside each other are one asset stated twice.
    first = assets.index(name)
    place = np.array([first if asset == name else i for i, asset in enumerate(assets)], np.int64)
    return batch.with_balances(balance_asset=place[batch.balance_asset])


class _Rows:
    """The rows of methods, one method after another; the columns are built once, at the end."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.methods: list[tuple[str, str | None, str | None]] = []  # name, version, hash
        self.counts: list[int] = []
        self.account: list[Places] = []
        self.levels: list[tuple[Floats, Floats, Floats]] = []
        self.underlying: list[str | None] = []
        self.currency: list[str | None] = []
        self.error: list[str | None] = []

    def add(self, document: MethodDocument, found: BatchMargins) -> None:
        """Add the margins of a method."""
        count = len(found.account)
        self._method((document.name, document.version, document.digest()), count)
        self.account.append(found.account)
        self.levels.append((found.equity, found.initial_requirement, found.maintenance_requirement))
        self.underlying += found.underlying
        self.currency += found.currency
        start = len(self.error)
        self.error += [None] * count
        for row, error in found.errors.items():
            self.error[start + row] = str(error)

    def refuse(self, name: str, error: SteelyardError) -> None:
        """Add the rows of a method that cannot be applied to anybody."""
        count = len(self.batch)
        self._method((name, None, None), count)
        self.account.append(np.arange(count))
        nothing = np.full(count, np.nan)
        self.levels.append((nothing, nothing, nothing))
        self.underlying += [None] * count
        self.currency += [None] * count
        self.error += [str(error)] * count

    def _method(self, told: tuple[str, str | None, str | None], count: int) -> None:
        self.methods.append(told)
        self.counts.append(count)

    def table(self, kind: FrameKind) -> Any:
        """Return the table."""
        place = np.repeat(np.arange(len(self.counts)), self.counts)
        name, version, digest = (taken([told[i] for told in self.methods], place) for i in range(3))
        equity, initial, maintenance = (
            np.concatenate([levels[i] for levels in self.levels] or [np.zeros(0)]) for i in range(3)
        )
        with np.errstate(all="ignore"):
            ratios = [
                np.where(need > 0.0, equity / need, np.nan) for need in (initial, maintenance)
            ]
        account = np.concatenate(self.account or [np.zeros(0, np.int64)])
        return table_of(
            kind,
            {
                "account": taken(self.batch.accounts, account),
                "underlying": texts_of(self.underlying),
                "method": name,
                "version": version,
                "hash": digest,
                "currency": texts_of(self.currency),
                "equity": equity,
                "initial_requirement": initial,
                "maintenance_requirement": maintenance,
                "initial_ratio": ratios[0],
                "margin_ratio": ratios[1],
                "error": texts_of(self.error),
            },
        )


def texts_of(values: Sequence[str | None]) -> Any:
    """Return texts, few of them different, as an Arrow array."""
    return pa.array(values, pa.string())


def errors_of(errors: Mapping[int, SteelyardError], count: int) -> Any:
    """Return each row's error as a text, null where there is none."""
    told: list[str | None] = [None] * count
    for row, error in errors.items():
        told[row] = str(error)
    return pa.array(told, pa.string())
