"""Recorded wicks: a price that stood in the record of a venue, as one source among others and alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from steelyard.actions import Closed, StateChanged
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.terms import AccountRecord, Asset, Instrument, PositionRecord
from steelyard.ticks import AccountsLoaded, AssetListed, InstrumentsListed, SourceListed, TimeTick
from tests.faults.stage import METHOD, Clerk
from tests.faults.words import SECOND_US, START_US, Word

RULES = METHOD.index_rules("default")
STEPS, WICK_FROM, WICK_STEPS = 60, 20, 8
STALE_US = 3 * SECOND_US


class Bar(NamedTuple):
    """A bar of the record, and how its coin is listed."""

    coin: str
    price_exponent: int
    open: float
    low: float
    close: float


@pytest.fixture(params=["LINK", "BTC"])
def bar(request: pytest.FixtureRequest, market_data: Path) -> Bar:
    """LINK on 12 March 2020, 10:00, and BTC on 15 April 2017."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    name, at, exponent = {
        "LINK": ("hourly/binance_spot_LINKUSDT_1h.parquet", "2020-03-12T10:00Z", 6),
        "BTC": ("daily/btcusd_bitstamp_coinbase_1d.parquet", "2017-04-15T00:00Z", 4),
    }[request.param]
    path = market_data / name
    if not path.is_file():
        pytest.skip(f"no record at {path}")
    rows = pandas.read_parquet(path)
    row = rows[rows.ts == pandas.Timestamp(at)].iloc[0]
    return Bar(request.param, exponent, float(row.open), float(row.low), float(row.close))


def opened(bar: Bar, sources: int) -> Clerk:
    """Return an engine whose sources said the open, and a long that the close does not touch."""
    clerk = Clerk(Engine(METHOD))
    clerk.send(AssetListed, START_US, Asset(bar.coin, 8, bar.price_exponent))
    for n in range(sources):
        clerk.send(SourceListed, START_US, f"s{n}", bar.coin, f"o{n}", 1, STALE_US)
    name = f"{bar.coin}_USDC-PERPETUAL"
    linear = Instrument(name, "perpetual", bar.coin, "USDC", False, 2, 6, 10**7)
    clerk.send(InstrumentsListed, START_US, [linear])
    for n in range(sources):
        clerk.say(bar.coin, Word(START_US, START_US, f"s{n}", bar.open))
    lots, units = 10_000, 100
    fall = max(0.0, bar.open - bar.close) * units
    cash = int((fall + 0.2 * bar.open * units) * 1e6)
    held = PositionRecord(name, lots, round(bar.open * 1e6))
    clerk.send(AccountsLoaded, START_US, [AccountRecord("long", "cross", {"USDC": cash}, [held])])
    return clerk


def mark(clerk: Clerk) -> float:
    return int(clerk.engine.market.mark_units[0]) / 1e6


def untouched(outcomes: list[object]) -> bool:
    return not any(
        isinstance(each, Closed)
        or (isinstance(each, StateChanged) and each.current >= State.PARTIAL_REDUCTION)
        for each in outcomes
    )


@pytest.mark.parametrize("others", [2, 3, 5])
def test_FALT_008_a_recorded_wick_among_others_does_not_move_the_mark(
    bar: Bar, others: int
) -> None:
    assert bar.low < 0.001 * min(bar.open, bar.close)
    clerk = opened(bar, others + 1)
    market = clerk.engine.market
    said = dict.fromkeys((f"s{n}" for n in range(1, others + 1)), bar.open)
    for step in range(1, STEPS + 1):
        truth = bar.open + (bar.close - bar.open) * step / STEPS
        for n in range(others + 1):
            at_us = START_US + step * SECOND_US + n * 100_000
            is_wick = n == 0 and WICK_FROM <= step < WICK_FROM + WICK_STEPS
            price = bar.low if is_wick else truth
            if n:
                said[f"s{n}"] = truth
            assert untouched(clerk.say(bar.coin, Word(at_us, at_us, f"s{n}", price)))
            others_say = [*said.values()] + ([truth] if not is_wick and not n else [])
            assert min(others_say) - 1e-4 <= mark(clerk) <= max(others_say) + 1e-4
            assert not market.is_protected[1]


def test_FALT_008_a_recorded_wick_alone_moves_nothing(bar: Bar) -> None:
    """The other source has fallen silent: the asset is protected, and the mark stays."""
    clerk = opened(bar, 2)
    market = clerk.engine.market
    for step in range(1, 10):
        at_us = START_US + step * SECOND_US
        clerk.send(TimeTick, at_us)
        assert untouched(clerk.say(bar.coin, Word(at_us, at_us, "s0", bar.open)))
    assert market.is_protected[1]
    for step in range(10, 40):
        at_us = START_US + step * SECOND_US
        assert untouched(clerk.say(bar.coin, Word(at_us, at_us, "s0", bar.low)))
        assert market.is_protected[1]
        assert mark(clerk) == pytest.approx(bar.open, rel=1e-6)


def test_FALT_008_a_recorded_wick_of_all_is_absurd(bar: Bar) -> None:
    clerk = opened(bar, 3)
    market = clerk.engine.market
    for step in range(1, 30):
        for n in range(3):
            at_us = START_US + step * SECOND_US + n
            assert untouched(clerk.say(bar.coin, Word(at_us, at_us, f"s{n}", bar.low)))
            assert mark(clerk) == pytest.approx(bar.open, rel=1e-6)
    assert market.is_protected[1]
    assert {source.verdict for source in market.indices[1].sources} == {"absurd"}
