"""The rules of liquidity: what a book must be to be believed, and what stands in for it otherwise."""

from __future__ import annotations

import msgspec

from steelyard.quantities import PPM
from steelyard.terms.checks import DAY_US, Rules

BANDS_MAX = 8
NOTIONAL_USD_MAX = 10**12
TIMES = (
    "sound_after_us", "stale_after_us", "best_frozen_after_us", "depth_frozen_after_us", "flow_time_us",
    "open_interest_stale_after_us",
)  # fmt: skip
SHARES = (
    "frozen_move_ppm", "mid_bound_ppm", "spread_ppm_max", "beyond_density_ppm", "foreign_share_ppm",
)  # fmt: skip


class LiquidityRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of books, flow and models; shares in ppm.

    impact_notional_usd: whose average price on each side is the impact bid and ask. bands_ppm: distances
    from the mid within which depth is told. stale_after_us: age of a book, in exchange time, beyond which
    it is not used. best_frozen_after_us, depth_frozen_after_us: how long a best level, or all levels of a
    side, may stay as they are while they are repeated and the index moves by frozen_move_ppm or more.
    sound_after_us: how long a book that was crossed or frozen must be sound before it is believed again.
    mid_bound_ppm: distance of mid and index, and spread_ppm_max: spread, at which a book is not believed.
    reliability_min_ppm: reliability up to which a book counts for nothing; from there to one it gains
    weight against the model. flow_time_us: time constant of order and trade flow.

    beyond_density_ppm: how dense the book is taken to be behind its last level, as a share of its mean
    density before. foreign_share_ppm: part of the depth of other venues that can be reached where there is
    no book of our own. cost_ppm_max: furthest distance from the mid at which anything is taken to trade.
    open_interest_stale_after_us: age beyond which a venue's open interest is left out.
    impact_coefficient_ppm: the factor Y of the square-root law, turnover_ppm: volume of a day as a share of
    open interest.
    """

    impact_notional_usd: int
    bands_ppm: tuple[int, ...]
    stale_after_us: int
    best_frozen_after_us: int
    depth_frozen_after_us: int
    frozen_move_ppm: int
    sound_after_us: int
    mid_bound_ppm: int
    spread_ppm_max: int
    reliability_min_ppm: int
    flow_time_us: int
    beyond_density_ppm: int
    foreign_share_ppm: int
    cost_ppm_max: int
    open_interest_stale_after_us: int
    impact_coefficient_ppm: int
    turnover_ppm: int


HOUSE_LIQUIDITY = LiquidityRules(
    impact_notional_usd=25_000,
    bands_ppm=(1_000, 5_000, 10_000, 20_000, 50_000),
    stale_after_us=10_000_000,
    best_frozen_after_us=60_000_000,
    depth_frozen_after_us=30_000_000,
    frozen_move_ppm=1_000,
    sound_after_us=300_000_000,
    mid_bound_ppm=30_000,
    spread_ppm_max=20_000,
    reliability_min_ppm=500_000,
    flow_time_us=60_000_000,
    beyond_density_ppm=500_000,
    foreign_share_ppm=100_000,
    cost_ppm_max=1_000_000,
    open_interest_stale_after_us=900_000_000,
    impact_coefficient_ppm=1_000_000,
    turnover_ppm=1_000_000,
)
"""The values of the house: 25,000 USD is 200 USD of initial margin at the largest leverage, 125."""


def liquidity_checks(rules: LiquidityRules, field: str = "liquidity") -> Rules:
    """Return (holds, field, rule) of every rule of these numbers; `field` is where they stand.

    >>> [rule for holds, _, rule in liquidity_checks(HOUSE_LIQUIDITY) if not holds]
    []
    """
    bands = rules.bands_ppm
    checks = [
        (
            0 < rules.impact_notional_usd <= NOTIONAL_USD_MAX,
            "impact_notional_usd",
            "above zero, at most 10^12",
        ),
        (
            0 < len(bands) <= BANDS_MAX
            and list(bands) == sorted(set(bands))
            and bands[0] > 0
            and bands[-1] < PPM,
            "bands_ppm",
            f"1 to {BANDS_MAX} shares in (0, 1), ascending, each one once",
        ),
        (0 < rules.reliability_min_ppm < PPM, "reliability_min_ppm", "a share in (0, 1)"),
        (
            PPM // 100 <= rules.cost_ppm_max <= 10 * PPM,
            "cost_ppm_max",
            "between 1 % and 1,000 %",
        ),
        (
            0 < rules.impact_coefficient_ppm <= 100 * PPM,
            "impact_coefficient_ppm",
            "above zero, at most 100",
        ),
        (0 < rules.turnover_ppm <= 100 * PPM, "turnover_ppm", "above zero, at most 100"),
    ]
    checks += [
        (0 < getattr(rules, name) <= DAY_US, name, "above zero, at most a day") for name in TIMES
    ]
    checks += [(0 < getattr(rules, name) <= PPM, name, "a share in (0, 1]") for name in SHARES]
    return [(holds, f"{field}.{name}", rule) for holds, name, rule in checks]
