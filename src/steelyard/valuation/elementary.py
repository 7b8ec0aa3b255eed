"""Exponential, logarithm, power and Mills ratio in a fixed order of exactly rounded steps.

The C library's functions differ between versions and between scalar and vector code; these do
not. Every step is an IEEE 754 operation or an explicit fused multiply-add, so the value is the
same bits on every machine, in a vector lane and in a scalar remainder. `elementary_twin` spells
the same steps out for a reader, in exact arithmetic.

Accuracy against 40-digit values (tests/valuation/test_elementary.py), in units in the last
place: `exp` and `exp_core` 1, `log_ratio` and `log` 2, `mills` 4. `power(x, y)` inherits
2·|y·ln x| + 1.

The tables come from `bench/coefficients.py`.
"""

from __future__ import annotations

import numpy as np

from steelyard.valuation.compiled import inline
from steelyard.valuation.intrinsics import (
    bits_float,
    float_bits,
    fma,
    polynomial,
    shift_left,
    shift_right,
)

LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
INVERSE_ROOT_TWO_PI = float.fromhex("0x1.9884533d43651p-2")
# largest relative error before rounding 3.62e-18
EXP_COEFFICIENTS = tuple(
    float.fromhex(text)
    for text in """
    0x1.000000000000ap-1
    0x1.55555555554fap-3
    0x1.555555555088ep-5
    0x1.1111111127b99p-7
    0x1.6c16c1842607dp-10
    0x1.a01a012a6957cp-13
    0x1.a0199a17d3761p-16
    0x1.71df253c97c30p-19
    0x1.28ad67dbc2502p-22
    0x1.ad7f75b26b1c7p-26
    """.split()
)
# largest relative error before rounding 1.53e-17
LOG_COEFFICIENTS = tuple(
    float.fromhex(text)
    for text in """
    0x1.5555555555782p-4
    0x1.99999998ed6c5p-7
    0x1.249249b489fe2p-9
    0x1.c71bffd37dbcdp-12
    0x1.747523dc0864ap-14
    0x1.384dafe8a7678p-16
    0x1.3ae6a12590201p-18
    """.split()
)
# largest relative error before rounding 2.29e-18
MILLS_NUMERATOR = tuple(
    float.fromhex(text)
    for text in """
    0x1.0000000000000p-1
    0x1.ad7d5f18b3d69p-1
    0x1.64bd9a3150df9p-1
    0x1.7b8c1d23f9509p-2
    0x1.1bdddb8055d70p-3
    0x1.3692ff714e8c9p-5
    0x1.f6de36a73cfc2p-8
    0x1.29ec59879dfd1p-10
    0x1.f0909997ce8edp-14
    0x1.08db12f556b80p-17
    0x1.1661f9f4a149fp-22
    """.split()
)
# largest relative error before rounding 2.29e-18
MILLS_DENOMINATOR = tuple(
    float.fromhex(text)
    for text in """
    0x1.0000000000000p+0
    0x1.3cdfc45baac4ap+1
    0x1.6f3302c684d77p+1
    0x1.0779b91a8c9afp+1
    0x1.04c41ca96796fp+0
    0x1.76de498700d45p-2
    0x1.90c0e1e2b8ad5p-4
    0x1.3ff774ed53aa8p-6
    0x1.77fc188b3ee67p-9
    0x1.37db79196b1bbp-12
    0x1.4bf28d1fe57b1p-16
    0x1.5ce6a7dd21690p-21
    """.split()
)

# Adding 1.5·2^52 to a small number rounds it to a whole one, which then stands in the low bits.
ROUNDER = 6755399441055744.0
EXPONENT_OF_ONE = 1023
EXPONENT_BITS = -(1 << 52)  # mask: sign and exponent
HALF_EXPONENT = 1 << 51
SIGN_BIT = -(1 << 63)
TWO_TO_52_BITS = 0x4330000000000000
TWO_TO_52_PLUS_2048 = 4503599627372544.0

