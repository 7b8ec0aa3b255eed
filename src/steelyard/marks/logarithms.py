"""Logarithms of price ratios and weights of half-lives, from +, −, ×, ÷ alone: the same bits everywhere."""

from __future__ import annotations

from math import frexp, ldexp, sqrt

LN2 = 0.6931471805599453
LN2_HIGH = 0.6931471803691238  # its last 21 bits are zero, so k·LN2_HIGH is exact
LN2_LOW = 1.9082149292705877e-10
SQRT2 = 1.4142135623730951
NEAR = 1e-4  # of z²: prices within 2 % of one another
STEPS = 64


def _powers() -> tuple[float, ...]:
    """Return 2^(−j/64) for j = 0 … 64 by repeated square roots and multiplication."""
    roots = [0.5]
    for _ in range(6):
        roots.append(sqrt(roots[-1]))  # 2^-1/2, 2^-1/4 … 2^-1/64
    powers = []
    for j in range(STEPS + 1):
        value = 1.0
        for bit in range(7):
            if j >> bit & 1:
                value *= roots[6 - bit]
        powers.append(value)
    return tuple(powers)


POWERS = _powers()


def log_ratio(a: float, b: float) -> float:
    """Return ln(a / b) for a and b between 2⁻¹⁰⁰⁰ and 2¹⁰⁰⁰, to 1e-15 of its size, also near a = b.

    ln(a/b) = k·ln 2 + 2·artanh z, z = (a' − b')/(a' + b'), k chosen so that a'/b' lies within √2 of one;
    the difference is exact there. The series of artanh ends where its next term is below 2⁻⁵³.

    >>> log_ratio(101.0, 100.0)
    0.009950330853168082
    >>> log_ratio(1.0, 8.0) / log_ratio(1.0, 2.0)
    3.0
    """
    z = (a - b) / (a + b)
    w = z * z
    if w < NEAR:
        return 2.0 * z * (1.0 + w * (1 / 3 + w * (0.2 + w * (1 / 7 + w * (1 / 9)))))
    first, up = frexp(a)
    second, down = frexp(b)
    k = up - down
    if first > SQRT2 * second:
        first *= 0.5
        k += 1
    elif second > SQRT2 * first:
        first *= 2.0
        k -= 1
    z = (first - second) / (first + second)
    w = z * z
    series = 0.0
    for odd in range(23, 1, -2):
        series = w * (1.0 / odd + series)
    near = 2.0 * z + 2.0 * z * series
    return k * LN2_HIGH + (near + k * LN2_LOW)


def forgotten(half_lives: float) -> float:
    """Return 1 − 2^(−x), the weight that the past loses in x ≥ 0 half-lives, to 4e-14 of its size.

    x = n + j/64 + g with |g| ≤ 1/128: an exact power of two, a table of 65 values, and the series of
    2^(−g) to its fifth order, whose next term is below 2⁻⁵⁴.

    >>> [forgotten(x) for x in (0.0, 1.0, 3.0)]
    [0.0, 0.5, 0.875]
    """
    if half_lives < 1.0 / 128.0:
        y = half_lives * LN2
        return y * (1.0 - y / 2.0 * (1.0 - y / 3.0 * (1.0 - y / 4.0 * (1.0 - y / 5.0))))
    if half_lives >= 64.0:
        return 1.0
    whole = int(half_lives)
    rest = half_lives - whole
    j = int(rest * STEPS + 0.5)
    y = (rest - j / STEPS) * LN2
    power = 1.0 - y * (1.0 - y / 2.0 * (1.0 - y / 3.0 * (1.0 - y / 4.0 * (1.0 - y / 5.0))))
    return 1.0 - ldexp(POWERS[j] * power, -whole)
