"""Drift v2 liquidations and bankruptcies: how much to take, at what fee, and what is spread after.

Prices, fees and USD count 10⁻⁶, base amounts 10⁻⁹, ratios and shares 10⁻⁴; divisions floor unless they
say otherwise. Source: Drift Labs, protocol-v2, liquidation maths.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from steelyard.margin.methods.needs import given, refuse, required, underlying_of
from steelyard.margin.methods.own.exact import (
    amount,
    floored,
    not_negative,
    question,
)
from steelyard.quantities import ceil_div, mul_div_ceil
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, parse_contract

SLOTS_OF_GRACE = 1_500
SHORTAGE_TAKEN_WHOLE = 50 * 10**6
WHOLE = 10**4


class Liquidation(msgspec.Struct, frozen=True):
    """The three questions of a liquidation; which are asked, the fields that are there say."""

    instrument: str | None = None
    margin_ratio: Decimal | None = None
    margin_shortage: Decimal | None = None
    margin_freed: Decimal | None = None
    base_liquidator_fee: Decimal | None = None
    max_liquidator_fee: Decimal | None = None
    slots_since_last_progress: int | None = None
    slots_elapsed: int | None = None
    initial_pct_to_liquidate: Decimal | None = None
    liquidation_duration_slots: int | None = None


class Bankruptcy(msgspec.Struct, frozen=True):
    """The two questions of a bankruptcy: a perpetual's loss, or a borrow that nobody repays."""

    perpetual_loss: Decimal | None = None
    open_interest_long: Decimal | None = None
    open_interest_short: Decimal | None = None
    borrow: Decimal | None = None
    deposits: Decimal | None = None
    cumulative_deposit_interest: Decimal | None = None


_LIQUIDATION = msgspec.json.Decoder(Liquidation | None)
_BANKRUPTCY = msgspec.json.Decoder(Bankruptcy | None)


def questions_answered(case: Case[Decimal], document: MethodDocument) -> dict[str, Any]:
    """Return what the case asks of a liquidation and of a bankruptcy, {} if it asks nothing.

    Errors: METH-E02 for a question that lacks a field, METH-E01 for one that lacks a price, METH-E05
    for a number out of its bounds.
    """
    asked = question(case.liquidation, _LIQUIDATION, "liquidation") or Liquidation()
    lost = question(case.bankruptcy, _BANKRUPTCY, "bankruptcy") or Bankruptcy()
    answers: dict[str, Any] = {}
    fees = asked.base_liquidator_fee, asked.max_liquidator_fee, asked.slots_since_last_progress
    pace = (
        asked.margin_freed,
        asked.slots_elapsed,
        asked.initial_pct_to_liquidate,
        asked.liquidation_duration_slots,
    )
    is_cover = asked.margin_ratio is not None or (
        asked.instrument is not None and not _any_given(*fees, *pace)
    )
    if is_cover:
        answers["base_to_cover"] = _base_to_cover(asked, case, document)
    if _any_given(*fees):
        answers["liquidator_fee"] = _liquidator_fee(asked)
    # A shortage that no other question takes asks for the share of it: below 50 USD it is all there is.
    if _any_given(*pace) or (asked.margin_shortage is not None and not answers):
        answers["max_pct_to_liquidate"] = _max_pct_to_liquidate(asked)
    if _any_given(lost.perpetual_loss, lost.open_interest_long, lost.open_interest_short):
        answers["funding_rate_delta"] = _funding_rate_delta(lost)
    if _any_given(lost.borrow, lost.deposits, lost.cumulative_deposit_interest):
        answers["deposit_interest_delta"] = _deposit_interest_delta(lost)
    return answers


