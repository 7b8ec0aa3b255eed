"""A price in the words of traders, as mark units: the border for orders and fills."""

from __future__ import annotations

from fractions import Fraction

from steelyard.marks.perpetuals import round_half_even
from steelyard.terms import Instrument


def price_to_mark(terms: Instrument, price: float) -> int:
    """Return mark units of a USD price (perpetual) or of a premium in the settlement asset.

    The float is taken by its exact value; rounding is half to even, once.

    >>> p = Instrument("BTC-PERPETUAL", "perpetual", "BTC", "BTC", True, 0, 12, 10, contract_usd=100)
    >>> price_to_mark(p, 125_000.0)
    -800000000
    """
    exact = Fraction(price)
    assert exact > 0
    scale = 10**terms.mark_exponent
    if terms.contract_usd:
        value = Fraction(terms.contract_usd * scale) / exact
        return -round_half_even(value.numerator, value.denominator)
    value = exact * scale
    return round_half_even(value.numerator, value.denominator)
