"""The scenario vectors of an account: `private/pme/simulate`, under any scenario document.

The shape is that of the published answer (docs.deribit.com, "Account Management"): risk vectors by position
and aggregated, the details of the margin, the portfolio and its prices. A vector is keyed by the tag of
its scenarios ("standard", "extended"), its numbers are P&L in `currency`.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from steelyard.margin.methods.core.answering import answer_of, evaluated
from steelyard.margin.methods.core.evaluation import UNDERLYING, Evaluation
from steelyard.margin.methods.core.rules import Compiled
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import cannot
from steelyard.service.answers.portfolio import SimulateParams, simulation_of
from steelyard.service.answers.scope import Head, head_of

Vectors = dict[str, list[float]]
GIVEN = ("spot_margin", "mmp_margin", "open_orders_margin")


class WorstBucket(msgspec.Struct, frozen=True):
    """The scenario that binds: source is its tag, index its place in that vector, from 1.

    side: left where the price falls, right where it rises, else center; bucket: the place of its move
    among those of its side, from the outermost, which is 1; 0 in the center.
    """

    bucket: int
    side: str
    source: str
    index: int


class MatrixDetails(msgspec.Struct, frozen=True):
    """What the requirement of one underlying is made of; parts: by the document's own names."""

    worst_case: float
    worst_case_bucket: WorstBucket | None
    delta_shock: float | None
    roll_shock: float | None
    correlation_contingency: float
    parts: dict[str, float]


class MarginDetails(msgspec.Struct, frozen=True):
    """The parts of an account's initial margin: by underlying, then amounts given."""

    risk_matrix_margin_details: dict[str, MatrixDetails]
    risk_matrix_margin: float | None
    spot_margin: float
    mmp_margin: float
    open_orders_margin: float


class MatrixMargins(msgspec.Struct, frozen=True):
    """Initial and maintenance margin of the account with what they are made of."""

    initial_margin_details: MarginDetails
    initial_margin: float
    maintenance_margin: float


class Holdings(msgspec.Struct, frozen=True):
    """What was margined: balances by asset, quantities by contract."""

    currency: dict[str, float]
    position: dict[str, float]


class PricePair(msgspec.Struct, frozen=True):
    """Prices of a contract in USD, an option's the method's own value."""

    mark_price: float | None
    index_price: float | None


class ScenarioView(msgspec.Struct, frozen=True):
    """A cell of the engine's grid. number: from 1; move: a share of each underlying's range; days: later;
    weight: the share of the loss that counts; tag: "standard", or "extended" for the tails."""

    number: int
    move: float
    volatility: Literal["down", "same", "up"]
    days: float
    weight: float
    tag: str


class UnderlyingMatrix(msgspec.Struct, frozen=True):
    """One underlying of a unit over the cells: prices in USD, relative moves, and P&L in USD as it counts.

    worst: the number of the cell of the least P&L, null where none is a loss; worst_loss: not below 0.
    """

    underlying: str
    index_price: float
    range: float
    moves: tuple[float, ...]
    prices: tuple[float, ...]
    profits: tuple[float, ...]
    worst: int | None
    worst_loss: float
    words: str


class UnitMatrix(msgspec.Struct, frozen=True):
    """The scenario P&L of a margin unit, underlying by underlying.

    total: all underlyings in the same cell, for reading: the requirement adds each one's own worst.
    requirement_by: "scenario" where the worst cells bind, "tier" where they do not.
    """

    scenarios: tuple[ScenarioView, ...]
    underlyings: tuple[UnderlyingMatrix, ...]
    total: tuple[float, ...]
    requirement_by: Literal["scenario", "tier"]
    statement: str


class RiskMatrix(Head, frozen=True, kw_only=True):
    """The extended risk matrix. model_params: the parameters of the document, by their own names.

    aggregated_risk_vectors: by pair (underlying_currency), after the method's steps on the aggregate;
    pre_aggregated_risk_vectors: before them, empty where it has none. initial_risk_vectors: by contract, of
    the whole position, before any discount. scenario_moves: the relative move of each scenario. unit: where the
    engine itself answers, its grid cell by cell; scenario_moves are empty where its underlyings have several ranges.
    """

    model_params: dict[str, Any]
    aggregated_risk_vectors: dict[str, Vectors]
    pre_aggregated_risk_vectors: dict[str, Vectors]
    initial_risk_vectors: dict[str, Vectors]
    scenario_moves: Vectors
    margins: dict[str, MatrixMargins]
    portfolio: Holdings
    index_price: dict[str, float]
    ticker: dict[str, PricePair]
    unit: UnitMatrix | None = None


