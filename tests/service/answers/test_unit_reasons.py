"""Reasons about units: parts that sum, cells that bind, prices, cures and comparisons of the engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from steelyard.engine.trial import Trial
from steelyard.publish.explain import Explanation
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.terms import AccountRecord
from steelyard.valuation.scenarios import fill_linear_rows
from tests.engine.test_trial import MODES, _random_venue, _units
from tests.service.answers.unit_desks import MARK, answer, open_desk
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    SECOND_US,
    USD,
    Venue,
    held,
    open_venue,
)

UNITS = ("writer", "crosser", "loner", f"loner/{BTC_LINEAR}", f"loner/{BTC_INVERSE}")


@pytest.fixture(scope="module")
def opened() -> tuple[Venue, EngineDesk]:
    return open_desk()


def _sums(node: Explanation) -> None:
    if node.children:
        assert sum((child.amount for child in node.children), Decimal(0)) == node.amount
    for child in node.children:
        _sums(child)


def _check_sums(found: Any) -> None:
    """Check that leaves sum to parts and parts to totals, as exact decimals."""
    for level, total in (
        ("initial", found.initial_margin),
        ("maintenance", found.maintenance_margin),
    ):
        assert sum(Decimal(getattr(part, level)) for part in found.parts) == Decimal(total)
        for part in found.parts:
            leaves = [Decimal(getattr(leaf, level)) for leaf in part.leaves]
            assert sum(leaves) == Decimal(getattr(part, level))
    for tree in found.unit.trees:
        _sums(tree)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_050_leaves_sum_to_parts_and_parts_to_the_requirement(mode: str, seed: int) -> None:
    venue, _ = _random_venue(seed, mode)
    venue.wait(30 * SECOND_US)  # old prices are charged for
    venue.tick()
    desk = EngineDesk(venue.engine)
    for unit in _units(venue):
        found, risk = answer("private/explain", desk, account=unit), venue.risk(unit)
        _check_sums(found)
        assert Decimal(found.initial_margin) == Decimal(risk.initial_requirement).scaleb(-6)
        assert Decimal(found.maintenance_margin) == Decimal(risk.maintenance_requirement).scaleb(-6)
        for name in {part.name for part in found.parts}:
            (part,) = [each for each in found.parts if each.name == name]
            own = [p.amount for p in risk.initial_parts if p.name == name]
            assert Decimal(part.initial) == Decimal(sum(own)).scaleb(-6)


def test_UNIT_051_a_legs_share_of_the_scenario_is_its_loss_there() -> None:
    venue = open_venue()
    venue.open(AccountRecord("amy", "portfolio", {"USDC": 500_000 * USD}, [
        held(BTC_LINEAR, 10_000, MARK), held(BTC_PUT, 50, 1),
    ]))  # fmt: skip
    found = answer("private/explain", EngineDesk(venue.engine), account="amy")
    scenario = next(part for part in found.parts if part.name == "scenario")
    shares = {leaf.name: Decimal(leaf.maintenance) for leaf in scenario.leaves}
    assert shares[BTC_LINEAR] > 0 > shares[BTC_PUT]  # the put hedges
    binding = [line for line in found.scenarios if line.is_binding]
    assert len(binding) == 1
    assert sum(shares.values()) == pytest.approx(Decimal(-binding[0].pnl), abs=Decimal("0.000002"))
    table = venue.engine.columns.table[venue.slot(BTC_LINEAR), binding[0].number - 1]
    assert shares[BTC_LINEAR] == pytest.approx(Decimal(-float(table) * 10_000), rel=Decimal("1e-9"))
    lot = next(each for each in found.one_more if each.instrument == BTC_LINEAR)
    assert lot.bought_maintenance > 0.0 > lot.sold_maintenance
    with pytest.raises(SteelyardError, match="ANSW-E06"):
        answer("private/explain", EngineDesk(venue.engine), account="amy", names_strategies=True)


def test_UNIT_052_outside_portfolio_mode_the_tier_binds(opened: tuple[Venue, EngineDesk]) -> None:
    _, desk = opened
    found = answer("private/explain", desk, account="crosser")
    assert {part.name for part in found.parts} == {"tier", "liquidation_cost", "order_margin"}
    assert not any(line.is_binding for line in found.scenarios)
    tier = next(part for part in found.parts if part.name == "tier")
    assert {leaf.name for leaf in tier.leaves} == {BTC_LINEAR, BTC_CALL, BTC_PUT}


@pytest.mark.parametrize("unit", UNITS)
def test_UNIT_053_the_matrix_is_the_engines_own_sums(
    opened: tuple[Venue, EngineDesk], unit: str
) -> None:
    venue, desk = opened
    found = answer("private/pme/simulate", desk, account=unit)
    risk = venue.risk(unit)
    matrix = found.unit
    assert len(matrix.scenarios) == venue.engine.grid.used == 31
    assert matrix.requirement_by == ("scenario" if risk.mode == "portfolio" else "tier")
    for each in matrix.underlyings:
        vectors = found.aggregated_risk_vectors[f"{each.underlying.lower()}_usdc"]
        assert [*vectors["standard"], *vectors["extended"]] == list(each.profits)
        assert (len(vectors["standard"]), len(vectors["extended"])) == (27, 4)
        scenario = [p.amount for p in risk.maintenance_parts
                    if (p.name, p.scope) == ("scenario", each.underlying)]  # fmt: skip
        if risk.mode == "portfolio":
            assert each.worst_loss * 1e6 == pytest.approx(sum(scenario), abs=2.0)
            assert (each.worst or 0) - 1 == risk.worst_scenarios.get(each.underlying, -1)
        assert each.worst_loss == max(0.0, -min(each.profits))
        details = found.margins["usdc"].initial_margin_details.risk_matrix_margin_details
        assert details[f"{each.underlying.lower()}_usd"].worst_case == each.worst_loss
        scale = [m * each.index_price for m in (1.0 + np.array(each.moves)).tolist()]
        assert list(each.prices) == pytest.approx(scale)
        # positions and coins add up to the whole
        by_holding = np.zeros(31)
        for name, vector in found.initial_risk_vectors.items():
            if name.startswith(each.underlying):
                by_holding += [*vector["standard"], *vector["extended"]]
        assert by_holding.tolist() == pytest.approx(list(each.profits), abs=1e-6)
    assert list(matrix.total) == pytest.approx(
        np.sum([each.profits for each in matrix.underlyings], axis=0).tolist() or [0.0] * 31
    )
    assert found.margins["usdc"].initial_margin == risk.initial_requirement / 1e6


def test_UNIT_054_a_linear_perpetual_moves_by_its_quantity_in_every_cell() -> None:
    venue = open_venue()
    venue.open(
        AccountRecord("amy", "portfolio", {"USDC": 500_000 * USD}, [held(BTC_LINEAR, 10_000, MARK)])
    )
    found = answer("private/pme/simulate", EngineDesk(venue.engine), account="amy",
                   simulated_positions={BTC_LINEAR: -3.0})  # fmt: skip
    (btc,) = found.unit.underlyings
    weights = [cell.weight for cell in found.unit.scenarios]
    table = np.zeros((1, 32))
    grid = venue.engine.grid
    fill_linear_rows(
        table, np.array([0], np.int32), np.array([100_000.0]),
        grid.price_multiplier(150_000), grid.weight,
    )  # fmt: skip
    assert list(btc.profits) == pytest.approx((-2.0 * table[0, :31]).tolist())
    plain = [
        -2.0 * 100_000.0 * move * weight for move, weight in zip(btc.moves, weights, strict=True)
    ]
    assert list(btc.profits) == pytest.approx(plain)
    worst = found.unit.scenarios[btc.worst - 1]
    assert worst.move > 0.0  # short after the trade
    assert found.portfolio.position == {BTC_LINEAR: -2.0}


def test_UNIT_055_critical_prices_and_the_estimate_agree(opened: tuple[Venue, EngineDesk]) -> None:
    venue, desk = opened
    unit = f"loner/{BTC_LINEAR}"
    found = answer("private/critical_prices", desk, account=unit)
    (btc,) = found.prices
    moved = Trial(venue.engine, unit)
    moved.move("BTC", int(Decimal(btc.liquidation_below) * 100))
    assert moved.numbers().buffer < 0
    estimate = answer("private/estimate_liquidation", desk, account=unit)
    assert estimate.estimated_liquidation_ratio == pytest.approx(float(btc.liquidation_below) / 1e5)
    assert estimate.estimated_liquidation_direction_map == {"btc_usd": "falling"}
    smaller = answer("private/estimate_liquidation", desk, account=unit,
                     simulated_positions={BTC_LINEAR: -0.5})  # fmt: skip
    assert smaller.estimated_liquidation_ratio < estimate.estimated_liquidation_ratio
    coarse = answer("private/critical_prices", desk, account=unit, tick="0.5")
    assert Decimal(coarse.prices[0].liquidation_below) % Decimal("0.5") == 0
    for wrong in ({"tick": "0.001"}, {"tick": "x"}, {"tick": "-1"}, {"tick": "NaN"},
                  {"tick": "1e999999"}, {"reach": 1.0}, {"reach": 101.0},
                  {"reach": float("nan")}):  # fmt: skip
        with pytest.raises(SteelyardError, match="ANSW-E05"):
            answer("private/critical_prices", desk, account=unit, **wrong)


def test_UNIT_056_a_cure_over_the_wire(opened: tuple[Venue, EngineDesk]) -> None:
    venue, desk = opened
    found = answer("private/cure", desk, account="crosser", wanted=20.0, level="maintenance")
    risk = venue.risk("crosser")
    assert found.cures.is_cured is False
    missing = 20 * risk.maintenance_requirement - risk.maintenance_balance
    assert found.cures.deposits[0].amount == str(Decimal(missing).scaleb(-6))
    assert found.cures.trades
    assert found.cures.cheapest
    one = answer("private/cure", desk, account="crosser", wanted=20.0, tradable=(BTC_LINEAR,))
    assert {trade.instrument for trade in one.cures.trades} <= {BTC_LINEAR}
    for wrong, code in (
        ({"wanted": 0.0}, "ANSW-E05"), ({"wanted": float("nan")}, "ANSW-E05"),
        ({"taker_fee": -0.1}, "ANSW-E05"), ({"half_spread": float("inf")}, "ANSW-E05"),
        ({"volatility_half_spread": 0.1}, "ANSW-E06"),
        ({"tradable": tuple(map(str, range(101)))}, "ANSW-E01"),
        ({"tradable": ("NONE",), "wanted": 20.0}, "UNIT-E01"),
    ):  # fmt: skip
        with pytest.raises(SteelyardError) as caught:
            answer("private/cure", desk, account="crosser", **wrong)
        assert caught.value.code == code


def test_UNIT_057_a_comparison_begins_with_the_engine(opened: tuple[Venue, EngineDesk]) -> None:
    venue, desk = opened
    for unit in ("writer", "crosser"):
        found = answer(
            "private/compare", desk, account=unit, methods=("steelyard", "binance-tiers")
        )
        risk = venue.risk(unit)
        own, house, tiers = found.rows
        assert (own.method, own.error) == ("engine", None)
        assert own.initial_margin == risk.initial_requirement / 1e6
        assert own.maintenance_margin == risk.maintenance_requirement / 1e6
        assert own.margin_ratio == pytest.approx(
            risk.maintenance_balance / risk.maintenance_requirement
        )
        assert (house.method, tiers.method) == ("steelyard", "binance-tiers")
        assert tiers.error is not None  # options are not covered, and that is said
        assert tiers.error["cure"]
    alone = answer("private/compare", desk, account="writer", methods=("engine",))
    assert [row.method for row in alone.rows] == ["engine"]
    every = answer("private/compare", desk, account="writer")
    assert len(every.rows) == 1 + len(desk.documents().names())
    coin = answer(
        "private/compare", desk, account="writer", currency="BTC", methods=("deribit-pm",)
    )
    assert coin.rows[0].currency == "USDC"
