"""Kraken: frames of its version 2 in, messages out, and the checksum of its books."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Quote, Status, Trade
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.kraken import KrakenClient
from steelyard.feeds.live.venues.kraken_checksum import book_checksum, checksum_of, text_checksum
from tests.feeds.live.venues.dckw_roles import (
    NOW_US,
    TIME,
    TIME_US,
    instruments,
    kinds,
    kraken,
    kraken_trade,
    pair,
    refusal,
    sent,
    side,
    started,
    take,
)

# The venue's own worked example of its guide, with its result.
BIDS = [
    ("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"),
    ("45281.0", "0.10000000"), ("45280.3", "1.54592586"), ("45279.0", "0.07990000"),
    ("45277.6", "0.03310103"), ("45277.5", "0.30000000"), ("45277.3", "1.54602737"),
    ("45276.6", "0.15445238"),
]  # fmt: skip
ASKS = [
    ("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"),
    ("45289.6", "1.54560911"), ("45290.2", "0.15890660"), ("45291.8", "1.54553491"),
    ("45294.7", "0.04454749"), ("45296.1", "0.35380000"), ("45297.5", "0.09945542"),
    ("45299.5", "0.18772827"),
]  # fmt: skip
CHECKSUM = 3_310_070_434

Levels = list[tuple[float, float]]


def numbers(levels: list[tuple[str, str]]) -> Levels:
    return [(float(price), float(quantity)) for price, quantity in levels]


def snapshot(checksum: int = CHECKSUM, **fields: object) -> dict[str, object]:
    item = {
        "symbol": "BTC/USD",
        "bids": side(*numbers(BIDS)),
        "asks": side(*numbers(ASKS)),
        "checksum": checksum,
        **fields,
    }
    return kraken("book", "snapshot", item)


def update(bids: Levels, asks: Levels, checksum: int, **fields: object) -> dict[str, object]:
    item = {
        "symbol": "BTC/USD",
        "bids": side(*bids),
        "asks": side(*asks),
        "checksum": checksum,
        "timestamp": TIME,
        **fields,
    }
    return kraken("book", "update", item)


def changed(bids: Levels, asks: Levels, decimals: tuple[int, int] = (1, 8)) -> int:
    """The checksum of the example after a change, by a book of this test's own."""
    levels = [dict(numbers(BIDS)), dict(numbers(ASKS))]
    for held, change in zip(levels, (bids, asks), strict=True):
        for price, quantity in change:
            held[price] = quantity
            if not quantity:
                del held[price]
    texts = [
        [(f"{p:.{decimals[0]}f}", f"{q:.{decimals[1]}f}") for p, q in sorted(held.items())]
        for held in levels
    ]
    return text_checksum(texts[0][::-1], texts[1])


def book_client(**options: bool) -> KrakenClient:
    return started(KrakenClient(**options), ("BTC/USD", "book"))


def whole() -> KrakenClient:
    return started(KrakenClient(), *(("BTC/USD", kind) for kind in ("trades", "quotes", "book")))


def test_DCKW_050_one_frame_a_channel_and_the_instruments_first() -> None:
    client = KrakenClient(book_depth=100)
    wanted = [
        ("BTC/USD", "trades"), ("ETH/USD", "trades"), ("BTC/USD", "quotes"), ("BTC/USD", "book"),
        ("BTC/USD", "book"), ("BTC/USD", "reference"), ("BTC/USD", "options"),
    ]  # fmt: skip
    frames = [json.loads(each) for each in client.opening([Subscription(m, k) for m, k in wanted])]  # type: ignore[arg-type]
    assert [each["params"] for each in frames] == [
        {"channel": "instrument"},
        {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": False},
        {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "bbo"},
        {"channel": "book", "symbol": ["BTC/USD"], "depth": 100},
    ]
    assert [each["req_id"] for each in frames] == [1, 2, 3, 4]
    assert kinds(take(client, {"channel": "heartbeat"})) == ["refused", "refused", "heartbeat"]
    assert client.address([]) == ""


def test_DCKW_051_the_checksum_is_that_of_the_venues_own_example() -> None:
    assert text_checksum(BIDS, ASKS) == CHECKSUM
    assert book_checksum(numbers(BIDS), numbers(ASKS), 1, 8) == CHECKSUM
    worse = [*BIDS, ("45276.5", "1.00000000")], [*ASKS, ("45299.6", "2.00000000")]
    assert text_checksum(*worse) == CHECKSUM
    assert text_checksum(BIDS, ASKS[1:]) != CHECKSUM


LEVELS = st.lists(
    st.tuples(st.integers(1, 10**9 - 1), st.integers(1, 10**14 - 1)), min_size=0, max_size=12
)


@given(bids=LEVELS, asks=LEVELS, price_decimals=st.integers(0, 9), decimals=st.integers(0, 10))
def test_DCKW_052_floats_give_the_checksum_of_the_texts(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], price_decimals: int, decimals: int
) -> None:
    def text(units: int, places: int) -> str:
        digits = str(units).rjust(places + 1, "0")
        return f"{digits[:-places]}.{digits[-places:]}" if places else digits

    texts = [
        [(text(p, price_decimals), text(q, decimals)) for p, q in each] for each in (bids, asks)
    ]
    floats = [numbers(each) for each in texts]
    assert book_checksum(floats[0], floats[1], price_decimals, decimals) == text_checksum(
        texts[0], texts[1]
    )


