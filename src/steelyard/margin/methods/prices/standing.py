"""What a method says of an account in a moved market: liquidated or not, bankrupt or not, and by how much.

The verdict is the method's own. dYdX states it (`native.liquidatable`: the maintenance requirement is
above zero and above the net collateral). Of all others the sheets say that an account is short of margin
when equity < maintenance_requirement: at Derive this is a maintenance margin below zero, at OKX a margin
ratio below 1, at Vega equity below the maintenance level (the search and release levels above it move
money and close nothing). derive-auction gives the verdict of the margin method that it auctions under.
Bankrupt is equity < 0.

An isolated position of a tiered venue or of Bybit is an account of its own: its margin is the stated one,
at Bybit value/leverage. Further questions of a case (a liquidation, a disposal) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.rules import Compiled, hand_on
from steelyard.margin.methods.moving import moved_as
from steelyard.margin.methods.moving_counting import counting_of
from steelyard.margin.methods.needs import above_zero, required
from steelyard.margin.methods.prices.stacked import Stack
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, Position, parse_contract

replace = msgspec.structs.replace

QUESTIONS = (
    "auction", "liquidation", "liquidation_price", "bankruptcy", "socialise", "disposal",
)  # fmt: skip
NOTHING = msgspec.Raw(b"null")
NO_REQUIREMENT = "the method states no maintenance requirement of the account"
NO_EQUITY = "the method states no equity of the account"


class Standing(NamedTuple):
    """An account in one market: two verdicts, and the amounts whose signs they are."""

    is_liquidatable: bool
    is_bankrupt: bool
    buffer: float
    equity: float


class Shift(NamedTuple):
    """A move of the market: prices by underlying, a multiplier of volatilities, microseconds."""

    prices: Mapping[str, Any] | None = None
    volatility: float = 1.0
    later_us: int = 0


class Prober:
    """Margins one account in moved markets; what depends on the method alone is worked out once."""

    def __init__(self, case: Case[Any], document: MethodDocument) -> None:
        if document.core == "derive-auction":
            document = replace(document, rules=document.rules["margin"])
        self.case = replace(
            case, trades=None, position_before=None, **dict.fromkeys(QUESTIONS, NOTHING)
        )
        self.method = document.with_parameters(case.parameters)
        hand_on(document, self.method)
        self.core = core_of(self.method)
        self.counting = counting_of(self.method, {})
        is_scenario = self.method.core == "scenario"
        self.compiled = Compiled(self.method) if is_scenario else None
        # Of an SVI slice the volatilities move with the price.
        self.has_slices = any(
            expiry.svi is not None
            for stated in case.market.underlyings.values()
            for expiry in stated.expiries
        )

    def now(self) -> Standing | str:
        """Return the account as it is stated. Errors: those of `margin_of`."""
        return self._answered(self.case)

    def moved(self, shift: Shift) -> Standing | str:
        """Return the account in a moved market, or why the method says nothing of it there."""
        try:
            case = moved_as(self.case, self.counting, *shift)
            return self._evaluated(case) if self.compiled else self._answered(case)
        except SteelyardError as error:
            return f"{error.code}: {error.message}"
        except ArithmeticError:
            return "CASE-E05: a result is beyond what a number can hold"

    def together(self, shifts: Sequence[Shift]) -> list[Standing | None]:
        """Return the account under many shifts, None where one is to be asked alone."""
        found: list[Standing | None] = [None] * len(shifts)
        if self.compiled is None:
            return found
        # Accounts that hold the same contracts are layers of one stack: time may settle some of them.
        groups: dict[tuple[str, ...], list[tuple[int, Case[Any]]]] = {}
        for place, shift in enumerate(shifts):
            try:
                case = moved_as(self.case, self.counting, *shift)
            except (SteelyardError, ArithmeticError):
                continue
            names = tuple(each.instrument for each in case.account.positions)
            groups.setdefault(names, []).append((place, case))
        is_smile_kept = all(
            shift.volatility == 1.0 and not (shift.prices and self.has_slices) for shift in shifts
        )
        for several in groups.values():
            self._stacked(several, found, is_smile_kept=is_smile_kept)
        return found

    def _stacked(
        self,
        several: list[tuple[int, Case[Any]]],
        found: list[Standing | None],
        *,
        is_smile_kept: bool,
    ) -> None:
        assert self.compiled is not None
        cases = [case for _, case in several]
        try:
            values = Stack(cases[0], self.compiled).margins(cases, is_smile_kept=is_smile_kept)
        except (SteelyardError, ArithmeticError):
            return  # each alone says what is wrong with it
        for (place, _), value in zip(several, values, strict=True):
            if value is not None:
                found[place] = standing_of(*value)

    def _evaluated(self, case: Case[Any]) -> Standing | str:
        """Return the verdict of the scenario core without the venue's own numbers."""
        assert self.compiled is not None
        evaluation = evaluated(case, self.compiled)
        equity = float(evaluation.column("equity")[0])
        requirement = float(evaluation.column("maintenance_requirement")[0])
        if not (isfinite(equity) and isfinite(requirement)):
            return self._answered(case)  # which names what is missing
        return standing_of(equity, requirement)

    def _answered(self, case: Case[Any]) -> Standing | str:
        found = self.core.answer(case, self.method)
        if found.maintenance_requirement is None:
            return NO_REQUIREMENT
        if found.equity is None:
            return NO_EQUITY
        standing = standing_of(found.equity, found.maintenance_requirement)
        said = found.native.get("liquidatable")
        return standing if said is None else standing._replace(is_liquidatable=bool(said))


