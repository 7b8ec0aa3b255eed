"""The scenario matrix of a margin unit: its P&L in every cell of the engine's own grid.

A cell is a price move (a share of the underlying's range), a volatility move and a time; the P&L in it is what
the engine sums: coins and positions at the scenario's values, tails at the share of the loss that counts. In
portfolio mode the worst cell of each underlying is its requirement, times the level's factor, with what is
added; in cross and isolated mode the requirement goes by tiers and rates, and the cells are for reading.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.engine.curing import quantity_of
from steelyard.engine.trial import Trial
from steelyard.margin import AccountRisk
from steelyard.publish.story import quoted_price
from steelyard.quantities import PPM
from steelyard.service.answers.desk import Context
from steelyard.service.answers.portfolio import SimulateParams
from steelyard.service.answers.risk_matrix import (
    Holdings,
    MarginDetails,
    MatrixDetails,
    MatrixMargins,
    PricePair,
    RiskMatrix,
    ScenarioView,
    UnderlyingMatrix,
    UnitMatrix,
    Vectors,
    WorstBucket,
)
from steelyard.service.answers.units import UnitScope, dollars, simulated
from steelyard.valuation.grid import VOLATILITY_NAMES, YEAR_DAYS

Row = NDArray[np.float64]
BY_SCENARIO = "each underlying requires the loss of its worst cell, times the factor of the level, and what is added"
BY_TIER = "the requirement of this mode goes by tiers and rates of each position; the cells decide nothing"
_KINDS: dict[int, Any] = VOLATILITY_NAMES


def unit_pme_simulate(params: SimulateParams, context: Context, scope: UnitScope) -> RiskMatrix:
    """Return the matrix of a unit with simulated positions. Errors: those of `simulated`."""
    del context
    trial = simulated(scope, params.simulated_positions, is_added=params.add_positions)
    profits = trial.scenario_profits()
    risk, market, currency = trial.risk(), trial.market, scope.head["currency"]
    names = {slot: market.assets[slot].name for slot in profits}
    rules = {slot: trial.method.underlying_rules(names[slot]) for slot in profits}
    ranges = {rule.range_ppm for rule in rules.values()}
    moves = {}
    if len(ranges) == 1:
        moves = _tagged(trial, trial.grid.price_multiplier(*ranges) - 1.0)
    return RiskMatrix(
        **scope.head,
        model_params={
            "grid": _plain(trial.method.grid),
            "portfolio": _plain(trial.method.portfolio),
            "range_ppm": {names[slot]: rule.range_ppm for slot, rule in rules.items()},
        },
        aggregated_risk_vectors={
            f"{names[slot].lower()}_{currency.lower()}": _tagged(trial, row)
            for slot, row in profits.items()
        },
        pre_aggregated_risk_vectors={},
        initial_risk_vectors=_by_holding(trial),
        scenario_moves=moves,
        margins={currency.lower(): _margins(trial, risk, profits)},
        portfolio=_holdings(trial),
        index_price={
            f"{name.lower()}_usd": market.index_price(slot) for slot, name in names.items()
        },
        ticker=_prices(trial),
        unit=_matrix(trial, profits),
    )


def _plain(table: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(table))


def _tags(trial: Trial) -> list[str]:
    used, tails = trial.grid.used, len(trial.method.grid.tail_moves)
    return ["standard"] * (used - tails) + ["extended"] * tails


def _tagged(trial: Trial, row: Row) -> Vectors:
    found: Vectors = {}
    for tag, value in zip(_tags(trial), row[: trial.grid.used].tolist(), strict=True):
        found.setdefault(tag, []).append(value + 0.0)
    return found


def _by_holding(trial: Trial) -> dict[str, Vectors]:
    """Return the P&L vectors of each contract, and of each coin held."""
    market, columns = trial.market, trial.columns
    found = {}
    for slot, (lots, cost) in sorted(trial.positions.items()):
        row = columns.table[slot] * float(lots)
        terms = market.instruments[slot]
        if terms.contract_usd:  # its cost is a debt of coins, which move with the price
            coins = float(cost) * float(columns.coins_per_fine[slot])
            row = columns.spot_table[int(market.underlying_of[slot])] * -coins
        found[terms.name] = _tagged(trial, row)
    for slot, units in enumerate(trial.balances):
        if slot and units:
            asset = market.assets[slot]
            coins = units / 10**asset.exponent
            found[asset.name] = _tagged(trial, columns.spot_table[slot] * coins)
    return found


def _margins(trial: Trial, risk: AccountRisk, profits: dict[int, Row]) -> MatrixMargins:
    details, worst = {}, 0.0
    for slot, row in profits.items():
        name = trial.market.assets[slot].name
        parts: dict[str, float] = {}
        for part in risk.initial_parts:
            if part.scope == name:
                parts[part.name] = parts.get(part.name, 0.0) + dollars(part.amount)
        loss = max(0.0, -float(row.min()))
        worst += loss
        details[f"{name.lower()}_usd"] = MatrixDetails(
            loss, _bucket(trial, row) if loss > 0.0 else None, None, None, 0.0, parts
        )
    orders = sum(part.amount for part in risk.initial_parts if part.name == "order_margin")
    binds = trial.mode == "portfolio"
    return MatrixMargins(
        MarginDetails(details, worst if binds else None, 0.0, 0.0, dollars(orders)),
        dollars(risk.initial_requirement),
        dollars(risk.maintenance_requirement),
    )


def _bucket(trial: Trial, row: Row) -> WorstBucket:
    grid, at = trial.grid, int(np.argmin(row))
    tags, moves = _tags(trial), grid.move[: grid.used].tolist()
    move, tag = moves[at], tags[at]
    places = [i for i, each in enumerate(tags) if each == tag]
    side = "left" if move < 0.0 else "right" if move > 0.0 else "center"
    on_side = sorted({moves[i] for i in places if moves[i] * move > 0.0}, key=abs, reverse=True)
    bucket = on_side.index(move) + 1 if on_side else 0
    return WorstBucket(bucket, side, tag, places.index(at) + 1)


def _holdings(trial: Trial) -> Holdings:
    market = trial.market
    balances = {
        market.assets[slot].name: units / 10 ** market.assets[slot].exponent
        for slot, units in enumerate(trial.balances)
        if units
    }
    sizes = {
        market.instruments[slot].name: float(quantity_of(market.instruments[slot], lots))
        for slot, (lots, _) in sorted(trial.positions.items())
    }
    return Holdings(balances, sizes)


def _prices(trial: Trial) -> dict[str, PricePair]:
    market = trial.market
    found = {}
    for slot in sorted(trial.positions):
        terms = market.instruments[slot]
        index = market.index_price(int(market.underlying_of[slot]))
        mark = None
        if market.has_mark[slot] and market.mark_units[slot]:
            mark = float(quoted_price(terms, int(market.mark_units[slot])))
            if terms.is_option and terms.is_inverse:
                mark *= index
        found[terms.name] = PricePair(mark, index)
    return found


def _matrix(trial: Trial, profits: dict[int, Row]) -> UnitMatrix:
    grid = trial.grid
    tags = _tags(trial)
    scenarios = tuple(
        ScenarioView(
            at + 1, float(grid.move[at]), _KINDS[int(grid.volatility_kind[at])],
            float(grid.years[at]) * YEAR_DAYS, float(grid.weight[at]), tags[at],
        )
        for at in range(grid.used)
    )  # fmt: skip
    total = np.zeros(grid.used)
    for row in profits.values():
        total += row[: grid.used]
    binds = trial.mode == "portfolio"
    return UnitMatrix(
        scenarios,
        tuple(_of_underlying(trial, slot, row) for slot, row in profits.items()),
        tuple((total + 0.0).tolist()),
        "scenario" if binds else "tier",
        BY_SCENARIO if binds else BY_TIER,
    )


def _of_underlying(trial: Trial, slot: int, row: Row) -> UnderlyingMatrix:
    grid, market = trial.grid, trial.market
    name = market.assets[slot].name
    range_ppm = trial.method.underlying_rules(name).range_ppm
    multiplier = grid.price_multiplier(range_ppm)[: grid.used]
    index = market.index_price(slot)
    at = int(np.argmin(row[: grid.used]))
    loss = max(0.0, -float(row[at]))
    return UnderlyingMatrix(
        name, index, range_ppm / PPM, tuple((multiplier - 1.0).tolist()),
        tuple((multiplier * index).tolist()), tuple((row[: grid.used] + 0.0).tolist()),
        at + 1 if loss > 0.0 else None, loss, grid.describe(at if loss > 0.0 else -1, range_ppm),
    )  # fmt: skip
