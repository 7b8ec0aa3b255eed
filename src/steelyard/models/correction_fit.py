"""The correction of one smile: a spline on top of its base, through the quotes and free of arbitrage.

The cost is a sum of squares in the coefficients c:

    Σ q_i·(w(k_i) − w_i)²                            the quotes, q = 1/uncertainty²
  + ridge·Σ c_j² + bend·Σ (c_{j−1} − 2c_j + c_{j+1})²    small, and smooth
  + force·Σ max(0, margin − g(k))²                   no butterfly: Durrleman's g stays positive
  + force·Σ max(0, low(k) − w(k), w(k) − high(k))²/w²    no calendar trade with the neighbours

where the last two sums run over the few places at which an earlier fit broke a rule (`limits`). The base
stays as it is, so the first two are quadratic and one step finds their minimum; the places held make a few
Levenberg-Marquardt steps of it. Each row of the normal equations touches four neighbouring coefficients:
the matrix is a band, and so is its Cholesky factor.
"""

from __future__ import annotations

from typing import Any

from steelyard.valuation.compiled import routine
from steelyard.valuation.intrinsics import sqrt
from steelyard.valuation.smiles import (
    COUNT,
    FIRST_COEFFICIENT,
    INVERSE_STEP,
    correction_cell,
    smile_slopes,
)

BANDWIDTH = 3
DAMPING_START = 1e-6
DAMPING_MAX = 1e6
BESIDE = 100.0  # force of a calendar limit over that of g
VARIANCE_LEAST = 1e-7
SIXTH = 1.0 / 6.0

# Places in `tuning`.
MARGIN, FORCE, RIDGE, BEND = range(4)


@routine
def basis(smiles: Any, i: int, k: float, order: int, row: Any) -> Any:
    """Write the four B-splines at k, or a derivative of them, and return the cell (−1: outside)."""
    cell, t = correction_cell(smiles, i, k)
    u = 1.0 - t
    scale = smiles[i, INVERSE_STEP]
    if order == 0:
        row[0] = u * u * u * SIXTH
        row[1] = ((3.0 * t - 6.0) * (t * t) + 4.0) * SIXTH
        row[2] = ((3.0 * u - 6.0) * (u * u) + 4.0) * SIXTH
        row[3] = t * t * t * SIXTH
    elif order == 1:
        row[0] = -0.5 * scale * (u * u)
        row[1] = 0.5 * scale * ((3.0 * t - 4.0) * t)
        row[2] = -0.5 * scale * ((3.0 * u - 4.0) * u)
        row[3] = 0.5 * scale * (t * t)
    else:
        row[0] = scale * scale * u
        row[1] = scale * scale * (3.0 * t - 2.0)
        row[2] = scale * scale * (3.0 * u - 2.0)
        row[3] = scale * scale * t
    return cell


@routine
def add_row(row: Any, cell: int, n: int, residual: float, weight: float, h: Any, v: Any) -> None:
    """Add weight·(residual + row·δ)² to the normal equations: band h[i, i − j], v = −gradient/2."""
    for a in range(4):
        i = cell - 3 + a
        if (i < 0) | (i >= n):
            continue
        scaled = weight * row[a]
        v[i] -= scaled * residual
        for b in range(a + 1):
            j = cell - 3 + b
            if j >= 0:
                h[i, i - j] += scaled * row[b]


@routine
def shape_of(k: float, w: float, first: float, second: float) -> Any:
    """Return (g, ∂g/∂w, ∂g/∂w', ∂g/∂w''); where w is not above zero, a slope that raises it."""
    if w <= 0.0:
        return -1.0 + w, 1.0, 0.0, 0.0
    inverse = 1.0 / w
    lean = 1.0 - 0.5 * k * first * inverse
    curl = first * inverse
    g = lean * lean - 0.25 * (first * first) * (inverse + 0.25) + 0.5 * second
    by_w = lean * k * curl * inverse + 0.25 * curl * curl
    by_first = -lean * k * inverse - 0.5 * first * (inverse + 0.25)
    return g, by_w, by_first, 0.5


@routine
def cost_of(
    smiles: Any, i: int, data: Any, first: int, last: int, limits: Any, points: int, tuning: Any
) -> Any:
    """Return the cost of the smile in row i."""
    cost = 0.0
    for j in range(first, last):
        value, _, _ = smile_slopes(smiles, i, data[0, j])
        cost += data[2, j] * ((value - data[1, j]) * (value - data[1, j]))
    n = int(smiles[i, COUNT])
    f = FIRST_COEFFICIENT
    for j in range(n):
        c = smiles[i, f + j]
        before = smiles[i, f + j - 1] if j > 0 else 0.0
        after = smiles[i, f + j + 1] if j < n - 1 else 0.0
        turn = before - 2.0 * c + after
        cost += tuning[RIDGE] * (c * c) + tuning[BEND] * (turn * turn)
    for j in range(points):
        k, low, high = limits[0, j], limits[1, j], limits[2, j]
        value, slope, second = smile_slopes(smiles, i, k)
        g, _, _, _ = shape_of(k, value, slope, second)
        short = tuning[MARGIN] - g if g < tuning[MARGIN] else 0.0
        beside = low - value if value < low else (value - high if value > high else 0.0)
        beside /= low if low > VARIANCE_LEAST else VARIANCE_LEAST
        cost += tuning[FORCE] * (short * short + BESIDE * (beside * beside))
    return cost


