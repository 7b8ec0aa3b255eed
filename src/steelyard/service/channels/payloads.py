"""What the channels carry: the payloads of `subscription` notifications, as they stand on the wire.

    {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "account.alice.100ms", "data": …}}

A channel that carries deltas begins with a snapshot (`type` "snapshot") and goes on with changes (`type`
"change"), each with the `change_id` of the one before it: a reader that sees another one has missed
something and subscribes again. A slow reader is sent a new snapshot instead of what it missed, so a
snapshot may come at any time. Other channels carry the whole state each time.

Amounts are integer micro-USDC (`_micro`), or strings of decimals where they are shown one by one. Times
are UTC microseconds since 1970, except Deribit's own fields (`timestamp`, milliseconds).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from steelyard.publish.views import AccountView
from steelyard.service.answers.positions import PositionView

Step = Literal["snapshot", "change"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What every payload with deltas begins with. previous_change_id: null in a snapshot."""

    type: Step
    change_id: int
    previous_change_id: int | None
    as_of_seq: int
    time_us: int


class AccountData(Change, frozen=True, kw_only=True):
    """`account.{unit}.{interval}`: one margin unit; `positions` are all of them, null where none changed."""

    account: AccountView
    positions: list[PositionView] | None


class AccountsData(Change, frozen=True, kw_only=True):
    """`accounts.{interval}`: every margin unit, in columns; a change has the rows that changed.

    units, owners, modes: names of the rows in a snapshot, of the added rows in a change; a unit keeps its
    row for as long as the numbering runs. rows: which rows the columns are of, null for all of them in
    order. state: place in `states`. positions: how many. buffer is maintenance_balance less
    maintenance_requirement; margin ratio the one over the other (below 1 is liquidatable).
    """

    states: list[str]
    units: list[str]
    owners: list[str]
    modes: list[str]
    rows: list[int] | None
    state: list[int]
    positions: list[int]
    equity_micro: list[int]
    initial_balance_micro: list[int]
    initial_requirement_micro: list[int]
    maintenance_balance_micro: list[int]
    maintenance_requirement_micro: list[int]


class SmileData(msgspec.Struct, frozen=True):
    """One expiry: received volatilities by strike, and the curve in use where a surface is fitted.

    forward_price: USD. strikes: USD, ascending; implied_volatilities: decimals, null where unknown.
    curve_strikes, curve_volatilities: the fitted smile, empty without one.
    """

    expiry_us: int
    forward_price: float
    strikes: list[float]
    implied_volatilities: list[float | None]
    curve_strikes: list[float]
    curve_volatilities: list[float]


class SurfaceData(Change, frozen=True, kw_only=True):
    """`surface.{asset}.{interval}`: the smiles by expiry; a change has those that changed.

    condition: why the volatilities are believed or doubted. gone: expiries that are no more.
    """

    asset: str
    index_price: float
    condition: str
    smiles: list[SmileData]
    gone: list[int]


class LiquidationData(msgspec.Struct, frozen=True):
    """One close of a position by the engine. unit: null for readers without the scope risk.

    direction: what the engine did, "sell" closes a long. price, mark: USD of a perpetual, premium in the
    settlement asset of an option. is_full: part of a full liquidation, else of a reduction.
    """

    seq: int
    time_us: int
    instrument: str
    direction: Literal["buy", "sell"]
    quantity: str
    price: str
    mark: str
    is_full: bool
    unit: str | None


class LiquidationsData(Change, frozen=True, kw_only=True):
    """`liquidations.{interval}`: the latest closes in a snapshot (newest last), the new ones in a change."""

    liquidations: list[LiquidationData]


class EventData(msgspec.Struct, frozen=True):
    """One line of the event feed. kind: state, close, orders, fund, debt, protection, source, index …"""

    seq: int
    time_us: int
    subject: str
    kind: str
    text: str


class EventsData(Change, frozen=True, kw_only=True):
    """`events.{interval}`: the latest lines in a snapshot (newest last), the new ones in a change."""

    events: list[EventData]


class SourceData(msgspec.Struct, frozen=True):
    """One source of an index: its last price in its quote currency, and what is thought of it."""

    source: str
    operator: str
    kind: str
    tier: int
    weight: int
    quote: str
    verdict: str
    price: float
    age_us: int


class MarkData(msgspec.Struct, frozen=True):
    """The mark of a perpetual, USD; basis against the index, and open interest in units of the asset."""

    instrument: str
    mark_price: float
    basis_ppb: int
    open_interest: float


