"""Quantities: the only border between floating point and integer money.

Money, prices and quantities are int64 counts of a named decimal unit; ratios are parts per million.
This room holds the scales, the named roundings, the bounds and the closed tree of errors. Rounding
policy: requirements up, collateral down, payouts down, debts up, the remainder to a dust account.
"""

from steelyard.quantities.errors import (
    InputError,
    InvariantError,
    JournalError,
    LedgerError,
    MarketError,
    SteelyardError,
    TermsError,
)
from steelyard.quantities.rounding import ceil_div, largest_remainder, mul_div_ceil, mul_div_floor
from steelyard.quantities.scale import (
    PPM,
    UNITS_MAX,
    from_units,
    parse_units,
    quantise,
)

__all__ = [
    "PPM",
    "UNITS_MAX",
    "InputError",
    "InvariantError",
    "JournalError",
    "LedgerError",
    "MarketError",
    "SteelyardError",
    "TermsError",
    "ceil_div",
    "from_units",
    "largest_remainder",
    "mul_div_ceil",
    "mul_div_floor",
    "parse_units",
    "quantise",
]
