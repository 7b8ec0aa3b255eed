"""Deribit: frames of its API version 2 in, messages out."""

from __future__ import annotations

import json

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Fetch,
    OptionTicker,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.deribit import DeribitClient
from steelyard.quantities import InputError
from tests.feeds.live.venues.dckw_roles import (
    FUTURE,
    INDEX,
    LINEAR,
    MS,
    NOW_US,
    OPTION,
    OPTION_FIELDS,
    PERPETUAL,
    SPOT,
    book,
    deal,
    deals,
    kinds,
    notice,
    packed,
    refusal,
    sent,
    started,
    take,
    ticker,
)

MS_US = MS * 1_000


def reply(number: int, result: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "result": result, "usIn": 1, "usOut": 2, "usDiff": 1}


def failure(number: int | None, code: int, message: str = "no") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message, "data": {}}}


def test_DCKW_010_the_heartbeat_comes_first_then_a_hundred_channels_a_frame() -> None:
    client = DeribitClient()
    markets = [f"BTC-25JUN27-{strike}000-P" for strike in range(10, 160)]
    frames = [
        json.loads(each) for each in client.opening([Subscription(m, "options") for m in markets])
    ]
    assert frames[0]["method"] == "public/set_heartbeat"
    assert frames[0]["params"] == {"interval": 10}
    asked = [each["params"]["channels"] for each in frames[1:]]
    assert [len(channels) for channels in asked] == [100, 51]
    assert asked[0][:2] == ["platform_state", f"ticker.{markets[0]}.100ms"]
    assert [each["id"] for each in frames] == [1, 2, 3]
    assert client.address([]) == ""


def test_DCKW_010_channels_follow_from_market_and_kind_and_none_is_asked_twice() -> None:
    client = DeribitClient()
    wanted = [
        (PERPETUAL, "quotes"), (PERPETUAL, "reference"), (PERPETUAL, "trades"), (OPTION, "book"),
        (INDEX, "reference"), (INDEX, "options"), (INDEX, "trades"), (PERPETUAL, "options"),
        ("BTC-FS-25JUN27_PERP", "quotes"), ("BTC-CS-25JUN27-70000_75000", "trades"),
    ]  # fmt: skip
    frames = client.opening([Subscription(m, k) for m, k in wanted])  # type: ignore[arg-type]
    assert json.loads(frames[1])["params"]["channels"] == [
        "platform_state", f"ticker.{PERPETUAL}.100ms", f"trades.{PERPETUAL}.100ms",
        f"book.{OPTION}.100ms", "deribit_price_index.btc_usd", "deribit_volatility_index.btc_usd",
    ]  # fmt: skip
    refused = take(client, reply(1, "ok"))
    assert kinds(refused) == ["refused"] * 4
    assert [each.market for each in refused][2:] == [
        "BTC-FS-25JUN27_PERP",
        "BTC-CS-25JUN27-70000_75000",
    ]
    assert take(client, reply(1, "ok")) == []


@pytest.mark.parametrize(
    ("market", "quantity"),
    [(PERPETUAL, 0.25), (FUTURE, 0.25), (LINEAR, 10_000.0), (OPTION, 10_000.0), (SPOT, 10_000.0)],
)
def test_DCKW_011_amounts_of_inverse_instruments_become_base_units(
    market: str, quantity: float
) -> None:
    client = started(DeribitClient(), (market, "trades"), (market, "book"), (market, "quotes"))
    [trade] = take(client, deals(market, 7))
    assert trade == Trade(market, 40_000.0, quantity, False, MS_US + 7_000, "T7")
    level = ["new", 40_000.0, 10_000.0]
    [snapshot] = take(client, book(market, 5, bids=[level]))
    assert snapshot == BookSnapshot(market, [(40_000.0, quantity)], [], MS_US, 5)
    [quote] = take(client, ticker(market))
    assert isinstance(quote, Quote)
    assert (quote.ask, quote.ask_quantity) == (40_000.0, quantity)


def test_DCKW_012_a_ticker_says_what_was_asked_for() -> None:
    client = started(DeribitClient(), (PERPETUAL, "quotes"), (PERPETUAL, "reference"))
    quote, reference = take(client, ticker(PERPETUAL))
    assert quote == Quote(PERPETUAL, 39_999.5, 2.0, 40_000.0, 0.25, MS_US) or isinstance(
        quote, Quote
    )
    assert isinstance(quote, Quote)
    assert quote.bid_quantity == 79_999.0 / 39_999.5
    assert reference == Reference(PERPETUAL, MS_US, 39_998.5, 40_000.0, -0.0002, 200.0)
    only = started(DeribitClient(), (PERPETUAL, "reference"))
    assert [type(each) for each in take(only, ticker(PERPETUAL))] == [Reference]


