"""Fields of a statement that one rule needs, and amounts that must stay numbers."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TypeVar

from steelyard.margin.methods.needs import given, refuse

N = TypeVar("N", float, Decimal)


def required(value: N | None, field: str, why: str) -> N:
    """Return a finite field of the account or of a position. Errors: METH-E02, METH-E05.

    >>> required(310.0, "account.positions[0].entry_price", "a short option needs its entry")
    310.0
    """
    if value is None:
        refuse("METH-E02", f"{field} is missing", why, f"state {field}", field)
    return given(value, field)


def bounded(value: float, field: str, of: str) -> float:
    """Return an amount worked out from a field, if it is still a number. Errors: METH-E05.

    >>> bounded(1e300, "account.positions[0].quantity", "the notional")
    1e+300
    """
    if not isfinite(value):
        refuse(
            "METH-E05", f"{of} of {field} overflows", "every amount is a finite number",
            "mend the quantity or the price", field,
        )  # fmt: skip
    return value
