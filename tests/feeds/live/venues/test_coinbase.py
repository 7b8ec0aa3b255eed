"""Coinbase: frames of its exchange's public feed in, messages out."""

from __future__ import annotations

import json

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Quote, Status, Trade
from steelyard.feeds.live.venues.coinbase import CoinbaseClient
from tests.feeds.live.venues.dckw_roles import (
    NOW_US,
    SNAPSHOT,
    TIME,
    TIME_US,
    UPDATE,
    beat,
    coinbase_ticker,
    kinds,
    match,
    refusal,
    sent,
    started,
    take,
)

RENEWAL = [
    {"type": kind, "channels": [{"name": "level2_batch", "product_ids": ["BTC-USD"]}]}
    for kind in ("unsubscribe", "subscribe")
]


def whole() -> CoinbaseClient:
    return started(CoinbaseClient(), *(("BTC-USD", kind) for kind in ("trades", "quotes", "book")))


def test_DCKW_030_each_market_is_subscribed_by_a_frame_of_its_own() -> None:
    client = CoinbaseClient()
    wanted = [("BTC-USD", "trades"), ("BTC-USD", "quotes"), ("ETH-USD", "book")]
    frames = [json.loads(each) for each in client.opening([Subscription(m, k) for m, k in wanted])]  # type: ignore[arg-type]
    assert frames == [
        {"type": "subscribe", "channels": [{"name": "status"}]},
        {
            "type": "subscribe",
            "channels": [
                {"name": name, "product_ids": ["BTC-USD"]}
                for name in ("heartbeat", "matches", "ticker")
            ],
        },
        {
            "type": "subscribe",
            "channels": [
                {"name": name, "product_ids": ["ETH-USD"]}
                for name in ("heartbeat", "matches", "level2_batch")
            ],
        },
    ]
    assert client.address([]) == ""


def test_DCKW_030_what_a_spot_exchange_has_not_is_refused_once() -> None:
    client = started(CoinbaseClient(), ("BTC-USD", "reference"), ("BTC-USD", "options"))
    assert kinds(take(client, beat(1)))[:2] == ["refused", "refused"]
    assert kinds(take(client, beat(1))) == ["malformed"]


def test_DCKW_030_a_channel_is_confirmed_once_under_the_name_it_was_asked_by() -> None:
    client = whole()
    channels = [
        {"name": "level2_50", "product_ids": ["BTC-USD", "ETH-USD"]},
        {"name": "matches", "product_ids": ["BTC-USD"]},
        {"name": "status", "product_ids": None},
        {"name": "odd", "product_ids": ["BTC-USD"]},
    ]
    answer = {"type": "subscriptions", "channels": channels}
    assert take(client, answer, answer) == [
        Status("BTC-USD", "subscribed", "level2_batch"),
        Status("BTC-USD", "subscribed", "matches"),
    ]
    assert refusal(client, {"type": "subscriptions"}) == "WIRE-E02"


def test_DCKW_031_the_side_of_a_match_is_the_makers() -> None:
    client = whole()
    assert take(client, match(10, type="last_match"), match(11, side="buy")) == [
        Trade("BTC-USD", 400.25, 0.5, True, TIME_US, "10"),
        Trade("BTC-USD", 400.25, 0.5, False, TIME_US, "11"),
    ]
    assert take(client, match(11), match(9)) == []


def test_DCKW_032_a_ticker_is_the_best_bid_and_ask_and_none_comes_late() -> None:
    client = whole()
    assert take(client, coinbase_ticker(7)) == [Quote("BTC-USD", 400.2, 1.25, 400.3, 2.5, TIME_US)]
    assert take(client, coinbase_ticker(7), coinbase_ticker(6)) == []
    [empty] = take(client, coinbase_ticker(8, best_bid="0", best_bid_size="0.00"))
    assert isinstance(empty, Quote)
    assert (empty.bid, empty.bid_quantity) == (0.0, 0.0)
    assert take(started(CoinbaseClient(), ("BTC-USD", "trades")), coinbase_ticker(1)) == []


