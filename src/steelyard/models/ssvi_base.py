"""The base of a surface: one SSVI smile an expiry, jointly free of arbitrage by construction.

With θ the total variance at the money, ψ = θφ and q = ψρ a smile is (Gatheral and Jacquier 2014)

    w(k) = ½·(θ + q·k + √(ψ²k² + 2qθk + θ²)),      wings of slope (ψ − q)/2 and (ψ + q)/2.

A smile allows no butterfly if ψ + |q| < 4 and ψ·(ψ + |q|) ≤ 4θ. Of two smiles with their own ρ the later is
above the earlier everywhere if θ, ψ − q and ψ + q do not fall and ψ/θ does not rise (Hendriks and Martini
2019). In θ, L = ψ − q and R = ψ + q these are order relations: so the fits of all expiries, each made by
itself, are brought into order by isotonic regression (of ln θ, so that one wild level does not outweigh many
quiet ones), and then drawn towards the smile before as far as the
remaining conditions ask. No optimisation can fail here, whatever the quotes.

A smile with few quotes borrows ρ and the curvature in widths from the chain: two prior terms in its cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.models.isotonic import SIZE, VALUE, push
from steelyard.valuation.compiled import routine
from steelyard.valuation.elementary import exp, log
from steelyard.valuation.intrinsics import absolute, sqrt
from steelyard.valuation.smiles import COUNT, RHO, SIGMA, A, B, M

LOWEST, HIGHEST, WIDTH, PRECISION = range(4)
THETA, SKEW, CURVE = range(3)

STEPS = 12
DAMPING = 1e-3
ENOUGH = 1e-6
FAR = 2.5  # widths from which the quotes of a wing tell its slope
PRIOR_SKEW, PRIOR_CURVE = 0.15, 0.15  # spread of q/√θ and ψ/√θ over a chain
FIRST_CURVE = 1.2  # ψ/√θ where no quote of the chain tells
WING_MOST = 3.99  # of ψ + |q|
CURVE_SHARE = 0.98  # of the bound on ψ·(ψ + |q|)
STRAIGHT = 0.995  # most of |ρ|
LEVEL_LEAST = 1e-9
APART = 1e-4  # of θ, L and R between expiries
SHIFT = 40.0  # makes logarithms of θ positive


@routine
def ssvi(theta: float, q: float, psi: float, k: float) -> Any:
    """Return (w, its root)."""
    root = sqrt(psi * psi * (k * k) + 2.0 * q * theta * k + theta * theta)
    return 0.5 * (theta + q * k + root), root


@routine
def keep_sound(p: Any) -> None:
    """Bring (θ, q, ψ) into what allows no butterfly."""
    if not p[THETA] > LEVEL_LEAST:
        p[THETA] = LEVEL_LEAST
    if not p[CURVE] > 0.0:
        p[CURVE] = 1e-6
    most = STRAIGHT * p[CURVE]
    p[SKEW] = most if p[SKEW] > most else (-most if p[SKEW] < -most else p[SKEW])
    wing = p[CURVE] + absolute(p[SKEW])
    share = 1.0
    if wing > WING_MOST:
        share = WING_MOST / wing
    bound = 4.0 * CURVE_SHARE * p[THETA] / (p[CURVE] * wing)
    if bound < share * share:
        share = sqrt(bound)
    p[SKEW] *= share
    p[CURVE] *= share


@routine
def cost_of(p: Any, data: Any, first: int, last: int, prior: Any) -> Any:
    """Return the weighted squares of the quotes, and of the distance to the chain's shape."""
    total = 0.0
    for j in range(first, last):
        w, _ = ssvi(p[THETA], p[SKEW], p[CURVE], data[0, j])
        total += data[2, j] * ((w - data[1, j]) * (w - data[1, j]))
    width = sqrt(p[THETA])
    lean = (p[SKEW] / width - prior[0]) * prior[2]
    bend = (p[CURVE] / width - prior[1]) * prior[3]
    return total + lean * lean + bend * bend


