"""What is said of curing an account: deposits, reductions, trades, and what each leg is worth in margin."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

Number = float | Decimal | int
Level = Literal["initial", "maintenance"]


class Deposit(msgspec.Struct, frozen=True):
    """The least deposit of one asset that cures; `amount` is None where no deposit of it does.

    amount: units of the asset, in steps of 10⁻⁶. value: what it adds to equity, in the method's
    currency. reason: why there is none.
    """

    asset: str
    amount: Decimal | None
    value: Number | None = None
    requirement_after: Number | None = None
    ratio_after: float | None = None
    reason: str = ""


class Trade(msgspec.Struct, frozen=True):
    """One trade at the mark: signed quantity, its notional and cost in the method's currency.

    notional is None where the market has no price for it. ratio_after: equity over requirement once
    the cost is paid; None where nothing is required any more.
    """

    instrument: str
    quantity: Decimal
    notional: float | None
    cost: float
    requirement_before: Number
    requirement_after: Number
    ratio_after: float | None


class Reduction(msgspec.Struct, frozen=True):
    """The account made smaller: every contract by the same fraction, or leg by leg.

    kept: the largest fraction of the whole book that cures, in steps of 10⁻⁶, None where none does
    (not even nothing: then the account lacks cash). notional and cost are those of what is closed.
    legs: the cheapest closing of single legs that was found, in the order of instruments; empty where
    there is none.
    """

    kept: Decimal | None = None
    notional: float | None = None
    cost: float = 0.0
    requirement_after: Number | None = None
    ratio_after: float | None = None
    legs: tuple[Trade, ...] = ()
    legs_notional: float | None = None
    legs_cost: float = 0.0


class Cures(msgspec.Struct, frozen=True):
    """How to bring equity to at least `wanted` times the requirement of a level, cheapest first.

    equity, requirement, ratio: as they are. Trades are ordered by cost, then by notional, then by name;
    `ranked_by` says which of the two decided. cheapest: one sentence. reason: why nothing can be said,
    or why nothing cures.
    """

    currency: str
    level: Level
    wanted: float
    equity: Number | None = None
    requirement: Number | None = None
    ratio: float | None = None
    is_cured: bool = False
    deposits: tuple[Deposit, ...] = ()
    reduction: Reduction | None = None
    trades: tuple[Trade, ...] = ()
    tried: int = 0
    ranked_by: Literal["cost", "notional"] = "notional"
    cheapest: str = ""
    reason: str = ""


class LeftOut(msgspec.Struct, frozen=True):
    """What an account's requirements fall by when one leg, or one underlying, is left out.

    kind: a position, a balance, an underlying with all its legs, or what the positions and balances
    miss of the requirement (`diversification`; negative where legs left out alone come to more). None
    where the method does not state the level.
    """

    kind: Literal["position", "balance", "diversification", "underlying"]
    name: str
    initial: Number | None
    maintenance: Number | None
