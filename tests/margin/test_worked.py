"""Requirements and balances that anyone can check with a pencil."""

from __future__ import annotations

from fractions import Fraction

import pytest

from steelyard.margin.account_risk import MONEY_MAX, REQUIREMENT_MAX, AccountRisk
from tests.margin.roles import (
    BTC,
    BTC_INVERSE,
    BTC_LINEAR,
    COIN,
    ETH,
    USD,
    Desk,
)

ONE_BTC = 10**4  # lots of the linear contract
ONE_OPTION = 10**2


def parts(named: list[tuple[str, str, int]] | list[object]) -> dict[str, int]:
    """Return parts by name, summed over scopes."""
    found: dict[str, int] = {}
    for part in named:
        found[part.name] = found.get(part.name, 0) + part.amount  # type: ignore[union-attr]
    return found


def requirements(risk: AccountRisk) -> tuple[Fraction, Fraction]:
    """Return maintenance and initial in USD."""
    return (
        Fraction(risk.maintenance_requirement, USD),
        Fraction(risk.initial_requirement, USD),
    )


def near(micro: int, usd: float) -> bool:
    """Return whether an amount is `usd`, rounded up or moved by a part's rounding."""
    return abs(micro - usd * USD) <= 1


def test_MARG_001_a_cross_position_requires_tier_and_closing_cost() -> None:
    desk = Desk()
    for lots in (ONE_BTC, -ONE_BTC):
        risk = desk.risk(desk.unit("cross", held={BTC_LINEAR: lots}))
        assert near(risk.maintenance_requirement, 915.0)
        assert near(risk.initial_requirement, 1_315.0)
        assert near(parts(risk.maintenance_parts)["tier"], 400.0)
        assert near(parts(risk.initial_parts)["liquidation_cost"], 515.0)


