"""The verbs of a tick: a price, a quote, a volatility or the clock changes the market state.

Each returns the slots of the assets whose marks may have moved, so that the engine revalues those
and nothing else. Admission has already refused what is malformed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from steelyard.marks.funding import observe_premium
from steelyard.marks.guard import DECIDED, TRUSTED, UNFIT, UNSEEN, AssetIndex
from steelyard.marks.index import Heard, IndexReading, Readable, doubt, hear, read_heard
from steelyard.marks.liquidity import apply_book, impact_prices
from steelyard.marks.market import IndexNotice, MarketState, SourceNotice
from steelyard.marks.perpetuals import observe_basis, perpetual_mark, smoothed_basis
from steelyard.marks.settlement import accrue_settlement
from steelyard.marks.volatility import drift_ppm as volatility_drift_ppm
from steelyard.marks.volatility import observe_index
from steelyard.quantities import PPM
from steelyard.terms import Method
from steelyard.terms.checks import SECOND_US
from steelyard.terms.index_rules import IndexRules
from steelyard.ticks import (
    BookTick,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    SourcePrice,
    SourceStatus,
)


def apply_price(market: MarketState, tick: PriceTick, method: Method) -> list[int]:
    """Take a source's price; a price older than the source's last word changes nothing."""
    return apply_prices(market, (tick,), tick.time_us, method)


def apply_batch(market: MarketState, batch: PriceBatch, method: Method) -> list[int]:
    """Take many prices in order, then read each index they touch once."""
    return apply_prices(market, batch.prices, batch.time_us, method)


def apply_prices(
    market: MarketState,
    prices: Sequence[PriceTick | SourcePrice],
    received_us: int,
    method: Method,
) -> list[int]:
    """Take prices received at one time; return the assets whose marks may have moved."""
    touched: dict[int, None] = {}
    for price in prices:
        asset = market.asset_slots[price.asset]
        index = market.indices[asset]
        number = index.numbers[price.source]
        source = index.sources[number]
        rules = method.index_rules(price.asset)
        if source.take(
            price.price,
            price.exchange_time_us,
            received_us,
            price.confidence,
            price.quantity,
            rules,
        ):
            touched[asset] = None
            index.spoke(received_us, rules)
            _hear_one(index, number, received_us, rules)
    return reread_indices(market, list(touched), method)


def _hear_one(index: AssetIndex, number: int, now_us: int, rules: IndexRules) -> None:
    """Put the new word of a source in place of its last, or forget the shortcut if it is not plain."""
    if index.heard is None:
        return
    source = index.sources[number]
    if source.obstacle(now_us) or doubt(source, source.price, 0.0, rules):
        index.heard = None
    else:
        index.heard.replace(number, source)


def apply_status(market: MarketState, status: SourceStatus, method: Method) -> list[int]:
    """Take what a feed says of a source."""
    asset = market.asset_slots[status.asset]
    index = market.indices[asset]
    index.sources[index.numbers[status.source]].feed_state = status.state
    index.heard = None
    return reread_indices(market, [asset], method)


def apply_decision(market: MarketState, decision: PriceDecision, method: Method) -> list[int]:
    """Let a price that two persons set hold until its time, or until the sources agree again."""
    asset = market.asset_slots[decision.asset]
    market.indices[asset].decision = decision
    return reread_indices(market, [asset], method)


def take_book(market: MarketState, tick: BookTick, method: Method) -> list[int]:
    """Take a market's book; where it is of a perpetual of ours, its impact prices move the basis."""
    asset = market.asset_slots[tick.asset]
    rules = method.liquidity_rules(tick.asset)
    if not apply_book(market.liquidity, tick, market.index_price(asset), rules):
        return []
    slot = market.instrument_slots.get(tick.instrument, -1)
    if slot < 0 or market.instruments[slot].is_option:
        return []
    impact = impact_prices(
        market.liquidity, tick.asset, tick.source, float(rules.impact_notional_usd), market.time_us, rules
    )  # fmt: skip
    is_believed = impact.reliability * PPM > rules.reliability_min_ppm
    if not (is_believed and 0.0 < impact.bid <= impact.ask):
        return []
    at_us = min(tick.exchange_time_us, market.time_us)
    return fold_quote(market, slot, impact.bid, impact.ask, at_us, method)


def apply_quote(market: MarketState, tick: QuoteTick, method: Method) -> list[int]:
    """Fold a quote into the bounded basis of its perpetual. On a protected asset nothing moves."""
    slot = market.instrument_slots[tick.instrument]
    at_us = min(tick.exchange_time_us, market.time_us)  # one from ahead may not shut out the next
    return fold_quote(market, slot, tick.bid, tick.ask, at_us, method)


