"""The named strategies of a stated book: what its legs make together, and what each can lose at most.

They say nothing of the requirement and are worked out only when asked for: a book of fifty options of one
expiry takes tens of milliseconds, its margin less than one.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.core.settlement import legs_of
from steelyard.margin.strategies import Leg, Recognition, recognise
from steelyard.margin.strategies.recognise import LOT
from steelyard.quantities.errors import TermsError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

LOTS = (LOT, 1e-12, 1e-15)
"""The steps that quantities may be multiples of, the first that fits."""

DIGITS = 15
"""Quantities that fit none are rounded to so many digits of the largest."""

NO_MULTIPLE = "TERM-E45"

Named = tuple[Recognition | None, str]


def strategies_of(case: Case[float], document: MethodDocument) -> Named:
    """Return the strategies of a case's account, or None and why they cannot be named ("": no options).

    document: with the case's parameters in it. Marks are those of the positions where stated, else the
    method's values. Errors: those of `answer`.
    """
    evaluation = evaluated(case, Compiled(document))
    return named(legs_of(evaluation.prepared, evaluation.books))


def named(legs: list[Leg]) -> Named:
    """Return the strategies of legs, or None and why they cannot be named.

    >>> legs = [Leg("C60", "option", "BTC", 1, 6e4, True, 1 / 3, mark=2900.0),
    ...         Leg("C65", "option", "BTC", 1, 65e3, True, -1 / 3, mark=1700.0)]
    >>> found, why = named(legs)
    >>> [each.name for each in found.strategies], round(found.maximum_loss, 9), why
    (['bull call spread'], 400.0, '')
    """
    if not any(leg.is_option for leg in legs):
        return None, ""
    unmarked = next((leg.instrument for leg in legs if leg.mark != leg.mark), None)
    if unmarked is not None:
        return (
            None,
            f"{unmarked} has no mark: neither the market nor the position states what it takes",
        )
    try:
        return _recognised(legs), ""
    except TermsError as error:
        return None, f"{error.message}; {error.rule}"


def _recognised(legs: list[Leg]) -> Recognition:
    for lot in LOTS:
        try:
            return recognise(legs, lot=lot)
        except TermsError as error:
            if error.code != NO_MULTIPLE:
                raise
    largest = max(abs(leg.quantity) for leg in legs)
    exponent = Decimal(repr(largest)).adjusted() + 1 - DIGITS
    step = Decimal(1).scaleb(exponent)
    rounded = [
        msgspec.structs.replace(leg, quantity=float(Decimal(repr(leg.quantity)).quantize(step)))
        for leg in legs
    ]
    return recognise(rounded, lot=float(step))