def test_DCKW_012_an_option_has_decimals_for_volatilities_and_none_for_what_is_empty() -> None:
    client = started(DeribitClient(), (OPTION, "options"), (OPTION, "quotes"))
    quote, option = take(client, ticker(OPTION, **OPTION_FIELDS))
    assert quote == Quote(OPTION, 0.043, 5.1, 0.0, 0.0, MS_US)
    assert option == OptionTicker(
        OPTION, MS_US, bid=0.043, ask=None, mark=0.0432, bid_volatility=0.5125, ask_volatility=None,
        mark_volatility=0.525, forward=41_234.5, index_price=39_998.5, open_interest=12.5,
    )  # fmt: skip
    empty = {**OPTION_FIELDS, "best_bid_price": None, "best_bid_amount": None, "bid_iv": None}
    quote, option = take(client, ticker(OPTION, **empty))
    assert isinstance(quote, Quote)
    assert isinstance(option, OptionTicker)
    assert (quote.bid, option.bid, option.bid_volatility) == (0.0, None, None)


def test_DCKW_013_an_index_and_its_volatility() -> None:
    client = started(DeribitClient(), (INDEX, "reference"), (INDEX, "options"))
    data = {"timestamp": MS, "price": 39_937.89, "index_name": INDEX}
    assert take(client, notice("deribit_price_index.btc_usd", data)) == [
        Reference(INDEX, MS_US, index_price=39_937.89)
    ]
    data = {"timestamp": MS, "volatility": 52.25, "index_name": INDEX}
    assert take(client, notice("deribit_volatility_index.btc_usd", data)) == [
        OptionTicker(INDEX, MS_US, mark_volatility=0.5225)
    ]
    other = notice("deribit_price_index.btc_usd", {**data, "price": 1.0, "index_name": "eth_usd"})
    assert refusal(client, other) == "WIRE-E02"
    data["volatility"] = 0.0
    assert refusal(client, notice("deribit_volatility_index.btc_usd", data)) == "WIRE-E02"


def test_DCKW_014_changes_follow_the_snapshot_by_their_numbers() -> None:
    client = started(DeribitClient(), (LINEAR, "book"))
    assert take(client, book(LINEAR, 9, 8, bids=[["new", 1.0, 1.0]])) == []
    held = OrderBook()
    frames = [
        book(LINEAR, 10, bids=[["new", 99.0, 1.0], ["new", 99.5, 2.0]], asks=[["new", 101.0, 4.0]]),
        book(LINEAR, 17, 10, bids=[["delete", 99.5, 3.0]], asks=[["new", 100.5, 0.5]]),
        book(LINEAR, 18, 17, bids=[["change", 99.0, 6.0]]),
    ]
    messages = take(client, *frames)
    assert messages[1] == BookChange(
        LINEAR, [(99.5, 0.0)], [(100.5, 0.5)], MS_US, 17, 17, previous_sequence=10
    )
    assert [held.apply(each) for each in messages] == ["applied"] * 3  # type: ignore[arg-type]
    assert held.top(5) == ([(99.0, 6.0)], [(100.5, 0.5), (101.0, 4.0)])
    assert take(client, frames[2]) == []


def test_DCKW_014_a_gap_is_said_and_the_book_subscribed_anew() -> None:
    client = started(DeribitClient(), (PERPETUAL, "book"))
    take(client, book(PERPETUAL, 10), book(PERPETUAL, 12, 10))
    messages = take(client, book(PERPETUAL, 20, 15))
    assert messages[0] == Status(PERPETUAL, "gap", "change 20 follows 15, held is 12")
    unsubscribe, subscribe = sent(messages)
    channels = {"channels": [f"book.{PERPETUAL}.100ms"]}
    assert (unsubscribe["method"], unsubscribe["params"]) == ("public/unsubscribe", channels)
    assert (subscribe["method"], subscribe["params"]) == ("public/subscribe", channels)
    assert take(client, book(PERPETUAL, 21, 20)) == []
    [fresh] = take(client, book(PERPETUAL, 30, bids=[["new", 10.0, 10.0]]))
    assert isinstance(fresh, BookSnapshot)
    assert len(take(client, book(PERPETUAL, 31, 30))) == 1


