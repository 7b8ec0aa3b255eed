"""What events about the state of the market must keep on their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard.terms.checks import DAY_US
from steelyard.ticks.bounds import (
    BATCH_MAX,
    PRICE_MAX,
    REASON_LENGTH_MAX,
    exchange_time,
    name,
    reason,
    refused,
    within,
)
from steelyard.ticks.events import (
    BookTick,
    Event,
    GarchUpdate,
    OpenInterestTick,
    PriceBatch,
    PriceDecision,
    PriceTick,
    SignalListed,
    SignalTick,
    SourceListed,
    SourceStatus,
    TradeTick,
)

LEVELS_MAX = 1_000
RESELLS_MAX = 64
SIGNAL_MAX = 1e9


def _source_listed(event: SourceListed) -> None:
    for field in ("source", "asset", "operator", "quote"):
        name(event, field, getattr(event, field))
    if not 1 <= event.weight <= 1_000_000:
        raise refused("TICK-E03", event, "weight", "a weight between 1 and 1,000,000")
    if not 0 < event.stale_after_us <= DAY_US:
        raise refused("TICK-E03", event, "stale_after_us", "an age above zero, at most a day")
    if event.tier not in (1, 2):
        raise refused("TICK-E03", event, "tier", "1 or 2")
    if not 0 <= event.frozen_after_us <= DAY_US:
        raise refused("TICK-E03", event, "frozen_after_us", "0 for never, or at most a day")
    if len(event.resells) > RESELLS_MAX:
        raise refused("TICK-E06", event, "resells", f"at most {RESELLS_MAX} operators")
    if event.resells and event.kind != "oracle":
        raise refused("TICK-E03", event, "resells", "only an oracle passes prices on")


def _price_tick(event: PriceTick) -> None:
    name(event, "source", event.source)
    name(event, "asset", event.asset)
    exchange_time(event, event.exchange_time_us)


def _price_batch(event: PriceBatch) -> None:
    if not 0 < len(event.prices) <= BATCH_MAX:
        raise refused("TICK-E06", event, "prices", f"1 to {BATCH_MAX} prices", len(event.prices))
    for row, price in enumerate(event.prices):
        name(event, f"prices[{row}].source", price.source)
        name(event, f"prices[{row}].asset", price.asset)
        exchange_time(event, price.exchange_time_us)


def _source_status(event: SourceStatus) -> None:
    name(event, "source", event.source)
    name(event, "asset", event.asset)
    if len(event.reason) > REASON_LENGTH_MAX:
        raise refused("TICK-E06", event, "reason", f"at most {REASON_LENGTH_MAX} characters")
    exchange_time(event, event.exchange_time_us)


def _price_decision(event: PriceDecision) -> None:
    name(event, "asset", event.asset)
    within(event, "price", event.price, 0.0, PRICE_MAX)
    if len(event.approvers) != 2 or event.approvers[0] == event.approvers[1]:
        raise refused("TICK-E04", event, "approvers", "two different persons approve")
    for approver in event.approvers:
        name(event, "approvers", approver)
    reason(event, event.reason)
    exchange_time(event, event.until_us)
    if not event.time_us < event.until_us <= event.time_us + DAY_US:
        raise refused("TICK-E05", event, "until_us", "it ends after now and within a day")


def _book_tick(event: BookTick) -> None:
    name(event, "source", event.source)
    name(event, "asset", event.asset)
    if event.instrument:
        name(event, "instrument", event.instrument)
    for prices, quantities in (
        ("bid_prices", "bid_quantities"), ("ask_prices", "ask_quantities"),
    ):  # fmt: skip
        levels, held = getattr(event, prices), getattr(event, quantities)
        if len(levels) != len(held) or len(levels) > LEVELS_MAX:
            raise refused(
                "TICK-E06", event, prices, f"as many prices as quantities, at most {LEVELS_MAX}",
                len(levels),
            )  # fmt: skip
        for row, (price, quantity) in enumerate(zip(levels, held, strict=True)):
            within(event, f"{prices}[{row}]", price, 0.0, PRICE_MAX)
            within(event, f"{quantities}[{row}]", quantity, 0.0, PRICE_MAX)
        falling = prices == "bid_prices"
        if sorted(set(levels), reverse=falling) != levels:
            raise refused("TICK-E03", event, prices, "best first, each price once", "out of order")
    exchange_time(event, event.exchange_time_us)


def _trade_tick(event: TradeTick) -> None:
    name(event, "source", event.source)
    name(event, "asset", event.asset)
    within(event, "price", event.price, 0.0, PRICE_MAX)
    within(event, "quantity", abs(event.quantity), 0.0, PRICE_MAX)
    exchange_time(event, event.exchange_time_us)


def _open_interest_tick(event: OpenInterestTick) -> None:
    name(event, "source", event.source)
    name(event, "asset", event.asset)
    if not 0.0 <= event.open_interest <= PRICE_MAX:
        raise refused("TICK-E03", event, "open_interest", "a number from 0 to 1e12")
    exchange_time(event, event.exchange_time_us)


def _garch_update(event: GarchUpdate) -> None:
    name(event, "asset", event.asset)
    within(event, "omega", event.omega, 0.0, 1.0)
    for field in ("alpha", "beta"):
        if not 0.0 <= getattr(event, field) < 1.0:
            raise refused("TICK-E03", event, field, "from 0 to below 1")
    within(event, "alpha + beta", 1.0 - event.alpha - event.beta, 0.0, 1.0)
    if not 1_000_000 <= event.bar_us <= DAY_US:
        raise refused("TICK-E03", event, "bar_us", "between a second and a day")


def _signal_listed(event: SignalListed) -> None:
    name(event, "signal", event.signal)
    name(event, "subject", event.subject)
    if not -SIGNAL_MAX <= event.value_min < event.value_max <= SIGNAL_MAX:
        raise refused("TICK-E03", event, "value_min", "below value_max, both within ±1e9")
    within(event, "jump_max", event.jump_max, 0.0, 2 * SIGNAL_MAX)
    if not 0 < event.stale_after_us <= 400 * DAY_US:
        raise refused("TICK-E03", event, "stale_after_us", "an age above zero, at most 400 days")
    if not 0.0 <= event.confidence_min <= 1.0:
        raise refused("TICK-E03", event, "confidence_min", "from 0 to 1")


def _signal_tick(event: SignalTick) -> None:
    name(event, "signal", event.signal)
    name(event, "source", event.source)
    exchange_time(event, event.exchange_time_us)


MARKET_RULES: dict[type[Event], Callable[[Any], None]] = {
    SourceListed: _source_listed,
    PriceTick: _price_tick,
    PriceBatch: _price_batch,
    SourceStatus: _source_status,
    PriceDecision: _price_decision,
    BookTick: _book_tick,
    TradeTick: _trade_tick,
    OpenInterestTick: _open_interest_tick,
    GarchUpdate: _garch_update,
    SignalListed: _signal_listed,
    SignalTick: _signal_tick,
}
