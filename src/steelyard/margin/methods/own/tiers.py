"""Leverage tiers of linear perpetuals: maintenance by bracket of notional, and liquidation prices.

`parameters.brackets` has for every underlying the brackets {notional_cap, maintenance_rate} in rising
order, the last cap possibly none. With Q = |q|, s = ±1 the side, m the mark and E the entry:

    deduction_1 = 0, deduction_n = deduction_(n−1) + cap_(n−1)·(rate_n − rate_(n−1))
    maintenance = Q·m·rate − deduction            of the first bracket with Q·m ≤ cap
    equity      = balance + Σ q·(m − E)
    liquidation = (W − TMM + UPNL + deduction − s·Q·E) / (Q·rate − s·Q)

W is the wallet balance, TMM and UPNL the maintenance and unrealised P&L of the other positions at
their present marks; of an isolated position W is its own margin, TMM and UPNL are 0. The bracket is
that of the present mark. The deduction makes the maintenance continuous where brackets meet.

What the rule leaves open: an account is isolated where its mode says so, else one wallet serves all
its positions, and an `isolated_margin` stated there is not used (the part's note says so). Without an
entry price a position's P&L counts as settled, the entry is the mark. A balance of another asset has no value
that the rule states: METH-E04. Above the last cap there is no
rate: METH-E05 names the bracket. A liquidation price that is not above zero, or that no price moves
(no quantity; a long at a rate of 1), is None. A price in which notional and cap meet belongs to the
lower bracket; the product is that of float64.

Where every position states its leverage there is an initial requirement too, Q·m/leverage and never
below the maintenance; otherwise it is None, and 0 in the parts.

Source: Binance's support pages on maintenance and liquidation prices of USD-margined futures; the
same shape serves Hyperliquid, where a tier's rate is 1/(2·its maximum leverage).
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from steelyard.margin.methods.answer import Answer, Part
from steelyard.margin.methods.needs import (
    above_zero,
    bounded,
    contracts_of,
    given,
    only_balance,
    perpetual_mark,
    refuse,
    required_number,
)
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Position

Number = float
COVERS = frozenset({"perpetual"})


class Bracket(NamedTuple):
    """A bracket of notional: its place from 1, its cap (inf for none), its rate, what is deducted."""

    place: int
    notional_cap: float
    maintenance_rate: float
    deduction: float


class Held(NamedTuple):
    """A position at its mark."""

    position: Position[float]
    field: str
    underlying: str
    bracket: Bracket
    notional: float
    entry_price: float
    maintenance: float
    pnl: float


def answer(case: Case[float], document: MethodDocument) -> Answer:
    """Return equity, maintenance requirement and liquidation prices under leverage tiers.

    Errors: METH-E01 to METH-E06 and STAT-E02, each with the field.

    >>> 3125000.0 == 200000000.0 * 0.025 - 150000000.0 * (0.025 - 0.0125)  # 2,000 BTC at 100,000
    True
    """
    currency = document.currency
    wallet = only_balance(case.account, currency, document.name)
    held = _held(case, document)
    equity, maintenance, pnl = wallet, 0.0, 0.0
    for each in held:
        pnl += each.pnl
        maintenance += each.maintenance
    equity = bounded(wallet + pnl, "account", "the equity")
    bounded(maintenance, "account", "the maintenance requirement")
    initials = [_initial(each) for each in held]
    initial: float | None = 0.0
    for amount in initials:
        initial = None if initial is None or amount is None else initial + amount
    is_isolated = case.account.mode == "isolated"
    prices: dict[str, float | None] = {}
    for each in held:
        if is_isolated:
            margin = _isolated_margin(each)
        else:
            margin = wallet - (maintenance - each.maintenance) + (pnl - each.pnl)
        prices[each.position.instrument] = liquidation_price(
            margin, each.position.quantity, each.entry_price, each.bracket
        )
    return Answer(
        currency=currency,
        equity=equity,
        initial_requirement=initial,
        maintenance_requirement=maintenance,
        native={
            "liquidation_price": prices,
            "maintenance_margin": {each.position.instrument: each.maintenance for each in held},
        },
        parts=tuple(
            _part(each, amount if initial is not None else None, is_isolated)
            for each, amount in zip(held, initials, strict=True)
        ),
    )


def brackets_of(rows: list[dict[str, Any]], field: str) -> tuple[Bracket, ...]:
    """Return the brackets with their deductions. Errors: METH-E05 where they are not in rising order.

    rows: {notional_cap, maintenance_rate} each; only the last cap may be None (no cap); rates in [0, 1].

    >>> [b.deduction for b in brackets_of([
    ...     {"notional_cap": 50000, "maintenance_rate": 0.25},
    ...     {"notional_cap": 250000, "maintenance_rate": 0.5},
    ...     {"notional_cap": None, "maintenance_rate": 1.0}], "parameters.brackets.BTC")]
    [0.0, 12500.0, 137500.0]
    """
    if not rows:
        refuse(
            "METH-E05", f"{field} is empty", "an underlying has at least one bracket",
            "state its brackets", field,
        )  # fmt: skip
    brackets: list[Bracket] = []
    cap, rate, deduction = 0.0, 0.0, 0.0
    for i, row in enumerate(rows):
        where = f"{field}[{i}]"
        next_rate = given(float(row["maintenance_rate"]), f"{where}.maintenance_rate")
        stated = row.get("notional_cap")
        next_cap = inf if stated is None else given(float(stated), f"{where}.notional_cap")
        if not next_cap > cap or not 0.0 <= next_rate <= 1.0:
            refuse(
                "METH-E05", f"{where} is out of order",
                "caps rise from above zero, only the last is none, and rates lie in [0, 1]",
                "mend the brackets", where,
            )  # fmt: skip
        if i:
            deduction += cap * (next_rate - rate)
        cap, rate = next_cap, next_rate
        brackets.append(Bracket(i + 1, cap, rate, deduction))
    return tuple(brackets)


def bracket_at(brackets: tuple[Bracket, ...], notional: float, field: str) -> Bracket:
    """Return the first bracket whose cap is not below the notional. Errors: METH-E05 above the last."""
    last = brackets[-1]
    if notional > last.notional_cap:
        refuse(
            "METH-E05",
            f"a notional of {notional:.12g} is above bracket {last.place}, the last,"
            f" which ends at {last.notional_cap:.12g}",
            "a position fits into one of its underlying's brackets",
            "mend the quantity, or state a bracket without a cap",
            field,
        )
    return next(bracket for bracket in brackets if notional <= bracket.notional_cap)


def maintenance_margin(notional: float, bracket: Bracket) -> float:
    """Return what a position of this notional must keep in its bracket.

    >>> maintenance_margin(200e6, Bracket(2, inf, 0.025, 1875000.0))
    3125000.0
    """
    return notional * bracket.maintenance_rate - bracket.deduction


def liquidation_price(
    margin: float, quantity: float, entry_price: float, bracket: Bracket
) -> float | None:
    """Return the mark at which margin + P&L is the maintenance of the bracket, or None.

    margin: W − TMM + UPNL, what serves this position before its own P&L. None where the price is not
    above zero, or the position does not move with it.

    >>> liquidation_price(720000.0, -30.0, 40500.0, Bracket(4, 10e6, 0.025, 16300.0))
    63456.91056910569
    """
    side = 1.0 if quantity > 0.0 else -1.0
    size = abs(quantity)
    slope = size * bracket.maintenance_rate - side * size
    if slope == 0.0:
        return None
    price = (margin + bracket.deduction - side * size * entry_price) / slope
    return price if 0.0 < price < inf else None


def _held(case: Case[float], document: MethodDocument) -> list[Held]:
    contracts = contracts_of(case.account, document.name, COVERS)
    tables: dict[str, tuple[Bracket, ...]] = {}
    held = []
    for i, (position, contract) in enumerate(zip(case.account.positions, contracts, strict=True)):
        field = f"account.positions[{i}]"
        name = contract.underlying
        if position.contract == "inverse":
            refuse(
                "METH-E04", f"{document.name} does not cover {position.instrument} as inverse",
                f"method {document.name} covers linear perpetuals",
                "drop the position or choose another method", f"{field}.contract",
            )  # fmt: skip
        if name not in tables:
            tables[name] = brackets_of(
                document.entry("brackets", name), f"parameters.brackets.{name}"
            )
        mark = perpetual_mark(case, name)
        entry = mark
        if position.entry_price is not None:
            entry = given(position.entry_price, f"{field}.entry_price")
        quantity = position.quantity
        notional = bounded(abs(quantity) * mark, f"{field}.quantity", "the notional")
        bracket = bracket_at(tables[name], notional, f"{field}.quantity")
        pnl = bounded(quantity * (mark - entry), f"{field}.quantity", "the unrealised P&L")
        kept = maintenance_margin(notional, bracket)
        held.append(Held(position, field, name, bracket, notional, entry, kept, pnl))
    return held


def _isolated_margin(each: Held) -> float:
    return required_number(
        each.position.isolated_margin,
        f"{each.field}.isolated_margin",
        "an isolated position is liquidated on its own margin",
    )


def _initial(each: Held) -> float | None:
    leverage = each.position.leverage
    if leverage is None:
        return None
    field = f"{each.field}.leverage"
    return max(each.notional / above_zero(given(leverage, field), field), each.maintenance)


def _part(each: Held, initial: float | None, is_isolated: bool) -> Part:
    bracket = each.bracket
    note = (
        f"bracket {bracket.place}: {each.notional:.12g} × {bracket.maintenance_rate:.12g}"
        f" − {bracket.deduction:.12g}"
    )
    if each.position.isolated_margin is not None and not is_isolated:
        note += "; its isolated margin is not used, the account is not isolated"
    return Part(
        name="tier",
        initial=0.0 if initial is None else initial,
        maintenance=each.maintenance,
        instrument=each.position.instrument,
        underlying=each.underlying,
        note=note,
    )
