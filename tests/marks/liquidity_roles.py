"""Books of one coin at a mid of 100 USD, and what is asked of them."""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.marks.liquidity import (
    LiquidityState,
    MarketReading,
    UnwindCost,
    apply_book,
    read_market,
    unwind_cost,
)
from steelyard.terms import load_method
from steelyard.terms.liquidity_rules import HOUSE_LIQUIDITY, LiquidityRules
from steelyard.terms.method import UnderlyingRules
from steelyard.ticks import BookTick

SECOND_US = 1_000_000
START_US = 1_000 * SECOND_US
RULES = HOUSE_LIQUIDITY
TERMS = load_method().underlying_rules("default")
BTC = load_method().underlying_rules("BTC")
DISTANCES = [0.0625, 0.25, 0.75, 1.5, 4.0]
QUANTITIES = [10.0, 20.0, 40.0, 80.0, 160.0]
BIDS = [100.0 - each for each in DISTANCES]
ASKS = [100.0 + each for each in DISTANCES]


def rules(**changed: Any) -> LiquidityRules:
    """Return the rules of the house with some of them changed."""
    return msgspec.structs.replace(RULES, **changed)


def book_tick(at_us: int = START_US, **changed: Any) -> BookTick:
    """Return a book of five levels a side on a market of ours, with fields changed."""
    fields: dict[str, Any] = {
        "time_us": at_us, "origin": "feed", "origin_seq": 1, "source": "venue:C", "asset": "C",
        "instrument": "C-PERPETUAL", "bid_prices": BIDS, "bid_quantities": QUANTITIES,
        "ask_prices": ASKS, "ask_quantities": QUANTITIES, "exchange_time_us": at_us,
    }  # fmt: skip
    return BookTick(**(fields | changed))


def told(*ticks: BookTick, index: float = 100.0, by: LiquidityRules = RULES) -> LiquidityState:
    """Return the state after some books, at one index."""
    state = LiquidityState()
    for tick in ticks:
        apply_book(state, tick, index, by)
    return state


def market(
    state: LiquidityState, now_us: int = START_US, by: LiquidityRules = RULES
) -> MarketReading:
    """Return the reading of the market of ours."""
    return read_market(state, "C", "venue:C", now_us, by)


def unwound(
    state: LiquidityState, notional: float, *, is_sell: bool = True, now_us: int = START_US,
    by: LiquidityRules = RULES, terms: UnderlyingRules = TERMS, **known: float,
) -> UnwindCost:  # fmt: skip
    """Return the cost of an unwinding of the coin."""
    return unwind_cost(state, "C", notional, is_sell, now_us, by, terms, **known)
