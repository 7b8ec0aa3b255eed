"""The engine's own market over the API: names, scales, marks, books; and its statement for the library."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.cli.session import opening_events
from steelyard.engine.engine import Engine
from steelyard.lab import SimulatedMarket
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers import Context
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.answers.engine_market import MarketReader
from steelyard.service.answers.market_data import (
    IndexParams,
    InstrumentsParams,
    TickerParams,
    get_index_price,
    get_instruments,
    ticker,
)
from steelyard.terms import load_method
from steelyard.ticks import BookTick
from tests.service.answers.desks import Key
from tests.service.answers.unit_desks import open_desk
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    EXPIRY_US,
    SECOND_US,
    open_venue,
)


def _ask(desk: EngineDesk) -> Context:
    return Context(Key(), desk, desk.time_us())


def _ticker(desk: EngineDesk, name: str) -> Any:
    return ticker(TickerParams(name), _ask(desk))


def test_UNIT_060_instruments_are_the_engines_own() -> None:
    _, desk = open_desk()
    found = {
        each.instrument_name: each for each in get_instruments(InstrumentsParams(), _ask(desk))
    }
    assert {BTC_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT} < set(found)
    linear, inverse, call, put = (found[n] for n in (BTC_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT))
    assert (linear.instrument_type, linear.settlement_currency, linear.quote_currency) == (
        "linear", "USDC", "USDC",
    )  # fmt: skip
    assert (linear.tick_size, linear.min_trade_amount, linear.contract_size) == (0.01, 0.0001, 1.0)
    assert (inverse.instrument_type, inverse.settlement_currency, inverse.quote_currency) == (
        "reversed", "BTC", "USD",
    )  # fmt: skip
    assert (inverse.contract_size, inverse.min_trade_amount, inverse.tick_size) == (
        100.0,
        100.0,
        0.01,
    )
    assert (call.settlement_currency, call.tick_size, call.strike) == ("BTC", 1e-8, 100_000.0)
    assert (put.settlement_currency, put.option_type, put.mark_exponent) == ("USDC", "put", 6)
    assert call.expiration_timestamp == EXPIRY_US // 1_000
    assert linear.expiration_timestamp is None
    by = lambda **how: {  # noqa: E731
        each.instrument_name for each in get_instruments(InstrumentsParams(**how), _ask(desk))
    }
    assert by(currency="USDC", kind="option") == {BTC_PUT}
    assert BTC_INVERSE in by(currency="BTC", kind="future")
    assert by(expired=True) == set()


def test_UNIT_061_a_ticker_has_the_engines_marks() -> None:
    venue, desk = open_desk()
    linear, inverse = _ticker(desk, BTC_LINEAR), _ticker(desk, BTC_INVERSE)
    assert (linear.mark_price, linear.mark_units) == (100_000.0, venue.mark(BTC_LINEAR))
    assert inverse.mark_price == pytest.approx(100_000.0)
    assert inverse.mark_units == venue.mark(BTC_INVERSE) < 0
    call = _ticker(desk, BTC_CALL)
    assert (call.mark_price, call.settlement_currency) == (venue.mark(BTC_CALL) / 1e8, "BTC")
    assert call.mark_iv == 50.0
    assert call.underlying_index == "BTC-14FEB27"
    assert 0.5 < call.greeks.delta < 0.6
    assert call.greeks.gamma > 0.0 > call.greeks.theta
    assert call.estimated_delivery_price == 100_000.0
    assert linear.index_price == get_index_price(IndexParams("btc_usd"), _ask(desk)).index_price
    assert (linear.state, linear.is_protected) == ("open", False)
    for name in ("BTC-NONE", ""):
        with pytest.raises(SteelyardError, match="ANSW-E07"):
            _ticker(desk, name)
    for name in ("usdc_usd", "nothing", "BTC_USD"):
        with pytest.raises(SteelyardError, match="ANSW-E07"):
            get_index_price(IndexParams(name), _ask(desk))


def test_UNIT_062_open_interest_is_the_sum_of_longs() -> None:
    venue, desk = open_desk()
    longs: dict[str, int] = {}
    for name in (BTC_LINEAR, BTC_INVERSE, BTC_CALL):
        for unit in venue.engine.places:
            longs[name] = longs.get(name, 0) + max(0, venue.position(unit, name)[0])
    assert _ticker(desk, BTC_LINEAR).open_interest == longs[BTC_LINEAR] / 10_000
    assert _ticker(desk, BTC_INVERSE).open_interest == longs[BTC_INVERSE] * 100
    assert _ticker(desk, BTC_CALL).open_interest == longs[BTC_CALL] / 100
    assert _ticker(desk.pinned([]), BTC_CALL).open_interest is None


def test_UNIT_063_books_of_ours_are_told_while_they_can_be_relied_on() -> None:
    venue = open_venue()
    desk = EngineDesk(venue.engine)
    assert _ticker(desk, BTC_LINEAR).best_bid_price is None
    prices = [round(100_000.0 - 10.0 * k, 1) for k in range(1, 9)]
    asks = [round(100_000.0 + 10.0 * k, 1) for k in range(1, 9)]
    venue.send(BookTick, "own", "BTC", BTC_LINEAR, prices, [5.0] * 8, asks, [6.0] * 8, venue.now_us)
    found = _ticker(desk, BTC_LINEAR)
    assert (found.best_bid_price, found.best_ask_price) == (99_990.0, 100_010.0)
    assert (found.best_bid_amount, found.best_ask_amount) == (5.0, 6.0)
    assert _ticker(desk, BTC_INVERSE).best_bid_price is None
    venue.wait(3_600 * SECOND_US)
    venue.price("BTC", 100_000.0)
    assert _ticker(desk, BTC_LINEAR).best_bid_price is None  # too old to be relied on


def test_UNIT_064_funding_is_that_of_the_running_interval() -> None:
    venue = open_venue()
    desk = EngineDesk(venue.engine)
    assert _ticker(desk, BTC_LINEAR).current_funding is None
    venue.parameter("index.BTC.funding_interval_us", "28800000000")
    from steelyard.ticks import QuoteTick

    venue.send(QuoteTick, BTC_LINEAR, 100_200.0, 100_400.0, venue.now_us)
    venue.tick(60 * SECOND_US)
    found = _ticker(desk, BTC_LINEAR)
    assert found.current_funding == pytest.approx(0.0015)  # a premium of 0.2 %, less the damper
    assert found.funding_8h == pytest.approx(found.current_funding)


def test_UNIT_065_what_is_settled_is_expired() -> None:
    venue, desk = open_desk()
    venue.wait(EXPIRY_US - venue.now_us)
    for _ in range(2):
        venue.wait()
        venue.price("BTC", 100_000.0)
        venue.price("ETH", 4_000.0)
    live = {each.instrument_name for each in get_instruments(InstrumentsParams(), _ask(desk))}
    gone = {
        each.instrument_name
        for each in get_instruments(InstrumentsParams(expired=True), _ask(desk))
    }
    assert BTC_LINEAR in live
    assert gone == {BTC_CALL, BTC_PUT}
    assert _ticker(desk, BTC_CALL).state == "closed"


def test_UNIT_070_the_statement_follows_every_event_and_keeps_what_stands() -> None:
    engine = Engine(load_method())
    market = SimulatedMarket(7, 1_760_130_000_000_000, 20)
    for event in opening_events(market):
        engine.submit(event)
    desk = EngineDesk(engine)
    kept = changed = 0
    before = desk.market()
    for count, event in enumerate(market.ticks()):
        engine.submit(event)
        if count % 7:
            continue
        found = desk.market()
        fresh = MarketReader().market(engine.market, engine.method)
        assert found == fresh
        assert desk.market() is found
        for name, stated in found.underlyings.items():
            is_kept = stated is before.underlyings[name]
            kept, changed = kept + is_kept, changed + (not is_kept)
        before = found
    assert kept > 20
    assert changed > 20


def test_UNIT_071_the_engines_own_answers_state_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, desk = open_desk()
    read: list[int] = []
    monkeypatch.setattr(MarketReader, "market", lambda *_: read.append(1))
    monkeypatch.setattr(MarketReader, "instruments", lambda *_: read.append(1))
    from tests.service.answers.unit_desks import HANDLERS, answer

    of_one: dict[str, Any] = {"instrument_name": BTC_LINEAR}
    needed: dict[str, dict[str, Any]] = {
        "private/get_margins": {**of_one, "amount": 1.0},
        "private/get_position": of_one,
        "private/get_open_orders_by_instrument": of_one,
        "private/get_open_orders_by_currency": {"currency": "BTC"},
        "private/get_order_state": {"order_id": "w1"},
    }
    for name in HANDLERS:
        if name.startswith("private/") and name != "private/compare":
            answer(name, desk, account="writer", **needed.get(name, {}))
    _ticker(desk, BTC_CALL)
    get_instruments(InstrumentsParams(), _ask(desk))
    assert read == []


def test_UNIT_072_a_pinned_desk_stays_and_states_what_was() -> None:
    venue, desk = open_desk()
    pinned = desk.pinned(["writer"])
    stated, seq = desk.market(), desk.as_of_seq()
    account = desk.account("writer")
    venue.price("BTC", 98_000.0)
    assert desk.market() != stated
    assert (pinned.market(), pinned.as_of_seq(), pinned.account("writer")) == (stated, seq, account)
    with pytest.raises(SteelyardError, match="ANSW-E03"):
        pinned.account("crosser")
