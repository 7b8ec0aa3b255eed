"""The innermost loop, its twin, and the same bits on any width of vectors."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.account_risk import MONEY_MAX
from steelyard.margin.compiled import jit
from steelyard.margin.kernel import accumulate_row, haircut, usd_ceil, usd_floor
from steelyard.margin.twin import usd_ceil_twin
from steelyard.margin.vector import (
    COLUMNS,
    accumulate_twin,
    fused_exact,
    worst,
    worst_twin,
)
from steelyard.marks import MarketState
from steelyard.terms import Asset
from steelyard.valuation.columns import ValuationColumns, aligned
from steelyard.valuation.revalue import configure, revalue
from tests.margin.roles import METHOD, Desk, fill_randomly

ROOT = Path(__file__).resolve().parents[2]


@jit
def _least(table, instrument, quantity, first, last, spot, u, coins):  # type: ignore[no-untyped-def]
    return worst(table, instrument, quantity, first, last, spot, u, coins)


def sample(seed: int, rows: int) -> tuple[np.ndarray, ...]:
    """Return table, instruments, lots and spot rows with wild sizes and signs."""
    rng = np.random.default_rng(seed)
    table = aligned(20, COLUMNS)
    table[:] = rng.normal(size=(20, COLUMNS)) * 10.0 ** rng.uniform(-12, 9, (20, 1))
    table[rng.random(table.shape) < 0.1] = -0.0
    spot = aligned(3, COLUMNS)
    spot[:] = rng.normal(size=(3, COLUMNS)) * 1e5
    instrument = rng.integers(0, 20, rows).astype(np.int32)
    quantity = rng.integers(-(2**40), 2**40, rows)
    return table, instrument, quantity, spot


@pytest.mark.parametrize("seed", range(4))
def test_MARG_019_the_loop_equals_its_twin_in_every_bit(seed: int) -> None:
    table, instrument, quantity, spot = sample(seed, 30)
    for first, last, coins in ((0, 30, 0.0), (3, 3, 1.5), (5, 6, -1e-9), (2, 29, 1e7)):
        sums = np.empty(COLUMNS)
        accumulate_row(table, instrument, quantity, first, last, spot, 2, coins, sums)
        twin = accumulate_twin(table, instrument, quantity, first, last, spot[2], coins)
        assert sums.tobytes() == twin.tobytes()
        least = _least(table, instrument, quantity, first, last, spot, 2, coins)
        assert least == worst_twin(sums.tolist())


def test_MARG_019_what_is_not_a_number_is_not_lost() -> None:
    table, instrument, quantity, spot = sample(9, 8)
    for column in (0, 7, 8, 31):
        broken = table.copy()
        broken[instrument[3], column] = np.nan
        assert np.isnan(_least(broken, instrument, quantity, 0, 8, spot, 0, 1.0))
        broken[instrument[3], column] = -np.inf
        expected = -np.inf if quantity[instrument == instrument[3]][0] > 0 else None
        least = _least(broken, instrument, quantity, 0, 8, spot, 0, 1.0)
        assert np.isnan(least) or expected is None or least == expected


def test_MARG_019_a_fused_step_is_rounded_once() -> None:
    a = 1.0 + 2.0**-30
    assert a * a - (1.0 + 2.0**-29) == 0.0
    assert fused_exact(a, a, -(1.0 + 2.0**-29)) == 2.0**-60
    table, spot = aligned(1, COLUMNS), aligned(1, COLUMNS)
    table[0], spot[0] = 1.0 / 3.0, 1.0 / 3.0
    sums = np.empty(COLUMNS)
    lots = np.array([3], np.int64)
    accumulate_row(table, np.zeros(1, np.int32), lots, 0, 1, spot, 0, -3.0, sums)
    assert set(sums.tolist()) == {fused_exact(3.0, 1.0 / 3.0, -1.0)}
    assert sums[0] != 3.0 * (1.0 / 3.0) - 1.0


def test_MARG_018_conversions_round_towards_the_house() -> None:
    assert usd_ceil(1e-9) == 1
    assert usd_ceil(0.0) == 0
    for value in (0.1, 1.0, 123456.789, 1e-6, 3.0000001, 4e12, 1e300, float("nan"), -1.5e-6):
        assert usd_ceil(value) == usd_ceil_twin(value)


@given(
    st.integers(-(2**62), 2**62), st.integers(0, 9), st.integers(0, 6), st.integers(1, 9 * 10**10)
)
def test_MARG_018_units_become_dollars_exactly(
    units: int, exponent: int, price_exponent: int, index: int
) -> None:
    asset = Asset("COIN", exponent, price_exponent).check()
    index = min(index, asset.index_units_max)
    market = MarketState()
    slot = market.list_asset(asset)
    market.index_units[slot] = index
    columns = ValuationColumns()
    grid = configure(columns, market, METHOD)
    revalue(columns, market, METHOD, grid, [slot])
    found = usd_floor(
        units, columns.units_per_coin[slot], columns.price_micro[slot],
        columns.split_multiplier[slot], columns.split_divisor[slot],
    )  # fmt: skip
    exact = Fraction(units, 10**exponent) * Fraction(index, 10**price_exponent) * 10**6 // 1
    assert found == max(-MONEY_MAX, min(MONEY_MAX, exact))


@given(st.integers(0, MONEY_MAX), st.integers(0, 10**6))
def test_MARG_004_a_haircut_is_exact_and_rounded_up(value: int, ppm: int) -> None:
    assert haircut(value, ppm) == -(-value * ppm // 10**6)


def digest_of_a_pass() -> str:
    """Return one digest of the results and tables of random books."""
    digest = hashlib.blake2b(digest_size=16)
    for seed in range(3):
        desk = fill_randomly(Desk(), seed, units=60)
        desk.market.is_protected[2] = True
        digest.update(desk.results().tobytes())
        digest.update(desk.columns.table.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("cpu", ["nehalem", "haswell"])
def test_MARG_020_vector_width_does_not_change_a_bit(tmp_path: Path, cpu: str) -> None:
    program = "from tests.margin.test_vector import digest_of_a_pass; print(digest_of_a_pass())"
    chosen = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | chosen, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2_000:]
    assert run.stdout.strip() == digest_of_a_pass()
