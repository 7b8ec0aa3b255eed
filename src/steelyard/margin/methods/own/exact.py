"""Exact numbers: what a statement writes in decimal, as fractions and as whole counts of a small unit.

The methods of chains count in integers (10⁻⁶ USDC, 10⁻⁹ coins) and round at named places; between these
places nothing is rounded here. A float stands for the shortest decimal that names it, as JSON prints it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TypeVar

import msgspec

from steelyard.margin.methods.needs import refuse
from steelyard.terms.decoding import fault_of

DIGITS_MAX = 40
DECIMALS_MAX = 400

Stated = Decimal | float | int | str
T = TypeVar("T")


def exact(value: Stated, field: str) -> Fraction:
    """Return a stated number as a fraction, nothing rounded.

    Errors: METH-E05 for a text that is no number, for one that is not finite, is 10⁴⁰ or more, or has
    more than 400 decimals.

    >>> exact("0.7", "quantity"), exact(0.1, "quantity")
    (Fraction(7, 10), Fraction(1, 10))
    """
    try:
        number = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        refuse(
            "METH-E05",
            f"{field} is {value!r}",
            "a number is written in decimal",
            "mend the value",
            field,
        )
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        refuse("METH-E05", f"{field} is {number}", "a number is finite", "mend the value", field)
    if number and (number.adjusted() >= DIGITS_MAX or exponent < -DECIMALS_MAX):
        refuse(
            "METH-E05", f"{field} is {number:.6e}",
            f"a number has at most {DIGITS_MAX} digits before the point and {DECIMALS_MAX} behind it",
            "mend the value or its unit", field,
        )  # fmt: skip
    return Fraction(number)


def not_negative(value: Stated, field: str) -> Fraction:
    """Return a stated number of at least zero as a fraction. Errors: METH-E05."""
    number = exact(value, field)
    if number < 0:
        refuse("METH-E05", f"{field} is {value}", "it is not below zero", "mend the value", field)
    return number


def floored(value: Fraction, decimals: int) -> int:
    """Return ⌊value·10^decimals⌋: a count of units of 10^−decimals, cut to minus infinity.

    >>> floored(Fraction("1.23456789"), 6), floored(Fraction("-0.0000001"), 6)
    (1234567, -1)
    """
    units: int = 10**decimals
    return value.numerator * units // value.denominator


def truncated(value: Fraction, decimals: int) -> int:
    """Return trunc(value·10^decimals): a count of units of 10^−decimals, cut to zero.

    >>> truncated(Fraction("-0.0000019"), 6)
    -1
    """
    units = floored(abs(value), decimals)
    return units if value >= 0 else -units


def amount(units: int, decimals: int) -> Decimal:
    """Return a count of units of 10^−decimals as a decimal with that many digits behind the point.

    >>> amount(38885000, 6), amount(-1, 4)
    (Decimal('38.885000'), Decimal('-0.0001'))
    """
    return Decimal(f"{units}e-{decimals}")


def total(counts: Iterable[int]) -> int:
    """Return the sum of integers."""
    return sum(counts)  # tidy-ok: integers of any length, the order changes nothing


def question(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T], table: str) -> T:
    """Return a further question of a case, decoded. Errors: METH-E02 with the path of the field."""
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError as error:
        fault = fault_of(error)
        field, said = fault.field(table), fault.said
        refuse(
            "METH-E02", f"{field}: {said[:1].lower()}{said[1:]}",
            "amounts are decimal texts, counts of slots are integers",
            "write the value as the method's description says", field,
        )  # fmt: skip
