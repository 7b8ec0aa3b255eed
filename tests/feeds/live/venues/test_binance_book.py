"""Binance's books: how changes join a snapshot, what a gap leads to, and the book against the venue's own."""

from __future__ import annotations

import random
from collections import deque

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Fetch, Message, Status
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues import binance_book
from steelyard.feeds.live.venues.binance import (
    BinanceCoinmClient,
    BinanceSpotClient,
    BinanceUsdmClient,
)
from steelyard.feeds.live.venues.binance_client import BinanceClient
from tests.feeds.live.venues.binance_roles import (
    CLIENTS,
    NOW_MS,
    NOW_US,
    Venue,
    depth,
    kinds,
    levels_of,
    listing,
    reader,
    ready,
    snapshot,
)

SPOT_PATH = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
USDM_PATH = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"


def numbers(messages: list[Message]) -> list[tuple[int, int] | int]:
    """Return the number of a snapshot and the ranges of changes."""
    found: list[tuple[int, int] | int] = []
    for each in messages:
        if isinstance(each, BookSnapshot):
            found.append(each.sequence)
        elif isinstance(each, BookChange):
            found.append((each.first_sequence, each.last_sequence))
    return found


def spot(*ranges: tuple[int, int]) -> tuple[BinanceClient, list[Message]]:
    """Return a spot client that has kept these changes, and what it said."""
    client, out = reader(BinanceSpotClient, "book"), []
    for first, last in ranges:
        out += client.receive(depth("BTCUSDT", first, last), NOW_US)
    return client, out


def usdm(*ranges: tuple[int, int, int]) -> tuple[BinanceClient, list[Message]]:
    """Return a USD-M client that has kept these changes, and what it said."""
    client, out = reader(BinanceUsdmClient, "book"), []
    for first, last, previous in ranges:
        out += client.receive(depth("BTCUSDT", first, last, previous), NOW_US)
    return client, out


def test_BINW_010_changes_are_kept_until_the_snapshot_that_the_first_one_asks_for() -> None:
    client, out = spot((150, 160), (161, 170), (171, 175))
    assert out == [Fetch("BTCUSDT", SPOT_PATH)]
    assert numbers(client.fetched(SPOT_PATH, snapshot(165), NOW_US)) == [
        165,
        (161, 170),
        (171, 175),
    ]
    (change,) = client.receive(depth("BTCUSDT", 176, 180, None, [["1", "2"]]), NOW_US)
    assert change == BookChange("BTCUSDT", [(1.0, 2.0)], [], NOW_US, 176, 180)


@pytest.mark.parametrize(
    ("last", "joined"),
    [
        (160, [160, (161, 170)]),
        (161, [161, (161, 170)]),
        (169, [169, (161, 170)]),
        (170, [170]),
        (171, [171]),
        (159, [159, (150, 160), (161, 170)]),
        (149, [149, (150, 160), (161, 170)]),
        (148, []),
    ],
)
def test_BINW_010_a_spot_change_joins_if_it_holds_the_number_after_the_snapshot(
    last: int, joined: list[object]
) -> None:
    client, _ = spot((150, 160), (161, 170))
    assert numbers(client.fetched(SPOT_PATH, snapshot(last), NOW_US)) == joined


@pytest.mark.parametrize(
    ("last", "joined"),
    [
        (129, []),
        (130, [130, (150, 160), (181, 190)]),
        (140, [140, (150, 160), (181, 190)]),
        (155, [155, (150, 160), (181, 190)]),
        (159, [159, (150, 160), (181, 190)]),
        (160, [160, (181, 190)]),
        (170, [170, (181, 190)]),
        (185, [185, (181, 190)]),
        (190, [190]),
        (200, [200]),
    ],
)
def test_BINW_011_a_futures_change_joins_if_the_snapshot_lies_behind_the_change_before(
    last: int, joined: list[object]
) -> None:
    client, _ = usdm((150, 160, 130), (181, 190, 160))
    assert numbers(client.fetched(USDM_PATH, snapshot(last, time_ms=NOW_MS), NOW_US)) == joined


def test_BINW_011_after_the_first_a_futures_change_names_the_one_before_it() -> None:
    client, _ = usdm((150, 160, 130))
    client.fetched(USDM_PATH, snapshot(155, time_ms=NOW_MS), NOW_US)
    assert kinds(client.receive(depth("BTCUSDT", 300, 310, 160), NOW_US)) == ["BookChange"]
    out = client.receive(depth("BTCUSDT", 311, 320, 309), NOW_US)
    assert kinds(out) == ["gap", "Fetch"]
    assert out[0] == Status("BTCUSDT", "gap", "held 310, then 311 to 320 after 309")


