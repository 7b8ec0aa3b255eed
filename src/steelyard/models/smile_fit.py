"""One smile through weighted total variances, held free of arbitrage: the fit of a surface's slice.

Parameters: a, L, R, m, ln σ of the base curve (`svi_seed` has the form) and the coefficients c of the
correction (`valuation.smiles`). The cost is a sum of squares:

    Σ q_i·(w(k_i) − w_i)²                            the quotes, q = 1/uncertainty²
  + ridge·Σ c_j²                                     the correction is no larger than it must be
  + grip·(L − left)² + grip·(R − right)²             wings follow the chain's where no quote tells
  + force·Σ max(0, margin − g(k))²                   no butterfly: Durrleman's g stays positive
  + force·Σ max(0, low(k) − w(k), w(k) − high(k))²/w²    no calendar arbitrage with the neighbours

where the last two sums run over the few points at which an earlier fit broke a rule (`limits`).
Levenberg-Marquardt steps with exact derivatives. The hinges are soft, so a certificate is not theirs to
give: `arbitrage` checks the result on a dense grid and mends what is left.
"""

from __future__ import annotations

from typing import Any

from steelyard.models.svi_seed import boxed
from steelyard.valuation.compiled import routine
from steelyard.valuation.elementary import exp, log
from steelyard.valuation.intrinsics import sqrt
from steelyard.valuation.smiles import (
    FIRST_COEFFICIENT,
    INVERSE_STEP,
    RHO,
    SIGMA,
    A,
    B,
    M,
    correction_cell,
    smile_slopes,
)

BASE = 5
PARAMETERS_MAX = 45
STEPS_MAX = 30
DAMPING_START = 1e-3
DAMPING_MAX = 1e8
SIXTH = 1.0 / 6.0


@routine
def write_row(p: Any, n: int, smiles: Any, i: int) -> None:
    """Write parameters (a, L, R, m, ln σ, c…) into a smile's row."""
    b = 0.5 * (p[1] + p[2])
    smiles[i, A] = p[0]
    smiles[i, B] = b
    smiles[i, RHO] = 0.5 * (p[2] - p[1]) / b if b > 0.0 else 0.0
    smiles[i, M] = p[3]
    smiles[i, SIGMA] = exp(p[4])
    for j in range(n):
        smiles[i, FIRST_COEFFICIENT + j] = p[BASE + j]


@routine
def read_row(smiles: Any, i: int, n: int, p: Any) -> None:
    """Read a smile's row into parameters (a, L, R, m, ln σ, c…)."""
    b = smiles[i, B]
    p[0] = smiles[i, A]
    p[1] = b * (1.0 - smiles[i, RHO])
    p[2] = b * (1.0 + smiles[i, RHO])
    p[3] = smiles[i, M]
    p[4] = log(smiles[i, SIGMA])
    for j in range(n):
        p[BASE + j] = smiles[i, FIRST_COEFFICIENT + j]


@routine
def slope_rows(smiles: Any, i: int, k: float, rows: Any) -> Any:
    """Write ∂(w, w', w'')/∂p into rows (3 × 9) and return the spline cell (−1: no correction here).

    Columns 0–4 are the base's parameters, 5–8 the coefficients cell − 3 … cell.
    """
    sigma = smiles[i, SIGMA]
    x = k - smiles[i, M]
    square = sigma * sigma
    r = sqrt(x * x + square)
    inverse = 1.0 / r
    tilt = x * inverse
    b = smiles[i, B]
    cube = square * inverse * inverse * inverse
    rows[0, 0] = 1.0
    rows[1, 0] = 0.0
    rows[2, 0] = 0.0
    rows[0, 1] = 0.5 * (r - x)
    rows[1, 1] = 0.5 * (tilt - 1.0)
    rows[2, 1] = 0.5 * cube
    rows[0, 2] = 0.5 * (r + x)
    rows[1, 2] = 0.5 * (tilt + 1.0)
    rows[2, 2] = 0.5 * cube
    rows[0, 3] = -b * (smiles[i, RHO] + tilt)
    rows[1, 3] = -b * cube
    rows[2, 3] = 3.0 * b * cube * tilt * inverse
    rows[0, 4] = b * square * inverse
    rows[1, 4] = -b * x * cube
    rows[2, 4] = b * cube * (2.0 - 3.0 * square * inverse * inverse)
    cell, t = correction_cell(smiles, i, k)
    u = 1.0 - t
    scale = smiles[i, INVERSE_STEP]
    rows[0, 5] = u * u * u * SIXTH
    rows[0, 6] = ((3.0 * t - 6.0) * (t * t) + 4.0) * SIXTH
    rows[0, 7] = ((3.0 * u - 6.0) * (u * u) + 4.0) * SIXTH
    rows[0, 8] = t * t * t * SIXTH
    rows[1, 5] = -0.5 * scale * (u * u)
    rows[1, 6] = 0.5 * scale * ((3.0 * t - 4.0) * t)
    rows[1, 7] = -0.5 * scale * ((3.0 * u - 4.0) * u)
    rows[1, 8] = 0.5 * scale * (t * t)
    rows[2, 5] = scale * scale * u
    rows[2, 6] = scale * scale * (3.0 * t - 2.0)
    rows[2, 7] = scale * scale * (3.0 * u - 2.0)
    rows[2, 8] = scale * scale * t
    return cell


