"""How the functions of this folder say that an argument breaks its rule."""

from __future__ import annotations

from math import isfinite

from steelyard.quantities.errors import InputError


def broken(field: str, message: str, rule: str, cure: str = "") -> InputError:
    """Return the error of an argument that breaks its rule."""
    return InputError("RISK-E01", message, rule=rule, cure=cure or f"mend {field}", field=field)


def unsolved(field: str, message: str, rule: str) -> InputError:
    """Return the error of numbers that no solution fits."""
    return InputError(
        "RISK-E02", message, rule=rule, cure=f"bring {field} nearer to what a market shows",
        field=field,
    )  # fmt: skip


def require(is_kept: bool, field: str, value: object, rule: str) -> None:
    """Raise RISK-E01 unless the rule is kept; NaN and infinity break every rule."""
    if not is_kept or (isinstance(value, float) and not isfinite(value)):
        raise broken(field, f"{field} is {value}", rule)


def whole(field: str, value: float, least: int, most: int) -> int:
    """Return a whole number within bounds, however it is written (5 or 5.0); else raise RISK-E01.

    >>> whole("observations", 250.0, 1, 1000)
    250
    """
    is_kept = isfinite(value) and least <= value <= most and value == int(value)
    require(is_kept, field, value, f"{field} is a whole number from {least} to {most}")
    return int(value)
