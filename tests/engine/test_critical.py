"""Critical prices of units: closed forms where there are any, and a look at every price elsewhere."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from steelyard.engine.critical import critical_prices_of
from steelyard.engine.trial import Trial
from steelyard.terms import AccountRecord
from tests.engine.test_trial import MODES, _random_venue, _units
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    USD,
    Venue,
    held,
    open_venue,
)

MARK = 10_000_000  # of the linear perpetual at 100,000
STRAIGHT = '[{"notional_usd_max":0,"maintenance_ppm":10000,"initial_ppm":20000}]'


def _straight_venue() -> Venue:
    """Return a venue whose BTC has one tier and whose closing costs a fee and a half spread alone."""
    venue = open_venue()
    venue.parameter("underlying.BTC.tiers", STRAIGHT)
    venue.parameter("underlying.BTC.depth_usd", str(10**15))
    venue.parameter("underlying.BTC.half_spread_ppm", "1000")
    venue.parameter("collateral.BTC.haircut_maintenance_ppm", "0")
    venue.parameter("collateral.BTC.haircut_initial_ppm", "0")
    return venue


def _rate(venue: Venue) -> Fraction:
    """Return what a unit of notional must keep: its tier, the fee, and the half spread."""
    return Fraction(1, 100) + Fraction(venue.engine.method.liquidation.fee_ppm + 1_000, 10**6)


@pytest.mark.parametrize("lots", [20_000, -20_000])
def test_UNIT_010_an_isolated_linear_perpetual_has_its_closed_form(lots: int) -> None:
    venue = _straight_venue()
    position = held(BTC_LINEAR, lots, MARK, 20_000 * USD)
    venue.open(AccountRecord("amy", "isolated", {"USDC": 50_000 * USD}, [position]))
    (found,) = critical_prices_of(Trial(venue.engine, f"amy/{BTC_LINEAR}"))
    # 20,000 + q·(p − 100,000) = r·|q|·p
    q, rate = Fraction(lots, 10_000), _rate(venue)
    exact = (100_000 * q - 20_000) / (q - rate * abs(q))
    bankrupt = (100_000 * q - 20_000) / (q - (rate - Fraction(1, 100)) * abs(q))
    if lots > 0:
        assert abs(Fraction(found.liquidation_below) - exact) <= Fraction("0.011")
        assert Fraction(found.liquidation_below) < exact
        assert abs(Fraction(found.bankruptcy_below) - bankrupt) <= Fraction("0.011")
        assert (found.liquidation_above, found.bankruptcy_above) == (None, None)
    else:
        assert abs(Fraction(found.liquidation_above) - exact) <= Fraction("0.011")
        assert Fraction(found.liquidation_above) > exact
        assert abs(Fraction(found.bankruptcy_above) - bankrupt) <= Fraction("0.011")
        assert (found.liquidation_below, found.bankruptcy_below) == (None, None)
    assert (found.tick, found.reference) == (Decimal("0.01"), 100_000)


def test_UNIT_010_an_isolated_inverse_perpetual_has_its_closed_form() -> None:
    venue = _straight_venue()
    mark = venue.mark(BTC_INVERSE)  # −100 / 100,000 coins
    position = held(BTC_INVERSE, 2_000, mark, COIN // 2)
    venue.open(AccountRecord("amy", "isolated", {"BTC": 3 * COIN}, [position]))
    (found,) = critical_prices_of(Trial(venue.engine, f"amy/{BTC_INVERSE}"))
    # 0.5 + 200,000·(1/100,000 − 1/p) coins, at p, is r·200,000 dollars
    exact = 200_000 * (1 + _rate(venue)) / Fraction(5, 2)
    assert abs(Fraction(found.liquidation_below) - exact) <= Fraction(
        "0.05"
    )  # marks are steps of 10⁻¹² coin
    assert found.liquidation_above is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_011_at_a_published_price_the_verdict_is_the_engines(mode: str, seed: int) -> None:
    venue, _ = _random_venue(seed, mode)
    for unit in _units(venue)[:2]:
        trial = Trial(venue.engine, unit)
        for found in critical_prices_of(trial):
            step = (
                10
                ** venue.engine.market.assets[
                    venue.engine.market.asset_slots[found.underlying]
                ].price_exponent
            )
            for roots, is_bad in (
                (found.liquidation, _is_liquidatable), (found.bankruptcy, _is_bankrupt),
            ):  # fmt: skip
                for root in roots:
                    at = int(root.price * step)
                    sound = at + (1 if root.direction == "falling" else -1)
                    verdicts = []
                    for units in (at, sound):
                        moved = trial.copy()
                        moved.move(found.underlying, units)
                        verdicts.append(is_bad(moved))
                    assert verdicts == [True, False]
            assert not found.reason


def _is_liquidatable(trial: Trial) -> bool:
    return trial.numbers().buffer < 0


def _is_bankrupt(trial: Trial) -> bool:
    return trial.numbers().equity < trial.closing_cost()


@pytest.mark.parametrize("seed", range(6))
def test_UNIT_011_closing_costs_are_the_parts_of_that_name(seed: int) -> None:
    venue, _ = _random_venue(seed, MODES[seed % 3])
    for unit in _units(venue):
        trial = Trial(venue.engine, unit)
        parts = [p.amount for p in trial.risk().maintenance_parts if p.name == "liquidation_cost"]
        assert abs(trial.closing_cost() - sum(parts)) <= 1 + len(parts)


def test_UNIT_012_a_short_straddle_has_a_price_on_each_side_and_the_scan_finds_both() -> None:
    venue = open_venue()
    venue.open(AccountRecord("amy", "portfolio", {"USDC": 160_000 * USD}, [
        held(BTC_CALL, -200, 1), held(BTC_PUT, -200, 1),
    ]))  # fmt: skip
    trial = Trial(venue.engine, "amy")
    (found,) = critical_prices_of(trial)
    assert [root.direction for root in found.liquidation] == ["falling", "rising"]
    assert found.liquidation_below < 100_000 < found.liquidation_above
    assert found.bankruptcy_below <= found.liquidation_below
    flips = []
    for price in range(15_000, 200_000, 250):  # every 250 dollars
        moved = trial.copy()
        moved.move("BTC", 100 * price)
        flips.append(_is_liquidatable(moved))
    changes = sum(a != b for a, b in zip(flips[1:], flips[:-1], strict=True))
    assert changes == len(found.liquidation) == 2


def test_UNIT_013_steps_reach_and_what_has_nothing_to_say() -> None:
    venue = open_venue()
    venue.open(
        AccountRecord("amy", "cross", {"USDC": 20_000 * USD}, [held(BTC_LINEAR, 10_000, MARK)])
    )
    trial = Trial(venue.engine, "amy")
    (found,) = critical_prices_of(trial, steps={"BTC": 50}, reach=2.0)
    assert found.tick == Decimal("0.50")
    assert found.liquidation_below % Decimal("0.50") == 0
    assert found.highest == 200_000
    (coarse,) = critical_prices_of(trial, steps={"BTC": 10**9})
    assert coarse.reason
    trial.leave_out()
    assert critical_prices_of(trial) == ()


def test_UNIT_013_a_price_that_no_mark_fits_is_silent() -> None:
    venue = open_venue()
    venue.open(
        AccountRecord("amy", "cross", {"USDC": 20_000 * USD}, [held(BTC_LINEAR, -100, MARK)])
    )
    (found,) = critical_prices_of(Trial(venue.engine, "amy"), reach=100.0)
    terms = venue.engine.market.instruments[venue.slot(BTC_LINEAR)]
    assert found.highest * 10**terms.mark_exponent <= terms.mark_max