def fold_quote(
    market: MarketState, slot: int, bid: float, ask: float, exchange_time_us: int, method: Method
) -> list[int]:
    """Fold bid and ask of a perpetual, or its impact prices, into basis and mark."""
    asset = int(market.underlying_of[slot])
    last_us = market.quote_time_us.get(slot, 0)
    if exchange_time_us < last_us or market.is_protected[asset]:
        return []
    observe_premium(market, slot, bid, ask, method)
    rules = method.index_rules(market.assets[asset].name)
    observed = observe_basis(bid, ask, market.index_price(asset), rules.basis_bound_ppm)
    elapsed = exchange_time_us - last_us if last_us else 0
    market.basis_ppb[slot] = smoothed_basis(
        int(market.basis_ppb[slot]), observed, elapsed, rules.basis_smoothing_us
    )
    market.quote_time_us[slot] = exchange_time_us
    return [asset] if _remark(market, slot) else []


def decay_bases(market: MarketState, method: Method) -> list[int]:
    """Let the bases of perpetuals without quotes fall back to zero; return the assets that moved.

    A quote counts until basis_stale_us; from then on the basis is averaged with zero as if quotes at the
    index came at every second.
    """
    moved: dict[int, None] = {}
    for slot, quoted_us in market.quote_time_us.items():
        asset = int(market.underlying_of[slot])
        rules = method.index_rules(market.assets[asset].name)
        since_us = max(quoted_us + rules.basis_stale_us, market.decayed_us)
        basis = int(market.basis_ppb[slot])
        if basis == 0 or market.time_us <= since_us or market.is_protected[asset]:
            continue
        kept = smoothed_basis(abs(basis), 0, market.time_us - since_us, rules.basis_smoothing_us)
        market.basis_ppb[slot] = kept if basis > 0 else -kept
        if _remark(market, slot):
            moved[asset] = None
    market.decayed_us = market.time_us
    return list(moved)


def pass_time(market: MarketState, time_us: int, method: Method) -> list[int]:
    """Move the clock; return the assets whose index changed because a source aged or a wait ended."""
    assert time_us >= market.time_us
    if market.expiring:
        accrue_settlement(market, time_us, method)
    market.time_us = time_us
    due = [a for a, changes_at in enumerate(market.changes_at_us) if time_us >= changes_at]
    return reread_indices(market, due, method) if due else []


def age_indices(market: MarketState, method: Method) -> None:
    """Bring up to date what the age of every index adds to the initial requirement."""
    for asset in range(1, len(market.assets)):
        rules = method.index_rules(market.assets[asset].name)
        _age(market, asset, partial(_drift_rate, market, asset, method), rules)


def reread_indices(market: MarketState, assets: list[int], method: Method) -> list[int]:
    """Recompute indices, and those whose sources quote in one that changed; return all that moved."""
    moved: dict[int, None] = {}
    for asset in assets:
        rate = float(market.quote_rate[asset])
        if reread_index(market, asset, method):
            moved[asset] = None
        if float(market.quote_rate[asset]) != rate:
            for quoted in sorted(market.quoted_in.get(asset, ())):
                if reread_index(market, quoted, method):
                    moved[quoted] = None
    return list(moved)


def reread_index(market: MarketState, asset: int, method: Method) -> bool:
    """Recompute one index and its perpetuals' marks; return whether anything changed.

    Before it ever had a quorum it shows the median of what there is: an indication to value positions by,
    on which nobody is liquidated.
    """
    index = market.indices[asset]
    rules = method.index_rules(market.assets[asset].name)
    drift_rate = partial(_drift_rate, market, asset, method)
    reading, tier = _read(market, asset, drift_rate, rules)
    condition, price, look_again_us = index.judge(reading, tier, market.time_us, rules)
    market.changes_at_us[asset] = min(reading.changes_at_us, look_again_us)
    was = int(market.index_units[asset]), bool(market.is_protected[asset])
    if price > 0.0 and not _show(market, asset, price) and condition in TRUSTED:
        condition = UNFIT
    if condition in TRUSTED:
        index.accept(condition, price, reading.price_time_us)
        if asset and condition != DECIDED:
            shown = market.index_price(asset)
            observe_index(market.volatilities, asset, shown, market.time_us, method.volatility)
    _set_condition(market, asset, condition, drift_rate, rules)
    if asset == 0 or was == (int(market.index_units[asset]), bool(market.is_protected[asset])):
        return False
    remark_perpetuals(market, asset)
    return True


def _read(
    market: MarketState, asset: int, drift_rate: Callable[[], int], rules: IndexRules
) -> tuple[IndexReading, int]:
    """Return the reading of the first tier, or of both where it has no quorum, and note new verdicts."""
    index = market.indices[asset]
    before = [source.verdict for source in index.sources]
    tier = 1
    heard = index.heard
    if heard is None or not (
        market.time_us < min(heard.stale_us)
        and heard.is_believable(index.good_price, rules.price_jump_factor)
    ):
        heard = _hear_all(market, asset, drift_rate, rules, 1 if index.has_second_tier else 2)
    reading = read_heard(heard, drift_rate, rules)
    if index.has_second_tier and not reading.has_quorum:
        tier = 2
        reading = read_heard(_hear_all(market, asset, drift_rate, rules, 2), drift_rate, rules)
    for source, verdict in zip(index.sources, before, strict=True):
        if source.verdict != verdict:
            market.notices.append(SourceNotice(asset, source.name, source.verdict, source.price))
    index.reading = reading
    return reading, tier


