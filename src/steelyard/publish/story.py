"""The story of an account: its outcomes in order, in words."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from steelyard.actions import (
    AccountLoaded,
    BadDebt,
    Closed,
    FundDraw,
    OrdersCancelled,
    Outcome,
    StateChanged,
)
from steelyard.decisions import STATE_NAMES
from steelyard.publish.control_words import control_words
from steelyard.publish.views import margin_ratio, money
from steelyard.quantities import from_units
from steelyard.terms import Instrument


class StoryLine(msgspec.Struct, frozen=True):
    """One thing that happened to a unit: at which event, when, and what, in words."""

    seq: int
    time_us: int
    unit: str
    kind: str
    text: str


def story_lines(
    outcomes: Iterable[Outcome], seq: int, time_us: int, instruments: dict[str, Instrument]
) -> list[StoryLine]:
    """Return the lines that outcomes of one event add to the stories of their units."""
    lines = []
    for outcome in outcomes:
        told = _words(outcome, instruments)
        if told is not None:
            lines.append(StoryLine(seq, time_us, outcome.subject, *told))
    return lines


def _words(outcome: Outcome, instruments: dict[str, Instrument]) -> tuple[str, str] | None:
    if isinstance(outcome, StateChanged):
        previous = STATE_NAMES[outcome.previous].replace("_", " ")
        current = STATE_NAMES[outcome.current].replace("_", " ")
        ratio = margin_ratio(outcome.maintenance_balance, outcome.maintenance_requirement)
        shown = f", margin ratio {ratio}" if ratio is not None else ""
        return "state", f"{previous} → {current}{shown}"
    if isinstance(outcome, Closed):
        return "close", _close_words(outcome, instruments[outcome.instrument])
    if isinstance(outcome, OrdersCancelled):
        return "orders", f"{outcome.orders} resting orders cancelled"
    if isinstance(outcome, FundDraw):
        return "fund", f"insurance fund paid {money(outcome.amount):,.2f} USDC"
    if isinstance(outcome, BadDebt):
        return "debt", f"could not pay {money(outcome.amount):,.2f} USDC"
    if isinstance(outcome, AccountLoaded):
        return "loaded", f"entered with {outcome.positions} positions"
    return control_words(outcome)


def _close_words(outcome: Closed, terms: Instrument) -> str:
    quantity = from_units(abs(outcome.lots), terms.lot_exponent).normalize()
    price, mark = (quoted_price(terms, m) for m in (outcome.price_mark, outcome.mark))
    side = "sold" if outcome.lots > 0 else "bought back"
    how = "liquidated" if outcome.is_full else "reduced"
    return f"{how}: {side} {quantity:f} {terms.name} at {price_words(price)} (mark {price_words(mark)})"


def price_words(price: Decimal) -> str:
    """Return a price with about eight digits and never an exponent.

    >>> price_words(Decimal("1.25E+5")), price_words(Decimal("0.0001234"))
    ('125,000.00', '0.00012340000')
    """
    decimals = max(0, 7 - price.adjusted()) if price else 2
    return f"{price:,.{decimals}f}"


def quoted_price(terms: Instrument, mark_units: int) -> Decimal:
    """Return a mark in the words of traders: USD of a perpetual, premium of an option.

    >>> p = Instrument("BTC-PERPETUAL", "perpetual", "BTC", "BTC", True, 0, 12, 10, contract_usd=100)
    >>> f"{quoted_price(p, -800_000_000):f}"
    '125000'
    """
    value = from_units(mark_units, terms.mark_exponent)
    if terms.contract_usd:
        return Decimal(-terms.contract_usd) / value
    return value
