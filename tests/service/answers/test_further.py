"""What clients of Deribit's API read beside the rest: currencies, summaries, books, orders at rest."""

from __future__ import annotations

import pytest

from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.answers.unit_market import open_interest, open_interests
from steelyard.ticks import BookTick
from tests.service.answers.desks import context, holder
from tests.service.answers.unit_desks import HANDLERS, answer, open_desk
from tests.support.venue import BTC_CALL, BTC_INVERSE, BTC_LINEAR, BTC_PUT, SECOND_US, open_venue


def refused(name: str, desk: object, **params: object) -> str:
    """Return the code of a refusal."""
    with pytest.raises(SteelyardError) as caught:
        answer(name, desk, **params)
    return caught.value.code


def test_CLNT_020_currencies_and_indices_are_those_of_the_engine() -> None:
    _, desk = open_desk()
    found = answer("public/get_currencies", desk)
    assert (found[0].currency, found[0].decimals) == ("USDC", 6)
    assert {"BTC", "ETH"} < {each.currency for each in found}
    names = answer("public/get_index_price_names", desk)
    assert "btc_usd" in names
    price = answer("public/get_index_price", desk, index_name="btc_usd").index_price
    assert answer("public/get_index", desk, currency="BTC") == {"BTC": price, "edp": price}
    assert refused("public/get_index", desk, currency="DAI") == "ANSW-E07"


def test_CLNT_021_one_instrument_is_that_of_the_list() -> None:
    _, desk = open_desk()
    for name in (BTC_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT):
        one = answer("public/get_instrument", desk, instrument_name=name)
        assert one in answer("public/get_instruments", desk)
        size = answer("public/get_contract_size", desk, instrument_name=name).contract_size
        assert size == one.contract_size
    counters = {
        name: answer("public/get_instrument", desk, instrument_name=name).counter_currency
        for name in (BTC_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT)
    }
    assert list(counters.values()) == ["USDC", "USD", "USD", "USDC"]
    assert refused("public/get_instrument", desk, instrument_name="BTC-NOTHING") == "ANSW-E07"


def test_CLNT_022_a_summary_is_the_ticker_and_what_only_trades_say_is_null() -> None:
    _, desk = open_desk()
    found = {
        each.instrument_name: each
        for each in answer("public/get_book_summary_by_currency", desk, currency="BTC")
    }
    assert {BTC_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT} <= set(found)
    for name in (BTC_LINEAR, BTC_CALL):
        ticker = answer("public/ticker", desk, instrument_name=name)
        one = answer("public/get_book_summary_by_instrument", desk, instrument_name=name)
        assert one == [found[name]]
        for field in ("mark_price", "open_interest", "mark_iv", "underlying_index", "funding_8h"):
            assert getattr(found[name], field) == getattr(ticker, field)
        assert found[name].last is found[name].volume is found[name].high is None
    of_usdc = answer("public/get_book_summary_by_currency", desk, currency="USDC", kind="option")
    assert [each.instrument_name for each in of_usdc] == [BTC_PUT]


def test_CLNT_022_open_interest_in_one_pass_is_that_of_each() -> None:
    _, desk = open_desk()
    interests = open_interests(desk.units)
    assert interests == [open_interest(desk.units, slot) for slot in range(len(interests or ()))]
    assert max(interests or ()) > 0.0


def test_CLNT_023_a_book_is_ours_while_it_is_relied_on_and_empty_without_one() -> None:
    venue = open_venue()
    desk = EngineDesk(venue.engine)
    bare = answer("public/get_order_book", desk, instrument_name=BTC_LINEAR)
    assert (bare.bids, bare.asks, bare.best_bid_price, bare.last_price) == ([], [], None, None)
    bids = [(100_000.0 - 10.0 * k, 4.0 + k) for k in range(1, 9)]
    asks = [(100_000.0 + 10.0 * k, 5.0 + k) for k in range(1, 9)]
    sides = [[each[part] for each in side] for side in (bids, asks) for part in (0, 1)]
    venue.send(BookTick, "own", "BTC", BTC_LINEAR, *sides, venue.now_us)
    found = answer("public/get_order_book", desk, instrument_name=BTC_LINEAR)
    assert (found.bids, found.asks) == (bids[:5], asks[:5])
    assert (found.best_bid_price, found.best_ask_amount) == (99_990.0, 6.0)
    deep = answer("public/get_order_book", desk, instrument_name=BTC_LINEAR, depth=100)
    assert (deep.bids, deep.asks, deep.change_id) == (bids, asks, desk.as_of_seq())
    venue.wait(3_600 * SECOND_US)
    venue.price("BTC", 100_000.0)
    old = answer("public/get_order_book", desk, instrument_name=BTC_LINEAR)
    assert (old.bids, old.asks) == ([], [])  # too old to be relied on
    assert refused("public/get_order_book", desk, instrument_name="x") == "ANSW-E07"