@routine
def fill_normal(
    smiles: Any, i: int, data: Any, first: int, last: int, limits: Any, points: int, tuning: Any,
    rows: Any, h: Any, v: Any,
) -> None:  # fmt: skip
    """Write the normal equations of the Gauss-Newton step at the smile in row i."""
    n = int(smiles[i, COUNT])
    for a in range(n):
        v[a] = 0.0
        for b in range(BANDWIDTH + 1):
            h[a, b] = 0.0
    for j in range(first, last):
        value, _, _ = smile_slopes(smiles, i, data[0, j])
        cell = basis(smiles, i, data[0, j], 0, rows[0])
        if cell >= 0:
            add_row(rows[0], cell, n, value - data[1, j], data[2, j], h, v)
    f = FIRST_COEFFICIENT
    bend = tuning[BEND]
    for a in range(n):
        c = smiles[i, f + a]
        before = smiles[i, f + a - 1] if a > 0 else 0.0
        after = smiles[i, f + a + 1] if a < n - 1 else 0.0
        turn = before - 2.0 * c + after
        h[a, 0] += tuning[RIDGE] + 4.0 * bend
        v[a] += 2.0 * bend * turn - tuning[RIDGE] * c
        if a > 0:
            v[a - 1] -= bend * turn
            h[a - 1, 0] += bend
            h[a, 1] -= 2.0 * bend
        if a < n - 1:
            v[a + 1] -= bend * turn
            h[a + 1, 0] += bend
            h[a + 1, 1] -= 2.0 * bend
            if a > 0:
                h[a + 1, 2] += bend
    for j in range(points):
        k, low, high = limits[0, j], limits[1, j], limits[2, j]
        value, slope, second = smile_slopes(smiles, i, k)
        g, by_w, by_first, by_second = shape_of(k, value, slope, second)
        cell = basis(smiles, i, k, 0, rows[0])
        if cell < 0:
            continue
        if (value < low) | (value > high):
            edge = low if value < low else high
            scale = 1.0 / (low if low > VARIANCE_LEAST else VARIANCE_LEAST)
            weight = BESIDE * tuning[FORCE] * scale * scale
            add_row(rows[0], cell, n, value - edge, weight, h, v)
        if g < tuning[MARGIN]:
            basis(smiles, i, k, 1, rows[1])
            basis(smiles, i, k, 2, rows[2])
            for a in range(4):
                rows[0, a] = by_w * rows[0, a] + by_first * rows[1, a] + by_second * rows[2, a]
            add_row(rows[0], cell, n, g - tuning[MARGIN], tuning[FORCE], h, v)


@routine
def solve_band(h: Any, v: Any, damping: float, n: int, factor: Any, step: Any) -> bool:
    """Write the step that solves (h + damping·diag h)·step = v; False if that is not definite."""
    for a in range(n):
        low = a - BANDWIDTH if a > BANDWIDTH else 0
        for b in range(low, a + 1):
            total = h[a, a - b]
            if a == b:
                total += damping * h[a, 0] + 1e-30
            for c in range(low, b):
                if b - c <= BANDWIDTH:
                    total -= factor[a, a - c] * factor[b, b - c]
            if a == b:
                if not total > 0.0:
                    return False
                factor[a, 0] = sqrt(total)
            else:
                factor[a, a - b] = total / factor[b, 0]
    for a in range(n):
        total = v[a]
        for b in range(a - BANDWIDTH if a > BANDWIDTH else 0, a):
            total -= factor[a, a - b] * step[b]
        step[a] = total / factor[a, 0]
    for reverse in range(n):
        a = n - 1 - reverse
        total = step[a]
        for b in range(a + 1, min(a + BANDWIDTH + 1, n)):
            total -= factor[b, b - a] * step[b]
        step[a] = total / factor[a, 0]
    return True


@routine
def minimise(
    smiles: Any, i: int, data: Any, first: int, last: int, limits: Any, points: int, tuning: Any,
    steps_max: int, enough: float, scratch: Any,
) -> Any:  # fmt: skip
    """Improve the correction of row i until a step gains less than `enough` of the cost; return it."""
    rows, h, factor, vectors = scratch
    n = int(smiles[i, COUNT])
    f = FIRST_COEFFICIENT
    v = vectors[0]
    step = vectors[1]
    kept = vectors[2]
    cost = cost_of(smiles, i, data, first, last, limits, points, tuning)
    damping = DAMPING_START
    for _ in range(steps_max):
        fill_normal(smiles, i, data, first, last, limits, points, tuning, rows, h, v)
        for a in range(n):
            kept[a] = smiles[i, f + a]
        gain = 0.0
        while damping < DAMPING_MAX:
            if solve_band(h, v, damping, n, factor, step):
                for a in range(n):
                    smiles[i, f + a] = kept[a] + step[a]
                reached = cost_of(smiles, i, data, first, last, limits, points, tuning)
                if reached <= cost:
                    gain = cost - reached
                    cost = reached
                    damping *= 0.1
                    break
                for a in range(n):
                    smiles[i, f + a] = kept[a]
            damping = 10.0 * damping if damping > 1e-4 else 1e-3
        if not gain > enough * cost:
            break
    return cost
