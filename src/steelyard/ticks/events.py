"""The events. Times are UTC microseconds; integer amounts say their unit; floats are model inputs.

Every event carries
    time_us      when this engine received it; never goes backwards
    origin       who sent it (a feed, a matching engine, an operator)
    origin_seq   the sender's own number, strictly rising per origin: a repeat is a duplicate
"""

from __future__ import annotations

import msgspec

from steelyard.terms import AccountRecord, Asset, Instrument


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What all events share."""

    time_us: int
    origin: str
    origin_seq: int


class AssetListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """An asset can be held and priced from now on."""

    asset: Asset


class SourceListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A source of prices of one asset: its operator, its weight, and the age at which it is stale.

    weight: whole number; stale_after_us: age in exchange time beyond which the price is not used.
    """

    source: str
    asset: str
    operator: str
    weight: int
    stale_after_us: int


class InstrumentsListed(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Instruments can be traded from now on."""

    instruments: list[Instrument]


class AccountsLoaded(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Accounts with balances and positions enter the book, against the market account.

    All or none: one account that breaks a rule refuses the whole event.
    """

    accounts: list[AccountRecord]


class PriceTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """A source says what one unit of an asset costs in USD. exchange_time_us: when it was so."""

    source: str
    asset: str
    price: float
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


class TimeTick(Event, frozen=True, array_like=True, tag=True, gc=False):
    """Time passes: prices age, options decay and expire."""


AnyEvent = (
    AssetListed
    | SourceListed
    | InstrumentsListed
    | AccountsLoaded
    | PriceTick
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
    | TimeTick
)