@routine
def add_row(row: Any, cell: int, n: int, residual: float, weight: float, h: Any, v: Any) -> None:
    """Add weight·(residual + row·δ)² to the normal equations: h (lower triangle), v = −gradient/2."""
    for a in range(9):
        i = a if a < BASE else (cell - 3 + (a - BASE) + BASE)
        if (a >= BASE) & ((cell < 0) | (i < BASE) | (i >= BASE + n)):
            continue
        scaled = weight * row[a]
        v[i] -= scaled * residual
        for b in range(a + 1):
            j = b if b < BASE else (cell - 3 + (b - BASE) + BASE)
            if (b >= BASE) & ((j < BASE) | (j >= BASE + n)):
                continue
            h[i, j] += scaled * row[b]


@routine
def shape_of(k: float, w: float, first: float, second: float) -> Any:
    """Return (g, ∂g/∂w, ∂g/∂w'); ∂g/∂w'' is ½. Where w is not above zero, a slope that raises it."""
    if w <= 0.0:
        return -1.0 + w, 1.0, 0.0
    inverse = 1.0 / w
    lean = 1.0 - 0.5 * k * first * inverse
    curl = first * inverse
    g = lean * lean - 0.25 * (first * first) * (inverse + 0.25) + 0.5 * second
    by_w = lean * k * curl * inverse + 0.25 * curl * curl
    by_first = -lean * k * inverse - 0.5 * first * (inverse + 0.25)
    return g, by_w, by_first


@routine
def cost_of(
    smiles: Any,
    i: int,
    n: int,
    data: Any,
    first: int,
    last: int,
    limits: Any,
    points: int,
    tuning: Any,
) -> Any:
    """Return the cost of the smile in row i."""
    margin, force, ridge, left, right, grip_left, grip_right = tuning
    b = smiles[i, B]
    stray_left = b * (1.0 - smiles[i, RHO]) - left
    stray_right = b * (1.0 + smiles[i, RHO]) - right
    cost = grip_left * (stray_left * stray_left) + grip_right * (stray_right * stray_right)
    for j in range(first, last):
        value, _, _ = smile_slopes(smiles, i, data[0, j])
        cost += data[2, j] * ((value - data[1, j]) * (value - data[1, j]))
    f = FIRST_COEFFICIENT
    for j in range(n):
        c = smiles[i, f + j]
        cost += ridge * (c * c)
    if points > 0:
        for j in range(points):
            value, slope, second = smile_slopes(smiles, i, limits[0, j])
            g, _, _ = shape_of(limits[0, j], value, slope, second)
            short = margin - g if g < margin else 0.0
            beside = (
                limits[1, j] - value
                if value < limits[1, j]
                else (value - limits[2, j] if value > limits[2, j] else 0.0)
            )
            beside /= limits[1, j] if limits[1, j] > 1e-7 else 1e-7
            cost += force * (short * short + 100.0 * (beside * beside))
    return cost


