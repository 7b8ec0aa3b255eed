"""Messages of several connections become the events of one engine."""

from __future__ import annotations

import subprocess
import sys
from math import nan
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.feeds.live.config import (
    BookRow,
    ConnectionRow,
    FeedsConfig,
    InstrumentRow,
    MarketRow,
    SourceRow,
)
from steelyard.feeds.live.driver import DriverRules, LiveDriver
from steelyard.feeds.live.health import ConnectionState, Health
from steelyard.feeds.live.messages import (
    BookChange,
    BookSnapshot,
    Message,
    OraclePrice,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.ticks import check_event
from steelyard.ticks.events import (
    BookTick,
    Event,
    OpenInterestTick,
    PriceBatch,
    PriceTick,
    QuoteTick,
    SourceListed,
    SourceStatus,
    TradeTick,
)

NOW_US = 1_800_000_000_000_000
MS = 1_000
SECOND_US = 1_000_000
ALL = ["trades", "quotes", "book", "reference"]
CONFIG = FeedsConfig(
    connections=[
        ConnectionRow("one", "okx", [MarketRow("BTC-USD", ALL), MarketRow("ETH-USD", ALL)]),  # type: ignore[arg-type]
        ConnectionRow("two", "kraken", [MarketRow("BTC/USD", ALL)]),  # type: ignore[arg-type]
    ],
    sources=[
        SourceRow("last", "BTC", "one", "BTC-USD", "trade", operator="a"),
        SourceRow("middle", "BTC", "two", "BTC/USD", "mid", operator="b"),
        SourceRow("index", "BTC", "two", "BTC/USD", "index", operator="c", kind="derivative"),
        SourceRow("eth", "ETH", "one", "ETH-USD", "trade", operator="a", quote="USDT"),
    ],
    instruments=[InstrumentRow("BTC-PERPETUAL", "two", "BTC/USD")],
    books=[
        BookRow("one-book", "BTC", "one", "BTC-USD", instrument="BTC-PERPETUAL", levels=2),
        BookRow("eth-book", "ETH", "one", "ETH-USD", quote="USDT"),
    ],
)
Kind = TypeVar("Kind", bound=Event)


class Desk:
    """A driver with a clock that runs on by itself, and short words for what comes in."""

    def __init__(self, config: FeedsConfig = CONFIG, **options: object) -> None:
        self.driver = LiveDriver(config, **options)  # type: ignore[arg-type]
        self.now_us = NOW_US
        for connection in config.connections:
            self.health(connection.name, "up")

    def health(self, name: str, state: ConnectionState) -> None:
        self.driver.on_health(Health(name, "venue", state, last_error="CONN-E03: gone"))

    def say(self, connection: str, *messages: Message) -> None:
        self.driver.on_messages(connection, list(messages), self.now_us)

    def trade(self, price: float, quantity: float = 1.0, *, is_buy: bool = True) -> None:
        self.say("one", Trade("BTC-USD", price, quantity, is_buy, self.now_us))

    def drain(self) -> list[Event]:
        self.now_us += MS
        events = self.driver.drain(self.now_us)
        for event in events:
            check_event(event)  # what goes out keeps every rule of the engine
        return events

    def only(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.drain() if isinstance(event, kind)]

    def states(self) -> dict[str, str]:
        return {event.source: event.state for event in self.only(SourceStatus)}


def quote(bid: float, ask: float, at_us: int = NOW_US) -> Quote:
    return Quote("BTC/USD", bid, 1.0, ask, 1.0, at_us)


# -- prices ----------------------------------------------------------------------------------------


def test_LIVE_020_one_price_is_a_tick_and_several_are_one_batch_in_the_order_of_last_words() -> (
    None
):
    desk = Desk()
    desk.trade(100.0)
    (tick,) = desk.only(PriceTick)
    assert (tick.source, tick.asset, tick.price, tick.quantity) == ("last", "BTC", 100.0, 1.0)
    assert tick.exchange_time_us == NOW_US
    desk.trade(101.0, 2.0)
    desk.say("two", quote(99.0, 102.0), Reference("BTC/USD", NOW_US + 5, 100.5, 7.0))
    desk.trade(103.0, 3.0)
    (batch,) = desk.only(PriceBatch)
    assert [(p.source, p.price, p.confidence, p.quantity) for p in batch.prices] == [
        ("middle", 100.5, 1.5, 0.0),
        ("index", 100.5, 0.0, 0.0),
        ("last", 103.0, 0.0, 5.0),
    ]
    counts = desk.driver.counts
    assert (counts.prices, counts.conflated, counts.batches) == (5, 1, 1)


def test_LIVE_021_nothing_of_the_last_word_of_any_source_is_lost_in_a_flood() -> None:
    desk = Desk()
    for number in range(1, 5_001):
        desk.trade(float(number))
        desk.say("two", quote(number, number + 2.0))
    (batch,) = desk.only(PriceBatch)
    assert [(p.source, p.price) for p in batch.prices] == [("last", 5000.0), ("middle", 5001.0)]
    assert desk.driver.counts.conflated == 2 * 4_999
    assert desk.driver.sources[0].conflated == 4_999
    assert desk.drain() == []


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 101.0), (99.0, 0.0), (102.0, 101.0), (nan, 101.0)])
def test_LIVE_022_a_mid_without_two_sides_that_do_not_cross_is_no_price(
    bid: float, ask: float
) -> None:
    desk = Desk()
    desk.say("two", quote(99.0, 101.0))
    desk.drain()
    desk.say("two", quote(bid, ask))
    events = desk.drain()
    assert [event.price for event in events if isinstance(event, PriceTick)] == [0.0]
    assert not any(isinstance(event, QuoteTick) for event in events)
    assert desk.driver.counts.unusable == 1


