"""Views, the feed, explanations and stories over a small venue that falls."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from steelyard.actions import (
    AccountLoaded,
    BadDebt,
    Closed,
    FundingPaid,
    ImpliedChanged,
    IndexChanged,
    ProtectionChanged,
    Settled,
    SignalChanged,
    SourceChanged,
    StateChanged,
)
from steelyard.decisions import State
from steelyard.publish import (
    Explanation,
    Tally,
    account_view,
    explain_risk,
    feed_lines,
    story_lines,
    worst_rows,
)
from steelyard.publish.views import margin_ratio
from tests.support.venue import (
    BTC_INVERSE,
    BTC_LINEAR,
    INSTRUMENTS,
    Venue,
    coin_miner,
    hedger,
    isolated_long,
    open_venue,
    option_writer,
    over_leveraged_long,
    over_leveraged_short,
)


@pytest.fixture
def venue() -> Venue:
    venue = open_venue(shards=2)
    venue.open(
        over_leveraged_long(margin_usd=6_000),
        over_leveraged_short(margin_usd=9_000),
        isolated_long(),
        coin_miner(),
        option_writer(usd=60_000),
        over_leveraged_long("called", margin_usd=1_000),
        hedger(),
    )
    return venue


def shards_of(venue: Venue) -> list[tuple[object, np.ndarray]]:
    return [(shard.book, shard.results) for shard in venue.engine.shards]


def test_PUBL_001_a_ratio_is_rounded_down() -> None:
    assert margin_ratio(2, 3) == Decimal("0.6666")
    assert margin_ratio(999_999, 1_000_000) == Decimal("0.9999")
    assert margin_ratio(-1, 3) == Decimal("-0.3334")
    assert margin_ratio(5, 0) is None


def test_PUBL_001_a_view_equals_the_risk_of_its_unit(venue: Venue) -> None:
    for shard in venue.engine.shards:
        for row in range(shard.book.units):
            view = account_view(shard.book, row, shard.results, venue.engine.seq)
            risk = venue.engine.risk_of(view.unit)
            assert view.equity == Decimal(risk.equity) / 10**6
            assert view.buffer == Decimal(risk.buffer) / 10**6
            assert view.currency == "USDC"
            assert view.as_of_seq == venue.engine.seq
            assert view.account == view.unit.split("/")[0]


def test_PUBL_002_worst_rows_are_the_lowest_ratios(venue: Venue) -> None:
    for shard in venue.engine.shards:
        book, results = shard.book, shard.results
        ratios = {
            book.names[row]: results[2, row] / results[4, row]
            for row in range(book.units)
            if results[4, row] > 0
        }
        expected = sorted(ratios, key=lambda name: (ratios[name], name))
        for count in range(1, len(expected) + 2):
            rows = worst_rows(book, results, count)
            assert [book.names[row] for row in rows] == expected[:count]


def test_PUBL_007_the_feed_tells_what_befalls_accounts_and_prices(venue: Venue) -> None:
    names = {each.name: each for each in venue.engine.market.instruments}
    lines = []
    for price in (97_500.0, 90_000.0):
        outcomes = venue.price("BTC", price)
        lines += feed_lines(outcomes, venue.engine.seq, venue.now_us, names)
    outcomes = venue.protect("BTC")
    silent = feed_lines(outcomes, venue.engine.seq, venue.now_us, names)
    kinds = {line.kind for line in lines}
    assert kinds >= {"state", "close"}
    assert not kinds & {"loaded"}
    states = [line.text for line in lines if line.kind == "state"]
    assert states
    grave = ("margin call", "orders cancelled", "partial reduction", "full liquidation", "bankrupt")
    assert all(any(word in text for word in grave) for text in states)
    told = {(line.unit, line.kind) for line in silent}
    assert {("BTC", "protection"), ("BTC", "source"), ("BTC", "index")} <= told
    protected = next(line for line in silent if line.kind == "protection")
    assert "nobody is liquidated on it" in protected.text


def test_PUBL_007_every_outcome_that_is_no_accounts_has_words() -> None:
    for outcome, kind, words in (
        (ProtectionChanged("BTC", False), "protection", "trusted again"),
        (SourceChanged("BTC", "north", "stale", 64_000.5), "source", "north is stale, last price 64000.5"),
        (IndexChanged("BTC", "split", 2, 2, 4, 0), "index", "index split, 2 of 4 used sources agree"),
        (ImpliedChanged("BTC", "held", 0.5, 1), "implied", "volatilities held, level 50.0%"),
        (SignalChanged("dvol", "fresh", "stale", "no word"), "signal", "fresh → stale: no word"),
        (Settled("BTC-1JAN27-1-C", 5, 3), "settled", "expired, settled for 3 units"),
        (FundingPaid("BTC-PERPETUAL", 100_000, 7), "funding", "funding of +0.0100 % between 7 units"),
    ):  # fmt: skip
        (line,) = feed_lines([outcome], 9, 8, {})
        assert (line.seq, line.time_us, line.unit) == (9, 8, outcome.subject)
        assert (line.kind, line.text) == (kind, words)
    assert feed_lines([AccountLoaded("alice", 3)], 9, 8, {}) == []


def branches(node: Explanation) -> int:
    if not node.children:
        return 0
    assert sum(child.amount for child in node.children) == node.amount, node.name
    return 1 + sum(branches(child) for child in node.children)


def test_PUBL_004_every_node_is_the_sum_of_its_children(venue: Venue) -> None:
    venue.order("writer", "bid", BTC_LINEAR, 100, 99_000.0)
    seen = 0
    for unit in venue.engine.places:
        risk = venue.engine.risk_of(unit)
        buffer, free = explain_risk(risk, venue.engine.method)
        assert buffer.amount == Decimal(risk.buffer) / 10**6
        assert free.amount == Decimal(risk.initial_balance - risk.initial_requirement) / 10**6
        seen += branches(buffer) + branches(free)
    assert seen >= 40
    writer = explain_risk(venue.engine.risk_of("writer"), venue.engine.method)[1]
    names = [leaf.name for group in writer.children[1].children for leaf in group.children]
    assert "order_margin" in names
    assert "short_option_minimum" in names


def test_PUBL_005_an_account_is_counted_once() -> None:
    tally = Tally()
    call = int(State.MARGIN_CALL)
    for unit in ("a/X", "a/Y", "b"):
        tally.count([StateChanged(unit, 0, call, 1, 1), StateChanged(unit, 0, 1, 1, 1)], 7)
        tally.count([Closed(unit, BTC_LINEAR, 1, 1, 1, 0, is_full=False)], 8)
    tally.count([BadDebt("a/X", 5, 2), BadDebt("a/Y", 7, 0)], 9)
    assert tally.margin_called == {"a": 7, "b": 7}
    assert tally.reduced == {"a": 8, "b": 8}
    assert tally.liquidated == {}
    assert (list(tally.bankrupt), tally.bad_debt, tally.bad_debt_uncovered) == (["a"], 12, 2)


def test_PUBL_006_a_story_quotes_prices_as_traders_do() -> None:
    terms = {item.name: item for item in INSTRUMENTS}
    outcome = Closed("a", BTC_INVERSE, 3, -800_000_000, -799_000_000, 0, is_full=True)
    (line,) = story_lines([outcome], 4, 5, terms)
    assert (line.seq, line.time_us, line.unit, line.kind) == (4, 5, "a", "close")
    assert "sold 3 BTC-PERPETUAL at 125,000.00 (mark 125,156.45)" in line.text
