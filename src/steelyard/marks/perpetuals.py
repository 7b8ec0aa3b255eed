"""The mark of a perpetual: index times one plus a bounded, time-weighted basis. Integers only."""

from __future__ import annotations

PPB = 1_000_000_000
"""Parts per billion: the unit of a basis."""


def observe_basis(bid: float, ask: float, index_price: float, bound_ppm: int) -> int:
    """Return the basis of a quote's midpoint over the index in ppb, clamped to ±bound.

    Clamping the observation, not only the average, keeps a wick from saturating the average.

    >>> observe_basis(99.0, 103.0, 100.0, 5_000)
    5000000
    >>> observe_basis(100.0, 100.2, 100.0, 5_000)
    1000000
    """
    assert index_price > 0.0
    ratio = (0.5 * (bid + ask) / index_price - 1.0) * PPB
    bound = bound_ppm * 1_000
    return int(max(-float(bound), min(float(bound), round(ratio))))  # tidy-ok: the one border


def smoothed_basis(previous_ppb: int, observed_ppb: int, elapsed_us: int, smoothing_us: int) -> int:
    """Return the time-weighted average after holding `observed` for `elapsed` microseconds.

    b' = b + (o − b)·Δt/(τ + Δt), the backward-Euler step of an exponential average: it needs no
    exponential, never overshoots, and two quotes in one microsecond move nothing.

    >>> smoothed_basis(0, 5_000_000, 30_000_000, 30_000_000)
    2500000
    """
    assert elapsed_us >= 0
    assert smoothing_us > 0
    return previous_ppb + (observed_ppb - previous_ppb) * elapsed_us // (smoothing_us + elapsed_us)


def perpetual_mark(
    index_units: int,
    price_exponent: int,
    basis_ppb: int,
    *,
    is_inverse: bool,
    contract_usd: int,
    mark_exponent: int,
) -> int:
    """Return the mark in mark units, rounded half to even, exactly.

    linear: price·10^mark_exponent; inverse: −contract_usd·10^mark_exponent/price, with
    price = index_units·10^-price_exponent·(1 + basis).

    >>> perpetual_mark(12_100_000, 2, 0, is_inverse=False, contract_usd=0, mark_exponent=2)
    12100000
    >>> perpetual_mark(12_500_000, 2, 0, is_inverse=True, contract_usd=100, mark_exponent=12)
    -800000000
    """
    assert index_units > 0
    numerator = index_units * (PPB + basis_ppb)
    denominator = PPB * 10**price_exponent
    if is_inverse:
        return -round_half_even(contract_usd * 10**mark_exponent * denominator, numerator)
    return round_half_even(numerator * 10**mark_exponent, denominator)


def round_half_even(numerator: int, denominator: int) -> int:
    """Return numerator/denominator rounded to nearest, halves to even; both positive.

    >>> [round_half_even(n, 2) for n in (1, 3, 5)]
    [0, 2, 2]
    """
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole & 1):
        return whole + 1
    return whole