def test_LIVE_023_a_time_that_is_not_stated_is_that_of_receipt() -> None:
    desk = Desk()
    desk.say("one", Trade("BTC-USD", 5.0, 1.0, True, 0))
    (tick,) = desk.only(PriceTick)
    assert tick.exchange_time_us == NOW_US
    desk.say("one", Trade("BTC-USD", 5.0, 1.0, True, 10**18))
    assert desk.states() == {"last": "malformed"}


def test_LIVE_024_an_oracles_price_has_its_confidence() -> None:
    source = SourceRow("pyth", "BTC", "one", "BTC-USD", "oracle", operator="p", kind="oracle")
    desk = Desk(FeedsConfig(CONFIG.connections, [source]))
    desk.say("one", OraclePrice("BTC-USD", 100.0, 0.25, NOW_US))
    (tick,) = desk.only(PriceTick)
    assert (tick.price, tick.confidence) == (100.0, 0.25)


def test_LIVE_025_times_never_fall_and_numbers_rise_from_the_one_given() -> None:
    desk = Desk(first_seq=41, origin="feeds")
    events = desk.driver.listings(NOW_US)
    for step in (5, -3_000_000, 7):
        desk.now_us += step
        desk.trade(100.0)
        desk.say("two", quote(1.0, 2.0))
        events += desk.driver.drain(desk.now_us)
    assert [event.origin_seq for event in events] == list(range(41, 41 + len(events)))
    assert {event.origin for event in events} == {"feeds"}
    times = [event.time_us for event in events]
    assert times == sorted(times)


def test_LIVE_026_the_listings_state_every_source_as_configured() -> None:
    listed = Desk().driver.listings(NOW_US)
    assert len(listed) == 4
    last = listed[3]
    assert isinstance(last, SourceListed)
    assert (last.source, last.asset, last.operator, last.quote) == ("eth", "ETH", "a", "USDT")
    assert last.stale_after_us == 10 * SECOND_US
    for event in listed:
        check_event(event)


# -- what is known of the sources ------------------------------------------------------------------


def test_LIVE_030_a_source_is_down_until_its_own_first_price_and_after_every_reconnect() -> None:
    desk = Desk()
    assert desk.states() == dict.fromkeys(("last", "middle", "index", "eth"), "down")
    desk.trade(100.0)
    assert desk.states() == {"last": "up"}
    desk.say("two", quote(1.0, 2.0))
    assert desk.states() == {"middle": "up"}
    desk.health("two", "waiting")
    assert desk.states() == {"middle": "down"}
    desk.health("two", "open")
    assert desk.states() == {}
    desk.say("two", quote(1.0, 2.0))
    assert desk.states() == {"middle": "up"}


