"""Quantiles, densities and tails of the normal, Student-t, chi-square(1) and binomial distributions.

To a relative 1e-12 or better, checked against 50 digits in the tests. A quantile is worked out from the smaller
of the two tails, so a confidence of 0.9999999 loses nothing.

Sources: the symmetric incomplete-beta continued fraction (DLMF 8.17.22); binomial probabilities by the deviance
(Loader 2000); the expansion of the t quantile in 1/ν (Abramowitz and Stegun 26.7.5).
"""

from __future__ import annotations

from math import erf, erfc, exp, expm1, factorial, fsum, log, log1p, pi, sqrt
from statistics import NormalDist

ROOT_2, ROOT_2PI = sqrt(2.0), sqrt(2.0 * pi)
STEPS_MAX = 100
EXPANSION_FROM = 1e5  # degrees of freedom
FRACTION_STEPS_MAX = 100_000
TINY = 1e-300
STIRLING_FROM = 16
_NORMAL = NormalDist()


def normal_density(z: float) -> float:
    """Return n(z) = e^(−z²/2)/√(2π).

    >>> round(normal_density(0.0), 15)
    0.398942280401433
    """
    return exp(-0.5 * z * z) / ROOT_2PI


def normal_quantile(probability: float) -> float:
    """Return z with P(Z ≤ z) = probability, 0 < probability < 1.

    >>> round(normal_quantile(0.975), 14)
    1.95996398454005
    """
    if probability == 0.5:
        return 0.0
    tail = min(probability, 1.0 - probability)
    if tail > 0.25:
        return _halfway(2.0 * probability - 1.0)
    z = -_NORMAL.inv_cdf(tail)
    for _ in range(2):
        error = (0.5 * erfc(z / ROOT_2) - tail) / normal_density(z)
        z += error / (1.0 + 0.5 * z * error)
    return -z if probability < 0.5 else z


def _halfway(centre: float) -> float:
    """Return z with P(−|z| < Z < |z|) = |centre|, of the sign of centre; for |centre| up to ½."""
    z = centre * ROOT_2PI / 2.0
    for _ in range(STEPS_MAX):
        step = (centre - erf(z / ROOT_2)) / (2.0 * normal_density(z))
        z += step
        if abs(step) <= 1e-16 * abs(z):
            break
    return z


def chi_square_quantile(probability: float) -> float:
    """Return the quantile of χ² with one degree of freedom, the square of a normal one.

    >>> round(chi_square_quantile(0.95), 12)
    3.841458820694
    """
    if probability <= 0.5:
        return _halfway(probability) ** 2
    return normal_quantile((1.0 - probability) / 2.0) ** 2


def chi_square_tail(value: float) -> float:
    """Return P(χ²(1) > value) = erfc(√(value/2)), value at least 0.

    >>> round(chi_square_tail(3.841458820694124), 14)
    0.05
    """
    return erfc(sqrt(0.5 * value))


def _gamma_ratio(a: float) -> float:
    """Return Γ(a + ½)/Γ(a): the expansion in 1/a at a ≥ 30, and the recurrence down to a."""
    product = 1.0
    while a < 30.0:
        product *= a / (a + 0.5)
        a += 1.0
    i = 1.0 / a
    square = i * i
    series = -1 / 8 + square * (1 / 192 + square * (-1 / 640 + square * (17 / 14336)))
    return product * sqrt(a) * exp(i * series)


def student_t_density(t: float, degrees_of_freedom: float) -> float:
    """Return the density Γ((ν + 1)/2)/(Γ(ν/2)√(νπ))·(1 + t²/ν)^(−(ν + 1)/2).

    >>> round(student_t_density(0.0, 4.0), 15)
    0.375
    """
    nu = degrees_of_freedom
    return _gamma_ratio(0.5 * nu) / sqrt(nu * pi) * exp(-0.5 * (nu + 1.0) * log1p(t * t / nu))


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's way."""
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > TINY else TINY)
    c, product = 1.0, d
    for m in range(1, FRACTION_STEPS_MAX):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > TINY else TINY)
            c = 1.0 + term / c
            c = c if abs(c) > TINY else TINY
            product *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return product


def _student_parts(t: float, nu: float) -> tuple[float, float]:
    """Return (P(|T| > t), P(|T| < t)) for t > 0; the smaller of the two to full relative accuracy."""
    a = 0.5 * nu
    outer, inner = nu / (nu + t * t), t * t / (nu + t * t)
    # common factor x^a·(1 − x)^½·Γ(a + ½)/(Γ(a)√π) of both continued fractions
    front = exp(-a * log1p(t * t / nu)) * sqrt(inner / pi) * _gamma_ratio(a)
    if inner > 1.5 / (a + 2.5):
        beyond = front / a * _fraction(outer, a, 0.5)
        return beyond, 1.0 - beyond
    within = front / 0.5 * _fraction(inner, 0.5, a)
    return 1.0 - within, within


