"""The parameter document: its hash, its rules, its changes."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from steelyard.quantities import TermsError
from steelyard.terms import Method, load_method
from steelyard.terms.method import check_method

TEXT = resources.files("steelyard.terms").joinpath("methods/steelyard.toml").read_text("utf-8")
TIER = {"notional_usd_max": 0, "maintenance_ppm": 10_000, "initial_ppm": 20_000}


def tiers(*rows: tuple[int, int, int]) -> str:
    """Return tiers as the JSON of a parameter change."""
    return json.dumps([dict(zip(TIER, row, strict=True)) for row in rows])


@pytest.fixture(scope="module")
def house() -> Method:
    """Return the house method."""
    return load_method()


def from_text(tmp_path: Path, text: str | bytes) -> Method:
    """Load a method from text."""
    path = tmp_path / "method.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_method(path)


def test_TERM_007_the_same_numbers_have_the_same_hash(tmp_path: Path, house: Method) -> None:
    tables = TEXT.split("\n[")
    head, rest = tables[0], tables[1:]
    reordered = "# another comment\n" + "\n[".join([head, *reversed(rest)])
    plain = reordered.replace("150_000", "150000")
    assert plain != TEXT
    assert from_text(tmp_path, plain).digest() == house.digest()
    assert len(house.digest()) == 32


def test_TERM_007_any_other_number_has_another_hash(house: Method) -> None:
    seen = {house.digest()}
    for path, value in (
        ("portfolio.initial_factor_ppm", "1300001"), ("underlying.BTC.range_ppm", "150001"),
        ("collateral.BTC.haircut_initial_ppm", "100001"), ("version", '"2026.2"'),
        ("grid.volatility_range_up", "0.4500001"), ("underlying.NEW.range_ppm", "300000"),
    ):  # fmt: skip
        seen.add(house.with_parameter(path, value).digest())
    assert len(seen) == 7


RULES: list[tuple[str, str, str]] = [
    ("grid.price_moves", "[-1.0, 1.0]", "grid.price_moves"),
    ("grid.price_moves", json.dumps([0.0] * 10), "grid"),
    ("grid.tail_weights", "[0.2, 0.35, 0.35]", "grid.tail_weights"),
    ("grid.tail_weights", "[0.0, 0.35, 0.35, 0.2]", "grid.tail_weights"),
    ("grid.tail_weights", "[1.1, 0.35, 0.35, 0.2]", "grid.tail_weights"),
    ("grid.term_floor_days", "0", "grid.term_floor_days"),
    ("grid.horizon_days", "[]", "grid.horizon_days"),
    ("grid.horizon_days", "[-1.0]", "grid.horizon_days"),
    ("grid.horizon_days", "[31.0]", "grid.horizon_days"),
    ("grid.horizon_days", "[1.0, 0.0]", "grid.horizon_days"),
    ("grid.horizon_days", "[0.0, 0.0]", "grid.horizon_days"),
    ("grid.horizon_days", "[0.0, 1.0]", "grid"),
    ("grid.term_floor_days", "366", "grid.term_floor_days"),
    ("grid.volatility_range_up", "0", "grid.volatility_range_up"),
    ("grid.volatility_range_down", "11", "grid.volatility_range_up"),
    ("grid.short_term_power", "-0.1", "grid.short_term_power"),
    ("grid.long_term_power", "2.1", "grid.short_term_power"),
    ("portfolio.initial_factor_ppm", "999999", "portfolio.initial_factor_ppm"),
    ("portfolio.initial_factor_ppm", "10000001", "portfolio.initial_factor_ppm"),
    ("portfolio.maintenance_factor_ppm", "999999", "portfolio.initial_factor_ppm"),
    ("portfolio.maintenance_factor_ppm", "1300001", "portfolio.initial_factor_ppm"),
    ("portfolio.short_option_minimum_ppm", "-1", "portfolio.short_option_minimum_ppm"),
    ("portfolio.short_option_minimum_ppm", "1000001", "portfolio.short_option_minimum_ppm"),
    ("cross.option_initial_floor_ppm", "74999", "cross.option_initial_floor_ppm"),
    ("cross.option_maintenance_ppm", "-1", "cross.option_maintenance_ppm"),
    ("cross.option_initial_floor_ppm", "1000001", "cross.option_maintenance_ppm"),
    ("cross.option_initial_ppm", "1000001", "cross.option_initial_ppm"),
    ("cross.option_initial_ppm", "-1", "cross.option_initial_ppm"),
    ("levels.margin_call_ppm", "1300001", "levels"),
    ("levels.full_liquidation_ppm", "0", "levels.full_liquidation_ppm"),
    ("levels.warning_ppm", "2000001", "levels.warning_ppm"),
    ("levels.hysteresis_ppm", "-1", "levels.hysteresis_ppm"),
    ("levels.hysteresis_ppm", "200001", "levels.hysteresis_ppm"),
    ("liquidation.step_ppm", "0", "liquidation.step_ppm"),
    ("liquidation.step_ppm", "1000001", "liquidation.step_ppm"),
    ("liquidation.fee_ppm", "-1", "liquidation.fee_ppm"),
    ("liquidation.fee_ppm", "100001", "liquidation.fee_ppm"),
    ("liquidation.taker_fee_ppm", "-1", "liquidation.taker_fee_ppm"),
    ("liquidation.taker_fee_ppm", "100001", "liquidation.taker_fee_ppm"),
    ("liquidation.interval_us", "-1", "liquidation.interval_us"),
    ("liquidation.interval_us", "86400000001", "liquidation.interval_us"),
    ("liquidation.target_ratio_ppm", "1050000", "liquidation.target_ratio_ppm"),
    ("liquidation.target_ratio_ppm", "10000001", "liquidation.target_ratio_ppm"),
    ("index.default.quorum_sources", "0", "index.default.quorum_sources"),
    ("index.default.quorum_sources", "101", "index.default.quorum_sources"),
    ("index.default.quorum_operators", "0", "index.default.quorum_operators"),
    ("index.default.quorum_operators", "3", "index.default.quorum_operators"),
    ("index.default.basis_bound_ppm", "-1", "index.default.basis_bound_ppm"),
    ("index.default.basis_bound_ppm", "500001", "index.default.basis_bound_ppm"),
    ("index.default.basis_smoothing_us", "0", "index.default.basis_smoothing_us"),
    ("index.default.basis_smoothing_us", "86400000001", "index.default.basis_smoothing_us"),
    ("index.default.price_jump_factor", "1", "index.default.price_jump_factor"),
    ("index.default.price_jump_factor", "1001", "index.default.price_jump_factor"),
    ("underlying", "{}", "underlying.default"),
    ("collateral", "{}", "collateral.default"),
    ("underlying.BTC.range_ppm", "0", "underlying.BTC.range_ppm"),
    ("underlying.BTC.range_ppm", "333334", "underlying.BTC.range_ppm"),
    ("underlying.BTC.depth_usd", "0", "underlying.BTC.depth_usd"),
    ("underlying.BTC.depth_usd", "1000000000000001", "underlying.BTC.depth_usd"),
    ("underlying.BTC.recovery_us", "0", "underlying.BTC.recovery_us"),
    ("underlying.BTC.option_depth_ppm", "0", "underlying.BTC.option_depth_ppm"),
    ("underlying.BTC.option_depth_ppm", "1000001", "underlying.BTC.option_depth_ppm"),
    ("underlying.BTC.half_spread_ppm", "-1", "underlying.BTC.slippage_ppm_max"),
    ("underlying.BTC.slippage_ppm_max", "1", "underlying.BTC.slippage_ppm_max"),
    ("underlying.BTC.slippage_ppm_max", "1000000", "underlying.BTC.slippage_ppm_max"),
    ("underlying.BTC.tiers", "[]", "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((100, 1, 2)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((0, 0, 2)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((0, 3, 2)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((0, 3, 1_000_001)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((200, 1, 2), (100, 2, 3), (0, 3, 4)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((100, 1, 2), (100, 2, 3), (0, 3, 4)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((100, 2, 3), (0, 1, 4)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((100, 1, 3), (0, 2, 2)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers((10**15 + 1, 1, 2), (0, 3, 4)), "underlying.BTC.tiers"),
    ("underlying.BTC.tiers", tiers(*[(k, k, k) for k in range(1, 9)], (0, 9, 9)),
     "underlying.BTC.tiers"),
    ("collateral.BTC.haircut_initial_ppm", "74999", "collateral.BTC"),
    ("collateral.BTC.haircut_initial_ppm", "1000001", "collateral.BTC"),
    ("collateral.BTC.haircut_maintenance_ppm", "-1", "collateral.BTC"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field"), RULES)
def test_TERM_008_every_rule_is_enforced(house: Method, path: str, value: str, field: str) -> None:
    with pytest.raises(TermsError) as caught:
        house.with_parameter(path, value)
    assert caught.value.code == "TERM-E03"
    assert caught.value.where["field"] == field


@pytest.mark.parametrize(
    ("number", "other"),
    [("-3.0, -2.0, 2.0, 3.0", "-3.0, nan, 2.0, 3.0"), ("-1.0, -0.75", "-1.0, -inf"),
     ("volatility_range_up = 0.45", "volatility_range_up = nan"),
     ("short_term_power = 0.3", "short_term_power = nan"),
     ("price_jump_factor = 8.0", "price_jump_factor = inf"),
     ("term_floor_days = 1.0", "term_floor_days = nan")],
)  # fmt: skip
def test_TERM_008_a_number_that_is_none_is_refused(tmp_path: Path, number: str, other: str) -> None:
    assert number in TEXT
    with pytest.raises(TermsError, match="TERM-E03"):
        from_text(tmp_path, TEXT.replace(number, other))


def test_TERM_008_the_house_method_keeps_its_rules(house: Method) -> None:
    assert check_method(house) is house


def test_TERM_009_a_change_leaves_the_old_method_as_it_was(house: Method) -> None:
    before = house.digest()
    changed = house.with_parameter("underlying.DOGE.range_ppm", "250000")
    assert house.digest() == before
    assert changed.underlying_rules("DOGE").range_ppm == 250_000
    assert changed.underlying_rules("DOGE").tiers == house.underlying["default"].tiers
    assert changed.underlying_rules("SHIB") == house.underlying["default"]
    assert house.collateral_rules("DOGE") == house.collateral["default"]
    back = changed.with_parameter("underlying.DOGE.range_ppm", "300000")
    assert back.underlying_rules("DOGE") == house.underlying["default"]


@pytest.mark.parametrize(
    "path",
    ["", "x", "grid", "grid.x", "grid.price_moves.0", "underlying.BTC.x", "underlying.NEW",
     "underlying.NEW.x", "name.x", "a.b.c.d", ".", "underlying..x",
     "underlying..range_ppm"],
)  # fmt: skip
def test_TERM_009_an_unknown_path_is_refused(house: Method, path: str) -> None:
    if path == "grid":
        with pytest.raises(TermsError, match="TERM-E03"):
            house.with_parameter(path, "1")
        return
    with pytest.raises(TermsError, match="TERM-E04"):
        house.with_parameter(path, "1")


@pytest.mark.parametrize(
    "value",
    ["", "{", "x", '"text"', "null", "[1]", "1.5", "NaN", "1e400", "9" * 400, "[" * 4_000,
     '{"a":' * 1_000, "1 2", "\ud800", "18446744073709551616"],
)  # fmt: skip
def test_TERM_009_a_value_that_is_no_number_is_refused(house: Method, value: str) -> None:
    with pytest.raises(TermsError, match="TERM-E03"):
        house.with_parameter("underlying.BTC.depth_usd", value)


def _unreadable() -> list[Any]:
    return [
        b"\xff\xfe",
        b"",
        TEXT[: len(TEXT) // 2],
        TEXT + "\n[surprise]\nx = 1\n",
        TEXT.replace("step_ppm", "stride_ppm"),
        TEXT.replace("step_ppm = 250_000", 'step_ppm = "a lot"'),
        TEXT.replace("step_ppm = 250_000", "step_ppm = 9" + "9" * 400),
        TEXT.replace("name =", "name = ="),
        "x = " + "[" * 5_000,
    ]


@pytest.mark.parametrize("text", _unreadable())
def test_TERM_010_a_document_that_cannot_be_read_is_an_error(
    tmp_path: Path, text: str | bytes
) -> None:
    with pytest.raises(TermsError, match="TERM-E03"):
        from_text(tmp_path, text)


def test_TERM_010_a_missing_file_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(TermsError, match="TERM-E03") as caught:
            load_method(path)
        assert str(path) in str(caught.value)
