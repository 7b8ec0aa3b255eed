"""The account as cures try it: deposits, trades and closings, each margined as an account of its own.

A desk has one account and answers for many changes of it at once. This one asks the method for each, one
by one, and so serves every core; `batches` does it in columns for the scenario core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from math import isfinite, nan
from typing import Any, Protocol

import numpy as np

from steelyard.margin.methods.cures.ledger_bybit import BybitLedger
from steelyard.margin.methods.cures.ledgers import (
    DriftLedger,
    DydxLedger,
    Ledger,
    TiersLedger,
    VegaLedger,
)
from steelyard.margin.methods.cures.levels import Outcome, Wanted, level_of
from steelyard.margin.methods.cures.quotes import Charges, Quote
from steelyard.margin.methods.cures.results import Number
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, parse_contract

LEDGERS: dict[str, type[Ledger]] = {
    "tiers": TiersLedger,
    "dydx-v4": DydxLedger,
    "drift-v2": DriftLedger,
    "vega": VegaLedger,
    "bybit": BybitLedger,
}
Steps = Sequence[Decimal]


class Desk(Protocol):
    """One account and what would become of it.

    held: contracts held, in a fixed order. cash: the asset trades are paid in. coins: other assets that
    may be deposited. quotes: of every contract held or tradable.
    """

    case: Case[Any]
    ledger: Ledger
    taker_fee: float
    held: list[str]
    tradable: list[str]
    coins: list[str]
    quotes: dict[str, Quote]
    width: int

    def quantity(self, instrument: str) -> Number:
        """Return what is held of a contract."""

    def deposits(self, assets: Sequence[str], units: Steps) -> Outcome:
        """Return the account with units of an asset more, one account each."""

    def trades(self, instruments: Sequence[str], quantities: Steps) -> Outcome:
        """Return the account after one trade, one account each."""

    def closings(self, changes: Sequence[Sequence[Number]]) -> Outcome:
        """Return the account with every contract held changed, one account a row."""


class CaseDesk:
    """A desk over statements: each change is a case of its own, asked of the method."""

    width = 1  # an account costs a question: the fewer the better

    def __init__(
        self,
        case: Case[Any],
        document: MethodDocument,
        ledger: Ledger,
        wanted: Wanted,
        tradable: list[str],
        charges: Charges,
    ) -> None:
        self.document = document.with_parameters(case.parameters)
        self.answer = core_of(document).answer
        self.ledger = ledger
        self.wanted = wanted
        self.taker_fee = charges.taker_fee
        self.case = ledger.settled(case)
        self.held = [position.instrument for position in case.account.positions]
        self.tradable = tradable
        self.coins = ledger.coins(case)
        self.quotes = {
            name: _quoted(ledger, self.case, name, charges) for name in (*self.held, *tradable)
        }

    def quantity(self, instrument: str) -> Number:
        """Return what is held of a contract."""
        for position in self.case.account.positions:
            if position.instrument == instrument:
                found: Number = position.quantity
                return found
        return 0

    def deposits(self, assets: Sequence[str], units: Steps) -> Outcome:
        """Return the account with units of an asset more, one account each."""
        return self._asked(
            lambda asset=asset, more=more: self.ledger.deposited(self.case, asset, more)  # type: ignore[misc]
            for asset, more in zip(assets, units, strict=True)
        )

    def trades(self, instruments: Sequence[str], quantities: Steps) -> Outcome:
        """Return the account after one trade, one account each."""
        return self._asked(
            lambda name=name, quantity=quantity: traded(self, self.case, name, quantity)  # type: ignore[misc]
            for name, quantity in zip(instruments, quantities, strict=True)
        )

    def closings(self, changes: Sequence[Sequence[Number]]) -> Outcome:
        """Return the account with every contract held changed, one account a row."""
        return self._asked(lambda row=row: self._closed(row) for row in changes)  # type: ignore[misc]

    def _closed(self, row: Sequence[Number]) -> Case[Any]:
        case = self.case
        for name, change in zip(self.held, row, strict=True):
            case = traded(self, case, name, change) if change else case
        return case

    def _asked(self, changed: Iterable[Callable[[], Case[Any]]]) -> Outcome:
        """Return what the method says of each changed case; a case it refuses is no cure."""
        equities: list[Number] = []
        requirements: list[Number] = []
        slacks: list[float] = []
        for make in changed:
            equity, requirement, slack = self._one(make)
            equities.append(equity)
            requirements.append(requirement)
            slacks.append(slack)
        return Outcome(equities, requirements, np.array(slacks, np.float64))

    def _one(self, make: Callable[[], Case[Any]]) -> tuple[Number, Number, float]:
        try:
            found = self.answer(make(), self.document)
        except (SteelyardError, ArithmeticError, ValueError):
            return nan, nan, nan
        requirement = level_of(found, self.wanted.level)
        if found.equity is None or requirement is None:
            return nan, nan, nan
        return found.equity, requirement, self.wanted.slack(found.equity, requirement)


def traded(desk: Desk, case: Case[Any], instrument: str, quantity: Number) -> Case[Any]:
    """Return a statement after a trade at the desk's mark and cost."""
    quote = desk.quotes[instrument]
    cost = quote.cost(float(quantity), desk.taker_fee)
    return desk.ledger.traded(case, quote, desk.ledger.number(quantity), cost)


def is_priced(quote: Quote) -> bool:
    """Tell whether a unit of a contract has a value."""
    return isfinite(quote.value)


def _quoted(ledger: Ledger, case: Case[Any], name: str, charges: Charges) -> Quote:
    try:
        quote = ledger.quote(case, name)
    except SteelyardError:
        return Quote(name, value=nan)  # the market has no price for it: it is not traded
    is_linear = parse_contract(name).kind != "option"
    half = quote.notional * charges.half_spread if charges.half_spread and is_linear else 0.0
    return quote._replace(bought=half, sold=half)
