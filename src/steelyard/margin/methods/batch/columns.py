"""Accounts in columns as somebody states them, and any one of them as an `Account` of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.batch.order import sorted_by
from steelyard.quantities.errors import InputError
from steelyard.terms.stated import Account, Contract, Market, Position, parse_contract

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]
Objects = NDArray[np.object_]
T = TypeVar("T")
KEPT_MAX = 200_000  # positions of a batch that keeps its statements

# Numbers that a position may state, in the order of `Position`; delta is a plain float everywhere.
STATED_NUMBERS = (
    "entry_price", "mark_price", "unrealised_pnl", "unrealised_funding", "isolated_margin",
    "leverage", "bankruptcy_price", "delta",
)  # fmt: skip
STATED_TEXTS = ("contract", "account")
GIVEN_AMOUNTS = (
    "margin_balance", "order_margin", "spot_margin", "mmp_margin", "open_orders_margin",
    "correlation_contingency",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """n accounts, L positions, B balances; accounts, instruments and assets by their places in lists.

    accounts, instruments, assets: names, each once. account (L,) int64, instrument (L,) int64,
    quantity (L,); stated: name -> (L,), NaN where a position does not say; texts: name -> (L,) of texts
    or None. balance_account, balance_asset (B,) int64, amount (B,). modes: a mode or None an account;
    given: name -> (n,), NaN where an account does not say. exact: the same numbers as decimals, where
    they were stated so ("quantity", "amount" or a stated name -> objects).
    """

    accounts: Sequence[Any]
    instruments: Sequence[str]
    account: Places
    instrument: Places
    quantity: Floats
    assets: Sequence[str] = ()
    balance_account: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    balance_asset: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    amount: Floats = field(default_factory=lambda: np.zeros(0))
    stated: dict[str, Floats] = field(default_factory=dict)
    texts: dict[str, Objects] = field(default_factory=dict)
    modes: Sequence[str | None] | None = None
    given: dict[str, Floats] = field(default_factory=dict)
    exact: dict[str, Objects] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.accounts)

    @property
    def contracts(self) -> list[Contract | None]:
        """What each instrument's name says, None where it is no contract's name."""
        return self._once("contracts", lambda: contracts_named(self.instruments))

    @property
    def rank(self) -> Places:
        """The place of each instrument in the order of the scenario core's legs."""
        return self._once("rank", lambda: _rank(self.instruments, self.contracts))

    @property
    def order(self) -> Places:
        """The positions by account, then by instrument in the order of the core's legs."""
        return self._once("order", self._sorted)

    @property
    def by_account(self) -> tuple[Places, Places]:
        """The positions by account as they stand, and where those of each account begin, (n + 1,)."""
        return self._once("by_account", lambda: _by(self.account, len(self)))

    @property
    def balances_by_account(self) -> tuple[Places, Places]:
        """The balances by account as they stand, and where those of each account begin, (n + 1,)."""
        return self._once("balances_by_account", lambda: _by(self.balance_account, len(self)))

    @property
    def twice(self) -> Flags:
        """Which accounts state two balances of one asset."""
        return self._once(
            "twice", lambda: _twice(self.balance_account, self.balance_asset, len(self))
        )

    @property
    def positions(self) -> dict[tuple[type[Any], int], Position[Any]]:
        """Positions that were asked for as statements, by the kind of their numbers and row."""
        return self._once("positions", dict)

    @property
    def tables(self) -> dict[Hashable, tuple[Market[Any], Any]]:
        """Tables of instruments that a method had of a market, for the next method."""
        return self._once("tables", dict)

    def _once(self, name: str, work_out: Callable[[], T]) -> T:
        """Return what follows from the columns alone: worked out when first asked for."""
        known: T | None = self.__dict__.get(f"{name}_known")
        if known is None:
            known = self.__dict__[f"{name}_known"] = work_out()
        return known

    def _sorted(self) -> Places:
        size = len(self.instruments)
        found = sorted_by(self.account, self.rank[self.instrument], len(self), size)
        return np.arange(len(self.account)) if found is None else found

    def with_balances(self, **changes: Any) -> Batch:
        """Return the batch with other balances; what is known of the positions is handed on."""
        changed = replace(self, **changes)
        for name in ("contracts", "rank", "order", "by_account", "positions", "tables"):
            changed.__dict__[f"{name}_known"] = getattr(self, name)
        return changed