def test_BINW_011_the_time_of_a_futures_snapshot_is_that_of_its_book_and_spot_has_none() -> None:
    client, _ = usdm((150, 160, 130))
    (whole, _) = client.fetched(USDM_PATH, snapshot(155, time_ms=NOW_MS), NOW_US)
    assert whole.exchange_time_us == NOW_US
    client, _ = spot((150, 160))
    (whole, _) = client.fetched(SPOT_PATH, snapshot(155), NOW_US)
    assert whole.exchange_time_us == 0


def test_BINW_012_a_gap_is_said_and_a_snapshot_asked_for_that_later_changes_join() -> None:
    client, _ = spot((1, 10))
    client.fetched(SPOT_PATH, snapshot(10), NOW_US)
    out = client.receive(depth("BTCUSDT", 12, 20), NOW_US)
    assert out == [Status("BTCUSDT", "gap", "held 10, then 12 to 20"), Fetch("BTCUSDT", SPOT_PATH)]
    assert client.receive(depth("BTCUSDT", 21, 30), NOW_US) == []
    assert numbers(client.fetched(SPOT_PATH, snapshot(15), NOW_US)) == [15, (12, 20), (21, 30)]


def test_BINW_012_a_gap_of_one_market_leaves_the_others_alone() -> None:
    wanted = [Subscription(symbol, "book") for symbol in ("BTCUSDT", "ETHUSDT")]
    client = ready(BinanceSpotClient(), *wanted)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        (fetch,) = client.receive(depth(symbol, 1, 2), NOW_US)
        assert len(client.fetched(fetch.path, snapshot(2), NOW_US)) == 1
    assert kinds(client.receive(depth("BTCUSDT", 9, 9), NOW_US)) == ["gap", "Fetch"]
    assert kinds(client.receive(depth("ETHUSDT", 3, 3), NOW_US)) == ["BookChange"]


def test_BINW_012_a_gap_among_kept_changes_forgets_what_lies_before_it() -> None:
    client, _ = spot((1, 10), (11, 20), (25, 30))
    assert numbers(client.fetched(SPOT_PATH, snapshot(15), NOW_US)) == []
    assert numbers(client.fetched(SPOT_PATH, snapshot(24), NOW_US)) == [24, (25, 30)]


def test_BINW_013_a_snapshot_that_is_too_old_is_asked_for_at_once_and_then_ever_later() -> None:
    client, _ = spot((150, 160))
    assert client.fetched(SPOT_PATH, snapshot(100), NOW_US) == [Fetch("BTCUSDT", SPOT_PATH)]
    assert client.fetched(SPOT_PATH, snapshot(100), NOW_US) == []
    asked = []
    last, at_us = 160, NOW_US
    for step in range(1, 2_000):
        at_us = NOW_US + step * 100_000
        out = client.receive(depth("BTCUSDT", last + 1, last + 1), at_us)
        last += 1
        if out:
            asked.append(step / 10)
            assert client.fetched(SPOT_PATH, snapshot(100), at_us) == []
    assert asked[:6] == [2.0, 6.0, 14.0, 30.0, 46.0, 62.0]
    assert numbers(client.fetched(SPOT_PATH, snapshot(last), at_us)) == [last]


def test_BINW_013_a_book_that_breaks_again_within_ten_seconds_is_asked_for_later() -> None:
    client, _ = spot((1, 10))
    client.fetched(SPOT_PATH, snapshot(10), NOW_US)
    assert kinds(client.receive(depth("BTCUSDT", 20, 20), NOW_US)) == ["gap", "Fetch"]
    client.fetched(SPOT_PATH, snapshot(20), NOW_US)
    assert kinds(client.receive(depth("BTCUSDT", 30, 30), NOW_US + 9_999_999)) == ["gap"]
    assert client.receive(depth("BTCUSDT", 31, 31), NOW_US + 11_999_998) == []
    assert kinds(client.receive(depth("BTCUSDT", 32, 32), NOW_US + 11_999_999)) == ["Fetch"]
    client.fetched(SPOT_PATH, snapshot(32), NOW_US + 12_000_000)
    assert kinds(client.receive(depth("BTCUSDT", 40, 40), NOW_US + 22_000_000)) == ["gap", "Fetch"]


def test_BINW_013_a_request_without_an_answer_is_made_again_after_thirty_seconds() -> None:
    client, _ = spot((1, 2))
    assert client.receive(depth("BTCUSDT", 3, 4), NOW_US + 29_999_999) == []
    assert kinds(client.receive(depth("BTCUSDT", 5, 6), NOW_US + 30_000_000)) == ["Fetch"]


def test_BINW_013_only_so_many_changes_are_kept() -> None:
    client, most = reader(BinanceSpotClient, "book"), binance_book.KEPT_MAX
    for number in range(most + 50):
        client.receive(depth("BTCUSDT", number, number), NOW_US)
    joined = client.fetched(SPOT_PATH, snapshot(49), NOW_US)
    assert numbers(joined) == [49, *((n, n) for n in range(50, most + 50))]
    again, _ = spot(*((number, number) for number in range(most + 50)))
    assert numbers(again.fetched(SPOT_PATH, snapshot(48), NOW_US)) == []


