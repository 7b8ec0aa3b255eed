"""Outcomes: what happened, as data. The journal keeps them beside the event that caused them."""

from __future__ import annotations

import msgspec


class Outcome(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What all outcomes share: the margin unit, asset or instrument they are about."""

    subject: str


class AccountLoaded(Outcome, frozen=True, array_like=True, tag=True):
    """An account entered the book with this many positions."""

    positions: int


class StateChanged(Outcome, frozen=True, array_like=True, tag=True):
    """A unit entered another state; micro-USDC amounts say why."""

    previous: int
    current: int
    maintenance_balance: int
    maintenance_requirement: int


class OrdersCancelled(Outcome, frozen=True, array_like=True, tag=True):
    """All resting orders of a unit left the book."""

    orders: int


class Closed(Outcome, frozen=True, array_like=True, tag=True):
    """Lots of a position were closed at a price against the venue's depth.

    lots: signed as held (positive: a long was sold). price_mark, mark: mark units. fee: ledger units
    of the settlement asset. is_full: part of a full liquidation.
    """

    instrument: str
    lots: int
    price_mark: int
    mark: int
    fee: int
    is_full: bool


class FundDraw(Outcome, frozen=True, array_like=True, tag=True):
    """The insurance fund paid a bankrupt unit's debt: micro-USDC at index."""

    amount: int


class BadDebt(Outcome, frozen=True, array_like=True, tag=True):
    """A unit ended with a debt it could not pay: the whole of it, and what the fund did not cover."""

    amount: int
    uncovered: int


class Settled(Outcome, frozen=True, array_like=True, tag=True):
    """An option expired (subject: instrument) and paid this mark to its holders."""

    payoff_mark: int
    units: int


class FundingPaid(Outcome, frozen=True, array_like=True, tag=True):
    """Funding of a perpetual (subject: instrument) was exchanged between this many units."""

    rate_ppb: int
    units: int


class ProtectionChanged(Outcome, frozen=True, array_like=True, tag=True):
    """An asset became protected (no liquidation, no new risk) or has its quorum back."""

    is_protected: bool


class SourceChanged(Outcome, frozen=True, array_like=True, tag=True):
    """A source of an asset (subject) has another verdict; price: its last, in its quote currency."""

    source: str
    verdict: str
    price: float


class IndexChanged(Outcome, frozen=True, array_like=True, tag=True):
    """The index of an asset (subject) is in another condition: why it is trusted or protected.

    agreeing sources of so many independent operators, of those used. age_ppm: what its age adds to the
    initial requirement.
    """

    condition: str
    agreeing: int
    operators: int
    used: int
    age_ppm: int


class ImpliedChanged(Outcome, frozen=True, array_like=True, tag=True):
    """The implied volatilities of an underlying (subject) are believed or doubted: why, at which level in
    use, and how many fitters there are."""

    condition: str
    level: float
    fitters: int


class SignalChanged(Outcome, frozen=True, array_like=True, tag=True):
    """A typed input (subject: signal) is in another state, and why."""

    previous: str
    current: str
    reason: str


class ControlChanged(Outcome, frozen=True, array_like=True, tag=True):
    """A halt, a reduce-only or the kill switch began or ended (subject: the account, instrument or underlying
    it is on, or "venue"). person: who did it, empty for time. until_us: when it ends by itself, 0 for open.
    liquidations_held_until_us: until when nobody of its scope is liquidated, 0 for not held (any more)."""

    control: str
    kind: str
    state: str
    person: str
    reason: str
    until_us: int
    liquidations_held_until_us: int


class OverrideChanged(Outcome, frozen=True, array_like=True, tag=True):
    """An override of an account or asset (subject), or of a control, is in another state; person: who did it."""

    override: str
    kind: str
    state: str
    person: str
    reason: str
    until_us: int


class ProposalChanged(Outcome, frozen=True, array_like=True, tag=True):
    """A proposal (subject) is in another state: person, why, from when, and the parameters it is about."""

    state: str
    person: str
    reason: str
    effective_us: int
    paths: list[str]


class GraceGranted(Outcome, frozen=True, array_like=True, tag=True):
    """A change of parameters alone would have a unit reduced or liquidated: amount (micro-USDC) is added back
    in its decisions until a time."""

    until_us: int
    amount: int


class GraceEnded(Outcome, frozen=True, array_like=True, tag=True):
    """The time a unit was given after a change of parameters is over."""


class ReservationExpired(Outcome, frozen=True, array_like=True, tag=True):
    """A unit's reservation ended unconfirmed; what it took is free again. lots: signed, still open."""

    order: str
    instrument: str
    lots: int


AnyOutcome = (
    AccountLoaded
    | StateChanged
    | OrdersCancelled
    | Closed
    | FundDraw
    | BadDebt
    | Settled
    | FundingPaid
    | ProtectionChanged
    | SourceChanged
    | IndexChanged
    | ImpliedChanged
    | SignalChanged
    | ControlChanged
    | OverrideChanged
    | ProposalChanged
    | GraceGranted
    | GraceEnded
    | ReservationExpired
)
