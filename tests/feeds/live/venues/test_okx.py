"""OKX: frames of its version 5 in, messages out."""

from __future__ import annotations

import json
import random

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Fetch,
    Message,
    OptionTicker,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.okx import OkxClient
from steelyard.quantities import InputError
from tests.feeds.live.venues.okx_roles import (
    BOOKS_PATH,
    INVERSE,
    MS,
    NOW_US,
    OPTION,
    SPOT,
    SWAP,
    SWAP_PATH,
    TRADE_ROW,
    book,
    code_of,
    instruments,
    push,
    subscribed,
    whole_book,
)


def test_OBYW_001_subscriptions_become_the_documented_channels() -> None:
    client = OkxClient()
    wanted = [
        Subscription(SPOT, "trades"),
        Subscription(SPOT, "quotes"),
        Subscription(SWAP, "book"),
        Subscription(SWAP, "reference"),
        Subscription(OPTION, "options"),
        Subscription("ETH-USD", "options"),
        Subscription(SPOT, "trades"),
    ]
    (request,) = client.opening(wanted)
    said = json.loads(request)
    assert client.address(wanted) == ""
    assert said["op"] == "subscribe"
    assert said["args"] == [
        {"channel": "trades", "instId": SPOT},
        {"channel": "bbo-tbt", "instId": SPOT},
        {"channel": "books", "instId": SWAP},
        {"channel": "index-tickers", "instId": "BTC-USDT"},
        {"channel": "mark-price", "instId": SWAP},
        {"channel": "open-interest", "instId": SWAP},
        {"channel": "funding-rate", "instId": SWAP},
        {"channel": "opt-summary", "instFamily": "BTC-USD"},
        {"channel": "index-tickers", "instId": "BTC-USD"},
        {"channel": "tickers", "instId": OPTION},
        {"channel": "mark-price", "instId": OPTION},
        {"channel": "open-interest", "instId": OPTION},
        {"channel": "opt-summary", "instFamily": "ETH-USD"},
    ]


def test_OBYW_001_many_subscriptions_stay_below_the_size_of_a_request() -> None:
    names = [f"COIN{number}-USDT" for number in range(3_000)]
    requests = OkxClient().opening([Subscription(name, "trades") for name in names])
    assert len(requests) > 1
    assert all(len(request) <= 64 * 1024 for request in requests)
    listed = [each["instId"] for request in requests for each in json.loads(request)["args"]]
    assert listed == names


def test_OBYW_001_what_has_no_channel_is_refused() -> None:
    client = OkxClient()
    assert (
        client.opening([Subscription("no market", "trades"), Subscription(SWAP, "options")]) == []
    )
    refused = client.receive(b"pong", NOW_US)
    assert [(m.market, m.kind) for m in refused if isinstance(m, Status)] == [
        ("no market", "refused"),
        (SWAP, "refused"),
        ("", "heartbeat"),
    ]
    assert client.receive(b"pong", NOW_US) == [Status("", "heartbeat")]


def test_OBYW_002_trades_and_quotes_are_read_with_exact_times() -> None:
    client = subscribed((SPOT, "trades"), (SPOT, "quotes"))
    assert client.receive(push("trades", SPOT, TRADE_ROW), NOW_US) == [
        Trade(SPOT, 60000.5, 0.25, False, MS * 1_000, "242720720")
    ]
    top = {"asks": [["60001", "0.5", "0", "2"]], "bids": [], "ts": str(MS), "seqId": 9}
    assert client.receive(push("bbo-tbt", SPOT, top), NOW_US) == [
        Quote(SPOT, 0.0, 0.0, 60001.0, 0.5, MS * 1_000)
    ]


def test_OBYW_002_quotes_may_come_from_the_tickers() -> None:
    client = subscribed((SWAP, "quotes"), quotes_channel="tickers")
    row = {"bidPx": "60000", "bidSz": "250", "askPx": "", "askSz": "", "ts": str(MS), "last": "1"}
    assert client.receive(push("tickers", SWAP, row), NOW_US) == [
        Quote(SWAP, 60000.0, 2.5, 0.0, 0.0, MS * 1_000)
    ]


