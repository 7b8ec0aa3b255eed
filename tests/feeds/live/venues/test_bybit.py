"""Bybit: frames of its version 5 in, messages out."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Message,
    OptionTicker,
    Quote,
    Reference,
    Send,
    Status,
    Trade,
)
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.bybit import BybitClient
from steelyard.quantities import InputError
from tests.support.live_server import Action, Close, Drop, Pause, Script, live_server, talk
from tests.support.mutation import mutants

NOW_US = 1_780_000_000_000_000
MS = 1_780_000_000_123
OPTION = "BTC-27MAR26-80000-C"


def push(topic: str, data: object, kind: str = "snapshot", **more: object) -> bytes:
    """A push of a topic as the venue sends it."""
    frame = {"topic": topic, "type": kind, "ts": MS, "data": data, **more}
    return json.dumps(frame, separators=(",", ":")).encode()


def trade_row(market: str = "BTCUSDT", **changes: object) -> dict[str, object]:
    row = {"T": MS - 2, "s": market, "S": "Sell", "v": "0.25", "p": "60000.5", "L": "PlusTick"}
    return {**row, "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": False, "seq": 1, **changes}


def book(
    kind: str,
    update: int,
    bids: list[tuple[float, float]] | None = None,
    asks: list[tuple[float, float]] | None = None,
    *,
    depth: int = 200,
    market: str = "BTCUSDT",
    seq: int = 7_961_638_724,
) -> bytes:
    sides = {
        "b": [[str(p), str(q)] for p, q in bids or []],
        "a": [[str(p), str(q)] for p, q in asks or []],
    }
    data = {"s": market, **sides, "u": update, "seq": seq}
    return push(f"orderbook.{depth}.{market}", data, kind, cts=MS - 3)


def subscribed(category: str, *pairs: tuple[str, str]) -> BybitClient:
    client = BybitClient(category)  # type: ignore[arg-type]
    client.opening([Subscription(market, channel) for market, channel in pairs])  # type: ignore[arg-type]
    return client


def code_of(client: VenueClient, frame: bytes) -> str:
    with pytest.raises(InputError) as caught:
        client.receive(frame, NOW_US)
    return caught.value.code


def requests_in(messages: list[Message]) -> list[dict[str, object]]:
    return [json.loads(message.frame) for message in messages if isinstance(message, Send)]


SNAPSHOT = {
    "symbol": "BTCUSDT",
    "lastPrice": "60000",
    "markPrice": "60001.5",
    "indexPrice": "60002.5",
    "openInterest": "68744.761",
    "fundingRate": "-0.000212",
    "nextFundingTime": "1780000200000",
}
OPTION_ROW = {
    "symbol": OPTION,
    "bidPrice": "0",
    "bidSize": "0",
    "bidIv": "0",
    "askPrice": "10",
    "askSize": "5.1",
    "askIv": "0.514",
    "markPrice": "7.86976724",
    "indexPrice": "79823.73",
    "markPriceIv": "0.4896",
    "underlyingPrice": "79815.1",
    "openInterest": "49.85",
    "delta": "0.047831",
}


def test_OBYW_020_the_category_is_in_the_address_and_topics_are_the_documented_ones() -> None:
    wanted = [Subscription("BTCUSDT", each) for each in ("trades", "quotes", "book", "reference")]
    client = BybitClient("linear", depth=50)
    assert client.address(wanted) == "/v5/public/linear"
    (request,) = client.opening(wanted)
    assert json.loads(request) == {
        "req_id": "1",
        "op": "subscribe",
        "args": [
            "publicTrade.BTCUSDT",
            "orderbook.1.BTCUSDT",
            "orderbook.50.BTCUSDT",
            "tickers.BTCUSDT",
        ],
    }
    channels = ("trades", "quotes", "book", "options")
    (request,) = BybitClient("option").opening([Subscription(OPTION, each) for each in channels])
    topics = ["publicTrade.BTC", f"tickers.{OPTION}", f"orderbook.100.{OPTION}"]
    assert json.loads(request)["args"] == topics
    with pytest.raises(ValueError, match="no book of 50 levels"):
        BybitClient("option", depth=50)


def test_OBYW_020_requests_keep_to_the_limits_of_the_venue() -> None:
    markets = [f"COIN{number}USDT" for number in range(25)]
    requests = BybitClient("spot").opening([Subscription(name, "trades") for name in markets])
    assert [len(json.loads(request)["args"]) for request in requests] == [10, 10, 5]
    client = BybitClient("linear")
    many = [f"COINOFALONGNAME{number}USDT" for number in range(1_000)]
    requests = client.opening([Subscription(name, "trades") for name in many])
    listed = [topic for request in requests for topic in json.loads(request)["args"]]
    assert sum(len(topic) + 3 for topic in listed) <= 21_000
    (first, *_) = refused = client.receive(b'{"op":"pong"}', NOW_US)
    assert first.market == many[len(listed)]
    assert len(listed) + len(refused) - 1 == len(many)


def test_OBYW_020_what_has_no_topic_is_refused() -> None:
    client = BybitClient("spot")
    bad = [Subscription("BTCUSDT", "reference"), Subscription('x"]', "trades")]
    assert client.opening([*bad, Subscription("BTCUSDT", "options")]) == []
    messages = client.receive(b'{"op":"pong"}', NOW_US)
    assert [m.kind for m in messages if isinstance(m, Status)] == ["refused"] * 3 + ["heartbeat"]


def test_OBYW_021_trades_and_quotes_are_read_with_exact_times() -> None:
    client = subscribed("linear", ("BTCUSDT", "trades"), ("BTCUSDT", "quotes"))
    name = "20f43950-d8dd-5b31-9112-a178eb6023af"
    frame = push("publicTrade.BTCUSDT", [trade_row(), trade_row(BT=True)])
    assert client.receive(frame, NOW_US) == [  # the second is a block trade
        Trade("BTCUSDT", 60000.5, 0.25, False, (MS - 2) * 1_000, name)
    ]
    top = book("snapshot", 5, [(60000.0, 1.5)], [(60001.0, 2.5)], depth=1)
    quote = Quote("BTCUSDT", 60000.0, 1.5, 60001.0, 2.5, (MS - 3) * 1_000)
    assert client.receive(top, NOW_US) == [quote]
    assert client.receive(top, NOW_US) == [quote]  # said again after 3 s without a change


def test_OBYW_021_inverse_quantities_become_units_of_the_base_asset() -> None:
    client = subscribed("inverse", *(("BTCUSD", c) for c in ("trades", "book", "reference")))
    row = trade_row("BTCUSD", v="30000", p="60000")
    (trade,) = client.receive(push("publicTrade.BTCUSD", [row]), NOW_US)
    assert isinstance(trade, Trade)
    assert trade.quantity == 0.5  # 30,000 USD at 60,000
    frame = book("snapshot", 9, [(50000.0, 5000)], [(62500.0, 5000)], market="BTCUSD")
    (whole,) = client.receive(frame, NOW_US)
    assert isinstance(whole, BookSnapshot)
    assert (whole.bids, whole.asks) == ([(50000.0, 0.1)], [(62500.0, 0.08)])
    ticker = {"symbol": "BTCUSD", "markPrice": "60000", "openInterest": "120000000"}
    assert client.receive(push("tickers.BTCUSD", ticker), NOW_US) == [
        Reference("BTCUSD", MS * 1_000, mark_price=60000.0, open_interest=2000.0)
    ]


def test_OBYW_021_option_trades_of_the_base_coin_are_those_asked_for() -> None:
    other = trade_row("BTC-27MAR26-90000-C", p="5")
    frame = push("publicTrade.BTC", [trade_row(OPTION, p="10"), other])
    one = subscribed("option", (OPTION, "trades")).receive(frame, NOW_US)
    assert [m.market for m in one] == [OPTION]
    both = subscribed("option", ("BTC", "trades")).receive(frame, NOW_US)
    assert [m.market for m in both] == [OPTION, "BTC-27MAR26-90000-C"]


def test_OBYW_022_a_book_follows_its_update_numbers() -> None:
    client = subscribed("linear", ("BTCUSDT", "book"))
    whole = client.receive(book("snapshot", 100, [(99.0, 2)], [(102.0, 1), (101.0, 3)]), NOW_US)
    time_us = (MS - 3) * 1_000
    asks = [(101.0, 3.0), (102.0, 1.0)]
    assert whole == [BookSnapshot("BTCUSDT", [(99.0, 2.0)], asks, time_us, 100)]
    assert client.receive(book("delta", 101, [(99.0, 0)]), NOW_US) == [
        BookChange("BTCUSDT", [(99.0, 0.0)], [], time_us, 101, 101)
    ]
    # u = 1: the venue's service began afresh, the frame is a whole book whatever its type.
    fresh = client.receive(book("delta", 1, [(98.0, 1)]), NOW_US)
    assert fresh == [BookSnapshot("BTCUSDT", [(98.0, 1.0)], [], time_us, 1)]
    assert len(client.receive(book("delta", 2, [(97.0, 1)]), NOW_US)) == 1


@pytest.mark.parametrize(
    "second", [book("delta", 103), book("delta", 100), book("delta", 101, seq=5)]
)
def test_OBYW_022_a_gap_is_named_and_the_topic_subscribed_to_again(second: bytes) -> None:
    client = subscribed("linear", ("BTCUSDT", "book"))
    client.receive(book("snapshot", 100, [(99.0, 2)]), NOW_US)
    gap, change, *again = client.receive(second, NOW_US)
    assert isinstance(gap, Status)
    assert (gap.market, gap.kind) == ("BTCUSDT", "gap")
    assert isinstance(change, BookChange)
    requests = requests_in(again)
    assert [each["op"] for each in requests] == ["unsubscribe", "subscribe"]
    assert all(each["args"] == ["orderbook.200.BTCUSDT"] for each in requests)
    assert client.receive(book("delta", 104), NOW_US + 1) == []
    assert client.due(NOW_US + 4_999_999) == []
    assert len(client.due(NOW_US + 5_000_000)) == 2  # the snapshot has not come
    assert client.due(NOW_US + 9_999_999) == []
    (healed,) = client.receive(book("snapshot", 110, [(98.0, 1)]), NOW_US + 10_000_000)
    assert isinstance(healed, BookSnapshot)
    assert client.due(NOW_US + 12_000_000) == []
    assert len(client.receive(book("delta", 111), NOW_US + 12_000_000)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_OBYW_022_a_book_ends_as_the_venue_has_it_whatever_is_lost(seed: int) -> None:
    """A venue that loses frames, begins afresh and answers late."""
    chance = random.Random(seed)
    client, kept = subscribed("linear", ("BTCUSDT", "book")), OrderBook()
    truth: dict[float, float] = {90.0: 1.0}
    number, now_us, answer_in, gaps = 50, NOW_US, 1, 0
    for step in range(600):
        now_us += 100_000
        number += 1
        price, quantity = 90.0 + chance.randrange(8), float(chance.randrange(5))
        truth.pop(price, None)
        if quantity:
            truth[price] = quantity
        frame = book("delta", number, [(price, quantity)])
        if chance.random() < 0.01:
            number = 1
            frame = book("delta", 1, [*truth.items()])
        elif answer_in == 1:
            frame = book("snapshot", number, [*truth.items()])
        answer_in = max(0, answer_in - 1)
        if chance.random() < 0.05 and step < 500:
            gaps += 1
            continue
        for message in client.receive(frame, now_us):
            if isinstance(message, (BookSnapshot, BookChange)):
                kept.apply(message)
            if isinstance(message, Send) and '"subscribe"' in message.frame:
                answer_in = 1 + chance.randrange(5)
        if any('"subscribe"' in frame for frame in client.due(now_us)):
            answer_in = 1 + chance.randrange(5)
    assert gaps > 10
    assert kept.is_intact
    assert dict(kept.top(100)[0]) == truth


def test_OBYW_023_changes_of_a_ticker_are_merged_into_what_it_said() -> None:
    client = subscribed("linear", ("BTCUSDT", "reference"))
    assert client.receive(push("tickers.BTCUSDT", SNAPSHOT, cs=5), NOW_US) == [
        Reference("BTCUSDT", MS * 1_000, 60002.5, 60001.5, -0.000212, 68744.761)
    ]
    delta = push("tickers.BTCUSDT", {"symbol": "BTCUSDT", "markPrice": "60003"}, "delta", ts=MS + 5)
    assert client.receive(delta, NOW_US) == [
        Reference("BTCUSDT", (MS + 5) * 1_000, 60002.5, 60003.0, -0.000212, 68744.761)
    ]
    bad = {"symbol": "BTCUSDT", "indexPrice": "-1", "markPrice": "1"}
    assert code_of(client, push("tickers.BTCUSDT", bad, "delta")) == "WIRE-E02"
    (after,) = client.receive(push("tickers.BTCUSDT", {"fundingRate": ""}, "delta"), NOW_US)
    assert after == Reference("BTCUSDT", MS * 1_000, 60002.5, 60003.0, None, 68744.761)


def test_OBYW_023_changes_before_the_whole_ticker_ask_for_it() -> None:
    client = subscribed("linear", ("BTCUSDT", "reference"))
    delta = push("tickers.BTCUSDT", {"markPrice": "60003"}, "delta")
    gap, *again = client.receive(delta, NOW_US)
    assert isinstance(gap, Status)
    assert gap.kind == "gap"
    assert [each["op"] for each in requests_in(again)] == ["unsubscribe", "subscribe"]
    assert client.receive(delta, NOW_US + 1) == []
    assert len(client.receive(delta, NOW_US + 5_000_000)) == 3
    assert len(client.receive(push("tickers.BTCUSDT", SNAPSHOT), NOW_US)) == 1
    assert len(client.receive(delta, NOW_US)) == 1


def test_OBYW_024_an_option_ticker_holds_quotes_and_volatilities() -> None:
    client = subscribed("option", (OPTION, "options"), (OPTION, "quotes"))
    assert client.receive(push(f"tickers.{OPTION}", OPTION_ROW), NOW_US) == [
        OptionTicker(
            OPTION,
            MS * 1_000,
            bid=None,
            ask=10.0,
            mark=7.86976724,
            bid_volatility=None,
            ask_volatility=0.514,
            mark_volatility=0.4896,
            forward=79815.1,
            index_price=79823.73,
            open_interest=49.85,
        ),
        Quote(OPTION, 0.0, 0.0, 10.0, 5.1, MS * 1_000),
    ]


def test_OBYW_025_a_ping_is_due_every_twenty_seconds() -> None:
    client = subscribed("linear", ("BTCUSDT", "trades"))
    assert client.due(NOW_US) == []
    client.receive(push("publicTrade.BTCUSDT", [trade_row()]), NOW_US + 19_000_000)
    assert client.due(NOW_US + 19_999_999) == []
    (ping,) = client.due(NOW_US + 20_000_000)
    assert json.loads(ping)["op"] == "ping"
    assert client.due(NOW_US + 39_999_999) == []
    for pong in (
        b'{"success":true,"ret_msg":"pong","conn_id":"0970e817","req_id":"ping-1","op":"ping"}',
        b'{"args":["1672916271846"],"op":"pong"}',
    ):
        assert client.receive(pong, NOW_US) == [Status("", "heartbeat")]


def test_OBYW_025_a_request_refused_for_one_topic_is_made_again_for_the_others() -> None:
    client = subscribed("linear", *((m, "trades") for m in ("BTCUSDT", "FOO", "ETHUSDT")))
    refusal = {
        "success": False,
        "ret_msg": "error:handler not found,topic:publicTrade.FOO",
        "req_id": "1",
        "op": "subscribe",
    }
    refused, send = client.receive(json.dumps(refusal).encode(), NOW_US)
    assert isinstance(refused, Status)
    assert (refused.market, refused.kind) == ("FOO", "refused")
    (request,) = requests_in([send])
    assert request["args"] == ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"]
    ack = {"success": True, "ret_msg": "subscribe", "req_id": request["req_id"], "op": "subscribe"}
    taken = client.receive(json.dumps(ack).encode(), NOW_US)
    assert [(m.market, m.kind) for m in taken if isinstance(m, Status)] == [
        ("BTCUSDT", "subscribed"),
        ("ETHUSDT", "subscribed"),
    ]


def test_OBYW_025_a_refusal_that_names_no_topic_is_narrowed_down() -> None:
    client = subscribed("linear", *((m, "trades") for m in ("BTCUSDT", "FOO")))
    refusal = {"success": False, "ret_msg": "Params Error", "op": "subscribe"}
    each = client.receive(json.dumps({**refusal, "req_id": "1"}).encode(), NOW_US)
    first, second = requests_in(each)
    assert (first["args"], second["args"]) == (["publicTrade.BTCUSDT"], ["publicTrade.FOO"])
    named = {**refusal, "req_id": second["req_id"]}
    (last,) = client.receive(json.dumps(named).encode(), NOW_US)
    assert last == Status("FOO", "refused", "Params Error")
    error = b'{"success":false,"ret_msg":"Request not authorized","op":"auth"}'
    assert code_of(client, error) == "WIRE-E03"


def test_OBYW_025_the_option_stream_answers_topic_by_topic() -> None:
    client = subscribed("option", (OPTION, "options"), (OPTION, "book"))
    data = {"failTopics": [f"orderbook.100.{OPTION}"], "successTopics": [f"tickers.{OPTION}"]}
    answer = {"success": True, "conn_id": "aa", "data": data, "type": "COMMAND_RESP"}
    assert client.receive(json.dumps(answer).encode(), NOW_US) == [
        Status(OPTION, "subscribed", f"tickers.{OPTION}"),
        Status(OPTION, "refused", f"orderbook.100.{OPTION}"),
    ]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x78\x9cgarbage", "WIRE-E01"),
        (push("publicTrade.BTCUSDT", [trade_row()])[:-3], "WIRE-E01"),
        (push("publicTrade.BTCUSDT", [trade_row(p="inf")]), "WIRE-E02"),
        (push("publicTrade.BTCUSDT", [trade_row(p="0")]), "WIRE-E02"),
        (push("publicTrade.BTCUSDT", [trade_row(v="-1")]), "WIRE-E02"),
        (push("publicTrade.BTCUSDT", [trade_row(S="None")]), "WIRE-E02"),
        (push("publicTrade.BTCUSDT", [{"s": "BTCUSDT"}]), "WIRE-E02"),
        (book("whole", 5), "WIRE-E02"),
        (book("snapshot", -5), "WIRE-E02"),
        (b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1}', "WIRE-E02"),
        (push("orderbook.200.BTCUSDT", {"s": "X", "b": [], "a": [], "u": 1}), "WIRE-E02"),
        (b"{}", "WIRE-E02"),
    ],
)
def test_OBYW_026_bad_frames_have_listed_codes_and_the_client_goes_on(
    frame: bytes, code: str
) -> None:
    client = subscribed("linear", ("BTCUSDT", "trades"), ("BTCUSDT", "book"))
    assert code_of(client, frame) == code
    good = push("publicTrade.BTCUSDT", [trade_row(extra=[1])], new_field={"a": 1})
    assert len(client.receive(good, NOW_US)) == 1
    (unasked,) = client.receive(push("kline.5.BTCUSDT", []), NOW_US)
    assert isinstance(unasked, Status)
    assert unasked.kind == "malformed"
    (nothing,) = client.fetched("/v5/x", b"{}", NOW_US)
    assert isinstance(nothing, Status)


LINEAR_FRAMES = [
    push("publicTrade.BTCUSDT", [trade_row(), trade_row(S="Buy")]),
    book("snapshot", 5, [(60000.0, 1.5)], [(60001.0, 2.5)], depth=1),
    book("snapshot", 100, [(99.0, 2)], [(102.0, 1), (101.0, 3)]),
    book("delta", 101, [(99.0, 0)]),
    book("delta", 102, [(98.0, 2)], [(103.0, 1)]),
    push("tickers.BTCUSDT", SNAPSHOT, cs=5),
    push("tickers.BTCUSDT", {"symbol": "BTCUSDT", "markPrice": "60003"}, "delta"),
    b'{"success":true,"ret_msg":"subscribe","req_id":"1","op":"subscribe"}',
    b'{"success":false,"ret_msg":"error:handler not found,topic:publicTrade.BTCUSDT",'
    b'"req_id":"1","op":"subscribe"}',
    b'{"success":true,"ret_msg":"pong","conn_id":"0970e817","req_id":"ping-1","op":"ping"}',
]
OPTION_FRAMES = [
    push(f"tickers.{OPTION}", OPTION_ROW),
    push("publicTrade.BTC", [trade_row(OPTION, p="10", iP="79823.73", mIv="0.49")]),
    book("snapshot", 4, [(9.0, 2)], [(11.0, 1)], depth=100, market=OPTION),
    book("delta", 5, [(9.0, 1)], depth=100, market=OPTION),
    b'{"success":true,"conn_id":"aa","data":{"failTopics":[],"successTopics":["tickers.X"]},'
    b'"type":"COMMAND_RESP"}',
    b'{"args":["1672916271846"],"op":"pong"}',
]


def recorded_frames() -> list[bytes]:
    """Recorded frames of the venue where they are at hand: of an older protocol."""
    beside = Path(__file__).resolve().parents[4].parent / "shared" / "data"
    folder = Path(os.environ.get("STEELYARD_DATA", beside)) / "raw_messages" / "cryptofeed"
    frames: list[bytes] = []
    for path in sorted(folder.glob("BYBIT.ws.*.txt.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines()[::25]:
            _, _, payload = line.partition(b": ")
            if payload.startswith(b"{") and len(payload) < 2_000:
                frames.append(payload)
    return frames


@pytest.mark.parametrize(
    ("category", "seeds", "count"),
    [
        ("linear", LINEAR_FRAMES, 20_000),
        ("inverse", [f.replace(b"BTCUSDT", b"BTCUSD") for f in LINEAR_FRAMES], 10_000),
        ("option", OPTION_FRAMES, 15_000),
    ],
)
def test_OBYW_027_nothing_but_listed_errors_comes_out_of_broken_frames(
    category: str, seeds: list[bytes], count: int
) -> None:
    market = {"linear": "BTCUSDT", "inverse": "BTCUSD", "option": OPTION}[category]
    channels = ("trades", "quotes", "book", "options" if category == "option" else "reference")
    client = subscribed(category, *((market, channel) for channel in channels))
    refusal = b'{"success":false,"ret_msg":"Request not authorized","op":"auth"}'
    seen: dict[str, int] = {}
    # Those of an older protocol are many: every mutant of them is of another shape.
    frames = [*seeds, refusal, *recorded_frames()[:10]]
    for number, frame in enumerate(mutants(frames, count, seed=35)):
        try:
            names = [type(m).__name__ for m in client.receive(frame, NOW_US + 1_000 * number)]
        except InputError as error:
            names = [error.code]
        client.due(NOW_US + 1_000 * number)
        for name in names:
            seen[name] = seen.get(name, 0) + 1
    listed = {"WIRE-E01", "WIRE-E02", "WIRE-E03"}
    assert {name for name in seen if "-" in name} == listed
    assert min(seen[name] for name in listed) > 50
    assert min(seen[name] for name in ("Trade", "BookSnapshot", "BookChange", "Send")) > 5


class Venue:
    """A venue on this machine: it turns FOO away, loses four changes, heals, and cuts the line once."""

    def __init__(self) -> None:
        self.subscribes = [0, 0]

    def on_frame(self, index: int, frame: str) -> list[Action]:
        request = json.loads(frame)
        topics = request.get("args", [])
        said = {"success": True, "ret_msg": request["op"], "conn_id": "c", "op": request["op"]}
        said["req_id"] = request["req_id"]
        if request["op"] != "subscribe":
            return [json.dumps({**said, "ret_msg": "pong" if request["op"] == "ping" else ""})]
        if "publicTrade.FOO" in topics:
            reason = "error:handler not found,topic:publicTrade.FOO"
            return [json.dumps({**said, "success": False, "ret_msg": reason})]
        self.subscribes[index] += 1
        if self.subscribes[index] == 1:
            return [json.dumps(said), *map(bytes.decode, self.FIRST)]
        healed: list[Action] = [
            json.dumps(said),
            book("snapshot", 110, [(98.0, 7)]).decode(),
            book("delta", 111, [(97.0, 7)]).decode(),
        ]
        return [*healed, Pause(0.2), Drop() if index == 0 else Close(1001)]

    FIRST = (
        book("snapshot", 100, [(99.0, 2)], [(101.0, 3)]),
        book("delta", 101, [(99.0, 4)]),
        push("publicTrade.BTCUSDT", [trade_row()]),
        push("tickers.BTCUSDT", SNAPSHOT),
        push("tickers.BTCUSDT", {"markPrice": "60003"}, "delta"),
        b'{"success":false,"ret_msg":"Request not authorized","op":"auth"}',
        b'{"success":true,"ret_msg":"pong","op":"ping"}',
        book("delta", 105, [(98.0, 7)]),
    )


def test_OBYW_028_a_connection_speaks_with_a_venue_of_the_documents() -> None:
    """Subscribe, snapshot, changes, heartbeat, a gap and its healing, an error, a cut and a new start."""
    wanted = [Subscription("FOO", "trades")]
    wanted += [Subscription("BTCUSDT", channel) for channel in ("book", "trades", "reference")]
    with live_server(Script(on_frame=Venue().on_frame)) as server:
        heard = talk(
            server,
            lambda: BybitClient("linear"),
            wanted,
            until=lambda t: bool(t.healths) and t.health.connects >= 2 and t.health.gaps >= 2,
        )
        assert set(server.paths) == {"/v5/public/linear"}
        assert server.frames[0][:2] == server.frames[1][:2]
    kinds = {m.kind for m in heard.messages if isinstance(m, Status)}
    assert {"subscribed", "refused", "heartbeat", "gap"} <= kinds
    assert heard.health.errors["WIRE-E03"] >= 1
    kept = OrderBook()
    healed = False
    for message in heard.messages:
        if isinstance(message, (BookSnapshot, BookChange)):
            kept.apply(message)
            healed |= kept.is_intact and kept.sequence == 111
    assert healed
    assert (
        Reference("BTCUSDT", MS * 1_000, 60002.5, 60003.0, -0.000212, 68744.761) in heard.messages
    )
