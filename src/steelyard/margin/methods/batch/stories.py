"""Explanations of the accounts of a batch, unit by unit, each worked out on its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from steelyard.margin.methods.batch.alone import Alone, beyond, of_account
from steelyard.margin.methods.batch.columns import Batch, account_of
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.batch.units import WHOLE, units_of
from steelyard.margin.methods.core.rules import Compiled, hand_on
from steelyard.margin.methods.explanation import Explanation
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Market


class Story(NamedTuple):
    """The explanation of an account, or of one margin account of it, by its underlying; or the error."""

    account: int
    underlying: str | None
    explanation: Explanation | None
    error: SteelyardError | None


def stories(
    batch: Batch,
    market: Market[Any],
    document: MethodDocument,
    parameters: Mapping[str, Any] | None = None,
) -> Iterator[Story]:
    """Yield why a method says what it says, in the order of accounts and their units."""
    changed = document.with_parameters(parameters or {})
    hand_on(document, changed)
    core = core_of(changed)
    stated = market_in(market, core.number)
    if changed.core != "scenario":
        for place, name in enumerate(batch.accounts):
            try:
                account = account_of(batch, place, core.number)
                case = Case(str(name), changed.name, market=stated, account=account)
            except SteelyardError as error:
                yield Story(place, None, None, of_account(error, name))
                continue
            yield _story(place, None, name, case, changed)
        return
    rules = Compiled(changed).rules
    units = units_of(batch, rules, stated)
    alone = Alone(batch, stated, changed, units, rules)
    for unit in range(len(units)):
        place, under = int(units.account[unit]), int(units.underlying[unit])
        name = None if under == WHOLE else units.names[under]
        try:
            case = alone.case(unit)
        except SteelyardError as error:
            yield Story(place, name, None, of_account(error, batch.accounts[place], name))
            continue
        yield _story(place, name, batch.accounts[place], case, changed)


def _story(
    place: int, underlying: str | None, account: Any, case: Case[Any], document: MethodDocument
) -> Story:
    try:
        found = core_of(document).explain(case, document)
    except SteelyardError as error:
        return Story(place, underlying, None, of_account(error, account, underlying))
    except ArithmeticError:
        return Story(place, underlying, None, beyond(account))
    if found is None:
        return Story(place, underlying, None, _silent(document.name, account))
    return Story(place, underlying, found, None)


def _silent(method: str, account: Any) -> InputError:
    return InputError(
        "METH-E04",
        f"{method} states no requirement of the account",
        rule="what is explained is a requirement",
        cure="choose another method",
        field="account",
        account=account,
    )
