"""Margin set aside before a trade: as an order is, until it is confirmed, released, filled or over."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.actions import OrdersCancelled, ReservationExpired
from steelyard.book import MARKET
from steelyard.engine import create_engine, open_engine, replay_journal
from steelyard.engine.reservations import reservations_of
from steelyard.engine.snapshot import state_hash
from steelyard.quantities import InputError, InvariantError
from steelyard.terms import AccountRecord
from steelyard.terms.controls import RESERVATION_US_MAX, Reservation
from steelyard.ticks import (
    Funding,
    OrderCancelled,
    OrderReserved,
    ReservationConfirmed,
    ReservationReleased,
)
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_LINEAR,
    BTC_PUT,
    ETH_LINEAR,
    SECOND_US,
    STALE_US,
    USD,
    Venue,
    isolated_long,
    listings,
    market_maker,
    open_venue,
    option_writer,
    over_leveraged_long,
)

TEN_S = 10 * SECOND_US


def reserve(
    venue: Venue, account: str, order: str, lots: int, price: float = 100_000.0,
    instrument: str = BTC_LINEAR, lasts_us: int = TEN_S,
) -> None:  # fmt: skip
    """Reserve an order for a while."""
    venue.send(OrderReserved, account, order, instrument, lots, price, venue.now_us + lasts_us)


def free(venue: Venue, unit: str) -> int:
    """Return what is left above the initial requirement, micro-USDC."""
    risk = venue.risk(unit)
    return risk.initial_balance - risk.initial_requirement


def long_venue() -> Venue:
    """Return a venue with one long of 2,000 USDC behind one BTC."""
    venue = open_venue()
    venue.open(over_leveraged_long(), market_maker())
    return venue


# -- as an order -----------------------------------------------------------------------------------


def test_CTRL_060_a_reservation_takes_what_an_order_takes() -> None:
    placed, reserved = long_venue(), long_venue()
    placed.order("long", "a", BTC_LINEAR, 4_900, 100_000.0)
    reserve(reserved, "long", "a", 4_900)
    assert free(reserved, "long") == free(placed, "long") >= 0
    assert reserved.risk("long").initial_parts == placed.risk("long").initial_parts
    with reserved.refuses("ADMT-E06"):
        reserve(reserved, "long", "b", 400)
    fresh = long_venue()
    with fresh.refuses("ADMT-E06"):
        reserve(fresh, "long", "a", 5_300)


def test_CTRL_060_what_reduces_is_reserved_whatever_the_margin() -> None:
    venue = open_venue()
    venue.open(over_leveraged_long(margin_usd=1_400), market_maker())
    assert free(venue, "long") < 200 * USD
    reserve(venue, "long", "a", -6_000)
    reserve(venue, "long", "b", -4_000)
    with venue.refuses("ADMT-E06"):
        reserve(venue, "long", "c", -14_000)


def test_CTRL_060_a_reservation_is_in_the_limits_of_positions_and_orders() -> None:
    venue = long_venue()
    with venue.refuses("ADMT-E08"):
        reserve(venue, "maker", "a", 10**9 + 1, 1.0)
    reserve(venue, "maker", "a", 1)
    with venue.refuses("CTRL-E05"):
        reserve(venue, "maker", "a", 1)


def test_CTRL_060_an_isolated_position_reserves_for_itself() -> None:
    venue = open_venue()
    venue.open(isolated_long())
    unit = f"iso/{BTC_LINEAR}"
    before = free(venue, unit), free(venue, "iso")
    reserve(venue, "iso", "a", 100)
    assert free(venue, unit) < before[0]
    assert free(venue, "iso") == before[1]
    with venue.refuses("ADMT-E03"):
        reserve(venue, "iso", "b", 1, 4_000.0, ETH_LINEAR)
    venue.send(ReservationReleased, "iso", "a")
    assert (free(venue, unit), free(venue, "iso")) == before


def test_CTRL_061_an_unknown_account_instrument_or_price_is_refused() -> None:
    venue = long_venue()
    with venue.refuses("ADMT-E03"):
        reserve(venue, "nobody", "a", 1)
    with venue.refuses("ADMT-E03"):
        reserve(venue, "long", "a", 1, instrument="DOGE-PERPETUAL")
    with venue.refuses("ADMT-E05"):
        reserve(venue, "maker", "a", 1, 1e12)
    with venue.refuses("TICK-E03"):
        reserve(venue, "maker", "a", 1, float("nan"))


def test_CTRL_061_without_a_mark_nothing_is_reserved() -> None:
    venue = Venue()
    listings(venue)
    venue.price("BTC", 100_000.0)
    venue.open(AccountRecord("a", "cross", {"USDC": 10_000 * USD}, []))
    for instrument in (BTC_CALL, ETH_LINEAR):
        with venue.refuses("ADMT-E03"):
            reserve(venue, "a", "o", 1, 0.01, instrument)


def test_CTRL_061_a_protected_asset_takes_no_reservation_but_what_reduces() -> None:
    venue = long_venue()
    venue.protect("BTC")
    with venue.refuses("ADMT-E07"):
        reserve(venue, "maker", "a", 1)
    reserve(venue, "long", "b", -100)
    reserve(venue, "maker", "c", 1, 4_000.0, ETH_LINEAR)


def test_CTRL_061_an_index_that_has_aged_unseen_is_not_known() -> None:
    """Nobody told the engine the time since the last price: an order rests on what it last knew."""
    venue = long_venue()
    venue.wait(STALE_US)
    reserve(venue, "maker", "at the last moment", 1)
    venue.wait(1)
    with venue.refuses("CTRL-E09"):
        reserve(venue, "maker", "a", 1)
    reserve(venue, "long", "reducing", -1)  # which tells the engine the time
    with venue.refuses("ADMT-E07"):
        reserve(venue, "maker", "a", 1)


def test_CTRL_061_a_stopped_engine_refuses_with_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = long_venue()

    def fail(*_: object) -> None:
        raise InvariantError("money does not sum to zero")

    with monkeypatch.context() as patch:
        patch.setattr("steelyard.engine.apply.apply_funding", fail)
        with pytest.raises(InvariantError):
            venue.send(Funding, BTC_LINEAR, 1)
    with pytest.raises(InputError) as caught:
        reserve(venue, "maker", "a", 1)
    assert caught.value.code == "CTRL-E11"
    with pytest.raises(InvariantError):
        venue.tick()


# -- its ends --------------------------------------------------------------------------------------


def test_CTRL_062_it_holds_to_the_last_microsecond_and_not_at_its_time() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 4_900)
    ends_us = venue.now_us + TEN_S
    venue.now_us = ends_us - 1
    with venue.refuses("ADMT-E06"):
        venue.order("long", "b", BTC_LINEAR, 4_900, 100_000.0)
    venue.price("BTC", 100_000.0)
    assert venue.orders("long") == {"a": 4_900}
    venue.now_us = ends_us
    # Its own event is judged as of its time: the reservation is over, and ends in the same event.
    outcomes = venue.order("long", "b", BTC_LINEAR, 4_900, 100_000.0)
    assert outcomes == [ReservationExpired("long", "a", BTC_LINEAR, 4_900)]
    assert venue.orders("long") == {"b": 4_900}


@pytest.mark.parametrize("kind", [OrderCancelled, ReservationConfirmed, ReservationReleased])
def test_CTRL_062_at_its_time_it_can_be_neither_confirmed_nor_released(kind: type) -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 100)
    venue.wait(TEN_S - 1)
    code = "ADMT-E03" if kind is OrderCancelled else "CTRL-E04"
    venue.wait(1)
    with venue.refuses(code):
        venue.send(kind, "long", "a")
    venue.now_us -= 1
    venue.send(kind, "long", "a")


def test_CTRL_062_a_withdrawal_at_its_time_has_what_it_took() -> None:
    venue = long_venue()
    most = free(venue, "long")
    reserve(venue, "long", "a", 100)
    with venue.refuses("ADMT-E06"):
        venue.transfer("long", "external", "USDC", most)
    venue.wait(TEN_S)
    venue.transfer("long", "external", "USDC", most)
    assert free(venue, "long") == 0


def test_CTRL_062_several_end_in_order_of_time_unit_and_name() -> None:
    venue = long_venue()
    for account, order, lasts in (
        ("maker", "z", 3), ("maker", "a", 3), ("long", "q", 3), ("maker", "m", 2),
    ):  # fmt: skip
        reserve(venue, account, order, 10, lasts_us=lasts * SECOND_US)
    ended = [o for o in venue.tick(5 * SECOND_US) if isinstance(o, ReservationExpired)]
    assert [(o.subject, o.order) for o in ended] == [
        ("maker", "m"), ("long", "q"), ("maker", "a"), ("maker", "z"),
    ]  # fmt: skip


def test_CTRL_062_a_name_used_again_ends_at_its_own_time() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 100, lasts_us=2 * SECOND_US)
    venue.send(ReservationReleased, "long", "a")
    reserve(venue, "long", "a", 200, lasts_us=5 * SECOND_US)
    assert venue.tick(2 * SECOND_US) == []
    assert venue.orders("long") == {"a": 200}
    assert venue.tick(3 * SECOND_US) == [ReservationExpired("long", "a", BTC_LINEAR, 200)]


def test_CTRL_062_it_lasts_a_minute_at_most() -> None:
    venue = long_venue()
    for lasts_us in (0, -1, RESERVATION_US_MAX + 1):
        with venue.refuses("TICK-E05"):
            reserve(venue, "long", "a", 1, lasts_us=lasts_us)
    reserve(venue, "long", "a", 1, lasts_us=RESERVATION_US_MAX)


@pytest.mark.parametrize("kind", [OrderCancelled, ReservationReleased])
@pytest.mark.parametrize(
    ("account", "instrument", "lots", "price"),
    [("long", BTC_LINEAR, 4_900, 100_000.0), ("long", ETH_LINEAR, -5_000, 4_100.0),
     ("writer", BTC_CALL, -40, 0.02), ("writer", BTC_PUT, 30, 3_000.0)],
)  # fmt: skip
def test_CTRL_063_what_is_released_frees_exactly_what_it_took(
    kind: type, account: str, instrument: str, lots: int, price: float
) -> None:
    venue = long_venue()
    venue.open(option_writer(usd=90_000))
    before, digest = venue.risk(account), venue.hash()
    reserve(venue, account, "a", lots, price, instrument)
    assert venue.risk(account).initial_requirement > before.initial_requirement
    assert venue.hash() != digest
    venue.send(kind, account, "a")
    assert venue.risk(account) == before
    assert reservations_of(venue.engine) == ()


def test_CTRL_064_a_confirmed_one_rests_beyond_its_time() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 300)
    took = free(venue, "long")
    venue.send(ReservationConfirmed, "long", "a")
    assert free(venue, "long") == took
    with venue.refuses("CTRL-E04"):
        venue.send(ReservationConfirmed, "long", "a")
    with venue.refuses("CTRL-E04"):
        venue.send(ReservationReleased, "long", "a")
    assert venue.tick(TEN_S) == []
    assert venue.orders("long") == {"a": 300}
    venue.send(OrderCancelled, "long", "a")


def test_CTRL_064_an_order_under_its_name_takes_its_place() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 4_900)
    venue.order("long", "a", BTC_LINEAR, 4_800, 100_000.0)
    assert venue.tick(TEN_S) == []
    assert venue.orders("long") == {"a": 4_800}


def test_CTRL_064_a_fill_uses_it_and_what_is_left_stays_reserved() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 1_000)
    venue.fill(BTC_LINEAR, "long", MARKET, 400, 100_000.0, "a")
    assert venue.orders("long") == {"a": 600}
    assert [r.quantity for r in reservations_of(venue.engine, "long")] == [600]
    venue.fill(BTC_LINEAR, "long", MARKET, 100, 100_000.0, "a")
    assert venue.tick(TEN_S) == [ReservationExpired("long", "a", BTC_LINEAR, 500)]
    reserve(venue, "long", "b", 100)
    venue.fill(BTC_LINEAR, "long", MARKET, 100, 100_000.0, "b")
    assert venue.tick(TEN_S) == []
    assert venue.position("long", BTC_LINEAR)[0] == 10_600


def test_CTRL_064_a_fill_that_comes_after_its_end_is_a_fact() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 100)
    venue.wait(TEN_S)
    outcomes = venue.fill(BTC_LINEAR, "long", MARKET, 100, 100_000.0, "a")
    assert outcomes == [ReservationExpired("long", "a", BTC_LINEAR, 100)]
    assert venue.position("long", BTC_LINEAR)[0] == 10_100


def test_CTRL_064_a_unit_in_danger_loses_its_reservations_with_its_orders() -> None:
    venue = long_venue()
    reserve(venue, "long", "a", 100)
    venue.order("long", "b", BTC_LINEAR, -100, 130_000.0)
    outcomes = venue.price("BTC", 98_700.0)
    assert OrdersCancelled("long", 2) in outcomes
    assert reservations_of(venue.engine) == ()
    assert not [o for o in venue.tick(TEN_S) if isinstance(o, ReservationExpired)]


def test_CTRL_073_reservations_are_seen_by_unit_and_order() -> None:
    venue = long_venue()
    reserve(venue, "maker", "b", -3, 101_000.0)
    reserve(venue, "long", "a", 7)
    venue.order("long", "rests", BTC_LINEAR, 5, 100_000.0)
    ends_us = venue.now_us + TEN_S
    first = Reservation("long", "a", BTC_LINEAR, 7, 100_000 * 100, ends_us)
    second = Reservation("maker", "b", BTC_LINEAR, -3, 101_000 * 100, ends_us)
    assert reservations_of(venue.engine) == (first, second)
    assert reservations_of(venue.engine, "long") == (first,)
    assert reservations_of(venue.engine, "nobody") == ()


# -- bad ends --------------------------------------------------------------------------------------


def test_CTRL_066_a_crash_between_reservation_and_release_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "reserved.journal"
    with create_engine(path, load_method()) as live:
        venue = open_venue(engine=live.engine)
        venue.open(over_leveraged_long(), market_maker())
        live.snapshot()
        reserve(venue, "long", "a", 4_000)
        reserve(venue, "maker", "b", 10, lasts_us=20 * SECOND_US)
        live.wait()
        held, digest = free(venue, "long"), state_hash(live.engine)
    with open_engine(path, shards=3) as found:
        again = Venue(engine=found.engine)
        again.number, again.now_us = venue.number, venue.now_us
        assert state_hash(found.engine) == digest
        assert free(again, "long") == held
        found.snapshot()
        with again.refuses("ADMT-E06"):
            reserve(again, "long", "c", 2_000)
        assert again.tick(TEN_S) == [ReservationExpired("long", "a", BTC_LINEAR, 4_000)]
        digest = state_hash(found.engine)
    with open_engine(path) as found:  # from the snapshot that held both
        assert state_hash(found.engine) == digest
        assert [r.order for r in reservations_of(found.engine)] == ["b"]
    assert replay_journal(path, shards=2)[1].difference == ""
