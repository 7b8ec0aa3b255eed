"""The history of a session: its numbers, its bounds, its protected times and largest liquidations."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.actions import BadDebt, Closed, FundDraw, ProtectionChanged
from steelyard.cli.history import Feed, History, quantile_rank, recent_quantiles
from steelyard.cli.session import Session, Step
from steelyard.engine import create_engine
from steelyard.quantities import from_units
from steelyard.terms import AccountRecord, Asset, Instrument, PositionRecord, load_method
from steelyard.ticks import (
    AssetListed,
    Event,
    InstrumentsListed,
    PriceTick,
    SourceListed,
    TimeTick,
)

START_US = 1_760_130_000_000_000
SECOND_US = 1_000_000
DURATION_S = 40
SOURCES = ("north", "east", "south")


class FallingMarket:
    """BTC falls by 30 % from second 5 to 30, ETH keeps its price.

    From second 10 to 30 only one source of ETH speaks: the others go stale after 5 seconds.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        assets = (Asset("BTC", 8, 2), Asset("ETH", 8, 4))
        self.listings: list[Event] = [AssetListed(*self._origin("list", 0), a) for a in assets]
        self.listings += [
            SourceListed(*self._origin("list", 0), source, a.name, source, 1, 5 * SECOND_US)
            for a in assets
            for source in SOURCES
        ]
        self.listings.append(InstrumentsListed(*self._origin("list", 0), perpetuals()))
        self.warm_up: list[Event] = [
            self._price(source, asset, 0) for asset in ("BTC", "ETH") for source in SOURCES
        ]
        self.tick_count = DURATION_S * 4 * 6 - 2 * 20 * 4

    def ticks(self) -> Iterator[Event]:
        """Yield four prices a second of each source that speaks."""
        for quarter in range(1, DURATION_S * 4 + 1):
            offset_us = quarter * SECOND_US // 4
            for asset in ("BTC", "ETH"):
                for source in SOURCES:
                    is_silent = asset == "ETH" and source != "north" and 40 < quarter <= 120
                    if not is_silent:
                        yield self._price(source, asset, offset_us)

    def _price(self, source: str, asset: str, offset_us: int) -> PriceTick:
        second = offset_us / SECOND_US
        fallen = 0.30 * min(1.0, max(0.0, (second - 5) / 25))
        price = 4_000.0 if asset == "ETH" else round(100_000.0 * (1 - fallen), 2)
        at_us = START_US + offset_us
        return PriceTick(*self._origin(source, offset_us), source, asset, price, at_us)

    def _origin(self, name: str, offset_us: int) -> tuple[int, str, int]:
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return START_US + offset_us, name, self._numbers[name]


def perpetuals() -> list[Instrument]:
    return [
        Instrument("BTC_USDC-PERPETUAL", "perpetual", "BTC", "USDC", False, 4, 2, 10**9),
        Instrument("ETH_USDC-PERPETUAL", "perpetual", "ETH", "USDC", False, 4, 4, 10**9),
        Instrument(
            "BTC-PERPETUAL", "perpetual", "BTC", "BTC", True, 0, 12, 10**6, contract_usd=100
        ),
    ]


def over_leveraged_long(number: int, usdc: int) -> AccountRecord:
    """Return a long of 1 BTC on `usdc` of equity."""
    held = [PositionRecord("BTC_USDC-PERPETUAL", 10_000, 10_000_000)]
    return AccountRecord(f"long-{number}", "cross", {"USDC": usdc * 10**6}, held)


def falling_accounts() -> list[AccountRecord]:
    """Return careful accounts, longs that fail one after another, and one that ends in debt."""
    isolated = [PositionRecord("BTC_USDC-PERPETUAL", 5_000, 10_000_000, 9_000 * 10**6)]
    coins = [PositionRecord("BTC-PERPETUAL", 5_000, -100 * 10**12 // 100_000)]
    large = [PositionRecord("BTC_USDC-PERPETUAL", 40_000_000, 10_000_000)]
    return [
        AccountRecord("careful", "cross", {"USDC": 10**12, "BTC": 10**8}, []),
        *(over_leveraged_long(number, 8_000 + 4_000 * number) for number in range(4)),
        AccountRecord("alone", "isolated", {"USDC": 10_000 * 10**6}, isolated),
        AccountRecord("coin", "portfolio", {"BTC": 10**8}, coins),
        AccountRecord("whale", "cross", {"USDC": 100_000_000 * 10**6}, large),
        AccountRecord(
            "ether",
            "cross",
            {"USDC": 100_000 * 10**6},
            [PositionRecord("ETH_USDC-PERPETUAL", -50_000, 40_000_000)],
        ),
    ]


def falling_session(folder: Path, shards: int = 1) -> Session:
    """Return a prepared session of the falling market and its nine accounts."""
    journaled = create_engine(folder / "falling.journal", load_method(None), shards)
    end_us = START_US + DURATION_S * SECOND_US
    session = Session(journaled, FallingMarket(), START_US, end_us)
    session.list_market()
    session.fund(1_000_000)
    session.load(falling_accounts())
    return session


def run_through(session: Session, history: History) -> list[Step]:
    """Run a session to its end with its history, and return every step."""
    steps = []
    for step in session.steps():
        history.observe(step)
        steps.append(step)
    history.close()
    return steps


@pytest.fixture(scope="module")
def fallen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, History, Any]]:
    session = falling_session(tmp_path_factory.mktemp("fallen"))
    history = History(session)
    steps = run_through(session, history)
    session.finish()
    yield session, history, steps
    session.journaled.close()