def test_OBYW_003_contracts_become_units_of_the_base_asset() -> None:
    client = subscribed((SWAP, "trades"), (INVERSE, "trades"), (INVERSE, "book"))
    linear = {**TRADE_ROW, "instId": SWAP, "px": "60000", "sz": "250"}
    inverse = {**TRADE_ROW, "instId": INVERSE, "px": "60000", "sz": "30"}
    (first,) = client.receive(push("trades", SWAP, linear), NOW_US)
    (second,) = client.receive(push("trades", INVERSE, inverse), NOW_US)
    assert isinstance(first, Trade)
    assert isinstance(second, Trade)
    assert first.quantity == 2.5  # 250 contracts of 0.01 BTC
    assert second.quantity == 0.05  # 30 contracts of 100 USD at 60,000
    frame = book("snapshot", -1, 5, [(50000.0, 10), (60000.0, 30)], [(62500.0, 5)], INVERSE)
    assert client.receive(frame, NOW_US) == [
        BookSnapshot(INVERSE, [(60000.0, 0.05), (50000.0, 0.02)], [(62500.0, 0.008)], MS * 1000, 5)
    ]


def test_OBYW_004_an_unknown_contract_value_is_fetched_and_quantities_wait() -> None:
    client = OkxClient()
    client.opening([Subscription(SWAP, "trades"), Subscription(SWAP, "quotes")])
    ack = json.dumps({"event": "subscribe", "arg": {"channel": "trades", "instId": SWAP}}).encode()
    assert client.receive(ack, NOW_US) == [
        Status(SWAP, "subscribed", "trades"),
        Fetch(SWAP, SWAP_PATH),
    ]
    trade = push("trades", SWAP, {**TRADE_ROW, "sz": "250"})
    (held_back,) = client.receive(trade, NOW_US + 1)
    assert isinstance(held_back, Status)
    assert (held_back.market, held_back.kind) == (SWAP, "unverified")
    assert client.receive(trade, NOW_US + 2) == []
    assert client.receive(trade, NOW_US + 6_000_000) == [Fetch(SWAP, SWAP_PATH)]  # no answer came
    other = ("ETH-USDT-SWAP", "0.1", "1", "linear")
    body = instruments((SWAP, "0.001", "10", "linear"), other)
    assert client.fetched(SWAP_PATH, body, NOW_US) == []
    (read,) = client.receive(trade, NOW_US)
    assert isinstance(read, Trade)
    assert read.quantity == 2.5


def test_OBYW_004_an_option_learns_its_contract_value_by_family() -> None:
    client = OkxClient()
    client.opening([Subscription(OPTION, "trades")])
    trade = push("trades", OPTION, {**TRADE_ROW, "px": "0.05", "sz": "100"})
    messages = client.receive(trade, NOW_US)
    path = "/api/v5/public/instruments?instType=OPTION&instFamily=BTC-USD"
    assert messages[0] == Fetch(OPTION, path)
    with pytest.raises(InputError, match="no contract value"):
        client.fetched(path, instruments((OPTION, "", "0.01", "")), NOW_US)
    assert client.fetched(path, instruments((OPTION, "1", "0.01", "")), NOW_US) == []
    (read,) = client.receive(trade, NOW_US)
    assert isinstance(read, Trade)
    assert read.quantity == 1.0  # 100 contracts of 0.01 BTC


def test_OBYW_004_a_coin_margined_contract_learns_that_it_counts_dollars() -> None:
    client = OkxClient()
    client.opening([Subscription(INVERSE, "trades")])
    trade = push("trades", INVERSE, {**TRADE_ROW, "px": "60000", "sz": "30"})
    fetch = client.receive(trade, NOW_US)[0]
    assert isinstance(fetch, Fetch)
    client.fetched(fetch.path, instruments((INVERSE, "100", "1", "inverse")), NOW_US)
    (read,) = client.receive(trade, NOW_US)
    assert isinstance(read, Trade)
    assert read.quantity == 0.05


