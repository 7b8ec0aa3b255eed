"""dYdX v4 liquidations: the bankruptcy quote, the insurance fund's part, the fillable price.

Source: dYdX Trading, protocol of the dYdX chain, clob module.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from steelyard.margin.methods.needs import refuse, required
from steelyard.margin.methods.own.dydx_positions import DECIMALS, Held, maintenance_of
from steelyard.margin.methods.own.exact import (
    amount,
    exact,
    floored,
    not_negative,
    question,
    truncated,
)
from steelyard.quantities import PPM, mul_div_floor
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case


class Liquidation(msgspec.Struct, frozen=True):
    """The question: which position, the signed change of it, the price it fills at."""

    instrument: str | None = None
    quantity: Decimal | None = None
    fill_price: Decimal | None = None
    fillable_price: bool = False


_DECODER = msgspec.json.Decoder(Liquidation | None)


def liquidation_answers(
    case: Case[Decimal],
    document: MethodDocument,
    held: Sequence[Held],
    equity: int,
    maintenance: int,
) -> dict[str, Any]:
    """Return what the case asks of a liquidation, {} without a question.

    equity, maintenance: of the account, in millionths of a USDC. Errors: METH-E02 for a question that
    lacks a field or names a position that is not held, METH-E05 for an account that cannot be
    liquidated (no maintenance requirement) and for a change that does not reduce its position.
    """
    asked = question(case.liquidation, _DECODER, "liquidation")
    if asked is None:
        return {}
    if asked.quantity is None and asked.fill_price is None and not asked.fillable_price:
        return {}
    position = _position_asked(asked, held)
    if maintenance <= 0:
        refuse(
            "METH-E05", "the account has no maintenance requirement", "its share of the requirement "
            "divides the account's equity", "ask of an account that has positions", "liquidation",
        )  # fmt: skip
    rates = {
        name: floored(not_negative(value, f"parameters.liquidation.{name}"), 0)
        for name, value in document.parameters["liquidation"].items()
    }
    answers: dict[str, Any] = {}
    if asked.quantity is not None or asked.fill_price is not None:
        change = _change_asked(asked, position)
        quote = bankruptcy_quote(position, change, equity, maintenance)
        answers["bankruptcy_quote"] = amount(quote, DECIMALS)
        if asked.fill_price is not None:
            price = not_negative(asked.fill_price, "liquidation.fill_price")
            fee_ppm = rates["max_liquidation_fee_ppm"]
            answers["insurance_fund_delta"] = amount(
                insurance_fund_delta(change, price, quote, fee_ppm), DECIMALS
            )
    if asked.fillable_price:
        answers["fillable_price"] = fillable_price(position, equity, maintenance, rates)
    return answers


def _position_asked(asked: Liquidation, held: Sequence[Held]) -> Held:
    """Return the position that the question names. Errors: METH-E02."""
    field = "liquidation.instrument"
    name = required(asked.instrument, field, "a liquidation closes one position")
    for each in held:
        if each.instrument == name and each.quantity != 0:
            return each
    return refuse(
        "METH-E02", f"the account holds no position in {name}", "a liquidation closes a position",
        "name one that the account holds", field,
    )  # fmt: skip


def _change_asked(asked: Liquidation, position: Held) -> Fraction:
    """Return the signed change of the position. Errors: METH-E02, METH-E05.

    The venue refuses a change of zero, one that adds to the position and one beyond its end.
    """
    field = "liquidation.quantity"
    stated = required(asked.quantity, field, "the insurance fund covers the fill of a quantity")
    change = exact(stated, field)
    if change * position.quantity >= 0 or abs(change) > abs(position.quantity):
        refuse(
            "METH-E05", f"{field} is {stated} for a position of {float(position.quantity)}",
            "a liquidation brings the position nearer to zero, and not beyond it",
            "give the quantity the sign against the position", field,
        )  # fmt: skip
    return change


def bankruptcy_quote(position: Held, change: Fraction, equity: int, maintenance: int) -> int:
    """Return the quote amount at which a change of the position takes its share of the equity along.

    −(n' − n) − ⌊equity·|MM' − MM_p|/MM⌋ in millionths of a USDC; positive: the account receives it.
    n', MM': of the position after the change; MM: the account's. ⌊·⌋ to minus infinity also for an
    equity below zero. Worked: DYDX-020.
    """
    notional = truncated((position.quantity + change) * position.price, DECIMALS)
    moved = abs(maintenance_of(notional, position.tier) - position.maintenance)
    return position.notional - notional - equity * moved // maintenance


def insurance_fund_delta(change: Fraction, price: Fraction, quote: int, fee_ppm: int) -> int:
    """Return what the insurance fund gains (or pays, below zero) when a change fills at a price.

    The signed fill, + for a sale, against the bankruptcy quote; a gain is at most the fee on the fill.
    Millionths of a USDC. Worked: DYDX-022.
    """
    fill = floored(abs(change) * price, DECIMALS)
    delta = (fill if change < 0 else -fill) - quote
    return delta if delta <= 0 else min(mul_div_floor(fill, fee_ppm, PPM), delta)


def fillable_price(position: Held, equity: int, maintenance: int, rates: dict[str, int]) -> float:
    """Return the worst price at which the venue may fill a liquidation of the position, as a number.

    (n − a·MM_p·spread)/(quantity·10⁶) with a = (1 − equity/MM)·adjustment held in [0, 1]; the exact
    fraction, rounded once to the nearest double. Worked: DYDX-025.
    """
    adjustment = Fraction(rates["bankruptcy_adjustment_ppm"], PPM)
    spread = Fraction(rates["spread_to_maintenance_ratio_ppm"], PPM)
    share = min(max((1 - Fraction(equity, maintenance)) * adjustment, Fraction(0)), Fraction(1))
    units = 10**DECIMALS
    return float(
        (position.notional - share * position.maintenance * spread) / (position.quantity * units)
    )
