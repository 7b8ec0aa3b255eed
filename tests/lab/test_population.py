"""The generated population: the stated shape, and every account within its margin."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter

import msgspec
import numpy as np
import pytest

from steelyard.lab import (
    PopulationReport,
    PopulationShape,
    SimulatedMarket,
    generate_population,
    parse_accounts_argument,
    population_report,
)
from steelyard.lab.estimate import make_board
from steelyard.lab.option_marks import opening_terms
from steelyard.quantities import PPM, InputError
from steelyard.terms import AccountRecord, Asset, Method
from steelyard.ticks import AccountsLoaded, check_event, decode_event, encode_event
from tests.lab.requirement_twin import (
    World,
    coins_held,
    equity_usd,
    haircut_usd,
    portfolio_requirement,
    tiered,
    value_usd,
)


@pytest.fixture(scope="module")
def world(demo_market: SimulatedMarket, assets: list[Asset], method: Method) -> World:
    return World(
        method,
        {item.name: item for item in demo_market.instruments},
        {asset.name: asset.exponent for asset in assets},
        demo_market.first_prices,
        demo_market.first_volatilities,
        demo_market.start_us,
    )


def generated(
    market: SimulatedMarket, assets: list[Asset], method: Method, count: int, seed: int
) -> list[AccountRecord]:
    return generate_population(
        count,
        seed,
        assets,
        market.instruments,
        market.first_prices,
        method,
        market.first_volatilities,
        time_us=market.start_us,
    )


@pytest.fixture(scope="module", params=[7, 8, 123])
def report(
    request: pytest.FixtureRequest,
    demo_market: SimulatedMarket,
    assets: list[Asset],
    method: Method,
) -> PopulationReport:
    return population_report(
        generated(demo_market, assets, method, 10_000, request.param),
        assets,
        demo_market.instruments,
        demo_market.first_prices,
        demo_market.first_volatilities,
        time_us=demo_market.start_us,
    )


def test_LABS_030_sizes_have_the_stated_tail(report: PopulationReport) -> None:
    assert 1_700.0 < report.size_p99_over_p50 < 2_400.0
    assert 1_425.0 < report.size_usd["p50"] < 1_575.0
    assert 10.0 < report.size_usd["p99.9"] / report.size_usd["p99"] < 40.0


def test_LABS_031_leverage_has_the_stated_share_and_tail(report: PopulationReport) -> None:
    assert 0.42 <= report.leveraged_share <= 0.48
    assert 0.5 < report.leverage["p50"] < 1.0
    assert 10.0 < report.leverage["p99"] < 35.0
    assert 35.0 < report.leverage["max"] < 51.0


def test_LABS_032_shares_are_as_stated(report: PopulationReport) -> None:
    stated = {"cross": 0.55, "isolated": 0.20, "portfolio": 0.25}
    assert report.modes == pytest.approx(stated, abs=0.001)
    assert report.roles == pytest.approx({"maker": 0.01, "options": 0.06, "taker": 0.93}, abs=0.001)
    assert 0.60 < report.long_share < 0.64
    assert 0.30 < report.coin_collateral_share < 0.50


def test_LABS_033_counts_are_as_stated_and_soon_there(
    demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> None:
    generated(demo_market, assets, method, 100, 1)
    best_s = float("inf")
    for seed in (1, 2, 3):
        begin = time.perf_counter()
        accounts = generated(demo_market, assets, method, 10_000, seed)
        best_s = min(best_s, time.perf_counter() - begin)
    assert best_s < 1.5
    assert 25_000 <= sum(len(account.positions) for account in accounts) <= 35_000
    for account in accounts:
        least, most = (18, 65) if account.account.startswith("maker") else (1, 8)
        assert least <= len(account.positions) <= most
        held = [position.instrument for position in account.positions]
        assert len(set(held)) == len(held)
        assert all(position.quantity != 0 for position in account.positions)
        assert all(units > 0 for units in account.balances.values())
        assert "USDC" in account.balances
    assert len({account.account for account in accounts}) == 10_000


def test_LABS_034_cross_accounts_open_within_their_requirement(
    population: list[AccountRecord], world: World
) -> None:
    checked = 0
    for account in population:
        if account.mode != "cross":
            continue
        balance = equity_usd(world, account) - haircut_usd(world, coins_held(world, account))
        required = sum(tiered(world, p.instrument, p.quantity) for p in account.positions)
        assert balance >= 1.1 * required, account.account
        checked += 1
    assert checked == 5_500


def test_LABS_034_LABS_036_isolated_positions_carry_their_requirement(
    population: list[AccountRecord], world: World
) -> None:
    checked = 0
    for account in population:
        aside: Counter[str] = Counter()
        for p in account.positions:
            aside[world.terms[p.instrument].settlement] += p.isolated_margin
            if account.mode != "isolated":
                assert p.isolated_margin == 0
                continue
            settlement = world.terms[p.instrument].settlement
            margin = p.isolated_margin / 10 ** world.exponents[settlement] * world.price(settlement)
            equity = margin + value_usd(world, p.instrument, p.quantity, p.entry_mark)
            cut = world.method.collateral_rules(settlement).haircut_initial_ppm / PPM
            assert equity * (1.0 - cut) >= 1.1 * tiered(world, p.instrument, p.quantity)
            checked += 1
        assert all(units < account.balances[asset] for asset, units in aside.items() if units)
    assert checked > 4_000


def test_LABS_035_portfolios_open_within_their_requirement(
    population: list[AccountRecord], world: World
) -> None:
    rules = world.method.portfolio
    books = [account for account in population if account.mode == "portfolio"]
    chosen = [a for a in books if not a.account.startswith("taker")][::4] + books[::10]
    assert len(chosen) > 300
    for account in chosen:
        equity = equity_usd(world, account)
        initial = portfolio_requirement(world, account, rules.initial_factor_ppm / PPM)
        keep = portfolio_requirement(world, account, rules.maintenance_factor_ppm / PPM)
        assert equity >= 1.1 * initial, account.account
        assert equity >= world.method.levels.warning_ppm / PPM * keep, account.account


def test_LABS_037_entry_marks_follow_the_rule(
    population: list[AccountRecord], world: World, report: PopulationReport
) -> None:
    assert report.unrealised_over_equity_p99 < 0.30
    seen: Counter[str] = Counter()
    for account in population:
        for p in account.positions:
            item = world.terms[p.instrument]
            unit, price = 10**item.mark_exponent, world.prices[item.underlying]
            if item.is_option:
                coin = price if item.is_inverse else 1.0
                mark, kind = world.option_usd(p.instrument) / coin * unit, "option"
                assert p.entry_mark >= 0
            elif item.is_inverse:
                mark, kind = -item.contract_usd * unit / price, "inverse"
            else:
                mark, kind = price * unit, "linear"
            assert abs(p.entry_mark - mark) <= 0.34 * abs(mark) + 1.0
            seen[kind] += 1
            seen[f"{kind} moved"] += abs(p.entry_mark - mark) > 0.001 * abs(mark)
    for kind in ("linear", "inverse", "option"):
        assert seen[kind] > 1_000
        assert seen[f"{kind} moved"] / seen[kind] > 0.3


def test_LABS_038_market_makers_are_two_sided_and_roughly_flat(
    population: list[AccountRecord], world: World, demo_market: SimulatedMarket, method: Method
) -> None:
    items = demo_market.instruments
    sigma, _ = opening_terms(
        items, world.prices, demo_market.first_volatilities, None, world.time_us
    )
    board = make_board(items, dict(world.prices), method, sigma, world.time_us)
    rows = {item.name: row for row, item in enumerate(items)}
    flat = []
    for account in population:
        if not account.account.startswith("maker"):
            continue
        signs = {p.quantity > 0 for p in account.positions if world.terms[p.instrument].is_option}
        assert signs == {True, False}
        deltas = np.array(
            [
                world.contracts(p.instrument, p.quantity)
                * board.delta[rows[p.instrument]]
                * world.prices[world.terms[p.instrument].underlying]
                for p in account.positions
            ]
        )
        flat.append(abs(deltas.sum()) <= 0.15 * np.abs(deltas).sum())
    assert len(flat) == 100
    assert np.mean(flat) >= 0.9


def test_LABS_038_covered_calls_are_covered(population: list[AccountRecord], world: World) -> None:
    styles: Counter[str] = Counter()
    for account in population:
        if not account.account.startswith("options"):
            continue
        terms = [world.terms[p.instrument] for p in account.positions]
        signs = {p.quantity > 0 for p in account.positions}
        if signs == {False} and all(item.is_call for item in terms):
            styles["short calls"] += 1
            sold = sum(-world.contracts(p.instrument, p.quantity) for p in account.positions)
            coin = terms[0].underlying
            owned = account.balances.get(coin, 0) / 10 ** world.exponents[coin]
            assert sold <= owned * 1.001
        elif signs == {False}:
            styles["short strangles"] += 1
        elif signs == {True}:
            styles["long tails"] += 1
        else:
            styles["verticals"] += 1
    assert set(styles) == {"short calls", "short strangles", "long tails", "verticals"}
    assert min(styles.values()) >= 60


SCRIPT = """
import hashlib, msgspec
from steelyard.lab import SimulatedMarket, generate_population
from steelyard.terms import load_method
market = SimulatedMarket(seed=7, start_us=1_760_130_000_000_000, duration_s=900)
assets = [event.asset for event in market.listings if hasattr(event, "asset")
          and type(event).__name__ == "AssetListed"]
