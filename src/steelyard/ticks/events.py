"""The events. Times are UTC microseconds; integer amounts say their unit; floats are model inputs.

Every event carries
    time_us      when this engine received it; never goes backwards
    origin       who sent it (a feed, a matching engine, an operator)
    origin_seq   the sender's own number, strictly rising per origin: a repeat is a duplicate
"""

from __future__ import annotations

from typing import Literal

import msgspec

from steelyard.terms import AccountRecord, Asset, Instrument
from steelyard.terms.controls import HaltKind, KillMode, OverrideKind, ParameterEdit, Scope

SourceKind = Literal["spot", "derivative", "oracle"]
FeedState = Literal["up", "down", "unverified", "malformed", "gap", "clock", "halted"]
DecisionBasis = Literal["settlement", "judgement"]
SignalKind = Literal[
    "volatility_index",
    "rate",
    "credit_spread",
    "governance",
    "upgrade",
    "pool_health",
    "regulatory",
]


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What all events share."""

    time_us: int
    origin: str
    origin_seq: int


class AssetListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """An asset can be held and priced from now on."""

    asset: Asset


class SourceListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A source of prices of one asset, or new terms for one that is listed.

    operator: who runs it; two markets of one operator are not independent. weight: whole number.
    stale_after_us: age in exchange time beyond which its price is not used. kind: spot, derivative or
    oracle. quote: what its prices are in, USD or a listed asset with an index of its own. tier: 1 is read
    first, 2 only where 1 has no quorum. resells: operators whose prices an oracle network passes on.
    frozen_after_us: how long a price may stay the same while it is being repeated, 0 for any time.
    """

    source: str
    asset: str
    operator: str
    weight: int
    stale_after_us: int
    kind: SourceKind = "spot"
    quote: str = "USD"
    tier: int = 1
    resells: list[str] = []
    frozen_after_us: int = 0


class InstrumentsListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Instruments can be traded from now on."""

    instruments: list[Instrument]


class AccountsLoaded(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Accounts with balances and positions enter the book, against the market account.

    All or none: one account that breaks a rule refuses the whole event.
    """

    accounts: list[AccountRecord]


class PriceTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A source says what one unit of an asset costs, in the source's quote currency.

    exchange_time_us: when it was so. confidence: half-width of the source's own uncertainty, in the same
    currency, 0 if it states none. quantity: units of the asset traded at the price, 0 for a quote.
    A price that is no price (zero, negative, not a number) is taken too: it makes its source invalid.
    """

    source: str
    asset: str
    price: float
    exchange_time_us: int
    confidence: float = 0.0
    quantity: float = 0.0


class SourcePrice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One price of a batch; fields as those of a PriceTick."""

    source: str
    asset: str
    price: float
    exchange_time_us: int
    confidence: float = 0.0
    quantity: float = 0.0


