"""Vega's cross and isolated rules once more in fractions, written from the sheet, and cases to ask."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil, floor
from typing import Any

import msgspec

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.own import vega
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case

AS_OF = "2024-06-01T00:00:00Z"
FACTORS = {"long": 0.1, "short": 0.2}
ONE_CENT_IN_FIVE = 100_000


def ask(**fields: Any) -> Answer:
    """Return the answer to a case of these fields."""
    line = json.dumps({"case": "here", "method": "vega", **fields})
    case = msgspec.json.decode(line, type=Case[vega.Number])
    return vega.answer(case, documents().get("vega").with_parameters(case.parameters))


def market(mark: float = 100, **fields: Any) -> dict[str, Any]:
    """Return a market of one coin."""
    return {"as_of": AS_OF, "underlyings": {"BTC": {"mark_price": mark, **fields}}}


def account(mode: str, quantity: Any = 0, orders: Any = (), **fields: Any) -> dict[str, Any]:
    """Return an account; orders are (side, quantity, price), `entry_price` is the position's."""
    entry = {name: fields.pop(name) for name in ("entry_price",) if name in fields}
    held = [{"instrument": "BTC-PERPETUAL", "quantity": quantity, **entry}] if quantity else []
    listed = [{"side": s, "quantity": q, "price": p} for s, q, p in orders]
    return {"mode": mode, "positions": held, "orders": listed, **fields}


def cross_levels(
    mark: Fraction,
    position: Fraction,
    buys: Fraction,
    sells: Fraction,
    funding: Fraction,
    factors: dict[str, Fraction],
) -> tuple[int, int, int, int]:
    """Return maintenance, search, initial and release."""
    up, down = max(position, Fraction(0)), max(-position, Fraction(0))
    linear, quadratic = factors["linear"], factors["quadratic"]
    long = short = Fraction(0)
    if position + buys > 0:
        long = mark * (linear * up + quadratic * up**2) + mark * factors["long"] * (up + buys)
    if position - sells < 0:
        short = mark * (linear * down + quadratic * down**2)
        short += mark * factors["short"] * (down + sells)
    owed = max(Fraction(0), funding * position)
    maintenance = ceil(max(long + owed, short + owed, 0))
    levels = [
        floor(maintenance * Fraction(floor(factors[name] * ONE_CENT_IN_FIVE), ONE_CENT_IN_FIVE))
        for name in ("search", "initial", "release")
    ]
    return maintenance, levels[0], levels[1], levels[2]


def order_margins(
    position: Fraction, orders: list[tuple[str, Fraction, Fraction]], factor: Fraction
) -> tuple[int, int]:
    """Return the floored order margins of buys and sells, a unit of a hundredth at a time."""
    step = Fraction(1, 100)
    totals = {"buy": Fraction(0), "sell": Fraction(0)}
    closing = {"buy": max(-position, Fraction(0)), "sell": max(position, Fraction(0))}
    for side, quantity, price in orders:
        for _ in range(int(quantity / step)):
            if closing[side] > 0:
                closing[side] -= step
            else:
                totals[side] += step * price
    return floor(factor * totals["buy"]), floor(factor * totals["sell"])