@routine
def fill_normal(
    smiles: Any,
    i: int,
    n: int,
    data: Any,
    first: int,
    last: int,
    limits: Any,
    points: int,
    tuning: Any,
    rows: Any,
    h: Any,
    v: Any,
) -> None:
    """Write the normal equations of the Gauss-Newton step at the smile in row i."""
    margin, force, ridge, left, right, grip_left, grip_right = tuning
    size = BASE + n
    for a in range(size):
        v[a] = 0.0
        for c in range(size):
            h[a, c] = 0.0
    b = smiles[i, B]
    h[1, 1] = grip_left
    h[2, 2] = grip_right
    v[1] = -grip_left * (b * (1.0 - smiles[i, RHO]) - left)
    v[2] = -grip_right * (b * (1.0 + smiles[i, RHO]) - right)
    for j in range(first, last):
        value, _, _ = smile_slopes(smiles, i, data[0, j])
        cell = slope_rows(smiles, i, data[0, j], rows)
        add_row(rows[0], cell, n, value - data[1, j], data[2, j], h, v)
    f = FIRST_COEFFICIENT
    for j in range(n):
        a = BASE + j
        h[a, a] += ridge
        v[a] -= ridge * smiles[i, f + j]
    if points > 0:
        for j in range(points):
            value, slope, second = smile_slopes(smiles, i, limits[0, j])
            g, by_w, by_first = shape_of(limits[0, j], value, slope, second)
            is_beside = (value < limits[1, j]) | (value > limits[2, j])
            if (g < margin) | is_beside:
                cell = slope_rows(smiles, i, limits[0, j], rows)
                if is_beside:
                    edge = limits[1, j] if value < limits[1, j] else limits[2, j]
                    scale = 1.0 / (limits[1, j] if limits[1, j] > 1e-7 else 1e-7)
                    add_row(rows[0], cell, n, value - edge, 100.0 * force * scale * scale, h, v)
                if g < margin:
                    for a in range(9):
                        rows[0, a] = (
                            by_w * rows[0, a]
                            + by_first * rows[1, a]
                            + (0.5 * rows[2, a] if value > 0.0 else 0.0)
                        )
                    add_row(rows[0], cell, n, g - margin, force, h, v)


@routine
def solve(h: Any, v: Any, damping: float, size: int, factor: Any, step: Any) -> bool:
    """Write the step that solves (h + damping·diag h)·step = v by Cholesky; False if not definite."""
    for a in range(size):
        for b in range(a + 1):
            total = h[a, b]
            if a == b:
                total += damping * h[a, a] + 1e-30
            for c in range(b):
                total -= factor[a, c] * factor[b, c]
            if a == b:
                if not total > 0.0:
                    return False
                factor[a, a] = sqrt(total)
            else:
                factor[a, b] = total / factor[b, b]
    for a in range(size):
        total = v[a]
        for b in range(a):
            total -= factor[a, b] * step[b]
        step[a] = total / factor[a, a]
    for reverse in range(size):
        a = size - 1 - reverse
        total = step[a]
        for b in range(a + 1, size):
            total -= factor[b, a] * step[b]
        step[a] = total / factor[a, a]
    return True


@routine
def freeze(p: Any, bounds: Any, h: Any, v: Any, size: int) -> None:
    """Take parameters out of the step that stand at a bound and are pushed against it."""
    for a in range(BASE):
        is_low = (p[a] <= bounds[a, 0]) & (v[a] <= 0.0)
        is_high = (p[a] >= bounds[a, 1]) & (v[a] >= 0.0)
        if is_low | is_high:
            diagonal = h[a, a]
            for b in range(size):
                if b < a:
                    h[a, b] = 0.0
                elif b > a:
                    h[b, a] = 0.0
            h[a, a] = diagonal if diagonal > 0.0 else 1.0
            v[a] = 0.0


@routine
def minimise(
    smiles: Any,
    i: int,
    n: int,
    data: Any,
    first: int,
    last: int,
    limits: Any,
    points: int,
    tuning: Any,
    bounds: Any,
    steps_max: int,
    enough: float,
    scratch: Any,
) -> Any:
    """Improve the smile in row i until a step gains less than `enough`; return (cost, steps)."""
    rows, h, factor, vectors = scratch
    size = BASE + n
    v = vectors[0]
    step = vectors[1]
    p = vectors[2]
    trial = vectors[3]
    read_row(smiles, i, n, p)
    for a in range(BASE):
        p[a] = boxed(p[a], bounds[a, 0], bounds[a, 1])
    write_row(p, n, smiles, i)
    cost = cost_of(smiles, i, n, data, first, last, limits, points, tuning)
    damping = DAMPING_START
    taken = 0
    while taken < steps_max:
        taken += 1
        fill_normal(smiles, i, n, data, first, last, limits, points, tuning, rows, h, v)
        freeze(p, bounds, h, v, size)
        gain = 0.0
        while damping < DAMPING_MAX:
            if solve(h, v, damping, size, factor, step):
                for a in range(size):
                    moved = p[a] + step[a]
                    trial[a] = boxed(moved, bounds[a, 0], bounds[a, 1]) if a < BASE else moved
                write_row(trial, n, smiles, i)
                reached = cost_of(smiles, i, n, data, first, last, limits, points, tuning)
                if reached <= cost:
                    gain = cost - reached
                    cost = reached
                    for a in range(size):
                        p[a] = trial[a]
                    damping *= 0.1
                    break
            damping *= 8.0
        write_row(p, n, smiles, i)
        if not gain > enough * cost:
            break
    return cost, taken
