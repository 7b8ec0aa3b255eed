"""The order book of a market: right levels, broken when it must be, whole again when it can be."""

from __future__ import annotations

import json
import lzma
import math
from bisect import bisect_right
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds.live.messages import BookChange, BookSnapshot
from steelyard.feeds.live.order_book import WAITING_MAX, OrderBook

PRICES = st.integers(1, 40).map(lambda n: n / 4)
QUANTITIES = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 7.0])
LEVELS = st.lists(st.tuples(PRICES, QUANTITIES), max_size=12)
Levels = list[tuple[float, float]]


def snapshot(
    bids: Levels | None = None, asks: Levels | None = None, *, time_us: int = 1, sequence: int = -1
) -> BookSnapshot:
    """Return a book of one level a side, or what is given."""
    return BookSnapshot(
        "X",
        [(99.0, 1.0)] if bids is None else bids,
        [(101.0, 1.0)] if asks is None else asks,
        time_us,
        sequence,
    )


def change(
    first: int = -1, last: int = -1, previous: int = -1, *, bids: Levels | None = None,
    asks: Levels | None = None, time_us: int = 2, checksum: int | None = None,
) -> BookChange:  # fmt: skip
    """Return a change; without levels it is empty."""
    return BookChange("X", bids or [], asks or [], time_us, first, last, previous, checksum)


def test_OBOK_001_worked_changes() -> None:
    book = OrderBook()
    whole = snapshot([(99.0, 1.0), (98.0, 2.0)], [(101.0, 3.0), (103.0, 4.0)])
    assert book.apply(whole) == "applied"
    step = change(bids=[(98.0, 0.0), (98.5, 5.0)], asks=[(100.5, 6.0), (101.0, 2.5), (250.0, 0.0)])
    assert book.apply(step) == "applied"
    assert book.top(2) == ([(99.0, 1.0), (98.5, 5.0)], [(100.5, 6.0), (101.0, 2.5)])
    assert book.columns(1) == ([99.0], [1.0], [100.5], [6.0])
    assert (book.best_bid, book.best_ask, book.level_counts) == (99.0, 100.5, (2, 3))


@given(LEVELS, LEVELS, st.lists(st.tuples(LEVELS, LEVELS), max_size=20), st.integers(1, 50))
def test_OBOK_002_levels_are_those_of_a_plain_table(
    bids: Levels, asks: Levels, steps: list[tuple[Levels, Levels]], n: int
) -> None:
    book = OrderBook()
    book.apply(snapshot(bids, asks))
    tables = dict(bids), dict(asks)
    for step_bids, step_asks in steps:
        assert book.apply(change(bids=step_bids, asks=step_asks)) == "applied"
        tables[0].update(step_bids)
        tables[1].update(step_asks)
    held = [sorted((p, q) for p, q in table.items() if q > 0.0) for table in tables]
    assert book.top(n) == (held[0][::-1][:n], held[1][:n])
    assert book.level_counts == (len(held[0]), len(held[1]))


@pytest.mark.parametrize(
    ("held", "first", "last", "previous", "outcome"),
    [
        (7, 8, 9, -1, "applied"), (7, 5, 9, -1, "applied"), (7, 9, 9, -1, "gap"),
        (7, 3, 7, -1, "old"), (7, -1, 8, -1, "applied"), (7, -1, 9, -1, "gap"),
        (7, 20, 29, 7, "applied"), (7, 4, 9, 3, "applied"), (7, 12, 19, 9, "gap"),
        (7, 3, 6, 2, "old"), (7, -1, 3, 7, "applied"), (7, -1, 7, 7, "applied"),
        (-1, 50, 60, -1, "applied"), (7, -1, -1, -1, "applied"),
    ],
)  # fmt: skip
def test_OBOK_003_numbers_after_a_snapshot(
    held: int, first: int, last: int, previous: int, outcome: str
) -> None:
    book = OrderBook()
    book.apply(snapshot(sequence=held))
    assert book.apply(change(first, last, previous)) == outcome
    assert book.is_intact == (outcome != "gap")
    assert book.broken_by == ("gap" if outcome == "gap" else "")


