"""From book, marks and valuation columns to AccountRisk: for all units, and for one with its parts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.book import Book
from steelyard.margin.account_risk import AccountRisk, Part, RiskColumns
from steelyard.margin.kernel import (
    CLOSE_COST,
    EXPOSURE,
    MICRO,
    ORACLE_AGE,
    PART_COLUMNS,
    SCENARIO,
    SHORT_MIN,
    TIER_INITIAL,
    TIER_MAINTENANCE,
    accumulate_row,
    haircut,
    require_rows,
    usd_floor,
)
from steelyard.marks import MarketState
from steelyard.quantities import PPM, largest_remainder
from steelyard.terms import FULL_MODES, Method
from steelyard.valuation.columns import COLUMNS, ValuationColumns


class KernelColumns(NamedTuple):
    """The valuation columns the kernel reads, as a value it can take."""

    table: NDArray[np.float64]
    kind: NDArray[np.int8]
    per_lot: NDArray[np.float64]
    fine_per_unit: NDArray[np.int64]
    notional: NDArray[np.float64]
    option_long: NDArray[np.float64]
    option_initial: NDArray[np.float64]
    option_maintenance: NDArray[np.float64]
    spot_table: NDArray[np.float64]
    price_micro: NDArray[np.int64]
    split_multiplier: NDArray[np.int64]
    split_divisor: NDArray[np.int64]
    units_per_coin: NDArray[np.int64]
    haircut_initial: NDArray[np.int64]
    haircut_maintenance: NDArray[np.int64]
    tier_bound: NDArray[np.float64]
    tier_maintenance: NDArray[np.float64]
    tier_initial: NDArray[np.float64]
    deduct_maintenance: NDArray[np.float64]
    deduct_initial: NDArray[np.float64]


class Rates(NamedTuple):
    """Factors of the portfolio requirement as decimals."""

    initial_factor: float
    maintenance_factor: float
    short_minimum: float


def kernel_columns(columns: ValuationColumns) -> KernelColumns:
    """Return the kernel's view of the valuation columns (no copy)."""
    return KernelColumns(*(getattr(columns, name) for name in KernelColumns._fields))


def rates_of(method: Method) -> Rates:
    """Return the method's portfolio factors as decimals."""
    p = method.portfolio
    return Rates(
        p.initial_factor_ppm / PPM,
        p.maintenance_factor_ppm / PPM,
        p.short_option_minimum_ppm / PPM,
    )


def scratch_for(assets: int) -> tuple[NDArray[Any], ...]:
    """Return the scratch arrays of one pass: coin units, mark value, sums, parts, results."""
    return (
        np.zeros(assets, np.int64),
        np.zeros(assets, np.int64),
        np.zeros(COLUMNS),
        np.zeros((assets, PART_COLUMNS)),
        np.zeros(len(RiskColumns.NAMES), np.int64),
    )


def book_columns(book: Book) -> tuple[NDArray[Any], ...]:
    """Return the book's columns in the order the kernel takes them."""
    return (book.balances, book.start, book.count, book.instrument, book.quantity, book.cost)


