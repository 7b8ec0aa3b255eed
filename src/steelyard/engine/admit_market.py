"""Admission of what concerns the market: listings, prices, volatilities, funding, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steelyard.engine.refusals import (
    check_not_future,
    listed_asset,
    listed_instrument,
    refuse,
)
from steelyard.marks import SurfaceColumns
from steelyard.marks.market import USD
from steelyard.terms import Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET
from steelyard.ticks import (
    AssetListed,
    BookTick,
    Event,
    Funding,
    GarchUpdate,
    HestonUpdate,
    InstrumentsListed,
    OpenInterestTick,
    ParameterChange,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    SignalTick,
    SourceListed,
    SourceStatus,
    SurfaceUpdate,
    TradeTick,
    VolatilityUpdate,
)
from steelyard.valuation.surfaces import surface_volatilities

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


def check_asset_listed(engine: Engine, event: AssetListed) -> None:
    """Raise unless the asset is new."""
    event.asset.check()
    if event.asset.name in engine.market.asset_slots:
        refuse("ADMT-E04", event, "asset", "an asset is listed once", "drop the event")


def check_source_listed(engine: Engine, event: SourceListed) -> None:
    """Raise unless the asset is listed, and so is the currency it quotes in."""
    listed_asset(engine, event, "asset", event.asset)
    if event.quote == USD:
        return
    quote = listed_asset(engine, event, "quote", event.quote)
    is_chain = any(source.terms.quote > 0 for source in engine.market.indices[quote].sources)
    own = engine.market.asset_slots[event.asset]
    is_quoted = event.quote != ACCOUNTING_ASSET and bool(engine.market.quoted_in.get(own))
    if event.quote == event.asset or is_chain or is_quoted:
        refuse(
            "ADMT-E03", event, "quote", "a quote currency has sources in USD or the accounting asset",
            "list sources of the currency that quote in USD",
        )  # fmt: skip


def check_instruments_listed(engine: Engine, event: InstrumentsListed) -> None:
    """Raise unless every instrument is new and of listed assets."""
    seen: dict[str, Instrument] = {}
    for instrument in event.instruments:
        listed_asset(engine, event, "underlying", instrument.underlying)
        settlement = listed_asset(engine, event, "settlement", instrument.settlement)
        instrument.check(engine.market.assets[settlement])
        if instrument.name in engine.market.instrument_slots or instrument.name in seen:
            refuse(
                "ADMT-E04", event, "instruments", f"{instrument.name} is listed once",
                "drop the repeat",
            )  # fmt: skip
        if not instrument.is_inverse and instrument.settlement != ACCOUNTING_ASSET:
            refuse(
                "ADMT-E08", event, "instruments", f"{instrument.name} settles in its underlying or "
                f"in {ACCOUNTING_ASSET}", "correct the listing",
            )  # fmt: skip
        seen[instrument.name] = instrument


def check_price_tick(engine: Engine, event: PriceTick) -> None:
    """Raise unless the source is known. What it says is judged, not refused: it is on record then."""
    _check_source(engine, event, event.asset, event.source)


def check_price_batch(engine: Engine, event: PriceBatch) -> None:
    """Raise unless every source is known."""
    for price in event.prices:
        _check_source(engine, event, price.asset, price.source)


def check_source_status(engine: Engine, event: SourceStatus) -> None:
    """Raise unless the source is known."""
    _check_source(engine, event, event.asset, event.source)


def check_price_decision(engine: Engine, event: PriceDecision) -> None:
    """Raise unless the asset is protected and the price fits it."""
    slot = listed_asset(engine, event, "asset", event.asset)
    market = engine.market
    if not market.is_protected[slot]:
        refuse(
            "ADMT-E08", event, "asset", "persons decide only where the sources cannot",
            "let the sources speak",
        )  # fmt: skip
    asset = market.assets[slot]
    if not 0 < round(event.price * 10**asset.price_exponent) <= asset.index_units_max:
        refuse(
            "ADMT-E05", event, "price", "a price fits the asset's scale",
            "list the asset with a smaller price exponent",
        )  # fmt: skip


def _check_source(engine: Engine, event: Event, asset: str, source: str) -> None:
    slot = listed_asset(engine, event, "asset", asset)
    if source not in engine.market.indices[slot].numbers:
        refuse(
            "ADMT-E03", event, "source", f"{source} is listed as a source of {asset}",
            "list the source first",
        )  # fmt: skip


def check_book_tick(engine: Engine, event: BookTick) -> None:
    """Raise unless the asset is listed, and the instrument, if it is ours."""
    slot = listed_asset(engine, event, "asset", event.asset)
    if event.instrument:
        i = listed_instrument(engine, event, "instrument", event.instrument)
        if engine.market.underlying_of[i] != slot:
            refuse(
                "ADMT-E03", event, "instrument", f"the instrument is on {event.asset}",
                "correct the feed's configuration",
            )  # fmt: skip
    check_not_future(event, event.exchange_time_us)


def check_of_asset(engine: Engine, event: TradeTick | OpenInterestTick) -> None:
    """Raise unless the asset is listed."""
    listed_asset(engine, event, "asset", event.asset)
    check_not_future(event, event.exchange_time_us)


def check_garch_update(engine: Engine, event: GarchUpdate) -> None:
    """Raise unless the asset is listed."""
    listed_asset(engine, event, "asset", event.asset)


def check_signal_tick(engine: Engine, event: SignalTick) -> None:
    """Raise unless the signal is listed."""
    if event.signal not in engine.market.signals.signals:
        refuse("ADMT-E03", event, "signal", f"{event.signal} is listed", "list the signal first")


def check_quote_tick(engine: Engine, event: QuoteTick) -> None:
    """Raise unless the quote is of a perpetual."""
    slot = listed_instrument(engine, event, "instrument", event.instrument)
    if engine.market.instruments[slot].is_option:
        refuse(
            "ADMT-E03", event, "instrument", "quotes are of perpetuals; options are marked from "
            "their implied volatility", "send a VolatilityUpdate",
        )  # fmt: skip
    check_not_future(event, event.exchange_time_us)


def check_volatility_update(engine: Engine, event: VolatilityUpdate) -> None:
    """Raise unless every name is an option on the underlying."""
    slot = listed_asset(engine, event, "underlying", event.underlying)
    for name in event.instruments:
        i = listed_instrument(engine, event, "instruments", name)
        if not engine.market.instruments[i].is_option or engine.market.underlying_of[i] != slot:
            refuse(
                "ADMT-E03", event, "instruments", f"{name} is an option on {event.underlying}",
                "drop the row",
            )  # fmt: skip
    check_not_future(event, event.exchange_time_us)


def check_surface_update(engine: Engine, event: SurfaceUpdate) -> None:
    """Raise unless the underlying is listed and the surface gives each of its live options a volatility."""
    asset = listed_asset(engine, event, "underlying", event.underlying)
    check_not_future(event, event.exchange_time_us)
    market = engine.market
    slots = np.array(
        [
            i
            for i in market.options_of[asset]
            if engine.columns.expiry_us[i] > event.exchange_time_us
        ],
        np.int32,
    )
    volatility, _ = surface_volatilities(
        SurfaceColumns(event), engine.columns, slots, market.index_price(asset),
        engine.method.grid.smile_dynamics,
    )  # fmt: skip
    for slot, value in zip(slots.tolist(), volatility.tolist(), strict=True):
        if not value > 0.0:
            refuse(
                "ADMT-E03", event, "smiles",
                f"the surface gives {market.instruments[slot].name} a volatility",
                "fit the surface again and look at its report",
            )  # fmt: skip


def check_heston_update(engine: Engine, event: HestonUpdate) -> None:
    """Raise unless the underlying is listed."""
    listed_asset(engine, event, "underlying", event.underlying)
    check_not_future(event, event.exchange_time_us)


def check_funding(engine: Engine, event: Funding) -> None:
    """Raise unless it is a perpetual with a price."""
    slot = listed_instrument(engine, event, "instrument", event.instrument)
    if engine.market.instruments[slot].is_option:
        refuse("ADMT-E03", event, "instrument", "funding is of perpetuals", "drop the event")
    underlying = engine.market.instruments[slot].underlying
    if engine.method.index_rules(underlying).funding_interval_us:
        refuse(
            "ADMT-E08", event, "instrument", "funding is computed from the premium here",
            f"set index.{underlying}.funding_interval_us to 0 to pay it by events",
        )  # fmt: skip
    if engine.market.is_protected[engine.market.underlying_of[slot]]:
        refuse("ADMT-E07", event, "instrument", "funding waits for a quorum", "send it later")


def check_parameter_change(engine: Engine, event: ParameterChange) -> None:
    """Raise unless the changed method keeps its rules."""
    engine.method.with_parameter(event.path, event.value_json)
