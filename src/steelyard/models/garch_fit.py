"""Fit GARCH(1,1) to the returns of evenly spaced bars by maximum likelihood.

    h₀ = mean of r²,  hₜ₊₁ = ω + α·rₜ² + β·hₜ,  L = −½·Σₜ (ln 2π + ln hₜ + rₜ²/hₜ)

Normal likelihood, zero mean; with other tails it is the quasi-likelihood, still consistent. Returns are divided
by √h₀ first, so the fit of returns times a constant is the same fit. Search: the best of a few combinations
of persistence α + β and share α/(α + β) at the sample's variance, then Fisher scoring with the damping of
Levenberg and Marquardt in the coordinates ln ω, logit of (α + β)/PERSISTENCE_MAX, logit of the share, with
exact slopes of the recursion: ∂h' = (1, r², h) + β·∂h. Deterministic: no chance, sums in a fixed order.

Source: Bollerslev 1986; own search; criteria in specs/29-VOLA.md. The recursion that the engine runs with the
parameters found is `marks.garch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from steelyard.marks.garch import GarchParameters
from steelyard.quantities.errors import InputError
from steelyard.valuation.compiled import kernel
from steelyard.valuation.elementary import log

RETURNS_MIN = 100
PERSISTENCE_MAX = 0.99999
PERSISTENCES = (0.5, 0.8, 0.95, 0.99)
SHARES = (0.03, 0.1, 0.3)
ITERATIONS_MAX = 200
DAMPING_MAX = 1e12
GAIN_MIN = 1e-12  # of the likelihood a return
LN_2PI = 1.8378770664093453
EDGE = 20.0  # of a logit

ROW = types.Array(types.float64, 1, "C")
READ_ROW = types.Array(types.float64, 1, "C", readonly=True)


@dataclass(frozen=True)
class GarchFit:
    """What was found.

    log_likelihood: L of the returns as given. next_variance: the variance expected of the bar after the
    last. is_converged: the last step gained less than 1e-12 a return.
    """

    parameters: GarchParameters
    log_likelihood: float
    next_variance: float
    iterations: int
    is_converged: bool


@kernel(types.void(READ_ROW, types.float64, types.float64, types.float64, types.float64, ROW))
def fill_likelihood(
    returns: Any, start: float, omega: float, alpha: float, beta: float, out: Any
) -> None:
    """Write L, its three slopes, the lower triangle of the information by rows, and the next variance.

    out (11,); slopes and information with regard to ω, α, β; start: h₀.
    """
    h = start
    h_omega = h_alpha = h_beta = 0.0
    total = s0 = s1 = s2 = i00 = i10 = i11 = i20 = i21 = i22 = 0.0
    for t in range(returns.shape[0]):
        square = returns[t] * returns[t]
        inverse = 1.0 / h
        ratio = square * inverse
        total += log(h) + ratio
        weight = 0.5 * (ratio - 1.0) * inverse
        s0 += weight * h_omega
        s1 += weight * h_alpha
        s2 += weight * h_beta
        curve = 0.5 * inverse * inverse
        i00 += curve * h_omega * h_omega
        i10 += curve * h_alpha * h_omega
        i11 += curve * h_alpha * h_alpha
        i20 += curve * h_beta * h_omega
        i21 += curve * h_beta * h_alpha
        i22 += curve * h_beta * h_beta
        h_omega = 1.0 + beta * h_omega
        h_alpha = square + beta * h_alpha
        h_beta = h + beta * h_beta
        h = omega + alpha * square + beta * h
    out[0] = -0.5 * (total + returns.shape[0] * LN_2PI)
    out[1], out[2], out[3] = s0, s1, s2
    out[4], out[5], out[6], out[7], out[8], out[9] = i00, i10, i11, i20, i21, i22
    out[10] = h


def garch_log_likelihood(returns: ArrayLike, parameters: GarchParameters) -> float:
    """Return L of the returns under given parameters, h₀ the mean of their squares.

    Errors: VOLA-E01 as for `fit_garch`.

    >>> r = [0.01, -0.02] * 50
    >>> round(garch_log_likelihood(r, GarchParameters(2.5e-5, 0.0, 0.9, 60_000_000)), 6)
    272.808629
    """
    row, start = _checked(returns)
    out = np.zeros(11)
    fill_likelihood(row, start, parameters.omega, parameters.alpha, parameters.beta, out)
    return float(out[0])


def fit_garch(returns: ArrayLike, bar_us: int) -> GarchFit:
    """Return the GARCH(1,1) that makes the returns most likely.

    returns: (n,) log returns of bars of `bar_us` that follow one another, at least 100, not all zero.
    Errors: VOLA-E01 for another shape, too few returns, or one that is not finite.

    >>> import numpy as np
    >>> noise = np.random.default_rng(1).standard_normal(4_000)
    >>> fit = fit_garch(0.01 * noise, 60_000_000)
    >>> round(fit.parameters.omega / (1 - fit.parameters.alpha - fit.parameters.beta), 5)
    0.0001
    """
    row, variance = _checked(returns)
    scale = math.sqrt(variance)
    scaled = np.ascontiguousarray(row / scale)
    at, best, out = _best_start(scaled)
    damping, iterations, is_converged = 1e-3, 0, False
    while iterations < ITERATIONS_MAX and damping < DAMPING_MAX and not is_converged:
        iterations += 1
        step = _damped_step(at, out, damping)
        tried = _held([value + change for value, change in zip(at, step, strict=True)])
        outcome = _evaluate(scaled, tried)
        gain = float(outcome[0]) - best
        if gain > 0.0:
            is_converged = gain < GAIN_MIN * len(scaled)
            at, best, out = tried, float(outcome[0]), outcome
            damping = max(1e-9, damping * 0.2)
        else:
            is_converged = damping > 1e6  # no step, however small, is uphill
            damping *= 8.0
    omega, alpha, beta = _parameters(at)
    return GarchFit(
        GarchParameters(omega * variance, alpha, beta, bar_us),
        best - len(scaled) * math.log(scale),
        float(out[10]) * variance,
        iterations,
        is_converged,
    )


def _checked(returns: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Return the returns as a row, and the mean of their squares."""
    row = np.ascontiguousarray(returns, dtype=np.float64)
    rule = f"a row of at least {RETURNS_MIN} finite returns of ordinary size, not all zero"
    variance = 0.0
    is_sound = row.ndim == 1 and len(row) >= RETURNS_MIN and bool(np.isfinite(row).all())
    if is_sound:
        for value in row.tolist():
            variance += value * value
        variance /= len(row)
        is_sound = 1e-60 < variance < 1e60
    if not is_sound:
        raise InputError(
            "VOLA-E01",
            f"GARCH cannot be fitted to returns of shape {row.shape}",
            rule=rule,
            cure="leave out what is missing and give more bars",
            mean_square=variance,
        )
    return row, variance


