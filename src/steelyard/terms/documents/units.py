"""Units: what each word in a document's [units] admits, and how a value is brought into one form.

A value that fits is returned in the form in which every reader finds it: numbers with a fraction as
float (never −0.0), counts as int, exact decimals as plain text without idle zeros. So a document has
the same values, and the same hash, whether 1 or 1.0 was written, in TOML or in JSON.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from steelyard.terms.documents.faults import refused

INTEGER_MAX = 2**63 - 1
TEXT_MAX = 1_000
DIRECTIONS = ("up", "none", "down", "linear", "abs")
CHOICE = "choice:"

DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
SCALED = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?[eE][+-]?[0-9]{1,2}")


class Unfit(Exception):
    """A value that its unit does not admit; the text says what the unit asks for."""


def _finite(value: Any) -> float:
    if type(value) is float and math.isfinite(value):
        return value + 0.0  # −0.0 becomes 0.0
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unfit("a number")
    try:
        number = float(value)
    except OverflowError:
        raise Unfit("a finite number") from None
    if not math.isfinite(number):
        raise Unfit("a finite number")
    return number + 0.0


def _not_negative(value: Any) -> float:
    number = _finite(value)
    if number < 0.0:
        raise Unfit("a finite number of at least 0")
    return number


def _integer(value: Any) -> int:
    if isinstance(value, float | Decimal) and _finite(value) == int(_finite(value)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > INTEGER_MAX:
        raise Unfit("an integer of at most 63 bits")
    return value


def _count(value: Any) -> int:
    number = _integer(value)
    if number < 0:
        raise Unfit("an integer of at least 0")
    return number


def plain_text(value: Any) -> str:
    """Return a text that UTF-8 can hold, else raise Unfit."""
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise Unfit(f"a text of at most {TEXT_MAX} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("a text that UTF-8 can hold") from None
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


def _direction(value: Any) -> str:
    if not isinstance(value, str) or value not in DIRECTIONS:
        raise Unfit(f"one of {', '.join(DIRECTIONS)}")
    return value


def _decimal(value: Any) -> str:
    if isinstance(value, str) and SCALED.fullmatch(value):
        value = Decimal(value)  # exact: no digit of a text is ever rounded away
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 40:
        value = format(value, "f")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_MAX:
        value = str(value)
    if not isinstance(value, str) or not DECIMAL.fullmatch(value):
        raise Unfit('an exact decimal, as a text such as "0.05", or an integer')
    whole, _, fraction = value.partition(".")
    digits = whole.lstrip("-").lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    text = f"{digits}.{fraction}" if fraction else digits
    return f"-{text}" if whole.startswith("-") and text != "0" else text


UNITS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "ratio": ("a share of something, 0.05 is 5 %", _finite),
    "factor": ("a multiplier, at least 0", _not_negative),
    "ppm": ("an integer in millionths, 50000 is 5 %", _integer),
    "integer": ("a whole number", _integer),
    "number": ("a number without a unit", _finite),
    "amount": ("money of the account's currency", _finite),
    "usd": ("dollars", _finite),
    "coin": ("coins of the underlying", _finite),
    "price": ("the price of one coin, at least 0", _not_negative),
    "per_coin": ("money for each coin", _finite),
    "days": ("days of 86,400 seconds, at least 0", _not_negative),
    "seconds": ("seconds, at least 0", _not_negative),
    "slots": ("a count of slots of a chain, at least 0", _count),
    "years": ("years of 365 days, at least 0", _not_negative),
    "volatility": ("of a year, 0.5 is 50 %", _finite),
    "power": ("an exponent", _finite),
    "direction": (f"one of {', '.join(DIRECTIONS)}", _direction),
    "text": ("a text", plain_text),
    "boolean": ("true or false", _boolean),
    "decimal": ("an exact decimal, written as a text", _decimal),
}
"""Every unit: what it means, and what brings a value into its form or raises Unfit."""

NUMBERS = frozenset(UNITS) - {"direction", "text", "boolean", "decimal"}
UNITS_SAID = ", ".join(UNITS) + f", or {CHOICE}one|other; a ? behind it: it may be left out"


def _choice(word: str) -> Callable[[Any], Any] | None:
    names = word.removeprefix(CHOICE).split("|")
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names):
        return None
    admitted = frozenset(names)

    def one_of(value: Any) -> str:
        if not isinstance(value, str) or value not in admitted:
            raise Unfit(f"one of {', '.join(names)}")
        return value

    return one_of


def admitting(unit: str, field: str) -> tuple[str, bool, Callable[[Any], Any]]:
    """Return a unit's word, whether it may be left out, and what brings a value into its form.

    Errors: TERM-E12 for a word that is no unit.

    >>> admitting("days?", "units.floor")[:2]
    ('days', True)
    """
    word = unit.removesuffix("?")
    if word in UNITS:
        return word, unit != word, UNITS[word][1]
    admits = _choice(word) if word.startswith(CHOICE) else None
    if admits is None:
        raise refused(
            "TERM-E12", f"{unit!r} is not a unit", f"units are {UNITS_SAID}",
            "name the unit of the number; write a per cent as a ratio, 0.05" if "perc" in word
            else "use one of these words", field,
        )  # fmt: skip
    return word, unit != word, admits
