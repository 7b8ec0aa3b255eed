"""The house's own method as a document, held against the engine it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from steelyard.margin.methods.explanation import REST
from steelyard.margin.methods.registry import explanation_of, margin_of
from steelyard.quantities import InputError
from steelyard.terms import Method, load_method
from steelyard.terms.documents import MethodDocument, documents, lint, parse_document
from steelyard.terms.documents.writing import toml_text
from steelyard.terms.stated import (
    Account,
    Case,
    Expiry,
    Market,
    Order,
    Perpetual,
    Position,
    Underlying,
)
from steelyard.valuation.grid import ScenarioColumns
from steelyard.valuation.revalue import OPTION_FEE_CAP
from tests.cli.feeds_roles import steelyard
from tests.margin.methods.core.house_desk import MICRO, HouseDesk

HOUSE = load_method()
DOCUMENT = documents().get("steelyard")
LEVELS = ("initial_requirement", "maintenance_requirement")
UNITS = 60
SEEDS = range(5)
# What float sums of a book may be off by, as a share of its gross value.
FLOATS = 1e-15

RESTATED = {"grid.tail_moves", "grid.tail_weights", "grid.horizon_days", "collateral.USDC"}
"""House numbers that the document holds in another form."""

ELSEWHERE = (
    "name", "version", "currency", "cross", "levels", "index", "implied", "liquidity", "volatility",
    "collateral", "grid.option_model", "grid.smile_dynamics", "liquidation.taker_fee_ppm",
    "liquidation.step_ppm", "liquidation.interval_us", "liquidation.target_ratio_ppm",
    "underlying.*.recovery_us", "underlying.*.tiers",
)  # fmt: skip
"""House numbers that say nothing of what a portfolio unit must hold."""


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value) of everything in a tree that is no table."""
    if isinstance(tree, dict):
        for name, each in tree.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    else:
        yield path, tree


def is_elsewhere(path: str) -> bool:
    """Return whether a path lies in one of `ELSEWHERE`, whatever the underlying."""
    words = path.split(".")
    if words[0] == "underlying":
        words[1] = "*"
    whole = ".".join(words)
    return any(whole == each or whole.startswith(f"{each}.") for each in ELSEWHERE)


def house_numbers() -> dict[str, Any]:
    return dict(leaves(msgspec.to_builtins(HOUSE)))


def test_HSEM_001_the_library_knows_the_method_beside_the_engines_file() -> None:
    assert "steelyard" in documents().names()
    assert [each.version for each in documents().versions("steelyard")] == [HOUSE.version]
    assert (DOCUMENT.name, DOCUMENT.core) == (HOUSE.name, "scenario")
    assert DOCUMENT.currency == HOUSE.currency == DOCUMENT.rules["settlement"]
    assert lint(DOCUMENT) == []


def test_HSEM_002_every_number_is_the_engines() -> None:
    house, own = house_numbers(), dict(leaves(DOCUMENT.parameters))
    shared = {path for path in own if path in house} - RESTATED
    for path in shared:
        assert own[path] == (list(house[path]) if isinstance(own[path], list) else house[path]), (
            path
        )
    assert own.keys() - shared == {
        "grid.tails", "grid.horizon_days", "liquidation.option_fee_cap", "liquidation.impact_at_depth",
        "usdc.initial_haircut", "usdc.maintenance_haircut",
    }  # fmt: skip
    grid = HOUSE.grid
    tails = zip(grid.tail_moves, grid.tail_weights, strict=True)
    assert own["grid.tails"] == [[move, "up", weight] for move, weight in tails]
    assert (own["grid.horizon_days"],) == grid.horizon_days
    assert grid.option_model == "black"
    usdc = HOUSE.collateral_rules("USDC")
    assert own["usdc.initial_haircut"] * 1e6 == usdc.haircut_initial_ppm
    assert own["usdc.maintenance_haircut"] * 1e6 == usdc.haircut_maintenance_ppm