def test_BINW_013_a_snapshot_that_comes_twice_counts_once() -> None:
    client, _ = spot((1, 10))
    assert numbers(client.fetched(SPOT_PATH, snapshot(10), NOW_US)) == [10]
    assert client.fetched(SPOT_PATH, snapshot(8), NOW_US) == []
    assert kinds(client.receive(depth("BTCUSDT", 11, 12), NOW_US)) == ["BookChange"]


def test_BINW_015_the_same_change_twice_says_nothing_and_numbers_that_fall_are_a_gap() -> None:
    client, _ = spot((1, 10))
    client.fetched(SPOT_PATH, snapshot(10), NOW_US)
    assert numbers(client.receive(depth("BTCUSDT", 11, 20), NOW_US)) == [(11, 20)]
    assert client.receive(depth("BTCUSDT", 11, 20), NOW_US) == []
    assert kinds(client.receive(depth("BTCUSDT", 3, 4), NOW_US)) == ["gap", "Fetch"]
    client, _ = usdm((150, 160, 130))
    client.fetched(USDM_PATH, snapshot(155, time_ms=NOW_MS), NOW_US)
    assert client.receive(depth("BTCUSDT", 150, 160, 130), NOW_US) == []
    assert kinds(client.receive(depth("BTCUSDT", 1, 9, 0), NOW_US)) == ["gap", "Fetch"]


def test_BINW_015_a_snapshot_ahead_of_the_stream_waits_for_it_but_not_for_ever() -> None:
    client, _ = spot((1, 10))
    assert numbers(client.fetched(SPOT_PATH, snapshot(1_000_000), NOW_US)) == [1_000_000]
    counts = [
        kinds(client.receive(depth("BTCUSDT", number, number), NOW_US))
        for number in range(11, 11 + binance_book.OLD_MAX)
    ]
    assert counts[:-1] == [[]] * (binance_book.OLD_MAX - 1)
    assert counts[-1] == ["gap", "Fetch"]


@pytest.mark.parametrize("kind", [BinanceSpotClient, BinanceUsdmClient])
@pytest.mark.parametrize("seed", range(40))
def test_BINW_014_with_frames_lost_doubled_and_late_a_book_that_stands_is_the_venues_own(
    kind: type[BinanceClient], seed: int
) -> None:
    chance = random.Random(seed)
    venue = Venue("BTCUSDT", seed, is_futures=kind is BinanceUsdmClient)
    client, book = reader(kind, "book"), OrderBook()
    answers: deque[tuple[int, str, bytes]] = deque()
    old, compared, gaps = venue.snapshot(), 0, 0
    is_whole = False

    def take(messages: list[Message], step: int) -> None:
        nonlocal gaps, is_whole
        for message in messages:
            if isinstance(message, Fetch):
                # One answer in three is an old one out of a cache.
                body = old if chance.random() < 0.3 else venue.snapshot()
                answers.append((step + chance.randint(0, 9), message.path, body))
            elif isinstance(message, (BookSnapshot, BookChange)):
                assert book.apply(message, NOW_US) == "applied"
                is_whole = True
            else:
                assert message.kind in ("gap", "heartbeat")
                gaps += 1
                is_whole = False

    for step in range(1_500):
        now_us = NOW_US + step * 100_000
        for _ in range(len(answers)):
            due, path, body = answers.popleft()
            if due <= step:
                take(client.fetched(path, body, now_us), step)
            else:
                answers.append((due, path, body))
        sent = venue.change()
        fate = chance.random()
        if fate < 0.005:
            continue
        take(client.receive(sent, now_us), step)
        if fate > 0.98:
            take(client.receive(sent, now_us), step)
        if fate > 0.8:
            old = venue.snapshot()
        if is_whole:
            assert levels_of(book) == venue.truth[book.sequence]
            compared += 1
    assert gaps >= 1
    assert compared >= 700


@pytest.mark.parametrize("kind", CLIENTS)
def test_BINW_003_a_quiet_market_has_its_book_as_soon_as_the_list_is_there(
    kind: type[BinanceClient],
) -> None:
    client = reader(kind, "book")
    symbol = "BTCUSD_PERP" if kind is BinanceCoinmClient else "BTCUSDT"
    *_, fetch = client.receive(listing(f"{symbol.lower()}@depth@100ms"), NOW_US)
    out = client.fetched(fetch.path, snapshot(7, [["99", "1"]], [["101", "2"]]), NOW_US)
    assert kinds(out) == ["BookSnapshot"]
    assert client.receive(listing(f"{symbol.lower()}@depth@100ms"), NOW_US)[0].kind == "heartbeat"
