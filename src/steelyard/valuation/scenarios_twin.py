"""Scenario rows for a reader: one entry at a time, the same steps as the kernels, equal bits."""

from __future__ import annotations

from steelyard.valuation.black76 import SMALLEST_DEVIATION
from steelyard.valuation.black76_twin import (
    are_good,
    deviation_of,
    log_moneyness,
    positive_or_zero,
    price_of,
)
from steelyard.valuation.elementary_twin import NAN, is_finite, power
from steelyard.valuation.scenarios import DAYS_PER_YEAR, THRESHOLD_DAYS


def option_entry(
    is_call: bool,
    strike: float,
    forward: float,
    volatility: float,
    time_years: float,
    usd_per_lot: float,
    price_multiplier: float,
    volatility_multiplier: float,
    weight: float,
    time_shift: float = 0.0,
) -> float:
    """Return weight·usd_per_lot·(V(F·m, σ·v, τ − h) − V(F, σ, τ)) in USD, h = time_shift in years.

    The moved price takes ln(F·m/K) as ln(F/K) + ln m and σ·v·√(τ − h) as v·(σ·√(τ − h)).

    >>> option_entry(True, 60_000.0, 60_000.0, 0.65, 30 / 365, 1.0, 1.0, 1.0, 1.0)
    0.0
    """
    is_good = are_good(forward, strike, volatility, time_years)
    is_good = is_good and is_finite(time_shift)
    if not (is_good and are_good(price_multiplier, 0.0, volatility_multiplier, weight)):
        return NAN
    f, k = positive_or_zero(forward), positive_or_zero(strike)
    x, s = log_moneyness(f, k), deviation_of(volatility, time_years)
    base = price_of(is_call, f, k, x, s, 1.0 / max(s, SMALLEST_DEVIATION))
    moved = positive_or_zero(forward * price_multiplier)
    moved_x = x + log_moneyness(positive_or_zero(price_multiplier), 1.0)
    moved_s = deviation_of(volatility, time_years - time_shift) * max(volatility_multiplier, 0.0)
    moved_inverse = 1.0 / max(moved_s, SMALLEST_DEVIATION)
    value = price_of(is_call, moved, k, moved_x, moved_s, moved_inverse)
    return (weight * usd_per_lot) * (value - base)


def linear_entry(usd_per_lot_at_index: float, price_multiplier: float, weight: float) -> float:
    """Return weight·usd·(m − 1) in USD."""
    return (weight * usd_per_lot_at_index) * (price_multiplier - 1.0)


def volatility_multipliers(
    time_years: float,
    range_up: float,
    range_down: float,
    short_term_power: float,
    long_term_power: float,
    floor_days: float,
) -> tuple[float, float]:
    """Return (1 + range_up·m, max(0, 1 − range_down·m)), m = (30 d / max(t, floor))^p.

    >>> volatility_multipliers(30 / 365, 0.4, 0.3, 0.5, 0.25, 1.0)
    (1.4, 0.7)
    """
    if not is_finite(time_years):
        return NAN, NAN
    days = time_years * DAYS_PER_YEAR
    exponent = short_term_power if days <= THRESHOLD_DAYS else long_term_power
    m = power(THRESHOLD_DAYS / max(days, floor_days), exponent)
    return 1.0 + range_up * m, max(1.0 - range_down * m, 0.0)