def test_DCKW_033_a_book_is_its_snapshot_then_its_changes() -> None:
    client = whole()
    assert take(client, UPDATE) == []
    snapshot, change = take(client, SNAPSHOT, UPDATE)
    assert snapshot == BookSnapshot(
        "BTC-USD", [(400.2, 2.0), (400.1, 1.0)], [(400.3, 0.5), (400.4, 4.0)], 0
    )
    assert change == BookChange("BTC-USD", [(400.2, 0.0)], [(400.25, 3.5)], TIME_US)
    [timed] = take(client, {**SNAPSHOT, "time": TIME})
    assert isinstance(timed, BookSnapshot)
    assert timed.exchange_time_us == TIME_US


def test_DCKW_034_a_trade_left_out_is_a_gap_and_the_book_is_subscribed_anew() -> None:
    client = whole()
    messages = take(client, SNAPSHOT, match(10), match(13))[2:]
    assert messages[0] == Status("BTC-USD", "gap", "trades 11 to 12 are missing")
    assert sent(messages) == RENEWAL
    assert isinstance(messages[-1], Trade)
    assert take(client, UPDATE) == []
    assert len(take(client, SNAPSHOT, UPDATE)) == 2
    only = started(CoinbaseClient(), ("BTC-USD", "trades"))
    assert sent(take(only, match(1), match(5))) == []


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"l2upd',
        {**UPDATE, "changes": [["buy", "nan", "1"]]},
        {**UPDATE, "time": None},
        {**UPDATE, "product_id": 7, "changes": 7},
        {**SNAPSHOT, "asks": None},
    ],
)
def test_DCKW_034_a_frame_of_a_book_that_cannot_be_read_is_a_gap(frame: object) -> None:
    client = whole()
    take(client, SNAPSHOT)
    assert refusal(client, frame) in ("WIRE-E01", "WIRE-E02")
    messages = take(client, UPDATE)
    assert messages == [Status("BTC-USD", "gap", "a frame of the book cannot be read")]
    assert [json.loads(each) for each in client.due(NOW_US)] == RENEWAL
    assert len(take(client, SNAPSHOT, UPDATE)) == 2


def test_DCKW_034_another_frame_that_cannot_be_read_leaves_the_book_alone() -> None:
    client = whole()
    take(client, SNAPSHOT)
    assert refusal(client, match(1, price="nan")) == "WIRE-E02"
    assert len(take(client, UPDATE)) == 1


def test_DCKW_034_a_book_alone_watches_the_trades_and_hands_none_on() -> None:
    client = started(CoinbaseClient(), ("BTC-USD", "book"))
    assert take(client, match(1), match(2)) == []
    assert kinds(take(client, match(4))) == ["gap"]


def test_DCKW_035_trades_that_a_heartbeat_named_have_to_come_within_the_next() -> None:
    client = whole()
    take(client, SNAPSHOT, match(20))
    assert kinds(take(client, beat(22))) == ["heartbeat"]
    take(client, match(21), match(22))
    assert kinds(take(client, beat(24))) == ["heartbeat"]
    messages = take(client, beat(24))
    assert messages[1] == Status("BTC-USD", "gap", "trades 23 to 24 are missing")
    assert sent(messages) == RENEWAL
    assert kinds(take(client, beat(24))) == ["heartbeat"]
    assert take(client, match(24)) == []


def test_DCKW_035_a_heartbeat_before_any_trade_says_nothing_of_gaps() -> None:
    client = whole()
    assert kinds(take(client, beat(100), beat(120), match(121))) == ["heartbeat", "heartbeat"]


def test_DCKW_036_an_error_that_names_a_market_refuses_it_and_any_other_is_the_venues() -> None:
    client = started(CoinbaseClient(), ("BTC-USD", "book"), ("BTC-USDX", "book"))
    words = {"type": "error", "message": "Failed to subscribe"}
    reason = "BTC-USDX is not a valid product"
    assert take(client, {**words, "reason": reason}) == [
        Status("BTC-USDX", "refused", f"Failed to subscribe: {reason}")
    ]
    take(client, SNAPSHOT)
    client.due(NOW_US)
    assert client.due(NOW_US + 600_000_000) == []
    for other in (
        {**words, "reason": "No channels provided"},
        {"type": "error", "message": "ErrSlowConsume"},
    ):
        assert refusal(client, other) == "WIRE-E03"
    assert len(take(client, UPDATE)) == 1


