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
from steelyard.terms.implied_rules import ImpliedRules
from steelyard.ticks import SurfaceUpdate, VolatilityUpdate

NONE, BELIEVED, JUMP, ABSURD, DISAGREEMENT = (
    "none", "believed", "jump", "absurd", "disagreement",
)  # fmt: skip
DOUBTED = frozenset({JUMP, ABSURD, DISAGREEMENT})
FITTERS_MAX = 32
HOUR_US = 3_600_000_000
YEAR_US = 31_536_000_000_000


class Word(NamedTuple):
    """The last level of one fitter, and the exchange time it holds for."""

    level: float
    at_us: int


class ImpliedGuard:
    """What the fitters of one underlying last said, and what is believed.

    level, at_us: of the update in use (0.0: none yet). hold_level, hold_us: a jump that waits, and since when.
    """

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}
        self.condition = NONE
        self.level = 0.0
        self.at_us = 0
        self.hold_level = 0.0
        self.hold_us = 0

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
            self.condition = DISAGREEMENT
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
        return [words, self.condition, self.level, self.at_us, self.hold_level, self.hold_us]

    @staticmethod
    def restore(record: list[Any]) -> ImpliedGuard:
        """Return the guard of a record."""
        guard = ImpliedGuard()
        words, guard.condition, guard.level, guard.at_us, guard.hold_level, guard.hold_us = record
        guard.words = {name: Word(level, at_us) for name, level, at_us in words}
        return guard


AGE_STEP_PPM = 100


def _agrees(level: float, median: float, rules: ImpliedRules) -> bool:
    return abs(level - median) * PPM <= rules.agreement_ppm * median


def level_of_volatilities(update: VolatilityUpdate) -> float:
    """Return the median volatility of an update."""
    ordered = sorted(update.implied_volatilities)
    return ordered[len(ordered) // 2]


def level_of_surface(update: SurfaceUpdate) -> float:
    """Return the median over the expiries of the base volatility at the money; 0.0 where none is positive."""
    levels = []
    for smile in update.smiles:
        variance = smile.a + smile.b * (
            math.sqrt(smile.m * smile.m + smile.sigma * smile.sigma) - smile.rho * smile.m
        )
        years = (smile.expiry_us - update.exchange_time_us) / YEAR_US
        if variance > 0.0:
            levels.append(math.sqrt(variance / years))
    levels.sort()
    return levels[len(levels) // 2] if levels else 0.0