@pytest.mark.parametrize(
    ("notional", "keep", "open_"),
    [(300_000, 1_200.0, 2_400.0), (1_000_000, 5_750.0, 11_500.0), (3_000_000, 18_750.0, 37_500.0),
     (4_000_000, 33_750.0, 67_500.0)],
)  # fmt: skip
def test_MARG_002_a_tier_less_its_deduction(notional: int, keep: float, open_: float) -> None:
    desk = Desk()
    risk = desk.risk(desk.unit("cross", held={BTC_LINEAR: notional // 10}))
    assert near(parts(risk.maintenance_parts)["tier"], keep)
    assert near(parts(risk.initial_parts)["tier"], open_)


@pytest.mark.parametrize("edge", [300_000, 3_000_000])
def test_MARG_002_the_requirement_has_no_jump(edge: int) -> None:
    desk = Desk()
    tiers = []
    for lots in (edge // 10 - 1, edge // 10, edge // 10 + 1):  # a lot is 10 USD
        risk = desk.risk(desk.unit("cross", held={BTC_LINEAR: lots}))
        tiers.append(parts(risk.maintenance_parts)["tier"])
    steps = tiers[1] - tiers[0], tiers[2] - tiers[1]
    below = 40_000 if edge == 300_000 else 65_000  # micro-USDC a lot, at the rate below the edge
    above = 65_000 if edge == 300_000 else 150_000
    assert abs(steps[0] - below) <= 1
    assert abs(steps[1] - above) <= 1


@pytest.mark.parametrize("sign", [1, -1])
def test_MARG_003_an_inverse_position_gains_coins(sign: int) -> None:
    desk = Desk(prices={"BTC": 125_000.0})
    assert desk.market.mark_units[BTC_INVERSE] == -800_000_000
    entry = {BTC_INVERSE: -1_000_000_000}
    risk = desk.risk(desk.unit("cross", held={BTC_INVERSE: 1_000 * sign}, entry=entry))
    assert risk.equity == 25_000 * USD * sign
    assert parts(risk.equity_parts) == {"position_value": 25_000 * USD * sign}


def test_MARG_004_haircuts_make_two_balances() -> None:
    desk = Desk()
    risk = desk.risk(desk.unit("cross", {BTC: COIN}))
    assert (risk.equity, risk.initial_balance, risk.maintenance_balance) == (
        100_000 * USD, 90_000 * USD, 92_500 * USD,
    )  # fmt: skip
    debt = desk.risk(desk.unit("cross", {BTC: -COIN, 0: 200_000 * USD}))
    assert {debt.equity, debt.initial_balance, debt.maintenance_balance} == {100_000 * USD}
    mote = desk.risk(desk.unit("cross", {BTC: 1}))
    assert mote.equity == 1_000
    assert mote.equity - mote.initial_balance == 100
    assert mote.equity - mote.maintenance_balance == 75


def test_MARG_004_a_haircut_is_rounded_up() -> None:
    desk = Desk(prices={"ETH": 4_000.01})
    risk = desk.risk(desk.unit("cross", {ETH: 3}))  # 120.0003 micro, floored to 120
    rules = desk.method.collateral_rules("ETH")
    assert risk.equity == 120
    cut = -(-120 * rules.haircut_initial_ppm // 10**6)
    assert risk.initial_balance == 120 - cut
    assert 120 * rules.haircut_initial_ppm % 10**6 != 0


def test_MARG_005_a_portfolio_requires_its_worst_scenario() -> None:
    desk = Desk()
    for sign, worst in ((1, 0), (-1, 24)):
        risk = desk.risk(desk.unit("portfolio", held={BTC_LINEAR: ONE_BTC * sign}))
        assert near(risk.maintenance_requirement, 15_515.0)
        assert near(risk.initial_requirement, 20_015.0)
        assert risk.worst_scenarios == {"BTC": worst}
    text = desk.grid.describe(0, 150_000)
    assert text == "price −15.00 %, volatility down"


def test_MARG_005_tails_count_by_their_share() -> None:
    method = Desk().method.with_parameter("grid.tail_weights", "[0.5, 0.35, 0.35, 0.2]")
    desk = Desk(method)
    risk = desk.risk(desk.unit("portfolio", held={BTC_LINEAR: ONE_BTC}))
    assert near(parts(risk.maintenance_parts)["scenario"], 22_500.0)  # 45 % · 100,000 · 0.5
    assert risk.worst_scenarios == {"BTC": 27}


def test_MARG_005_a_coin_is_in_the_grid_instead_of_a_haircut() -> None:
    desk = Desk()
    risk = desk.risk(desk.unit("portfolio", {BTC: COIN}))
    assert risk.initial_balance == risk.maintenance_balance == 100_000 * USD
    assert near(risk.maintenance_requirement, 15_000.0)
    assert near(risk.initial_requirement, 19_500.0)
    assert risk.haircut_initial_parts == []


def test_MARG_006_a_hedge_inside_an_underlying_cancels() -> None:
    desk = Desk()
    row = desk.unit("portfolio", held={BTC_LINEAR: ONE_BTC, BTC_INVERSE: -1_000})
    risk = desk.risk(row)
    assert parts(risk.maintenance_parts)["scenario"] <= 1  # a rounding of 10^-11
    coins = desk.risk(desk.unit("portfolio", {BTC: COIN}, {BTC_INVERSE: -1_000}))
    assert parts(coins.maintenance_parts)["liquidation_cost"] == coins.maintenance_requirement


def test_MARG_007_a_short_option_of_a_portfolio_has_a_minimum() -> None:
    desk = Desk()
    slot = desk.slot("BTC_USDC-60D-200000-C")
    risk = desk.risk(desk.unit("portfolio", held={slot: -ONE_OPTION}))
    assert near(parts(risk.maintenance_parts)["short_option_minimum"], 1_000.0)
    assert near(parts(risk.initial_parts)["short_option_minimum"], 1_000.0)
    long = desk.risk(desk.unit("portfolio", held={slot: ONE_OPTION}))
    assert "short_option_minimum" not in parts(long.maintenance_parts)


@pytest.mark.parametrize(
    ("name", "opening"), [("BTC_USDC-60D-105000-C", 10_000.0), ("BTC_USDC-60D-100000-C", 15_000.0),
                          ("BTC_BTC-60D-105000-C", 10_000.0), ("BTC_USDC-60D-90000-P", 10_000.0)],
)  # fmt: skip
def test_MARG_008_an_option_outside_portfolio_margin(name: str, opening: float) -> None:
    desk = Desk()
    slot = desk.slot(name)
    scale = 10 ** desk.market.instruments[slot].mark_exponent
    coin_usd = 100_000.0 if desk.market.instruments[slot].is_inverse else 1.0
    premium = int(desk.market.mark_units[slot]) / scale * coin_usd
    short = desk.risk(desk.unit("cross", held={slot: -ONE_OPTION}))
    long = desk.risk(desk.unit("cross", held={slot: ONE_OPTION}))
    a_mark_unit = USD * coin_usd / scale
    assert abs(parts(short.initial_parts)["tier"] - (premium + opening) * USD) <= a_mark_unit + 1
    assert (
        abs(parts(short.maintenance_parts)["tier"] - (premium + 7_500.0) * USD) <= a_mark_unit + 1
    )
    assert abs(parts(long.initial_parts)["tier"] - premium * USD) <= a_mark_unit + 1
    assert long.maintenance_requirement == long.initial_requirement
    assert abs(short.equity + premium * USD) <= a_mark_unit + 1


def test_MARG_017_a_protected_asset_at_its_kindest() -> None:
    desk = Desk()
    row = desk.unit("portfolio", {0: 20_000 * USD}, {BTC_LINEAR: ONE_BTC})
    healthy = desk.risk(row)
    assert near(healthy.buffer, 4_485.0)
    assert healthy.certain_buffer == healthy.buffer
    desk.market.is_protected[BTC] = True
    protected = desk.risk(row)
    assert protected.buffer == healthy.buffer
    assert near(protected.certain_buffer, 35_000.0)


def test_MARG_018_an_absurd_balance_saturates() -> None:
    desk = Desk()
    rich = desk.risk(desk.unit("cross", {BTC: 10**18, ETH: 2**62, 0: 2**62}))
    assert rich.equity == MONEY_MAX == 10**18
    assert 0 < rich.initial_balance <= rich.maintenance_balance <= rich.equity
    poor = desk.risk(desk.unit("cross", {BTC: -(2**62), ETH: -(2**62), 0: -(2**62)}))
    assert poor.equity == -MONEY_MAX
    assert poor.certain_buffer == poor.buffer == -MONEY_MAX


def test_MARG_018_a_requirement_that_is_no_number_is_above_any_balance() -> None:
    desk = Desk()
    slot = desk.slot("BTC_USDC-60D-100000-C")
    row = desk.unit("portfolio", {0: 2**62}, {slot: ONE_OPTION, BTC_LINEAR: 1})
    desk.columns.table[slot, 7] = float("nan")
    results = desk.results()[:, row].tolist()
    assert results[3] == results[4] == REQUIREMENT_MAX == 4 * 10**18
    assert results[2] < results[4]
    desk.columns.table[slot, 7] = -1e300
    assert desk.results()[4, row] == REQUIREMENT_MAX


def test_MARG_018_positions_at_their_bounds_do_not_wrap() -> None:
    desk = Desk()
    held = {}
    for slot in (BTC_INVERSE, desk.slot("BTC_BTC-60D-100000-C"), desk.slot("BTC_BTC-60D-100000-P")):
        terms = desk.market.instruments[slot]
        desk.market.mark_units[slot] = terms.mark_max * (-1 if slot == BTC_INVERSE else 1)
        held[slot] = terms.position_limit
    for sign in (1, -1):
        signed = {slot: lots * sign for slot, lots in held.items() if slot != BTC_INVERSE}
        risk = desk.risk(desk.unit("portfolio", {BTC: 2**62 * sign}, signed))
        assert risk.equity == MONEY_MAX * sign
