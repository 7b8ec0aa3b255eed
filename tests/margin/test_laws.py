"""Laws of the pass over random books: independence, order, sums, twins."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.margin import explain_unit
from steelyard.margin.require import _run, scenario_sums
from steelyard.margin.twin import require_unit_twin
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.revalue import configure, revalue
from tests.margin.roles import BTC, ETH, METHOD, MODES, NOW_US, SOL, Desk, fill_randomly

SEEDS = st.integers(0, 2**32)
LOTS = st.dictionaries(
    st.integers(0, 32), st.integers(-3_000, 3_000).filter(bool), min_size=1, max_size=8
)
FEW = settings(max_examples=25)
EQUITY, INITIAL_BALANCE, BALANCE, INITIAL, MAINTENANCE, CERTAIN = range(6)


def protect(desk: Desk, *assets: int) -> Desk:
    """Mark assets as protected."""
    for asset in assets:
        desk.market.is_protected[asset] = True
    return desk


def scenario_of(desk: Desk, row: int) -> dict[str, int]:
    """Return the scenario parts of the maintenance requirement by underlying."""
    risk = desk.risk(row)
    return {p.scope: p.amount for p in risk.maintenance_parts if p.name == "scenario"}


def worst_loss(desk: Desk, row: int) -> dict[int, float]:
    """Return the worst scenario loss by underlying slot, in floats, as an explanation reads it."""
    results = np.zeros((6, desk.book.units), np.int64)
    scratch = _run(
        desk.book, desk.market, desk.columns, desk.method, results, np.array([row], np.int64)
    )
    exposure = scratch[3][:, 5]
    return {
        u: -min(
            0.0,
            float(
                scenario_sums(
                    desk.book, row, u, desk.market, desk.columns, float(exposure[u])
                ).min()
            ),
        )
        for u in range(1, desk.assets)
    }


@given(LOTS)
@FEW
def test_MARG_009_twice_the_book_has_twice_the_scenario_part(held: dict[int, int]) -> None:
    desk = Desk()
    once = desk.unit("portfolio", {BTC: 5_000_000}, held)
    twice = desk.unit("portfolio", {BTC: 10_000_000}, {s: 2 * q for s, q in held.items()})
    one, two = worst_loss(desk, once), worst_loss(desk, twice)
    assert two == {u: 2.0 * loss for u, loss in one.items()}
    assert max(one.values()) > 0.0


@given(LOTS, LOTS)
@FEW
def test_MARG_010_together_requires_no_more_than_apart(
    first: dict[int, int], second: dict[int, int]
) -> None:
    desk = Desk()
    both = {s: first.get(s, 0) + second.get(s, 0) for s in {*first, *second}}
    rows = [
        desk.unit("portfolio", held={s: q for s, q in b.items() if q})
        for b in (first, second, both)
    ]
    one, two, together = (sum(scenario_of(desk, row).values()) for row in rows)
    assert together <= one + two + 8  # a micro-USDC of rounding a part


@given(SEEDS)
@FEW
def test_MARG_011_no_unit_depends_on_another(seed: int) -> None:
    desk = fill_randomly(Desk(), seed, units=12)
    before = desk.results()
    fill_randomly(desk, seed + 1, units=12)
    after = desk.results()
    assert np.array_equal(before, after[:, :12])
    desk.book.quantity[int(desk.book.start[5]) : int(desk.book.start[5] + desk.book.count[5])] *= 3
    desk.book.balances[5] -= 10**9
    changed = desk.results()
    others = np.arange(24) != 5
    assert np.array_equal(changed[:, others], after[:, others])
    assert not np.array_equal(changed[:, 5], after[:, 5])


@given(SEEDS, st.randoms())
@FEW
def test_MARG_012_any_order_and_any_split_give_the_same_bits(seed: int, rng: object) -> None:
    desk = protect(fill_randomly(Desk(), seed), SOL)
    whole = desk.results()
    order = np.arange(desk.book.units, dtype=np.int64)
    rng.shuffle(order)  # type: ignore[attr-defined]
    assert np.array_equal(desk.results(order), whole)
    for size in (1, 2, 7):
        pieces = np.zeros_like(whole)
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            pieces[:, rows] = desk.results(rows)[:, rows]
        assert np.array_equal(pieces, whole)
    for row in range(desk.book.units):
        risk = desk.risk(row)
        assert whole[:, row].tolist() == [
            risk.equity, risk.initial_balance, risk.maintenance_balance, risk.initial_requirement,
            risk.maintenance_requirement, risk.certain_buffer,
        ]  # fmt: skip


@given(SEEDS, st.sets(st.sampled_from([BTC, ETH, SOL])))
@FEW
def test_MARG_013_parts_sum_exactly(seed: int, protected: set[int]) -> None:
    desk = protect(fill_randomly(Desk(), seed), *protected)
    seen = set()
    for row in range(desk.book.units):
        risk = desk.risk(row)
        seen.add(risk.mode)
        assert sum(p.amount for p in risk.equity_parts) == risk.equity
        assert sum(p.amount for p in risk.initial_parts) == risk.initial_requirement
        assert sum(p.amount for p in risk.maintenance_parts) == risk.maintenance_requirement
        cut = sum(p.amount for p in risk.haircut_initial_parts)
        assert risk.equity - cut == risk.initial_balance
        cut = sum(p.amount for p in risk.haircut_maintenance_parts)
        assert risk.equity - cut == risk.maintenance_balance
        for part in risk.initial_parts + risk.maintenance_parts:
            assert part.amount >= 0
            assert part.scope in desk.market.asset_slots
    assert seen == set(MODES)


def test_MARG_013_order_margin_is_a_part() -> None:
    desk = fill_randomly(Desk(), 3)
    risk = explain_unit(desk.book, 0, desk.market, desk.columns, desk.method, 1_234)
    assert sum(p.amount for p in risk.initial_parts) == risk.initial_requirement
    assert risk.initial_requirement == desk.risk(0).initial_requirement + 1_234


@pytest.mark.parametrize("seed", range(6))
def test_MARG_014_the_pass_equals_its_twin_in_every_bit(seed: int) -> None:
    desk = fill_randomly(Desk(), seed, units=12)
    if seed % 2:
        protect(desk, BTC, SOL)
    results = desk.results()
    for row in range(desk.book.units):
        twin = require_unit_twin(desk.book, row, desk.market, desk.columns, desk.method)
        assert tuple(results[:, row].tolist()) == twin


@given(
    st.lists(st.tuples(st.integers(0, 32), st.integers(-(10**7), 10**7).filter(bool)), max_size=6),
    st.tuples(*[st.integers(-(2**62), 2**62)] * 4),
    st.floats(0.01, 100.0),
    st.sampled_from(MODES),
)
@settings(max_examples=60)
def test_MARG_014_the_pass_equals_its_twin_at_the_edges(
    held: list[tuple[int, int]], cash: tuple[int, ...], entry: float, mode: str
) -> None:
    desk = DESK_FOR_EDGES
    marks = {s: round(int(desk.market.mark_units[s]) * entry) for s, _ in held}
    row = desk.unit(mode, dict(enumerate(cash)), dict(held), marks)  # type: ignore[arg-type]
    twin = require_unit_twin(desk.book, row, desk.market, desk.columns, desk.method)
    results = np.zeros((6, desk.book.units), np.int64)
    assert tuple(desk.results(np.array([row]))[:, row].tolist()) == twin
    assert results.shape[1] == row + 1


DESK_FOR_EDGES = Desk()


@given(SEEDS)
@FEW
def test_MARG_015_equity_is_the_exact_value(seed: int) -> None:
    desk = fill_randomly(Desk(), seed)
    results = desk.results()
    market = desk.market
    for row in range(desk.book.units):
        coins = [Fraction(int(desk.book.balances[row, a])) for a in range(desk.assets)]
        for slot, lots, cost in desk.book.positions(row):
            terms = market.instruments[slot]
            home = market.asset_slots[terms.settlement]
            scale = Fraction(
                10 ** market.assets[home].exponent, 10 ** (terms.lot_exponent + terms.mark_exponent)
            )
            coins[home] += (lots * int(market.mark_units[slot]) - cost) * scale // 1
        equity = sum(
            units
            * Fraction(int(market.index_units[a]), 10 ** market.assets[a].price_exponent)
            / 10 ** market.assets[a].exponent
            * 10**6
            // 1
            for a, units in enumerate(coins)
        )
        assert results[EQUITY, row] == equity


@given(SEEDS)
@FEW
def test_MARG_016_initial_is_the_stricter_level(seed: int) -> None:
    results = fill_randomly(Desk(), seed).results()
    assert (results[INITIAL] >= results[MAINTENANCE]).all()
    assert (results[INITIAL_BALANCE] <= results[BALANCE]).all()
    assert (results[BALANCE] <= results[EQUITY]).all()
    assert (results[MAINTENANCE] >= 0).all()


@given(SEEDS, st.sets(st.sampled_from([BTC, ETH, SOL]), min_size=1))
@FEW
def test_MARG_017_the_certain_buffer_is_never_below_the_buffer(
    seed: int, protected: set[int]
) -> None:
    desk = fill_randomly(Desk(), seed)
    free = desk.results()
    assert (free[CERTAIN] == free[BALANCE] - free[MAINTENANCE]).all()
    protect(desk, *protected)
    results = desk.results()
    assert np.array_equal(results[:5], free[:5])
    assert (results[CERTAIN] >= free[CERTAIN]).all()
    more = protect(desk, BTC, ETH, SOL).results()
    assert (more[CERTAIN] >= results[CERTAIN]).all()


def test_MARG_023_the_grid_has_27_scenarios_and_4_tails() -> None:
    desk = Desk()
    grid = desk.grid
    assert grid.used == 31
    assert grid.move[:3].tolist() == [-1.0] * 3
    assert grid.volatility_kind[:3].tolist() == [-1, 0, 1]
    assert grid.move[27:].tolist() == [-3.0, -2.0, 2.0, 3.0, 0.0]
    assert grid.weight[27:].tolist() == [0.2, 0.35, 0.35, 0.2, 0.0]
    assert grid.weight[:27].tolist() == [1.0] * 27
    count = len(desk.market.instruments)
    assert not desk.columns.table[:count, [13, 31]].any()
    assert not desk.columns.spot_table[:, [12, 13, 14, 31]].any()
    assert np.isfinite(desk.columns.table).all()
    assert (grid.price_multiplier(150_000)[[0, 13, 24, 27]] == [0.85, 1.0, 1.15, 0.55]).all()
    perpetual = desk.columns.table[0, [0, 1, 2, 12, 24, 27, 28]] / 10.0  # a lot is 10 USD
    assert np.allclose(perpetual, [-0.15, -0.15, -0.15, 0.0, 0.15, -0.09, -0.105])


def test_MARG_023_a_scenario_reads_as_words() -> None:
    describe = Desk().grid.describe
    assert describe(13, 150_000) == "price +0.00 %, volatility same"
    assert describe(30, 300_000) == "price +90.00 %, volatility up, 20% of the loss counts"
    assert describe(31, 150_000) == describe(-1, 150_000) == "no loss in any scenario"


def test_MARG_024_revaluing_one_asset_writes_its_rows_alone() -> None:
    desk = Desk()
    before = {name: column.copy() for name, column in vars(desk.columns).items()}
    desk.market.index_units[BTC] += 12_345
    revalue(desk.columns, desk.market, METHOD, desk.grid, [BTC])
    mine = desk.market.underlying_of[: len(desk.market.instruments)] == BTC
    for name in ("table", "per_lot", "notional", "option_initial"):
        now, then = getattr(desk.columns, name)[: len(mine)], before[name][: len(mine)]
        assert np.array_equal(now[~mine], then[~mine])
        assert not np.array_equal(now[mine], then[mine])
    one_by_one = ValuationColumns()
    configure(one_by_one, desk.market, METHOD)
    for asset in (SOL, 0, BTC, ETH):
        revalue(one_by_one, desk.market, METHOD, desk.grid, [asset])
    revalue(desk.columns, desk.market, METHOD, desk.grid, [0, BTC, ETH, SOL])
    for name, column in vars(desk.columns).items():
        assert np.array_equal(column, getattr(one_by_one, name)), name
    assert desk.market.time_us == NOW_US
