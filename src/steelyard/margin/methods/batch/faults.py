"""Which units of a batch break a rule of statements, found in columns before anything is worked out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steelyard.margin.methods.batch.columns import Batch, Flags, Places
from steelyard.margin.methods.batch.units import Units
from steelyard.margin.methods.core.rules import Compiled
from steelyard.terms.stated import Market


class Faults(NamedTuple):
    """legs (L,): positions that the method does not cover, that stand there twice, or of no number.

    coins (S,): units with a balance that the method does not cover. other (S,): units with any other fault,
    or of a form that no bundled method has.
    """

    legs: Flags
    coins: Flags
    other: Flags

    def units(self, units: Units) -> Flags:
        """Return the units with a fault."""
        found: Flags = self.coins | self.other
        found[units.leg_unit[self.legs]] = True
        return found


def faults_of(
    batch: Batch, units: Units, compiled: Compiled, market: Market[float], is_cash: Flags
) -> Faults:
    """Return the faults of a batch under a scenario document; is_cash (B,): balances that are cash."""
    find = _Finding(batch, units, compiled, market, is_cash)
    return Faults(find.legs(), find.coins(), find.other())


class _Finding:
    def __init__(
        self,
        batch: Batch,
        units: Units,
        compiled: Compiled,
        market: Market[float],
        is_cash: Flags,
    ) -> None:
        self.batch = batch
        self.units = units
        self.rules = compiled.rules
        self.covers = compiled.covers
        self.market = market
        self.is_coin = ~is_cash
        self.held = units.balance_unit >= 0

    def legs(self) -> Flags:
        batch = self.batch
        bad = ~np.isfinite(batch.quantity)
        is_bad = np.array([c is None or c.kind not in self.covers for c in batch.contracts], bool)
        if is_bad.any():
            bad |= is_bad[batch.instrument]
        order = batch.order
        account, instrument = batch.account[order], batch.instrument[order]
        again = (account[1:] == account[:-1]) & (instrument[1:] == instrument[:-1])
        # Which of two equal positions stands first is the statement's order, and the sort is stable.
        bad[order[1:][again]] = True
        return bad

    def coins(self) -> Flags:
        """Return the units with a coin that the method does not cover."""
        batch, rules = self.batch, self.rules
        found = np.zeros(len(self.units), bool)
        if not len(batch.amount) or rules.collateral == "any":
            return found
        bad = self.is_coin.copy()
        if rules.collateral == "base":
            listed = np.array([name in self.market.underlyings for name in batch.assets], bool)
            is_own = listed[batch.balance_asset]
            if rules.underlyings != "many":
                is_own = is_own & is_base(batch, self.units)
            bad &= ~is_own
        found[self.units.balance_unit[self.held & bad]] = True
        return found

    def other(self) -> Flags:
        batch, units, rules = self.batch, self.units, self.rules
        is_ledger = rules.settlement == "underlying"
        found = batch.twice[units.account]
        if is_ledger and rules.underlyings != "one":
            found[:] = True
        unreadable = np.array([c is None for c in batch.contracts], bool)
        if unreadable.any():
            found[units.leg_unit[unreadable[batch.instrument]]] = True
        several = (np.diff(units.start) > 1)[units.account]
        for column in batch.given.values():
            given = column[units.account]
            found |= np.isinf(given) | (is_ledger & several & (given == given))
        if len(batch.amount):
            contracts = set(batch.instruments)
            is_contract = np.array([name in contracts for name in batch.assets], bool)
            bad = ~np.isfinite(batch.amount) | (self.is_coin & is_contract[batch.balance_asset])
            found[units.balance_unit[self.held & bad]] = True
        self._refused(found)
        return found

    def _refused(self, found: Flags) -> None:
        """Mark the units whose statement holds what the rules refuse."""
        batch, refuses = self.batch, self.rules.refuses
        if batch.modes is not None:
            refused = np.array([mode in refuses for mode in batch.modes], bool)
            found |= refused[self.units.account]
        contract = batch.texts.get("contract")
        if contract is not None and "inverse" in refuses:
            found[self.units.leg_unit[contract == "inverse"]] = True


def is_base(batch: Batch, units: Units) -> Flags:
    """Return which balances are of the coin that their unit's base is."""
    if not len(batch.amount):
        return np.zeros(0, bool)
    place = {name: i for i, name in enumerate(units.names)}
    code: Places = np.array([place[name] for name in batch.assets], np.int64)
    base = units.base[np.maximum(units.balance_unit, 0)]
    return np.asarray(code[batch.balance_asset] == base)


def is_cash(batch: Batch, units: Units, settlement: str, market: Market[float]) -> Flags:
    """Return which balances are the cash of their unit: the settlement asset, or the ledger's coin."""
    if not len(batch.amount):
        return np.zeros(0, bool)
    if settlement != "underlying":
        cash = np.array([name == settlement for name in batch.assets], bool)
        return np.asarray(cash[batch.balance_asset])
    known = {c.underlying for c in batch.contracts if c is not None} | set(market.underlyings)
    is_known = np.array([name in known for name in batch.assets], bool)
    return np.asarray(is_base(batch, units) & is_known[batch.balance_asset])
