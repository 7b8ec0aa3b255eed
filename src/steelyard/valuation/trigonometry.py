"""Sine, cosine, angle and the small steps of complex arithmetic, in a fixed order of exact steps.

As in `elementary`: every step is an IEEE 754 operation or an explicit fused multiply-add, so the
bits are the same on every machine, in a vector lane and in a scalar remainder. A complex number is
a pair of floats (real, imaginary), since what the compiler makes of Python's complex type may call
a library and branches.

Accuracy against 40-digit values (tests/valuation/test_heston.py): `sin_cos` 2 units in the last
place of the larger one of the two for |x| ≤ 2²⁰, `angle` 2 units in the last place of the result,
`log_of_one_plus` 3 and `expm1_core` 2 units in the last place.

The tables come from `bench/coefficients_trigonometry.py`.
"""

from __future__ import annotations

from steelyard.valuation.compiled import inline
from steelyard.valuation.elementary import (
    EXPONENT_BITS,
    EXPONENT_OF_ONE,
    HALF_EXPONENT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    ROUNDER,
    SIGN_BIT,
    TWO_TO_52_BITS,
    TWO_TO_52_PLUS_2048,
    exp_polynomial,
    log_polynomial,
)
from steelyard.valuation.intrinsics import (
    absolute,
    bits_float,
    float_bits,
    fma,
    polynomial,
    shift_left,
    shift_right,
    sqrt,
)

Pair = tuple[float, float]

TWO_OVER_PI = float.fromhex("0x1.45f306dc9c883p-1")
# π/2 in three parts: 33 bits, the next 33 and the rest, so k times the first is exact for k < 2²⁰.
HALF_PI_HIGH = float.fromhex("0x1.921fb54400000p+0")
HALF_PI_MIDDLE = float.fromhex("0x1.0b4611a600000p-34")
HALF_PI_LOW = float.fromhex("0x1.3198a2e037073p-69")
PI = float.fromhex("0x1.921fb54442d18p+1")
HALF_PI = 0.5 * PI
QUARTER_PI = 0.25 * PI
TANGENT_OF_EIGHTH = float.fromhex("0x1.a827999fcef32p-2")  # tan(π/8)
SMALLEST_DIVISOR = 1e-300
# largest relative error before rounding 3.62e-18
SINE_COEFFICIENTS = tuple(
    float.fromhex(text)
    for text in """
    -0x1.5555555555548p-3
    0x1.111111110f7cep-7
    -0x1.a01a019bfd94ap-13
    0x1.71de35677f4d1p-19
    -0x1.ae5e5a4bff6b3p-26
    0x1.5d8fbc8ef269ep-33
    """.split()
)
# largest relative error before rounding 5.58e-20
COSINE_COEFFICIENTS = tuple(
    float.fromhex(text)
    for text in """
    0x1.555555555554bp-5
    -0x1.6c16c16c14f9ap-10
    0x1.a01a019c84fd4p-16
    -0x1.27e4f7eb2889dp-22
    0x1.1ee9d7eb42ecbp-29
    -0x1.8fa4b0a14b253p-37
    """.split()
)
# largest relative error before rounding 1.28e-18
ARCTANGENT_COEFFICIENTS = tuple(
    float.fromhex(text)
    for text in """
    -0x1.555555555553dp-2
    0x1.99999999957c7p-3
    -0x1.24924922aa14dp-3
    0x1.c71c70e4f3086p-4
    -0x1.745cf8bffc87cp-4
    0x1.3b111751b3835p-4
    -0x1.10eba59367ac4p-4
    0x1.df0e4edbcaf36p-5
    -0x1.9cce965ff422ep-5
    0x1.37cbb9a2a2aabp-5
    -0x1.2555cf1cc54e5p-6
    """.split()
)

sine_polynomial = polynomial(SINE_COEFFICIENTS)
cosine_polynomial = polynomial(COSINE_COEFFICIENTS)
arctangent_polynomial = polynomial(ARCTANGENT_COEFFICIENTS)