accounts = generate_population(500, 3, assets, market.instruments, market.first_prices,
                               load_method(), market.first_volatilities, time_us=market.start_us)
print(hashlib.blake2b(msgspec.msgpack.encode(accounts)).hexdigest())
"""


def test_LABS_039_same_arguments_give_the_same_records(
    demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> None:
    here = generated(demo_market, assets, method, 500, 3)
    found = {hashlib.blake2b(msgspec.msgpack.encode(here)).hexdigest()}
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", SCRIPT]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        found.add(run.stdout.strip())
    assert len(found) == 1
    assert generated(demo_market, assets, method, 500, 4) != here


@pytest.mark.parametrize("count", [1, 2, 17, 100])
def test_LABS_039_small_populations_are_whole(
    count: int, demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> None:
    accounts = generated(demo_market, assets, method, count, 1)
    assert len(accounts) == count
    event = AccountsLoaded(demo_market.start_us, "lab", 1, accounts)
    check_event(event)
    assert decode_event(encode_event(event)) == event


def test_LABS_040_without_options_there_are_only_takers(
    demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> None:
    perpetuals = [item for item in demo_market.instruments if not item.is_option]
    accounts = generate_population(1_000, 1, assets, perpetuals, demo_market.first_prices, method)
    assert {account.account.split("-")[0] for account in accounts} == {"taker"}
    modes = Counter(account.mode for account in accounts)
    assert modes == {"cross": 550, "portfolio": 250, "isolated": 200}


def test_LABS_040_shape_is_a_parameter(
    demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> None:
    perpetuals = [item for item in demo_market.instruments if not item.is_option]
    shape = PopulationShape(isolated_share=0.5, portfolio_share=0.1, long_share=0.3)
    accounts = generate_population(
        1_000, 1, assets, perpetuals, demo_market.first_prices, method, shape=shape
    )
    found = population_report(accounts, assets, perpetuals, demo_market.first_prices)
    assert found.modes == {"cross": 0.4, "isolated": 0.5, "portfolio": 0.1}
    assert 0.26 < found.long_share < 0.34


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("LABS-E01", {"count": 0}),
        ("LABS-E01", {"count": 5_000_001}),
        ("LABS-E01", {"instruments": []}),
        ("LABS-E02", {"prices": {"BTC": 121_000.0}}),
        ("LABS-E02", {"volatilities": None}),
        ("LABS-E03", {"time_us": 0}),
    ],
)
def test_LABS_040_bad_arguments_are_refused(
    code: str,
    changed: dict[str, object],
    demo_market: SimulatedMarket,
    assets: list[Asset],
    method: Method,
) -> None:
    given: dict[str, object] = {
        "count": 10,
        "seed": 1,
        "assets": assets,
        "instruments": demo_market.instruments,
        "prices": demo_market.first_prices,
        "method": method,
        "volatilities": demo_market.first_volatilities,
        "time_us": demo_market.start_us,
    }
    with pytest.raises(InputError) as refused:
        generate_population(**(given | changed))  # type: ignore[arg-type]
    assert refused.value.code == code


def test_LABS_041_given_marks_are_taken_as_they_are(
    demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> None:
    items = demo_market.instruments
    sigma, marks = opening_terms(
        items, demo_market.first_prices, demo_market.first_volatilities, None, demo_market.start_us
    )
    premiums = {item.name: float(marks[row]) for row, item in enumerate(items) if item.is_option}
    found, kept = opening_terms(
        items, demo_market.first_prices, None, premiums, demo_market.start_us
    )
    assert np.array_equal(kept, marks)
    visible = marks > 1e-6
    assert np.abs(found - sigma)[visible].max() < 0.001
    level = {"BTC": 0.5, "ETH": 0.7}
    doubled = {name: 2.0 * premium for name, premium in premiums.items()}
    for given in (doubled, doubled.__getitem__):
        accounts = generate_population(
            400,
            1,
            assets,
            items,
            demo_market.first_prices,
            method,
            level,
            given,
            time_us=demo_market.start_us,
        )
        units = {item.name: 10**item.mark_exponent for item in items}
        held = [p for a in accounts for p in a.positions if p.instrument in premiums]
        assert len(held) > 50
        for p in held:
            mark = doubled[p.instrument] * units[p.instrument]
            assert abs(p.entry_mark - mark) <= 0.021 * mark + 1.0


def test_LABS_042_population_argument() -> None:
    assert parse_accounts_argument("population:10000") == 10_000
    assert parse_accounts_argument("books/population.parquet") is None
    for text in ("population:", "population:0", "population:1e4", "population:-5", "population:٣"):
        with pytest.raises(InputError) as refused:
            parse_accounts_argument(text)
        assert refused.value.code == "LABS-E04"