def test_OBOK_003_between_two_changes_the_stated_number_has_to_be_the_books_own() -> None:
    book = OrderBook()
    book.apply(snapshot(sequence=7))
    assert book.apply(change(4, 9, 3)) == "applied"
    assert book.apply(change(9, 12, 8)) == "gap"


def test_OBOK_004_nothing_is_taken_after_a_gap_until_a_snapshot_joins() -> None:
    book = OrderBook()
    book.apply(snapshot(sequence=7))
    assert book.apply(change(9, 9, bids=[(99.5, 9.0)])) == "gap"
    assert book.apply(change(10, 10, bids=[(99.6, 10.0)])) == "waiting"
    assert book.apply(change(11, 12, bids=[(99.7, 12.0)])) == "waiting"
    assert book.best_bid == 99.0
    assert book.apply(snapshot(sequence=10)) == "applied"
    assert (book.is_intact, book.sequence, book.best_bid, book.gaps) == (True, 12, 99.7, 1)
    assert dict(book.top(9)[0]) == {99.0: 1.0, 99.7: 12.0}


def test_OBOK_004_snapshot_older_than_what_waits_does_not_join() -> None:
    book = OrderBook()
    for number in (20, 21, 22):
        assert book.apply(change(number, number, number - 1)) == "waiting"
    assert book.apply(snapshot(sequence=15)) == "gap"
    assert not book.is_intact
    assert book.apply(snapshot(sequence=20)) == "applied"
    assert (book.is_intact, book.sequence) == (True, 22)


def test_OBOK_004_what_waits_is_bounded() -> None:
    book = OrderBook()
    for number in range(3 * WAITING_MAX):
        book.apply(change(number, number, bids=[(1.0 + number, 1.0)]))
    assert book.apply(snapshot(sequence=WAITING_MAX)) == "gap"
    assert book.apply(snapshot(sequence=3 * WAITING_MAX - 10)) == "applied"
    assert book.sequence == 3 * WAITING_MAX - 1


def test_OBOK_005_repeats_change_nothing() -> None:
    book = OrderBook()
    book.apply(snapshot(sequence=7))
    step = change(8, 8, bids=[(99.5, 3.0)])
    assert [book.apply(step), book.apply(change(9, 9, bids=[(99.5, 4.0)])), book.apply(step)] == [
        "applied", "applied", "old",
    ]  # fmt: skip
    assert book.top(1)[0] == [(99.5, 4.0)]


def test_OBOK_006_venue_that_counts_afresh_is_followed() -> None:
    book = OrderBook()
    book.apply(snapshot(sequence=1_000))
    assert book.apply(change(1_002, 1_002)) == "gap"
    assert book.apply(snapshot(sequence=1)) == "applied"
    assert book.apply(change(2, 2)) == "applied"


def test_OBOK_006_lost_connection_needs_a_snapshot() -> None:
    book = OrderBook()
    book.apply(snapshot(sequence=7))
    book.lose("no connection")
    assert (book.is_intact, book.broken_by, book.gaps) == (False, "no connection", 1)
    assert book.apply(change(8, 8)) == "waiting"
    assert book.apply(snapshot(sequence=7)) == "applied"
    assert (book.broken_by, book.sequence) == ("", 8)


def test_OBOK_007_book_without_numbers_takes_what_comes_after_its_snapshot() -> None:
    book = OrderBook()
    assert book.apply(change(bids=[(5.0, 1.0)])) == "old"
    book.apply(snapshot())
    assert book.apply(change(bids=[(100.0, 1.0)])) == "applied"
    assert book.best_bid == 100.0