def test_OBYW_005_a_book_follows_its_numbers() -> None:
    client = subscribed((SPOT, "book"))
    (snapshot,) = client.receive(
        book("snapshot", -1, 100, [(98.0, 1), (99.0, 2)], [(102.0, 4), (101.0, 3)]), NOW_US
    )
    bids, asks = [(99.0, 2.0), (98.0, 1.0)], [(101.0, 3.0), (102.0, 4.0)]
    assert snapshot == BookSnapshot(SPOT, bids, asks, MS * 1_000, 100)
    (change,) = client.receive(book("update", 100, 108, [(99.0, 0)], [(101.0, 5)]), NOW_US)
    assert change == BookChange(SPOT, [(99.0, 0.0)], [(101.0, 5.0)], MS * 1_000, 108, 108, 100)
    (still,) = client.receive(book("update", 108, 108), NOW_US)
    assert isinstance(still, Status)
    assert still.kind == "heartbeat"


def test_OBYW_005_a_count_that_begins_afresh_is_no_gap() -> None:
    client = subscribed((SPOT, "book"))
    kept = OrderBook()
    frames = [
        book("snapshot", -1, 100, [(99.0, 2)], [(101.0, 3)]),
        book("update", 100, 3, [(98.5, 1)]),  # the venue was maintained: seqId below prevSeqId
        book("update", 3, 5, [(98.0, 1)]),
    ]
    for frame in frames:
        for message in client.receive(frame, NOW_US):
            assert isinstance(message, (BookSnapshot, BookChange))
            assert kept.apply(message) == "applied"
    assert kept.top(3)[0] == [(99.0, 2.0), (98.5, 1.0), (98.0, 1.0)]


def test_OBYW_006_a_gap_is_named_and_healed_by_a_fetched_book() -> None:
    client = subscribed((SPOT, "book"))
    kept = OrderBook()
    begun = client.receive(book("snapshot", -1, 100, [(99.0, 2)], [(101.0, 3)]), NOW_US)
    assert isinstance(begun[0], BookSnapshot)
    kept.apply(begun[0])
    gap, change, fetch = client.receive(book("update", 105, 110, [(98.0, 7)]), NOW_US)
    assert gap == Status(SPOT, "gap", "a change follows on 105, the book is at 100")
    assert fetch == Fetch(SPOT, BOOKS_PATH)
    assert isinstance(change, BookChange)
    assert kept.apply(change) == "gap"
    assert client.receive(book("update", 110, 112, [(97.0, 7)]), NOW_US + 1) == []
    # A book from before the changes that wait joins nothing: it is asked for again half a second later.
    assert client.fetched(BOOKS_PATH, whole_book(104, [(1.0, 1)], []), NOW_US + 2) == []
    assert client.receive(book("update", 112, 113), NOW_US + 3) == []
    assert client.receive(book("update", 113, 114), NOW_US + 600_000) == [Fetch(SPOT, BOOKS_PATH)]
    whole = whole_book(111, [(99.5, 1), (98.0, 7)], [(101.0, 3)])
    healed = client.fetched(BOOKS_PATH, whole, NOW_US + 700_000)
    for message in healed:
        assert isinstance(message, (BookSnapshot, BookChange))
        assert kept.apply(message) == "applied"
    assert kept.is_intact
    assert kept.top(3)[0] == [(99.5, 1.0), (98.0, 7.0), (97.0, 7.0)]
    assert client.fetched(BOOKS_PATH, whole, NOW_US + 800_000) == []  # no longer needed


def test_OBYW_006_a_stream_without_a_snapshot_begins_with_a_fetched_book() -> None:
    client = subscribed((SPOT, "book"))
    first = client.receive(book("update", 10, 11, [(99.0, 1)]), NOW_US)
    assert first == [Fetch(SPOT, BOOKS_PATH)]
    (snapshot,) = client.fetched(BOOKS_PATH, whole_book(20, [(98.0, 1)], []), NOW_US)
    assert isinstance(snapshot, BookSnapshot)
    # The fetched book is ahead: changes that lie before it are no gap, the one across it joins.
    for previous, number in ((11, 15), (15, 21), (21, 22)):
        (change,) = client.receive(book("update", previous, number, [(97.0, number)]), NOW_US)
        assert isinstance(change, BookChange)