def test_LIVE_031_the_reason_of_a_lost_connection_is_told() -> None:
    desk = Desk()
    desk.trade(1.0)
    desk.drain()
    desk.health("one", "waiting")
    (status,) = desk.only(SourceStatus)
    assert (status.state, status.reason) == ("down", "no connection: CONN-E03: gone")


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("gap", "gap"), ("unverified", "unverified"), ("malformed", "malformed"),
        ("refused", "down"), ("clock", "clock"),
    ],
)  # fmt: skip
def test_LIVE_032_what_a_venue_says_of_a_market_is_told_until_the_next_price(
    kind: str, state: str
) -> None:
    desk = Desk()
    desk.trade(1.0)
    desk.drain()
    desk.say("one", Status("BTC-USD", kind, "why"))
    assert desk.states() == {"last": state}
    desk.say("one", Trade("ETH-USD", 5.0, 1.0, True, desk.now_us))
    assert desk.states() == {"eth": "up"}
    desk.trade(2.0)
    assert desk.states() == {"last": "up"}


def test_LIVE_033_a_halt_ends_when_the_venue_says_so_and_not_with_a_price() -> None:
    desk = Desk()
    desk.trade(1.0)
    desk.drain()
    desk.say("one", Status("", "halted", "platform locked"))
    desk.trade(2.0)
    assert desk.states() == {"last": "halted"}
    desk.trade(3.0)
    assert desk.states() == {}
    desk.say("one", Status("BTC-USD", "subscribed", "open"))
    assert desk.states() == {"last": "up"}


def test_LIVE_034_one_unreadable_frame_is_counted_and_three_in_a_row_are_a_malformed_feed() -> None:
    desk = Desk()
    desk.trade(1.0)
    desk.drain()
    bad = Status("", "malformed", "WIRE-E01")
    desk.say("one", bad, bad)
    assert desk.states() == {}
    desk.trade(1.0)
    desk.say("one", bad, bad)
    assert desk.states() == {}
    desk.say("one", bad)
    assert desk.states() == {"last": "malformed"}
    desk.trade(1.0)
    assert desk.states() == {"last": "up"}


def test_LIVE_035_a_clock_an_hour_off_takes_its_source_out_until_it_is_mended() -> None:
    desk = Desk()
    seen: list[str] = []

    def run(seconds: int, off_us: int) -> None:
        for _ in range(seconds):
            desk.now_us += SECOND_US
            desk.say("one", Trade("BTC-USD", 100.0, 1.0, True, desk.now_us + off_us))
            seen.extend(desk.states().values())

    run(10, 0)
    run(30, 3600 * SECOND_US)
    run(30, -1_000)
    assert [state for state in seen if state != "down"] == ["up", "clock", "up"]
    skew_us = desk.driver.sources[0].skew_us
    assert skew_us is not None
    assert abs(skew_us) < 10_000


def test_LIVE_036_only_the_worst_of_several_faults_is_told() -> None:
    desk = Desk()
    desk.trade(1.0)
    desk.drain()
    desk.say(
        "one", Status("BTC-USD", "gap"), Status("BTC-USD", "halted"), Status("BTC-USD", "malformed")
    )
    assert desk.states() == {"last": "malformed"}
    desk.trade(1.0)
    assert desk.states() == {"last": "halted"}


def test_LIVE_037_a_message_about_an_unknown_market_is_counted_and_nothing_else() -> None:
    desk = Desk()
    desk.drain()
    desk.say("one", Trade("DOGE-USD", 1.0, 1.0, True, 5), Status("DOGE-USD", "halted"))
    desk.say("nobody", Trade("BTC-USD", 1.0, 1.0, True, 5), Status("", "gap"))
    assert desk.drain() == []
    assert desk.driver.counts.unknown == 3


# -- books, quotes, trades, open interest ----------------------------------------------------------


def snapshot(bid: float, ask: float, sequence: int, at_us: int = NOW_US) -> BookSnapshot:
    return BookSnapshot(
        "BTC-USD",
        [(bid, 1.0), (bid - 1.0, 2.0), (bid - 2.0, 3.0)],
        [(ask, 4.0), (ask + 1.0, 5.0)],
        at_us,
        sequence,
    )