class AssetData(msgspec.Struct, frozen=True):
    """One asset. condition: why its index is trusted or protected. index_low, index_high: the prices of the
    sources that are used, null without one. depth_bid_usd, depth_ask_usd: what books show within 1 % of the middle.
    volatility: realised, decimal a year; implied_volatility: at the money, nearest expiry; null where unknown.
    """

    asset: str
    index_price: float
    index_low: float | None
    index_high: float | None
    condition: str
    is_protected: bool
    age_us: int
    age_ppm: int
    implied_condition: str
    implied_age_ppm: int
    volatility: float | None
    implied_volatility: float | None
    depth_bid_usd: float | None
    depth_ask_usd: float | None
    marks: list[MarkData]
    sources: list[SourceData]


class SignalData(msgspec.Struct, frozen=True):
    """A typed input that is no price: its value, confidence, state and age."""

    signal: str
    kind: str
    subject: str
    value: float | None
    confidence: float | None
    state: str
    age_us: int | None


class HealthData(msgspec.Struct, frozen=True, kw_only=True):
    """`health.{interval}`: every asset with its sources, and how the engine is doing; the whole each time.

    decision_p50_us, decision_p99_us: from a tick to its decisions, of the latest ticks. flush_p50_us,
    flush_p99_us: of writing to the disk. shares: of a tick's time by room. durable_seq: what outlives a
    power cut. events_per_second: over the last seconds. is_stale: no event came for `stale_after_us`. failure:
    what stopped the engine or its journal, empty while they run.
    """

    as_of_seq: int
    durable_seq: int
    time_us: int
    is_stale: bool
    stale_after_us: int
    events_per_second: float
    decision_p50_us: float
    decision_p99_us: float
    flush_p50_us: float
    flush_p99_us: float
    shares: dict[str, float]
    assets: list[AssetData]
    signals: list[SignalData]
    failure: str = ""


class OverviewData(msgspec.Struct, frozen=True, kw_only=True):
    """`overview.{interval}`: the venue at a glance; the whole each time.

    units_by_state: margin units by the name of their state, in order of gravity. accounts: of owners.
    open_interest_usd: longs at index, by underlying. called, reduced, liquidated, bankrupt: distinct
    accounts so far. refused: input events that broke a rule, so far.
    """

    as_of_seq: int
    time_us: int
    title: str
    currency: str
    method: str
    method_version: str
    method_hash: str
    accounts: int
    units_by_state: dict[str, int]
    open_interest_usd: dict[str, float]
    insurance_fund_micro: int
    bad_debt_micro: int
    bad_debt_uncovered_micro: int
    called: int
    reduced: int
    liquidated: int
    bankrupt: int
    refused: int
    total_equity_micro: int
    total_maintenance_requirement_micro: int
    controls: list[str]


class TransparencyData(msgspec.Struct, frozen=True, kw_only=True):
    """`transparency.{interval}`: what anybody may see without a login; no account is named or can be told.

    state_hash: of the checkpoint at `state_hash_seq`, that a replay of the journal must come to; empty
    before the first. sums_are_zero: whether every asset's ledger summed to zero there.
    """

    as_of_seq: int
    time_us: int
    title: str
    currency: str
    method: str
    method_version: str
    method_hash: str
    state_hash: str
    state_hash_seq: int
    sums_are_zero: bool
    accounts: int
    units_by_state: dict[str, int]
    open_interest_usd: dict[str, float]
    insurance_fund_micro: int
    bad_debt_micro: int
    bad_debt_uncovered_micro: int
    liquidated: int
    indices: dict[str, float]
    conditions: dict[str, str]


class PriceIndexData(msgspec.Struct, frozen=True, kw_only=True):
    """`deribit_price_index.{index_name}`, Deribit's own fields; timestamp: milliseconds, price: USD."""

    timestamp: int
    price: float
    index_name: str


class HistoryData(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `private/get_history`: the venue over time, one row a sample, oldest first.

    seq: the event after which a row was so, for going back to it. index_prices: USD by asset, null where
    there was none. units_by_state: by state name.
    """

    as_of_seq: int
    seq: list[int]
    time_us: list[int]
    index_prices: dict[str, list[float | None]]
    units_by_state: dict[str, list[int]]
    insurance_fund_micro: list[int]
    bad_debt_micro: list[int]
    liquidated: list[int]
