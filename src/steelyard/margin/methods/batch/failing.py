"""Errors of many units at once: what units have in common is found out once.

Up to ALONE_MAX units of a kind are asked for one by one, as cases. Of more, the error is told from what
decides it: the coins of a unit; its first position that breaks a rule; the instruments and coins whose
numbers stop any run; or its first leg that has no numbers by itself, where all such legs lack the same
field. A unit of which none of this is sure is asked for alone.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

import numpy as np

from steelyard.margin.methods.batch.alone import Alone, Levels, of_account
from steelyard.margin.methods.batch.columns import Batch, Places
from steelyard.margin.methods.batch.faults import Faults
from steelyard.margin.methods.batch.units import WHOLE, Units
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.needs import contracts_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Position

ALONE_MAX = 256
_PLACE = re.compile(r"\[[^\]]*\]")
Found = dict[int, Levels | SteelyardError]


class Failing:
    """What is wrong with units of a batch, or their numbers where nothing is."""

    def __init__(
        self, batch: Batch, units: Units, compiled: Compiled, document: MethodDocument, alone: Alone
    ) -> None:
        self.batch = batch
        self.units = units
        self.compiled = compiled
        self.document = document
        self.alone = alone
        self._known: dict[Hashable, SteelyardError] = {}

    def one_by_one(self, places: Places) -> Found:
        """Return the answers to units, each asked for as a case."""
        return {unit: self.alone.margins(unit) for unit in places.tolist()}

    def of_statements(self, places: Places, faults: Faults) -> Found:
        """Return what is wrong with units that break a rule of statements."""
        if len(places) <= ALONE_MAX:
            return self.one_by_one(places)
        found: Found = {}
        for unit in places.tolist():
            error: SteelyardError | None = None
            if not faults.other[unit]:
                if faults.coins[unit]:
                    # Coins are looked at before positions, and in the order of their names.
                    error = self._same(unit, ("coins", self._coins(unit)))
                else:
                    error = self._first_position(unit, faults)
            found[unit] = self.alone.margins(unit) if error is None else error
        return found

    def of_stopped(self, places: Places) -> Found:
        """Return what is wrong with units that hold what stops any run."""
        if len(places) <= ALONE_MAX:
            return self.one_by_one(places)
        stops = self.alone.stops
        said = {_plain(error) for error in stops.values()}
        if len(said) == 1 and next(iter(stops.values())).code == "METH-E06":
            # Whatever units hold, it is the method that lacks a parameter.
            lacking = next(iter(stops.values()))
            return {unit: self._told(lacking, unit) for unit in places.tolist()}
        found: Found = {}
        for unit in places.tolist():
            codes = self.batch.instrument[self.alone.legs(unit)].tolist()
            held = tuple(sorted({self.batch.instruments[i] for i in codes} & set(stops)))
            key = ("stopped", self._coins(unit), held)
            known = self._known.get(key)
            answer = self.alone.margins(unit) if known is None else self._told(known, unit)
            if known is None and isinstance(answer, SteelyardError) and _plain(answer) in said:
                self._known[key] = answer
            found[unit] = answer
        return found

    def _coins(self, unit: int) -> Hashable:
        assets = self.batch.balance_asset[self.alone.balances(unit)].tolist()
        return int(self.units.base[unit]), tuple(sorted(assets))

    def _same(self, unit: int, key: Hashable) -> SteelyardError | None:
        """Return the error that units of a key share; None if the first of them has none."""
        error = self._known.get(key)
        if error is None:
            answer = self.alone.margins(unit)
            if not isinstance(answer, SteelyardError):
                return None
            error = self._known[key] = answer
        return self._told(error, unit)

    def _told(self, error: SteelyardError, unit: int) -> SteelyardError:
        account = self.batch.accounts[int(self.units.account[unit])]
        under = int(self.units.underlying[unit])
        return of_account(error, account, None if under == WHOLE else self.units.names[under])

    def _first_position(self, unit: int, faults: Faults) -> SteelyardError | None:
        """Return the error of the first position that breaks a rule."""
        rows = self.alone.legs(unit)
        count = int(np.argmax(faults.legs[rows])) + 1
        held = tuple(
            Position(self.batch.instruments[code], quantity)
            for code, quantity in zip(
                self.batch.instrument[rows[:count]].tolist(),
                self.batch.quantity[rows[:count]].tolist(),
                strict=True,
            )
        )
        try:
            contracts_of(Account(positions=held), self.document.name, self.compiled.covers)
        except SteelyardError as error:
            return self._told(error, unit)
        return None

    def of_numbers(self, places: Places) -> Found:
        """Return what is wrong with units whose numbers are no numbers."""
        if len(places) <= ALONE_MAX:
            return self.one_by_one(places)
        batch = self.batch
        inside = np.zeros(len(self.units) + 1, bool)
        inside[places] = True
        legs = batch.order[inside[self.units.leg_unit[batch.order]]]
        kind, error_of, kinds = self._of_legs(legs)
        unit = self.units.leg_unit[legs]
        fails = np.flatnonzero(kind[error_of] > 0)
        first: dict[int, int] = {}
        mixed: set[int] = set()
        for at, u in zip(fails.tolist(), unit[fails].tolist(), strict=True):
            known = first.setdefault(u, at)
            if kind[error_of[known]] != kind[error_of[at]]:
                mixed.add(u)
        found: Found = {}
        for u in places.tolist():
            at_ = first.get(u)
            error = None if at_ is None or u in mixed else kinds[int(error_of[at_])]
            found[u] = self.alone.margins(u) if error is None else self._told(error, u)
        return found

    def _of_legs(self, legs: Places) -> tuple[Places, Places, list[SteelyardError | None]]:
        """Return the errors that legs have by themselves.

        The kind of each different leg's error (what it lacks, 0 for nothing), each leg's place among the
        different ones, and their errors.
        """
        batch = self.batch
        key = batch.instrument[legs] * 3 + np.sign(batch.quantity[legs]).astype(np.int64) + 1
        for column in batch.stated.values():
            key = key * 2 + np.isnan(column[legs])
        _, example, place = np.unique(key, return_index=True, return_inverse=True)
        errors = [self._of_leg(int(legs[at])) for at in example.tolist()]
        words: dict[tuple[str, str], int] = {}
        kinds = np.zeros(len(errors), np.int64)
        for i, error in enumerate(errors):
            if error is not None:
                what = error.code, _PLACE.sub("[]", str(error.where.get("field")))
                kinds[i] = words.setdefault(what, len(words) + 1)
        return kinds, place, errors

    def _of_leg(self, leg: int) -> SteelyardError | None:
        """Return the error of an account that holds one leg of the batch and nothing else."""
        answer = self.alone.of_rows(leg)
        return answer if isinstance(answer, SteelyardError) else None


def _plain(error: SteelyardError) -> tuple[str, str]:
    """Return what an error says, whoever's it is."""
    return error.code, error.message
