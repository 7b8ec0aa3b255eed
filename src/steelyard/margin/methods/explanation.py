"""The explanation of a requirement: named parts, each with leaves that sum to it exactly.

Amounts are whole units of 10⁻⁹ of the currency. Each leaf is rounded by the largest remainder, so that
the leaves, as printed, sum to the requirement to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction

import msgspec

from steelyard.margin.methods.answer import Answer
from steelyard.margin.strategies.recognise import Recognition
from steelyard.quantities.rounding import largest_remainder

DIGITS = 9
UNITS = 10**9
REST = "size and given amounts"

Amount = float | Decimal | int
Row = tuple[int, str, str]  # place of the part, name of the leaf, underlying


class Leaf(msgspec.Struct, frozen=True):
    """What one leg, or no leg, has in a part: amounts as exact decimals."""

    name: str
    underlying: str
    initial: Decimal
    maintenance: Decimal


class Branch(msgspec.Struct, frozen=True):
    """One part of the two requirements with its leaves, which sum to it exactly."""

    name: str
    initial: Decimal
    maintenance: Decimal
    leaves: tuple[Leaf, ...]


class ScenarioLine(msgspec.Struct, frozen=True):
    """One of an underlying's worst scenarios: its number from 1, words, and the P&L of the unit."""

    underlying: str
    number: int
    words: str
    pnl: float
    is_binding: bool


class OneMore(msgspec.Struct, frozen=True):
    """What one unit more of an instrument, bought or sold at its mark, adds to the two requirements."""

    instrument: str
    bought_initial: float
    bought_maintenance: float
    sold_initial: float
    sold_maintenance: float


class Explanation(msgspec.Struct, frozen=True):
    """An account under a method: totals, their parts, and the scenarios that made them.

    strategies: what its legs make together, None where that was not asked for, or where
    `strategies_missing` says why they cannot be named.
    """

    currency: str
    equity: float | None
    initial: Decimal
    maintenance: Decimal
    parts: tuple[Branch, ...]
    scenarios: tuple[ScenarioLine, ...]
    one_more: tuple[OneMore, ...] = ()
    strategies: Recognition | None = None
    strategies_missing: str = ""


def told(
    currency: str,
    equity: float | None,
    totals: tuple[Amount, Amount],
    parts: Sequence[str],
    rows: list[Row],
    amounts: tuple[Sequence[Amount], Sequence[Amount]],
    scenarios: tuple[ScenarioLine, ...] = (),
    one_more: tuple[OneMore, ...] = (),
) -> Explanation:
    """Return the explanation of leaves: `rows` names them, `amounts` are their initial and maintenance.

    totals: the initial and the maintenance requirement; what the leaves miss of them goes to a leaf REST.
    """
    rows, opening, keeping = _completed(parts, rows, totals, amounts)
    initial, starts = _exact(totals[0], opening)
    maintenance, keeps = _exact(totals[1], keeping)
    return Explanation(
        currency,
        equity,
        _decimal(initial),
        _decimal(maintenance),
        _branches((*parts, REST), rows, starts, keeps),
        scenarios,
        one_more,
    )


def of_answer(answer: Answer) -> Explanation | None:
    """Return the explanation of an answer whose method names its parts; None without requirements."""
    if answer.initial_requirement is None and answer.maintenance_requirement is None:
        return None
    if not answer.parts:
        return None
    names = list(dict.fromkeys(part.name for part in answer.parts))
    rows = [
        (names.index(part.name), part.instrument or part.underlying or part.name, part.underlying)
        for part in answer.parts
    ]
    totals = answer.initial_requirement or 0, answer.maintenance_requirement or 0
    amounts = (
        [part.initial for part in answer.parts],
        [part.maintenance for part in answer.parts],
    )
    equity = None if answer.equity is None else float(answer.equity)
    return told(answer.currency or "", equity, totals, names, rows, amounts)


def _completed(
    parts: Sequence[str],
    rows: list[Row],
    totals: tuple[Amount, Amount],
    amounts: tuple[Sequence[Amount], Sequence[Amount]],
) -> tuple[list[Row], Sequence[Amount], Sequence[Amount]]:
    """Add the leaf REST where the leaves miss a total by more than rounding."""
    missing = []
    for total, values in zip(totals, amounts, strict=True):
        left, size = float(total), abs(float(total))
        for value in values:
            left -= float(value)
            size += abs(float(value))
        missing.append(left if abs(left) > 1e-9 * size else 0.0)
    if not any(missing):
        return rows, *amounts
    return (
        [*rows, (len(parts), REST, "")],
        [*amounts[0], missing[0]],
        [*amounts[1], missing[1]],
    )


def _exact(total: Amount, amounts: Sequence[Amount]) -> tuple[int, list[int]]:
    """Return the total and the amounts in units of 10⁻⁹, the amounts summing to the total."""
    units = round(Fraction(total) * UNITS)
    return units, largest_remainder(amounts, units, UNITS)


def _branches(
    parts: tuple[str, ...], rows: list[Row], initial: list[int], keep: list[int]
) -> tuple[Branch, ...]:
    found = []
    for place, name in enumerate(parts):
        at = [i for i, row in enumerate(rows) if row[0] == place]
        if not at:
            continue
        leaves = tuple(
            Leaf(rows[i][1], rows[i][2], _decimal(initial[i]), _decimal(keep[i])) for i in at
        )
        opening, keeping = (0, 0)
        for i in at:
            opening, keeping = opening + initial[i], keeping + keep[i]
        found.append(Branch(name, _decimal(opening), _decimal(keeping), leaves))
    return tuple(found)


def _decimal(units: int) -> Decimal:
    return Decimal(units).scaleb(-DIGITS, Context(prec=60))
