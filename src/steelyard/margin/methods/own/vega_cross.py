"""Cross margin of Vega: what the riskier side of position and orders may cost, and the levels above it.

With mark M, position p (p⁺ = max(p, 0), p⁻ = |min(p, 0)|), buy orders b, sell orders a, risk factors
rl and rs, slippage l a unit and q a unit squared, all as shares of the mark, and funding f:

    long side   M·(l·p⁺ + q·p⁺²) + M·rl·(p⁺ + b)   if p + b > 0, else 0
    short side  M·(l·p⁻ + q·p⁻²) + M·rs·(p⁻ + a)   if p − a < 0, else 0
    funding     max(0, f·p), added to both

The maintenance requirement is the larger side rounded up; the other levels are ⌊maintenance · factor⌋
with factors cut to five decimals. Order prices are not used. A risk factor is asked for only where
its side is open.

An account in several markets has a margin account in each: levels add up. Source: Vega protocol
specification of its margin calculator.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from steelyard.margin.methods.answer import Part
from steelyard.margin.methods.own.vega_market import (
    VegaMarket,
    funding_payment,
    mark_price,
)
from steelyard.margin.methods.own.vega_numbers import (
    ZERO,
    ceiled,
    parameter_at,
)
from steelyard.terms.stated import Case

FACTOR_SCALE = 100_000  # factors are cut to five decimals


class Side(NamedTuple):
    """One side of a market in the settlement asset's unit: closing the position, and holding it all."""

    name: str
    slippage: Decimal = ZERO
    position_risk: Decimal = ZERO
    order_risk: Decimal = ZERO

    def total(self) -> Decimal:
        """Return the sum of the three."""
        return self.slippage + self.position_risk + self.order_risk


class CrossMargin(NamedTuple):
    """The levels of one market, and the side and funding they come from."""

    instrument: str
    underlying: str
    side: Side
    funding: Decimal
    maintenance: int
    search: int
    initial: int
    release: int
    initial_factor: Decimal


def cross_margin(
    case: Case[Decimal], market: VegaMarket, parameters: dict[str, Any]
) -> CrossMargin:
    """Return the margin levels of one market. Errors: METH-E01, METH-E05, METH-E06.

    A position that is closed, without orders, needs nothing, not even a mark: all levels are 0.
    """
    is_open = bool(market.quantity or market.buys or market.sells)
    mark = mark_price(case, market) if is_open else ZERO
    funding = max(ZERO, funding_payment(case, market) * market.quantity) if is_open else ZERO
    long = side_of("long", mark, market.quantity, market.bought(), parameters)
    short = side_of("short", mark, -market.quantity, market.sold(), parameters)
    side = short if short.total() > long.total() else long
    maintenance = ceiled(side.total() + funding)
    search, initial, release = (
        scaled(maintenance, factor_of(parameters, name))
        for name in ("search", "initial", "release")
    )
    return CrossMargin(
        market.instrument, market.underlying, side, funding,
        maintenance, search, initial, release,
        Decimal(factor_of(parameters, "initial")) / FACTOR_SCALE,
    )  # fmt: skip


def side_of(
    name: str, mark: Decimal, quantity: Decimal, ordered: Decimal, parameters: dict[str, Any]
) -> Side:
    """Return one side; `quantity` is positive where the position is on it.

    Nothing where position and orders together do not open it.
    """
    if quantity + ordered <= 0:
        return Side(name)
    held = max(quantity, ZERO)
    risk = parameter_at(parameters, f"risk_factors.{name}")
    return Side(name, mark * slippage(held, parameters), mark * risk * held, mark * risk * ordered)


def slippage(held: Decimal, parameters: dict[str, Any]) -> Decimal:
    """Return l·held + q·held², for held ≥ 0."""
    linear = parameter_at(parameters, "linear_slippage")
    quadratic = parameter_at(parameters, "quadratic_slippage")
    return linear * held + quadratic * held * held


def factor_of(parameters: dict[str, Any], name: str) -> int:
    """Return a scaling factor in hundred-thousandths, cut."""
    return int(parameter_at(parameters, f"scaling.{name}") * FACTOR_SCALE)


def scaled(maintenance: int, factor: int) -> int:
    """Return ⌊maintenance · factor⌋, the factor in hundred-thousandths.

    >>> scaled(41842481, 320_000)
    133895939
    """
    return maintenance * factor // FACTOR_SCALE


def parts_of(margin: CrossMargin) -> tuple[Part, ...]:
    """Return what the requirements of one market are made of; they sum to them exactly.

    In the initial requirement every part counts times the initial factor. `rounding` is what rounding
    the maintenance requirement up, and the initial one down, adds; parts of nothing are left out.
    """
    side = margin.side
    summands = (
        ("slippage", side.slippage, f"closing the {side.name} position moves the price"),
        (
            "risk_factor",
            side.position_risk,
            f"the {side.name} risk factor times the position at mark",
        ),
        ("orders", side.order_risk, f"the {side.name} risk factor times open orders at mark"),
        ("funding", margin.funding, "funding that the position owes"),
    )
    counted = [(name, value, note) for name, value, note in summands if value]
    exact = side.total() + margin.funding
    rounding = Part(
        "rounding", margin.initial - exact * margin.initial_factor, margin.maintenance - exact,
        margin.instrument, margin.underlying, "levels are whole numbers",
    )  # fmt: skip
    parts = tuple(
        Part(name, value * margin.initial_factor, value, margin.instrument, margin.underlying, note)
        for name, value, note in counted
    )
    return (*parts, rounding) if rounding.initial or rounding.maintenance else parts