@inline
def sin_cos(x: float) -> Pair:
    """Return (sin x, cos x) for |x| ≤ 2²⁰; beyond it digits are lost, one by one."""
    shifted = fma(x, TWO_OVER_PI, ROUNDER)
    k = shifted - ROUNDER
    r = fma(-k, HALF_PI_LOW, fma(-k, HALF_PI_MIDDLE, fma(-k, HALF_PI_HIGH, x)))
    square = r * r
    sine = fma(r * square, sine_polynomial(square), r)
    cosine = fma(square * square, cosine_polynomial(square), fma(-0.5, square, 1.0))
    # The last two bits of k are the quadrant: odd ones swap the two, and signs follow.
    quadrant = float_bits(shifted)
    is_swapped = (quadrant & 1) == 1
    first = cosine if is_swapped else sine
    second = sine if is_swapped else cosine
    sine = bits_float(float_bits(first) ^ shift_left(quadrant & 2, 62))
    cosine = bits_float(float_bits(second) ^ shift_left((quadrant + 1) & 2, 62))
    return sine, cosine


@inline
def angle(y: float, x: float) -> float:
    """Return the angle of the point (x, y) from −π to π; 0 at the origin.

    The quotient of the smaller by the larger side is brought below tan(π/8) by turning the point
    by 45 degrees; one division serves both cases.
    """
    across, along = absolute(x), absolute(y)
    is_steep = along > across
    large = along if is_steep else across
    small = across if is_steep else along
    is_wide = small > TANGENT_OF_EIGHTH * large
    numerator = small - large if is_wide else small
    denominator = small + large if is_wide else large
    t = numerator / (denominator if denominator > SMALLEST_DIVISOR else SMALLEST_DIVISOR)
    square = t * t
    value = fma(t * square, arctangent_polynomial(square), t)
    value = value + QUARTER_PI if is_wide else value
    value = HALF_PI - value if is_steep else value
    value = PI - value if x < 0.0 else value
    return -value if y < 0.0 else value


@inline
def log_of_one_plus(t: float) -> float:
    """Return ln(1 + t) for −1 < t < 2¹⁰⁰⁰, exact to the last places for tiny t too."""
    a = 1.0 + t
    distance = float_bits(a) - float_bits(1.0) + HALF_EXPONENT
    exponent = distance & EXPONENT_BITS
    near = bits_float(float_bits(1.0) + exponent)
    # Near one the rounding of 1 + t would cost digits; t itself is the difference.
    difference = t if exponent == 0 else a - near
    z = difference / fma(0.5, difference, near)
    k = bits_float(shift_right(exponent ^ SIGN_BIT, 52) | TWO_TO_52_BITS) - TWO_TO_52_PLUS_2048
    w = z * z
    tail = fma(z * w, log_polynomial(w), k * LN2_LOW)
    return fma(k, LN2_HIGH, z + tail)


@inline
def expm1_core(x: float) -> Pair:
    """Return (exp(x), exp(x) − 1) for −708 ≤ x ≤ 709, the second exact for tiny x too."""
    shifted = fma(x, LOG2_E, ROUNDER)
    k = shifted - ROUNDER
    r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, x))
    part = fma(r * r, exp_polynomial(r), r)
    scale = bits_float(shift_left(float_bits(shifted) + EXPONENT_OF_ONE, 52))
    return (1.0 + part) * scale, fma(scale, part, scale - 1.0)


@inline
def product(a: float, b: float, c: float, d: float) -> Pair:
    """Return (a + ib)·(c + id)."""
    return fma(a, c, -(b * d)), fma(a, d, b * c)


@inline
def quotient(a: float, b: float, c: float, d: float) -> Pair:
    """Return (a + ib)/(c + id), for a divisor whose square neither overflows nor vanishes."""
    inverse = 1.0 / fma(c, c, d * d)
    return fma(a, c, b * d) * inverse, fma(b, c, -(a * d)) * inverse


@inline
def root_right(a: float, b: float) -> Pair:
    """Return the square root of a + ib with a > 0: its real part is positive."""
    real = sqrt(fma(0.5, sqrt(fma(a, a, b * b)), 0.5 * a))
    return real, 0.5 * b / real
