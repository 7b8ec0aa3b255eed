"""A cure in one sentence."""

from __future__ import annotations

from decimal import Decimal
from math import inf, isfinite
from typing import Any

from steelyard.margin.methods.cures.results import Cures, Deposit, Trade

LEGS_TOLD = 3


def cheapest(found: Cures) -> str:
    """Return the sentence of the cheapest cure, "" where there is none.

    The cheapest trade, or single legs closed where that costs less, and the deposit of cash that would
    do instead; without either the closing of the whole book, then a deposit alone.
    """
    parts = []
    if found.trades and not _are_legs_cheaper(found):
        parts.append(_trade(found.trades[0], found))
    elif found.reduction is not None and found.reduction.legs:
        parts.append(_legs(found))
    elif found.reduction is not None and found.reduction.kept is not None:
        closed = 100 * (1 - found.reduction.kept)
        cost = _cost(found.reduction.cost, found)
        parts.append(f"close {number(closed)} % of every position{cost}")
    parts += [_deposit(each) for each in found.deposits if each.amount is not None][:1]
    return "; or ".join(parts)


def healthy(found: Cures) -> str:
    """Return the sentence of an account that needs no cure."""
    ratio = "" if found.ratio is None else f", {number(found.ratio)} times it"
    return (
        f"nothing to do: equity of {number(found.equity)} covers the {found.level} requirement of"
        f" {number(found.requirement)} {found.currency}{ratio}"
    )


def number(value: Any) -> str:
    """Return a number with at most six decimals, thousands grouped.

    >>> number(1200.5), number(Decimal("3.200000")), number(0.000000012)
    ('1,200.5', '3.2', '1.2e-08')
    """
    if isinstance(value, float) and (not isfinite(value) or 0.0 < abs(value) < 1e-6):
        return f"{value:.6g}"
    text = f"{value:,.6f}"
    return text.rstrip("0").rstrip(".")


def quantity(value: Decimal) -> str:
    """Return a quantity without its sign, in plain digits.

    >>> quantity(Decimal("-0.3120"))
    '0.312'
    """
    text = f"{abs(value):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _are_legs_cheaper(found: Cures) -> bool:
    reduction, trade = found.reduction, found.trades[0]
    if reduction is None or not reduction.legs:
        return False
    notional = inf if reduction.legs_notional is None else reduction.legs_notional
    return (reduction.legs_cost, notional) < (
        trade.cost,
        inf if trade.notional is None else trade.notional,
    )


def _trade(trade: Trade, found: Cures) -> str:
    verb = "buy" if trade.quantity > 0 else "sell"
    size = (
        "" if trade.notional is None else f" (notional {number(trade.notional)} {found.currency})"
    )
    moved = f"goes from {number(trade.requirement_before)}"
    if trade.requirement_after < trade.requirement_before:
        moved = f"falls from {number(trade.requirement_before)}"
    return (
        f"{verb} {quantity(trade.quantity)} {trade.instrument}{size}: the {found.level} requirement"
        f" {moved} to {number(trade.requirement_after)} {found.currency}{_cost(trade.cost, found)}"
    )


def _legs(found: Cures) -> str:
    assert found.reduction is not None
    legs = found.reduction.legs
    told = legs if len(legs) <= LEGS_TOLD + 1 else legs[:LEGS_TOLD]
    said = ", ".join(
        f"{'buy' if each.quantity > 0 else 'sell'} {quantity(each.quantity)} {each.instrument}"
        for each in told
    )
    if len(legs) > len(told):
        said += f" and {len(legs) - len(told)} legs more"
    after = legs[-1].requirement_after
    return (
        f"{said}: the {found.level} requirement falls from {number(legs[0].requirement_before)} to"
        f" {number(after)} {found.currency}{_cost(found.reduction.legs_cost, found)}"
    )


def _cost(cost: float, found: Cures) -> str:
    return f", which costs {number(cost)} {found.currency}" if cost else ""


def _deposit(deposit: Deposit) -> str:
    return f"deposit {number(deposit.amount)} {deposit.asset}"
