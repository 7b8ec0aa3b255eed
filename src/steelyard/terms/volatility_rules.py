"""Rules of the volatility state, and how they are checked.

    horizons      how fast realised volatility forgets, and how often it samples the index
    drift         by how much an index of some age may be off: drift_z·σ·√age, the volatility σ kept between
                  volatility_floor and volatility_ceiling, volatility_unknown while there is none
    bars          the clock of the range estimators and of GARCH; correlation_bars of them make one return
                  of the correlations
    regime        the volatility of horizon regime_short over that of regime_long, against three ratios

One document of them serves all assets, since the bars of the correlations are common to all.
Times in microseconds, volatilities a year of 365 days, 0.5 = 50 %.
"""

from __future__ import annotations

import msgspec

from steelyard.quantities import PPM
from steelyard.terms.checks import DAY_US, HOUR_US, MINUTE_US, SECOND_US, YEAR_US, Rules

SAMPLES_MIN = 5
VOLATILITY_MAX = 100.0


class Horizon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One realised volatility: a return counts half after half_life_us, and spans at least sample_us."""

    half_life_us: int
    sample_us: int


HOUSE_HORIZONS = (
    Horizon(MINUTE_US, SECOND_US),
    Horizon(5 * MINUTE_US, 5 * SECOND_US),
    Horizon(HOUR_US, MINUTE_US),
    Horizon(DAY_US, 5 * MINUTE_US),
    Horizon(10 * DAY_US, 5 * MINUTE_US),
)


class VolatilityRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of the volatility state; the house values stand beside their names.

    weight_min: share of an average's weight that must rest on observations before it counts as known.
    bar_moves_min: a bar with fewer moves of the index has no usable range. correlation_clip: a bar return
    counts at most so many of its own standard deviations. correlation_shrinkage: how far the matrix is
    drawn towards the constant correlation. correlation_unknown: that correlation while no pair is known;
    correlation_max: the most it may be. correlation_assets_max: the matrix holds so many assets, those that
    appeared first. correlation_to_one and correlation_to_zero: how far the stressed matrices are drawn.
    jump_z: a return beyond so many standard deviations of horizon 0 is a jump. regime_ratios: from which
    ratio on it is normal, stressed, in crisis; regime_hysteresis: how far the ratio must fall below the one
    that was crossed, regime_dwell_us: how long a regime lasts at least before a calmer one follows.
    implied_tenors_us: where implied volatility is read off its term.
    """

    horizons: tuple[Horizon, ...] = HOUSE_HORIZONS
    weight_min: float = 0.1
    volatility_floor: float = 0.2
    volatility_ceiling: float = 50.0
    volatility_unknown: float = 3.0
    drift_z: float = 3.0
    drift_ppm_max: int = PPM // 2
    bar_us: int = MINUTE_US
    bar_moves_min: int = 5
    bar_half_life_us: int = HOUR_US
    correlation_bars: int = 5
    correlation_half_life_us: int = 3 * DAY_US
    correlation_clip: float = 6.0
    correlation_shrinkage: float = 0.1
    correlation_unknown: float = 0.5
    correlation_max: float = 0.95
    correlation_assets_max: int = 64
    correlation_to_one: float = 0.5
    correlation_to_zero: float = 0.5
    jump_z: float = 8.0
    regime_short: int = 2
    regime_long: int = 4
    regime_ratios: tuple[float, float, float] = (0.6, 2.0, 4.0)
    regime_hysteresis: float = 0.2
    regime_dwell_us: int = HOUR_US
    implied_tenors_us: tuple[int, int] = (7 * DAY_US, 30 * DAY_US)


