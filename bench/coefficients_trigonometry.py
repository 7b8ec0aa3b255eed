"""Derive the coefficient tables of `steelyard.valuation.trigonometry` from their definitions.

Run `python -m bench.coefficients_trigonometry` to print every table as hexadecimal floats, the form
in which they stand in the source. A test compares the output with the source.

    sin(r) = r + r³·S(r²)                        |r| ≤ π/4
    cos(r) = 1 − r²/2 + r⁴·C(r²)                 |r| ≤ π/4
    atan(t) = t + t³·A(t²)                       |t| ≤ tan(π/8)

Each has the smallest largest relative error of the whole function (Remez exchange at 60 digits),
rounded to float64 coefficient by coefficient.
"""

from __future__ import annotations

import mpmath as mp

from bench.coefficients import DIGITS, Function, Real, chebyshev_grid, minimax

SINE_DEGREE = 5
COSINE_DEGREE = 5
ARCTANGENT_DEGREE = 10
SMALL = Real("1e-12")  # below this square a remainder is its leading terms


def sine_remainder(square: Real) -> Real:
    """Return (sin r − r) / r³ as a function of r²."""
    if square < SMALL:
        return -Real(1) / 6 + square / 120
    r = mp.sqrt(square)
    return (mp.sin(r) - r) / r**3


def cosine_remainder(square: Real) -> Real:
    """Return (cos r − 1 + r²/2) / r⁴ as a function of r²."""
    if square < SMALL:
        return Real(1) / 24 - square / 720
    return (mp.cos(mp.sqrt(square)) - 1 + square / 2) / square**2


def arctangent_remainder(square: Real) -> Real:
    """Return (atan t − t) / t³ as a function of t²."""
    if square < SMALL:
        return -Real(1) / 3 + square / 5
    t = mp.sqrt(square)
    return (mp.atan(t) - t) / t**3


def fit(
    remainder: Function, whole: Function, power: int, largest: Real, degree: int
) -> tuple[list[float], float]:
    """Return coefficients of the remainder; its error counts as much as it weighs in the whole.

    power: the remainder is multiplied by square^(power/2) relative to the whole function's scale.
    """

    def weight(square: Real) -> Real:
        share = abs(mp.sqrt(square) ** power * remainder(square) / whole(mp.sqrt(square)))
        return share + Real("1e-6")

    grid = chebyshev_grid(Real("1e-14"), largest)
    fitted, _, error = minimax(remainder, grid, weight, degree, 0)
    return [float(c) for c in fitted], float(error)


def tables() -> dict[str, tuple[list[float], float]]:
    """Return for each table its float64 coefficients (constant first) and its relative error."""
    with mp.workdps(DIGITS):
        eighth = (mp.pi / 4) ** 2 * Real("1.0001")
        narrow = mp.tan(mp.pi / 8) ** 2 * Real("1.0001")
        return {
            "SINE_COEFFICIENTS": fit(sine_remainder, mp.sin, 3, eighth, SINE_DEGREE),
            "COSINE_COEFFICIENTS": fit(cosine_remainder, mp.cos, 4, eighth, COSINE_DEGREE),
            "ARCTANGENT_COEFFICIENTS": fit(
                arctangent_remainder, mp.atan, 3, narrow, ARCTANGENT_DEGREE
            ),
        }


def half_pi_parts() -> tuple[float, float, float]:
    """Return π/2 as three floats: 33 bits, the next 33 bits, and the rest."""
    with mp.workdps(DIGITS):
        rest = mp.pi / 2
        parts = []
        for bits in (33, 33):
            scale = Real(2) ** (bits - 1 - int(mp.floor(mp.log(abs(rest), 2))))
            part = mp.nint(rest * scale) / scale
            parts.append(float(part))
            rest -= part
        return parts[0], parts[1], float(rest)


if __name__ == "__main__":
    for part in half_pi_parts():
        print(part.hex())
    for name, (coefficients, error) in tables().items():
        print(f"# largest relative error before rounding {error:.2e}\n{name}")
        print("\n".join(f"    {c.hex()}" for c in coefficients))
