"""Binance's clients over recorded feeds, where the files are at hand."""

from __future__ import annotations

import gzip
import lzma
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Fetch, Message, Quote
from steelyard.feeds.live.order_book import OrderBook
from steelyard.feeds.live.venues.binance import (
    BinanceCoinmClient,
    BinanceSpotClient,
    BinanceUsdmClient,
)
from steelyard.feeds.live.venues.binance_client import BinanceClient
from steelyard.quantities import InputError
from tests.feeds.live.venues.binance_roles import kinds, ready


class Spot(BinanceSpotClient):
    """Reads single fills, as the recording has them."""

    suffixes: ClassVar = BinanceSpotClient.suffixes | {"trades": "@trade"}


RAW: dict[str, object] = {"trades": "@trade", "quotes": "@bookTicker", "book": "@depth@0ms"}


class Usdm(BinanceUsdmClient):
    """Reads the recording's streams: single fills, and changes as soon as they happen."""

    suffixes: ClassVar = RAW
    routes: ClassVar = {}


class Coinm(BinanceCoinmClient):
    """As `Usdm`."""

    suffixes: ClassVar = RAW


RECORDINGS = [
    ("spot_btcusdt", Spot, "BTCUSDT", (28_040, 9_757, 3_449)),
    ("usdm_btcusdt", Usdm, "BTCUSDT", (66_089, 21_313, 6_547)),
    ("cm_btcusd_perp", Coinm, "BTCUSD_PERP", (19_136, 2_286, 26_824)),
]


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield receive time and frame."""
    with lzma.open(path) as lines:
        for line in lines:
            at_ns, _, frame = line.rstrip().partition(b" ")
            yield int(at_ns) // 1000, frame


@pytest.mark.parametrize(("name", "kind", "symbol", "counts"), RECORDINGS)
def test_BINW_034_the_rebuilt_book_has_the_best_bid_and_ask_of_the_venue_at_every_change(
    market_data: Path,
    name: str,
    kind: type[BinanceClient],
    symbol: str,
    counts: tuple[int, int, int],
) -> None:
    client = ready(kind(), *(Subscription(symbol, each) for each in ("trades", "quotes", "book")))
    book = OrderBook(20_000)
    tops: list[tuple[int, tuple[float, ...]]] = []
    told: list[tuple[int, tuple[float, ...]]] = []
    seen, path = Counter[str](), ""
    for at_us, frame in lines_of(market_data / "raw_messages" / f"binance_{name}_20240808.txt.xz"):
        is_answer = frame.startswith(b'{"lastUpdateId"')
        out = client.fetched(path, frame, at_us) if is_answer else client.receive(frame, at_us)
        seen.update(kinds(out))
        for message in out:
            if isinstance(message, Fetch):
                path = message.path
            elif isinstance(message, Quote):
                number = msgspec.json.decode(frame)["data"]["u"]
                told.append((number, msgspec.structs.astuple(message)[1:5]))
            elif isinstance(message, (BookSnapshot, BookChange)):
                assert book.apply(message, at_us) == "applied"
                (bid,), (ask,) = book.top(1)
                tops.append((book.sequence, (*bid, *ask)))
    assert seen == Counter(
        {"Fetch": 1, "BookSnapshot": 1}
        | dict(zip(("Quote", "Trade", "BookChange"), counts, strict=True))
    )
    # The best bid and ask told last at or before a change's number, which a later one must confirm.
    numbers = [number for number, _ in told]
    assert numbers == sorted(numbers)
    pairs = [
        (top, told[place - 1][1])
        for number, top in tops
        if 0 < (place := bisect_right(numbers, number)) < len(numbers)
    ]
    assert len(pairs) >= 0.99 * len(tops)
    assert [top for top, quoted in pairs if top != quoted] == []


@pytest.mark.parametrize(("name", "kind", "symbol", "counts"), RECORDINGS[:2])
def test_BINW_036_a_record_with_every_five_hundredth_change_lost_still_gives_the_same_book(
    market_data: Path,
    name: str,
    kind: type[BinanceClient],
    symbol: str,
    counts: tuple[int, int, int],
) -> None:
    whole, lossy = (ready(kind(), Subscription(symbol, "book")) for _ in range(2))
    book, again = OrderBook(20_000), OrderBook(20_000)
    changes, compared = 0, 0
    asked: list[str] = []
    seen = Counter[str]()

    def take(messages: list[Message], at_us: int) -> None:
        seen.update(kinds(messages))
        for message in messages:
            if isinstance(message, Fetch):
                asked.append(message.path)
            elif isinstance(message, (BookSnapshot, BookChange)):
                assert again.apply(message, at_us) == "applied"

    for at_us, frame in lines_of(market_data / "raw_messages" / f"binance_{name}_20240808.txt.xz"):
        is_answer = frame.startswith(b'{"lastUpdateId"')
        if not (is_answer or b"@depth" in frame[:40]):
            continue
        if is_answer:
            out = whole.fetched(asked[0], frame, at_us)
            take(lossy.fetched(asked.pop(), frame, at_us), at_us)
        else:
            out = whole.receive(frame, at_us)
            changes += 1
            if changes % 500 != 499:
                take(lossy.receive(frame, at_us), at_us)
        for message in out:
            if isinstance(message, (BookSnapshot, BookChange)):
                assert book.apply(message, at_us) == "applied"
        if asked and book.is_intact and changes % 7 == 0:
            bids, asks = book.top(20_000)
            told = {"lastUpdateId": book.sequence, "bids": bids, "asks": asks}
            take(lossy.fetched(asked.pop(), msgspec.json.encode(told), at_us), at_us)
        if again.sequence == book.sequence and book.is_intact:
            levels = 20_000 if changes % 250 == 0 else 20
            assert again.columns(levels) == book.columns(levels)
            compared += 1
    assert seen["gap"] == changes // 500
    assert seen["BookSnapshot"] == 1 + seen["gap"]
    assert compared > 0.95 * changes


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BINANCE", BinanceSpotClient),
        ("BINANCE_FUTURES", BinanceUsdmClient),
        ("BINANCE_DELIVERY", BinanceCoinmClient),
    ],
)
def test_BINW_035_frames_of_2021_are_read_and_streams_we_do_not_read_are_named(
    market_data: Path, name: str, kind: type[BinanceClient]
) -> None:
    folder = market_data / "raw_messages" / "cryptofeed"
    lines = gzip.decompress((folder / f"{name}.ws.1.0.txt.gz").read_bytes()).split(b"\n")
    frames = [line.partition(b": ")[2] for line in lines]
    frames = [frame for frame in frames if frame.startswith(b'{"stream"')]
    markets = {frame[11 : frame.index(b"@")].decode().upper() for frame in frames}
    channels = ("trades", "quotes", "book")
    together = type("Together", (kind,), {"routes": {}})
    client = ready(together(), *(Subscription(m, c) for m in sorted(markets) for c in channels))
    seen, errors = Counter[str](), list[str]()
    for number, frame in enumerate(frames):
        try:
            out: list[Message] = client.receive(frame, 1_627_000_000_000_000 + number)
        except InputError as error:
            errors.append(error.code)
            continue
        seen.update(kinds(out))
    assert errors in ([], ["WIRE-E01"])  # the last line of a recording may be cut
    expected = Counter(frame.partition(b'"data"')[0].split(b"@", 1)[1] for frame in frames[:-1])
    assert seen["Quote"] >= expected[b'bookTicker",'] > 50
    assert seen["Trade"] >= expected[b'aggTrade",'] > 0
    assert seen["malformed"] >= expected[b'kline_1m",'] > 0
    assert seen["Fetch"] >= len(markets) // 2