def change(sequence: int, bid: float, quantity: float) -> BookChange:
    return BookChange("BTC-USD", [(bid, quantity)], [], NOW_US + sequence, sequence, sequence)


def test_LIVE_040_a_book_is_told_with_its_levels_at_most_once_in_its_interval() -> None:
    desk = Desk()
    desk.say("one", snapshot(100.0, 101.0, 7))
    (book,) = desk.only(BookTick)
    assert (book.source, book.instrument, book.is_intact) == ("one-book", "BTC-PERPETUAL", True)
    assert (book.bid_prices, book.bid_quantities) == ([100.0, 99.0], [1.0, 2.0])
    assert (book.ask_prices, book.ask_quantities) == ([101.0, 102.0], [4.0, 5.0])
    told = []
    for sequence in range(8, 1_008):  # a thousand changes in a second
        desk.say("one", change(sequence, 100.0, float(sequence)))
        told += desk.only(BookTick)
    assert len(told) == 4
    assert [book.bid_quantities[0] for book in told] == [257.0, 507.0, 757.0, 1007.0]
    desk.say("one", change(1_008, 99.5, 7.0))
    assert desk.only(BookTick) == []
    desk.now_us += SECOND_US
    (last,) = desk.only(BookTick)
    assert last.bid_prices == [100.0, 99.5]
    assert desk.driver.counts.books_conflated == 1_000 - 4


def test_LIVE_041_a_book_that_breaks_is_told_at_once_and_again_when_it_is_whole() -> None:
    desk = Desk()
    desk.say("one", snapshot(100.0, 101.0, 7))
    desk.drain()
    desk.say("one", change(9, 100.0, 5.0))
    assert [book.is_intact for book in desk.only(BookTick)] == [False]
    desk.say("one", snapshot(100.0, 101.0, 20))
    assert [book.is_intact for book in desk.only(BookTick)] == [True]
    desk.health("one", "waiting")
    assert [book.is_intact for book in desk.only(BookTick)] == [False]
    desk.say("one", snapshot(100.0, 101.0, 3))
    assert [book.is_intact for book in desk.only(BookTick)] == [True]
    desk.say("one", Status("BTC-USD", "gap", "missing"))
    assert [book.is_intact for book in desk.only(BookTick)] == [False]


def test_LIVE_042_prices_in_another_currency_are_told_in_usd_once_its_rate_is_known() -> None:
    rates: dict[str, float | None] = {"USD": 1.0, "USDT": None}
    desk = Desk(usd_of=rates.get)
    messages = (
        BookSnapshot("ETH-USD", [(2000.0, 1.0)], [(2002.0, 1.0)], NOW_US, 1),
        Trade("ETH-USD", 2000.0, 3.0, False, NOW_US),
    )
    desk.say("one", *messages)
    kinds = {type(event) for event in desk.drain()}
    assert kinds == {SourceStatus, PriceTick}
    assert desk.driver.counts.unusable == 2
    rates["USDT"] = 0.5
    desk.say("one", *messages)
    desk.now_us += SECOND_US
    events = desk.drain()
    (book,) = (event for event in events if isinstance(event, BookTick))
    (trade,) = (event for event in events if isinstance(event, TradeTick))
    (price,) = (event for event in events if isinstance(event, PriceTick))
    assert (book.bid_prices, book.ask_prices) == ([1000.0], [1001.0])
    assert (trade.price, trade.quantity) == (1000.0, -3.0)
    assert price.price == 2000.0  # a source speaks in its own currency


def test_LIVE_043_of_quotes_the_last_one_is_told() -> None:
    desk = Desk()
    desk.say("two", quote(99.0, 101.0), quote(100.0, 102.0, NOW_US + 4))
    (told,) = desk.only(QuoteTick)
    assert (told.instrument, told.bid, told.ask) == ("BTC-PERPETUAL", 100.0, 102.0)
    assert told.exchange_time_us == NOW_US + 4
    assert desk.driver.counts.quotes_conflated == 1


