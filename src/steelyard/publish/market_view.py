"""The state of the market as it is published: every source with its verdict, index, marks, liquidity,
volatility and signals of one asset, after one event."""

from __future__ import annotations

import msgspec
import numpy as np

from steelyard.marks import MarketState
from steelyard.marks.liquidity import AssetReading, UnwindCost, read_asset, unwind_cost
from steelyard.marks.signals import SignalReading, read_signal
from steelyard.marks.volatility import (
    ImpliedTerm,
    VolatilityReading,
    read_implied,
    read_volatility,
)
from steelyard.terms import Method
from steelyard.valuation.columns import ValuationColumns

UNWIND_USD = (100_000.0, 1_000_000.0, 10_000_000.0)


class SourceView(msgspec.Struct, frozen=True):
    """A source: its last price in its quote currency, how old it is, and what is thought of it."""

    source: str
    verdict: str
    price: float
    age_us: int
    weight: int
    kind: str
    tier: int


class MarketView(msgspec.Struct, frozen=True):
    """One asset. index_price: USD. condition: why the index is trusted or not. age_ppm, implied_age_ppm:
    what old prices and volatilities add to the initial requirement. unwind: cost of selling round
    notionals in USD. signals: those about this asset, by name. as_of_seq: the event after which it was so."""

    asset: str
    index_price: float
    condition: str
    is_protected: bool
    age_us: int
    age_ppm: int
    implied_condition: str
    implied_age_ppm: int
    sources: list[SourceView]
    marks: dict[str, float]
    basis_ppb: dict[str, int]
    liquidity: AssetReading
    unwind: dict[str, UnwindCost]
    volatility: VolatilityReading | None
    signals: dict[str, SignalReading]
    as_of_seq: int


def market_view(
    market: MarketState, columns: ValuationColumns, method: Method, asset: str, as_of_seq: int
) -> MarketView:
    """Return what is published of one asset. KeyError if it is not listed."""
    slot = market.asset_slots[asset]
    index = market.indices[slot]
    now_us = market.time_us
    guard = market.implied.get(slot)
    price = market.index_price(slot)
    volatility = read_volatility(market.volatilities, slot, now_us, method.volatility)
    if volatility is not None:  # looking may not change the state, so the term is read beside it
        term = tuple(implied_term(market, columns, slot))
        implied = read_implied(term, now_us, method.volatility.implied_tenors_us)
        volatility = volatility._replace(implied=implied)
    perpetuals = market.perpetuals_of[slot]
    names = {i: market.instruments[i].name for i in perpetuals if market.has_mark[i]}
    return MarketView(
        asset=asset,
        index_price=price,
        condition=index.condition,
        is_protected=bool(market.is_protected[slot]),
        age_us=now_us - index.price_time_us if index.good_price > 0.0 else 0,
        age_ppm=int(market.age_ppm[slot]),
        implied_condition=guard.condition if guard is not None else "none",
        implied_age_ppm=int(market.implied_age_ppm[slot]),
        sources=[
            SourceView(
                each.name,
                each.verdict,
                each.price,
                now_us - each.exchange_time_us,
                each.terms.weight,
                each.terms.kind,
                each.terms.tier,
            )
            for each in index.sources
        ],
        marks={
            name: float(market.mark_units[i]) * float(columns.coins_per_fine[i])
            * float(market.lots_per_unit[i])
            for i, name in names.items()
        },
        basis_ppb={name: int(market.basis_ppb[i]) for i, name in names.items()},
        liquidity=read_asset(market.liquidity, asset, now_us, method.liquidity_rules(asset)),
        unwind=_unwind(market, method, asset, price, volatility),
        volatility=volatility,
        signals={
            name: read_signal(market.signals, name, now_us)
            for name, signal in market.signals.signals.items()
            if signal.terms.subject == asset
        },
        as_of_seq=as_of_seq,
    )  # fmt: skip


def implied_term(market: MarketState, columns: ValuationColumns, asset: int) -> list[ImpliedTerm]:
    """Return the volatility at the money by expiry: that of the option whose strike is nearest its forward."""
    slots = market.option_slots(asset)
    slots = slots[columns.expiry_us[slots] > market.time_us]
    if not len(slots):
        return []
    away = np.abs(columns.strike[slots] - market.index_price(asset) * market.forward_ratio[slots])
    term: dict[int, tuple[float, float]] = {}
    for i, slot in enumerate(slots.tolist()):
        expiry_us, at = int(columns.expiry_us[slot]), float(market.volatility[slot])
        if expiry_us not in term or away[i] < term[expiry_us][0]:
            term[expiry_us] = float(away[i]), at
    return [(expiry_us, term[expiry_us][1]) for expiry_us in sorted(term)]


def _unwind(
    market: MarketState,
    method: Method,
    asset: str,
    price: float,
    volatility: VolatilityReading | None,
) -> dict[str, UnwindCost]:
    """Return what selling each round notional costs."""
    level = 0.0
    if volatility is not None:
        level = next((h.volatility for h in volatility.horizons if h.volatility is not None), 0.0)
    return {
        f"{notional:.0f}": unwind_cost(
            market.liquidity, asset, notional, True, market.time_us,
            method.liquidity_rules(asset), method.underlying_rules(asset),
            index_price=price, volatility=level,
        )
        for notional in UNWIND_USD
    }  # fmt: skip