def test_DCKW_015_missing_trades_are_fetched_in_order_and_once() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"))
    assert [each.trade for each in take(client, deals(PERPETUAL, 8, 7))] == ["T7", "T8"]  # type: ignore[attr-defined]
    gap, fetch, trade = take(client, deals(PERPETUAL, 8, 11))
    assert gap == Status(PERPETUAL, "gap", "trades 9 to 10 are missing")
    assert isinstance(fetch, Fetch)
    assert fetch.path == (
        "/api/v2/public/get_last_trades_by_instrument?instrument_name=BTC-PERPETUAL"
        "&start_seq=9&end_seq=10&count=1000&sorting=asc"
    )
    assert isinstance(trade, Trade)
    rows = [deal(PERPETUAL, number) for number in (11, 10, 9)]
    body = packed({"jsonrpc": "2.0", "result": {"trades": rows, "has_more": False}})
    found = client.fetched(fetch.path, body, NOW_US)
    assert [each.trade for each in found] == ["T9", "T10"]  # type: ignore[attr-defined]
    assert kinds(client.fetched(fetch.path, body, NOW_US)) == ["malformed"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (failure(None, 10028), "WIRE-E03"),
        ({"result": {}}, "WIRE-E02"),
        ({"jsonrpc": "2.0"}, "WIRE-E02"),
        ({"result": {"trades": [deal(LINEAR, 51)]}}, "WIRE-E02"),
    ],
)
def test_DCKW_015_a_fetch_that_fails_is_refused(body: object, code: str) -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"))
    fetch = take(client, deals(PERPETUAL, 50), deals(PERPETUAL, 52))[2]
    assert isinstance(fetch, Fetch)
    with pytest.raises(InputError) as caught:
        client.fetched(fetch.path, packed(body), NOW_US)
    assert caught.value.code == code


def test_DCKW_015_with_a_missing_trade_the_book_is_subscribed_anew() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"), (PERPETUAL, "book"))
    messages = take(client, book(PERPETUAL, 10), deals(PERPETUAL, 5), deals(PERPETUAL, 7))
    assert [each["method"] for each in sent(messages)] == ["public/unsubscribe", "public/subscribe"]
    assert take(client, book(PERPETUAL, 12, 10)) == []
    assert len(take(client, book(PERPETUAL, 13), book(PERPETUAL, 14, 13))) == 2


def test_DCKW_015_of_many_missing_trades_the_last_thousand_are_fetched() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"))
    gap, fetch, _ = take(client, deals(PERPETUAL, 5), deals(PERPETUAL, 5_006))[1:]
    assert isinstance(gap, Status)
    assert gap.reason == "trades 6 to 5005 are missing"
    assert isinstance(fetch, Fetch)
    assert "&start_seq=4006&end_seq=5005&" in fetch.path


def test_DCKW_016_a_test_request_is_answered_at_once() -> None:
    client = started(DeribitClient())
    plain = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "heartbeat"}}
    assert take(client, plain) == [Status("", "heartbeat", "heartbeat")]
    plain["params"] = {"type": "test_request"}
    [answer] = sent(take(client, plain))
    assert (answer["method"], answer["params"]) == ("public/test", {})
    assert take(client, reply(int(str(answer["id"])), {"version": "1.2.26"})) == []


def test_DCKW_017_halts_of_instrument_index_and_platform_are_said_once_each() -> None:
    client = started(DeribitClient(), (PERPETUAL, "reference"))
    locked = take(client, ticker(PERPETUAL, state="locked"), ticker(PERPETUAL, state="locked"))
    assert [each for each in locked if isinstance(each, Status)] == [
        Status(PERPETUAL, "halted", "locked")
    ]
    opened = take(client, ticker(PERPETUAL))
    assert opened[0] == Status(PERPETUAL, "subscribed", "open")
    assert take(
        client,
        notice("platform_state", {"maintenance": True}),
        notice("platform_state", {"maintenance": False}),
        notice("platform_state", {"price_index": "sol_usdc", "locked": True}),
    ) == [
        Status("", "halted", "maintenance"),
        Status("", "subscribed", "open"),
        Status("sol_usdc", "halted", "locked"),
    ]


def test_DCKW_017_a_confirmation_does_not_end_a_halt() -> None:
    client = started(DeribitClient(), (PERPETUAL, "reference"), (LINEAR, "reference"))
    take(client, ticker(PERPETUAL, state="halted"), notice("platform_state", {"maintenance": True}))
    channels = [f"ticker.{PERPETUAL}.100ms", f"ticker.{LINEAR}.100ms", "platform_state"]
    assert take(client, reply(2, channels)) == []
    assert take(client, notice("platform_state", {"maintenance": False})) == [
        Status("", "subscribed", "open"),
        Status(PERPETUAL, "halted", "halted"),
    ]


def test_DCKW_018_what_the_answer_leaves_out_is_refused() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"), ("BTC-1JAN20", "book"))
    messages = take(client, reply(2, ["platform_state", f"trades.{PERPETUAL}.100ms"]))
    assert [(each.market, kind) for each, kind in zip(messages, kinds(messages), strict=True)] == [
        ("", "subscribed"),
        (PERPETUAL, "subscribed"),
        ("BTC-1JAN20", "refused"),
    ]
    client.due(NOW_US)
    assert client.due(NOW_US + 600_000_000) == []


