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
