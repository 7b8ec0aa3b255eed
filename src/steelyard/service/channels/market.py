"""`health`, `ticker` and `deribit_price_index`: sources, marks and how the engine is doing."""

from __future__ import annotations

import msgspec

from steelyard.marks import MarketState
from steelyard.marks.liquidity import read_asset
from steelyard.marks.signals import read_signal
from steelyard.marks.sources import NEVER_US, Source
from steelyard.marks.volatility import read_volatility
from steelyard.publish.market_view import implied_term
from steelyard.publish.story import quoted_price
from steelyard.service.access.session import ANONYMOUS
from steelyard.service.answers.desk import Context
from steelyard.service.answers.market_data import Ticker, TickerParams, ticker
from steelyard.service.channels.names import ChannelName, no_subject
from steelyard.service.channels.payloads import (
    AssetData,
    HealthData,
    MarkData,
    PriceIndexData,
    SignalData,
    SourceData,
)
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.host.figures import Interest, open_interest
from steelyard.service.host.scene import Scene
from steelyard.terms import Method

DEPTH_PPM = 10_000
_COUNTING = frozenset({"used", "deviating"})


class HealthPublisher(Publisher[HealthData]):
    """Tells everything each time."""

    def read(self, scene: Scene, before: HealthData | None) -> HealthData:
        """Return the health now."""
        del before
        return health(scene)

    def whole(self, state: HealthData, mark: Mark) -> HealthData:
        """Return the health as it was read."""
        del mark
        return state

    def failed(self, state: HealthData, failure: str) -> HealthData:
        """Return the health with what stopped the engine."""
        return msgspec.structs.replace(state, failure=failure, is_stale=True)


def health(scene: Scene) -> HealthData:
    """Return every asset with its sources, the signals, and how the engine is doing."""
    engine, vitals = scene.engine, scene.vitals()
    market = engine.market
    interest = scene.once("interest", open_interest)
    return HealthData(
        as_of_seq=engine.seq,
        durable_seq=vitals.durable_seq,
        time_us=market.time_us,
        is_stale=vitals.is_stale,
        stale_after_us=vitals.stale_after_us,
        events_per_second=vitals.events_per_second,
        decision_p50_us=vitals.decision_us[0],
        decision_p99_us=vitals.decision_us[1],
        flush_p50_us=vitals.flush_us[0],
        flush_p99_us=vitals.flush_us[1],
        shares=vitals.shares,
        assets=[asset_data(scene, slot, interest) for slot in range(1, len(market.assets))],
        signals=[_signal(market, name) for name in market.signals.signals],
        failure=vitals.failure,
    )


def asset_data(scene: Scene, slot: int, interest: Interest) -> AssetData:
    """Return one asset with its sources and marks."""
    engine = scene.engine
    market, method = engine.market, engine.method
    asset, index, now_us = market.assets[slot].name, market.indices[slot], market.time_us
    operators = {number: name for name, number in market.operators.items()}
    guard = market.implied.get(slot)
    used = [each.price * _rate(market, each) for each in index.sources if each.verdict in _COUNTING]
    depth = _depth(market, method, asset)
    term = implied_term(market, engine.columns, slot)
    return AssetData(
        asset=asset,
        index_price=market.index_price(slot),
        index_low=min(used, default=None),
        index_high=max(used, default=None),
        condition=index.condition,
        is_protected=bool(market.is_protected[slot]),
        age_us=now_us - index.price_time_us if index.good_price > 0.0 else 0,
        age_ppm=int(market.age_ppm[slot]),
        implied_condition=guard.condition if guard is not None else "none",
        implied_age_ppm=int(market.implied_age_ppm[slot]),
        volatility=_realised(market, method, slot),
        implied_volatility=term[0][1] if term and term[0][1] > 0.0 else None,
        depth_bid_usd=depth[0],
        depth_ask_usd=depth[1],
        marks=[
            _mark(market, each, interest) for each in market.perpetuals_of[slot] if market.has_mark[each]
        ],
        sources=[
            SourceData(
                source=each.name,
                operator=operators.get(each.terms.operator, ""),
                kind=each.terms.kind,
                tier=each.terms.tier,
                weight=each.terms.weight,
                quote="USD" if each.terms.quote < 0 else market.assets[each.terms.quote].name,
                verdict=each.verdict,
                price=each.price,
                age_us=now_us - each.exchange_time_us if each.price > 0.0 else 0,
            )
            for each in index.sources
        ],
    )  # fmt: skip


