"""One unit of a batch on its own: as the case that its holder would state."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from steelyard.margin.methods.batch.columns import Batch, Flags, Places, account_of
from steelyard.margin.methods.batch.units import WHOLE, Units
from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled, Rules
from steelyard.margin.methods.core.what_if import margins
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, Market

Levels = tuple[float, float, float]


class Alone:
    """Units of a batch, each to be asked for as a case; the document has the parameters in it."""

    def __init__(
        self,
        batch: Batch,
        market: Market[Any],
        document: MethodDocument,
        units: Units,
        rules: Rules,
    ) -> None:
        self.batch = batch
        self.market = market
        self.document = document
        self.units = units
        self.rules = rules
        self.core = core_of(document)
        # Instruments and coins whose numbers stop any run, with the error of each by itself.
        self.stops: dict[str, SteelyardError] = {}
        self._of_legs: tuple[Places, Places] | None = None
        self._of_balances: tuple[Places, Places] | None = None

    def case(self, unit: int) -> Case[float]:
        """Return the case of a unit. Errors: METH-E03 for two balances of one asset."""
        self._check_given(unit)
        place = int(self.units.account[unit])
        account = account_of(self.batch, place, float, self.legs(unit), self.balances(unit))
        if int(self.units.start[place]) != unit:
            account = msgspec.structs.replace(account, **dict.fromkeys(self.batch.given, None))
        return Case(
            str(self.batch.accounts[place]), self.document.name, market=self.market_of(unit),
            account=account,
        )  # fmt: skip

    def _check_given(self, unit: int) -> None:
        """Raise METH-E04 where amounts are given for an account of several ledgers."""
        place = int(self.units.account[unit])
        count = int(self.units.start[place + 1] - self.units.start[place])
        if count < 2 or self.rules.settlement != "underlying":
            return
        for name, column in self.batch.given.items():
            if column[place] == column[place]:
                raise InputError(
                    "METH-E04",
                    f"account.{name} belongs to one ledger, and the account has {count}",
                    rule=f"{self.document.name} keeps a ledger for each underlying",
                    cure="state the ledgers as accounts of their own",
                    field=f"account.{name}",
                )

    def market_of(self, unit: int) -> Market[Any]:
        """Return the market; of a ledger without contracts that of its own underlying alone."""
        under = int(self.units.underlying[unit])
        if under == WHOLE or len(self.legs(unit)):
            return self.market
        name = self.units.names[under]
        stated = self.market.underlyings.get(name)
        if stated is None:
            return self.market
        return msgspec.structs.replace(self.market, underlyings={name: stated})

    def margins(self, unit: int) -> Levels | SteelyardError:
        """Return equity and requirements of a unit, NaN where its method says none, or its error."""
        account, under = self.batch.accounts[int(self.units.account[unit])], None
        if int(self.units.underlying[unit]) != WHOLE:
            under = self.units.names[int(self.units.underlying[unit])]
        try:
            return self._asked(self.case(unit))
        except SteelyardError as error:
            return of_account(error, account, under)
        except ArithmeticError:
            return beyond(account)

    def of_rows(self, leg: int) -> Levels | SteelyardError:
        """Return the same of an account that holds one position of the batch and nothing else."""
        place = int(self.batch.account[leg])
        account = account_of(self.batch, place, float, np.array([leg]), np.zeros(0, np.int64))
        account = Account(positions=account.positions)
        try:
            return self._asked(Case("leg", self.document.name, market=self.market, account=account))
        except SteelyardError as error:
            return error
        except ArithmeticError:
            return beyond(self.batch.accounts[place])

    def _asked(self, case: Case[float]) -> Levels:
        answer = self.core.answer(case, self.document)
        levels = (answer.equity, answer.initial_requirement, answer.maintenance_requirement)
        equity, initial, maintenance = (
            float("nan") if level is None else float(level) for level in levels
        )
        return equity, initial, maintenance

    def stopping(self, places: Places) -> Flags:
        """Return the units that hold an instrument or a coin whose numbers stop any run they are in."""
        batch, units = self.batch, self.units
        inside = np.zeros(len(units) + 1, bool)
        inside[places] = True
        legs = np.flatnonzero(inside[units.leg_unit])
        coins = np.flatnonzero(inside[units.balance_unit] & (units.balance_unit >= 0))
        stops = np.zeros(len(units), bool)
        for row, at in ((batch.instrument, legs), (batch.balance_asset, coins)):
            names = batch.instruments if row is batch.instrument else batch.assets
            codes = np.unique(row[at]).tolist()
            bad = [code for code in codes if self._stops(names[code], row is batch.instrument)]
            unit = units.leg_unit if row is batch.instrument else units.balance_unit
            stops[unit[at[np.isin(row[at], bad)]]] = True
        return np.asarray(stops[places])

    def _stops(self, name: str, is_contract: bool) -> bool:
        """Tell whether one unit of this alone raises an error, rather than having no number."""
        compiled = Compiled(self.document)
        held = [name] if is_contract else []
        try:
            instruments = Instruments(
                self.market, held, [] if is_contract else [name], is_single=compiled.is_single
            )
            row = np.array([instruments.place[name]], np.int32)
            books = Books(1, np.zeros(1, np.int64), row, np.ones(1), np.zeros(1))
            margins(Prepared(compiled, instruments), books)
        except SteelyardError as error:
            self.stops[name] = error
            return True
        except ArithmeticError:
            self.stops[name] = beyond(name)
            return True
        return False

    def legs(self, unit: int) -> Places:
        """Return the rows of a unit's positions, as they stand."""
        if self._of_legs is None:
            self._of_legs = _grouped(self.units.leg_unit, len(self.units))
        order, start = self._of_legs
        return order[start[unit] : start[unit + 1]]

    def balances(self, unit: int) -> Places:
        """Return the rows of a unit's balances, as they stand."""
        if self._of_balances is None:
            self._of_balances = _grouped(self.units.balance_unit, len(self.units))
        order, start = self._of_balances
        return order[start[unit] : start[unit + 1]]


def of_account(
    error: SteelyardError, account: object, underlying: str | None = None
) -> SteelyardError:
    """Return the error with the account it is of, and the underlying where one is margined alone.

    >>> str(of_account(InputError("METH-E01", "no", rule="r", cure="c", field="f"), "amy")).split(". ")[0]
    'METH-E01: no (field=f, account=amy)'
    """
    where = {
        name: each for name, each in error.where.items() if name not in ("account", "underlying")
    }
    where["account"] = account
    if underlying is not None:
        where["underlying"] = underlying
    return type(error)(error.code, error.message, rule=error.rule, cure=error.cure, **where)


def beyond(account: object) -> InputError:
    """Return the error of a result that no number holds."""
    return InputError(
        "METH-E05",
        "a result is beyond what a number can hold",
        rule="a result is a finite number",
        cure="bring the inputs nearer to what a market shows",
        field="account",
        account=account,
    )


def _grouped(unit: Places, units: int) -> tuple[Places, Places]:
    """Return rows by unit, in their order within one, and where each unit's begin."""
    order = np.argsort(unit, kind="stable")
    return order, np.searchsorted(unit[order], np.arange(units + 1))
