"""Finding a name of a formula: in its own scope, as a sum of a finer one, in a coarser one, as a parameter.

Scopes are columns of different lengths: legs, groups of an expiry, units of an underlying, accounts.
Going from a finer scope to a coarser one adds up in the order of the legs; going the other way repeats.
What a value is - plain columns, dual numbers, or steps of a program - the subclasses say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from steelyard.margin.methods.core.books import ACCOUNT_NAMES, POSITION_NAMES
from steelyard.margin.methods.core.expressions import formula
from steelyard.margin.methods.core.instruments import (
    EXPIRY_NAMES,
    INSTRUMENT_NAMES,
    KIND_NAMES,
    UNDERLYING_NAMES,
)
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import SCOPES

LEG, EXPIRY, UNDERLYING, ACCOUNT = range(4)
BUILT_IN = {
    "delta": formula("stated_delta if stated_delta == stated_delta else model_delta", "delta"),
    # Profit not yet realised: as stated, or since the entry price, or none (entered at the mark).
    "pnl": formula(
        "unrealised_pnl if unrealised_pnl == unrealised_pnl else quantity * "
        "(perpetual_mark - entry_price if entry_price == entry_price and is_perpetual else 0)",
        "pnl",
    ),
}
# Names that no document defines, by scope.
GIVEN = (
    frozenset(
        (*POSITION_NAMES, *INSTRUMENT_NAMES, *KIND_NAMES, *BUILT_IN, "quantity", "model_value")
    ),
    frozenset((*EXPIRY_NAMES, "naked_shorts", "worst_payoff", "maximum_loss")),
    frozenset((*UNDERLYING_NAMES, "scan_min", "maximum_loss")),
    frozenset((*ACCOUNT_NAMES, "cash", "settlement_price")),
)


class Scope(dict[str, Any]):
    """The names that a formula of one scope sees."""

    def __init__(self, resolver: Resolver, scope: int) -> None:
        super().__init__()
        self._resolver = resolver
        self._scope = scope

    def __missing__(self, name: str) -> Any:
        value = self._resolver.find(name, self._scope)
        self[name] = value
        return value


class Resolver(ABC):
    """Names of a prepared method; `scopes[scope][name]` is any of them."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.instruments = prepared.instruments
        self.compiled = prepared.compiled
        self.scopes = [Scope(self, scope) for scope in range(4)]

    def find(self, name: str, scope: int) -> Any:
        """Return a name in a scope: its own, a sum of a finer one, a coarser one's, or a parameter."""
        home = self.home(name, scope)
        if home is None:
            return self.parameter(name, scope)
        if home == scope:
            own = self.compiled.scopes[SCOPES[scope]].get(name)
            value = own.value(self.scopes[scope]) if own is not None else self.given(name, scope)
            return self.whole(value, scope)
        value = self.scopes[home][name]
        while home < scope:
            value = self.summed(value, home)
            home += 1
        while home > scope:
            home -= 1
            value = self.repeated(value, home)
        return value

    def home(self, name: str, scope: int) -> int | None:
        """Return the scope that defines a name: this one, the nearest finer, the nearest coarser."""
        known = self.compiled.homes
        if (name, scope) not in known:
            places = (scope, *range(scope - 1, -1, -1), *range(scope + 1, 4))
            known[name, scope] = next((each for each in places if self._defines(name, each)), None)
        return known[name, scope]

    def _defines(self, name: str, scope: int) -> bool:
        if name in self.compiled.scopes[SCOPES[scope]] or name in GIVEN[scope]:
            return True
        return scope == LEG and (name in self.compiled.market or name in self.compiled.rules.probes)

    @abstractmethod
    def given(self, name: str, scope: int) -> Any:
        """Return a number of the market or of the books, in its own scope."""

    @abstractmethod
    def parameter(self, name: str, scope: int) -> Any:
        """Return a parameter as a scope sees it."""

    @abstractmethod
    def whole(self, value: Any, scope: int) -> Any:
        """Return a value with an entry for each of the scope."""

    @abstractmethod
    def summed(self, value: Any, scope: int) -> Any:
        """Return the sums over a scope's entries within each of the next coarser one."""

    @abstractmethod
    def repeated(self, value: Any, scope: int) -> Any:
        """Return a coarser scope's value for each entry of this one."""
