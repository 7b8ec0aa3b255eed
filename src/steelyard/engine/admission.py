"""Admission: what an event must keep against the state of the engine before it is journaled.

After admission an event can be applied; nothing below refuses it half-way. Errors, all InputError:
    ADMT-E01 time goes backwards        ADMT-E05 price is absurd or from the future
    ADMT-E02 duplicate of its origin    ADMT-E06 not enough margin or free balance
    ADMT-E03 unknown name               ADMT-E07 protected: no new risk
    ADMT-E04 listed already             ADMT-E08 beyond a limit
and those of controls and reservations, CTRL-E01 to CTRL-E11: see `admit_controls`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from steelyard.engine.admit_accounts import check_accounts_loaded, check_transfer
from steelyard.engine.admit_controls import (
    check_kill_switch_pulled,
    check_override_approved,
    check_override_proposed,
    check_override_withdrawn,
    check_parameter_approved,
    check_parameter_proposed,
    check_parameter_rejected,
    check_trading_restricted,
    check_trading_resumed,
)
from steelyard.engine.admit_market import (
    check_asset_listed,
    check_book_tick,
    check_funding,
    check_garch_update,
    check_heston_update,
    check_instruments_listed,
    check_of_asset,
    check_parameter_change,
    check_price_batch,
    check_price_decision,
    check_price_tick,
    check_quote_tick,
    check_signal_tick,
    check_source_listed,
    check_source_status,
    check_surface_update,
    check_volatility_update,
)
from steelyard.engine.admit_orders import (
    check_fill,
    check_order_cancelled,
    check_order_placed,
    check_order_reserved,
    check_reservation_confirmed,
    check_reservation_released,
)
from steelyard.engine.refusals import refuse
from steelyard.engine.reservations import due_set_aside
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    BookTick,
    Event,
    Fill,
    Funding,
    GarchUpdate,
    HestonUpdate,
    InstrumentsListed,
    KillSwitchPulled,
    OpenInterestTick,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterChange,
    ParameterProposed,
    ParameterRejected,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    ReservationConfirmed,
    ReservationReleased,
    SignalTick,
    SourceListed,
    SourceStatus,
    SurfaceUpdate,
    TradeTick,
    TradingRestricted,
    TradingResumed,
    Transfer,
    VolatilityUpdate,
    check_event,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


def admit(engine: Engine, event: Event) -> None:
    """Raise the first rule an event breaks; return nothing if it may be applied."""
    check_event(event)
    if event.time_us < engine.market.time_us:
        refuse("ADMT-E01", event, "time_us", "time never goes backwards", "send events in order")
    last = engine.origin_seqs.get(event.origin, -1)
    if event.origin_seq <= last:
        refuse(
            "ADMT-E02", event, "origin_seq", f"a sender's numbers rise; the last was {last}",
            "drop the repeat",
        )  # fmt: skip
    rule = _RULES.get(type(event))
    if rule is None:
        return
    if event.time_us < engine.controls.next_due_us:
        rule(engine, event)
    else:
        with due_set_aside(engine, event.time_us):
            rule(engine, event)


_RULES: dict[type[Event], Callable[[Engine, Any], None]] = {
    AssetListed: check_asset_listed,
    SourceListed: check_source_listed,
    InstrumentsListed: check_instruments_listed,
    AccountsLoaded: check_accounts_loaded,
    PriceTick: check_price_tick,
    PriceBatch: check_price_batch,
    SourceStatus: check_source_status,
    PriceDecision: check_price_decision,
    BookTick: check_book_tick,
    TradeTick: check_of_asset,
    OpenInterestTick: check_of_asset,
    GarchUpdate: check_garch_update,
    SignalTick: check_signal_tick,
    QuoteTick: check_quote_tick,
    VolatilityUpdate: check_volatility_update,
    SurfaceUpdate: check_surface_update,
    HestonUpdate: check_heston_update,
    OrderPlaced: check_order_placed,
    OrderCancelled: check_order_cancelled,
    OrderReserved: check_order_reserved,
    ReservationConfirmed: check_reservation_confirmed,
    ReservationReleased: check_reservation_released,
    Fill: check_fill,
    Transfer: check_transfer,
    Funding: check_funding,
    ParameterChange: check_parameter_change,
    TradingRestricted: check_trading_restricted,
    TradingResumed: check_trading_resumed,
    KillSwitchPulled: check_kill_switch_pulled,
    OverrideProposed: check_override_proposed,
    OverrideApproved: check_override_approved,
    OverrideWithdrawn: check_override_withdrawn,
    ParameterProposed: check_parameter_proposed,
    ParameterApproved: check_parameter_approved,
    ParameterRejected: check_parameter_rejected,
}