# -- rows ----------------------------------------------------------------------------------------


def test_VIEW_001_one_row_a_second_from_the_start(fallen: Any) -> None:
    _, history, steps = fallen
    assert history.count == DURATION_S + 1
    seconds = (history.time_us[: history.count] - START_US) / SECOND_US
    assert seconds.tolist() == list(range(DURATION_S + 1))
    assert history.column("events").sum() == len(steps)
    bitcoin = history.assets.index("BTC")
    assert history.index[bitcoin, 0] == 100_000.0
    assert history.index[bitcoin, 17] == 100_000 * (1 - 0.3 * 11.75 / 25), (
        "the first of three new prices does not move the median yet"
    )


def test_VIEW_001_last_row_is_the_session_at_its_end(fallen: Any) -> None:
    session, history, _ = fallen
    tally, last = session.tally, history.count - 1
    shown = {name: price for name, price in session.prices().items() if name != "USDC"}
    assert shown == {"BTC": 70_000.0, "ETH": 4_000.0}
    for name, price in shown.items():
        assert history.index[history.assets.index(name), last] == price
    assert history.column("fund_micro")[-1] == session.fund_micro()
    assert history.column("fund_micro")[0] == 1_000_000 * 10**6 == history.fund_micro_before
    assert history.column("bad_debt_micro")[-1] == tally.bad_debt > 0
    assert history.column("margin_calls")[-1] == len(tally.margin_called) == 7
    assert history.column("partial_reductions")[-1] == len(tally.reduced)
    assert history.column("full_liquidations")[-1] == len(tally.liquidated)
    assert history.column("bankruptcies")[-1] == len(tally.bankrupt)
    states = [
        int(s) for shard in session.engine.shards for s in shard.book.state[: shard.book.units]
    ]
    assert history.units_by_state[:, last].tolist() == [states.count(k) for k in range(7)]
    assert history.column("decision_p99_us")[1:].min() > 0


def test_VIEW_001_closed_notional_is_that_of_the_outcomes(tmp_path: Path) -> None:
    session = falling_session(tmp_path)
    history = History(session)
    expected, closes = Decimal(0), 0
    for step in session.steps():
        history.observe(step)
        for closed in (o for o in step.outcomes if isinstance(o, Closed)):
            terms = session.by_name[closed.instrument]
            held = from_units(abs(closed.lots), terms.lot_exponent)
            unit = terms.contract_usd or str(session.prices()[terms.underlying])
            expected += held * Decimal(unit)
            closes += 1
    history.close()
    session.journaled.close()
    assert closes == session.tally.closes == history.column("closes").sum() > 20
    assert from_units(history.closed_micro, 6) == expected
    assert history.column("closed_micro").sum() == history.closed_micro


def test_VIEW_002_few_rows_hold_the_whole_session(tmp_path: Path) -> None:
    session = falling_session(tmp_path)
    history = History(session, samples_max=8)
    steps = run_through(session, history)
    session.journaled.close()
    assert history.count <= 8
    assert history.time_us[0] == START_US
    assert history.index[1, 0] == 100_000.0
    assert np.all(np.diff(history.time_us[: history.count]) > 0)
    assert history.column("events").sum() == len(steps)
    assert history.column("closes").sum() == session.tally.closes
    assert history.column("closed_micro").sum() == history.closed_micro
    assert history.column("bad_debt_micro")[-1] == session.tally.bad_debt
    assert history.column("decision_p99_us").max() >= history.column("decision_p50_us").max() > 0
    sizes = [history.time_us.size, *(history.column(n).size for n in ("events", "fund_micro"))]
    assert max(sizes) <= 8


@given(
    st.lists(st.floats(0.1, 1e6), min_size=1, max_size=60), st.integers(1, 20), st.integers(1, 80)
)
def test_VIEW_003_quantiles_are_those_of_the_newest(
    values: list[float], size: int, wanted: int
) -> None:
    ring = np.zeros(min(size, len(values)))
    for number, value in enumerate(values):
        ring[number % len(ring)] = value
    newest = sorted(values[-min(wanted, len(ring)) :])
    p50, p99 = recent_quantiles(ring, len(values), wanted)
    assert p50 == newest[quantile_rank(len(newest), 50)]
    assert p99 == newest[quantile_rank(len(newest), 99)]
    assert sum(v <= p50 for v in newest) * 2 >= len(newest)