class PriceBatch(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Prices that came while the engine was busy: taken in order, decided on once."""

    prices: list[SourcePrice]


class SourceStatus(Event, frozen=True, array_like=True, tag=True, gc=False):
    """What the feed knows of a source beyond its prices: it is `up`, or why it must not be used.

    state: up, down (no connection), unverified (a signature or proof does not hold), malformed (frames
    that cannot be read), gap (messages are missing), clock (its clock is off), halted (by its venue).
    It holds until the next status of that source. reason: words for a reader.
    """

    source: str
    asset: str
    state: FeedState
    reason: str
    exchange_time_us: int


class PriceDecision(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Two persons set the price of a protected asset, for a stated time.

    price: USD. basis: where it comes from, a settlement price or their judgement. approvers: two
    different names. until_us: it ends then, or when the sources agree again.
    """

    asset: str
    price: float
    basis: DecisionBasis
    approvers: list[str]
    reason: str
    until_us: int


class BookTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """The order book of one market of an asset, the levels of one price as one, best first.

    source: the market, as its feed names it. instrument: ours that trades there, empty for a market of
    others. Prices in USD, quantities in units of the asset. is_intact: the feed saw every message since
    its last full book.
    """

    source: str
    asset: str
    instrument: str
    bid_prices: list[float]
    bid_quantities: list[float]
    ask_prices: list[float]
    ask_quantities: list[float]
    exchange_time_us: int
    is_intact: bool = True


class TradeTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A trade on a market of an asset, for flow and volume. quantity: units of the asset, positive when
    the buyer was the taker. price: USD."""

    source: str
    asset: str
    price: float
    quantity: float
    exchange_time_us: int


class OpenInterestTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Open interest of an asset's derivatives on a venue, in units of the asset.

    is_own: on our venue, so that its share can be told.
    """

    source: str
    asset: str
    open_interest: float
    is_own: bool
    exchange_time_us: int


class GarchUpdate(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Fitted GARCH(1,1) parameters of an asset, per bar of bar_us: h' = omega + alpha·r² + beta·h."""

    asset: str
    omega: float
    alpha: float
    beta: float
    bar_us: int


class SignalListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A typed input that is no price: what kind of thing it says, of what, in which bounds.

    kind: volatility_index (decimal), rate (decimal a year), credit_spread (decimal), governance,
    upgrade, pool_health, regulatory (each a share from 0, well, to 1). subject: the asset, venue,
    protocol or currency it is about. jump_max: largest believable change between two values.
    """

    signal: str
    kind: SignalKind
    subject: str
    value_min: float
    value_max: float
    jump_max: float
    stale_after_us: int
    confidence_min: float


class SignalTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """One source's value of a signal. confidence: 0 to 1."""

    signal: str
    source: str
    value: float
    confidence: float
    exchange_time_us: int


class QuoteTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Best bid and ask of a perpetual on its venue, in USD; a lone last trade has bid = ask."""

    instrument: str
    bid: float
    ask: float
    exchange_time_us: int


class VolatilityUpdate(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Implied volatilities (decimals) and forward/index ratios of options of one underlying.

    The three lists have one entry an instrument.
    """

    underlying: str
    instruments: list[str]
    implied_volatilities: list[float]
    forward_ratios: list[float]
    exchange_time_us: int


class Smile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The smile of one expiry: total variance as a function of k = ln(strike/forward).

    w(k) = a + b·(rho·(k − m) + √((k − m)² + sigma²)) + Σ coefficients[j]·N((k − start)·inverse_step − j),
    N the uniform cubic B-spline. forward: of the expiry, USD. origin: how it was found (fitted, scaled …).
    """

    expiry_us: int
    forward: float
    origin: str
    a: float
    b: float
    rho: float
    m: float
    sigma: float
    start: float = 0.0
    inverse_step: float = 0.0
    coefficients: list[float] = []


class SurfaceUpdate(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A fitted volatility surface of one underlying: from now on its options take their volatility from it.

    smiles: in order of expiry. index_price: USD, at the fit. exchange_time_us: of the quotes; total
    variances run from then to each expiry. A later VolatilityUpdate of the underlying ends its use.
    """

    underlying: str
    index_price: float
    smiles: list[Smile]
    exchange_time_us: int


class HestonUpdate(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Calibrated Heston parameters of one underlying, for methods that value scenarios by them.

    dv = mean_reversion·(long_run_variance − v)dt + vol_of_vol·√v dW, v(0) = initial_variance per year.
    """

    underlying: str
    initial_variance: float
    mean_reversion: float
    long_run_variance: float
    vol_of_vol: float
    correlation: float
    exchange_time_us: int


class OrderPlaced(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A resting order. quantity: signed lots (positive buys); price: USD for a perpetual, premium in
    the settlement asset for an option."""

    account: str
    order: str
    instrument: str
    quantity: int
    price: float


class OrderCancelled(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A resting order leaves the book."""

    account: str
    order: str


class Fill(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A trade. An account named "market" is the rest of the venue.

    quantity: lots, positive. price: as for an order. order ids are empty when none rests.
    """

    instrument: str
    buyer: str
    seller: str
    quantity: int
    price: float
    buy_order: str = ""
    sell_order: str = ""


class Transfer(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Money moves between accounts; "external" is the world outside (deposit, withdrawal).

    amount: ledger units of the asset, positive.
    """

    source_account: str
    target_account: str
    asset: str
    amount: int


class Funding(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Funding of a perpetual: longs pay rate_ppb billionths of the position's value to shorts."""

    instrument: str
    rate_ppb: int


class ParameterChange(Event, frozen=True, array_like=True, tag=True, gc=False):
    """One parameter of the method takes a new value (JSON text) for everyone."""

    path: str
    value_json: str


class OrderReserved(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Margin set aside for an order before it is sent: held as a resting order until `expires_us`.

    Fields as those of OrderPlaced; expires_us: UTC, it ends then unless it was confirmed, released or filled.
    """

    account: str
    order: str
    instrument: str
    quantity: int
    price: float
    expires_us: int


class ReservationConfirmed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """The reserved order rests on the venue from now on: it expires no more."""

    account: str
    order: str


class ReservationReleased(Event, frozen=True, array_like=True, tag=True, gc=False):
    """The reserved order was not sent after all: what it took is free again."""

    account: str
    order: str


class TradingRestricted(Event, frozen=True, array_like=True, tag=True, gc=False):
    """New orders and reservations of a scope are refused (halt), or those that do not reduce (reduce_only).

    control: its id, used once. subject: the underlying, instrument or account, empty for the venue. author:
    the person who says so. until_us: it ends by itself then, 0 for when somebody resumes trading.
    liquidations_held_until_us: nobody of the scope (venue or account) is liquidated before then, 0 for not held.
    """

    control: str
    kind: HaltKind
    scope: Scope
    subject: str
    author: str
    reason: str
    until_us: int = 0
    liquidations_held_until_us: int = 0


class TradingResumed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A halt or a reduce-only ends."""

    control: str
    author: str
    reason: str


class KillSwitchPulled(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Every resting order and reservation of the venue is cancelled; new ones are refused until two persons lift it.

    mode: cancel_and_reduce_only lets orders that reduce through, freeze none. Fields as of TradingRestricted;
    it is lifted by an override of kind `lift_kill_switch`.
    """

    control: str
    mode: KillMode
    author: str
    reason: str
    liquidations_held_until_us: int = 0


class OverrideProposed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """One person asks for an exception to the rules; it holds once another approves.

    kind and subject: hold_liquidation and withdrawal_hold of an account, protect_asset of an asset,
    lift_kill_switch of the control's id. until_us: it ends then, approved or not.
    """

    override: str
    kind: OverrideKind
    subject: str
    author: str
    reason: str
    until_us: int


class OverrideApproved(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Another person approves an override: it holds from now on."""

    override: str
    approver: str


class OverrideWithdrawn(Event, frozen=True, array_like=True, tag=True, gc=False):
    """An override ends before its time, approved or not: the rules hold again."""

    override: str
    author: str
    reason: str


class ParameterProposed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """One person proposes new values of parameters, all or none, from `effective_us` on."""

    proposal: str
    changes: list[ParameterEdit]
    effective_us: int
    author: str
    reason: str


class ParameterApproved(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Another person approves a proposal: it is applied at its time, or now where that is over."""

    proposal: str
    approver: str


class ParameterRejected(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A proposal will not be applied: another person rejects it, or its author withdraws it."""

    proposal: str
    author: str
    reason: str


class TimeTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Time passes: prices age, options decay and expire."""


AnyEvent = (
    AssetListed
    | SourceListed
    | InstrumentsListed
    | AccountsLoaded
    | PriceTick
    | PriceBatch
    | SourceStatus
    | PriceDecision
    | BookTick
    | TradeTick
    | OpenInterestTick
    | GarchUpdate
    | SignalListed
    | SignalTick
    | QuoteTick
    | VolatilityUpdate
    | SurfaceUpdate
    | HestonUpdate
    | OrderPlaced
    | OrderCancelled
    | Fill
    | Transfer
    | Funding
    | ParameterChange
    | OrderReserved
    | ReservationConfirmed
    | ReservationReleased
    | TradingRestricted
    | TradingResumed
    | KillSwitchPulled
    | OverrideProposed
    | OverrideApproved
    | OverrideWithdrawn
    | ParameterProposed
    | ParameterApproved
    | ParameterRejected
    | TimeTick
)
