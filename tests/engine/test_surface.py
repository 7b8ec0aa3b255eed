"""A fitted surface and a calibrated model enter the engine as events."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.engine import Engine
from steelyard.engine.snapshot import restore_snapshot, state_hash, take_snapshot
from steelyard.terms import AccountRecord, Instrument
from steelyard.ticks import (
    HestonUpdate,
    InstrumentsListed,
    Smile,
    SurfaceUpdate,
    decode_event,
    encode_event,
)
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.heston import HestonParameters, heston_price
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_LINEAR,
    BTC_PUT,
    DAY_US,
    EXPIRY_US,
    SECOND_US,
    START_US,
    USD,
    Venue,
    held,
    open_venue,
)

YEAR_US = 365 * DAY_US
FORWARD = 101_000.0
SMILE = (0.01, 0.08, -0.3, 0.01, 0.15)
LATER = Smile(EXPIRY_US + 60 * DAY_US, 103_000.0, "fitted", 0.05, 0.15, -0.2, 0.02, 0.3)


def smile(expiry_us: int = EXPIRY_US, forward: float = FORWARD) -> Smile:
    return Smile(expiry_us, forward, "fitted", *SMILE, -0.3, 10.0, [1e-4, 2e-4, 1e-4])


def surface_of(venue: Venue, *smiles: Smile) -> SurfaceUpdate:
    made = venue.make(
        SurfaceUpdate, "BTC", 100_000.0, list(smiles or (smile(), LATER)), venue.now_us
    )
    assert isinstance(made, SurfaceUpdate)
    return made


def variance(k: float) -> float:
    """The smile by its formula; the spline by its recursion (Cox, de Boor)."""
    a, b, rho, m, sigma = SMILE

    def basis(x: float, order: int) -> float:
        if order == 0:
            return 1.0 if 0.0 <= x < 1.0 else 0.0
        left = x / order * basis(x, order - 1)
        return left + (order + 1 - x) / order * basis(x - 1.0, order - 1)

    bend = sum(c * basis((k + 0.3) * 10.0 - j, 3) for j, c in enumerate((1e-4, 2e-4, 1e-4)))
    return a + b * (rho * (k - m) + float(np.hypot(k - m, sigma))) + bend


def volatility(venue: Venue, name: str) -> float:
    return float(venue.engine.market.volatility[venue.slot(name)])


def test_ENGN_070_options_take_their_volatility_from_the_surface() -> None:
    venue = open_venue()
    venue.submit(surface_of(venue))
    years = (EXPIRY_US - venue.now_us) / YEAR_US
    expected = np.sqrt(variance(np.log(100_000.0 / FORWARD)) / years)
    for name in (BTC_CALL, BTC_PUT):
        assert volatility(venue, name) == pytest.approx(expected, rel=1e-13)
        assert venue.engine.market.forward_ratio[venue.slot(name)] == pytest.approx(1.01)
    price = float(black76_price(True, 101_000.0, 100_000.0, expected, years))
    assert venue.mark(BTC_CALL) == pytest.approx(price / 101_000.0 * 1e8, abs=1.0)


def test_ENGN_070_an_expiry_between_smiles_is_interpolated_in_total_variance() -> None:
    venue = open_venue()
    early, late = smile(EXPIRY_US - 10 * DAY_US, 100_700.0), LATER
    venue.submit(surface_of(venue, early, late))
    start = venue.now_us
    times = [(each.expiry_us - start) / YEAR_US for each in (early, late)]
    years = (EXPIRY_US - start) / YEAR_US
    share = (years - times[0]) / (times[1] - times[0])
    ratio = 1.007 + (1.03 - 1.007) * share
    k = float(np.log(1.0 / ratio))
    far = 0.05 + 0.15 * (-0.2 * (k - 0.02) + float(np.hypot(k - 0.02, 0.3)))
    expected = variance(k) + (far - variance(k)) * share
    assert volatility(venue, BTC_CALL) ** 2 * years == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dynamics", ["sticky_strike", "sticky_moneyness"])
def test_ENGN_071_between_fits_a_strike_or_a_moneyness_keeps_its_volatility(dynamics: str) -> None:
    method = load_method().with_parameter("grid.smile_dynamics", f'"{dynamics}"')
    venue = open_venue(method=method)
    venue.submit(surface_of(venue))
    before = volatility(venue, BTC_CALL)
    venue.wait(SECOND_US)
    venue.price("BTC", 95_000.0)
    after = volatility(venue, BTC_CALL)
    if dynamics == "sticky_strike":
        assert after == before
    else:
        years = (EXPIRY_US - START_US) / YEAR_US
        moved = float(np.sqrt(variance(np.log(100_000.0 / (95_000.0 * 1.01))) / years))
        assert after == pytest.approx(moved, rel=1e-12)
        assert after != before


def test_ENGN_072_an_older_surface_changes_nothing_and_plain_volatilities_end_its_use() -> None:
    venue = open_venue()
    stale = venue.now_us
    venue.wait(SECOND_US)
    venue.submit(surface_of(venue))
    before = volatility(venue, BTC_CALL)
    venue.send(SurfaceUpdate, "BTC", 100_000.0, [LATER], stale)
    assert volatility(venue, BTC_CALL) == before
    venue.volatility(0.8)
    venue.price("BTC", 101_000.0)
    assert volatility(venue, BTC_CALL) == 0.8


def test_ENGN_073_a_surface_that_leaves_a_live_option_without_volatility_is_refused() -> None:
    venue = open_venue()
    below = Smile(EXPIRY_US, FORWARD, "fitted", -0.5, 0.08, -0.3, 0.01, 0.15)
    wild = Smile(EXPIRY_US, FORWARD, "fitted", 900.0, 0.08, -0.3, 0.01, 0.15)
    for broken in (below, wild):
        with venue.refuses("ADMT-E03"):
            venue.submit(surface_of(venue, broken))
    with venue.refuses("ADMT-E03"):
        venue.send(SurfaceUpdate, "DOGE", 1.0, [smile()], venue.now_us)
    with venue.refuses("ADMT-E05"):
        venue.send(SurfaceUpdate, "BTC", 100_000.0, [smile()], venue.now_us + 10 * SECOND_US)


def test_ENGN_074_an_option_listed_later_has_its_volatility_at_once() -> None:
    venue = open_venue()
    venue.submit(surface_of(venue))
    name = "BTC-14FEB27-120000-C"
    option = Instrument(
        name, "option", "BTC", "BTC", True, 2, 8, 10**7,
        strike="120000", expiry_us=EXPIRY_US, is_call=True,
    )  # fmt: skip
    venue.send(InstrumentsListed, [option])
    years = (EXPIRY_US - START_US) / YEAR_US
    expected = np.sqrt(variance(np.log(120_000.0 / FORWARD)) / years)
    assert volatility(venue, name) == pytest.approx(expected, rel=1e-12)
    assert venue.engine.market.has_mark[venue.slot(name)]


def book_of_options(name: str) -> AccountRecord:
    positions = [
        held(BTC_CALL, -300, 5 * 10**6),
        held(BTC_PUT, 200, 5 * 10**9),
        held(BTC_LINEAR, 2_000, 10**7),
    ]
    return AccountRecord(name, "portfolio", {"USDC": 400_000 * USD}, positions)


def run(shards: int, model: str) -> Venue:
    method = load_method().with_parameter("grid.option_model", f'"{model}"')
    method = method.with_parameter("grid.smile_dynamics", '"sticky_moneyness"')
    venue = open_venue(shards=shards, method=method)
    venue.open(*(book_of_options(f"maker-{n}") for n in range(5)))
    venue.submit(surface_of(venue))
    venue.send(HestonUpdate, "BTC", 0.3, 2.0, 0.35, 0.9, -0.3, venue.now_us)
    for price in (99_000.0, 103_000.0, 97_000.0):
        venue.wait(SECOND_US)
        venue.price("BTC", price)
    return venue


@pytest.mark.parametrize("model", ["black", "heston"])
def test_ENGN_075_replay_snapshot_and_shards_give_the_same_state(model: str) -> None:
    venue = run(1, model)
    assert run(3, model).hash() == venue.hash()
    method = load_method().with_parameter("grid.option_model", f'"{model}"')
    replayed = Engine(method.with_parameter("grid.smile_dynamics", '"sticky_moneyness"'), 2)
    for event in venue.events:
        replayed.apply(decode_event(encode_event(event)))
    assert state_hash(replayed) == venue.hash()
    restored = Engine(venue.engine.method, 2)
    restore_snapshot(restored, take_snapshot(venue.engine))
    assert state_hash(restored) == venue.hash()
    for engine in (replayed, restored):
        for name in ("maker-0", "maker-4"):
            assert engine.risk_of(name) == venue.risk(name)
        size = len(venue.engine.market.instruments)
        np.testing.assert_array_equal(
            engine.columns.table[:size], venue.engine.columns.table[:size]
        )


def test_ENGN_076_heston_values_scenarios_where_the_method_says_so() -> None:
    venue, plain = run(1, "heston"), run(1, "black")
    slot = venue.slot(BTC_CALL)
    market, columns, grid = venue.engine.market, venue.engine.columns, venue.engine.grid
    assert venue.mark(BTC_CALL) == plain.mark(BTC_CALL), "marks stay with the surface"
    years = (EXPIRY_US - market.time_us) / YEAR_US
    forward = market.index_price(1) * float(market.forward_ratio[slot])
    base = heston_price(
        True, forward, 100_000.0, years, HestonParameters(0.3, 2.0, 0.35, 0.9, -0.3)
    )
    term = (30.0 / (years * 365.0)) ** 0.3
    up = 1.0 + venue.engine.method.grid.volatility_range_up * term
    model = {
        0: HestonParameters(0.3, 2.0, 0.35, 0.9, -0.3),
        1: HestonParameters(0.3 * up * up, 2.0, 0.35 * up * up, 0.9 * up, -0.3),
    }
    reach = venue.engine.method.underlying_rules("BTC").range_ppm / 1e6
    ratio = float(market.forward_ratio[slot])
    checked = 0
    for c in range(grid.used):
        kind = int(grid.volatility_kind[c])
        if kind >= 0:
            moved = forward * (1.0 + float(grid.move[c]) * reach)
            gain = heston_price(True, moved, 100_000.0, years, model[kind]) - base
            expected = float(grid.weight[c] * gain) / ratio / 100.0
            assert columns.table[slot, c] == pytest.approx(
                expected, rel=1e-9, abs=1e-9 * forward / 100
            )
            checked += 1
    assert checked == 22
    assert not np.array_equal(columns.table[slot], plain.engine.columns.table[slot])


def test_ENGN_076_without_parameters_black_values_the_scenarios() -> None:
    tables = []
    for model in ("black", "heston"):
        method = load_method().with_parameter("grid.option_model", f'"{model}"')
        venue = open_venue(method=method)
        tables.append(venue.engine.columns.table[venue.slot(BTC_CALL)].copy())
    np.testing.assert_array_equal(*tables)


def test_ENGN_077_a_horizon_adds_every_move_at_a_later_time() -> None:
    method = load_method().with_parameter("grid.price_moves", "[-1.0, 0.0, 1.0]")
    method = method.with_parameter("grid.horizon_days", "[0.0, 2.0]")
    venue = open_venue(method=method)
    grid, slot = venue.engine.grid, venue.slot(BTC_CALL)
    assert grid.used == 2 * 3 * 3 + 4
    row = venue.engine.columns.table[slot]
    years = (EXPIRY_US - venue.engine.market.time_us) / YEAR_US
    now = float(black76_price(True, 100_000.0, 100_000.0, 0.5, years))
    later = float(black76_price(True, 100_000.0, 100_000.0, 0.5, years - 2 / 365))
    centre = [c for c in range(18) if grid.move[c] == 0.0 and grid.volatility_kind[c] == 0]
    assert row[centre[0]] == 0.0
    assert row[centre[1]] == pytest.approx((later - now) / 100.0, rel=1e-9)
    assert grid.describe(centre[1], 150_000) == "price +0.00 %, volatility same, 2 days later"
    assert grid.years[18:22].tolist() == [2 / 365] * 4, "tails stand at the last time"


def test_ENGN_077_a_short_option_that_only_decays_frees_no_margin_by_waiting() -> None:
    needs = []
    for horizons in ("[0.0]", "[0.0, 1.0]"):
        method = load_method().with_parameter("grid.price_moves", "[-1.0, 0.0, 1.0]")
        venue = open_venue(method=method.with_parameter("grid.horizon_days", horizons))
        venue.open(book_of_options("maker"))
        needs.append(venue.risk("maker").maintenance_requirement)
    assert needs[1] >= needs[0], "more scenarios never ask for less"
