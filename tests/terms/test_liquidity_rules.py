"""The rules of liquidity keep their bounds."""

from __future__ import annotations

import math

import msgspec
import pytest

from steelyard.terms import load_method
from steelyard.terms.liquidity_rules import HOUSE_LIQUIDITY, LiquidityRules, liquidity_checks


def test_LIQU_031_rules_of_the_house_hold() -> None:
    checks = liquidity_checks(HOUSE_LIQUIDITY, "liquidity")
    assert all(holds for holds, _, _ in checks)
    named = [field.removeprefix("liquidity.") for _, field, _ in checks]
    assert sorted(named) == sorted(LiquidityRules.__struct_fields__)
    assert load_method().liquidity_rules("default") == HOUSE_LIQUIDITY


@pytest.mark.parametrize("field", LiquidityRules.__struct_fields__)
@pytest.mark.parametrize("value", [0, -1, 10**13, math.nan])
def test_LIQU_031_value_out_of_bounds_is_named(field: str, value: float) -> None:
    wrong = (value,) if field == "bands_ppm" else value
    rules = msgspec.structs.replace(HOUSE_LIQUIDITY, **{field: wrong})
    broken = [name for holds, name, _ in liquidity_checks(rules, "x") if not holds]
    assert broken == [f"x.{field}"]


@pytest.mark.parametrize("bands", [(), (5, 5), (7, 5), (1_000_000,), tuple(range(1, 10))])
def test_LIQU_031_bands_ascend_below_one(bands: tuple[int, ...]) -> None:
    rules = msgspec.structs.replace(HOUSE_LIQUIDITY, bands_ppm=bands)
    broken = [name for holds, name, _ in liquidity_checks(rules) if not holds]
    assert broken == ["liquidity.bands_ppm"]
