"""The steps of `elementary` in plain Python: the definition that the kernels are held to.

Python's float has no fused multiply-add before 3.13, so `fma` here computes in whole numbers and
rounds once; `square_root` likewise. Both are exactly what IEEE 754 demands of the instruction. The
rest is spelled as in the kernels, in the same order, without a mathematical library. A test
demands equal bits on random and extreme input.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

from steelyard.valuation import elementary as table

INFINITY = float("inf")
NAN = float("nan")
MASK_64 = (1 << 64) - 1


def float_bits(x: float) -> int:
    """Return the 64 bits of a float as a whole number from 0 to 2⁶⁴ − 1."""
    return int(struct.unpack("<Q", struct.pack("<d", x))[0])


def bits_float(bits: int) -> float:
    """Return the float of the low 64 bits of a whole number."""
    return float(struct.unpack("<d", struct.pack("<Q", bits & MASK_64))[0])


def is_finite(x: float) -> bool:
    """Return whether x is neither infinite nor NaN.

    >>> is_finite(1.0), is_finite(NAN)
    (True, False)
    """
    return x - x == 0.0


def is_negative(x: float) -> bool:
    """Return the sign bit, which −0 has too."""
    return float_bits(x) >> 63 == 1


def nearest_float(value: Fraction) -> float:
    """Return the float nearest to a fraction, halves to even, ±inf beyond the range."""
    try:
        return value.numerator / value.denominator  # Python rounds this quotient exactly once
    except OverflowError:
        return INFINITY if value > 0 else -INFINITY


def fma(x: float, y: float, z: float) -> float:
    """Return x·y + z rounded once.

    >>> 0.1 * 10.0 - 1.0, fma(0.1, 10.0, -1.0)
    (0.0, 5.551115123125783e-17)
    """
    if not (is_finite(x) and is_finite(y)):
        return x * y + z
    if not is_finite(z):
        return z
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if exact == 0:
        # An exact zero is negative only if both parts are.
        product_is_negative = is_negative(x) != is_negative(y)
        return -0.0 if product_is_negative and is_negative(z) else 0.0
    return nearest_float(exact) if exact > 0 else -nearest_float(-exact)


def square_root(x: float) -> float:
    """Return √x rounded once; NaN below zero.

    >>> square_root(2.0)
    1.4142135623730951
    """
    if x == 0.0 or x == INFINITY or x != x:
        return x
    if x < 0.0:
        return NAN
    numerator, denominator = x.as_integer_ratio()
    # √(n/d) = √(n·d·4^k) / (d·2^k); k leaves at least 64 bits before rounding, and a sticky last
    # bit says whether the root goes on.
    k = 64 + denominator.bit_length()
    radicand = (numerator * denominator) << (2 * k)
    root = isqrt(radicand)
    sticky = 2 * root + (root * root != radicand)
    return nearest_float(Fraction(sticky, denominator << (k + 1)))


def polynomial(coefficients: Sequence[float], x: float) -> float:
    """Return Σ coefficients[k]·x^k: even and odd terms as two Horner chains in x²."""
    square = x * x
    chains = []
    for terms in (coefficients[0::2], coefficients[1::2]):
        value = terms[-1]
        for coefficient in reversed(terms[:-1]):
            value = fma(value, square, coefficient)
        chains.append(value)
    even, odd = chains
    return fma(odd, x, even)


def two_to(k: float) -> float:
    """Return 2^k for a whole k from −1022 to 1023, by writing the exponent's bits."""
    return bits_float((int(k) + table.EXPONENT_OF_ONE) << 52)


def reduce_exp(x: float) -> tuple[float, float]:
    """Return (k, exp(x − k·ln 2)) with k the whole number nearest to x / ln 2."""
    k = fma(x, table.LOG2_E, table.ROUNDER) - table.ROUNDER
    r = fma(-k, table.LN2_LOW, fma(-k, table.LN2_HIGH, x))
    return k, 1.0 + fma(r * r, polynomial(table.EXP_COEFFICIENTS, r), r)


def exp_core(x: float) -> float:
    """Return exp(x) for −708 ≤ x ≤ 709."""
    k, value = reduce_exp(x)
    return value * two_to(k)


def exp(x: float) -> float:
    """Return exp(x) for every float.

    >>> exp(0.5), exp(-800.0), exp(800.0)
    (1.6487212707001282, 0.0, inf)
    """
    if x != x:
        return x
    if x < table.EXP_SMALLEST:
        return 0.0
    if x > table.EXP_LARGEST:
        return INFINITY
    k, value = reduce_exp(x)
    half = fma(k, 0.5, table.ROUNDER) - table.ROUNDER
    return value * two_to(half) * two_to(k - half)


def log_ratio(a: float, b: float) -> float:
    """Return ln(a / b) for a, b from 2⁻¹⁰²⁰ to 2¹⁰⁰⁰."""
    # The bits of a positive float, read as a whole number, are nearly its logarithm: their
    # difference, rounded to whole exponents, says by which 2^k to scale b.
    distance = float_bits(a) - float_bits(b) + table.HALF_EXPONENT
    k = distance >> 52
    near = bits_float(float_bits(b) + (k << 52))
    z = (a - near) / fma(0.5, near, 0.5 * a)
    w = z * z
    tail = fma(z * w, polynomial(table.LOG_COEFFICIENTS, w), float(k) * table.LN2_LOW)
    return fma(float(k), table.LN2_HIGH, z + tail)


def log(x: float) -> float:
    """Return ln(x) for every float.

    >>> log(10.0), log(0.0), log(-1.0)
    (2.302585092994046, -inf, nan)
    """
    if x == INFINITY:
        return x
    if x == 0.0:
        return -INFINITY
    if not x > 0.0:
        return NAN
    factor, shift = 1.0, 0.0
    if x < table.SMALLEST_NORMAL:
        factor, shift = table.TWO_TO_54, 54.0
    elif x > table.LARGEST_SAFE:
        factor, shift = table.TWO_TO_MINUS_54, -54.0
    scaled = log_ratio(x * factor, 1.0)
    return fma(-shift, table.LN2_HIGH, fma(-shift, table.LN2_LOW, scaled))


def power(x: float, y: float) -> float:
    """Return x^y = exp(y·ln x) for x > 0."""
    return exp(y * log(x))


def mills(z: float) -> float:
    """Return N(−z) / (φ(z)·√(2π)) for 0 ≤ z ≤ 64."""
    return polynomial(table.MILLS_NUMERATOR, z) / polynomial(table.MILLS_DENOMINATOR, z)
