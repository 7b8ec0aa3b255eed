"""Leave-one-out: what the requirements of an account fall by without one leg, or without one underlying.

A leg left out is closed at its mark and its value is in cash, so equity stays and only the requirement
moves. Legs that offset each other have little or a negative share each, those that share one worst
scenario a full one: the shares do not sum to the requirement, and what they miss is stated as
`diversification`. (The explanation of a requirement attributes by derivatives, which do sum.)
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.core.answering import answer_of, evaluated
from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.evaluation import Evaluation
from steelyard.margin.methods.core.instruments import COIN
from steelyard.margin.methods.core.rules import Compiled, hand_on
from steelyard.margin.methods.core.what_if import margins
from steelyard.margin.methods.cures.ledgers import with_balance
from steelyard.margin.methods.cures.results import LeftOut, Number
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, parse_contract

Kind = Literal["position", "balance", "underlying"]


class _Left(NamedTuple):
    """What is left out: legs by name."""

    kind: Kind
    name: str
    legs: frozenset[str]


def leave_one_out(case: Case[Any], document: MethodDocument) -> tuple[LeftOut, ...]:
    """Return, for every position, coin balance and underlying, what the requirements fall by without it.

    Positions and balances first, then `diversification`, the requirement less all of those, then the
    underlyings. Empty where the method states no requirement. Errors: those of `margin_of`.

    >>> from steelyard.terms.documents import documents
    >>> from steelyard.terms.stated import Account, Market, Perpetual, Position, Underlying
    >>> market = Market("2026-06-01T08:00:00Z",
    ...                 underlyings={"BTC": Underlying(70_000.0, perpetual=Perpetual(70_000.0))})
    >>> account = Account(positions=(Position("BTC-PERPETUAL", 1.0),))
    >>> case = Case("one", "paradex-pm", market=market, account=account)
    >>> [(each.name, each.initial) for each in leave_one_out(case, documents().get("paradex-pm"))]
    [('BTC-PERPETUAL', 11200.0), ('diversification', 0.0), ('BTC', 11200.0)]
    """
    if document.core == "scenario":
        changed = document.with_parameters(case.parameters)
        hand_on(document, changed)
        full = evaluated(case, Compiled(changed), keeps=True)
        answer = answer_of(full)
        left, without = _in_columns(full)
    else:
        answer = margin_of(case, document)
        if answer.initial_requirement is None and answer.maintenance_requirement is None:
            return ()
        left, without = _one_by_one(case, document, answer)
    whole = answer.initial_requirement, answer.maintenance_requirement
    told = [
        LeftOut(each.kind, each.name, _less(whole[0], rest[0]), _less(whole[1], rest[1]))
        for each, rest in zip(left, without, strict=True)
    ]
    legs = [each for each in told if each.kind != "underlying"]
    missed = LeftOut(
        "diversification",
        "diversification",
        _missed(whole[0], [each.initial for each in legs]),
        _missed(whole[1], [each.maintenance for each in legs]),
    )
    return (*legs, missed, *(each for each in told if each.kind == "underlying"))


Requirements = list[tuple[Number | None, Number | None]]


def _in_columns(full: Evaluation) -> tuple[list[_Left], Requirements]:
    """Return the requirements without each, one account each, in columns."""
    instruments, books = full.instruments, full.books
    rows = [int(i) for i in books.instrument]
    names = [instruments.names[i] for i in rows]
    left: list[_Left] = [
        _Left("balance" if instruments.kind[i] == COIN else "position", name, frozenset({name}))
        for i, name in zip(rows, names, strict=True)
    ]
    for underlying in instruments.underlyings:
        legs = [instruments.names[i] for i in rows if instruments.underlying_of[i] == underlying]
        if legs:
            left.append(_Left("underlying", underlying, frozenset(legs)))
    if not left:
        return [], []
    stays = np.array([[name not in each.legs for name in names] for each in left], bool)
    cash = np.repeat(books.cash, len(left))
    gone = full.column("equity")[0] - margins(full.prepared, _without(books, stays, cash)).equity
    cash = cash + np.where(np.isfinite(gone), gone, 0.0)
    closed = margins(full.prepared, _without(books, stays, cash))
    levels = closed.initial_requirement, closed.maintenance_requirement
    columns = [[_finite(value) for value in level] for level in levels]
    return left, list(zip(*columns, strict=True))


def _without(books: Books, stays: NDArray[np.bool_], cash: NDArray[np.float64]) -> Books:
    count, size = stays.shape
    kept = stays.reshape(-1)
    return Books(
        count,
        np.repeat(np.arange(count), size)[kept].astype(np.int64),
        np.tile(books.instrument, count)[kept],
        np.tile(books.quantity, count)[kept],
        cash,
        {name: np.tile(column, count)[kept] for name, column in books.stated.items()},
        {name: np.repeat(column, count) for name, column in books.extras.items()},
    )


def _one_by_one(
    case: Case[Any], document: MethodDocument, whole: Answer
) -> tuple[list[_Left], Requirements]:
    """Return the requirements without each, asked of the method one by one."""
    cash = (
        "USDC" if document.core in ("dydx-v4", "drift-v2") else whole.currency or document.currency
    )
    names = [position.instrument for position in case.account.positions]
    left = [_Left("position", name, frozenset({name})) for name in names]
    left += [
        _Left("balance", name, frozenset({name}))
        for name, held in case.account.balances.items()
        if name != cash and held
    ]
    for underlying in sorted({parse_contract(name).underlying for name in names}):
        legs = frozenset(name for name in names if parse_contract(name).underlying == underlying)
        left.append(_Left("underlying", underlying, legs))
    return left, [_closed(case, document, each, cash, whole) for each in left]


def _closed(
    case: Case[Any], document: MethodDocument, left: _Left, cash: str, whole: Answer
) -> tuple[Number | None, Number | None]:
    account = case.account
    changed = replace(
        case,
        account=replace(
            account,
            positions=tuple(p for p in account.positions if p.instrument not in left.legs),
            balances={
                name: held
                for name, held in account.balances.items()
                if left.kind != "balance" or name not in left.legs
            },
        ),
    )
    try:
        found = margin_of(changed, document)
        if found.equity is not None and whole.equity is not None and found.equity != whole.equity:
            gone = whole.equity - found.equity  # type: ignore[operator]
            found = margin_of(with_balance(changed, cash, gone), document)
    except (SteelyardError, ArithmeticError):
        return None, None
    if found.currency != whole.currency:
        return None, None
    return found.initial_requirement, found.maintenance_requirement


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _less(whole: Number | None, rest: Number | None) -> Number | None:
    if whole is None or rest is None:
        return None
    return _difference(whole, rest)


def _missed(whole: Number | None, shares: list[Number | None]) -> Number | None:
    for share in shares:
        whole = _less(whole, share)
    return whole


def _difference(whole: Number, rest: Number) -> Number:
    if isinstance(whole, Decimal) or isinstance(rest, Decimal):
        return Decimal(whole) - Decimal(rest)
    return whole - rest
