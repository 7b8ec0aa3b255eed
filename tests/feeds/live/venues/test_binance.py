"""Binance's frames: what is asked for, what frames say, what goes wrong."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import Fetch, Quote, Reference, Status, Trade
from steelyard.feeds.live.venues import binance_client
from steelyard.feeds.live.venues.binance import (
    BinanceCoinmClient,
    BinanceSpotClient,
    BinanceUsdmClient,
)
from steelyard.feeds.live.venues.binance_client import BinanceClient
from steelyard.quantities import InputError
from tests.feeds.live.venues.binance_roles import (
    CLIENTS,
    NOW_MS,
    NOW_US,
    SYMBOLS,
    aggregate_trade,
    book_ticker,
    depth,
    frame,
    kinds,
    listing,
    mark_price,
    reader,
    ready,
    snapshot,
)


def refusal(client: BinanceClient, sent: bytes, path: str = "") -> InputError:
    with pytest.raises(InputError) as caught:
        client.fetched(path, sent, NOW_US) if path else client.receive(sent, NOW_US)
    return caught.value


def test_BINW_001_the_address_names_streams_in_lower_case() -> None:
    wanted = [Subscription("BTCUSDT", "trades"), Subscription("ethusdt", "book")]
    client = BinanceSpotClient()
    assert client.address(wanted) == "/stream?streams=btcusdt@aggTrade/ethusdt@depth@100ms"
    assert client.opening(wanted) == ['{"method":"LIST_SUBSCRIPTIONS","id":1}']
    assert client.address([]) == "/stream"


def test_BINW_001_what_does_not_fit_the_address_is_subscribed_in_frames_of_two_hundred() -> None:
    wanted = [Subscription(f"C{number}USDT", "quotes") for number in range(450)]
    client = BinanceSpotClient()
    named = client.address(wanted).partition("=")[2].split("/")
    *subscribing, last = [json.loads(sent) for sent in client.opening(wanted)]
    assert [each["method"] for each in subscribing] == ["SUBSCRIBE"] * 2
    assert [len(each["params"]) for each in subscribing] == [200, 150]
    assert named + [name for each in subscribing for name in each["params"]] == [
        f"c{number}usdt@bookTicker" for number in range(450)
    ]
    numbers = [each["id"] for each in [*subscribing, last]]
    assert len(set(numbers)) == 3
    assert last["method"] == "LIST_SUBSCRIPTIONS"


def test_BINW_001_a_symbol_that_is_not_ascii_is_quoted_in_addresses_and_read_as_it_is() -> None:
    client = ready(BinanceSpotClient(), Subscription("币安USDT", "quotes"))
    assert client.address([Subscription("币安USDT", "quotes")]) == (
        "/stream?streams=%E5%B8%81%E5%AE%89usdt@bookTicker"
    )
    sent = book_ticker("币安USDT")
    assert kinds(client.receive(sent, NOW_US)) == ["Quote"]
    escaped = sent.decode().encode("ascii", "backslashreplace")
    assert b"\\u5e01" in escaped
    assert client.receive(escaped, NOW_US) == client.receive(sent, NOW_US)


def test_BINW_002_usdm_serves_quotes_and_books_apart_from_trades_and_marks() -> None:
    channels = ("trades", "quotes", "book", "reference")
    wanted = [Subscription("BTCUSDT", each) for each in channels]
    client = BinanceUsdmClient()
    groups = client.split(wanted)
    assert [[each.channel for each in group] for group in groups] == [
        ["trades", "reference"],
        ["quotes", "book"],
    ]
    assert [client.address(group) for group in groups] == [
        "/market/stream?streams=btcusdt@aggTrade/btcusdt@markPrice@1s",
        "/public/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms",
    ]
    assert BinanceCoinmClient().split(wanted) == [wanted]


def test_BINW_002_a_stream_of_the_other_place_is_refused_and_not_left_silent() -> None:
    client = reader(BinanceUsdmClient, "quotes", "trades")
    assert client.address([Subscription("BTCUSDT", "quotes")]).startswith("/public/stream?")
    client = reader(BinanceUsdmClient, "quotes", "trades")
    out = client.receive(listing("btcusdt@bookTicker"), NOW_US)
    assert kinds(out) == ["subscribed", "refused"]
    assert "/market" in out[1].reason


def test_BINW_002_what_is_served_nowhere_does_not_choose_the_place() -> None:
    wanted = [Subscription("BTCUSDT", each) for each in ("options", "book", "quotes")]
    client = BinanceUsdmClient()
    assert client.split(wanted) == [wanted]
    assert client.address(wanted).startswith("/public/stream?streams=btcusdt@depth@100ms/")
    out = ready(client, *wanted).receive(book_ticker("BTCUSDT"), NOW_US)
    assert kinds(out) == ["Quote", "refused"]


def test_BINW_002_split_keeps_to_the_most_a_connection_carries() -> None:
    wanted = [Subscription(f"C{number}USDT", "book") for number in range(2_100)]
    groups = BinanceSpotClient().split(wanted)
    assert [len(group) for group in groups] == [1024, 1024, 52]
    assert [each for group in groups for each in group] == wanted


def test_BINW_003_the_list_of_subscriptions_says_what_the_server_took() -> None:
    wanted = [Subscription("BTCUSDT", "book"), Subscription("NOSUCH", "trades")]
    client = ready(BinanceSpotClient(), *wanted)
    out = client.receive(listing("btcusdt@depth@100ms"), NOW_US)
    assert kinds(out) == ["subscribed", "refused", "Fetch"]
    assert [each.market for each in out] == ["BTCUSDT", "NOSUCH", "BTCUSDT"]
    assert out[2] == Fetch("BTCUSDT", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
    again = client.receive(listing("btcusdt@depth@100ms", "nosuch@aggTrade"), NOW_US)
    assert again == [Status("", "heartbeat")]


def test_BINW_003_an_answer_to_subscribe_says_nothing_more() -> None:
    assert reader(BinanceSpotClient, "trades").receive(b'{"result":null,"id":2}', NOW_US) == []


@pytest.mark.parametrize("kind", [BinanceSpotClient, BinanceUsdmClient])
def test_BINW_004_a_trade_is_a_purchase_unless_the_buyer_was_waiting(
    kind: type[BinanceClient],
) -> None:
    client = reader(kind, "trades")
    expected = Trade("BTCUSDT", 64000.5, 0.25, False, NOW_US, "26129")
    assert client.receive(aggregate_trade("BTCUSDT"), NOW_US + 9) == [expected]
    bought = client.receive(aggregate_trade("BTCUSDT", m=False), NOW_US + 9)
    assert [each.is_buy for each in bought if isinstance(each, Trade)] == [True]


def test_BINW_004_fields_that_are_added_change_nothing() -> None:
    client = reader(BinanceUsdmClient, "trades")
    plain = client.receive(aggregate_trade("BTCUSDT"), NOW_US)
    assert (
        client.receive(aggregate_trade("BTCUSDT", nq="1", st=[{}], p="64000.50"), NOW_US) == plain
    )


def test_BINW_004_a_market_is_named_as_it_was_subscribed() -> None:
    client = ready(BinanceSpotClient(), Subscription("btcUSDT", "trades"))
    assert client.receive(aggregate_trade("BTCUSDT"), NOW_US)[0].market == "btcUSDT"


class Singles(BinanceUsdmClient):
    """Reads single fills, whose stream the futures market has without writing of it."""

    suffixes: ClassVar = {"trades": "@trade"}


@pytest.mark.parametrize(("origin", "count"), [("MARKET", 1), ("INSURANCE_FUND", 0), ("NA", 0)])
def test_BINW_004_a_fill_that_is_no_trade_of_the_market_is_left_out(
    origin: str, count: int
) -> None:
    client = ready(Singles(), Subscription("BTCUSDT", "trades"))
    data = {"e": "trade", "E": NOW_MS, "T": NOW_MS, "s": "BTCUSDT", "t": 7, "p": "64000"}
    sent = frame("btcusdt@trade", **data, q="0.5", X=origin, m=False)
    assert len(client.receive(sent, NOW_US)) == count
    assert client.receive(frame("btcusdt@trade", **(data | {"p": "0"}), q="0", m=True), 0) == []


def test_BINW_005_a_quote_of_spot_has_no_time_and_one_of_futures_the_time_of_the_change() -> None:
    spot = reader(BinanceSpotClient, "quotes").receive(book_ticker("BTCUSDT"), NOW_US)
    assert spot == [Quote("BTCUSDT", 64000.0, 3.5, 64000.1, 2.0, 0)]
    sent = book_ticker("BTCUSDT", e="bookTicker", T=NOW_MS, E=NOW_MS + 3)
    usdm = reader(BinanceUsdmClient, "quotes").receive(sent, NOW_US)
    assert usdm == [Quote("BTCUSDT", 64000.0, 3.5, 64000.1, 2.0, NOW_US)]


@pytest.mark.parametrize(("price", "quantity"), [("0.00", "0.000"), ("0", "5"), ("63999", "0")])
def test_BINW_005_an_empty_side_has_price_and_quantity_zero(price: str, quantity: str) -> None:
    client = reader(BinanceUsdmClient, "quotes")
    (quoted,) = client.receive(book_ticker("BTCUSDT", b=price, B=quantity), NOW_US)
    assert quoted == Quote("BTCUSDT", 0.0, 0.0, 64000.1, 2.0, 0)


@pytest.mark.parametrize("kind", [BinanceUsdmClient, BinanceCoinmClient])
def test_BINW_006_a_mark_carries_index_funding_and_its_own_time(kind: type[BinanceClient]) -> None:
    client, symbol = reader(kind, "reference"), SYMBOLS[kind]
    out = client.receive(mark_price(symbol), NOW_US)
    assert out[0] == Reference(symbol, NOW_US, 64005.5, 64010.25, -0.00038167)


def test_BINW_006_a_contract_that_expires_has_no_funding() -> None:
    client = ready(BinanceCoinmClient(), Subscription("BTCUSD_261225", "reference"))
    out = client.receive(mark_price("BTCUSD_261225", r="", T=0), NOW_US)
    assert out[0] == Reference("BTCUSD_261225", NOW_US, 64005.5, 64010.25, None)


def test_BINW_006_a_price_of_zero_is_none() -> None:
    out = reader(BinanceUsdmClient, "reference").receive(
        mark_price("BTCUSDT", i="0.00000000"), NOW_US
    )
    assert out[0] == Reference("BTCUSDT", NOW_US, None, 64010.25, -0.00038167)


def test_BINW_007_open_interest_is_fetched_with_the_first_mark_and_then_once_a_minute() -> None:
    client = reader(BinanceUsdmClient, "reference")
    path = "/fapi/v1/openInterest?symbol=BTCUSDT"
    fetches = []
    for second in range(121):
        out = client.receive(mark_price("BTCUSDT"), NOW_US + second * 1_000_000)
        fetches += [(second, each) for each in out if isinstance(each, Fetch)]
    assert fetches == [(second, Fetch("BTCUSDT", path)) for second in (0, 60, 120)]
    answer = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":%d}' % NOW_MS
    assert client.fetched(path, answer, NOW_US) == [
        Reference("BTCUSDT", NOW_US, open_interest=10659.509)
    ]


def test_BINW_007_an_open_interest_of_another_market_is_another_shape() -> None:
    client = reader(BinanceUsdmClient, "reference")
    answer = b'{"openInterest":"1","symbol":"ETHUSDT","time":%d}' % NOW_MS
    assert refusal(client, answer, "/fapi/v1/openInterest?symbol=BTCUSDT").code == "WIRE-E02"


def test_BINW_008_contracts_become_units_of_the_base_asset_at_their_own_price() -> None:
    client = reader(BinanceCoinmClient, "trades", "quotes", "book")
    (trade,) = client.receive(aggregate_trade("BTCUSD_PERP", p="50000.0", q="4"), NOW_US)
    assert trade.quantity == pytest.approx(0.008, rel=1e-15)  # 4 · 100 / 50,000
    (quoted,) = client.receive(
        book_ticker("BTCUSD_PERP", b="40000", B="8", a="50000", A="5"), NOW_US
    )
    assert (quoted.bid_quantity, quoted.ask_quantity) == (0.02, 0.01)
    (fetch,) = client.receive(depth("BTCUSD_PERP", 90, 101, 80), NOW_US)
    answer = snapshot(100, [["40000", "8"]], [["50000", "5"]], NOW_MS)
    whole, change = client.fetched(fetch.path, answer, NOW_US)
    assert (whole.bids, whole.asks) == ([(40000.0, 0.02)], [(50000.0, 0.01)])
    (change,) = client.receive(
        depth("BTCUSD_PERP", 102, 104, 101, [["25000", "1"], ["20000", "0"]]), NOW_US
    )
    assert change.bids == [(25000.0, 0.004), (20000.0, 0.0)]


def test_BINW_008_other_coins_have_ten_dollars_and_a_table_may_say_otherwise() -> None:
    wanted = Subscription("ETHUSD_PERP", "trades")
    sent = aggregate_trade("ETHUSD_PERP", p="2500", q="1")
    (trade,) = ready(BinanceCoinmClient(), wanted).receive(sent, NOW_US)
    assert trade.quantity == 0.004
    (trade,) = ready(BinanceCoinmClient({"ETHUSD": 50.0}), wanted).receive(sent, NOW_US)
    assert trade.quantity == 0.02


def test_BINW_008_a_pair_without_a_contract_size_is_refused() -> None:
    client = ready(BinanceCoinmClient({"ETHUSD": 10.0}), Subscription("BTCUSD_PERP", "book"))
    assert client.address([Subscription("BTCUSD_PERP", "book")]) == "/stream"
    out = client.receive(listing(), NOW_US)
    assert kinds(out) == ["heartbeat", "refused"]
    assert out[1].reason == "book: no contract size is stated for this pair"


@pytest.mark.parametrize("size", [0.0, -10.0, float("nan"), float("inf")])
def test_BINW_008_a_contract_size_is_above_zero(size: float) -> None:
    with pytest.raises(InputError, match="WIRE-E02"):
        BinanceCoinmClient({"BTCUSD": size})


def test_BINW_008_open_interest_in_contracts_needs_a_mark() -> None:
    client = reader(BinanceCoinmClient, "reference")
    path = "/dapi/v1/openInterest?symbol=BTCUSD_PERP"
    answer = b'{"symbol":"BTCUSD_PERP","pair":"BTCUSD","openInterest":"32000","time":%d}' % NOW_MS
    assert client.fetched(path, answer, NOW_US) == []
    client.receive(mark_price("BTCUSD_PERP", p="64000"), NOW_US)
    assert client.fetched(path, answer, NOW_US) == [
        Reference("BTCUSD_PERP", NOW_US, open_interest=50.0)  # 32,000 · 100 / 64,000
    ]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("sent", [b"", b"{", b"\x1f\x8b\x08", b"not json", b'{"stream":"btcusd'])
def test_BINW_020_what_is_no_json_cannot_be_read(kind: type[BinanceClient], sent: bytes) -> None:
    assert refusal(reader(kind, "trades", "book"), sent).code == "WIRE-E01"


@pytest.mark.parametrize("kind", CLIENTS)
def test_BINW_020_every_beginning_of_a_frame_cannot_be_read(kind: type[BinanceClient]) -> None:
    client, whole = reader(kind, "trades"), aggregate_trade(SYMBOLS[kind])
    for length in range(len(whole)):
        assert refusal(client, whole[:length]).code == "WIRE-E01"
    assert kinds(client.receive(whole, NOW_US)) == ["Trade"]


BAD_FIELDS = [
    *({"p": bad} for bad in ("0", "-1", "nan", "inf", "1e13", "", "abc", None, True, [], "1_0")),
    *({"q": bad} for bad in ("0", "-1", "NaN", "1e19", {}, "0x1")),
    *({"T": bad} for bad in (-1, 4_102_444_800_001, "now", None, 1.5, 10**30)),
    *({"m": "yes"}, {"m": None}, {"a": -1}, {"a": 2**63}, {"e": "kline"}, {"s": "ETHUSDT"}),
]


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=str)
def test_BINW_020_a_field_of_another_type_or_out_of_bounds_is_another_shape(
    bad: dict[str, object],
) -> None:
    client = reader(BinanceSpotClient, "trades")
    error = refusal(client, aggregate_trade("BTCUSDT", **bad))
    assert error.code == "WIRE-E02"
    assert error.where["venue"] == "binance-spot"
    assert kinds(client.receive(aggregate_trade("BTCUSDT"), NOW_US)) == ["Trade"]


@pytest.mark.parametrize("missing", ["s", "p", "q", "T", "m", "a"])
def test_BINW_020_a_missing_field_is_another_shape(missing: str) -> None:
    data = json.loads(aggregate_trade("BTCUSDT"))["data"]
    del data[missing]
    sent = frame("btcusdt@aggTrade", **data)
    assert refusal(reader(BinanceSpotClient, "trades"), sent).code == "WIRE-E02"


@pytest.mark.parametrize(
    "numbers", [(105, 104, 100), (101, 104, 101), (101, 104, 103), (-1, 104, 100), (101, 2**63, 1)]
)
def test_BINW_020_numbers_of_a_change_that_are_out_of_order_are_another_shape(
    numbers: tuple[int, int, int],
) -> None:
    sent = depth("BTCUSDT", *numbers, [["1", "2"]])
    assert refusal(reader(BinanceUsdmClient, "book"), sent).code == "WIRE-E02"


@pytest.mark.parametrize("level", [["1"], ["1", "2", "3"], ["0", "1"], ["1", "-1"], {}, "12"])
def test_BINW_020_a_level_is_a_price_above_zero_and_a_quantity(level: object) -> None:
    client = reader(BinanceSpotClient, "book")
    assert refusal(client, depth("BTCUSDT", 1, 2, None, [level])).code == "WIRE-E02"
    (fetch,) = client.receive(depth("BTCUSDT", 3, 4), NOW_US)
    answer = snapshot(5, [level], [["2", "1"]])
    assert refusal(client, answer, fetch.path).code == "WIRE-E02"


def test_BINW_020_a_frame_that_is_neither_stream_nor_answer_is_another_shape() -> None:
    client = reader(BinanceSpotClient, "trades")
    for sent in (b"{}", b"[]", b"null", b'{"id":1}', b'{"result":{},"id":1}', b'"text"'):
        assert refusal(client, sent).code == "WIRE-E02"


@pytest.mark.parametrize(
    "sent",
    [
        b'{"code":2,"msg":"Invalid request: unknown variant","id":7}',
        b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":7}',
        b'{"id":7,"error":{"msg":"Invalid request: unknown variant","code":2}}',
    ],
)
def test_BINW_020_an_error_of_the_venue_is_reported_with_its_number(sent: bytes) -> None:
    error = refusal(reader(BinanceUsdmClient, "quotes"), sent)
    assert error.code == "WIRE-E03"
    assert error.where["venue_code"] == "2"
    assert "unknown variant" in str(error)


def test_BINW_020_an_error_in_place_of_a_snapshot_is_reported_and_asked_again_later() -> None:
    client = reader(BinanceSpotClient, "book")
    (fetch,) = client.receive(depth("BTCUSDT", 1, 2), NOW_US)
    error = refusal(client, b'{"code":-1003,"msg":"Too many requests."}', fetch.path)
    assert (error.code, error.where["venue_code"]) == ("WIRE-E03", "-1003")
    assert client.receive(depth("BTCUSDT", 3, 4), NOW_US + 999_999) == []
    assert client.receive(depth("BTCUSDT", 5, 6), NOW_US + 1_000_000) == [fetch]


def test_BINW_020_an_answer_that_nobody_asked_for_is_another_shape() -> None:
    client = reader(BinanceSpotClient, "book")
    assert refusal(client, snapshot(5), "/api/v3/depth?symbol=ETHUSDT&limit=9").code == "WIRE-E02"


@pytest.mark.parametrize(
    "sent",
    [
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_BINW_021_a_server_that_is_about_to_shut_down_asks_for_a_new_connection(
    sent: bytes,
) -> None:
    assert kinds(reader(BinanceSpotClient, "trades").receive(sent, NOW_US)) == ["restart"]


@pytest.mark.parametrize("kind", CLIENTS)
def test_BINW_021_a_connection_is_given_up_ten_minutes_before_its_24_hours(
    kind: type[BinanceClient],
) -> None:
    client, sent = reader(kind, "trades"), aggregate_trade(SYMBOLS[kind])
    ends_us = NOW_US + (23 * 60 + 50) * 60 * 1_000_000
    assert kinds(client.receive(sent, NOW_US)) == ["Trade"]
    assert kinds(client.receive(sent, ends_us - 1)) == ["Trade"]
    assert kinds(client.receive(sent, ends_us)) == ["Trade", "restart"]
    assert kinds(client.receive(sent, ends_us + 1)) == ["Trade"]


def test_BINW_022_fifteen_silent_seconds_are_broken_by_a_question() -> None:
    client = reader(BinanceSpotClient, "trades")
    assert client.due(NOW_US) == []
    assert client.due(NOW_US + 14_999_999) == []
    assert client.due(NOW_US + 15_000_000) == ['{"method":"LIST_SUBSCRIPTIONS","id":1}']
    assert client.due(NOW_US + 15_000_001) == []
    client.receive(aggregate_trade("BTCUSDT"), NOW_US + 20_000_000)
    assert client.due(NOW_US + 34_999_999) == []
    assert len(client.due(NOW_US + 35_000_000)) == 1


def test_BINW_023_terms_keep_below_the_limits_of_the_venue() -> None:
    for kind, per_second in zip(CLIENTS, (5, 10, 10), strict=True):
        terms = kind().terms
        assert terms.operator == "binance"
        assert 1_000_000 // terms.send_interval_us < per_second
        assert terms.subscriptions_max == 1024
        assert terms.silence_us > 2 * binance_client.PROBE_US


def test_BINW_024_what_cannot_be_asked_for_is_refused_with_the_first_frame() -> None:
    wanted = [
        Subscription("BTCUSDT", "reference"),
        Subscription("BTC/USDT", "trades"),
        Subscription("", "book"),
        Subscription("BTCUSDT", "options"),
        Subscription("BTCUSDT", "trades"),
    ]
    client = ready(BinanceSpotClient(), *wanted)
    assert client.address(wanted) == "/stream?streams=btcusdt@aggTrade"
    out = client.receive(aggregate_trade("BTCUSDT"), NOW_US)
    assert kinds(out) == ["Trade", "refused", "refused", "refused", "refused"]
    assert client.receive(aggregate_trade("BTCUSDT"), NOW_US + 1) == out[:1]


def test_BINW_024_a_market_that_the_venue_does_not_know_is_refused_by_its_snapshot() -> None:
    client = ready(BinanceSpotClient(), Subscription("NOSUCH", "book"))
    *_, fetch = client.receive(listing("nosuch@depth@100ms"), NOW_US)
    (out,) = client.fetched(fetch.path, b'{"code":-1121,"msg":"Invalid symbol."}', NOW_US)
    assert (out.market, out.kind) == ("NOSUCH", "refused")
    assert "Invalid symbol" in out.reason
    assert client.receive(depth("NOSUCH", 1, 2), NOW_US + 10**9) == []


def test_BINW_024_a_stream_that_nobody_asked_for_is_named() -> None:
    client = reader(BinanceSpotClient, "trades")
    client.receive(aggregate_trade("BTCUSDT"), NOW_US)
    out = client.receive(frame("btcusdt@kline_1m", e="kline", s="BTCUSDT"), NOW_US)
    assert out == [Status("", "malformed", "stream nobody asked for: btcusdt@kline_1m")]
    assert client.receive(b'{"data":{"e":"kline"},"stream":"x"}', NOW_US)[0].kind == "malformed"


def test_BINW_025_a_frame_spelled_in_another_order_says_the_same() -> None:
    client, sent = reader(BinanceSpotClient, "trades"), aggregate_trade("BTCUSDT")
    plain = client.receive(sent, NOW_US)
    whole = json.loads(sent)
    for other in (
        json.dumps({"data": whole["data"], "stream": whole["stream"]}).encode(),
        json.dumps(whole, indent=2).encode(),
        sent.replace(b"btcusdt@", b"btcusdt\\u0040"),
    ):
        assert other != sent
        assert client.receive(other, NOW_US) == plain