@routine
def fit_ssvi(p: Any, data: Any, first: int, last: int, prior: Any, work: Any) -> None:
    """Improve p = (θ, q, ψ) by Levenberg-Marquardt steps. prior: q/√θ, ψ/√θ and their weights."""
    keep_sound(p)
    cost = cost_of(p, data, first, last, prior)
    damping = DAMPING
    trial = work[3]
    for _ in range(STEPS):
        h = work[:3]
        v = work[4]
        for a in range(3):
            v[a] = 0.0
            for b in range(3):
                h[a, b] = 0.0
        theta, q, psi = p[THETA], p[SKEW], p[CURVE]
        for j in range(first, last):
            k = data[0, j]
            w, root = ssvi(theta, q, psi, k)
            d0 = 0.5 + 0.5 * (q * k + theta) / root
            d1 = 0.5 * k + 0.5 * theta * k / root
            d2 = 0.5 * psi * (k * k) / root
            weight = data[2, j]
            miss = w - data[1, j]
            h[0, 0] += weight * d0 * d0
            h[1, 0] += weight * d1 * d0
            h[1, 1] += weight * d1 * d1
            h[2, 0] += weight * d2 * d0
            h[2, 1] += weight * d2 * d1
            h[2, 2] += weight * d2 * d2
            v[0] -= weight * d0 * miss
            v[1] -= weight * d1 * miss
            v[2] -= weight * d2 * miss
        width = sqrt(theta)
        for a in range(2):
            strength = prior[2 + a] * prior[2 + a] / theta
            h[1 + a, 1 + a] += strength
            v[1 + a] -= strength * (p[1 + a] - prior[a] * width)
        gain = 0.0
        for _again in range(12):
            solve_three(h, v, damping, trial)
            for a in range(3):
                trial[a] += p[a]
            keep_sound(trial)
            reached = cost_of(trial, data, first, last, prior)
            if reached <= cost:
                gain = cost - reached
                cost = reached
                for a in range(3):
                    p[a] = trial[a]
                damping *= 0.1
                break
            damping *= 8.0
        if not gain > ENOUGH * cost:
            break


@routine
def solve_three(h: Any, v: Any, damping: float, step: Any) -> None:
    """Write the step of (h + damping·diag h)·step = v for three unknowns; h is its lower triangle."""
    a = h[0, 0] * (1.0 + damping) + 1e-30
    d = h[1, 1] * (1.0 + damping) + 1e-30
    f = h[2, 2] * (1.0 + damping) + 1e-30
    b, c, e = h[1, 0], h[2, 0], h[2, 1]
    l1 = b / a
    l2 = c / a
    d1 = d - l1 * b
    d1 = d1 if d1 > 1e-12 * d else 1e-12 * d
    e1 = e - l1 * c
    l3 = e1 / d1
    f1 = f - l2 * c - l3 * e1
    f1 = f1 if f1 > 1e-12 * f else 1e-12 * f
    y1 = v[1] - l1 * v[0]
    y2 = v[2] - l2 * v[0] - l3 * y1
    step[2] = y2 / f1
    step[1] = y1 / d1 - l3 * step[2]
    step[0] = (v[0] - b * step[1] - c * step[2]) / a


@routine
def told(shape: Any, i: int, side: int) -> float:
    """Return how well the quotes of expiry i tell a wing, 0 to 1. side: 0 left, 1 right."""
    reach = -shape[i, LOWEST] if side == 0 else shape[i, HIGHEST]
    share = reach / (FAR * shape[i, WIDTH])
    share = 0.0 if share < 0.0 else (1.0 if share > 1.0 else share)
    return share * share


