"""Derive the coefficient tables of `steelyard.valuation.elementary` from their definitions.

Run `python bench/coefficients.py` to print every table as hexadecimal floats, the form in which
they stand in the source. Needs mpmath only. A test compares the output with the source, so a
table can be changed here and nowhere else.

Three functions are approximated, each with the smallest largest relative error (Remez exchange)
at 60 digits, then rounded to float64 coefficient by coefficient:

    exp(r) = 1 + r + r²·E(r)                     |r| ≤ ln 2 / 2
    2·atanh(z/2) = z + z³·L(z²)                  |z| ≤ 0.4008
    N(−z) / (φ(z)·√(2π)) = P(z) / Q(z)           0 ≤ z ≤ 64

`L` gives the logarithm of a ratio a/b with z = (a − b) / ((a + b)/2). P/Q is the Mills ratio; all
its coefficients are positive, so evaluating it for z ≥ 0 loses nothing by cancellation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath as mp

DIGITS = 60
GRID_POINTS = 600
EXCHANGES_MAX = 60
EXP_DEGREE = 9
LOG_DEGREE = 6
MILLS_NUMERATOR_DEGREE = 10
MILLS_DENOMINATOR_DEGREE = 11
MILLS_LARGEST_Z = 64
MILLS_MIDDLE_Z = 4  # the grid is even in (z − 4)/(z + 4), which spreads it over the whole range

Real = mp.mpf
Function = Callable[[Real], Real]


def exp_remainder(r: Real) -> Real:
    """Return (exp(r) − 1 − r) / r²."""
    if abs(r) < Real("1e-8"):
        return mp.nsum(lambda k: r**k / mp.factorial(k + 2), [0, 8])
    return (mp.expm1(r) - r) / r**2


def log_remainder(w: Real) -> Real:
    """Return (2·atanh(√w / 2) − √w) / √w³ as a function of w = z²."""
    if w < Real("1e-9"):
        return mp.nsum(lambda k: w**k / (4 ** (k + 1) * (2 * k + 3)), [0, 8])
    z = mp.sqrt(w)
    return (2 * mp.atanh(z / 2) - z) / z**3


def mills_ratio(z: Real) -> Real:
    """Return N(−z) / (φ(z)·√(2π)) = exp(z²/2)·erfc(z/√2) / 2."""
    return mp.exp(z * z / 2) * mp.erfc(z / mp.sqrt(2)) / 2


def evaluate(coefficients: Sequence[Real], x: Real) -> Real:
    """Return Σ coefficients[k]·x^k."""
    value = Real(0)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def alternation(errors: Sequence[Real]) -> list[int]:
    """Return the grid point of the largest error in each run of one sign."""
    points, start = [], 0
    for i in range(1, len(errors) + 1):
        if i == len(errors) or errors[i] * errors[i - 1] < 0:
            points.append(max(range(start, i), key=lambda k: abs(errors[k])))
            start = i
    return points


def minimax(
    function: Function, grid: Sequence[Real], weight: Function, top: int, bottom: int
) -> tuple[list[Real], list[Real], Real]:
    """Return numerator, denominator (constant term 1) and the largest weighted error.

    One step solves P(z) − f·(Q(z) + (±E)·Q_before(z)/weight) = 0 at top + bottom + 2 points, which is
    linear in the coefficients and in the level E; the points then move to the extrema.
    """
    count = top + bottom + 2
    values = [function(z) for z in grid]
    weights = [weight(z) for z in grid]
    # Start: the extrema of the Chebyshev polynomial on the grid.
    points = [round((len(grid) - 1) * k / (count - 1)) for k in range(count)]
    denominator = [Real(1)] + [Real(0)] * bottom
    before: list[float] = []
    for _ in range(EXCHANGES_MAX):
        system, right = mp.matrix(count, count), mp.matrix(count, 1)
        for row, k in enumerate(points):
            z, f = grid[k], values[k]
            for j in range(top + 1):
                system[row, j] = z**j
            for j in range(1, bottom + 1):
                system[row, top + j] = -f * z**j
            system[row, count - 1] = (-1) ** row * f * evaluate(denominator, z) / weights[k]
            right[row] = f
        solution = list(mp.lu_solve(system, right))
        numerator = solution[: top + 1]
        denominator = [Real(1), *solution[top + 1 : count - 1]]
        errors = [
            (evaluate(numerator, z) / (evaluate(denominator, z) * f) - 1) * w
            for z, f, w in zip(grid, values, weights, strict=True)
        ]
        found = alternation(errors)
        rounded = [float(c) for c in solution]
        if rounded == before and found == points:
            break
        before = rounded
        if len(found) == count:
            points = found
    return numerator, denominator, max(abs(e) for e in errors)


def chebyshev_grid(low: Real, high: Real) -> list[Real]:
    """Return points from low to high that crowd towards both ends, in rising order."""
    return [
        low + (high - low) * (1 - mp.cos(mp.pi * k / GRID_POINTS)) / 2
        for k in range(GRID_POINTS + 1)
    ]


def mills_grid() -> list[Real]:
    """Return the grid of the Mills ratio: even in y = (z − c)/(z + c)."""
    c, top = Real(MILLS_MIDDLE_Z), Real(MILLS_LARGEST_Z)
    inside = chebyshev_grid(Real(-1), (top - c) / (top + c))
    return [c * (1 + y) / (1 - y) for y in inside]


def tables() -> dict[str, tuple[list[float], float]]:
    """Return for each table its float64 coefficients (constant first) and its relative error.

    The error is that of the whole function (exp, log, Mills ratio), before rounding.
    """
    with mp.workdps(DIGITS):
        half = mp.log(2) / 2
        largest = Real("0.4008") ** 2
        # The remainders count only as much as they weigh in the whole function.
        exp_fit, _, exp_error = minimax(
            exp_remainder,
            chebyshev_grid(-half, half),
            lambda r: r**2 * exp_remainder(r) / mp.exp(r) + Real("1e-6"),
            EXP_DEGREE,
            0,
        )
        log_fit, _, log_error = minimax(
            log_remainder,
            chebyshev_grid(Real(0), largest),
            lambda w: w * log_remainder(w) / (1 + w * log_remainder(w)) + Real("1e-6"),
            LOG_DEGREE,
            0,
        )
        top, bottom, mills_error = minimax(
            mills_ratio,
            mills_grid(),
            lambda _: Real(1),
            MILLS_NUMERATOR_DEGREE,
            MILLS_DENOMINATOR_DEGREE,
        )
        return {
            "EXP_COEFFICIENTS": ([float(c) for c in exp_fit], float(exp_error)),
            "LOG_COEFFICIENTS": ([float(c) for c in log_fit], float(log_error)),
            "MILLS_NUMERATOR": ([float(c) for c in top], float(mills_error)),
            "MILLS_DENOMINATOR": ([float(c) for c in bottom], float(mills_error)),
        }


def constants() -> dict[str, float]:
    """Return the single constants: ln 2 in two parts, log2 e, 1/√(2π).

    LN2_HIGH keeps 32 bits, so k·LN2_HIGH is exact for every exponent k of a float64.
    """
    with mp.workdps(DIGITS):
        high = mp.floor(mp.log(2) * 2**32) / 2**32
        return {
            "LOG2_E": float(1 / mp.log(2)),
            "LN2_HIGH": float(high),
            "LN2_LOW": float(mp.log(2) - high),
            "INVERSE_ROOT_TWO_PI": float(1 / mp.sqrt(2 * mp.pi)),
        }


def main() -> None:
    """Print the tables as Python source."""
    for name, value in constants().items():
        print(f'{name} = float.fromhex("{value.hex()}")')
    for name, (coefficients, error) in tables().items():
        print(f"# largest relative error before rounding {error:.2e}")
        print(f"{name} = tuple(")
        print("    float.fromhex(text)")
        print('    for text in """')
        for coefficient in coefficients:
            print(f"    {coefficient.hex()}")
        print('    """.split()')
        print(")")


if __name__ == "__main__":
    main()
