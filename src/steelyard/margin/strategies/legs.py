"""Legs: what a book of options and of what hedges them holds, in exact numbers.

Every float is read as the shortest decimal that names it, so 0.1 is a tenth and 1,200.1 has one
decimal. Sums and products of such numbers are carried as integers over a power of ten; only a
result is rounded, once, to the nearest double.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import isfinite
from typing import Literal

import msgspec

from steelyard.quantities import TermsError

LegKind = Literal["option", "future", "perpetual", "coin"]

KINDS = ("option", "future", "perpetual", "coin")
PRICE_MAX = 1e15
"""USD at most of a strike or a mark."""

QUANTITY_MAX = 1e18
LOTS_MAX = 2**53
"""Below it a number of lots and the float of its quantity name each other."""

TOLERANCE = 2.0**-50
"""Share of a quantity that the rounding of a few additions may have cost it."""


class Leg(msgspec.Struct, frozen=True):
    """A position of a book, as far as its settlement goes.

    quantity: signed, in units of the underlying. strike: USD, 0 unless an option. expiry_us: UTC
    microseconds, 0 for a perpetual or a coin. mark: value of one unit of quantity, in USD, of a
    coin-settled option in coins; a perpetual or future states its mark price in USD.

    A coin-settled perpetual or future of quantity q is q·mark dollars of contracts: from its mark
    it gains q·(1 − mark/S) coins.
    """

    instrument: str
    kind: LegKind
    underlying: str
    expiry_us: int
    strike: float
    is_call: bool
    quantity: float
    is_coin_settled: bool = False
    mark: float = 0.0

    @property
    def is_option(self) -> bool:
        """Return whether the leg is an option."""
        return self.kind == "option"


Terms = tuple[str, str, int, float, bool, bool, float]


def terms_of(leg: Leg) -> Terms:
    """Return all of a leg but its name and quantity."""
    return (
        leg.kind,
        leg.underlying,
        leg.expiry_us,
        leg.strike,
        leg.is_call,
        leg.is_coin_settled,
        leg.mark,
    )


def check_legs(legs: Iterable[Leg]) -> list[Leg]:
    """Return the legs in one order for every order they came in, each within its rules.

    Errors: TERM-E44 naming instrument, field, rule and cure.
    """
    checked: dict[str, Terms] = {}
    result = []
    for leg in legs:
        _check(leg)
        terms = terms_of(leg)
        if checked.setdefault(leg.instrument, terms) != terms:
            _refuse(leg, "instrument", "one instrument has one set of terms and one mark")
        result.append(leg)
    return sorted(result, key=_place)


def _place(leg: Leg) -> tuple[object, ...]:
    return (
        leg.underlying,
        KINDS.index(leg.kind),
        leg.expiry_us,
        leg.is_coin_settled,
        leg.strike,
        not leg.is_call,
        leg.instrument,
        leg.quantity,
    )


def _check(leg: Leg) -> None:
    if leg.kind not in KINDS:
        _refuse(leg, "kind", f"a kind is one of {', '.join(KINDS)}")
    if not isfinite(leg.quantity) or abs(leg.quantity) > QUANTITY_MAX:
        _refuse(leg, "quantity", "a quantity is a number of at most 10^18")
    if not isfinite(leg.mark) or abs(leg.mark) > PRICE_MAX:
        _refuse(leg, "mark", "a mark is a number of at most 10^15")
    dated = leg.kind in ("option", "future")
    if dated != (leg.expiry_us > 0) or leg.expiry_us < 0:
        _refuse(leg, "expiry_us", "options and futures have an expiry; perpetuals and coins have 0")
    if leg.is_option and not 0.0 < leg.strike <= PRICE_MAX:
        _refuse(leg, "strike", "an option's strike is above 0 and at most 10^15")
    if leg.kind == "coin" and leg.is_coin_settled:
        _refuse(leg, "is_coin_settled", "a coin is held, it does not settle")
    if not leg.is_option and leg.is_coin_settled and not leg.mark > 0.0:
        _refuse(leg, "mark", "a coin-settled perpetual or future states its mark price, above 0")


def _refuse(leg: Leg, field: str, rule: str) -> None:
    raise TermsError(
        "TERM-E44",
        f"leg {leg.instrument!r} has {field} {getattr(leg, field)!r}",
        rule=rule,
        cure="correct the leg",
        instrument=leg.instrument,
        field=field,
    )


def decimal_of(value: float) -> tuple[int, int]:
    """Return (digits, exponent) of the shortest decimal of a finite float: digits·10^exponent.

    >>> decimal_of(0.1), decimal_of(-60000.5), decimal_of(1200.0)
    ((1, -1), (-600005, -1), (12, 2))
    """
    if value == 0.0:
        return 0, 0
    if value == (whole := int(value)) and abs(whole) < LOTS_MAX:
        text, exponent = str(whole), 0
        while text[-1] == "0":
            text, exponent = text[:-1], exponent + 1
        return int(text), exponent
    sign, digits, power = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(power, int)
    number = int("".join(map(str, digits)))
    return (-number if sign else number), power


def decimals_of(values: Iterable[float]) -> int:
    """Return how many decimals (at least 0) name every one of the values.

    >>> decimals_of([60000.0, 0.25, 1.5])
    2
    """
    return max([0, *(-decimal_of(value)[1] for value in values)])


def scaled(value: float, decimals: int) -> int:
    """Return value·10^decimals, exactly; `decimals` is at least as many as the value has.

    >>> scaled(60000.5, 3)
    60000500
    """
    digits, exponent = decimal_of(value)
    return digits * int(10 ** (exponent + decimals))


def lots_of(leg: Leg, lot: float) -> int:
    """Return the leg's quantity in whole lots.

    A quantity counts as a multiple when it is within 2^-50 of its own value of one, which is what
    a few additions of floats may cost. Errors: TERM-E45.

    >>> leg = Leg("BTC", "coin", "BTC", 0, 0.0, False, 0.1 + 0.2)
    >>> lots_of(leg, 1e-8)
    30000000
    """
    if not (isfinite(lot) and lot > 0.0):
        raise TermsError(
            "TERM-E45",
            f"a lot of {lot!r}",
            rule="a lot is a number above 0",
            cure="leave it out, or name the smallest step of the quantities",
        )
    size = Decimal(repr(float(lot)))
    quantity = Decimal(repr(float(leg.quantity)))
    count = int((quantity / size).to_integral_value())
    is_multiple = abs(quantity - count * size) <= abs(quantity) * Decimal(TOLERANCE)
    if not is_multiple or abs(count) > LOTS_MAX:
        raise TermsError(
            "TERM-E45",
            f"leg {leg.instrument!r} has quantity {leg.quantity!r} and the lot is {lot!r}",
            rule="a quantity is a whole number of lots, at most 2^53 of them",
            cure="name a lot that divides every quantity",
            instrument=leg.instrument,
            field="quantity",
        )
    return count


def quantity_of(lots: int, lot: float) -> float:
    """Return the float of a number of lots: `lots_of` gives the same number back.

    >>> quantity_of(30000000, 1e-8)
    0.3
    """
    return float(lots * Decimal(repr(float(lot))))


def settles_in_coins(legs: Sequence[Leg]) -> bool | None:
    """Return whether a book of one underlying settles in coins; None when in both.

    Coins held outright go with either; what settles decides.
    """
    kinds = {leg.is_coin_settled for leg in legs if leg.kind != "coin" and leg.quantity != 0.0}
    if len(kinds) == 2:
        return None
    return True in kinds