def test_LIVE_044_trades_are_told_one_by_one_and_added_up_beyond_the_limit() -> None:
    desk = Desk(rules=DriverRules(trades_max=3))
    for number in range(1, 8):
        desk.trade(100.0 + number, float(number), is_buy=number % 2 == 1)
    ticks = desk.only(TradeTick)
    assert [(t.price, t.quantity) for t in ticks[:3]] == [(101.0, 1.0), (102.0, -2.0), (103.0, 3.0)]
    sells, buys = ticks[3:]
    assert (sells.quantity, buys.quantity) == (-10.0, 12.0)
    assert sells.price == (104.0 * 4.0 + 106.0 * 6.0) / 10.0
    assert buys.price == (105.0 * 5.0 + 107.0 * 7.0) / 12.0
    assert desk.driver.counts.trades_merged == 4
    assert desk.only(TradeTick) == []


def test_LIVE_045_open_interest_is_told_for_followed_books() -> None:
    desk = Desk()
    for value in (5.0, -1.0, 6.0, nan):
        desk.say("one", Reference("BTC-USD", NOW_US, open_interest=value))
    (told,) = desk.only(OpenInterestTick)
    assert (told.source, told.open_interest, told.is_own) == ("one-book", 6.0, False)
    assert desk.driver.counts.unusable == 2


def test_LIVE_046_statuses_come_before_books_quotes_and_trades_and_prices_come_last() -> None:
    desk = Desk()
    desk.trade(100.0)
    desk.say("two", quote(1.0, 2.0))
    desk.say("one", snapshot(100.0, 101.0, 7), Reference("BTC-USD", NOW_US, open_interest=1.0))
    kinds = [type(event).__name__ for event in desk.drain()]
    assert list(dict.fromkeys(kinds)) == [
        "SourceStatus", "BookTick", "QuoteTick", "TradeTick", "OpenInterestTick", "PriceBatch",
    ]  # fmt: skip


# -- whatever comes --------------------------------------------------------------------------------

numbers = st.floats() | st.sampled_from([0.0, -1.0, 1e-300, 1e13, 1e308, 100.0])
times = st.integers(-(2**62), 2**62) | st.just(NOW_US) | st.just(0)
markets = st.sampled_from(["BTC-USD", "ETH-USD", "BTC/USD", "", "X"])
levels = st.lists(st.tuples(numbers, numbers), max_size=4)
sequences = st.integers(-1, 8)
kinds = st.sampled_from(
    "subscribed refused halted gap restart clock unverified malformed x".split()
)
messages = st.one_of(
    st.builds(Trade, markets, numbers, numbers, st.booleans(), times),
    st.builds(Quote, markets, numbers, numbers, numbers, numbers, times),
    st.builds(BookSnapshot, markets, levels, levels, times, sequences),
    st.builds(BookChange, markets, levels, levels, times, sequences, sequences, sequences),
    st.builds(Reference, markets, times, *[st.none() | numbers] * 4),
    st.builds(OraclePrice, markets, numbers, numbers, times),
    st.builds(Status, markets, kinds, st.text(max_size=500)),
)


def steps() -> st.SearchStrategy[list[tuple[str, list[Message] | str]]]:
    states = st.sampled_from("connecting open up waiting stopped".split())
    names = st.sampled_from(["one", "two"])
    return st.lists(st.tuples(names, states | st.lists(messages, max_size=6)), max_size=12)


@settings(max_examples=150)
@given(steps())
def test_LIVE_050_whatever_comes_every_event_keeps_the_rules_of_the_engine(
    story: list[tuple[str, list[Message] | str]],
) -> None:
    desk = Desk(usd_of=lambda quote: 1.0 if quote == "USD" else 0.999)
    events: list[Event] = []
    for name, what in story:
        if isinstance(what, str):
            desk.health(name, what)  # type: ignore[arg-type]
        else:
            desk.say(name, *what)
        events += desk.drain()
    desk.now_us += SECOND_US
    events += desk.drain()
    numbers_seen = [event.origin_seq for event in events]
    assert numbers_seen == list(range(1, len(events) + 1))
    assert all(msgspec.msgpack.encode(event) for event in events)


def test_LIVE_051_document_driver_and_recordings_need_no_package_for_sockets() -> None:
    names = "config driver raw_log text_log registry skew source_state".split()
    program = "import sys\nsys.modules['aiohttp'] = None\n" + "\n".join(
        f"import steelyard.feeds.live.{name}" for name in names
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