def test_DCKW_053_a_book_that_checks_goes_out_with_its_checksums() -> None:
    client = book_client()
    bids, asks = [(45_283.5, 0.0), (45_283.6, 2.0)], [(45_285.2, 0.5)]
    stated = changed(bids, asks)
    first, change = take(client, instruments(pair()), snapshot(), update(bids, asks, stated))
    assert first == BookSnapshot("BTC/USD", numbers(BIDS), numbers(ASKS), 0)
    assert change == BookChange("BTC/USD", bids, asks, TIME_US, checksum=stated)
    assert client.decimals("BTC/USD") == (1, 8)
    assert client.decimals("ETH/USD") is None
    held = OrderBook(500, is_windowed=True, checksum=checksum_of(1, 8))
    assert [held.apply(each) for each in (first, change)] == ["applied", "applied"]


def test_DCKW_053_a_book_that_does_not_check_is_a_gap_and_subscribed_anew() -> None:
    client = book_client()
    take(client, instruments(pair()), snapshot())
    messages = take(client, update([(45_283.5, 3.0)], [], changed([], [(45_285.2, 9.0)])))
    assert messages[0] == Status("BTC/USD", "gap", "the checksum of the book differs")
    frames = sent(messages)
    assert [each["method"] for each in frames] == ["unsubscribe", "subscribe"]
    assert [each["params"] for each in frames] == [
        {"channel": "book", "symbol": ["BTC/USD"], "depth": 500}
    ] * 2
    assert take(client, update([], [], CHECKSUM)) == []
    assert len(take(client, snapshot(), update([], [], CHECKSUM))) == 2


def test_DCKW_053_a_snapshot_that_does_not_check_is_not_handed_on() -> None:
    client = book_client()
    take(client, instruments(pair()))
    assert kinds(take(client, snapshot(CHECKSUM - 1))) == ["gap"]
    # The second time within two seconds it waits for `due`.
    again = take(client, snapshot(CHECKSUM - 1), at_us=NOW_US + 1_000_000)
    assert (kinds(again), sent(again)) == (["gap"], [])
    assert len(client.due(NOW_US + 2_000_000)) == 2
    assert len(take(client, snapshot())) == 1


def test_DCKW_053_a_missed_change_shows_in_the_next_one() -> None:
    client = book_client()
    take(client, instruments(pair()), snapshot())
    missed = [(45_284.0, 1.0)]
    both = [*missed, (45_284.5, 1.0)]
    assert kinds(take(client, update(both[1:], [], changed(both, [])))) == ["gap"]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"channel":"bo',
        update([], [], -1),
        update([], [], 1, timestamp="soon"),
        update([], [], 1, timestamp="1960-01-01T00:00:00Z"),
        {**snapshot(), "type": "other"},
    ],
)
def test_DCKW_053_a_frame_of_a_book_that_cannot_be_read_is_a_gap(frame: object) -> None:
    client = book_client()
    take(client, instruments(pair()), snapshot())
    assert refusal(client, frame) in ("WIRE-E01", "WIRE-E02")
    messages = take(client, update([], [], CHECKSUM))
    assert messages == [Status("BTC/USD", "gap", "a frame of the book cannot be read")]
    assert len(client.due(NOW_US)) == 2
    assert len(take(client, snapshot(), update([], [], CHECKSUM))) == 2
    assert refusal(client, {"channel": "ticker", "data": 7}) == "WIRE-E02"
    assert len(take(client, update([], [], CHECKSUM))) == 1