def _rank(names: Sequence[str], contracts: Sequence[Contract | None]) -> Places:
    keys = [
        ("", "", False, 0.0, False, name)
        if c is None
        else (c.underlying, c.day, c.kind == "option", c.strike, not c.is_call, c.name)
        for name, c in zip(names, contracts, strict=True)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    return rank


def _by(account: Places, size: int) -> tuple[Places, Places]:
    found = sorted_by(account, np.zeros(len(account), np.int64), size, 1)
    order = np.arange(len(account)) if found is None else found
    return order, np.searchsorted(account[order], np.arange(size + 1)).astype(np.int64)


def _twice(holder: Places, code: Places, size: int) -> Flags:
    order = np.lexsort((code, holder))
    account, asset = holder[order], code[order]
    is_twice = np.zeros(size, bool)
    is_twice[account[1:][(account[1:] == account[:-1]) & (asset[1:] == asset[:-1])]] = True
    return is_twice


def contracts_named(names: Sequence[str]) -> list[Contract | None]:
    """Return what each name says, None where it is no contract's name.

    >>> [None if c is None else c.kind for c in contracts_named(["BTC-PERPETUAL", "BTC"])]
    ['perpetual', None]
    """
    return [_contract(name) for name in names]


def _contract(name: str) -> Contract | None:
    try:
        return parse_contract(name)
    except InputError:
        return None


def account_of(
    batch: Batch,
    place: int,
    number: type[Any] = float,
    positions: Places | None = None,
    balances: Places | None = None,
) -> Account[Any]:
    """Return an account of a batch as a statement, positions and balances as they stand.

    number: float or Decimal. positions, balances: only these rows of the batch. Errors: METH-E03 for two
    balances of one asset.
    """
    if batch.twice[place]:
        raise balance_twice(batch, place)
    if positions is None:
        order, start = batch.by_account
        positions = order[start[place] : start[place + 1]]
    if balances is None:
        order, start = batch.balances_by_account
        balances = order[start[place] : start[place + 1]]
    held = {
        batch.assets[int(batch.balance_asset[row])]: _number(batch, "amount", batch.amount, row, number)
        for row in balances.tolist()
    }  # fmt: skip
    mode: Any = None if batch.modes is None else batch.modes[place]
    given = {
        name: _as(float(column[place]), number)
        for name, column in batch.given.items()
        if column[place] == column[place]
    }
    return Account(
        mode=mode, balances=held, positions=_positions(batch, positions, number), **given
    )


def balance_twice(batch: Batch, place: int) -> InputError:
    """Return METH-E03 for the first asset of which an account states two balances."""
    order, start = batch.balances_by_account
    seen: set[int] = set()
    asset = ""
    for row in order[start[place] : start[place + 1]].tolist():
        code = int(batch.balance_asset[row])
        if code in seen:
            asset = batch.assets[code]
            break
        seen.add(code)
    return InputError(
        "METH-E03",
        f"the balance of {asset} stands there twice",
        rule="an account holds one balance of an asset",
        cure="add the amounts up",
        field=f"account.balances.{asset}",
    )


def _positions(batch: Batch, rows: Places, number: type[Any]) -> tuple[Position[Any], ...]:
    """Return rows of a batch as stated positions; a small batch keeps them for the next method."""
    if len(batch.quantity) > KEPT_MAX:
        return tuple(_position(batch, row, number) for row in rows.tolist())
    kept = batch.positions
    found = []
    for row in rows.tolist():
        each = kept.get((number, row))
        if each is None:
            each = kept[number, row] = _position(batch, row, number)
        found.append(each)
    return tuple(found)


def _position(batch: Batch, row: int, number: type[Any]) -> Position[Any]:
    stated: dict[str, Any] = {}
    for name, column in batch.stated.items():
        if column[row] == column[row]:
            kind = float if name == "delta" else number
            stated[name] = _number(batch, name, column, row, kind)
    for name, texts in batch.texts.items():
        if texts[row] is not None:
            stated[name] = texts[row]
    return Position(
        batch.instruments[int(batch.instrument[row])],
        _number(batch, "quantity", batch.quantity, row, number),
        **stated,
    )


def _number(batch: Batch, name: str, column: Floats, row: int, number: type[Any]) -> Any:
    if number is Decimal and name in batch.exact:
        found = batch.exact[name][row]
        if isinstance(found, Decimal):
            return found
    return _as(float(column[row]), number)


def _as(value: float, number: type[Any]) -> Any:
    """Return a float as a number of a core: a decimal is the shortest that names it."""
    return Decimal(repr(value)) if number is Decimal else value


def batch_of(names: Sequence[Any], accounts: Sequence[Account[Any]]) -> Batch:
    """Return stated accounts as a batch, whose `account_of` gives them again; orders are left out.

    >>> held = Account(balances={"USDC": 5.0}, positions=(Position("BTC-PERPETUAL", 1.5, delta=1.0),))
    >>> account_of(batch_of(["a"], [held]), 0) == held
    True
    """
    positions = [(i, each) for i, account in enumerate(accounts) for each in account.positions]
    balances = [
        (i, name, x) for i, account in enumerate(accounts) for name, x in account.balances.items()
    ]
    instruments = list(dict.fromkeys(each.instrument for _, each in positions))
    assets = list(dict.fromkeys(name for _, name, _ in balances))
    place = {name: i for i, name in enumerate(instruments)}
    where = {name: i for i, name in enumerate(assets)}
    columns = {
        name: [getattr(each, name) for _, each in positions]
        for name in ("quantity", *STATED_NUMBERS)
    }
    columns["amount"] = [x for _, _, x in balances]
    is_exact = any(isinstance(x, Decimal) for column in columns.values() for x in column)
    exact = {name: _objects(column) for name, column in columns.items()} if is_exact else {}
    texts = {
        name: _objects([getattr(each, name) for _, each in positions]) for name in STATED_TEXTS
    }
    given = {name: _floats([getattr(each, name) for each in accounts]) for name in GIVEN_AMOUNTS}
    return Batch(
        names,
        instruments,
        np.array([i for i, _ in positions], np.int64),
        np.array([place[each.instrument] for _, each in positions], np.int64),
        _floats(columns["quantity"]),
        assets,
        np.array([i for i, _, _ in balances], np.int64),
        np.array([where[name] for _, name, _ in balances], np.int64),
        _floats(columns["amount"]),
        {name: _floats(columns[name]) for name in STATED_NUMBERS},
        {n: column for n, column in texts.items() if any(each is not None for each in column)},
        [each.mode for each in accounts],
        {name: column for name, column in given.items() if not np.isnan(column).all()},
        exact,
    )


def selected(batch: Batch, places: Places) -> Batch:
    """Return some accounts of a batch, in the order given; one may stand there twice.

    >>> batch = Batch(["a", "b"], ["X-PERPETUAL"], np.array([0, 1]), np.array([0, 0]), np.ones(2))
    >>> selected(batch, np.array([1])).accounts
    ['b']
    """
    rows, owner = gathered(*batch.by_account, places)
    held, holder = gathered(*batch.balances_by_account, places)
    modes = batch.modes
    return Batch(
        [batch.accounts[i] for i in places.tolist()],
        batch.instruments,
        owner,
        batch.instrument[rows],
        batch.quantity[rows],
        batch.assets,
        holder,
        batch.balance_asset[held],
        batch.amount[held],
        {name: column[rows] for name, column in batch.stated.items()},
        {name: column[rows] for name, column in batch.texts.items()},
        None if modes is None else [modes[i] for i in places.tolist()],
        {name: column[places] for name, column in batch.given.items()},
        {name: column[held if name == "amount" else rows] for name, column in batch.exact.items()},
    )


def gathered(order: Places, start: Places, account: Places) -> tuple[Places, Places]:
    """Return the rows of accounts, one after another, and which of the K accounts each is of.

    >>> rows, owner = gathered(np.array([4, 2, 0]), np.array([0, 1, 3]), np.array([1, 0, 1]))
    >>> rows.tolist(), owner.tolist()
    ([2, 0, 4, 2, 0], [0, 0, 1, 2, 2])
    """
    counts = start[account + 1] - start[account]
    owner = np.repeat(np.arange(len(account)), counts)
    first = np.repeat(start[account] - (np.cumsum(counts) - counts), counts)
    return order[first + np.arange(len(owner))], owner


def _floats(items: Sequence[Any]) -> Floats:
    return np.array([np.nan if item is None else float(item) for item in items], np.float64)


def _objects(items: Sequence[Any]) -> Objects:
    found = np.empty(len(items), dtype=object)
    found[:] = items
    return found