def student_t_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Return t with P(T ≤ t) = probability, 0 < probability < 1, for real degrees of freedom above 0.

    Newton on the logarithms of tail and t, where the tail is nearly straight.

    >>> round(student_t_quantile(0.95, 4.0), 12)
    2.131846786327
    """
    z, nu = normal_quantile(probability), degrees_of_freedom
    if z == 0.0:
        return 0.0
    if nu > EXPANSION_FROM:
        return _student_expansion(z, nu)
    tail = min(probability, 1.0 - probability)
    is_tail = tail <= 0.25
    target = 2.0 * tail if is_tail else abs(2.0 * probability - 1.0)
    t = abs(z)
    for _ in range(STEPS_MAX):
        beyond, within = _student_parts(t, nu)
        part = beyond if is_tail else within
        slope = 2.0 * t * student_t_density(t, nu) / part
        step = log(part / target) / (slope if is_tail else -slope)
        t *= exp(max(-50.0, min(50.0, step)))
        if abs(step) < 1e-15:
            break
    return t if probability > 0.5 else -t


def _student_expansion(z: float, nu: float) -> float:
    square = z * z
    first = (square + 1.0) / 4.0
    second = ((5.0 * square + 16.0) * square + 3.0) / 96.0
    third = (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0
    fourth = (
        (((79.0 * square + 776.0) * square + 1482.0) * square - 1920.0) * square - 945.0
    ) / 92160.0
    return z * (1.0 + (first + (second + (third + fourth / nu) / nu) / nu) / nu)


def deviance(count: float, mean: float) -> float:
    """Return count·ln(count/mean) + mean − count, at least 0, without cancellation; 0·ln 0 is 0.

    With s = (count − mean)/(count + mean): (count − mean)·s + 2·count·(s³/3 + s⁵/5 + …).

    >>> deviance(0.0, 2.5), deviance(3.0, 3.0)
    (2.5, 0.0)
    """
    if count == 0.0:
        return mean
    difference = count - mean
    if abs(difference) > 0.1 * (count + mean):
        ratio = count / mean
        logarithm = log(ratio) if ratio > 0.0 else log(count) - log(mean)
        return count * logarithm - difference
    s = difference / (count + mean)
    total, power, i = difference * s, 2.0 * count * s, 1
    while True:
        power *= s * s
        i += 2
        grown = total + power / i
        if grown == total:
            return total
        total = grown


def _stirling_error(n: int) -> float:
    """Return ln n! − ln(√(2πn)·(n/e)ⁿ), n at least 1."""
    if n < STIRLING_FROM:
        return log(factorial(n)) - (n + 0.5) * log(n) + n - log(ROOT_2PI)
    i = 1.0 / n
    s = i * i
    return i * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188))))


def binomial_probability(count: int, trials: int, probability: float) -> float:
    """Return P(X = count) of a binomial X, 0 ≤ count ≤ trials, 0 < probability < 1.

    >>> round(binomial_probability(3, 250, 0.01), 13)
    0.2149477244492
    """
    if count == 0:
        return exp(trials * log1p(-probability))
    if count == trials:
        return exp(trials * log(probability))
    rest = trials - count
    exponent = _stirling_error(trials) - _stirling_error(count) - _stirling_error(rest)
    exponent -= deviance(count, trials * probability)
    exponent -= deviance(rest, trials * (1.0 - probability))
    return exp(exponent) * sqrt(trials / (2.0 * pi * count * rest))


def binomial_cumulative(count: int, trials: int, probability: float) -> float:
    """Return P(X ≤ count) of a binomial X, summed from `count` away from the mean.

    >>> round(binomial_cumulative(3, 250, 0.01), 4)
    0.7581
    """
    if count >= trials:
        return 1.0
    odds = (1.0 - probability) / probability
    terms: list[float] = []
    if count <= trials * probability:
        term, k = binomial_probability(count, trials, probability), count
        while k >= 0 and (not terms or term > 1e-20 * terms[0]):
            terms.append(term)
            term *= k / (trials - k + 1.0) * odds
            k -= 1
        return fsum(terms)
    term, k = binomial_probability(count + 1, trials, probability), count + 1
    while k <= trials and (not terms or term > 1e-20 * terms[0]):
        terms.append(term)
        term *= (trials - k) / (k + 1.0) / odds
        k += 1
    return 1.0 - fsum(terms)


def mean_of_decay(w: float) -> float:
    """Return ∫₀¹ e^(−wu) du = (1 − e^(−w))/w, 1 at w = 0.

    >>> mean_of_decay(0.0), round(mean_of_decay(1.0), 12)
    (1.0, 0.632120558829)
    """
    return 1.0 if w == 0.0 else -expm1(-w) / w


def mean_of_rising_decay(w: float) -> float:
    """Return ∫₀¹ u·e^(−wu) du = ((1 − e^(−w))/w − e^(−w))/w, ½ at w = 0; a power series near 0.

    >>> mean_of_rising_decay(0.0), round(mean_of_rising_decay(1.0), 12)
    (0.5, 0.264241117657)
    """
    if abs(w) >= 0.5:
        return (mean_of_decay(w) - exp(-w)) / w
    total, power = 0.5, 1.0
    for k in range(1, 18):
        power *= -w / k
        total += power / (k + 2)
    return total