@routine
def median_of(values: Any, count: int) -> Any:
    """Return the lower median of the first `count` values, which it sorts."""
    for i in range(1, count):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    return values[(count - 1) // 2]


@routine
def chain_shape(p: Any, is_live: Any, shape: Any, prior: Any) -> None:
    """Write the median q/√θ and ψ/√θ of the expiries whose quotes tell both wings, of all if none does."""
    found = np.zeros((2, p.shape[0]))
    for least in (0.6, 0.2, 0.0):
        count = 0
        for i in range(p.shape[0]):
            if (is_live[i] > 0) & (min(told(shape, i, 0), told(shape, i, 1)) >= least):
                width = sqrt(p[i, THETA])
                found[0, count] = p[i, SKEW] / width
                found[1, count] = p[i, CURVE] / width
                count += 1
        if count > 0:
            prior[0] = median_of(found[0], count)
            prior[1] = median_of(found[1], count)
            return


@routine
def pool_column(values: Any, weights: Any, is_live: Any, work: Any) -> None:
    """Replace the values of the live expiries by their weighted isotonic regression, slightly apart."""
    blocks = 0
    for i in range(values.shape[0]):
        if is_live[i] == 0:
            continue
        blocks = push(work, blocks, values[i], weights[i])
    block = 0
    rank = 0
    for i in range(values.shape[0]):
        if is_live[i] == 0:
            continue
        size = int(work[SIZE, block])
        values[i] = work[VALUE, block] * (1.0 + APART * (rank - 0.5 * (size - 1)))
        rank += 1
        if rank == size:
            block += 1
            rank = 0


@routine
def order_smiles(p: Any, is_live: Any, shape: Any) -> None:
    """Bring the smiles (θ, q, ψ) of all expiries into an order that allows no calendar trade."""
    count = p.shape[0]
    work = np.zeros((3, count))
    weights = np.zeros(count)
    column = np.zeros(count)
    for i in range(count):
        weights[i] = shape[i, PRECISION] + 1e-12
        column[i] = log(p[i, THETA]) + SHIFT if is_live[i] > 0 else 0.0
    pool_column(column, weights, is_live, work)
    for i in range(count):
        column[i] = exp(column[i] - SHIFT)
    wings = np.zeros((2, count))
    for side in range(2):
        for i in range(count):
            if is_live[i] > 0:
                # In ratio to the change of θ, so that a smile keeps its shape in widths.
                scale = sqrt(column[i] / p[i, THETA])
                wings[side, i] = scale * (p[i, CURVE] + (p[i, SKEW] if side == 1 else -p[i, SKEW]))
                weights[i] = shape[i, PRECISION] * (told(shape, i, side) + 1e-3) + 1e-12
        pool_column(wings[side], weights, is_live, work)
    before = -1
    for i in range(count):
        if is_live[i] == 0:
            continue
        theta, left, right = column[i], wings[0, i], wings[1, i]
        base_left, base_right, flattest = 0.0, 0.0, np.inf
        if before >= 0:
            base_left = p[before, CURVE] - p[before, SKEW]
            base_right = p[before, CURVE] + p[before, SKEW]
            theta = max(theta, p[before, THETA] * (1.0 + APART))
            left = max(left, base_left * (1.0 + APART))
            right = max(right, base_right * (1.0 + APART))
            flattest = p[before, CURVE] / p[before, THETA]
        share = 1.0
        a = base_left
        b = base_right
        for turn in range(60):
            # The last turn takes the wings of the smile before, which meet every condition at a higher θ.
            share = share if turn < 59 else 0.0
            a = base_left + share * (left - base_left)
            b = base_right + share * (right - base_right)
            psi = 0.5 * (a + b)
            widest = max(a, b)
            is_bent = (psi * widest > 4.0 * CURVE_SHARE * theta) | (widest > WING_MOST)
            if (not is_bent) & (psi <= flattest * theta):
                break
            share *= 0.8
        p[i, THETA] = theta
        p[i, CURVE] = 0.5 * (a + b)
        p[i, SKEW] = 0.5 * (b - a)
        before = i


@routine
def write_smile(p: Any, i: int, smiles: Any) -> None:
    """Write (θ, q, ψ) as the raw SVI curve it is, without a correction."""
    theta, q, psi = p[i, THETA], p[i, SKEW], p[i, CURVE]
    rho = q / psi
    rest = sqrt(1.0 - rho * rho)
    phi = psi / theta
    smiles[i, A] = 0.5 * theta * (rest * rest)
    smiles[i, B] = 0.5 * psi
    smiles[i, RHO] = rho
    smiles[i, M] = -rho / phi
    smiles[i, SIGMA] = rest / phi
    smiles[i, COUNT] = 0.0


@routine
def fit_bases(is_live: Any, data: Any, offsets: Any, shape: Any, smiles: Any) -> None:
    """Fit the base of every live expiry, first by itself, then with the chain's shape as prior, then in order."""
    p = np.zeros((smiles.shape[0], 3))
    prior = np.zeros(4)
    work = np.zeros((5, 3))
    prior[0] = 0.0
    prior[1] = FIRST_CURVE
    for turn in range(2):
        for i in range(p.shape[0]):
            if is_live[i] > 0:
                prior[2] = 1.0 / (PRIOR_SKEW if turn == 1 else 4.0 * PRIOR_SKEW)
                prior[3] = 1.0 / (PRIOR_CURVE if turn == 1 else 4.0 * PRIOR_CURVE)
                if turn == 0:
                    theta = shape[i, WIDTH] * shape[i, WIDTH]
                    p[i, THETA] = theta
                    p[i, SKEW] = 0.0
                    p[i, CURVE] = FIRST_CURVE * shape[i, WIDTH]
                fit_ssvi(p[i], data, offsets[i], offsets[i + 1], prior, work)
        if turn == 0:
            chain_shape(p, is_live, shape, prior)
    order_smiles(p, is_live, shape)
    for i in range(p.shape[0]):
        if is_live[i] > 0:
            write_smile(p, i, smiles)