def test_OBOK_008_other_checksum_breaks_the_book() -> None:
    book = OrderBook(checksum=lambda each: round(sum(p * q for p, q in each.top(2)[0])))
    book.apply(snapshot())
    assert book.apply(change(bids=[(99.5, 2.0)], checksum=298)) == "applied"
    assert book.apply(change(bids=[(99.5, 3.0)])) == "applied"
    assert book.apply(change(bids=[(99.5, 4.0)], checksum=498)) == "checksum"
    assert (book.is_intact, book.broken_by) == (False, "checksum")


@pytest.mark.parametrize(
    "level",
    [(math.nan, 1.0), (math.inf, 1.0), (0.0, 1.0), (-5.0, 1.0), (5.0, math.nan), (5.0, math.inf), (5.0, -1.0)],
)  # fmt: skip
def test_OBOK_009_number_that_is_none_breaks_the_book(level: tuple[float, float]) -> None:
    for is_bid in (True, False):
        bids, asks = ([level], []) if is_bid else ([], [level])
        book = OrderBook()
        assert book.apply(snapshot(bids, asks)) == "malformed"
        assert not book.is_intact
        assert book.apply(snapshot()) == "applied"
        assert book.apply(change(bids=bids, asks=asks)) == "malformed"
        assert not book.is_intact
        assert book.apply(snapshot()) == "applied"
        assert book.top(3) == ([(99.0, 1.0)], [(101.0, 1.0)])


def test_OBOK_010_levels_are_bounded_and_what_was_let_go_stays_unknown() -> None:
    book = OrderBook(levels_max=2)
    book.apply(snapshot([(99.0, 1.0), (98.0, 1.0), (97.0, 1.0)], [(101.0, 1.0), (102.0, 1.0)]))
    assert book.level_counts == (2, 2)
    book.apply(change(asks=[(100.5, 1.0)]))
    book.apply(change(bids=[(99.0, 0.0), (97.0, 5.0)], asks=[(103.0, 1.0), (101.5, 2.0)]))
    assert book.top(3) == ([(98.0, 1.0)], [(100.5, 1.0), (101.0, 1.0)])
    assert not book.is_thin
    book.apply(change(bids=[(98.0, 0.0), (96.0, 1.0)]))
    assert (book.top(3)[0], book.is_thin) == ([], True)
    book.apply(snapshot())
    assert not book.is_thin


def test_OBOK_010_windowed_book_takes_back_what_its_venue_sends_again() -> None:
    book = OrderBook(levels_max=2, is_windowed=True)
    book.apply(snapshot([(99.0, 1.0), (98.0, 1.0)]))
    book.apply(change(bids=[(99.5, 1.0)]))
    assert book.top(3)[0] == [(99.5, 1.0), (99.0, 1.0)]
    book.apply(change(bids=[(99.5, 0.0), (98.0, 1.0)]))
    assert book.top(3)[0] == [(99.0, 1.0), (98.0, 1.0)]


@given(LEVELS, st.lists(LEVELS, max_size=20), st.integers(1, 6))
def test_OBOK_010_what_is_shown_is_the_best_of_the_whole_book(
    bids: Levels, steps: list[Levels], most: int
) -> None:
    whole, book = OrderBook(), OrderBook(levels_max=most)
    for message in [snapshot(bids, []), *[change(bids=step) for step in steps]]:
        whole.apply(message)
        book.apply(message)
        held = book.top(most)[0]
        assert held == whole.top(most)[0][: len(held)]


def test_OBOK_011_level_ages_from_the_last_change_of_its_quantity() -> None:
    book = OrderBook()
    levels = [(99.0, 1.0), (98.0, 2.0)]
    book.apply(snapshot(levels, [], time_us=10))
    book.apply(change(bids=[(99.0, 1.0), (98.0, 3.0)], time_us=20))
    assert book.changed_us(5) == ([10, 20], [])
    book.apply(snapshot([(99.0, 1.0), (98.0, 2.0)], [], time_us=30))
    assert book.changed_us(5) == ([10, 30], [])
    book.apply(change(bids=[(99.0, 0.0)], time_us=40))
    book.apply(change(bids=[(99.0, 1.0)], time_us=0), received_us=50)
    assert book.changed_us(1) == ([50], [])
    assert book.exchange_time_us == 50