@pytest.mark.parametrize("seed", range(20))
def test_OBYW_006_a_book_ends_as_the_venue_has_it_whatever_is_lost(seed: int) -> None:
    """A venue that loses frames, counts afresh and answers with books of different age."""
    chance = random.Random(seed)
    client, kept = subscribed((SPOT, "book")), OrderBook()
    truth: dict[float, float] = {90.0: 1.0}
    number, now_us, to_fetch, gaps, resets = 50, NOW_US, 0, 0, 0

    def take(messages: list[Message]) -> bool:
        asked = False
        for message in messages:
            if isinstance(message, (BookSnapshot, BookChange)):
                kept.apply(message)
            if isinstance(message, Status) and message.kind == "gap":
                kept.lose(message.reason)
            asked |= isinstance(message, Fetch)
        return asked

    if chance.random() < 0.5:
        take(client.receive(book("snapshot", -1, number, [*truth.items()], ms=MS), now_us))
    for step in range(600):
        now_us += 100_000
        ms = MS + 100 * step
        previous = number
        if chance.random() < 0.02:
            number, resets = chance.randrange(1, 40), resets + 1
        else:
            number += chance.randrange(1, 4)
        price, quantity = 90.0 + chance.randrange(8), float(chance.randrange(5))
        truth.pop(price, None)
        if quantity:
            truth[price] = quantity
        answer = whole_book(number, [*truth.items()], [], ms) if to_fetch == 1 else b""
        is_lost = chance.random() < 0.04 and step < 500
        gaps += is_lost
        if not is_lost:
            frame = book("update", previous, number, [(price, quantity)], ms=ms)
            if take(client.receive(frame, now_us)):
                to_fetch = 1 + chance.randrange(4)
                continue
        if answer:
            take(client.fetched(BOOKS_PATH, answer, now_us))
        to_fetch = max(0, to_fetch - 1)
    assert gaps > 5
    assert resets > 2
    assert kept.is_intact
    assert dict(kept.top(100)[0]) == truth


def test_OBYW_007_references_are_said_of_every_market_of_an_index() -> None:
    client = subscribed((SWAP, "reference"), (SPOT, "reference"), (INVERSE, "reference"))
    time_us = MS * 1_000
    index = {"instId": "BTC-USDT", "idxPx": "60000.1", "ts": str(MS), "open24h": "1"}
    assert client.receive(push("index-tickers", "BTC-USDT", index), NOW_US) == [
        Reference(SWAP, time_us, index_price=60000.1),
        Reference(SPOT, time_us, index_price=60000.1),
    ]
    mark = {"instType": "SWAP", "instId": SWAP, "markPx": "60002.5", "ts": str(MS)}
    assert client.receive(push("mark-price", SWAP, mark), NOW_US) == [
        Reference(SWAP, time_us, mark_price=60002.5)
    ]
    funding = {"fundingRate": "-0.00012", "nextFundingRate": "", "instId": SWAP, "ts": str(MS)}
    assert client.receive(push("funding-rate", SWAP, funding), NOW_US) == [
        Reference(SWAP, time_us, funding_rate=-0.00012)
    ]
    interest = {"instId": INVERSE, "oi": "6000000", "oiCcy": "10000.5", "ts": str(MS)}
    assert client.receive(push("open-interest", INVERSE, interest), NOW_US) == [
        Reference(INVERSE, time_us, open_interest=10000.5)
    ]


