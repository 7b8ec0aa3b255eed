"""The liquidity curve of the venue: how far from the mark a quantity can be closed.

A linear book per underlying, one for perpetuals and one for options, two sides each. `depth_usd`
moves the price by one per cent. What liquidations have taken is remembered and refills linearly in
`recovery_us`, so that a cascade finds an emptier book than a single account does. Average price
offset of a notional n on a side where c is taken: half_spread + 1 %·(c + n/2)/depth. Nothing is
closed beyond slippage_ppm_max; the rest waits.
"""

from __future__ import annotations

from steelyard.quantities import PPM
from steelyard.terms.method import UnderlyingRules

PERCENT_PPM = 10_000

Key = tuple[str, bool, bool]
"""(underlying, is_option, is_sell)."""


class DepthState:
    """What has been taken from each side of each book, in whole USD, and when that was true."""

    def __init__(self) -> None:
        self.taken: dict[Key, tuple[int, int]] = {}

    def taken_usd(self, key: Key, now_us: int, rules: UnderlyingRules) -> int:
        """Return the notional still missing from a side at `now_us`, whole USD."""
        taken, at_us = self.taken.get(key, (0, now_us))
        assert now_us >= at_us
        return max(0, taken - _depth(key, rules) * (now_us - at_us) // rules.recovery_us)

    def take(self, key: Key, notional_usd: int, now_us: int, rules: UnderlyingRules) -> None:
        """Remove a notional from a side."""
        self.taken[key] = (self.taken_usd(key, now_us, rules) + notional_usd, now_us)

    def room_usd(self, key: Key, now_us: int, rules: UnderlyingRules) -> int:
        """Return the notional that can be closed now without passing the largest slippage."""
        reach = (rules.slippage_ppm_max - rules.half_spread_ppm) * _depth(key, rules) // PERCENT_PPM
        return max(0, reach - self.taken_usd(key, now_us, rules))

    def offset_ppm(self, key: Key, notional_usd: int, now_us: int, rules: UnderlyingRules) -> int:
        """Return the average distance from the mark, in ppm, at which a notional is closed.

        >>> from steelyard.terms import load_method
        >>> btc = load_method().underlying_rules("BTC")
        >>> DepthState().offset_ppm(("BTC", False, True), 8_000_000, 0, btc)
        2050
        """
        taken = self.taken_usd(key, now_us, rules)
        depth = _depth(key, rules)
        impact = PERCENT_PPM * (2 * taken + notional_usd) // (2 * depth)
        return min(rules.half_spread_ppm + impact, rules.slippage_ppm_max)


def _depth(key: Key, rules: UnderlyingRules) -> int:
    """Return the USD that move this book by one per cent."""
    return max(1, rules.depth_usd * rules.option_depth_ppm // PPM) if key[1] else rules.depth_usd
