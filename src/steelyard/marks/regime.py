"""The regime of an asset's volatility: that of a short horizon over that of a long one.

    calm < ratio 0 ≤ normal < ratio 1 ≤ stressed < ratio 2 ≤ crisis

Upwards at once and as far as the ratio goes. Downwards one level at a time: below (1 − hysteresis) of the ratio
that began the level, and no sooner than the dwell after the last change. Variances are compared
by cross-multiplication. While a horizon has seen too little the regime is unknown; while the index stands
still it stays.
"""

from __future__ import annotations

from enum import IntEnum

from steelyard.terms.volatility_rules import VolatilityRules


class Regime(IntEnum):
    """How volatile the market is against its own past."""

    UNKNOWN = -1
    CALM = 0
    NORMAL = 1
    STRESSED = 2
    CRISIS = 3


def next_regime(
    regime: int, since_us: int, short: float, long: float, now_us: int, rules: VolatilityRules
) -> int:
    """Return the regime after the variances `short` and `long` at `now_us`; since_us: of the last change.

    The first one is what the ratio says.

    >>> rules = VolatilityRules(regime_ratios=(0.5, 2.0, 4.0), regime_hysteresis=0.5, regime_dwell_us=10)
    >>> [next_regime(1, 0, v, 1.0, 20, rules) for v in (0.0624, 0.0626, 3.9, 4.0, 16.0)]
    [0, 1, 1, 2, 3]
    >>> [next_regime(3, 0, v, 1.0, t, rules) for v, t in ((4.0, 20), (3.9, 9), (3.9, 10))]
    [3, 3, 2]
    """
    level = 0
    for ratio in rules.regime_ratios:
        level += short >= ratio * ratio * long
    if level >= regime or regime == Regime.UNKNOWN:
        return level
    leave = (1.0 - rules.regime_hysteresis) * rules.regime_ratios[regime - 1]
    if short < leave * leave * long and now_us - since_us >= rules.regime_dwell_us:
        return regime - 1
    return regime
