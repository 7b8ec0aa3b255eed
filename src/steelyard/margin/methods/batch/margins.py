"""The margins of a batch under any method: a row an account, or a row a ledger where ledgers stand apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.batch.columns import Batch, Floats, Places
from steelyard.margin.methods.batch.looped import answers
from steelyard.margin.methods.batch.scenario import UnitMargins, unit_margins
from steelyard.margin.methods.core.rules import hand_on
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Market

_KINDS: dict[type[Any], Any] = {float: Market[float], Decimal: Market[Decimal]}


class BatchMargins(NamedTuple):
    """R rows in the order of the accounts, ledgers of one account by the names of their coins.

    account (R,): its place in the batch; underlying: the coin of a ledger, None for a whole account.
    equity, initial_requirement, maintenance_requirement (R,): NaN where the method says nothing or there
    is an error; currency: None there. errors: by row. answers: the exact ones of a venue's own core.
    """

    account: Places
    underlying: list[str | None]
    currency: list[str | None]
    equity: Floats
    initial_requirement: Floats
    maintenance_requirement: Floats
    errors: dict[int, SteelyardError]
    answers: list[Answer | None] | None = None


def margins_of(
    batch: Batch,
    market: Market[Any],
    document: MethodDocument,
    parameters: Mapping[str, Any] | None = None,
) -> BatchMargins:
    """Return the margins of every account of a batch under one method and one market.

    Each number is that of `margin_of` for the same account alone, bit for bit, whatever else is in the
    batch. A method of one underlying holds an account of several the way its venue does (`units`): with
    cash, requirements and equities of its units add up; with coins, each ledger is a row. An account
    that is wrong gets an error and costs its neighbours nothing.

    market: its numbers may be float or Decimal. Errors: TERM-… for parameters and for a document that
    does not hold together.

    >>> from steelyard.terms.documents import documents
    >>> from steelyard.terms.stated import Perpetual, Underlying
    >>> market = Market("2026-06-01T08:00:00Z",
    ...                 underlyings={"BTC": Underlying(70_000.0, perpetual=Perpetual(70_000.0))})
    >>> batch = Batch(["a", "b"], ["BTC-PERPETUAL"], np.array([0, 1]), np.array([0, 0]),
    ...               np.array([1.0, -0.5]))
    >>> margins_of(batch, market, documents().get("paradex-pm")).initial_requirement.tolist()
    [11200.0, 5600.0]
    """
    changed = document.with_parameters(parameters or {})
    hand_on(document, changed)
    core = core_of(changed)
    stated = market_in(market, core.number)
    if changed.core == "scenario":
        return _of_units(batch, unit_margins(batch, stated, changed))
    return _of_answers(batch, answers(batch, stated, changed))


def market_in(market: Market[Any], number: type[Any]) -> Market[Any]:
    """Return a market in float or Decimal; a float is the shortest decimal that names it.

    Errors: METH-E05 for a number that neither can be.
    """
    if all(isinstance(each, number) for each in _numbers(market)):
        return market
    kind: Any = _KINDS[number]
    try:
        found: Market[Any] = msgspec.convert(msgspec.to_builtins(market), kind, strict=False)
        return found
    except msgspec.ValidationError as error:
        raise InputError(
            "METH-E05", f"the market does not fit: {error}", rule="prices are finite numbers",
            cure="mend the market", field="market",
        ) from None  # fmt: skip


def _numbers(market: Market[Any]) -> Iterator[Any]:
    """Yield the numbers of a market that are of its own kind."""
    for asset in market.assets.values():
        yield from (x for x in (asset.price, asset.total_deposits) if x is not None)
    for stated in market.underlyings.values():
        perpetual = None if stated.perpetual is None else stated.perpetual.mark_price
        amounts = (
            stated.index_price, perpetual, stated.open_interest, stated.mark_price,
            stated.auction_price, stated.max_price, stated.funding_payment,
            *(expiry.forward_price for expiry in stated.expiries),
        )  # fmt: skip
        yield from (x for x in amounts if x is not None)


def _of_units(batch: Batch, found: UnitMargins) -> BatchMargins:
    """Return a row a ledger, or a row an account with its units added up in their order."""
    units = found.units
    is_ledger = units.is_ledger
    counts = np.diff(units.start)
    if is_ledger or (counts == 1).all():
        underlying: list[str | None] = [None] * len(units)
        if is_ledger:
            underlying = [None if i < 0 else units.names[i] for i in units.underlying.tolist()]
        currency: list[str | None] = list(found.currency)
        for row in found.errors:
            currency[row] = None
        return BatchMargins(
            units.account, underlying, currency, found.equity, found.initial, found.maintenance,
            found.errors,
        )  # fmt: skip
    first = units.start[:-1]
    levels = [column[first].copy() for column in (found.equity, found.initial, found.maintenance)]
    for step in range(1, int(counts.max())):
        more = np.flatnonzero(counts > step)
        for level, column in zip(
            levels, (found.equity, found.initial, found.maintenance), strict=True
        ):
            level[more] += column[first[more] + step]
    errors: dict[int, SteelyardError] = {}
    for unit in sorted(found.errors):
        errors.setdefault(int(units.account[unit]), found.errors[unit])
    for row in errors:
        for level in levels:
            level[row] = np.nan
    money = [None if i in errors else found.currency[u] for i, u in enumerate(first.tolist())]
    equity, initial, keep = levels
    return BatchMargins(
        np.arange(len(batch)), [None] * len(batch), money, equity, initial, keep, errors
    )


def _of_answers(batch: Batch, found: list[Answer | SteelyardError]) -> BatchMargins:
    levels = [np.full(len(batch), np.nan) for _ in range(3)]
    errors: dict[int, SteelyardError] = {}
    currency: list[str | None] = []
    kept: list[Answer | None] = []
    for row, answer in enumerate(found):
        if isinstance(answer, SteelyardError):
            errors[row] = answer
            currency.append(None)
            kept.append(None)
            continue
        stated = (answer.equity, answer.initial_requirement, answer.maintenance_requirement)
        for level, value in zip(levels, stated, strict=True):
            level[row] = np.nan if value is None else float(value)
        currency.append(answer.currency)
        kept.append(answer)
    equity, initial, keep = levels
    return BatchMargins(
        np.arange(len(batch)), [None] * len(batch), currency, equity, initial, keep, errors, kept
    )