def test_DCKW_053_levels_out_of_sight_are_let_go() -> None:
    client = started(KrakenClient(book_depth=10), ("BTC/USD", "book"))
    take(client, instruments(pair()), snapshot())
    better = (45_284.0, 1.0)
    assert len(take(client, update([better], [], changed([better], [])))) == 1
    # The eleventh bid is out of sight; when it comes back the venue sends it again.
    back = [(45_284.0, 0.0), (45_276.6, 0.15445238)]
    assert len(take(client, update(back, [], CHECKSUM))) == 1


def test_DCKW_054_until_the_decimals_are_known_nothing_is_compared() -> None:
    client = book_client()
    _, change = take(client, snapshot(1), update([(45_283.5, 0.1)], [], 2))
    assert isinstance(change, BookChange)
    assert change.checksum is None
    _ = take(client, instruments(pair()))
    assert len(take(client, update([], [], CHECKSUM))) == 1
    assert kinds(take(client, update([], [], 2))) == ["gap"]


def test_DCKW_054_whoever_keeps_the_book_elsewhere_may_have_it_unverified() -> None:
    client = book_client(verifies_books=False)
    _, change = take(client, instruments(pair()), snapshot(), update([], [], 2))
    assert isinstance(change, BookChange)
    assert change.checksum == 2
    client.resubscribe("BTC/USD")
    client.resubscribe("ETH/USD")
    assert len(client.due(NOW_US)) == 2
    assert take(client, update([], [], 2)) == []


def test_DCKW_055_quotes_and_trades() -> None:
    client = whole()
    item = {
        "symbol": "BTC/USD", "bid": 45_283.5, "bid_qty": 0.1, "ask": 45_285.2, "ask_qty": 0.001,
        "last": 45_283.6, "volume": 100.0, "vwap": 45_000.0, "change_pct": -0.1, "timestamp": TIME,
    }  # fmt: skip
    assert take(client, kraken("ticker", "update", item)) == [
        Quote("BTC/USD", 45_283.5, 0.1, 45_285.2, 0.001, TIME_US)
    ]
    item = {"symbol": "BTC/USD", "bid": 0.0, "bid_qty": 0.0, "ask": 45_285.2, "ask_qty": 0.001}
    assert take(client, kraken("ticker", "snapshot", item)) == [
        Quote("BTC/USD", 0.0, 0.0, 45_285.2, 0.001, 0)
    ]
    trades = kraken("trade", "update", kraken_trade(7), kraken_trade(8, side="sell"))
    assert take(client, trades) == [
        Trade("BTC/USD", 45_283.5, 0.25, True, TIME_US, "7"),
        Trade("BTC/USD", 45_283.5, 0.25, False, TIME_US, "8"),
    ]


def test_DCKW_055_a_trade_left_out_is_a_gap_and_one_that_comes_twice_is_nothing() -> None:
    client = whole()
    messages = take(client, kraken("trade", "update", kraken_trade(7), kraken_trade(10)))
    assert messages[1] == Status("BTC/USD", "gap", "trades 8 to 9 are missing")
    assert [each["method"] for each in sent(messages)] == ["unsubscribe", "subscribe"]
    assert isinstance(messages[-1], Trade)
    assert take(client, kraken("trade", "update", kraken_trade(10), kraken_trade(8))) == []


def test_DCKW_056_the_engine_and_a_pair_may_halt() -> None:
    client = whole()

    def status(system: str) -> dict[str, object]:
        return kraken(
            "status", "update", {"system": system, "api_version": "v2", "connection_id": 2**63}
        )

    assert take(client, status("online")) == []
    assert take(client, status("maintenance"), status("maintenance"), status("online")) == [
        Status("", "halted", "maintenance"),
        Status("", "subscribed", "online"),
    ]
    taken = answer(2, result={"channel": "trade", "symbol": "BTC/USD"})
    halted = take(client, instruments(pair("ETH/USD", "delisted"), pair(status="cancel_only")))
    assert halted == [Status("BTC/USD", "halted", "cancel_only")]
    # Neither a confirmation nor the engine's return ends the halt of a pair.
    assert take(client, taken) == []
    assert take(client, status("post_only"), taken, status("online"))[1:] == [
        Status("", "subscribed", "online"),
        Status("BTC/USD", "halted", "cancel_only"),
    ]
    assert take(client, instruments(pair(status="limit_only"))) == [
        Status("BTC/USD", "subscribed", "limit_only")
    ]


def answer(number: int | None, **fields: object) -> dict[str, object]:
    return {"method": "subscribe", "req_id": number, "success": True, "time_in": TIME, **fields}