def base_to_cover(
    shortage: int, price: int, quote_price: int, ratio: int, liquidator_fee: int, fund_fee: int
) -> int | None:
    """Return the base amount (10⁻⁹) whose liquidation makes up for a shortage; None is all of it.

    ⌊shortage·10⁹ / (⌊⌊o·p/10⁶⌋·(r − lf)/10⁶⌋ − ⌊o·iff/10⁶⌋)⌋, all of them 10⁻⁶, the ratio r too; all of
    it where o = 0 or r ≤ lf. Errors: METH-E05 where a unit frees nothing, since the fee of the fund
    takes it: the venue's own arithmetic stops there.

    A shortage of 10 at a price of 100, a ratio of 10 % and a liquidator's fee of 1 %:

    >>> base_to_cover(10 * 10**6, 100 * 10**6, 10**6, 100_000, 10_000, 0)
    1111111111
    """
    if price == 0 or ratio <= liquidator_fee:
        return None
    worth = price * quote_price // 10**6
    freed = worth * (ratio - liquidator_fee) // 10**6 - price * fund_fee // 10**6
    if freed <= 0:
        refuse(
            "METH-E05", "liquidating a unit frees no margin", "the ratio exceeds both fees together",
            "mend the ratio or the fees of the market", "liquidation.margin_ratio",
        )  # fmt: skip
    return shortage * 10**9 // freed


def liquidator_fee(base: int, highest: int, slots: int) -> int:
    """Return the liquidator's fee (10⁻⁶) some slots after the last progress.

    The base for 1,500 slots, then min(highest, base + slots): all slots count from there on.

    >>> [liquidator_fee(20_000, 50_000, slots) for slots in (1_499, 1_500, 100_000)]
    [20000, 21500, 50000]
    """
    return base if slots < SLOTS_OF_GRACE else min(highest, base + slots)


