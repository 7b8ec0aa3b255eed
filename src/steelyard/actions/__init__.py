"""Actions, step 7: instructions become trades, fees and draws, posted so that every sum stays zero.

Reductions fill against a stated liquidity curve of the venue, so that a large account closed in a
thin market leaves a loss; the insurance fund pays what an account cannot, and what no resource
covers is shown as bad debt. (Auctions, auto-deleveraging and cheapest reductions will live here.)
"""

from steelyard.actions.depth import DepthState
from steelyard.actions.execute import execute
from steelyard.actions.flows import apply_fill, apply_funding, apply_transfer
from steelyard.actions.load import load_account
from steelyard.actions.outcomes import (
    AccountLoaded,
    BadDebt,
    Closed,
    ControlChanged,
    FundDraw,
    FundingPaid,
    GraceEnded,
    GraceGranted,
    ImpliedChanged,
    IndexChanged,
    OrdersCancelled,
    Outcome,
    OverrideChanged,
    ProposalChanged,
    ProtectionChanged,
    ReservationExpired,
    Settled,
    SignalChanged,
    SourceChanged,
    StateChanged,
)
from steelyard.actions.settlement import settle_expired
from steelyard.actions.venue import Venue

__all__ = [
    "AccountLoaded",
    "BadDebt",
    "Closed",
    "ControlChanged",
    "DepthState",
    "FundDraw",
    "FundingPaid",
    "GraceEnded",
    "GraceGranted",
    "ImpliedChanged",
    "IndexChanged",
    "OrdersCancelled",
    "Outcome",
    "OverrideChanged",
    "ProposalChanged",
    "ProtectionChanged",
    "ReservationExpired",
    "Settled",
    "SignalChanged",
    "SourceChanged",
    "StateChanged",
    "Venue",
    "apply_fill",
    "apply_funding",
    "apply_transfer",
    "execute",
    "load_account",
    "settle_expired",
]
