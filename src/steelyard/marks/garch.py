"""GARCH(1,1) with given parameters: a reading, O(1) a bar. `models.garch_fit` finds the parameters.

    h' = ω + α·r² + β·h      r the return of the bar that closed, h the variance that was expected of it

ω, α, β per bar, α + β < 1. Far ahead the expected variance is v = ω/(1 − α − β); k bars ahead it is
v + (α + β)^(k−1)·(h' − v).
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from steelyard.terms.checks import YEAR_US


class GarchParameters(NamedTuple):
    """ω, α and β of one bar of bar_us."""

    omega: float
    alpha: float
    beta: float
    bar_us: int


class Garch:
    """Parameters and the variance expected of the bar that is open; it starts at the long run."""

    __slots__ = ("parameters", "variance")

    def __init__(self, parameters: GarchParameters) -> None:
        assert is_stationary(parameters)
        self.parameters = parameters
        self.variance = long_run_variance(parameters)

    def add(self, move: float, bar_us: int) -> None:
        """Take the return of a bar; one of another length than the parameters' teaches nothing."""
        if bar_us == self.parameters.bar_us:
            self.variance = next_variance(self.parameters, self.variance, move)

    def volatility(self) -> float:
        """Return the volatility expected of the open bar, a year."""
        return sqrt(self.variance * (YEAR_US / self.parameters.bar_us))


def is_stationary(parameters: GarchParameters) -> bool:
    """Return whether the variance stays positive and comes back: ω > 0, α, β ≥ 0, α + β < 1."""
    omega, alpha, beta, bar_us = parameters
    return omega > 0.0 and alpha >= 0.0 and beta >= 0.0 and alpha + beta < 1.0 and bar_us > 0


def long_run_variance(parameters: GarchParameters) -> float:
    """Return v = ω/(1 − α − β), per bar.

    >>> round(long_run_variance(GarchParameters(2e-8, 0.1, 0.88, 60_000_000)), 12)
    1e-06
    """
    return parameters.omega / (1.0 - parameters.alpha - parameters.beta)


def next_variance(parameters: GarchParameters, variance: float, move: float) -> float:
    """Return h' = ω + α·r² + β·h.

    >>> round(next_variance(GarchParameters(2e-8, 0.1, 0.88, 60_000_000), 1e-6, 0.003), 12)
    1.8e-06
    """
    omega, alpha, beta, _ = parameters
    return omega + alpha * (move * move) + beta * variance


def mean_variance(parameters: GarchParameters, variance: float, bars: int) -> float:
    """Return the expected variance per bar over the next `bars` bars, `variance` being that of the first.

    v + (h − v)·(1 − pⁿ)/(n·(1 − p)), p = α + β, pⁿ by repeated squaring.

    >>> round(mean_variance(GarchParameters(2e-8, 0.1, 0.88, 60_000_000), 2e-6, 2), 12)
    1.99e-06
    """
    assert bars > 0
    persistence = parameters.alpha + parameters.beta
    power, square, left = 1.0, persistence, bars
    while left:
        if left & 1:
            power *= square
        square *= square
        left >>= 1
    far = long_run_variance(parameters)
    return far + (variance - far) * (1.0 - power) / (bars * (1.0 - persistence))
