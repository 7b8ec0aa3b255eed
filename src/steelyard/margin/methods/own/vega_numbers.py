"""Exact numbers of the method `vega`: what is stated becomes a bounded `Decimal`, and sums stay exact.

Every stated number has at most 40 digits before the point and 60 behind it. The longest product of
the method, mark · slippage · quantity², then has 400 digits, and `EXACT` carries a thousand, so
nothing but the named roundings of the sheet ever rounds; were it to, `Inexact` is raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Any

from steelyard.margin.methods.needs import refuse

EXACT = Context(prec=1000, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
QUOTIENT = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Divides where the sheet gives a quotient that is not rounded: 60 digits."""

ZERO = Decimal(0)
LARGEST = Decimal("1e40")
DECIMALS_MAX = 60
MISSING_WHY = "the method is worked out from it"


def exact(value: Any, field: str) -> Decimal:
    """Return a stated number (Decimal, int, float or text) as it is written, within the bounds.

    A float stands for the shortest decimal that reads back as it. Errors: METH-E05.

    >>> exact(0.1, "quantity")
    Decimal('0.1')
    """
    try:
        number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        refuse("METH-E05", f"{field} is {value!r}", "it is a number", "mend the value", field)
    if not number.is_finite():
        refuse("METH-E05", f"{field} is {value}", "a number is finite", "mend the value", field)
    if number.is_zero():
        return ZERO
    exponent = number.as_tuple().exponent
    if number.copy_abs() > LARGEST or (isinstance(exponent, int) and exponent < -DECIMALS_MAX):
        refuse(
            "METH-E05", f"{field} is {str(number)[:60]}",
            f"a number is at most {LARGEST} and has at most {DECIMALS_MAX} decimals",
            "state it in the settlement asset's smallest unit, or round it", field,
        )  # fmt: skip
    return number


def not_below_zero(value: Any, field: str) -> Decimal:
    """Return a stated number that is at least 0. Errors: METH-E05."""
    number = exact(value, field)
    if number < 0:
        refuse("METH-E05", f"{field} is {number}", "it is at least 0", "mend the value", field)
    return number


def needed(value: Any, field: str, code: str = "METH-E02") -> Decimal:
    """Return a stated number that must be there. Errors: `code` where it is not, METH-E05."""
    if value is None:
        refuse(code, f"{field} is missing", MISSING_WHY, f"state {field}", field)
    return exact(value, field)


def parameter_at(parameters: dict[str, Any], path: str) -> Decimal:
    """Return a parameter at a dotted path, at least 0. Errors: METH-E06 where it has no value, METH-E05.

    >>> parameter_at({"scaling": {"search": 1.1}}, "scaling.search")
    Decimal('1.1')
    """
    value: Any = parameters
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    field = f"parameters.{path}"
    if value is None:
        refuse(
            "METH-E06", f"the parameter {path} has no value",
            "it is the market's own, and the method publishes no default for it",
            f"state {field}", field,
        )  # fmt: skip
    return not_below_zero(value, field)


def total(values: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    result = ZERO
    for value in values:
        result += value
    return result


def floored(value: Decimal) -> int:
    """Return ⌊value⌋.

    >>> floored(Decimal("-1.5"))
    -2
    """
    return int(value.to_integral_value(ROUND_FLOOR))


def ceiled(value: Decimal) -> int:
    """Return ⌈value⌉.

    >>> ceiled(Decimal("20540.0001"))
    20541
    """
    return int(value.to_integral_value(ROUND_CEILING))


def floored_quotient(above: Decimal, below: Decimal) -> int:
    """Return ⌊above / below⌋ for below > 0, without rounding the quotient first.

    >>> floored_quotient(Decimal(-7), Decimal(2))
    -4
    """
    # A Decimal's own // cuts towards zero.
    whole, rest = divmod(above, below)
    return int(whole) - (1 if rest < 0 else 0)


def plain(value: Decimal) -> int | float:
    """Return an amount that the sheet does not round: an int if it is whole, else the nearest float.

    >>> plain(Decimal("600.00")), plain(Decimal("0.5"))
    (600, 0.5)
    """
    return int(value) if value == value.to_integral_value() else float(value)
