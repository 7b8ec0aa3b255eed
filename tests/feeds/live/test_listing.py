"""When assets of live feeds are listed, and what becomes of what came before."""

from __future__ import annotations

import msgspec
import pytest

from steelyard.cli.run_live import past_of
from steelyard.engine import Engine
from steelyard.feeds.live.config import (
    BookRow,
    ConnectionRow,
    FeedsConfig,
    InstrumentRow,
    PerpetualRow,
    SourceRow,
)
from steelyard.feeds.live.listing import LiveListing
from steelyard.quantities import InputError
from steelyard.terms import load_method
from steelyard.ticks import encode_event
from steelyard.ticks.events import (
    AssetListed,
    BookTick,
    Event,
    InstrumentsListed,
    PriceBatch,
    PriceTick,
    QuoteTick,
    SourceListed,
    SourcePrice,
    SourceStatus,
    TimeTick,
    TradeTick,
)

START_US = 1_800_000_000_400_000
SECOND_US = 1_000_000
LINEAR = "BTC_USDC-PERPETUAL"


def config(**changed: object) -> FeedsConfig:
    whole = FeedsConfig(
        [ConnectionRow("c", "kraken", [])],
        [
            SourceRow("a", "BTC", "c", "m", "trade"),
            SourceRow("b", "BTC", "c", "m", "mid", operator="other"),
            SourceRow("e", "ETH", "c", "n", "trade"),
        ],
        [InstrumentRow(LINEAR, "c", "m")],
        perpetuals=[PerpetualRow("BTC")],
    )
    return msgspec.structs.replace(whole, **changed)


def listed(rows: FeedsConfig, at_us: int = START_US) -> list[Event]:
    return [
        SourceListed(at_us, "x", 1, row.name, row.asset, row.operator or "kraken", 1, 10_000_000,
                     quote=row.quote)
        for row in rows.sources
    ]  # fmt: skip


def tick(at_us: int, source: str, asset: str, price: float) -> PriceTick:
    return PriceTick(at_us, "x", 9, source, asset, price, at_us)