def pme_simulate(params: SimulateParams, context: Context) -> RiskMatrix:
    """Return the scenario vectors of an account with simulated positions.

    Errors: those of `simulate_portfolio`; ANSW-E06 for a method without scenarios.
    """
    scope, case = simulation_of(params, context)
    document = scope.document
    if document.core != "scenario":
        raise cannot(
            f"{document.name} has no scenarios", "a risk matrix is that of a scenario document",
            "name another method, such as deribit-pm", "method",
        )  # fmt: skip
    evaluation = evaluated(case, Compiled(document), keeps=True)
    answer = answer_of(evaluation)
    evaluation.name("scan_min", UNDERLYING)
    currency = answer.currency or scope.currency
    raw: dict[str, Vectors] = {}
    if evaluation.compiled.rules.scan:
        plain = Compiled(document)
        plain.rules = replace(plain.rules, scan=())
        before = evaluated(case, plain, keeps=True)
        before.name("scan_min", UNDERLYING)
        raw = _aggregated(before, currency)
    return RiskMatrix(
        **head_of(context, scope) | {"currency": currency},
        model_params=document.parameters,
        aggregated_risk_vectors=_aggregated(evaluation, currency),
        pre_aggregated_risk_vectors=raw,
        initial_risk_vectors=_by_position(evaluation),
        scenario_moves=_tagged(evaluation, evaluation.prepared.scenarios.m),
        margins={currency.lower(): _margins(evaluation, answer)},
        portfolio=_holdings(case),
        index_price=_indices(evaluation),
        ticker=_ticker(evaluation),
    )


def _tagged(evaluation: Evaluation, values: NDArray[Any]) -> Vectors:
    """Return a row over the scenarios by tag."""
    tags = evaluation.prepared.scenarios.tags
    found: Vectors = {tag: [] for tag in dict.fromkeys(tags)}
    for tag, value in zip(tags, values.tolist(), strict=True):
        found[tag].append(value + 0.0)
    return found


def _units(evaluation: Evaluation) -> list[str]:
    names = evaluation.instruments.underlyings or [""]
    return [names[int(u)] for u in evaluation.segments.unit_underlying]


def _aggregated(evaluation: Evaluation, currency: str) -> dict[str, Vectors]:
    return {
        f"{name.lower()}_{currency.lower()}": _tagged(evaluation, row)
        for name, row in zip(_units(evaluation), evaluation.totals, strict=True)
    }


def _by_position(evaluation: Evaluation) -> dict[str, Vectors]:
    prepared, books = evaluation.prepared, evaluation.books
    count = len(prepared.scenarios)
    found = {}
    for row, quantity in zip(books.instrument.tolist(), books.quantity.tolist(), strict=True):
        if evaluation.instruments.contracts[row] is None:
            continue
        gains = (prepared.table[row, :count] - prepared.base[row]) * prepared.weight[:count]
        found[evaluation.instruments.names[row]] = _tagged(evaluation, quantity * gains)
    return found


def _margins(evaluation: Evaluation, answer: Any) -> MatrixMargins:
    rules = evaluation.compiled.rules
    worst = evaluation.column("scan_min", UNDERLYING)
    contingency = evaluation.books.extras.get("correlation_contingency")
    given = 0.0 if contingency is None else contingency.item(0)
    details = {}
    for place, name in enumerate(_units(evaluation)):
        parts = {
            part: float(evaluation.column(part, UNDERLYING)[place])
            for part in rules.parts
            if part in rules.underlying
        }
        loss = float(worst[place])
        details[f"{name.lower()}_usd"] = MatrixDetails(
            max(0.0, -loss), _bucket(evaluation, place) if loss < 0.0 else None,
            parts.get("delta_shock"), parts.get("roll_shock"), given, parts,
        )  # fmt: skip
    extras = {
        name: evaluation.books.extras[name].item(0) if name in evaluation.books.extras else 0.0
        for name in GIVEN
    }
    matrix = answer.native.get("risk_matrix_margin")
    return MatrixMargins(
        MarginDetails(details, matrix, **extras),
        answer.initial_requirement,
        answer.maintenance_requirement,
    )


def _bucket(evaluation: Evaluation, unit: int) -> WorstBucket:
    scenarios = evaluation.prepared.scenarios
    at = int(evaluation.where[unit])
    tag, move = scenarios.tags[at], float(scenarios.m[at])
    places = [i for i, each in enumerate(scenarios.tags) if each == tag]
    side = "left" if move < 0.0 else "right" if move > 0.0 else "center"
    moves = {float(scenarios.m[i]) for i in places}
    on_side = sorted((m for m in moves if m * move > 0.0), key=abs, reverse=True)
    bucket = on_side.index(move) + 1 if on_side else 0
    return WorstBucket(bucket, side, tag, places.index(at) + 1)


def _holdings(case: Any) -> Holdings:
    account = case.account
    return Holdings(
        dict(account.balances), {each.instrument: each.quantity for each in account.positions}
    )


def _indices(evaluation: Evaluation) -> dict[str, float]:
    index = evaluation.instruments.of_underlying["index"]
    return {
        f"{name.lower()}_usd": value
        for name, value in zip(evaluation.instruments.underlyings, index.tolist(), strict=True)
        if isfinite(value)
    }


def _ticker(evaluation: Evaluation) -> dict[str, PricePair]:
    instruments = evaluation.instruments
    columns = instruments.columns
    found = {}
    for row in sorted(set(evaluation.books.instrument.tolist())):
        if instruments.contracts[row] is None:
            continue
        if columns["is_option"][row]:
            mark = evaluation.prepared.model_value[row]
            if evaluation.compiled.rules.settlement == "underlying":
                mark = mark * evaluation.prepared.forward[row]
        else:
            name = "perpetual_mark" if columns["is_perpetual"][row] else "forward_price"
            mark = columns[name][row]
        pair = PricePair(_finite(mark), _finite(columns["index"][row]))
        found[instruments.names[row]] = pair
    return found


def _finite(value: Any) -> float | None:
    number = float(np.float64(value))
    return number if isfinite(number) else None
