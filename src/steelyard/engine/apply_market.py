"""What events about the market do: listings, prices, quotes, volatilities, statuses, time, parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from steelyard.actions import ImpliedChanged, IndexChanged, Outcome, SignalChanged, SourceChanged
from steelyard.engine.grace import change_method
from steelyard.marks import (
    MarketState,
    SourceNotice,
    age_indices,
    apply_batch,
    apply_decision,
    apply_heston,
    apply_price,
    apply_quote,
    apply_status,
    apply_surface,
    apply_volatilities,
    decay_bases,
)
from steelyard.marks.garch import GarchParameters
from steelyard.marks.liquidity import apply_open_interest, apply_trade
from steelyard.marks.market import ImpliedNotice
from steelyard.marks.signals import SignalChange, age_signals, apply_signal, list_signal
from steelyard.marks.surfaces import age_implied
from steelyard.marks.update import reread_indices, take_book
from steelyard.marks.volatility import set_garch
from steelyard.ticks import (
    AssetListed,
    BookTick,
    Event,
    GarchUpdate,
    HestonUpdate,
    OpenInterestTick,
    ParameterChange,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    SignalListed,
    SignalTick,
    SourceListed,
    SourceStatus,
    SurfaceUpdate,
    TimeTick,
    TradeTick,
    VolatilityUpdate,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

Applied = tuple[list[Outcome], list[int]]
"""Outcomes, and the assets whose marks may have moved."""


def notices(market: MarketState) -> list[Outcome]:
    """Return what changed about sources and indices since the last call, as outcomes."""
    outcomes: list[Outcome] = []
    for notice in market.notices:
        name = market.assets[notice.asset].name
        if isinstance(notice, SourceNotice):
            outcomes.append(SourceChanged(name, notice.source, notice.verdict, notice.price))
        elif isinstance(notice, ImpliedNotice):
            outcomes.append(ImpliedChanged(name, *notice[1:]))
        else:
            outcomes.append(IndexChanged(name, *notice[1:]))
    market.notices.clear()
    return outcomes


def _asset_listed(engine: Engine, event: AssetListed) -> Applied:
    engine.market.list_asset(event.asset)
    engine.widen()
    return [], []


def _source_listed(engine: Engine, event: SourceListed) -> Applied:
    engine.market.list_source(event)
    asset = engine.market.asset_slots[event.asset]
    return [], reread_indices(engine.market, [asset], engine.method)


def _price_tick(engine: Engine, event: PriceTick) -> Applied:
    return [], apply_price(engine.market, event, engine.method)


def _price_batch(engine: Engine, event: PriceBatch) -> Applied:
    return [], apply_batch(engine.market, event, engine.method)


def _source_status(engine: Engine, event: SourceStatus) -> Applied:
    return [], apply_status(engine.market, event, engine.method)


def _price_decision(engine: Engine, event: PriceDecision) -> Applied:
    return [], apply_decision(engine.market, event, engine.method)


def _book_tick(engine: Engine, event: BookTick) -> Applied:
    return [], take_book(engine.market, event, engine.method)


def _trade_tick(engine: Engine, event: TradeTick) -> Applied:
    rules = engine.method.liquidity_rules(event.asset)
    apply_trade(engine.market.liquidity, event, rules)
    return [], []


def _open_interest_tick(engine: Engine, event: OpenInterestTick) -> Applied:
    apply_open_interest(engine.market.liquidity, event)
    return [], []


def _garch_update(engine: Engine, event: GarchUpdate) -> Applied:
    parameters = GarchParameters(event.omega, event.alpha, event.beta, event.bar_us)
    set_garch(engine.market.volatilities, engine.market.asset_slots[event.asset], parameters)
    return [], []


def _signal_listed(engine: Engine, event: SignalListed) -> Applied:
    return _told(list_signal(engine.market.signals, event)), []


def _signal_tick(engine: Engine, event: SignalTick) -> Applied:
    return _told(apply_signal(engine.market.signals, event)), []


def _told(changes: list[SignalChange]) -> list[Outcome]:
    return [SignalChanged(*change) for change in changes]


def _quote_tick(engine: Engine, event: QuoteTick) -> Applied:
    return [], apply_quote(engine.market, event, engine.method)


def _volatility_update(engine: Engine, event: VolatilityUpdate) -> Applied:
    return [], apply_volatilities(engine.market, event, engine.method)


def _surface_update(engine: Engine, event: SurfaceUpdate) -> Applied:
    return [], apply_surface(engine.market, event, engine.method)


def _heston_update(engine: Engine, event: HestonUpdate) -> Applied:
    return [], apply_heston(engine.market, event)


def _parameter_change(engine: Engine, event: ParameterChange) -> Applied:
    changed = engine.method.with_parameter(event.path, event.value_json)
    return change_method(engine, changed), list(range(len(engine.market.assets)))


def _time_tick(engine: Engine, event: TimeTick) -> Applied:  # noqa: ARG001
    """Options decay with time: every asset that has some is valued afresh; prices and bases age."""
    market = engine.market
    outcomes = _told(age_signals(market.signals, market.time_us))
    moved = [a for a, options in enumerate(market.options_of) if options]
    age_indices(market, engine.method)
    age_implied(market, engine.method)
    return outcomes, moved + decay_bases(market, engine.method)


MARKET_VERBS: dict[type[Event], Callable[[Engine, Any], Applied]] = {
    AssetListed: _asset_listed,
    SourceListed: _source_listed,
    PriceTick: _price_tick,
    PriceBatch: _price_batch,
    SourceStatus: _source_status,
    PriceDecision: _price_decision,
    BookTick: _book_tick,
    TradeTick: _trade_tick,
    OpenInterestTick: _open_interest_tick,
    GarchUpdate: _garch_update,
    SignalListed: _signal_listed,
    SignalTick: _signal_tick,
    QuoteTick: _quote_tick,
    VolatilityUpdate: _volatility_update,
    SurfaceUpdate: _surface_update,
    HestonUpdate: _heston_update,
    ParameterChange: _parameter_change,
    TimeTick: _time_tick,
}