def test_DCKW_057_answers_are_for_one_pair_each() -> None:
    client = whole()
    taken = answer(2, result={"channel": "trade", "symbol": "BTC/USD", "snapshot": False})
    assert take(client, taken) == [Status("BTC/USD", "subscribed", "trade")]
    words = "Currency pair not supported XBT/USD"
    assert take(client, answer(4, success=False, error=words, symbol="BTC/USD")) == [
        Status("BTC/USD", "refused", f"book: {words}")
    ]
    client.due(NOW_US)
    assert [json.loads(each)["method"] for each in client.due(NOW_US + 600_000_000)] == ["ping"]


def test_DCKW_057_what_came_too_fast_is_asked_again_after_five_seconds() -> None:
    client = whole()
    refused = take(client, answer(2, success=False, error="Exceeded msg rate"))
    assert refused == [Status("BTC/USD", "refused", "trade: Exceeded msg rate")]
    assert client.due(NOW_US) == []
    assert client.due(NOW_US + 4_999_999) == []
    [again] = client.due(NOW_US + 5_000_000)
    assert json.loads(again)["params"]["channel"] == "trade"


def test_DCKW_057_any_other_error_is_the_venues() -> None:
    client = whole()
    for frame in (
        {"error": "Malformed request", "success": False},
        answer(99, success=False, error="no"),
        {"method": "ping", "success": False, "error": "no"},
    ):
        assert refusal(client, frame) == "WIRE-E03"
    assert take(client, {"method": "unsubscribe", "success": True, "result": {"symbol": "X"}}) == []


def test_DCKW_058_a_ping_every_twenty_seconds() -> None:
    client = started(KrakenClient(), ("BTC/USD", "trades"))
    assert client.due(NOW_US) == []
    assert client.due(NOW_US + 19_999_999) == []
    [ping] = client.due(NOW_US + 20_000_000)
    assert json.loads(ping) == {"method": "ping", "req_id": 3}
    assert client.due(NOW_US + 39_999_999) == []
    assert take(client, {"method": "pong", "req_id": 3}) == [Status("", "heartbeat", "pong")]


def test_DCKW_004_a_book_of_kraken_that_stays_away_is_asked_for_again() -> None:
    client = book_client()
    client.due(NOW_US)
    frames = [json.loads(each) for each in client.due(NOW_US + 60_000_000)]
    assert [each["method"] for each in frames] == ["ping", "unsubscribe", "subscribe"]
    take(client, snapshot())
    assert [json.loads(each)["method"] for each in client.due(NOW_US + 99_000_000)] == ["ping"]


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"channel": "book"},
        {"channel": "instrument", "type": "snapshot", "data": []},
        instruments({"symbol": "BTC/USD", "status": "online", "price_precision": 1}),
        instruments(pair(decimals=(19, 8))),
        kraken("status", "update", {}),
        snapshot(bids=None),
        snapshot(checksum=-1),
        snapshot(checksum=2**32),
        snapshot(asks=[{"price": 1.0}]),
        snapshot(asks=[{"price": "NaN", "qty": 1.0}]),
        snapshot(asks=[{"price": 1.0, "qty": -1.0}]),
        snapshot(asks=[{"price": 0.0, "qty": 1.0}]),
        {**snapshot(), "type": "other"},
        update([], [], -1),
        update([], [], 1, timestamp="soon"),
        kraken("ticker", "update", {"symbol": "BTC/USD"}),
        kraken("ticker", "update", {"symbol": "BTC/USD", "bid": 1e13}),
        kraken("trade", "update", kraken_trade(1, timestamp=None)),
        kraken("trade", "update", kraken_trade(1, side=None)),
        kraken("trade", "update", kraken_trade(2**62 + 1)),
    ],
)
def test_DCKW_001_other_shapes_of_kraken_are_refused(frame: object) -> None:
    client = whole()
    assert refusal(client, frame) == "WIRE-E02"
    assert len(take(client, kraken("trade", "update", kraken_trade(5)))) == 1


def test_DCKW_003_channels_and_pairs_nobody_asked_for_are_said() -> None:
    client = whole()
    assert kinds(take(client, kraken("ohlc", "update", {"price": [1]}))) == ["malformed"]
    assert kinds(take(client, kraken("level3", "update", {"bids": [{"event": "add"}]}))) == [
        "malformed"
    ]
    assert kinds(take(client, kraken("trade", "update", kraken_trade(1, symbol="X/Y")))) == [
        "malformed"
    ]
    assert kinds(take(client, answer(2, result={"channel": "trade", "symbol": "X/Y"}))) == [
        "malformed"
    ]
    assert len(take(client, kraken("trade", "update", kraken_trade(1, extra={"deep": [[]]})))) == 1
    assert kinds(client.fetched("/0/public", b"{}", NOW_US)) == ["malformed"]
