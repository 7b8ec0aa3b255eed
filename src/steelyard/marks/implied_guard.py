"""The guard of implied volatilities: which fitter's update is used, and when none is.

Fitters (the senders of VolatilityUpdate and SurfaceUpdate) say the volatilities of an underlying; the *level* of an
update is their median. An update is used if

    it is not older than its fitter's last,
    its level agrees with the median level of all fitters that are not stale, and most of these do,
    that median is no sudden jump: beyond jump_factor of the last believed level it must be said again,
    hold_us later; beyond absurd_factor it is never used.

Otherwise the last used volatilities stay. While the levels jump or disagree, an underlying that has options is
protected. Age never protects; it is charged (`age_ppm`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steelyard.marks.index import weighted_median
from steelyard.quantities import PPM
from steelyard.terms.checks import DAY_US, HOUR_US, YEAR_US
from steelyard.terms.implied_rules import ImpliedRules
from steelyard.ticks import SurfaceUpdate, VolatilityUpdate

NONE, BELIEVED, JUMP, ABSURD, DISAGREEMENT = (
    "none", "believed", "jump", "absurd", "disagreement",
)  # fmt: skip
DOUBTED = frozenset({JUMP, ABSURD, DISAGREEMENT})
FITTERS_MAX = 32


class Word(NamedTuple):
    """The last level of one fitter, and the exchange time it holds for."""

    level: float
    at_us: int


class ImpliedGuard:
    """What the fitters of one underlying last said, and what is believed.

    held: options that jump on their own, as (volatility, forward ratio, since). level, at_us: of the update in use (0.0: none yet). hold_level, hold_us: a jump that waits, and since when.
    """

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}
        self.condition = NONE
        self.level = 0.0
        self.at_us = 0
        self.hold_level = 0.0
        self.hold_us = 0
        self.held: dict[int, tuple[float, float, int]] = {}

    def offer(
        self, fitter: str, level: float, at_us: int, now_us: int, rules: ImpliedRules
    ) -> bool:
        """Take a fitter's update; return whether its volatilities are to be used."""
        at_us = min(at_us, now_us)
        known = self.words.get(fitter)
        if known is not None and at_us < known.at_us:
            return False
        if known is None and len(self.words) >= FITTERS_MAX:
            return False
        self.words[fitter] = Word(level, at_us)
        median = self.judge(now_us, rules)
        if self.condition != BELIEVED or not _agrees(level, median, rules):
            return False
        self.level, self.at_us = median, at_us
        return True

    def judge(self, now_us: int, rules: ImpliedRules) -> float:
        """Set the condition by the words that are not stale; return their median level, 0.0 for none."""
        fresh = [
            self.words[name].level
            for name in sorted(self.words)
            if now_us - self.words[name].at_us <= rules.stale_after_us
        ]
        if not fresh:
            return 0.0
        median = weighted_median(fresh, [1] * len(fresh))
        agreeing = [level for level in fresh if _agrees(level, median, rules)]
        if 2 * len(agreeing) <= len(fresh):
            self.condition, self.hold_level = DISAGREEMENT, 0.0
            return median
        ratio = max(median / self.level, self.level / median) if self.level > 0.0 else 1.0
        if ratio <= rules.jump_factor:
            self.condition, self.hold_level = BELIEVED, 0.0
        elif ratio > rules.absurd_factor:
            self.condition, self.hold_level = ABSURD, 0.0
        elif self.hold_level == 0.0 or not _agrees(self.hold_level, median, rules):
            self.condition, self.hold_level, self.hold_us = JUMP, median, now_us
        elif now_us - self.hold_us >= rules.hold_us and now_us > self.hold_us:
            self.condition, self.hold_level = BELIEVED, 0.0
        return median

    def says_again(
        self, slot: int, volatility: float, ratio: float, is_possible: bool, now_us: int, rules: ImpliedRules
    ) -> bool:  # fmt: skip
        """Return whether an option that jumps on its own was said to do so before, hold_us ago or longer."""
        first = self.held.get(slot)
        if (
            first is None
            or not _agrees(first[0], volatility, rules)
            or not _agrees(first[1], ratio, rules)
        ):
            self.held[slot] = volatility, ratio, now_us
            return False
        if not is_possible or now_us <= first[2] or now_us - first[2] < rules.hold_us:
            return False
        del self.held[slot]
        return True

    def age_ppm(self, now_us: int, rules: ImpliedRules) -> int:
        """Return what the age of the volatilities in use adds to the initial requirement of options, ppm."""
        age_us = now_us - self.at_us
        if self.level == 0.0 or age_us <= rules.age_free_us:
            return 0
        steps = rules.age_ppm * math.isqrt(age_us) // math.isqrt(HOUR_US)
        return min(rules.age_ppm_max, -(-steps // AGE_STEP_PPM) * AGE_STEP_PPM)

    def record(self) -> list[object]:
        """Return the guard as plain values, for a snapshot."""
        words = [[name, *self.words[name]] for name in sorted(self.words)]
        held = [[slot, *self.held[slot]] for slot in sorted(self.held)]
        return [words, self.condition, self.level, self.at_us, self.hold_level, self.hold_us, held]

    @staticmethod
    def restore(record: list[Any]) -> ImpliedGuard:
        """Return the guard of a record."""
        guard = ImpliedGuard()
        words, guard.condition, guard.level, guard.at_us, guard.hold_level, guard.hold_us, held = (
            record
        )
        guard.held = {slot: (volatility, ratio, at) for slot, volatility, ratio, at in held}
        guard.words = {name: Word(level, at_us) for name, level, at_us in words}
        return guard


AGE_STEP_PPM = 100
ABSURD_LEVEL = 1e9
"""The level of a surface that cannot be: one whose expiries do not fit together."""


def _agrees(level: float, median: float, rules: ImpliedRules) -> bool:
    return abs(level - median) * PPM <= rules.agreement_ppm * median


def level_of_volatilities(update: VolatilityUpdate) -> float:
    """Return the median volatility of an update."""
    ordered = sorted(update.implied_volatilities)
    return ordered[len(ordered) // 2]


def levels_of(update: SurfaceUpdate) -> dict[int, float]:
    """Return the base volatility at the money by expiry, where it is positive."""
    levels = {}
    for smile in update.smiles:
        variance = smile.a + smile.b * (
            math.sqrt(smile.m * smile.m + smile.sigma * smile.sigma) - smile.rho * smile.m
        )
        years = (smile.expiry_us - update.exchange_time_us) / YEAR_US
        if variance > 0.0:
            levels[smile.expiry_us] = math.sqrt(variance / years)
    return levels


def level_of_surface(update: SurfaceUpdate) -> float:
    """Return the median over the expiries of the base volatility at the money; 0.0 where none is positive."""
    ordered = sorted(levels_of(update).values())
    return ordered[len(ordered) // 2] if ordered else 0.0


def is_even(update: SurfaceUpdate, used: SurfaceUpdate, rules: ImpliedRules) -> bool:
    """Return whether no expiry a day away or more is absurd beside the surface in use, nor any forward."""
    before = levels_of(used)
    for expiry_us, level in levels_of(update).items():
        known = before.get(expiry_us, level)
        is_near = expiry_us - update.exchange_time_us < DAY_US
        if not is_near and max(level / known, known / level) > rules.absurd_factor:
            return False
    return all(0.5 <= smile.forward / update.index_price <= 2.0 for smile in update.smiles)