def test_DCKW_018_a_refused_frame_is_halved_until_the_bad_channel_is_alone() -> None:
    client = started(DeribitClient(), *((f"X{n}_USDC", "trades") for n in range(4)))
    waiting = sent(take(client, failure(2, -32602, "Invalid params")))
    refused = []
    while waiting:
        asked = waiting.pop()
        channels = asked["params"]["channels"]  # type: ignore[index]
        bad = "trades.X2_USDC.100ms" in channels
        number = int(str(asked["id"]))
        answer = take(client, failure(number, -32602) if bad else reply(number, channels))
        waiting += sent(answer)
        refused += [each.market for each in answer if getattr(each, "kind", "") == "refused"]
    assert refused == ["X2_USDC"]


def test_DCKW_018_what_came_too_fast_is_asked_again_after_five_seconds() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"))
    assert kinds(take(client, failure(2, 10028, "too_many_requests"))) == ["refused", "refused"]
    assert client.due(NOW_US) == []
    assert client.due(NOW_US + 4_999_999) == []
    [again] = client.due(NOW_US + 5_000_000)
    assert json.loads(again)["params"]["channels"] == [
        "platform_state",
        f"trades.{PERPETUAL}.100ms",
    ]
    assert client.due(NOW_US + 20_000_000) == []


def test_DCKW_018_any_other_error_is_the_venues() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"))
    for number in (1, 99, None):
        assert refusal(client, failure(number, 11044, "not_open_order")) == "WIRE-E03"
    assert take(client, deals(PERPETUAL, 1))


def test_DCKW_004_a_snapshot_that_stays_away_is_asked_for_again() -> None:
    client = started(DeribitClient(), (PERPETUAL, "book"))
    assert client.due(NOW_US) == []
    assert client.due(NOW_US + 59_999_999) == []
    assert len(client.due(NOW_US + 60_000_000)) == 2
    assert client.due(NOW_US + 69_999_999) == []
    assert len(client.due(NOW_US + 70_000_000)) == 2
    take(client, book(PERPETUAL, 1))
    assert client.due(NOW_US + 200_000_000) == []
    client.resubscribe(PERPETUAL)
    assert len(client.due(NOW_US + 200_000_001)) == 2
    assert take(client, book(PERPETUAL, 2, 1)) == []
    client.resubscribe("ETH-PERPETUAL")
    assert client.due(NOW_US + 200_000_002) == []


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"method": "subscription"},
        notice(f"book.{PERPETUAL}.100ms", {"timestamp": MS, "instrument_name": PERPETUAL}),
        notice(f"book.{PERPETUAL}.100ms", [deal(PERPETUAL, 1)]),
        notice(f"trades.{PERPETUAL}.100ms", {"timestamp": MS, "instrument_name": PERPETUAL}),
        notice(f"trades.{PERPETUAL}.100ms", [deal(LINEAR, 1)]),
        notice(f"trades.{PERPETUAL}.100ms", [deal(PERPETUAL, 1, price=0.0)]),
        notice(f"trades.{PERPETUAL}.100ms", [deal(PERPETUAL, 1, amount=-1.0)]),
        notice(f"trades.{PERPETUAL}.100ms", [deal(PERPETUAL, 1, direction="up")]),
        notice(f"ticker.{PERPETUAL}.100ms", None),
        notice(f"ticker.{PERPETUAL}.100ms", {"instrument_name": PERPETUAL}),
        ticker(PERPETUAL, instrument_name=LINEAR),
        ticker(PERPETUAL, mark_price=None),
        ticker(PERPETUAL, timestamp=4_102_444_800_001),
        ticker(PERPETUAL, current_funding=11.0),
        book(PERPETUAL, 1, bids=[["new", 1e13, 1.0]]),
        book(PERPETUAL, 1, bids=[["odd", 1.0, 1.0]]),
        book(PERPETUAL, -1),
        book(PERPETUAL, 2**62 + 1),
        notice("deribit_price_index.btc_usd", {"timestamp": MS, "index_name": INDEX}),
    ],
)
def test_DCKW_001_other_shapes_of_deribit_are_refused(frame: object) -> None:
    four = ("trades", "quotes", "book", "reference")
    client = started(DeribitClient(), *((PERPETUAL, kind) for kind in four), (INDEX, "reference"))
    assert refusal(client, frame) == "WIRE-E02"
    assert len(take(client, deals(PERPETUAL, 9))) == 1


def test_DCKW_003_channels_nobody_asked_for_are_said_and_extra_fields_left_alone() -> None:
    client = started(DeribitClient(), (PERPETUAL, "trades"))
    for data in ([1, 2], {"bids": [[1.0, 2.0]]}, "text", {"timestamp": MS}):
        messages = take(client, notice("book.ETH-PERPETUAL.none.10.100ms", data))
        assert kinds(messages) == ["malformed"]
    extra = deals(PERPETUAL, 3)
    extra["extra"] = {"params": [{}]}
    assert len(take(client, extra)) == 1