def require_book(
    book: Book,
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
    results: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    """Fill `results` (6 × units, order of RiskColumns.NAMES) for the given rows of the book.

    Order margin is not in it: `order_requirements` adds that to the few units with resting orders.
    """
    _run(book, market, columns, method, results, rows)


def _run(
    book: Book,
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
    results: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[NDArray[Any], ...]:
    """Run the pass over rows of a book; return the scratch as the last of them left it."""
    assert results.shape[0] == len(RiskColumns.NAMES)
    scratch = scratch_for(len(market.assets))
    require_rows(
        rows,
        book.mode,
        len(market.assets),
        book_columns(book),
        kernel_columns(columns),
        market.mark_units,
        market.underlying_of,
        market.is_protected,
        (market.age_ppm, market.implied_age_ppm),
        rates_of(method),
        scratch,
        results,
    )
    return scratch


def explain_unit(
    book: Book,
    row: int,
    market: MarketState,
    columns: ValuationColumns,
    method: Method,
    order_margin: int = 0,
) -> AccountRisk:
    """Return the AccountRisk of one unit with every part named; parts sum to totals exactly.

    order_margin: micro-USDC that its resting orders add to the initial requirement.
    """
    results = np.empty((len(RiskColumns.NAMES), row + 1), np.int64)
    scratch = _run(book, market, columns, method, results, np.array([row], np.int64))
    coin_units, mark_value, _, parts, out = scratch
    rates = rates_of(method)
    mode = int(book.mode[row])
    equity, initial_balance, maintenance_balance, initial, maintenance, certain = out.tolist()
    cuts = _haircut_parts(coin_units, mode, market, columns)
    initial_parts = _requirement_parts(
        parts, market, rates.initial_factor, TIER_INITIAL, initial, with_age=True
    )
    if order_margin:
        initial_parts.append(Part("order_margin", "", order_margin))
    return AccountRisk(
        unit=book.names[row],
        mode=FULL_MODES[mode],
        equity=equity,
        initial_balance=initial_balance,
        maintenance_balance=maintenance_balance,
        initial_requirement=initial + order_margin,
        maintenance_requirement=maintenance,
        certain_buffer=certain,
        equity_parts=_equity_parts(coin_units, mark_value, market, columns),
        haircut_initial_parts=cuts[0],
        haircut_maintenance_parts=cuts[1],
        initial_parts=initial_parts,
        maintenance_parts=_requirement_parts(
            parts, market, rates.maintenance_factor, TIER_MAINTENANCE, maintenance
        ),
        worst_scenarios={
            asset.name: int(
                np.argmin(scenario_sums(book, row, a, market, columns, parts[a, EXPOSURE]))
            )
            for a, asset in enumerate(market.assets)
            if parts[a, SCENARIO] > 0.0
        },
    )


def scenario_sums(
    book: Book,
    row: int,
    u: int,
    market: MarketState,
    columns: ValuationColumns,
    coins: float,
) -> NDArray[np.float64]:
    """Return a unit's P&L in each of the 32 columns for one underlying, USD.

    coins: those of the underlying that are open to its price, as the pass leaves them in EXPOSURE.
    """
    first, end = int(book.start[row]), int(book.start[row] + book.count[row])
    of_row = market.underlying_of[book.instrument[first:end]].tolist()
    last = end - of_row[::-1].index(u) if u in of_row else first
    first += of_row.index(u) if u in of_row else 0
    sums = np.zeros(COLUMNS)
    accumulate_row(
        columns.table, book.instrument, book.quantity, first, last, columns.spot_table, u, coins, sums
    )  # fmt: skip
    return sums


def _requirement_parts(
    parts: NDArray[np.float64],
    market: MarketState,
    factor: float,
    tier: int,
    total: int,
    *,
    with_age: bool = False,
) -> list[Part]:
    """Return the named parts of a requirement, rounded so that they sum to `total`."""
    named: list[tuple[str, str, float]] = []
    for a, asset in enumerate(market.assets):
        for name, amount in (
            ("scenario", parts[a, SCENARIO] * factor),
            ("short_option_minimum", parts[a, SHORT_MIN]),
            ("tier", parts[a, tier]),
            ("liquidation_cost", parts[a, CLOSE_COST]),
            ("oracle_age", parts[a, ORACLE_AGE] if with_age else 0.0),
        ):
            if amount > 0.0:
                named.append((name, asset.name, amount * MICRO))
    amounts = largest_remainder([amount for _, _, amount in named], total)
    return [Part(n, s, amount) for (n, s, _), amount in zip(named, amounts, strict=True)]


def _equity_parts(
    coin_units: NDArray[np.int64],
    mark_value: NDArray[np.int64],
    market: MarketState,
    columns: ValuationColumns,
) -> list[Part]:
    """Return equity as balances and position values per asset. Each asset was rounded down once:
    the balance is shown as the rest, so the parts sum to the equity."""
    parts = []
    for a, asset in enumerate(market.assets):
        total = _usd(int(coin_units[a]), a, columns)
        positions = _usd(int(mark_value[a]), a, columns)
        if positions:
            parts.append(Part("position_value", asset.name, positions))
        if total - positions:
            parts.append(Part("balance", asset.name, total - positions))
    return parts


def _haircut_parts(
    coin_units: NDArray[np.int64], mode: int, market: MarketState, columns: ValuationColumns
) -> tuple[list[Part], list[Part]]:
    """Return the haircuts of both levels per asset (portfolio units carry coins in the grid)."""
    initial, maintenance = [], []
    for a, asset in enumerate(market.assets):
        value = _usd(int(coin_units[a]), a, columns)
        if value > 0 and (FULL_MODES[mode] != "portfolio" or a == 0):
            first = haircut(value, int(columns.haircut_initial[a]))
            second = haircut(value, int(columns.haircut_maintenance[a]))
            if first:
                initial.append(Part("haircut", asset.name, first))
            if second:
                maintenance.append(Part("haircut", asset.name, second))
    return initial, maintenance


def _usd(units: int, a: int, columns: ValuationColumns) -> int:
    return int(
        usd_floor(
            units,
            int(columns.units_per_coin[a]),
            int(columns.price_micro[a]),
            int(columns.split_multiplier[a]),
            int(columns.split_divisor[a]),
        )
    )