def max_pct_to_liquidate(shortage: int, freed: int, slots: int, initial: int, duration: int) -> int:
    """Return the share (10⁻⁴) of a shortage of at least 50 USD that may be made up for by now.

    f = min(10⁴, ⌊slots·10⁴/duration⌋ + initial); freeable = max(0, ⌊(shortage + freed)·f/10⁴⌋ − freed);
    ⌊freeable·10⁴/shortage⌋. Shortage and freed in 10⁻⁶.

    >>> max_pct_to_liquidate(400 * 10**6, 100 * 10**6, 4, 1_000, 20)
    1250
    """
    fraction = min(WHOLE, slots * WHOLE // duration + initial)
    freeable = max(0, (shortage + freed) * fraction // WHOLE - freed)
    return freeable * WHOLE // shortage


def _base_to_cover(
    asked: Liquidation, case: Case[Decimal], document: MethodDocument
) -> Decimal | str:
    why = "instrument, margin_ratio and margin_shortage together ask for base_to_cover"
    name = required(asked.instrument, "liquidation.instrument", why)
    ratio = _given(asked.margin_ratio, "liquidation.margin_ratio", 4, why) * 100
    shortage = _given(asked.margin_shortage, "liquidation.margin_shortage", 6, why)
    contract = parse_contract(name)
    if contract.kind != "perpetual":
        refuse(
            "METH-E04", f"{document.name} does not cover {name}", "it covers perpetual",
            "name a perpetual or choose another method", "liquidation.instrument",
        )  # fmt: skip
    underlying = contract.underlying
    field = f"market.underlyings.{underlying}.index_price"
    price = given(underlying_of(case, underlying).index_price, field)
    entry = document.entry("perpetual_markets", underlying)
    fees = (
        floored(not_negative(entry[fee], f"parameters.perpetual_markets.{underlying}.{fee}"), 6)
        for fee in ("liquidator_fee", "insurance_fund_fee")
    )
    covered = base_to_cover(
        shortage, floored(not_negative(price, field), 6), quote_price(case), ratio, *fees
    )
    return "all" if covered is None else amount(covered, 9)


def quote_price(case: Case[Decimal]) -> int:
    """Return the price of a USDC in 10⁻⁶ USD, 1 where none is stated."""
    asset = case.market.assets.get("USDC")
    if asset is None or asset.price is None:
        return 10**6
    return floored(not_negative(asset.price, "market.assets.USDC.price"), 6)


def _liquidator_fee(asked: Liquidation) -> Decimal:
    why = "the liquidator's fee grows from the base to the highest with the slots"
    base = _given(asked.base_liquidator_fee, "liquidation.base_liquidator_fee", 6, why)
    slots = _slots(asked.slots_since_last_progress, "liquidation.slots_since_last_progress", why)
    if slots < SLOTS_OF_GRACE:
        return amount(base, 6)
    highest = _given(asked.max_liquidator_fee, "liquidation.max_liquidator_fee", 6, why)
    return amount(liquidator_fee(base, highest, slots), 6)


def _max_pct_to_liquidate(asked: Liquidation) -> Decimal:
    why = "the share that may be liquidated grows with the slots of the liquidation"
    shortage = _given(asked.margin_shortage, "liquidation.margin_shortage", 6, why)
    if shortage < SHORTAGE_TAKEN_WHOLE:
        return amount(WHOLE, 4)
    freed = floored(not_negative(asked.margin_freed or 0, "liquidation.margin_freed"), 6)
    slots = _slots(asked.slots_elapsed, "liquidation.slots_elapsed", why)
    initial = _given(asked.initial_pct_to_liquidate, "liquidation.initial_pct_to_liquidate", 4, why)
    field = "liquidation.liquidation_duration_slots"
    duration = _slots(asked.liquidation_duration_slots, field, why)
    if duration == 0:
        refuse("METH-E05", f"{field} is 0", "a liquidation lasts", "state at least 1", field)
    return amount(max_pct_to_liquidate(shortage, freed, slots, initial, duration), 4)


def _funding_rate_delta(lost: Bankruptcy) -> Decimal:
    """Return what a perpetual's loss adds to the funding rate, rounded up: ⌈L·10⁹/OI⌉·1000 in 10⁻⁹."""
    why = "a perpetual's loss is spread over the open interest of both sides"
    loss = _given(lost.perpetual_loss, "bankruptcy.perpetual_loss", 6, why)
    sides = (
        _given(lost.open_interest_long, "bankruptcy.open_interest_long", 9, why),
        _given(lost.open_interest_short, "bankruptcy.open_interest_short", 9, why),
    )
    spread_over = _some(sides[0] + sides[1], "bankruptcy.open_interest_long")
    return amount(mul_div_ceil(loss, 10**9, spread_over) * 1000, 9)


def _deposit_interest_delta(lost: Bankruptcy) -> Decimal:
    """Return what a lost borrow takes from the deposits' interest, rounded up: ⌈I·borrow/deposits⌉."""
    why = "a borrow that nobody repays is spread over the deposits and their interest so far"
    borrow = _given(lost.borrow, "bankruptcy.borrow", 6, why)
    deposits = _given(lost.deposits, "bankruptcy.deposits", 6, why)
    field = "bankruptcy.cumulative_deposit_interest"
    interest = _given(lost.cumulative_deposit_interest, field, 10, why)
    return amount(ceil_div(interest * borrow, _some(deposits, "bankruptcy.deposits")), 10)


def _any_given(*values: object) -> bool:
    return any(value is not None for value in values)


def _given(value: Decimal | None, field: str, decimals: int, why: str) -> int:
    """Return a field of a question in units of 10^−decimals. Errors: METH-E02, METH-E05."""
    return floored(not_negative(required(value, field, why), field), decimals)


def _slots(value: int | None, field: str, why: str) -> int:
    """Return a count of slots. Errors: METH-E02, METH-E05."""
    slots = required(value, field, why)
    if slots < 0:
        refuse("METH-E05", f"{field} is {slots}", "slots are counted from 0", "mend it", field)
    return slots


def _some(units: int, field: str) -> int:
    """Return a divisor. Errors: METH-E05 for zero."""
    if units == 0:
        refuse(
            "METH-E05", f"{field} is nothing to spread over", "it is above zero", "mend it", field
        )
    return units
