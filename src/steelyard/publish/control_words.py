"""What operators' controls, parameters and reservations did, in words: who, what, why, until when."""

from __future__ import annotations

from datetime import UTC, datetime

from steelyard.actions import (
    ControlChanged,
    GraceEnded,
    GraceGranted,
    Outcome,
    OverrideChanged,
    ProposalChanged,
    ReservationExpired,
)
from steelyard.publish.views import money

KIND_WORDS = {
    "halt": "trading halt",
    "reduce_only": "reduce-only",
    "cancel_and_reduce_only": "kill switch (orders cancelled, reduce-only)",
    "freeze": "kill switch (frozen)",
    "hold_liquidation": "hold of liquidation",
    "withdrawal_hold": "hold of withdrawals",
    "protect_asset": "protection",
    "lift_kill_switch": "lifting of the kill switch",
}


def control_words(outcome: Outcome) -> tuple[str, str] | None:
    """Return (kind, words) of what a control, a parameter or a reservation did, None for any other outcome.

    >>> control_words(GraceGranted("long", 3_600_000_000, 12_500_000))
    ('grace', 'a change of parameters took 12.50 USDC: added back until 1970-01-01 01:00:00 UTC')
    >>> control_words(ControlChanged("venue", "h1", "halt", "resumed", "ann", "all clear", 0, 0))
    ('control', 'trading halt h1 resumed by ann: all clear')
    """
    match outcome:
        case ControlChanged():
            return "control", _restriction_words(outcome)
        case OverrideChanged():
            what = f"{KIND_WORDS[outcome.kind]} {outcome.override}"
            until = f", until {at_words(outcome.until_us)}"
            ends = until if outcome.state in ("proposed", "active") else ""
            state = "approved" if outcome.state == "active" else outcome.state
            return "override", f"{what} {state}{_by(outcome.person, outcome.reason)}{ends}"
        case ProposalChanged():
            names = ", ".join(outcome.paths)
            when = f", from {at_words(outcome.effective_us)}"
            ahead = when if outcome.state in ("proposed", "approved") else ""
            said = _by(outcome.person, outcome.reason)
            return "parameters", f"change of {names} {outcome.state}{said}{ahead}"
        case GraceGranted():
            amount, until = f"{money(outcome.amount):,.2f}", at_words(outcome.until_us)
            return "grace", f"a change of parameters took {amount} USDC: added back until {until}"
        case GraceEnded():
            return "grace", "grace after a change of parameters is over"
        case ReservationExpired():
            return "reservation", f"reservation {outcome.order} of {outcome.instrument} expired"
    return None


def at_words(time_us: int) -> str:
    """Return a time as people read it, UTC to the second.

    >>> at_words(1_760_130_000_000_000)
    '2025-10-10 21:00:00 UTC'
    """
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _restriction_words(outcome: ControlChanged) -> str:
    what = f"{KIND_WORDS[outcome.kind]} {outcome.control}"
    said = _by(outcome.person, outcome.reason)
    if outcome.state != "active":
        return f"{what} {outcome.state}{said}"
    if not outcome.person:
        return f"{what} goes on{said}"
    until = f", until {at_words(outcome.until_us)}" if outcome.until_us else ""
    held_us = outcome.liquidations_held_until_us
    held = f", no liquidations until {at_words(held_us)}" if held_us else ""
    return f"{what}{said}{until}{held}"


def _by(person: str, reason: str) -> str:
    by = f" by {person}" if person else ""
    return f"{by}: {reason}" if reason else by