def test_CLNT_024_a_position_is_the_units_and_zero_where_none_is_held() -> None:
    _, desk = open_desk()
    held = answer("private/get_positions", desk, account="writer")
    for each in held:
        name = each.instrument_name
        assert answer("private/get_position", desk, account="writer", instrument_name=name) == each
    inverse = next(each for each in held if each.instrument_name == BTC_INVERSE)
    assert inverse.size_currency == inverse.size / inverse.mark_price
    assert (inverse.size_unit, held[0].size_unit) == ("USD", "BTC")
    none = answer("private/get_position", desk, account="crosser", instrument_name=BTC_INVERSE)
    assert (none.size, none.direction, none.size_unit, none.account) == (
        0.0,
        "zero",
        "USD",
        "crosser",
    )
    assert none.size_currency == 0.0
    where = {"account": "crosser", "instrument_name": "nothing"}
    assert refused("private/get_position", desk, **where) == "ANSW-E07"


def test_CLNT_025_summaries_hold_the_summary() -> None:
    _, desk = open_desk()
    found = answer("private/get_account_summaries", desk, account="writer", extended=True)
    assert found.summaries == [answer("private/get_account_summary", desk, account="writer")]
    assert (found.account, found.as_of_seq) == ("writer", desk.as_of_seq())


def test_CLNT_026_orders_that_rest_are_told_by_account_currency_and_instrument() -> None:
    venue, desk = open_desk()
    venue.order("writer", "w2", BTC_INVERSE, -3, 120_000.0)
    found = answer("private/get_open_orders", desk, account="writer")
    assert [(o.order_id, o.direction, o.order_state, o.filled_amount) for o in found] == [
        ("w1", "buy", "open", 0.0), ("w2", "sell", "open", 0.0),
    ]  # fmt: skip
    assert [(o.amount, o.price) for o in found] == [
        (0.3, 99_000.0),
        (300.0, pytest.approx(120_000.0)),
    ]
    by = lambda name, **how: [o.order_id for o in answer(name, desk, account="writer", **how)]  # noqa: E731
    assert by("private/get_open_orders_by_currency", currency="USDC") == ["w1"]
    assert by("private/get_open_orders_by_currency", currency="BTC") == ["w1", "w2"]
    assert by("private/get_open_orders_by_currency", currency="any", kind="option") == []
    assert by("private/get_open_orders_by_instrument", instrument_name=BTC_INVERSE) == ["w2"]
    assert by("private/get_open_orders", type="stop_all") == []
    one = answer("private/get_order_state", desk, account="writer", order_id="w2")
    assert one == found[1]
    assert refused("private/get_order_state", desk, account="writer", order_id="c1") == "ANSW-E07"
    of_crosser = answer("private/get_open_orders", desk, frozenset({"crosser"}))
    assert [o.order_id for o in of_crosser] == ["c1"]


def test_CLNT_027_of_stated_accounts_the_same_is_told_as_far_as_it_is_stated() -> None:
    ask = context("paradex-pm", amy=holder(10_000.0, **{"BTC-PERPETUAL": 1.0}))

    def told(name: str, **params: object) -> object:
        method = HANDLERS[name]
        return method.handler(method.params(**params), ask)

    assert {each.currency for each in told("public/get_currencies")} >= {"BTC", "ETH"}  # type: ignore[attr-defined]
    assert told("private/get_open_orders") == []
    one = told("private/get_position", instrument_name="ETH-PERPETUAL")
    assert (one.direction, one.size) == ("zero", 0.0)  # type: ignore[attr-defined]
    book = told("public/get_order_book", instrument_name="BTC-PERPETUAL")
    assert book.bids == book.asks == []  # type: ignore[attr-defined]
    summary = told("public/get_book_summary_by_currency", currency="ETH", kind="future")
    assert {each.base_currency for each in summary} == {"ETH"}  # type: ignore[attr-defined]
