"""What reservations and the events of operators must keep on their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard.terms.controls import (
    EDITS_MAX,
    LIQUIDATION_HOLD_US_MAX,
    OVERRIDE_US_MAX,
    PROPOSAL_US_MAX,
    RESERVATION_US_MAX,
)
from steelyard.ticks.bounds import (
    PRICE_MAX,
    TIME_US_MAX,
    ahead,
    name,
    reason,
    refused,
    units,
    within,
)
from steelyard.ticks.events import (
    Event,
    KillSwitchPulled,
    OrderPlaced,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterProposed,
    ParameterRejected,
    ReservationConfirmed,
    ReservationReleased,
    TradingRestricted,
    TradingResumed,
)

VALUE_LENGTH_MAX = 4_096


def check_order(event: OrderPlaced | OrderReserved) -> None:
    """Raise unless an order has names, lots and a possible price."""
    for field in ("account", "order", "instrument"):
        name(event, field, getattr(event, field))
    units(event, "quantity", abs(event.quantity), 1)
    within(event, "price", event.price, 0.0, PRICE_MAX)


def _order_reserved(event: OrderReserved) -> None:
    check_order(event)
    ahead(
        event, "expires_us", event.expires_us, RESERVATION_US_MAX, "it expires after now and "
        f"within {RESERVATION_US_MAX // 1_000_000} s",
    )  # fmt: skip


def _of_order(event: ReservationConfirmed | ReservationReleased) -> None:
    for field in ("account", "order"):
        name(event, field, getattr(event, field))


def _trading_restricted(event: TradingRestricted) -> None:
    name(event, "control", event.control)
    if event.scope == "venue":
        if event.subject:
            raise refused("TICK-E04", event, "subject", "the venue as a scope has no name")
    else:
        name(event, "subject", event.subject)
    _signed(event, event.author, event.reason)
    if event.until_us:
        ahead(event, "until_us", event.until_us, TIME_US_MAX, "it ends after now, or is 0")
    _liquidation_hold(event, event.liquidations_held_until_us)
    if event.liquidations_held_until_us:
        if event.scope not in ("venue", "account"):
            raise refused(
                "TICK-E03", event, "liquidations_held_until_us", "liquidations are held of the "
                "venue or of an account; protect an asset to hold them on one underlying",
            )  # fmt: skip
        if event.until_us and event.liquidations_held_until_us > event.until_us:
            raise refused(
                "TICK-E05", event, "liquidations_held_until_us", "it ends with the halt, or before"
            )


def _kill_switch_pulled(event: KillSwitchPulled) -> None:
    name(event, "control", event.control)
    _signed(event, event.author, event.reason)
    _liquidation_hold(event, event.liquidations_held_until_us)


def _liquidation_hold(event: TradingRestricted | KillSwitchPulled, until_us: int) -> None:
    """Raise unless one person holds liquidations back for a bounded time, or not at all."""
    if until_us:
        ahead(
            event, "liquidations_held_until_us", until_us, LIQUIDATION_HOLD_US_MAX,
            "one person holds liquidations for an hour at most, or 0 for not",
        )  # fmt: skip


def _trading_resumed(event: TradingResumed) -> None:
    name(event, "control", event.control)
    _signed(event, event.author, event.reason)


def _override_proposed(event: OverrideProposed) -> None:
    name(event, "override", event.override)
    name(event, "subject", event.subject)
    _signed(event, event.author, event.reason)
    ahead(
        event, "until_us", event.until_us, OVERRIDE_US_MAX, "an override ends after now and within "
        f"{OVERRIDE_US_MAX // 3_600_000_000} hours",
    )  # fmt: skip


def _override_approved(event: OverrideApproved) -> None:
    name(event, "override", event.override)
    name(event, "approver", event.approver)


def _override_withdrawn(event: OverrideWithdrawn) -> None:
    name(event, "override", event.override)
    _signed(event, event.author, event.reason)


def _parameter_proposed(event: ParameterProposed) -> None:
    name(event, "proposal", event.proposal)
    _signed(event, event.author, event.reason)
    if not 0 < len(event.changes) <= EDITS_MAX:
        raise refused(
            "TICK-E06", event, "changes", f"1 to {EDITS_MAX} parameters", len(event.changes)
        )
    seen: dict[str, None] = {}
    for row, edit in enumerate(event.changes):
        name(event, f"changes[{row}].path", edit.path)
        if len(edit.value_json) > VALUE_LENGTH_MAX:
            raise refused(
                "TICK-E06", event, f"changes[{row}].value_json",
                f"at most {VALUE_LENGTH_MAX:,} characters", len(edit.value_json),
            )  # fmt: skip
        if edit.path in seen:
            raise refused("TICK-E04", event, f"changes[{row}].path", "each path once", edit.path)
        seen[edit.path] = None
    latest_us = min(TIME_US_MAX, event.time_us + PROPOSAL_US_MAX)
    if not event.time_us <= event.effective_us <= latest_us:
        raise refused(
            "TICK-E05", event, "effective_us", "not before now, at most "
            f"{PROPOSAL_US_MAX // 86_400_000_000} days ahead",
        )  # fmt: skip


def _parameter_approved(event: ParameterApproved) -> None:
    name(event, "proposal", event.proposal)
    name(event, "approver", event.approver)


def _parameter_rejected(event: ParameterRejected) -> None:
    name(event, "proposal", event.proposal)
    _signed(event, event.author, event.reason)


def _signed(event: Event, author: str, why: str) -> None:
    """Raise unless an operator's event says who and why."""
    name(event, "author", author)
    reason(event, why)


CONTROL_RULES: dict[type[Event], Callable[[Any], None]] = {
    OrderReserved: _order_reserved,
    ReservationConfirmed: _of_order,
    ReservationReleased: _of_order,
    TradingRestricted: _trading_restricted,
    TradingResumed: _trading_resumed,
    KillSwitchPulled: _kill_switch_pulled,
    OverrideProposed: _override_proposed,
    OverrideApproved: _override_approved,
    OverrideWithdrawn: _override_withdrawn,
    ParameterProposed: _parameter_proposed,
    ParameterApproved: _parameter_approved,
    ParameterRejected: _parameter_rejected,
}