def test_VIEW_003_worked_ranks() -> None:
    assert (quantile_rank(100, 50), quantile_rank(100, 99)) == (49, 98)
    assert recent_quantiles(np.array([4.0, 5.0, 1.0, 2.0, 3.0]), 7, 3) == (4.0, 5.0)
    assert recent_quantiles(np.zeros(0), 0, 3) == (0.0, 0.0)


# -- spans and liquidations ----------------------------------------------------------------------


def test_VIEW_004_protected_time_has_exact_ends(fallen: Any) -> None:
    _, history, steps = fallen
    changes = [
        (o.subject, o.is_protected, step.event.time_us)
        for step in steps
        for o in step.outcomes
        if isinstance(o, ProtectionChanged)
    ]
    begin, end = START_US + 15_250_000, START_US + 30_250_000
    assert changes == [("ETH", True, begin), ("ETH", False, end)]
    assert [(s.asset, s.begin_us, s.end_us) for s in history.spans] == [("ETH", begin, end)]
    told = history.facts()["protected_spans"]
    assert told == [
        {
            "asset": "ETH",
            "from": "2025-10-10T21:00:15.250Z",
            "to": "2025-10-10T21:00:30.250Z",
            "seconds": 15.0,
        }
    ]


def test_VIEW_004_asset_protected_from_the_start_is_told(tmp_path: Path) -> None:
    session = falling_session(tmp_path)
    session.engine.market.is_protected[2] = True
    history = History(session)
    session.journaled.close()
    assert [(s.asset, s.begin_us, s.end_us) for s in history.spans] == [("ETH", START_US, None)]
    assert history.facts()["protected_spans"][0]["to"] is None
    assert history.protected[2, 0]


def test_VIEW_005_largest_liquidations_are_sums_of_closes(fallen: Any) -> None:
    session, history, steps = fallen
    largest = history.facts()["largest_liquidations"]
    assert len(largest) == 5
    assert [each["notional"] for each in largest] == sorted(
        (each["notional"] for each in largest), reverse=True
    )
    for each in largest:
        closes = [
            o
            for step in steps
            for o in step.outcomes
            if isinstance(o, Closed) and o.is_full and o.subject == each["unit"]
        ]
        terms = session.by_name[each["instrument"]]
        lots = sum(o.lots for o in closes)
        assert each["quantity"] == from_units(lots, terms.lot_exponent)
        assert each["account"] in session.tally.liquidated
        if not terms.contract_usd:
            mean = Decimal(sum(o.lots * o.price_mark for o in closes)) / lots / 100
            assert abs(each["price"] - mean) <= Decimal("0.01")
            assert each["price"] < each["mark"], "a long is sold below the mark"


def test_VIEW_005_only_the_larger_half_is_kept(
    fallen: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("steelyard.service.host.history.LIQUIDATIONS_MAX", 4)
    session = falling_session(tmp_path)
    history = History(session)
    run_through(session, history)
    session.journaled.close()
    assert len(history.liquidations) <= 4
    _, whole, _ = fallen
    assert (
        history.largest_liquidations(1)[0].unit == whole.largest_liquidations(1)[0].unit == "whale"
    )


# -- feed ----------------------------------------------------------------------------------------


def test_VIEW_006_feed_tells_every_kind_in_words(fallen: Any) -> None:
    session, _, steps = fallen
    feed = Feed(session)
    told = [entry for step in steps for entry in feed.take(step)]
    words = {entry.word for entry in told}
    assert words >= {
        "called",
        "reduced",
        "liquidated",
        "fund paid",
        "bad debt",
        "PROTECTED",
        "back",
    }
    outcomes = [o for step in steps for o in step.outcomes]
    for kind, word in ((FundDraw, "fund paid"), (BadDebt, "bad debt")):
        assert sum(e.word == word for e in told) == sum(isinstance(o, kind) for o in outcomes)
    closes = sum(entry.word in ("reduced", "liquidated") for entry in told)
    assert closes == session.tally.closes
    assert "margin ratio" in next(e.text for e in told if e.word == "called")
    assert len(feed.entries) <= 60


def test_VIEW_006_a_rush_becomes_one_entry_with_a_count(fallen: Any) -> None:
    session, _, steps = fallen
    feed = Feed(session)
    for step in steps:
        feed.take(step)
    last = feed.entries[0]
    # The whale is the last who is being liquidated, once a second from second 31 on.
    assert (last.unit, last.word, last.count) == ("whale", "liquidated", 10)
    assert "(and 9 before it)" in last.words()


def test_VIEW_006_step_without_outcomes_adds_nothing(fallen: Any) -> None:
    session, _, _ = fallen
    feed = Feed(session)
    assert feed.take(Step(TimeTick(START_US, "clock", 1), 1)) == []
    assert not feed.entries
