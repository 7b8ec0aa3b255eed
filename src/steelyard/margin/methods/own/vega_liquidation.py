"""The liquidation price under Vega's cross margin, and how a case's questions are read.

For a position p with collateral C, without orders (r is the risk factor of its side; other letters
as in `vega_cross`):

    P = (C − p·M − max(0, p·f)) / (l·|p| + q·p² + |p|·r − p), or 0 if that is negative

At P, C + p·(P − M) equals the maintenance level, before it is rounded. As at the venue a closed
position answers 0, and where the denominator is zero (the requirement moves as fast as the position's
value does) no price exists: an error.

Source: Vega protocol specification of the margin calculator.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.own.vega_cross import slippage
from steelyard.margin.methods.own.vega_market import (
    VegaMarket,
    funding_payment,
    mark_price,
    single_market,
)
from steelyard.margin.methods.own.vega_numbers import QUOTIENT, ZERO, exact, parameter_at
from steelyard.terms.decoding import fault_of
from steelyard.terms.stated import Case

NOTHING = (b"", b"null")


class LiquidationPriceQuestion(msgspec.Struct, frozen=True):
    """What the account has for this market, in the settlement asset's unit."""

    collateral: Decimal


Question = TypeVar("Question", bound=msgspec.Struct)


def is_asked(question: msgspec.Raw) -> bool:
    """Return whether a case holds the question."""
    return bytes(question) not in NOTHING


def question_of(text: msgspec.Raw, name: str, form: type[Question]) -> Question:
    """Return a case's question in its form. Errors: METH-E02 with the field that is missing or unfit."""
    try:
        return msgspec.json.decode(text, type=form)
    except msgspec.ValidationError as error:
        fault = fault_of(error)
        field, fields = fault.field(name), ", ".join(form.__struct_fields__)
        refuse("METH-E02", f"{field}: {fault.said}", f"{name} has {fields}", f"mend {field}", field)


def liquidation_price(
    case: Case[Decimal], question: LiquidationPriceQuestion, parameters: dict[str, Any]
) -> float:
    """Return the mark at which the maintenance level is all that is left.

    Errors: METH-E01, METH-E04 where the account is not cross, has orders or several markets, METH-E05
    where no such price exists, METH-E06 without the risk factor of the position's side.
    """
    if case.account.mode not in ("cross", "portfolio", None):
        refuse(
            "METH-E04", f"the account's mode is {case.account.mode}",
            "the liquidation price is that of cross margin", "state mode cross", "account.mode",
        )  # fmt: skip
    market = single_market(case, "the liquidation price")
    if market.buys or market.sells:
        refuse(
            "METH-E04", "the account has open orders",
            "the liquidation price is that of a position without orders",
            "drop account.orders", "account.orders",
        )  # fmt: skip
    collateral = exact(question.collateral, "liquidation_price.collateral")
    if not market.quantity:
        return 0.0
    price = exact_liquidation_price(
        collateral, market, mark_price(case, market), funding_payment(case, market), parameters
    )
    return float(price)


def exact_liquidation_price(
    collateral: Decimal,
    market: VegaMarket,
    mark: Decimal,
    funding: Decimal,
    parameters: dict[str, Any],
) -> Decimal:
    """Return the liquidation price of a position to 60 digits. Errors: METH-E05, METH-E06."""
    quantity = market.quantity
    held = abs(quantity)
    risk = parameter_at(parameters, f"risk_factors.{'long' if quantity > 0 else 'short'}")
    required = slippage(held, parameters) + held * risk
    above = collateral - quantity * mark - max(ZERO, quantity * funding)
    below = required - quantity
    if not below:
        refuse(
            "METH-E05", f"{market.instrument} has no liquidation price",
            "the position's value and its requirement move alike, so no price parts them",
            "change the slippage or the risk factor", "liquidation_price",
        )  # fmt: skip
    return max(ZERO, QUOTIENT.divide(above, below))
