"""The stream of the simulated market: valid, ordered, repeatable, and failing as stated."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest

from steelyard.lab import SimulatedMarket
from steelyard.lab.estimate import black_usd
from steelyard.lab.listings import YEAR_S
from steelyard.lab.market import COINS
from steelyard.lab.surface import at_the_money, level_after
from steelyard.lab.venues import VENUES, stale_spells
from steelyard.quantities import InputError
from steelyard.terms import Asset
from steelyard.ticks import (
    Event,
    PriceTick,
    QuoteTick,
    TimeTick,
    VolatilityUpdate,
    check_event,
    decode_event,
    encode_event,
)

START_US = 1_760_130_000_000_000

HASH = """
import hashlib
from steelyard.lab import SimulatedMarket
from steelyard.ticks import encode_event
market = SimulatedMarket({seed}, 1_760_130_000_000_000, 75)
digest = hashlib.blake2b()
for event in (*market.listings, *market.warm_up, *market.ticks()):
    digest.update(encode_event(event))
print(digest.hexdigest())
"""


def digest_in_process(seed: int, hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", HASH.format(seed=seed)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return run.stdout.strip()


def test_LABS_010_same_arguments_give_the_same_bytes() -> None:
    first = digest_in_process(5, "1")
    market = SimulatedMarket(5, START_US, 75)
    here = hashlib.blake2b()
    for event in (*market.listings, *market.warm_up, *market.ticks()):
        here.update(encode_event(event))
    assert digest_in_process(5, "2") == first == here.hexdigest()
    assert digest_in_process(6, "1") != first


def test_LABS_011_events_are_valid_in_order_and_counted(
    demo_market: SimulatedMarket, demo_events: list[Event]
) -> None:
    time_us = 0
    numbers: dict[str, int] = defaultdict(int)
    for event in (*demo_market.listings, *demo_market.warm_up, *demo_events):
        check_event(event)
        assert event.time_us >= time_us
        assert event.origin_seq > numbers[event.origin]
        assert getattr(event, "exchange_time_us", 0) <= event.time_us <= demo_market.end_us
        time_us = event.time_us
        numbers[event.origin] = event.origin_seq
    for event in demo_events[::50]:
        assert decode_event(encode_event(event)) == event
    assert demo_market.tick_count == len(demo_events)
    seconds = [event.time_us for event in demo_events if isinstance(event, TimeTick)]
    assert seconds == [START_US + 1_000_000 * second for second in range(1, 901)]
    assert {type(event).__name__ for event in demo_events} == {
        "Funding",
        "PriceTick",
        "QuoteTick",
        "TimeTick",
        "VolatilityUpdate",
    }


@pytest.mark.parametrize("duration_s", [1, 59, 60, 61, 130])
def test_LABS_011_any_duration_ends_where_it_says(duration_s: int) -> None:
    market = SimulatedMarket(3, START_US, duration_s, tick_ms=500)
    events = list(market.ticks())
    assert len(events) == market.tick_count
    assert events[-1].time_us == market.end_us
    assert sum(isinstance(event, TimeTick) for event in events) == duration_s


def test_LABS_012_warm_up_has_every_first_word(demo_market: SimulatedMarket) -> None:
    prices = {(e.source, e.asset): e.price for e in demo_market.warm_up if isinstance(e, PriceTick)}
    assert len(prices) == 24
    assert {asset: price for (_, asset), price in prices.items()} == demo_market.first_prices
    options = {item.name for item in demo_market.instruments if item.is_option}
    assert set(demo_market.first_volatilities) == options
    quoted = {e.instrument for e in demo_market.warm_up if isinstance(e, QuoteTick)}
    assert quoted == {item.name for item in demo_market.instruments if not item.is_option}


def weighted_median(pairs: list[tuple[float, int]]) -> float:
    half = sum(weight for _, weight in pairs) / 2.0
    reached = 0
    for price, weight in sorted(pairs):
        reached += weight
        if reached >= half:
            return price
    raise AssertionError


def test_LABS_013_one_venue_breaks_and_the_median_holds(
    demo_market: SimulatedMarket, demo_events: list[Event]
) -> None:
    weight = {venue.name: venue.weight for venue in VENUES}
    true = demo_market.true_prices()
    columns = {coin.name: column for column, coin in enumerate(COINS)}
    begins_us = START_US + 630_000_000 + 50_000_000
    last: dict[str, dict[str, float]] = defaultdict(dict)
    ratios, before = [], []
    for event in demo_events:
        if not isinstance(event, PriceTick):
            continue
        last[event.asset][event.source] = event.price
        tick = (event.exchange_time_us - START_US) // 250_000 - 1
        truth = true[min(tick, len(true) - 1), columns[event.asset]]
        if event.source == "south":
            side = ratios if event.exchange_time_us >= begins_us else before
            if event.exchange_time_us >= begins_us or event.time_us < START_US + 630_000_000:
                side.append(event.price / truth)
        if event.time_us >= begins_us:
            pairs = [(price, weight[name]) for name, price in last[event.asset].items()]
            assert abs(weighted_median(pairs) / truth - 1.0) < 0.01
    assert min(ratios) > 0.29
    assert max(ratios) < 0.81
    assert max(ratios) - min(ratios) > 0.1
    assert max(abs(ratio - 1.0) for ratio in before) < 0.005


@pytest.mark.parametrize("seed", range(20))
def test_LABS_014_silences_never_meet(seed: int) -> None:
    spells = stale_spells(seed, 20_000, VENUES, 150.0)
    assert len(spells) > 60
    for spell, following in itertools.pairwise(spells):
        assert spell.end_s < following.begin_s
    assert all(4.0 <= spell.end_s - spell.begin_s <= 180.0 for spell in spells)
    assert all(VENUES[spell.venue].name != "south" for spell in spells)


def test_LABS_014_silent_venue_sends_nothing(
    demo_market: SimulatedMarket, demo_events: list[Event]
) -> None:
    spells = stale_spells(7, 900, VENUES, 150.0)
    assert len(spells) >= 3
    for spell in spells:
        low, high = (START_US + int(second * 1e6) for second in (spell.begin_s, spell.end_s))
        heard = {
            event.source
            for event in demo_events
            if isinstance(event, PriceTick) and low < event.exchange_time_us < high
        }
        assert heard == {venue.name for venue in VENUES} - {VENUES[spell.venue].name}


def test_LABS_015_delays_have_the_stated_scale(demo_events: list[Event]) -> None:
    delays: dict[str, list[int]] = defaultdict(list)
    for event in demo_events:
        if isinstance(event, PriceTick):
            delays[event.source].append(event.time_us - event.exchange_time_us)
    assert 2_000 < np.median(delays["north"]) < 8_000
    assert 30_000 < np.median(delays["east"]) < 60_000
    assert np.percentile(delays["west"], 99.9) > 1_000_000
    assert min(min(row) for row in delays.values()) > 0
    assert max(max(row) for row in delays.values()) <= 8_000_000


def test_LABS_016_volatility_rises_in_a_fall_by_term() -> None:
    btc = COINS[0]
    day = np.array([1.0, 50.0]) * 86_400.0
    calm = at_the_money(btc, np.zeros(2), day)
    shaken = at_the_money(btc, level_after(0.0, btc, np.log(0.935), 1.0) * np.ones(2), day)
    lifted = shaken / calm - 1.0
    assert 0.15 < lifted[1] < 0.22
    assert lifted[0] > 2.0 * lifted[1]
    up = level_after(0.0, btc, -np.log(0.935), 1.0)
    assert up < 0.0
    level: float = 1.0
    for _ in range(1_440):
        level = float(level_after(level, btc, 0.0, 1.0))
    assert 0.3 < level < 0.5


def test_LABS_016_crash_of_the_stream_lifts_the_front_most(demo_events: list[Event]) -> None:
    updates = [e for e in demo_events if isinstance(e, VolatilityUpdate) and e.underlying == "ETH"]
    before = dict(zip(updates[200].instruments, updates[200].implied_volatilities, strict=True))
    after = dict(zip(updates[600].instruments, updates[600].implied_volatilities, strict=True))
    front = after["ETH-11OCT25-4300-P"] / before["ETH-11OCT25-4300-P"]
    back = after["ETH-26DEC25-4500-P"] / before["ETH-26DEC25-4500-P"]
    assert front > 1.5
    assert 1.05 < back < front


def test_LABS_017_chains_have_no_arbitrage_between_strikes(
    demo_market: SimulatedMarket, demo_events: list[Event]
) -> None:
    terms = {item.name: item for item in demo_market.instruments}
    prices = demo_market.true_prices()
    slices = 0
    for event in (*demo_market.warm_up, *demo_events):
        second = (event.time_us - START_US) // 1_000_000
        if not isinstance(event, VolatilityUpdate) or second % 60:
            continue
        at = (event.exchange_time_us - START_US) // 250_000
        index = prices[max(at - 1, 0), 0 if event.underlying == "BTC" else 1]
        ladders: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
        rows = zip(event.instruments, event.implied_volatilities, event.forward_ratios, strict=True)
        for name, sigma, ratio in rows:
            if terms[name].is_call and terms[name].is_inverse:
                row = (float(terms[name].strike), sigma, ratio)
                ladders[terms[name].expiry_us].append(row)
        assert len(ladders) == 7
        for expiry_us, ladder in ladders.items():
            strikes, sigmas, ratios = (
                np.array(column) for column in zip(*sorted(ladder), strict=True)
            )
            root = np.sqrt((expiry_us - event.exchange_time_us) / 1e6 / YEAR_S)
            values, _ = black_usd(index * ratios, strikes, sigmas * root, np.ones(len(strikes)))
            slopes = np.diff(values) / np.diff(strikes)
            assert (slopes < 0.0).all()
            assert (slopes > -1.0).all()
            assert (np.diff(slopes) > 0.0).all()
            slices += 1
    assert slices >= 14 * 15


@pytest.mark.parametrize("scale", [1.0, 0.01, 30.0])
def test_LABS_018_listings_keep_the_scale_rules(scale: float, assets: list[Asset]) -> None:
    from dataclasses import replace

    from steelyard.terms.listing import asset_for

    coins = tuple(replace(coin, first_price=coin.first_price * scale) for coin in COINS)
    market = SimulatedMarket(1, START_US, 60, coins=coins)
    known = {coin.name: asset_for(coin.name, coin.first_price) for coin in coins}
    known["USDC"] = assets[0]
    assert 150 <= len(market.instruments) <= 400
    assert len({item.name for item in market.instruments}) == len(market.instruments)
    for item in market.instruments:
        item.check(known[item.settlement])
        price = market.first_prices[item.underlying]
        unit = 10**item.mark_exponent
        mark = item.contract_usd * unit / price if item.contract_usd else price * unit
        if item.is_option and item.is_inverse:
            mark = max(1.0, float(item.strike) / price) * unit
        assert item.position_limit * mark * 64 < 2**62
        if item.kind == "perpetual" and not item.is_inverse:
            assert price / 10**item.lot_exponent <= 15.0
        elif item.kind == "perpetual":
            assert 1e8 <= mark < 1e10 or item.mark_exponent in (8, 12)


def test_LABS_019_expired_option_is_no_longer_quoted() -> None:
    eve = START_US + 11 * 3_600_000_000 - 90_000_000
    market = SimulatedMarket(2, START_US, 60)
    front = min(item.expiry_us for item in market.instruments if item.is_option)
    assert front == START_US + 11 * 3_600_000_000
    # The same chain two minutes around its first expiry: listed at the start, seen at the eve.
    from dataclasses import replace

    from steelyard.lab.sending import _volatilities

    script = replace(market._script, start_us=eve)
    chain = script.chains[0]
    late = replace(chain, expiry_s=chain.expiry_s - 11 * 3_600.0 + 30.0)
    block = _volatilities(
        replace(script, chains=[late]), 0, 0, script.path.minute_log_prices(0), {}
    )
    events = block.events(block.received_us.tolist(), 1)
    counts = [len(event.instruments) for event in events if isinstance(event, VolatilityUpdate)]
    assert counts[:29] == [len(chain.names)] * 29
    assert counts[29:] == [len(chain.names) - 22] * 31
    for event in events:
        check_event(event)
    over = replace(chain, expiry_s=chain.expiry_s * 0.0 + 30.0)
    block = _volatilities(
        replace(script, chains=[over]), 0, 0, script.path.minute_log_prices(0), {}
    )
    assert len(block.events(block.received_us.tolist(), 1)) == 29
    assert block.received_us.max() < eve + 30_000_000


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("tick_ms", {"tick_ms": 7_001}),
        ("tick_ms", {"tick_ms": 0}),
        ("duration_s", {"duration_s": 0}),
        ("law", {"law": "sunny"}),
        ("seed", {"seed": -1}),
        ("funding_every_s", {"funding_every_s": 0}),
    ],
)
def test_LABS_020_arguments_outside_their_bounds_are_refused(
    field: str, arguments: dict[str, object]
) -> None:
    given = {"seed": 1, "start_us": START_US, "duration_s": 60} | arguments
    with pytest.raises(InputError) as refused:
        SimulatedMarket(**given)  # type: ignore[arg-type]
    assert refused.value.code == "LABS-E01"
    assert refused.value.where["field"] == field