def _parameters(at: list[float]) -> tuple[float, float, float]:
    """Return ω, α, β of a place in the coordinates of the search."""
    persistence = PERSISTENCE_MAX / (1.0 + math.exp(-at[1]))
    share = 1.0 / (1.0 + math.exp(-at[2]))
    return math.exp(at[0]), persistence * share, persistence * (1.0 - share)


def _evaluate(returns: NDArray[np.float64], at: list[float]) -> NDArray[np.float64]:
    out = np.zeros(11)
    fill_likelihood(returns, 1.0, *_parameters(at), out)
    if not math.isfinite(out[0]):
        out[0] = -math.inf
    return out


def _held(at: list[float]) -> list[float]:
    """Return a place within the edges of the search, at which every float is ordinary."""
    return [max(-EDGE, min(EDGE, value)) for value in at]


def _best_start(returns: NDArray[np.float64]) -> tuple[list[float], float, NDArray[np.float64]]:
    best: tuple[list[float], float, NDArray[np.float64]] | None = None
    for persistence in PERSISTENCES:
        for share in SHARES:
            p = persistence / PERSISTENCE_MAX
            odds = math.log(p / (1.0 - p)), math.log(share / (1.0 - share))
            at = [math.log(1.0 - persistence), *odds]
            out = _evaluate(returns, at)
            if best is None or out[0] > best[1]:
                best = at, float(out[0]), out
    assert best is not None
    return best


def _damped_step(at: list[float], out: NDArray[np.float64], damping: float) -> list[float]:
    """Return the scoring step (I + λ·diag I)⁻¹·slope in the coordinates of the search."""
    omega, alpha, beta = _parameters(at)
    persistence = alpha + beta
    share = alpha / persistence
    bend = persistence * (1.0 - persistence / PERSISTENCE_MAX)
    turn = persistence * share * (1.0 - share)
    # rows: coordinates; columns: how ω, α, β change with them
    change = [[omega, 0.0, 0.0], [0.0, share * bend, (1.0 - share) * bend], [0.0, turn, -turn]]
    slope = [float(out[k]) for k in (1, 2, 3)]
    low = {(0, 0): 4, (1, 0): 5, (1, 1): 6, (2, 0): 7, (2, 1): 8, (2, 2): 9}
    information = [[float(out[low[max(a, b), min(a, b)]]) for b in range(3)] for a in range(3)]
    right = [sum(row[k] * slope[k] for k in range(3)) for row in change]
    square = [
        [
            sum(first[a] * information[a][b] * second[b] for a in range(3) for b in range(3))
            for second in change
        ]
        for first in change
    ]
    for k in range(3):
        square[k][k] += damping * square[k][k] + 1e-12
    return _solved(square, right)


def _solved(square: list[list[float]], right: list[float]) -> list[float]:
    """Return the solution of a positive definite system of three, by elimination."""
    rows = [[*row, value] for row, value in zip(square, right, strict=True)]
    for k in range(3):
        for below in range(k + 1, 3):
            factor = rows[below][k] / rows[k][k]
            rows[below] = [b - factor * a for a, b in zip(rows[k], rows[below], strict=True)]
    solution = [0.0, 0.0, 0.0]
    for k in (2, 1, 0):
        known = sum(rows[k][j] * solution[j] for j in range(k + 1, 3))
        solution[k] = (rows[k][3] - known) / rows[k][k]
    return solution