def test_DCKW_037_a_product_that_does_not_match_is_halted() -> None:
    client = whole()

    def status(**fields: object) -> dict[str, object]:
        product = {"id": "BTC-USD", "status": "online", "post_only": False, **fields}
        return {"type": "status", "products": [{"id": "ETH-USD", "status": "delisted"}, product]}

    assert take(client, status()) == []
    assert take(client, status(post_only=True), status(post_only=True)) == [
        Status("BTC-USD", "halted", "post_only")
    ]
    listed = [{"name": "ticker", "product_ids": ["BTC-USD"]}]
    assert take(client, {"type": "subscriptions", "channels": listed}) == []
    assert take(client, status(status="offline"), status(limit_only=True)) == [
        Status("BTC-USD", "halted", "offline"),
        Status("BTC-USD", "subscribed", "online"),
    ]


def test_DCKW_004_a_book_that_stays_away_is_asked_for_again() -> None:
    client = whole()
    assert client.due(NOW_US) == []
    assert [json.loads(each) for each in client.due(NOW_US + 60_000_000)] == RENEWAL
    take(client, SNAPSHOT)
    assert client.due(NOW_US + 500_000_000) == []
    client.resubscribe("BTC-USD")
    client.resubscribe("ETH-USD")
    assert [json.loads(each) for each in client.due(NOW_US + 500_000_000)] == RENEWAL
    assert take(client, UPDATE) == []


def test_DCKW_004_a_book_is_not_asked_for_twice_within_two_seconds() -> None:
    client = whole()
    take(client, SNAPSHOT, match(1))
    assert len(sent(take(client, match(3)))) == 2
    assert sent(take(client, match(5), at_us=NOW_US + 1_999_999)) == []
    assert client.due(NOW_US + 1_999_999) == []
    assert len(client.due(NOW_US + 2_000_000)) == 2
    # A clock that was set back an hour holds nothing up.
    assert len(sent(take(client, match(7), at_us=NOW_US - 3_600_000_000))) == 2


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": 1},
        match(1, time=None),
        match(1, time="2026-01-05T08:00:00"),
        match(1, time="1969-12-31T23:59:59Z"),
        match(1, time="2101-01-01T00:00:00Z"),
        match(1, price="NaN"),
        match(1, price="0"),
        match(1, price="-1"),
        match(1, size="Infinity"),
        match(1, side="up"),
        match(-1),
        {key: value for key, value in match(1).items() if key != "side"},
        coinbase_ticker(1, best_bid=None),
        coinbase_ticker(1, best_ask_size=None),
        {**SNAPSHOT, "asks": None},
        {**SNAPSHOT, "bids": [["1"]]},
        {**UPDATE, "changes": None},
        {**UPDATE, "changes": [["buy", "nan", "1"]]},
        {**UPDATE, "time": None},
        {"type": "heartbeat", "product_id": "BTC-USD"},
        {"type": "status"},
    ],
)
def test_DCKW_001_other_shapes_of_coinbase_are_refused(frame: object) -> None:
    client = whole()
    assert refusal(client, frame) == "WIRE-E02"
    assert len(take(client, match(5))) == 1


def test_DCKW_003_types_and_products_nobody_asked_for_are_left_alone() -> None:
    client = whole()
    assert take(client, {"type": "auction", "price": {"a": []}, "product_id": "BTC-USD"}) == []
    assert take(client, {"type": "open", "product_id": "BTC-USD", "remaining_size": "1"}) == []
    assert kinds(take(client, match(1, product_id="ETH-USD"))) == ["malformed"]
    assert len(take(client, match(1, extra={"deep": [[]]}))) == 1
    assert kinds(client.fetched("/products", b"{}", NOW_US)) == ["malformed"]