def test_HSEM_002_no_number_of_the_engine_is_left_out() -> None:
    own = {path for path, _ in leaves(DOCUMENT.parameters)}
    for path in house_numbers():
        is_restated = any(path == each or path.startswith(f"{each}.") for each in RESTATED)
        assert path in own or is_restated or is_elsewhere(path), path


def test_HSEM_002_constants_of_the_engines_valuation() -> None:
    assert DOCUMENT.parameters["liquidation"]["option_fee_cap"] == OPTION_FEE_CAP
    desk = HouseDesk(Random(0))
    for contract in desk.contracts:
        rules = HOUSE.underlying_rules(contract.name.split("-")[0])
        share = rules.option_depth_ppm / 1e6 if contract.is_option else 1.0
        impact = float(desk.columns.impact[contract.slot]) * (rules.depth_usd * share)
        assert impact == pytest.approx(
            DOCUMENT.parameters["liquidation"]["impact_at_depth"], rel=1e-15
        )


def test_HSEM_003_scenarios_stand_in_the_order_of_the_engines_columns() -> None:
    desk = HouseDesk(Random(3))
    grid = ScenarioColumns(HOUSE)
    _, case = desk.unit({"BTC": 10**8}, {}, {})
    found = explanation_of(case, DOCUMENT)
    assert found is not None
    said = {line.number: line.words for line in found.scenarios}
    range_ppm = HOUSE.underlying_rules("BTC").range_ppm
    assert len(said) == 4
    for number, words in said.items():
        percent = float(grid.move[number - 1]) * range_ppm / 1e4
        turn = {-1: "down", 0: "unchanged", 1: "up"}[int(grid.volatility_kind[number - 1])]
        assert words.startswith(f"price {percent:+.6g} %, volatility {turn}")
    blocks = msgspec.json.decode(msgspec.json.encode(DOCUMENT.rules["scenarios"]))
    order = [
        (m, d) for m in DOCUMENT.parameters["grid"]["price_moves"] for d in blocks[0]["product"][1]
    ]
    order += [(row[0], row[1]) for row in DOCUMENT.parameters["grid"]["tails"]]
    kinds = {-1: "down", 0: "none", 1: "up"}
    columns = zip(grid.move[: grid.used], grid.volatility_kind[: grid.used], strict=True)
    assert order == [(float(move), kinds[int(kind)]) for move, kind in columns]


def held_to(desk: HouseDesk, row: int, case: Case[float], document: MethodDocument) -> None:
    """Assert that the engine's numbers of a unit are those of its statement, but for whole units."""
    engine, answer = desk.numbers(row), margin_of(case, document)
    noise = FLOATS * desk.gross(case)
    haircuts = document.parameters["usdc"]
    whole = MICRO * (1 + bool(haircuts["initial_haircut"] or haircuts["maintenance_haircut"]))
    steps = desk.equity_steps(case) + noise
    assert abs(engine.equity - float(answer.equity or 0.0)) <= steps, case.case
    # A haircut is a share of an equity that was rounded before.
    below = steps if whole > MICRO else noise
    for level in LEVELS:
        difference = getattr(engine, level) - getattr(answer, level)
        assert -below <= difference <= whole + below, (case.case, level, difference)


@pytest.mark.parametrize("seed", SEEDS)
def test_HSEM_004_random_units_need_what_the_engine_says(seed: int) -> None:
    draw = Random(seed)
    desk = HouseDesk(draw)
    for _ in range(UNITS):
        held_to(desk, *desk.random_unit(draw), DOCUMENT)


def test_HSEM_004_every_contract_alone_long_and_short() -> None:
    draw = Random(11)
    desk = HouseDesk(draw)
    for contract in desk.contracts:
        for lots in (-contract.lots, 50 * contract.lots):
            held_to(desk, *desk.unit({}, {contract: lots}, {}), DOCUMENT)


