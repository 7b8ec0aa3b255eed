"""The rules of the volatility state: what is refused, field by field."""

from __future__ import annotations

import msgspec
import pytest

from steelyard.terms.volatility_rules import Horizon, VolatilityRules, volatility_checks

NAN = float("nan")
DAY_US = 86_400_000_000


def broken(**changes: object) -> set[str]:
    """Return the fields that break a rule when these are changed."""
    rules = msgspec.structs.replace(VolatilityRules(), **changes)
    return {field for holds, field, _ in volatility_checks(rules, "v") if not holds}


def test_VOLA_003_the_house_values_keep_the_rules() -> None:
    assert broken() == set()
    rules = VolatilityRules()
    assert msgspec.convert(msgspec.to_builtins(rules), VolatilityRules) == rules


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("weight_min", 0.0), ("weight_min", NAN),
        ("volatility_floor", 0.0), ("volatility_floor", NAN),
        ("volatility_ceiling", 101.0), ("volatility_ceiling", NAN),
        ("volatility_unknown", 0.1), ("volatility_unknown", NAN),
        ("drift_z", 0.0), ("drift_z", NAN), ("drift_ppm_max", 0), ("drift_ppm_max", 1_000_001),
        ("bar_moves_min", 1), ("bar_half_life_us", 299_999_999),
        ("correlation_bars", 0), ("correlation_half_life_us", 1_499_999_999),
        ("correlation_clip", 1.0), ("correlation_shrinkage", 0.0), ("correlation_shrinkage", NAN),
        ("correlation_unknown", 0.96), ("correlation_unknown", -0.1),
        ("correlation_max", 1.0), ("correlation_assets_max", 0), ("correlation_to_one", 1.0), ("correlation_to_zero", NAN),
        ("jump_z", 2.0), ("jump_z", NAN), ("regime_ratios", (0.6, 0.5, 4.0)),
        ("regime_ratios", (NAN, 2.0, 4.0)), ("regime_hysteresis", 1.0), ("regime_dwell_us", -1),
        ("implied_tenors_us", (DAY_US, DAY_US)), ("implied_tenors_us", (0, DAY_US)),
    ],
)  # fmt: skip
def test_VOLA_003_each_number_has_its_bounds(field: str, wrong: object) -> None:
    assert f"v.{field}" in broken(**{field: wrong})


@pytest.mark.parametrize(
    "horizons",
    [
        (),
        (Horizon(60_000_000, 1_000_000),),
        (Horizon(60_000_000, 12_000_001), Horizon(DAY_US, 1)),
        (Horizon(DAY_US, 1), Horizon(60_000_000, 1)),
        (Horizon(DAY_US, 1), Horizon(DAY_US, 1)),
        (Horizon(DAY_US, 0), Horizon(2 * DAY_US, 1)),
    ],
)
def test_VOLA_003_horizons_ascend_and_sample_five_times_a_half_life(
    horizons: tuple[Horizon, ...],
) -> None:
    assert "v.horizons" in broken(horizons=horizons, regime_short=0, regime_long=1)


def test_VOLA_003_a_bar_of_another_length_or_a_regime_of_other_horizons_is_refused() -> None:
    assert "v.bar_us" in broken(bar_us=999_999)
    assert broken(regime_long=5) == {"v.regime_long"}
    assert broken(regime_short=4) == {"v.regime_long"}
