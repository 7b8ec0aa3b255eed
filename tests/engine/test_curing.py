"""Cures of units: by hand where it can be, and applied to a second engine everywhere."""

from __future__ import annotations

from decimal import Decimal

import pytest

from steelyard.engine.curing import cures_of_unit
from steelyard.engine.trial import Numbers, Trial
from steelyard.margin.methods.cures.results import Level, Trade
from steelyard.terms import AccountRecord
from tests.engine.test_trial import MODES, NAMES, _random_venue, _units
from tests.support.venue import BTC_CALL, BTC_LINEAR, BTC_PUT, USD, Venue, held, open_venue

LEVELS: tuple[Level, ...] = ("initial", "maintenance")


def _missing(numbers: Numbers, level: Level) -> int:
    return -numbers.free if level == "initial" else -numbers.buffer


def _lots(venue: Venue, trade: Trade) -> int:
    terms = venue.engine.market.instruments[venue.slot(trade.instrument)]
    lots = trade.quantity * 10**terms.lot_exponent / (terms.contract_usd or 1)
    assert lots == int(lots)
    return int(lots)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_020_what_is_said_to_cure_does_and_a_step_less_does_not(mode: str, seed: int) -> None:
    venue, _ = _random_venue(seed, mode)
    level = LEVELS[seed % 2]
    for unit in _units(venue)[:2]:
        trial = Trial(venue.engine, unit, NAMES)
        trial.deposit("USDC", _missing(trial.numbers(), level) - 5_000 * USD)
        assert _missing(trial.numbers(), level) > 0
        before = trial.risk()
        found = cures_of_unit(trial, level=level)
        assert trial.risk() == before
        assert found.is_cured is (_missing(trial.numbers(), level) <= 0)
        for deposit in found.deposits:
            if deposit.amount is None:
                assert deposit.reason
                continue
            place = trial.market.asset_slots[deposit.asset]
            units = int(deposit.amount * 10 ** trial.market.assets[place].exponent)
            for paid, cured in ((units, True), (units - 1, False)):
                after = trial.copy()
                after.deposit(deposit.asset, paid)
                assert (_missing(after.numbers(), level) <= 0) is cured
        for trade in found.trades:
            lots = _lots(venue, trade)
            step = 1 if lots > 0 else -1
            for size, cured in ((lots, True), (lots - step, False)):
                after = trial.copy()
                if size:
                    after.trade(trade.instrument, size, pays_fee=True)
                assert (_missing(after.numbers(), level) <= 0) is cured
        if found.reduction is not None and found.reduction.legs:
            after = trial.copy()
            for leg in found.reduction.legs:
                after.trade(leg.instrument, _lots(venue, leg), pays_fee=True)
            assert _missing(after.numbers(), level) <= 0
        if found.reduction is not None and found.reduction.kept is not None:
            assert 0 <= found.reduction.kept < 1
            assert found.reduction.ratio_after is None or found.reduction.ratio_after >= 1.0
        assert found.cheapest or found.reason


def test_UNIT_021_one_perpetual_by_hand() -> None:
    venue = open_venue()
    venue.open(AccountRecord("amy", "portfolio", {"USDC": 18_000 * USD}, [
        held(BTC_LINEAR, 10_000, 10_000_000),
    ]))  # fmt: skip
    risk = venue.risk("amy")
    short = risk.initial_requirement - risk.initial_balance
    assert short > 0
    found = cures_of_unit(Trial(venue.engine, "amy"))
    assert found.deposits[0].asset == "USDC"
    assert found.deposits[0].amount == Decimal(short).scaleb(-6)
    assert found.equity == Decimal(risk.initial_balance).scaleb(-6)
    assert all(trade.quantity < 0 for trade in found.trades)  # nothing cures by buying more
    (sold,) = [trade for trade in found.trades if trade.instrument == BTC_LINEAR]
    assert sold.cost == pytest.approx(0.0005 * abs(float(sold.quantity)) * 100_000, rel=1e-4)
    assert found.reduction is not None
    assert found.reduction.kept == pytest.approx(Decimal(1) + sold.quantity, abs=Decimal("0.0002"))
    assert found.cheapest.startswith("sell ")
    # and it is so when it happens
    price = 100_000.0
    venue.open(AccountRecord("dealer", "cross", {"USDC": 10**7 * USD}, []))
    venue.fill(BTC_LINEAR, "dealer", "amy", -_lots(venue, sold), price)
    after = venue.risk("amy")
    assert after.initial_balance >= after.initial_requirement


def test_UNIT_022_a_short_straddle_is_cured_by_a_hedge_or_by_a_leg() -> None:
    venue = open_venue()
    venue.open(AccountRecord("amy", "portfolio", {"USDC": 450_000 * USD}, [
        held(BTC_CALL, -300, 1), held(BTC_PUT, -100, 1),
    ]))  # fmt: skip
    trial = Trial(venue.engine, "amy", [BTC_LINEAR])
    trial.deposit("USDC", -trial.numbers().buffer)
    found = cures_of_unit(trial, level="maintenance", wanted=1.1)
    assert not found.is_cured
    assert {trade.instrument for trade in found.trades} >= {BTC_CALL}
    assert [t.cost for t in found.trades] == sorted(t.cost for t in found.trades)
    only = cures_of_unit(trial, level="maintenance", wanted=1.1, tradable=[BTC_LINEAR])
    assert (only.tried, {t.instrument for t in only.trades} <= {BTC_LINEAR}) == (1, True)
    dear = cures_of_unit(trial, level="maintenance", wanted=1.1, cost_ppm=10_000)
    assert dear.trades == () or dear.trades[0].cost > found.trades[0].cost


def test_UNIT_023_a_sound_unit_needs_nothing_and_a_penniless_one_a_deposit() -> None:
    venue = open_venue()
    venue.open(
        AccountRecord("rich", "cross", {"USDC": 10**6 * USD}, [held(BTC_LINEAR, 10, 10_000_000)])
    )
    sound = cures_of_unit(Trial(venue.engine, "rich"))
    assert sound.is_cured
    assert sound.cheapest.startswith("nothing to do")
    assert (sound.deposits, sound.trades, sound.reduction) == ((), (), None)
    poor = Trial(venue.engine, "rich")
    poor.deposit("USDC", -(10**6) * USD - 500 * USD)
    found = cures_of_unit(poor)
    assert found.reduction is not None
    assert (found.trades, found.reduction.kept) == ((), None)
    assert found.cheapest.startswith("deposit ")
    venue.protect("ETH")
    reasons = {each.asset: each.reason for each in cures_of_unit(
        _poorer(Trial(venue.engine, "rich"))).deposits}  # fmt: skip
    assert reasons["ETH"] == "its price is not trusted now"
    assert not reasons["BTC"]


def _poorer(trial: Trial) -> Trial:
    trial.deposit("USDC", -(10**6) * USD)
    return trial