def reached(desk: HouseDesk, row: int, case: Case[float]) -> set[str]:
    """Return what a random unit reaches: kinds of holdings, and sides of minima and maxima."""
    risk = desk.risk(row)
    found = {"tail" if worst >= 27 else "grid" for worst in risk.worst_scenarios.values()}
    found |= {part.name for part in risk.maintenance_parts}
    if not case.account.positions:
        found.add("coins alone" if set(case.account.balances) - {"USDC"} else "empty")
    found |= {"debt" for amount in case.account.balances.values() if amount < 0.0}
    if len({position.instrument.split("-")[0] for position in case.account.positions}) > 1:
        found.add("underlyings")
    if len(risk.worst_scenarios) < len({c for c in case.account.balances if c != "USDC"}):
        found.add("hedged")
    columns = desk.columns
    for position in case.account.positions:
        contract = desk.contract(position.instrument)
        slot, size = contract.slot, abs(position.quantity)
        found.add(
            ("short " if position.quantity < 0 else "long ")
            + ("option" if contract.is_option else "linear")
        )
        notional = float(columns.notional[slot]) * contract.lots
        slip = float(columns.half_spread[slot]) + float(columns.impact[slot]) * notional * size
        found.add("slippage capped" if slip > columns.slip_max[slot] else "slippage")
        if contract.is_option:
            fee = float(columns.close_fee[slot]) * contract.lots
            found.add("fee" if fee == pytest.approx(notional * 0.005) else "fee of the premium")
    return found


def test_HSEM_005_random_units_reach_both_sides_of_every_choice() -> None:
    found: set[str] = set()
    tails = 0
    for seed in SEEDS:
        draw = Random(seed)
        desk = HouseDesk(draw)
        for _ in range(UNITS):
            sides = reached(desk, *desk.random_unit(draw))
            tails += "tail" in sides
            found |= sides
    assert tails >= 10
    assert found >= {
        "grid", "tail", "scenario", "short_option_minimum", "liquidation_cost", "empty", "coins alone",
        "debt", "underlyings", "short option", "long option", "short linear", "long linear", "slippage",
        "slippage capped", "fee", "fee of the premium",
    }  # fmt: skip


def changed(draw: Random) -> tuple[Method, MethodDocument]:
    """Return the house's method and its document with the same random numbers."""
    ends = (draw.uniform(-3.0, -1.5), draw.uniform(-3.0, 3.0))
    tails = [[round(move, 2), "up", round(draw.uniform(0.1, 0.9), 2)] for move in ends]
    days = draw.choice((0.0, 0.5, 5.0))
    grid: dict[str, Any] = {
        "price_moves": sorted({0.0, *(round(draw.uniform(-1.2, 1.2), 2) for _ in range(6))}),
        "volatility_range_up": round(draw.uniform(0.1, 1.0), 3),
        "volatility_range_down": round(draw.uniform(0.1, 1.0), 3),
        "short_term_power": round(draw.uniform(0.0, 0.6), 3),
        "long_term_power": round(draw.uniform(0.0, 0.6), 3),
        "term_floor_days": draw.choice((0.5, 1.0, 3.0)),
    }
    portfolio = {
        "initial_factor_ppm": draw.randrange(1_100_000, 2_000_000),
        "maintenance_factor_ppm": draw.randrange(1_000_000, 1_100_000),
        "short_option_minimum_ppm": draw.randrange(0, 30_000),
    }
    fee = {"fee_ppm": draw.randrange(0, 20_000)}
    eth = {
        "range_ppm": draw.randrange(50_000, 330_000), "depth_usd": draw.randrange(10**5, 10**8),
        "half_spread_ppm": draw.randrange(0, 900), "option_depth_ppm": draw.randrange(1, 10**6),
        "slippage_ppm_max": draw.randrange(1_000, 200_000),
    }  # fmt: skip
    doge = {"range_ppm": 90_000}
    keeps, opens = sorted((draw.randrange(0, 50_000), draw.randrange(0, 50_000)))
    moves, _, weights = zip(*tails, strict=True)
    whole = {**grid, "tail_moves": moves, "tail_weights": weights, "horizon_days": [days]}
    known = msgspec.to_builtins(HOUSE.grid)
    house = HOUSE.with_parameter("grid", json.dumps({**known, **whole}))
    for path, table in {
        "portfolio": portfolio, "liquidation": fee, "underlying.ETH": eth, "underlying.DOGE": doge,
        "collateral.USDC": {"haircut_initial_ppm": opens, "haircut_maintenance_ppm": keeps},
    }.items():  # fmt: skip
        for name, value in table.items():
            house = house.with_parameter(f"{path}.{name}", json.dumps(value))
    document = DOCUMENT.with_parameters(
        {
            "grid": {**grid, "tails": tails, "horizon_days": days},
            "portfolio": portfolio,
            "liquidation": fee,
            "underlying": {"ETH": eth, "DOGE": doge},
            "usdc": {"initial_haircut": opens / 1e6, "maintenance_haircut": keeps / 1e6},
        }
    )
    return house, document


