"""Reasons as they go over the wire: the library's results with exact decimals written as strings.

Fields are those of the structs in `margin.methods` that they are named after; what a method answers in
floats stays a number, and a Decimal or an int of an exact method becomes the string that reads back as it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

from steelyard.margin.methods.cures.results import Level

Amount = float | str | None
Wired = TypeVar("Wired")


class LeafView(msgspec.Struct, frozen=True):
    """What one leg, or no leg, has in a part."""

    name: str
    underlying: str
    initial: str
    maintenance: str


class BranchView(msgspec.Struct, frozen=True):
    """One part of the two requirements; its leaves sum to it exactly."""

    name: str
    initial: str
    maintenance: str
    leaves: tuple[LeafView, ...]


class DepositView(msgspec.Struct, frozen=True):
    """The least deposit of an asset that cures; amount in units of it, null where none does: reason."""

    asset: str
    amount: str | None
    value: Amount
    requirement_after: Amount
    ratio_after: float | None
    reason: str


class TradeView(msgspec.Struct, frozen=True):
    """One trade at the mark: signed quantity, notional and cost in the method's currency."""

    instrument: str
    quantity: str
    notional: float | None
    cost: float
    requirement_before: Amount
    requirement_after: Amount
    ratio_after: float | None


class ReductionView(msgspec.Struct, frozen=True):
    """The account made smaller: kept is the fraction of the whole book, legs single closings."""

    kept: str | None
    notional: float | None
    cost: float
    requirement_after: Amount
    ratio_after: float | None
    legs: tuple[TradeView, ...]
    legs_notional: float | None
    legs_cost: float


class CuresView(msgspec.Struct, frozen=True):
    """How to bring equity to `wanted` times the requirement of a level; ratio: equity / requirement."""

    currency: str
    level: Level
    wanted: float
    equity: Amount
    requirement: Amount
    ratio: float | None
    is_cured: bool
    deposits: tuple[DepositView, ...]
    reduction: ReductionView | None
    trades: tuple[TradeView, ...]
    tried: int
    ranked_by: Literal["cost", "notional"]
    cheapest: str
    reason: str


class RootView(msgspec.Struct, frozen=True):
    """A price at which a verdict flips; falling: it is so at this price and below, rising: and above."""

    price: str
    direction: Literal["falling", "rising"]


class CriticalView(msgspec.Struct, frozen=True):
    """What the price of one underlying does to an account, the others held still; prices in USD."""

    underlying: str
    reference: str | None
    tick: str | None
    lowest: str | None
    highest: str | None
    instrument: str
    is_liquidatable: bool | None
    is_bankrupt: bool | None
    liquidation: tuple[RootView, ...]
    bankruptcy: tuple[RootView, ...]
    liquidation_below: str | None
    liquidation_above: str | None
    bankruptcy_below: str | None
    bankruptcy_above: str | None
    words: tuple[str, ...]
    reason: str


def wired(found: msgspec.Struct, kind: type[Wired]) -> Wired:
    """Return a result of the library in its form for the wire.

    >>> from decimal import Decimal
    >>> from steelyard.margin.methods.prices import Root
    >>> wired(Root(Decimal("86.950"), "falling"), RootView)
    RootView(price='86.950', direction='falling')
    """
    plain: Any = msgspec.to_builtins(found)
    return msgspec.convert(plain, kind)