def test_OBOK_012_crossed_and_near_levels() -> None:
    book = OrderBook()
    assert book.levels_within(1.0) == ([], [])
    book.apply(snapshot([(99.0, 1.0), (95.0, 2.0)], [(101.0, 1.0), (105.0, 2.0), (105.1, 3.0)]))
    assert not book.is_crossed
    assert book.levels_within(0.05) == (
        [(99.0, 1.0), (95.0, 2.0)],
        [(101.0, 1.0), (105.0, 2.0)],
    )
    book.apply(change(bids=[(101.0, 1.0)]))
    assert book.is_crossed
    book.apply(change(asks=[(101.0, 0.0)]))
    assert not book.is_crossed


def recorded(path: Path) -> tuple[list[BookSnapshot | BookChange], list[tuple[int, float, float]]]:
    """Return book messages and (number, bid, ask) of a recorded Binance feed, in order."""
    messages: list[BookSnapshot | BookChange] = []
    quotes: list[tuple[int, float, float]] = []

    def levels(rows: list[list[str]]) -> Levels:
        return [(float(price), float(quantity)) for price, quantity in rows]

    with lzma.open(path, "rt") as lines:
        for line in lines:
            frame = json.loads(line.split(" ", 1)[1])
            data = frame.get("data", frame)
            if "lastUpdateId" in data:
                number = data["lastUpdateId"]
                messages.append(
                    BookSnapshot("X", levels(data["bids"]), levels(data["asks"]), 0, number)
                )
            elif data.get("e") == "depthUpdate":
                time_us = 1_000 * data.get("T", data["E"])
                numbers = data["U"], data["u"], data.get("pu", -1)
                messages.append(
                    BookChange("X", levels(data["b"]), levels(data["a"]), time_us, *numbers)
                )
            elif "B" in data:
                quotes.append((data["u"], float(data["b"]), float(data["a"])))
    return messages, quotes


@pytest.mark.parametrize(
    ("name", "changes", "compared_with"),
    [("usdm_btcusdt", 6_551, 6_544), ("spot_btcusdt", 3_451, 3_449), ("cm_btcusd_perp", 26_847, 26_806)],
)  # fmt: skip
def test_OBOK_013_recorded_books_are_the_venues_own_at_every_number(
    market_data: Path, name: str, changes: int, compared_with: int
) -> None:
    path = market_data / "raw_messages" / f"binance_{name}_20240808.txt.xz"
    if not path.is_file():
        pytest.skip(f"no recorded feed {path.name}")
    messages, quotes = recorded(path)
    numbers = [number for number, _, _ in quotes]
    book, compared, wrong = OrderBook(), 0, 0
    for message in messages:
        book.apply(message)
        if not book.is_intact:
            continue
        at = bisect_right(numbers, book.sequence)
        if 0 < at < len(numbers):
            compared += 1
            wrong += (book.best_bid, book.best_ask) != quotes[at - 1][1:]
        assert not book.is_crossed
    assert len(messages) - 1 == changes
    assert (book.gaps, book.is_intact) == (0, True)
    assert compared == compared_with
    assert wrong == 0


def test_OBOK_013_every_lost_message_is_missed(market_data: Path) -> None:
    path = market_data / "raw_messages" / "binance_spot_btcusdt_20240808.txt.xz"
    if not path.is_file():
        pytest.skip(f"no recorded feed {path.name}")
    messages = recorded(path)[0][:400]
    for lost in range(10, len(messages) - 1, 3):
        book = OrderBook()
        outcomes = [book.apply(each) for at, each in enumerate(messages) if at != lost]
        assert outcomes[lost] == "gap"
        assert not book.is_intact
