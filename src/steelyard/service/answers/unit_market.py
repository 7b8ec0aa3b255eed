"""The engine's own instruments, marks and books, as the fields of public answers.

Instruments have the engine's names; a perpetual's prices are USD, an option's are in its settlement asset, as
it is quoted. Sizes are units of the underlying, of an inverse perpetual USD. Of books only our own are told,
those that name the instrument, and only while one can be relied on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steelyard.marks import MarketState
from steelyard.marks.book_health import MarketBook
from steelyard.marks.funding import funding_rate_ppb
from steelyard.marks.liquidity_state import trusted_books
from steelyard.marks.settlement import settlement_price
from steelyard.publish.story import quoted_price
from steelyard.service.answers.units import Units
from steelyard.terms import Instrument, Method
from steelyard.terms.instrument import MONTHS
from steelyard.terms.stated import instant_text

PPB = 1_000_000_000
DAY_PART_US = 28_800_000_000  # eight hours, what a funding rate is told for


def index_of(units: Units, index_name: str) -> float | None:
    """Return the index of an asset by its name such as btc_usd, None where there is no price."""
    market = units.source.market
    for slot, asset in enumerate(market.assets):
        if slot and index_name == f"{asset.name.lower()}_usd" and market.index_units[slot] > 0:
            return market.index_price(slot)
    return None


def instruments_of(
    units: Units, currency: str, kind: str | None, *, expired: bool
) -> Iterator[dict[str, Any]]:
    """Yield the fields of the instruments of a currency (underlying or settlement) and kind."""
    market, seq = units.source.market, units.source.seq
    for slot, terms in enumerate(market.instruments):
        own = "option" if terms.is_option else "future"
        if currency not in ("any", terms.underlying, terms.settlement) or kind not in (None, own):
            continue
        is_active = not market.is_settled[slot] and not 0 < terms.expiry_us <= market.time_us
        if is_active is not expired:
            yield _instrument(market, terms, own, seq, is_active=is_active)


def instrument_of(units: Units, name: str) -> dict[str, Any] | None:
    """Return the fields of an instrument, expired or not, None of one that is not listed."""
    market = units.source.market
    slot = market.instrument_slots.get(name)
    if slot is None:
        return None
    terms = market.instruments[slot]
    is_active = not market.is_settled[slot] and not 0 < terms.expiry_us <= market.time_us
    kind = "option" if terms.is_option else "future"
    return _instrument(market, terms, kind, units.source.seq, is_active=is_active)


def _instrument(
    market: MarketState, terms: Instrument, kind: str, seq: int, *, is_active: bool
) -> dict[str, Any]:
    lot = (terms.contract_usd or 1) / 10**terms.lot_exponent
    found: dict[str, Any] = {
        "instrument_name": terms.name,
        "kind": kind,
        "base_currency": terms.underlying,
        "quote_currency": "USD" if terms.contract_usd else terms.settlement,
        "counter_currency": "USD" if terms.is_inverse else terms.settlement,
        "instrument_type": "reversed" if terms.is_inverse else "linear",
        "settlement_period": "expiry" if terms.is_option else "perpetual",
        "contract_size": float(terms.contract_usd or 1),
        "is_active": is_active,
        "price_index": f"{terms.underlying.lower()}_usd",
        "expiration_timestamp": terms.expiry_us // 1_000 if terms.is_option else None,
        "as_of_seq": seq,
        "settlement_currency": terms.settlement,
        "tick_size": _tick(market, terms),
        "min_trade_amount": lot,
        "position_limit": terms.position_limit * lot,
        "mark_exponent": terms.mark_exponent,
    }
    if terms.is_option:
        found |= {
            "strike": float(terms.strike),
            "option_type": "call" if terms.is_call else "put",
        }
    return found


def _tick(market: MarketState, terms: Instrument) -> float:
    """Return the step of prices: of a mark unit; of an inverse perpetual, whose marks are coins, of its index."""
    if terms.contract_usd:
        asset = market.assets[market.asset_slots[terms.underlying]]
        return float(10.0**-asset.price_exponent)
    return float(10.0**-terms.mark_exponent)


def ticker_of(
    units: Units, name: str, interests: list[float] | None = None
) -> dict[str, Any] | None:
    """Return the fields of an instrument's ticker, None of one that is not listed.

    interests: those of `open_interests`, where many are asked for.
    """
    source = units.source
    market, method = source.market, source.method
    slot = market.instrument_slots.get(name)
    if slot is None:
        return None
    terms = market.instruments[slot]
    asset = int(market.underlying_of[slot])
    index = market.index_price(asset)
    is_open = not market.is_settled[slot] and not 0 < terms.expiry_us <= market.time_us
    mark = int(market.mark_units[slot])
    found: dict[str, Any] = {
        "instrument_name": name,
        "timestamp": market.time_us // 1_000,
        "state": "open" if is_open else "closed",
        "mark_price": None,
        "index_price": index if index > 0.0 else None,
        "as_of_seq": source.seq,
        "settlement_currency": terms.settlement,
        "mark_exponent": terms.mark_exponent,
        "is_protected": bool(market.is_protected[asset]),
    }
    if market.has_mark[slot]:
        found["mark_units"] = mark
        found["mark_price"] = float(quoted_price(terms, mark)) if mark else 0.0
    interest = interests[slot] if interests else open_interest(units, slot)
    if interest is not None:
        found["open_interest"] = interest
    found |= _book(market, method, terms)
    if terms.is_option:
        found |= _option(units, slot, asset, index)
    else:
        found |= _funding(market, method, slot, terms)
    return found


def open_interest(units: Units, slot: int) -> float | None:
    """Return the sum of longs in sizes, None where only some units are known (a pinned desk)."""
    shards = getattr(units.source, "shards", None)
    if shards is None:
        return None
    lots = 0
    for shard in shards:
        used = shard.book.pool_used
        held = shard.book.quantity[:used][shard.book.instrument[:used] == slot]
        lots += int(np.maximum(held, 0).sum())
    terms = units.source.market.instruments[slot]
    return float(lots / 10**terms.lot_exponent * (terms.contract_usd or 1))


def open_interests(units: Units) -> list[float] | None:
    """Return `open_interest` of every instrument in one pass, None where only some units are known."""
    shards = getattr(units.source, "shards", None)
    if shards is None:
        return None
    instruments = units.source.market.instruments
    lots = np.zeros(len(instruments), np.int64)
    for shard in shards:
        used = shard.book.pool_used
        held = np.maximum(shard.book.quantity[:used], 0)
        np.add.at(lots, shard.book.instrument[:used][held > 0], held[held > 0])
    return [
        float(count / 10**terms.lot_exponent * (terms.contract_usd or 1))
        for count, terms in zip(lots.tolist(), instruments, strict=True)
    ]


def _option(units: Units, slot: int, asset: int, index: float) -> dict[str, Any]:
    source = units.source
    market = source.market
    terms = market.instruments[slot]
    row = units.greeks()[slot].tolist()
    volatility = float(market.volatility[slot])
    day = instant_text(terms.expiry_us)[:10]
    year, month, of_month = (int(part) for part in day.split("-"))
    delivery = settlement_price(market, asset, terms.expiry_us)
    return {
        "underlying_price": index * float(market.forward_ratio[slot]) if index > 0.0 else None,
        "underlying_index": f"{terms.underlying}-{of_month}{MONTHS[month - 1]}{year % 100:02d}",
        "mark_iv": 100.0 * volatility if volatility > 0.0 else None,
        "interest_rate": 0.0,
        "greeks": row[1:],
        "estimated_delivery_price": float(delivery) if index > 0.0 else None,
    }


def _funding(market: MarketState, method: Method, slot: int, terms: Instrument) -> dict[str, Any]:
    """Return the running interval's funding rate and the same for eight hours; nothing where funding comes as
    events, or before the first quote."""
    rules = method.index_rules(terms.underlying)
    premium = market.premiums.get(slot)
    if premium is None or rules.funding_interval_us == 0:
        return {}
    total, covered = premium.total, premium.covered_us
    ahead = max(0, market.time_us - premium.since_us)
    mean = (total + premium.last_ppb * ahead) // (covered + ahead) if covered + ahead else 0
    rate = funding_rate_ppb(mean, rules) / PPB
    return {"current_funding": rate, "funding_8h": rate * DAY_PART_US / rules.funding_interval_us}


Levels = list[tuple[float, float]]


def levels_of_book(units: Units, name: str, depth: int) -> tuple[Levels, Levels]:
    """Return the best bids and asks of an instrument as (price, amount), empty where no book is relied on."""
    source = units.source
    terms = source.market.instruments[source.market.instrument_slots[name]]
    book = _trusted(source.market, source.method, terms)
    if book is None:
        return [], []
    sides = ((book.bid_prices, book.bid_quantities), (book.ask_prices, book.ask_quantities))
    bids, asks = (
        [
            (float(price), float(amount * (price if terms.contract_usd else 1.0)))
            for price, amount in zip(prices[:depth], amounts[:depth], strict=True)
        ]
        for prices, amounts in sides
    )
    return bids, asks


def _book(market: MarketState, method: Method, terms: Instrument) -> dict[str, Any]:
    """Return best bid and ask of our own book of an instrument, None where none is relied on."""
    book = _trusted(market, method, terms)
    if book is None:
        return dict.fromkeys(
            ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")
        )
    usd = bool(terms.contract_usd)
    bid, ask = book.bid_prices[0], book.ask_prices[0]
    return {
        "best_bid_price": bid,
        "best_bid_amount": book.bid_quantities[0] * (bid if usd else 1.0),
        "best_ask_price": ask,
        "best_ask_amount": book.ask_quantities[0] * (ask if usd else 1.0),
    }


def _trusted(market: MarketState, method: Method, terms: Instrument) -> MarketBook | None:
    """Return our own book of an instrument, the first by name of those to rely on, None without one."""
    liquidity = market.liquidity.assets.get(terms.underlying)
    if liquidity is None:
        return None
    rules = method.liquidity_rules(terms.underlying)
    for _, book, _ in trusted_books(liquidity, market.time_us, rules):
        if book.instrument == terms.name and book.bid_prices and book.ask_prices:
            return book
    return None
