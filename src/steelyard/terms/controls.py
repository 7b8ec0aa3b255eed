"""What operators may do to a venue: the closed lists of controls, their bounds, and their records.

    restriction   halt or reduce-only of a scope, by one person; or the kill switch
    override      an exception to the rules: proposed by one person, approved by another, ends by itself
    proposal      new values of parameters: proposed by one person, approved by another, applied at its time
    grace         what a change of parameters took from a margin unit, added back for a stated time

Records are values: the engine replaces them, readers keep them. Times are UTC microseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from steelyard.terms.checks import DAY_US, HOUR_US, MINUTE_US

Scope = Literal["venue", "underlying", "instrument", "account"]
HaltKind = Literal["halt", "reduce_only"]
KillMode = Literal["cancel_and_reduce_only", "freeze"]
OverrideKind = Literal["hold_liquidation", "withdrawal_hold", "protect_asset", "lift_kill_switch"]
ControlState = Literal["active", "resumed", "lifted", "expired"]
OverrideState = Literal["proposed", "active", "done", "withdrawn", "expired"]
ProposalState = Literal[
    "proposed", "approved", "applied", "rejected", "withdrawn", "voided", "lapsed"
]

LIQUIDATION_HOLD_US_MAX = HOUR_US
"""How long one person alone may hold liquidations back."""

OVERRIDE_US_MAX = DAY_US
"""How long an override of two persons may last."""

PROPOSAL_US_MAX = 30 * DAY_US
"""How far ahead a change of parameters may be proposed."""

APPROVAL_US_MAX = DAY_US
"""How long after its effective time a proposal may still be approved; then it lapses."""

PARAMETER_GRACE_US = HOUR_US
"""How long a unit that only a change of parameters took below its requirement is not liquidated for that."""

RESERVATION_US_MAX = MINUTE_US
"""How long margin may be set aside for an order that was not sent yet."""

EDITS_MAX = 64
"""Parameters one proposal may change."""

OPEN_MAX = 1_000
"""Controls, overrides and proposals that may be open at once, of each."""

KEPT_MAX = 1_000
"""Ended ones that are remembered, of each; their ids stay taken for as long."""


class ParameterEdit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One parameter of the method (dotted path) and its new value as JSON text."""

    path: str
    value_json: str


class Restriction(msgspec.Struct, frozen=True, array_like=True):
    """A halt, a reduce-only or the kill switch: who put it on what, since when, and how it ended.

    kind: of a halt, or the mode of the kill switch, whose scope is the venue. since_seq: the event that
    began it. until_us: 0 for open end. ended_by: a person, or two where both had to agree, or empty for time.
    """

    control: str
    kind: HaltKind | KillMode
    scope: Scope
    subject: str
    author: str
    reason: str
    since_us: int
    since_seq: int
    until_us: int
    liquidations_held_until_us: int
    state: ControlState = "active"
    ended_us: int = 0
    ended_by: str = ""
    end_reason: str = ""

    @property
    def is_kill_switch(self) -> bool:
        """Return whether only two persons can end it."""
        return self.kind in ("cancel_and_reduce_only", "freeze")

    def holds(self, time_us: int) -> bool:
        """Return whether it is in force at a time."""
        return self.state == "active" and (self.until_us == 0 or time_us < self.until_us)

    def covers(self, underlying: str, instrument: str, account: str) -> bool:
        """Return whether an order of an account in an instrument lies in its scope."""
        named = {"underlying": underlying, "instrument": instrument, "account": account}
        return self.scope == "venue" or named[self.scope] == self.subject


class Override(msgspec.Struct, frozen=True, array_like=True):
    """An exception to the rules: who asked for it, who else approved it, until when, and how it ended."""

    override: str
    kind: OverrideKind
    subject: str
    author: str
    reason: str
    since_us: int
    since_seq: int
    until_us: int
    state: OverrideState = "proposed"
    approver: str = ""
    approved_us: int = 0
    ended_us: int = 0
    ended_by: str = ""
    end_reason: str = ""

    def holds(self, time_us: int) -> bool:
        """Return whether it was approved and is in force at a time."""
        return self.state == "active" and time_us < self.until_us


class Proposal(msgspec.Struct, frozen=True, array_like=True):
    """A change of parameters: who proposed it, who else approved it, when it takes effect, how it ended.

    bases: the value of each parameter when it was proposed, as JSON: what the author and the approver saw.
    """

    proposal: str
    changes: tuple[ParameterEdit, ...]
    bases: tuple[str, ...]
    effective_us: int
    author: str
    reason: str
    since_us: int
    since_seq: int
    state: ProposalState = "proposed"
    approver: str = ""
    approved_us: int = 0
    ended_us: int = 0
    ended_by: str = ""
    end_reason: str = ""

    @property
    def due_us(self) -> int:
        """Return when it is applied, or lapses for want of an approval."""
        wait_us = APPROVAL_US_MAX if self.state == "proposed" else 0
        return self.effective_us + wait_us


class Grace(msgspec.Struct, frozen=True, array_like=True):
    """What a change of parameters took from a margin unit, added back in decisions until a time.

    balance_micro: of the distance to liquidation; certain_micro: of the certain buffer; micro-USDC.
    """

    unit: str
    since_us: int
    until_us: int
    balance_micro: int
    certain_micro: int


class Reservation(msgspec.Struct, frozen=True, array_like=True):
    """Margin set aside: the unit, the order it is for, signed lots still open, mark units, its end."""

    unit: str
    order: str
    instrument: str
    quantity: int
    price_mark: int
    expires_us: int


def is_same_person(one: str, other: str) -> bool:
    """Return whether two names are one person's: letter case and space around them make no other person.

    >>> is_same_person("Ann", " ann"), is_same_person("ann", "bob")
    (True, False)
    """
    return one.strip().casefold() == other.strip().casefold()