def _hear_all(
    market: MarketState, asset: int, drift_rate: Callable[[], int], rules: IndexRules, tier: int
) -> Heard:
    """Judge every source anew; keep what is heard for the next word where that is exact."""
    index = market.indices[asset]
    rates = [
        1.0 if source.terms.quote < 0 else float(market.quote_rate[source.terms.quote])
        for source in index.sources
    ]
    readable = Readable(index.sources, rates, index.good_price, drift_rate, index.weights)
    heard = hear(readable, market.time_us, rules, tier)
    is_plain = (
        len(heard.numbers) == len(index.sources)
        and index.good_price > 0.0
        and rules.averaging == "last"
        and not index.has_second_tier
        and all(source.terms.quote < 0 for source in index.sources)
    )
    index.heard = heard if is_plain else None
    return heard


def _drift_rate(market: MarketState, asset: int, method: Method) -> int:
    """Return by how many ppm an index may move in a second, growing with the root of time."""
    return volatility_drift_ppm(market.volatilities, asset, SECOND_US, method.volatility)


def _show(market: MarketState, asset: int, price: float) -> bool:
    """Write a price as the index if it fits its integers; return whether it does."""
    if asset == 0:
        return True
    units = round(price * 10 ** market.assets[asset].price_exponent)
    if not 0 < units <= market.assets[asset].index_units_max:
        return False
    market.index_units[asset] = units
    return True


def _set_condition(
    market: MarketState,
    asset: int,
    condition: str,
    drift_rate: Callable[[], int],
    rules: IndexRules,
) -> None:
    """Note a new condition and what follows from it: protection, age, the rate others convert by."""
    index = market.indices[asset]
    reading = index.reading
    is_trusted = condition in TRUSTED
    if asset or index.sources:
        price = market.index_price(asset) if asset else reading.price
        is_pegged = is_trusted and abs(price - 1.0) * PPM <= rules.depeg_ppm
        market.quote_rate[asset] = price if is_pegged else 0.0
    was, index.condition = index.condition, condition
    market.protect(asset)
    if is_trusted or condition != was:
        _age(market, asset, drift_rate, rules)
    if condition not in (was, UNSEEN):
        market.notices.append(
            IndexNotice(
                asset, condition, reading.agreeing, reading.operators, reading.used,
                int(market.age_ppm[asset]),
            )
        )  # fmt: skip


def _age(market: MarketState, asset: int, drift_rate: Callable[[], int], rules: IndexRules) -> None:
    """Bring up to date what the age of one index adds, and note whether that changed."""
    age_ppm = market.indices[asset].age_ppm(market.time_us, drift_rate, rules) if asset else 0
    changed = bool(age_ppm != market.age_ppm[asset])
    market.age_ppm[asset] = age_ppm
    market.has_aged |= changed


def follow_parameters(market: MarketState, method: Method) -> None:
    """Bring what is kept in line with a changed method: weights, and bases within a narrower bound."""
    for index in market.indices:
        index.weights.clear()
        index.heard = None
    for slot, instrument in enumerate(market.instruments):
        bound_ppb = 1_000 * method.index_rules(instrument.underlying).basis_bound_ppm
        basis = int(market.basis_ppb[slot])
        kept = max(-bound_ppb, min(bound_ppb, basis))
        if kept != basis:
            market.basis_ppb[slot] = kept
            _remark(market, slot)
    reread_indices(market, list(range(len(market.assets))), method)


def remark_perpetuals(market: MarketState, asset: int) -> None:
    """Set the mark of every perpetual of an asset from its index and basis."""
    market.indices[asset].has_unfit_mark = False
    for slot in market.perpetuals_of[asset]:
        _remark(market, slot)
    market.protect(asset)


def _remark(market: MarketState, slot: int) -> bool:
    """Set the mark of a perpetual from index and basis; return whether it moved.

    A mark beyond the bound at which a position could overflow protects the asset instead.
    """
    instrument = market.instruments[slot]
    asset = int(market.underlying_of[slot])
    if market.index_units[asset] <= 0:
        return False
    mark = perpetual_mark(
        int(market.index_units[asset]),
        market.assets[asset].price_exponent,
        int(market.basis_ppb[slot]),
        is_inverse=instrument.is_inverse,
        contract_usd=instrument.contract_usd,
        mark_exponent=instrument.mark_exponent,
    )
    if not 0 < abs(mark) <= instrument.mark_max:
        market.indices[asset].has_unfit_mark = True
        market.protect(asset)
        return False
    moved = mark != market.mark_units[slot] or not market.has_mark[slot]
    market.mark_units[slot] = mark
    market.has_mark[slot] = True
    return bool(moved)
