"""Decimal scales: how many integer units one coin, contract or dollar is.

An exponent e means one unit is 10^-e; an amount of 1.25 with e = 6 is 1,250,000 units. Scales are
those of the ledger, not of a token contract: 10^-18 would overflow int64 at 9.2 coins.
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Decimal,
    InvalidOperation,
    localcontext,
)

from steelyard.quantities.errors import InputError

PPM = 1_000_000
"""Parts per million: the unit of every ratio, haircut, fee and factor."""

UNITS_MAX = 2**62
"""Largest magnitude of any integer amount: one bit is kept free so that a sum of two still fits."""

DIGITS_MAX = 100
PRECISION = 4 * DIGITS_MAX
"""Decimal digits kept on the way: more than any amount of DIGITS_MAX characters can fill."""

_ROUNDINGS = {"floor": ROUND_FLOOR, "ceiling": ROUND_CEILING, "half_even": ROUND_HALF_EVEN}


def parse_units(
    amount: str | int | float | Decimal, exponent: int, *, field: str = "amount"
) -> int:
    """Return the units of a decimal amount, exactly; a digit below the unit is an error.

    A float is read by its shortest decimal text, as a person would have typed it.
    Errors: QUAN-E01 not a finite decimal, QUAN-E02 finer than the unit, QUAN-E03 out of bounds.

    >>> parse_units("1.25", 6), parse_units(0.1, 8)
    (1250000, 10000000)
    """
    value = _decimal(amount, field)
    with localcontext() as context:
        context.prec = PRECISION
        scaled = value.scaleb(exponent)
        units = int(scaled)
        if scaled != units:
            raise InputError(
                "QUAN-E02",
                f"{amount} has digits below the smallest unit 10^-{exponent}",
                rule="an amount is a whole number of units",
                cure=f"round it to {exponent} decimals before it is sent",
                field=field,
            )
    return _bounded(units, amount, field)


def quantise(
    amount: str | int | float | Decimal, exponent: int, rounding: str, *, field: str = "amount"
) -> int:
    """Return the units of a decimal amount with a named rounding: floor, ceiling or half_even.

    >>> quantise(1.26, 1, "floor"), quantise(1.26, 1, "ceiling"), quantise(0.5, 0, "half_even")
    (12, 13, 0)
    """
    value = _decimal(amount, field)
    with localcontext() as context:
        context.prec = PRECISION
        units = int(value.scaleb(exponent).to_integral_value(rounding=_ROUNDINGS[rounding]))
    return _bounded(units, amount, field)


def from_units(units: int, exponent: int) -> Decimal:
    """Return the exact decimal that `units` of 10^-exponent are.

    >>> str(from_units(-1250000, 6))
    '-1.250000'
    """
    with localcontext() as context:
        context.prec = PRECISION
        return Decimal(units).scaleb(-exponent)


def _decimal(amount: str | int | float | Decimal, field: str) -> Decimal:
    """Return the amount exactly, or raise QUAN-E01; what passes loses no digit in `PRECISION`."""
    try:
        if isinstance(amount, bool):
            raise ValueError
        text = repr(float(amount)) if isinstance(amount, float) else str(amount)
        if len(text) > DIGITS_MAX or not text.isascii() or "_" in text:
            raise ValueError
        value = Decimal(text)
        if not value.is_finite() or (value and abs(value.adjusted()) > DIGITS_MAX):
            raise ValueError
    except (InvalidOperation, ValueError):
        raise InputError(
            "QUAN-E01",
            f"{_shown(amount)} is not a decimal number",
            rule=f"an amount is a finite decimal of at most {DIGITS_MAX} characters",
            cure="send digits with an optional sign and point",
            field=field,
        ) from None
    return value


def _shown(amount: object) -> str:
    """Return what was sent, short; Python refuses to write an integer of thousands of digits."""
    if isinstance(amount, int) and not isinstance(amount, bool):
        return f"an integer of {amount.bit_length()} bits"
    return f"{amount!r:.120}"


def _bounded(units: int, amount: object, field: str) -> int:
    if abs(units) > UNITS_MAX:
        raise InputError(
            "QUAN-E03",
            f"{amount} is beyond the bounds of the ledger",
            rule=f"an amount has at most {UNITS_MAX} units",
            cure="split it, or list the asset with a coarser unit",
            field=field,
        )
    return units