def names(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_FCLI_050_an_asset_is_listed_once_all_of_its_sources_have_spoken() -> None:
    rows = config()
    listing = LiveListing(rows)
    assert list(listing.take(listed(rows))) == []
    assert list(listing.take([tick(START_US, "a", "BTC", 60_000.0)])) == []
    assert not listing.is_open(START_US)
    status = SourceStatus(START_US, "x", 3, "a", "BTC", "up", "", START_US)
    book = BookTick(START_US, "x", 4, "k", "BTC", "", [1.0], [1.0], [2.0], [1.0], START_US)
    trade = TradeTick(START_US, "x", 5, "k", "BTC", 1.0, 1.0, START_US)
    quote = QuoteTick(START_US, "x", 6, LINEAR, 59_999.0, 60_001.0, START_US)
    out = list(listing.take([status, book, trade, quote, tick(START_US + 1, "b", "BTC", 60_100.0)]))
    assert names(out) == [
        "AssetListed", "SourceListed", "SourceListed", "InstrumentsListed", "SourceStatus", "PriceBatch",
        "BookTick", "QuoteTick",
    ]  # fmt: skip
    assert isinstance(out[5], PriceBatch)
    assert [price.source for price in out[5].prices] == ["a", "b"]
    assert listing.pending == ["ETH"]
    # Numbers rise, times never fall, and an engine takes them all.
    assert [event.origin_seq for event in out] == list(range(1, len(out) + 1))
    engine = Engine(load_method(None))
    for event in out:
        engine.submit(event)
    assert engine.market.index_price(engine.market.asset_slots["BTC"]) == 60_050.0


def prices_of_both(at_us: int, price: float) -> list[Event]:
    return [tick(at_us, "a", "BTC", price), tick(at_us + 1, "b", "BTC", price)]


def test_FCLI_056_an_engine_that_goes_on_keeps_what_it_has_listed() -> None:
    rows = config(sources=config().sources[:2])
    engine = Engine(load_method(None))
    for event in LiveListing(rows).take(listed(rows) + prices_of_both(START_US, 60_000.0)):
        engine.submit(event)
    before = engine.market.assets[1], dict(engine.market.instrument_slots)
    # A day later at a tenth of the price, which alone would choose other scales; and one contract more.
    later = START_US + 86_400 * SECOND_US
    more = msgspec.structs.replace(
        rows, perpetuals=[*rows.perpetuals, PerpetualRow("BTC", is_inverse=True, contract_usd=100)]
    )
    past = past_of(engine, later)
    assert (past.seq, past.time_us) == (engine.origin_seqs["live"], engine.market.time_us)
    out = list(
        LiveListing(more, past=past).take(listed(more, later) + prices_of_both(later, 6_000.0))
    )
    assert names(out) == ["SourceListed", "SourceListed", "InstrumentsListed", "PriceBatch"]
    assert isinstance(out[2], InstrumentsListed)
    assert [each.name for each in out[2].instruments] == ["BTC-PERPETUAL"]
    for event in out:
        engine.submit(event)
    assert engine.market.assets[1] == before[0]
    assert engine.market.instrument_slots == before[1] | {"BTC-PERPETUAL": len(before[1])}
    assert engine.market.index_price(1) == 60_000.0  # so large a jump has to hold first
    again = past_of(engine, later + 5)
    changed = msgspec.structs.replace(
        more, perpetuals=[*rows.perpetuals, PerpetualRow("BTC", is_inverse=True, contract_usd=10)]
    )
    with pytest.raises(InputError) as other:
        list(
            LiveListing(changed, past=again).take(
                listed(changed, later) + prices_of_both(later + 2, 6_000.0)
            )
        )
    assert (other.value.code, other.value.where["field"]) == ("FCLI-E08", "contract_usd")
    with pytest.raises(InputError) as ahead:
        past_of(engine, START_US)
    assert ahead.value.code == "FCLI-E08"


def test_FCLI_051_after_the_wait_those_that_spoke_are_enough_and_the_late_one_follows() -> None:
    rows = config()
    listing = LiveListing(rows, wait_us=2 * SECOND_US)
    list(listing.take(listed(rows)))
    assert list(listing.take([tick(START_US + 1, "a", "BTC", 60_000.0)])) == []
    later = START_US + 2 * SECOND_US
    out = list(listing.take([tick(later, "a", "BTC", 60_001.0)]))
    assert names(out)[:3] == ["TimeTick", "TimeTick", "AssetListed"]
    assert listing.is_open(later)
    batch = PriceBatch(later + 5, "x", 1, [SourcePrice("a", "BTC", 1.0, later, 0.0, 0.0),
                                          SourcePrice("e", "ETH", 3_000.0, later, 0.0, 0.0)])  # fmt: skip
    out = list(listing.take([batch]))
    assert names(out) == ["PriceBatch", "AssetListed", "SourceListed", "PriceBatch"]
    assert isinstance(out[0], PriceBatch)
    assert [price.source for price in out[0].prices] == ["a"]
    assert listing.pending == []


def test_FCLI_052_every_whole_second_is_told_once_and_before_what_came_after_it() -> None:
    rows = config()
    listing = LiveListing(rows)
    assert list(listing.seconds(START_US)) == []
    list(listing.take(listed(rows)))
    out = list(listing.seconds(START_US + 3 * SECOND_US))
    first = 1_800_000_001_000_000
    assert out == [
        TimeTick(first + n * SECOND_US, "clock", first + n * SECOND_US) for n in range(3)
    ]
    assert list(listing.seconds(START_US)) == []


def test_FCLI_053_a_quote_currency_is_listed_first_at_one_usd() -> None:
    usdt = [SourceRow("u", "USDT", "c", "u", "trade"), SourceRow("v", "USDT", "c", "v", "trade")]
    rows = config(
        sources=[SourceRow("a", "BTC", "c", "m", "trade", quote="USDT"), *usdt], instruments=[]
    )
    listing = LiveListing(rows)
    out = list(listing.take([*listed(rows), tick(START_US, "a", "BTC", 60_000.0)]))
    assert [e.asset.name for e in out if isinstance(e, AssetListed)] == ["USDT"]
    out = list(listing.take([tick(START_US + 1, "a", "BTC", 60_000.0)]))
    assert names(out)[0] == "AssetListed"
    assert any(isinstance(event, InstrumentsListed) for event in out)


def test_FCLI_054_the_same_events_in_give_the_same_events_out() -> None:
    def run() -> list[bytes]:
        rows = config()
        listing = LiveListing(rows)
        out = [*listing.take(listed(rows))]
        for number in range(50):
            at_us = START_US + number * 137_000
            out += listing.take([tick(at_us, "ab"[number % 2], "BTC", 60_000.0 + number)])
        return [encode_event(event) for event in out]

    assert run() == run()
    assert len(run()) > 50


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"sources": [SourceRow("a", "BTC", "c", "m", "trade", quote="USDT")]}, "quote"),
        ({"instruments": [InstrumentRow("BTC-PERPETUAL", "c", "m")]}, "instrument"),
        ({"books": [BookRow("k", "SOL", "c", "m")]}, "asset"),
        ({"books": [BookRow("k", "BTC", "c", "m", "SOL_USDC-PERPETUAL")]}, "instrument"),
        ({"books": [BookRow("k", "BTC", "c", "m", quote="EUR")]}, "quote"),
    ],
)
def test_FCLI_055_what_an_engine_could_not_take_is_refused_before_it_starts(
    changed: dict[str, object], field: str
) -> None:
    with pytest.raises(InputError, match="FCLI-E04") as caught:
        LiveListing(config(**changed))
    assert caught.value.where["field"] == field