def volatility_checks(rules: VolatilityRules, field: str) -> Rules:
    """Return the rules of horizons, drift, bars, correlations, regime and implied volatility.

    >>> all(holds for holds, _, _ in volatility_checks(VolatilityRules(), "volatility.default"))
    True
    >>> wrong = VolatilityRules(drift_z=float("nan"))
    >>> [name for holds, name, _ in volatility_checks(wrong, "v") if not holds]
    ['v.drift_z']
    """
    r = rules

    def within(name: str, low: float, high: float, words: str) -> tuple[bool, str, str]:
        return low <= getattr(r, name) <= high, f"{field}.{name}", words

    return [
        *_horizon_checks(r, f"{field}.horizons"),
        within("weight_min", 0.001, 0.9, "between 0.001 and 0.9"),
        within("volatility_floor", 0.001, VOLATILITY_MAX, "between 0.001 and 100"),
        (
            r.volatility_floor <= r.volatility_unknown <= r.volatility_ceiling,
            f"{field}.volatility_unknown",
            "between floor and ceiling",
        ),
        within("volatility_ceiling", 0.001, VOLATILITY_MAX, "between 0.001 and 100"),
        within("drift_z", 0.1, 100.0, "between 0.1 and 100"),
        within("drift_ppm_max", 1, PPM, "above zero, at most 100 %"),
        within("bar_us", SECOND_US, HOUR_US, "between a second and an hour"),
        within("bar_moves_min", 2, 10_000, "between 2 and 10,000"),
        (
            SAMPLES_MIN * r.bar_us <= r.bar_half_life_us <= 365 * DAY_US,
            f"{field}.bar_half_life_us",
            "at least 5 bars, at most a year",
        ),
        *_correlation_checks(r, field),
        within("jump_z", 3.0, 100.0, "between 3 and 100"),
        *_regime_checks(r, field),
        (
            0 < r.implied_tenors_us[0] < r.implied_tenors_us[1] <= 10 * YEAR_US,
            f"{field}.implied_tenors_us",
            "ascending, above zero, at most ten years",
        ),
    ]


def _horizon_checks(r: VolatilityRules, field: str) -> Rules:
    lives = [each.half_life_us for each in r.horizons]
    return [
        (2 <= len(lives) <= 16, field, "between 2 and 16 horizons"),
        (lives == sorted(set(lives)), field, "half-lives ascend, each one once"),
        (
            all(0 < each <= YEAR_US for each in lives),
            field,
            "half-lives above zero, at most a year",
        ),
        (
            all(0 < SAMPLES_MIN * h.sample_us <= h.half_life_us for h in r.horizons),
            field,
            "at least 5 samples a half-life",
        ),
    ]


def _correlation_checks(r: VolatilityRules, field: str) -> Rules:
    name = f"{field}.correlation"
    length = r.correlation_bars * r.bar_us
    return [
        (1 <= r.correlation_bars <= 1_440, f"{name}_bars", "between 1 and 1,440"),
        (
            SAMPLES_MIN * length <= r.correlation_half_life_us <= 10 * YEAR_US,
            f"{name}_half_life_us",
            "at least 5 returns, at most ten years",
        ),
        (2 <= r.correlation_clip <= 1_000, f"{name}_clip", "between 2 and 1,000"),
        (0.01 <= r.correlation_shrinkage <= 1, f"{name}_shrinkage", "between 0.01 and 1"),
        (0 <= r.correlation_unknown <= r.correlation_max, f"{name}_unknown", "in [0, max]"),
        (0 <= r.correlation_max <= 0.99, f"{name}_max", "between 0 and 0.99"),
        (1 <= r.correlation_assets_max <= 256, f"{name}_assets_max", "between 1 and 256"),
        (0 <= r.correlation_to_one <= 0.99, f"{name}_to_one", "between 0 and 0.99"),
        (0 <= r.correlation_to_zero <= 1, f"{name}_to_zero", "between 0 and 1"),
    ]


def _regime_checks(r: VolatilityRules, field: str) -> Rules:
    calm, stressed, crisis = r.regime_ratios
    return [
        (
            0 <= r.regime_short < r.regime_long < len(r.horizons),
            f"{field}.regime_long",
            "two horizons by number, the short one first",
        ),
        (0 < calm < stressed < crisis <= 100, f"{field}.regime_ratios", "ascend, at most 100"),
        (0 <= r.regime_hysteresis <= 0.9, f"{field}.regime_hysteresis", "between 0 and 90 %"),
        (0 <= r.regime_dwell_us <= 30 * DAY_US, f"{field}.regime_dwell_us", "at most 30 days"),
    ]