def standing_of(equity: Any, requirement: Any) -> Standing:
    """Return the standing of an account with this equity and maintenance requirement.

    >>> standing_of(10.0, 12.0)
    Standing(is_liquidatable=True, is_bankrupt=False, buffer=-2.0, equity=10.0)
    """
    if isinstance(requirement, Decimal) and not isinstance(equity, Decimal):
        equity = Decimal(equity)
    return Standing(
        bool(equity < requirement), bool(equity < 0), float(equity - requirement), float(equity)
    )


def accounts_of(case: Case[Any], document: MethodDocument) -> list[tuple[str, Case[Any]]]:
    """Return the accounts that are liquidated apart: ("", the case), or each isolated position.

    Errors: METH-E02 for an isolated position that does not state what its margin is made of.
    """
    if case.account.mode != "isolated" or document.core not in ("tiers", "bybit"):
        return [("", case)]
    return [
        (position.instrument, _alone(case, document, position, i))
        for i, position in enumerate(case.account.positions)
    ]


def _alone(case: Case[Any], document: MethodDocument, position: Position[Any], i: int) -> Case[Any]:
    """Return an isolated position as an account of its own."""
    field = f"account.positions[{i}]"
    currency = document.currency
    if document.core == "tiers":
        why = "an isolated position is liquidated on its own margin"
        margin = required(position.isolated_margin, f"{field}.isolated_margin", why)
    else:
        why = "its margin is its value over leverage"
        entry = required(position.entry_price, f"{field}.entry_price", why)
        leverage = required(position.leverage, f"{field}.leverage", why)
        size = abs(position.quantity) / above_zero(leverage, f"{field}.leverage")
        is_inverse = position.contract == "inverse"
        if is_inverse:
            currency = parse_contract(position.instrument).underlying
        margin = size / above_zero(entry, f"{field}.entry_price") if is_inverse else size * entry
    account = Account(mode="cross", balances={currency: margin}, positions=(position,))
    return replace(case, account=account)


def movable(prober: Prober) -> list[str]:
    """Return what a price moves of an account: underlyings of contracts and orders, coins held.

    Cash is none of them. In the order in which the account states them.
    """
    case = prober.case
    account, cash = case.account, (prober.counting.settlement, prober.method.currency)
    names = [position.instrument for position in account.positions if position.quantity != 0]
    names += [order.instrument for order in account.orders if order.instrument is not None]
    found = [parse_contract(name).underlying for name in names]
    listed = list(case.market.underlyings)
    if any(order.instrument is None for order in account.orders) and len(listed) == 1:
        found += listed
    found += [
        name
        for name, amount in account.balances.items()
        if name not in cash and amount != 0 and _is_priced(case, name)
    ]
    return list(dict.fromkeys(found))


def _is_priced(case: Case[Any], name: str) -> bool:
    asset = case.market.assets.get(name)
    return name in case.market.underlyings or (asset is not None and asset.price is not None)