SMALLEST_NORMAL = 2.2250738585072014e-308
TWO_TO_54 = 18014398509481984.0
TWO_TO_MINUS_54 = 1.0 / TWO_TO_54
LARGEST_SAFE = 2.0**1000
EXP_LARGEST = 709.782712893384  # exp of more is above the largest float64
EXP_SMALLEST = -745.1332191019412  # exp of less rounds to zero

exp_polynomial = polynomial(EXP_COEFFICIENTS)
log_polynomial = polynomial(LOG_COEFFICIENTS)
mills_numerator = polynomial(MILLS_NUMERATOR)
mills_denominator = polynomial(MILLS_DENOMINATOR)


@inline
def exp_core(x: float) -> float:
    """Return exp(x) for −708 ≤ x ≤ 709; outside that range the result is meaningless."""
    shifted = fma(x, LOG2_E, ROUNDER)
    k = shifted - ROUNDER
    r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, x))
    value = 1.0 + fma(r * r, exp_polynomial(r), r)
    return value * bits_float(shift_left(float_bits(shifted) + EXPONENT_OF_ONE, 52))


@inline
def log_ratio(a: float, b: float) -> float:
    """Return ln(a / b) for a, b from 2⁻¹⁰²⁰ to 2¹⁰⁰⁰, to 2 units in the last place even near a = b.

    b is scaled by a power of two until a/b is within a factor 1.51 of one; then a − b is exact and
    ln(a/b) = 2·atanh((a − b)/(a + b)).
    """
    distance = float_bits(a) - float_bits(b) + HALF_EXPONENT
    exponent = distance & EXPONENT_BITS
    near = bits_float(float_bits(b) + exponent)
    z = (a - near) / fma(0.5, near, 0.5 * a)
    k = bits_float(shift_right(exponent ^ SIGN_BIT, 52) | TWO_TO_52_BITS) - TWO_TO_52_PLUS_2048
    w = z * z
    tail = fma(z * w, log_polynomial(w), k * LN2_LOW)
    return fma(k, LN2_HIGH, z + tail)


@inline
def exp(x: float) -> float:
    """Return exp(x) for every float64: inf above 709.78, 0 below −745.13, NaN for NaN."""
    low = EXP_SMALLEST if x < EXP_SMALLEST else x
    bounded = EXP_LARGEST if low > EXP_LARGEST else low
    shifted = fma(bounded, LOG2_E, ROUNDER)
    k = shifted - ROUNDER
    r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, bounded))
    value = 1.0 + fma(r * r, exp_polynomial(r), r)
    # Two factors, since 2^k itself may lie outside the normal range.
    half = fma(k, 0.5, ROUNDER)
    rest = (k - (half - ROUNDER)) + ROUNDER
    value *= bits_float(shift_left(float_bits(half) + EXPONENT_OF_ONE, 52))
    value *= bits_float(shift_left(float_bits(rest) + EXPONENT_OF_ONE, 52))
    kept = 0.0 if x < EXP_SMALLEST else value
    return np.inf if x > EXP_LARGEST else kept


@inline
def log(x: float) -> float:
    """Return ln(x): −inf at 0, NaN below 0, inf at inf. Extreme x is scaled first."""
    factor = TWO_TO_54 if x < SMALLEST_NORMAL else (TWO_TO_MINUS_54 if x > LARGEST_SAFE else 1.0)
    shift = 54.0 if x < SMALLEST_NORMAL else (-54.0 if x > LARGEST_SAFE else 0.0)
    value = fma(-shift, LN2_HIGH, fma(-shift, LN2_LOW, log_ratio(x * factor, 1.0)))
    value = value if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return x if x == np.inf else value


@inline
def power(x: float, y: float) -> float:
    """Return x^y = exp(y·ln x) for x > 0.

    The relative error is |y·ln x| + 1 times the unit roundoff or two of them, which is what
    scaling factors near one need; it is not the C library's `pow`.
    """
    return exp(y * log(x))


@inline
def mills(z: float) -> float:
    """Return N(−z) / (φ(z)·√(2π)) for 0 ≤ z ≤ 64: the Mills ratio over √(2π)."""
    return mills_numerator(z) / mills_denominator(z)