def test_OBYW_008_an_option_is_put_together_from_its_channels() -> None:
    client = subscribed((OPTION, "options"))
    time_us = MS * 1_000
    ticker = {"bidPx": "0.05", "bidSz": "1", "askPx": "0.052", "askSz": "2", "ts": str(MS)}
    assert client.receive(push("tickers", OPTION, ticker), NOW_US) == [
        OptionTicker(OPTION, time_us, bid=0.05, ask=0.052)
    ]
    index = {"idxPx": "79000", "ts": str(MS + 1)}
    assert client.receive(push("index-tickers", "BTC-USD", index), NOW_US) == []
    rows: list[dict[str, object]] = [
        {"instId": OPTION, "bidVol": "", "askVol": "0.6", "markVol": "0.55", "fwdPx": "79500"},
        {"instId": "BTC-USD-260327-90000-C", "markVol": "0.5"},
    ]
    summary = push("opt-summary", "BTC-USD", *({**row, "ts": str(MS + 2)} for row in rows))
    (whole,) = client.receive(summary, NOW_US)
    assert whole == OptionTicker(
        OPTION,
        time_us + 2_000,
        bid=0.05,
        ask=0.052,
        ask_volatility=0.6,
        mark_volatility=0.55,
        forward=79500.0,
        index_price=79000.0,
    )
    gone = {"bidPx": "", "bidSz": "", "askPx": "0.052", "askSz": "2", "ts": str(MS + 3)}
    (last,) = client.receive(push("tickers", OPTION, gone), NOW_US)
    assert isinstance(last, OptionTicker)
    assert (last.bid, last.ask, last.mark_volatility) == (None, 0.052, 0.55)
    earlier = {"markPx": "0.051", "ts": str(MS - 1)}
    (marked,) = client.receive(push("mark-price", OPTION, earlier), NOW_US)
    assert isinstance(marked, OptionTicker)
    assert (marked.mark, marked.exchange_time_us) == (0.051, time_us + 3_000)


def test_OBYW_008_a_family_says_the_volatilities_of_all_its_options() -> None:
    client = subscribed(("BTC-USD", "options"))
    rows: list[dict[str, object]] = [
        {"instId": f"BTC-USD-260327-{strike}-P", "markVol": "0.5", "fwdPx": "1", "ts": str(MS)}
        for strike in (50000, 60000)
    ]
    messages = client.receive(push("opt-summary", "BTC-USD", *rows), NOW_US)
    assert [m.market for m in messages] == ["BTC-USD-260327-50000-P", "BTC-USD-260327-60000-P"]


def test_OBYW_009_a_ping_is_due_after_fifteen_silent_seconds() -> None:
    client = subscribed((SPOT, "trades"))
    assert client.due(NOW_US) == []
    assert client.due(NOW_US + 14_999_999) == []
    client.receive(push("trades", SPOT, TRADE_ROW), NOW_US + 10_000_000)
    assert client.due(NOW_US + 24_999_999) == []
    assert client.due(NOW_US + 25_000_000) == ["ping"]
    assert client.due(NOW_US + 25_000_001) == []
    assert client.due(NOW_US + 40_000_000) == ["ping"]
    assert client.terms.silence_us <= 30_000_000


def test_OBYW_009_an_upgrade_of_the_service_asks_for_a_new_connection() -> None:
    notice = {"event": "notice", "code": "64008", "msg": "closing for an upgrade", "connId": "a"}
    (message,) = subscribed((SPOT, "trades")).receive(json.dumps(notice).encode(), NOW_US)
    assert message == Status("", "restart", "closing for an upgrade")


def test_OBYW_009_errors_of_the_venue_are_told_apart() -> None:
    client = subscribed((SPOT, "trades"))
    unknown = {
        "event": "error",
        "code": "60018",
        "msg": "channel:trades,instId:FOO-BAR doesn't exist",
    }
    (refused,) = client.receive(json.dumps(unknown).encode(), NOW_US)
    assert isinstance(refused, Status)
    assert (refused.market, refused.kind) == ("FOO-BAR", "refused")
    assert (
        code_of(client, b'{"event":"error","code":"60012","msg":"Invalid request"}') == "WIRE-E03"
    )
    asking = subscribed((SPOT, "book"))
    asking.receive(book("update", 1, 2), NOW_US)
    with pytest.raises(InputError) as caught:
        asking.fetched(BOOKS_PATH, b'{"code":"51001","msg":"no such instrument"}', NOW_US)
    assert caught.value.code == "WIRE-E03"
    (unasked,) = asking.fetched("/api/v5/other", b"{}", NOW_US)
    assert isinstance(unasked, Status)
    assert unasked.kind == "malformed"
