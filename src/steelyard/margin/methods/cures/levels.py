"""Whether equity is enough: the one comparison that every cure is held to.

An account holds a wanted ratio where equity ≥ wanted·requirement, compared without dividing. Where
nothing is required, or less than nothing (long options under SPAN), equity must reach the requirement
itself, whatever the wanted ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.cures.results import Level, Number
from steelyard.quantities.errors import InputError

Floats = NDArray[np.float64]


class Wanted(NamedTuple):
    """The ratio that is wanted, as a float and as the decimal it is written with, of a level."""

    ratio: float
    exact: Fraction
    level: Level

    def slack(self, equity: Any, requirement: Any) -> Any:
        """Return how much equity is above what is wanted, below zero where it is short.

        Floats or columns in float64; exact numbers exactly, then rounded with their sign kept.

        >>> wanted_of(1.2, "initial").slack(110.0, 100.0)
        -10.0
        """
        if isinstance(equity, np.ndarray):
            return equity - np.where(requirement > 0, self.ratio * requirement, requirement)
        if isinstance(equity, float) and isinstance(requirement, float):
            return equity - (self.ratio * requirement if requirement > 0 else requirement)
        asked = Fraction(requirement) * (self.exact if requirement > 0 else 1)
        return float(Fraction(equity) - asked)


class Outcome(NamedTuple):
    """Equity and requirement of some changed accounts, and their slack; NaN where one is unusable."""

    equity: Sequence[Number] | Floats
    requirement: Sequence[Number] | Floats
    slack: Floats


SlackOf = Callable[[list[int], list[int]], Floats]


def wanted_of(ratio: float, level: Level) -> Wanted:
    """Return a wanted ratio of a level. Errors: METH-E05 unless it is a finite number above zero."""
    if not (ratio > 0.0 and np.isfinite(ratio)):
        raise InputError(
            "METH-E05", f"the wanted ratio is {ratio}", rule="a wanted ratio is above zero",
            cure="state it as a number such as 1.2", field="wanted",
        )  # fmt: skip
    if level not in ("initial", "maintenance"):
        raise InputError(
            "METH-E05", f"{level!r} is no level", rule="a level is initial or maintenance",
            cure="name one of them", field="level",
        )  # fmt: skip
    return Wanted(float(ratio), Fraction(repr(float(ratio))), level)


def level_of(answer: Answer, level: Level) -> Number | None:
    """Return the requirement of a level."""
    return answer.initial_requirement if level == "initial" else answer.maintenance_requirement


def ratio_of(equity: Number, requirement: Number) -> float | None:
    """Return equity over requirement, None where nothing is required."""
    if not requirement > 0:
        return None
    if isinstance(equity, float) and isinstance(requirement, float):
        return equity / requirement
    return float(Fraction(equity) / Fraction(requirement))


def plain_number(value: Any) -> Number:
    """Return a number of a column as a float, any other as it is."""
    return value if isinstance(value, Decimal | int) else float(value)