def _rate(market: MarketState, source: Source) -> float:
    return 1.0 if source.terms.quote < 0 else float(market.quote_rate[source.terms.quote])


def _mark(market: MarketState, slot: int, interest: Interest) -> MarkData:
    terms = market.instruments[slot]
    return MarkData(
        instrument=terms.name,
        mark_price=float(quoted_price(terms, int(market.mark_units[slot]))),
        basis_ppb=int(market.basis_ppb[slot]),
        open_interest=interest.by_instrument.get(terms.name, 0.0),
    )


def _depth(market: MarketState, method: Method, asset: str) -> tuple[float | None, float | None]:
    """Return what the books show on each side within 1 % of the middle, None without a book."""
    rules = method.liquidity_rules(asset)
    reading = read_asset(market.liquidity, asset, market.time_us, rules)
    bands = [k for k, band in enumerate(rules.bands_ppm) if band <= DEPTH_PPM]
    if not reading.books or not bands:
        return None, None
    return reading.bid_depth[bands[-1]], reading.ask_depth[bands[-1]]


def _realised(market: MarketState, method: Method, slot: int) -> float | None:
    """Return the realised volatility of the shortest horizon that has seen enough."""
    reading = read_volatility(market.volatilities, slot, market.time_us, method.volatility)
    if reading is None:
        return None
    return next((h.volatility for h in reading.horizons if h.volatility is not None), None)


def _signal(market: MarketState, name: str) -> SignalData:
    terms = market.signals.signals[name].terms
    reading = read_signal(market.signals, name, market.time_us)
    is_known = reading.value is not None and reading.age_us < NEVER_US
    return SignalData(
        signal=name,
        kind=terms.kind,
        subject=terms.subject,
        value=reading.value,
        confidence=reading.confidence if is_known else None,
        state=reading.state,
        age_us=reading.age_us if is_known else None,
    )


class TickerPublisher(Publisher[Ticker]):
    """Deribit's ticker, as `public/ticker` answers; an event that changes nothing but the time is not told."""

    def __init__(self, name: ChannelName) -> None:
        self._name = name

    def check(self, scene: Scene) -> None:
        """Raise CHAN-E02 for an instrument that is not listed, or is settled."""
        market = scene.engine.market
        slot = market.instrument_slots.get(self._name.subject)
        if slot is None or market.is_settled[slot]:
            raise no_subject(self._name)

    def read(self, scene: Scene, before: Ticker | None) -> Ticker:
        """Return the ticker now. Errors: CHAN-E02 for an instrument that is not listed."""
        del before
        self.check(scene)
        context = Context(ANONYMOUS, scene.desk, scene.engine.market.time_us)
        return ticker(TickerParams(self._name.subject), context)

    def whole(self, state: Ticker, mark: Mark) -> Ticker:
        """Return the ticker as it was read."""
        del mark
        return state

    def change(self, before: Ticker, state: Ticker, mark: Mark) -> Ticker | None:
        """Return the ticker where more differs than the time."""
        old, new = (
            msgspec.structs.replace(each, as_of_seq=0, timestamp=0) for each in (before, state)
        )
        return None if old == new else self.whole(state, mark)


class IndexPublisher(Publisher[PriceIndexData]):
    """Deribit's price index of one asset: told when the price changes."""

    def __init__(self, name: ChannelName) -> None:
        self._name = name

    def check(self, scene: Scene) -> None:
        """Raise CHAN-E02 for an asset that is not listed or has no price yet."""
        self.read(scene, None)

    def read(self, scene: Scene, before: PriceIndexData | None) -> PriceIndexData:
        """Return the index now. Errors: CHAN-E02 for an asset that is not listed or has no price yet."""
        del before
        market = scene.engine.market
        for slot, asset in enumerate(market.assets):
            name = f"{asset.name.lower()}_usd"
            if slot and name == self._name.subject and market.index_units[slot] > 0:
                price = market.index_price(slot)
                return PriceIndexData(
                    timestamp=market.time_us // 1_000, price=price, index_name=name
                )
        raise no_subject(self._name)

    def whole(self, state: PriceIndexData, mark: Mark) -> PriceIndexData:
        """Return the index as it was read."""
        del mark
        return state

    def change(
        self, before: PriceIndexData, state: PriceIndexData, mark: Mark
    ) -> PriceIndexData | None:
        """Return the index where its price differs."""
        return None if before.price == state.price else self.whole(state, mark)
