"""Dividing accounts the way a venue holds them: into units, each margined as an account of its own.

A method of many underlyings takes an account whole. One that knows a single underlying gets a unit for
each underlying that the account has contracts in:

- settled in a currency, requirements add up over the units and the cash is in the first one, so that
  equity counts it once. A coin goes with its own underlying's contracts; else, where any coin is
  collateral, to the first unit; where only the own coin is, to a unit of its own underlying.
- settled in the underlying's coin, each unit is a ledger with the balance of its coin, and stands alone.
  A coin held without contracts has a ledger too, unless its balance is zero.

Units stand in the order of accounts, then of the underlyings' names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steelyard.margin.methods.batch.columns import Batch, Places
from steelyard.margin.methods.core.rules import Rules
from steelyard.terms.stated import Market

WHOLE = -1  # the underlying of a unit that is a whole account
_FIRST, _NONE = -1, -2


class Units(NamedTuple):
    """S units.

    names: of underlyings and assets, sorted. account (S,) ascending; underlying (S,): its place in names,
    WHOLE for a whole account; base (S,): the underlying whose number a formula of the unit sees; start
    (n + 1,): where the units of each account begin. leg_unit (L,), balance_unit (B,): -1 for no unit. is_ledger:
    whether each unit is a ledger of its own coin.
    """

    names: list[str]
    account: Places
    underlying: Places
    base: Places
    start: Places
    leg_unit: Places
    balance_unit: Places
    is_ledger: bool

    def __len__(self) -> int:
        return len(self.account)


def units_of(batch: Batch, rules: Rules, market: Market[float]) -> Units:
    """Return the units of all accounts under the rules of a scenario document."""
    return _Division(batch, rules, market).units()


class _Division:
    """Keys account·width + 1 + underlying tell units apart; the underlying −1 is the whole account."""

    def __init__(self, batch: Batch, rules: Rules, market: Market[float]) -> None:
        self.batch = batch
        self.rules = rules
        self.market = market
        held = {c.underlying for c in batch.contracts if c is not None}
        self.names = sorted(held | set(market.underlyings) | set(batch.assets)) or [""]
        self.place = {name: i for i, name in enumerate(self.names)}
        self.width = len(self.names) + 1
        self.code = np.array(
            [WHOLE if c is None else self.place[c.underlying] for c in batch.contracts], np.int64
        )
        self.asset = np.array([self.place[name] for name in batch.assets], np.int64)

    def units(self) -> Units:
        if self.rules.underlyings != "one":
            count = len(self.batch)
            return Units(
                self.names, np.arange(count), np.full(count, WHOLE, np.int64), self._least_held(),
                np.arange(count + 1), self.batch.account, self.batch.balance_account, False,
            )  # fmt: skip
        self.is_whole = self.batch.twice.copy()
        if (self.code == WHOLE).any():
            self.is_whole[self.batch.account[self.code[self.batch.instrument] == WHOLE]] = True
        return self._divided()

    def _least_held(self) -> Places:
        """Return the first underlying by name of each account's contracts, else the market's first."""
        batch = self.batch
        least = np.full(len(batch), self._first_of_market(), np.int64)
        order = batch.order
        account = batch.account[order]
        starts = np.flatnonzero(np.append(True, account[1:] != account[:-1])[: len(account)])
        # Legs stand in the order of the underlyings' names: an account's first is its least.
        code = self.code[batch.instrument[order[starts]]] if len(starts) else account
        least[account[starts]] = np.where(code == WHOLE, least[account[starts]], code)
        return least

    def _first_of_market(self) -> int:
        """Return the market's first underlying: by name for many, as listed for one and for several in one."""
        known = self.market.underlyings
        if not known:
            return 0
        return self.place[min(known) if self.rules.underlyings == "many" else next(iter(known))]

    def _divided(self) -> Units:
        batch = self.batch
        leg_key, starts = self._leg_keys()
        of_legs = leg_key[starts]
        balance_key = self._balance_keys(of_legs)
        own = _distinct(np.concatenate([of_legs, balance_key[balance_key >= 0]]))
        first = self._first(own)
        balance_key = np.where(balance_key == _FIRST, first[batch.balance_account], balance_key)
        keys = _distinct(np.concatenate([own, first]))
        lengths = np.diff(np.append(starts, len(leg_key)))
        leg_unit = np.empty(len(leg_key), np.int64)
        leg_unit[batch.order] = np.repeat(np.searchsorted(keys, of_legs), lengths)
        balance_unit = np.where(balance_key >= 0, np.searchsorted(keys, balance_key), -1)
        account, underlying = keys // self.width, keys % self.width - 1
        return Units(
            self.names, account, underlying, self._base(underlying, balance_unit),
            np.searchsorted(account, np.arange(len(batch) + 1)), leg_unit, balance_unit,
            self.rules.settlement == "underlying",
        )  # fmt: skip

    def _leg_keys(self) -> tuple[Places, Places]:
        """Return the keys of the positions in the batch's order, and where each one begins."""
        order = self.batch.order
        account = self.batch.account[order]
        under = self.code[self.batch.instrument[order]] if len(order) else account
        key = account * self.width + 1 + np.where(self.is_whole[account], WHOLE, under)
        return key, np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])

    def _balance_keys(self, of_legs: Places) -> Places:
        """Return each balance's key; _FIRST for the account's first unit, _NONE for no unit at all."""
        batch, rules = self.batch, self.rules
        account, asset = batch.balance_account, batch.balance_asset
        if not len(asset):
            return account
        own = account * self.width + 1 + self.asset[asset]
        has_legs = np.isin(own, of_legs)
        listed = np.array([name in self.market.underlyings for name in batch.assets], bool)
        if rules.settlement == "underlying":
            found = np.where(has_legs | (batch.amount != 0.0), own, _NONE)
        elif rules.collateral == "base":
            found = np.where(has_legs | listed[asset], own, _FIRST)
        else:
            found = np.where(has_legs & (rules.collateral == "any"), own, _FIRST)
        is_cash = np.array([name == rules.settlement for name in batch.assets], bool)[asset]
        found = np.where(is_cash, _FIRST, found)
        return np.where(self.is_whole[account], account * self.width, found)

    def _first(self, own: Places) -> Places:
        """Return the key of each account's first unit; the whole account where it has no other."""
        size = len(self.batch)
        whole = np.arange(size) * self.width
        found = np.append(own, -1)[np.searchsorted(own, whole)]
        return np.where(found // self.width == np.arange(size), found, whole)

    def _base(self, underlying: Places, balance_unit: Places) -> Places:
        """Return the base of each unit; without contracts, the first coin held in the market's order."""
        base = np.where(underlying == WHOLE, self._first_of_market(), underlying)
        standing = {name: i for i, name in enumerate(self.market.underlyings)}
        last = len(standing)
        order = np.array([standing.get(name, last) for name in self.batch.assets], np.int64)
        least = np.full(len(base), last, np.int64)
        held = balance_unit >= 0
        if held.any():
            np.minimum.at(least, balance_unit[held], order[self.batch.balance_asset[held]])
        coins = np.array([self.place[name] for name in self.market.underlyings] + [0], np.int64)
        return np.where((underlying == WHOLE) & (least < last), coins[least], base)


def _distinct(keys: Places) -> Places:
    """Return each key once, rising; they come almost in order."""
    keys = np.sort(keys, kind="stable")
    return np.asarray(keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]])