@pytest.mark.parametrize("seed", range(6))
def test_HSEM_006_other_numbers_change_both_alike(seed: int) -> None:
    draw = Random(100 + seed)
    house, document = changed(draw)
    desk = HouseDesk(draw, house)
    for _ in range(UNITS // 3):
        held_to(desk, *desk.random_unit(draw), document)


BTC_LONG = ("BTC-PERPETUAL", 1.0)


@pytest.mark.parametrize(
    ("balances", "held", "initial", "maintenance"),
    [
        ({"USDC": 20_000}, {"BTC-PERPETUAL": 1}, 20_007.5, 15_507.5),
        ({"BTC": 1}, {}, 19_500.0, 15_000.0),
        ({"BTC": 1}, {"BTC-PERPETUAL": -1}, 507.5, 507.5),
        ({}, {"BTC-PERPETUAL": 1, "ETH-PERPETUAL": -25}, 43_918.5, 34_018.5),
        ({}, {"BTC-PERPETUAL": 3_000}, 75_000_000.0, 61_500_000.0),
        ({"DOGE": -400_000}, {}, 39_000.0, 30_000.0),
        ({}, {}, 0.0, 0.0),
    ],
)  # fmt: skip
def test_HSEM_007_numbers_by_hand(
    balances: dict[str, int], held: dict[str, int], initial: float, maintenance: float
) -> None:
    desk = HouseDesk(Random(0), steady=True)
    units = {name: each * (10**6 if name == "USDC" else 10**8) for name, each in balances.items()}
    lots = {desk.contract(name): each * desk.contract(name).lots for name, each in held.items()}
    row, case = desk.unit(units, lots, {})
    answer = margin_of(case, DOCUMENT)
    assert answer.initial_requirement == pytest.approx(initial, rel=1e-13)
    assert answer.maintenance_requirement == pytest.approx(maintenance, rel=1e-13)
    held_to(desk, row, case, DOCUMENT)


def an_hour_before(*positions: Position[float], **fields: Any) -> Case[float]:
    """Return a case an hour before an expiry of BTC at 100,000, volatility 60 %."""
    volatilities = {"60000": 0.6, "100000": 0.6}
    expiry: Expiry[float] = Expiry(
        "2026-06-01T09:00:00Z", forward_price=100_000.0, implied_volatility=volatilities
    )
    btc: Underlying[float] = Underlying(
        100_000.0, perpetual=Perpetual(100_000.0), expiries=(expiry,)
    )
    market: Market[float] = Market("2026-06-01T08:00:00Z", underlyings={"BTC": btc})
    return Case("hand", "steelyard", market=market, account=Account(positions=positions, **fields))


def test_HSEM_007_a_tail_by_hand() -> None:
    answer = margin_of(an_hour_before(Position("BTC-1JUN26-60000-P", -1.0)), DOCUMENT)
    assert answer.native["scenario"] == pytest.approx(1_000.0, abs=1e-3)
    assert answer.maintenance_requirement == pytest.approx(2_030.0, abs=1e-3)
    assert answer.initial_requirement == pytest.approx(2_330.0, abs=2e-3)


@pytest.mark.parametrize(("right", "equity"), [("C", -80_000.0), ("P", 0.0)])
def test_HSEM_008_a_past_expiry_is_settled(right: str, equity: float) -> None:
    case = an_hour_before(Position(f"BTC-1JUN26-60000-{right}", -2.0))
    later = msgspec.structs.replace(
        case, market=msgspec.structs.replace(case.market, as_of="2026-06-01T10:00:00Z")
    )
    answer = margin_of(later, DOCUMENT)
    assert answer.equity == equity
    assert answer.native["scenario"] == 0.0


def test_HSEM_009_explanations_sum_to_the_last_digit() -> None:
    draw = Random(7)
    desk = HouseDesk(draw)
    names = set()
    for _ in range(UNITS):
        row, case = desk.random_unit(draw)
        found, answer = explanation_of(case, DOCUMENT), margin_of(case, DOCUMENT)
        assert found is not None
        for level in ("initial", "maintenance"):
            shares = [
                Fraction(getattr(leaf, level)) for part in found.parts for leaf in part.leaves
            ]
            total = Fraction(getattr(found, level))
            assert sum(shares) == total
            stated = Fraction(getattr(answer, f"{level}_requirement"))
            assert abs(total - stated) <= Fraction(1, 10**9)
        for part in found.parts:
            names.add(part.name)
            for leaf in part.leaves:
                assert leaf.name == REST or leaf.underlying
        worst = {line.underlying: line.number - 1 for line in found.scenarios if line.is_binding}
        engine = desk.risk(row).worst_scenarios
        assert {name: worst[name] for name in engine} == engine
    assert names == {"scenario", "short_option_minimum", "liquidation_cost"}


def test_HSEM_010_orders_count_as_an_amount_given() -> None:
    bare = margin_of(an_hour_before(Position(*BTC_LONG)), DOCUMENT)
    case = an_hour_before(Position(*BTC_LONG), open_orders_margin=1_365.0)
    answer = margin_of(case, DOCUMENT)
    assert answer.initial_requirement == pytest.approx(20_007.5 + 1_365.0, rel=1e-14)
    assert answer.maintenance_requirement == bare.maintenance_requirement
    found = explanation_of(case, DOCUMENT)
    assert found is not None
    assert [part.initial for part in found.parts if part.name == "order_margin"] == [1_365]


@pytest.mark.parametrize(
    ("case", "code", "field"),
    [
        (an_hour_before(mode="cross"), "METH-E04", "account.mode"),
        (an_hour_before(mode="isolated"), "METH-E04", "account.mode"),
        (an_hour_before(orders=(Order("buy", 1.0, 99_000.0),)), "METH-E04", "account.orders"),
        (
            an_hour_before(Position(*BTC_LONG), Position("ETH-PERPETUAL", 1.0, contract="inverse")),
            "METH-E04", "account.positions[1].contract",
        ),
        (an_hour_before(Position("BTC-1JUN26", 1.0)), "METH-E04", "account.positions[0].instrument"),
        (an_hour_before(balances={"SOL": 1.0}), "METH-E04", "account.balances.SOL"),
        (
            an_hour_before(Position("ETH-PERPETUAL", 1.0)),
            "METH-E01", "market.underlyings.ETH.index_price",
        ),
        (
            an_hour_before(Position("BTC-1JUN26-61000-C", 1.0)),
            "METH-E01", "market.underlyings.BTC.expiries[2026-06-01].implied_volatility[61000]",
        ),
    ],
)  # fmt: skip
def test_HSEM_011_what_the_method_does_not_cover_is_refused(
    case: Case[float], code: str, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        margin_of(case, DOCUMENT)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)
    assert caught.value.cure


@pytest.mark.parametrize("mode", [None, "portfolio"])
def test_HSEM_011_a_portfolio_is_covered_whether_it_says_so_or_not(mode: Any) -> None:
    answer = margin_of(an_hour_before(Position(*BTC_LONG, contract="linear"), mode=mode), DOCUMENT)
    assert answer.maintenance_requirement == 15_507.5


def test_HSEM_012_haircuts_of_usdc_stand_in_the_requirement() -> None:
    document = DOCUMENT.with_parameters(
        {"usdc": {"initial_haircut": 0.1, "maintenance_haircut": 0.05}}
    )
    case = an_hour_before(Position(*BTC_LONG, unrealised_pnl=1_000.0), balances={"USDC": 9_000.0})
    answer = margin_of(case, document)
    assert answer.equity == 10_000.0
    assert answer.native["initial_balance"] == 9_000.0
    assert answer.native["maintenance_balance"] == 9_500.0
    assert answer.initial_requirement == pytest.approx(21_007.5, rel=1e-14)
    assert answer.maintenance_requirement == pytest.approx(16_007.5, rel=1e-14)


def test_HSEM_013_the_commands_know_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(*arguments: object) -> Any:
        return steelyard(monkeypatch, capsys, *arguments)

    rows = {row["name"]: row for row in run("methods", "list", "--json").answer["methods"]}
    assert rows["steelyard"]["sha256"] == DOCUMENT.digest()
    shown = run("methods", "show", "steelyard", "--toml").out
    assert parse_document(shown.encode(), "toml").digest() == DOCUMENT.digest()
    assert run("methods", "lint", "steelyard").code == 0
    other = tmp_path / "wider.toml"
    wider = DOCUMENT.with_parameters({"underlying": {"BTC": {"range_ppm": 200_000}}})
    other.write_text(toml_text(wider), encoding="utf-8")
    done = run("methods", "diff", "steelyard", other, "--json")
    assert done.code == 1
    assert "parameters.underlying.BTC.range_ppm" in done.out
    key, signature = tmp_path / "desk.key", tmp_path / "steelyard.sig"
    assert run("methods", "sign", "--new-key", key).code == 0
    assert run("methods", "sign", "steelyard", "--key", key, "--out", signature).code == 0
    assert run("methods", "verify", "steelyard", "--signature", signature).code == 0
    assert run("methods", "verify", other, "--signature", signature).code == 4


def test_HSEM_013_cases_name_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "own.jsonl"
    case = an_hour_before(Position(*BTC_LONG))
    file.write_bytes(
        msgspec.json.encode({"case": "own", "method": "steelyard", "market": case.market,
                             "account": case.account}) + b"\n"
    )  # fmt: skip
    done = steelyard(monkeypatch, capsys, "margin", "--cases", str(file))
    assert done.code == 0
    answer = json.loads(done.out)
    assert (answer["initial_requirement"], answer["maintenance_requirement"]) == (
        20_007.5,
        15_507.5,
    )
    assert answer["method_hash"] == DOCUMENT.digest()
    told = steelyard(monkeypatch, capsys, "margin", "--cases", str(file), "--explain").out
    assert "binds BTC  1: price -15 %, volatility down, P&L -15,000.000000" in told


def test_HSEM_014_two_units_never_share_a_scenario() -> None:
    desk = HouseDesk(Random(0), steady=True)
    long, short = desk.contract("BTC-PERPETUAL"), desk.contract("ETH-PERPETUAL")
    answers = [
        margin_of(desk.unit({}, held, {})[1], DOCUMENT).native["scenario"]
        for held in ({long: 1_000}, {short: -25_000}, {long: 1_000, short: -25_000})
    ]
    assert answers[2] == answers[0] + answers[1]
    assert np.isclose(answers[0], 15_000.0, rtol=1e-14)
